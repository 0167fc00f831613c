// SPDX-License-Identifier: GPL-2.0
/*
 * The calls by themselves: each one's success, each of its refusals, and that a refused call
 * changes nothing; the shared pages; who may use a domain at all (protocol 6 and 7).
 */
#include "gsched_util.h"

#include <stddef.h>
#include <sys/socket.h>

#include "kselftest_harness.h"

/* ---- before there is a domain ---- */

struct call {
	const char	*name;
	unsigned long	cmd;
	__u32		size;		/* 0: takes no structure */
	__u32		reserved;	/* offset of __reserved, 0: none */
	int		valid;		/* what it says to an unregistered caller, all else right */
};

static const struct call calls[] = {
	{ "REGISTER", GSCHED_IOC_REGISTER, sizeof(struct gsched_register),
	  offsetof(struct gsched_register, __reserved), 0 },
	{ "UNREGISTER", GSCHED_IOC_UNREGISTER, 0, 0, -ESRCH },
	{ "PARK", GSCHED_IOC_PARK, sizeof(struct gsched_park), 0, -ESRCH },
	{ "UNPARK", GSCHED_IOC_UNPARK, sizeof(struct gsched_unpark),
	  offsetof(struct gsched_unpark, __reserved), -ENOENT },
	{ "WAKE", GSCHED_IOC_WAKE, 0, 0, -EAGAIN },
	{ "SWITCH", GSCHED_IOC_SWITCH, sizeof(struct gsched_switch),
	  offsetof(struct gsched_switch, __reserved), -ESRCH },
	{ "RELEASE", GSCHED_IOC_RELEASE, 0, 0, -ESRCH },
	{ "ACQUIRE", GSCHED_IOC_ACQUIRE, sizeof(struct gsched_acquire), 0, -ESRCH },
	{ "MAKE", GSCHED_IOC_MAKE, sizeof(struct gsched_make),
	  offsetof(struct gsched_make, __reserved), 0 },
	{ "RESIZE", GSCHED_IOC_RESIZE, sizeof(struct gsched_resize),
	  offsetof(struct gsched_resize, __reserved), -ESRCH },
	{ "STOP", GSCHED_IOC_STOP, sizeof(struct gsched_stop), 0, -ESRCH },
	{ "START", GSCHED_IOC_START, 0, 0, -ESRCH },
	{ "PREEMPT", GSCHED_IOC_PREEMPT, sizeof(struct gsched_preempt),
	  offsetof(struct gsched_preempt, __reserved), -ENOENT },
	{ "TUNE", GSCHED_IOC_TUNE, sizeof(struct gsched_tune), 0, 0 },
	{ "INFO", GSCHED_IOC_INFO, sizeof(struct gsched_info),
	  offsetof(struct gsched_info, __reserved), 0 },
};

/*
 * Room for every structure and a tail a later kernel might know; its size comes first, its flags
 * second.
 */
union any {
	__u32	word[32];
	char	byte[128];
};

static void fill(union any *arg, const struct call *call, __u32 size)
{
	memset(arg, 0, sizeof(*arg));
	arg->word[0] = size;
	/* No such M, and a deadline long past: whatever goes through does nothing and returns. */
	if (call->cmd == GSCHED_IOC_UNPARK || call->cmd == GSCHED_IOC_SWITCH ||
	    call->cmd == GSCHED_IOC_PREEMPT)
		arg->word[2] = GS_MAX_M - 1;
}

static int with_size(int fd, const struct call *call, __u32 size)
{
	union any arg;

	fill(&arg, call, size);
	return gs_ioctl(fd, call->cmd, &arg);
}

/* As it must be called */
static int call_it(int fd, const struct call *call)
{
	return call->size ? with_size(fd, call, call->size) : gs_ioctl(fd, call->cmd, NULL);
}

static void setup_args(struct gsched_setup *s)
{
	memset(s, 0, sizeof(*s));
	s->size = sizeof(*s);
	s->nr_p = 2;
	s->max_p = 4;
	s->max_m = 8;
}

/* Protocol 6: until SETUP has made the domain, every other call is refused with ENXIO. */
TEST(enxio_before_setup)
{
	int fd = gs_open();
	size_t i;

	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		EXPECT_EQ(-ENXIO, call_it(fd, &calls[i]))
			TH_LOG("%s", calls[i].name);
	}
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, GSCHED_MMAP_STATUS));
	close(fd);
}

