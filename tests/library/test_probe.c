// SPDX-License-Identifier: GPL-2.0-only
/*
 * libaio_ext.h: what the kernel and a file take, limits and words.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cmocka.h>

#include "in_range.h"
#include "libaio_ext.h"

#define LEFT_ALONE 4321

static int ready_fd;

static io_context_t context(void)
{
	io_context_t ctx = NULL;

	assert_int_equal(io_setup(4, &ctx), 0);
	return ctx;
}

/* --- io_probe() --- */

#define BLOCK 4096

/* What the flags do in other system calls, for a block, which O_DIRECT takes.
 */
static unsigned flags_of(int fd, bool writing)
{
	static char block[BLOCK] __attribute__((aligned(BLOCK)));
	struct iovec one = {block, BLOCK};
	unsigned found = 0;

	for (int flag = 1; flag < 1 << 16; flag <<= 1) {
		ssize_t ret = writing ? pwritev2(fd, &one, 1, 0, flag)
				      : preadv2(fd, &one, 1, 0, flag);

		if (ret >= 0 || errno == EAGAIN)
			found |= (unsigned)flag;
	}
	return found;
}

static int scratch(const char *directory)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/kaio-test-XXXXXX", directory);
	fd = mkstemp(path);
	if (fd >= 0)
		unlink(path);
	return fd;
}

/* RWF_ATOMIC has conditions on the size, which no bytes do not meet. */
#define ATOMIC 0x40u

/* Asking has changed nothing: neither bytes nor times. */
static void same_file(int fd, const struct stat *before)
{
	static char block[BLOCK] __attribute__((aligned(BLOCK)));
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, BLOCK);
	assert_memory_equal(&st.st_mtim, &before->st_mtim, sizeof(st.st_mtim));
	assert_memory_equal(&st.st_ctim, &before->st_ctim, sizeof(st.st_ctim));
	assert_int_equal(pread(fd, block, BLOCK, 0), BLOCK);
	for (int i = 0; i < BLOCK; i++)
		assert_int_equal(block[i], 'x');
}

/* What io_probe() says of the file in path, opened so, is what is so. */
static void probe_opened(const char *path, int mode, const struct stat *before)
{
	int fd = open(path, mode), check = open(path, O_RDONLY);
	struct io_probe kernel, file;

	if (fd < 0 && mode & O_DIRECT)
		return; /* tmpfs before Linux 6.6 */
	assert_true(fd >= 0 && check >= 0);
	assert_int_equal(io_probe(-1, &kernel), 0);
	errno = LEFT_ALONE;
	assert_int_equal(io_probe(fd, &file), 0);
	assert_int_equal(errno, LEFT_ALONE);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	same_file(check, before);
	assert_int_equal(file.opcodes, kernel.opcodes);
	assert_int_equal(file.read_flags, flags_of(fd, false));
	assert_int_equal(file.write_flags & ~ATOMIC,
			 flags_of(fd, true) & ~ATOMIC);
	assert_int_equal(file.read_flags & ~kernel.read_flags, 0);
	assert_int_equal(file.write_flags & ~kernel.write_flags & ~ATOMIC, 0);
	assert_int_equal(!file.read_flags, (mode & O_ACCMODE) == O_WRONLY);
	assert_int_equal(!file.write_flags, (mode & O_ACCMODE) == O_RDONLY);
	close(check);
	close(fd);
}

static void test_probe_file(void **state)
{
	static const char *const directories[] = {"/dev/shm", "/var/tmp"};
	static const int modes[] = {O_RDWR, O_RDONLY, O_WRONLY};
	char path[64], block[BLOCK];

	(void)state;
	memset(block, 'x', BLOCK);
	for (int i = 0; i < 2 * 3 * 2; i++) {
		int fd = scratch(directories[i % 2]);
		struct stat st;

		assert_true(fd >= 0);
		assert_int_equal(write(fd, block, BLOCK), BLOCK);
		assert_int_equal(fsync(fd), 0);
		assert_int_equal(fstat(fd, &st), 0);
		usleep(20000); /* longer than a tick of the file times */
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		probe_opened(path, modes[i / 2 % 3] | (i / 6 ? O_DIRECT : 0),
			     &st);
		close(fd);
	}
}

