/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the device share: a domain as a test sees it, and Ms that do as they are told.
 *
 * The thread of a test is no M: it tells its Ms what to do and watches them through INFO and the
 * shared pages. An M between two jobs spins: were it to sleep, its P would be BLOCKED.
 *
 * Nothing here sleeps to let others get on. What waits, waits for something it can see, and gives
 * up after GS_PATIENCE_NS, which no test takes for success.
 */
#ifndef GSCHED_UTIL_H
#define GSCHED_UTIL_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/gsched.h>

#define GS_DEVICE		"/dev/gsched"
/*
 * Emulated and on a loaded machine a step may take long; a test that waits this long has failed. On
 * a slow kernel it is GSCHED_TEST_FACTOR times as long, and so is what the harness gives a test.
 */
#define GS_PATIENCE_NS		(10000000000ULL * gs_factor())
#define GS_MS			1000000ULL
/* What gs_m_answer() returns when none came; no errno, and nothing a call returns. */
#define GS_NO_ANSWER		(-9999L)
/* Ms of a domain made by gs_make_domain() */
#define GS_MAX_M		64

#define GS_LOAD(x)		__atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define GS_STORE(x, v)		__atomic_store_n(&(x), (v), __ATOMIC_SEQ_CST)

/* Is @cond, or does it become, true? */
#define GS_UNTIL(cond)						\
({								\
	__u64 __end = gs_now() + GS_PATIENCE_NS;		\
	bool __met;						\
								\
	while (!(__met = (cond)) && gs_now() < __end)		\
		sched_yield();					\
	__met || (cond);					\
})

struct gs {
	int			fd;
	struct gsched_setup	setup;
	struct gsched_status	*status;
	struct gsched_p_status	*ps;
	struct gsched_m_status	*ms;
	struct gsched_hint	*hint;
	struct gsched_p_hint	*ph;
	struct gsched_m_hint	*mh;
};

unsigned int gs_factor(void);
__u64 gs_now(void);
/* CLOCK_MONOTONIC @ms milliseconds from now */
__u64 gs_in_ms(unsigned int ms);

/* ---- calls: 0, or -errno ---- */
int gs_open(void);
int gs_ioctl(int fd, unsigned long cmd, void *arg);
/*
 * A domain of @nr_p Ps with both ranges mapped, without slices: Ms between two jobs spin, and would
 * be asked to yield. It locks what memory there is, so that no M sleeps in a fault unasked.
 */
int gs_make_domain(struct gs *gs, unsigned int nr_p, unsigned int spare);
/* The same; RESIZE may ask for up to @max_p */
int gs_make_domain_max(struct gs *gs, unsigned int nr_p, unsigned int max_p);
int gs_map(struct gs *gs);
int gs_register(struct gs *gs, __u32 flags, __u32 *m);
int gs_unregister(struct gs *gs);
int gs_park(struct gs *gs, __u32 flags, __u64 deadline);
int gs_park_word(struct gs *gs, __u64 deadline, __u32 word, __u32 expected);
int gs_unpark(struct gs *gs, __u32 m);
int gs_wake(struct gs *gs);
int gs_switch(struct gs *gs, __u32 m);
int gs_release(struct gs *gs);
int gs_acquire(struct gs *gs, __u64 deadline);
int gs_make(struct gs *gs, __s32 n);
/* @out: what it says of who has not stopped, or NULL */
int gs_stop(struct gs *gs, __u64 deadline, struct gsched_stop *out);
int gs_start(struct gs *gs);
int gs_resize(struct gs *gs, __u32 nr_p);
int gs_preempt(struct gs *gs, __u32 m);
/* TUNE: the CPU of a P, or of all */
int gs_tune_cpu(struct gs *gs, __u32 p, __u32 cpu);
/* TUNE: a slice, and the grace that follows from it. 0: no slices */
int gs_slice(struct gs *gs, __u64 ns);
int gs_info(struct gs *gs, __u32 what, __u32 index, void *buf, __u32 size);

/* ---- what INFO says; a failing INFO ends the program ---- */
struct gsched_info_domain gs_counts(struct gs *gs);
struct gsched_info_p gs_p(struct gs *gs, __u32 p);
struct gsched_info_m gs_m_info(struct gs *gs, __u32 m);

/* Does @p now, or soon, say @state of @m? */
bool gs_p_gets(struct gs *gs, __u32 p, enum gsched_p_state state, __u32 m);
bool gs_m_gets(struct gs *gs, __u32 m, enum gsched_m_state state);
/* poll() of the device; the events, or -errno */
int gs_poll(struct gs *gs, int timeout_ms);
/* The whole domain on stderr, for the reader of a failure */
void gs_dump(struct gs *gs);

