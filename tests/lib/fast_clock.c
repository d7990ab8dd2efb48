// SPDX-License-Identifier: GPL-2.0-only
/*
 * A preload library for a fio that only parses: time passes 32 times as fast,
 * as fio's start measures the processor's clock for 130 ms, which is four
 * fifths of what a job file costs.  Not for I/O, whose times would be wrong.
 */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FASTER 32

int clock_gettime(clockid_t id, struct timespec *ts)
{
	long ret = syscall(SYS_clock_gettime, id, ts);

	if (!ret && id == CLOCK_MONOTONIC) {
		long ns = ts->tv_nsec * FASTER;

		ts->tv_sec = ts->tv_sec * FASTER + ns / 1000000000;
		ts->tv_nsec = ns % 1000000000;
	}
	return (int)ret;
}
