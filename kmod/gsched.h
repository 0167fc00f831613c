/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gsched.h - domains, slots and Ms
 *
 * A domain owns its slots (Ps) and knows its threads (Ms). It lives as long as its file or one of
 * its Ms does. An M lives from REGISTER until its registration, an armed border and RCU readers
 * have let go of it; it holds its task, its domain and the module.
 *
 * Legend of locking letters:
 *
 * I: set before the object is published, read-only after.
 * L: domain->lock held. A reader that may err looks without it.
 * W: one atomic word, changed only by cmpxchg, as slot.c says; with the lock held as well, unless
 *    it is its owner falling asleep or waking.
 * S: only by the M itself, in its own context (which includes its sched_out and sched_in), and by
 *    the reaper once its thread is dead.
 * A: a flag bit, changed by atomic bit operations.
 * T: by the callback of the domain's slice timer alone.
 * U: written by user space in a hint page: read once, never believed.
 *
 * domain->lock is a raw spinlock, taken with interrupts off: from system calls, task work, hard
 * irq_work and hard timers, never from sched_out or sched_in. It nests inside nothing of ours and
 * nothing is locked, woken or allocated under it: who is to be woken is returned by the functions
 * of slot.c and woken after the unlock, inside one RCU read section.
 */
#ifndef GSCHED_GSCHED_H
#define GSCHED_GSCHED_H

#include <linux/bitmap.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/pid.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/gsched.h>

#include "compat.h"

struct dentry;
struct gsched_domain;
struct gsched_m;

/* How long a P with use may stay with a sleeper at the most (protocol 3) */
#define GSCHED_ASKED_NS	(10ULL * NSEC_PER_MSEC)

/* The slice of a new domain */
#define GSCHED_SLICE_NS	(10ULL * NSEC_PER_MSEC)

/* What happened to Ms in their own context: counted by each CPU; see struct gsched_info_domain. */
struct gsched_m_stats {
	u64 blocks;
	u64 takebacks;
	u64 blocks_nopreempt;
	u64 lost;
	u64 excess_exit;
	u64 excess_step;
	u64 excess_traced;
	u64 excess_cooperative;
	u64 excess_signal;
	u64 excess_timer;
	u64 retakes;
	u64 retakes_kept;
	u64 retakes_nopreempt;
	u64 border_kicks;
};

/* What happened under the lock. */
struct gsched_stats {
	u64 handoffs;
	u64 grants_waiting;
	u64 grants_parked;
	u64 parks;
	u64 park_again;
	u64 unparks;
	u64 permits;
	u64 wakes;
	u64 wakes_again;
	u64 switches;
	u64 deaths;
	u64 stops;
	u64 stop_ns;
	u64 stop_max_ns;
	u64 resizes;
	u64 preempts;
	u64 looks;
	u64 looks_late;
	u64 handoffs_late;
};

/* What the slice timer knows of a P from its last tick. */
struct gsched_slice {
	u64 word;	/* RUNNING(m), of this hand-over count and running this goroutine */
	u64 count;
	u64 since;	/* when that began, or when m was asked to yield */
	u32 schedtick;
	bool asked;
};

struct gsched_p {
	u64			word;		/* W: GSCHED_P_WORD(state, m) */
	struct gsched_p_status	*status;	/* I: its copy, in the status pages */
	struct gsched_p_hint	*hint;		/* I: its words are U */
	struct gsched_domain	*domain;	/* I: alive while an M is */
	u32			id;		/* I */
	u32			policy;		/* L: enum gsched_policy; hooks look without */
	u32			cpu;		/* L: where its M should run, or GSCHED_CPU_ANY */
	u64			policy_ns;	/* L: the policy's delay; hooks look without */
	u64			due;		/* L: when @later will look; hooks look without */
	u64			passed_since;	/* L: when the pool was first passed by */
	struct irq_work		handoff;	/* I: hooks_handoff(), queued by sched_out */
	struct hrtimer		later;		/* I: hooks_later() */
	struct gsched_slice	slice;		/* T */
} ____cacheline_aligned_in_smp;

/* Bits of gsched_m.flags */
enum {
	M_BORDER,	/* it has queued its border's work, which holds a reference */
	M_SENT,		/* somebody else has, or is about to */
	M_LOST,		/* it had a P and lost it; neither WAITING nor FREE */
	M_RESTART,	/* LOST by a signal in PARK, which restarts: no user code runs in between */
	M_RETAKE,	/* the border is asked for its P, if anybody wants that */
};

