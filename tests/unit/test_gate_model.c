// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate of aio/gate.c as a model: every interleaving of its steps, of the
 * kernel's reader, of completions and of signal handlers is explored, with
 * sequential consistency.  Each mutation of the protocol must be found out.
 *
 * Reader's side and kernel's side each touch the ring from their load of head
 * until their store of it; the two must never overlap, but for a handler and
 * the reader that it interrupted.  The kernel itself is taken to be right.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define THREADS 3
#define CALLS 2
#define SLOTS 4 /* of the ring; one stays free */
#define EVENTS 5

enum mutation {
	NONE,
	NO_SECOND_LOOK,	      /* `read' trusts its first look */
	NO_WAIT,	      /* `enter' does not wait for the reader */
	NO_COUNT,	      /* `enter' counts when the call is over */
	SHORT_RELEASES_FIRST, /* `short' counts after it has left */
	CLOSE_DOES_NOT_WAIT,
	PLAIN_COMMIT,	  /* the reader stores head in any case */
	HANDLER_WAITS,	  /* for the reader that it interrupted */
	KERNEL_SLEEPS_ON, /* a completion wakes nobody */
	MUTATIONS
};

enum step {
	NEXT_CALL, /* 0: what a frame begins with */
	READ_LOOK,
	READ_SWAP,
	READ_LOOK_AGAIN,
	RING_HEAD,
	RING_TAIL,
	RING_COPY,
	RING_COMMIT,
	DONE,
	SHORT_COUNT,
	SHORT_RELEASE,
	ENTER_COUNT,
	ENTER_WAIT,
	KERNEL_LOCK, /* and load head and tail */
	KERNEL_COPY,
	KERNEL_STORE, /* and unlock */
	KERNEL_DECIDE,
	KERNEL_ASLEEP,
	LEAVE,
	CLOSE_CLEAR,
	CLOSE_WAIT,
	DESTROY,
	SETUP,
	OPEN_SET,
	FINISHED,
	STEPS
};

/* What a thread calls; GET waits for min_nr unless zero is set. */
struct call {
	enum {
		NOTHING,
		GET,
		RELEASE,
		CREATE,
		DISABLE
	} what;
	uint8_t min_nr, nr, zero;
};

struct scenario {
	const char *name;
	struct call calls[THREADS][CALLS];
	struct call handler[THREADS]; /* its only call */
	uint8_t signals[THREADS];     /* how often it may come */
	uint8_t events;
};

/* One function on one thread's stack: the main program, or its handler. */
struct frame {
	uint8_t step, call;
	uint8_t head, tail, take; /* of the reader or of the kernel */
	uint8_t got;		  /* in the kernel, by this call */
	uint8_t copy[SLOTS - 1];
};

/* All bytes, so that equal states have equal bytes. */
struct state {
	uint8_t open, kernel, reader; /* the gate; reader: thread + 1 */
	uint8_t alive, lock, head, tail, completed;
	uint8_t slot[SLOTS];
	enum {
		PENDING,
		IN_RING,
		TAKEN,
		GONE
	} event[EVENTS] __attribute__((packed));
	uint8_t depth[THREADS], signals[THREADS];
	struct frame frame[THREADS][2];
};

static const struct scenario *scenario;
static enum mutation mutation;
static const char *violation; /* the first one, or NULL */
static long states;

static void violated(const char *what)
{
	if (!violation)
		violation = what;
}

static unsigned waiting(unsigned head, unsigned tail)
{
	return (tail + SLOTS - head) % SLOTS;
}

static uint8_t after(unsigned head, unsigned take)
{
	return (uint8_t)((head + take) % SLOTS);
}

static const struct call *call_of(const struct state *s, unsigned t)
{
	return s->depth[t] ? &scenario->handler[t]
			   : &scenario->calls[t][s->frame[t][0].call];
}

/* Is another thread's reader between its load and its store of head? */
static int other_reads(const struct state *s, unsigned t)
{
	for (unsigned i = 0; i < THREADS; i++)
		for (unsigned d = 0; d <= s->depth[i]; d++)
			if (i != t && s->frame[i][d].step > RING_HEAD &&
			    s->frame[i][d].step <= RING_COMMIT)
				return 1;
	return 0;
}

