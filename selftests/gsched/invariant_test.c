// SPDX-License-Identifier: GPL-2.0
/*
 * The central invariant (protocol 2 and 5): a P has one owner at a time, and no registered M runs
 * user code without one but in the few counted ways.
 *
 * 8N threads share N Ps. Each turn of each thread reads what the status pages say of it, computes,
 * blocks or faults, and reads again:
 *
 * - It has a P both times: it is in user mode, and in normal mode.
 * - If it did not fall asleep in between, which its own blocked_ns tells, and was not sent to the
 *   border at the end of a slice or for a stop of the world, which its lost_ns tells, nothing may
 *   have changed: a P leaves an M only there, while it sleeps, or by its own doing. And the P says
 *   it is its.
 * - If its P and that P's hand-over count are the same, it was the owner under that count, and
 *   publishes so. No other M may ever publish the same P and count.
 *
 * The checks are functions of what was read, so that they can be shown to fail.
 *
 * GSCHED_INVARIANT_SECONDS says how long each run takes (10).
 */
#include "gsched_util.h"

#include <linux/userfaultfd.h>

#include "ledger.h"

#include "kselftest_harness.h"

#define PER_P		8
#define MOST_PS		4
#define MOST_MS		(MOST_PS * PER_P)
#define RUN_TIMEOUT	180
#define SHORTEST_NS	(GS_MS / 2)	/* of a slice */

/* ---- the checks ---- */

/* What an M reads of itself at one point */
struct look {
	__u64 word;		/* its status word */
	__u64 blocked_ns;
	__u64 lost_ns;
	__u64 p_word;
	__u64 count;
};

enum verdict {
	FINE,			/* it left user mode and has another P or count: not published */
	OWNER,			/* fine, and it owned the P under that count all the time */
	NO_P,			/* in user mode without a P */
	LOST_AWAKE,		/* P or count changed though it did not leave user mode */
	NOT_ITS_P,		/* the P says it is another's, though it did not */
};

static enum verdict judge(const struct look *before, const struct look *after, __u32 m)
{
	bool left = before->blocked_ns != after->blocked_ns || before->lost_ns != after->lost_ns;

	if (!GSCHED_M_P(before->word) || !GSCHED_M_P(after->word) ||
	    ((before->word | after->word) & GSCHED_M_LOST_P))
		return NO_P;
	if (!left && (before->word != after->word || before->count != after->count))
		return LOST_AWAKE;
	if (!left && (GSCHED_P_WORD_M(after->p_word) != m ||
		      GSCHED_P_WORD_STATE(after->p_word) != GSCHED_P_RUNNING))
		return NOT_ITS_P;
	return before->word == after->word && before->count == after->count ? OWNER : FINE;
}

/* ---- the runs ---- */

struct worker {
	struct run	*run;
	pthread_t	thread;
	__u32		m;
	unsigned int	seed;
	char		*page;		/* one that is missing again and again */
	__u64		verdicts[NOT_ITS_P + 1];
	__u64		two_owners;
	int		error;
};

struct run {
	struct gs	gs;
	struct ledger	*ledger;
	pthread_mutex_t	mutex;
	int		tokens[2];	/* a pipe with fewer bytes in it than threads want one */
	int		uffd;
	bool		over;
	bool		slices;		/* they end all the time */
	bool		stops;		/* the world stops all the time */
	pthread_t	stopper;
	int		stopper_error;
	bool		lies;		/* the first worker also publishes under another's name */
	struct worker	worker[MOST_MS];
};

static void look(struct worker *w, struct look *l)
{
	struct gs *gs = &w->run->gs;
	__u32 p;

	l->blocked_ns = GS_LOAD(gs->ms[w->m].blocked_ns);
	l->lost_ns = GS_LOAD(gs->ms[w->m].lost_ns);
	l->word = GS_LOAD(gs->ms[w->m].word);
	p = GSCHED_M_P(l->word) ? GSCHED_M_P(l->word) - 1 : 0;
	l->p_word = GS_LOAD(gs->ps[p].word);
	l->count = GS_LOAD(gs->ps[p].count);
}

/* The same in the opposite order: what happens within two looks is seen by the times. */
static void look_again(struct worker *w, struct look *l)
{
	struct gs *gs = &w->run->gs;
	__u32 p;

	l->word = GS_LOAD(gs->ms[w->m].word);
	p = GSCHED_M_P(l->word) ? GSCHED_M_P(l->word) - 1 : 0;
	l->p_word = GS_LOAD(gs->ps[p].word);
	l->count = GS_LOAD(gs->ps[p].count);
	l->blocked_ns = GS_LOAD(gs->ms[w->m].blocked_ns);
	l->lost_ns = GS_LOAD(gs->ms[w->m].lost_ns);
}

