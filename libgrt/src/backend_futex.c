// SPDX-License-Identifier: MIT
/*
 * The futex backend: the library owns the Ps, as Go does (proc.go).
 *
 * A P is on the list of idle ones, or belongs to an M, or is in Psyscall: its goroutine may block,
 * and whoever changes the status by compare and swap has the P. The lists of idle Ps and parked Ms
 * are under sched.lock. An M's status word, which the entry protocol reads, is its own memory here,
 * written by acquirep() and releasep().
 *
 * Documented limit: a goroutine that blocks without grt_block_begin() keeps its P.
 */
#include <pthread.h>

#include "backend.h"
#include "sysmon.h"

static struct gsched_hint hint __cacheline_aligned;

/* A stop of the world; status->stw says whether there is one. sched.lock */
static struct {
	int32_t stopwait;	/* how many Ps have not stopped yet */
	struct note stopnote;	/* to the stopper: none */
} world;

/* ---- Ms ------------------------------------------------------------------------------------ */

/* The P has stopped. With the last one the stop is complete. sched.lock held. */
static void pstopped(struct p *pp)
{
	store_release(&pp->status, Pgcstop);
	if (!--world.stopwait)
		notewakeup(&world.stopnote);
}

/*
 * Puts a P where those are that no M has: idle, or, while the world is being stopped, stopped (R43,
 * R44). sched.lock held; whoever leaves a P idle looks for work afterwards.
 */
static void pput(struct p *pp)
{
	if (futexstatus.stw)
		pstopped(pp);
	else
		pidleput(pp);
}

/* Puts the M on the list of parked ones. sched.lock held. */
static void mput(struct m *mp)
{
	mp->parked = true;
	mp->schedlink = sched.midle;
	sched.midle = mp;
	store_relaxed(&sched.nmidle, sched.nmidle + 1);
}

static void mremove(struct m *mp)
{
	struct m **link = &sched.midle;

	while (*link != mp)
		link = &(*link)->schedlink;
	*link = mp->schedlink;
	mp->parked = false;
	store_relaxed(&sched.nmidle, sched.nmidle - 1);
}

/*
 * Takes a parked M, or NULL: the one that had the P when the world was stopped, so that its
 * goroutines stay where they were; else the last that parked, its cache is warm. sched.lock held.
 */
static struct m *mget(struct p *pp)
{
	struct m *mp = pp->oldm;

	pp->oldm = NULL;
	if (!mp || !mp->parked)
		mp = sched.midle;
	if (mp)
		mremove(mp);
	return mp;
}

/* ---- The template thread ------------------------------------------------------------------- */

static struct {
	struct p *wanted;	/* sched.lock: Ps that a thread is to be made for */
	struct note note;
} template;

/* Has a thread made for @pp. sched.lock held; mcount already counts it. */
static void newm(struct p *pp, bool spinning)
{
	pp->newmspinning = spinning;
	pp->link = template.wanted;
	template.wanted = pp;
	notewakeup(&template.note);
}

static void newm1(struct p *pp)
{
	struct m *mp = allocm();
	int err = -ENOMEM;

	if (mp) {
		mp->nextp = pp;
		mp->nextspinning = pp->newmspinning;
		err = newosproc(mp);
	}
	if (err)
		fatal("cannot create a thread: out of memory or of processes (ulimit -u)");
}

static struct p *takewanted(void)
{
	struct p *pp;

	lock(&sched.lock);
	pp = template.wanted;
	template.wanted = NULL;
	unlock(&sched.lock);
	return pp;
}

static void templatethread(void)
{
	struct p *pp, *next;
	int wait = -1;

	while (!load_seqcst(&sched.exiting)) {
		notetsleep(&template.note, wait < 0 ? GRT_FOREVER : nanotime() + wait * 1000000LL);
		noteclear(&template.note);
		for (pp = takewanted(); pp; pp = next) {
			next = pp->link;
			newm1(pp);
		}
		wait = checkdead();
	}
}

static void futex_lookdead(void)
{
	notewakeup(&template.note);
}

