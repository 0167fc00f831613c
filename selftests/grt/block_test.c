// SPDX-License-Identifier: GPL-2.0
/*
 * Goroutines that block their thread: the others go on (R62, R111). On gsched whatever they block
 * in; on futex between grt_block_begin() and grt_block_end(), which gsched does not need.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>

#include "grt_harness.h"

#define MS	1000000LL

static int load(int *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

/* A pipe to block in, and who has come back from it. */
struct stuck {
	int	fds[2];
	int	entered;
	int	back;
};

static void block_in_read(void *arg)
{
	struct stuck *s = arg;
	char c;

	__atomic_add_fetch(&s->entered, 1, __ATOMIC_SEQ_CST);
	grt_block_begin();
	EXPECT_EQ(1, read(s->fds[0], &c, 1));
	grt_block_end();
	__atomic_add_fetch(&s->back, 1, __ATOMIC_SEQ_CST);
}

static void let_go(struct stuck *s, int n)
{
	while (n--)
		EXPECT_EQ(1, write(s->fds[1], "x", 1));
}

static int others_run_main(void *arg)
{
	struct stuck s = { .entered = 0 };
	int i;

	(void)arg;
	EXPECT_EQ(0, pipe(s.fds));
	grt_go(block_in_read, &s);
	yield_until(load(&s.entered));
	for (i = 0; i < 1000; i++)
		grt_yield();
	EXPECT_EQ(0, load(&s.back));
	let_go(&s, 1);
	yield_until(load(&s.back));
	return 0;
}

/* One P: while one goroutine is stuck in read(2), others run, and it comes back. */
TEST(others_run)
{
	EXPECT_EQ(0, run_procs(1, others_run_main, NULL));
}

static int timer_on_time_main(void *arg)
{
	struct stuck s = { .entered = 0 };
	int64_t t;
	int i;

	(void)arg;
	EXPECT_EQ(0, pipe(s.fds));
	grt_go(block_in_read, &s);
	yield_until(load(&s.entered));
	for (i = 0; i < 10; i++) {
		t = grt_now();
		grt_sleep(10 * MS);
		EXPECT_GT(t + 500 * MS, grt_now());
	}
	EXPECT_EQ(0, load(&s.back));
	let_go(&s, 1);
	yield_until(load(&s.back));
	return 0;
}

/* One P: while one goroutine is stuck in read(2), another's timer is run. */
TEST(timer_on_time)
{
	EXPECT_EQ(0, run_procs(1, timer_on_time_main, NULL));
}

static void count(void *arg)
{
	__atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
}

static int nothing_left_lying_main(void *arg)
{
	struct stuck s = { .entered = 0 };
	int ran = 0, i;

	(void)arg;
	EXPECT_EQ(0, pipe(s.fds));
	grt_go(block_in_read, &s);
	yield_until(load(&s.entered));
	/* All on the ring of this goroutine's P; the goroutine then only looks. */
	for (i = 0; i < 100; i++)
		grt_go(count, &ran);
	while (load(&ran) < 100)
		;
	let_go(&s, 1);
	yield_until(load(&s.back));
	return 0;
}

/*
 * Two Ps: 100 goroutines queued behind one that computes; the P whose goroutine blocks in read(2)
 * runs them.
 */
TEST(nothing_left_lying)
{
	EXPECT_EQ(0, run_procs(2, nothing_left_lying_main, NULL));
}

#define PATIENCE_MS	20000

static void count_and_tell(void *arg)
{
	int *fds = arg;

	EXPECT_EQ(1, write(fds[1], "x", 1));
}

static int work_behind_main(void *arg)
{
	struct pollfd p;
	int fds[2], i;

	(void)arg;
	EXPECT_EQ(0, pipe(fds));
	p = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	for (i = 0; i < 3; i++)
		grt_go(count_and_tell, fds);
	grt_block_begin();
	i = poll(&p, 1, PATIENCE_MS);
	grt_block_end();
	EXPECT_EQ(1, i);
	yield_until(grt_num_goroutines() == 1);
	return 0;
}

FIXTURE(block) { char unused; };
FIXTURE_SETUP(block) { self->unused = 0; }
FIXTURE_TEARDOWN(block) { }

/* R33: one P: who blocks with goroutines behind it on the ring is waiting for just those. */
TEST_F_TIMEOUT(block, work_behind_a_blocker, 60)
{
	EXPECT_EQ(0, run_procs(1, work_behind_main, NULL));
}

#define BLOCKERS 64

static int many_blockers_main(void *arg)
{
	struct stuck s = { .entered = 0 };
	int i;

	(void)arg;
	EXPECT_EQ(0, pipe(s.fds));
	for (i = 0; i < BLOCKERS; i++)
		grt_go(block_in_read, &s);
	yield_until(load(&s.entered) == BLOCKERS);
	EXPECT_EQ(0, load(&s.back));
	let_go(&s, BLOCKERS);
	yield_until(load(&s.back) == BLOCKERS);
	return 0;
}

