// SPDX-License-Identifier: MIT
/*
 * Stacks: address space reserved in slabs, memory committed by the first touch.
 *
 * Below each stack lies a guard page. Where the kernel can guard pages without splitting a mapping
 * (6.13) any number of stacks fit; elsewhere each costs two mappings of vm.max_map_count.
 */
#include <errno.h>
#include <sys/mman.h>

#include "runtime.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif

#define STACK_SIZE		(256UL << 10)	/* reserved; what is not touched costs nothing */
#define GUARD_SIZE		4096UL
#define SLAB_STACKS		16		/* 4 MiB: one mmap and one madvise for 16 stacks */

/* A free stack; written into its last words, which its next user touches anyway. */
struct free_stack {
	struct free_stack *next;
};

static struct {
	struct grt_lock lock;
	struct free_stack *free;
	uintptr_t slab, slab_end;	/* address space not yet cut into stacks */
} pool;

static bool newslab(void)
{
	size_t size = SLAB_STACKS * STACK_SIZE;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (p == MAP_FAILED)
		return false;
	/* A huge page would commit eight stacks at once. */
	madvise(p, size, MADV_NOHUGEPAGE);
	pool.slab = (uintptr_t)p;
	pool.slab_end = pool.slab + size;
	return true;
}

static bool guard(uintptr_t lo)
{
	static bool no_guard_install;

	if (!load_relaxed(&no_guard_install)) {
		if (!madvise((void *)lo, GUARD_SIZE, MADV_GUARD_INSTALL))
			return true;
		if (errno != EINVAL)
			return false;
		store_relaxed(&no_guard_install, true);
	}
	return !mprotect((void *)lo, GUARD_SIZE, PROT_NONE);
}

/**
 * stackalloc() - a stack with a guard page below it
 * @st: out
 *
 * Any thread. Return: false when the process can have no more memory or mappings.
 */
bool stackalloc(struct stack *st)
{
	struct free_stack *f;
	uintptr_t lo;
	bool ok = true;

	lock(&pool.lock);
	f = pool.free;
	if (f) {
		pool.free = f->next;
		st->hi = (uintptr_t)(f + 1);
		st->lo = st->hi - STACK_SIZE + GUARD_SIZE;
	} else if (pool.slab < pool.slab_end || newslab()) {
		lo = pool.slab;
		ok = guard(lo);
		if (ok) {
			pool.slab += STACK_SIZE;
			st->lo = lo + GUARD_SIZE;
			st->hi = lo + STACK_SIZE;
		}
	} else {
		ok = false;
	}
	unlock(&pool.lock);
	return ok;
}

/**
 * stackfree() - give a stack back
 * @st: from stackalloc(); nobody runs on it any more
 */
void stackfree(struct stack *st)
{
	struct free_stack *f = (struct free_stack *)st->hi - 1;

	lock(&pool.lock);
	f->next = pool.free;
	pool.free = f;
	unlock(&pool.lock);
	st->lo = 0;
	st->hi = 0;
}
