// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once: goroutines that block, spin, fault, sleep, yield, talk, multiply, lock their
 * thread, stop the world and change the number of Ps, from one, two, eight and 64 on. Each accounts
 * for what it did: nothing is lost, nobody is left behind.
 *
 * GRT_STORM_MS is how long each storm lasts (1500).
 */
#include <errno.h>
#include <poll.h>
#include <sys/mman.h>

#include "grt_harness.h"

#define MS		1000000LL
#define WORKERS		48
#define PAGES		16
#define PAGE		4096
#define LETTERS		8	/* capacity of the letter box */

enum deed {
	BLOCK,
	SPIN,
	FAULT,
	SLEEP,
	YIELD,
	SEND,
	RECEIVE,
	MULTIPLY,
	PARK,
	LOCK,
	STOP,
	RESIZE,
	NR_DEEDS,
};

struct storm {
	int64_t		end;
	grt_chan	*box;
	grt_waitgroup	alive;
	uint64_t	sent, sent_sum;		/* atomic */
	uint64_t	received, received_sum;	/* atomic */
	uint64_t	born, died;		/* atomic */
	uint64_t	steps;			/* atomic */
	uint64_t	wrong;			/* atomic */
	int		procs;
};

struct worker {
	struct storm	*storm;
	uint32_t	seed;
	unsigned char	*memory;
	unsigned char	written[PAGES];
	long		deeds[NR_DEEDS];
};

static void add(uint64_t *count, uint64_t n)
{
	__atomic_add_fetch(count, n, __ATOMIC_RELAXED);
}

static uint32_t dice(struct worker *w)
{
	w->seed = w->seed * 1103515245 + 12345;
	return w->seed >> 16;
}

static void block(struct worker *w)
{
	grt_block_begin();
	poll(NULL, 0, dice(w) % 2);
	grt_block_end();
}

static void spin(struct worker *w)
{
	volatile int i;

	for (i = dice(w) % 20000; i > 0; i--) {
		if (i % 100 == 0)
			add(&w->storm->steps, 1);
	}
}

/* Pages are given back and read again: zeroes; or still hold what was written last. */
static void fault(struct worker *w)
{
	int page = dice(w) % PAGES;
	volatile unsigned char *at = w->memory + page * PAGE;

	if (*at != w->written[page])
		add(&w->storm->wrong, 1);
	if (dice(w) % 2) {
		madvise((void *)at, PAGE, MADV_DONTNEED);
		w->written[page] = 0;
	} else {
		w->written[page] = dice(w);
		*at = w->written[page];
	}
}

static void send(struct worker *w)
{
	uint64_t v = dice(w);

	if (grt_chan_try_send(w->storm->box, &v) == 0) {
		add(&w->storm->sent, 1);
		add(&w->storm->sent_sum, v);
	}
}

static void take(struct storm *s, uint64_t v)
{
	add(&s->received, 1);
	add(&s->received_sum, v);
}

static void receive(struct worker *w)
{
	uint64_t v;

	if (grt_chan_try_recv(w->storm->box, &v) == 1)
		take(w->storm, v);
}

static void child(void *arg)
{
	struct storm *s = arg;

	grt_yield();
	/* Some take their thread with them. */
	if (grt_self_id() % 16 == 0)
		grt_lock_thread();
	add(&s->died, 1);
	grt_waitgroup_done(&s->alive);
}

static void multiply(struct worker *w)
{
	grt_waitgroup_add(&w->storm->alive, 1);
	add(&w->storm->born, 1);
	grt_go(child, w->storm);
}

static bool ready_now(grt_g *g, void *unused)
{
	(void)unused;
	grt_ready(g);
	return true;
}

static void park(struct worker *w)
{
	bool times_out = dice(w) % 2;
	int ret = times_out ? grt_park(NULL, NULL, GRT_WAIT_USER, grt_now() + dice(w)) :
			      grt_park(ready_now, NULL, GRT_WAIT_USER, GRT_FOREVER);

	if (ret != (times_out ? -ETIMEDOUT : 0))
		add(&w->storm->wrong, 1);
}

static void nap(struct worker *w)
{
	int64_t ns = dice(w) * 10, start = grt_now();

	grt_sleep(ns);
	if (grt_now() < start + ns)
		add(&w->storm->wrong, 1);
}

static void yield(struct worker *w)
{
	(void)w;
	grt_yield();
}

