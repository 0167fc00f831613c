// SPDX-License-Identifier: MIT
/*
 * Deferred functions, panics, recovery, and the end of a goroutine (Go's panic.go).
 *
 * A goroutine has one stack of deferred functions, and a chain of scopes on its stack; each
 * deferred function knows the scope it belongs to. A panic calls the functions on top of where it
 * began, from whatever scope they are, each as a scope of its own. When one has recovered, all that
 * began inside the scope that deferred it is over, and that scope goes on at its end.
 *
 * grt_exit() is entered into the chain of panics as one that nobody recovers from: a panic in a
 * function it runs, when recovered by a scope further out than the grt_exit(), ends there, and the
 * grt_exit() goes on.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "carry.h"
#include "traceback.h"

/* A: panics that run deferred functions: the main goroutine waits for them (R95). */
static uint32_t runningpanicdefers;

/* ---- Where it is kept ---------------------------------------------------------------------- */

struct gextra *gextraalloc(void)
{
	struct gextra *x = calloc(1, sizeof(*x));

	if (!x)
		fatal("out of memory: no memory for what a goroutine has of its own");
	x->defers = x->first;
	x->capdefers = sizeof(x->first) / sizeof(x->first[0]);
	return x;
}

struct gextra *gextra(struct g *gp)
{
	if (!gp->extra)
		gp->extra = gextraalloc();
	return gp->extra;
}

static void growdefers(struct gextra *x)
{
	uint32_t cap = 2 * x->capdefers;
	struct defer *d = malloc(cap * sizeof(*d));

	if (!d)
		fatal("out of memory: no memory for a deferred function");
	memcpy(d, x->defers, x->ndefers * sizeof(*d));
	if (x->defers != x->first)
		free(x->defers);
	x->defers = d;
	x->capdefers = cap;
}

/* Takes the last panic off the chain. The text of one that was recovered from stays for a while. */
static void droppanic(struct gextra *x)
{
	struct panic *p = x->panic;

	x->panic = p->link;
	if (p->goexit)
		return;
	xadd(&runningpanicdefers, -1);
	if (p->recovered) {
		free(x->recovered);
		x->recovered = p->text;
	} else {
		free(p->text);
	}
}

void gextrafree(struct g *gp)
{
	struct gextra *x = gp->extra;

	while (x->panic)
		droppanic(x);
	if (x->ownfp)
		fpunload(x);
	free(x->recovered);
	if (x->defers != x->first)
		free(x->defers);
	free(x);
	gp->extra = NULL;
}

/* ---- Scopes -------------------------------------------------------------------------------- */

void grt_defer(void (*fn)(void *arg), void *arg)
{
	struct gextra *x = gextra(getg_user("grt_defer"));

	if (!fn)
		gopanic("defer of nil func value");
	if (x->ndefers == x->capdefers)
		growdefers(x);
	x->defers[x->ndefers++] = (struct defer){ .fn = fn, .arg = arg, .scope = x->scope };
}

static uint32_t depth(const struct scope *s)
{
	return s ? s->depth : 0;
}

static void callscope(struct scope *s, void (*fn)(void *arg), void *arg);

static void calldeferred(const struct defer *d, struct panic *p)
{
	struct scope s = { .deferred = true };

	if (p)
		p->running = &s;
	callscope(&s, d->fn, d->arg);
}

/* The scope ends by return: calls what was deferred in it. NULL: the goroutine's own function. */
static void rundefers(struct gextra *x, const struct scope *s)
{
	struct defer d;

	while (x->ndefers && x->defers[x->ndefers - 1].scope == s) {
		d = x->defers[--x->ndefers];
		calldeferred(&d, NULL);
	}
}

/* Called when the frame of callscope() is left, also by a C++ exception that passes. */
static void leavescope(struct scope **sp)
{
	struct gextra *x = getg()->extra;
	struct scope *s = *sp;

	if (unlikely(!s->ended)) {
		if (s->deferred)
			fatal("C++ exception out of a deferred function");
		rundefers(x, s);
	}
	x->scope = s->outer;
}

static void callscope(struct scope *s, void (*fn)(void *arg), void *arg)
{
	struct gextra *x = getg()->extra;
	struct scope *entered __attribute__((cleanup(leavescope), unused)) = s;

	s->outer = x->scope;
	s->depth = depth(s->outer) + 1;
	s->cxx = cxxnow();
	x->scope = s;
	if (!_setjmp(s->env))
		fn(arg);
	rundefers(x, s);
	s->ended = true;
}

int grt_try(void (*fn)(void *arg), void *arg)
{
	struct scope s = { .deferred = false };

	gextra(getg_user("grt_try"));
	callscope(&s, fn, arg);
	return s.recovered;
}

