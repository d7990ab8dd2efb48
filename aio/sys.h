/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The system calls of Linux AIO: the only place that calls syscall(), or
 * aiorefill_call() in its stead, for the calls that each I/O needs.
 * Each returns >= 0 or -errno and leaves errno as it was.
 * Sources: io_setup(2), io_submit(2), io_getevents(2), fs/aio.c.
 */
#ifndef KAIO_SYS_H
#define KAIO_SYS_H

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "libaio.h"
#include "refill.h"

/*
 * The calls that take this program's struct timespec: with a 64-bit time_t on
 * 32-bit machines those of Linux 5.1, which some (riscv32) have alone.
 */
#ifdef SYS_io_pgetevents_time64
#define AIOSYS_TIME64 (sizeof(time_t) > sizeof(long))
#ifndef SYS_io_getevents
#define SYS_io_getevents SYS_io_pgetevents_time64
#define SYS_io_pgetevents SYS_io_pgetevents_time64
#define SYS_futex SYS_futex_time64
#endif
#else
_Static_assert(sizeof(time_t) == sizeof(long),
	       "a 64-bit time_t needs the headers of Linux 5.1");
#define AIOSYS_TIME64 0
#define SYS_io_pgetevents_time64 0
#define SYS_futex_time64 0
#endif

/* The result of syscall() as >= 0 or -errno; err is the caller's errno. */
static inline int aiosys_result(long ret, int err)
{
	if (ret < 0) {
		ret = -errno;
		errno = err;
	}
	return (int)ret;
}

static inline int aiosys_setup(int maxevents, io_context_t *ctxp)
{
	int err = errno;

	return aiosys_result(syscall(SYS_io_setup, maxevents, ctxp), err);
}

static inline int aiosys_destroy(io_context_t ctx)
{
	int err = errno;

	return aiosys_result(syscall(SYS_io_destroy, ctx), err);
}

/* With the return stack as the kernel leaves it, and filled. */
static inline int aiosys_submit_plain(io_context_t ctx, long nr,
				      struct iocb **ios)
{
	int err = errno;

	return aiosys_result(syscall(SYS_io_submit, ctx, nr, ios), err);
}

static inline int aiosys_submit_refilled(io_context_t ctx, long nr,
					 struct iocb **ios)
{
	return (int)aiorefill_call((long)ctx, nr, (long)ios, 0, 0, 0,
				   SYS_io_submit);
}

static inline int aiosys_submit(io_context_t ctx, long nr, struct iocb **ios)
{
	return aiorefill_on() ? aiosys_submit_refilled(ctx, nr, ios)
			      : aiosys_submit_plain(ctx, nr, ios);
}

static inline int aiosys_cancel(io_context_t ctx, struct iocb *iocb,
				struct io_event *event)
{
	int err = errno;

	return aiosys_result(syscall(SYS_io_cancel, ctx, iocb, event), err);
}

/* Either call for events: io_getevents(2) does not look for a signal mask. */
static inline int aiosys_get(long number, io_context_t ctx, long min_nr,
			     long nr, struct io_event *events,
			     struct timespec *timeout, const void *sigset)
{
	int err = errno;

	if (aiorefill_on())
		return (int)aiorefill_call((long)ctx, min_nr, nr, (long)events,
					   (long)timeout, (long)sigset, number);
	return aiosys_result(
		syscall(number, ctx, min_nr, nr, events, timeout, sigset), err);
}

static inline int aiosys_getevents(io_context_t ctx, long min_nr, long nr,
				   struct io_event *events,
				   struct timespec *timeout)
{
	const long call =
		AIOSYS_TIME64 ? SYS_io_pgetevents_time64 : SYS_io_getevents;

	return aiosys_get(call, ctx, min_nr, nr, events, timeout, NULL);
}

/* sigset: a struct io_sigset, or a struct io_sigset_compat. */
static inline int aiosys_pgetevents(io_context_t ctx, long min_nr, long nr,
				    struct io_event *events,
				    struct timespec *timeout,
				    const void *sigset)
{
#ifdef SYS_io_pgetevents
	const long call =
		AIOSYS_TIME64 ? SYS_io_pgetevents_time64 : SYS_io_pgetevents;

	return aiosys_get(call, ctx, min_nr, nr, events, timeout, sigset);
#else
	(void)ctx, (void)min_nr, (void)nr, (void)events, (void)timeout;
	(void)sigset;
	return -ENOSYS;
#endif
}

/*
 * membarrier(2), since Linux 5.10: be allowed aiosys_abort_all(), in this
 * process; abort every restartable sequence of its threads that has begun, and
 * wait until they are.  The numbers are those of <linux/membarrier.h>, whose
 * names older headers lack.
 */
static inline int aiosys_may_abort(void)
{
	const int register_private_expedited_rseq = 1 << 8;
	int err = errno;

	return aiosys_result(
		syscall(SYS_membarrier, register_private_expedited_rseq, 0, 0),
		err);
}

static inline int aiosys_abort_all(void)
{
	const int private_expedited_rseq = 1 << 7;
	int err = errno;

	return aiosys_result(
		syscall(SYS_membarrier, private_expedited_rseq, 0, 0), err);
}

/*
 * Sleep 50 us.  By futex(2), which a program with threads is allowed to call
 * whatever its sandbox, and which is no cancellation point.
 */
static inline void aiosys_nap(void)
{
	const struct timespec time = {0, 50000};
	unsigned never = 0;
	int err = errno;

	syscall(AIOSYS_TIME64 ? SYS_futex_time64 : SYS_futex, &never,
		FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0);
	errno = err;
}

#endif /* KAIO_SYS_H */
