// SPDX-License-Identifier: GPL-2.0
/*
 * Channels: what Go's chan_test.go asks of them (go-semantics section 4, items 33, 34 and 40), and
 * what C adds: element sizes, memory of the caller, the end of a channel.
 */
#include <errno.h>
#include <stdint.h>

#include "grt_harness.h"

#define PROCS any_procs(4)

FIXTURE(chan) { char unused; };
FIXTURE_SETUP(chan) { self->unused = 0; }
FIXTURE_TEARDOWN(chan) { }

static bool somebody_waits(const struct grt_waitq *q)
{
	return __atomic_load_n(&q->first, __ATOMIC_ACQUIRE);
}

/* ---- Item 33: TestChan ---- */

struct receipt {
	grt_chan	*c;
	int		ret;
	int		value;
	grt_waitgroup	done;
};

static void receive_one(void *arg)
{
	struct receipt *r = arg;

	r->value = -1;
	r->ret = grt_chan_recv(r->c, &r->value);
	grt_waitgroup_done(&r->done);
}

static void start_receiver(struct receipt *r, grt_chan *c)
{
	*r = (struct receipt){ .c = c };
	grt_waitgroup_add(&r->done, 1);
	grt_go(receive_one, r);
	yield_until(somebody_waits(&c->recvq));
}

/* A receive from an empty channel waits until a send; the try form does not. */
static void check_recv_waits(size_t cap)
{
	grt_chan *c = grt_chan_new(sizeof(int), cap);
	struct receipt r;
	int v = 7;

	EXPECT_EQ(-EAGAIN, grt_chan_try_recv(c, &v));
	EXPECT_EQ(7, v);
	start_receiver(&r, c);
	EXPECT_EQ(-EAGAIN, grt_chan_try_recv(c, &v));
	EXPECT_EQ(0, grt_chan_send(c, &v));
	grt_waitgroup_wait(&r.done);
	EXPECT_EQ(1, r.ret);
	EXPECT_EQ(7, r.value);

	start_receiver(&r, c);
	v = 8;
	EXPECT_EQ(0, grt_chan_try_send(c, &v));
	grt_waitgroup_wait(&r.done);
	EXPECT_EQ(1, r.ret);
	EXPECT_EQ(8, r.value);
	grt_chan_free(c);
}

struct sending {
	grt_chan	*c;
	int		value;
	grt_waitgroup	done;
};

static void send_one(void *arg)
{
	struct sending *s = arg;

	grt_chan_send(s->c, &s->value);
	grt_waitgroup_done(&s->done);
}

/* A send to a full channel waits until a receive; the try form does not; len and cap tell. */
static void check_send_waits(size_t cap)
{
	grt_chan *c = grt_chan_new(sizeof(int), cap);
	struct sending s = { .c = c, .value = cap };
	int v = -1;

	EXPECT_EQ(cap, grt_chan_cap(c));
	for (int i = 0; i < (int)cap; i++) {
		EXPECT_EQ((size_t)i, grt_chan_len(c));
		EXPECT_EQ(0, grt_chan_send(c, &i));
	}
	EXPECT_EQ(cap, grt_chan_len(c));
	EXPECT_EQ(-EAGAIN, grt_chan_try_send(c, &v));
	grt_waitgroup_add(&s.done, 1);
	grt_go(send_one, &s);
	yield_until(somebody_waits(&c->sendq));
	EXPECT_EQ(-EAGAIN, grt_chan_try_send(c, &v));
	for (int i = 0; i <= (int)cap; i++) {
		EXPECT_EQ(1, grt_chan_try_recv(c, &v));
		EXPECT_EQ(i, v);
	}
	grt_waitgroup_wait(&s.done);
	EXPECT_EQ(-EAGAIN, grt_chan_try_recv(c, &v));
	EXPECT_EQ(0U, grt_chan_len(c));
	grt_chan_free(c);
}

