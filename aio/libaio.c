// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The exported calls.  Their contracts are in libaio.h; each is the system
 * call of its name unless a comment says otherwise.  io_getevents() and what
 * is built on it read the ring where gate.c allows it.
 */
#include <errno.h>
#include <time.h>

#include "libaio.h"
#include "refill.h"
#include "ring.h"
#include "sys.h"
#include "trace.h"

int io_setup(int maxevents, io_context_t *ctxp)
{
	int ret = aiosys_setup(maxevents, ctxp);

	if (!ret) {
		aiorefill_decide(*ctxp);
		aioring_open(*ctxp);
	}
	return ret;
}

int io_destroy(io_context_t ctx)
{
	aioring_close(ctx);
	return aiosys_destroy(ctx);
}

int io_submit(io_context_t ctx, long nr, struct iocb *ios[])
{
	int ret = aiosys_submit(ctx, nr, ios);

	trace_submit(ctx, nr, ret);
	return ret;
}

int io_cancel(io_context_t ctx, struct iocb *iocb, struct io_event *evt)
{
	return aiosys_cancel(ctx, iocb, evt);
}

int io_getevents(io_context_t ctx, long min_nr, long nr,
		 struct io_event *events, struct timespec *timeout)
{
	struct aioring_gate *gate;
	int ret = aioring_take(ctx, min_nr, nr, events, timeout);

	if (ret != AIORING_KERNEL)
		return ret;
	trace_enter(ctx, min_nr, nr);
	gate = aioring_enter(ctx, &nr);
	ret = aiosys_getevents(ctx, min_nr, nr, events, timeout);
	aioring_leave(gate);
	return ret;
}

/*
 * The system call, in the form that this kernel takes.  A filter that forbids
 * it answers EPERM and means ENOSYS.
 */
static int pgetevents(io_context_t ctx, long min_nr, long nr,
		      struct io_event *events, struct timespec *timeout,
		      const sigset_t *sigmask)
{
	struct io_sigset set = {(unsigned long)sigmask, _NSIG / 8};
	int ret = aiosys_pgetevents(ctx, min_nr, nr, events, timeout, &set);

	if (ret == -EINVAL && sizeof(long) < 8) {
		/* 64-bit kernels before 5.1 read the padded form. */
		struct io_sigset_compat compat = {.ss = set.ss,
						  .ss_len = set.ss_len};

		ret = aiosys_pgetevents(ctx, min_nr, nr, events, timeout,
					&compat);
	}
	return ret == -EPERM ? -ENOSYS : ret;
}

/*
 * Without a mask the ring will do.  With one the kernel is always entered: a
 * signal that only this mask lets in must come even if events never run out.
 * Where the kernel or a container's filter lacks the newer call, io_getevents
 * takes its place if it can.
 */
int io_pgetevents(io_context_t ctx, long min_nr, long nr,
		  struct io_event *events, struct timespec *timeout,
		  sigset_t *sigmask)
{
	struct aioring_gate *gate;
	int ret = AIORING_KERNEL;

	if (!sigmask)
		ret = aioring_take(ctx, min_nr, nr, events, timeout);
	if (ret != AIORING_KERNEL)
		return ret;
	trace_enter(ctx, min_nr, nr);
	gate = aioring_enter(ctx, &nr);
	ret = pgetevents(ctx, min_nr, nr, events, timeout, sigmask);
	if (ret == -ENOSYS && !sigmask)
		ret = aiosys_getevents(ctx, min_nr, nr, events, timeout);
	aioring_leave(gate);
	return ret;
}

int io_queue_init(int maxevents, io_context_t *ctxp)
{
	if (maxevents <= 0)
		return -EINVAL;
	*ctxp = NULL;
	return io_setup(maxevents, ctxp);
}

int io_queue_release(io_context_t ctx)
{
	return io_destroy(ctx);
}

int io_queue_wait(io_context_t ctx, struct timespec *timeout)
{
	return io_getevents(ctx, 0, 0, NULL, timeout);
}

/* One event at a time: a callback may submit, cancel or destroy. */
int io_queue_run(io_context_t ctx)
{
	struct timespec now = {0, 0};
	struct io_event event;
	int ret;

	while ((ret = io_getevents(ctx, 0, 1, &event, &now)) == 1) {
		io_callback_t cb = (io_callback_t)event.data;

		if (cb)
			cb(ctx, event.obj, (long)event.res, (long)event.res2);
	}
	return ret;
}
