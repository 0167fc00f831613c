// SPDX-License-Identifier: GPL-2.0
/*
 * domain.c - one open file is one domain: P table, M registry, shared pages, lifetime
 *
 * A domain belongs to the process that opened the file: its thread group and its memory. It is
 * closed by that process closing any descriptor of the file (or by exec, or by its end): nothing
 * changes any more then, sleeping Ms wake up and every M is detached on its way to user mode. It
 * is freed when the file and the last M have let go of it.
 */

#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "gsched.h"

#define GSCHED_MAX_SPARE	64	/* more parked threads than CPUs serve no burst */

/* Settings of TUNE: what they are at first, and between what */
#define DOMAIN_MIN_SLICE_NS	(500 * NSEC_PER_USEC)
#define DOMAIN_MAX_SLICE_NS	(100 * NSEC_PER_MSEC)
#define DOMAIN_MIN_GRACE_NS	(100 * NSEC_PER_USEC)
#define DOMAIN_MAX_GRACE_NS	(100 * NSEC_PER_MSEC)
#define DOMAIN_POLICY_NS	(20 * NSEC_PER_USEC)
#define DOMAIN_MIN_POLICY_NS	NSEC_PER_USEC
#define DOMAIN_MAX_POLICY_NS	(10 * NSEC_PER_MSEC)

/*
 * For what SETUP allocates, up to some MB: where the machine or the caller's memory cgroup is full
 * that is ENOMEM, and nobody is killed.
 */
#define DOMAIN_GFP		(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

static unsigned int domain_max_user = 1024;
module_param_named(max_user_domains, domain_max_user, uint, 0644);
MODULE_PARM_DESC(max_user_domains, "Most domains that one user can have");

static_assert(sizeof(struct gsched_status) == 128);
static_assert(sizeof(struct gsched_p_status) == 64);
static_assert(sizeof(struct gsched_m_status) == 128);
static_assert(sizeof(struct gsched_hint) % 64 == 0);
static_assert(sizeof(struct gsched_p_hint) == 64);
static_assert(sizeof(struct gsched_m_hint) == 64);

/* ---- Users ---- */

/* How many domains there are, by the real user id of who opened them. */
static DEFINE_XARRAY(domain_users);
static DEFINE_MUTEX(domain_users_lock);

/* A user that has as many as it may cannot keep other users from theirs. */
static int domain_count_user(u32 user)
{
	unsigned long n;
	int err = -EMFILE;

	mutex_lock(&domain_users_lock);
	n = xa_to_value(xa_load(&domain_users, user) ?: xa_mk_value(0));
	if (n < READ_ONCE(domain_max_user))
		err = xa_err(xa_store(&domain_users, user, xa_mk_value(n + 1), GFP_KERNEL));
	mutex_unlock(&domain_users_lock);
	return err;
}

static void domain_uncount_user(u32 user)
{
	unsigned long n;

	mutex_lock(&domain_users_lock);
	n = xa_to_value(xa_load(&domain_users, user));
	if (n > 1)	/* in place of what is there: allocates nothing */
		xa_store(&domain_users, user, xa_mk_value(n - 1), GFP_KERNEL);
	else
		xa_erase(&domain_users, user);
	mutex_unlock(&domain_users_lock);
}

/* ---- Lifetime ---- */

static void domain_reap(struct irq_work *work)
{
	struct gsched_domain *d = container_of(work, struct gsched_domain, reaper);
	struct gsched_m *m, *next;

	llist_for_each_entry_safe(m, next, llist_del_all(&d->reap), reap)
		machine_reap(m);
}

/* An ordinary irq_work: a wait queue's lock sleeps on PREEMPT_RT. */
static void domain_poll_work(struct irq_work *work)
{
	struct gsched_domain *d = container_of(work, struct gsched_domain, poll_work);

	wake_up_poll(&d->poll_wq, (READ_ONCE(d->status->wanted) > 0 ? EPOLLIN : 0) |
				  (READ_ONCE(d->status->starved) ? EPOLLPRI : 0));
}

