// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls that deliver events.  What must hold: the same result and events
 * as the kernel's, nothing written behind them, no system call where the ring
 * suffices, and else one, with the caller's own arguments.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "get.h"

#define CANARY 0x5c
#define BUFFER ((EVENTS + 1) * sizeof(struct io_event))

struct get {
	struct target t;
	long min, nr, have;
	struct io_event *events[SIDES];
	int events_bad;
	struct timespec *timeout;
	int timeout_bad;
};

static struct timespec when;
static int side_now; /* whose callbacks are called */

static int is_zero(const struct get *g)
{
	return g->timeout && !g->timeout_bad && !g->timeout->tv_sec &&
	       !g->timeout->tv_nsec;
}

/* The kernel does not wait, so the timeout may be as long as it likes. */
static int returns_at_once(const struct get *g)
{
	return g->t.slot < 0 || g->timeout_bad || g->min < 0 ||
	       g->min > g->nr || g->min <= g->have;
}

static void take_timeout(struct input *in, struct get *g, int may_be_bad)
{
	/* A negative one never ends: its sum with the timer slack is capped. */
	static const struct timespec short_ones[] = {
		{0, 0}, {0, 1}, {0, 30000}, {-1, 1000000000}};
	static const struct timespec long_ones[] = {
		{1000, 0},     {0, 2000000000}, {LONG_MAX, 0}, {-1, 0},
		{LONG_MIN, 0}, {0, LONG_MAX},	{0, -1},       {-5, 999999999}};
	unsigned how = take8(in);

	g->timeout = &when;
	g->timeout_bad = (how & 7) == 7 && may_be_bad;
	when = short_ones[how >> 3 & 3];
	if (g->timeout_bad) {
		g->timeout = take_bad_pointer(in);
		g->timeout_bad = g->timeout != NULL;
	}
	if ((how & 7) == 6 || !g->timeout)
		g->timeout = returns_at_once(g) ? NULL : &when;
	else if ((how & 7) == 5 && returns_at_once(g))
		when = long_ones[how >> 3 & 7];
}

/* A buffer for what can come, aligned or not, or a bad one. */
static void take_events(struct input *in, struct get *g)
{
	unsigned how = take8(in);
	long room = g->nr < g->have ? g->nr : g->have;
	void *bad;

	g->events_bad = (how & 7) == 7;
	if (g->events_bad) {
		bad = take_bad_pointer(in);
		g->events[LIB] = g->events[RAW] = bad;
		return;
	}
	for (int side = 0; side < SIDES; side++) {
		struct side *s = &sides[side];

		memset(s->plain, CANARY, BUFFER);
		memset(s->end - EVENTS, CANARY, EVENTS * sizeof(*s->plain));
		if ((how & 7) < 4) /* exactly what can come, then a fault */
			g->events[side] = s->end - (room > 0 ? room : 0);
		else
			g->events[side] =
				(void *)((char *)s->plain + (how >> 3 & 15));
	}
}

static struct get take_get(struct input *in, struct target t, int wild)
{
	struct get g = {.t = t};

	g.have = t.slot < 0 ? 0 : waiting(RAW, t.slot);
	g.min = take_long(in, g.have);
	g.nr = take_long(in, g.have);
	take_events(in, &g);
	take_timeout(in, &g, wild);
	return g;
}

static void same(const char *what, const char *from, const char *to)
{
	static char canary[BUFFER];

	if (!canary[0])
		memset(canary, CANARY, sizeof(canary));
	if (to > from && memcmp(from, canary, (size_t)(to - from)) != 0)
		fail(what, 0, 0);
}

/* Everything but the events is untouched. */
static void check_canary(const char *what, const struct get *g, int side,
			 long got)
{
	const struct side *s = &sides[side];
	const char *from = (const char *)g->events[side];
	const char *mem = (const char *)s->plain;
	const char *end = mem + BUFFER;

	if (from < mem || from >= end) {
		mem = (const char *)(s->end - EVENTS);
		end = (const char *)s->end;
	}
	same(what, mem, from);
	same(what, from + (got > 0 ? got : 0) * 32, end);
}

