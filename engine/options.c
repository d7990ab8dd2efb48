// SPDX-License-Identifier: GPL-2.0-only
/*
 * The option table that fio parses.  README.md has the same table, and a test
 * holds the two equal.
 */
#include "options.h"

/*
 * A set-option, so that the built-in engine's bare "userspace_reap" parses.
 * fio cannot tell such an option's 0 from its absence, hence the callback.
 */
static int set_userspace_reap(void *data, int *value)
{
	struct kaio_options *o = data;

	o->syscall_reap = !*value;
	return 0;
}

struct fio_option kaio_option_table[] = {
	{
		.name = "userspace_reap",
		.lname = "Read completions from the ring",
		.type = FIO_OPT_STR_SET,
		.cb = set_userspace_reap,
		.help = "Read completions from the ring in user space: always "
			"on; 0 uses io_getevents only",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_LIBAIO,
	},
	{
		.name = "nowait",
		.lname = "RWF_NOWAIT",
		.type = FIO_OPT_BOOL,
		.off1 = offsetof(struct kaio_options, nowait),
		.def = "0",
		.help = "Set RWF_NOWAIT for reads/writes",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_LIBAIO,
	},
	{
		.name = "libaio_vectored",
		.lname = "Use preadv and pwritev",
		.type = FIO_OPT_BOOL,
		.off1 = offsetof(struct kaio_options, vectored),
		.def = "0",
		.help = "Submit PREADV/PWRITEV instead of PREAD/PWRITE",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_LIBAIO,
	},
	GLUE_CMDPRIO_OPTIONS(struct kaio_options),
	{
		.name = NULL,
	},
};
