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
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "explain.h"
#include "dio.h"

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
	says((struct explain_io){.error = EAGAIN}, "nowait=fallback");
	says((struct explain_io){.error = EOPNOTSUPP}, "does not support");
	says((struct explain_io){.error = ENOSPC}, "is full");
	says((struct explain_io){.error = EIO}, "dmesg");
	says((struct explain_io){.error = ENODEV}, "offline");
	says((struct explain_io){.error = ENXIO}, "is gone");
	says((struct explain_io){.error = ENODATA}, "medium error");
	says((struct explain_io){.error = ENODATA}, "ignore_error=61");
	says((struct explain_io){.error = EILSEQ}, "(T10 PI)");
	says((struct explain_io){.error = EREMOTEIO}, "refused the command");
	says((struct explain_io){.error = EREMOTEIO}, "zonemode=zbd");
	says((struct explain_io){.error = ETIMEDOUT}, "not answer in time");
	says((struct explain_io){.error = ENOLINK}, "path to the device");
	says((struct explain_io){.error = EBADE}, "another host");
	says((struct explain_io){.error = EOVERFLOW}, "max_active_zones");
	says((struct explain_io){.error = ETOOMANYREFS}, "max_open_zones");
	says((struct explain_io){.error = EPERM, .realtime = true},
	     "cmdprio_class=2");
	says((struct explain_io){.error = EPERM}, "does not permit");
	says((struct explain_io){.error = EBADF}, strerror(EBADF));
	says((struct explain_io){.error = 9999}, "9999");
}

/* The kernel's own, or what a test has set: all but mask is then its. */
static struct dio told;
static int statx_error;

int statx(int fd, const char *restrict path, int flags, unsigned mask,
	  struct statx *restrict st)
{
	uint32_t words[64] = {told.mask};

	if (!told.mask && !statx_error)
		return (int)syscall(SYS_statx, fd, path, flags, mask, st);
	assert_true(mask & DIO_ALIGN);
	errno = statx_error;
	words[0x98 / 4] = told.memory;
	words[0x9c / 4] = told.offset;
	words[0xac / 4] = told.atomic;
	words[0xa8 / 4] = told.atomic_least;
	memcpy(st, words, sizeof(words));
	return statx_error ? -1 : 0;
}

/* Nothing is said of alignment that was not looked at. */
static void claims_nothing(struct explain_io io)
{
	const char *text = said(io);

	assert_null(strstr(text, "multiple"));
	assert_null(strstr(text, "aligned"));
	assert_null(strstr(text, " 0 "));
	assert_null(strstr(text, "fit:"));
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
	assert_null(strstr(said(io), "direct=1"));
	claims_nothing(io);
	close(io.fd);
}

/* A descriptor that is none, and a file on no block device. */
static void test_without_a_device(void **state)
{
	struct explain_io io = {.error = EINVAL, .fd = -1, .offset = 512};

	(void)state;
	says(io, "offset 512");
	claims_nothing(io);
	io.fd = open("/proc/self/stat", O_RDONLY);
	assert_true(io.fd >= 0);
	claims_nothing(io);
	close(io.fd);
}

/* Its driver writes, but not asynchronously: no flag is to blame. */
static void test_character_device(void **state)
{
	struct explain_io io = {.error = EINVAL, .length = 4096};

	(void)state;
	io.fd = open("/dev/full", O_WRONLY);
	assert_true(io.fd >= 0);
	says(io, "no asynchronous I/O of this kind");
	assert_null(strstr(said(io), "nowait"));
	claims_nothing(io);
	close(io.fd);
}

/* A file that says that it is open with O_DIRECT: its multiples count. */
static void test_direct(void **state)
{
	struct explain_io io = {.error = EINVAL,
				.buf = (void *)64,
				.length = 8192,
				.offset = 16384};
	char path[] = "/dev/shm/test_explain.XXXXXX";

	(void)state;
	io.fd = mkstemp(path);
	assert_true(io.fd >= 0 && !unlink(path));
	if (fcntl(io.fd, F_SETFL, O_DIRECT))
		skip();			/* tmpfs before Linux 6.6 */
	says(io, "nothing tells here"); /* tmpfs, indeed */
	claims_nothing(io);
	statx_error = EPERM;
	claims_nothing(io);
	statx_error = 0;
	told = (struct dio){DIO_ALIGN, 64, 8192, 0, 0};
	says(io, "are multiples of 8192 bytes and the buffer one of 64");
	io.offset = 4096;
	io.buf = (void *)72;
	says(io, "in multiples of 8192 bytes, and buffers in multiples of 64, "
		 "which does not fit: offset 4096, buffer at 0x48 (off by 8)");
	told = (struct dio){DIO_ALIGN, 0, 0, 0, 0};
	claims_nothing(io);
	told.mask = 0;
	close(io.fd);
}

/* The device's limits, where it is they that an atomic write does not keep. */
static void test_atomic(void **state)
{
	static const struct {
		unsigned long long offset, length;
		bool fits;
	} cases[] = {
		{0, 32768, false},   {0, 2048, false},	 {0, 12288, false},
		{4096, 8192, false}, {8192, 8192, true}, {4096, 4096, true},
		{0, 0, true},
	};

	(void)state;
	told = (struct dio){
		.mask = DIO_ATOMIC, .atomic = 16384, .atomic_least = 4096};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct explain_io io = {.error = EINVAL,
					.fd = -1,
					.offset = cases[i].offset,
					.length = cases[i].length,
					.atomic = true};

		assert_int_equal(cases[i].fits, !strstr(said(io), "atomic=1"));
		if (!cases[i].fits)
			says(io, "from 4096 to 16384 bytes");
		io.atomic = false;
		assert_null(strstr(said(io), "atomic=1"));
	}
	told.mask = 0;
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
		cmocka_unit_test(test_character_device),
		cmocka_unit_test(test_direct),
		cmocka_unit_test(test_atomic),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
