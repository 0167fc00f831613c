// SPDX-License-Identifier: GPL-2.0
/*
 * Each thing that a call needs and may not get, missing in turn: the n-th allocation, or copy from
 * or to user space, that a thread makes fails, for n from 1 on until the call makes fewer.
 * The call then fails with ENOMEM or EFAULT, or does without. After ENOMEM nothing has changed: the
 * same call succeeds. Whatever happened, the domain can be closed and a new one made. That nothing
 * leaks is for the kernel to say (kmemleak), and that nothing is kept for the unloading.
 *
 * Needs a kernel with fault injection, so it is no part of the collection.
 */
#include "gsched_util.h"

#include "kselftest_harness.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define MOST_STEPS	2000	/* far more than any call makes */
#define ROUNDS		3
#define NR_P		2
#define MAX_P		64
#define STACKS		4
#define STACK_SHIFT	16

/* The @nth of what follows fails in this thread; 0: nothing does. */
static bool fail_nth(unsigned int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", nth);
	return !gs_write_file("/proc/thread-self/fail-nth", text);
}

/* Has it come to that? */
static bool has_failed(void)
{
	char text[16] = "";
	int fd = open("/proc/thread-self/fail-nth", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	return n > 0 && !atoi(text);
}

/* ---- What is made to fail; each is preceded by the ones before it in its list ---- */

struct scene {
	struct gs	gs;
	char		*stacks;
	__u32		m;
};

typedef int (*step)(struct scene *s);

static int do_open(struct scene *s)
{
	s->gs.fd = gs_open();
	return s->gs.fd < 0 ? s->gs.fd : 0;
}

static int do_setup(struct scene *s)
{
	s->gs.setup = (struct gsched_setup) {
		.size = sizeof(s->gs.setup), .nr_p = NR_P, .max_p = MAX_P, .max_m = GS_MAX_M,
	};
	return gs_ioctl(s->gs.fd, GSCHED_IOC_SETUP, &s->gs.setup);
}

static int do_map(struct scene *s)
{
	return gs_map(&s->gs);
}

static int do_map_stacks(struct scene *s)
{
	s->stacks = mmap(NULL, STACKS << STACK_SHIFT, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 s->gs.fd, GSCHED_STACKS(STACK_SHIFT, 1));
	return s->stacks == MAP_FAILED ? -errno : 0;
}

/* The last page of each stack, read and then written; a fault that got no memory is tried again. */
static int do_touch_stacks(struct scene *s)
{
	unsigned int i;

	for (i = 1; i <= STACKS; i++) {
		volatile char *top = s->stacks + (i << STACK_SHIFT) - 1;

		*top += 1;
	}
	return 0;
}

static int do_register(struct scene *s)
{
	return gs_register(&s->gs, 0, &s->m);
}

static int do_acquire(struct scene *s)
{
	return gs_acquire(&s->gs, UINT64_MAX);
}

static int do_release(struct scene *s)
{
	return gs_release(&s->gs);
}

static int do_resize(struct scene *s)
{
	return gs_resize(&s->gs, MAX_P);
}

static int do_stop(struct scene *s)
{
	return gs_stop(&s->gs, UINT64_MAX, NULL);
}

static int do_start(struct scene *s)
{
	return gs_start(&s->gs);
}

static int do_tune(struct scene *s)
{
	return gs_slice(&s->gs, 10 * GS_MS);
}

static int do_info(struct scene *s)
{
	struct gsched_info_domain info;

	return gs_info(&s->gs, GSCHED_INFO_DOMAIN, 0, &info, sizeof(info));
}

static int do_unregister(struct scene *s)
{
	return gs_unregister(&s->gs);
}

static const step life[] = {
	do_open, do_setup, do_map, do_map_stacks, do_touch_stacks, do_tune, do_register, do_acquire,
	do_stop, do_resize, do_start, do_info, do_release, do_unregister,
};

/* From nothing to before @last, without a fault; 0, or -errno */
static int prepare(struct scene *s, step last)
{
	unsigned int i;
	int ret = 0;

	memset(s, 0, sizeof(*s));
	s->gs.fd = -1;
	s->stacks = MAP_FAILED;
	for (i = 0; !ret && life[i] != last; i++)
		ret = life[i](s);
	return ret;
}

/* The end of a domain unregisters the thread, maps or no maps. */
static void clean_up(struct scene *s)
{
	if (s->gs.status) {
		munmap(s->gs.status, s->gs.setup.status_size);
		munmap(s->gs.hint, s->gs.setup.hint_size);
	}
	if (s->stacks != MAP_FAILED)
		munmap(s->stacks, STACKS << STACK_SHIFT);
	if (s->gs.fd >= 0)
		close(s->gs.fd);
}

FIXTURE(fail) {
	struct scene scene;
};

FIXTURE_VARIANT(fail) {
	step step;
};

#define VARIANT(name) FIXTURE_VARIANT_ADD(fail, name) { .step = do_##name }

VARIANT(open);
VARIANT(setup);
VARIANT(map);
VARIANT(map_stacks);
VARIANT(touch_stacks);
VARIANT(tune);
VARIANT(register);
VARIANT(acquire);
VARIANT(stop);
VARIANT(resize);
VARIANT(start);
VARIANT(info);
VARIANT(release);
VARIANT(unregister);

/* Allocations that may wait fail like the others, and the log is not told. */
FIXTURE_SETUP(fail)
{
	ASSERT_EQ(0, gs_write_file(DEBUGFS "failslab/ignore-gfp-wait", "N"));
	ASSERT_EQ(0, gs_write_file(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N"));
	ASSERT_EQ(0, gs_write_file(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N"));
	ASSERT_EQ(0, gs_write_file(DEBUGFS "fail_page_alloc/min-order", "0"));
	ASSERT_EQ(0, gs_write_file(DEBUGFS "failslab/verbose", "0"));
	ASSERT_EQ(0, gs_write_file(DEBUGFS "fail_page_alloc/verbose", "0"));
	ASSERT_EQ(0, gs_write_file(DEBUGFS "fail_usercopy/verbose", "0"));
}

FIXTURE_TEARDOWN(fail)
{
}

/*
 * One after the other, what the call needs is missing, and it says so and no more. The allocator
 * asks for a page now and then, which shifts the numbers of all that comes behind: so more than
 * once.
 */
TEST_F_TIMEOUT(fail, each_in_turn, 240)
{
	unsigned int round, nth, refused = 0, times = 0;
	bool failed;
	int ret;

	for (round = 0; round < ROUNDS; round++) {
		failed = true;
		for (nth = 1; failed; nth++) {
			ASSERT_GT(MOST_STEPS, nth);
			ASSERT_EQ(0, prepare(&self->scene, variant->step));
			ASSERT_TRUE(fail_nth(nth));
			ret = variant->step(&self->scene);
			failed = has_failed();
			ASSERT_TRUE(fail_nth(0));
			if (!failed)
				EXPECT_EQ(0, ret);
			times += failed;
			refused += !!ret;
			if (ret && ret != -EFAULT) {
				EXPECT_EQ(-ENOMEM, ret);
				EXPECT_EQ(0, variant->step(&self->scene));
			}
			clean_up(&self->scene);
		}
	}
	TH_LOG("%u times, %u refused", times, refused);
}

TEST_HARNESS_MAIN
