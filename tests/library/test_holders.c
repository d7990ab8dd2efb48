// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_limits_holders(): real contexts of this process and of children, while
 * other programs make and end theirs.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "in_range.h"
#include "libaio_ext.h"

#define LEFT_ALONE 4321
#define MANY 1024

static struct io_limits_holder holders[MANY];

static const struct io_limits_holder *find(int pid, int *unknown)
{
	int nr;

	errno = LEFT_ALONE;
	nr = io_limits_holders(holders, MANY, unknown);
	assert_int_equal(errno, LEFT_ALONE);
	assert_within(nr, 0, MANY);
	for (int i = 0; i < nr; i++) {
		assert_true(!i || holders[i].events <= holders[i - 1].events);
		assert_true(holders[i].contexts > 0);
	}
	for (int i = 0; i < nr; i++)
		if (holders[i].pid == pid)
			return &holders[i];
	return NULL;
}

static io_context_t context(int maxevents)
{
	io_context_t ctx = NULL;

	assert_int_equal(io_setup(maxevents, &ctx), 0);
	return ctx;
}

/* The bound is what was asked for, rounded up to pages, and not below it. */
static void test_own_contexts(void **state)
{
	static const int sizes[] = {1, 62, 63, 200, 1000};
	const struct io_limits_holder *one;
	io_context_t ctx[5];
	unsigned long sum = 0;
	int unknown = -1;

	(void)state;
	assert_null(find(getpid(), NULL));
	for (unsigned i = 0; i < 5; i++) {
		ctx[i] = context(sizes[i]);
		sum += (unsigned)sizes[i];
		one = find(getpid(), &unknown);
		assert_non_null(one);
		assert_true(unknown >= 0);
		assert_int_equal(one->contexts, i + 1);
		assert_true(one->events >= sum);
	}
	/* 64 events to a page; the least ring depends on the processors. */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(io_destroy(ctx[i]), 0);
	one = find(getpid(), NULL);
	assert_int_equal(one->contexts, 1);
	assert_within(one->events, 1000, 1000 + 4096u * 4 + 64);
	if (sysconf(_SC_PAGESIZE) == 4096 && sysconf(_SC_NPROCESSORS_CONF) < 99)
		assert_within(one->events, 1000, 1063);
	assert_int_equal(io_destroy(ctx[4]), 0);
	assert_null(find(getpid(), NULL));
}

/* A child that has answered, and sleeps until it is ended. */
static pid_t child(void (*work)(void), int *answer)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		int unknown = 0;

		work();
		if (find(getppid(), &unknown))
			unknown = -1;
		if (write(fds[1], &unknown, sizeof(unknown)) > 0)
			pause();
		_exit(1);
	}
	assert_int_equal(read(fds[0], answer, sizeof(*answer)),
			 sizeof(*answer));
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void one_of_its_own(void)
{
	prctl(PR_SET_NAME, "a) R (b\n\"1 2");
	context(300);
}

/* A ring that a child has inherited counts for its parent, and once. */
static void test_children(void **state)
{
	io_context_t ctx = context(200);
	const struct io_limits_holder *one;
	int seen, nr, parents;
	pid_t pid = child(one_of_its_own, &seen);

	(void)state;
	assert_int_equal(seen, -1);
	one = find(pid, NULL);
	assert_non_null(one);
	assert_string_equal(one->comm, "a) R (b?\"1 2");
	assert_int_equal(one->contexts, 1);
	assert_true(one->events >= 300);
	nr = io_limits_holders(holders, MANY, NULL);
	parents = 0;
	for (int i = 0; i < nr; i++)
		parents += holders[i].pid == getpid();
	assert_int_equal(parents, 1);
	assert_int_equal(find(getpid(), NULL)->contexts, 1);
	/* Two hold, and there is room for fewer. */
	assert_true(io_limits_holders(NULL, 0, NULL) >= 2);
	memset(holders, 0, sizeof(holders));
	assert_true(io_limits_holders(holders, 1, NULL) >= 2);
	assert_true(holders[0].pid && !holders[1].pid);
	end(pid);
	assert_null(find(pid, NULL));
	assert_int_equal(io_destroy(ctx), 0);
}

static void as_nobody(void)
{
	if (setgid(65534) || setuid(65534))
		_exit(1);
	context(5);
}

/* To another user this process is one that may not be looked into. */
static void test_as_another_user(void **state)
{
	io_context_t ctx;
	int unknown;

	(void)state;
	if (geteuid()) {
		print_message("skipped: only root becomes another user\n");
		skip();
	}
	ctx = context(100);
	end(child(as_nobody, &unknown));
	assert_true(unknown >= 1);
	assert_int_equal(io_destroy(ctx), 0);
}

static void start_and_end(void)
{
	for (;;) {
		io_context_t ctx = NULL;
		pid_t pid = fork();

		if (!pid) {
			io_setup(1, &ctx);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
}

/* Processes end between any two steps of the reading; none is an error. */
static void test_processes_that_end(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (!pid)
		start_and_end();
	for (int i = 0; i < 200; i++)
		find(pid, NULL);
	end(pid);
}

static void test_bad_arguments(void **state)
{
	(void)state;
	assert_int_equal(io_limits_holders(holders, -1, NULL), -EINVAL);
	assert_int_equal(io_limits_holders(NULL, 1, NULL), -EINVAL);
}

/* The sentence names the one with most; here that may be another's. */
static void test_explained(void **state)
{
	io_context_t ctx = context(5000);
	char text[400], want[64];
	int len = io_setup_explain(-EAGAIN, 7, text, sizeof(text));

	(void)state;
	assert_within(len, 100, sizeof(text) - 2);
	assert_non_null(find(getpid(), NULL));
	snprintf(want, sizeof(want), " (PID %d (%s) holds about ",
		 holders[0].pid, holders[0].comm);
	assert_non_null(strstr(text, want));
	assert_int_equal(io_destroy(ctx), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_contexts),
		cmocka_unit_test(test_children),
		cmocka_unit_test(test_as_another_user),
		cmocka_unit_test(test_processes_that_end),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_explained),
	};

	return cmocka_run_group_tests_name("holders", tests, NULL, NULL);
}
