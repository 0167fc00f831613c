// SPDX-License-Identifier: GPL-2.0
/*
 * The run queues, called directly: no runtime runs (go-semantics section 4, items 18 to 21).
 */
#include <pthread.h>
#include <sched.h>

#include "grt_harness.h"
#include "runtime.h"

#define N_PS 4

static struct gsched_hint hints;
static struct gsched_status status;
static struct gsched_p_hint lines[N_PS];

/* Ps in plain memory; no P is idle and none polls, so wakep() finds nobody to wake. */
FIXTURE(runq) {
	struct p *a;
	struct p *b;
	struct g gs[2 * RUNQ_SIZE];
};

FIXTURE_SETUP(runq)
{
	int i;

	sched.hint = &hints;
	sched.status = &status;
	hints.nspinning = 1;
	sched.phint = lines;
	allocps(N_PS);
	procresize(N_PS);
	self->a = sched.allp[0];
	self->b = sched.allp[1];
	memset(self->gs, 0, sizeof(self->gs));
	for (i = 0; i < 2 * RUNQ_SIZE; i++)
		self->gs[i].goid = i;
}

FIXTURE_TEARDOWN(runq)
{
	(void)self;
}

static bool has_work(struct p *pp)
{
	return hints.has_work[pp->id / 64] >> (pp->id % 64) & 1;
}

/* Item 18: first in, first out, at every fill level. */
TEST_F(runq, fifo)
{
	bool inherit;
	int n, i;

	for (n = 0; n <= RUNQ_SIZE; n++) {
		EXPECT_EQ(NULL, runqget(self->a, &inherit));
		for (i = 0; i < n; i++)
			runqput(self->a, &self->gs[i], false);
		EXPECT_EQ(!n, runqempty(self->a));
		for (i = 0; i < n; i++) {
			EXPECT_EQ(&self->gs[i], runqget(self->a, &inherit));
			EXPECT_FALSE(inherit);
		}
		EXPECT_TRUE(runqempty(self->a));
	}
	EXPECT_EQ(0, hints.gqlen);
}

/* R50, R84: runnext comes first and shares the slice; who was there goes to the tail. */
TEST_F(runq, runnext)
{
	bool inherit;

	runqput(self->a, &self->gs[0], false);
	runqput(self->a, &self->gs[1], true);
	runqput(self->a, &self->gs[2], true);
	EXPECT_EQ(&self->gs[2], runqget(self->a, &inherit));
	EXPECT_TRUE(inherit);
	EXPECT_EQ(&self->gs[0], runqget(self->a, &inherit));
	EXPECT_FALSE(inherit);
	EXPECT_EQ(&self->gs[1], runqget(self->a, &inherit));
	EXPECT_EQ(NULL, runqget(self->a, &inherit));
}

/* R84: the 257th goroutine put on a full ring moves half of it, and itself, to the global queue. */
TEST_F(runq, overflow_moves_half)
{
	bool inherit;
	struct g *gp;
	int i;

	for (i = 0; i <= RUNQ_SIZE; i++)
		runqput(self->a, &self->gs[i], false);
	EXPECT_EQ(RUNQ_SIZE / 2 + 1, hints.gqlen);
	EXPECT_EQ(RUNQ_SIZE / 2, lines[0].tail - lines[0].head);
	for (i = RUNQ_SIZE / 2; i < RUNQ_SIZE; i++)
		EXPECT_EQ(&self->gs[i], runqget(self->a, &inherit));
	for (i = 0; i < RUNQ_SIZE / 2; i++) {
		gp = globrunqget(self->a, 1);
		EXPECT_EQ(&self->gs[i], gp);
	}
	EXPECT_EQ(&self->gs[RUNQ_SIZE], globrunqget(self->a, 1));
	EXPECT_EQ(NULL, globrunqget(self->a, 1));
	EXPECT_EQ(0, hints.gqlen);
}

