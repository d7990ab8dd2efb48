// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log of acknowledged writes and completed syncs; see acklog.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acklog.h"
#include "stats_file.h"

static int lock(int fd)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &all) ? -EBUSY : 0;
}

/* Of a file that is empty.  0 or -errno; all of it is there then. */
static int make(int fd, const struct acklog_range *range)
{
	struct acklog_head head = {
		.magic = ACKLOG_MAGIC,
		.start = range->start,
		.unit = range->unit,
	};
	int err;

	if (!range->unit || range->unit % ACKLOG_SECTOR)
		return -EINVAL;
	head.units = range->length / range->unit;
	if (getrandom(&head.key, sizeof(head.key), 0) != sizeof(head.key))
		return -EIO;
	err = posix_fallocate(fd, 0,
			      (off_t)(sizeof(head) +
				      head.units * sizeof(struct acklog_unit)));
	if (err)
		return -err;
	return pwrite(fd, &head, sizeof(head), 0) == sizeof(head) ? 0 : -EIO;
}

/* Does the file, of so many bytes, hold a log? */
static bool is_log(int fd, uint64_t bytes)
{
	struct acklog_head head;

	return pread(fd, &head, sizeof(head), 0) == sizeof(head) &&
	       head.magic == ACKLOG_MAGIC && head.unit &&
	       head.unit % ACKLOG_SECTOR == 0 &&
	       head.units ==
		       (bytes - sizeof(head)) / sizeof(struct acklog_unit);
}

/* Its bytes, or -errno. */
static int64_t ready(int fd, const struct acklog_range *range)
{
	struct stat st;
	int ret = lock(fd);

	if (!ret && fstat(fd, &st))
		ret = -errno;
	if (!ret && !st.st_size)
		ret = make(fd, range);
	if (!ret && fstat(fd, &st))
		ret = -errno;
	if (ret)
		return ret;
	return is_log(fd, (uint64_t)st.st_size) ? st.st_size : -EBADMSG;
}

/* 0 or -errno. */
static int map(struct acklog *log, const struct acklog_range *range)
{
	int64_t bytes = ready(log->fd, range);
	void *at;

	if (bytes < 0)
		return (int)bytes;
	at = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		  log->fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	log->length = (size_t)bytes;
	log->head = at;
	log->units = (void *)((char *)at + sizeof(*log->head));
	return 0;
}

struct acklog *acklog_open(const char *path, const struct acklog_range *range,
			   unsigned depth, int *err)
{
	struct acklog *log = calloc(1, sizeof(*log));

	*err = -ENOMEM;
	if (!log)
		return NULL;
	log->fd = -1;
	log->covers = calloc(depth, sizeof(*log->covers));
	if (log->covers)
		*err = log->fd = stats_file_open(path, O_RDWR);
	if (log->fd >= 0)
		*err = map(log, range);
	if (!*err)
		return log;
	acklog_close(log);
	return NULL;
}

void acklog_close(struct acklog *log)
{
	if (!log)
		return;
	if (log->length)
		munmap((void *)log->head, log->length);
	if (log->fd >= 0)
		close(log->fd);
	free(log->covers);
	free(log);
}

const char *acklog_error(int err)
{
	if (err == -EINVAL)
		return "the smallest write of the job is no multiple of 512 "
		       "bytes; give it such a bs";
	if (err == -EBADMSG)
		return "the file holds something else; name another, or one "
		       "that is not there yet";
	if (err == -EBUSY)
		return "another job keeps its own there; name a file for each";
	return stats_file_error(err);
}

/* The buffer need not be aligned. */
static void stamp(struct acklog *log, char *buf, uint64_t offset, size_t length,
		  uint64_t generation)
{
	struct acklog_stamp one = {.generation = generation};

	for (size_t at = 0; at < length; at += sizeof(one)) {
		if (at % ACKLOG_SECTOR == 0)
			one.place = log->head->key ^ (offset + at);
		memcpy(buf + at, &one, sizeof(one));
	}
}

int acklog_begin(struct acklog *log, void *buf, uint64_t offset, size_t length)
{
	volatile struct acklog_head *head = log->head;
	uint64_t first = (offset - head->start) / head->unit;
	uint64_t nr = length / head->unit, generation;

	if ((offset - head->start) % head->unit || length % head->unit ||
	    nr > ACKLOG_UNITS_MAX)
		return -EINVAL;
	if (offset < head->start || first + nr > head->units)
		return -ERANGE;
	generation = ++head->writes << 16 | nr;
	stamp(log, buf, offset, length, generation);
	for (uint64_t i = first; i < first + nr; i++)
		log->units[i].tried = generation;
	return 0;
}

/*
 * At each moment what the unit says must be there is no more than what was
 * acknowledged and synced: at moves before acked.
 */
void acklog_acked(struct acklog *log, const void *buf, uint64_t offset,
		  size_t length)
{
	volatile struct acklog_head *head = log->head;
	uint64_t first = (offset - head->start) / head->unit;
	uint64_t acks = ++head->acks;
	struct acklog_stamp one;

	memcpy(&one, buf, sizeof(one));
	for (uint64_t i = first; i < first + length / head->unit; i++) {
		volatile struct acklog_unit *unit = &log->units[i];

		if (unit->at <= head->synced)
			unit->durable = unit->acked;
		unit->at = acks;
		unit->acked = one.generation;
		if (log->durable)
			unit->durable = one.generation;
	}
}
