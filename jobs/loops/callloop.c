// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one call of libaio.so.1 costs: a loop of calls between two looks at
 * the clock, again and again.  The cost of the clock and of an empty loop of
 * the same length is subtracted.  LD_LIBRARY_PATH decides which library it is;
 * the first line names it.  Then, for each kind of call: its name, the least
 * and the median nanoseconds per call of all batches, and their number.
 *	callloop MILLISECONDS	(for each kind of call)
 */
#include <dlfcn.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include "clock.h"
#include "libaio.h"

#define MOST 256      /* events that may wait */
#define AT_ONCE 16    /* events of one call that takes many */
#define BATCHES 20000 /* more are not kept */
#define WARM_UP 3     /* batches that are not kept */

static io_context_t ctx;
static struct iocb iocbs[MOST], *list[MOST];
static struct io_event events[MOST];
static struct timespec zero, shortest = {0, 1};
static char buffer[4096];
static long called_back;
static double values[BATCHES];

static void sink(void)
{
	__asm__ volatile("" ::: "memory");
}

/* Each makes so many calls and returns the sum of their results. */
static long nothing(unsigned calls)
{
	for (unsigned i = 0; i < calls; i++)
		sink();
	return 0;
}

static long prep(unsigned calls)
{
	struct iocb iocb;

	for (unsigned i = 0; i < calls; i++) {
		io_prep_pread(&iocb, 0, buffer, sizeof(buffer), i);
		__asm__ volatile("" : : "r"(&iocb) : "memory");
	}
	return 0;
}

static long submit(unsigned calls)
{
	long sum = 0;

	for (unsigned i = 0; i < calls; i++)
		sum += io_submit(ctx, 1, list + i);
	return sum;
}

static long take_one(unsigned calls)
{
	long sum = 0;

	for (unsigned i = 0; i < calls; i++)
		sum += io_getevents(ctx, 1, 1, events, NULL);
	return sum;
}

static long take_many(unsigned calls)
{
	long sum = 0;

	for (unsigned i = 0; i < calls; i++)
		sum += io_getevents(ctx, 1, AT_ONCE, events, NULL);
	return sum;
}

static long poll_empty(unsigned calls)
{
	long sum = 0;

	for (unsigned i = 0; i < calls; i++)
		sum += io_getevents(ctx, 1, 1, events, &zero);
	return sum;
}

static long time_out(unsigned calls)
{
	long sum = 0;

	for (unsigned i = 0; i < calls; i++)
		sum += io_getevents(ctx, 1, 1, events, &shortest);
	return sum;
}

static long run_empty(unsigned calls)
{
	long sum = 0;

	for (unsigned i = 0; i < calls; i++)
		sum += io_queue_run(ctx);
	return sum;
}

/* One call runs the callback of every event. */
static long run_events(unsigned calls)
{
	(void)calls;
	called_back = 0;
	return io_queue_run(ctx) ? -1 : called_back;
}

static long wait_events(unsigned calls)
{
	long sum = 0;

	for (unsigned i = 0; i < calls; i++)
		sum += io_queue_wait(ctx, NULL);
	return sum;
}

static long wait_empty(unsigned calls)
{
	long sum = 0;

	for (unsigned i = 0; i < calls; i++)
		sum += io_queue_wait(ctx, &zero);
	return sum;
}

static long make_and_end(unsigned calls)
{
	long sum = 0;

	for (unsigned i = 0; i < calls; i++) {
		io_context_t own = NULL;

		sum += io_setup(64, &own);
		sum += io_destroy(own);
	}
	return sum;
}

