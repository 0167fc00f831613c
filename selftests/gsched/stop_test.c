// SPDX-License-Identifier: GPL-2.0
/*
 * STOP and START: every P but the stopper's is STOPPED, whatever its M does; nobody gets one before
 * START; and the world starts when its stopper goes (protocol 2, 4 and 6).
 */
#include "gsched_util.h"

#include <sys/prctl.h>

#include "slowfile.h"

#include "kselftest_harness.h"

#define NR_P	3

FIXTURE(stop) {
	struct gs gs;
	struct gs_m a, b, c;
	int pipe[2];
};

/* a and b hold Ps, c is FREE, the third P is IDLE. */
FIXTURE_SETUP(stop)
{
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, gs_make_domain(&self->gs, NR_P, 0));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->b));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->c));
}

FIXTURE_TEARDOWN(stop)
{
	close(self->gs.fd);
}

static __u32 nr_state(struct gs *gs, enum gsched_p_state state)
{
	__u32 p, n = 0;

	for (p = 0; p < GS_LOAD(gs->status->nr_p); p++)
		n += gs_p(gs, p).state == state;
	return n;
}

/* Is @m the only one that holds a P, and every other P STOPPED? */
static bool is_stopped_by(struct gs *gs, struct gs_m *m)
{
	__u32 nr_p = GS_LOAD(gs->status->nr_p);
	bool good = GS_LOAD(gs->status->stw) && !GS_LOAD(gs->status->nidle) &&
		    nr_state(gs, GSCHED_P_STOPPED) == nr_p - 1 && gs_m_info(gs, m->id).p;

	if (!good)
		gs_dump(gs);
	return good;
}

static bool has_started(struct gs *gs)
{
	return !GS_LOAD(gs->status->stw) && !nr_state(gs, GSCHED_P_STOPPED);
}

static int grace(struct gs *gs, __u64 ns)
{
	struct gsched_tune tune = {
		.size = sizeof(tune), .flags = GSCHED_TUNE_GRACE, .grace_ns = ns,
	};

	return gs_ioctl(gs->fd, GSCHED_IOC_TUNE, &tune);
}

/* ---- what is stopped, and how ---- */

/* Protocol 6: IDLE Ps are taken in the call, which need not wait; START makes them IDLE again. */
TEST_F(stop, idle_ps_at_once)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_release, 0, 0));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, 0, 0));
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_TRUE(has_started(gs));
	EXPECT_EQ(2, GS_LOAD(gs->status->nidle));
	EXPECT_EQ(1, gs_counts(gs).stops);
}

/* A P whose M sleeps in the kernel is taken in the call; its M waits at the border for START. */
TEST_F(stop, blocked_ps_at_once)
{
	struct gs *gs = &self->gs;

	gs_m_ask(&self->b, gs_do_read, self->pipe[0], 0);
	ASSERT_TRUE(gs_p_gets(gs, gs_m_saw(&self->b), GSCHED_P_BLOCKED, self->b.id));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, 0, 0));
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	ASSERT_TRUE(gs_m_gets(gs, self->b.id, GSCHED_M_WAITING));
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
	EXPECT_FALSE(gs_m_answered(&self->b));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_EQ(1, gs_m_answer(&self->b));
	EXPECT_LE(0, gs_m_saw(&self->b));
	EXPECT_TRUE(has_started(gs));
}

static long do_fault(struct gs_m *m, __u64 page, __u64 b)
{
	return GS_LOAD(*(char *)(uintptr_t)page);
}

FIXTURE(faulting) {
	struct gs gs;
	struct gs_m a, b;
	struct slowfile file;
};

FIXTURE_SETUP(faulting)
{
	/* In this order: gs_make_domain() locks what is mapped, and would wait for the page. */
	ASSERT_EQ(0, gs_make_domain(&self->gs, 2, 0));
	ASSERT_EQ(0, slowfile_open(&self->file));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->b));
}

FIXTURE_TEARDOWN(faulting)
{
	slowfile_close(&self->file);
	close(self->gs.fd);
}

