// SPDX-License-Identifier: GPL-2.0
/*
 * Ms of all scheduling classes in one domain. What holds (protocol 2, 5 and 6):
 *
 * The order is not inverted. Ps go to WAITING Ms in the order in which these began to wait, and a
 * slice is as long for one as for another: the class and the nice value of an M say how it gets a
 * CPU for its P, never whether or when it gets a P. So nobody is starved of Ps by those above it,
 * and nobody can push in.
 *
 * Those below do not hold it up either. An M that runs is at its border a slice and a grace after
 * somebody began to wait. One that the scheduler does not let run keeps its P until it does, as it
 * would keep a lock: how long that is, is for the scheduler to bound. One that sleeps, be it for a
 * lock that a WAITING M holds, gives its P up.
 */
#include "scene.h"

#include <sys/resource.h>

#include "kselftest_harness.h"

#define SLICE_NS	(10 * GS_MS)
/* As GSCHED_TUNE_GRACE says of a grace of 0, and from one tick of the timer to the next */
#define GRACE_NS	(SLICE_NS / 10)
#define TICK_NS		(SLICE_NS / 4)
/* How much longer the best of some rounds may take than the rules say, for the emulator's sake */
#define EMULATED	16
#define ROUNDS		5
/* Each M has had so many turns before they are compared */
#define TURNS		20

/* ---- classes ---- */

static const struct class {
	int	policy;
	int	priority;
	int	nice;
} classes[] = {
	{ SCHED_IDLE, 0, 0 },
	{ SCHED_FIFO, 50, 0 },
	{ SCHED_OTHER, 0, 19 },
	{ SCHED_RR, 10, 0 },
	{ SCHED_OTHER, 0, -20 },
	{ SCHED_BATCH, 0, 0 },
};

#define NR_CLASSES	(sizeof(classes) / sizeof(classes[0]))

enum { CLASS_IDLE, CLASS_FIFO, CLASS_NICE };

static int set_class(int tid, const struct class *c)
{
	struct sched_param param = { .sched_priority = c->priority };

	if (sched_setscheduler(tid, c->policy, &param))
		return -errno;
	return setpriority(PRIO_PROCESS, tid, c->nice) ? -errno : 0;
}

/* ---- the scene ---- */

/* Whatever an M is doing, another class or nice value changes nothing about its P or its state. */
TEST(another_class_in_each_state)
{
	struct scene_opts opts = {};
	struct scene s;
	unsigned int i;
	int role;

	ASSERT_TRUE(scene_start(&s, &opts));
	for (i = 0; i < NR_CLASSES * SCENE_MS; i++) {
		for (role = 0; role < SCENE_MS; role++)
			EXPECT_EQ(0, set_class(s.show->tid[role],
					       &classes[(i + i / NR_CLASSES * role) % NR_CLASSES]));
		EXPECT_TRUE(scene_runs(&s));
		EXPECT_TRUE(scene_stands(&s));
	}
	EXPECT_TRUE(scene_ends_well(&s));
}

/* ---- jobs ---- */

static bool over;

static long do_spin(struct gs_m *m, __u64 a, __u64 b)
{
	while (!GS_LOAD(over))
		;
	return 0;
}

static unsigned int nr_served;
static __u32 served[GS_MAX_M];

/*
 * When it is told to, it waits for a P, says that it was served, and hands the P on. In between it
 * sleeps: those between two jobs spin, and those below them would get no CPU.
 */
static long do_take_turns(struct gs_m *m, __u64 fd, __u64 rounds)
{
	int ret = 0;

	for (; rounds && !ret; rounds--) {
		if (gs_do_read(m, fd, 0) != 1)
			return -EIO;
		ret = gs_acquire(m->gs, GSCHED_FOREVER);
		if (!ret) {
			served[nr_served] = m->id;	/* there is one P */
			GS_STORE(nr_served, nr_served + 1);
			ret = gs_release(m->gs);
		}
	}
	return ret;
}

static unsigned int turns[GS_MAX_M];

/* User code, counting how often it was granted a P. */
static long do_count_turns(struct gs_m *m, __u64 a, __u64 b)
{
	struct gsched_m_status *st = &m->gs->ms[m->id];
	int ret = gs_acquire(m->gs, GSCHED_FOREVER);
	__u64 granted = 0, now;

	while (!ret && !GS_LOAD(over)) {
		now = GS_LOAD(st->granted_ns);
		if (now != granted)
			GS_STORE(turns[m->id], turns[m->id] + 1);
		granted = now;
	}
	return ret ? ret : gs_release(m->gs);
}

