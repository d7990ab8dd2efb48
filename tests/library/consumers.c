// SPDX-License-Identifier: GPL-2.0-only
/*
 * consumers EVENTS CONSUMERS SUBMITTERS: threads that take completions from
 * one context in every way that the library has, while others submit and
 * others make and destroy contexts.  Each event must come exactly once.
 * Prints one line of "name number" pairs; exits with 1 if an event was lost,
 * came twice or was wrong, with 3 if nothing moves any more.
 *
 * The kernel's waiters may each hold min_nr - 1 events in their hands, so
 * LIMIT is more than 8 * (MOST - 1) + MOST, and less than the ring's slots.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "libaio.h"
#include "report.h"
#include "seam.h"

#define LIMIT 300
#define MOST 16	 /* the largest min_nr */
#define BATCH 64 /* the largest nr */
#define CHURNERS 3
#define STUCK 60 /* seconds */
#define KERNEL_POINTER ((void *)-4096L)

#define ADD(counter, n) __atomic_fetch_add(&(counter), n, __ATOMIC_RELAXED)
#define GET(counter) __atomic_load_n(&(counter), __ATOMIC_ACQUIRE)

static io_context_t ctx;
static long total, submitted, taken, in_flight, wrong;
static long from_ring, from_kernel, ring_calls, kernel_calls, refused, churned;
static int done, ready_fd, later_fd, file_fd;
static unsigned char *seen; /* by sequence number */
static _Thread_local long entered;

static long seam(long number, long *a)
{
	entered += number == SYS_io_getevents || number == SYS_io_pgetevents;
	return seam_pass(number, a);
}

static unsigned dice(unsigned *seed, unsigned sides)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % sides;
}

/*
 * Where the library was compiled with -finstrument-functions, its threads now
 * and then lose their processor between two functions: in the gate's gaps.
 */
void __cyg_profile_func_enter(void *function, void *site);
void __cyg_profile_func_exit(void *function, void *site);

void __cyg_profile_func_enter(void *function, void *site)
{
	static _Thread_local unsigned seed;

	(void)function, (void)site;
	if (!seed)
		seed = (unsigned)syscall(SYS_gettid);
	if (!dice(&seed, 20))
		sched_yield();
}

void __cyg_profile_func_exit(void *function, void *site)
{
	__cyg_profile_func_enter(function, site);
}

static void fail(const char *what, long number)
{
	printf("%s %ld\n", what, number);
	fflush(stdout);
	ADD(wrong, 1);
}

/* --- who submits --- */

/* Most complete at once; a poll of later_fd when the ticker writes. */
static void prepare(struct iocb *iocb, long number, unsigned *seed)
{
	static char byte;
	unsigned kind = dice(seed, 100);

	if (kind < 20)
		io_prep_pread(iocb, file_fd, &byte, 1, 0);
	else
		io_prep_poll(iocb, kind < 35 ? later_fd : ready_fd, POLLIN);
	iocb->data = (void *)number;
}

/* The kernel has its own copy of each iocb when this returns. */
static void submit_all(struct iocb *iocbs, long n)
{
	struct iocb *list[MOST];
	int ret;

	for (long i = 0; i < n; i++)
		list[i] = &iocbs[i];
	for (long next = 0; next<n; next += ret> 0 ? ret : 0) {
		ret = io_submit(ctx, n - next, list + next);
		if (ret == -EAGAIN)
			sched_yield();
		else if (ret <= 0)
			fail("io_submit", ret), exit(1);
	}
}

static void *submitter(void *seed_of)
{
	unsigned seed = (unsigned)(uintptr_t)seed_of;
	struct iocb iocbs[MOST];

	for (;;) {
		long n = 1 + dice(&seed, MOST), first;

		while (GET(in_flight) > LIMIT - MOST * 4)
			sched_yield();
		first = ADD(submitted, n);
		if (first >= total)
			return NULL;
		if (n > total - first)
			n = total - first;
		ADD(in_flight, n);
		for (long i = 0; i < n; i++)
			prepare(&iocbs[i], first + i, &seed);
		submit_all(iocbs, n);
	}
}

