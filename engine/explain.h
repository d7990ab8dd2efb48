/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an error of an I/O most likely means, in words and with the numbers.
 * No fio types.  Any thread.
 */
#ifndef KAIO_EXPLAIN_H
#define KAIO_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>

struct explain_io {
	int error; /* positive errno */
	int fd;
	const void *buf;
	unsigned long long length; /* bytes */
	unsigned long long offset; /* bytes */
	bool realtime;		   /* priority class RT */
	bool atomic;		   /* RWF_ATOMIC */
};

/* One sentence in text[size]; it is cut if it does not fit. */
void explain_error(const struct explain_io *io, char *text, size_t size);

#endif /* KAIO_EXPLAIN_H */
