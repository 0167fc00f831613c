// SPDX-License-Identifier: GPL-2.0
/*
 * border_file.c - the border where the kernel does not export task_work_add()
 *
 * Nothing else that modules may call queues a callback of theirs for a thread, but fput() of the
 * last reference does it on the way: the release of the file then runs as task work, at the border,
 * and may wait there. So each M has a file at hand, which is in no table of descriptors; arming the
 * border is fput() of it, and its release first gets the next one and then does what task work
 * would. fput() queues for the current thread only. So an M that is sent to the border by somebody
 * else is made to pass through its own sched_in, which then arms: a thread of the highest
 * real-time priority, one on each CPU, is woken on the CPU the M is on and so puts it off.
 *
 * One wake-up is enough, whatever the M does meanwhile. What is asked of it (M_RETAKE, M_LOST) is
 * set, with a full barrier behind it, before its CPU is read. Then it either is on that CPU and is
 * put off it by the thread; or was put off it, or migrated, after the CPU was read; or comes there
 * later. In each case a sched_in follows that sees what is asked. The one place where sched_in does
 * not look is a wait of ours: so whoever leaves one looks (border_leave_call(), border_run()). A
 * request that falls there and is not looked for is served when something else happens to put the
 * M off its CPU, which may be half a second later when it runs alone.
 */

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/smpboot.h>
#include <uapi/linux/sched/types.h>

#include "gsched.h"

static const struct file_operations border_file_fops;

/**
 * border_file_make() - give a new M its first file
 * @m: the current thread's M
 *
 * Return: 0, -ENOMEM, -ENFILE.
 */
int border_file_make(struct gsched_m *m)
{
	struct file *file = anon_inode_getfile("[gsched]", &border_file_fops, m, O_RDONLY);

	if (IS_ERR(file))
		return PTR_ERR(file);
	m->file = file;
	return 0;
}

/*
 * The border must be armed again before user code runs, so the thread does not get on without
 * another file: it tries until there is one, or until it will not see user mode again.
 */
static void border_file_renew(struct gsched_m *m)
{
	while (!(current->flags & (PF_EXITING | PF_POSTCOREDUMP)) &&
	       READ_ONCE(m->state) != GSCHED_M_DEAD && border_file_make(m)) {
		if (fatal_signal_pending(current))
			return;
		set_current_state(TASK_KILLABLE | TASK_FREEZABLE);
		schedule_timeout(1);
	}
}

/*
 * The release, in the M's own thread: nobody else ever had a reference, and fput() was called with
 * the thread still able to run task work. In the kernels there are, the word of struct file that
 * linked it to the task works behind it lies, whatever its name, where f_llist does; nothing
 * has written there since.
 */
static int border_file_release(struct inode *inode, struct file *file)
{
	bool last = !READ_ONCE(file->f_llist.next);
	struct gsched_m *m = file->private_data;

	if (!m)
		return 0;
	border_file_renew(m);
	border_run(m, M_BORDER, last);
	return 0;
}

/* The owner keeps the module until the release has returned, which is after the M may be gone. */
static const struct file_operations border_file_fops = {
	.owner = THIS_MODULE,
	.release = border_file_release,
};

/**
 * border_file_drop() - the file of an M that is no more
 * @m: M
 *
 * Context: process.
 */
void border_file_drop(struct gsched_m *m)
{
	if (!m->file)
		return;
	m->file->private_data = NULL;
	__fput_sync(m->file);
}

/**
 * border_file_may_add() - can the border be armed from here?
 * @m: M
 *
 * Return: true in a context that is the M's own; false: only border_file_kick() helps.
 */
bool border_file_may_add(const struct gsched_m *m)
{
	return m->task == current && !in_interrupt();
}

/**
 * border_file_add() - queue the release for the current thread
 * @m: its M, whose M_BORDER the caller has won
 *
 * Context: as border_file_may_add() says, among them sched_in.
 * Return: 0; -ESRCH for a thread that will not see user mode again.
 */
int border_file_add(struct gsched_m *m)
{
	struct file *file = m->file;

	if (!file || current->flags & PF_EXITING)
		return -ESRCH;
	m->file = NULL;
	fput(file);
	return 0;
}

/* ---- The kick ---- */

static DEFINE_PER_CPU(struct task_struct *, border_kicker);

/**
 * border_file_kick() - have an M pass through its sched_in
 * @m: M, of which something is asked
 *
 * It is not for certain when the M has a deadline or the highest real-time priority itself: such an
 * M comes to its border when it leaves its CPU by itself.
 *
 * Context: any but under a run-queue lock or the domain's lock.
 */
void border_file_kick(struct gsched_m *m)
{
	struct task_struct *kicker;

	/* what is asked is visible before the CPU is read: pairs with the barrier in schedule() */
	smp_mb();
	kicker = per_cpu(border_kicker, task_cpu(m->task));
	stats_inc(m->domain, border_kicks);
	if (kicker)
		wake_up_process(kicker);
}

/* It need not do anything: it is enough that it runs. */
static int border_kicker_should_run(unsigned int cpu)
{
	return false;
}

static void border_kicker_run(unsigned int cpu)
{
}

static void border_kicker_setup(unsigned int cpu)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_FIFO,
		.sched_priority = MAX_RT_PRIO - 1,
	};

	WARN_ON_ONCE(sched_setattr_nocheck(current, &attr));
}

/* Bound to its CPU, and parked while that is offline: then no M runs there. */
static struct smp_hotplug_thread border_kickers = {
	.store = &border_kicker,
	.thread_should_run = border_kicker_should_run,
	.thread_fn = border_kicker_run,
	.setup = border_kicker_setup,
	.thread_comm = "gsched/%u",
};

/**
 * border_file_module_init() - start the threads that kick
 *
 * Return: 0, -ENOMEM.
 */
int border_file_module_init(void)
{
	return smpboot_register_percpu_thread(&border_kickers);
}

/** border_file_module_exit() - end the threads that kick */
void border_file_module_exit(void)
{
	smpboot_unregister_percpu_thread(&border_kickers);
}
