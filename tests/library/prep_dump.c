// SPDX-License-Identifier: GPL-2.0-only
/*
 * Print, as hexadecimal bytes, the iocb that each inline helper builds, over
 * memory that was not zero before.  Compiled once against each header.
 */
#include <libaio.h>
#include <stdint.h>
#include <stdio.h>

#define FD 0x01020304
#define BUFFER ((void *)(uintptr_t)0x1112131415161718)
#define COUNT ((size_t)0x2122232425262728)
#define OFFSET 0x3132333435363738LL
#define FLAGS 0x41424344
#define EVENTS 0x5152
#define NR 0x61

int io_submit(io_context_t ctx, long nr, struct iocb *ios[]);

static struct iocb iocb;

/* Stands for the library's, to see what io_fsync() and the like submit. */
int io_submit(io_context_t ctx, long nr, struct iocb *ios[])
{
	return ctx == BUFFER && nr == 1 && ios[0] == &iocb ? 77 : -1;
}

static void show(const char *name)
{
	unsigned char bytes[sizeof(iocb)];

	memcpy(bytes, &iocb, sizeof(bytes));
	printf("%s ", name);
	for (size_t i = 0; i < sizeof(bytes); i++)
		printf("%02x", bytes[i]);
	printf("\n");
	memset(&iocb, 0xa5, sizeof(iocb));
}

#define SHOW(name, ...) \
	do { \
		name(&iocb, __VA_ARGS__); \
		show(#name); \
	} while (0)

#define SHOW_SUBMIT(name, ...) \
	do { \
		if (name(BUFFER, &iocb, (io_callback_t)COUNT, __VA_ARGS__) != \
		    77) \
			return 1; \
		show(#name); \
	} while (0)

int main(void)
{
	const struct iovec *iov = BUFFER;

	memset(&iocb, 0xa5, sizeof(iocb));
	SHOW(io_prep_pread, FD, BUFFER, COUNT, OFFSET);
	SHOW(io_prep_pwrite, FD, BUFFER, COUNT, OFFSET);
	SHOW(io_prep_preadv, FD, iov, NR, OFFSET);
	SHOW(io_prep_pwritev, FD, iov, NR, OFFSET);
	SHOW(io_prep_preadv2, FD, iov, NR, OFFSET, FLAGS);
	SHOW(io_prep_pwritev2, FD, iov, NR, OFFSET, FLAGS);
	SHOW(io_prep_poll, FD, EVENTS);
	SHOW(io_prep_fsync, FD);
	SHOW(io_prep_fdsync, FD);
	SHOW_SUBMIT(io_poll, FD, EVENTS);
	SHOW_SUBMIT(io_fsync, FD);
	SHOW_SUBMIT(io_fdsync, FD);
	/* The last two change some members and leave the others. */
	io_prep_pread(&iocb, FD, BUFFER, COUNT, OFFSET);
	iocb.u.c.flags = 2;
	SHOW(io_set_eventfd, 9);
	io_prep_fsync(&iocb, FD);
	SHOW(io_set_callback, (io_callback_t)BUFFER);
	return 0;
}
