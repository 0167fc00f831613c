// SPDX-License-Identifier: MIT
/*
 * What cannot be gone on from is said here, in Go's words; then the process ends with status 2, or
 * SIGABRT with GRTTRACEBACK=crash.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

#include "gextra.h"
#include "traceback.h"

#define MAX_FRAMES	100	/* as Go's */

/* ---- Text ---------------------------------------------------------------------------------- */

static void flush(struct text *t)
{
	size_t off = 0;
	ssize_t n;

	while (off < t->len) {
		n = write(STDERR_FILENO, t->buf + off, t->len - off);
		if (n <= 0)
			break;
		off += n;
	}
	t->len = 0;
}

void textstr(struct text *t, const char *s)
{
	size_t n, len = strlen(s);

	while (len) {
		if (t->len == sizeof(t->buf))
			flush(t);
		n = sizeof(t->buf) - t->len;
		if (n > len)
			n = len;
		memcpy(t->buf + t->len, s, n);
		t->len += n;
		s += n;
		len -= n;
	}
}

/* A piece is cut off at the size of the buffer: only a file's or function's name is so long. */
static void vtext(struct text *t, const char *fmt, va_list ap)
{
	char piece[sizeof(t->buf)];

	vsnprintf(piece, sizeof(piece), fmt, ap);
	textstr(t, piece);
}

void text(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vtext(t, fmt, ap);
	va_end(ap);
}

/* ---- Places -------------------------------------------------------------------------------- */

/* A place in the program in one line: its function if that is known, else what addr2line needs. */
static void textplace(struct text *t, uintptr_t pc)
{
	Dl_info info;

	if (!dladdr((void *)pc, &info) || !info.dli_fname)
		text(t, "0x%lx", pc);
	else if (info.dli_sname)
		text(t, "%s+0x%lx", info.dli_sname, pc - (uintptr_t)info.dli_saddr);
	else
		text(t, "%s+0x%lx", info.dli_fname, pc - (uintptr_t)info.dli_fbase);
}

/*
 * A frame in two lines: the function, which only those that are exported have a name for, and what
 * addr2line needs. @pc is a return address, so the call lies before it.
 */
static void textframe(struct text *t, uintptr_t pc, const char *behind)
{
	Dl_info info;

	if (!dladdr((void *)(pc - 1), &info) || !info.dli_fname) {
		text(t, "?%s\n\t0x%lx\n", behind, pc - 1);
		return;
	}
	textstr(t, info.dli_sname ? info.dli_sname : "?");
	text(t, "%s\n\t%s+0x%lx\n", behind, info.dli_fname, pc - 1 - (uintptr_t)info.dli_fbase);
}

struct frames {
	uintptr_t from;			/* leave out what comes before it; 0: take all */
	uintptr_t pc[MAX_FRAMES + 1];
	int n;
};

