// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trials of holding I/Os back against not holding; see pace.h.  A window lets
 * what was in flight before it go, and then times many rounds of the queue:
 * what is held comes back together, and is held together again, but it may take
 * some ms until that has begun.  Each pair of windows, one of either way and
 * every other pair in the other order, says which was slower; where the ways
 * are alike, or others disturb them, that is chance, so holding is given up
 * only if three quarters say it: by chance one trial of 26 does.
 */
#include "pace.h"

#define PAIRS 16
#define LOST 12
#define ROUNDS 32 /* of the queue, in a window */
#define LEAST 64  /* I/Os beside these */
#define REST 15	  /* trials: what is between two of them */

static uint64_t counted(unsigned depth)
{
	return LEAST + (uint64_t)ROUNDS * depth;
}

static void settle(struct pace *p, unsigned depth)
{
	p->counts = false;
	p->left = depth;
}

static void begin(struct pace *p, unsigned depth, uint64_t now_ns)
{
	p->counts = true;
	p->ios = 0;
	p->from_ns = now_ns;
	p->left = counted(depth);
}

/* Both windows of a pair are known: did holding take longer for an I/O? */
static bool longer(const struct pace *p, uint64_t ns)
{
	uint64_t first = p->first_ns * p->ios, second = ns * p->first_ios;

	return pace_holds(p) ? second > first : first > second;
}

static void end(struct pace *p, unsigned depth, uint64_t ns)
{
	if (p->windows % 2) {
		p->lost += longer(p, ns);
	} else {
		p->first_ns = ns;
		p->first_ios = p->ios;
	}
	settle(p, depth);
	if (++p->windows < 2 * PAIRS)
		return;
	p->slower = p->lost >= LOST;
	p->rests = true;
	p->left = REST * 2 * PAIRS * (depth + counted(depth));
}

void pace_next(struct pace *p, unsigned depth, uint64_t now_ns)
{
	if (p->counts) {
		end(p, depth, now_ns - p->from_ns);
	} else if (p->rests) {
		p->rests = false;
		p->windows = p->lost = 0;
		settle(p, depth);
	} else {
		begin(p, depth, now_ns);
	}
}