/* SETUP reports the defaults it chose and where the arrays stand, in ranges that hold them. */
TEST(setup_says_where_things_are)
{
	struct gsched_setup s = { .size = sizeof(s), .nr_p = 3 };
	long page = sysconf(_SC_PAGESIZE);
	int fd = gs_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, gs_ioctl(fd, GSCHED_IOC_SETUP, &s));
	EXPECT_EQ(GSCHED_MAX_P, s.max_p);
	EXPECT_EQ(GSCHED_MAX_M, s.max_m);
	EXPECT_EQ(3, s.nr_p);
	EXPECT_EQ(0, s.status_size % page);
	EXPECT_EQ(0, s.hint_size % page);
	EXPECT_LE(sizeof(struct gsched_status), s.p_status_offset);
	EXPECT_LE(s.p_status_offset + s.max_p * sizeof(struct gsched_p_status), s.status_size);
	EXPECT_LE(s.m_status_offset + s.max_m * sizeof(struct gsched_m_status), s.status_size);
	EXPECT_LE(sizeof(struct gsched_hint), s.p_hint_offset);
	EXPECT_LE(s.p_hint_offset + s.max_p * sizeof(struct gsched_p_hint), s.hint_size);
	EXPECT_LE(s.m_hint_offset + s.max_m * sizeof(struct gsched_m_hint), s.hint_size);
	EXPECT_EQ(0, s.p_status_offset % 64);
	EXPECT_EQ(0, s.m_status_offset % 64);
	EXPECT_EQ(0, s.p_hint_offset % 64);
	EXPECT_EQ(0, s.m_hint_offset % 64);
	close(fd);
}

/*
 * Each field of SETUP out of its range is refused, and the same file may then be set up all the
 * same.
 */
TEST(setup_refuses)
{
	union { struct gsched_setup s; union any any; } u;
	struct gsched_setup *s = &u.s;
	int fd = gs_open();

	ASSERT_LE(0, fd);
#define REFUSED(error, ...) do {					\
	memset(&u, 0, sizeof(u));					\
	setup_args(s);							\
	__VA_ARGS__;							\
	EXPECT_EQ(-(error), gs_ioctl(fd, GSCHED_IOC_SETUP, s))		\
		TH_LOG("%s", #__VA_ARGS__);				\
} while (0)
	REFUSED(EINVAL, s->size = 0);
	REFUSED(EINVAL, s->size = 4);
	REFUSED(EINVAL, s->size = sizeof(*s) - 8);
	REFUSED(E2BIG, s->size = sizeof(*s) + 8; u.any.byte[sizeof(*s)] = 1);
	REFUSED(E2BIG, s->size = 1U << 30);
	REFUSED(EINVAL, s->flags = 1);
	REFUSED(EINVAL, s->flags = 1U << 31);
	REFUSED(EINVAL, s->nr_p = 0);
	REFUSED(EINVAL, s->nr_p = s->max_p + 1);
	REFUSED(EINVAL, s->max_p = GSCHED_MAX_P + 1);
	REFUSED(EINVAL, s->max_m = GSCHED_MAX_M + 1);
	REFUSED(EINVAL, s->spare = 65);
#undef REFUSED
	EXPECT_EQ(-EFAULT, gs_ioctl(fd, GSCHED_IOC_SETUP, NULL));
	EXPECT_EQ(-EFAULT, gs_ioctl(fd, GSCHED_IOC_SETUP, (void *)8));
	memset(&u, 0, sizeof(u));
	setup_args(s);
	s->size = sizeof(*s) + 8;
	EXPECT_EQ(0, gs_ioctl(fd, GSCHED_IOC_SETUP, s));
	EXPECT_EQ(4, s->max_p);
	EXPECT_EQ(8, s->max_m);
	close(fd);
}

/* One file is one domain: a second SETUP is EBUSY. */
TEST(setup_once)
{
	struct gsched_setup s;
	int fd = gs_open();

	ASSERT_LE(0, fd);
	setup_args(&s);
	ASSERT_EQ(0, gs_ioctl(fd, GSCHED_IOC_SETUP, &s));
	setup_args(&s);
	EXPECT_EQ(-EBUSY, gs_ioctl(fd, GSCHED_IOC_SETUP, &s));
	close(fd);
}

/* Protocol 7: a device that exec would leave open makes no domain. */
TEST(setup_needs_cloexec)
{
	int fd = open(GS_DEVICE, O_RDWR);
	struct gsched_setup s;

	ASSERT_LE(0, fd);
	setup_args(&s);
	EXPECT_EQ(-EINVAL, gs_ioctl(fd, GSCHED_IOC_SETUP, &s));
	close(fd);
}

/* ---- refusals ---- */

FIXTURE(api) {
	struct gs gs;
	struct gs_m m[3];
};

FIXTURE_SETUP(api)
{
	ASSERT_EQ(0, gs_make_domain(&self->gs, 2, 0));
}

FIXTURE_TEARDOWN(api)
{
	close(self->gs.fd);
}

/* Two readings of a domain that differ in counts of calls, never in the state of anything. */
static bool same_state(struct gsched_info_domain a, struct gsched_info_domain b)
{
	return a.nr_p == b.nr_p && a.nr_m == b.nr_m && a.nidle == b.nidle &&
	       a.nwaiting == b.nwaiting && a.nparked == b.nparked && a.nprivate == b.nprivate &&
	       a.making == b.making && a.wanted == b.wanted && a.handoffs == b.handoffs &&
	       a.grants_waiting == b.grants_waiting && a.grants_parked == b.grants_parked &&
	       a.switches == b.switches && a.permits == b.permits;
}

