/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the programs here tell a test what a call did: one line per case with
 * its name, its result and errno after the call, which was ERRNO before it.
 */
#ifndef KAIO_TESTS_REPORT_H
#define KAIO_TESTS_REPORT_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ERRNO 1234

#define REPORT(name, call) \
	do { \
		long result_; \
\
		errno = ERRNO; \
		result_ = (call); \
		printf("%s %ld %d\n", name, result_, errno); \
		fflush(stdout); \
	} while (0)

/* For the set-up of a case, which is not what is tested. */
#define MUST(condition) \
	do { \
		if (!(condition)) { \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(2); \
		} \
	} while (0)

#endif
