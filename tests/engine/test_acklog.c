// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log of ack_log=: what must be there of each unit after each step, the
 * stamps, and what a log refuses.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "acklog.h"

#define UNIT 4096
#define START 8192
#define DEPTH 4

static const struct acklog_range range = {
	.start = START, .length = 16 * UNIT + 100, .unit = UNIT};

struct lab {
	char path[64];
	struct acklog *log;
	char buf[4 * UNIT];
};

static struct acklog *opened(const char *path)
{
	int err;
	struct acklog *log = acklog_open(path, &range, DEPTH, &err);

	assert_non_null(log);
	assert_int_equal(err, 0);
	return log;
}

static int set_up(void **state)
{
	static struct lab lab;
	int fd;

	snprintf(lab.path, sizeof(lab.path), "/dev/shm/kaio-ack-XXXXXX");
	fd = mkstemp(lab.path);
	assert_true(fd >= 0);
	close(fd);
	lab.log = opened(lab.path);
	*state = &lab;
	return 0;
}

static int tear_down(void **state)
{
	struct lab *lab = *state;

	acklog_close(lab->log);
	unlink(lab->path);
	return 0;
}

/* A write of nr units has been submitted: its generation. */
static uint64_t begun(struct lab *lab, unsigned unit, unsigned nr)
{
	assert_int_equal(acklog_begin(lab->log, lab->buf, START + unit * UNIT,
				      nr * UNIT),
			 0);
	return lab->log->units[unit].tried;
}

static void acked(struct lab *lab, unsigned unit, unsigned nr)
{
	acklog_acked(lab->log, lab->buf, START + unit * UNIT, nr * UNIT);
}

/* What must be there, at least. */
static uint64_t least(const struct lab *lab, unsigned unit)
{
	volatile struct acklog_unit *u = &lab->log->units[unit];

	return u->at <= lab->log->head->synced ? u->acked : u->durable;
}

static void test_each_step(void **state)
{
	struct lab *lab = *state;
	uint64_t first = begun(lab, 3, 2), second;

	assert_int_equal(first, 1 << 16 | 2);
	assert_int_equal(least(lab, 3), 0);
	acked(lab, 3, 2);
	assert_int_equal(least(lab, 3), 0);
	acklog_sync_begin(lab->log, 1);
	second = begun(lab, 4, 1);
	acked(lab, 4, 1);
	assert_int_equal(least(lab, 4), 0);
	acklog_synced(lab->log, 1);
	assert_int_equal(least(lab, 3), first);
	assert_int_equal(lab->log->units[4].acked, second);
	assert_int_equal(least(lab, 2) | least(lab, 5), 0);
	acklog_sync_begin(lab->log, 1);
	acklog_synced(lab->log, 1);
	assert_int_equal(least(lab, 4), second);
	begun(lab, 4, 1);
	acked(lab, 4, 1);
	assert_int_equal(least(lab, 4), second);
}

/* The one that was submitted first may come back last. */
static void test_an_older_sync_takes_nothing_back(void **state)
{
	struct lab *lab = *state;
	uint64_t one;

	acklog_sync_begin(lab->log, 0);
	one = begun(lab, 0, 1);
	acked(lab, 0, 1);
	acklog_sync_begin(lab->log, 1);
	acklog_synced(lab->log, 1);
	acklog_synced(lab->log, 0);
	assert_int_equal(least(lab, 0), one);
}

static void test_writes_that_sync_themselves(void **state)
{
	struct lab *lab = *state;
	uint64_t one;

	lab->log->durable = true;
	one = begun(lab, 0, 1);
	assert_int_equal(least(lab, 0), 0);
	acked(lab, 0, 1);
	assert_int_equal(least(lab, 0), one);
}

/* Of a short write the rest may be there or not. */
static void test_a_short_write(void **state)
{
	struct lab *lab = *state;
	uint64_t one;

	lab->log->durable = true;
	one = begun(lab, 0, 3);
	acklog_acked(lab->log, lab->buf, START, 2 * UNIT - 512);
	assert_int_equal(least(lab, 0), one);
	assert_int_equal(least(lab, 1) | least(lab, 2), 0);
	assert_int_equal(lab->log->units[2].tried, one);
}

