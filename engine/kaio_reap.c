// SPDX-License-Identifier: GPL-2.0-only
/*
 * fio's hooks for completions, mapped onto a queue (queue.h); the others are in
 * kaio.c.
 * Source: ioengines.c and ioengines.h of fio, for each hook's contract.
 */
#include <errno.h>
#include <sys/stat.h>

#include "clock.h"
#include "job.h"

/* A job's run ends with its last completion: what is not the last needs no
 * reading of the clock. */
static void note_end(struct queue *q)
{
	struct timespec now;

	if (q->config.timed && queue_idle(q))
		stats_runs(&q->stats, kaio_clock(&now));
}

/*
 * lat_windows=: what fio will count as latencies of these events, by one more
 * reading of its clock.  It leaves out ramp_time, what failed, and what came
 * short, as it sends the rest again.
 */
static void count_windows(struct thread_data *td, unsigned at, unsigned nr)
{
	struct kaio *k = td->io_ops_data;
	struct timespec now;
	uint64_t ns = nr ? kaio_clock(&now) : 0;

	for (unsigned i = at; i < at + nr; i++) {
		const struct io_event *ev = &k->queue.events[i];
		const struct io_u *io_u = ev->data;
		uint64_t began = kaio_ns(&io_u->start_time);

		if ((long)ev->res < 0 || !ddir_rw(io_u->ddir) ||
		    (ev->res && ev->res < io_u->xfer_buflen) ||
		    td->runstate == TD_RAMP || began > ns)
			continue;
		if (!k->windows->start)
			windows_begin(k->windows, began,
				      clock_ns(CLOCK_REALTIME) - (ns - began));
		windows_count(k->windows, ns, ns - began);
	}
}

/*
 * getevents: at least min and at most max; fewer than min only when that
 * many are not outstanding.  The timeout is NULL or, with min 0, zero.
 * With iodepth_batch_complete_min=0 it polls and never sleeps, as the user
 * asked and as the built-in engine does.  What is held is submitted before
 * any wait.
 */
int kaio_getevents(struct thread_data *td, unsigned min, unsigned max,
		   const struct timespec *timeout)
{
	struct kaio *k = td->io_ops_data;
	struct queue *q = &k->queue;
	bool poll = td->o.iodepth_batch_complete_min == 0;
	unsigned got = 0;

	(void)timeout;
	if (q->config.hold && q->queued && !queue_ready(q, min ? min : 1))
		kaio_submit(td);
	for (;;) {
		int ret = queue_reap(q, got, poll ? 0 : min - got, max - got);

		if (ret < 0)
			return got ? (int)got : ret;
		if (k->stuck.slots)
			kaio_watch_reaped(td, got, (unsigned)ret);
		if (k->lateness)
			kaio_arrived(k, got, (unsigned)ret);
		if (k->windows)
			count_windows(td, got, (unsigned)ret);
		got += (unsigned)ret;
		if (q->again)
			kaio_send_again(td);
		if (got >= min || queue_idle(q)) {
			note_end(q);
			return (int)got;
		}
		kaio_submit(td);
		if (poll)
			nop;
	}
}

/*
 * A block device reads as nothing only behind its end: it was taken away, or
 * has shrunk, since fio looked.  fio has EIO for that ("full resid") where an
 * engine completes at once; of others it takes it for done, and goes on at many
 * I/Os and no bytes.
 */
static void fell_short(struct io_u *io_u, unsigned long res)
{
	struct stat st;

	if (!res && !fstat(io_u->file->fd, &st) && S_ISBLK(st.st_mode))
		io_u->error = EIO;
	else
		io_u->resid = io_u->xfer_buflen - res;
}

/* event: the nr-th of the last getevents. */
struct io_u *kaio_event(struct thread_data *td, int nr)
{
	struct kaio *k = td->io_ops_data;
	const struct io_event *ev = &k->queue.events[nr];
	struct io_u *io_u = ev->data;
	long res = (long)ev->res;

	if (res < 0)
		io_u->error = (unsigned)-res;
	else if (ddir_rw(io_u->ddir) && (unsigned long)res < io_u->xfer_buflen)
		fell_short(io_u, (unsigned long)res);
	if (k->acks)
		kaio_ack_end(k, io_u, (unsigned)(ev->obj - k->queue.iocbs),
			     res);
	return io_u;
}
