/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * gsched: goroutine-style scheduling, the contract between the kernel and user space
 *
 * A *domain* is one open file of /dev/gsched. It belongs to one process and holds a number of
 * slots, the Ps: the right to run user code. A thread that registers is an M. At most as many Ms
 * as there are Ps run user code at once: an M that holds a P and falls asleep in the kernel, for
 * whatever reason, loses it to another M that has use for it; when it wakes it is stopped at the
 * border of user mode until it holds a P again.
 *
 * This file is all that the two halves share: calls, shared pages, states. The rules behind it
 * are numbered in Documentation/protocol.rst.
 *
 * States of a P, and who changes them::
 *
 *                        grant
 *            +------+ ---------------> +------------+ ----------------> +------------+
 *            | IDLE |                  | RUNNING(m) |   m falls asleep  | BLOCKED(m) |
 *            +------+ <--------------- +------------+ <---------------- +------------+
 *              |  ^     PARK, RELEASE,       |      m wakes first: RUNNING(m)   |
 *              |  |     UNREGISTER, death    |      handed to another M:        |
 *         STOP |  | START                    |      RUNNING(w)                  |
 *              v  |                          |                                  |
 *            +---------+  these, in a stop   |                                  |
 *            | STOPPED | <-------------------+                                  |
 *            +---------+ <------------------------------------------------------+
 *              |  ^                            STOP
 *       RESIZE |  | RESIZE
 *     (shrink) v  | (grow)
 *            +------+
 *            | DEAD |
 *            +------+
 *
 *   RUNNING(m) -> BLOCKED(m) -> RUNNING(m) is done by m alone, without a lock. All other changes
 *   are made under the domain's lock, and out of RUNNING(m) only by m itself or after its death.
 *
 * States of an M::
 *
 *       REGISTER            ACQUIRE, granted
 *      ----------> +------+ ------------------> +----+  (holds a P, or has lost it and is on its
 *                  | FREE |                     | ON |   way to the border: GSCHED_M_LOST_P)
 *                  +------+ <------------------ +----+
 *                    |   ^  RELEASE, deadline    |  ^
 *               PARK |   | deadline, close  PARK |  | granted
 *                    v   |                       v  |
 *                  +--------+    UNPARK       +---------+
 *                  | PARKED | --------------> | WAITING | <--- the border, ACQUIRE
 *                  +--------+                 +---------+
 *                       |          granted: ON     |
 *                       +--------------------------+
 *      any ------> DEAD   (UNREGISTER, or the thread ends)
 */
#ifndef _UAPI_LINUX_GSCHED_H
#define _UAPI_LINUX_GSCHED_H

#include <linux/ioctl.h>
#include <linux/types.h>

/** GSCHED_MAX_P: most Ps a domain can have */
#define GSCHED_MAX_P		1024
/** GSCHED_MAX_M: most Ms a domain can have; the next REGISTER is refused with EUSERS */
#define GSCHED_MAX_M		10000
/** GSCHED_PARK_WORDS: number of words in the hint pages for GSCHED_PARK_COMPARE */
#define GSCHED_PARK_WORDS	1024
/** GSCHED_HIST_BUCKETS: number of buckets of a struct gsched_info_hist */
#define GSCHED_HIST_BUCKETS	40
/** GSCHED_M_OLDEST: in place of an M's id in SWITCH: the M that has been WAITING longest */
#define GSCHED_M_OLDEST		0xffffffffU
/** GSCHED_M_ALL: in place of an M's id in PREEMPT: every M */
#define GSCHED_M_ALL		0xffffffffU

/**
 * enum gsched_p_state - state of a P, see the diagram above
 * @GSCHED_P_IDLE: nobody holds it
 * @GSCHED_P_RUNNING: an M holds it and runs, or is ready to
 * @GSCHED_P_BLOCKED: its M sleeps in the kernel and keeps it until somebody wants it
 * @GSCHED_P_STOPPED: nobody holds it, and nobody gets it before START
 * @GSCHED_P_DEAD: beyond the number of Ps: cut off by RESIZE, or never in use yet
 */
enum gsched_p_state {
	GSCHED_P_IDLE		= 0,
	GSCHED_P_RUNNING	= 1,
	GSCHED_P_BLOCKED	= 2,
	GSCHED_P_STOPPED	= 3,
	GSCHED_P_DEAD		= 4,
};

/**
 * enum gsched_m_state - state of an M, see the diagram above
 * @GSCHED_M_FREE: registered, without a P, outside the promise (start-up, template thread)
 * @GSCHED_M_ON: holds a P, or has lost it and is on its way to the border
 * @GSCHED_M_PARKED: sleeps in PARK or SWITCH until it is handed a P
 * @GSCHED_M_WAITING: waits for a P, in order of arrival: at the border, in ACQUIRE or unparked
 * @GSCHED_M_DEAD: unregistered, or its thread has ended
 */
