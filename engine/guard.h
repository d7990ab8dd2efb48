/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is the running fio the fio that this engine was built for?  fio itself
 * compares one small number, which several releases share.
 */
#ifndef KAIO_GUARD_H
#define KAIO_GUARD_H

#include "fio_glue.h"

/*
 * Each says one sentence on fio's error log, or on stderr where fio has none,
 * before it gives false.
 */

/*
 * Before fio touches anything of ours: are the version, the option table's
 * layout, every symbol that we need, and the structures that fio's functions
 * take, as compiled in?
 */
bool guard_fio(void);

/* At init, post_init, an open and the first request: see layout.h. */
bool guard_td(const struct thread_data *td, const struct ioengine_ops *ops);
bool guard_io_us(const struct thread_data *td);
bool guard_opened(int before, const struct fio_file *f);
bool guard_request(const struct thread_data *td, const struct io_u *io_u,
		   const struct ioengine_ops *ops);

#endif /* KAIO_GUARD_H */
