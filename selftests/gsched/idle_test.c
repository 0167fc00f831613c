// SPDX-License-Identifier: GPL-2.0
/*
 * A domain with nothing to do costs nothing: no timer is armed, nobody is woken, and no function of
 * the module runs.
 *
 * The kernel's own tracing tells: every function of the module that is called (which its timers,
 * interrupts and hooks are), every timer of the module that is started or fires, every wake-up of
 * one of the Ms.
 *
 * To trace a function rewrites code of the kernel, which an emulated machine only survives with one
 * processor (selftests/vm/run.sh says why). So this is no part of the collection, but a run of its
 * own in a guest with one.
 */
#include "gsched_util.h"

#include <sys/epoll.h>

#include "kselftest_harness.h"

#define TRACING		"/sys/kernel/tracing/"
/* What is asked for; a shorter time would not be it. */
#define QUIET_MS	10000
#define NR_P		4
#define NR_M		6

static bool put(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), TRACING "%s", file);
	return !gs_write_file(path, text);
}

/* How many records there are; those of another timer than the module's do not count. */
static long records(bool show)
{
	FILE *f = fopen(TRACING "trace", "re");
	char line[512];
	long n = 0;

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#' || (strstr(line, "hrtimer") && !strstr(line, "[gsched]")))
			continue;
		n++;
		if (show && n <= 20)
			fprintf(stderr, "# %s", line);
	}
	fclose(f);
	return n;
}

static bool trace_off(void)
{
	return put("tracing_on", "0") && put("current_tracer", "nop") &&
	       put("events/enable", "0") && put("events/sched/sched_wakeup/filter", "0") &&
	       put("events/sched/sched_waking/filter", "0");
}

static bool trace_on(const char *wakeups)
{
	return put("tracing_on", "0") && put("set_ftrace_filter", ":mod:gsched") &&
	       put("current_tracer", "function") &&
	       put("events/sched/sched_wakeup/filter", wakeups) &&
	       put("events/sched/sched_waking/filter", wakeups) &&
	       put("events/sched/sched_wakeup/enable", "1") &&
	       put("events/sched/sched_waking/enable", "1") &&
	       put("events/timer/hrtimer_start/enable", "1") &&
	       put("events/timer/hrtimer_expire_entry/enable", "1") &&
	       put("trace", "") && put("tracing_on", "1");
}

/* A poller: cooperative, asleep in epoll_wait() with its P. */
static long do_poll(struct gs_m *m, __u64 ep, __u64 b)
{
	struct epoll_event ev;
	int n;

	GS_STORE(m->gs->mh[m->id].mode, GSCHED_MODE_COOPERATIVE);
	GS_STORE(m->gs->hint->npolling, 1);
	n = epoll_wait(ep, &ev, 1, -1);
	GS_STORE(m->gs->hint->npolling, 0);
	GS_STORE(m->gs->mh[m->id].mode, GSCHED_MODE_NORMAL);
	return n < 0 ? -errno : n;
}

static void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * GS_MS };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* Has the timer of the slices not ticked for a thousand times as long as from tick to tick? */
static bool has_stopped(struct gs *gs)
{
	__u64 ticks = gs_counts(gs).ticks;

	sleep_ms(250);
	return gs_counts(gs).ticks == ticks;
}

FIXTURE(idle) {
	struct gs gs;
	struct gs_m m[NR_M];
	int pipe[2], poll[2], unused[2], ep;
	char wakeups[NR_M * 20];
};

FIXTURE_SETUP(idle)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct gs *gs = &self->gs;
	size_t n = 0;
	int i;

	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, pipe(self->poll));
	ASSERT_EQ(0, pipe(self->unused));
	self->ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->ep);
	ASSERT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_ADD, self->poll[0], &ev));
	ASSERT_EQ(0, gs_make_domain(gs, NR_P, 1));
	ASSERT_EQ(0, gs_slice(gs, GS_MS));
	for (i = 0; i < NR_M; i++) {
		ASSERT_EQ(0, i < 3 ? gs_m_start_on(gs, &self->m[i]) : gs_m_start(gs, &self->m[i]));
		n += snprintf(self->wakeups + n, sizeof(self->wakeups) - n, "%spid == %d",
			      i ? " || " : "", self->m[i].tid);
	}
	/* Two BLOCKED in read(2), one in the poller, two PARKED, one FREE. One P is IDLE. */
	gs_m_ask(&self->m[0], gs_do_read, self->pipe[0], 0);
	gs_m_ask(&self->m[1], gs_do_read, self->pipe[0], 0);
	gs_m_ask(&self->m[2], do_poll, self->ep, 0);
	ASSERT_TRUE(gs_m_parks(&self->m[3], 0));
	ASSERT_TRUE(gs_m_parks(&self->m[4], GSCHED_PARK_PRIVATE));
	gs_m_ask(&self->m[5], gs_do_read, self->unused[0], 0);
	for (i = 0; i < 3; i++)
		ASSERT_TRUE(gs_p_gets(gs, i, GSCHED_P_BLOCKED, self->m[i].id));
	for (i = 0; i < NR_M; i++)
		ASSERT_TRUE(gs_tid_sleeps(self->m[i].tid));
	/* Nothing runs any more, and the timer notices. */
	ASSERT_TRUE(GS_UNTIL(has_stopped(gs)));
	EXPECT_LT(0, gs_counts(gs).ticks);
	ASSERT_TRUE(trace_off());
}

FIXTURE_TEARDOWN(idle)
{
	EXPECT_TRUE(trace_off());
	EXPECT_TRUE(put("set_ftrace_filter", ""));
	close(self->gs.fd);
}

/* The trace is no blank page: one byte to read leaves records of each kind. */
TEST_F_TIMEOUT(idle, trace_sees_what_happens, 60)
{
	static const char * const wanted[] = {
		"hooks_sched_in", "slot_return", "slice_tick", "hrtimer_start",
		"hrtimer_expire_entry", "sched_wakeup",
	};
	__u64 ticks = gs_counts(&self->gs).ticks;
	static char text[1024 * 1024];
	unsigned int i;
	ssize_t n = 0, got;
	int fd;

	ASSERT_TRUE(trace_on(self->wakeups));
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	/* Each look at the count is in the trace as well. */
	for (i = 0; i < 1000 && gs_counts(&self->gs).ticks < ticks + 2; i++)
		sleep_ms(10);
	ASSERT_TRUE(put("tracing_on", "0"));
	EXPECT_LT(0, records(false));
	fd = open(TRACING "trace", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	while ((got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += got;
	close(fd);
	for (i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		EXPECT_TRUE(strstr(text, wanted[i])) {
			TH_LOG("no %s in the trace", wanted[i]);
		}
	}
}

/*
 * Ms PARKED, BLOCKED, in the poller and FREE, and for ten seconds not a function
 * of the module runs, not a timer of it is started or fires, not an M is woken.
 */
TEST_F_TIMEOUT(idle, nothing_happens, 60)
{
	struct gsched_info_domain before, after;

	before = gs_counts(&self->gs);
	ASSERT_TRUE(trace_on(self->wakeups));
	sleep_ms(QUIET_MS);
	ASSERT_TRUE(put("tracing_on", "0"));
	EXPECT_EQ(0, records(true));
	after = gs_counts(&self->gs);
	EXPECT_EQ(before.blocks, after.blocks);
	EXPECT_EQ(before.ticks, after.ticks);
	EXPECT_EQ(0, after.preempts);
}

TEST_HARNESS_MAIN
