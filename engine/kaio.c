// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fio ioengine "kaio": fio's hooks mapped onto a queue (queue.h).  Only
 * this file and job.c turn errors into fio's, and they print on fio's error
 * log only: stdout is the wire of a fio server.
 * Source: ioengines.c and ioengines.h of fio, for each hook's contract.
 */
#include <errno.h>
#include <stdlib.h>

#include "aiolimit.h"
#include "guard.h"
#include "job.h"
#include "options.h"

#ifndef IOCB_FLAG_IOPRIO
#define IOCB_FLAG_IOPRIO (1u << 1)
#endif

/*
 * The request's slot.  index is dense and below the depth, but for offload
 * workers: they have depth 1, and io_us with the parent's indices.
 */
static unsigned kaio_slot(const struct queue *q, const struct io_u *io_u)
{
	return io_u->index < q->depth ? io_u->index : 0;
}

void kaio_stamp(struct thread_data *td, struct queue_issued issued,
		const struct timespec *now)
{
	io_u_mark_submit(td, issued.nr);
	if (!fio_fill_issue_time(td))
		return;
	for (unsigned i = 0; i < issued.nr; i++) {
		struct io_u *io_u = issued.iocbs[i]->data;

		io_u->issue_time = *now;
		io_u_queued(td, io_u);
	}
	if (td->o.read_iolog_file)
		td->last_issue = *now;
}

/*
 * Is the job, or an offload worker's job, to end?  At the end of its runtime
 * fio only looks between two I/Os, so look here too, with a second for a
 * shortage that passes.  A job that has left ramp_time is TD_RUNNING, and its
 * epoch is when it did; of a worker nothing tells, so it waits for longer.
 */
bool kaio_stopping(void *arg)
{
	const struct thread_data *td = arg;
	const struct thread_options *o = &td->o;
	bool ramped = td->runstate == TD_RUNNING && !td->parent;
	uint64_t most = o->timeout + 1000000 + (ramped ? 0 : o->ramp_time);

	if (td->terminate || (td->parent && td->parent->terminate))
		return true;
	return o->timeout && utime_since_now(&td->epoch) >= most;
}

static void prep_rw(const struct kaio *k, struct iocb *iocb, struct iovec *iov,
		    const struct io_u *io_u)
{
	bool write = io_u->ddir == DDIR_WRITE;
	int fd = io_u->file->fd, flags = write ? k->write_flags : k->read_flags;
	long long offset = (long long)io_u->offset;

	if (k->vectored) {
		iov->iov_base = io_u->xfer_buf;
		iov->iov_len = io_u->xfer_buflen;
		io_prep_preadv2(iocb, fd, iov, 1, offset, flags);
		if (write)
			iocb->aio_lio_opcode = IO_CMD_PWRITEV;
		return;
	}
	io_prep_pread(iocb, fd, io_u->xfer_buf, io_u->xfer_buflen, offset);
	iocb->aio_rw_flags = (unsigned)flags;
	if (write)
		iocb->aio_lio_opcode = IO_CMD_PWRITE;
}

/*
 * prep: fill the iocb.  May come twice for one io_u, with another direction;
 * what runs at once needs none.
 */
static int kaio_prep(struct thread_data *td, struct io_u *io_u)
{
	struct kaio *k = td->io_ops_data;
	unsigned slot = kaio_slot(&k->queue, io_u);
	struct iocb *iocb = &k->queue.iocbs[slot];

	if (io_u->ddir == DDIR_READ || io_u->ddir == DDIR_WRITE)
		prep_rw(k, iocb, &k->queue.iovecs[slot], io_u);
	else if (io_u->ddir == DDIR_SYNC)
		io_prep_fsync(iocb, io_u->file->fd);
	else if (io_u->ddir == DDIR_DATASYNC)
		io_prep_fdsync(iocb, io_u->file->fd);
	iocb->data = io_u;
	return 0;
}

static void explain_stall(const struct queue *q, int err)
{
	log_err("kaio: io_submit kept failing for %.1f s (%s) while nothing "
		"was in flight, so what is queued fails; the kernel is out of "
		"memory or of AIO slots: end what else uses AIO, or ask for "
		"less depth\n",
		(double)queue_stalled_ms(q) / 1000, strerror(-err));
}

/*
 * queue_submit(), and the time of issue: like the built-in engine after
 * io_submit, so that slat is the time spent submitting; or with stamp=before
 * the moment before it.  engine_stats takes the same readings of fio's clock,
 * which is one more, of 10 ns.
 */
static QUEUE_FLAT struct queue_issued timed_submit(struct thread_data *td,
						   struct kaio *k,
						   struct timespec *stamp)
{
	bool timed = k->queue.config.timed, stamped = fio_fill_issue_time(td);
	uint64_t paused = k->queue.paused_ns, start = 0, end = 0;
	struct timespec other, *before = k->stamp_before ? stamp : &other;
	struct timespec *after = k->stamp_before ? &other : stamp;
	struct queue_issued issued;