/* Every number there is, tried with a byte; what is refused is unknown. */
static void test_probe_kernel(void **state)
{
	struct io_probe probe;
	io_context_t ctx = context();
	struct io_event event;
	int fd = scratch("/dev/shm");
	unsigned found = 0;

	(void)state;
	assert_true(fd >= 0);
	for (short opcode = 0; opcode < 32; opcode++) {
		char byte = 0;
		struct iovec one = {&byte, 1};
		struct iocb iocb, *list[] = {&iocb};

		io_prep_pread(&iocb, fd, &byte, 1, 0);
		if (opcode >= IO_CMD_PREADV)
			iocb.u.c.buf = &one;
		if (opcode == IO_CMD_FSYNC || opcode == IO_CMD_FDSYNC)
			iocb.u.c.buf = NULL, iocb.u.c.nbytes = 0;
		if (opcode == IO_CMD_POLL)
			io_prep_poll(&iocb, ready_fd, POLLIN);
		iocb.aio_lio_opcode = opcode;
		if (io_submit(ctx, 1, list) != 1)
			continue;
		found |= 1u << opcode;
		assert_int_equal(io_getevents(ctx, 1, 1, &event, NULL), 1);
	}
	assert_int_equal(io_probe(-1, &probe), 0);
	assert_int_equal(probe.opcodes, found);
	assert_true(found & 1u << IO_CMD_PREADV);
	assert_int_equal((probe.read_flags | probe.write_flags) & ~0xffffu, 0);
	assert_int_equal(flags_of(fd, true) & ~probe.write_flags & ~ATOMIC, 0);
	assert_int_equal(io_destroy(ctx), 0);
	close(fd);
}

static int lines_with(const char *path, const char *part)
{
	char line[512];
	FILE *file = fopen(path, "r");
	int found = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		found += strstr(line, part) != NULL;
	fclose(file);
	return found;
}

/* Refused, at once, and nothing is left behind: no context, no file. */
static void test_probe_others(void **state)
{
	int contexts = lines_with("/proc/self/maps", "[aio]");
	int sock[2], pipes[2], null = open("/dev/null", O_RDWR), lowest;
	struct io_probe probe;
	int fd = scratch("/dev/shm");

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
	assert_int_equal(pipe(pipes), 0);
	lowest = dup(null);
	close(lowest);
	errno = LEFT_ALONE;
	assert_int_equal(io_probe(sock[0], &probe), -EINVAL);
	assert_int_equal(io_probe(pipes[0], &probe), -EINVAL);
	assert_int_equal(io_probe(null, &probe), -EINVAL);
	assert_int_equal(io_probe(lowest, &probe), -EBADF);
	assert_int_equal(io_probe(-2, &probe), -EBADF);
	assert_int_equal(io_probe(INT_MAX, &probe), -EBADF);
	assert_int_equal(io_probe(fd, &probe), 0);
	assert_int_equal(errno, LEFT_ALONE);
	assert_int_equal(lines_with("/proc/self/maps", "[aio]"), contexts);
	assert_int_equal(dup(null), lowest);
	close(lowest);
	for (int i = 0; i < 2; i++) {
		close(sock[i]);
		close(pipes[i]);
	}
	close(null);
	close(fd);
}

/* --- limits and words --- */

static unsigned long number_in(const char *path)
{
	FILE *file = fopen(path, "r");
	unsigned long value = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &value), 1);
	fclose(file);
	return value;
}

static void test_limits(void **state)
{
	struct io_limits l = {0, 0};
	io_context_t ctx = NULL;

	(void)state;
	assert_int_equal(io_setup(100, &ctx), 0);
	errno = LEFT_ALONE;
	assert_int_equal(io_limits(&l), 0);
	assert_int_equal(errno, LEFT_ALONE);
	assert_within(l.aio_nr, 100, l.aio_max_nr);
	assert_int_equal(l.aio_max_nr, number_in("/proc/sys/fs/aio-max-nr"));
	assert_int_equal(io_destroy(ctx), 0);
}

/* One sentence for every error, of every length; no byte behind it. */
static void test_explain(void **state)
{
	char whole[400], text[400];

	(void)state;
	for (int err = 0; err < 140; err++) {
		int len = io_setup_explain(-err, 77, whole, sizeof(whole));

		assert_int_equal(len, strlen(whole));
		assert_int_equal(strncmp(whole, "io_setup(77): ", 14), 0);
		assert_true(len > 16 && !strchr(whole, '\n'));
	}
	for (int size = 0; size <= 100; size++) {
		memset(text, '#', sizeof(text));
		errno = LEFT_ALONE;
		(void)io_setup_explain(-EPERM, 77, whole, sizeof(whole));
		assert_int_equal(
			io_setup_explain(-EPERM, 77, text, (size_t)size),
			size ? size - 1 : (int)strlen(whole));
		assert_int_equal(errno, LEFT_ALONE);
		assert_int_equal(text[size], '#');
		if (size)
			assert_int_equal(strncmp(text, whole, (size_t)size - 1),
					 text[size - 1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe_file),
		cmocka_unit_test(test_probe_kernel),
		cmocka_unit_test(test_probe_others),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_explain),
	};
	int fds[2];

	if (pipe(fds) || write(fds[1], "x", 1) != 1)
		return 1;
	ready_fd = fds[0];
	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
