// SPDX-License-Identifier: GPL-2.0-only
/*
 * libaio_ext.h: waiting on the ring and switching it off.  A call that enters
 * the kernel with a ring that is only memory gets -EINVAL; with a real one, in
 * a process that seccomp forbids all system calls, it is killed.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/seccomp.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "fake_ring.h"
#include "in_range.h"
#include "libaio_ext.h"
#include "rings.h"

#define LEFT_ALONE 4321
#define MS 1000000l

static struct timespec now;
static int ready_fd;

static long elapsed_ms(const struct timespec *since)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (t.tv_sec - since->tv_sec) * 1000 +
	       (t.tv_nsec - since->tv_nsec) / MS;
}

static struct timespec start(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t;
}

/* --- io_ring_ready(), io_wait() --- */

static io_context_t filled(struct fake_ring *ring, unsigned head, unsigned fill)
{
	io_context_t ctx = fake_ring_init(ring);

	ring->head.head = ring->head.tail = head;
	for (unsigned i = 0; i < fill; i++)
		fake_ring_complete(ring, 100 + i);
	return ctx;
}

/* Every head, fill, min and nr: count, order, and no kernel if they do. */
static void test_every_wait(void **state)
{
	struct io_event got[FAKE_SLOTS + 1];
	struct fake_ring ring;

	(void)state;
	for (unsigned all = 0; all < FAKE_SLOTS * FAKE_SLOTS * 64; all++) {
		unsigned head = all / 64 / FAKE_SLOTS,
			 fill = all / 64 % FAKE_SLOTS;
		unsigned min = all / 8 % 8, nr = all % 8;
		unsigned want = fill < nr ? fill : nr;
		io_context_t ctx = filled(&ring, head, fill);

		if (min > nr)
			continue;
		assert_int_equal(io_ring_ready(ctx), fill);
		errno = LEFT_ALONE;
		assert_int_equal(io_wait(ctx, min, nr, got, &now, 0), want);
		for (unsigned i = 0; i < want; i++)
			assert_int_equal(got[i].res, 100 + i);
		assert_int_equal(io_ring_ready(ctx), fill - want);
		ctx = filled(&ring, head, fill);
		if (min <= fill)
			assert_int_equal(io_wait(ctx, min, nr, got, NULL, 0),
					 want);
		else if (!fill) /* the kernel knows no such context */
			assert_int_equal(io_wait(ctx, min, nr, got, NULL, 0),
					 -EINVAL);
		assert_int_equal(errno, LEFT_ALONE);
	}
}

static void test_bad_waits(void **state)
{
	struct io_event got[2];
	struct fake_ring ring;
	io_context_t ctx = filled(&ring, 5, 3);

	(void)state;
	assert_int_equal(io_wait(ctx, -1, 2, got, &now, 0), -EINVAL);
	assert_int_equal(io_wait(ctx, 2, 1, got, &now, 0), -EINVAL);
	assert_int_equal(io_wait(ctx, 0, -1, got, &now, 0), -EINVAL);
	assert_int_equal(io_wait(ctx, LONG_MIN, LONG_MIN, got, &now, 0),
			 -EINVAL);
	assert_int_equal(io_wait(ctx, 1, 1, NULL, &now, 0), -EINVAL);
	assert_int_equal(io_ring_ready(ctx), 3);
	ring.head.head = FAKE_SLOTS;
	assert_int_equal(io_ring_ready(ctx), 0);
	assert_int_equal(io_wait(ctx, 1, 1, got, &now, 0), 0);
}

/* A kernel that completes a request when some time has passed. */
static void *complete_late(void *arg)
{
	struct fake_ring *ring = arg;
	struct timespec nap = {0, 30 * MS};
	unsigned tail = ring->head.tail;

	nanosleep(&nap, NULL);
	ring->events[tail].res = 55;
	__atomic_store_n(&ring->head.tail, (tail + 1) % FAKE_SLOTS,
			 __ATOMIC_RELEASE);
	return NULL;
}

