// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two worlds of the fuzzer: their making, their state between inputs, and
 * the wrapper around syscall() that sees which calls the library makes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SEAM_WRAP
#include "seam.h"
#include "world.h"

#define PAGE 4096
#define STEP 32 /* requests at a time, to move a ring's head */
#define BACKGROUND 32

struct side sides[SIDES];
int is_open[SLOTS];
long pending[SLOTS];
__thread struct seen seen;

/* Contexts that shall end, each pair the job of a thread; NULL: no job. */
static struct job {
	io_context_t ctx[SIDES];
	sem_t there;
} jobs[BACKGROUND];

static long seam(long number, long *a)
{
	if (number == SYS_io_submit && !a[1] && !a[2])
		seen.asked++;
	else
		seen.calls++;
	seen.number = number;
	memcpy(seen.a, a, sizeof(seen.a));
	return seam_pass(number, a);
}

void fail(const char *what, long lib, long raw)
{
	fprintf(stderr, "fuzz_calls: %s: library %ld, kernel %ld\n", what, lib,
		raw);
	abort();
}

void must_be_equal(const char *what, long lib, long raw)
{
	if (lib != raw)
		fail(what, lib, raw);
}

static void must(int good, const char *what)
{
	if (!good)
		fail(what, -errno, 0);
}

long raw_result(long ret)
{
	return ret < 0 ? -(long)errno : ret;
}

long waiting(int side, int slot)
{
	const struct aioring *ring =
		(const struct aioring *)sides[side].ctx[slot];

	return ring ? aioring_waiting(ring, __atomic_load_n(&ring->head,
							    __ATOMIC_RELAXED))
		    : 0;
}

void settle_at(int slot, long count)
{
	struct timespec nap = {0, 20000};

	for (int turn = 0; turn < 100000; turn++) {
		if (waiting(LIB, slot) == count && waiting(RAW, slot) == count)
			return;
		if (turn > 100)
			nanosleep(&nap, NULL);
	}
	fail("events in the ring", waiting(LIB, slot), waiting(RAW, slot));
}

/* However events were read, the heads went the same way. */
void settle(void)
{
	for (int slot = 0; slot < SLOTS; slot++) {
		const struct aioring *lib = (void *)sides[LIB].ctx[slot];
		const struct aioring *raw = (void *)sides[RAW].ctx[slot];

		settle_at(slot, waiting(RAW, slot));
		if (lib)
			must_be_equal("head", lib->head, raw->head);
	}
}

/* The end of size bytes in front of a page that faults. */
static void *guarded(size_t size)
{
	size_t pages = (size + PAGE - 1) / PAGE * PAGE;
	char *mem = mmap(NULL, pages + PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(mem != MAP_FAILED && !mprotect(mem + pages, PAGE, PROT_NONE),
	     "memory");
	return mem + pages;
}

static void side_open(struct side *s)
{
	char path[64];

	s->fds[MEMORY] = memfd_create("fuzz", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fds[MEMORY]);
	s->fds[MEMORY_READ_ONLY] = open(path, O_RDONLY | O_CLOEXEC);
	must(!pipe2(&s->fds[READY], O_NONBLOCK | O_CLOEXEC) &&
		     !pipe2(&s->fds[IDLE], O_NONBLOCK | O_CLOEXEC),
	     "pipes");
	s->fds[EVENTFD] = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	s->fds[DIRECTORY] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->fds[CLOSED] = 100000;
	must(s->fds[MEMORY_READ_ONLY] >= 0 && s->fds[EVENTFD] >= 0, "files");
	s->buf = (char *)guarded(BUF) - BUF;
	s->iov = (struct iovec *)guarded(IOVECS * sizeof(*s->iov)) - IOVECS;
	s->end = guarded(EVENTS * sizeof(*s->end));
	s->plain = malloc((EVENTS + 1) * sizeof(*s->plain));
	must(s->plain != NULL, "memory");
}

static void *destroy_jobs(void *arg)
{
	struct job *job = arg;

	for (;;) {
		sem_wait(&job->there);
		must(!io_destroy(job->ctx[LIB]), "io_destroy at the end");
		must(!RAW_CALL(SYS_io_destroy, job->ctx[RAW]), "the raw one");
		__atomic_store_n(&job->ctx[RAW], NULL, __ATOMIC_RELEASE);
		__atomic_store_n(&job->ctx[LIB], NULL, __ATOMIC_RELEASE);
	}
	return NULL;
}

static int is_dying(io_context_t ctx)
{
	int found = 0;

	for (int i = 0; i < BACKGROUND; i++)
		for (int side = 0; side < SIDES; side++)
			found |= ctx == __atomic_load_n(&jobs[i].ctx[side],
							__ATOMIC_ACQUIRE);
	return found;
}

int is_live(io_context_t ctx)
{
	for (int side = 0; side < SIDES; side++)
		for (int slot = 0; slot < SLOTS; slot++)
			if (ctx == sides[side].ctx[slot])
				return 1;
	return is_dying(ctx);
}

static void background_start(void)
{
	pthread_t thread;

	for (int i = 0; i < BACKGROUND; i++)
		must(!sem_init(&jobs[i].there, 0, 0) &&
			     !pthread_create(&thread, NULL, destroy_jobs,
					     &jobs[i]) &&
			     !pthread_detach(thread),
		     "threads");
}

/* io_destroy() takes 30 ms, so it happens while the next inputs run. */
void destroy_later(io_context_t lib, io_context_t raw)
{
	struct timespec nap = {0, 100000};

	for (int i = 0;; i = (i + 1) % BACKGROUND) {
		if (!__atomic_load_n(&jobs[i].ctx[LIB], __ATOMIC_ACQUIRE)) {
			jobs[i].ctx[LIB] = lib;
			jobs[i].ctx[RAW] = raw;
			sem_post(&jobs[i].there);
			return;
		}
		if (i == BACKGROUND - 1)
			nanosleep(&nap, NULL);
	}
}

void world_finish(void)
{
	struct timespec nap = {0, 1000000};

	for (int i = 0; i < BACKGROUND; i++)
		while (__atomic_load_n(&jobs[i].ctx[LIB], __ATOMIC_ACQUIRE))
			nanosleep(&nap, NULL);
}

/* One processor: the kernel counts free slots for each. */
static void world_make(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)sched_getcpu(), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	background_start();
	side_open(&sides[LIB]);
	side_open(&sides[RAW]);
}