static _Unwind_Reason_Code addframe(struct _Unwind_Context *context, void *arg)
{
	struct frames *f = arg;
	uintptr_t pc = _Unwind_GetIP(context);

	if (!pc)
		return _URC_END_OF_STACK;
	if (f->from && pc != f->from)
		return _URC_NO_REASON;
	f->from = 0;
	f->pc[f->n++] = pc;
	return f->n <= MAX_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

void textframes(struct text *t, uintptr_t pc)
{
	struct frames f = { .from = pc };
	int i, n;

	_Unwind_Backtrace(addframe, &f);
	n = f.n;
	/* The last two are where every goroutine begins: gostart() and goexit(). */
	if (n > 2 && f.pc[n - 1] - (uintptr_t)goexit < 16)
		n -= 2;
	for (i = 0; i < n && i < MAX_FRAMES; i++)
		textframe(t, f.pc[i], "(...)");
	if (n > MAX_FRAMES)
		text(t, "...additional frames elided...\n");
}

/* ---- Goroutines ---------------------------------------------------------------------------- */

struct g *usergoroutine(void)
{
	struct g *gp = getg();

	if (gp && gp == gp->m->g0)
		gp = gp->m->curg;
	return gp;
}

/* C18, in Go's words. */
static const char *const waitreasons[GRT_WAIT_NR] = {
	[GRT_WAIT_SLEEP]		= "sleep",
	[GRT_WAIT_CHAN_RECEIVE]		= "chan receive",
	[GRT_WAIT_CHAN_SEND]		= "chan send",
	[GRT_WAIT_CHAN_RECEIVE_NIL]	= "chan receive (nil chan)",
	[GRT_WAIT_CHAN_SEND_NIL]	= "chan send (nil chan)",
	[GRT_WAIT_SELECT]		= "select",
	[GRT_WAIT_SELECT_NO_CASES]	= "select (no cases)",
	[GRT_WAIT_IO]			= "IO wait",
	[GRT_WAIT_SEMACQUIRE]		= "semacquire",
	[GRT_WAIT_MUTEX]		= "sync.Mutex.Lock",
	[GRT_WAIT_RWMUTEX_RLOCK]	= "sync.RWMutex.RLock",
	[GRT_WAIT_RWMUTEX_LOCK]		= "sync.RWMutex.Lock",
	[GRT_WAIT_COND]			= "sync.Cond.Wait",
	[GRT_WAIT_WAITGROUP]		= "sync.WaitGroup.Wait",
	[GRT_WAIT_PREEMPTED]		= "preempted",
	[GRT_WAIT_STOP_WORLD]		= "stopping the world",
	[GRT_WAIT_PANIC]		= "panicwait",
	[GRT_WAIT_USER]			= "user wait",
};

static const char *waitreason(const struct g *gp)
{
	const char *why = NULL;

	if (load_relaxed(&gp->status) != Gwaiting)
		return "running";
	if (gp->waitreason < GRT_WAIT_NR)
		why = waitreasons[gp->waitreason];
	return why ? why : "waiting";
}

void textgoroutine(struct text *t, const struct g *gp)
{
	text(t, "goroutine %lu ", gp->goid);
	if (gp->extra && *gp->extra->name)
		text(t, "\"%s\" ", gp->extra->name);
	text(t, "[%s%s]:\n", waitreason(gp), gp->lockedm ? ", locked to thread" : "");
}

void textcreated(struct text *t, const struct g *gp)
{
	char in[48] = "";

	if (gp->parentgoid)
		snprintf(in, sizeof(in), " in goroutine %lu", gp->parentgoid);
	textstr(t, "created by ");
	textframe(t, gp->gopc, in);
}

/* ---- The end ------------------------------------------------------------------------------- */

/* Not one of the runtime's: who dies may hold any of those. */
static pthread_mutex_t dielock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t ndying;		/* A: from diebegin() to dieend() */
static pid_t speaker;		/* A: the thread that holds dielock */

bool dying(void)
{
	return load_seqcst(&ndying);
}

void diebegin(void)
{
	/* It went wrong while we said what went wrong. */
	if (load_relaxed(&speaker) == gettid())
		_exit(2);
	xadd(&ndying, 1);
	pthread_mutex_lock(&dielock);
	store_relaxed(&speaker, gettid());
}

void dieend(struct text *t)
{
	const char *env = getenv("GRTTRACEBACK");

	flush(t);
	store_relaxed(&speaker, 0);
	pthread_mutex_unlock(&dielock);
	/* Another wants to say something, too: it will end the process. */
	if (xadd(&ndying, -1) != 1) {
		for (;;)
			pause();
	}
	if (env && !strcmp(env, "crash"))
		abort();
	_exit(2);
}

void fatal(const char *msg)
{
	struct g *gp = usergoroutine();
	struct text t = { .len = 0 };

	diebegin();
	textstr(&t, "fatal error: ");
	textstr(&t, msg);
	if (gp) {
		text(&t, " [goroutine %lu, created at ", gp->goid);
		textplace(&t, gp->gopc);
		textstr(&t, "]");
	}
	textstr(&t, "\n");
	dieend(&t);
}

void fatal_setup(const char *fmt, ...)
{
	struct text t = { .len = 0 };
	va_list ap;

	/* %m is of the caller's errno, which the locks below may change. */
	textstr(&t, "grt: ");
	va_start(ap, fmt);
	vtext(&t, fmt, ap);
	va_end(ap);
	textstr(&t, "\n");
	diebegin();
	dieend(&t);
}
