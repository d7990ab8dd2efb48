// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The tables of contexts.h: made when they are wanted, freed when the library
 * is unloaded.
 */
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "contexts.h"

/* ThreadSanitizer calls handlers at exit() only, when they may be gone. */
#ifdef __SANITIZE_THREAD__
#define HANDLERS 0
#else
#define HANDLERS 1
#endif

struct aioring_top *aioring_contexts;
static enum {
	IN_USE,
	EXITING, /* or it would not be known */
	UNLOADING,
} life;

void *aioring_make_table(void *place, size_t size)
{
	int err = errno;
	void *old = NULL, *new = mmap(NULL, size, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (new == MAP_FAILED || madvise(new, size, MADV_WIPEONFORK))
		/* Acquire: pairs with the release of a luckier thread. */
		old = __atomic_load_n((void **)place, __ATOMIC_ACQUIRE);
	/* Pairs with the load in aioring_table().  Sequentially consistent as
	 * aioring_open() looks behind it whether the rings are OFF. */
	else if (__atomic_compare_exchange_n((void **)place, &old, new, 0,
					     __ATOMIC_SEQ_CST,
					     __ATOMIC_ACQUIRE))
		return new;
	if (new != MAP_FAILED)
		munmap(new, size);
	errno = err; /* no table is no error */
	return old;
}

/*
 * dlclose() calls destructors, and then handlers of atexit(); exit() calls
 * them the other way round.  There other threads may still be in a call, and
 * the tables stay; an object that is in use must not be closed.
 */
static void on_exit_or_unload(void)
{
	if (life == IN_USE)
		life = EXITING;
}

static int look_at_first(struct dl_phdr_info *first, size_t size, void *found)
{
	(void)size;
	*(int *)found = !*first->dlpi_name;
	return 1;
}

/*
 * The program itself has no name, and is the first of its namespace.  In one
 * of dlmopen() nobody calls handlers before destructors.
 */
static int beside_program(void)
{
	int found = 0;

	dl_iterate_phdr(look_at_first, &found);
	return found;
}

__attribute__((constructor)) static void loaded(void)
{
	if (!HANDLERS || !beside_program() || atexit(on_exit_or_unload))
		life = EXITING;
}

__attribute__((destructor)) static void unloading(void)
{
	if (life == IN_USE)
		life = UNLOADING;
}

static void free_mid(struct aioring_mid *mid)
{
	for (size_t i = 0; i < 1 << AIORING_MID_BITS; i++)
		if (mid->leaf[i])
			munmap(mid->leaf[i], sizeof(*mid->leaf[i]));
	munmap(mid, sizeof(*mid));
}

/*
 * The last destructor, as it has the least number.  Before, a plugin with the
 * static library may yet use contexts, from threads, too: its own destructors
 * and handlers, among which objects of C++ are destroyed, end those.
 */
__attribute__((destructor(101))) static void unloaded(void)
{
	struct aioring_top *top = aioring_contexts;

	if (life != UNLOADING || !top)
		return;
	aioring_contexts = NULL;
	for (size_t i = 0; i < 1 << AIORING_TOP_BITS; i++)
		if (top->mid[i])
			free_mid(top->mid[i]);
	munmap(top, sizeof(*top));
}
