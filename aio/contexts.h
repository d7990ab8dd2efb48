/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a handle to its gate: a radix tree over the page numbers of addresses,
 * as in a page table.  Three loads find the gate of an address, and no two
 * addresses share one.  A gate stays when its context is destroyed, so a late
 * caller touches no freed memory.  The tree is in MADV_WIPEONFORK memory: a
 * child, however it was made, finds it empty, so that it leaves its parent's
 * rings alone, while contexts of its own work.
 */
#ifndef KAIO_CONTEXTS_H
#define KAIO_CONTEXTS_H

#include <stdint.h>

#include "libaio.h"
#include "ring.h"

#define AIORING_OPEN 1u

/* A cache line each, as contexts of different threads lie side by side. */
struct aioring_gate {
	uintptr_t reader; /* see gate.c */
	unsigned state;	  /* AIORING_OPEN, and a count */
} __attribute__((aligned(64)));

#define AIORING_PAGE_BITS 12
#define AIORING_LEAF_BITS 9
#define AIORING_MID_BITS 14
#define AIORING_TOP_BITS 13

struct aioring_leaf {
	struct aioring_gate gate[1 << AIORING_LEAF_BITS];
};

struct aioring_mid {
	struct aioring_leaf *leaf[1 << AIORING_MID_BITS];
};

struct aioring_top {
	struct aioring_mid *mid[1 << AIORING_TOP_BITS];
};

AIORING_HIDDEN extern struct aioring_top *aioring_contexts;

/* Make a table for *place, or find the one that another thread has made. */
AIORING_HIDDEN void *aioring_make_table(void *place, size_t size);

/* The table at this place; if there is none, NULL or, with make, a new one. */
static inline void *aioring_table(void *place, size_t size, int make)
{
	/* Pairs with the swap in aioring_make_table().  Sequentially consistent
	 * as aioring_enter() looks here behind its store of OFF. */
	void *table = __atomic_load_n((void **)place, __ATOMIC_SEQ_CST);

	return table || !make ? table : aioring_make_table(place, size);
}

/*
 * The gate of ctx, or NULL: none was made; with make: there is no memory, or
 * none that a fork wipes, or no ring has such an address.
 */
static inline struct aioring_gate *aioring_gate_of(io_context_t ctx, int make)
{
	uint64_t page = (uint64_t)(uintptr_t)ctx >> AIORING_PAGE_BITS;
	uint64_t leaf_number = page >> AIORING_LEAF_BITS;
	uint64_t mid_number = leaf_number >> AIORING_MID_BITS;
	struct aioring_top *top;
	struct aioring_mid *mid;
	struct aioring_leaf *leaf;

	if ((uintptr_t)ctx & ((1 << AIORING_PAGE_BITS) - 1) ||
	    mid_number >> AIORING_TOP_BITS)
		return NULL;
	top = aioring_table(&aioring_contexts, sizeof(*top), make);
	if (!top)
		return NULL;
	mid = aioring_table(&top->mid[mid_number], sizeof(*mid), make);
	if (!mid)
		return NULL;
	leaf = aioring_table(
		&mid->leaf[leaf_number & ((1 << AIORING_MID_BITS) - 1)],
		sizeof(*leaf), make);
	return leaf ? &leaf->gate[page & ((1 << AIORING_LEAF_BITS) - 1)] : NULL;
}

#endif /* KAIO_CONTEXTS_H */
