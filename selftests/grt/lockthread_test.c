// SPDX-License-Identifier: GPL-2.0
/*
 * Goroutines locked to their thread (R32..R38, R52, R65, R106, R112): what Go's proc_test.go asks
 * of LockOSThread (go-semantics section 4, items 3, 4, 7, 22 to 25, 32, 58), and what belongs to
 * a thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "grt_harness.h"

#define PROCS any_procs(4)

static pid_t tid(void)
{
	return syscall(SYS_gettid);
}

static bool thread_exists(pid_t t)
{
	return !syscall(SYS_tgkill, getpid(), t, 0);
}

/* Not inlined: the compiler may keep the address of a thread-local variable over a switch. */
static __thread long mine;

static __attribute__((noinline)) long *my_local(void)
{
	__asm__ volatile("");
	return &mine;
}

static int load(int *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void store(int *p, int v)
{
	__atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}

/* ---- Counts ---- */

static void count_nesting(void *arg)
{
	grt_waitgroup *wg = arg;
	pid_t t;
	int i;

	grt_unlock_thread();
	grt_lock_thread();
	grt_lock_thread();
	grt_unlock_thread();
	t = tid();
	for (i = 0; i < 100; i++) {
		grt_yield();
		EXPECT_EQ(t, tid());
	}
	grt_unlock_thread();
	grt_unlock_thread();
	grt_waitgroup_done(wg);
}

static void run_others(void *arg)
{
	int *stop = arg;

	while (!load(stop))
		grt_yield();
}

static int nesting_main(void *arg)
{
	grt_waitgroup wg = { 0 };
	int stop = 0, i;

	(void)arg;
	for (i = 0; i < 4; i++)
		grt_go(run_others, &stop);
	grt_waitgroup_add(&wg, 1);
	grt_go(count_nesting, &wg);
	grt_waitgroup_wait(&wg);
	store(&stop, 1);
	return 0;
}

/* Item 22: locks nest, an unlock without a lock does nothing. Locked once of twice, it stays. */
TEST(nesting)
{
	EXPECT_EQ(0, run_procs(PROCS, nesting_main, NULL));
}

static int off_goroutine(void *arg)
{
	(void)arg;
	grt_lock_thread();
	return 0;
}

static void *lock_on_thread(void *arg)
{
	off_goroutine(NULL);
	return arg;
}

static int lock_foreign(void *arg)
{
	pthread_t t;

	(void)arg;
	return pthread_create(&t, NULL, lock_on_thread, NULL) || pthread_join(t, NULL);
}

/* A thread that runs no goroutine has none to lock. */
TEST(lock_off_goroutine)
{
	EXPECT_DEATH(lock_foreign, "panic: grt_lock_thread: not on a goroutine");
}

/* ---- The pair ---- */

#define TURNS 200

struct worker {
	grt_waitgroup	*wg;
	grt_chan	*in, *out;
	int		turns;
	int		me;
};

static void stay(void *arg)
{
	struct worker *w = arg;
	pid_t t;
	int i;

	grt_lock_thread();
	t = tid();
	*my_local() = w->me;
	for (i = 0; i < TURNS / 4; i++) {
		switch (i % 4) {
		case 0:
			grt_sleep(1000);
			break;
		case 1:
			sched_yield();
			break;
		default:
			grt_yield();
		}
		EXPECT_EQ(t, tid());
		EXPECT_EQ(w->me, *my_local());
	}
	*my_local() = 0;
	grt_unlock_thread();
	grt_waitgroup_done(w->wg);
}

#define CROWD 100

static int crowd_main(void *arg)
{
	static struct worker w[CROWD];
	grt_waitgroup wg = { 0 };
	int i;

	(void)arg;
	for (i = 0; i < CROWD; i++) {
		w[i] = (struct worker){ .wg = &wg, .me = i + 1 };
		grt_waitgroup_add(&wg, 1);
		grt_go(stay, &w[i]);
	}
	grt_waitgroup_wait(&wg);
	return 0;
}

/* A hundred at once: each keeps its thread and the variables of that, whatever it waits for. */
TEST(crowd)
{
	EXPECT_EQ(0, run_procs(PROCS, crowd_main, NULL));
}

/* The same when there is but one P to be handed round. */
TEST(crowd_one_p)
{
	EXPECT_EQ(0, run_procs(1, crowd_main, NULL));
}

static void bounce(void *arg)
{
	struct worker *w = arg;
	pid_t t;
	int v;

	grt_lock_thread();
	t = tid();
	while (grt_chan_recv(w->in, &v)) {
		EXPECT_EQ(w->turns++, v);
		EXPECT_EQ(t, tid());
		v++;
		grt_chan_send(w->out, &v);
	}
	grt_chan_close(w->out);
	grt_unlock_thread();
	grt_waitgroup_done(w->wg);
}

/* main -> a -> b -> main: each turn passes through two threads that nobody else may run on. */
static int pingpong_main(void *arg)
{
	grt_chan *c[3];
	grt_waitgroup wg = { 0 };
	struct worker w[2];
	int i, v;

	(void)arg;
	for (i = 0; i < 3; i++)
		c[i] = grt_chan_new(sizeof(int), 0);
	for (i = 0; i < 2; i++) {
		w[i] = (struct worker){ .wg = &wg, .in = c[i], .out = c[i + 1] };
		grt_waitgroup_add(&wg, 1);
	}
	w[1].turns = 1;
	grt_go(bounce, &w[0]);
	grt_go(bounce, &w[1]);
	for (i = 0; i < TURNS; i++) {
		v = i;
		grt_chan_send(c[0], &v);
		EXPECT_EQ(1, grt_chan_recv(c[2], &v));
		EXPECT_EQ(i + 2, v);
		w[1].turns = i + 2;
	}
	grt_chan_close(c[0]);
	EXPECT_EQ(0, grt_chan_recv(c[2], &v));
	grt_waitgroup_wait(&wg);
	EXPECT_EQ(TURNS, w[0].turns);
	for (i = 0; i < 3; i++)
		grt_chan_free(c[i]);
	return 0;
}

/* Item 7: channels between locked goroutines, every turn counted. */
TEST(pingpong)
{
	EXPECT_EQ(0, run_procs(PROCS, pingpong_main, NULL));
}

TEST(pingpong_one_p)
{
	EXPECT_EQ(0, run_procs(1, pingpong_main, NULL));
}

static void send_late(void *arg)
{
	int v = 1;

	grt_chan_send(arg, &v);
}

static int yield_locked_main(void *arg)
{
	grt_chan *c = grt_chan_new(sizeof(int), 1);
	int v;

	(void)arg;
	grt_go(send_late, c);
	grt_lock_thread();
	while (grt_chan_try_recv(c, &v) != 1)
		grt_yield();
	grt_unlock_thread();
	grt_chan_free(c);
	return 0;
}

/* Item 3: a locked loop of yields lets others through. */
TEST(yield_locked)
{
	EXPECT_EQ(0, run_procs(1, yield_locked_main, NULL));
}

static void block_locked(void *arg)
{
	struct worker *w = arg;
	pid_t t;
	int i;

	grt_lock_thread();
	t = tid();
	for (i = 0; i < 20; i++) {
		grt_block_begin();
		usleep(100);
		grt_block_end();
		EXPECT_EQ(t, tid());
	}
	grt_unlock_thread();
	grt_waitgroup_done(w->wg);
}

static int blocks_main(void *arg)
{
	struct worker w[8];
	grt_waitgroup wg = { 0 };
	int i;

	(void)arg;
	for (i = 0; i < 8; i++) {
		w[i] = (struct worker){ .wg = &wg };
		grt_waitgroup_add(&wg, 1);
		grt_go(block_locked, &w[i]);
	}
	grt_waitgroup_wait(&wg);
	return 0;
}

/* R112: the way back from a blocking stretch leads to the same thread, with a P or after a wait. */
TEST(blocking_stretch)
{
	EXPECT_EQ(0, run_procs(2, blocks_main, NULL));
}

/* ---- The end of the thread ---- */

struct leaver {
	pid_t	tid;
	int	gone;
};

static void leave_locked(void *arg)
{
	struct leaver *l = arg;
	int i;

	grt_lock_thread();
	for (i = 0; i < 10; i++)
		grt_yield();
	*my_local() = 1;
	l->tid = tid();
	store(&l->gone, 1);
}

static void look_clean(void *arg)
{
	EXPECT_EQ(0, *my_local());
	grt_waitgroup_done(arg);
}

static int exit_locked_main(void *arg)
{
	struct leaver l[8] = { 0 };
	grt_waitgroup wg = { 0 };
	int i;

	(void)arg;
	for (i = 0; i < 8; i++)
		grt_go(leave_locked, &l[i]);
	for (i = 0; i < 8; i++) {
		yield_until(load(&l[i].gone));
		yield_until(!thread_exists(l[i].tid));
	}
	for (i = 0; i < 1000; i++) {
		grt_waitgroup_add(&wg, 1);
		grt_go(look_clean, &wg);
	}
	grt_waitgroup_wait(&wg);
	return 0;
}

/* Items 4 and 23: a goroutine that ends locked ends its thread; nothing of it is seen again. */
TEST(exit_ends_thread)
{
	EXPECT_EQ(0, run_procs(PROCS, exit_locked_main, NULL));
}

static int leaves;

static void leave_at_once(void *arg)
{
	(void)arg;
	grt_lock_thread();
	if (__atomic_add_fetch(&leaves, 1, __ATOMIC_SEQ_CST) % 2)
		grt_exit();
}

static int exit_storm_main(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 300; i++)
		grt_go(leave_at_once, NULL);
	yield_until(grt_num_goroutines() == 1);
	return load(&leaves);
}