/* Make later_fd readable for an instant, again and again. */
static void *ticker(void *unused)
{
	struct timespec nap = {0, 30000};
	uint64_t one = 1;

	while (!GET(done)) {
		MUST(write(later_fd, &one, 8) == 8);
		nanosleep(&nap, NULL);
		MUST(read(later_fd, &one, 8) == 8);
	}
	return unused;
}

/* --- who takes --- */

static void count(const struct io_event *event)
{
	uintptr_t number = (uintptr_t)event->data;

	if (number == (uintptr_t)-1) /* of nudge() */
		return;
	if (number >= (uintptr_t)total || (long)event->res != 1)
		fail("garbage", (long)event->res);
	else if (__atomic_exchange_n(&seen[number], 1, __ATOMIC_RELAXED))
		fail("twice", (long)number);
	ADD(in_flight, -1);
	ADD(taken, 1);
}

static struct timespec *some_timeout(struct timespec *timeout, unsigned *seed)
{
	static const long longest[] = {1, 100000, 5000000};
	unsigned kind = dice(seed, 8);

	timeout->tv_sec = 0;
	timeout->tv_nsec =
		kind < 3 ? 0 : dice(seed, (unsigned)longest[kind % 3]) + 1;
	return kind == 7 ? NULL : timeout;
}

/* Half of the time nobody waits, so that the ring has readers, too. */
static int some_call(struct io_event *events, unsigned *seed)
{
	struct timespec timeout = {0, 0}, *wait = &timeout;
	unsigned min_nr = dice(seed, 2), kind = dice(seed, 100);
	unsigned nr = min_nr + dice(seed, BATCH - MOST);
	sigset_t none;
	int got;

	if (GET(taken) >> 12 & 1) {
		min_nr = dice(seed, MOST + 1);
		nr = min_nr + dice(seed, BATCH - MOST);
		wait = some_timeout(&timeout, seed);
	}
	sigemptyset(&none);
	if (kind < 4)
		return io_pgetevents(ctx, min_nr, nr, events, wait, &none);
	if (kind < 6)
		return io_getevents(ctx, min_nr, nr, events, KERNEL_POINTER);
	if (kind < 8)
		return io_getevents(ctx, 0, nr, KERNEL_POINTER, &timeout);
	got = io_getevents(ctx, min_nr, nr, events, wait);
	if (!wait && got < (int)min_nr)
		fail("too few for a call without a timeout", got);
	return got;
}

static void *consumer(void *seed_of)
{
	unsigned seed = (unsigned)(uintptr_t)seed_of;
	struct io_event events[BATCH];

	while (!GET(done)) {
		int got;

		entered = 0;
		got = some_call(events, &seed);
		if (got < 0 && got != -EFAULT)
			fail("io_getevents", got);
		for (int i = 0; i < got; i++)
			count(&events[i]);
		if (got > 0)
			ADD(*(entered ? &from_kernel : &from_ring), got);
		ADD(*(entered ? &kernel_calls : &ring_calls), 1);
		ADD(refused, got < 0);
		if (!got)
			sched_yield();
	}
	return NULL;
}

/* --- contexts that come and go --- */

static struct {
	io_context_t now; /* or the last one */
	long taken;
} place[CHURNERS];

/* An event of any context, as an address may have got a new one. */
static int take_one(unsigned which, long min_nr)
{
	struct timespec timeout = {0, 200000};
	struct io_event event;
	int got = io_getevents(GET(place[which].now), min_nr, 1, &event,
			       min_nr ? &timeout : &(struct timespec){0, 0});

	if (got == 1)
		ADD(place[(uintptr_t)event.data].taken, 1);
	return got;
}

static void *churner(void *number)
{
	unsigned which = (unsigned)(uintptr_t)number;
	struct iocb iocb, *list[] = {&iocb};

	for (long wanted = 1; !GET(done); wanted += MOST) {
		io_context_t mine = NULL;

		MUST(!io_setup(MOST, &mine));
		__atomic_store_n(&place[which].now, mine, __ATOMIC_RELEASE);
		io_prep_poll(&iocb, ready_fd, POLLIN);
		iocb.data = number;
		for (int i = 0; i < MOST; i++)
			MUST(io_submit(mine, 1, list) == 1);
		while (GET(place[which].taken) < wanted + MOST - 1)
			take_one(which, 0);
		MUST(!io_destroy(mine));
		ADD(churned, 1);
	}
	return NULL;
}

