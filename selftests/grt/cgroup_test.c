// SPDX-License-Identifier: GPL-2.0
/*
 * How many CPUs control groups grant (R12): files of both versions, sound ones and odd ones, in a
 * folder that stands for the root; and what becomes of it when the runtime boots (go-semantics
 * section 4, item 97).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <sys/stat.h>

#include "grt_harness.h"
#include "runtime.h"
#include "cgroup.h"

#define V2_MOUNT	"24 1 0:21 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
#define V1_MOUNT	"30 1 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
#define OTHER_MOUNT	"22 1 0:5 / /dev rw - devtmpfs udev rw\n"

static char root[] = "/tmp/grt-cgroup.XXXXXX";

static void put_file(const char *path, const char *text)
{
	char full[512], *slash;
	int fd;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (slash = full + strlen(root); (slash = strchr(slash + 1, '/')); *slash = '/') {
		*slash = '\0';
		mkdir(full, 0755);
	}
	fd = open(full, O_CREAT | O_TRUNC | O_WRONLY, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		perror(full);
		exit(KSFT_FAIL);
	}
	close(fd);
}

static void put_proc(const char *cgroup, const char *mountinfo)
{
	put_file("/proc/self/cgroup", cgroup);
	put_file("/proc/self/mountinfo", mountinfo);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

FIXTURE(cgroup) {
};

FIXTURE_SETUP(cgroup)
{
	(void)self;
	unsetenv("GRT_MAXPROCS");
	unsetenv("GRTDEBUG");
	ASSERT_NE(NULL, mkdtemp(root));
	cgrouproot = root;
}

FIXTURE_TEARDOWN(cgroup)
{
	(void)self;
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int32_t cpus(void)
{
	cgroupinit();
	return cgroupcpus();
}

/* What cpu.max says, in whole CPUs. Go's cases Round and NoLimit. */
TEST_F(cgroup, v2_quota)
{
	static const struct {
		const char *text;
		int32_t cpus;
	} cases[] = {
		{ "max 100000\n", 0 },
		{ "100000 100000\n", 1 },
		{ "250000 100000\n", 3 },
		{ "200000 100000\n", 2 },
		{ "200001 100000\n", 3 },
		{ "50000 100000\n", 1 },
		{ "1 1000000\n", 1 },
		{ "6400000 100000", 64 },
		/* Odd: no limit can be made out. */
		{ "", 0 },
		{ "\n", 0 },
		{ "100000\n", 0 },
		{ "100000 ", 0 },
		{ " 100000 100000\n", 0 },
		{ "100000 0\n", 0 },
		{ "0 100000\n", 0 },
		{ "-1 100000\n", 0 },
		{ "100000 -100000\n", 0 },
		{ "1e5 100000\n", 0 },
		{ "99999999999999999999999 100000\n", 0 },
		{ "9223372036854775806 1\n", 0 },
		{ "100000 100000 100000\n", 0 },
		{ "nonsense\n", 0 },
	};
	size_t i;

	(void)self;
	put_proc("0::/a/b\n", OTHER_MOUNT V2_MOUNT);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		put_file("/sys/fs/cgroup/a/b/cpu.max", cases[i].text);
		EXPECT_EQ(cases[i].cpus, cpus()) {
			TH_LOG("cpu.max: %s", cases[i].text);
		}
	}
}

