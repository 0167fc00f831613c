// SPDX-License-Identifier: GPL-2.0
/*
 * RESIZE: more and fewer Ps while Ms run, sleep and wait (R22 to R24), and a storm of stops and new
 * sizes against everything else that Ms do.
 */
#include "gsched_util.h"

#include "ledger.h"

#include "kselftest_harness.h"

#define MOST_PS	6

FIXTURE(resize) {
	struct gs gs;
	struct gs_m a, b, c;
	int pipe[2];
};

/* a holds P 0, b holds P 1, c is FREE. */
FIXTURE_SETUP(resize)
{
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, gs_make_domain_max(&self->gs, 2, MOST_PS));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->b));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->c));
	ASSERT_EQ(0, gs_m_saw(&self->a));
	ASSERT_EQ(1, gs_m_saw(&self->b));
}

FIXTURE_TEARDOWN(resize)
{
	close(self->gs.fd);
}

/* STOP, RESIZE and START by one M: 0, or the first error */
static long do_all(struct gs_m *m, __u64 nr_p, __u64 b)
{
	long ret = gs_stop(m->gs, GSCHED_FOREVER, NULL);

	if (!ret)
		ret = gs_resize(m->gs, nr_p);
	return ret ? ret : gs_start(m->gs);
}

static bool has_size(struct gs *gs, __u32 nr_p)
{
	__u32 p;

	if (GS_LOAD(gs->status->nr_p) != nr_p || gs_counts(gs).nr_p != nr_p)
		return false;
	for (p = 0; p < gs->setup.max_p; p++)
		if ((gs_p(gs, p).state == GSCHED_P_DEAD) == (p < nr_p))
			return false;
	return true;
}

/* New Ps are STOPPED until START, which serves the WAITING; what is over is IDLE. */
TEST_F(resize, grow)
{
	struct gs *gs = &self->gs;

	EXPECT_TRUE(has_size(gs, 2));
	ASSERT_TRUE(gs_m_waits(&self->c));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_resize, 5, 0));
	EXPECT_TRUE(has_size(gs, 5));
	EXPECT_EQ(GSCHED_P_STOPPED, gs_p(gs, 4).state);
	EXPECT_EQ(0, GS_LOAD(gs->status->nidle));
	EXPECT_FALSE(gs_m_answered(&self->c));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_EQ(0, gs_m_answer(&self->c));
	EXPECT_EQ(0, gs_m_do(&self->b, gs_do_nothing, 0, 0));
	EXPECT_EQ(2, GS_LOAD(gs->status->nidle));
	EXPECT_EQ(1, gs_counts(gs).resizes);
}

/* Two Ms are left with one P: one runs, the other waits for it, and both get on. */
TEST_F(resize, shrink_with_ms_running)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_m_do(&self->a, do_all, 1, 0));
	EXPECT_TRUE(has_size(gs, 1));
	EXPECT_TRUE(gs_m_gets(gs, self->b.id, GSCHED_M_WAITING));
	EXPECT_EQ(0, gs_m_saw(&self->a));
	gs_m_ask(&self->b, gs_do_nothing, 0, 0);
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_release, 0, 0));
	EXPECT_EQ(0, gs_m_answer(&self->b));
	EXPECT_EQ(0, gs_m_saw(&self->b));
}

/* A sleeper finds its P DEAD, and waits at the border for one that is not. */
TEST_F(resize, shrink_with_an_m_asleep)
{
	struct gs *gs = &self->gs;

	gs_m_ask(&self->b, gs_do_read, self->pipe[0], 0);
	ASSERT_TRUE(gs_p_gets(gs, 1, GSCHED_P_BLOCKED, self->b.id));
	ASSERT_EQ(0, gs_m_do(&self->a, do_all, 1, 0));
	EXPECT_TRUE(gs_p_gets(gs, 1, GSCHED_P_DEAD, 0));
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	ASSERT_TRUE(gs_m_gets(gs, self->b.id, GSCHED_M_WAITING));
	EXPECT_FALSE(gs_m_answered(&self->b));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_release, 0, 0));
	EXPECT_EQ(1, gs_m_answer(&self->b));
	EXPECT_EQ(0, gs_m_saw(&self->b));
}

