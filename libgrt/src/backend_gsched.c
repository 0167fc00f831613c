// SPDX-License-Identifier: MIT
/*
 * The gsched backend: the kernel owns the Ps (Documentation/protocol.rst).
 *
 * An M holds the P that its status word names, now: the kernel takes the P of an M that sleeps with
 * nopreempt 0, and stops the M at the border of user mode until it has one again. So blocking needs
 * no wrapping, idle Ps and parked Ms need no list here, and nothing here decides who runs.
 *
 * A template thread makes the threads the kernel wants.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend.h"

#define SPARE		1	/* Ms kept parked for the next goroutine that blocks */
#define PREPARED	4	/* threads' stacks mapped beforehand: see prepare() */
#define BACKOFF_MS	100	/* after a thread could not be made */

static struct {
	int fd;			/* the domain */
	int kickfd;		/* wakes the template thread */
	void *status;		/* the two ranges */
	void *hint;
	size_t status_size;
	size_t hint_size;
	const struct gsched_m_status *mstatus;
	struct gsched_m_hint *mhint;
	bool waits;		/* A: the template thread waits for an M to end */
	bool dozes;		/* A: it waits for goroutines to run, see lookms() */
} dev = { .fd = -1 };

/* ---- Calls --------------------------------------------------------------------------------- */

/* A call to the device. Returns 0 or -errno; of those, only what the caller can deal with. */
static int call(unsigned long cmd, void *arg)
{
	int err = ioctl(dev.fd, cmd, arg) < 0 ? -errno : 0;

	switch (err) {
	case 0:
	case -EAGAIN:
	case -EINTR:
	case -ENOENT:
	case -ETIMEDOUT:
		return err;
	case -EXDEV:
		fatal("the runtime does not exist in a forked child");
	case -ECANCELED:
		fatal("gsched: the domain was closed under the runtime");
	default:
		fatal_setup("/dev/gsched: call %#lx: %s", cmd, strerror(-err));
	}
}

/* Waits for a P, in turn, until @deadline. The status word tells whether it got one. */
static void acquire(uint64_t deadline)
{
	struct gsched_acquire a = { .size = sizeof(a), .deadline_ns = deadline };

	call(GSCHED_IOC_ACQUIRE, &a);
}

static void gsched_acquire(struct m *mp)
{
	do {
		acquire(GSCHED_FOREVER);
	} while (!hasp(mp));
}

