// SPDX-License-Identifier: GPL-2.0
/*
 * How long a sleeper keeps a P that somebody has use for (protocol 3, policy), and on which CPU the
 * M is woken that gets it.
 *
 * When a P was handed on is not measured from outside but read off the status pages: the kernel
 * writes there when an M fell asleep and when another was granted its P. A limit from below holds
 * on any machine; one from above cannot, so how a P came to be handed on is told by the counts.
 */
#include "gsched_util.h"

#include <sched.h>

#include "kselftest_harness.h"

/* Longer than whatever an emulated machine takes for a sleep that is meant to be short */
#define DELAY_NS	(10 * GS_MS)
#define SHORT_NS	(50 * 1000)
/* What protocol 3 calls "only when asked" */
#define ASKED_NS	(10 * GS_MS)
/* A sleep counts for eight delays at most, and so many short ones undo any number of long ones. */
#define RELEARN		8

/* Without slices: nobody loses a P here but a sleeper. */
static int make_domain(struct gs *gs, unsigned int nr_p, unsigned int spare)
{
	struct gsched_tune tune = { .size = sizeof(tune), .flags = GSCHED_TUNE_SLICE };
	int ret = gs_make_domain(gs, nr_p, spare);

	return ret ? ret : gs_ioctl(gs->fd, GSCHED_IOC_TUNE, &tune);
}

static int tune_policy(struct gs *gs, __u32 p, enum gsched_policy policy, __u64 ns)
{
	struct gsched_tune tune = {
		.size = sizeof(tune), .flags = GSCHED_TUNE_POLICY, .p = p, .policy = policy,
		.policy_ns = ns,
	};

	return gs_ioctl(gs->fd, GSCHED_IOC_TUNE, &tune);
}

FIXTURE(policy) {
	struct gs gs;
	struct gs_m a, b;	/* a holds the P, b is FREE */
	int pipe[2];
};

FIXTURE_SETUP(policy)
{
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, make_domain(&self->gs, 1, 0));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->b));
}

FIXTURE_TEARDOWN(policy)
{
	close(self->gs.fd);
}

/* From when @from fell asleep to when its P was granted to @to */
static __u64 delay(struct gs *gs, struct gs_m *from, struct gs_m *to)
{
	return GS_LOAD(gs->ms[to->id].granted_ns) - GS_LOAD(gs->ms[from->id].blocked_ns);
}

/* How many nanosleeps of @ns */
static long do_sleep(struct gs_m *m, __u64 times, __u64 ns)
{
	struct timespec ts = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	while (times--)
		nanosleep(&ts, NULL);
	return 0;
}

/*
 * With work there @a falls asleep and @b, PARKED, is given its P; then all is as it was before. How
 * long @a kept the P, or GS_FOREVER if anything went wrong.
 */
static __u64 hand_over(struct gs *gs, struct gs_m *a, struct gs_m *b, int pipe[2])
{
	__u64 ns;

	if (!gs_m_parks(b, 0))
		return GSCHED_FOREVER;
	gs_put_work(gs, 0);
	gs_m_ask(a, gs_do_read, pipe[0], 0);
	if (gs_m_answer(b) || gs_m_saw(b))
		return GSCHED_FOREVER;
	gs_take_work(gs, 0);
	ns = delay(gs, a, b);
	if (write(pipe[1], "", 1) != 1 || !gs_m_gets(gs, a->id, GSCHED_M_WAITING) ||
	    gs_m_do(b, gs_do_release, 0, 0) || gs_m_answer(a) != 1)
		return GSCHED_FOREVER;
	return ns;
}

/* ---- when ---- */

FIXTURE(when) {
	struct gs gs;
	struct gs_m a, b;
	int pipe[2];
};

FIXTURE_VARIANT(when) {
	enum gsched_policy policy;
	__u64 ns;
	__u64 least;
};

FIXTURE_VARIANT_ADD(when, now) { GSCHED_POLICY_NOW, 0, 0 };
FIXTURE_VARIANT_ADD(when, after_1us) { GSCHED_POLICY_AFTER, 1000, 1000 };
FIXTURE_VARIANT_ADD(when, after_1ms) { GSCHED_POLICY_AFTER, GS_MS, GS_MS };
FIXTURE_VARIANT_ADD(when, after_10ms) { GSCHED_POLICY_AFTER, 10 * GS_MS, 10 * GS_MS };
FIXTURE_VARIANT_ADD(when, asked) { GSCHED_POLICY_ASKED, 0, ASKED_NS };
FIXTURE_VARIANT_ADD(when, adaptive_10ms) { GSCHED_POLICY_ADAPTIVE, 10 * GS_MS, 10 * GS_MS };

