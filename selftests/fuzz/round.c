// SPDX-License-Identifier: GPL-2.0
/*
 * One round: a domain, its threads, and the conductor, which is the process's first
 * thread, never an M, and never disturbed by the others
 */
#include "fuzz.h"

#include <linux/userfaultfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* ---- Making it ---- */

enum ending ending_of(__u64 seed, unsigned int number)
{
	struct rng g = rng_of(seed, number, 0, 'e');
	unsigned int n = below(&g, 100);

	if (n < 60)
		return ENDING_ORDERLY;
	if (n < 70)
		return ENDING_CLOSE;
	return 1 + n % (NR_ENDINGS - 1);
}

static void give_up(const char *what)
{
	fail(ORACLE_HANG, "%s: %s", what, strerror(errno));
	_exit(1);
}

static int make_domain(struct round *r)
{
	struct gsched_setup *s = &r->gs.setup;

	s->size = sizeof(*s);
	s->nr_p = 1 + below(&r->g, chance(&r->g, 70) ? 3 : 8);
	s->max_p = chance(&r->g, 5) ? 0 : s->nr_p + below(&r->g, 4);
	s->max_m = chance(&r->g, 15) ? r->nr_threads - below(&r->g, 6) : GS_MAX_M;
	s->spare = below(&r->g, 4);
	r->gs.fd = gs_open();
	if (r->gs.fd < 0)
		return r->gs.fd;
	hostile_setups(r, r->gs.fd);
	return gs_ioctl(r->gs.fd, GSCHED_IOC_SETUP, s) ?: gs_map(&r->gs);
}

/* Fills the pages that are missing. */
static void *fill(void *arg)
{
	struct round *r = arg;
	struct uffd_msg msg;

	for (;;) {
		struct uffdio_zeropage zero = { .range = { .len = 4096 } };

		if (read(r->uffd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		zero.range.start = msg.arg.pagefault.address & ~4095ULL;
		ioctl(r->uffd, UFFDIO_ZEROPAGE, &zero);
	}
	return NULL;
}

static void make_pages(struct round *r)
{
	size_t size = MOST_THREADS * 4096;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range.len = size, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	unsigned int i;
	pthread_t filler;
	char *pages;

	pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (uintptr_t)pages;
	r->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (pages == MAP_FAILED || r->uffd < 0 || ioctl(r->uffd, UFFDIO_API, &api) ||
	    ioctl(r->uffd, UFFDIO_REGISTER, &reg) || pthread_create(&filler, NULL, fill, r))
		give_up("userfaultfd");
	for (i = 0; i < r->nr_threads; i++)
		r->thread[i].page = pages + i * 4096;

	r->arena_slot = r->gs.setup.hint_size;
	r->arena = mmap(NULL, 4 * r->arena_slot, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	r->bad_page[0] = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	r->bad_page[1] = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	r->bad_page[2] = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->arena == MAP_FAILED || r->bad_page[2] == MAP_FAILED ||
	    mprotect(r->bad_page[2] + 4096, 4096, PROT_NONE))
		give_up("mmap");
}

static void cast(struct round *r)
{
	unsigned int i;

	for (i = 0; i < r->nr_threads; i++) {
		r->thread[i].role = r->honest ? ROLE_HONEST :
				    i == 0 ? ROLE_SCRIBBLER :
				    i == 1 ? ROLE_SIGNALLER :
				    i == 2 ? ROLE_FOREIGN : ROLE_M;
		errno = -thread_start(r, i);
		if (errno)
			give_up("pthread_create");
	}
}

/* ---- Running it ---- */

/* An operation ends some of them; others take their places. */
static void bury(struct round *r, bool replace)
{
	unsigned int i;

	for (i = 0; i < r->nr_threads; i++) {
		struct thread *t = &r->thread[i];

		if (!t->alive || !GS_LOAD(t->ended))
			continue;
		pthread_join(t->pthread, NULL);
		t->alive = false;
		if (replace)
			thread_start(r, i);
	}
}

/* Those who PARK without a deadline would be gone for the rest of the round. */
static void unpark_some(struct round *r)
{
	if (chance(&r->g, 30))
		gs_unpark(&r->gs, below(&r->g, r->nr_threads));
}

static void run_for(struct round *r, unsigned int ms)
{
	__u64 end = gs_in_ms(ms);

	resume(r, PHASE_FUZZ);
	while (gs_now() < end) {
		GS_STORE(shared->beat, shared->beat + 1);
		usleep(2000);
		unpark_some(r);
		bury(r, true);
	}
}

/* Every thread ends, whatever it was doing. */
static bool all_end(struct round *r)
{
	struct timespec ts = { .tv_sec = time(NULL) + shared->opt.patience_s };
	unsigned int i;

	GS_STORE(r->phase, PHASE_END);
	__atomic_fetch_add(&r->gen, 1, __ATOMIC_SEQ_CST);
	futex_wake(&r->gen);
	for (i = 0; i < r->nr_threads; i++) {
		struct thread *t = &r->thread[i];

		__atomic_fetch_add(&t->turn, 1, __ATOMIC_SEQ_CST);
		futex_wake(&t->turn);
		if (!t->alive || !pthread_timedjoin_np(t->pthread, NULL, &ts))
			continue;
		fail(ORACLE_HANG, "thread %u does not end", i);
		dump_process(getpid());
		return false;
	}
	return true;
}

static bool run_orderly(struct round *r)
{
	unsigned int pauses = 2 + below(&r->g, 3);

	while (pauses--) {
		run_for(r, 100 + below(&r->g, 900));
		if (!settle(r))
			return false;
	}
	collect_counts(r);
	bury(r, false);
	resume(r, PHASE_SCENE);
	return play_scenes(r) && all_end(r);
}

/* One of the threads does it, if one comes by; else nobody is to be waited for. */
static bool run_disorderly(struct round *r)
{
	__u64 end = gs_in_ms(10000);
	struct thread *t;

	run_for(r, 20 + below(&r->g, 300));
	if (r->ending == ENDING_KILL) {
		run_for(r, 600000);
		return true;
	}
	while (!GS_LOAD(r->closed) && gs_now() < end) {
		t = &r->thread[below(&r->g, r->nr_threads)];
		GS_STORE(t->deed, r->ending);
		usleep(20000);
		GS_STORE(shared->beat, shared->beat + 1);
	}
	if (!GS_LOAD(r->closed))
		give_up("nobody ends the round");
	/* Some more calls, which all are refused */
	usleep(20000);
	return all_end(r);
}

int round_main(__u64 seed, unsigned int number, enum ending ending)
{
	struct rlimit no_core = { 0 };
	struct round *r = calloc(1, sizeof(*r));

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &no_core);
	install_handlers();
	r->ledger = calloc(1, sizeof(*r->ledger));
	r->seed = seed;
	r->number = number;
	r->ending = ending;
	r->g = rng_of(seed, number, 0, 'r');
	r->nr_threads = shared->opt.threads;
	r->honest = ending == ENDING_ORDERLY && chance(&r->g, 30);
	pthread_mutex_init(&r->mutex, NULL);
	errno = -make_domain(r);
	if (errno)
		give_up("the domain");
	make_pages(r);
	cast(r);
	if (ending == ENDING_ORDERLY ? !run_orderly(r) : !run_disorderly(r))
		return 1;
	return anything_failed();
}
