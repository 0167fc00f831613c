// SPDX-License-Identifier: GPL-2.0
/*
 * stackmap.c - guarded stacks: the fault handler of a private mapping
 *
 * A private mapping of the device at GSCHED_STACKS() is a row of stacks, any number of them in one
 * VMA. It is empty to begin with. A guard page stays so: whoever touches it gets SIGSEGV. Any other
 * page is the kernel's zero page once it is read and an anonymous page of the process once it is
 * written, from where on it is like all other memory: charged, swapped, copied by fork.
 *
 * What a page is follows from its offset alone. That moves with the page wherever munmap, mprotect,
 * mremap or fork split, move, merge and copy the VMA, so none of them needs a word from here, and
 * no domain is looked at: a mapping works on when the domain is closed, and in a child.
 *
 * Rejected: guards made by mprotect, which split the VMA twice a stack and end at vm.max_map_count;
 * a page of ours mapped for readers, whose counts a process could make overflow, and which a core
 * dump would write out where the zero page leaves a hole; the zero page as what a first write
 * copies, for all processors would meet at its lock.
 */

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/topology.h>

#include "gsched.h"

/* An offset: guard pages, 5 bits of stride, 35 bits of position, as GSCHED_STACKS() has it. */
#define STACKMAP_POSITION_BITS	35
#define STACKMAP_GUARD_BITS	40
#define STACKMAP_MIN_SHIFT	12
#define STACKMAP_MAX_SHIFT	30

static_assert(GSCHED_STACKS(STACKMAP_MIN_SHIFT, 1) == GSCHED_MMAP_STACKS);
static_assert(GSCHED_STACKS_MAX == BIT_ULL(STACKMAP_POSITION_BITS));
static_assert(GSCHED_MMAP_STACKS == BIT_ULL(STACKMAP_GUARD_BITS));

/*
 * Zeroes to copy from, a page for each processor: a fault locks the page it copies, and one page
 * would have all processors wait, asleep, for each other.
 */
static DEFINE_PER_CPU(struct page *, stackmap_zeroes);

static u64 stackmap_guard(u64 offset)
{
	return (offset >> STACKMAP_GUARD_BITS) << PAGE_SHIFT;
}

static unsigned int stackmap_shift(u64 offset)
{
	return STACKMAP_MIN_SHIFT + ((offset >> STACKMAP_POSITION_BITS) & 31);
}

static u64 stackmap_position(u64 offset)
{
	return offset & (GSCHED_STACKS_MAX - 1);
}

/* A stride out of bounds is where a mapping was grown to what no mmap would have given. */
static bool stackmap_is_guard(u64 offset)
{
	unsigned int shift = stackmap_shift(offset);

	return shift > STACKMAP_MAX_SHIFT ||
	       (offset & (BIT_ULL(shift) - 1)) < stackmap_guard(offset);
}

static vm_fault_t stackmap_fault(struct vm_fault *vmf)
{
	if (stackmap_is_guard((u64)vmf->pgoff << PAGE_SHIFT))
		return VM_FAULT_SIGSEGV;
	if (!(vmf->flags & FAULT_FLAG_WRITE))
		return compat_insert_zero_page(vmf);
	/* The fault has its new page already, to copy into; it may move to another processor. */
	vmf->page = raw_cpu_read(stackmap_zeroes);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct stackmap_vm_ops = {
	.fault = stackmap_fault,
};

/**
 * stackmap_mmap() - map guarded stacks
 * @vma: of the current process, at an offset from GSCHED_MMAP_STACKS on
 *
 * Whole stacks only, from any stack of the row on: so one that was unmapped can be put back, and
 * merges with its neighbours.
 *
 * Return: 0, -EINVAL.
 */
int stackmap_mmap(struct vm_area_struct *vma)
{
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 length = vma->vm_end - vma->vm_start;
	unsigned int shift = stackmap_shift(offset);
	u64 position = stackmap_position(offset);

	/* VM_SHARED is off for a shared mapping of a file that is open for reading only. */
	if (vma->vm_flags & (VM_SHARED | VM_MAYSHARE))
		return -EINVAL;
	if (shift > STACKMAP_MAX_SHIFT || stackmap_guard(offset) >= BIT_ULL(shift))
		return -EINVAL;
	if ((position | length) & (BIT_ULL(shift) - 1) || length > GSCHED_STACKS_MAX - position)
		return -EINVAL;
	vma->vm_ops = &stackmap_vm_ops;
	return 0;
}

/**
 * stackmap_module_exit() - free what stackmap_module_init() made, also of half an init
 */
void stackmap_module_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		if (per_cpu(stackmap_zeroes, cpu))
			__free_page(per_cpu(stackmap_zeroes, cpu));
}

/**
 * stackmap_module_init() - make the pages of zeroes
 *
 * Return: 0, -ENOMEM.
 */
int stackmap_module_init(void)
{
	struct page *page;
	int cpu;

	for_each_possible_cpu(cpu) {
		page = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
		if (!page) {
			stackmap_module_exit();
			return -ENOMEM;
		}
		per_cpu(stackmap_zeroes, cpu) = page;
	}
	return 0;
}
