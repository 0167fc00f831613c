// SPDX-License-Identifier: GPL-2.0
/*
 * stats.c - what GSCHED_IOC_INFO tells
 *
 * What happens to an M in its own context is counted by the CPU it runs on, without a lock; what
 * happens under the lock is counted in the domain. A histogram takes a few lines of the cache to
 * count in, so all of them are filled under the lock.
 */

#include <linux/ktime.h>
#include <linux/nsproxy.h>
#include <linux/pid.h>
#include <linux/uaccess.h>

#include "gsched.h"

#define STATS_HOARD_NS	(100 * NSEC_PER_MSEC)

/* A plain array of u64: adding one to another needs no list of the names. */
static struct gsched_m_stats stats_sum(const struct gsched_domain *d)
{
	struct gsched_m_stats sum = {};
	u64 *s = (u64 *)&sum;
	size_t i;
	int cpu;

	for_each_possible_cpu(cpu) {
		const u64 *a = (const u64 *)per_cpu_ptr(d->m_stats, cpu);

		for (i = 0; i < sizeof(sum) / sizeof(u64); i++)
			s[i] += READ_ONCE(a[i]);
	}
	return sum;
}

/**
 * stats_domain() - the record of a domain
 * @d: domain
 * @info: out
 */
void stats_domain(struct gsched_domain *d, struct gsched_info_domain *info)
{
	struct gsched_m_stats sum = stats_sum(d);
	const struct gsched_info_hist *border = &d->hist[GSCHED_HIST_BORDER];
	struct gsched_stats l;
	unsigned long flags;

	flags = slot_lock(d);
	l = d->stats;
	*info = (struct gsched_info_domain) {
		.nr_p = d->nr_p,
		.nr_m = d->status->nr_m,
		.nidle = d->status->nidle,
		.nwaiting = d->status->nwaiting,
		.nparked = d->status->nparked,
		.nprivate = d->nprivate,
		.making = d->making + d->nmade,
		.slice_ns = d->slice_ns,
		.grace_ns = domain_grace(d),
		.borders = border->count,
		.border_ns = border->sum_ns,
	};
	slot_unlock(d, flags);

	info->wanted = READ_ONCE(d->status->wanted);
	info->blocks = sum.blocks;
	info->takebacks = sum.takebacks;
	info->handoffs = l.handoffs;
	info->blocks_nopreempt = sum.blocks_nopreempt;
	info->lost = sum.lost;
	info->grants_waiting = l.grants_waiting;
	info->grants_parked = l.grants_parked;
	info->parks = l.parks;
	info->park_again = l.park_again;
	info->unparks = l.unparks;
	info->permits = l.permits;
	info->wakes = l.wakes;
	info->wakes_again = l.wakes_again;
	info->switches = l.switches;
	info->deaths = l.deaths;
	info->excess_exit = sum.excess_exit;
	info->excess_step = sum.excess_step;
	info->excess_traced = sum.excess_traced;
	info->excess_cooperative = sum.excess_cooperative;
	info->excess_signal = sum.excess_signal;
	info->excess_timer = sum.excess_timer;
	info->retakes = sum.retakes;
	info->retakes_kept = sum.retakes_kept;
	info->retakes_nopreempt = sum.retakes_nopreempt;
	info->stops = l.stops;
	info->stop_ns = l.stop_ns;
	info->stop_max_ns = l.stop_max_ns;
	info->resizes = l.resizes;
	info->ticks = READ_ONCE(d->ticks);
	info->preempts = l.preempts;
	info->looks = l.looks;
	info->looks_late = l.looks_late;
	info->handoffs_late = l.handoffs_late;
	info->border_kicks = sum.border_kicks;
}

/**
 * stats_p() - the record of a P
 * @d: domain
 * @id: the P
 * @info: out
 *
 * Return: 0, -ENOENT.
 */
int stats_p(struct gsched_domain *d, u32 id, struct gsched_info_p *info)
{
	unsigned long flags;
	u64 word;

	if (id >= d->max_p)
		return -ENOENT;
	flags = slot_lock(d);
	word = READ_ONCE(d->ps[id].word);
	*info = (struct gsched_info_p) {
		.state = GSCHED_P_WORD_STATE(word),
		.m = GSCHED_P_WORD_M(word),
		.count = d->ps[id].status->count,
		.policy = d->ps[id].policy,
		.cpu = d->ps[id].cpu,
		.policy_ns = d->ps[id].policy_ns,
	};
	slot_unlock(d, flags);
	return 0;
}

