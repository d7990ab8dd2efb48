// SPDX-License-Identifier: GPL-2.0-only
/*
 * Second tries: reads of pipes, which RWF_NOWAIT makes fail as long as the
 * test has written nothing, or not enough.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cmocka.h>

#include "fault.h"
#include "queue.h"

#define DEPTH 6
#define SIZE 8

struct fixture {
	struct queue q;
	int fds[DEPTH][2];
	char buf[DEPTH][SIZE + 1];
};

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static int start(void **state, struct queue_config config)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fault.number = -1;
	config.again = true;
	assert_int_equal(queue_init(&f->q, DEPTH, never, f), 0);
	assert_int_equal(queue_start(&f->q, &config), 0);
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
	return start(state, (struct queue_config){.reap = QUEUE_SYSCALL,
						  .timed = true});
}

static int setup_eventfd(void **state)
{
	return start(state, (struct queue_config){.reap = QUEUE_EVENTFD});
}

static int setup_hold(void **state)
{
	return start(state, (struct queue_config){
				    .hold = 3, .hold_busy = 2, .timed = true});
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fault.number = -1;
	queue_exit(&f->q, true);
	for (int i = 0; i < DEPTH; i++) {
		close(f->fds[i][0]);
		if (f->fds[i][1] >= 0)
			close(f->fds[i][1]);
	}
	free(f);
	return 0;
}

static void add(struct fixture *f, unsigned slot, bool vectored, int flags)
{
	struct iocb *iocb = &f->q.iocbs[slot];
	struct iovec *iov = &f->q.iovecs[slot];

	memset(f->buf[slot], 0, sizeof(f->buf[slot]));
	if (vectored) {
		*iov = (struct iovec){f->buf[slot], SIZE};
		io_prep_preadv2(iocb, f->fds[slot][0], iov, 1, 0, flags);
	} else {
		io_prep_pread(iocb, f->fds[slot][0], f->buf[slot], SIZE, 0);
		iocb->aio_rw_flags = (unsigned)flags;
	}
	iocb->data = (void *)(uintptr_t)(100 + slot);
	assert_int_equal(queue_add(&f->q, slot), 0);
}

static void put(struct fixture *f, unsigned slot, const char *text)
{
	ssize_t len = (ssize_t)strlen(text);

	assert_int_equal(write(f->fds[slot][1], text, (size_t)len), len);
}

/* How many left the queue for the first time; and did any for the second? */
static void submitted(struct fixture *f, unsigned nr, unsigned again)
{
	struct queue_issued issued = queue_submit(&f->q);

	assert_int_equal(issued.nr, nr);
	assert_int_equal(issued.again, again > 0);
	assert_int_equal(issued.error, 0);
}

static void ended(struct fixture *f, unsigned at, unsigned slot, long res,
		  const char *text)
{
	const struct io_event *ev = &f->q.events[at];

	assert_ptr_equal(ev->obj, &f->q.iocbs[slot]);
	assert_ptr_equal(ev->data, 100 + slot);
	assert_int_equal((long)ev->res, res);
	assert_string_equal(f->buf[slot], text);
}

/* All of it, plain and vectored, in the order of the first tries. */
static void test_sent_again(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < DEPTH; i++)
		add(f, i, i & 1, RWF_NOWAIT);
	submitted(f, DEPTH, 0);
	assert_int_equal(queue_reap(&f->q, 0, 0, DEPTH), 0);
	assert_int_equal(f->q.again, DEPTH);
	assert_int_equal(f->q.inflight, 0);
	assert_false(queue_idle(&f->q));
	for (unsigned i = 0; i < DEPTH; i++)
		put(f, i, "12345678");
	submitted(f, 0, DEPTH);
	assert_int_equal(f->q.again, 0);
	assert_int_equal(queue_reap(&f->q, 0, DEPTH, DEPTH), DEPTH);
	for (unsigned i = 0; i < DEPTH; i++)
		ended(f, i, i, SIZE, "12345678");
	assert_true(queue_idle(&f->q));
	assert_int_equal(f->q.stats.again, DEPTH);
	assert_int_equal(f->q.stats.submitted, 2 * DEPTH);
}

/* Only the rest is read again; the result is that of both. */
static void test_the_rest(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		put(f, i, "123");
		add(f, i, i, RWF_NOWAIT);
	}
	submitted(f, 2, 0);
	assert_int_equal(queue_reap(&f->q, 0, 2, 2), 0);
	assert_string_equal(f->buf[0], "123");
	put(f, 0, "45678");
	put(f, 1, "45");
	submitted(f, 0, 2);
	assert_int_equal(queue_reap(&f->q, 0, 2, 2), 2);
	ended(f, 0, 0, SIZE, "12345678");
	ended(f, 1, 1, 5, "12345"); /* short without the flag: as it is */
	/* And nothing of that is left in the slot. */
	put(f, 0, "abcdefgh");
	add(f, 0, false, RWF_NOWAIT);
	submitted(f, 1, 0);
	assert_int_equal(queue_reap(&f->q, 0, 1, 1), 1);
	ended(f, 0, 0, SIZE, "abcdefgh");
}

