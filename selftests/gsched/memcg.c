// SPDX-License-Identifier: GPL-2.0
#include "memcg.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOT	"/sys/fs/cgroup"

long memcg_read(struct memcg *cg, const char *file)
{
	char path[256], text[64] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/%s", cg->path, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = 0;
	close(fd);
	return text[0] ? atol(text) : -1;
}

int memcg_write(struct memcg *cg, const char *file, long value)
{
	char path[256], text[32];

	snprintf(path, sizeof(path), "%s/%s", cg->path, file);
	snprintf(text, sizeof(text), "%ld", value);
	return put(path, text);
}

int memcg_run(const char *name, long max, int (*body)(struct memcg *cg, void *arg), void *arg)
{
	struct memcg cg;
	int status, err;
	pid_t pid;

	err = put(ROOT "/cgroup.subtree_control", "+memory");
	if (err)
		return err;
	snprintf(cg.path, sizeof(cg.path), ROOT "/%s", name);
	if (mkdir(cg.path, 0755))
		return -errno;
	err = max ? memcg_write(&cg, "memory.max", max) : 0;
	pid = err ? -1 : fork();
	if (!pid) {
		if (memcg_write(&cg, "cgroup.procs", 0))
			_exit(127);
		_exit(body(&cg, arg));
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid)
		err = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	/* Its last pages leave it a moment after it has ended. */
	while (rmdir(cg.path) && errno == EBUSY)
		sched_yield();
	return pid < 0 && !err ? -EAGAIN : err;
}
