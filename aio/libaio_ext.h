/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libaio lacks: reading the completion ring without a system call, the
 * system's limits, and words for a failed io_setup().  These are in
 * libaio.a only: the shared object exports exactly what libaio's does.
 */
#ifndef __LIBAIO_EXT_H
#define __LIBAIO_EXT_H

#include "libaio.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * May this context's ring be read from user space?  1: yes; 0: no (not a
 * ring of a known layout, ctx is NULL, or valgrind is running, which must
 * see the system call).  ctx must be NULL or a live context.  Any thread.
 * Source: struct aio_ring in fs/aio.c; seastar's usable() has the same rule.
 */
extern int io_ring_usable(io_context_t ctx);

/*
 * Take up to nr completions that wait in the ring; never blocks, never
 * enters the kernel.  Returns how many (0: none wait), or -EINVAL (nr < 0,
 * or events is NULL).
 * The context must be one for which io_ring_usable() said 1.
 * Thread rule: ONE consumer.  No other thread may be in this call, or in
 * io_getevents() on the same context, meanwhile: the kernel's reader holds
 * a lock that user space cannot take, and events would come twice or never.
 * Never in a child after fork(): the ring is shared with the parent, and
 * its events would be lost.
 */
extern int io_ring_reap(io_context_t ctx, long nr, struct io_event *events);

/* fs.aio-nr and fs.aio-max-nr, in requests over all processes. */
struct io_limits {
	unsigned long aio_nr;
	unsigned long aio_max_nr;
};

/* Read both; 0, or -errno (-ENOENT without /proc).  Any thread. */
extern int io_limits(struct io_limits *limits);

/*
 * Why io_setup(maxevents) failed with err (a -errno), and what to do, as one
 * sentence without a newline in text[size].  Returns its length, which is
 * cut to size - 1.  Any thread.
 */
extern int io_setup_explain(int err, int maxevents, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* __LIBAIO_EXT_H */