/* R24: a stopper on a P that goes holds P 0 when the call returns, as a new owner of it. */
TEST_F(resize, the_stopper_moves)
{
	struct gs *gs = &self->gs;
	__u64 count = gs_p(gs, 0).count;

	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_stop, GSCHED_FOREVER, 0));
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_resize, 1, 0));
	EXPECT_EQ(0, gs_m_saw(&self->b));
	EXPECT_EQ(count + 1, self->b.count);
	EXPECT_TRUE(has_size(gs, 1));
	EXPECT_TRUE(gs_p_gets(gs, 0, GSCHED_P_RUNNING, self->b.id));
	/* It is still the stopper, and its P exempt. */
	ASSERT_TRUE(gs_m_waits(&self->c));
	gs_m_ask(&self->b, gs_do_read, self->pipe[0], 0);
	EXPECT_TRUE(gs_p_gets(gs, 0, GSCHED_P_BLOCKED, self->b.id));
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	EXPECT_EQ(1, gs_m_answer(&self->b));
	EXPECT_EQ(0, gs_m_do(&self->b, gs_do_stop, 0, 0));
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_resize, 2, 0));
	EXPECT_EQ(0, gs_m_saw(&self->b));
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_start, 0, 0));
}

/* An M whose last P is DEAD gets another. */
TEST_F(resize, the_last_p_is_dead)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_release, 0, 0));
	ASSERT_EQ(0, gs_m_do(&self->a, do_all, 1, 0));
	ASSERT_EQ(-ETIMEDOUT, gs_m_do(&self->b, gs_do_acquire, 0, 0));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_release, 0, 0));
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_acquire, 0, 0));
	EXPECT_EQ(0, gs_m_saw(&self->b));
	EXPECT_TRUE(has_size(gs, 1));
}

/* What stands in the ring of a P that is gone is nobody's work; what stands elsewhere is. */
TEST_F(resize, work_of_a_dead_p)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_m_do(&self->a, do_all, 3, 0));
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_release, 0, 0));
	ASSERT_TRUE(gs_m_parks(&self->c, 0));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_resize, 2, 0));
	gs_put_work(gs, 2);
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_EQ(GSCHED_M_PARKED, gs_m_info(gs, self->c.id).state);
	EXPECT_EQ(0, GS_LOAD(gs->status->starved));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	gs_put_work(gs, 0);
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_EQ(0, gs_m_answer(&self->c));
}

/* A P may go while its timer is still to look at it: that finds nothing to do. */
TEST_F(resize, a_timer_finds_a_dead_p)
{
	struct gsched_tune tune = {
		.size = sizeof(tune), .flags = GSCHED_TUNE_POLICY, .p = 1,
		.policy = GSCHED_POLICY_AFTER, .policy_ns = 10 * GS_MS,
	};
	struct gs *gs = &self->gs;
	__u64 handoffs, due;

	ASSERT_EQ(0, gs_ioctl(gs->fd, GSCHED_IOC_TUNE, &tune));
	GS_STORE(gs->hint->gqlen, 1);
	gs_m_ask(&self->b, gs_do_read, self->pipe[0], 0);
	ASSERT_TRUE(gs_p_gets(gs, 1, GSCHED_P_BLOCKED, self->b.id));
	due = gs_now() + 2 * tune.policy_ns;
	handoffs = gs_counts(gs).handoffs;
	ASSERT_EQ(0, gs_m_do(&self->a, do_all, 1, 0));
	ASSERT_TRUE(GS_UNTIL(gs_now() > due));
	EXPECT_TRUE(gs_p_gets(gs, 1, GSCHED_P_DEAD, 0));
	EXPECT_EQ(handoffs, gs_counts(gs).handoffs);
}

/* Sizes that there are not; the present one changes nothing. */
TEST_F(resize, refuses)
{
	struct gs *gs = &self->gs;
	struct gsched_info_p p;

	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_stop, GSCHED_FOREVER, 0));
	EXPECT_EQ(-EINVAL, gs_m_do(&self->a, gs_do_resize, 0, 0));
	EXPECT_EQ(-EINVAL, gs_m_do(&self->a, gs_do_resize, MOST_PS + 1, 0));
	EXPECT_EQ(-EINVAL, gs_m_do(&self->a, gs_do_resize, ~0U, 0));
	EXPECT_EQ(0, gs_counts(gs).resizes);
	EXPECT_EQ(0, gs_m_do(&self->a, gs_do_resize, 2, 0));
	EXPECT_TRUE(has_size(gs, 2));
	EXPECT_EQ(0, gs_m_do(&self->a, gs_do_resize, MOST_PS, 0));
	EXPECT_EQ(0, gs_m_do(&self->a, gs_do_start, 0, 0));
	EXPECT_EQ(-ENOENT, gs_info(gs, GSCHED_INFO_P, MOST_PS, &p, sizeof(p)));
}

