// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wrong arguments, to the library and straight to the kernel.  Each line: the
 * case, the library's result, errno after it, the system call's -errno.
 * "errors wild" adds contexts that are no contexts: libaio reads memory there.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "libaio.h"
#include "report.h"

#define CASE(name, call, ...) \
	do { \
		long lib_, raw_; \
		int left_; \
\
		errno = ERRNO; \
		lib_ = io_##call(__VA_ARGS__); \
		left_ = errno; \
		raw_ = syscall(SYS_io_##call, __VA_ARGS__); \
		printf("%s %ld %d %ld\n", name, lib_, left_, \
		       raw_ < 0 ? -(long)errno : raw_); \
		fflush(stdout); \
	} while (0)

#define NOWHERE ((void *)0x1000)
#define NO_CTX ((io_context_t)NULL)
#define WILD_CTX ((io_context_t)NOWHERE)

static struct timespec now = {0, 0}, soon = {0, 1000000};
static struct io_event events[4];

static io_context_t context(void)
{
	io_context_t ctx = NULL;

	MUST(io_setup(4, &ctx) == 0);
	return ctx;
}

static void setup_cases(void)
{
	io_context_t used = context(), ctx = NULL;

	CASE("setup-zero", setup, 0, &ctx);
	CASE("setup-negative", setup, -1, &ctx);
	CASE("setup-int-max", setup, INT_MAX, &ctx);
	CASE("setup-used-pointer", setup, 1, &used);
	CASE("setup-null-pointer", setup, 1, NULL);
	CASE("setup-bad-pointer", setup, 1, (io_context_t *)NOWHERE);
	MUST(ctx == NULL);
	MUST(io_destroy(used) == 0);
}

static void submit_cases(io_context_t ctx, int fd)
{
	char byte = 0;
	struct iocb read, wrong, pad;
	struct iocb *one[] = {&read}, *bad[] = {&wrong}, *nil[] = {NULL};
	struct iocb *padded[] = {&pad};

	io_prep_pread(&read, fd, &byte, 1, 0);
	wrong = pad = read;
	wrong.aio_lio_opcode = 99;
	pad.u.c.__pad3 = 1;
	CASE("submit-none", submit, ctx, 0L, one);
	CASE("submit-negative", submit, ctx, -1L, one);
	CASE("submit-null-list", submit, ctx, 1L, NULL);
	CASE("submit-null-iocb", submit, ctx, 1L, nil);
	CASE("submit-null-ctx", submit, NO_CTX, 1L, one);
	CASE("submit-bad-opcode", submit, ctx, 1L, bad);
	CASE("submit-reserved", submit, ctx, 1L, padded);
	read.aio_fildes = -1;
	CASE("submit-bad-fd", submit, ctx, 1L, one);
	io_prep_pread(&read, fd, &byte, 1, -1);
	CASE("submit-bad-offset", submit, ctx, 1L, one);
	io_prep_pread(&read, fd, NOWHERE, (size_t)-1, 0);
	CASE("submit-bad-length", submit, ctx, 1L, one);
	io_prep_pread(&read, fd, &byte, 1, 0);
	io_set_eventfd(&read, -1);
	CASE("submit-bad-eventfd", submit, ctx, 1L, one);
}

static void cancel_cases(io_context_t ctx, int fd)
{
	char byte;
	struct iocb iocb;

	io_prep_pread(&iocb, fd, &byte, 1, 0);
	CASE("cancel-null-iocb", cancel, ctx, NULL, events);
	CASE("cancel-bad-iocb", cancel, ctx, NOWHERE, events);
	CASE("cancel-not-submitted", cancel, ctx, &iocb, events);
	CASE("cancel-null-ctx", cancel, NO_CTX, &iocb, events);
	CASE("cancel-null-event", cancel, ctx, &iocb, NULL);
}

/* now makes libaio answer from the ring alone: hence the word "empty". */
static void getevents_cases(io_context_t ctx)
{
	struct timespec late = {0, 2000000000}, past = {-1, 0};

	CASE("get-empty-negative", getevents, ctx, 0L, -1L, events, &now);
	CASE("get-empty-min-over", getevents, ctx, 3L, 2L, events, &now);
	CASE("get-empty-min-negative", getevents, ctx, -1L, 2L, events, &now);
	CASE("get-empty-null-events", getevents, ctx, 1L, 1L, NULL, &now);
	CASE("get-empty", getevents, ctx, 1L, 4L, events, &now);
	CASE("get-soon-negative", getevents, ctx, 0L, -1L, events, &soon);
	CASE("get-soon-min-over", getevents, ctx, 3L, 2L, events, &soon);
	CASE("get-soon-min-negative", getevents, ctx, -1L, 2L, events, &soon);
	CASE("get-soon-null-events", getevents, ctx, 1L, 1L, NULL, &soon);
	CASE("get-soon", getevents, ctx, 1L, 4L, events, &soon);
	CASE("get-min-zero", getevents, ctx, 0L, 4L, events, NULL);
	CASE("get-late", getevents, ctx, 0L, 4L, events, &late);
	CASE("get-past", getevents, ctx, 0L, 4L, events, &past);
	CASE("get-null-ctx", getevents, NO_CTX, 0L, 1L, events, &now);
	CASE("get-null-ctx-forever", getevents, NO_CTX, 0L, 1L, events, NULL);
}

/* Submit a read again and again, as each case takes its event or loses it. */
static void fault_cases(io_context_t ctx, int fd)
{
	char byte;
	struct iocb iocb, *one[] = {&iocb};

	io_prep_pread(&iocb, fd, &byte, 1, 0);
	MUST(io_submit(ctx, 1, one) == 1 && io_submit(ctx, 1, one) == 1);
	CASE("get-one-null-events", getevents, ctx, 1L, 1L, NULL, &soon);
	CASE("get-one-bad-events", getevents, ctx, 1L, 1L, NOWHERE, &soon);
	CASE("get-one-negative", getevents, ctx, 0L, -1L, events, &now);
	CASE("get-one-min-over", getevents, ctx, 2L, 1L, events, &now);
	CASE("get-one", getevents, ctx, 1L, 1L, events, &now);
}

static void destroy_cases(io_context_t stale, void *zeros)
{
	CASE("destroy-null", destroy, NO_CTX);
	CASE("destroy-wild", destroy, WILD_CTX);
	CASE("destroy-zeros", destroy, (io_context_t)zeros);
	CASE("destroy-stale", destroy, stale);
	CASE("submit-stale", submit, stale, 0L, NULL);
	CASE("submit-wild", submit, WILD_CTX, 0L, NULL);
	CASE("submit-zeros", submit, (io_context_t)zeros, 0L, NULL);
	CASE("cancel-wild", cancel, WILD_CTX, NULL, NULL);
	CASE("get-zeros", getevents, (io_context_t)zeros, 0L, 1L, events, &now);
	CASE("get-zeros-soon", getevents, (io_context_t)zeros, 1L, 1L, events,
	     &soon);
}

static void queue_cases(void *zeros)
{
	io_context_t ctx = WILD_CTX;

	REPORT("queue-init-zero", io_queue_init(0, &ctx));
	REPORT("queue-init-negative", io_queue_init(-1, &ctx));
	REPORT("queue-init-leaves-pointer", ctx == WILD_CTX);
	REPORT("queue-init-int-max", io_queue_init(INT_MAX, &ctx));
	REPORT("queue-run-null", io_queue_run(NULL));
	REPORT("queue-run-zeros", io_queue_run(zeros));
	REPORT("queue-wait-null", io_queue_wait(NULL, &now));
	REPORT("queue-release-null", io_queue_release(NULL));
	REPORT("pgetevents-null", io_pgetevents(NULL, 0, 1, events, &now, 0));
	ctx = WILD_CTX; /* need not be cleared before io_queue_init() */
	REPORT("queue-init-dirty-pointer", io_queue_init(4, &ctx));
	REPORT("queue-release", io_queue_release(ctx));
}

/* An event whose data, where io_queue_run() looks for the callback, is NULL. */
static int run_without_callback(io_context_t ctx)
{
	struct iocb iocb, *one[] = {&iocb};
	char byte;

	io_prep_pread(&iocb, open("/proc/self/exe", O_RDONLY), &byte, 1, 0);
	MUST(io_submit(ctx, 1, one) == 1);
	MUST(io_getevents(ctx, 1, 1, events, NULL) == 1);
	MUST(io_submit(ctx, 1, one) == 1);
	nanosleep(&soon, NULL);
	return io_queue_run(ctx);
}

static void wild_case(const char *which, io_context_t stale)
{
	if (!strcmp(which, "get-wild"))
		CASE(which, getevents, WILD_CTX, 0L, 1L, events, &now);
	else if (!strcmp(which, "get-wild-forever"))
		CASE(which, getevents, WILD_CTX, 1L, 1L, events, NULL);
	else if (!strcmp(which, "get-stale"))
		CASE(which, getevents, stale, 0L, 1L, events, &now);
	else if (!strcmp(which, "get-bad-timeout"))
		CASE(which, getevents, context(), 0L, 1L, events, NOWHERE);
	else if (!strcmp(which, "queue-run-stale"))
		REPORT(which, io_queue_run(stale));
	else if (!strcmp(which, "queue-run-no-callback"))
		REPORT(which, run_without_callback(context()));
	else if (!strcmp(which, "pgetevents-wild"))
		REPORT(which, io_pgetevents(WILD_CTX, 0, 1, events, &now, 0));
}

int main(int argc, char **argv)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	void *zeros = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	io_context_t ctx = context(), stale = context();

	MUST(fd >= 0 && zeros != MAP_FAILED && io_destroy(stale) == 0);
	if (argc > 1) {
		wild_case(argv[1], stale);
		return 0;
	}
	setup_cases();
	submit_cases(ctx, fd);
	cancel_cases(ctx, fd);
	getevents_cases(ctx);
	fault_cases(ctx, fd);
	destroy_cases(stale, zeros);
	queue_cases(zeros);
	return 0;
}
