// SPDX-License-Identifier: GPL-2.0
/*
 * Guarded stacks (protocol 9): what is refused, what is a guard and what is not, and that all else
 * is ordinary private memory to everything in the kernel that deals with memory.
 */
#include "gsched_util.h"

#include <elf.h>
#include <setjmp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/uio.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>

#include "cgroup.h"

#include "kselftest_harness.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif

#define PAGE		4096UL
#define SHIFT		16	/* most tests: stacks of 64 KiB, the lowest page a guard */
#define STRIDE		(1UL << SHIFT)
#define KIB		1024UL
#define MIB		(1024 * KIB)

/* ---- rows ---- */

static char *map_at(int fd, __u64 offset, size_t length, int flags)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE | flags, fd,
		    offset);
}

static char *map_row(int fd, unsigned int shift, unsigned int guard, size_t n)
{
	return map_at(fd, GSCHED_STACKS(shift, guard), n << shift, 0);
}

/* What a touch comes to: 0, or the address that SIGSEGV named; 1 if its code is not MAPERR. */
static sigjmp_buf segv_back;
static volatile uintptr_t segv_addr;

static void segv(int sig, siginfo_t *info, void *context)
{
	segv_addr = info->si_code == SEGV_MAPERR ? (uintptr_t)info->si_addr : 1;
	siglongjmp(segv_back, 1);
}

static void catch_segv(void)
{
	static char room[64 * KIB];
	stack_t alt = { .ss_sp = room, .ss_size = sizeof(room) };
	struct sigaction sa = { .sa_sigaction = segv, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaltstack(&alt, NULL);
	sigaction(SIGSEGV, &sa, NULL);
}

static uintptr_t segv_of_read(const volatile char *p)
{
	segv_addr = 0;
	if (!sigsetjmp(segv_back, 1))
		(void)*p;
	return segv_addr;
}

static uintptr_t segv_of_write(volatile char *p)
{
	segv_addr = 0;
	if (!sigsetjmp(segv_back, 1))
		*p = 1;
	return segv_addr;
}

#define EXPECT_GUARD(p)							\
do {									\
	EXPECT_EQ((uintptr_t)(p), segv_of_read(p));			\
	EXPECT_EQ((uintptr_t)(p), segv_of_write(p));			\
} while (0)

#define EXPECT_STACK(p)							\
do {									\
	EXPECT_EQ(0, segv_of_read(p));					\
	EXPECT_EQ(0, segv_of_write(p));					\
} while (0)

/* ---- what /proc says ---- */

/* How many VMAs touch the range */
static int vmas_of(const char *from, size_t length)
{
	uintptr_t start = (uintptr_t)from, end = start + length, a, b;
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += sscanf(line, "%lx-%lx", &a, &b) == 2 && a < end && b > start;
	if (f)
		fclose(f);
	return n;
}

/* A field of the VMA's smaps, in KiB, or -1 */
static long smaps_of(const char *at, const char *field)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	size_t len = strlen(field);
	uintptr_t a, b;
	char line[512];
	bool in = false;
	long kib = -1;

	while (f && kib < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &a, &b) == 2)
			in = a <= (uintptr_t)at && (uintptr_t)at < b;
		else if (in && !strncmp(line, field, len) && line[len] == ':')
			kib = atol(line + len + 1);
	}
	if (f)
		fclose(f);
	return kib;
}

static long status_kib(const char *field)
{
	FILE *f = fopen("/proc/self/status", "re");
	size_t len = strlen(field);
	char line[256];
	long kib = -1;

	while (f && kib < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, len) && line[len] == ':')
			kib = atol(line + len + 1);
	if (f)
		fclose(f);
	return kib;
}

/* ---- the row that most tests use: 16 stacks, nothing set up ---- */

#define STACKS	16

FIXTURE(row) {
	int fd;
	char *base;
};

FIXTURE_SETUP(row)
{
	catch_segv();
	self->fd = gs_open();
	ASSERT_LE(0, self->fd);
	self->base = map_row(self->fd, SHIFT, 1, STACKS);
	ASSERT_NE(MAP_FAILED, self->base);
}

FIXTURE_TEARDOWN(row)
{
	munmap(self->base, STACKS * STRIDE);
	close(self->fd);
}

static int refused(int fd, __u64 offset, size_t length, int flags)
{
	char *p = mmap(NULL, length, PROT_READ, flags | MAP_NORESERVE, fd, offset);

	if (p == MAP_FAILED)
		return errno;
	munmap(p, length);
	return 0;
}

