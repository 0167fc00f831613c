// SPDX-License-Identifier: MIT
/* Ps: their making, and on futex their owner and the list of the idle ones. */
#include <stdlib.h>
#include <string.h>

#include "backend.h"

/* Numbers below gomaxprocs that have no divisor with it: any of them is a stride that visits every
 * P once. */
static uint32_t *coprimes;
static uint32_t ncoprimes;

static uint32_t gcd(uint32_t a, uint32_t b)
{
	uint32_t c;

	while (b) {
		c = a % b;
		a = b;
		b = c;
	}
	return a;
}

uint32_t stealstride(uint32_t rand)
{
	return coprimes[rand % ncoprimes];
}

/* Makes the Ps (R22); @hints has a line for each. Before there are goroutines. */
void procresize(int32_t n, struct gsched_p_hint *hints)
{
	struct p *ps = aligned_alloc(64, n * sizeof(*ps));
	int32_t i;

	sched.allp = calloc(n, sizeof(*sched.allp));
	coprimes = calloc(n, sizeof(*coprimes));
	if (!ps || !sched.allp || !coprimes)
		fatal_setup("out of memory");
	memset(ps, 0, n * sizeof(*ps));
	for (i = 0; i < n; i++) {
		ps[i].id = i;
		ps[i].hint = &hints[i];
		sched.allp[i] = &ps[i];
	}
	for (i = 1; i <= n; i++) {
		if (gcd(i, n) == 1)
			coprimes[ncoprimes++] = i;
	}
	sched.gomaxprocs = n;
}
