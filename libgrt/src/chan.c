// SPDX-License-Identifier: MIT
/*
 * Channels, by Go's rules (chan.go).
 *
 * Invariants, while the lock is free:
 *  At least one of sendq and recvq is empty.
 *  qcount > 0 implies that recvq is empty.
 *  qcount < dataqsiz implies that sendq is empty.
 *
 * So a send that finds a receiver waiting, and a receive that finds a sender, hand the element over
 * from one's memory to the other's, and the waiter goes on without touching the channel again. The
 * copy comes after unlock(): a sudog taken out of its queue is ours alone, and user memory may
 * fault for long. Only a copy to or from the buffer needs the lock.
 *
 * The lock is a runtime lock: it is never held across a switch, and gopark() releases it only when
 * the goroutine has left its stack, so whoever takes a sudog out of a queue may write to that stack
 * and make the goroutine ready at once.
 *
 * Whoever has been let go may free the channel: nothing here looks at it after sudog_ready(), nor,
 * on the way out, after unlock().
 *
 * closed, qcount and the head of each queue are also read without the lock, by the try forms, whose
 * answer "not now" need only have been true at one moment; hence their atomic stores.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sudog.h"

static bool closed(const grt_chan *c)
{
	return load_acquire(&c->closed);
}

static size_t qcount(const grt_chan *c)
{
	return load_acquire(&c->qcount);
}

static void set_qcount(grt_chan *c, size_t n)
{
	store_release(&c->qcount, n);
}

static bool nobody_waits(const struct grt_waitq *q)
{
	return !load_acquire(&q->first);
}

/* Would a send have to wait? One read, so it was true at one moment, lock or not. */
static bool full(const grt_chan *c)
{
	if (!c->dataqsiz)
		return nobody_waits(&c->recvq);
	return qcount(c) == c->dataqsiz;
}

/* Would a receive have to wait, were the channel open? */
static bool empty(const grt_chan *c)
{
	if (!c->dataqsiz)
		return nobody_waits(&c->sendq);
	return qcount(c) == 0;
}

static char *slot(const grt_chan *c, size_t i)
{
	return c->buf + i * c->elemsize;
}

static size_t after(const grt_chan *c, size_t i)
{
	return i + 1 == c->dataqsiz ? 0 : i + 1;
}

static void copy_elem(const grt_chan *c, void *to, const void *from)
{
	if (to && c->elemsize)
		memcpy(to, from, c->elemsize);
}

static void zero_elem(const grt_chan *c, void *to)
{
	if (to && c->elemsize)
		memset(to, 0, c->elemsize);
}

static void put(grt_chan *c, const void *v)
{
	copy_elem(c, slot(c, c->sendx), v);
	c->sendx = after(c, c->sendx);
	set_qcount(c, c->qcount + 1);
}

static void take(grt_chan *c, void *v)
{
	copy_elem(c, v, slot(c, c->recvx));
	c->recvx = after(c, c->recvx);
	set_qcount(c, c->qcount - 1);
}

/* A nil channel: nobody can ever answer. */
static void block_for_ever(enum grt_wait_reason why)
{
	if (getg())
		gopark(NULL, NULL, why);
	for (;;)
		pause();
}

static int chansend(grt_chan *c, const void *v, bool block)
{
	struct grt_sudog *sg, mine;

	if (!c) {
		if (!block)
			return -EAGAIN;
		block_for_ever(GRT_WAIT_CHAN_SEND_NIL);
	}
	/*
	 * Not closed first, full afterwards: a closed channel never becomes open and a full one
	 * does not become ready by being closed, so once it was both open and full.
	 */
	if (!block && !closed(c) && full(c))
		return -EAGAIN;

	lock(&c->lock);
	if (c->closed) {
		unlock(&c->lock);
		gopanic("send on closed channel");
	}
	sg = waitq_dequeue(&c->recvq);
	if (sg) {
		unlock(&c->lock);
		copy_elem(c, sg->elem, v);
		sg->success = true;
		sudog_ready(sg);
		return 0;
	}
	if (c->qcount < c->dataqsiz) {
		put(c, v);
		unlock(&c->lock);
		return 0;
	}
	if (!block) {
		unlock(&c->lock);
		return -EAGAIN;
	}
	sudog_init(&mine, (void *)v);
	waitq_enqueue(&c->sendq, &mine);
	sudog_wait(&mine, &c->lock, GRT_WAIT_CHAN_SEND);
	if (!mine.success)
		gopanic("send on closed channel");
	return 0;
}

