// SPDX-License-Identifier: GPL-2.0
/*
 * The order of the runtime's locks (R13): its table, and what a library built with LOCKRANK=1 says
 * of who does not keep to it. The ordinary build says nothing and has no room for it.
 */
#include <pthread.h>

#include "grt_harness.h"
#include "runtime.h"

#ifdef GRT_LOCKRANK
#define CHECKED	true
#else
#define CHECKED	false
#endif

static struct grt_lock sched_like = LOCK_INIT(LOCKRANK_SCHED);
static struct grt_lock gfree_like = LOCK_INIT(LOCKRANK_GFREE);
static struct grt_lock leaf, other_leaf;

/* Each rank has a name of its own. */
TEST(names)
{
	int i, j;

	for (i = 0; i < LOCKRANK_NR; i++) {
		ASSERT_NE(NULL, lockranknames[i]);
		for (j = 0; j < i; j++)
			EXPECT_STRNE(lockranknames[j], lockranknames[i]);
	}
}

/* What may be held comes before in the order, so there is no cycle; no leaf is among it. */
TEST(order_is_acyclic)
{
	uint32_t rank;

	for (rank = 0; rank < LOCKRANK_NR; rank++) {
		EXPECT_EQ(0, lockrankbefore[rank] & (~0U << rank));
		EXPECT_EQ(0, lockrankbefore[rank] & 1U << LOCKRANK_LEAF);
	}
}

/* a with b and b with c makes a with c. */
TEST(order_is_complete)
{
	uint32_t rank, held;

	for (rank = 0; rank < LOCKRANK_NR; rank++) {
		for (held = 0; held < rank; held++) {
			if (lockrankbefore[rank] >> held & 1)
				EXPECT_EQ(0, lockrankbefore[held] & ~lockrankbefore[rank]);
		}
	}
}

/* The rank is no part of a lock in the ordinary build. */
TEST(layout)
{
	EXPECT_EQ(sizeof(uint32_t), sizeof(struct grt_lock));
	EXPECT_EQ(CHECKED, sched_like.key != 0);
	EXPECT_EQ(0, leaf.key);
}

/* Locks taken in turn are in nobody's way, and a leaf goes with all. */
TEST(right_order)
{
	struct grt_lock *l[] = { &gfree_like, &sched_like, &leaf };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(l); i++) {
		lock(l[i]);
		unlock(l[i]);
	}
	lock(&sched_like);
	lock(&leaf);
	unlock(&sched_like);
	unlock(&leaf);
}

static int wrong_order_main(void *unused)
{
	lock(&gfree_like);
	lock(&sched_like);
	unlock(&sched_like);
	unlock(&gfree_like);
	return 0;
}

static int two_leaves_main(void *unused)
{
	lock(&leaf);
	lock(&other_leaf);
	unlock(&other_leaf);
	unlock(&leaf);
	return 0;
}

static int same_twice_main(void *unused)
{
	struct grt_lock again = sched_like;

	lock(&sched_like);
	lock(&again);
	unlock(&again);
	unlock(&sched_like);
	return 0;
}

/* Dies in the build that checks, saying which lock is wanted and which is held; else nothing. */
static void expect_order_death(struct __test_metadata *_metadata, int (*fn)(void *),
			       const char *wanted, const char *held)
{
	struct death d;

	run_to_death(&d, fn);
	ASSERT_TRUE(WIFEXITED(d.status));
	EXPECT_EQ(CHECKED ? 2 : 0, WEXITSTATUS(d.status));
	if (!CHECKED)
		return;
	EXPECT_EQ(0, strncmp(d.text, "fatal error: lock ordering problem: ", 36));
	EXPECT_NE(NULL, strstr(d.text, wanted));
	EXPECT_NE(NULL, strstr(d.text, held));
	EXPECT_LT(strstr(d.text, wanted), strstr(d.text, held));
}

/* Against the order; two leaves; two of one rank. */
TEST(wrong_order)
{
	expect_order_death(_metadata, wrong_order_main, ": sched 0x", "; held: gfree 0x");
	expect_order_death(_metadata, two_leaves_main, ": leaf 0x", "; held: leaf 0x");
	expect_order_death(_metadata, same_twice_main, ": sched 0x", "; held: sched 0x");
}

static int park_main(void *unused)
{
	lock(&gfree_like);
	grt_park(NULL, NULL, GRT_WAIT_USER, GRT_FOREVER);
	return 0;
}

static int yield_main(void *unused)
{
	lock(&gfree_like);
	grt_yield();
	return 0;
}

static void exit_locked(void *unused)
{
	lock(&gfree_like);
}

static int exit_main(void *unused)
{
	grt_go(exit_locked, NULL);
	return grt_park(NULL, NULL, GRT_WAIT_USER, GRT_FOREVER);
}

/* A lock held across a switch is fatal in every build; the one that checks says which. */
TEST(held_across_a_switch)
{
	const char *text = CHECKED ? "fatal error: schedule: holding locks; held: gfree 0x" :
				     "fatal error: schedule: holding locks";

	EXPECT_DEATH(park_main, text);
	/* To yield takes another lock first. */
	EXPECT_DEATH(yield_main, CHECKED ? "fatal error: lock ordering problem: sched 0x" : text);
	EXPECT_DEATH(exit_main, text);
}

static void *lock_and_leave(void *unused)
{
	lock(&gfree_like);
	return NULL;
}

static int unlock_others_main(void *unused)
{
	pthread_t t;

	pthread_create(&t, NULL, lock_and_leave, NULL);
	pthread_join(t, NULL);
	unlock(&gfree_like);
	return 0;
}

static int unlock_main(void *unused)
{
	unlock(&gfree_like);
	return 0;
}

/* What nobody has locked cannot be unlocked; what another thread has locked, not by this one. */
TEST(unlock_not_held)
{
	struct death d;

	EXPECT_DEATH(unlock_main, CHECKED ?
		     "fatal error: unlock of a lock that this thread does not hold" :
		     "fatal error: unlock of unlocked lock");
	run_to_death(&d, unlock_others_main);
	EXPECT_EQ(CHECKED, !!strstr(d.text, "that this thread does not hold"));
}

TEST_HARNESS_MAIN
