// SPDX-License-Identifier: GPL-2.0-only
/*
 * One call of each function of libaio_ext.h, as a C and as a C++ program: the
 * unit tests say what they do, this shows that a user can have them.
 */
#include <stdio.h>
#include <unistd.h>

#include <libaio_ext.h>

int main(void)
{
	io_context_t ctx = NULL;
	struct iocb iocb, *list[] = {&iocb};
	struct io_event event;
	struct io_limits limits;
	char text[300];

	if (io_ring_usable(NULL) || io_limits(&limits) || !limits.aio_max_nr)
		return 1;
	if (io_setup_explain(-22, 7, text, sizeof(text)) != (int)strlen(text))
		return 2;
	if (io_setup(4, &ctx) || !io_ring_usable(ctx))
		return 3;
	io_prep_poll(&iocb, STDOUT_FILENO, 4 /* POLLOUT */);
	if (io_ring_reap(ctx, 1, &event) || io_submit(ctx, 1, list) != 1)
		return 4;
	while (!io_ring_reap(ctx, 1, &event))
		;
	if (event.obj != &iocb || io_ring_reap(ctx, 1, &event))
		return 5;
	puts(text);
	return io_destroy(ctx);
}
