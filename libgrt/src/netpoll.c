// SPDX-License-Identifier: MIT
/*
 * The poller: one M at most sleeps here, until the next timer is due or somebody breaks the poll.
 *
 * A break is sticky: an event that comes before the sleep ends it at once.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime.h"

#define NETPOLL_EVENTS	128	/* C9 */

static int epfd = -1;
static int breakfd = -1;

void netpolladd(int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events | EPOLLET, .data.fd = fd };

	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
		fatal_setup("epoll_ctl: %m");
}

void netpollinit(void)
{
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0)
		fatal_setup("epoll_create1: %m");
	breakfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (breakfd < 0)
		fatal_setup("eventfd: %m");
	netpolladd(breakfd, EPOLLIN);
}

/*
 * Ends the sleep of the poller, or the next one. Any thread. The event is edge-triggered: each
 * write is one, and the count need not be read.
 */
void netpollbreak(void)
{
	uint64_t one = 1;

	while (write(breakfd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* Somebody must poll: a timer is set, or a goroutine waits for I/O. */
bool netpollwanted(void)
{
	return load_seqcst(&sched.hint->next_when) || load_seqcst(&sched.hint->niowait);
}

/* Sleeps until @until, 0 for no limit, or a break. May return early. */
void netpoll(int64_t until)
{
	static bool no_pwait2;
	struct epoll_event ev[NETPOLL_EVENTS];
	struct timespec ts;
	int64_t ns = -1;

	if (until) {
		ns = until - nanotime();
		if (ns <= 0)
			return;
		ts.tv_sec = ns / 1000000000;
		ts.tv_nsec = ns % 1000000000;
	}
	if (!load_relaxed(&no_pwait2)) {
		if (syscall(SYS_epoll_pwait2, epfd, ev, NETPOLL_EVENTS, until ? &ts : NULL, NULL,
			    0) >= 0 || errno == EINTR)
			return;
		store_relaxed(&no_pwait2, true);	/* refused: a sandbox or an emulator */
	}
	/* A timer may be late, never early: round up. */
	if (ns > 0)
		ns = ns < 1000000000000000LL ? (ns + 999999) / 1000000 : 1000000000;
	epoll_wait(epfd, ev, NETPOLL_EVENTS, ns);
}
