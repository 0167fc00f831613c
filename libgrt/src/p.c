// SPDX-License-Identifier: MIT
/* Ps: their making; and for the futex backend their owners and the list of the idle ones. */
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "sysmon.h"

/*
 * Numbers below gomaxprocs that have no divisor with it: any of them is a stride that visits every
 * P once.
 */
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
		lockinit(&ps[i].timerslock, LOCKRANK_TIMERS);
		sched.allp[i] = &ps[i];
	}
	for (i = 1; i <= n; i++) {
		if (gcd(i, n) == 1)
			coprimes[ncoprimes++] = i;
	}
	sched.gomaxprocs = n;
}

/* ---- The futex backend: who has which P ---------------------------------------------------- */

/* What the kernel shows on gsched, in the same layout. */
struct gsched_status futexstatus __cacheline_aligned;

/* Associates the P with the M. */
void acquirep(struct m *mp, struct p *pp)
{
	if (hasp(mp))
		fatal("acquirep: already in go");
	store_release(&pp->m, mp);
	store_release(&pp->status, Prunning);
	WRITE_ONCE(mp->statusline.word, pp->id + 1);
}

/* Dissociates them. */
struct p *releasep(struct m *mp)
{
	struct p *pp = getp(mp);

	WRITE_ONCE(mp->statusline.word, 0);
	store_release(&pp->m, NULL);
	store_release(&pp->status, Pidle);
	return pp;
}

/*
 * Puts the P on the list of idle ones. sched.lock held; the caller looks for work afterwards, for
 * who enqueues looks at nidle.
 */
void pidleput(struct p *pp)
{
	pp->link = sched.pidle;
	sched.pidle = pp;
	store_seqcst(&futexstatus.nidle, futexstatus.nidle + 1);
}

/* Takes an idle P, or NULL. sched.lock held. */
struct p *pidleget(void)
{
	struct p *pp = sched.pidle;

	if (pp) {
		sched.pidle = pp->link;
		store_seqcst(&futexstatus.nidle, futexstatus.nidle - 1);
		sysmonwake();
	}
	return pp;
}
