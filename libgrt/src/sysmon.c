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
/* C7, R61 */
#define FORCE_PREEMPT_NS	10000000LL

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
	    pp->sysmon_syscallwhen + FORCE_PREEMPT_NS > now)
		return false;
	if (!cas(&pp->status, Psyscall, Pidle))
		return false;
	store_relaxed(&pp->syscalltick, tick + 1);
	handoffp(pp);
	return true;
}

static void preemptlong(struct p *pp, int64_t now)
{
	uint32_t tick = load_relaxed(&pp->hint->schedtick);

	if (pp->sysmon_schedtick != tick) {
		pp->sysmon_schedtick = tick;
		pp->sysmon_schedwhen = now;
	} else if (pp->sysmon_schedwhen + FORCE_PREEMPT_NS <= now) {
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

	for (i = 0; i < sched.gomaxprocs; i++) {
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

/* Sleeps while every P is idle. False: one is not. */
static bool deepsleep(void)
{
	lock(&sched.lock);
	sysmonwait = npidle() == (uint32_t)sched.gomaxprocs;
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
	int64_t delay = SYSMON_MIN_NS;
	uint32_t idle = 0;

	while (!load_seqcst(&sched.exiting)) {
		if (npidle() == (uint32_t)sched.gomaxprocs && deepsleep()) {
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
		if (retake(nanotime()))
			idle = 0;
		else
			idle++;
	}
}
