// SPDX-License-Identifier: MIT
/*
 * The lines of a checksum list. Three forms are known, as to coreutils:
 *
 *	DIGEST  NAME		or DIGEST *NAME: a blank, a character for the mode, the name
 *	SHA256 (NAME) = DIGEST	--tag
 *	DIGEST NAME		one blank: old BSD
 *
 * The first and the third cannot be told apart when a name begins with a blank or an asterisk, so
 * the first line of either form decides for the whole run which of the two is meant.
 *
 * A backslash before the digest, or before SHA256, says that the name is escaped.
 */
#include <ctype.h>
#include <string.h>

#include "sha256sum.h"

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 'a' - 'A';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads HEX_DIGITS digits; the caller looks at what follows them. */
static bool parse_hex(const char *s, uint8_t *bytes)
{
	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		int high = hex_value(s[2 * i]);
		int low = high < 0 ? -1 : hex_value(s[2 * i + 1]);

		if (low < 0)
			return false;
		bytes[i] = high << 4 | low;
	}
	return true;
}

/* Undoes the escaping of @s, of @len bytes, in place. */
static bool unescape(char *s, size_t len)
{
	static const char from[] = "\\nr", to[] = "\\\n\r";
	char *out = s;

	for (size_t i = 0; i < len; i++) {
		if (!s[i])
			return false;
		if (s[i] == '\\') {
			const char *known = ++i < len ? memchr(from, s[i], 3) : NULL;

			if (!known)
				return false;
			*out++ = to[known - from];
		} else {
			*out++ = s[i];
		}
	}
	*out = '\0';
	return true;
}

/* "NAME) = DIGEST". The name ends at the last parenthesis. */
static bool parse_tagged(char *s, size_t len, bool escaped, struct sum_line *sum)
{
	char *end = memrchr(s, ')', len);

	if (!end)
		return false;
	*end = '\0';
	sum->name = s;
	if (escaped && !unescape(s, end - s))
		return false;
	for (s = end + 1; blank(*s); s++)
		;
	if (*s++ != '=')
		return false;
	while (blank(*s))
		s++;
	return parse_hex(s, sum->digest) && !s[HEX_DIGITS];
}

/* "DIGEST  NAME", "DIGEST *NAME" or "DIGEST NAME". */
static bool parse_plain(char *s, size_t len, bool escaped, struct sum_line *sum)
{
	static enum { UNDECIDED, TWO_CHARS, ONE_BLANK } form;

	if (len < HEX_DIGITS + 2 || (*s == '\\' && len < HEX_DIGITS + 3))
		return false;
	if (!parse_hex(s, sum->digest) || !blank(s[HEX_DIGITS]))
		return false;
	s += HEX_DIGITS + 1;
	len -= HEX_DIGITS + 1;
	if (len == 1 || (*s != ' ' && *s != '*')) {
		if (form == TWO_CHARS)
			return false;
		form = ONE_BLANK;
	} else if (form != ONE_BLANK) {
		form = TWO_CHARS;
		s++;
		len--;
	}
	sum->name = s;
	return !escaped || unescape(s, len);
}

/**
 * parse_line() - read a line of a checksum list
 * @line: the line, without its end, with a NUL after it; changed
 * @len: its length
 * @sum: out, what it says
 *
 * Return: false when it is no checksum line.
 */
bool parse_line(char *line, size_t len, struct sum_line *sum)
{
	static const char tag[] = "SHA256";
	char *s = line, *end = line + len;
	bool escaped = false;

	while (blank(*s))
		s++;
	if (*s == '\\') {
		escaped = true;
		s++;
	}
	if (strncmp(s, tag, sizeof(tag) - 1))
		return parse_plain(s, end - s, escaped, sum);
	s += sizeof(tag) - 1;
	if (*s == ' ')
		s++;
	if (*s++ != '(')
		return false;
	return parse_tagged(s, end - s, escaped, sum);
}
