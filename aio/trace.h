/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Static trace points (USDT) of provider libaio, for what strace cannot see:
 * a no-op instruction each, until bpftrace, perf or gdb puts a breakpoint
 * there.  Source: <sys/sdt.h>; without it there are no such points.
 */
#ifndef KAIO_TRACE_H
#define KAIO_TRACE_H

#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#else
#define STAP_PROBE3(provider, name, a, b, c) ((void)(a), (void)(b), (void)(c))
#define STAP_PROBE4(provider, name, a, b, c, d) \
	((void)(a), (void)(b), (void)(c), (void)(d))
#endif

#include "libaio.h"

/* io_submit() has returned result. */
static inline void trace_submit(io_context_t ctx, long nr, int result)
{
	STAP_PROBE3(libaio, submit, ctx, nr, result);
}

/* result events were read from the ring. */
static inline void trace_reap(io_context_t ctx, long min_nr, long nr,
			      int result)
{
	STAP_PROBE4(libaio, reap, ctx, min_nr, nr, result);
}

/* The kernel is about to be entered for events. */
static inline void trace_enter(io_context_t ctx, long min_nr, long nr)
{
	STAP_PROBE3(libaio, enter, ctx, min_nr, nr);
}

#endif /* KAIO_TRACE_H */
