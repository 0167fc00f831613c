// SPDX-License-Identifier: MIT
/* Goroutines are made and end here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend.h"
#include "carry.h"

#define GFREE_HIGH	64	/* C10: a P keeps fewer dead Gs than this ... */
#define GFREE_LOW	32	/* ... and goes down, or fills up, to this many */

/* ---- Dead goroutines, with their stacks ---------------------------------------------------- */

/* Puts a dead G on the global list. sched.gflock held. */
static void gfputone(struct g *gp)
{
	gp->schedlink = sched.gfree;
	sched.gfree = gp;
	store_relaxed(&sched.ngfree, sched.ngfree + 1);
}

/* Moves dead Gs of the P to the global list until @keep are left. */
static void gfputglobal(struct p *pp, uint32_t keep)
{
	struct g *gp;

	lock(&sched.gflock);
	while (pp->ngfree > keep) {
		gp = pp->gfree;
		pp->gfree = gp->schedlink;
		pp->ngfree--;
		gfputone(gp);
	}
	unlock(&sched.gflock);
}

/* Puts a dead G on the P's list; if that gets long, part of it on the global one. */
static void gfput(struct p *pp, struct g *gp)
{
	gp->schedlink = pp->gfree;
	pp->gfree = gp;
	if (++pp->ngfree >= GFREE_HIGH)
		gfputglobal(pp, GFREE_LOW - 1);
}

static struct g *gfgetglobal(void)
{
	struct g *gp = sched.gfree;

	if (gp) {
		sched.gfree = gp->schedlink;
		store_relaxed(&sched.ngfree, sched.ngfree - 1);
	}
	return gp;
}

/*
 * Takes a dead G from the P's list, which an empty one fills from the global one first. Without
 * a P, from the global one.
 */
static struct g *gfget(struct p *pp)
{
	struct g *gp;

	if (!pp) {
		lock(&sched.gflock);
		gp = gfgetglobal();
		unlock(&sched.gflock);
		return gp;
	}
	if (!pp->gfree && load_relaxed(&sched.ngfree)) {
		lock(&sched.gflock);
		while (pp->ngfree < GFREE_LOW && (gp = gfgetglobal())) {
			gp->schedlink = pp->gfree;
			pp->gfree = gp;
			pp->ngfree++;
		}
		unlock(&sched.gflock);
	}
	gp = pp->gfree;
	if (gp) {
		pp->gfree = gp->schedlink;
		pp->ngfree--;
	}
	return gp;
}

/* All dead Gs of the P go to the global list. Stopped world. */
void gfpurge(struct p *pp)
{
	gfputglobal(pp, 0);
}

/* A new G with a stack. It is on allgs, for those who look at all of them, from now on for ever. */
static struct g *malg(void)
{
	struct g *gp = persistentalloc(sizeof(*gp));
	struct g *head;

	if (!gp)
		fatal("out of memory: no memory for another goroutine");
	if (!stackalloc(&gp->stack))
		fatal("out of memory: no stack for another goroutine; "
		      "vm.max_map_count may be too low");
	store_relaxed(&gp->status, Gdead);
	do {
		head = load_relaxed(&sched.allgs);
		gp->alllink = head;
	} while (!cas(&sched.allgs, head, gp));
	return gp;
}

/* Gives the memory of the stack back; it is there again, as zeroes, when it is touched. */
static void stackdrop(const struct g *gp)
{
	madvise((void *)gp->stack.lo, gp->stack.hi - gp->stack.lo, MADV_DONTNEED);
}

int grt_free_os_memory(void)
{
	struct g *list = NULL, *next, *gp;
	int err;

	getg_user("grt_free_os_memory");
	err = foreachp("grt_free_os_memory", gfpurge);
	/* One at a time: who makes a goroutine meanwhile finds the others. */
	while ((gp = gfget(NULL))) {
		stackdrop(gp);
		gp->schedlink = list;
		list = gp;
	}
	for (gp = list; gp; gp = next) {
		next = gp->schedlink;
		lock(&sched.gflock);
		gfputone(gp);
		unlock(&sched.gflock);
	}
	return err;
}

/* ---- Start and end ------------------------------------------------------------------------- */

static uint64_t newgoid(struct p *pp)
{
	if (!pp)
		return xadd(&sched.goidgen, 1) + 1;
	if (pp->goidcache == pp->goidcacheend) {
		pp->goidcache = xadd(&sched.goidgen, GOID_BATCH) + 1;
		pp->goidcacheend = pp->goidcache + GOID_BATCH;
	}
	return pp->goidcache++;
}

