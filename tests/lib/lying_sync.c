// SPDX-License-Identifier: GPL-2.0-only
/*
 * fsync() and fdatasync() that do nothing and say that all is well, for
 * LD_PRELOAD: as storage does that does not keep its word.
 */
#include <unistd.h>

int fsync(int fd)
{
	(void)fd;
	return 0;
}

int fdatasync(int fd)
{
	(void)fd;
	return 0;
}
