/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A system call that fails: which, how many of it pass first, and how many it
 * then hits.
 */
#ifndef TESTS_FAULT_H
#define TESTS_FAULT_H

#define SEAM_WRAP
#include "seam.h"

#define FOREVER 1000000000
#define LEFT_ALONE 4321 /* errno before a call that has to leave it */

static struct {
	long number; /* -1: none */
	int after;   /* let so many pass */
	int repeat;  /* then hit so many */
	int err;     /* with this errno; 0: return 0 */
	int calls;   /* of that number, in all */
	int all;     /* of any */
} fault = {.number = -1};

static inline void inject(long number, int after, int repeat, int err)
{
	fault.number = number;
	fault.after = after;
	fault.repeat = repeat;
	fault.err = err;
	fault.calls = fault.all = 0;
	errno = LEFT_ALONE;
}

static long seam(long number, long *a)
{
	fault.all++;
	if (number != fault.number)
		return seam_pass(number, a);
	fault.calls++;
	if (fault.after > 0) {
		fault.after--;
	} else if (fault.repeat > 0) {
		fault.repeat--;
		return fault.err ? seam_fail(fault.err) : 0;
	}
	return seam_pass(number, a);
}

#endif /* TESTS_FAULT_H */
