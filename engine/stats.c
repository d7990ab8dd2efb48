// SPDX-License-Identifier: GPL-2.0-only
/*
 * Statistics as JSON: one object per job, one line each.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stats.h"

/* A JSON string; what is not printable ASCII becomes \u00XX. */
static void print_string(const char *text, FILE *out)
{
	putc('"', out);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < ' ' || *c >= 127)
			fprintf(out, "\\u%04x", *c);
		else
			putc(*c, out);
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

static void print(const struct queue_stats *s, const char *job, FILE *out)
{
	fprintf(out, "{\"job\": ");
	print_string(job, out);
	fprintf(out, ", \"pid\": %d", (int)getpid());
	print_number("io_submit_calls", s->submits, out);
	print_number("io_getevents_calls", s->getevents, out);
	print_number("epoll_and_read_calls", s->waits, out);
	print_number("ios_submitted", s->submitted, out);
	print_batches(s, out);
	print_number("submits_refused", s->refused, out);
	print_number("submits_partial", s->partial, out);
	print_number("ios_failed_at_submit", s->failed, out);
	print_number("ring_reaps", s->reaps, out);
	print_number("ring_events", s->reaped, out);
	fprintf(out, ", \"events_per_reap\": %.2f",
		s->reaps ? (double)s->reaped / (double)s->reaps : 0.0);
	print_number("spin_hits", s->spin_hits, out);
	print_number("spin_misses", s->spin_misses, out);
	print_number("submit_ns", s->submit_ns, out);
	print_number("submit_max_ns", s->submit_max_ns, out);
	print_number("run_ns", s->run_ns, out);
	fprintf(out, ", \"submit_share\": %.4f", stats_submit_share(s));
	print_number("ios_done_in_submit", s->done_inside, out);
	fprintf(out, "}\n");
}

char *stats_text(const struct queue_stats *s, const char *job)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	print(s, job, out);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

static int append(const char *path, const char *text)
{
	int fd = open(path,
		      O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC |
			      O_NONBLOCK,
		      0644);
	ssize_t size = (ssize_t)strlen(text), wrote;
	int ret = 0;

	if (fd < 0)
		return -errno;
	wrote = write(fd, text, (size_t)size);
	if (wrote != size)
		ret = wrote < 0 ? -errno : -ENOSPC;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

int stats_save(const struct queue_stats *s, const char *job, const char *path)
{
	char *text = stats_text(s, job);
	int ret = text ? append(path, text) : -ENOMEM;

	free(text);
	return ret;
}
