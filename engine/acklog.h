/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ack_log=: what was acknowledged and what was synced of each part of a file,
 * in memory that outlives the process, so that it is known after a power cut
 * what must be there; and a stamp in all that is written, so that it is seen
 * what is there.  No fio types.
 *
 * The file is a struct acklog_head and a struct acklog_unit for each unit of
 * the range, in this machine's byte order.  Each write is a generation: its
 * number, and in the lowest 16 bits its units.  All of it is filled with
 * struct acklog_stamp.  Who reads the file once its writer has ended finds what
 * was in flight as tried > acked; and what must be there, at least, is acked
 * where at <= synced, else durable.
 *
 * Thread rule: that of the queue whose slots they are; one writer per file,
 * which a lock ensures.
 */
#ifndef KAIO_ACKLOG_H
#define KAIO_ACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACKLOG_MAGIC 0x676f6c6b63616b31ull /* "1kacklog" */
#define ACKLOG_SECTOR 512u		   /* bytes that have one place */
#define ACKLOG_UNITS_MAX 0xffffu	   /* of one write */

struct acklog_head {
	uint64_t magic;
	uint64_t key;	      /* random: tells this file's stamps apart */
	uint64_t start, unit; /* bytes; unit: a multiple of a sector */
	uint64_t units;	      /* how many follow */
	uint64_t writes;      /* the number of the last write */
	uint64_t acks;	      /* writes that came back */
	uint64_t synced;      /* up to which acknowledgement all is synced */
};

struct acklog_unit {
	uint64_t tried;	  /* the generation that was submitted last */
	uint64_t acked;	  /* that came back last */
	uint64_t at;	  /* acks, when it did */
	uint64_t durable; /* the last that is known to be synced */
};

/* What each 16 bytes of a sector hold. */
struct acklog_stamp {
	uint64_t generation, place; /* place: the key, ^ the sector's offset */
};

_Static_assert(sizeof(struct acklog_head) == 64, "as its readers have it");
_Static_assert(sizeof(struct acklog_unit) == 32, "as its readers have it");

/*
 * Both are volatile, as the writer may be killed between any two stores, which
 * must then be made in their order.
 */
struct acklog {
	volatile struct acklog_head *head;
	volatile struct acklog_unit *units;
	uint64_t *covers; /* [depth], by slot: what a sync in flight covers */
	size_t length;	  /* that is mapped */
	int fd;
	bool durable; /* each write is synced by itself (O_DSYNC, RWF_DSYNC) */
};

/* A part of a file, of which units are to be logged; bytes. */
struct acklog_range {
	uint64_t start, length, unit;
};

/*
 * Open the log at path, or make it for a range: of one that is there its own
 * range holds.  The log, or NULL with *err: -EINVAL for a unit that is no
 * multiple of a sector, -EBADMSG for a file that holds something else, -EBUSY
 * for one that another job writes, or as stats_file_open().
 */
struct acklog *acklog_open(const char *path, const struct acklog_range *range,
			   unsigned depth, int *err);
void acklog_close(struct acklog *log);

/* Of *err, in words. */
const char *acklog_error(int err);

/*
 * Stamp a write, which is about to be submitted.  0; -EINVAL if it is not of
 * whole units, or of more than ACKLOG_UNITS_MAX; -ERANGE if outside.
 */
int acklog_begin(struct acklog *log, void *buf, uint64_t offset, size_t length);

/* So many bytes of it have come back: whole units of them count. */
void acklog_acked(struct acklog *log, const void *buf, uint64_t offset,
		  size_t length);

/* A sync is about to be submitted, or has succeeded: it covers what was
 * acknowledged before it was submitted. */
static inline void acklog_sync_begin(struct acklog *log, unsigned slot)
{
	log->covers[slot] = log->head->acks;
}

static inline void acklog_synced(struct acklog *log, unsigned slot)
{
	if (log->covers[slot] > log->head->synced)
		log->head->synced = log->covers[slot];
}

#endif /* KAIO_ACKLOG_H */