struct gsched_m {
	struct preempt_notifier	notifier;	/* I */
	struct gsched_domain	*domain;	/* I: holds a reference */
	struct gsched_p		*p;		/* S: the slot it holds, or NULL */
	struct gsched_m_status	*status;	/* I: in the status pages */
	struct gsched_m_hint	*hint;		/* I: its words are U */
	unsigned long		flags;		/* A: M_* */
	bool			in_wait;	/* S: in a wait of ours: the hooks do nothing */
	u64			hoard_ns;	/* S: since when it sleeps with nopreempt, or 0 */
	s64			sleep_ns;	/* S: how long it slept of late: policy_learn() */
	u64			lost_ns;	/* S: when it woke without its P; 0: it has one */
	u64			excess_ns;	/* S: since when it is on a CPU without a P, or 0 */
	u64			excess_sum_ns;	/* S: how long it was so before that */

	struct gsched_p		*grant;		/* L: a slot given to it, not taken up yet */
	struct gsched_p		*last_p;	/* L: the slot it was given last */
	struct list_head	link;		/* L: on one of the domain's lists, by its state */
	unsigned int		cpu;		/* L: where it PARKED */
	u64			seq;		/* L: its turn among the WAITING, 0: none yet */
	u8			state;		/* L: enum gsched_m_state */
	bool			private;	/* L: PARKED, but not in the pool */
	bool			permit;		/* L: an UNPARK came while it was not PARKED */
	bool			made;		/* L: counts in domain->nmade */
	bool			lent;		/* L: counts in domain->nlent */

	u32			id;		/* I */
	struct task_struct	*task;		/* I: holds a reference */
	struct wait_queue_head	wq;		/* for the synchronous wake-up of SWITCH */
	struct wait_queue_entry	wqe;		/* I: its one entry, on wq all the time */
	struct callback_head	border;		/* S: queued while M_BORDER is set */
	struct callback_head	sent;		/* by whoever won M_SENT */
	struct file		*file;		/* S: or, in its place, the file that is put */
	struct hrtimer		timer;		/* I: border_timer() */
	struct llist_node	reap;		/* by its last sched_out */
	struct kref		ref;
	struct rcu_work		free;
};

#define GSCHED_NR_HIST	(GSCHED_HIST_EXCESS + 1)

struct gsched_domain {
	raw_spinlock_t		lock;
	bool			closed;		/* L: nothing changes any more */

	struct gsched_p		*ps;		/* I: max_p of them, those from nr_p on DEAD */
	struct gsched_m		**ms;		/* L: by id, max_m of them */
	unsigned long		*ids;		/* L: which ids are taken */
	u32			nr_p;		/* L: changed by RESIZE */
	u32			max_p;		/* I */
	u32			max_m;		/* I */
	u32			spare;		/* L */
	u64			slice_ns;	/* L: 0: no slices */
	u64			grace_ns;	/* L: 0: follows from the slice: domain_grace() */
	bool			ticking;	/* L: the slice timer is started */
	u64			ticks;		/* T: how often it ticked */
	struct irq_work		tick_work;	/* I: slice_start() */
	struct hrtimer		tick;		/* I: slice_tick() */
	u64			m_status_offset; /* I: as SETUP told */
	u64			m_hint_offset;	/* I */

	struct gsched_status	*status;	/* I: the mapped pages; counts in them are L */
	struct gsched_hint	*hint;		/* I: the mapped pages: U */

	struct list_head	waiting;	/* L: WAITING Ms, the longest first */
	struct list_head	parked;		/* L: PARKED Ms of the pool, the last first */
	struct list_head	private;	/* L: the other PARKED Ms */
	u64			next_seq;	/* L: last turn given out */
	u32			nprivate;	/* L */
	u32			nlent;		/* L: Ms that a signal let out of PARK */
	u32			making;		/* L: Ms announced, which have not REGISTERed yet */
	u32			nmade;		/* L: those that have, and not PARKed yet */
	struct gsched_m		*stopper;	/* L: whose stop of the world is in force */
	struct gsched_p		*exempt;	/* L: its P, which the stop leaves alone */
	u32			nstopped;	/* L: STOPPED Ps */
	u64			stop_since;	/* L: when the stop began */
	u64			stop_insist;	/* L: when to send the others to the border */
	bool			break_poll;	/* L: a P had use and there was no M: tell poll() */
	struct gsched_stats	stats;		/* L */
	struct gsched_m_stats __percpu *m_stats; /* I: counted up by stats_inc() */
	struct gsched_info_hist	hist[GSCHED_NR_HIST]; /* L: by enum gsched_hist */

