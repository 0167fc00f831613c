// SPDX-License-Identifier: GPL-2.0
#include "gsched_util.h"

#include <dirent.h>
#include <sys/prctl.h>
#include <sys/time.h>

#include "layout.h"

/* Deep enough for any job; touched before the first, so that none of them faults. */
#define STACK_SIZE	(256 * 1024)
#define STACK_TOUCHED	(64 * 1024)

unsigned int gs_factor(void)
{
	const char *s = getenv("GSCHED_TEST_FACTOR");
	int factor = s ? atoi(s) : 1;

	return factor > 0 ? factor : 1;
}

/* In place of the C library's: the harness limits a test with it, and nobody else here uses it. */
unsigned int alarm(unsigned int seconds)
{
	struct itimerval limit = { .it_value.tv_sec = seconds * gs_factor() }, left;

	setitimer(ITIMER_REAL, &limit, &left);
	return left.it_value.tv_sec;
}

__u64 gs_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

__u64 gs_in_ms(unsigned int ms)
{
	return gs_now() + ms * GS_MS;
}

/* ---- calls ---- */

int gs_open(void)
{
	int fd = open(GS_DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int gs_ioctl(int fd, unsigned long cmd, void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

int gs_map(struct gs *gs)
{
	char *status, *hint;

	status = mmap(NULL, gs->setup.status_size, PROT_READ, MAP_SHARED, gs->fd,
		      GSCHED_MMAP_STATUS);
	if (status == MAP_FAILED)
		return -errno;
	hint = mmap(NULL, gs->setup.hint_size, PROT_READ | PROT_WRITE, MAP_SHARED, gs->fd,
		    GSCHED_MMAP_HINT);
	if (hint == MAP_FAILED)
		return -errno;
	gs->status = (void *)status;
	gs->ps = (void *)(status + gs->setup.p_status_offset);
	gs->ms = (void *)(status + gs->setup.m_status_offset);
	gs->hint = (void *)hint;
	gs->ph = (void *)(hint + gs->setup.p_hint_offset);
	gs->mh = (void *)(hint + gs->setup.m_hint_offset);
	return 0;
}

static int make_domain(struct gs *gs, unsigned int nr_p, unsigned int max_p, unsigned int spare)
{
	int ret;

	memset(gs, 0, sizeof(*gs));
	gs->setup.size = sizeof(gs->setup);
	gs->setup.nr_p = nr_p;
	gs->setup.max_p = max_p;
	gs->setup.max_m = GS_MAX_M;
	gs->setup.spare = spare;
	gs->fd = gs_open();
	if (gs->fd < 0)
		return gs->fd;
	ret = gs_ioctl(gs->fd, GSCHED_IOC_SETUP, &gs->setup);
	if (!ret)
		ret = gs_map(gs);
	if (!ret)
		ret = gs_slice(gs, 0);
	/* A refusal only makes a fault of an M more likely. */
	mlockall(MCL_CURRENT);
	return ret;
}

int gs_make_domain(struct gs *gs, unsigned int nr_p, unsigned int spare)
{
	return make_domain(gs, nr_p, nr_p, spare);
}

int gs_make_domain_max(struct gs *gs, unsigned int nr_p, unsigned int max_p)
{
	return make_domain(gs, nr_p, max_p, 0);
}

int gs_register(struct gs *gs, __u32 flags, __u32 *m)
{
	struct gsched_register arg = { .size = sizeof(arg), .flags = flags, .m = ~0U };
	int ret = gs_ioctl(gs->fd, GSCHED_IOC_REGISTER, &arg);

	*m = arg.m;
	return ret;
}

int gs_unregister(struct gs *gs)
{
	return gs_ioctl(gs->fd, GSCHED_IOC_UNREGISTER, NULL);
}

int gs_park(struct gs *gs, __u32 flags, __u64 deadline)
{
	struct gsched_park arg = {
		.size = sizeof(arg), .flags = flags, .deadline_ns = deadline,
	};

	return gs_ioctl(gs->fd, GSCHED_IOC_PARK, &arg);
}

int gs_park_word(struct gs *gs, __u64 deadline, __u32 word, __u32 expected)
{
	struct gsched_park arg = {
		.size = sizeof(arg), .flags = GSCHED_PARK_COMPARE, .deadline_ns = deadline,
		.word = word, .expected = expected,
	};

	return gs_ioctl(gs->fd, GSCHED_IOC_PARK, &arg);
}

int gs_unpark(struct gs *gs, __u32 m)
{
	struct gsched_unpark arg = { .size = sizeof(arg), .m = m };

	return gs_ioctl(gs->fd, GSCHED_IOC_UNPARK, &arg);
}

int gs_wake(struct gs *gs)
{
	return gs_ioctl(gs->fd, GSCHED_IOC_WAKE, NULL);
}

int gs_switch(struct gs *gs, __u32 m)
{
	struct gsched_switch arg = { .size = sizeof(arg), .m = m };

	return gs_ioctl(gs->fd, GSCHED_IOC_SWITCH, &arg);
}

int gs_release(struct gs *gs)
{
	return gs_ioctl(gs->fd, GSCHED_IOC_RELEASE, NULL);
}

int gs_acquire(struct gs *gs, __u64 deadline)
{
	struct gsched_acquire arg = { .size = sizeof(arg), .deadline_ns = deadline };

	return gs_ioctl(gs->fd, GSCHED_IOC_ACQUIRE, &arg);
}

int gs_make(struct gs *gs, __s32 n)
{
	struct gsched_make arg = { .size = sizeof(arg), .n = n };

	return gs_ioctl(gs->fd, GSCHED_IOC_MAKE, &arg);
}

int gs_stop(struct gs *gs, __u64 deadline, struct gsched_stop *out)
{
	struct gsched_stop arg = { .size = sizeof(arg), .deadline_ns = deadline };
	int ret = gs_ioctl(gs->fd, GSCHED_IOC_STOP, &arg);

	if (out)
		*out = arg;
	return ret;
}

int gs_start(struct gs *gs)
{
	return gs_ioctl(gs->fd, GSCHED_IOC_START, NULL);
}

int gs_resize(struct gs *gs, __u32 nr_p)
{
	struct gsched_resize arg = { .size = sizeof(arg), .nr_p = nr_p };

	return gs_ioctl(gs->fd, GSCHED_IOC_RESIZE, &arg);
}

int gs_preempt(struct gs *gs, __u32 m)
{
	struct gsched_preempt arg = { .size = sizeof(arg), .m = m };

	return gs_ioctl(gs->fd, GSCHED_IOC_PREEMPT, &arg);
}

int gs_tune_cpu(struct gs *gs, __u32 p, __u32 cpu)
{
	struct gsched_tune tune = {
		.size = sizeof(tune), .flags = GSCHED_TUNE_CPU, .p = p, .cpu = cpu,
	};

	return gs_ioctl(gs->fd, GSCHED_IOC_TUNE, &tune);
}

int gs_slice(struct gs *gs, __u64 ns)
{
	struct gsched_tune arg = {
		.size = sizeof(arg), .flags = GSCHED_TUNE_SLICE | GSCHED_TUNE_GRACE, .slice_ns = ns,
	};

	return gs_ioctl(gs->fd, GSCHED_IOC_TUNE, &arg);
}

int gs_info(struct gs *gs, __u32 what, __u32 index, void *buf, __u32 size)
{
	struct gsched_info arg = {
		.size = sizeof(arg), .what = what, .index = index,
		.buf = (uintptr_t)buf, .buf_size = size,
	};

	return gs_ioctl(gs->fd, GSCHED_IOC_INFO, &arg);
}

/* ---- what INFO says ---- */

static void must_info(struct gs *gs, __u32 what, __u32 index, void *buf, __u32 size)
{
	int ret = gs_info(gs, what, index, buf, size);

	if (!ret)
		return;
	fprintf(stderr, "# INFO of %u, index %u: %s\n", what, index, strerror(-ret));
	abort();
}

struct gsched_info_domain gs_counts(struct gs *gs)
{
	struct gsched_info_domain info;

	must_info(gs, GSCHED_INFO_DOMAIN, 0, &info, sizeof(info));
	return info;
}

struct gsched_info_p gs_p(struct gs *gs, __u32 p)
{
	struct gsched_info_p info;

	must_info(gs, GSCHED_INFO_P, p, &info, sizeof(info));
	return info;
}

struct gsched_info_m gs_m_info(struct gs *gs, __u32 m)
{
	struct gsched_info_m info;

	must_info(gs, GSCHED_INFO_M, m, &info, sizeof(info));
	return info;
}

static bool p_is(struct gs *gs, __u32 p, enum gsched_p_state state, __u32 m)
{
	struct gsched_info_p info = gs_p(gs, p);
	bool owned = state == GSCHED_P_RUNNING || state == GSCHED_P_BLOCKED;

	return info.state == state && (!owned || info.m == m);
}

bool gs_p_gets(struct gs *gs, __u32 p, enum gsched_p_state state, __u32 m)
{
	bool met = GS_UNTIL(p_is(gs, p, state, m));

	if (!met)
		gs_dump(gs);
	return met;
}

bool gs_m_gets(struct gs *gs, __u32 m, enum gsched_m_state state)
{
	bool met = GS_UNTIL(gs_m_info(gs, m).state == state);

	if (!met)
		gs_dump(gs);
	return met;
}

int gs_poll(struct gs *gs, int timeout_ms)
{
	struct pollfd pfd = { .fd = gs->fd, .events = POLLIN | POLLPRI };

	return poll(&pfd, 1, timeout_ms) < 0 ? -errno : pfd.revents;
}

void gs_dump(struct gs *gs)
{
	static const char * const p_state[] = { "IDLE", "RUNNING", "BLOCKED", "STOPPED", "DEAD" };
	static const char * const m_state[] = { "FREE", "ON", "PARKED", "WAITING", "DEAD" };
	struct gsched_info_domain d = gs_counts(gs);
	struct gsched_info_m m;
	struct gsched_info_p p;
	__u32 i;

	fprintf(stderr, "# nidle %u nwaiting %u nparked %u nprivate %u\n",
		d.nidle, d.nwaiting, d.nparked, d.nprivate);
	fprintf(stderr, "# making %u wanted %d starved %u some_blocked %u\n",
		d.making, d.wanted, GS_LOAD(gs->status->starved),
		GS_LOAD(gs->status->some_blocked));
	fprintf(stderr, "# blocks %llu takebacks %llu handoffs %llu lost %llu borders %llu\n",
		d.blocks, d.takebacks, d.handoffs, d.lost, d.borders);
	fprintf(stderr, "# excess: signal %llu timer %llu traced %llu step %llu cooperative %llu\n",
		d.excess_signal, d.excess_timer, d.excess_traced, d.excess_step,
		d.excess_cooperative);
	for (i = 0; i < d.nr_p; i++) {
		p = gs_p(gs, i);
		fprintf(stderr, "# P%u %s(%u) count %llu ring %u-%u\n", i,
			p.state < 5 ? p_state[p.state] : "?", p.m, p.count,
			GS_LOAD(gs->ph[i].head), GS_LOAD(gs->ph[i].tail));
	}
	for (i = 0; i < gs->setup.max_m && i < GS_MAX_M; i++) {
		if (gs_info(gs, GSCHED_INFO_M, i, &m, sizeof(m)))
			continue;
		fprintf(stderr, "# M%u %s p %d flags %#x tid %u word %#llx\n", i,
			m.state < 5 ? m_state[m.state] : "?", (int)m.p - 1, m.flags, m.tid,
			GS_LOAD(gs->ms[i].word));
	}
}

/* ---- hints ---- */

void gs_put_work(struct gs *gs, __u32 p)
{
	__atomic_fetch_add(&gs->ph[p].tail, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&gs->hint->has_work[p / 64], 1ULL << (p % 64), __ATOMIC_SEQ_CST);
}

void gs_take_work(struct gs *gs, __u32 p)
{
	__atomic_fetch_and(&gs->hint->has_work[p / 64], ~(1ULL << (p % 64)), __ATOMIC_SEQ_CST);
	GS_STORE(gs->ph[p].head, GS_LOAD(gs->ph[p].tail));
}

/* ---- Ms ---- */

static void m_answer(struct gs_m *m, unsigned int turn, long ret)
{
	__u64 word = GS_LOAD(m->gs->ms[m->id].word);

	m->word = word;
	m->count = GSCHED_M_P(word) ? GS_LOAD(m->gs->ps[GSCHED_M_P(word) - 1].count) : 0;
	m->ret = ret;
	__atomic_store_n(&m->answered, turn, __ATOMIC_RELEASE);
}

static void touch_stack(void)
{
	char room[STACK_TOUCHED];

	memset(room, 1, sizeof(room));
	/* The compiler must not think the room unused. */
	asm volatile("" : : "r" (room) : "memory");
}

static void *m_main(void *arg)
{
	struct gs_m *m = arg;
	unsigned int turn;
	int ret;

	touch_stack();
	m->tid = gettid();
	ret = gs_register(m->gs, m->flags, &m->id);
	if (ret) {
		m->id = 0;
		m_answer(m, 1, ret);
		return NULL;
	}
	m_answer(m, 1, 0);
	for (turn = 2;; turn++) {
		while (__atomic_load_n(&m->asked, __ATOMIC_ACQUIRE) != turn)
			sched_yield();
		if (m->job == gs_do_exit)
			return NULL;
		m_answer(m, turn, m->job(m, m->a, m->b));
	}
	return NULL;
}

int gs_m_start_flags(struct gs *gs, struct gs_m *m, __u32 flags)
{
	pthread_attr_t attr;
	int ret;

	memset(m, 0, sizeof(*m));
	m->gs = gs;
	m->flags = flags;
	m->asked = 1;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	ret = -pthread_create(&m->thread, &attr, m_main, m);
	pthread_attr_destroy(&attr);
	return ret ? ret : (int)gs_m_answer(m);
}

int gs_m_start(struct gs *gs, struct gs_m *m)
{
	return gs_m_start_flags(gs, m, 0);
}

int gs_m_start_on(struct gs *gs, struct gs_m *m)
{
	int ret = gs_m_start(gs, m);

	return ret ? ret : (int)gs_m_do(m, gs_do_acquire, gs_now() + GS_PATIENCE_NS, 0);
}

void gs_m_ask(struct gs_m *m, gs_job job, __u64 a, __u64 b)
{
	m->job = job;
	m->a = a;
	m->b = b;
	__atomic_store_n(&m->asked, m->asked + 1, __ATOMIC_RELEASE);
}

bool gs_m_answered(struct gs_m *m)
{
	return __atomic_load_n(&m->answered, __ATOMIC_ACQUIRE) == m->asked;
}

long gs_m_answer(struct gs_m *m)
{
	if (GS_UNTIL(gs_m_answered(m)))
		return m->ret;
	fprintf(stderr, "# no answer from M%u\n", m->id);
	gs_dump(m->gs);
	return GS_NO_ANSWER;
}

long gs_m_do(struct gs_m *m, gs_job job, __u64 a, __u64 b)
{
	gs_m_ask(m, job, a, b);
	return gs_m_answer(m);
}

bool gs_m_sleeps(struct gs_m *m, enum gsched_m_state state, gs_job job, __u64 a, __u64 b)
{
	gs_m_ask(m, job, a, b);
	return gs_m_gets(m->gs, m->id, state);
}

bool gs_m_parks(struct gs_m *m, __u32 flags)
{
	return gs_m_sleeps(m, GSCHED_M_PARKED, gs_do_park, flags, GSCHED_FOREVER);
}

bool gs_m_waits(struct gs_m *m)
{
	return gs_m_sleeps(m, GSCHED_M_WAITING, gs_do_acquire, GSCHED_FOREVER, 0);
}

static char tid_state(int pid, int tid)
{
	char path[64], line[256], *end = NULL;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	if (n > 0) {
		line[n] = 0;
		end = strrchr(line, ')');
	}
	return end ? end[2] : 0;
}

bool gs_tid_sleeps(int tid)
{
	char state = 0;

	return GS_UNTIL((state = tid_state(getpid(), tid)) == 'S' || state == 'D');
}

int gs_pin(int tid, unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(tid, sizeof(set), &set) ? -errno : 0;
}

void gs_m_join(struct gs_m *m)
{
	pthread_join(m->thread, NULL);
}

/* ---- jobs ---- */

long gs_do_nothing(struct gs_m *m, __u64 a, __u64 b)
{
	return 0;
}

long gs_do_acquire(struct gs_m *m, __u64 deadline, __u64 b)
{
	return gs_acquire(m->gs, deadline);
}

long gs_do_release(struct gs_m *m, __u64 a, __u64 b)
{
	return gs_release(m->gs);
}

long gs_do_park(struct gs_m *m, __u64 flags, __u64 deadline)
{
	return gs_park(m->gs, flags, deadline);
}

long gs_do_park_word(struct gs_m *m, __u64 word, __u64 expected)
{
	return gs_park_word(m->gs, GSCHED_FOREVER, word, expected);
}

long gs_do_unpark(struct gs_m *m, __u64 id, __u64 b)
{
	return gs_unpark(m->gs, id);
}

long gs_do_switch(struct gs_m *m, __u64 id, __u64 b)
{
	return gs_switch(m->gs, id);
}

long gs_do_stop(struct gs_m *m, __u64 deadline, __u64 out)
{
	return gs_stop(m->gs, deadline, (struct gsched_stop *)(uintptr_t)out);
}

long gs_do_start(struct gs_m *m, __u64 a, __u64 b)
{
	return gs_start(m->gs);
}

long gs_do_resize(struct gs_m *m, __u64 nr_p, __u64 b)
{
	return gs_resize(m->gs, nr_p);
}

long gs_do_wake(struct gs_m *m, __u64 a, __u64 b)
{
	return gs_wake(m->gs);
}

long gs_do_unregister(struct gs_m *m, __u64 a, __u64 b)
{
	return gs_unregister(m->gs);
}

long gs_do_read(struct gs_m *m, __u64 fd, __u64 b)
{
	char byte;
	ssize_t n = read(fd, &byte, 1);

	return n < 0 ? -errno : n;
}

long gs_do_nopreempt(struct gs_m *m, __u64 value, __u64 b)
{
	GS_STORE(m->gs->mh[m->id].nopreempt, value);
	return 0;
}

long gs_do_mode(struct gs_m *m, __u64 mode, __u64 b)
{
	GS_STORE(m->gs->mh[m->id].mode, mode);
	return 0;
}

/* Known by its address: m_main() returns instead of calling it. */
long gs_do_exit(struct gs_m *m, __u64 a, __u64 b)
{
	return GS_NO_ANSWER;
}

/* ---- the process ---- */

/* Each thread, not only the first: one that has not stopped yet never will. */
static bool all_stopped(pid_t pid)
{
	bool stopped = true;
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && tid_state(pid, atoi(entry->d_name)) != 'T')
			stopped = false;
	if (dir)
		closedir(dir);
	return dir && stopped;
}

static bool stop_and_continue(pid_t pid)
{
	bool stopped;

	if (kill(pid, SIGSTOP))
		return false;
	stopped = GS_UNTIL(all_stopped(pid));
	return !kill(pid, SIGCONT) && stopped;
}

static struct {
	int	tell, told;
} stopper;

int gs_stopper_start(void)
{
	pid_t pid = getpid(), child;
	int in[2], out[2];
	char c;

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return -errno;
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(in[1]);
		close(out[0]);
		while (read(in[0], &c, 1) == 1) {
			c = stop_and_continue(pid);
			if (write(out[1], &c, 1) != 1)
				break;
		}
		_exit(0);
	}
	close(in[0]);
	close(out[1]);
	stopper.tell = in[1];
	stopper.told = out[0];
	return child < 0 ? -errno : 0;
}

int gs_stop_and_continue(void)
{
	char done = 0;

	if (write(stopper.tell, "", 1) != 1)
		return -errno;
	while (read(stopper.told, &done, 1) < 0)
		if (errno != EINTR)
			return -errno;
	return done ? 0 : -ETIMEDOUT;
}

int gs_refcnt(void)
{
	FILE *f = fopen("/sys/module/gsched/refcnt", "re");
	int n, got;

	if (!f)
		return -errno;
	got = fscanf(f, "%d", &n);
	fclose(f);
	return got == 1 ? n : -EIO;
}

int gs_write_file(const char *path, const char *text)
{
	size_t size = strlen(text);
	int fd = open(path, O_WRONLY | O_CLOEXEC | (size ? 0 : O_TRUNC)), err = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, size);
	if (n != (ssize_t)size)
		err = n < 0 ? -errno : -EIO;
	close(fd);
	return err;
}
