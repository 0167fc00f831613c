/* SPDX-License-Identifier: MIT */
/* What the benchmark programs share: the clock, result lines, distributions. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_MSEC	1000000LL
#define NSEC_PER_SEC	1000000000LL

__attribute__((noreturn)) static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

static inline int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static inline struct timespec ms_to_timespec(int ms)
{
	return (struct timespec){ ms / 1000, ms % 1000 * NSEC_PER_MSEC };
}

static inline void spin_ns(int64_t ns)
{
	int64_t end = now_ns() + ns;

	while (now_ns() < end)
		;
}

static inline void pin_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

/* A positive number given as an argument. */
static inline int arg_number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end || n < 1 || n > 1000000000) {
		fprintf(stderr, "%s: not a positive number: %s\n", program_invocation_short_name,
			text);
		exit(2);
	}
	return n;
}

/* One result, as a program reads it. */
static inline void out(const char *bench, const char *runtime, int workers, double value,
		       const char *unit)
{
	printf("bench=%s runtime=%s workers=%d value=%.3f unit=%s\n", bench, runtime, workers,
	       value, unit);
	fflush(stdout);
}

static inline int cmp_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* One of the samples, which are in nanoseconds, in microseconds. */
static inline void out_quantile(const char *bench, const char *quantile, const char *runtime,
				int workers, const int64_t *sorted, size_t index)
{
	char name[96];

	snprintf(name, sizeof(name), "%s_%s", bench, quantile);
	out(name, runtime, workers, sorted[index] / 1e3, "us");
}

/* Median, p90, p99 and maximum of @n samples in nanoseconds, which get sorted. */
static inline void out_dist(const char *bench, const char *runtime, int workers, int64_t *v,
			    size_t n)
{
	qsort(v, n, sizeof(*v), cmp_i64);
	out_quantile(bench, "p50", runtime, workers, v, n / 2);
	out_quantile(bench, "p90", runtime, workers, v, n * 9 / 10);
	out_quantile(bench, "p99", runtime, workers, v, n * 99 / 100);
	out_quantile(bench, "max", runtime, workers, v, n - 1);
}

#endif /* BENCH_COMMON_H */
