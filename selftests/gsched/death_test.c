// SPDX-License-Identifier: GPL-2.0
/*
 * The end of threads, processes and domains (protocol 7): a P whose M dies goes on to the next, and
 * nothing of a process is left when it is gone, whatever its Ms were doing.
 */
#include "gsched_util.h"

#include <sys/prctl.h>

#include "kselftest_harness.h"

static bool module_is_free(void)
{
	bool met = GS_UNTIL(gs_refcnt() == 0);

	if (!met)
		fprintf(stderr, "# the module is held %d times\n", gs_refcnt());
	return met;
}

/* ---- whole processes ---- */

/*
 * A process with an M in each state that two Ps allow at once: a runs, b sleeps with its P, c is
 * PARKED, d parked privately, e WAITING in ACQUIRE, f WAITING at the border, g FREE.
 */
struct crowd {
	struct gs gs;
	struct gs_m a, b, c, d, e, f, g;
	int b_pipe[2], f_pipe[2];
};

static bool crowd_gathers(struct crowd *w)
{
	struct gs *gs = &w->gs;

	if (pipe(w->b_pipe) || pipe(w->f_pipe) || gs_make_domain(gs, 2, 0))
		return false;
	if (gs_m_start_on(gs, &w->f) || gs_m_start_on(gs, &w->b) || gs_m_start(gs, &w->a) ||
	    gs_m_start(gs, &w->c) || gs_m_start(gs, &w->d) || gs_m_start(gs, &w->e) ||
	    gs_m_start(gs, &w->g))
		return false;
	/* f blocks, a waits for a P and gets f's, f comes back to the border. */
	if (!gs_m_waits(&w->a))
		return false;
	gs_m_ask(&w->f, gs_do_read, w->f_pipe[0], 0);
	if (gs_m_answer(&w->a) || write(w->f_pipe[1], "", 1) != 1 ||
	    !gs_m_gets(gs, w->f.id, GSCHED_M_WAITING))
		return false;
	/* WAITING, e and f would have a BLOCKED P at once: b keeps its own by nopreempt. */
	if (!gs_m_waits(&w->e) ||
	    gs_m_do(&w->b, gs_do_nopreempt, 1, 0))
		return false;
	gs_m_ask(&w->b, gs_do_read, w->b_pipe[0], 0);
	return gs_tid_sleeps(w->b.tid) &&
	       gs_m_parks(&w->c, 0) &&
	       gs_m_parks(&w->d, GSCHED_PARK_PRIVATE);
}

FIXTURE(process) {
	int up[2];		/* the child says that it is ready */
	int down[2];		/* the child is told to go on */
};

FIXTURE_SETUP(process)
{
	ASSERT_TRUE(module_is_free());
	ASSERT_EQ(0, pipe(self->up));
	ASSERT_EQ(0, pipe(self->down));
}

FIXTURE_TEARDOWN(process)
{
}

/* Runs @body in a child, whose end it does not outlive. */
static pid_t spawn(int (*body)(int up, int down), int *up, int *down)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(down[1]);
	_exit(body(up[1], down[0]));
}

static bool child_is_ready(int up)
{
	struct pollfd pfd = { .fd = up, .events = POLLIN };
	char byte;

	return poll(&pfd, 1, GS_PATIENCE_NS / GS_MS) == 1 && read(up, &byte, 1) == 1 && byte == 'y';
}

/* waitpid() with an end: the wait status, or -1 */
static int child_ends(pid_t pid)
{
	int status = -1;

	return GS_UNTIL(waitpid(pid, &status, WNOHANG) == pid) ? status : -1;
}

static void say(int up, bool yes)
{
	if (write(up, yes ? "y" : "n", 1) != 1)
		_exit(101);
}

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static int body_crowd(int up, int down)
{
	static struct crowd w;

	say(up, crowd_gathers(&w));
	wait_for_ever();
	return 0;
}

