/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stuck=: a call that does not return, such as an io_submit that blocks, holds
 * the thread that makes it; so another thread looks how long it has lasted.  No
 * fio types.
 *
 * Thread rule: the calls belong to one thread.  tell() comes on the other,
 * while the first is inside and cannot leave: what was given to inside_enter(),
 * and all that the first does not change meanwhile, may be read.
 */
#ifndef KAIO_INSIDE_H
#define KAIO_INSIDE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* It is inside for age ns, longer than limit_ns; each time that one looks. */
typedef void inside_tell(void *arg, const void *what, uint64_t age);

struct inside {
	uint64_t limit_ns, pause_ns; /* pause_ns: between two looks */
	inside_tell *tell;
	void *arg;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t end;
	bool stop;
	uint64_t since; /* ns; 0: not inside */
	const void *what;
};

/* limit_ns, pause_ns, tell and arg are set.  0, or -errno: nothing to stop. */
int inside_start(struct inside *in);
void inside_stop(struct inside *in);

/* Before such a call, at now (ns), with what tell() is to get; and after it. */
void inside_enter(struct inside *in, const void *what, uint64_t now);
void inside_leave(struct inside *in);

#endif /* KAIO_INSIDE_H */
