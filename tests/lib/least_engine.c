/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The least that an engine can take under fio, to compare kaio with: reads
 * alone, one io_submit of one iocb in commit and the ring in getevents, without
 * a look at errors; or with LEAST=fifo no system call at all, and io_us come
 * back in turn, depth I/Os later.
 *
 *	gcc -shared -fPIC -O2 -D_GNU_SOURCE -Iaio -include \
 *	build/fio/config-host.h -isystem build/fio -o /tmp/least.so \
 *	tests/lib/least_engine.c build/libaio.a -Wl,--exclude-libs,ALL
 */
#include <fio.h>

#include "libaio.h"
#include "libaio_ext.h"

struct least {
	io_context_t ctx;
	struct iocb *iocbs;
	struct io_u **fifo, *pending;
	struct io_event *events;
	unsigned int head, count, depth;
	bool calls;
};

static int least_init(struct thread_data *td)
{
	struct least *l = calloc(1, sizeof(*l));

	if (!l)
		return 1;
	td->io_ops_data = l;
	l->depth = td->o.iodepth;
	l->calls = !getenv("LEAST");
	l->iocbs = calloc(l->depth, sizeof(*l->iocbs));
	l->fifo = calloc(l->depth, sizeof(*l->fifo));
	l->events = calloc(l->depth, sizeof(*l->events));
	if (!l->iocbs || !l->fifo || !l->events)
		return 1;
	if (l->calls && io_setup((int)l->depth, &l->ctx))
		return 1;
	if (l->calls)
		io_ring_disable(l->ctx); /* one consumer, as in the engine */
	return 0;
}

static enum fio_q_status least_queue(struct thread_data *td, struct io_u *io_u)
{
	struct least *l = td->io_ops_data;

	if (l->count == l->depth || l->pending)
		return FIO_Q_BUSY;
	l->fifo[(l->head + l->count) % l->depth] = io_u;
	l->count++;
	l->pending = io_u;
	return FIO_Q_QUEUED;
}

static int least_commit(struct thread_data *td)
{
	struct least *l = td->io_ops_data;
	struct io_u *io_u = l->pending;
	struct iocb *iocb;

	if (!io_u)
		return 0;
	l->pending = NULL;
	iocb = &l->iocbs[io_u->index];
	io_prep_pread(iocb, io_u->file->fd, io_u->xfer_buf, io_u->xfer_buflen,
		      (long long)io_u->offset);
	iocb->data = io_u;
	if (l->calls && io_submit(l->ctx, 1, &iocb) != 1)
		abort();
	fio_gettime(&io_u->issue_time, NULL);
	io_u_queued(td, io_u);
	io_u_mark_submit(td, 1);
	return 0;
}

static int least_getevents(struct thread_data *td, unsigned int min,
			   unsigned int max, const struct timespec *t)
{
	struct least *l = td->io_ops_data;
	int got = 0;

	(void)t;
	if (l->calls)
		got = io_ring_reap(l->ctx, max, l->events);
	if (l->calls && got < (int)min)
		got += io_getevents(l->ctx, (int)min - got, (int)max - got,
				    l->events + got, NULL);
	for (; !l->calls && got < (int)min; got++)
		l->events[got].data =
			l->fifo[(l->head + (unsigned int)got) % l->depth];
	l->head = (l->head + (unsigned int)got) % l->depth;
	l->count -= (unsigned int)got;
	return got;
}

static struct io_u *least_event(struct thread_data *td, int event)
{
	struct least *l = td->io_ops_data;

	return l->events[event].data;
}

static void least_cleanup(struct thread_data *td)
{
	struct least *l = td->io_ops_data;

	if (l && l->ctx)
		io_destroy(l->ctx);
	if (l) {
		free(l->iocbs);
		free(l->fifo);
		free(l->events);
	}
	free(l);
}

struct ioengine_ops ioengine = {
	.name = "least",
	.version = FIO_IOOPS_VERSION,
	.flags = FIO_ASYNCIO_SETS_ISSUE_TIME,
	.init = least_init,
	.cleanup = least_cleanup,
	.queue = least_queue,
	.commit = least_commit,
	.getevents = least_getevents,
	.event = least_event,
	.open_file = generic_open_file,
	.close_file = generic_close_file,
	.get_file_size = generic_get_file_size,
};
