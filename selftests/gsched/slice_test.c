// SPDX-License-Identifier: GPL-2.0
/*
 * PREEMPT, and the slices of time (protocol 6).
 *
 * Times are the kernel's own stamps where it has them. What must not come too early is exact. What
 * must not come too late is judged by the best of a few rounds: an emulated processor stands still
 * whenever the machine below it has other work.
 */
#include "gsched_util.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "kselftest_harness.h"

#define SLICE_NS	(10 * GS_MS)
/* As GSCHED_TUNE_GRACE says of a grace of 0 */
#define GRACE_NS	(SLICE_NS / 10)
/* From one tick of the timer to the next */
#define TICK_NS		(SLICE_NS / 4)
#define SHORTEST_NS	(GS_MS / 2)
#define ROUNDS		5
/* How much longer the best round may take than the rules say, for the emulator's sake */
#define EMULATED	16

/* ---- jobs ---- */

/* How often the timer has ticked. An M may ask while its test ends: then there is no telling. */
static __u64 ticks_of(struct gs *gs)
{
	struct gsched_info_domain d;

	return gs_info(gs, GSCHED_INFO_DOMAIN, 0, &d, sizeof(d)) ? ~0ULL : d.ticks;
}

/* The timer ticks @n times more, now or soon. */
static bool ticks_pass(struct gs *gs, __u64 n)
{
	__u64 ticks = ticks_of(gs);

	return ticks != ~0ULL && GS_UNTIL(ticks_of(gs) >= ticks + n);
}

/* Does it not tick, while another domain's timer ticks 20 times? */
static bool stands_still(struct gs *gs, struct gs *clock)
{
	__u64 ticks;

	/* One that is armed may come yet. */
	if (!ticks_pass(clock, 20))
		return false;
	ticks = gs_counts(gs).ticks;
	return ticks_pass(clock, 20) && gs_counts(gs).ticks == ticks;
}

static bool over;

/* User code and nothing else: no call that would lead over the border of its own accord. */
static long do_spin(struct gs_m *m, __u64 a, __u64 b)
{
	while (!GS_LOAD(over))
		;
	return 0;
}

/* The same, once it has a P. */
static long do_wait_and_spin(struct gs_m *m, __u64 a, __u64 b)
{
	int ret = gs_acquire(m->gs, GSCHED_FOREVER);

	return ret ? ret : do_spin(m, a, b);
}

/* User code, starting a goroutine all the time. Returns the longest time it did not. */
static long do_start_goroutines(struct gs_m *m, __u64 a, __u64 b)
{
	struct gsched_p_hint *hint = &m->gs->ph[gs_m_saw(m)];
	__u64 last = gs_now(), longest = 0, now;

	while (!GS_LOAD(over)) {
		__atomic_fetch_add(&hint->schedtick, 1, __ATOMIC_SEQ_CST);
		now = gs_now();
		if (now - last > longest)
			longest = now - last;
		last = now;
	}
	return longest;
}

/* A well-behaved one: yields to the longest WAITING M when it is asked to. */
static long do_yield_when_asked(struct gs_m *m, __u64 a, __u64 b)
{
	__u64 seen = GS_LOAD(m->gs->ms[m->id].preempt);

	while (GS_LOAD(m->gs->ms[m->id].preempt) == seen)
		;
	return gs_switch(m->gs, GSCHED_M_OLDEST);
}

/* What an M had of the Ps: how often, and how long in all */
struct share {
	__u64	turns;
	__u64	held_ns;
};

static struct share shares[GS_MAX_M];

static long do_share(struct gs_m *m, __u64 a, __u64 b)
{
	struct gsched_m_status *st = &m->gs->ms[m->id];
	struct share *s = &shares[m->id];
	__u64 granted = 0, now;

	while (!GS_LOAD(over)) {
		now = GS_LOAD(st->granted_ns);
		if (now == granted)
			continue;
		/* It came back: lost_ns is when it last gave a P up. */
		if (granted)
			s->held_ns += GS_LOAD(st->lost_ns) - granted;
		s->turns++;
		granted = now;
	}
	return 0;
}

/* Is asleep, comes back and waits to see two ticks, again and again. */
static long do_sleep_and_run(struct gs_m *m, __u64 fd, __u64 rounds)
{
	for (; rounds; rounds--) {
		if (gs_do_read(m, fd, 0) != 1)
			return -EIO;
		if (!ticks_pass(m->gs, 2))
			return rounds;
	}
	return 0;
}

/*
 * The same with short naps, on the one CPU and the other in turn: the timer is started where the M
 * came back, so in the next nap it is about to stop elsewhere. Returns how many rounds there were,
 * or -1 if the ticks failed to come; says by a byte to @fd that it does.
 */
static long do_nap_and_run(struct gs_m *m, __u64 fd, __u64 duration_ns)
{
	__u64 end = gs_now() + duration_ns;
	struct timespec nap = { 0 };
	unsigned int seed = 3;
	bool ticks = true;
	long round;

	prctl(PR_SET_TIMERSLACK, 1);
	for (round = 0; ticks && gs_now() < end; round++) {
		gs_pin(0, round % 2);
		ticks = ticks_pass(m->gs, 2);
		seed = seed * 1103515245 + 12345;
		nap.tv_nsec = 1 + (seed >> 8) % (SHORTEST_NS / 2);
		nanosleep(&nap, NULL);
		ticks = ticks && ticks_pass(m->gs, 2);
	}
	if (write(fd, "", 1) != 1)
		return -errno;
	return ticks ? round : -1;
}

/* Blocks when somebody is WAITING, goes on with its own goroutine, never looks at a queue. */
static long do_block_and_go_on(struct gs_m *m, __u64 a, __u64 b)
{
	struct timespec nap = { .tv_nsec = GS_MS / 10 };
	int ret = gs_acquire(m->gs, GSCHED_FOREVER);

	while (!ret && !GS_LOAD(over))
		if (GS_LOAD(m->gs->status->nwaiting))
			nanosleep(&nap, NULL);
	return ret;
}

