// SPDX-License-Identifier: GPL-2.0
/*
 * The threads of a round, their luck, and the calls they make
 */
#include "fuzz.h"

#include <linux/futex.h>
#include <sys/timerfd.h>

__thread struct thread *self;

/* ---- Chance ---- */

/* splitmix64: any state is a good one */
__u64 rnd(struct rng *g)
{
	__u64 x = g->state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

__u32 below(struct rng *g, __u32 n)
{
	return ((rnd(g) >> 32) * n) >> 32;
}

bool chance(struct rng *g, unsigned int percent)
{
	return below(g, 100) < percent;
}

struct rng rng_of(__u64 seed, __u64 a, __u64 b, __u64 c)
{
	struct rng g = { seed };

	g.state = rnd(&g) ^ a;
	g.state = rnd(&g) ^ b;
	g.state = rnd(&g) ^ c;
	return g;
}

/* ---- Sleeping and waking without the C library ---- */

void futex_wait(__u32 *word, __u32 value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void futex_wake(__u32 *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, MOST_THREADS, NULL, NULL, 0);
}

/* ---- Faults and signals ---- */

bool guarded(struct thread *t, void (*access)(struct thread *t, char *at, __u64 value),
	     char *at, __u64 value)
{
	sigjmp_buf here, *outer = t->guard;
	bool survived = false;

	if (!sigsetjmp(here, 1)) {
		t->guard = &here;
		/* The handler must find it. */
		atomic_signal_fence(memory_order_seq_cst);
		access(t, at, value);
		survived = true;
	}
	t->guard = outer;
	return survived;
}

static void on_fault(int sig)
{
	sigjmp_buf *guard = self ? self->guard : NULL;

	if (guard)
		siglongjmp(*guard, 1);
	/* A fault of the fuzzer's own: let it kill us, and be seen by the supervisor. */
	signal(sig, SIG_DFL);
}

static void on_signal(int sig)
{
	int saved = errno;

	if (self && self->r)
		in_handler(self);
	errno = saved;
}

void install_handlers(void)
{
	struct sigaction fault = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	struct sigaction plain = { .sa_handler = on_signal };
	struct sigaction restart = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigaction(SIGUSR1, &plain, NULL);
	sigaction(SIGUSR2, &restart, NULL);
	/* A step that a tracer asked for and did not wait for */
	sigaction(SIGTRAP, &restart, NULL);
}

/* ---- Calls ---- */

bool is_m(const struct thread *t)
{
	return t->m != NO_M;
}

__u64 status_word(const struct thread *t)
{
	__u32 m = GS_LOAD(t->m);

	return m != NO_M ? GS_LOAD(t->r->gs.ms[m].word) : 0;
}

void set_nopreempt(struct thread *t, __u32 nopreempt)
{
	__u32 m = GS_LOAD(t->m);

	if (m != NO_M)
		GS_STORE(t->r->gs.mh[m].nopreempt, nopreempt);
}

void set_mode(struct thread *t, __u32 mode)
{
	__u32 m = GS_LOAD(t->m);

	if (m != NO_M)
		GS_STORE(t->r->gs.mh[m].mode, mode);
}

static int number_of(unsigned long cmd)
{
	if (cmd < GSCHED_IOC_SETUP || cmd > GSCHED_IOC_INFO)
		return CALL_UNKNOWN;
	return _IOC_NR(cmd) - _IOC_NR(GSCHED_IOC_SETUP);
}

/* What each call may answer, beside 0 and what every call may */
static const int always[] = { EFAULT, E2BIG, EINVAL, ECANCELED };
static const int documented[CALL_MMAP][6] = {
	{ EBUSY, ENOMEM },			/* SETUP */
	{ EBUSY, EUSERS, ENOMEM },		/* REGISTER */
	{ ESRCH },				/* UNREGISTER */
	{ ESRCH, EAGAIN, EINTR, ETIMEDOUT, EDEADLK },	/* PARK */
	{ ENOENT },				/* UNPARK */
	{ EAGAIN },				/* WAKE */
	{ ESRCH, EAGAIN, ENOENT, EINTR },	/* SWITCH */
	{ ESRCH, EDEADLK },			/* RELEASE */
	{ ESRCH, ETIMEDOUT, EINTR },		/* ACQUIRE */
	{ 0 },					/* MAKE */
	{ ESRCH, EBUSY },			/* RESIZE */
	{ ESRCH, EBUSY, EPERM, EAGAIN, ETIMEDOUT, EINTR },	/* STOP */
	{ ESRCH, EPERM },			/* START */
	{ ENOENT },				/* PREEMPT */
	{ ENOENT },				/* TUNE */
	{ ENOENT },				/* INFO */
};

static bool is_among(int error, const int *list, unsigned int n)
{
	while (n--)
		if (list[n] && list[n] == error)
			return true;
	return false;
}

static void judge_answer(int number, int error)
{
	bool fine = !error || is_among(error, always, ARRAY_SIZE(always));

	if (number == CALL_UNKNOWN)
		fine = error == ENOTTY;
	else if (!fine)
		fine = is_among(error, documented[number], ARRAY_SIZE(documented[number]));
	if (!fine)
		fail(ORACLE_ANSWER, "call %d answered %s", number, strerrorname_np(error) ?: "0");
}

int call(struct thread *t, unsigned long cmd, void *arg)
{
	int number = number_of(cmd), ret = gs_ioctl(t->r->gs.fd, cmd, arg);

	count_call(number, -ret);
	judge_answer(number, -ret);
	if (ret == -ECANCELED && GS_LOAD(t->r->closed))
		t->m = NO_M;
	else if (ret == -ECANCELED)
		fail(ORACLE_ANSWER, "%d: ECANCELED, and nobody closed", number);
	if (cmd == GSCHED_IOC_UNREGISTER && !ret)
		t->m = NO_M;
	if (cmd == GSCHED_IOC_STOP && (!ret || ret == -ETIMEDOUT || ret == -EINTR))
		t->stopper = true;
	if (cmd == GSCHED_IOC_START && !ret)
		t->stopper = false;
	return ret;
}

/* ---- Life ---- */

static void pause_here(struct thread *t)
{
	struct round *r = t->r;
	__u32 gen = GS_LOAD(r->gen);

	if (GS_LOAD(r->phase) != PHASE_PAUSE)
		return;
	if (is_m(t)) {
		set_mode(t, GSCHED_MODE_NORMAL);
		set_nopreempt(t, 0);
		/* Nobody else could, while it sleeps. */
		gs_ioctl(r->gs.fd, GSCHED_IOC_START, NULL);
		t->stopper = false;
	}
	GS_STORE(t->paused, 1);
	futex_wait(&r->gen, gen);
	GS_STORE(t->paused, 0);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	struct round *r = t->r;
	enum phase phase;

	self = t;
	t->tid = gettid();
	GS_STORE(shared->tids[t->index], t->tid);
	while ((phase = GS_LOAD(r->phase)) != PHASE_END && !t->ended) {
		if (phase == PHASE_FUZZ)
			one_op(t);
		else if (phase == PHASE_PAUSE)
			pause_here(t);
		else
			take_job(t);
	}
	GS_STORE(shared->tids[t->index], 0);
	GS_STORE(t->ended, 1);
	return NULL;
}

/* Also to replace one that has ended, whose operations it goes on with. */
int thread_start(struct round *r, unsigned int index)
{
	struct thread *t = &r->thread[index];
	int ret;

	t->r = r;
	t->index = index;
	t->m = NO_M;
	t->ended = 0;
	t->paused = 0;
	t->guard = NULL;
	t->stopper = false;
	t->handler_g = rng_of(r->seed, r->number, index, ~t->next_op);
	if (!t->timer)
		t->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	ret = -pthread_create(&t->pthread, NULL, thread_main, t);
	t->alive = !ret;
	return ret;
}
