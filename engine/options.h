/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine's options: the names and meanings of fio's built-in libaio
 * engine, so that its job files run unchanged.
 */
#ifndef KAIO_OPTIONS_H
#define KAIO_OPTIONS_H

#include "fio_glue.h"

struct kaio_options {
	struct thread_data *td; /* set by fio; must come first */
	bool syscall_reap;	/* userspace_reap=0 */
	unsigned nowait;
	unsigned vectored;
	struct cmdprio_options cmdprio_options;
};

/* Ends with an entry without a name.  fio writes into it while it parses. */
extern struct fio_option kaio_option_table[];

#endif /* KAIO_OPTIONS_H */
