// SPDX-License-Identifier: GPL-2.0
/*
 * Nothing runnable is left lying (protocol 4): while a goroutine sleeps in the kernel, whatever its
 * P could do is done by somebody.
 *
 * The sleep is a plain read(2) on gsched. On futex it is announced, as that backend asks for.
 */
#include <pthread.h>
#include <sys/syscall.h>

#include "grt_harness.h"

#define READ_NS		(1000 * 1000000LL)	/* how long the reader sleeps */
#define SLEEP_NS	(10 * 1000000LL)
#define LATE_NS		(400 * 1000000LL)	/* an emulator's delays, not the read's rest */
#define WORKERS		100
#define ROUNDS		50
#define PATIENCE_NS	(20 * 1000000000LL)

FIXTURE(lying) {
	char unused;
};

FIXTURE_SETUP(lying)
{
	self->unused = 0;
}

FIXTURE_TEARDOWN(lying)
{
}

static int counter(const int *n)
{
	return __atomic_load_n(n, __ATOMIC_ACQUIRE);
}

static void count(int *n)
{
	__atomic_fetch_add(n, 1, __ATOMIC_ACQ_REL);
}

static void blocking_read(int fd)
{
	bool announce = !strcmp(grt_backend_name(), "futex");
	char c;

	if (announce)
		grt_block_begin();
	while (read(fd, &c, 1) != 1)
		;
	if (announce)
		grt_block_end();
}

struct reader {
	int	fds[2];
	int	reading;	/* about to read */
	int	done;
};

static void reader_go(void *arg)
{
	struct reader *r = arg;

	count(&r->reading);
	blocking_read(r->fds[0]);
	count(&r->done);
}

/* Lets the reader go when its time is up; not a thread of the runtime. */
static void *write_later(void *arg)
{
	struct reader *r = arg;
	struct timespec ts = { READ_NS / 1000000000, READ_NS % 1000000000 };

	nanosleep(&ts, NULL);
	if (write(r->fds[1], "x", 1) != 1)
		abort();
	return NULL;
}

static int sleeper_main(void *arg)
{
	struct reader *r = arg;
	pthread_t writer;
	int64_t start, late;

	grt_go(reader_go, r);
	yield_until(counter(&r->reading));
	EXPECT_EQ(0, pthread_create(&writer, NULL, write_later, r));
	start = grt_now();
	grt_sleep(SLEEP_NS);
	late = grt_now() - start - SLEEP_NS;
	EXPECT_EQ(0, counter(&r->done));
	EXPECT_GE(late, 0);
	EXPECT_LT(late, LATE_NS);
	yield_until(counter(&r->done));
	pthread_join(writer, NULL);
	return 0;
}

/* One P: a goroutine is in read(2) for a second, another's sleep of 10 ms returns on time. */
TEST_F_TIMEOUT(lying, sleep_beside_read, 60)
{
	struct reader r = { 0 };

	ASSERT_EQ(0, pipe(r.fds));
	EXPECT_EQ(0, run_procs(1, sleeper_main, &r));
}

static int ready_main(void *arg)
{
	struct reader *r = arg;
	int64_t start;

	grt_go(reader_go, r);
	start = grt_now();
	while (!counter(&r->reading))
		grt_yield();
	/* The main goroutine was runnable when the reader fell asleep. */
	EXPECT_LT(grt_now() - start, LATE_NS);
	EXPECT_EQ(0, counter(&r->done));
	EXPECT_EQ(1, write(r->fds[1], "x", 1));
	yield_until(counter(&r->done));
	return 0;
}

/* One P: a goroutine falls asleep in read(2) while another is runnable: that one runs. */
TEST_F_TIMEOUT(lying, runnable_beside_read, 60)
{
	struct reader r = { 0 };

	ASSERT_EQ(0, pipe(r.fds));
	EXPECT_EQ(0, run_procs(1, ready_main, &r));
}

static int ran;

static void worker_go(void *arg)
{
	(void)arg;
	count(&ran);
}

static void queue_workers(void)
{
	for (int i = 0; i < WORKERS; i++)
		grt_go(worker_go, NULL);
}

/* Keeps the P without a look at its queue. */
static bool compute_until(const int *n, int value)
{
	int64_t end = grt_now() + PATIENCE_NS;

	while (counter(n) < value)
		if (grt_now() > end)
			return false;
	return true;
}

enum order { READ_FIRST, QUEUE_FIRST, AT_ONCE };

struct second {
	struct reader	r;
	int		running;
	int		release;
};

static void second_go(void *arg)
{
	struct second *s = arg;

	count(&s->running);
	while (!counter(&s->release))
		;
	reader_go(&s->r);
}

/* Asleep for sure: the kernel says so. Without this the order of the two is left to chance. */
static void wait_for_sleep(void)
{
	struct grt_device_counts c = { .size = sizeof(c) };
	uint64_t before;

	if (grt_device_counts(&c))
		return;
	before = c.blocks;
	for (int64_t end = grt_now() + 10 * 1000000; grt_now() < end && c.blocks == before;)
		grt_device_counts(&c);
}

static int steal_round(struct second *s, enum order order)
{
	bool all;

	ran = 0;
	s->running = s->release = s->r.reading = s->r.done = 0;
	grt_go(second_go, s);
	if (!compute_until(&s->running, 1))
		return -1;
	if (order == QUEUE_FIRST)
		queue_workers();
	count(&s->release);
	if (!compute_until(&s->r.reading, 1))
		return -1;
	if (order == READ_FIRST)
		wait_for_sleep();
	if (order != QUEUE_FIRST)
		queue_workers();
	all = compute_until(&ran, WORKERS);
	EXPECT_TRUE(all);
	EXPECT_EQ(0, counter(&s->r.done));
	EXPECT_EQ(1, write(s->r.fds[1], "x", 1));
	yield_until(counter(&s->r.done));
	return all ? 0 : -1;
}

struct steal {
	struct second	s;
	enum order	order;
};

static int steal_main(void *arg)
{
	struct steal *st = arg;
	int err = 0;

	for (int i = 0; i < ROUNDS && !err; i++)
		err = steal_round(&st->s, st->order);
	return err;
}

/*
 * Two Ps: a hundred goroutines are queued on the first, whose goroutine computes, while the second
 * P's goroutine is in read(2): the second P runs them all, also the one in the first P's runnext.
 */
TEST_F_TIMEOUT(lying, steal_after_read, 120)
{
	struct steal st = { .order = READ_FIRST };

	ASSERT_EQ(0, pipe(st.s.r.fds));
	EXPECT_EQ(0, run_procs(2, steal_main, &st));
}

/* The same, queued before the second P's goroutine falls asleep: it is the sleep that tells. */
TEST_F_TIMEOUT(lying, steal_before_read, 120)
{
	struct steal st = { .order = QUEUE_FIRST };

	ASSERT_EQ(0, pipe(st.s.r.fds));
	EXPECT_EQ(0, run_procs(2, steal_main, &st));
}

/* The same, both at once: enqueuer and sleeper race, and one of the two sees the other. */
TEST_F_TIMEOUT(lying, steal_against_read, 120)
{
	struct steal st = { .order = AT_ONCE };

	ASSERT_EQ(0, pipe(st.s.r.fds));
	EXPECT_EQ(0, run_procs(2, steal_main, &st));
}

TEST_HARNESS_MAIN
