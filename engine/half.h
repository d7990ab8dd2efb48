/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine's two halves.  What includes fio_glue.h is compiled for one fio,
 * and may be there several times, for a fio each, its symbols local to it; the
 * rest (pick.c, the queue, the library) knows no fio and is there once.  Each
 * of the former puts a pointer to its struct half into the section kaio_halves.
 */
#ifndef KAIO_HALF_H
#define KAIO_HALF_H

#include <stdbool.h>
#include <stddef.h>

struct ioengine_ops;

/* Room for what is different, with its zero. */
#define HALF_WHY 512

struct half {
	const char *version; /* as fio --version prints */
	struct ioengine_ops *ops;

	/*
	 * Before fio touches anything of ours: are the version, the option
	 * table, every symbol that we need, and the structures that fio's
	 * functions take, as compiled in?  Prints nothing.  After false, why
	 * is a clause such as " with the option x ..."; it is empty if already
	 * the version is another, or cannot be seen.
	 */
	bool (*fits)(char why[HALF_WHY]);

	/*
	 * One sentence on fio's error log, or on stderr where fio has none:
	 * that the engine was built for versions, which fio runs, why, and
	 * what to do.  several: versions is a list.
	 */
	void (*refuse)(const char *versions, bool several, const char *why);
};

#endif /* KAIO_HALF_H */
