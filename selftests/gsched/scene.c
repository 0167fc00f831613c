// SPDX-License-Identifier: GPL-2.0
/*
 * The child's half: who does what in the scene, and how it comes to its end. The test's half is at
 * the bottom.
 */
#include "scene.h"

#include <sys/prctl.h>

const char * const scene_names[SCENE_MS] = { "runner", "sleeper", "parker", "loser" };

enum scene_order { SCENE_LOOK, SCENE_DEED, SCENE_END };

struct scene_message {
	enum scene_order	order;
	enum scene_role		role;
	scene_deed		deed;
	__u64			arg;
};

/* ---- in the child ---- */

static struct {
	struct gs		gs;
	struct gs_m		m[SCENE_MS];
	struct scene_show	*show;
	int			sleep_pipe[2], lose_pipe[2];
	bool			end;		/* the runner and the parker come home */
	bool			gone;		/* the runner's thread has ended by a deed */
	scene_deed		deed;		/* for the runner; NULL: none, or done */
	__u64			arg;
	long			ret;
} act;

static __thread int my_role = -1;

static void handler(int sig)
{
	if (my_role < 0)
		return;
	/* At the end it may be FREE, and free to run handlers without a P. */
	if (GS_LOAD(act.gs.ms[act.m[my_role].id].word) & GSCHED_M_LOST_P)
		__atomic_fetch_add(&act.show->lost[my_role], 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&act.show->handled[my_role], 1, __ATOMIC_SEQ_CST);
}

static void handle_all(unsigned int sa_flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = sa_flags };
	int sig;

	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	for (sig = SIGRTMIN; sig <= SIGRTMAX; sig++)
		sigaction(sig, &sa, NULL);
}

static long do_role(struct gs_m *m, __u64 role, __u64 b)
{
	my_role = role;
	act.show->tid[role] = m->tid;
	act.show->id[role] = m->id;
	return 0;
}

static long do_read_one(struct gs_m *m, __u64 fd, __u64 b)
{
	long n;

	do
		n = gs_do_read(m, fd, 0);
	while (n == -EINTR);
	return n;
}

static long do_park_until_end(struct gs_m *m, __u64 a, __u64 b)
{
	long ret;

	do
		ret = gs_park(m->gs, 0, GSCHED_FOREVER);
	while (ret == -EINTR && !GS_LOAD(act.end));
	return ret;
}

static long do_spin(struct gs_m *m, __u64 a, __u64 b)
{
	scene_deed deed;

	while (!GS_LOAD(act.end)) {
		__atomic_fetch_add(&act.show->spins, 1, __ATOMIC_RELAXED);
		deed = GS_LOAD(act.deed);
		if (!deed)
			continue;
		act.ret = deed(m->gs, act.arg);
		act.gone = act.ret == SCENE_GONE;
		GS_STORE(act.deed, NULL);
		if (act.gone)
			pthread_exit(NULL);
	}
	return 0;
}

static bool gathers(void)
{
	struct gs *gs = &act.gs;
	struct gs_m *m = act.m;
	int role;

	if (pipe2(act.sleep_pipe, O_CLOEXEC) || pipe2(act.lose_pipe, O_CLOEXEC) ||
	    gs_make_domain(gs, 2, 0))
		return false;
	for (role = 0; role < SCENE_MS; role++)
		if (gs_m_start(gs, &m[role]) || gs_m_do(&m[role], do_role, role, 0))
			return false;
	if (gs_m_do(&m[SCENE_SLEEPER], gs_do_acquire, 0, 0) ||
	    gs_m_do(&m[SCENE_SLEEPER], gs_do_nopreempt, 1, 0))
		return false;
	gs_m_ask(&m[SCENE_SLEEPER], do_read_one, act.sleep_pipe[0], 0);
	if (gs_m_do(&m[SCENE_LOSER], gs_do_acquire, 0, 0))
		return false;
	gs_m_ask(&m[SCENE_LOSER], do_read_one, act.lose_pipe[0], 0);
	if (gs_m_do(&m[SCENE_RUNNER], gs_do_acquire, gs_in_ms(10000), 0))
		return false;
	gs_m_ask(&m[SCENE_RUNNER], do_spin, 0, 0);
	gs_m_ask(&m[SCENE_PARKER], do_park_until_end, 0, 0);
	return write(act.lose_pipe[1], "", 1) == 1;
}

