// SPDX-License-Identifier: GPL-2.0
/*
 * Giving a P up, being let go on, and being handed one: PARK, UNPARK, WAKE, SWITCH, RELEASE, ACQUIRE
 * and MAKE between Ms that do not block elsewhere (protocol 4 and 6), with and without signals, and
 * the two races a sleeper can lose its wake-up in.
 */
#include "gsched_util.h"

#include "kselftest_harness.h"

/* A race goes on for this many rounds or this long, whichever ends first, but for RACE_LEAST at least. */
#define RACE_ROUNDS	100000
#define RACE_NS		(3000 * GS_MS)
#define RACE_LEAST	100

FIXTURE(park) {
	struct gs gs;
	struct gs_m m[4];
};

FIXTURE_SETUP(park)
{
	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 0));
}

FIXTURE_TEARDOWN(park)
{
	close(self->gs.fd);
}

/* The same with room for two to run */
FIXTURE(park2) {
	struct gs gs;
	struct gs_m m[4];
};

FIXTURE_SETUP(park2)
{
	ASSERT_EQ(0, gs_make_domain(&self->gs, 2, 0));
}

FIXTURE_TEARDOWN(park2)
{
	close(self->gs.fd);
}

/* ---- PARK and UNPARK ---- */

/* Protocol 4: PARK gives the P up and joins the pool; UNPARK brings it back with a P, and 0. */
TEST_F(park, pool)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];

	ASSERT_EQ(0, gs_m_start_on(gs, m));
	ASSERT_EQ(0, gs_m_saw(m));
	ASSERT_TRUE(gs_m_sleeps(m, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_TRUE(gs_p_gets(gs, 0, GSCHED_P_IDLE, 0));
	EXPECT_EQ(1, gs_counts(gs).nparked);
	EXPECT_EQ(1, GS_LOAD(gs->status->nparked));
	EXPECT_EQ(1, GS_LOAD(gs->status->nidle));
	EXPECT_EQ(0, gs_m_info(gs, m->id).p);
	EXPECT_FALSE(gs_m_answered(m));
	EXPECT_EQ(0, gs_unpark(gs, m->id));
	EXPECT_EQ(0, gs_m_answer(m));
	EXPECT_EQ(0, gs_m_saw(m));
	EXPECT_EQ(0, gs_counts(gs).nparked);
	EXPECT_EQ(0, GS_LOAD(gs->status->nidle));
	EXPECT_EQ(1, gs_counts(gs).unparks);
	EXPECT_EQ(0, gs_counts(gs).permits);
}

/* Protocol 4: parked privately it is in no pool, WAKE passes it over, UNPARK does not. */
TEST_F(park, private)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];

	ASSERT_EQ(0, gs_m_start_on(gs, m));
	ASSERT_TRUE(gs_m_sleeps(m, GSCHED_M_PARKED, gs_do_park, GSCHED_PARK_PRIVATE, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_counts(gs).nparked);
	EXPECT_EQ(1, gs_counts(gs).nprivate);
	EXPECT_TRUE(gs_m_info(gs, m->id).flags & GSCHED_INFO_M_PRIVATE);
	EXPECT_EQ(-EAGAIN, gs_wake(gs));
	EXPECT_FALSE(gs_m_answered(m));
	EXPECT_EQ(GSCHED_M_PARKED, gs_m_info(gs, m->id).state);
	EXPECT_EQ(0, gs_unpark(gs, m->id));
	EXPECT_EQ(0, gs_m_answer(m));
	EXPECT_EQ(0, gs_m_saw(m));
	EXPECT_EQ(0, gs_counts(gs).nprivate);
	EXPECT_FALSE(gs_m_info(gs, m->id).flags & GSCHED_INFO_M_PRIVATE);
}

/* Protocol 6: a deadline that has passed gives the P up and comes back at once, FREE. */
TEST_F(park, deadline_past)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];

	ASSERT_EQ(0, gs_m_start_on(gs, m));
	EXPECT_EQ(-ETIMEDOUT, gs_m_do(m, gs_do_park, 0, 0));
	EXPECT_EQ(0, m->word);
	EXPECT_EQ(GSCHED_M_FREE, gs_m_info(gs, m->id).state);
	EXPECT_EQ(GSCHED_P_IDLE, gs_p(gs, 0).state);
	EXPECT_EQ(0, gs_counts(gs).nparked);
	EXPECT_EQ(-ETIMEDOUT, gs_m_do(m, gs_do_park, GSCHED_PARK_PRIVATE, 1));
	EXPECT_EQ(0, gs_counts(gs).nprivate);
}

