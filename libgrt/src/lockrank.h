/* SPDX-License-Identifier: MIT */
/*
 * The order in which the runtime's locks are taken (R13), checked in a build with LOCKRANK=1.
 *
 * A thread that holds a lock may take only locks that come after it in LOCKRANKS, and of those only
 * where lockrankbefore[] says that it happens: so no two threads can wait for each other, however
 * rarely they would meet. A leaf may be taken by a thread that holds anything but a leaf, and
 * nothing may be taken by who holds one.
 *
 * A lock gets its rank from LOCK_INIT() or lockinit(). The rank lies in the lock's word, above its
 * state, so no object looks different in this build; where there is none, in an object that is all
 * zeroes, the lock is a leaf. In the ordinary build nothing is left of all this.
 */
#ifndef GRT_SRC_LOCKRANK_H
#define GRT_SRC_LOCKRANK_H

#include <grt/base.h>

/* In the order in which they are taken. */
#define LOCKRANKS(R)						\
	R(LOCKRANK_LEAF,	"leaf")				\
	R(LOCKRANK_INITTASKS,	"inittasks")			\
	R(LOCKRANK_WORLD,	"world")			\
	R(LOCKRANK_PAUSES,	"pauses")			\
	R(LOCKRANK_CHAN,	"chan")				\
	R(LOCKRANK_WAITGROUP,	"waitgroup")			\
	R(LOCKRANK_TIMERS,	"timers")			\
	R(LOCKRANK_SCHED,	"sched")			\
	R(LOCKRANK_GFREE,	"gfree")			\
	R(LOCKRANK_STACKPOOL,	"stackpool")

#define LOCKRANK_ENUM(rank, name)	rank,

enum lockrank {
	LOCKRANKS(LOCKRANK_ENUM)
	LOCKRANK_NR
};

/* In every build, for the test: names, and which ranks a thread may hold that takes this one. */
extern const char *const lockranknames[LOCKRANK_NR];
extern const uint32_t lockrankbefore[LOCKRANK_NR];

#ifdef GRT_LOCKRANK

#define LOCKRANK_SHIFT		8

#define LOCK_INIT(rank)		{ .key = (rank) << LOCKRANK_SHIFT }

static inline void lockinit(struct grt_lock *l, enum lockrank rank)
{
	*l = (struct grt_lock)LOCK_INIT(rank);
}

/* What of the lock's word is not its state. */
static inline uint32_t lockrankbits(const struct grt_lock *l)
{
	return __atomic_load_n(&l->key, __ATOMIC_RELAXED) & (~0U << LOCKRANK_SHIFT);
}

/* The thread is about to take @l; fatal where the order forbids it. */
void lockrank_acquire(const struct grt_lock *l);
/* It is about to release @l. */
void lockrank_release(const struct grt_lock *l);
/* Fatal, with the locks that the thread holds, if it holds any. */
void lockrank_heldcheck(const char *msg);

#else

#define LOCK_INIT(rank)		{ 0 }

static inline void lockinit(struct grt_lock *l, enum lockrank rank)
{
	(void)rank;
	*l = (struct grt_lock)LOCK_INIT(rank);
}

static inline uint32_t lockrankbits(const struct grt_lock *l)
{
	(void)l;
	return 0;
}

static inline void lockrank_acquire(const struct grt_lock *l)
{
	(void)l;
}

static inline void lockrank_release(const struct grt_lock *l)
{
	(void)l;
}

static inline void lockrank_heldcheck(const char *msg)
{
	(void)msg;
}

#endif /* GRT_LOCKRANK */

#endif /* GRT_SRC_LOCKRANK_H */
