/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which RWF_* flags a file takes, asked of the kernel on an idle context.  No
 * fio types.
 */
#ifndef KAIO_RWF_H
#define KAIO_RWF_H

#include <stdbool.h>
#include <sys/stat.h>

#include "libaio.h"

/* Linux 6.11 */
#define KAIO_RWF_ATOMIC 0x40u

struct rwf {
	unsigned reads; /* RWF_* */
	unsigned writes;
};

/* Kinds of files that are remembered: enough for the disks of one job. */
#define KAIO_RWF_KINDS 8

/* The answers so far, of the same wanted flags; all zero at first. */
struct rwf_known {
	struct rwf_kind {
		dev_t dev;   /* file system or block device; 0: no entry */
		mode_t type; /* S_IFMT */
		int open;    /* O_ACCMODE, O_DIRECT */
		struct rwf taken;
	} kinds[KAIO_RWF_KINDS];
	unsigned next; /* entry to overwrite */
};

/* Is there an answer for files like fd, so that rwf_ask() tries nothing? */
bool rwf_is_known(const struct rwf_known *known, int fd);

/*
 * Which of wanted a file takes, in the way in which it is open: as its kind did
 * before, or by io_probe_on() ctx, which must be idle, and its ring disabled.
 * RWF_ATOMIC is asked of statx(), of each file.
 * 0, or -errno as io_probe_on(); -EINVAL also if fd is not open.
 */
int rwf_ask(struct rwf_known *known, io_context_t ctx, int fd,
	    struct rwf wanted, struct rwf *taken);

#endif /* KAIO_RWF_H */
