// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which flags a file takes: as io_probe() says, asked once for each kind of
 * file; what is no answer is not remembered; and atomic writes as statx() says,
 * here a stand-in, as few devices have them.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "dio.h"
#include "fault.h"
#include "libaio_ext.h"
#include "rwf.h"

#define ALL 0xffffu

static int statx_error;
static uint32_t atomic_mask, atomic_max;
static io_context_t ctx;

int statx(int fd, const char *restrict path, int flags, unsigned mask,
	  struct statx *restrict st)
{
	uint32_t words[64] = {atomic_mask};

	(void)path;
	assert_true(fd >= 0 && flags & AT_EMPTY_PATH);
	assert_true(mask & DIO_ATOMIC);
	errno = statx_error;
	words[0xac / 4] = atomic_max;
	memcpy(st, words, sizeof(words));
	return statx_error ? -1 : 0;
}

/* A file of its own on tmpfs or, most often, on a disk. */
static int scratch(const char *directory, int mode)
{
	char path[64], link[64];
	int fd, again;

	strcpy(path, directory);
	strcat(path, "/test_rwf.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0 && !unlink(path));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	again = open(link, mode);
	close(fd);
	return again;
}

static int ask(struct rwf_known *known, int fd, struct rwf *taken)
{
	struct rwf all = {ALL & ~KAIO_RWF_ATOMIC, ALL & ~KAIO_RWF_ATOMIC};

	return rwf_ask(known, ctx, fd, all, taken);
}

static void test_as_io_probe(void **state)
{
	static const char *const directories[] = {"/dev/shm", "/var/tmp"};
	static const int modes[] = {O_RDWR, O_RDONLY, O_WRONLY,
				    O_RDWR | O_DIRECT};

	(void)state;
	for (int i = 0; i < 2 * 4; i++) {
		int fd = scratch(directories[i % 2], modes[i / 2]);
		struct rwf_known known = {0};
		struct io_probe probe;
		struct rwf taken;

		if (fd < 0 && modes[i / 2] & O_DIRECT)
			continue; /* tmpfs before Linux 6.6 */
		assert_true(fd >= 0);
		assert_int_equal(io_probe(fd, &probe), 0);
		assert_int_equal(ask(&known, fd, &taken), 0);
		assert_int_equal(taken.reads,
				 probe.read_flags & ~KAIO_RWF_ATOMIC);
		assert_int_equal(taken.writes,
				 probe.write_flags & ~KAIO_RWF_ATOMIC);
		close(fd);
	}
}

/* One trial for each flag that is asked for, of each kind of file. */
static void test_asked_once(void **state)
{
	struct rwf wanted = {0x8, 0x8 | 0x2}, first, second;
	int one = scratch("/dev/shm", O_RDWR), other;
	struct rwf_known known = {0};

	(void)state;
	other = scratch("/dev/shm", O_RDWR);
	assert_false(rwf_is_known(&known, one));
	inject(SYS_io_submit, 0, 0, 0);
	assert_int_equal(rwf_ask(&known, ctx, one, wanted, &first), 0);
	assert_int_equal(fault.calls, 3);
	assert_true(rwf_is_known(&known, other));
	assert_int_equal(rwf_ask(&known, ctx, other, wanted, &second), 0);
	assert_int_equal(fault.calls, 3);
	assert_memory_equal(&first, &second, sizeof(first));
	close(other);
	other = scratch("/dev/shm", O_RDONLY);
	assert_false(rwf_is_known(&known, other));
	assert_int_equal(rwf_ask(&known, ctx, other, wanted, &second), 0);
	assert_int_equal(fault.calls, 6);
	assert_int_equal(second.writes, 0);
	close(other);
	close(one);
}

/* The kinds that do not fit are asked again, and answered as before. */
static void test_more_kinds_than_remembered(void **state)
{
	struct rwf_known known = {0};
	int fd = scratch("/dev/shm", O_RDWR);
	struct rwf first, again;

	(void)state;
	assert_int_equal(ask(&known, fd, &first), 0);
	for (int i = 0; i < KAIO_RWF_KINDS; i++) {
		assert_true(rwf_is_known(&known, fd));
		known.kinds[known.next++ % KAIO_RWF_KINDS].dev = 1;
	}
	assert_false(rwf_is_known(&known, fd));
	assert_int_equal(ask(&known, fd, &again), 0);
	assert_memory_equal(&first, &again, sizeof(first));
	close(fd);
}

static void test_no_answer(void **state)
{
	static const int errors[] = {EAGAIN, ENOMEM, EINTR};
	int fd = scratch("/dev/shm", O_RDWR), ends[2];
	struct rwf_known known = {0};
	struct rwf taken;

	(void)state;
	for (int i = 0; i < 3; i++) {
		inject(SYS_io_submit, 0, 1, errors[i]);
		assert_int_equal(ask(&known, fd, &taken), -errors[i]);
		assert_false(rwf_is_known(&known, fd));
	}
	assert_int_equal(ask(&known, fd, &taken), 0);
	assert_int_equal(pipe(ends), 0);
	inject(SYS_io_submit, 0, 0, 0);
	assert_int_equal(ask(&known, ends[0], &taken), -EINVAL);
	assert_int_equal(ask(&known, -1, &taken), -EINVAL);
	assert_int_equal(fault.calls, 0);
	close(ends[0]);
	close(ends[1]);
	close(fd);
}

/* Whatever a write of no bytes would give, and of each file anew. */
static void test_atomic(void **state)
{
	static const struct {
		uint32_t mask, max;
		int error;
		bool takes;
	} cases[] = {
		{DIO_ATOMIC, 65536, 0, true},
		{DIO_ATOMIC, 0, 0, false},
		{0, 65536, 0, false}, /* not told: not so */
		{0, 0, EPERM, true},  /* the write will tell */
	};
	struct rwf wanted = {0, KAIO_RWF_ATOMIC | 0x2}, taken;
	int fd = scratch("/dev/shm", O_RDWR);
	struct rwf_known known = {0};

	(void)state;
	inject(SYS_io_submit, 0, 0, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		atomic_mask = cases[i].mask;
		atomic_max = cases[i].max;
		statx_error = cases[i].error;
		assert_int_equal(rwf_ask(&known, ctx, fd, wanted, &taken), 0);
		assert_int_equal(taken.writes & KAIO_RWF_ATOMIC,
				 cases[i].takes ? KAIO_RWF_ATOMIC : 0);
		assert_int_equal(taken.writes & 0x2, 0x2);
		assert_int_equal(taken.reads, 0);
		assert_int_equal(fault.calls, 1);
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_io_probe),
		cmocka_unit_test(test_asked_once),
		cmocka_unit_test(test_more_kinds_than_remembered),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_atomic),
	};

	if (io_setup(1, &ctx))
		return 1;
	io_ring_disable(ctx);
	return cmocka_run_group_tests_name("rwf", tests, NULL, NULL);
}
