/* SPDX-License-Identifier: MIT */
/*
 * Tells the sanitizers, and Valgrind, about stacks; nothing in an ordinary build.
 *
 *	fiberinit()	@gp has a stack, or the thread's own is that of @gp
 *	fiberleave()	@from is about to leave its stack for that of @to
 *	fiberarrive()	@gp is on its stack again, or for the first time
 *	fiberlast()	@gp is about to leave its stack for the last time
 *	fiberend()	it has; on another stack
 *	stackmapped()	there is a stack, for any number of goroutines, one after the other
 *
 * ThreadSanitizer counts the calls of each stack. g0 leaves its stack without returning from any,
 * so the library is built without these counts (Makefile), or they would overflow.
 *
 * No compiler says that Valgrind looks on: GRT_VALGRIND does (make VALGRIND=1). To it the stack
 * pointer changes stacks when it comes to lie in another that was registered, as goroutines' are
 * here. A thread's it registers itself, from where the thread's stack pointer is at first down to
 * the end of that mapping. So guards must be mappings of their own: it knows of no others, and a
 * thread's stack would hold those of goroutines.
 */
#ifndef GRT_SRC_SANITIZE_H
#define GRT_SRC_SANITIZE_H

#include <stddef.h>

#ifndef __has_feature
#define __has_feature(x)	0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define GRT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define GRT_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#ifdef GRT_VALGRIND
#include <valgrind/memcheck.h>
#define GUARDS_MAPPED	true
#define STACK_HEADROOM	512	/* with less above the stack pointer it shows no callers */
#else
#define GUARDS_MAPPED	false
#define STACK_HEADROOM	0
#endif

/* What a sanitizer knows of a stack. */
struct fiber {
#ifdef GRT_ASAN
	void *fakestack;
	const void *bottom;
	size_t size;
	bool last;
#endif
#ifdef GRT_TSAN
	void *tsan;
#endif
};

static inline void fiberinit(struct fiber *f, void *bottom, size_t size, bool thread)
{
	(void)f;
	(void)bottom;
	(void)size;
	(void)thread;
#ifdef GRT_ASAN
	f->fakestack = NULL;
	f->bottom = bottom;
	f->size = size;
	f->last = false;
	/* Who had the stack before may have left it from deep inside. */
	if (!thread)
		__asan_unpoison_memory_region(bottom, size);
#endif
#ifdef GRT_TSAN
	if (thread)
		f->tsan = __tsan_get_current_fiber();
	else
		f->tsan = __tsan_create_fiber(0);
#endif
#ifdef GRT_VALGRIND
	/* And what it left there has no meaning now. */
	if (!thread)
		VALGRIND_MAKE_MEM_UNDEFINED(bottom, size);
#endif
}

static inline void fiberleave(struct fiber *from, struct fiber *to)
{
	(void)from;
	(void)to;
#ifdef GRT_ASAN
	__sanitizer_start_switch_fiber(from->last ? NULL : &from->fakestack, to->bottom, to->size);
#endif
#ifdef GRT_TSAN
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
}

static inline void fiberarrive(struct fiber *f)
{
	(void)f;
#ifdef GRT_ASAN
	__sanitizer_finish_switch_fiber(f->fakestack, NULL, NULL);
#endif
}

static inline void fiberlast(struct fiber *f)
{
	(void)f;
#ifdef GRT_ASAN
	f->last = true;
#endif
}

static inline void fiberend(struct fiber *f)
{
	(void)f;
#ifdef GRT_TSAN
	__tsan_destroy_fiber(f->tsan);
	f->tsan = NULL;
#endif
}

static inline void stackmapped(void *bottom, size_t size)
{
	(void)bottom;
	(void)size;
#ifdef GRT_VALGRIND
	/* For good, as the stack is there; the end is the last byte. */
	VALGRIND_STACK_REGISTER(bottom, (char *)bottom + size - 1);
#endif
}

/* Gs lie in memory from the kernel: what they point to is no leak. */
static inline void leakroots(const void *p, size_t size)
{
	(void)p;
	(void)size;
#ifdef GRT_ASAN
	__lsan_register_root_region(p, size);
#endif
}

#endif /* GRT_SRC_SANITIZE_H */