enum gsched_m_state {
	GSCHED_M_FREE		= 0,
	GSCHED_M_ON		= 1,
	GSCHED_M_PARKED		= 2,
	GSCHED_M_WAITING	= 3,
	GSCHED_M_DEAD		= 4,
};

/*
 * ---- Shared pages --------------------------------------------------------------------------
 *
 * Two ranges, mapped from the device with MAP_SHARED at the offsets below; GSCHED_IOC_SETUP tells
 * their sizes and where the arrays in them begin. They are not inherited by fork.
 *
 * The status range is written by the kernel and read-only for user space. The hint range is
 * written by user space; the kernel reads each word once and never believes it: nonsense there
 * makes a process schedule itself badly, no more.
 */

/** GSCHED_MMAP_STATUS: mmap offset of the status range (PROT_READ only) */
#define GSCHED_MMAP_STATUS	0x00000000ULL
/** GSCHED_MMAP_HINT: mmap offset of the hint range */
#define GSCHED_MMAP_HINT	0x10000000ULL
/** GSCHED_MMAP_STACKS: first mmap offset of guarded stacks, see GSCHED_STACKS */
#define GSCHED_MMAP_STACKS	0x10000000000ULL
/** GSCHED_STACKS_MAX: most bytes of guarded stacks in one mapping */
#define GSCHED_STACKS_MAX	0x800000000ULL
/**
 * GSCHED_STACKS: mmap offset of a row of guarded stacks
 * @shift: a stack has 2^@shift bytes, 13 to 30
 * @guard: number of guard pages at its low end, the other pages are the stack
 *
 * A MAP_PRIVATE mapping there is a row of such stacks. Touching a guard is SIGSEGV, EFAULT for a
 * call. All other pages are ordinary private memory, not there until they are touched. With the
 * offset of a stack in the row added, a mapping is of the row from that stack on. Needs no SETUP.
 * Errors: EINVAL (a shared mapping, not whole stacks, more than GSCHED_STACKS_MAX from the row's
 * beginning, no page but guards).
 */
#define GSCHED_STACKS(shift, guard)	\
	((__u64)(guard) * GSCHED_MMAP_STACKS + (((__u64)(shift) - 12) << 35))

/**
 * struct gsched_status - head of the status range
 *
 * Written by the kernel under the domain's lock, but for @some_blocked, which a thread that falls
 * asleep sets without it.
 *
 * @nidle: number of IDLE Ps; read by an enqueuer after its fence
 * @nwaiting: number of WAITING Ms; read by schedule() wherever it looks at the global queue
 * @stw: not 0 while a stop of the world is in force; read by schedule(), which then PARKs, unless
 *	the stop is its own M's
 * @some_blocked: 0: no P is BLOCKED. Not 0: one may be; read by an enqueuer after its fence
 * @nr_p: number of Ps
 * @nparked: number of Ms PARKED in the pool
 * @wanted: how many more Ms the domain could use, negative when there are spare ones. poll()
 *	reports EPOLLIN while it is positive; read by the template thread
 * @starved: not 0: a P had use and there was no M for it; poll() reports EPOLLPRI
 * @nr_m: number of registered Ms
 */
struct gsched_status {
	__u32	nidle;
	__u32	nwaiting;
	__u32	stw;
	__u32	some_blocked;
	/* private: */
	__u32	__reserved0[12];
	/* public: */

	__u32	nr_p;
	__u32	nparked;
	__s32	wanted;
	__u32	starved;
	__u32	nr_m;
	/* private: */
	__u32	__reserved1[11];
};

/**
 * struct gsched_p_status - one P, in the status range
 *
 * Written by whoever changed the P, before its new owner can reach user mode.
 *
 * @word: GSCHED_P_WORD(state, id of the M), as it was at the last change; read by dumps and tests
 * @count: grows by one each time an M takes the P up; a pair (P, count) never has two owners
 */
struct gsched_p_status {
	__u64	word;
	__u64	count;
	/* private: */
	__u64	__reserved[6];
};

/** GSCHED_P_WORD: value of gsched_p_status.word */
#define GSCHED_P_WORD(state, m)	(((__u64)(state) << 32) | (__u32)(m))
/** GSCHED_P_WORD_STATE: the enum gsched_p_state in a gsched_p_status.word */
#define GSCHED_P_WORD_STATE(word)	((__u32)((word) >> 32))
/** GSCHED_P_WORD_M: the M in a gsched_p_status.word; 0 when nobody owns the P */
#define GSCHED_P_WORD_M(word)	((__u32)(word))

/** GSCHED_M_LOST_P: in gsched_m_status.word: the M had a P and lost it while it slept */
#define GSCHED_M_LOST_P		(1ULL << 32)
/** GSCHED_M_P: the P in a gsched_m_status.word, plus one; 0: none */
#define GSCHED_M_P(word)	((__u32)(word))

