// SPDX-License-Identifier: GPL-2.0
/*
 * Operations as a runtime does them, mostly
 *
 * Each draws from t->g alone, which is seeded anew for each operation.
 */
#include "fuzz.h"

#include <sys/resource.h>
#include <sys/timerfd.h>

/* ---- The calls ---- */

int do_register(struct thread *t, __u32 flags)
{
	struct gsched_register arg = { .size = sizeof(arg), .flags = flags, .m = NO_M };
	int ret = call(t, GSCHED_IOC_REGISTER, &arg);

	if (!ret) {
		GS_STORE(t->m, arg.m);
		count_change(M_REGISTERED, 1);
	}
	return ret;
}

int do_acquire(struct thread *t, __u64 deadline)
{
	struct gsched_acquire arg = { .size = sizeof(arg), .deadline_ns = deadline };
	bool free = is_m(t) && !status_word(t);
	int ret = call(t, GSCHED_IOC_ACQUIRE, &arg);

	if (!ret && free)
		count_change(M_FREE_ON, 1);
	if (ret == -ETIMEDOUT)
		count_change(M_WAITING_FREE, 1);
	return ret;
}

int do_park(struct thread *t, __u32 flags, __u64 deadline, __u32 word, __u32 expected)
{
	struct gsched_park arg = {
		.size = sizeof(arg), .flags = flags, .deadline_ns = deadline, .word = word,
		.expected = expected,
	};

	return call(t, GSCHED_IOC_PARK, &arg);
}

int do_unpark(struct thread *t, __u32 m)
{
	struct gsched_unpark arg = { .size = sizeof(arg), .m = m };

	return call(t, GSCHED_IOC_UNPARK, &arg);
}

static int do_info(struct thread *t, __u32 what, __u32 index, void *buf, __u32 size)
{
	struct gsched_info arg = {
		.size = sizeof(arg), .what = what, .index = index, .buf = (uintptr_t)buf,
		.buf_size = size,
	};

	return call(t, GSCHED_IOC_INFO, &arg);
}

static int do_make(struct thread *t, __s32 n)
{
	struct gsched_make arg = { .size = sizeof(arg), .n = n };

	return call(t, GSCHED_IOC_MAKE, &arg);
}

/* ---- What they need ---- */

/* Mostly soon, seldom never: a round is short. */
__u64 some_deadline(struct rng *g)
{
	switch (below(g, 10)) {
	case 0:
		return 0;
	case 1:
		return gs_now() - below(g, GS_MS);
	case 2:
		return GSCHED_FOREVER;
	case 3:
	case 4:
		return gs_now() + below(g, 50000);
	default:
		return gs_now() + below(g, 3 * GS_MS);
	}
}

/* Mostly an M that there is */
static __u32 some_m(struct thread *t)
{
	return below(&t->g, t->r->nr_threads + 1);
}

static __u32 some_p(struct thread *t)
{
	return chance(&t->g, 30) ? GSCHED_P_ALL : below(&t->g, t->r->gs.setup.max_p);
}

static void compute(struct thread *t, unsigned int most)
{
	unsigned int n;

	for (n = below(&t->g, most); n; n--)
		asm volatile("");
}

static bool has_p(struct thread *t)
{
	__u64 word = status_word(t);

	return GSCHED_M_P(word) && !(word & GSCHED_M_LOST_P);
}

static bool be_m(struct thread *t)
{
	return is_m(t) || !do_register(t, 0);
}

static bool be_on(struct thread *t)
{
	return be_m(t) && (has_p(t) || !do_acquire(t, gs_now() + 20 * GS_MS));
}

/* ---- Running and blocking ---- */

static void op_run(struct thread *t)
{
	struct look before;

	if (!be_on(t))
		return;
	look(t, &before);
	compute(t, 3000);
	look_again(t, &before);
}

static void block_in_nanosleep(struct thread *t)
{
	struct timespec ts = { .tv_nsec = below(&t->g, 300000) };

	nanosleep(&ts, NULL);
}

