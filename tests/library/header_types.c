// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every name that libaio 0.3.113's header offers, with its type and value.
 * Compiled against that header too (REFERENCE), so this list is right.
 */
#include <libaio.h>

#define IS(expr, ...) \
	_Static_assert( \
		__builtin_types_compatible_p(__typeof__(expr), __VA_ARGS__), \
		#expr)
#define FUNC(name, ret, ...) IS(&name, ret (*)(__VA_ARGS__))
#define MEMBER(type, member, ...) IS(((type *)0)->member, __VA_ARGS__)

_Static_assert(IO_CMD_PREAD == 0 && IO_CMD_PWRITE == 1, "read, write");
_Static_assert(IO_CMD_FSYNC == 2 && IO_CMD_FDSYNC == 3, "sync");
_Static_assert(IO_CMD_POLL == 5 && IO_CMD_NOOP == 6, "poll, noop");
_Static_assert(IO_CMD_PREADV == 7 && IO_CMD_PWRITEV == 8, "vectors");
IS((io_iocb_cmd_t)0, enum io_iocb_cmd);
IS((io_context_t)0, struct io_context *);
IS((io_callback_t)0, void (*)(io_context_t, struct iocb *, long, long));

MEMBER(struct iocb, data, void *);
MEMBER(struct iocb, key, unsigned);
MEMBER(struct iocb, aio_rw_flags, unsigned);
MEMBER(struct iocb, aio_lio_opcode, short);
MEMBER(struct iocb, aio_reqprio, short);
MEMBER(struct iocb, aio_fildes, int);
MEMBER(struct iocb, u.c, struct io_iocb_common);
MEMBER(struct iocb, u.v, struct io_iocb_vector);
MEMBER(struct iocb, u.poll, struct io_iocb_poll);
MEMBER(struct iocb, u.saddr, struct io_iocb_sockaddr);

MEMBER(struct io_iocb_common, buf, void *);
MEMBER(struct io_iocb_common, nbytes, unsigned long);
MEMBER(struct io_iocb_common, offset, long long);
MEMBER(struct io_iocb_common, __pad3, long long);
MEMBER(struct io_iocb_common, flags, unsigned);
MEMBER(struct io_iocb_common, resfd, unsigned);
MEMBER(struct io_iocb_vector, vec, const struct iovec *);
MEMBER(struct io_iocb_vector, nr, unsigned long);
MEMBER(struct io_iocb_vector, offset, long long);
MEMBER(struct io_iocb_poll, events, int);
MEMBER(struct io_iocb_sockaddr, addr, struct sockaddr *);
MEMBER(struct io_iocb_sockaddr, len, unsigned long);
MEMBER(struct io_event, data, void *);
MEMBER(struct io_event, obj, struct iocb *);
MEMBER(struct io_event, res, unsigned long);
MEMBER(struct io_event, res2, unsigned long);
MEMBER(struct io_sigset, ss, unsigned long);
MEMBER(struct io_sigset, ss_len, unsigned long);
MEMBER(struct io_sigset_compat, ss, unsigned long);
MEMBER(struct io_sigset_compat, ss_len, unsigned long);

FUNC(io_setup, int, int, io_context_t *);
FUNC(io_destroy, int, io_context_t);
FUNC(io_submit, int, io_context_t, long, struct iocb **);
FUNC(io_cancel, int, io_context_t, struct iocb *, struct io_event *);
FUNC(io_getevents, int, io_context_t, long, long, struct io_event *,
     struct timespec *);
FUNC(io_pgetevents, int, io_context_t, long, long, struct io_event *,
     struct timespec *, sigset_t *);
FUNC(io_queue_init, int, int, io_context_t *);
FUNC(io_queue_release, int, io_context_t);
FUNC(io_queue_run, int, io_context_t);
#ifndef REFERENCE /* exported by libaio, but commented out in its header */
FUNC(io_queue_wait, int, io_context_t, struct timespec *);
#endif

FUNC(io_set_callback, void, struct iocb *, io_callback_t);
FUNC(io_set_eventfd, void, struct iocb *, int);
FUNC(io_prep_pread, void, struct iocb *, int, void *, size_t, long long);
FUNC(io_prep_pwrite, void, struct iocb *, int, void *, size_t, long long);
FUNC(io_prep_preadv, void, struct iocb *, int, const struct iovec *, int,
     long long);
FUNC(io_prep_pwritev, void, struct iocb *, int, const struct iovec *, int,
     long long);
FUNC(io_prep_preadv2, void, struct iocb *, int, const struct iovec *, int,
     long long, int);
FUNC(io_prep_pwritev2, void, struct iocb *, int, const struct iovec *, int,
     long long, int);
FUNC(io_prep_poll, void, struct iocb *, int, int);
FUNC(io_prep_fsync, void, struct iocb *, int);
FUNC(io_prep_fdsync, void, struct iocb *, int);
FUNC(io_poll, int, io_context_t, struct iocb *, io_callback_t, int, int);
FUNC(io_fsync, int, io_context_t, struct iocb *, io_callback_t, int);
FUNC(io_fdsync, int, io_context_t, struct iocb *, io_callback_t, int);