/**
 * struct gsched_m_status - one M, in the status range
 *
 * @word: the P it holds now plus one, or 0, and GSCHED_M_LOST_P. Written only by that M in its own
 *	context, always before it reaches user mode: between two points where it can sleep it does
 *	not change under user code. Read by the entry protocol of the library
 * @preempt: counts requests to yield; written by PREEMPT, STOP and the slices, read by schedule()
 *	and at every release. A difference to the value last seen is a request
 * @blocked_ns: when it last fell asleep with a P (CLOCK_MONOTONIC); written by that M
 * @lost_ns: when it last noticed that its P was gone; written by that M
 * @granted_ns: when it was last granted a P; written by the granter
 */
struct gsched_m_status {
	__u64	word;
	/* private: */
	__u64	__reserved0[7];
	/* public: */

	__u64	preempt;
	__u64	blocked_ns;
	__u64	lost_ns;
	__u64	granted_ns;
	/* private: */
	__u64	__reserved1[4];
};

/**
 * struct gsched_hint - head of the hint range
 *
 * Written by user space; the words are the library's real ones, so publishing them costs nothing.
 *
 * @nspinning: Ms that look for work and have found none yet; counts only Ms with nopreempt != 0
 * @npolling: 1 while an M sleeps in the poller or is about to
 * @gqlen: number of goroutines on the global queue
 * @niowait: number of goroutines that wait for I/O
 * @next_when: when the next timer is due (CLOCK_MONOTONIC ns), 0: none
 * @has_work: a bit a P, set when its ring gets its first entry, cleared by its owner on going idle.
 *	A stale bit costs a look, a missing one is an error of the library
 * @park: words for GSCHED_PARK_COMPARE
 */
struct gsched_hint {
	__u32	nspinning;
	__u32	npolling;
	/* private: */
	__u32	__reserved0[14];
	/* public: */

	__u32	gqlen;
	__u32	niowait;
	__u64	next_when;
	/* private: */
	__u32	__reserved1[12];
	/* public: */

	__u64	has_work[GSCHED_MAX_P / 64];
	__u32	park[GSCHED_PARK_WORDS];
};

/**
 * struct gsched_p_hint - one P, in the hint range: the indices of its ring
 *
 * @head: next entry to take; written by the owner and by thieves
 * @tail: next free entry; written by the owner. The ring is empty when it equals @head
 * @runnext: the goroutine to run next, 0: none; the kernel reads only whether it is 0
 * @schedtick: grows with each goroutine started that did not inherit its slice
 */
struct gsched_p_hint {
	__u32	head;
	__u32	tail;
	__u64	runnext;
	__u32	schedtick;
	/* private: */
	__u32	__reserved[11];
};

/**
 * enum gsched_mode - what an M does when it has no P
 * @GSCHED_MODE_NORMAL: it waits at the border
 * @GSCHED_MODE_COOPERATIVE: it passes the border and its status says GSCHED_M_LOST_P; set only
 *	between RELEASE and ACQUIRE and by the poller, which touch no goroutine meanwhile
 */
enum gsched_mode {
	GSCHED_MODE_NORMAL	= 0,
	GSCHED_MODE_COOPERATIVE	= 1,
};

/**
 * struct gsched_m_hint - one M, in the hint range; written by that M alone
 *
 * @nopreempt: not 0: the M keeps its P even when it sleeps, and is not sent to the border
 * @mode: enum gsched_mode
 * @goid: id of the goroutine it runs, 0: none; shown by INFO
 */
struct gsched_m_hint {
	__u32	nopreempt;
	__u32	mode;
	__u64	goid;
	/* private: */
	__u64	__reserved[6];
};

/*
 * ---- Calls ---------------------------------------------------------------------------------
 *
 * A call with a structure takes its size first. The caller states the size it knows; a kernel that
 * knows more takes the rest as zero, one that knows less refuses with E2BIG unless the rest is
 * zero. Unknown flags and reserved fields that are not zero are refused with EINVAL. A refused call
 * changes nothing.
 *
 * Deadlines are absolute CLOCK_MONOTONIC nanoseconds in the caller's time namespace;
 * GSCHED_FOREVER never comes, 0 has already passed.
 *
 * The errno never says whether the M holds a P: its status word does.
 *
 * Errors of every call: EXDEV (not the process that opened the device: touch nothing), ECANCELED
 * (the domain is closed), ENOTTY (no such call), EFAULT, E2BIG, EINVAL. Calls on the calling M
 * also: ESRCH (the caller is not registered here). Any call but SETUP, before SETUP: ENXIO.
 */

/** GSCHED_FOREVER: a deadline that never comes */
#define GSCHED_FOREVER		0xffffffffffffffffULL

