// SPDX-License-Identifier: GPL-2.0
/*
 * slot.c - the state machine of the Ps
 *
 * Every change of a P's owner is here and nowhere else. There are three kinds:
 *
 * - slot_block() and slot_return(): the owner falls asleep and wakes first. One cmpxchg, no lock:
 *   this is the path that every sleep of every M takes.
 * - giving up a P (slot_vacate(), then slot_hand(), slot_park() or slot_switch()): by the owner in
 *   its own context, or by the reaper for a dead one, under the lock.
 * - slot_grant() and slot_halt(): an IDLE or BLOCKED P gets a new owner, or is STOPPED, under the
 *   lock and by cmpxchg: against slot_return() a check and a plain store would make two owners.
 *
 * A stop of the world is part of that: while it is in force nothing is granted, and a P that is
 * given up is STOPPED instead of IDLE. The stopper's P is exempt: nobody takes it, even BLOCKED.
 *
 * So a P leaves an M only in that M's own context or while it sleeps in the kernel. The entry
 * protocol of the library rests on this.
 *
 * Nothing runnable is left lying (protocol 4) because both sides publish, have a full barrier, and
 * then look. Where a function here is the one half of such a pair, it says what the other half is.
 *
 * This file calls nobody else of the module, so that it can be read, and tested, alone.
 */

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/smp.h>

#include "gsched.h"
#include "trace.h"

#define for_each_p(_d, _p) \
	for (_p = (_d)->ps; _p < (_d)->ps + (_d)->nr_p; _p++)

static u64 word_of(enum gsched_p_state state, const struct gsched_m *m)
{
	return GSCHED_P_WORD(state, m->id);
}

/* ---- The lock, and the counts that follow from what was done under it ---- */

/*
 * How many more Ms the domain could use (protocol 4): the spare ones, and, after a P had use and
 * found none, as many as there are IDLE Ps; less those there are or will be. An M that a signal
 * let out of PARK comes back there, so it still counts. A stopped world needs none.
 */
static s32 slot_wanted(const struct gsched_domain *d)
{
	const struct gsched_status *st = d->status;
	u32 need = d->spare + (st->starved ? max(1U, st->nidle) : 0);

	if (d->stopper)
		need = 0;
	return (s32)need - (s32)(st->nparked + d->nlent + d->making + d->nmade);
}

/**
 * slot_lock() - take the domain's lock
 * @d: domain
 *
 * Return: the interrupt flags for slot_unlock().
 */
unsigned long slot_lock(struct gsched_domain *d)
	__acquires(&d->lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&d->lock, flags);
	return flags;
}

/**
 * slot_unlock() - publish how many Ms are wanted and drop the domain's lock
 * @d: domain
 * @flags: what slot_lock() returned
 *
 * Wakes poll() when more are wanted than before, or when a P had use and found no M: then the M
 * that sleeps in the poller is the last one that could run the work.
 */
void slot_unlock(struct gsched_domain *d, unsigned long flags)
	__releases(&d->lock)
{
	s32 wanted = slot_wanted(d);
	bool tell = d->break_poll || (wanted > 0 && wanted > d->status->wanted);

	d->break_poll = false;
	WRITE_ONCE(d->status->wanted, wanted);
	if (tell)
		irq_work_queue(&d->poll_work);
	raw_spin_unlock_irqrestore(&d->lock, flags);
}

/* ---- Hints: what user space says there is to do. Read once, never believed ---- */

static bool hint_own(const struct gsched_p *p)
{
	const struct gsched_p_hint *h = p->hint;

	return READ_ONCE(h->head) != READ_ONCE(h->tail) || READ_ONCE(h->runnext);
}

static bool hint_global(const struct gsched_domain *d)
{
	return READ_ONCE(d->hint->gqlen);
}

/*
 * A bit may be stale: it counts only if that P's ring or runnext is not empty. A sleeper looks
 * without the lock, and may see the number of Ps as it was before a RESIZE: all max_p of them
 * exist, and START looks again.
 */
static bool hint_others(const struct gsched_domain *d, const struct gsched_p *p)
{
	u32 nr_p = READ_ONCE(d->nr_p);
	u32 base, id;

	for (base = 0; base < nr_p; base += 64) {
		u64 bits = READ_ONCE(d->hint->has_work[base / 64]);

		for (; bits; bits &= bits - 1) {
			id = base + __builtin_ctzll(bits);
			if (id < nr_p && &d->ps[id] != p && hint_own(&d->ps[id]))
				return true;
		}
	}
	return false;
}

/* Timers or I/O to wait for, and nobody does. */
static bool hint_poll(const struct gsched_domain *d)
{
	const struct gsched_hint *h = d->hint;

	return !READ_ONCE(h->npolling) && (READ_ONCE(h->next_when) || READ_ONCE(h->niowait));
}

