/* SPDX-License-Identifier: MIT */
/* What the assembly knows of the C structures; src/m.c asserts it. */
#ifndef GRT_ARCH_OFFSETS_H
#define GRT_ARCH_OFFSETS_H

#define G_SCHED_SP	0	/* struct g: sched.sp */
#define FRAME_SIZE	56	/* a saved context: six registers and the return address */

#endif /* GRT_ARCH_OFFSETS_H */
