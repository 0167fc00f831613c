// SPDX-License-Identifier: GPL-2.0
/*
 * border.c - the stop at the border of user mode
 *
 * An M that slept and lost its P must not run user code until it holds one again. sched_in cannot
 * wait: the thread may hold any lock of the kernel there. So it queues task work, which runs where
 * the thread holds nothing any more, on the last step to user mode, and waits there (protocol 5).
 *
 * Stop, trace, freeze and death act on a waiting M at once: they come as signals, which take it off
 * the list and let it out to handle them. Before the first instruction of a handler it is sent
 * back: by the next sched_in, by the signal_deliver tracepoint, or, when a signal turned out to be
 * for somebody else, by a timer.
 */

#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/task_work.h>
#include <linux/tracepoint.h>

#include "gsched.h"
#include "trace.h"

#define BORDER_TRACED_NS	(10 * NSEC_PER_MSEC)	/* longest wait of a traced thread */
#define BORDER_REARM_NS		(50 * NSEC_PER_USEC)	/* the timer's delay: see border_timer() */

static bool border_file __ro_after_init = !compat_has_task_work_add;
module_param(border_file, bool, 0444);
MODULE_PARM_DESC(border_file,
		 "reach the border by the release of a file rather than by task_work_add()");

/* Its work is queued, or is being queued. */
static bool border_is_armed(const struct gsched_m *m)
{
	return READ_ONCE(m->flags) & (BIT(M_BORDER) | BIT(M_SENT));
}

/**
 * border_arm() - send an M to the border
 * @m: M, its own or another thread
 *
 * An armed border holds a reference; a timer may come so late that there is none to be had. Arming
 * it twice is no harm, queueing its work twice would make task_work_run() loop for ever: whoever
 * wins the bit adds the work. With files only the M itself can arm its border: see border_file.c.
 *
 * The M itself and all others have a work each, and a bit: an M that saw another's bit would be in
 * user mode before that other, held up between bit and work, had added anything. An interrupt on
 * top of the M counts as the M: what it finds begun goes on when it is over.
 *
 * Context: any but under a run-queue lock or the domain's lock.
 */
void border_arm(struct gsched_m *m)
{
	bool own = m->task == current;
	int bit = own ? M_BORDER : M_SENT;

	if (border_file && !border_file_may_add(m)) {
		if (!border_is_armed(m))
			border_file_kick(m);
		return;
	}
	if (test_and_set_bit(bit, &m->flags) || !kref_get_unless_zero(&m->ref))
		return;
	if (border_file ? border_file_add(m) :
			  compat_task_work_add(m->task, own ? &m->border : &m->sent, TWA_RESUME)) {
		/* past exit_task_work: it will not see user mode again */
		clear_bit(bit, &m->flags);
		machine_put(m);
	}
}

/**
 * border_retake() - ask an M for its P
 * @m: M, running anywhere or asleep
 *
 * At its border it hands the P on and waits as the last for another one; unless nobody wants it
 * then, or nopreempt is set: then nothing happens, and whoever asked may ask again later. Nor does
 * anything if it has lost the P in between.
 *
 * Context: any but under a run-queue lock or the domain's lock. @m was found under the domain's
 * lock and inside the RCU read section that still goes on, or the caller holds a reference.
 */
void border_retake(struct gsched_m *m)
{
	set_bit(M_RETAKE, &m->flags);
	/* before the bits of the works are read: pairs with the one in border_run() */
	smp_mb__after_atomic();
	border_arm(m);
}

/**
 * border_leave_call() - the current M leaves a call of ours
 * @m: the current thread's M
 *
 * One that lost its P in it waits at the border; but not when the call restarts, for then no user
 * code runs in between. A P that it was granted in it may have been asked back already.
 */
void border_leave_call(struct gsched_m *m)
{
	bool lost = test_bit(M_LOST, &m->flags) && !test_bit(M_RESTART, &m->flags);

	if (lost || (m->p && test_bit(M_RETAKE, &m->flags)))
		border_arm(m);
}

/*
 * A thread on its way out of the process or of this program runs task work early: both kernels do
 * so before PF_EXITING is set, but after PF_POSTCOREDUMP, SIGNAL_GROUP_EXIT or group_exec_task.
 */
static bool border_is_dying(void)
{
	const struct signal_struct *sig = current->signal;

	return (current->flags & (PF_EXITING | PF_POSTCOREDUMP)) ||
	       (READ_ONCE(sig->flags) & SIGNAL_GROUP_EXIT) || READ_ONCE(sig->group_exec_task) ||
	       current->in_execve;
}

