// SPDX-License-Identifier: MIT
/*
 * gsched-stat - what the gsched domains of this machine do, once or every few seconds
 *
 * Reads the text files that the module has in debugfs. It knows no list of the counters: a newer
 * module's are shown too.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_VALUES	128	/* counters of a domain */
#define MAX_NAME	32
#define MAX_HISTS	16
#define BUCKETS		64

static const char *root = "/sys/kernel/debug/gsched";

static const char usage[] =
	"Usage: gsched-stat [-d] [-p PID] [INTERVAL [COUNT]]\n"
	"\n"
	"Shows what the domains of /dev/gsched do: a line for each, and what happened per second,\n"
	"every INTERVAL seconds, COUNT times or without end. Without INTERVAL once, since the start\n"
	"of each domain: then the columns are totals.\n"
	"\n"
	"  -d, --detail    all counters, and the histograms as percentiles\n"
	"  -p, --pid=PID   only the domains of this process\n"
	"  -h, --help      this text\n"
	"\n"
	"Columns of a line:\n"
	"  domain          process and number of the domain, as its folder in debugfs\n"
	"  P idle          slots, and those of them that nobody holds\n"
	"  M wait pool     threads, those that wait for a slot, and those parked in the pool\n"
	"  block           a thread fell asleep and kept its slot for the time being\n"
	"  back            it woke first and had its slot still\n"
	"  handoff         its slot was given to another thread\n"
	"  border          a thread without a slot was stopped on its way to user mode\n"
	"  park wake       PARK calls that slept, WAKE calls\n"
	"\n"
	"Needs root and debugfs (mount -t debugfs debugfs /sys/kernel/debug).\n";

struct value {
	char		name[MAX_NAME];
	int64_t		n;
};

struct hist {
	char		name[MAX_NAME];
	uint64_t	count, sum_ns, max_ns;
	uint64_t	bucket[BUCKETS];
};

struct domain {
	char		name[MAX_NAME];
	struct value	values[MAX_VALUES];
	unsigned int	nr_values;
	struct hist	hists[MAX_HISTS];
	unsigned int	nr_hists;
};

struct sample {
	double		when;
	struct domain	*domains;
	unsigned int	nr;
};

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list ap;

	fputs("gsched-stat: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* ---- Reading ---- */

static FILE *open_file(const char *domain, const char *file)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s/%s", root, domain, file);
	return fopen(path, "re");
}

/* The domain may end at any moment: then a file is missing, or cannot be read any more. */
static bool read_info(struct domain *d)
{
	FILE *f = open_file(d->name, "info");
	struct value *v;

	if (!f)
		return false;
	for (;;) {
		v = &d->values[d->nr_values];
		if (d->nr_values == MAX_VALUES ||
		    fscanf(f, "%31s %" SCNd64, v->name, &v->n) != 2)
			break;
		d->nr_values++;
	}
	fclose(f);
	return d->nr_values;
}

static struct hist *find_hist(struct domain *d, const char *name, bool make)
{
	unsigned int i;

	for (i = 0; i < d->nr_hists; i++)
		if (!strcmp(d->hists[i].name, name))
			return &d->hists[i];
	if (!make || i == MAX_HISTS)
		return NULL;
	d->nr_hists++;
	snprintf(d->hists[i].name, MAX_NAME, "%s", name);
	return &d->hists[i];
}

static unsigned int log2_of(uint64_t n)
{
	return n > 1 ? 63 - __builtin_clzll(n) : 0;
}

static void read_hist(struct domain *d)
{
	FILE *f = open_file(d->name, "hist");
	char name[MAX_NAME], what[MAX_NAME];
	struct hist *h;
	uint64_t n;

	if (!f)
		return;
	while (fscanf(f, "%31s %31s %" SCNu64, name, what, &n) == 3) {
		h = find_hist(d, name, true);
		if (!h)
			continue;
		if (!strcmp(what, "count"))
			h->count = n;
		else if (!strcmp(what, "sum_ns"))
			h->sum_ns = n;
		else if (!strcmp(what, "max_ns"))
			h->max_ns = n;
		else
			h->bucket[log2_of(strtoull(what, NULL, 10))] = n;
	}
	fclose(f);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int is_domain(const struct dirent *entry)
{
	return entry->d_name[0] >= '0' && entry->d_name[0] <= '9' &&
	       strlen(entry->d_name) < MAX_NAME;
}

static void explain_and_exit(int err)
{
	char parent[256];

	if (err == EACCES || err == EPERM)
		die("%s: %s; this needs root", root, strerror(err));
	snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(root, '/') - root), root);
	if (access("/sys/module/gsched", F_OK))
		die("the module gsched is not loaded");
	die("%s: %s; is debugfs mounted? (mount -t debugfs debugfs %s)", root, strerror(err),
	    parent);
}

