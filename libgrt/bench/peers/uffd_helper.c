// SPDX-License-Identifier: MIT
/*
 * uffd_helper MS PARENT: serves the page faults of the userfaultfd that is its descriptor 3, each
 * MS milliseconds after it saw it, with a page full of ones. Ends with its parent, whose process
 * id PARENT is: that may be gone before it can be watched.
 *
 * It looks for faults every millisecond rather than waiting for them, so that a fault wakes nobody
 * here and what is measured is the thread that faults and its runtime alone. Woken, it would fight
 * with that thread for the lock of the userfaultfd just when that goes to sleep; on emulated CPUs
 * this lasts for milliseconds.
 */
#include "../stall.h"
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

static char page[65536] __attribute__((aligned(65536)));

static void serve(const struct uffd_msg *msg, size_t page_size, int ms)
{
	struct timespec delay = ms_to_timespec(ms);
	struct uffdio_copy copy = {
		.dst = msg->arg.pagefault.address & ~(page_size - 1),
		.src = (uintptr_t)page,
		.len = page_size,
	};

	nanosleep(&delay, NULL);
	if (ioctl(STALL_UFFD, UFFDIO_COPY, &copy))
		die("UFFDIO_COPY");
}

/* The next fault; waits until there is one. */
static void next(struct uffd_msg *msg)
{
	const struct timespec pause = ms_to_timespec(1);

	while (read(STALL_UFFD, msg, sizeof(*msg)) != sizeof(*msg)) {
		if (errno != EAGAIN)
			die("read of a userfaultfd");
		nanosleep(&pause, NULL);
	}
}

int main(int argc, char **argv)
{
	size_t page_size = sysconf(_SC_PAGESIZE);
	struct uffd_msg msg;
	int ms;

	if (argc != 3 || page_size > sizeof(page)) {
		fprintf(stderr, "usage: uffd_helper MS PARENT\n");
		return 2;
	}
	ms = arg_number(argv[1]);
	memset(page, 1, sizeof(page));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != arg_number(argv[2]))
		return 0;

	if (fcntl(STALL_UFFD, F_SETFL, O_NONBLOCK))
		die("fcntl");
	for (;;) {
		next(&msg);
		if (msg.event == UFFD_EVENT_PAGEFAULT)
			serve(&msg, page_size, ms);
	}
}
