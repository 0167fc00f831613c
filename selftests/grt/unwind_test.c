// SPDX-License-Identifier: GPL-2.0
/*
 * Walking stacks with libunwind (go-semantics section 4, item 100): from a goroutine, from the
 * scheduler, and of a goroutine that is parked, through the switch. Every walk ends where the stack
 * does: at goexit, or where the thread began.
 */
#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "grt_harness.h"
#include "runtime.h"

#define MAX_FRAMES	64
#define NAME_LEN	64

struct walk {
	int	n;
	int	end;		/* what the last step returned: 0 is the end of the stack */
	char	name[MAX_FRAMES][NAME_LEN];
};

static void walk_on(struct walk *w, unw_cursor_t *cursor)
{
	unw_word_t offset;

	w->n = 0;
	do {
		w->name[w->n][0] = '\0';
		unw_get_proc_name(cursor, w->name[w->n], NAME_LEN, &offset);
		w->n++;
		w->end = unw_step(cursor);
	} while (w->end > 0 && w->n < MAX_FRAMES);
}

static int find(const struct walk *w, const char *name)
{
	int i;

	for (i = 0; i < w->n; i++) {
		if (!strcmp(w->name[i], name))
			return i;
	}
	return -1;
}

static __attribute__((noinline)) void walk_here(struct walk *w)
{
	unw_context_t uc;
	unw_cursor_t cursor;

	unw_getcontext(&uc);
	unw_init_local(&cursor, &uc);
	walk_on(w, &cursor);
}

/* The context that lies on the stack of a parked goroutine, as struct gobuf documents it. */
static void walk_parked(struct walk *w, struct g *gp)
{
	const uintptr_t *frame = (const uintptr_t *)gp->sched.sp;
	unw_context_t uc;
	unw_cursor_t cursor;

	memset(&uc, 0, sizeof(uc));
	uc.uc_mcontext.gregs[REG_R15] = frame[0];
	uc.uc_mcontext.gregs[REG_R14] = frame[1];
	uc.uc_mcontext.gregs[REG_R13] = frame[2];
	uc.uc_mcontext.gregs[REG_R12] = frame[3];
	uc.uc_mcontext.gregs[REG_RBX] = frame[4];
	uc.uc_mcontext.gregs[REG_RBP] = frame[5];
	uc.uc_mcontext.gregs[REG_RIP] = frame[6];
	uc.uc_mcontext.gregs[REG_RSP] = gp->sched.sp + FRAME_SIZE;
	unw_init_local(&cursor, &uc);
	walk_on(w, &cursor);
}

#define EXPECT_ENDS_AT_GOEXIT(w) do {						\
	EXPECT_EQ(0, (w)->end);							\
	EXPECT_STREQ("goexit", (w)->name[(w)->n - 1]);				\
} while (0)

/* ---- A goroutine that runs ---- */

static struct walk running;

static int running_main(void *arg)
{
	(void)arg;
	walk_here(&running);
	grt_yield();
	return 0;
}

/* From a goroutine to goexit, and no further. */
TEST(running_goroutine)
{
	EXPECT_EQ(0, run_procs(1, running_main, NULL));
	EXPECT_ENDS_AT_GOEXIT(&running);
	EXPECT_EQ(0, find(&running, "walk_here"));
	EXPECT_EQ(1, find(&running, "running_main"));
	EXPECT_EQ(running.n - 2, find(&running, "gostart"));
}

/* ---- A goroutine that is parked ---- */

static struct walk parked, fresh;
static grt_g *waiting;

static bool publish(grt_g *g, void *arg)
{
	(void)arg;
	__atomic_store_n(&waiting, g, __ATOMIC_SEQ_CST);
	return true;
}

static __attribute__((noinline)) void wait_here(int depth)
{
	if (depth)
		wait_here(depth - 1);
	else
		grt_park(publish, NULL, GRT_WAIT_USER, GRT_FOREVER);
	__asm__ volatile("");	/* no tail call */
}

static void waiter(void *arg)
{
	wait_here(5);
	*(bool *)arg = true;
}

static void never_ran(void *arg)
{
	(void)arg;
}

static int parked_main(void *arg)
{
	bool went_on = false;
	grt_g *g;

	(void)arg;
	grt_go(waiter, &went_on);
	yield_until((g = __atomic_load_n(&waiting, __ATOMIC_SEQ_CST)));
	walk_parked(&parked, (struct g *)g);
	grt_ready(g);
	yield_until(went_on);

	/* With one P, it runs only once this goroutine lets it. */
	grt_go(never_ran, NULL);
	walk_parked(&fresh, (struct g *)(uintptr_t)getp(getg()->m)->hint->runnext);
	return 0;
}

/*
 * From the saved context of a parked goroutine, through gopark, to goexit; of one that has never
 * run, goexit is all there is.
 */
TEST(parked_goroutine)
{
	EXPECT_EQ(0, run_procs(1, parked_main, NULL));
	EXPECT_ENDS_AT_GOEXIT(&parked);
	EXPECT_LT(0, find(&parked, "grt_park"));
	EXPECT_EQ(find(&parked, "grt_park") + 1, find(&parked, "wait_here"));
	EXPECT_EQ(find(&parked, "wait_here") + 6, find(&parked, "waiter"));
	EXPECT_ENDS_AT_GOEXIT(&fresh);
	EXPECT_EQ(1, fresh.n);
}

/* ---- The scheduler's stack ---- */

static struct walk scheduler;

static bool walk_scheduler(grt_g *g, void *arg)
{
	(void)g;
	(void)arg;
	walk_here(&scheduler);
	return false;
}

static int scheduler_main(void *arg)
{
	(void)arg;
	grt_park(walk_scheduler, NULL, GRT_WAIT_USER, GRT_FOREVER);
	return 0;
}

/* On g0, from below the switch to the caller of grt_run_with(): it is that thread. */
TEST(scheduler_stack)
{
	EXPECT_EQ(0, run_procs(1, scheduler_main, NULL));
	EXPECT_EQ(0, scheduler.end);
	EXPECT_LT(0, find(&scheduler, "park_m"));
	EXPECT_LT(find(&scheduler, "park_m"), find(&scheduler, "mrun"));
	EXPECT_LT(find(&scheduler, "mrun"), find(&scheduler, "grt_run_with"));
	EXPECT_EQ(-1, find(&scheduler, "goexit"));
}

TEST_HARNESS_MAIN
