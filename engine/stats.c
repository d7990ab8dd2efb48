// SPDX-License-Identifier: GPL-2.0-only
/*
 * Statistics as JSON: one object per job, one line each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stats.h"

/* Bytes of the UTF-8 character (RFC 3629) at c; 0: it is none. */
static int utf8_length(const unsigned char *c)
{
	static const struct {
		unsigned char first, last, low, high; /* of bytes 0 and 1 */
		int length;
	} forms[] = {
		{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
		{0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
		{0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		int n = 2;

		if (*c < forms[i].first || *c > forms[i].last)
			continue;
		if (c[1] < forms[i].low || c[1] > forms[i].high)
			return 0;
		while (n < forms[i].length && (c[n] & 0xc0) == 0x80)
			n++;
		return n == forms[i].length ? n : 0;
	}
	return 0;
}

/* A JSON string. */
static void print_string(const char *text, FILE *out)
{
	const unsigned char *c = (const unsigned char *)text;

	putc('"', out);
	while (*c) {
		int length = *c < 0x80 ? 1 : utf8_length(c);

		if (!length)
			fputs("\\ufffd", out);
		else if (*c < ' ' || *c == 127)
			fprintf(out, "\\u%04x", *c);
		else
			fprintf(out, "%s%.*s",
				*c == '"' || *c == '\\' ? "\\" : "", length,
				(const char *)c);
		c += length ? length : 1;
	}
	putc('"', out);
}

static void print_number(const char *name, uint64_t value, FILE *out)
{
	fprintf(out, ", \"%s\": %llu", name, (unsigned long long)value);
}

/* {"1": n, "2": n, "3-4": n, ...}, without those that did not occur. */
static void print_batches(const struct queue_stats *s, FILE *out)
{
	const char *comma = "";

	fprintf(out, ", \"ios_per_submit\": {");
	for (unsigned i = 0; i < STATS_BATCHES; i++) {
		unsigned low = i ? (1u << (i - 1)) + 1 : 1, high = 1u << i;

		if (!s->batch[i])
			continue;
		fprintf(out, "%s\"%u", comma, low);
		if (i == STATS_BATCHES - 1)
			fprintf(out, "+");
		else if (high > low)
			fprintf(out, "-%u", high);
		fprintf(out, "\": %llu", (unsigned long long)s->batch[i]);
		comma = ", ";
	}
	fprintf(out, "}");
}

/* Whose it is, when, and under which options. */
static void print_job(const struct stats_job *job, FILE *out)
{
	fprintf(out, "{\"job\": ");
	print_string(job->name, out);
	print_number("job_number", job->number, out);
	print_number("pid", (uint64_t)getpid(), out);
	print_number("time", job->time_s, out);
	fprintf(out, ", \"fio\": ");
	print_string(job->fio, out);
	print_number("iodepth", job->depth, out);
	fprintf(out, ", \"reap\": \"%s\"", job->reap);
	if (job->spin_auto)
		fprintf(out, ", \"spin_ns\": \"auto\"");
	else
		print_number("spin_ns", job->spin_ns, out);
	print_number("held_at_most", job->hold, out);
	fprintf(out, ", \"stamp\": \"%s\"",
		job->stamp_before ? "before" : "after");
	print_number("refill", job->refill, out);
	print_number("refill_forced", (uint64_t)job->why.forced, out);
	print_number("plain_call_ns", job->why.plain_ns, out);
	print_number("refilled_call_ns", job->why.refilled_ns, out);
}

static void print_submits(const struct queue_stats *s, FILE *out)
{
	print_number("io_submit_calls", s->submits, out);
	print_number("ios_submitted", s->submitted, out);
	print_batches(s, out);
	print_number("submits_partial", s->partial, out);
	print_number("submits_refused", s->refused, out);
	print_number("submits_eagain", s->eagain, out);
	print_number("submits_enomem", s->enomem, out);
	print_number("submits_eintr", s->eintr, out);
	print_number("ios_failed_at_submit", s->failed, out);
	print_number("ios_sent_again", s->again, out);
}

static void print_completions(const struct queue_stats *s, FILE *out)
{
	print_number("ring_reaps", s->reaps, out);
	print_number("ring_events", s->reaped, out);
	fprintf(out, ", \"events_per_reap\": %.2f",
		s->reaps ? (double)s->reaped / (double)s->reaps : 0.0);
	print_number("spin_hits", s->spin_hits, out);
	print_number("spin_misses", s->spin_misses, out);
	print_number("spin_events", s->spun, out);
	print_number("io_getevents_calls", s->getevents, out);
	print_number("io_getevents_events", s->got, out);
	print_number("epoll_and_read_calls", s->waits, out);
	print_number("arrival_events", s->arrived, out);
	print_number("ios_stuck", s->stuck, out);
	print_number("stuck_max_ns", s->stuck_max_ns, out);
}

static void print_times(const struct queue_stats *s, FILE *out)
{
	print_number("submit_ns", s->submit_ns, out);
	print_number("submit_max_ns", s->submit_max_ns, out);
	print_number("run_ns", s->run_ns, out);
	fprintf(out, ", \"submit_share\": %.4f", stats_submit_share(s));
	print_number("ios_done_in_submit", s->done_inside, out);
}

static uint64_t greater(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void stats_add(struct queue_stats *s, const struct queue_stats *worker)
{
	uint64_t *to = (uint64_t *)s;
	const uint64_t *from = (const uint64_t *)worker;
	uint64_t max = greater(s->submit_max_ns, worker->submit_max_ns);
	uint64_t stuck = greater(s->stuck_max_ns, worker->stuck_max_ns);

	_Static_assert(sizeof(*s) % sizeof(*to) == 0, "numbers only");
	for (size_t i = 0; i < sizeof(*s) / sizeof(*to); i++)
		to[i] += from[i];
	s->submit_max_ns = max;
	s->stuck_max_ns = stuck;
}

char *stats_text(const struct queue_stats *s, const struct stats_job *job)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	print_job(job, out);
	print_submits(s, out);
	print_completions(s, out);
	print_times(s, out);
	if (job->lateness)
		lateness_print(job->lateness, job->bins, out);
	if (job->windows)
		windows_print(job->windows, out);
	fprintf(out, "}\n");
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}
