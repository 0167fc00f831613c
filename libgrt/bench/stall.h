/* SPDX-License-Identifier: MIT */
/*
 * The stall benchmarks: A makes B ready to run and then blocks where no library can see it. How
 * long until B runs?
 *
 *	blockstall MODE MS ROUNDS	A blocks in nanosleep(2)
 *	blockread MODE MS ROUNDS	A blocks in read(2), of a timer's descriptor
 *	pfstall MS ROUNDS		A blocks in a page fault, which another process serves
 *
 * MS is how long A blocks, MODE what came before: "hot" nothing, "idle" 20 ms in which all slept,
 * "cpu" 20 ms in which A computed. Here is what the programs have in common: everything but how B
 * is made ready, and how A waits for it after each round.
 */
#ifndef BENCH_STALL_H
#define BENCH_STALL_H

#include "common.h"
#include <stdbool.h>

#define STALL_WARMUP	10	/* rounds that do not count */
#define STALL_BEFORE_MS	20	/* what "idle" and "cpu" mean */
#define STALL_UFFD	3	/* uffd_helper's descriptor of the userfaultfd */

enum stall_mode {
	STALL_HOT,
	STALL_IDLE,
	STALL_CPU,
};

struct stall {
	char name[64];
	enum stall_mode mode;
	void (*arm)(struct stall *st);		/* just before B is made ready; may be NULL */
	void (*block)(struct stall *st);
	int ms;
	int rounds;
	int fd;					/* blockread: the timer */
	volatile char *page;			/* pfstall: the next to touch */
	size_t page_size;
	int64_t *until_b;			/* samples: from t0 until B ran */
	int64_t *until_a;			/* samples: from t0 until A went on */
	int nsamples;
};

/*
 * stall_init() - set up the stall benchmark that the arguments name
 * @argv: its name, and what follows it
 *
 * Starts a process for pfstall: before a runtime is booted or a CPU chosen.
 *
 * Return: false when the arguments name none.
 */
bool stall_init(struct stall *st, int argc, char **argv);

/* stall_sample() - what round @i measured, from t0 on; forgotten while warming up */
void stall_sample(struct stall *st, int i, int64_t until_b, int64_t until_a);

/* stall_out() - print the result lines */
void stall_out(struct stall *st, const char *runtime, int workers);

/* raw_nanosleep_ms() - a plain system call: no library may turn it into something else */
void raw_nanosleep_ms(int ms);

#endif /* BENCH_STALL_H */
