/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libaio lacks: reading the completion ring without a system call, a
 * wait that can spin, the system's limits and who holds them, what the kernel
 * takes, whether system calls refill the return stack, and words for a failed
 * io_setup().  These are in libaio.a only: the shared object exports exactly
 * what libaio's does.
 */
#ifndef __LIBAIO_EXT_H
#define __LIBAIO_EXT_H

#include "libaio.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * May this context's ring be read from user space?  1: yes; 0: no (not a
 * ring of a known layout, ctx is NULL, or valgrind is running, which must
 * see the system call).  ctx must be NULL or a live context.  Any thread.
 * Source: struct aio_ring in fs/aio.c; seastar's usable() has the same rule.
 */
extern int io_ring_usable(io_context_t ctx);

/*
 * Never read this context's ring in io_getevents(); with NULL, no ring of a
 * context that is created from now on (as LIBAIO_RING=0 in the environment).
 * 1: it was read until now; 0: it was not.  Any thread.
 */
extern int io_ring_disable(io_context_t ctx);

/*
 * THE THREAD RULE of the next four: ONE consumer.  While a thread is in one
 * of them no other may be in any call that reads events of this context,
 * io_getevents() included: they read the ring without the gate that
 * io_getevents() keeps, and events would come twice or never.  Never in a
 * child after fork(): the ring is shared with the parent, whose events would
 * be lost.  The context must be live, and io_ring_usable() but for
 * io_wait_kernel().
 */

/*
 * Take up to nr completions that wait in the ring; never blocks, never
 * enters the kernel.  Returns how many (0: none wait), or -EINVAL (nr < 0,
 * or events is NULL).
 */
extern int io_ring_reap(io_context_t ctx, long nr, struct io_event *events);

/*
 * How many completions wait in the ring.  Any thread may ask; for others than
 * the consumer the answer is old when it comes.
 */
extern int io_ring_ready(io_context_t ctx);

/*
 * Take completions until there are min_nr, at most nr: from the ring, then
 * watching the ring for spin_ns nanoseconds, then in the kernel for at most
 * *timeout (NULL: for ever; 0: do not enter it).  Returns how many, which may
 * be fewer than min_nr after the timeout or a signal, or, with none, -errno as
 * io_getevents().
 */
extern int io_wait(io_context_t ctx, long min_nr, long nr,
		   struct io_event *events, struct timespec *timeout,
		   unsigned long spin_ns);

/*
 * The system call io_getevents(2) and nothing else: it neither looks at the
 * ring nor keeps the gate of io_getevents().
 */
extern int io_wait_kernel(io_context_t ctx, long min_nr, long nr,
			  struct io_event *events, struct timespec *timeout);

/* fs.aio-nr and fs.aio-max-nr, in requests over all processes. */
struct io_limits {
	unsigned long aio_nr;
	unsigned long aio_max_nr;
};

/* Read both; 0, or -errno (-ENOENT without /proc).  Any thread. */
extern int io_limits(struct io_limits *limits);

/* A process that holds contexts. */
struct io_limits_holder {
	int pid;
	char comm[16];	      /* its name; '?' for what is not printable */
	unsigned contexts;    /* rings that it has mapped */
	unsigned long events; /* the most that it can have asked io_setup()
				 for: rings are rounded up to pages */
};

/*
 * Who holds what io_limits() counts, as far as /proc tells: the processes
 * whose mappings this one may read, most events first; the first nr of them go
 * into holders.  A child shares its parent's rings: they count for the older.
 * *unknown (unless NULL): how many processes may not be read.
 * Returns how many hold contexts, which may be more than nr; -EINVAL (nr < 0,
 * or holders is NULL), -ENOMEM, or -errno of reading /proc (-ENOENT without
 * it).  Takes about 0.1 ms for each process of the system.  Any thread.
 */
extern int io_limits_holders(struct io_limits_holder *holders, int nr,
			     int *unknown);

/* What a kernel, or one file, takes. */
struct io_probe {
	unsigned opcodes;     /* bit IO_CMD_* is set */
	unsigned read_flags;  /* RWF_* */
	unsigned write_flags; /* RWF_* */
};

/*
 * Find out by trying, with requests of no bytes.  fd -1: this kernel, on a
 * memory file, a pipe and the running program; a flag counts if one of them
 * takes it; found once, then remembered.  Another fd: this file's flags, each
 * time, as it is open: no read_flags if not for reading, no write_flags if not
 * for writing, and O_DIRECT may take others (ext4: RWF_NOWAIT for writing).
 * 0, or -errno: of io_setup() (-EAGAIN: fs.aio-max-nr is exhausted), or of a
 * trial that could not be made; -EBADF; -EINVAL (fd is neither a regular file
 * nor a block device).  Any thread.
 */
extern int io_probe(int fd, struct io_probe *probe);

/*
 * The trials of io_probe(fd) on a context of the caller's, which must be idle,
 * and whose ring is not read (io_ring_disable()).  In: the flags to try; out:
 * those of them that the file takes; opcodes stays.
 * 0; -EBADF, -EINVAL as io_probe(); -errno of a trial that could not be made
 * (-EAGAIN, -ENOMEM, -EINTR).  One thread at a time.
 */
extern int io_probe_on(io_context_t ctx, int fd, struct io_probe *probe);

/* How it was decided whether system calls refill the return stack. */
struct io_refill {
	int forced;	      /* by LIBAIO_REFILL: nothing was measured */
	unsigned plain_ns;    /* a call and six returns, as it is */
	unsigned refilled_ns; /* and with a refilled stack */
};

/*
 * Do the system calls of this library, as it is in this program, refill the
 * processor's return stack, which some kernels leave in disorder?  1: yes;
 * 0: no, as it does not pay here, or LIBAIO_REFILL=0 says so, or no io_setup()
 * has decided yet.  *found, which may be NULL: how; ns are 0 where nothing was
 * measured.  Any thread.
 */
extern int io_refill(struct io_refill *found);

/*
 * Why io_setup(maxevents) failed with err (a -errno), and what to do, as one
 * sentence without a newline in text[size].  Of an exhausted limit it names
 * who holds most, by io_limits_holders().  Returns its length, which is cut to
 * size - 1.  Any thread.
 */
extern int io_setup_explain(int err, int maxevents, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* __LIBAIO_EXT_H */
