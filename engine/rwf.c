// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which flags a file takes; see rwf.h.  fio opens files within the run, some
 * jobs thousands of them, so that this makes no context (whose end costs an
 * RCU grace period), and asks once for each kind of file.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "dio.h"
#include "libaio_ext.h"
#include "rwf.h"

/* What the answer depends on; -EINVAL for other kinds of files. */
static int kind_of(int fd, struct rwf_kind *kind)
{
	int open = fcntl(fd, F_GETFL);
	struct stat st;

	if (open < 0 || fstat(fd, &st) ||
	    !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
		return -EINVAL;
	*kind = (struct rwf_kind){
		.dev = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev,
		.type = st.st_mode & S_IFMT,
		.open = open & (O_ACCMODE | O_DIRECT),
	};
	return 0;
}

static const struct rwf_kind *find(const struct rwf_known *known,
				   const struct rwf_kind *kind)
{
	for (unsigned i = 0; i < KAIO_RWF_KINDS; i++) {
		const struct rwf_kind *one = &known->kinds[i];

		if (one->dev == kind->dev && one->type == kind->type &&
		    one->open == kind->open)
			return one;
	}
	return NULL;
}

bool rwf_is_known(const struct rwf_known *known, int fd)
{
	struct rwf_kind kind;

	return kind_of(fd, &kind) || find(known, &kind);
}

/* By trying; what is known is added to. */
static int learn(struct rwf_known *known, io_context_t ctx, int fd,
		 struct rwf wanted, struct rwf_kind *kind)
{
	struct io_probe probe = {.read_flags = wanted.reads,
				 .write_flags = wanted.writes};
	int ret = io_probe_on(ctx, fd, &probe);

	kind->taken = (struct rwf){probe.read_flags, probe.write_flags};
	if (!ret)
		known->kinds[known->next++ % KAIO_RWF_KINDS] = *kind;
	return ret;
}

/*
 * Not tried, as ext4 refuses an atomic write of no bytes, shorter than its
 * least, where it takes others.  If statx() is forbidden here, then the first
 * write will tell.
 */
static bool takes_atomic(int fd)
{
	struct dio dio;

	if (dio_limits(fd, &dio))
		return true;
	return dio.mask & DIO_ATOMIC && dio.atomic;
}

int rwf_ask(struct rwf_known *known, io_context_t ctx, int fd,
	    struct rwf wanted, struct rwf *taken)
{
	bool atomic = wanted.writes & KAIO_RWF_ATOMIC;
	const struct rwf_kind *found;
	struct rwf_kind kind;
	int ret = kind_of(fd, &kind);

	if (ret)
		return ret;
	wanted.writes &= ~KAIO_RWF_ATOMIC;
	found = find(known, &kind);
	if (!found)
		ret = learn(known, ctx, fd, wanted, &kind);
	*taken = found ? found->taken : kind.taken;
	if (!ret && atomic && takes_atomic(fd))
		taken->writes |= KAIO_RWF_ATOMIC;
	return ret;
}
