// SPDX-License-Identifier: GPL-2.0
/*
 * What is shown of a domain: the histograms of INFO, the files in debugfs, and gsched-stat, the
 * program of the library that reads them, all say the same, and it is what happened.
 */
#include "gsched_util.h"

#include <dirent.h>
#include <spawn.h>
#include <sys/stat.h>

#include "kselftest_harness.h"

#define DEBUGFS		"/sys/kernel/debug/gsched"
#define NR_HIST		(GSCHED_HIST_EXCESS + 1)

extern char **environ;

static struct gsched_info_hist hist(struct gs *gs, enum gsched_hist which)
{
	struct gsched_info_hist h = { .count = ~0ULL };

	gs_info(gs, GSCHED_INFO_HIST, which, &h, sizeof(h));
	return h;
}

/* Do the buckets add up, and do sum and longest fit in with them? */
static bool is_sound(const struct gsched_info_hist *h)
{
	__u64 count = 0, least = 0;
	bool has_max = !h->count;
	unsigned int i;

	for (i = 0; i < GSCHED_HIST_BUCKETS; i++) {
		count += h->bucket[i];
		least += h->bucket[i] * (i ? 1ULL << i : 0);
		has_max |= h->bucket[i] && h->max_ns >> (i ? i : 1) <= 1;
	}
	return count == h->count && least <= h->sum_ns && h->max_ns <= h->sum_ns && has_max;
}

/* ---- debugfs ---- */

/* The folder of the @nth domain of this process, as "PID-NUMBER". */
static bool find_folder(unsigned int nth, char *name, size_t size)
{
	char prefix[32];
	struct dirent *entry;
	DIR *dir = opendir(DEBUGFS);
	bool found = false;

	snprintf(prefix, sizeof(prefix), "%d-", getpid());
	while (dir && !found && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) || nth--)
			continue;
		snprintf(name, size, "%.63s", entry->d_name);
		found = true;
	}
	if (dir)
		closedir(dir);
	return found;
}

static FILE *open_file(const char *name)
{
	char folder[64], path[256];

	if (!find_folder(0, folder, sizeof(folder)))
		return NULL;
	snprintf(path, sizeof(path), DEBUGFS "/%s/%s", folder, name);
	return fopen(path, "re");
}

/* The number behind the words @key at the start of a line of @f, or ~0. */
static __u64 number_in(FILE *f, const char *key)
{
	unsigned long long n = ~0ULL;
	size_t len = strlen(key);
	char line[256];

	rewind(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && line[len] == ' ' &&
		    sscanf(line + len, "%llu", &n) == 1)
			break;
	return n;
}

static __u64 number_of(const char *file, const char *key)
{
	FILE *f = open_file(file);
	__u64 n;

	if (!f)
		return ~0ULL;
	n = number_in(f, key);
	fclose(f);
	return n;
}

FIXTURE(seeing) {
	struct gs gs;
	struct gs_m a, b;	/* a holds the only P */
	int pipe[2];
};

FIXTURE_SETUP(seeing)
{
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, gs_make_domain(&self->gs, 1, 0));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &self->a));
	ASSERT_EQ(0, gs_m_start(&self->gs, &self->b));
}

FIXTURE_TEARDOWN(seeing)
{
	close(self->gs.fd);
}

/* a falls asleep, its P goes to b, a comes back to the border, and b lets it have the P again. */
static bool pass_the_p(struct gs *gs, struct gs_m *a, struct gs_m *b, int *pipe)
{
	if (!gs_m_waits(b))
		return false;
	gs_m_ask(a, gs_do_read, pipe[0], 0);
	if (gs_m_answer(b) || write(pipe[1], "", 1) != 1)
		return false;
	return gs_m_gets(gs, a->id, GSCHED_M_WAITING) && !gs_m_do(b, gs_do_release, 0, 0) &&
	       gs_m_answer(a) == 1 && gs_m_saw(a) == 0;
}

