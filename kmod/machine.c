// SPDX-License-Identifier: GPL-2.0
/*
 * machine.c - the Ms: threads that run user code while they hold a P
 *
 * An M is made, parks, waits and ends only in its own context; others unpark it, hand it a P, or,
 * once its thread is dead, bury it. All waits of ours go through machine_sleep() and end in
 * machine_leave_wait(), the one way out: a P that was granted meanwhile is taken up, whatever else
 * happened, so that no grant is ever lost or withdrawn.
 */

#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/time_namespace.h>

#include "gsched.h"
#include "trace.h"

#define MACHINE_BATCH	64	/* Ms that PREEMPT asks in one go, with interrupts off */

/* ---- Lifetime ---- */

static void machine_release_ref(struct kref *ref)
{
	struct gsched_m *m = container_of(ref, struct gsched_m, ref);

	queue_rcu_work(gsched_wq, &m->free);
}

/**
 * machine_put() - drop a reference to an M
 * @m: M
 *
 * The last one frees it, from a workqueue and after RCU: whoever chose it for a wake-up is in a
 * read section, and its last sched_out still walks the notifier.
 *
 * Context: any.
 */
void machine_put(struct gsched_m *m)
{
	kref_put(&m->ref, machine_release_ref);
}

/**
 * machine_new() - make an M of the current thread
 * @d: domain, set up
 * @made: it was announced by MAKE
 *
 * The M is FREE and in the table; the caller gives it the references it holds and attaches the
 * hooks. It is the current thread, so it does nothing else in between.
 *
 * Return: the M, or ERR_PTR: EUSERS, ENOMEM, ECANCELED.
 */
struct gsched_m *machine_new(struct gsched_domain *d, bool made)
{
	struct gsched_m *m = kzalloc(sizeof(*m), GFP_KERNEL_ACCOUNT);
	unsigned long flags;
	int err = 0;

	if (!m)
		return ERR_PTR(-ENOMEM);
	m->domain = d;
	m->state = GSCHED_M_FREE;
	INIT_LIST_HEAD(&m->link);
	kref_init(&m->ref);
	init_waitqueue_head(&m->wq);
	init_waitqueue_entry(&m->wqe, current);
	add_wait_queue(&m->wq, &m->wqe);
	m->task = get_task_struct(current);

	flags = slot_lock(d);
	m->id = find_first_zero_bit(d->ids, d->max_m);
	if (d->closed)
		err = -ECANCELED;
	else if (m->id == d->max_m)
		err = -EUSERS;
	if (!err) {
		m->status = (void *)d->status + d->m_status_offset + m->id * sizeof(*m->status);
		m->hint = (void *)d->hint + d->m_hint_offset + m->id * sizeof(*m->hint);
		memset(m->status, 0, sizeof(*m->status));
		if (made && d->making) {
			m->made = true;
			d->making--;
			d->nmade++;
		}
		__set_bit(m->id, d->ids);
		d->ms[m->id] = m;
		WRITE_ONCE(d->status->nr_m, d->status->nr_m + 1);
	}
	slot_unlock(d, flags);
	if (err) {
		put_task_struct(m->task);
		kfree(m);
		return ERR_PTR(err);
	}
	return m;
}

/* It ran without a P until now, or until it left the CPU last; it stops here. */
static void machine_end_excess(struct gsched_m *m)
{
	u64 ns = m->excess_sum_ns;

	if (m->excess_ns)
		ns += ktime_get_mono_fast_ns() - m->excess_ns;
	if (ns)
		stats_took(m->domain, GSCHED_HIST_EXCESS, ns);
	m->excess_ns = 0;
	m->excess_sum_ns = 0;
}

/*
 * An M that a signal let out of PARK counts as PARKED in wanted, for it comes back there. Not so
 * from here on: it is PARKED again, or waits for a P to run a handler and what comes after it.
 */
static void machine_settle(struct gsched_m *m)
{
	lockdep_assert_held(&m->domain->lock);
	if (m->lent)
		m->domain->nlent--;
	m->lent = false;
	machine_end_excess(m);
}

/*
 * The M is no more: its P goes on, its id may be used again. By the M itself or by the reaper. What
 * it holds is found through m->p, which only m writes, and m is quiet. When a stopper goes the
 * world starts: the caller hands its Ps on, for which the lock is dropped now and then.
 */
static struct gsched_m *machine_retire(struct gsched_m *m)
{
	struct gsched_domain *d = m->domain;
	struct gsched_p *p = m->grant ?: m->p;

