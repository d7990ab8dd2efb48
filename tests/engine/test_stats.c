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
#include "stats_file.h"

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

static const struct stats_job job = {
	.name = "a",
	.number = 2,
	.time_s = 3,
	.fio = "fio-3.33",
	.depth = 64,
	.reap = "ring",
	.spin_ns = 50000,
	.hold = 8,
	.refill = true,
	.why = {.forced = 0, .plain_ns = 250, .refilled_ns = 210},
};

static const struct queue_stats counts = {
	.submits = 2,
	.submitted = 3,
	.refused = 4,
	.eagain = 21,
	.enomem = 22,
	.eintr = 23,
	.partial = 5,
	.failed = 6,
	.getevents = 7,
	.got = 24,
	.waits = 8,
	.reaps = 3,
	.reaped = 10,
	.spin_hits = 11,
	.spin_misses = 12,
	.spun = 25,
	.batch = {1, 0, 2, 3, [10] = 4, [11] = UINT64_MAX},
	.arrived = 28,
	.stuck = 26,
	.stuck_max_ns = 27,
	.submit_ns = 1,
	.submit_max_ns = 14,
	.done_inside = 15,
	.run_ns = 3,
	.first_ns = 17,
};

static void test_text(void **state)
{
	char want[4096], *text = stats_text(&counts, &job);

	(void)state;
	snprintf(want, sizeof(want),
		 "{\"job\": \"a\", \"job_number\": 2, \"pid\": %d, "
		 "\"time\": 3, \"fio\": \"fio-3.33\", \"iodepth\": 64, "
		 "\"reap\": \"ring\", \"spin_ns\": 50000, "
		 "\"held_at_most\": 8, \"stamp\": \"after\", \"refill\": 1, "
		 "\"refill_forced\": 0, \"plain_call_ns\": 250, "
		 "\"refilled_call_ns\": 210, \"io_submit_calls\": 2, "
		 "\"ios_submitted\": 3, \"ios_per_submit\": {\"1\": 1, "
		 "\"3-4\": 2, \"5-8\": 3, \"513-1024\": 4, "
		 "\"1025+\": 18446744073709551615}, \"submits_partial\": 5, "
		 "\"submits_refused\": 4, \"submits_eagain\": 21, "
		 "\"submits_enomem\": 22, \"submits_eintr\": 23, "
		 "\"ios_failed_at_submit\": 6, \"ios_sent_again\": 0, "
		 "\"ring_reaps\": 3, "
		 "\"ring_events\": 10, \"events_per_reap\": 3.33, "
		 "\"spin_hits\": 11, \"spin_misses\": 12, "
		 "\"spin_events\": 25, \"io_getevents_calls\": 7, "
		 "\"io_getevents_events\": 24, \"epoll_and_read_calls\": 8, "
		 "\"arrival_events\": 28, "
		 "\"ios_stuck\": 26, \"stuck_max_ns\": 27, "
		 "\"submit_ns\": 1, \"submit_max_ns\": 14, \"run_ns\": 3, "
		 "\"submit_share\": 0.3333, \"ios_done_in_submit\": 15}\n",
		 (int)getpid());
	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
}

static void test_nothing_happened(void **state)
{
	const struct queue_stats s = {0};
	const struct stats_job learns = {
		.name = "", .fio = "", .reap = "ring", .spin_auto = true};
	char *text = stats_text(&s, &learns);

	(void)state;
	assert_non_null(text);
	assert_non_null(strstr(text, "{\"job\": \"\", "));
	assert_non_null(strstr(text, "\"spin_ns\": \"auto\", "));
	assert_non_null(strstr(text, "\"ios_per_submit\": {}"));
	assert_non_null(strstr(text, "\"events_per_reap\": 0.00"));
	assert_non_null(strstr(text, "\"submit_share\": 0.0000"));
	free(text);
}

