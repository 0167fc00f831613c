// SPDX-License-Identifier: GPL-2.0
/*
 * Thread-local variables and goroutines that change threads inside a function (go-semantics section
 * 4, item 27: TestGetgThreadSwitch). Compiled together with the library at -O3 with -flto, where
 * the compiler sees everything and could remember the address of a thread-local variable.
 */
#include <sys/syscall.h>

#include "grt_harness.h"
#include "runtime.h"

#define PROCS		4
#define GOROUTINES	8
#define MOVES		500	/* of a goroutine from one thread to another, in all */

static __thread pid_t tid __attribute__((tls_model("initial-exec")));

/* As a program must do it: by a call into which the compiler does not look. */
static __attribute__((noinline)) pid_t *tid_here(void)
{
	__asm__ volatile("");
	return &tid;
}

static pid_t gettid_(void)
{
	return syscall(SYS_gettid);
}

struct run {
	grt_waitgroup	done;
	long		wrong;	/* atomic */
	long		moves;	/* atomic */
};

static long check_here(struct g *gp, struct m *mp)
{
	struct m *now = getg()->m;
	long wrong = 0;

	wrong += getg() != gp;
	wrong += now->curg != gp;
	/* Another M is another thread, and the same M the same. */
	if (!*tid_here())
		*tid_here() = gettid_();
	wrong += *tid_here() != gettid_();
	wrong += mp == now && mp->curg != gp;
	return wrong;
}

/* All of it in one function: getg() before the switch and after it. */
static void switcher(void *arg)
{
	struct run *r = arg;
	struct g *gp = getg();
	long wrong = 0;
	pid_t before;
	struct m *mp;

	while (__atomic_load_n(&r->moves, __ATOMIC_RELAXED) < MOVES) {
		mp = getg()->m;
		wrong += check_here(gp, mp);
		before = *tid_here();
		grt_yield();
		wrong += check_here(gp, mp);
		wrong += (before == *tid_here()) != (mp == getg()->m);
		if (before != *tid_here())
			__atomic_add_fetch(&r->moves, 1, __ATOMIC_RELAXED);
	}
	__atomic_add_fetch(&r->wrong, wrong, __ATOMIC_RELAXED);
	grt_waitgroup_done(&r->done);
}

static int switchers_main(void *arg)
{
	struct run *r = arg;
	int i;

	grt_waitgroup_add(&r->done, GOROUTINES);
	for (i = 0; i < GOROUTINES; i++)
		grt_go(switcher, r);
	grt_waitgroup_wait(&r->done);
	return 0;
}

FIXTURE(tls) { char unused; };
FIXTURE_SETUP(tls) { self->unused = 0; }
FIXTURE_TEARDOWN(tls) { }

/* TestGetgThreadSwitch: who comes back on another thread sees itself and that thread's values. */
TEST_F_TIMEOUT(tls, getg_thread_switch, 120)
{
	struct run r = { 0 };

	EXPECT_EQ(0, run_procs(PROCS, switchers_main, &r));
	EXPECT_EQ(0, r.wrong);
	EXPECT_LE(MOVES, r.moves);
}

TEST_HARNESS_MAIN
