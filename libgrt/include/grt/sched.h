/* SPDX-License-Identifier: MIT */
/*
 * Goroutines: the runtime's life, starting, yielding, parking.
 *
 * Thread-local variables: a goroutine that parks, yields or waits may come back on another thread.
 * The compiler does not know: within one function it may use the address of a thread-local
 * variable, and so errno and pthread_self(), that it computed before. Reach them through a function
 * that is not inlined, or lock the goroutine to its thread.
 *
 * Signal handlers may call grt_self(), grt_self_id(), grt_now(), grt_num_goroutines() and
 * grt_backend_name(), and no other function of the library: the code they interrupt may hold the
 * runtime's locks. To wake a goroutine, a handler writes to a pipe or eventfd that it reads.
 *
 * After fork() the child may only call exec functions and _exit(): whatever else it asks of the
 * runtime is fatal. posix_spawn() is as good as anywhere.
 */
#ifndef GRT_SCHED_H
#define GRT_SCHED_H

#include <grt/base.h>

GRT_BEGIN_DECLS

/** grt_g: a goroutine; opaque. Valid from grt_park()'s commit, or its start, to grt_ready() */
typedef struct grt_g grt_g;

/**
 * enum grt_thread_policy - what happens when a thread is wanted and maxthreads are there
 * @GRT_THREADS_FATAL: "thread exhaustion" ends the process, as in Go
 * @GRT_THREADS_WAIT: goroutines wait until a thread is free again. If every thread there may be is
 *	kept by a goroutine locked to it that waits, none is left to wake those: that is fatal
 */
enum grt_thread_policy {
	GRT_THREADS_FATAL	= 0,
	GRT_THREADS_WAIT	= 1,
};

/**
 * struct grt_config - how grt_run_with() sets the runtime up; a field that is 0 has its default
 * @size: sizeof(struct grt_config) as the caller knows it
 * @maxprocs: number of Ps, 1 to 1024. Default: $GRT_MAXPROCS if it is an integer above 0, else the
 *	number of CPUs the process may run on, or, if that is less, as many as its control group
 *	grants it the time of (rounded up, but 2 at least); changes are followed within seconds
 * @maxthreads: most threads that run goroutines, beside the calling one. Default: 10000
 * @thread_policy: enum grt_thread_policy
 * @slice_ns: how long a goroutine may compute while others wait, in nanoseconds, 500000 to
 *	100000000. Default: 10000000 (C7). On gsched its P is given on then, wherever it is; on
 *	futex it yields when it next enters the runtime
 * @stop_timeout_ns: how long grt_stop_world() waits for goroutines to stop, in nanoseconds.
 *	Default: 10 seconds
 */
struct grt_config {
	size_t size;
	int maxprocs;
	int maxthreads;
	int thread_policy;
	/* private: 0 */
	int reserved;
	/* public: */
	int64_t slice_ns;
	int64_t stop_timeout_ns;
};

/**
 * grt_run() - boot the runtime and run a goroutine in it
 * @fn: the main goroutine
 * @arg: passed to @fn
 *
 * The runtime lives until @fn returns. Goroutines left then never run again: one that is computing
 * or in a system call goes on only until it next enters the runtime. A process can have one runtime
 * in its life; a second call is fatal.
 *
 * The calling thread runs the main goroutine until that first parks, or for as long as it is locked
 * to it (grt_lock_thread()), and no other goroutine. So this returns as soon as @fn does.
 *
 * Return: what @fn returned.
 */
GRT_API int grt_run(int (*fn)(void *arg), void *arg);

/** grt_run_with() - grt_run() with settings; panics on settings out of range */
GRT_API int grt_run_with(const struct grt_config *config, int (*fn)(void *arg), void *arg);

/**
 * grt_main() - the main goroutine of a program linked with -lgrt_main; yours to write
 * @argc: as of main()
 * @argv: likewise
 *
 * Return: the exit status.
 */
int grt_main(int argc, char **argv);

/** struct grt_init_task - an init task, made by GRT_INIT() */
struct grt_init_task {
	/* private: */
	void (*fn)(void);
	struct grt_init_task *next;
};

/** grt_init_add() - what GRT_INIT() calls */
GRT_API void grt_init_add(struct grt_init_task *task);

/**
 * GRT_INIT() - have a function run before the main goroutine's
 * @fn: its name: void fn(void)
 *
 * In a source file, outside functions. Init tasks run one after the other in the main goroutine,
 * which is locked to the thread of grt_run() meanwhile, and may start goroutines and wait for them.
 * Those of one file run in the order in which they stand there, those of a library before those of
 * what is linked with it. If one calls grt_lock_thread(), the main goroutine stays on its thread.
 *
 * The tasks of a library that is loaded while the runtime runs are run by its dlopen().
 */
