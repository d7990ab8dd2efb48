// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring_rules CASE: when io_getevents() reads the ring, when it must not, and
 * that nobody can tell the difference.  Each line: what, its result, errno
 * after it; "kernel" lines say how many calls entered the kernel for events
 * since the last such line.
 */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libaio.h"
#ifdef STATIC
#include "libaio_ext.h"
#endif
#include "report.h"
#include "seam.h"

#define POINTER(number) ((void *)(uintptr_t)(number))

static struct timespec now = {0, 0}, soon = {0, 20000000};
static struct io_event events[128];
static int ready_fd;
static long entered, naps, barriers;
static void (*after_setup)(io_context_t ctx);

static long seam(long number, long *a)
{
	long ret;

	if (number == SYS_io_getevents || number == SYS_io_pgetevents)
		__atomic_fetch_add(&entered, 1, __ATOMIC_RELAXED);
	if (number == SYS_futex)
		__atomic_fetch_add(&naps, 1, __ATOMIC_RELAXED);
	if (number == SYS_membarrier)
		__atomic_fetch_add(&barriers, 1, __ATOMIC_RELAXED);
	ret = seam_pass(number, a);
	if (number == SYS_io_setup && !ret && after_setup)
		after_setup(*(io_context_t *)a[1]);
	return ret;
}

static void report_kernel(const char *name)
{
	printf("%s-kernel %ld %d\n", name, entered, ERRNO);
	fflush(stdout);
	entered = 0;
}

static io_context_t context(int requests)
{
	io_context_t ctx = NULL;

	MUST(io_setup(requests, &ctx) == 0);
	return ctx;
}

/* n events, complete when this returns, with the data from first on. */
static void submit(io_context_t ctx, int n, long first)
{
	struct iocb iocb, *list[] = {&iocb};

	io_prep_poll(&iocb, ready_fd, POLLIN);
	for (int i = 0; i < n; i++) {
		iocb.data = POINTER(first + i);
		MUST(io_submit(ctx, 1, list) == 1);
	}
}

/* --- what enters the kernel; under strace --- */

static void case_calls(void)
{
	io_context_t ctx = context(8);
	sigset_t none;

	sigemptyset(&none);
	submit(ctx, 8, 0);
	REPORT("some", io_getevents(ctx, 1, 3, events, NULL));
	REPORT("rest", io_getevents(ctx, 5, 100, events, &soon));
	REPORT("empty", io_getevents(ctx, 1, 100, events, &now));
	REPORT("nothing-wanted", io_getevents(ctx, 0, 100, events, NULL));
	submit(ctx, 3, 0);
	REPORT("zero-timeout", io_getevents(ctx, 7, 100, events, &now));
	submit(ctx, 2, 0);
	REPORT("no-mask", io_pgetevents(ctx, 1, 1, events, &soon, NULL));
	report_kernel("until-here");
	REPORT("too-few", io_getevents(ctx, 3, 77, events, &soon));
	submit(ctx, 1, 0);
	REPORT("again", io_getevents(ctx, 1, 1, events, NULL));
	submit(ctx, 1, 0);
	REPORT("mask", io_pgetevents(ctx, 1, 66, events, &soon, &none));
	REPORT("destroy", io_destroy(ctx));
}

static void *wait_for_two(void *ctx)
{
	return POINTER(io_getevents(ctx, 2, 2, events, NULL));
}

static pthread_t waiter;

static void start_waiter(io_context_t ctx)
{
	MUST(!pthread_create(&waiter, NULL, wait_for_two, ctx));
	while (!__atomic_load_n(&entered, __ATOMIC_RELAXED))
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	nanosleep(&soon, NULL);
}

/* While one sleeps in the kernel all who take go there; afterwards none. (Until
 * Linux 6.8 a sleeper takes what comes before it has enough: who gets which is
 * chance, and all that is sure is that each event comes.) */
static void beside_waiter(io_context_t ctx)
{
	struct io_event mine[4];
	long taken;
	void *got;

	REPORT("empty", io_getevents(ctx, 0, 4, mine, &now));
	REPORT("empty", io_getevents(ctx, 1, 4, mine, &now));
	report_kernel("waiter");
	submit(ctx, 1, 0);
	taken = io_getevents(ctx, 0, 4, mine, &now);
	report_kernel("beside");
	submit(ctx, 2, 0);
	MUST(!pthread_join(waiter, &got));
	REPORT("waiter", (long)got);
	submit(ctx, 2, 0);
	taken += (long)got + io_getevents(ctx, 2, 4, mine, NULL);
	REPORT("all", taken);
	report_kernel("afterwards");
}

