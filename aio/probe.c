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

#define RWF_BITS 16 /* more than any kernel has */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct io_probe kernel; /* under lock; opcodes 0: not known yet */

/* Submit one request and wait for its end: >= 0, or -errno. */
static long result(io_context_t ctx, struct iocb *iocb)
{
	struct io_event event;
	int ret = aiosys_submit(ctx, 1, &iocb);

	/* EAGAIN from here is a shortage, and not about the request. */
	if (ret != 1)
		return ret < 0 && ret != -EAGAIN ? ret : -EINVAL;
	while ((ret = aiosys_getevents(ctx, 1, 1, &event, NULL)) == -EINTR)
		;
	return ret == 1 ? (long)event.res : ret;
}

static long try_rw(io_context_t ctx, int fd, short opcode, unsigned flags)
{
	struct iocb iocb;

	io_prep_pread(&iocb, fd, NULL, 0, 0);
	iocb.aio_lio_opcode = opcode;
	iocb.aio_rw_flags = flags;
	return result(ctx, &iocb);
}

/*
 * The RWF_* that such a request takes: each reaches the file system, and ends
 * there for want of bytes.  closed: what a file answers that is not open for
 * the operation, if that counts; the flags are looked at first.
 */
static unsigned try_flags(io_context_t ctx, int fd, short opcode, long closed)
{
	unsigned found = 0;

	for (unsigned flag = 1; flag < 1u << RWF_BITS; flag <<= 1) {
		long res = try_rw(ctx, fd, opcode, flag);

		if (res >= 0 || res == -EAGAIN || res == closed)
			found |= flag;
	}
	return found;
}

/* fd: a file that takes everything but POLL, for which the pipe is. */
static unsigned try_opcodes(io_context_t ctx, int fd, int pipe_end)
{
	static const short simple[] = {
		IO_CMD_PREAD, IO_CMD_PWRITE, IO_CMD_FSYNC,  IO_CMD_FDSYNC,
		IO_CMD_NOOP,  IO_CMD_PREADV, IO_CMD_PWRITEV};
	unsigned found = 0;
	struct iocb iocb;

	for (unsigned i = 0; i < sizeof(simple) / sizeof(*simple); i++)
		if (try_rw(ctx, fd, simple[i], 0) >= 0)
			found |= 1u << simple[i];
	io_prep_poll(&iocb, pipe_end, POLLOUT);
	if (result(ctx, &iocb) >= 0)
		found |= 1u << IO_CMD_POLL;
	return found;
}

/* A memory file, a pipe and the program; where one is missing, fd is -1. */
static int try_kernel(io_context_t ctx, struct io_probe *found)
{
	int memory = memfd_create("io_probe", MFD_CLOEXEC);
	int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int fds[2] = {-1, -1}, ret = 0;
	unsigned reads;

	/* The pipe comes last, so it is what too few descriptors miss. */
	if (pipe2(fds, O_CLOEXEC)) {
		ret = -errno;
		goto out;
	}
	found->opcodes = try_opcodes(ctx, memory, fds[1]);
	reads = try_flags(ctx, program, IO_CMD_PREAD, 0);
	found->read_flags = reads | try_flags(ctx, memory, IO_CMD_PREAD, 0) |
			    try_flags(ctx, fds[0], IO_CMD_PREAD, 0);
	/* The program cannot be open for writing. */
	found->write_flags =
		(reads & try_flags(ctx, program, IO_CMD_PWRITE, -EBADF)) |
		try_flags(ctx, memory, IO_CMD_PWRITE, 0) |
		try_flags(ctx, fds[1], IO_CMD_PWRITE, 0);
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

/* What may block on no bytes (a socket) or is no file is refused. */
static int probe_file(int fd, struct io_probe *probe)
{
	io_context_t ctx = NULL;
	struct stat st;
	int ret;

	if (fstat(fd, &st) || fcntl(fd, F_GETFL) & O_PATH)
		return -EBADF;
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return -EINVAL;
	ret = aiosys_setup(1, &ctx);
	if (ret)
		return ret;
	probe->read_flags = try_flags(ctx, fd, IO_CMD_PREAD, 0);
	probe->write_flags = try_flags(ctx, fd, IO_CMD_PWRITE, 0);
	aiosys_destroy(ctx);
	return 0;
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
