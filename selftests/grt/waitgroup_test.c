// SPDX-License-Identifier: GPL-2.0
/*
 * The waitgroup: what Go's waitgroup_test.go asks of it (go-semantics section 4, item 91).
 */
#include "grt_harness.h"

#define PROCS any_procs(4)

FIXTURE(waitgroup) { char unused; };
FIXTURE_SETUP(waitgroup) { self->unused = 0; }
FIXTURE_TEARDOWN(waitgroup) { }

static bool somebody_waits(const struct grt_waitq *q)
{
	return __atomic_load_n(&q->first, __ATOMIC_ACQUIRE);
}

#define RUNNERS 16

struct pair {
	grt_waitgroup	first;
	grt_waitgroup	second;
	grt_chan	exited;
};

static void pass_both(void *arg)
{
	struct pair *p = arg;

	grt_waitgroup_done(&p->first);
	grt_waitgroup_wait(&p->second);
	grt_chan_send(&p->exited, NULL);
}

static void check_pair(struct pair *p)
{
	grt_waitgroup_add(&p->first, RUNNERS);
	grt_waitgroup_add(&p->second, RUNNERS);
	for (int i = 0; i < RUNNERS; i++)
		grt_go(pass_both, p);
	grt_waitgroup_wait(&p->first);
	for (int i = 0; i < RUNNERS; i++) {
		EXPECT_EQ(0U, grt_chan_len(&p->exited));
		grt_waitgroup_done(&p->second);
	}
	for (int i = 0; i < RUNNERS; i++)
		grt_chan_recv(&p->exited, NULL);
}

static int both_main(void *unused)
{
	struct pair p = { 0 };

	(void)unused;
	grt_chan_init(&p.exited, 0, RUNNERS, NULL);
	for (int i = 0; i < 1000; i++)
		check_pair(&p);
	grt_waitgroup_fini(&p.first);
	grt_waitgroup_fini(&p.second);
	grt_chan_fini(&p.exited);
	return 0;
}

/* Nobody gets past a wait before the last done, all do after it, and it can be used again. */
TEST_F_TIMEOUT(waitgroup, wait_for_all, 60)
{
	EXPECT_EQ(0, run_procs(PROCS, both_main, NULL));
}

struct race {
	grt_waitgroup	wg;
	int		n;	/* atomic */
};

static void count_and_finish(void *arg)
{
	struct race *r = arg;

	__atomic_fetch_add(&r->n, 1, __ATOMIC_RELAXED);
	grt_waitgroup_done(&r->wg);
}

static int race_main(void *unused)
{
	int wrong = 0;

	(void)unused;
	for (int i = 0; i < 20000; i++) {
		struct race r = { .n = 0 };

		grt_waitgroup_init(&r.wg);
		grt_waitgroup_add(&r.wg, 1);
		grt_go(count_and_finish, &r);
		grt_waitgroup_add(&r.wg, 1);
		grt_go(count_and_finish, &r);
		grt_waitgroup_wait(&r.wg);
		wrong += r.n != 2;
		memset(&r, 0x5a, sizeof(r));
	}
	return wrong;
}

/* The wait and the last done may meet in any way; the memory may go once the wait is over. */
TEST_F_TIMEOUT(waitgroup, race, 60)
{
	EXPECT_EQ(0, run_procs(PROCS, race_main, NULL));
}

static int empty_main(void *unused)
{
	grt_waitgroup wg = { 0 };

	(void)unused;
	grt_waitgroup_wait(&wg);
	grt_waitgroup_add(&wg, 3);
	grt_waitgroup_add(&wg, -3);
	grt_waitgroup_wait(&wg);
	grt_waitgroup_fini(&wg);
	return 0;
}

/* Zeroes are a waitgroup; with the counter at 0 nobody waits. */
TEST(empty)
{
	EXPECT_EQ(0, run_procs(1, empty_main, NULL));
}

static int negative_main(void *unused)
{
	grt_waitgroup wg = { 0 };

	(void)unused;
	grt_waitgroup_add(&wg, 1);
	grt_waitgroup_done(&wg);
	grt_waitgroup_done(&wg);
	return 0;
}

/* More done than added. */
TEST(panic_negative)
{
	EXPECT_PANIC(negative_main, "sync: negative WaitGroup counter");
}

static int add_at_zero_main(void *unused)
{
	/* The moment after the last done and before the waiter was let go. */
	grt_waitgroup wg = { .state = 1 };

	(void)unused;
	grt_waitgroup_add(&wg, 1);
	return 0;
}

/* An add from 0 while somebody waits. */
TEST(panic_add_at_zero)
{
	EXPECT_PANIC(add_at_zero_main, "sync: WaitGroup misuse: Add called concurrently with Wait");
}

static void wait_once(void *wg)
{
	grt_waitgroup_wait(wg);
	grt_waitgroup_done(wg);
}

/*
 * With one P the waiter does not run between the done and the add, unless this thread is made to
 * wait just there: then the round is in order, and the next tries again.
 */
static int reuse_main(void *unused)
{
	grt_waitgroup wg = { 0 };

	(void)unused;
	for (int i = 0; i < 1000; i++) {
		grt_waitgroup_add(&wg, 1);
		grt_go(wait_once, &wg);
		yield_until(somebody_waits(&wg.waitq));
		grt_waitgroup_done(&wg);
		grt_waitgroup_add(&wg, 1);
		grt_waitgroup_wait(&wg);
	}
	return 0;
}

/* The next round is begun before the wait of the last has returned. */
TEST(panic_reuse)
{
	EXPECT_PANIC(reuse_main, "sync: WaitGroup is reused before previous Wait has returned");
}

static void wait_for_ever(void *wg)
{
	grt_waitgroup_wait(wg);
}

static int fini_awaited_main(void *unused)
{
	grt_waitgroup wg = { 0 };

	(void)unused;
	grt_waitgroup_add(&wg, 1);
	grt_go(wait_for_ever, &wg);
	yield_until(somebody_waits(&wg.waitq));
	grt_waitgroup_fini(&wg);
	return 0;
}

/* Ending what somebody waits for is found at once. */
TEST(fatal_fini_awaited)
{
	EXPECT_DEATH(fini_awaited_main,
		     "fatal error: waitgroup freed while somebody waits for it");
}

TEST_HARNESS_MAIN