FIXTURE_SETUP(when)
{
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, make_domain(&self->gs, 1, 0));
	ASSERT_EQ(0, tune_policy(&self->gs, 0, variant->policy, variant->ns));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->b));
}

FIXTURE_TEARDOWN(when)
{
	close(self->gs.fd);
}

/* Protocol 3: a P with work goes to a PARKED M after the policy's delay, and not before. */
TEST_F(when, work)
{
	struct gsched_info_domain counts;
	__u64 ns = hand_over(&self->gs, &self->a, &self->b, self->pipe);

	ASSERT_NE(GSCHED_FOREVER, ns);
	EXPECT_LE(variant->least, ns);
	counts = gs_counts(&self->gs);
	EXPECT_EQ(1, counts.handoffs);
	EXPECT_LE(1, counts.looks);
	if (!variant->least) {
		EXPECT_EQ(0, counts.handoffs_late);
	}
	EXPECT_LE(counts.handoffs_late, counts.looks_late);
}

/* The same for a WAITING M that was there before: it counts as work does. */
TEST_F(when, waiting)
{
	struct gs *gs = &self->gs;

	ASSERT_TRUE(gs_m_waits(&self->b));
	gs_m_ask(&self->a, gs_do_read, self->pipe[0], 0);
	ASSERT_EQ(0, gs_m_answer(&self->b));
	EXPECT_EQ(0, gs_m_saw(&self->b));
	EXPECT_LE(variant->least, delay(gs, &self->a, &self->b));
	EXPECT_EQ(1, gs_counts(gs).handoffs);
}

/* Who has no use for a P starts no timer, whatever the policy. */
TEST_F(when, nothing_to_do)
{
	struct gs *gs = &self->gs;
	struct gsched_info_domain counts;

	ASSERT_TRUE(gs_m_parks(&self->b, 0));
	ASSERT_EQ(0, gs_m_do(&self->a, do_sleep, 20, SHORT_NS));
	counts = gs_counts(gs);
	EXPECT_LT(10, counts.blocks);	/* a timer may come before the sleep it ends */
	EXPECT_EQ(counts.blocks, counts.takebacks);
	EXPECT_EQ(0, counts.looks);
	EXPECT_EQ(0, counts.looks_late);
}

/* Protocol 2: whatever the policy, WAKE takes a BLOCKED P at once. */
TEST_F(when, wake_takes_it)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->a, *b = &self->b;

	ASSERT_TRUE(gs_m_parks(b, 0));
	gs_m_ask(a, gs_do_read, self->pipe[0], 0);
	ASSERT_TRUE(gs_p_gets(gs, 0, GSCHED_P_BLOCKED, a->id));
	gs_put_work(gs, 0);
	EXPECT_EQ(0, gs_wake(gs));
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_EQ(0, gs_m_saw(b));
	EXPECT_EQ(1, gs_counts(gs).handoffs);
	EXPECT_EQ(0, gs_counts(gs).looks);
	EXPECT_EQ(0, gs_counts(gs).handoffs_late);
}

/* And ACQUIRE, which is how the border waits, too. */
TEST_F(when, acquire_takes_it)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->a, *b = &self->b;

	gs_m_ask(a, gs_do_read, self->pipe[0], 0);
	ASSERT_TRUE(gs_p_gets(gs, 0, GSCHED_P_BLOCKED, a->id));
	EXPECT_EQ(0, gs_m_do(b, gs_do_acquire, 0, 0));
	EXPECT_EQ(0, gs_m_saw(b));
	EXPECT_EQ(0, gs_counts(gs).looks);
	EXPECT_EQ(0, gs_counts(gs).handoffs_late);
}

/* And UNPARK, for the M it lets go on. */
TEST_F(when, unpark_takes_it)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->a, *b = &self->b;

	ASSERT_TRUE(gs_m_parks(b, GSCHED_PARK_PRIVATE));
	gs_m_ask(a, gs_do_read, self->pipe[0], 0);
	ASSERT_TRUE(gs_p_gets(gs, 0, GSCHED_P_BLOCKED, a->id));
	EXPECT_EQ(0, gs_unpark(gs, b->id));
	EXPECT_EQ(0, gs_m_answer(b));
	EXPECT_EQ(0, gs_m_saw(b));
	EXPECT_EQ(0, gs_counts(gs).looks);
	EXPECT_EQ(0, gs_counts(gs).handoffs_late);
}