/* Anything but whole stacks of a possible shape in a private mapping is EINVAL. */
TEST_F(row, refuses)
{
	int fd = self->fd, ro = open(GS_DEVICE, O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, ro);
	EXPECT_EQ(EINVAL, refused(fd, GSCHED_STACKS(SHIFT, 1), STRIDE, MAP_SHARED));
	EXPECT_EQ(EINVAL, refused(ro, GSCHED_STACKS(SHIFT, 1), STRIDE, MAP_SHARED));
	EXPECT_EQ(0, refused(ro, GSCHED_STACKS(SHIFT, 1), STRIDE, MAP_PRIVATE));
	/* shape */
	EXPECT_EQ(EINVAL, refused(fd, GSCHED_STACKS(12, 1), PAGE, MAP_PRIVATE));
	EXPECT_EQ(0, refused(fd, GSCHED_STACKS(13, 1), 2 * PAGE, MAP_PRIVATE));
	EXPECT_EQ(EINVAL, refused(fd, GSCHED_STACKS(13, 2), 2 * PAGE, MAP_PRIVATE));
	EXPECT_EQ(0, refused(fd, GSCHED_STACKS(SHIFT, 15), STRIDE, MAP_PRIVATE));
	EXPECT_EQ(EINVAL, refused(fd, GSCHED_STACKS(SHIFT, 16), STRIDE, MAP_PRIVATE));
	EXPECT_EQ(EINVAL, refused(fd, GSCHED_STACKS(SHIFT, 1U << 20), STRIDE, MAP_PRIVATE));
	EXPECT_EQ(0, refused(fd, GSCHED_STACKS(30, (1U << 18) - 1), 1UL << 30, MAP_PRIVATE));
	EXPECT_EQ(EINVAL, refused(fd, GSCHED_STACKS(30, 1U << 18), 1UL << 30, MAP_PRIVATE));
	EXPECT_EQ(EINVAL, refused(fd, GSCHED_STACKS(31, 1), 1UL << 31, MAP_PRIVATE));
	EXPECT_EQ(EINVAL, refused(fd, GSCHED_STACKS(43, 1), 1UL << 31, MAP_PRIVATE));
	EXPECT_EQ(EINVAL, refused(fd, (1ULL << 62) | GSCHED_STACKS(SHIFT, 1), STRIDE, MAP_PRIVATE));
	/* A guard of no page is no offset of stacks. */
	EXPECT_EQ(ENXIO, refused(fd, GSCHED_STACKS(SHIFT, 0), STRIDE, MAP_PRIVATE));
	/* whole stacks */
	EXPECT_EQ(EINVAL, refused(fd, GSCHED_STACKS(SHIFT, 1), STRIDE + PAGE, MAP_PRIVATE));
	EXPECT_EQ(EINVAL, refused(fd, GSCHED_STACKS(SHIFT, 1), PAGE, MAP_PRIVATE));
	EXPECT_EQ(EINVAL, refused(fd, GSCHED_STACKS(SHIFT, 1) + PAGE, STRIDE, MAP_PRIVATE));
	EXPECT_EQ(0, refused(fd, GSCHED_STACKS(SHIFT, 1) + 7 * STRIDE, STRIDE, MAP_PRIVATE));
	/* the row's end */
	EXPECT_EQ(0, refused(fd, GSCHED_STACKS(SHIFT, 1), GSCHED_STACKS_MAX, MAP_PRIVATE));
	EXPECT_EQ(EINVAL, refused(fd, GSCHED_STACKS(SHIFT, 1), GSCHED_STACKS_MAX + STRIDE,
				  MAP_PRIVATE));
	EXPECT_EQ(EINVAL, refused(fd, GSCHED_STACKS(SHIFT, 1) + STRIDE, GSCHED_STACKS_MAX,
				  MAP_PRIVATE));
	close(ro);
}

/* The lowest pages of each stack are guards, whatever their number, and no others. */
TEST_F(row, guards_are_where_they_must_be)
{
	unsigned int guard, i, page;
	char *row;

	for (guard = 1; guard <= 3; guard += 2) {
		row = map_row(self->fd, SHIFT, guard, 3);
		ASSERT_NE(MAP_FAILED, row);
		for (i = 0; i < 3; i++) {
			for (page = 0; page < STRIDE / PAGE; page++) {
				char *p = row + i * STRIDE + page * PAGE;

				if (page < guard) {
					EXPECT_GUARD(p);
					EXPECT_GUARD(p + PAGE - 1);
				} else {
					EXPECT_STACK(p);
				}
			}
		}
		munmap(row, 3 * STRIDE);
	}
}