/* A group above may grant less; one beside does not count. */
TEST_F(cgroup, v2_hierarchy)
{
	(void)self;
	put_proc("0::/a/b\n", V2_MOUNT);
	put_file("/sys/fs/cgroup/a/b/cpu.max", "800000 100000\n");
	put_file("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
	put_file("/sys/fs/cgroup/c/cpu.max", "100000 100000\n");
	EXPECT_EQ(3, cpus());
	put_file("/sys/fs/cgroup/cpu.max", "200000 100000\n");
	EXPECT_EQ(2, cpus());
	put_file("/sys/fs/cgroup/a/b/cpu.max", "100000 100000\n");
	EXPECT_EQ(1, cpus());
	/* The group of the root: as in a namespace of its own. */
	put_proc("0::/\n", V2_MOUNT);
	EXPECT_EQ(2, cpus());
}

/* In version 1 the quota stands in two files, of the group of the controller cpu. */
TEST_F(cgroup, v1)
{
	(void)self;
	put_proc("5:memory:/x\n3:cpu,cpuacct:/g\n1:name=systemd:/y\n", OTHER_MOUNT V1_MOUNT);
	EXPECT_EQ(0, cpus());
	put_file("/sys/fs/cgroup/cpu/g/cpu.cfs_quota_us", "-1\n");
	put_file("/sys/fs/cgroup/cpu/g/cpu.cfs_period_us", "100000\n");
	EXPECT_EQ(0, cpus());
	put_file("/sys/fs/cgroup/cpu/g/cpu.cfs_quota_us", "350000\n");
	EXPECT_EQ(4, cpus());
	put_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n");
	put_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
	EXPECT_EQ(2, cpus());
	/* Its name is one of several, not a part of one. */
	put_proc("3:cpuset:/g\n", V1_MOUNT);
	EXPECT_EQ(0, cpus());
}

/* Both versions at once: the one that has the controller. */
TEST_F(cgroup, hybrid)
{
	(void)self;
	put_file("/sys/fs/cgroup/cpu/g/cpu.cfs_quota_us", "500000\n");
	put_file("/sys/fs/cgroup/cpu/g/cpu.cfs_period_us", "100000\n");
	put_file("/sys/fs/cgroup/unified/g/cpu.max", "300000 100000\n");
	put_proc("0::/g\n3:cpu,cpuacct:/g\n",
		 "24 1 0:21 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n" V1_MOUNT);
	EXPECT_EQ(5, cpus());
	put_proc("0::/g\n3:memory:/g\n",
		 V1_MOUNT "24 1 0:21 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
	EXPECT_EQ(3, cpus());
}

/* What is mounted may be a part of the tree, anywhere: as in a container. */
TEST_F(cgroup, mounts)
{
	(void)self;
	put_file("/mnt/my groups/in/cpu.max", "300000 100000\n");
	put_proc("0::/docker/1/in\n",
		 "24 1 0:21 /docker/2 /other rw - cgroup2 cgroup2 rw\n"
		 "25 1 0:21 /docker/1 /mnt/my\\040groups rw shared:9 master:1 - cgroup2 cgroup2 rw\n");
	EXPECT_EQ(3, cpus());
	/* Not below /docker/1: the names have only a beginning in common. */
	put_proc("0::/docker/11/in\n",
		 "25 1 0:21 /docker/1 /mnt/my\\040groups rw - cgroup2 cgroup2 rw\n");
	EXPECT_EQ(0, cpus());
}

/* Files that are not there, or are not what they are for, limit nothing and break nothing. */
TEST_F(cgroup, odd_files)
{
	static const char *const odd[] = {
		"", "\n", ":", "::", "0:", "0::", "0::\n", "3:cpu\n", "::::::\n", "0:cpu",
		"- - - -\n", " - ", "24 1 0:21 / /x rw - cgroup2\n", "24 - cgroup2 a b\n", "\\040\\0\\\n",
		"24 1 0:21 / /x rw - cgroup x rw\n",
	};
	static char lengthy[70000];
	size_t i, j, n = sizeof(odd) / sizeof(*odd);

	(void)self;
	EXPECT_EQ(0, cpus());
	for (i = 0; i < n; i++) {
		for (j = 0; j < n; j++) {
			put_proc(odd[i], odd[j]);
			EXPECT_EQ(0, cpus());
		}
		put_proc(odd[i], V2_MOUNT);
		EXPECT_EQ(0, cpus());
		put_proc("0::/\n", odd[i]);
		EXPECT_EQ(0, cpus());
	}
	memset(lengthy, 'a', sizeof(lengthy) - 1);
	memcpy(lengthy, "0::/", 4);
	put_proc(lengthy, V2_MOUNT);
	EXPECT_EQ(0, cpus());
	put_proc("0::/a\n", lengthy);
	EXPECT_EQ(0, cpus());
}

/* ---- The number of Ps ---- */

static int32_t affinity(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? -1 : CPU_COUNT(&set);
}

static int number_of_ps(void *arg)
{
	(void)arg;
	return sched.gomaxprocs;
}

/* A quota below two CPUs makes two Ps, if there are as many CPUs; a large one changes nothing. */
TEST_F(cgroup, boot_with_quota)
{
	int32_t n = affinity();

	(void)self;
	put_proc("0::/a\n", V2_MOUNT);
	put_file("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
	EXPECT_EQ(n < 2 ? n : 2, grt_run(number_of_ps, NULL));
}

TEST_F(cgroup, boot_with_large_quota)
{
	(void)self;
	put_proc("0::/a\n", V2_MOUNT);
	put_file("/sys/fs/cgroup/a/cpu.max", "100000000 1000\n");
	EXPECT_EQ(affinity(), grt_run(number_of_ps, NULL));
}

/* The CPUs that the process may run on, not those that there are (case SchedAffinity). */
TEST_F(cgroup, boot_with_affinity)
{
	cpu_set_t set, one;
	int cpu = 0;

	(void)self;
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(set), &set));
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	EXPECT_EQ(1, grt_run(number_of_ps, NULL));
}

/* Whoever says how many gets as many (case Environment). */
TEST_F(cgroup, boot_by_hand)
{
	(void)self;
	put_proc("0::/a\n", V2_MOUNT);
	put_file("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
	setenv("GRT_MAXPROCS", "7", 1);
	EXPECT_EQ(7, grt_run(number_of_ps, NULL));
}

TEST_F(cgroup, boot_without_limit)
{
	(void)self;
	put_proc("0::/a\n", V2_MOUNT);
	put_file("/sys/fs/cgroup/a/cpu.max", "100000 100000\n");
	setenv("GRTDEBUG", "updatemaxprocs=0,containermaxprocs=0", 1);
	EXPECT_EQ(affinity(), grt_run(number_of_ps, NULL));
}

/* ---- Following changes ---- */

/* Changes the affinity of every thread of the process, as taskset -a does. */
static void pin_all(const cpu_set_t *set)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (atoi(e->d_name))
			sched_setaffinity(atoi(e->d_name), sizeof(*set), set);
	}
	closedir(d);
}

