// SPDX-License-Identifier: GPL-2.0-only
/*
 * libaio_ext.h: waiting on the ring, switching it off, what the kernel takes,
 * limits and words.  A call that enters the kernel with a ring that is only
 * memory gets -EINVAL; with a real one, in a process that seccomp forbids all
 * system calls, it is killed.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <linux/seccomp.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "fake_ring.h"
#include "libaio_ext.h"

#define LEFT_ALONE 4321
#define MS 1000000l

static struct timespec now;
static int ready_fd;

static long elapsed_ms(const struct timespec *since)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (t.tv_sec - since->tv_sec) * 1000 +
	       (t.tv_nsec - since->tv_nsec) / MS;
}

static struct timespec start(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t;
}

/* --- io_ring_ready(), io_wait() --- */

static io_context_t filled(struct fake_ring *ring, unsigned head, unsigned fill)
{
	io_context_t ctx = fake_ring_init(ring);

	ring->head.head = ring->head.tail = head;
	for (unsigned i = 0; i < fill; i++)
		fake_ring_complete(ring, 100 + i);
	return ctx;
}

/* Every head, fill, min and nr: count, order, and no kernel if they do. */
static void test_every_wait(void **state)
{
	struct io_event got[FAKE_SLOTS + 1];
	struct fake_ring ring;

	(void)state;
	for (unsigned all = 0; all < FAKE_SLOTS * FAKE_SLOTS * 64; all++) {
		unsigned head = all / 64 / FAKE_SLOTS,
			 fill = all / 64 % FAKE_SLOTS;
		unsigned min = all / 8 % 8, nr = all % 8;
		unsigned want = fill < nr ? fill : nr;
		io_context_t ctx = filled(&ring, head, fill);

		if (min > nr)
			continue;
		assert_int_equal(io_ring_ready(ctx), fill);
		errno = LEFT_ALONE;
		assert_int_equal(io_wait(ctx, min, nr, got, &now, 0), want);
		for (unsigned i = 0; i < want; i++)
			assert_int_equal(got[i].res, 100 + i);
		assert_int_equal(io_ring_ready(ctx), fill - want);
		ctx = filled(&ring, head, fill);
		if (min <= fill)
			assert_int_equal(io_wait(ctx, min, nr, got, NULL, 0),
					 want);
		else if (!fill) /* the kernel knows no such context */
			assert_int_equal(io_wait(ctx, min, nr, got, NULL, 0),
					 -EINVAL);
		assert_int_equal(errno, LEFT_ALONE);
	}
}

static void test_bad_waits(void **state)
{
	struct io_event got[2];
	struct fake_ring ring;
	io_context_t ctx = filled(&ring, 5, 3);

	(void)state;
	assert_int_equal(io_wait(ctx, -1, 2, got, &now, 0), -EINVAL);
	assert_int_equal(io_wait(ctx, 2, 1, got, &now, 0), -EINVAL);
	assert_int_equal(io_wait(ctx, 0, -1, got, &now, 0), -EINVAL);
	assert_int_equal(io_wait(ctx, LONG_MIN, LONG_MIN, got, &now, 0),
			 -EINVAL);
	assert_int_equal(io_wait(ctx, 1, 1, NULL, &now, 0), -EINVAL);
	assert_int_equal(io_ring_ready(ctx), 3);
	ring.head.head = FAKE_SLOTS;
	assert_int_equal(io_ring_ready(ctx), 0);
	assert_int_equal(io_wait(ctx, 1, 1, got, &now, 0), 0);
}

/* A kernel that completes a request when some time has passed. */
static void *complete_late(void *arg)
{
	struct fake_ring *ring = arg;
	struct timespec nap = {0, 30 * MS};
	unsigned tail = ring->head.tail;

	nanosleep(&nap, NULL);
	ring->events[tail].res = 55;
	__atomic_store_n(&ring->head.tail, (tail + 1) % FAKE_SLOTS,
			 __ATOMIC_RELEASE);
	return NULL;
}

