/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fuzzer's two worlds, equal in all but the way in: LIB's contexts are
 * driven through the library, RAW's by the same system calls.  Each has its
 * own files, pipes and memory, so one request has one result in both.
 */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "libaio_ext.h"
#include "ring.h"

enum {
	LIB,
	RAW,
	SIDES
};

#define SLOTS 3	   /* contexts: 0 lives on from input to input */
#define IOCBS 16   /* requests to fill in */
#define LIST 1024  /* their pointers, more than a ring takes */
#define EVENTS 704 /* more than a ring of ours holds */
#define BUF 4096
#define IOVECS 8
#define MAXEVENTS 256 /* the most that io_setup() may be asked for in vain */

enum {
	MEMORY,
	MEMORY_READ_ONLY,
	READY,	   /* a pipe with a byte in it */
	READY_END, /* its other end */
	IDLE,	   /* a pipe without */
	IDLE_END,
	EVENTFD,
	DIRECTORY,
	CLOSED,
	FDS
};

/* What ends where it says lies in front of a page that faults. */
struct side {
	io_context_t ctx[SLOTS], stale;
	struct iocb iocbs[IOCBS], *list[LIST];
	int fds[FDS];
	char *buf;		/* BUF bytes to the end */
	struct iovec *iov;	/* IOVECS to the end */
	struct io_event *plain; /* EVENTS in the middle of memory */
	struct io_event *end;	/* the end of EVENTS */
	struct iocb *called[EVENTS];
	unsigned calls; /* of the callback */
};

extern struct side sides[SIDES];
extern int is_open[SLOTS];  /* the ring of LIB's is read */
extern long pending[SLOTS]; /* submitted, not yet delivered */

/* The system calls that this thread's last library call made. */
struct seen {
	int calls;
	int asked; /* is it a context?  Not counted in calls; see aio/gate.c */
	long number, a[6];
};
extern __thread struct seen seen;
long __real_syscall(long number, ...);

/* Say what is wrong and end; the fuzzer keeps the input. */
void fail(const char *what, long lib, long raw) __attribute__((noreturn));
void must_be_equal(const char *what, long lib, long raw);

/* A system call, as >= 0 or -errno; libFuzzer's own alarm interrupts some. */
#define RAW_CALL(...) \
	({ \
		long ret_; \
\
		do \
			ret_ = raw_result(__real_syscall(__VA_ARGS__)); \
		while (ret_ == -EINTR); \
		ret_; \
	})
long raw_result(long ret);

/* Events in the ring of a slot; both sides' are equal, or become so. */
long waiting(int side, int slot);
void settle(void);
void settle_at(int slot, long count);

/* The start of an input: as new, with slot 0's ring at position. */
void world_begin(unsigned position);
void world_end(void);
/* Wait for what happens in the background. */
void world_finish(void);
/* A context of each side for slot, or their end; in the background. */
void slot_fill(int slot, io_context_t lib, io_context_t raw);
void slot_clear(int slot);
void count_pending(int slot, long more);
void destroy_later(io_context_t lib, io_context_t raw);
int is_live(io_context_t ctx);

#endif /* TESTS_FUZZ_WORLD_H */