/* A call that is handed a guard says EFAULT, one that comes to it midway stops there. */
TEST_F(row, calls_on_a_guard)
{
	char *guard = self->base + STRIDE, from[2 * PAGE];
	int p[2];

	ASSERT_EQ(0, pipe(p));
	memset(from, 'x', sizeof(from));
	ASSERT_EQ((ssize_t)sizeof(from), write(p[1], from, sizeof(from)));
	EXPECT_EQ(-1, read(p[0], guard, 1));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, write(p[1], guard, 1));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ((ssize_t)PAGE, read(p[0], guard - PAGE, 2 * PAGE));
	EXPECT_EQ('x', guard[-1]);
	EXPECT_EQ((ssize_t)PAGE, read(p[0], guard + PAGE, PAGE));
	EXPECT_EQ('x', guard[2 * PAGE - 1]);
}

/* A read shows zeroes and costs no memory; a write makes an anonymous page, a first one too. */
TEST_F(row, accounting)
{
	char *stack = self->base + PAGE;
	long anon = status_kib("RssAnon"), file = status_kib("RssFile"), touched;
	size_t i;

	for (i = 0; i < STRIDE - PAGE; i++)
		ASSERT_EQ(0, stack[i]);
	EXPECT_EQ(0, smaps_of(self->base, "Rss"));
	for (i = 0; i < STRIDE - PAGE; i += PAGE)
		stack[i] = 1;
	EXPECT_EQ((long)((STRIDE - PAGE) / KIB), smaps_of(self->base, "Rss"));
	EXPECT_EQ((long)((STRIDE - PAGE) / KIB), smaps_of(self->base, "Anonymous"));
	/* The first write without a read before it, too. */
	for (i = STRIDE; i < (STACKS - 1) * STRIDE; i += 2 * PAGE)
		stack[i] = 1;
	EXPECT_EQ(0, stack[STRIDE + 1]);
	touched = (STRIDE - PAGE + (STACKS - 2) * STRIDE / 2) / KIB;
	EXPECT_EQ(touched, smaps_of(self->base, "Rss"));
	EXPECT_EQ(touched, smaps_of(self->base, "Anonymous"));
	/* The process's own counts may be off by what its threads have not added up yet. */
	EXPECT_LE(anon + touched - 256, status_kib("RssAnon"));
	EXPECT_GE(file + 256, status_kib("RssFile"));
}

/* Two rows are not one: neither sees what the other holds, nor does a second mapping of one. */
TEST_F(row, is_private)
{
	char *again = map_row(self->fd, SHIFT, 1, STACKS);

	ASSERT_NE(MAP_FAILED, again);
	self->base[PAGE] = 1;
	EXPECT_EQ(0, again[PAGE]);
	again[PAGE] = 2;
	EXPECT_EQ(1, self->base[PAGE]);
	munmap(again, STACKS * STRIDE);
}

/* 60000 stacks of 256 KiB are one VMA, before and after each of them is used. */
TEST_F(row, sixty_thousand)
{
	const size_t n = 60000, stride = 256 * KIB;
	char *row = map_row(self->fd, 18, 1, n);
	size_t i;

	ASSERT_NE(MAP_FAILED, row);
	for (i = 1; i <= n; i++)
		row[i * stride - 1] = 1;
	EXPECT_EQ(1, vmas_of(row, n * stride));
	EXPECT_EQ((long)(n * 4), smaps_of(row, "Anonymous"));
	for (i = 0; i < n; i += 1000)
		EXPECT_GUARD(row + i * stride);
	EXPECT_GUARD(row + (n - 1) * stride);
	EXPECT_EQ((long)(n * 4), smaps_of(row, "Anonymous"));
	munmap(row, n * stride);
}

/* ---- as a stack ---- */

static uintptr_t low_water;

static __attribute__((noinline)) int recurse(int n)
{
	volatile char room[512];

	room[0] = n;
	low_water = (uintptr_t)room;
	return n ? recurse(n - 1) + room[0] : 0;
}

static void *overflow(void *arg)
{
	catch_segv();
	segv_addr = 0;
	if (!sigsetjmp(segv_back, 1))
		recurse(1 << 20);
	return NULL;
}

static void *modest(void *arg)
{
	return (void *)(uintptr_t)(recurse(20) == 210 ? low_water : 0);
}

