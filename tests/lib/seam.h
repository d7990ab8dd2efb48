/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands between the library and the kernel: each syscall() comes to seam(),
 * which who includes this writes.  With SEAM_WRAP by -Wl,--wrap=syscall, in a
 * program that has the archive inside; else as a syscall() that the dynamic
 * linker finds before libc's, in a program or a preload library.
 * Refilled calls (aio/refill.h) come through no syscall(): they come here by
 * -Wl,--wrap=aiorefill_call where SEAM_REFILL is defined, as with SEAM_WRAP;
 * else they are off.
 */
#ifndef TESTS_SEAM_H
#define TESTS_SEAM_H

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>

/* The result as of syscall(): -1 and errno.  May change the arguments. */
static long seam(long number, long *a);

#ifdef SEAM_WRAP
#define SEAM_REFILL
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
#define SEAM_NAME __wrap_syscall
#define real_syscall __real_syscall
#else
#define SEAM_NAME syscall
static long (*real_syscall)(long number, ...);
#endif

/* What the kernel says. */
static inline long seam_pass(long number, const long *a)
{
	return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static inline long seam_fail(int err)
{
	errno = err;
	return -1;
}

/* Five come in registers, passed or not; a sixth must be there. */
long SEAM_NAME(long number, ...)
{
	int count = number == SYS_io_pgetevents ? 6 : 5;
	long a[6] = {0};
	va_list ap;

#ifndef SEAM_WRAP
	if (!real_syscall) /* in front of constructors, too */
		real_syscall =
			(__typeof__(real_syscall))dlsym(RTLD_NEXT, "syscall");
#endif
	va_start(ap, number);
	for (int i = 0; i < count; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return seam(number, a);
}

/* Forced, so that nothing is measured, which would be calls of its own. */
__attribute__((constructor)) static void seam_refill(void)
{
#ifdef SEAM_WRAP
	setenv("LIBAIO_REFILL", "1", 1);
#else
	setenv("LIBAIO_REFILL", "0", 1);
#endif
}

#ifdef SEAM_REFILL
long __wrap_aiorefill_call(long a, long b, long c, long d, long e, long f,
			   long number);

long __wrap_aiorefill_call(long a, long b, long c, long d, long e, long f,
			   long number)
{
	long args[6] = {a, b, c, d, e, f}, ret;
	int err = errno;

	ret = seam(number, args);
	if (ret < 0) {
		ret = -errno;
		errno = err;
	}
	return ret;
}
#endif

#endif /* TESTS_SEAM_H */
