// SPDX-License-Identifier: GPL-2.0
/*
 * slot_test.c - drives kmod/slot.c, as it is, in user space
 *
 * slot_test sequences [SEED]: random calls, one at a time, against an oracle of its own that knows
 * who owns each P, in which order Ms wait, what was granted, and whose stop of the world is in
 * force.
 *
 * slot_test threads [SEED]: each M is a thread and falls asleep and comes back without the lock,
 * while others give its P on under it, stop the world and change the number of Ps; a P with two
 * owners in user mode ends the program, as does anybody there in a stopped world.
 *
 * Both print TAP. What machine.c, hooks.c and border.c do around slot.c is done here by hand.
 */
#include <stdio.h>
#include <string.h>

#include "gsched.h"

#define NR_P 4
#define NR_M 8
#define STEPS 400000
#define TURNS 40000		/* of each thread */

__thread int shim_locks_held;
__thread unsigned int shim_reads;
struct task_struct *const current;

enum place {
	OUT,		/* FREE: registered, no P */
	USER,		/* runs user code with a P */
	ASLEEP,		/* in the kernel, the P BLOCKED or taken */
	LOST,		/* on its way to the border */
	INWAIT,		/* in PARK, SWITCH, ACQUIRE or at the border */
	STOPPING,	/* in STOP, with a P */
};

/* An M, and what the test knows of it that slot.c does not. */
struct thread {
	struct gsched_m m;
	enum place place;
	struct gsched_p *granted;	/* what it was granted and has not taken up */
	pthread_cond_t woken;
	pthread_t id;
	u32 random;
};

static struct gsched_domain dom;
static struct gsched_p ps[NR_P];
static struct thread threads[NR_M];
static struct gsched_m *ms[NR_M];
static struct gsched_status status;
static struct gsched_hint hint;
static struct gsched_p_status p_status[NR_P];
static struct gsched_p_hint p_hint[NR_P];
static struct gsched_m_status m_status[NR_M];
static struct gsched_m_hint m_hint[NR_M];

static const char *doing = "nothing";
static long step;

static void fail(const char *file_line, const char *what)
{
	printf("not ok 1 - %s in step %ld, %s: %s\n", what, step, doing, file_line);
	fflush(stdout);
	_Exit(1);
}

#define TEXT(x) #x
#define LINE(x) TEXT(x)
#define must(cond) ((cond) ? (void)0 : fail("line " LINE(__LINE__), "violated: " #cond))

static u32 random_of(u32 *state)
{
	u32 x = *state;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	*state = x;
	return x;
}

static struct thread *thread_of(struct gsched_m *m)
{
	return m ? container_of(m, struct thread, m) : NULL;
}

static u32 state_of(const struct gsched_p *p)
{
	return GSCHED_P_WORD_STATE(READ_ONCE(p->word));
}

/* A domain of @nr_p IDLE Ps and @nr_m FREE Ms. */
static void setup(u32 nr_p, u32 nr_m, u32 seed)
{
	u32 i;

	memset(&status, 0, sizeof(status));
	memset(&hint, 0, sizeof(hint));
	memset(p_hint, 0, sizeof(p_hint));
	memset(p_status, 0, sizeof(p_status));
	memset(m_status, 0, sizeof(m_status));
	memset(ps, 0, sizeof(ps));
	memset(threads, 0, sizeof(threads));
	memset(&dom, 0, sizeof(dom));
	pthread_mutex_init(&dom.lock.mutex, NULL);
	dom.ps = ps;
	dom.ms = ms;
	dom.nr_p = nr_p;
	dom.max_p = NR_P;
	dom.max_m = NR_M;
	dom.status = &status;
	dom.hint = &hint;
	INIT_LIST_HEAD(&dom.waiting);
	INIT_LIST_HEAD(&dom.parked);
	INIT_LIST_HEAD(&dom.private);
	status.nr_p = nr_p;
	status.nidle = nr_p;
	for (i = 0; i < NR_P; i++) {
		ps[i].id = i;
		ps[i].word = GSCHED_P_WORD(i < nr_p ? GSCHED_P_IDLE : GSCHED_P_DEAD, 0);
		p_status[i].word = ps[i].word;
		ps[i].domain = &dom;
		ps[i].status = &p_status[i];
		ps[i].hint = &p_hint[i];
		ps[i].cpu = GSCHED_CPU_ANY;
	}
	for (i = 0; i < nr_m; i++) {
		threads[i].m.id = i;
		threads[i].m.domain = &dom;
		threads[i].m.status = &m_status[i];
		ms[i] = &threads[i].m;
		threads[i].m.hint = &m_hint[i];
		threads[i].m.state = GSCHED_M_FREE;
		INIT_LIST_HEAD(&threads[i].m.link);
		pthread_cond_init(&threads[i].woken, NULL);
		threads[i].random = seed * 2654435761U + i * 40503U + 1;
	}
}

