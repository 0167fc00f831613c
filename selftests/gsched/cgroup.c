// SPDX-License-Identifier: GPL-2.0
#include "cgroup.h"

#include <stdarg.h>
#include <sys/stat.h>

#include "gsched_util.h"

int cgroup_make(struct cgroup *cg, const char *name, const char *controller)
{
	struct cgroup root = { CGROUP_ROOT };
	int err = cgroup_put(&root, "cgroup.subtree_control", "+%s", controller);

	if (err)
		return err;
	snprintf(cg->path, sizeof(cg->path), CGROUP_ROOT "%s", name);
	return mkdir(cg->path, 0755) ? -errno : 0;
}

int cgroup_put(const struct cgroup *cg, const char *file, const char *format, ...)
{
	char path[192], text[64];
	va_list ap;

	snprintf(path, sizeof(path), "%s/%s", cg->path, file);
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return gs_write_file(path, text);
}

long cgroup_get(const struct cgroup *cg, const char *file, const char *key)
{
	char path[192], name[64];
	long value = -1, n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", cg->path, file);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (!key && fscanf(f, "%ld", &n) == 1)
		value = n;
	while (key && fscanf(f, "%63s %ld", name, &n) == 2)
		if (!strcmp(name, key))
			value = n;
	fclose(f);
	return value;
}

int cgroup_freeze(const struct cgroup *cg, bool freeze)
{
	return cgroup_put(cg, "cgroup.freeze", "%d", freeze);
}

bool cgroup_gets_frozen(const struct cgroup *cg, bool frozen)
{
	return GS_UNTIL(cgroup_get(cg, "cgroup.events", "frozen") == frozen);
}

/* Its last pages leave it a moment after the process has ended. */
bool cgroup_remove(const struct cgroup *cg)
{
	return GS_UNTIL(!rmdir(cg->path) || errno == ENOENT);
}

int cgroup_run(const char *name, long max, int (*body)(struct cgroup *cg, void *arg), void *arg)
{
	struct cgroup cg;
	int status, err;
	pid_t pid;

	err = cgroup_make(&cg, name, "memory");
	if (err)
		return err;
	err = max ? cgroup_put(&cg, "memory.max", "%ld", max) : 0;
	pid = err ? -1 : fork();
	if (!pid) {
		if (cgroup_put(&cg, "cgroup.procs", "0"))
			_exit(127);
		_exit(body(&cg, arg));
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid)
		err = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (!cgroup_remove(&cg) && !err)
		err = -EBUSY;
	return pid < 0 && !err ? -EAGAIN : err;
}