	lockdep_assert_held(&d->lock);
	if (d->stopper == m)
		slot_start(d);
	slot_unlist(m, GSCHED_M_DEAD);
	m->grant = NULL;
	m->p = NULL;
	if (m->made)
		d->nmade--;
	machine_settle(m);
	WRITE_ONCE(m->status->word, 0);
	d->ms[m->id] = NULL;
	__clear_bit(m->id, d->ids);
	WRITE_ONCE(d->status->nr_m, d->status->nr_m - 1);
	return p && !d->closed && slot_is_of(p, m) ? slot_hand(p) : NULL;
}

/**
 * machine_unlock_and_wake() - drop the lock and wake an M that was chosen under it
 * @d: domain
 * @flags: what slot_lock() returned
 * @w: the M, or NULL
 *
 * The read section begins under the lock, so @w cannot be freed before it is woken.
 */
void machine_unlock_and_wake(struct gsched_domain *d, unsigned long flags, struct gsched_m *w)
{
	rcu_read_lock();
	slot_unlock(d, flags);
	if (w)
		wake_up_process(w->task);
	rcu_read_unlock();
}

/**
 * machine_restart() - hand on the Ps that a stop of the world had taken
 * @d: domain, after slot_start()
 *
 * Context: any where the domain's lock may be taken.
 */
void machine_restart(struct gsched_domain *d)
{
	unsigned long flags = slot_lock(d);
	struct gsched_m *w;
	u32 id;

	for (id = 0; !d->closed && id < d->nr_p; id++) {
		w = slot_restart(&d->ps[id]);
		if (!w)
			continue;
		machine_unlock_and_wake(d, flags, w);
		flags = slot_lock(d);
	}
	slot_unlock(d, flags);
}

static void machine_bury(struct gsched_m *m, bool died)
{
	struct gsched_domain *d = m->domain;
	unsigned long flags = slot_lock(d);
	bool starts = d->stopper == m;

	d->stats.deaths += died;
	machine_unlock_and_wake(d, flags, machine_retire(m));
	if (starts)
		machine_restart(d);
}

/**
 * machine_detach() - the current thread is an M no longer
 * @m: the current thread's M, not in a wait
 *
 * Hands its P on. Context: process, may be the border. @m is gone after this unless the caller
 * holds a reference.
 */
void machine_detach(struct gsched_m *m)
{
	machine_bury(m, current->flags & PF_EXITING);
	preempt_disable();
	preempt_notifier_unregister(&m->notifier);
	preempt_enable();
	machine_put(m);
}

/**
 * machine_reap() - bury an M whose thread has ended
 * @m: M, after its last sched_out
 *
 * Context: hard irq_work.
 */
void machine_reap(struct gsched_m *m)
{
	machine_bury(m, true);
	machine_put(m);
}

/* ---- Waits ---- */

/**
 * machine_deadline() - a deadline in the host's time
 * @ns: in the caller's time namespace, or GSCHED_FOREVER (protocol 6)
 *
 * Return: CLOCK_MONOTONIC of the host, or GSCHED_FOREVER.
 */
u64 machine_deadline(u64 ns)
{
	u64 host = min_t(u64, ns, KTIME_MAX);

	if (ns == GSCHED_FOREVER)
		return ns;
#ifdef CONFIG_TIME_NS
	{
		s64 offset = timespec64_to_ns(&current->nsproxy->time_ns->offsets.monotonic);

		if (offset > 0)
			host -= min_t(u64, host, offset);
		else
			host = min_t(u64, host - offset, KTIME_MAX);
	}
#endif
	return host;
}

/**
 * machine_sleep() - sleep in PARK, SWITCH, ACQUIRE, STOP or the border
 * @m: the current thread's M, with in_wait set
 * @deadline_ns: CLOCK_MONOTONIC of the host, or GSCHED_FOREVER
 *
 * Return: 0 when a P was granted, the world has stopped for it, or the domain closed; -EINTR,
 * -ETIMEDOUT.
 */
int machine_sleep(struct gsched_m *m, u64 deadline_ns)
{
	ktime_t deadline = deadline_ns;
	ktime_t *expires = deadline_ns == GSCHED_FOREVER ? NULL : &deadline;
	int ret;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		ret = 0;
		if (READ_ONCE(m->grant) || READ_ONCE(m->domain->closed) || slot_world_stopped(m))
			break;
		ret = -EINTR;
		if (signal_pending(current))
			break;
		ret = -ETIMEDOUT;
		if (!schedule_hrtimeout_range(expires, current->timer_slack_ns, HRTIMER_MODE_ABS))
			break;
	}
	__set_current_state(TASK_RUNNING);
	return ret;
}

/**
 * machine_publish() - write the line that the library's entry protocol reads
 * @m: the current thread's M, always before it reaches user mode
 */
