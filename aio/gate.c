// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * io_getevents() from the ring, for any number of consumers.
 *
 * The kernel's reader copies events and then stores head under a lock that
 * user space cannot take.  So a ring reader must never run while another
 * thread is inside io_getevents(2) on the same context, nor two ring readers
 * at once.  Each context has a gate of two words:
 *
 *	state	OPEN: it is a context of io_setup(), and its ring is usable;
 *		plus KERNEL for each thread in the kernel or about to enter
 *	reader	who reads the ring: an address in his stack frame; 0: nobody
 *
 *	look	if state has OPEN: is head equal to tail?
 *	read	reader 0 -> me, by compare-and-swap
 *	take	if state is OPEN, and then reader is me: copy, store head
 *	done	reader me -> 0, by compare-and-swap
 *	enter	state += KERNEL; then wait until reader is 0, but not for long:
 *		abort all, then reader, as it was seen, -> 0
 *	leave	state -= KERNEL, after the system call
 *	open	state += OPEN	close	state -= OPEN, then abort all
 *
 * `look' and `take' are restartable sequences (restart.h): `abort all', which
 * is membarrier(2), returns when each that had begun is over or aborted.  No
 * thread is waited for that may not come back: it was preempted or stopped,
 * its handler waits for others, forks or jumps away, it was cancelled, or its
 * events[] faults for as long as it likes.  What it read it has not taken.
 *
 * Exclusion: `read' writes reader and `take' looks at state; `enter' writes
 * state and looks at reader, all four sequentially consistent, so at least
 * one sees the other: the reader goes away without having touched the ring,
 * or the other waits until it is done, or aborts it.  If `take' begins after
 * that and finds state OPEN again, then `leave' was before, and so was the
 * end of its place as the reader, which it therefore finds gone.  Names are
 * unique, as the frame lives, so nobody gives up the place of another.
 * A ring is unmapped after `close' only: who looked or read is aborted, and
 * who comes later finds it not OPEN.
 * No wake-up is lost: while a thread sleeps in the kernel all who take go
 * there, too, so nobody takes events behind the back of a sleeper.
 * No thread is in the kernel without a count: who finds no gate makes one, if
 * the kernel knows the context, which may be opened a moment later.
 * Order: `done' releases what the reader did, `enter' and `read' acquire it;
 * `leave' releases what the kernel did in that thread's name, `take' acquires
 * it.  tests/library/test_gate_model.c explores every interleaving, and
 * test_gate_orders.c what processors that reorder make of these orders.
 *
 * If a filter refuses membarrier(2) after io_setup(), `enter' waits for the
 * reader for as long as it takes, and `close' cannot wait for a `look'.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "contexts.h"
#include "libaio_ext.h"
#include "restart.h"
#include "ring.h"
#include "sys.h"
#include "trace.h"

#define KERNEL 2u
#define SPINS 100

enum use {
	UNKNOWN,
	ON,
	OFF
};

static enum use use_rings;

