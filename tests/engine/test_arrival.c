// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue whose completions a thread stamps: when they arrive and not when they
 * are taken, each once, in order, in a ring that goes round many times; with a
 * limit on the wait; and a thread that ends when it is told to.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "clock.h"
#include "in_range.h"
#include "queue.h"

#define MS 1000000ull
#define DEPTH 7

static bool never(void *arg)
{
	(void)arg;
	return false;
}

struct fixture {
	struct queue q;
	int fds[2]; /* readable when there is a byte */
};

static void start(struct fixture *f, uint64_t wait_ns)
{
	const struct queue_config config = {
		.arrivals = true, .timed = true, .wait_ns = wait_ns};

	assert_int_equal(queue_init(&f->q, DEPTH, never, f), 0);
	assert_int_equal(queue_start(&f->q, &config), 0);
	assert_int_equal(pipe(f->fds), 0);
}

static void end(struct fixture *f)
{
	queue_exit(&f->q, true);
	close(f->fds[0]);
	close(f->fds[1]);
}

static void submit(struct fixture *f, unsigned slot)
{
	io_prep_poll(&f->q.iocbs[slot], f->fds[0], POLLIN);
	f->q.iocbs[slot].data = (void *)(uintptr_t)(slot + 1);
	assert_int_equal(queue_add(&f->q, slot), 0);
	assert_int_equal(queue_submit(&f->q).nr, 1);
}

static void nap(uint64_t ns)
{
	const struct timespec time = {.tv_nsec = (long)ns};

	nanosleep(&time, NULL);
}

static unsigned arrived(struct fixture *f)
{
	unsigned nr;

	pthread_mutex_lock(&f->q.arrival.lock);
	nr = f->q.arrival.nr;
	pthread_mutex_unlock(&f->q.arrival.lock);
	return nr;
}

static void test_stamped_when_they_arrive(void **state)
{
	struct fixture f;
	uint64_t before, after;

	(void)state;
	start(&f, 0);
	before = clock_now();
	submit(&f, 3);
	assert_int_equal(write(f.fds[1], "x", 1), 1);
	/* Not asked for yet: but it has been seen. */
	while (!arrived(&f))
		nap(MS);
	after = clock_now();
	nap(100 * MS);
	assert_int_equal(queue_reap(&f.q, 0, 1, DEPTH), 1);
	assert_int_equal((uintptr_t)f.q.events[0].data, 4);
	assert_within(f.q.arrival.taken[3], before, after);
	assert_true(queue_idle(&f.q));
	end(&f);
}

/* The thread has seen the first, and cannot take it before the other is there,
 * too: that has not arrived before it was submitted. */
static void test_none_arrives_before_it_began(void **state)
{
	struct fixture f;
	uint64_t before;

	(void)state;
	start(&f, 0);
	assert_int_equal(write(f.fds[1], "x", 1), 1);
	queue_lend(&f.q);
	submit(&f, 0);
	nap(100 * MS);
	before = clock_now();
	submit(&f, 1);
	queue_take_back(&f.q);
	while (!queue_idle(&f.q))
		assert_true(queue_reap(&f.q, 0, 2, DEPTH) >= 0);
	assert_true(f.q.arrival.taken[1] >= before);
	end(&f);
}

static void test_each_once_round_after_round(void **state)
{
	struct fixture f;
	uint64_t last = 0;

	(void)state;
	start(&f, 0);
	assert_int_equal(write(f.fds[1], "x", 1), 1);
	for (unsigned round = 0; round < 2000; round++) {
		unsigned nr = round % DEPTH + 1, seen = 0;

		for (unsigned slot = 0; slot < nr; slot++)
			submit(&f, slot);
		for (unsigned got = 0; got < nr;) {
			int ret = queue_reap(&f.q, got, 1, DEPTH - got);

			assert_true(ret > 0);
			got += (unsigned)ret;
		}
		for (unsigned i = 0; i < nr; i++) {
			uintptr_t slot = (uintptr_t)f.q.events[i].data - 1;

			seen += 1u << slot;
			assert_true(f.q.arrival.taken[slot] >= last);
			last = f.q.arrival.taken[slot];
		}
		assert_int_equal(seen, (1u << nr) - 1);
		assert_true(queue_idle(&f.q));
	}
	assert_int_equal(f.q.stats.arrived, f.q.stats.submitted);
	assert_true(f.q.stats.done_inside <= f.q.stats.submitted);
	end(&f);
}

static void test_a_wait_has_a_limit(void **state)
{
	struct fixture f;
	uint64_t began;

	(void)state;
	start(&f, 20 * MS);
	submit(&f, 0);
	began = clock_now();
	assert_int_equal(queue_reap(&f.q, 0, 1, DEPTH), 0);
	assert_true(clock_now() - began >= 20 * MS);
	/* Nothing is there, and it does not wait. */
	assert_int_equal(queue_reap(&f.q, 0, 0, DEPTH), 0);
	assert_int_equal(write(f.fds[1], "x", 1), 1);
	assert_int_equal(queue_drain(&f.q), 0);
	assert_int_equal(queue_reap(&f.q, 0, 1, DEPTH), 1);
	end(&f);
}

/* With something in flight, and with something that nobody took. */
static void test_the_thread_ends(void **state)
{
	struct fixture f;

	(void)state;
	for (int i = 0; i < 50; i++) {
		start(&f, 0);
		submit(&f, 0);
		if (i % 2)
			assert_int_equal(write(f.fds[1], "x", 1), 1);
		end(&f);
	}
}

static void test_events_of_others_are_left_to_them(void **state)
{
	struct timespec zero = {0, 0};
	struct io_event event;
	struct fixture f;

	(void)state;
	start(&f, 0);
	assert_int_equal(write(f.fds[1], "x", 1), 1);
	for (int i = 0; i < 1000; i++) {
		struct iocb other, *list[] = {&other};

		submit(&f, 0);
		submit(&f, 1);
		assert_int_equal(queue_drain(&f.q), 0);
		queue_lend(&f.q);
		io_prep_poll(&other, f.fds[0], POLLIN);
		assert_int_equal(io_submit(f.q.ctx, 1, list), 1);
		assert_int_equal(io_getevents(f.q.ctx, 1, 1, &event, &zero), 1);
		assert_ptr_equal(event.obj, &other);
		queue_take_back(&f.q);
		assert_int_equal(queue_reap(&f.q, 0, 2, DEPTH), 2);
	}
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stamped_when_they_arrive),
		cmocka_unit_test(test_none_arrives_before_it_began),
		cmocka_unit_test(test_each_once_round_after_round),
		cmocka_unit_test(test_a_wait_has_a_limit),
		cmocka_unit_test(test_the_thread_ends),
		cmocka_unit_test(test_events_of_others_are_left_to_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