/* Threads that come and go with what they run, within a limit of few: none of the work is lost. */
TEST(exit_storm)
{
	struct grt_config config = {
		.size = sizeof(config),
		.maxprocs = 2,
		.maxthreads = 3,
		.thread_policy = GRT_THREADS_WAIT,
	};

	EXPECT_EQ(300, grt_run_with(&config, exit_storm_main, NULL));
}

static void sleep_locked(void *arg)
{
	(void)arg;
	grt_lock_thread();
	for (;;)
		grt_sleep(1000000);
}

static int lock_all_threads(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 100; i++)
		grt_go(sleep_locked, NULL);
	for (;;)
		grt_sleep(1000000);
	return 0;
}

static int limited(enum grt_thread_policy policy)
{
	struct grt_config config = {
		.size = sizeof(config),
		.maxprocs = 2,
		.maxthreads = 10,
		.thread_policy = policy,
	};

	return grt_run_with(&config, lock_all_threads, NULL);
}

static int limited_fatal(void)
{
	return limited(GRT_THREADS_FATAL);
}

static int limited_wait(void)
{
	return limited(GRT_THREADS_WAIT);
}

/* Runs @fn in a process of its own, and has what it says in @text. Its status. */
static int run_alone(int (*fn)(void), char *text, size_t size)
{
	int fds[2], status = -1;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	pid = pipe(fds) ? -1 : fork();
	if (pid < 0)
		exit(KSFT_FAIL);
	if (!pid) {
		dup2(fds[1], STDERR_FILENO);
		unsetenv("GRTTRACEBACK");
		_exit(fn());
	}
	close(fds[1]);
	while ((n = read(fds[0], text + len, size - 1 - len)) > 0)
		len += n;
	text[len] = '\0';
	close(fds[0]);
	waitpid(pid, &status, 0);
	return status;
}

