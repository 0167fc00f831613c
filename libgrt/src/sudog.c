// SPDX-License-Identifier: MIT
/*
 * Waiters and their queues: see sudog.h.
 */
#include "sudog.h"

/**
 * sudog_init() - make a waiter of the caller
 * @sg: memory on the caller's stack
 * @elem: the caller's data, for whoever takes @sg out of the queue
 *
 * Context: goroutine, or a thread outside the runtime. Fatal on the scheduler's own stack: nobody
 * would be left to run what is waited for.
 */
void sudog_init(struct grt_sudog *sg, void *elem)
{
	struct g *gp = getg();

	if (gp && gp == gp->m->g0)
		fatal("waiting on the scheduler's stack");
	*sg = (struct grt_sudog){ .g = gp, .elem = elem };
}

/**
 * sudog_wait() - wait until somebody has answered
 * @sg: waiter of the caller, in its queue
 * @l: the object's lock, held; released once the caller can be woken
 * @why: what it waits for
 */
void sudog_wait(struct grt_sudog *sg, struct grt_lock *l, enum grt_wait_reason why)
{
	if (sg->g) {
		goparkunlock(l, why);
		return;
	}
	unlock(l);
	notesleep(&sg->note);
}

/**
 * sudog_ready() - let a waiter go on
 * @sg: waiter, taken out of its queue and answered; gone when this returns
 *
 * Context: any thread, no lock held.
 */
void sudog_ready(struct grt_sudog *sg)
{
	if (sg->g)
		goready(sg->g);
	else
		notewakeup(&sg->note);
}

/* The ends are also looked at without the lock (chan.c, tests), hence the atomic stores. */
static void set_first(struct grt_waitq *q, struct grt_sudog *sg)
{
	store_release(&q->first, sg);
}

static void set_last(struct grt_waitq *q, struct grt_sudog *sg)
{
	store_release(&q->last, sg);
}

/* Adds @sg as the last. */
void waitq_enqueue(struct grt_waitq *q, struct grt_sudog *sg)
{
	sg->next = NULL;
	sg->prev = q->last;
	if (q->last)
		q->last->next = sg;
	else
		set_first(q, sg);
	set_last(q, sg);
}

/* Takes out the first; NULL: nobody waits. */
struct grt_sudog *waitq_dequeue(struct grt_waitq *q)
{
	struct grt_sudog *sg = q->first;

	if (!sg)
		return NULL;
	set_first(q, sg->next);
	if (sg->next)
		sg->next->prev = NULL;
	else
		set_last(q, NULL);
	sg->next = NULL;
	return sg;
}

/* Takes all out, as a list from first to last. */
struct grt_sudog *waitq_take_all(struct grt_waitq *q)
{
	struct grt_sudog *list = q->first;

	set_first(q, NULL);
	set_last(q, NULL);
	return list;
}

/* Lets a list of answered waiters go, first to last. A sudog is gone once it is ready. */
void waitq_ready_all(struct grt_sudog *list)
{
	while (list) {
		struct grt_sudog *sg = list;

		list = sg->next;
		sudog_ready(sg);
	}
}
