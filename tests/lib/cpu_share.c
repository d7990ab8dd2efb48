// SPDX-License-Identifier: GPL-2.0-only
/*
 * A preload library for fio with libaio: each I/O costs CPU_SHARE (0.03: 3%)
 * more CPU time than it does.  What it does cost is this thread's own CPU time,
 * looked at every WINDOW I/Os, less what was burned; so the handicap stays the
 * same share however fast the processor is.  It is burned in pieces of
 * PIECE_NS, as the clock itself takes some 25 ns.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define WINDOW 1000
#define PIECE_NS 2000

struct iocb;
struct io_context;

struct thread {
	int64_t debt;	/* ns that are still to be burned */
	int64_t each;	/* ns for an I/O */
	int64_t burned; /* ns since the window began */
	int64_t begin;	/* CPU time of the thread at that moment */
	long left;	/* I/Os to the end of the window */
};

static __thread struct thread self;

static int64_t now(clockid_t clock)
{
	struct timespec at;

	clock_gettime(clock, &at);
	return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

static void next_window(void)
{
	const char *share = getenv("CPU_SHARE");
	int64_t cpu = now(CLOCK_THREAD_CPUTIME_ID);

	if (self.begin && share)
		self.each = (int64_t)((double)(cpu - self.begin - self.burned) /
				      WINDOW * atof(share));
	self.begin = cpu;
	self.burned = 0;
	self.left = WINDOW;
}

/* A piece in which the processor was taken away counts as one all the same. */
static void burn(void)
{
	int64_t begin = now(CLOCK_MONOTONIC), took;

	do {
		took = now(CLOCK_MONOTONIC) - begin;
	} while (took < PIECE_NS);
	if (took > 2 * PIECE_NS)
		took = PIECE_NS;
	self.debt -= took;
	self.burned += took;
}

int io_submit(struct io_context *ctx, long nr, struct iocb **ios)
{
	static int (*real)(struct io_context *, long, struct iocb **);
	int taken;

	if (!real)
		real = (__typeof__(real))dlsym(RTLD_NEXT, "io_submit");
	taken = real(ctx, nr, ios);
	if (taken > 0) {
		self.debt += taken * self.each;
		self.left -= taken;
		while (self.debt >= PIECE_NS)
			burn();
		if (self.left <= 0)
			next_window();
	}
	return taken;
}
