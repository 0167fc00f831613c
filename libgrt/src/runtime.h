/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the runtime share: G, M, P, the scheduler's state, parking, locks.
 *
 * The names are Go's. A G is a goroutine, an M a thread that runs goroutines, a P the right to run
 * one: a goroutine runs on an M that holds a P.
 *
 * Who writes what:
 *	M:  only the M itself, on its g0 or in the goroutine it runs
 *	P:  only the M that holds the P, between acquirem() and releasem()
 *	L:  sched.lock held
 *	A:  atomic, any thread
 *	I:  set before others can see the object, read-only after
 */
#ifndef GRT_SRC_RUNTIME_H
#define GRT_SRC_RUNTIME_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <grt.h>
#include <linux/gsched.h>

#include "atomic.h"
#include "lockrank.h"
#include "offsets.h"
#include "sanitize.h"

/* Tests include this file beside the kernel's headers, which have these too. */
#ifndef __noreturn
#define __noreturn		__attribute__((__noreturn__))
#endif
#ifndef __printf
#define __printf(a, b)		__attribute__((format(printf, a, b)))
#endif
#define __cold			__attribute__((cold))
#define __cacheline_aligned	__attribute__((aligned(64)))

#define PAGE_SIZE		4096	/* check() */
#define RUNQ_SIZE		256	/* C1 */
#define GOID_BATCH		16	/* C11 */
#define STEAL_ROUNDS		4	/* R116: past them a park is cheaper than the search */
#define SURPLUS_NS		2000000000LL	/* an idle M that nobody needed for so long ends */

struct g;
struct gextra;
struct m;
struct p;

/* ---- Goroutines ---------------------------------------------------------------------------- */

/* C17; the missing numbers belong to states of Go's collector and its growing stacks. */
enum gstatus {
	Gidle		= 0,
	Grunnable	= 1,
	Grunning	= 2,
	Gsyscall	= 3,	/* between grt_block_begin() and grt_block_end() on futex */
	Gwaiting	= 4,
	Gdead		= 6,
};

struct stack {
	uintptr_t lo;
	uintptr_t hi;
};

/*
 * Saved context of a G that does not run: only the stack pointer. On the stack, from sp upwards,
 * lie r15, r14, r13, r12, rbx, rbp and the return address; sp + 56 is the caller's stack pointer.
 * Debuggers rely on this, and on sched being the first member of struct g.
 */
struct gobuf {
	uintptr_t sp;
};

/*
 * A timer. It lies in memory of its owner, which is not used otherwise until deltimer() said that
 * it was removed or f has begun.
 */
struct timer {
	int64_t when;
	/* Runs on g0 of an M that holds a P; makes goroutines ready and no more. */
	void (*f)(void *arg, uint64_t seq);
	void *arg;
	uint64_t seq;		/* f's second argument: tells one use of the timer from the next */
	struct p *pp;		/* A: whose heap it is in, or NULL */
	uint32_t i;		/* where in the heap; pp->timerslock */
};

struct gqueue {
	struct g *head;
	struct g *tail;
	uint32_t n;
};

struct g {
	struct gobuf sched;	/* offset G_SCHED_SP */
	struct m *m;		/* the M that runs it, or NULL */
	struct m *lockedm;	/* itself: the M it is locked to, or NULL; see lockthread.c */
	struct stack stack;
	enum gstatus status;	/* A: by casgstatus() only, and whom the state says owns it */
	enum grt_wait_reason waitreason;
	uint64_t goid;
	struct g *schedlink;	/* in a gqueue, or on a list of dead Gs */
	void *param;		/* handed over by whoever makes it ready */
	uint32_t selectdone;	/* A: a select has been decided */
	void (*startfn)(void *arg);
	void *startarg;
	struct gextra *extra;	/* its own: deferred functions and the like; NULL: none */
	uintptr_t gopc;		/* where it was made */
	uint64_t parentgoid;	/* by which goroutine; 0: none */
	uint64_t park;		/* A: grt_park()'s word, see sched.c */
	struct timer timer;	/* of grt_sleep() and grt_park() */
	struct g *alllink;	/* I: on sched.allgs */
	struct fiber fiber;
};

/*
 * The goroutine of this thread, or its g0 while it schedules; NULL on a thread that is no M.
 * Not inlined: an address in thread-local storage must not be kept across a switch.
 */
struct g *getg(void);
void setg(struct g *gp);