/* Those who may pass without a P (protocol 5); for all others BORDER_STOPS. */
static enum border_pass border_may_pass(struct gsched_m *m)
{
	if (border_is_dying())
		return BORDER_PASS_EXIT;
	if (READ_ONCE(m->hint->mode) == GSCHED_MODE_COOPERATIVE)
		return BORDER_PASS_COOPERATIVE;
	if (test_thread_flag(TIF_SINGLESTEP))
		return BORDER_PASS_STEP;
	return BORDER_STOPS;
}

static bool border_passes(struct gsched_m *m)
{
	enum border_pass why = border_may_pass(m);

	switch (why) {
	case BORDER_PASS_EXIT:
		stats_inc(m->domain, excess_exit);
		break;
	case BORDER_PASS_COOPERATIVE:
		stats_inc(m->domain, excess_cooperative);
		break;
	case BORDER_PASS_STEP:
		stats_inc(m->domain, excess_step);
		break;
	default:
		return false;
	}
	trace_gsched_border_pass(m, why);
	return true;
}

/*
 * Asked for its P. One that may pass without a P keeps the one it has: giving it up would not make
 * it wait. With the P gone the M is like one that lost it asleep, but it did not wake without it:
 * what UNBLOCK counts (lost_ns) does not begin.
 */
static void border_give_up(struct gsched_m *m)
{
	struct gsched_domain *d = m->domain;
	struct gsched_p *p = m->p;
	struct gsched_m *w;
	unsigned long flags;
	bool gone;

	if (READ_ONCE(m->hint->nopreempt)) {
		stats_inc(d, retakes_nopreempt);
		trace_gsched_retake(m, p, RETAKE_NOPREEMPT);
		return;
	}
	if (border_may_pass(m)) {
		stats_inc(d, retakes_kept);
		trace_gsched_retake(m, p, RETAKE_PASSES);
		return;
	}
	flags = slot_lock(d);
	gone = !d->closed && slot_retake(m, &w);
	trace_gsched_retake(m, p, gone ? RETAKE_TAKEN : RETAKE_UNWANTED);
	if (!gone) {
		slot_unlock(d, flags);
		stats_inc(d, retakes_kept);
		return;
	}
	machine_lost_p(m, ktime_get_mono_fast_ns());
	stats_inc(d, retakes);
	machine_unlock_and_wake(d, flags, w);
}

/*
 * Comes after a signal let the M out. A signal with a handler, a stop and a death need no help of
 * this timer; but one that get_signal() then does not find (another thread took it) leads to user
 * mode on no path of ours.
 */
static enum hrtimer_restart border_timer(struct hrtimer *timer)
{
	struct gsched_m *m = container_of(timer, struct gsched_m, timer);

	if (test_bit(M_LOST, &m->flags) && !border_is_armed(m) && !READ_ONCE(m->in_wait)) {
		stats_inc(m->domain, excess_timer);
		border_arm(m);
	}
	return HRTIMER_NORESTART;
}

/* Woken without a P. Is it a signal, or only other task work of this thread? */
static bool border_has_signal(void)
{
	struct sighand_struct *sighand = unrcu_pointer(current->sighand); /* ours: it stays */

	spin_lock_irq(&sighand->siglock);
	recalc_sigpending();
	spin_unlock_irq(&sighand->siglock);
	return task_sigpending(current);
}

/*
 * A signal comes first. The border is not armed again here: get_signal() runs task work before
 * anything else and would find this one for ever.
 */
static void border_let_out(struct gsched_m *m)
{
	stats_inc(m->domain, excess_signal);
	trace_gsched_border_pass(m, BORDER_PASS_SIGNAL);
	hrtimer_start(&m->timer, BORDER_REARM_NS, HRTIMER_MODE_REL_HARD);
}

/* WAITING, until there is a P or something else to do first. */
static void border_wait(struct gsched_m *m)
{
	struct gsched_domain *d = m->domain;
	u64 start = ktime_get_mono_fast_ns();
	u64 deadline = GSCHED_FOREVER;
	unsigned long flags;
	u64 waited;
	int ret;

	if (current->ptrace)
		deadline = start + BORDER_TRACED_NS;
	flags = slot_lock(d);
	trace_gsched_border_enter(m, d->status->nwaiting);
	machine_join(m, &flags);
	slot_unlock(d, flags);
	ret = machine_sleep(m, deadline);
	flags = slot_lock(d);
	if (machine_leave_wait(m, GSCHED_M_ON))
		ret = 0;
	waited = ktime_get_mono_fast_ns() - start;
	stats_took(d, GSCHED_HIST_BORDER, waited);
	trace_gsched_border_leave(m, waited);
	slot_unlock(d, flags);

	if (ret == -ETIMEDOUT) {
		stats_inc(d, excess_traced);
		trace_gsched_border_pass(m, BORDER_PASS_TRACED);
	} else if (ret == -EINTR && border_has_signal()) {
		border_let_out(m);
	} else if (ret) {
		clear_notify_signal();
		border_arm(m);
	}
}

