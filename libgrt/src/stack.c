// SPDX-License-Identifier: MIT
/*
 * Stacks: address space reserved in slabs, memory committed by the first touch.
 *
 * Below each stack lies a guard page. Where the kernel can guard pages without splitting a mapping
 * (6.13) any number of stacks fit; elsewhere each costs two mappings of vm.max_map_count.
 */
#include <errno.h>
#include <link.h>
#include <sys/mman.h>

#include "runtime.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif

#define STACK_SIZE		(256UL << 10)	/* reserved; what is not touched costs nothing */
#define GUARD_SIZE		((size_t)PAGE_SIZE)
#define THREAD_STACK_SIZE	(256UL << 10)	/* the scheduler's; goroutines do not run on it */
#define SLAB_STACKS		16		/* 4 MiB: one mmap and one madvise for 16 stacks */

static struct {
	struct grt_lock lock;
	uintptr_t slab, slab_end;	/* address space not yet cut into stacks */
} pool = { .lock = LOCK_INIT(LOCKRANK_STACKPOOL) };

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
	static bool no_guard_install = GUARDS_MAPPED;

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
 * stackalloc() - a stack with a guard page below it, for a G, which keeps it
 * @st: out
 *
 * Any thread. Return: false when the process can have no more memory or mappings.
 */
bool stackalloc(struct stack *st)
{
	bool ok;

	lock(&pool.lock);
	ok = (pool.slab < pool.slab_end || newslab()) && guard(pool.slab);
	if (ok) {
		st->lo = pool.slab + GUARD_SIZE;
		pool.slab += STACK_SIZE;
		st->hi = pool.slab;
		stackmapped((void *)st->lo, st->hi - st->lo);
	}
	unlock(&pool.lock);
	return ok;
}

static int addtls(struct dl_phdr_info *info, size_t size, void *sum)
{
	int i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type == PT_TLS)
			*(size_t *)sum += info->dlpi_phdr[i].p_memsz + info->dlpi_phdr[i].p_align;
	}
	return 0;
}

/**
 * threadstackalloc() - a stack for a thread, with room for the thread-local variables of the
 * program, which the C library puts there, and a guard page below it
 * @st: out
 *
 * Return: false when the process can have no more memory or mappings.
 */
bool threadstackalloc(struct stack *st)
{
	size_t size = 0;
	void *p;

	dl_iterate_phdr(addtls, &size);
	size = (size + THREAD_STACK_SIZE + GUARD_SIZE - 1) & -GUARD_SIZE;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (p == MAP_FAILED)
		return false;
	st->lo = (uintptr_t)p + GUARD_SIZE;
	st->hi = (uintptr_t)p + size;
	if (guard((uintptr_t)p))
		return true;
	munmap(p, size);
	return false;
}
