// SPDX-License-Identifier: GPL-2.0-only
/*
 * The queue on a real context: order, batching, reuse of slots, waiting for
 * min, and both ways to read completions.  Poll requests on pipes complete
 * exactly when the test says so; no disk is needed.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>
#include <cmocka.h>

#include "queue.h"

#define DEPTH 4

struct fixture {
	struct queue q;
	int fds[DEPTH][2];
	unsigned issued; /* iocbs that have left the queue */
	uintptr_t order[64];
};

static bool never(void *arg)
{
	(void)arg;
	return false;
}

/* As far as the kernel takes it, without an error of the queue. */
static void submit(struct fixture *f)
{
	while (f->q.queued) {
		const struct queue_issued issued = queue_submit(&f->q);

		assert_int_equal(issued.error, 0);
		if (!issued.nr)
			return;
		for (unsigned i = 0; i < issued.nr; i++)
			f->order[f->issued++] =
				(uintptr_t)issued.iocbs[i]->data;
	}
}

static int start(void **state, struct queue_config config)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_int_equal(queue_init(&f->q, DEPTH, never, f), 0);
	assert_int_equal(queue_start(&f->q, &config), 0);
	assert_true(f->q.ring);
	for (int i = 0; i < DEPTH; i++)
		assert_int_equal(pipe(f->fds[i]), 0);
	*state = f;
	return 0;
}

static int setup_ring(void **state)
{
	return start(state, (struct queue_config){.reap = QUEUE_RING});
}

static int setup_syscall(void **state)
{
	return start(state, (struct queue_config){.reap = QUEUE_SYSCALL});
}

static int setup_eventfd(void **state)
{
	return start(state, (struct queue_config){.reap = QUEUE_EVENTFD});
}

static int setup_spin(void **state)
{
	return start(state, (struct queue_config){.spin_ns = 1000000});
}

static int setup_auto(void **state)
{
	return start(state, (struct queue_config){.spin_auto = true});
}

static int setup_hold(void **state)
{
	return start(state, (struct queue_config){
				    .hold = 3, .hold_busy = 2, .timed = true});
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	queue_exit(&f->q, true);
	for (int i = 0; i < DEPTH; i++) {
		close(f->fds[i][0]);
		close(f->fds[i][1]);
	}
	free(f);
	return 0;
}

static void add(struct fixture *f, unsigned slot, uintptr_t tag)
{
	io_prep_poll(&f->q.iocbs[slot], f->fds[slot][0], POLLIN);
	f->q.iocbs[slot].data = (void *)tag;
	assert_int_equal(queue_add(&f->q, slot), 0);
}

static void complete(struct fixture *f, unsigned slot)
{
	assert_int_equal(write(f->fds[slot][1], "x", 1), 1);
}

static void drain(struct fixture *f, unsigned slot)
{
	char c;

	assert_int_equal(read(f->fds[slot][0], &c, 1), 1);
}

static void test_order_and_batch(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < DEPTH; i++)
		add(f, i, 10 + i);
	assert_int_equal(queue_add(&f->q, 0), -EBUSY);
	assert_int_equal(f->issued, 0);
	submit(f);
	assert_int_equal(f->issued, DEPTH);
	assert_int_equal(f->q.inflight, DEPTH);
	for (unsigned i = 0; i < DEPTH; i++)
		assert_int_equal(f->order[i], 10 + i);
	assert_int_equal(queue_reap(&f->q, 0, 0, DEPTH), 0);
	for (unsigned i = DEPTH; i-- > 0;)
		complete(f, i);
	assert_int_equal(queue_reap(&f->q, 0, DEPTH, DEPTH), DEPTH);
	assert_true(queue_idle(&f->q));
}

