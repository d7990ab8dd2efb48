/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The completion ring that io_setup() maps into the process, and the gate in
 * front of each ring of this library's contexts.  An io_context_t is the
 * ring's address.  Atomics are here, in ring.c, gate.c, contexts.[ch],
 * restart.h and refill.[ch] only.
 * Source: struct aio_ring in fs/aio.c (the layout is ABI: libaio's empty-ring
 * check relies on it).
 */
#ifndef KAIO_RING_H
#define KAIO_RING_H

#include "libaio.h"

#define AIORING_MAGIC 0xa10a10a1u
#define AIORING_HIDDEN __attribute__((visibility("hidden")))

struct aioring {
	unsigned id;		    /* the kernel's index of the context */
	unsigned nr;		    /* slots */
	unsigned head;		    /* next slot to read: the consumer's */
	unsigned tail;		    /* next slot to fill: the kernel's */
	unsigned magic;		    /* AIORING_MAGIC */
	unsigned compat_features;   /* 1 today; ignored */
	unsigned incompat_features; /* 0, or the layout is unknown */
	unsigned header_length;	    /* bytes from here to the first event */
};

/* The first event: the header may grow, so only header_length tells. */
static inline const struct io_event *aioring_events(const struct aioring *ring)
{
	return (const void *)((const char *)ring + ring->header_length);
}

/* Events from head on; 0 for indices that no kernel writes. */
static inline unsigned aioring_waiting(const struct aioring *ring,
				       unsigned head)
{
	/* Acquire: pairs with smp_wmb() before tail in aio_complete(). */
	unsigned tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);

	if (head >= ring->nr || tail >= ring->nr)
		return 0;
	return tail >= head ? tail - head : ring->nr - head + tail;
}

/*
 * Copy take events, which wait, from head on; the head behind them.  One at a
 * time is the common case, and not worth two calls of memcpy().
 */
static inline unsigned aioring_copy(const struct aioring *ring, unsigned head,
				    unsigned take, struct io_event *events)
{
	const struct io_event *from = aioring_events(ring);
	unsigned first = ring->nr - head;

	if (take == 1) {
		*events = from[head];
		return first == 1 ? 0 : head + 1;
	}
	if (take < first) {
		memcpy(events, from + head, take * sizeof(*events));
		return head + take;
	}
	memcpy(events, from + head, first * sizeof(*events));
	memcpy(events + first, from, (take - first) * sizeof(*events));
	return take - first;
}

/* Who may read a context's ring now; see gate.c. */
struct aioring_gate;

/*
 * io_setup() has made ctx, or io_destroy() is about to end it: let ring
 * readers in, or turn them out.  A context that
 * was never opened, or whose ring cannot be used, is the kernel's alone.
 */
AIORING_HIDDEN void aioring_open(io_context_t ctx);
AIORING_HIDDEN void aioring_close(io_context_t ctx);

/*
 * A thread is about to enter the kernel's reader, with at most *nr events
 * wanted; give the result (which may be NULL) to aioring_leave() when it is
 * back.  Sets *nr to -1 if ctx is no context: then it must have no events, as
 * it is not counted, and ctx may become a context meanwhile.  Any thread.
 */
AIORING_HIDDEN struct aioring_gate *aioring_enter(io_context_t ctx, long *nr);
AIORING_HIDDEN void aioring_leave(struct aioring_gate *gate);

/*
 * io_getevents() from the ring.  Returns its result; or AIORING_KERNEL, with
 * nothing done: aioring_enter(), and make the system call with the same
 * arguments.  Any thread; a signal handler, too.
 */
#define AIORING_KERNEL (-1)
AIORING_HIDDEN int aioring_take(io_context_t ctx, long min_nr, long nr,
				struct io_event *events,
				const struct timespec *timeout);

/* valgrind preloads its own objects into every program that it runs. */
AIORING_HIDDEN int aioring_under_valgrind(void);

/* Tell the processor that this is a loop that waits for another one. */
static inline void aioring_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif /* KAIO_RING_H */
