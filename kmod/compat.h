/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat.h - the only place that knows which kernel this is
 *
 * Everything else is written for the newest kernel; what an older one lacks or calls by another
 * name is supplied here.
 */
#ifndef GSCHED_COMPAT_H
#define GSCHED_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/task_work.h>
#include <linux/version.h>
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#include <linux/pfn_t.h>
#endif

#if BITS_PER_LONG != 64
#error "gsched needs a 64-bit kernel"
#endif
#ifndef CONFIG_PREEMPT_NOTIFIERS
#error "gsched needs CONFIG_PREEMPT_NOTIFIERS (selected by KVM)"
#endif
#ifdef CONFIG_SCHED_PROXY_EXEC
#error "with proxy execution a blocked task stays on its run queue: sched_out cannot tell"
#endif

/*
 * Is the task that is being switched out merely preempted? Since delayed dequeue (6.12) a task
 * that blocks may keep on_rq for a while, so on_rq alone says "preempted" of a sleeper.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define compat_task_is_runnable(t) task_is_runnable(t)
#else
#define compat_task_is_runnable(t) (!!(t)->on_rq)
#endif

/* Debian's kernels export it, mainline's do not: Kbuild looks. */
#ifdef GSCHED_HAS_TASK_WORK_ADD
#define compat_has_task_work_add true
#define compat_task_work_add task_work_add
#else
#define compat_has_task_work_add false
static inline int compat_task_work_add(struct task_struct *task, struct callback_head *work,
				       enum task_work_notify_mode notify)
{
	return -EOPNOTSUPP;
}
#endif

/*
 * Let the next wake-up of a sleeping task treat @cpu as the one it last ran on. The scheduler still
 * decides, and checks that the task may run there. wake_up_process() has no flag for this, and the
 * wake-up that has one (WF_CURRENT_CPU) is not for modules.
 */
static inline void compat_wake_cpu(struct task_struct *t, int cpu)
{
#ifdef CONFIG_SMP
	WRITE_ONCE(t->wake_cpu, cpu);
#endif
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_mod(struct vm_area_struct *vma, vm_flags_t set, vm_flags_t clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
static inline void compat_hrtimer_setup(struct hrtimer *timer,
					enum hrtimer_restart (*function)(struct hrtimer *),
					clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#else
#define compat_hrtimer_setup hrtimer_setup
#endif

/* In a fault of a private mapping: the kernel's zero page, read-only, without counting on it. */
static inline vm_fault_t compat_insert_zero_page(struct vm_fault *vmf)
{
	unsigned long pfn = page_to_pfn(ZERO_PAGE(vmf->address));

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
	return vmf_insert_mixed(vmf->vma, vmf->address, pfn_to_pfn_t(pfn));
#else
	return vmf_insert_mixed(vmf->vma, vmf->address, pfn);
#endif
}

#endif /* GSCHED_COMPAT_H */