#define GRT_INIT(fn)								\
	__attribute__((constructor)) static void grt_init_add_##fn(void)	\
	{									\
		static struct grt_init_task task = { fn, NULL };		\
		grt_init_add(&task);						\
	}									\
	struct grt_init_task

/**
 * grt_go() - start a goroutine
 * @fn: what it runs
 * @arg: passed to @fn
 *
 * Any thread, while the runtime lives. No memory for its stack is fatal, as in Go; so is NULL for
 * @fn.
 * Return: 0; -ESRCH when no runtime has been started.
 */
GRT_API int grt_go(void (*fn)(void *arg), void *arg);

/** GRT_NAME_SIZE: bytes of a goroutine's name, with the byte 0 at its end */
#define GRT_NAME_SIZE	32

/** GRT_ATTR_FP: @mxcsr and @x87cw of struct grt_attr are set */
#define GRT_ATTR_FP	(1U << 0)

/**
 * struct grt_attr - what a goroutine can have; a field that is 0 has its default
 * @size: sizeof(struct grt_attr) as the caller knows it
 * @name: shown in traces; cut off at GRT_NAME_SIZE. Copied. Default: none
 * @flags: GRT_ATTR_*
 * @mxcsr: with GRT_ATTR_FP: control and status of SSE arithmetic it begins with: rounding, what is
 *	masked, denormals. Both words go with the goroutine then, with what it changes in them.
 *	Default: they are the thread's, and a goroutine that changes them must undo that before it
 *	calls anything that may park
 * @x87cw: likewise the control word of the x87
 * @parked: where to put the goroutine, which does not begin before grt_ready() is called for it.
 *	Default: NULL, it is runnable at once
 */
struct grt_attr {
	size_t size;
	const char *name;
	uint32_t flags;
	uint32_t mxcsr;
	uint16_t x87cw;
	/* private: 0 */
	uint16_t reserved[3];
	/* public: */
	grt_g **parked;
};

/**
 * grt_go_with() - grt_go() with attributes
 * @attr: attributes; NULL: none
 * @fn: what it runs
 * @arg: passed to @fn
 *
 * Any thread, while the runtime lives.
 * Return: 0; -ESRCH as grt_go(); -EINVAL: a size, flag, or bits of mxcsr that are unknown, or words
 * without their flag.
 */
GRT_API int grt_go_with(const struct grt_attr *attr, void (*fn)(void *arg), void *arg);

/** grt_yield() - let other goroutines run; the caller goes to the end of the global queue */
GRT_API void grt_yield(void);

/**
 * grt_lock_thread() - tie the calling goroutine to the thread it runs on
 *
 * Until as many grt_unlock_thread() the goroutine runs on this thread alone, and the thread runs
 * nothing else. For what belongs to a thread: its thread-local variables, its signal mask, its
 * namespaces, libraries that want to be called from one thread.
 *
 * If the goroutine ends without unlocking, the thread ends too. Threads that the runtime makes
 * inherit nothing from a locked one. Called in an init task it ties the main goroutine to the
 * thread of grt_run().
 *
 * A locked goroutine that parks and is made ready costs two switches of threads.
 */
GRT_API void grt_lock_thread(void);

/** grt_unlock_thread() - undo one grt_lock_thread(); without one nothing happens */
GRT_API void grt_unlock_thread(void);

/**
 * grt_exit() - end the calling goroutine, after what it deferred was called
 *
 * In the main goroutine: the others go on, and grt_run() does not return.
 */
GRT_API void grt_exit(void) __attribute__((noreturn));

/** grt_self_id() - number of the calling goroutine, never used again; 0 outside goroutines */
GRT_API uint64_t grt_self_id(void);

/** grt_num_goroutines() - number of goroutines that exist. Any thread */
GRT_API size_t grt_num_goroutines(void);

/**
 * grt_set_maxprocs() - change the number of Ps (R22)
 * @n: how many, 1 to 1024; less than 1 changes nothing
 *
 * Stops the world for it. What was queued on a P that goes runs on the others. From then on the
 * number does not follow the CPUs of the process any more (struct grt_config).
 *
 * Context: goroutine; any thread with @n less than 1.
 * Return: the number before, 0 before there is a runtime; -EINVAL when @n is too large, -ETIMEDOUT
 * as grt_stop_world(), -ENOMEM; nothing has changed then.
 */
