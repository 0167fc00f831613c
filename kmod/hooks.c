// SPDX-License-Identifier: GPL-2.0
/*
 * hooks.c - an M falls asleep, and runs again
 *
 * sched_out runs with the run-queue lock held and interrupts off, sched_in with preemption off and
 * inside whatever locks the thread holds. Neither takes a lock, wakes anybody, prints, starts a
 * timer or touches user memory: sched_out changes one word and leaves the rest to the slot's
 * irq_work, sched_in takes that word back or arms the border.
 */

#include <linux/sched/signal.h>

#include "gsched.h"
#include "trace.h"

/*
 * The slot's timer is to look at it at @when, if it would not look earlier. A sched_out that reads
 * such a p->due leaves the slot to the timer and queues nothing.
 */
static void hooks_look_at(struct gsched_p *p, u64 when)
{
	lockdep_assert_held(&p->domain->lock);
	if (p->due <= when)
		return;
	WRITE_ONCE(p->due, when);
	hrtimer_start(&p->later, ns_to_ktime(when), HRTIMER_MODE_ABS_PINNED_HARD);
}

/*
 * What is to be done about a slot: its M sleeps long enough and the P is handed on; or it may still
 * come back in time, and the slot is looked at again; or nothing.
 *
 * An M that was awake when the timer came, but has slept shortly before, will sleep again: the
 * timer goes on, so that none of those sleeps queues an irq_work. It stops with the sleeps, or when
 * nobody has use for the P any more: there is at most one expiry for each sleep.
 */
static struct gsched_m *hooks_judge(struct gsched_p *p, bool timer)
{
	u64 word = READ_ONCE(p->word), now, since, delay;
	u32 state = GSCHED_P_WORD_STATE(word);
	struct gsched_m *m;

	if ((state != GSCHED_P_BLOCKED && (state != GSCHED_P_RUNNING || !timer)) ||
	    !slot_has_use(p, false))
		return NULL;
	m = p->domain->ms[GSCHED_P_WORD_M(word)];
	delay = policy_delay(p, m);
	if (task_is_stopped_or_traced(m->task) && !slot_has_use(p, true))
		delay = GSCHED_ASKED_NS;
	since = READ_ONCE(m->status->blocked_ns);
	now = ktime_get_mono_fast_ns();
	if (state == GSCHED_P_BLOCKED && now >= since + delay)
		return slot_hand_blocked(p);
	if (timer)
		delay += policy_slack(p, delay);
	if (state == GSCHED_P_BLOCKED)
		hooks_look_at(p, since + delay);
	else if (now < since + delay)
		hooks_look_at(p, now + delay);
	return NULL;
}

/*
 * Looks at a slot whose M fell asleep. It goes by what it reads now, not by what queued it, so
 * queueings that collapse into one lose nothing.
 */
static void hooks_look(struct gsched_p *p, bool timer)
{
	struct gsched_domain *d = p->domain;
	struct gsched_m *w = NULL;
	unsigned long flags;

	rcu_read_lock();
	flags = slot_lock(d);
	if (timer) {
		WRITE_ONCE(p->due, GSCHED_FOREVER);
		d->stats.looks_late++;
	} else {
		d->stats.looks++;
	}
	/* before the word is read: who BLOCKs the slot after that does not count on this timer */
	smp_mb();
	if (!d->closed)
		w = hooks_judge(p, timer);
	d->stats.handoffs_late += timer && w;
	slot_unlock(d, flags);
	if (w) {
		/* this CPU has just become free, and what the P works on is in its caches */
		if (READ_ONCE(p->cpu) == GSCHED_CPU_ANY)
			compat_wake_cpu(w->task, smp_processor_id());
		wake_up_process(w->task);
	}
	rcu_read_unlock();
}

static void hooks_handoff(struct irq_work *work)
{
	hooks_look(container_of(work, struct gsched_p, handoff), false);
}

static enum hrtimer_restart hooks_later(struct hrtimer *timer)
{
	hooks_look(container_of(timer, struct gsched_p, later), true);
	return HRTIMER_NORESTART;
}

/**
 * hooks_init_p() - prepare the deferred handoff of a slot
 * @p: slot
 */
void hooks_init_p(struct gsched_p *p)
{
	p->due = GSCHED_FOREVER;
	p->handoff = IRQ_WORK_INIT_HARD(hooks_handoff);
	compat_hrtimer_setup(&p->later, hooks_later, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED_HARD);
}

/**
 * hooks_retune() - a slot's policy was changed
 * @p: slot
 *
 * A BLOCKED one is looked at anew. The barrier pairs with the cmpxchg in slot_block(): either the
 * slot is seen BLOCKED here, or its M sees the new policy there.
 */