/* Calls with contexts that may be gone, or become another, under it. */
static void *late_caller(void *seed_of)
{
	unsigned seed = (unsigned)(uintptr_t)seed_of;

	while (!GET(done)) {
		int got = take_one(dice(&seed, CHURNERS), dice(&seed, 2));

		if (got < 0 && got != -EINVAL)
			fail("late io_getevents", got);
		if (got < 1)
			sched_yield();
	}
	return NULL;
}

/* --- all of them --- */

static pthread_t start(void *(*thread)(void *), unsigned seed)
{
	pthread_t id;

	MUST(!pthread_create(&id, NULL, thread, (void *)(uintptr_t)seed));
	return id;
}

/* An event that is none of those that count; the ring may be full of them. */
static void nudge(void)
{
	struct iocb iocb, *list[] = {&iocb};

	io_prep_poll(&iocb, ready_fd, POLLIN);
	iocb.data = (void *)-1L;
	if (io_submit(ctx, 1, list) != 1)
		sched_yield();
}

/*
 * Until all have come; no progress for STUCK seconds is a hang.  The last ones
 * may be in the hands of waiters who want more than there will be.
 */
static void watch(void)
{
	struct timespec nap = {0, 20000000};
	long last = -1, idle = 0;

	while (GET(taken) < total && !GET(wrong)) {
		idle = GET(taken) == last ? idle + 1 : 0;
		last = GET(taken);
		if (idle > STUCK * 50) {
			fail("stuck at", last);
			_exit(3);
		}
		for (int i = 0; idle && GET(submitted) >= total && i < MOST;
		     i++)
			nudge();
		nanosleep(&nap, NULL);
	}
	if (GET(wrong))
		_exit(1);
	__atomic_store_n(&done, 1, __ATOMIC_RELEASE);
}

/* Those who wait for min_nr events without a timeout. */
static void wake_everybody(pthread_t *ids, int n)
{
	for (int i = 0; i < n;)
		if (!pthread_tryjoin_np(ids[i], NULL))
			i++;
		else
			nudge();
}

static void set_up(char **argv)
{
	struct sigaction no_action = {.sa_handler = SIG_DFL};

	sigaction(SIGALRM, &no_action, NULL);
	alarm(800); /* whatever else goes wrong */
	total = atol(argv[1]);
	seen = calloc((size_t)total, 1);
	ready_fd = eventfd(1, 0);
	later_fd = eventfd(0, 0);
	file_fd = memfd_create("consumers", 0);
	MUST(seen && ready_fd >= 0 && later_fd >= 0);
	MUST(file_fd >= 0 && write(file_fd, "x", 1) == 1);
	MUST(!io_setup(LIMIT * 2, &ctx));
}

int main(int argc, char **argv)
{
	pthread_t takers[16], others[32];
	int n = 0, consumers, submitters;

	MUST(argc == 4);
	consumers = atoi(argv[2]);
	submitters = atoi(argv[3]);
	set_up(argv);
	for (int i = 0; i < consumers; i++)
		takers[i] = start(consumer, 1000u + (unsigned)i);
	others[n++] = start(ticker, 0);
	for (unsigned i = 0; i < CHURNERS; i++)
		others[n++] = start(churner, i);
	others[n++] = start(late_caller, 77);
	for (int i = 0; i < submitters; i++)
		others[n++] = start(submitter, 2000u + (unsigned)i);
	watch();
	wake_everybody(takers, consumers);
	for (int i = 0; i < n; i++)
		MUST(!pthread_join(others[i], NULL));
	for (long i = 0; i < total; i++)
		if (!seen[i])
			fail("lost", i);
	printf("events %ld ring_events %ld kernel_events %ld ring_calls %ld "
	       "kernel_calls %ld refused %ld churned %ld\n",
	       taken, from_ring, from_kernel, ring_calls, kernel_calls, refused,
	       churned);
	return wrong ? 1 : 0;
}