/* Protocol 6: a deadline to come is waited for, and never cut short. */
TEST_F(park, deadline_future)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];
	__u64 deadline;

	ASSERT_EQ(0, gs_m_start_on(gs, m));
	deadline = gs_in_ms(30);
	EXPECT_EQ(-ETIMEDOUT, gs_m_do(m, gs_do_park, 0, deadline));
	EXPECT_LE(deadline, gs_now());
	EXPECT_EQ(0, m->word);
	EXPECT_EQ(GSCHED_M_FREE, gs_m_info(gs, m->id).state);
	EXPECT_EQ(GSCHED_P_IDLE, gs_p(gs, 0).state);
	EXPECT_EQ(0, gs_m_do(m, gs_do_acquire, 0, 0));
	EXPECT_EQ(0, gs_m_saw(m));
}

/* An M without a P may PARK as well; let go on it has one. */
TEST_F(park, without_a_p)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];

	ASSERT_EQ(0, gs_m_start(gs, m));
	ASSERT_TRUE(gs_m_sleeps(m, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_unpark(gs, m->id));
	EXPECT_EQ(0, gs_m_answer(m));
	EXPECT_EQ(0, gs_m_saw(m));
}

/* Protocol 6: UNPARK of an M that runs leaves one permit, however often; the next PARK takes it and keeps the P. */
TEST_F(park, permit_is_one_and_sticky)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];
	__u64 count;

	ASSERT_EQ(0, gs_m_start_on(gs, m));
	count = m->count;
	EXPECT_EQ(0, gs_unpark(gs, m->id));
	EXPECT_EQ(0, gs_unpark(gs, m->id));
	EXPECT_TRUE(gs_m_info(gs, m->id).flags & GSCHED_INFO_M_PERMIT);
	EXPECT_EQ(2, gs_counts(gs).unparks);
	EXPECT_EQ(0, gs_m_do(m, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_m_saw(m));
	EXPECT_EQ(count, m->count);
	EXPECT_FALSE(gs_m_info(gs, m->id).flags & GSCHED_INFO_M_PERMIT);
	EXPECT_TRUE(gs_m_sleeps(m, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
}

/* Protocol 4: a permit taken by an M without a P makes it WAITING: it returns with one. */
TEST_F(park, permit_without_a_p)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];

	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_EQ(0, gs_unpark(gs, b->id));
	EXPECT_TRUE(gs_m_info(gs, b->id).flags & GSCHED_INFO_M_PERMIT);
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_WAITING, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_m_do(a, gs_do_release, 0, 0));
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_EQ(0, gs_m_saw(b));
}

/* A WAITING M is not PARKED: UNPARK leaves it a permit, and its place. */
TEST_F(park, permit_while_waiting)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];

	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_WAITING, gs_do_acquire, GSCHED_FOREVER, 0));
	EXPECT_EQ(0, gs_unpark(gs, b->id));
	EXPECT_EQ(GSCHED_M_WAITING, gs_m_info(gs, b->id).state);
	EXPECT_TRUE(gs_m_info(gs, b->id).flags & GSCHED_INFO_M_PERMIT);
	EXPECT_EQ(0, gs_m_do(a, gs_do_release, 0, 0));
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_EQ(0, gs_m_do(b, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_m_saw(b));
}

/* Protocol 6: an unparked M takes its turn when no P is free, and sleeps on in PARK until then. */
TEST_F(park, unpark_waits_its_turn)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];

	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_unpark(gs, b->id));
	EXPECT_EQ(GSCHED_M_WAITING, gs_m_info(gs, b->id).state);
	EXPECT_EQ(1, GS_LOAD(gs->status->nwaiting));
	EXPECT_FALSE(gs_m_answered(b));
	ASSERT_TRUE(gs_m_sleeps(a, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_EQ(0, gs_m_saw(b));
	EXPECT_EQ(0, GS_LOAD(gs->status->nwaiting));
}

/* Any M may be let go on by another one, too. */
TEST_F(park2, unpark_by_an_m)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];

	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start_on(gs, b));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_m_do(a, gs_do_unpark, b->id, 0));
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_EQ(0, gs_m_do(a, gs_do_unpark, a->id, 0));
	EXPECT_EQ(0, gs_m_do(a, gs_do_park, 0, GSCHED_FOREVER));
}

/* ---- the compare word ---- */

