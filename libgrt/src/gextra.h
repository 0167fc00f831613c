/* SPDX-License-Identifier: MIT */
/*
 * What few goroutines have. All of it is written by the goroutine itself, or by who makes it before
 * anybody else sees it.
 */
#ifndef GRT_SRC_GEXTRA_H
#define GRT_SRC_GEXTRA_H

#include <setjmp.h>

#include "runtime.h"

struct scope;

/* Of the C++ ABI: the exceptions that a thread handles, and how many are in flight. */
struct cxxglobals {
	void *caught;
	unsigned int uncaught;
};

struct defer {
	void (*fn)(void *arg);
	void *arg;
	struct scope *scope;	/* at whose end it is called; NULL: the goroutine's */
};

/* A function whose deferred functions are called at its end; on the stack of the goroutine. */
struct scope {
	struct scope *outer;	/* NULL: the goroutine's own function */
	uint32_t depth;		/* number of scopes around it, and itself; that of NULL is 0 */
	bool deferred;		/* the function is itself a deferred one */
	bool recovered;		/* a function deferred in it recovered from a panic */
	bool ended;
	struct cxxglobals cxx;	/* when it began */
	jmp_buf env;		/* where it goes on then */
};

/* A panic, or a grt_exit() with deferred functions; on the stack of the goroutine. */
struct panic {
	struct panic *link;	/* it began while one of that one's functions ran */
	struct scope *scope;	/* where it began */
	struct scope *running;	/* the deferred function that it runs */
	char *text;		/* NULL: there was no memory for it */
	bool recovered;
	bool goexit;
	jmp_buf *env;		/* goexit: where it goes on when it is returned to */
};

/* The control words of SSE and x87. */
struct fpwords {
	uint32_t mxcsr;
	uint16_t x87;
};

struct gextra {
	struct defer *defers;	/* first or grown */
	uint32_t ndefers;
	uint32_t capdefers;
	struct defer first[4];
	struct scope *scope;	/* the innermost */
	struct panic *panic;	/* the last that began */
	char *recovered;	/* text of the panic that was recovered from last */

	char name[GRT_NAME_SIZE];
	bool ownfp;		/* it has control words of its own: ... */
	struct fpwords fp;	/* ... these, while it does not run */
	struct fpwords threadfp;	/* and those of the thread, while it does */
};

struct gextra *gextraalloc(void);
/* gextra() - that of @gp, the caller; made at the first call */
struct gextra *gextra(struct g *gp);
/* gextrafree() - the caller ends: frees what it has */
void gextrafree(struct g *gp);

/* fpload() - the goroutine begins to run, or goes on: its control words take effect */
void fpload(struct gextra *x);
/* fpunload() - it leaves its thread: the thread has its own again */
void fpunload(struct gextra *x);

#endif /* GRT_SRC_GEXTRA_H */