/* SIGKILL of a process with an M in every state: it dies at once and leaves nothing. */
TEST_F(process, sigkill_of_a_crowd)
{
	pid_t child = spawn(body_crowd, self->up, self->down);
	int status;

	ASSERT_LT(0, child);
	ASSERT_TRUE(child_is_ready(self->up[0]));
	EXPECT_LT(0, gs_refcnt());
	ASSERT_EQ(0, kill(child, SIGKILL));
	status = child_ends(child);
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	EXPECT_TRUE(module_is_free());
}

static int body_exit(int up, int down)
{
	static struct crowd w;

	say(up, crowd_gathers(&w));
	return 7;
}

/* The same when it leaves by itself. */
TEST_F(process, exit_of_a_crowd)
{
	pid_t child = spawn(body_exit, self->up, self->down);
	int status;

	ASSERT_LT(0, child);
	ASSERT_TRUE(child_is_ready(self->up[0]));
	status = child_ends(child);
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(7, WEXITSTATUS(status));
	EXPECT_TRUE(module_is_free());
}

/* ---- each state by itself: one M in it, on one P ---- */

FIXTURE(killed) {
	int up[2], down[2];
};

FIXTURE_VARIANT(killed) {
	bool (*gets_there)(struct gs *gs, struct gs_m *m, struct gs_m *other);
};

static int never[2];	/* a pipe nobody writes to */

static bool to_free(struct gs *gs, struct gs_m *m, struct gs_m *other)
{
	return gs_m_gets(gs, m->id, GSCHED_M_FREE);
}

static bool to_running(struct gs *gs, struct gs_m *m, struct gs_m *other)
{
	return !gs_m_do(m, gs_do_acquire, 0, 0) && gs_p_gets(gs, 0, GSCHED_P_RUNNING, m->id);
}

static bool to_blocked(struct gs *gs, struct gs_m *m, struct gs_m *other)
{
	if (gs_m_do(m, gs_do_acquire, 0, 0))
		return false;
	gs_m_ask(m, gs_do_read, never[0], 0);
	return gs_p_gets(gs, 0, GSCHED_P_BLOCKED, m->id);
}

static bool to_parked(struct gs *gs, struct gs_m *m, struct gs_m *other)
{
	return gs_m_parks(m, 0);
}

static bool to_private(struct gs *gs, struct gs_m *m, struct gs_m *other)
{
	return gs_m_parks(m, GSCHED_PARK_PRIVATE);
}

static bool to_waiting(struct gs *gs, struct gs_m *m, struct gs_m *other)
{
	return !gs_m_do(other, gs_do_acquire, 0, 0) &&
	       gs_m_waits(m);
}

static bool to_unparked(struct gs *gs, struct gs_m *m, struct gs_m *other)
{
	return to_parked(gs, m, other) && !gs_m_do(other, gs_do_acquire, 0, 0) &&
	       !gs_unpark(gs, m->id) && gs_m_gets(gs, m->id, GSCHED_M_WAITING);
}

/* In read(2), its P with the other one */
static bool to_lost(struct gs *gs, struct gs_m *m, struct gs_m *other)
{
	if (!to_running(gs, m, other) ||
	    !gs_m_waits(other))
		return false;
	gs_m_ask(m, gs_do_read, never[0], 0);
	return !gs_m_answer(other) && gs_tid_sleeps(m->tid);
}

static bool to_border(struct gs *gs, struct gs_m *m, struct gs_m *other)
{
	return to_lost(gs, m, other) && write(never[1], "", 1) == 1 &&
	       gs_m_gets(gs, m->id, GSCHED_M_WAITING);
}

FIXTURE_VARIANT_ADD(killed, free) { to_free };
FIXTURE_VARIANT_ADD(killed, running) { to_running };
FIXTURE_VARIANT_ADD(killed, blocked) { to_blocked };
FIXTURE_VARIANT_ADD(killed, parked) { to_parked };
FIXTURE_VARIANT_ADD(killed, private) { to_private };
FIXTURE_VARIANT_ADD(killed, waiting) { to_waiting };
FIXTURE_VARIANT_ADD(killed, unparked) { to_unparked };
FIXTURE_VARIANT_ADD(killed, lost) { to_lost };
FIXTURE_VARIANT_ADD(killed, border) { to_border };

