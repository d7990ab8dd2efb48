/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine's options: the names and meanings of fio's built-in libaio
 * engine, so that its job files run unchanged, and those it lacks.
 */
#ifndef KAIO_OPTIONS_H
#define KAIO_OPTIONS_H

#include "fio_glue.h"
#include "queue.h"

enum kaio_nowait {
	NOWAIT_OFF,
	NOWAIT_ON,
	NOWAIT_FALLBACK
};

struct kaio_options {
	struct thread_data *td; /* set by fio; must come first */
	unsigned reap;		/* enum queue_reap */
	char *spin; /* as given; spin_ns and spin_auto are its meaning */
	uint64_t spin_ns;
	unsigned spin_auto;
	unsigned adaptive;     /* submit=adaptive */
	unsigned stamp_before; /* stamp=before */
	char *stuck;	       /* as given; stuck_ns is its meaning, 0: off */
	uint64_t stuck_ns;
	unsigned nowait; /* enum kaio_nowait */
	unsigned uncached;
	unsigned dsync;
	unsigned vectored;
	unsigned stats;
	unsigned due_stats;
	unsigned lat_windows;
	char *stats_file;
	char *ack_log;
	glue_cmdprio_options cmdprio_options;
};

/* Ends with an entry without a name.  fio writes into it while it parses. */
extern struct fio_option kaio_option_table[];

#endif /* KAIO_OPTIONS_H */
