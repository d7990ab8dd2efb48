/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does holding I/Os back make a device slower that works while the job does?
 * Not one whose queue is its limit, as it never runs dry; one that takes each
 * I/O as soon as it comes waits for those held.  Nothing but time tells, so
 * both ways are tried in turn, and the time per I/O decides.  No fio types.
 */
#ifndef KAIO_PACE_H
#define KAIO_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: at first on trial. */
struct pace {
	bool slower;	  /* holding was, in the last trial */
	bool rests;	  /* between two trials */
	bool counts;	  /* a window has settled, and is timed */
	unsigned windows; /* of this trial, that are over */
	unsigned lost;	  /* pairs of windows in which holding took longer */
	uint64_t left;	  /* I/Os until something changes */
	uint64_t ios, from_ns;	      /* of the window that is timed */
	uint64_t first_ios, first_ns; /* of the other one of its pair */
};

/* May I/Os be held now? */
static inline bool pace_holds(const struct pace *p)
{
	if (p->rests)
		return !p->slower;
	return !((p->windows ^ p->windows >> 1) & 1);
}

/* The part that pace_submitted() calls; now_ns from any clock. */
void pace_next(struct pace *p, unsigned depth, uint64_t now_ns);

/* nr I/Os were submitted, to a queue of this depth; now(): a clock, in ns. */
static inline void pace_submitted(struct pace *p, unsigned depth, unsigned nr,
				  uint64_t (*now)(void))
{
	p->ios += nr;
	if (p->left > nr)
		p->left -= nr;
	else
		pace_next(p, depth, now());
}

#endif /* KAIO_PACE_H */
