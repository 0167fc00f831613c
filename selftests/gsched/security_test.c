// SPDX-License-Identifier: GPL-2.0
/*
 * What a program that means harm, or a strange place to run in, can do with the device: write what
 * is read-only, get at a domain that is not its own, hand out bad pointers, take all memory
 * (protocol 7); and that namespaces and other users see what they should.
 */
#include "gsched_util.h"

#include <grp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "memcg.h"

#include "kselftest_harness.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd	438
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME	0x80
#endif

/* What a child's end comes to: its exit status, or 128 and its signal. */
static int end_of(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int info_at(int fd, __u64 buf, __u32 size)
{
	struct gsched_info arg = {
		.size = sizeof(arg), .what = GSCHED_INFO_DOMAIN, .buf = buf, .buf_size = size,
	};

	return gs_ioctl(fd, GSCHED_IOC_INFO, &arg);
}

FIXTURE(domain) {
	struct gs gs;
};

FIXTURE_SETUP(domain)
{
	ASSERT_EQ(0, gs_make_domain(&self->gs, 2, 0));
}

FIXTURE_TEARDOWN(domain)
{
	close(self->gs.fd);
}

/* ---- read-only is read-only ---- */

/* No system call of one's own writes a status page, not by force either. */
TEST_F(domain, status_cannot_be_written)
{
	__u64 junk = ~0ULL, before = GS_LOAD(self->gs.ps[0].word);
	void *status = (void *)self->gs.status;
	struct iovec local = { &junk, sizeof(junk) }, remote = { (void *)&self->gs.ps[0], 8 };
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC), p[2];
	size_t size = self->gs.setup.status_size;
	void *moved;

	ASSERT_LE(0, mem);
	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(8, write(p[1], &junk, 8));
	EXPECT_EQ(-1, mprotect(status, size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, pwrite(mem, &junk, 8, (off_t)(uintptr_t)remote.iov_base));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(p[0], remote.iov_base, 8));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-EFAULT, info_at(self->gs.fd, (uintptr_t)remote.iov_base, 8));
	/* Elsewhere they are as they were. */
	moved = mremap(status, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
		       mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	ASSERT_NE(MAP_FAILED, moved);
	EXPECT_EQ(-1, mprotect(moved, size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(before, gs_p(&self->gs, 0).state * (1ULL << 32));
	close(mem);
}

/* Nor does a debugger's poke. */
TEST_F(domain, status_cannot_be_poked)
{
	pid_t pid, self_pid = getpid();
	int ready[2];
	char c;

	ASSERT_EQ(0, pipe(ready));
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int ret, status;

		if (read(ready[0], &c, 1) != 1 || ptrace(PTRACE_ATTACH, self_pid, 0, 0))
			_exit(1);
		waitpid(self_pid, &status, 0);
		ret = ptrace(PTRACE_POKEDATA, self_pid, &self->gs.ps[0], ~0UL);
		ptrace(PTRACE_DETACH, self_pid, 0, 0);
		_exit(ret ? 0 : 2);
	}
	ASSERT_EQ(1, write(ready[1], "", 1));
	EXPECT_EQ(0, end_of(pid));
	EXPECT_EQ(0, GS_LOAD(self->gs.ps[0].word));
}

/* ---- what leaves the kernel ---- */

static bool all(const void *p, size_t n, unsigned char value)
{
	const unsigned char *c = p;

	while (n--)
		if (*c++ != value)
			return false;
	return true;
}

/* A record fills what it was given with itself and zeroes, and nothing beyond; no byte is old. */
TEST_F(domain, records_have_no_tails)
{
	static const __u32 whats[] = { GSCHED_INFO_DOMAIN, GSCHED_INFO_P, GSCHED_INFO_M };
	unsigned char one[4096], two[4096];
	struct gsched_info arg;
	__u32 id;
	size_t i;

	ASSERT_EQ(0, gs_register(&self->gs, 0, &id));
	for (i = 0; i < ARRAY_SIZE(whats); i++) {
		arg = (struct gsched_info){ .size = sizeof(arg), .what = whats[i],
			.buf = (uintptr_t)one, .buf_size = 2048 };
		memset(one, 0xaa, sizeof(one));
		memset(two, 0x55, sizeof(two));
		ASSERT_EQ(0, gs_ioctl(self->gs.fd, GSCHED_IOC_INFO, &arg));
		EXPECT_GT(2048, arg.buf_size);
		EXPECT_TRUE(all(one + arg.buf_size, 2048 - arg.buf_size, 0));
		EXPECT_TRUE(all(one + 2048, 2048, 0xaa));
		/* Written in full, whatever was there */
		arg.buf = (uintptr_t)two;
		arg.buf_size = 2048;
		ASSERT_EQ(0, gs_ioctl(self->gs.fd, GSCHED_IOC_INFO, &arg));
		EXPECT_EQ(0, memcmp(one, two, 2048));
	}
	ASSERT_EQ(0, gs_unregister(&self->gs));
}

/* Of the status pages only words that the header names are ever other than 0. */
TEST_F(domain, status_pages_hold_no_more)
{
	char *base = (char *)self->gs.status, *p;
	struct gsched_setup *s = &self->gs.setup;
	__u32 i;

	EXPECT_TRUE(all(base + sizeof(struct gsched_status),
			s->p_status_offset - sizeof(struct gsched_status), 0));
	EXPECT_TRUE(all(self->gs.status->__reserved0, sizeof(self->gs.status->__reserved0), 0));
	EXPECT_TRUE(all(self->gs.status->__reserved1, sizeof(self->gs.status->__reserved1), 0));
	for (i = 0; i < s->max_p; i++)
		EXPECT_TRUE(all(self->gs.ps[i].__reserved, sizeof(self->gs.ps[i].__reserved), 0));
	p = (char *)self->gs.ms;
	EXPECT_TRUE(all(p, base + s->status_size - p, 0));
	EXPECT_TRUE(all(self->gs.hint, s->hint_size, 0));
}

/* ---- whose domain it is ---- */

/* The file opened again through /proc is another domain, and the pidfd's copy is a stranger's. */
TEST_F(domain, other_ways_to_a_descriptor)
{
	pid_t parent = getpid(), pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		struct gsched_setup s = { .size = sizeof(s), .nr_p = 1, .max_p = 1, .max_m = 1 };
		int pidfd = syscall(SYS_pidfd_open, parent, 0), fd, wrong = 0;
		char path[64];

		fd = syscall(SYS_pidfd_getfd, pidfd, self->gs.fd, 0);
		wrong |= fd < 0 || gs_ioctl(fd, GSCHED_IOC_WAKE, NULL) != -EXDEV;
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", parent, self->gs.fd);
		fd = open(path, O_RDWR | O_CLOEXEC);
		wrong |= (fd < 0 || gs_ioctl(fd, GSCHED_IOC_WAKE, NULL) != -ENXIO) << 1;
		wrong |= (gs_ioctl(fd, GSCHED_IOC_SETUP, &s) != 0) << 2;
		close(fd);
		_exit(wrong);
	}
	EXPECT_EQ(0, end_of(pid));
	EXPECT_EQ(2, gs_counts(&self->gs).nr_p);
	EXPECT_EQ(-EAGAIN, gs_wake(&self->gs));
}

