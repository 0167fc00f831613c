// SPDX-License-Identifier: GPL-2.0
/*
 * Each fast path that relies on an order of stores and loads, against its other side, for as long
 * as one likes: Documentation/architecture.rst, "Fences". Who is lost never comes back, so the
 * counts disagree, or the test hangs.
 *
 * GRT_STRESS_MS is how long each test lasts (500).
 */
#include <errno.h>
#include <pthread.h>

#include "grt_harness.h"
#include "runtime.h"

#define MS	1000000LL
#define PROCS	4

static bool over;	/* atomic */

static int64_t stress_end(void)
{
	const char *ms = getenv("GRT_STRESS_MS");

	return nanotime() + (ms ? atoll(ms) : 500) * MS;
}

FIXTURE(stress) { char unused; };
FIXTURE_SETUP(stress) { self->unused = 0; }
FIXTURE_TEARDOWN(stress) { }

/* ---- runq: owners and thieves, no runtime ---- */

#define GS	(2 * RUNQ_SIZE)

static struct gsched_hint hints;
static struct gsched_status status;
static struct gsched_p_hint lines[PROCS];
static struct g gs[GS];
static long taken;	/* atomic */
static long wrong;	/* atomic */

/* selectdone: 1 while it is in a queue. */
static void take(struct g *gp)
{
	if (xchg(&gp->selectdone, 0) != 1)
		xadd(&wrong, 1);
	xadd(&taken, 1);
}

/* Steals from all, and empties its own ring, which others steal from. */
static void *thief(void *arg)
{
	struct p *pp = arg;
	bool inherit;
	struct g *gp;
	uint32_t i;

	for (i = 0; !__atomic_load_n(&over, __ATOMIC_SEQ_CST); i++) {
		gp = runqsteal(pp, sched.allp[i % PROCS], i % 5 == 0);
		for (; gp; gp = runqget(pp, &inherit))
			take(gp);
	}
	return NULL;
}

/* Item 18 to 20, for long: each goroutine that is queued is taken once. */
TEST_F_TIMEOUT(stress, runq, 900)
{
	int64_t end = stress_end();
	pthread_t t[PROCS - 1];
	bool inherit;
	long put = 0;
	struct g *gp;
	int i;

	sched.hint = &hints;
	sched.status = &status;
	hints.nspinning = 1;
	sched.phint = lines;
	allocps(PROCS);
	procresize(PROCS);
	for (i = 0; i < PROCS - 1; i++)
		ASSERT_EQ(0, pthread_create(&t[i], NULL, thief, sched.allp[i + 1]));
	for (i = 0; i % 1024 || nanotime() < end; i++) {
		gp = &gs[i % GS];
		if (cas(&gp->selectdone, 0, 1)) {
			runqput(sched.allp[0], gp, i % 2);
			put++;
		}
		if (i % 3 == 0) {
			gp = runqget(sched.allp[0], &inherit);
			if (gp)
				take(gp);
		}
		if (load_relaxed(&hints.gqlen)) {
			lock(&sched.lock);
			gp = globrunqget(sched.allp[0], 1);
			unlock(&sched.lock);
			if (gp)
				take(gp);
		}
	}
	while ((gp = runqget(sched.allp[0], &inherit)) || (gp = globrunqget(sched.allp[0], 1)))
		take(gp);
	__atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < PROCS - 1; i++)
		pthread_join(t[i], NULL);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(0, put);
	EXPECT_EQ(put, taken);
}

/* ---- steal: bursts on one P, taken by all ---- */

static grt_waitgroup burst;

static void count(void *unused)
{
	(void)unused;
	xadd(&taken, 1);
	grt_waitgroup_done(&burst);
}

static int bursts_main(void *unused)
{
	int64_t end = stress_end();
	long started = 0;
	int i, n;

	(void)unused;
	for (n = 1; nanotime() < end; n = n % 600 + 7) {
		grt_waitgroup_add(&burst, n);
		for (i = 0; i < n; i++)
			grt_go(count, NULL);
		started += n;
		grt_waitgroup_wait(&burst);
	}
	EXPECT_EQ(started, taken);
	return 0;
}

