/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only includer of fio's headers, and the only place that knows fio's
 * versions.  FIO_IOOPS_VERSION by release: 3.28-29: 30, 3.30-33: 31, 3.34-35:
 * 32, 3.36-37: 33, 3.38-39: 36, 3.40: 37, 3.41-42: 39.
 *
 * fio's own symbols are weak here: an engine built for another fio then
 * still loads, and the guard can say what is wrong.
 */
#ifndef KAIO_FIO_GLUE_H
#define KAIO_FIO_GLUE_H

#include <fio.h>
#include <optgroup.h>
#include <engines/cmdprio.h>
#include <kaio_options.h> /* made by .setup/fio-headers: GLUE_OPTIONS(X) */

#if FIO_IOOPS_VERSION < 30
#error "kaio needs fio 3.28 or later; set FIO and FIO_SRC to such a one"
#endif

/* Every symbol that the engine takes from fio. */
#define GLUE_SYMBOLS(X) \
	X(fio_version_string) \
	X(fio_options) \
	X(segments) \
	X(nr_segments) \
	X(thread_number) \
	X(log_err) \
	X(fio_gettime) \
	X(utime_since_now) \
	X(fio_mark_td_terminate) \
	X(io_u_queued) \
	X(io_u_mark_submit) \
	X(io_u_mark_complete) \
	X(do_io_u_sync) \
	X(do_io_u_trim) \
	X(generic_open_file) \
	X(generic_close_file) \
	X(generic_get_file_size) \
	GLUE_CMDPRIO_SYMBOLS(X)
#if FIO_IOOPS_VERSION >= 31
#define GLUE_CMDPRIO_SYMBOLS(X) \
	X(fio_cmdprio_init) \
	X(fio_cmdprio_set_ioprio) \
	X(fio_cmdprio_cleanup)
#else
#define GLUE_CMDPRIO_SYMBOLS(X) X(str_split_parse)
#endif
#define GLUE_WEAK(symbol) \
	extern __typeof__(symbol) symbol __attribute__((weak));
GLUE_SYMBOLS(GLUE_WEAK)

/* Are fio's jobs in a segment of shared memory, as everywhere but on Android?
 */
#ifdef CONFIG_NO_SHM
#define GLUE_JOBS_IN_SHM false
#else
#define GLUE_JOBS_IN_SHM true
#endif

/*
 * Which requests run at once, in the submitting thread, as in the built-in
 * engine of the same fio.  Trim and sync_file_range always do, as AIO has no
 * such operations.  fsync and fdatasync do up to 3.40, and up to 3.37 they
 * must: fio would issue a sync again and again until the first one completes.
 * Such syncs are not in the histograms of submissions and completions.
 * syncfs came with 3.42, without a new FIO_IOOPS_VERSION.
 */
#ifdef CONFIG_SYNCFS
#define GLUE_SYNC_FLAGS (FIO_ASYNCIO_SYNC_TRIM | FIO_ASYNCIO_SYNC_SYNCFS)
#define glue_is_syncfs(ddir) ((ddir) == DDIR_SYNCFS)
#else
#define GLUE_SYNC_FLAGS FIO_ASYNCIO_SYNC_TRIM
#define glue_is_syncfs(ddir) false
#endif
#if FIO_IOOPS_VERSION >= 39
#define glue_runs_at_once(ddir) \
	((ddir) == DDIR_TRIM || (ddir) == DDIR_SYNC_FILE_RANGE || \
	 glue_is_syncfs(ddir))
#define glue_counts_at_once(ddir) ((void)(ddir), true)
#else
#define glue_runs_at_once(ddir) ((ddir) == DDIR_TRIM || ddir_sync(ddir))
#define glue_counts_at_once(ddir) ((ddir) == DDIR_TRIM)
#endif

/* Linux 6.14.  (RWF_UNCACHED of old fio headers is another kernel's bit.) */
#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80
#endif

