// SPDX-License-Identifier: GPL-2.0
/*
 * Signals and the sleeps of PARK, SWITCH and ACQUIRE: with a handler, and without (protocol 6).
 */
#include "gsched_util.h"

#include "kselftest_harness.h"

static __thread struct gs_m *me;
static __u64 handler_word;
static int handled;

static void handler(int sig)
{
	GS_STORE(handler_word, GS_LOAD(me->gs->ms[me->id].word));
	__atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

static void handle(int sig, int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };

	sigaction(sig, &sa, NULL);
}

static long do_tell_handler(struct gs_m *m, __u64 a, __u64 b)
{
	me = m;
	return 0;
}

FIXTURE(signals) {
	struct gs gs;
	struct gs_m a, b;
};

FIXTURE_VARIANT(signals) {
	int flags;
};

/* SA_RESTART makes no difference: these calls restart only when no handler ran. */
FIXTURE_VARIANT_ADD(signals, interrupting) { .flags = 0 };
FIXTURE_VARIANT_ADD(signals, restarting) { .flags = SA_RESTART };

FIXTURE_SETUP(signals)
{
	handle(SIGUSR1, variant->flags);
	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 0));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->b));
	ASSERT_EQ(0, gs_m_do(&self->a, do_tell_handler, 0, 0));
}

FIXTURE_TEARDOWN(signals)
{
	close(self->gs.fd);
}

/*
 * Protocol 6: a handler takes an M out of PARK, but runs, and EINTR returns, only once it holds a
 * P.
 */
TEST_F(signals, park)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->a, *b = &self->b;

	ASSERT_EQ(0, gs_m_do(b, gs_do_acquire, 0, 0));
	ASSERT_TRUE(gs_m_parks(a, 0));
	ASSERT_EQ(0, pthread_kill(a->thread, SIGUSR1));
	ASSERT_TRUE(gs_m_gets(gs, a->id, GSCHED_M_WAITING));
	EXPECT_EQ(0, GS_LOAD(handled));
	EXPECT_EQ(0, gs_m_do(b, gs_do_release, 0, 0));
	EXPECT_EQ(-EINTR, gs_m_answer(a));
	EXPECT_EQ(0, gs_m_saw(a));
	EXPECT_EQ(1, handled);
	EXPECT_EQ(1, handler_word);
	EXPECT_EQ(0, gs_counts(gs).nparked);
	/* It runs, and does not come back to the pool by itself. */
	EXPECT_EQ(0, gs_counts(gs).wanted);
}

/* Protocol 6: SWITCH that has handed its P over never restarts: EINTR, and again with a P. */
TEST_F(signals, switch)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->a, *b = &self->b;

	ASSERT_TRUE(gs_m_parks(b, 0));
	ASSERT_EQ(0, gs_m_do(a, gs_do_acquire, 0, 0));
	ASSERT_TRUE(gs_m_sleeps(a, GSCHED_M_PARKED, gs_do_switch, b->id, 0));
	ASSERT_EQ(0, gs_m_answer(b));
	ASSERT_EQ(0, pthread_kill(a->thread, SIGUSR1));
	ASSERT_TRUE(gs_m_gets(gs, a->id, GSCHED_M_WAITING));
	EXPECT_EQ(0, GS_LOAD(handled));
	EXPECT_EQ(0, gs_m_do(b, gs_do_release, 0, 0));
	EXPECT_EQ(-EINTR, gs_m_answer(a));
	EXPECT_EQ(0, gs_m_saw(a));
	EXPECT_EQ(1, handled);
	EXPECT_EQ(1, handler_word);
	EXPECT_EQ(1, gs_counts(gs).switches);
}

/* Protocol 6: ACQUIRE with a handler is EINTR and leaves the M FREE, outside the promise. */
TEST_F(signals, acquire)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->a, *b = &self->b;

	ASSERT_EQ(0, gs_m_do(b, gs_do_acquire, 0, 0));
	ASSERT_TRUE(gs_m_waits(a));
	ASSERT_EQ(0, pthread_kill(a->thread, SIGUSR1));
	EXPECT_EQ(-EINTR, gs_m_answer(a));
	EXPECT_EQ(-1, gs_m_saw(a));
	EXPECT_EQ(GSCHED_M_FREE, gs_m_info(gs, a->id).state);
	EXPECT_EQ(1, handled);
	EXPECT_EQ(0, GS_LOAD(gs->status->nwaiting));
}

/* ---- without a handler ---- */

FIXTURE(stop) {
	struct gs gs;
	struct gs_m m[4];
};

FIXTURE_SETUP(stop)
{
	ASSERT_EQ(0, gs_stopper_start());
	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 0));
}

FIXTURE_TEARDOWN(stop)
{
	close(self->gs.fd);
}

/*
 * Protocol 6: a stop without a handler takes nobody out of the pool for good: PARK restarts by
 * itself.
 */
TEST_F(stop, parked)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1], *c = &self->m[2];

	ASSERT_EQ(0, gs_m_start(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_EQ(0, gs_m_start_on(gs, c));
	ASSERT_TRUE(gs_m_parks(a, 0));
	ASSERT_TRUE(gs_m_parks(b, GSCHED_PARK_PRIVATE));
	ASSERT_EQ(0, gs_stop_and_continue());
	EXPECT_TRUE(gs_m_gets(gs, a->id, GSCHED_M_PARKED));
	EXPECT_TRUE(gs_m_gets(gs, b->id, GSCHED_M_PARKED));
	EXPECT_EQ(1, gs_counts(gs).nparked);
	EXPECT_EQ(1, gs_counts(gs).nprivate);
	EXPECT_EQ(-1, gs_counts(gs).wanted);
	EXPECT_FALSE(gs_m_answered(a));
	EXPECT_FALSE(gs_m_answered(b));
	EXPECT_EQ(0, gs_m_do(c, gs_do_release, 0, 0));
	EXPECT_EQ(0, gs_unpark(gs, a->id));
	EXPECT_EQ(0, gs_m_answer(a));
	EXPECT_EQ(0, gs_m_saw(a));
}

/* A stop while WAITING in ACQUIRE: the call goes on waiting afterwards. */
TEST_F(stop, waiting)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];

	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_TRUE(gs_m_waits(b));
	ASSERT_EQ(0, gs_stop_and_continue());
	/* Whoever was first to go on has the P: stopped, the other one slept. */
	ASSERT_TRUE(GS_UNTIL(gs_m_answered(b) ||
			     (gs_m_info(gs, b->id).state == GSCHED_M_WAITING &&
			      gs_p(gs, 0).state == GSCHED_P_RUNNING && gs_p(gs, 0).m == a->id)));
	if (!gs_m_answered(b)) {
		EXPECT_EQ(0, gs_m_do(a, gs_do_release, 0, 0));
	}
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_EQ(0, gs_m_saw(b));
}

TEST_HARNESS_MAIN
