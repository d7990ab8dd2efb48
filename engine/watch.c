// SPDX-License-Identifier: GPL-2.0-only
/*
 * stuck=: naming I/Os that do not come back, and giving them up where the job
 * should have ended: they fail with ETIMEDOUT, as far as fio is concerned, so
 * that the job ends as it would for any error.
 */
#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "job.h"
#include "keeper.h"

/* Named at a time; of more the number is said. */
#define NAMED_MAX 16

static const char *what_it_is(const struct io_u *io_u)
{
	return io_u->ddir == DDIR_READ	  ? "read"
	       : io_u->ddir == DDIR_WRITE ? "write"
					  : "sync";
}

/* how: in what it is. */
static void name_io_u(const struct kaio *k, const char *how, uint64_t age,
		      const struct io_u *io_u)
{
	log_err("kaio: job %s: %s for %.3f s: %s of %s, offset=%llu, "
		"length=%llu\n",
		k->name, how, (double)age / 1e9, what_it_is(io_u),
		io_u->file->file_name, (unsigned long long)io_u->offset,
		(unsigned long long)io_u->xfer_buflen);
}

/*
 * fio's main process gives up a job that was told to end 300 s ago, unless it
 * is a thread; so say so, as the thread that is held cannot end it.  It has
 * freed eo, and would again, as run_threads() leaves it to the job to clear.
 */
static void let_fio_go(struct thread_data *td, const struct kaio *k)
{
	struct thread_data *job = td->parent ? td->parent : td;

	log_err("kaio: job %s should have ended, but is held inside io_submit, "
		"which no signal ends%s; it ends when what is below answers: "
		"the device, its driver or its server, or a file system that "
		"is frozen\n",
		k->name,
		job->o.use_thread ? "" : ", so fio goes on without it");
	glue_error(job, ETIMEDOUT, "kaio: io_submit never returned");
	fio_mark_td_terminate(job);
	if (job->o.use_thread)
		return;
	job->eo = NULL;
	job->terminate_time.tv_sec -= FIO_REAP_TIMEOUT + 1;
}

/* what: the first of what io_submit was called with. */
static void tell_inside(void *arg, const void *what, uint64_t age)
{
	struct thread_data *td = arg;
	struct kaio *k = td->io_ops_data;
	uint64_t now = clock_now();

	if (k->inside_told < now - age ||
	    now - k->inside_told >= STUCK_AGAIN_NS) {
		name_io_u(k, "inside io_submit", age, what);
		k->inside_told = now;
	}
	if (!k->let_go && k->queue.stopping(k->queue.arg)) {
		k->let_go = true;
		let_fio_go(td, k);
	}
}

int kaio_watch_start(struct thread_data *td)
{
	struct kaio *k = td->io_ops_data;
	int ret;

	if (!k->stuck.slots)
		return 0;
	k->inside = (struct inside){
		.limit_ns = k->stuck.limit_ns,
		.pause_ns = stuck_pause_ns(k->stuck.limit_ns),
		.tell = tell_inside,
		.arg = td,
	};
	ret = inside_start(&k->inside);
	k->watching = !ret;
	if (ret)
		glue_error(td, -ret, "kaio: the thread of stuck=");
	return !!ret;
}

void kaio_watch_submit(struct kaio *k)
{
	const struct queue *q = &k->queue;
	uint64_t now = clock_now();

	for (unsigned i = 0; i < q->queued; i++)
		stuck_issued(&k->stuck, queue_pending(q, i), now);
	if (q->queued)
		inside_enter(&k->inside, q->iocbs[queue_pending(q, 0)].data,
			     now);
}

void kaio_watch_submitted(struct kaio *k)
{
	inside_leave(&k->inside);
}

/* What the kernel has refused is neither inside io_submit nor in flight. */
void kaio_watch_pause(void *arg, const struct timespec *time)
{
	struct kaio *k = ((const struct thread_data *)arg)->io_ops_data;

	kaio_watch_submitted(k);
	nanosleep(time, NULL);
	kaio_watch_submit(k);
}