/* Returns how long it waited for a P. */
static long do_wait_and_release(struct gs_m *m, __u64 a, __u64 b)
{
	__u64 start = gs_now(), granted;
	int ret = gs_acquire(m->gs, GSCHED_FOREVER);

	granted = GS_LOAD(m->gs->ms[m->id].granted_ns);
	if (!ret)
		ret = gs_release(m->gs);
	return ret ? ret : (long)(granted - start);
}

static pthread_mutex_t mutex;

static long do_lock(struct gs_m *m, __u64 a, __u64 b)
{
	return -pthread_mutex_lock(&mutex);
}

static long do_lock_unlock_release(struct gs_m *m, __u64 a, __u64 b)
{
	long ret = -pthread_mutex_lock(&mutex);

	if (!ret)
		ret = -pthread_mutex_unlock(&mutex);
	return ret ? ret : gs_release(m->gs);
}

static long do_read_unlock_release(struct gs_m *m, __u64 fd, __u64 b)
{
	long ret = gs_do_read(m, fd, 0);

	if (ret != 1)
		return ret < 0 ? ret : -EIO;
	ret = -pthread_mutex_unlock(&mutex);
	return ret ? ret : gs_release(m->gs);
}

/* ---- one P, and one M of each class ---- */

FIXTURE(mixed) {
	struct gs gs;
	struct gs_m m[NR_CLASSES];
	struct gs_m holder;	/* an ordinary one, that has the P */
};

FIXTURE_SETUP(mixed)
{
	unsigned int i;

	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 0));
	for (i = 0; i < NR_CLASSES; i++)
		ASSERT_EQ(0, gs_m_start(&self->gs, &self->m[i]));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->holder));
}

FIXTURE_TEARDOWN(mixed)
{
	close(self->gs.fd);
}

static void shuffle(unsigned int *order, unsigned int n, unsigned int *seed)
{
	unsigned int i, j, swapped;

	for (i = n - 1; i > 0; i--) {
		*seed = *seed * 1103515245 + 12345;
		j = (*seed >> 8) % (i + 1);
		swapped = order[i];
		order[i] = order[j];
		order[j] = swapped;
	}
}

/* WAITING Ms are served in the order of their arrival, and it is the same for all classes. */
TEST_F(mixed, served_in_order_of_arrival)
{
	unsigned int order[NR_CLASSES], seed = 7, round, i;
	int pipes[NR_CLASSES][2];

	for (i = 0; i < NR_CLASSES; i++) {
		order[i] = i;
		ASSERT_EQ(0, pipe2(pipes[i], O_CLOEXEC));
		gs_m_ask(&self->m[i], do_take_turns, pipes[i][0], 2 * ROUNDS);
		ASSERT_TRUE(gs_tid_sleeps(self->m[i].tid));
		ASSERT_EQ(0, set_class(self->m[i].tid, &classes[i]));
	}
	for (round = 0; round < 2 * ROUNDS; round++) {
		shuffle(order, NR_CLASSES, &seed);
		GS_STORE(nr_served, 0);
		for (i = 0; i < NR_CLASSES; i++) {
			ASSERT_EQ(1, write(pipes[order[i]][1], "", 1));
			ASSERT_TRUE(gs_m_gets(&self->gs, self->m[order[i]].id, GSCHED_M_WAITING));
		}
		ASSERT_EQ(0, gs_m_do(&self->holder, gs_do_release, 0, 0));
		ASSERT_TRUE(GS_UNTIL(GS_LOAD(nr_served) == NR_CLASSES));
		for (i = 0; i < NR_CLASSES; i++)
			EXPECT_EQ(self->m[order[i]].id, served[i]);
		ASSERT_EQ(0, gs_m_do(&self->holder, gs_do_acquire, gs_in_ms(10000), 0));
	}
}

static unsigned int fewest_turns(const struct gs_m *m, unsigned int *most)
{
	unsigned int i, n, fewest = ~0U;

	*most = 0;
	for (i = 0; i < NR_CLASSES; i++) {
		n = GS_LOAD(turns[m[i].id]);
		if (n < fewest)
			fewest = n;
		if (n > *most)
			*most = n;
	}
	return fewest;
}

/*
 * Each wants all of the P, and each gets a slice in turn: the one at real-time priority no more
 * turns than the one that runs only where nobody else wants to. The reader may be held up in the
 * middle, hence not quite the same.
 */
