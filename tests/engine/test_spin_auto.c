// SPDX-License-Identifier: GPL-2.0-only
/*
 * spin=auto on devices whose truth is known: does it end where it should, how
 * soon, and how much does it try?  Time is the sum of the waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "spin_auto.h"

#define US 1000ull
#define S 1000000000ull

struct world {
	struct spin_auto spin;
	uint64_t now, last_spin, spun_waits, waits;
};

/* How long a wait takes, in ns; spins: it watches the ring first. */
typedef uint64_t device(const struct world *w, bool spins);

static void run(struct world *w, device *takes, uint64_t ns, unsigned batch)
{
	uint64_t end = w->now + ns;

	w->waits = w->spun_waits = 0;
	while (w->now < end) {
		bool spins = spin_auto_ns(&w->spin) > 0;
		uint64_t waited = takes(w, spins);

		w->now += waited;
		w->waits++;
		w->spun_waits += spins;
		if (spins)
			w->last_spin = w->now;
		spin_auto_waited(&w->spin, w->now, waited, spins ? 1 : batch);
	}
}

/* A processor that sleeps takes 8 us to wake up. */
static uint64_t disk(const struct world *w, bool spins)
{
	(void)w;
	return spins ? 24 * US : 32 * US;
}

/* A worker that a spin drives away, and that takes 100 ms to come back. */
static uint64_t loop(const struct world *w, bool spins)
{
	if (spins)
		return 21 * US;
	return w->last_spin && w->now - w->last_spin < S / 10 ? 50 * US
							      : 10 * US;
}

static uint64_t slow(const struct world *w, bool spins)
{
	(void)w, (void)spins;
	return 5000 * US;
}

/* Now and then a wait takes 3 ms. */
static uint64_t hiccups(const struct world *w, bool spins)
{
	return w->waits % 300 == 299 ? 3000 * US : disk(w, spins);
}

static uint64_t little_gain(const struct world *w, bool spins)
{
	(void)w;
	return spins ? 99 * US : 100 * US;
}

static void test_first_wait_sleeps(void **state)
{
	struct spin_auto l = {0};

	(void)state;
	assert_int_equal(spin_auto_ns(&l), 0);
}

/* Within a tenth of a second, and for all but 5% of the waits. */
static void test_spins_where_it_pays(void **state)
{
	device *devices[] = {disk, hiccups};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct world w = {.now = S};

		run(&w, devices[i], S / 10, 1);
		assert_true(w.spin.home);
		run(&w, devices[i], 30 * S, 1);
		assert_true(w.spun_waits * 100 > w.waits * 95);
	}
}

/* Nor at first, when a trial has just driven the worker away. */
static void test_sleeps_where_spinning_harms(void **state)
{
	struct world w = {.now = S};

	(void)state;
	run(&w, loop, 2 * S, 1);
	assert_false(w.spin.home);
	run(&w, loop, 30 * S, 1);
	assert_true(w.spun_waits * 100 < w.waits * 2);
}

/* It has begun to spin there, and finds back. */
static void test_finds_back(void **state)
{
	struct world w = {.now = S, .spin = {.home = true}};

	(void)state;
	run(&w, loop, S, 1);
	assert_false(w.spin.home);
}

static void test_gives_no_processor_for_nothing(void **state)
{
	device *devices[] = {slow, little_gain};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct world w = {.now = S};

		run(&w, devices[i], 60 * S, 1);
		assert_false(w.spin.home);
		assert_true(w.spun_waits * 100 < w.waits * 15);
	}
}

/* A sleep that three completions end is cheaper than three spins. */
static void test_counts_per_completion(void **state)
{
	struct world w = {.now = S};

	(void)state;
	run(&w, disk, 2 * S, 3);
	assert_false(w.spin.home);
}

/* The device changes: noticed, though trials have become rare. */
static void test_notices_a_change(void **state)
{
	struct world w = {.now = S};

	(void)state;
	run(&w, loop, 20 * S, 1);
	assert_false(w.spin.home);
	run(&w, disk, 40 * S, 1);
	assert_true(w.spin.home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_wait_sleeps),
		cmocka_unit_test(test_spins_where_it_pays),
		cmocka_unit_test(test_sleeps_where_spinning_harms),
		cmocka_unit_test(test_finds_back),
		cmocka_unit_test(test_gives_no_processor_for_nothing),
		cmocka_unit_test(test_counts_per_completion),
		cmocka_unit_test(test_notices_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
