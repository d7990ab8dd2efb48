// SPDX-License-Identifier: GPL-2.0-only
/*
 * A preload library for fio: in each job's process a thread uses BUSY (0.5:
 * half as much) of the CPU time that all the others use, so that an I/O costs
 * so much more.  fio's own figure of CPU time does not see it.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define LOOK_NS 1000000

static int64_t now(clockid_t clock)
{
	struct timespec at;

	clock_gettime(clock, &at);
	return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

static void *keep_busy(void *arg)
{
	const struct timespec look = {0, LOOK_NS};
	double share = *(double *)arg;

	for (;;) {
		int64_t all = now(CLOCK_PROCESS_CPUTIME_ID);
		int64_t own = now(CLOCK_THREAD_CPUTIME_ID);

		if ((double)own >= share * (double)(all - own))
			nanosleep(&look, NULL);
	}
	return NULL;
}

static void in_child(void)
{
	static double share;
	const char *text = getenv("BUSY");
	pthread_t thread;

	share = text ? atof(text) : 0;
	if (share > 0 && !pthread_create(&thread, NULL, keep_busy, &share))
		pthread_detach(thread);
}

__attribute__((constructor)) static void start(void)
{
	pthread_atfork(NULL, NULL, in_child);
}
