// SPDX-License-Identifier: GPL-2.0-only
/*
 * The statistics as JSON, to the letter, and how they get into a file: whole
 * lines, each in one write, and never through a symbolic link.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "stats.h"

static char folder[] = "/tmp/kaio-stats-XXXXXX";

/* A path in the folder; valid until the next call. */
static const char *in(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = {"file", "link", "target", "many"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(in(names[i]));
	return rmdir(folder);
}

/* --- text --- */

static void is(const struct queue_stats *s, const char *job, const char *want)
{
	char whole[4096], *text = stats_text(s, job);

	snprintf(whole, sizeof(whole), want, (int)getpid());
	assert_non_null(text);
	assert_string_equal(text, whole);
	free(text);
}

static void test_text(void **state)
{
	const struct queue_stats s = {
		.submits = 2,
		.submitted = 3,
		.refused = 4,
		.partial = 5,
		.failed = 6,
		.getevents = 7,
		.waits = 8,
		.reaps = 3,
		.reaped = 10,
		.spin_hits = 11,
		.spin_misses = 12,
		.batch = {1, 0, 2, 3, [10] = 4, [11] = UINT64_MAX},
		.submit_ns = 1,
		.submit_max_ns = 14,
		.done_inside = 15,
		.run_ns = 3,
		.first_ns = 17};

	(void)state;
	is(&s, "a",
	   "{\"job\": \"a\", \"pid\": %d, \"io_submit_calls\": 2, "
	   "\"io_getevents_calls\": 7, \"epoll_and_read_calls\": 8, "
	   "\"ios_submitted\": 3, \"ios_per_submit\": {\"1\": 1, \"3-4\": 2, "
	   "\"5-8\": 3, \"513-1024\": 4, \"1025+\": 18446744073709551615}, "
	   "\"submits_refused\": 4, \"submits_partial\": 5, "
	   "\"ios_failed_at_submit\": 6, \"ring_reaps\": 3, "
	   "\"ring_events\": 10, \"events_per_reap\": 3.33, "
	   "\"spin_hits\": 11, \"spin_misses\": 12, \"submit_ns\": 1, "
	   "\"submit_max_ns\": 14, \"run_ns\": 3, \"submit_share\": 0.3333, "
	   "\"ios_done_in_submit\": 15}\n");
}

static void test_nothing_happened(void **state)
{
	const struct queue_stats s = {0};
	char *text = stats_text(&s, "");

	(void)state;
	assert_non_null(text);
	assert_non_null(strstr(text, "{\"job\": \"\", "));
	assert_non_null(strstr(text, "\"ios_per_submit\": {}"));
	assert_non_null(strstr(text, "\"events_per_reap\": 0.00"));
	assert_non_null(strstr(text, "\"submit_share\": 0.0000"));
	free(text);
}

static void named(const char *job, const char *want)
{
	const struct queue_stats s = {0};
	char *text = stats_text(&s, job);

	assert_non_null(text);
	assert_memory_equal(text, want, strlen(want));
	assert_string_equal(text + strlen(text) - 2, "}\n");
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
}

/* A job's name is whatever stands between [ and ]. */
static void test_names(void **state)
{
	static char longest[5000];

	(void)state;
	named("two words", "{\"job\": \"two words\", ");
	named("a\"b\\c/", "{\"job\": \"a\\\"b\\\\c/\", ");
	named("\n\t\r\x01\x1f\x7f",
	      "{\"job\": \"\\u000a\\u0009\\u000d\\u0001\\u001f\\u007f\", ");
	named("\xc3\xa9 \xff", "{\"job\": \"\\u00c3\\u00a9 \\u00ff\", ");
	named("%s%n", "{\"job\": \"%s%n\", ");
	memset(longest, 'n', sizeof(longest) - 1);
	named(longest, "{\"job\": \"nnnnnnnn");
}

/* --- numbers --- */

static void test_submit_time(void **state)
{
	struct queue_stats s = {0};

	(void)state;
	stats_submit_time(&s, 1000, 1100, 2);
	stats_submit_time(&s, 1500, 1900, -3);
	stats_submit_time(&s, 1950, 2000, 1);
	assert_int_equal(s.submit_ns, 550);
	assert_int_equal(s.submit_max_ns, 400);
	assert_int_equal(s.run_ns, 1000);
	assert_int_equal(s.done_inside, 3);
	assert_true(stats_submit_share(&s) == 0.55);
}

/* --- the file --- */

static int save(const char *job, const char *path)
{
	const struct queue_stats s = {.submits = 1};

	return stats_save(&s, job, path);
}

static size_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return (size_t)st.st_size;
}

static void test_appends(void **state)
{
	const struct queue_stats s = {.submits = 1};
	char *one = stats_text(&s, "a"), got[4096];
	FILE *file;

	(void)state;
	assert_int_equal(save("a", in("file")), 0);
	assert_int_equal(size_of(in("file")), strlen(one));
	assert_int_equal(save("b", in("file")), 0);
	assert_int_equal(size_of(in("file")), 2 * strlen(one));
	file = fopen(in("file"), "re");
	assert_non_null(file);
	assert_non_null(fgets(got, sizeof(got), file));
	assert_string_equal(got, one);
	assert_non_null(fgets(got, sizeof(got), file));
	assert_memory_equal(got, "{\"job\": \"b\"", 11);
	fclose(file);
	free(one);
}

/* Neither followed, nor replaced, nor made where it dangles. */
static void test_symlink(void **state)
{
	char target[128];

	(void)state;
	snprintf(target, sizeof(target), "%s", in("target"));
	assert_int_equal(symlink(target, in("link")), 0);
	assert_int_equal(save("a", in("link")), -ELOOP);
	assert_int_equal(access(target, F_OK), -1);
	close(open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	assert_int_equal(save("a", in("link")), -ELOOP);
	assert_int_equal(size_of(target), 0);
	assert_int_equal(size_of(in("link")), strlen(target));
}

static void test_where_no_file_can_be(void **state)
{
	(void)state;
	assert_int_equal(save("a", folder), -EISDIR);
	assert_int_equal(save("a", in("no/file")), -ENOENT);
	assert_int_equal(save("a", "/dev/full"), -ENOSPC);
	assert_int_equal(save("a", ""), -ENOENT);
}

/* A pipe that nobody reads must not hold the job. */
static void test_fifo(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(in("fifo"), 0600), 0);
	assert_int_equal(save("a", in("fifo")), -ENXIO);
	unlink(in("fifo"));
}

static void *save_many(void *path)
{
	const struct queue_stats s = {.submits = 1};

	for (int i = 0; i < 200; i++)
		if (stats_save(&s, "many", path))
			return path;
	return NULL;
}

/* Eight jobs at once: no line is torn. */
static void test_single_writes(void **state)
{
	const struct queue_stats s = {.submits = 1};
	char path[128], got[4096], *one = stats_text(&s, "many");
	pthread_t threads[8];
	int lines = 0;
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s", in("many"));
	for (int i = 0; i < 8; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, save_many, path), 0);
	for (int i = 0; i < 8; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	file = fopen(path, "re");
	assert_non_null(file);
	for (; fgets(got, sizeof(got), file); lines++)
		assert_string_equal(got, one);
	fclose(file);
	free(one);
	assert_int_equal(lines, 8 * 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_nothing_happened),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_submit_time),
		cmocka_unit_test(test_appends),
		cmocka_unit_test(test_symlink),
		cmocka_unit_test(test_where_no_file_can_be),
		cmocka_unit_test(test_fifo),
		cmocka_unit_test(test_single_writes),
	};

	return cmocka_run_group_tests_name("stats", tests, setup, teardown);
}