/*
 * Is there anything to do for a P, besides its own queue? @p: that P, or NULL for any. The rings of
 * others are seen to by a spinning M, or an IDLE P, if there is one.
 */
static bool slot_has_use_elsewhere(const struct gsched_domain *d, const struct gsched_p *p)
{
	if (hint_global(d))
		return true;
	if (!READ_ONCE(d->hint->nspinning) && !READ_ONCE(d->status->nidle) && hint_others(d, p))
		return true;
	return hint_poll(d);
}

/**
 * slot_has_use() - has anybody use for a BLOCKED P?
 * @p: slot
 * @stopped: its M is stopped or traced: only WAITING Ms count, the rest after 10 ms
 *
 * The conditions here and in the library's handoffp() must agree (R33, protocol 3.4): true
 * whenever findrunnable() would find something to do with this P. A stop of the world has use for
 * every P but the stopper's, which nobody else has while it is in force.
 *
 * A sleeper that does not see the stop yet was BLOCKED before slot_stop() looked at its P.
 *
 * Context: any; with the lock held the answer is exact but for the hints.
 * Return: true if so.
 */
bool slot_has_use(struct gsched_p *p, bool stopped)
{
	const struct gsched_domain *d = p->domain;
	const struct gsched_status *st = d->status;

	if (READ_ONCE(st->stw))
		return p != READ_ONCE(d->exempt);
	if (READ_ONCE(st->nwaiting))
		return true;
	if (stopped)
		return false;
	return hint_own(p) || slot_has_use_elsewhere(d, p);
}

/**
 * slot_has_own_use() - is a P needed for what concerns it alone?
 * @p: slot
 *
 * That is its own queue, or a stop of the world.
 *
 * Return: true if so.
 */
bool slot_has_own_use(const struct gsched_p *p)
{
	const struct gsched_domain *d = p->domain;

	if (READ_ONCE(d->status->stw))
		return p != READ_ONCE(d->exempt);
	return hint_own(p);
}

/**
 * slot_any_use() - has anybody use for a P, whichever P that is?
 * @d: domain
 *
 * With slot_has_own_use() this is slot_has_use() for many Ps at once: it reads the rings of others
 * one time for all.
 *
 * Return: true if so.
 */
bool slot_any_use(const struct gsched_domain *d)
{
	const struct gsched_status *st = d->status;

	if (READ_ONCE(st->stw))
		return false;
	return READ_ONCE(st->nwaiting) || slot_has_use_elsewhere(d, NULL);
}

/* ---- The M side of a change: lists and states, under the lock ---- */

static struct gsched_m *oldest_waiting(struct gsched_domain *d)
{
	return list_first_entry_or_null(&d->waiting, struct gsched_m, link);
}

static struct gsched_m *last_parked(struct gsched_domain *d)
{
	return list_first_entry_or_null(&d->parked, struct gsched_m, link);
}

/*
 * The last PARKED M that parked on a CPU: it starts there without an interrupt of another CPU. Few
 * are looked at; an M far down has been idle for long anyway.
 */
static struct gsched_m *last_parked_on(struct gsched_domain *d, unsigned int cpu)
{
	struct gsched_m *m;
	int tries = 8;

	list_for_each_entry(m, &d->parked, link) {
		if (m->cpu == cpu)
			return m;
		if (!--tries)
			break;
	}
	return last_parked(d);
}

/* For a P that is given up on this CPU, which is about to be free; or that has its own CPU. */
static struct gsched_m *last_parked_here(const struct gsched_p *p)
{
	return last_parked_on(p->domain,
			      p->cpu == GSCHED_CPU_ANY ? raw_smp_processor_id() : p->cpu);
}

/* The same where this CPU stays busy. */
static struct gsched_m *last_parked_for(const struct gsched_p *p)
{
	return p->cpu == GSCHED_CPU_ANY ? last_parked(p->domain) :
					  last_parked_on(p->domain, p->cpu);
}

/**
 * slot_unlist() - take an M off the list of its state and give it another
 * @m: M, in any state but DEAD
 * @state: the new state, not PARKED or WAITING
 */
void slot_unlist(struct gsched_m *m, enum gsched_m_state state)
{
	struct gsched_domain *d = m->domain;
	struct gsched_status *st = d->status;

	lockdep_assert_held(&d->lock);
	if (m->state == GSCHED_M_WAITING)
		WRITE_ONCE(st->nwaiting, st->nwaiting - 1);
	else if (m->state == GSCHED_M_PARKED && m->private)
		d->nprivate--;
	else if (m->state == GSCHED_M_PARKED)
		WRITE_ONCE(st->nparked, st->nparked - 1);
	list_del_init(&m->link);
	m->private = false;
	m->state = state;
}