static void countg(struct p *pp, int64_t n)
{
	if (pp)
		store_relaxed(&pp->ngs, pp->ngs + n);
	else
		xadd(&sched.ngs, n);
}

/* The first context of a goroutine: grt_gogo() returns from it into goexit(). */
static void gostartcontext(struct g *gp)
{
	uintptr_t *top = (uintptr_t *)(gp->stack.hi - STACK_HEADROOM);
	uintptr_t *frame;

	fiberinit(&gp->fiber, (void *)gp->stack.lo, gp->stack.hi - gp->stack.lo, false);
	top[-1] = 0;
	top[-2] = 0;
	frame = (uintptr_t *)((uintptr_t)&top[-2] - FRAME_SIZE);
	memset(frame, 0, FRAME_SIZE);
	frame[FRAME_SIZE / 8 - 1] = (uintptr_t)goexit + 1;
	gp->sched.sp = (uintptr_t)frame;
}

/*
 * Makes a runnable goroutine that runs @fn(@arg). @mp: the caller's M, between acquirem() and
 * releasem(), or NULL. @gopc: where the program asked for it.
 */
struct g *newproc1(struct m *mp, void (*fn)(void *arg), void *arg, uintptr_t gopc)
{
	struct p *pp = mp ? getp(mp) : NULL;
	struct g *gp = gfget(pp);

	if (!gp)
		gp = malg();
	gp->startfn = fn;
	gp->startarg = arg;
	gp->gopc = gopc;
	gp->parentgoid = mp ? mp->hint->goid : 0;
	gp->goid = newgoid(pp);
	gp->waitreason = GRT_WAIT_NONE;
	gostartcontext(gp);
	countg(pp, 1);
	casgstatus(gp, Gdead, Grunnable);
	return gp;
}

/*
 * Starts a goroutine, next on this P; from a thread without one on the global queue. Return: false
 * on such a thread.
 */
bool newproc(void (*fn)(void *arg), void *arg, uintptr_t gopc)
{
	struct m *mp = acquirem();

	putrunnable(mp, newproc1(mp, fn, arg, gopc));
	releasem(mp);
	return mp;
}

/* On g0: the goroutine has ended. */
static void goexit0(struct g *gp)
{
	struct m *mp = getg()->m;
	struct p *pp = getp(mp);
	bool locked = gp->lockedm;

	fiberend(&gp->fiber);
	casgstatus(gp, Grunning, Gdead);
	gp->m = NULL;
	mp->curg = NULL;
	WRITE_ONCE(mp->hint->goid, 0);
	gp->param = NULL;
	countg(pp, -1);
	gfput(pp, gp);
	/* Whatever it has done to its thread ends with it. */
	if (unlikely(locked)) {
		unlockg(mp, gp);
		mexit();
	}
	schedule();
}

void goexit1(void)
{
	cxxreturn((struct cxxglobals){ 0 });
	fiberlast(&getg()->fiber);
	acquirem();
	mcall(goexit0);
	__builtin_unreachable();
}

/* The goroutine begins: called by goexit(), which is where it ends. */
void gostart(void)
{
	struct g *gp = getg();

	fiberarrive(&gp->fiber);
	if (unlikely(gp->extra) && gp->extra->ownfp)
		fpload(gp->extra);
	releasem(gp->m);
	gp->startfn(gp->startarg);
	if (unlikely(gp->extra))
		goreturn(gp);
	goexit1();
}

int grt_go(void (*fn)(void *arg), void *arg)
{
	if (!load_acquire(&sched.begun))
		return -ESRCH;
	if (!fn)
		fatal("go of nil func value");
	if (unlikely(!newproc(fn, arg, (uintptr_t)__builtin_return_address(0))))
		foreigncall();
	return 0;
}

uint64_t grt_self_id(void)
{
	struct g *gp = getg();

	return gp ? gp->goid : 0;
}

size_t grt_num_goroutines(void)
{
	int64_t n = load_relaxed(&sched.ngs);
	int32_t i;

	if (!load_acquire(&sched.backend))
		return 0;
	for (i = 0; i < load_acquire(&sched.nallp); i++)
		n += load_relaxed(&sched.allp[i]->ngs);
	return n > 0 ? n : 0;
}

const char *grt_backend_name(void)
{
	const struct backend *b = load_acquire(&sched.backend);

	return b ? b->name : NULL;
}
