// SPDX-License-Identifier: MIT
/*
 * The scheduler: distributes goroutines that are ready to run over threads.
 *
 * Parking and waking threads
 *
 * There must be enough running threads to use the hardware, and no more. Wanted is an M for each
 * P that has work, but scheduler state is spread over per-P queues on purpose, so nobody knows
 * whether there is work; and the future is not known, so a thread must not be parked when a
 * goroutine becomes ready in a microsecond. Three ways that do not work:
 *
 *	1. Keep all scheduler state in one place: no scaling.
 *	2. Hand the P over when a goroutine becomes ready: the new thread has nothing to do the very
 *	   next moment, and the goroutine loses its locality.
 *	3. Wake a thread whenever a goroutine becomes ready and a P is idle: threads park and unpark
 *	   without end.
 *
 * Instead: whoever makes a goroutine ready wakes a thread if there is an idle P and no spinning
 * thread. An M spins when it is out of local work and looks for some elsewhere, or has just been
 * woken for that reason. Spinning Ms need not be woken: one is there, it will find the work. When
 * the last spinning M finds work, it wakes another (resetspinning), so that there is one while
 * there is work to find; when it finds none, it parks. That is what smooths the unparking.
 *
 * The dance: an M that goes from spinning to parked must not race with whoever makes a goroutine
 * ready, or both leave it lying.
 *	- who enqueues: store the work; fence; read nspinning (wakep)
 *	- who parks: nspinning--; fence; look at every queue (findrunnable)
 * One of the two sees the other. The P it holds is freed only afterwards, so the backend looks once
 * more when the P is free: see park() in backend.h. The same holds for the poller, whose sleep
 * ends by netpollbreak(). (Protocol 4; on gsched the kernel does it when an M falls asleep, for
 * whatever reason: the hook in sched_out takes the part of who parks.)
 *
 * The entry protocol and goroutines
 *
 * On g0 the count of nopreempt is exactly 1. A goroutine is left with it (gopark, goexit) and is
 * resumed with it, and lets go once it runs on its own stack again.
 */
#include "backend.h"

/* What a goroutine in grt_park() can be; the rest of the word counts its parks. */
enum {
	PARK_NONE	= 0,	/* not parked, or already resumed */
	PARK_COMMIT	= 1,	/* commit runs: who ends the park now leaves the rest to park_m */
	PARK_WAITING	= 2,
	PARK_READY	= 3,
	PARK_TIMEDOUT	= 4,
	PARK_STATE	= 7,
	PARK_SEQ	= 8,	/* one park more */
};

struct sched sched = {
	.lock = LOCK_INIT(LOCKRANK_SCHED),
	.gflock = LOCK_INIT(LOCKRANK_GFREE),
};

/* Changes the state of a goroutine. It has one owner at a time: who moves it says what it was. */
void casgstatus(struct g *gp, enum gstatus old, enum gstatus new)
{
	if (unlikely(load_relaxed(&gp->status) != old))
		fatal("casgstatus: bad incoming values");
	store_relaxed(&gp->status, new);
}

/* Undoes the association of the goroutine and its M. */
static void dropg(struct m *mp, struct g *gp)
{
	gp->m = NULL;
	mp->curg = NULL;
	WRITE_ONCE(mp->hint->goid, 0);
}

/* An M without a P in runtime code: a debugger let it pass the border. It waits for its turn. */
void acquirem_slow(struct m *mp)
{
	forkcheck();
	sched.backend->acquire(mp);
}

/* The caller holds the only P there is: no M could be got to run anything before it lets go. */
static bool holdsonlyp(void)
{
	struct g *gp;

	if (likely(load_relaxed(&sched.gomaxprocs) > 1))
		return false;
	gp = getg();
	return gp && hasp(gp->m);
}

/*
 * Some work has become available that a P could run: gets an M to look for it, unless one spins.
 * Any thread. The fence pairs with the one in findrunnable(), and with the kernel's between a P
 * becoming BLOCKED or IDLE and its look at the hints.
 */
void wakep(void)
{
	fence_seqcst();
	if (nmspinning() || holdsonlyp())
		return;
	sched.backend->wake();
}

static void startspinning(struct m *mp)
{
	mp->respin = false;
	if (!mp->spinning) {
		mp->spinning = true;
		xadd(&sched.hint->nspinning, 1);
	}
}

