// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trials of spinning against not spinning; see spin_auto.h.
 */
#include "spin_auto.h"

#define COUNTED 256 /* waits that decide */
#define MS 1000000ull

/*
 * What a change of ways costs at first is the scheduler's matter: a loop
 * device's worker that a spin has driven to another processor takes some
 * 100 ms to come back, and until then a wait lasts five times as long (measured
 * on two processors, Linux 6.18).
 */
#define SETTLE_SPINNING (20 * MS)
#define SETTLE_SLEEPING (150 * MS)

/* Trials that confirm come at growing distances. */
#define REST_FIRST (1000 * MS)
#define REST_MAX (64 * REST_FIRST)

static void begin_phase(struct spin_auto *l, uint64_t from_ns)
{
	l->from_ns = from_ns;
	l->waits = 0;
	l->waited_ns = l->longest_ns = l->completions = 0;
}

/* ns per completion, without the longest wait: it may be an accident. */
static uint64_t cost(const struct spin_auto *l)
{
	return (l->waited_ns - l->longest_ns) / l->completions;
}

/*
 * Both ways are known: which one is home from now on?  A processor is worth
 * something: spinning must save a 32nd of the time.
 */
static void decide(struct spin_auto *l, uint64_t now_ns)
{
	uint64_t away = cost(l);
	uint64_t spins = l->home ? l->home_cost : away;
	uint64_t sleeps = l->home ? away : l->home_cost;
	bool spin = spins < sleeps - sleeps / 32;

	if (l->home != spin || !l->rest_ns)
		l->rest_ns = REST_FIRST;
	else if (l->rest_ns < REST_MAX)
		l->rest_ns *= 4;
	l->home = spin;
	l->away = false;
	begin_phase(l, now_ns + l->rest_ns);
}

void spin_auto_waited(struct spin_auto *l, uint64_t now_ns, uint64_t ns,
		      unsigned completions)
{
	if (now_ns < l->from_ns)
		return;
	l->waited_ns += ns;
	l->completions += completions;
	if (ns > l->longest_ns)
		l->longest_ns = ns;
	if (++l->waits < COUNTED)
		return;
	if (l->away) {
		decide(l, now_ns);
		return;
	}
	l->home_cost = cost(l);
	l->away = true;
	begin_phase(l, now_ns + (l->home ? SETTLE_SLEEPING : SETTLE_SPINNING));
}