/**
 * struct gsched_setup - GSCHED_IOC_SETUP: make the domain
 *
 * Once per open file; a second SETUP is refused with EBUSY. Every descriptor of the file must be
 * close-on-exec (O_CLOEXEC): a new program must not inherit Ms.
 *
 * @size: in, sizeof(struct gsched_setup) as the caller knows it
 * @flags: in, 0
 * @nr_p: in, number of Ps, 1 to @max_p
 * @max_p: in, most Ps RESIZE may ask for, up to GSCHED_MAX_P; 0: GSCHED_MAX_P. out, the number
 * @max_m: in, most Ms, up to GSCHED_MAX_M; 0: GSCHED_MAX_M. out, the number
 * @spare: in, how many Ms @wanted keeps PARKED for the next block, up to 64
 * @status_size: out, bytes of the status range (a multiple of the page size)
 * @hint_size: out, bytes of the hint range
 * @p_status_offset: out, where the array of struct gsched_p_status begins in the status range
 * @m_status_offset: out, where the array of struct gsched_m_status begins there
 * @p_hint_offset: out, where the array of struct gsched_p_hint begins in the hint range
 * @m_hint_offset: out, where the array of struct gsched_m_hint begins there
 *
 * Errors: EBUSY, ENOMEM, EINVAL (also for a descriptor that an exec would keep).
 */
struct gsched_setup {
	__u32	size;
	__u32	flags;
	__u32	nr_p;
	__u32	max_p;
	__u32	max_m;
	__u32	spare;
	__u64	status_size;
	__u64	hint_size;
	__u64	p_status_offset;
	__u64	m_status_offset;
	__u64	p_hint_offset;
	__u64	m_hint_offset;
};

/** GSCHED_REGISTER_MADE: the thread was announced by GSCHED_IOC_MAKE; its first call is PARK */
#define GSCHED_REGISTER_MADE	(1U << 0)

/**
 * struct gsched_register - GSCHED_IOC_REGISTER: the calling thread becomes an M
 *
 * It is FREE and holds no P; GSCHED_IOC_ACQUIRE gets one.
 *
 * @size: in, sizeof(struct gsched_register)
 * @flags: in, GSCHED_REGISTER_MADE or 0
 * @m: out, its id, below gsched_setup.max_m; used again after the M is DEAD
 * @__reserved: in, 0
 *
 * Errors: EBUSY (it is an M already, here or in another domain), EUSERS (max_m Ms), ENOMEM.
 */
struct gsched_register {
	__u32	size;
	__u32	flags;
	__u32	m;
	__u32	__reserved;
};

/** GSCHED_PARK_PRIVATE: not in the pool; only UNPARK and SWITCH to this M end the sleep */
#define GSCHED_PARK_PRIVATE	(1U << 0)
/** GSCHED_PARK_COMPARE: sleep only if a park word still holds the expected value */
#define GSCHED_PARK_COMPARE	(1U << 1)

/**
 * struct gsched_park - GSCHED_IOC_PARK: give up the P and sleep until handed one
 *
 * A permit left by GSCHED_IOC_UNPARK is taken instead of sleeping. Restarts by itself after a
 * signal that has no handler. May return 0 without an UNPARK. While the world is stopped nobody is
 * handed a P.
 *
 * @size: in, sizeof(struct gsched_park)
 * @flags: in, GSCHED_PARK_*
 * @deadline_ns: in, when to give up
 * @word: in, with GSCHED_PARK_COMPARE: index into gsched_hint.park; else 0
 * @expected: in, with it: return EAGAIN unless the word holds this once the M is PARKED; else 0
 *
 * Errors: EAGAIN (there is work: look again), EINTR (a handler ran), ETIMEDOUT (the M is FREE),
 * EDEADLK (the M has stopped the world: nobody else could start it).
 */
struct gsched_park {
	__u32	size;
	__u32	flags;
	__u64	deadline_ns;
	__u32	word;
	__u32	expected;
};

/**
 * struct gsched_unpark - GSCHED_IOC_UNPARK: let an M go on
 *
 * A PARKED M joins the WAITING ones and its PARK returns 0 once it has a P. Any other M gets a
 * permit (one, sticky), which its next PARK takes. Any thread of the process may call it.
 *
 * @size: in, sizeof(struct gsched_unpark)
 * @flags: in, 0
 * @m: in, the M
 * @__reserved: in, 0
 *
 * Errors: ENOENT (no such M).
 */
struct gsched_unpark {
	__u32	size;
	__u32	flags;
	__u32	m;
	__u32	__reserved;
};

/**
 * struct gsched_switch - GSCHED_IOC_SWITCH: hand the P to another M and sleep as after PARK
 *
 * The caller is then PARKED in the pool; with a permit it takes that and is WAITING instead. Once
 * the P is handed over the call does not restart.
 *
 * @size: in, sizeof(struct gsched_switch)
 * @flags: in, 0
 * @m: in, a PARKED or WAITING M, or GSCHED_M_OLDEST
 * @__reserved: in, 0
 *
 * Errors: EAGAIN (that M is neither, or the caller holds no P, or the world is stopped: nothing
 * changed), EINVAL (itself), ENOENT (no such M), EINTR (a signal came after the P was handed over).
 */
struct gsched_switch {
	__u32	size;
	__u32	flags;
	__u32	m;
	__u32	__reserved;
};

