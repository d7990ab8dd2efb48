// SPDX-License-Identifier: GPL-2.0-only
/*
 * Before the first job starts: do the contexts of those that start together
 * fit into fs.aio-max-nr?  Otherwise the kernel refuses some of them, and fio
 * runs the rest, which is another load than the one that was asked for.
 * This comes before the guard has seen a job: it follows no pointer of one but
 * its options'.
 * Source: run_threads() in backend.c and get_file_sizes() in filesetup.c of
 * fio; ioctx_alloc() in fs/aio.c of Linux, which charges what was asked for.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "aiolimit.h"
#include "job.h"
#include "libaio_ext.h"

/* What td_verror() says of a job that was refused here. */
#define REFUSED "fs.aio-max-nr"

/* Jobs that start together. */
struct start {
	unsigned jobs;
	unsigned long requests; /* that their contexts ask for */
	const struct thread_data *first;
	const struct thread_data *asked; /* the first of those that are */
	bool refused;			 /* they were, all of them */
	bool offload;			 /* one of them asks twice */
};

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* With create_only files are laid out, and no I/O follows. */
static bool counts(const struct thread_data *td)
{
	return td->io_ops == &kaio_ops && !td->o.create_only;
}

/*
 * Does this job come here before any has a context?  With create_serialize=0
 * it comes when others may have started, and a replay may have no file yet.
 */
static bool is_asked(const struct thread_data *td)
{
	return counts(td) && td->o.create_serialize && !td->o.read_iolog_file;
}

/*
 * The jobs of one group, which stonewall begins, start together if they wait
 * for the same.  What else may overlap, later, is not counted: it need not.
 */
static bool start_together(const struct thread_data *a,
			   const struct thread_data *b)
{
	return a->o.start_delay == b->o.start_delay &&
	       same_text(a->o.wait_for, b->o.wait_for);
}

/* A worker of io_submit_mode=offload has a context for one request. */
static unsigned long requests_of(const struct thread_data *td)
{
	unsigned long depth = td->o.iodepth;

	return td->o.io_submit_mode == IO_MODE_OFFLOAD ? 2 * depth : depth;
}

/* The place of the first job in td's group. */
static unsigned group_of(const struct thread_data *td)
{
	unsigned first = 0;

	for (unsigned i = 0; i < thread_number; i++) {
		const struct thread_data *one = tnumber_to_td(i);

		if (one->o.stonewall)
			first = i;
		if (one == td)
			break;
	}
	return first;
}

static void add(struct start *start, const struct thread_data *one)
{
	if (!start->first)
		start->first = one;
	if (!start->asked && is_asked(one))
		start->asked = one;
	start->jobs++;
	start->requests += requests_of(one);
	start->offload |= requests_of(one) > one->o.iodepth;
}

/*
 * Does verror have the word?  Its job, if that is another thread, may be
 * writing it, and then still has its engine, for which it counts.
 */
__attribute__((no_sanitize("thread"))) static bool was_refused(
	const struct thread_data *td)
{
	unsigned same = 0;

	for (const char *at = td->verror; *at && REFUSED[same]; at++)
		same = *at == REFUSED[same] ? same + 1 : *at == REFUSED[0];
	return !REFUSED[same];
}

/*
 * Those that start with td, itself included.  A reaped one does not start, but
 * those that were refused are of the sum.  That is asked last, as fio takes
 * their engine away after it.
 */
static struct start start_of(const struct thread_data *td)
{
	struct start found = {.jobs = 0};
	unsigned first = group_of(td);

	for (unsigned i = first; i < thread_number; i++) {
		const struct thread_data *one = tnumber_to_td(i);

		if (i > first && one->o.stonewall)
			break;
		if (!start_together(one, td))
			continue;
		if ((counts(one) && one->runstate != TD_REAPED) ||
		    was_refused(one))
			add(&found, one);
		found.refused |= was_refused(one);
	}
	return found;
}

/*
 * What others hold now counts only for jobs that start now: it may be free by
 * the time that later ones do.
 */
static bool fits(const struct thread_data *td, unsigned long requests)
{
	bool now = is_asked(td) && !group_of(td) && !td->o.start_delay &&
		   !td->o.wait_for;
	struct io_limits limits;

	if (io_limits(&limits))
		return true; /* io_setup() will tell */
	return requests + (now ? limits.aio_nr : 0) <= limits.aio_max_nr;
}

static void explain(const struct start *start)
{
	char why[420], more[64] = "";
	int sum = start->requests < INT_MAX ? (int)start->requests : INT_MAX;

	if (start->jobs > 1)
		snprintf(more, sizeof(more), " and %u that start with it",
			 start->jobs - 1);
	io_setup_explain(-EAGAIN, sum, why, sizeof(why));
	log_err("kaio: job %s%s would need %lu AIO requests (numjobs x "
		"iodepth%s), so none starts: %s\n",
		start->first->o.name, more, start->requests,
		start->offload ? ", twice with offload" : "", why);
}

/*
 * The first that is asked answers for all.  If none is, each does, and finds
 * the same, as the sum is all that it takes; one of them says so.
 */
static bool fit_together(struct thread_data *td)
{
	struct start start = start_of(td);
	bool told = start.asked && start.asked != td;

	if (!start.refused && (told || fits(td, start.requests)))
		return true;
	if (td == (start.asked ? start.asked : start.first))
		explain(&start);
	glue_error(td, EAGAIN, REFUSED);
	return false;
}

int kaio_get_file_size(struct thread_data *td, struct fio_file *f)
{
	if (is_asked(td) && !fit_together(td))
		return 1;
	return generic_get_file_size(td, f);
}

bool kaio_fits_late(struct thread_data *td)
{
	return is_asked(td) || !counts(td) || (td->flags & TD_F_CHILD) ||
	       fit_together(td);
}