/* How many there have been: the numbers of the domains. */
static atomic_t domain_count;

/**
 * domain_open() - a new domain of the current process, not set up yet
 *
 * Return: the domain with one reference, or ERR_PTR: EMFILE (the user has as many as it may),
 * ENOMEM.
 */
struct gsched_domain *domain_open(void)
{
	struct gsched_domain *d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	int err;

	if (!d)
		return ERR_PTR(-ENOMEM);
	d->user = __kuid_val(current_uid());
	err = domain_count_user(d->user);
	if (err) {
		kfree(d);
		return ERR_PTR(err);
	}
	raw_spin_lock_init(&d->lock);
	mutex_init(&d->setup);
	kref_init(&d->ref);
	INIT_LIST_HEAD(&d->waiting);
	INIT_LIST_HEAD(&d->parked);
	INIT_LIST_HEAD(&d->private);
	init_llist_head(&d->reap);
	init_waitqueue_head(&d->poll_wq);
	d->reaper = IRQ_WORK_INIT_HARD(domain_reap);
	init_irq_work(&d->poll_work, domain_poll_work);
	d->id = atomic_inc_return(&domain_count);
	slice_init(d);
	d->pid = get_pid(task_tgid(current));
	d->mm = current->mm;
	mmgrab(d->mm);
	return d;
}

static void domain_free_pages(struct gsched_domain *d)
{
	u32 i;

	if (d->status)
		vunmap(d->status);
	if (d->hint)
		vunmap(d->hint);
	for (i = 0; d->pages && i < d->nr_status_pages + d->nr_hint_pages; i++)
		if (d->pages[i])
			__free_page(d->pages[i]);
	kvfree(d->pages);
	d->status = NULL;
	d->hint = NULL;
	d->pages = NULL;
}

/* What SETUP made; also undoes half a SETUP. */
static void domain_free_tables(struct gsched_domain *d)
{
	domain_free_pages(d);
	kvfree(d->ps);
	kvfree(d->ms);
	bitmap_free(d->ids);
	free_percpu(d->m_stats);
	d->ps = NULL;
	d->ms = NULL;
	d->ids = NULL;
	d->m_stats = NULL;
}

static void domain_free(struct kref *ref)
{
	struct gsched_domain *d = container_of(ref, struct gsched_domain, ref);
	u32 i;

	debugfs_remove_domain(d);
	irq_work_sync(&d->reaper);
	if (d->ready) {
		for (i = 0; i < d->max_p; i++)
			hooks_sync_p(&d->ps[i]);
		slice_exit(d);
		irq_work_sync(&d->poll_work);
	}
	domain_free_tables(d);
	put_pid(d->pid);
	mmdrop(d->mm);
	domain_uncount_user(d->user);
	kfree(d);
}

/**
 * domain_put() - drop a reference to a domain
 * @d: domain
 *
 * Context: process.
 */
void domain_put(struct gsched_domain *d)
{
	kref_put(&d->ref, domain_free);
}

/**
 * domain_is_mine() - is the current thread of the process that the domain belongs to?
 * @d: domain
 *
 * Not so for children of fork and vfork, for CLONE_VM without CLONE_THREAD, after exec, and for
 * whoever was passed the descriptor.
 *
 * Return: true if so.
 */
bool domain_is_mine(const struct gsched_domain *d)
{
	return task_tgid(current) == d->pid && current->mm == d->mm;
}

static struct gsched_m *domain_next_sleeper(struct gsched_domain *d)
{
	return list_first_entry_or_null(&d->waiting, struct gsched_m, link) ?:
	       list_first_entry_or_null(&d->parked, struct gsched_m, link) ?:
	       list_first_entry_or_null(&d->private, struct gsched_m, link);
}

/**
 * domain_close() - nothing changes any more; wake who sleeps
 * @d: domain
 *
 * Words of Ps keep what they hold. Each sleeper leaves its wait with ECANCELED, and an M that runs
 * is detached at its next border.
 *
 * Context: process.
 */
