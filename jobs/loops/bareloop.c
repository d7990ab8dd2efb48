// SPDX-License-Identifier: GPL-2.0-only
/*
 * The floor under an engine: 4K random reads on a file or device, with the
 * calls that the engine makes at fio's defaults and nothing else.  Each read
 * is one io_submit of one request and one event from the ring; only an empty
 * ring is waited for, or with POLL 1 watched.  Prints the reads per second
 * after the ramp, and the microseconds of CPU for each.
 *	bareloop FILE BYTES DEPTH DIRECT RAMP_MS RUN_MS SEED POLL
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "libaio.h"
#include "libaio_ext.h"

#define BLOCK 4096
#define LOOK_EVERY 32 /* reads between two looks at the clock */

struct loop {
	io_context_t ctx;
	struct iocb *iocbs;
	uint64_t blocks, random, poll;
	int fd;
};

/* xorshift64: cheap, and never 0 if it does not begin there. */
static long long random_offset(struct loop *l)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return (long long)(l->random % l->blocks) * BLOCK;
}

/* Read into the request's own buffer, which it keeps. */
static void submit(struct loop *l, struct iocb *iocb)
{
	int ret;

	io_prep_pread(iocb, l->fd, iocb->u.c.buf, BLOCK, random_offset(l));
	ret = io_submit(l->ctx, 1, &iocb);
	if (ret != 1)
		errx(1, "io_submit: %s", strerror(-ret));
}

static struct iocb *take(const struct loop *l)
{
	struct io_event event;
	int ret;

	do
		ret = io_ring_reap(l->ctx, 1, &event);
	while (!ret && l->poll);
	if (!ret)
		ret = io_getevents(l->ctx, 1, 1, &event, NULL);
	if (ret != 1)
		errx(1, "io_getevents: %s", strerror(-ret));
	if ((long)event.res != BLOCK)
		errx(1, "a read returned %ld", (long)event.res);
	return event.obj;
}

/* So long at least; how many reads it was. */
static uint64_t run(struct loop *l, uint64_t ms)
{
	uint64_t reads = 0, end = clock_now() + ms * 1000000;

	do {
		for (int i = 0; i < LOOK_EVERY; i++)
			submit(l, take(l));
		reads += LOOK_EVERY;
	} while (clock_now() < end);
	return reads;
}

static void start(struct loop *l, unsigned depth)
{
	char *buffers = aligned_alloc(BLOCK, (size_t)depth * BLOCK);
	int ret = io_setup((int)depth, &l->ctx);

	l->iocbs = calloc(depth, sizeof(*l->iocbs));
	if (ret)
		errx(1, "io_setup: %s", strerror(-ret));
	if (!io_ring_usable(l->ctx))
		errx(1, "this kernel's ring cannot be read");
	if (!buffers || !l->iocbs)
		errx(1, "out of memory");
	io_ring_disable(l->ctx); /* one consumer, as in the engine */
	for (unsigned i = 0; i < depth; i++) {
		l->iocbs[i].u.c.buf = buffers + (size_t)i * BLOCK;
		submit(l, l->iocbs + i);
	}
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (*end || end == text)
		errx(2, "'%s' is not a number", text);
	return value;
}

int main(int argc, char **argv)
{
	struct loop l = {0};
	uint64_t wall, cpu, reads;
	double seconds;

	if (argc != 9)
		errx(2,
		     "usage: bareloop FILE BYTES DEPTH DIRECT RAMP_MS RUN_MS "
		     "SEED POLL");
	l.blocks = number(argv[2]) / BLOCK;
	l.random = number(argv[7]) + 1;
	l.poll = number(argv[8]);
	l.fd = open(argv[1], O_RDONLY | (number(argv[4]) ? O_DIRECT : 0));
	if (l.fd < 0)
		err(1, "%s", argv[1]);
	if (!l.blocks || !number(argv[3]))
		errx(2, "nothing to read");
	start(&l, (unsigned)number(argv[3]));
	run(&l, number(argv[5]));
	wall = clock_now();
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	reads = run(&l, number(argv[6]));
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	seconds = (double)(clock_now() - wall) / 1e9;
	printf("%.3f %.6f\n", (double)reads / seconds,
	       (double)cpu / 1e3 / (double)reads);
	return 0;
}
