// SPDX-License-Identifier: GPL-2.0
/*
 * Goroutines: their start and end, who runs when, parking, and the runtime's own life. What Go's
 * proc_test.go asks of the scheduler (go-semantics section 4, items 2, 5, 16, 61, 62), and more.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>

#include "grt_harness.h"

#define PROCS 4
#define ANY_PROCS any_procs(PROCS)

/* Counts down to 0 and lets the one goroutine that waits go on. */
struct latch {
	int	left;
	grt_g	*waiter;
};

static void latch_done(struct latch *l)
{
	grt_g *g;

	if (__atomic_sub_fetch(&l->left, 1, __ATOMIC_SEQ_CST))
		return;
	g = __atomic_exchange_n(&l->waiter, NULL, __ATOMIC_SEQ_CST);
	if (g)
		grt_ready(g);
}

static bool latch_commit(grt_g *g, void *arg)
{
	struct latch *l = arg;

	__atomic_store_n(&l->waiter, g, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&l->left, __ATOMIC_SEQ_CST))
		return true;
	/* Who brought it to 0 may have taken the waiter already: then it is being made ready. */
	return !__atomic_exchange_n(&l->waiter, NULL, __ATOMIC_SEQ_CST);
}

static void latch_wait(struct latch *l)
{
	while (__atomic_load_n(&l->left, __ATOMIC_SEQ_CST))
		grt_park(latch_commit, l, GRT_WAIT_USER, GRT_FOREVER);
}

static int load(int *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void store(int *p, int v)
{
	__atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}

/* ---- The runtime's life ---- */

static int return_arg(void *arg)
{
	return *(int *)arg;
}

/* grt_run returns what its function returned. */
TEST(run_returns_value)
{
	int value = 42;

	EXPECT_EQ(42, run_procs(ANY_PROCS, return_arg, &value));
}

static int nop_main(void *arg)
{
	(void)arg;
	return 0;
}

static int run_again(void *arg)
{
	(void)arg;
	return grt_run(nop_main, NULL);
}

/* A second runtime at once is fatal. */
TEST(second_runtime)
{
	EXPECT_DEATH(run_again, "grt: grt_run: this process has, or had, a runtime already\n");
}

static void nop(void *arg)
{
	(void)arg;
}

/* Before there is a runtime, calls for any thread say so. */
TEST(no_runtime)
{
	EXPECT_EQ(-ESRCH, grt_go(nop, NULL));
	EXPECT_EQ(0, grt_self_id());
	EXPECT_EQ(NULL, grt_self());
	EXPECT_EQ(0, grt_num_goroutines());
	EXPECT_EQ(NULL, grt_backend_name());
}

static int go_nil_main(void *arg)
{
	(void)arg;
	return grt_go(NULL, NULL);
}

/* Item 61: a nil function is fatal. */
TEST(go_nil)
{
	EXPECT_DEATH(go_nil_main, "fatal error: go of nil func value");
}

static void *yield_on_thread(void *arg)
{
	grt_yield();
	return arg;
}

static int foreign_yield(void *arg)
{
	pthread_t t;

	(void)arg;
	if (pthread_create(&t, NULL, yield_on_thread, NULL))
		return 1;
	pthread_join(t, NULL);
	return 0;
}

/* What wants a goroutine panics on any other thread. */
TEST(yield_off_goroutine)
{
	EXPECT_DEATH(foreign_yield, "panic: grt_yield: not on a goroutine\n");
}

/* Item 62: the main goroutine is number 1. */
static int main_goroutine(void *arg)
{
	(void)arg;
	EXPECT_EQ(1, grt_self_id());
	EXPECT_NE(NULL, grt_self());
	EXPECT_EQ(1, grt_num_goroutines());
	return 0;
}

TEST(main_is_one)
{
	EXPECT_EQ(0, run_procs(1, main_goroutine, NULL));
}

static int ran_after;

static void run_late(void *arg)
{
	(void)arg;
	for (;;) {
		grt_yield();
		__atomic_add_fetch(&ran_after, 1, __ATOMIC_SEQ_CST);
	}
}

static int leave_goroutines(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 8; i++)
		grt_go(run_late, NULL);
	yield_until(load(&ran_after) > 100);
	return 3;
}

/* So many looks in a row, a millisecond apart: a loaded machine keeps no one off for so long */
#define STILL 200

