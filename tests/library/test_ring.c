// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring reader: every head and tail, wrap-around, layouts that must be
 * refused, and agreement with the kernel on a real context.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>
#include <cmocka.h>

#include "fake_ring.h"
#include "libaio_ext.h"

/* Every head, every fill, every nr: order, count and the new head. */
static void test_every_position(void **state)
{
	struct io_event got[FAKE_SLOTS + 1];
	struct fake_ring ring;

	(void)state;
	for (unsigned head = 0; head < FAKE_SLOTS; head++)
		for (unsigned fill = 0; fill < FAKE_SLOTS; fill++)
			for (unsigned nr = 0; nr <= FAKE_SLOTS; nr++) {
				io_context_t ctx = fake_ring_init(&ring);
				unsigned want = fill < nr ? fill : nr;

				ring.head.head = ring.head.tail = head;
				for (unsigned i = 0; i < fill; i++)
					fake_ring_complete(&ring, 100 + i);
				assert_int_equal(io_ring_reap(ctx, nr, got),
						 want);
				for (unsigned i = 0; i < want; i++)
					assert_int_equal(got[i].res, 100 + i);
				assert_int_equal(ring.head.head,
						 (head + want) % FAKE_SLOTS);
			}
}

static void test_bad_arguments(void **state)
{
	struct io_event got[2];
	struct fake_ring ring;
	io_context_t ctx = fake_ring_init(&ring);

	(void)state;
	fake_ring_complete(&ring, 1);
	assert_int_equal(io_ring_reap(ctx, -1, got), -EINVAL);
	assert_int_equal(io_ring_reap(ctx, 1, NULL), -EINVAL);
	assert_int_equal(io_ring_reap(ctx, 0, got), 0);
	assert_int_equal(ring.head.head, 0);
}

/* Indices that no kernel writes must not send the copy out of the ring. */
static void test_corrupt_indices(void **state)
{
	struct io_event got[2];
	struct fake_ring ring;
	io_context_t ctx = fake_ring_init(&ring);

	(void)state;
	ring.head.head = FAKE_SLOTS;
	ring.head.tail = 1;
	assert_int_equal(io_ring_reap(ctx, 2, got), 0);
	ring.head.head = 0;
	ring.head.tail = 1u << 31;
	assert_int_equal(io_ring_reap(ctx, 2, got), 0);
}

static void test_usable(void **state)
{
	struct fake_ring ring;
	io_context_t ctx = fake_ring_init(&ring);

	(void)state;
	assert_int_equal(io_ring_usable(ctx), 1);
	assert_int_equal(io_ring_usable(NULL), 0);
	ring.head.magic++;
	assert_int_equal(io_ring_usable(ctx), 0);
	ring.head.magic--;
	ring.head.incompat_features = 1;
	assert_int_equal(io_ring_usable(ctx), 0);
	ring.head.incompat_features = 0;
	ring.head.header_length = 31;
	assert_int_equal(io_ring_usable(ctx), 0);
	ring.head.header_length = 32;
	assert_int_equal(io_ring_usable(ctx), 1);
	setenv("LD_PRELOAD", "/usr/libexec/valgrind/vgpreload_core.so", 1);
	assert_int_equal(io_ring_usable(ctx), 0);
	unsetenv("LD_PRELOAD");
}

/* Poll requests complete when we say so; more of them than the ring holds. */
static void test_real_ring(void **state)
{
	struct iocb cb, *list[1] = {&cb};
	struct io_event got;
	io_context_t ctx = NULL;
	int fds[2];
	char byte;

	(void)state;
	assert_int_equal(io_setup(1, &ctx), 0);
	assert_int_equal(io_ring_usable(ctx), 1);
	assert_int_equal(pipe(fds), 0);
	for (int i = 0; i < 1000; i++) {
		io_prep_poll(&cb, fds[0], POLLIN);
		cb.data = (void *)(intptr_t)i;
		assert_int_equal(io_submit(ctx, 1, list), 1);
		assert_int_equal(io_ring_reap(ctx, 1, &got), 0);
		assert_int_equal(write(fds[1], "x", 1), 1);
		while (!io_ring_reap(ctx, 1, &got))
			;
		assert_ptr_equal(got.data, cb.data);
		assert_ptr_equal(got.obj, &cb);
		assert_true(got.res & POLLIN);
		assert_int_equal(read(fds[0], &byte, 1), 1);
	}
	assert_int_equal(io_getevents(ctx, 0, 1, &got, &(struct timespec){0}),
			 0);
	assert_int_equal(io_destroy(ctx), 0);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_position),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_corrupt_indices),
		cmocka_unit_test(test_usable),
		cmocka_unit_test(test_real_ring),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
