/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What touches the ring on behalf of io_getevents(), as restartable sequences:
 * if the kernel takes the processor away, delivers a signal, or is asked to by
 * aiosys_abort_all() before the last instruction of one, the thread goes on at
 * its end, and nothing was done.  So nobody is ever stopped in the midst.
 * On other processors than x86-64 there are none, and each io_getevents() is
 * the system call.
 * Source: rseq in include/uapi/linux/rseq.h and kernel/rseq.c; membarrier(2);
 * "Restartable Sequences" in glibc's manual (2.35 and newer register threads).
 */
#ifndef KAIO_RESTART_H
#define KAIO_RESTART_H

#include <stddef.h>

#include "contexts.h"
#include "ring.h"

/* What a reader wants.  Its address, in the reader's frame, is his name. */
struct aioring_wish {
	unsigned long min_nr;	 /* if there are fewer: nothing */
	unsigned long nr;	 /* at most */
	unsigned long room;	 /* if it would be more: nothing */
	struct io_event *events; /* it may fault, for as long as it likes */
};

#if defined(__x86_64__) && defined(__LP64__) && defined(__linux__)

extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned __rseq_size __attribute__((weak));

/* Does the C library register its threads? */
static inline int aioring_can_restart(void)
{
	return &__rseq_size && &__rseq_offset && __rseq_size;
}

/*
 * The beginning: a descriptor, what follows an abort, and the first step.  A
 * signal frame shows the thread where an abort sends it.  That is inside of
 * the function, whose unwind table a cancelled thread, a debugger or a
 * profiler needs to find the callers.
 */
#define AIORING_SEQUENCE \
	".pushsection .data.rel.ro.aioring, \"aw\"\n\t" \
	".balign 32\n" \
	"30:\t.long 0, 0\n\t" /* version, flags */ \
	".quad 31f, 39f - 31f, 32f\n\t" \
	".popsection\n\t" \
	"cmpl $0, %%fs:4(%[rseq])\n\t" /* is this thread registered? */ \
	"jge 38f\n\t" \
	"jmp 33f\n\t" \
	".byte 0x0f, 0xb9, 0x3d\n\t" /* ud1, with the signature */ \
	".long 0x53053053\n" \
	"32:\tjmp 33f\n" \
	"38:\tlea 30b(%%rip), %[head]\n\t" \
	"mov %[head], %%fs:8(%[rseq])\n" \
	"31:\n\t"

/*
 * 1: the gate is open, and the ring is empty; 0: no, or it is not known.
 * Pairs with aioring_close().
 */
static inline int aioring_attempt_look(const struct aioring_gate *gate,
				       const struct aioring *ring)
{
	unsigned long head;
	unsigned empty;

	__asm__ volatile("xor %[empty], %[empty]\n\t" AIORING_SEQUENCE
			 "testl %[open], %c[at_state](%[gate])\n\t"
			 "jz 33f\n\t"
			 "mov %c[at_head](%[ring]), %k[head]\n\t"
			 "cmp %c[at_tail](%[ring]), %k[head]\n"
			 "39:\tsete %b[empty]\n"
			 "33:\tmovq $0, %%fs:8(%[rseq])\n\t"
			 : [head] "=&r"(head), [empty] "=&q"(empty)
			 : [gate] "r"(gate), [ring] "r"(ring),
			   [rseq] "r"(__rseq_offset), [open] "i"(AIORING_OPEN),
			   [at_state] "i"(offsetof(struct aioring_gate, state)),
			   [at_head] "i"(offsetof(struct aioring, head)),
			   [at_tail] "i"(offsetof(struct aioring, tail))
			 : "memory", "cc");
	return (int)empty;
}

/* May this reader take?  Then what it takes, or nothing. */
#define AIORING_COUNT \
	"mov %c[at_state](%[gate]), %k[left]\n\t" \
	"cmp %[open], %k[left]\n\t" \
	"jne 33f\n\t" \
	"cmp %[wish], %c[at_reader](%[gate])\n\t" \
	"jne 33f\n\t" \
	"mov %c[at_slots](%[ring]), %k[slots]\n\t" \
	"mov %c[at_head](%[ring]), %k[head]\n\t" \
	"mov %c[at_tail](%[ring]), %k[take]\n\t" \
	"cmp %k[slots], %k[head]\n\t" /* no kernel writes that */ \
	"jae 33f\n\t" \
	"cmp %k[slots], %k[take]\n\t" \
	"jae 33f\n\t" \
	"sub %k[head], %k[take]\n\t" \
	"jae 34f\n\t" \
	"add %k[slots], %k[take]\n" \
	"34:\tcmp %c[at_min](%[wish]), %[take]\n\t" \
	"jb 33f\n\t" \
	"cmp %c[at_nr](%[wish]), %[take]\n\t" \
	"cmova %c[at_nr](%[wish]), %[take]\n\t" \
	"cmp %c[at_room](%[wish]), %[take]\n\t" \
	"ja 33f\n\t" \
	"test %[take], %[take]\n\t" \
	"jz 39f\n\t"

