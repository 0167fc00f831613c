// SPDX-License-Identifier: MIT
/*
 * What cannot be gone on from: said in one line, exit status 2, or SIGABRT with
 * GRTTRACEBACK=crash.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime.h"

/* The text is built here and leaves by one write: nothing else gets in between. */
struct text {
	char buf[1024];
	size_t len;
};

static void vtext(struct text *t, const char *fmt, va_list ap)
{
	int n = vsnprintf(t->buf + t->len, sizeof(t->buf) - t->len, fmt, ap);

	if (n > 0)
		t->len += n;
	if (t->len >= sizeof(t->buf))
		t->len = sizeof(t->buf) - 1;
}

static void __printf(2, 3) text(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vtext(t, fmt, ap);
	va_end(ap);
}

/* A place in the program: its function if that is known, else what addr2line needs. */
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

static void __noreturn die(struct text *t)
{
	const char *env = getenv("GRTTRACEBACK");
	size_t off = 0;
	ssize_t n;

	while (off < t->len) {
		n = write(STDERR_FILENO, t->buf + off, t->len - off);
		if (n <= 0)
			break;
		off += n;
	}
	if (env && !strcmp(env, "crash"))
		abort();
	_exit(2);
}

static struct g *usergoroutine(void)
{
	struct g *gp = getg();

	if (gp && gp == gp->m->g0)
		gp = gp->m->curg;
	return gp;
}

void fatal(const char *msg)
{
	struct g *gp = usergoroutine();
	struct text t = { .len = 0 };

	text(&t, "fatal error: %s", msg);
	if (gp) {
		text(&t, " [goroutine %lu, created at ", gp->goid);
		textplace(&t, gp->gopc);
		text(&t, "]");
	}
	text(&t, "\n");
	die(&t);
}

void fatal_setup(const char *fmt, ...)
{
	struct text t = { .len = 0 };
	va_list ap;

	text(&t, "grt: ");
	va_start(ap, fmt);
	vtext(&t, fmt, ap);
	va_end(ap);
	text(&t, "\n");
	die(&t);
}

void gopanic(const char *fmt, ...)
{
	struct g *gp = usergoroutine();
	struct text t = { .len = 0 };
	va_list ap;

	text(&t, "panic: ");
	va_start(ap, fmt);
	vtext(&t, fmt, ap);
	va_end(ap);
	if (gp) {
		text(&t, "\n\ngoroutine %lu [running]:\ncreated at ", gp->goid);
		textplace(&t, gp->gopc);
	}
	text(&t, "\n");
	die(&t);
}