u64 shim_ns;

/* ---- The oracle: the same facts, found in another way ---- */

static u32 nr_m;
static u32 owner_before[NR_P];		/* m + 1, or 0 */
static u64 count_before[NR_P];
static u32 queue[NR_M], nr_queued;	/* WAITING Ms by arrival */
static u32 turn[NR_M];			/* its arrival, kept while a signal lets it out */
static u32 turns;
static struct {				/* as it was before this step */
	u64 now;
	u64 since[NR_P];		/* passed_since */
	u32 state[NR_M];
	bool private[NR_M];
} before;
static bool asks_nobody;		/* this step gives a P to whom it likes */
static struct thread *stopper;
static bool told;			/* in this step a stopper was to be woken */
static u32 restarting;			/* Ps from this one on wait for START to reach them */

static bool is_waiting(u32 id) { return threads[id].m.state == GSCHED_M_WAITING; }

static u32 owner_of(u32 p)
{
	u32 state = state_of(&ps[p]);

	return state == GSCHED_P_RUNNING || state == GSCHED_P_BLOCKED ?
	       GSCHED_P_WORD_M(ps[p].word) + 1 : 0;
}

/* The M stands in the queue: behind all that came before its first arrival, others behind it. */
static void oracle_waits(u32 id)
{
	u32 i = nr_queued++;

	if (!turn[id])
		turn[id] = ++turns;
	for (; i && turn[queue[i - 1]] > turn[id]; i--)
		queue[i] = queue[i - 1];
	queue[i] = id;
}

static void oracle_leaves(u32 id)
{
	u32 i, n = 0;

	for (i = 0; i < nr_queued; i++)
		if (queue[i] != id)
			queue[n++] = queue[i];
	nr_queued = n;
}

static bool own_work(u32 p)
{
	return p_hint[p].head != p_hint[p].tail || p_hint[p].runnext;
}

static bool others_work(u32 p)
{
	u32 i;

	for (i = 0; i < dom.nr_p; i++)
		if (i != p && own_work(i) && (hint.has_work[0] >> i & 1))
			return true;
	return false;
}

static bool poll_wanted(void)
{
	return !hint.npolling && (hint.niowait || hint.next_when);
}

static bool is_exempt(u32 p) { return stopper && stopper->m.p == &ps[p]; }

/* All but the stopper's */
static bool all_stopped(void)
{
	u32 p;

	for (p = 0; p < dom.nr_p; p++)
		if (!is_exempt(p) && state_of(&ps[p]) != GSCHED_P_STOPPED)
			return false;
	return true;
}

/* Who is to be woken: an M with a grant, or the stopper when its stop is complete. */
static struct gsched_m *note(struct gsched_m *w)
{
	must(!w || w->grant || w == dom.stopper);
	if (w && !w->grant) {
		must(w == &stopper->m && stopper->place == STOPPING && all_stopped());
		told = true;
	}
	return w;
}

/* Is there work that an M with a P would find? */
static bool any_work(void)
{
	return hint.gqlen || others_work(NR_P) || poll_wanted();
}

static u32 nr_state(u32 state)
{
	u32 i, n = 0;

	for (i = 0; i < dom.nr_p; i++)
		n += state_of(&ps[i]) == state;
	return n;
}

/* What P @p is when nobody owns it */
static enum gsched_p_state vacant(u32 p)
{
	if (p >= dom.nr_p)
		return GSCHED_P_DEAD;
	if (!stopper && p >= restarting && state_of(&ps[p]) == GSCHED_P_STOPPED)
		return GSCHED_P_STOPPED;
	return stopper ? GSCHED_P_STOPPED : GSCHED_P_IDLE;
}

