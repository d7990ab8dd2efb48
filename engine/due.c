// SPDX-License-Identifier: GPL-2.0-only
/*
 * due_stats=: fio's schedule of the job, and the arrivals that the queue has
 * stamped, make the latencies of lateness.h.  The schedule is the same from fio
 * 3.28 on: at the n-th I/O of a direction the rate's n-th moment (linear), or
 * the sum of n pauses (poisson), since the epoch, whatever was late before.
 * Sources: do_io(), usec_for_io(), handle_thinktime() in backend.c, rate_ddir()
 * in io_u.c, td_io_queue() in ioengines.c, reset_all_stats() in libfio.c.
 */
#include <errno.h>

#include "clock.h"
#include "job.h"

/*
 * Does fio send the job's I/Os by a schedule that the engine can follow?  A
 * replay has its own, and offload workers cannot see that of their job.
 */
static bool has_schedule(const struct thread_data *td)
{
	const struct thread_options *o = &td->o;
	bool rate = false;

	/* TD_F_CHECK_RATE is set for a least rate, too, which paces nothing. */
	for (int d = 0; d < DDIR_RWDIR_CNT; d++)
		rate |= o->rate[d] || o->rate_iops[d];
	return rate && !o->read_iolog_file &&
	       o->io_submit_mode == IO_MODE_INLINE && !o->experimental_verify;
}

/*
 * When the I/O that fio queues now was due, in us of its job's epoch: what
 * rate_ddir() has slept until, as it becomes the time of the next only when the
 * I/O has been queued.  With rate_ignore_thinktime the schedule was moved
 * since, by handle_thinktime(), and is seen by what usec_for_io() reckons from.
 */
static uint64_t due_us(const struct thread_data *td, const struct io_u *io_u)
{
	const struct thread_options *o = &td->o;
	enum fio_ddir ddir = io_u->ddir;
	uint64_t next = td->rate_next_io_time[ddir], bps = td->rate_bps[ddir];
	uint64_t bytes = td->rate_io_issue_bytes[ddir] - io_u->xfer_buflen;
	uint64_t moved = bytes / bps * 1000000 + bytes % bps * 1000000 / bps;

	if (!o->rate_ign_think)
		return next;
	if (o->rate_process == RATE_PROCESS_POISSON ||
	    (o->bssplit_nr[ddir] && !o->rate[ddir]))
		moved = (uint64_t)td->last_usec[ddir];
	return moved > next ? moved : next;
}

/*
 * By how many us fio queues this I/O too late, at this moment.  False: it has
 * no place in the schedule (a sync, a direction without a rate, a read that
 * verifies), or belongs to ramp_time, at whose end fio begins a new schedule.
 */
static bool late_us(const struct thread_data *td, const struct io_u *io_u,
		    uint64_t *late)
{
	uint64_t now, due;

	if (!ddir_rw(io_u->ddir) || !td->rate_bps[io_u->ddir] ||
	    io_u->flags & IO_U_F_VER_LIST || td->runstate == TD_RAMP)
		return false;
	now = utime_since_now(&td->epoch);
	due = due_us(td, io_u);
	*late = now > due ? now - due : 0;
	return true;
}

#define NO_SCHEDULE \
	"kaio: job %s has no schedule that due_stats=1 could follow, so it " \
	"does nothing here: it is for rate or rate_iops, without a replay, " \
	"offload or experimental_verify\n"

int kaio_due_init(struct thread_data *td)
{
	struct kaio *k = td->io_ops_data;

	if (!has_schedule(td)) {
		/* An offload worker has no number, and its job has said it. */
		if (td->thread_number)
			log_err(NO_SCHEDULE, k->name);
		return 0;
	}
	k->lateness = lateness_new(td->o.iodepth);
	return k->lateness ? 0 : -ENOMEM;
}

/* fio's clock may be another one, so only its intervals are taken. */
void kaio_due(struct thread_data *td, const struct io_u *io_u, unsigned slot)
{
	struct lateness *l = ((struct kaio *)td->io_ops_data)->lateness;
	uint64_t now = clock_now(), late;

	if (late_us(td, io_u, &late))
		lateness_queued(l, slot, now, late * 1000);
	else
		lateness_unscheduled(l, slot);
}

/* I/Os of a direction in so many us, as the rate is in I/Os or in bytes. */
static uint64_t due_in(const struct thread_data *td, int d, uint64_t us)
{
	const struct thread_options *o = &td->o;
	uint64_t bs = (o->min_bs[d] + o->max_bs[d]) / 2;
	uint64_t rate = o->rate_iops[d] ? o->rate_iops[d]
					: td->rate_bps[d] / (bs ? bs : 1);

	return us / 1000000 * rate + us % 1000000 * rate / 1000000;
}

/*
 * Of a job that its runtime has ended: what was due by then, from the moment of
 * the next that fio would have sent, was never sent.  A hang at the end shows
 * nowhere else, as fio waits for what is in flight before it sends more.
 */
void kaio_due_end(const struct thread_data *td)
{
	const struct thread_options *o = &td->o;
	struct lateness *l = ((struct kaio *)td->io_ops_data)->lateness;

	if (!o->time_based || !o->timeout || o->number_ios ||
	    o->rate_ign_think || !l->from_due.nr ||
	    utime_since_now(&td->epoch) < o->timeout)
		return;
	for (int d = 0; d < DDIR_RWDIR_CNT; d++) {
		uint64_t next = td->rate_next_io_time[d];

		if (td->rate_bps[d] && td->rate_io_issue_bytes[d] &&
		    next < o->timeout)
			lateness_ended(l, (o->timeout - next) * 1000,
				       due_in(td, d, o->timeout - next));
	}
}

void kaio_arrived(struct kaio *k, unsigned at, unsigned nr)
{
	const struct queue *q = &k->queue;

	for (unsigned i = at; i < at + nr; i++) {
		const struct io_event *ev = &q->events[i];
		unsigned slot = (unsigned)(ev->obj - q->iocbs);

		if ((long)ev->res >= 0)
			lateness_arrived(k->lateness, slot,
					 q->arrival.taken[slot]);
	}
}
