// SPDX-License-Identifier: GPL-2.0-only
/*
 * The completion side of a queue; see queue.h: take what waits, then watch the
 * ring for a while, then wait in the kernel.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "libaio.h"
#include "libaio_ext.h"
#include "queue.h"

static unsigned lesser(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Events of refused and drained requests, oldest first. */
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

static QUEUE_FLAT int getevents(struct queue *q, struct io_event *to,
				unsigned min, unsigned max)
{
	uint64_t limit = min ? q->config.wait_ns : 0;
	struct timespec most = {.tv_sec = (time_t)(limit / 1000000000),
				.tv_nsec = (long)(limit % 1000000000)};
	int ret = io_wait_kernel(q->ctx, min, max, to,
				 min && !limit ? NULL : &most);

	q->stats.getevents++;
	if (ret > 0)
		q->stats.got += (unsigned)ret;
	return ret;
}

/* All that wait, up to max. */
static int reap(struct queue *q, struct io_event *to, unsigned max)
{
	int got = io_ring_reap(q->ctx, max, to);

	if (got > 0) {
		q->stats.reaps++;
		q->stats.reaped += (unsigned)got;
	}
	return got;
}

/* Watch the ring until min are taken or the time is over; how many. */
static int spin(struct queue *q, struct io_event *to, unsigned min,
		unsigned max)
{
	struct timespec zero = {0, 0};
	uint64_t limit = q->config.spin_auto ? spin_auto_ns(&q->spin)
					     : q->config.spin_ns;
	int got;

	if (!limit)
		return 0;
	got = io_wait(q->ctx, min, max, to, &zero, limit);
	q->stats.spun += (unsigned)got;
	if ((unsigned)got >= min)
		q->stats.spin_hits++;
	else
		q->stats.spin_misses++;
	return got;
}

/*
 * Sleep in epoll_wait until the ring has had min, or for wait_ns; as an event
 * loop does.
 */
static int wait_eventfd(struct queue *q, struct io_event *to, unsigned min,
			unsigned max)
{
	struct epoll_event event;
	uint64_t count, limit = q->config.wait_ns;
	unsigned got = 0;

	while (got < min) {
		int ret = epoll_wait(q->epoll, &event, 1,
				     limit ? (int)(limit / 1000000) : -1);

		q->stats.waits++;
		if (ret <= 0)
			return got || !ret ? (int)got : -errno;
		/* The count is of completions, some reaped before. */
		if (read(q->eventfd, &count, sizeof(count)) < 0 &&
		    errno != EAGAIN)
			return got ? (int)got : -errno;
		q->stats.waits++;
		got += (unsigned)reap(q, to + got, max - got);
	}
	return (int)got;
}

static int block(struct queue *q, struct io_event *to, unsigned min,
		 unsigned max)
{
	return q->config.reap == QUEUE_EVENTFD ? wait_eventfd(q, to, min, max)
					       : getevents(q, to, min, max);
}

/* The spin, then the kernel, if still short. */
static QUEUE_FLAT int await(struct queue *q, struct io_event *to, unsigned min,
			    unsigned max)
{
	int ret, got = spin(q, to, min, max);

	if ((unsigned)got >= min)
		return got;
	ret = block(q, to + got, min - (unsigned)got, max - (unsigned)got);
	return ret > 0 ? got + ret : got ? got : ret;
}

/* await(), with what spin=auto learns from it. */
static int await_learning(struct queue *q, struct io_event *to, unsigned min,
			  unsigned max)
{
	uint64_t start = clock_now(), end;
	int ret = await(q, to, min, max);

	end = clock_now();
	if (ret > 0)
		spin_auto_waited(&q->spin, end, end - start,
				 q->unwaited + (unsigned)ret);
	q->unwaited = 0;
	return ret;
}

/* The ring; a wait only if it has too few. */
static int reap_ring(struct queue *q, struct io_event *to, unsigned min,
		     unsigned max)
{
	unsigned got = (unsigned)reap(q, to, max);
	int ret;

	q->unwaited += got;
	if (got >= min)
		return (int)got;
	to += got;
	if (q->config.spin_auto)
		ret = await_learning(q, to, min - got, max - got);
	else
		ret = await(q, to, min - got, max - got);
	return ret > 0 ? (int)got + ret : got ? (int)got : ret;
}

/* What the thread of arrivals has stamped. */
static int take_arrivals(struct queue *q, struct io_event *to, unsigned min,
			 unsigned max)
{
	int ret = arrival_take(&q->arrival, to, min, max, q->config.wait_ns);

	if (ret > 0)
		q->stats.arrived += (unsigned)ret;
	return ret;
}

/* From wherever this queue finds completions. */
static int reap_events(struct queue *q, struct io_event *to, unsigned min,
		       unsigned max)
{
	if (q->config.arrivals)
		return take_arrivals(q, to, min, max);
	return q->config.reap == QUEUE_SYSCALL ? getevents(q, to, min, max)
					       : reap_ring(q, to, min, max);
}

/* The same contract as queue_reap(), without the failed ones. */
static int reap_kernel(struct queue *q, struct io_event *to, unsigned min,
		       unsigned max)
{
	unsigned need = lesser(min, q->inflight);
	int ret = reap_events(q, to, need, max);

	if (ret > 0)
		q->inflight -= (unsigned)ret;
	if (ret > 0 && q->config.again)
		ret = (int)queue_again(q, to, (unsigned)ret);
	return ret == -EINTR || ret == -EAGAIN ? 0 : ret;
}

int queue_drain(struct queue *q)
{
	while (q->inflight) {
		struct io_event *to = q->failed + q->nfailed;
		int ret = (q->config.arrivals ? take_arrivals : getevents)(
			q, to, q->inflight, q->inflight);

		if (ret < 0 && ret != -EINTR)
			return ret;
		if (ret <= 0 && q->config.wait_ns && q->stopping(q->arg))
			return -EINTR;
		if (ret <= 0)
			continue;
		q->inflight -= (unsigned)ret;
		q->nfailed += q->config.again
				      ? queue_again(q, to, (unsigned)ret)
				      : (unsigned)ret;
	}
	return 0;
}

bool queue_ready(const struct queue *q, unsigned min)
{
	return q->nfailed + (unsigned)io_ring_ready(q->ctx) >= min;
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
