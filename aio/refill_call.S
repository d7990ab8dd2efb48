/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A system call that fills the processor's return stack again, which the
 * kernel has left full of its own: eight calls that nobody returns from, so
 * that the returns of the program that follow find something to be predicted
 * by.  Only for x86-64; why and when it is used: refill.h.
 *
 * long aiorefill_call(long a, long b, long c, long d, long e, long f,
 *		       long number): what the kernel says, -errno included.
 * Touches no more stack than 64 bytes below its return address, and can be
 * unwound at each instruction.  Any thread.  Source: syscall(2), the System V
 * ABI (AMD64), AMD's and Intel's manuals on return prediction and CET.
 */
#if defined(__x86_64__) && !defined(__ILP32__)
	.text
	.p2align 6
	.globl	aiorefill_call
	.hidden	aiorefill_call
	.type	aiorefill_call, @function
aiorefill_call:
	.cfi_startproc
	endbr64
	movq	%rcx, %r10
	movq	8(%rsp), %rax
	syscall
	.rept	8
	call	771f
	.cfi_adjust_cfa_offset 8
	int3				/* whoever speculates stops here */
771:
	.endr
	/* Under a shadow stack that has eight entries more, too, now.  Else,
	 * and on processors without one, rdsspq leaves rcx as it is. */
	xorl	%ecx, %ecx
	rdsspq	%rcx
	testq	%rcx, %rcx
	jz	772f
	movl	$8, %ecx
	incsspq	%rcx
772:
	addq	$64, %rsp
	.cfi_adjust_cfa_offset -64
	ret
	.cfi_endproc
	.size	aiorefill_call, . - aiorefill_call

	/* To the linker: it keeps what IBT and shadow stacks want. */
	.section .note.gnu.property, "a", @note
	.p2align 3
	.long	4, 16, 5		/* sizes, NT_GNU_PROPERTY_TYPE_0 */
	.asciz	"GNU"
	.long	0xc0000002, 4, 3, 0	/* x86 feature 1: IBT and SHSTK */
#endif
	.section .note.GNU-stack, "", %progbits