/* The same for one that sleeps uninterruptibly, in a page fault. */
TEST_F(faulting, is_stopped_at_once)
{
	struct gs *gs = &self->gs;

	gs_m_ask(&self->b, do_fault, (uintptr_t)self->file.page, 0);
	ASSERT_EQ(0, slowfile_wait(&self->file));
	ASSERT_TRUE(gs_p_gets(gs, gs_m_saw(&self->b), GSCHED_P_BLOCKED, self->b.id));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, 0, 0));
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
	ASSERT_EQ(0, slowfile_let(&self->file));
	ASSERT_TRUE(gs_m_gets(gs, self->b.id, GSCHED_M_WAITING));
	EXPECT_FALSE(gs_m_answered(&self->b));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_EQ(SLOWFILE_BYTE, gs_m_answer(&self->b));
}

static long do_count(struct gs_m *m, __u64 count, __u64 b)
{
	__u32 *n = (__u32 *)(uintptr_t)count;

	while (!GS_LOAD(n[1]))
		GS_STORE(n[0], n[0] + 1);
	return 0;
}

/*
 * An M that never enters the kernel is asked by its counter first, and loses its P at the border
 * only when the grace is over; it runs no instruction more before START.
 */
TEST_F(stop, a_spinner_at_the_border)
{
	struct gs *gs = &self->gs;
	__u64 asked = GS_LOAD(gs->ms[self->b.id].preempt), start;
	static __u32 count[2];
	__u32 before;

	ASSERT_EQ(0, grace(gs, 50 * GS_MS));
	gs_m_ask(&self->b, do_count, (uintptr_t)count, 0);
	ASSERT_TRUE(GS_UNTIL(GS_LOAD(count[0])));
	start = gs_now();
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	EXPECT_LE(50 * GS_MS, gs_now() - start);
	EXPECT_LT(asked, GS_LOAD(gs->ms[self->b.id].preempt));
	EXPECT_EQ(1, gs_counts(gs).retakes);
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
	EXPECT_TRUE(gs_m_gets(gs, self->b.id, GSCHED_M_WAITING));
	before = GS_LOAD(count[0]);
	/* The stopper runs meanwhile. */
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_nothing, 0, 0));
	EXPECT_EQ(before, GS_LOAD(count[0]));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_TRUE(GS_UNTIL(GS_LOAD(count[0]) != before));
	GS_STORE(count[1], 1);
	EXPECT_EQ(0, gs_m_answer(&self->b));
}

/* Goes on until it is asked to yield, then yields as @how says. */
static long do_yield_when_asked(struct gs_m *m, __u64 how, __u64 b)
{
	__u64 seen = GS_LOAD(m->gs->ms[m->id].preempt);
	gs_job yield = (gs_job)(uintptr_t)how;

	GS_STORE(*(__u32 *)(uintptr_t)b, 1);
	while (GS_LOAD(m->gs->ms[m->id].preempt) == seen)
		;
	return yield(m, 0, 0);
}

/* The thread ends here and now; pthread_exit() loads its unwinder first. */
static long do_exit_now(struct gs_m *m, __u64 a, __u64 b)
{
	return syscall(SYS_exit, 0);
}

static long do_pause(struct gs_m *m, __u64 a, __u64 b)
{
	struct timespec ts = { .tv_sec = 1000 };

	return nanosleep(&ts, NULL);
}

FIXTURE(yielding) {
	struct gs gs;
	struct gs_m a, b;
};

FIXTURE_VARIANT(yielding) {
	gs_job how;
};

FIXTURE_VARIANT_ADD(yielding, by_park) { gs_do_park };
FIXTURE_VARIANT_ADD(yielding, by_release) { gs_do_release };
FIXTURE_VARIANT_ADD(yielding, by_unregister) { gs_do_unregister };
FIXTURE_VARIANT_ADD(yielding, by_exit) { do_exit_now };
FIXTURE_VARIANT_ADD(yielding, by_sleep) { do_pause };

