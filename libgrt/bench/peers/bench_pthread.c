// SPDX-License-Identifier: MIT
/*
 * What the kernel itself can do: raw threads and futexes, and the machine's own costs as units
 * for everything else.
 *
 *	bench_pthread blockstall|blockread|pfstall ...	as stall.h says
 *	bench_pthread machine DIVISOR			costs of calls, faults, timers
 *	bench_pthread wake same|xcore DIVISOR		costs of wake-ups, on one CPU and across
 *
 * Numbers of repetitions are divided by DIVISOR, for slow machines. The threads of the stall
 * benchmarks share CPU 0, as goroutines share a P.
 */
#include "../stall.h"
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static const char runtime[] = "pthread";

static void futex_wait(_Atomic int *word, int value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic int *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void post(_Atomic int *word)
{
	atomic_store(word, 1);
	futex_wake(word);
}

static void await(_Atomic int *word)
{
	while (!atomic_load(word))
		futex_wait(word, 0);
	atomic_store(word, 0);
}

static void spawn(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, fn, arg);
	if (errno)
		die("pthread_create");
	pthread_detach(thread);
}

/* ---- B, which says when it ran ------------------------------------------------------------- */

static struct {
	_Atomic int wake;
	_Atomic int ack;
	int64_t ran_at;		/* read after ack */
} b;

static void *run_b(void *cpu)
{
	pin_cpu((intptr_t)cpu);
	for (;;) {
		await(&b.wake);
		b.ran_at = now_ns();
		post(&b.ack);
	}
	return NULL;
}

/* ---- Stalls -------------------------------------------------------------------------------- */

static void before(enum stall_mode mode)
{
	if (mode == STALL_IDLE)
		raw_nanosleep_ms(STALL_BEFORE_MS);
	else if (mode == STALL_CPU)
		spin_ns(STALL_BEFORE_MS * NSEC_PER_MSEC);
}

/*
 * Time runs from before the wake-up: B may well run before the call that wakes it has returned,
 * which is the kernel's good right, and part of what threads can do.
 */
static void bench_stall(struct stall *st)
{
	int64_t t0, back;

	pin_cpu(0);
	spawn(run_b, (void *)0);
	for (int i = 0; i < st->rounds + STALL_WARMUP; i++) {
		before(st->mode);
		if (st->arm)
			st->arm(st);
		t0 = now_ns();
		post(&b.wake);
		st->block(st);
		back = now_ns();
		await(&b.ack);
		stall_sample(st, i, b.ran_at - t0, back - t0);
	}
	stall_out(st, runtime, 1);
}

/* ---- The machine --------------------------------------------------------------------------- */

static void out_each(const char *bench, int64_t ns, long n)
{
	out(bench, runtime, 1, (double)ns / n, "ns");
}

static void bench_calls(long n)
{
	_Atomic int nobody = 0;
	int64_t t0;
	long i;

	t0 = now_ns();
	for (i = 0; i < n; i++)
		syscall(SYS_getppid);
	out_each("ref_syscall", now_ns() - t0, n);

	t0 = now_ns();
	for (i = 0; i < n; i++)
		now_ns();
	out_each("ref_clock_gettime", now_ns() - t0, n);

	t0 = now_ns();
	for (i = 0; i < n; i++)
		futex_wake(&nobody);
	out_each("ref_futex_wake_none", now_ns() - t0, n);

	t0 = now_ns();
	for (i = 0; i < n; i++)
		atomic_fetch_add(&nobody, 1);
	out_each("ref_lock_xadd", now_ns() - t0, n);
}

static void bench_memory(long pages)
{
	size_t page_size = sysconf(_SC_PAGESIZE);
	size_t len = pages * page_size;
	int64_t t0;
	char *area;

	area = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		die("mmap");
	/* A huge page would be one fault for many. */
	madvise(area, len, MADV_NOHUGEPAGE);
	t0 = now_ns();
	for (size_t i = 0; i < len; i += page_size)
		area[i] = 1;
	out_each("ref_page_fault", now_ns() - t0, pages);
	munmap(area, len);
}

static void bench_nanosleep(int n)
{
	int64_t *over = calloc(n, sizeof(*over)), t0;

	if (!over)
		die("calloc");
	for (int i = 0; i < n; i++) {
		t0 = now_ns();
		raw_nanosleep_ms(1);
		over[i] = now_ns() - t0 - NSEC_PER_MSEC;
	}
	out_dist("ref_nanosleep1ms_over", runtime, 1, over, n);
	free(over);
}

/*
 * A futex wake-up, from before the call until the woken thread runs. On the same CPU A then goes
 * to sleep, so that it is one wake-up and one switch; from another CPU A spins, and the woken CPU
 * was asleep for as long as A computed before.
 */
static void bench_wake(const char *bench, int workers, int64_t compute_ns, int n)
{
	int64_t *v = calloc(n, sizeof(*v)), t0;

	if (!v)
		die("calloc");
	for (int i = 0; i < n; i++) {
		spin_ns(compute_ns);
		t0 = now_ns();
		post(&b.wake);
		while (workers > 1 && !atomic_load(&b.ack))
			;
		await(&b.ack);
		v[i] = b.ran_at - t0;
	}
	out_dist(bench, runtime, workers, v, n);
	free(v);
}

static int scaled(int n, int divisor)
{
	return n / divisor > 50 ? n / divisor : 50;
}

static void bench_machine(int divisor)
{
	bench_calls(scaled(5000000, divisor));
	bench_memory(scaled(65536, divisor));
	bench_nanosleep(scaled(500, divisor));
}

/* One B a process: it does not end, and it stays on its CPU. */
static void bench_wakeups(const char *where, int divisor)
{
	bool same = !strcmp(where, "same");

	pin_cpu(0);
	spawn(run_b, (void *)(intptr_t)!same);
	if (same) {
		bench_wake("ref_futex_wake_same", 1, 0, scaled(2000, divisor));
		return;
	}
	bench_wake("ref_futex_wake_xcore_50us", 2, 50000, scaled(2000, divisor));
	bench_wake("ref_futex_wake_xcore_5ms", 2, 5000000, scaled(300, divisor));
}

int main(int argc, char **argv)
{
	struct stall st;

	if (stall_init(&st, argc - 1, argv + 1)) {
		bench_stall(&st);
	} else if (argc == 3 && !strcmp(argv[1], "machine")) {
		bench_machine(arg_number(argv[2]));
	} else if (argc == 4 && !strcmp(argv[1], "wake") &&
		   (!strcmp(argv[2], "same") || !strcmp(argv[2], "xcore"))) {
		bench_wakeups(argv[2], arg_number(argv[3]));
	} else {
		fprintf(stderr, "usage: bench_pthread blockstall|blockread hot|idle|cpu MS ROUNDS\n"
			"       bench_pthread pfstall MS ROUNDS\n"
			"       bench_pthread machine DIVISOR\n"
			"       bench_pthread wake same|xcore DIVISOR\n");
		return 2;
	}
	return 0;
}