/*
 * Sizes, flags, reserved fields and pointers are looked at before anything else is done (protocol
 * 6).
 */
TEST_F(api, every_call_checks_its_structure)
{
	struct gsched_info_domain before;
	int fd = self->gs.fd;
	union any arg;
	__u32 id;
	size_t i;

	ASSERT_EQ(0, gs_register(&self->gs, 0, &id));
	before = gs_counts(&self->gs);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct call *c = &calls[i];

		if (!c->size)
			continue;
		EXPECT_EQ(-EINVAL, with_size(fd, c, 0)) TH_LOG("%s", c->name);
		EXPECT_EQ(-EINVAL, with_size(fd, c, 4)) TH_LOG("%s", c->name);
		EXPECT_EQ(-EINVAL, with_size(fd, c, c->size - 4)) TH_LOG("%s", c->name);
		EXPECT_EQ(-E2BIG, with_size(fd, c, 1U << 30)) TH_LOG("%s", c->name);
		fill(&arg, c, c->size + 8);
		arg.byte[c->size + 7] = 1;
		EXPECT_EQ(-E2BIG, gs_ioctl(fd, c->cmd, &arg)) TH_LOG("%s", c->name);
		fill(&arg, c, c->size);
		arg.word[1] = 1U << 31;
		EXPECT_EQ(-EINVAL, gs_ioctl(fd, c->cmd, &arg)) TH_LOG("%s", c->name);
		fill(&arg, c, c->size);
		if (c->reserved) {
			*(__u32 *)(arg.byte + c->reserved) = 1;
			EXPECT_EQ(-EINVAL, gs_ioctl(fd, c->cmd, &arg)) TH_LOG("%s", c->name);
		}
		EXPECT_EQ(-EFAULT, gs_ioctl(fd, c->cmd, NULL)) TH_LOG("%s", c->name);
		EXPECT_EQ(-EFAULT, gs_ioctl(fd, c->cmd, (void *)8)) TH_LOG("%s", c->name);
	}
	EXPECT_TRUE(same_state(before, gs_counts(&self->gs)));
	EXPECT_EQ(GSCHED_M_FREE, gs_m_info(&self->gs, id).state);
}

/* A structure that ends in zeroes this kernel does not know is taken as the one it knows. */
TEST_F(api, a_longer_structure_of_zeroes_is_the_same)
{
	size_t i;

	for (i = 1; i < ARRAY_SIZE(calls); i++) {
		const struct call *c = &calls[i];

		if (!c->size)
			continue;
		EXPECT_EQ(c->valid, with_size(self->gs.fd, c, c->size + 8)) TH_LOG("%s", c->name);
	}
	EXPECT_EQ(0, with_size(self->gs.fd, &calls[0], calls[0].size + 8));
	EXPECT_EQ(0, gs_unregister(&self->gs));
}

/* A call without a structure takes 0 and nothing else. */
TEST_F(api, a_call_without_structure_takes_zero)
{
	char something;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].size)
			continue;
		EXPECT_EQ(-EINVAL, gs_ioctl(self->gs.fd, calls[i].cmd, &something))
			TH_LOG("%s", calls[i].name);
	}
}

/*
 * Calls on the calling M are ESRCH for a thread that is none; the others do their work for any
 * thread.
 */
TEST_F(api, esrch_unless_registered)
{
	size_t i;

	for (i = 1; i < ARRAY_SIZE(calls); i++) {
		EXPECT_EQ(calls[i].valid, call_it(self->gs.fd, &calls[i]))
			TH_LOG("%s", calls[i].name);
	}
}

/* What does not exist is ENOTTY, with our letter or another's. */
TEST_F(api, enotty)
{
	EXPECT_EQ(-ENOTTY, gs_ioctl(self->gs.fd, _IO(GSCHED_IOC_TYPE, 0x90), NULL));
	EXPECT_EQ(-ENOTTY, gs_ioctl(self->gs.fd, _IO(GSCHED_IOC_TYPE, 0xff), NULL));
	EXPECT_EQ(-ENOTTY, gs_ioctl(self->gs.fd, _IO('H', 0x80), NULL));
	EXPECT_EQ(-ENOTTY, gs_ioctl(self->gs.fd, _IOW(GSCHED_IOC_TYPE, 0x83, __u64), NULL));
}