static __u64 spins[GS_MAX_M];

/* Once it has a P, user code that counts. */
static long do_count(struct gs_m *m, __u64 a, __u64 b)
{
	int ret = gs_acquire(m->gs, GSCHED_FOREVER);

	while (!ret && !GS_LOAD(over))
		GS_STORE(spins[m->id], spins[m->id] + 1);
	return ret;
}

static __u64 all_spins(void)
{
	__u64 sum = 0;
	int i;

	for (i = 0; i < GS_MAX_M; i++)
		sum += GS_LOAD(spins[i]);
	return sum;
}

static unsigned int stops;

/*
 * Stops the world, as soon as it has a P to do so with, and sees that nobody counts while the timer
 * ticks @n times; again and again. Returns how often somebody did, or what failed.
 */
static long do_stop_and_look(struct gs_m *m, __u64 rounds, __u64 n)
{
	long seen = 0;
	__u64 was;
	int ret;

	for (; rounds; rounds--) {
		do
			ret = gs_stop(m->gs, GSCHED_FOREVER, NULL);
		while (ret == -EAGAIN);
		if (ret)
			return ret;
		was = all_spins();
		if (!ticks_pass(m->gs, n))
			return -ETIME;
		seen += all_spins() != was;
		ret = gs_start(m->gs);
		if (ret || !GS_UNTIL(all_spins() != was))
			return ret ?: -ETIME;
		GS_STORE(stops, stops + 1);
	}
	return seen;
}

/* ---- PREEMPT ---- */

FIXTURE(slice) {
	struct gs gs;
	struct gs_m a, b, c;	/* a runs on the only P */
	int pipe[2];
};

FIXTURE_SETUP(slice)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, gs_make_domain(gs, 1, 0));
	ASSERT_EQ(0, gs_m_start_on(gs, &self->a));
	ASSERT_EQ(0, gs_m_start(gs, &self->b));
	ASSERT_EQ(0, gs_m_start(gs, &self->c));
}

FIXTURE_TEARDOWN(slice)
{
	GS_STORE(over, true);
	close(self->gs.fd);
}

static __u64 asked(struct gs_m *m)
{
	return GS_LOAD(m->gs->ms[m->id].preempt);
}

/* PREEMPT of one M moves its counter by one and nobody else's, whatever state it is in. */
TEST_F(slice, preempt_one)
{
	struct gs *gs = &self->gs;

	EXPECT_EQ(0, gs_preempt(gs, self->a.id));
	EXPECT_EQ(0, gs_preempt(gs, self->a.id));
	EXPECT_EQ(2, asked(&self->a));
	EXPECT_EQ(0, asked(&self->b));
	EXPECT_EQ(0, gs_preempt(gs, self->b.id));
	ASSERT_TRUE(gs_m_parks(&self->c, 0));
	EXPECT_EQ(0, gs_preempt(gs, self->c.id));
	EXPECT_EQ(2, asked(&self->a));
	EXPECT_EQ(1, asked(&self->b));
	EXPECT_EQ(1, asked(&self->c));
	EXPECT_EQ(4, gs_counts(gs).preempts);
}

/* PREEMPT of all asks each M once. */
TEST_F(slice, preempt_all)
{
	struct gs *gs = &self->gs;

	ASSERT_TRUE(gs_m_waits(&self->b));
	ASSERT_TRUE(gs_m_parks(&self->c, 0));
	EXPECT_EQ(0, gs_preempt(gs, GSCHED_M_ALL));
	EXPECT_EQ(1, asked(&self->a));
	EXPECT_EQ(1, asked(&self->b));
	EXPECT_EQ(1, asked(&self->c));
	EXPECT_EQ(3, gs_counts(gs).preempts);
}

/* PREEMPT of an M that is not, or not any more, is ENOENT. */
TEST_F(slice, preempt_nobody)
{
	struct gs *gs = &self->gs;

	EXPECT_EQ(-ENOENT, gs_preempt(gs, self->c.id + 1));
	EXPECT_EQ(-ENOENT, gs_preempt(gs, GS_MAX_M));
	EXPECT_EQ(-ENOENT, gs_preempt(gs, GSCHED_M_ALL - 1));
	ASSERT_EQ(0, gs_m_do(&self->c, gs_do_unregister, 0, 0));
	EXPECT_EQ(-ENOENT, gs_preempt(gs, self->c.id));
	EXPECT_EQ(0, gs_counts(gs).preempts);
}

/* PREEMPT is a request: an M that takes no notice keeps its P, though somebody waits. */
TEST_F(slice, preempt_alone_takes_nothing)
{
	struct gs clock;
	struct gs_m spinner;
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_make_domain(&clock, 1, 0));
	ASSERT_EQ(0, gs_slice(&clock, SLICE_NS));
	ASSERT_EQ(0, gs_m_start_on(&clock, &spinner));
	ASSERT_TRUE(gs_m_waits(&self->b));
	EXPECT_EQ(0, gs_preempt(gs, GSCHED_M_ALL));
	ASSERT_TRUE(ticks_pass(&clock, 40));
	EXPECT_EQ(GSCHED_M_WAITING, gs_m_info(gs, self->b.id).state);
	EXPECT_EQ(0, gs_counts(gs).retakes + gs_counts(gs).retakes_kept);
	EXPECT_EQ(0, gs_counts(gs).ticks);
}

/* ---- a slice ends ---- */

FIXTURE(end) {
	struct gs gs;
	struct gs_m a, b;	/* a runs on the first P, b is the one that could */
	struct gs_m other;	/* has the second P, if there is one */
};

FIXTURE_VARIANT(end) {
	int nr_p;
	bool waits;
	void (*set)(struct gs *gs);
	void (*unset)(struct gs *gs);
};