/* A closed channel gives what is buffered, then zeroes and 0, for ever; by both forms. */
static void check_close_drains(size_t cap)
{
	grt_chan *c = grt_chan_new(sizeof(int), cap);
	int v;

	for (int i = 1; i <= (int)cap; i++)
		grt_chan_send(c, &i);
	grt_chan_close(c);
	for (int i = 1; i <= (int)cap; i++) {
		EXPECT_EQ(1, i % 2 ? grt_chan_recv(c, &v) : grt_chan_try_recv(c, &v));
		EXPECT_EQ(i, v);
	}
	for (int i = 0; i < 4; i++) {
		v = -1;
		EXPECT_EQ(0, i % 2 ? grt_chan_recv(c, &v) : grt_chan_try_recv(c, &v));
		EXPECT_EQ(0, v);
	}
	grt_chan_free(c);
}

/* Closing lets a waiting receiver go, with zeroes and 0. */
static void check_close_wakes(size_t cap)
{
	grt_chan *c = grt_chan_new(sizeof(int), cap);
	struct receipt r;

	start_receiver(&r, c);
	grt_chan_close(c);
	grt_waitgroup_wait(&r.done);
	EXPECT_EQ(0, r.ret);
	EXPECT_EQ(0, r.value);
	grt_chan_free(c);
}

static void send_hundred(void *arg)
{
	for (int i = 0; i < 100; i++)
		grt_chan_send(arg, &i);
}

/* What one goroutine sends arrives in order. */
static void check_fifo(size_t cap)
{
	grt_chan *c = grt_chan_new(sizeof(int), cap);
	int v;

	grt_go(send_hundred, c);
	for (int i = 0; i < 100; i++) {
		EXPECT_EQ(1, grt_chan_recv(c, &v));
		EXPECT_EQ(i, v);
	}
	grt_chan_free(c);
}

#define MANY		4
#define MANY_VALUES	1000

struct many {
	grt_chan	*c;
	grt_waitgroup	done;
	int		seen[MANY_VALUES];	/* atomic */
};

static void send_many(void *arg)
{
	struct many *m = arg;

	for (int i = 0; i < MANY_VALUES; i++)
		grt_chan_send(m->c, &i);
	grt_waitgroup_done(&m->done);
}

static void recv_many(void *arg)
{
	struct many *m = arg;
	int v;

	for (int i = 0; i < MANY_VALUES; i++) {
		grt_chan_recv(m->c, &v);
		__atomic_fetch_add(&m->seen[v], 1, __ATOMIC_RELAXED);
	}
	grt_waitgroup_done(&m->done);
}

/* Many senders, many receivers: nothing is lost, nothing comes twice. */
static void check_many_to_many(size_t cap)
{
	struct many *m = calloc(1, sizeof(*m));

	m->c = grt_chan_new(sizeof(int), cap);
	grt_waitgroup_add(&m->done, 2 * MANY);
	for (int i = 0; i < MANY; i++) {
		grt_go(send_many, m);
		grt_go(recv_many, m);
	}
	grt_waitgroup_wait(&m->done);
	for (int i = 0; i < MANY_VALUES; i++)
		EXPECT_EQ(MANY, m->seen[i]);
	EXPECT_EQ(0U, grt_chan_len(m->c));
	grt_chan_free(m->c);
	free(m);
}

static int every_capacity(void *check)
{
	void (**fn)(size_t cap) = check;

	for (size_t cap = 0; cap < 200; cap++)
		(*fn)(cap);
	return 0;
}

#define TEST_EVERY_CAPACITY(name)						\
	TEST_F_TIMEOUT(chan, name, 120)						\
	{									\
		void (*fn)(size_t cap) = check_##name;				\
										\
		EXPECT_EQ(0, run_procs(PROCS, every_capacity, &fn));		\
	}

TEST_EVERY_CAPACITY(recv_waits)
TEST_EVERY_CAPACITY(send_waits)
TEST_EVERY_CAPACITY(close_drains)
TEST_EVERY_CAPACITY(close_wakes)
TEST_EVERY_CAPACITY(fifo)
TEST_EVERY_CAPACITY(many_to_many)

