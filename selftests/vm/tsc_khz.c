// SPDX-License-Identifier: GPL-2.0
/*
 * tsc_khz - the rate of this machine's time stamp counter
 *
 * The emulator's processors show it to their guest. A guest that finds the rate by itself, with
 * the emulated timers of a PC on a busy host, may be wrong by a factor of ten and never notice.
 */

#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define SPAN_NS		200000000ULL
#define TRIES		100

struct moment {
	uint64_t ns, tsc;
};

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Both clocks at once: the attempt in which least time passed between two looks at the counter. */
static struct moment look(void)
{
	uint64_t before, after, ns, least = UINT64_MAX;
	struct moment best = { 0 };
	int i;

	for (i = 0; i < TRIES; i++) {
		before = __rdtsc();
		ns = now();
		after = __rdtsc();
		if (after - before < least) {
			least = after - before;
			best = (struct moment) { .ns = ns, .tsc = before + least / 2 };
		}
	}
	return best;
}

int main(void)
{
	struct timespec span = { .tv_nsec = SPAN_NS };
	struct moment from = look(), to;

	nanosleep(&span, NULL);
	to = look();
	printf("%llu\n", (unsigned long long)((double)(to.tsc - from.tsc) * 1000000 /
						(to.ns - from.ns) + 0.5));
	return 0;
}
