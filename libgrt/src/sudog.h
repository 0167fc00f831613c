/* SPDX-License-Identifier: MIT */
/*
 * Waiters in the queue of an object.
 *
 * A sudog stands for one waiter in one queue. It lives on the waiter's stack, so waiting allocates
 * nothing. A goroutine can wait for several objects at once (select): then it has one sudog for
 * each, which is why the queue hangs on these and not on the g, and why it is doubly linked.
 *
 * Contract: the object's lock is held for everything but sudog_ready(). From waitq_dequeue() on the
 * sudog belongs to whoever took it out, who fills in the answer and calls sudog_ready(): until then
 * the waiter stays asleep and its stack in place; after it, neither may be touched.
 */
#ifndef GRT_SRC_SUDOG_H
#define GRT_SRC_SUDOG_H

#include "runtime.h"

struct grt_sudog {
	struct g	*g;		/* the waiter; NULL: a thread outside the runtime */
	struct grt_sudog	*next;
	struct grt_sudog	*prev;
	void		*elem;		/* data in the waiter's memory, to copy from or to */
	bool		success;	/* the answer: true if handed over, false if by close */
	struct note	note;		/* where a thread outside the runtime sleeps */
};

void sudog_init(struct grt_sudog *sg, void *elem);
void sudog_wait(struct grt_sudog *sg, struct grt_lock *l, enum grt_wait_reason why);
void sudog_ready(struct grt_sudog *sg);

void waitq_enqueue(struct grt_waitq *q, struct grt_sudog *sg);
struct grt_sudog *waitq_dequeue(struct grt_waitq *q);
struct grt_sudog *waitq_take_all(struct grt_waitq *q);
void waitq_ready_all(struct grt_sudog *list);

#endif /* GRT_SRC_SUDOG_H */
