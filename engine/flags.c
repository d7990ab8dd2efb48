// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which flags a file takes; see flags.h.  fio opens files within the run, some
 * jobs thousands of them, so that this makes no context (whose end costs an
 * RCU grace period), and asks once for each kind of file.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "flags.h"
#include "morestat.h"

/* What the answer depends on; -EINVAL for other kinds of files. */
static int kind_of(int fd, struct flags_kind *kind)
{
	int open = fcntl(fd, F_GETFL);
	struct stat st;

	if (open < 0 || fstat(fd, &st) ||
	    !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
		return -EINVAL;
	*kind = (struct flags_kind){
		.dev = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev,
		.type = st.st_mode & S_IFMT,
		.open = open & (O_ACCMODE | O_DIRECT),
	};
	return 0;
}

static const struct flags_kind *find(const struct flags_known *known,
				     const struct flags_kind *kind)
{
	for (unsigned i = 0; i < FLAGS_KNOWN; i++) {
		const struct flags_kind *one = &known->kinds[i];

		if (one->dev == kind->dev && one->type == kind->type &&
		    one->open == kind->open)
			return one;
	}
	return NULL;
}

bool flags_are_known(const struct flags_known *known, int fd)
{
	struct flags_kind kind;

	return kind_of(fd, &kind) || find(known, &kind);
}

/* Submit a request of no bytes, and wait: 1, 0, or -errno if that failed. */
static int try_flag(io_context_t ctx, int fd, short opcode, unsigned flag)
{
	struct iocb iocb, *list = &iocb;
	struct io_event event;
	int ret;

	io_prep_pread(&iocb, fd, NULL, 0, 0);
	iocb.aio_lio_opcode = opcode;
	iocb.aio_rw_flags = flag;
	ret = io_submit(ctx, 1, &list);
	if (!ret || ret == -EAGAIN || ret == -ENOMEM || ret == -EINTR)
		return ret ? ret : -EAGAIN; /* not about the request */
	if (ret < 0)
		return 0;
	while ((ret = io_getevents(ctx, 1, 1, &event, NULL)) == -EINTR)
		;
	if (ret != 1)
		return ret < 0 ? ret : -EAGAIN;
	return (long)event.res >= 0 || (long)event.res == -EAGAIN;
}

/* Those of wanted that such a request takes. */
static int try_flags(io_context_t ctx, int fd, short opcode, unsigned wanted,
		     unsigned *taken)
{
	for (unsigned left = wanted; left; left &= left - 1) {
		unsigned flag = left & -left;
		int ret = try_flag(ctx, fd, opcode, flag);

		if (ret < 0)
			return ret;
		if (ret)
			*taken |= flag;
	}
	return 0;
}

/* By trying; what is known is added to. */
static int learn(struct flags_known *known, io_context_t ctx, int fd,
		 struct flags wanted, struct flags_kind *kind)
{
	int ret = try_flags(ctx, fd, IO_CMD_PREAD, wanted.reads,
			    &kind->taken.reads);

	if (!ret)
		ret = try_flags(ctx, fd, IO_CMD_PWRITE, wanted.writes,
				&kind->taken.writes);
	if (!ret)
		known->kinds[known->next++ % FLAGS_KNOWN] = *kind;
	return ret;
}

/*
 * Not tried, as ext4 refuses an atomic write of no bytes, shorter than its
 * least, where it takes others.  If statx() is forbidden here, then the first
 * write will tell.
 */
static bool takes_atomic(int fd)
{
	struct morestat st;

	if (morestat(fd, &st))
		return true;
	return st.mask & MORESTAT_WRITE_ATOMIC && st.largest_atomic;
}

int flags_ask(struct flags_known *known, io_context_t ctx, int fd,
	      struct flags wanted, struct flags *taken)
{
	bool atomic = wanted.writes & FLAGS_RWF_ATOMIC;
	const struct flags_kind *found;
	struct flags_kind kind;
	int ret = kind_of(fd, &kind);

	if (ret)
		return ret;
	wanted.writes &= ~FLAGS_RWF_ATOMIC;
	found = find(known, &kind);
	if (!found)
		ret = learn(known, ctx, fd, wanted, &kind);
	*taken = found ? found->taken : kind.taken;
	if (!ret && atomic && takes_atomic(fd))
		taken->writes |= FLAGS_RWF_ATOMIC;
	return ret;
}