/* ---- bad pointers ---- */

/* Pointers to nothing, to the kernel, past the end of a page and to what is read-only: EFAULT. */
TEST_F(domain, bad_pointers)
{
	static const unsigned long cmds[] = {
		GSCHED_IOC_REGISTER, GSCHED_IOC_PARK, GSCHED_IOC_UNPARK, GSCHED_IOC_SWITCH,
		GSCHED_IOC_ACQUIRE, GSCHED_IOC_MAKE, GSCHED_IOC_RESIZE, GSCHED_IOC_STOP,
		GSCHED_IOC_TUNE, GSCHED_IOC_INFO,
	};
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *bad[] = { NULL, (void *)8, (void *)0xffff888000000000UL, (void *)~0UL,
			(void *)0xffffffff81000000UL, (void *)0x8000000000000000UL,
			pages + 4096 - 4, pages + 4096 - 2 };
	__u32 before = gs_counts(&self->gs).nr_m;
	size_t i, j;

	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, munmap(pages + 4096, 4096));
	*(__u32 *)(pages + 4096 - 4) = 64;
	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		for (j = 0; j < ARRAY_SIZE(bad); j++) {
			EXPECT_EQ(-EFAULT, gs_ioctl(self->gs.fd, cmds[i], bad[j]))
				TH_LOG("call %#lx, pointer %zu", cmds[i], j);
		}
	}
	for (j = 0; j < ARRAY_SIZE(bad); j++)
		EXPECT_EQ(-EFAULT, info_at(self->gs.fd, (uintptr_t)bad[j], 64));
	/* A record of any length ends where the memory ends. */
	EXPECT_EQ(-EFAULT, info_at(self->gs.fd, (uintptr_t)pages, ~0U));
	/* An answer that cannot be given changes nothing: no M was made. */
	*(struct gsched_register *)pages = (struct gsched_register){ .size = 16 };
	ASSERT_EQ(0, mprotect(pages, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, gs_ioctl(self->gs.fd, GSCHED_IOC_REGISTER, pages));
	EXPECT_EQ(before, gs_counts(&self->gs).nr_m);
}

/* ---- memory ---- */

