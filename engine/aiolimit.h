/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The check before the first job starts that the contexts of all that start
 * together fit into fs.aio-max-nr, numjobs x iodepth of them.
 */
#ifndef KAIO_AIOLIMIT_H
#define KAIO_AIOLIMIT_H

#include "fio_glue.h"

/*
 * get_file_size: as fio's.  It is what fio calls first for each job, before it
 * starts any, so it refuses jobs that do not fit, all of them, with a sentence
 * for the first and EAGAIN for each.  Replays and jobs with create_serialize=0
 * are counted; jobs that only lay out files are not, and never refused.
 */
int kaio_get_file_size(struct thread_data *td, struct fio_file *f);

/*
 * The same for a job of which fio asks that late or not at all, a replay or one
 * with create_serialize=0, before it has a context: false if it must not start.
 * If no other was asked before the start, what others hold now is not counted,
 * as it may be these jobs'.
 */
bool kaio_fits_late(struct thread_data *td);

#endif /* KAIO_AIOLIMIT_H */
