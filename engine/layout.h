/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Are the members of fio's structures where this engine was compiled to find
 * them?  Two fios may print one version and have equal option tables, and yet
 * differ in struct io_u.  Each function gives NULL, or the name of the
 * structure that differs.  None follows a pointer that was not compared before.
 */
#ifndef KAIO_LAYOUT_H
#define KAIO_LAYOUT_H

#include "fio_glue.h"

/*
 * Before there is a job: what fio's own functions read from, and write to,
 * structures that the engine has filled.
 */
const char *layout_of_fio(void);

/* At init, in the job or the offload worker.  ops: the engine's own. */
const char *layout_of_td(const struct thread_data *td,
			 const struct ioengine_ops *ops);

/* At post_init: the io_us of a job, as fio has just made them. */
const char *layout_of_io_us(const struct thread_data *td);

/* When fio has opened f, whose fd was before. */
const char *layout_of_opened(int before, const struct fio_file *f);

/* At the first request of a job or worker, before it goes anywhere. */
const char *layout_of_request(const struct thread_data *td,
			      const struct io_u *io_u,
			      const struct ioengine_ops *ops);

#endif /* KAIO_LAYOUT_H */
