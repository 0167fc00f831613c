// SPDX-License-Identifier: GPL-2.0
/*
 * How the runtime begins and ends (R2..R11, R54, R64..R66, R92..R97): init tasks, the thread of
 * grt_run(), what threads inherit, and the end whatever others are doing.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "grt_harness.h"

static pid_t tid(void)
{
	return syscall(SYS_gettid);
}

static int load(int *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void store(int *p, int v)
{
	__atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}

/* ---- Init tasks ---- */

static int *begun;	/* set by the first; NULL: nobody asks */

static struct {
	char	order[8];
	int	n;
	pid_t	tid[3];
	uint64_t goid[3];
	int	seen;		/* what the goroutine of an init task has done */
	bool	lock;		/* the second shall lock the thread */
} inits;

static void note_init(int which)
{
	inits.order[inits.n++] = '0' + which;
	inits.tid[which] = tid();
	inits.goid[which] = grt_self_id();
}

static void from_init(void *arg)
{
	store(arg, 1);
}

static void init_first(void)
{
	if (begun)
		store(begun, 1);
	note_init(0);
	grt_go(from_init, &inits.seen);
	yield_until(load(&inits.seen));
}

GRT_INIT(init_first);

static void init_second(void)
{
	note_init(1);
	if (inits.lock)
		grt_lock_thread();
}

static void init_third(void)
{
	note_init(2);
	grt_sleep(1000000);
}

GRT_INIT(init_second);
GRT_INIT(init_third);

static int after_inits(void *arg)
{
	pid_t *t = arg;

	note_init(0);
	t[1] = tid();
	grt_sleep(1000000);
	t[2] = tid();
	return grt_self_id();
}

/*
 * Init tasks run in the order in which they stand here, in the main goroutine and on the thread of
 * grt_run(), though they wait; the main function is started there, too, and is free then.
 */
TEST(init_tasks)
{
	pid_t t[3] = { tid() };
	int i;

	EXPECT_EQ(1, run_procs(2, after_inits, t));
	EXPECT_STREQ("0120", inits.order);
	EXPECT_EQ(1, inits.seen);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(1, inits.goid[i]);
		EXPECT_EQ(t[0], inits.tid[i]);
	}
	EXPECT_EQ(t[0], t[1]);
	EXPECT_NE(t[0], t[2]);
}

/* R93: a lock that an init task takes outlives the runtime's own. */
TEST(lock_in_init)
{
	pid_t t[3] = { tid() };

	inits.lock = true;
	EXPECT_EQ(1, run_procs(2, after_inits, t));
	EXPECT_EQ(t[0], t[1]);
	EXPECT_EQ(t[0], t[2]);
}

static int late_run;
static pid_t late_tid;

static void run_late(void)
{
	pid_t t = tid();

	late_run++;
	grt_sleep(1000000);
	EXPECT_EQ(t, tid());
	late_tid = t;
}

static int load_late(void *arg)
{
	static struct grt_init_task task = { run_late, NULL };

	(void)arg;
	grt_sleep(1000000);
	grt_init_add(&task);
	EXPECT_EQ(1, late_run);
	EXPECT_NE(0, late_tid);
	return 0;
}

/* One that registers late, as that of a library that is loaded, runs there and then. */
TEST(late_task)
{
	EXPECT_EQ(0, run_procs(2, load_late, NULL));
}

/* ---- The thread of grt_run() ---- */

static void compare_tid(void *arg)
{
	int i;

	for (i = 0; i < 20; i++) {
		EXPECT_NE((pid_t)(intptr_t)arg, tid());
		grt_yield();
	}
}

static int many_others(void *arg)
{
	int i;

	for (i = 0; i < 500; i++)
		grt_go(compare_tid, arg);
	yield_until(grt_num_goroutines() == 1);
	return 0;
}

/* It runs the main goroutine at most, never another one. */
TEST(m0_runs_main_only)
{
	EXPECT_EQ(0, run_procs(4, many_others, (void *)(intptr_t)tid()));
}