/* From one P to as many as there can be, and back, with sleepers on some of them. */
TEST(to_the_limit_and_back)
{
	struct gs_m m[4];
	struct gs gs;
	int i, fd[2];

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(0, gs_make_domain_max(&gs, 1, GSCHED_MAX_P));
	ASSERT_EQ(0, gs_m_start_on(&gs, &m[0]));
	ASSERT_EQ(0, gs_m_do(&m[0], do_all, GSCHED_MAX_P, 0));
	EXPECT_EQ(GSCHED_MAX_P - 1, GS_LOAD(gs.status->nidle));
	for (i = 1; i < 4; i++) {
		ASSERT_EQ(0, gs_m_start_on(&gs, &m[i]));
		gs_m_ask(&m[i], gs_do_read, fd[0], 0);
		ASSERT_TRUE(gs_p_gets(&gs, i, GSCHED_P_BLOCKED, m[i].id));
	}
	ASSERT_EQ(0, gs_m_do(&m[0], do_all, 1, 0));
	EXPECT_EQ(1, gs_counts(&gs).nr_p);
	ASSERT_EQ(3, write(fd[1], "abc", 3));
	for (i = 1; i < 4; i++)
		ASSERT_TRUE(gs_m_gets(&gs, m[i].id, GSCHED_M_WAITING));
	ASSERT_EQ(0, gs_m_do(&m[0], do_all, GSCHED_MAX_P, 0));
	for (i = 1; i < 4; i++)
		EXPECT_EQ(1, gs_m_answer(&m[i]));
	EXPECT_EQ(GSCHED_MAX_P - 4, GS_LOAD(gs.status->nidle));
	close(gs.fd);
}

/* ---- the storm ---- */

#define STORM_LIVES	10	/* threads, each of which is one M after another */
#define STORM_PS	6

struct life {
	struct storm	*storm;
	pthread_t	thread;
	unsigned int	seed;
	__u32		m;
	__u64		entered;	/* in the ledger */
	int		error;		/* what a call returned that it must not */
};

struct storm {
	struct gs	gs;
	struct ledger	*ledger;
	int		tokens[2];
	__u32		world;		/* m + 1 of who has stopped it */
	__u64		intruders;	/* user code seen in a stopped world */
	__u64		no_p;		/* user code without a P */
	__u64		two_owners;
	__u64		not_stopped;	/* a P that was not, in a stopped world */
	bool		resizes;
	bool		over;
	struct life	life[STORM_LIVES];
};

static unsigned int pick(struct life *l, unsigned int n)
{
	l->seed = l->seed * 1103515245 + 12345;
	return (l->seed >> 16) % n;
}

static void count(__u64 *n)
{
	__atomic_fetch_add(n, 1, __ATOMIC_SEQ_CST);
}

static void expect(struct life *l, long ret, long also)
{
	if (ret && ret != also && !l->error)
		l->error = ret;
}

/* User code: it needs a P, and nobody else's stopped world. */
static void run_user_code(struct life *l)
{
	struct storm *s = l->storm;
	struct gs *gs = &s->gs;
	__u64 word = GS_LOAD(gs->ms[l->m].word), turns;
	__u32 p = GSCHED_M_P(word) - 1, world;

	if (!GSCHED_M_P(word)) {
		count(&s->no_p);
		return;
	}
	turns = GS_LOAD(gs->ps[p].count);
	for (unsigned int n = pick(l, 500); n; n--) {
		world = GS_LOAD(s->world);
		if (world && world != l->m + 1)
			count(&s->intruders);
	}
	if (GS_LOAD(gs->ps[p].count) != turns || GS_LOAD(gs->ms[l->m].word) != word)
		return;
	l->entered++;
	if (!publish(s->ledger, p, turns, l->m))
		count(&s->two_owners);
}