void hooks_retune(struct gsched_p *p)
{
	lockdep_assert_held(&p->domain->lock);
	/* the policy before the word: see above */
	smp_mb();
	if (GSCHED_P_WORD_STATE(READ_ONCE(p->word)) == GSCHED_P_BLOCKED)
		irq_work_queue(&p->handoff);
}

/**
 * hooks_sync_p() - wait until nothing of a slot's deferred handoff is under way
 * @p: slot, with no M left that could queue it
 */
void hooks_sync_p(struct gsched_p *p)
{
	irq_work_sync(&p->handoff);
	hrtimer_cancel(&p->later);
}

/* Nobody wants an IPI of its own for each short sleep: a timer that comes in time will do. */
static void hooks_ask_to_look(struct gsched_p *p, struct gsched_m *m, u64 now)
{
	u64 delay = policy_delay(p, m);

	if (READ_ONCE(p->due) > now + delay + policy_slack(p, delay))
		irq_work_queue(&p->handoff);
}

/* It ran without a P, and leaves the CPU: until it is back on one there is no excess. */
static void hooks_pause_excess(struct gsched_m *m)
{
	m->excess_sum_ns += ktime_get_mono_fast_ns() - m->excess_ns;
	m->excess_ns = 0;
}

static void hooks_sched_out(struct preempt_notifier *pn, struct task_struct *next)
{
	struct gsched_m *m = container_of(pn, struct gsched_m, notifier);
	struct gsched_domain *d = m->domain;
	unsigned int state = READ_ONCE(current->__state);
	struct gsched_p *p = m->p;
	u64 now;

	if (unlikely(state & TASK_DEAD)) {
		if (llist_add(&m->reap, &d->reap))
			irq_work_queue(&d->reaper);
		return;
	}
	if (!p) {
		if (unlikely(m->excess_ns))
			hooks_pause_excess(m);
		return;
	}
	if (m->in_wait || compat_task_is_runnable(current) || state & TASK_RTLOCK_WAIT ||
	    READ_ONCE(d->closed))
		return;
	now = ktime_get_mono_fast_ns();
	WRITE_ONCE(m->status->blocked_ns, now);
	if (READ_ONCE(m->hint->nopreempt)) {
		stats_inc(d, blocks_nopreempt);
		WRITE_ONCE(m->hoard_ns, now);
		return;
	}
	stats_inc(d, blocks);
	trace_gsched_block(m, p, state);
	if (slot_block(p, m))
		hooks_ask_to_look(p, m, now);
}

/*
 * The border of an M whose domain is closed, or that runs another program now, is where it is
 * detached. One whose PARK restarts runs no user code until it is PARKED again.
 */
static void hooks_sched_in(struct preempt_notifier *pn, int cpu)
{
	struct gsched_m *m = container_of(pn, struct gsched_m, notifier);
	struct gsched_domain *d = m->domain;
	struct gsched_p *p = m->p;
	u64 word, now;

	if (m->in_wait)
		return;
	if (unlikely(READ_ONCE(d->closed) || current->mm != d->mm)) {
		border_arm(m);
		return;
	}
	if (!p) {
		if (!test_bit(M_LOST, &m->flags))
			return;
		if (!m->excess_ns)
			m->excess_ns = ktime_get_mono_fast_ns();
		if (!test_bit(M_RESTART, &m->flags))
			border_arm(m);
		return;
	}
	/* asked from elsewhere, by whoever could not arm it from there */
	if (unlikely(test_bit(M_RETAKE, &m->flags)))
		border_arm(m);
	if (unlikely(m->hoard_ns)) {
		WRITE_ONCE(m->hoard_ns, 0);
		return;
	}
	word = READ_ONCE(p->word);
	if (word == GSCHED_P_WORD(GSCHED_P_RUNNING, m->id))
		return;
	now = ktime_get_mono_fast_ns();
	policy_learn(p, m, now);
	if (slot_return(p, m)) {
		stats_inc(d, takebacks);
		trace_gsched_return(m, p);
		return;
	}
	m->p = NULL;
	m->lost_ns = now;
	machine_lost_p(m, now);
	stats_inc(d, lost);
	trace_gsched_lost(m, p);
	border_arm(m);
}

struct preempt_ops gsched_preempt_ops = {
	.sched_in = hooks_sched_in,
	.sched_out = hooks_sched_out,
};

/**
 * hooks_attach() - watch the current thread
 * @m: its new M
 */
void hooks_attach(struct gsched_m *m)
{
	preempt_notifier_init(&m->notifier, &gsched_preempt_ops);
	preempt_disable();
	preempt_notifier_register(&m->notifier);
	preempt_enable();
}
