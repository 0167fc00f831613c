// SPDX-License-Identifier: GPL-2.0
/*
 * After fork() only exec and _exit: whatever else the child asks of the runtime is told at once, in
 * one line, whoever forked and whatever the other threads were at.
 */
#include <pthread.h>

#include "grt_harness.h"

#define PROCS	4
#define FORKS	20
#define LINE	"fatal error: the runtime does not exist in a forked child"

static grt_chan *chan;
static grt_waitgroup waits;
static grt_g *parked;
static bool over;	/* atomic */

static void nothing(void *unused)
{
	(void)unused;
}

static void do_go(void) { grt_go(nothing, NULL); }
static void do_yield(void) { grt_yield(); }
static void do_sleep(void) { grt_sleep(1); }
static void do_send(void) { grt_chan_send(chan, NULL); }
static void do_recv(void) { grt_chan_recv(chan, NULL); }
static void do_wait(void) { grt_waitgroup_wait(&waits); }
static void do_ready(void) { grt_ready(parked); }
static void do_park(void) { grt_park(NULL, NULL, GRT_WAIT_USER, GRT_FOREVER); }
static void do_block(void) { grt_block_begin(); grt_block_end(); grt_yield(); }
static void do_stop(void) { grt_stop_world("test"); }
static void do_exit(void) { grt_exit(); }
static void do_return(void) { }

static const struct entry {
	const char *name;
	void (*call)(void);
	bool any_thread;
} entries[] = {
	{ "grt_go", do_go, true },
	{ "grt_chan_send", do_send, true },
	{ "grt_chan_recv", do_recv, true },
	{ "grt_waitgroup_wait", do_wait, true },
	{ "grt_ready", do_ready, true },
	{ "grt_yield", do_yield, false },
	{ "grt_sleep", do_sleep, false },
	{ "grt_park", do_park, false },
	{ "grt_block_begin", do_block, false },
	{ "grt_stop_world", do_stop, false },
	{ "grt_exit", do_exit, false },
	{ "return", do_return, false },
};

/* Forks; the child makes the call. In the parent: that it died of it as it should. */
static void fork_and_call(const struct entry *e)
{
	char text[512];
	size_t len = 0;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	pid = pipe(fds) ? -1 : fork();
	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		unsetenv("GRTTRACEBACK");
		e->call();
		if (e->call == do_return)
			return;
		_exit(0);
	}
	close(fds[1]);
	while (len < sizeof(text) - 1 && (n = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	text[len] = '\0';
	close(fds[0]);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 2 &&
		    !strncmp(text, LINE, strlen(LINE))) {
		TH_LOG("%s: status %#x, said: %s", e->name, status, text);
	}
}

static bool publish(grt_g *g, void *unused)
{
	(void)unused;
	__atomic_store_n(&parked, g, __ATOMIC_RELEASE);
	return true;
}

static void sleeper(void *unused)
{
	(void)unused;
	grt_park(publish, NULL, GRT_WAIT_USER, GRT_FOREVER);
}

static void begin(void)
{
	chan = grt_chan_new(0, 0);
	grt_waitgroup_init(&waits);
	grt_waitgroup_add(&waits, 1);
	grt_go(sleeper, NULL);
	yield_until(__atomic_load_n(&parked, __ATOMIC_ACQUIRE));
}

static void forker(void *done)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(entries); i++)
		fork_and_call(&entries[i]);
	grt_waitgroup_done(done);
}

static int from_goroutine_main(void *unused)
{
	grt_waitgroup done = { 0 };

	(void)unused;
	begin();
	grt_waitgroup_add(&done, 1);
	grt_go(forker, &done);
	grt_waitgroup_wait(&done);
	return 0;
}

FIXTURE(fork) { char unused; };
FIXTURE_SETUP(fork) { self->unused = 0; }
FIXTURE_TEARDOWN(fork) { }

/* Each entry to the runtime, in a child that a goroutine has forked. */
TEST_F_TIMEOUT(fork, from_goroutine, 120)
{
	EXPECT_EQ(0, run_procs(PROCS, from_goroutine_main, NULL));
}

static void *foreign_forker(void *done)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		if (entries[i].any_thread)
			fork_and_call(&entries[i]);
	}
	__atomic_store_n((bool *)done, true, __ATOMIC_RELEASE);
	return NULL;
}

static int from_thread_main(void *unused)
{
	bool done = false;
	pthread_t t;

	(void)unused;
	begin();
	pthread_create(&t, NULL, foreign_forker, &done);
	yield_until(__atomic_load_n(&done, __ATOMIC_ACQUIRE));
	pthread_join(t, NULL);
	return 0;
}

/* Those that any thread may call, in a child of a thread outside the runtime. */
TEST_F_TIMEOUT(fork, from_thread, 120)
{
	EXPECT_EQ(0, run_procs(PROCS, from_thread_main, NULL));
}

static void spawner(void *done)
{
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		grt_go(nothing, NULL);
		grt_yield();
	}
	grt_waitgroup_done(done);
}

static int amid_storm_main(void *unused)
{
	grt_waitgroup done = { 0 };
	int i;

	(void)unused;
	begin();
	grt_waitgroup_add(&done, PROCS);
	for (i = 0; i < PROCS; i++)
		grt_go(spawner, &done);
	for (i = 0; i < FORKS; i++) {
		fork_and_call(&entries[i % ARRAY_SIZE(entries)]);
		grt_yield();
	}
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	grt_waitgroup_wait(&done);
	return 0;
}

/* Others hold the runtime's locks, or not, at the moment of the fork: no child waits for them. */
TEST_F_TIMEOUT(fork, amid_storm, 120)
{
	EXPECT_EQ(0, run_procs(PROCS, amid_storm_main, NULL));
}

static int exec_main(void *unused)
{
	int status;
	pid_t pid;

	(void)unused;
	pid = fork();
	if (!pid)
		execl("/bin/sh", "sh", "-c", "exit 7", NULL);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* exec works. */
TEST_F_TIMEOUT(fork, exec, 120)
{
	EXPECT_EQ(7, run_procs(PROCS, exec_main, NULL));
}

TEST_HARNESS_MAIN