static void nothing(struct gs *gs)
{
}

static void own_ring(struct gs *gs)
{
	gs_put_work(gs, 0);
}

static void no_own_ring(struct gs *gs)
{
	gs_take_work(gs, 0);
}

static void own_runnext(struct gs *gs)
{
	GS_STORE(gs->ph[0].runnext, 1);
}

static void no_own_runnext(struct gs *gs)
{
	GS_STORE(gs->ph[0].runnext, 0);
}

static void global_queue(struct gs *gs)
{
	GS_STORE(gs->hint->gqlen, 1);
}

static void no_global_queue(struct gs *gs)
{
	GS_STORE(gs->hint->gqlen, 0);
}

static void timers(struct gs *gs)
{
	GS_STORE(gs->hint->next_when, 1);
}

static void no_timers(struct gs *gs)
{
	GS_STORE(gs->hint->next_when, 0);
}

FIXTURE_VARIANT_ADD(end, waiting) { 1, true, nothing, nothing };
FIXTURE_VARIANT_ADD(end, own_ring) { 1, false, own_ring, no_own_ring };
FIXTURE_VARIANT_ADD(end, own_runnext) { 1, false, own_runnext, no_own_runnext };
FIXTURE_VARIANT_ADD(end, global_queue) { 1, false, global_queue, no_global_queue };
FIXTURE_VARIANT_ADD(end, nobody_polls) { 1, false, timers, no_timers };

FIXTURE_SETUP(end)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_make_domain(gs, variant->nr_p, 0));
	ASSERT_EQ(0, gs_m_start_on(gs, &self->a));
	ASSERT_EQ(0, gs_m_start(gs, &self->b));
}

FIXTURE_TEARDOWN(end)
{
	GS_STORE(over, true);
	close(self->gs.fd);
}

/*
 * Protocol 6, each thing that can wait: an M that runs on is asked after a slice, not earlier, and
 * loses its P a grace later, not earlier; then it waits for its turn.
 */
TEST_F(end, loses_the_p)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->a, *b = &self->b;
	__u64 best = GSCHED_FOREVER, began, took;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		GS_STORE(over, false);
		gs_m_ask(a, do_spin, 0, 0);
		ASSERT_TRUE(variant->waits ? gs_m_waits(b) : gs_m_parks(b, 0));
		variant->set(gs);
		began = gs_now();
		ASSERT_EQ(0, gs_slice(gs, SLICE_NS));
		ASSERT_EQ(0, gs_m_answer(b));
		took = GS_LOAD(gs->ms[b->id].granted_ns) - began;
		ASSERT_EQ(0, gs_slice(gs, 0));
		EXPECT_EQ(0, gs_m_saw(b));
		/* More often if its processor stood still when it should come to the border. */
		EXPECT_LE(i + 1, asked(a));
		EXPECT_TRUE(gs_m_gets(gs, a->id, GSCHED_M_WAITING));
		EXPECT_EQ(i + 1, gs_counts(gs).retakes);
		EXPECT_LE(SLICE_NS + GRACE_NS, took);
		if (took < best)
			best = took;
		variant->unset(gs);
		GS_STORE(over, true);
		ASSERT_EQ(0, gs_m_do(b, gs_do_release, 0, 0));
		ASSERT_EQ(0, gs_m_answer(a));
		EXPECT_EQ(0, gs_m_saw(a));
	}
	TH_LOG("best %llu us", best / 1000);
	/* The slice begins with the first tick it is seen at, and ends with the first after it. */
	EXPECT_GE(EMULATED * (SLICE_NS + GRACE_NS + 2 * TICK_NS) * gs_factor(), best);
}

/* For work on another P's ring a long runner gives its P up only if nobody else looks for it. */
TEST_F(slice, work_of_another_p)
{
	struct gs two;
	struct gs_m a, b, c;

	ASSERT_EQ(0, gs_make_domain(&two, 2, 0));
	ASSERT_EQ(0, gs_m_start_on(&two, &a));
	ASSERT_EQ(0, gs_m_start_on(&two, &b));
	ASSERT_EQ(0, gs_m_start(&two, &c));
	gs_m_ask(&a, do_spin, 0, 0);
	ASSERT_EQ(0, gs_m_do(&b, gs_do_nopreempt, 1, 0));	/* and keeps its P */
	gs_m_ask(&b, do_spin, 0, 0);
	ASSERT_TRUE(gs_m_parks(&c, 0));
	GS_STORE(two.hint->nspinning, 1);
	gs_put_work(&two, 1);
	ASSERT_EQ(0, gs_slice(&two, SLICE_NS));
	ASSERT_TRUE(ticks_pass(&two, 20));
	EXPECT_EQ(0, asked(&a));
	GS_STORE(two.hint->nspinning, 0);
	ASSERT_EQ(0, gs_m_answer(&c));
	EXPECT_EQ(0, gs_m_saw(&c));
	/* A slice later that one loses it, too: a is WAITING. */
	EXPECT_LE(1, gs_counts(&two).retakes);
	close(two.fd);
}

/* Protocol 6: with nothing waiting an M runs on undisturbed; what comes to wait then is seen. */
TEST_F(slice, nothing_waits)
{
	struct gs *gs = &self->gs;
	struct gsched_info_domain counts;

	ASSERT_TRUE(gs_m_parks(&self->b, 0));
	gs_m_ask(&self->a, do_spin, 0, 0);
	ASSERT_EQ(0, gs_slice(gs, SLICE_NS));
	ASSERT_TRUE(ticks_pass(gs, 40));
	counts = gs_counts(gs);
	EXPECT_EQ(0, asked(&self->a));
	EXPECT_EQ(0, counts.preempts);
	EXPECT_EQ(0, counts.retakes + counts.retakes_kept + counts.retakes_nopreempt);
	EXPECT_EQ(0, counts.borders);
	/* Made in user space: nobody calls the kernel. */
	gs_put_work(gs, 0);
	ASSERT_EQ(0, gs_m_answer(&self->b));
	EXPECT_LE(1, asked(&self->a));
}

