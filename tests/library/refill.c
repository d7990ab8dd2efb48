// SPDX-License-Identifier: GPL-2.0-only
/*
 * refill CASE: refilled system calls at each of their instructions, where a
 * trap (the processor's single step) stops them, and how it is decided whether
 * calls are refilled.  Each line: what, its result, errno after it.
 */
#include <execinfo.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "libaio_ext.h"
#include "refill.h"
#include "report.h"

static void case_decided(void)
{
	struct io_refill how = {7, 7, 7};
	io_context_t ctx = NULL;

	REPORT("before", io_refill(&how));
	REPORT("before-how", how.forced | how.plain_ns | how.refilled_ns);
	REPORT("setup", io_setup(1, &ctx));
	REPORT("on", io_refill(&how));
	REPORT("again", io_refill(NULL));
	REPORT("forced", how.forced);
	REPORT("plain-ns", how.plain_ns);
	REPORT("refilled-ns", how.refilled_ns);
	REPORT("destroy", io_destroy(ctx));
}

/* --- threads that are first at once --- */

#define CROWD 32

static pthread_barrier_t start;

static void *first_of_all(void *arg)
{
	io_context_t ctx = NULL;
	struct io_refill how;
	long found;

	(void)arg;
	pthread_barrier_wait(&start);
	MUST(!io_setup(1, &ctx));
	found = io_refill(&how);
	MUST(!io_destroy(ctx));
	return (void *)(uintptr_t)(found << 60 | (uintptr_t)how.plain_ns << 30 |
				   how.refilled_ns);
}

static void case_crowd(void)
{
	pthread_t threads[CROWD];
	void *said[CROWD];
	int different = 0;

	MUST(!pthread_barrier_init(&start, NULL, CROWD));
	for (int i = 0; i < CROWD; i++)
		MUST(!pthread_create(threads + i, NULL, first_of_all, NULL));
	for (int i = 0; i < CROWD; i++)
		MUST(!pthread_join(threads[i], said + i));
	for (int i = 1; i < CROWD; i++)
		different += said[i] != said[0];
	REPORT("different", different);
}

#if AIOREFILL

/* --- results --- */

/* io_cancel() answers with the error in its first argument. */
static void answer_errors(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_cancel, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args)),
		BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_A, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};

	MUST(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static void case_results(void)
{
	const long page = sysconf(_SC_PAGESIZE);
	int wrong = 0, memory = memfd_create("results", 0);
	char *mapped;

	answer_errors();
	errno = ERRNO;
	for (long err = 0; err < 4096; err++)
		wrong += aiorefill_call(err, 0, 0, 0, 0, 0, SYS_io_cancel) !=
			 -err;
	REPORT("wrong-errors", wrong);
	REPORT("errno", errno);
	REPORT("large", aiorefill_call(INTPTR_MAX, 0, 0, 0, 0, 0, -1));
	/* Six arguments, and a result of more than 32 bits. */
	MUST(pwrite(memory, "x", 1, page) == 1);
	mapped = (char *)aiorefill_call(0, page, PROT_READ, MAP_SHARED, memory,
					page, SYS_mmap);
	REPORT("mapped", mapped[0]);
}

/* --- at each instruction --- */

#define MOST_SIZE 256 /* of the call, in bytes */

static const char *const entry = (const char *)(uintptr_t)aiorefill_call;
static long stops; /* instructions of the call that a trap came before */
static long wanted, jumps, unwound, sees_caller;
static sigjmp_buf away;
static void (*at_stop)(ucontext_t *at);

#define STEP \
	0x100L /* of the processor's flags: a trap after each instruction */

static void set_step(void)
{
	__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::
				 : "cc", "memory");
}

static void clear_step(void)
{
	__asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::
				 : "cc", "memory");
}

static void on_trap(int signal, siginfo_t *info, void *context)
{
	ucontext_t *at = context;
	const char *here = (const char *)at->uc_mcontext.gregs[REG_RIP];

	(void)signal;
	(void)info;
	if (here < entry || here >= entry + MOST_SIZE)
		return;
	stops++;
	if (at_stop)
		at_stop(at);
	if (*(const unsigned char *)here == 0xc3) /* ret */
		at->uc_mcontext.gregs[REG_EFL] &= ~STEP;
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = {.sa_sigaction = handler,
				   .sa_flags = SA_SIGINFO | SA_NODEFER};

	MUST(!sigaction(signal, &action, NULL));
}

/* Who is looked for above a stopped call. */
static __attribute__((noinline)) long caller(void)
{
	long ret;

	set_step();
	ret = aiorefill_call(1, 2, 3, 4, 5, 6, SYS_getppid);
	clear_step();
	return ret;
}

static void see_caller(ucontext_t *at)
{
	void *frames[32];
	int n = backtrace(frames, 32);
	int seen = 0;

	(void)at;
	for (int i = 0; i < n; i++)
		seen |= (uintptr_t)frames[i] - (uintptr_t)caller < 256;
	sees_caller += seen;
}

static void case_backtrace(void)
{
	void *frames[2];

	backtrace(frames, 2); /* it allocates, the first time */
	handle(SIGTRAP, on_trap);
	at_stop = see_caller;
	REPORT("result-is-right", caller() == getppid());
	REPORT("stops", stops);
	REPORT("without-caller", stops - sees_caller);
}

static void jump_away(ucontext_t *at)
{
	(void)at;
	if (stops == wanted)
		siglongjmp(away, 1);
}

/* 1: the call was left; 0: it came back before it stopped so often. */
static int call_and_jump(void)
{
	stops = 0;
	if (sigsetjmp(away, 1)) {
		clear_step();
		return 1;
	}
	MUST(caller() == getppid());
	return 0;
}