FIXTURE_SETUP(killed)
{
	ASSERT_TRUE(module_is_free());
	ASSERT_EQ(0, pipe(self->up));
	ASSERT_EQ(0, pipe(self->down));
	ASSERT_EQ(0, pipe(never));
}

FIXTURE_TEARDOWN(killed)
{
}

static bool (*gets_there)(struct gs *gs, struct gs_m *m, struct gs_m *other);

static int body_one(int up, int down)
{
	struct gs_m m, other;
	struct gs gs;

	say(up, !gs_make_domain(&gs, 1, 0) && !gs_m_start(&gs, &m) &&
	    !gs_m_start(&gs, &other) && gets_there(&gs, &m, &other));
	wait_for_ever();
	return 0;
}

/* Protocol 7: killed in any state, an M goes at once, with its process, and the module is free. */
TEST_F(killed, leaves_nothing)
{
	pid_t child;
	int status;

	gets_there = variant->gets_there;
	child = spawn(body_one, self->up, self->down);
	ASSERT_LT(0, child);
	ASSERT_TRUE(child_is_ready(self->up[0]));
	ASSERT_EQ(0, kill(child, SIGKILL));
	status = child_ends(child);
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	EXPECT_TRUE(module_is_free());
}

/* ---- exec ---- */

/* The new program says that it is there, then waits until it is let go. */
static void exec_shell(int up, int down)
{
	char script[64];

	snprintf(script, sizeof(script), "printf y >&%d; read x <&%d; exit 5", up, down);
	execl("/bin/sh", "sh", "-c", script, NULL);
	_exit(102);
}

/* The thread of main() is the M that execs, in the midst of a crowd. */
static int body_exec_main(int up, int down)
{
	static struct crowd w;
	__u32 id;

	if (!crowd_gathers(&w) || gs_register(&w.gs, 0, &id))
		return 103;
	exec_shell(up, down);
	return 0;
}

static int exec_up, exec_down;

static long do_exec(struct gs_m *m, __u64 a, __u64 b)
{
	exec_shell(exec_up, exec_down);
	return 0;
}

/* Another thread's M, which holds a P, execs and takes main()'s place. */
static int body_exec_other(int up, int down)
{
	static struct crowd w;

	exec_up = up;
	exec_down = down;
	if (!crowd_gathers(&w))
		return 103;
	gs_m_ask(&w.a, do_exec, 0, 0);
	wait_for_ever();
	return 0;
}

/* It holds the only P, and loses it on the way: exec sleeps while the other threads die. */
static int body_exec_alone(int up, int down)
{
	struct gs_m m, waiting;
	struct gs gs;

	exec_up = up;
	exec_down = down;
	if (gs_make_domain(&gs, 1, 0) || gs_m_start_on(&gs, &m) || gs_m_start(&gs, &waiting) ||
	    !gs_m_waits(&waiting))
		return 103;
	gs_m_ask(&m, do_exec, 0, 0);
	wait_for_ever();
	return 0;
}

FIXTURE(exec) {
	int up[2], down[2];
};

FIXTURE_VARIANT(exec) {
	int (*body)(int up, int down);
};

FIXTURE_VARIANT_ADD(exec, by_main) { body_exec_main };
FIXTURE_VARIANT_ADD(exec, by_another_thread) { body_exec_other };
FIXTURE_VARIANT_ADD(exec, with_the_only_p) { body_exec_alone };

FIXTURE_SETUP(exec)
{
	ASSERT_TRUE(module_is_free());
	ASSERT_EQ(0, pipe(self->up));
	ASSERT_EQ(0, pipe(self->down));
}

FIXTURE_TEARDOWN(exec)
{
}

/*
 * Protocol 5 and 7: exec ends the domain; the new program never meets the border and runs to its
 * end.
 */
TEST_F(exec, ends_the_domain)
{
	pid_t child;
	int status;

	child = spawn(variant->body, self->up, self->down);
	ASSERT_LT(0, child);
	ASSERT_TRUE(child_is_ready(self->up[0]));
	EXPECT_TRUE(module_is_free());
	ASSERT_EQ(1, write(self->down[1], "\n", 1));
	status = child_ends(child);
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(5, WEXITSTATUS(status));
}