/* A thread runs on such a stack, and one that needs more meets the guard of its own stack. */
TEST_F(row, threads)
{
	char *stack = self->base + STRIDE;
	pthread_attr_t attr;
	pthread_t thread;
	void *low;

	pthread_attr_init(&attr);
	ASSERT_EQ(0, pthread_attr_setstack(&attr, stack + PAGE, STRIDE - PAGE));
	ASSERT_EQ(0, pthread_create(&thread, &attr, modest, NULL));
	pthread_join(thread, &low);
	EXPECT_LE((uintptr_t)stack + PAGE, (uintptr_t)low);
	EXPECT_GT((uintptr_t)stack + STRIDE, (uintptr_t)low);

	ASSERT_EQ(0, pthread_create(&thread, &attr, overflow, NULL));
	pthread_join(thread, NULL);
	EXPECT_LE((uintptr_t)stack, segv_addr);
	EXPECT_GT((uintptr_t)stack + PAGE, segv_addr);
	/* Nothing was written below it. */
	EXPECT_EQ(0, stack[-1]);
}

static volatile uintptr_t handler_sp;

static void note_sp(int sig)
{
	char here;

	handler_sp = (uintptr_t)&here;
}

/* A signal handler runs on it as on any alternate stack; where its frame meets a guard: SIGSEGV. */
TEST_F(row, sigaltstack)
{
	stack_t old, alt = { .ss_sp = self->base + PAGE, .ss_size = STRIDE - PAGE };
	struct sigaction sa = { .sa_handler = note_sp, .sa_flags = SA_ONSTACK };
	int status;
	pid_t pid;

	ASSERT_EQ(0, sigaltstack(&alt, &old));
	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	raise(SIGUSR1);
	EXPECT_LT((uintptr_t)alt.ss_sp, handler_sp);
	EXPECT_GT((uintptr_t)alt.ss_sp + alt.ss_size, handler_sp);

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		/* Its upper end is a guard: there is no room for the frame. */
		alt.ss_sp = self->base + 14 * STRIDE;
		alt.ss_size = STRIDE + PAGE;
		sigaltstack(&alt, NULL);
		raise(SIGUSR1);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGSEGV, WTERMSIG(status));
	sigaltstack(&old, NULL);
}

/* ---- calls that change mappings ---- */