/* From each instruction out of it; and the stack is as it was. */
static void case_jump(void)
{
	handle(SIGTRAP, on_trap);
	at_stop = jump_away;
	for (wanted = 1; call_and_jump(); wanted++)
		jumps++;
	REPORT("jumps", jumps);
	at_stop = NULL;
	stops = 0;
	REPORT("result-is-right", caller() == getppid());
	REPORT("stops", stops);
}

static void cancel_self(ucontext_t *at)
{
	if (stops != wanted)
		return;
	at->uc_mcontext.gregs[REG_EFL] &= ~STEP;
	pthread_cancel(pthread_self());
}

static void count_unwound(void *arg)
{
	(void)arg;
	unwound++;
}

static void *cancelled(void *arg)
{
	(void)arg;
	pthread_cleanup_push(count_unwound, NULL);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	caller();
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
	pthread_cleanup_pop(0);
	return NULL;
}

static void case_cancel(void)
{
	long threads = 0;
	void *end;

	handle(SIGTRAP, on_trap);
	at_stop = cancel_self;
	for (wanted = 1;; wanted++) {
		pthread_t thread;

		stops = 0;
		MUST(!pthread_create(&thread, NULL, cancelled, NULL));
		MUST(!pthread_join(thread, &end));
		if (end != PTHREAD_CANCELED)
			break;
		threads++;
	}
	REPORT("cancelled", threads);
	REPORT("not-unwound", threads - unwound);
}

/* --- under signals that come when they like --- */

static long ticks;

static void on_tick(int signal, siginfo_t *info, void *context)
{
	io_context_t ctx = *(io_context_t *)info->si_value.sival_ptr;
	struct timespec now = {0, 0};
	struct io_event event;

	(void)signal;
	(void)context;
	ticks += io_getevents(ctx, 0, 1, &event, &now) == 0;
}

static void case_signals(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
				 .sigev_signo = SIGUSR1};
	struct itimerspec often = {{0, 50000}, {0, 50000}};
	io_context_t ctx = NULL;
	long calls = 0, wrong = 0;
	timer_t timer;

	MUST(!io_setup(8, &ctx));
	MUST(io_refill(NULL) == 1);
	event.sigev_value.sival_ptr = &ctx;
	handle(SIGUSR1, on_tick);
	MUST(!timer_create(CLOCK_MONOTONIC, &event, &timer));
	MUST(!timer_settime(timer, 0, &often, NULL));
	for (; ticks < 2000; calls++) {
		wrong += io_submit(ctx, 0, NULL) != 0;
		wrong += io_submit(ctx, -1, NULL) != -EINVAL;
		wrong += io_wait_kernel(ctx, 2, 1, NULL, NULL) != -EINVAL;
	}
	timer_delete(timer);
	REPORT("wrong", wrong);
	REPORT("some", calls > 0);
}

/* --- shadow stacks --- */

#define SHADOW_ENTRIES 8
static long asked, popped;

/* The processor is said to have a shadow stack: rdsspq gives an address. */
static void give_shadow(ucontext_t *at)
{
	static const unsigned char rdsspq[] = {0xf3, 0x48, 0x0f, 0x1e, 0xc9};
	const char *here = (const char *)at->uc_mcontext.gregs[REG_RIP];

	if (!memcmp(here - sizeof(rdsspq), rdsspq, sizeof(rdsspq))) {
		MUST(at->uc_mcontext.gregs[REG_RCX] == 0);
		at->uc_mcontext.gregs[REG_RCX] = 4096;
		asked++;
	}
}

/* incsspq, which is no instruction without one. */
static void on_illegal(int signal, siginfo_t *info, void *context)
{
	static const unsigned char incsspq[] = {0xf3, 0x48, 0x0f, 0xae, 0xe9};
	ucontext_t *at = context;
	const char *here = (const char *)at->uc_mcontext.gregs[REG_RIP];

	(void)signal;
	(void)info;
	MUST(!memcmp(here, incsspq, sizeof(incsspq)));
	popped += (long)at->uc_mcontext.gregs[REG_RCX];
	at->uc_mcontext.gregs[REG_RIP] += sizeof(incsspq);
}

static void case_shadow(void)
{
	handle(SIGTRAP, on_trap);
	handle(SIGILL, on_illegal);
	at_stop = give_shadow;
	REPORT("result-is-right", caller() == getppid());
	REPORT("asked", asked);
	REPORT("popped", popped);
}

/* A real one, from here on: who returns beyond this function is killed. */
static void case_real_shadow(void)
{
	const long arch_shstk_enable = 0x5001, shstk = 1;
	long ret, wrong = 0;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(SYS_arch_prctl), "D"(arch_shstk_enable),
			   "S"(shstk)
			 : "rcx", "r11", "memory");
	if (!ret)
		for (int i = 0; i < 1000; i++)
			wrong += aiorefill_call(0, 0, 0, 0, 0, 0,
						SYS_getppid) <= 0;
	REPORT("enabled", ret);
	REPORT("wrong", wrong);
	_exit(0);
}

#endif

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
		{"decided", case_decided},
		{"crowd", case_crowd},
#if AIOREFILL
		{"results", case_results},
		{"backtrace", case_backtrace},
		{"jump", case_jump},
		{"cancel", case_cancel},
		{"signals", case_signals},
		{"shadow", case_shadow},
		{"real-shadow", case_real_shadow},
#endif
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (argc == 2 && !strcmp(argv[1], cases[i].name)) {
			cases[i].run();
			return 0;
		}
	return 3;
}