/*
 * Goroutines left when the main one returns stop at their next visit to the runtime: a count that
 * all of them raise stands still soon.
 */
TEST(left_goroutines_stop)
{
	int before, still = 0, i;

	EXPECT_EQ(3, run_procs(ANY_PROCS, leave_goroutines, NULL));
	for (i = 0; i < 10000 && still < STILL; i++) {
		before = load(&ran_after);
		usleep(1000);
		still = before == load(&ran_after) ? still + 1 : 0;
	}
	EXPECT_EQ(STILL, still);
}

/* ---- Many goroutines ---- */

static uint64_t id_bits[100001 / 64 + 100];

static void claim_id(void *arg)
{
	struct latch *l = arg;
	uint64_t id = grt_self_id();
	uint64_t bit = 1ULL << (id % 64);

	if (id / 64 < sizeof(id_bits) / 8)
		EXPECT_EQ(0, __atomic_fetch_or(&id_bits[id / 64], bit, __ATOMIC_SEQ_CST) & bit);
	latch_done(l);
}

static int spawn_storm_main(void *arg)
{
	struct latch l = { .left = 20000 };
	int i;

	(void)arg;
	for (i = 0; i < 20000; i++)
		EXPECT_EQ(0, grt_go(claim_id, &l));
	latch_wait(&l);
	yield_until(grt_num_goroutines() == 1);
	return 0;
}

/* Each of many goroutines runs once, under a number of its own, and is gone afterwards. */
TEST(spawn_storm)
{
	EXPECT_EQ(0, run_procs(ANY_PROCS, spawn_storm_main, NULL));
}

static void spawn_tree_node(void *arg);
static struct latch tree;
static int tree_nodes;

static void spawn_tree_node(void *arg)
{
	intptr_t depth = (intptr_t)arg;

	__atomic_add_fetch(&tree_nodes, 1, __ATOMIC_SEQ_CST);
	if (depth) {
		__atomic_add_fetch(&tree.left, 2, __ATOMIC_SEQ_CST);
		grt_go(spawn_tree_node, (void *)(depth - 1));
		grt_go(spawn_tree_node, (void *)(depth - 1));
	}
	latch_done(&tree);
}

static int run_tree(void *arg)
{
	(void)arg;
	tree.left = 1;
	grt_go(spawn_tree_node, (void *)(intptr_t)13);
	latch_wait(&tree);
	return 0;
}

/* Goroutines made by goroutines on all Ps: none is lost. */
TEST(spawn_tree)
{
	EXPECT_EQ(0, run_procs(ANY_PROCS, run_tree, NULL));
	EXPECT_EQ((1 << 14) - 1, tree_nodes);
}

static void exit_early(void *arg)
{
	latch_done(arg);
	grt_exit();
	EXPECT_TRUE(false);
}

static int run_exit(void *arg)
{
	struct latch l = { .left = 1000 };
	int i;

	(void)arg;
	for (i = 0; i < 1000; i++)
		grt_go(exit_early, &l);
	latch_wait(&l);
	yield_until(grt_num_goroutines() == 1);
	return 0;
}

/* grt_exit ends the goroutine and nothing else. */
TEST(grt_exit_ends)
{
	EXPECT_EQ(0, run_procs(ANY_PROCS, run_exit, NULL));
}

#define STACK_USE (200 << 10)

static void use_stack(void *arg)
{
	volatile char deep[STACK_USE];
	int i;

	for (i = 0; i < STACK_USE; i += 1024)
		deep[i] = i / 1024;
	grt_yield();
	for (i = 0; i < STACK_USE; i += 1024)
		EXPECT_EQ((char)(i / 1024), deep[i]);
	latch_done(arg);
}

static int run_stacks(void *arg)
{
	struct latch l = { .left = 100 };
	int i;

	(void)arg;
	for (i = 0; i < 100; i++)
		grt_go(use_stack, &l);
	latch_wait(&l);
	return 0;
}

/* 200 KiB of stack are each goroutine's own, over a switch. */
TEST(stacks)
{
	EXPECT_EQ(0, run_procs(ANY_PROCS, run_stacks, NULL));
}

static int recurse(volatile char *above, int depth)
{
	volatile char frame[4096];

	frame[0] = above ? above[0] : 0;
	return depth ? recurse(frame, depth - 1) + frame[0] : 0;
}

static int overflow(void *arg)
{
	(void)arg;
	return recurse(NULL, 1000000);
}