void slot_fill(int slot, io_context_t lib, io_context_t raw)
{
	sides[LIB].ctx[slot] = lib;
	sides[RAW].ctx[slot] = raw;
	pending[slot] = 0;
	is_open[slot] = 1;
}

void slot_clear(int slot)
{
	slot_fill(slot, NULL, NULL);
	is_open[slot] = 0;
}

void count_pending(int slot, long more)
{
	if (slot < 0)
		fail("requests or events without a context", more, more);
	pending[slot] += more;
}

static void side_reset(struct side *s)
{
	char old[64];

	must(!ftruncate(s->fds[MEMORY], 0) &&
		     pwrite(s->fds[MEMORY], "0123456789abcdef", 16, 0) == 16,
	     "the memory file");
	while (read(s->fds[READY], old, sizeof(old)) > 0)
		;
	while (read(s->fds[IDLE], old, sizeof(old)) > 0)
		;
	while (read(s->fds[EVENTFD], old, 8) > 0)
		;
	must(write(s->fds[READY_END], "x", 1) == 1 &&
		     write(s->fds[EVENTFD], "\1\0\0\0\0\0\0\0", 8) == 8,
	     "what is ready");
	memset(s->iocbs, 0, sizeof(s->iocbs));
	memset(s->buf, 0xaa, BUF);
	s->stale = NULL;
}

/* Submit and take so many requests that complete at once. */
static void ring_move(struct side *s, unsigned count)
{
	struct iocb iocb, *list[STEP];
	unsigned step;

	io_prep_poll(&iocb, s->fds[READY], POLLIN);
	for (unsigned i = 0; i < STEP; i++)
		list[i] = &iocb;
	for (; count; count -= step) {
		step = count < STEP ? count : STEP;
		must(RAW_CALL(SYS_io_submit, s->ctx[0], step, list) == step &&
			     RAW_CALL(SYS_io_getevents, s->ctx[0], step, step,
				      s->plain, NULL) == step,
		     "moving the ring");
	}
}

void world_begin(unsigned position)
{
	io_context_t lib = NULL, raw = NULL;

	if (!sides[LIB].buf)
		world_make();
	side_reset(&sides[LIB]);
	side_reset(&sides[RAW]);
	if (!sides[LIB].ctx[0]) {
		must(!io_setup(8, &lib) && !RAW_CALL(SYS_io_setup, 8, &raw),
		     "io_setup");
		slot_fill(0, lib, raw);
	}
	for (int side = 0; side < SIDES; side++) {
		struct side *s = &sides[side];
		const struct aioring *ring = (const struct aioring *)s->ctx[0];

		ring_move(s, (position % ring->nr + ring->nr - ring->head) %
				     ring->nr);
	}
}

void world_end(void)
{
	for (int slot = 0; slot < SLOTS; slot++) {
		if (!slot && is_open[0] && !pending[0])
			continue;
		if (sides[LIB].ctx[slot])
			destroy_later(sides[LIB].ctx[slot],
				      sides[RAW].ctx[slot]);
		slot_clear(slot);
	}
}
