// SPDX-License-Identifier: GPL-2.0
/*
 * What must hold, whatever was done
 *
 * Some of it at any time: a P and its count have one owner. The rest when nobody moves: every
 * thread either pauses, which is a sleep like any other, or is PARKED. No M waits then while a P is
 * to be had, for all Ps are, and all counts agree.
 */
#include "fuzz.h"

#include <stdarg.h>

/* ---- At any time ---- */

static void look_at_p(struct thread *t, struct look *l)
{
	struct gs *gs = &t->r->gs;
	__u32 p = GSCHED_M_P(l->word) ? GSCHED_M_P(l->word) - 1 : 0;

	l->p_word = GS_LOAD(gs->ps[p].word);
	l->count = GS_LOAD(gs->ps[p].count);
}

/* A handler may find the domain closed at any moment, and that it is no M any more. */
void look(struct thread *t, struct look *l)
{
	memset(l, 0, sizeof(*l));
	l->m = GS_LOAD(t->m);
	if (l->m == NO_M)
		return;
	l->blocked_ns = GS_LOAD(t->r->gs.ms[l->m].blocked_ns);
	l->word = GS_LOAD(t->r->gs.ms[l->m].word);
	look_at_p(t, l);
}

/*
 * The same P and the same count before and after: it was the owner all the time, and if it did not
 * sleep in between, which the last of the looks tells, the P says so.
 */
void look_again(struct thread *t, const struct look *before)
{
	struct look now = { .m = GS_LOAD(t->m) };
	__u32 p;

	if (now.m == NO_M || now.m != before->m)
		return;
	now.word = GS_LOAD(t->r->gs.ms[now.m].word);
	look_at_p(t, &now);
	now.blocked_ns = GS_LOAD(t->r->gs.ms[now.m].blocked_ns);
	if ((now.word | before->word) & GSCHED_M_LOST_P)
		__atomic_fetch_add(&t->r->without_p, 1, __ATOMIC_SEQ_CST);
	if (!GSCHED_M_P(now.word) || now.word & GSCHED_M_LOST_P || now.word != before->word ||
	    now.count != before->count)
		return;
	p = GSCHED_M_P(now.word) - 1;
	if (p < MOST_P && !publish(t->r->ledger, p, now.count, now.m))
		fail(ORACLE_OWNER, "P%u under count %llu has a second owner, M%u", p, now.count,
		     now.m);
	if (now.blocked_ns == before->blocked_ns &&
	    now.p_word != GSCHED_P_WORD(GSCHED_P_RUNNING, now.m) && !GS_LOAD(t->r->closed))
		fail(ORACLE_OWNER, "P%u is M%u's and says %#llx", p, now.m, now.p_word);
}

void look_at_stopped_world(struct thread *t)
{
	struct gs *gs = &t->r->gs;
	__u32 i, nr_p = GS_LOAD(gs->status->nr_p);
	__u64 word;

	for (i = 0; i < nr_p; i++) {
		word = GS_LOAD(gs->ps[i].word);
		if (GSCHED_P_WORD_STATE(word) != GSCHED_P_STOPPED &&
		    GSCHED_P_WORD_M(word) != t->m && !GS_LOAD(t->r->closed))
			fail(ORACLE_OWNER, "M%u stopped the world, P%u says %#llx", t->m, i, word);
	}
}

/* One record is one look under the lock. */
void check_domain_info(const struct round *r, const struct gsched_info_domain *d)
{
	if (d->nidle > d->nr_p || d->nr_p > r->gs.setup.max_p || d->nr_m > r->gs.setup.max_m ||
	    d->nwaiting + d->nparked + d->nprivate > d->nr_m)
		fail(ORACLE_COUNTS, "INFO: Ps %u, IDLE %u, Ms %u, WAITING %u, PARKED %u + %u",
		     d->nr_p, d->nidle, d->nr_m, d->nwaiting, d->nparked, d->nprivate);
}

/* ---- When nobody moves ---- */

/* Says why not. */
static bool __printf(3, 4) wrong(struct tally *y, enum oracle which, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(y->why, sizeof(y->why), format, ap);
	va_end(ap);
	y->oracle = which;
	return false;
}

