/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a queue did, in numbers: for people who distrust the depth and the
 * latency that they are shown.  No fio types.
 */
#ifndef KAIO_STATS_H
#define KAIO_STATS_H

#include <stdint.h>
#include <time.h>

/* Batches of 1, 2, 3-4, 5-8 ... 513-1024, more. */
#define STATS_BATCHES 12

struct queue_stats {
	uint64_t submits;     /* io_submit calls */
	uint64_t submitted;   /* requests that the kernel took */
	uint64_t refused;     /* calls that took none: EAGAIN, ENOMEM, EINTR */
	uint64_t partial;     /* calls that took some, not all */
	uint64_t failed;      /* requests that the kernel refused for good */
	uint64_t getevents;   /* io_getevents calls */
	uint64_t waits;	      /* epoll_wait and eventfd read calls */
	uint64_t reaps;	      /* readings of the ring that found something */
	uint64_t reaped;      /* completions that they found */
	uint64_t spin_hits;   /* spins that ended in a completion in time */
	uint64_t spin_misses; /* those that did not */
	uint64_t batch[STATS_BATCHES]; /* calls by requests taken */

	/* The rest only with queue_config.timed; times in ns. */
	uint64_t submit_ns;	/* inside io_submit */
	uint64_t submit_max_ns; /* the longest call */
	uint64_t done_inside;	/* requests complete when io_submit returned */
	uint64_t run_ns;	/* from the first submit to the last */
	uint64_t first_ns;	/* when the first call began */
};

/* CLOCK_MONOTONIC in ns. */
static inline uint64_t stats_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* io_submit() of nr requests has returned ret. */
static inline void stats_submitted(struct queue_stats *s, unsigned nr, int ret)
{
	unsigned bucket;

	s->submits++;
	if (ret <= 0)
		return;
	s->submitted += (unsigned)ret;
	s->partial += (unsigned)ret < nr;
	bucket = ret == 1 ? 0 : 32 - (unsigned)__builtin_clz((unsigned)ret - 1);
	s->batch[bucket < STATS_BATCHES ? bucket : STATS_BATCHES - 1]++;
}

/* It began at start (ns), ended at end, and done requests completed in it. */
static inline void stats_submit_time(struct queue_stats *s, uint64_t start,
				     uint64_t end, int done)
{
	if (!s->first_ns)
		s->first_ns = start;
	s->run_ns = end - s->first_ns;
	s->submit_ns += end - start;
	if (end - start > s->submit_max_ns)
		s->submit_max_ns = end - start;
	if (done > 0)
		s->done_inside += (unsigned)done;
}

/* Share of the run that was spent inside io_submit, 0 to 1. */
static inline double stats_submit_share(const struct queue_stats *s)
{
	return s->run_ns ? (double)s->submit_ns / (double)s->run_ns : 0;
}

/* One JSON object with all of it, and a newline, which the caller frees, or
 * NULL. */
char *stats_text(const struct queue_stats *s, const char *job);

/*
 * Append the object and a newline to the file at path, in one write, so that
 * jobs do not mix.  A symbolic link is not followed.
 * 0 or -errno (-ELOOP: a symbolic link).
 */
int stats_save(const struct queue_stats *s, const char *job, const char *path);

#endif /* KAIO_STATS_H */
