// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many I/Os submit=adaptive may hold in a job; see hold.h.
 */
#include "hold.h"

/*
 * On a device that does its work inside io_submit half of the depth, and at
 * most HOLD_MAX.  On others an eighth of it, as more would let it run out of
 * work, and at most HOLD_BUSY_MAX, from where on it gains little; but none
 * where that is less than HOLD_BUSY_MIN, as the kernel plugs (hands requests
 * to the device together, at one price) only what is more than 2
 * (AIO_PLUG_THRESHOLD in fs/aio.c).  README.md here has the figures.
 */
#define HOLD_MAX 64
#define HOLD_BUSY_MIN 4
#define HOLD_BUSY_MAX 8

/*
 * fio leaves out a sync unless something has completed since the last one
 * (last_was_sync).  With several completions at a time that depends on how
 * many there are when it looks, so on what is held.
 */
static bool holding_moves_syncs(const struct thread_options *o)
{
	return o->iodepth_batch_complete_max > 1 &&
	       (o->fsync_blocks || o->fdatasync_blocks || o->sync_file_range);
}

/*
 * Holding I/Os back is for jobs that run as fast as they can: one that sleeps
 * by itself (rate, thinktime, a replay) would leave the held ones behind, and
 * at the end of a replay fio does not wait for them.  Offload workers have
 * depth 1, which leaves nothing to hold.
 */
static unsigned in_step(const struct thread_data *td)
{
	const struct thread_options *o = &td->o;
	unsigned limit = o->iodepth / 2;

	if (o->thinktime || glue_thinkcycles(td) || o->read_iolog_file ||
	    holding_moves_syncs(o))
		return 0;
	for (int d = 0; d < DDIR_RWDIR_CNT; d++)
		if (o->rate[d] || o->rate_iops[d])
			return 0;
	return limit < HOLD_MAX ? limit : HOLD_MAX;
}

static unsigned busy(unsigned depth, unsigned most)
{
	unsigned limit = depth / 8;

	if (limit < HOLD_BUSY_MIN || most < HOLD_BUSY_MIN)
		return 0;
	return limit < HOLD_BUSY_MAX ? limit : HOLD_BUSY_MAX;
}

struct hold hold_limits(const struct thread_data *td)
{
	unsigned hold = in_step(td);

	return (struct hold){hold, busy(td->o.iodepth, hold)};
}
