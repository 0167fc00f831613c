// SPDX-License-Identifier: GPL-2.0
/*
 * What Go's sleep_test.go asks of timers, under Go's names (go-semantics section 4), as far as
 * sleeps and deadlines go. The counts are smaller than Go's unless GRT_TEST_FULL is set.
 */
#include <errno.h>

#include "grt_harness.h"

#define PROCS	any_procs(4)

FIXTURE(gotime) { char unused; };
FIXTURE_SETUP(gotime) { self->unused = 0; }
FIXTURE_TEARDOWN(gotime) { }

/* ---- TestZeroTimer ---- */

#define LATE_NS	2000000000LL	/* Go's two seconds */

static int zero_timer_main(void *unused)
{
	int n = getenv("GRT_TEST_FULL") ? 1000000 : 20000, late = 0, i;
	int64_t start;

	(void)unused;
	for (i = 0; i < n; i++) {
		start = grt_now();
		EXPECT_EQ(-ETIMEDOUT, grt_park(NULL, NULL, GRT_WAIT_USER, i % 2 ? 0 : start));
		late += grt_now() - start > LATE_NS;
	}
	return late;
}

/* Item 77: a timer that is due at once fires at once, every time. */
TEST_F_TIMEOUT(gotime, TestZeroTimer, 600)
{
	EXPECT_EQ(0, run_procs(PROCS, zero_timer_main, NULL));
}

/* ---- TestAfterFuncStarvation ---- */

struct starve {
	grt_chan	*c[2];
	int		stop;
	grt_waitgroup	done;
};

static void pingpong(struct starve *s, int from, int to)
{
	int v = 0;

	while (grt_chan_recv(s->c[from], &v)) {
		if (__atomic_load_n(&s->stop, __ATOMIC_SEQ_CST)) {
			grt_chan_close(s->c[to]);
			break;
		}
		grt_chan_send(s->c[to], &v);
	}
	grt_waitgroup_done(&s->done);
}

static void ping(void *arg)
{
	pingpong(arg, 0, 1);
}

static void pong(void *arg)
{
	pingpong(arg, 1, 0);
}

static void fire(void *arg)
{
	struct starve *s = arg;

	grt_sleep(1000);
	__atomic_store_n(&s->stop, 1, __ATOMIC_SEQ_CST);
	grt_waitgroup_done(&s->done);
}

static int starvation_main(void *unused)
{
	struct starve s = { .stop = 0 };
	int v = 0, i;

	(void)unused;
	for (i = 0; i < 2; i++)
		s.c[i] = grt_chan_new(sizeof(int), 1);
	grt_waitgroup_add(&s.done, 3);
	grt_go(ping, &s);
	grt_go(pong, &s);
	grt_go(fire, &s);
	grt_chan_send(s.c[0], &v);
	grt_waitgroup_wait(&s.done);
	return 0;
}

/* Item 74: on one P that two goroutines keep busy by waking each other a timer of 1 us runs. */
TEST_F_TIMEOUT(gotime, TestAfterFuncStarvation, 60)
{
	EXPECT_EQ(0, run_procs(1, starvation_main, NULL));
}

TEST_HARNESS_MAIN