/* A hole, and pages made read-only, split the VMA; each part keeps its guards where they were. */
TEST_F(row, split)
{
	char *base = self->base;

	ASSERT_EQ(0, munmap(base + 5 * STRIDE + 3 * PAGE, STRIDE));
	ASSERT_EQ(0, mprotect(base + 9 * STRIDE + 2 * PAGE, PAGE, PROT_READ));
	EXPECT_EQ(4, vmas_of(base, STACKS * STRIDE));
	EXPECT_GUARD(base + 5 * STRIDE);
	EXPECT_STACK(base + 5 * STRIDE + 2 * PAGE);
	EXPECT_STACK(base + 6 * STRIDE + 3 * PAGE);
	EXPECT_GUARD(base + 7 * STRIDE);
	EXPECT_GUARD(base + 9 * STRIDE);
	EXPECT_EQ(0, segv_of_read(base + 9 * STRIDE + 2 * PAGE));
	EXPECT_EQ(1, segv_of_write(base + 9 * STRIDE + 2 * PAGE));
	EXPECT_STACK(base + 9 * STRIDE + 3 * PAGE);
	EXPECT_GUARD(base + 10 * STRIDE);
	/* A guard with other rights is a guard. */
	ASSERT_EQ(0, mprotect(base + 11 * STRIDE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
	EXPECT_GUARD(base + 11 * STRIDE);
}

/* A stack that was unmapped is put back by its place in the row, and all is one VMA again. */
TEST_F(row, put_back)
{
	char *base = self->base, *p;

	EXPECT_STACK(base + PAGE);
	ASSERT_EQ(0, munmap(base + 5 * STRIDE, 2 * STRIDE));
	EXPECT_EQ(2, vmas_of(base, STACKS * STRIDE));
	p = mmap(base + 5 * STRIDE, 2 * STRIDE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED_NOREPLACE, self->fd,
		 GSCHED_STACKS(SHIFT, 1) + 5 * STRIDE);
	EXPECT_EQ(base + 5 * STRIDE, p);
	EXPECT_EQ(1, vmas_of(base, STACKS * STRIDE));
	EXPECT_GUARD(base + 6 * STRIDE);
	EXPECT_STACK(base + 6 * STRIDE + PAGE);
}

/* mremap moves guards and contents along, wherever it cuts, and a row it makes longer goes on. */
TEST_F(row, mremap)
{
	char *row = map_row(self->fd, SHIFT, 1, 4), *moved;

	ASSERT_NE(MAP_FAILED, row);
	row[2 * STRIDE + 5 * PAGE] = 42;
	moved = mremap(row, 4 * STRIDE, 6 * STRIDE, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, moved);
	EXPECT_EQ(42, moved[2 * STRIDE + 5 * PAGE]);
	EXPECT_GUARD(moved + 5 * STRIDE);
	EXPECT_STACK(moved + 5 * STRIDE + PAGE);
	EXPECT_EQ(1, vmas_of(moved, 6 * STRIDE));
	/* From the middle of stack 1 to the middle of stack 3 */
	row = mremap(moved + STRIDE + 8 * PAGE, 2 * STRIDE, 2 * STRIDE,
		     MREMAP_MAYMOVE | MREMAP_FIXED, self->base);
	ASSERT_EQ(self->base, row);
	EXPECT_STACK(row);
	EXPECT_GUARD(row + STRIDE - 8 * PAGE);
	EXPECT_EQ(42, row[STRIDE - 8 * PAGE + 5 * PAGE]);
	EXPECT_GUARD(row + 2 * STRIDE - 8 * PAGE);
	munmap(moved, 6 * STRIDE);
}

/* MADV_DONTNEED gives memory back and leaves zeroes; guards remain. MADV_FREE is EINVAL. */
TEST_F(row, madvise)
{
	char *base = self->base;
	size_t i;

	for (i = PAGE; i < STRIDE; i += PAGE)
		base[i] = 1;
	EXPECT_EQ(-1, madvise(base, STRIDE, MADV_FREE));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, madvise(base, 2 * STRIDE, MADV_DONTNEED));
	EXPECT_EQ(0, smaps_of(base, "Rss"));
	for (i = PAGE; i < STRIDE; i += PAGE)
		ASSERT_EQ(0, base[i]);
	EXPECT_GUARD(base);
	EXPECT_GUARD(base + STRIDE);
}

/* Huge pages: never, so that one touch costs one page; asking for them is accepted. */
TEST_F(row, no_huge_pages)
{
	char *row = map_row(self->fd, 23, 1, 2);
	size_t i;

	ASSERT_NE(MAP_FAILED, row);
	EXPECT_EQ(0, madvise(row, 2UL << 23, MADV_HUGEPAGE));
	for (i = 0; i < 16; i++)
		row[(4 * MIB) + i * PAGE] = 1;
	EXPECT_EQ(64, smaps_of(row, "Rss"));
	EXPECT_EQ(0, smaps_of(row, "AnonHugePages"));
	munmap(row, 2UL << 23);
}

/* Populating goes from the low end and so ends at once, at a guard; above one it does its work. */
TEST_F(row, populate)
{
	char *row = map_at(self->fd, GSCHED_STACKS(SHIFT, 1), 2 * STRIDE, MAP_POPULATE);

	ASSERT_NE(MAP_FAILED, row);
	EXPECT_EQ(0, smaps_of(row, "Rss"));
	EXPECT_EQ(-1, madvise(row, 2 * STRIDE, MADV_POPULATE_WRITE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, madvise(row + PAGE, STRIDE, MADV_POPULATE_READ));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, smaps_of(row, "Rss"));
	EXPECT_EQ(0, madvise(row + PAGE, STRIDE - PAGE, MADV_POPULATE_WRITE));
	EXPECT_EQ((long)((STRIDE - PAGE) / KIB), smaps_of(row, "Rss"));
	munmap(row, 2 * STRIDE);
}

/*
 * mlock of whole stacks says ENOMEM for the guard; what it was given is locked all the same, page
 * by page as it is touched. Of a stack without its guard it brings in and locks every page.
 */
TEST_F(row, mlock)
{
	char *base = self->base;

	EXPECT_EQ(0, mlock(base + PAGE, STRIDE - PAGE));
	EXPECT_EQ((long)((STRIDE - PAGE) / KIB), smaps_of(base + PAGE, "Rss"));
	EXPECT_EQ((long)((STRIDE - PAGE) / KIB), smaps_of(base + PAGE, "Locked"));
	EXPECT_EQ(0, munlock(base, STRIDE));
	EXPECT_EQ(-1, mlock(base + 4 * STRIDE, 2 * STRIDE));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(0, smaps_of(base + 4 * STRIDE, "Rss"));
	base[5 * STRIDE + PAGE] = 1;
	EXPECT_EQ(4, smaps_of(base + 4 * STRIDE, "Locked"));
	EXPECT_GUARD(base + 5 * STRIDE);
}

/* mlockall of what is there passes over rows; none is brought in. */
TEST_F(row, mlockall)
{
	self->base[PAGE] = 1;
	EXPECT_EQ(0, mlockall(MCL_CURRENT));
	EXPECT_EQ(4, smaps_of(self->base, "Rss"));
	EXPECT_GUARD(self->base);
	EXPECT_EQ(0, munlockall());
}

/* Others that reach into the memory stop at a guard: EFAULT from process_vm_readv and vmsplice. */
TEST_F(row, reached_into)
{
	char *base = self->base, buf[3 * PAGE];
	struct iovec local = { buf, sizeof(buf) }, remote = { base + STRIDE - PAGE, 3 * PAGE };
	int p[2];

	ASSERT_EQ(0, pipe(p));
	memset(buf, 1, sizeof(buf));
	base[STRIDE - 1] = 7;
	EXPECT_EQ((ssize_t)PAGE, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_EQ(7, buf[PAGE - 1]);
	EXPECT_EQ((ssize_t)PAGE, process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	remote = (struct iovec){ base + STRIDE, 16 };
	EXPECT_EQ(-1, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, vmsplice(p[1], &remote, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	/* A page that was never touched is zeroes in a pipe, and stays so there. */
	remote = (struct iovec){ base + STRIDE + PAGE, 16 };
	ASSERT_EQ(16, vmsplice(p[1], &remote, 1, 0));
	base[STRIDE + PAGE] = 9;
	ASSERT_EQ(16, read(p[0], buf, 16));
	EXPECT_EQ(0, buf[0]);
}

/* A debugger's way in is refused at a guard even though it may write where the process cannot. */
TEST_F(row, proc_self_mem)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	off_t at = (off_t)(uintptr_t)self->base;
	char c = 5;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, pread(fd, &c, 1, at));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, pwrite(fd, &c, 1, at));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(1, pwrite(fd, &c, 1, at + PAGE));
	EXPECT_EQ(5, self->base[PAGE]);
	EXPECT_EQ(1, pread(fd, &c, 1, at + 2 * PAGE));
	EXPECT_EQ(0, c);
	close(fd);
}

/* userfaultfd is for anonymous memory and a few file systems: EINVAL. KSM and mbind take a row. */
TEST_F(row, other_advice)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)self->base, STRIDE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	unsigned long nodes = 1;

	ASSERT_LE(0, uffd);
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_API, &api));
	EXPECT_EQ(-1, ioctl(uffd, UFFDIO_REGISTER, &reg));
	EXPECT_EQ(EINVAL, errno);
	close(uffd);
	EXPECT_EQ(access("/sys/kernel/mm/ksm", F_OK), madvise(self->base, STRIDE, MADV_MERGEABLE));
	/* ENOSYS: a kernel without NUMA */
	if (syscall(SYS_mbind, self->base, STRIDE, MPOL_BIND, &nodes, 8 * sizeof(nodes), 0)) {
		EXPECT_EQ(ENOSYS, errno);
	}
	EXPECT_STACK(self->base + PAGE);
	EXPECT_GUARD(self->base);
}

