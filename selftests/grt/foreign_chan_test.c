// SPDX-License-Identifier: GPL-2.0
/*
 * Channels and waitgroups used by threads outside the runtime.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "grt_harness.h"

#define PROCS	2
#define VALUES	20000

FIXTURE(foreign) { char unused; };
FIXTURE_SETUP(foreign) { self->unused = 0; }
FIXTURE_TEARDOWN(foreign) { }

static bool somebody_waits(const struct grt_waitq *q)
{
	return __atomic_load_n(&q->first, __ATOMIC_ACQUIRE);
}

static void *send_values(void *c)
{
	for (int i = 0; i < VALUES; i++)
		grt_chan_send(c, &i);
	return NULL;
}

static void *recv_values(void *c)
{
	long wrong = 0;
	int v;

	for (int i = 0; i < VALUES; i++)
		wrong += grt_chan_recv(c, &v) != 1 || v != i;
	return (void *)wrong;
}

/* Two threads talk over a channel where no runtime is. */
TEST_F_TIMEOUT(foreign, without_runtime, 60)
{
	for (size_t cap = 0; cap < 3; cap++) {
		grt_chan *c = grt_chan_new(sizeof(int), cap);
		pthread_t sender, receiver;
		void *wrong;

		pthread_create(&sender, NULL, send_values, c);
		pthread_create(&receiver, NULL, recv_values, c);
		pthread_join(sender, NULL);
		pthread_join(receiver, &wrong);
		EXPECT_EQ(NULL, wrong);
		grt_chan_free(c);
	}
}

static int recv_from_thread_main(void *arg)
{
	long wrong = 0;

	for (size_t cap = 0; cap < 3; cap++) {
		grt_chan *c = grt_chan_new(sizeof(int), cap);
		pthread_t sender;

		pthread_create(&sender, NULL, send_values, c);
		wrong += (long)recv_values(c);
		pthread_join(sender, NULL);
		grt_chan_free(c);
	}
	(void)arg;
	return wrong;
}

/* A thread sends, a goroutine receives: its wake-ups come from outside. */
TEST_F_TIMEOUT(foreign, thread_to_goroutine, 60)
{
	EXPECT_EQ(0, run_procs(PROCS, recv_from_thread_main, NULL));
}

static int send_to_thread_main(void *arg)
{
	void *wrong = NULL, *w;

	for (size_t cap = 0; cap < 3; cap++) {
		grt_chan *c = grt_chan_new(sizeof(int), cap);
		pthread_t receiver;

		pthread_create(&receiver, NULL, recv_values, c);
		send_values(c);
		pthread_join(receiver, &w);
		wrong = wrong ? wrong : w;
		grt_chan_free(c);
	}
	(void)arg;
	return wrong != NULL;
}

/* A goroutine sends, a thread receives. */
TEST_F_TIMEOUT(foreign, goroutine_to_thread, 60)
{
	EXPECT_EQ(0, run_procs(PROCS, send_to_thread_main, NULL));
}

struct mixed {
	grt_chan	*c;
	grt_waitgroup	done;
	int		seen[VALUES];	/* atomic */
};

static void mixed_send(void *arg)
{
	struct mixed *m = arg;

	send_values(m->c);
	grt_waitgroup_done(&m->done);
}

static void mixed_recv(void *arg)
{
	struct mixed *m = arg;
	int v;

	for (int i = 0; i < VALUES; i++) {
		grt_chan_recv(m->c, &v);
		__atomic_fetch_add(&m->seen[v], 1, __ATOMIC_RELAXED);
	}
	grt_waitgroup_done(&m->done);
}

static void *mixed_send_thread(void *arg)
{
	mixed_send(arg);
	return NULL;
}

static void *mixed_recv_thread(void *arg)
{
	mixed_recv(arg);
	return NULL;
}

static int mixed_main(void *unused)
{
	struct mixed *m = calloc(1, sizeof(*m));
	pthread_t sender, receiver;
	int wrong = 0;

	(void)unused;
	m->c = grt_chan_new(sizeof(int), 2);
	grt_waitgroup_add(&m->done, 6);
	grt_go(mixed_send, m);
	grt_go(mixed_recv, m);
	grt_go(mixed_send, m);
	grt_go(mixed_recv, m);
	pthread_create(&sender, NULL, mixed_send_thread, m);
	pthread_create(&receiver, NULL, mixed_recv_thread, m);
	grt_waitgroup_wait(&m->done);
	pthread_join(sender, NULL);
	pthread_join(receiver, NULL);
	for (int i = 0; i < VALUES; i++)
		wrong += m->seen[i] != 3;
	grt_chan_free(m->c);
	free(m);
	return wrong;
}

/* Threads and goroutines on both sides of one channel: exact counts. */
TEST_F_TIMEOUT(foreign, mixed_many_to_many, 60)
{
	EXPECT_EQ(0, run_procs(PROCS, mixed_main, NULL));
}

struct closing {
	grt_chan	*c;
	int		ret;
};

static void *recv_closing(void *arg)
{
	struct closing *s = arg;
	int v;

	s->ret = grt_chan_recv(s->c, &v);
	return NULL;
}

static int close_main(void *arg)
{
	struct closing s = { grt_chan_new(sizeof(int), 0), -1 };
	pthread_t thread;

	(void)arg;
	pthread_create(&thread, NULL, recv_closing, &s);
	yield_until(somebody_waits(&s.c->recvq));
	grt_chan_close(s.c);
	pthread_join(thread, NULL);
	return s.ret;
}

/* Closing wakes a thread that sleeps in a receive. */
TEST(close_wakes_thread)
{
	EXPECT_EQ(0, run_procs(1, close_main, NULL));
}

/* The try forms never sleep. */
TEST(try_forms)
{
	grt_chan *c = grt_chan_new(sizeof(int), 1);
	int v = 1;

	EXPECT_EQ(-EAGAIN, grt_chan_try_recv(c, &v));
	EXPECT_EQ(0, grt_chan_try_send(c, &v));
	EXPECT_EQ(-EAGAIN, grt_chan_try_send(c, &v));
	v = 0;
	EXPECT_EQ(1, grt_chan_try_recv(c, &v));
	EXPECT_EQ(1, v);
	grt_chan_close(c);
	EXPECT_EQ(0, grt_chan_try_recv(c, &v));
	grt_chan_free(c);
}

static void finish(void *wg)
{
	grt_waitgroup_done(wg);
}

static void *wait_for_all(void *wg)
{
	grt_waitgroup_wait(wg);
	return wg;
}

static int waitgroup_main(void *arg)
{
	grt_waitgroup *wg = arg;
	pthread_t thread;
	void *ret = NULL;

	grt_waitgroup_add(wg, 10);
	pthread_create(&thread, NULL, wait_for_all, wg);
	yield_until(somebody_waits(&wg->waitq));
	for (int i = 0; i < 10; i++)
		grt_go(finish, wg);
	pthread_join(thread, &ret);
	return ret != wg;
}

/* A thread waits for goroutines. */
TEST(thread_waits_for_goroutines)
{
	grt_waitgroup wg = { 0 };

	EXPECT_EQ(0, run_procs(PROCS, waitgroup_main, &wg));
	grt_waitgroup_fini(&wg);
}

TEST_HARNESS_MAIN
