/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * statx() with what is newer than the C library's headers.
 * Source: struct statx in include/uapi/linux/stat.h.
 */
#ifndef KAIO_MORESTAT_H
#define KAIO_MORESTAT_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define MORESTAT_DIOALIGN 0x2000u      /* Linux 6.1 */
#define MORESTAT_WRITE_ATOMIC 0x10000u /* Linux 6.11 */

struct morestat {
	uint32_t mask;	     /* MORESTAT_*: what the file system has told */
	uint32_t dio_memory; /* bytes that buffers have to be multiples of */
	uint32_t dio_offset; /* and offsets and lengths; 0: no direct I/O */
	uint32_t
		largest_atomic; /* bytes of the largest atomic write; 0: none */
};

/*
 * 0, or -1: statx() itself was refused, or the C library has none (musl before
 * 1.2.5), which tells nothing about the file.
 */
static inline int morestat(int fd, struct morestat *found)
{
#ifdef STATX_BASIC_STATS
	union {
		struct statx st;
		uint32_t words[64];
	} all = {.words = {0}};
	unsigned mask = MORESTAT_DIOALIGN | MORESTAT_WRITE_ATOMIC;

	if (statx(fd, "", AT_EMPTY_PATH, mask, &all.st))
		return -1;
	*found = (struct morestat){
		.mask = all.st.stx_mask & mask,
		.dio_memory = all.words[0x98 / 4],
		.dio_offset = all.words[0x9c / 4],
		.largest_atomic = all.words[0xac / 4],
	};
	return 0;
#else
	(void)fd, (void)found;
	return -1;
#endif
}

#endif /* KAIO_MORESTAT_H */