/* Wakes the template thread. */
static void kick(void)
{
	uint64_t one = 1;

	while (write(dev.kickfd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/*
 * Stops the M until it is handed a P. The kernel frees the P, looks at the hints, and gives it back
 * if there is work (EAGAIN); the M then looks again, and spins.
 */
static bool gsched_park(struct m *mp, int64_t deadline)
{
	struct gsched_park a = {
		.size = sizeof(a),
		.deadline_ns = deadline == GRT_FOREVER ? GSCHED_FOREVER : (uint64_t)deadline,
	};

	do {
		if (call(GSCHED_IOC_PARK, &a) == -ETIMEDOUT && !hasp(mp))
			return false;
	} while (!hasp(mp));
	if (unlikely(load_relaxed(&dev.dozes)) && xchg(&dev.dozes, false))
		kick();
	mp->respin = true;
	return true;
}

static bool gsched_surplus(void)
{
	return load_relaxed(&sched.status->nparked) >=
	       (uint32_t)load_relaxed(&sched.gomaxprocs) + SPARE;
}

static bool gsched_switchto(struct m *mp)
{
	struct gsched_switch a = { .size = sizeof(a), .m = GSCHED_M_OLDEST };

	if (call(GSCHED_IOC_SWITCH, &a) == -EAGAIN)
		return false;
	if (!hasp(mp))
		return gsched_park(mp, GRT_FOREVER);
	mp->respin = true;
	return true;
}

/*
 * The M sleeps outside the pool, so that nobody but startlocked ends that. It may wake for a
 * permit that is left over, too, with a P or without: what counts is the flag.
 */
static void gsched_parklocked(struct m *mp)
{
	struct gsched_park a = {
		.size = sizeof(a),
		.flags = GSCHED_PARK_PRIVATE,
		.deadline_ns = GSCHED_FOREVER,
	};

	while (!load_acquire(&mp->lockedready))
		call(GSCHED_IOC_PARK, &a);
	store_relaxed(&mp->lockedready, false);
	if (!hasp(mp))
		gsched_acquire(mp);
}

/*
 * SWITCH hands the P over. It cannot if @lockedm is not asleep yet, or the world is stopped: then
 * it gets a permit, or its turn. From the store on @lockedm may go on by itself, and end, so only
 * its number is used: whoever else has that may be woken for nothing.
 */
static void gsched_startlocked(struct m *mp, struct m *lockedm)
{
	struct gsched_switch sw = { .size = sizeof(sw), .m = lockedm->id };
	struct gsched_unpark un = { .size = sizeof(un), .m = lockedm->id };
	int err;

	store_release(&lockedm->lockedready, true);
	mstops(1);
	err = call(GSCHED_IOC_SWITCH, &sw);
	if (err == -EAGAIN || err == -ENOENT)
		call(GSCHED_IOC_UNPARK, &un);
	else if (!hasp(mp))
		gsched_park(mp, GRT_FOREVER);
	else
		mp->respin = true;
	mstops(-1);
}

/*
 * Some M shall look for work. If there is none but the poller, its poll is broken: the kernel has
 * noted that a P starves.
 */
static void gsched_wake(void)
{
	if (load_relaxed(&sched.status->nidle) || load_relaxed(&sched.status->some_blocked)) {
		if (call(GSCHED_IOC_WAKE, NULL) != -EAGAIN)
			return;
	}
	if (load_relaxed(&sched.hint->npolling))
		netpollbreak();
}

/* ---- The poller ---------------------------------------------------------------------------- */

/* It sleeps with its P BLOCKED, and keeps it if nobody wants it. */
static void gsched_pollbegin(struct m *mp)
{
	WRITE_ONCE(mp->hint->mode, GSCHED_MODE_COOPERATIVE);
	barrier();
	WRITE_ONCE(mp->hint->nopreempt, 0);
}

/*
 * With goroutines to run it waits in turn for a P before it touches any; after a break alone it
 * only tries, for somebody else may need the poller more.
 */
static bool gsched_pollend(struct m *mp, bool ready)
{
	WRITE_ONCE(mp->hint->nopreempt, 1);
	barrier();
	WRITE_ONCE(mp->hint->mode, GSCHED_MODE_NORMAL);
	barrier();
	if (hasp(mp))
		return true;
	if (ready)
		gsched_acquire(mp);
	else
		acquire(0);
	return hasp(mp);
}

/* ---- The world ----------------------------------------------------------------------------- */

static int gsched_stopworld(struct m *mp, int64_t deadline, uint64_t *late)
{
	struct gsched_stop a = {
		.size = sizeof(a),
		.deadline_ns = deadline == GRT_FOREVER ? GSCHED_FOREVER : (uint64_t)deadline,
	};
	int err;

	(void)mp;
	do {
		err = call(GSCHED_IOC_STOP, &a);
	} while (err == -EINTR || err == -EAGAIN);
	if (err)
		*late = READ_ONCE(dev.mhint[a.m].goid);
	return err;
}

static void gsched_startworld(struct m *mp)
{
	(void)mp;
	call(GSCHED_IOC_START, NULL);
}

static void gsched_resize(struct m *mp, int32_t n)
{
	struct gsched_resize a = { .size = sizeof(a), .nr_p = n };

	(void)mp;
	call(GSCHED_IOC_RESIZE, &a);
}

/* ---- Ms ------------------------------------------------------------------------------------ */

static void gsched_minit(struct m *mp)
{
	struct gsched_register a = {
		.size = sizeof(a),
		.flags = mp == sched.m0 ? 0 : GSCHED_REGISTER_MADE,
	};

	call(GSCHED_IOC_REGISTER, &a);
	mp->id = a.m;
	mp->hint = &dev.mhint[a.m];
	mp->status = &dev.mstatus[a.m];
	WRITE_ONCE(mp->hint->mode, GSCHED_MODE_NORMAL);
	WRITE_ONCE(mp->hint->goid, 0);
}

static void gsched_mstart(struct m *mp)
{
	if (mp == sched.m0)
		gsched_acquire(mp);
	else
		stopm(mp);
}

static void gsched_mexit(struct m *mp)
{
	(void)mp;
	call(GSCHED_IOC_UNREGISTER, NULL);
	if (load_seqcst(&dev.waits))
		kick();
}

static int domaininfo(struct gsched_info_domain *d)
{
	struct gsched_info a = {
		.size = sizeof(a),
		.what = GSCHED_INFO_DOMAIN,
		.buf = (uintptr_t)d,
		.buf_size = sizeof(*d),
	};

	memset(d, 0, sizeof(*d));
	return ioctl(dev.fd, GSCHED_IOC_INFO, &a) < 0 ? -errno : 0;
}

/* ---- The template thread ------------------------------------------------------------------- */

/*
 * Making a stack needs the process's mmap_lock, which a thread that faults may hold while it waits
 * for its page: the very time when a new thread is needed. So some are ready beforehand.
 */
struct prepared {
	struct m *m[PREPARED];
	uint32_t n;
};

static void prepare(struct prepared *pre)
{
	struct m *mp;

	while (pre->n < PREPARED && (mp = allocm()))
		pre->m[pre->n++] = mp;
}

static struct m *takeprepared(struct prepared *pre)
{
	return pre->n ? pre->m[--pre->n] : allocm();
}

static void announce(int32_t n)
{
	struct gsched_make a = { .size = sizeof(a), .n = n };

	call(GSCHED_IOC_MAKE, &a);
}

/* Counts up to @n new threads; fewer at the limit. */
static int32_t countms(int32_t n)
{
	int32_t room;

	lock(&sched.lock);
	room = sched.maxmcount - sched.mcount;
	if (n > room)
		n = room;
	store_seqcst(&sched.mcount, sched.mcount + n);
	unlock(&sched.lock);
	return n;
}

static bool newm(struct prepared *pre)
{
	struct m *mp = takeprepared(pre);

	if (!mp)
		return false;
	if (!newosproc(mp))
		return true;
	if (pre->n < PREPARED)
		pre->m[pre->n++] = mp;
	return false;
}

/*
 * The kernel misses an M, and there may be no more. That is fatal if the program says so, and if
 * every M waits for its own goroutine: none is left to start those.
 */
static void atlimit(void)
{
	struct gsched_info_domain d;
	uint32_t ms;

	if (!load_relaxed(&sched.status->starved))
		return;
	if (sched.mpolicy == GRT_THREADS_FATAL)
		too_many_threads();
	/* Threads that begin or end are counted, and are not among those that the kernel tells. */
	lock(&sched.lock);
	ms = sched.mcount + sched.nm0;
	unlock(&sched.lock);
	if (!domaininfo(&d) && d.nprivate == ms && ms >= (uint32_t)sched.maxmcount)
		too_many_threads();
}

/* Makes as many threads as the kernel wants. False: not all of them could be made. */
static bool makems(struct prepared *pre)
{
	int32_t wanted = load_relaxed(&sched.status->wanted);
	int32_t n, i;

	if (wanted <= 0)
		return true;
	n = countms(wanted);
	if (!n) {
		atlimit();
		return false;
	}
	announce(n);
	for (i = 0; i < n; i++) {
		if (!newm(pre))
			break;
	}
	if (i == n)
		return n == wanted;
	if (sched.mpolicy == GRT_THREADS_FATAL && load_relaxed(&sched.status->starved))
		fatal("cannot create a thread: out of memory or of processes (ulimit -u)");
	announce(i - n);
	countms(i - n);
	return false;
}

/* Changes while goroutines are started. */
static uint32_t schedticks(void)
{
	uint32_t sum = 0;
	int32_t i;

	for (i = 0; i < load_acquire(&sched.gomaxprocs); i++)
		sum += load_relaxed(&sched.allp[i]->hint->schedtick);
	return sum;
}

/*
 * Looks whether the number of Ps is still right, once a second (R12). In how many ms it is to be
 * called again; -1: when it is woken. It dozes while no goroutine is started, so that a program
 * that does nothing costs nothing: the next M out of PARK ends that. One M that runs without any
 * other coming or going has no use for another number of Ps.
 */
static int lookms(void)
{
	static int64_t next;
	static uint32_t ticks;
	int64_t now;
	uint32_t t;

	if (!procsfollow())
		return -1;
	now = nanotime();
	if (now < next)
		return (next - now) / 1000000 + 1;
	next = now + PROCSUPDATE_NS;
	updateprocs();
	t = schedticks();
	if (t == ticks) {
		store_seqcst(&dev.dozes, true);
		return -1;
	}
	ticks = t;
	return PROCSUPDATE_NS / 1000000;
}

static void templatethread(void)
{
	struct pollfd fds[2] = {
		{ .fd = dev.kickfd, .events = POLLIN },
		{ .fd = dev.fd, .events = POLLIN },
	};
	struct prepared pre = { .n = 0 };
	uint64_t count;
	bool all = true;
	int wait = -1;
	int ms;

	prepare(&pre);
	while (!load_seqcst(&sched.exiting)) {
		store_seqcst(&dev.waits, !all);
		ms = lookms();
		if (wait >= 0 && (ms < 0 || ms > wait))
			ms = wait;
		poll(fds, all ? 2 : 1, all ? ms : BACKOFF_MS);
		store_relaxed(&dev.waits, false);
		if ((fds[0].revents & POLLIN) && read(dev.kickfd, &count, sizeof(count)) < 0)
			continue;
		if (all && (fds[1].revents & (POLLERR | POLLHUP)))
			fatal("gsched: the domain was closed under the runtime");
		all = makems(&pre);
		prepare(&pre);
		wait = checkdead();
	}
}

static void gsched_start(void)
{
	newsysthread(templatethread);
}

static void gsched_stop(void)
{
	kick();
}

/* ---- Set-up -------------------------------------------------------------------------------- */

/* The ranges are not inherited: the child finds zeroes, and so no P, instead of a fault. */
static void gsched_forkchild(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;

	mmap(dev.status, dev.status_size, PROT_READ, flags, -1, 0);
	mmap(dev.hint, dev.hint_size, PROT_READ | PROT_WRITE, flags, -1, 0);
}

static int mapranges(const struct gsched_setup *s)
{
	dev.status_size = s->status_size;
	dev.hint_size = s->hint_size;
	dev.status = mmap(NULL, s->status_size, PROT_READ, MAP_SHARED, dev.fd, GSCHED_MMAP_STATUS);
	if (dev.status == MAP_FAILED)
		return -errno;
	dev.hint = mmap(NULL, s->hint_size, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd,
			GSCHED_MMAP_HINT);
	if (dev.hint == MAP_FAILED) {
		munmap(dev.status, s->status_size);
		return -errno;
	}
	return 0;
}

static int setup(int32_t nprocs, const char **what)
{
	struct gsched_setup s = {
		.size = sizeof(s),
		.nr_p = nprocs,
		.max_m = sched.maxmcount < GSCHED_MAX_M ? sched.maxmcount + 1 : GSCHED_MAX_M,
		.spare = SPARE,
	};
	struct gsched_tune t = {
		.size = sizeof(t),
		.flags = GSCHED_TUNE_SLICE,
		.slice_ns = sched.slice,
	};
	int err;

	*what = "GSCHED_IOC_SETUP on /dev/gsched";
	if (ioctl(dev.fd, GSCHED_IOC_SETUP, &s) < 0)
		return -errno;
	*what = "GSCHED_IOC_TUNE on /dev/gsched";
	if (ioctl(dev.fd, GSCHED_IOC_TUNE, &t) < 0)
		return -errno;
	*what = "cannot map /dev/gsched";
	err = mapranges(&s);
	if (err)
		return err;
	sched.status = dev.status;
	sched.hint = dev.hint;
	dev.mstatus = (void *)((char *)dev.status + s.m_status_offset);
	dev.mhint = (void *)((char *)dev.hint + s.m_hint_offset);
	sched.phint = (void *)((char *)dev.hint + s.p_hint_offset);
	*what = "out of memory";
	if (!allocps(nprocs))
		return -ENOMEM;
	procresize(nprocs);
	return 0;
}

static int gsched_setup(int32_t nprocs, const char **what)
{
	int err;

	*what = "cannot open /dev/gsched";
	dev.fd = open("/dev/gsched", O_RDWR | O_CLOEXEC);
	if (dev.fd < 0)
		return -errno;
	dev.kickfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dev.kickfd < 0)
		fatal_setup("eventfd: %m");
	err = setup(nprocs, what);
	if (err) {
		close(dev.fd);
		close(dev.kickfd);
		return err;
	}
	/* A P has use and there is no M: the poller is one (protocol 3.5). */
	netpolladd(dev.fd, EPOLLPRI);
	return 0;
}

/* ---- Counts -------------------------------------------------------------------------------- */

int grt_device_counts(struct grt_device_counts *counts)
{
	struct gsched_info_domain d;
	struct grt_device_counts c;
	int err;

	if (load_acquire(&sched.backend) != &backend_gsched)
		return -ENODEV;
	if (counts->size < sizeof(counts->size) || counts->size > sizeof(c))
		return -EINVAL;
	err = domaininfo(&d);
	if (err)
		return err;
	c = (struct grt_device_counts){
		.size = counts->size,
		.blocks = d.blocks,
		.takebacks = d.takebacks,
		.handoffs = d.handoffs,
		.borders = d.borders,
		.border_ns = d.border_ns,
		.parks = d.parks,
		.wakes = d.wakes,
		.switches = d.switches,
	};
	memcpy(counts, &c, counts->size);
	return 0;
}

const struct backend backend_gsched = {
	.name		= "gsched",
	.setup		= gsched_setup,
	.minit		= gsched_minit,
	.mstart		= gsched_mstart,
	.mexit		= gsched_mexit,
	.wake		= gsched_wake,
	.park		= gsched_park,
	.surplus	= gsched_surplus,
	.switchto	= gsched_switchto,
	.parklocked	= gsched_parklocked,
	.startlocked	= gsched_startlocked,
	.acquire	= gsched_acquire,
	.pollbegin	= gsched_pollbegin,
	.pollend	= gsched_pollend,
	.start		= gsched_start,
	.stopworld	= gsched_stopworld,
	.startworld	= gsched_startworld,
	.resize		= gsched_resize,
	.stop		= gsched_stop,
	.lookdead	= kick,
	.forkchild	= gsched_forkchild,
};
