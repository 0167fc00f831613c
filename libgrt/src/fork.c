// SPDX-License-Identifier: MIT
/*
 * After fork() only exec and _exit.
 *
 * The child has one thread of all, and locks and queues as they were at some moment: there is no
 * runtime in it. Whatever asks for one is told so, at once and in one line, instead of waiting for
 * threads that are not there. It costs nothing before: an M of the child has no P, and everybody
 * else is asked where he has left the fast path anyway.
 */
#include "backend.h"

static bool forked;

void forkcheck(void)
{
	if (unlikely(load_relaxed(&forked)))
		fatal("the runtime does not exist in a forked child");
}

static void forkchild(void)
{
	store_relaxed(&forked, true);
	sched.backend->forkchild();
}

/* The runtime is about to begin: from here on it is not inherited. */
void forkinit(void)
{
	if (pthread_atfork(NULL, NULL, forkchild))
		fatal_setup("out of memory");
}