/* Each P has one owner or none, each M one P or none, and both sides agree. */
static void check_owners(void)
{
	bool owns[NR_M] = { false };
	struct thread *t;
	u32 p, o;

	for (p = 0; p < NR_P; p++) {
		o = owner_of(p);
		must(p_status[p].word == ps[p].word);
		if (!o) {
			must(ps[p].word == GSCHED_P_WORD(vacant(p), 0));
			continue;
		}
		must(p < dom.nr_p);
		must(o <= nr_m && !owns[o - 1]);
		owns[o - 1] = true;
		t = &threads[o - 1];
		if (state_of(&ps[p]) == GSCHED_P_BLOCKED)
			must(t->place == ASLEEP && t->m.p == &ps[p]);
		else
			must(((t->place == USER || t->place == STOPPING) && t->m.p == &ps[p]) ||
			     t->m.grant == &ps[p]);
		must(t->m.state == GSCHED_M_ON);
	}
	for (o = 0; o < nr_m; o++) {
		t = &threads[o];
		must((t->place != USER && t->place != STOPPING) || owns[o]);
		must(!t->m.grant || (owns[o] && t->place == INWAIT));
	}
}

/* A P's count grows by one whenever an M takes it up, and at no other time. */
static void check_counts(void)
{
	u64 grown;
	u32 p;

	for (p = 0; p < dom.nr_p; p++) {
		grown = p_status[p].count - count_before[p];
		must(grown <= 1);
		if (owner_of(p) && owner_of(p) != owner_before[p])
			must(grown == 1);
		if (!owner_of(p))
			must(!grown);
		owner_before[p] = owner_of(p);
		count_before[p] = p_status[p].count;
	}
}

static void check_lists(void)
{
	u32 waiting = 0, parked = 0, private = 0, i, n = 0;
	struct gsched_m *m;

	for (i = 0; i < nr_m; i++) {
		m = &threads[i].m;
		waiting += m->state == GSCHED_M_WAITING;
		parked += m->state == GSCHED_M_PARKED && !m->private;
		private += m->state == GSCHED_M_PARKED && m->private;
	}
	must(status.nwaiting == waiting && status.nparked == parked && dom.nprivate == private);
	must(status.nidle == nr_state(GSCHED_P_IDLE));
	must(dom.nstopped == nr_state(GSCHED_P_STOPPED));
	must(!nr_state(GSCHED_P_BLOCKED) || status.some_blocked);
	list_for_each_entry(m, &dom.waiting, link)
		must(n < nr_queued && queue[n++] == m->id);
	must(n == nr_queued);
	n = 0;
	list_for_each_entry(m, &dom.parked, link)
		n++;
	must(n == parked);
}

static void remember(void)
{
	u32 i;

	before.now = shim_ns;
	for (i = 0; i < NR_P; i++)
		before.since[i] = ps[i].passed_since;
	for (i = 0; i < nr_m; i++) {
		before.state[i] = threads[i].m.state;
		before.private[i] = threads[i].m.private;
	}
}

/* One of the pool would find work with this P. */
static bool pool_has_work(u32 p)
{
	return own_work(p) || hint.gqlen || others_work(p) || poll_wanted();
}

/* In spite of that WAITING Ms had the P for a slice. */
static bool pool_is_due(u32 p, u64 now)
{
	return pool_has_work(p) && before.since[p] && now - before.since[p] >= GSCHED_SLICE_NS;
}

/* M @id got a P in this step: one of the pool before WAITING ones in its turn, and only then. */
static void check_turn(u32 id)
{
	u32 p = threads[id].m.grant->id, i = 0;

	while (i < nr_queued && queue[i] != id)
		i++;
	if (i == nr_queued && before.state[id] == GSCHED_M_PARKED && !before.private[id]) {
		must(!ps[p].passed_since);
		must(!status.nwaiting || asks_nobody || pool_is_due(p, shim_ns));
	} else if (i < nr_queued) {
		must(asks_nobody || !ps[p].passed_since == !pool_has_work(p));
		must(!before.since[p] || !ps[p].passed_since ||
		     ps[p].passed_since == before.since[p]);
		must(!status.nparked || asks_nobody || !pool_is_due(p, before.now));
	}
}

/* A grant stays until it is taken up; grants to WAITING Ms go by arrival, but for SWITCH's. */
static void check_grants(u32 chosen)
{
	struct thread *t;
	u32 i;

	for (i = 0; i < nr_m; i++) {
		t = &threads[i];
		if (t->m.grant && !t->granted)
			check_turn(i);
		if (t->granted)
			must(t->m.grant == t->granted && owner_of(t->granted->id) == i + 1);
	}
	if (chosen < nr_m && !is_waiting(chosen))
		oracle_leaves(chosen);
	while (nr_queued && threads[queue[0]].m.grant)
		oracle_leaves(queue[0]);
	for (i = 0; i < nr_queued; i++)
		must(is_waiting(queue[i]));
	for (i = 0; i < nr_m; i++) {
		threads[i].granted = threads[i].m.grant;
		if (threads[i].granted)
			turn[i] = 0;
	}
}