/* ---- short sleeps ---- */

/*
 * Protocol 3: an M that is back before the delay is over keeps its P, work or not; and its sleeps
 * queue next to no irq_work, for the timer goes on. A machine that stands still for a while may let
 * the delay pass, or the timer stop: hence no more than "few".
 */
TEST_F(policy, short_sleeps_keep_the_p)
{
	struct gs *gs = &self->gs;
	struct gsched_info_domain counts;
	__u64 begin, ticks;

	ASSERT_EQ(0, tune_policy(gs, 0, GSCHED_POLICY_AFTER, DELAY_NS));
	ASSERT_TRUE(gs_m_parks(&self->b, 0));
	gs_put_work(gs, 0);
	begin = gs_now();
	gs_m_ask(&self->a, do_sleep, 400, SHORT_NS);
	ASSERT_TRUE(GS_UNTIL(gs_m_answered(&self->a) || gs_counts(gs).handoffs));
	counts = gs_counts(gs);
	ticks = (gs_now() - begin) / DELAY_NS + 2;
	TH_LOG("%llu blocks, %llu looks, %llu late", counts.blocks, counts.looks,
	       counts.looks_late);
	/* A handoff is no error if the machine let the sleeper sleep for so long. */
	if (counts.handoffs) {
		EXPECT_LE(DELAY_NS, delay(gs, &self->a, &self->b));
	} else {
		EXPECT_EQ(counts.blocks, counts.takebacks);
	}
	EXPECT_GE(counts.blocks / 4 + 2, counts.looks);
	/* each look may start the timer anew, and so may each of its expiries once the M sleeps */
	EXPECT_GE(2 * ticks + counts.looks, counts.looks_late);
}

/* Protocol 3: where nobody sleeps any more the timer stops, though the P has use. */
TEST_F(policy, the_timer_stops)
{
	struct gs *gs = &self->gs;
	__u64 late, end;

	ASSERT_EQ(0, tune_policy(gs, 0, GSCHED_POLICY_AFTER, GS_MS));
	gs_put_work(gs, 0);
	ASSERT_EQ(0, gs_m_do(&self->a, do_sleep, 100, SHORT_NS));
	/* a spins from here on: at most what was started yet may come. */
	ASSERT_TRUE(GS_UNTIL(gs_now() > GS_LOAD(gs->ms[self->a.id].blocked_ns) + 50 * GS_MS));
	late = gs_counts(gs).looks_late;
	end = gs_now() + 100 * GS_MS;
	while (gs_now() < end)
		sched_yield();
	EXPECT_EQ(late, gs_counts(gs).looks_late);
}

/* A P that has use stays BLOCKED without an M to give it to, and the timer does not storm. */
TEST_F(policy, nobody_there)
{
	struct gs *gs = &self->gs;
	__u64 late;

	ASSERT_EQ(0, tune_policy(gs, 0, GSCHED_POLICY_AFTER, GS_MS));
	gs_put_work(gs, 0);
	gs_m_ask(&self->a, gs_do_read, self->pipe[0], 0);
	ASSERT_TRUE(GS_UNTIL(GS_LOAD(gs->status->starved)));
	late = gs_counts(gs).looks_late;
	EXPECT_LE(GS_MS, gs_now() - GS_LOAD(gs->ms[self->a.id].blocked_ns));
	ASSERT_TRUE(gs_p_gets(gs, 0, GSCHED_P_BLOCKED, self->a.id));
	ASSERT_TRUE(GS_UNTIL(gs_now() > GS_LOAD(gs->ms[self->a.id].blocked_ns) + 50 * GS_MS));
	EXPECT_EQ(late, gs_counts(gs).looks_late);
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	EXPECT_EQ(1, gs_m_answer(&self->a));
	EXPECT_EQ(0, gs_m_saw(&self->a));
}

/* ---- adaptive ---- */

/*
 * Protocol 3: the first long sleep of an M costs the delay, the next ones do not, and after eight
 * short ones it has the delay again.
 */