/* ---- Item 34: TestNonblockRecvRace ---- */

#define RACE_ROUNDS 20000

static void try_recv_buffered(void *arg)
{
	grt_chan **pair = arg;
	int v, ret = grt_chan_try_recv(pair[0], &v);

	grt_chan_send(pair[1], &ret);
}

static int nonblock_recv_race_main(void *unused)
{
	grt_chan *done = grt_chan_new(sizeof(int), 1);
	int ret, v = 1, missed = 0;

	(void)unused;
	for (int i = 0; i < RACE_ROUNDS; i++) {
		grt_chan *pair[] = { grt_chan_new(sizeof(int), 1), done };

		grt_chan_send(pair[0], &v);
		grt_go(try_recv_buffered, pair);
		grt_chan_close(pair[0]);
		grt_chan_recv(done, &ret);
		missed += ret != 1;
		grt_chan_free(pair[0]);
	}
	grt_chan_free(done);
	return missed;
}

/* A buffered value is never missed while the channel is being closed. */
TEST_F_TIMEOUT(chan, nonblock_recv_race, 120)
{
	EXPECT_EQ(0, run_procs(PROCS, nonblock_recv_race_main, NULL));
}

/* ---- Item 40: TestMultiConsumer ---- */

#define WORKERS	23
#define ITEMS	271828

static grt_chan *work, *results;
static grt_waitgroup workers;

static void worker(void *unused)
{
	int v;

	(void)unused;
	while (grt_chan_recv(work, &v)) {
		if (v % 7 == 0)
			grt_yield();
		grt_chan_send(results, &v);
	}
	grt_waitgroup_done(&workers);
}

static int item(int i)
{
	static const int primes[] = { 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41 };

	return primes[i % ARRAY_SIZE(primes)];
}

static void send_items(void *sum)
{
	for (int i = 0; i < ITEMS; i++) {
		int v = item(i);

		*(int64_t *)sum += v;
		grt_chan_send(work, &v);
	}
	grt_chan_close(work);
	grt_waitgroup_wait(&workers);
	grt_chan_close(results);
}

static int multi_consumer_main(void *unused)
{
	int64_t expected = 0, sum = 0;
	int n = 0, v;

	(void)unused;
	work = grt_chan_new(sizeof(int), WORKERS);
	results = grt_chan_new(sizeof(int), WORKERS);
	grt_waitgroup_add(&workers, WORKERS);
	for (int i = 0; i < WORKERS; i++)
		grt_go(worker, NULL);
	grt_go(send_items, &expected);
	while (grt_chan_recv(results, &v)) {
		sum += v;
		n++;
	}
	EXPECT_EQ(ITEMS, n);
	EXPECT_EQ(expected, sum);
	return 0;
}

/* 23 workers between one source and one sink: every item arrives. */
TEST_F_TIMEOUT(chan, multi_consumer, 120)
{
	EXPECT_EQ(0, run_procs(PROCS, multi_consumer_main, NULL));
}

/* ---- Ping-pong and the prime sieve ---- */

#define ROUNDS 100000

static void pong(void *arg)
{
	grt_chan **pair = arg;
	int v;

	while (grt_chan_recv(pair[0], &v)) {
		v++;
		grt_chan_send(pair[1], &v);
	}
}

static int ping_pong_main(void *unused)
{
	grt_chan *pair[] = { grt_chan_new(sizeof(int), 0), grt_chan_new(sizeof(int), 0) };
	int v = 0;

	(void)unused;
	grt_go(pong, pair);
	for (int i = 0; i < ROUNDS; i++) {
		grt_chan_send(pair[0], &v);
		grt_chan_recv(pair[1], &v);
	}
	grt_chan_close(pair[0]);
	return v;
}

/* Two goroutines in turn, on one P. */
TEST_F_TIMEOUT(chan, ping_pong_one_p, 120)
{
	EXPECT_EQ(ROUNDS, run_procs(1, ping_pong_main, NULL));
}