/*
 * No M waits while a P is to be had, and a stop misses none that is; a BLOCKED one may be on its
 * way, by the irq_work, and a STOPPED one, by START.
 */
static void check_nothing_left(void)
{
	u32 p, state;

	for (p = 0; (status.nwaiting || stopper) && p < dom.nr_p; p++) {
		state = state_of(&ps[p]);
		must(state == GSCHED_P_RUNNING || ps[p].handoff.queued || is_exempt(p) ||
		     (state == GSCHED_P_STOPPED && (stopper || p >= restarting)));
	}
}

/* The stop is in force of whom it should be, and it wakes its stopper when it is complete. */
static void check_stop(bool was_stopped)
{
	must(dom.stopper == (stopper ? &stopper->m : NULL));
	must(dom.exempt == (stopper ? stopper->m.p : NULL));
	must(!!status.stw == !!stopper);
	if (!stopper)
		return;
	must(slot_world_stopped(&stopper->m) == all_stopped());
	if (stopper->place == STOPPING && all_stopped() && !was_stopped)
		must(told);
}

static void check(u32 chosen, bool was_stopped)
{
	check_stop(was_stopped);
	check_grants(chosen);
	check_owners();
	check_counts();
	check_lists();
	check_nothing_left();
}

/* ---- Steps of one M, in random order ---- */

static u32 seq_random;

static u32 any(u32 n) { return random_of(&seq_random) % n; }

static void serve(void)
{
	while (slot_serve(&dom))
		;
}

/* An IDLE P before a BLOCKED one; its caches may be warm where it was last. */
static void step_acquire(struct thread *t)
{
	struct gsched_p *last = t->m.last_p;
	u32 best = status.nidle ? GSCHED_P_IDLE : GSCHED_P_BLOCKED;
	bool mine = last && state_of(last) == best, alone = !status.nwaiting && !stopper;
	u32 idle = status.nidle;

	doing = "ACQUIRE or border";
	slot_wait(&t->m);
	oracle_waits(t->m.id);
	t->place = INWAIT;
	serve();
	must(!alone || !mine || t->m.grant == last || pool_is_due(last->id, shim_ns));
	must(!alone || !idle || status.nidle < idle);
}

static void step_block(struct thread *t)
{
	struct gsched_p *p = t->m.p;
	bool others = !hint.nspinning && !status.nidle && others_work(p->id);
	bool use = status.nwaiting || own_work(p->id) || hint.gqlen || others || poll_wanted();

	if (stopper)
		use = t != stopper;
	doing = "falling asleep";
	t->place = ASLEEP;
	must(slot_block(p, &t->m) == use);
	must(status.some_blocked);
	p->handoff.queued |= use;
}

/* Preempted, or asleep with nopreempt: the P was never BLOCKED. */
static void step_preempted(struct thread *t)
{
	doing = "coming back with a P that was not BLOCKED";
	must(slot_return(t->m.p, &t->m));
}

static void step_return(struct thread *t)
{
	bool mine = owner_of(t->m.p->id) == t->m.id + 1;

	doing = "coming back";
	must(slot_return(t->m.p, &t->m) == mine);
	t->place = mine ? USER : LOST;
	if (!mine)
		t->m.p = NULL;
}

static void step_park(struct thread *t)
{
	struct gsched_p *own = t->m.p;
	bool again, compare = !any(8), differs = compare && any(2);
	bool waited = status.nwaiting, starved = status.starved, idle = own || status.nidle;

	doing = "PARK";
	asks_nobody = true;
	t->m.private = !any(6);
	t->place = INWAIT;
	again = false;
	note(slot_park(&t->m, compare ? &hint.park[0] : NULL, differs, &again));
	must(!t->m.p);
	if (stopper) {
		must(again == differs && !t->m.grant);
		must(!own || state_of(own) == GSCHED_P_STOPPED);
	} else if (differs) {
		must(again && (own ? t->m.grant == own : !t->m.grant));
	} else if (!t->m.private) {
		must(again == !!t->m.grant);
		must(!own || !again || (t->m.grant == own) == !waited);
		must(!again || starved || idle);
		if (!again && (status.nidle || (starved && nr_state(GSCHED_P_BLOCKED))))
			must(!hint.gqlen && (hint.nspinning || !others_work(NR_P)) &&
			     !poll_wanted());
		must(!status.starved);
	}
	if (again && !t->m.grant) {		/* a changed word, and no P: to the border */
		slot_unlist(&t->m, GSCHED_M_ON);
		t->place = LOST;
	}
}

