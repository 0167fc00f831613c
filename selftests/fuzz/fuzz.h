/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fuzzer's parts and what they share.
 *
 * A supervisor (fuzz.c) runs one round after another, each in a process of its own, and disturbs
 * it from outside (chaos.c). A round (round.c) makes a domain and threads that do one operation
 * after another (thread.c, ops.c, hostile.c). In between all of them pause, and when nobody moves
 * any more everything must add up (oracle.c). At the end of an orderly round its Ms take up
 * places that are known exactly (scene.c). What was called and reached is counted (cover.c).
 *
 * Operation k of thread t in round r is drawn from the seed, r, t and k alone, so that the same
 * seed means the same programs. How they interleave is up to the machine.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <setjmp.h>

#include "gsched_util.h"

#include "kselftest.h"

#define MOST_THREADS	32
#define MOST_P		16
#define NO_M		0xffffffffU

/* Each round has a ledger: a small one, for many Ps. */
#define LEDGER_PS	MOST_P
#define REMEMBERED	4096
#include "ledger.h"

/* ---- Chance (thread.c) ---- */

struct rng {
	__u64 state;
};

__u64 rnd(struct rng *g);
/* From 0 to @n - 1 */
__u32 below(struct rng *g, __u32 n);
bool chance(struct rng *g, unsigned int percent);
/* A stream of its own for each of the arguments */
struct rng rng_of(__u64 seed, __u64 a, __u64 b, __u64 c);

/* ---- What must hold (oracle.c), and what was reached (cover.c) ---- */

enum oracle {
	ORACLE_HANG,		/* nothing hangs */
	ORACLE_LOST,		/* no M is lost */
	ORACLE_COUNTS,		/* counts add up */
	ORACLE_OWNER,		/* a P has one owner at a time */
	ORACLE_ANSWER,		/* a call answers what is documented */
	ORACLE_FOREIGN,		/* other processes are kept out */
	ORACLE_FREED,		/* what is over is freed */
	NR_ORACLES,
};

/* Behind the 16 calls of the device, whose place is that of their number */
enum {
	CALL_MMAP = 16,
	CALL_POLL,
	CALL_UNKNOWN,		/* an ioctl that there is not */
	NR_CALLS,
};

#define NR_RESULTS	(ENOTSUPP_MAX + 1)
#define ENOTSUPP_MAX	133		/* the last errno that user space may see */

/* State changes of the diagrams in the uapi header, and how each is told to have happened */
enum change {
	P_IDLE_RUNNING,
	P_RUNNING_IDLE,
	P_RUNNING_BLOCKED,
	P_BLOCKED_TAKEN_BACK,
	P_BLOCKED_HANDED_ON,
	P_RETAKEN,
	P_IDLE_STOPPED,
	P_RUNNING_STOPPED,
	P_BLOCKED_STOPPED,
	P_STOPPED_IDLE,
	P_STOPPED_DEAD,
	P_DEAD_STOPPED,
	M_REGISTERED,
	M_FREE_ON,
	M_ON_FREE,
	M_FREE_PARKED,
	M_PARKED_FREE,
	M_ON_PARKED,
	M_PARKED_ON,
	M_PARKED_WAITING,
	M_FREE_WAITING,
	M_ON_WAITING,
	M_WAITING_ON,
	M_WAITING_FREE,
	M_FREE_DEAD,
	M_ON_DEAD,
	M_DIED,
	NR_CHANGES,
};

struct options {
	__u64		seed;
	unsigned int	rounds;		/* 0: until the time is up */
	unsigned int	first;		/* number of the first round */
	unsigned int	time_s;
	unsigned int	threads;
	__u64		ops;		/* that must be done, beside time and rounds */
	unsigned int	patience_s;
};

/* Memory that supervisor, rounds and their children have in common */
struct shared {
	struct options	opt;
	__u64		ops;
	__u64		results[NR_CALLS][NR_RESULTS];
	__u64		changes[NR_CHANGES];
	__u64		pauses;
	__u64		disturbances;
	__u32		failed[NR_ORACLES];
	char		why[NR_ORACLES][200];

	/* of the present round */
	__u32		round;
	__u32		beat;			/* grows while the conductor lives */
	__u32		chaos;			/* the supervisor may disturb */
	__u32		chaos_busy;		/* it is doing so */
	int		tids[MOST_THREADS];
};

extern struct shared *shared;

void __printf(2, 3) fail(enum oracle oracle, const char *format, ...);
bool anything_failed(void);

void count_call(int call, int result);
void count_change(enum change change, __u64 n);
void print_cover(void);
__u64 calls_done(void);
unsigned int percent_ok(void);
/* The name of a call that never succeeded, of a change that was never reached, or NULL */
const char *call_missed(void);
const char *change_missed(void);

/* ---- A round ---- */

enum phase {
	PHASE_FUZZ,
	PHASE_PAUSE,
	PHASE_SCENE,
	PHASE_END,
};

/* What ends a round */
enum ending {
	ENDING_ORDERLY,
	ENDING_CLOSE,
	ENDING_EXEC,
	ENDING_EXIT,
	ENDING_CRASH,
	ENDING_KILL,		/* by the supervisor */
	NR_ENDINGS,
};

enum role {
	ROLE_M,
	ROLE_FOREIGN,		/* never registers */
	ROLE_SCRIBBLER,		/* lies in the hint pages */
	ROLE_SIGNALLER,
	ROLE_HONEST,		/* an M of a round in which nobody lies, signals or traces */
	NR_ROLES,
};

