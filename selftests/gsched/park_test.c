// SPDX-License-Identifier: GPL-2.0
/*
 * Giving a P up, being let go on, and being handed one: PARK, UNPARK, WAKE, SWITCH, RELEASE and
 * ACQUIRE between Ms that do not block elsewhere (protocol 4 and 6).
 */
#include "gsched_util.h"

#include "kselftest_harness.h"

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
	ASSERT_TRUE(gs_m_parks(m, 0));
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
	ASSERT_TRUE(gs_m_parks(m, GSCHED_PARK_PRIVATE));
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
	ASSERT_TRUE(gs_m_parks(m, 0));
	EXPECT_EQ(0, gs_unpark(gs, m->id));
	EXPECT_EQ(0, gs_m_answer(m));
	EXPECT_EQ(0, gs_m_saw(m));
}

/*
 * Protocol 6: UNPARK of an M that runs leaves one permit, however often; the next PARK takes it and
 * keeps the P.
 */
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
	EXPECT_TRUE(gs_m_parks(m, 0));
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
	ASSERT_TRUE(gs_m_waits(b));
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
	ASSERT_TRUE(gs_m_parks(b, 0));
	EXPECT_EQ(0, gs_unpark(gs, b->id));
	EXPECT_EQ(GSCHED_M_WAITING, gs_m_info(gs, b->id).state);
	EXPECT_EQ(1, GS_LOAD(gs->status->nwaiting));
	EXPECT_FALSE(gs_m_answered(b));
	ASSERT_TRUE(gs_m_parks(a, 0));
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
	ASSERT_TRUE(gs_m_parks(b, 0));
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
	EXPECT_TRUE(gs_m_parks(m, 0));
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
	ASSERT_TRUE(gs_m_waits(b));
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
	ASSERT_TRUE(gs_m_parks(m, 0));
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
	ASSERT_TRUE(gs_m_parks(a, 0));
	ASSERT_TRUE(gs_m_parks(b, 0));
	EXPECT_EQ(0, gs_wake(gs));
	EXPECT_EQ(1, gs_counts(gs).nparked);
	EXPECT_EQ(1, gs_counts(gs).nidle);
	EXPECT_EQ(0, gs_wake(gs));
	EXPECT_EQ(0, gs_counts(gs).nparked);
	EXPECT_EQ(0, gs_m_answer(a));
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_NE(gs_m_saw(a), gs_m_saw(b));
}

/*
 * Protocol 4: a P with use and no M for it is EAGAIN and starved; the next PARK without work clears
 * that.
 */
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
	ASSERT_TRUE(gs_m_parks(m, 0));
	EXPECT_EQ(0, GS_LOAD(gs->status->starved));
	EXPECT_EQ(0, gs_poll(gs, 0) & POLLPRI);
}

/*
 * Protocol 4: WAKE that finds no BLOCKED P clears the sticky word for the enqueuers after
 * it.
 */
TEST_F(park, wake_clears_some_blocked)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];
	int fd[2];

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(0, gs_m_start_on(gs, m));
	gs_m_ask(m, gs_do_read, fd[0], 0);
	ASSERT_TRUE(gs_p_gets(gs, 0, GSCHED_P_BLOCKED, m->id));
	/* The word is BLOCKED first. */
	EXPECT_TRUE(GS_UNTIL(GS_LOAD(gs->status->some_blocked)));
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
	ASSERT_TRUE(gs_m_parks(b, 0));
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

/*
 * n_starved: a BLOCKED P that starved is taken by the first M that comes to PARK, not left to its
 * sleeper.
 */
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
	ASSERT_TRUE(gs_m_parks(b, 0));
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
	ASSERT_TRUE(gs_m_parks(b, GSCHED_PARK_PRIVATE));
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
	ASSERT_TRUE(gs_m_waits(b));
	ASSERT_TRUE(gs_m_waits(c));
	ASSERT_TRUE(gs_m_waits(d));
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
	ASSERT_TRUE(gs_m_parks(b, 0));
	ASSERT_EQ(0, gs_unpark(gs, a->id));
	ASSERT_TRUE(gs_m_sleeps(a, GSCHED_M_WAITING, gs_do_switch, b->id, 0));
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_FALSE(gs_m_info(gs, a->id).flags & GSCHED_INFO_M_PERMIT);
	EXPECT_EQ(0, gs_m_do(b, gs_do_release, 0, 0));
	EXPECT_EQ(0, gs_m_answer(a));
	EXPECT_EQ(0, gs_m_saw(a));
}

/*
 * Protocol 6: a target that neither is PARKED nor WAITING is EAGAIN, itself EINVAL, nobody ENOENT;
 * nothing changes.
 */
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
	ASSERT_TRUE(gs_m_parks(b, 0));
	EXPECT_EQ(-EAGAIN, gs_m_do(c, gs_do_switch, b->id, 0));
	EXPECT_EQ(0, c->word);
	EXPECT_EQ(0, gs_counts(gs).switches);
}

/* ---- RELEASE and ACQUIRE ---- */

/*
 * Protocol 6: ACQUIRE with deadline 0 tries once; a deadline to come is waited for. Either way the
 * M is FREE.
 */
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

		ASSERT_TRUE(gs_m_waits(&self->m[at]));
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
	ASSERT_TRUE(gs_m_parks(b, 0));
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

TEST_HARNESS_MAIN
