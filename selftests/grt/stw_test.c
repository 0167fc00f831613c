// SPDX-License-Identifier: GPL-2.0
/* Stops of the world: who stands still, for how long, and what may be done meanwhile. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "grt_harness.h"

#define PROCS	4

/* For EXPECT_* in goroutines of a runtime that run_procs() does not boot. */
static void expect_in(struct __test_metadata *test)
{
	_metadata = test;
}

static int load(const int *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void store(int *p, int v)
{
	__atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}

static void add(int *p, int v)
{
	__atomic_add_fetch(p, v, __ATOMIC_SEQ_CST);
}

static bool on_gsched(void)
{
	return !strcmp(grt_backend_name(), "gsched");
}

/* The thread sleeps, and with it the goroutine: no call into the runtime. */
static void sleep_ms(int ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* What a number of goroutines do until they are told to end. */
struct work {
	int	stop;
	int	left;
	long	count[16] __attribute__((aligned(64)));
};

struct worker {
	struct work	*work;
	int		me;
};

static void count_and_yield(void *arg)
{
	struct worker *w = arg;

	while (!load(&w->work->stop)) {
		__atomic_add_fetch(&w->work->count[w->me], 1, __ATOMIC_RELAXED);
		grt_yield();
	}
	add(&w->work->left, -1);
}

static void start_work(struct work *work, struct worker *w, int n, void (*fn)(void *))
{
	int i;

	work->left = n;
	for (i = 0; i < n; i++) {
		w[i] = (struct worker){ .work = work, .me = i };
		grt_go(fn, &w[i]);
	}
}

static void end_work(struct work *work)
{
	store(&work->stop, 1);
	yield_until(!load(&work->left));
}

static long counted(const struct work *work)
{
	long sum = 0;
	int i;

	for (i = 0; i < 16; i++)
		sum += __atomic_load_n(&work->count[i], __ATOMIC_SEQ_CST);
	return sum;
}

/* ---- Who stands still ---- */

static int stands_still_main(void *arg)
{
	struct work work = { 0 };
	struct worker w[8];
	long before;
	int i;

	start_work(&work, w, 8, count_and_yield);
	for (i = 0; i < 50; i++) {
		before = counted(&work);
		yield_until(counted(&work) > before);
		EXPECT_EQ(0, grt_stop_world("test"));
		before = counted(&work);
		sleep_ms(1);
		EXPECT_EQ(before, counted(&work));
		grt_start_world();
	}
	end_work(&work);
	return 0;
}

/* R41..R47: between stop and start no goroutine but the stopper moves; afterwards all go on. */
TEST(stands_still)
{
	EXPECT_EQ(0, run_procs(1, stands_still_main, NULL));
}

TEST(stands_still_2)
{
	EXPECT_EQ(0, run_procs(2, stands_still_main, NULL));
}

TEST(stands_still_8)
{
	EXPECT_EQ(0, run_procs(8, stands_still_main, NULL));
}

struct reader {
	int	fds[2];
	int	there;
	int	back;
};

static void read_pipe(void *arg)
{
	struct reader *r = arg;
	char c;

	store(&r->there, 1);
	grt_block_begin();
	EXPECT_EQ(1, read(r->fds[0], &c, 1));
	grt_block_end();
	store(&r->back, 1);
}

static int in_a_call_main(void *arg)
{
	struct reader r = { 0 };
	int i;

	if (pipe(r.fds))
		return 1;
	for (i = 0; i < 20; i++) {
		r.there = 0;
		r.back = 0;
		grt_go(read_pipe, &r);
		yield_until(load(&r.there));
		EXPECT_EQ(0, grt_stop_world("test"));
		EXPECT_EQ(1, write(r.fds[1], "", 1));
		sleep_ms(2);
		EXPECT_EQ(0, load(&r.back));
		grt_start_world();
		yield_until(load(&r.back));
	}
	return 0;
}

/* A goroutine in read(2) does not hold a stop up; it stops when it comes back. */
TEST(in_a_call)
{
	EXPECT_EQ(0, run_procs(1, in_a_call_main, NULL));
}

TEST(in_a_call_4)
{
	EXPECT_EQ(0, run_procs(PROCS, in_a_call_main, NULL));
}

static void tight_loop(void *arg)
{
	struct worker *w = arg;
	long *count = &w->work->count[w->me];

	/* No call at all: what is loaded is the only way out. */
	while (!load(&w->work->stop))
		__atomic_store_n(count, *count + 1, __ATOMIC_RELAXED);
	add(&w->work->left, -1);
}

static void empty_loop(void *arg)
{
	struct worker *w = arg;

	while (!load(&w->work->stop))
		;
	add(&w->work->left, -1);
}

static __attribute__((noinline)) int leaf(int n)
{
	return n * 3 + 1;
}

static void leaf_loop(void *arg)
{
	struct worker *w = arg;
	int n = 0;

	while (!load(&w->work->stop))
		n = leaf(n);
	__atomic_store_n(&w->work->count[w->me], n, __ATOMIC_RELAXED);
	add(&w->work->left, -1);
}

static int tight_loops_main(void *arg)
{
	static void (*const loops[])(void *) = { tight_loop, empty_loop, leaf_loop };
	struct work work[3] = { 0 };
	struct worker w[3];
	struct grt_stw_stats s = { .size = sizeof(s) };
	int i;

	for (i = 0; i < 3; i++) {
		/* On futexes it would never end: who asks it to may have to yield first. */
		if (!on_gsched())
			store(&work[i].stop, 1);
		start_work(&work[i], &w[i], 1, loops[i]);
	}
	for (i = 0; i < 10 && on_gsched(); i++) {
		EXPECT_EQ(0, grt_stop_world("test"));
		grt_start_world();
		grt_yield();
	}
	EXPECT_EQ(0, grt_stw_stats(&s));
	EXPECT_EQ(0, s.timeouts);
	for (i = 0; i < 3; i++)
		end_work(&work[i]);
	return 0;
}

/*
 * Item 12: with one P and three loops without a call, a stop goes through on gsched, whichever of
 * them has the P. On futex nobody can take it from them, as stop_timeout shows.
 */
TEST(tight_loops)
{
	EXPECT_EQ(0, run_procs(1, tight_loops_main, NULL));
}

/* Item 11: as many loops as Ps. */
TEST(tight_loops_4)
{
	EXPECT_EQ(0, run_procs(PROCS, tight_loops_main, NULL));
}

static int time_out(void *arg)
{
	struct grt_stw_stats s = { .size = sizeof(s) };
	struct work work = { 0 };
	struct worker w;
	int err;

	start_work(&work, &w, 1, tight_loop);
	while (!__atomic_load_n(&work.count[0], __ATOMIC_RELAXED))
		sched_yield();
	err = grt_stop_world("a reason");
	if (on_gsched()) {
		EXPECT_EQ(0, err);
		grt_start_world();
	} else {
		EXPECT_EQ(-ETIMEDOUT, err);
		EXPECT_EQ(0, grt_stw_stats(&s));
		EXPECT_EQ(1, s.timeouts);
		EXPECT_EQ(2, s.late_goid);
		EXPECT_STREQ("a reason", s.late_why);
		EXPECT_EQ(0, s.total.count);
		EXPECT_EQ(-ETIMEDOUT, grt_set_maxprocs(1));
		EXPECT_EQ(2, grt_set_maxprocs(0));
	}
	end_work(&work);
	/* Nothing is left of it. */
	EXPECT_EQ(0, grt_stop_world("test"));
	grt_start_world();
	return 0;
}

/* A stop that does not get through is withdrawn in time and says whom it waited for. */
TEST(stop_timeout)
{
	struct grt_config config = {
		.size = sizeof(config),
		.maxprocs = 2,
		.stop_timeout_ns = 1000000000,
	};

	expect_in(_metadata);
	/* On gsched it gets through, so it may take its time. */
	if (!getenv("GRT_BACKEND") || strcmp(getenv("GRT_BACKEND"), "futex"))
		config.stop_timeout_ns = 0;
	EXPECT_EQ(0, grt_run_with(&config, time_out, NULL));
}

/* ---- Many stops ---- */

struct respawn {
	int	stop;
	int	gone;
};

static void respawn(void *arg)
{
	struct respawn *r = arg;

	if (load(&r->stop))
		store(&r->gone, 1);
	else
		grt_go(respawn, r);
}

static void stop_often(void *arg)
{
	int i;

	for (i = 0; i < 300; i++) {
		EXPECT_EQ(0, grt_stop_world("test"));
		grt_start_world();
	}
	add(arg, -1);
}

static void resize_often(void *arg)
{
	int i;

	for (i = 0; i < 300; i++)
		EXPECT_LT(0, grt_set_maxprocs(3 + i % 2));
	add(arg, -1);
}

static int stop_deadlock_main(void *arg)
{
	struct respawn r = { 0 };
	int left = 2;

	grt_set_maxprocs(3);
	grt_go(respawn, &r);
	grt_go(stop_often, &left);
	grt_go(resize_often, &left);
	yield_until(!load(&left));
	store(&r.stop, 1);
	yield_until(load(&r.gone));
	return 0;
}

/* Item 1: two goroutines stop the world again and again while another is always being made. */
TEST(stop_deadlock)
{
	EXPECT_EQ(0, run_procs(PROCS, stop_deadlock_main, NULL));
}

struct stoppers {
	int	left;
	long	inside;		/* plain: the world is stopped when it changes */
	long	rounds;
};

static void stop_and_count(void *arg)
{
	struct stoppers *s = arg;
	int i;

	for (i = 0; i < 50; i++) {
		EXPECT_EQ(0, grt_stop_world("test"));
		EXPECT_EQ(0, s->inside++);
		s->rounds++;
		EXPECT_EQ(1, s->inside--);
		grt_start_world();
	}
	add(&s->left, -1);
}

static int many_stoppers_main(void *arg)
{
	struct stoppers s = { .left = 10 };
	struct grt_stw_stats stats = { .size = sizeof(stats) };
	uint64_t sum = 0;
	int i;

	for (i = 0; i < 10; i++)
		grt_go(stop_and_count, &s);
	yield_until(!load(&s.left));
	EXPECT_EQ(500, s.rounds);

	EXPECT_EQ(0, grt_stw_stats(&stats));
	EXPECT_EQ(500, stats.stopping.count);
	EXPECT_EQ(500, stats.total.count);
	EXPECT_EQ(0, stats.timeouts);
	EXPECT_LE(stats.stopping.sum_ns, stats.total.sum_ns);
	EXPECT_LE(stats.stopping.max_ns, stats.total.max_ns);
	EXPECT_LE(stats.total.max_ns, stats.total.sum_ns);
	EXPECT_STREQ("test", stats.last_why);
	for (i = 0; i < GRT_STW_BUCKETS; i++)
		sum += stats.total.bucket[i];
	EXPECT_EQ(500, sum);
	stats.size = 3;
	EXPECT_EQ(-EINVAL, grt_stw_stats(&stats));
	return 0;
}

/* GC1: one stopper at a time, each gets its turn, and each stop is counted. */
TEST(many_stoppers)
{
	EXPECT_EQ(0, run_procs(PROCS, many_stoppers_main, NULL));
}

TEST(many_stoppers_1)
{
	EXPECT_EQ(0, run_procs(1, many_stoppers_main, NULL));
}

/* ---- Who runs where afterwards ---- */

#define STOPS	50

struct moves {
	int	stop;
	int	left;
	int	moved;
};

static void count_moves(void *arg)
{
	struct moves *m = arg;
	pid_t last = gettid();

	while (!load(&m->stop)) {
		/* The shortest visit to the runtime at which it can be stopped. */
		grt_block_begin();
		grt_block_end();
		if (gettid() != last)
			add(&m->moved, 1);
		last = gettid();
	}
	add(&m->left, -1);
}

static int affinity_main(void *arg)
{
	struct moves m = { .left = PROCS - 1 };
	int i;

	for (i = 0; i < PROCS - 1; i++)
		grt_go(count_moves, &m);
	for (i = 0; i < STOPS; i++) {
		EXPECT_EQ(0, grt_stop_world("test"));
		grt_start_world();
		sleep_ms(1);
	}
	store(&m.stop, 1);
	yield_until(!load(&m.left));
	printf("# %d of %d moved\n", m.moved, STOPS * (PROCS - 1));
	if (!on_gsched())
		EXPECT_GT(STOPS * (PROCS - 1) / 2, m.moved);
	return 0;
}

/*
 * Items 30 and 31: a goroutine that a stop interrupts goes on where it was. On futex it moves in
 * fewer than half of the stops, where at random it were three quarters; what moves it is the end of
 * a slice, and a thief while its own thread is slow to wake. On gsched the kernel chooses.
 */
TEST(affinity)
{
	EXPECT_EQ(0, run_procs(PROCS, affinity_main, NULL));
}

/* ---- What may be done meanwhile ---- */

static bool publish(grt_g *g, void *arg)
{
	__atomic_store_n((grt_g **)arg, g, __ATOMIC_SEQ_CST);
	return true;
}

struct parked {
	grt_g	*g;
	int	back;
};

static void park(void *arg)
{
	struct parked *p = arg;

	EXPECT_EQ(0, grt_park(publish, &p->g, GRT_WAIT_USER, GRT_FOREVER));
	store(&p->back, 1);
}

static void set_flag(void *arg)
{
	store(arg, 1);
}

static int make_ready_main(void *arg)
{
	struct parked p = { 0 };
	grt_chan *c = grt_chan_new(sizeof(int), 1);
	int started = 0, v = 7;

	grt_go(park, &p);
	yield_until(__atomic_load_n(&p.g, __ATOMIC_SEQ_CST));
	EXPECT_EQ(0, grt_stop_world("test"));
	grt_go(set_flag, &started);
	grt_ready(p.g);
	EXPECT_EQ(0, grt_chan_try_send(c, &v));
	EXPECT_EQ(-EAGAIN, grt_chan_try_send(c, &v));
	EXPECT_EQ(1, grt_chan_try_recv(c, &v));
	sleep_ms(2);
	EXPECT_EQ(0, load(&started));
	EXPECT_EQ(0, load(&p.back));
	grt_start_world();
	/* Another P runs both, with nothing more from this one, if there is another. */
	while (!load(&started) || !load(&p.back)) {
		if (grt_set_maxprocs(0) == 1)
			grt_sleep(100000);
		else
			sched_yield();
	}
	grt_chan_free(c);
	return 0;
}

/* What the stopper starts or makes ready runs once the world does. */
TEST(make_ready)
{
	EXPECT_EQ(0, run_procs(1, make_ready_main, NULL));
}

TEST(make_ready_4)
{
	EXPECT_EQ(0, run_procs(PROCS, make_ready_main, NULL));
}

struct outside {
	int	stop;
	int	running;
	int	made;
	int	ran;
};

static void count_run(void *arg)
{
	struct outside *o = arg;

	add(&o->ran, 1);
}

static void *make_from_outside(void *arg)
{
	struct outside *o = arg;

	while (!load(&o->stop)) {
		EXPECT_EQ(0, grt_go(count_run, o));
		add(&o->made, 1);
		/* Few enough that the queue does not grow without end. */
		while (!load(&o->stop) && load(&o->made) - load(&o->ran) > 1000)
			sched_yield();
	}
	return NULL;
}

static int from_outside_main(void *arg)
{
	struct outside o = { 0 };
	pthread_t t;
	int i, ran;

	if (pthread_create(&t, NULL, make_from_outside, &o))
		return 1;
	for (i = 0; i < 100; i++) {
		ran = load(&o.ran);
		while (load(&o.ran) == ran)
			grt_sleep(10000);
		EXPECT_EQ(0, grt_stop_world("test"));
		ran = load(&o.ran);
		sched_yield();
		EXPECT_EQ(ran, load(&o.ran));
		grt_start_world();
	}
	store(&o.stop, 1);
	pthread_join(t, NULL);
	yield_until(load(&o.ran) == load(&o.made));
	return 0;
}

/* A thread outside the runtime starts goroutines through all of it: none runs, none is lost. */
TEST(from_outside)
{
	EXPECT_EQ(0, run_procs(2, from_outside_main, NULL));
}

static void sleep_a_ms(void *arg)
{
	grt_sleep(1000000);
	add(arg, -1);
}

static int sleepers_main(void *arg)
{
	int left = 200, i;

	for (i = 0; i < 200; i++)
		grt_go(sleep_a_ms, &left);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, grt_stop_world("test"));
		sleep_ms(3);
		grt_start_world();
		grt_sleep(100000);
	}
	while (load(&left))
		grt_sleep(1000000);
	return 0;
}

