// SPDX-License-Identifier: GPL-2.0
/*
 * Goroutines that compute for long do not keep others waiting: on gsched wherever they are, on
 * futex when they enter the runtime, which is what their loops do there.
 *
 * GRT_ABUSE_MS is how long the C library is abused on each number of Ps (1000).
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "grt_harness.h"

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

struct hogs {
	int	stop;
	int	left;
	long	rounds;
	FILE	*null;
};

/* The only thing in a hog's loop that lets others run where the kernel does not. */
static void let_others(void)
{
	if (!on_gsched())
		grt_yield();
}

static void plain_loop(void *arg)
{
	struct hogs *h = arg;
	bool futex = !on_gsched();

	while (!load(&h->stop)) {
		if (futex)
			grt_yield();
	}
	add(&h->left, -1);
}

static void malloc_loop(void *arg)
{
	struct hogs *h = arg;
	unsigned char *p[8] = { NULL };
	unsigned int i = 0, j, size[8] = { 0 };

	while (!load(&h->stop)) {
		j = i++ % 8;
		/* What another goroutine wrote here would show. */
		if (p[j])
			EXPECT_EQ((unsigned char)(j + size[j]), p[j][size[j] - 1]);
		free(p[j]);
		size[j] = 1 + i * 37 % 3000;
		p[j] = malloc(size[j]);
		memset(p[j], j + size[j], size[j]);
		let_others();
	}
	for (j = 0; j < 8; j++)
		free(p[j]);
	add(&h->left, -1);
}

static void printf_loop(void *arg)
{
	struct hogs *h = arg;
	char buf[64], own[64];
	int i = 0;

	while (!load(&h->stop)) {
		fprintf(h->null, "%d %s %p\n", i++, "a line", (void *)h);
		snprintf(buf, sizeof(buf), "%d %.3f", i, i / 8.0);
		snprintf(own, sizeof(own), "%d %.3f", i, i / 8.0);
		EXPECT_STREQ(own, buf);
		let_others();
	}
	add(&h->left, -1);
}

static int compare(const void *a, const void *b)
{
	const int *x = a, *y = b;

	let_others();
	return (*x > *y) - (*x < *y);
}

static void qsort_loop(void *arg)
{
	struct hogs *h = arg;
	int v[100], i;

	while (!load(&h->stop)) {
		for (i = 0; i < 100; i++)
			v[i] = i * 7919 % 101;
		qsort(v, 100, sizeof(v[0]), compare);
		for (i = 1; i < 100; i++)
			EXPECT_LE(v[i - 1], v[i]);
	}
	add(&h->left, -1);
}

static void start_hogs(struct hogs *h, void (*const fn[])(void *), int n)
{
	int i;

	*h = (struct hogs){ .left = n, .null = fopen("/dev/null", "w") };
	for (i = 0; i < n; i++)
		grt_go(fn[i], h);
}

static void end_hogs(struct hogs *h)
{
	store(&h->stop, 1);
	yield_until(!load(&h->left));
	fclose(h->null);
}

/* ---- One P, and a goroutine that does not let go ---- */

#define TURNS	20

static int turns_main(void *arg)
{
	void (*const fn[])(void *) = { (void (*)(void *))arg };
	struct hogs h;
	int i;

	start_hogs(&h, fn, 1);
	/* Each of these is a turn of the hog's, and a return of the P. */
	for (i = 0; i < TURNS; i++)
		grt_yield();
	end_hogs(&h);
	return 0;
}

/* A loop of plain C has the only P: another goroutine runs all the same, again and again. */
TEST(in_plain_code)
{
	EXPECT_EQ(0, run_procs(1, turns_main, plain_loop));
}

TEST(in_malloc)
{
	EXPECT_EQ(0, run_procs(1, turns_main, malloc_loop));
}

TEST(in_printf)
{
	EXPECT_EQ(0, run_procs(1, turns_main, printf_loop));
}

TEST(in_qsort)
{
	EXPECT_EQ(0, run_procs(1, turns_main, qsort_loop));
}

/* ---- Many of them, which use the same locks as the runtime's callers ---- */

static void make_and_sleep(void *arg)
{
	struct hogs *h = arg;
	void *p;

	while (!load(&h->stop)) {
		p = malloc(100000);
		memset(p, 1, 100);
		grt_sleep(100000);
		free(p);
		__atomic_fetch_add(&h->rounds, 1, __ATOMIC_RELAXED);
	}
	add(&h->left, -1);
}