static void storm_sleep(struct life *l)
{
	struct timespec ts = { .tv_nsec = pick(l, 200000) };

	nanosleep(&ts, NULL);
}

static void storm_read(struct life *l)
{
	char token;

	if (read(l->storm->tokens[0], &token, 1) != 1)
		expect(l, -errno, 0);
	run_user_code(l);
	if (write(l->storm->tokens[1], &token, 1) != 1)
		expect(l, -errno, 0);
}

static void storm_release(struct life *l)
{
	expect(l, gs_release(&l->storm->gs), 0);
	expect(l, gs_acquire(&l->storm->gs, GSCHED_FOREVER), 0);
}

/* FREE afterwards if nobody came */
static void storm_park(struct life *l)
{
	int ret = gs_park(&l->storm->gs, pick(l, 2), gs_now() + 200000);

	expect(l, ret, ret == -EAGAIN ? -EAGAIN : -ETIMEDOUT);
	expect(l, gs_acquire(&l->storm->gs, GSCHED_FOREVER), 0);
}

static void storm_unpark(struct life *l)
{
	expect(l, gs_unpark(&l->storm->gs, pick(l, STORM_LIVES)), -ENOENT);
}

static void storm_switch(struct life *l)
{
	expect(l, gs_switch(&l->storm->gs, GSCHED_M_OLDEST), -EAGAIN);
}

static void storm_work(struct life *l)
{
	GS_STORE(l->storm->gs.hint->gqlen, pick(l, 2));
	expect(l, gs_wake(&l->storm->gs), -EAGAIN);
}

/* In its stopped world an M sees every other P STOPPED, changes their number, and sleeps. */
static void rule(struct life *l)
{
	struct storm *s = l->storm;
	__u32 p, state, nr_p = GS_LOAD(s->gs.status->nr_p);

	GS_STORE(s->world, l->m + 1);
	for (p = 0; p < nr_p; p++) {
		state = GSCHED_P_WORD_STATE(GS_LOAD(s->gs.ps[p].word));
		if (state != GSCHED_P_STOPPED && p + 1 != GSCHED_M_P(GS_LOAD(s->gs.ms[l->m].word)))
			count(&s->not_stopped);
	}
	if (s->resizes)
		expect(l, gs_resize(&s->gs, 1 + pick(l, STORM_PS)), 0);
	run_user_code(l);
	if (pick(l, 2))
		storm_sleep(l);
	run_user_code(l);
	GS_STORE(s->world, 0);
}

/* Stops the world, in time or not, and leaves it so one time in eight: then it is to die. */
static bool storm_stop(struct life *l)
{
	__u64 deadline[] = { 0, gs_now() + 500000, GSCHED_FOREVER };
	struct gs *gs = &l->storm->gs;
	int ret = gs_stop(gs, deadline[pick(l, 3)], NULL);

	if (ret == -EBUSY || ret == -EAGAIN) {
		storm_release(l);
		return false;
	}
	if (ret == -ETIMEDOUT && pick(l, 2))
		ret = gs_stop(gs, GSCHED_FOREVER, NULL);
	expect(l, ret, -ETIMEDOUT);
	if (!ret)
		rule(l);
	if (!pick(l, 8))
		return true;
	expect(l, gs_start(gs), 0);
	return false;
}

static void (* const storm_does[])(struct life *l) = {
	storm_sleep, storm_read, storm_release, storm_park, storm_unpark, storm_switch, storm_work,
};

static void *live(void *arg)
{
	struct life *l = arg;
	struct storm *s = l->storm;
	bool dies = false;
	unsigned int n;

	expect(l, gs_register(&s->gs, 0, &l->m), 0);
	expect(l, gs_acquire(&s->gs, GSCHED_FOREVER), 0);
	for (n = pick(l, 200); n && !dies && !l->error && !GS_LOAD(s->over); n--) {
		run_user_code(l);
		if (pick(l, 10))
			storm_does[pick(l, sizeof(storm_does) / sizeof(*storm_does))](l);
		else
			dies = storm_stop(l);
	}
	if (pick(l, 2))
		expect(l, gs_unregister(&s->gs), 0);
	return NULL;
}

