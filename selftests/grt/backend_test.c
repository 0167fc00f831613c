// SPDX-License-Identifier: GPL-2.0
/* Choosing backend and number of Ps: what is asked for is there, or one line says why not. */
#include <errno.h>
#include <sched.h>

#include "grt_harness.h"

static int report(void *arg)
{
	(void)arg;
	fputs(grt_backend_name(), stderr);
	return 0;
}

/* Ends with status 2 and exactly @message on stderr. */
#define EXPECT_REFUSED(fn, message) do {						\
	struct death __d;							\
	run_to_death(&__d, fn);							\
	EXPECT_TRUE(WIFEXITED(__d.status));					\
	EXPECT_EQ(2, WEXITSTATUS(__d.status));					\
	EXPECT_STREQ(message, __d.text);						\
} while (0)

#define EXPECT_REPORT(name) do {						\
	struct death __d;							\
	run_to_death(&__d, report);						\
	EXPECT_TRUE(WIFEXITED(__d.status));					\
	EXPECT_EQ(0, WEXITSTATUS(__d.status));					\
	EXPECT_STREQ(name, __d.text);						\
} while (0)

static bool have_device(void)
{
	return !access("/dev/gsched", F_OK);
}

/* GRT_BACKEND=futex works everywhere. */
TEST(futex)
{
	setenv("GRT_BACKEND", "futex", 1);
	EXPECT_REPORT("futex");
}

/* GRT_BACKEND=gsched: the device, or a line that says what is missing. */
TEST(gsched)
{
	setenv("GRT_BACKEND", "gsched", 1);
	if (have_device())
		EXPECT_REPORT("gsched");
	else
		EXPECT_REFUSED(report, "grt: GRT_BACKEND=gsched: cannot open /dev/gsched: "
			       "No such file or directory (is the module loaded?)\n");
}

/* Nothing asked for: the device where there is one. */
TEST(automatic)
{
	unsetenv("GRT_BACKEND");
	EXPECT_REPORT(have_device() ? "gsched" : "futex");
}

/* An unknown name is refused. */
TEST(unknown)
{
	setenv("GRT_BACKEND", "io_uring", 1);
	EXPECT_REFUSED(report, "grt: GRT_BACKEND=io_uring: unknown, must be gsched or futex\n");
}

/* The device's counts are there on gsched only. */
static int counts(void *arg)
{
	struct grt_device_counts c = { .size = sizeof(c) };
	struct grt_device_counts bad = { .size = 3 };
	bool gsched = !strcmp(grt_backend_name(), "gsched");

	(void)arg;
	EXPECT_EQ(gsched ? 0 : -ENODEV, grt_device_counts(&c));
	EXPECT_EQ(gsched ? -EINVAL : -ENODEV, grt_device_counts(&bad));
	/* It counts: sleeping takes threads from and to their sleep. */
	while (gsched && !(c.parks + c.wakes + c.blocks)) {
		grt_sleep(1000000);
		EXPECT_EQ(0, grt_device_counts(&c));
	}
	return 0;
}

TEST(device_counts)
{
	EXPECT_EQ(0, run_procs(1, counts, NULL));
}

/* ---- The number of Ps ---- */

/* How many goroutines can be in user code at one time: each spins until @n are. */
struct crowd {
	int	n;
	int	there;
	int	gone;
};

static void join_crowd(void *arg)
{
	struct crowd *c = arg;

	__atomic_add_fetch(&c->there, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&c->there, __ATOMIC_SEQ_CST) < c->n)
		sched_yield();
	__atomic_add_fetch(&c->gone, 1, __ATOMIC_SEQ_CST);
}

static int gather(void *arg)
{
	struct crowd *c = arg;
	int i;

	for (i = 0; i < c->n; i++)
		grt_go(join_crowd, c);
	/* Not by yielding: then this goroutine would be found first, again and again. */
	while (__atomic_load_n(&c->gone, __ATOMIC_SEQ_CST) < c->n)
		grt_sleep(1000000);
	return 0;
}

/* GRT_MAXPROCS sets it. */
TEST(maxprocs_env)
{
	struct crowd c = { .n = 5 };

	setenv("GRT_MAXPROCS", "5", 1);
	EXPECT_EQ(0, grt_run(gather, &c));
}

static int bad_maxprocs(void *arg)
{
	struct grt_config config = { .size = sizeof(config), .maxprocs = -1 };

	(void)arg;
	return grt_run_with(&config, report, NULL);
}

static int bad_size(void *arg)
{
	struct grt_config config = { .size = 4096 };

	(void)arg;
	return grt_run_with(&config, report, NULL);
}

static int bad_threads(void *arg)
{
	struct grt_config config = { .size = sizeof(config), .maxthreads = 1 << 20 };

	(void)arg;
	return grt_run_with(&config, report, NULL);
}

static int bad_slice(void *arg)
{
	struct grt_config config = { .size = sizeof(config), .slice_ns = 1000 };

	(void)arg;
	return grt_run_with(&config, report, NULL);
}