/* What a domain is tuned to at first; TUNE changes what its flags name and nothing else. */
TEST_F(api, tune)
{
	struct gsched_tune tune = {
		.size = sizeof(tune), .p = 1, .cpu = 0, .policy_ns = 5000, .slice_ns = 1000000,
		.policy = GSCHED_POLICY_AFTER, .grace_ns = 200000, .spare = 3,
		.flags = GSCHED_TUNE_SLICE | GSCHED_TUNE_GRACE | GSCHED_TUNE_POLICY |
			 GSCHED_TUNE_CPU | GSCHED_TUNE_SPARE,
	};
	struct gsched_setup s = { .size = sizeof(s), .nr_p = 1, .max_p = 1, .max_m = 1 };
	struct gsched_info_p p = gs_p(&self->gs, 1), other;
	struct gs fresh = { .fd = gs_open() };
	struct gsched_info_domain d;
	int fd = self->gs.fd;

	ASSERT_LE(0, fresh.fd);
	ASSERT_EQ(0, gs_ioctl(fresh.fd, GSCHED_IOC_SETUP, &s));
	d = gs_counts(&fresh);
	EXPECT_EQ(10 * GS_MS, d.slice_ns);
	EXPECT_EQ(1 * GS_MS, d.grace_ns);
	close(fresh.fd);
	EXPECT_EQ(GSCHED_POLICY_ADAPTIVE, p.policy);
	EXPECT_EQ(20000, p.policy_ns);
	EXPECT_EQ(GSCHED_CPU_ANY, p.cpu);

	ASSERT_EQ(0, gs_ioctl(fd, GSCHED_IOC_TUNE, &tune));
	d = gs_counts(&self->gs);
	p = gs_p(&self->gs, 1);
	other = gs_p(&self->gs, 0);
	EXPECT_EQ(1000000, d.slice_ns);
	EXPECT_EQ(200000, d.grace_ns);
	EXPECT_EQ(3, d.wanted);
	EXPECT_EQ(GSCHED_POLICY_AFTER, p.policy);
	EXPECT_EQ(5000, p.policy_ns);
	EXPECT_EQ(0, p.cpu);
	EXPECT_EQ(GSCHED_POLICY_ADAPTIVE, other.policy);
	EXPECT_EQ(GSCHED_CPU_ANY, other.cpu);

	tune = (struct gsched_tune) { .size = sizeof(tune), .flags = GSCHED_TUNE_GRACE };
	ASSERT_EQ(0, gs_ioctl(fd, GSCHED_IOC_TUNE, &tune));
	d = gs_counts(&self->gs);
	EXPECT_EQ(1000000, d.slice_ns);
	EXPECT_EQ(100000, d.grace_ns);
	EXPECT_EQ(GSCHED_POLICY_AFTER, gs_p(&self->gs, 1).policy);
}