/* Rings that fill, overflow, are stolen from and run empty: who waits for a burst always wakes. */
TEST_F_TIMEOUT(stress, steal, 900)
{
	EXPECT_EQ(0, run_procs(PROCS, bursts_main, NULL));
}

/* ---- wakep: work comes as the last M goes to sleep ---- */

static void echo(void *arg)
{
	grt_chan **c = arg;
	long v;

	while (grt_chan_recv(c[0], &v))
		grt_chan_send(c[1], &v);
	grt_waitgroup_done(&burst);
}

/* From outside the runtime, after a pause of ever another length: around that of going idle. */
static void *call(void *arg)
{
	grt_chan **c = arg;
	int64_t end = stress_end();
	long v, want;
	int i;

	for (want = 0; nanotime() < end; want++) {
		v = want;
		grt_chan_send(c[0], &v);
		grt_chan_recv(c[1], &v);
		if (v != want)
			xadd(&wrong, 1);
		for (i = 0; i < want % 4000; i++)
			barrier();
	}
	grt_chan_close(c[0]);
	return NULL;
}

static int calls_main(void *unused)
{
	grt_chan *c[2] = { grt_chan_new(sizeof(long), 0), grt_chan_new(sizeof(long), 0) };
	pthread_t t;

	(void)unused;
	grt_waitgroup_add(&burst, 1);
	grt_go(echo, c);
	pthread_create(&t, NULL, call, c);
	grt_waitgroup_wait(&burst);
	pthread_join(t, NULL);
	EXPECT_EQ(0, wrong);
	grt_chan_free(c[0]);
	grt_chan_free(c[1]);
	return 0;
}

/* Protocol 4: enqueuer and parker. Nobody else calls, so a lost wake-up is never made up for. */
TEST_F_TIMEOUT(stress, wakep, 900)
{
	EXPECT_EQ(0, run_procs(2, calls_main, NULL));
}

/* ---- park: three ways to end one ---- */

static grt_g *waiter;	/* atomic */
static long readies;	/* atomic */

static bool publish(grt_g *g, void *unused)
{
	(void)unused;
	__atomic_store_n(&waiter, g, __ATOMIC_SEQ_CST);
	return true;
}

static void waker(void *unused)
{
	grt_g *g;

	(void)unused;
	while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST)) {
		g = __atomic_exchange_n(&waiter, NULL, __ATOMIC_SEQ_CST);
		if (g) {
			xadd(&readies, 1);
			grt_ready(g);
		}
		grt_yield();
	}
	grt_waitgroup_done(&burst);
}

static int parks_main(void *unused)
{
	int64_t end = stress_end();
	long woken = 0, late = 0, back = 0;
	int i, ret;

	(void)unused;
	grt_waitgroup_add(&burst, 2);
	grt_go(waker, NULL);
	grt_go(waker, NULL);
	for (i = 0; nanotime() < end; i++) {
		ret = grt_park(publish, NULL, GRT_WAIT_USER, nanotime() + i % 50 * 1000);
		woken += !ret;
		late += ret == -ETIMEDOUT;
		back += !!__atomic_exchange_n(&waiter, NULL, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
	grt_waitgroup_wait(&burst);
	EXPECT_EQ(i, woken + late);
	EXPECT_LT(0, woken);
	EXPECT_LT(0, late);
	/* Each that was published was found by a waker, maybe too late, or taken back. */
	EXPECT_EQ(i, readies + back);
	EXPECT_LE(woken, readies);
	return 0;
}

/* A park ends once, by grt_ready() or by its deadline, whoever comes first. */
TEST_F_TIMEOUT(stress, park, 900)
{
	EXPECT_EQ(0, run_procs(PROCS, parks_main, NULL));
}

TEST_HARNESS_MAIN
