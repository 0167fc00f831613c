// SPDX-License-Identifier: GPL-2.0
/*
 * At the end of a round: all Ms go home, and then take up places that are known exactly
 *
 * After all that was done to it the domain must still work to the last count. A scene also shows
 * state changes that nothing else tells apart: it sees the state before and the one after, and has
 * nothing done in between but what leads from the one to the other.
 */
#include "fuzz.h"

/* ---- The threads' side ---- */

static int park(struct thread *t, __u32 flags, __u64 deadline)
{
	return do_park(t, flags, deadline, 0, 0);
}

static void stay_awake(struct thread *t, __u32 turn)
{
	while (GS_LOAD(t->turn) == turn)
		asm volatile("pause");
}

/* As many Ps as there may be, within reason */
static __u32 most_ps(const struct round *r)
{
	return r->gs.setup.max_p < MOST_P ? r->gs.setup.max_p : MOST_P;
}

static int stop(struct thread *t)
{
	struct gsched_stop arg = { .size = sizeof(arg), .deadline_ns = GSCHED_FOREVER };

	return do_acquire(t, GSCHED_FOREVER) ?: call(t, GSCHED_IOC_STOP, &arg);
}

static int resize(struct thread *t, __u32 nr_p)
{
	struct gsched_resize arg = { .size = sizeof(arg), .nr_p = nr_p };

	return call(t, GSCHED_IOC_RESIZE, &arg);
}

static int do_job(struct thread *t, enum job job)
{
	switch (job) {
	case JOB_HOME:
		return is_m(t) ? call(t, GSCHED_IOC_RELEASE, NULL) : 0;
	case JOB_REGISTER:
		return is_m(t) ? 0 : do_register(t, 0);
	case JOB_ON:
	case JOB_BLOCK:
	case JOB_WAIT:
		return do_acquire(t, GSCHED_FOREVER);
	case JOB_PARK:
		return park(t, 0, GSCHED_FOREVER);
	case JOB_PARK_PRIVATE:
		return park(t, GSCHED_PARK_PRIVATE, GSCHED_FOREVER);
	case JOB_PARK_ON:
		return do_acquire(t, GSCHED_FOREVER) ?: park(t, 0, GSCHED_FOREVER);
	case JOB_PARK_TIMEOUT:
		return park(t, 0, gs_now() + GS_MS);
	case JOB_STOP:
		return stop(t);
	case JOB_SHRINK:
		return resize(t, 1);
	case JOB_GROW:
		return resize(t, most_ps(t->r));
	case JOB_START:
		return call(t, GSCHED_IOC_START, NULL) ?: call(t, GSCHED_IOC_RELEASE, NULL);
	case JOB_UNREGISTER_ON:
		do_acquire(t, GSCHED_FOREVER);
		return call(t, GSCHED_IOC_UNREGISTER, NULL);
	case JOB_UNREGISTER:
		return call(t, GSCHED_IOC_UNREGISTER, NULL);
	case JOB_EXIT:
		t->ended = 1;
		return 0;
	default:
		return 0;
	}
}

/* Between two jobs it sleeps; if it has a P, that is BLOCKED. */
void take_job(struct thread *t)
{
	__u32 turn = GS_LOAD(t->turn);

	if (turn == GS_LOAD(t->turn_done)) {
		futex_wait(&t->turn, turn);
		return;
	}
	t->job_result = do_job(t, t->job);
	GS_STORE(t->turn_done, turn);
	if (t->job == JOB_ON || t->job == JOB_STOP)
		stay_awake(t, turn);
}

/* ---- The conductor's side ---- */

static void ask(struct thread *t, enum job job)
{
	t->job = job;
	GS_STORE(t->turn, t->turn + 1);
	futex_wake(&t->turn);
}

static bool has_answered(const struct thread *t)
{
	return GS_LOAD(t->turn_done) == GS_LOAD(t->turn);
}

static __u64 patience(void)
{
	return gs_now() + shared->opt.patience_s * 1000 * GS_MS;
}

/* The conductor lives; is there time left? */
static bool still_time(__u64 end)
{
	GS_STORE(shared->beat, shared->beat + 1);
	usleep(200);
	return gs_now() < end;
}

static bool answers(struct round *r, struct thread *t)
{
	__u64 end = patience();

	while (!has_answered(t)) {
		if (!still_time(end)) {
			fail(ORACLE_LOST, "thread %u, M%d, does not end its job %d", t->index,
			     (int)t->m, t->job);
			dump_round(r);
			return false;
		}
	}
	return true;
}

