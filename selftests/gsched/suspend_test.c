// SPDX-License-Identifier: GPL-2.0
/*
 * The freezer of suspend, at a scene of Ms (protocol 5): all freeze at once, those that wait at the
 * border or sleep in PARK too, and go on afterwards.
 *
 * It runs where the kernel can be told to stop short of the suspend proper (CONFIG_PM_DEBUG), and,
 * in an emulated machine, where all processors are in one thread: the freezer's switch is code that
 * the kernel rewrites (selftests/vm/run.sh says more). So it is a run of its own.
 */
#include "scene.h"

#include "kselftest_harness.h"

#define ROUNDS		5
/* How long it stays frozen, in seconds */
#define PM_TEST_DELAY	"/sys/module/suspend/parameters/pm_test_delay"

FIXTURE(scene) {
	struct scene s;
};

FIXTURE_VARIANT(scene) {
	bool slices;
};

FIXTURE_VARIANT_ADD(scene, still) { .slices = false };
FIXTURE_VARIANT_ADD(scene, turns) { .slices = true };

FIXTURE_SETUP(scene)
{
	struct scene_opts opts = { .slices = variant->slices };

	/* It fails, rather than skips, where the kernel has no such thing. */
	ASSERT_EQ(0, gs_write_file("/sys/power/pm_test", "freezer"));
	ASSERT_EQ(0, gs_write_file(PM_TEST_DELAY, "1"));
	ASSERT_TRUE(scene_start(&self->s, &opts));
}

FIXTURE_TEARDOWN(scene)
{
	kill(self->s.pid, SIGKILL);
	gs_write_file("/sys/power/pm_test", "none");
}

/*
 * A thread that does not freeze fails the suspend with EBUSY after 20 s. A frozen M sleeps where it
 * was, with the P it has: without slices nothing has changed but that a WAITING M may have it now.
 */
TEST_F(scene, freezes_and_goes_on)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, gs_write_file("/sys/power/state", "freeze"));
		if (variant->slices)
			EXPECT_TRUE(scene_runs(&self->s));
	}
	EXPECT_TRUE(scene_ends_well(&self->s));
}

TEST_HARNESS_MAIN
