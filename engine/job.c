// SPDX-License-Identifier: GPL-2.0-only
/*
 * The beginning and the end of a job: its queue from fio's options, and what it
 * leaves behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aiolimit.h"
#include "explain.h"
#include "guard.h"
#include "hold.h"
#include "job.h"
#include "libaio_ext.h"
#include "options.h"
#include "stats_file.h"

static void free_kaio(struct kaio *k)
{
	if (!k)
		return;
	pthread_mutex_destroy(&k->lock);
	if (k->stats_fd >= 0)
		close(k->stats_fd);
	free(k->name);
	free(k->stats_file);
	stuck_exit(&k->stuck);
	free(k->lateness);
	free(k->windows);
	acklog_close(k->acks);
	free(k);
}

static struct kaio *new_kaio(const char *name, const struct kaio_options *o)
{
	struct kaio *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	pthread_mutex_init(&k->lock, NULL);
	k->stats_fd = -1;
	k->print_stats = o->stats || (o->due_stats && !o->stats_file);
	k->name = strdup(name ? name : "");
	k->stats_file = o->stats_file ? strdup(o->stats_file) : NULL;
	if (k->name && (k->stats_file || !o->stats_file))
		return k;
	free_kaio(k);
	return NULL;
}

/* Now, and not after hours, as what is wrong with the path is known now. */
static int open_stats(const struct thread_data *td, struct kaio *k)
{
	int fd;

	if (!k->stats_file || td->flags & TD_F_CHILD)
		return 0;
	fd = stats_file_open(k->stats_file, O_WRONLY | O_APPEND);
	if (fd < 0)
		log_err("kaio: the statistics of job %s cannot be appended to "
			"%s, so it does not start: %s\n",
			k->name, k->stats_file, stats_file_error(fd));
	k->stats_fd = fd;
	return fd < 0 ? fd : 0;
}

/* Until 3.29 fio stamps an I/O once queue() has returned, whatever we did. */
static bool can_stamp(const struct kaio_options *o)
{
	if (!o->stamp_before || GLUE_ISSUE_TIME_FLAG != 0)
		return true;
	log_err("kaio: stamp=before: a fio before 3.30 takes the time of issue "
		"itself, after io_submit; use a later one, or stamp=after\n");
	return false;
}

/*
 * lat_windows=: 0 or -errno.  They are long, so they are not for a terminal;
 * offload workers have no part in them.
 */
static int start_windows(const struct thread_data *td, struct kaio *k)
{
	const struct kaio_options *o = td->eo;

	if (!o->lat_windows || td->flags & TD_F_CHILD)
		return 0;
	if (!k->stats_file || td->o.disable_lat ||
	    td->o.io_submit_mode == IO_MODE_OFFLOAD) {
		log_err("kaio: job %s: lat_windows=1 needs a stats_file, into "
			"which they go, and fio's latencies (no disable_lat, "
			"gtod_reduce or offload)\n",
			k->name);
		return -EINVAL;
	}
	k->windows = windows_new(1000000000);
	return k->windows ? 0 : -ENOMEM;
}

int kaio_init(struct thread_data *td)
{
	struct kaio_options *o = td->eo;
	struct kaio *k;
	int ret;

	if (!guard_td(td, &kaio_ops))
		return 1;
	if (!can_stamp(o)) {
		glue_error(td, EINVAL, "kaio_init: stamp");
		return 1;
	}
	if (!kaio_fits_late(td))
		return 1;
	k = new_kaio(td->o.name, o);
	ret = k ? open_stats(td, k) : -ENOMEM;
	ret = ret ? ret : start_windows(td, k);
	if (!ret)
		ret = queue_init(&k->queue, td->o.iodepth, kaio_stopping, td);
	if (ret) {
		free_kaio(k);
		glue_error(td, -ret, "kaio_init");
		return 1;
	}
	k->vectored = o->vectored;
	k->stamp_before = o->stamp_before;
	k->read_flags = (o->nowait ? RWF_NOWAIT : 0) |
			(o->uncached ? RWF_DONTCACHE : 0);
	k->write_flags = k->read_flags | (o->dsync ? RWF_DSYNC : 0) |
			 glue_write_flags(td);
	td->io_ops_data = k;
	if ((o->stuck_ns &&
	     stuck_init(&k->stuck, td->o.iodepth, o->stuck_ns)) ||
	    (o->due_stats && kaio_due_init(td))) {
		glue_error(td, ENOMEM, "kaio_init");
		return 1;
	}
	if (glue_cmdprio_init(td, &k->cmdprio, &o->cmdprio_options)) {
		glue_error(td, EINVAL, "kaio_init: cmdprio");
		return 1;
	}
	return 0;
}