static unsigned int pick(struct worker *w, unsigned int n)
{
	w->seed = w->seed * 1103515245 + 12345;
	return (w->seed >> 16) % n;
}

static void compute(struct worker *w)
{
	unsigned int n;

	for (n = pick(w, 2000); n; n--)
		asm volatile("");
}

/* Long enough for the end of a slice, where there are slices */
static void compute_on(struct worker *w)
{
	__u64 end = gs_now() + 2 * SHORTEST_NS;

	compute(w);
	while (w->run->slices && gs_now() < end)
		;
}

static void block_in_nanosleep(struct worker *w)
{
	struct timespec ts = { .tv_nsec = pick(w, 300000) };

	nanosleep(&ts, NULL);
}

static void block_in_read(struct worker *w)
{
	char token;

	if (read(w->run->tokens[0], &token, 1) != 1)
		w->error = errno;
	compute(w);
	if (write(w->run->tokens[1], &token, 1) != 1)
		w->error = errno;
}

static void block_in_futex(struct worker *w)
{
	pthread_mutex_lock(&w->run->mutex);
	compute(w);
	pthread_mutex_unlock(&w->run->mutex);
}

static void fault(struct worker *w)
{
	if (madvise(w->page, 4096, MADV_DONTNEED))
		w->error = errno;
	if (GS_LOAD(*w->page))
		w->error = EIO;
}

static void (* const stretch[])(struct worker *w) = {
	block_in_nanosleep, block_in_read, block_in_futex, fault,
	compute, compute, compute, compute_on,
};

static void take_turn(struct worker *w)
{
	struct look before, after;
	enum verdict verdict;
	__u32 p;

	look(w, &before);
	stretch[pick(w, ARRAY_SIZE(stretch))](w);
	look_again(w, &after);
	verdict = judge(&before, &after, w->m);
	w->verdicts[verdict]++;
	if (verdict != OWNER)
		return;
	p = GSCHED_M_P(before.word) - 1;
	if (!publish(w->run->ledger, p, before.count, w->m))
		w->two_owners++;
	if (!w->run->lies || w != w->run->worker)
		return;
	/* As if the P had been granted twice under this count. */
	if (!publish(w->run->ledger, p, before.count, w->m + 1))
		w->two_owners++;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct gs *gs = &w->run->gs;
	int ret = gs_register(gs, 0, &w->m);

	if (!ret)
		ret = gs_acquire(gs, GSCHED_FOREVER);
	w->error = ret;
	while (!w->error && !GS_LOAD(w->run->over))
		take_turn(w);
	if (!w->error)
		w->error = gs_unregister(gs);
	return NULL;
}

/* One more M, which stops the world and starts it. */
static void *stop_and_start(void *arg)
{
	struct run *run = arg;
	struct worker w = { .seed = 99 };
	int ret = gs_register(&run->gs, 0, &w.m);

	if (!ret)
		ret = gs_acquire(&run->gs, GSCHED_FOREVER);
	while ((!ret || ret == -EAGAIN) && !GS_LOAD(run->over)) {
		ret = gs_stop(&run->gs, GSCHED_FOREVER, NULL);
		compute(&w);
		if (!ret)
			ret = gs_start(&run->gs);
		compute(&w);
	}
	if (!ret || ret == -EAGAIN)
		ret = gs_unregister(&run->gs);
	run->stopper_error = ret;
	return NULL;
}

