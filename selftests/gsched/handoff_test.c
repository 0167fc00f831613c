// SPDX-License-Identifier: GPL-2.0
/*
 * An M that holds a P and falls asleep in the kernel: when its P is handed on and to whom, when it
 * is kept, and the border that the sleeper stops at when it comes back (protocol 3 and 5).
 */
#include "gsched_util.h"

#include <linux/futex.h>
#include <linux/userfaultfd.h>

#include "slowfile.h"

#include "kselftest_harness.h"

/* ---- ways to sleep in the kernel ---- */

struct ways {
	int		pipe[2];
	__u32		futex;
	int		uffd;
	char		*missing;	/* a page of its own that uffd fills */
	struct slowfile	slow;
};

static struct ways ways;

static int open_pipe(struct ways *w)
{
	return pipe(w->pipe) ? -errno : 0;
}

static long sleep_in_read(struct gs_m *m, __u64 a, __u64 b)
{
	return gs_do_read(m, ways.pipe[0], b) == 1 ? 0 : -1;
}

static int end_read(struct ways *w)
{
	return write(w->pipe[1], "", 1) == 1 ? 0 : -errno;
}

static int open_nothing(struct ways *w)
{
	return 0;
}

static long sleep_in_nanosleep(struct gs_m *m, __u64 a, __u64 b)
{
	struct timespec ts = { .tv_nsec = 100 * GS_MS };

	return nanosleep(&ts, NULL);
}

/* Ends by itself. */
static int end_nanosleep(struct ways *w)
{
	return 0;
}

static long sleep_in_futex(struct gs_m *m, __u64 a, __u64 b)
{
	while (!GS_LOAD(ways.futex))
		syscall(SYS_futex, &ways.futex, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	return 0;
}

static int end_futex(struct ways *w)
{
	GS_STORE(w->futex, 1);
	return syscall(SYS_futex, &w->futex, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) < 0 ? -errno : 0;
}

static int open_uffd(struct ways *w)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	w->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (w->uffd < 0 || ioctl(w->uffd, UFFDIO_API, &api))
		return -errno;
	w->missing = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w->missing == MAP_FAILED)
		return -errno;
	reg.range.start = (uintptr_t)w->missing;
	reg.range.len = 4096;
	return ioctl(w->uffd, UFFDIO_REGISTER, &reg) ? -errno : 0;
}

static long sleep_in_uffd(struct gs_m *m, __u64 a, __u64 b)
{
	return GS_LOAD(*ways.missing);
}

static int end_uffd(struct ways *w)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)w->missing, 4096 } };
	struct uffd_msg msg;

	if (read(w->uffd, &msg, sizeof(msg)) != sizeof(msg) || msg.event != UFFD_EVENT_PAGEFAULT)
		return -EIO;
	return ioctl(w->uffd, UFFDIO_ZEROPAGE, &zero) ? -errno : 0;
}

static int open_file(struct ways *w)
{
	return slowfile_open(&w->slow);
}

static long sleep_in_file(struct gs_m *m, __u64 a, __u64 b)
{
	return GS_LOAD(*ways.slow.page) - SLOWFILE_BYTE;
}

static int end_file(struct ways *w)
{
	int ret = slowfile_wait(&w->slow);

	return ret ? ret : slowfile_let(&w->slow);
}

FIXTURE(way) {
	struct gs gs;
	struct gs_m a, b;
};

FIXTURE_VARIANT(way) {
	int (*open)(struct ways *w);
	gs_job sleep;
	int (*end)(struct ways *w);
};

FIXTURE_VARIANT_ADD(way, read) { open_pipe, sleep_in_read, end_read };
FIXTURE_VARIANT_ADD(way, nanosleep) { open_nothing, sleep_in_nanosleep, end_nanosleep };
FIXTURE_VARIANT_ADD(way, futex) { open_nothing, sleep_in_futex, end_futex };
FIXTURE_VARIANT_ADD(way, fault_userfaultfd) { open_uffd, sleep_in_uffd, end_uffd };
FIXTURE_VARIANT_ADD(way, fault_file) { open_file, sleep_in_file, end_file };

