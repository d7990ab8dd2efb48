/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small programs on a machine with one memory, where every way in which their
 * accesses may take place is explored.  A thread has up to WINDOW instructions
 * in flight, in the order of the program, along a guessed path; each load,
 * store, or half of a read-modify-write takes place when the rules of the
 * machine let it (may_read(), may_write()):
 *
 *	IN_ORDER	sequential consistency
 *	STORE_BUFFERS	x86: only a store waits while later loads go ahead
 *	OUT_OF_ORDER	ARMv8: whatever no order, dependency or fence holds
 *			back, loads behind a branch that is not decided, too.
 *			A seq_cst access is ARMv8's ldar or stlr; acquire is
 *			ldapr; release, stlr, but without its order before a
 *			later ldar, which C does not promise; an atomic
 *			addition or swap is a pair of ldaxr and stlxr.
 *
 * What was guessed wrongly is no execution, as the other guess is explored.
 * Not here: several memories (POWER), and what compilers reorder.
 * Source: "Arm Architecture Reference Manual", B2.3; Pulte et al., "Simplifying
 * ARM Concurrency", POPL 2018.  test_weak.c holds it to known verdicts.
 */
#ifndef WEAK_H
#define WEAK_H

#include <stdint.h>
#include <string.h>

#define WINDOW 10
#define REGS 6
#define CELLS 12
#define CPUS 4

enum machine {
	IN_ORDER,
	STORE_BUFFERS,
	OUT_OF_ORDER
};

enum order {
	RELAXED,
	ACQUIRE,
	RELEASE,
	ACQ_REL,
	SEQ_CST
};

enum op {
	LOAD,  /* to = cell at (+ index) */
	STORE, /* cell at = a */
	CAS,   /* to = cell at; if that is a, cell at = b */
	LOCK,  /* the same, once it is a */
	ADD,   /* to = cell at; cell at += a; and so on */
	AND,
	OR,
	FENCE,
	FENCE_STORES, /* between stores */
	SAME,	      /* if a == b go to target */
	DIFFERENT,
	NEXT,	   /* to = (a + 1) % b */
	TAKE,	   /* a is an event that this thread has got */
	ABORT_ALL, /* membarrier(2), see restart.h */
	UNMAP	   /* the cells from the machine's first_mapped on */
};

/* a, b, to and index: a value below 128, or R(n). */
#define R(n) (0x80 | (n))

struct instr {
	uint8_t op, access, at, a, b, to, index, target;
};

/* code ends at length; begin to end is a restartable sequence. */
struct program {
	const struct instr *code;
	uint8_t length, begin, end, abort;
};

/* What has happened to an instruction in flight. */
#define READ 1u	    /* what it reads, computes or decides is known */
#define WRITTEN 2u  /* its store has taken place */
#define NO_WRITE 4u /* a swap that found something else */
#define STALE 8u    /* what it has read was overwritten */
#define GUESSED 16u /* a branch: the program goes on, ... */
#define JUMPS 32u   /* ... at its target */
#define LATE 64u    /* it has read what was unmapped */

struct flight {
	uint8_t pc, got, has;
};

struct cpu {
	uint8_t pc, flights, to_abort; /* whom its ABORT_ALL has yet to */
	uint8_t reg[REGS];
	struct flight flight[WINDOW];
};

/* All bytes, so that equal states have equal bytes. */
struct weak {
	uint8_t cell[CELLS];
	uint8_t taken, unmapped; /* a bit for each event */
	struct cpu cpu[CPUS];
	uint8_t unused[6]; /* as hash() takes eight bytes at a time */
};
_Static_assert(sizeof(struct weak) % 8 == 0, "");

static struct { /* what runs: the caller's */
	enum machine machine;
	const struct program *program[CPUS]; /* NULL: none */
	const uint8_t *orders;		     /* enum order, by access */
	uint8_t first_mapped;
	const char *violation; /* the first one, or NULL */
	void (*at_end)(const struct weak *s);
} weak;

static void violated(const char *what)
{
	if (!weak.violation)
		weak.violation = what;
}

static const struct instr *instr_at(const struct weak *s, unsigned t,
				    unsigned i)
{
	return &weak.program[t]->code[s->cpu[t].flight[i].pc];
}

static enum order order_of(const struct instr *in)
{
	return (enum order)weak.orders[in->access];
}

static int swaps(const struct instr *in)
{
	return in->op >= CAS && in->op <= OR;
}

static int reads(const struct instr *in)
{
	return in->op == LOAD || swaps(in);
}

static int writes(const struct instr *in)
{
	return in->op == STORE || swaps(in);
}

static int acquires(const struct instr *in)
{
	return reads(in) && order_of(in) != RELAXED && order_of(in) != RELEASE;
}