void domain_close(struct gsched_domain *d)
{
	unsigned long flags;
	struct gsched_m *m;

	if (!gsched_is_ready(d)) {
		WRITE_ONCE(d->closed, true);
		return;
	}
	flags = slot_lock(d);
	WRITE_ONCE(d->closed, true);
	while ((m = domain_next_sleeper(d)) != NULL) {
		slot_unlist(m, GSCHED_M_FREE);
		machine_unlock_and_wake(d, flags, m);
		flags = slot_lock(d);
	}
	machine_unlock_and_wake(d, flags, d->stopper && d->stopper->in_wait ? d->stopper : NULL);
	wake_up_poll(&d->poll_wq, EPOLLERR | EPOLLHUP);
}

/* ---- SETUP ---- */

static void *domain_map_pages(struct page **pages, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		pages[i] = alloc_page(DOMAIN_GFP | __GFP_ZERO);
		if (!pages[i])
			return NULL;
	}
	return vmap(pages, n, VM_MAP | VM_USERMAP, PAGE_KERNEL);
}

/* The two ranges: a head, the Ps, the Ms. */
static void domain_layout(struct gsched_setup *arg)
{
	arg->p_status_offset = ALIGN(sizeof(struct gsched_status), PAGE_SIZE);
	arg->m_status_offset = arg->p_status_offset + arg->max_p * sizeof(struct gsched_p_status);
	arg->status_size = PAGE_ALIGN(arg->m_status_offset +
				      arg->max_m * sizeof(struct gsched_m_status));
	arg->p_hint_offset = sizeof(struct gsched_hint);
	arg->m_hint_offset = arg->p_hint_offset + arg->max_p * sizeof(struct gsched_p_hint);
	arg->hint_size = PAGE_ALIGN(arg->m_hint_offset + arg->max_m * sizeof(struct gsched_m_hint));
}

static int domain_alloc(struct gsched_domain *d, const struct gsched_setup *arg)
{
	d->nr_status_pages = arg->status_size >> PAGE_SHIFT;
	d->nr_hint_pages = arg->hint_size >> PAGE_SHIFT;
	d->pages = kvcalloc(d->nr_status_pages + d->nr_hint_pages, sizeof(*d->pages), DOMAIN_GFP);
	d->ps = kvcalloc(arg->max_p, sizeof(*d->ps), DOMAIN_GFP);
	d->ms = kvcalloc(arg->max_m, sizeof(*d->ms), DOMAIN_GFP);
	d->ids = bitmap_zalloc(arg->max_m, DOMAIN_GFP);
	d->m_stats = alloc_percpu_gfp(struct gsched_m_stats, DOMAIN_GFP);
	if (!d->pages || !d->ps || !d->ms || !d->ids || !d->m_stats)
		return -ENOMEM;
	d->status = domain_map_pages(d->pages, d->nr_status_pages);
	if (!d->status)
		return -ENOMEM;
	d->hint = domain_map_pages(d->pages + d->nr_status_pages, d->nr_hint_pages);
	return d->hint ? 0 : -ENOMEM;
}

static void domain_init_p(struct gsched_domain *d, u32 id, const struct gsched_setup *arg)
{
	struct gsched_p *p = &d->ps[id];

	p->domain = d;
	p->id = id;
	p->status = (void *)d->status + arg->p_status_offset + id * sizeof(*p->status);
	p->hint = (void *)d->hint + arg->p_hint_offset + id * sizeof(*p->hint);
	p->word = GSCHED_P_WORD(id < arg->nr_p ? GSCHED_P_IDLE : GSCHED_P_DEAD, 0);
	p->cpu = GSCHED_CPU_ANY;
	p->policy_ns = DOMAIN_POLICY_NS;
	p->status->word = p->word;
	hooks_init_p(p);
}

/**
 * domain_setup() - GSCHED_IOC_SETUP
 * @d: domain
 * @arg: in and out
 *
 * Return: 0, -EBUSY, -EINVAL, -ENOMEM.
 */
