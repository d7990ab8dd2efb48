/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The calls of the fuzzer that deliver events, and what they share with the
 * others: a context of each side, and the slot that it is in.
 */
#ifndef TESTS_FUZZ_GET_H
#define TESTS_FUZZ_GET_H

#include "input.h"
#include "world.h"

#define LEFT_ALONE 4321 /* errno before each call of the library */

/* One context for both sides; slot is -1 if it is not a live one. */
struct target {
	io_context_t ctx[SIDES];
	int slot;
};

struct target take_target(struct input *in);
/* A live one, which the calls for a ring must have. */
struct target live_target(struct input *in);

/*
 * LIBRARY_CALL(result, call): with errno and the system calls
 * watched; again if libFuzzer's alarm has interrupted it.
 */
#define LIBRARY_CALL(result, call) \
	do { \
		seen.calls = seen.asked = 0; \
		errno = LEFT_ALONE; \
		(result) = (call); \
		must_be_equal("errno", errno, LEFT_ALONE); \
	} while ((result) == -EINTR)

/* The callback of requests, which io_queue_run() calls. */
void note(io_context_t ctx, struct iocb *iocb, long res, long res2);

void do_getevents(struct input *in);
void do_pgetevents(struct input *in);
void do_old_getevents(struct input *in);
void do_queue_wait(struct input *in);
void do_queue_run(struct input *in);
void do_wait(struct input *in);
void do_reap(struct input *in);

/* compat.c's, without their old names. */
int compat01_io_cancel(io_context_t ctx, struct iocb *iocb);
int compat01_io_queue_wait(io_context_t ctx, const struct timespec *timeout);
int compat01_io_getevents(io_context_t ctx, long nr, struct io_event *events,
			  const struct timespec *timeout);

#endif /* TESTS_FUZZ_GET_H */