static void must_be_mapped(const struct state *s)
{
	if (!s->alive)
		violated("a ring is gone under its reader");
}

static void deliver(struct state *s, const struct frame *f)
{
	for (unsigned i = 0; i < f->take; i++) {
		if (s->event[f->copy[i]] != IN_RING)
			violated("an event came twice");
		s->event[f->copy[i]] = TAKEN;
	}
}

static void copy(const struct state *s, struct frame *f)
{
	for (unsigned i = 0; i < f->take; i++)
		f->copy[i] = s->slot[after(f->head, i)];
}

/* --- the steps: each returns the next one, or its own number to wait --- */

typedef enum step step_function(struct state *s, unsigned t, struct frame *f,
				const struct call *c);

static enum step next_call(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	static const enum step first[] = {FINISHED, READ_LOOK, CLOSE_CLEAR,
					  SETUP, CLOSE_CLEAR};

	(void)s, (void)t;
	return f->call == CALLS ? FINISHED : first[c->what];
}

/* Every end of a call; what the frame knows is forgotten. */
static enum step call_over(struct frame *f)
{
	memset(&f->head, 0, sizeof(*f) - offsetof(struct frame, head));
	f->call++;
	return NEXT_CALL;
}

static enum step read_look(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	(void)t, (void)f, (void)c;
	return s->open && !s->kernel ? READ_SWAP : ENTER_COUNT;
}

static enum step read_swap(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	(void)f, (void)c;
	if (s->reader)
		return ENTER_COUNT;
	s->reader = (uint8_t)(t + 1);
	return mutation == NO_SECOND_LOOK ? RING_HEAD : READ_LOOK_AGAIN;
}

static enum step read_look_again(struct state *s, unsigned t, struct frame *f,
				 const struct call *c)
{
	(void)t, (void)f, (void)c;
	return s->open && !s->kernel ? RING_HEAD : SHORT_COUNT;
}

static enum step ring_head(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	(void)c;
	if (s->lock || other_reads(s, t))
		violated("two readers at once");
	must_be_mapped(s);
	f->head = s->head;
	return RING_TAIL;
}

static enum step ring_tail(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	unsigned take = waiting(f->head, s->tail);

	(void)t;
	must_be_mapped(s);
	if (take < c->min_nr && !c->zero)
		return SHORT_COUNT;
	f->take = (uint8_t)(take < c->nr ? take : c->nr);
	return f->take ? RING_COPY : DONE;
}

static enum step ring_copy(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	(void)t, (void)c;
	must_be_mapped(s);
	copy(s, f);
	return RING_COMMIT;
}

static enum step ring_commit(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)t, (void)c;
	must_be_mapped(s);
	if (s->head != f->head && mutation != PLAIN_COMMIT)
		return SHORT_COUNT;
	s->head = after(f->head, f->take);
	deliver(s, f);
	return DONE;
}

static enum step done(struct state *s, unsigned t, struct frame *f,
		      const struct call *c)
{
	(void)t, (void)c;
	s->reader = 0;
	return call_over(f);
}

static enum step short_count(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)t, (void)f, (void)c;
	if (mutation == SHORT_RELEASES_FIRST)
		s->reader = 0;
	else
		s->kernel++;
	return SHORT_RELEASE;
}

static enum step short_release(struct state *s, unsigned t, struct frame *f,
			       const struct call *c)
{
	(void)t, (void)f, (void)c;
	if (mutation == SHORT_RELEASES_FIRST)
		s->kernel++;
	else
		s->reader = 0;
	return KERNEL_LOCK;
}

static enum step enter_count(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)t, (void)f, (void)c;
	if (mutation != NO_COUNT)
		s->kernel++;
	return mutation == NO_WAIT ? KERNEL_LOCK : ENTER_WAIT;
}

static int must_wait(const struct state *s, unsigned t)
{
	return s->reader && (s->reader != t + 1 || mutation == HANDLER_WAITS);
}

static enum step enter_wait(struct state *s, unsigned t, struct frame *f,
			    const struct call *c)
{
	(void)f, (void)c;
	return must_wait(s, t) ? ENTER_WAIT : KERNEL_LOCK;
}

