// SPDX-License-Identifier: GPL-2.0-only
/*
 * The running fio's option table, which fio exports, against that of the source
 * tree, of which .setup/fio-headers has made a list: the name and the offset of
 * each option.
 * Source: fio_options[] and add_option() in options.c of fio.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "fio_glue.h"
#include "table.h"

/* All names in one string: pointers to them would need relocations. */
#define TABLE_NAME(name, offset) name "\0"
#define TABLE_OFFSET(name, offset) offset,
static const char built_names[] = GLUE_OPTIONS(TABLE_NAME);
static const size_t built_offsets[] = {GLUE_OPTIONS(TABLE_OFFSET)};

/* The names of options that only one of two tables has. */
struct found {
	char names[160];
	unsigned nr;
};

static void add_name(struct found *f, const char *name)
{
	size_t len = strlen(f->names);

	if (f->nr++ < 3)
		snprintf(f->names + len, sizeof(f->names) - len, "%s%s",
			 len ? ", " : "", name);
}

static bool in_running_table(const char *byte)
{
	Dl_info info;

	return dladdr(byte, &info) && info.dli_saddr == (void *)fio_options;
}

/* Its last byte is in the table of the running fio, and the next is not. */
static bool same_size(void)
{
	const char *end = (const char *)fio_options + sizeof(fio_options);

	return in_running_table(end - 1) && !in_running_table(end);
}

static const struct fio_option *running_option(const char *name)
{
	for (size_t i = 0; i < FIO_MAX_OPTS && fio_options[i].name; i++)
		if (!strcmp(fio_options[i].name, name))
			return &fio_options[i];
	return NULL;
}

static bool is_built(const char *name)
{
	for (const char *n = built_names; *n; n += strlen(n) + 1)
		if (!strcmp(n, name))
			return true;
	return false;
}

/* fio itself adds those of its profiles, which the source's table has not. */
static struct found only_running(void)
{
	struct found f = {0};

	for (size_t i = 0; i < FIO_MAX_OPTS && fio_options[i].name; i++)
		if (!fio_options[i].prof_name && !is_built(fio_options[i].name))
			add_name(&f, fio_options[i].name);
	return f;
}

static struct found only_built(void)
{
	struct found f = {0};

	for (const char *n = built_names; *n; n += strlen(n) + 1)
		if (!running_option(n))
			add_name(&f, n);
	return f;
}

void table_names(char *why, size_t size)
{
	struct found more = only_running(), less = only_built();
	int len = 0;

	if (more.nr)
		len = snprintf(why, size,
			       " and the option%s %s%s, of which the engine's "
			       "source tree knows nothing",
			       more.nr > 1 ? "s" : "", more.names,
			       more.nr > 3 ? " ..." : "");
	if (less.nr)
		snprintf(why + len, size - (size_t)len,
			 " and without the option%s %s%s of the engine's "
			 "source tree",
			 less.nr > 1 ? "s" : "", less.names,
			 less.nr > 3 ? " ..." : "");
}

/*
 * An option that one of the two was configured without stores nothing, and may
 * be missing: that moves none.
 */
static bool same_offsets(char *why, size_t size)
{
	const size_t *offset = built_offsets;

	for (const char *n = built_names; *n; n += strlen(n) + 1, offset++) {
		const struct fio_option *opt = running_option(n);
		int len;

		if (!opt || !opt->off1 || !*offset || opt->off1 == *offset)
			continue;
		len = snprintf(why, size,
			       " with the option %s at byte %u instead of %zu",
			       n, opt->off1, *offset);
		table_names(why + len, size - (size_t)len);
		return false;
	}
	return true;
}

/* The size of the table comes first: it makes walking the table safe. */
bool table_fits(char *why, size_t size)
{
	if (same_size())
		return same_offsets(why, size);
	snprintf(why, size,
		 " with an option table of another size than %zu bytes",
		 sizeof(fio_options));
	return false;
}