/* Item 58: more locked goroutines than threads are allowed; and with nobody left to wake them. */
TEST(thread_limit)
{
	char text[4096];

	EXPECT_EQ(2 << 8, run_alone(limited_fatal, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "fatal error: thread exhaustion"));
	EXPECT_EQ(2 << 8, run_alone(limited_wait, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "fatal error: thread exhaustion"));
}

static int main_exits_locked(void *arg)
{
	int *stopped = arg;

	grt_lock_thread();
	*stopped = 1;
	return 9;
}

/* The main thread only stops: it is the caller's. */
TEST(main_returns_locked)
{
	int stopped = 0;

	EXPECT_EQ(9, run_procs(2, main_exits_locked, &stopped));
	EXPECT_EQ(1, stopped);
}

/* ---- Stops of the world ---- */

static void lock_and_yield(void *arg)
{
	grt_lock_thread();
	grt_yield();
	grt_unlock_thread();
	grt_waitgroup_done(arg);
}

static int lock_and_stop_main(void *arg)
{
	grt_waitgroup wg = { 0 };
	int i;

	(void)arg;
	for (i = 0; i < 100; i++) {
		grt_waitgroup_add(&wg, 2);
		grt_go(lock_and_yield, &wg);
		grt_go(lock_and_yield, &wg);
		EXPECT_EQ(0, grt_stop_world("test"));
		grt_start_world();
		grt_waitgroup_wait(&wg);
	}
	return 0;
}

