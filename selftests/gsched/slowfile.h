/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file whose page comes when the test says so: a FUSE file system of one file, served by a child
 * of the test that holds each READ back. A fault in a mapping of it sleeps as one on a slow disk
 * does, in the page cache of a real file system.
 *
 * It is a process of its own so that its end, whoever brings it about, always lets the sleeper go.
 */
#ifndef SLOWFILE_H
#define SLOWFILE_H

#include <sys/types.h>

#define SLOWFILE_BYTE	'g'	/* what it is full of */

struct slowfile {
	pid_t	server;
	int	asked;		/* readable: a READ is held back */
	int	let;
	int	fd;
	char	*page;		/* one page, not there yet */
};

/* Before the test has threads: it gets a mount namespace of its own. 0, or -errno. */
int slowfile_open(struct slowfile *file);
/* Waits until somebody sleeps for the page. 0, or -errno. */
int slowfile_wait(struct slowfile *file);
/* Lets the page come */
int slowfile_let(struct slowfile *file);
void slowfile_close(struct slowfile *file);

#endif /* SLOWFILE_H */