/* TUNE of what is out of range, meaningless or not selected changes nothing at all. */
TEST_F(api, tune_refuses)
{
	struct gsched_info_domain before = gs_counts(&self->gs), after;
	struct gsched_tune tune;

#define REFUSED(err, ...) do {						\
	tune = (struct gsched_tune) { .size = sizeof(tune), __VA_ARGS__ };	\
	EXPECT_EQ(-(err), gs_ioctl(self->gs.fd, GSCHED_IOC_TUNE, &tune))	\
		TH_LOG("%s", #__VA_ARGS__);				\
} while (0)
	REFUSED(EINVAL, .slice_ns = 1000000);
	REFUSED(EINVAL, .grace_ns = 1000000);
	REFUSED(EINVAL, .policy = GSCHED_POLICY_NOW);
	REFUSED(EINVAL, .policy_ns = 20000);
	REFUSED(EINVAL, .p = 1);
	REFUSED(EINVAL, .cpu = GSCHED_CPU_ANY);
	REFUSED(EINVAL, .spare = 1);
	REFUSED(EINVAL, .flags = GSCHED_TUNE_SLICE, .slice_ns = 499999);
	REFUSED(EINVAL, .flags = GSCHED_TUNE_SLICE, .slice_ns = 100000001);
	REFUSED(EINVAL, .flags = GSCHED_TUNE_SLICE, .slice_ns = 1000000, .p = 1);
	REFUSED(EINVAL, .flags = GSCHED_TUNE_GRACE, .grace_ns = 99999);
	REFUSED(EINVAL, .flags = GSCHED_TUNE_GRACE, .grace_ns = GSCHED_FOREVER);
	REFUSED(EINVAL, .flags = GSCHED_TUNE_POLICY, .policy = GSCHED_POLICY_ASKED + 1);
	REFUSED(EINVAL, .flags = GSCHED_TUNE_POLICY, .policy = GSCHED_POLICY_AFTER);
	REFUSED(EINVAL, .flags = GSCHED_TUNE_POLICY, .policy_ns = 999);
	REFUSED(EINVAL, .flags = GSCHED_TUNE_POLICY, .policy_ns = 10000001);
	REFUSED(EINVAL, .flags = GSCHED_TUNE_POLICY, .policy = GSCHED_POLICY_NOW,
		.policy_ns = 20000);
	REFUSED(ENOENT, .flags = GSCHED_TUNE_POLICY, .p = self->gs.setup.max_p);
	REFUSED(ENOENT, .flags = GSCHED_TUNE_CPU, .p = GSCHED_P_ALL - 1);
	REFUSED(EINVAL, .flags = GSCHED_TUNE_CPU, .cpu = 1U << 30);
	REFUSED(EINVAL, .flags = GSCHED_TUNE_SPARE, .spare = 65);
	REFUSED(EINVAL, .flags = GSCHED_TUNE_SPARE | GSCHED_TUNE_GRACE, .spare = 1, .grace_ns = 1);
#undef REFUSED
	after = gs_counts(&self->gs);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

/* Flags a call does have, in combinations that mean nothing: EINVAL, and the P is kept. */
TEST_F(api, park_refuses)
{
	struct gsched_park park;
	struct gsched_info_m before;
	__u32 id;

	ASSERT_EQ(0, gs_register(&self->gs, 0, &id));
	ASSERT_EQ(0, gs_acquire(&self->gs, 0));
	before = gs_m_info(&self->gs, id);
#define REFUSED(...) do {						\
	park = (struct gsched_park) { .size = sizeof(park) };		\
	__VA_ARGS__;							\
	EXPECT_EQ(-EINVAL, gs_ioctl(self->gs.fd, GSCHED_IOC_PARK, &park))	\
		TH_LOG("%s", #__VA_ARGS__);				\
} while (0)
	REFUSED(park.flags = 1U << 2);
	REFUSED(park.word = 1);
	REFUSED(park.expected = 1);
	REFUSED(park.flags = GSCHED_PARK_COMPARE; park.word = GSCHED_PARK_WORDS);
	REFUSED(park.flags = GSCHED_PARK_COMPARE; park.word = ~0U);
#undef REFUSED
	EXPECT_EQ(GSCHED_M_ON, gs_m_info(&self->gs, id).state);
	EXPECT_EQ(before.p, gs_m_info(&self->gs, id).p);
	EXPECT_EQ(before.p, GSCHED_M_P(GS_LOAD(self->gs.ms[id].word)));
}

/* ---- success, where nothing sleeps; park_test has the rest ---- */

/* REGISTER gives an id, a FREE M and its record; UNREGISTER ends all of it. */
TEST_F(api, register_and_unregister)
{
	struct gs *gs = &self->gs;
	struct gsched_info_m info;
	__u32 id;

	ASSERT_EQ(0, gs_register(gs, 0, &id));
	EXPECT_GT(gs->setup.max_m, id);
	info = gs_m_info(gs, id);
	EXPECT_EQ(GSCHED_M_FREE, info.state);
	EXPECT_EQ((__u32)gettid(), info.tid);
	EXPECT_EQ(0, info.p);
	EXPECT_EQ(0, info.flags);
	EXPECT_EQ(1, gs_counts(gs).nr_m);
	EXPECT_EQ(1, GS_LOAD(gs->status->nr_m));
	EXPECT_EQ(0, GS_LOAD(gs->ms[id].word));
	EXPECT_EQ(0, gs_unregister(gs));
	EXPECT_EQ(0, gs_counts(gs).nr_m);
	EXPECT_EQ(-ENOENT, gs_info(gs, GSCHED_INFO_M, id, &info, sizeof(info)));
	EXPECT_EQ(-ENOENT, gs_unpark(gs, id));
	EXPECT_EQ(-ESRCH, gs_unregister(gs));
}

/* UNREGISTER of an M that holds a P hands that P on: here to nobody. */
TEST_F(api, unregister_gives_the_p_back)
{
	struct gs *gs = &self->gs;
	__u32 id;

	ASSERT_EQ(0, gs_register(gs, 0, &id));
	ASSERT_EQ(0, gs_acquire(gs, 0));
	EXPECT_EQ(1, GS_LOAD(gs->status->nidle));
	ASSERT_EQ(0, gs_unregister(gs));
	EXPECT_EQ(2, GS_LOAD(gs->status->nidle));
	EXPECT_EQ(GSCHED_P_IDLE, gs_p(gs, 0).state);
	EXPECT_EQ(GSCHED_P_IDLE, gs_p(gs, 1).state);
}

/*
 * An M that holds a P gets 0 from ACQUIRE, without one it gets an IDLE P; word, count and INFO
 * agree.
 */
TEST_F(api, acquire_and_release)
{
	struct gs *gs = &self->gs;
	__u64 count, word;
	__u32 id, p;

	ASSERT_EQ(0, gs_register(gs, 0, &id));
	EXPECT_EQ(0, gs_release(gs));
	ASSERT_EQ(0, gs_acquire(gs, 0));
	word = GS_LOAD(gs->ms[id].word);
	ASSERT_NE(0, GSCHED_M_P(word));
	EXPECT_EQ(0, word & GSCHED_M_LOST_P);
	p = GSCHED_M_P(word) - 1;
	count = GS_LOAD(gs->ps[p].count);
	EXPECT_EQ(GSCHED_P_WORD(GSCHED_P_RUNNING, id), GS_LOAD(gs->ps[p].word));
	EXPECT_EQ(GSCHED_P_RUNNING, gs_p(gs, p).state);
	EXPECT_EQ(id, gs_p(gs, p).m);
	EXPECT_EQ(count, gs_p(gs, p).count);
	EXPECT_EQ(GSCHED_M_ON, gs_m_info(gs, id).state);
	EXPECT_EQ(p + 1, gs_m_info(gs, id).p);
	EXPECT_EQ(0, gs_acquire(gs, GSCHED_FOREVER));
	EXPECT_EQ(word, GS_LOAD(gs->ms[id].word));
	EXPECT_EQ(count, GS_LOAD(gs->ps[p].count));
	EXPECT_EQ(0, gs_release(gs));
	EXPECT_EQ(0, GS_LOAD(gs->ms[id].word));
	EXPECT_EQ(GSCHED_M_FREE, gs_m_info(gs, id).state);
	EXPECT_EQ(GSCHED_P_IDLE, gs_p(gs, p).state);
	EXPECT_EQ(0, gs_release(gs));
	ASSERT_EQ(0, gs_acquire(gs, 0));
	p = GSCHED_M_P(GS_LOAD(gs->ms[id].word)) - 1;
	EXPECT_LT(0, GS_LOAD(gs->ps[p].count));
}

/* A thread is one M: a second REGISTER is EBUSY, here and in another domain of the process. */
TEST_F(api, register_twice)
{
	struct gs other;
	__u32 id, again;

	ASSERT_EQ(0, gs_make_domain(&other, 1, 0));
	ASSERT_EQ(0, gs_register(&self->gs, 0, &id));
	EXPECT_EQ(-EBUSY, gs_register(&self->gs, 0, &again));
	EXPECT_EQ(-EBUSY, gs_register(&other, 0, &again));
	EXPECT_EQ(1, gs_counts(&self->gs).nr_m);
	EXPECT_EQ(0, gs_counts(&other).nr_m);
	close(other.fd);
}

/*
 * To another domain's calls on the calling M, an M is a stranger: ESRCH, and it stays what it was.
 */
TEST_F(api, m_of_another_domain)
{
	struct gs other;
	__u32 id;

	ASSERT_EQ(0, gs_make_domain(&other, 1, 0));
	ASSERT_EQ(0, gs_register(&self->gs, 0, &id));
	ASSERT_EQ(0, gs_acquire(&self->gs, 0));
	EXPECT_EQ(-ESRCH, gs_park(&other, 0, 0));
	EXPECT_EQ(-ESRCH, gs_acquire(&other, 0));
	EXPECT_EQ(-ESRCH, gs_release(&other));
	EXPECT_EQ(-ESRCH, gs_switch(&other, GSCHED_M_OLDEST));
	EXPECT_EQ(-ESRCH, gs_unregister(&other));
	EXPECT_EQ(GSCHED_M_ON, gs_m_info(&self->gs, id).state);
	EXPECT_EQ(1, gs_counts(&other).nidle);
	close(other.fd);
}

static long do_register_at(struct gs_m *m, __u64 fd, __u64 b)
{
	struct gs at = { .fd = fd };
	__u32 id;

	return gs_register(&at, 0, &id);
}

/* The M after the last that fits is EUSERS; when one goes, there is room again. */
TEST_F(api, eusers)
{
	struct gsched_setup s;
	int fd = gs_open(), i;

	ASSERT_LE(0, fd);
	setup_args(&s);
	s.max_m = 2;
	ASSERT_EQ(0, gs_ioctl(fd, GSCHED_IOC_SETUP, &s));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, gs_m_start(&self->gs, &self->m[i]));
		ASSERT_EQ(0, gs_m_do(&self->m[i], gs_do_unregister, 0, 0));
	}
	EXPECT_EQ(0, gs_m_do(&self->m[0], do_register_at, fd, 0));
	EXPECT_EQ(0, gs_m_do(&self->m[1], do_register_at, fd, 0));
	EXPECT_EQ(-EUSERS, gs_m_do(&self->m[2], do_register_at, fd, 0));
	/* Its id comes back when its thread has been seen to end. */
	gs_m_ask(&self->m[1], gs_do_exit, 0, 0);
	gs_m_join(&self->m[1]);
	EXPECT_TRUE(GS_UNTIL(gs_m_do(&self->m[2], do_register_at, fd, 0) == 0));
	close(fd);
}

