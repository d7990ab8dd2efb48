// SPDX-License-Identifier: GPL-2.0-only
/*
 * A preload library for fio: threads begin late.  Before 3.42 fio's
 * start_worker() overwrites what a worker of io_submit_mode=offload notes of
 * itself, if that was quicker, and workqueue_init() waits for it for ever.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct begin {
	void *(*what)(void *arg);
	void *arg;
};

static void *late(void *arg)
{
	const struct timespec pause = {0, 500000000};
	struct begin begin = *(struct begin *)arg;

	free(arg);
	nanosleep(&pause, NULL);
	return begin.what(begin.arg);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
		   void *(*what)(void *arg), void *arg)
{
	__typeof__(&pthread_create) real =
		(__typeof__(real))dlsym(RTLD_NEXT, "pthread_create");
	struct begin *begin = malloc(sizeof(*begin));

	if (!begin)
		abort();
	*begin = (struct begin){what, arg};
	return real(thread, attr, late, begin);
}
