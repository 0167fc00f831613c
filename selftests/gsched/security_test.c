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

#include <linux/io_uring.h>

#include "cgroup.h"

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

/* Nor a ring that has pinned pages to read into: it cannot have these. */
TEST_F(domain, status_cannot_be_registered)
{
	struct io_uring_params params = {};
	struct iovec status = { (void *)self->gs.status, 4096 };
	struct iovec own = { mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0), 4096 };
	int ring = syscall(SYS_io_uring_setup, 2, &params);

	ASSERT_LE(0, ring);
	EXPECT_EQ(-1, syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &status, 1));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &own, 1));
	close(ring);
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

/* ---- calls within calls ---- */

static struct {
	struct gs *gs;
	__u32 m;
	unsigned int done;
	int wrong;
} nested;

/* Every call that an M in the middle of another can make; what each says then. */
static void call_from_handler(int sig)
{
	struct gs *gs = nested.gs;
	int before = errno, wrong = 0;
	__u32 id;

	wrong |= gs_register(gs, 0, &id) != -EBUSY;
	wrong |= (gs_acquire(gs, GSCHED_FOREVER) != 0) << 1;
	wrong |= (gs_unpark(gs, nested.m) != 0) << 2;
	wrong |= (gs_park(gs, 0, GSCHED_FOREVER) != 0) << 3;
	wrong |= (gs_stop(gs, GSCHED_FOREVER, NULL) != 0) << 4;
	wrong |= (gs_start(gs) != 0) << 5;
	wrong |= (gs_release(gs) != 0) << 6;
	wrong |= (gs_acquire(gs, GSCHED_FOREVER) != 0) << 7;
	wrong |= (gs_m_info(gs, nested.m).state != GSCHED_M_ON) << 8;
	nested.wrong |= wrong;
	errno = before;
	GS_STORE(nested.done, nested.done + 1);
}

/* A handler that runs in the middle of PARK or ACQUIRE may call all of them again. */
TEST_F(domain, nested)
{
	struct sigaction action = { .sa_handler = call_from_handler };
	struct gs_m m, other[2];

	nested.gs = &self->gs;
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &m));
	nested.m = m.id;
	ASSERT_TRUE(gs_m_sleeps(&m, GSCHED_M_PARKED, gs_do_park, 0, GSCHED_FOREVER));
	ASSERT_EQ(0, pthread_kill(m.thread, SIGUSR1));
	EXPECT_EQ(-EINTR, gs_m_answer(&m));
	EXPECT_EQ(1, GS_LOAD(nested.done));
	EXPECT_EQ(0, nested.wrong);

	/* In ACQUIRE: two others have the Ps, until one gives up its own. */
	EXPECT_EQ(0, gs_m_do(&m, gs_do_release, 0, 0));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &other[0]));
	ASSERT_EQ(0, gs_m_start_on(&self->gs, &other[1]));
	ASSERT_TRUE(gs_m_sleeps(&m, GSCHED_M_WAITING, gs_do_acquire, GSCHED_FOREVER, 0));
	ASSERT_EQ(0, pthread_kill(m.thread, SIGUSR1));
	EXPECT_EQ(0, gs_m_do(&other[0], gs_do_release, 0, 0));
	EXPECT_NE(GS_NO_ANSWER, gs_m_answer(&m));
	EXPECT_EQ(2, GS_LOAD(nested.done));
	EXPECT_EQ(0, nested.wrong)
		TH_LOG("%#x", nested.wrong);
	gs_m_ask(&m, gs_do_exit, 0, 0);
	gs_m_join(&m);
	gs_m_ask(&other[0], gs_do_exit, 0, 0);
	gs_m_join(&other[0]);
	gs_m_ask(&other[1], gs_do_exit, 0, 0);
	gs_m_join(&other[1]);
}

/* ---- memory ---- */

