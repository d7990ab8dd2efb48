// SPDX-License-Identifier: GPL-2.0-only
/*
 * A preload library for a fio: each fsync and fdatasync takes 3 ms longer.
 */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void nap(void)
{
	struct timespec time = {0, 3000000};

	nanosleep(&time, NULL);
}

int fsync(int fd)
{
	nap();
	return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	nap();
	return (int)syscall(SYS_fdatasync, fd);
}