void machine_publish(struct gsched_m *m)
{
	u64 word = m->p ? m->p->id + 1 : 0;

	if (test_bit(M_LOST, &m->flags))
		word |= GSCHED_M_LOST_P;
	WRITE_ONCE(m->status->word, word);
}

/**
 * machine_lost_p() - the current M goes on without the P it had, as far as its border
 * @m: the current thread's M, with m->p already NULL
 * @now: when it noticed, CLOCK_MONOTONIC of the host
 *
 * Context: any of its own, sched_in too.
 */
void machine_lost_p(struct gsched_m *m, u64 now)
{
	m->excess_ns = now;
	set_bit(M_LOST, &m->flags);
	WRITE_ONCE(m->status->word, GSCHED_M_LOST_P);
	WRITE_ONCE(m->status->lost_ns, now);
}

/* Granted a P and running again, it is about to take it up. */
static void machine_count_grant(struct gsched_m *m)
{
	u64 granted = m->status->granted_ns;

	stats_took(m->domain, GSCHED_HIST_START, ktime_get_mono_fast_ns() - granted);
	if (m->lost_ns)
		stats_took(m->domain, GSCHED_HIST_UNBLOCK, granted - m->lost_ns);
}

/**
 * machine_leave_wait() - the one way out of a wait
 * @m: the current thread's M, with in_wait set
 * @state: what it is if it has no P: GSCHED_M_FREE, or GSCHED_M_ON for one that is LOST
 *
 * Return: true if it has a P now.
 */
bool machine_leave_wait(struct gsched_m *m, enum gsched_m_state state)
{
	lockdep_assert_held(&m->domain->lock);
	if (m->grant) {
		machine_count_grant(m);
		m->p = m->grant;
		m->grant = NULL;
		m->lost_ns = 0;
		clear_bit(M_LOST, &m->flags);
	} else {
		slot_unlist(m, state);
		if (state == GSCHED_M_FREE) {
			m->seq = 0;
			m->lost_ns = 0;
			clear_bit(M_LOST, &m->flags);
		} else {
			m->excess_ns = ktime_get_mono_fast_ns();
			set_bit(M_LOST, &m->flags);
		}
	}
	m->in_wait = false;
	machine_publish(m);
	return m->p;
}

/*
 * Gives every WAITING M a P while one is to be had. The lock is dropped to wake each but @m, which
 * is the caller and awake.
 */
static void machine_serve(struct gsched_domain *d, struct gsched_m *m, unsigned long *flags)
{
	struct gsched_m *w;

	while ((w = slot_serve(d)) != NULL) {
		if (w == m)
			continue;
		machine_unlock_and_wake(d, *flags, w);
		*flags = slot_lock(d);
	}
}

/**
 * machine_join() - the current M has no P and waits for one in turn
 * @m: the current thread's M
 * @flags: of the lock, which is dropped and taken again where somebody is woken
 *
 * After it the M is WAITING, or was granted a P already.
 */
void machine_join(struct gsched_m *m, unsigned long *flags)
{
	machine_settle(m);
	m->in_wait = true;
	slot_wait(m);
	machine_serve(m->domain, m, flags);
}

/* ---- Calls ---- */

/*
 * Sleeps in PARK or SWITCH. A signal leaves the M LOST: a PARK restarts then, without a look at
 * user code unless a handler is delivered, which is what arms the border (M_RESTART). An UNPARK
 * that came already is not forgotten by leaving early.
 */
static int machine_sleep_parked(struct gsched_m *m, u64 deadline_ns, bool restart)
{
	struct gsched_domain *d = m->domain;
	int ret = machine_sleep(m, deadline_ns);
	unsigned long flags = slot_lock(d);
	bool unparked = m->state == GSCHED_M_WAITING;
	bool pool = m->state == GSCHED_M_PARKED && !m->private;

	if (machine_leave_wait(m, ret == -EINTR ? GSCHED_M_ON : GSCHED_M_FREE)) {
		ret = 0;
	} else if (d->closed) {
		clear_bit(M_LOST, &m->flags);
		ret = -ECANCELED;
	} else {
		m->permit |= unparked;
		if (ret == -EINTR && restart) {
			set_bit(M_RESTART, &m->flags);
			m->lent = pool;
			d->nlent += pool;
			ret = -ERESTARTNOHAND;
		}
	}
	slot_unlock(d, flags);
	return ret;
}

