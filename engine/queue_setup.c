// SPDX-License-Identifier: GPL-2.0-only
/*
 * The beginning and the end of a queue; see queue.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "libaio.h"
#include "libaio_ext.h"
#include "queue.h"

#define CACHE_LINE 64

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

/* The eventfd, and the thread that reads it. */
static int start_arrivals(struct queue *q)
{
	int ret;

	q->config.arrivals = false; /* until there is something to stop */
	q->eventfd = eventfd(0, EFD_CLOEXEC);
	if (q->eventfd < 0)
		return -errno;
	q->arrival = (struct arrival){.ctx = q->ctx,
				      .iocbs = q->iocbs,
				      .depth = q->depth,
				      .ring = q->ring,
				      .eventfd = q->eventfd};
	ret = arrival_start(&q->arrival);
	q->config.arrivals = !ret;
	return ret;
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
						  .wait_ns = config->wait_ns,
						  .arrivals = config->arrivals};
	io_ring_disable(q->ctx); /* one consumer needs no gate */
	if (q->config.arrivals)
		return start_arrivals(q);
	return q->config.reap == QUEUE_EVENTFD ? start_eventfd(q) : 0;
}

void queue_exit(struct queue *q, bool destroy)
{
	if (q->config.arrivals)
		arrival_stop(&q->arrival);
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