/* Protocol 4: while the word holds what is expected, PARK sleeps. */
TEST_F(park, compare_equal)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];

	ASSERT_EQ(0, gs_m_start_on(gs, m));
	GS_STORE(gs->hint->park[3], 7);
	ASSERT_TRUE(gs_m_sleeps(m, GSCHED_M_PARKED, gs_do_park_word, 3, 7));
	EXPECT_EQ(1, gs_counts(gs).nparked);
	/* The word is looked at once: a change needs a WAKE or an UNPARK beside it. */
	GS_STORE(gs->hint->park[3], 8);
	EXPECT_EQ(GSCHED_M_PARKED, gs_m_info(gs, m->id).state);
	EXPECT_EQ(0, gs_wake(gs));
	EXPECT_EQ(0, gs_m_answer(m));
	EXPECT_EQ(0, gs_m_saw(m));
}

/* Protocol 4: if it differs, EAGAIN with the same P, which nobody had meanwhile. */
TEST_F(park, compare_different)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];
	__u64 count;

	ASSERT_EQ(0, gs_m_start_on(gs, m));
	count = m->count;
	GS_STORE(gs->hint->park[GSCHED_PARK_WORDS - 1], 7);
	EXPECT_EQ(-EAGAIN, gs_m_do(m, gs_do_park_word, GSCHED_PARK_WORDS - 1, 6));
	EXPECT_EQ(0, gs_m_saw(m));
	EXPECT_GE(count + 1, m->count);
	EXPECT_EQ(GSCHED_M_ON, gs_m_info(gs, m->id).state);
	EXPECT_EQ(GSCHED_P_WORD(GSCHED_P_RUNNING, m->id), GS_LOAD(gs->ps[0].word));
	EXPECT_EQ(0, gs_counts(gs).nparked);
	EXPECT_EQ(1, gs_counts(gs).park_again);
	EXPECT_EQ(0, gs_counts(gs).parks);
}

/* ---- work that was published in time ---- */

/* Protocol 4: PARK that finds work for an IDLE P, here its own, is EAGAIN with that P. */
TEST_F(park, finds_work)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];

	ASSERT_EQ(0, gs_m_start_on(gs, m));
	gs_put_work(gs, 0);
	EXPECT_EQ(-EAGAIN, gs_m_do(m, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_m_saw(m));
	EXPECT_EQ(1, gs_counts(gs).park_again);
	gs_take_work(gs, 0);
	GS_STORE(gs->hint->gqlen, 1);
	EXPECT_EQ(-EAGAIN, gs_m_do(m, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_m_saw(m));
	GS_STORE(gs->hint->gqlen, 0);
	EXPECT_TRUE(gs_m_sleeps(m, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
}

/* n_newm: an M that comes to PARK without a P takes an IDLE one there is work for. */
TEST_F(park, without_a_p_finds_work)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];

	ASSERT_EQ(0, gs_m_start(gs, m));
	GS_STORE(gs->hint->gqlen, 1);
	EXPECT_EQ(-EAGAIN, gs_m_do(m, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_m_saw(m));
}

/* n_park: a P that is given up while an M is WAITING goes to that M, work or not. */
TEST_F(park, a_waiting_m_comes_first)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];

	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_WAITING, gs_do_acquire, GSCHED_FOREVER, 0));
	gs_put_work(gs, 0);
	gs_m_ask(a, gs_do_park, 0, GSCHED_FOREVER);
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_EQ(0, gs_m_saw(b));
	EXPECT_TRUE(gs_m_gets(gs, a->id, GSCHED_M_PARKED));
}

/* ---- WAKE ---- */

/* Protocol 4: WAKE joins an IDLE P and a PARKED M. */
TEST_F(park, wake)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];

	ASSERT_EQ(0, gs_m_start(gs, m));
	ASSERT_TRUE(gs_m_sleeps(m, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_wake(gs));
	EXPECT_EQ(0, gs_m_answer(m));
	EXPECT_EQ(0, gs_m_saw(m));
	EXPECT_EQ(1, gs_counts(gs).grants_parked);
	EXPECT_EQ(1, gs_counts(gs).wakes);
	EXPECT_EQ(0, gs_counts(gs).wakes_again);
}