static void slot_enlist_parked(struct gsched_m *m, bool private)
{
	struct gsched_domain *d = m->domain;

	m->state = GSCHED_M_PARKED;
	m->private = private;
	m->cpu = raw_smp_processor_id();
	if (private) {
		d->nprivate++;
		list_add(&m->link, &d->private);
	} else {
		WRITE_ONCE(d->status->nparked, d->status->nparked + 1);
		list_add(&m->link, &d->parked);
	}
}

/*
 * Where an M that a signal let out stands now: behind the last that came before it. The search goes
 * so many steps from both ends, for it is under the lock, and as many Ms may wait as a domain has.
 * If its place is deeper inside, it stands so far from the end this time. That does not starve it:
 * whoever comes new stands behind it, so it waits for the queue once, and should another signal let
 * it out after that, its place is at the front.
 */
#define SLOT_WAIT_STEPS 64

static struct list_head *slot_place(struct gsched_domain *d, u64 seq)
{
	int steps = SLOT_WAIT_STEPS;
	struct gsched_m *pos;

	list_for_each_entry(pos, &d->waiting, link) {
		if (pos->seq > seq)
			return pos->link.prev;
		if (!--steps)
			break;
	}
	steps = SLOT_WAIT_STEPS;
	list_for_each_entry_reverse(pos, &d->waiting, link)
		if (pos->seq < seq || !steps--)
			break;
	return &pos->link;
}

/**
 * slot_wait() - make an M WAITING, in its turn
 * @m: M without a P
 *
 * An M that a signal let out keeps the turn it had: else frequent signals would starve it. The
 * barrier is the publisher's half: nwaiting is visible before the caller's slot_serve() looks at
 * the words; the other half is slot_block(), which looks at nwaiting after it has made its word
 * BLOCKED.
 */
void slot_wait(struct gsched_m *m)
{
	struct gsched_domain *d = m->domain;

	lockdep_assert_held(&d->lock);
	slot_unlist(m, GSCHED_M_WAITING);
	if (m->seq) {
		list_add(&m->link, slot_place(d, m->seq));
	} else {
		m->seq = ++d->next_seq;
		list_add_tail(&m->link, &d->waiting);
	}
	WRITE_ONCE(d->status->nwaiting, d->status->nwaiting + 1);
	/* before the words are read: pairs with the cmpxchg in slot_block() */
	smp_mb();
}

/* ---- Changes of a P ---- */

/*
 * A word has become RUNNING, by a cmpxchg: the timer of the slices must tick. The read pairs with
 * the barrier in slice_stop(): one of the two sees the other.
 */
static void slot_tick(struct gsched_domain *d)
{
	if (unlikely(!READ_ONCE(d->ticking)) && READ_ONCE(d->slice_ns))
		irq_work_queue(&d->tick_work);
}

/* The copy in the status page: by whoever changed the word, or is the only one who can. */
static void slot_publish(struct gsched_p *p, u64 word)
{
	WRITE_ONCE(p->status->word, word);
}

/* The header's and the stop's counts of Ps follow each change. */
static void slot_count(struct gsched_domain *d, u64 word, int n)
{
	u32 state = GSCHED_P_WORD_STATE(word);

	if (state == GSCHED_P_IDLE)
		WRITE_ONCE(d->status->nidle, d->status->nidle + n);
	else if (state == GSCHED_P_STOPPED)
		WRITE_ONCE(d->nstopped, d->nstopped + n);
}

/* A change by a holder of the lock. False: the word is @old no more, nothing was done. */
static bool slot_change(struct gsched_p *p, u64 old, u64 new)
{
	struct gsched_domain *d = p->domain;

	lockdep_assert_held(&d->lock);
	if (cmpxchg(&p->word, old, new) != old)
		return false;
	slot_publish(p, new);
	slot_count(d, old, -1);
	slot_count(d, new, 1);
	return true;
}

/**
 * slot_block() - the M that holds a P is falling asleep
 * @p: slot, RUNNING(@m)
 * @m: the current thread's M
 *
 * Makes @p BLOCKED(@m). When somebody has use for it, the caller queues the slot's irq_work, where
 * it is given on: no lock may be taken and no thread woken here.
 *
 * The copy is written first: while the word says RUNNING(m) nobody but m writes either. The read
 * of the hints after the cmpxchg pairs with the read of some_blocked after the store of work in
 * the library's wakep(): one of the two sees the other.
 *
 * Context: sched_out. Run-queue lock held, interrupts off. Touches no user memory.
 * Return: true if somebody has use for the slot.
 */
