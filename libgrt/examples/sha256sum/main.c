// SPDX-License-Identifier: MIT
/*
 * grt-sha256sum - sha256sum, of many files at once, and of folders
 *
 * Shows how plain blocking code becomes parallel: every file has a goroutine that opens, reads and
 * digests it as any program would, and sends the digest over a channel. On the gsched backend the
 * kernel gives the P of a thread that sleeps in such a call to another, so that the files overlap;
 * on the futex backend a blocked thread keeps its P.
 *
 *	feeder --- order: items, in the order of the operands ---> printer
 *	   \                                                      /
 *	    `--> a goroutine a file --- its item's own channel --'
 *
 * Options, output, messages and exit status are those of coreutils' sha256sum, and besides:
 *
 *	FOLDER	every regular file below it, as: find FOLDER -type f -print0 | LC_ALL=C sort -z |
 *		xargs -0 sha256sum
 *	--mmap	read through page faults
 *	-j N	run on N Ps
 */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sha256sum.h"

#define IN_FLIGHT	64	/* files: enough to hide a slow one, few beside the limit */

struct options opt;

static const char help[] =
	"Usage: " PROGRAM " [OPTION]... [FILE|FOLDER]...\n"
	"Print or check SHA256 (256-bit) checksums, of many files at once.\n"
	"\n"
	"With no FILE, or when FILE is -, read standard input. Of a FOLDER, take every\n"
	"regular file below it, sorted by name.\n"
	"  -b, --binary          mark the names with an asterisk\n"
	"  -c, --check           read checksums from the FILEs and check them\n"
	"      --tag             print checksums in BSD's form\n"
	"  -t, --text            mark the names with a blank (default)\n"
	"  -z, --zero            end lines with NUL, not newline, and do not escape names\n"
	"  -j, --procs=N         run on N Ps (default: GRT_MAXPROCS, else all CPUs)\n"
	"      --mmap            map the files and read them through page faults\n"
	"\n"
	"With --check only:\n"
	"      --ignore-missing  say nothing about files that do not exist\n"
	"      --quiet           do not print OK for each file\n"
	"      --status          print nothing; the exit status tells\n"
	"      --strict          fail when a line is improperly formatted\n"
	"  -w, --warn            warn about each improperly formatted line\n"
	"\n"
	"      --help            print this\n"
	"      --version         print the version\n";

static void try_help(void)
{
	fprintf(stderr, "Try '" PROGRAM " --help' for more information.\n");
	exit(EXIT_FAILURE);
}

static void refuse(const char *why)
{
	complain("%s", why);
	try_help();
}

static int parse_procs(const char *s)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	if (errno || end == s || *end || n < 1 || n > 1024) {
		complain("invalid number of Ps: '%s': must be 1 to 1024", s);
		exit(EXIT_FAILURE);
	}
	return n;
}

static void refuse_nonsense(bool mode_given)
{
	if (opt.tag && mode_given && !opt.binary)
		refuse("--tag does not support --text mode");
	if (opt.zero && opt.check)
		refuse("the --zero option is not supported when verifying checksums");
	if (opt.tag && opt.check)
		refuse("the --tag option is meaningless when verifying checksums");
	if (mode_given && opt.check)
		refuse("the --binary and --text options are meaningless when verifying checksums");
	if (opt.check)
		return;
	if (opt.ignore_missing)
		refuse("the --ignore-missing option is meaningful only when verifying checksums");
	if (opt.status)
		refuse("the --status option is meaningful only when verifying checksums");
	if (opt.warn)
		refuse("the --warn option is meaningful only when verifying checksums");
	if (opt.quiet)
		refuse("the --quiet option is meaningful only when verifying checksums");
	if (opt.strict)
		refuse("the --strict option is meaningful only when verifying checksums");
}

enum {
	OPT_TAG = 256,
	OPT_MMAP,
	OPT_IGNORE_MISSING,
	OPT_QUIET,
	OPT_STATUS,
	OPT_STRICT,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "binary", no_argument, NULL, 'b' },
	{ "check", no_argument, NULL, 'c' },
	{ "ignore-missing", no_argument, NULL, OPT_IGNORE_MISSING },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "status", no_argument, NULL, OPT_STATUS },
	{ "text", no_argument, NULL, 't' },
	{ "warn", no_argument, NULL, 'w' },
	{ "strict", no_argument, NULL, OPT_STRICT },
	{ "tag", no_argument, NULL, OPT_TAG },
	{ "zero", no_argument, NULL, 'z' },
	{ "procs", required_argument, NULL, 'j' },
	{ "mmap", no_argument, NULL, OPT_MMAP },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

/* The last of --status, --quiet and --warn counts. */
static void set_verbosity(int c)
{
	opt.status = c == OPT_STATUS;
	opt.quiet = c == OPT_QUIET;
	opt.warn = c == 'w';
}

/* Returns the number of Ps asked for; 0: not asked for. */
static int parse_options(int argc, char **argv)
{
	bool mode_given = false;
	int c, procs = 0;

	while ((c = getopt_long(argc, argv, "bctwzj:", long_options, NULL)) >= 0) {
		switch (c) {
		case 'b':
		case 't':
			mode_given = true;
			opt.binary = c == 'b';
			break;
		case 'c':
			opt.check = true;
			break;
		case 'z':
			opt.zero = true;
			break;
		case 'w':
		case OPT_STATUS:
		case OPT_QUIET:
			set_verbosity(c);
			break;
		case OPT_IGNORE_MISSING:
			opt.ignore_missing = true;
			break;
		case OPT_STRICT:
			opt.strict = true;
			break;
		case OPT_TAG:
			opt.tag = true;
			opt.binary = true;
			break;
		case OPT_MMAP:
			opt.mmap = true;
			break;
		case 'j':
			procs = parse_procs(optarg);
			break;
		case OPT_HELP:
			fputs(help, stdout);
			exit(EXIT_SUCCESS);
		case OPT_VERSION:
			puts(PROGRAM " (libgrt) " GRT_VERSION);
			exit(EXIT_SUCCESS);
		default:
			try_help();
		}
	}
	refuse_nonsense(mode_given);
	return procs;
}

struct feeder {
	grt_chan	*order;
	char		*const *names;
};

static void feeder(void *arg)
{
	struct feeder *f = arg;

	feed(f->order, f->names);
}

/* The main goroutine. Returns the exit status. */
static int sum_all(void *names)
{
	grt_chan *order = must(grt_chan_new(sizeof(struct item *), IN_FLIGHT));
	struct feeder f = { .order = order, .names = names };
	struct item *it;
	bool ok = true;

	grt_go(feeder, &f);
	while (grt_chan_recv(order, &it))
		ok &= print_item(it);
	grt_chan_free(order);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Whatever standard output could not take makes the whole fail. */
static int close_stdout(int status)
{
	bool failed = ferror(stdout);

	if (fclose(stdout))
		fprintf(stderr, PROGRAM ": write error: %s\n", strerror(errno));
	else if (failed)
		fprintf(stderr, PROGRAM ": write error\n");
	else
		return status;
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static char *standard_input[] = { "-", NULL };
	struct grt_config config = { .size = sizeof(config) };

	argv[0] = PROGRAM;
	setlocale(LC_ALL, "");
	setvbuf(stdout, NULL, _IOLBF, 0);
	config.maxprocs = parse_options(argc, argv);
	digest_init();
	return close_stdout(grt_run_with(&config, sum_all,
					 optind < argc ? argv + optind : standard_input));
}