/**
 * border_run() - the current M is at its border
 * @m: the current thread's M
 * @bit: M_BORDER or M_SENT, which is set, as is the reference that goes with it
 * @last: no other task work of the thread is behind this one
 *
 * It only ever waits as the last of its batch: task_work_run() takes the whole list and calls it
 * one by one, so sleeping here would strand the works behind it, io_uring's completions among them.
 * It queues itself again instead and comes back in the next batch.
 *
 * Context: task work.
 */
void border_run(struct gsched_m *m, int bit, bool last)
{
	struct gsched_domain *d = m->domain;

	clear_bit(bit, &m->flags);
	/* whoever arms it from here on queues it again; what it was armed for is seen below */
	smp_mb__after_atomic();
	if (READ_ONCE(m->state) == GSCHED_M_DEAD) {
		machine_put(m); /* unregistered while armed */
		return;
	}
	if (current->mm != d->mm || READ_ONCE(d->closed)) {
		machine_detach(m);
		machine_put(m);
		return;
	}
	if (test_and_clear_bit(M_RETAKE, &m->flags) && m->p)
		border_give_up(m);
	if (!test_bit(M_LOST, &m->flags) || border_passes(m)) {
		/* it holds a P, or needs none */
	} else if (!last || test_thread_flag(TIF_NOTIFY_SIGNAL)) {
		clear_notify_signal();
		border_arm(m);
	} else if (border_has_signal()) {
		border_let_out(m);
	} else {
		border_wait(m);
		if (READ_ONCE(d->closed))
			machine_detach(m);
		else if (test_bit(M_RETAKE, &m->flags))
			border_arm(m);
	}
	machine_put(m);
}

static void border_work(struct callback_head *work)
{
	border_run(container_of(work, struct gsched_m, border), M_BORDER, !work->next);
}

static void border_sent_work(struct callback_head *work)
{
	border_run(container_of(work, struct gsched_m, sent), M_SENT, !work->next);
}

/*
 * A handler is about to run. It is user code, so it needs a P; that holds for a signal that took
 * the M out of PARK, too. Nothing is armed for signals without a handler: their stops and deaths
 * run no user code, and a PARK restarts.
 */
static void border_signal_deliver(void *data, int sig, struct kernel_siginfo *info,
				  struct k_sigaction *ka)
{
	struct gsched_m *m = gsched_current();

	if (!m || !test_bit(M_LOST, &m->flags) || ka->sa.sa_handler == SIG_DFL ||
	    ka->sa.sa_handler == SIG_IGN)
		return;
	clear_bit(M_RESTART, &m->flags);
	border_arm(m);
}

/**
 * border_init() - prepare the border of a new M
 * @m: the current thread's M
 *
 * Return: 0, -ENOMEM, -ENFILE.
 */
int border_init(struct gsched_m *m)
{
	init_task_work(&m->border, border_work);
	init_task_work(&m->sent, border_sent_work);
	compat_hrtimer_setup(&m->timer, border_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	return border_file ? border_file_make(m) : 0;
}

/**
 * border_free() - the border of an M that is no more
 * @m: M
 *
 * Context: process.
 */
void border_free(struct gsched_m *m)
{
	hrtimer_cancel(&m->timer);
	if (border_file)
		border_file_drop(m);
}

static struct tracepoint *border_tracepoint;

static void border_match_tracepoint(struct tracepoint *tp, void *priv)
{
	if (!strcmp(tp->name, "signal_deliver"))
		border_tracepoint = tp;
}

/**
 * border_module_init() - start to watch the delivery of signals
 *
 * Return: 0, -ENOENT if the kernel has no such tracepoint, -EINVAL for a border it cannot have,
 * -ENOMEM.
 */
int border_module_init(void)
{
	int err;

	if (!border_file && !compat_has_task_work_add) {
		pr_err("border_file=0: this kernel does not export task_work_add\n");
		return -EINVAL;
	}
	for_each_kernel_tracepoint(border_match_tracepoint, NULL);
	if (!border_tracepoint)
		return -ENOENT;
	if (border_file) {
		err = border_file_module_init();
		if (err)
			return err;
	}
	err = tracepoint_probe_register(border_tracepoint, border_signal_deliver, NULL);
	if (err && border_file)
		border_file_module_exit();
	return err;
}

/** border_module_exit() - stop to watch the delivery of signals */
void border_module_exit(void)
{
	tracepoint_probe_unregister(border_tracepoint, border_signal_deliver, NULL);
	tracepoint_synchronize_unregister();
	if (border_file)
		border_file_module_exit();
}
