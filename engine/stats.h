/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a queue did, in numbers: for people who distrust the depth and the
 * latency that they are shown.  No fio types.
 */
#ifndef KAIO_STATS_H
#define KAIO_STATS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "lateness.h"
#include "libaio_ext.h"
#include "windows.h"

/* Batches of 1, 2, 3-4, 5-8 ... 513-1024, more. */
#define STATS_BATCHES 12

struct queue_stats {
	uint64_t submits;   /* io_submit calls */
	uint64_t submitted; /* requests that the kernel took */
	uint64_t refused;   /* calls that took none, and may be repeated */
	uint64_t eagain;    /* of these; the rest took 0 of them */
	uint64_t enomem;
	uint64_t eintr;
	uint64_t partial;     /* calls that took some, not all */
	uint64_t failed;      /* requests that the kernel refused for good */
	uint64_t again;	      /* sent again, as they would have blocked */
	uint64_t getevents;   /* io_getevents calls */
	uint64_t got;	      /* completions that they returned */
	uint64_t waits;	      /* epoll_wait and eventfd read calls */
	uint64_t reaps;	      /* readings of the ring that found something */
	uint64_t reaped;      /* completions that they found */
	uint64_t spin_hits;   /* spins that ended in a completion in time */
	uint64_t spin_misses; /* those that did not */
	uint64_t spun;	      /* completions that spins found */
	uint64_t batch[STATS_BATCHES]; /* calls by requests taken */
	uint64_t arrived;      /* completions that a thread has stamped */
	uint64_t stuck;	       /* requests in flight for longer than stuck= */
	uint64_t stuck_max_ns; /* the oldest of them, when last looked at */

	/* The rest only with queue_config.timed; ns of the owner's clock. */
	uint64_t submit_ns;	/* inside io_submit */
	uint64_t submit_max_ns; /* the longest call */
	uint64_t done_inside;	/* surely complete when io_submit returned */
	uint64_t run_ns;	/* from the first submit to the last reap */
	uint64_t first_ns;	/* when the first call began */
};

/* Whose they are, and what was in force. */
struct stats_job {
	const char *name;
	unsigned number; /* fio's, from 1; it tells clones apart */
	uint64_t time_s; /* since the epoch */
	const char *fio; /* version */
	unsigned depth;
	const char *reap; /* value of the option */
	bool spin_auto;
	uint64_t spin_ns;
	unsigned hold; /* how many may be held back */
	bool stamp_before;
	bool refill; /* system calls refill the return stack, because: */
	struct io_refill why;
	const struct lateness *lateness; /* NULL: not kept */
	const struct windows *windows;	 /* likewise */
	bool bins; /* of lateness, too, as no one reads them on a terminal */
};

/* io_submit() of nr requests has returned ret. */
static inline void stats_submitted(struct queue_stats *s, unsigned nr, int ret)
{
	unsigned bucket;

	s->submits++;
	if (ret <= 0) {
		s->eagain += ret == -EAGAIN;
		s->enomem += ret == -ENOMEM;
		s->eintr += ret == -EINTR;
		return;
	}
	s->submitted += (unsigned)ret;
	s->partial += (unsigned)ret < nr;
	bucket = ret == 1 ? 0 : 32 - (unsigned)__builtin_clz((unsigned)ret - 1);
	s->batch[bucket < STATS_BATCHES ? bucket : STATS_BATCHES - 1]++;
}

/* At now (ns) the job still runs. */
static inline void stats_runs(struct queue_stats *s, uint64_t now)
{
	s->run_ns = s->first_ns && now > s->first_ns ? now - s->first_ns : 0;
}

/*
 * Submission began at start (ns) and was over at end, of which it slept for
 * paused ns, by another clock.
 */
static inline void stats_submit_time(struct queue_stats *s, uint64_t start,
				     uint64_t end, uint64_t paused)
{
	uint64_t inside = end > start + paused ? end - start - paused : 0;

	if (!s->first_ns)
		s->first_ns = start;
	stats_runs(s, end);
	s->submit_ns += inside;
	if (inside > s->submit_max_ns)
		s->submit_max_ns = inside;
}

/* Share of the run that was spent inside io_submit, 0 to 1. */
static inline double stats_submit_share(const struct queue_stats *s)
{
	return s->run_ns ? (double)s->submit_ns / (double)s->run_ns : 0;
}

/* Add those of an offload worker; times become sums over the workers. */
void stats_add(struct queue_stats *s, const struct queue_stats *worker);

/*
 * One JSON object with all of it, and a newline, which the caller frees, or
 * NULL.  What is no UTF-8 in the name becomes U+FFFD.
 */
char *stats_text(const struct queue_stats *s, const struct stats_job *job);

#endif /* KAIO_STATS_H */
