// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every member of a structure of fio's that the engine reads or writes, held
 * against what fio does with it.  What is left stands between two members that
 * are compared, and cannot be told from a neighbour that changed places with
 * it: io_u's start_time, issue_time, ioprio, offset and resid; td's terminate,
 * last_issue and trim_verify.  The values of enums (DDIR_*, TD_F_*, IO_U_F_*)
 * and the order of the hooks in ioengine_ops show only as far as they are used
 * here.
 * Sources: add_thread_segment() in init.c; do_io_u_sync() and get_io_u()
 * in io_u.c; file_size() in filesetup.c; init_io_u() and thread_main() in
 * backend.c; io_workqueue_init_worker_fn() in rate-submit.c; of 3.28 to 3.42.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

#include "layout.h"

static const char in_td[] = "thread_data", in_io_u[] = "io_u",
		  in_file[] = "fio_file";

/* More than fio's own structures, so that it stays inside whatever it does. */
#define ROOM(type) (2 * sizeof(type) + 4096)

/* The jobs' array in shared memory tells how large fio's own thread_data is. */
static bool same_td_size(void)
{
	size_t want = JOBS_PER_SEG * sizeof(struct thread_data) +
		      2 * sizeof(unsigned int);
	struct shmid_ds shm;

	if (!GLUE_JOBS_IN_SHM || !nr_segments ||
	    shmctl(segments[0].shm_id, IPC_STAT, &shm))
		return true;
	return shm.shm_segsz == want;
}

/* fio's number of the job td, from 1; 0: it is an offload worker's. */
static unsigned job_number(const struct thread_data *td)
{
	for (unsigned i = 0; i < nr_segments; i++) {
		const char *first = (const char *)segments[i].threads;
		size_t at = (size_t)((const char *)td - first);

		if ((const char *)td >= first &&
		    at < JOBS_PER_SEG * sizeof(*td) && at % sizeof(*td) == 0)
			return i * JOBS_PER_SEG + (unsigned)(at / sizeof(*td)) +
			       1;
	}
	return 0;
}

/*
 * fio looks up the size of a file without a name, and tells the error to the
 * job and to its parent.  The rest of the file is ones: no pointer, and the
 * number of a regular file.
 */
static const char *ask_for_error(struct thread_data *job,
				 struct thread_data *parent, int *file)
{
	struct fio_file *f = (struct fio_file *)file;

	for (size_t i = 0; i < ROOM(struct fio_file) / sizeof(*file); i++)
		file[i] = FIO_TYPE_FILE;
	f->flags = 0;
	f->file_name = (char *)"";
	job->parent = parent;
	if (!generic_get_file_size(job, f) || job->error == EFAULT)
		return in_file;
	if (job->error != ENOENT || parent->error != ENOENT ||
	    strncmp(job->verror, "file:", 5))
		return in_td;
	return NULL;
}

/* The file that fio finds in an io_u where the engine has not put one. */
static void *other_file(struct fio_file *f)
{
	uint64_t *words = (uint64_t *)f + ROOM(struct fio_file) / 16;

	for (size_t i = 0; i < ROOM(struct fio_file) / 16; i++)
		words[i] = 0xffffffff80000000 + i;
	return words;
}

/*
 * Does fio do with an io_u of this direction what it should?  No call reaches
 * the kernel: a wait is no sync, and nothing was written to the file, which
 * has the same number everywhere.  To the other file something was.
 */
static bool asked_sync(const struct thread_data *td, struct io_u *io_u,
		       struct fio_file *f, enum fio_ddir ddir, int want)
{
	void *other = other_file(f), **words = (void **)io_u;

	for (size_t i = 0; i < ROOM(struct io_u) / sizeof(*words); i++)
		words[i] = other;
	io_u->ddir = ddir;
	io_u->file = f;
	io_u->xfer_buflen = 4711;
	io_u->error = 0;
	return do_io_u_sync(td, io_u) == want;
}

static const char *ask_for_sync(const struct thread_data *td, struct io_u *io_u,
				struct fio_file *f)
{
	memset(f, 0xff, ROOM(struct fio_file));
	if (!asked_sync(td, io_u, f, DDIR_WAIT, 4711) || io_u->error != EINVAL)
		return in_io_u;
	if (!asked_sync(td, io_u, f, DDIR_SYNC_FILE_RANGE, 0) || io_u->error)
		return in_io_u;
	return NULL;
}

const char *layout_of_fio(void)
{
	struct thread_data *job = calloc(1, ROOM(*job));
	struct thread_data *parent = calloc(1, ROOM(*parent));
	void *file = calloc(1, ROOM(struct fio_file));
	void *io_u = calloc(1, ROOM(struct io_u));
	const char *differs = NULL;

	if (!same_td_size())
		differs = in_td;
	else if (job && parent && file && io_u)
		differs = ask_for_error(job, parent, file);
	if (!differs && job && file && io_u)
		differs = ask_for_sync(job, io_u, file);
	free(io_u);
	free(file);
	free(parent);
	free(job);
	return differs;
}

