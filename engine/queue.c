// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batching, submission and the stall rule; see queue.h.  Knows nothing of fio,
 * so that it can be tested without it.  Its set-up is in queue_setup.c.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "libaio.h"
#include "libaio_ext.h"
#include "queue.h"

static uint64_t now_ms(void)
{
	return clock_now() / 1000000;
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
	if (q->eventfd >= 0)
		io_set_eventfd(&q->iocbs[slot], q->eventfd);
	q->pending[q->first + q->queued++] = &q->iocbs[slot];
	return 0;
}

/* The first nr leave the queue. */
static struct queue_issued issue(struct queue *q, unsigned nr)
{
	unsigned again = q->again < nr ? q->again : nr;
	const struct queue_issued issued = {
		.iocbs = q->pending + q->first + again,
		.nr = nr - again,
		.again = again > 0,
	};

	q->again -= again;
	q->queued -= nr;
	q->first = q->queued ? q->first + nr : 0;
	return issued;
}

static void fail_one(struct queue *q, struct iocb *iocb, int err)
{
	long res = queue_result(q, (unsigned)(iocb - q->iocbs), err);

	q->failed[q->nfailed++] = (struct io_event){
		.data = iocb->data,
		.obj = iocb,
		.res = (unsigned long)res,
	};
}

/* The first nr will never run: err is their result. */
static struct queue_issued fail(struct queue *q, unsigned nr, int err)
{
	for (unsigned i = 0; i < nr; i++)
		fail_one(q, q->pending[q->first + i], err);
	q->stats.failed += nr;
	return issue(q, nr);
}

struct queue_issued queue_abandon(struct queue *q, const unsigned *slots,
				  unsigned nr, int err)
{
	for (unsigned i = 0; i < nr; i++)
		fail_one(q, &q->iocbs[slots[i]], err);
	q->inflight = 0;
	return fail(q, q->queued, err);
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
	uint64_t start = clock_now(), lasted;

	if (!q->stall_start)
		q->stall_start = now_ms();
	lasted = queue_stalled_ms(q);
	if (q->gave_up || lasted >= q->stall_limit || q->stopping(q->arg))
		return false;
	if (lasted)
		pause.tv_nsec = 1000000L * (long)(lasted < 10 ? lasted : 10);
	if (q->config.pause)
		q->config.pause(q->arg, &pause);
	else
		nanosleep(&pause, NULL);
	q->paused_ns += clock_now() - start;
	return true;
}

/* Fail all that is queued; err only the first time in this stall. */
static struct queue_issued give_up(struct queue *q, int err)
{
	struct queue_issued issued = fail(q, q->queued, err);

	issued.error = q->gave_up ? 0 : (short)err;
	q->gave_up = true;
	return issued;
}

/* Worth another try later, rather than the request's own error? */
static bool transient(int err)
{
	return !err || err == -EAGAIN || err == -ENOMEM || err == -EINTR;
}

/* Submits in a row that tell a device which does its work inside them. */
#define IN_STEP 16

static unsigned hold_limit(const struct queue *q)
{
	if (q->in_step == IN_STEP)
		return q->config.hold;
	return pace_holds(&q->pace) ? q->config.hold_busy : 0;
}

bool queue_holds(const struct queue *q)
{
	return q->queued < hold_limit(q) && q->queued < q->depth &&
	       !q->nfailed && io_ring_ready(q->ctx);
}

static int ready(const struct queue *q)
{
	return q->ring ? io_ring_ready(q->ctx) : 0;
}

static int submit_pending(struct queue *q, unsigned nr)
{
	return io_submit(q->ctx, (long)nr, q->pending + q->first);
}

/*
 * io_submit(), and what completed meanwhile: surely of this call only if
 * nothing else was in flight.
 */
static QUEUE_FLAT int timed_submit(struct queue *q, unsigned nr)
{
	unsigned unread = (unsigned)ready(q);
	bool alone = q->ring && !q->config.arrivals && unread == q->inflight;
	int ret = submit_pending(q, nr);

	if (alone)
		q->stats.done_inside += (unsigned)ready(q) - unread;
	return ret;
}

/* io_submit() of all that is queued, with its statistics. */
static QUEUE_FLAT int submit(struct queue *q)
{
	unsigned nr = q->again ? q->again : q->queued;
	int ret = q->config.timed ? timed_submit(q, nr) : submit_pending(q, nr);

	stats_submitted(&q->stats, nr, ret);
	return ret;
}

/* Is all that was submitted complete? */
static void see_step(struct queue *q, unsigned nr)
{
	if ((unsigned)ready(q) < q->inflight)
		q->in_step = 0;
	else if (q->in_step < IN_STEP)
		q->in_step++;
	if (q->in_step < IN_STEP)
		pace_submitted(&q->pace, q->depth, nr, clock_now);
}

/* The kernel has taken nr. */
static inline struct queue_issued taken(struct queue *q, unsigned nr)
{
	q->stall_start = 0;
	q->gave_up = false;
	q->inflight += nr;
	if (q->config.hold)
		see_step(q, nr);
	return issue(q, nr);
}

/* It has taken none, with ret. */
static struct queue_issued refused(struct queue *q, int ret)
{
	while (ret <= 0) {
		if (!transient(ret))
			return fail(q, 1, ret);
		q->stats.refused++;
		if (q->inflight || q->nfailed)
			return (struct queue_issued){.nr = 0};
		if (!stall_pause(q))
			return give_up(q, ret ? ret : -EAGAIN);
		ret = submit(q);
	}
	return taken(q, (unsigned)ret);
}

struct queue_issued queue_submit(struct queue *q)
{
	int ret = q->queued ? submit(q) : 0;

	if (ret > 0)
		return taken(q, (unsigned)ret);
	if (q->queued)
		return refused(q, ret);
	return (struct queue_issued){.nr = 0};
}