/* Why queue_start() failed with ret. */
static void explain_start(struct thread_data *td, const struct kaio *k, int ret)
{
	char why[420];

	if (k->queue.ctx) {
		/* That was made, so it is the eventfd, or the thread. */
		log_err("kaio: %s: no eventfd, epoll or thread: %s; raise the "
			"limit of open files or processes, or leave it out\n",
			k->lateness ? "due_stats=1" : "reap=eventfd",
			strerror(-ret));
		glue_error(td, -ret, "eventfd");
		return;
	}
	io_setup_explain(ret, (int)td->o.iodepth, why, sizeof(why));
	log_err("kaio: %s\n", why);
	glue_error(td, -ret, "io_setup");
}

int kaio_post_init(struct thread_data *td)
{
	const struct kaio_options *o = td->eo;
	struct kaio *k = td->io_ops_data;
	const struct hold none = {0},
			  hold = o->adaptive ? hold_limits(td) : none;
	const struct queue_config config = {
		.reap = (enum queue_reap)o->reap,
		.spin_ns = o->spin_ns,
		.spin_auto = o->spin_auto,
		.hold = hold.in_step,
		.hold_busy = hold.busy,
		.timed = k->print_stats || k->stats_file,
		.again = o->nowait == NOWAIT_FALLBACK,
		.arrivals = k->lateness,
		.wait_ns = o->stuck_ns ? stuck_pause_ns(o->stuck_ns) : 0,
		.pause = o->stuck_ns ? kaio_watch_pause : NULL,
	};
	int ret;

	if (!guard_io_us(td)) {
		glue_error(td, ELIBBAD, "kaio_post_init");
		return 1;
	}
	if (o->ack_log && kaio_ack_init(td))
		return 1;
	ret = queue_start(&k->queue, &config);
	k->started = !ret;
	if (!ret && !k->queue.ring && o->reap != QUEUE_SYSCALL)
		log_err("kaio: this kernel's completion ring has an unknown "
			"layout (or valgrind runs fio), so this job uses "
			"reap=syscall, without spin= and submit=adaptive\n");
	if (!ret)
		return kaio_watch_start(td);
	explain_start(td, k, ret);
	return 1;
}

/* An offload worker's numbers are its job's. */
static void add_to_parent(const struct thread_data *td, const struct kaio *k)
{
	const struct thread_data *parent = td->parent;
	struct kaio *to = parent->io_ops_data;

	pthread_mutex_lock(&to->lock);
	stats_add(&to->queue.stats, &k->queue.stats);
	pthread_mutex_unlock(&to->lock);
}

char *kaio_errdetails(GLUE_ERRDETAILS_ARGS)
{
	char text[400];
	struct explain_io io = {
		.error = (int)io_u->error,
		.fd = io_u->file->fd,
		.buf = io_u->xfer_buf,
		.length = io_u->xfer_buflen,
		.offset = io_u->offset,
		.realtime = ioprio_value_is_class_rt(io_u->ioprio),
		.atomic = glue_is_atomic(td, io_u),
	};

	GLUE_ERRDETAILS_USED;
	explain_error(&io, text, sizeof(text));
	return strdup(text);
}

void kaio_cleanup(struct thread_data *td)
{
	struct kaio *k = td->io_ops == &kaio_ops ? td->io_ops_data : NULL;
	bool worker = td->flags & TD_F_CHILD;

	if (!k)
		return;
	if (worker)
		add_to_parent(td, k);
	else if (k->started && k->queue.config.timed)
		kaio_report(td, k);
	if (k->watching)
		inside_stop(&k->inside);
	if (k->gave_up)
		kaio_watch_end(td);
	queue_exit(&k->queue, !worker && !k->gave_up);
	glue_cmdprio_cleanup(&k->cmdprio);
	free_kaio(k);
}
