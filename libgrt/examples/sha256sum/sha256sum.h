/* SPDX-License-Identifier: MIT */
/*
 * grt-sha256sum: the parts of the program.
 */
#ifndef SHA256SUM_H
#define SHA256SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <grt.h>

#define DIGEST_SIZE	32	/* bytes of a SHA-256 */
#define HEX_DIGITS	64	/* and as text */

/* What the user asked for. Set once, before the first goroutine starts. */
struct options {
	bool	check;
	bool	ignore_missing;
	bool	quiet;
	bool	status;
	bool	strict;
	bool	warn;
	bool	tag;
	bool	zero;
	bool	binary;
	bool	mmap;
};

extern struct options opt;

/* The digest of a file, or why there is none. */
struct digest {
	int	err;		/* errno, or 0 */
	uint8_t	bytes[DIGEST_SIZE];
};

/* digest.c */
void digest_init(void);
void digest_file(const char *name, struct digest *d);

/*
 * What is to be printed, in this order. The feeder makes items; those that need a digest carry a
 * channel on which a goroutine of their own sends it.
 */
enum item_kind {
	ITEM_SUM,		/* print the digest of name */
	ITEM_CHECK,		/* compare it with expected */
	ITEM_MALFORMED,		/* line number of the list name is no checksum line */
	ITEM_FAILED,		/* name could not be listed: err */
	ITEM_UNREADABLE,	/* the list name could not be read to its end */
	ITEM_LIST_END,		/* the list name is done */
	ITEM_TURN,		/* the feeder wants to read standard input: tell it that it may */
};

struct item {
	enum item_kind	kind;
	char		*name;
	uint8_t		expected[DIGEST_SIZE];
	uintmax_t	line;
	int		err;
	grt_chan	answer;		/* of struct digest, or of nothing for ITEM_TURN */
	struct digest	buf;		/* the buffer of answer */
};

/* feed.c */
void feed(grt_chan *order, char *const names[]);

/* print.c */
bool print_item(struct item *it);

/* parse.c */
struct sum_line {
	char	*name;			/* in the line that was parsed */
	uint8_t	digest[DIGEST_SIZE];
};

bool parse_line(char *line, size_t len, struct sum_line *sum);

/* message.c */
#define PROGRAM "grt-sha256sum"

void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void complain_errno(int err, const char *name);
const char *quoted(const char *name);

/* All or nothing: a demo has no use for going on without memory. */
void *must(void *p);

/* In these lists of files "-" is standard input. */
bool is_stdin(const char *name);

#endif /* SHA256SUM_H */
