// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_probe() and io_limits() where the kernel has too little or says too
 * little: an error, and never a wrong word for ever.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "child.h"
#include "fault.h"
#include "libaio_ext.h"

static int ready_fd;

/* --- io_probe() --- */

static int probe_setup_fails(int unused)
{
	struct io_probe probe = {0}, again = {0};
	int memory = memfd_create("test", 0);

	(void)unused;
	inject(SYS_io_setup, 0, 1, EAGAIN);
	WANT(io_probe(-1, &probe) == -EAGAIN && errno == LEFT_ALONE);
	inject(SYS_io_setup, 0, 1, ENOSYS);
	WANT(io_probe(memory, &probe) == -ENOSYS && errno == LEFT_ALONE);
	WANT(io_probe(-1, &probe) == 0 && errno == LEFT_ALONE);
	WANT(probe.opcodes & 1 << IO_CMD_PREAD && probe.read_flags &&
	     probe.write_flags);
	inject(SYS_io_setup, 0, 1, ENOMEM);
	WANT(io_probe(memory, &again) == -ENOMEM && errno == LEFT_ALONE);
	inject(SYS_io_setup, 0, FOREVER, ENOMEM);
	WANT(io_probe(-1, &again) == 0 && fault.all == 0);
	WANT(!memcmp(&probe, &again, sizeof(probe)));
	return 0;
}

static void test_probe_setup_fails(void **state)
{
	(void)state;
	assert_int_equal(in_child(probe_setup_fails, 0), 0);
}

/* Few free descriptors may be an error, but never a wrong word for ever. */
static int probe_without_files(int spare)
{
	struct io_probe poor = {0}, rich = {0}, want = {0};
	struct rlimit old, few;

	WANT(getrlimit(RLIMIT_NOFILE, &old) == 0);
	few = old;
	few.rlim_cur = (rlim_t)(dup(ready_fd) + spare);
	close((int)few.rlim_cur - spare);
	WANT(setrlimit(RLIMIT_NOFILE, &few) == 0);
	(void)io_probe(-1, &poor);
	WANT(setrlimit(RLIMIT_NOFILE, &old) == 0);
	WANT(io_probe(-1, &rich) == 0);
	want.opcodes = 1 << IO_CMD_PREAD | 1 << IO_CMD_POLL;
	WANT((rich.opcodes & want.opcodes) == want.opcodes);
	return 0;
}

static void test_probe_without_files(void **state)
{
	(void)state;
	for (int spare = 0; spare < 4; spare++)
		assert_int_equal(in_child(probe_without_files, spare), 0);
}

/* A shortage in a trial is an error, and no word on the kernel for ever. */
static int probe_short(int err)
{
	struct io_probe probe = {0}, again = {0};

	inject(SYS_io_submit, 0, 1, err);
	WANT(io_probe(-1, &probe) == -err && errno == LEFT_ALONE);
	WANT(io_probe(-1, &again) == 0);
	WANT(again.opcodes & 1 << IO_CMD_PREAD && again.read_flags);
	return 0;
}

static void test_probe_short(void **state)
{
	static const int errors[] = {EAGAIN, ENOMEM, EINTR};

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(in_child(probe_short, errors[i]), 0);
}

/* A filter that takes io_getevents away: nothing can be said to work. */
static int probe_without_events(int err)
{
	struct io_probe probe = {0};

	inject(SYS_io_getevents, 0, FOREVER, err);
	if (io_probe(-1, &probe) == 0)
		WANT(probe.opcodes == 0 && probe.read_flags == 0 &&
		     probe.write_flags == 0);
	WANT(errno == LEFT_ALONE);
	inject(-1, 0, 0, 0);
	WANT(io_probe(-1, &probe) == 0 && probe.opcodes & 1);
	return 0;
}

static void test_probe_without_events(void **state)
{
	(void)state;
	assert_int_equal(in_child(probe_without_events, EPERM), 0);
	assert_int_equal(in_child(probe_without_events, ENOSYS), 0);
}

/* --- io_limits() --- */

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		_exit(SKIPPED);
	close(fd);
}

/* This process alone sees another /proc: none, a part, nonsense, numbers. */
static int other_proc(int unused)
{
	struct io_limits l = {0, 0};
	char text[300];

	(void)unused;
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/proc", "tmpfs", 0, NULL))
		return SKIPPED;
	errno = LEFT_ALONE;
	WANT(io_limits(&l) == -ENOENT && errno == LEFT_ALONE);
	WANT(io_setup_explain(-EAGAIN, 7, text, sizeof(text)) > 0);
	WANT(strstr(text, "aio-max-nr is exhausted;"));
	mkdir("/proc/sys", 0700);
	mkdir("/proc/sys/fs", 0700);
	put("/proc/sys/fs/aio-nr", "12\n");
	WANT(io_limits(&l) == -ENOENT);
	put("/proc/sys/fs/aio-max-nr", "many\n");
	errno = LEFT_ALONE;
	WANT(io_limits(&l) == -EIO && errno == LEFT_ALONE);
	put("/proc/sys/fs/aio-max-nr", "345\n");
	WANT(io_limits(&l) == 0 && l.aio_nr == 12 && l.aio_max_nr == 345);
	WANT(io_setup_explain(-EAGAIN, 7, text, sizeof(text)) > 0);
	WANT(strstr(text, "7 more requested, aio-nr 12, aio-max-nr 345"));
	return 0;
}

static void test_limits_of_other_proc(void **state)
{
	(void)state;
	assert_int_equal(in_child(other_proc, 0), 0);
}

static int limits_without_files(int unused)
{
	struct rlimit none = {3, 3};
	struct io_limits l;

	(void)unused;
	setrlimit(RLIMIT_NOFILE, &none);
	errno = LEFT_ALONE;
	return io_limits(&l) == -EMFILE && errno == LEFT_ALONE ? 0 : 1;
}

static void test_limits_without_files(void **state)
{
	(void)state;
	assert_int_equal(in_child(limits_without_files, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe_setup_fails),
		cmocka_unit_test(test_probe_without_files),
		cmocka_unit_test(test_probe_short),
		cmocka_unit_test(test_probe_without_events),
		cmocka_unit_test(test_limits_of_other_proc),
		cmocka_unit_test(test_limits_without_files),
	};
	int fds[2];

	if (pipe(fds) || write(fds[1], "x", 1) != 1)
		return 1;
	ready_fd = fds[0];
	return cmocka_run_group_tests_name("probe faults", tests, NULL, NULL);
}
