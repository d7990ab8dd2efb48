// SPDX-License-Identifier: GPL-2.0-only
/*
 * One call of each function of libaio_ext.h, as a C and as a C++ program: the
 * unit tests say what they do, this shows that a user can have them.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <libaio_ext.h>

/* By io_getevents(): where restartable sequences are. */
#if defined(__GLIBC__) && defined(__x86_64__) && defined(__LP64__)
#define RINGS_ARE_READ __GLIBC_PREREQ(2, 35)
#else
#define RINGS_ARE_READ 0
#endif

int main(void)
{
	io_context_t ctx = NULL;
	struct iocb iocb, *list[] = {&iocb};
	struct io_event event;
	struct io_limits limits;
	struct io_probe probe;
	struct timespec now = {0, 0};
	char text[300];

	if (io_ring_usable(NULL) || io_limits(&limits) || !limits.aio_max_nr)
		return 1;
	if (io_limits_holders(NULL, 0, NULL) < 0)
		return 12;
	if (io_setup_explain(-22, 7, text, sizeof(text)) != (int)strlen(text))
		return 2;
	if (io_setup(4, &ctx) || !io_ring_usable(ctx))
		return 3;
	io_prep_poll(&iocb, STDOUT_FILENO, 4 /* POLLOUT */);
	if (io_ring_reap(ctx, 1, &event) || io_submit(ctx, 1, list) != 1)
		return 4;
	while (!io_ring_ready(ctx))
		;
	if (io_ring_reap(ctx, 1, &event) != 1 || event.obj != &iocb)
		return 5;
	if (io_wait(ctx, 1, 1, &event, &now, 1000) || io_ring_ready(ctx))
		return 6;
	if (io_submit(ctx, 1, list) != 1 ||
	    io_wait(ctx, 1, 1, &event, NULL, 1000) != 1 || event.obj != &iocb)
		return 7;
	if (io_wait_kernel(ctx, 0, 1, &event, NULL))
		return 11;
	if (io_probe(-1, &probe) || !(probe.opcodes & 1u << IO_CMD_PREAD))
		return 8;
	if (io_ring_disable(ctx) != RINGS_ARE_READ || io_ring_disable(ctx) != 0)
		return 9;
	if (io_probe_on(ctx, -1, &probe) != -9 /* EBADF */)
		return 10;
	puts(text);
	return io_destroy(ctx);
}
