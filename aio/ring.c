// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading completions from the ring in user space: one acquire, at most two
 * block copies, one release, however many events there are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libaio_ext.h"
#include "ring.h"

/* valgrind preloads its own objects into every program that it runs. */
static int under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

int io_ring_usable(io_context_t ctx)
{
	const struct aioring *ring = (const struct aioring *)ctx;

	return ring && ring->magic == AIORING_MAGIC &&
	       ring->incompat_features == 0 &&
	       ring->header_length >= sizeof(*ring) && !under_valgrind();
}

/* The first event: the header may grow, so only header_length tells. */
static const struct io_event *ring_events(const struct aioring *ring)
{
	return (const void *)((const char *)ring + ring->header_length);
}

/* Events between head and tail; 0 for indices that no kernel writes. */
static unsigned ring_waiting(unsigned head, unsigned tail, unsigned nr)
{
	if (head >= nr || tail >= nr)
		return 0;
	return tail >= head ? tail - head : nr - head + tail;
}

int io_ring_reap(io_context_t ctx, long nr, struct io_event *events)
{
	struct aioring *ring = (struct aioring *)ctx;
	unsigned head, tail, take, first;

	if (nr < 0 || !events)
		return -EINVAL;
	/* Relaxed: this consumer is the only writer of head. */
	head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
	/* Acquire: pairs with smp_wmb() before tail in aio_complete(). */
	tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);

	take = ring_waiting(head, tail, ring->nr);
	if (!take)
		return 0;
	if (take > (unsigned long)nr)
		take = (unsigned)nr;
	first = ring->nr - head < take ? ring->nr - head : take;
	memcpy(events, ring_events(ring) + head, first * sizeof(*events));
	memcpy(events + first, ring_events(ring),
	       (take - first) * sizeof(*events));

	head += take;
	if (head >= ring->nr)
		head -= ring->nr;
	/* Release: pairs with the kernel's load of head, which frees slots. */
	__atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
	return (int)take;
}