static void case_waiter(void)
{
	io_context_t ctx = context(8);

	start_waiter(ctx);
	beside_waiter(ctx);
}

/* The handle is in memory before the library knows that it is a context. */
static void case_early_waiter(void)
{
	io_context_t ctx;

	after_setup = start_waiter;
	ctx = context(8);
	after_setup = NULL;
	beside_waiter(ctx);
}

static void case_uses(void)
{
	io_context_t ctx = context(8);

	submit(ctx, 5, 0);
	REPORT("get", io_getevents(ctx, 1, 8, events, NULL));
	report_kernel("get");
	REPORT("destroy", io_destroy(ctx));
}

/* --- processes --- */

/* In a child: the parent's context is nobody's, one's own is as ever. */
static void use_in_child(const char *name, io_context_t parents)
{
	REPORT(name, io_getevents(parents, 0, 8, events, &now));
	REPORT(name, io_getevents(parents, 1, 8, events, NULL));
	report_kernel(name);
	case_uses();
}

static void wait_for(pid_t child)
{
	int status;

	MUST(child > 0 && waitpid(child, &status, 0) == child && !status);
}

static pid_t fork_in_some_way(const char *way)
{
	if (!strcmp(way, "clone"))
#ifdef __s390x__ /* where the stack comes first */
		return (pid_t)syscall(SYS_clone, 0, SIGCHLD, 0, 0, 0);
#else
		return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
	return !strcmp(way, "_Fork") ? _Fork() : fork();
}

static void children(const char *way, io_context_t ctx)
{
	pid_t child = fork_in_some_way(way);

	if (!child) {
		use_in_child("child", ctx);
		child = fork_in_some_way(way);
		if (!child) {
			use_in_child("grandchild", ctx);
			_exit(0);
		}
		wait_for(child);
		_exit(0);
	}
	wait_for(child);
}

static void spawn(void)
{
	extern char **environ;
	char *argv[] = {"true", NULL};
	pid_t child = vfork();

	if (!child)
		_exit(0);
	wait_for(child);
	MUST(!posix_spawnp(&child, "true", NULL, NULL, argv, environ));
	wait_for(child);
}

/* Half wait in the ring and half are in flight when the child is made. */
static void case_fork(const char *way)
{
	io_context_t ctx = context(16);
	struct iocb iocb, *list[] = {&iocb};
	int pipes[2], seen = 0, got;

	MUST(!pipe(pipes));
	submit(ctx, 8, 0);
	io_prep_poll(&iocb, pipes[0], POLLIN);
	for (int i = 8; i < 16; i++) {
		iocb.data = POINTER(i);
		MUST(io_submit(ctx, 1, list) == 1);
	}
	if (!strcmp(way, "spawn"))
		spawn();
	else
		children(way, ctx);
	REPORT("ready", io_getevents(ctx, 8, 8, events, NULL));
	for (int i = 0; i < 8; i++)
		seen |= 1 << (int)(intptr_t)events[i].data;
	MUST(write(pipes[1], "x", 1) == 1);
	for (int left = 8; left; left -= got) {
		got = io_getevents(ctx, 0, 8, events, &now);
		MUST(got >= 0 && got <= left);
		for (int i = 0; i < got; i++)
			seen |= 1 << (int)(intptr_t)events[i].data;
	}
	REPORT("seen", seen);
	REPORT("no-more", io_getevents(ctx, 1, 8, events, &now));
	report_kernel("parent");
}

/* --- signals --- */

#define MANY 4000000

static io_context_t shared;
static unsigned char *seen;
static long taken, twice, handled, nested, stop;

static void count(const struct io_event *event, int n)
{
	for (int i = 0; i < n; i++)
		if (__atomic_exchange_n(&seen[(intptr_t)event[i].data], 1,
					__ATOMIC_RELAXED))
			twice++;
	if (n > 0)
		__atomic_fetch_add(&taken, n, __ATOMIC_RELAXED);
}

/* Its thread never sleeps there: what enters is nested in a reader. */
static void on_timer(int number)
{
	struct io_event mine[8];
	long before = entered;

	(void)number;
	count(mine, io_getevents(shared, 1, 8, mine, &now));
	nested += entered > before;
	handled++;
}

