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

/* A stopped or traced thread's P: how long until more than WAITING Ms count (protocol 3.4) */
#define HOOKS_LATER_NS	(10 * NSEC_PER_MSEC)

/*
 * Looks at a slot whose M fell asleep: still BLOCKED, still of use to somebody? It goes by what it
 * reads now, not by what queued it, so queueings that collapse into one lose nothing.
 */
static void hooks_look(struct gsched_p *p, bool later)
{
	struct gsched_domain *d = p->domain;
	struct gsched_m *w = NULL, *m;
	unsigned long flags;
	bool stopped;
	u64 word;

	rcu_read_lock();
	flags = slot_lock(d);
	word = READ_ONCE(p->word);
	if (!d->closed && GSCHED_P_WORD_STATE(word) == GSCHED_P_BLOCKED) {
		m = d->ms[GSCHED_P_WORD_M(word)];
		stopped = !later && task_is_stopped_or_traced(m->task);
		if (slot_has_use(p, stopped))
			w = slot_hand_blocked(p);
		else if (stopped && slot_has_use(p, false))
			hrtimer_start(&p->later, HOOKS_LATER_NS, HRTIMER_MODE_REL_PINNED_HARD);
	}
	slot_unlock(d, flags);
	if (w) {
		/* this CPU has just become free, and what the P works on is in its caches */
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
	p->handoff = IRQ_WORK_INIT_HARD(hooks_handoff);
	compat_hrtimer_setup(&p->later, hooks_later, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
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
	if (m->in_wait || compat_task_is_runnable(current) || state & TASK_RTLOCK_WAIT ||
	    READ_ONCE(d->closed))
		return;
	now = ktime_get_mono_fast_ns();
	WRITE_ONCE(m->status->blocked_ns, now);
	if (!p)
		return;
	if (READ_ONCE(m->hint->nopreempt)) {
		WRITE_ONCE(m->stats.blocks_nopreempt, m->stats.blocks_nopreempt + 1);
		WRITE_ONCE(m->hoard_ns, now);
		return;
	}
	WRITE_ONCE(m->stats.blocks, m->stats.blocks + 1);
	if (slot_block(p, m))
		irq_work_queue(&p->handoff);
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
	u64 word;

	if (m->in_wait)
		return;
	if (unlikely(READ_ONCE(d->closed) || current->mm != d->mm)) {
		border_arm(m);
		return;
	}
	if (!p) {
		if (test_bit(M_LOST, &m->flags) && !test_bit(M_RESTART, &m->flags))
			border_arm(m);
		return;
	}
	if (unlikely(m->hoard_ns)) {
		WRITE_ONCE(m->hoard_ns, 0);
		return;
	}
	word = READ_ONCE(p->word);
	if (slot_return(p, m)) {
		if (GSCHED_P_WORD_STATE(word) == GSCHED_P_BLOCKED)
			WRITE_ONCE(m->stats.takebacks, m->stats.takebacks + 1);
		return;
	}
	m->p = NULL;
	set_bit(M_LOST, &m->flags);
	WRITE_ONCE(m->status->word, GSCHED_M_LOST_P);
	WRITE_ONCE(m->status->lost_ns, ktime_get_mono_fast_ns());
	WRITE_ONCE(m->stats.lost, m->stats.lost + 1);
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
