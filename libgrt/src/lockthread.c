// SPDX-License-Identifier: MIT
/*
 * Goroutines that are locked to their thread, by Go's rules (LockOSThread).
 *
 * While a goroutine is locked it runs on its M alone, and the M runs nothing else. When it parks,
 * its M hands its P on and sleeps (stoplockedm); whoever finds it runnable later gives its own P to
 * that M and parks (startlockedm). Both fields of the pair, gp->lockedm and mp->lockedg, are
 * written by the goroutine itself, which runs on the M then; but by m0 for the main goroutine.
 *
 * There are two counts, one for the program and one for the runtime, which locks the main goroutine
 * until the init tasks have run: only when both are 0 are the two untied (R106). So a lock that an
 * init task takes survives the runtime's unlock (R93).
 *
 * A goroutine that ends locked ends its thread too, which nobody could clean (goexit0). And no
 * thread inherits anything from a locked one: all are made by the template thread (newosproc).
 */
#include "backend.h"

static void tie(struct m *mp, struct g *gp)
{
	mp->lockedg = gp;
	gp->lockedm = mp;
}

static void untie(struct m *mp, struct g *gp)
{
	if (mp->lockedint || mp->lockedext)
		return;
	mp->lockedg = NULL;
	gp->lockedm = NULL;
}

void grt_lock_thread(void)
{
	struct g *gp = getg_user("grt_lock_thread");
	struct m *mp = gp->m;

	if (mp->lockedext == UINT32_MAX)
		gopanic("grt_lock_thread: nesting overflow");
	mp->lockedext++;
	tie(mp, gp);
}

void grt_unlock_thread(void)
{
	struct g *gp = getg_user("grt_unlock_thread");
	struct m *mp = gp->m;

	if (!mp->lockedext)
		return;
	mp->lockedext--;
	untie(mp, gp);
}

/* The same for the runtime itself: by the goroutine, or before it has run. */
void lockg(struct m *mp, struct g *gp)
{
	mp->lockedint++;
	tie(mp, gp);
}

void lockosthread(void)
{
	struct g *gp = getg();

	lockg(gp->m, gp);
}

void unlockosthread(void)
{
	struct g *gp = getg();

	if (!gp->m->lockedint)
		fatal("runtime: internal error: misuse of lockosthread/unlockosthread");
	gp->m->lockedint--;
	untie(gp->m, gp);
}

/* The goroutine ends: nothing is locked any more. On g0. */
void unlockg(struct m *mp, struct g *gp)
{
	mp->lockedint = 0;
	mp->lockedext = 0;
	untie(mp, gp);
}

/* Stops an M that is locked to a goroutine until that is to run again (R32..R38). */
void stoplockedm(struct m *mp)
{
	struct g *gp = mp->lockedg;

	if (gp->lockedm != mp)
		fatal("stoplockedm: inconsistent locking");
	if (mp->spinning)
		fatal("stoplockedm: spinning");
	/* Whoever gets the P looks for what it was owed for. */
	mp->owewake = false;
	mp->respin = false;
	mstops(1);
	sched.backend->parklocked(mp);
	if (load_relaxed(&gp->status) != Grunnable)
		fatal("stoplockedm: not runnable");
}

/* Schedules the M that @gp is locked to, with this M's P (R52). The M has some P afterwards. */
void startlockedm(struct m *mp, struct g *gp)
{
	struct m *lockedm = gp->lockedm;

	if (lockedm == mp)
		fatal("startlockedm: locked to me");
	mstops(-1);	/* for lockedm */
	sched.backend->startlocked(mp, lockedm);
}
