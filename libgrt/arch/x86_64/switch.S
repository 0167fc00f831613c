/* SPDX-License-Identifier: MIT */
/*
 * Switching stacks on x86-64.
 *
 * A context that does not run is a frame on its own stack, and the stack pointer to it:
 *
 *	sp + 48		return address
 *	sp + 40		rbp
 *	sp + 32		rbx
 *	sp + 24		r12
 *	sp + 16		r13
 *	sp + 8		r14
 *	sp		r15
 *
 * The control words of SSE and x87 are not saved: they belong to the thread. All three functions
 * keep the same frame on both sides of the change of stacks, so the unwind information holds on
 * either side. Leaving by ret lets the processor predict the return: all who park are called from
 * the same depth.
 */
#include "offsets.h"

	.macro	FUNCTION name
	.globl	\name
	.hidden	\name
	.type	\name, @function
	.balign	16
\name:
	.endm

	.macro	SAVE reg
	pushq	\reg
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset \reg, 0
	.endm

	.macro	RESTORE reg
	popq	\reg
	.cfi_adjust_cfa_offset -8
	.cfi_restore \reg
	.endm

	.macro	SAVE_ALL
	SAVE	%rbp
	SAVE	%rbx
	SAVE	%r12
	SAVE	%r13
	SAVE	%r14
	SAVE	%r15
	.endm

	.text

/* void grt_mcall(struct g *gp, void (*fn)(struct g *gp), struct g *g0) */
FUNCTION grt_mcall
	.cfi_startproc
	endbr64
	SAVE_ALL
	movq	%rsp, G_SCHED_SP(%rdi)
	movq	G_SCHED_SP(%rdx), %rsp		/* the frame that grt_g0call left */
	subq	$8, %rsp			/* calls want 16-byte alignment */
	.cfi_adjust_cfa_offset 8
	call	*%rsi
	ud2
	.cfi_endproc
	.size	grt_mcall, . - grt_mcall

/* void grt_g0call(struct g *g0, void (*fn)(struct g *g0)) */
FUNCTION grt_g0call
	.cfi_startproc
	endbr64
	SAVE_ALL
	movq	%rsp, G_SCHED_SP(%rdi)
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	*%rsi
	ud2
	.cfi_endproc
	.size	grt_g0call, . - grt_g0call

/* void grt_gogo(struct g *gp) */
FUNCTION grt_gogo
	.cfi_startproc
	endbr64
	movq	G_SCHED_SP(%rdi), %rsp
	.cfi_def_cfa_offset FRAME_SIZE
	.cfi_rel_offset %r15, 0
	.cfi_rel_offset %r14, 8
	.cfi_rel_offset %r13, 16
	.cfi_rel_offset %r12, 24
	.cfi_rel_offset %rbx, 32
	.cfi_rel_offset %rbp, 40
	RESTORE	%r15
	RESTORE	%r14
	RESTORE	%r13
	RESTORE	%r12
	RESTORE	%rbx
	RESTORE	%rbp
	ret
	.cfi_endproc
	.size	grt_gogo, . - grt_gogo

/*
 * The outermost frame of every goroutine. The first context of a goroutine returns to goexit + 1:
 * unwinders look up the byte before a return address, which must lie in here.
 */
FUNCTION goexit
	.cfi_startproc
	.cfi_undefined %rip
	nop
	call	gostart
	ud2
	.cfi_endproc
	.size	goexit, . - goexit

	.section .note.GNU-stack, "", @progbits