/* Code on a stack runs if the program asks for that, as in any memory of its own. */
TEST_F(row, executable)
{
	char *code = self->base + PAGE;

	*code = (char)0xc3;	/* ret */
	ASSERT_EQ(0, mprotect(self->base, STRIDE, PROT_READ | PROT_WRITE | PROT_EXEC));
	((void (*)(void))code)();
	EXPECT_GUARD(self->base);
}

/* ---- fork, close, exec ---- */

static int child_sees(char *base)
{
	int wrong = 0;

	catch_segv();
	wrong += base[PAGE] != 1;
	wrong += base[2 * PAGE] != 0;
	base[PAGE] = 2;
	base[2 * PAGE] = 2;
	wrong += base[PAGE] != 2 || base[2 * PAGE] != 2 || base[3 * PAGE] != 0;
	wrong += segv_of_read(base + STRIDE) != (uintptr_t)base + STRIDE;
	wrong += segv_of_write(base) != (uintptr_t)base;
	wrong += vmas_of(base, STACKS * STRIDE) != 1;
	return wrong;
}

/* A child of fork has a copy, guards included; neither sees what the other writes from then on. */
TEST_F(row, fork)
{
	char *base = self->base;
	int status;
	pid_t pid;

	base[PAGE] = 1;
	EXPECT_EQ(0, segv_of_read(base + 2 * PAGE));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(child_sees(base));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(1, base[PAGE]);
	EXPECT_EQ(0, base[2 * PAGE]);
}