/* One WAKE starts one PARKED M, not all. */
TEST_F(park2, wake_starts_one)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];

	ASSERT_EQ(0, gs_m_start(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_TRUE(gs_m_sleeps(a, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_wake(gs));
	EXPECT_EQ(1, gs_counts(gs).nparked);
	EXPECT_EQ(1, gs_counts(gs).nidle);
	EXPECT_EQ(0, gs_wake(gs));
	EXPECT_EQ(0, gs_counts(gs).nparked);
	EXPECT_EQ(0, gs_m_answer(a));
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_NE(gs_m_saw(a), gs_m_saw(b));
}

/* Protocol 4: a P with use and no M for it is EAGAIN and starved; the next PARK without work clears that. */
TEST_F(park, wake_without_an_m)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];

	EXPECT_EQ(0, gs_poll(gs, 0) & POLLPRI);
	EXPECT_EQ(-EAGAIN, gs_wake(gs));
	EXPECT_EQ(1, GS_LOAD(gs->status->starved));
	EXPECT_EQ(1, gs_counts(gs).wakes_again);
	EXPECT_EQ(POLLPRI, gs_poll(gs, 0) & POLLPRI);
	ASSERT_EQ(0, gs_m_start(gs, m));
	ASSERT_TRUE(gs_m_sleeps(m, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, GS_LOAD(gs->status->starved));
	EXPECT_EQ(0, gs_poll(gs, 0) & POLLPRI);
}

/* models/someblocked: WAKE that finds no BLOCKED P clears the sticky word for the enqueuers after it. */
TEST_F(park, wake_clears_some_blocked)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];
	int fd[2];

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(0, gs_m_start_on(gs, m));
	gs_m_ask(m, gs_do_read, fd[0], 0);
	ASSERT_TRUE(gs_p_gets(gs, 0, GSCHED_P_BLOCKED, m->id));
	EXPECT_NE(0, GS_LOAD(gs->status->some_blocked));
	ASSERT_EQ(1, write(fd[1], "", 1));
	ASSERT_EQ(1, gs_m_answer(m));
	gs_wake(gs);
	EXPECT_EQ(0, GS_LOAD(gs->status->some_blocked));
}

/* Protocol 4: with no IDLE P, WAKE takes a BLOCKED one for the PARKED M. */
TEST_F(park, wake_takes_a_blocked_p)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];
	int fd[2];

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	gs_m_ask(a, gs_do_read, fd[0], 0);
	ASSERT_TRUE(gs_p_gets(gs, 0, GSCHED_P_BLOCKED, a->id));
	EXPECT_EQ(0, gs_wake(gs));
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_EQ(0, gs_m_saw(b));
	ASSERT_EQ(1, write(fd[1], "", 1));
	ASSERT_TRUE(gs_m_gets(gs, a->id, GSCHED_M_WAITING));
	EXPECT_EQ(0, gs_m_do(b, gs_do_release, 0, 0));
	EXPECT_EQ(1, gs_m_answer(a));
	EXPECT_EQ(0, gs_m_saw(a));
}

/* n_starved: a BLOCKED P that starved is taken by the first M that comes to PARK, not left to its sleeper. */
TEST_F(park, a_starved_blocked_p_is_taken)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];
	int fd[2];

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	GS_STORE(gs->hint->gqlen, 1);
	gs_m_ask(a, gs_do_read, fd[0], 0);
	ASSERT_TRUE(GS_UNTIL(GS_LOAD(gs->status->starved)));
	EXPECT_EQ(-EAGAIN, gs_m_do(b, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_m_saw(b));
	EXPECT_EQ(0, GS_LOAD(gs->status->starved));
}

/* ---- SWITCH ---- */

/* Protocol 6: SWITCH hands the P to a PARKED M and leaves the caller PARKED in the pool. */
TEST_F(park, switch_to_parked)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];

	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	ASSERT_TRUE(gs_m_sleeps(a, GSCHED_M_PARKED, gs_do_switch, b->id, 0));
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_EQ(0, gs_m_saw(b));
	EXPECT_EQ(a->count + 1, b->count);
	EXPECT_EQ(1, gs_counts(gs).nparked);
	EXPECT_EQ(1, gs_counts(gs).switches);
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_PARKED, gs_do_switch, a->id, 0));
	EXPECT_EQ(0, gs_m_answer(a));
	EXPECT_EQ(0, gs_m_saw(a));
}

/* Protocol 4: it reaches an M that is parked privately (startlockedm), and that alone. */
TEST_F(park, switch_to_private)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];

	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_PARKED, gs_do_park, GSCHED_PARK_PRIVATE, GSCHED_FOREVER));
	ASSERT_TRUE(gs_m_sleeps(a, GSCHED_M_PARKED, gs_do_switch, b->id, 0));
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_EQ(0, gs_m_saw(b));
	EXPECT_EQ(0, gs_counts(gs).nprivate);
	EXPECT_EQ(1, gs_counts(gs).nparked);
}

