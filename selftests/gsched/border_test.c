// SPDX-License-Identifier: GPL-2.0
/*
 * The border of an M that runs and is asked for its P (protocol 5): wherever it is, and whatever is
 * done to it, it comes, and soon. STOP is who asks.
 */
#include "gsched_util.h"

#include <sys/uio.h>

#include "kselftest_harness.h"

/* The grace of STOP: the least there is */
#define GRACE_NS	100000ULL
/* How often STOP asks again: a request that is lost costs as much, and the victim runs on */
#define AGAIN_NS	(100 * GS_MS)
#define LOST_NS		(AGAIN_NS * 9 / 10)
/* An emulated processor stands still now and then. Such a gap is not time that the M ran. */
#define GAP_NS		(2 * GS_MS)

static bool over;
static __u64 turns;		/* how often the victim went round */
static __u64 ran_ns;		/* for how long, without the gaps */

/* User code that never enters the kernel. */
static long do_spin(struct gs_m *m, __u64 a, __u64 b)
{
	__u64 last = gs_now(), now;

	while (!GS_LOAD(over)) {
		now = gs_now();
		if (now - last < GAP_NS)
			GS_STORE(ran_ns, ran_ns + now - last);
		last = now;
		GS_STORE(turns, turns + 1);
	}
	return 0;
}

static bool goes_round(void)
{
	__u64 was = GS_LOAD(turns);

	return GS_UNTIL(GS_LOAD(turns) != was);
}

/* Does it stand still, for as long as others need for something? */
static bool stands_still(struct gs *gs)
{
	__u64 was = GS_LOAD(turns);
	int i;

	for (i = 0; i < 100; i++)
		gs_counts(gs);
	return GS_LOAD(turns) == was;
}

FIXTURE(border) {
	struct gs gs;
	struct gs_m stopper, victim;
};

FIXTURE_SETUP(border)
{
	struct gs *gs = &self->gs;
	struct gsched_tune tune = {
		.size = sizeof(tune), .flags = GSCHED_TUNE_SLICE | GSCHED_TUNE_GRACE,
		.slice_ns = AGAIN_NS, .grace_ns = GRACE_NS,
	};

	ASSERT_EQ(0, gs_make_domain(gs, 2, 0));
	ASSERT_EQ(0, gs_ioctl(gs->fd, GSCHED_IOC_TUNE, &tune));
	ASSERT_EQ(0, gs_m_start_on(gs, &self->stopper));
	ASSERT_EQ(0, gs_m_start_on(gs, &self->victim));
}

FIXTURE_TEARDOWN(border)
{
	GS_STORE(over, true);
	close(self->gs.fd);
}

/* ---- where the victim is ---- */

#define CALL_PART	(1 << 20)
#define CALL_PARTS	16

static char call_buffer[CALL_PART];

/* A system call that computes for long: random numbers, to the same place again and again. */
static long do_long_call(struct gs_m *m, __u64 fd, __u64 b)
{
	struct iovec parts[CALL_PARTS];
	ssize_t n;
	int i;

	for (i = 0; i < CALL_PARTS; i++)
		parts[i] = (struct iovec){ call_buffer, CALL_PART };
	GS_STORE(turns, turns + 1);
	n = readv(fd, parts, CALL_PARTS);
	GS_STORE(turns, turns + 1);
	return n;
}

/* A system call that computes is not disturbed: its thread comes to the border after it. */
TEST_F(border, after_a_long_call)
{
	struct gs_m *stopper = &self->stopper, *victim = &self->victim;
	struct gs *gs = &self->gs;
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	memset(call_buffer, 1, sizeof(call_buffer));
	gs_m_ask(victim, do_long_call, fd, 0);
	ASSERT_TRUE(GS_UNTIL(GS_LOAD(turns)));
	ASSERT_EQ(0, gs_m_do(stopper, gs_do_stop, GSCHED_FOREVER, 0));
	EXPECT_TRUE(gs_m_gets(gs, victim->id, GSCHED_M_WAITING));
	EXPECT_EQ(1, GS_LOAD(turns));
	EXPECT_TRUE(stands_still(gs));
	EXPECT_EQ(1, gs_counts(gs).retakes);
	ASSERT_EQ(0, gs_m_do(stopper, gs_do_start, 0, 0));
	EXPECT_EQ(CALL_PART * CALL_PARTS, gs_m_answer(victim));
}

