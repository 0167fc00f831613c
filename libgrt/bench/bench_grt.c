// SPDX-License-Identifier: MIT
/*
 * The same work with libgrt: bench_grt blockstall|blockread|pfstall ..., as stall.h says, with one
 * P. GRT_BACKEND chooses the backend, as for any program.
 *
 * A blocks by plain system calls, without grt_block_begin(): on gsched that is all it takes, and
 * on futex it shows what that backend cannot do.
 */
#include "stall.h"
#include <grt.h>

#define WORKERS	1

static grt_chan *wake;
static grt_chan *ack;

static void run_b(void *arg)
{
	int64_t ran_at;

	(void)arg;
	while (grt_chan_recv(wake, NULL)) {
		ran_at = now_ns();
		grt_chan_send(ack, &ran_at);
	}
}

static void before(enum stall_mode mode)
{
	if (mode == STALL_IDLE) {
		grt_sleep(STALL_BEFORE_MS * NSEC_PER_MSEC);
	} else if (mode == STALL_CPU) {
		spin_ns(STALL_BEFORE_MS * NSEC_PER_MSEC);
		/* So long a burst may have earned a request to yield: follow it now. */
		grt_yield();
	}
}

/* Time runs from the moment before A blocks: B is ready by then, but cannot run before it. */
static void round_of(struct stall *st, int i)
{
	int64_t t0, back, ran_at;

	before(st->mode);
	if (st->arm)
		st->arm(st);
	grt_chan_send(wake, NULL);
	t0 = now_ns();
	st->block(st);
	back = now_ns();
	grt_chan_recv(ack, &ran_at);
	stall_sample(st, i, ran_at - t0, back - t0);
}

static int bench_stall(void *arg)
{
	struct stall *st = arg;
	char runtime[32];

	wake = grt_chan_new(0, 1);
	ack = grt_chan_new(sizeof(int64_t), 1);
	if (!wake || !ack)
		die("grt_chan_new");
	grt_go(run_b, NULL);
	for (int i = 0; i < st->rounds + STALL_WARMUP; i++)
		round_of(st, i);
	snprintf(runtime, sizeof(runtime), "libgrt-%s", grt_backend_name());
	stall_out(st, runtime, WORKERS);
	return 0;
}

int main(int argc, char **argv)
{
	struct grt_config config = { .size = sizeof(config), .maxprocs = WORKERS };
	struct stall st;

	if (!stall_init(&st, argc - 1, argv + 1)) {
		fprintf(stderr, "usage: bench_grt blockstall|blockread hot|idle|cpu MS ROUNDS\n"
			"       bench_grt pfstall MS ROUNDS\n");
		return 2;
	}
	return grt_run_with(&config, bench_stall, &st);
}
