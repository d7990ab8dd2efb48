// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors in the library's way to the ring: each is handed through, leaves
 * errno alone, and afterwards the ring is read again without a system call.
 * mmap(), madvise() and munmap() are this program's own, which the library
 * takes before libc's.
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
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "child.h"
#include "fault.h"
#include "libaio_ext.h"
#include "rings.h"

/* The call of mmap() or madvise() to fail: 1 is the next; 0: none. */
static int mmap_fails, madvise_fails;
static int tables; /* mapped, not unmapped */
static void (*on_mmap)(void);
#ifdef __SANITIZE_THREAD__
#define TABLES(want) 1 /* the sanitizer maps memory, too */
#else
#define TABLES(want) (tables == (want))
#endif

void *mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	void (*hook)(void) = on_mmap;
	void *mem;

	on_mmap = NULL;
	if (hook)
		hook();
	if (mmap_fails && !--mmap_fails) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	mem = (void *)__real_syscall(SYS_mmap, addr, size, prot, flags, fd,
				     offset);
	tables += mem != MAP_FAILED;
	return mem;
}

int munmap(void *addr, size_t size)
{
	tables--;
	return (int)__real_syscall(SYS_munmap, addr, size);
}

int madvise(void *addr, size_t size, int advice)
{
	if (madvise_fails && !--madvise_fails) {
		errno = EINVAL;
		return -1;
	}
	return (int)__real_syscall(SYS_madvise, addr, size, advice);
}

static struct iocb asked;
static int ready_fd;

static int submit_one(io_context_t ctx)
{
	struct iocb *list[] = {&asked};

	io_prep_poll(&asked, ready_fd, POLLIN);
	return io_submit(ctx, 1, list);
}

/* One event that waits is read; how many system calls it took, or -1. */
static int calls_to_read(io_context_t ctx)
{
	struct io_event event;

	inject(SYS_io_getevents, 0, 0, 0);
	if (io_getevents(ctx, 1, 1, &event, NULL) != 1 || event.obj != &asked ||
	    errno != LEFT_ALONE)
		return -1;
	return fault.calls;
}

/* Who loses the processor just while it reads the ring enters the kernel. */
static int reads_with(io_context_t ctx, int calls)
{
	for (int tries = calls ? 1 : 10; tries; tries--) {
		if (submit_one(ctx) != 1)
			return 0;
		if (calls_to_read(ctx) == calls)
			return 1;
	}
	return 0;
}

static int works(io_context_t ctx, int calls)
{
	return reads_with(ctx, calls) && reads_with(ctx, calls);
}

static io_context_t context(void)
{
	io_context_t ctx = NULL;

	assert_int_equal(io_setup(4, &ctx), 0);
	return ctx;
}

static int by_getevents(io_context_t ctx)
{
	struct io_event events[2];

	return io_getevents(ctx, 2, 2, events, NULL);
}

static int by_pgetevents(io_context_t ctx)
{
	struct io_event events[2];
	sigset_t mask;

	sigemptyset(&mask);
	return io_pgetevents(ctx, 2, 2, events, NULL, &mask);
}

static int by_pgetevents_unmasked(io_context_t ctx)
{
	struct io_event events[2];

	return io_pgetevents(ctx, 2, 2, events, NULL, NULL);
}

static int by_queue_wait(io_context_t ctx)
{
	return io_queue_wait(ctx, (struct timespec *)-4096l);
}

