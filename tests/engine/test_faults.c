// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every error of every system call, through the library and the queue.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "fault.h"
#include "libaio_ext.h"
#include "queue.h"

/* --- the library: -errno out, errno untouched --- */

static int call(long number)
{
	struct io_event ev;
	io_context_t ctx = NULL;
	sigset_t mask;

	sigemptyset(&mask);
	switch (number) {
	case SYS_io_setup:
		return io_setup(1, &ctx);
	case SYS_io_destroy:
		return io_destroy(NULL);
	case SYS_io_submit:
		return io_submit(NULL, 0, NULL);
	case SYS_io_cancel:
		return io_cancel(NULL, NULL, NULL);
	case SYS_io_getevents:
		return io_getevents(NULL, 0, 1, &ev, NULL);
	default:
		return io_pgetevents(NULL, 0, 1, &ev, NULL, &mask);
	}
}

static void test_errors_of_each_call(void **state)
{
	static const long numbers[] = {SYS_io_setup,	 SYS_io_destroy,
				       SYS_io_submit,	 SYS_io_cancel,
				       SYS_io_getevents, SYS_io_pgetevents};
	static const int errors[] = {EAGAIN,	  ENOMEM,    EINVAL, EFAULT,
				     EBADF,	  EINTR,     ENOSYS, EPERM,
				     EINPROGRESS, EOPNOTSUPP};

	(void)state;
	for (size_t n = 0; n < sizeof(numbers) / sizeof(*numbers); n++)
		for (size_t e = 0; e < sizeof(errors) / sizeof(*errors); e++) {
			int want = errors[e];

			/* A container's filter says EPERM and means ENOSYS. */
			if (numbers[n] == SYS_io_pgetevents && want == EPERM)
				want = ENOSYS;
			inject(numbers[n], 0, 1, errors[e]);
			errno = 4321;
			assert_int_equal(call(numbers[n]), -want);
			assert_int_equal(errno, 4321);
			assert_int_equal(fault.calls, 1);
		}
}

/* Without a mask the older call takes its place, which containers allow. */
static void test_pgetevents_without_mask(void **state)
{
	struct io_event ev;

	(void)state;
	inject(SYS_io_pgetevents, 0, FOREVER, EPERM);
	assert_int_equal(io_pgetevents(NULL, 0, 1, &ev, NULL, NULL), -EINVAL);
	assert_int_equal(fault.calls, 1);
	inject(SYS_io_pgetevents, 0, 1, EINTR);
	assert_int_equal(io_pgetevents(NULL, 0, 1, &ev, NULL, NULL), -EINTR);
	assert_int_equal(fault.calls, 1);
}

/* --- words --- */

static void explains(int err, int nr, const char *part)
{
	char text[320];
	int len = io_setup_explain(err, nr, text, sizeof(text));

	assert_int_equal(len, strlen(text));
	assert_non_null(strstr(text, part));
	assert_null(strchr(text, '\n'));
}

static void test_explain(void **state)
{
	struct io_limits l;
	char want[64], text[8];

	(void)state;
	assert_int_equal(io_limits(&l), 0);
	snprintf(want, sizeof(want), "aio-max-nr %lu", l.aio_max_nr);
	explains(-EAGAIN, 77, "77 more requested");
	explains(-EAGAIN, 77, want);
	explains(-EAGAIN, 77, "sysctl -w fs.aio-max-nr=");
	explains(-ENOMEM, 77, "memory");
	explains(-ENOSYS, 77, "CONFIG_AIO");
	explains(-EINVAL, 77, "refuses");
	explains(-EFAULT, 77, "Bad address");
	assert_int_equal(io_setup_explain(-ENOMEM, 1, text, sizeof(text)), 7);
	assert_string_equal(text, "io_setu");
}

/* --- the queue --- */

struct fixture {
	struct queue q;
	unsigned issued;
	int stop_after; /* stopping() says so after that many questions */
};

static bool on_stopping(void *arg)
{
	struct fixture *f = arg;

	return f->stop_after && !--f->stop_after;
}

/* As far as the kernel takes it; the queue's error. */
static int submit(struct fixture *f)
{
	int error = 0;

	while (f->q.queued) {
		const struct queue_issued issued = queue_submit(&f->q);

		if (!issued.nr)
			return error;
		f->issued += issued.nr;
		if (issued.error)
			error = issued.error;
	}
	return error;
}

