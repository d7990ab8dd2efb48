/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many I/Os submit=adaptive may hold: by iodepth, and none in jobs in which
 * that would change more than the size of batches.
 */
#ifndef KAIO_HOLD_H
#define KAIO_HOLD_H

#include "fio_glue.h"

struct hold {
	unsigned in_step; /* on a device that does its work in io_submit */
	unsigned busy;	  /* on others */
};

/* Of a job with submit=adaptive; any thread. */
struct hold hold_limits(const struct thread_data *td);

#endif /* KAIO_HOLD_H */