TEST_F(mixed, slices_in_turn)
{
	unsigned int i, fewest, most;

	for (i = 0; i < NR_CLASSES; i++) {
		gs_m_ask(&self->m[i], do_count_turns, 0, 0);
		ASSERT_TRUE(gs_m_gets(&self->gs, self->m[i].id, GSCHED_M_WAITING));
		ASSERT_EQ(0, set_class(self->m[i].tid, &classes[i]));
	}
	ASSERT_EQ(0, gs_m_do(&self->holder, gs_do_release, 0, 0));
	ASSERT_EQ(0, gs_m_do(&self->holder, gs_do_unregister, 0, 0));
	ASSERT_EQ(0, gs_slice(&self->gs, SLICE_NS));
	for (i = 0; i < NR_CLASSES; i++)
		ASSERT_TRUE(GS_UNTIL(GS_LOAD(turns[self->m[i].id]) >= TURNS));
	fewest = fewest_turns(self->m, &most);
	TH_LOG("%u to %u turns", fewest, most);
	EXPECT_GE(fewest + 2, most);
	GS_STORE(over, true);
	for (i = 0; i < NR_CLASSES; i++)
		EXPECT_EQ(0, gs_m_answer(&self->m[i]));
	EXPECT_EQ(1, gs_counts(&self->gs).nidle);
}

/* ---- who holds, and who waits ---- */

FIXTURE(two) {
	struct gs gs;
	struct gs_m holds, waits;
};

FIXTURE_VARIANT(two) {
	unsigned int holds, waits;
};

FIXTURE_VARIANT_ADD(two, idle_before_fifo) { CLASS_IDLE, CLASS_FIFO };
FIXTURE_VARIANT_ADD(two, fifo_before_nice) { CLASS_FIFO, CLASS_NICE };

FIXTURE_SETUP(two)
{
	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 0));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->holds));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->waits));
	ASSERT_EQ(0, set_class(self->holds.tid, &classes[variant->holds]));
	ASSERT_EQ(0, set_class(self->waits.tid, &classes[variant->waits]));
}

FIXTURE_TEARDOWN(two)
{
	close(self->gs.fd);
}

/* Whoever is above whom: the P is another's a slice and a grace after that began to wait. */
TEST_F(two, slice_and_grace)
{
	__u64 best = GSCHED_FOREVER;
	long took;
	int i;

	ASSERT_EQ(0, gs_slice(&self->gs, SLICE_NS));
	gs_m_ask(&self->holds, do_spin, 0, 0);
	for (i = 0; i < ROUNDS; i++) {
		took = gs_m_do(&self->waits, do_wait_and_release, 0, 0);
		ASSERT_LE(0, took);
		if ((__u64)took < best)
			best = took;
		/* it waits as the first one, and has the P again */
		ASSERT_TRUE(gs_p_gets(&self->gs, 0, GSCHED_P_RUNNING, self->holds.id));
	}
	EXPECT_GT(EMULATED * (SLICE_NS + GRACE_NS + TICK_NS) * gs_factor(), best);
	GS_STORE(over, true);
	EXPECT_EQ(0, gs_m_answer(&self->holds));
}

/*
 * A lock whose owner waits for a P. Whoever blocks on it gives up its own, without slices, and so
 * lets the owner go on: with priority inheritance, which wakes nobody, as without.
 */
TEST_F(two, owner_of_a_pi_mutex_waits)
{
	pthread_mutexattr_t attr;
	int fds[2];

	pthread_mutexattr_init(&attr);
	ASSERT_EQ(0, pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT));
	ASSERT_EQ(0, pthread_mutex_init(&mutex, &attr));
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	ASSERT_EQ(0, gs_m_do(&self->holds, do_lock, 0, 0));
	gs_m_ask(&self->holds, do_read_unlock_release, fds[0], 0);
	ASSERT_EQ(0, gs_m_do(&self->waits, gs_do_acquire, gs_in_ms(10000), 0));
	ASSERT_EQ(1, write(fds[1], "", 1));
	ASSERT_TRUE(gs_m_gets(&self->gs, self->holds.id, GSCHED_M_WAITING));
	EXPECT_EQ(0, gs_m_do(&self->waits, do_lock_unlock_release, 0, 0));
	EXPECT_EQ(0, gs_m_answer(&self->holds));
	EXPECT_EQ(1, gs_counts(&self->gs).nidle);
}

/* ---- a P whose M gets no CPU ---- */

static bool hogs, hog_ends;

