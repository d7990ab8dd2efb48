/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Time as a number of nanoseconds, for the library, the engine and the loops
 * in jobs/.  Any thread.  Source: clock_gettime(2).
 */
#ifndef KAIO_CLOCK_H
#define KAIO_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Of CLOCK_MONOTONIC, from which all intervals are. */
static inline uint64_t clock_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

#endif /* KAIO_CLOCK_H */
