// SPDX-License-Identifier: GPL-2.0-only
/*
 * The LIBAIO_0.1 forms of io_cancel, io_getevents and io_queue_wait, called as
 * a binary of 2002 does, which had no min_nr and no place for the event.
 */
#include <dlfcn.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "libaio.h"
#include "report.h"

static int (*old_getevents)(io_context_t, long, struct io_event *,
			    const struct timespec *);
static int (*old_cancel)(io_context_t, struct iocb *);
static int (*old_queue_wait)(io_context_t, const struct timespec *);

static struct io_event events[4];

static void *old(const char *name)
{
	void *symbol = dlvsym(RTLD_DEFAULT, name, "LIBAIO_0.1");

	MUST(symbol && symbol != dlsym(RTLD_DEFAULT, name));
	return symbol;
}

/* Submit a poll that completes in ms milliseconds. */
static void poll_timer(io_context_t ctx, struct iocb *iocb, int ms)
{
	struct itimerspec when = {.it_value = {0, ms * 1000000L}};
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);

	MUST(fd >= 0 && !timerfd_settime(fd, 0, &when, NULL));
	io_prep_poll(iocb, fd, POLLIN);
	MUST(io_submit(ctx, 1, &iocb) == 1);
}

static void getevents_cases(io_context_t ctx)
{
	const struct timespec late = {10, 0}, soon = {0, 1000000};
	struct iocb iocb;

	poll_timer(ctx, &iocb, 100);
	REPORT("timeout", old_getevents(ctx, 4, events, &soon));
	REPORT("waits-for-one", old_getevents(ctx, 4, events, &late));
	REPORT("object", events[0].obj == &iocb);
	poll_timer(ctx, &iocb, 50);
	REPORT("waits-for-ever", old_getevents(ctx, 4, events, NULL));
	REPORT("fewer-than-one", old_getevents(ctx, 0, events, &late));
	REPORT("no-context", old_getevents(NULL, 4, events, &late));
}

static void cancel_cases(io_context_t ctx)
{
	const struct timespec late = {10, 0};
	struct iocb iocb;

	poll_timer(ctx, &iocb, 900);
	REPORT("cancel", old_cancel(ctx, &iocb));
	REPORT("cancelled", old_getevents(ctx, 4, events, &late));
	REPORT("cancel-nothing", old_cancel(ctx, &iocb));
	REPORT("cancel-null", old_cancel(ctx, NULL));
}

int main(void)
{
	const struct timespec soon = {0, 1000000};
	io_context_t ctx = NULL;

	old_getevents = old("io_getevents");
	old_cancel = old("io_cancel");
	old_queue_wait = old("io_queue_wait");
	MUST(!io_setup(4, &ctx));
	getevents_cases(ctx);
	cancel_cases(ctx);
	REPORT("queue-wait", old_queue_wait(ctx, &soon));
	REPORT("queue-wait-null", old_queue_wait(NULL, NULL));
	return 0;
}
