// SPDX-License-Identifier: MIT
/*
 * Checks the order of the runtime's locks: see lockrank.h.
 *
 * What a thread holds is kept by the thread: a lock is never held across a switch to another one,
 * and threads that are no Ms take locks, too.
 */
#include <stdio.h>

#include "runtime.h"

#define LOCKRANK_NAME(rank, name)	\
	[rank] = name,

const char *const lockranknames[LOCKRANK_NR] = {
	LOCKRANKS(LOCKRANK_NAME)
};

/*
 * The partial order: only what has been seen to happen, so that what is new is thought about once.
 * Complete: if a may be held with b and b with c, then a with c. A leaf needs no mention.
 */
const uint32_t lockrankbefore[LOCKRANK_NR] = {
	[LOCKRANK_LEAF] = 0,
};

#ifdef GRT_LOCKRANK

#define MAX_HELD	10

struct held {
	const struct grt_lock *lock[MAX_HELD];
	enum lockrank rank[MAX_HELD];
	uint32_t n;
};

/* By a call only, as getg(). */
static __attribute__((noinline)) struct held *heldlocks(void)
{
	static __thread struct held held __attribute__((tls_model("initial-exec")));

	__asm__ volatile("");
	return &held;
}

/* Says @msg, and what the thread holds, first taken first. */
static void __noreturn __cold die(struct held *h, const char *msg)
{
	char text[1024];
	uint32_t i, n = h->n;
	int len;

	h->n = 0;	/* who reports this may take locks */
	len = snprintf(text, sizeof(text), "%s", msg);
	for (i = 0; i < n; i++)
		len += snprintf(text + len, sizeof(text) - len, "%s%s %p", i ? ", " : "; held: ",
				lockranknames[h->rank[i]], (const void *)h->lock[i]);
	fatal(text);
}

static bool allowed(enum lockrank held, enum lockrank rank)
{
	if (held == LOCKRANK_LEAF)
		return false;
	return rank == LOCKRANK_LEAF || lockrankbefore[rank] >> held & 1;
}

void lockrank_acquire(const struct grt_lock *l)
{
	enum lockrank rank = lockrankbits(l) >> LOCKRANK_SHIFT;
	struct held *h = heldlocks();
	char msg[128];

	if (h->n == MAX_HELD)
		die(h, "too many locks held at once");
	/* Those below the last were in order when it was taken. */
	if (h->n && !allowed(h->rank[h->n - 1], rank)) {
		snprintf(msg, sizeof(msg), "lock ordering problem: %s %p is wanted",
			 lockranknames[rank], (const void *)l);
		die(h, msg);
	}
	h->lock[h->n] = l;
	h->rank[h->n++] = rank;
}

void lockrank_release(const struct grt_lock *l)
{
	struct held *h = heldlocks();
	uint32_t i = h->n;

	do {
		if (!i)
			die(h, "unlock of a lock that this thread does not hold");
	} while (h->lock[--i] != l);
	for (h->n--; i < h->n; i++) {
		h->lock[i] = h->lock[i + 1];
		h->rank[i] = h->rank[i + 1];
	}
}

void lockrank_heldcheck(const char *msg)
{
	struct held *h = heldlocks();

	if (h->n)
		die(h, msg);
}

#endif /* GRT_LOCKRANK */
