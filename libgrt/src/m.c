// SPDX-License-Identifier: MIT
/* Ms: the threads that run goroutines. */
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "carry.h"

_Static_assert(offsetof(struct g, sched.sp) == G_SCHED_SP, "switch.S and struct g disagree");

/*
 * The current G. Reached by calls only: the compiler may keep the address of a thread-local
 * variable in a register, and a goroutine that parks comes back on another thread.
 */
static __thread struct g *current_g __attribute__((tls_model("initial-exec")));

__attribute__((noinline)) struct g *getg(void)
{
	__asm__ volatile("");
	return current_g;
}

__attribute__((noinline)) void setg(struct g *gp)
{
	__asm__ volatile("");
	current_g = gp;
}

static void mcall_g0(struct g *gp)
{
	struct m *mp = getg()->m;

	fiberarrive(&mp->g0->fiber);
	mp->mcallfn(gp);
}

static __always_inline void mcall1(struct g *gp, void (*fn)(struct g *gp))
{
	struct g *g0 = gp->m->g0;

	gp->m->mcallfn = fn;
	setg(g0);
	fiberleave(&gp->fiber, &g0->fiber);
	grt_mcall(gp, mcall_g0, g0);
	fiberarrive(&gp->fiber);
}

static __attribute__((noinline)) void mcallcarrying(struct g *gp, void (*fn)(struct g *gp))
{
	struct carried c;

	carryout(gp, &c);
	mcall1(gp, fn);
	carryin(gp, &c);
}

void mcall(void (*fn)(struct g *gp))
{
	struct g *gp = getg();

	if (unlikely(carries(gp)))
		mcallcarrying(gp, fn);
	else
		mcall1(gp, fn);
}

void gogo(struct g *gp)
{
	fiberleave(&getg()->fiber, &gp->fiber);
	setg(gp);
	grt_gogo(gp);
}

struct g *getg_user(const char *what)
{
	struct g *gp = getg();

	if (unlikely(!gp || gp == gp->m->g0))
		gopanic("%s: not on a goroutine", what);
	return gp;
}

/* Marsaglia's xorshift; each M has its own. */
uint32_t fastrand(struct m *mp)
{
	uint32_t x = mp->fastrand;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	mp->fastrand = x;
	return x;
}

void too_many_threads(void)
{
	fatal("thread exhaustion: the program exceeds its limit of threads (maxthreads)");
}

/* Takes an M whose thread has ended, or is about to, for a new thread. */
static struct m *mreuse(void)
{
	struct m *mp;

	lock(&sched.lock);
	mp = sched.freem;
	if (mp)
		sched.freem = mp->schedlink;
	unlock(&sched.lock);
	if (mp)
		pthread_join(mp->thread, NULL);
	return mp;
}

/*
 * An M with its stack and no thread yet, on allm. Any thread. NULL: no memory.
 */
struct m *allocm(void)
{
	static uint32_t seed;
	struct m *mp = mreuse();

	if (mp)
		return mp;
	mp = aligned_alloc(64, (sizeof(*mp) + 63) & ~63UL);
	if (!mp)
		return NULL;
	memset(mp, 0, sizeof(*mp));
	mp->g0 = calloc(1, sizeof(*mp->g0));
	if (!mp->g0 || !threadstackalloc(&mp->stack)) {
		free(mp->g0);
		free(mp);
		return NULL;
	}
	mp->g0->m = mp;
	mp->fastrand = 2654435761U * (xadd(&seed, 1) + 1);
	lock(&sched.lock);
	mp->alllink = sched.allm;
	store_release(&sched.allm, mp);
	unlock(&sched.lock);
	return mp;
}

/*
 * Gives back an M whose thread is about to end. Who takes it for a new thread joins the old one; at
 * the runtime's end nobody does.
 */
static void mput_free(struct m *mp)
{
	bool exiting;

	mp->owewake = false;
	lock(&sched.lock);
	exiting = load_relaxed(&sched.exiting);
	if (!exiting) {
		mp->schedlink = sched.freem;
		sched.freem = mp;
	}
	store_seqcst(&sched.mcount, sched.mcount - 1);
	unlock(&sched.lock);
	if (exiting)
		pthread_detach(pthread_self());
	else
		suspectdead();
}

/*
 * Nobody will take an M any more. Of a thread that has ended pthread_detach() frees memory: not
 * under the lock, see mem.c.
 */
void mdetach(void)
{
	struct m *mp;

	lock(&sched.lock);
	mp = sched.freem;
	sched.freem = NULL;
	unlock(&sched.lock);
	for (; mp; mp = mp->schedlink)
		pthread_detach(mp->thread);
}

/* mexit() comes back to the frame of grt_g0call() above this one (R27). */
static void mstart1(struct g *g0)
{
	struct m *mp = g0->m;

	/* m0 has a P, and the main goroutine. */
	if (mp == sched.m0)
		execute(mp, mp->lockedg, false);
	sched.backend->mstart(mp);
	schedule();
}

/* The calling thread runs goroutines as @mp until mexit(), and then is an ordinary one again. */
void mrun(struct m *mp)
{
	grt_g0call(mp->g0, mstart1);
	setg(NULL);
	sched.backend->mexit(mp);
}

/* The calling thread becomes @mp, without a P yet (R28). On a new M's thread, or m0's. */
void minit(struct m *mp)
{
	sched.backend->minit(mp);
	WRITE_ONCE(mp->hint->nopreempt, 1);
}

/* The thread. g0 is its own stack: each goroutine it runs parks by going back to g0call's frame. */
static void *mstart(void *arg)
{
	struct m *mp = arg;

	minit(mp);
	setg(mp->g0);
	fiberinit(&mp->g0->fiber, (void *)mp->stack.lo, mp->stack.hi - mp->stack.lo, true);
	pthread_sigmask(SIG_SETMASK, &sched.sigmask, NULL);
	mrun(mp);
	mput_free(mp);
	/* At the limit nobody could be started for the work that the M left. */
	if (sched.mpolicy == GRT_THREADS_WAIT && !load_relaxed(&sched.exiting))
		wakep();
	return NULL;
}

/* Ends the M's thread. On g0. */
void mexit(void)
{
	grt_gogo(getg()->m->g0);
}

/*
 * Starts the thread of @mp, which was counted in mcount. Only the template thread calls it, which
 * has the state that the process had at first, and all signals blocked: a new thread must not
 * inherit what a goroutine has done to its own (R98).
 *
 * Return: 0, else the errno of pthread_create, negative; the caller keeps @mp and its count then.
 */
int newosproc(struct m *mp)
{
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	err = pthread_attr_setstack(&attr, (void *)mp->stack.lo, mp->stack.hi - mp->stack.lo);
	if (!err)
		err = pthread_create(&mp->thread, &attr, mstart, mp);
	pthread_attr_destroy(&attr);
	return -err;
}

static void *sysstart(void *fn)
{
	((void (*)(void))fn)();
	return NULL;
}

/* Starts a thread that is no M and runs @fn, with all signals blocked. */
void newsysthread(void (*fn)(void))
{
	sigset_t all, old;
	pthread_t thread;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&thread, NULL, sysstart, (void *)fn);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		fatal_setup("cannot create a thread: %s", strerror(err));
	pthread_detach(thread);
	xadd(&sched.nsysthreads, 1);
}
