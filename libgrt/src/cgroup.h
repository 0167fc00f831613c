/* SPDX-License-Identifier: MIT */
/* How much processor time the process's control groups grant it. */
#ifndef GRT_SRC_CGROUP_H
#define GRT_SRC_CGROUP_H

#include <stdint.h>

/* Goes before every path; tests have files of their own. */
extern const char *cgrouproot;

void cgroupinit(void);
int32_t cgroupcpus(void);

#endif /* GRT_SRC_CGROUP_H */