/* It may name a WAITING M out of turn; OLDEST names the one whose turn it is. */
TEST_F(park, switch_to_waiting)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1], *c = &self->m[2], *d = &self->m[3];

	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_EQ(0, gs_m_start(gs, c));
	ASSERT_EQ(0, gs_m_start(gs, d));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_WAITING, gs_do_acquire, GSCHED_FOREVER, 0));
	ASSERT_TRUE(gs_m_sleeps(c, GSCHED_M_WAITING, gs_do_acquire, GSCHED_FOREVER, 0));
	ASSERT_TRUE(gs_m_sleeps(d, GSCHED_M_WAITING, gs_do_acquire, GSCHED_FOREVER, 0));
	ASSERT_TRUE(gs_m_sleeps(a, GSCHED_M_PARKED, gs_do_switch, d->id, 0));
	EXPECT_EQ(0, gs_m_answer(d));
	EXPECT_EQ(0, gs_m_saw(d));
	EXPECT_FALSE(gs_m_answered(b));
	ASSERT_TRUE(gs_m_sleeps(d, GSCHED_M_PARKED, gs_do_switch, GSCHED_M_OLDEST, 0));
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_FALSE(gs_m_answered(c));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_PARKED, gs_do_switch, GSCHED_M_OLDEST, 0));
	EXPECT_EQ(0, gs_m_answer(c));
	EXPECT_EQ(3, gs_counts(gs).nparked);
}

/* n_permit: with a permit the caller is WAITING at once, not PARKED. */
TEST_F(park, switch_with_a_permit)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];

	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	ASSERT_EQ(0, gs_unpark(gs, a->id));
	ASSERT_TRUE(gs_m_sleeps(a, GSCHED_M_WAITING, gs_do_switch, b->id, 0));
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_FALSE(gs_m_info(gs, a->id).flags & GSCHED_INFO_M_PERMIT);
	EXPECT_EQ(0, gs_m_do(b, gs_do_release, 0, 0));
	EXPECT_EQ(0, gs_m_answer(a));
	EXPECT_EQ(0, gs_m_saw(a));
}

/* Protocol 6: a target that neither is PARKED nor WAITING is EAGAIN, itself EINVAL, nobody ENOENT; nothing changes. */
TEST_F(park2, switch_refuses)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1], *c = &self->m[2];
	__u64 word, count;

	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start_on(gs, b));
	ASSERT_EQ(0, gs_m_start(gs, c));
	word = a->word;
	count = a->count;
	EXPECT_EQ(-EAGAIN, gs_m_do(a, gs_do_switch, b->id, 0));
	EXPECT_EQ(-EAGAIN, gs_m_do(a, gs_do_switch, c->id, 0));
	EXPECT_EQ(-EAGAIN, gs_m_do(a, gs_do_switch, GSCHED_M_OLDEST, 0));
	EXPECT_EQ(-EINVAL, gs_m_do(a, gs_do_switch, a->id, 0));
	EXPECT_EQ(-ENOENT, gs_m_do(a, gs_do_switch, GS_MAX_M - 1, 0));
	EXPECT_EQ(-ENOENT, gs_m_do(a, gs_do_switch, GS_MAX_M, 0));
	EXPECT_EQ(word, a->word);
	EXPECT_EQ(count, a->count);
	EXPECT_EQ(GSCHED_M_ON, gs_m_info(gs, b->id).state);
	/* A caller without a P has nothing to hand over. */
	EXPECT_EQ(0, gs_m_do(b, gs_do_release, 0, 0));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(-EAGAIN, gs_m_do(c, gs_do_switch, b->id, 0));
	EXPECT_EQ(0, c->word);
	EXPECT_EQ(0, gs_counts(gs).switches);
}

/* ---- RELEASE and ACQUIRE ---- */

/* Protocol 6: ACQUIRE with deadline 0 tries once; a deadline to come is waited for. Either way the M is FREE. */
TEST_F(park, acquire_deadline)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];
	__u64 deadline;

	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	EXPECT_EQ(-ETIMEDOUT, gs_m_do(b, gs_do_acquire, 0, 0));
	EXPECT_EQ(0, b->word);
	EXPECT_EQ(GSCHED_M_FREE, gs_m_info(gs, b->id).state);
	deadline = gs_in_ms(30);
	EXPECT_EQ(-ETIMEDOUT, gs_m_do(b, gs_do_acquire, deadline, 0));
	EXPECT_LE(deadline, gs_now());
	EXPECT_EQ(GSCHED_M_FREE, gs_m_info(gs, b->id).state);
	EXPECT_EQ(0, GS_LOAD(gs->status->nwaiting));
	EXPECT_EQ(0, gs_m_do(a, gs_do_release, 0, 0));
	EXPECT_EQ(0, gs_m_do(b, gs_do_acquire, 0, 0));
	EXPECT_EQ(0, gs_m_saw(b));
}