static void *take_too(void *unused)
{
	struct io_event mine[8];
	struct timespec little = {0, 100000};
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	for (unsigned i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		count(mine, io_getevents(shared, 1, 8, mine,
					 i % 64 ? &now : &little));
		sched_yield();
	}
	return unused;
}

static void start_timer(int microseconds)
{
	struct sigaction action = {.sa_handler = on_timer,
				   .sa_flags = SA_RESTART};
	struct itimerval rate = {{0, microseconds}, {0, microseconds}};

	MUST(!sigaction(SIGALRM, &action, NULL));
	MUST(!setitimer(ITIMER_REAL, &rate, NULL));
}

/*
 * At least so many signals, some of them within a reader, and ten readers that
 * found their events gone; returns how many events were submitted.
 */
static long take_under_fire(long signals)
{
	long next = 0;

	while (__atomic_load_n(&handled, __ATOMIC_RELAXED) < signals ||
	       __atomic_load_n(&nested, __ATOMIC_RELAXED) < 100 ||
	       __atomic_load_n(&entered, __ATOMIC_RELAXED) -
			       __atomic_load_n(&nested, __ATOMIC_RELAXED) <
		       10) {
		if (next - __atomic_load_n(&taken, __ATOMIC_RELAXED) < 40) {
			MUST(next + 8 <= MANY);
			submit(shared, 8, next);
			next += 8;
		}
		for (int i = 0; i < 8; i++) {
			struct io_event mine[8];

			count(mine, io_getevents(shared, 1, 1 + i, mine, &now));
		}
	}
	return next;
}

static void case_handler(int threads, long signals)
{
	pthread_t others[4];
	long next, missing = 0;

	seen = calloc(MANY, 1);
	shared = context(128);
	for (int i = 0; i < threads; i++)
		MUST(!pthread_create(&others[i], NULL, take_too, NULL));
	start_timer(30);
	next = take_under_fire(signals);
	MUST(!setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL));
	while (__atomic_load_n(&taken, __ATOMIC_RELAXED) < next)
		count(events, io_getevents(shared, 0, 8, events, &now));
	stop = 1;
	for (int i = 0; i < threads; i++)
		MUST(!pthread_join(others[i], NULL));
	for (long i = 0; i < next; i++)
		missing += !seen[i];
	REPORT("missing", missing);
	REPORT("twice", twice);
	REPORT("too-many", taken - next);
	if (!threads)
		REPORT("readers-that-lost", entered - nested >= 10);
}

static sigjmp_buf away;

static void on_alarm(int number)
{
	(void)number;
	siglongjmp(away, 1);
}

static void case_longjmp(void)
{
	io_context_t ctx = context(8);
	struct itimerval once = {{0, 0}, {0, 50000}};

	signal(SIGALRM, on_alarm);
	if (!sigsetjmp(away, 1)) {
		MUST(!setitimer(ITIMER_REAL, &once, NULL));
		io_getevents(ctx, 1, 8, events, NULL);
	}
	report_kernel("left");
	REPORT("empty", io_getevents(ctx, 1, 2, events, &now));
	report_kernel("empty");
	submit(ctx, 3, 0);
	REPORT("two", io_getevents(ctx, 1, 2, events, NULL));
	REPORT("one", io_getevents(ctx, 1, 2, events, &now));
	REPORT("none", io_getevents(ctx, 1, 2, events, &soon));
	report_kernel("later");
	REPORT("destroy", io_destroy(ctx));
}

/*
 * --- a handler that comes in the midst of a reader's copy ---
 *
 * The reader's buffer cannot be touched, so its handler of SIGSEGV comes just
 * there; it does something, and then lets the reader go on.
 */

#define TRAP_SIZE 65536

static char *trap;
static void (*in_reader)(void);
static int inside; /* the reader's thread is in its handler */

static void on_fault(int number)
{
	void (*what)(void) = in_reader;

	(void)number;
	in_reader = NULL;
	MUST(what); /* another fault than ours */
	what();
	MUST(!mprotect(trap, TRAP_SIZE, PROT_READ | PROT_WRITE));
}

