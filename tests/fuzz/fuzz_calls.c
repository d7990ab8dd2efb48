// SPDX-License-Identifier: GPL-2.0-only
/*
 * A libFuzzer target: a sequence of library calls with arguments good and
 * bad, each compared with the bare system call on a twin context.
 * test_fuzz.py says how it is built; -runs=0 seeds/FILE repeats an input.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "get.h"
#include "sys.h"

/* The old symbols need a version script; their code does not. */
#define __asm__(symver)
#include "compat.c"
#undef __asm__

#define CALLS 12 /* in one input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Memory that is no context, though it has a live one's header. */
static io_context_t forged(int side)
{
	static char pages[SIDES][8192] __attribute__((aligned(4096)));

	memcpy(pages[side], sides[side].ctx[0], sizeof(struct aioring));
	return (io_context_t)pages[side];
}

static io_context_t not_a_context(unsigned how, int side, uintptr_t any)
{
	static char zeros[4096] __attribute__((aligned(4096)));
	const uintptr_t live = (uintptr_t)sides[side].ctx[0];

	switch (how) {
	case 0:
		return NULL;
	case 1:
		return sides[side].stale;
	case 2:
		return (io_context_t)zeros;
	case 3:
		return forged(side);
	case 4:
		return (io_context_t)(live + 1 + (any & 62));
	case 5:
		return (io_context_t)(live + 4096);
	case 6: /* another process's could be there */
		return (io_context_t)(live ^ 1ull << (12 + any % 35));
	case 7:
		return (io_context_t)(live | 1ull << (47 + any % 17));
	default:
		return (io_context_t)any;
	}
}

struct target take_target(struct input *in)
{
	struct target t = {.slot = -1};
	unsigned how = take8(in);
	uintptr_t any;

	if ((how & 15) < 9) {
		t.slot = (how & 15) < 6 ? 0 : (int)(how & 15) % SLOTS;
		t.ctx[LIB] = sides[LIB].ctx[t.slot];
		t.ctx[RAW] = sides[RAW].ctx[t.slot];
		if (!t.ctx[LIB])
			t.slot = -1;
		return t;
	}
	if ((how & 15) == 9)
		how = 1 << 4 | 15; /* the one that was destroyed last */
	if ((how & 15) == 10)
		any = (uintptr_t)take_bad_pointer(in);
	else
		any = (uintptr_t)take(in, 8);
	for (int side = 0; side < SIDES; side++) {
		t.ctx[side] = not_a_context(how >> 4, side, any);
		/* What was stale may have come to life again, in between. */
		if (is_live(t.ctx[side]))
			t.ctx[side] = NULL;
	}
	return t;
}

struct target live_target(struct input *in)
{
	struct target t = take_target(in);

	if (t.slot < 0) {
		t.slot = 0;
		t.ctx[LIB] = sides[LIB].ctx[0];
		t.ctx[RAW] = sides[RAW].ctx[0];
	}
	return t;
}

/* Where a transfer goes to or from; what is behind buf faults. */
static char *take_buffer(struct input *in, const struct side *s)
{
	unsigned how = take8(in);

	return how & 8 ? take_bad_pointer(in) : s->buf + (how >> 4) * 256;
}

static void take_vector(struct input *in, struct iocb *iocb,
			const struct side *s)
{
	unsigned how = take8(in);

	for (int i = 0; i < IOVECS; i++) {
		s->iov[i].iov_base = s->buf + i * 512;
		s->iov[i].iov_len = i & 1 ? how : 16;
	}
	if (how & 1)
		s->iov[1].iov_base = take_bad_pointer(in);
	iocb->u.v.vec = how & 2 ? take_bad_pointer(in) : s->iov;
	iocb->u.v.nr = (unsigned long)take_long(in, IOVECS);
}

/* A file that has fsync() would complete when it pleases. */
static int take_file(struct input *in, const struct side *s, int opcode)
{
	unsigned which = take8(in) % FDS;

	if ((opcode == IO_CMD_FSYNC || opcode == IO_CMD_FDSYNC) &&
	    (which <= MEMORY_READ_ONLY || which == DIRECTORY))
		which = READY;
	return s->fds[which];
}

static void take_extras(struct input *in, struct iocb *iocb,
			const struct side *s)
{
	unsigned how = take8(in);

	if (how & 1)
		iocb->aio_rw_flags = (unsigned)take(in, how & 2 ? 1 : 4);
	if (how & 4)
		iocb->u.c.__pad3 = take8(in);
	if (how & 8) {
		iocb->u.c.flags = take8(in) & 7;
		iocb->u.c.resfd = (unsigned)s->fds[take8(in) % FDS];
		iocb->aio_reqprio = (short)take(in, 2);
	}
	if (how & 16)
		iocb->key = (unsigned)take(in, 4);
	if (how & 32)
		iocb->u.c.offset = take_long(in, 16);
}