struct change {
	cpu_set_t	all;
	cpu_set_t	one;
};

static void find_cpus(struct change *c)
{
	int cpu = 0;

	sched_getaffinity(0, sizeof(c->all), &c->all);
	while (!CPU_ISSET(cpu, &c->all))
		cpu++;
	CPU_ZERO(&c->one);
	CPU_SET(cpu, &c->one);
}

static void wait_for_ps(int n)
{
	while (grt_set_maxprocs(0) != n)
		grt_sleep(10000000);
}

static int follow_affinity_main(void *arg)
{
	struct change *c = arg;
	int n = CPU_COUNT(&c->all);

	wait_for_ps(n);
	pin_all(&c->one);
	wait_for_ps(1);
	pin_all(&c->all);
	wait_for_ps(n);
	return 0;
}

/*
 * Case Update: the affinity changes, and the number of Ps with it; 10 s later if the world of a
 * busy machine does not stop in time.
 */
TEST_F_TIMEOUT(cgroup, follow_affinity, 120)
{
	struct change c;

	(void)self;
	find_cpus(&c);
	EXPECT_EQ(0, run_procs(0, follow_affinity_main, &c));
}

static int follow_quota_main(void *arg)
{
	int n = affinity(), two = n < 2 ? n : 2;

	(void)arg;
	wait_for_ps(n);
	put_file("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
	wait_for_ps(two);
	put_file("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
	wait_for_ps(n);
	return 0;
}

/* The same for the quota; where there are more than two CPUs, for less is not taken away. */
TEST_F_TIMEOUT(cgroup, follow_quota, 120)
{
	(void)self;
	put_proc("0::/a\n", V2_MOUNT);
	put_file("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
	EXPECT_EQ(0, run_procs(0, follow_quota_main, NULL));
}

/* Not on the main goroutine's stack, which may be gone before the last look at it. */
static int stop_computing;

static void compute(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&stop_computing, __ATOMIC_SEQ_CST))
		;
}

static int follow_beside_main(void *arg)
{
	struct grt_stw_stats stats = { .size = sizeof(stats) };
	struct change *c = arg;
	int64_t begin = grt_now();

	grt_go(compute, NULL);
	pin_all(&c->one);
	do {
		grt_sleep(1000000);
		EXPECT_EQ(0, grt_stw_stats(&stats));
	} while (!stats.timeouts && grt_set_maxprocs(0) != 1);
	EXPECT_GT(10000000000LL, grt_now() - begin);
	__atomic_store_n(&stop_computing, 1, __ATOMIC_SEQ_CST);
	return 0;
}

/*
 * A goroutine that computes on futex does not stop for it. The others, who have not asked for a
 * stop of the world, do not stand still for as long as one who has does (10 s).
 */
TEST_F_TIMEOUT(cgroup, follow_beside_a_loop, 120)
{
	struct change c;

	(void)self;
	find_cpus(&c);
	if (affinity() > 1)
		EXPECT_EQ(0, run_procs(0, follow_beside_main, &c));
}

/* Long enough for the change to be looked for twice. */
static int stay_main(void *arg)
{
	struct change *c = arg;
	int64_t end = grt_now() + 2500000000LL;
	int n = grt_set_maxprocs(0);

	pin_all(&c->one);
	while (grt_now() < end)
		grt_sleep(10000000);
	return grt_set_maxprocs(0) - n;
}

/* Case DontUpdate: not if somebody has said how many. */
TEST_F(cgroup, stay_by_config)
{
	struct change c;

	(void)self;
	find_cpus(&c);
	EXPECT_EQ(0, run_procs(3, stay_main, &c));
}

static int stay_by_call_main(void *arg)
{
	EXPECT_LT(0, grt_set_maxprocs(3));
	return stay_main(arg);
}

TEST_F(cgroup, stay_by_call)
{
	struct change c;

	(void)self;
	find_cpus(&c);
	EXPECT_EQ(0, run_procs(0, stay_by_call_main, &c));
}

TEST_F(cgroup, stay_by_debug)
{
	struct change c;

	(void)self;
	find_cpus(&c);
	setenv("GRTDEBUG", "updatemaxprocs=0", 1);
	EXPECT_EQ(0, run_procs(0, stay_main, &c));
}

TEST_HARNESS_MAIN
