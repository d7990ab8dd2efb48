// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading completions from the ring in user space, by one consumer: one
 * acquire, at most two block copies, one store of head, however many events
 * there are.  For any number of consumers see gate.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libaio_ext.h"
#include "ring.h"
#include "trace.h"

int aioring_under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

int io_ring_usable(io_context_t ctx)
{
	const struct aioring *ring = (const struct aioring *)ctx;

	return ring && ring->magic == AIORING_MAGIC &&
	       ring->incompat_features == 0 &&
	       ring->header_length >= sizeof(*ring) &&
	       !aioring_under_valgrind();
}

int io_ring_ready(io_context_t ctx)
{
	const struct aioring *ring = (const struct aioring *)ctx;
	/* Relaxed: it is this consumer's own, or the answer is a guess. */
	unsigned head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);

	return (int)aioring_waiting(ring, head);
}

int io_ring_reap(io_context_t ctx, long nr, struct io_event *events)
{
	struct aioring *ring = (struct aioring *)ctx;
	unsigned head, take;

	if (nr < 0 || !events)
		return -EINVAL;
	/* Relaxed: this consumer is the only writer of head. */
	head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
	take = aioring_waiting(ring, head);
	if (!take)
		return 0;
	if (take > (unsigned long)nr)
		take = (unsigned)nr;
	head = aioring_copy(ring, head, take, events);
	/* Release: pairs with the kernel's load of head, which frees slots. */
	__atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
	trace_reap(ctx, 0, nr, (int)take);
	return (int)take;
}
