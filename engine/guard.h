/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is the running fio the fio that this engine was built for?  fio itself
 * compares one small number, which several releases share.
 */
#ifndef KAIO_GUARD_H
#define KAIO_GUARD_H

#include "fio_glue.h"

/*
 * Before fio touches anything of ours: struct half (half.h), for pick.c.  Then,
 * at init, post_init, an open and the first request: see layout.h.  Each says
 * one sentence on fio's error log before it gives false.
 */
bool guard_td(const struct thread_data *td, const struct ioengine_ops *ops);
bool guard_io_us(const struct thread_data *td);
bool guard_opened(int before, const struct fio_file *f);
bool guard_request(const struct thread_data *td, const struct io_u *io_u,
		   const struct ioengine_ops *ops);

#endif /* KAIO_GUARD_H */