/* Event by event, around the end of the ring; then commit. */
#define AIORING_COPY \
	"mov %c[at_events](%[wish]), %[to]\n\t" \
	"mov %k[take], %k[left]\n\t" \
	"mov %c[at_first](%[ring]), %k[got]\n\t" \
	"add %[ring], %[got]\n\t" \
	"mov %[head], %[from]\n\t" \
	"shl $5, %[from]\n\t" \
	"add %[got], %[from]\n" \
	"35:\tmovups (%[from]), %%xmm0\n\t" \
	"movups 16(%[from]), %%xmm1\n\t" \
	"movups %%xmm0, (%[to])\n\t" \
	"movups %%xmm1, 16(%[to])\n\t" \
	"add $32, %[from]\n\t" \
	"add $32, %[to]\n\t" \
	"inc %k[head]\n\t" \
	"cmp %k[slots], %k[head]\n\t" \
	"jne 36f\n\t" \
	"xor %k[head], %k[head]\n\t" \
	"mov %[got], %[from]\n" \
	"36:\tdec %k[left]\n\t" \
	"jnz 35b\n\t" \
	"mov %k[head], %c[at_head](%[ring])\n"

/*
 * As the gate's reader: take what is wished for.  Returns how many, or
 * AIORING_KERNEL, with none taken: it was interrupted; state is not just OPEN;
 * this reader has lost his place; or there are too few or too many.
 * Pairs: state, which is loaded before reader, with await_reader() in gate.c;
 * tail, before the events, with smp_wmb() before tail in aio_complete(); head,
 * stored behind all loads, with the kernel's load of head, which frees slots.
 * The processor keeps these orders.
 */
static inline int aioring_attempt_take(const struct aioring_gate *gate,
				       struct aioring *ring,
				       const struct aioring_wish *wish)
{
	unsigned long got, left, head, take, slots, from, to;

	_Static_assert(sizeof(struct io_event) == 32, "as AIORING_COPY has it");
	__asm__ volatile(
		AIORING_SEQUENCE AIORING_COUNT AIORING_COPY
		"39:\tmov %[take], %[got]\n\t"
		"jmp 37f\n"
		"33:\tmov %[kernel], %k[got]\n"
		"37:\tmovq $0, %%fs:8(%[rseq])\n\t"
		: [got] "=&r"(got), [left] "=&r"(left), [head] "=&r"(head),
		  [take] "=&r"(take), [slots] "=&r"(slots), [from] "=&r"(from),
		  [to] "=&r"(to)
		: [gate] "r"(gate), [ring] "r"(ring), [wish] "r"(wish),
		  [rseq] "r"(__rseq_offset), [open] "i"(AIORING_OPEN),
		  [kernel] "i"(AIORING_KERNEL),
		  [at_state] "i"(offsetof(struct aioring_gate, state)),
		  [at_reader] "i"(offsetof(struct aioring_gate, reader)),
		  [at_slots] "i"(offsetof(struct aioring, nr)),
		  [at_head] "i"(offsetof(struct aioring, head)),
		  [at_tail] "i"(offsetof(struct aioring, tail)),
		  [at_first] "i"(offsetof(struct aioring, header_length)),
		  [at_min] "i"(offsetof(struct aioring_wish, min_nr)),
		  [at_nr] "i"(offsetof(struct aioring_wish, nr)),
		  [at_room] "i"(offsetof(struct aioring_wish, room)),
		  [at_events] "i"(offsetof(struct aioring_wish, events))
		: "memory", "cc", "xmm0", "xmm1");
	return (int)got;
}

#else

static inline int aioring_can_restart(void)
{
	return 0;
}

static inline int aioring_attempt_look(const struct aioring_gate *gate,
				       const struct aioring *ring)
{
	(void)gate, (void)ring;
	return 0;
}

static inline int aioring_attempt_take(const struct aioring_gate *gate,
				       struct aioring *ring,
				       const struct aioring_wish *wish)
{
	(void)gate, (void)ring, (void)wish;
	return AIORING_KERNEL;
}

#endif
#endif /* KAIO_RESTART_H */