/* Slots come back in any order, over many times the depth. */
static void test_slots_are_reused(void **state)
{
	struct fixture *f = *state;

	for (unsigned round = 0; round < 10; round++) {
		unsigned slot = round % DEPTH, next = (round + 1) % DEPTH;

		f->issued = 0;
		add(f, slot, 100 + round);
		add(f, next, 200 + round);
		submit(f);
		complete(f, next);
		assert_int_equal(queue_reap(&f->q, 0, 1, DEPTH), 1);
		assert_ptr_equal(f->q.events[0].data, 200 + round);
		complete(f, slot);
		assert_int_equal(queue_reap(&f->q, 1, 1, DEPTH - 1), 1);
		assert_ptr_equal(f->q.events[1].data, 100 + round);
		assert_ptr_equal(f->q.events[0].data, 200 + round);
		drain(f, slot);
		drain(f, next);
	}
}

/* max bounds what is taken; the rest stays. */
static void test_max_is_kept(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < DEPTH; i++) {
		add(f, i, i);
		complete(f, i);
	}
	submit(f);
	assert_int_equal(queue_reap(&f->q, 0, 1, 1), 1);
	assert_int_equal(queue_reap(&f->q, 1, 2, 2), 2);
	assert_int_equal(f->q.inflight, 1);
	assert_int_equal(queue_reap(&f->q, 3, 1, 1), 1);
	assert_int_equal(queue_reap(&f->q, 0, 1, 1), 0);
}

