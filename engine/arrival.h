/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Completions stamped when they arrive, whenever the job gets round to them: a
 * thread is the one consumer of the context, sleeps on the eventfd of its
 * requests, and hands over what it has stamped.  No fio types.
 *
 * Thread rule: the calls belong to the one thread that submits.  Until
 * arrival_stop() has returned nobody else reads events of the context.
 */
#ifndef KAIO_ARRIVAL_H
#define KAIO_ARRIVAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "libaio.h"

struct arrival {
	io_context_t ctx;
	const struct iocb *iocbs; /* [depth]: the requests' slots */
	unsigned depth;
	bool ring;   /* it can be read; else io_getevents is asked */
	int eventfd; /* a blocking one, which each request signals */
	pthread_t thread;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t more;
	bool stop;
	struct io_event *events; /* [depth]: arrived, not yet taken */
	unsigned nr;
	int error;    /* -errno that ended the thread, or 0 */
	uint64_t *at; /* [depth], by slot: when, in ns */

	/* [depth], by slot, ns: when what was last taken of it arrived. */
	uint64_t *taken;
};

/*
 * ctx, iocbs, depth, ring, eventfd are set, all else is zero: begin.
 * 0, -ENOMEM, or -errno as pthread_create(); then nothing is left to stop.
 */
int arrival_start(struct arrival *a);

/* End the thread and free all; the eventfd is left open. */
void arrival_stop(struct arrival *a);

/*
 * Take at most max of what has arrived, oldest first; wait until there are min,
 * for at most limit_ns (0: for ever).  How many, or -errno if there are none.
 */
int arrival_take(struct arrival *a, struct io_event *to, unsigned min,
		 unsigned max, uint64_t limit_ns);

#endif /* KAIO_ARRIVAL_H */