/* One waits, one comes late: spinning finds it, however long the limit. */
static void test_spin_finds(void **state)
{
	static const unsigned long limits[] = {20000000000ul, LONG_MAX,
					       ULONG_MAX - 1, ULONG_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		struct fake_ring ring;
		struct io_event got[3];
		io_context_t ctx = filled(&ring, FAKE_SLOTS - 1, 1);
		pthread_t kernel;

		assert_int_equal(
			pthread_create(&kernel, NULL, complete_late, &ring), 0);
		assert_int_equal(io_wait(ctx, 2, 3, got, NULL, limits[i]), 2);
		assert_int_equal(got[0].res, 100);
		assert_int_equal(got[1].res, 55);
		pthread_join(kernel, NULL);
	}
}

/* Until the time is over and no longer; not at all if there is enough. */
static void test_spin_ends(void **state)
{
	struct fake_ring ring;
	struct io_event got[2];
	io_context_t ctx = filled(&ring, 0, 1);
	struct timespec t = start();

	(void)state;
	assert_int_equal(io_wait(ctx, 2, 2, got, &now, 40 * MS), 1);
	assert_within(elapsed_ms(&t), 40, 5000);
	t = start();
	assert_int_equal(io_wait(ctx, 1, 1, got, NULL, 20 * MS), -EINVAL);
	assert_within(elapsed_ms(&t), 20, 5000);
	t = start();
	assert_int_equal(io_wait(ctx, 0, 1, got, NULL, 60000 * MS), 0);
	ctx = filled(&ring, 0, 1);
	assert_int_equal(io_wait(ctx, 1, 2, got, NULL, 60000 * MS), 1);
	assert_within(elapsed_ms(&t), 0, 5000);
}

static io_context_t context(void)
{
	io_context_t ctx = NULL;

	assert_int_equal(io_setup(4, &ctx), 0);
	return ctx;
}

static void submit(io_context_t ctx, struct iocb *iocb, int fd)
{
	io_prep_poll(iocb, fd, POLLIN);
	assert_int_equal(io_submit(ctx, 1, &iocb), 1);
}

static void *write_late(void *arg)
{
	struct timespec nap = {0, 30 * MS};

	nanosleep(&nap, NULL);
	assert_int_equal(write(*(int *)arg, "x", 1), 1);
	return NULL;
}

/* One waits in the ring; for the other the kernel is asked, in vain or not. */
static void test_wait_in_kernel(void **state)
{
	struct timespec soon = {0, 30 * MS}, t = start();
	io_context_t ctx = context();
	struct io_event got[2];
	struct iocb first, late;
	pthread_t writer;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	submit(ctx, &late, fds[0]);
	submit(ctx, &first, ready_fd);
	assert_int_equal(io_wait(ctx, 2, 2, got, &soon, 1000), 1);
	assert_within(elapsed_ms(&t), 30, 5000);
	assert_ptr_equal(got[0].obj, &first);
	assert_int_equal(io_wait(ctx, 1, 2, got, &soon, 0), 0);
	submit(ctx, &first, ready_fd);
	assert_int_equal(pthread_create(&writer, NULL, write_late, &fds[1]), 0);
	assert_int_equal(io_wait(ctx, 2, 2, got, NULL, 0), 2);
	assert_ptr_equal(got[0].obj, &first);
	assert_ptr_equal(got[1].obj, &late);
	pthread_join(writer, NULL);
	assert_int_equal(io_destroy(ctx), 0);
	close(fds[0]);
	close(fds[1]);
}

/* More than the ring has slots, two of three at a time. */
static void test_wait_around_ring(void **state)
{
	io_context_t ctx = context();
	struct iocb iocb[3];
	struct io_event got[3];
	unsigned slots = ((struct aioring *)ctx)->nr;

	(void)state;
	for (unsigned i = 0; i < slots; i++) {
		for (int j = 0; j < 3; j++)
			submit(ctx, &iocb[j], ready_fd);
		assert_int_equal(io_wait(ctx, 2, 2, got, NULL, 0), 2);
		assert_int_equal(io_wait(ctx, 1, 2, got + 2, NULL, 0), 1);
		for (int j = 0; j < 3; j++)
			assert_ptr_equal(got[j].obj, &iocb[j]);
	}
	assert_int_equal(io_destroy(ctx), 0);
}

/* --- without system calls --- */