static void set_trap(void (*what)(void))
{
	struct sigaction action = {.sa_handler = on_fault,
				   .sa_flags = SA_NODEFER};

	in_reader = what;
	inside = 0;
	if (!trap)
		trap = mmap(NULL, TRAP_SIZE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(trap != MAP_FAILED && !mprotect(trap, TRAP_SIZE, PROT_NONE));
	MUST(!sigaction(SIGSEGV, &action, NULL));
}

static int read_into_trap(io_context_t ctx)
{
	return io_getevents(ctx, 1, 8, (struct io_event *)trap, &now);
}

static void wait_until(const int *flag)
{
	while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void say(int *flag)
{
	__atomic_store_n(flag, 1, __ATOMIC_RELEASE);
}

/* How often did somebody sleep to wait for a reader? */
static void report_naps(void)
{
	printf("naps %ld %d\n", naps, ERRNO);
	fflush(stdout);
}

/* From a reader's handler one sees who called the reader. */
static const void *caller;
static int caller_seen;

static void look_for_caller(void)
{
	void *frames[32];
	int n = backtrace(frames, 32);

	for (int i = 0; i < n; i++)
		caller_seen |= frames[i] == caller;
}

__attribute__((noinline)) static void case_caller(void)
{
	io_context_t ctx = context(8);

	caller = __builtin_return_address(0);
	look_for_caller(); /* loads what unwinds stacks */
	MUST(caller_seen);
	caller_seen = 0;
	set_trap(look_for_caller);
	submit(ctx, 5, 0);
	REPORT("reader", read_into_trap(ctx));
	printf("caller-seen %d %d\n", caller_seen, ERRNO);
	MUST(!io_destroy(ctx));
}

/* The child goes first: what it takes its parent would miss. */
static const char *way_to_fork;
static pid_t forked;

static void fork_in_reader(void)
{
	forked = fork_in_some_way(way_to_fork);
	if (forked)
		wait_for(forked);
}

static void case_handler_forks(const char *way)
{
	io_context_t ctx = context(8);

	way_to_fork = way;
	set_trap(fork_in_reader);
	submit(ctx, 5, 0);
	REPORT("reader", read_into_trap(ctx));
	report_kernel("reader");
	if (!forked) {
		use_in_child("child", ctx);
		_exit(0);
	}
	REPORT("none", io_getevents(ctx, 1, 8, events, &now));
}

static void wait_to_be_cancelled(void)
{
	say(&inside);
	for (;;)
		pause();
}

static void jump_away(void)
{
	say(&inside);
	siglongjmp(away, 1);
}

static void *never_come_back(void *ctx)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	if (!sigsetjmp(away, 1))
		MUST(read_into_trap(ctx) == 0);
	else
		REPORT("itself", io_getevents(ctx, 1, 1, events, &now));
	return NULL;
}

/* Two events more are left, or three. */
static void lose_a_reader(io_context_t ctx, int cancel)
{
	pthread_t thread;

	set_trap(cancel ? wait_to_be_cancelled : jump_away);
	submit(ctx, 3, 0);
	MUST(!pthread_create(&thread, NULL, never_come_back, ctx));
	wait_until(&inside);
	if (cancel)
		MUST(!pthread_cancel(thread));
	MUST(!pthread_join(thread, NULL));
	report_kernel("itself");
}

static void case_lost(const char *way)
{
	int cancel = !strcmp(way, "cancel");
	io_context_t ctx = context(8), other = context(8);

	lose_a_reader(ctx, cancel);
	REPORT("first", io_getevents(ctx, 1, 1, events, NULL));
	report_kernel("first");
	REPORT("second", io_getevents(ctx, 1, 1, events, NULL));
	report_kernel("second");
	REPORT("destroy", io_destroy(ctx));
	lose_a_reader(other, cancel);
	REPORT("destroy-first", io_destroy(other));
	report_naps();
}

/* A worker empties a whole ring, so that head is where it was. */
static int worked;

static void *empty_a_ring(void *ctx)
{
	unsigned slots = ((const unsigned *)ctx)[1], got = 0;

	wait_until(&inside);
	do {
		int ret = io_getevents(ctx, 1, 1, events, NULL);

		MUST(ret == 1);
		count(events, ret);
		if (++got + 2 < slots)
			submit(ctx, 1, 2 + (long)got);
	} while (got < slots);
	say(&worked);
	return NULL;
}

static void wait_for_worker(void)
{
	say(&inside);
	wait_until(&worked);
}

static void case_handler_waits(void)
{
	io_context_t ctx = context(8);
	pthread_t worker;
	int got;

	seen = calloc(1 << 20, 1);
	set_trap(wait_for_worker);
	submit(ctx, 3, 0);
	MUST(!pthread_create(&worker, NULL, empty_a_ring, ctx));
	got = read_into_trap(ctx);
	MUST(!pthread_join(worker, NULL));
	REPORT("reader", got);
	REPORT("twice", twice);
	REPORT("head-is-back", taken == ((const unsigned *)ctx)[1]);
	entered = 0;
	submit(ctx, 1, 0);
	REPORT("later", io_getevents(ctx, 1, 8, events, NULL));
	report_kernel("later");
	report_naps();
}

/* --- a context that is destroyed in the midst of a reader's copy --- */

static void *destroy_shared(void *unused)
{
	wait_until(&inside);
	REPORT("destroy", io_destroy(shared));
	say(&worked);
	return unused;
}

static void destroy_here(void)
{
	say(&inside);
	destroy_shared(NULL);
}

static void case_destroyed(const char *way)
{
	pthread_t other;
	int by_other = !strcmp(way, "other");

	shared = context(8);
	set_trap(by_other ? wait_for_worker : destroy_here);
	submit(shared, 3, 0);
	if (by_other)
		MUST(!pthread_create(&other, NULL, destroy_shared, NULL));
	REPORT("reader", read_into_trap(shared));
	if (by_other)
		MUST(!pthread_join(other, NULL));
	report_naps();
}

/* The page of the reader's buffer comes only when the context is gone. */
static int page_fd;

static void *bring_page(void *unused)
{
	struct uffd_msg fault;
	struct uffdio_zeropage page = {.range = {0, 4096}};

	MUST(read(page_fd, &fault, sizeof(fault)) == sizeof(fault));
	say(&inside);
	wait_until(&worked);
	page.range.start = fault.arg.pagefault.address & ~4095ull;
	MUST(!ioctl(page_fd, UFFDIO_ZEROPAGE, &page));
	return unused;
}

static void case_faulting(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register watch = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	pthread_t pager, destroyer;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	page_fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	MUST(page != MAP_FAILED && page_fd >= 0);
	watch.range.start = (uintptr_t)page;
	watch.range.len = 4096;
	MUST(!ioctl(page_fd, UFFDIO_API, &api));
	MUST(!ioctl(page_fd, UFFDIO_REGISTER, &watch));
	shared = context(8);
	submit(shared, 3, 0);
	MUST(!pthread_create(&pager, NULL, bring_page, NULL));
	MUST(!pthread_create(&destroyer, NULL, destroy_shared, NULL));
	REPORT("reader", io_getevents(shared, 1, 8, page, &now));
	MUST(!pthread_join(pager, NULL) && !pthread_join(destroyer, NULL));
	report_naps();
}

/* --- a sandbox: nothing but what a program with threads needs --- */

#define POLLERS 4
#define PLENTY 2000

#define ALLOW(number) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* For all threads that there are. */
static void enter_sandbox(int refuses)
{
	unsigned barrier =
		refuses ? SECCOMP_RET_ERRNO | EPERM : SECCOMP_RET_ALLOW;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_io_submit),
		ALLOW(SYS_io_getevents),
		ALLOW(SYS_io_destroy),
		ALLOW(SYS_futex),
		ALLOW(SYS_sched_yield),
		ALLOW(SYS_write),
		ALLOW(SYS_mprotect), /* of the trap */
		ALLOW(SYS_rt_sigreturn),
		ALLOW(SYS_exit_group),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, barrier),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_pgetevents, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
	struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};

	MUST(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	MUST(!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		      SECCOMP_FILTER_FLAG_TSYNC, &program));
}

