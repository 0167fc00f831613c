/* SPDX-License-Identifier: MIT */
/*
 * Atomic access to plain words, in the memory model of C11.
 *
 * The words shared with the kernel have the types of its header, which _Atomic would change, so
 * the orders are written at the access. READ_ONCE and WRITE_ONCE are for words that only this
 * thread and the kernel in this thread's context use.
 */
#ifndef GRT_SRC_ATOMIC_H
#define GRT_SRC_ATOMIC_H

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)

#define barrier()		__asm__ volatile("" ::: "memory")
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)

#define load_relaxed(p)		__atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p)		__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define load_seqcst(p)		__atomic_load_n((p), __ATOMIC_SEQ_CST)
#define store_relaxed(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_release(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define store_seqcst(p, v)	__atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define xchg(p, v)		__atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define xadd(p, v)		__atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)

/* Sequentially consistent compare and swap: true if *p was old. */
#define cas(p, old, new) __extension__({					\
	__typeof__(*(p)) __old = (old);						\
	__atomic_compare_exchange_n((p), &__old, (new), 0, __ATOMIC_SEQ_CST,	\
				    __ATOMIC_SEQ_CST);				\
})

/* Orders everything before it against everything after it: the enqueuer's fence (protocol 4). */
#define fence_seqcst()		__atomic_thread_fence(__ATOMIC_SEQ_CST)

#endif /* GRT_SRC_ATOMIC_H */
