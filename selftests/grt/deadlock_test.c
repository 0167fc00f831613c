// SPDX-License-Identifier: GPL-2.0
/*
 * A program in which nothing can ever happen again is told so, in Go's words (go-semantics section
 * 4, items 53 to 57); and one in which something can is not.
 */
#include <pthread.h>

#include "grt_harness.h"

FIXTURE(deadlock) { char unused; };
FIXTURE_SETUP(deadlock) { self->unused = 0; }
FIXTURE_TEARDOWN(deadlock) { }

#define ASLEEP	"fatal error: all goroutines are asleep - deadlock!\n"
#define NONE	"fatal error: no goroutines (main called runtime.Goexit) - deadlock!\n"

static void sleep_go(void *unused)
{
	grt_sleep(1000000);
}

static grt_chan ring[8];

/* ---- It is found; but not with ThreadSanitizer, whose own threads might be anybody's ---- */

#ifndef __SANITIZE_THREAD__

static void for_ever(void *unused)
{
	grt_chan_recv(NULL, NULL);
}

static int simple_main(void *unused)
{
	for_ever(NULL);
	return 0;
}

/* Item 53, TestSimpleDeadlock; with what the main goroutine waits for. */
TEST(simple)
{
	EXPECT_DEATH(simple_main, ASLEEP "\ngoroutine 1 [chan receive (nil chan)]:\n");
}

static bool block_in_init;

static void init_task(void)
{
	if (block_in_init)
		for_ever(NULL);
}

GRT_INIT(init_task);

/* Item 54, TestInitDeadlock: an init task waits, and the main goroutine is locked to its thread. */
TEST(in_init)
{
	block_in_init = true;
	EXPECT_DEATH(simple_main,
		     ASLEEP "\ngoroutine 1 [chan receive (nil chan), locked to thread]:\n");
}

static int locked_main(void *unused)
{
	grt_lock_thread();
	for_ever(NULL);
	return 0;
}

/* Item 55, TestLockedDeadlock. */
TEST(locked)
{
	EXPECT_DEATH(locked_main, ASLEEP);
}

static void locked_go(void *unused)
{
	grt_lock_thread();
	for_ever(NULL);
}

static int locked2_main(void *unused)
{
	grt_go(locked_go, NULL);
	for_ever(NULL);
	return 0;
}

/* Item 56, TestLockedDeadlock2. */
TEST(locked2)
{
	EXPECT_DEATH(locked2_main, ASLEEP);
}

static int goexit_main(void *unused)
{
	grt_exit();
}

/* Item 57, TestGoexitDeadlock: the main goroutine ends by itself, and there is no other. */
TEST(goexit)
{
	EXPECT_DEATH(goexit_main, NONE);
}

static int goexit_later_main(void *unused)
{
	int i;

	for (i = 0; i < 10; i++)
		grt_go(sleep_go, NULL);
	grt_exit();
}

/* Or the others end later. */
TEST(goexit_later)
{
	EXPECT_DEATH(goexit_later_main, NONE);
}

static int goexit_waiting_main(void *unused)
{
	grt_go(for_ever, NULL);
	grt_exit();
}

/* Or they wait. */
TEST(goexit_waiting)
{
	EXPECT_DEATH(goexit_waiting_main, ASLEEP "\ngoroutine 2 [chan receive (nil chan)]:\n");
}

static void pass_on(void *arg)
{
	int i = (intptr_t)arg;

	for (;;) {
		grt_chan_recv(&ring[i], NULL);
		grt_chan_send(&ring[(i + 1) % 8], NULL);
	}
}

static int late_main(void *unused)
{
	int i;

	for (i = 0; i < 8; i++)
		grt_go(pass_on, (void *)(intptr_t)i);
	/* One blocks in the kernel and one sleeps before the last has gone. */
	grt_block_begin();
	usleep(20000);
	grt_block_end();
	grt_sleep(20000000);
	for_ever(NULL);
	return 0;
}