static void futex_start(void)
{
	newsysthread(sysmon);
	newsysthread(templatethread);
}

static void futex_stop(void)
{
	sysmonstop();
	notewakeup(&template.note);
}

/* ---- Starting Ms --------------------------------------------------------------------------- */

/* Every M waits for its own goroutine, and there is none to start those. sched.lock held. */
static bool allidlelocked(void)
{
	return sched.nmidlelocked == sched.mcount + sched.nm0;
}

/*
 * Schedules some M to run @pp, NULL for any idle one; makes a thread if none is parked. With
 * @spinning the caller has counted the M in nspinning. Never blocks for long; any thread.
 *
 * An M that does not come is counted no more before the lock is dropped. Who saw it counted, and so
 * woke nobody, did that before the next P becomes idle, and whose P that was looks afterwards.
 *
 * Return: false if no P is idle any more; nspinning is as it was before the caller counted.
 */
static bool startm(struct p *pp, bool spinning)
{
	struct m *mp;

	lock(&sched.lock);
	if (!pp)
		pp = pidleget();
	if (!pp) {
		if (spinning)
			xadd(&hint.nspinning, -1);
		unlock(&sched.lock);
		return false;
	}
	mp = mget(pp);
	if (mp) {
		mp->nextp = pp;
		mp->nextspinning = spinning;
		unlock(&sched.lock);
		notewakeup(&mp->parknote);
		return true;
	}
	if (sched.mcount < sched.maxmcount) {
		store_seqcst(&sched.mcount, sched.mcount + 1);
		newm(pp, spinning);
		unlock(&sched.lock);
		return true;
	}
	if (sched.mpolicy == GRT_THREADS_FATAL || allidlelocked())
		too_many_threads();
	/* The next M that parks finds the P idle and takes it, if there is work; or the poller. */
	pput(pp);
	if (spinning)
		xadd(&hint.nspinning, -1);
	unlock(&sched.lock);
	if (load_relaxed(&hint.npolling))
		netpollbreak();
	return true;
}

/*
 * Hands off the P of an M that blocks (R33). Must start an M in any situation where findrunnable()
 * would find something to do: the conditions here and there must agree. Runs without a P. Never
 * blocks.
 */
void handoffp(struct p *pp)
{
	store_release(&pp->m, NULL);
	if (!runqempty(pp) || load_relaxed(&hint.gqlen)) {
		startm(pp, false);
		return;
	}
	/* No M spins and no P is idle: nobody else would look for the work of other Ps. */
	if (nmspinning() + npidle() == 0 && cas(&hint.nspinning, 0, 1)) {
		startm(pp, true);
		return;
	}
	lock(&sched.lock);
	if (!futexstatus.stw &&
	    (sched.runq.n || (!load_seqcst(&hint.npolling) && netpollwanted()))) {
		unlock(&sched.lock);
		startm(pp, false);
		return;
	}
	pput(pp);
	unlock(&sched.lock);
}

/* ---- The table ----------------------------------------------------------------------------- */

static void futex_forkchild(void)
{
	struct g *gp = getg();

	if (gp)
		WRITE_ONCE(gp->m->statusline.word, 0);
}

static int futex_setup(int32_t nprocs, const char **what)
{
	int32_t i;

	sched.status = &futexstatus;
	sched.hint = &hint;
	sched.phint = sysalloc(GSCHED_MAX_P * sizeof(*sched.phint));
	if (!sched.phint || !allocps(nprocs)) {
		*what = "out of memory";
		return -ENOMEM;
	}
	procresize(nprocs);
	futexstatus.nr_p = nprocs;
	lock(&sched.lock);
	for (i = nprocs - 1; i >= 0; i--) {
		sched.allp[i]->status = Pidle;
		pidleput(sched.allp[i]);
	}
	unlock(&sched.lock);
	return 0;
}

static void futex_minit(struct m *mp)
{
	static int32_t ids;

	if (!mp->hint)
		mp->id = xadd(&ids, 1);
	mp->hint = &mp->hintline;
	mp->status = &mp->statusline;
}