/*
 * Protocol 6: whoever starts goroutines is not asked, whatever waits. An emulated processor may
 * stand still for a slice: then, and only then, it was.
 */
TEST_F(slice, schedtick_moves)
{
	struct gs *gs = &self->gs;
	long longest;

	gs_m_ask(&self->a, do_start_goroutines, 0, 0);
	ASSERT_TRUE(gs_m_waits(&self->b));
	ASSERT_EQ(0, gs_slice(gs, SLICE_NS));
	/* A request may come between two of its starts, so the counter is read by itself. */
	ASSERT_TRUE(ticks_pass(gs, 80));
	EXPECT_LT(0, gs_counts(gs).ticks);
	ASSERT_EQ(0, gs_slice(gs, 0));
	GS_STORE(over, true);
	ASSERT_TRUE(GS_UNTIL(gs_m_answered(&self->a) || gs_p(gs, 0).m == self->b.id));
	if (!gs_m_answered(&self->a))
		ASSERT_EQ(0, gs_m_do(&self->b, gs_do_release, 0, 0));
	longest = gs_m_answer(&self->a);
	ASSERT_LE(0, longest);
	TH_LOG("asked %llu times, longest stop %ld us", asked(&self->a), longest / 1000);
	EXPECT_TRUE(!asked(&self->a) || longest >= (long)SLICE_NS);
}

/* Protocol 6: who yields when asked is not sent to the border. */
TEST_F(slice, yields_when_asked)
{
	struct gsched_tune tune = {
		.size = sizeof(tune), .flags = GSCHED_TUNE_SLICE | GSCHED_TUNE_GRACE,
		.slice_ns = SLICE_NS, .grace_ns = 100 * GS_MS,
	};
	struct gs *gs = &self->gs;
	__u64 began;

	gs_m_ask(&self->a, do_yield_when_asked, 0, 0);
	ASSERT_TRUE(gs_m_waits(&self->b));
	began = gs_now();
	ASSERT_EQ(0, gs_ioctl(gs->fd, GSCHED_IOC_TUNE, &tune));
	ASSERT_EQ(0, gs_m_answer(&self->b));
	EXPECT_LE(SLICE_NS, GS_LOAD(gs->ms[self->b.id].granted_ns) - began);
	ASSERT_TRUE(ticks_pass(gs, 60));
	EXPECT_EQ(1, asked(&self->a));
	EXPECT_EQ(1, gs_counts(gs).switches);
	EXPECT_EQ(0, gs_counts(gs).borders);
	EXPECT_EQ(0, gs_counts(gs).retakes + gs_counts(gs).retakes_kept);
}

/* Protocol 5: with nopreempt set it keeps its P, and is asked again only after another slice. */
TEST_F(slice, nopreempt_has_another)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->a, *b = &self->b;
	struct gsched_info_domain counts;
	__u64 began, most;

	ASSERT_EQ(0, gs_m_do(a, gs_do_nopreempt, 1, 0));
	gs_m_ask(a, do_spin, 0, 0);
	ASSERT_TRUE(gs_m_waits(b));
	began = gs_now();
	ASSERT_EQ(0, gs_slice(gs, SLICE_NS));
	ASSERT_TRUE(GS_UNTIL(gs_counts(gs).retakes_nopreempt >= 5));
	counts = gs_counts(gs);
	most = (gs_now() - began) / (SLICE_NS + GRACE_NS) + 1;
	EXPECT_GE(most, counts.retakes_nopreempt);
	EXPECT_GE(most + 1, asked(a));
	EXPECT_EQ(0, counts.retakes);
	EXPECT_EQ(0, counts.borders);
	EXPECT_EQ(GSCHED_M_WAITING, gs_m_info(gs, b->id).state);
	GS_STORE(gs->mh[a->id].nopreempt, 0);
	ASSERT_EQ(0, gs_m_answer(b));
	EXPECT_EQ(1, gs_counts(gs).retakes);
}

/*
 * An M that sleeps and returns within its slice, with the same goroutine, does not begin a new one:
 * else who blocks a little all the time would run for ever.
 */
TEST_F(slice, short_sleeps_do_not_help)
{
	struct gs *gs = &self->gs;
	__u64 blocks;

	ASSERT_TRUE(gs_m_parks(&self->b, 0));
	ASSERT_EQ(0, gs_slice(gs, SLICE_NS));
	gs_m_ask(&self->a, do_sleep_and_run, self->pipe[0], ~0U);
	blocks = gs_counts(gs).blocks;
	while (!asked(&self->a)) {
		gs_put_work(gs, 0);
		gs_take_work(gs, 0);
		ASSERT_EQ(1, write(self->pipe[1], "", 1));
		GS_STORE(gs->ph[0].runnext, 1);
	}
	EXPECT_LE(blocks, gs_counts(gs).blocks);
}

/* ---- shares ---- */

