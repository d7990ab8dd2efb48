// SPDX-License-Identifier: GPL-2.0-only
/*
 * For each FILE that is given: what io_probe() says of it, opened plainly and
 * with O_DIRECT, a line of "FILE buffered|direct READ_FLAGS WRITE_FLAGS" (in
 * hex), or "FILE direct ERRNO" if it cannot be opened so; and "FILE atomic
 * RESULT" of a direct write of its first 4096 bytes with RWF_ATOMIC.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
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

#define BLOCK 4096
#define ATOMIC 0x40

static int write_atomic(const char *path)
{
	static alignas(BLOCK) char block[BLOCK];
	int fd = open(path, O_RDWR | O_DIRECT);
	struct iocb iocb, *one = &iocb;
	struct io_event event;
	io_context_t ctx = NULL;
	long res;

	if (fd < 0)
		return printf("%s atomic %d\n", path, -errno) < 0;
	io_prep_pwrite(&iocb, fd, block, BLOCK, 0);
	iocb.aio_rw_flags = ATOMIC;
	if (io_setup(1, &ctx))
		return 1;
	res = io_submit(ctx, 1, &one);
	if (res == 1)
		res = io_getevents(ctx, 1, 1, &event, NULL) == 1
			      ? (long)event.res
			      : 0;
	printf("%s atomic %ld\n", path, res);
	return io_destroy(ctx) || close(fd);
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		failed |= ask(argv[i], "buffered", 0);
		failed |= ask(argv[i], "direct", O_DIRECT);
		failed |= write_atomic(argv[i]);
	}
	return failed;
}