FIXTURE_SETUP(way)
{
	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 0));
	/* After that has locked what is there: what faults here must fault when it is told to. */
	ASSERT_EQ(0, variant->open(&ways));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->b));
	ASSERT_TRUE(gs_m_parks(&self->b, 0));
}

FIXTURE_TEARDOWN(way)
{
	if (ways.slow.server)
		slowfile_close(&ways.slow);
	close(self->gs.fd);
}

/*
 * Protocol 3 and 5: with work there, the P of an M that falls asleep goes to a PARKED M at once;
 * the sleeper, awake, waits at the border and runs no user code before it holds a P again.
 */
TEST_F(way, hands_on_and_stops_at_the_border)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->a, *b = &self->b;
	struct gsched_info_domain counts;
	__u64 count = a->count;

	gs_put_work(gs, 0);
	gs_m_ask(a, variant->sleep, 0, 0);
	ASSERT_EQ(0, gs_m_answer(b));
	EXPECT_EQ(0, gs_m_saw(b));
	EXPECT_EQ(count + 1, b->count);
	EXPECT_EQ(GSCHED_P_WORD(GSCHED_P_RUNNING, b->id), GS_LOAD(gs->ps[0].word));
	gs_take_work(gs, 0);
	ASSERT_EQ(0, variant->end(&ways));
	ASSERT_TRUE(gs_m_gets(gs, a->id, GSCHED_M_WAITING));
	EXPECT_FALSE(gs_m_answered(a));
	EXPECT_TRUE(gs_m_info(gs, a->id).flags & GSCHED_INFO_M_LOST);
	EXPECT_EQ(GSCHED_M_LOST_P, GS_LOAD(gs->ms[a->id].word));
	ASSERT_EQ(0, gs_m_do(b, gs_do_release, 0, 0));
	ASSERT_EQ(0, gs_m_answer(a));
	EXPECT_EQ(0, gs_m_saw(a));
	EXPECT_EQ(0, a->word & GSCHED_M_LOST_P);
	EXPECT_EQ(count + 2, a->count);
	EXPECT_FALSE(gs_m_info(gs, a->id).flags & GSCHED_INFO_M_LOST);
	counts = gs_counts(gs);
	EXPECT_EQ(1, counts.handoffs);
	EXPECT_EQ(1, counts.grants_parked);
	EXPECT_EQ(1, counts.lost);
	EXPECT_LE(1, counts.blocks);
	EXPECT_LE(1, counts.borders);
	EXPECT_LT(0, counts.border_ns);
}

/*
 * Protocol 3: with nothing to do the P stays with the sleeper, which takes it back and meets no
 * border.
 */
TEST_F(way, keeps_a_p_nobody_wants)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->a, *b = &self->b;
	struct gsched_info_domain counts;
	__u64 count = a->count, word = a->word;

	gs_m_ask(a, variant->sleep, 0, 0);
	ASSERT_TRUE(gs_p_gets(gs, 0, GSCHED_P_BLOCKED, a->id));
	ASSERT_EQ(0, variant->end(&ways));
	ASSERT_EQ(0, gs_m_answer(a));
	EXPECT_EQ(word, a->word);
	EXPECT_EQ(count, a->count);
	EXPECT_EQ(GSCHED_M_PARKED, gs_m_info(gs, b->id).state);
	counts = gs_counts(gs);
	EXPECT_LE(1, counts.takebacks);
	EXPECT_EQ(counts.blocks, counts.takebacks);
	EXPECT_EQ(0, counts.handoffs);
	EXPECT_EQ(0, counts.lost);
	EXPECT_EQ(0, counts.borders);
}

/* ---- which hints count ---- */

FIXTURE(hint) {
	struct gs gs;
	struct gs_m a, b, c;	/* a blocks, b is PARKED, c holds the second P, if there is one */
	int pipe[2];
};

