/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For preload libraries that stand between the engine and libc's syscall():
 * the one who includes this says in altered() what becomes of a call.
 */
#ifndef TESTS_PRELOAD_H
#define TESTS_PRELOAD_H

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>

/* May change the arguments; not 0: the call fails with this errno. */
static int altered(long number, long *a);

long syscall(long number, ...)
{
	static long (*real)(long, ...);
	long a[6];
	va_list ap;
	int err;

	if (!real)
		real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	err = altered(number, a);
	if (err) {
		errno = err;
		return -1;
	}
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#endif /* TESTS_PRELOAD_H */