static bool tally_ps(struct round *r, struct tally *y)
{
	struct gsched_info_p p;
	__u32 i;

	/* DEAD ones count what they were, too. */
	for (i = 0; i < r->gs.setup.max_p; i++)
		y->counts += GS_LOAD(r->gs.ps[i].count);
	for (i = 0; i < y->d.nr_p; i++) {
		p = gs_p(&r->gs, i);
		y->p_state[p.state]++;
		if (GS_LOAD(r->gs.ps[i].word) != GSCHED_P_WORD(p.state, p.m))
			return wrong(y, ORACLE_COUNTS, "P%u is %u(%u), its copy says %#llx", i,
				     p.state, p.m, GS_LOAD(r->gs.ps[i].word));
		if (p.state != GSCHED_P_RUNNING && p.state != GSCHED_P_BLOCKED)
			continue;
		if (p.m >= GS_MAX_M || y->p_of[p.m])
			return wrong(y, ORACLE_OWNER, "M%u has P%u and P%u", p.m, i,
				     p.m < GS_MAX_M ? y->p_of[p.m] - 1 : 0);
		y->p_of[p.m] = i + 1;
	}
	return true;
}

static bool tally_ms(struct round *r, struct tally *y)
{
	__u32 i;

	for (i = 0; i < r->gs.setup.max_m; i++) {
		struct gsched_info_m *m = &y->m[i];

		y->known[i] = !gs_info(&r->gs, GSCHED_INFO_M, i, m, sizeof(*m));
		if (y->known[i] && m->p != y->p_of[i])
			return wrong(y, ORACLE_COUNTS, "M%u has P %d, the Ps say %d", i,
				     (int)m->p - 1, (int)y->p_of[i] - 1);
		if (!y->known[i] && y->p_of[i])
			return wrong(y, ORACLE_OWNER, "P%u is owned by M%u, which there is not",
				     y->p_of[i] - 1, i);
		if (!y->known[i])
			continue;
		y->nr_m++;
		y->m_state[m->state]++;
		y->nprivate += !!(m->flags & GSCHED_INFO_M_PRIVATE);
		if (m->p && m->state != GSCHED_M_ON)
			return wrong(y, ORACLE_COUNTS, "M%u has P%u in state %u", i, m->p - 1,
				     m->state);
	}
	return true;
}

/* Does it stay as it is until somebody does something about it? */
static bool thread_rests(struct thread *t, struct tally *y)
{
	__u32 m = GS_LOAD(t->m);

	if (GS_LOAD(t->ended) || !t->alive)
		return true;
	if (m != NO_M && y->known[m] && y->m[m].state == GSCHED_M_PARKED) {
		if (y->m[m].flags & GSCHED_INFO_M_PERMIT)
			return wrong(y, ORACLE_LOST, "M%u is PARKED and has a permit", m);
		return true;
	}
	if (!GS_LOAD(t->paused))
		return wrong(y, ORACLE_LOST, "thread %u, M%d, does not come on", t->index, (int)m);
	if (m == NO_M)
		return true;
	if (!y->known[m])
		return wrong(y, ORACLE_LOST, "M%u of thread %u is not known", m, t->index);
	if (y->m[m].state != GSCHED_M_FREE && y->m[m].state != GSCHED_M_ON)
		return wrong(y, ORACLE_LOST, "M%u has paused in state %u", m, y->m[m].state);
	return true;
}

static bool threads_rest(struct round *r, struct tally *y)
{
	unsigned int i, registered = 0;

	for (i = 0; i < r->nr_threads; i++) {
		struct thread *t = &r->thread[i];

		if (!thread_rests(t, y))
			return false;
		if (t->alive && !GS_LOAD(t->ended) && GS_LOAD(t->m) != NO_M)
			registered++;
	}
	if (registered != y->nr_m)
		return wrong(y, ORACLE_COUNTS, "%u threads are registered, there are %u Ms",
			     registered, y->nr_m);
	return true;
}

static bool same(struct tally *y, const char *what, __s64 info, __s64 status, __s64 counted)
{
	if (info == counted && status == counted)
		return true;
	return wrong(y, ORACLE_COUNTS, "%s: INFO says %lld, the status page %lld, it is %lld",
		     what, info, status, counted);
}

