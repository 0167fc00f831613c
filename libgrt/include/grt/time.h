/* SPDX-License-Identifier: MIT */
#ifndef GRT_TIME_H
#define GRT_TIME_H

#include <grt/base.h>

GRT_BEGIN_DECLS

/**
 * grt_now() - the clock that deadlines are on
 *
 * Any thread.
 * Return: CLOCK_MONOTONIC in nanoseconds.
 */
GRT_API int64_t grt_now(void);

/**
 * grt_sleep() - suspend the calling goroutine
 * @ns: for at least this many nanoseconds; 0 or less: not at all
 *
 * The thread goes on with other goroutines.
 * Return: 0.
 */
GRT_API int grt_sleep(int64_t ns);

GRT_END_DECLS

#endif /* GRT_TIME_H */
