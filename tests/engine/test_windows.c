// SPDX-License-Identifier: GPL-2.0-only
/*
 * Latencies second by second: where each is counted, over all orders of
 * magnitude; seconds without I/Os; and what becomes of more windows than there
 * is room for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "windows.h"

#define SECOND 1000000000ull
#define START (1ull << 40)

static struct windows *begun(void)
{
	struct windows *w = windows_new(SECOND);

	assert_non_null(w);
	assert_false(w->start);
	windows_begin(w, START, 5);
	return w;
}

static uint64_t total(const struct windows *w)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < w->nr; i++)
		for (unsigned k = 0; k < WINDOWS_BUCKETS; k++)
			sum += w->each[i].count[k];
	return sum;
}

static unsigned only_bucket(struct window *one)
{
	unsigned k = 0;

	while (k < WINDOWS_BUCKETS && !one->count[k])
		k++;
	assert_true(k < WINDOWS_BUCKETS);
	assert_int_equal(one->count[k], 1);
	one->count[k] = 0;
	return k;
}

/* In a bucket that ends at it or behind it, by 1/16 at most. */
static void test_each_is_counted_where_it_belongs(void **state)
{
	struct windows *w = begun();

	(void)state;
	for (uint64_t ns = 0; ns < 1ull << 37; ns += ns / 97 + 1) {
		unsigned k;

		windows_count(w, START, ns);
		k = only_bucket(&w->each[0]);
		assert_true(ns <= windows_bucket_end(k));
		assert_true(!k || ns > windows_bucket_end(k - 1));
		if (ns > 1 << WINDOWS_FROM)
			assert_true(windows_bucket_end(k) - ns <= ns / 16);
	}
	windows_count(w, START, UINT64_MAX);
	assert_int_equal(only_bucket(&w->each[0]), WINDOWS_BUCKETS - 1);
	assert_true(w->each[0].max == UINT64_MAX);
	free(w);
}

static void test_a_pause_is_seconds_without_any(void **state)
{
	struct windows *w = begun();

	(void)state;
	windows_count(w, START, 2000);
	windows_count(w, START + SECOND - 1, 3000);
	windows_count(w, START + 21 * SECOND, 20 * SECOND);
	assert_int_equal(w->nr, 22);
	assert_int_equal(w->each[0].max, 3000);
	for (unsigned i = 1; i < 21; i++)
		assert_int_equal(w->each[i].max, 0);
	assert_true(w->each[21].max == 20 * SECOND);
	assert_int_equal(total(w), 3);
	free(w);
}

/* Nothing is lost, and what was longest stays where it was. */
static void test_two_become_one(void **state)
{
	struct windows *w = begun();
	const uint64_t count = 3 * WINDOWS_MOST + 5;

	(void)state;
	for (uint64_t i = 0; i < count; i++)
		windows_count(w, START + i * SECOND, i == 1000 ? 77777 : 1500);
	assert_true(w->width == 4 * SECOND);
	assert_int_equal(w->nr, (count + 3) / 4);
	assert_int_equal(total(w), count);
	for (unsigned i = 0; i < w->nr; i++)
		assert_int_equal(w->each[i].max, i == 250 ? 77777 : 1500);
	free(w);
}

/* Far behind the last at once, too. */
static void test_a_long_pause_makes_them_wide(void **state)
{
	struct windows *w = begun();

	(void)state;
	windows_count(w, START, 1500);
	windows_count(w, START + 9 * WINDOWS_MOST * SECOND, 1500);
	assert_true(w->width == 16 * SECOND);
	assert_int_equal(w->nr, 9 * WINDOWS_MOST / 16 + 1);
	assert_int_equal(total(w), 2);
	free(w);
}

static void test_it_prints_what_is_there(void **state)
{
	char text[300] = "";
	struct windows *w = begun();
	FILE *out = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_non_null(out);
	windows_count(w, START, 1000);
	windows_count(w, START + 2 * SECOND, 1024);
	windows_count(w, START + 2 * SECOND, 1025);
	windows_count(w, START + 2 * SECOND, 1 << 20);
	windows_print(w, out);
	fclose(out);
	assert_string_equal(text, ", \"lat_windows\": {\"begin_ns\": 5, "
				  "\"width_ns\": 1000000000, \"windows\": ["
				  "[0, 1000, [[1023, 1]]], "
				  "[2, 1048576, [[1087, 2], [1114111, 1]]]]}");
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_counted_where_it_belongs),
		cmocka_unit_test(test_a_pause_is_seconds_without_any),
		cmocka_unit_test(test_two_become_one),
		cmocka_unit_test(test_a_long_pause_makes_them_wide),
		cmocka_unit_test(test_it_prints_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
