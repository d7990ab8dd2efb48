// SPDX-License-Identifier: GPL-2.0-only
/*
 * Latencies from when I/Os were due: what is counted, and how exact the
 * percentiles are, over all orders of magnitude.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "in_range.h"
#include "lateness.h"

static struct lateness *with_one(uint64_t late, uint64_t takes)
{
	struct lateness *l = lateness_new(2);
	const uint64_t now = 1ull << 62;

	assert_non_null(l);
	lateness_queued(l, 1, now, late);
	lateness_arrived(l, 1, now + takes);
	return l;
}

static void test_late_counts_from_due_only(void **state)
{
	struct lateness *l = with_one(1000000, 500);

	(void)state;
	assert_int_equal(l->from_due.max, 1000500);
	assert_int_equal(l->from_queue.max, 500);
	assert_int_equal(l->behind, 1000000);
	free(l);
}

static void test_the_end_is_no_nearer_than_the_last(void **state)
{
	struct lateness *l = with_one(1000000, 500);

	(void)state;
	lateness_ended(l, 999999, 7);
	assert_int_equal(l->behind, 1000000);
	lateness_ended(l, 2000000, 3);
	assert_int_equal(l->behind, 2000000);
	assert_int_equal(l->unsent, 10);
	assert_int_equal(l->from_due.nr, 1);
	free(l);
}

static void test_what_has_no_schedule_is_left_out(void **state)
{
	struct lateness *l = with_one(5, 5);

	(void)state;
	lateness_arrived(l, 0, 99);
	lateness_unscheduled(l, 1);
	lateness_arrived(l, 1, 99);
	assert_int_equal(l->from_due.nr, 1);
	assert_int_equal(l->from_queue.nr, 1);
	free(l);
}

/* One value: each percentile is that value; with a longer one, no less. */
static void test_no_percentile_is_too_small(void **state)
{
	(void)state;
	for (uint64_t ns = 0; ns < 1ull << 61; ns += ns / 37 + 1) {
		struct lateness *l = with_one(0, ns);

		assert_int_equal(lateness_percentile(&l->from_queue, 500), ns);
		lateness_queued(l, 0, 1, 0);
		lateness_arrived(l, 0, 1 + 4 * ns + 4);
		assert_within(lateness_percentile(&l->from_queue, 500), ns,
			      ns + ns / 64);
		assert_int_equal(lateness_percentile(&l->from_queue, 999),
				 4 * ns + 4);
		free(l);
	}
}

static void test_percentiles_of_a_thousand(void **state)
{
	struct lateness *l = with_one(0, 1000);

	(void)state;
	for (uint64_t ns = 1; ns < 1000; ns++) {
		lateness_queued(l, 0, 1, 0);
		lateness_arrived(l, 0, 1 + ns);
	}
	assert_within(lateness_percentile(&l->from_due, 500), 500, 508);
	assert_within(lateness_percentile(&l->from_due, 990), 990, 1000);
	assert_within(lateness_percentile(&l->from_due, 999), 999, 1000);
	assert_int_equal(l->from_due.sum, 500500);
	free(l);
}

static void test_of_none_all_is_zero(void **state)
{
	struct lateness *l = lateness_new(1);

	(void)state;
	assert_int_equal(lateness_percentile(&l->from_due, 999), 0);
	free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_counts_from_due_only),
		cmocka_unit_test(test_the_end_is_no_nearer_than_the_last),
		cmocka_unit_test(test_what_has_no_schedule_is_left_out),
		cmocka_unit_test(test_no_percentile_is_too_small),
		cmocka_unit_test(test_percentiles_of_a_thousand),
		cmocka_unit_test(test_of_none_all_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
