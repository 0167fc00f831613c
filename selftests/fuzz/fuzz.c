// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz [--seed S] [--time S | --rounds N] [--ops N] [--threads N] [--round N] [--patience S]
 *
 * Random calls, mappings, signals, threads and processes with hostile arguments and hostile hint
 * pages, in rounds, each with a domain of its own, until all of this is reached:
 *
 *   --time S      seconds (60, unless --rounds or --ops is given)
 *   --rounds N    rounds
 *   --ops N       operations
 *
 * and:
 *
 *   --seed S      what everything is drawn from; printed at once
 *   --round N     number of the first round: N of one seed is always the same program
 *   --threads N   threads of a round (14)
 *   --patience S  what takes longer counts as hung (30, times GSCHED_TEST_FACTOR)
 *
 * TAP: a test for each thing that must hold. From 60 seconds on also: each call succeeded, each
 * state change of the uapi header's diagrams was reached, and at least 30 % of the calls succeeded.
 */
#include "fuzz.h"

#include <getopt.h>
#include <sys/ptrace.h>
#include <sys/random.h>

#define LEAST_PERCENT	30
#define JUDGED_FROM_S	60	/* what is rare needs time */

struct shared *shared;

/* ---- A round, from outside ---- */

/* How the process of a round may end */
static bool ended_well(enum ending ending, int status)
{
	switch (ending) {
	case ENDING_CRASH:
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
	case ENDING_KILL:
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	case ENDING_EXEC:
		/* The last step of a tracer, without the handler it had before */
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGTRAP)
			return true;
		__attribute__((fallthrough));
	default:
		return WIFEXITED(status) && !WEXITSTATUS(status);
	}
}

/* Waits for the end of @pid, which must come soon. */
static bool is_reaped(pid_t pid, int *status)
{
	__u64 end = gs_now() + shared->opt.patience_s * 1000 * GS_MS;
	pid_t ret;

	do {
		ret = waitpid(pid, status, WNOHANG | __WALL);
		if (ret == pid && WIFSTOPPED(*status))
			kill(pid, SIGKILL);
		else if (ret)
			return true;
		usleep(1000);
	} while (gs_now() < end);
	fail(ORACLE_HANG, "the process does not die");
	dump_process(pid);
	return false;
}

/* Disturbs it until it ends or its conductor does not get on. */
static int watch(pid_t pid, struct rng *g, enum ending ending)
{
	__u64 kill_ns = ending == ENDING_KILL ? gs_in_ms(20 + below(g, 600)) : GSCHED_FOREVER;
	__u64 patience_ns = (2 * shared->opt.patience_s + 10) * 1000 * GS_MS;
	__u64 beat_ns = gs_now();
	__u32 beat = 0;
	int status = 0;

	for (;;) {
		pid_t ret = waitpid(pid, &status, WNOHANG | __WALL);

		if (ret == pid && WIFSTOPPED(status))
			ptrace(PTRACE_DETACH, pid, 0, 0);	/* it was traced, and is exec's */
		else if (ret)
			return status;
		if (GS_LOAD(shared->beat) != beat) {
			beat = GS_LOAD(shared->beat);
			beat_ns = gs_now();
		}
		if (gs_now() - beat_ns > patience_ns) {
			fail(ORACLE_HANG, "the round does not get on");
			dump_process(pid);
			kill_ns = 0;
		}
		if (gs_now() > kill_ns) {
			kill(pid, SIGKILL);
			is_reaped(pid, &status);
			return status;
		}
		usleep(2000 + below(g, 100000));
		if (GS_LOAD(shared->chaos))
			chaos_step(g, pid);
	}
}

/* Domain, Ms and all that they hold */
static void check_freed(void)
{
	__u64 end = gs_now() + shared->opt.patience_s * 1000 * GS_MS;

	while (gs_refcnt() > 0) {
		if (gs_now() > end) {
			fail(ORACLE_FREED, "the module is still held %d times", gs_refcnt());
			return;
		}
		usleep(1000);
	}
}

static void run_round(unsigned int number)
{
	struct rng g = rng_of(shared->opt.seed, number, 0, 's');
	enum ending ending = ending_of(shared->opt.seed, number);
	pid_t pid;
	int status;

	shared->round = number;
	shared->chaos = 0;
	memset(shared->tids, 0, sizeof(shared->tids));
	pid = fork();
	if (!pid)
		_exit(round_main(shared->opt.seed, number, ending));
	if (pid < 0) {
		fail(ORACLE_HANG, "fork: %s", strerror(errno));
		return;
	}
	status = watch(pid, &g, ending);
	if (!ended_well(ending, status) && !anything_failed())
		fail(ORACLE_HANG, "the process ended with status %#x", status);
	if (!anything_failed())
		check_freed();
}

