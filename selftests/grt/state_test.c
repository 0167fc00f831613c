// SPDX-License-Identifier: GPL-2.0
/*
 * What the scheduler's own books say while goroutines run: where each is queued, the lists of dead
 * ones, numbers, states, turns. One P throughout, so that what is looked at stands still; and where
 * a yield on request would come between, acquirem().
 */
#include <errno.h>
#include <signal.h>

#include "grt_harness.h"
#include "runtime.h"

static struct p *p0(void)
{
	return sched.allp[0];
}

/* ---- Who runs next ---- */

static int order[8];
static int norder;

static void note_me(void *arg)
{
	order[norder++] = (intptr_t)arg;
}

static int order_main(void *unused)
{
	struct m *mp;
	intptr_t i;

	(void)unused;
	mp = acquirem();
	for (i = 1; i <= 3; i++)
		grt_go(note_me, (void *)i);
	releasem(mp);
	yield_until(norder == 3);
	EXPECT_EQ(3, order[0]);
	EXPECT_EQ(1, order[1]);
	EXPECT_EQ(2, order[2]);
	return 0;
}

/* R76, R84: the newest goroutine runs next; those it pushed aside run in the order they came. */
TEST(newest_first)
{
	EXPECT_EQ(0, run_procs(1, order_main, NULL));
}

static uint32_t seen_global;

static void look_at_global(void *unused)
{
	(void)unused;
	seen_global = load_relaxed(&sched.hint->gqlen);
}

static int yield_main(void *unused)
{
	(void)unused;
	grt_go(look_at_global, NULL);
	grt_yield();
	EXPECT_EQ(1, seen_global);
	EXPECT_EQ(0, sched.hint->gqlen);
	return 0;
}

/* R114: who yields goes to the global queue. */
TEST(yield_to_global)
{
	EXPECT_EQ(0, run_procs(1, yield_main, NULL));
}

/* ---- C4: the global queue's turn ---- */

#define GENERATIONS	100000

static long generation;
static bool barren;

static void nop(void *unused)
{
	(void)unused;
}

/* Leaves a successor on the ring, behind one that runs at once: the P always has local work. */
static void breed(void *unused)
{
	(void)unused;
	if (barren || ++generation >= GENERATIONS)
		return;
	grt_go(breed, NULL);
	grt_go(nop, NULL);
}

static int global_turn_main(void *unused)
{
	long before, most = 0;
	int i;

	(void)unused;
	grt_go(breed, NULL);
	for (i = 0; i < 20; i++) {
		before = generation;
		grt_yield();
		if (generation - before > most)
			most = generation - before;
	}
	barren = true;
	EXPECT_GE(61, most);
	EXPECT_LT(30, most);
	return 0;
}

/* C4, R49: who is on the global queue waits for 61 turns at most, however busy the P is. */
TEST(global_queue_has_its_turn)
{
	/* nobody else is on that queue because his slice has run out on a slow machine */
	struct grt_config config = { .size = sizeof(config), .maxprocs = 1,
				     .slice_ns = 100000000 };

	EXPECT_EQ(0, run_config(&config, global_turn_main, NULL));
}

/* ---- C10: the lists of dead goroutines ---- */

static uint32_t allgs(void)
{
	struct g *gp;
	uint32_t n = 0;

	for (gp = load_acquire(&sched.allgs); gp; gp = gp->alllink)
		n++;
	return n;
}

static void burst(int n)
{
	struct m *mp = acquirem();

	while (n--)
		grt_go(nop, NULL);
	releasem(mp);
	yield_until(grt_num_goroutines() == 1);
}

static int gfree_high_main(void *unused)
{
	(void)unused;
	burst(200);
	EXPECT_EQ(201, allgs());
	EXPECT_GT(64, p0()->ngfree);
	EXPECT_LE(32 - 1, p0()->ngfree);
	EXPECT_EQ(200, p0()->ngfree + sched.ngfree);
	return 0;
}

/* C10: of 64 dead goroutines a P keeps 31, the others are for all. */
TEST(dead_goroutines_are_shared)
{
	EXPECT_EQ(0, run_procs(1, gfree_high_main, NULL));
}

static int gfree_refill_main(void *unused)
{
	uint32_t global;
	struct m *mp;

	(void)unused;
	burst(200);
	mp = acquirem();
	while (p0()->ngfree)
		grt_go(nop, NULL);
	global = sched.ngfree;
	EXPECT_LT(32, global);
	grt_go(nop, NULL);
	EXPECT_EQ(31, p0()->ngfree);
	EXPECT_EQ(global - 32, sched.ngfree);
	releasem(mp);
	return 0;
}

/* C10, R79: a P that has none takes 32 from the global list at once. */
TEST(dead_goroutines_come_in_batches)
{
	EXPECT_EQ(0, run_procs(1, gfree_refill_main, NULL));
}

static int reuse_main(void *unused)
{
	int i;

	(void)unused;
	for (i = 0; i < 1000; i++)
		burst(3);
	EXPECT_GE(5, allgs());
	return 0;
}

/* R78: a dead goroutine and its stack are used again; allgs does not grow (R81). */
TEST(dead_goroutines_are_reused)
{
	EXPECT_EQ(0, run_procs(1, reuse_main, NULL));
}