static int started, released;

static void *poll_for_ever(void *unused)
{
	struct io_event mine[8];
	unsigned turn = 0;

	__atomic_fetch_add(&started, 1, __ATOMIC_RELAXED);
	wait_until(&released);
	for (;;) {
		int got = turn++ % 2 ? io_getevents(shared, 0, 8, mine, &now)
				     : io_pgetevents(shared, 0, 8, mine, &now,
						     NULL);

		MUST(got >= 0);
		count(mine, got);
	}
	return unused;
}

/* Until another one has waited for this reader for so long that it acted. */
static const long *action;

static void hold_the_others_up(void)
{
	say(&released);
	while (!__atomic_load_n(action, __ATOMIC_RELAXED))
		sched_yield();
}

static void case_sandbox(int refuses)
{
	pthread_t pollers[POLLERS];

	seen = calloc(PLENTY, 1);
	shared = context(128);
	for (int i = 0; i < POLLERS; i++)
		MUST(!pthread_create(&pollers[i], NULL, poll_for_ever, NULL));
	while (__atomic_load_n(&started, __ATOMIC_RELAXED) < POLLERS)
		sched_yield();
	set_trap(hold_the_others_up);
	submit(shared, 8, 0);
	REPORT("outside", 0); /* it also makes stdout's buffer */
	enter_sandbox(refuses);
	barriers = naps = 0;
	action = refuses ? &naps : &barriers;
	count((struct io_event *)trap, read_into_trap(shared));
	for (long next = 8; next < PLENTY; next++) {
		while (next - __atomic_load_n(&taken, __ATOMIC_RELAXED) > 60)
			sched_yield();
		submit(shared, 1, next);
	}
	while (__atomic_load_n(&taken, __ATOMIC_RELAXED) < PLENTY)
		sched_yield();
	REPORT("twice", twice);
	_exit(0);
}