bool slot_block(struct gsched_p *p, struct gsched_m *m)
{
	struct gsched_status *st = p->domain->status;
	u64 running = word_of(GSCHED_P_RUNNING, m);
	u64 blocked = word_of(GSCHED_P_BLOCKED, m);

	slot_publish(p, blocked);
	if (cmpxchg(&p->word, running, blocked) != running)
		return false;
	if (!READ_ONCE(st->some_blocked)) {
		WRITE_ONCE(st->some_blocked, 1);
		/* before the hints are read: pairs with the fence in wakep() */
		smp_mb();
	}
	return slot_has_use(p, false);
}

/**
 * slot_return() - an M that slept with a P is running again
 * @p: slot it had when it fell asleep
 * @m: the current thread's M
 *
 * Context: sched_in, interrupts on, preemption off.
 * Return: true if it still holds @p: nobody wanted it, or it never was BLOCKED.
 */
bool slot_return(struct gsched_p *p, struct gsched_m *m)
{
	u64 running = word_of(GSCHED_P_RUNNING, m);
	u64 blocked = word_of(GSCHED_P_BLOCKED, m);
	u64 word = READ_ONCE(p->word);

	if (word == running)
		return true;
	if (word != blocked || cmpxchg(&p->word, blocked, running) != blocked)
		return false;
	slot_publish(p, running);
	slot_tick(p->domain);
	return true;
}

/**
 * slot_is_of() - does a P's word name an M?
 * @p: slot
 * @m: M
 *
 * Return: true if @m holds it, awake or asleep.
 */
bool slot_is_of(const struct gsched_p *p, const struct gsched_m *m)
{
	u64 word = READ_ONCE(p->word);

	return word == word_of(GSCHED_P_RUNNING, m) || word == word_of(GSCHED_P_BLOCKED, m);
}

/* Nobody holds @p any more: the caller did, or its dead owner, or it is STOPPED or DEAD. */
static void slot_vacate(struct gsched_p *p)
{
	enum gsched_p_state state = p->domain->stopper ? GSCHED_P_STOPPED : GSCHED_P_IDLE;

	while (!slot_change(p, READ_ONCE(p->word), GSCHED_P_WORD(state, 0)))
		;
}

/* When the M of a BLOCKED word fell asleep: read while it still sleeps. */
static u64 slot_blocked_ns(const struct gsched_domain *d, u64 word)
{
	const struct gsched_m *m;

	if (GSCHED_P_WORD_STATE(word) != GSCHED_P_BLOCKED)
		return 0;
	m = d->ms[GSCHED_P_WORD_M(word)];
	return m ? READ_ONCE(m->status->blocked_ns) : ktime_get_mono_fast_ns();
}

/* @p, which was BLOCKED(@from) since @since, is given to @w. */
static void slot_count_handoff(struct gsched_p *p, u32 from, struct gsched_m *w, u64 since)
{
	struct gsched_domain *d = p->domain;
	u64 ns = ktime_get_mono_fast_ns() - since;

	d->stats.handoffs++;
	stats_took(d, GSCHED_HIST_HANDOFF, ns);
	trace_gsched_handoff(p, from, w, ns);
}

/*
 * Gives a P to an M that is PARKED or WAITING, or about to be, if it still is what it was.
 * From now on it is w's: a grant is never withdrawn, w takes it up in machine_leave_wait().
 */
static bool slot_grant(struct gsched_p *p, u64 old, struct gsched_m *w)
{
	struct gsched_domain *d = p->domain;
	u64 blocked_ns = slot_blocked_ns(d, old);

	if (!slot_change(p, old, word_of(GSCHED_P_RUNNING, w)))
		return false;
	slot_tick(d);
	WRITE_ONCE(p->status->count, p->status->count + 1);
	if (GSCHED_P_WORD_STATE(old) == GSCHED_P_BLOCKED)
		slot_count_handoff(p, GSCHED_P_WORD_M(old), w, blocked_ns);
	trace_gsched_grant(p, GSCHED_P_WORD_STATE(old), w);
	if (w->state == GSCHED_M_WAITING) {
		d->stats.grants_waiting++;
	} else if (!w->private) {
		d->stats.grants_parked++;
		p->passed_since = 0;
	}
	slot_unlist(w, GSCHED_M_ON);
	w->last_p = p;
	w->seq = 0;
	/* whoever asked for a P until now asked for the one it had before */
	clear_bit(M_RETAKE, &w->flags);
	if (p->cpu != GSCHED_CPU_ANY)
		compat_wake_cpu(w->task, p->cpu);
	WRITE_ONCE(w->status->granted_ns, ktime_get_mono_fast_ns());
	WRITE_ONCE(w->grant, p);
	return true;
}

