// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The LIBAIO_0.1 forms of three calls, for binaries of 2002 that still want
 * them.  Shared object only; libaio.map holds the default versions.
 */
#include "libaio.h"
#include "sys.h"

int compat01_io_cancel(io_context_t ctx, struct iocb *iocb);
int compat01_io_queue_wait(io_context_t ctx, const struct timespec *timeout);
int compat01_io_getevents(io_context_t ctx, long nr, struct io_event *events,
			  const struct timespec *timeout);

__asm__(".symver compat01_io_cancel, io_cancel@LIBAIO_0.1");
__asm__(".symver compat01_io_queue_wait, io_queue_wait@LIBAIO_0.1");
__asm__(".symver compat01_io_getevents, io_getevents@LIBAIO_0.1");

/* The old call had no place for the event. */
int compat01_io_cancel(io_context_t ctx, struct iocb *iocb)
{
	struct io_event event;

	return aiosys_cancel(ctx, iocb, &event);
}

/* The kernel only reads the timeout, so the cast loses nothing. */
int compat01_io_queue_wait(io_context_t ctx, const struct timespec *timeout)
{
	return io_queue_wait(ctx, (struct timespec *)timeout);
}

/* The old call always waited for one event. */
int compat01_io_getevents(io_context_t ctx, long nr, struct io_event *events,
			  const struct timespec *timeout)
{
	return io_getevents(ctx, 1, nr, events, (struct timespec *)timeout);
}
