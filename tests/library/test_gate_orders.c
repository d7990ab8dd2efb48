// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory orders of aio/gate.c, ring.[ch] and contexts.[ch] on processors
 * that reorder (weak.h): every execution of what two or three threads and the
 * kernel do to one ring, with the orders as they are, and with each of them
 * weakened in turn, which must be found out unless it is said here why it is
 * harmless.  The other half, every interleaving of much longer programs, but
 * in order, is test_gate_model.c.
 *
 * What is assembly on x86-64 (restart.h: `look' and `take') is tried on x86 as
 * plain loads and stores, as it is there, and on ARMv8 with the orders that it
 * would need.  The kernel is taken to be right, and its copy of events to be
 * over before it stores head.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "weak_explore.h"

/* --- the accesses, behind the five orders themselves --- */

enum access {
	READ_LOOK = SEQ_CST + 1,
	READ_SWAP,
	TAKE_STATE,
	TAKE_READER,
	TAKE_HEAD,
	TAKE_TAIL,
	TAKE_COMMIT,
	READ_DONE,
	ENTER_COUNT,
	AWAIT_LOOK,
	AWAIT_SWAP,
	LEAVE_COUNT,
	OPEN_SET,
	CLOSE_CLEAR,
	LOOK_STATE,
	RINGS_OFF,
	RINGS_LOOK,
	TABLE_LOOK,
	TABLE_SWAP,
	REAP_HEAD,
	REAP_TAIL,
	REAP_COMMIT,
	ACCESSES
};

/* In the source: function and what it calls, or the access of a sequence. */
static const struct {
	const char *where;
	enum order order;
} accesses[ACCESSES] = {
	[READ_LOOK] = {"gate_read load_n", RELAXED},
	[READ_SWAP] = {"gate_read compare_exchange_n", SEQ_CST},
	[TAKE_STATE] = {"take: state", SEQ_CST},
	[TAKE_READER] = {"take: reader", RELAXED},
	[TAKE_HEAD] = {"take: head", RELAXED},
	[TAKE_TAIL] = {"take: tail", ACQUIRE},
	[TAKE_COMMIT] = {"take: commit", RELEASE},
	[READ_DONE] = {"gate_done compare_exchange_n", RELEASE},
	[ENTER_COUNT] = {"aioring_enter fetch_add", SEQ_CST},
	[AWAIT_LOOK] = {"await_reader load_n", SEQ_CST},
	[AWAIT_SWAP] = {"await_reader compare_exchange_n", SEQ_CST},
	[LEAVE_COUNT] = {"aioring_leave fetch_sub", RELEASE},
	[OPEN_SET] = {"aioring_open fetch_or", RELEASE},
	[CLOSE_CLEAR] = {"gate_close fetch_and", SEQ_CST},
	[LOOK_STATE] = {"look: state", RELAXED},
	[RINGS_OFF] = {"aioring_enter store_n", SEQ_CST},
	[RINGS_LOOK] = {"rings_on load_n", SEQ_CST},
	[TABLE_LOOK] = {"aioring_table load_n", SEQ_CST},
	[TABLE_SWAP] = {"aioring_make_table compare_exchange_n", SEQ_CST},
	[REAP_HEAD] = {"io_ring_reap load_n", RELAXED},
	[REAP_TAIL] = {"aioring_waiting load_n", ACQUIRE},
	[REAP_COMMIT] = {"io_ring_reap store_n", RELEASE},
};

/* Those that no program here has, and why. */
static const struct {
	const char *where;
	enum order order;
} left_out[] = {
	{"aioring_take load_n", RELAXED},	  /* as gate_read()'s */
	{"rings_on compare_exchange_n", SEQ_CST}, /* all have one answer */
	{"rings_on load_n", SEQ_CST},		  /* as the one before */
	{"io_ring_disable exchange_n", SEQ_CST},  /* who comes then has luck */
	{"aioring_make_table load_n", ACQUIRE},	  /* as aioring_table()'s */
	{"io_ring_ready load_n", RELAXED},	  /* its own, or a guess */
};

/* --- the programs --- */

enum {
	STATE,
	READER,
	RING_LOCK, /* the kernel's */
	TABLE,	   /* 1: the gate is there */
	RINGS,	   /* 1: on */
	HEAD,	   /* from here on it is the ring */
	TAIL,
	SLOT
};
#define SLOTS 2 /* one stays free */
#define OPEN 1
#define KERNEL 2
#define CLOSED (0x7f - OPEN)
#define LESS (0x80 - KERNEL) /* a value has seven bits */

#define LD(cell, access, to) \
	{ \
		LOAD, access, cell, 0, 0, R(to), 0, 0 \
	}
#define LD_EVENT(from, to) \
	{ \
		LOAD, RELAXED, SLOT, 0, 0, R(to), R(from), 0 \
	}
#define ST(cell, access, value) \
	{ \
		STORE, access, cell, value, 0, 0, 0, 0 \
	}
#define SWAP(cell, access, old, new, to) \
	{ \
		CAS, access, cell, old, new, R(to), 0, 0 \
	}
#define CHANGE(how, cell, access, by) \
	{ \
		how, access, cell, by, 0, 0, 0, 0 \
	}
#define UNSWAP(cell, access, old) \
	{ \
		CAS, access, cell, old, 0, 0, 0, 0 \
	}
#define IF_SAME(a, b, target) \
	{ \
		SAME, RELAXED, 0, a, b, 0, 0, target \
	}
#define UNLESS_SAME(a, b, target) \
	{ \
		DIFFERENT, RELAXED, 0, a, b, 0, 0, target \
	}
#define AFTER(from, size, to) \
	{ \
		NEXT, RELAXED, 0, from, size, R(to), 0, 0 \
	}
#define DO(what) \
	{ \
		what, RELAXED, 0, 0, 0, 0, 0, 0 \
	}
#define TAKE_EVENT(from) \
	{ \
		TAKE, RELAXED, 0, R(from), 0, 0, 0, 0 \
	}

/* From the at-th instruction on: the reader's way to the ring. */
#define READS(at, me, otherwise) \
	AFTER(98, 99, GOT), LD(STATE, READ_LOOK, 0), \
		UNLESS_SAME(R(0), OPEN, otherwise), \
		SWAP(READER, READ_SWAP, 0, me, 0), \
		UNLESS_SAME(R(0), 0, otherwise), LD(STATE, TAKE_STATE, 0), \
		UNLESS_SAME(R(0), OPEN, (at) + 17), \
		LD(READER, TAKE_READER, 0), UNLESS_SAME(R(0), me, (at) + 17), \
		LD(HEAD, TAKE_HEAD, 1), LD(TAIL, TAKE_TAIL, 2)

/* aioring_take(), of at most one event. */
#define TAKES(at, me, otherwise) \
	READS(at, me, otherwise), IF_SAME(R(1), R(2), (at) + 17), \
		LD_EVENT(1, 3), AFTER(R(1), SLOTS, 4), \
		ST(HEAD, TAKE_COMMIT, R(4)), TAKE_EVENT(3), AFTER(0, 99, GOT), \
		UNSWAP(READER, READ_DONE, me)
#define TAKES_LENGTH 18
#define TAKES_AT(at) (at) + 5, (at) + 15, (at) + 17
#define GOT 5 /* the register that is 1 if it got one */

/* Wait for the reader, without patience. */
#define AWAITS(at) \
	LD(READER, AWAIT_LOOK, 0), IF_SAME(R(0), 0, (at) + 4), DO(ABORT_ALL), \
		UNSWAP(READER, AWAIT_SWAP, R(0))

/* io_getevents(2), of at most one event. */
#define KERNEL_TAKES(at) \
	{LOCK, ACQUIRE, RING_LOCK, 0, 1, 0, 0, 0}, LD(HEAD, RELAXED, 1), \
		LD(TAIL, ACQUIRE, 2), IF_SAME(R(1), R(2), (at) + 8), \
		LD_EVENT(1, 3), AFTER(R(1), SLOTS, 4), \
		ST(HEAD, RELEASE, R(4)), TAKE_EVENT(3), \
		ST(RING_LOCK, RELEASE, 0)

/* The system call. */
#define ENTERS(at) \
	CHANGE(ADD, STATE, ENTER_COUNT, KERNEL), AWAITS((at) + 1), \
		KERNEL_TAKES((at) + 5), CHANGE(ADD, STATE, LEAVE_COUNT, LESS)
#define ENTERS_LENGTH 15

/* io_getevents() */
#define GETS(at, me, end) \
	TAKES(at, me, (at) + TAKES_LENGTH + 1), IF_SAME(R(GOT), 1, end), \
		ENTERS((at) + TAKES_LENGTH + 1)
#define GETS_LENGTH (TAKES_LENGTH + 1 + ENTERS_LENGTH)

/* The kernel completes an I/O, if there is a slot. */
#define COMPLETES(event, tail, next) \
	LD(HEAD, RELAXED, 0), IF_SAME(R(0), next, 99), \
		ST(SLOT + (tail), RELAXED, event), DO(FENCE_STORES), \
		ST(TAIL, RELAXED, next), AFTER((event)-1, 99, MADE)
#define MADE 1 /* the register that says how many */

/* io_ring_reap(), of at most one event. */
#define REAPS(at) \
	LD(HEAD, REAP_HEAD, 1), LD(TAIL, REAP_TAIL, 2), \
		IF_SAME(R(1), R(2), (at) + 7), LD_EVENT(1, 3), \
		AFTER(R(1), SLOTS, 4), ST(HEAD, REAP_COMMIT, R(4)), \
		TAKE_EVENT(3)

#define PROGRAM(name, ...) \
	static const struct instr name##_code[] = {__VA_ARGS__}

#define RUNS(name) .code = name##_code, .length = sizeof(name##_code) / 8
_Static_assert(sizeof(struct instr) == 8, "as RUNS() has it");

PROGRAM(getter_1, GETS(0, 1, GETS_LENGTH));
PROGRAM(getter_2, GETS(0, 2, GETS_LENGTH));
PROGRAM(reader, TAKES(0, 1, TAKES_LENGTH));
/* Both events of a full ring of three slots, and who then uses them again. */
PROGRAM(reader_of_two, READS(0, 1, 18), UNLESS_SAME(R(2), 2, 17),
	LD(SLOT, RELAXED, 3), LD(SLOT + 1, RELAXED, 4),
	ST(HEAD, TAKE_COMMIT, 2), TAKE_EVENT(3), TAKE_EVENT(4),
	UNSWAP(READER, READ_DONE, 1));
PROGRAM(completions_of_two, COMPLETES(3, 2, 0), COMPLETES(4, 0, 1));
PROGRAM(waiter, ENTERS(0));
PROGRAM(waiter_twice, ENTERS(0), ENTERS(ENTERS_LENGTH));
PROGRAM(completions, COMPLETES(1, 0, 1), COMPLETES(2, 1, 0),
	COMPLETES(3, 0, 1));
PROGRAM(completion, COMPLETES(1, 0, 1));
PROGRAM(looker, LD(STATE, LOOK_STATE, 0), UNLESS_SAME(R(0), OPEN, 4),
	LD(HEAD, RELAXED, 1), LD(TAIL, RELAXED, 2));
PROGRAM(destroyer, CHANGE(AND, STATE, CLOSE_CLEAR, CLOSED), DO(ABORT_ALL),
	AWAITS(2), DO(UNMAP));
/* At the address of another ring, in which an event was left. */
PROGRAM(creator, ST(HEAD, RELAXED, 0), ST(TAIL, RELAXED, 0),
	CHANGE(OR, STATE, OPEN_SET, OPEN));
/* Who could not make a gate, and who can. */
PROGRAM(without_gate, ST(RINGS, RINGS_OFF, 0), LD(TABLE, TABLE_LOOK, 0),
	IF_SAME(R(0), 1, 12), KERNEL_TAKES(3));
PROGRAM(with_gate, {CAS, TABLE_SWAP, TABLE, 0, 1, 0, 0, 0},
	LD(RINGS, RINGS_LOOK, 0), UNLESS_SAME(R(0), 1, 4 + TAKES_LENGTH),
	CHANGE(OR, STATE, OPEN_SET, OPEN), TAKES(4, 1, 4 + TAKES_LENGTH));
PROGRAM(consumer, REAPS(0), REAPS(7));

static const struct program get_1 = {RUNS(getter_1), TAKES_AT(0)};
static const struct program get_2 = {RUNS(getter_2), TAKES_AT(0)};
static const struct program only_take = {RUNS(reader), TAKES_AT(0)};
static const struct program take_two = {RUNS(reader_of_two), 5, 15, 17};
static const struct program complete_two = {RUNS(completions_of_two)};
static const struct program enter = {RUNS(waiter)};
static const struct program enter_twice = {RUNS(waiter_twice)};
static const struct program complete = {RUNS(completions)};
static const struct program complete_one = {RUNS(completion)};
static const struct program look = {RUNS(looker), 0, 4, 4};
static const struct program destroy = {RUNS(destroyer)};
static const struct program create = {RUNS(creator)};
static const struct program enter_ungated = {RUNS(without_gate)};
static const struct program open_and_take = {RUNS(with_gate), TAKES_AT(4)};
static const struct program reap = {RUNS(consumer)};

/* --- what is explored --- */

enum scenario {
	TWO_CALLS,
	CALL_AND_WAITER,
	LOST_PLACE,
	FULL_RING,
	DESTROY,
	DESTROY_A_LOOK,
	CREATE,
	NO_MEMORY,
	CONSUMER,
	SCENARIOS
};

#define NO_EVENT 9
static const struct {
	const char *name;
	const struct program *program[CPUS]; /* completions: the last of all */
	uint8_t cell[CELLS];
	uint8_t made;  /* events that are there before */
	uint8_t slots; /* 0: SLOTS */
} scenarios[SCENARIOS] = {
	[TWO_CALLS] = {"two calls of io_getevents()",
		       {&get_1, &get_2, NULL, &complete},
		       {[STATE] = OPEN},
		       .made = 0},
	[CALL_AND_WAITER] = {"a call beside one in the kernel",
			     {&get_1, &enter, NULL, &complete},
			     {[STATE] = OPEN},
			     .made = 0},
	[LOST_PLACE] = {"a reader who loses his place",
			{&only_take, &enter_twice, NULL, &complete_one},
			{[STATE] = OPEN},
			.made = 0},
	[FULL_RING] = {"two events of a full ring",
		       {&take_two, NULL, NULL, &complete_two},
		       {[STATE] = OPEN, [TAIL] = 2, [SLOT] = 1, 2},
		       .made = 2,
		       .slots = 3},
	[DESTROY] = {"a call, and the ring's end",
		     {&only_take, &destroy},
		     {[STATE] = OPEN, [TAIL] = 1, [SLOT] = 1},
		     .made = 1},
	[DESTROY_A_LOOK] = {"a look, and the ring's end",
			    {&look, &destroy},
			    {[STATE] = OPEN, [TAIL] = 1, [SLOT] = 1},
			    .made = 1},
	[CREATE] = {"a reader, and the ring's beginning",
		    {&only_take, &create},
		    {[TAIL] = 1, [SLOT] = NO_EVENT},
		    .made = 0},
	[NO_MEMORY] = {"no memory for a gate",
		       {&open_and_take, &enter_ungated},
		       {[RINGS] = 1, [TAIL] = 1, [SLOT] = 1},
		       .made = 1},
	[CONSUMER] = {"one consumer",
		      {&reap, NULL, NULL, &complete},
		      {[STATE] = 0},
		      .made = 0},
};

static unsigned made_before, slots;

/* Each event was taken, or is in the ring, once. */
static void check_end(const struct weak *s)
{
	unsigned later = s->cpu[CPUS - 1].reg[MADE];
	unsigned made = later ? later : made_before;
	unsigned there = s->taken, head = s->cell[HEAD];

	if (s->unmapped)
		return;
	for (; head != s->cell[TAIL]; head = (head + 1) % slots) {
		unsigned event = 1u << s->cell[SLOT + head];

		if (there & event)
			violated("an event would come twice");
		there |= event;
	}
	if (there != (2u << made) - 2)
		violated("an event was lost");
}

/* The first violation, or NULL. */
static const char *explored(enum scenario which, enum machine machine,
			    const uint8_t *orders)
{
	memset(&weak, 0, sizeof(weak));
	memcpy(weak.program, scenarios[which].program, sizeof(weak.program));
	weak.machine = machine;
	weak.orders = orders;
	weak.at_end = check_end;
	weak.first_mapped = HEAD;
	made_before = scenarios[which].made;
	slots = scenarios[which].slots ? scenarios[which].slots : SLOTS;
	return explore_all(scenarios[which].cell);
}

/* --- the orders as they are --- */

static void orders_of_source(uint8_t *orders)
{
	for (unsigned i = 0; i < ACCESSES; i++)
		orders[i] = (uint8_t)(i <= SEQ_CST ? i : accesses[i].order);
}

static void explore_each(enum machine machine, const uint8_t *orders)
{
	for (enum scenario i = 0; i < SCENARIOS; i++) {
		const char *found = explored(i, machine, orders);

		print_message("%s: %ld states\n", scenarios[i].name, states);
		assert_string_equal(found ? found : "", "");
		assert_true(states > 10);
	}
}

static void test_armv8(void **state)
{
	uint8_t orders[ACCESSES];

	(void)state;
	orders_of_source(orders);
	explore_each(OUT_OF_ORDER, orders);
}

/* Where the processor keeps the order of the sequences' loads and stores. */
static void test_x86(void **state)
{
	uint8_t orders[ACCESSES];

	(void)state;
	orders_of_source(orders);
	for (enum access i = TAKE_STATE; i <= TAKE_COMMIT; i++)
		orders[i] = RELAXED;
	orders[LOOK_STATE] = RELAXED;
	explore_each(STORE_BUFFERS, orders);
}

/* --- each one weakened --- */

#define TWICE "an event came twice"
#define AGAIN "an event would come twice"
#define NONE "an event was none"
#define HARMLESS SCENARIOS

/* Where each weaker order shows, and how; or that none does, and why. */
static const struct {
	enum scenario scenario;
	const char *what;
} weaker[ACCESSES] = {
	[READ_SWAP] = {LOST_PLACE, TWICE},
	[TAKE_STATE] = {LOST_PLACE, TWICE},
	[TAKE_TAIL] = {LOST_PLACE, NONE},
	[TAKE_COMMIT] = {FULL_RING, AGAIN},
	[READ_DONE] = {LOST_PLACE, TWICE},
	[ENTER_COUNT] = {LOST_PLACE, TWICE},
	[AWAIT_LOOK] = {LOST_PLACE, TWICE},
	[AWAIT_SWAP] = {HARMLESS, "membarrier(2) is before it, and while the "
				  "count is there nobody takes"},
	[LEAVE_COUNT] = {LOST_PLACE, TWICE},
	[OPEN_SET] = {CREATE, NONE},
	[CLOSE_CLEAR] = {HARMLESS, "membarrier(2) is between it and the end"},
	[RINGS_OFF] = {NO_MEMORY, TWICE},
	[RINGS_LOOK] = {NO_MEMORY, TWICE},
	[TABLE_LOOK] = {NO_MEMORY, TWICE},
	[TABLE_SWAP] = {NO_MEMORY, TWICE},
	[REAP_TAIL] = {CONSUMER, NONE},
	[REAP_COMMIT] = {CONSUMER, AGAIN},
};

/* Loads do not release, and stores do not acquire. */
static int is_weaker(enum order order, enum access i)
{
	const char *where = accesses[i].where;
	int swap = strstr(where, "exchange") || strstr(where, "fetch");
	int store = strstr(where, "store") || strstr(where, "commit");

	if (!swap && (order == ACQ_REL || order == (store ? ACQUIRE : RELEASE)))
		return 0;
	return order < accesses[i].order &&
	       !(order == ACQUIRE && accesses[i].order == RELEASE);
}

static void check_weaker(enum access i, const uint8_t *orders)
{
	enum scenario scenario = weaker[i].scenario;
	const char *found;

	print_message("%s: order %d\n", accesses[i].where, orders[i]);
	if (scenario == HARMLESS) {
		explore_each(OUT_OF_ORDER, orders);
		return;
	}
	found = explored(scenario, OUT_OF_ORDER, orders);
	assert_string_equal(found ? found : "", weaker[i].what);
}

static void test_weaker_orders(void **state)
{
	uint8_t orders[ACCESSES];

	(void)state;
	for (enum access i = SEQ_CST + 1; i < ACCESSES; i++) {
		orders_of_source(orders);
		assert_true(accesses[i].order == RELAXED || weaker[i].what);
		for (enum order o = RELAXED; o < accesses[i].order; o++) {
			if (!is_weaker(o, i))
				continue;
			orders[i] = (uint8_t)o;
			check_weaker(i, orders);
		}
	}
}

/* All swaps are locked there; of the stores one needs to be. */
static void test_weaker_store_on_x86(void **state)
{
	uint8_t orders[ACCESSES];
	const char *found;

	(void)state;
	orders_of_source(orders);
	orders[RINGS_OFF] = RELEASE;
	found = explored(NO_MEMORY, STORE_BUFFERS, orders);
	assert_string_equal(found ? found : "", TWICE);
}

/* For test_gate_orders.py, which looks for them in the source. */
static void print_order(const char *where, enum order order)
{
	static const char *const names[] = {"RELAXED", "ACQUIRE", "RELEASE",
					    "ACQ_REL", "SEQ_CST"};

	if (!strchr(where, ':'))
		printf("%s %s\n", where, names[order]);
}

static int print_orders(void)
{
	for (enum access i = SEQ_CST + 1; i < ACCESSES; i++)
		print_order(accesses[i].where, accesses[i].order);
	for (size_t i = 0; i < sizeof(left_out) / sizeof(*left_out); i++)
		print_order(left_out[i].where, left_out[i].order);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_armv8),
		cmocka_unit_test(test_x86),
		cmocka_unit_test(test_weaker_orders),
		cmocka_unit_test(test_weaker_store_on_x86),
	};

	if (argc > 1 && !strcmp(argv[1], "--orders"))
		return print_orders();
	return cmocka_run_group_tests_name("gate_orders", tests, NULL, NULL);
}