/* What has not the flag, is whole, or fails otherwise, comes at once. */
static void test_what_is_not(void **state)
{
	struct fixture *f = *state;

	put(f, 0, "12");
	add(f, 0, false, 0);
	put(f, 1, "12345678");
	add(f, 1, true, RWF_NOWAIT);
	add(f, 2, false, RWF_NOWAIT);
	f->q.iocbs[2].u.c.buf = (void *)8;
	put(f, 2, "1");
	submitted(f, 3, 0);
	assert_int_equal(queue_reap(&f->q, 0, 3, 3), 3);
	ended(f, 0, 0, 2, "12");
	ended(f, 1, 1, SIZE, "12345678");
	ended(f, 2, 2, -EFAULT, "");
	assert_int_equal(f->q.stats.again, 0);
}

/*
 * A second try that the kernel refuses has that error, unless the first did
 * something: then the result is what it did, as of any read.
 */
static void test_errors_of_the_second(void **state)
{
	struct fixture *f = *state;

	put(f, 1, "123");
	add(f, 0, false, RWF_NOWAIT);
	add(f, 1, false, RWF_NOWAIT);
	submitted(f, 2, 0);
	assert_int_equal(queue_reap(&f->q, 0, 2, 2), 0);
	inject(SYS_io_submit, 0, 2, EBADF);
	submitted(f, 0, 1);
	submitted(f, 0, 1);
	assert_int_equal(queue_reap(&f->q, 0, 2, 2), 2);
	ended(f, 0, 0, -EBADF, "");
	ended(f, 1, 1, 3, "123");
	/* And one that fails by itself: the end of a pipe is short. */
	add(f, 0, false, RWF_NOWAIT);
	submitted(f, 1, 0);
	assert_int_equal(queue_reap(&f->q, 0, 1, 1), 0);
	close(f->fds[0][1]);
	f->fds[0][1] = -1;
	submitted(f, 0, 1);
	assert_int_equal(queue_reap(&f->q, 0, 1, 1), 1);
	ended(f, 0, 0, 0, "");
	assert_true(queue_idle(&f->q));
}

/* Others neither overtake them, nor go with them before they should. */
static void test_others_wait(void **state)
{
	struct fixture *f = *state;

	add(f, 0, false, RWF_NOWAIT);
	submitted(f, 1, 0);
	add(f, 1, false, RWF_NOWAIT);
	submitted(f, 1, 0);
	for (unsigned i = 2; i < DEPTH; i++) {
		put(f, i, "12345678");
		add(f, i, false, RWF_NOWAIT);
	}
	assert_int_equal(queue_reap(&f->q, 0, 1, 1), 0);
	assert_int_equal(queue_reap(&f->q, 0, 0, DEPTH), 0);
	assert_int_equal(queue_pending(&f->q, 0), 0);
	assert_int_equal(queue_pending(&f->q, 1), 1);
	put(f, 0, "12345678");
	put(f, 1, "12345678");
	submitted(f, 0, 2);
	assert_int_equal(f->q.queued, DEPTH - 2);
	submitted(f, DEPTH - 2, 0);
	assert_int_equal(queue_reap(&f->q, 0, DEPTH, DEPTH), DEPTH);
	for (unsigned i = 0; i < DEPTH; i++)
		ended(f, i, i, SIZE, "12345678");
}

/* The same where the queue begins further back, as some of it has left. */
static void test_room_in_front(void **state)
{
	struct fixture *f = *state;

	add(f, 0, false, RWF_NOWAIT);
	add(f, 1, false, RWF_NOWAIT);
	submitted(f, 2, 0);
	for (unsigned i = 2; i < 5; i++)
		add(f, i, false, RWF_NOWAIT);
	inject(SYS_io_submit, 0, 2, EBADF);
	submitted(f, 1, 0);
	submitted(f, 1, 0);
	assert_int_equal(queue_reap(&f->q, 0, 4, 4), 2);
	ended(f, 0, 2, -EBADF, "");
	ended(f, 1, 3, -EBADF, "");
	assert_int_equal(f->q.queued, 3);
	assert_int_equal(queue_pending(&f->q, 0), 0);
	assert_int_equal(queue_pending(&f->q, 1), 1);
	assert_int_equal(queue_pending(&f->q, 2), 4);
	put(f, 0, "12345678");
	put(f, 1, "12345678");
	put(f, 4, "12345678");
	submitted(f, 0, 2);
	submitted(f, 1, 0);
	assert_int_equal(queue_reap(&f->q, 0, 3, 3), 3);
	assert_true(queue_idle(&f->q));
}