FIXTURE_VARIANT(hint) {
	int nr_p;
	void (*set)(struct gs *gs);
	bool hands_on;
};

static void own_ring(struct gs *gs)
{
	gs->ph[0].tail = 1;
}

static void own_ring_wrapped(struct gs *gs)
{
	gs->ph[0].head = ~0U;
}

static void empty_ring(struct gs *gs)
{
	gs->ph[0].head = 41;
	gs->ph[0].tail = 41;
	gs->hint->has_work[0] = 1;
}

static void own_runnext(struct gs *gs)
{
	gs->ph[0].runnext = 1ULL << 63;
}

static void global_queue(struct gs *gs)
{
	gs->hint->gqlen = 1;
}

static void global_queue_and_spinning(struct gs *gs)
{
	gs->hint->gqlen = 1;
	gs->hint->nspinning = 1;
}

static void other_ring(struct gs *gs)
{
	gs_put_work(gs, 1);
}

static void other_runnext(struct gs *gs)
{
	gs->ph[1].runnext = 5;
	gs->hint->has_work[0] = 2;
}

static void other_ring_and_spinning(struct gs *gs)
{
	gs_put_work(gs, 1);
	gs->hint->nspinning = 1;
}

static void other_bit_is_stale(struct gs *gs)
{
	gs->hint->has_work[0] = 2;
}

static void other_ring_without_bit(struct gs *gs)
{
	gs->ph[1].tail = 1;
}

static void bits_past_the_last(struct gs *gs)
{
	gs->hint->has_work[0] = ~3ULL;
	memset(&gs->hint->has_work[1], 0xff, sizeof(gs->hint->has_work) - 8);
}

static void timer(struct gs *gs)
{
	gs->hint->next_when = 1;
}

static void timer_and_polling(struct gs *gs)
{
	gs->hint->next_when = 1;
	gs->hint->npolling = 1;
}

static void io(struct gs *gs)
{
	gs->hint->niowait = 1;
}

static void io_and_polling(struct gs *gs)
{
	gs->hint->niowait = 1;
	gs->hint->npolling = 1;
}

static void polling(struct gs *gs)
{
	gs->hint->npolling = 1;
}

/* The list of protocol 3.4, each entry with what makes it count and what makes it not. */
FIXTURE_VARIANT_ADD(hint, own_ring) { 1, own_ring, true };
FIXTURE_VARIANT_ADD(hint, own_ring_wrapped) { 1, own_ring_wrapped, true };
FIXTURE_VARIANT_ADD(hint, empty_ring) { 1, empty_ring, false };
FIXTURE_VARIANT_ADD(hint, own_runnext) { 1, own_runnext, true };
FIXTURE_VARIANT_ADD(hint, global_queue) { 1, global_queue, true };
FIXTURE_VARIANT_ADD(hint, global_queue_and_spinning) { 1, global_queue_and_spinning, true };
FIXTURE_VARIANT_ADD(hint, other_ring) { 2, other_ring, true };
FIXTURE_VARIANT_ADD(hint, other_runnext) { 2, other_runnext, true };
FIXTURE_VARIANT_ADD(hint, other_ring_and_spinning) { 2, other_ring_and_spinning, false };
FIXTURE_VARIANT_ADD(hint, other_ring_and_idle_p) { 3, other_ring, false };
FIXTURE_VARIANT_ADD(hint, other_bit_is_stale) { 2, other_bit_is_stale, false };
FIXTURE_VARIANT_ADD(hint, other_ring_without_bit) { 2, other_ring_without_bit, false };
FIXTURE_VARIANT_ADD(hint, bits_past_the_last) { 2, bits_past_the_last, false };
FIXTURE_VARIANT_ADD(hint, timer) { 1, timer, true };
FIXTURE_VARIANT_ADD(hint, timer_and_polling) { 1, timer_and_polling, false };
FIXTURE_VARIANT_ADD(hint, io) { 1, io, true };
FIXTURE_VARIANT_ADD(hint, io_and_polling) { 1, io_and_polling, false };
FIXTURE_VARIANT_ADD(hint, polling) { 1, polling, false };

