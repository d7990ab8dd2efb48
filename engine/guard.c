// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compares the running fio with the one compiled in: its version string, the
 * offsets in its exported option table (they are those of its struct
 * thread_options), and its other structures (layout.c).  Until it has judged,
 * no symbol of fio's is sure to be there.
 * Sources: options.c, ioengine_load() in init.c, dlopen_ioengine().
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guard.h"
#include "layout.h"

/* What to check in fio_options[]: first, last, and what the engine uses. */
#define GUARD_OPTION(name, member) \
	{ \
		name, offsetof(struct thread_options, member) \
	}
static const struct {
	const char *name;
	unsigned offset;
} guard_offsets[] = {
	GUARD_OPTION("description", description),
	GUARD_OPTION("name", name),
	GUARD_OPTION("ioengine", ioengine),
	GUARD_OPTION("rw", td_ddir),
	GUARD_OPTION("iodepth", iodepth),
	GUARD_OPTION("iodepth_batch_complete_min", iodepth_batch_complete_min),
	GUARD_OPTION("iodepth_batch_complete_max", iodepth_batch_complete_max),
	GUARD_OPTION("direct", odirect),
	GUARD_OPTION("iomem_align", mem_align),
	GUARD_OPTION("thread", use_thread),
	GUARD_OPTION("fsync", fsync_blocks),
	GUARD_OPTION("fdatasync", fdatasync_blocks),
	GUARD_OPTION("sync_file_range", sync_file_range),
	GUARD_OPTION("runtime", timeout),
	GUARD_OPTION("ramp_time", ramp_time),
	GUARD_OPTION("verify", verify),
	GUARD_OPTION("verify_only", verify_only),
	GUARD_OPTION("experimental_verify", experimental_verify),
	GUARD_OPTION("thinktime", thinktime),
	GUARD_OPTION("rate", rate[DDIR_READ]),
	GUARD_OPTION("rate_iops", rate_iops[DDIR_READ]),
	GUARD_OPTION("disable_slat", disable_slat),
	GUARD_OPTION("disable_clat", disable_clat),
	GUARD_OPTION("disable_bw_measurement", disable_bw),
	GUARD_OPTION("read_iolog", read_iolog_file),
	GUARD_OPTION("atomic", oatomic),
	GUARD_OPTION("create_serialize", create_serialize),
	GUARD_OPTION("stonewall", stonewall),
	GUARD_OPTION("startdelay", start_delay),
	GUARD_OPTION("wait_for", wait_for),
	GUARD_OPTION("io_submit_mode", io_submit_mode),
	GUARD_OPTION("allow_mounted_write", allow_mounted_write),
	GUARD_OPTION("log_prio", log_prio),
};

/* To fio's error log, or where that ends if there is none. */
__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	char text[9000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (&log_err)
		log_err("%s", text);
	else
		fputs(text, stderr);
}

static const char *running_path(char *path, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", path, size - 1);

	path[len > 0 ? len : 0] = '\0';
	return len > 0 ? path : "fio";
}

/* One sentence: both versions, what differs, and how to mend it. */
__attribute__((format(printf, 1, 2))) static void refuse(const char *fmt, ...)
{
	const char *running = fio_version_string;
	char what[256], path[4096];
	const char *exe = running_path(path, sizeof(path));
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	say("kaio: this engine was built for %s but %s is %s%s; rebuild it "
	    "with: make FIO=%s (add FIO_SRC=DIR, the source tree of that "
	    "%s, unless it is the distribution's package)\n",
	    KAIO_FIO_VERSION, exe, running, what, exe, running);
}

/* Is there a fio that shows itself to its engines at all? */
static bool exports_symbols(void)
{
	char path[4096];

	if (fio_version_string)
		return true;
	say("kaio: %s exports no symbols, without which no external engine can "
	    "run in it: it was linked without -rdynamic, as with: make "
	    "LDFLAGS=...; build it again without LDFLAGS on make's command "
	    "line, or use another fio\n",
	    running_path(path, sizeof(path)));
	return false;
}

static bool in_running_table(const char *byte)
{
	Dl_info info;

	return dladdr(byte, &info) && info.dli_saddr == (void *)fio_options;
}

/* Its last byte is in the table of the running fio, and the next is not. */
static bool same_table_size(void)
{
	const char *end = (const char *)fio_options + sizeof(fio_options);

	return fio_options && in_running_table(end - 1) &&
	       !in_running_table(end);
}

static const struct fio_option *running_option(const char *name)
{
	for (size_t i = 0; i < FIO_MAX_OPTS && fio_options[i].name; i++)
		if (!strcmp(fio_options[i].name, name))
			return &fio_options[i];
	return NULL;
}

static bool same_symbols(void)
{
#define GUARD_SYMBOL(symbol) \
	if (!&(symbol)) { \
		refuse(" without the symbol %s", #symbol); \
		return false; \
	}
	GLUE_SYMBOLS(GUARD_SYMBOL)
#undef GUARD_SYMBOL
	return true;
}

/* The size of the table comes first: it makes walking the table safe. */
static bool same_offsets(void)
{
	if (!same_table_size()) {
		refuse(" with an option table of another size than %zu bytes",
		       sizeof(fio_options));
		return false;
	}
	for (size_t i = 0; i < sizeof(guard_offsets) / sizeof(*guard_offsets);
	     i++) {
		const char *name = guard_offsets[i].name;
		const struct fio_option *opt = running_option(name);
		unsigned want = guard_offsets[i].offset;

		if (opt && opt->off1 == want)
			continue;
		refuse(" with the option %s at byte %u instead of %u", name,
		       opt ? opt->off1 : 0, want);
		return false;
	}
	return true;
}

/* differs: the structure, or NULL. */
static bool same_layout(const char *differs)
{
	if (differs)
		refuse(" with another layout of %s", differs);
	return !differs;
}

bool guard_fio(void)
{
	if (!exports_symbols())
		return false;
	if (strcmp(fio_version_string, KAIO_FIO_VERSION)) {
		refuse("%s", "");
		return false;
	}
	return same_symbols() && same_offsets() && same_layout(layout_of_fio());
}

bool guard_td(const struct thread_data *td, const struct ioengine_ops *ops)
{
	return same_layout(layout_of_td(td, ops));
}

bool guard_io_us(const struct thread_data *td)
{
	return same_layout(layout_of_io_us(td));
}

bool guard_opened(int before, const struct fio_file *f)
{
	return same_layout(layout_of_opened(before, f));
}

bool guard_request(const struct thread_data *td, const struct io_u *io_u,
		   const struct ioengine_ops *ops)
{
	return same_layout(layout_of_request(td, io_u, ops));
}