/* One event waits and the kernel fails: the next call still finds it. */
static void test_gate_is_left(void **state)
{
	static int (*const calls[])(io_context_t) = {
		by_getevents, by_pgetevents, by_pgetevents_unmasked,
		by_queue_wait};
	static const int errors[] = {EINTR,  EAGAIN, ENOMEM, EINVAL,
				     EFAULT, ENOSYS, EPERM};
	io_context_t ctx = context();

	(void)state;
	for (size_t c = 0; c < sizeof(calls) / sizeof(*calls); c++)
		for (size_t e = 0; e < sizeof(errors) / sizeof(*errors); e++) {
			int masked = calls[c] == by_pgetevents;
			int newer =
				masked || calls[c] == by_pgetevents_unmasked;
			int lacking = errors[e] == ENOSYS || errors[e] == EPERM;
			int want = masked && lacking ? ENOSYS : errors[e];

			if (newer && !masked && lacking)
				continue; /* the older call would wait */
			assert_int_equal(submit_one(ctx), 1);
			inject(newer ? SYS_io_pgetevents : SYS_io_getevents, 0,
			       1, errors[e]);
			assert_int_equal(calls[c](ctx), -want);
			assert_int_equal(errno, LEFT_ALONE);
			assert_int_equal(fault.all, 1);
			assert_int_equal(calls_to_read(ctx), calls_for_one());
		}
	assert_int_equal(io_destroy(ctx), 0);
}

static int called;

static void count(io_context_t ctx, struct iocb *iocb, long res, long res2)
{
	(void)ctx, (void)iocb, (void)res, (void)res2;
	called++;
}

/* io_queue_run(): at once, and after a callback; io_wait(): with none, one. */
static void test_helpers(void **state)
{
	struct io_event events[2];
	io_context_t ctx = context();

	(void)state;
	assert_int_equal(submit_one(ctx), 1);
	inject(SYS_io_getevents, 0, 1, EINTR);
	assert_int_equal(io_wait(ctx, 2, 2, events, NULL, 0), 1);
	assert_int_equal(fault.calls, 1);
	inject(SYS_io_getevents, 0, 1, ENOSYS);
	assert_int_equal(io_wait(ctx, 1, 2, events, NULL, 0), -ENOSYS);
	assert_int_equal(errno, LEFT_ALONE);
	assert_int_equal(works(ctx, calls_for_one()), 1);
	io_ring_disable(ctx);
	assert_int_equal(io_poll(ctx, &asked, count, ready_fd, POLLIN), 1);
	inject(SYS_io_getevents, 0, 1, EINVAL);
	assert_int_equal(io_queue_run(ctx), -EINVAL);
	assert_int_equal(errno, LEFT_ALONE);
	assert_int_equal(called, 0);
	assert_int_equal(io_queue_run(ctx), 0);
	assert_int_equal(called, 1);
	inject(SYS_io_destroy, 0, 1, ENOSYS);
	assert_int_equal(io_queue_release(ctx), -ENOSYS);
	assert_int_equal(io_queue_release(ctx), 0);
	inject(SYS_io_setup, 0, 1, ENOMEM);
	assert_int_equal(io_queue_init(4, &ctx), -ENOMEM);
	assert_null(ctx);
	assert_int_equal(errno, LEFT_ALONE);
}

/* io_wait_kernel(): one system call, and no other, whatever the ring holds. */
static void test_wait_kernel(void **state)
{
	struct io_event event;
	io_context_t ctx = context();

	(void)state;
	assert_int_equal(submit_one(ctx), 1);
	inject(SYS_io_getevents, 0, 1, EINTR);
	assert_int_equal(io_wait_kernel(ctx, 1, 1, &event, NULL), -EINTR);
	assert_int_equal(errno, LEFT_ALONE);
	inject(SYS_io_getevents, 0, 0, 0);
	assert_int_equal(io_wait_kernel(ctx, 1, 1, &event, NULL), 1);
	assert_ptr_equal(event.obj, &asked);
	assert_int_equal(fault.calls, 1);
	assert_int_equal(fault.all, 1);
	assert_int_equal(io_destroy(ctx), 0);
}

/* No ring reader comes in any more, but nothing is lost. */
static void test_destroy_fails(void **state)
{
	io_context_t ctx = context();

	(void)state;
	assert_int_equal(submit_one(ctx), 1);
	inject(SYS_io_destroy, 0, 1, EFAULT);
	assert_int_equal(io_destroy(ctx), -EFAULT);
	assert_int_equal(errno, LEFT_ALONE);
	assert_int_equal(calls_to_read(ctx), 1);
	assert_true(works(ctx, 1));
	assert_int_equal(io_destroy(ctx), 0);
	assert_int_equal(io_destroy(ctx), -EINVAL);
}

