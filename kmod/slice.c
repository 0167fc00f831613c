// SPDX-License-Identifier: GPL-2.0
/*
 * slice.c - slices of time
 *
 * A domain has one timer. It ticks while any P is RUNNING, whether somebody waits or not: work that
 * is made in user space enters no kernel, so nobody could start it then (model tick). At a tick, if
 * something waits, an M that has run the same goroutine for a slice is asked to yield: its counter
 * of requests grows. A grace later, if it did not, it is sent to the border.
 *
 * A domain where no P runs has no timer. The timer stops itself, and whoever makes a P RUNNING
 * afterwards finds @ticking 0 and queues tick_work, which starts it: a timer cannot be started in
 * sched_in.
 *
 * Lock order: hrtimer_start() takes the lock of a timer base inside the domain's lock. The other
 * way round there is nothing: a callback runs with its base unlocked. Timers of hard interrupts
 * raise no soft interrupt, so nobody is woken by it either.
 */

#include <linux/cpumask.h>
#include <linux/ktime.h>

#include "gsched.h"

/*
 * A slice is looked at so many times: an M is asked at most a slice and a quarter after it began,
 * or a quarter after something began to wait, and 400 ticks a second (10 ms) cost a CPU less than
 * one in a thousand.
 */
#define SLICE_LOOKS		4

/*
 * Short slices of many Ps and many domains must not eat the machine: all ticks together take one
 * part in so many of its time, and no domain ticks more often than each SLICE_MIN_NS. What a tick
 * takes is estimated: a measurement would count the interrupts of a host as well.
 */
#define SLICE_SHARE		50
#define SLICE_MIN_NS		(100 * NSEC_PER_USEC)
#define SLICE_COST_NS		1000	/* the interrupt and its timer */
#define SLICE_COST_P_NS	50	/* one P: up to three cache lines */

/* How many domains tick */
static atomic_t slice_ticking = ATOMIC_INIT(0);

static bool slice_is_running(const struct gsched_p *p)
{
	return GSCHED_P_WORD_STATE(READ_ONCE(p->word)) == GSCHED_P_RUNNING;
}

static bool slice_any_running(const struct gsched_domain *d)
{
	u32 i, nr_p = READ_ONCE(d->nr_p);

	for (i = 0; i < nr_p; i++)
		if (slice_is_running(&d->ps[i]))
			return true;
	return false;
}

/* The least from one tick to the next. */
static u64 slice_gap(const struct gsched_domain *d)
{
	u64 cost = SLICE_COST_NS + (u64)READ_ONCE(d->nr_p) * SLICE_COST_P_NS;
	u64 all = cost * SLICE_SHARE * atomic_read(&slice_ticking);

	return max_t(u64, SLICE_MIN_NS, div_u64(all, num_online_cpus()));
}

/* From one tick to the next when there is no reason to come earlier. */
static u64 slice_period(const struct gsched_domain *d)
{
	return max(READ_ONCE(d->slice_ns) / SLICE_LOOKS, slice_gap(d));
}

/* Is it the slice that the tick before saw: the same M since the same grant, the same goroutine? */
static bool slice_goes_on(const struct gsched_p *p)
{
	const struct gsched_slice *s = &p->slice;

	return s->word == READ_ONCE(p->word) && s->count == READ_ONCE(p->status->count) &&
	       s->schedtick == READ_ONCE(p->hint->schedtick);
}

static void slice_begin(struct gsched_p *p, u64 now)
{
	p->slice = (struct gsched_slice) {
		.word = READ_ONCE(p->word),
		.count = READ_ONCE(p->status->count),
		.schedtick = READ_ONCE(p->hint->schedtick),
		.since = now,
	};
}

/* When it is over, or, after the request to yield, the grace. */
static u64 slice_end(const struct gsched_p *p)
{
	const struct gsched_domain *d = p->domain;

	return p->slice.since + (p->slice.asked ? domain_grace(d) : READ_ONCE(d->slice_ns));
}

/*
 * The slice, or the grace after it, is over, and something waits. An M that has not taken its P up
 * is not to blame: on a machine with more to do than CPUs it would be sent to the border each time
 * before its first instruction. nopreempt is for the border to judge; whatever it does there, its
 * M has another slice.
 */