static enum step kernel_lock(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)c;
	if (!s->alive)
		return LEAVE; /* -EINVAL */
	if (s->lock)
		return KERNEL_LOCK;
	if (other_reads(s, t))
		violated("two readers at once");
	s->lock = 1;
	f->head = s->head;
	f->tail = s->tail;
	return KERNEL_COPY;
}

static enum step kernel_copy(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	unsigned take = waiting(f->head, f->tail), room = c->nr - f->got;

	(void)t;
	f->take = (uint8_t)(take < room ? take : room);
	copy(s, f);
	return KERNEL_STORE;
}

static enum step kernel_store(struct state *s, unsigned t, struct frame *f,
			      const struct call *c)
{
	(void)t, (void)c;
	s->head = after(f->head, f->take);
	deliver(s, f);
	f->got += f->take;
	s->lock = 0;
	return KERNEL_DECIDE;
}

static enum step kernel_decide(struct state *s, unsigned t, struct frame *f,
			       const struct call *c)
{
	(void)t;
	if (c->zero || f->got >= c->min_nr || !s->alive)
		return LEAVE;
	return f->got + waiting(s->head, s->tail) >= c->min_nr ? KERNEL_LOCK
							       : KERNEL_ASLEEP;
}

/* A completion, a signal or io_destroy() ends it. */
static enum step kernel_asleep(struct state *s, unsigned t, struct frame *f,
			       const struct call *c)
{
	(void)s, (void)t, (void)f, (void)c;
	return KERNEL_ASLEEP;
}

static enum step leave(struct state *s, unsigned t, struct frame *f,
		       const struct call *c)
{
	(void)t, (void)c;
	if (mutation != NO_COUNT)
		s->kernel--;
	return call_over(f);
}

static enum step close_clear(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)t, (void)f, (void)c;
	s->open = 0;
	return CLOSE_WAIT;
}

static enum step close_wait(struct state *s, unsigned t, struct frame *f,
			    const struct call *c)
{
	if (must_wait(s, t) && mutation != CLOSE_DOES_NOT_WAIT)
		return CLOSE_WAIT;
	return c->what == DISABLE ? call_over(f) : DESTROY;
}

/* The kernel's readers finish; sleepers go home; what waits is thrown away. */
static enum step destroy(struct state *s, unsigned t, struct frame *f,
			 const struct call *c)
{
	(void)t, (void)c;
	if (s->lock)
		return DESTROY;
	for (; s->head != s->tail; s->head = after(s->head, 1))
		s->event[s->slot[s->head]] = GONE;
	for (unsigned i = 0; i < THREADS; i++)
		if (s->frame[i][s->depth[i]].step == KERNEL_ASLEEP)
			s->frame[i][s->depth[i]].step = LEAVE;
	s->alive = 0;
	return call_over(f);
}

/* The kernel gives the new context the old one's address. */
static enum step setup(struct state *s, unsigned t, struct frame *f,
		       const struct call *c)
{
	(void)t, (void)f, (void)c;
	s->alive = 1;
	s->head = s->tail = 0;
	return OPEN_SET;
}

static enum step open_set(struct state *s, unsigned t, struct frame *f,
			  const struct call *c)
{
	(void)t, (void)c;
	s->open = 1;
	return call_over(f);
}

static enum step finished(struct state *s, unsigned t, struct frame *f,
			  const struct call *c)
{
	(void)s, (void)t, (void)f, (void)c;
	return FINISHED;
}

static step_function *const functions[STEPS] = {
	next_call,     read_look,     read_swap,     read_look_again,
	ring_head,     ring_tail,     ring_copy,     ring_commit,
	done,	       short_count,   short_release, enter_count,
	enter_wait,    kernel_lock,   kernel_copy,   kernel_store,
	kernel_decide, kernel_asleep, leave,	     close_clear,
	close_wait,    destroy,	      setup,	     open_set,
	finished};

/* --- who can move --- */

/* 1: the thread did a step. */
static int move_thread(struct state *s, unsigned t)
{
	struct frame *f = &s->frame[t][s->depth[t]];
	enum step before = f->step;

	f->step = (uint8_t)functions[before](s, t, f, call_of(s, t));
	if (s->depth[t] && f->call) { /* the handler returns */
		memset(f, 0, sizeof(*f));
		s->depth[t] = 0;
		return 1;
	}
	return f->step != before;
}

