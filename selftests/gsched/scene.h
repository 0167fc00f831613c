/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A process whose Ms are RUNNING, BLOCKED, PARKED and WAITING at once, for tests of what the rest
 * of the kernel does to it. It is a child of the test, which sees all of it through shared memory
 * and tells it when to end.
 *
 * There are two Ps. The runner spins in user mode with one. The sleeper has gone into read(2) with
 * the other and keeps it, for it has set nopreempt. The loser went into read(2) with the runner's,
 * lost it, was woken, and is WAITING at the border. The parker is PARKED in the pool. The first
 * thread is no M.
 */
#ifndef SCENE_H
#define SCENE_H

#include "gsched_util.h"

enum scene_role { SCENE_RUNNER, SCENE_SLEEPER, SCENE_PARKER, SCENE_LOSER, SCENE_MS };

extern const char * const scene_names[SCENE_MS];

/* What the child shows; all of it is in memory that both share. */
struct scene_show {
	int	tid[SCENE_MS];
	__u32	id[SCENE_MS];
	__u64	spins;			/* by the runner */
	__u64	handled[SCENE_MS];	/* handlers run, of SIGUSR1, 2 and real-time signals */
	__u64	lost[SCENE_MS];		/* of those, begun after it lost its P and got none */
	int	stands;			/* does it stand as described? answers SCENE_ASK */
	struct gsched_info_domain info;	/* of that moment, and of the end */
};

/* Something the child does in the thread of an M, or of main(), instead of ending. 0: success */
typedef long (*scene_deed)(struct gs *gs, __u64 arg);

struct scene {
	pid_t			pid;
	int			to, from;
	struct scene_show	*show;
};

struct scene_opts {
	unsigned int	sa_flags;	/* of the handlers */
	bool		slices;		/* time slices are on: the Ms take turns */
};

/* Start it, and wait until it stands. */
bool scene_start(struct scene *s, const struct scene_opts *opts);
/* Does it, now or soon, stand as it did at the start? Without slices it must. */
bool scene_stands(struct scene *s);
/* Is the runner at work? */
bool scene_runs(struct scene *s);
/* Has each M run @each handlers? */
bool scene_all_handled(const struct scene *s, __u64 each);
/* A deed of @role's M, or, for SCENE_MS, of main(); its result, or GS_NO_ANSWER. */
long scene_do(struct scene *s, enum scene_role role, scene_deed deed, __u64 arg);
/* The same, when the process is not expected to answer. */
void scene_ask(struct scene *s, enum scene_role role, scene_deed deed, __u64 arg);
/* An M whose deed ended its thread is not waited for at the end. */
#define SCENE_GONE	(-9998L)
/*
 * The end: every M is let go on, gets a P, and unregisters; the counts are what they must be, and
 * the process ends by itself.
 */
bool scene_ends_well(struct scene *s);
/* Its wait status once it has ended, or -1 if it does not, with the module in use by nobody. */
int scene_is_gone(struct scene *s);

#endif /* SCENE_H */