/* Panics unless the caller is a goroutine. */
struct g *getg_user(const char *what);

/* ---- Ms ------------------------------------------------------------------------------------ */

struct note {
	uint32_t key;
};

struct m {
	struct g *g0;		/* I: its scheduling stack */
	struct g *curg;		/* M: the goroutine it runs */

	/*
	 * Its lines in the shared pages, or memory of the same layout on futex: the P it holds
	 * now, the requests to yield, and nopreempt, not 0 whenever runtime code relies on the P.
	 */
	struct gsched_m_hint *hint;
	const struct gsched_m_status *status;
	uint64_t preempttick;	/* status->preempt as schedule() last saw it */

	bool spinning;		/* M: counted in nspinning */
	bool respin;		/* M: it shall spin when it next schedules (protocol 4) */
	bool turn;		/* M: it came from the pool, and owes the global queue a look */
	bool owewake;		/* M: on g0 it made work available without wakep() */
	uint32_t fastrand;	/* M */
	int32_t id;		/* I: on gsched the kernel's */

	void (*mcallfn)(struct g *gp);	/* M: of the mcall in progress */
	bool (*waitunlockf)(struct g *gp, void *lock);	/* M: of the gopark in progress */
	void *waitlock;

	struct g *lockedg;	/* M: the only goroutine it may run, or NULL */
	uint32_t lockedext;	/* M: grt_lock_thread() without its unlock yet */
	uint32_t lockedint;	/* M: lockosthread() likewise */
	bool lockedready;	/* A: gsched: its goroutine may run, see startlocked in backend.h */

	struct stack stack;	/* I: of the thread */
	pthread_t thread;
	struct m *schedlink;	/* L: on sched.midle or sched.freem */
	struct m *alllink;	/* L: on sched.allm */

	/* futex */
	struct note parknote;
	struct p *nextp;	/* L: the P it is woken with */
	struct p *oldp;		/* M: the P it had at grt_block_begin() */
	bool nextspinning;	/* L: it is woken to spin */
	bool parked;		/* L: on sched.midle */
	struct gsched_m_hint hintline;
	struct gsched_m_status statusline;
};

/* ---- Ps ------------------------------------------------------------------------------------ */

/* Of the futex backend; on gsched the kernel keeps the state of a P. */
enum pstatus {
	Pidle		= 0,
	Prunning	= 1,
	Psyscall	= 2,
	Pgcstop		= 3,
	Pdead		= 4,
};

struct p {
	struct gsched_p_hint *hint;	/* I: ring indices, runnext, schedtick */
	int32_t id;			/* I */

	struct g *runq[RUNQ_SIZE] __cacheline_aligned;
	bool sliceover;			/* P: runnext no longer shares the slice (C7) */

	/* P: dead Gs with their stacks */
	struct g *gfree;
	uint32_t ngfree;

	uint64_t goidcache;		/* P */
	uint64_t goidcacheend;
	int64_t ngs;			/* A: goroutines made minus ended here; the sum counts */

	/* Timers, a heap of four children a node, soonest first. */
	struct grt_lock timerslock __cacheline_aligned;
	struct timer **timers;		/* timerslock */
	uint32_t ntimers;
	uint32_t captimers;
	int64_t timer0when;		/* A: timers[0]->when, 0: none; written under timerslock */

	/* futex */
	enum pstatus status __cacheline_aligned;	/* A */
	uint32_t syscalltick;		/* P, A: grows with each block_begin */
	struct m *m;			/* A: who holds it, or had it before Psyscall */
	struct p *link;			/* L: on sched.pidle, or for the template thread */
	bool newmspinning;		/* L: a thread is to be made for it that spins */
	struct m *oldm;			/* L: who had it when the world was stopped, or NULL */
	uint32_t sysmon_schedtick;	/* sysmon: what it last saw, and when */
	uint32_t sysmon_syscalltick;
	int64_t sysmon_schedwhen;
	int64_t sysmon_syscallwhen;
};

/* ---- The scheduler ------------------------------------------------------------------------- */

struct backend;

struct sched {
	const struct backend *backend;		/* I */
	const struct gsched_status *status;	/* I: head of the status range */
	struct gsched_hint *hint;		/* I: head of the hint range */
	struct gsched_p_hint *phint;		/* I: a line for each of GSCHED_MAX_P Ps */

