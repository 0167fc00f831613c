/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The layout of what program and kernel share, in numbers: the same for 32 bits and 64, where a
 * __u64 asks for different alignments. Each program of the tests is compiled with it.
 */
#ifndef GSCHED_LAYOUT_H
#define GSCHED_LAYOUT_H

#include <assert.h>
#include <stddef.h>

#include <linux/gsched.h>

#define LAYOUT_SIZE(type, size)	\
	static_assert(sizeof(struct gsched_##type) == (size), "size of " #type)
#define LAYOUT_FIELD(type, field, offset)	\
	static_assert(offsetof(struct gsched_##type, field) == (offset), #type "." #field)

LAYOUT_SIZE(status, 128);
LAYOUT_FIELD(status, nr_p, 64);
LAYOUT_SIZE(p_status, 64);
LAYOUT_FIELD(p_status, count, 8);
LAYOUT_SIZE(m_status, 128);
LAYOUT_FIELD(m_status, preempt, 64);
LAYOUT_FIELD(m_status, granted_ns, 88);
LAYOUT_SIZE(hint, 4352);
LAYOUT_FIELD(hint, gqlen, 64);
LAYOUT_FIELD(hint, next_when, 72);
LAYOUT_FIELD(hint, has_work, 128);
LAYOUT_FIELD(hint, park, 256);
LAYOUT_SIZE(p_hint, 64);
LAYOUT_FIELD(p_hint, runnext, 8);
LAYOUT_FIELD(p_hint, schedtick, 16);
LAYOUT_SIZE(m_hint, 64);
LAYOUT_FIELD(m_hint, goid, 8);

LAYOUT_SIZE(setup, 72);
LAYOUT_FIELD(setup, status_size, 24);
LAYOUT_FIELD(setup, m_hint_offset, 64);
LAYOUT_SIZE(register, 16);
LAYOUT_SIZE(park, 24);
LAYOUT_FIELD(park, deadline_ns, 8);
LAYOUT_FIELD(park, expected, 20);
LAYOUT_SIZE(unpark, 16);
LAYOUT_SIZE(switch, 16);
LAYOUT_SIZE(acquire, 16);
LAYOUT_FIELD(acquire, deadline_ns, 8);
LAYOUT_SIZE(make, 16);
LAYOUT_SIZE(resize, 16);
LAYOUT_SIZE(tune, 48);
LAYOUT_FIELD(tune, slice_ns, 8);
LAYOUT_FIELD(tune, spare, 44);
LAYOUT_SIZE(preempt, 16);
LAYOUT_SIZE(stop, 24);
LAYOUT_FIELD(stop, deadline_ns, 8);
LAYOUT_FIELD(stop, nr, 20);
LAYOUT_SIZE(info, 32);
LAYOUT_FIELD(info, buf, 16);
LAYOUT_FIELD(info, buf_size, 24);
LAYOUT_FIELD(info_domain, blocks, 32);
static_assert(sizeof(struct gsched_info_domain) % 8 == 0, "a tail of info_domain");

#endif /* GSCHED_LAYOUT_H */