static long do_hoard_and_read(struct gs_m *m, __u64 fd, __u64 b)
{
	char c;
	int n;

	gs_do_nopreempt(m, 1, 0);
	n = read(fd, &c, 1);
	do_spin(m, 0, 0);
	return n;
}

/*
 * One that sleeps with nopreempt keeps its P, and comes when it wakes; there it keeps it again, and
 * gives it up only when it is asked with nopreempt 0.
 */
TEST_F(border, asleep_with_nopreempt)
{
	struct gs_m *stopper = &self->stopper, *victim = &self->victim;
	struct gs *gs = &self->gs;
	struct gsched_stop stop;
	int fd[2];

	ASSERT_EQ(0, pipe(fd));
	gs_m_ask(victim, do_hoard_and_read, fd[0], 0);
	ASSERT_TRUE(GS_UNTIL(gs_counts(gs).blocks_nopreempt));
	ASSERT_EQ(-ETIMEDOUT, gs_m_do(stopper, gs_do_stop, gs_in_ms(20), (uintptr_t)&stop));
	EXPECT_EQ(1, stop.nr);
	EXPECT_EQ(victim->id, stop.m);
	EXPECT_TRUE(gs_tid_sleeps(victim->tid));
	ASSERT_EQ(1, write(fd[1], "", 1));
	EXPECT_TRUE(goes_round());
	EXPECT_LE(1, gs_counts(gs).retakes_nopreempt);
	EXPECT_EQ(0, gs_counts(gs).retakes);
	GS_STORE(gs->mh[victim->id].nopreempt, 0);
	ASSERT_EQ(0, gs_m_do(stopper, gs_do_stop, GSCHED_FOREVER, 0));
	EXPECT_EQ(1, gs_counts(gs).retakes);
	EXPECT_TRUE(stands_still(gs));
	ASSERT_EQ(0, gs_m_do(stopper, gs_do_start, 0, 0));
	EXPECT_TRUE(goes_round());
}

/* ---- how soon it comes ---- */

/* How long the victim ran on after it was asked: so many rounds in less than so many ms each */
static const __u32 ran_ms[] = { 1, 10, 100, 500, ~0U };

#define NR_RAN	ARRAY_SIZE(ran_ms)

struct rounds {
	__u32 nr, done;
	bool at_once;	/* the next request comes while the P is being granted */
	__u64 sum_ns, worst_ns;		/* of STOP */
	__u64 worst_ran_ns;		/* what the victim ran of it */
	__u32 lost;			/* how often that was longer than LOST_NS */
	__u32 ran[NR_RAN];
};

static void count_ran(struct rounds *r, __u64 ran)
{
	unsigned int i = 0;

	while (ran / GS_MS >= ran_ms[i])
		i++;
	r->ran[i]++;
	r->lost += ran > LOST_NS;
	if (ran > r->worst_ran_ns)
		r->worst_ran_ns = ran;
}

static long do_rounds(struct gs_m *m, __u64 arg, __u64 b)
{
	struct rounds *r = (void *)(uintptr_t)arg;
	__u64 since, took, ran, was;
	__u32 i;
	int ret;

	for (i = 0; i < r->nr; i++, GS_STORE(r->done, i)) {
		since = gs_now();
		ran = GS_LOAD(ran_ns);
		ret = gs_stop(m->gs, gs_in_ms(10000), NULL);
		if (ret)
			return ret;
		took = gs_now() - since;
		ran = GS_LOAD(ran_ns) - ran;
		r->sum_ns += took;
		if (took > r->worst_ns)
			r->worst_ns = took;
		count_ran(r, ran);
		while (!GS_LOAD(m->gs->status->nwaiting))
			;
		was = GS_LOAD(turns);
		ret = gs_start(m->gs);
		if (ret)
			return ret;
		/* START gave the P to the victim, which may not know it yet. */
		while (!r->at_once && GS_LOAD(turns) == was)
			;
	}
	return 0;
}