/* Timers that come due in a stop run after it, and whoever polled before does so again. */
TEST(sleepers)
{
	EXPECT_EQ(0, run_procs(1, sleepers_main, NULL));
}

TEST(sleepers_4)
{
	EXPECT_EQ(0, run_procs(PROCS, sleepers_main, NULL));
}

/* ---- Misuse ---- */

#define STOPPER_GONE	"fatal error: the goroutine that stopped the world waits, yields or ends"

static int stop_and_sleep(void *arg)
{
	grt_stop_world("test");
	grt_sleep(1000);
	return 0;
}

static int stop_and_yield(void *arg)
{
	grt_stop_world("test");
	grt_yield();
	return 0;
}

static int stop_and_receive(void *arg)
{
	grt_chan *c = grt_chan_new(0, 0);

	grt_stop_world("test");
	grt_chan_recv(c, NULL);
	return 0;
}

static void stop_and_end(void *arg)
{
	grt_stop_world("test");
}

static int stopper_ends(void *arg)
{
	grt_go(stop_and_end, NULL);
	grt_sleep(INT64_MAX);
	return 0;
}

static int stop_twice(void *arg)
{
	grt_stop_world("test");
	grt_stop_world("test");
	return 0;
}

static int resize_stopped(void *arg)
{
	grt_stop_world("test");
	grt_set_maxprocs(3);
	return 0;
}