/**
 * struct gsched_acquire - GSCHED_IOC_ACQUIRE: wait for a P, in turn
 *
 * An M that holds one returns at once.
 *
 * @size: in, sizeof(struct gsched_acquire)
 * @flags: in, 0
 * @deadline_ns: in, when to give up; 0 only tries
 *
 * Errors: ETIMEDOUT, EINTR (a handler ran): the M is FREE.
 */
struct gsched_acquire {
	__u32	size;
	__u32	flags;
	__u64	deadline_ns;
};

/**
 * struct gsched_make - GSCHED_IOC_MAKE: announce threads that are being made
 *
 * @wanted counts them until each has PARKed, so that it asks for no thread twice.
 *
 * @size: in, sizeof(struct gsched_make)
 * @flags: in, 0
 * @n: in, how many more are being made; negative: how many will not come after all
 * @__reserved: in, 0
 *
 * Errors: EINVAL (fewer being made than are given back, or more than max_m).
 */
struct gsched_make {
	__u32	size;
	__u32	flags;
	__s32	n;
	__u32	__reserved;
};

/**
 * struct gsched_resize - GSCHED_IOC_RESIZE: change the number of Ps
 *
 * Only for an M whose STOP of the world is complete. Ps from @nr_p on are DEAD then, and new ones
 * STOPPED until START. If the caller's own P is cut off it holds P 0 when the call returns. What
 * the program keeps for a P that goes, it moves elsewhere before.
 *
 * @size: in, sizeof(struct gsched_resize)
 * @flags: in, 0
 * @nr_p: in, number of Ps, 1 to gsched_setup.max_p
 * @__reserved: in, 0
 *
 * Errors: EBUSY (the world is not stopped, or not by the caller), EINVAL (too few or too many).
 */
struct gsched_resize {
	__u32	size;
	__u32	flags;
	__u32	nr_p;
	__u32	__reserved;
};

/**
 * enum gsched_policy - what becomes of a P whose M has fallen asleep, when somebody has use for it
 * @GSCHED_POLICY_ADAPTIVE: handed on at once if the recent sleeps of this M were longer than the
 *	delay (a moving average), after the delay otherwise
 * @GSCHED_POLICY_NOW: at once
 * @GSCHED_POLICY_AFTER: after the delay
 * @GSCHED_POLICY_ASKED: when somebody asks (WAKE, UNPARK, ACQUIRE, PARK or the border of another
 *	M), and after 10 ms anyway
 *
 * Whatever the policy: who asks for a P may take a BLOCKED one at any time.
 */
enum gsched_policy {
	GSCHED_POLICY_ADAPTIVE	= 0,
	GSCHED_POLICY_NOW	= 1,
	GSCHED_POLICY_AFTER	= 2,
	GSCHED_POLICY_ASKED	= 3,
};

/** GSCHED_TUNE_SLICE: set slice_ns */
#define GSCHED_TUNE_SLICE	(1U << 0)
/** GSCHED_TUNE_GRACE: set grace_ns */
#define GSCHED_TUNE_GRACE	(1U << 1)
/** GSCHED_TUNE_POLICY: set policy and policy_ns of a P, or of all */
#define GSCHED_TUNE_POLICY	(1U << 2)
/** GSCHED_TUNE_CPU: set the CPU of a P, or of all */
#define GSCHED_TUNE_CPU		(1U << 3)
/** GSCHED_TUNE_SPARE: set spare */
#define GSCHED_TUNE_SPARE	(1U << 4)

/** GSCHED_P_ALL: in place of a P's number: all Ps, those too that RESIZE adds later */
#define GSCHED_P_ALL		0xffffffffU
/** GSCHED_CPU_ANY: in place of a CPU: no preference */
#define GSCHED_CPU_ANY		0xffffffffU

/**
 * struct gsched_tune - GSCHED_IOC_TUNE: change settings
 *
 * Any thread of the process may call it. Fields that no flag selects must be 0.
 *
 * @size: in, sizeof(struct gsched_tune)
 * @flags: in, GSCHED_TUNE_*
 * @slice_ns: in, time slice, 500000 (0.5 ms) to 100000000 (100 ms); 0: no slices. At first 10 ms
 * @grace_ns: in, from the request to yield to the border, 100000 (0.1 ms) to 100000000; 0, as at
 *	first: a tenth of the slice, at least 100000
 * @policy_ns: in, the delay of GSCHED_POLICY_AFTER and GSCHED_POLICY_ADAPTIVE, 1000 to 10000000
 *	(10 ms), for the latter also 0: 20000; for other policies 0
 * @policy: in, enum gsched_policy; at first GSCHED_POLICY_ADAPTIVE
 * @p: in, with GSCHED_TUNE_POLICY or GSCHED_TUNE_CPU: the P, below gsched_setup.max_p, or
 *	GSCHED_P_ALL
 * @cpu: in, the CPU to prefer for the M that is given the P, or, as at first, GSCHED_CPU_ANY
 * @spare: in, as in struct gsched_setup
 *
 * Errors: EINVAL, ENOENT (no such P).
 */