/* And where each may be on a P of its own. */
TEST_F_TIMEOUT(chan, ping_pong, 120)
{
	EXPECT_EQ(ROUNDS, run_procs(PROCS, ping_pong_main, NULL));
}

static void generate(void *out)
{
	for (int i = 2; ; i++)
		grt_chan_send(out, &i);
}

struct filter {
	grt_chan	*in;
	grt_chan	*out;
	int		prime;
};

static void filter(void *arg)
{
	struct filter *f = arg;
	int v;

	while (grt_chan_recv(f->in, &v))
		if (v % f->prime)
			grt_chan_send(f->out, &v);
}

static int sieve_main(void *n)
{
	grt_chan *c = grt_chan_new(sizeof(int), 0);
	int prime = 0;

	grt_go(generate, c);
	for (int i = 0; i < *(int *)n; i++) {
		struct filter *f = malloc(sizeof(*f));

		grt_chan_recv(c, &prime);
		*f = (struct filter){ c, grt_chan_new(sizeof(int), 0), prime };
		grt_go(filter, f);
		c = f->out;
	}
	return prime;
}

/* A chain of as many goroutines as primes: the 300th is 1987. */
TEST_F_TIMEOUT(chan, prime_sieve, 120)
{
	int n = 300;

	EXPECT_EQ(1987, run_procs(PROCS, sieve_main, &n));
}

/* ---- Waiters ---- */

#define WAITERS 100

struct waiter {
	grt_chan	*c;
	int		nr;
	int		got;
	int		ret;
	grt_waitgroup	*done;
};

static void wait_to_recv(void *arg)
{
	struct waiter *w = arg;

	w->ret = grt_chan_recv(w->c, &w->got);
	grt_waitgroup_done(w->done);
}

static void wait_to_send(void *arg)
{
	struct waiter *w = arg;

	grt_chan_send(w->c, &w->nr);
	grt_waitgroup_done(w->done);
}

/* Starts waiters one after the other: each is in the queue before the next begins. */
static void start_waiters(struct waiter *w, grt_chan *c, struct grt_waitq *q,
			  void (*fn)(void *), grt_waitgroup *done)
{
	grt_waitgroup_add(done, WAITERS);
	for (int i = 0; i < WAITERS; i++) {
		struct grt_sudog *last = __atomic_load_n(&q->last, __ATOMIC_ACQUIRE);

		w[i] = (struct waiter){ .c = c, .nr = i, .got = -1, .done = done };
		grt_go(fn, &w[i]);
		yield_until(__atomic_load_n(&q->last, __ATOMIC_ACQUIRE) != last);
	}
}

static int waiters_in_order_main(void *unused)
{
	struct waiter w[WAITERS];
	grt_waitgroup done = { 0 };
	grt_chan c;
	int v;

	(void)unused;
	grt_chan_init(&c, sizeof(int), 0, NULL);
	start_waiters(w, &c, &c.recvq, wait_to_recv, &done);
	for (int i = 0; i < WAITERS; i++)
		grt_chan_send(&c, &i);
	grt_waitgroup_wait(&done);
	for (int i = 0; i < WAITERS; i++)
		EXPECT_EQ(i, w[i].got);

	start_waiters(w, &c, &c.sendq, wait_to_send, &done);
	for (int i = 0; i < WAITERS; i++) {
		EXPECT_EQ(1, grt_chan_recv(&c, &v));
		EXPECT_EQ(i, v);
	}
	grt_waitgroup_wait(&done);
	grt_chan_fini(&c);
	return 0;
}

/* Waiters are served in the order in which they came, receivers and senders. */
TEST_F_TIMEOUT(chan, waiters_in_order, 60)
{
	EXPECT_EQ(0, run_procs(PROCS, waiters_in_order_main, NULL));
}