static bool holds_p(enum scene_role role)
{
	struct gsched_info_m info = gs_m_info(&act.gs, act.m[role].id);

	return info.state == GSCHED_M_ON && info.p;
}

static bool stands(void)
{
	struct gs *gs = &act.gs;
	struct gsched_info_domain d;

	if (!GS_UNTIL(holds_p(SCENE_RUNNER)) || !GS_UNTIL(holds_p(SCENE_SLEEPER)) ||
	    !gs_tid_sleeps(act.m[SCENE_SLEEPER].tid) ||
	    !gs_m_gets(gs, act.m[SCENE_PARKER].id, GSCHED_M_PARKED) ||
	    !gs_m_gets(gs, act.m[SCENE_LOSER].id, GSCHED_M_WAITING))
		return false;
	d = gs_counts(gs);
	act.show->info = d;
	if (d.nr_m == SCENE_MS && d.nidle == 0 && d.nwaiting == 1 && d.nparked == 1)
		return true;
	gs_dump(gs);
	return false;
}

/*
 * A signal, or a freeze, that is gone when the M comes to look leaves it in user mode until a timer
 * sends it back. That it was let out for a signal is counted; there is no other way to be without.
 */
static bool has_p(struct gs_m *m)
{
	return gs_m_saw(m) >= 0 ||
	       (gs_counts(m->gs).excess_signal &&
		GS_UNTIL(!gs_m_do(m, gs_do_nothing, 0, 0) && gs_m_saw(m) >= 0));
}

/* It comes home with a P, and hands that on. A signal may have brought the parker home already. */
static bool comes_home(enum scene_role role, long with)
{
	struct gs_m *m = &act.m[role];
	long ret = gs_m_answer(m);

	if ((ret == with || ret == -EINTR) && has_p(m) &&
	    !gs_m_do(m, gs_do_nopreempt, 0, 0) && !gs_m_do(m, gs_do_release, 0, 0))
		return true;
	fprintf(stderr, "# the %s came home with %ld (not %ld) and P %d\n", scene_names[role],
		ret, with, gs_m_saw(m));
	gs_dump(&act.gs);
	return false;
}

static bool ends(void)
{
	struct gs *gs = &act.gs;
	struct gs_m *m = act.m;
	struct gsched_info_domain d;
	int role;

	/* those that come home wait their turn */
	gs_slice(gs, 10 * GS_MS);
	GS_STORE(act.end, true);
	if (!act.gone && !comes_home(SCENE_RUNNER, 0))
		return false;
	if (!comes_home(SCENE_LOSER, 1) || write(act.sleep_pipe[1], "", 1) != 1 ||
	    !comes_home(SCENE_SLEEPER, 1))
		return false;
	gs_unpark(gs, m[SCENE_PARKER].id);
	if (!comes_home(SCENE_PARKER, 0))
		return false;
	for (role = act.gone ? SCENE_RUNNER + 1 : 0; role < SCENE_MS; role++)
		if (gs_m_do(&m[role], gs_do_unregister, 0, 0))
			return false;
	d = gs_counts(gs);
	act.show->info = d;
	if (d.nr_m == 0 && d.nidle == 2 && d.nwaiting == 0 && d.nparked == 0)
		return true;
	gs_dump(gs);
	return false;
}

