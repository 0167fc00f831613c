// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs.c - the same as GSCHED_IOC_INFO, for who looks from outside
 *
 * A domain that is set up has a folder TGID-NUMBER below gsched/ in debugfs, until it is freed. Its
 * files are text, for root only, made anew by each read. Nothing depends on them: where debugfs is
 * missing, or a file cannot be made, they are not there.
 *
 * Removing a file waits for who reads it, so a reader needs no reference to the domain.
 */

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "gsched.h"

static struct dentry *debugfs_root;

#define NAME(field)	{ #field, offsetof(struct gsched_info_domain, field) }

/* All counts of 64 bits, in the order of struct gsched_info_domain. */
static const struct {
	const char *name;
	size_t offset;
} debugfs_counts[] = {
	NAME(blocks),
	NAME(takebacks),
	NAME(handoffs),
	NAME(blocks_nopreempt),
	NAME(lost),
	NAME(borders),
	NAME(border_ns),
	NAME(grants_waiting),
	NAME(grants_parked),
	NAME(parks),
	NAME(park_again),
	NAME(unparks),
	NAME(permits),
	NAME(wakes),
	NAME(wakes_again),
	NAME(switches),
	NAME(deaths),
	NAME(excess_exit),
	NAME(excess_step),
	NAME(excess_traced),
	NAME(excess_cooperative),
	NAME(excess_signal),
	NAME(excess_timer),
	NAME(slice_ns),
	NAME(grace_ns),
	NAME(retakes),
	NAME(retakes_kept),
	NAME(retakes_nopreempt),
	NAME(stops),
	NAME(stop_ns),
	NAME(stop_max_ns),
	NAME(resizes),
	NAME(ticks),
	NAME(preempts),
	NAME(looks),
	NAME(looks_late),
	NAME(handoffs_late),
	NAME(border_kicks),
};

/* A field that is added to the record goes to the end of both. */
static_assert(sizeof(struct gsched_info_domain) ==
	      offsetof(struct gsched_info_domain, blocks) +
	      ARRAY_SIZE(debugfs_counts) * sizeof(u64));

static const char *debugfs_name(const char * const *names, size_t n, u32 i)
{
	return i < n ? names[i] : "?";
}