FIXTURE_SETUP(yielding)
{
	ASSERT_EQ(0, gs_make_domain(&self->gs, 2, 0));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->b));
}

FIXTURE_TEARDOWN(yielding)
{
	close(self->gs.fd);
}

/* Whichever way an M gives its P up when asked, that ends the stop, and no border is needed. */
TEST_F(yielding, ends_the_stop)
{
	struct gs *gs = &self->gs;
	__u32 ready = 0;

	ASSERT_EQ(0, grace(gs, 100 * GS_MS));
	gs_m_ask(&self->b, do_yield_when_asked, (uintptr_t)variant->how, (uintptr_t)&ready);
	ASSERT_TRUE(GS_UNTIL(GS_LOAD(ready)));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
	EXPECT_EQ(0, gs_counts(gs).retakes);
	EXPECT_LT(0, gs_counts(gs).stop_ns);
	EXPECT_EQ(gs_counts(gs).stop_ns, gs_counts(gs).stop_max_ns);
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_TRUE(has_started(gs));
}

/* ---- who does not stop ---- */

/*
 * The deadline names an M that keeps its P by nopreempt and leaves the stop in force; when it lets
 * go the next STOP succeeds.
 */
TEST_F(stop, the_deadline_names_who_has_not_stopped)
{
	struct gs *gs = &self->gs;
	struct gsched_stop stop;

	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_nopreempt, 1, 0));
	ASSERT_EQ(-ETIMEDOUT, gs_m_do(&self->a, gs_do_stop, gs_in_ms(50), (uintptr_t)&stop));
	EXPECT_EQ(self->b.id, stop.m);
	EXPECT_EQ(1, stop.nr);
	EXPECT_EQ(1, GS_LOAD(gs->status->stw));
	/* Asked in time, but on a busy machine it may not have come to its border yet. */
	EXPECT_TRUE(GS_UNTIL(gs_counts(gs).retakes_nopreempt > 0));
	EXPECT_TRUE(gs_p_gets(gs, gs_m_saw(&self->b), GSCHED_P_RUNNING, self->b.id));

	ASSERT_EQ(-ETIMEDOUT, gs_m_do(&self->a, gs_do_stop, 0, (uintptr_t)&stop));
	EXPECT_EQ(self->b.id, stop.m);
	/* It may not get the answer out before it stops. */
	gs_m_ask(&self->b, gs_do_nopreempt, 0, 0);
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, (uintptr_t)&stop));
	EXPECT_EQ(0, stop.m);
	EXPECT_EQ(0, stop.nr);
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
	EXPECT_EQ(1, gs_counts(gs).stops);
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_EQ(0, gs_m_answer(&self->b));
}

/* START ends a stop that is not complete: who had not stopped keeps its P and goes on. */
TEST_F(stop, start_of_a_world_that_has_not_stopped)
{
	struct gs *gs = &self->gs;
	int p = gs_m_saw(&self->b);

	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_nopreempt, 1, 0));
	ASSERT_EQ(-ETIMEDOUT, gs_m_do(&self->a, gs_do_stop, gs_in_ms(20), 0));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_TRUE(has_started(gs));
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_nopreempt, 0, 0));
	EXPECT_EQ(p, gs_m_saw(&self->b));
}

/* nopreempt asleep: the P stays RUNNING, and the deadline names its M, too. */
TEST_F(stop, a_hoarder_is_named)
{
	struct gs *gs = &self->gs;
	struct gsched_stop stop;

	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_nopreempt, 1, 0));
	gs_m_ask(&self->b, gs_do_read, self->pipe[0], 0);
	ASSERT_TRUE(gs_tid_sleeps(self->b.tid));
	ASSERT_EQ(-ETIMEDOUT, gs_m_do(&self->a, gs_do_stop, gs_in_ms(20), (uintptr_t)&stop));
	EXPECT_EQ(self->b.id, stop.m);
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	EXPECT_EQ(1, gs_m_answer(&self->b));
	EXPECT_EQ(-ETIMEDOUT, gs_m_do(&self->a, gs_do_stop, 0, 0));
	EXPECT_EQ(1, GS_LOAD(gs->status->stw));
}

