// SPDX-License-Identifier: MIT
/*
 * How many Ps there are: as the program says, or as many as the process has CPUs to run on, or time
 * of. In that case changes are followed (Go 1.25): a thread that is no M looks once a second while
 * goroutines run, and starts a goroutine that stops the world for it.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend.h"
#include "cgroup.h"

static bool updating;		/* A: a goroutine is on its way to change the number */
static int64_t retrywhen;	/* A: not before this, after a failure */

static int32_t ncpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return sysconf(_SC_NPROCESSORS_ONLN);	/* more than fit into the set */
	return CPU_COUNT(&set);
}

/*
 * R12. A quota of less than two CPUs is taken for two: with one P, a goroutine that computes would
 * hold up all others. The affinity is that of the calling thread, so no M asks once there are
 * goroutines, which may have changed it.
 */
static int32_t defaultprocs(void)
{
	int32_t n = ncpus(), quota = 0;

	if (debugvars.containermaxprocs)
		quota = cgroupcpus();
	if (quota == 1)
		quota = 2;
	if (quota && quota < n)
		n = quota;
	return n < GSCHED_MAX_P ? n : GSCHED_MAX_P;
}

/* An integer above 0, and nothing else; 0 for anything else. */
static int32_t environ_maxprocs(void)
{
	const char *env = getenv("GRT_MAXPROCS");
	char *end;
	long n;

	if (!env || !*env)
		return 0;
	errno = 0;
	n = strtol(env, &end, 10);
	if (errno || *end || n <= 0)
		return 0;
	return n < GSCHED_MAX_P ? n : GSCHED_MAX_P;
}

/* How many Ps to begin with. */
int32_t firstprocs(const struct grt_config *c)
{
	int32_t n = c->maxprocs;

	if (n < 0 || n > GSCHED_MAX_P)
		fatal_setup("maxprocs %d is not within 1 and %d", n, GSCHED_MAX_P);
	if (!n)
		n = environ_maxprocs();
	sched.procsbyhand = n;
	return n ? n : defaultprocs();
}

/* Nobody has said how many there shall be. */
bool procsfollow(void)
{
	return debugvars.updatemaxprocs && !load_relaxed(&sched.procsbyhand);
}

static void update(void *n)
{
	if (setmaxprocs((intptr_t)n, false) < 0)
		store_relaxed(&retrywhen, nanotime() + PROCSUPDATE_RETRY_NS);
	store_release(&updating, false);
}

/* Looks whether there should be more Ps, or fewer. On a thread that is no M. */
void updateprocs(void)
{
	int32_t n;

	if (load_acquire(&updating) || nanotime() < load_relaxed(&retrywhen))
		return;
	n = defaultprocs();
	if (n != load_acquire(&sched.gomaxprocs) && !xchg(&updating, true))
		newproc(update, (void *)(intptr_t)n, (uintptr_t)update);
}