/* C3: from the global queue one P takes its share and one, and half a ring at most. */
TEST_F(runq, global_share)
{
	static const struct { int queued, taken; } cases[] = {
		{ 0, 0 }, { 1, 1 }, { 3, 1 }, { 4, 2 }, { 100, 26 }, { 500, 126 }, { 512, 128 },
	};
	bool inherit;
	size_t c;
	int i;

	for (c = 0; c < ARRAY_SIZE(cases); c++) {
		for (i = 0; i < cases[c].queued; i++)
			globrunqput(&self->gs[i]);
		EXPECT_EQ(cases[c].taken ? &self->gs[0] : NULL, globrunqget(self->a, 0));
		for (i = 1; i < cases[c].taken; i++)
			EXPECT_EQ(&self->gs[i], runqget(self->a, &inherit));
		EXPECT_EQ(NULL, runqget(self->a, &inherit));
		EXPECT_EQ(cases[c].queued - cases[c].taken, (int)hints.gqlen);
		while (globrunqget(self->a, 1))
			;
	}
}

/* C2, item 19: a thief gets half, rounded up; every goroutine is in one place. */
TEST_F(runq, steal_half)
{
	bool inherit;
	struct g *gp;
	int n, i, got, left;

	for (n = 0; n <= RUNQ_SIZE; n++) {
		for (i = 0; i < n; i++)
			runqput(self->a, &self->gs[i], false);
		got = 0;
		gp = runqsteal(self->b, self->a, false);
		for (; gp; gp = runqget(self->b, &inherit)) {
			EXPECT_EQ(0, gp->selectdone++);
			got++;
		}
		left = 0;
		while ((gp = runqget(self->a, &inherit))) {
			EXPECT_EQ(0, gp->selectdone++);
			left++;
		}
		EXPECT_EQ(n - n / 2, got);
		EXPECT_EQ(n / 2, left);
		for (i = 0; i < n; i++)
			self->gs[i].selectdone = 0;
	}
}

/* C2: runnext is stolen only in the last round, and only from an empty ring. */
TEST_F(runq, steal_runnext_last)
{
	bool inherit;

	runqput(self->a, &self->gs[0], true);
	EXPECT_EQ(NULL, runqsteal(self->b, self->a, false));
	EXPECT_FALSE(runqempty(self->a));
	EXPECT_EQ(&self->gs[0], runqsteal(self->b, self->a, true));
	EXPECT_TRUE(runqempty(self->a));
	runqput(self->a, &self->gs[1], false);
	runqput(self->a, &self->gs[2], true);
	EXPECT_EQ(&self->gs[1], runqsteal(self->b, self->a, true));
	EXPECT_EQ(&self->gs[2], runqget(self->a, &inherit));
}

/*
 * Protocol 1: a P's bit is set from its first entry until its owner goes idle, for ring and
 * runnext, and for what a thief brings home.
 */
TEST_F(runq, has_work)
{
	bool inherit;
	int i;

	EXPECT_FALSE(has_work(self->a));
	runqput(self->a, &self->gs[0], true);
	EXPECT_TRUE(has_work(self->a));
	runqget(self->a, &inherit);
	runqidle(self->a);
	EXPECT_FALSE(has_work(self->a));
	for (i = 0; i < 4; i++)
		runqput(self->a, &self->gs[i], false);
	EXPECT_TRUE(has_work(self->a));
	runqsteal(self->b, self->a, false);
	EXPECT_TRUE(has_work(self->b));
	globrunqput(&self->gs[5]);
	globrunqput(&self->gs[6]);
	globrunqput(&self->gs[7]);
	globrunqput(&self->gs[8]);
	globrunqget(sched.allp[2], 0);
	EXPECT_TRUE(has_work(sched.allp[2]));
}

/* C7: when the slice is over, runnext goes to the global queue and the ring has its turn. */
TEST_F(runq, chain_ends)
{
	bool inherit;

	runqput(self->a, &self->gs[0], false);
	runqput(self->a, &self->gs[1], true);
	self->a->sliceover = true;
	EXPECT_EQ(&self->gs[0], runqget(self->a, &inherit));
	EXPECT_FALSE(inherit);
	EXPECT_FALSE(self->a->sliceover);
	EXPECT_EQ(&self->gs[1], globrunqget(self->a, 1));
	runqput(self->a, &self->gs[1], true);
	EXPECT_EQ(&self->gs[1], runqget(self->a, &inherit));
	EXPECT_TRUE(inherit);
}