/* A child cannot make a row of its parent's device: that is an EXDEV as everything else. */
TEST_F(row, of_a_stranger)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(refused(self->fd, GSCHED_STACKS(SHIFT, 1), STRIDE, MAP_PRIVATE) != EXDEV);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* A row works on when the file is closed, and holds the module until it is unmapped. */
TEST(outlives_the_descriptor)
{
	int fd = gs_open(), free = GS_UNTIL(gs_refcnt() == 1);
	char *row = map_row(fd, SHIFT, 1, 2);

	catch_segv();
	ASSERT_TRUE(free);
	ASSERT_NE(MAP_FAILED, row);
	close(fd);
	EXPECT_EQ(1, gs_refcnt());
	EXPECT_STACK(row + PAGE);
	EXPECT_GUARD(row + STRIDE);
	munmap(row, 2 * STRIDE);
	EXPECT_TRUE(GS_UNTIL(gs_refcnt() == 0));
}

/* A domain that is set up, or closed by another descriptor's close, makes no difference. */
TEST(needs_no_domain)
{
	char *row;
	struct gs gs;

	catch_segv();
	ASSERT_EQ(0, gs_make_domain(&gs, 1, 0));
	ASSERT_EQ(0, close(dup(gs.fd)));
	ASSERT_EQ(-ECANCELED, gs_wake(&gs));
	row = map_row(gs.fd, SHIFT, 1, 2);
	ASSERT_NE(MAP_FAILED, row);
	EXPECT_STACK(row + PAGE);
	EXPECT_GUARD(row + STRIDE);
	close(gs.fd);
}

/* ---- core dumps ---- */

/* What the core has for an address: a byte, -1 if nothing. */
static int core_byte(int fd, uintptr_t at, Elf64_Phdr *segment)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	unsigned char c;
	int i;

	if (pread(fd, &eh, sizeof(eh), 0) != sizeof(eh) || memcmp(eh.e_ident, ELFMAG, SELFMAG))
		return -1;
	for (i = 0; i < eh.e_phnum; i++) {
		if (pread(fd, &ph, sizeof(ph), eh.e_phoff + i * sizeof(ph)) != sizeof(ph))
			return -1;
		if (ph.p_type != PT_LOAD || at < ph.p_vaddr || at >= ph.p_vaddr + ph.p_filesz)
			continue;
		*segment = ph;
		return pread(fd, &c, 1, ph.p_offset + at - ph.p_vaddr) == 1 ? c : -1;
	}
	return -1;
}

/*
 * A core dump has what was written; guards and untouched pages are holes in it, and cost the dying
 * process no memory.
 */
TEST_F(row, core_dump)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	char dir[] = "/tmp/stackmap.XXXXXX", name[64], pattern[128] = "";
	char *base = self->base, *untouched = map_row(self->fd, 18, 1, 1000);
	FILE *f = fopen("/proc/sys/kernel/core_pattern", "r+e");
	Elf64_Phdr segment;
	int status, core;
	struct stat st;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, untouched);
	ASSERT_NE(NULL, f);
	ASSERT_NE(NULL, fgets(pattern, sizeof(pattern), f));
	ASSERT_NE(NULL, mkdtemp(dir));
	rewind(f);
	snprintf(name, sizeof(name), "%s/core", dir);
	ASSERT_LT(0, fprintf(f, "%s\n", name));
	ASSERT_EQ(0, fflush(f));
	base[PAGE + 3] = 77;
	untouched[PAGE] = 78;
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		setrlimit(RLIMIT_CORE, &unlimited);
		signal(SIGABRT, SIG_DFL);
		abort();
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	rewind(f);
	fputs(pattern, f);
	fclose(f);
	EXPECT_TRUE(WCOREDUMP(status));
	core = open(name, O_RDONLY | O_CLOEXEC);
	if (core < 0) {
		snprintf(name, sizeof(name), "%s/core.%d", dir, pid);
		core = open(name, O_RDONLY | O_CLOEXEC);
	}
	ASSERT_LE(0, core);
	EXPECT_EQ(77, core_byte(core, (uintptr_t)base + PAGE + 3, &segment));
	EXPECT_EQ(STACKS * STRIDE, segment.p_filesz);
	EXPECT_EQ(0, core_byte(core, (uintptr_t)base, &segment));
	EXPECT_EQ(0, core_byte(core, (uintptr_t)base + 5 * STRIDE + PAGE, &segment));
	EXPECT_EQ(78, core_byte(core, (uintptr_t)untouched + PAGE, &segment));
	EXPECT_EQ(1000UL << 18, segment.p_filesz);
	ASSERT_EQ(0, fstat(core, &st));
	EXPECT_LT(1000L << 18, st.st_size);
	EXPECT_GT((long)(16 * MIB), st.st_blocks * 512);
	close(core);
	unlink(name);
	rmdir(dir);
	munmap(untouched, 1000UL << 18);
}

/* ---- memory cgroups and swap ---- */

