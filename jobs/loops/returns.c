// SPDX-License-Identifier: GPL-2.0-only
/*
 * What returns cost after a system call, as the kernel leaves the processor's
 * return stack and with it refilled (aio/refill.h): the least nanoseconds of a
 * call with the returns of so many functions behind it.  Says of what machine,
 * and what the library decides; with the word `decision', 1 or 0 alone: are
 * calls refilled?
 *	returns [decision]
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>

#include "clock.h"
#include "libaio_ext.h"
#include "sys.h"

#define FLAWS "/sys/devices/system/cpu/vulnerabilities/"
#define MOST 64	   /* calls at a time */
#define ROUNDS 400 /* of each kind, in turn */

static io_context_t ctx;
static struct iocb iocb;

/* The first line of a file, or with a word that of it; "" without. */
static void print_line(const char *what, const char *path, const char *word)
{
	char line[1024] = "";
	FILE *file = fopen(path, "re");
	const char *value = line;

	while (file && fgets(line, sizeof(line), file) && word &&
	       strncmp(line, word, strlen(word)))
		*line = '\0';
	if (file)
		fclose(file);
	line[strcspn(line, "\n")] = '\0';
	if (word && strchr(line, ':'))
		value = strchr(line, ':') + 2;
	printf("%-12s %s\n", what, *line ? value : "(not said)");
}

static void print_machine(void)
{
	struct utsname name;

	uname(&name);
	print_line("processor", "/proc/cpuinfo", "model name");
	print_line("family", "/proc/cpuinfo", "cpu family");
	print_line("model", "/proc/cpuinfo", "model\t");
	print_line("stepping", "/proc/cpuinfo", "stepping");
	print_line("microcode", "/proc/cpuinfo", "microcode");
	printf("%-12s %s %s\n", "kernel", name.release, name.machine);
	print_line("rstack", FLAWS "spec_rstack_overflow", NULL);
	print_line("retbleed", FLAWS "retbleed", NULL);
	print_line("spectre_v2", FLAWS "spectre_v2", NULL);
	print_line("hypervisor", "/sys/class/dmi/id/sys_vendor", NULL);
}

static void make_ready(void)
{
	int ret, fd = memfd_create("returns", MFD_CLOEXEC);
	static char buffer[64];

	if (fd < 0)
		err(1, "memfd_create");
	ret = io_setup(MOST, &ctx);
	if (ret)
		errx(1, "io_setup: %s", strerror(-ret));
	io_ring_disable(ctx); /* one consumer, this one */
	io_prep_pread(&iocb, fd, buffer, 0, 0);
}

static void print_decision(void)
{
	struct io_refill found;
	int on = io_refill(&found);

	printf("%-12s %s", "decision",
	       on ? "on: calls refill the return stack" : "off");
	if (found.forced)
		printf(" (LIBAIO_REFILL=%d)\n", on);
	else
		printf(" (%u ns, refilled %u ns)\n", found.plain_ns,
		       found.refilled_ns);
}

#if AIOREFILL

static struct iocb *list = &iocb;
static struct io_event events[MOST];
static struct timespec zero;

/* A call to be measured: arguments, and whether events are to be read. */
static const struct kind {
	const char *name;
	long number, a[5];
	int submits;
} * now;

static inline __attribute__((always_inline)) long plain(void)
{
	long ret;
	register long d __asm__("r10") = now->a[3];
	register long e __asm__("r8") = now->a[4];
	register long f __asm__("r9") = 0;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(now->number), "D"(now->a[0]), "S"(now->a[1]),
			   "d"(now->a[2]), "r"(d), "r"(e), "r"(f)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long refilled(void)
{
	return aiorefill_call(now->a[0], now->a[1], now->a[2], now->a[3],
			      now->a[4], 0, now->number);
}

/* Each returns so many times, its own return being the last. */
static __attribute__((noinline)) long plain_behind(int returns)
{
	long ret = returns > 1 ? plain_behind(returns - 1) : plain();

	__asm__ volatile("" : "+r"(ret)); /* no tail call */
	return ret;
}

static __attribute__((noinline)) long refilled_behind(int returns)
{
	long ret = returns > 2 ? refilled_behind(returns - 1) : refilled();

	__asm__ volatile("" : "+r"(ret));
	return ret;
}

static long plain_0(void)
{
	return plain();
}

static long plain_1(void)
{
	return plain_behind(1);
}

static long plain_6(void)
{
	return plain_behind(6);
}

static long refilled_1(void)
{
	return refilled();
}

static long refilled_6(void)
{
	return refilled_behind(6);
}

/* ns of one call, if the batch takes less than best. */
#define MEASURE(best, call) \
	do { \
		uint64_t start = clock_now(); \
		double ns; \
\
		for (int i_ = 0; i_ < MOST / 2; i_++) \
			sum += call(); \
		ns = (double)(clock_now() - start) / (MOST / 2); \
		if (ns < (best)) \
			(best) = ns; \
		while (now->submits && io_ring_reap(ctx, MOST, events) > 0) \
			; \
	} while (0)

static void measure(void)
{
	double best[] = {1e9, 1e9, 1e9, 1e9, 1e9};
	long sum = 0;

	for (int round = 0; round < ROUNDS; round++) {
		MEASURE(best[0], plain_0);
		MEASURE(best[1], plain_1);
		MEASURE(best[2], plain_6);
		MEASURE(best[3], refilled_1);
		MEASURE(best[4], refilled_6);
	}
	__asm__ volatile("" : : "r"(sum));
	printf("%-26s %8.1f %8.1f %8.1f %12.1f %8.1f\n", now->name, best[0],
	       best[1], best[2], best[3], best[4]);
}

static void print_costs(void)
{
	const struct kind kinds[] = {
		{"getppid", SYS_getppid, {0}, 0},
		{"io_submit of nothing", SYS_io_submit, {(long)ctx}, 0},
		{"io_submit of one read",
		 SYS_io_submit,
		 {(long)ctx, 1, (long)&list},
		 1},
		{"io_getevents, none, 0 s",
		 SYS_io_getevents,
		 {(long)ctx, 1, 1, (long)events, (long)&zero},
		 0},
	};

	printf("\n%-26s %26s %21s\n%-26s %8d %8d %8d %12d %8d\n",
	       "ns of a call", "as it is", "refilled", "and returns behind it",
	       0, 1, 6, 1, 6);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		now = kinds + i;
		measure();
	}
}

#else

static void print_costs(void)
{
	printf("\ncalls are refilled on x86-64 alone\n");
}

#endif

int main(int argc, char **argv)
{
	make_ready();
	if (argc == 2 && !strcmp(argv[1], "decision")) {
		printf("%d\n", io_refill(NULL));
		return 0;
	}
	if (argc > 1)
		errx(2, "usage: returns [decision]");
	print_machine();
	print_decision();
	print_costs();
	return 0;
}
