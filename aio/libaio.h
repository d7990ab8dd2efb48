/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Linux AIO interface of libaio 0.3.113: same names, types, layout and
 * results.  Programs written for <libaio.h> compile unchanged against this
 * file, as C and as C++.
 *
 * Every io_*() call returns >= 0 or -errno, and leaves errno as it was.
 * Thread rule: any number of threads may use one context; an iocb and the
 * memory it points to belong to the kernel from io_submit() until its event
 * is returned.
 * Sources: io_setup(2), io_submit(2), io_getevents(2), io_cancel(2),
 * io_destroy(2), <linux/aio_abi.h>.
 */
#ifndef __LIBAIO_H
#define __LIBAIO_H

#ifdef __cplusplus
extern "C" {
#endif

#include <sys/types.h>
#include <string.h>
#include <signal.h>

struct timespec;
struct sockaddr;
struct iovec;

/* A context: an opaque handle, valid from io_setup() to io_destroy(). */
typedef struct io_context *io_context_t;

/* Operations of an iocb (IOCB_CMD_* of <linux/aio_abi.h>). */
typedef enum io_iocb_cmd {
	IO_CMD_PREAD = 0,
	IO_CMD_PWRITE = 1,

	IO_CMD_FSYNC = 2,
	IO_CMD_FDSYNC = 3,

	IO_CMD_POLL = 5,
	IO_CMD_NOOP = 6,
	IO_CMD_PREADV = 7,
	IO_CMD_PWRITEV = 8,
} io_iocb_cmd_t;

/*
 * The kernel's structures have 64-bit fields for pointers and longs.  A
 * pointer or long of 32 bits takes the half that holds the low-order bits,
 * and a pad takes the other.  AIO_PAIR: two 32-bit members that share a
 * 64-bit field, in the order of a little-endian machine.
 */
#if !defined(__BYTE_ORDER__) || !defined(__SIZEOF_POINTER__) || \
	!defined(__SIZEOF_LONG__)
#error "libaio.h: the compiler must define __BYTE_ORDER__ and __SIZEOF_*__"
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define AIO_PAIR(low, high) \
	low; \
	high
#else
#define AIO_PAIR(low, high) \
	high; \
	low
#endif

#if __SIZEOF_POINTER__ == 8
#define AIO_PTR(decl, pad) decl
#else
#define AIO_PTR(decl, pad) AIO_PAIR(decl, unsigned pad)
#endif

#if __SIZEOF_LONG__ == 8
#define AIO_LONG(name, pad) unsigned long name
#else
#define AIO_LONG(name, pad) AIO_PAIR(unsigned long name, unsigned pad)
#endif

/* IO_CMD_POLL; events: POLLIN etc.  Result: the events that are set. */
struct io_iocb_poll {
	AIO_PAIR(int events, unsigned __pad1);
};

/* Kept for source compatibility: no kernel takes an operation that uses it. */
struct io_iocb_sockaddr {
	AIO_PTR(struct sockaddr *addr, __pad1);
	AIO_LONG(len, __pad2);
};

/*
 * Reads and writes.  nbytes: bytes, or the number of iovecs for PREADV and
 * PWRITEV; offset: bytes from the start of the file; flags: IOCB_FLAG_*;
 * resfd: the eventfd to signal.  Result: bytes transferred, or -errno.
 */
struct io_iocb_common {
	AIO_PTR(void *buf, __pad1);
	AIO_LONG(nbytes, __pad2);
	long long offset;
	long long __pad3;
	unsigned flags;
	unsigned resfd;
};

/* PREADV and PWRITEV under their own names; nr: the number of iovecs. */
struct io_iocb_vector {
	AIO_PTR(const struct iovec *vec, __pad1);
	AIO_LONG(nr, __pad2);
	long long offset;
};

/*
 * A request.  data comes back in the event; key belongs to the kernel;
 * aio_rw_flags: RWF_*; aio_reqprio: an ioprio value, used when u.c.flags has
 * IOCB_FLAG_IOPRIO.
 */
struct iocb {
	AIO_PTR(void *data, __pad1);
	AIO_PAIR(unsigned key, unsigned aio_rw_flags);

	short aio_lio_opcode; /* io_iocb_cmd_t */
	short aio_reqprio;
	int aio_fildes;

	union {
		struct io_iocb_common c;
		struct io_iocb_vector v;
		struct io_iocb_poll poll;
		struct io_iocb_sockaddr saddr;
	} u;
};

/*
 * A completion.  data and obj: the iocb's data and its address.  res: the
 * result; it is signed in truth, so cast to long before comparing with 0.
 */
struct io_event {
	AIO_PTR(void *data, __pad1);
	AIO_PTR(struct iocb *obj, __pad2);
	AIO_LONG(res, __pad3);
	AIO_LONG(res2, __pad4);
};

/* The sigset argument of the io_pgetevents system call. */
struct io_sigset {
	unsigned long ss;
	unsigned long ss_len;
};

/* As a 64-bit kernel before 5.1 wants it from a 32-bit program. */
struct io_sigset_compat {
	AIO_PTR(unsigned long ss, __ss_pad);
	unsigned long ss_len;
};

/* The kernel's layout, checked by the compiler: <linux/aio_abi.h>. */
#if defined(__cplusplus) && __cplusplus >= 201103L
#define AIO_ASSERT(name, cond) static_assert(cond, #name)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define AIO_ASSERT(name, cond) _Static_assert(cond, #name)
#else
#define AIO_ASSERT(name, cond) typedef char aio_##name[(cond) ? 1 : -1]
#endif
#define AIO_AT(name, type, member, byte) \
	AIO_ASSERT(name, __builtin_offsetof(type, member) == (byte))
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define AIO_LOW(byte) (byte)
#define AIO_HIGH(byte) ((byte) + 4)
#else
#define AIO_LOW(byte) ((byte) + 4)
#define AIO_HIGH(byte) (byte)
#endif
#define AIO_PTR_AT(byte) (sizeof(void *) == 8 ? (byte) : AIO_LOW(byte))
#define AIO_LONG_AT(byte) (sizeof(long) == 8 ? (byte) : AIO_LOW(byte))

AIO_ASSERT(iocb_size, sizeof(struct iocb) == 64);
AIO_AT(iocb_data, struct iocb, data, AIO_PTR_AT(0));
AIO_AT(iocb_key, struct iocb, key, AIO_LOW(8));
AIO_AT(iocb_rw_flags, struct iocb, aio_rw_flags, AIO_HIGH(8));
AIO_AT(iocb_opcode, struct iocb, aio_lio_opcode, 16);
AIO_AT(iocb_reqprio, struct iocb, aio_reqprio, 18);
AIO_AT(iocb_fildes, struct iocb, aio_fildes, 20);
AIO_AT(iocb_buf, struct iocb, u.c.buf, AIO_PTR_AT(24));
AIO_AT(iocb_nbytes, struct iocb, u.c.nbytes, AIO_LONG_AT(32));
AIO_AT(iocb_offset, struct iocb, u.c.offset, 40);
AIO_AT(iocb_flags, struct iocb, u.c.flags, 56);
AIO_AT(iocb_resfd, struct iocb, u.c.resfd, 60);
AIO_AT(iocb_vec, struct iocb, u.v.vec, AIO_PTR_AT(24));
AIO_AT(iocb_vec_nr, struct iocb, u.v.nr, AIO_LONG_AT(32));
AIO_AT(iocb_vec_offset, struct iocb, u.v.offset, 40);
AIO_AT(iocb_poll, struct iocb, u.poll.events, AIO_LOW(24));
AIO_AT(iocb_saddr, struct iocb, u.saddr.addr, AIO_PTR_AT(24));
AIO_AT(iocb_saddr_len, struct iocb, u.saddr.len, AIO_LONG_AT(32));
AIO_ASSERT(event_size, sizeof(struct io_event) == 32);
AIO_AT(event_data, struct io_event, data, AIO_PTR_AT(0));
AIO_AT(event_obj, struct io_event, obj, AIO_PTR_AT(8));
AIO_AT(event_res, struct io_event, res, AIO_LONG_AT(16));
AIO_AT(event_res2, struct io_event, res2, AIO_LONG_AT(24));

#undef AIO_PAIR
#undef AIO_PTR
#undef AIO_LONG
#undef AIO_ASSERT
#undef AIO_AT
#undef AIO_LOW
#undef AIO_HIGH
#undef AIO_PTR_AT
#undef AIO_LONG_AT

/* Called by io_queue_run() for each event; res, res2 as in the event. */
typedef void (*io_callback_t)(io_context_t ctx, struct iocb *iocb, long res,
			      long res2);

/*
 * io_setup() for at least one request; *ctxp need not be cleared before.
 * -EINVAL if maxevents <= 0; else as io_setup().
 */
extern int io_queue_init(int maxevents, io_context_t *ctxp);
/* io_destroy() under its old name. */
extern int io_queue_release(io_context_t ctx);
/*
 * io_getevents() for no event at all, as in libaio: it waits for nothing and
 * reads nothing.  0, or -EINVAL (no such context), -EFAULT (bad timeout).
 */
extern int io_queue_wait(io_context_t ctx, struct timespec *timeout);
/*
 * Read each event that has completed and call the io_callback_t in its data.
 * Never blocks.  0, or -errno as io_getevents().
 */
extern int io_queue_run(io_context_t ctx);

/*
 * Create a context for maxevents requests in flight; *ctxp must be NULL.
 * 0, or -EAGAIN (fs.aio-max-nr is exhausted), -EINVAL (*ctxp not NULL,
 * maxevents 0 or absurd), -EFAULT, -ENOMEM, -ENOSYS.
 */
extern int io_setup(int maxevents, io_context_t *ctxp);
/*
 * Cancel or wait for all requests, then free the context.  0, or -EINVAL
 * (no such context), -ENOSYS.  May block for as long as they take.
 */
extern int io_destroy(io_context_t ctx);
/*
 * Hand ios[0..nr-1] to the kernel, in order.  Returns how many it took,
 * which may be fewer than nr; -errno only if the first was refused: -EAGAIN
 * (no room now: read events, then try again), -EBADF, -EINVAL, -EFAULT,
 * -EOPNOTSUPP, -EPERM, -ENOMEM, -ENOSYS.
 */
extern int io_submit(io_context_t ctx, long nr, struct iocb *ios[]);
/*
 * Try to cancel one request.  -EINPROGRESS: its event will follow; -EINVAL:
 * no such request, or one that cannot be cancelled (reads and writes never
 * can); -EFAULT, -EAGAIN, -ENOSYS.  evt is not written by today's kernels.
 */
extern int io_cancel(io_context_t ctx, struct iocb *iocb, struct io_event *evt);
/*
 * Read at least min_nr and at most nr events, blocking for at most *timeout
 * (NULL: for ever); with min_nr 0 it never blocks.  Returns how many, or
 * -EINVAL (no such context, min_nr or nr out of range), -EFAULT, -EINTR (a
 * signal, and none read), -ENOSYS.  Enough events that wait are read from the
 * ring without a system call; see io_getevents(3).
 */
extern int io_getevents(io_context_t ctx, long min_nr, long nr,
			struct io_event *events, struct timespec *timeout);
/*
 * The same with the signal mask *sigmask (NULL: unchanged) while blocked.
 * -ENOSYS also where a container's filter forbids the call.
 */
extern int io_pgetevents(io_context_t ctx, long min_nr, long nr,
			 struct io_event *events, struct timespec *timeout,
			 sigset_t *sigmask);

/* The callback that io_queue_run() will call for this request. */
static inline void io_set_callback(struct iocb *iocb, io_callback_t cb)
{
	iocb->data = (void *)cb;
}

/* Signal this eventfd when the request completes; call it after io_prep_*. */
static inline void io_set_eventfd(struct iocb *iocb, int eventfd)
{
	iocb->u.c.flags |= 1u << 0; /* IOCB_FLAG_RESFD */
	iocb->u.c.resfd = (unsigned)eventfd;
}

/*
 * io_prep_*: overwrite the whole iocb with one request.  offset: bytes from
 * the start of the file; count: bytes; flags: RWF_*.  They cannot fail:
 * io_submit() judges the arguments.
 */
static inline void io_prep_pread(struct iocb *iocb, int fd, void *buf,
				 size_t count, long long offset)
{
	memset(iocb, 0, sizeof(*iocb));
	iocb->aio_lio_opcode = IO_CMD_PREAD;
	iocb->aio_fildes = fd;
	iocb->u.c.buf = buf;
	iocb->u.c.nbytes = count;
	iocb->u.c.offset = offset;
}

static inline void io_prep_pwrite(struct iocb *iocb, int fd, void *buf,
				  size_t count, long long offset)
{
	io_prep_pread(iocb, fd, buf, count, offset);
	iocb->aio_lio_opcode = IO_CMD_PWRITE;
}

static inline void io_prep_preadv2(struct iocb *iocb, int fd,
				   const struct iovec *iov, int iovcnt,
				   long long offset, int flags)
{
	memset(iocb, 0, sizeof(*iocb));
	iocb->aio_rw_flags = (unsigned)flags;
	iocb->aio_lio_opcode = IO_CMD_PREADV;
	iocb->aio_fildes = fd;
	iocb->u.v.vec = iov;
	iocb->u.v.nr = (unsigned long)iovcnt;
	iocb->u.v.offset = offset;
}

static inline void io_prep_pwritev2(struct iocb *iocb, int fd,
				    const struct iovec *iov, int iovcnt,
				    long long offset, int flags)
{
	io_prep_preadv2(iocb, fd, iov, iovcnt, offset, flags);
	iocb->aio_lio_opcode = IO_CMD_PWRITEV;
}

static inline void io_prep_preadv(struct iocb *iocb, int fd,
				  const struct iovec *iov, int iovcnt,
				  long long offset)
{
	io_prep_preadv2(iocb, fd, iov, iovcnt, offset, 0);
}

static inline void io_prep_pwritev(struct iocb *iocb, int fd,
				   const struct iovec *iov, int iovcnt,
				   long long offset)
{
	io_prep_pwritev2(iocb, fd, iov, iovcnt, offset, 0);
}

/* One-shot: completes once with the events that are ready. */
static inline void io_prep_poll(struct iocb *iocb, int fd, int events)
{
	memset(iocb, 0, sizeof(*iocb));
	iocb->aio_lio_opcode = IO_CMD_POLL;
	iocb->aio_fildes = fd;
	iocb->u.poll.events = events;
}

static inline void io_prep_fsync(struct iocb *iocb, int fd)
{
	memset(iocb, 0, sizeof(*iocb));
	iocb->aio_lio_opcode = IO_CMD_FSYNC;
	iocb->aio_fildes = fd;
}

static inline void io_prep_fdsync(struct iocb *iocb, int fd)
{
	memset(iocb, 0, sizeof(*iocb));
	iocb->aio_lio_opcode = IO_CMD_FDSYNC;
	iocb->aio_fildes = fd;
}

/* Prepare, set the callback and submit: 1, or -errno as io_submit(). */
static inline int io_poll(io_context_t ctx, struct iocb *iocb, io_callback_t cb,
			  int fd, int events)
{
	io_prep_poll(iocb, fd, events);
	io_set_callback(iocb, cb);
	return io_submit(ctx, 1, &iocb);
}

static inline int io_fsync(io_context_t ctx, struct iocb *iocb,
			   io_callback_t cb, int fd)
{
	io_prep_fsync(iocb, fd);
	io_set_callback(iocb, cb);
	return io_submit(ctx, 1, &iocb);
}

static inline int io_fdsync(io_context_t ctx, struct iocb *iocb,
			    io_callback_t cb, int fd)
{
	io_prep_fdsync(iocb, fd);
	io_set_callback(iocb, cb);
	return io_submit(ctx, 1, &iocb);
}

#ifdef __cplusplus
}
#endif

#endif /* __LIBAIO_H */