	struct llist_head	reap;		/* dead Ms */
	struct irq_work		reaper;		/* I: domain_reap() */
	struct irq_work		poll_work;	/* I: domain_poll_work(); not hard: wakes poll_wq */
	struct wait_queue_head	poll_wq;

	u32			id;		/* I: number, for who looks from outside */
	struct dentry		*dir;		/* I: its folder in debugfs */
	struct pid		*pid;		/* I: thread group that opened the file */
	struct mm_struct	*mm;		/* I: its memory, held by mmgrab() */
	u32			user;		/* I: real user who opened it, counted */
	struct mutex		setup;		/* one SETUP */
	bool			ready;		/* SETUP is done: store-release, load-acquire */
	struct page		**pages;	/* I: of status, then of hint */
	u32			nr_status_pages; /* I */
	u32			nr_hint_pages;	/* I */
	struct kref		ref;
};

/* Which tells our notifiers from those of others. */
extern struct preempt_ops gsched_preempt_ops;
extern struct workqueue_struct *gsched_wq;

/* Is SETUP done? The load pairs with the release in domain_setup(): the tables are there then. */
static inline bool gsched_is_ready(const struct gsched_domain *d)
{
	return smp_load_acquire(&d->ready); /* release: domain_setup() */
}

/* The M that the current thread is, or NULL. Only the thread itself changes its list. */
static inline struct gsched_m *gsched_current(void)
{
	struct preempt_notifier *pn;

	hlist_for_each_entry(pn, &current->preempt_notifiers, link)
		if (pn->ops == &gsched_preempt_ops)
			return container_of(pn, struct gsched_m, notifier);
	return NULL;
}

/*
 * Count what happens to an M in its own context, or because of it. One instruction without a lock,
 * wherever it is.
 */
#define stats_inc(d, what)	this_cpu_inc((d)->m_stats->what)

/* Something has taken @ns. Under the lock. */
static inline void stats_took(struct gsched_domain *d, enum gsched_hist which, u64 ns)
{
	struct gsched_info_hist *h = &d->hist[which];
	u32 bucket = ns ? fls64(ns) - 1 : 0;

	h->count++;
	h->sum_ns += ns;
	h->max_ns = max(h->max_ns, ns);
	h->bucket[min_t(u32, bucket, GSCHED_HIST_BUCKETS - 1)]++;
}

/* slot.c */
unsigned long slot_lock(struct gsched_domain *d);
void slot_unlock(struct gsched_domain *d, unsigned long flags);
bool slot_block(struct gsched_p *p, struct gsched_m *m);
bool slot_return(struct gsched_p *p, struct gsched_m *m);
bool slot_has_use(struct gsched_p *p, bool stopped);
bool slot_has_own_use(const struct gsched_p *p);
bool slot_any_use(const struct gsched_domain *d);
bool slot_is_of(const struct gsched_p *p, const struct gsched_m *m);
struct gsched_m *slot_serve(struct gsched_domain *d);
struct gsched_m *slot_hand(struct gsched_p *p);
struct gsched_m *slot_hand_blocked(struct gsched_p *p);
bool slot_retake(struct gsched_m *m, struct gsched_m **w);
struct gsched_m *slot_wake(struct gsched_domain *d, bool *done, bool *nobody);
struct gsched_m *slot_park(struct gsched_m *m, const u32 *word, u32 expected, bool *again);
bool slot_switch(struct gsched_m *m, struct gsched_m *x);
void slot_wait(struct gsched_m *m);
void slot_unlist(struct gsched_m *m, enum gsched_m_state state);
void slot_stop(struct gsched_m *m);
bool slot_world_stopped(const struct gsched_m *m);
void slot_start(struct gsched_domain *d);
struct gsched_m *slot_restart(struct gsched_p *p);
void slot_resize(struct gsched_m *m, u32 nr_p);

