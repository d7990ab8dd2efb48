/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is the running fio the fio that this engine was built for?  fio itself
 * compares one small number, which several releases share.
 */
#ifndef KAIO_GUARD_H
#define KAIO_GUARD_H

#include "fio_glue.h"

/*
 * Before fio touches anything of ours: are the version, the option table's
 * layout and every symbol that we need as compiled in?  False after one
 * sentence on fio's error log.  Touches no thread_data.
 */
bool guard_fio(void);

/*
 * At init: are td->eo and td->io_ops where we expect them?  ops: our own.
 * False after one sentence.
 */
bool guard_td(struct thread_data *td, const struct ioengine_ops *ops);

#endif /* KAIO_GUARD_H */
