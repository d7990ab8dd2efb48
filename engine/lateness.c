// SPDX-License-Identifier: GPL-2.0-only
/*
 * Histograms of latencies; see lateness.h.  The buckets are fio's: exact below
 * 64 ns, then 64 for each power of two.
 */
#include <stdlib.h>

#include "lateness.h"

#define FIRST (1u << LATENESS_BITS)

struct lateness *lateness_new(unsigned depth)
{
	return calloc(1, sizeof(struct lateness) +
				 depth * sizeof(struct lateness_slot));
}

static unsigned bucket_of(uint64_t ns)
{
	unsigned shift;

	if (ns < FIRST)
		return (unsigned)ns;
	shift = 63 - (unsigned)__builtin_clzll(ns) - LATENESS_BITS;
	return (shift << LATENESS_BITS) + (unsigned)(ns >> shift);
}

/* The longest that is counted there. */
static uint64_t bucket_end(unsigned bucket)
{
	unsigned shift;

	if (bucket < 2 * FIRST)
		return bucket;
	shift = (bucket >> LATENESS_BITS) - 1;
	return ((uint64_t)(bucket - (shift << LATENESS_BITS)) << shift) +
	       ((1ull << shift) - 1);
}

static void count(struct lateness_times *t, uint64_t ns)
{
	t->nr++;
	t->sum += ns;
	if (ns > t->max)
		t->max = ns;
	t->bucket[bucket_of(ns)]++;
}

void lateness_arrived(struct lateness *l, unsigned slot, uint64_t at)
{
	const struct lateness_slot *s = &l->slots[slot];

	if (!s->due)
		return;
	count(&l->from_due, at - s->due);
	count(&l->from_queue, at - s->queued);
}

void lateness_ended(struct lateness *l, uint64_t late, uint64_t ios)
{
	l->unsent += ios;
	if (late > l->behind)
		l->behind = late;
}

uint64_t lateness_percentile(const struct lateness_times *t, unsigned permille)
{
	uint64_t want = (t->nr * permille + 999) / 1000, seen = 0;

	for (unsigned i = 0; i < LATENESS_BUCKETS; i++) {
		seen += t->bucket[i];
		if (seen && seen >= want)
			return bucket_end(i) < t->max ? bucket_end(i) : t->max;
	}
	return 0;
}

static void print_times(const char *name, const struct lateness_times *t,
			FILE *out)
{
	static const struct {
		const char *name;
		unsigned permille;
	} shares[] = {{"p50", 500}, {"p99", 990}, {"p99.9", 999}};

	fprintf(out, ", \"%s\": {\"ios\": %llu, \"mean\": %llu", name,
		(unsigned long long)t->nr,
		(unsigned long long)(t->nr ? t->sum / t->nr : 0));
	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++)
		fprintf(out, ", \"%s\": %llu", shares[i].name,
			(unsigned long long)lateness_percentile(
				t, shares[i].permille));
	fprintf(out, ", \"max\": %llu}", (unsigned long long)t->max);
}

static void print_bins(const struct lateness_times *t, FILE *out)
{
	const char *comma = "";

	fprintf(out, ", \"from_due_bins\": [");
	for (unsigned i = 0; i < LATENESS_BUCKETS; i++) {
		if (!t->bucket[i])
			continue;
		fprintf(out, "%s[%llu, %llu]", comma,
			(unsigned long long)bucket_end(i),
			(unsigned long long)t->bucket[i]);
		comma = ", ";
	}
	fprintf(out, "]");
}

void lateness_print(const struct lateness *l, bool bins, FILE *out)
{
	print_times("from_due_ns", &l->from_due, out);
	print_times("from_queue_ns", &l->from_queue, out);
	if (bins)
		print_bins(&l->from_due, out);
	fprintf(out, ", \"behind_ns\": %llu, \"unsent_ios\": %llu",
		(unsigned long long)l->behind, (unsigned long long)l->unsent);
}
