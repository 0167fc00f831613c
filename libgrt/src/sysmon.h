/* SPDX-License-Identifier: MIT */
/* The monitor thread of the futex backend. */
#ifndef GRT_SRC_SYSMON_H
#define GRT_SRC_SYSMON_H

#include "runtime.h"

void sysmon(void);
void sysmonstop(void);
/* A P is about to be used; sched.lock held. */
void sysmonwake(void);
void handoffp(struct p *pp);

#endif /* GRT_SRC_SYSMON_H */