static int bad_stop_timeout(void *arg)
{
	struct grt_config config = { .size = sizeof(config), .stop_timeout_ns = -1 };

	(void)arg;
	return grt_run_with(&config, report, NULL);
}

/* Runs @fn in a child without a runtime of its own. */
static void call_to_death(struct death *d, int (*fn)(void *))
{
	int fds[2];
	ssize_t n;
	pid_t pid;

	pid = pipe(fds) ? -1 : fork();
	if (pid < 0)
		exit(KSFT_FAIL);
	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		unsetenv("GRTTRACEBACK");
		_exit(fn(NULL));
	}
	close(fds[1]);
	n = read(fds[0], d->text, sizeof(d->text) - 1);
	d->text[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	waitpid(pid, &d->status, 0);
}

#define EXPECT_CONFIG_REFUSED(fn, message) do {					\
	struct death __d;							\
	call_to_death(&__d, fn);						\
	EXPECT_EQ(2 << 8, __d.status);						\
	EXPECT_STREQ(message, __d.text);					\
} while (0)

/* Settings out of range are refused at once, in one line. */
TEST(bad_config)
{
	EXPECT_CONFIG_REFUSED(bad_maxprocs, "grt: maxprocs -1 is not within 1 and 1024\n");
	EXPECT_CONFIG_REFUSED(bad_threads,
			      "grt: maxthreads 1048576 is not within 1 and 10000\n");
	EXPECT_CONFIG_REFUSED(bad_slice,
			      "grt: slice_ns 1000 is not within 500000 and 100000000\n");
	EXPECT_CONFIG_REFUSED(bad_stop_timeout, "grt: stop_timeout_ns -1 is negative\n");
	EXPECT_CONFIG_REFUSED(bad_size,
			      "grt: grt_run_with: a configuration of 4096 bytes is unknown\n");
}

/* Item 29: as many Ps as there can be. */
static int nop_main(void *arg)
{
	(void)arg;
	return 5;
}

TEST(big_maxprocs)
{
	EXPECT_EQ(5, run_procs(1024, nop_main, NULL));
}

/* ---- The limit of threads ---- */

static void block_for_ever(void *arg)
{
	int *fds = arg;
	char c;

	grt_block_begin();
	EXPECT_EQ(-1, read(fds[0], &c, 1));
	grt_block_end();
}

static int exhaust(void *arg)
{
	int fds[2], i;

	(void)arg;
	if (pipe(fds))
		return 1;
	for (i = 0; i < 100; i++)
		grt_go(block_for_ever, fds);
	for (;;)
		grt_sleep(1000000);
	return 0;
}

static int run_exhaust(void *arg)
{
	struct grt_config config = {
		.size = sizeof(config),
		.maxprocs = 2,
		.maxthreads = 10,
	};

	(void)arg;
	return grt_run_with(&config, exhaust, NULL);
}

/* Item 58: more threads than allowed end the process, in Go's words. */
TEST(thread_exhaustion)
{
	struct death d;

	call_to_death(&d, run_exhaust);
	EXPECT_EQ(2 << 8, d.status);
	EXPECT_NE(NULL, strstr(d.text, "fatal error: thread exhaustion"));
}

static void block_a_while(void *arg)
{
	grt_block_begin();
	usleep(1000);
	grt_block_end();
	__atomic_sub_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
}

static int wait_in_turn(void *arg)
{
	int left = 200, i;

	(void)arg;
	for (i = 0; i < 200; i++)
		grt_go(block_a_while, &left);
	while (__atomic_load_n(&left, __ATOMIC_SEQ_CST))
		grt_sleep(1000000);
	return 0;
}

/* With GRT_THREADS_WAIT they wait for a thread instead, and all get to the end. */
TEST(threads_wait)
{
	struct grt_config config = {
		.size = sizeof(config),
		.maxprocs = 2,
		.maxthreads = 4,
		.thread_policy = GRT_THREADS_WAIT,
	};

	EXPECT_EQ(0, grt_run_with(&config, wait_in_turn, NULL));
}

/* ---- A fork ---- */

static int fork_and_call(void *arg)
{
	(void)arg;
	if (!fork())
		grt_yield();
	else
		wait(NULL);
	return 0;
}

static int fork_and_exit(void *arg)
{
	int status = -1;
	pid_t pid;

	(void)arg;
	pid = fork();
	if (!pid)
		_exit(7);
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

/* A forked child has no runtime, and is told so when it calls it; else it is as any child. */
TEST(forked_child)
{
	struct death d;

	run_to_death(&d, fork_and_call);
	EXPECT_EQ(0, d.status);
	EXPECT_NE(NULL, strstr(d.text, "the runtime does not exist in a forked child"));
	EXPECT_EQ(7, run_procs(2, fork_and_exit, NULL));
}

TEST_HARNESS_MAIN
