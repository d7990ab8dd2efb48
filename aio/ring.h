/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The completion ring that io_setup() maps into the process.  An
 * io_context_t is its address.  ring.c is the only place with atomics.
 * Source: struct aio_ring in fs/aio.c (the layout is ABI: libaio's empty-ring
 * check relies on it).
 */
#ifndef KAIO_RING_H
#define KAIO_RING_H

#include "libaio.h"

#define AIORING_MAGIC 0xa10a10a1u

struct aioring {
	unsigned id;		    /* the kernel's index of the context */
	unsigned nr;		    /* slots */
	unsigned head;		    /* next slot to read: the consumer's */
	unsigned tail;		    /* next slot to fill: the kernel's */
	unsigned magic;		    /* AIORING_MAGIC */
	unsigned compat_features;   /* 1 today; ignored */
	unsigned incompat_features; /* 0, or the layout is unknown */
	unsigned header_length;	    /* bytes from here to the first event */
};

#endif /* KAIO_RING_H */
