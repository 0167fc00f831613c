// SPDX-License-Identifier: GPL-2.0
/*
 * Completions of io_uring that are task work of the thread that submitted, when that thread is an M
 * which sleeps or waits for a P (protocol 8); and exec with requests in flight.
 */
#include "gsched_util.h"
#include "slowfile.h"

#include <liburing.h>

#include "kselftest_harness.h"

/* How long a completion that must not come is looked out for */
#define NEVER_NS	(100 * GS_MS)

static struct io_uring ring;
static bool stop_spinning;

static long do_spin(struct gs_m *m, __u64 a, __u64 b)
{
	while (!GS_LOAD(stop_spinning))
		;
	return 0;
}

/* The ring belongs to the M that makes it. */
static long do_make_ring(struct gs_m *m, __u64 flags, __u64 b)
{
	return io_uring_queue_init(8, &ring, flags);
}

static long do_poll_request(struct gs_m *m, __u64 fd, __u64 b)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	io_uring_prep_poll_add(sqe, fd, POLLIN);
	return io_uring_submit(&ring);
}

static long do_read_request(struct gs_m *m, __u64 fd, __u64 flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	static char byte;

	io_uring_prep_read(sqe, fd, &byte, 1, 0);
	io_uring_sqe_set_flags(sqe, flags);
	return io_uring_submit(&ring);
}

static long do_nop_request(struct gs_m *m, __u64 a, __u64 b)
{
	io_uring_prep_nop(io_uring_get_sqe(&ring));
	return io_uring_submit(&ring);
}

/* The parent is in an uninterruptible sleep until the child has read a byte. */
static long do_vfork(struct gs_m *m, __u64 fd, __u64 b)
{
	pid_t pid = vfork();
	int status;
	char byte;

	if (!pid)
		_exit(read(fd, &byte, 1) != 1);
	return waitpid(pid, &status, 0) == pid && !status ? 0 : -1;
}

static bool is_complete(void)
{
	return io_uring_cq_ready(&ring);
}

/* It comes while nothing else can happen: no sleep ends before the test lets it. */
static bool completes(void)
{
	return GS_UNTIL(is_complete());
}

static bool stays_incomplete(void)
{
	__u64 end = gs_now() + NEVER_NS;

	while (gs_now() < end)
		if (is_complete())
			return false;
	return true;
}

/* One P. a submits; b is there to have the P while a sleeps or waits. */
FIXTURE(uring) {
	struct gs gs;
	struct gs_m a, b;
	int poll_pipe[2], sleep_pipe[2];
};

FIXTURE_VARIANT(uring) {
	unsigned int flags;
	bool in_time;		/* completes while its thread WAITs */
	bool blocked;		/* and while that sleeps uninterruptibly */
};

FIXTURE_VARIANT_ADD(uring, plain) { .flags = 0, .in_time = true };
FIXTURE_VARIANT_ADD(uring, coop_taskrun) { .flags = IORING_SETUP_COOP_TASKRUN, .in_time = true };
FIXTURE_VARIANT_ADD(uring, defer_taskrun) {
	.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};

FIXTURE_VARIANT_ADD(uring, sqpoll) {
	.flags = IORING_SETUP_SQPOLL, .in_time = true, .blocked = true,
};

FIXTURE_SETUP(uring)
{
	ASSERT_EQ(0, pipe2(self->poll_pipe, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(self->sleep_pipe, O_CLOEXEC));
	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 0));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->b));
	ASSERT_EQ(0, gs_m_do(&self->a, do_make_ring, variant->flags, 0));
	ASSERT_EQ(1, gs_m_do(&self->a, do_poll_request, self->poll_pipe[0], 0));
}

FIXTURE_TEARDOWN(uring)
{
	GS_STORE(stop_spinning, true);
	close(self->gs.fd);
}

static bool happens(int fd)
{
	return write(fd, "", 1) == 1;
}

/* a sleeps in @job; b has the P and keeps it. */
#define A_SLEEPS_AND_B_RUNS(job)						\
do {										\
	gs_m_ask(&self->a, job, self->sleep_pipe[0], 0);			\
	ASSERT_TRUE(gs_tid_sleeps(self->a.tid));				\
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_acquire, gs_in_ms(10000), 0));	\
	gs_m_ask(&self->b, do_spin, 0, 0);					\
} while (0)

/* Then a gets the P again, and what it slept in ends with @ret. */
#define A_COMES_HOME(ret)							\
do {										\
	GS_STORE(stop_spinning, true);						\
	ASSERT_EQ(0, gs_m_answer(&self->b));					\
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_release, 0, 0));			\
	EXPECT_EQ(ret, gs_m_answer(&self->a));					\
	EXPECT_EQ(0, gs_m_saw(&self->a));					\
} while (0)

/*
 * A thread that sleeps in read(2) does its task work there, without a P, and runs no user code for
 * it: it is WAITING then, for read(2) restarts by way of the border.
 */
TEST_F(uring, asleep_in_read)
{
	A_SLEEPS_AND_B_RUNS(gs_do_read);
	ASSERT_TRUE(happens(self->poll_pipe[1]));
	EXPECT_TRUE(variant->in_time ? completes() : stays_incomplete());
	EXPECT_FALSE(gs_m_answered(&self->a));
	ASSERT_TRUE(happens(self->sleep_pipe[1]));
	A_COMES_HOME(1);
}