/* ---- The verdict ---- */

static const char * const oracle_name[NR_ORACLES] = {
	[ORACLE_HANG]		= "nothing hangs",
	[ORACLE_LOST]		= "no M is lost",
	[ORACLE_COUNTS]		= "counts add up",
	[ORACLE_OWNER]		= "a P has one owner at a time",
	[ORACLE_ANSWER]		= "calls answer what is documented",
	[ORACLE_FOREIGN]	= "other processes are kept out",
	[ORACLE_FREED]		= "what is over is freed",
};

static int tests, failures;

static void test(bool ok, const char *name, const char *why)
{
	printf("%s %d - %s\n", ok ? "ok" : "not ok", ++tests, name);
	if (!ok) {
		printf("# %s\n", why);
		failures++;
	}
}

static bool is_judged(const struct options *opt)
{
	return opt->time_s >= JUDGED_FROM_S;
}

static int verdict(void)
{
	const struct options *opt = &shared->opt;
	const char *missed;
	char why[100];
	int i;

	print_cover();
	for (i = 0; i < NR_ORACLES; i++)
		test(!shared->failed[i], oracle_name[i], shared->why[i]);
	if (is_judged(opt)) {
		snprintf(why, sizeof(why), "only %u %%", percent_ok());
		test(percent_ok() >= LEAST_PERCENT, "30 % of the calls succeed", why);
		missed = call_missed();
		test(!missed, "each call succeeded", missed);
		missed = change_missed();
		test(!missed, "each state change was reached", missed);
	}
	if (failures)
		printf("# again: --seed %#llx --round %u\n", opt->seed, shared->round);
	return failures ? 1 : 0;
}

/* ---- Options ---- */

static const struct option options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "time", required_argument, NULL, 't' },
	{ "rounds", required_argument, NULL, 'r' },
	{ "ops", required_argument, NULL, 'o' },
	{ "round", required_argument, NULL, 'f' },
	{ "threads", required_argument, NULL, 'n' },
	{ "patience", required_argument, NULL, 'p' },
	{ "exec-child", no_argument, NULL, 'x' },
	{ 0 },
};

static __u64 number_of(const char *what, __u64 least, __u64 most)
{
	char *end;
	__u64 n;

	errno = 0;
	n = strtoull(optarg, &end, 0);
	if (errno || *end || end == optarg || n < least || n > most) {
		fprintf(stderr, "fuzz: --%s takes a number from %llu to %llu, not '%s'\n", what,
			least, most, optarg);
		exit(2);
	}
	return n;
}

static void parse(int argc, char **argv, struct options *opt)
{
	int c, at;

	while ((c = getopt_long(argc, argv, "", options, &at)) != -1) {
		const char *name = options[at].name;

		switch (c) {
		case 's':
			opt->seed = number_of(name, 0, -1ULL);
			break;
		case 't':
			opt->time_s = number_of(name, 1, 1000000);
			break;
		case 'r':
			opt->rounds = number_of(name, 1, 1000000000);
			break;
		case 'o':
			opt->ops = number_of(name, 1, -1ULL);
			break;
		case 'f':
			opt->first = number_of(name, 0, 1000000000);
			break;
		case 'n':
			opt->threads = number_of(name, 8, MOST_THREADS);
			break;
		case 'p':
			opt->patience_s = number_of(name, 1, 3600);
			break;
		case 'x':
			exit(exec_child());
		default:
			fprintf(stderr, "fuzz: the options stand at the top of its source\n");
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "fuzz: what is '%s'?\n", argv[optind]);
		exit(2);
	}
	if (!opt->time_s && !opt->rounds && !opt->ops)
		opt->time_s = JUDGED_FROM_S;
}

static bool is_done(unsigned int rounds, __u64 end)
{
	const struct options *opt = &shared->opt;

	return rounds >= opt->rounds && gs_now() >= end && GS_LOAD(shared->ops) >= opt->ops;
}

int main(int argc, char **argv)
{
	struct options opt = { .threads = 14, .patience_s = 30 * gs_factor() };
	unsigned int i;
	__u64 end;

	if (getrandom(&opt.seed, sizeof(opt.seed), 0) != sizeof(opt.seed))
		opt.seed = gs_now();
	parse(argc, argv, &opt);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED) {
		perror("fuzz");
		return 2;
	}
	shared->opt = opt;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%d\n", NR_ORACLES + (is_judged(&opt) ? 3 : 0));
	printf("# seed %#llx\n", opt.seed);
	end = gs_in_ms(opt.time_s * 1000);
	for (i = 0; !i || (!is_done(i, end) && !anything_failed()); i++)
		run_round(opt.first + i);
	printf("# %u rounds\n", i);
	return verdict();
}