/* ---- threads ---- */

FIXTURE(thread) {
	struct gs gs;
	struct gs_m a, b;
	int pipe[2];
};

FIXTURE_SETUP(thread)
{
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 0));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->b));
}

FIXTURE_TEARDOWN(thread)
{
	close(self->gs.fd);
}

static void dies(struct gs_m *m)
{
	gs_m_ask(m, gs_do_exit, 0, 0);
	gs_m_join(m);
}

/* Protocol 2: the P of a thread that ends goes to a WAITING M. */
TEST_F(thread, exit_hands_to_waiting)
{
	struct gs *gs = &self->gs;

	ASSERT_TRUE(gs_m_waits(&self->b));
	dies(&self->a);
	EXPECT_EQ(0, gs_m_answer(&self->b));
	EXPECT_EQ(0, gs_m_saw(&self->b));
	EXPECT_EQ(1, gs_counts(gs).deaths);
	EXPECT_EQ(1, gs_counts(gs).nr_m);
}

/* n_idle_die: with work there, to a PARKED one. */
TEST_F(thread, exit_hands_to_parked)
{
	struct gs *gs = &self->gs;

	ASSERT_TRUE(gs_m_parks(&self->b, 0));
	GS_STORE(gs->hint->gqlen, 1);
	dies(&self->a);
	EXPECT_EQ(0, gs_m_answer(&self->b));
	EXPECT_EQ(0, gs_m_saw(&self->b));
	EXPECT_EQ(1, gs_counts(gs).grants_parked);
}

/* With nothing to do, to nobody. */
TEST_F(thread, exit_leaves_the_p_idle)
{
	struct gs *gs = &self->gs;
	struct gsched_info_m info;

	ASSERT_TRUE(gs_m_parks(&self->b, 0));
	dies(&self->a);
	EXPECT_TRUE(gs_p_gets(gs, 0, GSCHED_P_IDLE, 0));
	EXPECT_EQ(1, GS_LOAD(gs->status->nidle));
	EXPECT_TRUE(GS_UNTIL(gs_counts(gs).nr_m == 1));
	EXPECT_EQ(-ENOENT, gs_info(gs, GSCHED_INFO_M, self->a.id, &info, sizeof(info)));
	EXPECT_EQ(-ENOENT, gs_unpark(gs, self->a.id));
	EXPECT_EQ(GSCHED_M_PARKED, gs_m_info(gs, self->b.id).state);
}

/* A thread without a P takes nothing with it. */
TEST_F(thread, exit_without_a_p)
{
	struct gs *gs = &self->gs;

	dies(&self->b);
	EXPECT_TRUE(GS_UNTIL(gs_counts(gs).nr_m == 1));
	EXPECT_TRUE(gs_p_gets(gs, 0, GSCHED_P_RUNNING, self->a.id));
}

/* Ms come and go for ever: ids and memory are used again. */
TEST_F_TIMEOUT(thread, storm, 120)
{
	struct gs *gs = &self->gs;
	struct gs_m m;
	int i;

	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_release, 0, 0));
	for (i = 0; i < 4 * GS_MAX_M; i++) {
		ASSERT_TRUE(GS_UNTIL(gs_m_start(gs, &m) == 0));
		ASSERT_EQ(0, gs_m_do(&m, gs_do_acquire, GSCHED_FOREVER, 0));
		if (i % 2) {
			ASSERT_EQ(0, gs_m_do(&m, gs_do_unregister, 0, 0));
		}
		dies(&m);
	}
	EXPECT_TRUE(GS_UNTIL(gs_counts(gs).nr_m == 2));
	EXPECT_EQ(2 * GS_MAX_M, gs_counts(gs).deaths);
	EXPECT_TRUE(gs_p_gets(gs, 0, GSCHED_P_IDLE, 0));
}

/* ---- the domain ---- */