static void stopspinning(struct m *mp)
{
	if (!mp->spinning)
		return;
	mp->spinning = false;
	if ((int32_t)xadd(&sched.hint->nspinning, -1) <= 0)
		fatal("findrunnable: negative nmspinning");
}

/*
 * A spinning M has found work (R107). If it was the last, there may be more work than for one: M
 * wakes the next.
 */
static void resetspinning(struct m *mp)
{
	stopspinning(mp);
	wakep();
}

/*
 * On g0 what has become available need not wake another M at once: this one looks next. If it has
 * found something else, though, or was not the last of it, it pays.
 */
static void paywake(struct m *mp)
{
	mp->owewake = false;
	if (load_relaxed(&sched.hint->gqlen) ||
	    (netpollwanted() && !load_relaxed(&sched.hint->npolling)))
		wakep();
}

/* Runs @gp on the current M. With @inherit it goes on with the slice of the one before. */
void execute(struct m *mp, struct g *gp, bool inherit)
{
	struct p *pp = getp(mp);

	if (mp->owewake)
		paywake(mp);
	mp->curg = gp;
	gp->m = mp;
	casgstatus(gp, Grunnable, Grunning);
	if (!inherit)
		store_relaxed(&pp->hint->schedtick, pp->hint->schedtick + 1);
	WRITE_ONCE(mp->hint->goid, gp->goid);
	gogo(gp);
}

/*
 * The world is being stopped: gives the P up for that, and sleeps until there is one again (R43 to
 * R46). nspinning need not be looked after: starttheworld() wakes who is needed.
 */
static void gcstopm(struct m *mp)
{
	stopspinning(mp);
	stopm(mp);
}

/* The runtime has ended: so does the M. */
static void schedexit(struct m *mp)
{
	if (unlikely(load_seqcst(&sched.exiting))) {
		stopspinning(mp);
		mexit();
	}
}

/*
 * Whoever asks for a yield from here on is heard: the counter is remembered before stw is read, and
 * a stop is published before it asks.
 */
static void preemptseen(struct m *mp)
{
	uint64_t preempt = load_acquire(&mp->status->preempt);

	if (likely(preempt == load_relaxed(&mp->preempttick)))
		return;
	store_relaxed(&mp->preempttick, preempt);
	/* A stop of the world ends no slice. */
	if (!load_relaxed(&sched.status->stw))
		getp(mp)->sliceover = true;
}

/* What each turn of the scheduler begins with. */
static void schedbegin(struct m *mp)
{
	preemptseen(mp);
	while (unlikely(load_relaxed(&sched.status->stw))) {
		gcstopm(mp);
		preemptseen(mp);
	}
	schedexit(mp);
	if (mp->respin) {
		startspinning(mp);
		mp->turn = true;
	}
}

static struct g *globrunqtake(struct m *mp, struct p *pp, uint32_t max)
{
	struct g *gp;

	mp->turn = false;
	if (!load_relaxed(&sched.hint->gqlen))
		return NULL;
	lock(&sched.lock);
	gp = globrunqget(pp, max);
	unlock(&sched.lock);
	return gp;
}

/*
 * Looks for work at the other Ps: four rounds, in random order (R116); the last takes runnext and
 * runs timers that are due.
 */
static struct g *stealwork(struct m *mp, struct p *pp, int64_t *now)
{
	uint32_t n = sched.gomaxprocs;
	uint32_t round, i, j, stride;
	struct p *victim;
	struct g *gp;
	bool inherit;

	for (round = 0; round < STEAL_ROUNDS; round++) {
		bool last = round == STEAL_ROUNDS - 1;

		j = fastrand(mp) % n;
		stride = stealstride(fastrand(mp));
		for (i = 0; i < n; i++, j = (j + stride) % n) {
			victim = sched.allp[j];
			if (victim == pp)
				continue;
			if (last && checktimers(victim, now)) {
				gp = runqget(pp, &inherit);
				if (gp)
					return gp;
			}
			gp = runqsteal(pp, victim, last);
			if (gp)
				return gp;
		}
	}
	return NULL;
}

/* True if a goroutine is queued anywhere. Of the rings, only those with a bit in has_work. */
bool anywork(void)
{
	uint64_t *has = (uint64_t *)sched.hint->has_work;
	int32_t i, words = (load_relaxed(&sched.gomaxprocs) + 63) / 64;
	uint64_t bits;

	if (load_seqcst(&sched.hint->gqlen))
		return true;
	for (i = 0; i < words; i++) {
		for (bits = load_seqcst(&has[i]); bits; bits &= bits - 1) {
			if (!runqempty(sched.allp[i * 64 + __builtin_ctzll(bits)]))
				return true;
		}
	}
	return false;
}