enum {
	READ,
	READ_DISABLED,
	READ_OLD_WHEN_ALL_ARE_OFF,
	READ_NEW_WHEN_ALL_ARE_OFF,
	READ_WHEN_ANOTHER_IS_OFF,
	WAIT,
	PROBE
};

static int silent_work(int what, io_context_t ctx)
{
	struct io_event event;
	struct io_probe probe = {0};

	switch (what) {
	case PROBE:
		return io_probe(-1, &probe) == 0 && probe.opcodes & 1;
	case WAIT:
		return io_wait(ctx, 1, 1, &event, NULL, 0) == 1 &&
		       io_wait(ctx, 1, 1, &event, &now, 0) == 0;
	default:
		return io_getevents(ctx, 1, 1, &event, NULL) == 1;
	}
}

/* The wait status of a child that does it and may not enter the kernel. */
static int silently(int what)
{
	pid_t pid = fork();
	int status, done;

	if (!pid) {
		io_context_t ctx = context(), off = context();
		struct iocb iocb;
		struct io_probe probe;

		alarm(100);
		done = io_probe(-1, &probe) == 0;
		if (what == READ_DISABLED)
			done &= io_ring_disable(ctx) && !io_ring_disable(ctx);
		if (what == READ_WHEN_ANOTHER_IS_OFF)
			done &= io_ring_disable(off);
		if (what == READ_OLD_WHEN_ALL_ARE_OFF ||
		    what == READ_NEW_WHEN_ALL_ARE_OFF)
			done &= io_ring_disable(NULL) && !io_ring_disable(NULL);
		if (what == READ_NEW_WHEN_ALL_ARE_OFF)
			ctx = context();
		submit(ctx, &iocb, ready_fd);
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
		done &= silent_work(what, ctx);
		syscall(SYS_exit, !done);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_without_system_calls(void **state)
{
	const int killed = SIGKILL;

	(void)state;
#ifdef __SANITIZE_THREAD__
	print_message("skipped: the sanitizer's thread outlives the child's\n");
	return;
#endif
	assert_int_equal(silently(WAIT), 0);
	assert_int_equal(silently(PROBE), 0);
	if (!aioring_can_restart()) {
		assert_int_equal(silently(READ), killed);
		return;
	}
	assert_int_equal(silently(READ), 0);
	assert_int_equal(silently(READ_DISABLED), killed);
	assert_int_equal(silently(READ_OLD_WHEN_ALL_ARE_OFF), 0);
	assert_int_equal(silently(READ_NEW_WHEN_ALL_ARE_OFF), killed);
	assert_int_equal(silently(READ_WHEN_ANOTHER_IS_OFF), 0);
}

/* What is no context of the library's was never read. */
static void test_disable_others(void **state)
{
	static struct fake_ring ring __attribute__((aligned(4096)));
	io_context_t ctx = context(), raw = NULL;

	(void)state;
	assert_int_equal(syscall(SYS_io_setup, 4, &raw), 0);
	assert_int_equal(io_ring_disable(raw), 0);
	assert_int_equal(syscall(SYS_io_destroy, raw), 0);
	assert_int_equal(io_ring_disable(fake_ring_init(&ring)), 0);
	assert_int_equal(io_ring_disable((io_context_t)-4096l), 0);
	assert_int_equal(io_ring_disable((io_context_t)((char *)ctx + 8)), 0);
	assert_int_equal(io_ring_disable(ctx), aioring_can_restart());
	assert_int_equal(io_destroy(ctx), 0);
	assert_int_equal(io_ring_disable(ctx), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_wait),
		cmocka_unit_test(test_bad_waits),
		cmocka_unit_test(test_spin_finds),
		cmocka_unit_test(test_spin_ends),
		cmocka_unit_test(test_wait_in_kernel),
		cmocka_unit_test(test_wait_around_ring),
		cmocka_unit_test(test_without_system_calls),
		cmocka_unit_test(test_disable_others),
	};
	int fds[2];

	if (pipe(fds) || write(fds[1], "x", 1) != 1)
		return 1;
	ready_fd = fds[0];
	return cmocka_run_group_tests_name("extension", tests, NULL, NULL);
}
