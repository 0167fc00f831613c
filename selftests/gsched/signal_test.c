// SPDX-License-Identifier: GPL-2.0
/*
 * Signals and the sleeps of PARK, SWITCH and ACQUIRE: with a handler, and without (protocol 6); and
 * storms of them at an M that waits at the border (protocol 5).
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

/* ---- storms at the border ---- */

/* So many signals, each so often; and so often it is let out by one that nobody handles */
#define STORM_SIGNALS	8
#define STORM_EACH	5
#define STORM_ROUNDS	100
/*
 * Let out for a signal, it may run for so long without a P: a hundred times the delay of the timer
 * that sends it back. An emulated processor may stand still meanwhile, so the best tenth counts.
 */
#define STORM_PASSAGE	(5 * GS_MS)

static int handled_without;	/* handlers begun without a P */
static __u64 looks_without;	/* of user code that had none */

static void look_and_count(int sig)
{
	if (!GSCHED_M_P(GS_LOAD(me->gs->ms[me->id].word)))
		__atomic_fetch_add(&handled_without, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

static long do_unblock(struct gs_m *m, __u64 sig, __u64 b)
{
	sigset_t set;

	me = m;
	sigemptyset(&set);
	sigaddset(&set, sig);
	return -pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static long do_read_and_look(struct gs_m *m, __u64 fd, __u64 b)
{
	long n = gs_do_read(m, fd, 0);

	while (!GSCHED_M_P(GS_LOAD(m->gs->ms[m->id].word)))
		GS_STORE(looks_without, looks_without + 1);
	return n;
}

static struct gsched_info_hist excess(struct gs *gs)
{
	struct gsched_info_hist hist = {};

	gs_info(gs, GSCHED_INFO_HIST, GSCHED_HIST_EXCESS, &hist, sizeof(hist));
	return hist;
}

/* How many of them took less than @ns, or a power of two below */
static __u64 shorter(const struct gsched_info_hist *hist, __u64 ns)
{
	__u64 n = 0;
	int i;

	for (i = 0; i < GSCHED_HIST_BUCKETS && 2ULL << i <= ns; i++)
		n += hist->bucket[i];
	return n;
}

/* a lost its P in read(2) to b, which keeps it, and is WAITING at the border. */
FIXTURE(storm) {
	struct gs gs;
	struct gs_m a, b;
	int pipe[2];
};

FIXTURE_SETUP(storm)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->a, *b = &self->b;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, gs_make_domain(gs, 1, 0));
	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_do(a, do_unblock, SIGUSR2, 0));
	ASSERT_EQ(0, gs_m_start(gs, b));
	gs_m_ask(a, do_read_and_look, self->pipe[0], 0);
	ASSERT_TRUE(gs_p_gets(gs, 0, GSCHED_P_BLOCKED, a->id));
	ASSERT_EQ(0, gs_m_do(b, gs_do_acquire, GSCHED_FOREVER, 0));
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	ASSERT_TRUE(gs_m_gets(gs, a->id, GSCHED_M_WAITING));
}

FIXTURE_TEARDOWN(storm)
{
	close(self->gs.fd);
}

/*
 * Signals with handlers let it out, one on top of the other, but none begins before it has a P; and
 * then all of them do.
 */
TEST_F(storm, with_handlers)
{
	struct sigaction sa = { .sa_handler = look_and_count };
	union sigval value = { .sival_int = 0 };
	struct gs_m *a = &self->a;
	struct gs *gs = &self->gs;
	int i, sent = STORM_SIGNALS * STORM_EACH;

	for (i = 0; i < STORM_SIGNALS; i++)
		ASSERT_EQ(0, sigaction(SIGRTMIN + i, &sa, NULL));
	for (i = 0; i < sent; i++)
		ASSERT_EQ(0, pthread_sigqueue(a->thread, SIGRTMIN + i % STORM_SIGNALS, value));
	ASSERT_TRUE(GS_UNTIL(gs_counts(gs).excess_signal > 0));
	ASSERT_TRUE(gs_m_gets(gs, a->id, GSCHED_M_WAITING));
	EXPECT_EQ(0, GS_LOAD(handled));
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_release, 0, 0));
	EXPECT_EQ(1, gs_m_answer(a));
	EXPECT_EQ(sent, handled);
	EXPECT_EQ(0, handled_without);
	EXPECT_EQ(0, looks_without);
	/* The timer may come before a slow kernel finds the signal: then it is let out again. */
	EXPECT_GE(sent + gs_counts(gs).excess_timer, gs_counts(gs).excess_signal);
}

/* One more, wherever the M is: has any of them taken it out of the border's wait? */
static bool is_let_out(struct gs *gs, __u64 before, __u64 *sent)
{
	*sent += !kill(getpid(), SIGUSR2);
	return gs_counts(gs).excess_signal > before;
}

/*
 * A signal that is taken and then ignored has no handler that would send it back, so it runs user
 * code without a P: that is counted, ends soon, and takes nobody's P.
 */
TEST_F(storm, ignored)
{
	struct gs_m *a = &self->a, *b = &self->b;
	struct gs *gs = &self->gs;
	struct gsched_info_domain d;
	struct gsched_info_hist e;
	__u64 out, sent = 0;
	int i;

	/* The kernel drops it at once, but not while the first thread has it blocked. */
	ASSERT_TRUE(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
	for (i = 0; i < STORM_ROUNDS; i++) {
		out = gs_counts(gs).excess_signal;
		ASSERT_TRUE(GS_UNTIL(is_let_out(gs, out, &sent)));
	}
	ASSERT_TRUE(gs_m_gets(gs, a->id, GSCHED_M_WAITING));
	EXPECT_EQ(b->id, gs_p(gs, 0).m);
	EXPECT_EQ(GSCHED_P_RUNNING, gs_p(gs, 0).state);
	ASSERT_EQ(0, gs_m_do(b, gs_do_release, 0, 0));
	EXPECT_EQ(1, gs_m_answer(a));
	d = gs_counts(gs);
	e = excess(gs);
	TH_LOG("%llu signals; let out %llu times, sent back %llu times by the timer", sent,
	       d.excess_signal, d.excess_timer);
	TH_LOG("%llu passages, %llu of them short; %llu us in all", e.count,
	       shorter(&e, STORM_PASSAGE), e.sum_ns / 1000);
	EXPECT_LT(0, looks_without);
	EXPECT_LT(0, d.excess_timer);
	EXPECT_GE(sent + d.excess_timer, d.excess_signal);
	EXPECT_GE(d.excess_signal, d.excess_timer);
	EXPECT_EQ(1, d.handoffs);
	/* each of them, and its way to the border after read(2) */
	EXPECT_LT(0, e.count);
	EXPECT_GE(d.excess_signal + 1, e.count);
	EXPECT_LE(e.count / 10, shorter(&e, STORM_PASSAGE * gs_factor()));
}

TEST_HARNESS_MAIN
