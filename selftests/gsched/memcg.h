/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A child in a memory cgroup (v2) of its own.
 */
#ifndef GSCHED_MEMCG_H
#define GSCHED_MEMCG_H

struct memcg {
	char	path[128];
};

/* A number from one of its files, or -1 */
long memcg_read(struct memcg *cg, const char *file);
int memcg_write(struct memcg *cg, const char *file, long value);
/*
 * Runs @body in a child that is in a cgroup @name with a limit of @max bytes (0: none), and removes
 * the cgroup. What @body returned, 128 + the signal that ended it, or -errno.
 */
int memcg_run(const char *name, long max, int (*body)(struct memcg *cg, void *arg), void *arg);

#endif /* GSCHED_MEMCG_H */
