// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the calls do when they work, on a file given as the argument: each line
 * is a case, its result and errno after it.  Results are chosen so that they
 * do not depend on the machine: counts, bytes, or 1 for "as expected".
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "libaio.h"
#include "report.h"

static struct timespec now = {0, 0}, soon = {0, 30000000}, late = {10, 0};
static struct io_event events[4];
static io_context_t ctx;

static long milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A descriptor that is readable in ms milliseconds, and not before. */
static int timer(int ms)
{
	struct itimerspec when = {.it_value = {0, ms * 1000000L}};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

	MUST(fd >= 0 && !timerfd_settime(fd, 0, &when, NULL));
	return fd;
}

/* The result of one request, which is submitted and waited for. */
static long one(struct iocb *iocb)
{
	int ret = io_submit(ctx, 1, &iocb);

	if (ret != 1)
		return ret;
	ret = io_getevents(ctx, 1, 1, events, &late);
	if (ret != 1)
		return ret < 0 ? ret : -ETIME;
	MUST(events[0].obj == iocb && events[0].data == iocb->data);
	return (long)events[0].res;
}

static void partial_cases(int fd)
{
	char byte;
	struct iocb good, bad, *good_bad[] = {&good, &bad};
	struct iocb *bad_good[] = {&bad, &good}, *goods[] = {&good, &good};

	io_prep_pread(&good, fd, &byte, 1, 0);
	io_prep_pread(&bad, -1, &byte, 1, 0);
	REPORT("submit-good-bad", io_submit(ctx, 2, good_bad));
	REPORT("its-event", io_getevents(ctx, 1, 4, events, &late));
	REPORT("submit-bad-good", io_submit(ctx, 2, bad_good));
	REPORT("no-event", io_getevents(ctx, 1, 4, events, &soon));
	REPORT("submit-two", io_submit(ctx, 2, goods));
	REPORT("two-events", io_getevents(ctx, 2, 4, events, &late));
}

static void transfer_cases(int fd)
{
	char out[] = "0123456789", in[16] = "";
	struct iovec vec[2] = {{in, 2}, {in + 2, 14}};
	struct iovec outvec[2] = {{out + 4, 3}, {out, 1}};
	struct iocb iocb;

	io_prep_pwrite(&iocb, fd, out, 10, 0);
	iocb.data = in;
	REPORT("pwrite", one(&iocb));
	io_prep_pread(&iocb, fd, in, 4, 3);
	REPORT("pread", one(&iocb));
	REPORT("pread-data", memcmp(in, "3456", 5));
	io_prep_pread(&iocb, fd, in, 16, 8);
	REPORT("pread-short", one(&iocb));
	io_prep_pread(&iocb, fd, in, 16, 10);
	REPORT("pread-end", one(&iocb));
	io_prep_preadv(&iocb, fd, vec, 2, 1);
	REPORT("preadv", one(&iocb));
	REPORT("preadv-data", memcmp(in, "123456789", 9));
	io_prep_pwritev(&iocb, fd, outvec, 2, 9);
	REPORT("pwritev", one(&iocb));
	io_prep_pread(&iocb, fd, in, 16, 0);
	REPORT("pwritev-size", one(&iocb));
	REPORT("pwritev-data", memcmp(in, "0123456784560", 13));
	io_prep_pread(&iocb, fd, NULL, 16, 0);
	REPORT("pread-null", one(&iocb));
}

static void flag_cases(int fd)
{
	char in[32];
	long direct;
	struct iovec vec = {in, 5}, tail = {(char[]){"tail"}, 4};
	struct iocb iocb;

	io_prep_preadv2(&iocb, fd, &vec, 1, 0, 0);
	REPORT("preadv2", one(&iocb));
	io_prep_preadv2(&iocb, fd, &vec, 1, 0, RWF_NOWAIT);
	/* Not every file system can; the kernel's answer is what counts. */
	direct = preadv2(fd, &vec, 1, 0, RWF_NOWAIT);
	direct = direct < 0 ? -errno : direct;
	REPORT("preadv2-nowait", one(&iocb) == direct);
	io_prep_preadv2(&iocb, fd, &vec, 1, 0, 0x40000000);
	REPORT("preadv2-unknown-flag", one(&iocb));
	io_prep_pwritev2(&iocb, fd, &tail, 1, 0, RWF_APPEND);
	REPORT("pwritev2-append", one(&iocb));
	io_prep_pwritev2(&iocb, fd, &tail, 1, 0, RWF_DSYNC);
	REPORT("pwritev2-dsync", one(&iocb));
	io_prep_pread(&iocb, fd, in, 32, 0);
	REPORT("pwritev2-size", one(&iocb));
	REPORT("pwritev2-data", memcmp(in, "tail456784560tail", 17));
}

