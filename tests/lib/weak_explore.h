/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The explorer of weak.h: the steps that only one thread sees are done at once,
 * and every order of the others, with every guess, is tried.
 */
#ifndef WEAK_EXPLORE_H
#define WEAK_EXPLORE_H

#include "known.h"
#include "weak_steps.h"

/* --- what nobody else can see, and what comes next in the program --- */

static int all_over(const struct weak *s, unsigned t, unsigned i, int stores)
{
	while (i--)
		if (stores ? to_write(s, t, i) : !is_over(s, t, i))
			return 0;
	return 1;
}

static void take(struct weak *s, uint8_t event)
{
	if (!event || event > 7)
		violated("an event was none");
	if (s->taken & 1 << (event & 7))
		violated("an event came twice");
	s->taken |= (uint8_t)(1 << (event & 7));
}

static int decide(struct weak *s, unsigned t, unsigned i, int equal)
{
	const struct instr *in = instr_at(s, t, i);
	struct flight *f = &s->cpu[t].flight[i];
	int jumps = equal == (in->op == SAME);

	f->has |= READ;
	if (!(f->has & GUESSED))
		s->cpu[t].pc = jumps ? in->target : (uint8_t)(f->pc + 1);
	return f->has & GUESSED && jumps != !!(f->has & JUMPS) ? -1 : 1;
}

static int settle_one(struct weak *s, unsigned t, unsigned i)
{
	const struct instr *in = instr_at(s, t, i);
	struct flight *f = &s->cpu[t].flight[i];
	uint8_t a, b;

	if (f->has & READ || in->op < FENCE || in->op > TAKE ||
	    !value_of(s, t, i, in->a, &a) || !value_of(s, t, i, in->b, &b))
		return 0;
	if (branches(in))
		return decide(s, t, i, a == b);
	if (in->op == FENCE || in->op == FENCE_STORES) {
		if (!all_over(s, t, i, in->op == FENCE_STORES))
			return 0;
	} else if (in->op == NEXT) {
		f->got = (uint8_t)((a + 1) % b);
	} else {
		if (i)
			return 0;
		take(s, a);
	}
	f->has |= READ;
	return 1;
}

static int retire(struct weak *s, unsigned t)
{
	struct cpu *cpu = &s->cpu[t];
	const struct instr *in;

	if (!cpu->flights || !is_over(s, t, 0))
		return 0;
	in = instr_at(s, t, 0);
	if (in->to)
		cpu->reg[in->to - 0x80] = cpu->flight[0].got;
	if (cpu->flight[0].has & LATE)
		violated("a ring is gone under its reader");
	cpu->flights--;
	memmove(cpu->flight, cpu->flight + 1,
		cpu->flights * sizeof(*cpu->flight));
	memset(cpu->flight + cpu->flights, 0, sizeof(*cpu->flight));
	return 1;
}

/* 1: where the program goes on behind the last in flight is not known. */
static int at_branch(const struct weak *s, unsigned t)
{
	unsigned last = s->cpu[t].flights - 1u;

	return s->cpu[t].flights && branches(instr_at(s, t, last)) &&
	       !(s->cpu[t].flight[last].has & (READ | GUESSED));
}

static int fetch(struct weak *s, unsigned t)
{
	struct cpu *cpu = &s->cpu[t];
	unsigned op = cpu->flights ? instr_at(s, t, cpu->flights - 1u)->op : 0;

	if (cpu->flights == WINDOW || cpu->pc >= weak.program[t]->length ||
	    at_branch(s, t) || op == ABORT_ALL || op == UNMAP)
		return 0;
	if (weak.program[t]->code[cpu->pc].op == ABORT_ALL)
		for (unsigned u = 0; u < CPUS; u++)
			if (u != t && weak.program[u])
				cpu->to_abort |= (uint8_t)(1 << u);
	cpu->flight[cpu->flights++].pc = cpu->pc++;
	return 1;
}

/* 0: there is no such execution. */
static int settle(struct weak *s, unsigned t)
{
	int changed = weak.program[t] != NULL;

	while (changed) {
		changed = 0;
		for (unsigned i = 0; i < s->cpu[t].flights; i++) {
			int done = settle_one(s, t, i);

			if (done < 0)
				return 0;
			changed |= done;
		}
		changed |= retire(s, t);
		changed |= fetch(s, t);
	}
	return 1;
}

/* --- all that may happen --- */

static void explore(const struct weak *s);

static void guess(struct weak *s, unsigned t, int jumps)
{
	struct cpu *cpu = &s->cpu[t];
	struct flight *last = &cpu->flight[cpu->flights - 1];

	last->has |= jumps ? GUESSED | JUMPS : GUESSED;
	cpu->pc = jumps ? instr_at(s, t, cpu->flights - 1u)->target
			: (uint8_t)(last->pc + 1);
}

/* After each guess of where the programs go on. */
static void explore_guesses(const struct weak *s)
{
	for (unsigned t = 0; t < CPUS && weak.machine == OUT_OF_ORDER; t++) {
		if (!at_branch(s, t) || s->cpu[t].flights == WINDOW)
			continue;
		for (int jumps = 0; jumps < 2; jumps++) {
			struct weak next = *s;

			guess(&next, t, jumps);
			if (settle(&next, t))
				explore_guesses(&next);
		}
		return;
	}
	if (!weak.violation && remember(s, sizeof(*s)))
		explore(s);
}

static int explore_step(const struct weak *s, unsigned t, unsigned i)
{
	struct weak next = *s;
	int done = step(&next, t, i);

	if (done > 0 && settle(&next, t))
		explore_guesses(&next);
	return done;
}

static int explore_abort(const struct weak *s, unsigned t, unsigned u)
{
	struct weak next = *s;
	int done = step_abort(&next, t, u);

	if (done > 0 && settle(&next, t) && settle(&next, u))
		explore_guesses(&next);
	return done;
}

static void explore(const struct weak *s)
{
	int moved = 0;

	for (unsigned t = 0; t < CPUS; t++) {
		for (unsigned i = 0; i < s->cpu[t].flights; i++)
			moved |= explore_step(s, t, i);
		for (unsigned u = 0; u < CPUS; u++)
			moved |= explore_abort(s, t, u);
	}
	if (moved || weak.violation)
		return;
	for (unsigned t = 0; t < CPUS; t++)
		if (s->cpu[t].flights)
			violated("a thread is stuck");
	weak.at_end(s);
}

/* From these cells on; the first violation, or NULL. */
static const char *explore_all(const uint8_t *cells)
{
	struct weak s;

	memset(&s, 0, sizeof(s));
	memcpy(s.cell, cells, sizeof(s.cell));
	weak.violation = NULL;
	forget_all();
	for (unsigned t = 0; t < CPUS; t++)
		settle(&s, t);
	explore_guesses(&s);
	return weak.violation;
}

#endif /* WEAK_EXPLORE_H */
