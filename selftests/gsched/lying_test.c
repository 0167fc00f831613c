// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing runnable is left lying (protocol 4): whoever publishes work and whoever falls asleep may
 * do so at the same instant, and one of the two sees the other.
 *
 * One M, the sleeper, does nothing but block with its P. Another side publishes work at any moment
 * and looks, as an enqueuer does: fence, nspinning, nidle and some_blocked, then WAKE. A third, the
 * worker, takes whatever work there is and PARKs. Each piece of work must be taken; by whom it was
 * brought about, the hook, WAKE or the worker's own PARK, is left to chance and counted.
 */
#include "gsched_util.h"

#include "kselftest_harness.h"

/* Ends after so many pieces of work or so long, but after LEAST of them on any machine. */
#define PIECES		100000
#define DURATION_NS	(3000 * GS_MS)
#define LEAST		100
/* From a call to the sleep in it takes less than this, emulated too. */
#define LONGEST_WAIT_NS	20000

FIXTURE(lying) {
	struct gs gs;
	struct gs_m sleeper, worker, owner;
	int pipe[2];
};

FIXTURE_VARIANT(lying) {
	int nr_p;
	bool other_ring;	/* work is put on the ring of the second P by its owner */
};

/* From a thread that is no M, to the global queue */
FIXTURE_VARIANT_ADD(lying, global_queue) { .nr_p = 1 };
/* The same with a P IDLE, so that the worker is found by WAKE or by its own PARK */
FIXTURE_VARIANT_ADD(lying, global_queue_idle_p) { .nr_p = 2 };
/* From an M that runs, to its own ring: the sleeper's P is the one that can come and steal */
FIXTURE_VARIANT_ADD(lying, other_ring) { .nr_p = 2, .other_ring = true };

static bool over;
static unsigned int taken;
static unsigned int sleeps;	/* how often the sleeper was about to fall asleep */
static int bad;

static unsigned int pick(unsigned int *seed, unsigned int n)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % n;
}

/* Up to @ns, of another length each time: the two sides meet at ever other places. */
static void jitter(unsigned int *seed, unsigned int ns)
{
	__u64 end = gs_now() + pick(seed, ns);

	while (gs_now() < end)
		;
}

/* Blocks in read(2) as often as it is let. */
static long do_sleep(struct gs_m *m, __u64 fd, __u64 b)
{
	while (!GS_LOAD(over)) {
		__atomic_fetch_add(&sleeps, 1, __ATOMIC_SEQ_CST);
		if (gs_do_read(m, fd, b) != 1)
			return -1;
	}
	return 0;
}

/* Takes what there is, as schedule() does, and PARKs. What it takes it takes with a P. */
static long do_work(struct gs_m *m, __u64 a, __u64 b)
{
	struct gs *gs = m->gs;
	int ret = 0;

	while (!GS_LOAD(over)) {
		if (ret == 0 || ret == -EAGAIN) {
			if (GS_LOAD(gs->hint->gqlen)) {
				GS_STORE(gs->hint->gqlen, 0);
				__atomic_fetch_add(&taken, 1, __ATOMIC_SEQ_CST);
			}
			if (GS_LOAD(gs->ph[1].head) != GS_LOAD(gs->ph[1].tail)) {
				__atomic_fetch_add(&gs->ph[1].head, 1, __ATOMIC_SEQ_CST);
				__atomic_fetch_add(&taken, 1, __ATOMIC_SEQ_CST);
			}
		} else {
			GS_STORE(bad, ret);
			return ret;
		}
		ret = gs_park(gs, 0, GSCHED_FOREVER);
		if (!GSCHED_M_P(GS_LOAD(gs->ms[m->id].word)))
			GS_STORE(bad, 1);
	}
	return 0;
}

/* The enqueuer's side of protocol 4, after the store of work */
static void look(struct gs *gs)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (__atomic_load_n(&gs->hint->nspinning, __ATOMIC_RELAXED))
		return;
	if (__atomic_load_n(&gs->status->nidle, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&gs->status->some_blocked, __ATOMIC_RELAXED))
		gs_wake(gs);
}

static void put_global(struct gs *gs)
{
	__atomic_store_n(&gs->hint->gqlen, 1, __ATOMIC_RELAXED);
	look(gs);
}

static void put_other_ring(struct gs *gs)
{
	__u32 tail = GS_LOAD(gs->ph[1].tail);

	if (!(GS_LOAD(gs->hint->has_work[0]) & 2))
		__atomic_fetch_or(&gs->hint->has_work[0], 2, __ATOMIC_RELAXED);
	__atomic_store_n(&gs->ph[1].tail, tail + 1, __ATOMIC_RELEASE);
	look(gs);
}

