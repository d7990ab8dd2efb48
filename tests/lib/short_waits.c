// SPDX-License-Identifier: GPL-2.0-only
/*
 * A preload library for fio: io_getevents comes back early, as after a signal,
 * with one event at most, and every third time with EINTR.
 */
#include "seam.h"

static __thread unsigned long waits;

static long seam(long number, long *a)
{
	if (number != SYS_io_getevents || a[1] <= 0)
		return seam_pass(number, a);
	if (++waits % 3 == 0)
		return seam_fail(EINTR);
	a[1] = a[2] = 1;
	return seam_pass(number, a);
}