/*
 * It keeps the second CPU to itself. Real-time, as is the M that it keeps off there, but above it:
 * what the scheduler leaves to others of its time it leaves to neither or to lower classes.
 */
static void *hog(void *arg)
{
	static const struct class above = { SCHED_FIFO, 50, 0 };

	GS_STORE(hogs, !set_class(0, &above) && !gs_pin(0, 1));
	while (!GS_LOAD(hog_ends))
		;
	return NULL;
}

static bool starts_to_hog(pthread_t *thread)
{
	return !pthread_create(thread, NULL, hog, NULL) && GS_UNTIL(GS_LOAD(hogs));
}

/* The timer of the slices ticks @n times more, now or soon. */
static bool ticks_pass(struct gs *gs, __u64 n)
{
	__u64 ticks = gs_counts(gs).ticks;

	return GS_UNTIL(gs_counts(gs).ticks >= ticks + n);
}

/* One P. The test and the others are on the first CPU, the one to be kept off on the second. */
FIXTURE(nocpu) {
	struct gs gs;
	struct gs_m kept, waits;
	pthread_t hog;
};

FIXTURE_SETUP(nocpu)
{
	static const struct class below = { SCHED_FIFO, 1, 0 };
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_pin(0, 0));
	ASSERT_EQ(0, gs_make_domain(gs, 1, 0));
	ASSERT_EQ(0, gs_m_start(gs, &self->waits));
	ASSERT_EQ(0, gs_m_start(gs, &self->kept));
	ASSERT_EQ(0, gs_pin(self->kept.tid, 1));
	ASSERT_EQ(0, set_class(self->kept.tid, &below));
}

FIXTURE_TEARDOWN(nocpu)
{
	GS_STORE(hog_ends, true);
	GS_STORE(over, true);
	if (GS_LOAD(hogs))
		EXPECT_EQ(0, pthread_join(self->hog, NULL));
	close(self->gs.fd);
}

/*
 * A holder that is preempted has not blocked: its P stays with it, and it is asked for it once a
 * slice, not more. With the first time that it gets it is at its border, and the P is the other's.
 */
TEST_F(nocpu, holder)
{
	struct gs *gs = &self->gs;
	struct gsched_info_domain d;
	__u64 start;

	ASSERT_EQ(0, gs_m_do(&self->kept, gs_do_acquire, 0, 0));
	ASSERT_TRUE(gs_m_waits(&self->waits));
	ASSERT_TRUE(starts_to_hog(&self->hog));
	start = gs_now();
	ASSERT_EQ(0, gs_slice(gs, SLICE_NS));
	ASSERT_TRUE(ticks_pass(gs, 100));
	d = gs_counts(gs);
	EXPECT_GE((gs_now() - start) / SLICE_NS, d.preempts);
	EXPECT_LT(0, d.preempts);
	EXPECT_EQ(0, d.handoffs + d.retakes);
	EXPECT_EQ(self->kept.id, gs_p(gs, 0).m);
	GS_STORE(hog_ends, true);
	EXPECT_EQ(0, gs_m_answer(&self->waits));
	EXPECT_LT(0, gs_counts(gs).retakes);
}

/*
 * Nor is one asked that was granted a P and has had no time to take it up, though another M is
 * WAITING: it would only lose its turn. It is the scheduler that owes it that time.
 */
TEST_F(nocpu, granted)
{
	struct gs *gs = &self->gs;

	ASSERT_EQ(0, gs_m_do(&self->waits, gs_do_acquire, 0, 0));
	ASSERT_TRUE(gs_m_waits(&self->kept));
	ASSERT_TRUE(starts_to_hog(&self->hog));
	ASSERT_EQ(0, gs_m_do(&self->waits, gs_do_release, 0, 0));
	ASSERT_TRUE(gs_m_waits(&self->waits));
	ASSERT_EQ(0, gs_slice(gs, SLICE_NS));
	ASSERT_TRUE(ticks_pass(gs, 100));
	EXPECT_EQ(0, gs_counts(gs).preempts);
	EXPECT_EQ(GSCHED_P_RUNNING, gs_p(gs, 0).state);
	EXPECT_EQ(self->kept.id, gs_p(gs, 0).m);
	EXPECT_FALSE(gs_m_answered(&self->kept));
	GS_STORE(hog_ends, true);
	EXPECT_EQ(0, gs_m_answer(&self->kept));
	EXPECT_EQ(0, gs_m_answer(&self->waits));
	EXPECT_LT(0, gs_counts(gs).retakes);
}

TEST_HARNESS_MAIN