/*
 * The ring is full and @sg waits to send: the oldest element goes to @v and the sender's takes its
 * place, for in a full ring both are the same slot.
 */
static void take_and_put(grt_chan *c, void *v, const struct grt_sudog *sg)
{
	copy_elem(c, v, slot(c, c->recvx));
	copy_elem(c, slot(c, c->recvx), sg->elem);
	c->recvx = after(c, c->recvx);
	c->sendx = c->recvx;
}

static int chanrecv(grt_chan *c, void *v, bool block)
{
	struct grt_sudog *sg, mine;

	if (!c) {
		if (!block)
			return -EAGAIN;
		block_for_ever(GRT_WAIT_CHAN_RECEIVE_NIL);
	}
	/*
	 * Empty first, not closed afterwards: since it does not open again, it was open, and empty,
	 * at the moment of the first look. Found closed, elements may have come between the two
	 * looks: only a second look at empty may say that it is drained.
	 */
	if (!block && empty(c)) {
		if (!closed(c))
			return -EAGAIN;
		if (empty(c)) {
			zero_elem(c, v);
			return 0;
		}
	}

	lock(&c->lock);
	if (c->closed && !c->qcount) {
		unlock(&c->lock);
		zero_elem(c, v);
		return 0;
	}
	sg = waitq_dequeue(&c->sendq);
	if (sg) {
		if (c->dataqsiz) {
			take_and_put(c, v, sg);
			unlock(&c->lock);
		} else {
			unlock(&c->lock);
			copy_elem(c, v, sg->elem);
		}
		sg->success = true;
		sudog_ready(sg);
		return 1;
	}
	if (c->qcount) {
		take(c, v);
		unlock(&c->lock);
		return 1;
	}
	if (!block) {
		unlock(&c->lock);
		return -EAGAIN;
	}
	sudog_init(&mine, v);
	waitq_enqueue(&c->recvq, &mine);
	sudog_wait(&mine, &c->lock, GRT_WAIT_CHAN_RECEIVE);
	return mine.success;
}

void grt_chan_close(grt_chan *c)
{
	struct grt_sudog *receivers, *senders;

	if (!c)
		gopanic("close of nil channel");
	lock(&c->lock);
	if (c->closed) {
		unlock(&c->lock);
		gopanic("close of closed channel");
	}
	store_release(&c->closed, 1);
	receivers = waitq_take_all(&c->recvq);
	senders = waitq_take_all(&c->sendq);
	unlock(&c->lock);
	for (struct grt_sudog *sg = receivers; sg; sg = sg->next)
		zero_elem(c, sg->elem);
	waitq_ready_all(receivers);
	waitq_ready_all(senders);
}

int grt_chan_send(grt_chan *c, const void *v)
{
	return chansend(c, v, true);
}

int grt_chan_recv(grt_chan *c, void *v)
{
	return chanrecv(c, v, true);
}

int grt_chan_try_send(grt_chan *c, const void *v)
{
	return chansend(c, v, false);
}

int grt_chan_try_recv(grt_chan *c, void *v)
{
	return chanrecv(c, v, false);
}

size_t grt_chan_len(const grt_chan *c)
{
	return c ? qcount(c) : 0;
}

size_t grt_chan_cap(const grt_chan *c)
{
	return c ? c->dataqsiz : 0;
}

void grt_chan_init(grt_chan *c, size_t elem, size_t cap, void *buf)
{
	*c = (grt_chan){ .elemsize = elem, .dataqsiz = cap, .buf = buf };
	lockinit(&c->lock, LOCKRANK_CHAN);
}

void grt_chan_fini(grt_chan *c)
{
	if (c->recvq.first || c->sendq.first)
		fatal("channel freed while somebody waits on it");
}

grt_chan *grt_chan_new(size_t elem, size_t cap)
{
	size_t bytes;
	grt_chan *c;

	if (__builtin_mul_overflow(elem, cap, &bytes) || bytes > PTRDIFF_MAX - sizeof(*c))
		gopanic("makechan: size out of range");
	c = malloc(sizeof(*c) + bytes);
	if (c)
		grt_chan_init(c, elem, cap, c + 1);
	return c;
}

void grt_chan_free(grt_chan *c)
{
	if (!c)
		return;
	grt_chan_fini(c);
	free(c);
}
