/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lat_windows=: how many I/Os of a job took how long in each second of it, so
 * that a tail can be told from a time at which all was slow.  No fio types, no
 * clock.
 *
 * Thread rule: that of the job.  Times are in ns, of one clock of the caller's.
 */
#ifndef KAIO_WINDOWS_H
#define KAIO_WINDOWS_H

#include <stdint.h>
#include <stdio.h>

/*
 * 16 buckets for each power of two from 1024 ns on: a bucket is 6% of its value
 * wide.  What is shorter is in the first, what takes 137 s or longer in the
 * last.
 */
#define WINDOWS_BITS 4
#define WINDOWS_FROM 10
#define WINDOWS_BUCKETS (1 + (27 << WINDOWS_BITS))
/* Of more than these (68 minutes) two become one, as often as need be. */
#define WINDOWS_MOST 4096

struct window {
	uint64_t max;
	uint32_t count[WINDOWS_BUCKETS];
};

struct windows {
	uint64_t start; /* of the first; 0: nothing was counted yet */
	uint64_t end;	/* of the last */
	uint64_t width;
	uint64_t epoch; /* ns since 1970, when the first began */
	unsigned nr;	/* that have begun */
	struct window each[WINDOWS_MOST];
};

/* Windows of that width.  NULL: no memory.  free() frees them. */
struct windows *windows_new(uint64_t width);

/* The I/O that is counted first began at that time, which was since 1970. */
void windows_begin(struct windows *w, uint64_t start, uint64_t epoch);

/* An I/O that took ns has ended at now, which never goes back. */
void windows_count(struct windows *w, uint64_t now, uint64_t ns);

/* The longest that is counted in a bucket. */
uint64_t windows_bucket_end(unsigned bucket);

/* As a member of a JSON object, after a comma; without what is 0. */
void windows_print(const struct windows *w, FILE *out);

#endif /* KAIO_WINDOWS_H */
