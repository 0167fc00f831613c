// SPDX-License-Identifier: MIT
/*
 * The waitgroup, by Go's rules (waitgroup.go).
 *
 * The counter and the number of waiters share one word: add() takes no lock unless it brings the
 * counter to 0 and somebody waits. A waiter counts itself and joins the queue in one stretch under
 * the lock, so whoever saw it counted finds it queued once it has the lock.
 *
 * Once the counter is 0 and nobody was counted, add() touches the waitgroup no more; with waiters,
 * not after it has let the first go. So the last wait() to return may free the memory.
 */
#include "sudog.h"

#define ONE	(1ULL << 32)	/* of the counter */

static int32_t counter(uint64_t state)
{
	return (int32_t)(state >> 32);
}

static uint32_t waiters(uint64_t state)
{
	return (uint32_t)state;
}

static uint64_t load(const grt_waitgroup *wg)
{
	return load_seqcst(&wg->state);
}

/* The counter has become 0 and @state's waiters wait for that: nobody may change the word now. */
static void let_go(grt_waitgroup *wg, uint64_t state)
{
	struct grt_sudog *list;

	lock(&wg->lock);
	if (!cas(&wg->state, state, 0)) {
		unlock(&wg->lock);
		gopanic("sync: WaitGroup misuse: Add called concurrently with Wait");
	}
	list = waitq_take_all(&wg->waitq);
	unlock(&wg->lock);
	waitq_ready_all(list);
}

void grt_waitgroup_add(grt_waitgroup *wg, int32_t delta)
{
	uint64_t change = (uint64_t)(int64_t)delta * ONE;
	uint64_t state = xadd(&wg->state, change) + change;

	if (counter(state) < 0)
		gopanic("sync: negative WaitGroup counter");
	if (waiters(state) && delta > 0 && counter(state) == delta)
		gopanic("sync: WaitGroup misuse: Add called concurrently with Wait");
	if (!counter(state) && waiters(state))
		let_go(wg, state);
}

void grt_waitgroup_done(grt_waitgroup *wg)
{
	grt_waitgroup_add(wg, -1);
}

/* Under the lock: counts one more waiter; false: the counter is 0, there is nothing to wait for. */
static bool count_waiter(grt_waitgroup *wg)
{
	uint64_t state;

	do {
		state = load(wg);
		if (!counter(state))
			return false;
	} while (!cas(&wg->state, state, state + 1));
	return true;
}

void grt_waitgroup_wait(grt_waitgroup *wg)
{
	struct grt_sudog sg;

	if (!counter(load(wg)))
		return;
	lock(&wg->lock);
	if (!count_waiter(wg)) {
		unlock(&wg->lock);
		return;
	}
	sudog_init(&sg, NULL);
	waitq_enqueue(&wg->waitq, &sg);
	sudog_wait(&sg, &wg->lock, GRT_WAIT_WAITGROUP);
	if (load(wg))
		gopanic("sync: WaitGroup is reused before previous Wait has returned");
}

void grt_waitgroup_init(grt_waitgroup *wg)
{
	*wg = (grt_waitgroup){ 0 };
	lockinit(&wg->lock, LOCKRANK_WAITGROUP);
}

void grt_waitgroup_fini(grt_waitgroup *wg)
{
	if (load(wg) & UINT32_MAX)
		fatal("waitgroup freed while somebody waits for it");
}
