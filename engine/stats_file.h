/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file that the statistics are appended to (stats_file=).  No fio types.
 * Any thread.
 */
#ifndef KAIO_STATS_FILE_H
#define KAIO_STATS_FILE_H

/*
 * A descriptor of the file at path, which is made if it is not there; flags: as
 * of open(2), how to write it.  No
 * symbolic link is followed, not even to a folder on the way, and no block
 * device is opened.
 * >= 0, or -errno, which stats_file_error() explains.
 */
int stats_file_open(const char *path, int flags);

/* Append text, in one write, so that jobs do not mix.  0 or -errno, as above.
 */
int stats_file_append(int fd, const char *text);
const char *stats_file_error(int err);

#endif /* KAIO_STATS_FILE_H */
