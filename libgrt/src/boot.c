// SPDX-License-Identifier: MIT
/*
 * The runtime's life, in Go's order: rt0, check, osinit, schedinit, the main goroutine, its end.
 *
 * The thread of grt_run() is m0. It runs the main goroutine, which is locked to it from the first
 * until the init tasks have run, and starts its function there. Then m0 stays an M until the main
 * goroutine parks for the first time without being locked to it: it never runs another one, since
 * grt_run() must return as soon as the main goroutine does, whatever others are in the middle of.
 * So from there on it is an ordinary thread again, which waits for the end.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"
#include "cgroup.h"

#define SLICE_NS	10000000LL	/* C7 */
#define SLICE_MIN_NS	500000LL	/* the kernel's limits, so that programs run on both */
#define SLICE_MAX_NS	100000000LL
#define STOP_TIMEOUT_NS	10000000000LL	/* whoever has not stopped then never will */

static struct m m0 __cacheline_aligned;
static struct g g0;

/* ---- Before there is a scheduler ----------------------------------------------------------- */

/* R5: g0 is on the thread's own stack. */
static void threadstack(struct stack *st)
{
	pthread_attr_t attr;
	size_t size;
	void *lo;
	int err;

	err = pthread_getattr_np(pthread_self(), &attr);
	if (err)
		fatal_setup("pthread_getattr_np: %s", strerror(err));
	pthread_attr_getstack(&attr, &lo, &size);
	pthread_attr_destroy(&attr);
	st->lo = (uintptr_t)lo;
	st->hi = st->lo + size;
}

/* The calling thread becomes m0, on g0 (R5, R6). */
static void rt0(void)
{
	threadstack(&m0.stack);
	m0.thread = pthread_self();
	m0.fastrand = 1;
	m0.hint = &m0.hintline;
	m0.status = &m0.statusline;
	WRITE_ONCE(m0.hint->nopreempt, 1);
	m0.g0 = &g0;
	g0.m = &m0;
	setg(&g0);
	if (getg() != &g0)
		fatal_setup("thread-local storage does not work");
	fiberinit(&g0.fiber, (void *)m0.stack.lo, m0.stack.hi - m0.stack.lo, true);
	sched.m0 = &m0;
	sched.allm = &m0;
	sched.nm0 = 1;
}

static bool came;

static void comeback(struct g *gp)
{
	came = !((uintptr_t)__builtin_frame_address(0) & 15);
	grt_gogo(gp);
}

/* R7: what the compiler cannot know. */
static void check(void)
{
	struct g probe = { .m = &m0 };
	uint64_t word = 1;
	int64_t t;

	if (cas(&word, 2, 3) || !cas(&word, 1, UINT64_MAX) || xadd(&word, 2) != UINT64_MAX ||
	    xchg(&word, 7) != 1 || word != 7)
		fatal_setup("check: atomic operations do not work");
	grt_g0call(&probe, comeback);
	if (!came)
		fatal_setup("check: the switch of stacks does not work, or does not align them");
	t = nanotime();
	if (t <= 0 || nanotime() < t)
		fatal_setup("check: the monotonic clock does not work");
	if (sysconf(_SC_PAGESIZE) != PAGE_SIZE)
		fatal_setup("check: pages of %ld bytes", sysconf(_SC_PAGESIZE));
}

/* ---- $GRTDEBUG ----------------------------------------------------------------------------- */

struct debugvars debugvars = {
	.containermaxprocs	= 1,
	.updatemaxprocs		= 1,
};

static const struct {
	const char *name;
	int32_t *value;
} debugnames[] = {
	{ "containermaxprocs", &debugvars.containermaxprocs },
	{ "updatemaxprocs", &debugvars.updatemaxprocs },
};

/* One NAME=NUMBER. False: that it is not. */
static bool debugvar(char *text)
{
	char *value = strchr(text, '='), *end;
	size_t i;
	long n;

	if (!value)
		return false;
	*value++ = '\0';
	n = strtol(value, &end, 10);
	if (!*value || *end || n < 0 || n > INT32_MAX)
		return false;
	for (i = 0; i < sizeof(debugnames) / sizeof(*debugnames); i++) {
		if (!strcmp(text, debugnames[i].name)) {
			*debugnames[i].value = n;
			return true;
		}
	}
	return false;
}

/* NAME=NUMBER,... */
static void parsedebugvars(const char *env)
{
	char *copy, *rest, *text;

	if (!env || !*env)
		return;
	copy = strdup(env);
	if (!copy)
		fatal_setup("out of memory");
	rest = copy;
	while ((text = strsep(&rest, ","))) {
		if (!debugvar(text))
			fatal_setup("GRTDEBUG=%s: '%s' is not NAME=NUMBER with a known name", env,
				    text);
	}
	free(copy);
}

