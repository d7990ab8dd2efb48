/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file that the statistics are appended to (stats_file=).  No fio types.
 * Any thread.
 */
#ifndef KAIO_STATS_FILE_H
#define KAIO_STATS_FILE_H

/*
 * Append text to the file at path, in one write, so that jobs do not mix.  No
 * symbolic link is followed, not even to a folder on the way, and no block
 * device is written.
 * 0 or -errno, which stats_file_error() explains.
 */
int stats_file_append(const char *text, const char *path);
const char *stats_file_error(int err);

#endif /* KAIO_STATS_FILE_H */