static void *keep_alive(void *arg)
{
	struct life *l = arg;
	pthread_t thread;

	while (!l->error && !GS_LOAD(l->storm->over)) {
		if (pthread_create(&thread, NULL, live, l))
			break;
		pthread_join(thread, NULL);
	}
	return NULL;
}

static int storm_starts(struct storm *s)
{
	int i, ret = gs_make_domain_max(&s->gs, 3, STORM_PS);

	s->ledger = mmap(NULL, sizeof(*s->ledger), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (ret || s->ledger == MAP_FAILED || pipe(s->tokens) ||
	    write(s->tokens[1], "abc", 3) != 3)
		return ret ? ret : -errno;
	for (i = 0; !ret && i < STORM_LIVES; i++) {
		s->life[i].storm = s;
		s->life[i].seed = i + 1;
		ret = -pthread_create(&s->life[i].thread, NULL, keep_alive, &s->life[i]);
	}
	return ret;
}

/* Who PARKED in SWITCH may have nobody left to hand it a P. */
static bool has_ended(struct storm *s, struct life *l)
{
	gs_unpark(&s->gs, GS_LOAD(l->m));
	return !pthread_tryjoin_np(l->thread, NULL);
}

/* All lives end; one that does not is shown. */
static bool storm_ends(struct storm *s)
{
	int i;

	GS_STORE(s->over, true);
	for (i = 0; i < STORM_LIVES; i++) {
		if (!GS_UNTIL(has_ended(s, &s->life[i]))) {
			fprintf(stderr, "# life %d, M%u, does not end\n", i, s->life[i].m);
			gs_dump(&s->gs);
			return false;
		}
	}
	return true;
}

FIXTURE(storm) {
	struct storm *storm;
};

FIXTURE_VARIANT(storm) {
	bool resizes;
};

FIXTURE_VARIANT_ADD(storm, of_stops) { false };
FIXTURE_VARIANT_ADD(storm, of_stops_and_sizes) { true };

FIXTURE_SETUP(storm)
{
	self->storm = calloc(1, sizeof(*self->storm));
	ASSERT_NE(NULL, self->storm);
	self->storm->resizes = variant->resizes;
}

FIXTURE_TEARDOWN(storm)
{
}

/*
 * Protocol 2, 5 and 6: in a stopped world only the stopper runs user code; no P has two owners and
 * none runs without; nobody is forgotten, whoever stops, dies or changes the number of Ps.
 */
TEST_F_TIMEOUT(storm, passes, 120)
{
	const char *seconds = getenv("GSCHED_STORM_SECONDS");
	struct timespec ts = { .tv_sec = seconds ? atoi(seconds) : 6 };
	struct storm *s = self->storm;
	struct gsched_info_domain info;
	int i;

	ASSERT_EQ(0, storm_starts(s));
	while (nanosleep(&ts, &ts))
		;
	ASSERT_TRUE(storm_ends(s));
	EXPECT_EQ(0, s->intruders);
	EXPECT_EQ(0, s->no_p);
	EXPECT_EQ(0, s->two_owners);
	EXPECT_EQ(0, s->not_stopped);
	for (i = 0; i < STORM_LIVES; i++) {
		EXPECT_EQ(0, s->life[i].error) TH_LOG("life %d", i);
		EXPECT_LT(0, s->life[i].entered) TH_LOG("life %d", i);
	}
	EXPECT_TRUE(GS_UNTIL(!gs_counts(&s->gs).nr_m));
	info = gs_counts(&s->gs);
	TH_LOG("%llu stops, %llu sizes, %llu deaths, %llu retakes, %llu handoffs, %llu us to stop",
	       info.stops, info.resizes, info.deaths, info.retakes, info.handoffs,
	       info.stops ? info.stop_ns / info.stops / 1000 : 0);
	EXPECT_EQ(info.nr_p, info.nidle);
	EXPECT_EQ(0, info.nwaiting + info.nparked + info.nprivate);
	EXPECT_EQ(0, GS_LOAD(s->gs.status->stw));
	/* It was one. */
	EXPECT_LT(100, info.stops);
	EXPECT_LT(10, info.deaths);
	EXPECT_LT(100, info.handoffs);
	if (variant->resizes)
		EXPECT_LT(50, info.resizes);
}

TEST_HARNESS_MAIN
