// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sentences behind the errdetails hook.
 * Source: open(2) on O_DIRECT; statx(2) on STATX_DIOALIGN and
 * STATX_WRITE_ATOMIC; queue/ in
 * Documentation/ABI/stable/sysfs-block; aio_read(), aio_write(), aio_fsync()
 * in fs/aio.c, ioprio_check_cap() and blk_errors of block/blk-core.c of Linux.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "dio.h"
#include "explain.h"

/* What direct I/O on a file has to be a multiple of, in bytes. */
struct multiples {
	unsigned block;	 /* offsets and lengths; 0: nothing tells */
	unsigned memory; /* buffers */
};

/* A number of the queue of the device under fd, or of its whole disk. */
static unsigned queue_limit(int fd, const char *name)
{
	static const char *const paths[] = {
		"/sys/dev/block/%u:%u/queue/%s",
		"/sys/dev/block/%u:%u/../queue/%s",
	};
	unsigned value = 0;
	struct stat st;
	char path[128];
	dev_t dev;

	if (fstat(fd, &st))
		return 0;
	dev = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	for (int i = 0; i < 2 && !value; i++) {
		FILE *file;

		snprintf(path, sizeof(path), paths[i], major(dev), minor(dev),
			 name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fscanf(file, "%u", &value) != 1)
			value = 0;
		fclose(file);
	}
	return value;
}

/*
 * The file system knows best (its blocks may be larger than the device's),
 * where it tells.  The device's blocks hold for buffers, too, on kernels that
 * know no dma_alignment.
 */
static struct multiples direct_multiples(int fd)
{
	struct dio dio;
	unsigned block, mask;

	if (!dio_limits(fd, &dio) && dio.mask & DIO_ALIGN)
		return (struct multiples){dio.offset, dio.memory};
	block = queue_limit(fd, "logical_block_size");
	mask = queue_limit(fd, "dma_alignment");
	return (struct multiples){block, mask ? mask + 1 : block};
}

/* "" or which of buffer, length and offset is no multiple of what. */
static void misfits(const struct explain_io *io, const struct multiples *m,
		    char *text, size_t size)
{
	uintptr_t buf = (uintptr_t)io->buf;
	int len = 0;

	text[0] = '\0';
	if (io->offset % m->block)
		len = snprintf(text, size, "offset %llu", io->offset);
	if (io->length % m->block)
		len += snprintf(text + len, size - (size_t)len, "%slength %llu",
				len ? ", " : "", io->length);
	if (m->memory && buf % m->memory)
		snprintf(text + len, size - (size_t)len,
			 "%sbuffer at %#lx (off by %lu)", len ? ", " : "",
			 (unsigned long)buf, (unsigned long)(buf % m->memory));
}

/* With direct=1, where the multiples are known. */
static void explain_direct(const struct explain_io *io,
			   const struct multiples *m, char *text, size_t size)
{
	char which[160];

	misfits(io, m, which, sizeof(which));
	if (which[0])
		snprintf(text, size,
			 "with direct=1 this device takes offsets and lengths "
			 "in multiples of %u bytes, and buffers in multiples "
			 "of %u, which does not fit: %s; set bs, offset, "
			 "blockalign or iomem_align to such multiples",
			 m->block, m->memory, which);
	else
		snprintf(text, size,
			 "the kernel or the file system does not know this "
			 "operation or flag (offset %llu and length %llu are "
			 "multiples of %u bytes and the buffer one of %u, as "
			 "direct=1 needs them); try without nowait, atomic and "
			 "the like",
			 io->offset, io->length, m->block, m->memory);
}

/* Disks and file systems have asynchronous I/O. */
static bool is_character_device(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISCHR(st.st_mode);
}

/* Is an atomic write of this length not one, or not at this place? */
static bool explain_atomic(const struct explain_io *io, char *text, size_t size)
{
	unsigned long long length = io->length;
	struct dio dio;

	if (!io->atomic || !length || dio_limits(io->fd, &dio) ||
	    !(dio.mask & DIO_ATOMIC) || !dio.atomic)
		return false;
	if (!(length & (length - 1)) && io->offset % length == 0 &&
	    length >= dio.atomic_least && length <= dio.atomic)
		return false;
	snprintf(text, size,
		 "with atomic=1 this device takes writes of a power of two "
		 "from %u to %u bytes, each at a multiple of its length, which "
		 "does not fit: offset %llu, length %llu; set bs and "
		 "blockalign to such",
		 dio.atomic_least, dio.atomic, io->offset, length);
	return true;
}