/* The reaper, the main thread, waits in the kernel. */
static void await_sleeper(void)
{
	char path[64], state = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	while (state != 'S') {
		FILE *file = fopen(path, "re");

		assert_non_null(file);
		assert_int_equal(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
		fclose(file);
	}
}

static void *complete_asleep(void *arg)
{
	for (unsigned i = 0; i < 3; i++) {
		await_sleeper();
		complete(arg, i);
	}
	return NULL;
}

static void *complete_first_asleep(void *arg)
{
	await_sleeper();
	complete(arg, 0);
	return NULL;
}

static void *complete_second_asleep(void *arg)
{
	await_sleeper();
	complete(arg, 1);
	return NULL;
}

static void *complete_third_asleep(void *arg)
{
	await_sleeper();
	complete(arg, 2);
	return NULL;
}

/* To one who spins. */
static void *complete_later(void *arg)
{
	for (unsigned i = 0; i < 3; i++) {
		usleep(20000);
		complete(arg, i);
	}
	return NULL;
}

/* min completions are waited for, though they come one by one. */
static void test_waits_for_min(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;

	for (unsigned i = 0; i < 3; i++)
		add(f, i, i);
	submit(f);
	assert_int_equal(pthread_create(&thread, NULL, complete_asleep, f), 0);
	assert_int_equal(queue_reap(&f->q, 0, 3, DEPTH), 3);
	pthread_join(thread, NULL);
}

/* A min above what is in flight waits for what there is, not for ever. */
static void test_min_above_inflight(void **state)
{
	struct fixture *f = *state;

	add(f, 0, 1);
	submit(f);
	complete(f, 0);
	assert_int_equal(queue_reap(&f->q, 0, DEPTH, DEPTH), 1);
	assert_int_equal(queue_reap(&f->q, 0, DEPTH, DEPTH), 0);
}

/* A request that the kernel refuses gets its own event; the rest run. */
static void test_refused_request(void **state)
{
	struct fixture *f = *state;

	add(f, 0, 10);
	add(f, 1, 11);
	f->q.iocbs[1].aio_lio_opcode = 99;
	add(f, 2, 12);
	complete(f, 0);
	complete(f, 2);
	submit(f);
	assert_int_equal(f->issued, 3);
	assert_int_equal(queue_reap(&f->q, 0, 3, DEPTH), 3);
	assert_ptr_equal(f->q.events[0].data, 11);
	assert_int_equal((long)f->q.events[0].res, -EINVAL);
	assert_true(f->q.events[1].res & POLLIN);
	assert_true(f->q.events[2].res & POLLIN);
	assert_true(queue_idle(&f->q));
}

/* Completions on eventfd that were reaped early must not lose the next. */
static void test_eventfd_waits(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;

	for (unsigned round = 0; round < 3; round++) {
		add(f, 3, 3);
		complete(f, 3);
		submit(f);
		assert_int_equal(queue_reap(&f->q, 0, 1, DEPTH), 1);
		drain(f, 3);
		for (unsigned i = 0; i < 3; i++)
			add(f, i, i);
		submit(f);
		assert_int_equal(
			pthread_create(&thread, NULL, complete_asleep, f), 0);
		assert_int_equal(queue_reap(&f->q, 0, 3, DEPTH), 3);
		pthread_join(thread, NULL);
		for (unsigned i = 0; i < 3; i++)
			drain(f, i);
	}
	assert_int_equal(f->q.stats.getevents, 0);
	assert_true(f->q.stats.waits >= 6);
}

/* A completion within the time is found without the kernel; one after not. */
static void test_spin(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;

	f->q.config.spin_ns = 10000000000;
	for (unsigned i = 0; i < 3; i++)
		add(f, i, i);
	submit(f);
	assert_int_equal(pthread_create(&thread, NULL, complete_later, f), 0);
	assert_int_equal(queue_reap(&f->q, 0, 3, DEPTH), 3);
	assert_int_equal(f->q.stats.spin_hits, 1);
	assert_int_equal(f->q.stats.getevents, 0);
	pthread_join(thread, NULL);
	f->q.config.spin_ns = 1000;
	drain(f, 0);
	add(f, 0, 0);
	submit(f);
	assert_int_equal(
		pthread_create(&thread, NULL, complete_first_asleep, f), 0);
	assert_int_equal(queue_reap(&f->q, 0, 1, DEPTH), 1);
	assert_int_equal(f->q.stats.spin_misses, 1);
	assert_int_equal(f->q.stats.getevents, 1);
	pthread_join(thread, NULL);
}

/* spin=auto is told of each wait, of what was there without one, and obeys. */
static void test_auto_learns(void **state)
{
	struct fixture *f = *state;
	struct spin_auto *l = &f->q.spin;
	pthread_t thread;

	for (unsigned i = 0; i < 3; i++)
		add(f, i, i);
	submit(f);
	complete(f, 0);
	assert_int_equal(
		pthread_create(&thread, NULL, complete_second_asleep, f), 0);
	assert_int_equal(queue_reap(&f->q, 0, 2, 2), 2);
	pthread_join(thread, NULL);
	assert_int_equal(l->waits, 1);
	assert_int_equal(l->completions, 2);
	assert_true(l->waited_ns > 0);
	assert_int_equal(f->q.stats.spin_hits + f->q.stats.spin_misses, 0);
	l->home = true;
	assert_int_equal(
		pthread_create(&thread, NULL, complete_third_asleep, f), 0);
	assert_int_equal(queue_reap(&f->q, 0, 1, 1), 1);
	assert_int_equal(f->q.stats.spin_misses, 1);
	assert_int_equal(l->waits, 2);
	pthread_join(thread, NULL);
}

/* Held only while something waits to be read, and never more than the limit. */
static void test_hold(void **state)
{
	struct fixture *f = *state;

	add(f, 0, 0);
	assert_false(queue_holds(&f->q));
	complete(f, 0);
	submit(f);
	assert_true(queue_ready(&f->q, 1));
	assert_false(queue_ready(&f->q, 2));
	add(f, 1, 1);
	assert_true(queue_holds(&f->q));
	add(f, 2, 2);
	assert_false(queue_holds(&f->q));
	submit(f);
	assert_int_equal(f->q.stats.batch[0], 1);
	assert_int_equal(f->q.stats.batch[1], 1);
	assert_int_equal(f->q.stats.done_inside, 1);
	assert_int_equal(queue_reap(&f->q, 0, 1, DEPTH), 1);
	add(f, 3, 3);
	assert_false(queue_holds(&f->q));
}

/* One request is submitted; it is complete at once, or not. */
static void step(struct fixture *f, unsigned slot, bool at_once)
{
	if (at_once)
		complete(f, slot);
	add(f, slot, slot);
	submit(f);
	if (!at_once)
		complete(f, slot);
	assert_int_equal(queue_reap(&f->q, 0, 1, 1), 1);
	drain(f, slot);
}

/* How many it takes until it holds no more, with a completion waiting. */
static unsigned held(struct fixture *f)
{
	unsigned nr = 0;

	complete(f, 0);
	add(f, 0, 0);
	submit(f);
	do
		add(f, 1 + nr, 1 + nr);
	while (++nr, queue_holds(&f->q));
	for (unsigned i = 0; i < nr; i++)
		complete(f, 1 + i);
	submit(f);
	assert_int_equal(queue_reap(&f->q, 0, nr + 1, nr + 1), nr + 1);
	for (unsigned i = 0; i <= nr; i++)
		drain(f, i);
	return nr;
}

/* Many where a row of submissions left nothing in flight, else few. */
static void test_hold_follows_the_device(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(held(f), 2);
	for (int i = 0; i < 16; i++)
		step(f, 0, true);
	assert_int_equal(held(f), 3);
	step(f, 0, false);
	assert_int_equal(held(f), 2);
}

/* Batches of 1, 2, 3, 4, 5, 8, 9, 1024, 1025 in their buckets. */
static void test_batch_buckets(void **state)
{
	static const unsigned sizes[] = {1, 2, 3, 4, 5, 8, 9, 1024, 1025, 9999};
	static const unsigned want[STATS_BATCHES] = {1, 1,	  2,	   2,
						     1, [10] = 1, [11] = 2};
	struct queue_stats s = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		stats_submitted(&s, sizes[i], (int)sizes[i]);
	for (unsigned i = 0; i < STATS_BATCHES; i++)
		assert_int_equal(s.batch[i], want[i]);
	stats_submitted(&s, 5, 4);
	stats_submitted(&s, 5, -EAGAIN);
	assert_int_equal(s.partial, 1);
	assert_int_equal(s.submits, 12);
}

/* An iocb that the kernel reads from two cache lines costs more. */
static void test_slots_are_aligned(void **state)
{
	struct queue q;

	(void)state;
	for (unsigned depth = 1; depth < 300; depth += 7) {
		assert_int_equal(queue_init(&q, depth, never, NULL), 0);
		assert_int_equal((uintptr_t)q.iocbs % 64, 0);
		assert_int_equal((uintptr_t)q.iovecs % 64, 0);
		assert_int_equal((uintptr_t)q.pending % 64, 0);
		assert_int_equal((uintptr_t)q.events % 64, 0);
		assert_int_equal((uintptr_t)q.failed % 64, 0);
		queue_exit(&q, true);
	}
	assert_int_equal(sizeof(struct iocb), 64);
}

/* With nothing queued the kernel is not called, and nothing leaves. */
static void test_nothing_queued(void **state)
{
	struct fixture *f = *state;
	const struct queue_issued issued = queue_submit(&f->q);

	assert_int_equal(issued.nr, 0);
	assert_int_equal(issued.error, 0);
	assert_int_equal(f->q.stats.submits, 0);
}

static void test_init_errors(void **state)
{
	const struct queue_config config = {.reap = QUEUE_RING};
	struct queue q;

	(void)state;
	assert_int_equal(queue_init(&q, 0, never, NULL), -EINVAL);
	queue_exit(&q, true);
	assert_int_equal(queue_init(&q, 5000000, never, NULL), 0);
	assert_int_equal(queue_start(&q, &config), -EINVAL);
	queue_exit(&q, true);
}

#define IN(test, mode) \
	{ \
#test " (" #mode ")", test, setup_##mode, teardown, NULL \
	}
#define EACH(test) \
	IN(test, ring), IN(test, syscall), IN(test, eventfd), IN(test, spin), \
		IN(test, auto), IN(test, hold)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_order_and_batch),
		EACH(test_slots_are_reused),
		EACH(test_max_is_kept),
		EACH(test_waits_for_min),
		EACH(test_min_above_inflight),
		EACH(test_refused_request),
		IN(test_eventfd_waits, eventfd),
		IN(test_spin, spin),
		IN(test_auto_learns, auto),
		IN(test_hold, hold),
		IN(test_hold_follows_the_device, hold),
		IN(test_nothing_queued, ring),
		cmocka_unit_test(test_slots_are_aligned),
		cmocka_unit_test(test_batch_buckets),
		cmocka_unit_test(test_init_errors),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
