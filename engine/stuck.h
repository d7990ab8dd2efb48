/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stuck=: which requests have been in flight for longer than a limit, and
 * when that is to be said: at once, and again each minute.  No fio types, no
 * clock, and nothing printed.
 *
 * Thread rule: that of the queue whose slots they are.  Times are in ns, and
 * not 0.
 */
#ifndef KAIO_STUCK_H
#define KAIO_STUCK_H

#include <stdbool.h>
#include <stdint.h>

#define STUCK_AGAIN_NS 60000000000ull

struct stuck_slot {
	uint64_t since; /* when it was submitted; 0: it is not in flight */
	uint64_t told;	/* when it was named last; 0: never */
};

struct stuck {
	struct stuck_slot *slots; /* [depth]; NULL: off */
	unsigned depth;
	uint64_t limit_ns;
	uint64_t next_ns; /* when to look again */
};

/* 0, or -ENOMEM.  stuck_exit() does no harm after that, and if zeroed. */
int stuck_init(struct stuck *s, unsigned depth, uint64_t limit_ns);
void stuck_exit(struct stuck *s);

/* The time between two looks, which is how long a wait may be: 1 to 500 ms. */
uint64_t stuck_pause_ns(uint64_t limit_ns);

static inline void stuck_issued(struct stuck *s, unsigned slot, uint64_t now)
{
	s->slots[slot] = (struct stuck_slot){.since = now};
}

static inline void stuck_done(struct stuck *s, unsigned slot)
{
	s->slots[slot].since = 0;
}

/* Is it time to look?  If so, the next is a pause later. */
bool stuck_look(struct stuck *s, uint64_t now);

/* The age of a slot that is in flight for longer than the limit, or 0. */
static inline uint64_t stuck_age(const struct stuck *s, unsigned slot,
				 uint64_t now)
{
	uint64_t since = s->slots[slot].since;

	return since && now - since > s->limit_ns ? now - since : 0;
}

/* Is there one? */
bool stuck_any(const struct stuck *s, uint64_t now);

/* Is it to be named now?  *first: for the first time.  Then it has been. */
bool stuck_tell(struct stuck *s, unsigned slot, uint64_t now, bool *first);

#endif /* KAIO_STUCK_H */