#define ROUNDS_TIMEOUT	600	/* for many of them; what runs the tests may be stricter */

/* BORDER_ROUNDS in the environment says how many requests; at first 1000. */
static void ask_often(struct __test_metadata *_metadata, FIXTURE_DATA(border) *self, bool at_once)
{
	const char *nr = getenv("BORDER_ROUNDS");
	struct rounds r = { .nr = nr ? strtoul(nr, NULL, 0) : 1000, .at_once = at_once };
	struct gs *gs = &self->gs;
	struct gsched_info_domain n;
	__u32 done;

	gs_m_ask(&self->victim, do_spin, 0, 0);
	ASSERT_TRUE(goes_round());
	gs_m_ask(&self->stopper, do_rounds, (uintptr_t)&r, 0);
	do
		done = GS_LOAD(r.done);
	while (GS_UNTIL(gs_m_answered(&self->stopper) || GS_LOAD(r.done) != done) &&
	       !gs_m_answered(&self->stopper));
	EXPECT_EQ(0, gs_m_answer(&self->stopper));
	n = gs_counts(gs);
	TH_LOG("%u stops, %llu retakes, %llu kicks: mean %llu us, worst %llu, ran for %llu us of it",
	       r.nr, n.retakes, n.border_kicks, r.sum_ns / r.nr / 1000, r.worst_ns / 1000,
	       r.worst_ran_ns / 1000);
	TH_LOG("it ran for less than 1 ms %u times, 10 ms %u, 100 ms %u, 500 ms %u, more %u",
	       r.ran[0], r.ran[1], r.ran[2], r.ran[3], r.ran[4]);
	/* The stopper's emulated processor may stand still, too, before it asks: never so often. */
	EXPECT_GE(r.nr / 100, r.lost);
	EXPECT_EQ(0, r.ran[NR_RAN - 1]);
	EXPECT_EQ(r.nr, n.retakes);
	EXPECT_TRUE(goes_round());
}

/* Each of many requests is heard: none has to be made twice. */
TEST_F_TIMEOUT(border, none_is_lost, ROUNDS_TIMEOUT)
{
	ask_often(_metadata, self, false);
}

/* Nor has one that comes while the victim is being granted the P, or has not left its wait yet. */
TEST_F_TIMEOUT(border, none_is_lost_after_a_grant, ROUNDS_TIMEOUT)
{
	ask_often(_metadata, self, true);
}

/* ---- whatever is done to it ---- */

#define STORM_NS	(3000 * GS_MS)
#define LOOK_NS		(100 * 1000)	/* how long somebody may be seen who should stand still */

static __thread struct gs_m *me;
static bool storm_over;
static int handled, handled_without;

static void handler(int sig)
{
	__atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
	if (me && !GSCHED_M_P(GS_LOAD(me->gs->ms[me->id].word)))
		__atomic_fetch_add(&handled_without, 1, __ATOMIC_SEQ_CST);
}

static long do_spin_with_handler(struct gs_m *m, __u64 a, __u64 b)
{
	me = m;
	return do_spin(m, a, b);
}

static void *send_signals(void *arg)
{
	struct gs_m *m = arg;

	while (!GS_LOAD(storm_over)) {
		pthread_kill(m->thread, SIGUSR1);
		usleep(300);
	}
	return NULL;
}

static void *hop(void *arg)
{
	struct gs_m *m = arg;
	unsigned int nr = sysconf(_SC_NPROCESSORS_ONLN), cpu = 0;

	while (!GS_LOAD(storm_over)) {
		gs_pin(m->tid, cpu++ % nr);
		usleep(100);
	}
	return NULL;
}