/* ---- hints ---- */
/* @p's ring gets an entry, as by its owner; has_work is set with it */
void gs_put_work(struct gs *gs, __u32 p);
void gs_take_work(struct gs *gs, __u32 p);

/* ---- Ms that do as they are told ---- */
struct gs_m;
typedef long (*gs_job)(struct gs_m *m, __u64 a, __u64 b);

struct gs_m {
	struct gs	*gs;
	pthread_t	thread;
	__u32		id;
	int		tid;
	__u32		flags;		/* of REGISTER */
	unsigned int	asked;		/* jobs given out, and done */
	unsigned int	answered;
	gs_job		job;
	__u64		a, b;
	long		ret;
	__u64		word;		/* its status word, read first thing after the job */
	__u64		count;		/* and the hand-over count of the P in it */
};

/* A thread that registers; it is FREE. 0, or -errno. */
int gs_m_start(struct gs *gs, struct gs_m *m);
int gs_m_start_flags(struct gs *gs, struct gs_m *m, __u32 flags);
/* A thread that has a P */
int gs_m_start_on(struct gs *gs, struct gs_m *m);
/* Give it a job, the last one done; do not wait */
void gs_m_ask(struct gs_m *m, gs_job job, __u64 a, __u64 b);
bool gs_m_answered(struct gs_m *m);
/* What the job returned, or GS_NO_ANSWER and a dump */
long gs_m_answer(struct gs_m *m);
/* Both */
long gs_m_do(struct gs_m *m, gs_job job, __u64 a, __u64 b);
/* Give it a job that sleeps, and see it in @state */
bool gs_m_sleeps(struct gs_m *m, enum gsched_m_state state, gs_job job, __u64 a, __u64 b);
/* Let it PARK, or wait in ACQUIRE, without end, and see it so */
bool gs_m_parks(struct gs_m *m, __u32 flags);
bool gs_m_waits(struct gs_m *m);
/* Is the thread asleep, as /proc says, now or soon? */
bool gs_tid_sleeps(int tid);
/* The thread stays on one CPU, from now on. 0, or -errno. */
int gs_pin(int tid, unsigned int cpu);
/* Its thread has ended: wait for it */
void gs_m_join(struct gs_m *m);

/* The P it last saw itself have, or -1 */
static inline int gs_m_saw(const struct gs_m *m)
{
	return (int)GSCHED_M_P(m->word) - 1;
}

/* ---- jobs ---- */
long gs_do_nothing(struct gs_m *m, __u64 a, __u64 b);
long gs_do_acquire(struct gs_m *m, __u64 deadline, __u64 b);
long gs_do_release(struct gs_m *m, __u64 a, __u64 b);
long gs_do_park(struct gs_m *m, __u64 flags, __u64 deadline);
long gs_do_park_word(struct gs_m *m, __u64 word, __u64 expected);
long gs_do_unpark(struct gs_m *m, __u64 id, __u64 b);
long gs_do_switch(struct gs_m *m, __u64 id, __u64 b);
long gs_do_wake(struct gs_m *m, __u64 a, __u64 b);
/* @out: a struct gsched_stop's address, or 0 */
long gs_do_stop(struct gs_m *m, __u64 deadline, __u64 out);
long gs_do_start(struct gs_m *m, __u64 a, __u64 b);
long gs_do_resize(struct gs_m *m, __u64 nr_p, __u64 b);
long gs_do_unregister(struct gs_m *m, __u64 a, __u64 b);
/* read(2) of one byte */
long gs_do_read(struct gs_m *m, __u64 fd, __u64 b);
/* Its hints: nopreempt and mode */
long gs_do_nopreempt(struct gs_m *m, __u64 value, __u64 b);
long gs_do_mode(struct gs_m *m, __u64 mode, __u64 b);
/* The thread ends, still registered */
long gs_do_exit(struct gs_m *m, __u64 a, __u64 b);

/* ---- the process ---- */
/*
 * SIGSTOP, seen to be stopped, SIGCONT: by a child that is made before there are Ms, for a fork has
 * them fault on every page they write next, and a fault may sleep. 0, or -errno.
 */
int gs_stopper_start(void);
int gs_stop_and_continue(void);
/* How many hold the module, or -errno */
int gs_refcnt(void);
/* Writes @text to a file that is there, in one go; an empty one truncates it. 0, or -errno. */
int gs_write_file(const char *path, const char *text);

#endif /* GSCHED_UTIL_H */
