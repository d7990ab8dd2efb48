// SPDX-License-Identifier: GPL-2.0-only
/*
 * A preload library for fio: there is one eventfd for each process, as where
 * open files are about to run out.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

int eventfd(unsigned count, int flags)
{
	static int made;

	if (!__atomic_fetch_add(&made, 1, __ATOMIC_RELAXED))
		return (int)syscall(SYS_eventfd2, count, flags);
	errno = EMFILE;
	return -1;
}