int domain_setup(struct gsched_domain *d, struct gsched_setup *arg)
{
	u32 i;
	int err;

	arg->max_p = arg->max_p ?: GSCHED_MAX_P;
	arg->max_m = arg->max_m ?: GSCHED_MAX_M;
	if (!arg->nr_p || arg->nr_p > arg->max_p || arg->max_p > GSCHED_MAX_P ||
	    arg->max_m > GSCHED_MAX_M || arg->spare > GSCHED_MAX_SPARE)
		return -EINVAL;

	mutex_lock(&d->setup);
	err = d->closed ? -ECANCELED : d->ready ? -EBUSY : 0;
	if (err)
		goto out;
	domain_layout(arg);
	err = domain_alloc(d, arg);
	if (err) {
		domain_free_tables(d);
		goto out;
	}
	d->nr_p = arg->nr_p;
	d->max_p = arg->max_p;
	d->max_m = arg->max_m;
	d->spare = arg->spare;
	d->slice_ns = GSCHED_SLICE_NS;
	d->m_status_offset = arg->m_status_offset;
	d->m_hint_offset = arg->m_hint_offset;
	d->status->nr_p = d->nr_p;
	d->status->nidle = d->nr_p;
	d->status->wanted = d->spare;
	for (i = 0; i < d->max_p; i++)
		domain_init_p(d, i, arg);
	/* pairs with gsched_is_ready() */
	smp_store_release(&d->ready, true);
out:
	mutex_unlock(&d->setup);
	if (!err)
		debugfs_add_domain(d);
	return err;
}

/* ---- TUNE ---- */

/**
 * domain_grace() - how long an M may go on after a request to yield
 * @d: domain
 *
 * Return: nanoseconds.
 */
u64 domain_grace(const struct gsched_domain *d)
{
	return READ_ONCE(d->grace_ns) ?:
	       max_t(u64, READ_ONCE(d->slice_ns) / 10, DOMAIN_MIN_GRACE_NS);
}

/* Is @value unset as it must be without @flag, and else 0 or between @min and @max? */
static bool domain_may_tune(bool set, u64 value, u64 min, u64 max)
{
	return !value || (set && value >= min && value <= max);
}

static int domain_check_policy(const struct gsched_tune *arg)
{
	bool set = arg->flags & GSCHED_TUNE_POLICY;
	bool delay = arg->policy == GSCHED_POLICY_ADAPTIVE || arg->policy == GSCHED_POLICY_AFTER;

	if (!domain_may_tune(set, arg->policy, 0, GSCHED_POLICY_ASKED) ||
	    !domain_may_tune(set && delay, arg->policy_ns, DOMAIN_MIN_POLICY_NS,
			     DOMAIN_MAX_POLICY_NS))
		return -EINVAL;
	return arg->policy == GSCHED_POLICY_AFTER && !arg->policy_ns ? -EINVAL : 0;
}

/* Whatever is wrong is found here: a refused TUNE changes nothing. */
static int domain_check_tune(struct gsched_domain *d, const struct gsched_tune *arg)
{
	bool of_p = arg->flags & (GSCHED_TUNE_POLICY | GSCHED_TUNE_CPU);

	if (!domain_may_tune(arg->flags & GSCHED_TUNE_SLICE, arg->slice_ns, DOMAIN_MIN_SLICE_NS,
			     DOMAIN_MAX_SLICE_NS) ||
	    !domain_may_tune(arg->flags & GSCHED_TUNE_GRACE, arg->grace_ns, DOMAIN_MIN_GRACE_NS,
			     DOMAIN_MAX_GRACE_NS) ||
	    !domain_may_tune(arg->flags & GSCHED_TUNE_SPARE, arg->spare, 0, GSCHED_MAX_SPARE))
		return -EINVAL;
	if (arg->flags & GSCHED_TUNE_CPU ? arg->cpu >= nr_cpu_ids && arg->cpu != GSCHED_CPU_ANY :
					   arg->cpu)
		return -EINVAL;
	if (!of_p && arg->p)
		return -EINVAL;
	if (of_p && arg->p >= d->max_p && arg->p != GSCHED_P_ALL)
		return -ENOENT;
	return domain_check_policy(arg);
}

