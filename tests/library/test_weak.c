// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machines of weak.h against litmus tests, the small programs by which
 * processors are told apart: of each outcome it is known from the literature
 * whether x86 and ARMv8 let it happen (Alglave, Maranget and Tautschnig,
 * "Herding Cats", 2014; Pulte et al., "Simplifying ARM Concurrency", 2018;
 * whose names they have here).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "weak_explore.h"

enum {
	X = 2,
	Y,
	Z
};

#define LENGTH 6
#define CELL CPUS

#define LD(cell, to, order) \
	{ \
		LOAD, order, cell, 0, 0, R(to), 0, 0 \
	}
/* Of the cell that is by more than this what a register holds. */
#define LD_AT(cell, by, to) \
	{ \
		LOAD, RELAXED, cell, 0, 0, R(to), R(by), 0 \
	}
#define ST(cell, value, order) \
	{ \
		STORE, order, cell, value, 0, 0, 0, 0 \
	}
#define INC(cell, to, order) \
	{ \
		ADD, order, cell, 1, 0, R(to), 0, 0 \
	}
#define DO(what) \
	{ \
		what, RELAXED, 0, 0, 0, 0, 0, 0 \
	}
/* To the end, unless a register is 1. */
#define IF_1(reg) \
	{ \
		DIFFERENT, RELAXED, 0, R(reg), 1, 0, 0, LENGTH \
	}

struct part {
	uint8_t cpu, reg, value; /* the first is 1; CELL + 1: a cell */
};
#define REG(cpu, reg, value) \
	{ \
		(cpu) + 1, reg, value \
	}
#define END(cell, value) \
	{ \
		CELL + 1, cell, value \
	}

#define NOWHERE 0u
#define X86 (1u << STORE_BUFFERS)
#define ARM (1u << OUT_OF_ORDER)