static u32 step_switch(struct thread *t)
{
	struct thread *x = &threads[any(nr_m)];
	bool can = !stopper && (x->m.state == GSCHED_M_PARKED || x->m.state == GSCHED_M_WAITING);
	struct gsched_p *p = t->m.p;

	doing = "SWITCH";
	asks_nobody = true;
	if (x == t)
		return nr_m;
	must(slot_switch(&t->m, &x->m) == can);
	if (!can)
		return nr_m;
	must(x->m.grant == p && t->m.state == GSCHED_M_PARKED && !t->m.p);
	t->place = INWAIT;
	turn[x->m.id] = 0;
	return x->m.id;
}

static void check_handed(struct gsched_p *p, struct gsched_m *w)
{
	must((w && w->grant) == (state_of(p) == GSCHED_P_RUNNING));
	if (stopper)
		must(state_of(p) == GSCHED_P_STOPPED);
	else if (!w && (own_work(p->id) || any_work()))
		must(!status.nparked && status.starved);
}

/* START hands out one P after the other; between two the lock may be dropped. */
static void step_restart(void)
{
	u32 n = any(NR_P + 1);
	struct gsched_m *w;
	struct gsched_p *p;

	doing = "START, handing out";
	for (; n && restarting < dom.nr_p; n--, restarting++) {
		p = &ps[restarting];
		if (stopper || state_of(p) != GSCHED_P_STOPPED) {
			must(!slot_restart(p));
			continue;
		}
		w = slot_restart(p);
		check_handed(p, w);
	}
	if (restarting >= dom.nr_p)
		restarting = NR_P;
}

static void step_start(void)
{
	doing = "START";
	slot_start(&dom);
	stopper->m.in_wait = false;
	stopper = NULL;
	restarting = 0;
}

static void step_hand(struct thread *t, enum gsched_m_state state)
{
	struct gsched_p *p = t->m.p;

	doing = "RELEASE or death";
	if (t == stopper)
		step_start();
	t->m.p = NULL;
	slot_unlist(&t->m, state);
	t->m.seq = 0;
	turn[t->m.id] = 0;
	t->place = OUT;
	if (p)
		check_handed(p, note(slot_hand(p)));
}

/* The border of an M that was asked for its P: what it keeps nobody wants. */
static void step_retake(struct thread *t)
{
	struct gsched_p *p = t->m.p;
	bool use = own_work(p->id) || hint.gqlen || poll_wanted() ||
		   (!hint.nspinning && !status.nidle && others_work(p->id));
	bool wanted = stopper ? t != stopper : status.nwaiting || (use && status.nparked);
	struct gsched_m *w;

	doing = "a retake";
	must(slot_retake(&t->m, &w) == wanted);
	if (!wanted) {
		must(!w && t->m.p == p && owner_of(p->id) == t->m.id + 1);
		return;
	}
	must(!t->m.p);
	check_handed(p, note(w));
	t->place = LOST;
}

static void step_stop(struct thread *t)
{
	u32 p, running = nr_state(GSCHED_P_RUNNING);

	doing = "STOP";
	if (stopper) {
		must(!slot_world_stopped(&t->m) || t == stopper);
		return;
	}
	stopper = t;
	slot_stop(&t->m);
	must(nr_state(GSCHED_P_RUNNING) == running);
	for (p = 0; p < dom.nr_p; p++)
		must(state_of(&ps[p]) == GSCHED_P_RUNNING || state_of(&ps[p]) == GSCHED_P_STOPPED);
}

/* It sleeps until the stop is complete, or leaves early, by a signal or at its deadline. */
static void step_stopping(struct thread *t, bool sleeps)
{
	doing = "waiting in STOP";
	t->m.in_wait = sleeps;
	t->place = sleeps ? STOPPING : USER;
}

static void step_resize(struct thread *t)
{
	u32 n = 1 + any(NR_P), id = t->m.p->id;

	doing = "RESIZE";
	slot_resize(&t->m, n);
	must(dom.nr_p == n && status.nr_p == n);
	must(t->m.p == &ps[id < n ? id : 0] && owner_of(t->m.p->id) == t->m.id + 1);
	must(slot_world_stopped(&t->m));
}

