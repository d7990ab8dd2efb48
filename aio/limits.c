// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The system's AIO limits, and words for a failed io_setup().
 * Source: Documentation/admin-guide/sysctl/fs.rst, ioctx_alloc() in fs/aio.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libaio_ext.h"

static int read_number(const char *path, unsigned long *value)
{
	FILE *file = fopen(path, "re");
	int ret = 0;

	if (!file)
		return -errno;
	if (fscanf(file, "%lu", value) != 1)
		ret = -EIO;
	fclose(file);
	return ret;
}

int io_limits(struct io_limits *limits)
{
	int err = errno, ret;

	ret = read_number("/proc/sys/fs/aio-nr", &limits->aio_nr);
	if (!ret)
		ret = read_number("/proc/sys/fs/aio-max-nr",
				  &limits->aio_max_nr);
	errno = err;
	return ret;
}

/* "" or who holds most, and whether there may be others; in brackets. */
static void name_holder(unsigned long all, char *text, size_t size)
{
	struct io_limits_holder top;
	int unknown, held = io_limits_holders(&top, 1, &unknown), len = 0;

	text[0] = '\0';
	if (!all || held < 0 || (!held && !unknown))
		return;
	if (held)
		len = snprintf(text, size, " (PID %d (%s) holds about %lu",
			       top.pid, top.comm,
			       top.events < all ? top.events : all);
	if (unknown)
		len += snprintf(text + len, size - (size_t)len,
				"%s%d process%s may not be looked into",
				held ? "; " : " (", unknown,
				unknown > 1 ? "es" : "");
	snprintf(text + len, size - (size_t)len, ")");
}

static int explain_again(int maxevents, char *text, size_t size)
{
	char holder[128];
	struct io_limits l;

	if (io_limits(&l))
		return snprintf(text, size,
				"io_setup(%d): fs.aio-max-nr is exhausted; "
				"raise it with sysctl -w fs.aio-max-nr=N",
				maxevents);
	name_holder(l.aio_nr, holder, sizeof(holder));
	return snprintf(text, size,
			"io_setup(%d): fs.aio-max-nr has no room: %d more "
			"requested, aio-nr %lu%s, aio-max-nr %lu; raise it "
			"with sysctl -w fs.aio-max-nr=%lu, or ask for less "
			"depth or fewer jobs",
			maxevents, maxevents, l.aio_nr, holder, l.aio_max_nr,
			l.aio_max_nr * 2 > l.aio_nr + (unsigned)maxevents
				? l.aio_max_nr * 2
				: l.aio_nr + (unsigned)maxevents);
}

static int explain(int err, int maxevents, char *text, size_t size)
{
	switch (err) {
	case -EAGAIN:
		return explain_again(maxevents, text, size);
	case -ENOMEM:
		return snprintf(text, size,
				"io_setup(%d): the kernel has no memory for "
				"the completion ring; ask for less depth",
				maxevents);
	case -ENOSYS:
	case -EPERM:
		return snprintf(text, size,
				"io_setup(%d): %s; this kernel is built "
				"without CONFIG_AIO, or a container's filter "
				"forbids it: use an engine that needs no AIO",
				maxevents, strerror(-err));
	case -EINVAL:
		return snprintf(text, size,
				"io_setup(%d): the kernel refuses this number "
				"of requests; ask for less depth",
				maxevents);
	default:
		return snprintf(text, size, "io_setup(%d): %s", maxevents,
				strerror((int)-(long)err));
	}
}

int io_setup_explain(int err, int maxevents, char *text, size_t size)
{
	int saved = errno;
	int len = explain(err, maxevents, text, size);

	errno = saved;
	return size && (size_t)len >= size ? (int)size - 1 : len;
}