/* A filter that forbids membarrier(2), from the beginning or later. */
static void test_barrier_fails(void **state)
{
	io_context_t ctx = NULL;

	(void)state;
	need_rings();
	inject(SYS_membarrier, 0, 1, EPERM);
	assert_int_equal(io_setup(4, &ctx), 0);
	assert_int_equal(fault.calls, 1);
	assert_int_equal(errno, LEFT_ALONE);
	assert_true(works(ctx, 1));
	assert_int_equal(io_destroy(ctx), 0);
	ctx = context();
	assert_true(works(ctx, 0));
	inject(SYS_membarrier, 0, FOREVER, EPERM);
	assert_int_equal(io_destroy(ctx), 0);
	assert_int_equal(fault.calls, 1);
	assert_int_equal(errno, LEFT_ALONE);
	inject(-1, 0, 0, 0);
}

/* --- the tables of contexts --- */

/* Contexts lie side by side, but for where a leaf's 2 MiB end between them. */
static inline int same_leaf(io_context_t a, io_context_t b)
{
	return (uintptr_t)a >> 21 == (uintptr_t)b >> 21;
}

/* Without memory for a table a context has no gate; the next one has. */
static int table_fails(int which)
{
	io_context_t ctx = NULL, next = NULL;

	tables = 0;
	mmap_fails = which < 3 ? which + 1 : 0;
	madvise_fails = which < 3 ? 0 : which - 2;
	errno = LEFT_ALONE;
	WANT(io_setup(4, &ctx) == 0 && errno == LEFT_ALONE);
	WANT(!mmap_fails && !madvise_fails);
	WANT(TABLES(which % 3));
	WANT(works(ctx, 1));
	WANT(io_setup(4, &next) == 0);
	WANT(TABLES(3 + !same_leaf(ctx, next)));
	WANT(works(next, 0) && works(ctx, 1));
	WANT(io_destroy(ctx) == 0 && io_destroy(next) == 0);
	return 0;
}

static void test_table_fails(void **state)
{
	(void)state;
	need_rings();
	for (int which = 0; which < 6; which++)
		assert_int_equal(in_child(table_fails, which), 0);
}

/*
 * A context that the library did not make (yet) is read, and there is no
 * memory to count that: no ring of a later one is read, as it might be that.
 */
static int enter_without_table(int which)
{
	io_context_t raw = NULL, next = NULL;

	WANT(__real_syscall(SYS_io_setup, 4, &raw) == 0);
	mmap_fails = which;
	WANT(works(raw, 1) && !mmap_fails);
	WANT(io_setup(4, &next) == 0 && errno == LEFT_ALONE);
	WANT(works(next, which ? 1 : 0) && works(raw, 1));
	WANT(io_destroy(next) == 0 && io_destroy(raw) == 0);
	return 0;
}

static void test_enter_without_table(void **state)
{
	(void)state;
	need_rings();
	for (int which = 0; which < 4; which++)
		assert_int_equal(in_child(enter_without_table, which), 0);
}

static io_context_t other;

static void make_other(void)
{
	io_setup(4, &other);
}

/* Another thread makes the same tables, while this one maps memory. */
static int tables_twice(int unused)
{
	io_context_t ctx = NULL;

	(void)unused;
	tables = 0;
	on_mmap = make_other;
	WANT(io_setup(4, &ctx) == 0 && other);
	WANT(TABLES(3 + !same_leaf(ctx, other)));
	WANT(works(ctx, 0) && works(other, 0));
	WANT(io_destroy(ctx) == 0 && io_destroy(other) == 0);
	return 0;
}

static void test_tables_made_twice(void **state)
{
	(void)state;
	need_rings();
	assert_int_equal(in_child(tables_twice, 0), 0);
}