static int touch_stacks(size_t bytes)
{
	int fd = gs_open();
	char *row = map_row(fd, 18, 1, bytes >> 12);
	size_t i;

	if (row == MAP_FAILED)
		return 1;
	for (i = 1; i <= bytes >> 12; i++)
		row[(i << 18) - 1] = 1;
	return 0;
}

static int charged(struct cgroup *cg, void *arg)
{
	long before = cgroup_get(cg, "memory.current", NULL);

	if (before < 0 || touch_stacks(32 * MIB))
		return 1;
	return cgroup_get(cg, "memory.current", NULL) - before < (long)(32 * MIB);
}

/* What stacks hold is charged to the memory cgroup of the process. */
TEST(memory_is_charged)
{
	EXPECT_EQ(0, cgroup_run("stackmap", 0, charged, NULL));
}

static int too_much(struct cgroup *cg, void *arg)
{
	return touch_stacks(64 * MIB);
}

/* Who touches more than the cgroup may have is killed, and the machine goes on. */
TEST(oom_kill)
{
	EXPECT_EQ(128 + SIGKILL, cgroup_run("stackmap", 32 * MIB, too_much, NULL));
	EXPECT_TRUE(GS_UNTIL(gs_refcnt() == 0));
}

/* A block device in memory to swap to, zram or else a RAM disk; 0, or what failed. */
static const char *swap_device = "/dev/ram0";

static const char *swap_on(void)
{
	int err = gs_write_file("/sys/block/zram0/disksize", "64M");
	char mkswap[64];

	if (!err)
		swap_device = "/dev/zram0";
	else if (err != -ENOENT)
		return "disksize";
	snprintf(mkswap, sizeof(mkswap), "mkswap %s >/dev/null", swap_device);
	if (system(mkswap))
		return "mkswap";
	return swapon(swap_device, 0) ? "swapon" : NULL;
}

static bool swap_off(void)
{
	int err;

	if (swapoff(swap_device))
		return false;
	err = gs_write_file("/sys/block/zram0/reset", "1");
	return !err || err == -ENOENT;
}

/* Stacks are swapped out and in again, as all anonymous memory; the pages not touched are not. */
TEST_F(row, swap)
{
	char *base = self->base;
	const char *failed = swap_on();
	size_t i;

	ASSERT_EQ(NULL, failed)
		TH_LOG("%s: %s", failed, strerror(errno));
	for (i = PAGE; i < STRIDE; i += PAGE)
		base[i] = i / PAGE;
	EXPECT_TRUE(GS_UNTIL(!madvise(base, STACKS * STRIDE, MADV_PAGEOUT) &&
			     smaps_of(base, "Swap") == (long)((STRIDE - PAGE) / KIB)));
	EXPECT_EQ(0, smaps_of(base, "Rss"));
	EXPECT_GUARD(base);
	for (i = PAGE; i < STRIDE; i += PAGE)
		EXPECT_EQ((char)(i / PAGE), base[i]);
	EXPECT_EQ(0, base[STRIDE + PAGE]);
	EXPECT_EQ((long)((STRIDE - PAGE) / KIB), smaps_of(base, "Rss"));
	EXPECT_TRUE(swap_off());
}

/* ---- what it costs ---- */

static long faults(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_minflt;
}

static double touch_ns(char *row, size_t n, size_t stride)
{
	__u64 start = gs_now();
	size_t i;

	for (i = 1; i <= n; i++)
		row[i * stride - 1] = 1;
	return (double)(gs_now() - start) / n;
}

/*
 * The first write to a page is one fault, as in plain anonymous memory, not one to map zeroes and
 * one to copy them. The times are shown, not judged: on a busy machine they say little.
 */
TEST_F(row, first_touch)
{
	const size_t n = 2000, stride = 64 * KIB;
	double plain = 1e9, ours = 1e9, t;
	long before;
	char *row;
	int i;

	for (i = 0; i < 5; i++) {
		row = mmap(NULL, n * stride, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		ASSERT_NE(MAP_FAILED, row);
		madvise(row, n * stride, MADV_NOHUGEPAGE);
		t = touch_ns(row, n, stride);
		plain = t < plain ? t : plain;
		munmap(row, n * stride);
		row = map_row(self->fd, 16, 1, n);
		ASSERT_NE(MAP_FAILED, row);
		before = faults();
		t = touch_ns(row, n, stride);
		/* A few more may be the program's own. */
		EXPECT_GT((long)n + 100, faults() - before);
		ours = t < ours ? t : ours;
		munmap(row, n * stride);
	}
	TH_LOG("first touch: plain %.0f ns, stack %.0f ns, ratio %.2f", plain, ours, ours / plain);
}

TEST_HARNESS_MAIN