/* Is it free for the taking: IDLE, or BLOCKED by whomever? */
static bool slot_is_free(u64 word)
{
	u32 state = GSCHED_P_WORD_STATE(word);

	return state == GSCHED_P_IDLE || state == GSCHED_P_BLOCKED;
}

/* Gives @p to @w if it is free for the taking. */
static bool slot_try(struct gsched_p *p, struct gsched_m *w)
{
	for (;;) {
		u64 word = READ_ONCE(p->word);

		if (!slot_is_free(word))
			return false;
		if (slot_grant(p, word, w))
			return true;
	}
}

static struct gsched_p *slot_find(const struct gsched_domain *d, enum gsched_p_state state)
{
	struct gsched_p *p;

	for_each_p(d, p)
		if (GSCHED_P_WORD_STATE(READ_ONCE(p->word)) == state)
			return p;
	return NULL;
}

/* A P had use and there was no M. PARK forgets it, when an M is there again. */
static void slot_starve(struct gsched_domain *d)
{
	WRITE_ONCE(d->status->starved, 1);
	d->break_poll = true;
}

/* An IDLE P for @w, the one it held last if that is IDLE. */
static struct gsched_p *slot_find_idle(const struct gsched_m *w)
{
	const struct gsched_domain *d = w->domain;

	if (!d->status->nidle)
		return NULL;
	if (w->last_p && GSCHED_P_WORD_STATE(READ_ONCE(w->last_p->word)) == GSCHED_P_IDLE)
		return w->last_p;
	return slot_find(d, GSCHED_P_IDLE);
}

/* Is there something to do for an M from the pool, other than to let a WAITING one on? */
static bool slot_has_work(const struct gsched_p *p)
{
	const struct gsched_domain *d = p->domain;

	return hint_own(p) || hint_global(d) || hint_others(d, p) || hint_poll(d);
}

/*
 * WAITING Ms could hand a P on to each other for ever: each goes on with its own goroutine, whether
 * it computes until its slice ends or blocks before, and only an M that comes from the pool looks
 * at queues and timers. So when there is such work, and @p was given to WAITING Ms in spite of it
 * since a slice ago, it is the turn of one from the pool; then it is theirs again. Without slices
 * that takes as long as the slices are at first.
 *
 * The clock is read only where @p changes hands, somebody is WAITING, and there is work.
 *
 * Return: the M whose turn it is, or NULL: that of the longest WAITING one, if there is any.
 */
static struct gsched_m *slot_turn(struct gsched_p *p)
{
	struct gsched_domain *d = p->domain;
	struct gsched_m *w;
	u64 now;

	if (!oldest_waiting(d))
		return NULL;
	if (!slot_has_work(p)) {
		p->passed_since = 0;
		return NULL;
	}
	now = ktime_get_mono_fast_ns();
	p->passed_since = p->passed_since ?: now;
	if (now - p->passed_since < (d->slice_ns ?: GSCHED_SLICE_NS))
		return NULL;
	w = last_parked_here(p);
	if (!w && !d->status->starved)
		slot_starve(d);
	return w;
}

/* Who gets @p next if anybody is WAITING; else NULL. */
static struct gsched_m *slot_next(struct gsched_p *p)
{
	return slot_turn(p) ?: oldest_waiting(p->domain);
}

/* Gives @p on, if it is free for the taking and somebody is WAITING. */
static struct gsched_m *slot_serve_from(struct gsched_p *p)
{
	struct gsched_m *w = slot_is_free(READ_ONCE(p->word)) ? slot_next(p) : NULL;

	return w && slot_try(p, w) ? w : NULL;
}

/**
 * slot_serve() - give a P that is to be had to the longest WAITING M
 * @d: domain
 *
 * Whoever makes an M WAITING calls this until it returns NULL, so that no M waits while a P is
 * IDLE or BLOCKED. An IDLE one costs nobody a trip over the border, and of both the M's last one is
 * best: its caches may be warm there. If it is the pool's turn (slot_turn()) the P goes there.
 * While the world is stopped all wait; START serves them.
 *
 * Return: the M to wake (it may be the caller), or NULL.
 */
struct gsched_m *slot_serve(struct gsched_domain *d)
{
	struct gsched_m *w = oldest_waiting(d);
	struct gsched_p *p;

	lockdep_assert_held(&d->lock);
	if (!w || d->stopper)
		return NULL;
	p = slot_find_idle(w) ?: w->last_p;
	w = p ? slot_serve_from(p) : NULL;
	if (w)
		return w;
	for_each_p(d, p) {
		w = slot_serve_from(p);
		if (w)
			return w;
	}
	return NULL;
}