static void take_iocb(struct input *in, struct iocb *iocb, const struct side *s)
{
	static const short opcodes[] = {
		IO_CMD_POLL,	IO_CMD_PREAD, IO_CMD_PWRITE, IO_CMD_PREADV,
		IO_CMD_PWRITEV, IO_CMD_FSYNC, IO_CMD_FDSYNC, IO_CMD_NOOP};
	unsigned how = take8(in);
	short opcode = opcodes[how & 7];

	memset(iocb, 0, sizeof(*iocb));
	iocb->data = how & 8 ? NULL : (void *)note;
	iocb->aio_lio_opcode =
		how >> 4 == 15 ? (short)take(in, 2) & ~3 : opcode;
	opcode = iocb->aio_lio_opcode;
	iocb->aio_fildes = take_file(in, s, opcode);
	if (opcode == IO_CMD_POLL) {
		iocb->u.poll.events =
			how >> 4 == 14 ? (int)take(in, 4) : POLLIN | POLLOUT;
	} else if (opcode == IO_CMD_PREADV || opcode == IO_CMD_PWRITEV) {
		take_vector(in, iocb, s);
	} else {
		iocb->u.c.buf = take_buffer(in, s);
		iocb->u.c.nbytes = (unsigned long)take_long(in, 64);
	}
	if (how >> 4 >= 12)
		take_extras(in, iocb, s);
}

/* Fill in some requests, and a list of them again and again. */
static long take_list(struct input *in, struct side *s)
{
	unsigned how = take8(in), first = how >> 2 & 15, count = (how & 3) + 1;
	long nr, filled;

	for (unsigned i = 0; i < count; i++)
		take_iocb(in, &s->iocbs[(first + i) % IOCBS], s);
	nr = take_long(in, 1);
	filled = (take8(in) & 3) == 3 ? take8(in) : LIST;
	for (long i = 0; i < LIST; i++)
		s->list[i] = i < filled ? &s->iocbs[(first + i % count) % IOCBS]
					: NULL;
	return nr;
}

/* Both sides' lists, from the same bytes; the same pointers may be bad. */
static long take_lists(struct input *in, struct iocb **list[SIDES])
{
	unsigned how = take8(in);
	void *bad = (how & 15) >= 14 ? take_bad_pointer(in) : NULL;
	struct input start = *in;
	long nr = 0;

	for (int side = 0; side < SIDES; side++) {
		*in = start;
		nr = take_list(in, &sides[side]);
		if ((how & 15) == 14)
			sides[side].list[how >> 4] = bad;
		list[side] = (how & 15) == 15 ? bad : sides[side].list;
	}
	return nr;
}

static void do_submit(struct input *in)
{
	struct target t = take_target(in);
	struct iocb **list[SIDES];
	long nr = take_lists(in, list), lib, raw;

	LIBRARY_CALL(lib, io_submit(t.ctx[LIB], nr, list[LIB]));
	raw = RAW_CALL(SYS_io_submit, t.ctx[RAW], nr, list[RAW]);
	must_be_equal("io_submit", lib, raw);
	must_be_equal("io_submit enters", seen.calls + seen.asked, 1);
	must_be_equal("data", memcmp(sides[LIB].buf, sides[RAW].buf, BUF), 0);
	if (raw > 0)
		count_pending(t.slot, raw);
	settle();
}

static void do_cancel(struct input *in)
{
	struct target t = take_target(in);
	struct io_event event;
	unsigned how = take8(in);
	void *bad = how & 32 ? take_bad_pointer(in) : NULL;
	struct iocb *iocb[SIDES];
	long have = t.slot < 0 ? 0 : waiting(RAW, t.slot), lib, raw;

	for (int side = 0; side < SIDES; side++)
		iocb[side] = how & 32 ? bad : &sides[side].iocbs[how & 15];
	if (how & 64)
		LIBRARY_CALL(lib, compat01_io_cancel(t.ctx[LIB], iocb[LIB]));
	else
		LIBRARY_CALL(lib, io_cancel(t.ctx[LIB], iocb[LIB],
					    how & 16 ? NULL : &event));
	raw = RAW_CALL(SYS_io_cancel, t.ctx[RAW], iocb[RAW],
		       how & 16 ? NULL : &event);
	must_be_equal("io_cancel", lib, raw);
	if (raw == -EINPROGRESS)
		settle_at(t.slot, have + 1);
}

/* Enough to succeed, or more than any limit: both sides get the same. */
static int take_maxevents(struct input *in)
{
	int maxevents = (int)take_long(in, 63);

	return maxevents > MAXEVENTS && maxevents < 10000000
		       ? maxevents % MAXEVENTS + 1
		       : maxevents;
}

static void keep(io_context_t lib, io_context_t raw)
{
	for (int slot = 1; slot < SLOTS; slot++)
		if (!sides[LIB].ctx[slot]) {
			slot_fill(slot, lib, raw);
			return;
		}
	destroy_later(lib, raw);
}