/* The kernel wakes whoever has enough now. */
static int move_completion(struct state *s)
{
	unsigned more = waiting(s->head, s->tail) + 1;

	if (!s->alive || s->completed == scenario->events || more == SLOTS)
		return 0;
	s->slot[s->tail] = s->completed;
	s->event[s->completed++] = IN_RING;
	s->tail = after(s->tail, 1);
	for (unsigned t = 0; t < THREADS; t++) {
		struct frame *f = &s->frame[t][s->depth[t]];

		if (f->step == KERNEL_ASLEEP && mutation != KERNEL_SLEEPS_ON &&
		    f->got + more >= call_of(s, t)->min_nr)
			f->step = KERNEL_LOCK;
	}
	return 1;
}

/* A handler begins, but not while its thread runs in the kernel. */
static int move_signal(struct state *s, unsigned t)
{
	struct frame *f = &s->frame[t][0];

	if (!s->signals[t] || s->depth[t] || f->step == FINISHED ||
	    (f->step >= KERNEL_COPY && f->step <= KERNEL_DECIDE))
		return 0;
	if (f->step == KERNEL_ASLEEP)
		f->step = LEAVE; /* -EINTR */
	s->signals[t]--;
	s->depth[t] = 1;
	return 1;
}

/* --- the explorer --- */

static uint64_t *known; /* hashes; 0: free */
static size_t known_size;

static uint64_t hash(const struct state *s)
{
	const unsigned char *byte = (const unsigned char *)s;
	uint64_t h = 0x9e3779b97f4a7c15;

	for (size_t i = 0; i < sizeof(*s); i++) {
		h = (h ^ byte[i]) * 0xff51afd7ed558ccd;
		h ^= h >> 29;
	}
	return h ? h : 1;
}

static void insert(uint64_t h)
{
	size_t i = h & (known_size - 1);

	while (known[i])
		i = (i + 1) & (known_size - 1);
	known[i] = h;
}

static void grow(void)
{
	uint64_t *old = known;
	size_t old_size = known_size;

	known_size = old_size ? old_size * 2 : 1 << 16;
	known = calloc(known_size, sizeof(*known));
	assert_non_null(known);
	for (size_t i = 0; i < old_size; i++)
		if (old[i])
			insert(old[i]);
	free(old);
}

/* 1: this state is new.  64 bits: two states of the same hash never meet. */
static int remember(const struct state *s)
{
	uint64_t h = hash(s);

	if ((size_t)states * 2 >= known_size)
		grow();
	for (size_t i = h & (known_size - 1); known[i];
	     i = (i + 1) & (known_size - 1))
		if (known[i] == h)
			return 0;
	insert(h);
	states++;
	return 1;
}

/* Nobody can move: is that a good end? */
static void check_end(const struct state *s)
{
	unsigned in_ring = 0, left = waiting(s->head, s->tail);

	for (unsigned t = 0; t < THREADS; t++) {
		const struct frame *f = &s->frame[t][s->depth[t]];

		if (f->step == KERNEL_ASLEEP) {
			if (f->got + left >= call_of(s, t)->min_nr)
				violated("a wake-up was lost");
		} else if (f->step != FINISHED) {
			violated("a thread is stuck");
		}
	}
	for (unsigned i = 0; i < s->completed; i++)
		in_ring += s->event[i] == IN_RING;
	for (unsigned i = 0; i < left; i++)
		if (s->event[s->slot[after(s->head, i)]] != IN_RING)
			violated("an event would come twice");
	if (in_ring != left)
		violated("an event was lost");
}

static void explore(const struct state *s);

static int explore_move(const struct state *s, unsigned who)
{
	struct state next = *s;
	int moved = who < THREADS    ? move_thread(&next, who)
		    : who == THREADS ? move_completion(&next)
				     : move_signal(&next, who - THREADS - 1);

	if (moved && !violation && remember(&next))
		explore(&next);
	return moved;
}