static int setup_largest(struct cgroup *cg, void *arg)
{
	struct gsched_setup s = { .size = sizeof(s), .nr_p = GSCHED_MAX_P };
	long before = cgroup_get(cg, "memory.current", NULL);
	int fd = gs_open();

	if (fd < 0 || gs_ioctl(fd, GSCHED_IOC_SETUP, &s))
		return 1;
	return cgroup_get(cg, "memory.current", NULL) - before <
	       (long)(s.status_size + s.hint_size);
}

/* The largest domain there can be is charged to the cgroup of who makes it, pages and tables. */
TEST(setup_is_charged)
{
	EXPECT_EQ(0, cgroup_run("setup", 0, setup_largest, NULL));
}

/*
 * Domain after domain: whoever does that comes to the limit of its cgroup. That is ENOMEM, kills
 * nobody and changes nothing: the next SETUP of that file may be one that fits.
 */
static int setup_to_the_limit(struct cgroup *cg, void *arg)
{
	struct gsched_setup s, small = { .size = sizeof(s), .nr_p = 1, .max_p = 1, .max_m = 1 };
	int fds[64], i, ret = 0;

	for (i = 0; i < 64; i++) {
		fds[i] = gs_open();
		if (fds[i] < 0)
			return 1;
	}
	for (i = 0; i < 64 && !ret; i++) {
		s = (struct gsched_setup){ .size = sizeof(s), .nr_p = GSCHED_MAX_P };
		ret = gs_ioctl(fds[i], GSCHED_IOC_SETUP, &s);
	}
	if (i < 3 || i == 64 || ret != -ENOMEM)
		return 2;
	close(fds[0]);
	if (gs_ioctl(fds[i - 1], GSCHED_IOC_WAKE, NULL) != -ENXIO)
		return 3;
	return gs_ioctl(fds[i - 1], GSCHED_IOC_SETUP, &small) ? 4 : 0;
}

TEST(setup_ends_at_the_limit)
{
	EXPECT_EQ(0, cgroup_run("domains", 24L << 20, setup_to_the_limit, NULL));
	EXPECT_TRUE(GS_UNTIL(gs_refcnt() == 0));
}

/* ---- how many Ms ---- */

struct crowd {
	struct gs gs;
	int wait[2];
	unsigned int registered;
	unsigned int refused;
	unsigned char seen[GSCHED_MAX_M];
};

static void *crowd_m(void *arg)
{
	struct crowd *c = arg;
	__u32 id;
	char b;

	if (gs_register(&c->gs, 0, &id) || id >= GSCHED_MAX_M ||
	    __atomic_exchange_n(&c->seen[id], 1, __ATOMIC_SEQ_CST))
		__atomic_add_fetch(&c->refused, 1, __ATOMIC_SEQ_CST);
	else
		__atomic_add_fetch(&c->registered, 1, __ATOMIC_SEQ_CST);
	return read(c->wait[0], &b, 1) ? arg : NULL;
}

