// SPDX-License-Identifier: GPL-2.0
/*
 * policy_bench [ROUNDS]
 *
 * What each policy of a P is worth. There is one P; one M computes, another computes for a while
 * and sleeps, time and again:
 *
 * shortsleeps: 10 us of work, a sleep of 5 us, wake-up included. If the P is handed on, the sleeper
 *	is long awake before it gets it back.
 * longsleeps: 1 ms of work, a sleep of 5 ms. If the P is kept meanwhile, it is lost.
 *
 * Either yields, as a scheduler in user space would have it do, when it has had the P for 100 us. A
 * line a measurement: the sleeper's sleeps in a second and the work of both as a share of the P's
 * time, in units of 1/1000; of both the more the better. Then how long a sleep took on average, how
 * many times a sleeper's P was handed on, how many times it was kept, and how many interrupts of
 * its own and expiries of the P's timer it took.
 *
 * The lengths are those of a machine on which a block and a wake-up take a few microseconds. Under
 * an emulator they take fifty, unless it counts instructions for time (run.sh --icount).
 */
#include "gsched_util.h"

#include <err.h>
#include <sys/prctl.h>

#define TURN_NS		(100 * 1000)
#define PIECE_NS	10000		/* work is done by pieces */
#define LENGTH_NS	(300 * GS_MS)	/* of a measurement */

struct load {
	const char *name;
	__u64 work_ns;
	__u64 sleep_ns;		/* what is asked for; the wake-up adds a few microseconds */
};

static const struct load loads[] = {
	{ "shortsleeps", 10000, 1000 },
	{ "longsleeps", GS_MS, 5 * GS_MS },
};

static const struct policy {
	const char *name;
	enum gsched_policy policy;
	__u64 ns;
} policies[] = {
	{ "now", GSCHED_POLICY_NOW, 0 },
	{ "after", GSCHED_POLICY_AFTER, 20000 },
	{ "asked", GSCHED_POLICY_ASKED, 0 },
	{ "adaptive", GSCHED_POLICY_ADAPTIVE, 0 },
};

static __u64 turns_per_ms;

static void work(__u64 turns)
{
	while (turns--)
		asm volatile("" : : : "memory");
}

/* How much work a millisecond is, when nothing else runs: the best of a few tries. */
static void calibrate(void)
{
	__u64 begin, ns, best = ~0ULL;
	int i;

	for (i = 0; i < 5; i++) {
		begin = gs_now();
		work(1000000);
		ns = gs_now() - begin;
		best = ns < best ? ns : best;
	}
	turns_per_ms = 1000000 * GS_MS / best;
}

struct run {
	struct gs gs;
	const struct load *load;
	pthread_barrier_t begin;
	__u64 end;
	__u64 worked, sleeps, slept;
};

/*
 * Hands the P to the one that waits, and waits itself, in one step: the permit makes SWITCH do so.
 * There is nobody to switch to while the other one sleeps.
 */
static void yield_to_other(struct run *run, __u32 m)
{
	int ret = gs_unpark(&run->gs, m);

	if (!ret)
		ret = gs_switch(&run->gs, GSCHED_M_OLDEST);
	if (ret && ret != -EAGAIN)
		errx(1, "SWITCH: %s", strerror(-ret));
}

/* Works for @ns, and yields when its turn is over. Until when its turn is then. */
static __u64 work_for(struct run *run, __u32 m, __u64 ns, __u64 turn)
{
	__u64 done;

	for (done = 0; done < ns; done += PIECE_NS) {
		if (gs_now() > turn) {
			yield_to_other(run, m);
			turn = gs_now() + TURN_NS;
		}
		work(PIECE_NS * turns_per_ms / GS_MS);
	}
	__atomic_fetch_add(&run->worked, ns, __ATOMIC_RELAXED);
	return turn;
}

static void become_m(struct run *run, __u32 *m)
{
	if (gs_register(&run->gs, 0, m))
		errx(1, "no M");
	pthread_barrier_wait(&run->begin);
	if (gs_acquire(&run->gs, GSCHED_FOREVER))
		errx(1, "no P");
}

static void *sleeper(void *arg)
{
	struct run *run = arg;
	struct timespec ts = { .tv_nsec = run->load->sleep_ns };
	__u64 turn = 0;
	__u32 m;

	prctl(PR_SET_TIMERSLACK, 1);
	become_m(run, &m);
	while (gs_now() < run->end) {
		turn = work_for(run, m, run->load->work_ns, turn);
		nanosleep(&ts, NULL);
		run->slept += gs_now() - GS_LOAD(run->gs.ms[m].blocked_ns);
		run->sleeps++;
	}
	gs_unregister(&run->gs);
	return NULL;
}

static void *computer(void *arg)
{
	struct run *run = arg;
	__u64 turn = 0;
	__u32 m;

	become_m(run, &m);
	while (gs_now() < run->end)
		turn = work_for(run, m, PIECE_NS, turn);
	gs_unregister(&run->gs);
	return NULL;
}

static void measure(const struct load *load, const struct policy *policy)
{
	struct gsched_tune tune = {
		.size = sizeof(tune), .flags = GSCHED_TUNE_POLICY, .p = GSCHED_P_ALL,
		.policy = policy->policy, .policy_ns = policy->ns,
	};
	struct gsched_info_domain counts;
	struct run run = { .load = load };
	pthread_t a, b;

	if (gs_make_domain(&run.gs, 1, 0) || gs_ioctl(run.gs.fd, GSCHED_IOC_TUNE, &tune))
		errx(1, "no domain");
	pthread_barrier_init(&run.begin, NULL, 2);
	run.end = gs_now() + LENGTH_NS;
	if (pthread_create(&a, NULL, sleeper, &run) || pthread_create(&b, NULL, computer, &run))
		errx(1, "no thread");
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	counts = gs_counts(&run.gs);
	printf("bench=policy load=%s policy=%s sleeps=%llu work=%llu slept_ns=%llu ",
	       load->name, policy->name, run.sleeps * 1000000000 / LENGTH_NS,
	       run.worked * 1000 / LENGTH_NS, run.sleeps ? run.slept / run.sleeps : 0);
	printf("handoffs=%llu kept=%llu irqs=%llu timers=%llu\n",
	       counts.handoffs, counts.takebacks, counts.looks, counts.looks_late);
	close(run.gs.fd);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 5;
	unsigned int l, p;

	if (rounds < 1)
		errx(2, "usage: policy_bench [ROUNDS]");
	setlinebuf(stdout);
	calibrate();
	while (rounds-- > 0)
		for (l = 0; l < sizeof(loads) / sizeof(*loads); l++)
			for (p = 0; p < sizeof(policies) / sizeof(*policies); p++)
				measure(&loads[l], &policies[p]);
	return 0;
}
