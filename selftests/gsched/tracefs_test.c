// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints, read from tracefs: each event comes when what it says happens, and says it of
 * the right domain, M and P.
 *
 * To enable an event rewrites code of the kernel, which an emulated machine only survives with one
 * processor (selftests/vm/run.sh says why). So this is no part of the collection, but a run of its
 * own in a guest with one.
 */
#include "gsched_util.h"

#include <dirent.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "kselftest_harness.h"

#define TRACEFS		"/sys/kernel/tracing"
#define INSTANCE	TRACEFS "/instances/gsched_test"
#define MAX_LINES	512
#define MAX_LINE	256

static char lines[MAX_LINES][MAX_LINE];
static int nr_lines;

/* The events so far, in order: what stands behind "gsched_" in each line. */
static bool read_trace(void)
{
	FILE *f = fopen(INSTANCE "/trace", "re");
	char line[1024], *event;

	nr_lines = 0;
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f) && nr_lines < MAX_LINES) {
		event = strstr(line, ": gsched_");
		if (line[0] == '#' || !event)
			continue;
		event[strcspn(event, "\n")] = 0;
		snprintf(lines[nr_lines++], MAX_LINE, "%.250s", event + strlen(": gsched_"));
	}
	fclose(f);
	return true;
}

/*
 * Is there a line from number @from on that begins with the format? The number of the one after
 * it, or 0 and all lines shown.
 */
static int __attribute__((format(printf, 2, 3))) after(int from, const char *format, ...)
{
	char start[MAX_LINE];
	va_list ap;
	int i;

	va_start(ap, format);
	vsnprintf(start, sizeof(start), format, ap);
	va_end(ap);
	for (i = from; i < nr_lines; i++)
		if (!strncmp(lines[i], start, strlen(start)))
			return i + 1;
	fprintf(stderr, "# no '%s' from line %d on:\n", start, from);
	for (i = 0; i < nr_lines; i++)
		fprintf(stderr, "# %d: %s\n", i, lines[i]);
	return 0;
}

/* The domain's number, from its folder in debugfs. */
static unsigned int number_of_domain(void)
{
	DIR *dir = opendir("/sys/kernel/debug/gsched");
	unsigned int number = 0, pid, n;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (sscanf(entry->d_name, "%u-%u", &pid, &n) == 2 && (int)pid == getpid())
			number = n;
	if (dir)
		closedir(dir);
	return number;
}

FIXTURE(tracefs) {
	struct gs gs;
	struct gs_m a, b;	/* a holds the only P */
	int pipe[2];
	unsigned int d;		/* the domain's number */
};

FIXTURE_SETUP(tracefs)
{
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 0));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->b));
	self->d = number_of_domain();
	ASSERT_NE(0, self->d);
	ASSERT_EQ(0, mkdir(INSTANCE, 0700));
	ASSERT_EQ(0, gs_write_file(INSTANCE "/events/gsched/enable", "1"));
}

FIXTURE_TEARDOWN(tracefs)
{
	EXPECT_EQ(0, gs_write_file(INSTANCE "/events/gsched/enable", "0"));
	EXPECT_EQ(0, rmdir(INSTANCE));
	close(self->gs.fd);
}

/* A sleeper's P is handed on; it comes back, waits at the border and is granted the P again. */
TEST_F(tracefs, the_way_of_a_p)
{
	__u32 a = self->a.id, b = self->b.id, d = self->d;
	int n = 0;

	GS_STORE(self->gs.mh[a].goid, 4711);
	ASSERT_TRUE(gs_m_waits(&self->b));
	gs_m_ask(&self->a, gs_do_read, self->pipe[0], 0);
	ASSERT_EQ(0, gs_m_answer(&self->b));
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	ASSERT_TRUE(gs_m_gets(&self->gs, a, GSCHED_M_WAITING));
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_release, 0, 0));
	ASSERT_EQ(1, gs_m_answer(&self->a));

	ASSERT_TRUE(read_trace());
	n = after(n, "block: domain=%u m=%u tid=%d p=0 goid=4711 state=S", d, a, self->a.tid);
	ASSERT_NE(0, n);
	n = after(n, "handoff: domain=%u p=0 from=%u m=%u tid=%d blocked_ns=", d, a, b,
		  self->b.tid);
	ASSERT_NE(0, n);
	n = after(n, "grant: domain=%u p=0 p_state=BLOCKED m=%u tid=%d m_state=WAITING", d, b,
		  self->b.tid);
	ASSERT_NE(0, n);
	n = after(n, "lost: domain=%u m=%u tid=%d p=0 slept_ns=", d, a, self->a.tid);
	ASSERT_NE(0, n);
	n = after(n, "border_enter: domain=%u m=%u tid=%d waiting=0", d, a, self->a.tid);
	ASSERT_NE(0, n);
	n = after(n, "grant: domain=%u p=0 p_state=IDLE m=%u tid=%d m_state=WAITING", d, a,
		  self->a.tid);
	ASSERT_NE(0, n);
	n = after(n, "border_leave: domain=%u m=%u tid=%d p=0 waited_ns=", d, a, self->a.tid);
	ASSERT_NE(0, n);
}

