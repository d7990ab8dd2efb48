// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The tables of contexts.h, made when they are wanted.
 */
#include <errno.h>
#include <sys/mman.h>

#include "contexts.h"

struct aioring_top *aioring_contexts;

void *aioring_make_table(void *place, size_t size)
{
	int err = errno;
	void *old = NULL, *new = mmap(NULL, size, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (new == MAP_FAILED || madvise(new, size, MADV_WIPEONFORK))
		/* Acquire: pairs with the release of a luckier thread. */
		old = __atomic_load_n((void **)place, __ATOMIC_ACQUIRE);
	/* Release: pairs with the acquire in aioring_table(). */
	else if (__atomic_compare_exchange_n((void **)place, &old, new, 0,
					     __ATOMIC_ACQ_REL,
					     __ATOMIC_ACQUIRE))
		return new;
	if (new != MAP_FAILED)
		munmap(new, size);
	errno = err; /* no table is no error */
	return old;
}