GRT_API int grt_set_maxprocs(int n);

/**
 * grt_stop_world() - let no other goroutine run (R41..R47)
 * @why: the reason, as struct grt_stw_stats shows it; a constant, it is not copied
 *
 * When it returns 0, every other goroutine stands still until grt_start_world(), and the caller
 * goes on. Threads outside the runtime go on, too, and so do system calls: a goroutine that is in
 * one stops when it comes back from it.
 *
 * On gsched a goroutine is stopped wherever it computes, maybe inside malloc() or printf(), with
 * their locks held. So the caller must not wait for others until it has started the world: no
 * malloc(), no stdio, no mutex. Of the runtime it may use what does not wait: grt_go(),
 * grt_ready(), the try forms of channels. To park, yield, end or stop the world again is fatal. On
 * futex a goroutine stops when it enters the runtime; one that computes without ever doing so does
 * not stop.
 *
 * Only one goroutine at a time stops the world; others that want to wait their turn.
 *
 * Context: goroutine.
 * Return: 0; -ETIMEDOUT: a goroutine did not stop within stop_timeout_ns (struct grt_stw_stats
 * says which), and the world runs on as if nothing had been asked.
 */
GRT_API int grt_stop_world(const char *why);

/** grt_start_world() - end the calling goroutine's grt_stop_world(); fatal if there is none */
GRT_API void grt_start_world(void);

/**
 * grt_free_os_memory() - give the memory of stacks that are not in use back to the system
 *
 * Goroutines that have ended leave their stacks for others to come. What those had touched stays
 * with the process until this is called. Stops the world for a moment.
 *
 * Context: goroutine.
 * Return: 0; -ETIMEDOUT as grt_stop_world(): stacks that Ps keep for themselves, up to 63 each,
 * were left alone.
 */
GRT_API int grt_free_os_memory(void);

/** GRT_STW_BUCKETS: number of buckets of a struct grt_stw_times */
#define GRT_STW_BUCKETS	40

/**
 * struct grt_stw_times - how long something took
 * @count: how often it happened
 * @sum_ns: nanoseconds of all of them
 * @max_ns: of the longest
 * @bucket: how many took from 2^i to below 2^(i+1) ns, by i; the first includes 0, the last
 *	everything longer
 */
struct grt_stw_times {
	uint64_t count;
	uint64_t sum_ns;
	uint64_t max_ns;
	uint64_t bucket[GRT_STW_BUCKETS];
};

/**
 * struct grt_stw_stats - the stops of the world so far, changes of the number of Ps among them
 * @size: sizeof(struct grt_stw_stats) as the caller knows it
 * @stopping: from the begin of a stop until all had stopped
 * @total: from the begin of a stop to the start
 * @timeouts: stops that were given up
 * @late_goid: the goroutine, or one of them, that the last of these waited for; 0: not known
 * @late_why: the reason of the last of these; NULL: there was none
 * @last_why: the reason of the last stop of all; NULL: there was none
 */
struct grt_stw_stats {
	size_t size;
	struct grt_stw_times stopping;
	struct grt_stw_times total;
	uint64_t timeouts;
	uint64_t late_goid;
	const char *late_why;
	const char *last_why;
};

/**
 * grt_stw_stats() - read how long the world was stopped
 * @stats: size set by the caller; the rest is filled in
 *
 * Any thread.
 * Return: 0, -EINVAL for a size that is unknown.
 */
GRT_API int grt_stw_stats(struct grt_stw_stats *stats);

/** grt_backend_name() - "gsched" or "futex"; NULL before the runtime is set up. Any thread */
GRT_API const char *grt_backend_name(void);

/**
 * struct grt_device_counts - what /dev/gsched has counted for this process
 * @size: sizeof(struct grt_device_counts) as the caller knows it
 * @blocks: a thread with a P fell asleep in the kernel
 * @takebacks: it woke first and went on with its P
 * @handoffs: its P was given to another thread meanwhile
 * @borders: a thread waited at the border of user mode for a P
 * @border_ns: for how long, in all
 * @parks: idle threads went to sleep
 * @wakes: calls to get a thread to look for work
 * @switches: Ps handed to a thread waiting at the border
 */
struct grt_device_counts {
	size_t size;
	uint64_t blocks;
	uint64_t takebacks;
	uint64_t handoffs;
	uint64_t borders;
	uint64_t border_ns;
	uint64_t parks;
	uint64_t wakes;
	uint64_t switches;
};

/**
 * grt_device_counts() - read the device's counts
 * @counts: size set by the caller; the rest is filled in
 *
 * Any thread.
 * Return: 0, -ENODEV on the futex backend, -EINVAL for a size that is unknown.
 */