static void test_the_stamps(void **state)
{
	struct lab *lab = *state;
	uint64_t one = begun(lab, 5, 2);
	struct acklog_stamp stamp;

	for (size_t at = 0; at < 2 * UNIT; at += sizeof(stamp)) {
		memcpy(&stamp, lab->buf + at, sizeof(stamp));
		assert_int_equal(stamp.generation, one);
		assert_int_equal(stamp.place ^ lab->log->head->key,
				 START + 5 * UNIT + at / 512 * 512);
	}
}

static void test_what_is_outside(void **state)
{
	struct lab *lab = *state;
	static char much[1];

	assert_int_equal(acklog_begin(lab->log, lab->buf, START + 512, UNIT),
			 -EINVAL);
	assert_int_equal(acklog_begin(lab->log, lab->buf, START, 512), -EINVAL);
	assert_int_equal(acklog_begin(lab->log, lab->buf, START - UNIT, UNIT),
			 -ERANGE);
	assert_int_equal(
		acklog_begin(lab->log, lab->buf, START + 15 * UNIT, 2 * UNIT),
		-ERANGE);
	assert_int_equal(
		acklog_begin(lab->log, much, START, (size_t)0x10000 * UNIT),
		-EINVAL);
	assert_int_equal(lab->log->head->writes, 0);
}

static void test_it_goes_on(void **state)
{
	struct lab *lab = *state;
	uint64_t key = lab->log->head->key, one = begun(lab, 3, 1);
	const struct acklog_range other = {.length = UNIT, .unit = 512};
	int err;

	acked(lab, 3, 1);
	acklog_close(lab->log);
	lab->log = acklog_open(lab->path, &other, DEPTH, &err);
	assert_non_null(lab->log);
	assert_int_equal(lab->log->head->key, key);
	assert_int_equal(lab->log->head->unit, UNIT);
	assert_int_equal(lab->log->units[3].acked, one);
	assert_true(begun(lab, 3, 1) > one);
}

static void refused(const char *path, const struct acklog_range *of, int why)
{
	int err = 0;

	assert_null(acklog_open(path, of, DEPTH, &err));
	assert_int_equal(err, why);
	assert_true(strlen(acklog_error(err)) > 10);
}

static void test_what_it_refuses(void **state)
{
	struct lab *lab = *state;
	const struct acklog_range odd = {.length = 8192, .unit = 1000},
				  none = {.length = 8192};

	refused(lab->path, &range, -EBUSY);
	acklog_close(lab->log);
	lab->log = NULL;
	assert_int_equal(truncate(lab->path, 100), 0);
	refused(lab->path, &range, -EBADMSG);
	assert_int_equal(truncate(lab->path, 0), 0);
	refused(lab->path, &odd, -EINVAL);
	refused(lab->path, &none, -EINVAL);
	assert_int_equal(truncate(lab->path, 1000), 0);
	refused(lab->path, &range, -EBADMSG);
	refused("/dev/shm", &range, -EISDIR);
	refused("/dev/shm/none/such", &range, -ENOENT);
}

/* Each place is as its readers have it. */
static void test_the_layout(void **state)
{
	(void)state;
	assert_int_equal(offsetof(struct acklog_head, writes), 40);
	assert_int_equal(offsetof(struct acklog_head, synced), 56);
	assert_int_equal(offsetof(struct acklog_unit, acked), 8);
	assert_int_equal(offsetof(struct acklog_unit, durable), 24);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_each_step),
		CASE(test_an_older_sync_takes_nothing_back),
		CASE(test_writes_that_sync_themselves),
		CASE(test_a_short_write),
		CASE(test_the_stamps),
		CASE(test_what_is_outside),
		CASE(test_it_goes_on),
		CASE(test_what_it_refuses),
		cmocka_unit_test(test_the_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