/* Item 25: goroutines lock their threads, and hand Ps to each other, while the world stops. */
TEST(stop_while_locking)
{
	EXPECT_EQ(0, run_procs(PROCS, lock_and_stop_main, NULL));
}

static void leave_now(void *arg)
{
	grt_lock_thread();
	__atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
}

static int leave_and_stop_main(void *arg)
{
	int stop = 0, gone = 0, i;

	(void)arg;
	for (i = 0; i < PROCS - 1; i++)
		grt_go(run_others, &stop);
	for (i = 0; i < 100; i++) {
		grt_go(leave_now, &gone);
		yield_until(load(&gone) > i);
		EXPECT_EQ(0, grt_stop_world("test"));
		grt_start_world();
	}
	store(&stop, 1);
	yield_until(grt_num_goroutines() == 1);
	return 0;
}

/* Item 32: a P is never stopped in, or given to, a thread that is just ending. */
TEST(stop_while_leaving)
{
	EXPECT_EQ(0, run_procs(PROCS, leave_and_stop_main, NULL));
}

/* ---- Nothing is inherited ---- */

static ino_t cwd(void)
{
	struct stat st = { 0 };

	EXPECT_EQ(0, stat(".", &st));
	return st.st_ino;
}

static bool masked(void)
{
	sigset_t now;

	sigemptyset(&now);
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	return sigismember(&now, SIGUSR2);
}

struct spoiler {
	int	spoiled;
	int	release;
	int	failed;
};

/* Its thread has a working directory and a signal mask of its own, and makes others necessary. */
static void spoil(void *arg)
{
	struct spoiler *s = arg;
	sigset_t usr2;

	grt_lock_thread();
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &usr2, NULL);
	if (unshare(CLONE_FS) || chdir("/proc"))
		store(&s->failed, errno);
	__atomic_add_fetch(&s->spoiled, 1, __ATOMIC_SEQ_CST);
	while (!load(&s->release))
		grt_yield();
}

struct visitor {
	grt_waitgroup	*wg;
	ino_t		home;
};

static void visit(void *arg)
{
	struct visitor *v = arg;

	EXPECT_EQ(v->home, cwd());
	EXPECT_FALSE(masked());
	/* Its P is free meanwhile: that takes another thread. */
	grt_block_begin();
	usleep(1000);
	grt_block_end();
	grt_waitgroup_done(v->wg);
}

static int propagation_main(void *arg)
{
	struct spoiler s = { 0 };
	grt_waitgroup wg = { 0 };
	struct visitor v = { .wg = &wg, .home = cwd() };
	int i;

	(void)arg;
	for (i = 0; i < 4; i++)
		grt_go(spoil, &s);
	yield_until(load(&s.spoiled) == 4);
	for (i = 0; i < 64; i++) {
		grt_waitgroup_add(&wg, 1);
		grt_go(visit, &v);
	}
	grt_waitgroup_wait(&wg);
	store(&s.release, 1);
	yield_until(grt_num_goroutines() == 1);
	return s.failed;
}

/* Item 24: what a locked goroutine does to its thread is on no other, new or old. */
TEST(no_propagation)
{
	int err = run_procs(2, propagation_main, NULL);

	if (err == EPERM)
		SKIP(return, "unshare(CLONE_FS) is not allowed here");
	EXPECT_EQ(0, err);
}

/* ---- Who else is there ---- */

static void spin(void *arg)
{
	while (!load(arg))
		;
}

static int busy_main(void *arg)
{
	int stop = 0;
	int v = 0, i;
	grt_chan *c = grt_chan_new(sizeof(int), 1);

	(void)arg;
	grt_go(spin, &stop);
	grt_lock_thread();
	for (i = 0; i < 20; i++) {
		grt_go(send_late, c);
		EXPECT_EQ(1, grt_chan_recv(c, &v));
	}
	grt_unlock_thread();
	store(&stop, 1);
	/* Who spins looks at this frame. */
	yield_until(grt_num_goroutines() == 1);
	grt_chan_free(c);
	return 0;
}

/* The P of a locked goroutine that waits is used, though another P computes all the time. */
TEST(p_is_handed_on)
{
	EXPECT_EQ(0, run_procs(2, busy_main, NULL));
}

TEST_HARNESS_MAIN
