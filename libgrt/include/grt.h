/* SPDX-License-Identifier: MIT */
/*
 * libgrt - goroutines for C
 *
 * Conventions: names are grt_noun_verb. Calls return 0 or a count, else a negative errno; errno
 * itself is not used, since a goroutine may move to another thread. Programming errors panic, or
 * are fatal where Go's are. Calls marked "any thread" may be used outside goroutines too; all
 * others panic there.
 */
#ifndef GRT_H
#define GRT_H

#include <grt/base.h>
#include <grt/chan.h>
#include <grt/panic.h>
#include <grt/sched.h>
#include <grt/sync.h>
#include <grt/time.h>

#endif /* GRT_H */
