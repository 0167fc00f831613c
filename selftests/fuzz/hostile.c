// SPDX-License-Identifier: GPL-2.0
/*
 * What no sensible program does: arguments, pages, mappings, processes
 */
#include "fuzz.h"

#include <linux/mman.h>
#include <sys/prctl.h>

/* ---- Arguments ---- */

union arg {
	struct {
		__u32 size;
		__u32 flags;
	};
	struct gsched_setup setup;
	struct gsched_register reg;
	struct gsched_park park;
	struct gsched_unpark unpark;
	struct gsched_switch swtch;
	struct gsched_acquire acquire;
	struct gsched_make make;
	struct gsched_resize resize;
	struct gsched_tune tune;
	struct gsched_preempt preempt;
	struct gsched_stop stop;
	struct gsched_info info;
	char room[256];
	__u64 words[32];
};

static const __u32 size_of[] = {
	sizeof(struct gsched_setup), sizeof(struct gsched_register), 0,
	sizeof(struct gsched_park), sizeof(struct gsched_unpark), 0,
	sizeof(struct gsched_switch), 0, sizeof(struct gsched_acquire),
	sizeof(struct gsched_make), sizeof(struct gsched_resize), sizeof(struct gsched_stop), 0,
	sizeof(struct gsched_preempt), sizeof(struct gsched_tune), sizeof(struct gsched_info),
};

/* A number that somebody may have forgotten */
static __u64 odd_number(struct rng *g)
{
	static const __u64 numbers[] = {
		0, 1, 2, 7, 63, 64, 1023, 1024, 4095, 4096, 9999, 10000, 0x7fffffff, 0x80000000,
		0xfffffffe, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000,
		0xffffffffffffffff,
	};

	return chance(g, 70) ? numbers[below(g, ARRAY_SIZE(numbers))] : rnd(g);
}

static void fill_at_random(struct rng *g, union arg *arg, __u32 size)
{
	unsigned int i;

	for (i = 0; i < size / 4; i++)
		((__u32 *)arg)[i] = chance(g, 60) ? 0 : odd_number(g);
	arg->size = size;
}

/* No pointer that a REGISTER could write its answer to without our finding it again */
static void *bad_pointer(struct thread *t)
{
	struct round *r = t->r;

	switch (below(&t->g, 8)) {
	case 0:
		return NULL;
	case 1:
		return (void *)(uintptr_t)odd_number(&t->g);
	case 2:
		return (void *)0xffff888000000000;
	case 3:
		return (void *)0x00007ffffffffff8;
	case 4:
		return r->bad_page[0] + below(&t->g, 4096);
	case 5:
		return r->bad_page[1] + below(&t->g, 4096);
	case 6:
		return r->bad_page[2] + 4096 - below(&t->g, 16);
	default:
		return r->gs.status;
	}
}

/* An ioctl that gsched does not have; not one that the kernel handles for every file. */
static unsigned long odd_command(struct rng *g)
{
	unsigned long nr = 0x80 + below(g, 16);

	switch (below(g, 4)) {
	case 0:
		return _IOC(_IOC_NONE, GSCHED_IOC_TYPE, below(g, 0x80), 0);
	case 1:
		return _IOC(_IOC_NONE, GSCHED_IOC_TYPE, 0x90 + below(g, 0x70), 0);
	case 2:
		return _IOC(1 + below(g, 3), GSCHED_IOC_TYPE, nr, below(g, 256));
	default:
		return _IOC(_IOC_NONE, 0x80 + below(g, 0x80), nr, 0);
	}
}

/* One argument wrong, the rest right */
static void spoil(struct rng *g, union arg *arg, __u32 size)
{
	switch (below(g, 5)) {
	case 0:
		arg->size = odd_number(g);
		break;
	case 1:
		arg->size = size + 1 + below(g, sizeof(*arg) - size);
		break;
	case 2:
		arg->size = size + 8;
		arg->words[(size + 7) / 8] = rnd(g);
		break;
	case 3:
		arg->flags = 1U << below(g, 32);
		break;
	default:
		((__u32 *)arg)[2 + below(g, size / 4 - 2)] = odd_number(g);
	}
}