/*
 * thinkcycles came with 3.37, without a new FIO_IOOPS_VERSION: only the option
 * table tells where it is, if it is.
 */
static inline unsigned glue_thinkcycles(const struct thread_data *td)
{
	for (size_t i = 0; i < FIO_MAX_OPTS && fio_options[i].name; i++)
		if (!strcmp(fio_options[i].name, "thinkcycles"))
			return *(const unsigned *)((const char *)&td->o +
						   fio_options[i].off1);
	return 0;
}

/* Atomic writes: fio 3.38 on. */
#ifdef FIO_HAVE_RWF_ATOMIC
#define GLUE_ATOMIC_FLAG FIO_ATOMICWRITES
#define GLUE_RWF_ATOMIC RWF_ATOMIC
#define glue_write_flags(td) ((td)->o.oatomic ? RWF_ATOMIC : 0)
#define glue_is_atomic(td, io_u) ((io_u)->ddir == DDIR_WRITE && (td)->o.oatomic)
#else
#define GLUE_ATOMIC_FLAG 0
#define GLUE_RWF_ATOMIC 0
#define glue_write_flags(td) ((void)(td), 0)
#define glue_is_atomic(td, io_u) false
#endif

#define GLUE_ENGINE_FLAGS \
	((int)(GLUE_SYNC_FLAGS | GLUE_ATOMIC_FLAG | GLUE_ISSUE_TIME_FLAG))

/* Until 3.29 fio stamps issue_time itself, when queue() has returned. */
#if FIO_IOOPS_VERSION >= 31
#define GLUE_ISSUE_TIME_FLAG FIO_ASYNCIO_SETS_ISSUE_TIME
#else
#define GLUE_ISSUE_TIME_FLAG 0
#endif

/* errdetails() got a thread_data with version 36. */
#if FIO_IOOPS_VERSION >= 36
#define GLUE_ERRDETAILS_ARGS struct thread_data *td, struct io_u *io_u
#define GLUE_ERRDETAILS_USED (void)td
#else
#define GLUE_ERRDETAILS_ARGS struct io_u *io_u
#define GLUE_ERRDETAILS_USED (void)0
#endif

/*
 * Command priorities.  fio has a macro for the options from 3.36 on, and
 * code for them in its binary from 3.30 on; before, all is in the header.
 */
#if FIO_IOOPS_VERSION >= 31
typedef struct cmdprio_options glue_cmdprio_options;
typedef struct cmdprio glue_cmdprio_state;

#define GLUE_CMDPRIO_CALLBACK(owner)
#define GLUE_CMDPRIO_BSSPLIT(owner) \
	.type = FIO_OPT_STR_STORE, \
	.off1 = offsetof(owner, cmdprio_options.bssplit_str)
#define glue_cmdprio_init(td, state, options) \
	fio_cmdprio_init(td, state, options)
#define glue_cmdprio_cleanup(state) fio_cmdprio_cleanup(state)

/* True when this request gets a priority of its own, in io_u->ioprio. */
static inline bool glue_cmdprio(struct thread_data *td,
				glue_cmdprio_state *state, struct io_u *io_u)
{
	return state->mode != CMDPRIO_MODE_NONE &&
	       fio_cmdprio_set_ioprio(td, state, io_u);
}
#else
typedef struct cmdprio glue_cmdprio_options;
typedef struct {
	struct cmdprio *options;
	bool used;
} glue_cmdprio_state;

#define GLUE_CMDPRIO_CALLBACK(owner) \
	static int set_cmdprio_bssplit(void *data, const char *text) \
	{ \
		owner *o = data; \
		return fio_cmdprio_bssplit_parse(o->td, text, \
						 &o->cmdprio_options); \
	}
#define GLUE_CMDPRIO_BSSPLIT(owner) \
	.type = FIO_OPT_STR_ULL, .cb = set_cmdprio_bssplit, \
	.off1 = offsetof(owner, cmdprio_options.bssplit)
