// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sentences behind an error: one each, without a line break, cut where
 * there is no room, and with numbers only where they mean something.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "explain.h"

static const char *said(struct explain_io io)
{
	static char text[400];

	memset(text, 'x', sizeof(text));
	explain_error(&io, text, sizeof(text));
	assert_non_null(memchr(text, '\0', sizeof(text)));
	assert_null(strchr(text, '\n'));
	return text;
}

static void says(struct explain_io io, const char *part)
{
	const char *text = said(io);

	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void test_each_error(void **state)
{
	(void)state;
	says((struct explain_io){.error = EAGAIN}, "nowait=1");
	says((struct explain_io){.error = EOPNOTSUPP}, "does not support");
	says((struct explain_io){.error = ENOSPC}, "is full");
	says((struct explain_io){.error = EIO}, "dmesg");
	says((struct explain_io){.error = EBADF}, strerror(EBADF));
	says((struct explain_io){.error = 9999}, "9999");
}

/* Buffered, alignment cannot be the cause, however odd the numbers. */
static void test_buffered(void **state)
{
	struct explain_io io = {
		.error = EINVAL, .buf = (void *)3, .length = 5, .offset = 7};

	(void)state;
	io.fd = open("/", O_RDONLY | O_DIRECTORY);
	assert_true(io.fd >= 0);
	says(io, "offset 7, length 5");
	assert_null(strstr(said(io), "in multiples of"));
	close(io.fd);
}

/* A descriptor that is none, and a file on no block device. */
static void test_without_a_device(void **state)
{
	struct explain_io io = {.error = EINVAL, .fd = -1, .offset = 512};

	(void)state;
	says(io, "offset 512");
	assert_null(strstr(said(io), "which does not fit"));
	io.fd = open("/proc/self/stat", O_RDONLY);
	assert_true(io.fd >= 0);
	assert_null(strstr(said(io), "which does not fit"));
	close(io.fd);
}

/* Whatever the room, the text ends in it, and nothing is written after. */
static void test_cut(void **state)
{
	static const int errors[] = {EINVAL, EAGAIN, EIO, EBADF};
	char whole[400], text[402];

	(void)state;
	for (size_t e = 0; e < sizeof(errors) / sizeof(*errors); e++) {
		struct explain_io io = {.error = errors[e],
					.fd = -1,
					.buf = (void *)UINTPTR_MAX,
					.length = UINT64_MAX,
					.offset = UINT64_MAX};

		explain_error(&io, whole, sizeof(whole));
		for (size_t size = 1; size <= sizeof(whole); size++) {
			memset(text, '#', sizeof(text));
			explain_error(&io, text, size);
			assert_int_equal(text[size], '#');
			assert_int_equal(strncmp(text, whole, size - 1), 0);
			assert_int_equal(strlen(text), size <= strlen(whole)
							       ? size - 1
							       : strlen(whole));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_error),
		cmocka_unit_test(test_buffered),
		cmocka_unit_test(test_without_a_device),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