/* machine.c */
struct gsched_m *machine_new(struct gsched_domain *d, bool made);
void machine_put(struct gsched_m *m);
void machine_unlock_and_wake(struct gsched_domain *d, unsigned long flags, struct gsched_m *w);
void machine_restart(struct gsched_domain *d);
void machine_detach(struct gsched_m *m);
void machine_reap(struct gsched_m *m);
u64 machine_deadline(u64 ns);
int machine_sleep(struct gsched_m *m, u64 deadline_ns);
bool machine_leave_wait(struct gsched_m *m, enum gsched_m_state state);
void machine_publish(struct gsched_m *m);
void machine_lost_p(struct gsched_m *m, u64 now);
void machine_join(struct gsched_m *m, unsigned long *flags);
int machine_park(struct gsched_m *m, const struct gsched_park *arg);
int machine_unpark(struct gsched_domain *d, u32 id);
int machine_wake(struct gsched_domain *d);
int machine_switch(struct gsched_m *m, u32 id);
int machine_release(struct gsched_m *m);
int machine_acquire(struct gsched_m *m, u64 deadline_ns);
void machine_ask(struct gsched_m *m);
int machine_preempt(struct gsched_domain *d, u32 id);
int machine_make(struct gsched_domain *d, s32 n);

/* monitor.c */
int monitor_stop(struct gsched_m *m, struct gsched_stop *arg);
int monitor_start(struct gsched_m *m);
int monitor_resize(struct gsched_m *m, u32 nr_p);

/* border.c */
int border_init(struct gsched_m *m);
void border_free(struct gsched_m *m);
void border_arm(struct gsched_m *m);
void border_retake(struct gsched_m *m);
void border_leave_call(struct gsched_m *m);
void border_run(struct gsched_m *m, int bit, bool last);
int border_module_init(void);
void border_module_exit(void);

/* border_file.c */
int border_file_make(struct gsched_m *m);
void border_file_drop(struct gsched_m *m);
bool border_file_may_add(const struct gsched_m *m);
int border_file_add(struct gsched_m *m);
void border_file_kick(struct gsched_m *m);
int border_file_module_init(void);
void border_file_module_exit(void);

/* Why an M may pass the border without a P; see trace.h. */
enum border_pass {
	BORDER_STOPS,
	BORDER_PASS_EXIT,
	BORDER_PASS_COOPERATIVE,
	BORDER_PASS_STEP,
	BORDER_PASS_TRACED,
	BORDER_PASS_SIGNAL,
};

/* What became of a P that was asked back from an M that runs; see trace.h. */
enum border_retake {
	RETAKE_TAKEN,
	RETAKE_UNWANTED,
	RETAKE_PASSES,
	RETAKE_NOPREEMPT,
};

/* slice.c */
void slice_init(struct gsched_domain *d);
void slice_exit(struct gsched_domain *d);

/* hooks.c */
void hooks_init_p(struct gsched_p *p);
void hooks_retune(struct gsched_p *p);
void hooks_sync_p(struct gsched_p *p);
void hooks_attach(struct gsched_m *m);

/* policy.c */
u64 policy_delay(const struct gsched_p *p, const struct gsched_m *m);
u64 policy_slack(const struct gsched_p *p, u64 delay);
void policy_learn(const struct gsched_p *p, struct gsched_m *m, u64 now);

/* domain.c */
struct gsched_domain *domain_open(void);
void domain_put(struct gsched_domain *d);
bool domain_is_mine(const struct gsched_domain *d);
int domain_setup(struct gsched_domain *d, struct gsched_setup *arg);
int domain_tune(struct gsched_domain *d, const struct gsched_tune *arg);
u64 domain_grace(const struct gsched_domain *d);
int domain_register(struct gsched_domain *d, struct gsched_register *arg);
void domain_close(struct gsched_domain *d);
int domain_mmap(struct gsched_domain *d, struct vm_area_struct *vma);

/* stackmap.c */
int stackmap_mmap(struct vm_area_struct *vma);
int stackmap_module_init(void);
void stackmap_module_exit(void);

/* stats.c */
void stats_domain(struct gsched_domain *d, struct gsched_info_domain *info);
int stats_p(struct gsched_domain *d, u32 id, struct gsched_info_p *info);
int stats_m(struct gsched_domain *d, u32 id, struct gsched_info_m *info);
int stats_hist(struct gsched_domain *d, u32 which, struct gsched_info_hist *info);
int stats_info(struct gsched_domain *d, struct gsched_info *arg);

/* debugfs.c */
void debugfs_add_domain(struct gsched_domain *d);
void debugfs_remove_domain(struct gsched_domain *d);
void debugfs_module_init(void);
void debugfs_module_exit(void);

#endif /* GSCHED_GSCHED_H */