struct gsched_tune {
	__u32	size;
	__u32	flags;
	__u64	slice_ns;
	__u64	grace_ns;
	__u64	policy_ns;
	__u32	policy;
	__u32	p;
	__u32	cpu;
	__u32	spare;
};

/**
 * struct gsched_preempt - GSCHED_IOC_PREEMPT: ask an M to yield
 *
 * Adds one to @preempt of its status, with or without a P, and does no more: an M that takes no
 * notice goes on. Any thread of the process may call it.
 *
 * @size: in, sizeof(struct gsched_preempt)
 * @flags: in, 0
 * @m: in, the M, or GSCHED_M_ALL
 * @__reserved: in, 0
 *
 * Errors: ENOENT (no such M).
 */
struct gsched_preempt {
	__u32	size;
	__u32	flags;
	__u32	m;
	__u32	__reserved;
};

/**
 * struct gsched_stop - GSCHED_IOC_STOP: stop the world
 *
 * Takes every P but the caller's, and returns when all are STOPPED. IDLE and BLOCKED ones are taken
 * at once. An M that runs is asked to yield by gsched_m_status.preempt, and after the grace of TUNE
 * it loses its P at the border; unless its nopreempt is not 0, or its mode is cooperative: then it
 * must yield by itself.
 *
 * The stop is in force from the call on, also when that ends with ETIMEDOUT or EINTR: nobody gets a
 * P, and only the caller may START, or go on waiting by another STOP. A STOP by an M whose world is
 * stopped returns 0: stops do not nest. When the stopper ends or leaves, the world starts.
 *
 * Restarts by itself after a signal that has no handler.
 *
 * @size: in, sizeof(struct gsched_stop)
 * @flags: in, 0
 * @deadline_ns: in, when to give up waiting; 0: take what can be taken at once
 * @m: out, with ETIMEDOUT, one of the Ms that have not stopped; else 0
 * @nr: out, how many Ps have not stopped
 *
 * Errors: EBUSY (another M's stop is in force: yield at once), EPERM (the caller is FREE and holds
 * no P), EAGAIN (it lost its P on its way into the call: once more), ETIMEDOUT, EINTR (a handler
 * ran).
 */
struct gsched_stop {
	__u32	size;
	__u32	flags;
	__u64	deadline_ns;
	__u32	m;
	__u32	nr;
};

/**
 * enum gsched_info_what - what GSCHED_IOC_INFO is asked about
 * @GSCHED_INFO_DOMAIN: struct gsched_info_domain
 * @GSCHED_INFO_P: struct gsched_info_p of one P
 * @GSCHED_INFO_M: struct gsched_info_m of one M
 * @GSCHED_INFO_HIST: struct gsched_info_hist of one enum gsched_hist
 */
enum gsched_info_what {
	GSCHED_INFO_DOMAIN	= 0,
	GSCHED_INFO_P		= 1,
	GSCHED_INFO_M		= 2,
	GSCHED_INFO_HIST	= 3,
};

/**
 * enum gsched_hist - the times that a domain keeps histograms of
 * @GSCHED_HIST_HANDOFF: an M fell asleep, until its P was given to another M
 * @GSCHED_HIST_START: an M was granted a P, until it runs in the kernel and takes it up
 * @GSCHED_HIST_UNBLOCK: an M woke without the P it had, until it was granted one
 * @GSCHED_HIST_BORDER: an M waited at the border; the sum is border_ns of struct gsched_info_domain
 * @GSCHED_HIST_EXCESS: CPU time of an M without a P, in the kernel or past the border, from when it
 *	woke or was let out to when it stopped again
 */
enum gsched_hist {
	GSCHED_HIST_HANDOFF	= 0,
	GSCHED_HIST_START	= 1,
	GSCHED_HIST_UNBLOCK	= 2,
	GSCHED_HIST_BORDER	= 3,
	GSCHED_HIST_EXCESS	= 4,
};

/**
 * struct gsched_info - GSCHED_IOC_INFO: read a record
 *
 * @size: in, sizeof(struct gsched_info)
 * @flags: in, 0
 * @what: in, enum gsched_info_what
 * @index: in, the P, the M or the enum gsched_hist; 0 for the domain
 * @buf: in, where to put the record
 * @buf_size: in, bytes at @buf; a longer record is cut off, a shorter one filled up with zeroes.
 *	out, bytes of the record as this kernel knows it
 * @__reserved: in, 0
 *
 * Errors: ENOENT (no such P, M or histogram). Any thread of the process may call it, registered or
 * not.
 */
struct gsched_info {
	__u32	size;
	__u32	flags;
	__u32	what;
	__u32	index;
	__u64	buf;
	__u32	buf_size;
	__u32	__reserved;
};