/* Many more goroutines block at once than there are Ps: each gets a thread, and each comes back. */
TEST(many_blockers)
{
	EXPECT_EQ(0, run_procs(2, many_blockers_main, NULL));
}

static int threads(void)
{
	char line[128];
	int n = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Threads: %d", &n);
	if (f)
		fclose(f);
	return n;
}

static int surplus_main(void *arg)
{
	many_blockers_main(arg);
	EXPECT_LT(BLOCKERS, threads());
	/* Two that run, a poller, a few idle ones in reserve, and three that are no Ms. */
	while (threads() > 12)
		grt_sleep(50 * MS);
	return 0;
}

/* Threads that were needed once end when nobody has needed them for a while. */
TEST(surplus_threads_end)
{
	EXPECT_EQ(0, run_procs(2, surplus_main, NULL));
}

static void end_hog(void *arg)
{
	__atomic_store_n((int *)arg, 1, __ATOMIC_SEQ_CST);
}

static void nop(void *arg)
{
	(void)arg;
}

static int hog_main(void *arg)
{
	int end = 0;

	(void)arg;
	grt_go(end_hog, &end);
	while (!load(&end))
		grt_go(nop, NULL);
	return 0;
}

/* One P: who calls the runtime for 10 ms without ever parking is made to yield (R61). */
TEST(preemption)
{
	EXPECT_EQ(0, run_procs(1, hog_main, NULL));
}

static bool on_futex(void)
{
	const char *env = getenv("GRT_BACKEND");

	return env ? !strcmp(env, "futex") : access("/dev/gsched", F_OK) != 0;
}

/* A slice of 10 ms, seen up to a quarter late, and the grace; twice that for the emulator's sake */
#define PREEMPT_NS	(2 * (10 + 5 + 1) * MS)

static int compute_main(void *arg)
{
	int64_t t, best = INT64_MAX;
	int end, i;

	(void)arg;
	for (i = 0; i < 5; i++) {
		end = 0;
		t = grt_now();
		grt_go(end_hog, &end);
		while (!load(&end))
			;
		t = grt_now() - t;
		if (t < best)
			best = t;
	}
	EXPECT_GT(PREEMPT_NS, best);
	return 0;
}

/*
 * One P: a goroutine that computes in C and calls nobody does not keep the other from running; the
 * best of five rounds is in time. Only the kernel can do that: on futex it would never end.
 */
TEST(preemption_without_calls)
{
	if (!on_futex())
		EXPECT_EQ(0, run_procs(1, compute_main, NULL));
}

static int compute_and_sleep_main(void *arg)
{
	int end = 0, i;

	for (i = 0; i < 4; i++)
		grt_go(arg, &end);
	grt_sleep(20 * MS);
	__atomic_store_n(&end, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static void compute(void *arg)
{
	while (!load(arg))
		;
}

/* Two Ps, four goroutines that only compute: timers run all the same. Not on futex, as above. */
TEST(timer_beside_computing)
{
	if (!on_futex())
		EXPECT_EQ(0, run_procs(2, compute_and_sleep_main, compute));
}

struct mix {
	int	id;
	int	fd;
	int	*left;
};

static void mixed_work(void *arg)
{
	struct mix *m = arg;
	volatile int j;
	int i;

	for (i = 0; i < 200; i++) {
		switch ((m->id + i) % 4) {
		case 0:
			grt_block_begin();
			poll(NULL, 0, i % 3);
			grt_block_end();
			break;
		case 1:
			grt_yield();
			break;
		case 2:
			grt_sleep(i % 5 * 100000);
			break;
		case 3:
			for (j = 0; j < 20000; j++)
				;
			break;
		}
	}
	__atomic_sub_fetch(m->left, 1, __ATOMIC_SEQ_CST);
}

static int mixed_main(void *arg)
{
	struct mix m[32];
	int left = 32, i;

	(void)arg;
	for (i = 0; i < 32; i++) {
		m[i] = (struct mix){ .id = i, .left = &left };
		grt_go(mixed_work, &m[i]);
	}
	while (load(&left))
		grt_sleep(MS);
	return 0;
}

/* Blocking, computing, sleeping and yielding, mixed: everybody gets to the end. */
TEST(mixed)
{
	EXPECT_EQ(0, run_procs(3, mixed_main, NULL));
}

static int end_without_begin(void *arg)
{
	(void)arg;
	grt_block_end();
	return 0;
}

static int call_inside(void *arg)
{
	(void)arg;
	grt_block_begin();
	grt_yield();
	return 0;
}

/* On futex misuse of the pair is found at once. On gsched it has no meaning, so no harm either. */
TEST(misuse)
{
	if (on_futex()) {
		EXPECT_PANIC(end_without_begin, "grt_block_end without grt_block_begin");
		EXPECT_DEATH(call_inside, "fatal error: call into the runtime between "
			     "grt_block_begin and grt_block_end [goroutine 1, ");
	} else {
		EXPECT_EQ(0, run_procs(1, end_without_begin, NULL));
	}
}

TEST_HARNESS_MAIN