#define glue_cmdprio_cleanup(state) ((void)(state))

static inline int glue_cmdprio_init(struct thread_data *td,
				    glue_cmdprio_state *state,
				    struct cmdprio *options)
{
	state->options = options;
	return fio_cmdprio_init(td, options, &state->used);
}

/* As fio_libaio_prio_prep() of fio 3.28. */
static inline bool glue_cmdprio(struct thread_data *td,
				glue_cmdprio_state *state, struct io_u *io_u)
{
	struct cmdprio *o = state->options;
	unsigned percentage, prio;

	if (!state->used)
		return false;
	percentage = (unsigned)fio_cmdprio_percentage(o, io_u);
	prio = (unsigned)ioprio_value((int)o->class[io_u->ddir],
				      (int)o -> level[io_u->ddir]);
	if (percentage && rand_between(&td->prio_state, 0, 99) < percentage) {
		io_u->ioprio = (unsigned short)prio;
		if (!td->ioprio || prio < td->ioprio)
			io_u->flags |= IO_U_F_HIGH_PRIO;
		return true;
	}
	if (td->ioprio && td->ioprio < prio)
		io_u->flags |= IO_U_F_HIGH_PRIO;
	return false;
}
#endif

#ifdef CMDPRIO_OPTIONS
#define GLUE_CMDPRIO_OPTIONS(type) CMDPRIO_OPTIONS(type, FIO_OPT_G_LIBAIO)
#else
#define GLUE_CMDPRIO_INT(owner, opt, text, field, min, max) \
	{ \
		.name = opt, .lname = text, .type = FIO_OPT_INT, \
		.off1 = offsetof(owner, cmdprio_options.field[DDIR_READ]), \
		.off2 = offsetof(owner, cmdprio_options.field[DDIR_WRITE]), \
		.minval = min, .maxval = max, .interval = 1, .help = text, \
		.category = FIO_OPT_C_ENGINE, .group = FIO_OPT_G_LIBAIO, \
	}
#define GLUE_CMDPRIO_OPTIONS(owner) \
	GLUE_CMDPRIO_INT(owner, "cmdprio_percentage", \
			 "Send high priority I/O this percentage of the time", \
			 percentage, 0, 100), \
		GLUE_CMDPRIO_INT(owner, "cmdprio_class", \
				 "Set asynchronous IO priority class", class, \
				 IOPRIO_MIN_PRIO_CLASS + 1, \
				 IOPRIO_MAX_PRIO_CLASS), \
		GLUE_CMDPRIO_INT(owner, "cmdprio", \
				 "Set asynchronous IO priority level", level, \
				 IOPRIO_MIN_PRIO, IOPRIO_MAX_PRIO), \
	{ \
		.name = "cmdprio_bssplit", \
		.lname = "Priority percentage block size split", \
		GLUE_CMDPRIO_BSSPLIT(owner), \
		.help = "Set priority percentages for different block sizes", \
		.category = FIO_OPT_C_ENGINE, .group = FIO_OPT_G_LIBAIO, \
	}
#endif

/*
 * The buffers of I/Os that may still come back: what fio's heap would give
 * away again is left alone; other memory goes back to the kernel, which keeps
 * the pages of direct I/O for itself.
 */
static inline void glue_keep_buffers(struct thread_data *td)
{
	if (td->o.mem_type == MEM_MALLOC)
		td->orig_buffer = NULL;
}

/* td_verror() for a positive errno: fio's macro mixes signs. */
#define glue_error(td, err, call) \
	do { \
		_Pragma("GCC diagnostic push") _Pragma( \
			"GCC diagnostic ignored \"-Wsign-conversion\"") \
			td_verror(td, err, call); \
		_Pragma("GCC diagnostic pop") \
	} while (0)

#endif /* KAIO_FIO_GLUE_H */