/* Threads with the least of stacks, side by side in one mapping. */
static unsigned int crowd_start(struct crowd *c, unsigned int n)
{
	size_t size = PTHREAD_STACK_MIN;
	char *stacks = mmap(NULL, n * size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	pthread_attr_t attr;
	pthread_t thread;
	unsigned int i;

	if (stacks == MAP_FAILED)
		return 0;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (i = 0; i < n; i++) {
		pthread_attr_setstack(&attr, stacks + i * size, size);
		if (pthread_create(&thread, &attr, crowd_m, c))
			break;
	}
	pthread_attr_destroy(&attr);
	return i;
}

FIXTURE(crowd) {
	int fd;
};

FIXTURE_SETUP(crowd)
{
	self->fd = gs_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(crowd)
{
	close(self->fd);
}

/* As many Ms as there can be, all different; the next is refused; PREEMPT reaches every one. */
TEST_F_TIMEOUT(crowd, as_many_as_there_can_be, 120)
{
	struct gsched_setup s = { .size = sizeof(s), .nr_p = 2, .max_p = 2 };
	static struct crowd c;
	__u64 start, preempted, told;
	__u32 i, id, missed = 0;

	c.gs.fd = self->fd;
	ASSERT_EQ(0, gs_ioctl(c.gs.fd, GSCHED_IOC_SETUP, &s));
	c.gs.setup = s;
	ASSERT_EQ(0, gs_map(&c.gs));
	ASSERT_EQ(0, pipe2(c.wait, O_CLOEXEC));
	start = gs_now();
	ASSERT_EQ(GSCHED_MAX_M, crowd_start(&c, GSCHED_MAX_M));
	while (GS_LOAD(c.registered) + GS_LOAD(c.refused) < GSCHED_MAX_M)
		sched_yield();
	EXPECT_EQ(GSCHED_MAX_M, GS_LOAD(c.registered));
	TH_LOG("%u Ms after %llu ms", c.registered, (gs_now() - start) / GS_MS);
	EXPECT_EQ(-EUSERS, gs_register(&c.gs, 0, &id));
	EXPECT_EQ(GSCHED_MAX_M, gs_counts(&c.gs).nr_m);
	EXPECT_EQ(GSCHED_M_FREE, gs_m_info(&c.gs, GSCHED_MAX_M - 1).state);

	start = gs_now();
	EXPECT_EQ(0, gs_preempt(&c.gs, GSCHED_M_ALL));
	preempted = gs_now();
	for (i = 0; i < GSCHED_MAX_M; i++)
		missed += GS_LOAD(c.gs.ms[i].preempt) != 1;
	EXPECT_EQ(0, missed);
	told = gs_now();
	gs_counts(&c.gs);
	TH_LOG("PREEMPT of all %llu us, INFO %llu us", (preempted - start) / 1000,
	       (gs_now() - told) / 1000);

	/* They end as they are, and the next one can come. */
	close(c.wait[1]);
	while (gs_counts(&c.gs).nr_m)
		sched_yield();
	EXPECT_EQ(0, gs_register(&c.gs, 0, &id));
}

/* ---- how many domains ---- */

#define MAX_USER_DOMAINS	"/sys/module/gsched/parameters/max_user_domains"

/* Changes the most domains of a user. What it was, or -1. */
static int limit_users(int n)
{
	FILE *f = fopen(MAX_USER_DOMAINS, "r+");
	int before = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%d", &before) != 1 || fseek(f, 0, SEEK_SET) || fprintf(f, "%d\n", n) < 0)
		before = -1;
	return fclose(f) ? -1 : before;
}

/* How many domains @user can open until that is EMFILE; 100 and more if it goes otherwise */
static int open_all(uid_t user, gid_t group)
{
	pid_t pid = fork();
	int n, fd, next, other;

	if (pid)
		return end_of(pid);
	if (setgroups(0, NULL) || setresgid(group, group, group) || setresuid(user, user, user))
		_exit(100);
	fd = gs_open();
	for (n = 1; n < 90 && (next = gs_open()) >= 0; n++)
		fd = next;
	/* Another name for one is not another one. When it has gone the next can come. */
	other = dup(fd);
	if (next != -EMFILE || other < 0 || close(fd) || gs_open() != -EMFILE)
		_exit(101);
	if (close(other) || gs_open() < 0 || gs_open() != -EMFILE)
		_exit(102);
	_exit(n);
}

/* A user has so many domains and no more, other users as many, and its end gives them back. */
TEST(domains_of_a_user)
{
	struct group *group = getgrnam("gsched");
	int before, one, two, after;

	ASSERT_NE(NULL, group);
	before = limit_users(3);
	ASSERT_LT(3, before);
	one = gs_open();
	two = open_all(65533, group->gr_gid);
	after = open_all(65533, group->gr_gid);
	EXPECT_EQ(3, limit_users(before));
	EXPECT_LE(0, one);
	EXPECT_EQ(3, two);
	EXPECT_EQ(3, after);
	close(one);
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
	int ret;

	if (unshare(CLONE_NEWTIME))
		return 1;
	if (gs_write_file("/proc/self/timens_offsets", offset))
		return 2;
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
