// SPDX-License-Identifier: MIT
/*
 * The digest of one file, by plain blocking calls. Nothing here knows of goroutines: when the
 * thread sleeps in open(), in read() or in a page fault, its P goes on with others.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "sha256sum.h"

#define CHUNK	(64 * 1024)	/* a read: large enough that the system calls do not count */

static EVP_MD *sha256;

void digest_init(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256) {
		complain("libcrypto has no SHA256");
		exit(EXIT_FAILURE);
	}
}

static int digest_read(int fd, EVP_MD_CTX *ctx)
{
	char *buf = must(malloc(CHUNK));
	ssize_t n;
	int err = 0;

	while ((n = read(fd, buf, CHUNK)) != 0) {
		if (n > 0) {
			EVP_DigestUpdate(ctx, buf, n);
		} else if (errno != EINTR) {
			err = errno;
			break;
		}
	}
	free(buf);
	return err;
}

/*
 * Through page faults. A file cut short meanwhile is SIGBUS, as for everything that maps files.
 * What cannot be mapped, or says nothing of its size (pipes, /proc), is read.
 */
static int digest_mmap(int fd, EVP_MD_CTX *ctx)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st))
		return errno;
	if (!S_ISREG(st.st_mode) || !st.st_size)
		return digest_read(fd, ctx);
	map = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return digest_read(fd, ctx);
	EVP_DigestUpdate(ctx, map, st.st_size);
	munmap(map, st.st_size);
	return 0;
}

static int digest_fd(int fd, bool map, uint8_t *bytes)
{
	EVP_MD_CTX *ctx = must(EVP_MD_CTX_new());
	int err;

	EVP_DigestInit_ex2(ctx, sha256, NULL);
	err = map ? digest_mmap(fd, ctx) : digest_read(fd, ctx);
	if (!err)
		EVP_DigestFinal_ex(ctx, bytes, NULL);
	EVP_MD_CTX_free(ctx);
	return err;
}

void digest_file(const char *name, struct digest *d)
{
	int fd;

	/* Standard input is read from where it stands, which a mapping does not know. */
	if (is_stdin(name)) {
		d->err = digest_fd(STDIN_FILENO, false, d->bytes);
		return;
	}
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		d->err = errno;
		return;
	}
	d->err = digest_fd(fd, opt.mmap, d->bytes);
	close(fd);
}