static void block_in_read(struct thread *t)
{
	struct itimerspec when = { .it_value.tv_nsec = 1 + below(&t->g, 200000) };
	__u64 ticks;

	timerfd_settime(t->timer, 0, &when, NULL);
	if (read(t->timer, &ticks, sizeof(ticks)) < 0 && errno != EINTR)
		fail(ORACLE_HANG, "read of a timer: %s", strerror(errno));
}

static void block_in_futex(struct thread *t)
{
	pthread_mutex_lock(&t->r->mutex);
	compute(t, 2000);
	pthread_mutex_unlock(&t->r->mutex);
}

static void block_in_fault(struct thread *t)
{
	madvise(t->page, 4096, MADV_DONTNEED);
	if (GS_LOAD(*t->page))
		fail(ORACLE_HANG, "a page came with something in it");
}

static void block_in_poll(struct thread *t)
{
	struct timespec ts = { .tv_nsec = below(&t->g, 100000) };

	ppoll(NULL, 0, &ts, NULL);
}

static void block_in_yield(struct thread *t)
{
	sched_yield();
}

static void (* const block[])(struct thread *t) = {
	block_in_nanosleep, block_in_read, block_in_futex, block_in_fault, block_in_poll,
	block_in_yield,
};

static void op_block(struct thread *t)
{
	struct look before;

	if (!be_on(t))
		return;
	look(t, &before);
	block[below(&t->g, ARRAY_SIZE(block))](t);
	look_again(t, &before);
}

/* As the poller does: without a P it goes on, but touches nothing (protocol 5). */
static void op_cooperative(struct thread *t)
{
	if (!be_on(t))
		return;
	set_mode(t, GSCHED_MODE_COOPERATIVE);
	block[below(&t->g, ARRAY_SIZE(block))](t);
	set_mode(t, GSCHED_MODE_NORMAL);
	if (is_m(t) && !has_p(t))
		do_acquire(t, some_deadline(&t->g));
}

static void op_nopreempt(struct thread *t)
{
	struct look before;

	if (!be_on(t))
		return;
	set_nopreempt(t, 1);
	look(t, &before);
	block[below(&t->g, ARRAY_SIZE(block))](t);
	look_again(t, &before);
	set_nopreempt(t, 0);
}

/* ---- Calls ---- */

static void op_park(struct thread *t)
{
	__u32 flags = 0, word = 0, expected = 0;

	if (!be_m(t))
		return;
	if (chance(&t->g, 30))
		flags |= GSCHED_PARK_PRIVATE;
	if (chance(&t->g, 15)) {
		flags |= GSCHED_PARK_COMPARE;
		word = below(&t->g, 4);
		expected = below(&t->g, 2);
	}
	do_park(t, flags, some_deadline(&t->g), word, expected);
}

static void op_unpark(struct thread *t)
{
	do_unpark(t, some_m(t));
}

static void op_wake(struct thread *t)
{
	call(t, GSCHED_IOC_WAKE, NULL);
}

static void op_switch(struct thread *t)
{
	struct gsched_switch arg = { .size = sizeof(arg) };

	if (!be_on(t))
		return;
	arg.m = chance(&t->g, 50) ? GSCHED_M_OLDEST : some_m(t);
	call(t, GSCHED_IOC_SWITCH, &arg);
}

static void op_release(struct thread *t)
{
	bool on = has_p(t);

	if (is_m(t) && !call(t, GSCHED_IOC_RELEASE, NULL) && on)
		count_change(M_ON_FREE, 1);
}

static void op_acquire(struct thread *t)
{
	if (be_m(t))
		do_acquire(t, some_deadline(&t->g));
}

static void op_register(struct thread *t)
{
	__u32 flags = 0;

	if (chance(&t->g, 30) && !do_make(t, 1 + below(&t->g, 2)))
		flags = GSCHED_REGISTER_MADE;
	do_register(t, flags);
}

static void op_unregister(struct thread *t)
{
	bool on = has_p(t);

	if (is_m(t) && !call(t, GSCHED_IOC_UNREGISTER, NULL))
		count_change(on ? M_ON_DEAD : M_FREE_DEAD, 1);
}

static void op_make(struct thread *t)
{
	do_make(t, (__s32)below(&t->g, 5) - 3);
}

