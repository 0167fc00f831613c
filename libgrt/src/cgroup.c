// SPDX-License-Identifier: MIT
/*
 * How much processor time the process's control groups grant it (R12, as Go 1.25).
 *
 * A group's quota is so many microseconds of processor time in a period of so many. It holds for
 * all that is below the group, so the least of the process's own group and those above it counts,
 * as far up as is mounted here. Version 2 of control groups has it in cpu.max, version 1, which is
 * asked only if it has the controller cpu, in two files.
 *
 * Which group that is, is looked up once. What cannot be read or understood is no limit.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"

const char *cgrouproot = "";

static struct {
	int version;		/* 0: none */
	char dir[PATH_MAX];	/* the process's own group */
	size_t top;		/* length of the part that is the mount point */
} cg;

/* Is @word one of @list, which is separated by commas? */
static bool listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (;; list++) {
		if (!strncmp(list, word, len) && (list[len] == ',' || !list[len]))
			return true;
		list = strchr(list, ',');
		if (!list)
			return false;
	}
}

static FILE *openfile(const char *dir, const char *name)
{
	char path[2 * PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s%s/%s", cgrouproot, dir, name);

	return n < (int)sizeof(path) ? fopen(path, "re") : NULL;
}

/* ---- Which group --------------------------------------------------------------------------- */

/* A line of /proc/self/cgroup: ID:CONTROLLERS:PATH. Version 1 goes before. */
static void groupline(char *line, char *path)
{
	char *controllers = strchr(line, ':');
	char *p = controllers ? strchr(++controllers, ':') : NULL;
	int version;

	if (!p || strlen(p) > PATH_MAX)
		return;
	*p++ = '\0';
	if (*controllers)
		version = listed(controllers, "cpu") ? 1 : 0;
	else
		version = !strncmp(line, "0:", 2) ? 2 : 0;
	if (!version || (cg.version && version > cg.version))
		return;
	cg.version = version;
	strcpy(path, p);
}

/* Blanks and the like stand in /proc/self/mountinfo as a backslash and three octal digits. */
static void unescape(char *s)
{
	char *to = s;
	int i, c;

	while (*s) {
		for (i = 1, c = 0; *s == '\\' && i < 4 && s[i] >= '0' && s[i] < '8'; i++)
			c = c * 8 + s[i] - '0';
		if (*s == '\\' && i == 4) {
			*to++ = c;
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* @path below @root, as far as it is shown there; NULL: it is not below it. */
static const char *below(const char *path, const char *root)
{
	size_t len = strlen(root);

	if (len == 1)
		return path;
	if (strncmp(path, root, len) || (path[len] && path[len] != '/'))
		return NULL;
	return path + len;
}

/*
 * A line of /proc/self/mountinfo: ID PARENT DEVICE ROOT MOUNTPOINT OPTIONS [TAG...] - TYPE SOURCE
 * OPTIONS. True if the group is below that mount: then cg.dir is complete.
 */
static bool mountline(char *line, const char *path)
{
	char *field[5], *rest = line, *tail = strstr(line, " - ");
	const char *type, *options, *rel;
	int i, n;

	if (!tail)
		return false;
	*tail = '\0';
	for (i = 0; i < 5; i++)
		field[i] = strsep(&rest, " ");
	tail += 3;
	type = strsep(&tail, " ");
	strsep(&tail, " ");
	options = tail;
	if (!field[4] || !options)
		return false;
	if (cg.version == 2 ? strcmp(type, "cgroup2") :
	    strcmp(type, "cgroup") || !listed(options, "cpu"))
		return false;
	unescape(field[3]);
	unescape(field[4]);
	rel = below(path, field[3]);
	if (!rel)
		return false;
	n = snprintf(cg.dir, sizeof(cg.dir), "%s%s", field[4], rel);
	cg.top = strlen(field[4]);
	while ((size_t)n > cg.top && n < (int)sizeof(cg.dir) && cg.dir[n - 1] == '/')
		cg.dir[--n] = '\0';
	return n < (int)sizeof(cg.dir);
}

static char *chomp(char *line)
{
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* Finds the process's group. */
void cgroupinit(void)
{
	char path[PATH_MAX + 1], *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *f;

	cg.version = 0;
	f = openfile("/proc/self", "cgroup");
	while (f && getline(&line, &size, f) > 0)
		groupline(chomp(line), path);
	if (f)
		fclose(f);
	f = cg.version ? openfile("/proc/self", "mountinfo") : NULL;
	while (f && !found && getline(&line, &size, f) > 0)
		found = mountline(chomp(line), path);
	if (f)
		fclose(f);
	free(line);
	if (!found)
		cg.version = 0;
}

/* ---- Its quota ----------------------------------------------------------------------------- */

/* The first line of a file, or NULL. */
static char *readline(const char *dir, const char *name, char *buf, int size)
{
	FILE *f = openfile(dir, name);
	char *line = f ? fgets(buf, size, f) : NULL;

	if (f)
		fclose(f);
	return line ? chomp(line) : NULL;
}

/* A number above 0 and nothing else; 0 for anything else. */
static int64_t number(const char *s)
{
	char *end;
	long n;

	if (!s || *s < '0' || *s > '9')
		return 0;
	n = strtol(s, &end, 10);
	return *end || n == LONG_MAX ? 0 : n;
}

/* How many CPUs the quota of one group is worth, rounded up; 0: no limit. */
static int64_t groupcpus(const char *dir)
{
	char quota[64], period[64], *blank;
	int64_t q, p;

	if (cg.version == 2) {
		if (!readline(dir, "cpu.max", quota, sizeof(quota)))
			return 0;
		blank = strchr(quota, ' ');
		if (!blank)
			return 0;
		*blank = '\0';
		q = number(quota);	/* "max" is none */
		p = number(blank + 1);
	} else {
		q = number(readline(dir, "cpu.cfs_quota_us", quota, sizeof(quota)));
		p = number(readline(dir, "cpu.cfs_period_us", period, sizeof(period)));
	}
	return q && p ? (q - 1) / p + 1 : 0;
}

/*
 * How many CPUs the process may use up at a time, rounded up; 0: no limit. Reads files: not on an M
 * that others wait for.
 */
int32_t cgroupcpus(void)
{
	char dir[PATH_MAX];
	int64_t least = 0, n;
	char *slash;

	if (!cg.version)
		return 0;
	strcpy(dir, cg.dir);
	for (;;) {
		n = groupcpus(dir);
		if (n && (!least || n < least))
			least = n;
		slash = strrchr(dir, '/');
		if (!slash || strlen(dir) <= cg.top)
			break;
		*slash = '\0';
	}
	return least < INT32_MAX ? least : 0;
}