static void explore(const struct state *s)
{
	int moved = 0;

	for (unsigned who = 0; who <= THREADS && !violation; who++)
		moved |= explore_move(s, who);
	if (!moved && !violation)
		check_end(s);
	for (unsigned t = 0; t < THREADS && !violation; t++)
		explore_move(s, THREADS + 1 + t);
}

/* The first violation, or NULL. */
static const char *run(const struct scenario *which, enum mutation how)
{
	struct state s;

	memset(&s, 0, sizeof(s));
	scenario = which;
	mutation = how;
	violation = NULL;
	states = 0;
	s.open = s.alive = 1;
	memcpy(s.signals, which->signals, sizeof(s.signals));
	explore(&s);
	free(known);
	known = NULL;
	known_size = 0;
	return violation;
}

/* --- what is explored --- */

#define POLL \
	{ \
		GET, 1, 2, 1 \
	}
#define DO(what) \
	{ \
		what, 0, 0, 0 \
	}
#define TAKE(min) \
	{ \
		GET, min, 3, 0 \
	}

static const struct scenario scenarios[] = {
	{"consumers",
	 {{POLL, TAKE(1)}, {TAKE(1), POLL}, {TAKE(2), POLL}},
	 .events = 5},
	{"poller",
	 {{POLL, POLL}, {POLL, TAKE(2)}, {{GET, 0, 1, 0}}},
	 .events = 4},
	{"handler",
	 {{POLL, TAKE(2)}, {TAKE(1), POLL}},
	 {POLL},
	 {1},
	 .events = 5},
	{"handlers", {{TAKE(1)}, {TAKE(1)}}, {POLL, POLL}, {1, 1}, .events = 4},
	{"destroy",
	 {{POLL, POLL}, {TAKE(1)}, {DO(RELEASE), DO(CREATE)}},
	 .events = 4},
	{"disable",
	 {{POLL, POLL}, {TAKE(1), POLL}, {DO(DISABLE)}},
	 .events = 4},
};

/* What gate.c does not promise: the model must know that it goes wrong. */
static const struct scenario whole_ring = {
	"handlers that empty a whole ring", {{POLL}}, {POLL}, {2}, 5};
static const struct scenario blocking_handler = {
	"a handler that sleeps", {{POLL}, {POLL}}, {TAKE(1)}, {1}, 1};

#define SCENARIOS (sizeof(scenarios) / sizeof(*scenarios))

static void test_protocol(void **state)
{
	(void)state;
	for (size_t i = 0; i < SCENARIOS; i++) {
		const char *found = run(&scenarios[i], NONE);

		print_message("%s: %ld states\n", scenarios[i].name, states);
		assert_string_equal(found ? found : "", "");
		assert_true(states > 10000);
	}
}

static const char *const expected[MUTATIONS] = {
	[NO_SECOND_LOOK] = "consumers: two readers at once",
	[NO_WAIT] = "consumers: two readers at once",
	[NO_COUNT] = "consumers: two readers at once",
	[SHORT_RELEASES_FIRST] = "consumers: two readers at once",
	[CLOSE_DOES_NOT_WAIT] = "destroy: a ring is gone under its reader",
	[PLAIN_COMMIT] = "handler: an event came twice",
	[HANDLER_WAITS] = "handler: a thread is stuck",
	[KERNEL_SLEEPS_ON] = "consumers: a wake-up was lost",
};

/* Which scenario finds it first, and what. */
static void test_mutations(void **state)
{
	char found[100];

	(void)state;
	for (enum mutation how = NONE + 1; how < MUTATIONS; how++) {
		const char *what = NULL;
		size_t i = 0;

		while (!what && i < SCENARIOS)
			what = run(&scenarios[i++], how);
		snprintf(found, sizeof(found), "%s: %s", scenarios[i - 1].name,
			 what ? what : "nothing found");
		print_message("mutation %u: %s\n", how, found);
		assert_string_equal(found, expected[how]);
	}
}

static void test_limits(void **state)
{
	(void)state;
	assert_string_equal(run(&whole_ring, NONE), "an event came twice");
	assert_string_equal(run(&blocking_handler, NONE), "a thread is stuck");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_protocol),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("gate_model", tests, NULL, NULL);
}
