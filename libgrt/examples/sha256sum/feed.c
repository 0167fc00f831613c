// SPDX-License-Identifier: MIT
/*
 * The feeder: turns the operands into items, in the order in which they are to be printed, and
 * starts a goroutine for each digest. It runs ahead of the printer by what the channel order holds,
 * which is what bounds the number of files in flight.
 */
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sha256sum.h"

static struct item *new_item(enum item_kind kind, const char *name)
{
	struct item *it = must(calloc(1, sizeof(*it)));

	it->kind = kind;
	it->name = must(strdup(name));
	return it;
}

static void put(grt_chan *order, struct item *it)
{
	grt_chan_send(order, &it);
}

/* The goroutine of one file. */
static void digest_item(void *arg)
{
	struct item *it = arg;
	struct digest d;

	digest_file(it->name, &d);
	grt_chan_send(&it->answer, &d);
}

/* Standard input is left to the printer: it is read when its turn comes, and by one at a time. */
static void put_with_digest(grt_chan *order, struct item *it)
{
	grt_chan_init(&it->answer, sizeof(struct digest), 1, &it->buf);
	if (!is_stdin(it->name))
		grt_go(digest_item, it);
	put(order, it);
}

static void put_failed(grt_chan *order, const char *name, int err)
{
	struct item *it = new_item(ITEM_FAILED, name);

	it->err = err;
	put(order, it);
}

/* An entry of a folder: a regular file, or what went wrong. */
struct entry {
	char	*name;
	int	err;
};

struct entries {
	struct entry	*v;
	size_t		n;
	size_t		room;
};

static void entries_add(struct entries *e, const char *name, int err)
{
	if (e->n == e->room) {
		e->room = e->room ? 2 * e->room : 256;
		e->v = must(reallocarray(e->v, e->room, sizeof(*e->v)));
	}
	e->v[e->n++] = (struct entry){ .name = must(strdup(name)), .err = err };
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void list_folder(FTS *fts, struct entries *e)
{
	FTSENT *f;

	while ((f = fts_read(fts))) {
		switch (f->fts_info) {
		case FTS_F:
			entries_add(e, f->fts_path, 0);
			break;
		case FTS_DNR:
		case FTS_ERR:
		case FTS_NS:
			entries_add(e, f->fts_path, f->fts_errno);
			break;
		}
	}
}

/* All regular files below a folder, by their whole names: LC_ALL=C find FOLDER -type f | sort. */
static void feed_folder(grt_chan *order, FTS *fts)
{
	struct entries e = { 0 };

	list_folder(fts, &e);
	if (e.n)
		qsort(e.v, e.n, sizeof(*e.v), by_name);
	for (size_t i = 0; i < e.n; i++) {
		if (e.v[i].err)
			put_failed(order, e.v[i].name, e.v[i].err);
		else
			put_with_digest(order, new_item(ITEM_SUM, e.v[i].name));
		free(e.v[i].name);
	}
	free(e.v);
}

static void feed_name(grt_chan *order, char *name)
{
	char *const paths[] = { name, NULL };
	FTS *fts = NULL;
	FTSENT *f = NULL;

	if (!is_stdin(name) && *name) {
		fts = must(fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL));
		f = fts_read(fts);
	}
	if (f && f->fts_info == FTS_D)
		feed_folder(order, fts);
	else if (f && f->fts_info == FTS_DNR)
		put_failed(order, name, f->fts_errno);
	else
		put_with_digest(order, new_item(ITEM_SUM, name));
	if (fts)
		fts_close(fts);
}

/* Waits until the printer has done everything up to here, so that it does not read what we read. */
static void wait_turn(grt_chan *order)
{
	struct item *it = new_item(ITEM_TURN, "-");

	grt_chan_init(&it->answer, 0, 0, NULL);
	put(order, it);
	grt_chan_recv(&it->answer, NULL);
}

static size_t chomp(char *line, size_t len)
{
	if (len && line[len - 1] == '\n')
		len--;
	if (len && line[len - 1] == '\r')
		len--;
	line[len] = '\0';
	return len;
}

static void feed_line(grt_chan *order, const char *list, uintmax_t nr, char *line, size_t len)
{
	struct sum_line sum;
	struct item *it;

	/* A list on standard input cannot name standard input. */
	if (!parse_line(line, len, &sum) || (is_stdin(list) && is_stdin(sum.name))) {
		it = new_item(ITEM_MALFORMED, list);
		it->line = nr;
		put(order, it);
		return;
	}
	it = new_item(ITEM_CHECK, sum.name);
	memcpy(it->expected, sum.digest, DIGEST_SIZE);
	put_with_digest(order, it);
}

static void feed_lines(grt_chan *order, const char *list, FILE *f)
{
	uintmax_t nr = 0;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	while ((len = getline(&line, &room, f)) > 0) {
		nr++;
		if (line[0] == '#')
			continue;
		len = chomp(line, len);
		if (len)
			feed_line(order, list, nr, line, len);
	}
	free(line);
	put(order, new_item(ferror(f) ? ITEM_UNREADABLE : ITEM_LIST_END, list));
}

static void feed_list(grt_chan *order, const char *list)
{
	FILE *f;

	if (is_stdin(list)) {
		wait_turn(order);
		feed_lines(order, list, stdin);
		clearerr(stdin);
		return;
	}
	f = fopen(list, "re");
	if (!f) {
		put_failed(order, list, errno);
		return;
	}
	feed_lines(order, list, f);
	fclose(f);
}

/**
 * feed() - put everything that is to be printed into a channel, then close it
 * @order: channel of struct item *, which its receiver frees
 * @names: the operands, NULL at the end
 */
void feed(grt_chan *order, char *const names[])
{
	for (; *names; names++) {
		if (opt.check)
			feed_list(order, *names);
		else
			feed_name(order, *names);
	}
	grt_chan_close(order);
}