static void *run_on_thread(void *arg)
{
	*(int *)arg = grt_run(after_inits, (pid_t[3]){ 0 });
	return NULL;
}

/* It may be any thread of the process. */
TEST(run_on_other_thread)
{
	pthread_t t;
	int ret = 0;

	ASSERT_EQ(0, pthread_create(&t, NULL, run_on_thread, &ret));
	ASSERT_EQ(0, pthread_join(t, NULL));
	EXPECT_EQ(1, ret);
}

static int is_blocked(int sig)
{
	sigset_t now;

	sigemptyset(&now);
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	return sigismember(&now, sig);
}

static void look_at_mask(void *arg)
{
	int *n = arg;

	EXPECT_TRUE(is_blocked(SIGUSR1));
	EXPECT_FALSE(is_blocked(SIGUSR2));
	EXPECT_FALSE(is_blocked(SIGTERM));
	__atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST);
}

static int masks(void *arg)
{
	sigset_t usr2;
	int n = 0, i;

	(void)arg;
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	grt_lock_thread();
	pthread_sigmask(SIG_BLOCK, &usr2, NULL);
	for (i = 0; i < 20; i++)
		grt_go(look_at_mask, &n);
	yield_until(load(&n) == 20);
	pthread_sigmask(SIG_UNBLOCK, &usr2, NULL);
	grt_unlock_thread();
	return 0;
}

/* Each thread has the signal mask that was in force when grt_run() was called. */
TEST(signal_mask)
{
	sigset_t usr1;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	EXPECT_EQ(0, run_procs(4, masks, NULL));
	EXPECT_TRUE(is_blocked(SIGUSR1));
	EXPECT_FALSE(is_blocked(SIGUSR2));
}

/* ---- The end ---- */

struct hanger {
	int	fds[2];
	int	there;
};

static void hang_in_read(void *arg)
{
	struct hanger *h = arg;
	char c;

	grt_block_begin();
	__atomic_add_fetch(&h->there, 1, __ATOMIC_SEQ_CST);
	EXPECT_EQ(1, read(h->fds[0], &c, 1));
	grt_block_end();
}

static int leave_hangers(void *arg)
{
	struct hanger *h = arg;
	int i;

	for (i = 0; i < 4; i++)
		grt_go(hang_in_read, h);
	yield_until(load(&h->there) == 4);
	return 7;
}

/* grt_run() returns though others are in a system call that never ends. */
TEST(returns_while_others_read)
{
	struct hanger h = { .there = 0 };

	ASSERT_EQ(0, pipe(h.fds));
	EXPECT_EQ(7, run_procs(2, leave_hangers, &h));
}

static void hang_in_loop(void *arg)
{
	struct hanger *h = arg;

	__atomic_add_fetch(&h->there, 1, __ATOMIC_SEQ_CST);
	for (;;)
		;
}

static int leave_looping(void *arg)
{
	struct hanger *h = arg;

	grt_go(hang_in_loop, h);
	yield_until(load(&h->there));
	return 8;
}

/* The same while another one computes and never calls the runtime. */
TEST(returns_while_others_compute)
{
	struct hanger h = { .there = 0 };

	EXPECT_EQ(8, run_procs(2, leave_looping, &h));
}

static int leave_locked_sleeper(void *arg)
{
	(void)arg;
	grt_lock_thread();
	grt_go(hang_in_loop, arg);
	grt_sleep(5000000);
	return 9;
}

/* The main goroutine waits on its own thread, and ends there. */
TEST(returns_locked)
{
	struct hanger h = { .there = 0 };

	EXPECT_EQ(9, run_procs(2, leave_locked_sleeper, &h));
}

/* ---- A start so slow that slices end before the main goroutine has run ---- */

