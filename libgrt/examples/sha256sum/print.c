// SPDX-License-Identifier: MIT
/*
 * The printer: one goroutine takes the items in order, waits for the digest of each and says what
 * there is to say. It alone writes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sha256sum.h"

/* What has been seen of the list being checked. */
struct tally {
	uintmax_t	well_formed;
	uintmax_t	malformed;
	uintmax_t	unreadable;
	uintmax_t	matching;
	uintmax_t	differing;
};

static struct tally tally;

/* A name that would break the line is escaped, and a backslash before the line says so. */
static bool needs_escape(const char *name)
{
	return !opt.zero && strpbrk(name, "\\\n\r");
}

static void print_name(const char *name, bool escape)
{
	for (; *name; name++) {
		if (escape && *name == '\n')
			fputs("\\n", stdout);
		else if (escape && *name == '\r')
			fputs("\\r", stdout);
		else if (escape && *name == '\\')
			fputs("\\\\", stdout);
		else
			putchar(*name);
	}
}

static void print_hex(const uint8_t *bytes)
{
	for (int i = 0; i < DIGEST_SIZE; i++)
		printf("%02x", bytes[i]);
}

static void print_sum(const char *name, const uint8_t *bytes)
{
	bool escape = needs_escape(name);

	if (escape)
		putchar('\\');
	if (opt.tag) {
		fputs("SHA256 (", stdout);
		print_name(name, escape);
		fputs(") = ", stdout);
		print_hex(bytes);
	} else {
		print_hex(bytes);
		fputs(opt.binary ? " *" : "  ", stdout);
		print_name(name, escape);
	}
	putchar(opt.zero ? '\0' : '\n');
}

/* Here only a newline would break the line. */
static void print_verdict(const char *name, const char *verdict)
{
	bool escape = strchr(name, '\n');

	if (opt.status)
		return;
	if (escape)
		putchar('\\');
	print_name(name, escape);
	printf(": %s\n", verdict);
}

static struct digest wait_digest(struct item *it)
{
	struct digest d;

	if (is_stdin(it->name))
		digest_file(it->name, &d);
	else
		grt_chan_recv(&it->answer, &d);
	return d;
}

static bool print_summed(struct item *it)
{
	struct digest d = wait_digest(it);

	if (d.err) {
		complain_errno(d.err, it->name);
		return false;
	}
	print_sum(it->name, d.bytes);
	return true;
}

static void print_checked(struct item *it)
{
	struct digest d = wait_digest(it);

	tally.well_formed++;
	if (opt.ignore_missing && d.err == ENOENT)
		return;
	if (d.err) {
		complain_errno(d.err, it->name);
		tally.unreadable++;
		print_verdict(it->name, "FAILED open or read");
	} else if (memcmp(d.bytes, it->expected, DIGEST_SIZE)) {
		tally.differing++;
		print_verdict(it->name, "FAILED");
	} else {
		tally.matching++;
		if (!opt.quiet)
			print_verdict(it->name, "OK");
	}
}

static const char *list_name(const char *list)
{
	return is_stdin(list) ? quoted("standard input") : quoted(list);
}

static void warn_about(uintmax_t n, const char *one, const char *many)
{
	if (n)
		complain("WARNING: %ju %s", n, n == 1 ? one : many);
}

/* Sums the list up; false when it did not check out. */
static bool print_list_end(const char *list)
{
	if (!tally.well_formed) {
		complain("%s: no properly formatted checksum lines found", list_name(list));
		return false;
	}
	if (!opt.status) {
		warn_about(tally.malformed, "line is improperly formatted",
			   "lines are improperly formatted");
		warn_about(tally.unreadable, "listed file could not be read",
			   "listed files could not be read");
		warn_about(tally.differing, "computed checksum did NOT match",
			   "computed checksums did NOT match");
		if (opt.ignore_missing && !tally.matching)
			complain("%s: no file was verified", list_name(list));
	}
	return tally.matching && !tally.differing && !tally.unreadable &&
	       !(opt.strict && tally.malformed);
}

static void print_malformed(const struct item *it)
{
	tally.malformed++;
	if (opt.warn)
		complain("%s: %ju: improperly formatted SHA256 checksum line",
			 list_name(it->name), it->line);
}

static bool print_kind(struct item *it)
{
	switch (it->kind) {
	case ITEM_SUM:
		return print_summed(it);
	case ITEM_CHECK:
		print_checked(it);
		return true;
	case ITEM_MALFORMED:
		print_malformed(it);
		return true;
	case ITEM_FAILED:
		complain_errno(it->err, it->name);
		return false;
	case ITEM_UNREADABLE:
		complain("%s: read error", list_name(it->name));
		tally = (struct tally){ 0 };
		return false;
	case ITEM_LIST_END: {
		bool ok = print_list_end(it->name);

		tally = (struct tally){ 0 };
		return ok;
	}
	case ITEM_TURN:
		grt_chan_send(&it->answer, NULL);
		return true;
	}
	abort();
}

/**
 * print_item() - do what an item asks for, and free it
 * @it: the next item
 *
 * Return: false when it makes the exit status 1.
 */
bool print_item(struct item *it)
{
	bool ok = print_kind(it);

	free(it->name);
	free(it);
	return ok;
}
