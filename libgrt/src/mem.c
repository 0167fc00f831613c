// SPDX-License-Identifier: MIT
/*
 * Memory of the runtime's own.
 *
 * Code that keeps its P must not wait for whoever may have none. On gsched a thread can be stopped
 * at any instruction of the program, and so in malloc() with the allocator's lock held; it goes on
 * when it is given a P again. If another called malloc() with nopreempt set it would keep the P
 * that the first one waits for. So what is allocated between acquirem() and releasem(), or on g0,
 * comes from mmap(): the kernel's locks are never held at the border.
 */
#include <sys/mman.h>

#include "runtime.h"

#define CHUNK_SIZE	(256UL << 10)	/* hundreds of Gs a mapping */
#define ALIGN		64UL

static struct {
	struct grt_lock lock;
	uintptr_t next, end;	/* of the chunk that is cut into pieces */
} chunk;

/**
 * sysalloc() - memory from the kernel
 * @size: bytes
 *
 * Any thread.
 * Return: page-aligned and zeroed, for sysfree(); NULL: the process can have no more.
 */
void *sysalloc(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void sysfree(void *p, size_t size)
{
	if (p)
		munmap(p, size);
}

/**
 * persistentalloc() - memory that is never given back
 * @size: bytes, at most CHUNK_SIZE
 *
 * Any thread.
 * Return: aligned to a cache line and zeroed; NULL: the process can have no more.
 */
void *persistentalloc(size_t size)
{
	uintptr_t p = 0;

	size = (size + ALIGN - 1) & -ALIGN;
	lock(&chunk.lock);
	if (size > chunk.end - chunk.next) {
		chunk.next = (uintptr_t)sysalloc(CHUNK_SIZE);
		chunk.end = chunk.next ? chunk.next + CHUNK_SIZE : 0;
		if (chunk.next)
			leakroots((void *)chunk.next, CHUNK_SIZE);
	}
	if (chunk.next) {
		p = chunk.next;
		chunk.next += size;
	}
	unlock(&chunk.lock);
	return (void *)p;
}