/* LIBAIO_RING=0 is for the user to say, not for the user of a setuid file. */
static int rings_on(void)
{
	/* Pairs with the store of OFF in aioring_enter(). */
	enum use use = __atomic_load_n(&use_rings, __ATOMIC_SEQ_CST);
	const char *said;

	if (use == UNKNOWN) {
		said = secure_getenv("LIBAIO_RING");
		/* Any thread comes to the same answer, or switches them off. */
		__atomic_compare_exchange_n(
			&use_rings, &use,
			aioring_can_restart() && !(said && !strcmp(said, "0"))
				? ON
				: OFF,
			0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		use = __atomic_load_n(&use_rings, __ATOMIC_SEQ_CST);
	}
	return use == ON;
}

/* Until no reader is left that may have seen the state before ours. */
static void await_reader(struct aioring_gate *gate)
{
	uintptr_t reader;

	/* Pairs with the swaps in gate_read() and gate_done(). */
	for (unsigned turns = 0;
	     (reader = __atomic_load_n(&gate->reader, __ATOMIC_SEQ_CST));
	     turns++) {
		if (turns < SPINS) {
			aioring_pause();
		} else if (!aiosys_abort_all()) {
			/* Pairs with the look at reader in `take'. */
			__atomic_compare_exchange_n(&gate->reader, &reader, 0,
						    0, __ATOMIC_SEQ_CST,
						    __ATOMIC_RELAXED);
			return;
		} else {
			aiosys_nap();
		}
	}
}

void aioring_open(io_context_t ctx)
{
	struct aioring_gate *gate = NULL;

	if (rings_on() && io_ring_usable(ctx) && !aiosys_may_abort())
		gate = aioring_gate_of(ctx, 1);
	/* Once more, as aioring_enter() may have found no gate, and no memory.
	 * Release: pairs with the loads of state in `look' and `take'. */
	if (gate && rings_on())
		__atomic_fetch_or(&gate->state, AIORING_OPEN, __ATOMIC_RELEASE);
}

/* `close'; 1: it was open. */
static int gate_close(io_context_t ctx)
{
	struct aioring_gate *gate = aioring_gate_of(ctx, 0);
	unsigned state;

	if (!gate)
		return 0;
	/* Pairs with the loads of state in `look' and `take'. */
	state = __atomic_fetch_and(&gate->state, ~AIORING_OPEN,
				   __ATOMIC_SEQ_CST);
	if (aiosys_abort_all())
		await_reader(gate);
	return state & AIORING_OPEN ? 1 : 0;
}

void aioring_close(io_context_t ctx)
{
	gate_close(ctx);
}

int io_ring_disable(io_context_t ctx)
{
	if (ctx)
		return gate_close(ctx);
	rings_on();
	/* Contexts that other threads make meanwhile have luck. */
	return __atomic_exchange_n(&use_rings, OFF, __ATOMIC_SEQ_CST) == ON;
}

/* No user's address; the page below is never mapped.  (Of use in 64 bit.) */
#define USER_END (((uintptr_t)1 << (sizeof(uintptr_t) > 4 ? 47 : 31)) - 4096)

/*
 * How many units of size fit into user space from start on; 0: not what the
 * kernel would surely answer with EFAULT.  Below 64 KiB nothing is mapped
 * (vm.mmap_min_addr), and if it were, the kernel will know.
 */
static unsigned long room_at(const void *start, size_t size)
{
	uintptr_t address = (uintptr_t)start;

	return address < 65536 || address > USER_END
		       ? 0
		       : (USER_END - address) / size;
}

/* With a timeout of zero the kernel does not wait for min_nr either. */
static int is_zero(const struct timespec *timeout)
{
	return timeout && !timeout->tv_sec && !timeout->tv_nsec;
}

/* `read'; 0: somebody else is in the way. */
static int gate_read(struct aioring_gate *gate, uintptr_t me)
{
	uintptr_t none = 0;

	/* Relaxed: only to keep out of the way of those in the kernel. */
	return __atomic_load_n(&gate->state, __ATOMIC_RELAXED) ==
		       AIORING_OPEN &&
	       /* Pairs with await_reader(), and with gate_done(). */
	       __atomic_compare_exchange_n(&gate->reader, &none, me, 0,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* `done'; the place may be lost.  Release: pairs with await_reader(). */
static void gate_done(struct aioring_gate *gate, uintptr_t me)
{
	__atomic_compare_exchange_n(&gate->reader, &me, 0, 0, __ATOMIC_RELEASE,
				    __ATOMIC_RELAXED);
}

int aioring_take(io_context_t ctx, long min_nr, long nr,
		 struct io_event *events, const struct timespec *timeout)
{
	struct aioring_gate *gate = aioring_gate_of(ctx, 0);
	struct aioring *ring = (struct aioring *)ctx;
	struct aioring_wish wish;
	int got;

	/* What the kernel would answer with an error, it gets to see.
	 * Relaxed: only so that where no ring is read no pointer is either. */
	if (!gate ||
	    !(__atomic_load_n(&gate->state, __ATOMIC_RELAXED) & AIORING_OPEN) ||
	    min_nr < 0 || min_nr > nr ||
	    (timeout && !room_at(timeout, sizeof(*timeout))))
		return AIORING_KERNEL;
	wish.min_nr = (unsigned long)min_nr;
	if (is_zero(timeout)) {
		if (aioring_attempt_look(gate, ring))
			return 0;
		wish.min_nr = 0;
	}
	wish.nr = (unsigned long)nr;
	wish.room = room_at(events, sizeof(*events));
	wish.events = events;
	if (!gate_read(gate, (uintptr_t)&wish))
		return AIORING_KERNEL;
	got = aioring_attempt_take(gate, ring, &wish);
	if (got == AIORING_KERNEL) /* perhaps only its processor was taken */
		got = aioring_attempt_take(gate, ring, &wish);
	gate_done(gate, (uintptr_t)&wish);
	if (got > 0)
		trace_reap(ctx, min_nr, nr, got);
	return got;
}

struct aioring_gate *aioring_enter(io_context_t ctx, long *nr)
{
	struct aioring_gate *gate = aioring_gate_of(ctx, 0);

	if (!gate && rings_on()) {
		if (aiosys_submit(ctx, 0, NULL) == -EINVAL) {
			*nr = -1;
			return NULL;
		}
		gate = aioring_gate_of(ctx, 1);
		/* Pairs with the second look in aioring_open(). */
		if (!gate)
			__atomic_store_n(&use_rings, OFF, __ATOMIC_SEQ_CST);
	}
	if (!gate) /* once more, as the rings are off only now */
		gate = aioring_gate_of(ctx, 0);
	if (!gate)
		return NULL;
	/* Pairs with the load of state in `take'. */
	__atomic_fetch_add(&gate->state, KERNEL, __ATOMIC_SEQ_CST);
	await_reader(gate);
	return gate;
}

void aioring_leave(struct aioring_gate *gate)
{
	/* Release: pairs with the load of state in `take'. */
	if (gate)
		__atomic_fetch_sub(&gate->state, KERNEL, __ATOMIC_RELEASE);
}
