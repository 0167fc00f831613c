// SPDX-License-Identifier: MIT
/*
 * Timers: a heap a P, and one word that says when the next timer of all is due.
 *
 * A P runs its own timers when it schedules (checktimers). When no P does, one M, the poller,
 * sleeps until next_when. The word may say too early a time, never too late a one, and 0 only if
 * there is no timer:
 *	- addtimer() puts the timer into a heap and then lowers the word, if it is 0 or later.
 *	- timerhorizon(), which only the poller calls, stores NEVER, looks at every heap, and lowers
 *	  the word to what it found, or to 0 from NEVER. A timer added behind its back has either
 *	  been seen in the heap or lowers the word after the store of NEVER.
 */
#include <string.h>
#include <time.h>

#include "backend.h"

#define NEVER	UINT64_MAX	/* of next_when, while the poller looks */
#define ARITY	4		/* as Go's: a shallower heap touches fewer cache lines */

int64_t nanotime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int64_t grt_now(void)
{
	return nanotime();
}

/* ---- The heap of a P, under its timerslock ------------------------------------------------- */

static void heapset(struct p *pp, uint32_t i, struct timer *t)
{
	pp->timers[i] = t;
	t->i = i;
}

static void siftup(struct p *pp, uint32_t i)
{
	struct timer *t = pp->timers[i];
	uint32_t parent;

	while (i > 0) {
		parent = (i - 1) / ARITY;
		if (pp->timers[parent]->when <= t->when)
			break;
		heapset(pp, i, pp->timers[parent]);
		i = parent;
	}
	heapset(pp, i, t);
}

static void siftdown(struct p *pp, uint32_t i)
{
	struct timer *t = pp->timers[i];
	uint32_t c, end, least;

	for (;;) {
		c = i * ARITY + 1;
		if (c >= pp->ntimers)
			break;
		end = c + ARITY < pp->ntimers ? c + ARITY : pp->ntimers;
		for (least = c++; c < end; c++) {
			if (pp->timers[c]->when < pp->timers[least]->when)
				least = c;
		}
		if (pp->timers[least]->when >= t->when)
			break;
		heapset(pp, i, pp->timers[least]);
		i = least;
	}
	heapset(pp, i, t);
}

static void heaptop(struct p *pp)
{
	store_release(&pp->timer0when, pp->ntimers ? pp->timers[0]->when : 0);
}

static void heapinsert(struct p *pp, struct timer *t)
{
	struct timer **heap;
	uint32_t cap;

	if (pp->ntimers == pp->captimers) {
		cap = pp->captimers ? 2 * pp->captimers : 512;
		heap = sysalloc(cap * sizeof(*heap));
		if (!heap)
			fatal("out of memory: no memory for another timer");
		if (pp->timers)
			memcpy(heap, pp->timers, pp->captimers * sizeof(*heap));
		sysfree(pp->timers, pp->captimers * sizeof(*heap));
		pp->timers = heap;
		pp->captimers = cap;
	}
	pp->timers[pp->ntimers] = t;
	siftup(pp, pp->ntimers++);
	store_release(&t->pp, pp);
	heaptop(pp);
}

static void heapremove(struct p *pp, struct timer *t)
{
	uint32_t i = t->i;
	struct timer *last = pp->timers[--pp->ntimers];

	if (last != t) {
		heapset(pp, i, last);
		siftup(pp, i);
		siftdown(pp, last->i);
	}
	store_release(&t->pp, NULL);
	heaptop(pp);
}

/* ---- The next timer of all ----------------------------------------------------------------- */

