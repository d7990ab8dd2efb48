// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which processes hold AIO contexts: each has its ring mapped as "/[aio]".
 * Source: aio_setup_ring() and aio_private_file() in fs/aio.c; proc(5) on
 * /proc/PID/maps and /proc/PID/stat.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libaio_ext.h"

/* One mapping of a ring. */
struct mapping {
	unsigned long long inode;   /* children share their parent's ring */
	unsigned long long started; /* the process, in ticks */
	struct io_limits_holder by; /* one context */
};

struct mappings {
	struct mapping *at;
	size_t count, room;
};

static int add(struct mappings *all, const struct mapping *one)
{
	if (all->count == all->room) {
		size_t room = all->room * 2 + 16;
		void *at = realloc(all->at, room * sizeof(*all->at));

		if (!at)
			return -ENOMEM;
		all->at = at;
		all->room = room;
	}
	all->at[all->count++] = *one;
	return 0;
}

static FILE *open_of(int pid, const char *name)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return fopen(path, "re");
}

/* Has it ended since its number was read? */
static int has_ended(int err)
{
	return err == ENOENT || err == ESRCH;
}

/* Name and start of the process; what is no printable ASCII becomes '?'. */
static int identify(struct mapping *one)
{
	FILE *file = open_of(one->by.pid, "stat");
	char line[1024], *name, *end;
	size_t len;

	if (!file)
		return -errno;
	len = fread(line, 1, sizeof(line) - 1, file);
	fclose(file);
	line[len] = '\0';
	name = strchr(line, '(');
	end = strrchr(line, ')'); /* a name may have some of its own */
	if (!name || !end ||
	    sscanf(end + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d "
		   "%*d %*d %*d %*d %*d %llu",
		   &one->started) != 1)
		return -ESRCH;
	*end = '\0';
	snprintf(one->by.comm, sizeof(one->by.comm), "%s", name + 1);
	for (char *c = one->by.comm; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return 0;
}

/*
 * The largest maxevents that gets a ring of so many bytes.  The kernel doubles
 * it, and adds two, before it rounds up to pages; its header is as long as an
 * event.
 */
static unsigned long most_events(unsigned long long bytes)
{
	unsigned long long slots = bytes / sizeof(struct io_event);

	return slots > 3 ? (unsigned long)(slots - 3) / 2 : 0;
}

/* A line of maps, of a process of 64 bits, too; 1: of a ring. */
static int is_ring(const char *line, struct mapping *one)
{
	unsigned long long from, to;
	int path = 0;

	if (sscanf(line, "%llx-%llx %*s %*s %*s %llu %n", &from, &to,
		   &one->inode, &path) != 3 ||
	    !path || strncmp(line + path, "/[aio]", 6) != 0)
		return 0;
	one->by.contexts = 1;
	one->by.events = most_events(to - from);
	return 1;
}

/* The rings of one process; 1: it may not be looked into. */
static int add_process(struct mappings *all, int pid)
{
	struct mapping one = {.by.pid = pid};
	FILE *maps = open_of(pid, "maps");
	int ret = maps ? 0 : -errno, known = 0;
	size_t size = 0;
	char *line = NULL;

	while (!ret && (errno = 0, getline(&line, &size, maps) > 0)) {
		if (!is_ring(line, &one))
			continue;
		ret = known++ ? 0 : identify(&one);
		if (!ret)
			ret = add(all, &one);
	}
	if (!ret && errno)
		ret = -errno;
	free(line);
	if (maps)
		fclose(maps);
	if (ret == -EACCES || ret == -EPERM)
		return 1;
	return has_ended(-ret) ? 0 : ret;
}

/* All that can be read; unknown: how many processes cannot. */
static int add_all(struct mappings *all, int *unknown)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int ret = 0;

	if (!proc)
		return -errno;
	while (ret >= 0 && (errno = 0, entry = readdir(proc))) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);

		if (*end || pid <= 0)
			continue;
		ret = add_process(all, (int)pid);
		*unknown += ret == 1;
	}
	if (ret >= 0)
		ret = -errno;
	closedir(proc);
	return ret;
}

#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

/* Of one ring, the oldest process first: it made the context. */
static int by_ring(const void *left, const void *right)
{
	const struct mapping *a = left, *b = right;

	if (a->inode != b->inode)
		return ORDER(a->inode, b->inode);
	if (a->started != b->started)
		return ORDER(a->started, b->started);
	return ORDER(a->by.pid, b->by.pid);
}

static int by_process(const void *left, const void *right)
{
	const struct mapping *a = left, *b = right;

	return ORDER(a->by.pid, b->by.pid);
}

static int by_events(const void *left, const void *right)
{
	const struct mapping *a = left, *b = right;

	return ORDER(b->by.events, a->by.events);
}

static void sort(struct mappings *all, int (*order)(const void *, const void *))
{
	if (all->count)
		qsort(all->at, all->count, sizeof(*all->at), order);
}

/* Each ring once, then one entry for each process, most events first. */
static void sum_up(struct mappings *all)
{
	size_t rings = 0, processes = 0;

	sort(all, by_ring);
	for (size_t i = 0; i < all->count; i++)
		if (!rings || all->at[rings - 1].inode != all->at[i].inode)
			all->at[rings++] = all->at[i];
	all->count = rings;
	sort(all, by_process);
	for (size_t i = 0; i < rings; i++) {
		struct io_limits_holder *by = &all->at[i].by, *last;

		last = processes ? &all->at[processes - 1].by : NULL;
		if (last && last->pid == by->pid) {
			last->contexts++;
			last->events += by->events;
		} else {
			all->at[processes++] = all->at[i];
		}
	}
	all->count = processes;
	sort(all, by_events);
}

int io_limits_holders(struct io_limits_holder *holders, int nr, int *unknown)
{
	int err = errno, hidden = 0, state, ret;
	struct mappings all = {NULL, 0, 0};

	if (nr < 0 || (nr && !holders))
		return -EINVAL;
	/* A thread that was cancelled here would leave files and memory. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	ret = add_all(&all, &hidden);
	if (!ret) {
		sum_up(&all);
		for (size_t i = 0; i < all.count && i < (size_t)nr; i++)
			holders[i] = all.at[i].by;
		if (unknown)
			*unknown = hidden;
		ret = (int)all.count;
	}
	free(all.at);
	pthread_setcancelstate(state, NULL);
	errno = err;
	return ret;
}