FIXTURE_SETUP(hint)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, gs_make_domain(gs, variant->nr_p, 0));
	ASSERT_EQ(0, gs_m_start_on(gs, &self->a));
	ASSERT_EQ(0, gs_m_saw(&self->a));
	ASSERT_EQ(0, gs_m_start(gs, &self->b));
	ASSERT_TRUE(gs_m_parks(&self->b, 0));
	if (variant->nr_p > 1) {
		ASSERT_EQ(0, gs_m_start_on(gs, &self->c));
		ASSERT_EQ(1, gs_m_saw(&self->c));
	}
}

FIXTURE_TEARDOWN(hint)
{
	close(self->gs.fd);
}

/* Protocol 3.4: the hook hands on for what handoffp lists, and for nothing else. */
TEST_F(hint, counts)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->a, *b = &self->b;

	variant->set(gs);
	gs_m_ask(a, gs_do_read, self->pipe[0], 0);
	if (variant->hands_on) {
		ASSERT_EQ(0, gs_m_answer(b));
		EXPECT_EQ(0, gs_m_saw(b));
		EXPECT_EQ(1, gs_counts(gs).handoffs);
		return;
	}
	ASSERT_TRUE(gs_p_gets(gs, 0, GSCHED_P_BLOCKED, a->id));
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	EXPECT_EQ(1, gs_m_answer(a));
	EXPECT_EQ(0, gs_m_saw(a));
	EXPECT_EQ(0, gs_counts(gs).handoffs);
	EXPECT_EQ(GSCHED_M_PARKED, gs_m_info(gs, b->id).state);
}

/* ---- who gets it ---- */

FIXTURE(handoff) {
	struct gs gs;
	struct gs_m m[4];
	int pipe[4][2];
};

FIXTURE_SETUP(handoff)
{
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pipe(self->pipe[i]));
	ASSERT_EQ(0, gs_stopper_start());
	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 0));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->m[0]));
	for (i = 1; i < 4; i++)
		ASSERT_EQ(0, gs_m_start(&self->gs, &self->m[i]));
}

FIXTURE_TEARDOWN(handoff)
{
	close(self->gs.fd);
}

static bool is_let(int fd)
{
	return write(fd, "", 1) == 1;
}

/* Protocol 3.5: a WAITING M is use enough, and it comes before a PARKED one. */
TEST_F(handoff, waiting_before_parked)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *parked = &self->m[1], *waiting = &self->m[2];
	__u64 grants = gs_counts(gs).grants_waiting;

	ASSERT_TRUE(gs_m_parks(parked, 0));
	ASSERT_TRUE(gs_m_waits(waiting));
	gs_m_ask(a, gs_do_read, self->pipe[0][0], 0);
	ASSERT_EQ(0, gs_m_answer(waiting));
	EXPECT_EQ(0, gs_m_saw(waiting));
	EXPECT_EQ(GSCHED_M_PARKED, gs_m_info(gs, parked->id).state);
	EXPECT_EQ(1, gs_counts(gs).handoffs);
	EXPECT_EQ(grants + 1, gs_counts(gs).grants_waiting);
	EXPECT_EQ(0, gs_counts(gs).grants_parked);
}

/* The same with work there for the PARKED one: the WAITING M has a goroutine half-way. */
TEST_F(handoff, waiting_before_parked_with_work)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *parked = &self->m[1], *waiting = &self->m[2];

	ASSERT_TRUE(gs_m_parks(parked, 0));
	ASSERT_TRUE(gs_m_waits(waiting));
	gs_put_work(gs, 0);
	gs_m_ask(a, gs_do_read, self->pipe[0][0], 0);
	ASSERT_EQ(0, gs_m_answer(waiting));
	EXPECT_EQ(GSCHED_M_PARKED, gs_m_info(gs, parked->id).state);
	/* When that one blocks as well, it is the PARKED one's turn. */
	gs_m_ask(waiting, gs_do_read, self->pipe[1][0], 0);
	ASSERT_EQ(0, gs_m_answer(parked));
	EXPECT_EQ(2, gs_counts(gs).handoffs);
}