static int close_wakes_all_main(void *unused)
{
	struct waiter w[WAITERS];
	grt_waitgroup done = { 0 };
	grt_chan c;

	(void)unused;
	grt_chan_init(&c, sizeof(int), 0, NULL);
	start_waiters(w, &c, &c.recvq, wait_to_recv, &done);
	grt_chan_close(&c);
	grt_waitgroup_wait(&done);
	for (int i = 0; i < WAITERS; i++) {
		EXPECT_EQ(0, w[i].ret);
		EXPECT_EQ(0, w[i].got);
	}
	grt_chan_fini(&c);
	return 0;
}

/* Closing lets all waiting receivers go. */
TEST_F_TIMEOUT(chan, close_wakes_all, 60)
{
	EXPECT_EQ(0, run_procs(PROCS, close_wakes_all_main, NULL));
}

/* ---- Elements ---- */

struct blob {
	grt_chan	*c;
	size_t		size;
	uint8_t		*bytes;
};

static void send_blobs(void *arg)
{
	struct blob *b = arg;

	for (int i = 0; i < 10; i++)
		grt_chan_send(b->c, b->bytes);
	grt_chan_close(b->c);
}

static void check_size(size_t size, size_t cap)
{
	uint8_t *sent = malloc(size + 1), *got = malloc(size + 1);
	struct blob b = { grt_chan_new(size, cap), size, sent };
	int n = 0;

	for (size_t i = 0; i < size; i++)
		sent[i] = i * 7 + size;
	sent[size] = 1;
	got[size] = 2;
	grt_go(send_blobs, &b);
	for (; grt_chan_recv(b.c, got); n++)
		EXPECT_EQ(0, memcmp(sent, got, size));
	EXPECT_EQ(10, n);
	for (size_t i = 0; i < size; i++)
		EXPECT_EQ(0, got[i]);
	EXPECT_EQ(2, got[size]);
	grt_chan_free(b.c);
	free(sent);
	free(got);
}

static int element_sizes_main(void *unused)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 7, 8, 40, 4096, 100000 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (size_t cap = 0; cap < 4; cap++)
			check_size(sizes[i], cap);
	return 0;
}

/* Elements of any size arrive whole, and nothing beside them is written. */
TEST_F_TIMEOUT(chan, element_sizes, 60)
{
	EXPECT_EQ(0, run_procs(PROCS, element_sizes_main, NULL));
}

static int dropped_main(void *unused)
{
	grt_chan *c = grt_chan_new(sizeof(int), 2);
	int v = 5;

	(void)unused;
	grt_chan_send(c, &v);
	v = 6;
	grt_chan_send(c, &v);
	EXPECT_EQ(1, grt_chan_recv(c, NULL));
	EXPECT_EQ(1, grt_chan_recv(c, &v));
	EXPECT_EQ(6, v);
	grt_chan_close(c);
	EXPECT_EQ(0, grt_chan_recv(c, NULL));
	grt_chan_free(c);
	return 0;
}

/* A receive may drop the element. */
TEST(receive_to_nowhere)
{
	EXPECT_EQ(0, run_procs(1, dropped_main, NULL));
}

/* ---- The end of a channel ---- */

static void answer(void *c)
{
	int v = 42;

	grt_chan_send(c, &v);
}

static int answers_main(void *unused)
{
	int wrong = 0;

	(void)unused;
	for (int i = 0; i < RACE_ROUNDS; i++) {
		grt_chan c;
		int buf, v = 0;

		grt_chan_init(&c, sizeof(int), i % 2, &buf);
		grt_go(answer, &c);
		grt_chan_recv(&c, &v);
		wrong += v != 42;
		grt_chan_fini(&c);
		memset(&c, 0x5a, sizeof(c));
	}
	return wrong;
}

/* A channel on the receiver's stack may go as soon as the last element is there. */
TEST_F_TIMEOUT(chan, gone_after_answer, 60)
{
	EXPECT_EQ(0, run_procs(PROCS, answers_main, NULL));
}

/* ---- The nil channel ---- */

static int nil_state;