static const struct queue_config config = {.reap = QUEUE_RING};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fault.number = -1;
	assert_int_equal(queue_init(&f->q, 8, on_stopping, f), 0);
	assert_int_equal(queue_start(&f->q, &config), 0);
	f->q.stall_limit = 100;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fault.number = -1;
	queue_exit(&f->q, true);
	free(f);
	return 0;
}

/* A pipe that can be read: a poll of it completes within io_submit. */
static int ready_fd;

static void add(struct fixture *f, unsigned from, unsigned to)
{
	static char buf[8];

	for (unsigned i = from; i < to; i++) {
		io_prep_poll(&f->q.iocbs[i], ready_fd, POLLIN);
		f->q.iocbs[i].data = &buf[i];
		assert_int_equal(queue_add(&f->q, i), 0);
	}
}

/* All of nr come back once, with res. */
static void reap_all(struct fixture *f, unsigned nr, long res)
{
	unsigned seen = 0;

	assert_int_equal(queue_reap(&f->q, 0, nr, nr), nr);
	for (unsigned i = 0; i < nr; i++) {
		long slot = f->q.events[i].obj - f->q.iocbs;

		assert_false(seen & 1u << slot);
		seen |= 1u << slot;
		if (res < 0)
			assert_int_equal((long)f->q.events[i].res, res);
		else
			assert_true((long)f->q.events[i].res > 0);
	}
	assert_true(queue_idle(&f->q));
}

/* The context is idle then, and each event comes once, queued ones too. */
static void test_drained(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(queue_drain(&f->q), 0);
	add(f, 0, 5);
	assert_int_equal(submit(f), 0);
	add(f, 5, 8);
	inject(SYS_io_getevents, 0, 2, EINTR);
	assert_int_equal(queue_drain(&f->q), 0);
	assert_int_equal(fault.calls, 3);
	assert_int_equal(f->q.inflight, 0);
	assert_int_equal(io_ring_ready(f->q.ctx), 0);
	assert_int_equal(f->q.queued, 3);
	assert_int_equal(submit(f), 0);
	reap_all(f, 8, 1);
	add(f, 0, 1);
	assert_int_equal(submit(f), 0);
	inject(SYS_io_getevents, 0, 1, EFAULT);
	assert_int_equal(queue_drain(&f->q), -EFAULT);
	reap_all(f, 1, 1);
}

/* Refused a few times with nothing in flight: retried, nothing is lost. */
static void test_stall_ends(void **state)
{
	static const int errors[] = {EAGAIN, ENOMEM, EINTR, 0};
	struct fixture *f = *state;

	for (size_t e = 0; e < sizeof(errors) / sizeof(*errors); e++) {
		f->issued = 0;
		add(f, 0, 4);
		inject(SYS_io_submit, 0, 5, errors[e]);
		assert_int_equal(submit(f), 0);
		assert_int_equal(f->issued, 4);
		assert_int_equal(fault.calls, 6);
		reap_all(f, 4, 1);
	}
}

/* Refused while others are in flight: back to the caller, to reap first. */
static void test_refused_while_in_flight(void **state)
{
	struct fixture *f = *state;

	add(f, 0, 2);
	assert_int_equal(submit(f), 0);
	add(f, 2, 5);
	inject(SYS_io_submit, 0, FOREVER, EAGAIN);
	assert_int_equal(submit(f), 0);
	assert_int_equal(fault.calls, 1);
	assert_int_equal(f->q.queued, 3);
	assert_int_equal(queue_reap(&f->q, 0, 5, 8), 2);
	assert_false(queue_idle(&f->q));
	fault.repeat = 0;
	assert_int_equal(submit(f), 0);
	reap_all(f, 3, 1);
}

/* For ever: given up after the limit; each request gets its event. */
static void test_stall_limit(void **state)
{
	struct fixture *f = *state;

	add(f, 0, 4);
	inject(SYS_io_submit, 0, FOREVER, ENOMEM);
	assert_int_equal(submit(f), -ENOMEM);
	assert_int_equal(f->issued, 4);
	reap_all(f, 4, -ENOMEM);
	assert_true(queue_stalled_ms(&f->q) >= f->q.stall_limit);
	/* The stall goes on: no second wait, and no second report. */
	add(f, 0, 1);
	fault.calls = 0;
	assert_int_equal(submit(f), 0);
	assert_int_equal(fault.calls, 1);
	reap_all(f, 1, -ENOMEM);
	/* And once it is over, all is as before. */
	fault.repeat = 0;
	add(f, 0, 1);
	assert_int_equal(submit(f), 0);
	assert_int_equal(queue_stalled_ms(&f->q), 0);
	reap_all(f, 1, 1);
}

