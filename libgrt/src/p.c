// SPDX-License-Identifier: MIT
/* Ps: their making; and for the futex backend their owners and the list of the idle ones. */
#include "backend.h"
#include "sysmon.h"

/*
 * Numbers below gomaxprocs that have no divisor with it: any of them is a stride that visits every
 * P once. Changed in a stopped world, used by Ms with a P.
 */
static uint16_t coprimes[GSCHED_MAX_P];
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

/*
 * Makes the Ps below @n that do not exist yet. In a stopped world, or before there are goroutines.
 * Return: false: out of memory.
 */
bool allocps(int32_t n)
{
	struct p *pp;

	while (sched.nallp < n) {
		pp = persistentalloc(sizeof(*pp));
		if (!pp)
			return false;
		pp->id = sched.nallp;
		pp->hint = &sched.phint[pp->id];
		pp->status = Pdead;
		lockinit(&pp->timerslock, LOCKRANK_TIMERS);
		sched.allp[pp->id] = pp;
		store_release(&sched.nallp, sched.nallp + 1);
	}
	return true;
}

/*
 * The number of Ps is @n from now on (R22); allocps() has made them, and who owns them is the
 * backend's. In a stopped world, or before there are goroutines.
 */
void procresize(int32_t n)
{
	int32_t i;

	ncoprimes = 0;
	for (i = 1; i <= n; i++) {
		if (gcd(i, n) == 1)
			coprimes[ncoprimes++] = i;
	}
	store_release(&sched.gomaxprocs, n);
}

/*
 * What the Ps from @n on have goes elsewhere before they die (R23): goroutines to the head of the
 * global queue, for they are next, timers to @to, dead Gs to the global list. In a stopped world.
 */
void movework(int32_t n, struct p *to)
{
	struct gqueue q = { 0 };
	struct p *pp;
	int32_t i;

	for (i = n; i < sched.gomaxprocs; i++) {
		pp = sched.allp[i];
		runqdrain(pp, &q);
		movetimers(pp, to);
		gfpurge(pp);
	}
	lock(&sched.lock);
	globrunqputhead(&q);
	unlock(&sched.lock);
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