/* Takes up the P the M was started or woken with. */
static void takenextp(struct m *mp)
{
	acquirep(mp, mp->nextp);
	mp->nextp = NULL;
	mp->spinning = mp->nextspinning;
	mp->nextspinning = false;
}

static void futex_mstart(struct m *mp)
{
	if (mp == sched.m0) {
		lock(&sched.lock);
		mp->nextp = pidleget();
		unlock(&sched.lock);
	}
	takenextp(mp);
}

/* At the end nobody is started for what is left. */
static void futex_mexit(struct m *mp)
{
	if (!hasp(mp))
		return;
	if (!load_relaxed(&sched.exiting)) {
		handoffp(releasep(mp));
		return;
	}
	lock(&sched.lock);
	pput(releasep(mp));
	unlock(&sched.lock);
}

/*
 * Who found nspinning at 1 because of us has woken nobody, and who handed a P off meanwhile has not
 * looked at the rings: so if there was no P for the M, look again. With every P in use nobody is to
 * be woken, the poller neither: its own P became idle before its last look.
 */
static void futex_wake(void)
{
	while (npidle() && cas(&hint.nspinning, 0, 1)) {
		if (startm(NULL, true) || !anywork())
			return;
	}
}

/* Something to do for an idle P: what the kernel's PARK looks at. */
static bool parkwork(void)
{
	return (!nmspinning() && anywork()) || load_seqcst(&hint.gqlen) ||
	       (!load_seqcst(&hint.npolling) && netpollwanted());
}

/*
 * Stops the M until there is work for it (R45). The P is idle before the look at the queues, and
 * who enqueues looks at nidle after the store: one of the two sees the other.
 */
static bool futex_park(struct m *mp, int64_t deadline)
{
	struct p *pp;

	lock(&sched.lock);
	if (hasp(mp)) {
		pp = releasep(mp);
		if (futexstatus.stw)
			pp->oldm = mp;
		pput(pp);
	}
	mput(mp);
	unlock(&sched.lock);
	fence_seqcst();
	if (npidle() && parkwork()) {
		lock(&sched.lock);
		pp = mp->parked ? pidleget() : NULL;
		if (pp) {
			mremove(mp);
			unlock(&sched.lock);
			acquirep(mp, pp);
			mp->respin = true;
			return true;
		}
		unlock(&sched.lock);
	}
	if (!notetsleep(&mp->parknote, deadline)) {
		lock(&sched.lock);
		if (mp->parked) {
			mremove(mp);
			unlock(&sched.lock);
			return false;
		}
		unlock(&sched.lock);
		notesleep(&mp->parknote);
	}
	noteclear(&mp->parknote);
	takenextp(mp);
	return true;
}

static bool futex_surplus(void)
{
	return load_relaxed(&sched.nmidle) > (uint32_t)load_relaxed(&sched.gomaxprocs);
}

static bool futex_switchto(struct m *mp)
{
	(void)mp;
	return false;
}

/* True: the limit is reached, and no M is left but those that wait for their goroutines. */
static bool incidlelocked(int32_t n)
{
	bool stuck;

	lock(&sched.lock);
	sched.nmidlelocked += n;
	stuck = sched.mcount >= sched.maxmcount && allidlelocked();
	unlock(&sched.lock);
	return stuck;
}

static void futex_parklocked(struct m *mp)
{
	if (hasp(mp))
		handoffp(releasep(mp));
	if (incidlelocked(1) && parkwork())
		too_many_threads();
	notesleep(&mp->parknote);
	noteclear(&mp->parknote);
	takenextp(mp);
}

static void futex_startlocked(struct m *mp, struct m *lockedm)
{
	if (lockedm->nextp)
		fatal("startlockedm: m has p");
	incidlelocked(-1);
	lockedm->nextp = releasep(mp);
	notewakeup(&lockedm->parknote);
	stopm(mp);
}

