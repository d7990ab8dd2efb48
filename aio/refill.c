// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Whether system calls refill the return stack (refill.h): decided once in a
 * process, by the environment or by measuring what this machine does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "libaio_ext.h"
#include "refill.h"
#include "sys.h"

uint64_t aiorefill_word;

#if AIOREFILL

#define RETURNS 5 /* of a program, on its way back from a call */
#define ROUNDS 2  /* of a row without, and a row with refilling */
#define ROW 6
#define LATE 3 /* of a row: those that count */
#define COUNT (ROUNDS * LATE)
#define SLOW_NS 10000 /* somebody traces the calls: nothing can be told */
#define GAIN_NS 10    /* less is none, */
#define GAIN_SHARE 20 /* and so is less than 1/20 of the call */
#define MOST_NS AIOREFILL_MOST_NS

/* That many functions deeper, and back through each of them. */
static __attribute__((noinline)) long call_below(io_context_t ctx, int refill,
						 int depth)
{
	long ret = depth    ? call_below(ctx, refill, depth - 1)
		   : refill ? aiosys_submit_refilled(ctx, 0, NULL)
			    : aiosys_submit_plain(ctx, 0, NULL);

	/* It is no tail call, and no loop. */
	__asm__ volatile("" : "+r"(ret));
	return ret;
}

/*
 * The ns of the late calls of a row; 0, or -1: they fail.  What one call leaves
 * in the processor the next ones pay, so that a row only gradually becomes
 * what it would be for ever.
 */
static int measure_row(io_context_t ctx, int refill, unsigned *ns)
{
	for (int i = 0; i < ROW; i++) {
		uint64_t start = clock_now(), time;

		if (call_below(ctx, refill, RETURNS))
			return -1;
		time = clock_now() - start;
		if (i >= ROW - LATE)
			*ns++ = time < MOST_NS ? (unsigned)time : MOST_NS;
	}
	return 0;
}

static int ascending(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

/*
 * A median, as both ends lie: what interrupts a call makes it long, and a
 * kernel that changes to another program puts the return stack right.
 */
static unsigned median(unsigned *ns)
{
	qsort(ns, COUNT, sizeof(*ns), ascending);
	return ns[COUNT / 2];
}

/* The word for what was measured. */
static uint64_t measure(io_context_t ctx)
{
	unsigned ns[2][COUNT], plain, refilled;
	int pays;

	for (int i = 0; i < COUNT; i += LATE) {
		if (measure_row(ctx, 0, ns[0] + i) || ns[0][i] > SLOW_NS ||
		    measure_row(ctx, 1, ns[1] + i))
			return AIOREFILL_DECIDED;
	}
	plain = median(ns[0]);
	refilled = median(ns[1]);
	pays = refilled + GAIN_NS <= plain &&
	       refilled + plain / GAIN_SHARE <= plain;
	return (pays ? AIOREFILL_ON : 0) | AIOREFILL_DECIDED |
	       (uint64_t)plain << AIOREFILL_PLAIN |
	       (uint64_t)refilled << AIOREFILL_REFILLED;
}

/* LIBAIO_REFILL is for the user to say, not for that of a setuid file. */
static uint64_t decision(io_context_t ctx)
{
	const char *said = secure_getenv("LIBAIO_REFILL");

	if (said && !strcmp(said, "0"))
		return AIOREFILL_DECIDED | AIOREFILL_FORCED;
	if (said && !strcmp(said, "1"))
		return AIOREFILL_DECIDED | AIOREFILL_FORCED | AIOREFILL_ON;
	return aioring_under_valgrind() ? AIOREFILL_DECIDED : measure(ctx);
}

void aiorefill_decide(io_context_t ctx)
{
	uint64_t word = 0, found;

	/* Relaxed: pairs with the swap below, as that in aiorefill_on(). */
	if (__atomic_load_n(&aiorefill_word, __ATOMIC_RELAXED))
		return;
	found = decision(ctx);
	/* Who is first decides.  Pairs with all loads of the word. */
	__atomic_compare_exchange_n(&aiorefill_word, &word, found, 0,
				    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

#else

void aiorefill_decide(io_context_t ctx)
{
	(void)ctx;
}

#endif

static unsigned measured(uint64_t word, int first_bit)
{
	return (unsigned)(word >> first_bit) & AIOREFILL_MOST_NS;
}

int io_refill(struct io_refill *found)
{
	uint64_t word = 0;

#if AIOREFILL
	/* Relaxed: pairs with the swap in aiorefill_decide(). */
	word = __atomic_load_n(&aiorefill_word, __ATOMIC_RELAXED);
#endif
	if (found) {
		found->forced = word & AIOREFILL_FORCED ? 1 : 0;
		found->plain_ns = measured(word, AIOREFILL_PLAIN);
		found->refilled_ns = measured(word, AIOREFILL_REFILLED);
	}
	return word & AIOREFILL_ON ? 1 : 0;
}
