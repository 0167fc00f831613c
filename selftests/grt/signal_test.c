// SPDX-License-Identifier: GPL-2.0
/*
 * Signals: handlers run on any thread, in the middle of anything, and may call the few functions
 * that sched.h names.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "grt_harness.h"

#define PROCS	4
#define PAIRS	4
#define ROUNDS	5000
#define ENOUGH	200	/* signals handled on goroutines while others work */

static int fds[2];
static long handled, on_goroutine, written, was_read, wrong;	/* atomic */
static bool over;					/* atomic */
static pid_t tids[2 * PAIRS];				/* atomic: where each worker was last */

static pid_t gettid_(void)
{
	return syscall(SYS_gettid);
}

static void add(long *n, long by)
{
	__atomic_add_fetch(n, by, __ATOMIC_SEQ_CST);
}

static long load(long *n)
{
	return __atomic_load_n(n, __ATOMIC_SEQ_CST);
}

/* All that a handler may do. */
static void handler(int sig)
{
	int err = errno;
	grt_g *self = grt_self();
	int64_t now = grt_now();

	(void)sig;
	add(&wrong, grt_self_id() == 0 && self);
	add(&wrong, !grt_backend_name());
	add(&wrong, grt_now() < now);
	add(&wrong, grt_num_goroutines() > 100);
	add(&wrong, grt_self() != self);
	add(&on_goroutine, !!self);
	add(&handled, 1);
	if (write(fds[1], "", 1) == 1)
		add(&written, 1);
	errno = err;
}

static void install(int sig)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };

	sigaction(sig, &sa, NULL);
}

struct pair {
	grt_chan	*c;
	pid_t		*tids;		/* of its two workers */
	grt_waitgroup	*done;
};

static void here(pid_t *tid)
{
	__atomic_store_n(tid, gettid_(), __ATOMIC_RELAXED);
}

/* Sends numbers, then works on until enough signals have come. */
static void sender(void *arg)
{
	struct pair *p = arg;
	long i;

	for (i = 0; i < ROUNDS || load(&on_goroutine) < ENOUGH; i++) {
		here(&p->tids[0]);
		grt_chan_send(p->c, &i);
	}
	grt_chan_close(p->c);
	grt_waitgroup_done(p->done);
}

static void receiver(void *arg)
{
	struct pair *p = arg;
	long want, i;

	for (want = 0; grt_chan_recv(p->c, &i); want++) {
		here(&p->tids[1]);
		add(&wrong, i != want);
	}
	add(&wrong, want < ROUNDS);
	grt_waitgroup_done(p->done);
}

/* A thread outside the runtime sends signals to those that work. */
static void *shoot(void *unused)
{
	struct timespec pause = { .tv_nsec = 500000 };
	unsigned int i;
	pid_t tid;

	for (i = 0; !__atomic_load_n(&over, __ATOMIC_ACQUIRE); i++) {
		tid = __atomic_load_n(&tids[i % (2 * PAIRS)], __ATOMIC_RELAXED);
		/* Its thread may have ended: then there is nobody to send to. */
		if (tid)
			syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
		nanosleep(&pause, NULL);
	}
	return unused;
}

/* What handlers write is read by a goroutine, which waits for it in read(2); 'x' is the last. */
static void reader(void *arg)
{
	bool last = false;
	char buf[64];
	ssize_t got;

	while (!last) {
		grt_block_begin();
		got = read(fds[0], buf, sizeof(buf));
		grt_block_end();
		if (got > 0) {
			last = buf[got - 1] == 'x';
			add(&was_read, got - last);
		}
	}
	grt_waitgroup_done(arg);
}

static int storm_main(void *unused)
{
	struct itimerval tick = { { 0, 2000 }, { 0, 2000 } }, none = { 0 };
	struct pair pairs[PAIRS];
	grt_waitgroup done = { 0 }, read_all = { 0 };
	pthread_t thread;
	int i;

	(void)unused;
	EXPECT_EQ(0, pipe(fds));
	install(SIGUSR1);
	install(SIGALRM);
	grt_waitgroup_add(&read_all, 1);
	grt_go(reader, &read_all);
	grt_waitgroup_add(&done, 2 * PAIRS);
	for (i = 0; i < PAIRS; i++) {
		pairs[i] = (struct pair){ grt_chan_new(sizeof(long), i), &tids[2 * i], &done };
		grt_go(sender, &pairs[i]);
		grt_go(receiver, &pairs[i]);
	}
	pthread_create(&thread, NULL, shoot, NULL);
	setitimer(ITIMER_REAL, &tick, NULL);
	grt_waitgroup_wait(&done);
	setitimer(ITIMER_REAL, &none, NULL);
	signal(SIGALRM, SIG_IGN);
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	signal(SIGUSR1, SIG_IGN);
	/* A handler may still be on its way: it writes, and what it writes is read. */
	yield_until(load(&handled) == load(&written) && load(&written) == load(&was_read));
	EXPECT_EQ(1, write(fds[1], "x", 1));
	grt_waitgroup_wait(&read_all);
	for (i = 0; i < PAIRS; i++)
		grt_chan_free(pairs[i].c);
	EXPECT_EQ(0, wrong);
	EXPECT_LE(ENOUGH, on_goroutine);
	return 0;
}

FIXTURE(signal) { char unused; };
FIXTURE_SETUP(signal) { self->unused = 0; }
FIXTURE_TEARDOWN(signal) { }

/* Signals into goroutines and into the scheduler, by a timer and by a thread: nothing is lost. */
TEST_F_TIMEOUT(signal, storm, 120)
{
	EXPECT_EQ(0, run_procs(PROCS, storm_main, NULL));
}

static pid_t signalled;	/* atomic: the thread that ran the handler */

static void note_thread(int sig)
{
	(void)sig;
	__atomic_store_n(&signalled, gettid_(), __ATOMIC_RELEASE);
}

static void locked(void *tid)
{
	grt_lock_thread();
	__atomic_store_n((pid_t *)tid, gettid_(), __ATOMIC_RELEASE);
	yield_until(__atomic_load_n(&signalled, __ATOMIC_ACQUIRE));
	EXPECT_EQ(gettid_(), signalled);
	__atomic_store_n((pid_t *)tid, 0, __ATOMIC_RELEASE);
	grt_unlock_thread();
}

static int to_m_main(void *unused)
{
	pid_t tid = 0;

	(void)unused;
	signal(SIGUSR2, note_thread);
	grt_go(locked, &tid);
	yield_until(__atomic_load_n(&tid, __ATOMIC_ACQUIRE));
	EXPECT_EQ(0, syscall(SYS_tgkill, getpid(), tid, SIGUSR2));
	yield_until(!__atomic_load_n(&tid, __ATOMIC_ACQUIRE));
	return 0;
}

/* Item 68, TestSignalM: a signal to an M arrives at that M. */
TEST_F_TIMEOUT(signal, to_m, 60)
{
	EXPECT_EQ(0, run_procs(PROCS, to_m_main, NULL));
}

TEST_HARNESS_MAIN