static int abuse_main(void *arg)
{
	void (*const fn[])(void *) = {
		malloc_loop, malloc_loop, malloc_loop, printf_loop, printf_loop, qsort_loop,
		make_and_sleep,
	};
	const char *ms = getenv("GRT_ABUSE_MS");
	int64_t end = grt_now() + (ms ? atoll(ms) : 1000) * 1000000;
	struct hogs h;

	start_hogs(&h, fn, 7);
	/* Stops of the world and new goroutines with anybody in malloc() or printf(). */
	do {
		EXPECT_EQ(0, grt_stop_world("test"));
		grt_start_world();
		grt_sleep(2000000);
	} while (grt_now() < end);
	while (!__atomic_load_n(&h.rounds, __ATOMIC_RELAXED))
		grt_sleep(1000000);
	end_hogs(&h);
	return 0;
}

FIXTURE(abuse) { char unused; };
FIXTURE_SETUP(abuse) { self->unused = 0; }
FIXTURE_TEARDOWN(abuse) { }
FIXTURE_VARIANT(abuse) { int procs; };
FIXTURE_VARIANT_ADD(abuse, one_p) { 1 };
FIXTURE_VARIANT_ADD(abuse, three_ps) { 3 };

/* Goroutines stopped inside the C library hold nobody up but who needs the same lock. */
TEST_F_TIMEOUT(abuse, of_the_c_library, 1800)
{
	EXPECT_EQ(0, run_procs(variant->procs, abuse_main, NULL));
}

/* ---- The global queue, beside timers ---- */

static void yield_loop(void *arg)
{
	struct hogs *h = arg;

	while (!load(&h->stop)) {
		grt_yield();
		__atomic_fetch_add(&h->rounds, 1, __ATOMIC_RELAXED);
	}
	add(&h->left, -1);
}

static int timers_main(void *arg)
{
	void (*const fn[])(void *) = { plain_loop, plain_loop, plain_loop, yield_loop };
	struct hogs h;

	(void)arg;
	start_hogs(&h, fn, 4);
	while (__atomic_load_n(&h.rounds, __ATOMIC_RELAXED) < TURNS)
		grt_sleep(1000000);
	end_hogs(&h);
	return 0;
}

/*
 * Each time the P is not a hog's, a timer is due, and who it wakes inherits the slice, so the tick
 * that would have the global queue's turn come does not move: who is there runs all the same.
 */
TEST(global_queue_beside_timers)
{
	EXPECT_EQ(0, run_procs(1, timers_main, NULL));
}

/* ---- Blocking for a short time, again and again ---- */

struct callers {
	int	stop;
	int	there;
	int	left;
};

static void call_again(struct callers *c, int us)
{
	add(&c->there, 1);
	while (!load(&c->stop)) {
		grt_block_begin();
		usleep(us);
		grt_block_end();
	}
	add(&c->left, -1);
}

static void call_10(void *arg)
{
	call_again(arg, 10);
}

static void call_100(void *arg)
{
	call_again(arg, 100);
}

static void call_1000(void *arg)
{
	call_again(arg, 1000);
}

static int after_calls_main(void *arg)
{
	static void (*const fn[])(void *) = { call_10, call_100, call_1000 };
	struct callers c;
	int i, j;

	for (i = 0; i < 3; i++) {
		c = (struct callers){ .left = 8 };
		for (j = 0; j < 8; j++)
			grt_go(fn[i], &c);
		while (load(&c.there) < 8)
			grt_sleep(100000);
		store(&c.stop, 1);
		while (load(&c.left))
			grt_sleep(100000);
	}
	return 0;
}

/* Item 26: eight goroutines in short system calls on two Ps all begin, and all hear the end. */
TEST(after_calls)
{
	EXPECT_EQ(0, run_procs(2, after_calls_main, NULL));
}

struct writers {
	int	stop;
	int	left;
	int	fd;
};

static void write_null(void *arg)
{
	struct writers *w = arg;

	while (!load(&w->stop)) {
		grt_block_begin();
		EXPECT_EQ(1, write(w->fd, "", 1));
		grt_block_end();
	}
	add(&w->left, -1);
}

static int fairness_main(void *arg)
{
	struct writers w = { .left = 2, .fd = open("/dev/null", O_WRONLY) };

	grt_go(write_null, &w);
	grt_go(write_null, &w);
	grt_sleep(10000000);
	store(&w.stop, 1);
	yield_until(!load(&w.left));
	close(w.fd);
	return 0;
}

/* Item 13: with one P and two goroutines that write all the time, a sleep of 10 ms ends. */
TEST(fairness)
{
	EXPECT_EQ(0, run_procs(1, fairness_main, NULL));
}

TEST_HARNESS_MAIN