TEST_F(policy, adaptive_learns)
{
	struct gs *gs = &self->gs;
	__u64 ns, late;
	int i;

	ASSERT_EQ(0, tune_policy(gs, 0, GSCHED_POLICY_ADAPTIVE, DELAY_NS));
	/* A short sleep first: what the M did to get so far may have been long. */
	ASSERT_EQ(0, gs_m_do(&self->a, do_sleep, RELEARN, SHORT_NS));
	ns = hand_over(&self->gs, &self->a, &self->b, self->pipe);
	ASSERT_NE(GSCHED_FOREVER, ns);
	EXPECT_LE(DELAY_NS, ns);

	/* Long ones, with nobody waiting for the P */
	ASSERT_EQ(0, gs_m_do(&self->a, do_sleep, 1, 8 * DELAY_NS));
	late = gs_counts(gs).handoffs_late;
	for (i = 0; i < 3; i++)
		ASSERT_NE(GSCHED_FOREVER, hand_over(gs, &self->a, &self->b, self->pipe));
	/*
	 * On an emulated machine a sleep of hand_over() may be as short as the delay; one of 8
	 * delays is behind it and outweighs three of nothing.
	 */
	EXPECT_EQ(late, gs_counts(gs).handoffs_late);

	ASSERT_EQ(0, gs_m_do(&self->a, do_sleep, 2 * RELEARN, SHORT_NS));
	ns = hand_over(gs, &self->a, &self->b, self->pipe);
	ASSERT_NE(GSCHED_FOREVER, ns);
	EXPECT_LE(DELAY_NS, ns);
}

/* What one M is like says nothing of another that has the same P. */
TEST_F(policy, adaptive_is_of_the_m)
{
	struct gs *gs = &self->gs;
	__u64 ns;

	ASSERT_EQ(0, tune_policy(gs, 0, GSCHED_POLICY_ADAPTIVE, DELAY_NS));
	ASSERT_EQ(0, gs_m_do(&self->a, do_sleep, 1, 8 * DELAY_NS));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_release, 0, 0));
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_acquire, gs_in_ms(10000), 0));
	ns = hand_over(gs, &self->b, &self->a, self->pipe);
	ASSERT_NE(GSCHED_FOREVER, ns);
	EXPECT_LE(DELAY_NS, ns);
}

/* ---- changing it ---- */

/*
 * TUNE acts on a P that is BLOCKED already. The machine may stand still until the old policy's time
 * has come, so it is tried until it was in time once.
 */
TEST_F(policy, change_while_blocked)
{
	struct gs *gs = &self->gs;
	struct gs_m *a = &self->a, *b = &self->b;
	__u64 ns, looks;
	int tries;

	for (tries = 0; tries < 100; tries++) {
		ASSERT_EQ(0, tune_policy(gs, 0, GSCHED_POLICY_ASKED, 0));
		ASSERT_TRUE(gs_m_parks(b, 0));
		looks = gs_counts(gs).looks;
		gs_put_work(gs, 0);
		gs_m_ask(a, gs_do_read, self->pipe[0], 0);
		/* The timer is on its way: it is not the sleep that finds the new policy. */
		ASSERT_TRUE(GS_UNTIL(gs_counts(gs).looks > looks || gs_m_answered(b)));
		ASSERT_EQ(0, tune_policy(gs, 0, GSCHED_POLICY_NOW, 0));
		ASSERT_EQ(0, gs_m_answer(b));
		ns = delay(gs, a, b);
		gs_take_work(gs, 0);
		ASSERT_EQ(1, write(self->pipe[1], "", 1));
		ASSERT_TRUE(gs_m_gets(gs, a->id, GSCHED_M_WAITING));
		ASSERT_EQ(0, gs_m_do(b, gs_do_release, 0, 0));
		ASSERT_EQ(1, gs_m_answer(a));
		if (ns < ASKED_NS)
			break;
	}
	EXPECT_GT(100, tries);
}

