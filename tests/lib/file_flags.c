// SPDX-License-Identifier: GPL-2.0-only
/*
 * For each FILE that is given: what io_probe() says of it, opened plainly and
 * with O_DIRECT, a line of "FILE buffered|direct READ_FLAGS WRITE_FLAGS" (in
 * hex), or "FILE direct ERRNO" if it cannot be opened so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "libaio_ext.h"

static int ask(const char *path, const char *how, int mode)
{
	int fd = open(path, O_RDWR | mode);
	struct io_probe probe;

	if (fd < 0)
		return printf("%s %s %d\n", path, how, errno) < 0;
	if (io_probe(fd, &probe))
		return 1;
	printf("%s %s %x %x\n", path, how, probe.read_flags, probe.write_flags);
	return close(fd);
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		failed |= ask(argv[i], "buffered", 0);
		failed |= ask(argv[i], "direct", O_DIRECT);
	}
	return failed;
}
