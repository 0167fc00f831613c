// SPDX-License-Identifier: MIT
/*
 * sysmon: sees to it that goroutines in a blocking stretch, and goroutines that run for long, do
 * not keep their P. Only the futex backend needs it, and only while a P is in use: it sleeps
 * without a limit when all are idle.
 */
#include "sysmon.h"

/* C8 */
#define SYSMON_MIN_NS		20000LL
#define SYSMON_MAX_NS		10000000LL
#define SYSMON_IDLE_CYCLES	50
/* R62: a blocking stretch as long loses its P in any case */
#define LONG_SYSCALL_NS		10000000LL

static struct note sysmonnote;
static bool sysmonwait;		/* sched.lock: it sleeps without a limit */

/* Asks the M that runs on @pp to yield. */
static void preemptone(struct p *pp)
{
	struct m *mp = load_acquire(&pp->m);

	if (mp)
		xadd(&mp->statusline.preempt, 1);
}

/*
 * Takes @pp from a goroutine in a blocking stretch that has lasted a period, if somebody could use
 * it, or if it has lasted 10 ms (R62).
 */
static bool retakesyscall(struct p *pp, int64_t now)
{
	uint32_t tick = load_relaxed(&pp->syscalltick);

	if (pp->sysmon_syscalltick != tick) {
		pp->sysmon_syscalltick = tick;
		pp->sysmon_syscallwhen = now;
		return false;
	}
	if (runqempty(pp) && nmspinning() + npidle() > 0 &&
	    pp->sysmon_syscallwhen + LONG_SYSCALL_NS > now)
		return false;
	if (!cas(&pp->status, Psyscall, Pidle))
		return false;
	store_relaxed(&pp->syscalltick, tick + 1);
	handoffp(pp);
	return true;
}

/* C7, R61. A slice begins with the first look, at the latest: no tick has been seen before. */
static void preemptlong(struct p *pp, int64_t now)
{
	uint32_t tick = load_relaxed(&pp->hint->schedtick);

	if (pp->sysmon_schedtick != tick || !pp->sysmon_schedwhen) {
		pp->sysmon_schedtick = tick;
		pp->sysmon_schedwhen = now;
	} else if (pp->sysmon_schedwhen + sched.slice <= now) {
		pp->sysmon_schedwhen = now;
		preemptone(pp);
	}
}

static uint32_t retake(int64_t now)
{
	enum pstatus s;
	uint32_t n = 0;
	struct p *pp;
	int32_t i;

	for (i = 0; i < load_acquire(&sched.gomaxprocs); i++) {
		pp = sched.allp[i];
		s = load_acquire(&pp->status);
		if (s == Prunning || s == Psyscall)
			preemptlong(pp, now);
		if (s == Psyscall)
			n += retakesyscall(pp, now);
	}
	return n;
}

void sysmonwake(void)
{
	if (sysmonwait) {
		sysmonwait = false;
		notewakeup(&sysmonnote);
	}
}

void sysmonstop(void)
{
	notewakeup(&sysmonnote);
}

/* Nothing to look at: every P is idle, or the world is stopped. */
static bool quiet(void)
{
	return load_relaxed(&sched.status->stw) ||
	       npidle() == (uint32_t)load_relaxed(&sched.gomaxprocs);
}

/*
 * Sleeps while all is quiet, without a limit: timers are the poller's. False: it is not. Whoever
 * takes an idle P, or starts the world, wakes it.
 */
static bool deepsleep(void)
{
	lock(&sched.lock);
	sysmonwait = quiet();
	if (!sysmonwait) {
		unlock(&sched.lock);
		return false;
	}
	unlock(&sched.lock);
	notesleep(&sysmonnote);
	return true;
}

void sysmon(void)
{
	int64_t delay = SYSMON_MIN_NS, now, looked = nanotime();
	uint32_t idle = 0;

	while (!load_seqcst(&sched.exiting)) {
		if (quiet() && deepsleep()) {
			idle = 0;
		} else {
			if (!idle)
				delay = SYSMON_MIN_NS;
			else if (idle > SYSMON_IDLE_CYCLES && delay < SYSMON_MAX_NS)
				delay *= 2;
			if (delay > SYSMON_MAX_NS)
				delay = SYSMON_MAX_NS;
			notetsleep(&sysmonnote, nanotime() + delay);
		}
		/*
		 * A wake-up between here and the loop's condition says nothing that is not read
		 * there.
		 */
		noteclear(&sysmonnote);
		now = nanotime();
		if (procsfollow() && now - looked >= PROCSUPDATE_NS) {
			looked = now;
			updateprocs();
		}
		if (retake(now))
			idle = 0;
		else
			idle++;
	}
}