	/*
	 * Changed in a stopped world only, so a plain word to who has a P. Others may read it late:
	 * a P that is DEAD has neither goroutines nor timers.
	 */
	int32_t gomaxprocs;			/* A */
	bool procsbyhand;			/* A: the program has said how many */
	int32_t nallp;				/* A: Ps ever made, below it allp is not NULL */
	struct m *stopper;			/* A: has stopped the world, or is about to */
	int32_t maxmcount;			/* I */
	enum grt_thread_policy mpolicy;		/* I */
	int64_t slice;				/* I: ns that one may run while others wait */
	int64_t stoptimeout;			/* I: ns that a stop of the world may take */

	bool begun;				/* A: there is a main goroutine; more may be made */
	bool exiting;				/* A: the main goroutine has returned */
	int result;				/* of the main goroutine, before exiting */
	int (*mainfn)(void *arg);		/* I */
	void *mainarg;				/* I */
	struct m *m0;				/* I: of the thread of grt_run() */
	struct note end;			/* m0 sleeps here once it is no M any more */
	sigset_t sigmask;			/* I: of every M when it starts */

	struct grt_lock lock __cacheline_aligned;
	struct gqueue runq;			/* L: the global queue; its length in hint->gqlen */
	struct m *midle;			/* L: futex: parked Ms, most recent first */
	struct p *pidle;			/* L: futex: their number in status->nidle */
	uint32_t nmidle;			/* L: futex */
	struct m *allm;				/* L; read by anyone, never shrinks */
	struct m *freem;			/* L: their threads have ended, or are about to */
	int32_t mcount;				/* L, read A: threads of Ms, but for m0 */
	int32_t nm0;				/* L, read A: 1 while m0 is an M */
	int32_t nmidlelocked;			/* L: futex: Ms that wait for their goroutine */
	int32_t nsysthreads;			/* A: threads that are no Ms (R108) */
	int32_t nmstopped;			/* A: Ms with nothing to do, see checkdead.c */
	bool foreign;				/* A: a thread that is no M made a G ready */

	struct grt_lock gflock __cacheline_aligned;
	struct g *gfree;			/* gflock: dead Gs with stacks */
	uint32_t ngfree;
	struct g *allgs;			/* A: every G ever made */

	uint64_t goidgen __cacheline_aligned;	/* A */
	int64_t ngs;				/* A: goroutines made by threads without a P */

	struct p *allp[GSCHED_MAX_P];		/* I: a P is never freed */
};

extern struct sched sched;

/* ---- The entry protocol -------------------------------------------------------------------- */

void acquirem_slow(struct m *mp);
void forkcheck(void);		/* fork.c */
void gopreempt(void);

/*
 * acquirem() - begin code that relies on the P
 *
 * From here to releasem() the M keeps its P: the kernel takes one only from an M that sleeps with
 * nopreempt 0 (protocol 3). One load says which P it is, for it may be another than at the last
 * visit. The count belongs to the M: a goroutine that parks is counted on the M it left, and
 * continues with the count of the M that resumes it.
 *
 * Return: the M; NULL on a thread that is none.
 */
static inline struct m *acquirem(void)
{
	struct g *gp = getg();
	struct m *mp;

	if (unlikely(!gp)) {
		forkcheck();
		return NULL;
	}
	mp = gp->m;
	WRITE_ONCE(mp->hint->nopreempt, mp->hint->nopreempt + 1);
	barrier();
	if (unlikely(!GSCHED_M_P(READ_ONCE(mp->status->word))))
		acquirem_slow(mp);
	return mp;
}

/* releasem() - end it; yields if that was asked for meanwhile. @mp may be NULL */
static inline void releasem(struct m *mp)
{
	uint32_t n;

	if (unlikely(!mp))
		return;
	barrier();
	n = mp->hint->nopreempt - 1;
	WRITE_ONCE(mp->hint->nopreempt, n);
	barrier();
	if (!n && unlikely(READ_ONCE(mp->status->preempt) != load_relaxed(&mp->preempttick)))
		gopreempt();
}

/* The P of an M between acquirem() and releasem(). */
static inline struct p *getp(const struct m *mp)
{
	return sched.allp[GSCHED_M_P(READ_ONCE(mp->status->word)) - 1];
}

static inline bool hasp(const struct m *mp)
{
	return GSCHED_M_P(READ_ONCE(mp->status->word)) != 0;
}

/* ---- sched.c ------------------------------------------------------------------------------- */

