// SPDX-License-Identifier: GPL-2.0
/*
 * The freezer and the bandwidth of cgroups (v2), at a scene of Ms (protocol 5 and 6).
 *
 * A frozen M is let out of its PARK or its wait like one that is stopped, and goes on with it
 * afterwards. A throttled one only looks preempted: it keeps its P, as it would on a busy CPU.
 */
#include "cgroup.h"
#include "scene.h"

#include "kselftest_harness.h"

/* "At once": long before any time limit or patience would bring it about. */
#define AT_ONCE_NS	(5000 * GS_MS)
/* As scene.c sets it where Ms take turns */
#define SLICE_NS	(10 * GS_MS)
/* Of one processor, a tenth */
#define QUOTA_US	2000
#define PERIOD_US	20000
/* As many periods are looked at in which the quota was used up */
#define PERIODS		25

/* ---- a scene in a cgroup ---- */

/* Started outside: only what it does from now on is frozen or limited. */
static bool start_in(struct scene *s, struct cgroup *cg, bool slices)
{
	struct scene_opts opts = { .slices = slices };
	char name[32];

	if (!scene_start(s, &opts))
		return false;
	snprintf(name, sizeof(name), "gsched-%d", s->pid);
	return !cgroup_make(cg, name, "cpu") && !cgroup_put(cg, "cgroup.procs", "%d", s->pid);
}

/* A test that failed must leave neither. */
static void end_in(struct scene *s, struct cgroup *cg)
{
	kill(s->pid, SIGKILL);
	cgroup_freeze(cg, false);
	cgroup_remove(cg);
}

/* Without slices, so that nothing changes by itself. */
FIXTURE(scene) {
	struct scene s;
	struct cgroup cg;
};

FIXTURE_SETUP(scene)
{
	ASSERT_TRUE(start_in(&self->s, &self->cg, false));
}

FIXTURE_TEARDOWN(scene)
{
	end_in(&self->s, &self->cg);
}

/* With them: whoever lost its P to a WAITING M gets one again. */
FIXTURE(turns) {
	struct scene s;
	struct cgroup cg;
};

FIXTURE_SETUP(turns)
{
	ASSERT_TRUE(start_in(&self->s, &self->cg, true));
}

FIXTURE_TEARDOWN(turns)
{
	end_in(&self->s, &self->cg);
}

/* ---- the freezer ---- */

/* All freeze at once, WAITING and PARKED Ms too; nobody runs meanwhile; and all go on. */
TEST_F(turns, freeze_and_thaw)
{
	__u64 start, spins;
	int i;

	for (i = 0; i < 20; i++) {
		start = gs_now();
		ASSERT_EQ(0, cgroup_freeze(&self->cg, true));
		ASSERT_TRUE(cgroup_gets_frozen(&self->cg, true));
		EXPECT_GT(AT_ONCE_NS * gs_factor(), gs_now() - start);
		spins = GS_LOAD(self->s.show->spins);
		sched_yield();
		EXPECT_EQ(spins, GS_LOAD(self->s.show->spins));
		ASSERT_EQ(0, cgroup_freeze(&self->cg, false));
		EXPECT_TRUE(scene_runs(&self->s));
	}
	EXPECT_TRUE(scene_ends_well(&self->s));
}

/* Thawed and frozen again before anybody can have gone on: no M is lost on its way in or out. */
TEST_F(turns, freeze_in_a_row)
{
	int i;

	for (i = 0; i < 200; i++) {
		ASSERT_EQ(0, cgroup_freeze(&self->cg, true));
		ASSERT_EQ(0, cgroup_freeze(&self->cg, false));
	}
	ASSERT_TRUE(cgroup_gets_frozen(&self->cg, false));
	EXPECT_TRUE(scene_runs(&self->s));
	EXPECT_TRUE(scene_ends_well(&self->s));
}

/* Signals to frozen Ms are handled once they are thawed, not before, and with a P. */
TEST_F(turns, signals_while_frozen)
{
	struct scene_show *show = self->s.show;
	int i, role;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, cgroup_freeze(&self->cg, true));
		ASSERT_TRUE(cgroup_gets_frozen(&self->cg, true));
		for (role = 0; role < SCENE_MS; role++)
			ASSERT_EQ(0, syscall(SYS_tgkill, self->s.pid, show->tid[role], SIGUSR1));
		/* They wake for a moment, and freeze again. */
		ASSERT_TRUE(cgroup_gets_frozen(&self->cg, true));
		EXPECT_TRUE(scene_all_handled(&self->s, i));
		ASSERT_EQ(0, cgroup_freeze(&self->cg, false));
		ASSERT_TRUE(GS_UNTIL(scene_all_handled(&self->s, i + 1)));
	}
	for (role = 0; role < SCENE_MS; role++)
		EXPECT_EQ(0, show->lost[role]);
	EXPECT_TRUE(scene_ends_well(&self->s));
}

/* A frozen process can be killed: it is gone at once, and nobody holds the module. */
TEST_F(turns, kill_while_frozen)
{
	__u64 start;
	int status;

	ASSERT_EQ(0, cgroup_freeze(&self->cg, true));
	ASSERT_TRUE(cgroup_gets_frozen(&self->cg, true));
	start = gs_now();
	ASSERT_EQ(0, kill(self->s.pid, SIGKILL));
	status = scene_is_gone(&self->s);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_GT(AT_ONCE_NS * gs_factor(), gs_now() - start);
}