/* ---- a stopped world ---- */

/* Protocol 4: work that comes during a stop wakes nobody, and START finds an M for it. */
TEST_F(stop, work_waits_for_start)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_release, 0, 0));
	ASSERT_TRUE(gs_m_parks(&self->c, 0));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	GS_STORE(gs->hint->gqlen, 1);
	EXPECT_EQ(0, gs_wake(gs));
	EXPECT_EQ(GSCHED_M_PARKED, gs_m_info(gs, self->c.id).state);
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_EQ(0, gs_m_answer(&self->c));
	EXPECT_LE(0, gs_m_saw(&self->c));
}

/* ACQUIRE and an unparked M wait for START, in turn; ACQUIRE's deadline passes as ever. */
TEST_F(stop, who_wants_a_p_waits_for_start)
{
	struct gs *gs = &self->gs;
	struct gs_m d;

	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_release, 0, 0));
	ASSERT_EQ(0, gs_m_start(gs, &d));
	ASSERT_TRUE(gs_m_parks(&self->c, 0));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	EXPECT_EQ(-ETIMEDOUT, gs_m_do(&self->b, gs_do_acquire, 0, 0));
	EXPECT_EQ(-ETIMEDOUT, gs_m_do(&self->b, gs_do_acquire, gs_in_ms(10), 0));
	ASSERT_TRUE(gs_m_waits(&self->b));
	EXPECT_EQ(0, gs_unpark(gs, self->c.id));
	EXPECT_EQ(GSCHED_M_WAITING, gs_m_info(gs, self->c.id).state);
	ASSERT_TRUE(gs_m_waits(&d));
	EXPECT_EQ(3, gs_counts(gs).nwaiting);
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	/* Two Ps, for the two that came first */
	EXPECT_EQ(0, gs_m_answer(&self->b));
	EXPECT_EQ(0, gs_m_answer(&self->c));
	EXPECT_EQ(GSCHED_M_WAITING, gs_m_info(gs, d.id).state);
}

/* n_switchst: SWITCH hands nothing over in a stopped world, and changes nothing. */
TEST_F(stop, switch_is_refused)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_release, 0, 0));
	ASSERT_TRUE(gs_m_parks(&self->c, 0));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	EXPECT_EQ(-EAGAIN, gs_m_do(&self->a, gs_do_switch, self->c.id, 0));
	ASSERT_TRUE(gs_m_waits(&self->b));
	EXPECT_EQ(-EAGAIN, gs_m_do(&self->a, gs_do_switch, GSCHED_M_OLDEST, 0));
	EXPECT_EQ(GSCHED_M_PARKED, gs_m_info(gs, self->c.id).state);
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
}

/* PARK in a stopped world compares its word all the same, and gives the P up. */
TEST_F(stop, park_compares)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_nopreempt, 1, 0));
	ASSERT_EQ(-ETIMEDOUT, gs_m_do(&self->a, gs_do_stop, 0, 0));
	gs_m_ask(&self->b, gs_do_park_word, 5, 1);
	ASSERT_TRUE(gs_m_gets(gs, self->b.id, GSCHED_M_WAITING));
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_EQ(-EAGAIN, gs_m_answer(&self->b));
	EXPECT_LE(0, gs_m_saw(&self->b));
}

/* A stopped world needs no more Ms, whatever was wanted before; afterwards it does. */
TEST_F(stop, wants_no_ms)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_release, 0, 0));
	EXPECT_EQ(-EAGAIN, gs_wake(gs));
	EXPECT_EQ(2, GS_LOAD(gs->status->wanted));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	EXPECT_EQ(0, GS_LOAD(gs->status->wanted));
	EXPECT_EQ(0, gs_poll(gs, 0) & POLLIN);
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_EQ(2, GS_LOAD(gs->status->wanted));
	EXPECT_NE(0, gs_poll(gs, 0) & POLLIN);
}

