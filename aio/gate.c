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
 *		plus KERNEL for each thread in the kernel or about to enter;
 *		plus LOST once a reader did not come back
 *	reader	the thread that reads the ring; 0: none
 *
 *	read	if state is OPEN: reader 0 -> me, by compare-and-swap; then if
 *		state is still OPEN, I may read; else `short'
 *	done	reader = 0
 *	short	state += KERNEL, then reader = 0: too few events wait
 *	enter	state += KERNEL, then wait while another thread is the reader
 *	leave	state -= KERNEL, after the system call
 *	open	state += OPEN		close	state -= OPEN, then wait
 *likewise
 *
 * Exclusion: `read' writes reader and then looks at state; `enter' writes
 * state and then looks at reader, all four sequentially consistent, so at
 * least one sees the other: the reader steps back without having touched the
 * ring, or the other waits for it.  From `enter' or `short' to `leave' state
 * is not OPEN, so no reader starts; and there is but one reader word.
 * Progress: a reader copies to the caller's memory, which may fault, but it
 * makes no system call and waits for nobody; no new reader comes in between.
 * No wake-up is lost: while a thread sleeps in the kernel all others go there,
 * too, so nobody takes events behind the back of a sleeper.
 * Order: `done' and `short' release what the reader did, `enter' and `read'
 * acquire it; `leave' releases what the kernel did in that thread's name,
 * `read' acquires it.  tests/unit/test_gate_model.c explores every
 * interleaving of these steps.
 *
 * Threads that never come back cost only speed.  One that left the kernel by
 * longjmp stays counted, so nobody reads that ring again.  For one that was
 * reading (it was cancelled, left by longjmp, or its signal handler waits for
 * others) `enter' waits LOST_NAPS naps, about a second; then it marks the gate
 * LOST, for good, and nobody waits again.  A reader looks at OPEN once more
 * before it commits, so a late one drops its copy.  What is left: a reader
 * that is stopped for that second, or whose handler forks, between this look
 * and the next instruction, the commit; and a handler that has its reader's
 * own context destroyed: the ring is gone when it returns.
 *
 * Signals: a handler may call io_getevents() while its own thread reads.
 * Waiting for itself would never end, so it enters at once, and the reader
 * it interrupted commits by a compare-and-swap of head, finds that the kernel
 * has moved it, drops its copy and enters the kernel as well.  (Unless the
 * handler read exactly a ring's worth, which brings head back.)  A handler may
 * also fork: the child's gate is wiped, so its reader finds it not OPEN.
 *
 * Lookup: a radix tree over the page numbers of addresses, as in a page
 * table; three loads find the gate of an address, and no two addresses share
 * one.  A gate stays when its context is destroyed, so a late caller touches
 * no freed memory.  The tree is in MADV_WIPEONFORK memory: a child, however
 * it was made, finds it empty, so that it leaves its parent's rings alone,
 * while contexts of its own work.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "libaio_ext.h"
#include "ring.h"
#include "sys.h"
#include "trace.h"

#define OPEN 1u
#define LOST 2u
#define KERNEL 4u
#define LOST_NAPS 10000

/* A cache line each, as contexts of different threads lie side by side. */
struct aioring_gate {
	uintptr_t reader;
	unsigned state;
} __attribute__((aligned(64)));

#define PAGE_BITS 12
#define LEAF_BITS 9
#define MID_BITS 14
#define TOP_BITS 13

struct leaf {
	struct aioring_gate gate[1 << LEAF_BITS];
};

struct mid {
	struct leaf *leaf[1 << MID_BITS];
};

struct top {
	struct mid *mid[1 << TOP_BITS];
};

static struct top *contexts;
static enum {
	UNKNOWN,
	ON,
	OFF
} use_rings;

static uintptr_t myself(void)
{
	return (uintptr_t)pthread_self();
}

/* Make *table; NULL: no memory, or none that a fork wipes. */
static void *table_make(void **table, size_t size)
{
	void *old = NULL, *new = mmap(NULL, size, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (new == MAP_FAILED)
		return NULL;
	/* Release: pairs with the acquire in table_at(). */
	if (!madvise(new, size, MADV_WIPEONFORK) &&
	    __atomic_compare_exchange_n(table, &old, new, 0, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return new;
	munmap(new, size);
	return old;
}

/* The table at this place; if there is none, NULL or, with make, a new one. */
static inline void *table_at(void *place, size_t size, int make)
{
	/* Acquire: pairs with the release in table_make(). */
	void *table = __atomic_load_n((void **)place, __ATOMIC_ACQUIRE);

	return table || !make ? table : table_make(place, size);
}

/* The gate of an address that a ring may have, or NULL. */
static inline struct aioring_gate *gate_of(io_context_t ctx, int make)
{
	uint64_t page = (uint64_t)(uintptr_t)ctx >> PAGE_BITS;
	uint64_t top_index = page >> LEAF_BITS >> MID_BITS;
	struct top *top;
	struct mid *mid;
	struct leaf *leaf;

	if ((uintptr_t)ctx & ((1 << PAGE_BITS) - 1) || top_index >> TOP_BITS)
		return NULL;
	top = table_at(&contexts, sizeof(*top), make);
	if (!top)
		return NULL;
	mid = table_at(&top->mid[top_index], sizeof(*mid), make);
	if (!mid)
		return NULL;
	leaf = table_at(&mid->leaf[page >> LEAF_BITS & ((1 << MID_BITS) - 1)],
			sizeof(*leaf), make);
	return leaf ? &leaf->gate[page & ((1 << LEAF_BITS) - 1)] : NULL;
}

/* Wait while another thread reads; it will not be long. */
static void await_reader(struct aioring_gate *gate)
{
	for (unsigned turns = 0; turns < 100 + LOST_NAPS; turns++) {
		/* Pairs with the swap in `read', and the stores of 0. */
		uintptr_t reader =
			__atomic_load_n(&gate->reader, __ATOMIC_SEQ_CST);

		if (!reader || reader == myself()) /* we are its handler */
			return;
		/* Relaxed: LOST is for good, and tells of nothing else. */
		if (__atomic_load_n(&gate->state, __ATOMIC_RELAXED) & LOST)
			return;
		if (turns < 100)
			aioring_pause();
		else
			aiosys_nap(); /* it has lost its processor */
	}
	/* Pairs with may_commit(). */
	__atomic_fetch_or(&gate->state, LOST, __ATOMIC_SEQ_CST);
}

/* LIBAIO_RING=0 is for the user to say, not for the user of a setuid file. */
static int rings_on(void)
{
	const char *said;

	/* Relaxed: any thread comes to the same answer. */
	if (__atomic_load_n(&use_rings, __ATOMIC_RELAXED) == UNKNOWN) {
		said = secure_getenv("LIBAIO_RING");
		__atomic_store_n(&use_rings,
				 said && !strcmp(said, "0") ? OFF : ON,
				 __ATOMIC_RELAXED);
	}
	return __atomic_load_n(&use_rings, __ATOMIC_RELAXED) == ON;
}

void aioring_open(io_context_t ctx)
{
	struct aioring_gate *gate = NULL;
	int err = errno;

	if (rings_on() && io_ring_usable(ctx))
		gate = gate_of(ctx, 1);
	/* Release: pairs with the acquire of `read'. */
	if (gate)
		__atomic_fetch_or(&gate->state, OPEN, __ATOMIC_RELEASE);
	errno = err; /* no table is no error */
}

/* `close'; 1: it was open. */
static int gate_close(io_context_t ctx)
{
	struct aioring_gate *gate = gate_of(ctx, 0);
	unsigned state;

	if (!gate)
		return 0;
	/* Pairs with the second look of `read'. */
	state = __atomic_fetch_and(&gate->state, ~OPEN, __ATOMIC_SEQ_CST);
	await_reader(gate);
	return state & OPEN ? 1 : 0;
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
	/* Relaxed: contexts that other threads make meanwhile have luck. */
	return __atomic_exchange_n(&use_rings, OFF, __ATOMIC_RELAXED) == ON;
}

/*
 * Not what the kernel would surely answer with EFAULT: below 64 KiB nothing is
 * mapped (vm.mmap_min_addr), and if it were, the kernel will know.
 */
static int in_user_space(const void *start, size_t size)
{
#if defined(__x86_64__) && defined(__LP64__)
	/* Above: not canonical; the page below is never mapped. */
	const uintptr_t end = ((uintptr_t)1 << 47) - 4096;
#else
	const uintptr_t end = ~(uintptr_t)0 >> (sizeof(end) > 4 ? 16 : 0);
#endif

	return (uintptr_t)start >= 65536 && (uintptr_t)start <= end - size;
}

/* With a timeout of zero the kernel does not wait for min_nr either. */
static int is_zero(const struct timespec *timeout)
{
	return timeout && !timeout->tv_sec && !timeout->tv_nsec;
}

/*
 * As the reader, just before the commit: not given up, not closed, and not in
 * the child of a handler's fork?  Pairs with the mark of await_reader().
 */
static int may_commit(const struct aioring_gate *gate)
{
	return (__atomic_load_n(&gate->state, __ATOMIC_SEQ_CST) &
		(OPEN | LOST)) == OPEN;
}

/* As the reader: the events, or AIORING_KERNEL with none taken. */
static int read_ring(const struct aioring_gate *gate, struct aioring *ring,
		     long min_nr, long nr, struct io_event *events,
		     const struct timespec *timeout)
{
	/* Relaxed: the gate has ordered us behind the last reader. */
	unsigned head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
	unsigned next, take = aioring_waiting(ring, head);

	if (take < (unsigned long)min_nr && !is_zero(timeout))
		return AIORING_KERNEL;
	if (take > (unsigned long)nr)
		take = (unsigned)nr;
	if (!take)
		return 0;
	if (!in_user_space(events, take * sizeof(*events)))
		return AIORING_KERNEL;
	next = aioring_copy(ring, head, take, events);
	if (!may_commit(gate))
		return AIORING_KERNEL;
	/* Release: pairs with the kernel's load of head, which frees slots. */
	return __atomic_compare_exchange_n(&ring->head, &head, next, 0,
					   __ATOMIC_RELEASE, __ATOMIC_RELAXED)
		       ? (int)take
		       : AIORING_KERNEL;
}

/* `read'; 0: somebody else is in the way. */
static int gate_read(struct aioring_gate *gate, uintptr_t me)
{
	uintptr_t none = 0;

	/* Relaxed: only to keep out of the way of those in the kernel. */
	return __atomic_load_n(&gate->state, __ATOMIC_RELAXED) == OPEN &&
	       /* Pairs with await_reader(), and with the stores of 0. */
	       __atomic_compare_exchange_n(&gate->reader, &none, me, 0,
					   __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* `done' and the end of `short'.  Release: pairs with await_reader(). */
static void gate_unread(struct aioring_gate *gate)
{
	__atomic_store_n(&gate->reader, 0, __ATOMIC_RELEASE);
}

/* The beginning of `enter' and `short'.  Pairs with gate_is_ours(). */
static void gate_count(struct aioring_gate *gate)
{
	__atomic_fetch_add(&gate->state, KERNEL, __ATOMIC_SEQ_CST);
}

/* The second look of `read'.  Pairs with gate_count() and aioring_leave(). */
static int gate_is_ours(const struct aioring_gate *gate)
{
	return __atomic_load_n(&gate->state, __ATOMIC_SEQ_CST) == OPEN;
}

static void gate_enter(struct aioring_gate *gate)
{
	gate_count(gate);
	await_reader(gate);
}

struct aioring_gate *aioring_enter(io_context_t ctx)
{
	struct aioring_gate *gate = gate_of(ctx, 0);

	if (gate)
		gate_enter(gate);
	return gate;
}

void aioring_leave(struct aioring_gate *gate)
{
	/* `leave'.  Release: pairs with gate_is_ours(). */
	if (gate)
		__atomic_fetch_sub(&gate->state, KERNEL, __ATOMIC_RELEASE);
}

/* What the kernel would answer with an error, it gets to see. */
static int arguments_good(long min_nr, long nr, const struct timespec *timeout)
{
	return min_nr >= 0 && min_nr <= nr &&
	       (!timeout || in_user_space(timeout, sizeof(*timeout)));
}

int aioring_take(io_context_t ctx, long min_nr, long nr,
		 struct io_event *events, const struct timespec *timeout,
		 struct aioring_gate **gatep)
{
	struct aioring_gate *gate = gate_of(ctx, 0);
	int got = AIORING_KERNEL;

	*gatep = gate;
	if (!gate)
		return got;
	if (!arguments_good(min_nr, nr, timeout) ||
	    !gate_read(gate, myself())) {
		gate_enter(gate);
		return got;
	}
	if (gate_is_ours(gate))
		got = read_ring(gate, (struct aioring *)ctx, min_nr, nr, events,
				timeout);
	if (got == AIORING_KERNEL)
		gate_count(gate);
	gate_unread(gate);
	if (got > 0)
		trace_reap(ctx, min_nr, nr, got);
	return got;
}