/*
 * The M polls: npolling is its own. Sleeps until a timer is due or the poll is broken; its P can
 * be taken meanwhile.
 *
 * That nobody polls afterwards is work too, if something is to be waited for: Go's rule, which
 * wakes another M only for the goroutines found, is not enough (protocol 4). An M that comes back
 * with a P spins, and wakes the next when it finds work (resetspinning); one without a P wakes it
 * at once.
 *
 * Return: true if the M has a P.
 */
static bool pollm(struct m *mp)
{
	bool ready, has = true;
	int64_t until, now = 0;

	while ((until = timerhorizon()) || load_relaxed(&sched.hint->niowait)) {
		sched.backend->pollbegin(mp);
		netpoll(until);
		ready = until && nanotime() >= until;
		has = sched.backend->pollend(mp, ready);
		if (has || ready || load_relaxed(&sched.exiting))
			break;
		/* Only a break, and every P is in use: their Ms will look. Poll on. */
		if (anywork())
			wakep();
	}
	if (has) {
		startspinning(mp);
		runduetimers(&now);
		timerhorizon();
	}
	store_seqcst(&sched.hint->npolling, 0);
	if (!has && netpollwanted())
		wakep();
	return has;
}

/* Parks the M until it is handed a P; an M that nobody will need soon ends. */
void stopm(struct m *mp)
{
	int64_t deadline = GRT_FOREVER;
	bool handed;

	if (mp->spinning)
		fatal("stopm: spinning");
	if (sched.backend->surplus())
		deadline = nanotime() + SURPLUS_NS;
	mstops(1);
	handed = sched.backend->park(mp, deadline);
	mstops(-1);
	if (!handed)
		mexit();
}

/*
 * WAITING Ms are the front of the global queue: the M hands its P to the oldest. True if it did;
 * the M has slept and holds another P.
 *
 * Not so one that came from the pool: it was given its P for work that is queued, or for timers. As
 * long as Ms only compute, every other turn is the pool's (slot_turn()); handed on to a WAITING
 * one, those turns too, they would starve all that is queued and every timer. So it looks
 * everywhere while it spins; and if it first found a goroutine whose timer was due, as it may each
 * time, it looks at the global queue after that.
 */
static bool runwaiting(struct m *mp)
{
	bool switched;

	if (likely(!load_relaxed(&sched.status->nwaiting)) || mp->spinning || mp->turn)
		return false;
	if (!sched.backend->surplus()) {
		mstops(1);
		switched = sched.backend->switchto(mp);
		mstops(-1);
		return switched;
	}
	/* PARK hands the P to the oldest, too, and has a deadline, after which the M ends. */
	stopm(mp);
	return true;
}

/*
 * Finds a goroutine to run: local queue, WAITING Ms, global queue, other Ps; then polls or parks
 * until there is one. The conditions here and in handoffp() (and in the kernel's hook) must agree:
 * whatever is looked for here is looked at there before a P is left idle.
 */
static struct g *findrunnable(struct m *mp, bool *inherit)
{
	struct p *pp;
	struct g *gp;
	int64_t now;
	bool poller;

	for (;; schedbegin(mp)) {
		pp = getp(mp);
		now = 0;
		checktimers(pp, &now);
		gp = runqget(pp, inherit);
		if (gp)
			return gp;
		if (runwaiting(mp))
			continue;
		gp = globrunqtake(mp, pp, 0);
		if (gp)
			return gp;
		if (runwaiting(mp))	/* its turn is over */
			continue;

		/* At most half as many Ms spin as Ps are busy (C5): more only burn the CPU. */
		if (mp->spinning || 2 * nmspinning() < sched.gomaxprocs - npidle()) {
			startspinning(mp);
			gp = stealwork(mp, pp, &now);
			if (gp)
				return gp;
		}

		/*
		 * Nothing to do. The poller is chosen before the last look, so that who enqueues
		 * meanwhile knows to break the poll.
		 */
		runqidle(pp);
		poller = netpollwanted() && cas(&sched.hint->npolling, 0, 1);
		stopspinning(mp);
		fence_seqcst();
		if (anywork()) {
			if (poller) {
				store_seqcst(&sched.hint->npolling, 0);
				wakep();
			}
			mp->respin = true;
			continue;
		}
		if (poller && pollm(mp))
			continue;
		stopm(mp);
	}
}