/* Protocol 3.5: of the PARKED Ms, none nearer than the other, the last one in is the warmest. */
TEST_F(handoff, most_recently_parked)
{
	struct gs *gs = &self->gs;
	int i, order[] = { 2, 3, 1 };

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, gs_pin(self->m[i].tid, 0));
	for (i = 0; i < 3; i++)
		ASSERT_TRUE(gs_m_parks(&self->m[order[i]], 0));
	gs_put_work(gs, 0);
	gs_m_ask(&self->m[0], gs_do_read, self->pipe[0][0], 0);
	ASSERT_EQ(0, gs_m_answer(&self->m[1]));
	EXPECT_EQ(0, gs_m_saw(&self->m[1]));
	EXPECT_EQ(2, gs_counts(gs).nparked);
}

/* Each of m[0..2] has blocked and lost the P to the next; m[3] holds it. */
static bool three_have_lost(struct gs *gs, struct gs_m *m, int pipes[][2])
{
	int i;

	gs_put_work(gs, 0);
	for (i = 0; i < 3; i++) {
		if (!gs_m_parks(&m[i + 1], 0))
			return false;
		gs_m_ask(&m[i], gs_do_read, pipes[i][0], 0);
		if (gs_m_answer(&m[i + 1]) || gs_m_saw(&m[i + 1]))
			return false;
	}
	gs_take_work(gs, 0);
	return true;
}

/* Protocol 5: at the border Ms wait in order of arrival, and each is let go on with the P. */
TEST_F(handoff, border_in_order_of_arrival)
{
	static const int order[] = { 1, 2, 0 };
	struct gs *gs = &self->gs;
	struct gs_m *m = self->m;
	int i;

	ASSERT_TRUE(three_have_lost(gs, m, self->pipe));
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(is_let(self->pipe[order[i]][1]));
		ASSERT_TRUE(gs_m_gets(gs, m[order[i]].id, GSCHED_M_WAITING));
		EXPECT_EQ((__u32)i + 1, GS_LOAD(gs->status->nwaiting));
	}
	ASSERT_EQ(0, gs_m_do(&m[3], gs_do_release, 0, 0));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(1, gs_m_answer(&m[order[i]]));
		EXPECT_EQ(0, gs_m_saw(&m[order[i]]));
		EXPECT_EQ(2 - (__u32)i, GS_LOAD(gs->status->nwaiting));
		ASSERT_EQ(0, gs_m_do(&m[order[i]], gs_do_release, 0, 0));
	}
	EXPECT_EQ(0, gs_counts(gs).excess_signal);
}

static __thread struct gs_m *me;
static __u64 handler_word[4];
static int handled;