static void recv_nil(void *unused)
{
	(void)unused;
	__atomic_fetch_add(&nil_state, 1, __ATOMIC_SEQ_CST);
	grt_chan_recv(NULL, NULL);
	__atomic_fetch_add(&nil_state, 100, __ATOMIC_SEQ_CST);
}

static void send_nil(void *unused)
{
	(void)unused;
	__atomic_fetch_add(&nil_state, 1, __ATOMIC_SEQ_CST);
	grt_chan_send(NULL, NULL);
	__atomic_fetch_add(&nil_state, 100, __ATOMIC_SEQ_CST);
}

static int nil_main(void *unused)
{
	(void)unused;
	EXPECT_EQ(0U, grt_chan_len(NULL));
	EXPECT_EQ(0U, grt_chan_cap(NULL));
	EXPECT_EQ(-EAGAIN, grt_chan_try_send(NULL, NULL));
	EXPECT_EQ(-EAGAIN, grt_chan_try_recv(NULL, NULL));
	grt_chan_free(NULL);
	grt_go(recv_nil, NULL);
	grt_go(send_nil, NULL);
	yield_until(__atomic_load_n(&nil_state, __ATOMIC_SEQ_CST) == 2);
	for (int i = 0; i < 1000; i++)
		grt_yield();
	return __atomic_load_n(&nil_state, __ATOMIC_SEQ_CST);
}

/* Sending to and receiving from a nil channel never return, and hold nobody else up. */
TEST(nil_channel)
{
	EXPECT_EQ(2, run_procs(1, nil_main, NULL));
}

/* ---- Panics, in Go's words ---- */

static int send_closed_main(void *unused)
{
	grt_chan *c = grt_chan_new(0, 1);

	(void)unused;
	grt_chan_close(c);
	return grt_chan_send(c, NULL);
}

static int try_send_closed_main(void *unused)
{
	grt_chan *c = grt_chan_new(0, 0);

	(void)unused;
	grt_chan_close(c);
	return grt_chan_try_send(c, NULL);
}

static void close_when_awaited(void *arg)
{
	grt_chan *c = arg;

	yield_until(somebody_waits(&c->sendq));
	grt_chan_close(c);
}

static int closed_while_sending_main(void *unused)
{
	grt_chan *c = grt_chan_new(0, 0);

	(void)unused;
	grt_go(close_when_awaited, c);
	return grt_chan_send(c, NULL);
}

static int close_twice_main(void *unused)
{
	grt_chan *c = grt_chan_new(0, 0);

	(void)unused;
	grt_chan_close(c);
	grt_chan_close(c);
	return 0;
}

static int close_nil_main(void *unused)
{
	(void)unused;
	grt_chan_close(NULL);
	return 0;
}

static int too_large_main(void *unused)
{
	(void)unused;
	return grt_chan_new(SIZE_MAX / 2, 3) != NULL;
}

static void recv_for_ever(void *c)
{
	grt_chan_recv(c, NULL);
}

static int free_awaited_main(void *unused)
{
	grt_chan *c = grt_chan_new(0, 0);

	(void)unused;
	grt_go(recv_for_ever, c);
	yield_until(somebody_waits(&c->recvq));
	grt_chan_free(c);
	return 0;
}

TEST(panic_send_on_closed)
{
	EXPECT_PANIC(send_closed_main, "send on closed channel");
	EXPECT_PANIC(try_send_closed_main, "send on closed channel");
	EXPECT_PANIC(closed_while_sending_main, "send on closed channel");
}

TEST(panic_close_of_closed)
{
	EXPECT_PANIC(close_twice_main, "close of closed channel");
}

TEST(panic_close_of_nil)
{
	EXPECT_PANIC(close_nil_main, "close of nil channel");
}

TEST(panic_too_large)
{
	EXPECT_PANIC(too_large_main, "makechan: size out of range");
}

/* Freeing what somebody waits on is found at once. */
TEST(fatal_free_awaited)
{
	EXPECT_DEATH(free_awaited_main, "fatal error: channel freed while somebody waits on it");
}

TEST_HARNESS_MAIN