static bool does(struct round *r, struct thread *t, enum job job, int result)
{
	ask(t, job);
	if (!answers(r, t))
		return false;
	if (t->job_result == result)
		return true;
	fail(ORACLE_ANSWER, "job %d of M%d answered %d rather than %d", job, (int)t->m,
	     t->job_result, result);
	return false;
}

/* How many there are of each; the rest of the Ps are IDLE */
struct places {
	__u32 running, blocked, stopped, parked, private, waiting;
};

static const struct places nobody, one_parked = { .parked = 1 };

static bool are_there(struct round *r, struct places want)
{
	__u64 end = patience();
	struct tally y;

	do {
		if (adds_up(r, &y) && y.p_state[GSCHED_P_RUNNING] == want.running &&
		    y.p_state[GSCHED_P_BLOCKED] == want.blocked &&
		    y.p_state[GSCHED_P_STOPPED] == want.stopped &&
		    y.d.nidle == y.d.nr_p - want.running - want.blocked - want.stopped &&
		    y.d.nparked == want.parked && y.d.nprivate == want.private &&
		    y.d.nwaiting == want.waiting)
			return true;
	} while (still_time(end));
	if (*y.why)
		fail(y.oracle, "%s", y.why);
	else
		fail(ORACLE_COUNTS,
		     "RUNNING %u, BLOCKED %u, IDLE %u of %u, PARKED %u + %u, WAITING %u",
		     y.p_state[GSCHED_P_RUNNING], y.p_state[GSCHED_P_BLOCKED], y.d.nidle,
		     y.d.nr_p, y.d.nparked, y.d.nprivate, y.d.nwaiting);
	fprintf(stderr, "# wanted: %u, %u, the rest, %u + %u, %u\n", want.running, want.blocked,
		want.parked, want.private, want.waiting);
	dump_round(r);
	return false;
}

/*
 * Everybody comes home: those who sleep in PARK are UNPARKed, the others need no help. Private
 * ones among them are found as any other.
 */
static bool all_go_home(struct round *r)
{
	__u64 end = patience();
	unsigned int i, missing;

	for (i = 0; i < r->nr_threads; i++)
		if (r->thread[i].alive)
			ask(&r->thread[i], JOB_HOME);
	do {
		missing = 0;
		for (i = 0; i < r->nr_threads; i++) {
			struct thread *t = &r->thread[i];

			if (!t->alive || has_answered(t))
				continue;
			missing++;
			if (GS_LOAD(t->m) != NO_M)
				gs_unpark(&r->gs, t->m);
		}
		if (!missing)
			return are_there(r, nobody);
	} while (still_time(end));
	fail(ORACLE_LOST, "%u threads do not come home", missing);
	dump_round(r);
	return false;
}

/* ---- Scenes: @t are @n Ms that are FREE ---- */

static bool wake_up(struct round *r, struct thread *t)
{
	gs_unpark(&r->gs, t->m);
	return answers(r, t);
}

/* Permits of the past would let a PARK return at once. */
static bool take_permits(struct round *r, struct thread **t, unsigned int n)
{
	while (n--) {
		gs_unpark(&r->gs, t[n]->m);
		if (!does(r, t[n], JOB_PARK, 0) || !does(r, t[n], JOB_HOME, 0))
			return false;
	}
	return true;
}

/* A P of each kind, an M of each kind but WAITING */
static bool scene_mixed(struct round *r, struct thread **t, unsigned int n)
{
	struct places at = { .running = 1, .parked = 1, .private = 1 };
	bool block = GS_LOAD(r->gs.status->nr_p) > 1;

	if (!does(r, t[0], JOB_ON, 0) || (block && !does(r, t[1], JOB_BLOCK, 0)))
		return false;
	at.blocked = block;
	ask(t[2], JOB_PARK);
	ask(t[3], JOB_PARK_PRIVATE);
	if (!are_there(r, at))
		return false;
	count_change(M_FREE_PARKED, 2);
	if (!does(r, t[0], JOB_HOME, 0) || !wake_up(r, t[2]) || !wake_up(r, t[3]))
		return false;
	return all_go_home(r);
}

