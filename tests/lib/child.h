/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A test in a process of its own, where nothing is mapped or remembered yet.
 */
#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED 77

/* What work(arg) returns there. */
static inline int in_child(int (*work)(int arg), int arg)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		alarm(100);
		_exit(work(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == SKIPPED) {
		print_message("skipped: needs root, for a /proc of its own\n");
		return 0;
	}
	return WEXITSTATUS(status);
}

/* The line of the first condition in a child that does not hold. */
#define WANT(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, \
				#condition, errno); \
			return 1; \
		} \
	} while (0)

#endif /* TESTS_CHILD_H */
