// SPDX-License-Identifier: MIT
/*
 * What the user is told on standard error, in the words and the quoting of coreutils.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "sha256sum.h"

/* What goes to standard output comes first, so that both read right in one file. */
void complain(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs(PROGRAM ": ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void complain_errno(int err, const char *name)
{
	complain("%s: %s", quoted(name), strerror(err));
}

void *must(void *p)
{
	if (!p) {
		complain("memory exhausted");
		exit(EXIT_FAILURE);
	}
	return p;
}

bool is_stdin(const char *name)
{
	return !strcmp(name, "-");
}

/*
 * A name is shown so that a shell would read it back: as it is where that works, in '', or with
 * $'\n' for what cannot be printed; in "" where an apostrophe is the only trouble.
 */
enum char_class {
	PLAIN,		/* no trouble anywhere */
	BLANK,		/* needs quotes, of either sort */
	APOSTROPHE,
	SPECIAL,	/* needs '' */
	UNPRINTABLE,	/* needs $'' */
};

/* Classes the character at @s, of which @left bytes remain; *@len: its bytes. */
static enum char_class classify(const char *s, size_t left, bool first, bool alone, size_t *len)
{
	mbstate_t state = { 0 };
	wchar_t wc;
	size_t n = mbrtowc(&wc, s, left, &state);

	*len = n == (size_t)-1 || n == (size_t)-2 ? 1 : n;
	if (*len != n || !iswprint(wc))
		return UNPRINTABLE;
	if (*s == '\'')
		return APOSTROPHE;
	if (strchr(" :", *s) || (first && strchr("#~", *s)))
		return BLANK;
	if (strchr("!\"$&()*;<=>?[\\^`|", *s) || (alone && strchr("{}", *s)))
		return SPECIAL;
	return PLAIN;
}

static void escape(FILE *out, const char *s, size_t len)
{
	static const char from[] = "\a\b\f\n\r\t\v", to[] = "abfnrtv";

	for (size_t i = 0; i < len; i++) {
		const char *known = memchr(from, s[i], sizeof(from) - 1);

		if (known)
			fprintf(out, "\\%c", to[known - from]);
		else
			fprintf(out, "\\%03o", (unsigned char)s[i]);
	}
}

static void quote_single(FILE *out, const char *name, size_t size)
{
	bool escaping = false;
	size_t len;

	fputc('\'', out);
	for (size_t i = 0; i < size; i += len) {
		enum char_class class = classify(name + i, size - i, !i, size == 1, &len);

		if (class == UNPRINTABLE) {
			fputs(escaping ? "" : "'$'", out);
			escape(out, name + i, len);
			escaping = true;
			continue;
		}
		fputs(escaping ? "''" : "", out);
		escaping = false;
		if (class == APOSTROPHE)
			fputs("'\\''", out);
		else
			fwrite(name + i, len, 1, out);
	}
	fputc('\'', out);
}

/* Returns static memory: only the printer's goroutine and main complain. */
const char *quoted(const char *name)
{
	static char *text;
	bool seen[UNPRINTABLE + 1] = { false };
	size_t size = strlen(name), len, text_size;
	FILE *out;

	for (size_t i = 0; i < size; i += len)
		seen[classify(name + i, size - i, !i, size == 1, &len)] = true;
	if (size && !seen[BLANK] && !seen[APOSTROPHE] && !seen[SPECIAL] && !seen[UNPRINTABLE])
		return name;

	free(text);
	out = must(open_memstream(&text, &text_size));
	if (seen[APOSTROPHE] && !seen[SPECIAL] && !seen[UNPRINTABLE])
		fprintf(out, "\"%s\"", name);
	else
		quote_single(out, name, size);
	fclose(out);
	return must(text);
}
