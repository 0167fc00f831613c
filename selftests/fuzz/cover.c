// SPDX-License-Identifier: GPL-2.0
/*
 * What was called, how it was answered, and which state changes were reached
 */
#include "fuzz.h"

#include <stdarg.h>

static const char * const call_name[NR_CALLS] = {
	"SETUP", "REGISTER", "UNREGISTER", "PARK", "UNPARK", "WAKE", "SWITCH", "RELEASE",
	"ACQUIRE", "MAKE", "RESIZE", "STOP", "START", "PREEMPT", "TUNE", "INFO",
	[CALL_MMAP] = "mmap", [CALL_POLL] = "poll", [CALL_UNKNOWN] = "(none)",
};

/* Calls that this kernel does not have yet */
static bool is_reserved(int call)
{
	return shared->results[call][EOPNOTSUPP];
}

static const char * const change_name[NR_CHANGES] = {
	[P_IDLE_RUNNING]	= "P IDLE -> RUNNING",
	[P_RUNNING_IDLE]	= "P RUNNING -> IDLE",
	[P_RUNNING_BLOCKED]	= "P RUNNING -> BLOCKED",
	[P_BLOCKED_TAKEN_BACK]	= "P BLOCKED(m) -> RUNNING(m)",
	[P_BLOCKED_HANDED_ON]	= "P BLOCKED(m) -> RUNNING(w)",
	[P_RETAKEN]		= "P RUNNING(m), asked for",
	[P_IDLE_STOPPED]	= "P IDLE -> STOPPED",
	[P_RUNNING_STOPPED]	= "P RUNNING -> STOPPED",
	[P_BLOCKED_STOPPED]	= "P BLOCKED -> STOPPED",
	[P_STOPPED_IDLE]	= "P STOPPED -> IDLE",
	[P_STOPPED_DEAD]	= "P STOPPED -> DEAD",
	[P_DEAD_STOPPED]	= "P DEAD -> STOPPED",
	[M_REGISTERED]		= "M -> FREE",
	[M_FREE_ON]		= "M FREE -> ON",
	[M_ON_FREE]		= "M ON -> FREE",
	[M_FREE_PARKED]		= "M FREE -> PARKED",
	[M_PARKED_FREE]		= "M PARKED -> FREE",
	[M_ON_PARKED]		= "M ON -> PARKED",
	[M_PARKED_ON]		= "M PARKED -> ON",
	[M_PARKED_WAITING]	= "M PARKED -> WAITING",
	[M_FREE_WAITING]	= "M FREE -> WAITING",
	[M_ON_WAITING]		= "M ON -> WAITING",
	[M_WAITING_ON]		= "M WAITING -> ON",
	[M_WAITING_FREE]	= "M WAITING -> FREE",
	[M_FREE_DEAD]		= "M FREE -> DEAD (UNREGISTER)",
	[M_ON_DEAD]		= "M ON -> DEAD (UNREGISTER)",
	[M_DIED]		= "M -> DEAD (its thread ended)",
};

void count_call(int call, int result)
{
	if (result < 0)
		result = 0;
	if (result >= NR_RESULTS)
		result = NR_RESULTS - 1;
	__atomic_fetch_add(&shared->results[call][result], 1, __ATOMIC_RELAXED);
}

void count_change(enum change change, __u64 n)
{
	__atomic_fetch_add(&shared->changes[change], n, __ATOMIC_RELAXED);
}

static __u64 all_of(int call)
{
	__u64 sum = 0;
	int i;

	for (i = 0; i < NR_RESULTS; i++)
		sum += shared->results[call][i];
	return sum;
}

__u64 calls_done(void)
{
	__u64 sum = 0;
	int i;

	for (i = 0; i < NR_CALLS; i++)
		sum += all_of(i);
	return sum;
}

unsigned int percent_ok(void)
{
	__u64 ok = 0, all = calls_done();
	int i;

	for (i = 0; i < NR_CALLS; i++)
		ok += shared->results[i][0];
	return all ? ok * 100 / all : 0;
}

const char *call_missed(void)
{
	int i;

	for (i = 0; i < CALL_UNKNOWN; i++)
		if (!shared->results[i][0] && !is_reserved(i))
			return call_name[i];
	return NULL;
}

const char *change_missed(void)
{
	int i;

	for (i = 0; i < NR_CHANGES; i++)
		if (!shared->changes[i])
			return change_name[i];
	return NULL;
}

static void print_call(int call)
{
	__u64 n = all_of(call);
	int error;

	printf("# %-10s %9llu calls, %3llu %% ok:", call_name[call], n,
	       n ? shared->results[call][0] * 100 / n : 0);
	for (error = 1; error < NR_RESULTS; error++)
		if (shared->results[call][error])
			printf(" %s %llu", strerrorname_np(error), shared->results[call][error]);
	printf("\n");
}

void print_cover(void)
{
	int i;

	for (i = 0; i < NR_CALLS; i++)
		print_call(i);
	for (i = 0; i < NR_CHANGES; i++)
		printf("# %-30s %9llu\n", change_name[i], shared->changes[i]);
	printf("# %llu operations, %llu calls, %u %% of them succeeded\n", shared->ops,
	       calls_done(), percent_ok());
	printf("# %llu pauses in which all added up, %llu disturbances from outside\n",
	       shared->pauses, shared->disturbances);
}

/* ---- Failures ---- */

/* The first of each kind is kept; all are shown. */
void fail(enum oracle oracle, const char *format, ...)
{
	char line[200];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (!__atomic_fetch_add(&shared->failed[oracle], 1, __ATOMIC_SEQ_CST))
		memcpy(shared->why[oracle], line, sizeof(line));
	if (shared->failed[oracle] <= 5)
		fprintf(stderr, "# round %u: %s\n", shared->round, line);
}

bool anything_failed(void)
{
	int i;

	for (i = 0; i < NR_ORACLES; i++)
		if (GS_LOAD(shared->failed[i]))
			return true;
	return false;
}