/* ---- bandwidth ---- */

static int limit(struct cgroup *cg)
{
	return cgroup_put(cg, "cpu.max", "%d %d", QUOTA_US, PERIOD_US);
}

static int lift(struct cgroup *cg)
{
	return cgroup_put(cg, "cpu.max", "max");
}

static long throttled(struct cgroup *cg)
{
	return cgroup_get(cg, "cpu.stat", "nr_throttled");
}

static bool is_throttled_often(struct cgroup *cg)
{
	long before = throttled(cg);

	return GS_UNTIL(throttled(cg) >= before + PERIODS);
}

/*
 * An M that waits for its next quota has not blocked: it keeps its P, though another one is
 * WAITING, and nobody is woken for it. It gets on, at the rate that is allowed: each period adds a
 * quota, and each CPU may have overdrawn it by what it uses until its clock ticks.
 */
TEST_F(scene, throttled_keep_their_ps)
{
	struct scene_show *show = self->s.show;
	struct gsched_info_domain before;
	__u64 start, spins;
	long used, allowed;

	ASSERT_TRUE(scene_stands(&self->s));
	before = show->info;
	ASSERT_EQ(0, limit(&self->cg));
	start = gs_now();
	spins = GS_LOAD(show->spins);
	used = cgroup_get(&self->cg, "cpu.stat", "usage_usec");
	ASSERT_TRUE(is_throttled_often(&self->cg));
	used = cgroup_get(&self->cg, "cpu.stat", "usage_usec") - used;
	allowed = (gs_now() - start) / 1000 * QUOTA_US / PERIOD_US;
	EXPECT_LT(spins, GS_LOAD(show->spins));
	/* Without a limit it is ten times as much. What the host takes from a guest counts, too. */
	EXPECT_GT(7 * allowed, used);
	TH_LOG("used %ld us of %ld", used, allowed);
	ASSERT_EQ(0, lift(&self->cg));
	ASSERT_TRUE(scene_stands(&self->s));
	EXPECT_EQ(before.handoffs, show->info.handoffs);
	EXPECT_EQ(before.lost, show->info.lost);
	EXPECT_EQ(before.borders, show->info.borders);
	EXPECT_EQ(before.retakes, show->info.retakes);
	EXPECT_EQ(before.preempts, show->info.preempts);
	EXPECT_EQ(before.grants_parked, show->info.grants_parked);
	EXPECT_TRUE(scene_ends_well(&self->s));
}

/* The counts, by a thread of the process. */
static long deed_count(struct gs *gs, __u64 to)
{
	*(struct gsched_info_domain *)(uintptr_t)to = gs_counts(gs);
	return 0;
}

/*
 * Slices are of wall-clock time, which a throttled M spends waiting. So it may be asked for its P
 * in each, but not more often; and the P changes hands no faster than that.
 */
TEST_F(turns, throttled_slices_are_bounded)
{
	struct scene_show *show = self->s.show;
	__u64 info = (uintptr_t)&show->info, start, most, spins;
	struct gsched_info_domain before;

	ASSERT_EQ(0, scene_do(&self->s, SCENE_MS, deed_count, info));
	before = show->info;
	start = gs_now();
	ASSERT_EQ(0, limit(&self->cg));
	spins = GS_LOAD(show->spins);
	ASSERT_TRUE(is_throttled_often(&self->cg));
	EXPECT_TRUE(GS_UNTIL(GS_LOAD(show->spins) != spins));
	ASSERT_EQ(0, lift(&self->cg));
	ASSERT_EQ(0, scene_do(&self->s, SCENE_MS, deed_count, info));
	/* of each of the two Ps, and one that was about to be */
	most = 2 * ((gs_now() - start) / SLICE_NS + 1);
	TH_LOG("%llu requests, %llu retakes; at most %llu", show->info.preempts - before.preempts,
	       show->info.retakes - before.retakes, most);
	EXPECT_LT(before.preempts, show->info.preempts);
	EXPECT_LT(before.retakes, show->info.retakes);
	EXPECT_GE(most, show->info.preempts - before.preempts);
	EXPECT_GE(most, show->info.retakes - before.retakes);
	EXPECT_GE(most, show->info.handoffs - before.handoffs);
	EXPECT_TRUE(scene_ends_well(&self->s));
}

/* It also ends well, and can be killed, while it is throttled. */
TEST_F(turns, end_while_throttled)
{
	ASSERT_EQ(0, limit(&self->cg));
	ASSERT_TRUE(is_throttled_often(&self->cg));
	EXPECT_TRUE(scene_ends_well(&self->s));
}

TEST_F(turns, kill_while_throttled)
{
	int status;

	ASSERT_EQ(0, limit(&self->cg));
	ASSERT_TRUE(is_throttled_often(&self->cg));
	ASSERT_EQ(0, kill(self->s.pid, SIGKILL));
	status = scene_is_gone(&self->s);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST_HARNESS_MAIN