static void op_info(struct thread *t)
{
	struct gsched_info_domain d = { 0 };
	struct gsched_info_p p = { 0 };
	struct gsched_info_hist h = { 0 };
	struct gsched_info_m m = { 0 };

	switch (below(&t->g, 4)) {
	case 0:
		if (!do_info(t, GSCHED_INFO_DOMAIN, 0, &d, sizeof(d)))
			check_domain_info(t->r, &d);
		break;
	case 1:
		if (!do_info(t, GSCHED_INFO_P, below(&t->g, 8), &p, sizeof(p)) &&
		    p.state > GSCHED_P_DEAD)
			fail(ORACLE_COUNTS, "a P in state %u", p.state);
		break;
	case 2:
		do_info(t, GSCHED_INFO_HIST, below(&t->g, 5), &h, sizeof(h));
		break;
	default:
		if (!do_info(t, GSCHED_INFO_M, some_m(t), &m, sizeof(m)) &&
		    (m.state >= GSCHED_M_DEAD || m.p > GSCHED_MAX_P))
			fail(ORACLE_COUNTS, "an M in state %u with P %d", m.state, (int)m.p - 1);
	}
}

static void op_preempt(struct thread *t)
{
	struct gsched_preempt arg = { .size = sizeof(arg) };

	arg.m = chance(&t->g, 30) ? GSCHED_M_ALL : some_m(t);
	call(t, GSCHED_IOC_PREEMPT, &arg);
}

/* Within what is allowed; op_hostile() goes beyond. */
static void op_tune(struct thread *t)
{
	struct gsched_tune arg = { .size = sizeof(arg) };

	switch (below(&t->g, 6)) {
	case 0:
		arg.flags = GSCHED_TUNE_SLICE;
		arg.slice_ns = chance(&t->g, 20) ? 0 : 500000 + below(&t->g, 2000000);
		break;
	case 1:
		arg.flags = GSCHED_TUNE_GRACE;
		arg.grace_ns = chance(&t->g, 20) ? 0 : 100000 + below(&t->g, 1000000);
		break;
	case 2:
	case 3:
		arg.flags = GSCHED_TUNE_POLICY;
		arg.policy = below(&t->g, 4);
		arg.policy_ns = arg.policy == GSCHED_POLICY_AFTER ? 1000 + below(&t->g, GS_MS) : 0;
		arg.p = some_p(t);
		break;
	case 4:
		arg.flags = GSCHED_TUNE_SPARE;
		arg.spare = below(&t->g, 6);
		break;
	default:
		arg.flags = GSCHED_TUNE_CPU;
		arg.cpu = chance(&t->g, 30) ? GSCHED_CPU_ANY : below(&t->g, 4);
		arg.p = some_p(t);
	}
	call(t, GSCHED_IOC_TUNE, &arg);
}

static int do_stop(struct thread *t, __u64 deadline)
{
	struct gsched_stop arg = { .size = sizeof(arg), .deadline_ns = deadline };
	int ret = call(t, GSCHED_IOC_STOP, &arg);

	if (!ret)
		look_at_stopped_world(t);
	return ret;
}

static void do_resize(struct thread *t)
{
	struct gsched_resize arg = { .size = sizeof(arg) };
	__u32 most = t->r->gs.setup.max_p;

	arg.nr_p = 1 + below(&t->g, most < MOST_P ? most : MOST_P);
	if (!call(t, GSCHED_IOC_RESIZE, &arg))
		look_at_stopped_world(t);
}

/* Stop, change, do something that may sleep, start; now and then not all of it. */
static void op_stop(struct thread *t)
{
	if (!be_on(t) || (do_stop(t, some_deadline(&t->g)) && chance(&t->g, 80))) {
		if (t->stopper)
			call(t, GSCHED_IOC_START, NULL);
		return;
	}
	if (chance(&t->g, 50))
		do_resize(t);
	if (chance(&t->g, 30))
		block[below(&t->g, ARRAY_SIZE(block))](t);
	if (chance(&t->g, 20))
		do_resize(t);
	if (chance(&t->g, 90))
		call(t, GSCHED_IOC_START, NULL);
}

