// SPDX-License-Identifier: GPL-2.0
/*
 * The races that a sleeper can lose its wake-up in: a permit, or a change of the word it compares,
 * that comes at any moment of its PARK (protocol 4).
 */
#include "gsched_util.h"

#include "kselftest_harness.h"

/* A race goes on for so many rounds or so long, but for RACE_LEAST rounds on any machine. */
#define RACE_ROUNDS	100000
#define RACE_NS		(3000 * GS_MS)
#define RACE_LEAST	100

/* A little while, of another length each time: two threads meet at ever other places. */
static void jitter(unsigned int *seed)
{
	unsigned int n;

	*seed = *seed * 1103515245 + 12345;
	for (n = (*seed >> 16) % 400; n; n--)
		asm volatile("");
}

static bool goes_on(unsigned int turn, __u64 end)
{
	return turn <= RACE_LEAST || (turn <= RACE_ROUNDS && gs_now() < end);
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

FIXTURE(race) {
	struct gs gs;
	struct gs_m m[4];
};

FIXTURE_SETUP(race)
{
	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 0));
}

FIXTURE_TEARDOWN(race)
{
	close(self->gs.fd);
}

/* The permit against PARK: an UNPARK at any moment of a PARK is never lost. */
TEST_F(race, permit)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];
	__u64 end = gs_now() + RACE_NS;
	unsigned int turn, seed = 7;

	ASSERT_EQ(0, gs_m_start_on(gs, m));
	gs_m_ask(m, do_follow_by_permit, 0, 0);
	for (turn = 1; goes_on(turn, end); turn++) {
		jitter(&seed);
		GS_STORE(race.turn, turn);
		ASSERT_EQ(0, gs_unpark(gs, m->id));
		ASSERT_TRUE(GS_UNTIL(GS_LOAD(race.taken) == turn)) {
			TH_LOG("lost in turn %u", turn);
			gs_dump(gs);
		}
	}
	EXPECT_EQ(0, GS_LOAD(race.bad));
	GS_STORE(race.over, true);
	gs_unpark(gs, m->id);
	EXPECT_EQ(0, gs_m_answer(m));
	/* Both ways were taken, or there was no race. */
	EXPECT_LT(0, gs_counts(gs).permits);
	EXPECT_LT(0, gs_counts(gs).parks);
}

/* Has a PARK found its word changed, or was there not the luck for it in all that time? */
static bool finds_changed(struct gs *gs, __u64 end)
{
	return gs_counts(gs).park_again || gs_now() > end + GS_PATIENCE_NS;
}

/*
 * park.pml: the compare word against a changer that, as an enqueuer does, WAKEs only if it sees
 * a P that is IDLE: a change at any moment of a PARK is never lost.
 */
TEST_F(race, compare)
{
	struct gs *gs = &self->gs;
	struct gs_m *m = &self->m[0];
	__u64 end = gs_now() + RACE_NS;
	unsigned int turn, seed = 7;
	int ret;

	ASSERT_EQ(0, gs_m_start_on(gs, m));
	gs_m_ask(m, do_follow_by_word, 0, 0);
	for (turn = 1; goes_on(turn, end) || !finds_changed(gs, end); turn++) {
		jitter(&seed);
		GS_STORE(gs->hint->park[0], turn);
		/* Without a look WAKE's lock would make up for a compare that comes too early. */
		atomic_thread_fence(memory_order_seq_cst);
		ret = GS_LOAD(gs->status->nidle) ? gs_wake(gs) : 0;
		ASSERT_TRUE(ret == 0 || ret == -EAGAIN);
		ASSERT_TRUE(GS_UNTIL(GS_LOAD(race.taken) == turn)) {
			TH_LOG("lost in turn %u", turn);
			gs_dump(gs);
		}
	}
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

/*
 * Permits between Ms: a turn that goes round never stops, with fewer, as many and more Ps than take
 * part.
 */
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
	} while (goes_on(turn, end));
	for (i = 0; i < RING; i++) {
		EXPECT_FALSE(gs_m_answered(&self->m[i]))
			TH_LOG("M%u returned %ld", self->m[i].id, self->m[i].ret);
	}
}

TEST_HARNESS_MAIN