static void slice_expire(struct gsched_p *p, u64 now)
{
	struct gsched_domain *d = p->domain;
	struct gsched_m *m = NULL;
	unsigned long flags;

	rcu_read_lock();
	flags = slot_lock(d);
	if (!d->closed && slice_goes_on(p)) {
		m = d->ms[GSCHED_P_WORD_M(p->slice.word)];
		if (p->slice.asked || m->grant) {
			m = m->grant ? NULL : m;
			slice_begin(p, now);
		} else {
			machine_ask(m);
			m = NULL;
			p->slice.asked = true;
			p->slice.since = now;
		}
	}
	slot_unlock(d, flags);
	if (m)
		border_retake(m);
	rcu_read_unlock();
}

/*
 * One P at a tick. A slice that goes on while its M sleeps now and then is still the same one.
 *
 * Return: when to look at it again, U64_MAX if the period will do.
 */
static u64 slice_look(struct gsched_p *p, u64 now, bool use)
{
	if (!slice_goes_on(p)) {
		slice_begin(p, now);
	} else if (now >= slice_end(p)) {
		if (!use && !slot_has_own_use(p))
			return U64_MAX;
		slice_expire(p, now);
	}
	return slice_end(p);
}

/*
 * All Ps at a tick; the lock is taken only for those whose time is up.
 *
 * Return: when to tick next, 0: no P is RUNNING.
 */
static u64 slice_look_all(struct gsched_domain *d, u64 now)
{
	u64 next = now + slice_period(d);
	bool use = slot_any_use(d);
	bool running = false;
	u32 i, nr_p = READ_ONCE(d->nr_p);

	for (i = 0; i < nr_p; i++) {
		if (!slice_is_running(&d->ps[i]))
			continue;
		running = true;
		next = min(next, slice_look(&d->ps[i], now, use));
	}
	return running ? max(next, now + slice_gap(d)) : 0;
}

/*
 * Nothing runs: the timer stops, unless something does after all. Under the lock, so that the
 * timer is not started while its callback has not decided yet.
 */
static bool slice_stop(struct gsched_domain *d)
{
	unsigned long flags = slot_lock(d);
	bool stop;

	WRITE_ONCE(d->ticking, false);
	/* before the words are read: pairs with the cmpxchg before slot_tick() */
	smp_mb();
	stop = d->closed || !d->slice_ns || !slice_any_running(d);
	WRITE_ONCE(d->ticking, !stop);
	if (stop)
		atomic_dec(&slice_ticking);
	slot_unlock(d, flags);
	return stop;
}

static enum hrtimer_restart slice_tick(struct hrtimer *timer)
{
	struct gsched_domain *d = container_of(timer, struct gsched_domain, tick);
	u64 now = ktime_get_mono_fast_ns();
	u64 next = 0;

	WRITE_ONCE(d->ticks, d->ticks + 1);
	if (!READ_ONCE(d->closed) && READ_ONCE(d->slice_ns))
		next = slice_look_all(d, now);
	if (!next) {
		if (slice_stop(d))
			return HRTIMER_NORESTART;
		next = now + slice_period(d);
	}
	hrtimer_set_expires(timer, ns_to_ktime(next));
	return HRTIMER_RESTART;
}

/* Somebody made a P RUNNING and found that nothing ticks, or TUNE has set a slice. */
static void slice_start(struct irq_work *work)
{
	struct gsched_domain *d = container_of(work, struct gsched_domain, tick_work);
	unsigned long flags = slot_lock(d);

	if (!d->closed && d->slice_ns && !d->ticking) {
		WRITE_ONCE(d->ticking, true);
		atomic_inc(&slice_ticking);
		hrtimer_start(&d->tick, ns_to_ktime(slice_period(d)), HRTIMER_MODE_REL_HARD);
	}
	slot_unlock(d, flags);
}

/**
 * slice_init() - prepare the slices of a new domain
 * @d: domain
 */
void slice_init(struct gsched_domain *d)
{
	d->tick_work = IRQ_WORK_INIT_HARD(slice_start);
	compat_hrtimer_setup(&d->tick, slice_tick, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
}

/**
 * slice_exit() - end the slices of a domain
 * @d: domain, with no M left that could start the timer
 */
void slice_exit(struct gsched_domain *d)
{
	irq_work_sync(&d->tick_work);
	hrtimer_cancel(&d->tick);
	if (d->ticking)
		atomic_dec(&slice_ticking);
}