/* TUNE of one P leaves the others alone, and of all reaches each. */
TEST(one_or_all)
{
	struct gs gs;
	__u32 p;

	ASSERT_EQ(0, make_domain(&gs, 3, 0));
	ASSERT_EQ(0, tune_policy(&gs, 1, GSCHED_POLICY_AFTER, 5000));
	ASSERT_EQ(0, gs_tune_cpu(&gs, 2, 0));
	for (p = 0; p < 3; p++) {
		EXPECT_EQ(p == 1 ? GSCHED_POLICY_AFTER : GSCHED_POLICY_ADAPTIVE,
			  gs_p(&gs, p).policy);
		EXPECT_EQ(p == 1 ? 5000 : 20000, gs_p(&gs, p).policy_ns);
		EXPECT_EQ(p == 2 ? 0 : GSCHED_CPU_ANY, gs_p(&gs, p).cpu);
	}
	ASSERT_EQ(0, tune_policy(&gs, GSCHED_P_ALL, GSCHED_POLICY_ASKED, 0));
	for (p = 0; p < 3; p++)
		EXPECT_EQ(GSCHED_POLICY_ASKED, gs_p(&gs, p).policy);
	ASSERT_EQ(0, tune_policy(&gs, GSCHED_P_ALL, GSCHED_POLICY_ADAPTIVE, 0));
	for (p = 0; p < 3; p++)
		EXPECT_EQ(20000, gs_p(&gs, p).policy_ns);
	ASSERT_EQ(0, gs_tune_cpu(&gs, GSCHED_P_ALL, GSCHED_CPU_ANY));
	EXPECT_EQ(GSCHED_CPU_ANY, gs_p(&gs, 2).cpu);
	close(gs.fd);
}

static long do_sleep_and_wake(struct gs_m *m, __u64 times, __u64 ns)
{
	long ret;

	while (times--) {
		do_sleep(m, 1, ns);
		do {
			ret = gs_release(m->gs);
			if (!ret)
				ret = gs_acquire(m->gs, gs_in_ms(10000));
		} while (ret == -EINTR);
		if (ret)
			return ret;
	}
	return gs_release(m->gs);
}

/* Whatever is tuned while Ms sleep and wake, none is forgotten, and each P has an owner or none. */
TEST(changes_under_load)
{
	enum { MS = 6, PS = 2 };
	struct gs_m m[MS];
	struct gs gs;
	unsigned int i, n, done;

	ASSERT_EQ(0, make_domain(&gs, PS, 0));
	gs_put_work(&gs, 0);
	gs_put_work(&gs, 1);
	for (i = 0; i < MS; i++)
		ASSERT_EQ(0, gs_m_start(&gs, &m[i]));
	for (i = 0; i < MS; i++)
		gs_m_ask(&m[i], do_sleep_and_wake, 200, SHORT_NS);
	n = 0;
	do {
		n = n * 1103515245 + 12345;
		ASSERT_EQ(0, tune_policy(&gs, n & 0x10000 ? GSCHED_P_ALL : n >> 17 & 1,
					 n >> 20 & 3,
					 (n >> 20 & 3) % 2 ? 0 : 1000 + (n >> 22 & 0xff) * 1000));
		ASSERT_EQ(0, gs_tune_cpu(&gs, n >> 17 & 1, n & 0x80000 ? GSCHED_CPU_ANY : 0));
		for (done = 0, i = 0; i < MS; i++)
			done += gs_m_answered(&m[i]);
		sched_yield();
	} while (done < MS && GS_LOAD(gs.status->nr_m) == MS);
	for (i = 0; i < MS; i++)
		EXPECT_EQ(0, gs_m_answer(&m[i]));
	for (i = 0; i < PS; i++)
		EXPECT_EQ(GSCHED_P_IDLE, gs_p(&gs, i).state);
	EXPECT_EQ(0, GS_LOAD(gs.status->nwaiting));
	close(gs.fd);
}

/* ---- CPUs ---- */

/* The CPU it is on, once it has been PARKED */
static long do_park_and_say(struct gs_m *m, __u64 a, __u64 b)
{
	long ret = gs_park(m->gs, 0, GSCHED_FOREVER);

	return ret ? ret : sched_getcpu();
}

static int allow(int tid, unsigned int first, unsigned int last)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (; first <= last; first++)
		CPU_SET(first, &set);
	return sched_setaffinity(tid, sizeof(set), &set) ? -errno : 0;
}

FIXTURE(cpu) {
	struct gs gs;
	struct gs_m a, b, c;
	int pipe[2];
};

/* This thread on CPU 0 and a on CPU 1, so that 2 and 3 are idle. */
FIXTURE_SETUP(cpu)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 4)
		SKIP(return, "needs four CPUs");
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, gs_pin(0, 0));
	ASSERT_EQ(0, make_domain(&self->gs, 1, 0));
	ASSERT_EQ(0, tune_policy(&self->gs, 0, GSCHED_POLICY_NOW, 0));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_pin(self->a.tid, 1));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->b));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->c));
}

