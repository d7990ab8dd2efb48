// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread that looks at one which may be held; see inside.h.
 */
#include <signal.h>
#include <time.h>

#include "clock.h"
#include "inside.h"

static void look(struct inside *in)
{
	uint64_t now = clock_now();

	if (in->since && now - in->since > in->limit_ns)
		in->tell(in->arg, in->what, now - in->since);
}

static void *watch(void *arg)
{
	struct inside *in = arg;

	pthread_mutex_lock(&in->lock);
	while (!in->stop) {
		uint64_t until = clock_now() + in->pause_ns;
		const struct timespec time = {
			.tv_sec = (time_t)(until / 1000000000),
			.tv_nsec = (long)(until % 1000000000)};

		pthread_cond_timedwait(&in->end, &in->lock, &time);
		look(in);
	}
	pthread_mutex_unlock(&in->lock);
	return NULL;
}

static void release(struct inside *in)
{
	pthread_cond_destroy(&in->end);
	pthread_mutex_destroy(&in->lock);
}

/* Signals are for the thread that is looked at. */
int inside_start(struct inside *in)
{
	pthread_condattr_t monotonic;
	sigset_t all, before;
	int ret;

	pthread_mutex_init(&in->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&in->end, &monotonic);
	pthread_condattr_destroy(&monotonic);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&in->thread, NULL, watch, in);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret)
		release(in);
	return -ret;
}

void inside_stop(struct inside *in)
{
	pthread_mutex_lock(&in->lock);
	in->stop = true;
	in->since = 0;
	pthread_cond_signal(&in->end);
	pthread_mutex_unlock(&in->lock);
	pthread_join(in->thread, NULL);
	release(in);
}

void inside_enter(struct inside *in, const void *what, uint64_t now)
{
	pthread_mutex_lock(&in->lock);
	in->what = what;
	in->since = now;
	pthread_mutex_unlock(&in->lock);
}

void inside_leave(struct inside *in)
{
	pthread_mutex_lock(&in->lock);
	in->since = 0;
	pthread_mutex_unlock(&in->lock);
}
