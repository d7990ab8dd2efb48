// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process that is the last user of an address space; see keeper.h.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STACK 65536
#define FILES_MAX 65536 /* looked for, where the limit is higher */

struct keeper {
	sem_t started;
	int ret; /* of clone(), or -errno */
	pid_t of;
	int files;
	char stack[STACK] __attribute__((aligned(64)));
};

static int keep(void *arg)
{
	const struct keeper *k = arg;
	const struct timespec pause = {0, 20000000};
	pid_t of = k->of;

	/* Someone may wait for the end of fio's output. */
	for (int fd = 0; fd < k->files; fd++)
		close(fd);
	prctl(PR_SET_NAME, "kaio-stuck");
	while (getppid() == of)
		nanosleep(&pause, NULL);
	_exit(0);
}

/*
 * What is below shares this thread's errno, so the thread does nothing else.
 * It has no signal delivered, and ends with its process.
 */
static void *host(void *arg)
{
	struct keeper *k = arg;
	const struct timespec pause = {1000, 0};
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	k->ret = clone(keep, k->stack + STACK, CLONE_VM, k);
	if (k->ret < 0)
		k->ret = -errno;
	sem_post(&k->started);
	while (k->ret > 0)
		nanosleep(&pause, NULL);
	return NULL;
}

static int start_host(struct keeper *k)
{
	pthread_t thread;
	int ret = pthread_create(&thread, NULL, host, k);

	if (ret)
		return -ret;
	while (sem_wait(&k->started))
		;
	if (k->ret > 0)
		return pthread_detach(thread);
	pthread_join(thread, NULL);
	return k->ret;
}

/* What it uses is never freed: it is used until the process ends. */
int keeper_start(void)
{
	struct keeper *k = calloc(1, sizeof(*k));
	struct rlimit limit = {FILES_MAX, FILES_MAX};
	int ret;

	if (!k)
		return -ENOMEM;
	getrlimit(RLIMIT_NOFILE, &limit);
	k->files = limit.rlim_cur < FILES_MAX ? (int)limit.rlim_cur : FILES_MAX;
	k->of = getpid();
	sem_init(&k->started, 0, 0);
	ret = start_host(k);
	if (ret < 0) {
		sem_destroy(&k->started);
		free(k);
	}
	return ret;
}
