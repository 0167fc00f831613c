// SPDX-License-Identifier: GPL-2.0
/*
 * An M under a debugger: stopped it sleeps, but its P is not given away lightly, and at the border
 * it is not held, for else a debugger could not step one thread while the others, stopped, hold
 * every P (protocol 3.4 and 5).
 */
#include "gsched_util.h"

#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "kselftest_harness.h"

/* How long a stopped M's P is kept from PARKED Ms, and a traced M waits at the border */
#define TRACED_NS	(10 * GS_MS)

/* ---- the debugger: a child that does what one letter tells it, and answers with a letter ---- */

struct debugger {
	int	tell, told;
};

struct command {
	char	what;
	pid_t	tid;
};

static bool stop(pid_t tid)
{
	int status;

	return !ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) &&
	       waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status);
}

static bool obey(const struct command *c)
{
	switch (c->what) {
	case 'a':
		return !ptrace(PTRACE_SEIZE, c->tid, NULL, NULL);
	case 's':
		return stop(c->tid);
	case 'c':
		return !ptrace(PTRACE_CONT, c->tid, NULL, NULL);
	case 'd':
		return !ptrace(PTRACE_DETACH, c->tid, NULL, NULL);
	}
	return false;
}

static void debug(int in, int out)
{
	struct command c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(in, &c, sizeof(c)) == sizeof(c))
		if (write(out, obey(&c) ? "y" : "n", 1) != 1)
			break;
	_exit(0);
}

/* Before there are Ms: a fork has them fault on every page they write next. */
static bool start(struct debugger *d)
{
	int in[2], out[2];
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return false;
	pid = fork();
	if (!pid) {
		close(in[1]);
		close(out[0]);
		debug(in[0], out[1]);
	}
	close(in[0]);
	close(out[1]);
	d->tell = in[1];
	d->told = out[0];
	return pid > 0;
}

static bool tell(struct debugger *d, char what, pid_t tid)
{
	struct command c = { .what = what, .tid = tid };
	struct pollfd pfd = { .fd = d->told, .events = POLLIN };
	char answer;

	return write(d->tell, &c, sizeof(c)) == sizeof(c) &&
	       poll(&pfd, 1, GS_PATIENCE_NS / GS_MS) == 1 &&
	       read(d->told, &answer, 1) == 1 && answer == 'y';
}

FIXTURE(traced) {
	struct gs gs;
	struct gs_m a, b;		/* a holds the P and is traced */
	struct debugger debugger;
};

FIXTURE_SETUP(traced)
{
	ASSERT_TRUE(start(&self->debugger));
	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 0));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->b));
	ASSERT_TRUE(tell(&self->debugger, 'a', self->a.tid));
}

FIXTURE_TEARDOWN(traced)
{
	close(self->gs.fd);
}

/* Protocol 3.4: work waits 10 ms before it takes the P of a thread that is stopped. */
TEST_F(traced, work_waits)
{
	struct gs *gs = &self->gs;
	__u64 begin;

	ASSERT_TRUE(gs_m_parks(&self->b, 0));
	gs_put_work(gs, 0);
	begin = gs_now();
	ASSERT_TRUE(tell(&self->debugger, 's', self->a.tid));
	ASSERT_EQ(0, gs_m_answer(&self->b));
	EXPECT_LE(begin + TRACED_NS, GS_LOAD(gs->ms[self->b.id].granted_ns));
	EXPECT_EQ(0, gs_m_saw(&self->b));
}

/* Protocol 3.4: a WAITING M is given it without any work. */
TEST_F(traced, a_waiting_m_gets_it)
{
	struct gs *gs = &self->gs;

	ASSERT_TRUE(gs_m_waits(&self->b));
	ASSERT_TRUE(tell(&self->debugger, 's', self->a.tid));
	ASSERT_EQ(0, gs_m_answer(&self->b));
	EXPECT_EQ(0, gs_m_saw(&self->b));
	EXPECT_EQ(1, gs_counts(gs).handoffs);
}

/* Protocol 3: with no use for it the P of a stopped thread is its own when it goes on. */
TEST_F(traced, goes_on_with_its_p)
{
	ASSERT_TRUE(gs_m_parks(&self->b, 0));
	ASSERT_TRUE(tell(&self->debugger, 's', self->a.tid));
	ASSERT_TRUE(gs_p_gets(&self->gs, 0, GSCHED_P_BLOCKED, self->a.id));
	ASSERT_TRUE(tell(&self->debugger, 'c', self->a.tid));
	EXPECT_EQ(0, gs_m_do(&self->a, gs_do_nothing, 0, 0));
	EXPECT_EQ(0, gs_m_saw(&self->a));
	EXPECT_EQ(0, gs_counts(&self->gs).borders);
}

/* Protocol 5: a traced M that lost its P passes the border after 10 ms, is told, and is counted. */
TEST_F(traced, passes_the_border)
{
	struct gs *gs = &self->gs;

	ASSERT_TRUE(gs_m_waits(&self->b));
	ASSERT_TRUE(tell(&self->debugger, 's', self->a.tid));
	ASSERT_EQ(0, gs_m_answer(&self->b));
	ASSERT_TRUE(tell(&self->debugger, 'c', self->a.tid));
	EXPECT_EQ(0, gs_m_do(&self->a, gs_do_nothing, 0, 0));
	EXPECT_EQ(GSCHED_M_LOST_P, self->a.word);
	EXPECT_LE(1, gs_counts(gs).excess_traced);
	EXPECT_EQ(GSCHED_M_LOST_P, GS_LOAD(gs->ms[self->a.id].word));
	EXPECT_TRUE(gs_p_gets(gs, 0, GSCHED_P_RUNNING, self->b.id));
	/* It waits in turn when it asks to. */
	ASSERT_TRUE(gs_m_waits(&self->a));
	EXPECT_EQ(0, gs_m_do(&self->b, gs_do_release, 0, 0));
	EXPECT_EQ(0, gs_m_answer(&self->a));
	EXPECT_EQ(0, gs_m_saw(&self->a));
}

/* Left alone by the debugger it waits at the border as any other. */
TEST_F(traced, detached_it_waits)
{
	struct gs *gs = &self->gs;

	ASSERT_TRUE(gs_m_waits(&self->b));
	ASSERT_TRUE(tell(&self->debugger, 's', self->a.tid));
	ASSERT_EQ(0, gs_m_answer(&self->b));
	ASSERT_TRUE(tell(&self->debugger, 'd', self->a.tid));
	ASSERT_TRUE(gs_m_gets(gs, self->a.id, GSCHED_M_WAITING));
	EXPECT_EQ(0, gs_m_do(&self->b, gs_do_release, 0, 0));
	EXPECT_EQ(0, gs_m_do(&self->a, gs_do_nothing, 0, 0));
	EXPECT_EQ(0, gs_m_saw(&self->a));
	EXPECT_EQ(0, gs_counts(gs).excess_traced);
}

TEST_HARNESS_MAIN