static const struct litmus {
	const char *name;
	struct instr code[CPUS][LENGTH]; /* each until the first of zeros */
	struct part outcome[4];		 /* all of them at once */
	unsigned seen;			 /* on which machines */
} tests[] = {
	{"SB",
	 {{ST(X, 1, RELAXED), LD(Y, 0, RELAXED)},
	  {ST(Y, 1, RELAXED), LD(X, 0, RELAXED)}},
	 {REG(0, 0, 0), REG(1, 0, 0)},
	 X86 | ARM},
	{"SB+dmbs",
	 {{ST(X, 1, RELAXED), DO(FENCE), LD(Y, 0, RELAXED)},
	  {ST(Y, 1, RELAXED), DO(FENCE), LD(X, 0, RELAXED)}},
	 {REG(0, 0, 0), REG(1, 0, 0)},
	 NOWHERE},
	{"SB+dmb+po",
	 {{ST(X, 1, RELAXED), DO(FENCE), LD(Y, 0, RELAXED)},
	  {ST(Y, 1, RELAXED), LD(X, 0, RELAXED)}},
	 {REG(0, 0, 0), REG(1, 0, 0)},
	 X86 | ARM},
	{"SB+L-As",
	 {{ST(X, 1, SEQ_CST), LD(Y, 0, SEQ_CST)},
	  {ST(Y, 1, SEQ_CST), LD(X, 0, SEQ_CST)}},
	 {REG(0, 0, 0), REG(1, 0, 0)},
	 NOWHERE},
	{"SB+L-As, with one ldapr",
	 {{ST(X, 1, SEQ_CST), LD(Y, 0, SEQ_CST)},
	  {ST(Y, 1, SEQ_CST), LD(X, 0, ACQUIRE)}},
	 {REG(0, 0, 0), REG(1, 0, 0)},
	 ARM}, /* x86: xchg */
	{"SB of additions and ldar",
	 {{INC(X, 1, SEQ_CST), LD(Y, 0, SEQ_CST)},
	  {INC(Y, 1, SEQ_CST), LD(X, 0, SEQ_CST)}},
	 {REG(0, 0, 0), REG(1, 0, 0)},
	 NOWHERE},
	{"SB of additions and ldr", /* the exclusive store is no barrier */
	 {{INC(X, 1, SEQ_CST), LD(Y, 0, RELAXED)},
	  {INC(Y, 1, SEQ_CST), LD(X, 0, RELAXED)}},
	 {REG(0, 0, 0), REG(1, 0, 0)},
	 ARM},
	{"SB with membarrier(2) on one side",
	 {{ST(X, 1, RELAXED), DO(ABORT_ALL), LD(Y, 0, RELAXED)},
	  {ST(Y, 1, RELAXED), LD(X, 0, RELAXED)}},
	 {REG(0, 0, 0), REG(1, 0, 0)},
	 NOWHERE},
	{"SB+rfi-addrs", /* each sees its own store first */
	 {{ST(X, 1, RELAXED), LD(X, 1, RELAXED), LD(Y, 0, RELAXED)},
	  {ST(Y, 1, RELAXED), LD(Y, 1, RELAXED), LD(X, 0, RELAXED)}},
	 {REG(0, 1, 1), REG(1, 1, 1), REG(0, 0, 0), REG(1, 0, 0)},
	 X86 | ARM},
	{"MP",
	 {{ST(X, 1, RELAXED), ST(Y, 1, RELAXED)},
	  {LD(Y, 0, RELAXED), LD(X, 1, RELAXED)}},
	 {REG(1, 0, 1), REG(1, 1, 0)},
	 ARM},
	{"MP+popl+poap",
	 {{ST(X, 1, RELAXED), ST(Y, 1, RELEASE)},
	  {LD(Y, 0, ACQUIRE), LD(X, 1, RELAXED)}},
	 {REG(1, 0, 1), REG(1, 1, 0)},
	 NOWHERE},
	{"MP+popl+po",
	 {{ST(X, 1, RELAXED), ST(Y, 1, RELEASE)},
	  {LD(Y, 0, RELAXED), LD(X, 1, RELAXED)}},
	 {REG(1, 0, 1), REG(1, 1, 0)},
	 ARM},
	{"MP+po+poap",
	 {{ST(X, 1, RELAXED), ST(Y, 1, RELAXED)},
	  {LD(Y, 0, ACQUIRE), LD(X, 1, RELAXED)}},
	 {REG(1, 0, 1), REG(1, 1, 0)},
	 ARM},
	{"MP+dmb.st+addr",
	 {{ST(X, 1, RELAXED), DO(FENCE_STORES), ST(Y, 1, RELAXED)},
	  {LD(Y, 0, RELAXED), LD_AT(X - 1, 0, 1)}},
	 {REG(1, 0, 1), REG(1, 1, 0)},
	 NOWHERE},
	{"MP+dmb.st+ctrl", /* a branch does not hold back a load */
	 {{ST(X, 1, RELAXED), DO(FENCE_STORES), ST(Y, 1, RELAXED)},
	  {LD(Y, 0, RELAXED), IF_1(0), LD(X, 1, RELAXED)}},
	 {REG(1, 0, 1), REG(1, 1, 0)},
	 ARM},
	{"MP+dmb.st+ctrl-dmb",
	 {{ST(X, 1, RELAXED), DO(FENCE_STORES), ST(Y, 1, RELAXED)},
	  {LD(Y, 0, RELAXED), IF_1(0), DO(FENCE), LD(X, 1, RELAXED)}},
	 {REG(1, 0, 1), REG(1, 1, 0)},
	 NOWHERE},
	{"MP+popl+ of an addition that acquires",
	 {{ST(X, 1, RELAXED), ST(Y, 1, RELEASE)},
	  {INC(Y, 0, ACQUIRE), LD(X, 1, RELAXED)}},
	 {REG(1, 0, 1), REG(1, 1, 0)},
	 NOWHERE},
	{"MP+dmb+addr-po-addr, of one write (RSW)",
	 {{ST(X, 1, RELAXED), DO(FENCE), ST(Y, 1, RELAXED)},
	  {LD(Y, 0, RELAXED), LD_AT(Z - 1, 0, 1), LD(Z, 2, RELAXED),
	   LD_AT(X, 2, 3)}},
	 {REG(1, 0, 1), REG(1, 1, 0), REG(1, 2, 0), REG(1, 3, 0)},
	 ARM},
	{"MP+dmb+addr-po-addr, of two writes (RDW)",
	 {{ST(X, 1, RELAXED), DO(FENCE), ST(Y, 1, RELAXED)},
	  {LD(Y, 0, RELAXED), LD_AT(Z - 1, 0, 1), LD(Z, 2, RELAXED),
	   LD_AT(X - 1, 2, 3)},
	  {ST(Z, 1, RELAXED)}},
	 {REG(1, 0, 1), REG(1, 1, 0), REG(1, 2, 1), REG(1, 3, 0)},
	 NOWHERE},
	{"PPOCA", /* a store on a guess is seen by its own thread */
	 {{ST(X, 1, RELAXED), DO(FENCE), ST(Y, 1, RELAXED)},
	  {LD(Y, 0, RELAXED), IF_1(0), ST(Z, 1, RELAXED), LD(Z, 1, RELAXED),
	   LD_AT(X - 1, 1, 2)}},
	 {REG(1, 0, 1), REG(1, 1, 1), REG(1, 2, 0)},
	 ARM},
	{"PPOAA",
	 {{ST(X, 1, RELAXED), DO(FENCE), ST(Y, 1, RELAXED)},
	  {LD(Y, 0, RELAXED), ST(Z, R(0), RELAXED), LD(Z, 1, RELAXED),
	   LD_AT(X - 1, 1, 2)}},
	 {REG(1, 0, 1), REG(1, 1, 1), REG(1, 2, 0)},
	 NOWHERE},
	{"LB",
	 {{LD(X, 0, RELAXED), ST(Y, 1, RELAXED)},
	  {LD(Y, 0, RELAXED), ST(X, 1, RELAXED)}},
	 {REG(0, 0, 1), REG(1, 0, 1)},
	 ARM},
	{"LB+data+po",
	 {{LD(X, 0, RELAXED), ST(Y, R(0), RELAXED)},
	  {LD(Y, 0, RELAXED), ST(X, 1, RELAXED)}},
	 {REG(0, 0, 1), REG(1, 0, 1)},
	 ARM},
	{"LB+datas",
	 {{LD(X, 0, RELAXED), ST(Y, R(0), RELAXED)},
	  {LD(Y, 0, RELAXED), ST(X, R(0), RELAXED)}},
	 {REG(0, 0, 1), REG(1, 0, 1)},
	 NOWHERE},
	{"LB+ctrls",
	 {{LD(X, 0, RELAXED), IF_1(0), ST(Y, 1, RELAXED)},
	  {LD(Y, 0, RELAXED), IF_1(0), ST(X, 1, RELAXED)}},
	 {REG(0, 0, 1), REG(1, 0, 1)},
	 NOWHERE},
	{"LB+addr-pos", /* where a load goes must be known before */
	 {{LD(X, 0, RELAXED), LD_AT(Z - 1, 0, 1), ST(Y, 1, RELAXED)},
	  {LD(Y, 0, RELAXED), LD_AT(Z - 1, 0, 1), ST(X, 1, RELAXED)}},
	 {REG(0, 0, 1), REG(1, 0, 1)},
	 NOWHERE},
	{"LB+poap+popl",
	 {{LD(X, 0, ACQUIRE), ST(Y, 1, RELAXED)},
	  {LD(Y, 0, RELAXED), ST(X, 1, RELEASE)}},
	 {REG(0, 0, 1), REG(1, 0, 1)},
	 NOWHERE},
	{"S",
	 {{ST(X, 2, RELAXED), ST(Y, 1, RELAXED)},
	  {LD(Y, 0, RELAXED), ST(X, 1, RELAXED)}},
	 {REG(1, 0, 1), END(X, 2)},
	 ARM},
	{"S+popl+ctrl",
	 {{ST(X, 2, RELAXED), ST(Y, 1, RELEASE)},
	  {LD(Y, 0, RELAXED), IF_1(0), ST(X, 1, RELAXED)}},
	 {REG(1, 0, 1), END(X, 2)},
	 NOWHERE},
	{"R",
	 {{ST(X, 1, RELAXED), ST(Y, 1, RELAXED)},
	  {ST(Y, 2, RELAXED), LD(X, 0, RELAXED)}},
	 {END(Y, 2), REG(1, 0, 0)},
	 X86 | ARM},
	{"R+popl+L-A",
	 {{ST(X, 1, RELAXED), ST(Y, 1, RELEASE)},
	  {ST(Y, 2, SEQ_CST), LD(X, 0, SEQ_CST)}},
	 {END(Y, 2), REG(1, 0, 0)},
	 NOWHERE},
	{"2+2W",
	 {{ST(X, 1, RELAXED), ST(Y, 2, RELAXED)},
	  {ST(Y, 1, RELAXED), ST(X, 2, RELAXED)}},
	 {END(X, 1), END(Y, 1)},
	 ARM},
	{"2+2W+dmb.sts",
	 {{ST(X, 1, RELAXED), DO(FENCE_STORES), ST(Y, 2, RELAXED)},
	  {ST(Y, 1, RELAXED), DO(FENCE_STORES), ST(X, 2, RELAXED)}},
	 {END(X, 1), END(Y, 1)},
	 NOWHERE},
	{"CoRR",
	 {{ST(X, 1, RELAXED)}, {LD(X, 0, RELAXED), LD(X, 1, RELAXED)}},
	 {REG(1, 0, 1), REG(1, 1, 0)},
	 NOWHERE},
	{"CoWR",
	 {{ST(X, 1, RELAXED), LD(X, 0, RELAXED)}, {ST(X, 2, RELAXED)}},
	 {REG(0, 0, 2), END(X, 1)},
	 NOWHERE},
	{"CoRW1",
	 {{LD(X, 0, RELAXED), ST(X, 1, RELAXED)}},
	 {REG(0, 0, 1)},
	 NOWHERE},
	{"CoWW",
	 {{ST(X, 1, RELAXED), ST(X, 2, RELAXED)}},
	 {END(X, 1)},
	 NOWHERE},
	{"WRC+po+addr",
	 {{ST(X, 1, RELAXED)},
	  {LD(X, 0, RELAXED), ST(Y, 1, RELAXED)},
	  {LD(Y, 0, RELAXED), LD_AT(X - 1, 0, 1)}},
	 {REG(1, 0, 1), REG(2, 0, 1), REG(2, 1, 0)},
	 ARM},
	{"WRC+data+addr", /* not on POWER: there is one memory */
	 {{ST(X, 1, RELAXED)},
	  {LD(X, 0, RELAXED), ST(Y, R(0), RELAXED)},
	  {LD(Y, 0, RELAXED), LD_AT(X - 1, 0, 1)}},
	 {REG(1, 0, 1), REG(2, 0, 1), REG(2, 1, 0)},
	 NOWHERE},
	{"IRIW",
	 {{ST(X, 1, RELAXED)},
	  {ST(Y, 1, RELAXED)},
	  {LD(X, 0, RELAXED), LD(Y, 1, RELAXED)},
	  {LD(Y, 0, RELAXED), LD(X, 1, RELAXED)}},
	 {REG(2, 0, 1), REG(2, 1, 0), REG(3, 0, 1), REG(3, 1, 0)},
	 ARM},
	{"IRIW+poaps",
	 {{ST(X, 1, RELAXED)},
	  {ST(Y, 1, RELAXED)},
	  {LD(X, 0, ACQUIRE), LD(Y, 1, RELAXED)},
	  {LD(Y, 0, ACQUIRE), LD(X, 1, RELAXED)}},
	 {REG(2, 0, 1), REG(2, 1, 0), REG(3, 0, 1), REG(3, 1, 0)},
	 NOWHERE},
	{"an addition, interrupted before what is before it is done",
	 {{DO(ABORT_ALL)}, {LD(Y, 0, RELAXED), INC(X, 1, RELAXED)}},
	 {END(X, 2)},
	 NOWHERE},
	{"two additions",
	 {{INC(X, 0, RELAXED)}, {INC(X, 0, RELAXED)}},
	 {END(X, 1)},
	 NOWHERE},
	{"a store into an addition",
	 {{INC(X, 0, RELAXED)}, {ST(X, 4, RELAXED)}},
	 {REG(0, 0, 0), END(X, 1)},
	 NOWHERE},
};