static void named(const char *name, const char *want)
{
	const struct queue_stats s = {0};
	const struct stats_job one = {.name = name, .fio = "", .reap = ""};
	char *text = stats_text(&s, &one);

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
	named("\xc3\xa9 \xff", "{\"job\": \"\xc3\xa9 \\ufffd\", ");
	named("\xe2\x82\xac\xf0\x9f\x98\x80",
	      "{\"job\": \"\xe2\x82\xac\xf0\x9f\x98\x80\", ");
	/* Cut off, overlong, surrogates, too large. */
	named("\xe2\x82", "{\"job\": \"\\ufffd\\ufffd\", ");
	named("\xf0\x9f\x98", "{\"job\": \"\\ufffd\\ufffd\\ufffd\", ");
	named("\xc0\x80", "{\"job\": \"\\ufffd\\ufffd\", ");
	named("\xed\xa0\x80", "{\"job\": \"\\ufffd\\ufffd\\ufffd\", ");
	named("\xf4\x90\x80\x80",
	      "{\"job\": \"\\ufffd\\ufffd\\ufffd\\ufffd\", ");
	named("%s%n", "{\"job\": \"%s%n\", ");
	memset(longest, 'n', sizeof(longest) - 1);
	named(longest, "{\"job\": \"nnnnnnnn");
}

/* --- numbers --- */

static void test_submit_time(void **state)
{
	struct queue_stats s = {0};

	(void)state;
	stats_runs(&s, 900);
	assert_int_equal(s.run_ns, 0);
	stats_submit_time(&s, 1000, 1100, 0);
	stats_submit_time(&s, 1500, 1900, 0);
	stats_submit_time(&s, 1940, 2000, 10);
	assert_int_equal(s.submit_ns, 550);
	assert_int_equal(s.submit_max_ns, 400);
	assert_int_equal(s.run_ns, 1000);
	stats_runs(&s, 2100);
	assert_true(stats_submit_share(&s) == 0.5);
	/* Clocks that disagree, or are set back: nothing below 0. */
	stats_submit_time(&s, 2100, 2110, 11);
	assert_int_equal(s.submit_ns, 550);
	stats_submit_time(&s, 2200, 900, 0);
	assert_int_equal(s.submit_ns, 550);
	assert_int_equal(s.submit_max_ns, 400);
	assert_int_equal(s.run_ns, 0);
}

static void test_add(void **state)
{
	struct queue_stats s = {.submits = 1,
				.submit_max_ns = 5,
				.run_ns = 7,
				.stuck_max_ns = 8};
	const struct queue_stats worker = {.submits = 2,
					   .submit_max_ns = 4,
					   .run_ns = 6,
					   .batch = {3},
					   .stuck_max_ns = 7};

	(void)state;
	stats_add(&s, &worker);
	assert_int_equal(s.submits, 3);
	assert_int_equal(s.batch[0], 3);
	assert_int_equal(s.run_ns, 13);
	assert_int_equal(s.submit_max_ns, 5);
	assert_int_equal(s.stuck_max_ns, 8);
}

static void test_kinds_of_refusal(void **state)
{
	const int results[] = {-EAGAIN, -ENOMEM, -ENOMEM, -EINTR, -EBADF, 0, 1};
	struct queue_stats s = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++)
		stats_submitted(&s, 2, results[i]);
	assert_int_equal(s.submits, 7);
	assert_int_equal(s.eagain, 1);
	assert_int_equal(s.enomem, 2);
	assert_int_equal(s.eintr, 1);
	assert_int_equal(s.submitted, 1);
	assert_int_equal(s.partial, 1);
}

/* --- the file --- */

static size_t size_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return (size_t)st.st_size;
}

static int append(const char *text, const char *path)
{
	int fd = stats_file_open(path, O_WRONLY | O_APPEND), ret;

	if (fd < 0)
		return fd;
	ret = stats_file_append(fd, text);
	return close(fd) ? -errno : ret;
}