void op_hostile(struct thread *t)
{
	unsigned int nr = 1 + below(&t->g, ARRAY_SIZE(size_of) - 1);
	unsigned long cmd = GSCHED_IOC_SETUP + nr;
	__u32 size = size_of[nr];
	union arg arg = { .size = size };
	void *p = &arg;
	int ret;

	switch (below(&t->g, 8)) {
	case 0:
		cmd = odd_command(&t->g);
		p = chance(&t->g, 50) ? p : bad_pointer(t);
		break;
	case 1:
		p = bad_pointer(t);
		break;
	case 2:
		cmd = GSCHED_IOC_SETUP;
		arg.size = sizeof(arg.setup);
		break;
	case 3:
	case 4:
		if (size)
			fill_at_random(&t->g, &arg, size);
		break;
	default:
		if (size)
			spoil(&t->g, &arg, size);
	}
	/* One without a structure wants none. */
	if (cmd >= GSCHED_IOC_SETUP && cmd <= GSCHED_IOC_INFO && p == &arg &&
	    !size_of[cmd - GSCHED_IOC_SETUP])
		p = NULL;
	/* None of ours sleeps for ever in the hands of somebody who is no M. */
	ret = call(t, cmd, p);
	if (cmd == GSCHED_IOC_REGISTER && !ret)
		GS_STORE(t->m, arg.reg.m);
}

/* Before the right SETUP, all the wrong ones */
void hostile_setups(struct round *r, int fd)
{
	struct gsched_setup arg, good = { .size = sizeof(good), .nr_p = 1 };
	struct gsched_info info = { .size = sizeof(info) };
	unsigned int i;
	int ret;

	for (i = 0; i < 10; i++) {
		arg = good;
		spoil(&r->g, (union arg *)&arg, sizeof(arg.size) * 6);
		if (arg.size == good.size && !arg.flags && arg.nr_p && arg.nr_p <= GSCHED_MAX_P)
			arg.nr_p = 0;
		/* The tail of a longer one is whatever the stack holds. */
		if (arg.size > sizeof(arg))
			arg.size = 0;
		ret = gs_ioctl(fd, GSCHED_IOC_SETUP, &arg);
		count_call(0, -ret);
		if (!ret)
			fail(ORACLE_ANSWER, "SETUP took size %u flags %#x nr_p %u max_p %u",
			     arg.size, arg.flags, arg.nr_p, arg.max_p);
	}
	ret = gs_ioctl(fd, GSCHED_IOC_INFO, &info);
	count_call(15, -ret);
	if (ret != -ENXIO)
		fail(ORACLE_ANSWER, "INFO before SETUP: %s", strerrorname_np(-ret));
}

/* ---- Hint pages ---- */

/* Anything, anywhere */
void op_scribble(struct thread *t)
{
	struct gs *gs = &t->r->gs;
	unsigned int i, n = 1 + below(&t->g, 64);
	__u64 words = gs->setup.hint_size / 8;

	for (i = 0; i < n && GS_LOAD(t->r->phase) == PHASE_FUZZ; i++)
		__atomic_store_n((__u64 *)gs->hint + below(&t->g, words), odd_number(&t->g),
				 __ATOMIC_RELAXED);
}

/* What looks right and is not */
void op_hints(struct thread *t)
{
	struct gs *gs = &t->r->gs;
	__u32 p = below(&t->g, MOST_P), m = below(&t->g, gs->setup.max_m);

	p %= gs->setup.max_p;
	switch (below(&t->g, 10)) {
	case 0:
		GS_STORE(gs->hint->nspinning, below(&t->g, 3));
		break;
	case 1:
		GS_STORE(gs->hint->npolling, below(&t->g, 2));
		break;
	case 2:
		GS_STORE(gs->hint->gqlen, below(&t->g, 2));
		break;
	case 3:
		GS_STORE(gs->hint->niowait, below(&t->g, 2));
		break;
	case 4:
		GS_STORE(gs->hint->next_when, gs_now() + below(&t->g, GS_MS));
		break;
	case 5:
		GS_STORE(gs->hint->has_work[below(&t->g, 16)], rnd(&t->g));
		break;
	case 6:
		GS_STORE(gs->hint->park[below(&t->g, 4)], below(&t->g, 2));
		break;
	case 7:
		GS_STORE(gs->ph[p].runnext, below(&t->g, 2));
		break;
	case 8:
		GS_STORE(gs->ph[p].schedtick, below(&t->g, 4));
		break;
	default:
		GS_STORE(gs->mh[m].nopreempt, below(&t->g, 8) == 0);
		GS_STORE(gs->mh[m].mode, below(&t->g, 8) == 0);
	}
}

/* ---- Mappings ---- */

static void touch(struct thread *t, char *at, __u64 value)
{
	if (value & 1)
		GS_STORE(*at, value);
	else
		(void)GS_LOAD(*at);
}

static char *map(struct thread *t, size_t size, int prot, int flags, __u64 offset)
{
	char *p = mmap(NULL, size, prot, flags, t->r->gs.fd, offset);
	int error = p == MAP_FAILED ? errno : 0;

	count_call(CALL_MMAP, error);
	if (!error && offset < GSCHED_MMAP_HINT && prot & PROT_WRITE)
		fail(ORACLE_ANSWER, "the status pages can be mapped to write");
	return error ? NULL : p;
}