static const struct litmus *test;
static long met;

static int is_met(const struct weak *s, const struct part *part)
{
	uint8_t cpu = part->cpu;

	return part->value == (cpu == CELL + 1
				       ? s->cell[part->reg]
				       : s->cpu[cpu - 1].reg[part->reg]);
}

static void look(const struct weak *s)
{
	unsigned i = 0;

	while (i < 4 && test->outcome[i].cpu && is_met(s, &test->outcome[i]))
		i++;
	met += i == 4 || !test->outcome[i].cpu;
}

static uint8_t length_of(const struct instr *code)
{
	static const struct instr none;
	uint8_t length = 0;

	while (length < LENGTH && memcmp(&code[length], &none, sizeof(none)))
		length++;
	return length;
}

/* 1: that machine comes to the outcome. */
static int comes_to(const struct litmus *which, enum machine machine)
{
	static const uint8_t orders[] = {RELAXED, ACQUIRE, RELEASE, ACQ_REL,
					 SEQ_CST};
	static const uint8_t cells[CELLS];
	struct program programs[CPUS] = {{0}};

	memset(&weak, 0, sizeof(weak));
	weak.machine = machine;
	weak.orders = orders;
	weak.at_end = look;
	weak.first_mapped = CELLS;
	test = which;
	met = 0;
	for (unsigned t = 0; t < CPUS; t++) {
		programs[t].code = which->code[t];
		programs[t].length = length_of(which->code[t]);
		if (programs[t].length)
			weak.program[t] = &programs[t];
	}
	assert_null(explore_all(cells));
	memset(weak.program, 0, sizeof(weak.program));
	return met > 0;
}

static void test_verdicts(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
		for (enum machine m = IN_ORDER; m <= OUT_OF_ORDER; m++) {
			int seen = comes_to(&tests[i], m);

			if (seen == !!(tests[i].seen & 1u << m))
				continue;
			print_error("%s on machine %d: %s\n", tests[i].name, m,
				    seen ? "seen" : "not seen");
			wrong++;
		}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_verdicts),
	};

	return cmocka_run_group_tests_name("weak", all, NULL, NULL);
}
