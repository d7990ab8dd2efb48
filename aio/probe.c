// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * io_probe(): which operations and RWF_* flags the kernel takes, found by
 * submitting requests of no bytes, which read and write nothing.
 * Source: __io_submit_one() in fs/aio.c, kiocb_set_rw_flags() in
 * include/linux/fs.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libaio_ext.h"
#include "sys.h"

#define ALL_FLAGS 0xffffu /* more RWF_* than any kernel has */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct io_probe kernel; /* under lock; opcodes 0: not known yet */

/*
 * Submit one request and wait for its end, which is *res.
 * 0, or -errno: a shortage, which says nothing about the request.
 */
static int try_one(io_context_t ctx, struct iocb *iocb, long *res)
{
	struct io_event event;
	int ret = aiosys_submit(ctx, 1, &iocb);

	if (!ret || ret == -EAGAIN || ret == -ENOMEM || ret == -EINTR)
		return ret ? ret : -EAGAIN;
	*res = ret;
	if (ret < 0)
		return 0;
	while ((ret = aiosys_getevents(ctx, 1, 1, &event, NULL)) == -EINTR)
		;
	*res = (long)event.res;
	return ret == 1 ? 0 : ret < 0 ? ret : -EAGAIN;
}

static int try_rw(io_context_t ctx, int fd, short opcode, unsigned flags,
		  long *res)
{
	struct iocb iocb;

	io_prep_pread(&iocb, fd, NULL, 0, 0);
	iocb.aio_lio_opcode = opcode;
	iocb.aio_rw_flags = flags;
	return try_one(ctx, &iocb, res);
}

/*
 * Add to *taken the RWF_* of wanted that such a request takes: each reaches
 * the file system, and ends there for want of bytes.  closed: what a file
 * answers that is not open for the operation, if that counts; the flags are
 * looked at first.
 */
static int try_flags(io_context_t ctx, int fd, short opcode, unsigned wanted,
		     long closed, unsigned *taken)
{
	for (unsigned left = wanted; left; left &= left - 1) {
		unsigned flag = left & -left;
		long res;
		int ret = try_rw(ctx, fd, opcode, flag, &res);

		if (ret)
			return ret;
		if (res >= 0 || res == -EAGAIN || res == closed)
			*taken |= flag;
	}
	return 0;
}

/* fd: a file that takes everything but POLL, for which the pipe is. */
static int try_opcodes(io_context_t ctx, int fd, int pipe_end, unsigned *taken)
{
	static const short simple[] = {
		IO_CMD_PREAD, IO_CMD_PWRITE, IO_CMD_FSYNC,  IO_CMD_FDSYNC,
		IO_CMD_NOOP,  IO_CMD_PREADV, IO_CMD_PWRITEV};
	struct iocb iocb;
	long res;
	int ret;

	for (unsigned i = 0; i < sizeof(simple) / sizeof(*simple); i++) {
		ret = try_rw(ctx, fd, simple[i], 0, &res);
		if (ret)
			return ret;
		if (res >= 0)
			*taken |= 1u << simple[i];
	}
	io_prep_poll(&iocb, pipe_end, POLLOUT);
	ret = try_one(ctx, &iocb, &res);
	if (!ret && res >= 0)
		*taken |= 1u << IO_CMD_POLL;
	return ret;
}

/* The flags that at least one of these files takes. */
static int try_files(io_context_t ctx, int program, int memory,
		     const int pipe_ends[2], struct io_probe *found)
{
	unsigned *reads = &found->read_flags, *writes = &found->write_flags;
	int ret = try_flags(ctx, program, IO_CMD_PREAD, ALL_FLAGS, 0, reads);

	/* The program cannot be open for writing. */
	if (!ret)
		ret = try_flags(ctx, program, IO_CMD_PWRITE, *reads, -EBADF,
				writes);
	for (int i = 0; i < 2 && !ret; i++)
		ret = try_flags(ctx, i ? pipe_ends[0] : memory, IO_CMD_PREAD,
				ALL_FLAGS, 0, reads);
	for (int i = 0; i < 2 && !ret; i++)
		ret = try_flags(ctx, i ? pipe_ends[1] : memory, IO_CMD_PWRITE,
				ALL_FLAGS, 0, writes);
	return ret;
}

/* A memory file, a pipe and the program; where one is missing, fd is -1. */
static int try_kernel(io_context_t ctx, struct io_probe *found)
{
	int memory = memfd_create("io_probe", MFD_CLOEXEC);
	int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int fds[2], ret;

	*found = (struct io_probe){0, 0, 0};
	/* The pipe comes last, so it is what too few descriptors miss. */
	if (pipe2(fds, O_CLOEXEC)) {
		ret = -errno;
		goto out;
	}
	ret = try_opcodes(ctx, memory, fds[1], &found->opcodes);
	if (!ret)
		ret = try_files(ctx, program, memory, fds, found);
	close(fds[0]);
	close(fds[1]);
out:
	close(program);
	close(memory);
	return ret;
}

/* Under the lock only if it is free: a child may have inherited it locked. */
static int probe_kernel(struct io_probe *probe)
{
	int locked = !pthread_mutex_trylock(&lock), ret = 0;
	io_context_t ctx = NULL;

	if (locked)
		*probe = kernel;
	if (!locked || !kernel.opcodes) {
		ret = aiosys_setup(1, &ctx);
		if (!ret) {
			ret = try_kernel(ctx, probe);
			aiosys_destroy(ctx);
		}
	}
	if (locked) {
		if (!ret)
			kernel = *probe;
		pthread_mutex_unlock(&lock);
	}
	return ret;
}

int io_probe_on(io_context_t ctx, int fd, struct io_probe *probe)
{
	const struct io_probe wanted = *probe;
	int err = errno, ret;
	struct stat st;

	if (fstat(fd, &st) || fcntl(fd, F_GETFL) & O_PATH) {
		errno = err;
		return -EBADF;
	}
	/* What may block on no bytes (a socket) or is no file is refused. */
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return -EINVAL;
	probe->read_flags = probe->write_flags = 0;
	ret = try_flags(ctx, fd, IO_CMD_PREAD, wanted.read_flags, 0,
			&probe->read_flags);
	if (!ret)
		ret = try_flags(ctx, fd, IO_CMD_PWRITE, wanted.write_flags, 0,
				&probe->write_flags);
	return ret;
}

static int probe_file(int fd, struct io_probe *probe)
{
	io_context_t ctx = NULL;
	int ret = aiosys_setup(1, &ctx);

	if (ret)
		return ret;
	probe->read_flags = probe->write_flags = ALL_FLAGS;
	ret = io_probe_on(ctx, fd, probe);
	aiosys_destroy(ctx);
	return ret;
}

int io_probe(int fd, struct io_probe *probe)
{
	int err = errno, state, ret;

	/* A thread that was cancelled here would leave its lock and files. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	ret = probe_kernel(probe);
	if (!ret && fd != -1)
		ret = probe_file(fd, probe);
	pthread_setcancelstate(state, NULL);
	errno = err;
	return ret;
}