static int setup_largest(struct memcg *cg, void *arg)
{
	struct gsched_setup s = { .size = sizeof(s), .nr_p = GSCHED_MAX_P };
	long before = memcg_read(cg, "memory.current");
	int fd = gs_open();

	if (fd < 0 || gs_ioctl(fd, GSCHED_IOC_SETUP, &s))
		return 1;
	return memcg_read(cg, "memory.current") - before <
	       (long)(s.status_size + s.hint_size);
}

/* The largest domain there can be is charged to the cgroup of who makes it, pages and tables. */
TEST(setup_is_charged)
{
	EXPECT_EQ(0, memcg_run("setup", 0, setup_largest, NULL));
}

/*
 * Domain after domain: whoever does that comes to the limit of its cgroup, as ENOMEM or as its own
 * end, and the machine goes on.
 */
static int setup_for_ever(struct memcg *cg, void *arg)
{
	int i, fd, ret;

	for (i = 0; i < 900; i++) {
		struct gsched_setup s = { .size = sizeof(s), .nr_p = GSCHED_MAX_P };

		fd = gs_open();
		ret = fd < 0 ? fd : gs_ioctl(fd, GSCHED_IOC_SETUP, &s);
		if (ret)
			return ret == -ENOMEM ? 0 : 2;
	}
	return 1;
}

TEST(domains_end_at_the_limit)
{
	int ret = memcg_run("domains", 24L << 20, setup_for_ever, NULL);

	EXPECT_TRUE(ret == 0 || ret == 128 + SIGKILL)
		TH_LOG("%d", ret);
	EXPECT_TRUE(GS_UNTIL(gs_refcnt() == 0));
}

/* ---- other users and namespaces ---- */

static int nobody_in(gid_t group)
{
	int fd, ret;
	struct gs gs;

	if (setgroups(0, NULL) || setresgid(group, group, group) ||
	    setresuid(65534, 65534, 65534))
		return 100;
	fd = gs_open();
	if (fd < 0)
		return -fd;
	close(fd);
	ret = gs_make_domain(&gs, 2, 0);
	return ret ? 101 : gs_counts(&gs).nidle != 2;
}

/* Nobody needs a capability, but the group is needed. */
TEST(as_nobody)
{
	struct group *group = getgrnam("gsched");
	pid_t pid;

	ASSERT_NE(NULL, group);
	pid = fork();
	if (!pid)
		_exit(nobody_in(group->gr_gid));
	EXPECT_EQ(0, end_of(pid));
	pid = fork();
	if (!pid)
		_exit(nobody_in(65534));
	EXPECT_EQ(EACCES, end_of(pid));
}

/* The first process of a container: its id is its own there, and so it is in the records. */
static int in_container(void)
{
	struct gsched_info_m info;
	struct gs gs;
	__u32 id;

	if (getpid() != 1)
		return 10;
	if (gs_make_domain(&gs, 1, 0) || gs_register(&gs, 0, &id))
		return 11;
	info = gs_m_info(&gs, id);
	return info.tid == 1 ? 0 : 12;
}

TEST(in_a_pid_namespace)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS))
			_exit(1);
		pid = fork();
		if (!pid)
			_exit(in_container());
		_exit(end_of(pid));
	}
	EXPECT_EQ(0, end_of(pid));
}

/*
 * With an offset, a deadline is of the caller's clock: one in 20 ms comes not before and one long
 * past at once; taken for the machine's clock it would come at once, or a day late.
 */
static int in_time(const char *offset)
{
	struct gs gs;
	__u64 start;
	__u32 id;
	pid_t pid;
	int fd, ret;

	if (unshare(CLONE_NEWTIME))
		return 1;
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, offset, strlen(offset)) != (ssize_t)strlen(offset))
		return 2;
	close(fd);
	pid = fork();
	if (pid)
		return end_of(pid);
	alarm(30);
	if (gs_make_domain(&gs, 1, 0) || gs_register(&gs, 0, &id) || gs_acquire(&gs, 0))
		_exit(3);
	start = gs_now();
	ret = gs_park(&gs, 0, start + 20 * GS_MS);
	if (ret != -ETIMEDOUT)
		_exit(4);
	if (gs_now() < start + 20 * GS_MS)
		_exit(5);
	ret = gs_park(&gs, 0, gs_now() - 1);
	_exit(ret == -ETIMEDOUT ? 0 : 6);
}

TEST(in_a_time_namespace)
{
	static const char * const offsets[] = { "monotonic 86400 0\n", "monotonic -1 0\n" };
	pid_t pid;
	int i;

	for (i = 0; i < 2; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(in_time(offsets[i]));
		EXPECT_EQ(0, end_of(pid));
	}
}

TEST_HARNESS_MAIN