static void handler(int sig)
{
	GS_STORE(handler_word[GS_LOAD(handled) % 4], GS_LOAD(me->gs->ms[me->id].word));
	__atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

static long do_tell_handler(struct gs_m *m, __u64 a, __u64 b)
{
	me = m;
	return 0;
}

/*
 * Protocol 5: a signal lets an M out of the border's wait, but it is back before any user code, in
 * its old place.
 */
TEST_F(handoff, a_signal_keeps_its_place)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
	struct gs *gs = &self->gs;
	struct gs_m *m = self->m;
	__u64 out;
	int i;

	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	ASSERT_EQ(0, sigaction(SIGUSR2, &sa, NULL));
	ASSERT_EQ(0, gs_m_do(&m[0], do_tell_handler, 0, 0));
	ASSERT_TRUE(three_have_lost(gs, m, self->pipe));
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(is_let(self->pipe[i][1]));
		ASSERT_TRUE(gs_m_gets(gs, m[i].id, GSCHED_M_WAITING));
	}
	/* The second signal finds the first one's frame set up, its handler not begun. */
	for (i = 0; i < 2; i++) {
		out = gs_counts(gs).excess_signal;
		ASSERT_EQ(0, pthread_kill(m[0].thread, i ? SIGUSR2 : SIGUSR1));
		ASSERT_TRUE(GS_UNTIL(gs_counts(gs).excess_signal > out));
		ASSERT_TRUE(GS_UNTIL(GS_LOAD(gs->status->nwaiting) == 3));
	}
	EXPECT_EQ(0, GS_LOAD(handled));
	EXPECT_FALSE(gs_m_answered(&m[0]));
	ASSERT_EQ(0, gs_m_do(&m[3], gs_do_release, 0, 0));
	ASSERT_EQ(1, gs_m_answer(&m[0]));
	EXPECT_EQ(2, handled);
	EXPECT_EQ(1, handler_word[0]);
	EXPECT_EQ(1, handler_word[1]);
	EXPECT_FALSE(gs_m_answered(&m[1]));
	EXPECT_FALSE(gs_m_answered(&m[2]));
	EXPECT_EQ(2, GS_LOAD(gs->status->nwaiting));
}

/* Protocol 5: the border stands back for stop and continue, and stands again. */
TEST_F(handoff, stop_and_continue_at_the_border)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];

	ASSERT_TRUE(gs_m_parks(b, 0));
	gs_put_work(gs, 0);
	gs_m_ask(a, gs_do_read, self->pipe[0][0], 0);
	ASSERT_EQ(0, gs_m_answer(b));
	gs_take_work(gs, 0);
	ASSERT_TRUE(is_let(self->pipe[0][1]));
	ASSERT_TRUE(gs_m_gets(gs, a->id, GSCHED_M_WAITING));
	ASSERT_EQ(0, gs_stop_and_continue());
	/* Stopped, b slept: whoever went on first has the P, and the other one waits. */
	ASSERT_TRUE(GS_UNTIL(GS_LOAD(gs->status->nwaiting) == 1 &&
			     gs_p(gs, 0).state == GSCHED_P_RUNNING));
	if (gs_p(gs, 0).m == a->id) {
		EXPECT_EQ(1, gs_m_answer(a));
		EXPECT_TRUE(gs_m_gets(gs, b->id, GSCHED_M_WAITING));
		EXPECT_EQ(0, gs_m_do(a, gs_do_release, 0, 0));
		EXPECT_EQ(0, gs_m_do(b, gs_do_nothing, 0, 0));
	} else {
		EXPECT_FALSE(gs_m_answered(a));
		EXPECT_EQ(0, gs_m_do(b, gs_do_release, 0, 0));
		EXPECT_EQ(1, gs_m_answer(a));
	}
}

/* ---- exceptions that are counted ---- */

/*
 * Protocol 3.2: with nopreempt set the sleeper keeps its P, work or not, and INFO names it after
 * 100 ms.
 */
TEST_F(handoff, nopreempt_keeps_the_p)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];
	__u64 begin, count = a->count;

	ASSERT_TRUE(gs_m_parks(b, 0));
	ASSERT_EQ(0, gs_m_do(a, gs_do_nopreempt, 1, 0));
	gs_put_work(gs, 0);
	begin = gs_now();
	gs_m_ask(a, gs_do_read, self->pipe[0][0], 0);
	ASSERT_TRUE(GS_UNTIL(gs_counts(gs).blocks_nopreempt));
	ASSERT_TRUE(gs_tid_sleeps(a->tid));
	EXPECT_TRUE(gs_p_gets(gs, 0, GSCHED_P_RUNNING, a->id));
	EXPECT_TRUE(GS_UNTIL(gs_m_info(gs, a->id).flags & GSCHED_INFO_M_HOARD));
	EXPECT_LE(begin + 100 * GS_MS, gs_now());
	EXPECT_FALSE(gs_m_info(gs, b->id).flags & GSCHED_INFO_M_HOARD);
	EXPECT_EQ(GSCHED_M_PARKED, gs_m_info(gs, b->id).state);
	ASSERT_TRUE(is_let(self->pipe[0][1]));
	ASSERT_EQ(1, gs_m_answer(a));
	EXPECT_EQ(0, gs_m_saw(a));
	EXPECT_EQ(count, a->count);
	EXPECT_FALSE(gs_m_info(gs, a->id).flags & GSCHED_INFO_M_HOARD);
	EXPECT_EQ(0, gs_counts(gs).handoffs);
	EXPECT_EQ(0, gs_counts(gs).borders);
}