/* calls: in a batch; waiting: events before it; result: the sum of a batch. */
static const struct kind {
	const char *name;
	long (*loop)(unsigned calls);
	unsigned calls, waiting;
	long result;
	clockid_t clock;
} kinds[] = {
	{"prep", prep, 10000, 0, 0, CLOCK_MONOTONIC},
	{"submit", submit, 256, 0, 256, CLOCK_MONOTONIC},
	{"take_one", take_one, MOST, MOST, MOST, CLOCK_MONOTONIC},
	{"take_many", take_many, MOST / AT_ONCE, MOST, MOST, CLOCK_MONOTONIC},
	{"poll_empty", poll_empty, 2000, 0, 0, CLOCK_MONOTONIC},
	{"time_out", time_out, 20, 0, 0, CLOCK_MONOTONIC},
	{"run_empty", run_empty, 2000, 0, 0, CLOCK_MONOTONIC},
	{"run_events", run_events, MOST, MOST, MOST, CLOCK_MONOTONIC},
	{"wait_events", wait_events, 500, 1, 0, CLOCK_MONOTONIC},
	{"wait_empty", wait_empty, 2000, 0, 0, CLOCK_MONOTONIC},
	/* The kernel makes io_destroy() wait long, for others: CPU time. */
	{"setup", make_and_end, 1, 0, 0, CLOCK_THREAD_CPUTIME_ID},
};

static void fill(unsigned waiting)
{
	for (unsigned done = 0; done < waiting;) {
		int ret = io_submit(ctx, (long)(waiting - done), list + done);

		if (ret <= 0)
			errx(1, "io_submit: %s", strerror(-ret));
		done += (unsigned)ret;
	}
}

static void drain(void)
{
	while (io_getevents(ctx, 0, MOST, events, &zero) > 0)
		;
}

/* Nanoseconds of one batch. */
static double batch(const struct kind *kind)
{
	uint64_t start, end;
	long sum;

	fill(kind->waiting);
	start = clock_ns(kind->clock);
	sum = kind->loop(kind->calls);
	end = clock_ns(kind->clock);
	if (kind->waiting || kind->loop == submit)
		drain();
	if (sum != kind->result)
		errx(1, "%s: the results add up to %ld and not to %ld",
		     kind->name, sum, kind->result);
	return (double)(end - start);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* How many batches fit into the time (at least three), in values, sorted. */
static unsigned batches(const struct kind *kind, uint64_t time)
{
	uint64_t end = clock_now() + time;
	unsigned count = 0;

	for (int i = 0; i < WARM_UP; i++)
		batch(kind);
	while (count < BATCHES && (count < 3 || clock_now() < end))
		values[count++] = batch(kind);
	qsort(values, count, sizeof(*values), ascending);
	return count;
}

static void measure(const struct kind *kind, uint64_t time)
{
	struct kind empty = {"empty", nothing, kind->calls, 0, 0, kind->clock};
	unsigned count = batches(&empty, time / 8);
	double idle = values[0];

	count = batches(kind, time);
	printf("%s %.4f %.4f %u\n", kind->name,
	       (values[0] - idle) / kind->calls,
	       (values[count / 2] - idle) / kind->calls, count);
}

static void count_callback(io_context_t c, struct iocb *iocb, long res,
			   long res2)
{
	(void)c;
	(void)iocb;
	called_back += !res && !res2;
}

/* Requests that do nothing: reads of no bytes from a memory file. */
static void make_ready(void)
{
	int ret, fd = memfd_create("callloop", MFD_CLOEXEC);

	if (fd < 0)
		err(1, "memfd_create");
	ret = io_setup(2 * MOST, &ctx);
	if (ret)
		errx(1, "io_setup: %s", strerror(-ret));
	for (unsigned i = 0; i < MOST; i++) {
		list[i] = iocbs + i;
		io_prep_pread(list[i], fd, buffer, 0, 0);
		io_set_callback(list[i], count_callback);
	}
	/* Or a sleep of 1 ns takes 50 us. */
	prctl(PR_SET_TIMERSLACK, 1);
}

int main(int argc, char **argv)
{
	uint64_t time = argc == 2 ? strtoull(argv[1], NULL, 10) * 1000000 : 0;
	Dl_info info;

	if (!time)
		errx(2, "usage: callloop MILLISECONDS");
	if (!dladdr(dlsym(RTLD_DEFAULT, "io_getevents"), &info))
		errx(1, "io_getevents comes from no library");
	printf("library %s\n", info.dli_fname);
	make_ready();
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		measure(kinds + i, time);
	return 0;
}
