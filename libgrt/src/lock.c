// SPDX-License-Identifier: MIT
/*
 * The runtime's locks and notes, on futexes.
 *
 * Whoever holds a lock is not preempted and keeps its P (nopreempt), so a holder always goes on.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime.h"

enum {
	UNLOCKED	= 0,	/* a lock's rank may lie above these */
	LOCKED		= 1,
	SLEEPING	= 2,	/* locked, and somebody may sleep */
};

#define ACTIVE_SPIN		4	/* C12 */
#define ACTIVE_SPIN_PAUSES	30

/* Sleeps while *key is val, until a CLOCK_MONOTONIC time. May wake for no reason. */
static void futexsleep(uint32_t *key, uint32_t val, int64_t deadline)
{
	struct timespec ts = {
		.tv_sec = deadline / 1000000000,
		.tv_nsec = deadline % 1000000000,
	};

	syscall(SYS_futex, key, FUTEX_WAIT_BITSET_PRIVATE, val,
		deadline == GRT_FOREVER ? NULL : &ts, NULL, FUTEX_BITSET_MATCH_ANY);
}

static void futexwakeup(uint32_t *key, int n)
{
	syscall(SYS_futex, key, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

static void lock_slow(struct grt_lock *l, uint32_t v)
{
	uint32_t unlocked = lockrankbits(l) | UNLOCKED;
	uint32_t sleeping = lockrankbits(l) | SLEEPING;
	uint32_t wait = v;	/* sleeping once we have slept: others may sleep too */
	int i, j;

	forkcheck();
	for (;;) {
		for (i = 0; i < ACTIVE_SPIN; i++) {
			if (load_relaxed(&l->key) == unlocked && cas(&l->key, unlocked, wait))
				return;
			for (j = 0; j < ACTIVE_SPIN_PAUSES; j++)
				__builtin_ia32_pause();
		}
		if (load_relaxed(&l->key) == unlocked && cas(&l->key, unlocked, wait))
			return;
		sched_yield();
		if (xchg(&l->key, sleeping) == unlocked)
			return;
		wait = sleeping;
		futexsleep(&l->key, sleeping, GRT_FOREVER);
	}
}

void lock(struct grt_lock *l)
{
	uint32_t rank = lockrankbits(l);
	struct g *gp = getg();
	uint32_t v;

	lockrank_acquire(l);
	if (gp) {
		WRITE_ONCE(gp->m->hint->nopreempt, gp->m->hint->nopreempt + 1);
		barrier();
	}
	v = __atomic_exchange_n(&l->key, rank | LOCKED, __ATOMIC_ACQUIRE);
	if (unlikely(v != (rank | UNLOCKED)))
		lock_slow(l, v);
}

void unlock(struct grt_lock *l)
{
	uint32_t rank = lockrankbits(l);
	struct g *gp = getg();
	uint32_t v;

	lockrank_release(l);
	v = __atomic_exchange_n(&l->key, rank | UNLOCKED, __ATOMIC_RELEASE);
	if (v == (rank | UNLOCKED))
		fatal("unlock of unlocked lock");
	if (v == (rank | SLEEPING))
		futexwakeup(&l->key, 1);
	if (gp) {
		barrier();
		WRITE_ONCE(gp->m->hint->nopreempt, gp->m->hint->nopreempt - 1);
	}
}

/* A note: one sleeper, any number of wake-ups, which stick until noteclear(). */

void noteclear(struct note *n)
{
	store_seqcst(&n->key, 0);
}

void notewakeup(struct note *n)
{
	if (!xchg(&n->key, 1))
		futexwakeup(&n->key, 1);
}

bool notetsleep(struct note *n, int64_t deadline)
{
	while (!load_acquire(&n->key)) {
		if (deadline != GRT_FOREVER && nanotime() >= deadline)
			return false;
		forkcheck();
		futexsleep(&n->key, 0, deadline);
	}
	return true;
}

void notesleep(struct note *n)
{
	notetsleep(n, GRT_FOREVER);
}