static void check_events(const char *what, const struct get *g, long got)
{
	for (long i = 0; i < got; i++) {
		struct io_event event[SIDES];

		for (int side = 0; side < SIDES; side++)
			memcpy(&event[side], g->events[side] + i,
			       sizeof(*event));
		must_be_equal(what, (long)event[LIB].res, (long)event[RAW].res);
		must_be_equal(what, (long)event[LIB].res2,
			      (long)event[RAW].res2);
		must_be_equal(what, (long)event[LIB].data,
			      (long)event[RAW].data);
		must_be_equal(what, event[LIB].obj - sides[LIB].iocbs,
			      event[RAW].obj - sides[RAW].iocbs);
	}
}

static void check(const char *what, const struct get *g, long lib, long raw)
{
	must_be_equal(what, lib, raw);
	if (!g->events_bad) {
		check_canary(what, g, LIB, lib);
		check_canary(what, g, RAW, raw);
		check_events(what, g, raw);
	}
	if (raw > 0)
		count_pending(g->t.slot, -raw);
	settle();
}

/* No system call where the ring may do and is enough; else the caller's own. */
static void check_entry(const char *what, const struct get *g, long number,
			int ring_may_do, long result)
{
	int ring = ring_may_do && g->t.slot >= 0 && is_open[g->t.slot] &&
		   result >= 0 && (g->min <= g->have || is_zero(g));

	if (result >= 0 || seen.calls > 1)
		must_be_equal(what, seen.calls, !ring);
	if (!seen.calls)
		return;
	must_be_equal(what, seen.number, number);
	must_be_equal(what, seen.a[0], (long)g->t.ctx[LIB]);
	must_be_equal(what, seen.a[1], g->min);
	/* What is no context must have no events. */
	must_be_equal(what, seen.a[2],
		      seen.asked && result < 0 && seen.a[2] < 0 ? -1 : g->nr);
	must_be_equal(what, seen.a[3], (long)g->events[LIB]);
	must_be_equal(what, seen.a[4], (long)g->timeout);
}

static long raw_getevents(const struct get *g)
{
	return RAW_CALL(SYS_io_getevents, g->t.ctx[RAW], g->min, g->nr,
			g->events[RAW], g->timeout);
}

void do_getevents(struct input *in)
{
	struct get g = take_get(in, take_target(in), 1);
	long lib;

	LIBRARY_CALL(lib, io_getevents(g.t.ctx[LIB], g.min, g.nr, g.events[LIB],
				       g.timeout));
	check_entry("io_getevents enters", &g, SYS_io_getevents, 1, lib);
	check("io_getevents", &g, lib, raw_getevents(&g));
}

void do_pgetevents(struct input *in)
{
	struct get g = take_get(in, take_target(in), 1);
	sigset_t mask, *maskp = &mask;
	struct io_sigset set = {0, _NSIG / 8};
	unsigned how = take8(in);
	long lib;

	sigemptyset(&mask);
	if (how & 1)
		sigfillset(&mask);
	if ((how & 6) == 2)
		maskp = take_bad_pointer(in);
	else if ((how & 6) == 4)
		maskp = NULL;
	set.ss = (unsigned long)maskp;
	LIBRARY_CALL(lib, io_pgetevents(g.t.ctx[LIB], g.min, g.nr,
					g.events[LIB], g.timeout, maskp));
	check_entry("io_pgetevents enters", &g, SYS_io_pgetevents, !maskp, lib);
	check("io_pgetevents", &g, lib,
	      RAW_CALL(SYS_io_pgetevents, g.t.ctx[RAW], g.min, g.nr,
		       g.events[RAW], g.timeout, &set));
}

void do_old_getevents(struct input *in)
{
	struct get g = take_get(in, take_target(in), 1);
	long lib;

	g.min = 1;
	if (!returns_at_once(&g) && !g.timeout_bad) {
		when = (struct timespec){0, 20000};
		g.timeout = &when;
	}
	LIBRARY_CALL(lib, compat01_io_getevents(g.t.ctx[LIB], g.nr,
						g.events[LIB], g.timeout));
	check_entry("old io_getevents enters", &g, SYS_io_getevents, 1, lib);
	check("old io_getevents", &g, lib, raw_getevents(&g));
}