/* MAKE counts up and down, never below zero and never past the Ms there may be. */
TEST_F(api, make)
{
	struct gs *gs = &self->gs;

	EXPECT_EQ(0, gs_make(gs, 3));
	EXPECT_EQ(3, gs_counts(gs).making);
	EXPECT_EQ(-EINVAL, gs_make(gs, -4));
	EXPECT_EQ(-EINVAL, gs_make(gs, GS_MAX_M));
	EXPECT_EQ(-EINVAL, gs_make(gs, INT32_MAX));
	EXPECT_EQ(-EINVAL, gs_make(gs, INT32_MIN));
	EXPECT_EQ(3, gs_counts(gs).making);
	EXPECT_EQ(0, gs_make(gs, -3));
	EXPECT_EQ(0, gs_counts(gs).making);
}

/*
 * INFO cuts a record off or fills it up with zeroes, says its true length, and knows what is not
 * there.
 */
TEST_F(api, info)
{
	struct gsched_info arg;
	struct gs *gs = &self->gs;
	__u64 buf[64];

#define INFO(w, i, bytes) ({						\
	arg = (struct gsched_info) { .size = sizeof(arg), .what = (w),	\
		.index = (i), .buf = (uintptr_t)buf, .buf_size = (bytes) };	\
	memset(buf, 0xaa, sizeof(buf));					\
	gs_ioctl(gs->fd, GSCHED_IOC_INFO, &arg);			\
})
	EXPECT_EQ(0, INFO(GSCHED_INFO_DOMAIN, 0, sizeof(buf)));
	EXPECT_EQ(sizeof(struct gsched_info_domain), arg.buf_size);
	EXPECT_EQ(2, ((struct gsched_info_domain *)buf)->nr_p);
	EXPECT_EQ(0, buf[sizeof(struct gsched_info_domain) / 8]);
	EXPECT_EQ(0, buf[63]);
	EXPECT_EQ(0, INFO(GSCHED_INFO_DOMAIN, 0, 4));
	EXPECT_EQ(sizeof(struct gsched_info_domain), arg.buf_size);
	EXPECT_EQ(0xaaaaaaaa00000002ULL, buf[0]);
	EXPECT_EQ(0, INFO(GSCHED_INFO_P, 1, sizeof(buf)));
	EXPECT_EQ(sizeof(struct gsched_info_p), arg.buf_size);
	EXPECT_EQ(-ENOENT, INFO(GSCHED_INFO_P, 2, sizeof(buf)));
	EXPECT_EQ(-ENOENT, INFO(GSCHED_INFO_P, ~0U, sizeof(buf)));
	EXPECT_EQ(-ENOENT, INFO(GSCHED_INFO_M, 0, sizeof(buf)));
	EXPECT_EQ(-ENOENT, INFO(GSCHED_INFO_M, GS_MAX_M, sizeof(buf)));
	EXPECT_EQ(-ENOENT, INFO(GSCHED_INFO_M, ~0U, sizeof(buf)));
	EXPECT_EQ(0, INFO(GSCHED_INFO_HIST, GSCHED_HIST_EXCESS, sizeof(buf)));
	EXPECT_EQ(sizeof(struct gsched_info_hist), arg.buf_size);
	EXPECT_EQ(-ENOENT, INFO(GSCHED_INFO_HIST, GSCHED_HIST_EXCESS + 1, sizeof(buf)));
	EXPECT_EQ(-EINVAL, INFO(GSCHED_INFO_HIST + 1, 0, sizeof(buf)));
	EXPECT_EQ(-EINVAL, INFO(~0U, 0, sizeof(buf)));