/* One waits, one comes late: spinning finds it, however long the limit. */
static void test_spin_finds(void **state)
{
	static const unsigned long limits[] = {20000000000ul, LONG_MAX,
					       ULONG_MAX - 1, ULONG_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		struct fake_ring ring;
		struct io_event got[3];
		io_context_t ctx = filled(&ring, FAKE_SLOTS - 1, 1);
		pthread_t kernel;

		assert_int_equal(
			pthread_create(&kernel, NULL, complete_late, &ring), 0);
		assert_int_equal(io_wait(ctx, 2, 3, got, NULL, limits[i]), 2);
		assert_int_equal(got[0].res, 100);
		assert_int_equal(got[1].res, 55);
		pthread_join(kernel, NULL);
	}
}

/* Until the time is over and no longer; not at all if there is enough. */
static void test_spin_ends(void **state)
{
	struct fake_ring ring;
	struct io_event got[2];
	io_context_t ctx = filled(&ring, 0, 1);
	struct timespec t = start();

	(void)state;
	assert_int_equal(io_wait(ctx, 2, 2, got, &now, 40 * MS), 1);
	assert_in_range(elapsed_ms(&t), 40, 5000);
	t = start();
	assert_int_equal(io_wait(ctx, 1, 1, got, NULL, 20 * MS), -EINVAL);
	assert_in_range(elapsed_ms(&t), 20, 5000);
	t = start();
	assert_int_equal(io_wait(ctx, 0, 1, got, NULL, 60000 * MS), 0);
	ctx = filled(&ring, 0, 1);
	assert_int_equal(io_wait(ctx, 1, 2, got, NULL, 60000 * MS), 1);
	assert_in_range(elapsed_ms(&t), 0, 5000);
}

static io_context_t context(void)
{
	io_context_t ctx = NULL;

	assert_int_equal(io_setup(4, &ctx), 0);
	return ctx;
}

static void submit(io_context_t ctx, struct iocb *iocb, int fd)
{
	io_prep_poll(iocb, fd, POLLIN);
	assert_int_equal(io_submit(ctx, 1, &iocb), 1);
}

static void *write_late(void *arg)
{
	struct timespec nap = {0, 30 * MS};

	nanosleep(&nap, NULL);
	assert_int_equal(write(*(int *)arg, "x", 1), 1);
	return NULL;
}

/* One waits in the ring; for the other the kernel is asked, in vain or not. */
static void test_wait_in_kernel(void **state)
{
	struct timespec soon = {0, 30 * MS}, t = start();
	io_context_t ctx = context();
	struct io_event got[2];
	struct iocb first, late;
	pthread_t writer;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	submit(ctx, &late, fds[0]);
	submit(ctx, &first, ready_fd);
	assert_int_equal(io_wait(ctx, 2, 2, got, &soon, 1000), 1);
	assert_in_range(elapsed_ms(&t), 30, 5000);
	assert_ptr_equal(got[0].obj, &first);
	assert_int_equal(io_wait(ctx, 1, 2, got, &soon, 0), 0);
	submit(ctx, &first, ready_fd);
	assert_int_equal(pthread_create(&writer, NULL, write_late, &fds[1]), 0);
	assert_int_equal(io_wait(ctx, 2, 2, got, NULL, 0), 2);
	assert_ptr_equal(got[0].obj, &first);
	assert_ptr_equal(got[1].obj, &late);
	pthread_join(writer, NULL);
	assert_int_equal(io_destroy(ctx), 0);
	close(fds[0]);
	close(fds[1]);
}

/* More than the ring has slots, two of three at a time. */
static void test_wait_around_ring(void **state)
{
	io_context_t ctx = context();
	struct iocb iocb[3];
	struct io_event got[3];
	unsigned slots = ((struct aioring *)ctx)->nr;

	(void)state;
	for (unsigned i = 0; i < slots; i++) {
		for (int j = 0; j < 3; j++)
			submit(ctx, &iocb[j], ready_fd);
		assert_int_equal(io_wait(ctx, 2, 2, got, NULL, 0), 2);
		assert_int_equal(io_wait(ctx, 1, 2, got + 2, NULL, 0), 1);
		for (int j = 0; j < 3; j++)
			assert_ptr_equal(got[j].obj, &iocb[j]);
	}
	assert_int_equal(io_destroy(ctx), 0);
}