/* What the stopper does in its world, stopped or still stopping */
static void step_of_stopper(struct thread *t)
{
	switch (any(8)) {
	case 0:				/* it dies */
		step_hand(t, GSCHED_M_FREE);
		break;
	case 1:
	case 2:
		step_block(t);
		break;
	case 3:
		step_preempted(t);
		step_retake(t);
		break;
	case 4:
		step_start();
		break;
	case 5:
	case 6:
		if (slot_world_stopped(&t->m))
			step_resize(t);
		else
			step_stopping(t, true);
		break;
	default:
		must(!slot_switch(&t->m, &threads[!t->m.id].m));
		break;
	}
}

/* Out of a wait: with the grant, or by a signal, a deadline, or death. */
static void step_leave(struct thread *t)
{
	bool lost = any(2);

	doing = "the end of a wait";
	if (t->m.grant) {
		t->m.p = t->m.grant;
		t->m.grant = NULL;
		t->granted = NULL;
		t->place = USER;
		return;
	}
	oracle_leaves(t->m.id);
	slot_unlist(&t->m, lost ? GSCHED_M_ON : GSCHED_M_FREE);
	t->place = lost ? LOST : OUT;
	if (!lost) {
		t->m.seq = 0;
		turn[t->m.id] = 0;
	}
}

static void step_unpark(struct thread *t)
{
	doing = "UNPARK";
	if (t->m.state != GSCHED_M_PARKED)
		return;
	slot_wait(&t->m);
	oracle_waits(t->m.id);
	serve();
}

static u32 to_be_had(void)
{
	return nr_state(GSCHED_P_IDLE) + nr_state(GSCHED_P_BLOCKED);
}

static void step_wake(void)
{
	bool done = false, nobody = false;
	struct gsched_m *w = NULL;
	u32 parked = status.nparked;

	doing = "WAKE";
	while (!done)
		w = slot_wake(&dom, &done, &nobody);
	if (stopper) {
		must(!w && !nobody);
		return;
	}
	must(!w || !nobody);
	must(nobody == (!status.nparked && !w && to_be_had()));
	if (w)
		must(status.nparked == parked - 1);
	else
		must(!status.nparked || !to_be_had());
	if (nobody)
		must(status.starved && dom.break_poll);
	if (!nobody && !w)
		must(!status.some_blocked || status.nidle);
}

/* The P's irq_work: whatever queued it, it goes by what it finds. */
static void step_handoff(struct gsched_p *p)
{
	struct gsched_m *w;

	doing = "the irq_work";
	p->handoff.queued = false;
	if (is_exempt(p->id)) {
		must(!slot_hand_blocked(p) && owner_of(p->id) == stopper->m.id + 1);
		return;
	}
	if (state_of(p) != GSCHED_P_BLOCKED || !slot_has_use(p, false))
		return;
	w = note(slot_hand_blocked(p));
	if (stopper) {
		must(state_of(p) == GSCHED_P_STOPPED);
		return;
	}
	must(!w == (state_of(p) == GSCHED_P_BLOCKED));
	if (!w)
		must(!status.nwaiting && !status.nparked && status.starved);
}

/* User space writes what it likes into the hints, sense and nonsense. */
static void step_hint(void)
{
	u32 p = any(dom.nr_p);

	doing = "a change of the hints";
	switch (any(8)) {
	case 0: p_hint[p].tail = p_hint[p].head + any(3); break;
	case 1: p_hint[p].head = p_hint[p].tail; break;
	case 2: p_hint[p].runnext = any(2); break;
	case 3: hint.has_work[0] = any(4) ? (u64)any(16) : ~0ULL; break;
	case 4: hint.gqlen = !any(3); break;
	case 5: hint.nspinning = any(3) ? 0 : any(3); break;
	case 6: hint.npolling = any(2); break;
	default: hint.niowait = !any(4); break;
	}
}

static u32 step_of(struct thread *t)
{
	u32 dice = any(16);

	if (t == stopper && t->place == USER) {
		step_of_stopper(t);
		return nr_m;
	}
	switch (t->place) {
	case OUT:
		if (dice < 10)
			step_acquire(t);
		else
			step_park(t);
		break;
	case USER:
		if (dice < 7)
			step_block(t);
		else if (dice < 11)
			step_park(t);
		else if (dice < 13)
			return step_switch(t);
		else if (dice < 14)
			any(2) ? step_preempted(t) : step_retake(t);
		else if (dice < 15)
			step_stop(t);
		else
			step_hand(t, GSCHED_M_FREE);
		break;
	case ASLEEP:
		step_return(t);
		break;
	case LOST:
		if (dice)
			step_acquire(t);
		else
			step_park(t);
		break;
	case INWAIT:
		if (t->m.grant || !dice)
			step_leave(t);
		break;
	case STOPPING:
		if (all_stopped() || !dice)
			step_stopping(t, false);
		break;
	}
	return nr_m;
}