#undef INFO
	EXPECT_EQ(-EFAULT, gs_info(gs, GSCHED_INFO_P, 0, (void *)8, 16));
}

/* ---- the shared pages ---- */

static void *map_status(struct gs *gs, int prot, int flags)
{
	return mmap(NULL, gs->setup.status_size, prot, flags, gs->fd, GSCHED_MMAP_STATUS);
}

/* Protocol 7: user space never gets to write the status pages. */
TEST_F(api, status_is_read_only)
{
	struct gs *gs = &self->gs;

	EXPECT_EQ(MAP_FAILED, map_status(gs, PROT_READ | PROT_WRITE, MAP_SHARED));
	EXPECT_EQ(MAP_FAILED, map_status(gs, PROT_WRITE, MAP_SHARED));
	EXPECT_EQ(-1, mprotect(gs->status, gs->setup.status_size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
}

/* Both ranges are shared or not mapped at all. */
TEST_F(api, no_private_mappings)
{
	struct gs *gs = &self->gs;

	EXPECT_EQ(MAP_FAILED, map_status(gs, PROT_READ, MAP_PRIVATE));
	EXPECT_EQ(MAP_FAILED, map_status(gs, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, gs->setup.hint_size, PROT_READ | PROT_WRITE, MAP_PRIVATE,
				   gs->fd, GSCHED_MMAP_HINT));
}

/* A range ends where SETUP said; there is nothing between them. */
TEST_F(api, mmap_refuses)
{
	long page = sysconf(_SC_PAGESIZE);
	struct gs *gs = &self->gs;

	EXPECT_EQ(MAP_FAILED, mmap(NULL, gs->setup.status_size + page, PROT_READ, MAP_SHARED,
				   gs->fd, GSCHED_MMAP_STATUS));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, gs->setup.hint_size + page, PROT_READ, MAP_SHARED,
				   gs->fd, GSCHED_MMAP_HINT));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page, PROT_READ, MAP_SHARED, gs->fd,
				   GSCHED_MMAP_STATUS + gs->setup.status_size));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page, PROT_READ, MAP_SHARED, gs->fd,
				   GSCHED_MMAP_HINT + gs->setup.hint_size));
	EXPECT_EQ(MAP_FAILED, mremap(gs->hint, gs->setup.hint_size, gs->setup.hint_size + page,
				     MREMAP_MAYMOVE));
}

