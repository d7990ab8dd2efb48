/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine without fio: an AIO context, a dense array of iocbs, batching
 * (queue.c), and the ways to wait for completions (queue_reap.c).  It counts
 * what the kernel holds, and never waits for more than that.
 *
 * Thread rule: one thread per queue, from queue_start() on: the ring has one
 * consumer.  Functions return >= 0 or -errno; none prints.
 */
#ifndef KAIO_QUEUE_H
#define KAIO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include <time.h>

#include "arrival.h"
#include "pace.h"
#include "spin_auto.h"
#include "libaio.h"
#include "stats.h"

/*
 * Between a system call and fio each function is a return, of which the
 * library makes the next eight cheap (aio/refill.h), and the ninth costs 200
 * ns: those on the way of each I/O are one, whatever a compiler thinks of their
 * size.
 */
#define QUEUE_FLAT inline __attribute__((always_inline))

/* How long submission may be refused while nothing is in flight. */
#define QUEUE_STALL_MS 30000

/* Does the owner want to end?  Asked while submission is stalled. */
typedef bool queue_stopping(void *arg);

/* The owner's pause while it is, with the arg of stopping(). */
typedef void queue_pause(void *arg, const struct timespec *time);

/* What one queue_submit() did. */
struct queue_issued {
	struct iocb *const *iocbs; /* [nr], until the next queue_add() */
	unsigned nr;		   /* left the queue: each gets its event */
	bool again;		   /* others left it, too: second tries */
	short error;		   /* 0, or why it gave up: a -errno */
};

/* So that it is returned in registers. */
_Static_assert(sizeof(struct queue_issued) <= 2 * sizeof(void *), "two words");

/* How to find completions, and how to wait when there are too few. */
enum queue_reap {
	QUEUE_RING,    /* the ring in user space; wait in io_getevents */
	QUEUE_SYSCALL, /* io_getevents only */
	QUEUE_EVENTFD, /* the ring; wait for an eventfd in epoll_wait */
};

struct queue_config {
	enum queue_reap reap;
	uint64_t spin_ns;   /* watch the ring before waiting; 0: do not */
	bool spin_auto;	    /* whether to is learned; spin_ns is not used */
	unsigned hold;	    /* how many queued may be held back; 0: none */
	unsigned hold_busy; /* the same while the device works on others */
	bool timed; /* by the owner: count what is done in io_submit, too */
	uint64_t wait_ns;   /* the longest wait in the kernel; 0: no limit */
	bool again;	    /* what RWF_NOWAIT makes fail is sent again */
	bool arrivals;	    /* stamp them by a thread; reap is not used */
	queue_pause *pause; /* while submission is stalled; NULL: nanosleep() */
};

struct queue {
	io_context_t ctx;
	unsigned depth;		 /* slots */
	struct iocb *iocbs;	 /* [depth], by slot */
	struct iovec *iovecs;	 /* [depth], by slot, for vectored requests */
	struct iocb **pending;	 /* [depth]: queued, from pending[first] on */
	struct io_event *events; /* [depth]: what queue_reap() returned */
	struct io_event *failed; /* [depth]: kept for queue_reap(): requests
				    that were refused for good, or drained */

	size_t *done; /* [depth], by slot: bytes of a first try;
			 NULL without config.again */

	unsigned first;	   /* index of the oldest in pending[] */
	unsigned queued;   /* not yet submitted */
	unsigned again;	   /* the oldest of these, which are second tries */
	unsigned inflight; /* in the kernel, or unread in the ring */
	unsigned nfailed;  /* entries of failed[] */

	struct queue_config config;
	bool ring;		/* its layout is known */
	int eventfd;		/* signalled by each completion; -1: none */
	int epoll;		/* watches eventfd */
	struct arrival arrival; /* of arrivals */
	unsigned in_step; /* submits in a row that left nothing in flight */
	struct pace pace; /* of hold_busy */
	struct spin_auto spin; /* of spin_auto */
	unsigned unwaited;     /* completions that were there, since a wait */
	struct queue_stats stats;

	uint64_t paused_ns;   /* in pauses within queue_submit() */
	uint64_t stall_start; /* ms, 0: not stalled */
	uint64_t stall_limit; /* ms, QUEUE_STALL_MS but in tests */
	bool gave_up; /* on this stall; the next refusal fails at once */
	queue_stopping *stopping;
	void *arg; /* of stopping() */
};

/*
 * Allocate for depth requests.  0, -EINVAL (depth 0), -ENOMEM; after an
 * error nothing needs queue_exit(), though it does no harm.  What is in the
 * iocbs is undefined: io_prep_*() sets all of one.
 */
