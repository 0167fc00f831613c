// SPDX-License-Identifier: GPL-2.0
/*
 * Threads outside the runtime that come and go, and call whatever any thread may call, while
 * goroutines work, the world is stopped and the number of Ps changes. Everybody accounts for what
 * he did: nothing is lost.
 *
 * GRT_STORM_MS is how long the storm lasts (1500).
 */
#include <errno.h>
#include <pthread.h>

#include "grt_harness.h"

#define PROCS	4
#define THREADS	6	/* at a time */
#define DEEDS	50	/* of each thread */

static struct {
	grt_chan *box, *back;
	uint64_t started, ran;			/* atomic: goroutines */
	uint64_t sent, received;		/* atomic */
	uint64_t parks, readies;		/* atomic */
	grt_g *parked;				/* atomic: who waits for a thread */
	bool over, quiet;			/* atomic: no threads any more; nobody parks */
	int64_t end;
	uint64_t wrong;				/* atomic */
} storm;

static void add(uint64_t *n, uint64_t by)
{
	__atomic_add_fetch(n, by, __ATOMIC_SEQ_CST);
}

static uint64_t load(uint64_t *n)
{
	return __atomic_load_n(n, __ATOMIC_SEQ_CST);
}

static void run_once(void *unused)
{
	(void)unused;
	add(&storm.ran, 1);
}

/* A request and its answer: the thread sleeps until a goroutine has had its turn. */
static void ask(uint64_t v)
{
	uint64_t answer;

	if (grt_chan_send(storm.box, &v))
		add(&storm.wrong, 1);
	add(&storm.sent, 1);
	if (grt_chan_recv(storm.back, &answer) != 1)
		add(&storm.wrong, 1);
	add(&storm.received, 1);
}

static void ready_the_parked(void)
{
	grt_g *g = __atomic_exchange_n(&storm.parked, NULL, __ATOMIC_SEQ_CST);

	if (!g)
		return;
	add(&storm.readies, 1);
	grt_ready(g);
}

/* A thread's life. */
static void *foreign(void *arg)
{
	uint64_t v;
	int i;

	for (i = 0; i < DEEDS; i++) {
		switch ((i + (uintptr_t)arg) % 4) {
		case 0:
			add(&storm.started, 1);
			if (grt_go(run_once, NULL))
				add(&storm.wrong, 1);
			break;
		case 1:
			ask(i);
			break;
		case 2:
			ready_the_parked();
			break;
		case 3:
			v = i;
			if (!grt_chan_try_send(storm.box, &v)) {
				add(&storm.sent, 1);
				if (grt_chan_recv(storm.back, &v) == 1)
					add(&storm.received, 1);
			}
			break;
		}
	}
	return NULL;
}

/* Starts threads and waits for them, again and again. */
static void *come_and_go(void *unused)
{
	pthread_t t[THREADS];
	uintptr_t i;

	do {
		for (i = 0; i < THREADS; i++)
			pthread_create(&t[i], NULL, foreign, (void *)i);
		for (i = 0; i < THREADS; i++)
			pthread_join(t[i], NULL);
	} while (grt_now() < storm.end);
	__atomic_store_n(&storm.over, true, __ATOMIC_SEQ_CST);
	return unused;
}

static void answer(void *done)
{
	uint64_t v;

	while (grt_chan_recv(storm.box, &v) == 1)
		grt_chan_send(storm.back, &v);
	grt_waitgroup_done(done);
}

static bool publish(grt_g *g, void *unused)
{
	(void)unused;
	__atomic_store_n(&storm.parked, g, __ATOMIC_SEQ_CST);
	return true;
}

static void park(void *done)
{
	while (!__atomic_load_n(&storm.over, __ATOMIC_SEQ_CST)) {
		add(&storm.parks, 1);
		grt_park(publish, NULL, GRT_WAIT_USER, GRT_FOREVER);
	}
	__atomic_store_n(&storm.quiet, true, __ATOMIC_SEQ_CST);
	grt_waitgroup_done(done);
}

static void disturb(void *done)
{
	int n = 0;

	while (!__atomic_load_n(&storm.over, __ATOMIC_SEQ_CST)) {
		if (grt_stop_world("storm"))
			add(&storm.wrong, 1);
		grt_start_world();
		grt_set_maxprocs(1 + n++ % PROCS);
		grt_sleep(1000000);
	}
	grt_waitgroup_done(done);
}

static int storm_main(void *unused)
{
	const char *ms = getenv("GRT_STORM_MS");
	grt_waitgroup done = { 0 }, answers = { 0 };
	pthread_t thread;
	int i;

	(void)unused;
	storm.end = grt_now() + (ms ? atoll(ms) : 1500) * 1000000;
	storm.box = grt_chan_new(sizeof(uint64_t), 2);
	storm.back = grt_chan_new(sizeof(uint64_t), 0);
	grt_waitgroup_add(&answers, 3);
	for (i = 0; i < 3; i++)
		grt_go(answer, &answers);
	grt_waitgroup_add(&done, 2);
	grt_go(park, &done);
	grt_go(disturb, &done);
	pthread_create(&thread, NULL, come_and_go, NULL);
	yield_until(__atomic_load_n(&storm.over, __ATOMIC_SEQ_CST));
	pthread_join(thread, NULL);
	grt_chan_close(storm.box);
	grt_waitgroup_wait(&answers);
	yield_until(load(&storm.ran) == load(&storm.started));
	/* Who is parked still, or parks once more, was found by no thread. */
	while (!__atomic_load_n(&storm.quiet, __ATOMIC_SEQ_CST)) {
		ready_the_parked();
		grt_yield();
	}
	grt_waitgroup_wait(&done);
	EXPECT_EQ(0, storm.wrong);
	EXPECT_LT(0, storm.started);
	EXPECT_LT(0, storm.sent);
	EXPECT_EQ(storm.sent, storm.received);
	EXPECT_EQ(storm.parks, storm.readies);
	grt_chan_free(storm.box);
	grt_chan_free(storm.back);
	return 0;
}

FIXTURE(foreign) { char unused; };
FIXTURE_SETUP(foreign) { self->unused = 0; }
FIXTURE_TEARDOWN(foreign) { }

/* Everything that any thread may call, from threads that come and go. */
TEST_F_TIMEOUT(foreign, storm, 200)
{
	EXPECT_EQ(0, run_procs(PROCS, storm_main, NULL));
}

TEST_HARNESS_MAIN