/* Not where each instruction is many, or the processor's trap is not the program's. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(GRT_VALGRIND)

static int among_early(void *early)
{
	yield_until(!early || load(early));
	return 5;
}

/* Makes a goroutine as soon as it can, and leaves m0 time for its steps until then. */
static void *go_early(void *early)
{
	while (grt_go(from_init, early) == -ESRCH)
		usleep(1000);
	return NULL;
}

static int start_traced(bool crowd)
{
	struct grt_config config = {
		.size = sizeof(config),
		.maxprocs = 1,
		.slice_ns = 500000,
	};
	int early = 0;
	pthread_t t;

	if (crowd && pthread_create(&t, NULL, go_early, &early))
		return 1;
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	return grt_run_with(&config, among_early, crowd ? &early : NULL);
}

/* Lets m0 go on as far as its next stop. False: it has died, or is about to. */
static bool go_on(pid_t pid, int how)
{
	int status;

	return !ptrace(how, pid, NULL, NULL) && waitpid(pid, &status, 0) == pid &&
	       WIFSTOPPED(status) && (WSTOPSIG(status) & 0x7f) == SIGTRAP;
}

static bool enters_mmap(pid_t pid)
{
	struct __ptrace_syscall_info info = { 0 };

	ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info);
	return info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == SYS_mmap;
}

#define STEPS	4000	/* half of them lead to the main goroutine */

/*
 * Steps from the first mmap(), with which the runtime has seen what the system offers and begins to
 * be. Each instruction takes as long as a switch to us and back, so that slices end meanwhile.
 */
static bool step(pid_t pid)
{
	int status, i;

	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	do {
		if (!go_on(pid, PTRACE_SYSCALL))
			return false;
	} while (!enters_mmap(pid));
	for (i = 0; i < STEPS && !load(begun); i++) {
		if (!go_on(pid, PTRACE_SINGLESTEP))
			return false;
	}
	return !ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

/* Returns the status of grt_run() in a child whose m0 starts slowly. */
static int run_slowly(bool crowd)
{
	int status = -1;
	pid_t pid;

	begun = mmap(NULL, sizeof(*begun), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	pid = begun == MAP_FAILED ? -1 : fork();
	if (pid < 0)
		return -1;
	if (!pid)
		_exit(start_traced(crowd));
	if (!step(pid))
		return -1;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The main goroutine does not yield: nobody else is there yet to go on with it. */
TEST(slow_start)
{
	EXPECT_EQ(5, run_slowly(false));
}

/* Another thread makes a goroutine as early as it can, but not before m0 has its P. */
TEST(slow_start_among_others)
{
	EXPECT_EQ(5, run_slowly(true));
}

#endif

/* ---- Settings ---- */

static int nop_main(void *arg)
{
	(void)arg;
	return 0;
}

/* An unknown name, or no number, in GRTDEBUG is told at once. */
TEST(grtdebug)
{
	setenv("GRTDEBUG", "updatemaxprocs=1,nonsense=1", 1);
	EXPECT_DEATH(nop_main, "grt: GRTDEBUG=updatemaxprocs=1,nonsense=1: 'nonsense' is not "
		     "NAME=NUMBER with a known name\n");
	setenv("GRTDEBUG", "updatemaxprocs=", 1);
	EXPECT_DEATH(nop_main, "grt: GRTDEBUG=updatemaxprocs=: 'updatemaxprocs' is not "
		     "NAME=NUMBER with a known name\n");
	setenv("GRTDEBUG", "updatemaxprocs=0", 1);
	EXPECT_EQ(0, run_procs(1, nop_main, NULL));
}

/* Init tasks that start a runtime have one already. */
static void boot_again(void)
{
	grt_run(nop_main, NULL);
}

static int boot_in_task(void *arg)
{
	static struct grt_init_task task = { boot_again, NULL };

	(void)arg;
	grt_init_add(&task);
	return 0;
}

TEST(second_runtime_in_task)
{
	EXPECT_DEATH(boot_in_task, "grt: grt_run: this process has, or had, a runtime already\n");
}

TEST_HARNESS_MAIN
