/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which RWF_* flags a file takes, asked of the kernel on an idle context.  No
 * fio types.
 */
#ifndef KAIO_FLAGS_H
#define KAIO_FLAGS_H

#include <stdbool.h>
#include <sys/stat.h>

#include "libaio.h"

/* Linux 6.11 */
#define FLAGS_RWF_ATOMIC 0x40u

struct flags {
	unsigned reads; /* RWF_* */
	unsigned writes;
};

/* Kinds of files that are remembered: enough for the disks of one job. */
#define FLAGS_KNOWN 8

/* The answers so far, of the same wanted flags; all zero at first. */
struct flags_known {
	struct flags_kind {
		dev_t dev;   /* file system or block device; 0: no entry */
		mode_t type; /* S_IFMT */
		int open;    /* O_ACCMODE, O_DIRECT */
		struct flags taken;
	} kinds[FLAGS_KNOWN];
	unsigned next; /* entry to overwrite */
};

/* Is there an answer for files like fd, so that flags_ask() tries nothing? */
bool flags_are_known(const struct flags_known *known, int fd);

/*
 * Which of wanted a file takes, in the way in which it is open: as its kind did
 * before, or by trying each flag with a request of no bytes.  RWF_ATOMIC is
 * asked of statx(), of each file.  ctx must be idle, and its ring disabled.
 * 0; -EINVAL (fd is no regular file and no block device); -errno of a trial
 * that could not be made (-EAGAIN, -ENOMEM, -EINTR).
 * Source: kiocb_set_rw_flags() in include/linux/fs.h; statx(2).
 */
int flags_ask(struct flags_known *known, io_context_t ctx, int fd,
	      struct flags wanted, struct flags *taken);

#endif /* KAIO_FLAGS_H */
