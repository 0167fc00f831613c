/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of libgrt share, on top of the kselftest harness.
 *
 * The harness runs each test in a process of its own, so each can boot the one runtime that a
 * process may have. Goroutines may use EXPECT_*; ASSERT_* only where the test itself runs: it jumps
 * there.
 */
#ifndef GRT_HARNESS_H
#define GRT_HARNESS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <grt.h>

#include "kselftest_harness.h"

/* For a machine that is slow, or busy, or has a sanitizer look at everything. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	120

/* The running test, for EXPECT_* in goroutines; in the test the harness's argument hides it. */
static struct __test_metadata *_metadata;

/*
 * Exit status 2, with which the runtime dies, is an expected failure to the harness, and so a
 * success: here it shall be a signal, but in children that are meant to die.
 */
__attribute__((constructor)) static void die_by_signal(void)
{
	setenv("GRTTRACEBACK", "crash", 1);
}

/* Ps for a test that holds with any number of them: GRT_TEST_PROCS, else @n. */
static inline int any_procs(int n)
{
	const char *env = getenv("GRT_TEST_PROCS");

	return env ? atoi(env) : n;
}

/* Boots the runtime with @procs Ps, runs @fn in it and returns its value. */
#define run_procs(procs, fn, arg) do_run_procs(_metadata, procs, fn, arg)
#define run_config(config, fn, arg) do_run_config(_metadata, config, fn, arg)

static inline int do_run_config(struct __test_metadata *test, const struct grt_config *config,
				int (*fn)(void *), void *arg)
{
	_metadata = test;
	return grt_run_with(config, fn, arg);
}

static inline int do_run_procs(struct __test_metadata *test, int procs, int (*fn)(void *),
			       void *arg)
{
	struct grt_config config = { .size = sizeof(config), .maxprocs = procs };

	return do_run_config(test, &config, fn, arg);
}

/* Runs other goroutines until @cond holds. */
#define yield_until(cond) do { while (!(cond)) grt_yield(); } while (0)

/* How a child ended that was meant to die. */
struct death {
	int	status;		/* of waitpid() */
	char	text[4096];	/* what it wrote to stderr */
};

/* Runs @fn on a runtime with one P in a child process. */
static inline void run_to_death(struct death *d, int (*fn)(void *))
{
	struct grt_config config = { .size = sizeof(config), .maxprocs = 1 };
	size_t len = 0;
	int fds[2];
	ssize_t n;
	pid_t pid;

	pid = pipe(fds) ? -1 : fork();
	if (pid < 0) {
		perror("run_to_death");
		exit(KSFT_FAIL);
	}
	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		unsetenv("GRTTRACEBACK");
		_exit(grt_run_with(&config, fn, NULL));
	}
	close(fds[1]);
	while ((n = read(fds[0], d->text + len, sizeof(d->text) - 1 - len)) > 0)
		len += n;
	d->text[len] = '\0';
	close(fds[0]);
	waitpid(pid, &d->status, 0);
}

/* @fn ends the process with status 2 and @message as the first thing it says. */
#define EXPECT_DEATH(fn, message) do {						\
	struct death __d;							\
	run_to_death(&__d, fn);							\
	EXPECT_TRUE(WIFEXITED(__d.status));					\
	EXPECT_EQ(2, WEXITSTATUS(__d.status));					\
	__d.text[strnlen(message, sizeof(__d.text) - 1)] = '\0';		\
	EXPECT_STREQ(message, __d.text);					\
} while (0)

/* The same for a panic, whose message Go follows with an empty line and the goroutine. */
#define EXPECT_PANIC(fn, message) \
	EXPECT_DEATH(fn, "panic: " message "\n\ngoroutine ")

#endif /* GRT_HARNESS_H */
