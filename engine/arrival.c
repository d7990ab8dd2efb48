// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread that stamps completions; see arrival.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arrival.h"
#include "clock.h"
#include "libaio_ext.h"

/* All that wait: never more than were not taken, so there is room. */
static int reap(struct arrival *a)
{
	unsigned room = a->depth - a->nr;
	struct timespec zero = {0, 0};

	if (a->ring)
		return io_ring_reap(a->ctx, room, a->events + a->nr);
	return room ? io_wait_kernel(a->ctx, 0, room, a->events + a->nr, &zero)
		    : 0;
}

/*
 * What is there has arrived by now, which is read once it has been taken: while
 * this thread waits for the lock, requests are submitted and complete, and none
 * may be stamped before it began.  False: it is to end.
 */
static bool hand_over(struct arrival *a)
{
	bool stop;
	int got;

	pthread_mutex_lock(&a->lock);
	stop = a->stop;
	while ((got = reap(a)) > 0) {
		uint64_t now = clock_now();

		for (; got; got--)
			a->at[a->events[a->nr++].obj - a->iocbs] = now;
	}
	if (got < 0 && got != -EINTR)
		a->error = got;
	pthread_cond_signal(&a->more);
	pthread_mutex_unlock(&a->lock);
	return !stop;
}

static void *stamp(void *arg)
{
	struct arrival *a = arg;
	uint64_t count;

	/* A tracer may interrupt it: then there is nothing to stamp. */
	while (read(a->eventfd, &count, sizeof(count)) < 0 || hand_over(a))
		;
	return NULL;
}

/* Signals are for the job's own thread. */
static int start_thread(struct arrival *a)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&a->thread, NULL, stamp, a);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -ret;
}

static void release(struct arrival *a)
{
	pthread_cond_destroy(&a->more);
	pthread_mutex_destroy(&a->lock);
	free(a->taken);
	free(a->at);
	free(a->events);
}

int arrival_start(struct arrival *a)
{
	pthread_condattr_t monotonic;
	int ret = -ENOMEM;

	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&a->more, &monotonic);
	pthread_condattr_destroy(&monotonic);
	a->events = calloc(a->depth, sizeof(*a->events));
	a->at = calloc(a->depth, sizeof(*a->at));
	a->taken = calloc(a->depth, sizeof(*a->taken));
	if (a->events && a->at && a->taken)
		ret = start_thread(a);
	if (ret)
		release(a);
	return ret;
}

void arrival_stop(struct arrival *a)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_mutex_unlock(&a->lock);
	/* It cannot fail: a count so large that it would block is never had. */
	while (write(a->eventfd, &one, sizeof(one)) != sizeof(one))
		;
	pthread_join(a->thread, NULL);
	release(a);
}

/* Until when a wait of so many ns is, from now. */
static struct timespec deadline(uint64_t limit_ns)
{
	uint64_t end = clock_now() + limit_ns;

	return (struct timespec){.tv_sec = (time_t)(end / 1000000000),
				 .tv_nsec = (long)(end % 1000000000)};
}

/* The oldest nr, with the lock held. */
static void take(struct arrival *a, struct io_event *to, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		size_t slot = (size_t)(a->events[i].obj - a->iocbs);

		to[i] = a->events[i];
		a->taken[slot] = a->at[slot];
	}
	a->nr -= nr;
	memmove(a->events, a->events + nr, a->nr * sizeof(*to));
}

int arrival_take(struct arrival *a, struct io_event *to, unsigned min,
		 unsigned max, uint64_t limit_ns)
{
	const struct timespec end = deadline(limit_ns);
	unsigned nr;
	int ret = 0;

	pthread_mutex_lock(&a->lock);
	while (a->nr < min && !a->error && !ret)
		ret = limit_ns
			      ? pthread_cond_timedwait(&a->more, &a->lock, &end)
			      : pthread_cond_wait(&a->more, &a->lock);
	nr = a->nr < max ? a->nr : max;
	take(a, to, nr);
	ret = nr ? (int)nr : a->error;
	pthread_mutex_unlock(&a->lock);
	return ret;
}
