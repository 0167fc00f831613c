// SPDX-License-Identifier: GPL-2.0
/*
 * policy.c - how long a sleeping M keeps a P that somebody has use for
 *
 * To hand a P on costs an interrupt, a wake-up, and the sleeper's wait at the border. For a sleep
 * of milliseconds that is cheap, for one of microseconds it is dearer than the P standing idle.
 * Nobody can tell how long a sleep will be; but an M that slept long the last times will do so
 * again. So by default an M whose sleeps are long gives its P up at once, and one whose sleeps are
 * short is given a delay to come back in. The others leave the choice to the user (TUNE).
 *
 * Whatever the policy, whoever asks for a P takes a BLOCKED one (protocol 2): only the sleeper's
 * own handoff is delayed here.
 */

#include "gsched.h"

/*
 * The average moves by a quarter of the difference, and a sleep counts for eight delays at most:
 * one long sleep is enough to expect another, and after any number of them eight short ones are
 * enough to expect a short one.
 */
#define POLICY_SHIFT	2
#define POLICY_CAP	8

/**
 * policy_delay() - how long an M that fell asleep keeps its P
 * @p: slot, BLOCKED(@m) or RUNNING(@m)
 * @m: M
 *
 * A stop of the world waits for no policy.
 *
 * The policy may be changed at the same time: then the answer is of the one or the other, and TUNE
 * has the slot looked at anew.
 *
 * Context: any; in sched_out it is a few loads.
 * Return: nanoseconds from when it fell asleep, 0: none.
 */
u64 policy_delay(const struct gsched_p *p, const struct gsched_m *m)
{
	u64 delay = READ_ONCE(p->policy_ns);

	if (READ_ONCE(p->domain->status->stw))
		return 0;
	switch (READ_ONCE(p->policy)) {
	case GSCHED_POLICY_NOW:
		return 0;
	case GSCHED_POLICY_AFTER:
		return delay;
	case GSCHED_POLICY_ASKED:
		return GSCHED_ASKED_NS;
	default:
		return READ_ONCE(m->sleep_ns) > (s64)delay ? 0 : delay;
	}
}

/**
 * policy_slack() - how much later than its delay a slot may be looked at
 * @p: slot
 * @delay: what policy_delay() said
 *
 * An M that is expected to be back at once is not worth an interrupt every delay: one in eight, if
 * a timer is on its way already. Should it sleep long after all, that is late once, and learned.
 *
 * Return: nanoseconds.
 */
u64 policy_slack(const struct gsched_p *p, u64 delay)
{
	if (!delay || READ_ONCE(p->policy) != GSCHED_POLICY_ADAPTIVE)
		return 0;
	return min(delay * (POLICY_CAP - 1), GSCHED_ASKED_NS - min(delay, GSCHED_ASKED_NS));
}

/**
 * policy_learn() - an M that fell asleep with a P runs again
 * @p: the slot it had
 * @m: the current thread's M
 * @now: the time, after m->status->blocked_ns
 *
 * Context: sched_in.
 */
void policy_learn(const struct gsched_p *p, struct gsched_m *m, u64 now)
{
	s64 slept = now - READ_ONCE(m->status->blocked_ns);
	s64 cap = READ_ONCE(p->policy_ns) * POLICY_CAP;
	s64 more = clamp(slept, 0LL, cap) - m->sleep_ns;

	WRITE_ONCE(m->sleep_ns, m->sleep_ns + (more >> POLICY_SHIFT));
}
