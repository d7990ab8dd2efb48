/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spin=auto: does watching the ring before a wait pay?  No single wait tells:
 * where a spin keeps the processor from sleeping, it saves the time to wake
 * up; where the device is a kernel thread that could run on this processor, it
 * drives that away and costs more than it saves.  So both ways are tried in
 * turn, and the time waited per completion decides.  No fio types, no clock.
 */
#ifndef KAIO_SPIN_AUTO_H
#define KAIO_SPIN_AUTO_H

#include <stdbool.h>
#include <stdint.h>

/* Longer waits than this are not worth a processor. */
#define SPIN_AUTO_NS 200000

/* Zeroed: at first no wait spins. */
struct spin_auto {
	bool home;	  /* the way that has paid: to spin? */
	bool away;	  /* the other way is on trial */
	uint64_t from_ns; /* when to begin to count */
	uint64_t rest_ns; /* at home between two trials */

	unsigned waits; /* counted, in this phase */
	uint64_t waited_ns, longest_ns, completions;
	uint64_t home_cost; /* ns per completion, before the trial */
};

/* For how long the next wait may watch the ring, in ns; 0: not at all. */
static inline uint64_t spin_auto_ns(const struct spin_auto *l)
{
	return l->home != l->away ? SPIN_AUTO_NS : 0;
}

/*
 * A wait that ended at now_ns has taken ns, and there were so many completions
 * since the one before.
 */
void spin_auto_waited(struct spin_auto *l, uint64_t now_ns, uint64_t ns,
		      unsigned completions);

#endif /* KAIO_SPIN_AUTO_H */
