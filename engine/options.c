// SPDX-License-Identifier: GPL-2.0-only
/*
 * The option table that fio parses.  engine/README.md has the same table, and
 * a test holds the two equal.
 */
#include <stdlib.h>
#include <string.h>

#include "options.h"

/*
 * A set-option, so that the built-in engine's bare "userspace_reap" parses.
 * fio cannot tell such an option's 0 from its absence, hence the callback.
 */
static int set_userspace_reap(void *data, int *value)
{
	struct kaio_options *o = data;

	if (!*value)
		o->reap = QUEUE_SYSCALL;
	else if (o->reap == QUEUE_SYSCALL)
		o->reap = QUEUE_RING;
	return 0;
}

/* Nanoseconds of 12us, 3ms...; bare: of a number without a unit; up to max. */
static bool parse_time(const char *text, uint64_t bare, uint64_t max,
		       uint64_t *ns)
{
	const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{"", bare},	      {"ns", 1},	 {"us", 1000},
		{"ms", 1000000},      {"s", 1000000000}, {"m", 60000000000},
		{"h", 3600000000000},
	};
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9')
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(end, units[i].name)) {
			*ns = units[i].ns * value;
			return value <= max / units[i].ns;
		}
	return false;
}

static int set_spin(void *data, const char *text)
{
	struct kaio_options *o = data;

	o->spin_auto = !strcmp(text, "auto");
	o->spin_ns = 0;
	if (o->spin_auto || parse_time(text, 1000, 1000000000, &o->spin_ns))
		return 0;
	log_err("kaio: spin=%s is not a time that the engine can watch the "
		"ring for; give auto, or 0 to 1000000us (ns, us, ms)\n",
		text);
	return 1;
}

static int set_stuck(void *data, const char *text)
{
	const uint64_t second = 1000000000, day = 86400 * second;
	struct kaio_options *o = data;

	if (parse_time(text, second, day, &o->stuck_ns) &&
	    (!o->stuck_ns || o->stuck_ns >= 1000000))
		return 0;
	log_err("kaio: stuck=%s is not a time after which an I/O counts as "
		"stuck; give 1ms to 24h (ms, s, m, h; s if no unit), or 0 for "
		"never\n",
		text);
	return 1;
}

GLUE_CMDPRIO_CALLBACK(struct kaio_options)

#define IN_GROUP .category = FIO_OPT_C_ENGINE, .group = FIO_OPT_G_LIBAIO

/*
 * fio copies the string of each such option for every clone and offload
 * worker, callback or not: without a member of its own that would be td.
 */
#define TEXT(field) \
	.type = FIO_OPT_STR_STORE, .off1 = offsetof(struct kaio_options, field)

#define FLAG(option, field, title, text) \
	{ \
		.name = option, .lname = title, .type = FIO_OPT_BOOL, \
		.off1 = offsetof(struct kaio_options, field), .def = "0", \
		.help = text, IN_GROUP, \
	}