/* The owner wants to end: no waiting for the limit. */
static void test_stall_is_stopped(void **state)
{
	struct fixture *f = *state;

	f->q.stall_limit = 60000;
	f->stop_after = 3;
	add(f, 0, 1);
	inject(SYS_io_submit, 0, FOREVER, EAGAIN);
	assert_int_equal(submit(f), -EAGAIN);
	assert_int_equal(fault.calls, 3);
	reap_all(f, 1, -EAGAIN);
}

/* A hard error belongs to the first request; the next is tried. */
static void test_hard_error(void **state)
{
	static const int errors[] = {EBADF, EINVAL, EFAULT, EOPNOTSUPP, EPERM};
	struct fixture *f = *state;

	for (size_t e = 0; e < sizeof(errors) / sizeof(*errors); e++) {
		add(f, 0, 3);
		inject(SYS_io_submit, 0, 1, errors[e]);
		assert_int_equal(submit(f), 0);
		assert_int_equal(queue_reap(&f->q, 0, 3, 8), 3);
		assert_ptr_equal(f->q.events[0].obj, &f->q.iocbs[0]);
		assert_int_equal((long)f->q.events[0].res, -errors[e]);
		assert_true((long)f->q.events[1].res > 0);
		assert_true(queue_idle(&f->q));
	}
}

/* More failures than fit one reap come in order, once. */
static void test_failed_in_parts(void **state)
{
	struct fixture *f = *state;

	add(f, 0, 5);
	inject(SYS_io_submit, 0, 5, EBADF);
	assert_int_equal(submit(f), 0);
	assert_int_equal(queue_reap(&f->q, 0, 1, 2), 2);
	assert_int_equal(queue_reap(&f->q, 2, 1, 2), 2);
	assert_false(queue_idle(&f->q));
	assert_int_equal(queue_reap(&f->q, 4, 1, 2), 1);
	for (unsigned i = 0; i < 5; i++)
		assert_ptr_equal(f->q.events[i].obj, &f->q.iocbs[i]);
	assert_true(queue_idle(&f->q));
}

/* io_getevents: a signal is no error; another error is, but loses nothing. */
static void test_getevents_errors(void **state)
{
	struct fixture *f = *state;

	f->q.config.reap = QUEUE_SYSCALL;
	add(f, 0, 2);
	assert_int_equal(submit(f), 0);
	inject(SYS_io_getevents, 0, 1, EINTR);
	assert_int_equal(queue_reap(&f->q, 0, 1, 8), 0);
	inject(SYS_io_getevents, 0, 1, 0);
	assert_int_equal(queue_reap(&f->q, 0, 1, 8), 0);
	inject(SYS_io_getevents, 0, 1, EINVAL);
	assert_int_equal(queue_reap(&f->q, 0, 1, 8), -EINVAL);
	assert_int_equal(f->q.inflight, 2);
	reap_all(f, 2, 1);
}

/* With enough in the ring the kernel is not entered, for any min. */
static void test_no_entry_when_ring_suffices(void **state)
{
	struct fixture *f = *state;

	for (unsigned min = 0; min <= 8; min++) {
		add(f, 0, 8);
		assert_int_equal(submit(f), 0);
		inject(SYS_io_getevents, 0, 0, 0);
		assert_int_equal(queue_reap(&f->q, 0, min, 8), 8);
		assert_int_equal(fault.calls, 0);
	}
}

static void test_start_errors(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void)state;
	assert_int_equal(queue_init(&f->q, 8, on_stopping, f), 0);
	inject(SYS_io_setup, 0, 1, EAGAIN);
	assert_int_equal(queue_start(&f->q, &config), -EAGAIN);
	queue_exit(&f->q, true);
	free(f);
}

#define QUEUE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors_of_each_call),
		cmocka_unit_test(test_pgetevents_without_mask),
		cmocka_unit_test(test_explain),
		QUEUE_TEST(test_drained),
		QUEUE_TEST(test_stall_ends),
		QUEUE_TEST(test_refused_while_in_flight),
		QUEUE_TEST(test_stall_limit),
		QUEUE_TEST(test_stall_is_stopped),
		QUEUE_TEST(test_hard_error),
		QUEUE_TEST(test_failed_in_parts),
		QUEUE_TEST(test_getevents_errors),
		QUEUE_TEST(test_no_entry_when_ring_suffices),
		cmocka_unit_test(test_start_errors),
	};
	int fds[2];

	if (pipe(fds) || write(fds[1], "x", 1) != 1)
		return 1;
	ready_fd = fds[0];
	return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
