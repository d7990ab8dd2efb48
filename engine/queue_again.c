// SPDX-License-Identifier: GPL-2.0-only
/*
 * Second tries of a queue; see queue.h: what would have blocked under
 * RWF_NOWAIT goes to the front of the queue without that flag.  A buffered
 * read may find its first pages in the page cache and not the next: then only
 * the rest is sent again, as a device may not take the same write twice.
 * Source: io_uring_enter(2) and preadv2(2) on RWF_NOWAIT; fs/aio.c of Linux,
 * where EAGAIN of such a request is a completion, and never io_submit()'s.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "libaio.h"
#include "queue.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

static bool is_vectored(const struct iocb *iocb)
{
	return iocb->aio_lio_opcode == IO_CMD_PREADV ||
	       iocb->aio_lio_opcode == IO_CMD_PWRITEV;
}

/* Not all of it is done, and what is not may be for want of blocking. */
static bool would_block(const struct queue *q, unsigned slot, long res)
{
	const struct iocb *iocb = &q->iocbs[slot];

	if (!(iocb->aio_rw_flags & RWF_NOWAIT))
		return false;
	return res == -EAGAIN ||
	       (res >= 0 &&
		(size_t)res < (is_vectored(iocb) ? q->iovecs[slot].iov_len
						 : iocb->u.c.nbytes));
}

/* The same request, without its first bytes. */
static void cut(struct queue *q, unsigned slot, size_t bytes)
{
	struct iocb *iocb = &q->iocbs[slot];
	struct iovec *iov = &q->iovecs[slot];

	iocb->u.c.offset += (long long)bytes;
	if (is_vectored(iocb)) {
		iov->iov_base = (char *)iov->iov_base + bytes;
		iov->iov_len -= bytes;
	} else {
		iocb->u.c.buf = (char *)iocb->u.c.buf + bytes;
		iocb->u.c.nbytes -= bytes;
	}
}

/* To the front of what is queued, behind those that are there already. */
static void put_first(struct queue *q, struct iocb *iocb)
{
	struct iocb **at = q->pending + q->first;

	if (q->first) {
		memmove(at - 1, at, q->again * sizeof(*at));
		q->first--;
	} else {
		memmove(at + q->again + 1, at + q->again,
			(q->queued - q->again) * sizeof(*at));
	}
	q->pending[q->first + q->again++] = iocb;
	q->queued++;
}

long queue_result(struct queue *q, unsigned slot, long res)
{
	size_t done = q->done ? q->done[slot] : 0;

	if (!done)
		return res;
	q->done[slot] = 0;
	return (long)done + (res > 0 ? res : 0);
}

unsigned queue_again(struct queue *q, struct io_event *events, unsigned nr)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < nr; i++) {
		unsigned slot = (unsigned)(events[i].obj - q->iocbs);
		long res = (long)events[i].res;

		if (would_block(q, slot, res)) {
			q->done[slot] = res > 0 ? (size_t)res : 0;
			cut(q, slot, q->done[slot]);
			q->iocbs[slot].aio_rw_flags &= ~(unsigned)RWF_NOWAIT;
			q->stats.again++;
			put_first(q, &q->iocbs[slot]);
			continue;
		}
		events[kept] = events[i];
		events[kept++].res = (unsigned long)queue_result(q, slot, res);
	}
	return kept;
}
