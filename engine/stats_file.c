// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of the statistics.  fio often runs as root and writes
 * where others may, such as /tmp: so no symbolic link is followed, anywhere in
 * the path, and a slip of the finger does not write to a disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stats_file.h"

/* A block device; no call on the way gives this one. */
#define IS_BLOCK_DEVICE EMEDIUMTYPE

/* The folder name in dir, or -errno. */
static int enter(int dir, const char *name)
{
	int fd = openat(dir, name,
			O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
	int err = errno;
	struct stat st;

	if (fd >= 0)
		return fd;
	if (err == ENOTDIR && !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) &&
	    S_ISLNK(st.st_mode))
		return -ELOOP;
	return -err;
}

/*
 * The folder of the file, or -errno; path is cut up, and *name its last part.
 * As openat2() with RESOLVE_NO_SYMLINKS, on every kernel.
 */
static int enter_all(char *path, char **name)
{
	int dir = open(*path == '/' ? "/" : ".",
		       O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *slash;

	if (dir < 0)
		return -errno;
	*name = path + strspn(path, "/");
	while ((slash = strchr(*name, '/'))) {
		int next;

		*slash = '\0';
		next = enter(dir, *name);
		close(dir);
		if (next < 0)
			return next;
		dir = next;
		*name = slash + 1 + strspn(slash + 1, "/");
	}
	if (!**name && *name != path)
		*name = "."; /* ends in a slash: a folder, as open() will say */
	return dir;
}

int stats_file_open(const char *path, int flags)
{
	char *parts = strdup(path), *name = NULL;
	int dir = parts ? enter_all(parts, &name) : -ENOMEM, fd = dir;
	struct stat st;

	if (dir >= 0) {
		fd = openat(dir, name,
			    flags | O_CREAT | O_NOFOLLOW | O_CLOEXEC |
				    O_NONBLOCK,
			    0644);
		fd = fd < 0 ? -errno : fd;
		close(dir);
	}
	free(parts);
	if (fd >= 0 && !fstat(fd, &st) && S_ISBLK(st.st_mode)) {
		close(fd);
		return -IS_BLOCK_DEVICE;
	}
	return fd;
}

int stats_file_append(int fd, const char *text)
{
	ssize_t size = (ssize_t)strlen(text), wrote;

	wrote = write(fd, text, (size_t)size);
	if (wrote != size)
		return wrote < 0 ? -errno : -ENOSPC;
	return 0;
}

const char *stats_file_error(int err)
{
	if (err == -ELOOP)
		return "a part of the path is a symbolic link, which is not "
		       "followed; give the path without links";
	if (err == -IS_BLOCK_DEVICE)
		return "it is a block device; name a file";
	return strerror(-err);
}