/* Each histogram counts what happened once, and its time is the one between the two moments. */
TEST_F(seeing, histograms)
{
	struct gs *gs = &self->gs;
	struct gsched_info_hist h, start;
	struct gsched_info_m a;
	__u64 handoff;
	int i;

	h = hist(gs, GSCHED_HIST_START);
	ASSERT_TRUE(gs_m_waits(&self->b));
	gs_m_ask(&self->a, gs_do_read, self->pipe[0], 0);
	ASSERT_EQ(0, gs_m_answer(&self->b));
	start = hist(gs, GSCHED_HIST_START);
	EXPECT_EQ(h.count + 1, start.count);

	h = hist(gs, GSCHED_HIST_HANDOFF);
	handoff = GS_LOAD(gs->ms[self->b.id].granted_ns) - GS_LOAD(gs->ms[self->a.id].blocked_ns);
	EXPECT_EQ(1, h.count);
	EXPECT_LT(0, h.sum_ns);
	EXPECT_LE(h.sum_ns, handoff);
	EXPECT_EQ(0, hist(gs, GSCHED_HIST_EXCESS).count);

	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	ASSERT_TRUE(gs_m_gets(gs, self->a.id, GSCHED_M_WAITING));
	EXPECT_EQ(1, hist(gs, GSCHED_HIST_EXCESS).count);
	EXPECT_EQ(0, hist(gs, GSCHED_HIST_UNBLOCK).count);
	EXPECT_EQ(0, hist(gs, GSCHED_HIST_BORDER).count);
	ASSERT_EQ(0, gs_m_do(&self->b, gs_do_release, 0, 0));
	ASSERT_EQ(1, gs_m_answer(&self->a));

	a = gs_m_info(gs, self->a.id);
	h = hist(gs, GSCHED_HIST_UNBLOCK);
	EXPECT_EQ(1, h.count);
	EXPECT_EQ(a.granted_ns - a.lost_ns, h.sum_ns);
	h = hist(gs, GSCHED_HIST_BORDER);
	EXPECT_EQ(1, h.count);
	EXPECT_EQ(gs_counts(gs).borders, h.count);
	EXPECT_EQ(gs_counts(gs).border_ns, h.sum_ns);
	for (i = 0; i < NR_HIST; i++) {
		h = hist(gs, i);
		EXPECT_TRUE(is_sound(&h));
	}
}

/* In cooperative mode an M runs without a P until it asks for one: excess, but for its sleep. */
TEST_F(seeing, excess_without_sleep)
{
	struct gs *gs = &self->gs;
	struct gsched_info_hist h;
	__u64 begin, asleep;

	ASSERT_EQ(0, gs_m_do(&self->a, gs_do_mode, GSCHED_MODE_COOPERATIVE, 0));
	ASSERT_TRUE(gs_m_waits(&self->b));
	gs_m_ask(&self->a, gs_do_read, self->pipe[0], 0);
	ASSERT_EQ(0, gs_m_answer(&self->b));
	begin = gs_now();
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	ASSERT_EQ(1, gs_m_answer(&self->a));
	/* Asleep for so long that it would show. */
	gs_m_ask(&self->a, gs_do_read, self->pipe[0], 0);
	ASSERT_TRUE(gs_tid_sleeps(self->a.tid));
	asleep = gs_now();
	while (gs_now() < asleep + 200 * GS_MS)
		sched_yield();
	asleep = gs_now() - asleep;
	ASSERT_EQ(1, write(self->pipe[1], "", 1));
	ASSERT_EQ(1, gs_m_answer(&self->a));
	EXPECT_EQ(0, hist(gs, GSCHED_HIST_EXCESS).count);
	ASSERT_TRUE(gs_m_waits(&self->a));
	h = hist(gs, GSCHED_HIST_EXCESS);
	EXPECT_EQ(1, h.count);
	EXPECT_LT(0, h.sum_ns);
	EXPECT_LT(h.sum_ns + asleep, gs_now() - begin);
	EXPECT_LE(1, gs_counts(gs).excess_cooperative);
}

/* The files say what INFO says; they and the folder are for root only. */
TEST_F(seeing, debugfs)
{
	static const char * const names[NR_HIST] = {
		"handoff", "start", "unblock", "border", "excess",
	};
	static const char * const files[] = { "info", "hist", "ps", "ms" };
	struct gs *gs = &self->gs;
	struct gsched_info_domain d;
	char folder[64], path[256], key[64], line[256];
	struct gsched_info_hist h;
	struct stat st;
	FILE *f;
	int i;

	ASSERT_TRUE(pass_the_p(gs, &self->a, &self->b, self->pipe));
	ASSERT_TRUE(find_folder(0, folder, sizeof(folder)));
	EXPECT_FALSE(find_folder(1, path, sizeof(path)));
	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), DEBUGFS "/%s/%s", folder, files[i]);
		ASSERT_EQ(0, stat(path, &st));
		EXPECT_EQ(S_IFREG | 0400, st.st_mode);
		EXPECT_EQ(0, st.st_uid);
	}

	d = gs_counts(gs);
	EXPECT_EQ(1, number_of("info", "nr_p"));
	EXPECT_EQ(2, number_of("info", "nr_m"));
	EXPECT_EQ(d.blocks, number_of("info", "blocks"));
	EXPECT_EQ(d.handoffs, number_of("info", "handoffs"));
	EXPECT_EQ(1, d.handoffs);
	EXPECT_EQ(d.borders, number_of("info", "borders"));
	EXPECT_EQ(d.border_ns, number_of("info", "border_ns"));
	EXPECT_EQ(d.grants_waiting, number_of("info", "grants_waiting"));
	EXPECT_EQ(d.slice_ns, number_of("info", "slice_ns"));

	for (i = 0; i < NR_HIST; i++) {
		h = hist(gs, i);
		snprintf(key, sizeof(key), "%s count", names[i]);
		EXPECT_EQ(h.count, number_of("hist", key));
		snprintf(key, sizeof(key), "%s sum_ns", names[i]);
		EXPECT_EQ(h.sum_ns, number_of("hist", key));
		snprintf(key, sizeof(key), "%s max_ns", names[i]);
		EXPECT_EQ(h.max_ns, number_of("hist", key));
	}

	f = open_file("ps");
	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	snprintf(key, sizeof(key), "0 RUNNING %u %llu ", self->a.id, gs_p(gs, 0).count);
	EXPECT_EQ(0, strncmp(line, key, strlen(key)));
	EXPECT_STREQ(" -\n", strrchr(line, ' '));
	EXPECT_EQ(NULL, fgets(line, sizeof(line), f));
	ASSERT_EQ(0, gs_tune_cpu(gs, 0, 1));
	rewind(f);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	EXPECT_STREQ(" 1\n", strrchr(line, ' '));
	fclose(f);

	f = open_file("ms");
	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(line, sizeof(line), f));
	for (i = 0; i < 2; i++) {
		struct gs_m *m = i == (int)self->a.id ? &self->a : &self->b;

		ASSERT_NE(NULL, fgets(line, sizeof(line), f));
		snprintf(key, sizeof(key), "%d %d %s - ", i, m->tid,
			 m == &self->a ? "ON 0" : "FREE -");
		EXPECT_EQ(0, strncmp(line, key, strlen(key)));
	}
	EXPECT_EQ(NULL, fgets(line, sizeof(line), f));
	fclose(f);
}

