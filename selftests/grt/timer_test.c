// SPDX-License-Identifier: GPL-2.0
/* The heaps of timers and the time of the next one, called directly: no runtime runs. */
#include <pthread.h>

#include "grt_harness.h"
#include "runtime.h"

#define N_PS		4
#define N_TIMERS	1000

static struct gsched_hint hints;
static struct gsched_status status;
static struct gsched_p_hint lines[N_PS];

/* nspinning is not 0, so wakep() has nobody to wake. Without a P, timers go to the first. */
FIXTURE(timer) {
	struct p *pp;
	struct timer t[N_TIMERS];
};

static int64_t last_when;
static int ran;

static void run_in_order(void *arg, uint64_t seq)
{
	struct timer *t = arg;

	if (t->when < last_when || t->seq != seq)
		abort();
	last_when = t->when;
	ran++;
}

FIXTURE_SETUP(timer)
{
	uint32_t x = 1;
	int i;

	sched.hint = &hints;
	sched.status = &status;
	hints.nspinning = 1;
	sched.phint = lines;
	allocps(N_PS);
	procresize(N_PS);
	self->pp = sched.allp[0];
	memset(self->t, 0, sizeof(self->t));
	for (i = 0; i < N_TIMERS; i++) {
		x = x * 1664525 + 1013904223;
		self->t[i].when = 1000 + x % 5000;
		self->t[i].f = run_in_order;
		self->t[i].arg = &self->t[i];
		self->t[i].seq = i;
	}
}

FIXTURE_TEARDOWN(timer)
{
	(void)self;
}

/* Item 70: due timers run, soonest first, in whatever order they were set; the others stay. */
TEST_F(timer, in_order)
{
	int64_t now = 3500;
	int i, due = 0;

	for (i = 0; i < N_TIMERS; i++) {
		addtimer(&self->t[i]);
		due += self->t[i].when <= now;
	}
	EXPECT_TRUE(checktimers(self->pp, &now));
	EXPECT_EQ(due, ran);
	EXPECT_LT(now, self->pp->timer0when);
	EXPECT_EQ(N_TIMERS - due, (int)self->pp->ntimers);
	EXPECT_FALSE(checktimers(self->pp, &now));
	now = 10000;
	runduetimers(&now);
	EXPECT_EQ(N_TIMERS, ran);
	EXPECT_EQ(0, self->pp->timer0when);
}

/* A removed timer does not run; the order of the rest holds. */
TEST_F(timer, remove)
{
	int64_t now = 10000;
	int i, kept = 0;

	for (i = 0; i < N_TIMERS; i++)
		addtimer(&self->t[i]);
	for (i = 0; i < N_TIMERS; i++) {
		if (i % 3) {
			EXPECT_TRUE(deltimer(&self->t[i]));
		} else {
			kept++;
		}
	}
	EXPECT_FALSE(deltimer(&self->t[1]));
	checktimers(self->pp, &now);
	EXPECT_EQ(kept, ran);
	EXPECT_FALSE(deltimer(&self->t[0]));
}

/* next_when: never later than the first timer; exact once the poller looked; 0: no timers. */
TEST_F(timer, horizon)
{
	int64_t now = 2500;

	EXPECT_EQ(0, timerhorizon());
	self->t[0].when = 3000;
	self->t[1].when = 2000;
	self->t[2].when = 4000;
	addtimer(&self->t[0]);
	EXPECT_EQ(3000, (int64_t)hints.next_when);
	addtimer(&self->t[1]);
	EXPECT_EQ(2000, (int64_t)hints.next_when);
	addtimer(&self->t[2]);
	EXPECT_EQ(2000, (int64_t)hints.next_when);
	EXPECT_EQ(2000, timerhorizon());
	checktimers(self->pp, &now);
	EXPECT_EQ(3000, timerhorizon());
	EXPECT_TRUE(deltimer(&self->t[0]));
	EXPECT_EQ(4000, timerhorizon());
	EXPECT_TRUE(deltimer(&self->t[2]));
	EXPECT_EQ(0, timerhorizon());
	EXPECT_EQ(0, hints.next_when);
}

static int stop;

static void nop_timer(void *arg, uint64_t seq)
{
	(void)arg;
	(void)seq;
}

/* Adds timers, each earlier than the one before, and asks whether the word knows of it. */
static void *add_and_look(void *arg)
{
	long *late = arg;
	struct timer t = { .f = nop_timer };
	int i;

	for (i = 0; i < 100000; i++) {
		t.when = 1000000 - i;
		addtimer(&t);
		if (!load_seqcst(&hints.next_when))
			++*late;
		deltimer(&t);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/*
 * The poller looks while timers are added: when both are at rest the word is right, and it is never
 * 0 while there is a timer.
 */
TEST_F(timer, horizon_race)
{
	pthread_t t;
	long late = 0;

	self->t[0].when = 2000000;
	addtimer(&self->t[0]);
	ASSERT_EQ(0, pthread_create(&t, NULL, add_and_look, &late));
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
		EXPECT_NE(0, timerhorizon());
	pthread_join(t, NULL);
	EXPECT_EQ(0, late);
	EXPECT_EQ(2000000, timerhorizon());
}

TEST_HARNESS_MAIN