static void domain_tune_p(struct gsched_p *p, const struct gsched_tune *arg)
{
	if (arg->flags & GSCHED_TUNE_POLICY) {
		WRITE_ONCE(p->policy, arg->policy);
		WRITE_ONCE(p->policy_ns, arg->policy == GSCHED_POLICY_ADAPTIVE ?
			   arg->policy_ns ?: DOMAIN_POLICY_NS : arg->policy_ns);
	}
	if (arg->flags & GSCHED_TUNE_CPU)
		WRITE_ONCE(p->cpu, arg->cpu);
	hooks_retune(p);
}

/**
 * domain_tune() - GSCHED_IOC_TUNE
 * @d: domain, set up
 * @arg: in
 *
 * Return: 0, -EINVAL, -ENOENT.
 */
int domain_tune(struct gsched_domain *d, const struct gsched_tune *arg)
{
	int err = domain_check_tune(d, arg);
	unsigned long flags;
	u32 id;

	if (err)
		return err;
	flags = slot_lock(d);
	if (arg->flags & GSCHED_TUNE_SLICE)
		WRITE_ONCE(d->slice_ns, arg->slice_ns);
	if (arg->flags & GSCHED_TUNE_GRACE)
		WRITE_ONCE(d->grace_ns, arg->grace_ns);
	if (arg->flags & GSCHED_TUNE_SPARE)
		d->spare = arg->spare;
	for (id = 0; id < d->max_p; id++)
		if (arg->p == GSCHED_P_ALL || arg->p == id)
			domain_tune_p(&d->ps[id], arg);
	slot_unlock(d, flags);
	if (arg->flags & GSCHED_TUNE_SLICE)
		irq_work_queue(&d->tick_work);
	return 0;
}

/* ---- REGISTER, and the end of an M ---- */

static void domain_free_m(struct work_struct *work)
{
	struct gsched_m *m = container_of(to_rcu_work(work), struct gsched_m, free);
	struct gsched_domain *d = m->domain;

	border_free(m);
	put_task_struct(m->task);
	kfree(m);
	domain_put(d);
	module_put(THIS_MODULE);
}

/**
 * domain_register() - GSCHED_IOC_REGISTER
 * @d: domain
 * @arg: in and out
 *
 * The M holds its domain and the module until domain_free_m().
 *
 * Return: 0, -EBUSY, -EUSERS, -ENOMEM, -ENFILE, -ECANCELED.
 */
int domain_register(struct gsched_domain *d, struct gsched_register *arg)
{
	struct gsched_m *m;
	int err;

	if (gsched_current())
		return -EBUSY;
	m = machine_new(d, arg->flags & GSCHED_REGISTER_MADE);
	if (IS_ERR(m))
		return PTR_ERR(m);
	kref_get(&d->ref);
	__module_get(THIS_MODULE);
	INIT_RCU_WORK(&m->free, domain_free_m);
	err = border_init(m);
	/* attached even so: that is what the way out undoes */
	hooks_attach(m);
	if (err) {
		machine_detach(m);
		return err;
	}
	arg->m = m->id;
	return 0;
}

/* ---- Shared pages ---- */

/**
 * domain_mmap() - map the status or the hint range
 * @d: domain, set up
 * @vma: of the current process
 *
 * Return: 0, -EINVAL, -EPERM (writable status), -ENOMEM.
 */
int domain_mmap(struct gsched_domain *d, struct vm_area_struct *vma)
{
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (offset == GSCHED_MMAP_STATUS) {
		if (vma->vm_flags & VM_WRITE)
			return -EPERM;
		vm_flags_mod(vma, VM_DONTCOPY | VM_DONTEXPAND, VM_MAYWRITE);
		return remap_vmalloc_range(vma, d->status, 0);
	}
	if (offset == GSCHED_MMAP_HINT) {
		vm_flags_mod(vma, VM_DONTCOPY | VM_DONTEXPAND, 0);
		return remap_vmalloc_range(vma, d->hint, 0);
	}
	return -EINVAL;
}