/* Below each stack is a guard: an overflow faults instead of reaching a neighbour. */
TEST(stack_guard)
{
	struct death d;

	run_to_death(&d, overflow);
	EXPECT_TRUE(WIFSIGNALED(d.status));
	EXPECT_EQ(SIGSEGV, WTERMSIG(d.status));
}

/* ---- Who runs when ---- */

static void set_flag(void *arg)
{
	store(arg, 1);
}

static int yield_progress_main(void *arg)
{
	int flag = 0;

	(void)arg;
	grt_go(set_flag, &flag);
	yield_until(load(&flag));
	return 0;
}

/* Item 2: a loop of yields lets others through, with one P. */
TEST(yield_progress)
{
	EXPECT_EQ(0, run_procs(1, yield_progress_main, NULL));
}

/* Few enough that even a pass that waits for a slice of the kernel's scheduler ends in time. */
#define PASSES	50

struct relay {
	int		turn;
	struct latch	done;
};

struct runner {
	struct relay	*relay;
	int		me;
};

static void pass_baton(void *arg)
{
	struct runner *r = arg;
	int i;

	for (i = 0; i < PASSES; i++) {
		while (load(&r->relay->turn) % PROCS != r->me)
			sched_yield();
		__atomic_add_fetch(&r->relay->turn, 1, __ATOMIC_SEQ_CST);
	}
	latch_done(&r->relay->done);
}

static int parallelism_main(void *arg)
{
	struct relay relay = { .done = { .left = PROCS } };
	struct runner r[PROCS];
	int i;

	(void)arg;
	for (i = 0; i < PROCS; i++) {
		r[i] = (struct runner){ .relay = &relay, .me = i };
		grt_go(pass_baton, &r[i]);
	}
	latch_wait(&relay.done);
	EXPECT_EQ(PASSES * PROCS, relay.turn);
	return 0;
}

/* Item 5: as many goroutines as Ps run at one time: they pass a baton by spinning alone. */
TEST(parallelism)
{
	EXPECT_EQ(0, run_procs(PROCS, parallelism_main, NULL));
}

/* Two goroutines that make each other ready, for ever. */
struct pair {
	grt_g	*waiter[2];	/* each its own: one may be stopped on its way to park */
	int	turn;
	int	*stop;
	long	rounds;
	struct latch *done;
};

struct player {
	struct pair *pair;
	int	me;
};

static bool player_commit(grt_g *g, void *arg)
{
	struct player *p = arg;

	__atomic_store_n(&p->pair->waiter[p->me], g, __ATOMIC_SEQ_CST);
	if (load(&p->pair->turn) != p->me && !load(p->pair->stop))
		return true;
	return !__atomic_exchange_n(&p->pair->waiter[p->me], NULL, __ATOMIC_SEQ_CST);
}

static void wake_other(struct player *p)
{
	grt_g *g = __atomic_exchange_n(&p->pair->waiter[!p->me], NULL, __ATOMIC_SEQ_CST);

	if (g)
		grt_ready(g);
}

static void play(void *arg)
{
	struct player *p = arg;
	struct pair *pair = p->pair;

	while (!load(pair->stop)) {
		if (load(&pair->turn) == p->me) {
			__atomic_add_fetch(&pair->rounds, 1, __ATOMIC_SEQ_CST);
			store(&pair->turn, !p->me);
			wake_other(p);
		} else {
			grt_park(player_commit, p, GRT_WAIT_USER, GRT_FOREVER);
		}
	}
	wake_other(p);
	latch_done(pair->done);
}

static void count_turns(void *arg)
{
	struct pair *pair = arg;

	while (!load(pair->stop)) {
		pair->rounds++;
		grt_yield();
	}
	latch_done(pair->done);
}

static int starvation(void *arg)
{
	struct latch done = { .left = 3 };
	int stop = 0;
	struct pair pair = { .stop = &stop, .done = &done };
	struct pair other = { .stop = &stop, .done = &done };
	struct player a = { .pair = &pair, .me = 0 }, b = { .pair = &pair, .me = 1 };

	(void)arg;
	grt_go(play, &a);
	grt_go(play, &b);
	grt_go(count_turns, &other);
	/* The pair has a slice of 10 ms each time. */
	yield_until(other.rounds > 20);
	store(&stop, 1);
	latch_wait(&done);
	EXPECT_LT(0, pair.rounds);
	return 0;
}