/* Item 21: each stride visits every P once. */
TEST_F(runq, steal_order)
{
	unsigned int seen, r, i, j;

	for (r = 0; r < 8; r++) {
		seen = 0;
		for (i = 0, j = r % N_PS; i < N_PS; i++, j = (j + stealstride(r)) % N_PS)
			seen |= 1U << j;
		EXPECT_EQ((1U << N_PS) - 1, seen);
	}
}

/* ---- With threads ---- */

#define ROUNDS 200000

static int stop;
static long taken;

static void take(struct g *gp)
{
	/* Nobody else has it: the count of those who do is 1. */
	if (__atomic_add_fetch(&gp->selectdone, 1, __ATOMIC_SEQ_CST) != 1)
		abort();
	__atomic_sub_fetch(&gp->selectdone, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&gp->status, Gdead, __ATOMIC_RELEASE);
	__atomic_add_fetch(&taken, 1, __ATOMIC_SEQ_CST);
}

static void *thief(void *arg)
{
	struct p *pp = arg;
	struct g *gp;
	bool inherit;

	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		gp = runqsteal(pp, sched.allp[0], true);
		for (; gp; gp = runqget(pp, &inherit))
			take(gp);
	}
	return NULL;
}

/* A free goroutine of the pool, one nobody holds. */
static struct g *free_g(struct g *gs, int *next)
{
	int i;

	for (i = 0; i < 2 * RUNQ_SIZE; i++) {
		struct g *gp = &gs[(*next)++ % (2 * RUNQ_SIZE)];

		if (__atomic_load_n(&gp->status, __ATOMIC_ACQUIRE) == Gdead)
			return gp;
	}
	return NULL;
}

/*
 * Items 19 and 20: an owner that puts and gets, with runnext, against three thieves: each goroutine
 * comes out once, none is lost.
 */
TEST_F(runq, thieves)
{
	pthread_t t[N_PS - 1];
	bool inherit;
	struct g *gp;
	long put = 0;
	int i, next = 0;

	for (i = 0; i < 2 * RUNQ_SIZE; i++)
		self->gs[i].status = Gdead;
	for (i = 0; i < N_PS - 1; i++)
		ASSERT_EQ(0, pthread_create(&t[i], NULL, thief, sched.allp[i + 1]));
	for (i = 0; i < ROUNDS; i++) {
		gp = free_g(self->gs, &next);
		if (gp) {
			__atomic_store_n(&gp->status, Grunnable, __ATOMIC_RELEASE);
			runqput(self->a, gp, i & 1);
			put++;
		}
		if (!gp || i % 3 == 0) {
			gp = runqget(self->a, &inherit);
			if (gp)
				take(gp);
		}
		lock(&sched.lock);
		gp = globrunqget(self->a, 1);
		unlock(&sched.lock);
		if (gp)
			take(gp);
	}
	while ((gp = runqget(self->a, &inherit)) || (gp = globrunqget(self->a, 1)))
		take(gp);
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < N_PS - 1; i++)
		pthread_join(t[i], NULL);
	EXPECT_EQ(put, taken);
}

static void *watch_empty(void *arg)
{
	long *wrong = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
		*wrong += runqempty(sched.allp[0]);
	return NULL;
}

/* Item 20: a queue that always holds a goroutine never looks empty, while runnext kicks. */
TEST_F(runq, never_looks_empty)
{
	bool inherit;
	long wrong = 0;
	pthread_t t;
	int i;

	runqput(self->a, &self->gs[0], false);
	ASSERT_EQ(0, pthread_create(&t, NULL, watch_empty, &wrong));
	for (i = 0; i < ROUNDS; i++) {
		runqput(self->a, &self->gs[1], true);
		runqput(self->a, &self->gs[2], true);
		runqget(self->a, &inherit);
		runqget(self->a, &inherit);
		runqput(self->a, &self->gs[3], false);
		runqget(self->a, &inherit);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	pthread_join(t, NULL);
	EXPECT_EQ(0, wrong);
}

TEST_HARNESS_MAIN