/**
 * machine_park() - GSCHED_IOC_PARK
 * @m: the current thread's M
 * @arg: checked arguments
 *
 * One section under the lock gives the P up, publishes and looks again (slot_park()). A permit is
 * taken first: with a P it is kept; without one the M is WAITING.
 *
 * Return: 0, -EAGAIN, -ETIMEDOUT, -ECANCELED, -ERESTARTNOHAND, -EDEADLK (a stopper: nobody else
 * could start the world).
 */
int machine_park(struct gsched_m *m, const struct gsched_park *arg)
{
	struct gsched_domain *d = m->domain;
	const u32 *word = arg->flags & GSCHED_PARK_COMPARE ? &d->hint->park[arg->word] : NULL;
	struct gsched_m *w = NULL;
	unsigned long flags;
	bool again = false;

	clear_bit(M_RESTART, &m->flags);
	flags = slot_lock(d);
	if (d->stopper == m) {
		slot_unlock(d, flags);
		return -EDEADLK;
	}
	if (m->made) {
		m->made = false;
		d->nmade--;
	}
	machine_settle(m);
	if (d->closed) {
		slot_unlock(d, flags);
		return -ECANCELED;
	}
	if (m->permit) {
		m->permit = false;
		if (m->p) {
			slot_unlock(d, flags);
			return 0;
		}
		machine_join(m, &flags);
	} else {
		m->private = arg->flags & GSCHED_PARK_PRIVATE;
		m->in_wait = true;
		w = slot_park(m, word, arg->expected, &again);
		if (again) {
			d->stats.park_again++;
			machine_leave_wait(m, GSCHED_M_ON);
		} else {
			d->stats.parks++;
			trace_gsched_park(m, m->private);
		}
	}
	machine_unlock_and_wake(d, flags, w);
	return again ? -EAGAIN : machine_sleep_parked(m, machine_deadline(arg->deadline_ns), true);
}

static struct gsched_m *machine_find(struct gsched_domain *d, u32 id)
{
	lockdep_assert_held(&d->lock);
	return id < d->max_m ? d->ms[id] : NULL;
}

/**
 * machine_unpark() - GSCHED_IOC_UNPARK
 * @d: domain
 * @id: the M to let go on
 *
 * A PARKED M sleeps on until it has a P; any other gets a permit.
 *
 * Return: 0, -ENOENT.
 */
int machine_unpark(struct gsched_domain *d, u32 id)
{
	unsigned long flags = slot_lock(d);
	struct gsched_m *m = machine_find(d, id);

	if (!m) {
		slot_unlock(d, flags);
		return -ENOENT;
	}
	d->stats.unparks++;
	trace_gsched_unpark(m, m->state != GSCHED_M_PARKED);
	if (m->state == GSCHED_M_PARKED) {
		slot_wait(m);
		machine_serve(d, NULL, &flags);
	} else {
		d->stats.permits++;
		m->permit = true;
	}
	slot_unlock(d, flags);
	return 0;
}

/**
 * machine_wake() - GSCHED_IOC_WAKE
 * @d: domain
 *
 * Return: 0, or -EAGAIN when a P is to be had and no M.
 */
int machine_wake(struct gsched_domain *d)
{
	unsigned long flags = slot_lock(d);
	bool done = false, nobody = false;
	struct gsched_m *w;

	d->stats.wakes++;
	for (;;) {
		w = slot_wake(d, &done, &nobody);
		if (done)
			break;
		machine_unlock_and_wake(d, flags, w);
		flags = slot_lock(d);
	}
	d->stats.wakes_again += nobody;
	machine_unlock_and_wake(d, flags, w);
	return nobody ? -EAGAIN : 0;
}

/**
 * machine_switch() - GSCHED_IOC_SWITCH
 * @m: the current thread's M
 * @id: the M to hand the P to, or GSCHED_M_OLDEST
 *
 * The one wake-up with the synchronous hint: the waker is about to sleep.
 *
 * Return: 0, -EAGAIN, -EINVAL, -ENOENT, -EINTR, -ECANCELED.
 */
int machine_switch(struct gsched_m *m, u32 id)
{
	struct gsched_domain *d = m->domain;
	unsigned long flags;
	struct gsched_m *x;
	int err = 0;

	if (id == m->id)
		return -EINVAL;
	flags = slot_lock(d);
	x = id == GSCHED_M_OLDEST ?
	    list_first_entry_or_null(&d->waiting, struct gsched_m, link) : machine_find(d, id);
	if (d->closed)
		err = -ECANCELED;
	else if (!x)
		err = id == GSCHED_M_OLDEST ? -EAGAIN : -ENOENT;
	else if (!m->p || !slot_switch(m, x))
		err = -EAGAIN;
	if (err) {
		slot_unlock(d, flags);
		return err;
	}
	d->stats.switches++;
	trace_gsched_park(m, false);
	m->in_wait = true;
	rcu_read_lock();
	if (m->permit) {
		m->permit = false;
		slot_wait(m);
		machine_serve(d, m, &flags);
	}
	slot_unlock(d, flags);
	__wake_up_sync_key(&x->wq, TASK_NORMAL, NULL);
	rcu_read_unlock();
	return machine_sleep_parked(m, GSCHED_FOREVER, false);
}