static void futex_acquire(struct m *mp)
{
	(void)mp;
	fatal("call into the runtime between grt_block_begin and grt_block_end");
}

/*
 * The poller's P is idle while it sleeps. Who enqueued after its last look saw npolling and broke
 * the poll, or sees nidle.
 */
static void futex_pollbegin(struct m *mp)
{
	if (!hasp(mp))
		return;
	lock(&sched.lock);
	pput(releasep(mp));
	unlock(&sched.lock);
	fence_seqcst();
	if (anywork())
		netpollbreak();
}

/* Gets the M an idle P, if there is one. */
static bool acquireidlep(struct m *mp)
{
	struct p *pp;

	lock(&sched.lock);
	pp = pidleget();
	unlock(&sched.lock);
	if (pp)
		acquirep(mp, pp);
	return pp;
}

static bool futex_pollend(struct m *mp, bool ready)
{
	(void)ready;
	return acquireidlep(mp);
}

/* ---- The world ----------------------------------------------------------------------------- */

#define ASK_AGAIN_NS	100000LL	/* C14 */

/*
 * Takes the Ps of blocking stretches and asks the Ms of all others to yield. Again and again: a P
 * may be on its way to an M, which nobody could ask, or into a blocking stretch.
 */
static void asktostop(struct m *stopper)
{
	struct p *pp;
	struct m *mp;
	int32_t i;

	for (i = 0; i < sched.gomaxprocs; i++) {
		pp = sched.allp[i];
		if (load_acquire(&pp->status) == Psyscall && cas(&pp->status, Psyscall, Pidle)) {
			store_relaxed(&pp->syscalltick, pp->syscalltick + 1);
			store_release(&pp->m, NULL);
			lock(&sched.lock);
			pstopped(pp);
			unlock(&sched.lock);
		}
		mp = load_acquire(&pp->m);
		if (mp && mp != stopper)
			xadd(&mp->statusline.preempt, 1);
	}
}

/* One that has not stopped. sched.lock held. */
static uint64_t goidlate(struct m *stopper)
{
	struct p *pp;
	struct m *mp;
	int32_t i;

	for (i = 0; i < sched.gomaxprocs; i++) {
		pp = sched.allp[i];
		mp = load_acquire(&pp->m);
		if (load_acquire(&pp->status) == Prunning && mp && mp != stopper)
			return load_relaxed(&mp->hint->goid);
	}
	return 0;
}

/* Idle Ps are taken first, and none becomes idle from then on (pput). */
static int futex_stopworld(struct m *mp, int64_t deadline, uint64_t *late)
{
	struct p *pp;
	int err = 0;

	lock(&sched.lock);
	noteclear(&world.stopnote);
	world.stopwait = sched.gomaxprocs - 1;
	store_seqcst(&futexstatus.stw, 1);
	if (!world.stopwait)
		notewakeup(&world.stopnote);
	while ((pp = pidleget()))
		pstopped(pp);
	unlock(&sched.lock);
	asktostop(mp);
	while (!notetsleep(&world.stopnote, nanotime() + ASK_AGAIN_NS)) {
		if (nanotime() >= deadline) {
			err = -ETIMEDOUT;
			break;
		}
		asktostop(mp);
	}
	lock(&sched.lock);
	if (!world.stopwait)
		err = 0;
	else if (err)
		*late = goidlate(mp);
	unlock(&sched.lock);
	return err;
}

/* Ps with goroutines go to Ms, those that had them if possible, all others become idle. */
static void futex_startworld(struct m *mp)
{
	struct p *runnable = NULL, *pp;
	int32_t i;

	(void)mp;
	lock(&sched.lock);
	store_seqcst(&futexstatus.stw, 0);
	for (i = sched.gomaxprocs - 1; i >= 0; i--) {
		pp = sched.allp[i];
		if (load_relaxed(&pp->status) != Pgcstop)
			continue;
		store_release(&pp->status, Pidle);
		if (runqempty(pp)) {
			pidleput(pp);
		} else {
			pp->link = runnable;
			runnable = pp;
		}
	}
	sysmonwake();
	unlock(&sched.lock);
	while ((pp = runnable)) {
		runnable = pp->link;
		startm(pp, false);
	}
}

