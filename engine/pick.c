// SPDX-License-Identifier: GPL-2.0-only
/*
 * fio's entry into the engine: of the halves that were linked in, each compiled
 * for a fio of its own, the one that fits the fio that runs.
 * Source: dlopen_ioengine() in ioengines.c of fio.
 */
#include <stdio.h>

#include "half.h"

/* The linker's: the section from its first to behind its last pointer. */
extern const struct half *const __start_kaio_halves[]
	__attribute__((visibility("hidden")));
extern const struct half *const __stop_kaio_halves[]
	__attribute__((visibility("hidden")));

/* "fio-3.28, fio-3.33 and fio-3.36"; it is cut if it does not fit. */
static void list_versions(char *text, size_t size)
{
	const struct half *const *h = __start_kaio_halves;
	size_t len = 0;

	for (; h < __stop_kaio_halves && len < size; h++) {
		const char *sep = h + 1 < __stop_kaio_halves ? ", " : " and ";
		int ret = snprintf(text + len, size - len, "%s%s",
				   h == __start_kaio_halves ? "" : sep,
				   (*h)->version);

		len += ret > 0 ? (size_t)ret : 0;
	}
}

void get_ioengine(struct ioengine_ops **ops);

/*
 * Found by name after dlopen().  Leaves *ops NULL for a fio that none fits: fio
 * then says that the engine is not loadable, and ends.  At most one half is for
 * the version that runs, so that at most one has something to say.
 */
void get_ioengine(struct ioengine_ops **ops)
{
	char why[HALF_WHY] = "", versions[1024];

	for (const struct half *const *h = __start_kaio_halves;
	     h < __stop_kaio_halves; h++) {
		char said[HALF_WHY] = "";

		if ((*h)->fits(said)) {
			*ops = (*h)->ops;
			return;
		}
		if (*said)
			snprintf(why, sizeof(why), "%s", said);
	}
	list_versions(versions, sizeof(versions));
	(*__start_kaio_halves)
		->refuse(versions, __stop_kaio_halves - __start_kaio_halves > 1,
			 why);
}
