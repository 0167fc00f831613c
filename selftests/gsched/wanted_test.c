// SPDX-License-Identifier: GPL-2.0
/*
 * How many Ms a domain could use: MAKE, wanted and starved, and poll(), which reports them to the
 * thread that makes Ms and to the poller (protocol 4).
 */
#include "gsched_util.h"

#include "kselftest_harness.h"

FIXTURE(wanted) {
	struct gs gs;
	struct gs_m m[3];
};

FIXTURE_SETUP(wanted)
{
	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 1));
}

FIXTURE_TEARDOWN(wanted)
{
	close(self->gs.fd);
}

static bool wants(struct gs *gs, int n)
{
	bool readable = gs_poll(gs, 0) & POLLIN;

	return gs_counts(gs).wanted == n && (int)GS_LOAD(gs->status->wanted) == n &&
	       readable == (n > 0);
}

/* Protocol 4: wanted = spare - PARKED - being made, and poll() says when it is positive. */
TEST_F(wanted, spare_parked_and_made)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];

	EXPECT_TRUE(wants(gs, 1));
	EXPECT_EQ(0, gs_make(gs, 1));
	EXPECT_TRUE(wants(gs, 0));
	EXPECT_EQ(0, gs_make(gs, -1));
	EXPECT_TRUE(wants(gs, 1));
	ASSERT_EQ(0, gs_m_start(gs, a));
	EXPECT_TRUE(wants(gs, 1));
	ASSERT_TRUE(gs_m_parks(a, 0));
	EXPECT_TRUE(wants(gs, 0));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_TRUE(gs_m_parks(b, GSCHED_PARK_PRIVATE));
	EXPECT_TRUE(wants(gs, 0));
	ASSERT_EQ(0, gs_m_start(gs, &self->m[2]));
	ASSERT_TRUE(gs_m_parks(&self->m[2], 0));
	EXPECT_TRUE(wants(gs, -1));
	EXPECT_EQ(0, gs_wake(gs));
	EXPECT_TRUE(wants(gs, 0));
}

/* Protocol 4: an M registered with MADE leaves "being made" in its first PARK, not before. */
TEST_F(wanted, made_counts_until_it_parks)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0];

	EXPECT_EQ(0, gs_make(gs, 1));
	ASSERT_EQ(0, gs_m_start_flags(gs, a, GSCHED_REGISTER_MADE));
	EXPECT_EQ(1, gs_counts(gs).making);
	EXPECT_TRUE(wants(gs, 0));
	ASSERT_TRUE(gs_m_parks(a, 0));
	EXPECT_EQ(0, gs_counts(gs).making);
	EXPECT_TRUE(wants(gs, 0));
	EXPECT_EQ(0, gs_wake(gs));
	EXPECT_EQ(0, gs_m_answer(a));
	EXPECT_TRUE(wants(gs, 1));
	/* Only the first PARK counts. */
	ASSERT_TRUE(gs_m_parks(a, 0));
	EXPECT_EQ(0, gs_counts(gs).making);
	EXPECT_TRUE(wants(gs, 0));
}

/* Its first PARK may find work: it leaves the count all the same. */
TEST_F(wanted, made_and_put_to_work)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0];

	EXPECT_EQ(0, gs_make(gs, 1));
	GS_STORE(gs->hint->gqlen, 1);
	ASSERT_EQ(0, gs_m_start_flags(gs, a, GSCHED_REGISTER_MADE));
	EXPECT_EQ(-EAGAIN, gs_m_do(a, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_counts(gs).making);
	EXPECT_TRUE(wants(gs, 1));
}

/* Protocol 4: it leaves the count by dying, too; and by leaving. */
TEST_F(wanted, made_and_died)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0];

	EXPECT_EQ(0, gs_make(gs, 1));
	ASSERT_EQ(0, gs_m_start_flags(gs, a, GSCHED_REGISTER_MADE));
	gs_m_ask(a, gs_do_exit, 0, 0);
	gs_m_join(a);
	EXPECT_TRUE(GS_UNTIL(gs_counts(gs).making == 0));
	EXPECT_TRUE(GS_UNTIL(wants(gs, 1)));
	EXPECT_EQ(0, gs_make(gs, 1));
	ASSERT_EQ(0, gs_m_start_flags(gs, a, GSCHED_REGISTER_MADE));
	EXPECT_EQ(0, gs_m_do(a, gs_do_unregister, 0, 0));
	EXPECT_EQ(0, gs_counts(gs).making);
	EXPECT_TRUE(wants(gs, 1));
}

/* Protocol 4: starved asks for as many Ms as there are IDLE Ps, one at least. */
TEST_F(wanted, starved_asks_for_more)
{
	struct gs *gs = &self->gs;

	EXPECT_EQ(-EAGAIN, gs_wake(gs));
	EXPECT_TRUE(wants(gs, 2));
	EXPECT_EQ(POLLIN | POLLPRI, gs_poll(gs, 0));
	EXPECT_EQ(0, gs_make(gs, 2));
	EXPECT_TRUE(wants(gs, 0));
}

struct watcher {
	struct gs *gs;
	pthread_t thread;
	int tid;
	short events;
	int revents;
	bool told;
};

static void *watch(void *arg)
{
	struct watcher *w = arg;
	struct pollfd pfd = { .fd = w->gs->fd, .events = w->events };

	GS_STORE(w->tid, gettid());
	/* Without an end: one that times out looks once more, and would see what it missed. */
	w->revents = poll(&pfd, 1, -1) == 1 ? pfd.revents : 0;
	GS_STORE(w->told, true);
	return NULL;
}

/* A thread asleep in poll() */
static bool watcher_sleeps(struct watcher *w, struct gs *gs, short events)
{
	*w = (struct watcher) { .gs = gs, .events = events };
	return !pthread_create(&w->thread, NULL, watch, w) && GS_UNTIL(GS_LOAD(w->tid)) &&
	       gs_tid_sleeps(w->tid);
}

/* A sleeper in poll() is told when an M is wanted: when the spare one is given a P. */
TEST_F(wanted, poll_wakes_for_wanted)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0];
	struct watcher w;

	ASSERT_EQ(0, gs_m_start(gs, a));
	ASSERT_TRUE(gs_m_parks(a, 0));
	ASSERT_TRUE(watcher_sleeps(&w, gs, POLLIN));
	EXPECT_EQ(0, gs_unpark(gs, a->id));
	ASSERT_TRUE(GS_UNTIL(GS_LOAD(w.told)));
	EXPECT_EQ(POLLIN, w.revents);
}

/*
 * A sleeper in poll() is told when a BLOCKED P starves: from the hook, which can wake nobody
 * itself.
 */
TEST_F(wanted, poll_wakes_for_starved)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0];
	struct watcher w;
	int fd[2];

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_TRUE(watcher_sleeps(&w, gs, POLLPRI));
	GS_STORE(gs->hint->gqlen, 1);
	gs_m_ask(a, gs_do_read, fd[0], 0);
	ASSERT_TRUE(GS_UNTIL(GS_LOAD(w.told)));
	EXPECT_EQ(POLLPRI, w.revents);
	EXPECT_EQ(GSCHED_P_BLOCKED, gs_p(gs, 0).state);
}

TEST_HARNESS_MAIN
