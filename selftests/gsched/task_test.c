// SPDX-License-Identifier: GPL-2.0
/*
 * A scene of Ms, RUNNING, BLOCKED, PARKED and WAITING at once, and what other parts of the kernel
 * do to their process: signals, stops, ptrace, ends, exec and new processes (protocol 5 to 7).
 */
#include "scene.h"

#include <elf.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "kselftest_harness.h"

/* "At once": long before any time limit, slice or patience would bring it about. */
#define AT_ONCE_NS	(5000 * GS_MS)

/* Without slices, so that nothing changes by itself. */
FIXTURE(scene) {
	struct scene s;
};

FIXTURE_SETUP(scene)
{
	struct scene_opts opts = {};

	ASSERT_TRUE(scene_start(&self->s, &opts));
}

FIXTURE_TEARDOWN(scene)
{
	kill(self->s.pid, SIGKILL);
}

/* With them: a stopped M loses its P to the WAITING one, and must get it back. */
FIXTURE(turns) {
	struct scene s;
};

FIXTURE_SETUP(turns)
{
	struct scene_opts opts = { .slices = true };

	ASSERT_TRUE(scene_start(&self->s, &opts));
}

FIXTURE_TEARDOWN(turns)
{
	kill(self->s.pid, SIGKILL);
}

/* Without a disturbance it stands, and ends well: what the other tests rely on. */
TEST_F(scene, stands_and_ends)
{
	EXPECT_TRUE(scene_runs(&self->s));
	EXPECT_TRUE(scene_stands(&self->s));
	EXPECT_TRUE(scene_ends_well(&self->s));
}

/* ---- signals ---- */

FIXTURE(handlers) {
	struct scene s;
};

FIXTURE_VARIANT(handlers) {
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(handlers, interrupting) { .flags = 0 };
FIXTURE_VARIANT_ADD(handlers, restarting) { .flags = SA_RESTART };

FIXTURE_SETUP(handlers)
{
	struct scene_opts opts = { .sa_flags = variant->flags, .slices = true };

	ASSERT_TRUE(scene_start(&self->s, &opts));
}

FIXTURE_TEARDOWN(handlers)
{
	kill(self->s.pid, SIGKILL);
}

/*
 * A handler is user code: whatever its M was doing, it runs with a P. One after another, so that
 * each is delivered: to each M it comes as often as it was sent.
 */
TEST_F(handlers, run_with_a_p)
{
	struct scene_show *show = self->s.show;
	int i, role;

	for (i = 1; i <= 20; i++) {
		for (role = 0; role < SCENE_MS; role++)
			ASSERT_EQ(0, syscall(SYS_tgkill, self->s.pid, show->tid[role], SIGUSR1));
		ASSERT_TRUE(GS_UNTIL(scene_all_handled(&self->s, i)));
	}
	for (role = 0; role < SCENE_MS; role++)
		EXPECT_EQ(0, show->lost[role]);
	EXPECT_TRUE(scene_ends_well(&self->s));
}

/*
 * A queue of real-time signals at the process, taken by whichever thread. One that another thread
 * took first leads its M to user mode until a timer sends it back: the only way without a P.
 */
TEST_F(handlers, take_a_queue)
{
	struct scene_show *show = self->s.show;
	union sigval value = { .sival_int = 0 };
	__u64 lost = 0;
	int i;

	for (i = 0; i < 400; i++)
		ASSERT_EQ(0, sigqueue(self->s.pid, SIGRTMIN + i % 4, value));
	EXPECT_TRUE(scene_runs(&self->s));
	EXPECT_TRUE(scene_ends_well(&self->s));
	for (i = 0; i < SCENE_MS; i++)
		lost += show->lost[i];
	EXPECT_LE(lost, show->info.excess_timer);
}

/* Signals that nobody handles change nothing: nobody gives a P up, or gets one, for them. */
TEST_F(scene, ignored_signals)
{
	struct scene_show *show = self->s.show;
	int i, role;

	for (i = 0; i < 100; i++)
		for (role = 0; role < SCENE_MS; role++) {
			ASSERT_EQ(0, syscall(SYS_tgkill, self->s.pid, show->tid[role], SIGCHLD));
			ASSERT_EQ(0, syscall(SYS_tgkill, self->s.pid, show->tid[role], SIGCONT));
		}
	EXPECT_TRUE(scene_runs(&self->s));
	EXPECT_TRUE(scene_stands(&self->s));
	EXPECT_TRUE(scene_ends_well(&self->s));
}

/* ---- stops ---- */

/* All threads stop at once, WAITING and PARKED ones too; and all go on as they were. */
TEST_F(turns, sigstop_and_sigcont)
{
	__u64 start, spins;
	siginfo_t info;
	int i;

	for (i = 0; i < 20; i++) {
		start = gs_now();
		ASSERT_EQ(0, kill(self->s.pid, SIGSTOP));
		ASSERT_EQ(0, waitid(P_PID, self->s.pid, &info, WSTOPPED));
		EXPECT_GT(AT_ONCE_NS, gs_now() - start);
		spins = GS_LOAD(self->s.show->spins);
		sched_yield();
		EXPECT_EQ(spins, GS_LOAD(self->s.show->spins));
		ASSERT_EQ(0, kill(self->s.pid, SIGCONT));
		ASSERT_EQ(0, waitid(P_PID, self->s.pid, &info, WCONTINUED));
		EXPECT_TRUE(scene_runs(&self->s));
	}
	EXPECT_TRUE(scene_ends_well(&self->s));
}

/* ---- ptrace ---- */

static bool stops(int tid)
{
	int status;

	return GS_UNTIL(waitpid(tid, &status, WNOHANG | __WALL) == tid) && WIFSTOPPED(status);
}

/* Stop, look and let go, thread by thread. */
TEST_F(turns, ptrace_seize)
{
	struct scene_show *show = self->s.show;
	struct user_regs_struct regs;
	__u64 start;
	int role, tid;

	for (role = 0; role < SCENE_MS; role++) {
		tid = show->tid[role];
		start = gs_now();
		ASSERT_EQ(0, ptrace(PTRACE_SEIZE, tid, NULL, NULL));
		ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, tid, NULL, NULL));
		ASSERT_TRUE(stops(tid));
		EXPECT_GT(AT_ONCE_NS, gs_now() - start);
		EXPECT_EQ(0, ptrace(PTRACE_GETREGS, tid, NULL, &regs));
		errno = 0;
		ptrace(PTRACE_PEEKDATA, tid, (void *)regs.rsp, NULL);
		EXPECT_EQ(0, errno);
		EXPECT_EQ(0, ptrace(PTRACE_SETREGS, tid, NULL, &regs));
		EXPECT_EQ(0, ptrace(PTRACE_DETACH, tid, NULL, NULL));
		EXPECT_TRUE(scene_runs(&self->s));
	}
	EXPECT_TRUE(scene_ends_well(&self->s));
}

