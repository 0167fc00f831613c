/* SPDX-License-Identifier: MIT */
/*
 * Who owns the Ps: the kernel (gsched), or the library (futex).
 *
 * Both keep the words of uapi/linux/gsched.h: nspinning, npolling, gqlen, next_when, has_work and
 * the rings in the hint range; nidle and the M's status word in the status range. The futex backend
 * has ordinary memory of the same layout. The scheduler reads those words and asks the backend only
 * for what changes the owner of a P.
 *
 * All but setup, wake, start, stop, lookdead and the three about the world run on the g0 of an M
 * with nopreempt 1.
 */
#ifndef GRT_SRC_BACKEND_H
#define GRT_SRC_BACKEND_H

#include "runtime.h"

struct backend {
	const char *name;

	/* Makes @nprocs Ps. 0; or -errno with *@what: what failed. */
	int (*setup)(int32_t nprocs, const char **what);

	/* The calling thread becomes @mp; sets hint and status. */
	void (*minit)(struct m *mp);
	/* A new M gets its first P, or waits for it; m0 gets P 0. */
	void (*mstart)(struct m *mp);
	/* @mp is an ordinary thread again; its P, if it has one, is handed on. */
	void (*mexit)(struct m *mp);

	/* There is work and no M spins: gets one to look. Any thread. */
	void (*wake)(void);

	/*
	 * Gives the P up and sleeps until handed one (stopm). Looks at all queues after the P is
	 * free, and takes it back if there is work. With respin set the M then spins.
	 * False: @deadline has passed, and the M has no P.
	 */
	bool (*park)(struct m *mp, int64_t deadline);
	/* More Ms are parked than will be needed soon. */
	bool (*surplus)(void);

	/*
	 * Hands the P to the M that has waited longest with a goroutine half-way, and sleeps as in
	 * park. False: there is none.
	 */
	bool (*switchto)(struct m *mp);

	/* Gives the P up and sleeps until startlocked() is called for @mp (stoplockedm). */
	void (*parklocked)(struct m *mp);
	/*
	 * Hands the P to @lockedm, whose goroutine is to run, and sleeps as in park. May also let
	 * @lockedm go on by itself and keep the P.
	 */
	void (*startlocked)(struct m *mp, struct m *lockedm);

	/* Waits for a P, in turn. */
	void (*acquire)(struct m *mp);

	/* The poller is about to sleep, with its P or without. */
	void (*pollbegin)(struct m *mp);
	/*
	 * It woke: true if it has a P. With @ready it has goroutines to run and waits for a P if
	 * the backend can wait for one.
	 */
	bool (*pollend)(struct m *mp, bool ready);

	/*
	 * Takes every P but that of @mp, and returns when all are stopped; -ETIMEDOUT: it is past
	 * @deadline, *@late is a goroutine that has not stopped, and startworld() must follow. On a
	 * goroutine's stack, with nopreempt set; so also the next two.
	 */
	int (*stopworld)(struct m *mp, int64_t deadline, uint64_t *late);
	/* Gives the Ps out again: to those who wait for one, to who had it before, or idle. */
	void (*startworld)(struct m *mp);
	/* In a stopped world: there are @n Ps from now on. @mp has one of them afterwards. */
	void (*resize)(struct m *mp, int32_t n);

	/* grt_block_begin() and grt_block_end() */
	void (*blockbegin)(struct m *mp, struct g *gp);
	void (*blockend)(struct m *mp, struct g *gp);

	/* Starts the threads that are no Ms (R108); and ends them, with the runtime. */
	void (*start)(void);
	void (*stop)(void);
	/* Has one of them call checkdead(). Any thread. */
	void (*lookdead)(void);

	/* In the child of a fork: if the thread is an M, it has no P from now on. */
	void (*forkchild)(void);
};

extern const struct backend backend_futex;
extern const struct backend backend_gsched;

void backendinit(int32_t nprocs);

#endif /* GRT_SRC_BACKEND_H */
