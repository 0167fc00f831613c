/* SPDX-License-Identifier: MIT */
/*
 * Deferred functions, panics, and recovery, by Go's rules.
 *
 * A panic runs the deferred functions of the goroutine, last first. One of them may recover; what
 * it recovers from ends, as in Go, with the return of the function that deferred it. C has no such
 * frames of its own accord, so they are made: grt_try() calls a function as a *scope*. The function
 * of a goroutine is one too, and so is each deferred function while it runs.
 *
 *	static void cleanup(void *arg)
 *	{
 *		const char *why = grt_recover();
 *
 *		if (why)
 *			fprintf(stderr, "gave up: %s\n", why);
 *		free(arg);
 *	}
 *
 *	static void job(void *unused)
 *	{
 *		char *buf = malloc(4096);
 *
 *		grt_defer(cleanup, buf);
 *		work(buf);		// may call grt_panic("no %s", "luck")
 *	}
 *
 *	failed = grt_try(job, NULL);
 *
 * What a panic skips, it skips as longjmp() does: no destructor of a C++ object and no cleanup of
 * the compiler's runs for the frames in between. Deferred functions do, and C++ exceptions whose
 * handlers are skipped are freed.
 */
#ifndef GRT_PANIC_H
#define GRT_PANIC_H

#include <grt/base.h>

GRT_BEGIN_DECLS

/**
 * grt_defer() - have a function called at the end of the scope
 * @fn: called when the innermost scope around the call of grt_defer() ends: by return, by
 *	grt_exit(), by a panic
 * @arg: passed to @fn
 *
 * Scopes are the functions of goroutines, functions called by grt_try(), and deferred functions.
 * Those deferred last are called first. @fn may do all that a goroutine may, also park. A C++
 * exception must not leave it.
 *
 * Context: goroutine.
 */
GRT_API void grt_defer(void (*fn)(void *arg), void *arg);

/**
 * grt_panic() - stop what the goroutine does
 * @fmt: as of printf: why
 *
 * Calls the deferred functions of all scopes of the goroutine, last first, on top of its stack,
 * until one of them recovers. If none does the process ends with status 2 and says on stderr, in
 * Go's words, why and where; with GRTTRACEBACK=crash in the environment it aborts.
 *
 * A deferred function may panic in its turn: the new panic goes on with the deferred functions that
 * are left. A panic on a thread that is no goroutine, or in a function that runs on the scheduler's
 * stack, as the commit of grt_park(), cannot be recovered from.
 *
 * Context: any thread.
 */
GRT_API void grt_panic(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));

/**
 * grt_recover() - end the panic that the calling deferred function was called by
 *
 * To be called by a deferred function that a panic runs, or by an ordinary function it calls. The
 * panic is over when the deferred function returns: the scope that it was deferred in ends, with
 * its other deferred functions, as if it had returned. That is the return of grt_try(), or the end
 * of the goroutine; for the main goroutine the return of grt_run() with 0.
 *
 * Context: any thread.
 *
 * Return: what the panic said; NULL when there is nothing to recover from: no panic, or the
 * function was deferred but is called for another reason, or the panic has been recovered already.
 * The text is valid until the goroutine goes on after another recovered panic, or ends.
 */
GRT_API const char *grt_recover(void);

/**
 * grt_try() - call a function as a scope
 * @fn: called at once, on the same goroutine
 * @arg: passed to @fn
 *
 * What @fn defers is called before grt_try() returns. A C++ exception may pass: what was deferred
 * is called then, too.
 *
 * Context: goroutine.
 * Return: 0: @fn returned. 1: there was a panic, and a function deferred in @fn recovered.
 */
GRT_API int grt_try(void (*fn)(void *arg), void *arg);

GRT_END_DECLS

#endif /* GRT_PANIC_H */