FIXTURE_TEARDOWN(cpu)
{
	close(self->gs.fd);
}

/* a falls asleep, and b, PARKED, gets its P: which CPU b is on then, or -1 */
static long handed_on_cpu(struct gs *gs, struct gs_m *a, struct gs_m *b, int pipe[2])
{
	long cpu;

	if (!gs_m_sleeps(b, GSCHED_M_PARKED, do_park_and_say, 0, 0) || !gs_tid_sleeps(b->tid))
		return -1;
	gs_put_work(gs, 0);
	gs_m_ask(a, gs_do_read, pipe[0], 0);
	cpu = gs_m_answer(b);
	gs_take_work(gs, 0);
	if (write(pipe[1], "", 1) != 1 || !gs_m_gets(gs, a->id, GSCHED_M_WAITING) ||
	    gs_m_do(b, gs_do_release, 0, 0) || gs_m_answer(a) != 1)
		return -1;
	return cpu;
}

/*
 * A P with a CPU of its own: who gets it is woken there, when that CPU is idle. It is a wish, and
 * the scheduler decides. One that knew nothing of it would leave the M where it is, and so be right
 * half of the times; on a busy machine some three quarters of the wishes come true, else nearly
 * all.
 */
TEST_F(cpu, woken_there)
{
	int i, hits = 0;
	long cpu;

	ASSERT_EQ(0, allow(self->b.tid, 0, 3));
	ASSERT_EQ(0, gs_pin(self->c.tid, 0));
	for (i = 0; i < 80; i++) {
		ASSERT_EQ(0, gs_tune_cpu(&self->gs, 0, 2 + i % 2));
		cpu = handed_on_cpu(&self->gs, &self->a, &self->b, self->pipe);
		ASSERT_LE(0, cpu);
		hits += cpu == 2 + i % 2;
	}
	TH_LOG("%d of 80", hits);
	EXPECT_LT(50, hits);
}

/* The thread's affinity is what counts. */
TEST_F(cpu, affinity_comes_first)
{
	int i;

	ASSERT_EQ(0, gs_tune_cpu(&self->gs, 0, 3));
	ASSERT_EQ(0, allow(self->b.tid, 0, 2));
	ASSERT_EQ(0, gs_pin(self->c.tid, 0));
	for (i = 0; i < 10; i++)
		EXPECT_NE(3, handed_on_cpu(&self->gs, &self->a, &self->b, self->pipe));
	ASSERT_EQ(0, gs_pin(self->b.tid, 2));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(2, handed_on_cpu(&self->gs, &self->a, &self->b, self->pipe));
}

/* Of the PARKED Ms the one is taken that parked on the P's CPU, though another came later. */
TEST_F(cpu, parked_there)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_tune_cpu(gs, 0, 2));
	ASSERT_EQ(0, gs_pin(self->b.tid, 2));
	ASSERT_EQ(0, gs_pin(self->c.tid, 3));
	ASSERT_TRUE(gs_m_parks(&self->b, 0));
	ASSERT_TRUE(gs_m_parks(&self->c, 0));
	gs_put_work(gs, 0);
	gs_m_ask(&self->a, gs_do_read, self->pipe[0], 0);
	ASSERT_EQ(0, gs_m_answer(&self->b));
	EXPECT_EQ(0, gs_m_saw(&self->b));
	EXPECT_EQ(GSCHED_M_PARKED, gs_m_info(gs, self->c.id).state);
	/* The same when a WAKE hands out an IDLE P. */
	gs_take_work(gs, 0);
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	ASSERT_TRUE(gs_m_gets(gs, self->a.id, GSCHED_M_WAITING));
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_release, 0, 0));
	ASSERT_EQ(1, gs_m_answer(&self->a));
	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_release, 0, 0));
	ASSERT_EQ(0, gs_tune_cpu(gs, 0, 3));
	ASSERT_TRUE(gs_m_parks(&self->b, 0));
	gs_put_work(gs, 0);
	ASSERT_EQ(0, gs_wake(gs));
	EXPECT_EQ(0, gs_m_answer(&self->c));
	EXPECT_EQ(GSCHED_M_PARKED, gs_m_info(gs, self->b.id).state);
}

TEST_HARNESS_MAIN
