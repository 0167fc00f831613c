// SPDX-License-Identifier: GPL-2.0
/*
 * CPUs go offline and come back (protocol 3 and 5) below a scene of Ms, and below a storm of naps.
 *
 * What the module has for each CPU must follow: the irq_work and the pinned timer that look at the
 * P of an M which fell asleep there, the timer of the slices, the thread that kicks an M to its
 * border, a P's own CPU, and the counts, which are kept where they were made.
 *
 * With a CPU that comes and goes the kernel rewrites some of its code, which an emulated machine
 * only survives with all processors in one thread (selftests/vm/run.sh says why). So this is no
 * part of the collection, but a run of its own.
 */
#include "scene.h"

#include <sys/prctl.h>

#include "kselftest_harness.h"

#define ROUNDS		3
#define NR_P		2
#define NAPPERS		8
/*
 * Between two changes of a CPU's state, so many naps. Few: where all processors are in one thread,
 * there may be no more than ten a second.
 */
#define NAPS		20

/* ---- CPUs ---- */

static int put_online(unsigned int cpu, bool online)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	return gs_write_file(path, online ? "1" : "0");
}

/* The last one, and never the first, which may have to stay. */
static unsigned int last_cpu(void)
{
	return sysconf(_SC_NPROCESSORS_CONF) - 1;
}

static int prefer_cpu(struct gs *gs, __u32 cpu)
{
	struct gsched_tune tune = {
		.size = sizeof(tune), .flags = GSCHED_TUNE_CPU, .p = GSCHED_P_ALL, .cpu = cpu,
	};

	return gs_ioctl(gs->fd, GSCHED_IOC_TUNE, &tune);
}

/* ---- the scene ---- */

static long deed_prefer_cpu(struct gs *gs, __u64 cpu)
{
	return prefer_cpu(gs, cpu);
}

FIXTURE(scene) {
	struct scene s;
	unsigned int cpu;
};

FIXTURE_VARIANT(scene) {
	bool slices;
};

FIXTURE_VARIANT_ADD(scene, still) { .slices = false };
FIXTURE_VARIANT_ADD(scene, turns) { .slices = true };

FIXTURE_SETUP(scene)
{
	struct scene_opts opts = { .slices = variant->slices };

	self->cpu = last_cpu();
	ASSERT_LT(0, self->cpu);
	ASSERT_TRUE(scene_start(&self->s, &opts));
}

FIXTURE_TEARDOWN(scene)
{
	put_online(self->cpu, true);
	kill(self->s.pid, SIGKILL);
}

/* All Ms are on the CPU that goes, as are both Ps by TUNE: they go on elsewhere, as they were. */
TEST_F(scene, on_the_cpu_that_goes)
{
	struct scene_show *show = self->s.show;
	int i, role;

	ASSERT_EQ(0, scene_do(&self->s, SCENE_MS, deed_prefer_cpu, self->cpu));
	for (i = 0; i < ROUNDS; i++) {
		for (role = 0; role < SCENE_MS; role++)
			ASSERT_EQ(0, gs_pin(show->tid[role], self->cpu));
		ASSERT_TRUE(scene_runs(&self->s));
		ASSERT_EQ(0, put_online(self->cpu, false));
		EXPECT_TRUE(scene_runs(&self->s));
		if (!variant->slices)
			EXPECT_TRUE(scene_stands(&self->s));
		ASSERT_EQ(0, put_online(self->cpu, true));
		EXPECT_TRUE(scene_runs(&self->s));
	}
	EXPECT_TRUE(scene_ends_well(&self->s));
}

/* The scene comes to its end, which takes handoffs and retakes, without that CPU. */
TEST_F(scene, ends_without_the_cpu)
{
	struct scene_show *show = self->s.show;
	int role;

	ASSERT_EQ(0, scene_do(&self->s, SCENE_MS, deed_prefer_cpu, self->cpu));
	for (role = 0; role < SCENE_MS; role++)
		ASSERT_EQ(0, gs_pin(show->tid[role], self->cpu));
	ASSERT_TRUE(scene_runs(&self->s));
	ASSERT_EQ(0, put_online(self->cpu, false));
	EXPECT_TRUE(scene_ends_well(&self->s));
	EXPECT_EQ(0, put_online(self->cpu, true));
}