/**
 * struct gsched_info_domain - counts of a domain since SETUP
 *
 * @nr_p: number of Ps
 * @nr_m: number of Ms
 * @nidle: IDLE Ps
 * @nwaiting: WAITING Ms
 * @nparked: Ms PARKED in the pool
 * @nprivate: Ms PARKED privately
 * @making: threads announced by MAKE that have not PARKed yet
 * @wanted: as in the status range
 * @blocks: an M fell asleep and its P became BLOCKED
 * @takebacks: the sleeper woke first and took its P back
 * @handoffs: a BLOCKED P was given to another M
 * @blocks_nopreempt: an M fell asleep with nopreempt set and kept its P
 * @lost: a sleeper woke without its P
 * @borders: an M waited for a P at the border
 * @border_ns: nanoseconds spent waiting there
 * @grants_waiting: grants to a WAITING M
 * @grants_parked: grants to an M PARKED in the pool
 * @parks: PARK calls that slept
 * @park_again: PARK calls that found work and returned EAGAIN
 * @unparks: UNPARK calls
 * @permits: of those, the ones that left a permit
 * @wakes: WAKE calls
 * @wakes_again: of those, the ones that found no M
 * @switches: SWITCH calls that handed a P over
 * @deaths: Ms whose thread ended without UNREGISTER
 * @excess_exit: passed the border without a P: on its way out of the process
 * @excess_step: passed: being single-stepped
 * @excess_traced: passed: traced, and waited 10 ms
 * @excess_cooperative: passed: cooperative mode
 * @excess_signal: left the border for a signal; armed again before the handler's first instruction
 * @excess_timer: of those, the ones that only the timer of 50 us sent back
 * @slice_ns: time slice, 0: none
 * @grace_ns: from the request to yield to the border
 * @retakes: an M that was running gave its P up at the border, as it was asked to
 * @retakes_kept: it was asked and kept the P: nobody wanted it, or it may do without
 * @retakes_nopreempt: it was asked and kept the P: nopreempt was set
 * @stops: STOPs that began a stop of the world
 * @stop_ns: nanoseconds from STOP until the last P had stopped, in all
 * @stop_max_ns: the longest of these times
 * @resizes: RESIZE calls
 * @ticks: how often the timer of the slices ticked
 * @preempts: requests to yield, by PREEMPT, STOP and the slices
 * @looks: interrupts of its own that an M which fell asleep asked for, to have its P handed on
 * @looks_late: expiries of the timers that look at Ps after their policies' delays
 * @handoffs_late: of the handoffs, those by such a timer
 * @border_kicks: an M was put off its CPU to be sent to the border
 */
struct gsched_info_domain {
	__u32	nr_p;
	__u32	nr_m;
	__u32	nidle;
	__u32	nwaiting;
	__u32	nparked;
	__u32	nprivate;
	__u32	making;
	__s32	wanted;
	__u64	blocks;
	__u64	takebacks;
	__u64	handoffs;
	__u64	blocks_nopreempt;
	__u64	lost;
	__u64	borders;
	__u64	border_ns;
	__u64	grants_waiting;
	__u64	grants_parked;
	__u64	parks;
	__u64	park_again;
	__u64	unparks;
	__u64	permits;
	__u64	wakes;
	__u64	wakes_again;
	__u64	switches;
	__u64	deaths;
	__u64	excess_exit;
	__u64	excess_step;
	__u64	excess_traced;
	__u64	excess_cooperative;
	__u64	excess_signal;
	__u64	excess_timer;
	__u64	slice_ns;
	__u64	grace_ns;
	__u64	retakes;
	__u64	retakes_kept;
	__u64	retakes_nopreempt;
	__u64	stops;
	__u64	stop_ns;
	__u64	stop_max_ns;
	__u64	resizes;
	__u64	ticks;
	__u64	preempts;
	__u64	looks;
	__u64	looks_late;
	__u64	handoffs_late;
	__u64	border_kicks;
};

/**
 * struct gsched_info_p - one P
 * @state: enum gsched_p_state
 * @m: the M that owns it; 0 when nobody does
 * @count: as in struct gsched_p_status
 * @policy: enum gsched_policy
 * @cpu: the CPU preferred for it, or GSCHED_CPU_ANY
 * @policy_ns: its policy's delay
 */
struct gsched_info_p {
	__u32	state;
	__u32	m;
	__u64	count;
	__u32	policy;
	__u32	cpu;
	__u64	policy_ns;
};

/** GSCHED_INFO_M_LOST: in gsched_info_m.flags: it lost its P and has not got one since */
#define GSCHED_INFO_M_LOST	(1U << 0)
/** GSCHED_INFO_M_PERMIT: an UNPARK left it a permit */
#define GSCHED_INFO_M_PERMIT	(1U << 1)
/** GSCHED_INFO_M_PRIVATE: PARKED privately */
#define GSCHED_INFO_M_PRIVATE	(1U << 2)
/** GSCHED_INFO_M_HOARD: it has slept with nopreempt set, keeping its P, for over 100 ms */
#define GSCHED_INFO_M_HOARD	(1U << 3)