static long does(const struct scene_message *msg)
{
	if (msg->role != SCENE_RUNNER)
		return msg->deed(&act.gs, msg->arg);
	act.arg = msg->arg;
	GS_STORE(act.deed, msg->deed);
	return GS_UNTIL(!GS_LOAD(act.deed)) ? act.ret : GS_NO_ANSWER;
}

static void obey(int from, int to)
{
	struct scene_message msg;
	long ret;

	for (;;) {
		/* main() may be given a signal, too */
		do
			ret = read(from, &msg, sizeof(msg));
		while (ret < 0 && errno == EINTR);
		if (ret != sizeof(msg))
			break;
		if (msg.order == SCENE_LOOK)
			ret = stands();
		else if (msg.order == SCENE_END)
			ret = ends();
		else
			ret = does(&msg);
		if (write(to, &ret, sizeof(ret)) != sizeof(ret) || msg.order == SCENE_END)
			break;
	}
}

static void child(int from, int to, struct scene_show *show, const struct scene_opts *opts)
{
	long ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	act.show = show;
	handle_all(opts->sa_flags);
	ret = gathers() && stands();
	if (ret && opts->slices)
		ret = !gs_slice(&act.gs, 10 * GS_MS);
	if (write(to, &ret, sizeof(ret)) == sizeof(ret) && ret)
		obey(from, to);
	_exit(0);
}

/* ---- in the test ---- */

static long answer(struct scene *s)
{
	struct pollfd pfd = { .fd = s->from, .events = POLLIN };
	long ret;

	/* The child has its own patience, a few times over, and says so first. */
	if (poll(&pfd, 1, 4 * GS_PATIENCE_NS / GS_MS) != 1 ||
	    read(s->from, &ret, sizeof(ret)) != sizeof(ret))
		return GS_NO_ANSWER;
	return ret;
}

static void order(struct scene *s, enum scene_order order, enum scene_role role, scene_deed deed,
		  __u64 arg)
{
	struct scene_message msg = { .order = order, .role = role, .deed = deed, .arg = arg };

	if (write(s->to, &msg, sizeof(msg)) != sizeof(msg))
		perror("# scene");
}

bool scene_start(struct scene *s, const struct scene_opts *opts)
{
	int down[2], up[2];

	s->show = mmap(NULL, sizeof(*s->show), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->show == MAP_FAILED || pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC))
		return false;
	s->pid = fork();
	if (!s->pid)
		child(down[0], up[1], s->show, opts);
	close(down[0]);
	close(up[1]);
	s->to = down[1];
	s->from = up[0];
	return s->pid > 0 && answer(s) == 1;
}

bool scene_stands(struct scene *s)
{
	order(s, SCENE_LOOK, SCENE_MS, NULL, 0);
	return answer(s) == 1;
}

bool scene_runs(struct scene *s)
{
	__u64 spins = GS_LOAD(s->show->spins);

	return GS_UNTIL(GS_LOAD(s->show->spins) != spins);
}

bool scene_all_handled(const struct scene *s, __u64 each)
{
	int role;

	for (role = 0; role < SCENE_MS; role++)
		if (GS_LOAD(s->show->handled[role]) != each)
			return false;
	return true;
}

void scene_ask(struct scene *s, enum scene_role role, scene_deed deed, __u64 arg)
{
	order(s, SCENE_DEED, role, deed, arg);
}

long scene_do(struct scene *s, enum scene_role role, scene_deed deed, __u64 arg)
{
	scene_ask(s, role, deed, arg);
	return answer(s);
}

int scene_is_gone(struct scene *s)
{
	int status = -1;

	if (!GS_UNTIL(waitpid(s->pid, &status, WNOHANG) == s->pid))
		return -1;
	return GS_UNTIL(gs_refcnt() == 0) ? status : -1;
}

bool scene_ends_well(struct scene *s)
{
	order(s, SCENE_END, SCENE_MS, NULL, 0);
	return answer(s) == 1 && scene_is_gone(s) == 0;
}