static int releases(const struct instr *in)
{
	return writes(in) && order_of(in) >= RELEASE;
}

static int branches(const struct instr *in)
{
	return in->op == SAME || in->op == DIFFERENT;
}

static int to_read(const struct weak *s, unsigned t, unsigned i)
{
	return reads(instr_at(s, t, i)) && !(s->cpu[t].flight[i].has & READ);
}

static int to_write(const struct weak *s, unsigned t, unsigned i)
{
	return writes(instr_at(s, t, i)) &&
	       !(s->cpu[t].flight[i].has & (WRITTEN | NO_WRITE));
}

static int is_over(const struct weak *s, unsigned t, unsigned i)
{
	const struct instr *in = instr_at(s, t, i);

	if (reads(in) || writes(in))
		return !to_read(s, t, i) && !to_write(s, t, i);
	return s->cpu[t].flight[i].has & READ;
}

/* 1: what operand is to the i-th in flight is known. */
static int value_of(const struct weak *s, unsigned t, unsigned i,
		    unsigned operand, uint8_t *value)
{
	const struct cpu *cpu = &s->cpu[t];

	*value = (uint8_t)operand;
	if (operand < 0x80)
		return 1;
	while (i--)
		if (instr_at(s, t, i)->to == operand) {
			*value = cpu->flight[i].got;
			return cpu->flight[i].has & READ;
		}
	*value = cpu->reg[operand - 0x80];
	return 1;
}

/* 1: the cell that it is about is known; a wrong guess may lead anywhere. */
static int cell_of(const struct weak *s, unsigned t, unsigned i, uint8_t *cell)
{
	const struct instr *in = instr_at(s, t, i);
	int is_known = value_of(s, t, i, in->index, cell);

	*cell = (uint8_t)((in->at + *cell) % CELLS);
	return is_known;
}

/* Both may be about the same cell. */
static int may_meet(const struct weak *s, unsigned t, unsigned i, unsigned j)
{
	uint8_t one, other;

	return !cell_of(s, t, i, &one) || !cell_of(s, t, j, &other) ||
	       one == other;
}

/* What it writes, given what it has read. */
static uint8_t written(const struct instr *in, uint8_t old, uint8_t a,
		       uint8_t b)
{
	switch (in->op) {
	case CAS:
	case LOCK:
		return b;
	case ADD:
		return (old + a) & 0x7f;
	case AND:
		return old & a;
	case OR:
		return old | a;
	default:
		return a;
	}
}

static int new_value(const struct weak *s, unsigned t, unsigned i,
		     uint8_t *value)
{
	const struct instr *in = instr_at(s, t, i);
	uint8_t a, b;

	if (!value_of(s, t, i, in->a, &a) || !value_of(s, t, i, in->b, &b) ||
	    to_read(s, t, i))
		return 0;
	*value = written(in, s->cpu[t].flight[i].got, a, b);
	return 1;
}

/* --- the rules of the machines --- */

/* May the load i go ahead of j, which is not over? */
static int may_read_before(const struct weak *s, unsigned t, unsigned j,
			   unsigned i)
{
	const struct instr *late = instr_at(s, t, i), *in = instr_at(s, t, j);

	if (weak.machine == IN_ORDER)
		return 0;
	if (weak.machine == STORE_BUFFERS)
		return in->op == STORE && order_of(in) != SEQ_CST &&
		       !swaps(late);
	if (in->op == FENCE || (to_read(s, t, j) && acquires(in)))
		return 0;
	return !to_write(s, t, j) || order_of(in) != SEQ_CST ||
	       order_of(late) != SEQ_CST;
}

static int may_read(const struct weak *s, unsigned t, unsigned i)
{
	for (unsigned j = 0; j < i; j++)
		if (!is_over(s, t, j) && !may_read_before(s, t, j, i))
			return 0;
	return 1;
}

/* Nothing is written on a guess, nor before what may meet it. */
static int may_write_before(const struct weak *s, unsigned t, unsigned j,
			    unsigned i)
{
	const struct instr *in = instr_at(s, t, j);

	if (weak.machine != OUT_OF_ORDER || in->op == FENCE || branches(in) ||
	    in->op == FENCE_STORES || (to_read(s, t, j) && acquires(in)))
		return 0;
	return (!reads(in) && !writes(in)) ||
	       !(releases(instr_at(s, t, i)) || may_meet(s, t, i, j));
}

static int may_write(const struct weak *s, unsigned t, unsigned i)
{
	for (unsigned j = 0; j < i; j++)
		if (!is_over(s, t, j) && !may_write_before(s, t, j, i))
			return 0;
	return 1;
}

#endif /* WEAK_H */