static void explain_einval(const struct explain_io *io, char *text, size_t size)
{
	int flags = fcntl(io->fd, F_GETFL);
	bool direct = flags >= 0 && flags & O_DIRECT;
	struct multiples m = {0, 0};

	if (direct)
		m = direct_multiples(io->fd);
	if (explain_atomic(io, text, size))
		return;
	if (is_character_device(io->fd))
		snprintf(text, size,
			 "this is a character device, whose driver has no "
			 "asynchronous I/O of this kind; use another file, or "
			 "ioengine=psync");
	else if (m.block)
		explain_direct(io, &m, text, size);
	else
		snprintf(
			text, size,
			"the kernel or the file system does not know this "
			"operation or flag, or has no asynchronous I/O for "
			"this file, as in /proc%s (offset %llu, length %llu); "
			"try without %snowait, uncached and the like, or "
			"ioengine=psync",
			direct ? ", or direct=1 does not fit, whose block size "
				 "nothing tells here"
			       : "",
			io->offset, io->length, direct ? "direct=1, " : "");
}

/*
 * A device that is gone has no size left.  (lseek() tells it, whose types every
 * C library agrees on; nothing here uses a file's position.)
 */
static const char *no_space(const struct explain_io *io)
{
	struct stat st;
	off_t size = fstat(io->fd, &st) || !S_ISBLK(st.st_mode)
			     ? -1
			     : lseek(io->fd, 0, SEEK_END);

	if (size >= 0 && io->offset + io->length > (uint64_t)size)
		return "the device ends before it, as one does that was taken "
		       "away or has shrunk; see dmesg";
	return "the file system or the thin device is full";
}

static const char *not_permitted(const struct explain_io *io)
{
	if (io->realtime)
		return "only root (CAP_SYS_NICE) may give I/Os the priority "
		       "class RT (cmdprio_class=1, which is also the default); "
		       "run fio as root, or set cmdprio_class=2 or 3";
	return "the file does not permit it, as a sealed or an append-only one";
}

/* Of EINVAL, ENOSPC and EPERM there is more to say. */
static const struct {
	int error;
	const char *why;
} reasons[] = {
	{EAGAIN, "the I/O would have blocked and nowait=1 is set "
		 "(nowait=fallback sends it again, ignore_error=EAGAIN goes on "
		 "past it), or the kernel kept refusing to take it"},
	{EOPNOTSUPP, "the kernel or the file system does not support a flag "
		     "of this I/O (nowait, uncached, atomic)"},
	{EIO, "the device failed the I/O, or it ends before it, or is gone; "
	      "or, where it is zoned, a write was not at its zone's write "
	      "pointer (zonemode=zbd); see dmesg"},
	{ENODEV, "the device is offline or gone; see dmesg"},
	{ENXIO, "the device is gone; see dmesg"},
	{ENODATA, "a medium error: the device cannot read or write what is "
		  "there; see dmesg (continue_on_error does not go on past "
		  "it, ignore_error=61 does)"},
	{EILSEQ, "the protection information (T10 PI) of a block is not that "
		 "of its data or its place; see dmesg"},
	{EREMOTEIO,
	 "the device refused the command; where it is zoned, a write "
	 "was not at its zone's write pointer (zonemode=zbd); see "
	 "dmesg"},
	{ETIMEDOUT, "the device did not answer in time; see dmesg"},
	{ENOLINK, "the path to the device failed; see dmesg"},
	{EBADE, "another host has reserved the device"},
	{EOVERFLOW, "more zones would be active than the device takes "
		    "(max_active_zones); see max_open_zones"},
	{ETOOMANYREFS, "more zones would be open than the device takes; set "
		       "max_open_zones"},
};

void explain_error(const struct explain_io *io, char *text, size_t size)
{
	const char *why = NULL;

	if (io->error == EINVAL) {
		explain_einval(io, text, size);
		return;
	}
	if (io->error == ENOSPC)
		why = no_space(io);
	if (io->error == EPERM)
		why = not_permitted(io);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (reasons[i].error == io->error)
			why = reasons[i].why;
	snprintf(text, size, "%s", why ? why : strerror(io->error));
}
