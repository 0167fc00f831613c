// SPDX-License-Identifier: MIT
/*
 * Finds out that nothing will ever happen again (Go's checkdead, C15).
 *
 * A goroutine is made ready by another one, by a timer, by I/O, or by a thread that is none of the
 * runtime's. So all is lost when every M has stopped, no goroutine is queued, nobody waits for a
 * timer or for I/O, and there is no other thread in the process.
 *
 * sched.nmstopped counts the Ms that sleep because there is nothing for them to do. It is raised
 * before an M goes to sleep in stopm(), stoplockedm(), runwaiting() and startlockedm(), and lowered
 * by the M when it is back; that of a locked M by whoever starts it. An M in a system call, in a
 * page fault, in the poller or at the border is not counted, nor is one that waits for a P with a
 * goroutine half-way: on gsched the kernel says by PARK's return which of the two an M is.
 *
 * Whoever raises that count to the number of Ms, or lowers that number to the count (mput_free(),
 * m0end()), asks the template thread to look. The counts alone are no proof: an M may be on its way
 * back, or may look at the queues once more before it sleeps. If so it stops again later, and asks
 * again. Nothing is looked at while an M has anything to do, and nothing at any other time.
 *
 * A thread that is not the runtime's may call in at any time, so while there is one nothing is ever
 * said. It costs a look at /proc; to spare that to programs where such threads call in often, the
 * first that makes a goroutine ready turns the check off for good (Go does so for any program with
 * C code).
 */
#include <sys/stat.h>

#include "backend.h"
#include "traceback.h"

#define LOOK_MS		10	/* a thread that has just ended may still be seen: look again */
#define LOOKS		100	/* and then no more */

static bool allstopped(void)
{
	int32_t ms = load_seqcst(&sched.mcount) + load_seqcst(&sched.nm0);

	return load_seqcst(&sched.nmstopped) == ms;
}

void mstops(int32_t n)
{
	xadd(&sched.nmstopped, n);
	if (n > 0)
		suspectdead();
}

void suspectdead(void)
{
	if (allstopped() && !load_relaxed(&sched.foreign) && !netpollwanted() &&
	    !load_relaxed(&sched.exiting))
		sched.backend->lookdead();
}

/* There is no reason why it should not come again. */
void foreigncall(void)
{
	if (!load_relaxed(&sched.foreign))
		store_relaxed(&sched.foreign, true);
}

/* Nobody runs, and but for threads that are not ours nobody could make a goroutine runnable. */
static bool nothing(void)
{
	bool stopped;

	lock(&sched.lock);
	stopped = allstopped();
	unlock(&sched.lock);
	if (!stopped || load_relaxed(&sched.status->nwaiting))
		return false;
	return !anywork() && !netpollwanted() && !load_relaxed(&sched.foreign) &&
	       !load_seqcst(&sched.exiting) && !dying();
}

/* Grows when an M runs a goroutine that it found in a queue: the others have been stopped since. */
static uint64_t ticks(void)
{
	uint64_t n = 0;
	int32_t i;

	for (i = 0; i < load_acquire(&sched.gomaxprocs); i++)
		n += load_seqcst(&sched.allp[i]->hint->schedtick);
	return n;
}

/*
 * True if there is a thread in the process that is not the runtime's, or nobody knows. So it is
 * with ThreadSanitizer, which has threads of its own, now one and now two.
 */
static bool foreignthreads(void)
{
	struct stat st;
	int64_t ours;

	if (stat("/proc/self/task", &st))
		return true;
	/* One for the thread of grt_run(), m0 or not. */
	ours = load_seqcst(&sched.mcount) + load_relaxed(&sched.nsysthreads) + 1;
	/* A folder has two links, and one for each folder in it. */
	return (int64_t)st.st_nlink - 2 != ours;
}

static void __noreturn __cold dead(void)
{
	struct text t = { .len = 0 };
	struct g *gp;
	int main;

	diebegin();
	textstr(&t, "fatal error: ");
	if (!grt_num_goroutines()) {
		textstr(&t, "no goroutines (main called runtime.Goexit) - deadlock!\n");
		dieend(&t);
	}
	textstr(&t, "all goroutines are asleep - deadlock!\n");
	for (main = 1; main >= 0; main--) {
		for (gp = load_acquire(&sched.allgs); gp; gp = gp->alllink) {
			if (load_relaxed(&gp->status) != Gwaiting || (gp->goid == 1) != main)
				continue;
			textstr(&t, "\n");
			textgoroutine(&t, gp);
			textcreated(&t, gp);
		}
	}
	dieend(&t);
}

/*
 * Ends the process if nothing will ever happen again. Called by the template thread when it was
 * asked to, and whenever it is awake anyway. Return: in how many milliseconds it is to be called
 * again; -1: when it is asked to.
 */
int checkdead(void)
{
	static int looks;
	uint64_t n = ticks();

	if (!nothing()) {
		looks = 0;
		return -1;
	}
	if (!foreignthreads() && nothing() && ticks() == n)
		dead();
	if (looks == LOOKS)
		return -1;
	looks++;
	return LOOK_MS;
}
