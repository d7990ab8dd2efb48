// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_pgetevents(): its signal mask with a signal that is blocked and pending,
 * and ("pgetevents filtered") what it says where a container's filter answers
 * EPERM to the system call.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "libaio.h"
#include "report.h"

static struct timespec soon = {0, 30000000}, late = {10, 0};
static struct io_event events[2];
static struct iocb fsync_one, *list[] = {&fsync_one};
static volatile sig_atomic_t handled;
static sigset_t none, all;

static void on_signal(int number)
{
	handled += number == SIGUSR1;
}

static void block_signal(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigemptyset(&none);
	sigfillset(&all);
	MUST(!sigaction(SIGUSR1, &action, NULL));
	MUST(!sigprocmask(SIG_BLOCK, &all, NULL));
}

static int is_pending(void)
{
	sigset_t set;

	MUST(!sigpending(&set));
	return sigismember(&set, SIGUSR1);
}

static int is_blocked(void)
{
	sigset_t set;

	MUST(!sigprocmask(SIG_BLOCK, NULL, &set));
	return sigismember(&set, SIGUSR1);
}

static void mask_cases(io_context_t ctx)
{
	block_signal();
	MUST(!raise(SIGUSR1) && is_pending());
	REPORT("no-mask", io_pgetevents(ctx, 1, 2, events, &soon, NULL));
	REPORT("no-mask-handled", handled);
	REPORT("full-mask", io_pgetevents(ctx, 1, 2, events, &soon, &all));
	REPORT("full-mask-handled", handled);
	REPORT("empty-mask", io_pgetevents(ctx, 1, 2, events, &late, &none));
	REPORT("empty-mask-handled", handled);
	REPORT("mask-is-restored", is_blocked() && !is_pending());
	REPORT("min-over", io_pgetevents(ctx, 2, 1, events, &soon, &none));
	REPORT("negative", io_pgetevents(ctx, 0, -1, events, &soon, &none));
	REPORT("bad-mask",
	       io_pgetevents(ctx, 1, 1, events, &soon, (sigset_t *)0x1000));
}

static void event_cases(io_context_t ctx)
{
	MUST(io_submit(ctx, 1, list) == 1);
	REPORT("event-no-mask", io_pgetevents(ctx, 1, 2, events, &late, NULL));
	MUST(io_submit(ctx, 1, list) == 1);
	events[0].obj = NULL;
	REPORT("event-mask", io_pgetevents(ctx, 1, 2, events, &late, &none));
	REPORT("event-object", events[0].obj == &fsync_one);
}

static void forbid_pgetevents(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_pgetevents, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {sizeof(code) / sizeof(*code), code};

	MUST(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
}

int main(int argc, char **argv)
{
	io_context_t ctx = NULL;
	FILE *file = tmpfile();

	(void)argv;
	MUST(file && !io_setup(2, &ctx));
	io_prep_fsync(&fsync_one, fileno(file));
	if (argc > 1)
		forbid_pgetevents();
	else
		mask_cases(ctx);
	event_cases(ctx);
	return 0;
}
