// SPDX-License-Identifier: GPL-2.0-only
/*
 * The compiler's proof that libaio.h has the layout of <linux/aio_abi.h>, for
 * whatever machine this is compiled for: every member's place and size.  A
 * pointer or long of 32 bits has to lie in the low-order half of its field.
 */
#define iocb kernel_iocb
#define io_event kernel_event
#include <linux/aio_abi.h>
#undef iocb
#undef io_event

#include <stddef.h>

#include "libaio.h"

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LOW_HALF 4
#else
#define LOW_HALF 0
#endif
#define BYTES(type, member) sizeof(((type *)0)->member)

/* The member is the whole field of the kernel's. */
#define SAME(type, member, ktype, kmember) \
	_Static_assert(offsetof(type, member) == offsetof(ktype, kmember) && \
			       BYTES(type, member) == BYTES(ktype, kmember), \
		       #type "." #member)
/* The member is a word of this machine in a 64-bit field of the kernel's. */
#define WORD(type, member, ktype, kmember) \
	_Static_assert(offsetof(type, member) == \
			       offsetof(ktype, kmember) + \
				       (sizeof(long) == 8 ? 0 : LOW_HALF), \
		       #type "." #member); \
	_Static_assert(BYTES(type, member) == sizeof(long) && \
			       BYTES(ktype, kmember) == 8, \
		       "size of " #type "." #member)
/* The other half of such a field, where there is one. */
#if __SIZEOF_LONG__ == 8
#define PAD(type, member, ktype, kmember) _Static_assert(1, "no pad")
#else
#define PAD(type, member, ktype, kmember) \
	_Static_assert(offsetof(type, member) == \
			       offsetof(ktype, kmember) + (4 - LOW_HALF), \
		       #type "." #member); \
	_Static_assert(BYTES(type, member) == 4, "size of " #type "." #member)
#endif

_Static_assert(sizeof(struct iocb) == 64, "iocb");
_Static_assert(sizeof(struct iocb) == sizeof(struct kernel_iocb), "iocb");
WORD(struct iocb, data, struct kernel_iocb, aio_data);
PAD(struct iocb, __pad1, struct kernel_iocb, aio_data);
SAME(struct iocb, key, struct kernel_iocb, aio_key);
SAME(struct iocb, aio_rw_flags, struct kernel_iocb, aio_rw_flags);
SAME(struct iocb, aio_lio_opcode, struct kernel_iocb, aio_lio_opcode);
SAME(struct iocb, aio_reqprio, struct kernel_iocb, aio_reqprio);
SAME(struct iocb, aio_fildes, struct kernel_iocb, aio_fildes);
_Static_assert(offsetof(struct iocb, u) ==
		       offsetof(struct kernel_iocb, aio_buf),
	       "u");

WORD(struct iocb, u.c.buf, struct kernel_iocb, aio_buf);
PAD(struct iocb, u.c.__pad1, struct kernel_iocb, aio_buf);
WORD(struct iocb, u.c.nbytes, struct kernel_iocb, aio_nbytes);
PAD(struct iocb, u.c.__pad2, struct kernel_iocb, aio_nbytes);
SAME(struct iocb, u.c.offset, struct kernel_iocb, aio_offset);
SAME(struct iocb, u.c.__pad3, struct kernel_iocb, aio_reserved2);
SAME(struct iocb, u.c.flags, struct kernel_iocb, aio_flags);
SAME(struct iocb, u.c.resfd, struct kernel_iocb, aio_resfd);
_Static_assert(sizeof(struct io_iocb_common) == 40, "io_iocb_common");

WORD(struct iocb, u.v.vec, struct kernel_iocb, aio_buf);
PAD(struct iocb, u.v.__pad1, struct kernel_iocb, aio_buf);
WORD(struct iocb, u.v.nr, struct kernel_iocb, aio_nbytes);
PAD(struct iocb, u.v.__pad2, struct kernel_iocb, aio_nbytes);
SAME(struct iocb, u.v.offset, struct kernel_iocb, aio_offset);
_Static_assert(sizeof(struct io_iocb_vector) == 24, "io_iocb_vector");

WORD(struct iocb, u.saddr.addr, struct kernel_iocb, aio_buf);
PAD(struct iocb, u.saddr.__pad1, struct kernel_iocb, aio_buf);
WORD(struct iocb, u.saddr.len, struct kernel_iocb, aio_nbytes);
PAD(struct iocb, u.saddr.__pad2, struct kernel_iocb, aio_nbytes);
_Static_assert(sizeof(struct io_iocb_sockaddr) == 16, "io_iocb_sockaddr");

/* The kernel takes the events from the low-order half of aio_buf. */
_Static_assert(offsetof(struct iocb, u.poll.events) ==
		       offsetof(struct kernel_iocb, aio_buf) + LOW_HALF,
	       "u.poll.events");
_Static_assert(offsetof(struct iocb, u.poll.__pad1) ==
		       offsetof(struct kernel_iocb, aio_buf) + (4 - LOW_HALF),
	       "u.poll.__pad1");
_Static_assert(BYTES(struct iocb, u.poll.events) == 4, "u.poll.events");
_Static_assert(sizeof(struct io_iocb_poll) == 8, "io_iocb_poll");

_Static_assert(sizeof(struct io_event) == 32, "io_event");
_Static_assert(sizeof(struct io_event) == sizeof(struct kernel_event), "event");
WORD(struct io_event, data, struct kernel_event, data);
PAD(struct io_event, __pad1, struct kernel_event, data);
WORD(struct io_event, obj, struct kernel_event, obj);
PAD(struct io_event, __pad2, struct kernel_event, obj);
WORD(struct io_event, res, struct kernel_event, res);
PAD(struct io_event, __pad3, struct kernel_event, res);
WORD(struct io_event, res2, struct kernel_event, res2);
PAD(struct io_event, __pad4, struct kernel_event, res2);

/* No header has these: struct __aio_sigset and its compat form, fs/aio.c. */
_Static_assert(sizeof(struct io_sigset) == 2 * sizeof(long), "io_sigset");
_Static_assert(offsetof(struct io_sigset, ss) == 0, "ss");
_Static_assert(offsetof(struct io_sigset, ss_len) == sizeof(long), "ss_len");
_Static_assert(offsetof(struct io_sigset_compat, ss) ==
		       (sizeof(long) == 8 ? 0 : LOW_HALF),
	       "compat ss");
_Static_assert(offsetof(struct io_sigset_compat, ss_len) == 8, "compat ss_len");

#define OPCODE(name) \
	_Static_assert((int)IO_CMD_##name == (int)IOCB_CMD_##name, #name)
OPCODE(PREAD);
OPCODE(PWRITE);
OPCODE(FSYNC);
OPCODE(FDSYNC);
OPCODE(POLL);
OPCODE(NOOP);
OPCODE(PREADV);
OPCODE(PWRITEV);

#if defined(WANT_LONG) && WANT_LONG != __SIZEOF_LONG__
#error "this is not the word size that the test is about"
#endif
#if defined(WANT_LOW_HALF) && WANT_LOW_HALF != LOW_HALF
#error "this is not the byte order that the test is about"
#endif
