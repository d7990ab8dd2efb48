// SPDX-License-Identifier: GPL-2.0-only
/*
 * A preload library for fio: the kernel takes only the first few of the I/Os
 * of an io_submit, as it may, and every fifth time none, with EAGAIN.
 */
#include "preload.h"

static __thread unsigned long submits;

static int altered(long number, long *a)
{
	if (number != SYS_io_submit || a[1] <= 1)
		return 0;
	if (++submits % 5 == 0)
		return EAGAIN;
	a[1] = 1 + (long)(submits % 3) % (a[1] - 1);
	return 0;
}