/* ---- the stopper ---- */

/* Stops do not nest: the stopper's next STOP is 0 at once, and one START ends them all. */
TEST_F(stop, stops_do_not_nest)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, 0, 0));
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
	EXPECT_EQ(1, gs_counts(gs).stops);
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_TRUE(has_started(gs));
	EXPECT_EQ(-EPERM, gs_m_do(&self->a, gs_do_start, 0, 0));
}

/* A second stopper is refused and stops with the rest; it has its turn after START. */
TEST_F(stop, one_stopper_at_a_time)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_nopreempt, 1, 0));
	ASSERT_EQ(-ETIMEDOUT, gs_m_do(&self->a, gs_do_stop, 0, 0));
	EXPECT_EQ(-EBUSY, gs_m_do(&self->b, gs_do_stop, GSCHED_FOREVER, 0));
	EXPECT_EQ(-EPERM, gs_m_do(&self->b, gs_do_start, 0, 0));
	EXPECT_EQ(-EBUSY, gs_m_do(&self->b, gs_do_resize, 1, 0));
	EXPECT_EQ(-EBUSY, gs_m_do(&self->a, gs_do_resize, 1, 0));
	gs_m_ask(&self->b, gs_do_nopreempt, 0, 0);
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	ASSERT_EQ(0, gs_m_answer(&self->b));
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_stop, GSCHED_FOREVER, 0));
	EXPECT_TRUE(is_stopped_by(gs, &self->b));
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_start, 0, 0));
}

/* Who may not stop, start or resize the world: who is no M, and who holds no P. */
TEST_F(stop, refuses)
{
	struct gs *gs = &self->gs;
	struct gsched_stop bad = { .size = sizeof(bad), .flags = 1 };

	EXPECT_EQ(-ESRCH, gs_stop(gs, 0, NULL));
	EXPECT_EQ(-ESRCH, gs_start(gs));
	EXPECT_EQ(-ESRCH, gs_resize(gs, 1));
	EXPECT_EQ(-EINVAL, gs_ioctl(gs->fd, GSCHED_IOC_STOP, &bad));
	EXPECT_EQ(-EPERM, gs_m_do(&self->c, gs_do_stop, GSCHED_FOREVER, 0));
	EXPECT_EQ(-EPERM, gs_m_do(&self->c, gs_do_start, 0, 0));
	EXPECT_EQ(-EBUSY, gs_m_do(&self->c, gs_do_resize, 1, 0));
	EXPECT_EQ(-EPERM, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_EQ(-EBUSY, gs_m_do(&self->a, gs_do_resize, 1, 0));
	EXPECT_EQ(0, gs_counts(gs).stops);
	EXPECT_EQ(0, GS_LOAD(gs->status->stw));
}

/* A stopper that gave its P up could not be given one to START with: it may not. */
TEST_F(stop, the_stopper_keeps_its_p)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	EXPECT_EQ(-EDEADLK, gs_m_do(&self->a, gs_do_release, 0, 0));
	EXPECT_EQ(-EDEADLK, gs_m_do(&self->a, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(-EDEADLK, gs_m_do(&self->a, gs_do_park, GSCHED_PARK_PRIVATE, 0));
	EXPECT_EQ(0, gs_m_do(&self->a, gs_do_acquire, 0, 0));
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
}

/* n_stopper: nobody gets the P of a stopper that sleeps, wanted as it is. */
TEST_F(stop, a_sleeping_stopper_keeps_its_p)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	ASSERT_TRUE(gs_m_waits(&self->c));
	GS_STORE(gs->hint->gqlen, 1);
	gs_m_ask(&self->a, gs_do_read, self->pipe[0], 0);
	ASSERT_TRUE(gs_p_gets(gs, gs_m_saw(&self->a), GSCHED_P_BLOCKED, self->a.id));
	EXPECT_EQ(0, gs_wake(gs));
	EXPECT_EQ(0, gs_unpark(gs, self->c.id));
	ASSERT_TRUE(gs_tid_sleeps(self->a.tid));
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	EXPECT_EQ(1, gs_m_answer(&self->a));
	EXPECT_EQ(0, gs_counts(gs).handoffs);
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_EQ(0, gs_m_answer(&self->c));
}

FIXTURE(leaving) {
	struct gs gs;
	struct gs_m a, b, c;
};

FIXTURE_VARIANT(leaving) {
	gs_job how;
	bool complete;		/* the stop, when the stopper leaves */
};

FIXTURE_VARIANT_ADD(leaving, by_unregister) { gs_do_unregister, true };
FIXTURE_VARIANT_ADD(leaving, by_exit) { do_exit_now, true };
FIXTURE_VARIANT_ADD(leaving, by_unregister_while_stopping) { gs_do_unregister, false };
FIXTURE_VARIANT_ADD(leaving, by_exit_while_stopping) { do_exit_now, false };

FIXTURE_SETUP(leaving)
{
	ASSERT_EQ(0, gs_make_domain(&self->gs, 3, 0));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->b));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->c));
}