/* The same at the border: the wait is the last task work of its batch; the others come first. */
TEST_F(uring, waiting)
{
	A_SLEEPS_AND_B_RUNS(gs_do_read);
	ASSERT_TRUE(happens(self->sleep_pipe[1]));
	ASSERT_TRUE(gs_m_gets(&self->gs, self->a.id, GSCHED_M_WAITING));
	ASSERT_TRUE(happens(self->poll_pipe[1]));
	EXPECT_TRUE(variant->in_time ? completes() : stays_incomplete());
	EXPECT_FALSE(gs_m_answered(&self->a));
	ASSERT_TRUE(gs_m_gets(&self->gs, self->a.id, GSCHED_M_WAITING));
	A_COMES_HOME(1);
}

/* PARKED, with the completion as the only thing that happens: it stays PARKED. */
TEST_F(uring, parked)
{
	ASSERT_TRUE(gs_m_parks(&self->a, 0));
	ASSERT_TRUE(happens(self->poll_pipe[1]));
	EXPECT_TRUE(variant->in_time ? completes() : stays_incomplete());
	ASSERT_TRUE(gs_m_gets(&self->gs, self->a.id, GSCHED_M_PARKED));
	EXPECT_FALSE(gs_m_answered(&self->a));
	ASSERT_EQ(0, gs_unpark(&self->gs, self->a.id));
	EXPECT_EQ(0, gs_m_answer(&self->a));
	EXPECT_EQ(0, gs_m_saw(&self->a));
}

/*
 * No task work is done in an uninterruptible sleep: the completion is late by the whole of it. So
 * what a sleeping M must not hold up is submitted by another thread; SQPOLL's is one.
 */
TEST_F(uring, asleep_uninterruptibly)
{
	A_SLEEPS_AND_B_RUNS(do_vfork);
	ASSERT_TRUE(happens(self->poll_pipe[1]));
	EXPECT_TRUE(variant->blocked ? completes() : stays_incomplete());
	ASSERT_TRUE(happens(self->sleep_pipe[1]));
	EXPECT_TRUE(!variant->in_time || GS_UNTIL(is_complete()));
	A_COMES_HOME(0);
}

/* ---- requests that need no task work ---- */

FIXTURE(worker) {
	struct gs gs;
	struct gs_m a, b;
	struct slowfile file;
	int sleep_pipe[2];
};

FIXTURE_SETUP(worker)
{
	ASSERT_EQ(0, pipe2(self->sleep_pipe, O_CLOEXEC));
	/* In this order: gs_make_domain() locks what is mapped, and would wait for the page. */
	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 0));
	ASSERT_EQ(0, slowfile_open(&self->file));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->b));
	ASSERT_EQ(0, gs_m_do(&self->a, do_make_ring, 0, 0));
}

FIXTURE_TEARDOWN(worker)
{
	GS_STORE(stop_spinning, true);
	close(self->gs.fd);
	slowfile_close(&self->file);
}

/* What a worker of io-wq has done is complete, though the submitter sleeps uninterruptibly. */
TEST_F(worker, completes_while_asleep_uninterruptibly)
{
	ASSERT_EQ(1, gs_m_do(&self->a, do_read_request, self->file.fd, IOSQE_ASYNC));
	ASSERT_EQ(0, slowfile_wait(&self->file));
	A_SLEEPS_AND_B_RUNS(do_vfork);
	EXPECT_FALSE(is_complete());
	ASSERT_EQ(0, slowfile_let(&self->file));
	EXPECT_TRUE(completes());
	EXPECT_FALSE(gs_m_answered(&self->a));
	ASSERT_TRUE(happens(self->sleep_pipe[1]));
	A_COMES_HOME(0);
}

/* One that can be done at once is complete before the submitter is back from its call. */
TEST_F(worker, inline_completes_in_the_call)
{
	ASSERT_EQ(1, gs_m_do(&self->a, do_nop_request, 0, 0));
	EXPECT_TRUE(is_complete());
}

/* ---- exec ---- */

static int exec_with_requests(int fd)
{
	static struct gs gs;
	static struct gs_m a, b;

	if (gs_make_domain(&gs, 1, 0) || gs_m_start_on(&gs, &a) || gs_m_start(&gs, &b) ||
	    gs_m_do(&a, do_make_ring, 0, 0) || gs_m_do(&a, do_poll_request, fd, 0) != 1 ||
	    gs_m_do(&a, do_read_request, fd, IOSQE_ASYNC) != 1 || !gs_m_waits(&b))
		return 1;
	execl("/bin/sh", "sh", "-c", "exit 5", NULL);
	return 2;
}

/*
 * exec cancels the requests of a process, which is task work of threads on their way out: none of
 * them waits for a P, and nothing is left.
 */
TEST(exec_with_requests_in_flight)
{
	int fds[2], status = -1, i;
	pid_t pid;

	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	for (i = 0; i < 10; i++) {
		pid = fork();
		if (!pid)
			_exit(exec_with_requests(fds[0]));
		ASSERT_TRUE(GS_UNTIL(waitpid(pid, &status, WNOHANG) == pid));
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(5, WEXITSTATUS(status));
		EXPECT_TRUE(GS_UNTIL(gs_refcnt() == 0));
	}
}

TEST_HARNESS_MAIN