/* The sleeper comes back, and is about to fall asleep again. */
static bool sleeper_turns_over(int let)
{
	unsigned int before = GS_LOAD(sleeps);

	return write(let, "", 1) == 1 && GS_UNTIL(GS_LOAD(sleeps) != before);
}

/*
 * Publishes piece after piece, each when the one before was taken: every other one as the sleeper
 * falls asleep, the rest as the worker PARKs. Returns how many, or -1 when one was not taken.
 */
static long do_publish(struct gs *gs, void (*put)(struct gs *gs), int let)
{
	__u64 end = gs_now() + DURATION_NS;
	unsigned int piece, seed = 7;

	for (piece = 1; piece <= LEAST || (piece <= PIECES && gs_now() < end); piece++) {
		if (piece % 2 && !sleeper_turns_over(let))
			return -1;
		jitter(&seed, LONGEST_WAIT_NS);
		put(gs);
		if (!GS_UNTIL(GS_LOAD(taken) == piece)) {
			fprintf(stderr, "# piece %u lies, gqlen %u\n", piece,
				GS_LOAD(gs->hint->gqlen));
			gs_dump(gs);
			return -1;
		}
	}
	return piece - 1;
}

static long do_own(struct gs_m *m, __u64 let, __u64 b)
{
	return do_publish(m->gs, put_other_ring, let);
}

/*
 * Who publishes has a CPU of its own, if there is a second one: on one CPU nothing meets but at the
 * tick. Only the speed depends on it.
 */
static void pin(FIXTURE_DATA(lying) *self, bool owner)
{
	gs_pin(self->sleeper.tid, 1);
	gs_pin(self->worker.tid, 1);
	gs_pin(owner ? self->owner.tid : 0, 0);
}

FIXTURE_SETUP(lying)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, gs_make_domain(gs, variant->nr_p, 0));
	ASSERT_EQ(0, gs_m_start_on(gs, &self->sleeper));
	ASSERT_EQ(0, gs_m_start(gs, &self->worker));
	ASSERT_TRUE(gs_m_sleeps(&self->worker, GSCHED_M_PARKED, do_work, 0, 0));
	if (variant->other_ring) {
		ASSERT_EQ(0, gs_m_start_on(gs, &self->owner));
		ASSERT_EQ(1, gs_m_saw(&self->owner));
	}
	pin(self, variant->other_ring);
	gs_m_ask(&self->sleeper, do_sleep, self->pipe[0], 0);
}

FIXTURE_TEARDOWN(lying)
{
	close(self->gs.fd);
}

/* Protocol 3.3, 3.4 and 4: work published at any moment of a block is taken, whoever sees whom. */
TEST_F_TIMEOUT(lying, every_piece_is_taken, 60)
{
	struct gs *gs = &self->gs;
	struct gsched_info_domain counts;
	long pieces;

	if (variant->other_ring) {
		gs_m_ask(&self->owner, do_own, self->pipe[1], 0);
		/* It has its own patience, and a piece may use up most of it. */
		while (!gs_m_answered(&self->owner))
			sched_yield();
		pieces = self->owner.ret;
	} else {
		pieces = do_publish(gs, put_global, self->pipe[1]);
	}
	EXPECT_LE(LEAST, pieces);
	EXPECT_EQ(0, GS_LOAD(bad));
	counts = gs_counts(gs);
	TH_LOG("%ld pieces: %llu handoffs, %llu wakes, %llu found by PARK", pieces, counts.handoffs,
	       counts.wakes, counts.park_again);
	EXPECT_LT(0, counts.blocks);
}

/*
 * The same with nobody to WAKE for the sleeper's own work: what it leaves on its ring as it falls
 * asleep, the hook alone must find.
 */
TEST(work_left_by_the_sleeper)
{
	struct gs gs;
	struct gs_m a, b;
	int fd[2], round;

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(0, gs_make_domain(&gs, 1, 0));
	ASSERT_EQ(0, gs_m_start_on(&gs, &a));
	ASSERT_EQ(0, gs_m_start(&gs, &b));
	for (round = 0; round < 300; round++) {
		ASSERT_TRUE(gs_m_parks(&b, 0));
		gs_put_work(&gs, 0);
		gs_m_ask(&a, gs_do_read, fd[0], 0);
		ASSERT_EQ(0, gs_m_answer(&b));
		ASSERT_EQ(0, gs_m_saw(&b));
		gs_take_work(&gs, 0);
		ASSERT_EQ(1, write(fd[1], "", 1));
		ASSERT_EQ(0, gs_m_do(&b, gs_do_release, 0, 0));
		ASSERT_EQ(1, gs_m_answer(&a));
		ASSERT_EQ(0, gs_m_saw(&a));
	}
	EXPECT_EQ(300, gs_counts(&gs).grants_parked);
	close(gs.fd);
}

TEST_HARNESS_MAIN