static void do_setup(struct input *in)
{
	int maxevents = take_maxevents(in);
	unsigned how = take8(in);
	io_context_t ctx[SIDES] = {NULL, NULL}, *ctxp[SIDES];
	long lib, raw;

	ctxp[LIB] = &ctx[LIB];
	ctxp[RAW] = &ctx[RAW];
	if ((how & 7) == 7)
		ctxp[LIB] = ctxp[RAW] = take_bad_pointer(in);
	if ((how & 7) == 6)
		ctx[LIB] = ctx[RAW] = (io_context_t)take(in, 8);
	if (how & 8 && (how & 7) < 7) {
		LIBRARY_CALL(lib, io_queue_init(maxevents, ctxp[LIB]));
		if (maxevents > 0)
			ctx[RAW] = NULL;
		raw = maxevents <= 0
			      ? -EINVAL
			      : RAW_CALL(SYS_io_setup, maxevents, ctxp[RAW]);
	} else {
		LIBRARY_CALL(lib, io_setup(maxevents, ctxp[LIB]));
		raw = RAW_CALL(SYS_io_setup, maxevents, ctxp[RAW]);
	}
	must_be_equal("io_setup", lib, raw);
	if (lib)
		must_be_equal("*ctxp", (long)ctx[LIB], (long)ctx[RAW]);
	else
		keep(ctx[LIB], ctx[RAW]);
}

static void do_destroy(struct input *in)
{
	struct target t = take_target(in);
	long lib;

	if (t.slot == 0 && take8(in) % 4) /* it takes long */
		return;
	if (take8(in) & 1)
		LIBRARY_CALL(lib, io_queue_release(t.ctx[LIB]));
	else
		LIBRARY_CALL(lib, io_destroy(t.ctx[LIB]));
	must_be_equal("io_destroy", lib, RAW_CALL(SYS_io_destroy, t.ctx[RAW]));
	if (t.slot < 0)
		return;
	slot_clear(t.slot);
	if (!t.slot)
		world_begin(0); /* the others rely on it */
	sides[LIB].stale = t.ctx[LIB];
	sides[RAW].stale = t.ctx[RAW];
}

static void do_disable(struct input *in)
{
	struct target t = take_target(in);
	long was = t.slot >= 0 && is_open[t.slot], lib;

	if (!t.ctx[LIB])
		return; /* for the whole process, and for good */
	LIBRARY_CALL(lib, io_ring_disable(t.ctx[LIB]));
	must_be_equal("io_ring_disable", lib, was);
	if (t.slot >= 0)
		is_open[t.slot] = 0;
}

/* A poll that waits comes to its end. */
static void do_wake(struct input *in)
{
	char byte[8];

	int drain = take8(in) & 1;
	long done = 0;

	for (int side = 0; side < SIDES; side++)
		done += write(sides[side].fds[IDLE_END], "x", 1);
	settle();
	for (int side = 0; side < SIDES && drain; side++)
		done -= read(sides[side].fds[IDLE], byte, sizeof(byte));
	must_be_equal("a byte in two pipes", done & 1, 0);
}

static void do_words(struct input *in)
{
	char text[400];
	int err = EAGAIN - (int)(take(in, 2) % 4096);
	int maxevents = (int)take_long(in, 128), len;
	size_t size = take(in, 2) % (sizeof(text) - 1);

	memset(text, '#', sizeof(text));
	LIBRARY_CALL(len, io_setup_explain(err, maxevents, text, size));
	must_be_equal("the text's end", text[size], '#');
	if (size)
		must_be_equal("the text's length", len, (long)strlen(text));
}

static void do_probe(struct input *in)
{
	struct io_limits limits = {0, 0};
	struct io_probe probe = {0};
	long lib;

	if (take8(in) & 1) {
		LIBRARY_CALL(lib, io_limits(&limits));
		must_be_equal("io_limits", lib || !limits.aio_max_nr, 0);
		return;
	}
	LIBRARY_CALL(lib, io_probe(-1, &probe));
	must_be_equal("io_probe", lib || !(probe.opcodes & 1), 0);
	LIBRARY_CALL(lib,
		     io_probe(sides[LIB].fds[READY + take8(in) % (FDS - READY)],
			      &probe));
	if (lib != -EINVAL && lib != -EBADF)
		fail("io_probe of no file", lib, -EINVAL);
}

/* Contexts that nobody has any more; see destroy_later(). */
static void check_leaks(void)
{
	char line[512];
	int contexts = 0, wanted = 0;
	FILE *maps;

	world_end();
	world_finish();
	maps = fopen("/proc/self/maps", "re");
	while (maps && fgets(line, sizeof(line), maps))
		contexts += strstr(line, "[aio]") != NULL;
	for (int side = 0; side < SIDES; side++)
		wanted += sides[side].ctx[0] != NULL;
	must_be_equal("contexts at the end", contexts, wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const calls[])(struct input *) = {
		do_submit, do_getevents,     do_submit,	    do_getevents,
		do_wait,   do_pgetevents,    do_queue_run,  do_reap,
		do_cancel, do_old_getevents, do_queue_wait, do_wake,
		do_setup,  do_destroy,	     do_disable,    do_words,
		do_probe};
	struct input in = {data, size};
	static int started;

	if (!started++)
		atexit(check_leaks);
	world_begin(take8(&in));
	for (int i = 0; i < CALLS && in.left; i++)
		calls[take8(&in) % (sizeof(calls) / sizeof(*calls))](&in);
	world_end();
	return 0;
}
