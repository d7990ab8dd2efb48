// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening a file: as fio does, and a sentence before the first I/O if it does
 * not take the flags that the job wants.
 */
#include <errno.h>

#include "rwf.h"
#include "guard.h"
#include "job.h"

/*
 * One sentence on the first of the wanted flags that is not taken.
 * where: "reads" or "writes"; nowait: how that was given; hint: what else may
 * help, or "".
 */
static bool flags_taken(unsigned wanted, unsigned taken, const char *name,
			const char *where, const char *nowait, const char *hint)
{
	const struct {
		unsigned flag;
		const char *option, *rwf;
	} flags[] = {
		{RWF_NOWAIT, nowait, "RWF_NOWAIT"},
		{RWF_DONTCACHE, "uncached=1", "RWF_DONTCACHE (Linux 6.14)"},
		{RWF_DSYNC, "dsync=1", "RWF_DSYNC"},
		{GLUE_RWF_ATOMIC, "atomic=1", "RWF_ATOMIC (Linux 6.11)"},
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (!(wanted & flags[i].flag & ~taken))
			continue;
		log_err("kaio: %s does not take %s for %s: its file system "
			"or this kernel lacks %s there; leave the option out%s"
			", or use another file system\n",
			name, flags[i].option, where, flags[i].rwf,
			flags[i].flag == RWF_NOWAIT ? hint : "");
		return false;
	}
	return true;
}

/* The flags that the job will set: a job that only reads sets none on writes.
 */
static struct rwf wanted_flags(const struct thread_data *td)
{
	const struct kaio *k = td->io_ops_data;
	bool writes = td_write(td) && !td->o.verify_only;
	bool reads = td_read(td) || td->o.verify;

	return (struct rwf){
		.reads = reads ? (unsigned)k->read_flags : 0,
		.writes = writes ? (unsigned)k->write_flags : 0,
	};
}

/*
 * Does the file take them?  Where that cannot be found out, each I/O's own
 * error will tell.  The trials need an idle context: only with a first file of
 * another file system, within the run, is something in flight.
 */
static bool file_takes(const struct thread_data *td, const struct fio_file *f)
{
	struct kaio *k = td->io_ops_data;
	const struct rwf wanted = wanted_flags(td);
	const char *nowait =
		k->queue.config.again ? "nowait=fallback" : "nowait=1";
	struct rwf taken;
	bool known;

	if (!(wanted.reads | wanted.writes) || !k->queue.ctx)
		return true;
	if (!rwf_is_known(&k->known, f->fd) && queue_drain(&k->queue))
		return true;
	queue_lend(&k->queue);
	known = !rwf_ask(&k->known, k->queue.ctx, f->fd, wanted, &taken);
	queue_take_back(&k->queue);
	if (!known)
		return true;
	return flags_taken(wanted.reads, taken.reads, f->file_name, "reads",
			   nowait, "") &&
	       flags_taken(wanted.writes, taken.writes, f->file_name, "writes",
			   nowait, td->o.odirect ? "" : ", try direct=1");
}

int kaio_open_file(struct thread_data *td, struct fio_file *f)
{
	int before = f->fd, ret = generic_open_file(td, f);

	if (!ret && !guard_opened(before, f)) {
		glue_error(td, ELIBBAD, "kaio_open_file");
		return 1;
	}
	if (ret || !td->io_ops_data || file_takes(td, f))
		return ret;
	if (!generic_close_file(td, f))
		glue_error(td, EOPNOTSUPP, "kaio_open_file");
	return 1;
}