/* --- a process that is stopped while it sleeps --- */

static void wait_until_asleep(pid_t child)
{
	char path[40], state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)child);
	while (state != 'S') {
		FILE *file = fopen(path, "re");

		MUST(file && fscanf(file, "%*d (%*[^)]) %c", &state) == 1);
		MUST(!fclose(file) && state != 'Z');
	}
}

/* An event comes only after that. */
static void case_stopped(int newer)
{
	io_context_t ctx = NULL;
	struct iocb iocb, *list[] = {&iocb};
	int pipes[2], status;
	pid_t child;

	MUST(!pipe(pipes));
	child = fork();
	if (!child) {
		MUST(!io_setup(8, &ctx));
		io_prep_poll(&iocb, pipes[0], POLLIN);
		MUST(io_submit(ctx, 1, list) == 1);
		REPORT("get",
		       newer ? io_pgetevents(ctx, 1, 1, events, NULL, NULL)
			     : io_getevents(ctx, 1, 1, events, NULL));
		_exit(0);
	}
	wait_until_asleep(child);
	MUST(!kill(child, SIGSTOP));
	MUST(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	MUST(!kill(child, SIGCONT));
	if (newer) { /* the older one is over */
		MUST(waitpid(child, &status, WCONTINUED) == child);
		wait_until_asleep(child);
	}
	MUST(write(pipes[1], "x", 1) == 1);
	wait_for(child);
}

/* --- contexts that are not the library's, or not any more --- */

static void case_foreign(void)
{
	io_context_t ctx = NULL, own;

	MUST(syscall(SYS_io_setup, 8, &ctx) == 0);
	submit(ctx, 3, 0);
	REPORT("foreign", io_getevents(ctx, 1, 2, events, NULL));
	REPORT("foreign", io_getevents(ctx, 1, 2, events, &now));
	report_kernel("foreign");
	REPORT("destroy", io_destroy(ctx));
	own = context(8);
	REPORT("same-address", own == ctx);
	submit(own, 3, 0);
	REPORT("own", io_getevents(own, 1, 2, events, NULL));
	report_kernel("own");
}

static void all_calls(io_context_t ctx)
{
	struct iocb iocb, *list[] = {&iocb};
	sigset_t none;

	sigemptyset(&none);
	io_prep_poll(&iocb, ready_fd, POLLIN);
	iocb.key = 0;
	REPORT("get", io_getevents(ctx, 0, 1, events, &now));
	REPORT("get-forever", io_getevents(ctx, 1, 1, events, NULL));
	REPORT("pget", io_pgetevents(ctx, 1, 1, events, NULL, &none));
	REPORT("submit", io_submit(ctx, 1, list));
	REPORT("cancel", io_cancel(ctx, &iocb, events));
	REPORT("queue-run", io_queue_run(ctx));
	REPORT("destroy", io_destroy(ctx));
}

/* The neighbour makes sure that the tree has a leaf for these addresses. */
static void case_garbage(void)
{
	io_context_t neighbour = context(8), stale = context(8);
	static const uint64_t garbage[] = {1,
					   4095,
					   4096,
					   1ull << 47,
					   (1ull << 47) - 4096,
					   1ull << 48,
					   1ull << 63,
					   (uint64_t)-1,
					   (uint64_t)-4096};

	submit(stale, 2, 0);
	MUST(io_getevents(stale, 1, 1, events, NULL) == 1);
	MUST(!io_destroy(stale));
	all_calls(stale);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(*garbage); i++)
		all_calls(POINTER(garbage[i]));
	for (int step = -8192; step <= 8192; step += step / 4096 ? 4096 : 8)
		if (step)
			all_calls((io_context_t)((char *)neighbour + step));
	report_kernel("garbage");
}

