// SPDX-License-Identifier: MIT
/*
 * grt-stall - how long one stuck goroutine holds up the others
 *
 *	grt-stall read|fault [MS [ROUNDS]]
 *
 * There is one P, so one goroutine computes at a time. In each round a goroutine gets stuck for MS
 * milliseconds while another is ready to run, and the time until that one runs is measured. Stuck
 * is either
 *
 *	read	in read(2) from a FIFO into which nobody writes yet, or
 *	fault	in a page fault whose page is not there yet (userfaultfd).
 *
 * Both are plain C: the library is told nothing of them. A helper process ends each after MS
 * milliseconds. Writes one line of KEY=VALUE for programs; times are medians and maxima over the
 * rounds, in microseconds. The counts are the device's, of the whole run; without it they are 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <grt.h>

#define MAX_ROUNDS 1000

static int ms = 200;
static int rounds = 5;

static void die(const char *what)
{
	fprintf(stderr, "grt-stall: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

/* ---- Stuck in read(2) ---- */

static int fifo;

static void open_fifo(void)
{
	char dir[] = "/tmp/grt-stall.XXXXXX", path[sizeof(dir) + 8];

	if (!mkdtemp(dir))
		die(dir);
	snprintf(path, sizeof(path), "%s/fifo", dir);
	if (mkfifo(path, 0600))
		die(path);
	fifo = open(path, O_RDWR | O_CLOEXEC);
	if (fifo < 0)
		die(path);
	unlink(path);
	rmdir(dir);
}

static void stuck_in_read(int round)
{
	char c;

	(void)round;
	if (read(fifo, &c, 1) != 1)
		die("read");
}

static void end_read(void)
{
	if (write(fifo, "", 1) != 1)
		die("write");
}

/* ---- Stuck in a page fault ---- */

static int uffd;
static size_t page_size;
static char *pages;		/* one a round */
static void *zeroes;		/* what the helper fills them with */

static void open_userfaultfd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	page_size = sysconf(_SC_PAGESIZE);
	zeroes = calloc(1, page_size);
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
		die("userfaultfd");
	pages = mmap(NULL, MAX_ROUNDS * page_size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!zeroes || pages == MAP_FAILED)
		die("mmap");
	reg.range.start = (uintptr_t)pages;
	reg.range.len = MAX_ROUNDS * page_size;
	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		die("UFFDIO_REGISTER");
}

static void stuck_in_fault(int round)
{
	*(volatile char *)(pages + round * page_size);
}

static void end_fault(void)
{
	struct uffdio_copy copy = { .src = (uintptr_t)zeroes, .len = page_size };
	struct uffd_msg msg;

	if (read(uffd, &msg, sizeof(msg)) != sizeof(msg))
		die("userfaultfd");
	copy.dst = msg.arg.pagefault.address & ~(page_size - 1);
	if (ioctl(uffd, UFFDIO_COPY, &copy))
		die("UFFDIO_COPY");
}

struct way {
	const char	*name;
	void		(*setup)(void);
	void		(*get_stuck)(int round);
	void		(*end)(void);
};

static const struct way ways[] = {
	{ "read", open_fifo, stuck_in_read, end_read },
	{ "fault", open_userfaultfd, stuck_in_fault, end_fault },
};

/* ---- The helper process: ends what the goroutine is stuck in ---- */

static int announce[2];		/* a pipe: "I am about to get stuck" */

static void help(const struct way *way)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };
	char c;

	while (read(announce[0], &c, 1) == 1) {
		nanosleep(&ts, NULL);
		way->end();
	}
}

static void start_helper(const struct way *way)
{
	pid_t parent = getpid(), pid;

	if (pipe2(announce, O_CLOEXEC))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		help(way);
	_exit(0);
}

/* ---- The measurement ---- */

/* The other goroutine: the first thing it does is to look at the clock. */
static void other(void *ran)
{
	int64_t now = grt_now();

	grt_chan_send(ran, &now);
}

struct sample {
	double held_up;		/* until the other ran */
	double stuck;		/* until this one went on */
};

static struct sample measure(const struct way *way, int round, grt_chan *ran)
{
	int64_t start, went_on, other_ran;

	grt_go(other, ran);
	if (write(announce[1], "", 1) != 1)
		die("pipe");
	start = grt_now();
	way->get_stuck(round);
	went_on = grt_now();
	grt_chan_recv(ran, &other_ran);
	return (struct sample){ (other_ran - start) / 1e3, (went_on - start) / 1e3 };
}

static int ascending(const void *a, const void *b)
{
	double x = ((const struct sample *)a)->held_up, y = ((const struct sample *)b)->held_up;

	return (x > y) - (x < y);
}

static void report(const struct way *way, struct sample *s)
{
	struct grt_device_counts counts = { .size = sizeof(counts) };
	double shortest = s[0].stuck;

	for (int i = 1; i < rounds; i++)
		shortest = s[i].stuck < shortest ? s[i].stuck : shortest;
	qsort(s, rounds, sizeof(*s), ascending);
	grt_device_counts(&counts);
	printf("backend=%s stuck_in=%s rounds=%d shortest_stuck_us=%.0f held_up_us=%.0f "
	       "held_up_max_us=%.0f blocks=%llu handoffs=%llu borders=%llu\n",
	       grt_backend_name(), way->name, rounds, shortest, s[rounds / 2].held_up,
	       s[rounds - 1].held_up, (unsigned long long)counts.blocks,
	       (unsigned long long)counts.handoffs, (unsigned long long)counts.borders);
}

/* The goroutine that gets stuck. */
static int stall(void *arg)
{
	static struct sample samples[MAX_ROUNDS];
	const struct way *way = arg;
	grt_chan *ran = grt_chan_new(sizeof(int64_t), 1);

	for (int i = 0; i < rounds; i++)
		samples[i] = measure(way, i, ran);
	report(way, samples);
	grt_chan_free(ran);
	return EXIT_SUCCESS;
}

static void usage(void)
{
	fprintf(stderr, "usage: grt-stall read|fault [MS [ROUNDS]]\n"
		"MS: 1 to 10000 (200), ROUNDS: 1 to %d (5)\n", MAX_ROUNDS);
	exit(EXIT_FAILURE);
}

static int number(const char *s, int max)
{
	char *end;
	long n = strtol(s, &end, 10);

	if (end == s || *end || n < 1 || n > max)
		usage();
	return n;
}

static const struct way *find_way(const char *name)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(ways[i].name, name))
			return &ways[i];
	usage();
	return NULL;
}

int main(int argc, char **argv)
{
	struct grt_config config = { .size = sizeof(config), .maxprocs = 1 };
	const struct way *way;

	if (argc < 2 || argc > 4)
		usage();
	way = find_way(argv[1]);
	if (argc > 2)
		ms = number(argv[2], 10000);
	if (argc > 3)
		rounds = number(argv[3], MAX_ROUNDS);
	way->setup();
	start_helper(way);
	return grt_run_with(&config, stall, (void *)way);
}
