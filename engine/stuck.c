// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ages of requests in flight; see stuck.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "stuck.h"

int stuck_init(struct stuck *s, unsigned depth, uint64_t limit_ns)
{
	*s = (struct stuck){.depth = depth, .limit_ns = limit_ns};
	s->slots = calloc(depth, sizeof(*s->slots));
	return s->slots ? 0 : -ENOMEM;
}

void stuck_exit(struct stuck *s)
{
	free(s->slots);
	s->slots = NULL;
}

uint64_t stuck_pause_ns(uint64_t limit_ns)
{
	const uint64_t least = 1000000, most = 500000000;
	uint64_t half = limit_ns / 2;

	return half < least ? least : half < most ? half : most;
}

bool stuck_look(struct stuck *s, uint64_t now)
{
	if (now < s->next_ns)
		return false;
	s->next_ns = now + stuck_pause_ns(s->limit_ns);
	return true;
}

bool stuck_any(const struct stuck *s, uint64_t now)
{
	for (unsigned slot = 0; slot < s->depth; slot++)
		if (stuck_age(s, slot, now))
			return true;
	return false;
}

bool stuck_tell(struct stuck *s, unsigned slot, uint64_t now, bool *first)
{
	struct stuck_slot *one = &s->slots[slot];

	*first = !one->told;
	if (!stuck_age(s, slot, now) ||
	    (one->told && now - one->told < STUCK_AGAIN_NS))
		return false;
	one->told = now;
	return true;
}
