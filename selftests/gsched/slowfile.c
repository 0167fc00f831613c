// SPDX-License-Identifier: GPL-2.0
#include "slowfile.h"
#include "gsched_util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_SIZE	4096
#define REQUEST_SIZE	(FUSE_MIN_READ_BUFFER + 4096)
#define ATTR_VALID_S	10000

struct server {
	int	fuse;
	int	asked;
	int	let;
};

static int reply(struct server *s, uint64_t unique, int error, const void *body, size_t size)
{
	struct fuse_out_header head = {
		.len = sizeof(head) + size, .error = error, .unique = unique,
	};
	struct iovec iov[] = { { &head, sizeof(head) }, { (void *)body, size } };

	return writev(s->fuse, iov, size ? 2 : 1) < 0 ? -errno : 0;
}

static int reply_init(struct server *s, uint64_t unique)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
		/* Without readahead a fault would sleep with the mmap_lock of the test held. */
		.max_readahead = 65536, .flags = FUSE_ASYNC_READ,
	};

	return reply(s, unique, 0, &out, sizeof(out));
}

static int reply_attr(struct server *s, uint64_t unique)
{
	struct fuse_attr_out out = {
		.attr_valid = ATTR_VALID_S,
		.attr = {
			.ino = FUSE_ROOT_ID, .size = FILE_SIZE, .mode = S_IFREG | 0400,
			.nlink = 1, .blksize = FILE_SIZE,
		},
	};

	return reply(s, unique, 0, &out, sizeof(out));
}

static int reply_open(struct server *s, uint64_t unique)
{
	struct fuse_open_out out = { 0 };

	return reply(s, unique, 0, &out, sizeof(out));
}

/* Says that it was asked, and answers when it is let. */
static int reply_read(struct server *s, uint64_t unique)
{
	char page[FILE_SIZE], byte;

	if (write(s->asked, "", 1) != 1 || read(s->let, &byte, 1) != 1)
		return -EPIPE;
	memset(page, SLOWFILE_BYTE, sizeof(page));
	return reply(s, unique, 0, page, sizeof(page));
}

static int serve_one(struct server *s)
{
	union { struct fuse_in_header head; char room[REQUEST_SIZE]; } in;

	if (read(s->fuse, &in, sizeof(in)) < 0)
		return errno == EINTR ? 0 : -errno;
	switch (in.head.opcode) {
	case FUSE_INIT:
		return reply_init(s, in.head.unique);
	case FUSE_GETATTR:
		return reply_attr(s, in.head.unique);
	case FUSE_OPEN:
		return reply_open(s, in.head.unique);
	case FUSE_READ:
		return reply_read(s, in.head.unique);
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		return reply(s, in.head.unique, 0, NULL, 0);
	case FUSE_FORGET:
	case FUSE_INTERRUPT:
		return 0;
	default:
		return reply(s, in.head.unique, -ENOSYS, NULL, 0);
	}
}

/*
 * Mounts on @path, which is a file as its root is, says so, and serves until it fails or is killed.
 */
static void serve(const char *path, int asked, int let)
{
	struct server s = { .asked = asked, .let = let };
	char options[128];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	s.fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=100400,user_id=0,group_id=0", s.fuse);
	if (s.fuse < 0 || mount("slowfile", path, "fuse", MS_NOSUID | MS_NODEV, options))
		_exit(errno);
	if (write(asked, "", 1) != 1)
		_exit(EPIPE);
	while (!serve_one(&s))
		;
	_exit(0);
}

/*
 * Maps the page; what asks for its size asks the server, so the mapping is no shorter than the
 * file.
 */
static int map_page(struct slowfile *file, const char *path)
{
	struct stat st;

	file->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0 || fstat(file->fd, &st))
		return -errno;
	if (st.st_size != FILE_SIZE)
		return -EIO;
	file->page = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, file->fd, 0);
	return file->page == MAP_FAILED ? -errno : 0;
}

int slowfile_open(struct slowfile *file)
{
	char path[] = "/tmp/slowfile.XXXXXX";
	int asked[2], let[2], at, ret;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    pipe2(asked, O_CLOEXEC) || pipe2(let, O_CLOEXEC))
		return -errno;
	at = mkstemp(path);
	if (at < 0)
		return -errno;
	close(at);
	file->server = fork();
	if (file->server < 0)
		return -errno;
	if (!file->server) {
		close(asked[0]);
		close(let[1]);
		serve(path, asked[1], let[0]);
	}
	close(asked[1]);
	close(let[0]);
	file->asked = asked[0];
	file->let = let[1];
	ret = slowfile_wait(file);
	if (!ret)
		ret = map_page(file, path);
	/* The mount holds what it covers; the name goes in the outer namespace, too. */
	umount2(path, MNT_DETACH);
	unlink(path);
	return ret;
}

int slowfile_wait(struct slowfile *file)
{
	struct pollfd pfd = { .fd = file->asked, .events = POLLIN };
	char byte;

	if (poll(&pfd, 1, GS_PATIENCE_NS / GS_MS) != 1)
		return -ETIMEDOUT;
	return read(file->asked, &byte, 1) == 1 ? 0 : -EPIPE;
}

int slowfile_let(struct slowfile *file)
{
	return write(file->let, "", 1) == 1 ? 0 : -errno;
}

void slowfile_close(struct slowfile *file)
{
	kill(file->server, SIGKILL);
	waitpid(file->server, NULL, 0);
}
