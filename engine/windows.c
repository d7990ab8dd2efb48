// SPDX-License-Identifier: GPL-2.0-only
/*
 * Histograms of latencies over time; see windows.h.  Most of a window is 0 and
 * its pages of those to come are never touched, so the array is as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "windows.h"

#define OCTAVE (1u << WINDOWS_BITS)

struct windows *windows_new(uint64_t width)
{
	struct windows *w = calloc(1, sizeof(*w));

	if (w)
		w->width = width;
	return w;
}

static unsigned bucket_of(uint64_t ns)
{
	unsigned shift, bucket;

	if (!(ns >> WINDOWS_FROM))
		return 0;
	shift = 63 - (unsigned)__builtin_clzll(ns) - WINDOWS_BITS;
	bucket = 1 + ((shift + WINDOWS_BITS - WINDOWS_FROM) << WINDOWS_BITS) +
		 ((unsigned)(ns >> shift) - OCTAVE);
	return bucket < WINDOWS_BUCKETS ? bucket : WINDOWS_BUCKETS - 1;
}

uint64_t windows_bucket_end(unsigned bucket)
{
	unsigned shift = WINDOWS_FROM - WINDOWS_BITS;

	if (!bucket)
		return (1u << WINDOWS_FROM) - 1;
	shift += (bucket - 1) >> WINDOWS_BITS;
	return ((uint64_t)(OCTAVE + (bucket - 1) % OCTAVE + 1) << shift) - 1;
}

void windows_begin(struct windows *w, uint64_t start, uint64_t epoch)
{
	w->start = start;
	w->end = start + w->width;
	w->epoch = epoch;
	w->nr = 1;
}

static void add(struct window *to, const struct window *from)
{
	if (from->max > to->max)
		to->max = from->max;
	for (unsigned i = 0; i < WINDOWS_BUCKETS; i++)
		to->count[i] += from->count[i];
}

/* Two become one. */
static void halve(struct windows *w)
{
	const unsigned half = WINDOWS_MOST / 2;

	for (unsigned i = 0; i < half; i++) {
		if (i)
			w->each[i] = w->each[2 * i];
		add(&w->each[i], &w->each[2 * i + 1]);
	}
	memset(w->each + half, 0, half * sizeof(w->each[0]));
	w->width *= 2;
}

/* The window at now is the last. */
static void go_on(struct windows *w, uint64_t now)
{
	uint64_t nr = (now - w->start) / w->width + 1;

	while (nr > WINDOWS_MOST) {
		halve(w);
		nr = (now - w->start) / w->width + 1;
	}
	w->nr = (unsigned)nr;
	w->end = w->start + nr * w->width;
}

void windows_count(struct windows *w, uint64_t now, uint64_t ns)
{
	struct window *last;

	if (now >= w->end)
		go_on(w, now);
	last = &w->each[w->nr - 1];
	if (ns > last->max)
		last->max = ns;
	last->count[bucket_of(ns)]++;
}

static void print_window(const struct windows *w, unsigned number, FILE *out)
{
	const struct window *one = &w->each[number];
	const char *comma = "";

	fprintf(out, "[%u, %llu, [", number, (unsigned long long)one->max);
	for (unsigned i = 0; i < WINDOWS_BUCKETS; i++) {
		if (!one->count[i])
			continue;
		fprintf(out, "%s[%llu, %u]", comma,
			(unsigned long long)windows_bucket_end(i),
			one->count[i]);
		comma = ", ";
	}
	fprintf(out, "]]");
}

void windows_print(const struct windows *w, FILE *out)
{
	const char *comma = "";

	fprintf(out,
		", \"lat_windows\": {\"begin_ns\": %llu, \"width_ns\": %llu, "
		"\"windows\": [",
		(unsigned long long)w->epoch, (unsigned long long)w->width);
	for (unsigned i = 0; i < w->nr; i++) {
		if (!w->each[i].max)
			continue;
		fprintf(out, "%s", comma);
		print_window(w, i, out);
		comma = ", ";
	}
	fprintf(out, "]}");
}