/**
 * machine_release() - GSCHED_IOC_RELEASE
 * @m: the current thread's M
 *
 * Return: 0, also without a P; -ECANCELED, -EDEADLK (a stopper).
 */
int machine_release(struct gsched_m *m)
{
	struct gsched_domain *d = m->domain;
	unsigned long flags = slot_lock(d);
	struct gsched_p *p = m->p;
	struct gsched_m *w = NULL;

	if (d->closed || d->stopper == m) {
		slot_unlock(d, flags);
		return d->closed ? -ECANCELED : -EDEADLK;
	}
	m->p = NULL;
	machine_end_excess(m);
	slot_unlist(m, GSCHED_M_FREE);
	m->seq = 0;
	m->lost_ns = 0;
	clear_bit(M_LOST, &m->flags);
	machine_publish(m);
	if (p)
		w = slot_hand(p);
	machine_unlock_and_wake(d, flags, w);
	return 0;
}

/**
 * machine_acquire() - GSCHED_IOC_ACQUIRE
 * @m: the current thread's M
 * @deadline_ns: when to give up; 0 only tries
 *
 * Return: 0 with a P, -ETIMEDOUT, -ERESTARTNOHAND (EINTR when a handler runs), -ECANCELED.
 */
int machine_acquire(struct gsched_m *m, u64 deadline_ns)
{
	struct gsched_domain *d = m->domain;
	unsigned long flags;
	int ret = -ETIMEDOUT;

	if (m->p)
		return 0;
	flags = slot_lock(d);
	if (d->closed) {
		slot_unlock(d, flags);
		return -ECANCELED;
	}
	m->seq = 0;
	machine_join(m, &flags);
	slot_unlock(d, flags);
	if (deadline_ns)
		ret = machine_sleep(m, machine_deadline(deadline_ns));
	flags = slot_lock(d);
	if (machine_leave_wait(m, GSCHED_M_FREE))
		ret = 0;
	else if (d->closed)
		ret = -ECANCELED;
	else if (ret == -EINTR)
		ret = -ERESTARTNOHAND;
	slot_unlock(d, flags);
	return ret;
}

/**
 * machine_ask() - ask an M to yield
 * @m: M
 */
void machine_ask(struct gsched_m *m)
{
	struct gsched_domain *d = m->domain;

	lockdep_assert_held(&d->lock);
	WRITE_ONCE(m->status->preempt, m->status->preempt + 1);
	d->stats.preempts++;
}

/* Those of the Ms from @id to before @end that there are. Return: was there any? */
static bool machine_ask_some(struct gsched_domain *d, u32 id, u32 end)
{
	unsigned long flags = slot_lock(d);
	bool any = false;

	for (; id < end; id++) {
		if (d->ms[id]) {
			machine_ask(d->ms[id]);
			any = true;
		}
	}
	slot_unlock(d, flags);
	return any;
}

/**
 * machine_preempt() - GSCHED_IOC_PREEMPT
 * @d: domain
 * @id: the M to ask to yield, or GSCHED_M_ALL
 *
 * No more than its counter moves: the border follows by the slices and by STOP, which know whether
 * anything waits. However many Ms there are, interrupts are off for a few of them at a time.
 *
 * Return: 0, -ENOENT.
 */
int machine_preempt(struct gsched_domain *d, u32 id)
{
	if (id == GSCHED_M_ALL) {
		for (id = 0; id < d->max_m; id += MACHINE_BATCH)
			machine_ask_some(d, id, min(id + MACHINE_BATCH, d->max_m));
		return 0;
	}
	return id < d->max_m && machine_ask_some(d, id, id + 1) ? 0 : -ENOENT;
}

/**
 * machine_make() - GSCHED_IOC_MAKE
 * @d: domain
 * @n: how many more Ms are being made; negative: how many will not come after all
 *
 * Return: 0, -EINVAL.
 */
int machine_make(struct gsched_domain *d, s32 n)
{
	unsigned long flags = slot_lock(d);
	s64 making = (s64)d->making + n;
	int err = making < 0 || making > d->max_m ? -EINVAL : 0;

	if (!err)
		d->making = making;
	slot_unlock(d, flags);
	return err;
}
