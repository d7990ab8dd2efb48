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

#include "libaio.h"
#include "libaio_ext.h"
#include "queue.h"

/* Longer waits than this are not worth a processor. */
#define SPIN_AUTO_FIRST_NS 10000
#define SPIN_AUTO_MAX_NS 200000

static unsigned lesser(unsigned a, unsigned b)
{
	return a < b ? a : b;
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

static int getevents(struct queue *q, struct io_event *to, unsigned min,
		     unsigned max)
{
	struct timespec zero = {0, 0};
	int ret = io_getevents(q->ctx, min, max, to, min ? NULL : &zero);

	q->stats.getevents++;
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

/*
 * A wait has taken this long.  What spinning would have caught is spun for
 * the next time, twice as long as it took; a longer wait ends the spinning
 * until a short one comes again.  As the kernel's halt polling does.
 */
static void learn(struct queue *q, uint64_t waited_ns)
{
	uint64_t spin = 0;

	if (waited_ns <= SPIN_AUTO_MAX_NS)
		spin = 2 * waited_ns < SPIN_AUTO_FIRST_NS ? SPIN_AUTO_FIRST_NS
							  : 2 * waited_ns;
	q->config.spin_ns = spin > SPIN_AUTO_MAX_NS ? SPIN_AUTO_MAX_NS : spin;
}

/* Watch the ring until min are taken or the time is over; how many. */
static int spin(struct queue *q, struct io_event *to, unsigned min,
		unsigned max)
{
	struct timespec zero = {0, 0};
	int got;

	if (!q->config.spin_ns)
		return 0;
	got = io_wait(q->ctx, min, max, to, &zero, q->config.spin_ns);
	if ((unsigned)got >= min)
		q->stats.spin_hits++;
	else
		q->stats.spin_misses++;
	return got;
}

/* Sleep in epoll_wait until the ring has had min; as an event loop does. */
static int wait_eventfd(struct queue *q, struct io_event *to, unsigned min,
			unsigned max)
{
	struct epoll_event event;
	unsigned got = 0;
	uint64_t count;

	while (got < min) {
		int ret = epoll_wait(q->epoll, &event, 1, -1);

		q->stats.waits++;
		if (ret < 0)
			return got ? (int)got : -errno;
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
	uint64_t start = q->config.spin_auto ? stats_now() : 0;
	int ret = q->config.reap == QUEUE_EVENTFD
			  ? wait_eventfd(q, to, min, max)
			  : getevents(q, to, min, max);

	if (start)
		learn(q, stats_now() - start + q->config.spin_ns);
	return ret;
}

/* The ring, then the spin, then the kernel: each only if still short. */
static int reap_ring(struct queue *q, struct io_event *to, unsigned min,
		     unsigned max)
{
	unsigned got = (unsigned)reap(q, to, max);
	int ret;

	if (got < min)
		got += (unsigned)spin(q, to + got, min - got, max - got);
	if (got >= min)
		return (int)got;
	ret = block(q, to + got, min - got, max - got);
	return ret > 0 ? (int)got + ret : got ? (int)got : ret;
}

/* The same contract as queue_reap(), without the failed ones. */
static int reap_kernel(struct queue *q, struct io_event *to, unsigned min,
		       unsigned max)
{
	unsigned need = lesser(min, q->inflight);
	int ret = q->config.reap == QUEUE_SYSCALL ? getevents(q, to, need, max)
						  : reap_ring(q, to, need, max);

	if (ret > 0)
		q->inflight -= (unsigned)ret;
	return ret == -EINTR || ret == -EAGAIN ? 0 : ret;
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