GRT_API int grt_device_counts(struct grt_device_counts *counts);

/**
 * grt_block_begin() - a stretch that may block begins (R111)
 *
 * On the futex backend the kernel cannot say that a thread sleeps: between begin and end other
 * goroutines may take over the calling one's P. On gsched this does nothing and is not needed.
 * Until grt_block_end() the goroutine must not call into the runtime.
 */
GRT_API void grt_block_begin(void);

/** grt_block_end() - the stretch is over; waits until the goroutine may run again */
GRT_API void grt_block_end(void);

/**
 * enum grt_wait_reason - what a parked goroutine waits for, as dumps show it (C18)
 *
 * A reason must be unique and say what happens: "waiting" says nothing.
 *
 * @GRT_WAIT_NONE: it does not wait
 * @GRT_WAIT_SLEEP: grt_sleep()
 * @GRT_WAIT_CHAN_RECEIVE: to receive from a channel
 * @GRT_WAIT_CHAN_SEND: to send to a channel
 * @GRT_WAIT_CHAN_RECEIVE_NIL: for ever: it receives from NULL
 * @GRT_WAIT_CHAN_SEND_NIL: for ever: it sends to NULL
 * @GRT_WAIT_SELECT: for one of several channels
 * @GRT_WAIT_SELECT_NO_CASES: for ever: for one of none
 * @GRT_WAIT_IO: for a file to be ready
 * @GRT_WAIT_SEMACQUIRE: for a semaphore
 * @GRT_WAIT_MUTEX: for a mutex
 * @GRT_WAIT_RWMUTEX_RLOCK: to read under a rwmutex
 * @GRT_WAIT_RWMUTEX_LOCK: to write under a rwmutex
 * @GRT_WAIT_COND: for a condition to be signalled
 * @GRT_WAIT_WAITGROUP: for a waitgroup's counter to be 0
 * @GRT_WAIT_PREEMPTED: it was made to yield
 * @GRT_WAIT_PANIC: for ever: others say what they panicked of, then the process ends
 * @GRT_WAIT_STOP_WORLD: for its turn to stop the world
 * @GRT_WAIT_USER: what the caller of grt_park() knows
 * @GRT_WAIT_NR: their number
 */
enum grt_wait_reason {
	GRT_WAIT_NONE = 0,
	GRT_WAIT_SLEEP,
	GRT_WAIT_CHAN_RECEIVE,
	GRT_WAIT_CHAN_SEND,
	GRT_WAIT_CHAN_RECEIVE_NIL,
	GRT_WAIT_CHAN_SEND_NIL,
	GRT_WAIT_SELECT,
	GRT_WAIT_SELECT_NO_CASES,
	GRT_WAIT_IO,
	GRT_WAIT_SEMACQUIRE,
	GRT_WAIT_MUTEX,
	GRT_WAIT_RWMUTEX_RLOCK,
	GRT_WAIT_RWMUTEX_LOCK,
	GRT_WAIT_COND,
	GRT_WAIT_WAITGROUP,
	GRT_WAIT_PREEMPTED,
	GRT_WAIT_PANIC,
	GRT_WAIT_STOP_WORLD,
	GRT_WAIT_USER,
	GRT_WAIT_NR,
};

/**
 * grt_park() - suspend the calling goroutine until grt_ready()
 * @commit: called once the goroutine is suspended, on another stack: publishes it to whoever will
 *	call grt_ready(), or returns false to go on at once. Must not block. NULL: always true
 * @arg: passed to @commit; may be on the caller's stack
 * @why: shown in dumps
 * @deadline: grt_now() time at which to give up, 0 is already past, or GRT_FOREVER
 *
 * The goroutine does not run before @commit has returned, whoever makes it ready. After -ETIMEDOUT
 * the caller takes back what @commit published: a grt_ready() that comes later does nothing, unless
 * the goroutine has parked again.
 *
 * Return: 0 after grt_ready(), -ETIMEDOUT, -EAGAIN when @commit returned false.
 */
GRT_API int grt_park(bool (*commit)(grt_g *g, void *arg), void *arg, enum grt_wait_reason why,
		     int64_t deadline);

/** grt_ready() - make a goroutine in grt_park() runnable, once. Any thread */
GRT_API void grt_ready(grt_g *g);

/** grt_self() - the calling goroutine, for grt_ready(); NULL outside goroutines */
GRT_API grt_g *grt_self(void);

GRT_END_DECLS

#endif /* GRT_SCHED_H */