static bool counts_agree(struct round *r, struct tally *y)
{
	struct gsched_status *st = r->gs.status;
	struct gsched_info_domain *d = &y->d;
	__u32 nidle = y->p_state[GSCHED_P_IDLE], starved = GS_LOAD(st->starved);
	__s32 wanted = r->gs.setup.spare + (starved ? nidle ?: 1 : 0) - d->nparked - d->making;

	/* A stopped world wants none. */
	if (GS_LOAD(st->stw))
		wanted = d->wanted;

	return same(y, "nr_p", d->nr_p, GS_LOAD(st->nr_p), d->nr_p) &&
	       same(y, "nidle", d->nidle, GS_LOAD(st->nidle), nidle) &&
	       same(y, "nr_m", d->nr_m, GS_LOAD(st->nr_m), y->nr_m) &&
	       same(y, "nwaiting", d->nwaiting, GS_LOAD(st->nwaiting),
		    y->m_state[GSCHED_M_WAITING]) &&
	       same(y, "nparked", d->nparked, GS_LOAD(st->nparked),
		    y->m_state[GSCHED_M_PARKED] - y->nprivate) &&
	       same(y, "nprivate", d->nprivate, d->nprivate, y->nprivate) &&
	       same(y, "wanted", d->wanted, GS_LOAD(st->wanted), wanted);
}

/* What happened so far, against what there is */
static bool history_agrees(struct round *r, struct tally *y)
{
	const struct gsched_info_domain *d = &y->d;
	__u32 blocked = y->p_state[GSCHED_P_BLOCKED];

	if (blocked && !GS_LOAD(r->gs.status->some_blocked))
		return wrong(y, ORACLE_COUNTS, "%u Ps are BLOCKED, some_blocked is 0", blocked);
	/* What a stop took from a sleeper is not counted. */
	if (d->blocks < d->takebacks + d->handoffs + blocked ||
	    (!d->stops && d->blocks > d->takebacks + d->handoffs + blocked))
		return wrong(y, ORACLE_COUNTS, "%llu blocks: %llu takebacks, %llu handoffs, %u now",
			     d->blocks, d->takebacks, d->handoffs, blocked);
	if (y->counts < d->grants_waiting + d->grants_parked)
		return wrong(y, ORACLE_COUNTS, "%llu grants, the Ps count %llu",
			     d->grants_waiting + d->grants_parked, y->counts);
	return true;
}

/* An M without a P that is none of the exceptions waits at the border. */
static bool nobody_ran_without(struct round *r, struct tally *y)
{
	const struct gsched_info_domain *d = &y->d;
	__u64 excess = d->excess_step + d->excess_traced + d->excess_cooperative +
		       d->excess_signal;

	if (r->honest && GS_LOAD(r->without_p) && !excess)
		return wrong(y, ORACLE_OWNER, "%u times an M ran without a P",
			     GS_LOAD(r->without_p));
	return true;
}

/* While nobody is awake, nobody keeps a P that another waits for. */
static bool nobody_waits(struct round *r, struct tally *y)
{
	if (y->d.nwaiting)
		return wrong(y, ORACLE_LOST, "%u Ms wait: %u Ps are IDLE, %u BLOCKED, %u RUNNING",
			     y->d.nwaiting, y->p_state[GSCHED_P_IDLE],
			     y->p_state[GSCHED_P_BLOCKED], y->p_state[GSCHED_P_RUNNING]);
	if (GS_LOAD(r->gs.status->stw) || y->p_state[GSCHED_P_STOPPED])
		return wrong(y, ORACLE_LOST, "the world is stopped, and all sleep");
	if (y->p_state[GSCHED_P_RUNNING])
		return wrong(y, ORACLE_LOST, "%u Ps are RUNNING, and all sleep",
			     y->p_state[GSCHED_P_RUNNING]);
	return true;
}

static bool poll_agrees(struct round *r, struct tally *y)
{
	int events = gs_poll(&r->gs, 0);
	int due = (y->d.wanted > 0 ? POLLIN : 0) | (GS_LOAD(r->gs.status->starved) ? POLLPRI : 0);

	if (events != due)
		return wrong(y, ORACLE_COUNTS, "poll says %#x, it is %#x", events, due);
	return true;
}

static bool take_tally(struct round *r, struct tally *y)
{
	memset(y, 0, sizeof(*y));
	y->d = gs_counts(&r->gs);
	return tally_ps(r, y) && tally_ms(r, y);
}

bool adds_up(struct round *r, struct tally *y)
{
	return take_tally(r, y) && counts_agree(r, y) && poll_agrees(r, y);
}

static bool at_rest(struct round *r, struct tally *y)
{
	return take_tally(r, y) && threads_rest(r, y) && nobody_waits(r, y) &&
	       nobody_ran_without(r, y) &&
	       counts_agree(r, y) && history_agrees(r, y) && poll_agrees(r, y);
}

