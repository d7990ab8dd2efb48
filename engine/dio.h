/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What direct I/O on a file has to keep to, as statx() tells: those fields are
 * newer than the C library's headers.  No fio types.  Any thread.
 * Source: struct statx in include/uapi/linux/stat.h.
 */
#ifndef KAIO_DIO_H
#define KAIO_DIO_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define DIO_ALIGN 0x2000u   /* Linux 6.1 */
#define DIO_ATOMIC 0x10000u /* Linux 6.11 */

struct dio {
	uint32_t mask;	 /* DIO_*: what the file system has told */
	uint32_t memory; /* bytes that buffers have to be multiples of */
	uint32_t offset; /* and offsets and lengths; 0: no direct I/O */
	uint32_t atomic; /* the largest atomic write, in bytes; 0: none */
	uint32_t atomic_least;
};

/*
 * 0, or -1: statx() itself was refused, or the C library has none (musl before
 * 1.2.5), which tells nothing about the file.
 */
static inline int dio_limits(int fd, struct dio *found)
{
#ifdef STATX_BASIC_STATS
	union {
		struct statx st;
		uint32_t words[64];
	} all = {.words = {0}};
	unsigned mask = DIO_ALIGN | DIO_ATOMIC;

	if (statx(fd, "", AT_EMPTY_PATH, mask, &all.st))
		return -1;
	*found = (struct dio){
		.mask = all.st.stx_mask & mask,
		.memory = all.words[0x98 / 4],
		.offset = all.words[0x9c / 4],
		.atomic = all.words[0xac / 4],
		.atomic_least = all.words[0xa8 / 4],
	};
	return 0;
#else
	(void)fd, (void)found;
	return -1;
#endif
}

#endif /* KAIO_DIO_H */