static void check_shares(struct __test_metadata *_metadata, int nr_p, int nr_m)
{
	__u64 sum = 0, turns = 0, mean;
	struct gs_m m[8];
	struct gs gs;
	int i;

	GS_STORE(over, false);
	ASSERT_EQ(0, gs_make_domain(&gs, nr_p, 0));
	for (i = 0; i < nr_m; i++)
		ASSERT_EQ(0, gs_m_start(&gs, &m[i]));
	for (i = 0; i < nr_m; i++) {
		gs_m_ask(&m[i], gs_do_acquire, GSCHED_FOREVER, 0);
		ASSERT_TRUE(gs_m_gets(&gs, m[i].id, i < nr_p ? GSCHED_M_ON : GSCHED_M_WAITING));
	}
	for (i = 0; i < nr_m; i++)
		gs_m_ask(&m[i], do_share, 0, 0);
	ASSERT_EQ(0, gs_slice(&gs, SLICE_NS / 2));
	ASSERT_TRUE(GS_UNTIL(gs_counts(&gs).retakes >= 20ULL * nr_m));
	for (i = 0; i < nr_m; i++) {
		sum += GS_LOAD(shares[m[i].id].held_ns);
		turns += GS_LOAD(shares[m[i].id].turns);
	}
	mean = sum / nr_m;
	for (i = 0; i < nr_m; i++) {
		__u64 held = GS_LOAD(shares[m[i].id].held_ns), had = shares[m[i].id].turns;

		TH_LOG("M%u: %llu turns, %llu ms", m[i].id, had, held / GS_MS);
		EXPECT_LE(mean / 3, held);
		EXPECT_GE(mean * 2, held);
		EXPECT_LE(turns / nr_m / 2, had);
	}
	GS_STORE(over, true);
	close(gs.fd);
}

/* Those that never yield take turns: three on one P each have a third of it, more or less. */
TEST_F(slice, three_share_one)
{
	check_shares(_metadata, 1, 3);
}

/* The same with five on two. */
TEST_F(slice, five_share_two)
{
	check_shares(_metadata, 2, 5);
}

/*
 * Two that only compute share a P, and work waits on its queue: it has its turn too, though the one
 * at the border is WAITING.
 */
TEST_F(slice, queues_have_a_turn)
{
	struct gs *gs = &self->gs;
	__u64 retakes;

	gs_m_ask(&self->a, do_spin, 0, 0);
	ASSERT_TRUE(gs_m_sleeps(&self->b, GSCHED_M_WAITING, do_wait_and_spin, 0, 0));
	ASSERT_TRUE(gs_m_parks(&self->c, 0));
	ASSERT_EQ(0, gs_slice(gs, SLICE_NS));
	ASSERT_TRUE(GS_UNTIL(gs_counts(gs).retakes >= 4));
	EXPECT_EQ(0, gs_counts(gs).grants_parked);
	retakes = gs_counts(gs).retakes;
	gs_put_work(gs, 0);
	ASSERT_EQ(0, gs_m_answer(&self->c));
	EXPECT_EQ(0, gs_m_saw(&self->c));
	EXPECT_LT(retakes, gs_counts(gs).retakes);
	/* It keeps the work lying, but it is not always the one to be given the P. */
	ASSERT_TRUE(GS_UNTIL(gs_counts(gs).retakes >= retakes + 8));
	EXPECT_LT(retakes + 4, gs_counts(gs).grants_waiting);
}

/*
 * The same with two that hand the P on to each other by blocking: each time somebody is WAITING. No
 * slice ever ends, for there are none.
 */
TEST_F(slice, queues_have_a_turn_among_sleepers)
{
	struct gs *gs = &self->gs;
	struct gsched_info_domain n;
	__u64 handoffs, waiting;

	ASSERT_TRUE(gs_m_parks(&self->c, 0));
	ASSERT_EQ(0, gs_slice(gs, 0));
	gs_m_ask(&self->a, do_block_and_go_on, 0, 0);
	gs_m_ask(&self->b, do_block_and_go_on, 0, 0);
	handoffs = gs_counts(gs).handoffs;
	ASSERT_TRUE(GS_UNTIL(gs_counts(gs).handoffs >= handoffs + 20));
	EXPECT_EQ(0, gs_counts(gs).grants_parked);
	global_queue(gs);
	ASSERT_EQ(0, gs_m_answer(&self->c));
	/* The work stays, but the others have the P again. */
	ASSERT_EQ(0, gs_m_do(&self->c, gs_do_release, 0, 0));
	waiting = gs_counts(gs).grants_waiting;
	EXPECT_TRUE(GS_UNTIL(gs_counts(gs).grants_waiting >= waiting + 20));
	n = gs_counts(gs);
	EXPECT_EQ(0, n.retakes);
	TH_LOG("%llu handoffs, %llu grants to WAITING Ms, %llu to PARKED ones", n.handoffs,
	       n.grants_waiting, n.grants_parked);
}

/* So many Ms have to get on, all on one CPU, of which each in turn holds one of so many Ps */
#define CROWD_M		12
#define CROWD_P		4
#define CROWD_TURNS	3

/* All are granted a P once more, and get on with it. */
static bool all_get_on(struct gs *gs, const struct gs_m *m)
{
	__u64 granted[CROWD_M], counted[CROWD_M];
	unsigned int i;

	for (i = 0; i < CROWD_M; i++) {
		granted[i] = GS_LOAD(gs->ms[m[i].id].granted_ns);
		counted[i] = GS_LOAD(spins[m[i].id]);
	}
	for (i = 0; i < CROWD_M; i++)
		if (!GS_UNTIL(GS_LOAD(gs->ms[m[i].id].granted_ns) != granted[i] &&
			      GS_LOAD(spins[m[i].id]) != counted[i]))
			return false;
	return true;
}

/*
 * More Ms with a P than the CPU can run in a slice: an M that has not taken up its grant is not
 * asked for it, so each has its turn and gets on in it.
 */
TEST(overload)
{
	struct gs_m m[CROWD_M];
	struct gs gs;
	int i;

	ASSERT_EQ(0, gs_pin(0, 0));
	ASSERT_EQ(0, gs_make_domain(&gs, CROWD_P, 0));
	for (i = 0; i < CROWD_M; i++) {
		ASSERT_EQ(0, gs_m_start(&gs, &m[i]));
		ASSERT_EQ(0, gs_pin(m[i].tid, 1));
		gs_m_ask(&m[i], do_count, 0, 0);
	}
	ASSERT_EQ(0, gs_slice(&gs, SHORTEST_NS));
	for (i = 0; i < CROWD_TURNS; i++)
		EXPECT_TRUE(all_get_on(&gs, m));
	TH_LOG("%llu requests, %llu retakes", gs_counts(&gs).preempts, gs_counts(&gs).retakes);
	GS_STORE(over, true);
	for (i = 0; i < CROWD_M; i++)
		EXPECT_EQ(0, gs_m_answer(&m[i]));
	close(gs.fd);
}