	if (timed || (stamped && k->stamp_before))
		start = kaio_clock(before);
	issued = queue_submit(&k->queue);
	if (timed || (stamped && !k->stamp_before))
		end = kaio_clock(after);
	if (timed)
		stats_submit_time(&k->queue.stats, start, end,
				  k->queue.paused_ns - paused);
	return issued;
}

/*
 * Has anything left the queue?  A second try keeps the time of its first.  A
 * job that the user ends needs no explanation.
 */
static QUEUE_FLAT bool submit_once(struct thread_data *td, struct kaio *k)
{
	struct timespec now = {0};
	const struct queue_issued issued = timed_submit(td, k, &now);

	if (issued.nr)
		kaio_stamp(td, issued, &now);
	if (issued.error && !td->terminate)
		explain_stall(&k->queue, issued.error);
	return issued.nr || issued.again;
}

static QUEUE_FLAT void submit_all(struct thread_data *td, struct kaio *k)
{
	if (k->stuck.slots)
		kaio_watch_submit(k);
	while (k->queue.queued && submit_once(td, k))
		;
	if (k->stuck.slots)
		kaio_watch_submitted(k);
}

void kaio_submit(struct thread_data *td)
{
	submit_all(td, td->io_ops_data);
}

void kaio_send_again(struct thread_data *td)
{
	struct kaio *k = td->io_ops_data;

	if (k->stuck.slots)
		kaio_watch_submit(k);
	while (k->queue.again && submit_once(td, k))
		;
	if (k->stuck.slots)
		kaio_watch_submitted(k);
}

/*
 * A request that the guard has refused, or that comes after the job gave up;
 * fio ends the job for its error.
 */
static enum fio_q_status refused(struct thread_data *td, struct io_u *io_u)
{
	const struct kaio *k = td->io_ops_data;
	int err = k->gave_up ? ETIMEDOUT : ELIBBAD;

	glue_error(td, err, "kaio_queue");
	fio_mark_td_terminate(td);
	io_u->error = (unsigned)err;
	return FIO_Q_COMPLETED;
}

/* queue: COMPLETED, QUEUED, or BUSY: fio commits, reaps and comes again. */
static enum fio_q_status kaio_queue(struct thread_data *td, struct io_u *io_u)
{
	struct kaio *k = td->io_ops_data;
	struct queue *q = &k->queue;
	unsigned slot = kaio_slot(q, io_u);

	if (!k->judged) {
		k->judged = !k->gave_up && guard_request(td, io_u, &kaio_ops);
		if (!k->judged)
			return refused(td, io_u);
	}
	fio_ro_check(td, io_u);
	if (glue_runs_at_once(io_u->ddir))
		return kaio_run_at_once(td, io_u, slot);
	if (q->queued == q->depth)
		return FIO_Q_BUSY;
	/*
	 * An offload worker gets what fio prepared in its parent, and the
	 * experimental verify what fio prepared as a write or trim, and then
	 * made a read.
	 */
	if (td->flags & TD_F_CHILD || td->o.experimental_verify)
		kaio_prep(td, io_u);
	if (ddir_rw(io_u->ddir) && glue_cmdprio(td, &k->cmdprio, io_u)) {
		q->iocbs[slot].aio_reqprio = (short)io_u->ioprio;
		q->iocbs[slot].u.c.flags |= IOCB_FLAG_IOPRIO;
	}
	if (k->lateness)
		kaio_due(td, io_u, slot);
	if (k->acks && !kaio_ack_begin(td, io_u, slot))
		return FIO_Q_COMPLETED;
	k->uncommitted = true;
	return queue_add(q, slot) ? FIO_Q_BUSY : FIO_Q_QUEUED;
}

/* commit: submit, or with submit=adaptive hold it for a larger batch. */
static int kaio_commit(struct thread_data *td)
{
	struct kaio *k = td->io_ops_data;

	k->uncommitted = false;
	if (!queue_holds(&k->queue))
		submit_all(td, k);
	return 0;
}

/* Not const, as fio links it into a list and keeps its dlopen handle here. */
struct ioengine_ops kaio_ops = {
	.name = "kaio",
	.version = FIO_IOOPS_VERSION,
	.flags = GLUE_ENGINE_FLAGS,
	.init = kaio_init,
	.post_init = kaio_post_init,
	.prep = kaio_prep,
	.queue = kaio_queue,
	.commit = kaio_commit,
	.getevents = kaio_getevents,
	.event = kaio_event,
	.errdetails = kaio_errdetails,
	.cleanup = kaio_cleanup,
	.open_file = kaio_open_file,
	.close_file = generic_close_file,
	.get_file_size = kaio_get_file_size,
	.options = kaio_option_table,
	.option_struct_size = sizeof(struct kaio_options),
};