/*
 * Protocol 5: in cooperative mode it passes the border, is told that it lost its P, and gets one by
 * ACQUIRE.
 */
TEST_F(handoff, cooperative_passes)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0], *b = &self->m[1];

	ASSERT_TRUE(gs_m_parks(b, 0));
	ASSERT_EQ(0, gs_m_do(a, gs_do_mode, GSCHED_MODE_COOPERATIVE, 0));
	gs_put_work(gs, 0);
	gs_m_ask(a, gs_do_read, self->pipe[0][0], 0);
	ASSERT_EQ(0, gs_m_answer(b));
	gs_take_work(gs, 0);
	ASSERT_TRUE(is_let(self->pipe[0][1]));
	EXPECT_EQ(1, gs_m_answer(a));
	EXPECT_EQ(GSCHED_M_LOST_P, a->word);
	EXPECT_LE(1, gs_counts(gs).excess_cooperative);
	EXPECT_EQ(0, gs_counts(gs).borders);
	ASSERT_EQ(0, gs_m_do(a, gs_do_mode, GSCHED_MODE_NORMAL, 0));
	ASSERT_TRUE(gs_m_waits(a));
	EXPECT_EQ(0, gs_m_do(b, gs_do_release, 0, 0));
	EXPECT_EQ(0, gs_m_answer(a));
	EXPECT_EQ(1, a->word);
}

/* Protocol 3.5: without an M to give it to the P starves, and the sleeper is spared the border. */
TEST_F(handoff, nobody_there)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->m[0];
	__u64 count = a->count;

	gs_put_work(gs, 0);
	gs_m_ask(a, gs_do_read, self->pipe[0][0], 0);
	ASSERT_TRUE(GS_UNTIL(GS_LOAD(gs->status->starved)));
	EXPECT_TRUE(gs_p_gets(gs, 0, GSCHED_P_BLOCKED, a->id));
	EXPECT_EQ(1, gs_counts(gs).wanted);
	ASSERT_TRUE(is_let(self->pipe[0][1]));
	EXPECT_EQ(1, gs_m_answer(a));
	EXPECT_EQ(0, gs_m_saw(a));
	EXPECT_EQ(count, a->count);
	EXPECT_EQ(0, gs_counts(gs).borders);
}

/* An M without a P that sleeps is of no concern to anybody. */
TEST_F(handoff, free_ms_sleep_freely)
{
	struct gs *gs = &self->gs;
	struct gs_m *free = &self->m[1];
	__u64 blocks = gs_counts(gs).blocks;

	gs_m_ask(free, gs_do_read, self->pipe[1][0], 0);
	ASSERT_TRUE(gs_tid_sleeps(free->tid));
	EXPECT_EQ(GSCHED_M_FREE, gs_m_info(gs, free->id).state);
	ASSERT_TRUE(is_let(self->pipe[1][1]));
	EXPECT_EQ(1, gs_m_answer(free));
	EXPECT_EQ(0, free->word);
	EXPECT_EQ(blocks, gs_counts(gs).blocks);
	EXPECT_EQ(0, gs_counts(gs).borders);
}

TEST_HARNESS_MAIN
