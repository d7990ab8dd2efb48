// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is no AIO operation, such as a trim, or is none in this fio, as syncs
 * were before 3.41: it runs in the thread that submits.
 */
#include "job.h"

/* A write that is in flight meanwhile is not covered by a sync. */
static void run(struct thread_data *td, struct io_u *io_u, unsigned slot)
{
	struct kaio *k = td->io_ops_data;

	if (io_u->ddir == DDIR_TRIM) {
		do_io_u_trim(td, io_u);
		return;
	}
	if (k->acks)
		kaio_ack_begin(td, io_u, slot);
	do_io_u_sync(td, io_u);
	if (k->acks)
		kaio_ack_end(k, io_u, slot, -(long)io_u->error);
}

/* fio times a trim itself, but not a sync. */
enum fio_q_status kaio_run_at_once(struct thread_data *td, struct io_u *io_u,
				   unsigned slot)
{
	struct kaio *k = td->io_ops_data;

	/*
	 * What fio has committed, but is held: fio takes it for submitted.
	 * (td->io_u_queued does not tell: td_io_getevents() commits, too, and
	 * leaves it as it was.)
	 */
	if (k->queue.config.hold && !k->uncommitted)
		kaio_submit(td);
	if (k->queue.queued)
		return FIO_Q_BUSY;
	if (fio_fill_issue_time(td)) {
		fio_gettime(&io_u->issue_time, NULL);
		if (td->o.read_iolog_file)
			td->last_issue = io_u->issue_time;
	}
	run(td, io_u, slot);
	if (glue_counts_at_once(io_u->ddir)) {
		io_u_mark_submit(td, 1);
		io_u_mark_complete(td, 1);
	}
	return FIO_Q_COMPLETED;
}