static void sequence(u32 p, u32 m, u32 seed)
{
	unsigned long flags;
	bool was_stopped;
	u32 chosen, what;

	setup(p, m, seed);
	nr_m = m;
	nr_queued = 0;
	stopper = NULL;
	restarting = NR_P;
	memset(turn, 0, sizeof(turn));
	memset(owner_before, 0, sizeof(owner_before));
	memset(count_before, 0, sizeof(count_before));
	seq_random = seed;
	for (step = 0; step < STEPS / 16; step++) {
		flags = slot_lock(&dom);
		what = any(16);
		chosen = nr_m;
		told = false;
		asks_nobody = false;
		remember();
		was_stopped = stopper && all_stopped();
		if (restarting < dom.nr_p && any(4))
			step_restart();
		else if (what < 10)
			chosen = step_of(&threads[any(nr_m)]);
		else if (what < 12)
			step_hint();
		else if (what < 13)
			step_unpark(&threads[any(nr_m)]);
		else if (what < 14)
			step_wake();
		else
			step_handoff(&ps[any(dom.nr_p)]);
		check(chosen, was_stopped);
		slot_unlock(&dom, flags);
		must(status.wanted ==
		     (s32)(status.starved && !stopper ? max(1U, status.nidle) : 0) -
		     (s32)status.nparked);
	}
}

static int sequences(u32 seed)
{
	u32 p, m;

	printf("TAP version 13\n1..1\n");
	for (p = 1; p <= NR_P; p++)
		for (m = 2; m <= NR_M; m += 2)
			sequence(p, m, seed + p * 16 + m);
	printf("ok 1 - %d random calls: owners, counts, order, grants and stops are as they must be\n",
	       STEPS);
	return 0;
}

/* ---- Threads ---- */

#define THREADS 4
#define THREADS_P 2

static u32 user[THREADS_P];	/* m + 1 of who runs user code with this P */
static u32 world;		/* m + 1 of who has stopped it */
static u32 running = THREADS;
static u64 handed, kept, stops;

static void wake(struct gsched_m *w)
{
	if (w)
		pthread_cond_signal(&thread_of(w)->woken);
}

static void serve_and_wake(void)
{
	struct gsched_m *w;

	while ((w = slot_serve(&dom)))
		wake(w);
}

static void sleep_once(struct thread *t)
{
	shim_locks_held--;
	pthread_cond_wait(&t->woken, &dom.lock.mutex);
	dom.lock.holder = pthread_self();
	shim_locks_held++;
}

/* WAITING or PARKED, the lock held: sleeps until there is a grant, and takes it up. */
static void wait_for_grant(struct thread *t)
{
	while (!t->m.grant)
		sleep_once(t);
	t->m.p = t->m.grant;
	t->m.grant = NULL;
}

/* Between these two the M is in user mode: nobody else may be, with this P. */
static void enter_user(struct thread *t)
{
	u32 before = __atomic_exchange_n(&user[t->m.p->id], t->m.id + 1, __ATOMIC_SEQ_CST);

	if (before)
		fail("enter_user", "a P has two owners");
	if (__atomic_load_n(&world, __ATOMIC_SEQ_CST))
		fail("enter_user", "user code in a stopped world");
}

static void leave_user(struct thread *t)
{
	u32 before = __atomic_exchange_n(&user[t->m.p->id], 0, __ATOMIC_SEQ_CST);

	if (before != t->m.id + 1)
		fail("leave_user", "a P has two owners");
}

/* The irq_work of the P that @t fell asleep with. */
static void handoff(struct thread *t, struct gsched_p *p)
{
	unsigned long flags = slot_lock(&dom);

	/* or no enqueuer would look for it */
	must(READ_ONCE(p->word) != GSCHED_P_WORD(GSCHED_P_BLOCKED, t->m.id) ||
	     READ_ONCE(status.some_blocked));
	if (state_of(p) == GSCHED_P_BLOCKED && slot_has_use(p, false))
		wake(slot_hand_blocked(p));
	slot_unlock(&dom, flags);
}