FIXTURE_TEARDOWN(leaving)
{
	close(self->gs.fd);
}

/* Protocol 6: when the stopper goes the world starts, and the WAITING get Ps; others may STOP. */
TEST_F(leaving, starts_the_world)
{
	struct gs *gs = &self->gs;

	if (!variant->complete)
		ASSERT_EQ(0, gs_m_do(&self->b, gs_do_nopreempt, 1, 0));
	ASSERT_EQ(variant->complete ? 0 : -ETIMEDOUT,
		  gs_m_do(&self->a, gs_do_stop, variant->complete ? GSCHED_FOREVER : 0, 0));
	ASSERT_TRUE(gs_m_waits(&self->c));
	gs_m_ask(&self->a, variant->how, 0, 0);
	EXPECT_EQ(0, gs_m_answer(&self->c));
	EXPECT_TRUE(GS_UNTIL(has_started(gs)));
	EXPECT_TRUE(GS_UNTIL(gs_counts(gs).nr_m == 2));
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_nopreempt, 0, 0));
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_stop, GSCHED_FOREVER, 0));
	EXPECT_TRUE(is_stopped_by(gs, &self->b));
}

/* ---- signals, processes, the end of the domain ---- */

static int handled;

static void handler(int sig)
{
	__atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

/* A handler takes the stopper out of STOP with its P and the stop in force; STOP again goes on. */
TEST_F(stop, a_handler_interrupts_stop)
{
	struct sigaction sa = { .sa_handler = handler };
	struct gs *gs = &self->gs;

	sigaction(SIGUSR1, &sa, NULL);
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_nopreempt, 1, 0));
	gs_m_ask(&self->a, gs_do_stop, GSCHED_FOREVER, 0);
	ASSERT_TRUE(GS_UNTIL(GS_LOAD(gs->status->stw)));
	ASSERT_TRUE(gs_tid_sleeps(self->a.tid));
	pthread_kill(self->a.thread, SIGUSR1);
	EXPECT_EQ(-EINTR, gs_m_answer(&self->a));
	EXPECT_EQ(1, GS_LOAD(handled));
	EXPECT_LE(0, gs_m_saw(&self->a));
	EXPECT_EQ(1, GS_LOAD(gs->status->stw));
	gs_m_ask(&self->b, gs_do_nopreempt, 0, 0);
	EXPECT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
}