/* Chooses the goroutine to run next, and waits until there is one. */
static struct g *choose(struct m *mp, bool *inherit)
{
	struct g *gp = NULL;
	int64_t now = 0;
	struct p *pp;

	*inherit = false;
	for (;;) {
		schedbegin(mp);
		pp = getp(mp);
		checktimers(pp, &now);
		if (pp->hint->schedtick % 61)
			break;
		/* C4: two goroutines that wake each other must not starve those behind. */
		if (runwaiting(mp))
			continue;
		gp = globrunqtake(mp, pp, 1);
		break;
	}
	if (!gp)
		gp = runqget(pp, inherit);
	if (!gp)
		gp = findrunnable(mp, inherit);
	return gp;
}

/*
 * An M that may not run any goroutine: it waits for the one that is locked to it. Without one it is
 * m0, which only ran the main goroutine while that had not parked: grt_run() must be able to return
 * at once, so m0 waits for nothing but the end.
 */
static void __noreturn schedbound(struct m *mp)
{
	if (!mp->lockedg)
		mexit();
	stoplockedm(mp);
	schedexit(mp);
	/* The goroutine is nobody else's now, so it runs; if it is to stop it yields at once. */
	preemptseen(mp);
	if (unlikely(load_relaxed(&sched.status->stw)))
		store_relaxed(&mp->preempttick, mp->preempttick - 1);
	execute(mp, mp->lockedg, false);
}

/* One turn of the scheduler: finds a goroutine to run and runs it. On g0, with a P. */
void schedule(void)
{
	struct m *mp = getg()->m;
	struct g *gp;
	bool inherit;

	if (unlikely(mp->hint->nopreempt != 1))
		badpark(mp);
	if (unlikely(mp->lockedg || mp == sched.m0))
		schedbound(mp);
	for (;;) {
		gp = choose(mp, &inherit);
		if (mp->spinning)
			resetspinning(mp);
		if (likely(!gp->lockedm))
			break;
		if (mp->owewake)
			paywake(mp);
		startlockedm(mp, gp);
	}
	execute(mp, gp, inherit);
}

/* ---- Parking ------------------------------------------------------------------------------- */

/* On g0: the goroutine is off its stack, from here others may see it as waiting. */
static void park_m(struct g *gp)
{
	struct m *mp = getg()->m;
	bool (*unlockf)(struct g *gp, void *lock) = mp->waitunlockf;

	casgstatus(gp, Grunning, Gwaiting);
	dropg(mp, gp);
	if (unlockf && !unlockf(gp, mp->waitlock)) {
		casgstatus(gp, Gwaiting, Grunnable);
		execute(mp, gp, true);
	}
	schedule();
}

void gopark(bool (*unlockf)(struct g *gp, void *lock), void *lock, enum grt_wait_reason why)
{
	struct g *gp = getg_user("park");
	struct m *mp = acquirem();

	mp->waitunlockf = unlockf;
	mp->waitlock = lock;
	gp->waitreason = why;
	mcall(park_m);
	releasem(gp->m);
}

static bool parkunlock(struct g *gp, void *l)
{
	(void)gp;
	unlock(l);
	return true;
}

void goparkunlock(struct grt_lock *l, enum grt_wait_reason why)
{
	gopark(parkunlock, l, why);
}

/* Queues a runnable goroutine, next on the M's P or, from a thread that is no M, globally. */
void putrunnable(struct m *mp, struct g *gp)
{
	if (mp) {
		runqput(getp(mp), gp, true);
	} else {
		lock(&sched.lock);
		globrunqput(gp);
		unlock(&sched.lock);
	}
	wakep();
}

void goready(struct g *gp)
{
	struct m *mp = acquirem();

	if (unlikely(!mp))
		foreigncall();
	casgstatus(gp, Gwaiting, Grunnable);
	putrunnable(mp, gp);
	releasem(mp);
}

/* On g0: the goroutine goes to the end of the global queue. */
static void goyield_m(struct g *gp)
{
	struct m *mp = getg()->m;

	casgstatus(gp, Grunning, Grunnable);
	dropg(mp, gp);
	if (unlikely(load_relaxed(&sched.status->stw))) {
		/* It yields for that: it shall go on here when the world does. */
		runqput(getp(mp), gp, true);
	} else {
		lock(&sched.lock);
		globrunqput(gp);
		unlock(&sched.lock);
		mp->owewake = true;
	}
	schedule();
}