/* What one mapping of a range shows, every other shows too, and they go one by one. */
TEST_F(api, a_second_mapping_is_the_same_memory)
{
	struct gs again = self->gs;

	ASSERT_EQ(0, gs_map(&again));
	ASSERT_NE((void *)again.hint, (void *)self->gs.hint);
	GS_STORE(self->gs.hint->park[7], 42);
	EXPECT_EQ(42, GS_LOAD(again.hint->park[7]));
	EXPECT_EQ(2, GS_LOAD(again.status->nr_p));
	EXPECT_EQ(2, GS_LOAD(again.status->nidle));
	EXPECT_EQ(0, munmap(again.status, again.setup.status_size));
	EXPECT_EQ(0, munmap(again.hint, again.setup.hint_size));
	EXPECT_EQ(42, GS_LOAD(self->gs.hint->park[7]));
}

/* ---- strangers ---- */

/*
 * Everything a process that is not the domain's could try; how many of them were not refused as
 * they must be.
 */
static int trespass(struct gs *gs)
{
	int wrong = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		if (call_it(gs->fd, &calls[i]) != -EXDEV) {
			fprintf(stderr, "# %s is not EXDEV\n", calls[i].name);
			wrong++;
		}
	}
	if (map_status(gs, PROT_READ, MAP_SHARED) != MAP_FAILED || errno != EXDEV) {
		fprintf(stderr, "# mmap is not EXDEV\n");
		wrong++;
	}
	if (!(gs_poll(gs, 0) & POLLERR)) {
		fprintf(stderr, "# poll has no POLLERR\n");
		wrong++;
	}
	return wrong;
}

static int exit_status(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/*
 * A child of fork has neither the domain nor its pages, and its going does not hurt the parent's.
 */
TEST_F(api, fork_is_a_stranger)
{
	struct gs *gs = &self->gs;
	unsigned char vec;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		int wrong = trespass(gs);

		wrong += mincore(gs->status, 4096, &vec) != -1 || errno != ENOMEM;
		wrong += mincore(gs->hint, 4096, &vec) != -1 || errno != ENOMEM;
		close(gs->fd);
		_exit(wrong);
	}
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(-ESRCH, gs_acquire(gs, 0));
	EXPECT_EQ(2, gs_counts(gs).nidle);
}

static int vfork_child(void *arg)
{
	_exit(trespass(arg));
}

/*
 * Nor has a process that shares the memory, as a vfork child or by CLONE_VM without CLONE_THREAD.
 */
TEST_F(api, vfork_is_a_stranger)
{
	static union { char room[64 * 1024]; long double align; } stack;
	pid_t pid;

	pid = clone(vfork_child, &stack + 1, CLONE_VM | CLONE_VFORK | SIGCHLD, &self->gs);
	ASSERT_LE(0, pid);
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(2, gs_counts(&self->gs).nidle);
}

static int send_fd(int sock, int fd)
{
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int sock)
{
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* Nor has a process that was handed the descriptor: a domain is its opener's. */
TEST(a_passed_descriptor_is_a_strangers)
{
	struct gs gs;
	int sock[2];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct gs theirs = { .fd = receive_fd(sock[1]), .setup.status_size = 4096 };

		_exit(theirs.fd < 0 ? 100 : trespass(&theirs));
	}
	ASSERT_EQ(0, gs_make_domain(&gs, 2, 0));
	ASSERT_EQ(0, send_fd(sock[0], gs.fd));
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(2, gs_counts(&gs).nidle);
}

/* A file handed over before SETUP is no domain of the receiver's either. */
TEST(a_stranger_cannot_set_up)
{
	struct gsched_setup s;
	int fd = gs_open();
	pid_t pid;

	ASSERT_LE(0, fd);
	setup_args(&s);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(gs_ioctl(fd, GSCHED_IOC_SETUP, &s) != -EXDEV);
	EXPECT_EQ(0, exit_status(pid));
	EXPECT_EQ(0, gs_ioctl(fd, GSCHED_IOC_SETUP, &s));
}

TEST_HARNESS_MAIN
