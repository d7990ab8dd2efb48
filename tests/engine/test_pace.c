// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether submit=adaptive goes on holding, on devices whose truth is known:
 * where it ends, how soon, and how much it tries.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "in_range.h"
#include "pace.h"

#define DEPTH 32
#define BATCH 4

struct world {
	struct pace pace;
	uint64_t now, ios, held, chance;
};

static struct world *here; /* of clock() */

static uint64_t clock(void)
{
	return here->now;
}

/* What an I/O takes, in ns, when some are held, and when none are. */
typedef uint64_t device(struct world *w, bool holds);

static void run(struct world *w, device *takes, uint64_t ios)
{
	here = w;
	w->ios = w->held = 0;
	while (w->ios < ios) {
		bool holds = pace_holds(&w->pace);
		unsigned nr = holds ? BATCH : 1;

		w->now += nr * takes(w, holds);
		w->ios += nr;
		w->held += holds ? nr : 0;
		pace_submitted(&w->pace, DEPTH, nr, clock);
	}
	here = NULL;
}

static unsigned percent_held(const struct world *w)
{
	return (unsigned)(w->held * 100 / w->ios);
}

/* A number below n, the same in each run. */
static uint64_t below(struct world *w, uint64_t n)
{
	w->chance = w->chance * 6364136223846793005ull + 1442695040888963407ull;
	return (w->chance >> 33) % n;
}

/* Its queue is its limit. */
static uint64_t disk(struct world *w, bool holds)
{
	(void)holds;
	return 10000 + below(w, 2000);
}

/* It waits for what is held. */
static uint64_t parallel(struct world *w, bool holds)
{
	return (holds ? 10500 : 10000) + below(w, 2000);
}

/* The same on a CPU that is taken away for 3 ms now and then. */
static uint64_t shared(struct world *w, bool holds)
{
	return disk(w, holds) + (below(w, 400) ? 0 : 3000000);
}

/* A call is dear. */
static uint64_t dear(struct world *w, bool holds)
{
	return (holds ? 9000 : 10000) + below(w, 2000);
}

static void test_holds_at_first(void **state)
{
	struct pace p = {0};

	(void)state;
	assert_true(pace_holds(&p));
}

/* All but the half of trials, which are a sixteenth of the I/Os. */
static void test_holds_where_it_costs_nothing(void **state)
{
	device *devices[] = {disk, dear};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct world w = {.now = 1};

		run(&w, devices[i], 10000000);
		assert_within(percent_held(&w), 85, 98);
	}
}

/* After one trial, that is half a second of a fast device. */
static void test_does_not_where_it_slows(void **state)
{
	struct world w = {.now = 1};

	(void)state;
	run(&w, parallel, 2 * 16 * (34 * DEPTH + 64));
	assert_true(w.pace.rests);
	assert_true(w.pace.slower);
	run(&w, parallel, 10000000);
	assert_within(percent_held(&w), 2, 5);
}

/* What others do to the time tells nothing, and so seldom decides. */
static void test_holds_on_a_disturbed_device(void **state)
{
	struct world w = {.now = 1};

	(void)state;
	run(&w, shared, 10000000);
	assert_true(percent_held(&w) > 70);
}

static void test_notices_a_change(void **state)
{
	struct world w = {.now = 1};

	(void)state;
	run(&w, parallel, 1000000);
	assert_true(w.pace.slower);
	run(&w, disk, 1000000);
	assert_false(w.pace.slower);
	run(&w, parallel, 1000000);
	assert_true(w.pace.slower);
}

/* A batch ends a window late: it counts as long as it was. */
static void test_windows_of_other_lengths_compare(void **state)
{
	struct world w = {.now = 1};

	(void)state;
	here = &w;
	while (!w.pace.rests) {
		unsigned nr = pace_holds(&w.pace) ? 61 : 1;

		w.now += nr * (nr > 1 ? 990 : 1000);
		pace_submitted(&w.pace, DEPTH, nr, clock);
	}
	here = NULL;
	assert_int_equal(w.pace.lost, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holds_at_first),
		cmocka_unit_test(test_holds_where_it_costs_nothing),
		cmocka_unit_test(test_does_not_where_it_slows),
		cmocka_unit_test(test_holds_on_a_disturbed_device),
		cmocka_unit_test(test_notices_a_change),
		cmocka_unit_test(test_windows_of_other_lengths_compare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