static int start_without_stop(void *arg)
{
	grt_start_world();
	return 0;
}

static void *call_stop(void *arg)
{
	grt_stop_world("test");
	return NULL;
}

static int stop_from_outside(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, call_stop, NULL);
	pthread_join(t, NULL);
	return 0;
}

/* Waiting for others with the world stopped would last for ever: it is said instead. */
TEST(stopper_must_not_wait)
{
	EXPECT_DEATH(stop_and_sleep, STOPPER_GONE);
	EXPECT_DEATH(stop_and_yield, STOPPER_GONE);
	EXPECT_DEATH(stop_and_receive, STOPPER_GONE);
	EXPECT_DEATH(stopper_ends, STOPPER_GONE);
}

/* A stop is ended once, by the goroutine that began it. */
TEST(stop_and_start_pair)
{
	EXPECT_DEATH(stop_twice, "fatal error: stop of the world by the goroutine that has "
		     "stopped it already");
	EXPECT_DEATH(resize_stopped, "fatal error: stop of the world by the goroutine that has "
		     "stopped it already");
	EXPECT_DEATH(start_without_stop, "fatal error: start of the world by somebody who has not "
		     "stopped it");
	EXPECT_DEATH(stop_from_outside, "panic: grt_stop_world: not on a goroutine");
}

TEST_HARNESS_MAIN
