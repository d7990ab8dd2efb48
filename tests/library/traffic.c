// SPDX-License-Identifier: GPL-2.0-only
/*
 * A known list of calls, for the tests of what is not seen from inside: which
 * of them enter the kernel, and what the trace points say.  One line each:
 * submit, reap (from the ring), enter (the kernel), none (neither was due),
 * then the arguments and the result.  Buffered reads of a file in memory have
 * completed when io_submit() returns.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "libaio.h"
#include "report.h"

static io_context_t ctx;
static struct timespec now = {0, 0}, soon = {0, 1000000};

static void submit(long nr, int fd)
{
	static char byte;
	struct iocb iocb, *list[16];

	io_prep_pread(&iocb, fd, &byte, 1, 0);
	for (int i = 0; i < 16; i++)
		list[i] = &iocb;
	printf("submit %p %ld %d\n", (void *)ctx, nr, io_submit(ctx, nr, list));
}

static void get(const char *what, long min_nr, long nr,
		struct timespec *timeout)
{
	struct io_event events[16];

	printf("%s %p %ld %ld %d\n", what, (void *)ctx, min_nr, nr,
	       io_getevents(ctx, min_nr, nr, events, timeout));
}

/* With a mask the kernel is entered, whatever waits. */
static void get_masked(long min_nr, long nr)
{
	struct io_event events[16];
	sigset_t none;

	sigemptyset(&none);
	printf("enter %p %ld %ld %d\n", (void *)ctx, min_nr, nr,
	       io_pgetevents(ctx, min_nr, nr, events, NULL, &none));
}

int main(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	MUST(fd >= 0 && io_setup(16, &ctx) == 0);
	submit(1, fd);
	get("reap", 1, 1, NULL);
	submit(16, fd);
	get("reap", 2, 5, &soon);
	get("reap", 0, 7, NULL);
	get("reap", 9, 16, &now);
	get("none", 1, 16, &now);
	submit(2, fd);
	get("enter", 3, 16, &soon);
	submit(3, fd);
	get_masked(2, 2);
	get("reap", 1, 16, NULL);
	submit(-1, fd);
	get("enter", 2, 1, NULL);
	for (int i = 0; i < 100; i++) {
		submit(4, fd);
		get("reap", 1, 3, NULL);
		get("reap", 1, 3, NULL);
	}
	return io_destroy(ctx);
}
