// SPDX-License-Identifier: GPL-2.0
/*
 * grt_sleep, and the poller behind it (go-semantics section 4, items 69, 75, 76, 80).
 *
 * Upper bounds are generous, for a loaded machine or an emulator: a lost wake-up never ends at all,
 * which the harness's time limit shows.
 */
#include <limits.h>
#include <stdint.h>
#include <sys/resource.h>

#include "grt_harness.h"

#define MS	1000000LL
#define SLEEPERS 1000

static int load(int *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static int sleeps(void *arg)
{
	int64_t t, ns;

	(void)arg;
	for (ns = 1; ns < 100 * MS; ns *= 10) {
		t = grt_now();
		EXPECT_EQ(0, grt_sleep(ns));
		EXPECT_LE(t + ns, grt_now());
	}
	return 0;
}

/* Item 69: a sleep lasts at least as long as was asked for. */
TEST(not_early)
{
	EXPECT_EQ(0, run_procs(1, sleeps, NULL));
	EXPECT_EQ(0, 0);
}

static int no_sleep(void *arg)
{
	int64_t t = grt_now();

	(void)arg;
	EXPECT_EQ(0, grt_sleep(0));
	EXPECT_EQ(0, grt_sleep(-1));
	EXPECT_EQ(0, grt_sleep(INT64_MIN));
	EXPECT_GT(t + 1000 * MS, grt_now());
	return 0;
}

/* Items 75, 76: no sleep, and a negative one, return at once. */
TEST(zero_and_negative)
{
	EXPECT_EQ(0, run_procs(1, no_sleep, NULL));
}

static void sleep_for_ever(void *arg)
{
	(void)arg;
	grt_sleep(INT64_MAX);
	EXPECT_TRUE(false);
}

static int overflow(void *arg)
{
	(void)arg;
	grt_go(sleep_for_ever, NULL);
	grt_sleep(5 * MS);
	/* Had it woken too early, it would have its turn now. */
	grt_yield();
	EXPECT_EQ(2, grt_num_goroutines());
	return 0;
}

/* Item 76: the longest sleep does not wrap around, and does not hide shorter ones. */
TEST(longest)
{
	EXPECT_EQ(0, run_procs(2, overflow, NULL));
}

struct sleeper {
	int64_t	ns;
	int64_t	started;
	int64_t	woke;
};

static int awake;

static void sleep_once(void *arg)
{
	struct sleeper *s = arg;

	s->started = grt_now();
	grt_sleep(s->ns);
	s->woke = grt_now();
	__atomic_add_fetch(&awake, 1, __ATOMIC_SEQ_CST);
}

static int many_sleepers(void *arg)
{
	static struct sleeper s[SLEEPERS];
	int i;

	(void)arg;
	for (i = 0; i < SLEEPERS; i++) {
		s[i].ns = (i * 7919 % 50 + 1) * MS;
		grt_go(sleep_once, &s[i]);
	}
	while (load(&awake) < SLEEPERS)
		grt_sleep(MS);
	for (i = 0; i < SLEEPERS; i++)
		EXPECT_LE(s[i].started + s[i].ns, s[i].woke);
	return 0;
}

/* Item 80: many sleepers on many Ps: each wakes, none early. */
TEST(many)
{
	EXPECT_EQ(0, run_procs(any_procs(4), many_sleepers, NULL));
}

static void short_sleeps(void *arg)
{
	int i;

	for (i = 0; i < 200; i++)
		grt_sleep(i % 10 * 20000);
	__atomic_sub_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
}

static int storm(void *arg)
{
	int left = 64, i;

	(void)arg;
	for (i = 0; i < 64; i++)
		grt_go(short_sleeps, &left);
	while (load(&left))
		grt_sleep(MS);
	return 0;
}

/* Timers earlier than the poller's sleep, again and again: it is woken for each. */
TEST(earlier_than_the_poll)
{
	EXPECT_EQ(0, run_procs(any_procs(4), storm, NULL));
}

static long switches(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_nvcsw;
}

static int idle(void *arg)
{
	long before, fewest = LONG_MAX;
	int i;

	(void)arg;
	grt_sleep(100 * MS);	/* all that starting has set in motion is over */
	for (i = 0; i < 10 && fewest >= 50; i++) {
		before = switches();
		grt_sleep(500 * MS);
		if (switches() - before < fewest)
			fewest = switches() - before;
	}
	EXPECT_GT(50, fewest);
	return 0;
}

/*
 * Idle costs nothing: while the only goroutine sleeps 500 ms, no thread wakes periodically. A
 * thread that looked every 10 ms would count 50 each time; that an M whose processor was taken
 * away seems to run meanwhile, which the monitor then watches, does not happen each time.
 */
TEST(idle_costs_nothing)
{
	EXPECT_EQ(0, run_procs(any_procs(4), idle, NULL));
}

TEST_HARNESS_MAIN
