// SPDX-License-Identifier: GPL-2.0-only
/*
 * reload LIBRARY CYCLES [apart]: load it, make a context, read one event,
 * destroy it, unload; again and again.  Prints by how many mappings and kB of
 * address space the process has grown since the second cycle.  Then it loads it
 * once more (apart: into a namespace of its own), and leaves by exit(), while
 * another thread is in a call.
 */
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "libaio.h"
#include "report.h"

static struct {
	__typeof__(&io_setup) setup;
	__typeof__(&io_destroy) destroy;
	__typeof__(&io_submit) submit;
	__typeof__(&io_getevents) getevents;
} lib;

static void *load(const char *path, Lmid_t space)
{
	void *handle = dlmopen(space, path, RTLD_NOW | RTLD_LOCAL);

	MUST(handle);
	lib.setup = (__typeof__(lib.setup))dlsym(handle, "io_setup");
	lib.destroy = (__typeof__(lib.destroy))dlsym(handle, "io_destroy");
	lib.submit = (__typeof__(lib.submit))dlsym(handle, "io_submit");
	lib.getevents =
		(__typeof__(lib.getevents))dlsym(handle, "io_getevents");
	MUST(lib.setup && lib.destroy && lib.submit && lib.getevents);
	return handle;
}

static io_context_t context(void)
{
	struct iocb iocb, *list[] = {&iocb};
	struct io_event event;
	io_context_t ctx = NULL;
	int fd = eventfd(1, 0);

	io_prep_poll(&iocb, fd, POLLIN);
	MUST(fd >= 0 && !lib.setup(4, &ctx) && lib.submit(ctx, 1, list) == 1);
	MUST(lib.getevents(ctx, 1, 1, &event, NULL) == 1);
	MUST(!close(fd));
	return ctx;
}

static void cycle(const char *path)
{
	void *handle = load(path, LM_ID_BASE);

	MUST(!lib.destroy(context()));
	MUST(!dlclose(handle) && !dlopen(path, RTLD_NOW | RTLD_NOLOAD));
}

static void measure(long *mappings, long *kilobytes)
{
	static char line[4096]; /* no memory of its own */
	FILE *file = fopen("/proc/self/maps", "re");

	*mappings = 0;
	MUST(file);
	while (fgets(line, sizeof(line), file))
		(*mappings)++;
	fclose(file);
	file = fopen("/proc/self/status", "re");
	MUST(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, "VmSize:", 7))
			*kilobytes = atol(line + 7);
	fclose(file);
}

static void *use_for_ever(void *ctx)
{
	struct timespec now = {0, 0}, soon = {0, 5000000};
	struct io_event event;

	for (;;) {
		for (int i = 0; i < 10000; i++)
			MUST(lib.getevents(ctx, 0, 1, &event, &now) == 0);
		MUST(lib.getevents(ctx, 1, 1, &event, &soon) == 0);
	}
	return ctx;
}

/* exit() empties streams after all destructors; it takes a while. */
static ssize_t write_slowly(void *cookie, const char *text, size_t size)
{
	(void)cookie, (void)text;
	usleep(200000);
	return (ssize_t)size;
}

int main(int argc, char **argv)
{
	long maps, size, maps_then, size_then;
	pthread_t thread;

	FILE *slow = fopencookie(
		NULL, "w", (cookie_io_functions_t){.write = write_slowly});

	MUST(argc >= 3 && slow && fputs("x", slow) >= 0);
	cycle(argv[1]);
	cycle(argv[1]);
	measure(&maps, &size);
	measure(&maps, &size);
	for (int i = 2; i < atoi(argv[2]); i++)
		cycle(argv[1]);
	measure(&maps_then, &size_then);
	printf("mappings %ld kilobytes %ld\n", maps_then - maps,
	       size_then - size);
	fflush(stdout);
	load(argv[1], argc > 3 ? LM_ID_NEWLM : LM_ID_BASE);
	MUST(!pthread_create(&thread, NULL, use_for_ever, context()));
	usleep(20000);
	return 0;
}