static __u64 some_offset(struct rng *g)
{
	switch (below(g, 8)) {
	case 0:
		return GSCHED_STACKS(10 + below(g, 24), below(g, 5)) +
		       (odd_number(g) & 0xfffffffff000ULL);
	case 1:
		return odd_number(g) & 0x7ffffffffffff000ULL;
	case 2:
	case 3:
	case 4:
		return GSCHED_MMAP_STATUS;
	default:
		return GSCHED_MMAP_HINT;
	}
}

static void use_mapping(struct thread *t, char *p, size_t size, bool status)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_DOFORK, MADV_DONTFORK, MADV_WILLNEED, MADV_FREE,
		MADV_HUGEPAGE, MADV_MERGEABLE, MADV_REMOVE, MADV_DODUMP, MADV_POPULATE_READ,
	};
	int prot = below(&t->g, 8);

	guarded(t, touch, p + below(&t->g, size), rnd(&t->g));
	switch (below(&t->g, 5)) {
	case 0:
		if (!mprotect(p, size, prot) && status && prot & PROT_WRITE)
			fail(ORACLE_ANSWER, "the status pages can be made writable");
		break;
	case 1:
		madvise(p, size, advice[below(&t->g, ARRAY_SIZE(advice))]);
		break;
	case 2:
		mlock(p, size);
		break;
	case 3:
		msync(p, size, MS_SYNC);
		break;
	default:
		break;
	}
	guarded(t, touch, p + below(&t->g, size), rnd(&t->g));
}

/* A mapping of its own: made, used, moved, cut, and gone */
void op_map(struct thread *t)
{
	struct gs *gs = &t->r->gs;
	__u64 offset = some_offset(&t->g);
	size_t size = offset == GSCHED_MMAP_STATUS ? gs->setup.status_size : gs->setup.hint_size;
	bool status = offset == GSCHED_MMAP_STATUS;
	int prot = status ? PROT_READ : PROT_READ | PROT_WRITE;
	int flags = MAP_SHARED;
	char *p, *q;

	if (chance(&t->g, 20))
		size = 4096 * below(&t->g, 40);
	if (chance(&t->g, 20))
		prot = below(&t->g, 8);
	if (chance(&t->g, 10))
		flags = MAP_PRIVATE;
	if (chance(&t->g, 10))
		flags |= chance(&t->g, 50) ? MAP_POPULATE : MAP_LOCKED;
	p = map(t, size, prot, flags, offset);
	if (!p)
		return;
	use_mapping(t, p, size, status);
	if (chance(&t->g, 30)) {
		q = mremap(p, size, size + 4096, MREMAP_MAYMOVE);
		/* One of stacks is private memory, and may. */
		if (q != MAP_FAILED && offset < GSCHED_MMAP_STACKS)
			fail(ORACLE_ANSWER, "a mapping of the device grew");
		if (q != MAP_FAILED) {
			p = q;
			size += 4096;
		}
	}
	if (chance(&t->g, 30)) {
		q = mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
		if (q != MAP_FAILED)
			munmap(q, size);
	}
	if (size > 4096 && chance(&t->g, 30)) {
		munmap(p + size - 4096, 4096);
		size -= 4096;
		use_mapping(t, p, size, status);
	}
	munmap(p, size);
}

/* A row of stacks: the guards hold, the rest is memory, and the mapping can be cut as any other. */
void op_stacks(struct thread *t)
{
	unsigned int shift = 13 + below(&t->g, 5), guard = 1 + below(&t->g, 2), n, i;
	size_t stride = 1UL << shift, size;
	char *row;

	if (guard >= stride >> 12)
		guard = 1;
	n = 1 + below(&t->g, 16);
	size = n * stride;
	row = map(t, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE,
		  GSCHED_STACKS(shift, guard));
	if (!row)
		return;
	for (i = 0; i < 4; i++) {
		char *one = row + below(&t->g, n) * stride;
		size_t at = below(&t->g, stride);

		if (guarded(t, touch, one + at, rnd(&t->g)) != (at >= guard * 4096))
			fail(ORACLE_ANSWER, "stack of %zu bytes, %u guards: byte %zu", stride,
			     guard, at);
	}
	use_mapping(t, row, size, false);
	if (n > 1 && chance(&t->g, 50)) {
		munmap(row, stride);
		row += stride;
		size -= stride;
		use_mapping(t, row, size, false);
	}
	munmap(row, size);
}

/*
 * Not by MAP_FIXED: when that is refused, what was there is gone, and something that we need, a
 * stack, may come to lie there.
 */