/* Lowers next_when to @when. True if it was 0 or later. */
static bool lower(uint64_t when)
{
	uint64_t *word = (uint64_t *)&sched.hint->next_when;
	uint64_t old = load_seqcst(word);

	while (!old || old > when) {
		if (__atomic_compare_exchange_n(word, &old, when, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return true;
	}
	return false;
}

/*
 * When the next timer is due; 0: there is none. Only the holder of npolling calls it: from the
 * word's exact value it sleeps, and is woken by whoever lowers it.
 */
int64_t timerhorizon(void)
{
	uint64_t *word = (uint64_t *)&sched.hint->next_when;
	uint64_t soonest = NEVER;
	int64_t when;
	int32_t i;

	if (!load_seqcst(word))
		return 0;
	store_seqcst(word, NEVER);
	for (i = 0; i < load_acquire(&sched.gomaxprocs); i++) {
		when = __atomic_load_n(&sched.allp[i]->timer0when, __ATOMIC_SEQ_CST);
		if (when && (uint64_t)when < soonest)
			soonest = when;
	}
	if (soonest == NEVER)
		cas(word, NEVER, 0);
	else
		lower(soonest);
	when = load_seqcst(word);
	return when;
}

/* ---- Adding, removing, running ------------------------------------------------------------- */

void addtimer(struct timer *t)
{
	struct m *mp = acquirem();
	struct p *pp = mp ? getp(mp) : sched.allp[0];
	uint64_t when = t->when;

	lock(&pp->timerslock);
	heapinsert(pp, t);
	unlock(&pp->timerslock);
	/* The poller sleeps too long, or nobody polls yet: that is work (protocol 4). */
	if (lower(when)) {
		if (load_seqcst(&sched.hint->npolling))
			netpollbreak();
		else if (mp && getg() == mp->g0)
			mp->owewake = true;
		else
			wakep();
	}
	releasem(mp);
}

bool deltimer(struct timer *t)
{
	struct p *pp;
	bool found;

	for (;;) {
		pp = load_acquire(&t->pp);
		if (!pp)
			return false;
		lock(&pp->timerslock);
		found = t->pp == pp;
		if (found)
			heapremove(pp, t);
		unlock(&pp->timerslock);
		if (found)
			return true;
	}
}

/*
 * Runs the timers of @pp that are due. *@now: the time, 0: not looked at yet. True if one ran.
 * Any P may run another's. On g0, with a P.
 */
bool checktimers(struct p *pp, int64_t *now)
{
	int64_t when = load_acquire(&pp->timer0when);
	void (*f)(void *arg, uint64_t seq);
	struct timer *t;
	bool ran = false;
	uint64_t seq;
	void *arg;

	if (likely(!when))
		return false;
	if (!*now)
		*now = nanotime();
	while (when && when <= *now) {
		lock(&pp->timerslock);
		if (!pp->ntimers || pp->timers[0]->when > *now) {
			unlock(&pp->timerslock);
			break;
		}
		t = pp->timers[0];
		f = t->f;
		arg = t->arg;
		seq = t->seq;
		heapremove(pp, t);	/* from here its owner may use it again */
		unlock(&pp->timerslock);
		f(arg, seq);
		ran = true;
		when = load_acquire(&pp->timer0when);
	}
	return ran;
}

/* The soonest timer of the P, out of its heap, or NULL. */
static struct timer *heappop(struct p *pp)
{
	struct timer *t = NULL;

	lock(&pp->timerslock);
	if (pp->ntimers) {
		t = pp->timers[0];
		heapremove(pp, t);
	}
	unlock(&pp->timerslock);
	return t;
}

/*
 * The timers of @from become those of @to. In a stopped world: nobody removes one meanwhile. But
 * the poller may look, and find one neither here nor there: hence lower() afterwards, as in
 * addtimer().
 */
void movetimers(struct p *from, struct p *to)
{
	uint64_t soonest = 0;
	struct timer *t;

	while ((t = heappop(from))) {
		if (!soonest)
			soonest = t->when;
		lock(&to->timerslock);
		heapinsert(to, t);
		unlock(&to->timerslock);
	}
	if (soonest && lower(soonest))
		netpollbreak();
}

/* Runs all timers that are due, of every P. */
void runduetimers(int64_t *now)
{
	int32_t i;

	for (i = 0; i < sched.gomaxprocs; i++)
		checktimers(sched.allp[i], now);
}

/* ---- Sleep --------------------------------------------------------------------------------- */

static void sleeptimer(void *arg, uint64_t seq)
{
	(void)seq;
	goready(arg);
}

/* The timer is added only once the goroutine is off its stack: it may be due at once. */
static bool sleepcommit(struct g *gp, void *unused)
{
	(void)unused;
	addtimer(&gp->timer);
	return true;
}

int grt_sleep(int64_t ns)
{
	struct g *gp = getg_user("grt_sleep");
	int64_t now;

	if (ns <= 0)
		return 0;
	now = nanotime();
	gp->timer.when = ns < INT64_MAX - now ? now + ns : INT64_MAX;
	gp->timer.f = sleeptimer;
	gp->timer.arg = gp;
	gopark(sleepcommit, NULL, GRT_WAIT_SLEEP);
	return 0;
}