/* All domains, or those of @pid. */
static struct sample take_sample(int pid)
{
	struct dirent **names;
	struct sample s = {};
	struct domain *d;
	int i, n;

	n = scandir(root, &names, is_domain, versionsort);
	if (n < 0)
		explain_and_exit(errno);
	s.domains = calloc(n + 1, sizeof(*s.domains));
	if (!s.domains)
		die("out of memory");
	s.when = now();
	for (i = 0; i < n; i++) {
		d = &s.domains[s.nr];
		strcpy(d->name, names[i]->d_name);	/* is_domain(): it fits */
		free(names[i]);
		if (pid && atoi(d->name) != pid)
			continue;
		if (!read_info(d)) {
			memset(d, 0, sizeof(*d));
			continue;
		}
		read_hist(d);
		s.nr++;
	}
	free(names);
	return s;
}

/* ---- What is shown: the difference to the sample before, and how it is now ---- */

static const struct domain no_domain;

static const struct domain *find_domain(const struct sample *s, const char *name)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (!strcmp(s->domains[i].name, name))
			return &s->domains[i];
	return &no_domain;
}

static int64_t get(const struct domain *d, const char *name)
{
	unsigned int i;

	for (i = 0; i < d->nr_values; i++)
		if (!strcmp(d->values[i].name, name))
			return d->values[i].n;
	return 0;
}

/* How things are, or are set, rather than how often something happened */
static bool is_level(const char *name)
{
	static const char * const levels[] = {
		"nr_p", "nr_m", "nidle", "nwaiting", "nparked", "nprivate", "making", "wanted",
		"slice_ns", "grace_ns", "stop_max_ns",
	};
	size_t i;

	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (!strcmp(levels[i], name))
			return true;
	return false;
}

static void print_titles(void)
{
	printf("%-14s %4s %4s %5s %5s %5s %8s %8s %8s %8s %8s %8s\n", "domain", "P", "idle", "M",
	       "wait", "pool", "block", "back", "handoff", "border", "park", "wake");
}

static void print_line(const struct domain *d, const struct domain *old, double seconds)
{
	static const char * const columns[] = {
		"blocks", "takebacks", "handoffs", "borders", "parks", "wakes",
	};
	size_t i;

	printf("%-14s %4" PRId64 " %4" PRId64 " %5" PRId64 " %5" PRId64 " %5" PRId64, d->name,
	       get(d, "nr_p"), get(d, "nidle"), get(d, "nr_m"), get(d, "nwaiting"),
	       get(d, "nparked"));
	for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		printf(" %8.0f", (get(d, columns[i]) - get(old, columns[i])) / seconds);
	printf("\n");
}

/* The upper limit of the bucket in which the @percent-th of a hundred lies. */
static uint64_t percentile(const struct hist *h, unsigned int percent)
{
	uint64_t rank = (h->count * percent + 99) / 100, seen = 0;
	unsigned int i;

	for (i = 0; i < BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= rank)
			break;
	}
	return i < BUCKETS - 1 ? 2ULL << i : h->max_ns;
}

static const char *show_ns(uint64_t ns, char *text, size_t size)
{
	if (ns < 10000)
		snprintf(text, size, "%" PRIu64 "ns", ns);
	else if (ns < 10000000)
		snprintf(text, size, "%" PRIu64 "us", ns / 1000);
	else if (ns < 10000000000ULL)
		snprintf(text, size, "%" PRIu64 "ms", ns / 1000000);
	else
		snprintf(text, size, "%" PRIu64 "s", ns / 1000000000);
	return text;
}

static struct hist hist_since(const struct hist *h, const struct hist *old)
{
	struct hist diff = *h;
	unsigned int i;

