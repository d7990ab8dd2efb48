// SPDX-License-Identifier: GPL-2.0-only
/*
 * A preload library for fio: the kernel takes only the first few of the I/Os
 * of an io_submit, as it may, and every fifth time none, with EAGAIN.
 */
#include "seam.h"

static __thread unsigned long submits;

static long seam(long number, long *a)
{
	if (number != SYS_io_submit || a[1] <= 1)
		return seam_pass(number, a);
	if (++submits % 5 == 0)
		return seam_fail(EAGAIN);
	a[1] = 1 + (long)(submits % 3) % (a[1] - 1);
	return seam_pass(number, a);
}