/* New Ps are stopped ones, for startworld() to give out. */
static void futex_resize(struct m *mp, int32_t n)
{
	struct p *pp = getp(mp);
	int32_t i;

	if (pp->id >= n) {
		releasep(mp);
		acquirep(mp, sched.allp[0]);
	}
	for (i = sched.gomaxprocs; i < n; i++)
		store_release(&sched.allp[i]->status, Pgcstop);
	for (i = n; i < sched.gomaxprocs; i++) {
		store_release(&sched.allp[i]->status, Pdead);
		sched.allp[i]->oldm = NULL;
	}
	futexstatus.nr_p = n;
}

/* ---- Blocking stretches (R111) ------------------------------------------------------------- */

/* entersyscall: the M and its P part, but nothing is handed over yet. */
static void futex_blockbegin(struct m *mp, struct g *gp)
{
	struct p *pp;

	acquirem();
	if (unlikely(mp->hint->nopreempt != 1))
		badpark(mp);
	pp = getp(mp);
	casgstatus(gp, Grunning, Gsyscall);
	mp->oldp = pp;
	WRITE_ONCE(mp->statusline.word, 0);
	store_relaxed(&pp->syscalltick, pp->syscalltick + 1);
	store_seqcst(&pp->status, Psyscall);
	/* From here the P may be another's. nopreempt stays 1 to the end of the stretch. */
}

/* exitsyscall0, on g0: no P is to be had. The goroutine waits on the global queue. */
static void exitsyscall0(struct g *gp)
{
	struct m *mp = getg()->m;
	bool locked;
	struct p *pp;

	casgstatus(gp, Gsyscall, Grunnable);
	gp->m = NULL;
	mp->curg = NULL;
	lock(&sched.lock);
	pp = pidleget();
	if (!pp)
		globrunqput(gp);
	/* Read before the lock is dropped: the goroutine may run elsewhere then (R112). */
	locked = gp->lockedm;
	unlock(&sched.lock);
	if (pp) {
		acquirep(mp, pp);
		execute(mp, gp, false);
	}
	if (locked) {
		stoplockedm(mp);
		execute(mp, gp, false);
	}
	if (mp == sched.m0)
		mexit();
	stopm(mp);
	schedule();
}

static bool exitsyscallfast(struct m *mp)
{
	struct p *pp = mp->oldp;

	mp->oldp = NULL;
	if (cas(&pp->status, Psyscall, Prunning)) {
		store_release(&pp->m, mp);
		WRITE_ONCE(mp->statusline.word, pp->id + 1);
		return true;
	}
	return npidle() && acquireidlep(mp);
}

static void futex_blockend(struct m *mp, struct g *gp)
{
	if (load_relaxed(&gp->status) != Gsyscall)
		gopanic("grt_block_end without grt_block_begin");
	if (exitsyscallfast(mp))
		casgstatus(gp, Gsyscall, Grunning);
	else
		mcall(exitsyscall0);
	releasem(gp->m);
}

const struct backend backend_futex = {
	.name		= "futex",
	.setup		= futex_setup,
	.minit		= futex_minit,
	.mstart		= futex_mstart,
	.mexit		= futex_mexit,
	.wake		= futex_wake,
	.park		= futex_park,
	.surplus	= futex_surplus,
	.switchto	= futex_switchto,
	.parklocked	= futex_parklocked,
	.startlocked	= futex_startlocked,
	.acquire	= futex_acquire,
	.pollbegin	= futex_pollbegin,
	.pollend	= futex_pollend,
	.stopworld	= futex_stopworld,
	.startworld	= futex_startworld,
	.resize		= futex_resize,
	.blockbegin	= futex_blockbegin,
	.blockend	= futex_blockend,
	.start		= futex_start,
	.stop		= futex_stop,
	.lookdead	= futex_lookdead,
	.forkchild	= futex_forkchild,
};