	diff.count -= old->count;
	diff.sum_ns -= old->sum_ns;
	for (i = 0; i < BUCKETS; i++)
		diff.bucket[i] -= old->bucket[i];
	return diff;
}

static void print_hist(const struct hist *h)
{
	char mean[16], p50[16], p90[16], p99[16], max[16];

	printf("  %-10s %12" PRIu64, h->name, h->count);
	if (h->count)
		printf(" %9s <%8s <%8s <%8s %9s",
		       show_ns(h->sum_ns / h->count, mean, sizeof(mean)),
		       show_ns(percentile(h, 50), p50, sizeof(p50)),
		       show_ns(percentile(h, 90), p90, sizeof(p90)),
		       show_ns(percentile(h, 99), p99, sizeof(p99)),
		       show_ns(h->max_ns, max, sizeof(max)));
	printf("\n");
}

/* The longest is the longest since the start: a histogram does not tell it of an interval. */
static void print_details(struct domain *d, const struct domain *old, double seconds, bool rates)
{
	static const struct hist nothing;
	const struct hist *h;
	const struct value *v;
	struct hist diff;
	unsigned int i;

	printf("%s\n", d->name);
	for (i = 0; i < d->nr_values; i++) {
		v = &d->values[i];
		printf("  %-20s %14" PRId64, v->name, v->n);
		if (rates && !is_level(v->name))
			printf(" %12.1f/s", (v->n - get(old, v->name)) / seconds);
		printf("\n");
	}
	printf("  %-10s %12s %9s %9s %9s %9s %9s\n", "time", "count", "mean", "50%", "90%", "99%",
	       "max");
	for (i = 0; i < d->nr_hists; i++) {
		h = find_hist((struct domain *)old, d->hists[i].name, false);
		diff = hist_since(&d->hists[i], h ? h : &nothing);
		print_hist(&diff);
	}
	printf("\n");
}

static void show(struct sample *s, const struct sample *old, bool detail, bool rates)
{
	double seconds = rates ? s->when - old->when : 1;
	const struct domain *before;
	unsigned int i;

	for (i = 0; i < s->nr; i++) {
		before = find_domain(old, s->domains[i].name);
		if (detail)
			print_details(&s->domains[i], before, seconds, rates);
		else
			print_line(&s->domains[i], before, seconds);
	}
	fflush(stdout);
}

/* ---- The command line ---- */

struct options {
	bool	detail;
	int	pid;
	double	interval;	/* 0: once */
	long	count;		/* 0: without end */
};

static double number(const char *text, const char *what)
{
	char *end;
	double n = strtod(text, &end);

	/* also false for what is no number */
	if (*end || end == text || !(n > 0 && n < 1e9))
		die("%s must be a positive number, not '%s'; see gsched-stat --help", what, text);
	return n;
}

static struct options parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "detail", no_argument, NULL, 'd' },
		{ "pid", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{}
	};
	struct options o = {};
	int c;

	while ((c = getopt_long(argc, argv, "dp:h", longs, NULL)) != -1) {
		switch (c) {
		case 'd':
			o.detail = true;
			break;
		case 'p':
			o.pid = number(optarg, "PID");
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (optind < argc)
		o.interval = number(argv[optind++], "INTERVAL");
	if (optind < argc)
		o.count = number(argv[optind++], "COUNT");
	if (optind < argc)
		die("too many arguments; see gsched-stat --help");
	return o;
}

static void pause_for(double seconds)
{
	struct timespec ts = { .tv_sec = seconds };

	ts.tv_nsec = (seconds - ts.tv_sec) * 1e9;
	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

int main(int argc, char **argv)
{
	struct options o = parse(argc, argv);
	struct sample old = {}, s = take_sample(o.pid);
	long i;

	if (o.pid && !s.nr)
		die("process %d has no domain", o.pid);
	if (!o.detail)
		print_titles();
	if (!o.interval) {
		show(&s, &old, o.detail, false);
		free(s.domains);
		return 0;
	}
	for (i = 0; !o.count || i < o.count; i++) {
		old = s;
		pause_for(o.interval);
		s = take_sample(o.pid);
		show(&s, &old, o.detail, true);
		free(old.domains);
		if (o.pid && !s.nr)
			break;
	}
	free(s.domains);
	return 0;
}