/* An IDLE P: to whoever is next; if nobody waits and there is work, to the last PARKED M. */
static struct gsched_m *slot_offer(struct gsched_p *p)
{
	struct gsched_domain *d = p->domain;
	struct gsched_m *w = slot_next(p);

	/* nidle is visible before the hints are read: pairs with the fence in wakep() */
	smp_mb();
	if (!w && slot_has_work(p)) {
		w = last_parked_here(p);
		if (!w)
			slot_starve(d);
	}
	if (w)
		slot_grant(p, GSCHED_P_WORD(GSCHED_P_IDLE, 0), w);
	return w;
}

/* A P has stopped. With the last one the stop is complete: returns the stopper if it sleeps. */
static struct gsched_m *slot_has_stopped(struct gsched_domain *d)
{
	u64 took;

	if (d->nstopped < d->nr_p - 1)
		return NULL;
	took = ktime_get_mono_fast_ns() - d->stop_since;
	d->stats.stop_ns += took;
	d->stats.stop_max_ns = max(d->stats.stop_max_ns, took);
	trace_gsched_stopped(d->stopper, took);
	return d->stopper->in_wait ? d->stopper : NULL;
}

/**
 * slot_hand() - give up a P for good: hand(p) of protocol 2
 * @p: slot that the caller owns, or whose owner is dead
 *
 * Return: the M to be woken: the one that has it now, or the stopper of the world, whose stop this
 * was the last P of; or NULL.
 */
struct gsched_m *slot_hand(struct gsched_p *p)
{
	slot_vacate(p);
	return p->domain->stopper ? slot_has_stopped(p->domain) : slot_offer(p);
}

/* Does anybody want a P whose M runs? Not one that is needed only to have a P IDLE. */
static bool slot_is_wanted(struct gsched_p *p)
{
	struct gsched_domain *d = p->domain;

	if (d->stopper)
		return p != d->exempt;
	if (d->status->nwaiting)
		return true;
	if (!slot_has_use(p, false))
		return false;
	if (!d->status->nparked)
		slot_starve(d);
	return d->status->nparked;
}

/**
 * slot_retake() - give up the P of an M that runs, if anybody wants it
 * @m: the current thread's M, which holds a P
 * @w: out, the M that has it now, to be woken; NULL if nobody has
 *
 * The P goes on before @m can join the WAITING Ms, so that @m is the last of them.
 *
 * Return: true if @m has no P any more; false: it keeps it, for nobody wants it, or there is work
 * for another M but none to do it: then that is made known.
 */
bool slot_retake(struct gsched_m *m, struct gsched_m **w)
{
	struct gsched_p *p = m->p;

	lockdep_assert_held(&m->domain->lock);
	*w = NULL;
	if (!slot_is_wanted(p))
		return false;
	m->p = NULL;
	*w = slot_hand(p);
	return true;
}

/*
 * A BLOCKED P. When there is none, some_blocked is cleared, so that enqueuers need not call; a
 * sleeper may have made its word BLOCKED in between and seen some_blocked still set, hence the
 * second look (protocol 4).
 */
static struct gsched_p *slot_find_blocked(struct gsched_domain *d)
{
	struct gsched_p *p = slot_find(d, GSCHED_P_BLOCKED);

	if (p)
		return p;
	WRITE_ONCE(d->status->some_blocked, 0);
	/* before the words are read again: pairs with the cmpxchg in slot_block() */
	smp_mb();
	p = slot_find(d, GSCHED_P_BLOCKED);
	if (p)
		WRITE_ONCE(d->status->some_blocked, 1);
	return p;
}

/* STOPPED, if it is free for the taking and not the stopper's. */
static bool slot_halt(struct gsched_p *p)
{
	for (;;) {
		u64 word = READ_ONCE(p->word);

		if (!slot_is_free(word) || p == p->domain->exempt)
			return false;
		if (slot_change(p, word, GSCHED_P_WORD(GSCHED_P_STOPPED, 0)))
			return true;
	}
}

/**
 * slot_hand_blocked() - give a BLOCKED P on, for somebody has use for it
 * @p: slot
 *
 * If its M came back first, nothing happens. With no M to give it to it stays BLOCKED, which
 * spares the sleeper a trip over the border. While the world is being stopped it is STOPPED.
 *
 * Return: the M to wake, or NULL.
 */
struct gsched_m *slot_hand_blocked(struct gsched_p *p)
{
	struct gsched_domain *d = p->domain;
	u64 word = READ_ONCE(p->word);
	struct gsched_m *w;