static void name_io(const struct kaio *k, unsigned slot, uint64_t now)
{
	name_io_u(k, "in flight", now - k->stuck.slots[slot].since,
		  k->queue.iocbs[slot].data);
}

static void name_more(const struct kaio *k, unsigned named)
{
	if (named > NAMED_MAX)
		log_err("kaio: job %s: and %u more\n", k->name,
			named - NAMED_MAX);
}

/* What is to be named now; and count it. */
static void name_stuck(struct kaio *k, uint64_t now)
{
	struct queue_stats *stats = &k->queue.stats;
	unsigned named = 0;
	bool first;

	for (unsigned slot = 0; slot < k->stuck.depth; slot++) {
		uint64_t age = stuck_age(&k->stuck, slot, now);

		if (age > stats->stuck_max_ns)
			stats->stuck_max_ns = age;
		if (!age || !stuck_tell(&k->stuck, slot, now, &first))
			continue;
		stats->stuck += first;
		if (named++ < NAMED_MAX)
			name_io(k, slot, now);
	}
	name_more(k, named);
}

/* All that is in flight and did not come back, named once more. */
static void give_up(struct thread_data *td, struct kaio *k, uint64_t now)
{
	unsigned *slots = calloc(k->stuck.depth, sizeof(*slots)), nr = 0;
	struct queue_issued failed;
	struct timespec stamp;

	if (!slots)
		return;
	for (unsigned slot = 0; slot < k->stuck.depth; slot++)
		if (k->stuck.slots[slot].since)
			slots[nr++] = slot;
	log_err("kaio: job %s should have ended, but I/Os never came back, so "
		"what is in flight (%u) is given up as failed; find out why "
		"what is below does not answer: the device, its driver or its "
		"server\n",
		k->name, nr);
	for (unsigned i = 0; i < nr && i < NAMED_MAX; i++)
		name_io(k, slots[i], now);
	name_more(k, nr);
	failed = queue_abandon(&k->queue, slots, nr, -ETIMEDOUT);
	fio_gettime(&stamp, NULL);
	if (failed.nr)
		kaio_stamp(td, failed, &stamp);
	free(slots);
	k->gave_up = true;
	k->judged = false;
	glue_error(td, ETIMEDOUT, "kaio: I/Os never came back");
	glue_keep_buffers(td);
	fio_mark_td_terminate(td);
}

void kaio_watch_reaped(struct thread_data *td, unsigned at, unsigned nr)
{
	struct kaio *k = td->io_ops_data;
	struct queue *q = &k->queue;
	uint64_t now = clock_now();

	for (unsigned i = at; i < at + nr; i++)
		stuck_done(&k->stuck, (unsigned)(q->events[i].obj - q->iocbs));
	if (!q->inflight || !stuck_look(&k->stuck, now))
		return;
	/* The kernel took some of what was stamped, but not these. */
	for (unsigned i = 0; i < q->queued; i++)
		stuck_done(&k->stuck, queue_pending(q, i));
	name_stuck(k, now);
	if (q->stopping(q->arg) && stuck_any(&k->stuck, now))
		give_up(td, k, now);
}

/*
 * That error again, as ignore_error and continue_on_error take it back; and
 * somebody else to wait for the device.  The buffers of an offload worker's
 * I/Os are its job's, which waits for the end of its workers.
 */
void kaio_watch_end(struct thread_data *td)
{
	struct kaio *k = td->io_ops_data;
	int ret = keeper_start();

	glue_error(td, ETIMEDOUT, "kaio: I/Os never came back");
	if (td->parent)
		glue_keep_buffers(td->parent);
	if (ret)
		log_err("kaio: job %s: its process cannot end before the "
			"device answers: no process to wait instead: %s\n",
			k->name, strerror(-ret));
}
