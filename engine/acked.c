// SPDX-License-Identifier: GPL-2.0-only
/*
 * ack_log=: which jobs can have one, and which of fio's I/Os it is told of.
 */
#include <errno.h>
#include <stdlib.h>

#include "job.h"
#include "options.h"

/* Why a job cannot have a log; NULL: it can. */
static const char *unfit(const struct thread_data *td)
{
	const struct thread_options *o = &td->o;

	if (td->files_index != 1)
		return "it is for a job with one file";
	if (o->io_submit_mode != IO_MODE_INLINE)
		return "it is not for io_submit_mode=offload";
	if (o->verify)
		return "it writes data of its own, which verify would blame";
	if (td_trim(td))
		return "what a trimmed block holds is not known";
	if (o->read_iolog_file)
		return "a log that is replayed may trim, and what a trimmed "
		       "block holds is not known";
	if (o->zone_mode == ZONE_MODE_ZBD)
		return "zonemode=zbd resets zones, which lose what they held";
	if (td_write(td) && o->iodepth > 1 && !o->serialize_overlap)
		return "which of two writes in flight to one place is the "
		       "later is not known; give serialize_overlap=1";
	return NULL;
}

/* In post_init, as only then the sizes of files are known. */
int kaio_ack_init(struct thread_data *td)
{
	const struct kaio_options *o = td->eo;
	struct kaio *k = td->io_ops_data;
	const char *why = unfit(td);
	int err = -EINVAL;

	if (!why) {
		const struct fio_file *f = td->files[0];
		const struct acklog_range range = {
			.start = f->file_offset,
			.length = f->io_size,
			.unit = td->o.min_bs[DDIR_WRITE],
		};

		k->acks = acklog_open(o->ack_log, &range, td->o.iodepth, &err);
		why = k->acks ? NULL : acklog_error(err);
	}
	if (why) {
		log_err("kaio: job %s: ack_log=%s cannot be kept, so the job "
			"does not start: %s\n",
			k->name, o->ack_log, why);
		glue_error(td, -err, "kaio: ack_log");
		return err;
	}
	k->acks->durable = k->write_flags & RWF_DSYNC || td->o.sync_io;
	return 0;
}

/* Only these promise that what was written before is there for good. */
static bool is_sync(const struct io_u *io_u)
{
	return io_u->ddir == DDIR_SYNC || io_u->ddir == DDIR_DATASYNC;
}

bool kaio_ack_begin(struct thread_data *td, struct io_u *io_u, unsigned slot)
{
	struct kaio *k = td->io_ops_data;
	int ret = 0;

	if (is_sync(io_u))
		acklog_sync_begin(k->acks, slot);
	if (io_u->ddir == DDIR_WRITE)
		ret = acklog_begin(k->acks, io_u->xfer_buf, io_u->offset,
				   io_u->xfer_buflen);
	if (!ret)
		return true;
	log_err("kaio: job %s: the log of ack_log has no place for a write of "
		"%llu bytes at %llu, so that fails: it is of other units, or "
		"of another range\n",
		k->name, (unsigned long long)io_u->xfer_buflen,
		(unsigned long long)io_u->offset);
	io_u->error = (unsigned)-ret;
	return false;
}

void kaio_ack_end(struct kaio *k, const struct io_u *io_u, unsigned slot,
		  long res)
{
	if (res < 0)
		return;
	if (is_sync(io_u))
		acklog_synced(k->acks, slot);
	if (io_u->ddir == DDIR_WRITE)
		acklog_acked(k->acks, io_u->xfer_buf, io_u->offset,
			     (size_t)res);
}