/* ---- a storm ---- */

static bool over;
static __u64 naps[GS_MAX_M];
static int inside;
static int most_inside;

/* User code that keeps its P; how many are in it is counted. */
static void be_inside(struct gs_m *m)
{
	int now;

	gs_do_nopreempt(m, 1, 0);
	now = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
	if (now > GS_LOAD(most_inside))
		GS_STORE(most_inside, now);
	__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
	gs_do_nopreempt(m, 0, 0);
}

/* Naps of all lengths about the policies' delays. */
static long do_nap(struct gs_m *m, __u64 a, __u64 b)
{
	struct timespec nap = { 0 };
	unsigned int seed = m->id;

	prctl(PR_SET_TIMERSLACK, 1);
	if (gs_acquire(m->gs, GSCHED_FOREVER))
		return -EIO;
	while (!GS_LOAD(over)) {
		be_inside(m);
		seed = seed * 1103515245 + 12345;
		nap.tv_nsec = 1 + (seed >> 8) % 200000;
		nanosleep(&nap, NULL);
		GS_STORE(naps[m->id], naps[m->id] + 1);
	}
	return gs_release(m->gs);
}

static bool all_nap(const struct gs_m *m, __u64 n)
{
	__u64 before[NAPPERS];
	int i;

	for (i = 0; i < NAPPERS; i++)
		before[i] = GS_LOAD(naps[m[i].id]);
	for (i = 0; i < NAPPERS; i++)
		if (!GS_UNTIL(GS_LOAD(naps[m[i].id]) >= before[i] + n))
			return false;
	return true;
}

FIXTURE(storm) {
	struct gs gs;
	struct gs_m m[NAPPERS];
	unsigned int cpu;
};

FIXTURE_SETUP(storm)
{
	int i;

	self->cpu = last_cpu();
	ASSERT_LT(0, self->cpu);
	ASSERT_EQ(0, gs_make_domain(&self->gs, NR_P, 0));
	ASSERT_EQ(0, gs_slice(&self->gs, GS_MS));
	ASSERT_EQ(0, prefer_cpu(&self->gs, self->cpu));
	for (i = 0; i < NAPPERS; i++)
		ASSERT_EQ(0, gs_m_start(&self->gs, &self->m[i]));
}

FIXTURE_TEARDOWN(storm)
{
	put_online(self->cpu, true);
	close(self->gs.fd);
}

/* Half of the Ms are on the CPU that comes and goes, as are the Ps. Nobody stays behind. */
TEST_F_TIMEOUT(storm, naps, 120)
{
	struct gsched_info_domain d;
	struct gs_m *m = self->m;
	int i, round;

	for (i = 0; i < NAPPERS; i++)
		gs_m_ask(&m[i], do_nap, 0, 0);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < NAPPERS; i += 2)
			ASSERT_EQ(0, gs_pin(m[i].tid, self->cpu));
		EXPECT_TRUE(all_nap(m, NAPS));
		ASSERT_EQ(0, put_online(self->cpu, false));
		EXPECT_TRUE(all_nap(m, NAPS));
		ASSERT_EQ(0, put_online(self->cpu, true));
	}
	GS_STORE(over, true);
	for (i = 0; i < NAPPERS; i++)
		EXPECT_EQ(0, gs_m_answer(&m[i]));
	EXPECT_GE(NR_P, most_inside);
	d = gs_counts(&self->gs);
	EXPECT_EQ(NR_P, d.nidle);
	EXPECT_EQ(0, d.nwaiting);
	/* whoever slept came back with its P, or without: then it had been handed on */
	EXPECT_EQ(d.blocks, d.takebacks + d.lost);
	EXPECT_EQ(d.lost, d.handoffs);
	EXPECT_LT(0, d.handoffs);
}

TEST_HARNESS_MAIN
