/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What may happen in weak.h that others can see: each step of an access, and
 * the kernel's interrupts.
 * A step returns 1: done; 0: it cannot be now; -1: there is no such execution.
 */
#ifndef WEAK_STEPS_H
#define WEAK_STEPS_H

#include "weak.h"

static int read_from(struct weak *s, unsigned t, unsigned i, uint8_t cell)
{
	const struct instr *in = instr_at(s, t, i);
	struct flight *f = &s->cpu[t].flight[i];
	uint8_t a, other;

	if (!value_of(s, t, i, in->a, &a))
		return 0;
	if (in->op == LOCK && s->cell[cell] != a)
		return 0;
	/* A later load of this cell has read what was there before. */
	for (unsigned k = i + 1; k < s->cpu[t].flights; k++)
		if (s->cpu[t].flight[k].has & STALE &&
		    cell_of(s, t, k, &other) && other == cell)
			return -1;
	f->got = s->cell[cell];
	f->has |= READ;
	if (in->op == CAS && f->got != a)
		f->has |= NO_WRITE;
	if (s->unmapped && cell >= weak.first_mapped)
		f->has |= LATE;
	return 1;
}

/* From memory, or from a store of its own that has not reached it. */
static int step_read(struct weak *s, unsigned t, unsigned i)
{
	const struct instr *in = instr_at(s, t, i);
	struct flight *f = &s->cpu[t].flight[i];
	uint8_t cell, other;

	if (!may_read(s, t, i) || !cell_of(s, t, i, &cell))
		return 0;
	for (unsigned j = i; j--;) {
		cell_of(s, t, j, &other); /* those of stores are constant */
		if (!to_write(s, t, j) || other != cell)
			continue;
		if (swaps(in) || (swaps(instr_at(s, t, j)) && acquires(in)) ||
		    !new_value(s, t, j, &f->got))
			return 0;
		f->has |= READ;
		return 1;
	}
	return read_from(s, t, i, cell);
}

/* Is there a load before the k-th that may yet read the same cell? */
static int older_reads(const struct weak *s, unsigned t, unsigned k)
{
	int found = 0;

	for (unsigned j = 0; j < k; j++) {
		if (to_write(s, t, j) && may_meet(s, t, j, k))
			return 0; /* what it has read comes from there */
		found |= to_read(s, t, j) && may_meet(s, t, j, k);
	}
	return found;
}

/* Who has read the cell that is now overwritten? */
static int overwrite(struct weak *s, unsigned t, uint8_t cell)
{
	uint8_t other;

	for (unsigned k = 0; k < s->cpu[t].flights; k++) {
		struct flight *f = &s->cpu[t].flight[k];

		if (!reads(instr_at(s, t, k)) || !(f->has & READ) ||
		    !cell_of(s, t, k, &other) || other != cell)
			continue;
		if (to_write(s, t, k))
			return -1; /* a swap is one */
		if (older_reads(s, t, k))
			f->has |= STALE;
	}
	return 1;
}

static int step_write(struct weak *s, unsigned t, unsigned i)
{
	uint8_t cell, value;
	int done = 1;

	cell_of(s, t, i, &cell);
	if (!may_write(s, t, i) || !new_value(s, t, i, &value))
		return 0;
	s->cell[cell] = value;
	s->cpu[t].flight[i].has |= WRITTEN;
	if (s->unmapped && cell >= weak.first_mapped)
		violated("a ring is gone under its reader");
	for (unsigned u = 0; u < CPUS && done > 0; u++)
		if (u != t)
			done = overwrite(s, u, cell);
	return done;
}

/* The kernel interrupts a thread: what is done is done, the rest is not. */
static int interrupt(struct weak *s, unsigned t)
{
	const struct program *p = weak.program[t];
	struct cpu *cpu = &s->cpu[t];

	if (cpu->flights && instr_at(s, t, 0)->op == ABORT_ALL)
		return 1; /* it is in the kernel */
	for (unsigned i = 0; i < cpu->flights; i++)
		if (cpu->flight[i].has & WRITTEN)
			return 0; /* not before all that is before is done */
	if (cpu->flights)
		cpu->pc = cpu->flight[0].pc;
	if (cpu->pc >= p->begin && cpu->pc < p->end)
		cpu->pc = p->abort;
	memset(cpu->flight, 0, sizeof(cpu->flight));
	cpu->flights = 0;
	return 1;
}

static int step(struct weak *s, unsigned t, unsigned i)
{
	struct flight *f = &s->cpu[t].flight[i];
	int swap = swaps(instr_at(s, t, i)), done;

	if (instr_at(s, t, i)->op == UNMAP && !i) {
		s->unmapped = 1;
		f->has |= READ;
		return 1;
	}
	if (!to_read(s, t, i))
		return to_write(s, t, i) ? step_write(s, t, i) : 0;
	done = step_read(s, t, i);
	if (done <= 0 || !swap || weak.machine == OUT_OF_ORDER ||
	    f->has & NO_WRITE)
		return done;
	return step_write(s, t, i);
}

static int step_abort(struct weak *s, unsigned t, unsigned u)
{
	struct cpu *cpu = &s->cpu[t];

	if (!cpu->flights || instr_at(s, t, 0)->op != ABORT_ALL ||
	    !(cpu->to_abort & 1 << u) || !interrupt(s, u))
		return 0;
	cpu->to_abort &= (uint8_t) ~(1 << u);
	if (!cpu->to_abort)
		cpu->flight[0].has |= READ;
	return 1;
}

#endif /* WEAK_STEPS_H */