static void eventfd_cases(int fd)
{
	int efd = eventfd(0, EFD_NONBLOCK);
	char byte;
	uint64_t count = 0;
	struct iocb iocb, *two[] = {&iocb, &iocb};

	io_prep_pread(&iocb, fd, &byte, 1, 0);
	io_set_eventfd(&iocb, efd);
	REPORT("eventfd-submit", io_submit(ctx, 2, two));
	REPORT("eventfd-events", io_getevents(ctx, 2, 4, events, &late));
	REPORT("eventfd-read", read(efd, &count, 8));
	REPORT("eventfd-count", (long)count);
}

static struct iocb asked[3];
static int called;

static void on_event(io_context_t which, struct iocb *iocb, long res, long res2)
{
	MUST(which == ctx && res2 == 0);
	REPORT(iocb == &asked[0]   ? "callback-of-fsync"
	       : iocb == &asked[1] ? "callback-of-fdsync"
				   : "callback-of-poll",
	       res);
	called++;
}

static void count_event(io_context_t which, struct iocb *iocb, long res,
			long res2)
{
	(void)which, (void)iocb, (void)res, (void)res2;
	called++;
}

/* What is ready when it is polled has completed when io_submit() returns. */
static void callback_of_each(int ready)
{
	called = 0;
	for (int i = 0; i < 3; i++)
		MUST(io_poll(ctx, &asked[i], count_event, ready, POLLIN) == 1);
	REPORT("queue-run-three", io_queue_run(ctx));
	REPORT("three-callbacks", called);
}

/* io_queue_run() must not block, so it is asked until all have come. */
static void callback_cases(int fd)
{
	int pipefd[2], ret = 0;
	long end = milliseconds() + 10000;

	MUST(!pipe(pipefd) && write(pipefd[1], "x", 1) == 1);
	REPORT("queue-run-empty", io_queue_run(ctx));
	REPORT("fsync", io_fsync(ctx, &asked[0], on_event, fd));
	while (called < 1 && milliseconds() < end)
		ret |= io_queue_run(ctx);
	REPORT("fdsync", io_fdsync(ctx, &asked[1], on_event, fd));
	while (called < 2 && milliseconds() < end)
		ret |= io_queue_run(ctx);
	REPORT("poll", io_poll(ctx, &asked[2], on_event, pipefd[0], POLLIN));
	while (called < 3 && milliseconds() < end)
		ret |= io_queue_run(ctx);
	REPORT("queue-run", ret);
	REPORT("callbacks", called);
	callback_of_each(pipefd[0]);
}

/* The kernel does not wait for min_nr = 0, so this call never blocks. */
static void wait_cases(void)
{
	long start = milliseconds();

	REPORT("queue-wait-empty", io_queue_wait(ctx, &late));
	REPORT("queue-wait-forever", io_queue_wait(ctx, NULL));
	REPORT("queue-wait-is-short", milliseconds() - start < 5000);
	start = milliseconds();
	REPORT("get-timeout", io_getevents(ctx, 1, 1, events, &soon));
	REPORT("get-timeout-waits", milliseconds() - start >= 29);
}

static void cancel_cases(void)
{
	int fd = timer(900);
	struct iocb iocb, *list[] = {&iocb};

	io_prep_poll(&iocb, fd, POLLIN);
	MUST(io_submit(ctx, 1, list) == 1);
	REPORT("get-nothing-yet", io_getevents(ctx, 0, 1, events, &now));
	REPORT("cancel-poll", io_cancel(ctx, &iocb, events));
	REPORT("cancelled-event", io_getevents(ctx, 1, 1, events, &late));
	REPORT("cancelled-object", events[0].obj == &iocb);
	REPORT("cancelled-result", (long)events[0].res);
	REPORT("cancel-again", io_cancel(ctx, &iocb, events));
}

static void poll_cases(void)
{
	long start = milliseconds();
	struct iocb iocb;

	io_prep_poll(&iocb, timer(60), POLLIN | POLLOUT);
	REPORT("poll-timer", one(&iocb) == POLLIN);
	REPORT("poll-timer-waits", milliseconds() - start >= 59);
}

int main(int argc, char **argv)
{
	int fd = open(argv[argc - 1], O_RDWR | O_CREAT | O_TRUNC, 0600);

	MUST(argc == 2 && fd >= 0);
	REPORT("setup", io_setup(16, &ctx));
	MUST(ctx);
	transfer_cases(fd);
	flag_cases(fd);
	partial_cases(fd);
	eventfd_cases(fd);
	callback_cases(fd);
	wait_cases();
	cancel_cases();
	poll_cases();
	REPORT("destroy", io_destroy(ctx));
	return 0;
}