	lockdep_assert_held(&d->lock);
	if (GSCHED_P_WORD_STATE(word) != GSCHED_P_BLOCKED)
		return NULL;
	if (d->stopper)
		return slot_halt(p) ? slot_has_stopped(d) : NULL;
	w = slot_next(p) ?: last_parked_here(p);
	if (!w) {
		slot_starve(d);
		return NULL;
	}
	if (!slot_grant(p, word, w))
		return NULL;
	/* @w looks at some_blocked before it runs anything: spare it a WAKE that finds nobody. */
	slot_find_blocked(d);
	return w;
}

/**
 * slot_wake() - one step of WAKE: there is work, get an M to look for it
 * @d: domain
 * @done: out, no further step is needed
 * @nobody: out, there is a P and no M for it
 *
 * WAITING Ms are served first, unless it is the pool's turn; then one PARKED M gets an IDLE or a
 * BLOCKED P. While the world is stopped there is nothing to do: START looks at the hints for every
 * P.
 *
 * Return: the M to wake, or NULL.
 */
struct gsched_m *slot_wake(struct gsched_domain *d, bool *done, bool *nobody)
{
	struct gsched_m *w;
	struct gsched_p *p;

	lockdep_assert_held(&d->lock);
	for (;;) {
		*done = true;
		if (d->stopper)
			return NULL;
		p = d->status->nidle ? slot_find(d, GSCHED_P_IDLE) : slot_find_blocked(d);
		if (!p)
			return NULL;
		/* WAITING Ms before PARKED ones, even if @p was BLOCKED this moment */
		w = slot_next(p) ?: last_parked_for(p);
		*done = !w || w->state == GSCHED_M_PARKED;
		if (!w) {
			slot_starve(d);
			*nobody = true;
			return NULL;
		}
		if (slot_try(p, w))
			return w;
	}
}

/* Something for an M that is about to sleep in the pool, as findrunnable() would find it. */
static bool slot_pool_has_use(const struct gsched_domain *d)
{
	if (hint_global(d))
		return true;
	if (!READ_ONCE(d->hint->nspinning) && hint_others(d, NULL))
		return true;
	return hint_poll(d);
}

/* Its own P if that is IDLE still, else an IDLE one, else, after starvation, a BLOCKED one. */
static void slot_take_any(struct gsched_domain *d, struct gsched_m *m, struct gsched_p *own)
{
	struct gsched_p *p;

	if (own && slot_try(own, m))
		return;
	p = slot_find(d, GSCHED_P_IDLE);
	if (p) {
		slot_try(p, m);
		return;
	}
	for_each_p(d, p)
		if (slot_try(p, m))
			return;
}

/**
 * slot_park() - the P's part of PARK: give it up, publish, look again
 * @m: the current thread's M, FREE or ON, with m->private set as it wants to be PARKED
 * @word: word to compare, or NULL
 * @expected: what it must hold
 * @again: out, do not sleep: look again
 *
 * The look comes after the P is IDLE and the M PARKED, with a full barrier between: an enqueuer
 * that saw neither has stored its work before the look. If there is work for it, or @word differs,
 * the M gets a P again (its own if it had one: the lock is held all the time): m->grant is set.
 * Only an M that had none and finds @word changed comes out without: it waits at the border. So
 * does any M that finds it changed while the world is stopped: there is no P to be had, and START
 * is who looks for work.
 *
 * Return: an M to wake, never @m itself, or NULL.
 */
struct gsched_m *slot_park(struct gsched_m *m, const u32 *word, u32 expected, bool *again)
{
	struct gsched_domain *d = m->domain;
	struct gsched_p *p = m->p;
	struct gsched_m *w;

	lockdep_assert_held(&d->lock);
	m->p = NULL;
	slot_enlist_parked(m, m->private);
	if (p)
		slot_vacate(p);
	/* PARKED and IDLE before the look: pairs with the fence in wakep() */
	smp_mb();
	*again = word && READ_ONCE(*word) != expected;
	if (d->stopper)
		return p ? slot_has_stopped(d) : NULL;
	if (*again) {
		if (p)
			slot_try(p, m);
		return NULL;
	}
	if (m->private)
		return p ? slot_offer(p) : NULL;

	w = p ? oldest_waiting(d) : NULL;
	if (w)
		slot_grant(p, GSCHED_P_WORD(GSCHED_P_IDLE, 0), w);
	if ((d->status->nidle || d->status->starved) && slot_pool_has_use(d))
		slot_take_any(d, m, p);
	WRITE_ONCE(d->status->starved, 0);
	*again = m->grant;
	return w;
}

/**
 * slot_switch() - hand the P of an M to a certain other one
 * @m: the current thread's M, which holds a P
 * @x: another M
 *
 * Return: true if @x was PARKED or WAITING and has the P now; @m is then PARKED in the pool. False:
 * nothing changed, as always while the world is stopped.
 */