/* ---- C11, C17: numbers and states ---- */

static int goid_main(void *unused)
{
	struct m *mp = acquirem();
	uint64_t gen;

	(void)unused;
	while (p0()->goidcache != p0()->goidcacheend)
		grt_go(nop, NULL);
	gen = sched.goidgen;
	grt_go(nop, NULL);
	EXPECT_EQ(gen + 16, sched.goidgen);
	EXPECT_EQ(gen + 2, p0()->goidcache);
	EXPECT_EQ(gen + 17, p0()->goidcacheend);
	releasem(mp);
	return 0;
}

/* C11, R83: a P takes 16 numbers at a time. */
TEST(numbers_in_batches)
{
	EXPECT_EQ(0, run_procs(1, goid_main, NULL));
}

static struct g *watched;
static enum gstatus in_commit, after_ready, while_running;

static bool commit(grt_g *g, void *unused)
{
	(void)unused;
	watched = (struct g *)g;
	in_commit = watched->status;
	EXPECT_EQ(NULL, watched->m);
	EXPECT_EQ(GRT_WAIT_USER, watched->waitreason);
	return true;
}

static void park_once(void *unused)
{
	(void)unused;
	while_running = getg()->status;
	EXPECT_EQ(getg(), getg()->m->curg);
	grt_park(commit, NULL, GRT_WAIT_USER, GRT_FOREVER);
}

static int states_main(void *unused)
{
	struct m *mp = acquirem();
	struct g *gp;

	(void)unused;
	grt_go(park_once, NULL);
	gp = (struct g *)(uintptr_t)p0()->hint->runnext;
	EXPECT_EQ(Grunnable, gp->status);
	releasem(mp);
	grt_yield();
	EXPECT_EQ(gp, watched);
	EXPECT_EQ(Grunning, while_running);
	EXPECT_EQ(Gwaiting, in_commit);
	EXPECT_EQ(Gwaiting, gp->status);
	mp = acquirem();
	grt_ready((grt_g *)gp);
	after_ready = gp->status;
	EXPECT_EQ(Grunnable, after_ready);
	EXPECT_EQ((uint64_t)(uintptr_t)gp, p0()->hint->runnext);
	releasem(mp);
	grt_yield();
	EXPECT_EQ(Gdead, gp->status);
	return 0;
}

/* C17, R73, R74, R83: a goroutine's states, and its tie to its M, from start to end. */
TEST(states)
{
	EXPECT_EQ(0, run_procs(1, states_main, NULL));
}

/* ---- R53: turns ---- */

static int schedtick_main(void *unused)
{
	uint32_t tick, one, two;
	uint64_t asked;
	struct m *mp;

	(void)unused;
	do {
		grt_yield();
		mp = getg()->m;
		asked = mp->status->preempt;
		tick = p0()->hint->schedtick;
		grt_go(nop, NULL);	/* runs from runnext: the slice goes on */
		grt_yield();
		one = p0()->hint->schedtick;
		grt_go(nop, NULL);
		grt_go(nop, NULL);	/* the first of the two runs from the ring */
		grt_yield();
		two = p0()->hint->schedtick;
	} while (mp != getg()->m || asked != mp->status->preempt);
	EXPECT_EQ(tick + 1, one);
	EXPECT_EQ(tick + 3, two);
	return 0;
}

/* R53, R49: each turn that begins a slice counts, one that inherits it does not. */
TEST(turns_are_counted)
{
	EXPECT_EQ(0, run_procs(1, schedtick_main, NULL));
}

static int stack_main(void *unused)
{
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	struct g *gp = getg();

	(void)unused;
	EXPECT_LT(gp->stack.lo, sp);
	EXPECT_GT(gp->stack.hi, sp);
	EXPECT_EQ(0, gp->stack.hi % 4096);
	EXPECT_EQ(NULL, gp->m->g0->startfn);
	EXPECT_NE(gp, gp->m->g0);
	EXPECT_EQ(1U, gp->m->hint->goid);
	return 0;
}

/* R5, R80: a goroutine runs on its own stack, and the M's hint line says which goroutine. */
TEST(own_stack)
{
	EXPECT_EQ(0, run_procs(1, stack_main, NULL));
}

static uintptr_t overflown;

static void judge_fault(int sig, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;

	(void)sig;
	(void)context;
	_exit(at < overflown && at >= overflown - 4096 ? 7 : 8);
}

static int recurse(volatile char *above, int depth)
{
	volatile char frame[1024];

	frame[0] = above ? above[0] : 0;
	return depth ? recurse(frame, depth - 1) + frame[0] : 0;
}

static int overflow_main(void *unused)
{
	static char memory[65536];
	stack_t alt = { .ss_sp = memory, .ss_size = sizeof(memory) };
	struct sigaction sa = { .sa_sigaction = judge_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	(void)unused;
	overflown = getg()->stack.lo;
	sigaltstack(&alt, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	return recurse(NULL, 1000000);
}

/* R80: what runs over the end of a stack faults in the very next page, not in a neighbour's. */
TEST(guard_below_the_stack)
{
	struct death d;

	run_to_death(&d, overflow_main);
	EXPECT_TRUE(WIFEXITED(d.status));
	EXPECT_EQ(7, WEXITSTATUS(d.status));
}

TEST_HARNESS_MAIN