/* Protocol 7: close ends every sleep in the domain with ECANCELED, and there are no Ps any more. */
TEST_F(thread, close_cancels)
{
	struct gs_m c, d, *ms[] = { &self->b, &c, &d };
	struct gs *gs = &self->gs;
	int i, again = dup(gs->fd);

	ASSERT_LE(0, again);
	ASSERT_EQ(0, gs_m_start(gs, &c));
	ASSERT_EQ(0, gs_m_start(gs, &d));
	ASSERT_TRUE(gs_m_parks(&self->b, 0));
	ASSERT_TRUE(gs_m_parks(&c, GSCHED_PARK_PRIVATE));
	ASSERT_TRUE(gs_m_waits(&d));
	ASSERT_EQ(0, close(again));
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(GS_UNTIL(gs_m_answered(ms[i])));
		EXPECT_EQ(-ECANCELED, ms[i]->ret);
		EXPECT_EQ(-1, gs_m_saw(ms[i]));
	}
	/* The other descriptor is of the same, closed, domain. */
	EXPECT_EQ(-ECANCELED, gs_wake(gs));
	EXPECT_EQ(-ECANCELED, gs_unpark(gs, self->b.id));
	gs_m_ask(&self->b, gs_do_acquire, 0, 0);
	ASSERT_TRUE(GS_UNTIL(gs_m_answered(&self->b)));
	EXPECT_EQ(-ECANCELED, self->b.ret);
}

/* Protocol 7: an M at the border of a closed domain is let go on: there is nothing to wait for. */
TEST_F(thread, close_opens_the_border)
{
	struct gs *gs = &self->gs;
	int again = dup(gs->fd);

	ASSERT_TRUE(gs_m_waits(&self->b));
	gs_m_ask(&self->a, gs_do_read, self->pipe[0], 0);
	ASSERT_EQ(0, gs_m_answer(&self->b));
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	ASSERT_TRUE(gs_m_gets(gs, self->a.id, GSCHED_M_WAITING));
	ASSERT_EQ(0, close(again));
	ASSERT_TRUE(GS_UNTIL(gs_m_answered(&self->a)));
	EXPECT_EQ(1, self->a.ret);
	/* Nor is one that blocks from now on stopped. */
	gs_m_ask(&self->b, gs_do_read, self->pipe[0], 0);
	ASSERT_TRUE(gs_tid_sleeps(self->b.tid));
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	ASSERT_TRUE(GS_UNTIL(gs_m_answered(&self->b)));
	EXPECT_EQ(1, self->b.ret);
}

/* Protocol 7: a child's close is not the opener's. */
TEST_F(thread, close_by_a_child)
{
	struct gs *gs = &self->gs;
	pid_t child;

	ASSERT_TRUE(gs_m_parks(&self->b, 0));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(gs->fd);
		_exit(0);
	}
	EXPECT_EQ(0, child_ends(child));
	EXPECT_EQ(0, gs_m_do(&self->a, gs_do_release, 0, 0));
	EXPECT_EQ(0, gs_wake(gs));
	EXPECT_EQ(0, gs_m_answer(&self->b));
}

/* The pages stay for who has mapped them; the module for who has a page or a thread of it. */
TEST(mappings_outlive_the_descriptor)
{
	struct gs gs;

	ASSERT_TRUE(module_is_free());
	ASSERT_EQ(0, gs_make_domain(&gs, 2, 0));
	close(gs.fd);
	EXPECT_EQ(2, GS_LOAD(gs.status->nr_p));
	GS_STORE(gs.hint->gqlen, 1);
	EXPECT_LT(0, gs_refcnt());
	munmap(gs.status, gs.setup.status_size);
	munmap(gs.hint, gs.setup.hint_size);
	EXPECT_TRUE(module_is_free());
}

/* A module in use does not unload. */
TEST(unload_is_refused)
{
	struct gs gs;

	ASSERT_EQ(0, gs_make_domain(&gs, 1, 0));
	EXPECT_EQ(-1, syscall(SYS_delete_module, "gsched", O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	EXPECT_EQ(1, gs_counts(&gs).nidle);
	close(gs.fd);
}

TEST_HARNESS_MAIN
