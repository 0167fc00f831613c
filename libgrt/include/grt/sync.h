/* SPDX-License-Identifier: MIT */
/*
 * Waiting for each other, as Go's package sync.
 */
#ifndef GRT_SYNC_H
#define GRT_SYNC_H

#include <grt/base.h>

GRT_BEGIN_DECLS

/**
 * struct grt_waitgroup - waits for a number of things to be done
 *
 * The counter is raised by grt_waitgroup_add() before each thing is started, and lowered by
 * grt_waitgroup_done() at its end; grt_waitgroup_wait() returns when it is 0. What was done before
 * a done() that brings the counter to 0 happens before the wait() it lets go returns.
 *
 * Memory full of zeroes is a waitgroup with the counter at 0. It allocates nothing. The fields are
 * private. It may be used again, and its memory freed, once every wait() has returned.
 */
typedef struct grt_waitgroup {
	/* private: */
	uint64_t		state;		/* counter << 32 | waiters, changed as one */
	struct grt_lock		lock;		/* guards waitq; held to add a waiter to state */
	struct grt_waitq	waitq;
} grt_waitgroup;

/**
 * grt_waitgroup_init() - a waitgroup in the caller's memory, with the counter at 0
 * @wg: the memory
 *
 * Context: any thread.
 */
GRT_API void grt_waitgroup_init(grt_waitgroup *wg);

/**
 * grt_waitgroup_fini() - end a waitgroup
 * @wg: waitgroup; a waiter is fatal
 *
 * Context: any thread.
 */
GRT_API void grt_waitgroup_fini(grt_waitgroup *wg);

/**
 * grt_waitgroup_add() - change the counter
 * @wg: waitgroup
 * @delta: what to add; may be negative
 *
 * Lets every waiter go when the counter becomes 0. A call that raises the counter from 0 must
 * happen before the wait(): make it before the goroutine is started, not in it.
 *
 * Panics with "sync: negative WaitGroup counter", or, as far as it is noticed, with
 * "sync: WaitGroup misuse: Add called concurrently with Wait".
 *
 * Context: any thread.
 */
GRT_API void grt_waitgroup_add(grt_waitgroup *wg, int32_t delta);

/**
 * grt_waitgroup_done() - one thing is done: the counter goes down by one
 * @wg: waitgroup
 *
 * Context: any thread. Panics as grt_waitgroup_add() does.
 */
GRT_API void grt_waitgroup_done(grt_waitgroup *wg);

/**
 * grt_waitgroup_wait() - wait until the counter is 0
 * @wg: waitgroup
 *
 * Panics with "sync: WaitGroup is reused before previous Wait has returned" when that happened.
 *
 * Context: goroutine (parks) or a thread outside the runtime (sleeps).
 */
GRT_API void grt_waitgroup_wait(grt_waitgroup *wg);

GRT_END_DECLS

#endif /* GRT_SYNC_H */