static void goyield(void)
{
	struct g *gp = getg();

	acquirem();
	mcall(goyield_m);
	releasem(gp->m);
}

/* Somebody asked the M to yield; called by releasem(). */
void gopreempt(void)
{
	goyield();
}

void grt_yield(void)
{
	getg_user("grt_yield");
	goyield();
}

/* ---- grt_park ------------------------------------------------------------------------------ */

/*
 * Three may end a park: grt_ready(), the timer, and commit's return value. g->park decides: a
 * count of the parks and the state, changed by compare and swap. Who wins in PARK_WAITING makes the
 * goroutine ready; who wins in PARK_COMMIT leaves that to parkcommit(), which is still using what
 * lies on the goroutine's stack.
 */
struct parking {
	bool (*commit)(grt_g *g, void *arg);
	void *arg;
	uint64_t seq;
	int64_t deadline;
};

static void parkend(struct g *gp, uint64_t seq, uint64_t how)
{
	for (;;) {
		if (cas(&gp->park, seq | PARK_WAITING, seq | how)) {
			goready(gp);
			return;
		}
		if (cas(&gp->park, seq | PARK_COMMIT, seq | how))
			return;
		/* From PARK_COMMIT it can only have gone to PARK_WAITING in between. */
		if (load_acquire(&gp->park) != (seq | PARK_WAITING))
			return;
	}
}

static void parktimer(void *arg, uint64_t seq)
{
	parkend(arg, seq, PARK_TIMEDOUT);
}

static bool parkcommit(struct g *gp, void *arg)
{
	struct parking *pk = arg;
	uint64_t seq = pk->seq;

	if (pk->deadline != GRT_FOREVER) {
		gp->timer.when = pk->deadline;
		gp->timer.f = parktimer;
		gp->timer.arg = gp;
		gp->timer.seq = seq;
		addtimer(&gp->timer);
	}
	if (pk->commit && !pk->commit((grt_g *)gp, pk->arg)) {
		store_release(&gp->park, seq | PARK_NONE);
		return false;
	}
	return cas(&gp->park, seq | PARK_COMMIT, seq | PARK_WAITING);
}

int grt_park(bool (*commit)(grt_g *g, void *arg), void *arg, enum grt_wait_reason why,
	     int64_t deadline)
{
	struct g *gp = getg_user("grt_park");
	uint64_t seq = (load_relaxed(&gp->park) & ~(uint64_t)PARK_STATE) + PARK_SEQ;
	struct parking pk = {
		.commit = commit,
		.arg = arg,
		.seq = seq,
		.deadline = deadline > 0 ? deadline : 1,
	};
	uint64_t how;

	store_release(&gp->park, seq | PARK_COMMIT);
	gopark(parkcommit, &pk, why);
	how = load_acquire(&gp->park) & PARK_STATE;
	if (how != PARK_TIMEDOUT && deadline != GRT_FOREVER)
		deltimer(&gp->timer);
	switch (how) {
	case PARK_READY:
		return 0;
	case PARK_TIMEDOUT:
		return -ETIMEDOUT;
	default:
		return -EAGAIN;
	}
}

void startparked(struct g *gp)
{
	uint64_t seq = (load_relaxed(&gp->park) & ~(uint64_t)PARK_STATE) + PARK_SEQ;

	gp->waitreason = GRT_WAIT_USER;
	casgstatus(gp, Grunnable, Gwaiting);
	store_release(&gp->park, seq | PARK_WAITING);
}

void grt_ready(grt_g *g)
{
	struct g *gp = (struct g *)g;

	parkend(gp, load_acquire(&gp->park) & ~(uint64_t)PARK_STATE, PARK_READY);
}

grt_g *grt_self(void)
{
	struct g *gp = getg();

	return gp && gp != gp->m->g0 ? (grt_g *)gp : NULL;
}

/* ---- Blocking stretches -------------------------------------------------------------------- */

void grt_block_begin(void)
{
	struct g *gp = getg_user("grt_block_begin");

	if (sched.backend->blockbegin)
		sched.backend->blockbegin(gp->m, gp);
}

void grt_block_end(void)
{
	struct g *gp = getg_user("grt_block_end");

	if (sched.backend->blockend)
		sched.backend->blockend(gp->m, gp);
}
