/* SPDX-License-Identifier: MIT */
/*
 * Channels: typed queues between goroutines, as Go's chan.
 *
 * A channel carries elements of one size, copied in and out. Unbuffered (capacity 0), a send and a
 * receive meet: each waits for the other. Buffered, a send waits only while the buffer is full and
 * a receive only while it is empty. Who waits, waits in order of arrival. Every send happens before
 * the receive that gets its element returns.
 *
 * Any thread may call everything here: a goroutine that has to wait parks and leaves its thread to
 * others; a thread outside the runtime sleeps. In a commit function of grt_park() and the like,
 * which runs on the scheduler's own stack, only the try forms, len, cap and close are allowed.
 *
 * A NULL channel is Go's nil channel: sending and receiving wait for ever, the try forms answer
 * -EAGAIN, its length and capacity are 0, closing it panics.
 */
#ifndef GRT_CHAN_H
#define GRT_CHAN_H

#include <grt/base.h>

GRT_BEGIN_DECLS

/**
 * struct grt_chan - a channel
 *
 * Complete, so that it can live in a structure or on a stack: grt_chan_init(). The fields are
 * private.
 */
typedef struct grt_chan {
	/* private: */
	struct grt_lock		lock;		/* guards all below but what init sets */
	uint32_t		closed;
	size_t			qcount;		/* elements in buf */
	size_t			dataqsiz;	/* set by init */
	size_t			elemsize;	/* set by init */
	char			*buf;		/* set by init: a ring of dataqsiz elements */
	size_t			sendx;
	size_t			recvx;
	struct grt_waitq	recvq;
	struct grt_waitq	sendq;
} grt_chan;

/**
 * grt_chan_new() - make a channel
 * @elem: size of an element in bytes; 0 is Go's chan struct{}
 * @cap: how many elements the buffer holds; 0: unbuffered
 *
 * Context: any thread.
 * Return: the channel, for grt_chan_free(); NULL: out of memory. Panics with "makechan: size out of
 * range" when the buffer could not be addressed.
 */
GRT_API grt_chan *grt_chan_new(size_t elem, size_t cap);

/**
 * grt_chan_free() - free a channel made by grt_chan_new()
 * @c: channel, or NULL; closed or not
 *
 * Elements still buffered are dropped. As with any memory, nobody may still use it: a waiter is
 * fatal.
 *
 * Context: any thread.
 */
GRT_API void grt_chan_free(grt_chan *c);

/**
 * grt_chan_init() - make a channel in the caller's memory
 * @c: the memory
 * @elem: as for grt_chan_new()
 * @cap: likewise
 * @buf: @elem * @cap bytes, used until grt_chan_fini(); may be NULL when that is 0
 *
 * Context: any thread.
 */
GRT_API void grt_chan_init(grt_chan *c, size_t elem, size_t cap, void *buf);

/**
 * grt_chan_fini() - end a channel made by grt_chan_init()
 * @c: channel; a waiter is fatal
 *
 * Context: any thread.
 */
GRT_API void grt_chan_fini(grt_chan *c);

/**
 * grt_chan_send() - send an element, waiting for room or for a receiver
 * @c: channel
 * @v: the element; not looked at when the element size is 0
 *
 * Panics with "send on closed channel" when @c is closed, or is closed while this waits.
 *
 * Context: goroutine (parks) or a thread outside the runtime (sleeps).
 * Return: 0.
 */
GRT_API int grt_chan_send(grt_chan *c, const void *v);

/**
 * grt_chan_recv() - receive an element, waiting for one
 * @c: channel
 * @v: where to put the element; NULL: drop it. Filled with zeroes when there is none
 *
 * Context: as grt_chan_send().
 * Return: 1: an element; 0: @c is closed and nothing is left in it.
 */
GRT_API int grt_chan_recv(grt_chan *c, void *v);

/**
 * grt_chan_try_send() - send an element if that is possible at once
 * @c: channel
 * @v: the element
 *
 * Panics as grt_chan_send() does.
 *
 * Context: any thread.
 * Return: 0: sent; -EAGAIN: it would have to wait.
 */
GRT_API int grt_chan_try_send(grt_chan *c, const void *v);

/**
 * grt_chan_try_recv() - receive an element if that is possible at once
 * @c: channel
 * @v: as for grt_chan_recv(); left alone on -EAGAIN
 *
 * Context: any thread.
 * Return: 1: an element; 0: closed and drained; -EAGAIN: it would have to wait.
 */
GRT_API int grt_chan_try_recv(grt_chan *c, void *v);

/**
 * grt_chan_close() - no more elements will be sent
 * @c: channel
 *
 * Receivers get what is buffered, then 0; who waits to receive gets 0 now; who waits to send
 * panics. Panics with "close of closed channel", or "close of nil channel" for NULL.
 *
 * Context: any thread.
 */
GRT_API void grt_chan_close(grt_chan *c);

/**
 * grt_chan_len() - number of elements in the buffer at this moment
 * @c: channel
 *
 * Context: any thread.
 * Return: the number, 0 for NULL.
 */
GRT_API size_t grt_chan_len(const grt_chan *c);

/**
 * grt_chan_cap() - number of elements the buffer can hold
 * @c: channel
 *
 * Context: any thread.
 * Return: the number, 0 for NULL.
 */
GRT_API size_t grt_chan_cap(const grt_chan *c);

GRT_END_DECLS

#endif /* GRT_CHAN_H */
