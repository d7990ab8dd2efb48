// SPDX-License-Identifier: GPL-2.0-only
/*
 * Batching, submission and the stall rule; see queue.h.  Knows nothing of fio,
 * so that it can be tested without it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "libaio.h"
#include "libaio_ext.h"
#include "queue.h"

#define CACHE_LINE 64

static uint64_t now_ms(void)
{
	return clock_now() / 1000000;
}

/*
 * Room for each slot, from the start of a cache line on: the kernel reads an
 * iocb of 64 bytes from one line then, not from two.  It is not cleared, as
 * all of it is written before it is read.
 */
static void *alloc_slots(unsigned depth, size_t size)
{
	if (depth > (SIZE_MAX - CACHE_LINE) / size)
		return NULL;
	return aligned_alloc(CACHE_LINE, (depth * size + CACHE_LINE - 1) /
						 CACHE_LINE * CACHE_LINE);
}

int queue_init(struct queue *q, unsigned depth, queue_stopping *stopping,
	       void *arg)
{
	memset(q, 0, sizeof(*q));
	if (!depth)
		return -EINVAL;
	q->depth = depth;
	q->stopping = stopping;
	q->arg = arg;
	q->stall_limit = QUEUE_STALL_MS;
	q->eventfd = q->epoll = -1;
	q->iocbs = alloc_slots(depth, sizeof(*q->iocbs));
	q->iovecs = alloc_slots(depth, sizeof(*q->iovecs));
	q->pending = alloc_slots(depth, sizeof(*q->pending));
	q->events = alloc_slots(depth, sizeof(*q->events));
	q->failed = alloc_slots(depth, sizeof(*q->failed));
	if (q->iocbs && q->iovecs && q->pending && q->events && q->failed)
		return 0;
	queue_exit(q, false);
	return -ENOMEM;
}

/* The eventfd and the epoll that watches it, as an event loop has them. */
static int start_eventfd(struct queue *q)
{
	struct epoll_event event = {.events = EPOLLIN};

	q->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	q->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (q->eventfd < 0 || q->epoll < 0 ||
	    epoll_ctl(q->epoll, EPOLL_CTL_ADD, q->eventfd, &event))
		return -errno;
	return 0;
}

int queue_start(struct queue *q, const struct queue_config *config)
{
	int ret;

	if (config->again)
		q->done = calloc(q->depth, sizeof(*q->done));
	if (config->again && !q->done)
		return -ENOMEM;
	ret = io_queue_init((int)q->depth, &q->ctx);
	if (ret)
		return ret;
	q->config = *config;
	q->ring = io_ring_usable(q->ctx);
	if (!q->ring)
		q->config = (struct queue_config){.reap = QUEUE_SYSCALL,
						  .timed = config->timed,
						  .again = config->again,
						  .wait_ns = config->wait_ns};
	io_ring_disable(q->ctx); /* one consumer needs no gate */
	return q->config.reap == QUEUE_EVENTFD ? start_eventfd(q) : 0;
}

void queue_exit(struct queue *q, bool destroy)
{
	if (q->ctx && destroy)
		io_destroy(q->ctx);
	if (q->epoll >= 0)
		close(q->epoll);
	if (q->eventfd >= 0)
		close(q->eventfd);
	free(q->done);
	free(q->failed);
	free(q->events);
	free(q->pending);
	free(q->iovecs);
	free(q->iocbs);
	memset(q, 0, sizeof(*q));
	q->eventfd = q->epoll = -1;
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
		.again = again,
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
	nanosleep(&pause, NULL);
	q->paused_ns += clock_now() - start;
	return true;
}

/* Fail all that is queued; err only the first time in this stall. */
static struct queue_issued give_up(struct queue *q, int err)
{
	struct queue_issued issued = fail(q, q->queued, err);

	issued.error = q->gave_up ? 0 : err;
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

bool queue_holds(const struct queue *q)
{
	unsigned limit =
		q->in_step < IN_STEP ? q->config.hold_busy : q->config.hold;

	return q->queued < limit && q->queued < q->depth && !q->nfailed &&
	       io_ring_ready(q->ctx);
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
static int timed_submit(struct queue *q, unsigned nr)
{
	unsigned unread = (unsigned)ready(q);
	bool alone = q->ring && unread == q->inflight;
	int ret = submit_pending(q, nr);

	if (alone)
		q->stats.done_inside += (unsigned)ready(q) - unread;
	return ret;
}

/* io_submit() of all that is queued, with its statistics. */
static inline int submit(struct queue *q)
{
	unsigned nr = q->again ? q->again : q->queued;
	int ret = q->config.timed ? timed_submit(q, nr) : submit_pending(q, nr);

	stats_submitted(&q->stats, nr, ret);
	return ret;
}

/* Is all that was submitted complete? */
static void see_step(struct queue *q)
{
	if ((unsigned)ready(q) < q->inflight)
		q->in_step = 0;
	else if (q->in_step < IN_STEP)
		q->in_step++;
}

/* The kernel has taken nr. */
static inline struct queue_issued taken(struct queue *q, unsigned nr)
{
	q->stall_start = 0;
	q->gave_up = false;
	q->inflight += nr;
	if (q->config.hold)
		see_step(q);
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
