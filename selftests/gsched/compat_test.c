// SPDX-License-Identifier: GPL-2.0
/*
 * A program of 32 bits on a kernel of 64: its mappings, whose offsets are numbers of pages there,
 * and its pointers. That all calls work is api_test's, which is built for 32 bits as well; that the
 * structures are the same, layout.h's.
 */
#include "gsched_util.h"

#include <assert.h>

#include "kselftest_harness.h"

static_assert(sizeof(long) == 4, "to be built for 32 bits");

static void *map(size_t size, int prot, int flags, int fd, __u64 offset)
{
	return (void *)syscall(SYS_mmap2, NULL, size, prot, flags, fd, (long)(offset >> 12));
}

FIXTURE(compat) {
	struct gs gs;
};

FIXTURE_SETUP(compat)
{
	ASSERT_EQ(0, gs_make_domain(&self->gs, 2, 0));
}

FIXTURE_TEARDOWN(compat)
{
	close(self->gs.fd);
}

/* Status and hint pages are where mmap2 asks for them, with the rights they have for others. */
TEST_F(compat, shared_pages)
{
	struct gsched_setup *s = &self->gs.setup;
	struct gsched_status *status;
	struct gsched_hint *hint;

	status = map(s->status_size, PROT_READ, MAP_SHARED, self->gs.fd, GSCHED_MMAP_STATUS);
	ASSERT_NE(MAP_FAILED, status);
	EXPECT_EQ(2, status->nr_p);
	hint = map(s->hint_size, PROT_READ | PROT_WRITE, MAP_SHARED, self->gs.fd, GSCHED_MMAP_HINT);
	ASSERT_NE(MAP_FAILED, hint);
	GS_STORE(hint->park[GSCHED_PARK_WORDS - 1], 17);
	EXPECT_EQ(17, GS_LOAD(self->gs.hint->park[GSCHED_PARK_WORDS - 1]));
	EXPECT_EQ(MAP_FAILED, map(s->status_size, PROT_READ | PROT_WRITE, MAP_SHARED, self->gs.fd,
				  GSCHED_MMAP_STATUS));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(0, munmap(status, s->status_size));
	EXPECT_EQ(0, munmap(hint, s->hint_size));
}

/* Rows of stacks are at offsets beyond 32 bits: with the fewest guard pages and with the most. */
TEST_F(compat, stacks)
{
	const unsigned int guards[] = { 1, 15 };
	const size_t stride = 256 * 1024, n = 8;
	int p[2];
	size_t g, i;

	ASSERT_EQ(0, pipe(p));
	for (g = 0; g < ARRAY_SIZE(guards); g++) {
		char *row = map(n * stride, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->gs.fd,
				GSCHED_STACKS(18, guards[g]));

		ASSERT_NE(MAP_FAILED, row);
		for (i = 0; i < n; i++) {
			char *low = row + i * stride + guards[g] * 4096;

			*low = 'x';
			low[stride - guards[g] * 4096 - 1] = 'y';
			EXPECT_EQ(1, write(p[1], low, 1));
			EXPECT_EQ(-1, write(p[1], low - 1, 1));
			EXPECT_EQ(EFAULT, errno);
		}
		EXPECT_EQ(0, munmap(row, n * stride));
	}
}

/* The upper half of a pointer in a record is not lost: it is no memory of such a program. */
TEST_F(compat, pointers)
{
	struct gsched_info_domain rec;
	struct gsched_info arg = { .size = sizeof(arg), .what = GSCHED_INFO_DOMAIN,
		.buf = (uintptr_t)&rec, .buf_size = sizeof(rec) };

	EXPECT_EQ(0, gs_ioctl(self->gs.fd, GSCHED_IOC_INFO, &arg));
	EXPECT_EQ(2, rec.nr_p);
	arg.buf |= 1ULL << 46;
	EXPECT_EQ(-EFAULT, gs_ioctl(self->gs.fd, GSCHED_IOC_INFO, &arg));
}

/* Deadlines have 64 bits, and times in the status pages too. */
TEST_F(compat, deadlines)
{
	__u64 deadline;
	__u32 id;

	ASSERT_EQ(0, gs_register(&self->gs, 0, &id));
	ASSERT_EQ(0, gs_acquire(&self->gs, GSCHED_FOREVER));
	deadline = gs_in_ms(5000) | 1ULL << 32;
	ASSERT_EQ(0, gs_unpark(&self->gs, id));
	EXPECT_EQ(0, gs_park(&self->gs, 0, deadline));
	deadline = gs_in_ms(20);
	EXPECT_EQ(-ETIMEDOUT, gs_park(&self->gs, 0, deadline));
	EXPECT_LE(deadline, gs_now());
	EXPECT_EQ(0, gs_unregister(&self->gs));
}

TEST_HARNESS_MAIN