/* A pair that wakes each other through runnext does not keep the only P from a third (C4, C7). */
TEST(no_starvation_by_runnext)
{
	EXPECT_EQ(0, run_procs(1, starvation, NULL));
}

/* ---- Parking ---- */

static bool refuse(grt_g *g, void *arg)
{
	(void)g;
	*(int *)arg = 1;
	return false;
}

static bool ready_inside(grt_g *g, void *arg)
{
	(void)arg;
	grt_ready(g);
	return true;
}

static int park_outcomes_main(void *arg)
{
	int called = 0;

	(void)arg;
	EXPECT_EQ(-EAGAIN, grt_park(refuse, &called, GRT_WAIT_USER, GRT_FOREVER));
	EXPECT_EQ(1, called);
	EXPECT_EQ(0, grt_park(ready_inside, NULL, GRT_WAIT_USER, GRT_FOREVER));
	EXPECT_EQ(-ETIMEDOUT, grt_park(NULL, NULL, GRT_WAIT_USER, 0));
	EXPECT_EQ(-ETIMEDOUT, grt_park(NULL, NULL, GRT_WAIT_USER, grt_now() + 1000000));
	/* Nothing is left of a park that has ended. */
	grt_ready(grt_self());
	EXPECT_EQ(-ETIMEDOUT, grt_park(NULL, NULL, GRT_WAIT_USER, grt_now() + 1000000));
	EXPECT_EQ(0, grt_park(ready_inside, NULL, GRT_WAIT_USER, grt_now() + 3600000000000LL));
	return 0;
}

/* Each way out of grt_park says which it was. */
TEST(park_outcomes)
{
	EXPECT_EQ(0, run_procs(1, park_outcomes_main, NULL));
	EXPECT_EQ(0, 0);
}

struct race {
	grt_g		*g;
	int		stop;
	long		ready;
	long		timeouts;
};

static bool race_commit(grt_g *g, void *arg)
{
	struct race *r = arg;

	__atomic_store_n(&r->g, g, __ATOMIC_SEQ_CST);
	return true;
}

static void *ready_thread(void *arg)
{
	struct race *r = arg;
	grt_g *g;

	while (!load(&r->stop)) {
		g = __atomic_exchange_n(&r->g, NULL, __ATOMIC_SEQ_CST);
		if (g)
			grt_ready(g);
	}
	return NULL;
}

static int race_main(void *arg)
{
	struct race *r = arg;
	int i;

	for (i = 0; i < 20000; i++) {
		switch (grt_park(race_commit, r, GRT_WAIT_USER, grt_now() + i % 16 * 1000)) {
		case 0:
			r->ready++;
			break;
		case -ETIMEDOUT:
			r->timeouts++;
			__atomic_store_n(&r->g, NULL, __ATOMIC_SEQ_CST);
			break;
		default:
			EXPECT_TRUE(false);
		}
	}
	store(&r->stop, 1);
	return 0;
}

/* The deadline and a foreign thread race to end a park: one does, and the goroutine runs once. */
TEST(park_deadline_race)
{
	struct race r = { 0 };
	pthread_t t;

	ASSERT_EQ(0, pthread_create(&t, NULL, ready_thread, &r));
	EXPECT_EQ(0, run_procs(2, race_main, &r));
	pthread_join(t, NULL);
	EXPECT_EQ(20000, r.ready + r.timeouts);
	EXPECT_LT(0, r.timeouts);
}

/* ---- Other threads ---- */

static struct latch from_outside;

static void *spawn_thread(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 5000; i++) {
		if (grt_go((void (*)(void *))latch_done, &from_outside))
			return (void *)1;
	}
	return NULL;
}

static int foreign_spawn_main(void *arg)
{
	pthread_t t[4];
	void *ret;
	int i;

	(void)arg;
	from_outside.left = 4 * 5000;
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, pthread_create(&t[i], NULL, spawn_thread, NULL));
	latch_wait(&from_outside);
	for (i = 0; i < 4; i++) {
		pthread_join(t[i], &ret);
		EXPECT_EQ(NULL, ret);
	}
	return 0;
}

/* Threads outside the runtime start goroutines while every P may be idle: each runs. */
TEST(foreign_spawn)
{
	EXPECT_EQ(0, run_procs(ANY_PROCS, foreign_spawn_main, NULL));
}

TEST_HARNESS_MAIN