/*
 * gopark() - suspend the calling goroutine
 * @unlockf: runs on g0 once the goroutine is Gwaiting; false resumes it at once. From its return
 *	value true on, and while it runs if it publishes @gp, the goroutine may run elsewhere
 *
 * goready() makes it run again.
 */
void gopark(bool (*unlockf)(struct g *gp, void *lock), void *lock, enum grt_wait_reason why);
/* gopark() that releases @l, which is held */
void goparkunlock(struct grt_lock *l, enum grt_wait_reason why);
/* goready() - a parked goroutine becomes runnable, next on this P. Any thread */
void goready(struct g *gp);
void putrunnable(struct m *mp, struct g *gp);
/* startparked() - @gp, which nobody has seen yet, waits for grt_ready() before it begins */
void startparked(struct g *gp);
void wakep(void);
void casgstatus(struct g *gp, enum gstatus old, enum gstatus new);
void schedule(void) __noreturn;
void execute(struct m *mp, struct g *gp, bool inherit) __noreturn;
void stopm(struct m *mp);
bool anywork(void);

static inline uint32_t nmspinning(void)
{
	return load_relaxed(&sched.hint->nspinning);
}

static inline uint32_t npidle(void)
{
	return load_relaxed(&sched.status->nidle);
}

/* ---- proc.c -------------------------------------------------------------------------------- */

struct g *newproc1(struct m *mp, void (*fn)(void *arg), void *arg, uintptr_t gopc);
bool newproc(void (*fn)(void *arg), void *arg, uintptr_t gopc);
void gostart(void) __noreturn;
/* goexit1() - the calling goroutine ends now; what it deferred is not called */
void goexit1(void) __noreturn;
void gfpurge(struct p *pp);

/* ---- m.c ----------------------------------------------------------------------------------- */

struct m *allocm(void);
void freem(struct m *mp);
void minit(struct m *mp);
int newosproc(struct m *mp);
void newsysthread(void (*fn)(void));
void mrun(struct m *mp);
void mdetach(void);
void mexit(void) __noreturn;
void too_many_threads(void) __noreturn __cold;
uint32_t fastrand(struct m *mp);

/* ---- lockthread.c -------------------------------------------------------------------------- */

void lockg(struct m *mp, struct g *gp);
void lockosthread(void);
void unlockosthread(void);
void unlockg(struct m *mp, struct g *gp);
void stoplockedm(struct m *mp);
void startlockedm(struct m *mp, struct g *gp);

/* ---- boot.c -------------------------------------------------------------------------------- */

/* Settings of $GRTDEBUG. */
struct debugvars {
	int32_t containermaxprocs;	/* 1: quotas limit the default maxprocs */
	int32_t updatemaxprocs;		/* 1: the default follows changes */
};

extern struct debugvars debugvars;

/* ---- maxprocs.c ---------------------------------------------------------------------------- */

#define PROCSUPDATE_NS		1000000000LL	/* between two looks, as in Go */
/*
 * On futex a goroutine that does not call the runtime does not stop. Nobody has asked for this
 * stop, so it must cost the others little: a fiftieth of the time at worst.
 */
#define PROCSUPDATE_STOP_NS	200000000LL
#define PROCSUPDATE_RETRY_NS	10000000000LL

int32_t firstprocs(const struct grt_config *c);
bool procsfollow(void);
void updateprocs(void);

/* ---- init.c -------------------------------------------------------------------------------- */

void runinittasks(void);

/* ---- p.c ----------------------------------------------------------------------------------- */

bool allocps(int32_t n);
void procresize(int32_t n);
void movework(int32_t n, struct p *to);
uint32_t stealstride(uint32_t rand);

/* Of the futex backend. */
extern struct gsched_status futexstatus;
void acquirep(struct m *mp, struct p *pp);
struct p *releasep(struct m *mp);
void pidleput(struct p *pp);
struct p *pidleget(void);

/* ---- stw.c --------------------------------------------------------------------------------- */

int stoptheworld(const char *why);
void starttheworld(void);
int foreachp(const char *why, void (*fn)(struct p *pp));
void badpark(struct m *mp) __noreturn __cold;
int setmaxprocs(int32_t n, bool byhand);

/* ---- runq.c -------------------------------------------------------------------------------- */