/* ---- slices and the stop of the world ---- */

/*
 * In a stopped world the timer ticks for the stopper, but asks nobody, whatever waits; it does not
 * tick at all while the stopper sleeps; and after START the slices go on.
 */
TEST_F(slice, stopped_world)
{
	struct gs *gs = &self->gs, clock;
	struct gs_m *a = &self->a, *b = &self->b, spinner;
	struct gsched_info_domain was, is;

	ASSERT_EQ(0, gs_make_domain(&clock, 1, 0));
	ASSERT_EQ(0, gs_slice(&clock, SLICE_NS));
	ASSERT_EQ(0, gs_m_start_on(&clock, &spinner));
	ASSERT_EQ(0, gs_m_do(a, gs_do_stop, GSCHED_FOREVER, 0));
	ASSERT_TRUE(gs_m_sleeps(b, GSCHED_M_WAITING, do_wait_and_spin, 0, 0));
	gs_put_work(gs, 0);
	was = gs_counts(gs);
	ASSERT_EQ(0, gs_slice(gs, SLICE_NS));
	ASSERT_TRUE(ticks_pass(gs, 20));
	gs_m_ask(a, gs_do_read, self->pipe[0], 0);
	ASSERT_TRUE(gs_p_gets(gs, 0, GSCHED_P_BLOCKED, a->id));
	EXPECT_TRUE(stands_still(gs, &clock));
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	ASSERT_EQ(1, gs_m_answer(a));
	ASSERT_TRUE(ticks_pass(gs, 20));
	is = gs_counts(gs);
	EXPECT_EQ(was.preempts, is.preempts);
	EXPECT_EQ(was.retakes + was.retakes_kept, is.retakes + is.retakes_kept);
	EXPECT_EQ(a->id, gs_p(gs, 0).m);
	gs_take_work(gs, 0);
	ASSERT_EQ(0, gs_m_do(a, gs_do_start, 0, 0));
	EXPECT_TRUE(GS_UNTIL(gs_counts(gs).retakes >= was.retakes + 4));
	close(clock.fd);
}

#define STOPS	10

/*
 * The world is stopped again and again while slices end: nobody whose P is STOPPED runs for any of
 * them, and all take turns in between.
 */
TEST(stops_while_ticking)
{
	struct gs_m stopper, m[4];
	unsigned int before;
	struct gs gs;
	int i;

	ASSERT_EQ(0, gs_make_domain(&gs, 3, 0));
	ASSERT_EQ(0, gs_m_start_on(&gs, &stopper));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, gs_m_start(&gs, &m[i]));
		gs_m_ask(&m[i], do_count, 0, 0);
	}
	ASSERT_EQ(0, gs_slice(&gs, SHORTEST_NS));
	gs_m_ask(&stopper, do_stop_and_look, STOPS, 8);
	do
		before = GS_LOAD(stops);
	while (!gs_m_answered(&stopper) &&
	       GS_UNTIL(gs_m_answered(&stopper) || GS_LOAD(stops) != before));
	EXPECT_EQ(0, gs_m_answer(&stopper));
	EXPECT_EQ(STOPS, gs_counts(&gs).stops);
	for (i = 0; i < 4; i++)
		EXPECT_LT(0, GS_LOAD(spins[m[i].id]));
	GS_STORE(over, true);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, gs_m_answer(&m[i]));
	close(gs.fd);
}

/*
 * Model tick: an M that comes back just as the timer stops itself is not forgotten. It sleeps for
 * about as long as the timer takes to notice, of another length each time. Nobody else runs.
 */
TEST_F_TIMEOUT(slice, stops_and_starts_at_once, 60)
{
	struct gs *gs = &self->gs;
	long rounds;
	char c;

	ASSERT_TRUE(gs_m_parks(&self->b, 0));
	ASSERT_TRUE(gs_m_parks(&self->c, 0));
	ASSERT_EQ(0, gs_slice(gs, SHORTEST_NS));
	gs_m_ask(&self->a, do_nap_and_run, self->pipe[1], 4000 * GS_MS);
	ASSERT_EQ(1, read(self->pipe[0], &c, 1));
	rounds = gs_m_answer(&self->a);
	TH_LOG("%ld rounds, %llu ticks", rounds, gs_counts(gs).ticks);
	EXPECT_LT(50, rounds);
}

/* ---- the timer ---- */

FIXTURE(timer) {
	struct gs gs;
	struct gs_m a, b;	/* a runs on the only P, b is PARKED */
	struct gs clock;	/* another domain, whose ticks tell the time */
	struct gs_m spinner;
	int pipe[2];
};

FIXTURE_SETUP(timer)
{
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 0));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->b));
	ASSERT_TRUE(gs_m_parks(&self->b, 0));
	ASSERT_EQ(0, gs_make_domain(&self->clock, 1, 0));
	ASSERT_EQ(0, gs_slice(&self->clock, SLICE_NS));
	ASSERT_EQ(0, gs_m_start_on(&self->clock, &self->spinner));
}

FIXTURE_TEARDOWN(timer)
{
	GS_STORE(over, true);
	close(self->gs.fd);
	close(self->clock.fd);
}