/* Protocol 6: WAITING Ms are served in order of arrival. */
TEST_F(park, acquire_in_order)
{
	struct gs *gs = &self->gs;
	__u64 grants;
	int i;

	ASSERT_EQ(0, gs_m_start_on(gs, &self->m[0]));
	for (i = 1; i < 4; i++)
		ASSERT_EQ(0, gs_m_start(gs, &self->m[i]));
	grants = gs_counts(gs).grants_waiting;
	for (i = 1; i < 4; i++) {
		int at = 4 - i;		/* not the order of their ids */

		ASSERT_TRUE(gs_m_sleeps(&self->m[at], GSCHED_M_WAITING, gs_do_acquire,
					GSCHED_FOREVER, 0));
		EXPECT_EQ((__u32)i, GS_LOAD(gs->status->nwaiting));
	}
	EXPECT_EQ(0, gs_m_do(&self->m[0], gs_do_release, 0, 0));
	for (i = 3; i >= 1; i--) {
		EXPECT_EQ(0, gs_m_answer(&self->m[i]));
		EXPECT_EQ((__u32)i - 1, GS_LOAD(gs->status->nwaiting));
		EXPECT_EQ(0, gs_m_do(&self->m[i], gs_do_release, 0, 0));
	}
	EXPECT_EQ(grants + 3, gs_counts(gs).grants_waiting);
}

/* n_idle: RELEASE looks as a block does: with work there, the P goes to a PARKED M. */
TEST_F(park, release_hands_on)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];

	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	GS_STORE(gs->hint->gqlen, 1);
	EXPECT_EQ(0, gs_m_do(a, gs_do_release, 0, 0));
	EXPECT_EQ(0, a->word);
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_EQ(0, gs_m_saw(b));
}

/* n_idle: with work and no M for it, the P is IDLE and starved. */
TEST_F(park, release_with_nobody_starves)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0];

	ASSERT_EQ(0, gs_m_start_on(gs, a));
	GS_STORE(gs->hint->gqlen, 1);
	EXPECT_EQ(0, gs_m_do(a, gs_do_release, 0, 0));
	EXPECT_EQ(GSCHED_P_IDLE, gs_p(gs, 0).state);
	EXPECT_EQ(1, GS_LOAD(gs->status->starved));
}