bool slot_switch(struct gsched_m *m, struct gsched_m *x)
{
	struct gsched_p *p = m->p;

	lockdep_assert_held(&m->domain->lock);
	if (m->domain->stopper)
		return false;
	if (x->state != GSCHED_M_PARKED && x->state != GSCHED_M_WAITING)
		return false;
	slot_grant(p, word_of(GSCHED_P_RUNNING, m), x);
	m->p = NULL;
	slot_enlist_parked(m, false);
	return true;
}

/* ---- The world ---- */

/**
 * slot_stop() - begin a stop of the world
 * @m: the current thread's M, the stopper, which holds a P
 *
 * The stop is published, then IDLE and BLOCKED Ps are taken. Whoever holds one of those that are
 * left gives it up by itself, is asked to, or falls asleep and sees the stop.
 */
void slot_stop(struct gsched_m *m)
{
	struct gsched_domain *d = m->domain;
	struct gsched_p *p;

	lockdep_assert_held(&d->lock);
	d->stopper = m;
	d->stop_since = ktime_get_mono_fast_ns();
	trace_gsched_stop(m);
	WRITE_ONCE(d->exempt, m->p);
	WRITE_ONCE(d->status->stw, 1);
	/* before the words are read: pairs with the cmpxchg in slot_block() */
	smp_mb();
	for_each_p(d, p)
		slot_halt(p);
	slot_has_stopped(d);
}

/**
 * slot_world_stopped() - is a stop complete?
 * @m: M
 *
 * Context: any; with the lock held the answer stays true, as long as @m does nothing.
 * Return: true if @m stopped the world and every P but its own is STOPPED.
 */
bool slot_world_stopped(const struct gsched_m *m)
{
	const struct gsched_domain *d = m->domain;

	return READ_ONCE(d->stopper) == m && READ_ONCE(d->nstopped) == READ_ONCE(d->nr_p) - 1;
}

/**
 * slot_start() - a stop of the world ends
 * @d: domain
 *
 * The caller then calls slot_restart() for every P.
 */
void slot_start(struct gsched_domain *d)
{
	lockdep_assert_held(&d->lock);
	trace_gsched_start(d->stopper, ktime_get_mono_fast_ns() - d->stop_since);
	d->stopper = NULL;
	WRITE_ONCE(d->exempt, NULL);
	WRITE_ONCE(d->status->stw, 0);
}

/**
 * slot_restart() - hand on a P that a stop had taken
 * @p: slot
 *
 * Between two of these the lock may be dropped to wake somebody, and the world be stopped anew: the
 * Ps that are STOPPED still are that stop's then.
 *
 * Return: the M to wake, or NULL.
 */
struct gsched_m *slot_restart(struct gsched_p *p)
{
	lockdep_assert_held(&p->domain->lock);
	if (p->domain->stopper || GSCHED_P_WORD_STATE(READ_ONCE(p->word)) != GSCHED_P_STOPPED)
		return NULL;
	return slot_hand(p);
}

/* The stopper's P is cut off: it gets the first one, as in a grant that it takes up at once. */
static void slot_move_stopper(struct gsched_domain *d)
{
	struct gsched_m *m = d->stopper;
	struct gsched_p *p = d->ps;

	slot_change(p, READ_ONCE(p->word), word_of(GSCHED_P_RUNNING, m));
	WRITE_ONCE(p->status->count, p->status->count + 1);
	m->p = p;
	m->last_p = p;
	WRITE_ONCE(d->exempt, p);
}

/**
 * slot_resize() - change the number of Ps
 * @m: the current thread's M, whose stop of the world is complete
 * @nr_p: how many, 1 to max_p
 *
 * Ps that come are STOPPED, for START to hand out; those that go are DEAD, and never freed: an M
 * that sleeps still points to the one it had. A stopper on such a P has the first one afterwards.
 */
void slot_resize(struct gsched_m *m, u32 nr_p)
{
	struct gsched_domain *d = m->domain;
	u32 id;

	lockdep_assert_held(&d->lock);
	if (m->p->id >= nr_p)
		slot_move_stopper(d);
	for (id = min(nr_p, d->nr_p); id < max(nr_p, d->nr_p); id++) {
		enum gsched_p_state state = id < nr_p ? GSCHED_P_STOPPED : GSCHED_P_DEAD;
		struct gsched_p *p = &d->ps[id];

		slot_change(p, READ_ONCE(p->word), GSCHED_P_WORD(state, 0));
	}
	trace_gsched_resize(m, d->nr_p, nr_p);
	WRITE_ONCE(d->nr_p, nr_p);
	WRITE_ONCE(d->status->nr_p, nr_p);
}
