/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A completion ring in ordinary memory, laid out as the kernel's, for tests
 * of states that a real kernel shows only for an instant.
 */
#ifndef TESTS_FAKE_RING_H
#define TESTS_FAKE_RING_H

#include <string.h>

#include "ring.h"

#define FAKE_SLOTS 7

struct fake_ring {
	struct aioring head;
	unsigned char longer_header[16]; /* header_length decides, not sizeof */
	struct io_event events[FAKE_SLOTS];
};

static inline io_context_t fake_ring_init(struct fake_ring *ring)
{
	memset(ring, 0, sizeof(*ring));
	ring->head.nr = FAKE_SLOTS;
	ring->head.magic = AIORING_MAGIC;
	ring->head.compat_features = 1;
	ring->head.header_length = sizeof(ring->head) + 16;
	return (io_context_t)ring;
}

/* What the kernel does on completion: fill the slot, then move tail. */
static inline void fake_ring_complete(struct fake_ring *ring, long res)
{
	ring->events[ring->head.tail].res = (unsigned long)res;
	ring->head.tail = (ring->head.tail + 1) % FAKE_SLOTS;
}

#endif /* TESTS_FAKE_RING_H */
