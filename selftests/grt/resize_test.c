// SPDX-License-Identifier: GPL-2.0
/* The number of Ps changes while goroutines run: nothing that was on a P that goes is lost. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "grt_harness.h"

#define PROCS	4

static int load(const int *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void add(int *p, int v)
{
	__atomic_add_fetch(p, v, __ATOMIC_SEQ_CST);
}

/* Not by yielding: so goroutines on other Ps' queues are not helped. */
static void sleep_until_zero(const int *left)
{
	while (load(left))
		grt_sleep(200000);
}

/* ---- The number ---- */

static void *read_number(void *arg)
{
	*(int *)arg = grt_set_maxprocs(0);
	return NULL;
}

static int numbers_main(void *arg)
{
	pthread_t t;
	int n = 0;

	EXPECT_EQ(3, grt_set_maxprocs(0));
	EXPECT_EQ(3, grt_set_maxprocs(-1));
	EXPECT_EQ(3, grt_set_maxprocs(5));
	EXPECT_EQ(5, grt_set_maxprocs(5));
	EXPECT_EQ(-EINVAL, grt_set_maxprocs(1025));
	EXPECT_EQ(5, grt_set_maxprocs(1));
	EXPECT_EQ(1, grt_set_maxprocs(1024));
	EXPECT_EQ(1024, grt_set_maxprocs(2));
	EXPECT_EQ(0, pthread_create(&t, NULL, read_number, &n));
	pthread_join(t, NULL);
	EXPECT_EQ(2, n);
	return 0;
}

/* It returns the number before; less than 1 only asks; what cannot be is refused. */
TEST(numbers)
{
	EXPECT_EQ(0, grt_set_maxprocs(0));
	EXPECT_EQ(0, run_procs(3, numbers_main, NULL));
}

static void *set_number(void *arg)
{
	grt_set_maxprocs(3);
	return NULL;
}

static int resize_outside(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, set_number, NULL);
	pthread_join(t, NULL);
	return 0;
}

/* Only goroutines change it. */
TEST(not_a_goroutine)
{
	EXPECT_DEATH(resize_outside, "panic: grt_set_maxprocs: not on a goroutine");
}

/* ---- What the Ps have ---- */

struct crowd {
	int	n;
	int	there;
	int	left;
};

static void join_crowd(void *arg)
{
	struct crowd *c = arg;

	add(&c->there, 1);
	while (load(&c->there) < c->n)
		sched_yield();
	add(&c->left, -1);
}

static int parallel_main(void *arg)
{
	static const int sizes[] = { 1, 4, 2, 8, 3, 16, 1, 6 };
	size_t i;
	int j;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct crowd c = { .n = sizes[i], .left = sizes[i] };

		EXPECT_LT(0, grt_set_maxprocs(sizes[i]));
		for (j = 0; j < c.n; j++)
			grt_go(join_crowd, &c);
		sleep_until_zero(&c.left);
	}
	return 0;
}

/* R22: so many goroutines run at one time: each spins until all are there. */
TEST(parallel)
{
	EXPECT_EQ(0, run_procs(2, parallel_main, NULL));
}

static void count_down(void *arg)
{
	add(arg, -1);
}

static void sleep_and_count(void *arg)
{
	grt_sleep(2000000);
	add(arg, -1);
}

struct maker {
	struct crowd	crowd;
	int		left;
};

/* On as many Ps as there are: fills its P's queue, then lets the others. */
static void fill(void *arg)
{
	struct maker *m = arg;
	int i;

	for (i = 0; i < 100; i++) {
		grt_go(sleep_and_count, &m->left);
		grt_go(count_down, &m->left);
	}
	join_crowd(&m->crowd);
}

static int shrink_main(void *arg)
{
	struct maker m;
	int i, round;

	for (round = 0; round < 10; round++) {
		m = (struct maker){ .crowd = { .n = PROCS, .left = PROCS }, .left = 200 * PROCS };
		EXPECT_EQ(round ? 1 : PROCS, grt_set_maxprocs(PROCS));
		for (i = 0; i < PROCS; i++)
			grt_go(fill, &m);
		while (load(&m.crowd.there) < PROCS)
			grt_sleep(10000);
		EXPECT_EQ(PROCS, grt_set_maxprocs(1));
		sleep_until_zero(&m.left);
		sleep_until_zero(&m.crowd.left);
	}
	yield_until(grt_num_goroutines() == 1);
	return 0;
}

