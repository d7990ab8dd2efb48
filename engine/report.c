// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a job tells its user at its end: the statistics, and what they mean.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "stats_file.h"

/* A request that takes longer than this to submit, on average, blocks. */
#define SUBMIT_BLOCKED_NS 20000

/*
 * Why io_submit took so long, as far as the engine can tell; NULL: it only
 * took many short calls, as a fast asynchronous device does, or there was no
 * depth to lose.
 */
static const char *blocked_by(const struct thread_data *td,
			      const struct queue *q)
{
	const struct queue_stats *s = &q->stats;
	bool inside = s->done_inside * 2 > s->submitted;

	if (q->depth == 1 || stats_submit_share(s) <= 0.1 ||
	    (!inside && s->submit_ns < SUBMIT_BLOCKED_NS * s->submitted))
		return NULL;
	if (!td->o.odirect)
		return "buffered I/O is done there; set direct=1";
	if (inside)
		return "the device does its work there, as RAM disks do";
	if (!td_write(td))
		return "the device's own queue is full, or the file system "
		       "has to look up where its blocks are";
	return "the file is being extended or allocated, or the device's own "
	       "queue is full";
}

static char *job_stats(const struct thread_data *td, const struct kaio *k)
{
	static const char *const reaps[] = {
		[QUEUE_RING] = "ring",
		[QUEUE_SYSCALL] = "syscall",
		[QUEUE_EVENTFD] = "eventfd",
	};
	const struct queue_config *config = &k->queue.config;
	struct stats_job job = {
		.name = k->name,
		.number = (unsigned)td->thread_number,
		.time_s = (uint64_t)time(NULL),
		.fio = KAIO_FIO_VERSION,
		.depth = k->queue.depth,
		.reap = k->lateness ? "arrival" : reaps[config->reap],
		.spin_auto = config->spin_auto && !k->lateness,
		.spin_ns = k->lateness ? 0 : config->spin_ns,
		.hold = config->hold,
		.stamp_before = k->stamp_before,
		.lateness = k->lateness,
		.windows = k->windows,
		.bins = k->stats_file != NULL,
	};

	job.refill = io_refill(&job.why);
	return stats_text(&k->queue.stats, &job);
}

/*
 * The statistics, and what a long time inside io_submit means: the depth that
 * fio prints is then not the depth that the device saw.
 */
void kaio_report(const struct thread_data *td, const struct kaio *k)
{
	const char *why = blocked_by(td, &k->queue);
	char *text;
	int ret;

	if (k->lateness)
		kaio_due_end(td);
	text = job_stats(td, k);
	ret = text ? 0 : -ENOMEM;
	if (text && k->stats_file)
		ret = stats_file_append(k->stats_fd, text);
	if (text && (k->print_stats || ret))
		log_err("kaio: %s", text);
	free(text);
	if (ret)
		log_err("kaio: the statistics of job %s cannot be appended to "
			"%s: %s\n",
			k->name, k->stats_file ? k->stats_file : "the log",
			stats_file_error(ret));
	if (why)
		log_err("kaio: job %s spent %.0f%% of its run inside "
			"io_submit, so the device never saw the depth that fio "
			"prints: %s\n",
			k->name, stats_submit_share(&k->queue.stats) * 100,
			why);
}