/* gsched-stat shows the same numbers as INFO, and the rates of an interval. */
TEST_F(seeing, gsched_stat)
{
	char *argv[] = { "gsched-stat", "-d", "-p", NULL, NULL, NULL, NULL };
	char pid[16], text[16384], *p;
	struct gs *gs = &self->gs;
	struct gsched_info_domain d;
	unsigned long long n, count;
	posix_spawn_file_actions_t actions;
	size_t got = 0;
	int out[2], status;
	ssize_t r;
	pid_t child;

	ASSERT_TRUE(pass_the_p(gs, &self->a, &self->b, self->pipe));
	snprintf(pid, sizeof(pid), "%d", getpid());
	argv[3] = pid;
	ASSERT_EQ(0, pipe2(out, O_CLOEXEC));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	ASSERT_EQ(0, posix_spawnp(&child, argv[0], &actions, NULL, argv, environ));
	close(out[1]);
	while ((r = read(out[0], text + got, sizeof(text) - 1 - got)) > 0)
		got += r;
	text[got] = 0;
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_EQ(0, status);

	d = gs_counts(gs);
	p = strstr(text, "  handoffs ");
	ASSERT_NE(NULL, p);
	ASSERT_EQ(1, sscanf(p, " handoffs %llu", &n));
	EXPECT_EQ(d.handoffs, n);
	p = strstr(text, "  border_ns ");
	ASSERT_NE(NULL, p);
	ASSERT_EQ(1, sscanf(p, " border_ns %llu", &n));
	EXPECT_EQ(d.border_ns, n);
	p = strstr(text, "  excess ");
	ASSERT_NE(NULL, p);
	ASSERT_EQ(1, sscanf(p, " excess %llu", &count));
	EXPECT_EQ(hist(gs, GSCHED_HIST_EXCESS).count, count);
}

/* Each domain has a folder of its own, from SETUP until it is freed; who reads it then fails. */
TEST(debugfs_ends_with_the_domain)
{
	char first[64], second[64], path[256], byte;
	struct gs one, two;
	int fd;

	ASSERT_EQ(0, gs_make_domain(&one, 1, 0));
	ASSERT_TRUE(find_folder(0, first, sizeof(first)));
	snprintf(path, sizeof(path), DEBUGFS "/%s/info", first);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, gs_make_domain(&two, 1, 0));
	ASSERT_TRUE(find_folder(1, second, sizeof(second)));
	EXPECT_FALSE(find_folder(2, second, sizeof(second)));

	munmap(one.status, one.setup.status_size);
	munmap(one.hint, one.setup.hint_size);
	close(one.fd);
	EXPECT_TRUE(GS_UNTIL(access(path, F_OK)));
	EXPECT_EQ(-1, read(fd, &byte, 1));
	EXPECT_TRUE(find_folder(0, second, sizeof(second)));
	EXPECT_NE(0, strcmp(first, second));
	close(fd);
	close(two.fd);
}

/* A reader of the files while the domain works and ends: nothing hangs, and each read ends well. */
TEST_F(seeing, reads_while_it_works)
{
	struct gs *gs = &self->gs;
	__u64 last = 0, n;
	int i;

	for (i = 0; i < 50; i++) {
		ASSERT_TRUE(pass_the_p(gs, &self->a, &self->b, self->pipe));
		n = number_of("info", "handoffs");
		EXPECT_EQ(last + 1, n);
		last = n;
		EXPECT_EQ(n, number_of("hist", "handoff count"));
	}
}

TEST_HARNESS_MAIN
