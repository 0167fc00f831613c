// SPDX-License-Identifier: GPL-2.0
/*
 * Goroutines with attributes: names, control words of their own, a start that waits.
 */
#include <errno.h>

#include "grt_harness.h"

#define PROCS 4

FIXTURE(attr) { char unused; };
FIXTURE_SETUP(attr) { self->unused = 0; }
FIXTURE_TEARDOWN(attr) { }

static grt_waitgroup ended;

static void nothing(void *unused)
{
	grt_waitgroup_done(&ended);
}

/* ---- Names ---- */

static void panics(void *unused)
{
	grt_panic("with a name");
}

static int name_main(void *name)
{
	struct grt_attr a = { .size = sizeof(a), .name = name ?: "worker" };

	grt_go_with(&a, panics, NULL);
	grt_chan_recv(NULL, NULL);
	return 0;
}

/* A trace shows the name. */
TEST(name)
{
	EXPECT_DEATH(name_main, "panic: with a name\n\ngoroutine 2 \"worker\" [running]:\n");
}

static int long_name_main(void *unused)
{
	return name_main("0123456789012345678901234567890123456789");
}

/* Or what fits of it. */
TEST(long_name)
{
	EXPECT_DEATH(long_name_main, "panic: with a name\n\n"
		     "goroutine 2 \"0123456789012345678901234567890\" [running]:\n");
}

/* ---- What is refused ---- */

static int bad_main(void *unused)
{
	const struct grt_attr bad[] = {
		{ .size = 0 },
		{ .size = sizeof(struct grt_attr) + 1 },
		{ .size = sizeof(struct grt_attr), .flags = ~GRT_ATTR_FP },
		{ .size = sizeof(struct grt_attr), .mxcsr = 0x1f80 },
		{ .size = sizeof(struct grt_attr), .x87cw = 0x37f },
		{ .size = sizeof(struct grt_attr), .flags = GRT_ATTR_FP, .mxcsr = 0x10000 },
		{ .size = sizeof(struct grt_attr), .reserved = { 0, 0, 1 } },
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EXPECT_EQ(-EINVAL, grt_go_with(&bad[i], nothing, NULL));
	EXPECT_EQ(1U, grt_num_goroutines());
	grt_waitgroup_add(&ended, 1);
	EXPECT_EQ(0, grt_go_with(NULL, nothing, NULL));
	grt_waitgroup_wait(&ended);
	return 0;
}

/* What is not known, or would be a fault of the processor, is refused at once. */
TEST(bad)
{
	EXPECT_EQ(-ESRCH, grt_go_with(NULL, nothing, NULL));
	EXPECT_EQ(0, run_procs(1, bad_main, NULL));
}

/* ---- A start that waits ---- */

static int started;

static void start(void *unused)
{
	__atomic_fetch_add(&started, 1, __ATOMIC_SEQ_CST);
	grt_waitgroup_done(&ended);
}

static int parked_main(void *unused)
{
	grt_g *g[16];
	struct grt_attr a = { .size = sizeof(a) };
	int round, i;

	for (round = 0; round < 100; round++) {
		grt_waitgroup_add(&ended, 16);
		for (i = 0; i < 16; i++) {
			a.parked = &g[i];
			EXPECT_EQ(0, grt_go_with(&a, start, NULL));
		}
		for (i = 0; i < 10; i++)
			grt_yield();
		EXPECT_EQ(16 * round, __atomic_load_n(&started, __ATOMIC_SEQ_CST));
		for (i = 0; i < 16; i++)
			grt_ready(g[i]);
		grt_waitgroup_wait(&ended);
		EXPECT_EQ(16 * round + 16, __atomic_load_n(&started, __ATOMIC_SEQ_CST));
	}
	return 0;
}

/* It begins when it is made ready, once, and not before. */
TEST_F_TIMEOUT(attr, parked, 60)
{
	EXPECT_EQ(0, run_procs(PROCS, parked_main, NULL));
}

/* ---- Control words ---- */

#define ROUND_UP	0x5f80	/* SSE: rounding control 2, all masked */
#define DEFAULT_MXCSR	0x1f80
#define SINGLE		0x7f	/* x87: single precision */
#define DEFAULT_X87	0x37f
#define CONTROL		0xffc0	/* of mxcsr: not the bits that say what has happened */

static uint32_t mxcsr(void)
{
	uint32_t v;

	__asm__ volatile("stmxcsr %0" : "=m"(v));
	return v & CONTROL;
}

static uint16_t x87(void)
{
	uint16_t v;

	__asm__ volatile("fnstcw %0" : "=m"(v));
	return v;
}

static int wrong;

static void check(bool ok)
{
	if (!ok)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

/* Yields, sleeps and ends while its words are not the default. */
static void own_words(void *arg)
{
	uint32_t flush = 0;
	uint32_t v;
	int i;

	for (i = 0; i < 200; i++) {
		check(mxcsr() == (ROUND_UP | flush));
		check(x87() == SINGLE);
		if (i == 100) {
			flush = 0x8000;
			v = ROUND_UP | flush;
			__asm__ volatile("ldmxcsr %0" : : "m"(v));
		}
		if (i % 10)
			grt_yield();
		else
			grt_sleep(10000);
	}
	grt_waitgroup_done(&ended);
}

static void default_words(void *unused)
{
	int i;

	for (i = 0; i < 200; i++) {
		check(mxcsr() == DEFAULT_MXCSR);
		check(x87() == DEFAULT_X87);
		if (i % 10)
			grt_yield();
		else
			grt_sleep(10000);
	}
	grt_waitgroup_done(&ended);
}

static int words_main(void *unused)
{
	struct grt_attr a = {
		.size = sizeof(a),
		.flags = GRT_ATTR_FP,
		.mxcsr = ROUND_UP,
		.x87cw = SINGLE,
	};
	int i;

	grt_waitgroup_add(&ended, 64);
	for (i = 0; i < 32; i++) {
		grt_go(default_words, NULL);
		grt_go_with(&a, own_words, NULL);
	}
	grt_waitgroup_wait(&ended);
	check(mxcsr() == DEFAULT_MXCSR);
	return wrong;
}

/* They go with the goroutine from thread to thread, and the others do not see them. */
TEST_F_TIMEOUT(attr, control_words, 60)
{
	EXPECT_EQ(0, run_procs(1, words_main, NULL));
}

/* The same with threads to move between. */
TEST_F_TIMEOUT(attr, control_words_move, 60)
{
	EXPECT_EQ(0, run_procs(PROCS, words_main, NULL));
}

static void recovers(void *unused)
{
	grt_recover();
	check(mxcsr() == ROUND_UP);
	grt_waitgroup_done(&ended);
}

static void panics_with_words(void *unused)
{
	grt_defer(recovers, NULL);
	grt_panic("with words of its own");
}

static int panic_main(void *unused)
{
	struct grt_attr a = { .size = sizeof(a), .flags = GRT_ATTR_FP, .mxcsr = ROUND_UP };
	int i;

	for (i = 0; i < 100; i++) {
		grt_waitgroup_add(&ended, 2);
		grt_go_with(&a, panics_with_words, NULL);
		grt_go(default_words, NULL);
		grt_waitgroup_wait(&ended);
	}
	return wrong;
}

/* Also when it ends by a panic that it recovers from. */
TEST_F_TIMEOUT(attr, control_words_panic, 60)
{
	EXPECT_EQ(0, run_procs(1, panic_main, NULL));
}

TEST_HARNESS_MAIN