/* All stopped at once, as a debugger does it, and let go again: nobody has lost or gained. */
TEST_F(turns, ptrace_attach_all)
{
	struct scene_show *show = self->s.show;
	int role;

	for (role = 0; role < SCENE_MS; role++)
		ASSERT_EQ(0, ptrace(PTRACE_ATTACH, show->tid[role], NULL, NULL));
	for (role = 0; role < SCENE_MS; role++)
		ASSERT_TRUE(stops(show->tid[role]));
	for (role = 0; role < SCENE_MS; role++)
		EXPECT_EQ(0, ptrace(PTRACE_DETACH, show->tid[role], NULL, NULL));
	EXPECT_TRUE(scene_ends_well(&self->s));
}

/* With all stopped, and the Ps with stopped threads, one that holds none can be stepped. */
TEST_F(turns, single_step_of_the_loser)
{
	struct scene_show *show = self->s.show;
	int tid = show->tid[SCENE_LOSER], role, i;
	struct user_regs_struct regs, after;

	for (role = 0; role < SCENE_MS; role++)
		ASSERT_EQ(0, ptrace(PTRACE_ATTACH, show->tid[role], NULL, NULL));
	for (role = 0; role < SCENE_MS; role++)
		ASSERT_TRUE(stops(show->tid[role]));
	ASSERT_EQ(0, ptrace(PTRACE_GETREGS, tid, NULL, &regs));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, ptrace(PTRACE_SINGLESTEP, tid, NULL, NULL));
		ASSERT_TRUE(stops(tid));
	}
	ASSERT_EQ(0, ptrace(PTRACE_GETREGS, tid, NULL, &after));
	EXPECT_NE(regs.rip, after.rip);
	for (role = 0; role < SCENE_MS; role++)
		EXPECT_EQ(0, ptrace(PTRACE_DETACH, show->tid[role], NULL, NULL));
	EXPECT_TRUE(scene_ends_well(&self->s));
}

static long deed_thread_exit(struct gs *gs, __u64 arg)
{
	return SCENE_GONE;
}

