// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sentences behind the errdetails hook.
 * Source: open(2) on O_DIRECT; queue/ in Documentation/ABI/stable/sysfs-block.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "explain.h"

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

/* "" or which of buffer, length and offset is no multiple of what. */
static void misfits(const struct explain_io *io, unsigned block,
		    unsigned memory, char *text, size_t size)
{
	uintptr_t buf = (uintptr_t)io->buf;
	int len = 0;

	text[0] = '\0';
	if (block && io->offset % block)
		len = snprintf(text, size, "offset %llu", io->offset);
	if (block && io->length % block)
		len += snprintf(text + len, size - (size_t)len, "%slength %llu",
				len ? ", " : "", io->length);
	if (memory && buf % memory)
		snprintf(text + len, size - (size_t)len,
			 "%sbuffer at %#lx (off by %lu)", len ? ", " : "",
			 (unsigned long)buf, (unsigned long)(buf % memory));
}

static void explain_einval(const struct explain_io *io, char *text, size_t size)
{
	unsigned block = queue_limit(io->fd, "logical_block_size");
	unsigned memory = queue_limit(io->fd, "dma_alignment");
	char which[160];

	misfits(io, block, memory ? memory + 1 : 0, which, sizeof(which));
	if (fcntl(io->fd, F_GETFL) & O_DIRECT && which[0])
		snprintf(text, size,
			 "with direct=1 this device takes offsets and lengths "
			 "in multiples of %u bytes, and buffers in multiples "
			 "of %u, which does not fit: %s; set bs, offset, "
			 "blockalign or iomem_align to such multiples",
			 block, memory + 1, which);
	else
		snprintf(text, size,
			 "the kernel or the file system does not know this "
			 "operation or flag (offset %llu, length %llu and "
			 "buffer are aligned to the device's blocks of %u "
			 "bytes); try without direct=1, nowait and the like",
			 io->offset, io->length, block);
}

void explain_error(const struct explain_io *io, char *text, size_t size)
{
	const char *why;

	switch (io->error) {
	case EINVAL:
		explain_einval(io, text, size);
		return;
	case EAGAIN:
		why = "the I/O would have blocked and nowait=1 is set "
		      "(ignore_error=EAGAIN goes on past it), or the kernel "
		      "kept refusing to take it";
		break;
	case EOPNOTSUPP:
		why = "the kernel or the file system does not support a flag "
		      "of this I/O (nowait, uncached, atomic)";
		break;
	case ENOSPC:
		why = "the file system or the thin device is full";
		break;
	case EIO:
		why = "the device failed the I/O, or it ends before it; see "
		      "dmesg";
		break;
	default:
		why = strerror(io->error);
	}
	snprintf(text, size, "%s", why);
}