/* It ticks while a P is RUNNING, not while it is BLOCKED, and again when its M has come back. */
TEST_F(timer, ticks_while_running)
{
	struct gs *gs = &self->gs;
	__u64 takebacks;

	EXPECT_TRUE(stands_still(gs, &self->clock));
	ASSERT_EQ(0, gs_slice(gs, SLICE_NS));
	ASSERT_TRUE(ticks_pass(gs, 10));
	gs_m_ask(&self->a, gs_do_read, self->pipe[0], 0);
	ASSERT_TRUE(gs_p_gets(gs, 0, GSCHED_P_BLOCKED, self->a.id));
	EXPECT_TRUE(stands_still(gs, &self->clock));
	takebacks = gs_counts(gs).takebacks;
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	ASSERT_EQ(1, gs_m_answer(&self->a));
	EXPECT_LT(takebacks, gs_counts(gs).takebacks);
	EXPECT_TRUE(ticks_pass(gs, 10));
	/* A grant starts it as well as a return. */
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_release, 0, 0));
	EXPECT_TRUE(stands_still(gs, &self->clock));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_acquire, GSCHED_FOREVER, 0));
	EXPECT_TRUE(ticks_pass(gs, 10));
}

/* TUNE while it ticks: a longer or shorter slice counts, none stops it, one again starts it. */
TEST_F(timer, tune)
{
	struct gs *gs = &self->gs;
	__u64 ticks, passed, began;

	gs_m_ask(&self->a, do_spin, 0, 0);
	ASSERT_EQ(0, gs_slice(gs, SHORTEST_NS));
	ASSERT_TRUE(ticks_pass(gs, 10));
	ASSERT_EQ(0, gs_slice(gs, 100 * GS_MS));
	ASSERT_TRUE(ticks_pass(&self->clock, 2));
	began = gs_now();
	ticks = gs_counts(gs).ticks;
	ASSERT_TRUE(ticks_pass(&self->clock, 40));
	passed = gs_counts(gs).ticks - ticks;
	EXPECT_LE(1, passed);
	EXPECT_GE((gs_now() - began) / (25 * GS_MS) + 2, passed);
	ASSERT_EQ(0, gs_slice(gs, 0));
	EXPECT_TRUE(stands_still(gs, &self->clock));
	gs_put_work(gs, 0);
	EXPECT_TRUE(stands_still(gs, &self->clock));
	EXPECT_EQ(0, asked(&self->a));
	ASSERT_EQ(0, gs_slice(gs, SHORTEST_NS));
	ASSERT_EQ(0, gs_m_answer(&self->b));
}

/*
 * How often it may tick: each 100 us at most, and so that all domains together take less than a
 * fiftieth of the machine, at a microsecond a tick.
 */
#define TICKS_MOST(ns, cpus)	((ns) / 50000 * (cpus) + 100)

/* The shortest slice, the most Ps, and hints that call for work everywhere: no storm. */
TEST_F(timer, many_ps)
{
	struct gsched_setup s = { .size = sizeof(s), .nr_p = GSCHED_MAX_P, .max_m = GS_MAX_M };
	__u64 began, ticks, took;
	struct gs_m m[4];
	struct gs gs;
	int i;

	memset(&gs, 0, sizeof(gs));
	gs.setup = s;
	gs.fd = gs_open();
	ASSERT_LE(0, gs.fd);
	ASSERT_EQ(0, gs_ioctl(gs.fd, GSCHED_IOC_SETUP, &gs.setup));
	ASSERT_EQ(0, gs_map(&gs));
	ASSERT_EQ(0, gs_slice(&gs, SHORTEST_NS));
	memset(gs.hint->has_work, 0xff, sizeof(gs.hint->has_work));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, gs_m_start_on(&gs, &m[i]));
		gs_m_ask(&m[i], do_spin, 0, 0);
	}
	began = gs_now();
	ticks = gs_counts(&gs).ticks;
	ASSERT_TRUE(ticks_pass(&self->clock, 200));
	took = gs_now() - began;
	ticks = gs_counts(&gs).ticks - ticks;
	TH_LOG("%llu ticks in %llu ms", ticks, took / GS_MS);
	EXPECT_LE(1, ticks);
	/* A tick of 1024 Ps counts for fifty. */
	EXPECT_GE(TICKS_MOST(took, sysconf(_SC_NPROCESSORS_ONLN)) / 50, ticks);
	close(gs.fd);
}

#define DOMAINS 32

/* The same with many domains, each as greedy as it may be. */
TEST_F_TIMEOUT(timer, many_domains, 60)
{
	static struct gs_m m[DOMAINS];
	static struct gs gs[DOMAINS];
	__u64 began, ticks = 0, took;
	int i;

	for (i = 0; i < DOMAINS; i++) {
		ASSERT_EQ(0, gs_make_domain(&gs[i], 1, 0));
		ASSERT_EQ(0, gs_m_start_on(&gs[i], &m[i]));
		/* All of them spin: they give way to this thread. */
		ASSERT_EQ(0, setpriority(PRIO_PROCESS, m[i].tid, 19));
		gs_put_work(&gs[i], 0);
		gs_m_ask(&m[i], do_spin, 0, 0);
	}
	began = gs_now();
	for (i = 0; i < DOMAINS; i++)
		ASSERT_EQ(0, gs_slice(&gs[i], SHORTEST_NS));
	ASSERT_TRUE(GS_UNTIL(gs_counts(&gs[DOMAINS - 1]).ticks >= 100));
	for (i = 0; i < DOMAINS; i++)
		ticks += gs_counts(&gs[i]).ticks;
	took = gs_now() - began;
	TH_LOG("%llu ticks in %llu ms", ticks, took / GS_MS);
	/* The first ticks of each come before all of them are known. */
	EXPECT_GE(TICKS_MOST(took, sysconf(_SC_NPROCESSORS_ONLN)) + 10 * DOMAINS, ticks);
	for (i = 0; i < DOMAINS; i++)
		close(gs[i].fd);
}

