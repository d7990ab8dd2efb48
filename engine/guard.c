// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compares the running fio with the one compiled in: its version string, its
 * option table (table.c), and its other structures (layout.c).  Until it has
 * judged, no symbol of fio's is sure to be there.
 * Sources: options.c, ioengine_load() in init.c, dlopen_ioengine().
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guard.h"
#include "half.h"
#include "job.h"
#include "layout.h"
#include "table.h"

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

/* One sentence: all versions, what differs, and how to mend it. */
static void guard_refuse(const char *versions, bool several, const char *why)
{
	const char *running = fio_version_string;
	char path[4096];
	const char *exe = running_path(path, sizeof(path));

	if (!exports_symbols())
		return;
	say("kaio: this engine was built for %s but %s is %s%s; rebuild it "
	    "with: make FIO=%s (add FIO_SRC=DIR, the source tree of that "
	    "%s, unless it is the distribution's package)%s\n",
	    versions, exe, running, why, exe, running,
	    several ? ", or with: make engines, and that tree, built, among "
		      "its FIO_SRCS"
		    : "");
}

static bool same_symbols(char *why, size_t size)
{
#define GUARD_SYMBOL(symbol) \
	if (!&(symbol)) { \
		snprintf(why, size, " without the symbol %s", #symbol); \
		return false; \
	}
	GLUE_SYMBOLS(GUARD_SYMBOL)
#undef GUARD_SYMBOL
	return true;
}

/* differs: the structure, or NULL. */
static bool same_layout(const char *differs, char *why, size_t size)
{
	int len;

	if (!differs)
		return true;
	len = snprintf(why, size, " with another layout of %s", differs);
	table_names(why + len, size - (size_t)len);
	return false;
}

static bool guard_fits(char why[HALF_WHY])
{
	return fio_version_string &&
	       !strcmp(fio_version_string, KAIO_FIO_VERSION) &&
	       same_symbols(why, HALF_WHY) && table_fits(why, HALF_WHY) &&
	       same_layout(layout_of_fio(), why, HALF_WHY);
}

static const struct half guard_half = {
	.version = KAIO_FIO_VERSION,
	.ops = &kaio_ops,
	.fits = guard_fits,
	.refuse = guard_refuse,
};
static const struct half *const guard_entry
	__attribute__((used, section("kaio_halves"))) = &guard_half;

/* Within a job, when this half has been picked. */
static bool judged(const char *differs)
{
	char why[HALF_WHY];

	if (!same_layout(differs, why, sizeof(why)))
		guard_refuse(KAIO_FIO_VERSION, false, why);
	return !differs;
}

bool guard_td(const struct thread_data *td, const struct ioengine_ops *ops)
{
	return judged(layout_of_td(td, ops));
}

bool guard_io_us(const struct thread_data *td)
{
	return judged(layout_of_io_us(td));
}

bool guard_opened(int before, const struct fio_file *f)
{
	return judged(layout_of_opened(before, f));
}

bool guard_request(const struct thread_data *td, const struct io_u *io_u,
		   const struct ioengine_ops *ops)
{
	return judged(layout_of_request(td, io_u, ops));
}