/* io_submit() takes none for a while. */
static void test_refused(void **state)
{
	struct fixture *f = *state;

	add(f, 0, false, RWF_NOWAIT);
	put(f, 1, "12");
	add(f, 1, false, RWF_NOWAIT);
	submitted(f, 2, 0);
	assert_int_equal(queue_reap(&f->q, 0, 2, 2), 0);
	put(f, 0, "12345678");
	put(f, 1, "345678");
	inject(SYS_io_submit, 0, 3, EAGAIN);
	submitted(f, 0, 2);
	assert_int_equal(fault.calls, 4);
	assert_int_equal(f->q.stats.refused, 3);
	assert_int_equal(queue_reap(&f->q, 0, 2, 2), 2);
	ended(f, 0, 0, SIZE, "12345678");
	ended(f, 1, 1, SIZE, "12345678");
}

static void test_refused_for_long(void **state)
{
	struct fixture *f = *state;
	struct queue_issued issued;

	add(f, 0, false, RWF_NOWAIT);
	submitted(f, 1, 0);
	assert_int_equal(queue_reap(&f->q, 0, 1, 1), 0);
	add(f, 1, false, RWF_NOWAIT);
	f->q.stall_limit = 20;
	inject(SYS_io_submit, 0, FOREVER, EAGAIN);
	issued = queue_submit(&f->q);
	assert_int_equal(issued.error, -EAGAIN);
	assert_int_equal(issued.nr, 1);
	assert_int_equal(issued.again, 1);
	assert_ptr_equal(issued.iocbs[0], &f->q.iocbs[1]);
	assert_int_equal(queue_reap(&f->q, 0, 2, 2), 2);
	ended(f, 0, 0, -EAGAIN, "");
	ended(f, 1, 1, -EAGAIN, "");
	assert_true(queue_idle(&f->q));
}

/* The context is idle then, and what is to be sent again is not lost. */
static void test_drained(void **state)
{
	struct fixture *f = *state;

	add(f, 0, false, RWF_NOWAIT);
	put(f, 1, "12345678");
	add(f, 1, false, RWF_NOWAIT);
	submitted(f, 2, 0);
	assert_int_equal(queue_drain(&f->q), 0);
	assert_int_equal(f->q.inflight, 0);
	assert_int_equal(f->q.again, 1);
	assert_int_equal(queue_reap(&f->q, 0, 1, 2), 1);
	ended(f, 0, 1, SIZE, "12345678");
	put(f, 0, "12345678");
	submitted(f, 0, 1);
	assert_int_equal(queue_reap(&f->q, 0, 1, 2), 1);
	ended(f, 0, 0, SIZE, "12345678");
}

/* It is an error that no second try follows. */
static void test_kernel_lacks_it(void **state)
{
	struct fixture *f = *state;

	add(f, 0, false, RWF_NOWAIT);
	submitted(f, 1, 0);
	assert_int_equal(queue_reap(&f->q, 0, 1, DEPTH), 1);
	ended(f, 0, 0, -EOPNOTSUPP, "");
	assert_true(queue_idle(&f->q));
}

/* Since Linux 6.5. */
static bool pipes_take_nowait(void)
{
	char byte;
	struct iovec iov = {&byte, 1};
	int fds[2];
	bool take;

	if (pipe(fds))
		return true;
	take = preadv2(fds[0], &iov, 1, -1, RWF_NOWAIT) < 0 && errno == EAGAIN;
	close(fds[0]);
	close(fds[1]);
	return take;
}

#define IN(test, mode) \
	{ \
#test " (" #mode ")", test, setup_##mode, teardown, NULL \
	}
#define EACH(test) \
	IN(test, ring), IN(test, syscall), IN(test, eventfd), IN(test, hold)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_sent_again),	EACH(test_the_rest),
		EACH(test_what_is_not), EACH(test_errors_of_the_second),
		EACH(test_others_wait), EACH(test_room_in_front),
		EACH(test_refused),	EACH(test_refused_for_long),
		EACH(test_drained),
	};
	const struct CMUnitTest lacking[] = {EACH(test_kernel_lacks_it)};

	if (!pipes_take_nowait())
		return cmocka_run_group_tests_name("again", lacking, NULL,
						   NULL);
	return cmocka_run_group_tests_name("again", tests, NULL, NULL);
}