static void test_appends(void **state)
{
	char got[64];
	FILE *file;

	(void)state;
	assert_int_equal(append("{\"a\": 1}\n", in("file")), 0);
	assert_int_equal(size_of(in("file")), 9);
	assert_int_equal(append("{}\n", in("file")), 0);
	assert_int_equal(size_of(in("file")), 12);
	file = fopen(in("file"), "re");
	assert_non_null(file);
	assert_non_null(fgets(got, sizeof(got), file));
	assert_string_equal(got, "{\"a\": 1}\n");
	assert_non_null(fgets(got, sizeof(got), file));
	assert_string_equal(got, "{}\n");
	fclose(file);
}

/* Neither followed, nor replaced, nor made where it dangles. */
static void test_symlink(void **state)
{
	char target[128];

	(void)state;
	snprintf(target, sizeof(target), "%s", in("target"));
	assert_int_equal(symlink(target, in("link")), 0);
	assert_int_equal(append("{}\n", in("link")), -ELOOP);
	assert_int_equal(access(target, F_OK), -1);
	close(open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	assert_int_equal(append("{}\n", in("link")), -ELOOP);
	assert_int_equal(size_of(target), 0);
	assert_int_equal(size_of(in("link")), strlen(target));
}

/* To a folder on the way; real folders and .. are none. */
static void test_linked_folder(void **state)
{
	char path[140];

	(void)state;
	assert_int_equal(mkdir(in("real"), 0700), 0);
	assert_int_equal(symlink("real", in("way")), 0);
	snprintf(path, sizeof(path), "%s/s.json", in("way"));
	assert_int_equal(append("{}\n", path), -ELOOP);
	assert_int_equal(access(in("real/s.json"), F_OK), -1);
	assert_non_null(strstr(stats_file_error(-ELOOP), "symbolic link"));
	assert_int_equal(append("{}\n", in("real//../real/s.json")), 0);
	assert_int_equal(size_of(in("real/s.json")), 3);
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(append("{}\n", "real/s.json"), 0);
	assert_int_equal(append("{}\n", "way/s.json"), -ELOOP);
	assert_int_equal(append("{}\n", "s.json"), 0);
	assert_int_equal(size_of(in("s.json")), 3);
	assert_int_equal(append("{}\n", "s.json/"), -ENOTDIR);
	assert_int_equal(append("{}\n", "s.json/x"), -ENOTDIR);
	assert_int_equal(append("{}\n", "real/"), -EISDIR);
	assert_int_equal(size_of(in("real/s.json")), 6);
	assert_int_equal(unlink("real/s.json") | rmdir("real"), 0);
	assert_int_equal(unlink("s.json") | unlink("way") | chdir("/"), 0);
}

static void test_where_no_file_can_be(void **state)
{
	(void)state;
	assert_int_equal(append("{}\n", folder), -EISDIR);
	assert_int_equal(append("{}\n", in("no/file")), -ENOENT);
	assert_int_equal(append("{}\n", "/dev/full"), -ENOSPC);
	assert_int_equal(append("{}\n", ""), -ENOENT);
}

/* A pipe that nobody reads must not hold the job. */
static void test_fifo(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(in("fifo"), 0600), 0);
	assert_int_equal(append("{}\n", in("fifo")), -ENXIO);
	unlink(in("fifo"));
}

/* As long as an object of statistics. */
static char line[1024];

static void *save_many(void *path)
{
	for (int i = 0; i < 200; i++)
		if (append(line, path))
			return path;
	return NULL;
}

/* Eight jobs at once: no line is torn. */
static void test_single_writes(void **state)
{
	char path[128], got[4096];
	pthread_t threads[8];
	int lines = 0;
	FILE *file;

	(void)state;
	memset(line, 'x', sizeof(line) - 2);
	line[sizeof(line) - 2] = '\n';
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
		assert_string_equal(got, line);
	fclose(file);
	assert_int_equal(lines, 8 * 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_nothing_happened),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_submit_time),
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_kinds_of_refusal),
		cmocka_unit_test(test_appends),
		cmocka_unit_test(test_symlink),
		cmocka_unit_test(test_linked_folder),
		cmocka_unit_test(test_where_no_file_can_be),
		cmocka_unit_test(test_fifo),
		cmocka_unit_test(test_single_writes),
	};

	return cmocka_run_group_tests_name("stats", tests, setup, teardown);
}