void runqput(struct p *pp, struct g *gp, bool next);
struct g *runqget(struct p *pp, bool *inherit);
struct g *runqsteal(struct p *pp, struct p *victim, bool runnext);
bool runqempty(const struct p *pp);
void runqidle(struct p *pp);
void globrunqput(struct g *gp);
void globrunqputbatch(struct gqueue *q);
struct g *globrunqget(struct p *pp, uint32_t max);
void globrunqputhead(struct gqueue *q);
void runqdrain(struct p *pp, struct gqueue *q);
void gqpush(struct gqueue *q, struct g *gp);
struct g *gqpop(struct gqueue *q);

/* ---- mem.c --------------------------------------------------------------------------------- */

void *sysalloc(size_t size);
void sysfree(void *p, size_t size);
void *persistentalloc(size_t size);

/* ---- stack.c ------------------------------------------------------------------------------- */

bool stackalloc(struct stack *st);
bool threadstackalloc(struct stack *st);

/* ---- time.c -------------------------------------------------------------------------------- */

int64_t nanotime(void);
/* addtimer() - have t->f run at t->when. Any thread */
void addtimer(struct timer *t);
/* deltimer() - true: removed, t->f will not run for this addtimer() */
bool deltimer(struct timer *t);
bool checktimers(struct p *pp, int64_t *now);
void runduetimers(int64_t *now);
void movetimers(struct p *from, struct p *to);
int64_t timerhorizon(void);

/* ---- netpoll.c ----------------------------------------------------------------------------- */

void netpollinit(void);
void netpollbreak(void);
void netpolladd(int fd, uint32_t events);
bool netpollwanted(void);
void netpoll(int64_t until);

/* ---- fork.c -------------------------------------------------------------------------------- */

void forkinit(void);
/* forkcheck() - fatal in the child of a fork. Any thread */

/* ---- lock.c -------------------------------------------------------------------------------- */

/*
 * A lock holder is not preempted and keeps its P; a lock is never held across a switch. In what
 * order locks are taken is said in lockrank.h.
 */
void lock(struct grt_lock *l);
void unlock(struct grt_lock *l);

void notewakeup(struct note *n);
void notesleep(struct note *n);
bool notetsleep(struct note *n, int64_t deadline);
void noteclear(struct note *n);

/* ---- panic.c ------------------------------------------------------------------------------- */

/* A programming error of the calling goroutine, which it may recover from. No lock is held. */
void gopanic(const char *fmt, ...) __noreturn __cold __printf(1, 2);
/* goreturn() - the goroutine @gp, the caller, ends: what it deferred is called first */
void goreturn(struct g *gp) __noreturn;
/* waitpanics() - the main goroutine is done: waits for others that panic (R95) */
void waitpanics(void);

/* ---- checkdead.c --------------------------------------------------------------------------- */

/* mstops() - an M goes to sleep with nothing to do (1), or is back (-1) */
void mstops(int32_t n);
/* suspectdead() - the last M that runs may have gone: looks whether it was, and has that checked */
void suspectdead(void);
/* foreigncall() - a thread that is not the runtime's has made a goroutine runnable */
void foreigncall(void);
int checkdead(void);

/* ---- traceback.c --------------------------------------------------------------------------- */

/* Ends the process: one line in Go's words, with the goroutine and where it was made; status 2. */
void fatal(const char *msg) __noreturn __cold;
/* The same for what went wrong before there were goroutines: "grt: ...". */
void fatal_setup(const char *fmt, ...) __noreturn __cold __printf(1, 2);

/* ---- arch ---------------------------------------------------------------------------------- */

/*
 * Saves the context of @gp and runs @fn(@gp) on the stack of @g0; @fn does not return. Returns
 * when @gp is resumed, maybe on another thread.
 */
void grt_mcall(struct g *gp, void (*fn)(struct g *gp), struct g *g0);
/* Resumes @gp. */
void grt_gogo(struct g *gp) __noreturn;
/* Saves the context of @g0 and runs @fn(@g0) below it; returns by grt_gogo(@g0). */
void grt_g0call(struct g *g0, void (*fn)(struct g *g0));
/* Where a new goroutine begins, and its outermost frame. */
void goexit(void);

/* Leaves the goroutine for g0 and runs @fn there, which does not return. */
void mcall(void (*fn)(struct g *gp));
/* Leaves g0 for @gp. */
void gogo(struct g *gp) __noreturn;

#endif /* GRT_SRC_RUNTIME_H */