/* SIGSTOP and SIGCONT: the call goes on by itself, and the stop with it. */
TEST(sigstop_in_stop)
{
	struct gs_m a, b;
	struct gs gs;

	ASSERT_EQ(0, gs_stopper_start());
	ASSERT_EQ(0, gs_make_domain(&gs, 2, 0));
	ASSERT_EQ(0, gs_m_start_on(&gs, &a));
	ASSERT_EQ(0, gs_m_start_on(&gs, &b));
	ASSERT_EQ(0, gs_m_do(&b, gs_do_nopreempt, 1, 0));
	gs_m_ask(&a, gs_do_stop, GSCHED_FOREVER, 0);
	ASSERT_TRUE(GS_UNTIL(GS_LOAD(gs.status->stw)));
	ASSERT_TRUE(gs_tid_sleeps(a.tid));
	ASSERT_EQ(0, gs_stop_and_continue());
	EXPECT_FALSE(gs_m_answered(&a));
	gs_m_ask(&b, gs_do_nopreempt, 0, 0);
	EXPECT_EQ(0, gs_m_answer(&a));
	EXPECT_TRUE(is_stopped_by(&gs, &a));
	EXPECT_EQ(1, gs_counts(&gs).stops);
}

/* Protocol 7: close ends a STOP with ECANCELED, and everybody else's sleep. */
TEST_F(stop, close_cancels_stop)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_nopreempt, 1, 0));
	ASSERT_TRUE(gs_m_parks(&self->c, 0));
	gs_m_ask(&self->a, gs_do_stop, GSCHED_FOREVER, 0);
	ASSERT_TRUE(GS_UNTIL(GS_LOAD(gs->status->stw)));
	ASSERT_TRUE(gs_tid_sleeps(self->a.tid));
	close(gs->fd);
	EXPECT_TRUE(GS_UNTIL(gs_m_answered(&self->a)));
	EXPECT_EQ(-ECANCELED, self->a.ret);
	EXPECT_TRUE(GS_UNTIL(gs_m_answered(&self->c)));
	EXPECT_EQ(-ECANCELED, self->c.ret);
}

/* A child of fork is nobody's M and stops nothing; the parent's world stays as it is. */
TEST_F(stop, fork)
{
	struct gs *gs = &self->gs;
	int status;
	pid_t pid;

	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(gs_stop(gs, 0, NULL) == -EXDEV && gs_start(gs) == -EXDEV &&
		      gs_resize(gs, 1) == -EXDEV ? 0 : 1);
	ASSERT_TRUE(GS_UNTIL(waitpid(pid, &status, WNOHANG) == pid));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(is_stopped_by(gs, &self->a));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
}

static void stopped_child(int up, bool complete)
{
	struct gs_m a, b, c;
	struct gs gs;
	bool good;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	good = !gs_make_domain(&gs, 2, 0) && !gs_m_start_on(&gs, &a) && !gs_m_start_on(&gs, &b) &&
	       !gs_m_start(&gs, &c) && gs_m_waits(&c);
	if (!complete)
		good = good && !gs_m_do(&b, gs_do_nopreempt, 1, 0);
	gs_m_ask(&a, gs_do_stop, GSCHED_FOREVER, 0);
	good = good && (complete ? !gs_m_answer(&a) :
				   GS_UNTIL(GS_LOAD(gs.status->stw)) && gs_tid_sleeps(a.tid));
	if (write(up, good ? "y" : "n", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

FIXTURE(killed) {
	int up[2];
};

FIXTURE_VARIANT(killed) {
	bool complete;
};

FIXTURE_VARIANT_ADD(killed, in_a_stopped_world) { true };
FIXTURE_VARIANT_ADD(killed, while_it_stops) { false };

FIXTURE_SETUP(killed)
{
	ASSERT_EQ(0, pipe(self->up));
	ASSERT_TRUE(GS_UNTIL(gs_refcnt() == 0));
}

FIXTURE_TEARDOWN(killed)
{
}

/* SIGKILL of a process whose world is stopped, or stopping, leaves nothing behind. */
TEST_F(killed, leaves_nothing)
{
	pid_t pid = fork();
	int status;
	char byte;

	if (!pid)
		stopped_child(self->up[1], variant->complete);
	ASSERT_LT(0, pid);
	ASSERT_EQ(1, read(self->up[0], &byte, 1));
	EXPECT_EQ('y', byte);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_TRUE(GS_UNTIL(waitpid(pid, &status, WNOHANG) == pid));
	EXPECT_TRUE(GS_UNTIL(gs_refcnt() == 0));
}

TEST_HARNESS_MAIN
