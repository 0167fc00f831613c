// SPDX-License-Identifier: MIT
/*
 * Stopping the world: no goroutine runs but the one that stopped it.
 *
 * Every P but the stopper's is stopped, and nobody gets one before the world starts again. How Ps
 * are taken and who is asked for them is the backend's; here is what both share: one stopper at a
 * time (worldsema), how long it all took, and what may be done with a world that has stopped, such
 * as changing the number of Ps.
 *
 * The stopper goes on with its P and its thread, with nopreempt set from the stop to the start. So
 * it keeps the P where it sleeps, releasem() never yields, and schedule() finds whoever parks.
 *
 * On gsched a thread is stopped wherever it is in the program, maybe with a lock held: of malloc(),
 * of stdio, of the program's own. The runtime's locks are not among them (lock() sets nopreempt).
 */
#include <string.h>

#include "backend.h"

/* ---- One stopper at a time ----------------------------------------------------------------- */

/* Who wants to stop the world parks here; in order, and handed over, so that nobody starves. */
static struct {
	struct grt_lock lock;
	bool held;
	struct gqueue waiting;
} worldsema = { .lock = LOCK_INIT(LOCKRANK_WORLD) };

static void worldacquire(struct g *gp)
{
	lock(&worldsema.lock);
	if (!worldsema.held) {
		worldsema.held = true;
		unlock(&worldsema.lock);
		return;
	}
	gqpush(&worldsema.waiting, gp);
	goparkunlock(&worldsema.lock, GRT_WAIT_STOP_WORLD);
}

static void worldrelease(void)
{
	struct g *gp;

	lock(&worldsema.lock);
	gp = gqpop(&worldsema.waiting);
	if (!gp)
		worldsema.held = false;
	unlock(&worldsema.lock);
	if (gp)
		goready(gp);
}

/* ---- How long it took ---------------------------------------------------------------------- */

static struct {
	struct grt_lock lock;
	struct grt_stw_stats stats;
	int64_t since;		/* stopper: when it began */
} pauses = { .lock = LOCK_INIT(LOCKRANK_PAUSES) };

static struct g *stopg;		/* stopper: the goroutine */

static void took(struct grt_stw_times *t, int64_t ns)
{
	uint32_t i = 63 - __builtin_clzll(ns | 1);

	t->count++;
	t->sum_ns += ns;
	if ((uint64_t)ns > t->max_ns)
		t->max_ns = ns;
	t->bucket[i < GRT_STW_BUCKETS ? i : GRT_STW_BUCKETS - 1]++;
}

static void counttimeout(const char *why, uint64_t late)
{
	lock(&pauses.lock);
	pauses.stats.timeouts++;
	pauses.stats.late_goid = late;
	pauses.stats.late_why = why;
	unlock(&pauses.lock);
}

static void countstopped(const char *why)
{
	lock(&pauses.lock);
	pauses.stats.last_why = why;
	took(&pauses.stats.stopping, nanotime() - pauses.since);
	unlock(&pauses.lock);
}

static void countstarted(void)
{
	lock(&pauses.lock);
	took(&pauses.stats.total, nanotime() - pauses.since);
	unlock(&pauses.lock);
}

int grt_stw_stats(struct grt_stw_stats *stats)
{
	struct grt_stw_stats s;

	if (stats->size < sizeof(stats->size) || stats->size > sizeof(s))
		return -EINVAL;
	lock(&pauses.lock);
	s = pauses.stats;
	unlock(&pauses.lock);
	s.size = stats->size;
	memcpy(stats, &s, s.size);
	return 0;
}

/* ---- Stop and start ------------------------------------------------------------------------ */

static int64_t stopdeadline(int64_t ns)
{
	return ns < GRT_FOREVER - pauses.since ? pauses.since + ns : GRT_FOREVER;
}

/* The stop ends, complete or not. Yields if that was asked for meanwhile. */
static void endstop(struct m *mp)
{
	sched.backend->startworld(mp);
	store_release(&sched.stopper, NULL);
	/* What came to the global queue meanwhile, and that nobody polls, is work. */
	wakep();
	worldrelease();
	releasem(mp);
}

