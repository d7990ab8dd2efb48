// SPDX-License-Identifier: GPL-2.0-only
/*
 * stuck=: what counts as stuck and when it is named, on a clock of the test's;
 * waits of the queue that end in time, and requests that it gives up.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "clock.h"
#include "inside.h"
#include "queue.h"
#include "stuck.h"

#define S 1000000000ull
#define DEPTH 4

static void test_named_at_once_and_each_minute(void **state)
{
	const uint64_t start = 5 * S;
	struct stuck s;
	bool first;

	(void)state;
	assert_int_equal(stuck_init(&s, DEPTH, 10 * S), 0);
	stuck_issued(&s, 2, start);
	assert_false(stuck_tell(&s, 2, start + 10 * S, &first));
	assert_false(stuck_any(&s, start + 10 * S));
	assert_true(stuck_any(&s, start + 10 * S + 1));
	assert_true(stuck_tell(&s, 2, start + 11 * S, &first) && first);
	assert_false(stuck_tell(&s, 2, start + 70 * S, &first));
	assert_true(stuck_tell(&s, 2, start + 71 * S, &first) && !first);
	assert_int_equal(stuck_age(&s, 2, start + 71 * S), 71 * S);
	assert_int_equal(stuck_age(&s, 1, start + 71 * S), 0);
	stuck_done(&s, 2);
	assert_false(stuck_any(&s, start + 1000 * S));
	stuck_issued(&s, 2, start + 1000 * S);
	assert_true(stuck_tell(&s, 2, start + 1011 * S, &first) && first);
	stuck_exit(&s);
	stuck_exit(&s);
}

static void test_looks_are_rare(void **state)
{
	struct stuck s;

	(void)state;
	assert_int_equal(stuck_pause_ns(1000000), 1000000);
	assert_int_equal(stuck_pause_ns(S / 2), S / 4);
	assert_int_equal(stuck_pause_ns(3600 * S), S / 2);
	assert_int_equal(stuck_init(&s, DEPTH, 10 * S), 0);
	assert_true(stuck_look(&s, S));
	assert_false(stuck_look(&s, S + S / 2 - 1));
	assert_true(stuck_look(&s, S + S / 2));
	stuck_exit(&s);
}

struct fixture {
	struct queue q;
	int fds[2];
};

static bool never(void *arg)
{
	(void)arg;
	return false;
}

/* Two requests in flight that nothing completes, and one that is queued. */
static void start(struct fixture *f, enum queue_reap reap)
{
	const struct queue_config config = {.reap = reap, .wait_ns = S / 20};

	assert_int_equal(queue_init(&f->q, DEPTH, never, f), 0);
	assert_int_equal(queue_start(&f->q, &config), 0);
	assert_int_equal(pipe(f->fds), 0);
	for (unsigned i = 0; i < 3; i++) {
		io_prep_poll(&f->q.iocbs[i], f->fds[0], POLLIN);
		f->q.iocbs[i].data = (void *)(uintptr_t)(i + 1);
		if (i == 2)
			assert_int_equal(queue_submit(&f->q).nr, 2);
		assert_int_equal(queue_add(&f->q, i), 0);
	}
	assert_int_equal(f->q.inflight, 2);
	assert_int_equal(queue_pending(&f->q, 0), 2);
}

static void end(struct fixture *f)
{
	queue_exit(&f->q, true);
	close(f->fds[0]);
	close(f->fds[1]);
}

static void test_a_wait_ends_in_time(void **state)
{
	(void)state;
	for (unsigned reap = QUEUE_RING; reap <= QUEUE_EVENTFD; reap++) {
		struct fixture f;
		uint64_t began;

		start(&f, (enum queue_reap)reap);
		began = clock_now();
		assert_int_equal(queue_reap(&f.q, 0, 2, DEPTH), 0);
		assert_true(clock_now() - began >= S / 20);
		assert_int_equal(f.q.inflight, 2);
		/* What comes later is there. */
		assert_int_equal(write(f.fds[1], "x", 1), 1);
		while (f.q.inflight)
			assert_true(queue_reap(&f.q, 0, 2, DEPTH) >= 0);
		end(&f);
	}
}