void do_queue_wait(struct input *in)
{
	struct get g = take_get(in, take_target(in), 1);
	int old = (int)take8(in) & 1;
	long lib;

	g.min = g.nr = 0;
	g.events[LIB] = g.events[RAW] = NULL;
	g.events_bad = 1;
	LIBRARY_CALL(lib, old ? compat01_io_queue_wait(g.t.ctx[LIB], g.timeout)
			      : io_queue_wait(g.t.ctx[LIB], g.timeout));
	check_entry("io_queue_wait enters", &g, SYS_io_getevents, 1, lib);
	check("io_queue_wait", &g, lib, raw_getevents(&g));
}

void note(io_context_t ctx, struct iocb *iocb, long res, long res2)
{
	struct side *s = &sides[side_now];

	(void)ctx;
	must_be_equal("res2", res2, 0);
	s->called[s->calls++ % EVENTS] =
		(struct iocb *)((intptr_t)(iocb - s->iocbs) * 1000 + res);
}

/* What io_queue_run() is, in system calls. */
static long raw_queue_run(io_context_t ctx, long *count)
{
	struct timespec zero = {0, 0};
	struct io_event event;
	long ret;

	while ((ret = RAW_CALL(SYS_io_getevents, ctx, 0, 1, &event, &zero)) ==
	       1) {
		++*count;
		if (event.data)
			note(ctx, event.obj, (long)event.res, (long)event.res2);
	}
	return ret;
}

void do_queue_run(struct input *in)
{
	struct target t = take_target(in);
	long lib, count = 0;

	side_now = LIB;
	sides[LIB].calls = sides[RAW].calls = 0;
	LIBRARY_CALL(lib, io_queue_run(t.ctx[LIB]));
	if (t.slot >= 0 && is_open[t.slot])
		must_be_equal("io_queue_run enters", seen.calls, 0);
	side_now = RAW;
	must_be_equal("io_queue_run", lib, raw_queue_run(t.ctx[RAW], &count));
	must_be_equal("callbacks", sides[LIB].calls, sides[RAW].calls);
	for (unsigned i = 0; i < sides[RAW].calls; i++)
		must_be_equal("a callback", (long)sides[LIB].called[i],
			      (long)sides[RAW].called[i]);
	if (count)
		count_pending(t.slot, -count);
	settle();
}

/* Pointers here must be good, or NULL. */
static struct get take_ring_get(struct input *in)
{
	struct get g = take_get(in, live_target(in), 0);

	if (g.events_bad)
		g.events[LIB] = g.events[RAW] = NULL;
	return g;
}

void do_wait(struct input *in)
{
	static const unsigned long spins[] = {0, 1, 1000, 20000};
	struct get g = take_ring_get(in);
	unsigned long spin = spins[take8(in) & 3];
	int bad = g.min < 0 || g.min > g.nr || !g.events[LIB];
	long lib;

	LIBRARY_CALL(lib, io_wait(g.t.ctx[LIB], g.min, g.nr, g.events[LIB],
				  g.timeout, spin));
	must_be_equal("io_wait enters", seen.calls,
		      !bad && g.min > g.have && !is_zero(&g));
	if (bad)
		must_be_equal("io_wait", lib, -EINVAL);
	else
		check("io_wait", &g, lib, raw_getevents(&g));
}

void do_reap(struct input *in)
{
	struct timespec zero = {0, 0};
	struct get g = take_ring_get(in);
	long lib;

	must_be_equal("io_ring_ready", io_ring_ready(g.t.ctx[LIB]), g.have);
	LIBRARY_CALL(lib, io_ring_reap(g.t.ctx[LIB], g.nr, g.events[LIB]));
	must_be_equal("io_ring_reap enters", seen.calls, 0);
	g.min = 0;
	g.timeout = &zero;
	if (g.nr < 0 || !g.events[LIB])
		must_be_equal("io_ring_reap", lib, -EINVAL);
	else
		check("io_ring_reap", &g, lib, raw_getevents(&g));
}
