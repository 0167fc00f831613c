// SPDX-License-Identifier: GPL-2.0
/*
 * monitor.c - stop the world
 *
 * A stop takes the Ps that nobody needs at once and asks the Ms that run for theirs: first by their
 * preempt counter, which the library reads wherever it can yield, and after a grace at the border
 * (protocol 6). The stopper sleeps in its call until it is woken with the last P, and it is the
 * stopper, too, that insists when the grace is over: a stop needs no timer of its own.
 */

#include <linux/ktime.h>

#include "gsched.h"

/* Without slices: how often to insist */
#define MONITOR_INSIST_NS	(10 * NSEC_PER_MSEC)

/* The M whose P a stop of the world still misses, or NULL. */
static struct gsched_m *monitor_holder(struct gsched_p *p)
{
	u64 word = READ_ONCE(p->word);
	u32 state = GSCHED_P_WORD_STATE(word);

	lockdep_assert_held(&p->domain->lock);
	if (p == p->domain->exempt || (state != GSCHED_P_RUNNING && state != GSCHED_P_BLOCKED))
		return NULL;
	return p->domain->ms[GSCHED_P_WORD_M(word)];
}

/* The first of those Ms, from P @id on, and its P; NULL if there is none. */
static struct gsched_m *monitor_next(struct gsched_domain *d, u32 *id)
{
	struct gsched_m *m;

	for (; *id < d->nr_p; (*id)++) {
		m = monitor_holder(&d->ps[*id]);
		if (m)
			return m;
	}
	return NULL;
}

/* Asks each to yield, where it sees fit. */
static void monitor_ask(struct gsched_domain *d)
{
	struct gsched_m *m;
	u32 id;

	for (id = 0; (m = monitor_next(d, &id)) != NULL; id++)
		machine_ask(m);
}

/* Sends each to its border. The lock is dropped for that, so the stop may have ended after it. */
static void monitor_insist(struct gsched_m *stopper, unsigned long *flags)
{
	struct gsched_domain *d = stopper->domain;
	struct gsched_m *m;
	u32 id;

	for (id = 0; !d->closed && (m = monitor_next(d, &id)) != NULL; id++) {
		rcu_read_lock();
		slot_unlock(d, *flags);
		border_retake(m);
		rcu_read_unlock();
		*flags = slot_lock(d);
	}
}

/*
 * Sleeps until the stop is complete. Whoever has not stopped when the grace is over goes to the
 * border, and if it may keep its P there, by nopreempt, once more after each slice.
 */
static int monitor_wait(struct gsched_m *m, u64 deadline_ns, unsigned long *flags)
{
	struct gsched_domain *d = m->domain;
	int ret = 0;
	u64 now;

	while (!slot_world_stopped(m)) {
		m->in_wait = true;
		slot_unlock(d, *flags);
		ret = machine_sleep(m, min(deadline_ns, d->stop_insist));
		*flags = slot_lock(d);
		m->in_wait = false;
		if (d->closed)
			return -ECANCELED;
		if (slot_world_stopped(m))
			break;
		if (ret == -EINTR)
			return -ERESTARTNOHAND;
		now = ktime_get_ns();
		if (now >= d->stop_insist) {
			d->stop_insist = now + (d->slice_ns ?: MONITOR_INSIST_NS);
			monitor_insist(m, flags);
		}
		if (now >= deadline_ns && !slot_world_stopped(m))
			return -ETIMEDOUT;
	}
	return 0;
}

/**
 * monitor_stop() - GSCHED_IOC_STOP
 * @m: the current thread's M
 * @arg: in and out
 *
 * A stop is in force from here until START, whatever is returned, but for EBUSY, EPERM and EAGAIN.
 * The stopper's next STOP goes on waiting for it.
 *
 * Return: 0, -ETIMEDOUT with @arg saying who has not stopped, -ERESTARTNOHAND, -EBUSY (another M's
 * stop), -EPERM (it is FREE), -EAGAIN (it lost its P on the way here), -ECANCELED.
 */
int monitor_stop(struct gsched_m *m, struct gsched_stop *arg)
{
	struct gsched_domain *d = m->domain;
	unsigned long flags = slot_lock(d);
	struct gsched_m *late;
	int ret = 0;
	u32 id = 0;

	if (d->closed)
		ret = -ECANCELED;
	else if (d->stopper && d->stopper != m)
		ret = -EBUSY;
	else if (!m->p)
		ret = m->state == GSCHED_M_FREE ? -EPERM : -EAGAIN;
	if (ret) {
		slot_unlock(d, flags);
		return ret;
	}
	if (!d->stopper) {
		d->stats.stops++;
		d->stop_insist = ktime_get_ns() + domain_grace(d);
		slot_stop(m);
	}
	monitor_ask(d);
	ret = monitor_wait(m, machine_deadline(arg->deadline_ns), &flags);
	late = d->closed ? NULL : monitor_next(d, &id);
	arg->m = late ? late->id : 0;
	arg->nr = d->nr_p - 1 - d->nstopped;
	slot_unlock(d, flags);
	return ret;
}

/**
 * monitor_start() - GSCHED_IOC_START
 * @m: the current thread's M
 *
 * Return: 0, -EPERM (no stop of @m's is in force), -ECANCELED.
 */
int monitor_start(struct gsched_m *m)
{
	struct gsched_domain *d = m->domain;
	unsigned long flags = slot_lock(d);
	int ret = 0;

	if (d->closed)
		ret = -ECANCELED;
	else if (d->stopper != m)
		ret = -EPERM;
	else
		slot_start(d);
	slot_unlock(d, flags);
	if (!ret)
		machine_restart(d);
	return ret;
}

/**
 * monitor_resize() - GSCHED_IOC_RESIZE
 * @m: the current thread's M
 * @nr_p: number of Ps
 *
 * A stopper whose P is cut off holds the first one when this returns.
 *
 * Return: 0, -EINVAL, -EBUSY (the world is not stopped by @m), -ECANCELED.
 */
int monitor_resize(struct gsched_m *m, u32 nr_p)
{
	struct gsched_domain *d = m->domain;
	unsigned long flags;
	int ret = 0;

	if (!nr_p || nr_p > d->max_p)
		return -EINVAL;
	flags = slot_lock(d);
	if (d->closed) {
		ret = -ECANCELED;
	} else if (!slot_world_stopped(m)) {
		ret = -EBUSY;
	} else {
		d->stats.resizes++;
		slot_resize(m, nr_p);
		machine_publish(m);
	}
	slot_unlock(d, flags);
	return ret;
}
