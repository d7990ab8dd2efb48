/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls that refill the return stack.  Some kernels' protection of
 * returns (AMD's "Safe RET") leaves the processor's return stack full of
 * entries that match nothing, so that the program's returns after a system
 * call are mispredicted, at 50 to 220 ns in all.  Eight calls that nobody
 * returns from (refill_call.S) put that right for 8 ns; where nothing is wrong
 * they cost 20 to 60 ns.  So each process measures once, when it makes its
 * first context, and LIBAIO_REFILL=0 or 1 in the environment decides instead.
 * The mitigation's name in sysfs would be a hint only: it is the processor
 * that tells.  x86-64 alone; elsewhere it is off.
 */
#ifndef KAIO_REFILL_H
#define KAIO_REFILL_H

#include <stdint.h>

#include "libaio.h"
#include "ring.h"

#if defined(__x86_64__) && !defined(__ILP32__)
#define AIOREFILL 1
#else
#define AIOREFILL 0
#endif

/* One word, so that it is read whole: flags, and the ns that were measured. */
#define AIOREFILL_DECIDED 1u
#define AIOREFILL_ON 2u
#define AIOREFILL_FORCED 4u
#define AIOREFILL_PLAIN 8     /* the first of these bits */
#define AIOREFILL_REFILLED 36 /* 28 bits each */
#define AIOREFILL_MOST_NS ((1u << 28) - 1)

AIORING_HIDDEN extern uint64_t aiorefill_word;

/*
 * The system call of this number, and then the return stack filled; the
 * kernel's own result, -errno included, errno being left alone.  Where
 * AIOREFILL is 0 it does not exist.  Any thread.
 */
AIORING_HIDDEN long aiorefill_call(long a, long b, long c, long d, long e,
				   long f, long number);

/*
 * ctx is this process's new context: decide, if that was not done, by up to
 * 24 io_submit() of nothing on it, in about 15 us.  Leaves errno as it was.
 * Any thread: of several that come at once, each measures, and one decides.
 */
AIORING_HIDDEN void aiorefill_decide(io_context_t ctx);

/* Shall calls be refilled? */
static inline int aiorefill_on(void)
{
	/* Relaxed: pairs with the swap in aiorefill_decide(), which publishes
	 * this word and nothing else. */
	return AIOREFILL && __atomic_load_n(&aiorefill_word, __ATOMIC_RELAXED) &
				    AIOREFILL_ON;
}

#endif /* KAIO_REFILL_H */
