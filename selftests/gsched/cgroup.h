/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A cgroup (v2) of a test's own.
 */
#ifndef GSCHED_CGROUP_H
#define GSCHED_CGROUP_H

#include <stdbool.h>

#define CGROUP_ROOT	"/sys/fs/cgroup/"

struct cgroup {
	char	path[128];
};

/* A new one below the root; it has the files of @controller. 0, or -errno. */
int cgroup_make(struct cgroup *cg, const char *name, const char *controller);
/* Writes to one of its files. 0, or -errno. */
int __attribute__((format(printf, 3, 4)))
cgroup_put(const struct cgroup *cg, const char *file, const char *format, ...);
/*
 * The number in @file, or, where it has many, the one behind @key, which begins a line; -1 if there
 * is none.
 */
long cgroup_get(const struct cgroup *cg, const char *file, const char *key);
/* Freezes or thaws, which takes a moment: is it so, now or soon? */
int cgroup_freeze(const struct cgroup *cg, bool freeze);
bool cgroup_gets_frozen(const struct cgroup *cg, bool frozen);
/* It goes when its last process has; false if that does not come. */
bool cgroup_remove(const struct cgroup *cg);
/*
 * Runs @body in a child that is in a cgroup @name with a limit of @max bytes (0: none), and removes
 * the cgroup. What @body returned, 128 + the signal that ended it, or -errno.
 */
int cgroup_run(const char *name, long max, int (*body)(struct cgroup *cg, void *arg), void *arg);

#endif /* GSCHED_CGROUP_H */
