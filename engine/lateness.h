/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * due_stats=: latencies of a job with a schedule, from the moment an I/O was
 * due, or was queued, to the moment its completion arrived.  What is late
 * because those before it were is late: nothing is left out (no "coordinated
 * omission").  No fio types, no clock.
 *
 * Thread rule: that of the queue whose slots they are.  Times are in ns.
 */
#ifndef KAIO_LATENESS_H
#define KAIO_LATENESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* 64 buckets for each power of two: a bucket is 1.6% of its value wide. */
#define LATENESS_BITS 6
#define LATENESS_BUCKETS ((64 - LATENESS_BITS + 1) << LATENESS_BITS)

struct lateness_times {
	uint64_t nr, sum, max;
	uint64_t bucket[LATENESS_BUCKETS];
};

struct lateness_slot {
	uint64_t due;	 /* 0: this I/O has no place in the schedule */
	uint64_t queued; /* when fio gave it to the engine */
};

struct lateness {
	struct lateness_times from_due, from_queue;
	uint64_t behind; /* the job, when it queued the last or ended */
	uint64_t unsent; /* I/Os that were due by its end */
	struct lateness_slot slots[]; /* [depth] */
};

/* NULL: no memory.  free() frees it. */
struct lateness *lateness_new(unsigned depth);

/* An I/O that should have been sent late ns ago is queued at now. */
static inline void lateness_queued(struct lateness *l, unsigned slot,
				   uint64_t now, uint64_t late)
{
	l->behind = late;
	l->slots[slot] = (struct lateness_slot){now - late, now};
}

/* It has no schedule. */
static inline void lateness_unscheduled(struct lateness *l, unsigned slot)
{
	l->slots[slot].due = 0;
}

/*
 * The job is over, and so many I/Os that were due by then were never queued,
 * the first of them late ns before.
 */
void lateness_ended(struct lateness *l, uint64_t late, uint64_t ios);

/* It has succeeded, and its completion arrived at that time. */
void lateness_arrived(struct lateness *l, unsigned slot, uint64_t at);

/*
 * The latency that so many of a thousand did not exceed; at most 1.6% more than
 * that, never less, and never more than the longest.  0: none.
 */
uint64_t lateness_percentile(const struct lateness_times *t, unsigned permille);

/*
 * As members of a JSON object, each after a comma; bins: with the buckets of
 * from_due, each as the longest that it counts, and how many.
 */
void lateness_print(const struct lateness *l, bool bins, FILE *out);

#endif /* KAIO_LATENESS_H */