static void map_at(struct thread *t, char *slot, size_t size, int prot, __u64 offset)
{
	char *p = map(t, size, prot, MAP_SHARED, offset);

	if (p && mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, slot) == MAP_FAILED)
		fail(ORACLE_ANSWER, "a mapping of the device cannot be moved: %s",
		     strerrorname_np(errno));
}

/* A mapping that others use while it comes and goes; what goes is replaced by nothing at all. */
void op_arena(struct thread *t)
{
	struct round *r = t->r;
	size_t size = r->gs.setup.hint_size;
	char *slot = r->arena + below(&t->g, 4) * r->arena_slot;

	switch (below(&t->g, 5)) {
	case 0:
		map_at(t, slot, size, PROT_READ | PROT_WRITE, GSCHED_MMAP_HINT);
		break;
	case 1:
		map_at(t, slot, 4096, PROT_READ, GSCHED_MMAP_STATUS);
		break;
	case 2:
		mmap(slot, chance(&t->g, 50) ? size : 4096, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 3:
		mprotect(slot, size, chance(&t->g, 50) ? PROT_READ : PROT_READ | PROT_WRITE);
		break;
	default:
		guarded(t, touch, slot + below(&t->g, size), rnd(&t->g));
	}
}

/* ---- Other domains and other processes ---- */

/* A domain that comes and goes; an M of ours can be no M there. */
void op_other_domain(struct thread *t)
{
	struct gsched_setup setup = { .size = sizeof(setup), .max_m = 4 };
	struct gsched_register reg = { .size = sizeof(reg) };
	int fd = gs_open(), ret;

	if (fd < 0)
		return;
	setup.nr_p = 1 + below(&t->g, 4);
	setup.max_p = setup.nr_p + below(&t->g, 4);
	ret = gs_ioctl(fd, GSCHED_IOC_SETUP, &setup);
	count_call(0, -ret);
	if (!ret && chance(&t->g, 50)) {
		ret = gs_ioctl(fd, GSCHED_IOC_REGISTER, &reg);
		count_call(1, -ret);
		if (is_m(t) && ret != -EBUSY && !GS_LOAD(t->r->closed))
			fail(ORACLE_ANSWER, "an M became one of another domain, too: %d", ret);
	}
	/* An M of it is detached by this, too. */
	close(fd);
}

/* All that a child of the process may try, and may not get */
static void be_foreign(struct round *r)
{
	struct pollfd pfd = { .fd = r->gs.fd, .events = POLLIN };
	unsigned int nr;
	union arg arg;
	void *p;
	int ret;

	for (nr = 0; nr < ARRAY_SIZE(size_of); nr++) {
		memset(&arg, 0, sizeof(arg));
		arg.size = size_of[nr];
		ret = gs_ioctl(r->gs.fd, GSCHED_IOC_SETUP + nr, size_of[nr] ? &arg : NULL);
		if (ret != -EXDEV)
			fail(ORACLE_FOREIGN, "call %u of a child: %d", nr, ret);
	}
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, r->gs.fd, GSCHED_MMAP_STATUS);
	if (p != MAP_FAILED)
		fail(ORACLE_FOREIGN, "a child mapped the status pages");
	if (poll(&pfd, 1, 0) != 1 || !(pfd.revents & POLLERR))
		fail(ORACLE_FOREIGN, "poll of a child says %#x", pfd.revents);
}

static void child_main(struct round *r, bool vforked, bool exec)
{
	unsigned char vec;

	be_foreign(r);
	if (!vforked && !mincore(r->gs.hint, 4096, &vec))
		fail(ORACLE_FOREIGN, "a child inherited the hint pages");
	if (exec)
		execl("/proc/self/exe", "fuzz", "--exec-child", NULL);
	/* Or it ends, and its exit closes what it inherited. */
	_exit(0);
}

/* After exec: nothing of the domain is left. */
int exec_child(void)
{
	char path[64], target[64];
	ssize_t n;
	int fd;

	for (fd = 0; fd < 64; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target));
		if (n == sizeof(GS_DEVICE) - 1 && !memcmp(target, GS_DEVICE, n))
			return 3;
	}
	return 0;
}

void op_child(struct thread *t)
{
	bool vforked = chance(&t->g, 50), exec = chance(&t->g, 20), kept = chance(&t->g, 20);
	struct thread *me = self;
	int status = 0;
	pid_t child;

	/* Handlers of the child would do as the thread it was. */
	self = NULL;
	child = vforked ? vfork() : fork();
	if (!child) {
		if (!vforked)
			prctl(PR_SET_PDEATHSIG, SIGKILL);
		child_main(t->r, vforked, exec);
	}
	self = me;
	if (child < 0)
		return;
	if (kept)
		kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status))
		fail(ORACLE_FOREIGN, "a child that executed a program still has the device");
}