/* In bursts, on each CPU in turn, above all other threads of the test. */
static void *compete(void *arg)
{
	struct sched_param param = { .sched_priority = 10 };
	unsigned int nr = sysconf(_SC_NPROCESSORS_ONLN), cpu = 0;
	__u64 end;

	if (sched_setscheduler(0, SCHED_FIFO, &param))
		return (void *)1;
	while (!GS_LOAD(storm_over)) {
		gs_pin(0, cpu++ % nr);
		for (end = gs_now() + GS_MS; gs_now() < end;)
			;
		usleep(1000);
	}
	return NULL;
}

/* Stops the world, sees that nobody runs, starts it; until the storm is over. The rounds, or -1. */
static long do_storm(struct gs_m *m, __u64 arg, __u64 b)
{
	unsigned long *moved = (void *)(uintptr_t)arg;
	long rounds = 0;
	__u64 was, end;

	while (!GS_LOAD(storm_over)) {
		if (gs_stop(m->gs, gs_in_ms(10000), NULL))
			return -1;
		was = GS_LOAD(turns);
		for (end = gs_now() + LOOK_NS; gs_now() < end;)
			;
		*moved += GS_LOAD(turns) != was;
		was = GS_LOAD(turns);
		if (gs_start(m->gs) || !GS_UNTIL(GS_LOAD(turns) != was))
			return -1;
		rounds++;
	}
	return rounds;
}

/*
 * Asked again and again while signals come, while it is moved from CPU to CPU, and while others of
 * a higher class take its CPU: each request is heard, and no user code runs without a P but what
 * the counts of excess say.
 */
TEST_F_TIMEOUT(border, storm, 60)
{
	struct sigaction sa = { .sa_handler = handler };
	struct gs *gs = &self->gs;
	struct gsched_info_domain n;
	pthread_t threads[3];
	unsigned long moved = 0;
	void *failed;
	long rounds;

	sigaction(SIGUSR1, &sa, NULL);
	gs_m_ask(&self->victim, do_spin_with_handler, 0, 0);
	ASSERT_TRUE(goes_round());
	ASSERT_EQ(0, pthread_create(&threads[0], NULL, send_signals, &self->victim));
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, hop, &self->victim));
	ASSERT_EQ(0, pthread_create(&threads[2], NULL, compete, NULL));
	gs_m_ask(&self->stopper, do_storm, (uintptr_t)&moved, 0);
	usleep(STORM_NS / 1000);
	GS_STORE(storm_over, true);
	rounds = gs_m_answer(&self->stopper);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	pthread_join(threads[2], &failed);
	EXPECT_EQ(NULL, failed);
	n = gs_counts(gs);
	TH_LOG("%ld stops, %d signals; let out %llu times, %llu by the timer; %lu times it ran",
	       rounds, handled, n.excess_signal, n.excess_timer, moved);
	EXPECT_LT(10, rounds);
	EXPECT_LT(10, handled);
	EXPECT_LE(rounds, n.retakes);
	/* not only by the timer: who takes its CPU may send it back first */
	EXPECT_GE(n.excess_signal, moved);
	EXPECT_GE(n.excess_signal, handled_without);
	EXPECT_TRUE(goes_round());
}

/* The victim dies while it is asked, at any moment: its P is STOPPED, or goes on after START. */
TEST_F_TIMEOUT(border, dying, 60)
{
	struct gs_m *stopper = &self->stopper;
	struct gs *gs = &self->gs;
	struct gs_m m;
	int i;

	gs_m_do(&self->victim, gs_do_release, 0, 0);
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, gs_m_start_on(gs, &m));
		gs_m_ask(stopper, gs_do_stop, GSCHED_FOREVER, 0);
		if (i % 2)
			while (!GS_LOAD(gs->status->stw))
				;
		gs_m_ask(&m, gs_do_exit, 0, 0);
		ASSERT_EQ(0, gs_m_answer(stopper));
		ASSERT_EQ(0, gs_m_do(stopper, gs_do_start, 0, 0));
		gs_m_join(&m);
	}
	EXPECT_TRUE(GS_UNTIL(gs_counts(gs).nr_m == 2));
	EXPECT_EQ(50, gs_counts(gs).deaths);
	EXPECT_TRUE(GS_UNTIL(gs_counts(gs).nidle == 1));
}

TEST_HARNESS_MAIN