int queue_init(struct queue *q, unsigned depth, queue_stopping *stopping,
	       void *arg);

/*
 * Create the context; after fork(), in the thread that will use it.  Where
 * the ring's layout is not known, reap becomes QUEUE_SYSCALL, and nothing
 * spins or is held back.
 * 0, or -errno as io_setup(), eventfd(), epoll_create1(), pthread_create().
 */
int queue_start(struct queue *q, const struct queue_config *config);

/*
 * Free everything.  destroy: end the context too; else it ends with the
 * process, which spares an RCU grace period.
 */
void queue_exit(struct queue *q, bool destroy);

/*
 * Append slot's iocb, which the caller has prepared; its data is free for
 * the caller.  0, or -EBUSY: depth are queued already.
 */
int queue_add(struct queue *q, unsigned slot);

/*
 * Of events[0..nr-1], completions that the kernel has just given, take those
 * that RWF_NOWAIT has kept from blocking, wholly or from some byte on, and
 * queue the rest of them without it; of one that was sent again, res becomes
 * that of both tries: an error only if the first did nothing.  Returns how many
 * stay. For queue_reap() and queue_drain(), with config.again: their owner then
 * finds queue.again set, and calls queue_submit().  Any other end of a request
 * goes through queue_result().
 */
unsigned queue_again(struct queue *q, struct io_event *events, unsigned nr);

/* The result of the request in a slot whose last try has ended with res. */
long queue_result(struct queue *q, unsigned slot, long res);

/*
 * Submit what is queued, in order, by one io_submit(), and tell what has left
 * the queue: call it again while something is queued and it was not nothing.
 * Second tries go alone, so that others wait for as long as their owner wants.
 * EAGAIN, ENOMEM, EINTR: nothing leaves while there is something to reap
 * first; else it retries with growing pauses, until stall_limit or stopping().
 * Any other error is the first request's own.  A request that is refused for
 * good leaves, too, and gets an event with res = -errno.
 * error, once per stall: the -errno when it gave up.  All queued have failed
 * then, and until the kernel takes one again, so will others without a pause.
 */
struct queue_issued queue_submit(struct queue *q);

/*
 * May what is queued wait for more?  Only while completions wait in the ring:
 * then the owner has something to do.  How many: config.hold where the device
 * does its work inside io_submit, so that nothing is idle meanwhile;
 * config.hold_busy where it works on others, and would want for these, unless
 * that has made it slower (pace.h).
 */
bool queue_holds(const struct queue *q);

/* How long the stall has lasted, in ms; 0: there is none. */
uint64_t queue_stalled_ms(const struct queue *q);

/* Do at least min completions wait, so that queue_reap() need not? */
bool queue_ready(const struct queue *q, unsigned min);

/*
 * Take at most max completions into events[at...], waiting until min are
 * there or nothing is in flight.  The kernel is entered only when the ring
 * holds fewer than min.  Returns how many: fewer than min also after a
 * signal or config.wait_ns.  Or -errno as io_getevents(), if there are none.
 */
int queue_reap(struct queue *q, unsigned at, unsigned min, unsigned max);

/*
 * Wait for all that is in flight, so that the context is idle; queue_reap()
 * gives their events next.  0, or -errno as io_getevents(); -EINTR: with
 * config.wait_ns, when stopping() before all were there.
 */
int queue_drain(struct queue *q);

/*
 * Wait no more for what slots[0..nr-1] have in flight, which is all that is in
 * flight: each gets err as its result, and so does what is queued, which
 * leaves the queue.  The kernel still owns their buffers, and the context
 * cannot be used again.
 */
struct queue_issued queue_abandon(struct queue *q, const unsigned *slots,
				  unsigned nr, int err);

/*
 * Let somebody else read events of the context, which must be idle: those that
 * do not signal the queue's eventfd.
 */
static inline void queue_lend(struct queue *q)
{
	if (q->config.arrivals)
		pthread_mutex_lock(&q->arrival.lock);
}

static inline void queue_take_back(struct queue *q)
{
	if (q->config.arrivals)
		pthread_mutex_unlock(&q->arrival.lock);
}

/* The slot of the i-th that is queued. */
static inline unsigned queue_pending(const struct queue *q, unsigned i)
{
	return (unsigned)(q->pending[q->first + i] - q->iocbs);
}

/* Is nothing queued, in flight, or failed and unread? */
static inline bool queue_idle(const struct queue *q)
{
	return !q->queued && !q->inflight && !q->nfailed;
}

#endif /* KAIO_QUEUE_H */
