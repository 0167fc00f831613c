// SPDX-License-Identifier: MIT
/*
 * Run queues: each P's ring and runnext, and the global queue.
 *
 * The ring has one producer, the M that holds the P, and many consumers: that M and thieves.
 * head and tail wrap; they are words of the hint range, so the kernel sees the very indices the
 * library uses.
 *
 *	- The producer stores the slot, then tail with release. A thief that reads tail with acquire
 *	  sees the slots below it.
 *	- A consumer reads head with acquire, the slots, and then takes them by a compare and swap
 *	  of head. If it succeeds, nobody else has taken them; and the producer, which reads head
 *	  with acquire before it uses a slot again, has not overwritten them before.
 *	- runnext is filled by the owner and emptied by anyone, by atomic exchange.
 */
#include <sched.h>

#include "runtime.h"

static struct g *slotget(struct p *pp, uint32_t i)
{
	return load_relaxed(&pp->runq[i % RUNQ_SIZE]);
}

static void slotset(struct p *pp, uint32_t i, struct g *gp)
{
	store_relaxed(&pp->runq[i % RUNQ_SIZE], gp);
}

/* Sets the P's bit in has_work: tested first, for it is set nearly always. */
static void workset(struct p *pp)
{
	uint64_t *word = (uint64_t *)&sched.hint->has_work[pp->id / 64];
	uint64_t bit = 1ULL << (pp->id % 64);

	if (!(load_relaxed(word) & bit))
		__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
}

/* The owner is going idle with an empty queue: clears the P's bit in has_work. */
void runqidle(struct p *pp)
{
	uint64_t *word = (uint64_t *)&sched.hint->has_work[pp->id / 64];
	uint64_t bit = 1ULL << (pp->id % 64);

	if (load_relaxed(word) & bit)
		__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
}

void gqpush(struct gqueue *q, struct g *gp)
{
	gp->schedlink = NULL;
	if (q->tail)
		q->tail->schedlink = gp;
	else
		q->head = gp;
	q->tail = gp;
	q->n++;
}

struct g *gqpop(struct gqueue *q)
{
	struct g *gp = q->head;

	if (gp) {
		q->head = gp->schedlink;
		if (!q->head)
			q->tail = NULL;
		q->n--;
	}
	return gp;
}

/* ---- The global queue, under sched.lock ---------------------------------------------------- */

/* Puts a batch on the tail of the global queue. sched.lock held. */
void globrunqputbatch(struct gqueue *q)
{
	if (!q->n)
		return;
	if (sched.runq.tail)
		sched.runq.tail->schedlink = q->head;
	else
		sched.runq.head = q->head;
	sched.runq.tail = q->tail;
	sched.runq.n += q->n;
	store_release(&sched.hint->gqlen, sched.runq.n);
	*q = (struct gqueue){ 0 };
}

/* Puts a batch on the head of the global queue. sched.lock held. */
void globrunqputhead(struct gqueue *q)
{
	struct gqueue rest = sched.runq;

	if (!q->n)
		return;
	sched.runq = *q;
	*q = rest;
	store_release(&sched.hint->gqlen, sched.runq.n);
	globrunqputbatch(q);
}

/* Puts one goroutine on the tail of the global queue. sched.lock held. */
void globrunqput(struct g *gp)
{
	struct gqueue q = { 0 };

	gqpush(&q, gp);
	globrunqputbatch(&q);
}

static bool runqputtail(struct p *pp, struct g *gp)
{
	uint32_t h = load_acquire(&pp->hint->head);
	uint32_t t = pp->hint->tail;

	if (t - h >= RUNQ_SIZE)
		return false;
	slotset(pp, t, gp);
	store_release(&pp->hint->tail, t + 1);
	workset(pp);
	return true;
}

/*
 * Takes a fair share of the global queue (C3), at most @max, 0 for no limit: returns the first and
 * puts the rest on the ring of @pp, which has room for it: half a ring at most is taken, with @max
 * 0 only by an M whose ring is empty. sched.lock held.
 */
struct g *globrunqget(struct p *pp, uint32_t max)
{
	uint32_t n = sched.runq.n / sched.gomaxprocs + 1;
	struct g *gp;

	if (n > sched.runq.n)
		n = sched.runq.n;
	if (max && n > max)
		n = max;
	if (n > RUNQ_SIZE / 2)
		n = RUNQ_SIZE / 2;
	if (!n)
		return NULL;
	gp = gqpop(&sched.runq);
	while (--n)
		runqputtail(pp, gqpop(&sched.runq));
	store_release(&sched.hint->gqlen, sched.runq.n);
	return gp;
}

/* ---- The ring ------------------------------------------------------------------------------ */

/*
 * True if there is nothing in it. Reads in an order that misses no goroutine on its way from
 * runnext to the ring: if neither end of the ring moved, runnext was read between two looks.
 */
