// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * io_wait(): the ring first, then the ring for a while, then the kernel.
 */
#include <errno.h>
#include <time.h>

#include "libaio_ext.h"
#include "ring.h"
#include "sys.h"
#include "trace.h"

static unsigned long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000000000 +
	       (unsigned long long)t.tv_nsec;
}

/* Reap until min_nr or the end of the time; how many. */
static int spin(io_context_t ctx, long min_nr, long nr, struct io_event *events,
		unsigned long spin_ns)
{
	unsigned long long now = spin_ns ? now_ns() : 0;
	unsigned long long end = now + spin_ns < now ? ~0ull : now + spin_ns;
	int got = io_ring_reap(ctx, nr, events);

	while (got < min_nr && end && now_ns() < end) {
		aioring_pause();
		got += io_ring_reap(ctx, nr - got, events + got);
	}
	return got;
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
	trace_enter(ctx, min_nr - got, nr - got);
	ret = aiosys_getevents(ctx, min_nr - got, nr - got, events + got,
			       timeout);
	if (ret < 0)
		return got ? got : ret;
	return got + ret;
}