static bool once_asked(void *arg)
{
	return ++*(unsigned *)arg > 1;
}

/* What is in flight still is, to be reaped or given up. */
static void test_a_drain_ends_when_the_job_should(void **state)
{
	(void)state;
	for (unsigned reap = QUEUE_RING; reap <= QUEUE_EVENTFD; reap++) {
		struct fixture f;
		unsigned asked = 0;

		start(&f, (enum queue_reap)reap);
		f.q.stopping = once_asked;
		f.q.arg = &asked;
		assert_int_equal(queue_drain(&f.q), -EINTR);
		assert_int_equal(asked, 2);
		assert_int_equal(f.q.inflight, 2);
		assert_int_equal(write(f.fds[1], "x", 1), 1);
		assert_int_equal(queue_drain(&f.q), 0);
		assert_int_equal(queue_reap(&f.q, 0, 2, DEPTH), 2);
		end(&f);
	}
}

static void test_all_is_given_up_once(void **state)
{
	const unsigned lost[] = {0, 1};

	(void)state;
	for (unsigned reap = QUEUE_RING; reap <= QUEUE_EVENTFD; reap++) {
		struct queue_issued failed;
		struct fixture f;

		start(&f, (enum queue_reap)reap);
		failed = queue_abandon(&f.q, lost, 2, -ETIMEDOUT);
		assert_int_equal(failed.nr, 1);
		assert_ptr_equal(failed.iocbs[0], &f.q.iocbs[2]);
		/* Too late: it belongs to nobody. */
		assert_int_equal(write(f.fds[1], "x", 1), 1);
		assert_int_equal(queue_reap(&f.q, 0, 3, DEPTH), 3);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal((uintptr_t)f.q.events[i].data, i + 1);
			assert_int_equal((long)f.q.events[i].res, -ETIMEDOUT);
		}
		assert_true(queue_idle(&f.q));
		assert_int_equal(queue_reap(&f.q, 0, 1, DEPTH), 0);
		end(&f);
	}
}

struct told {
	pthread_mutex_t lock;
	unsigned times;
	const void *what;
	uint64_t age;
};

static void tell(void *arg, const void *what, uint64_t age)
{
	struct told *t = arg;

	pthread_mutex_lock(&t->lock);
	t->times++;
	t->what = what;
	t->age = age;
	pthread_mutex_unlock(&t->lock);
}

static unsigned times(struct told *t)
{
	unsigned times;

	pthread_mutex_lock(&t->lock);
	times = t->times;
	pthread_mutex_unlock(&t->lock);
	return times;
}

/* A call that lasts is told of; one that does not, and none, are not. */
static void test_who_is_held_is_told_of(void **state)
{
	struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct inside in = {.limit_ns = S / 20,
			    .pause_ns = S / 1000,
			    .tell = tell,
			    .arg = &told};

	(void)state;
	assert_int_equal(inside_start(&in), 0);
	inside_enter(&in, &in, clock_now());
	while (!times(&told))
		usleep(1000);
	inside_leave(&in);
	assert_ptr_equal(told.what, &in);
	assert_true(told.age > S / 20);
	told.times = 0;
	inside_enter(&in, &in, clock_now());
	inside_leave(&in);
	usleep(20000);
	assert_int_equal(times(&told), 0);
	/* It ends also while one is inside. */
	inside_enter(&in, &in, clock_now());
	inside_stop(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_named_at_once_and_each_minute),
		cmocka_unit_test(test_looks_are_rare),
		cmocka_unit_test(test_a_wait_ends_in_time),
		cmocka_unit_test(test_a_drain_ends_when_the_job_should),
		cmocka_unit_test(test_all_is_given_up_once),
		cmocka_unit_test(test_who_is_held_is_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