bool runqempty(const struct p *pp)
{
	uint32_t head, tail;
	uint64_t next;

	for (;;) {
		head = load_acquire(&pp->hint->head);
		tail = load_acquire(&pp->hint->tail);
		next = load_acquire(&pp->hint->runnext);
		if (tail == load_acquire(&pp->hint->tail))
			return head == tail && !next;
	}
}

/* The ring is full (R84): moves half of it and @gp to the global queue. Only by the owner. */
static bool runqputslow(struct p *pp, struct g *gp)
{
	struct gqueue q = { 0 };
	struct g *batch[RUNQ_SIZE / 2];
	uint32_t h = load_acquire(&pp->hint->head);
	uint32_t t = pp->hint->tail;
	uint32_t i, n = (t - h) / 2;

	if (n != RUNQ_SIZE / 2)
		return false;	/* a thief has made room */
	for (i = 0; i < n; i++)
		batch[i] = slotget(pp, h + i);
	if (!cas(&pp->hint->head, h, h + n))
		return false;
	for (i = 0; i < n; i++)
		gqpush(&q, batch[i]);
	gqpush(&q, gp);
	lock(&sched.lock);
	globrunqputbatch(&q);
	unlock(&sched.lock);
	return true;
}

/*
 * Puts @gp on the local queue: with @next into runnext, whose goroutine then goes to the tail of
 * the ring. Only by the owner. The caller does wakep().
 */
void runqput(struct p *pp, struct g *gp, bool next)
{
	if (next) {
		gp = (struct g *)(uintptr_t)xchg(&pp->hint->runnext, (uintptr_t)gp);
		if (!gp) {
			workset(pp);
			return;
		}
	}
	while (!runqputtail(pp, gp) && !runqputslow(pp, gp))
		;
}

/*
 * Takes the next goroutine of the local queue. Only by the owner. *@inherit: it came from runnext
 * and shares the slice of the one before (R50).
 *
 * Goroutines that wake each other through runnext are preempted as one (R61): when the slice of
 * such a chain is over, its next goes to the global queue, as the one that is made to yield does.
 * Else a pair that parks whenever it is about to be asked would never let go of the P.
 */
struct g *runqget(struct p *pp, bool *inherit)
{
	struct g *gp;
	uint64_t next = load_relaxed(&pp->hint->runnext);
	uint32_t h, t;

	*inherit = false;
	if (next && cas(&pp->hint->runnext, next, 0)) {
		gp = (struct g *)(uintptr_t)next;
		if (likely(!pp->sliceover)) {
			*inherit = true;
			return gp;
		}
		lock(&sched.lock);
		globrunqput(gp);
		unlock(&sched.lock);
		wakep();
	}
	pp->sliceover = false;
	for (;;) {
		h = load_acquire(&pp->hint->head);
		t = pp->hint->tail;
		if (h == t)
			return NULL;
		gp = slotget(pp, h);
		if (cas(&pp->hint->head, h, h + 1))
			return gp;
	}
}

/* Moves all that the P has to the tail of @q, in the order in which it would run. Stopped world. */
void runqdrain(struct p *pp, struct gqueue *q)
{
	bool inherit;
	struct g *gp;

	pp->sliceover = false;
	while ((gp = runqget(pp, &inherit)))
		gqpush(q, gp);
	runqidle(pp);
}

/*
 * Grabs half of the ring of @victim, rounded up (C2), into the slots of @pp from @t on; from an
 * empty ring with @runnext that one. Returns how many.
 */
static uint32_t runqgrab(struct p *pp, struct p *victim, uint32_t t, bool runnext)
{
	uint32_t h, n, i;
	uint64_t next;

	for (;;) {
		h = load_acquire(&victim->hint->head);
		n = load_acquire(&victim->hint->tail) - h;
		n -= n / 2;
		if (!n) {
			next = load_acquire(&victim->hint->runnext);
			if (!runnext || !next)
				return 0;
			/*
			 * Its owner is likely to run it within a microsecond, when the goroutine
			 * that made it ready parks: moving it would cost more than waiting.
			 */
			for (i = 0; i < 64; i++)
				__builtin_ia32_pause();
			sched_yield();
			if (!cas(&victim->hint->runnext, next, 0))
				continue;
			slotset(pp, t, (struct g *)(uintptr_t)next);
			return 1;
		}
		if (n > RUNQ_SIZE / 2)
			continue;	/* head and tail were not read at one time */
		for (i = 0; i < n; i++)
			slotset(pp, t + i, slotget(victim, h + i));
		if (cas(&victim->hint->head, h, h + n))
			return n;
	}
}

/*
 * Steals from @victim into the ring of @pp, which is empty; returns one of what it got. Only by the
 * owner of @pp.
 */
struct g *runqsteal(struct p *pp, struct p *victim, bool runnext)
{
	uint32_t t = pp->hint->tail;
	uint32_t n = runqgrab(pp, victim, t, runnext);
	struct g *gp;

	if (!n)
		return NULL;
	gp = slotget(pp, t + n - 1);
	if (n > 1) {
		store_release(&pp->hint->tail, t + n - 1);
		workset(pp);
	}
	return gp;
}
