// SPDX-License-Identifier: GPL-2.0
/*
 * block_bench [ROUNDS [PAIRS]]
 *
 * What the hooks add to a block and a wake-up. Two threads on one CPU write each other a byte
 * through pipes, the one of higher priority always being the one that blocks; it is, in turn, no M
 * (plain), an M without a P (free), an M with a P that nobody wants (p), and one with a P that has
 * use and is kept (wanted: the policy is "after 10 ms"). Without the module there is only the
 * first. A line a measurement, in nanoseconds for one block and wake-up of the one and one of the
 * other; the difference to "plain" is what the hooks add.
 *
 * Where instructions count for time (run.sh --icount), a nanosecond is an instruction.
 */
#include "gsched_util.h"

#include <err.h>

struct end {
	int	in, out;
};

static __u64 pairs = 2000;

/* Who is woken by one of higher priority does not run before that one has blocked. */
static void set_priority(int priority)
{
	struct sched_param param = { .sched_priority = priority };

	if (sched_setscheduler(0, SCHED_FIFO, &param))
		err(1, "real-time priority");
}

static void pass(const struct end *e)
{
	char byte = 0;

	if (write(e->out, &byte, 1) != 1 || read(e->in, &byte, 1) != 1)
		err(1, "pipe");
}

static void *partner(void *arg)
{
	struct end *e = arg;
	char byte;

	set_priority(1);
	while (read(e->in, &byte, 1) == 1 && byte == 0)
		if (write(e->out, &byte, 1) != 1)
			err(1, "pipe");
	return NULL;
}

static int compare(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return (x > y) - (x < y);
}

/* The median of all pairs: in a mean there would be the interrupts that happened to come. */
static void measure(const char *who, const struct end *e)
{
	__u64 *took = calloc(pairs, sizeof(*took));
	__u64 begin, i;

	if (!took)
		err(1, "no memory");
	for (i = 0; i < pairs; i++) {
		begin = gs_now();
		pass(e);
		took[i] = gs_now() - begin;
	}
	qsort(took, pairs, sizeof(*took), compare);
	printf("bench=block who=%s value=%llu\n", who, took[pairs / 2]);
	free(took);
}

static void measure_m(const struct end *e)
{
	struct gsched_tune tune = {
		.size = sizeof(tune), .flags = GSCHED_TUNE_POLICY, .policy = GSCHED_POLICY_AFTER,
		.policy_ns = 10 * GS_MS,
	};
	struct gs gs;
	__u32 m;

	if (gs_make_domain(&gs, 1, 0) || gs_register(&gs, 0, &m))
		errx(1, "no domain");
	measure("free", e);
	if (gs_acquire(&gs, GSCHED_FOREVER))
		errx(1, "no P");
	measure("p", e);
	if (gs_counts(&gs).takebacks < pairs)
		errx(1, "it does not block");
	if (gs_ioctl(gs.fd, GSCHED_IOC_TUNE, &tune))
		errx(1, "no policy");
	gs_put_work(&gs, 0);
	measure("wanted", e);
	gs_unregister(&gs);
	close(gs.fd);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 5;
	struct end mine, its;
	pthread_t thread;
	int to[2], from[2];

	if (argc > 2)
		pairs = atoi(argv[2]);
	if (rounds < 1 || !pairs)
		errx(2, "usage: block_bench [ROUNDS [PAIRS]]");
	setlinebuf(stdout);
	if (gs_pin(0, 0) || pipe(to) || pipe(from))
		err(1, "pipe");
	mine = (struct end) { from[0], to[1] };
	its = (struct end) { to[0], from[1] };
	if (pthread_create(&thread, NULL, partner, &its))
		errx(1, "no thread");
	set_priority(2);
	while (rounds--) {
		measure(access(GS_DEVICE, F_OK) ? "unloaded" : "plain", &mine);
		if (!access(GS_DEVICE, F_OK))
			measure_m(&mine);
	}
	if (write(to[1], "x", 1) != 1)
		err(1, "pipe");
	pthread_join(thread, NULL);
	return 0;
}
