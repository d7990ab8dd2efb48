/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the engine keeps for a job, and the hooks of its beginning and end.
 * Source: ioengines.h of fio, for each hook's contract.
 */
#ifndef KAIO_JOB_H
#define KAIO_JOB_H

#include <pthread.h>

#include "acklog.h"
#include "fio_glue.h"
#include "inside.h"
#include "lateness.h"
#include "rwf.h"
#include "queue.h"
#include "stuck.h"
#include "windows.h"

/*
 * Of one job or offload worker: td->io_ops_data.  fio frees an offload
 * worker's options before its cleanup, so what that needs is here.
 */
struct kaio {
	struct queue queue;
	pthread_mutex_t lock; /* of queue.stats, when offload workers end */
	char *name, *stats_file;
	int stats_fd; /* of stats_file; -1: none, or its job has it */
	bool print_stats;
	glue_cmdprio_state cmdprio;
	bool stamp_before; /* stamp=before */
	int read_flags;	   /* RWF_* */
	int write_flags;
	struct rwf_known known; /* what files took so far */
	bool vectored;
	bool uncommitted; /* something queued since the last commit */
	bool started;	  /* post_init has succeeded */
	bool judged;	  /* guard_request() has let the first request pass */
	bool gave_up;	  /* on what is stuck; nothing is submitted any more */
	struct stuck stuck;
	struct inside inside;	   /* io_submit; started with stuck.slots */
	uint64_t inside_told;	   /* ns: when a call was last named */
	bool watching;		   /* inside has been started */
	bool let_go;		   /* by fio, as io_submit holds it */
	struct lateness *lateness; /* of due_stats=; NULL: off */
	struct windows *windows;   /* of lat_windows=; NULL: off */
	struct acklog *acks;	   /* of ack_log=; NULL: off */
};

extern struct ioengine_ops kaio_ops;

/* Of the queue: arg is the job's thread_data. */
bool kaio_stopping(void *arg);

/* init: in the job's own process or thread. */
int kaio_init(struct thread_data *td);

/* post_init: after the fork, in the thread that will submit. */
int kaio_post_init(struct thread_data *td);

/*
 * open_file: as fio's, and find out whether it takes the flags we will set.
 * Comes within the run, too, with I/O in flight.
 */
int kaio_open_file(struct thread_data *td, struct fio_file *f);

static inline uint64_t kaio_ns(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_nsec;
}

/* fio's clock, in ns; and as fio wants it. */
static inline uint64_t kaio_clock(struct timespec *now)
{
	fio_gettime(now, NULL);
	return kaio_ns(now);
}

/* Stamp what has left the queue, at now. */
void kaio_stamp(struct thread_data *td, struct queue_issued issued,
		const struct timespec *now);

/* Submit.  What fails for good comes back as the io_u's error. */
void kaio_submit(struct thread_data *td);

/* Submit only what is sent again. */
void kaio_send_again(struct thread_data *td);

/* getevents and event: what has completed. */
int kaio_getevents(struct thread_data *td, unsigned min, unsigned max,
		   const struct timespec *timeout);
struct io_u *kaio_event(struct thread_data *td, int nr);

/*
 * stuck=: note when what is queued is submitted, but for a pause in which the
 * kernel takes nothing (arg: the job's thread_data); and look, now that nr
 * events from at on have been reaped, at what is still in flight: name what is
 * stuck, or give it up where the job should have ended.
 */
int kaio_watch_start(struct thread_data *td);
void kaio_watch_submit(struct kaio *k);
void kaio_watch_submitted(struct kaio *k);
void kaio_watch_pause(void *arg, const struct timespec *time);
void kaio_watch_reaped(struct thread_data *td, unsigned at, unsigned nr);

/*
 * due_stats=: prepare for a job that has a schedule (0 or -ENOMEM); an I/O of
 * it is queued; nr events from at on have been reaped.
 */
int kaio_due_init(struct thread_data *td);
void kaio_due(struct thread_data *td, const struct io_u *io_u, unsigned slot);
void kaio_due_end(const struct thread_data *td);
void kaio_arrived(struct kaio *k, unsigned at, unsigned nr);

/*
 * ack_log=: open it (0 or -errno, and what is wrong has been said); an I/O is
 * about to be submitted (false: it has its error); it has come back with res.
 */
int kaio_ack_init(struct thread_data *td);
bool kaio_ack_begin(struct thread_data *td, struct io_u *io_u, unsigned slot);
void kaio_ack_end(struct kaio *k, const struct io_u *io_u, unsigned slot,
		  long res);

/*
 * For queue: what no AIO operation does is done here, once all that was queued
 * before is submitted.
 */
enum fio_q_status kaio_run_at_once(struct thread_data *td, struct io_u *io_u,
				   unsigned slot);

/* For the end of a job that gave up, so that its process can end. */
void kaio_watch_end(struct thread_data *td);

/*
 * cleanup: destroying a context costs an RCU grace period; those of offload
 * workers end with the process, all at once.  Comes after a refused init too,
 * when io_ops_data may lie elsewhere.
 */
void kaio_cleanup(struct thread_data *td);

/*
 * The job's statistics, where its user wants them, and a sentence if it spent
 * much of its run inside io_submit.
 */
void kaio_report(const struct thread_data *td, const struct kaio *k);

/* errdetails: the likely cause of io_u->error; fio frees the text. */
char *kaio_errdetails(GLUE_ERRDETAILS_ARGS);

#endif /* KAIO_JOB_H */