/**
 * struct gsched_info_m - one M
 * @state: enum gsched_m_state
 * @tid: its thread, in the caller's pid namespace; 0: not visible there
 * @p: the P it holds plus one, or 0
 * @flags: GSCHED_INFO_M_*
 * @goid: the goroutine it says it runs
 * @blocked_ns: as in struct gsched_m_status
 * @lost_ns: likewise
 * @granted_ns: likewise
 */
struct gsched_info_m {
	__u32	state;
	__u32	tid;
	__u32	p;
	__u32	flags;
	__u64	goid;
	__u64	blocked_ns;
	__u64	lost_ns;
	__u64	granted_ns;
};

/**
 * struct gsched_info_hist - how long something took, since SETUP
 * @count: how often it happened
 * @sum_ns: nanoseconds of all of them
 * @max_ns: of the longest
 * @bucket: how many took from 2^i to below 2^(i+1) ns, by i; the first includes 0, the last
 *	everything longer
 */
struct gsched_info_hist {
	__u64	count;
	__u64	sum_ns;
	__u64	max_ns;
	__u64	bucket[GSCHED_HIST_BUCKETS];
};

/** GSCHED_IOC_TYPE: the letter of the calls below; their numbers are registered from 0x80 */
#define GSCHED_IOC_TYPE		'G'

/** GSCHED_IOC_SETUP: struct gsched_setup */
#define GSCHED_IOC_SETUP	_IO(GSCHED_IOC_TYPE, 0x80)
/** GSCHED_IOC_REGISTER: struct gsched_register */
#define GSCHED_IOC_REGISTER	_IO(GSCHED_IOC_TYPE, 0x81)
/**
 * GSCHED_IOC_UNREGISTER: the calling M hands its P on and is an ordinary thread again
 *
 * The argument must be 0, as for every call without a structure (else EINVAL).
 */
#define GSCHED_IOC_UNREGISTER	_IO(GSCHED_IOC_TYPE, 0x82)
/** GSCHED_IOC_PARK: struct gsched_park */
#define GSCHED_IOC_PARK		_IO(GSCHED_IOC_TYPE, 0x83)
/** GSCHED_IOC_UNPARK: struct gsched_unpark */
#define GSCHED_IOC_UNPARK	_IO(GSCHED_IOC_TYPE, 0x84)
/**
 * GSCHED_IOC_WAKE: there is work; get an M to look for it
 *
 * WAITING Ms are served first, for a slice at most; then one PARKED M gets an IDLE or BLOCKED P.
 * Any thread of the process may call it. Errors: EAGAIN (no M is there to look: the caller breaks
 * the poll).
 */
#define GSCHED_IOC_WAKE		_IO(GSCHED_IOC_TYPE, 0x85)
/** GSCHED_IOC_SWITCH: struct gsched_switch */
#define GSCHED_IOC_SWITCH	_IO(GSCHED_IOC_TYPE, 0x86)
/**
 * GSCHED_IOC_RELEASE: hand the P on and be FREE; 0 also without a P
 *
 * Errors: EDEADLK (the M has stopped the world).
 */
#define GSCHED_IOC_RELEASE	_IO(GSCHED_IOC_TYPE, 0x87)
/** GSCHED_IOC_ACQUIRE: struct gsched_acquire */
#define GSCHED_IOC_ACQUIRE	_IO(GSCHED_IOC_TYPE, 0x88)
/** GSCHED_IOC_MAKE: struct gsched_make */
#define GSCHED_IOC_MAKE		_IO(GSCHED_IOC_TYPE, 0x89)
/** GSCHED_IOC_RESIZE: struct gsched_resize */
#define GSCHED_IOC_RESIZE	_IO(GSCHED_IOC_TYPE, 0x8a)
/** GSCHED_IOC_STOP: struct gsched_stop */
#define GSCHED_IOC_STOP		_IO(GSCHED_IOC_TYPE, 0x8b)
/**
 * GSCHED_IOC_START: start the world again; also ends a stop that is not complete
 *
 * Each P goes to a WAITING M, to a PARKED one if there is work, or is IDLE. Errors: EPERM (there is
 * no stop, or it is another M's).
 */
#define GSCHED_IOC_START	_IO(GSCHED_IOC_TYPE, 0x8c)
/** GSCHED_IOC_PREEMPT: struct gsched_preempt */
#define GSCHED_IOC_PREEMPT	_IO(GSCHED_IOC_TYPE, 0x8d)
/** GSCHED_IOC_TUNE: struct gsched_tune */
#define GSCHED_IOC_TUNE		_IO(GSCHED_IOC_TYPE, 0x8e)
/** GSCHED_IOC_INFO: struct gsched_info */
#define GSCHED_IOC_INFO		_IO(GSCHED_IOC_TYPE, 0x8f)

#endif /* _UAPI_LINUX_GSCHED_H */
