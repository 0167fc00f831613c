/* SPDX-License-Identifier: MIT */
/* The last words of a process. */
#ifndef GRT_SRC_TRACEBACK_H
#define GRT_SRC_TRACEBACK_H

#include "runtime.h"

/* Gathered here, and written when it is full: few writes, and no memory needed. */
struct text {
	char buf[512];
	size_t len;
};

void text(struct text *t, const char *fmt, ...) __printf(2, 3);
/* Any length. */
void textstr(struct text *t, const char *s);
/* "goroutine 7 [running]:", or what it waits for */
void textgoroutine(struct text *t, const struct g *gp);
/* The frames of the caller's stack, from the one that goes on at @pc. */
void textframes(struct text *t, uintptr_t pc);
/* "created by ..." */
void textcreated(struct text *t, const struct g *gp);

/* The goroutine that the caller runs, also on its g0; NULL: none. */
struct g *usergoroutine(void);

/*
 * diebegin() - from here to dieend() the caller alone writes. Whoever comes later waits, and the
 * last one ends the process.
 */
void diebegin(void);
void dieend(struct text *t) __noreturn;
/* dying() - somebody is between the two */
bool dying(void);

#endif /* GRT_SRC_TRACEBACK_H */