static int stopwithin(const char *why, int64_t ns)
{
	struct g *gp = getg_user(why);
	uint64_t late = 0;
	struct m *mp;
	int err;

	if (gp->m == load_relaxed(&sched.stopper))
		fatal("stop of the world by the goroutine that has stopped it already");
	worldacquire(gp);
	mp = acquirem();
	stopg = gp;
	pauses.since = nanotime();
	store_release(&sched.stopper, mp);
	err = sched.backend->stopworld(mp, stopdeadline(ns), &late);
	if (err) {
		counttimeout(why, late);
		endstop(mp);
		return err;
	}
	countstopped(why);
	return 0;
}

/*
 * Stops the world (R41..R47, GC1): when this returns 0 no goroutine runs but the calling one, until
 * it calls starttheworld(). @why: a constant; the caller's reason, for who looks on.
 *
 * Return: 0; -ETIMEDOUT: some goroutine did not stop in time, and the world runs on.
 */
int stoptheworld(const char *why)
{
	return stopwithin(why, sched.stoptimeout);
}

/* Starts it again (GC2). By the goroutine that stopped it. */
void starttheworld(void)
{
	struct g *gp = getg();

	if (!gp || gp == gp->m->g0 || gp->m != load_relaxed(&sched.stopper))
		fatal("start of the world by somebody who has not stopped it");
	countstarted();
	endstop(gp->m);
}

/*
 * Runs @fn for every P at a safe point: nobody is in the middle of anything on it. Go asks each P
 * to run it when it next schedules, and runs it for idle ones itself. Here the world is stopped for
 * it, which for idle and sleeping Ps is the same; the others need not look for a request at each
 * turn. And on gsched nobody but a stopper can have a P that sleeps. @fn does not wait.
 *
 * Return: 0; -ETIMEDOUT: @fn was not run.
 */
int foreachp(const char *why, void (*fn)(struct p *pp))
{
	int err = stoptheworld(why);
	int32_t i;

	if (err)
		return err;
	for (i = 0; i < sched.gomaxprocs; i++)
		fn(sched.allp[i]);
	starttheworld();
	return 0;
}

/* A goroutine has left its stack with nopreempt set: nobody else could undo that. On g0. */
void badpark(struct m *mp)
{
	lockrank_heldcheck("schedule: holding locks");
	if (mp != load_relaxed(&sched.stopper))
		fatal("schedule: holding locks");
	mp->curg = stopg;
	fatal("the goroutine that stopped the world waits, yields or ends");
}

int grt_stop_world(const char *why)
{
	getg_user("grt_stop_world");
	return stoptheworld(why ? why : "grt_stop_world");
}

void grt_start_world(void)
{
	starttheworld();
}

/* ---- The number of Ps ---------------------------------------------------------------------- */

/*
 * R22..R24: the Ps from @n on give up what they have, and are dead. If the stopper's own is among
 * them it goes on with the first.
 */
static void resize(struct m *mp, int32_t n)
{
	struct p *pp = getp(mp);

	movework(n, pp->id < n ? pp : sched.allp[0]);
	sched.backend->resize(mp, n);
	procresize(n);
}

/*
 * Makes it @n. @byhand: the program says so, and from now on nobody else does; else that has not
 * been the case yet, or nothing changes. By a goroutine.
 *
 * Return: the old number; -ETIMEDOUT, -ENOMEM.
 */
int setmaxprocs(int32_t n, bool byhand)
{
	int err = stopwithin("grt_set_maxprocs", byhand ? sched.stoptimeout : PROCSUPDATE_STOP_NS);
	int32_t old;

	if (err)
		return err;
	old = sched.gomaxprocs;
	if (byhand)
		store_relaxed(&sched.procsbyhand, true);
	else if (sched.procsbyhand)
		n = old;
	if (n != old && allocps(n))
		resize(getg()->m, n);
	err = sched.gomaxprocs == n ? 0 : -ENOMEM;
	starttheworld();
	return err ? err : old;
}

int grt_set_maxprocs(int n)
{
	if (n < 1)
		return load_acquire(&sched.gomaxprocs);
	if (n > GSCHED_MAX_P)
		return -EINVAL;
	getg_user("grt_set_maxprocs");
	return setmaxprocs(n, true);
}