/* Hints are not believed: nonsense in all of them makes no storm and loses no P. */
TEST_F(timer, lying_hints)
{
	struct gs_m m[4];
	struct gs gs;
	__u64 began, took, ticks, end;
	unsigned int seed = 5;
	__u32 *words;
	size_t i, n;

	ASSERT_EQ(0, gs_make_domain(&gs, 3, 0));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, gs_m_start(&gs, &m[i]));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, gs_m_do(&m[i], gs_do_acquire, GSCHED_FOREVER, 0));
	ASSERT_TRUE(gs_m_waits(&m[3]));
	for (i = 0; i < 4; i++)
		gs_m_ask(&m[i], do_spin, 0, 0);
	words = (__u32 *)gs.hint;
	/* All but the Ms' own hints: nopreempt and mode are theirs to lie about, and end waits. */
	n = ((char *)gs.mh - (char *)gs.hint) / sizeof(*words);
	began = gs_now();
	ASSERT_EQ(0, gs_slice(&gs, SHORTEST_NS));
	for (end = began + 500 * GS_MS; gs_now() < end;) {
		seed = seed * 1103515245 + 12345;
		GS_STORE(words[(seed >> 8) % n], seed * 2654435761U);
	}
	took = gs_now() - began;
	ticks = gs_counts(&gs).ticks;
	TH_LOG("%llu ticks in %llu ms, %llu asked, %llu lost", ticks, took / GS_MS,
	       gs_counts(&gs).preempts, gs_counts(&gs).retakes);
	EXPECT_GE(took / 100000 + 2, ticks);
	memset(words, 0, n * sizeof(*words));
	GS_STORE(over, true);
	ASSERT_TRUE(GS_UNTIL(gs_counts(&gs).retakes > 0));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, gs_m_answer(&m[i]));
	close(gs.fd);
}

/* ---- the end of a domain ---- */

/* Closed while it ticks: the timer stops, and nothing holds the domain but its Ms. */
TEST_F(timer, close_while_ticking)
{
	int before = gs_refcnt(), i;
	struct gs gs;
	struct gs_m m;

	for (i = 0; i < 20; i++) {
		GS_STORE(over, false);
		ASSERT_EQ(0, gs_make_domain(&gs, 1, 0));
		ASSERT_EQ(0, gs_slice(&gs, SHORTEST_NS));
		ASSERT_EQ(0, gs_m_start_on(&gs, &m));
		gs_put_work(&gs, 0);
		gs_m_ask(&m, do_spin, 0, 0);
		ASSERT_TRUE(ticks_pass(&gs, 1 + i % 3));
		close(gs.fd);
		GS_STORE(over, true);
		ASSERT_EQ(0, gs_m_answer(&m));
		gs_m_ask(&m, gs_do_exit, 0, 0);
		gs_m_join(&m);
		/* Mappings hold the file. */
		munmap(gs.status, gs.setup.status_size);
		munmap(gs.hint, gs.setup.hint_size);
	}
	EXPECT_TRUE(GS_UNTIL(gs_refcnt() == before));
}

/* A forked child asks nobody to yield, and the parent's timer ticks on after it. */
TEST_F(timer, fork)
{
	struct gs *gs = &self->gs;
	int status;
	pid_t pid;

	ASSERT_EQ(0, gs_slice(gs, SLICE_NS));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(gs_preempt(gs, self->a.id) != -EXDEV);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, asked(&self->a));
	EXPECT_TRUE(ticks_pass(gs, 10));
}

/* ---- the end of a process ---- */

#define STATUS	5

static long do_exit_group(struct gs_m *m, __u64 a, __u64 b)
{
	do_wait_and_spin(m, 0, 0);
	_exit(STATUS);
}

static long do_exec(struct gs_m *m, __u64 a, __u64 b)
{
	do_wait_and_spin(m, 0, 0);
	execl("/bin/sh", "sh", "-c", "exit 5", NULL);
	return -errno;
}

/*
 * How it ends: one M of three that share a P does @job once the slices have moved the P, or, if
 * there is none, somebody else kills all of them.
 */
FIXTURE(process) {
};

FIXTURE_VARIANT(process) {
	gs_job job;
	int status;
};

FIXTURE_VARIANT_ADD(process, killed) { NULL, SIGKILL };
FIXTURE_VARIANT_ADD(process, exits) { do_exit_group, STATUS << 8 };
FIXTURE_VARIANT_ADD(process, execs) { do_exec, STATUS << 8 };

FIXTURE_SETUP(process)
{
	ASSERT_TRUE(GS_UNTIL(gs_refcnt() == 0));
}

FIXTURE_TEARDOWN(process)
{
}

static void takes_turns_and_ends(gs_job job, int ready)
{
	struct gs_m m[3];
	struct gs gs;
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (gs_make_domain(&gs, 1, 0) || gs_slice(&gs, SHORTEST_NS))
		_exit(1);
	for (i = 0; i < 3; i++) {
		if (gs_m_start(&gs, &m[i]))
			_exit(1);
		gs_m_ask(&m[i], job && !i ? job : do_wait_and_spin, 0, 0);
	}
	if (!GS_UNTIL(gs_counts(&gs).retakes >= 3) || write(ready, "", 1) != 1)
		_exit(1);
	GS_STORE(over, !!job);
	for (;;)
		pause();
}

/*
 * Killed, or by exit or exec in a thread that is not the first one, while its timer ticks and its
 * Ms are sent to the border: it is gone at once, the new program runs to its end, and nothing is
 * left behind.
 */
TEST_F(process, ends_while_ticking)
{
	int i, status, ready[2];
	pid_t pid;
	char c;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			takes_turns_and_ends(variant->job, ready[1]);
		close(ready[1]);
		ASSERT_EQ(1, read(ready[0], &c, 1));
		close(ready[0]);
		if (!variant->job)
			ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_TRUE(GS_UNTIL(waitpid(pid, &status, WNOHANG) == pid));
		EXPECT_EQ(variant->status, status);
	}
	EXPECT_TRUE(GS_UNTIL(gs_refcnt() == 0));
}

TEST_HARNESS_MAIN