/* Nobody wants the P of a sleeper: it has it back, and the trace says how long it slept. */
TEST_F(tracefs, back_in_time)
{
	struct gs_m *a = &self->a;
	int n;

	gs_m_ask(a, gs_do_read, self->pipe[0], 0);
	ASSERT_TRUE(gs_p_gets(&self->gs, 0, GSCHED_P_BLOCKED, a->id));
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	ASSERT_EQ(1, gs_m_answer(a));

	ASSERT_TRUE(read_trace());
	n = after(0, "block: domain=%u m=%u tid=%d p=0", self->d, a->id, a->tid);
	ASSERT_NE(0, n);
	n = after(n, "return: domain=%u m=%u tid=%d p=0 slept_ns=", self->d, a->id, a->tid);
	ASSERT_NE(0, n);
}

/* PARK and UNPARK name the M that is meant, and an UNPARK without a sleeper the permit. */
TEST_F(tracefs, park)
{
	struct gs_m *b = &self->b;
	int n;

	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_release, 0, 0));
	ASSERT_TRUE(gs_m_parks(b, GSCHED_PARK_PRIVATE));
	ASSERT_EQ(0, gs_unpark(&self->gs, b->id));
	ASSERT_EQ(0, gs_m_answer(b));
	ASSERT_EQ(0, gs_unpark(&self->gs, b->id));

	ASSERT_TRUE(read_trace());
	n = after(0, "park: domain=%u m=%u tid=%d private=1", self->d, b->id, b->tid);
	ASSERT_NE(0, n);
	n = after(n, "unpark: domain=%u m=%u tid=%d permit=0", self->d, b->id, b->tid);
	ASSERT_NE(0, n);
	n = after(n, "grant: domain=%u p=0 p_state=IDLE m=%u", self->d, b->id);
	ASSERT_NE(0, n);
	n = after(n, "unpark: domain=%u m=%u tid=%d permit=1", self->d, b->id, b->tid);
	ASSERT_NE(0, n);
}

/* Who passes the border without a P is named, with the reason. */
TEST_F(tracefs, pass)
{
	struct gs_m *a = &self->a;

	ASSERT_EQ(0, gs_m_do(a, gs_do_mode, GSCHED_MODE_COOPERATIVE, 0));
	ASSERT_TRUE(gs_m_waits(&self->b));
	gs_m_ask(a, gs_do_read, self->pipe[0], 0);
	ASSERT_EQ(0, gs_m_answer(&self->b));
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	ASSERT_EQ(1, gs_m_answer(a));

	ASSERT_TRUE(read_trace());
	ASSERT_NE(0, after(0, "border_pass: domain=%u m=%u tid=%d why=cooperative", self->d, a->id,
			   a->tid));
}

static long stop_resize_start(struct gs_m *m, __u64 a, __u64 b)
{
	int ret = gs_stop(m->gs, GSCHED_FOREVER, NULL);

	if (!ret)
		ret = gs_resize(m->gs, 1);
	return ret ? ret : gs_start(m->gs);
}

/* The stopper of the world is named, when it is stopped and when it is started; so is a RESIZE. */
TEST_F(tracefs, world)
{
	struct gs_m *a = &self->a;
	int n;

	ASSERT_EQ(0, gs_m_do(a, stop_resize_start, 0, 0));
	ASSERT_TRUE(read_trace());
	n = after(0, "stop: domain=%u m=%u tid=%d", self->d, a->id, a->tid);
	ASSERT_NE(0, n);
	n = after(n, "stopped: domain=%u m=%u tid=%d since_stop_ns=", self->d, a->id, a->tid);
	ASSERT_NE(0, n);
	n = after(n, "resize: domain=%u m=%u tid=%d from=1 nr_p=1", self->d, a->id, a->tid);
	ASSERT_NE(0, n);
	n = after(n, "start: domain=%u m=%u tid=%d since_stop_ns=", self->d, a->id, a->tid);
	ASSERT_NE(0, n);
}

/* Events hold numbers: no address leaves the kernel in them. */
TEST_F(tracefs, no_addresses)
{
	DIR *dir = opendir(TRACEFS "/events/gsched");
	char path[512], line[1024];
	struct dirent *entry;
	int events = 0;
	FILE *f;

	ASSERT_NE(NULL, dir);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "gsched_", 7))
			continue;
		events++;
		snprintf(path, sizeof(path), TRACEFS "/events/gsched/%s/format", entry->d_name);
		f = fopen(path, "re");
		ASSERT_NE(NULL, f);
		while (fgets(line, sizeof(line), f)) {
			if (!strstr(line, "field:"))
				continue;
			EXPECT_EQ(NULL, strchr(line, '*'));
			EXPECT_EQ(NULL, strstr(line, "long"));
		}
		fclose(f);
	}
	closedir(dir);
	EXPECT_LE(15, events);
}

TEST_HARNESS_MAIN
