// SPDX-License-Identifier: GPL-2.0-only
/*
 * A preload library for fio: the kernel takes only the first few of the I/Os
 * of an io_submit, as it may, and every fifth time none, with EAGAIN.  It
 * stands between the engine and libc's syscall().
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>

static __thread unsigned long submits;

long syscall(long number, ...)
{
	static long (*real)(long, ...);
	long a[6];
	va_list ap;

	if (!real)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_io_submit && a[1] > 1) {
		if (++submits % 5 == 0) {
			errno = EAGAIN;
			return -1;
		}
		a[1] = 1 + (long)(submits % 3) % (a[1] - 1);
	}
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