/* --- errors that the kernel itself gives --- */

static int no_memory(int unused)
{
	struct rlimit none = {4096, 4096};
	io_context_t ctx = NULL;
	int ret;

	(void)unused;
	setrlimit(RLIMIT_AS, &none);
	errno = LEFT_ALONE;
	ret = io_setup(4, &ctx);
	return ret == -ENOMEM && !ctx && errno == LEFT_ALONE ? 0 : 1;
}

static void test_real_setup_errors(void **state)
{
	struct io_limits limits;
	io_context_t ctx = NULL;

	(void)state;
	assert_int_equal(in_child(no_memory, 0), 0);
	assert_int_equal(io_limits(&limits), 0);
	if (limits.aio_max_nr >= 4000000)
		return; /* the kernel's own limit comes first */
	errno = LEFT_ALONE;
	assert_int_equal(io_setup((int)limits.aio_max_nr + 1, &ctx), -EAGAIN);
	assert_int_equal(errno, LEFT_ALONE);
	assert_null(ctx);
}

/* A full ring refuses; what waits comes without a system call. */
static void test_real_submit_errors(void **state)
{
	struct io_event event;
	struct iocb bad, *list[] = {&bad};
	io_context_t ctx = context();
	int ret, taken = 0;

	(void)state;
	while ((ret = submit_one(ctx)) == 1)
		taken++;
	errno = LEFT_ALONE;
	assert_int_equal(submit_one(ctx), -EAGAIN);
	assert_int_equal(errno, LEFT_ALONE);
	assert_int_equal(ret, -EAGAIN);
	assert_true(taken >= 4);
	inject(SYS_io_getevents, 0, 0, 0);
	for (int i = 0; i < taken; i++)
		assert_int_equal(io_getevents(ctx, 1, 1, &event, NULL), 1);
	assert_int_equal(fault.calls, taken * calls_for_one());
	io_prep_preadv2(&bad, ready_fd, NULL, 0, 0, 1 << 30);
	assert_int_equal(io_submit(ctx, 1, list), -EOPNOTSUPP);
	assert_int_equal(io_destroy(ctx), 0);
}

static void on_alarm(int number)
{
	(void)number;
}

/* A signal ends the wait; what waited is still there, and at hand. */
static void test_real_interruption(void **state)
{
	struct sigaction action = {.sa_handler = on_alarm}, old;
	struct itimerval every = {{0, 20000}, {0, 20000}},
			 never = {{0, 0}, {0, 0}};
	io_context_t ctx = context();
	int ret;

	(void)state;
	sigaction(SIGALRM, &action, &old);
	setitimer(ITIMER_REAL, &every, NULL);
	errno = LEFT_ALONE;
	ret = by_queue_wait(ctx);
	assert_int_equal(ret, -EFAULT);
	assert_int_equal(by_getevents(ctx), -EINTR);
	assert_int_equal(by_pgetevents(ctx), -EINTR);
	assert_int_equal(errno, LEFT_ALONE);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &old, NULL);
	assert_true(works(ctx, calls_for_one()));
	assert_int_equal(io_destroy(ctx), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First, while there are no tables. */
		cmocka_unit_test(test_table_fails),
		cmocka_unit_test(test_enter_without_table),
		cmocka_unit_test(test_tables_made_twice),
		cmocka_unit_test(test_gate_is_left),
		cmocka_unit_test(test_helpers),
		cmocka_unit_test(test_wait_kernel),
		cmocka_unit_test(test_destroy_fails),
		cmocka_unit_test(test_barrier_fails),
		cmocka_unit_test(test_real_setup_errors),
		cmocka_unit_test(test_real_submit_errors),
		cmocka_unit_test(test_real_interruption),
	};
	int fds[2];

	if (pipe(fds) || write(fds[1], "x", 1) != 1)
		return 1;
	ready_fd = fds[0];
	return cmocka_run_group_tests_name("library", tests, NULL, NULL);
}
