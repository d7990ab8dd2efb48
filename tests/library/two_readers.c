// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two threads read one context, each in a way named by an argument: library,
 * raw (the system call) or copy (a second copy of the library, in a namespace
 * of its own).  Prints how many of EVENTS completions came twice, and never.
 * They poll for one event at a time, so that each is a chance to meet.
 * A buffered read has completed when io_submit() returns.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "libaio.h"
#include "report.h"

#define EVENTS 100000
#define BATCH 16

typedef int get_fn(io_context_t, long, long, struct io_event *,
		   struct timespec *);

static io_context_t ctx;
static unsigned char times_seen[EVENTS];
static int all_submitted;

static int raw(io_context_t c, long min_nr, long nr, struct io_event *events,
	       struct timespec *timeout)
{
	return (int)syscall(SYS_io_getevents, c, min_nr, nr, events, timeout);
}

static get_fn *reader(const char *name)
{
	void *copy;

	if (!strcmp(name, "raw"))
		return raw;
	if (!strcmp(name, "library"))
		return io_getevents;
	MUST(!strcmp(name, "copy"));
	copy = dlmopen(LM_ID_NEWLM, "libaio.so.1", RTLD_NOW);
	MUST(copy && dlsym(copy, "io_getevents") != (void *)io_getevents);
	return (get_fn *)dlsym(copy, "io_getevents");
}

static void *read_all(void *get)
{
	struct io_event event;
	int last, got;

	do {
		struct timespec now = {0, 0};

		last = __atomic_load_n(&all_submitted, __ATOMIC_ACQUIRE);
		got = ((get_fn *)get)(ctx, 1, 1, &event, &now);
		MUST(got >= 0);
		if (got)
			__atomic_fetch_add(&times_seen[(uintptr_t)event.data],
					   1, __ATOMIC_RELAXED);
	} while (!last || got);
	return NULL;
}

/* What was lost fills the ring for good, so there is an end to patience. */
static void submit_all(int fd)
{
	static char byte;
	struct iocb iocbs[BATCH], *list[BATCH];
	time_t end = time(NULL) + 60;

	for (uintptr_t n = 0; n < EVENTS;) {
		int ret;

		for (uintptr_t i = 0; i < BATCH; i++) {
			list[i] = &iocbs[i];
			io_prep_pread(list[i], fd, &byte, 1, 0);
			list[i]->data = (void *)(n + i);
		}
		ret = io_submit(ctx, BATCH < EVENTS - n ? BATCH : EVENTS - n,
				list);
		MUST(ret > 0 || (ret == -EAGAIN && time(NULL) < end));
		if (ret > 0)
			n += (uintptr_t)ret;
		else
			sched_yield();
	}
	__atomic_store_n(&all_submitted, 1, __ATOMIC_RELEASE);
}

int main(int argc, char **argv)
{
	int fd = open("/proc/self/exe", O_RDONLY), twice = 0, never = 0;
	pthread_t threads[2];

	MUST(argc == 3 && fd >= 0 && !io_setup(64, &ctx));
	for (int i = 0; i < 2; i++)
		MUST(!pthread_create(&threads[i], NULL, read_all,
				     (void *)reader(argv[i + 1])));
	submit_all(fd);
	for (int i = 0; i < 2; i++)
		MUST(!pthread_join(threads[i], NULL));
	for (int i = 0; i < EVENTS; i++) {
		twice += times_seen[i] > 1;
		never += times_seen[i] == 0;
	}
	printf("twice %d never %d\n", twice, never);
	return io_destroy(ctx);
}