/*
 * PTRACE_EVENT_EXIT stops a thread on its way out, where task work may no more wait: its P goes to
 * the WAITING M meanwhile, and nothing is left of it after it.
 */
TEST_F(turns, event_exit_of_the_runner)
{
	struct scene_show *show = self->s.show;
	int tid = show->tid[SCENE_RUNNER], status;

	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_TRACEEXIT));
	ASSERT_EQ(SCENE_GONE, scene_do(&self->s, SCENE_RUNNER, deed_thread_exit, 0));
	ASSERT_TRUE(GS_UNTIL(waitpid(tid, &status, WNOHANG | __WALL) == tid));
	EXPECT_EQ(SIGTRAP | PTRACE_EVENT_EXIT << 8, status >> 8);
	EXPECT_EQ(0, ptrace(PTRACE_CONT, tid, NULL, NULL));
	ASSERT_TRUE(GS_UNTIL(waitpid(tid, &status, WNOHANG | __WALL) == tid));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_TRUE(scene_ends_well(&self->s));
}

/* The same for all, when the process is killed: each stops once and is let go. */
TEST_F(turns, event_exit_of_all)
{
	struct scene_show *show = self->s.show;
	int role, tid, status, events = 0;
	__u64 start;

	for (role = 0; role < SCENE_MS; role++)
		ASSERT_EQ(0, ptrace(PTRACE_SEIZE, show->tid[role], NULL, PTRACE_O_TRACEEXIT));
	start = gs_now();
	/* by main(), which is not traced */
	ASSERT_EQ(0, syscall(SYS_tgkill, self->s.pid, self->s.pid, SIGTERM));
	for (role = 0; role < SCENE_MS; role++) {
		tid = show->tid[role];
		ASSERT_TRUE(GS_UNTIL(waitpid(tid, &status, WNOHANG | __WALL) == tid));
		events += status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8);
		ptrace(PTRACE_CONT, tid, NULL, NULL);
	}
	EXPECT_EQ(SCENE_MS, events);
	for (role = 0; role < SCENE_MS; role++)
		EXPECT_TRUE(GS_UNTIL(waitpid(show->tid[role], &status, WNOHANG | __WALL) > 0));
	EXPECT_GT(AT_ONCE_NS, gs_now() - start);
	status = scene_is_gone(&self->s);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* ---- ends ---- */

static long deed_exit_group(struct gs *gs, __u64 status)
{
	_exit(status);
}

static long deed_abort(struct gs *gs, __u64 limit)
{
	struct rlimit core = { limit, limit };

	/* a test that failed may have turned it off */
	setrlimit(RLIMIT_CORE, &core);
	prctl(PR_SET_DUMPABLE, 1);
	abort();
}

FIXTURE(ends) {
	struct scene s;
};

FIXTURE_VARIANT(ends) {
	enum scene_role by;
};

FIXTURE_VARIANT_ADD(ends, by_the_runner) { .by = SCENE_RUNNER };
FIXTURE_VARIANT_ADD(ends, by_main) { .by = SCENE_MS };

FIXTURE_SETUP(ends)
{
	struct scene_opts opts = {};

	ASSERT_TRUE(scene_start(&self->s, &opts));
}

FIXTURE_TEARDOWN(ends)
{
	kill(self->s.pid, SIGKILL);
}

/* Whoever calls exit_group(): all are gone at once, and nobody holds the module. */
TEST_F(ends, exit_group)
{
	__u64 start = gs_now();
	int status;

	scene_ask(&self->s, variant->by, deed_exit_group, 7);
	status = scene_is_gone(&self->s);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(7, WEXITSTATUS(status));
	EXPECT_GT(AT_ONCE_NS, gs_now() - start);
}

#define NOTE_SIZE(n)	(((n) + 3) & ~3U)

/* The threads whose registers are in a core file */
static int threads_in_core(const char *path)
{
	int fd = open(path, O_RDONLY), n = 0;
	Elf64_Ehdr head;
	Elf64_Phdr ph;
	Elf64_Nhdr note;
	off_t at, end;
	int i;

	if (fd < 0 || pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) || head.e_type != ET_CORE)
		return -1;
	for (i = 0; i < head.e_phnum; i++) {
		if (pread(fd, &ph, sizeof(ph), head.e_phoff + i * sizeof(ph)) != sizeof(ph))
			return -1;
		if (ph.p_type != PT_NOTE)
			continue;
		end = ph.p_offset + ph.p_filesz;
		for (at = ph.p_offset; at < end;
		     at += sizeof(note) + NOTE_SIZE(note.n_namesz) + NOTE_SIZE(note.n_descsz)) {
			if (pread(fd, &note, sizeof(note), at) != sizeof(note))
				return -1;
			n += note.n_type == NT_PRSTATUS;
		}
	}
	close(fd);
	return n;
}

