/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether io_getevents() reads rings in this program: not on every processor,
 * nor with every C library.  Behind <cmocka.h>.
 */
#ifndef TESTS_RINGS_H
#define TESTS_RINGS_H

#include "restart.h"

/* Calls into the kernel that it takes to read an event that waits. */
static inline int calls_for_one(void)
{
	return aioring_can_restart() ? 0 : 1;
}

/* Skips the test of what there is with rings alone. */
static inline void need_rings(void)
{
	if (!aioring_can_restart())
		skip();
}

#endif /* TESTS_RINGS_H */
