// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * io_wait(): the ring first, then the ring for a while, then the kernel; and
 * io_wait_kernel().  Both are for one consumer, so that no gate is needed.
 */
#include <errno.h>
#include <stdint.h>

#include "clock.h"
#include "libaio_ext.h"
#include "ring.h"
#include "sys.h"
#include "trace.h"

/* Reap until min_nr or the end of the time; how many. */
static int spin(io_context_t ctx, long min_nr, long nr, struct io_event *events,
		unsigned long spin_ns)
{
	uint64_t now = spin_ns ? clock_now() : 0;
	uint64_t end = now + spin_ns < now ? UINT64_MAX : now + spin_ns;
	int got = io_ring_reap(ctx, nr, events);

	while (got < min_nr && end && clock_now() < end) {
		aioring_pause();
		got += io_ring_reap(ctx, nr - got, events + got);
	}
	return got;
}

int io_wait_kernel(io_context_t ctx, long min_nr, long nr,
		   struct io_event *events, struct timespec *timeout)
{
	trace_enter(ctx, min_nr, nr);
	return aiosys_getevents(ctx, min_nr, nr, events, timeout);
}

int io_wait(io_context_t ctx, long min_nr, long nr, struct io_event *events,
	    struct timespec *timeout, unsigned long spin_ns)
{
	int ret, got;

	if (min_nr < 0 || min_nr > nr || !events)
		return -EINVAL;
	got = spin(ctx, min_nr, nr, events, spin_ns);
	if (got >= min_nr || (timeout && !timeout->tv_sec && !timeout->tv_nsec))
		return got;
	ret = io_wait_kernel(ctx, min_nr - got, nr - got, events + got,
			     timeout);
	if (ret < 0)
		return got ? got : ret;
	return got + ret;
}