/* ---- schedinit ----------------------------------------------------------------------------- */

/* Afterwards m0 has P 0. */
static void schedinit(const struct grt_config *c)
{
	if (c->maxthreads < 0 || c->maxthreads > GSCHED_MAX_M)
		fatal_setup("maxthreads %d is not within 1 and %d", c->maxthreads, GSCHED_MAX_M);
	if (c->thread_policy != GRT_THREADS_FATAL && c->thread_policy != GRT_THREADS_WAIT)
		fatal_setup("thread_policy %d is unknown", c->thread_policy);
	if (c->slice_ns && (c->slice_ns < SLICE_MIN_NS || c->slice_ns > SLICE_MAX_NS))
		fatal_setup("slice_ns %" PRId64 " is not within %lld and %lld", c->slice_ns,
			    SLICE_MIN_NS, SLICE_MAX_NS);
	if (c->stop_timeout_ns < 0)
		fatal_setup("stop_timeout_ns %" PRId64 " is negative", c->stop_timeout_ns);
	sched.slice = c->slice_ns ? c->slice_ns : SLICE_NS;
	sched.stoptimeout = c->stop_timeout_ns ? c->stop_timeout_ns : STOP_TIMEOUT_NS;
	sched.maxmcount = c->maxthreads ? c->maxthreads : GSCHED_MAX_M;
	sched.mpolicy = c->thread_policy;
	pthread_sigmask(SIG_SETMASK, NULL, &sched.sigmask);
	parsedebugvars(getenv("GRTDEBUG"));
	netpollinit();
	cgroupinit();
	backendinit(firstprocs(c));
	forkinit();
	minit(&m0);
	sched.backend->mstart(&m0);
}

/* ---- The main goroutine -------------------------------------------------------------------- */

/* Ends the runtime: goroutines that are left never run again (R96). */
static void endruntime(void)
{
	struct m *mp;

	store_seqcst(&sched.exiting, true);
	/* No counter of the kernel ever has this value: each M yields when it next can. */
	for (mp = load_acquire(&sched.allm); mp; mp = mp->alllink)
		store_relaxed(&mp->preempttick, UINT64_MAX);
	mdetach();
	sched.backend->stop();
	notewakeup(&sched.end);
}

static void runmain(void *unused)
{
	(void)unused;
	sched.result = sched.mainfn(sched.mainarg);
}

/* R54. A function that the program's deferred may recover: it is done then, with the result 0. */
static void gomain(void *unused)
{
	(void)unused;
	if (getg()->m != &m0)
		fatal("gomain: not on m0");
	runinittasks();
	unlockosthread();
	grt_try(runmain, NULL);
	forkcheck();
	waitpanics();
	endruntime();
}

/*
 * Makes the main goroutine (R10), locked to m0, which runs it next. So it is in no queue, and
 * nobody is woken.
 */
static void newmain(uintptr_t gopc)
{
	struct m *mp = acquirem();

	lockg(mp, newproc1(mp, gomain, NULL, gopc));
	releasem(mp);
}

/* ---- The calls ----------------------------------------------------------------------------- */

/* m0 is no M any more: from here on it is not waited for. */
static void m0end(void)
{
	lock(&sched.lock);
	store_seqcst(&sched.nm0, 0);
	unlock(&sched.lock);
	suspectdead();
	notesleep(&sched.end);
}

int grt_run_with(const struct grt_config *config, int (*fn)(void *arg), void *arg)
{
	struct grt_config c = { 0 };
	static bool booted;

	if (config) {
		if (config->size < sizeof(size_t) || config->size > sizeof(c))
			fatal_setup("grt_run_with: a configuration of %zu bytes is unknown",
				    config->size);
		memcpy(&c, config, config->size);
	}
	if (!fn)
		fatal_setup("grt_run: no function to run");
	if (xchg(&booted, true))
		fatal_setup("grt_run: this process has, or had, a runtime already");
	sched.mainfn = fn;
	sched.mainarg = arg;
	rt0();
	check();
	schedinit(&c);
	newmain((uintptr_t)__builtin_return_address(0));
	/* Before it runs: once it is asked to yield, somebody else must go on with it. */
	sched.backend->start();
	/* Not before m0 has its P: the goroutine of another thread would have had it taken. */
	store_release(&sched.begun, true);
	mrun(&m0);
	m0end();
	return sched.result;
}

int grt_run(int (*fn)(void *arg), void *arg)
{
	return grt_run_with(NULL, fn, arg);
}
