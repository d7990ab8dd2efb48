// SPDX-License-Identifier: GPL-2.0-only
/*
 * fio's entry into the engine: of the halves that were linked in, each compiled
 * for a fio of its own, the one that fits the fio that runs.
 * Source: dlopen_ioengine() in ioengines.c of fio.
 */
#include <stdint.h>
#include <stdio.h>

#include "half.h"

/* The linker's: the section from its first to behind its last pointer. */
extern const struct half *const __start_kaio_halves[]
	__attribute__((visibility("hidden")));
extern const struct half *const __stop_kaio_halves[]
	__attribute__((visibility("hidden")));

/* How many there are; as numbers, since C knows no array that has both ends. */
static size_t nr_halves(void)
{
	return ((uintptr_t)__stop_kaio_halves -
		(uintptr_t)__start_kaio_halves) /
	       sizeof(*__start_kaio_halves);
}

/* "fio-3.28, fio-3.33 and fio-3.36"; it is cut if it does not fit. */
static void list_versions(char *text, size_t size)
{
	size_t len = 0, nr = nr_halves();

	for (size_t i = 0; i < nr && len < size; i++) {
		const char *sep = i + 1 < nr ? ", " : " and ";
		int ret = snprintf(text + len, size - len, "%s%s", i ? sep : "",
				   __start_kaio_halves[i]->version);

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

	for (size_t i = 0; i < nr_halves(); i++) {
		const struct half *h = __start_kaio_halves[i];

		if (!*why && h->fits(why)) {
			*ops = h->ops;
			return;
		}
	}
	list_versions(versions, sizeof(versions));
	__start_kaio_halves[0]->refuse(versions, nr_halves() > 1, why);
}