/*
 * io_ops first, as comparing it is safe whatever lies there.  fio keeps td in
 * the first word of the options while it parses and for offload workers, and
 * clears it for a job that is about to run.
 */
const char *layout_of_td(const struct thread_data *td,
			 const struct ioengine_ops *ops)
{
	const struct thread_data *owner;

	if (td->io_ops != ops || td->io_ops_data || !td->eo ||
	    td->o.magic != OPT_MAGIC)
		return in_td;
	owner = *(struct thread_data **)td->eo;
	if ((owner && owner != td) || td->pid != gettid() || td->parent ||
	    td->flags & TD_F_CHILD)
		return in_td;
	if (job_number(td) &&
	    (td->thread_number != job_number(td) ||
	     (td->runstate != TD_RUNNING && td->runstate != TD_RAMP)))
		return in_td;
	return NULL;
}

/*
 * Does each io_u have its part of the buffer, or is there none?  The first
 * begins where the buffer does, but for what aligns it.
 */
static bool same_buffers(const struct thread_data *td)
{
	const char *from = td->orig_buffer, *to = from + td->orig_buffer_size;
	size_t aligns = (size_t)sysconf(_SC_PAGESIZE) + td->o.mem_align;
	const char *last = from;

	for (unsigned i = 0; i < td->io_u_all.nr; i++) {
		const char *buf = td->io_u_all.io_us[i]->buf;

		if (!from || !buf)
			return !from && !buf;
		if (buf < last + (i > 0) || buf >= to ||
		    (!i && (size_t)(buf - from) > aligns))
			return false;
		last = buf;
	}
	return true;
}

const char *layout_of_opened(int before, const struct fio_file *f)
{
	return before == -1 && f->fd >= 0 ? NULL : in_file;
}

/* The list in each io_u points to itself: fio has made it so, and no more. */
const char *layout_of_io_us(const struct thread_data *td)
{
	const struct io_u_queue *all = &td->io_u_all;
	const struct io_u_queue *idle = &td->io_u_freelist;
	unsigned depth = td->o.iodepth;

	if (!job_number(td))
		return td->o.iodepth == 1 ? NULL : in_td;
	if (all->nr != depth || all->max != depth || idle->nr != depth ||
	    idle->max != depth)
		return in_td;
	for (unsigned i = 0; i < depth; i++) {
		const struct io_u *io_u = all->io_us[i];

		if (io_u != idle->io_us[i])
			return in_td;
		if (io_u->index != i || io_u->flags != IO_U_F_FREE ||
		    io_u->verify_list.next != &io_u->verify_list ||
		    io_u->file || io_u->xfer_buf || io_u->xfer_buflen ||
		    io_u->error || io_u->resid)
			return in_io_u;
	}
	return same_buffers(td) ? NULL : in_io_u;
}

static bool is_time(const struct timespec *t)
{
	return t->tv_sec >= 0 && t->tv_nsec >= 0 && t->tv_nsec < 1000000000;
}

/* Since the job began?  A wall clock may be the source, hence the hour. */
static bool is_since(const struct timespec *t, const struct thread_data *td)
{
	struct timespec now;

	fio_gettime(&now, NULL);
	return is_time(t) && t->tv_sec > td->epoch.tv_sec - 3600 &&
	       t->tv_sec < now.tv_sec + 3600;
}

/* The times that fio has set when a job or worker has begun. */
static bool same_times(const struct thread_data *td, bool job)
{
	const struct timespec *epoch = &td->epoch, *last = &td->last_issue;

	if (!(epoch->tv_sec || epoch->tv_nsec) || !is_since(epoch, td))
		return false;
	if ((last->tv_sec || last->tv_nsec) && !is_since(last, td))
		return false;
	return !job ||
	       (is_since(&td->start, td) && is_since(&td->ts_cache, td));
}

const char *layout_of_request(const struct thread_data *td,
			      const struct io_u *io_u,
			      const struct ioengine_ops *ops)
{
	bool job = job_number(td), worker = td->flags & TD_F_CHILD;
	const struct thread_data *owner = job ? td : td->parent;
	const char *from, *buf = io_u->buf;

	if (job == worker || !td->io_ops_data || !job_number(owner) ||
	    owner->io_ops != ops || !same_times(td, job))
		return in_td;
	if (!io_u->file || io_u->error)
		return in_io_u;
	if (io_u->ddir != DDIR_READ && io_u->ddir != DDIR_WRITE)
		return NULL;
	from = owner->orig_buffer;
	if (io_u->xfer_buf != io_u->buf || io_u->xfer_buflen != io_u->buflen ||
	    buf < from || buf >= from + owner->orig_buffer_size ||
	    io_u->buflen > owner->orig_buffer_size)
		return in_io_u;
	return NULL;
}