static int info_show(struct seq_file *s, void *unused)
{
	struct gsched_info_domain info;
	size_t i;

	stats_domain(s->private, &info);
	seq_printf(s, "nr_p %u\nnr_m %u\nnidle %u\nnwaiting %u\n",
		   info.nr_p, info.nr_m, info.nidle, info.nwaiting);
	seq_printf(s, "nparked %u\nnprivate %u\nmaking %u\nwanted %d\n",
		   info.nparked, info.nprivate, info.making, info.wanted);
	for (i = 0; i < ARRAY_SIZE(debugfs_counts); i++)
		seq_printf(s, "%s %llu\n", debugfs_counts[i].name,
			   *(u64 *)((void *)&info + debugfs_counts[i].offset));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(info);

static void hist_show_one(struct seq_file *s, const char *name, const struct gsched_info_hist *h)
{
	u32 i;

	seq_printf(s, "%s count %llu\n%s sum_ns %llu\n%s max_ns %llu\n",
		   name, h->count, name, h->sum_ns, name, h->max_ns);
	for (i = 0; i < GSCHED_HIST_BUCKETS; i++)
		if (h->bucket[i])
			seq_printf(s, "%s %llu %llu\n", name, i ? 1ULL << i : 0, h->bucket[i]);
}

/* Lines of name, lower limit of a bucket in ns, and how many are in it; only what is not empty. */
static int hist_show(struct seq_file *s, void *unused)
{
	static const char * const names[] = {
		[GSCHED_HIST_HANDOFF] = "handoff",
		[GSCHED_HIST_START] = "start",
		[GSCHED_HIST_UNBLOCK] = "unblock",
		[GSCHED_HIST_BORDER] = "border",
		[GSCHED_HIST_EXCESS] = "excess",
	};
	struct gsched_info_hist h;
	u32 i;

	static_assert(ARRAY_SIZE(names) == GSCHED_NR_HIST);
	for (i = 0; i < GSCHED_NR_HIST; i++)
		if (!stats_hist(s->private, i, &h))
			hist_show_one(s, names[i], &h);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hist);

/* ---- The two tables: the position is the id, after the line of titles ---- */

static void *debugfs_at(loff_t pos, u32 n)
{
	return pos <= n ? (void *)(pos + 1) : NULL;
}

static void table_stop(struct seq_file *s, void *v)
{
}

static void *ps_start(struct seq_file *s, loff_t *pos)
{
	return debugfs_at(*pos, ((struct gsched_domain *)s->private)->max_p);
}

static void *ps_next(struct seq_file *s, void *v, loff_t *pos)
{
	++*pos;
	return ps_start(s, pos);
}

static int ps_show(struct seq_file *s, void *v)
{
	static const char * const states[] = {
		[GSCHED_P_IDLE] = "IDLE",
		[GSCHED_P_RUNNING] = "RUNNING",
		[GSCHED_P_BLOCKED] = "BLOCKED",
		[GSCHED_P_STOPPED] = "STOPPED",
		[GSCHED_P_DEAD] = "DEAD",
	};
	static const char * const policies[] = {
		[GSCHED_POLICY_ADAPTIVE] = "adaptive",
		[GSCHED_POLICY_NOW] = "now",
		[GSCHED_POLICY_AFTER] = "after",
		[GSCHED_POLICY_ASKED] = "asked",
	};
	u32 id = (uintptr_t)v - 2;
	struct gsched_info_p p;

	if ((uintptr_t)v == 1) {
		seq_puts(s, "P state m count policy policy_ns cpu\n");
		return 0;
	}
	if (stats_p(s->private, id, &p))
		return SEQ_SKIP;
	seq_printf(s, "%u %s ", id, debugfs_name(states, ARRAY_SIZE(states), p.state));
	if (p.state == GSCHED_P_RUNNING || p.state == GSCHED_P_BLOCKED)
		seq_printf(s, "%u ", p.m);
	else
		seq_puts(s, "- ");
	seq_printf(s, "%llu %s %llu ", p.count,
		   debugfs_name(policies, ARRAY_SIZE(policies), p.policy), p.policy_ns);
	if (p.cpu == GSCHED_CPU_ANY)
		seq_puts(s, "-\n");
	else
		seq_printf(s, "%u\n", p.cpu);
	return 0;
}

static const struct seq_operations ps_sops = {
	.start = ps_start,
	.next = ps_next,
	.stop = table_stop,
	.show = ps_show,
};
DEFINE_SEQ_ATTRIBUTE(ps);

static void *ms_start(struct seq_file *s, loff_t *pos)
{
	return debugfs_at(*pos, ((struct gsched_domain *)s->private)->max_m);
}

static void *ms_next(struct seq_file *s, void *v, loff_t *pos)
{
	++*pos;
	return ms_start(s, pos);
}

static int ms_show(struct seq_file *s, void *v)
{
	static const char * const states[] = {
		[GSCHED_M_FREE] = "FREE",
		[GSCHED_M_ON] = "ON",
		[GSCHED_M_PARKED] = "PARKED",
		[GSCHED_M_WAITING] = "WAITING",
		[GSCHED_M_DEAD] = "DEAD",
	};
	u32 id = (uintptr_t)v - 2;
	struct gsched_info_m m;

	if ((uintptr_t)v == 1) {
		seq_puts(s, "M tid state p flags goid blocked_ns lost_ns granted_ns\n");
		return 0;
	}
	if (stats_m(s->private, id, &m))
		return SEQ_SKIP;
	seq_printf(s, "%u %u %s ", id, m.tid, debugfs_name(states, ARRAY_SIZE(states), m.state));
	if (m.p)
		seq_printf(s, "%u ", m.p - 1);
	else
		seq_puts(s, "- ");
	seq_printf(s, "%s%s%s%s%s ", m.flags ? "" : "-",
		   m.flags & GSCHED_INFO_M_LOST ? "L" : "",
		   m.flags & GSCHED_INFO_M_PERMIT ? "U" : "",
		   m.flags & GSCHED_INFO_M_PRIVATE ? "P" : "",
		   m.flags & GSCHED_INFO_M_HOARD ? "H" : "");
	seq_printf(s, "%llu %llu %llu %llu\n", m.goid, m.blocked_ns, m.lost_ns, m.granted_ns);
	return 0;
}

static const struct seq_operations ms_sops = {
	.start = ms_start,
	.next = ms_next,
	.stop = table_stop,
	.show = ms_show,
};
DEFINE_SEQ_ATTRIBUTE(ms);

/**
 * debugfs_add_domain() - show a domain
 * @d: domain, just set up
 *
 * Context: process.
 */
void debugfs_add_domain(struct gsched_domain *d)
{
	char name[32];

	snprintf(name, sizeof(name), "%d-%u", pid_nr(d->pid), d->id);
	d->dir = debugfs_create_dir(name, debugfs_root);
	debugfs_create_file("info", 0400, d->dir, d, &info_fops);
	debugfs_create_file("hist", 0400, d->dir, d, &hist_fops);
	debugfs_create_file("ps", 0400, d->dir, d, &ps_fops);
	debugfs_create_file("ms", 0400, d->dir, d, &ms_fops);
}

/**
 * debugfs_remove_domain() - show it no more; waits for who reads
 * @d: domain, which nobody else can reach
 *
 * Context: process.
 */
void debugfs_remove_domain(struct gsched_domain *d)
{
	debugfs_remove(d->dir);
}

/** debugfs_module_init() - make the folder of all domains */
void debugfs_module_init(void)
{
	debugfs_root = debugfs_create_dir("gsched", NULL);
}

/** debugfs_module_exit() - remove it; there is no domain any more */
void debugfs_module_exit(void)
{
	debugfs_remove(debugfs_root);
}