enum job {
	JOB_NONE,
	JOB_HOME,		/* RELEASE */
	JOB_REGISTER,
	JOB_ON,			/* ACQUIRE, and stay awake */
	JOB_BLOCK,		/* ACQUIRE, and sleep */
	JOB_WAIT,		/* ACQUIRE without end */
	JOB_PARK,
	JOB_PARK_PRIVATE,
	JOB_PARK_ON,		/* ACQUIRE, then PARK */
	JOB_PARK_TIMEOUT,
	JOB_STOP,		/* ACQUIRE, and STOP; it stays awake */
	JOB_SHRINK,		/* RESIZE to one P */
	JOB_GROW,		/* RESIZE to as many as there may be */
	JOB_START,		/* and RELEASE */
	JOB_UNREGISTER,
	JOB_UNREGISTER_ON,	/* ACQUIRE, then UNREGISTER */
	JOB_EXIT,
};

struct round;

struct thread {
	struct round	*r;
	unsigned int	index;
	enum role	role;
	pthread_t	pthread;
	int		tid;
	bool		alive;		/* to be joined */
	__u32		ended;
	__u64		next_op;
	struct rng	g;		/* of the present operation */
	struct rng	handler_g;	/* of its signal handlers */
	__u32		m;		/* its id, or NO_M */
	bool		stopper;	/* a stop of the world may be its */
	__u32		paused;
	__u32		deed;		/* enum ending, to be done by it */
	int		timer;		/* a timerfd */
	char		*page;		/* one that is missing again and again */
	sigjmp_buf	*guard;		/* where to go on after a SIGSEGV */

	__u32		turn;		/* of the scene: jobs given out, and done */
	__u32		turn_done;
	enum job	job;
	int		job_result;
};

struct round {
	struct gs	gs;
	__u64		seed;
	unsigned int	number;
	struct rng	g;
	enum ending	ending;
	unsigned int	nr_threads;
	bool		honest;		/* no M may be seen without a P */
	__u32		without_p;	/* looks of Ms that were */
	__u32		phase;		/* enum phase */
	__u32		gen;		/* pausing threads sleep on it */
	__u32		closed;		/* ECANCELED is what calls answer */
	struct ledger	*ledger;
	pthread_mutex_t	mutex;
	int		uffd;
	char		*arena;		/* where mappings come and go */
	size_t		arena_slot;
	char		*bad_page[3];	/* no access, read-only, and one with nothing behind it */
	__u64		started_ns;
	struct thread	thread[MOST_THREADS];
};

/* round.c: the exit status of the round's process */
int round_main(__u64 seed, unsigned int number, enum ending ending);
enum ending ending_of(__u64 seed, unsigned int number);

/* thread.c */
int thread_start(struct round *r, unsigned int index);
bool is_m(const struct thread *t);
__u64 status_word(const struct thread *t);
/* Its hints, if it is an M */
void set_nopreempt(struct thread *t, __u32 nopreempt);
void set_mode(struct thread *t, __u32 mode);
void install_handlers(void);
/* The thread that runs this */
extern __thread struct thread *self;
void futex_wait(__u32 *word, __u32 value);
void futex_wake(__u32 *word);
/* Runs @access; false if it faulted */
bool guarded(struct thread *t, void (*access)(struct thread *t, char *at, __u64 value),
	     char *at, __u64 value);

/* A counted call of the device. 0, or -errno. */
int call(struct thread *t, unsigned long cmd, void *arg);
/* ops.c */
void one_op(struct thread *t);
int do_register(struct thread *t, __u32 flags);
int do_acquire(struct thread *t, __u64 deadline);
int do_park(struct thread *t, __u32 flags, __u64 deadline, __u32 word, __u32 expected);
int do_unpark(struct thread *t, __u32 m);
__u64 some_deadline(struct rng *g);
void in_handler(struct thread *t);
/* hostile.c */
void op_hostile(struct thread *t);
void op_map(struct thread *t);
void op_stacks(struct thread *t);
void op_arena(struct thread *t);
void op_scribble(struct thread *t);
void op_hints(struct thread *t);
void op_other_domain(struct thread *t);
void op_child(struct thread *t);
void hostile_setups(struct round *r, int fd);
/* The exit status of a child that executed this program */
int exec_child(void);

/* oracle.c */
struct look {
	__u32 m;		/* its id, or NO_M */
	__u64 word;		/* its status word */
	__u64 blocked_ns;
	__u64 p_word;
	__u64 count;
};

/* What the records of all Ps and Ms amount to */
struct tally {
	struct gsched_info_domain	d;
	__u32				p_state[GSCHED_P_DEAD + 1];
	__u32				m_state[GSCHED_M_DEAD + 1];
	__u32				nprivate;
	__u32				nr_m;
	__u64				counts;		/* hand-over counts of all Ps */
	__u32				p_of[GS_MAX_M];	/* plus one, as the Ps have it */
	struct gsched_info_m		m[GS_MAX_M];
	bool				known[GS_MAX_M];
	enum oracle			oracle;
	char				why[160];
};

/* Is everything as INFO and the status page say? If not, why is in @y. */
bool adds_up(struct round *r, struct tally *y);
void look(struct thread *t, struct look *l);
/* @t has stopped the world: nobody else holds a P. */
void look_at_stopped_world(struct thread *t);
/* Since @before it did nothing to its P itself. */
void look_again(struct thread *t, const struct look *before);
/* All threads pause, everything comes to rest and adds up; false if not */
bool settle(struct round *r);
void resume(struct round *r, enum phase phase);
void quiet_hints(struct round *r);
void check_domain_info(const struct round *r, const struct gsched_info_domain *d);
void dump_round(struct round *r);
void collect_counts(struct round *r);

void tune(struct round *r, struct gsched_tune arg);

/* scene.c: false if something went wrong */
bool play_scenes(struct round *r);
void take_job(struct thread *t);

/* chaos.c */
void chaos_step(struct rng *g, pid_t pid);
void dump_process(pid_t pid);

#endif /* FUZZ_H */
