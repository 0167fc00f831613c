/* SPDX-License-Identifier: GPL-2.0 */
/*
 * shim.h - as much of the kernel as kmod/slot.c needs to be a user program
 *
 * slot_test.sh compiles slot.c as it is, with this in front of it and empty headers where it and
 * gsched.h include the kernel's. Types that slot.c never looks into are there only to have a size.
 *
 * BREAK_CMPXCHG makes the cmpxchg of a lock holder a check and a plain store: the test must notice.
 */
#ifndef SHIM_H
#define SHIM_H

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define GSCHED_COMPAT_H	/* differences between kernels: nothing in it is for slot.c */
#define GSCHED_TRACE_H	/* tracepoints */
#define trace_gsched_handoff(p, from, to, ns) ((void)(ns))
#define trace_gsched_grant(p, state, m) ((void)(m))
#define trace_gsched_stop(m) ((void)(m))
#define trace_gsched_stopped(m, ns) ((void)(ns))
#define trace_gsched_start(m, ns) ((void)(ns))
#define trace_gsched_resize(m, from, nr_p) ((void)(m))

typedef uint8_t u8;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;
typedef int64_t s64;

#define ____cacheline_aligned_in_smp __attribute__((aligned(64)))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define fls64(x) (64 - __builtin_clzll(x))
#define __percpu
#define min(a, b) ((a) < (b) ? (a) : (b))
#define unlikely(x) (x)

/* ---- Words shared between threads ---- */

/*
 * What was read may be old by the time it is used: now and then another thread runs in between, so
 * that a check that is not one with what it guards is found out.
 */
extern __thread unsigned int shim_reads;

static inline void shim_pause(void)
{
	if (++shim_reads % 32 == 0)
		sched_yield();
}

#define READ_ONCE(x) \
({ \
	__typeof__(x) x_ = __atomic_load_n(&(x), __ATOMIC_RELAXED); \
	shim_pause(); \
	x_; \
})
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define smp_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)

extern __thread int shim_locks_held;

static inline u64 shim_cmpxchg(u64 *ptr, u64 old, u64 new)
{
#ifdef BREAK_CMPXCHG
	if (shim_locks_held) {
		u64 seen = READ_ONCE(*ptr);

		if (seen == old)
			WRITE_ONCE(*ptr, new);
		return seen;
	}
#endif
	__atomic_compare_exchange_n(ptr, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return old;
}

#define cmpxchg(ptr, old, new) shim_cmpxchg(ptr, old, new)

static inline bool try_cmpxchg(u64 *ptr, u64 *old, u64 new)
{
	u64 seen = shim_cmpxchg(ptr, *old, new);
	bool done = seen == *old;

	*old = seen;
	return done;
}

static inline void clear_bit(unsigned int bit, unsigned long *word)
{
	__atomic_fetch_and(word, ~(1UL << bit), __ATOMIC_RELAXED);
}

/* ---- The lock: a mutex, which knows its holder ---- */

typedef struct {
	pthread_mutex_t mutex;
	pthread_t holder;
} raw_spinlock_t;

static inline void shim_lock(raw_spinlock_t *l)
{
	pthread_mutex_lock(&l->mutex);
	l->holder = pthread_self();
	shim_locks_held++;
}

static inline void shim_unlock(raw_spinlock_t *l)
{
	shim_locks_held--;
	pthread_mutex_unlock(&l->mutex);
}

#define raw_smp_processor_id() 0
#define compat_wake_cpu(t, cpu) ((void)(t), (void)(cpu))
#define __acquires(l)
#define __releases(l)
#define raw_spin_lock_irqsave(l, flags) ((flags) = 0, shim_lock(l))
#define raw_spin_unlock_irqrestore(l, flags) ((void)(flags), shim_unlock(l))
#define lockdep_assert_held(l) \
	assert(shim_locks_held && pthread_equal((l)->holder, pthread_self()))

/* ---- Lists ---- */

struct list_head {
	struct list_head *next, *prev;
};

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	head->next = head;
	head->prev = head;
}

/* Behind @pos, as the kernel's. */
static inline void list_add(struct list_head *entry, struct list_head *pos)
{
	entry->prev = pos;
	entry->next = pos->next;
	pos->next->prev = entry;
	pos->next = entry;
}

static inline void list_add_tail(struct list_head *entry, struct list_head *head)
{
	list_add(entry, head->prev);
}

static inline void list_del_init(struct list_head *entry)
{
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
	INIT_LIST_HEAD(entry);
}

#define list_empty(head) ((head)->next == (head))
#define list_first_entry_or_null(head, type, member) \
	(list_empty(head) ? NULL : container_of((head)->next, type, member))
#define list_for_each_entry(pos, head, member) \
	for (pos = container_of((head)->next, __typeof__(*pos), member); \
	     &pos->member != (head); \
	     pos = container_of(pos->member.next, __typeof__(*pos), member))
#define list_for_each_entry_reverse(pos, head, member) \
	for (pos = container_of((head)->prev, __typeof__(*pos), member); \
	     &pos->member != (head); \
	     pos = container_of(pos->member.prev, __typeof__(*pos), member))

/* ---- Named in gsched.h, no business of slot.c ---- */

struct preempt_ops { int unused; };
struct preempt_notifier { struct preempt_ops *ops; struct preempt_notifier *link; };
struct task_struct { struct preempt_notifier *preempt_notifiers; };
struct callback_head { int unused; };
struct hrtimer { int unused; };
struct kref { int unused; };
struct llist_head { int unused; };
struct llist_node { int unused; };
struct mutex { int unused; };
struct rcu_work { int unused; };
struct wait_queue_entry { int unused; };
struct wait_queue_head { int unused; };
struct vm_area_struct;
struct mm_struct;
struct page;
struct pid;
struct workqueue_struct;

extern struct task_struct *const current;
#define hlist_for_each_entry(pos, head, member) \
	for (pos = *(head); pos; pos = pos->member)

/* An irq_work that was queued has something to tell; slot_unlock() queues poll_work. */
struct irq_work { bool queued; };

static inline void irq_work_queue(struct irq_work *work)
{
	work->queued = true;
}

#define NSEC_PER_MSEC 1000000L

/* It is a millisecond later each time. */
extern u64 shim_ns;

static inline u64 ktime_get_mono_fast_ns(void)
{
	return __atomic_add_fetch(&shim_ns, NSEC_PER_MSEC, __ATOMIC_RELAXED);
}

#endif /* SHIM_H */
