/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The check before the first job starts that the contexts of all that start
 * together fit into fs.aio-max-nr.
 */
#ifndef KAIO_AIOLIMIT_H
#define KAIO_AIOLIMIT_H

#include "fio_glue.h"

/*
 * get_file_size: as fio's.  It is what fio calls first for each job, before it
 * starts any, so it refuses jobs that do not fit, all of them, with a sentence
 * for the first and EAGAIN for each.  Jobs with create_serialize=0, replays,
 * and jobs that only lay out files are neither counted nor refused.
 */
int kaio_get_file_size(struct thread_data *td, struct fio_file *f);

#endif /* KAIO_AIOLIMIT_H */