/* --- the same as the kernel for every argument --- */

static long mismatches;

static struct {
	io_context_t lib, raw; /* in the same state */
	long min_nr, nr;
	void *buffer, *timeout;
	int waiting;
} here;

/* Take what is left, past the library. */
static long drain(io_context_t ctx)
{
	return syscall(SYS_io_getevents, ctx, 0L, 128L, events, &now);
}

static void compare(void)
{
	long lib, raw, left, raw_left;
	int err;

	submit(here.lib, here.waiting, 0);
	submit(here.raw, here.waiting, 0);
	errno = ERRNO;
	lib = io_getevents(here.lib, here.min_nr, here.nr, here.buffer,
			   here.timeout);
	err = errno;
	raw = syscall(SYS_io_getevents, here.raw, here.min_nr, here.nr,
		      here.buffer, here.timeout);
	raw = raw < 0 ? -errno : raw;
	left = drain(here.lib);
	raw_left = drain(here.raw);
	if (lib == raw && left == raw_left && err == ERRNO)
		return;
	mismatches++;
	printf("waiting=%d,min=%ld,nr=%ld,buffer=%p,timeout=%p:%ld/%ld,left="
	       "%ld/%ld 0 %d\n",
	       here.waiting, here.min_nr, here.nr, here.buffer, here.timeout,
	       lib, raw, left, raw_left, err);
}

/* Good arguments that would sleep for long. */
static int would_sleep(int long_timeout)
{
	return long_timeout && here.min_nr > here.waiting &&
	       here.min_nr <= here.nr;
}

static long with_timeouts(void)
{
	static struct timespec zero, tiny = {0, 1}, odd = {-1, 1000000000},
				     past = {-5, 0}, negative = {0, -7},
				     late = {0, 2000000000};
	void *timeouts[] = {&zero,
			    &tiny,
			    &odd,
			    &past,
			    &negative,
			    POINTER(1),
			    POINTER(8),
			    POINTER(4095),
			    POINTER(-4096),
			    POINTER(-1),
			    POINTER(1ull << 47),
			    POINTER((1ull << 63) + 64),
			    NULL,
			    &late};
	long cases = 0;

	for (size_t i = 0; i < sizeof(timeouts) / sizeof(*timeouts); i++) {
		here.timeout = timeouts[i];
		/* The kernel takes one in the past for one without end. */
		if (would_sleep(!timeouts[i] || timeouts[i] == &late ||
				timeouts[i] == &past ||
				timeouts[i] == &negative))
			continue;
		compare();
		cases++;
	}
	return cases;
}

static long with_buffers(void)
{
	static struct io_event room[128];
	void *buffers[] = {room,
			   NULL,
			   POINTER(1),
			   POINTER(4095),
			   POINTER(-4096),
			   POINTER(-1),
			   POINTER(-(32 * 3 + 1)),
			   POINTER(1ull << 47),
			   POINTER(1ull << 62),
			   POINTER(1ull << 63)};
	long cases = 0;

	for (size_t i = 0; i < sizeof(buffers) / sizeof(*buffers); i++) {
		here.buffer = buffers[i];
		cases += with_timeouts();
	}
	return cases;
}

static void case_arguments(void)
{
	static const long numbers[][2] = {{0, 0},
					  {0, 1},
					  {1, 1},
					  {0, 3},
					  {2, 3},
					  {5, 5},
					  {1, 64},
					  {6, 64},
					  {0, LONG_MAX},
					  {1, LONG_MAX},
					  {2, 1},
					  {1, 0},
					  {0, -1},
					  {-1, 1},
					  {-1, -1},
					  {-2, -1},
					  {LONG_MAX, LONG_MAX},
					  {LONG_MIN, 1},
					  {LONG_MAX, 1},
					  {0, LONG_MIN},
					  {1L << 32, 1L << 32},
					  {(1L << 32) + 1, 1L << 33},
					  {0, 1L << 32}};
	static const int waiting[] = {0, 1, 5};
	long cases = 0;

	here.lib = context(8);
	MUST(syscall(SYS_io_setup, 8, &here.raw) == 0);
	for (size_t w = 0; w < 3; w++)
		for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers);
		     i++) {
			here.waiting = waiting[w];
			here.min_nr = numbers[i][0];
			here.nr = numbers[i][1];
			cases += with_buffers();
		}
	REPORT("many-cases", cases > 5000);
	REPORT("mismatches", mismatches);
}