struct fio_option kaio_option_table[] = {
	{
		.name = "userspace_reap",
		.lname = "Read completions from the ring",
		.type = FIO_OPT_STR_SET,
		.cb = set_userspace_reap,
		.help = "Read completions from the ring in user space: always "
			"on; 0 means reap=syscall (this is kaio " KAIO_VERSION
			")",
		IN_GROUP,
	},
	{
		.name = "reap",
		.lname = "How to find and await completions",
		.type = FIO_OPT_STR,
		.off1 = offsetof(struct kaio_options, reap),
		.def = "ring",
		.help = "ring: in user space, io_getevents only to wait; "
			"syscall: io_getevents only; eventfd: the ring, and "
			"epoll_wait on an eventfd to wait",
		.posval =
			{
				{.ival = "ring", .oval = QUEUE_RING},
				{.ival = "syscall", .oval = QUEUE_SYSCALL},
				{.ival = "eventfd", .oval = QUEUE_EVENTFD},
			},
		IN_GROUP,
	},
	{
		.name = "spin",
		.lname = "Watch the ring before waiting",
		TEXT(spin),
		.cb = set_spin,
		.help = "For how long (ns, us, ms; us if no unit), or auto: "
			"where trials show that it pays",
		IN_GROUP,
	},
	{
		.name = "submit",
		.lname = "When to submit",
		.type = FIO_OPT_STR,
		.off1 = offsetof(struct kaio_options, adaptive),
		.def = "immediate",
		.help = "immediate: when fio says so; adaptive: while "
			"completions wait to be read, half of iodepth (up to "
			"64) may be held on a device that completes I/O "
			"inside io_submit, on others an eighth of it (4 to 8; "
			"none below iodepth=32, or where that proves slower; "
			"not with rate, thinktime, replays, or syncs and "
			"batches of completions)",
		.posval =
			{
				{.ival = "immediate", .oval = 0},
				{.ival = "adaptive", .oval = 1},
			},
		IN_GROUP,
	},
	{
		.name = "stamp",
		.lname = "When an I/O counts as issued",
		.type = FIO_OPT_STR,
		.off1 = offsetof(struct kaio_options, stamp_before),
		.def = "after",
		.help = "after: when io_submit has returned; before: when it "
			"is called, so that blocking in it is completion "
			"latency, not submission latency",
		.posval =
			{
				{.ival = "after", .oval = 0},
				{.ival = "before", .oval = 1},
			},
		IN_GROUP,
	},
	{
		.name = "nowait",
		.lname = "RWF_NOWAIT",
		.type = FIO_OPT_STR,
		.off1 = offsetof(struct kaio_options, nowait),
		.def = "0",
		.help = "1: set RWF_NOWAIT for reads/writes; fallback: and "
			"send "
			"again without it what would have blocked",
		.posval =
			{
				{.ival = "0", .oval = NOWAIT_OFF},
				{.ival = "1", .oval = NOWAIT_ON},
				{.ival = "fallback", .oval = NOWAIT_FALLBACK},
			},
		IN_GROUP,
	},
	FLAG("uncached", uncached, "RWF_DONTCACHE",
	     "Set RWF_DONTCACHE for reads/writes (buffered I/O that leaves "
	     "nothing in the page cache; Linux 6.14)"),
	FLAG("dsync", dsync, "RWF_DSYNC", "Set RWF_DSYNC for writes"),
	FLAG("libaio_vectored", vectored, "Use preadv and pwritev",
	     "Submit PREADV/PWRITEV instead of PREAD/PWRITE"),
	FLAG("engine_stats", stats, "Statistics of the engine",
	     "Print what the engine did, at the end of each job"),
	{
		.name = "stats_file",
		.lname = "File for the statistics",
		TEXT(stats_file),
		.help = "Append the statistics of each job here, one JSON "
			"object a line",
		IN_GROUP,
	},
	{
		.name = "stuck",
		.lname = "When an I/O counts as stuck",
		TEXT(stuck),
		.cb = set_stuck,
		.help = "Name I/Os that are in flight for longer (ms, s, m, h; "
			"s if no unit), at once and each minute; and where the "
			"job should have ended give them up, as failed with "
			"ETIMEDOUT (0: never)",
		IN_GROUP,
	},
	FLAG("due_stats", due_stats, "Latencies from when I/Os were due",
	     "With rate or rate_iops: latencies from when an I/O was due, and "
	     "was queued, to when it arrived (stamped by a thread), in the "
	     "object of engine_stats, printed unless there is a stats_file"),
	FLAG("lat_windows", lat_windows, "Latencies of each second",
	     "With stats_file: how many I/Os took how long in each second of "
	     "the job, in its object"),
	{
		.name = "ack_log",
		.lname = "File for what was acknowledged",
		TEXT(ack_log),
		.help = "Keep here what was acknowledged and what was synced "
			"of each block, in shared memory that outlives fio, "
			"and stamp what is written, to be compared after a "
			"power cut",
		IN_GROUP,
	},
	GLUE_CMDPRIO_OPTIONS(struct kaio_options),
	{
		.name = NULL,
	},
};
