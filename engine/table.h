/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is the option table of the fio that runs the one of the source tree that the
 * engine was built from?  Its offsets are those of fio's struct thread_options.
 */
#ifndef KAIO_TABLE_H
#define KAIO_TABLE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * True if it is, as far as both have an option.  Else a clause in why[size]
 * says which is elsewhere, and which only one has.  Needs the symbol
 * fio_options.
 */
bool table_fits(char *why, size_t size);

/*
 * Which options only one of the two has, " and the option x ...", in why[size]:
 * what most likely made it unfit.  Nothing if there are none.  Only for a table
 * of the same size, in which table_fits() or layout.h found a difference.
 */
void table_names(char *why, size_t size);

#endif /* KAIO_TABLE_H */