static void op_poll(struct thread *t)
{
	struct pollfd pfd = { .fd = t->r->gs.fd, .events = POLLIN | POLLPRI };
	int ret = poll(&pfd, 1, below(&t->g, 2));

	count_call(CALL_POLL, ret < 0 ? errno : 0);
	if (ret > 0 && pfd.revents & POLLERR && !GS_LOAD(t->r->closed))
		fail(ORACLE_ANSWER, "poll of an open domain says %#x", pfd.revents);
}

/* Work as the library makes it: publish, fence, look, WAKE; somebody takes it sooner or later. */
static void op_enqueue(struct thread *t)
{
	struct gs *gs = &t->r->gs;

	if (chance(&t->g, 50))
		__atomic_fetch_add(&gs->hint->gqlen, 1, __ATOMIC_SEQ_CST);
	else
		gs_put_work(gs, below(&t->g, GS_LOAD(gs->status->nr_p)));
	atomic_thread_fence(memory_order_seq_cst);
	if (GS_LOAD(gs->status->nidle) || GS_LOAD(gs->status->some_blocked))
		call(t, GSCHED_IOC_WAKE, NULL);
}

static void op_dequeue(struct thread *t)
{
	struct gs *gs = &t->r->gs;

	GS_STORE(gs->hint->gqlen, 0);
	gs_take_work(gs, below(&t->g, GS_LOAD(gs->status->nr_p)));
}

/* Two that take turns */
static void op_ping(struct thread *t)
{
	if (!be_on(t))
		return;
	do_unpark(t, some_m(t));
	do_park(t, 0, gs_now() + GS_MS, 0, 0);
}

/* ---- What happens to threads ---- */

static void op_exit(struct thread *t)
{
	/* Not while a neighbour needs it: the mutex is taken in block_in_futex() alone. */
	t->ended = 1;
}

static int some_tid(struct thread *t)
{
	return GS_LOAD(shared->tids[below(&t->g, t->r->nr_threads)]);
}

static void op_signal(struct thread *t)
{
	static const int sig[] = { SIGUSR1, SIGUSR1, SIGUSR2, SIGWINCH, SIGURG };
	int s = sig[below(&t->g, ARRAY_SIZE(sig))], tid = some_tid(t);

	if (chance(&t->g, 10))
		kill(getpid(), s);
	else if (tid)
		syscall(SYS_tgkill, getpid(), tid, s);
}

static void op_move(struct thread *t)
{
	int tid = some_tid(t);
	cpu_set_t set;
	unsigned int i, bits = 1 + below(&t->g, 255);

	CPU_ZERO(&set);
	for (i = 0; i < 8; i++)
		if (bits & 1 << i)
			CPU_SET(i, &set);
	if (tid)
		sched_setaffinity(tid, sizeof(set), &set);
}

static void op_nice(struct thread *t)
{
	static const int policy[] = { SCHED_OTHER, SCHED_BATCH, SCHED_IDLE };
	struct sched_param param = { 0 };
	int tid = some_tid(t);

	if (!tid)
		return;
	if (chance(&t->g, 50))
		setpriority(PRIO_PROCESS, tid, below(&t->g, 20));
	else
		sched_setscheduler(tid, policy[below(&t->g, ARRAY_SIZE(policy))], &param);
}

/* A signal handler is user code like any other, and may call the device. */
void in_handler(struct thread *t)
{
	struct rng g = t->g;

	t->g = t->handler_g;
	switch (GS_LOAD(t->r->phase) == PHASE_FUZZ ? below(&t->g, 8) : 8) {
	case 0:
		op_wake(t);
		break;
	case 1:
		op_unpark(t);
		break;
	case 2:
		op_info(t);
		break;
	case 3:
		if (is_m(t))
			do_acquire(t, gs_now() + below(&t->g, GS_MS));
		break;
	case 4:
		if (is_m(t))
			do_park(t, 0, gs_now() + below(&t->g, GS_MS), 0, 0);
		break;
	case 5:
		op_release(t);
		break;
	default:
		break;
	}
	t->handler_g = t->g;
	t->g = g;
}

/* ---- Which, and how often ---- */