/* While it is locked it is on one thread, wherever it waited. */
static void lock_thread(struct worker *w)
{
	pid_t tid;

	grt_lock_thread();
	tid = gettid();
	yield(w);
	nap(w);
	park(w);
	if (gettid() != tid)
		add(&w->storm->wrong, 1);
	grt_unlock_thread();
}

/* One in eight, or nobody would get anything else done. While the world stands nobody steps. */
static void stop(struct worker *w)
{
	uint64_t steps;
	volatile int i;
	int ret;

	if (dice(w) % 8)
		return;
	ret = grt_stop_world("storm");
	if (ret) {
		if (ret != -ETIMEDOUT)
			add(&w->storm->wrong, 1);
		return;
	}
	steps = __atomic_load_n(&w->storm->steps, __ATOMIC_SEQ_CST);
	for (i = 0; i < 10000; i++)
		;
	if (steps != __atomic_load_n(&w->storm->steps, __ATOMIC_SEQ_CST))
		add(&w->storm->wrong, 1);
	grt_start_world();
}

static void resize(struct worker *w)
{
	int ret;

	if (dice(w) % 8)
		return;
	ret = grt_set_maxprocs(1 + dice(w) % (2 * w->storm->procs));
	if (ret < 1 && ret != -ETIMEDOUT)
		add(&w->storm->wrong, 1);
}

static void work(void *arg)
{
	static void (*const deeds[NR_DEEDS])(struct worker *w) = {
		block, spin, fault, nap, yield, send, receive, multiply, park,
		lock_thread, stop, resize,
	};
	struct worker *w = arg;
	uint64_t id = grt_self_id();
	uint32_t deed;

	do {
		for (deed = 0; deed < 2 * NR_DEEDS; deed++) {
			uint32_t what = dice(w) % NR_DEEDS;

			deeds[what](w);
			w->deeds[what]++;
			if (grt_self_id() != id)
				add(&w->storm->wrong, 1);
		}
	} while (grt_now() < w->storm->end);
	grt_waitgroup_done(&w->storm->alive);
}

static int storm_main(void *procs)
{
	const char *ms = getenv("GRT_STORM_MS");
	struct storm s = { .end = grt_now() + (ms ? atoll(ms) : 1500) * MS };
	struct worker *w = calloc(WORKERS, sizeof(*w));
	long deeds[NR_DEEDS] = { 0 };
	uint64_t v;
	int i, j;

	s.procs = *(const int *)procs;
	s.box = grt_chan_new(sizeof(uint64_t), LETTERS);
	grt_waitgroup_add(&s.alive, WORKERS);
	for (i = 0; i < WORKERS; i++) {
		w[i].storm = &s;
		w[i].seed = i + 1;
		w[i].memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		EXPECT_NE(MAP_FAILED, (void *)w[i].memory);
		grt_go(work, &w[i]);
	}
	grt_waitgroup_wait(&s.alive);
	while (grt_chan_try_recv(s.box, &v) == 1)
		take(&s, v);

	EXPECT_EQ(0, s.wrong);
	EXPECT_EQ(s.sent, s.received);
	EXPECT_EQ(s.sent_sum, s.received_sum);
	EXPECT_EQ(s.born, s.died);
	for (i = 0; i < WORKERS; i++) {
		for (j = 0; j < NR_DEEDS; j++)
			deeds[j] += w[i].deeds[j];
		munmap(w[i].memory, PAGES * PAGE);
	}
	for (j = 0; j < NR_DEEDS; j++)
		EXPECT_LT(0, deeds[j]);
	yield_until(grt_num_goroutines() == 1);
	grt_chan_free(s.box);
	free(w);
	return 0;
}

FIXTURE(storm) { char unused; };
FIXTURE_SETUP(storm) { self->unused = 0; }
FIXTURE_TEARDOWN(storm) { }
FIXTURE_VARIANT(storm) { int procs; };
FIXTURE_VARIANT_ADD(storm, one_p) { 1 };
FIXTURE_VARIANT_ADD(storm, two_ps) { 2 };
FIXTURE_VARIANT_ADD(storm, eight_ps) { 8 };
FIXTURE_VARIANT_ADD(storm, sixty_four_ps) { 64 };

/* With fewer, as many and far more Ps than CPUs, all that was begun is ended, and adds up. */
TEST_F_TIMEOUT(storm, nothing_is_lost, 300)
{
	int procs = variant->procs;

	EXPECT_EQ(0, run_procs(procs, storm_main, &procs));
}

TEST_HARNESS_MAIN
