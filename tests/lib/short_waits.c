// SPDX-License-Identifier: GPL-2.0-only
/*
 * A preload library for fio: io_getevents comes back early, as after a signal,
 * with one event at most, and every third time with EINTR.  It stands between
 * the engine and libc's syscall().
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>

static __thread unsigned long waits;

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
	if (number == SYS_io_getevents && a[1] > 0) {
		if (++waits % 3 == 0) {
			errno = EINTR;
			return -1;
		}
		a[1] = a[2] = 1;
	}
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