/* ---- MAKE and wanted ---- */

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
	ASSERT_TRUE(gs_m_sleeps(a, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_TRUE(wants(gs, 0));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_PARKED, gs_do_park, GSCHED_PARK_PRIVATE, GSCHED_FOREVER));
	EXPECT_TRUE(wants(gs, 0));
	ASSERT_EQ(0, gs_m_start(gs, &self->m[2]));
	ASSERT_TRUE(gs_m_sleeps(&self->m[2], GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
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
	ASSERT_TRUE(gs_m_sleeps(a, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	EXPECT_EQ(0, gs_counts(gs).making);
	EXPECT_TRUE(wants(gs, 0));
	EXPECT_EQ(0, gs_wake(gs));
	EXPECT_EQ(0, gs_m_answer(a));
	EXPECT_TRUE(wants(gs, 1));
	/* Only the first PARK counts. */
	ASSERT_TRUE(gs_m_sleeps(a, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
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
};

static void *watch(void *arg)
{
	struct watcher *w = arg;
	struct pollfd pfd = { .fd = w->gs->fd, .events = w->events };

	GS_STORE(w->tid, gettid());
	w->revents = poll(&pfd, 1, GS_PATIENCE_NS / GS_MS) == 1 ? pfd.revents : 0;
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
	ASSERT_TRUE(gs_m_sleeps(a, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	ASSERT_TRUE(watcher_sleeps(&w, gs, POLLIN));
	EXPECT_EQ(0, gs_unpark(gs, a->id));
	pthread_join(w.thread, NULL);
	EXPECT_EQ(POLLIN, w.revents);
}

/* A sleeper in poll() is told when a BLOCKED P starves: from the hook, which can wake nobody itself. */
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
	pthread_join(w.thread, NULL);
	EXPECT_EQ(POLLPRI, w.revents);
	EXPECT_EQ(GSCHED_P_BLOCKED, gs_p(gs, 0).state);
}

/* ---- signals ---- */

static __thread struct gs_m *me;
static __u64 handler_word;
static int handled;

static void handler(int sig)
{
	(void)sig;
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
	(void)a, (void)b;
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

/* Protocol 6: a handler takes an M out of PARK, but runs, and EINTR returns, only once it holds a P. */
TEST_F(signals, park)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->a, *b = &self->b;

	ASSERT_EQ(0, gs_m_do(b, gs_do_acquire, 0, 0));
	ASSERT_TRUE(gs_m_sleeps(a, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	ASSERT_EQ(0, pthread_kill(a->thread, SIGUSR1));
	ASSERT_TRUE(gs_m_gets(gs, a->id, GSCHED_M_WAITING));
	EXPECT_EQ(0, GS_LOAD(handled));
	EXPECT_EQ(0, gs_m_do(b, gs_do_release, 0, 0));
	EXPECT_EQ(-EINTR, gs_m_answer(a));
	EXPECT_EQ(0, gs_m_saw(a));
	EXPECT_EQ(1, handled);
	EXPECT_EQ(1, handler_word);
	EXPECT_EQ(0, gs_counts(gs).nparked);
}

/* Protocol 6: SWITCH that has handed its P over never restarts: EINTR, and again with a P. */
TEST_F(signals, switch)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->a, *b = &self->b;

	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
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
	ASSERT_TRUE(gs_m_sleeps(a, GSCHED_M_WAITING, gs_do_acquire, GSCHED_FOREVER, 0));
	ASSERT_EQ(0, pthread_kill(a->thread, SIGUSR1));
	EXPECT_EQ(-EINTR, gs_m_answer(a));
	EXPECT_EQ(-1, gs_m_saw(a));
	EXPECT_EQ(GSCHED_M_FREE, gs_m_info(gs, a->id).state);
	EXPECT_EQ(1, handled);
	EXPECT_EQ(0, GS_LOAD(gs->status->nwaiting));
}

/* Protocol 6: a stop without a handler takes nobody out of the pool for good: PARK restarts by itself. */
TEST_F(park, stop_and_continue)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1], *c = &self->m[2];

	ASSERT_EQ(0, gs_m_start(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_EQ(0, gs_m_start_on(gs, c));
	ASSERT_TRUE(gs_m_sleeps(a, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_PARKED, gs_do_park, GSCHED_PARK_PRIVATE, GSCHED_FOREVER));
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
TEST_F(park, stop_and_continue_acquire)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];

	ASSERT_EQ(0, gs_m_start_on(gs, a));
	ASSERT_EQ(0, gs_m_start(gs, b));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_WAITING, gs_do_acquire, GSCHED_FOREVER, 0));
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

/* ---- races ---- */

/* A little while, of another length each time: two threads meet at ever other places. */
static void jitter(unsigned int *seed)
{
	unsigned int n;

	*seed = *seed * 1103515245 + 12345;
	for (n = (*seed >> 16) % 400; n; n--)
		asm volatile("");
}

struct race {
	unsigned int turn;	/* told by the one */
	unsigned int taken;	/* seen by the other */
	bool over;
	int bad;		/* what a call returned that it must not return */
};

static struct race race;

/* Waits for each turn by PARK, as a user of permits does. */
static long do_follow_by_permit(struct gs_m *m, __u64 a, __u64 b)
{
	unsigned int seed = m->id + 1, seen = 0;
	int ret;

	(void)a, (void)b;
	while (!GS_LOAD(race.over)) {
		if (GS_LOAD(race.turn) != seen) {
			seen = GS_LOAD(race.turn);
			GS_STORE(race.taken, seen);
			jitter(&seed);
			continue;
		}
		ret = gs_park(m->gs, 0, GSCHED_FOREVER);
		if (ret || !GSCHED_M_P(GS_LOAD(m->gs->ms[m->id].word)))
			GS_STORE(race.bad, ret ? ret : 1);
	}
	return 0;
}

/* Waits for each turn by PARK with the compare word, as a futex is waited for. */
static long do_follow_by_word(struct gs_m *m, __u64 a, __u64 b)
{
	unsigned int seed = m->id + 1, seen = 0;
	int ret;

	(void)a, (void)b;
	while (!GS_LOAD(race.over)) {
		if (GS_LOAD(m->gs->hint->park[0]) != seen) {
			seen = GS_LOAD(m->gs->hint->park[0]);
			GS_STORE(race.taken, seen);
			jitter(&seed);
			continue;
		}
		ret = gs_park_word(m->gs, GSCHED_FOREVER, 0, seen);
		if ((ret && ret != -EAGAIN) || !GSCHED_M_P(GS_LOAD(m->gs->ms[m->id].word)))
			GS_STORE(race.bad, ret ? ret : 1);
	}
	return 0;
}

/* The permit against PARK: an UNPARK at any moment of a PARK is never lost. */
TEST_F(park2, permit_race)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];
	__u64 end = gs_now() + RACE_NS;
	unsigned int turn, seed = 7;

	ASSERT_EQ(0, gs_m_start_on(gs, m));
	gs_m_ask(m, do_follow_by_permit, 0, 0);
	for (turn = 1; turn <= RACE_ROUNDS && gs_now() < end; turn++) {
		jitter(&seed);
		GS_STORE(race.turn, turn);
		ASSERT_EQ(0, gs_unpark(gs, m->id));
		ASSERT_TRUE(GS_UNTIL(GS_LOAD(race.taken) == turn)) {
			TH_LOG("lost in turn %u", turn);
			gs_dump(gs);
		}
	}
	EXPECT_LT(RACE_LEAST, turn);
	EXPECT_EQ(0, GS_LOAD(race.bad));
	GS_STORE(race.over, true);
	gs_unpark(gs, m->id);
	EXPECT_EQ(0, gs_m_answer(m));
	/* Both ways were taken, or there was no race. */
	EXPECT_LT(0, gs_counts(gs).permits);
	EXPECT_LT(0, gs_counts(gs).parks);
}

/* The compare word against a changer: a change followed by WAKE at any moment of a PARK is never lost. */
TEST_F(park2, compare_race)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];
	__u64 end = gs_now() + RACE_NS;
	unsigned int turn, seed = 7;
	int ret;

	ASSERT_EQ(0, gs_m_start_on(gs, m));
	gs_m_ask(m, do_follow_by_word, 0, 0);
	for (turn = 1; turn <= RACE_ROUNDS && gs_now() < end; turn++) {
		jitter(&seed);
		GS_STORE(gs->hint->park[0], turn);
		ret = gs_wake(gs);
		ASSERT_TRUE(ret == 0 || ret == -EAGAIN);
		ASSERT_TRUE(GS_UNTIL(GS_LOAD(race.taken) == turn)) {
			TH_LOG("lost in turn %u", turn);
			gs_dump(gs);
		}
	}
	EXPECT_LT(RACE_LEAST, turn);
	EXPECT_EQ(0, GS_LOAD(race.bad));
	GS_STORE(race.over, true);
	gs_unpark(gs, m->id);
	EXPECT_EQ(0, gs_m_answer(m));
	EXPECT_LT(0, gs_counts(gs).park_again);
	EXPECT_LT(0, gs_counts(gs).parks);
}

#define RING	3

static __u32 ring_id[RING];

/* Passes the turn on to the next by UNPARK, then PARKs until it comes round. */
static long do_ring(struct gs_m *m, __u64 at, __u64 b)
{
	int ret = gs_acquire(m->gs, GSCHED_FOREVER);
	unsigned int turn;

	(void)b;
	while (!ret && !GS_LOAD(race.over)) {
		turn = GS_LOAD(race.turn);
		if (turn % RING == at) {
			GS_STORE(race.turn, turn + 1);
			ret = gs_unpark(m->gs, ring_id[(at + 1) % RING]);
		} else {
			ret = gs_park(m->gs, 0, GSCHED_FOREVER);
		}
		if (!ret && !GSCHED_M_P(GS_LOAD(m->gs->ms[m->id].word)))
			ret = -1;
	}
	return ret;
}

FIXTURE(ring) {
	struct gs gs;
	struct gs_m m[RING];
};

FIXTURE_VARIANT(ring) {
	int nr_p;
};

FIXTURE_VARIANT_ADD(ring, of_1_p) { .nr_p = 1 };
FIXTURE_VARIANT_ADD(ring, of_2_ps) { .nr_p = 2 };
FIXTURE_VARIANT_ADD(ring, of_3_ps) { .nr_p = 3 };

FIXTURE_SETUP(ring)
{
	int i;

	ASSERT_EQ(0, gs_make_domain(&self->gs, variant->nr_p, 0));
	for (i = 0; i < RING; i++) {
		ASSERT_EQ(0, gs_m_start(&self->gs, &self->m[i]));
		ring_id[i] = self->m[i].id;
	}
}

FIXTURE_TEARDOWN(ring)
{
	close(self->gs.fd);
}

/* Permits between Ms: a turn that goes round never stops, with fewer, as many and more Ps than take part. */
TEST_F(ring, goes_round)
{
	struct gs *gs = &self->gs;
	__u64 end = gs_now() + RACE_NS / 3;
	unsigned int turn;
	int i;

	for (i = 0; i < RING; i++)
		gs_m_ask(&self->m[i], do_ring, i, 0);
	do {
		turn = GS_LOAD(race.turn);
		ASSERT_TRUE(GS_UNTIL(GS_LOAD(race.turn) != turn)) {
			TH_LOG("stopped at turn %u", turn);
			gs_dump(gs);
		}
	} while (gs_now() < end && turn < RACE_ROUNDS);
	EXPECT_LT(RACE_LEAST, turn);
	for (i = 0; i < RING; i++) {
		EXPECT_FALSE(gs_m_answered(&self->m[i]))
			TH_LOG("M%u returned %ld", self->m[i].id, self->m[i].ret);
	}
}

TEST_HARNESS_MAIN