/* R23: goroutines and timers of the Ps that go are there afterwards, and so are the counts. */
TEST(shrink)
{
	EXPECT_EQ(0, run_procs(PROCS, shrink_main, NULL));
}

static int poller_main(void *arg)
{
	int left = 0, i, round;

	for (round = 0; round < 20; round++) {
		grt_set_maxprocs(8);
		left = 64;
		for (i = 0; i < 64; i++)
			grt_go(sleep_and_count, &left);
		/* The timers are set, and somebody sleeps until the first is due. */
		grt_sleep(1000000);
		grt_set_maxprocs(1 + round % 2);
		sleep_until_zero(&left);
	}
	return 0;
}

/* Whoever sleeps for the timers of a P that goes does not oversleep. */
TEST(poller)
{
	EXPECT_EQ(0, run_procs(8, poller_main, NULL));
}

static void many_die(void *arg)
{
	add(arg, -1);
}

static int dead_main(void *arg)
{
	int left, i, round;

	for (round = 0; round < 5; round++) {
		left = 2000;
		for (i = 0; i < 2000; i++)
			grt_go(many_die, &left);
		sleep_until_zero(&left);
		grt_set_maxprocs(round % 2 ? PROCS : 1);
	}
	yield_until(grt_num_goroutines() == 1);
	return 0;
}

/* What ended on a P that is gone is counted, and its stack is used again. */
TEST(dead_goroutines)
{
	EXPECT_EQ(0, run_procs(PROCS, dead_main, NULL));
}

/* ---- Memory ---- */

/* Fewer than a P keeps for itself. */
#define MANY		50
#define TOUCHED		(200 << 10)

struct deep {
	int	there;
	int	left;
};

static void touch_stack(void *arg)
{
	volatile char deep[TOUCHED];
	struct deep *d = arg;
	int i;

	for (i = 0; i < TOUCHED; i += 1024)
		deep[i] = 1;
	/* So that each has a stack of its own. */
	add(&d->there, 1);
	while (load(&d->there) < MANY)
		grt_sleep(1000000);
	add(&d->left, -deep[0]);
}

/* What ThreadSanitizer's own memory may grow by meanwhile. */
#ifdef __SANITIZE_THREAD__
#define SANITIZER	(2L << 20)
#else
#define SANITIZER	0
#endif

/* Bytes of memory that the process has now. */
static long resident(void)
{
	long size = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (fscanf(f, "%ld %ld", &size, &pages) != 2)
		pages = 0;
	fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

static int free_memory_main(void *arg)
{
	struct deep d;
	int i, round;
	long before;

	for (round = 0; round < 3; round++) {
		d = (struct deep) { .left = MANY };
		for (i = 0; i < MANY; i++)
			grt_go(touch_stack, &d);
		sleep_until_zero(&d.left);
		yield_until(grt_num_goroutines() == 1);
		before = resident();
		EXPECT_EQ(0, grt_free_os_memory());
		EXPECT_LT(MANY / 2 * (long)TOUCHED, before - resident() + SANITIZER);
	}
	return 0;
}

/* Stacks of goroutines that have ended are given back, those too that Ps keep, and used again. */
TEST(free_memory)
{
	EXPECT_EQ(0, run_procs(1, free_memory_main, NULL));
}

TEST(free_memory_8)
{
	EXPECT_EQ(0, run_procs(8, free_memory_main, NULL));
}

/* ---- All at once ---- */

#define ROUNDS	200

struct storm {
	int	left;		/* goroutines of the storm */
	int	done[8];	/* what they have done, by kind */
	int	waiting;
	grt_chan *ping, *pong;
	int	fds[2];
	int	sizes;
};

static void storm_yield(void *arg)
{
	struct storm *s = arg;
	int i;

	for (i = 0; i < ROUNDS; i++)
		grt_yield();
	add(&s->done[0], ROUNDS);
	add(&s->left, -1);
}

static void storm_spin(void *arg)
{
	struct storm *s = arg;
	volatile int n;
	int i;

	for (i = 0; i < ROUNDS / 4; i++) {
		for (n = 0; n < 20000; n++)
			;
		grt_yield();
	}
	add(&s->done[1], ROUNDS);
	add(&s->left, -1);
}

static void storm_sleep(void *arg)
{
	struct storm *s = arg;
	int i;

	for (i = 0; i < ROUNDS; i++)
		grt_sleep(i % 7 * 10000);
	add(&s->done[2], ROUNDS);
	add(&s->left, -1);
}

static void storm_ping(void *arg)
{
	struct storm *s = arg;
	int i, v;

	for (i = 0; i < ROUNDS; i++) {
		grt_chan_send(s->ping, &i);
		EXPECT_EQ(1, grt_chan_recv(s->pong, &v));
	}
	add(&s->done[3], ROUNDS);
	add(&s->left, -1);
}

static void storm_pong(void *arg)
{
	struct storm *s = arg;
	int i, v;

	for (i = 0; i < ROUNDS; i++) {
		EXPECT_EQ(1, grt_chan_recv(s->ping, &v));
		grt_chan_send(s->pong, &v);
	}
	add(&s->done[3], ROUNDS);
	add(&s->left, -1);
}

static void storm_block(void *arg)
{
	struct storm *s = arg;
	char c;
	int i;

	for (i = 0; i < ROUNDS / 4; i++) {
		EXPECT_EQ(1, write(s->fds[1], "", 1));
		grt_block_begin();
		EXPECT_EQ(1, read(s->fds[0], &c, 1));
		usleep(i % 5 * 20);
		grt_block_end();
	}
	add(&s->done[4], ROUNDS);
	add(&s->left, -1);
}

static void storm_child(void *arg)
{
	struct storm *s = arg;

	add(&s->done[5], 1);
	add(&s->left, -1);
}

static void storm_make(void *arg)
{
	struct storm *s = arg;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		add(&s->left, 1);
		grt_go(storm_child, s);
		if (i % 16 == 0)
			grt_yield();
	}
	add(&s->left, -1);
}

