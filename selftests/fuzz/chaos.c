// SPDX-License-Identifier: GPL-2.0
/*
 * What others do to a process: stop it, trace it, freeze it
 *
 * By the supervisor, which is the parent of the round. Each disturbance must take at once, in
 * whatever state the Ms are; that it does not is found here.
 */
#include "fuzz.h"

#include <dirent.h>
#include <sys/ptrace.h>
#include <sys/stat.h>

#include "cgroup.h"

/* The P of a stopped M is given on after 10 ms. */
#define LONG_US	15000

/* ---- Looking at it ---- */

static void dump_file(pid_t pid, const char *tid, const char *name)
{
	char path[300], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/%s", pid, tid, name);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		if (strcmp(name, "status") || !strncmp(line, "State", 5) ||
		    !strncmp(line, "SigPnd", 6) || !strncmp(line, "TracerPid", 9))
			fprintf(stderr, "#   %s %s", tid, line);
	fclose(f);
}

void dump_process(pid_t pid)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		dump_file(pid, entry->d_name, "status");
		dump_file(pid, entry->d_name, "stack");
	}
	if (dir)
		closedir(dir);
}

/* ---- Disturbing it ---- */

static __u64 patience(void)
{
	return gs_now() + shared->opt.patience_s * 1000 * GS_MS;
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid;
}

static bool has_stopped(pid_t pid)
{
	siginfo_t info = { 0 };

	return !waitid(P_PID, pid, &info, WSTOPPED | WNOHANG) && info.si_pid;
}

/* It comes to rest, which is asked for, and remains so for a moment. @why: what is wrong if not */
static void rests(struct rng *g, pid_t pid, bool (*is_at_rest)(pid_t pid), const char *why)
{
	__u64 end = patience();

	while (!is_at_rest(pid) && !has_ended(pid)) {
		if (gs_now() > end) {
			fail(ORACLE_HANG, "%s", why);
			dump_process(pid);
			break;
		}
		usleep(200);
	}
	if (chance(g, 30))
		usleep(below(g, LONG_US));
}

/* Every thread stops, wherever it sleeps. */
static void stop_and_continue(struct rng *g, pid_t pid)
{
	kill(pid, SIGSTOP);
	rests(g, pid, has_stopped, "SIGSTOP does not stop it");
	kill(pid, SIGCONT);
}

/* Waits until a traced thread stops; false if it is gone. */
static bool stops(pid_t tid, int *status, __u64 end)
{
	pid_t ret;

	while (!(ret = waitpid(tid, status, WNOHANG | __WALL)) && gs_now() < end)
		usleep(100);
	return ret == tid && WIFSTOPPED(*status);
}

/* The signal that a stopped tracee is to go on with, if it was one that stopped it */
static long signal_of(int status)
{
	int sig = WSTOPSIG(status);

	return status >> 16 || sig == SIGTRAP || sig == SIGSTOP ? 0 : sig;
}

/* Goes on for at most @us, and is stopped again; false if it is gone. */
static bool goes_on(pid_t tid, int request, int *status, unsigned int us)
{
	if (ptrace(request, tid, 0, signal_of(*status)))
		return false;
	if (stops(tid, status, gs_now() + us * 1000ULL))
		return true;
	if (ptrace(PTRACE_INTERRUPT, tid, 0, 0))
		return false;
	if (stops(tid, status, patience()))
		return true;
	if (kill(tid, 0))
		return false;
	fail(ORACLE_HANG, "the tracee %d does not stop", tid);
	return false;
}

/* Stopped as by a debugger, a few steps, some way further; false if it is gone. */
static bool trace(struct rng *g, pid_t tid, int *status)
{
	unsigned int steps = chance(g, 50) ? below(g, 20) : 0;

	if (ptrace(PTRACE_INTERRUPT, tid, 0, 0))
		return false;
	if (!stops(tid, status, patience())) {
		if (!kill(tid, 0))
			fail(ORACLE_HANG, "thread %d does not stop for a tracer", tid);
		return false;
	}
	while (steps--)
		if (!goes_on(tid, PTRACE_SINGLESTEP, status, 5000))
			return false;
	if (chance(g, 30) && !goes_on(tid, PTRACE_CONT, status, below(g, 10000)))
		return false;
	if (chance(g, 40))
		usleep(below(g, LONG_US));
	return true;
}

static void trace_and_detach(struct rng *g, pid_t tid)
{
	int status = 0;

	if (ptrace(PTRACE_SEIZE, tid, 0, 0))
		return;
	if (trace(g, tid, &status) && !ptrace(PTRACE_DETACH, tid, 0, signal_of(status)))
		return;
	/* One that is gone has an end to be waited for, or its process could not end. */
	while (stops(tid, &status, patience()))
		ptrace(PTRACE_DETACH, tid, 0, 0);
}

/* ---- The freezer of a control group ---- */

static const struct cgroup freezer = { CGROUP_ROOT "gsched-fuzz" };

static bool is_frozen(pid_t pid)
{
	return cgroup_get(&freezer, "cgroup.events", "frozen") == 1;
}

/* Every thread is frozen, wherever it sleeps; a kernel without control groups has none to do it. */
static void freeze_and_thaw(struct rng *g, pid_t pid)
{
	mkdir(freezer.path, 0755);
	if (cgroup_put(&freezer, "cgroup.procs", "%d", pid) || cgroup_freeze(&freezer, true))
		return;
	rests(g, pid, is_frozen, "the freezer does not freeze it");
	cgroup_freeze(&freezer, false);
}

void chaos_step(struct rng *g, pid_t pid)
{
	int tid = GS_LOAD(shared->tids[below(g, shared->opt.threads)]);

	GS_STORE(shared->chaos_busy, 1);
	if (GS_LOAD(shared->chaos)) {
		shared->disturbances++;
		switch (below(g, 4)) {
		case 0:
			stop_and_continue(g, pid);
			break;
		case 1:
			freeze_and_thaw(g, pid);
			break;
		default:
			if (tid)
				trace_and_detach(g, tid);
		}
	}
	GS_STORE(shared->chaos_busy, 0);
}