/* --- without system calls --- */

enum {
	READ,
	READ_DISABLED,
	READ_OLD_WHEN_ALL_ARE_OFF,
	READ_NEW_WHEN_ALL_ARE_OFF,
	READ_WHEN_ANOTHER_IS_OFF,
	WAIT,
	PROBE
};

static int silent_work(int what, io_context_t ctx)
{
	struct io_event event;
	struct io_probe probe = {0};

	switch (what) {
	case PROBE:
		return io_probe(-1, &probe) == 0 && probe.opcodes & 1;
	case WAIT:
		return io_wait(ctx, 1, 1, &event, NULL, 0) == 1 &&
		       io_wait(ctx, 1, 1, &event, &now, 0) == 0;
	default:
		return io_getevents(ctx, 1, 1, &event, NULL) == 1;
	}
}

/* The wait status of a child that does it and may not enter the kernel. */
static int silently(int what)
{
	pid_t pid = fork();
	int status, done;

	if (!pid) {
		io_context_t ctx = context(), off = context();
		struct iocb iocb;
		struct io_probe probe;

		alarm(100);
		done = io_probe(-1, &probe) == 0;
		if (what == READ_DISABLED)
			done &= io_ring_disable(ctx) && !io_ring_disable(ctx);
		if (what == READ_WHEN_ANOTHER_IS_OFF)
			done &= io_ring_disable(off);
		if (what == READ_OLD_WHEN_ALL_ARE_OFF ||
		    what == READ_NEW_WHEN_ALL_ARE_OFF)
			done &= io_ring_disable(NULL) && !io_ring_disable(NULL);
		if (what == READ_NEW_WHEN_ALL_ARE_OFF)
			ctx = context();
		submit(ctx, &iocb, ready_fd);
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
		done &= silent_work(what, ctx);
		syscall(SYS_exit, !done);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_without_system_calls(void **state)
{
	const int killed = SIGKILL;

	(void)state;
#ifdef __SANITIZE_THREAD__
	print_message("skipped: the sanitizer's thread outlives the child's\n");
	return;
#endif
	assert_int_equal(silently(READ), 0);
	assert_int_equal(silently(READ_DISABLED), killed);
	assert_int_equal(silently(READ_OLD_WHEN_ALL_ARE_OFF), 0);
	assert_int_equal(silently(READ_NEW_WHEN_ALL_ARE_OFF), killed);
	assert_int_equal(silently(READ_WHEN_ANOTHER_IS_OFF), 0);
	assert_int_equal(silently(WAIT), 0);
	assert_int_equal(silently(PROBE), 0);
}

/* What is no context of the library's was never read. */
static void test_disable_others(void **state)
{
	static struct fake_ring ring __attribute__((aligned(4096)));
	io_context_t ctx = context(), raw = NULL;

	(void)state;
	assert_int_equal(syscall(SYS_io_setup, 4, &raw), 0);
	assert_int_equal(io_ring_disable(raw), 0);
	assert_int_equal(syscall(SYS_io_destroy, raw), 0);
	assert_int_equal(io_ring_disable(fake_ring_init(&ring)), 0);
	assert_int_equal(io_ring_disable((io_context_t)-4096l), 0);
	assert_int_equal(io_ring_disable((io_context_t)((char *)ctx + 8)), 0);
	assert_int_equal(io_ring_disable(ctx), 1);
	assert_int_equal(io_destroy(ctx), 0);
	assert_int_equal(io_ring_disable(ctx), 0);
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
	assert_in_range(l.aio_nr, 100, l.aio_max_nr);
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
		cmocka_unit_test(test_every_wait),
		cmocka_unit_test(test_bad_waits),
		cmocka_unit_test(test_spin_finds),
		cmocka_unit_test(test_spin_ends),
		cmocka_unit_test(test_wait_in_kernel),
		cmocka_unit_test(test_wait_around_ring),
		cmocka_unit_test(test_without_system_calls),
		cmocka_unit_test(test_disable_others),
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
	return cmocka_run_group_tests_name("extension", tests, NULL, NULL);
}
