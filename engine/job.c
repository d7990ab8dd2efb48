// SPDX-License-Identifier: GPL-2.0-only
/*
 * The beginning and the end of a job: its queue from fio's options, and what it
 * tells its user at last.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "job.h"
#include "libaio_ext.h"
#include "options.h"

/* How many I/Os submit=adaptive may hold; README.md has the measurements. */
#define HOLD_MAX 8

/* A device that takes longer than this for an io_submit, on average, blocks. */
#define SUBMIT_BLOCKED_NS 100000

int kaio_init(struct thread_data *td)
{
	struct kaio_options *o = td->eo;
	struct kaio *k;
	int ret;

	if (!guard_td(td, &kaio_ops))
		return 1;
	k = calloc(1, sizeof(*k));
	ret = k ? queue_init(&k->queue, td->o.iodepth, &kaio_queue_ops, td)
		: -ENOMEM;
	if (ret) {
		free(k);
		glue_error(td, -ret, "kaio_init");
		return 1;
	}
	k->vectored = o->vectored;
	k->read_flags = (o->nowait ? RWF_NOWAIT : 0) |
			(o->uncached ? RWF_DONTCACHE : 0);
	k->write_flags = k->read_flags | (o->dsync ? RWF_DSYNC : 0) |
			 glue_write_flags(td);
	td->io_ops_data = k;
	if (glue_cmdprio_init(td, &k->cmdprio, &o->cmdprio_options)) {
		glue_error(td, EINVAL, "kaio_init: cmdprio");
		return 1;
	}
	return 0;
}

/*
 * Holding I/Os back is for jobs that run as fast as they can: one that sleeps
 * by itself (rate, thinktime, a replay) would leave the held ones behind, and
 * at the end of a replay fio does not wait for them.
 */
static unsigned hold_limit(const struct thread_data *td)
{
	const struct thread_options *o = &td->o;
	unsigned limit = o->iodepth / 4;

	if (o->thinktime || o->read_iolog_file || td->flags & TD_F_CHILD)
		return 0;
	for (int d = 0; d < DDIR_RWDIR_CNT; d++)
		if (o->rate[d] || o->rate_iops[d])
			return 0;
	return limit < HOLD_MAX ? limit : HOLD_MAX;
}

int kaio_post_init(struct thread_data *td)
{
	const struct kaio_options *o = td->eo;
	struct kaio *k = td->io_ops_data;
	const struct queue_config config = {
		.reap = (enum queue_reap)o->reap,
		.spin_ns = o->spin_ns,
		.spin_auto = o->spin_auto,
		.hold = o->adaptive ? hold_limit(td) : 0,
		.timed = o->stats || o->stats_file,
	};
	int ret = queue_start(&k->queue, &config);
	char why[320];

	if (!ret)
		return 0;
	if (k->queue.ctx) {
		/* That was made, so it is the eventfd. */
		log_err("kaio: reap=eventfd: no eventfd or epoll: %s; raise "
			"the limit of open files, or use reap=ring\n",
			strerror(-ret));
		glue_error(td, -ret, "eventfd");
		return 1;
	}
	io_setup_explain(ret, (int)td->o.iodepth, why, sizeof(why));
	log_err("kaio: %s\n", why);
	glue_error(td, -ret, "io_setup");
	return 1;
}

/*
 * Why io_submit took so long, as far as the engine can tell; NULL: it only
 * took many short calls, as a fast asynchronous device does.
 */
static const char *blocked_by(const struct thread_data *td,
			      const struct queue_stats *s)
{
	bool inside = s->done_inside * 2 > s->submitted;

	if (stats_submit_share(s) <= 0.1 ||
	    (!inside && s->submit_ns < SUBMIT_BLOCKED_NS * s->submits))
		return NULL;
	if (!td->o.odirect)
		return "buffered I/O is done there; set direct=1";
	if (inside)
		return "the device does its work there, as RAM disks do";
	return "the file is being extended or allocated, or the device's own "
	       "queue is full";
}

/*
 * The statistics, and what a long time inside io_submit means: the depth that
 * fio prints is then not the depth that the device saw.
 */
static void report(const struct thread_data *td, const struct queue_stats *s)
{
	const struct kaio_options *o = td->eo;
	int ret = o->stats_file ? stats_save(s, td->o.name, o->stats_file) : 0;
	char *text = o->stats ? stats_text(s, td->o.name) : NULL;
	const char *why = blocked_by(td, s);

	if (text)
		log_err("kaio: %s", text);
	free(text);
	if (ret)
		log_err("kaio: the statistics cannot be appended to %s: %s\n",
			o->stats_file,
			ret == -ELOOP ? "it is a symbolic link; name the file"
				      : strerror(-ret));
	if (why)
		log_err("kaio: job %s spent %.0f%% of its run inside "
			"io_submit, so the device never saw the depth that fio "
			"prints: %s\n",
			td->o.name, stats_submit_share(s) * 100, why);
}

void kaio_cleanup(struct thread_data *td)
{
	struct kaio *k = td->io_ops == &kaio_ops ? td->io_ops_data : NULL;

	if (!k)
		return;
	if (k->queue.config.timed && k->queue.stats.submits)
		report(td, &k->queue.stats);
	queue_exit(&k->queue, !(td->flags & TD_F_CHILD));
	glue_cmdprio_cleanup(&k->cmdprio);
	free(k);
}