/* After all has gone well for a while, with several threads. */
TEST(late)
{
	struct death d;

	setenv("GRT_MAXPROCS", "4", 1);
	run_to_death(&d, late_main);
	EXPECT_EQ(2, WEXITSTATUS(d.status));
	EXPECT_EQ(0, strncmp(d.text, ASLEEP, strlen(ASLEEP)));
	EXPECT_NE(NULL, strstr(d.text, "[chan receive]:\n"));
}

static void *short_thread(void *unused)
{
	return NULL;
}

static int thread_main(void *unused)
{
	pthread_t t;

	pthread_create(&t, NULL, short_thread, NULL);
	pthread_join(t, NULL);
	for_ever(NULL);
	return 0;
}

/* Threads that are gone, and never used the runtime, will not come. */
TEST(thread_gone)
{
	EXPECT_DEATH(thread_main, ASLEEP);
}

#endif /* __SANITIZE_THREAD__ */

/* ---- It is not found where there is none ---- */

#define QUIET_NS	(300 * 1000000LL)	/* for as long the process looks like dead */

static grt_chan wake;

static void *wake_later(void *unused)
{
	struct timespec ts = { .tv_nsec = QUIET_NS };

	nanosleep(&ts, NULL);
	grt_chan_send(&wake, NULL);
	return NULL;
}

static int foreign_main(void *unused)
{
	pthread_t t;

	pthread_create(&t, NULL, wake_later, NULL);
	grt_chan_recv(&wake, NULL);
	grt_block_begin();
	pthread_join(t, NULL);
	grt_block_end();
	return 0;
}

/* A thread outside the runtime, which has never used it, may come. */
TEST(foreign)
{
	EXPECT_EQ(0, run_procs(2, foreign_main, NULL));
}

static int foreign_locked_main(void *unused)
{
	grt_lock_thread();
	return foreign_main(NULL);
}

/* The same with the main goroutine locked to its thread. */
TEST(foreign_locked)
{
	EXPECT_EQ(0, run_procs(2, foreign_locked_main, NULL));
}

static void blocks(void *unused)
{
	grt_block_begin();
	usleep(QUIET_NS / 1000);
	grt_block_end();
	grt_chan_send(&wake, NULL);
}

static int blocking_main(void *unused)
{
	grt_go(blocks, NULL);
	grt_chan_recv(&wake, NULL);
	return 0;
}

/* A goroutine in a system call comes back. */
TEST(system_call)
{
	EXPECT_EQ(0, run_procs(1, blocking_main, NULL));
}

static int sleeping_main(void *unused)
{
	grt_sleep(QUIET_NS);
	return 0;
}

/* So does one that sleeps. */
TEST(timer)
{
	EXPECT_EQ(0, run_procs(4, sleeping_main, NULL));
}

#define PASSES	3000

static void ping(void *unused)
{
	grt_lock_thread();
	for (int i = 0; i < PASSES; i++) {
		grt_chan_recv(&ring[0], NULL);
		grt_chan_send(&ring[1], NULL);
	}
}

static int ping_main(void *unused)
{
	int i;

	grt_lock_thread();
	grt_go(ping, NULL);
	for (i = 0; i < PASSES; i++) {
		grt_chan_send(&ring[0], NULL);
		grt_chan_recv(&ring[1], NULL);
		if (i % 100 == 0)
			grt_sleep(100000);
	}
	return 0;
}

/* Threads that hand one P back and forth stop all the time, but never all at once. */
TEST_F_TIMEOUT(deadlock, handing_on, 60)
{
	EXPECT_EQ(0, run_procs(1, ping_main, NULL));
}

static int nap_main(void *unused)
{
	int i;

	for (i = 0; i < 300; i++) {
		grt_go(sleep_go, NULL);
		grt_sleep(100000 + i * 1000);
		grt_block_begin();
		usleep(200);
		grt_block_end();
	}
	return 0;
}

/* Nor do those that go idle between one timer and the next. */
TEST_F_TIMEOUT(deadlock, naps, 60)
{
	EXPECT_EQ(0, run_procs(4, nap_main, NULL));
}

TEST_HARNESS_MAIN
