// SPDX-License-Identifier: MIT
/* The stall benchmarks: the ways to block, and what is measured. See stall.h. */
#include "stall.h"
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY	1
#endif

void raw_nanosleep_ms(int ms)
{
	struct timespec ts = ms_to_timespec(ms);

	while (syscall(SYS_nanosleep, &ts, &ts) && errno == EINTR)
		;
}

static void block_nanosleep(struct stall *st)
{
	raw_nanosleep_ms(st->ms);
}

static void arm_timer(struct stall *st)
{
	struct itimerspec its = { .it_value = ms_to_timespec(st->ms) };

	if (timerfd_settime(st->fd, 0, &its, NULL))
		die("timerfd_settime");
}

static void block_read(struct stall *st)
{
	uint64_t expired;
	ssize_t n;

	do {
		n = syscall(SYS_read, st->fd, &expired, sizeof(expired));
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(expired))
		die("read of a timer");
}

static void block_fault(struct stall *st)
{
	if (*st->page != 1) {
		errno = EIO;
		die("content of a page");
	}
	st->page += st->page_size;
}

/*
 * Faults of @uffd are served by another process, so that nothing which a runtime does to its own
 * threads can hold them up.
 */
static void serve_faults(int uffd, int ms)
{
	posix_spawn_file_actions_t actions;
	char delay[16], parent[16];
	char *argv[] = { "uffd_helper", delay, parent, NULL };
	pid_t pid;

	snprintf(delay, sizeof(delay), "%d", ms);
	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, uffd, STALL_UFFD);
	errno = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	if (errno)
		die("uffd_helper");
	posix_spawn_file_actions_destroy(&actions);
}

static void init_fault(struct stall *st)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	void *area;

	if (uffd < 0)
		die("userfaultfd");
	if (ioctl(uffd, UFFDIO_API, &api))
		die("UFFDIO_API");

	st->page_size = sysconf(_SC_PAGESIZE);
	reg.range.len = st->page_size * (st->rounds + STALL_WARMUP);
	area = mmap(NULL, reg.range.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	if (area == MAP_FAILED)
		die("mmap");
	reg.range.start = (uintptr_t)area;
	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		die("UFFDIO_REGISTER");
	st->page = area;
	serve_faults(uffd, st->ms);
}

static void init_read(struct stall *st)
{
	st->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (st->fd < 0)
		die("timerfd_create");
}

static bool parse_mode(const char *text, enum stall_mode *mode)
{
	static const char *const modes[] = {
		[STALL_HOT] = "hot", [STALL_IDLE] = "idle", [STALL_CPU] = "cpu",
	};

	for (int i = 0; i < 3; i++) {
		if (!strcmp(text, modes[i])) {
			*mode = i;
			return true;
		}
	}
	return false;
}

bool stall_init(struct stall *st, int argc, char **argv)
{
	bool fault = argc == 3 && !strcmp(argv[0], "pfstall");
	bool read = argc == 4 && !strcmp(argv[0], "blockread");
	bool sleep = argc == 4 && !strcmp(argv[0], "blockstall");

	memset(st, 0, sizeof(*st));
	if (!fault && !read && !sleep)
		return false;
	if (!fault && !parse_mode(argv[1], &st->mode))
		return false;
	st->ms = arg_number(argv[argc - 2]);
	st->rounds = arg_number(argv[argc - 1]);
	st->until_b = calloc(st->rounds, sizeof(*st->until_b));
	st->until_a = calloc(st->rounds, sizeof(*st->until_a));
	if (!st->until_b || !st->until_a)
		die("calloc");

	if (fault) {
		snprintf(st->name, sizeof(st->name), "pfstall_%dms", st->ms);
		st->block = block_fault;
		init_fault(st);
		return true;
	}
	snprintf(st->name, sizeof(st->name), "%s_%s_%dms", argv[0], argv[1], st->ms);
	st->block = sleep ? block_nanosleep : block_read;
	if (read) {
		st->arm = arm_timer;
		init_read(st);
	}
	return true;
}

void stall_sample(struct stall *st, int i, int64_t until_b, int64_t until_a)
{
	if (i < STALL_WARMUP)
		return;
	st->until_b[st->nsamples] = until_b;
	st->until_a[st->nsamples] = until_a;
	st->nsamples++;
}

void stall_out(struct stall *st, const char *runtime, int workers)
{
	char name[80];

	out_dist(st->name, runtime, workers, st->until_b, st->nsamples);
	qsort(st->until_a, st->nsamples, sizeof(*st->until_a), cmp_i64);
	snprintf(name, sizeof(name), "%s_return", st->name);
	out_quantile(name, "p50", runtime, workers, st->until_a, st->nsamples / 2);
}