/* Sleeps and comes back; the irq_work runs while it sleeps, or so late that it is back already. */
static void thread_block(struct thread *t)
{
	struct gsched_p *p = t->m.p;
	bool late = random_of(&t->random) % 2;
	bool use = slot_block(p, &t->m);
	unsigned long flags;

	if (use && !late)
		handoff(t, p);
	if (random_of(&t->random) % 4 == 0)
		sched_yield();
	if (slot_return(p, &t->m)) {
		__atomic_add_fetch(&kept, 1, __ATOMIC_RELAXED);
		if (use && late)
			handoff(t, p);
		return;
	}
	__atomic_add_fetch(&handed, 1, __ATOMIC_RELAXED);
	t->m.p = NULL;
	if (use && late)
		handoff(t, p);
	flags = slot_lock(&dom);
	slot_wait(&t->m);
	serve_and_wake();
	wait_for_grant(t);
	slot_unlock(&dom, flags);
}

static void thread_park(struct thread *t)
{
	unsigned long flags = slot_lock(&dom);
	bool again = false;

	wake(slot_park(&t->m, NULL, 0, &again));
	must(again == !!t->m.grant);
	wait_for_grant(t);
	slot_unlock(&dom, flags);
}

/* Stops the world, looks at it, makes it larger or smaller, and lets it go on. */
static void thread_stop(struct thread *t)
{
	unsigned long flags = slot_lock(&dom);
	u32 p;

	if (dom.stopper) {
		slot_unlock(&dom, flags);
		return;
	}
	slot_stop(&t->m);
	t->m.in_wait = true;
	while (!slot_world_stopped(&t->m))
		sleep_once(t);
	t->m.in_wait = false;
	__atomic_store_n(&world, t->m.id + 1, __ATOMIC_SEQ_CST);
	slot_unlock(&dom, flags);
	for (p = 0; p < THREADS_P; p++)
		if (__atomic_load_n(&user[p], __ATOMIC_SEQ_CST))
			fail("thread_stop", "user code in a stopped world");
	sched_yield();
	__atomic_store_n(&world, 0, __ATOMIC_SEQ_CST);
	flags = slot_lock(&dom);
	slot_resize(&t->m, 1 + random_of(&t->random) % THREADS_P);
	slot_start(&dom);
	stops++;
	for (p = 0; p < dom.nr_p; p++)
		wake(slot_restart(&ps[p]));
	slot_unlock(&dom, flags);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	unsigned long flags;
	struct gsched_p *p;
	u32 i;

	flags = slot_lock(&dom);
	slot_wait(&t->m);
	serve_and_wake();
	wait_for_grant(t);
	slot_unlock(&dom, flags);
	for (i = 0; i < TURNS; i++) {
		enter_user(t);
		if (random_of(&t->random) % 8 == 0)
			WRITE_ONCE(hint.gqlen, random_of(&t->random) % 2);
		shim_pause();
		leave_user(t);
		if (random_of(&t->random) % 64 == 0)
			thread_stop(t);
		if (random_of(&t->random) % 16)
			thread_block(t);
		else
			thread_park(t);
	}
	flags = slot_lock(&dom);
	p = t->m.p;
	t->m.p = NULL;
	slot_unlist(&t->m, GSCHED_M_DEAD);
	wake(slot_hand(p));
	slot_unlock(&dom, flags);
	__atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Makes work and looks for an M, as a foreign thread does, until every M has come to its end. */
static void foreign(void)
{
	bool done, nobody;
	unsigned long flags;

	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST)) {
		WRITE_ONCE(hint.gqlen, 1);
		smp_mb();
		if (READ_ONCE(status.nidle) || READ_ONCE(status.some_blocked)) {
			flags = slot_lock(&dom);
			done = false;
			while (!done)
				wake(slot_wake(&dom, &done, &nobody));
			slot_unlock(&dom, flags);
		}
		sched_yield();
	}
}

static int threads_test(u32 seed)
{
	u32 i;

	printf("TAP version 13\n1..1\n");
	setup(THREADS_P, THREADS, seed);
	doing = "threads";
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i].id, NULL, thread_main, &threads[i]);
	foreign();
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i].id, NULL);
	must(status.nidle == dom.nr_p && nr_state(GSCHED_P_IDLE) == dom.nr_p);
	must(!status.nwaiting && !status.nparked && !status.nr_m);
	must(handed && kept && stops);
	printf("ok 1 - %d threads: %lu sleepers kept their P, %lu lost it, %lu stops; none shared one\n",
	       THREADS, (unsigned long)kept, (unsigned long)handed, (unsigned long)stops);
	return 0;
}

int main(int argc, char **argv)
{
	u32 seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;

	if (argc > 1 && !strcmp(argv[1], "sequences"))
		return sequences(seed);
	if (argc > 1 && !strcmp(argv[1], "threads"))
		return threads_test(seed);
	fprintf(stderr, "usage: slot_test sequences|threads [SEED]\n");
	return 2;
}
