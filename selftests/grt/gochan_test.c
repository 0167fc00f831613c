// SPDX-License-Identifier: GPL-2.0
/*
 * What Go's chanbarrier_test.go asks of channels, under Go's names (go-semantics section 4). The
 * counts are Go's short ones; with GRT_TEST_FULL set, its full ones.
 */
#include <errno.h>
#include <stdint.h>

#include "grt_harness.h"

#define PROCS any_procs(4)

FIXTURE(gochan) { char unused; };
FIXTURE_SETUP(gochan) { self->unused = 0; }
FIXTURE_TEARDOWN(gochan) { }

static bool full(void)
{
	return getenv("GRT_TEST_FULL");
}

/* ---- TestChanSendBarrier ---- */

/* What a pointer leads to: who reads it knows whether it is the one that was sent. */
struct parcel {
	uint64_t	sender;
	uint64_t	number;
	uint64_t	seal;
};

static uint64_t seal(const struct parcel *p)
{
	return (p->sender << 32 ^ p->number) * 0x9e3779b97f4a7c15ULL;
}

struct post {
	int		inner;
	uint64_t	senders;	/* atomic: numbers given out */
	uint64_t	sent;		/* atomic */
	uint64_t	received;	/* atomic */
	uint64_t	wrong;		/* atomic */
	grt_waitgroup	done;
};

struct lane {
	grt_chan	*c;
	struct post	*post;
};

static void open_parcel(struct post *post, struct parcel *p, uint64_t number)
{
	if (p->seal != seal(p) || p->number != number)
		__atomic_add_fetch(&post->wrong, 1, __ATOMIC_RELAXED);
	/* Whoever still had it would find nothing of use. */
	memset(p, 0xa5, sizeof(*p));
	free(p);
	__atomic_add_fetch(&post->received, 1, __ATOMIC_RELAXED);
}

static void send_parcels(void *arg)
{
	struct lane *l = arg;
	uint64_t me = __atomic_add_fetch(&l->post->senders, 1, __ATOMIC_RELAXED);
	struct parcel *p;
	int i;

	for (i = 0; i < l->post->inner; i++) {
		p = malloc(sizeof(*p));
		*p = (struct parcel){ .sender = me, .number = i };
		p->seal = seal(p);
		__atomic_add_fetch(&l->post->sent, 1, __ATOMIC_RELAXED);
		grt_chan_send(l->c, &p);
		/* Some of the memory goes round at once, as Go's collector would have it. */
		if (i % 100 == 0)
			free(malloc(sizeof(*p)));
	}
	grt_waitgroup_done(&l->post->done);
}

static void receive_parcels(void *arg)
{
	struct lane *l = arg;
	struct parcel *p;
	int i;

	for (i = 0; i < l->post->inner; i++) {
		grt_chan_recv(l->c, &p);
		open_parcel(l->post, p, i);
	}
	grt_waitgroup_done(&l->post->done);
}

static int send_barrier_main(void *unused)
{
	int outer = full() ? 100 : 10, i;
	struct post post = { .inner = full() ? 100000 : 1000 };
	struct lane *lanes = calloc(outer, sizeof(*lanes));

	(void)unused;
	grt_waitgroup_add(&post.done, 2 * outer);
	for (i = 0; i < outer; i++) {
		lanes[i] = (struct lane){ .c = grt_chan_new(sizeof(void *), 0), .post = &post };
		grt_go(send_parcels, &lanes[i]);
		grt_go(receive_parcels, &lanes[i]);
	}
	grt_waitgroup_wait(&post.done);
	EXPECT_EQ((uint64_t)outer * post.inner, post.sent);
	EXPECT_EQ(post.sent, post.received);
	EXPECT_EQ(0, post.wrong);
	for (i = 0; i < outer; i++)
		grt_chan_free(lanes[i].c);
	free(lanes);
	return 0;
}

/*
 * Item 46: what a pointer leads to is written before it is sent, and read after it is received;
 * each arrives once, with its number.
 */
TEST_F_TIMEOUT(gochan, TestChanSendBarrier, 600)
{
	EXPECT_EQ(0, run_procs(PROCS, send_barrier_main, NULL));
}

TEST_HARNESS_MAIN