static const struct op {
	void		(*fn)(struct thread *t);
	unsigned int	weight[NR_ROLES];	/* in the order of the roles */
} ops[] = {
	{ op_run,		{ 120, 0, 0, 0, 120 } },
	{ op_block,		{ 200, 0, 0, 0, 250 } },
	{ op_cooperative,	{ 10, 0, 0, 0, 0 } },
	{ op_nopreempt,		{ 10, 0, 0, 0, 10 } },
	{ op_park,		{ 150, 0, 0, 0, 120 } },
	{ op_unpark,		{ 120, 300, 20, 50, 120 } },
	{ op_wake,		{ 60, 200, 50, 50, 60 } },
	{ op_switch,		{ 60, 0, 0, 0, 50 } },
	{ op_release,		{ 60, 0, 0, 0, 60 } },
	{ op_acquire,		{ 60, 0, 0, 0, 60 } },
	{ op_register,		{ 5, 0, 0, 0, 5 } },
	{ op_unregister,	{ 10, 0, 0, 0, 10 } },
	{ op_make,		{ 10, 30, 0, 0, 0 } },
	{ op_info,		{ 30, 200, 0, 50, 20 } },
	{ op_stop,		{ 15, 0, 0, 0, 15 } },
	{ op_preempt,		{ 10, 20, 0, 0, 10 } },
	{ op_tune,		{ 5, 20, 0, 10, 10 } },
	{ op_poll,		{ 10, 50, 0, 0, 5 } },
	{ op_enqueue,		{ 60, 50, 0, 0, 50 } },
	{ op_dequeue,		{ 60, 20, 50, 0, 60 } },
	{ op_ping,		{ 40, 0, 0, 0, 40 } },
	{ op_exit,		{ 3, 1, 0, 0, 3 } },
	{ op_signal,		{ 10, 0, 0, 200, 0 } },
	{ op_move,		{ 3, 0, 0, 20, 0 } },
	{ op_nice,		{ 2, 0, 0, 10, 0 } },
	{ op_hostile,		{ 60, 100, 0, 20, 0 } },
	{ op_map,		{ 5, 30, 10, 0, 0 } },
	{ op_stacks,		{ 2, 20, 0, 0, 3 } },
	{ op_arena,		{ 2, 20, 20, 0, 0 } },
	{ op_scribble,		{ 5, 0, 400, 0, 0 } },
	{ op_hints,		{ 10, 0, 200, 0, 0 } },
	{ op_other_domain,	{ 1, 10, 0, 1, 0 } },
	{ op_child,		{ 1, 3, 0, 2, 0 } },
};

static const struct op *draw(struct rng *g, enum role role)
{
	unsigned int i, sum = 0, n;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		sum += ops[i].weight[role];
	n = below(g, sum);
	for (i = 0; n >= ops[i].weight[role]; i++)
		n -= ops[i].weight[role];
	return &ops[i];
}

/* What ends a round for everybody */
static void do_deed(struct thread *t, enum ending deed)
{
	struct round *r = t->r;
	int fd;

	switch (deed) {
	case ENDING_CLOSE:
		/* Any descriptor of the file will do, and this one nobody else uses. */
		GS_STORE(r->closed, 1);
		fd = fcntl(r->gs.fd, F_DUPFD_CLOEXEC, 0);
		close(fd);
		break;
	case ENDING_EXEC:
		/* Those that are pending would kill the program, which has no handlers. */
		signal(SIGUSR1, SIG_IGN);
		signal(SIGUSR2, SIG_IGN);
		execl("/proc/self/exe", "fuzz", "--exec-child", NULL);
		break;
	case ENDING_EXIT:
		_exit(0);
	case ENDING_CRASH:
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
		break;
	default:
		break;
	}
}

void one_op(struct thread *t)
{
	struct round *r = t->r;
	enum ending deed = __atomic_exchange_n(&t->deed, 0, __ATOMIC_SEQ_CST);

	if (deed)
		do_deed(t, deed);
	t->g = rng_of(r->seed, r->number, t->index, t->next_op++);
	/* A world that nobody starts would be the end of all the others do. */
	if (t->stopper && chance(&t->g, 70) && call(t, GSCHED_IOC_START, NULL))
		t->stopper = false;
	draw(&t->g, t->role)->fn(t);
	__atomic_fetch_add(&shared->ops, 1, __ATOMIC_RELAXED);
}
