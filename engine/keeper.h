/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lets a process end although I/Os of it never come back.  The kernel waits
 * for them, and no signal ends that, when the last user of the address space
 * goes (exit_aio() in fs/aio.c): so let that user be another process.
 */
#ifndef KAIO_KEEPER_H
#define KAIO_KEEPER_H

/*
 * Start that process, named kaio-stuck: it shares this address space, has no
 * files open, and ends after this process, once the device answers.
 * 0 or -errno, as pthread_create() and clone().  Any thread.
 */
int keeper_start(void);

#endif /* KAIO_KEEPER_H */