/**
 * stats_hist() - one histogram
 * @d: domain
 * @which: enum gsched_hist
 * @info: out
 *
 * Return: 0, -ENOENT.
 */
int stats_hist(struct gsched_domain *d, u32 which, struct gsched_info_hist *info)
{
	unsigned long flags;

	if (which >= GSCHED_NR_HIST)
		return -ENOENT;
	flags = slot_lock(d);
	*info = d->hist[which];
	slot_unlock(d, flags);
	return 0;
}

/* The P is told from the words, not from m->p, which lags behind while the M sleeps. */
static u32 stats_p_of(const struct gsched_domain *d, const struct gsched_m *m)
{
	u32 i;

	for (i = 0; i < d->nr_p; i++)
		if (slot_is_of(&d->ps[i], m))
			return i + 1;
	return 0;
}

/**
 * stats_m() - the record of an M
 * @d: domain
 * @id: the M
 * @info: out; the thread's id is the one in the current pid namespace
 *
 * Return: 0, -ENOENT.
 */
int stats_m(struct gsched_domain *d, u32 id, struct gsched_info_m *info)
{
	unsigned long flags = slot_lock(d);
	struct gsched_m *m = id < d->max_m ? d->ms[id] : NULL;
	struct pid *pid;
	u64 hoard;

	if (!m) {
		slot_unlock(d, flags);
		return -ENOENT;
	}
	hoard = READ_ONCE(m->hoard_ns);
	*info = (struct gsched_info_m) {
		.state = m->state,
		.p = stats_p_of(d, m),
		.goid = READ_ONCE(m->hint->goid),
		.blocked_ns = READ_ONCE(m->status->blocked_ns),
		.lost_ns = READ_ONCE(m->status->lost_ns),
		.granted_ns = READ_ONCE(m->status->granted_ns),
	};
	info->flags = (test_bit(M_LOST, &m->flags) ? GSCHED_INFO_M_LOST : 0) |
		      (m->permit ? GSCHED_INFO_M_PERMIT : 0) |
		      (m->private ? GSCHED_INFO_M_PRIVATE : 0) |
		      (hoard && ktime_get_mono_fast_ns() - hoard > STATS_HOARD_NS ?
		       GSCHED_INFO_M_HOARD : 0);
	rcu_read_lock();
	pid = task_pid(m->task);
	info->tid = pid ? pid_vnr(pid) : 0;
	rcu_read_unlock();
	slot_unlock(d, flags);
	return 0;
}

/**
 * stats_info() - GSCHED_IOC_INFO
 * @d: domain
 * @arg: in and out
 *
 * Return: 0, -EINVAL, -ENOENT, -EFAULT.
 */
int stats_info(struct gsched_domain *d, struct gsched_info *arg)
{
	union {
		struct gsched_info_domain domain;
		struct gsched_info_p p;
		struct gsched_info_m m;
		struct gsched_info_hist hist;
	} rec;
	void __user *buf = u64_to_user_ptr(arg->buf);
	u32 size, n;
	int err = 0;

	memset(&rec, 0, sizeof(rec));
	switch (arg->what) {
	case GSCHED_INFO_DOMAIN:
		size = sizeof(rec.domain);
		if (arg->index)
			return -EINVAL;
		stats_domain(d, &rec.domain);
		break;
	case GSCHED_INFO_P:
		size = sizeof(rec.p);
		err = stats_p(d, arg->index, &rec.p);
		break;
	case GSCHED_INFO_M:
		size = sizeof(rec.m);
		err = stats_m(d, arg->index, &rec.m);
		break;
	case GSCHED_INFO_HIST:
		size = sizeof(rec.hist);
		err = stats_hist(d, arg->index, &rec.hist);
		break;
	default:
		return -EINVAL;
	}
	if (err)
		return err;
	n = min(size, arg->buf_size);
	if (copy_to_user(buf, &rec, n) || clear_user(buf + n, arg->buf_size - n))
		return -EFAULT;
	arg->buf_size = size;
	return 0;
}