/* A core dump needs every thread to stop in the kernel: none waits for a P, each is in the file. */
TEST_F(ends, core_dump)
{
	char path[64];
	__u64 start;
	int status;

	ASSERT_EQ(0, gs_write_file("/proc/sys/kernel/core_pattern", "/tmp/core.%p"));
	snprintf(path, sizeof(path), "/tmp/core.%d", self->s.pid);
	start = gs_now();
	scene_ask(&self->s, variant->by, deed_abort, RLIM_INFINITY);
	status = scene_is_gone(&self->s);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	EXPECT_TRUE(WCOREDUMP(status));
	EXPECT_GT(2 * AT_ONCE_NS, gs_now() - start);
	EXPECT_EQ(SCENE_MS + 1, threads_in_core(path));
	unlink(path);
}

static long deed_exec(struct gs *gs, __u64 arg)
{
	execl("/bin/sh", "sh", "-c", "exit 5", NULL);
	return -errno;
}

/* exec, by a thread that is not the first one, too: the new program is alone and never waits. */
TEST_F(ends, exec)
{
	int status;

	scene_ask(&self->s, variant->by, deed_exec, 0);
	status = scene_is_gone(&self->s);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(5, WEXITSTATUS(status));
}

/* ---- new processes ---- */

/* What a child of fork or vfork may do with the device that it inherited */
static int child_of(struct gs *gs)
{
	__u32 id;

	if (gs_wake(gs) != -EXDEV || gs_register(gs, 0, &id) != -EXDEV)
		return 1;
	return close(gs->fd) ? 2 : 0;
}

static long deed_vfork(struct gs *gs, __u64 sleep_ms)
{
	pid_t pid = vfork();
	int status;

	if (!pid) {
		/* The parent sleeps meanwhile, uninterruptibly, and a WAITING M takes its P. */
		if (sleep_ms)
			usleep(sleep_ms * 1000);
		/* Nothing may be closed here that is the parent's: the table of files is a copy. */
		_exit(child_of(gs));
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -errno;
}

static long deed_fork(struct gs *gs, __u64 arg)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(child_of(gs));
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -errno;
}

static long deed_spawn(struct gs *gs, __u64 arg)
{
	char *argv[] = { "sh", "-c", "exit 0", NULL };
	posix_spawn_file_actions_t actions;
	int status, err;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, gs->fd);
	err = posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (err)
		return -err;
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -errno;
}

FIXTURE(makes) {
	struct scene s;
};

FIXTURE_VARIANT(makes) {
	scene_deed deed;
	__u64 arg;
	enum scene_role by;
};

FIXTURE_VARIANT_ADD(makes, fork_by_the_runner) { deed_fork, 0, SCENE_RUNNER };
FIXTURE_VARIANT_ADD(makes, fork_by_main) { deed_fork, 0, SCENE_MS };
FIXTURE_VARIANT_ADD(makes, vfork_by_the_runner) { deed_vfork, 0, SCENE_RUNNER };
FIXTURE_VARIANT_ADD(makes, long_vfork_by_the_runner) { deed_vfork, 200, SCENE_RUNNER };
FIXTURE_VARIANT_ADD(makes, vfork_by_main) { deed_vfork, 200, SCENE_MS };
FIXTURE_VARIANT_ADD(makes, spawn_by_the_runner) { deed_spawn, 0, SCENE_RUNNER };
FIXTURE_VARIANT_ADD(makes, spawn_by_main) { deed_spawn, 0, SCENE_MS };

FIXTURE_SETUP(makes)
{
	struct scene_opts opts = { .slices = true };

	ASSERT_TRUE(scene_start(&self->s, &opts));
}

FIXTURE_TEARDOWN(makes)
{
	kill(self->s.pid, SIGKILL);
}

/*
 * Protocol 7: a child is not the process that the domain belongs to. It gets EXDEV, its close (also
 * as a file action of posix_spawn) is not the opener's, and its end ends nothing.
 */
TEST_F(makes, a_child)
{
	int i;

	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, scene_do(&self->s, variant->by, variant->deed, variant->arg));
	EXPECT_TRUE(scene_ends_well(&self->s));
}

TEST_HARNESS_MAIN