/* ---- The end of a goroutine ---------------------------------------------------------------- */

/* The goroutine's own function has returned, or goes on at its end after a panic. */
void goreturn(struct g *gp)
{
	if (gp->extra) {
		rundefers(gp->extra, NULL);
		gextrafree(gp);
	}
	goexit1();
}

/* Calls all deferred functions, of whatever scope; then the goroutine has nothing more here. */
static void exitdefers(struct g *gp)
{
	struct gextra *x = gp->extra;
	jmp_buf env;
	struct panic p = { .goexit = true, .link = x->panic, .scope = x->scope, .env = &env };
	struct defer d;

	x->panic = &p;
	(void)_setjmp(env);
	while (x->ndefers) {
		d = x->defers[--x->ndefers];
		calldeferred(&d, &p);
	}
	gextrafree(gp);		/* it looks at p */
}

void grt_exit(void)
{
	struct g *gp = getg_user("grt_exit");

	if (unlikely(gp->extra))
		exitdefers(gp);
	goexit1();
}

/* ---- Panics -------------------------------------------------------------------------------- */

/* Go's: the first panic first, and each that began while functions of another ran, behind it. */
static void printpanics(struct text *t, const struct panic *p)
{
	if (p->link) {
		printpanics(t, p->link);
		if (!p->link->goexit)
			text(t, "\t");
	}
	if (p->goexit)
		return;
	text(t, "panic: ");
	textstr(t, p->text ? p->text : "out of memory");
	text(t, "%s\n", p->recovered ? " [recovered]" : "");
}

/* Nobody has recovered. */
static void __noreturn fatalpanic(struct panic *p, uintptr_t pc)
{
	struct text t = { .len = 0 };
	struct g *gp = usergoroutine();

	diebegin();
	printpanics(&t, p);
	if (gp) {
		text(&t, "\n");
		textgoroutine(&t, gp);
		textframes(&t, pc);
		textcreated(&t, gp);
	}
	dieend(&t);
}

/* The panic is over: what began inside @s, the scope that recovered, is gone. */
static void __noreturn recovery(struct g *gp, struct scope *s)
{
	struct gextra *x = gp->extra;

	while (x->panic && depth(x->panic->scope) >= depth(s)) {
		if (x->panic->goexit) {
			x->scope = x->panic->scope;
			_longjmp(*x->panic->env, 1);
		}
		droppanic(x);
	}
	x->scope = s;
	if (!s)
		goreturn(gp);
	cxxreturn(s->cxx);
	s->recovered = true;
	_longjmp(s->env, 1);
}

static void __noreturn rundefersof(struct g *gp, struct panic *p, uintptr_t pc)
{
	struct gextra *x = gextra(gp);
	struct defer d;

	p->link = x->panic;
	p->scope = x->scope;
	x->panic = p;
	xadd(&runningpanicdefers, 1);
	while (x->ndefers) {
		d = x->defers[--x->ndefers];
		calldeferred(&d, p);
		if (p->recovered)
			recovery(gp, d.scope);
	}
	fatalpanic(p, pc);
}

/* @pc: where the trace begins. */
static void __noreturn __cold vpanic(const char *fmt, va_list ap, uintptr_t pc)
{
	struct g *gp = getg();
	struct panic p = { .goexit = false };

	if (vasprintf(&p.text, fmt, ap) < 0)
		p.text = NULL;
	/* With the scheduler half-way through something, nobody can go on. */
	if (!gp || gp == gp->m->g0 || gp->m->hint->nopreempt)
		fatalpanic(&p, pc);
	rundefersof(gp, &p, pc);
}

void gopanic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vpanic(fmt, ap, (uintptr_t)__builtin_return_address(0));
}

void grt_panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vpanic(fmt, ap, (uintptr_t)__builtin_return_address(0));
}

const char *grt_recover(void)
{
	struct g *gp = getg();
	struct panic *p;

	if (!gp || gp == gp->m->g0 || !gp->extra)
		return NULL;
	p = gp->extra->panic;
	if (!p || p->goexit || p->recovered || gp->extra->scope != p->running)
		return NULL;
	p->recovered = true;
	return p->text ? p->text : "out of memory";
}

/*
 * The main goroutine is done, but others may panic (R95): gives them time to run what they have
 * deferred, and does not end the process under one that says what happened.
 */
void waitpanics(void)
{
	int i;

	for (i = 0; i < 1000 && load_relaxed(&runningpanicdefers); i++)
		grt_yield();
	if (dying())
		gopark(NULL, NULL, GRT_WAIT_PANIC);
}
