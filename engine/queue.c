// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batching, submission, the stall rule and reaping; see queue.h.  Knows
 * nothing of fio, so that it can be tested without it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libaio.h"
#include "libaio_ext.h"
#include "queue.h"

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static unsigned lesser(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

int queue_init(struct queue *q, unsigned depth, const struct queue_ops *ops,
	       void *arg)
{
	memset(q, 0, sizeof(*q));
	if (!depth)
		return -EINVAL;
	q->depth = depth;
	q->ops = ops;
	q->arg = arg;
	q->stall_limit = QUEUE_STALL_MS;
	q->iocbs = calloc(depth, sizeof(*q->iocbs));
	q->iovecs = calloc(depth, sizeof(*q->iovecs));
	q->pending = calloc(depth, sizeof(*q->pending));
	q->events = calloc(depth, sizeof(*q->events));
	q->failed = calloc(depth, sizeof(*q->failed));
	if (q->iocbs && q->iovecs && q->pending && q->events && q->failed)
		return 0;
	queue_exit(q, false);
	return -ENOMEM;
}

int queue_start(struct queue *q, bool userspace_reap)
{
	int ret = io_queue_init((int)q->depth, &q->ctx);

	if (ret)
		return ret;
	q->ring = userspace_reap && io_ring_usable(q->ctx);
	io_ring_disable(q->ctx); /* one consumer needs no gate */
	return 0;
}

void queue_exit(struct queue *q, bool destroy)
{
	if (q->ctx && destroy)
		io_destroy(q->ctx);
	free(q->failed);
	free(q->events);
	free(q->pending);
	free(q->iovecs);
	free(q->iocbs);
	memset(q, 0, sizeof(*q));
}

int queue_add(struct queue *q, unsigned slot)
{
	if (q->queued == q->depth)
		return -EBUSY;
	if (q->first + q->queued == q->depth) {
		memmove(q->pending, q->pending + q->first,
			q->queued * sizeof(*q->pending));
		q->first = 0;
	}
	q->pending[q->first + q->queued++] = &q->iocbs[slot];
	return 0;
}

/* The first nr have left the queue. */
static void issued(struct queue *q, unsigned nr)
{
	q->ops->issued(q->arg, q->pending + q->first, nr);
	q->queued -= nr;
	q->first = q->queued ? q->first + nr : 0;
}

/* The first nr will never run: err is their result. */
static void fail(struct queue *q, unsigned nr, int err)
{
	for (unsigned i = 0; i < nr; i++) {
		struct iocb *iocb = q->pending[q->first + i];
		struct io_event *ev = &q->failed[q->nfailed++];

		ev->data = iocb->data;
		ev->obj = iocb;
		ev->res = (unsigned long)(long)err;
		ev->res2 = 0;
	}
	issued(q, nr);
}

uint64_t queue_stalled_ms(const struct queue *q)
{
	return q->stall_start ? now_ms() - q->stall_start : 0;
}

/*
 * Refused with nothing to reap: pause, longer each time (0.1 to 10 ms).
 * False: it has lasted too long.
 */
static bool stall_pause(struct queue *q)
{
	struct timespec pause = {0, 100000};
	uint64_t lasted;

	if (!q->stall_start)
		q->stall_start = now_ms();
	lasted = queue_stalled_ms(q);
	if (q->gave_up || lasted >= q->stall_limit || q->ops->stopping(q->arg))
		return false;
	if (lasted)
		pause.tv_nsec = 1000000L * (long)(lasted < 10 ? lasted : 10);
	nanosleep(&pause, NULL);
	return true;
}

/* Fail all that is queued; err only the first time in this stall. */
static int give_up(struct queue *q, int err)
{
	fail(q, q->queued, err);
	if (q->gave_up)
		return 0;
	q->gave_up = true;
	return err;
}

/* Worth another try later, rather than the request's own error? */
static bool transient(int err)
{
	return !err || err == -EAGAIN || err == -ENOMEM || err == -EINTR;
}

int queue_submit(struct queue *q)
{
	while (q->queued) {
		int ret = io_submit(q->ctx, (long)q->queued,
				    q->pending + q->first);

		if (ret > 0) {
			q->stall_start = 0;
			q->gave_up = false;
			q->inflight += (unsigned)ret;
			issued(q, (unsigned)ret);
		} else if (!transient(ret)) {
			fail(q, 1, ret);
		} else if (q->inflight || q->nfailed) {
			return 0;
		} else if (!stall_pause(q)) {
			return give_up(q, ret ? ret : -EAGAIN);
		}
	}
	return 0;
}

/* Events of refused requests, oldest first. */
static unsigned take_failed(struct queue *q, struct io_event *to, unsigned max)
{
	unsigned nr = lesser(q->nfailed, max);

	if (!nr)
		return 0;
	memcpy(to, q->failed, nr * sizeof(*to));
	q->nfailed -= nr;
	memmove(q->failed, q->failed + nr, q->nfailed * sizeof(*to));
	return nr;
}

/* The same contract as queue_reap(), without the failed ones. */
static int reap_kernel(struct queue *q, struct io_event *to, unsigned min,
		       unsigned max)
{
	unsigned need = lesser(min, q->inflight);
	struct timespec zero = {0, 0}, *timeout = need ? NULL : &zero;
	int ret = q->ring ? io_wait(q->ctx, need, max, to, timeout, 0)
			  : io_getevents(q->ctx, need, max, to, timeout);

	if (ret > 0)
		q->inflight -= (unsigned)ret;
	return ret == -EINTR || ret == -EAGAIN ? 0 : ret;
}

int queue_reap(struct queue *q, unsigned at, unsigned min, unsigned max)
{
	unsigned got = take_failed(q, q->events + at, max);
	int ret = 0;

	if (got < max && q->inflight)
		ret = reap_kernel(q, q->events + at + got,
				  min > got ? min - got : 0, max - got);
	return got ? (int)got + (ret > 0 ? ret : 0) : ret;
}