/* --- many contexts --- */

#define DESTROYERS 200 /* as each waits for the kernel's RCU */

static io_context_t *crowd;
static long crowd_size, destroyed;

static void *destroy_some(void *unused)
{
	long i;

	while ((i = __atomic_fetch_add(&destroyed, 1, __ATOMIC_RELAXED)) <
	       crowd_size)
		MUST(!io_destroy(crowd[i]));
	return unused;
}

static void case_crowd(long n)
{
	pthread_t threads[DESTROYERS];

	crowd_size = n;
	crowd = calloc((size_t)n, sizeof(*crowd));
	for (long i = 0; i < n; i++) {
		crowd[i] = context(1);
		submit(crowd[i], 1, i);
	}
	for (long i = n - 1; i >= 0; i--)
		MUST(io_getevents(crowd[i], 1, 2, events, NULL) == 1 &&
		     events[0].data == POINTER(i));
	report_kernel("crowd");
	for (int i = 0; i < DESTROYERS; i++)
		MUST(!pthread_create(&threads[i], NULL, destroy_some, NULL));
	for (int i = 0; i < DESTROYERS; i++)
		MUST(!pthread_join(threads[i], NULL));
	REPORT("gone", io_getevents(crowd[n / 2], 1, 1, events, NULL));
}

#ifdef STATIC
static void case_disable(void)
{
	io_context_t one = context(8), two = context(8), three;

	REPORT("disable", io_ring_disable(one));
	REPORT("disable-again", io_ring_disable(one));
	REPORT("disable-garbage", io_ring_disable(POINTER(4096)));
	submit(one, 3, 0);
	REPORT("one", io_getevents(one, 1, 8, events, NULL));
	report_kernel("one");
	REPORT("disable-all", io_ring_disable(NULL));
	REPORT("disable-all-again", io_ring_disable(NULL));
	submit(two, 3, 0);
	REPORT("two", io_getevents(two, 1, 8, events, NULL));
	report_kernel("two");
	three = context(8);
	submit(three, 3, 0);
	REPORT("three", io_getevents(three, 1, 8, events, NULL));
	report_kernel("three");
}
#endif

/* The cases of a reader, or of a process, that stops for a while or for ever.
 */
static int held_up(const char *name, const char *way)
{
	if (!strcmp(name, "handler-forks"))
		case_handler_forks(way);
	else if (!strcmp(name, "lost"))
		case_lost(way);
	else if (!strcmp(name, "handler-waits"))
		case_handler_waits();
	else if (!strcmp(name, "sandbox"))
		case_sandbox(!strcmp(way, "refuse"));
	else if (!strcmp(name, "destroyed"))
		case_destroyed(way);
	else if (!strcmp(name, "caller"))
		case_caller();
	else if (!strcmp(name, "faulting"))
		case_faulting();
	else if (!strcmp(name, "stopped"))
		case_stopped(!strcmp(way, "pget"));
	else
		return 0;
	return 1;
}

int main(int argc, char **argv)
{
	const char *name = argv[1], *way = argc > 2 ? argv[2] : "";

	ready_fd = eventfd(1, EFD_CLOEXEC);
	MUST(argc > 1 && ready_fd >= 0);
	if (!strcmp(name, "calls"))
		case_calls();
	else if (!strcmp(name, "waiter"))
		case_waiter();
	else if (!strcmp(name, "early-waiter"))
		case_early_waiter();
	else if (!strcmp(name, "uses"))
		case_uses();
	else if (!strcmp(name, "fork"))
		case_fork(way);
	else if (!strcmp(name, "handler"))
		case_handler(atoi(way), atol(argv[3]));
	else if (!strcmp(name, "longjmp"))
		case_longjmp();
	else if (!strcmp(name, "foreign"))
		case_foreign();
	else if (!strcmp(name, "garbage"))
		case_garbage();
	else if (!strcmp(name, "arguments"))
		case_arguments();
	else if (!strcmp(name, "crowd"))
		case_crowd(atol(way));
#ifdef STATIC
	else if (!strcmp(name, "disable"))
		case_disable();
#endif
	else
		return held_up(name, way) ? 0 : 2;
	return 0;
}