void quiet_hints(struct round *r)
{
	struct gs *gs = &r->gs;
	__u32 i;

	memset(gs->hint, 0, sizeof(*gs->hint));
	memset(gs->ph, 0, gs->setup.max_p * sizeof(*gs->ph));
	for (i = 0; i < gs->setup.max_m; i++) {
		GS_STORE(gs->mh[i].nopreempt, 0);
		GS_STORE(gs->mh[i].mode, GSCHED_MODE_NORMAL);
	}
}

/* A setting of the conductor's; that it succeeds is not what is tested. */
void tune(struct round *r, struct gsched_tune arg)
{
	arg.size = sizeof(arg);
	gs_ioctl(r->gs.fd, GSCHED_IOC_TUNE, &arg);
}

/* Those who pause fall asleep anew: without what a hint of the past made of it. */
static void stir(struct round *r)
{
	/* What wanted depends on, and INFO does not tell */
	struct gsched_tune spare = { .flags = GSCHED_TUNE_SPARE, .spare = r->gs.setup.spare };

	quiet_hints(r);
	tune(r, spare);
	__atomic_fetch_add(&r->gen, 1, __ATOMIC_SEQ_CST);
	futex_wake(&r->gen);
}

static void let_chaos(bool on)
{
	GS_STORE(shared->chaos, on);
	while (!on && GS_LOAD(shared->chaos_busy))
		usleep(100);
}

void resume(struct round *r, enum phase phase)
{
	GS_STORE(r->phase, phase);
	stir(r);
	let_chaos(phase == PHASE_FUZZ && !r->honest);
}

bool settle(struct round *r)
{
	__u64 end = gs_now() + shared->opt.patience_s * 1000 * GS_MS, next_stir = 0;
	struct tally y;

	GS_STORE(r->phase, PHASE_PAUSE);
	let_chaos(false);
	for (;;) {
		GS_STORE(shared->beat, shared->beat + 1);
		if (gs_now() > next_stir) {
			stir(r);
			next_stir = gs_now() + 100 * GS_MS;
		}
		if (at_rest(r, &y) && at_rest(r, &y))
			break;
		if (gs_now() > end) {
			fail(y.oracle, "%s", y.why);
			dump_round(r);
			return false;
		}
		usleep(500);
	}
	__atomic_fetch_add(&shared->pauses, 1, __ATOMIC_RELAXED);
	return true;
}

/* ---- What the domain counted tells which changes there were ---- */

void collect_counts(struct round *r)
{
	struct gsched_info_domain d = gs_counts(&r->gs);
	__u64 counts = 0, other;
	__u32 i;

	for (i = 0; i < r->gs.setup.max_p; i++)
		counts += GS_LOAD(r->gs.ps[i].count);
	/* A P came to a new owner from BLOCKED, by SWITCH, by RESIZE, or was IDLE. */
	other = d.handoffs + d.switches + d.resizes;
	if (counts > other)
		count_change(P_IDLE_RUNNING, counts - other);
	/* All were IDLE once: what is beyond that, and beyond what START gave, came back. */
	other += (d.stops + 1) * r->gs.setup.max_p;
	if (counts > other)
		count_change(P_RUNNING_IDLE, counts - other);
	count_change(P_RUNNING_BLOCKED, d.blocks);
	count_change(P_BLOCKED_TAKEN_BACK, d.takebacks);
	count_change(P_BLOCKED_HANDED_ON, d.handoffs);
	count_change(P_RETAKEN, d.retakes);
	count_change(M_PARKED_ON, d.grants_parked);
	count_change(M_WAITING_ON, d.grants_waiting);
	count_change(M_ON_WAITING, d.borders);
	count_change(M_DIED, d.deaths);
}

void dump_round(struct round *r)
{
	unsigned int i;

	fprintf(stderr, "# seed %#llx round %u: the domain, stw %u:\n", r->seed, r->number,
		GS_LOAD(r->gs.status->stw));
	gs_dump(&r->gs);
	for (i = 0; i < r->nr_threads; i++) {
		struct thread *t = &r->thread[i];

		fprintf(stderr, "# thread %u role %u tid %d M%d operation %llu%s%s\n", i, t->role,
			t->tid, (int)t->m, t->next_op, t->paused ? " paused" : "",
			t->ended ? " ended" : "");
	}
	dump_process(getpid());
}