/* More Ms than Ps: by ACQUIRE and out of PARK they wait, and each gets its turn. */
static bool scene_crowd(struct round *r, struct thread **t, unsigned int n)
{
	__u32 i, nr_p = GS_LOAD(r->gs.status->nr_p);
	struct places at = { .running = nr_p, .waiting = 1 };

	if (n < nr_p + 2)
		return true;
	ask(t[nr_p], JOB_PARK);
	if (!are_there(r, one_parked))
		return false;
	for (i = 0; i < nr_p; i++)
		if (!does(r, t[i], JOB_ON, 0))
			return false;
	gs_unpark(&r->gs, t[nr_p]->m);
	if (!are_there(r, at))
		return false;
	count_change(M_PARKED_WAITING, 1);
	ask(t[nr_p + 1], JOB_WAIT);
	at.waiting = 2;
	if (!are_there(r, at))
		return false;
	count_change(M_FREE_WAITING, 1);
	for (i = 0; i < nr_p; i++)
		ask(t[i], JOB_HOME);
	return answers(r, t[nr_p]) && answers(r, t[nr_p + 1]) && all_go_home(r);
}

/* PARK with a P, and PARK that gives up */
static bool scene_park(struct round *r, struct thread **t, unsigned int n)
{
	ask(t[0], JOB_PARK_ON);
	if (!are_there(r, one_parked))
		return false;
	count_change(M_ON_PARKED, 1);
	/* It has no permit and there is no work, so this sleeps and gives up. */
	if (!does(r, t[1], JOB_PARK_TIMEOUT, -ETIMEDOUT))
		return false;
	count_change(M_PARKED_FREE, 1);
	return wake_up(r, t[0]) && all_go_home(r);
}

/*
 * The world stops while one P is held awake, one asleep, and one by nobody; loses all Ps but one,
 * gets some, and starts. Whoever was stopped goes on then.
 */
static bool scene_stop(struct round *r, struct thread **t, unsigned int n)
{
	__u32 most = most_ps(r);
	struct places at = { .running = 2, .blocked = 1 };

	if (most < 4)
		return true;
	if (!does(r, t[0], JOB_STOP, 0) || !does(r, t[0], JOB_GROW, 0) ||
	    !does(r, t[0], JOB_START, 0))
		return false;
	/* The sleeper comes last: who comes after it may be given its P. */
	if (!does(r, t[0], JOB_ON, 0) || !does(r, t[1], JOB_ON, 0) ||
	    !does(r, t[2], JOB_BLOCK, 0) || !are_there(r, at))
		return false;
	if (!does(r, t[0], JOB_STOP, 0))
		return false;
	/* The spinner is at the border, the sleeper does not know yet. */
	at = (struct places) { .running = 1, .stopped = most - 1, .waiting = 1 };
	if (!are_there(r, at))
		return false;
	count_change(P_RUNNING_STOPPED, 1);
	count_change(P_BLOCKED_STOPPED, 1);
	count_change(P_IDLE_STOPPED, most - 3);
	if (!does(r, t[0], JOB_SHRINK, 0))
		return false;
	count_change(P_STOPPED_DEAD, most - 1);
	if (!does(r, t[0], JOB_GROW, 0))
		return false;
	count_change(P_DEAD_STOPPED, most - 1);
	if (!does(r, t[0], JOB_START, 0))
		return false;
	at = (struct places) { .running = 1 };
	if (!are_there(r, at))
		return false;
	count_change(P_STOPPED_IDLE, most - 1);
	return all_go_home(r);
}

/* They go as they came, each in another way. */
static bool scene_end(struct round *r, struct thread **t, unsigned int n)
{
	static const enum job job[] = { JOB_UNREGISTER, JOB_UNREGISTER_ON, JOB_EXIT };
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!does(r, t[i], job[i % ARRAY_SIZE(job)], 0))
			return false;
	return true;
}

static unsigned int gather(struct round *r, struct thread **t)
{
	unsigned int i, n = 0;

	for (i = 0; i < r->nr_threads; i++) {
		struct thread *one = &r->thread[i];

		if (!one->alive)
			continue;
		ask(one, JOB_REGISTER);
		if (answers(r, one) && is_m(one))
			t[n++] = one;
	}
	return n;
}

bool play_scenes(struct round *r)
{
	struct thread *t[MOST_THREADS];
	unsigned int n;

	/* Nobody is to lose his place to somebody who waits. */
	tune(r, (struct gsched_tune) { .flags = GSCHED_TUNE_SLICE });
	if (!all_go_home(r))
		return false;
	n = gather(r, t);
	if (n < 4)
		return !anything_failed();
	return take_permits(r, t, n) && scene_mixed(r, t, n) &&
	       take_permits(r, t, n) && scene_crowd(r, t, n) &&
	       take_permits(r, t, n) && scene_park(r, t, n) &&
	       take_permits(r, t, n) && scene_stop(r, t, n) &&
	       scene_end(r, t, n) && are_there(r, nobody);
}