static void storm_stop(void *arg)
{
	struct storm *s = arg;
	int i;

	for (i = 0; i < ROUNDS / 4; i++) {
		EXPECT_EQ(0, grt_stop_world("storm"));
		s->done[6]++;	/* plain: the world is stopped */
		grt_start_world();
		grt_sleep(i % 3 * 20000);
	}
	add(&s->left, -1);
}

static void storm_resize(void *arg)
{
	static const int sizes[] = { 4, 1, 8, 2, 64, 3 };
	struct storm *s = arg;
	int i;

	for (i = 0; i < ROUNDS / 4; i++) {
		EXPECT_LT(0, grt_set_maxprocs(sizes[i % 6]));
		grt_sleep(i % 4 * 20000);
	}
	add(&s->left, -1);
}

static int storm_main(void *arg)
{
	static void (*const kinds[])(void *) = {
		storm_yield, storm_spin, storm_sleep, storm_ping, storm_pong, storm_block,
		storm_make, storm_stop, storm_resize,
	};
	struct storm s = {
		.left = 4 * 9,
		.ping = grt_chan_new(sizeof(int), 0),
		.pong = grt_chan_new(sizeof(int), 1),
	};
	int i, j;

	if (pipe(s.fds))
		return 1;
	for (i = 0; i < 4; i++) {
		for (j = 0; j < 9; j++)
			grt_go(kinds[j], &s);
	}
	sleep_until_zero(&s.left);
	EXPECT_EQ(4 * ROUNDS, s.done[0]);
	EXPECT_EQ(4 * ROUNDS, s.done[1]);
	EXPECT_EQ(4 * ROUNDS, s.done[2]);
	EXPECT_EQ(8 * ROUNDS, s.done[3]);
	EXPECT_EQ(4 * ROUNDS, s.done[4]);
	EXPECT_EQ(4 * ROUNDS, s.done[5]);
	EXPECT_EQ(ROUNDS, s.done[6]);
	yield_until(grt_num_goroutines() == 1);
	grt_chan_free(s.ping);
	grt_chan_free(s.pong);
	return 0;
}

/*
 * Goroutines that yield, compute, sleep, talk, block and make others, while some stop the world and
 * some change the number of Ps: each accounts for what it did, and all end.
 */
TEST(storm_1)
{
	EXPECT_EQ(0, run_procs(1, storm_main, NULL));
}

TEST(storm_8)
{
	EXPECT_EQ(0, run_procs(8, storm_main, NULL));
}

TEST_HARNESS_MAIN