/* Fills the pages that are missing; it is no M, so that it always runs. */
static void *fill(void *arg)
{
	struct run *run = arg;
	struct uffd_msg msg;

	while (read(run->uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		struct uffdio_zeropage zero = {
			.range = { msg.arg.pagefault.address & ~4095ULL, 4096 },
		};

		ioctl(run->uffd, UFFDIO_ZEROPAGE, &zero);
	}
	return NULL;
}

static int start_filler(struct run *run, char *pages, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)pages, size }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	pthread_t filler;

	run->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (run->uffd < 0 || ioctl(run->uffd, UFFDIO_API, &api) ||
	    ioctl(run->uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	return -pthread_create(&filler, NULL, fill, run);
}

static int start(struct run *run, unsigned int nr_p)
{
	size_t size = nr_p * PER_P * 4096;
	unsigned int i;
	char *pages;
	int ret;

	run->ledger = mmap(NULL, sizeof(*run->ledger), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (run->ledger == MAP_FAILED || pipe(run->tokens))
		return -errno;
	pthread_mutex_init(&run->mutex, NULL);
	ret = gs_make_domain(&run->gs, nr_p, 0);
	pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!ret)
		ret = pages == MAP_FAILED ? -errno : start_filler(run, pages, size);
	for (i = 0; !ret && i < 2 * nr_p; i++)
		ret = write(run->tokens[1], "", 1) == 1 ? 0 : -errno;
	for (i = 0; !ret && i < nr_p * PER_P; i++) {
		run->worker[i] = (struct worker) {
			.run = run, .seed = i + 1, .page = pages + i * 4096,
		};
		ret = -pthread_create(&run->worker[i].thread, NULL, work, &run->worker[i]);
	}
	if (!ret && run->slices)
		ret = gs_slice(&run->gs, SHORTEST_NS);
	if (!ret && run->stops)
		ret = -pthread_create(&run->stopper, NULL, stop_and_start, run);
	return ret;
}

static unsigned int seconds(void)
{
	const char *s = getenv("GSCHED_INVARIANT_SECONDS");

	return s ? atoi(s) : 10;
}

/* What all workers found, in the first one's place */
static struct worker *sum_up(struct run *run, unsigned int n)
{
	struct worker *sum = &run->worker[0];
	unsigned int i, v;

	for (i = 1; i < n; i++) {
		const struct worker *w = &run->worker[i];

		sum->two_owners += w->two_owners;
		sum->error = sum->error ? sum->error : w->error;
		for (v = 0; v <= NOT_ITS_P; v++)
			sum->verdicts[v] += w->verdicts[v];
	}
	return sum;
}

FIXTURE(invariant) {
	struct run *run;
};

FIXTURE_VARIANT(invariant) {
	unsigned int nr_p;
	bool slices, stops;
};

FIXTURE_VARIANT_ADD(invariant, of_1_p) { .nr_p = 1 };
FIXTURE_VARIANT_ADD(invariant, of_3_ps) { .nr_p = 3 };
FIXTURE_VARIANT_ADD(invariant, of_3_ps_in_slices) { .nr_p = 3, .slices = true };
FIXTURE_VARIANT_ADD(invariant, of_3_ps_and_stops) { .nr_p = 3, .slices = true, .stops = true };

FIXTURE_SETUP(invariant)
{
	self->run = calloc(1, sizeof(*self->run));
	ASSERT_NE(NULL, self->run);
	self->run->slices = variant->slices;
	self->run->stops = variant->stops;
}

FIXTURE_TEARDOWN(invariant)
{
}

static bool ends(struct run *run, pthread_t thread, const char *what, __u32 m)
{
	struct timespec ts = { .tv_sec = time(NULL) + GS_PATIENCE_NS / 1000000000 };

	if (!pthread_timedjoin_np(thread, NULL, &ts))
		return true;
	fprintf(stderr, "# the %s, M%u, does not end\n", what, m);
	gs_dump(&run->gs);
	return false;
}

/* Lets the workers run for @s seconds; all of them get on until the end, and end. */
static bool run_for(struct run *run, unsigned int n, unsigned int s)
{
	struct timespec ts = { .tv_sec = s };
	unsigned int i;

	while (nanosleep(&ts, &ts))
		;
	GS_STORE(run->over, true);
	for (i = 0; i < n; i++)
		if (!ends(run, run->worker[i].thread, "worker", run->worker[i].m))
			return false;
	return !run->stops || ends(run, run->stopper, "stopper", 0);
}

/*
 * Protocol 2 and 5: a P and a count never have two owners, and nobody runs user code without a P.
 */
TEST_F_TIMEOUT(invariant, holds, RUN_TIMEOUT)
{
	unsigned int i, n = variant->nr_p * PER_P;
	struct gsched_info_domain counts;
	struct worker *sum;

	ASSERT_EQ(0, start(self->run, variant->nr_p));
	ASSERT_TRUE(run_for(self->run, n, seconds()));
	for (i = 0; i < n; i++) {
		EXPECT_LT(0, self->run->worker[i].verdicts[OWNER]) TH_LOG("worker %u", i);
	}
	sum = sum_up(self->run, n);
	counts = gs_counts(&self->run->gs);
	TH_LOG("%llu turns with one P, %llu with several; %llu blocks, %llu handoffs",
	       sum->verdicts[OWNER], sum->verdicts[FINE], counts.blocks, counts.handoffs);
	TH_LOG("%llu borders, %llu retakes, %llu stops",
	       counts.borders, counts.retakes, counts.stops);
	EXPECT_EQ(0, sum->error);
	EXPECT_EQ(0, self->run->stopper_error);
	EXPECT_EQ(0, sum->verdicts[NO_P]);
	EXPECT_EQ(0, sum->verdicts[LOST_AWAKE]);
	EXPECT_EQ(0, sum->verdicts[NOT_ITS_P]);
	EXPECT_EQ(0, sum->two_owners);
	/* It was put to the test: Ps changed hands, sleepers met the border. */
	EXPECT_LT(100, counts.handoffs);
	EXPECT_LT(100, counts.borders);
	if (variant->slices)
		EXPECT_LT(100, counts.retakes);
	if (variant->stops)
		EXPECT_LT(100, counts.stops);
	/* No M had a reason to pass it. */
	EXPECT_EQ(0, counts.excess_step);
	EXPECT_EQ(0, counts.excess_traced);
	EXPECT_EQ(0, counts.excess_cooperative);
	EXPECT_EQ(0, counts.excess_signal);
	EXPECT_EQ(0, counts.excess_exit);
	/* At the end every P is back. */
	EXPECT_EQ(variant->nr_p, counts.nidle);
	EXPECT_EQ(0, counts.nr_m);
	EXPECT_EQ(0, counts.nwaiting);
}

/* It can fail: one owner entered a second time under another name, in a run as above, is found. */
TEST_F_TIMEOUT(invariant, a_grant_by_hand_is_found, RUN_TIMEOUT)
{
	ASSERT_NE(NULL, self->run);
	self->run->lies = true;
	ASSERT_EQ(0, start(self->run, variant->nr_p));
	ASSERT_TRUE(run_for(self->run, variant->nr_p * PER_P, 1));
	EXPECT_LT(0, sum_up(self->run, variant->nr_p * PER_P)->two_owners);
}

/* It can fail: each wrong thing an M could read is judged wrong. */
TEST(each_verdict_is_reached)
{
	const struct look good = {
		.word = 2, .blocked_ns = 7, .count = 40,
		.p_word = GSCHED_P_WORD(GSCHED_P_RUNNING, 5),
	};
	struct look bad;

	EXPECT_EQ(OWNER, judge(&good, &good, 5));
#define JUDGED(verdict, ...) do {					\
	bad = good;							\
	__VA_ARGS__;							\
	EXPECT_EQ(verdict, judge(&good, &bad, 5)) TH_LOG("%s", #__VA_ARGS__);	\
} while (0)
	JUDGED(NO_P, bad.word = 0);
	JUDGED(NO_P, bad.word = GSCHED_M_LOST_P);
	JUDGED(NO_P, bad.word = GSCHED_M_LOST_P; bad.blocked_ns = 8);
	JUDGED(LOST_AWAKE, bad.word = 3);
	JUDGED(LOST_AWAKE, bad.count = 41);
	JUDGED(LOST_AWAKE, bad.count = 42; bad.p_word = GSCHED_P_WORD(GSCHED_P_RUNNING, 6));
	JUDGED(NOT_ITS_P, bad.p_word = GSCHED_P_WORD(GSCHED_P_RUNNING, 6));
	JUDGED(NOT_ITS_P, bad.p_word = GSCHED_P_WORD(GSCHED_P_BLOCKED, 5));
	JUDGED(NOT_ITS_P, bad.p_word = GSCHED_P_WORD(GSCHED_P_IDLE, 0));
	JUDGED(FINE, bad.blocked_ns = 8; bad.count = 42);
	JUDGED(FINE, bad.blocked_ns = 8; bad.word = 1; bad.count = 3);
	JUDGED(FINE, bad.lost_ns = 8; bad.count = 42);
	JUDGED(NO_P, bad.lost_ns = 8; bad.word = GSCHED_M_LOST_P);
	JUDGED(OWNER, bad.blocked_ns = 8);
#undef JUDGED
}

/*
 * It can fail: the ledger takes an owner as often as it comes, a second one never, an old count not
 * at all.
 */
TEST(the_ledger_knows_one_owner)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));

	ASSERT_NE(NULL, ledger);
	EXPECT_TRUE(publish(ledger, 0, 0, 0));
	EXPECT_TRUE(publish(ledger, 0, 0, 0));
	EXPECT_FALSE(publish(ledger, 0, 0, 1));
	EXPECT_TRUE(publish(ledger, 0, 1, 1));
	EXPECT_FALSE(publish(ledger, 0, 1, 0));
	EXPECT_FALSE(publish(ledger, 0, 0, 2));
	EXPECT_TRUE(publish(ledger, 1, 1, 0));
	EXPECT_TRUE(publish(ledger, 0, REMEMBERED, 3));
	EXPECT_FALSE(publish(ledger, 0, REMEMBERED, 4));
	/* Overwritten by now: nothing can be said of it. */
	EXPECT_TRUE(publish(ledger, 0, 0, 4));
	free(ledger);
}

TEST_HARNESS_MAIN
