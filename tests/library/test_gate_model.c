// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate of aio/gate.c as a model: every interleaving of its steps, of the
 * kernel's reader, of completions, of aborted sequences and of signal handlers
 * is explored, with sequential consistency, from before io_setup() on.  Each
 * mutation of the protocol must be found out.
 *
 * Reader's side and kernel's side each touch the ring from their load of head
 * until their store of it; the two must never overlap.  The kernel itself is
 * taken to be right: its reader, and that it aborts a restartable sequence
 * before a signal handler or another thread of that processor runs.
 *
 * There is no time here: whoever waits for a reader may lose patience at once.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "known.h"

#define THREADS 3
#define CALLS 2
#define SLOTS 4 /* of the ring; one stays free */
#define EVENTS 5

enum mutation {
	NONE,
	TAKE_IN_ANY_STATE,    /* `take' does not look at state */
	TAKE_WITHOUT_A_PLACE, /* nor at reader */
	PLACE_BEFORE_STATE,   /* `take' looks at them the other way round */
	LOOK_IN_ANY_STATE,    /* `look' does not look at state */
	DONE_BY_A_STORE,      /* of 0, whoever is the reader */
	NO_WAIT,	      /* `enter' does not wait for the reader */
	NO_COUNT,	      /* `enter' counts when the call is over */
	COUNT_LATE,	      /* `enter' waits, and then counts */
	NO_ABORT,	      /* a time-out is taken for a proof */
	CLOSE_DOES_NOT_ABORT,
	SIGNAL_DOES_NOT_ABORT, /* a thread that is not registered */
	KERNEL_SLEEPS_ON,      /* a completion wakes nobody */
	FORK_KEEPS_GATE,       /* the child's is not wiped */
	ENTER_WITHOUT_GATE,    /* if there is none yet */
	DEAD_TAKES,	       /* who found no context may have events */
	MUTATIONS
};

enum step {
	NEXT_CALL, /* 0: what a frame begins with */
	LOOK_STATE,
	LOOK_HEAD,
	LOOK_TAIL,
	READ_LOOK,
	READ_SWAP,
	TAKE_BEGIN,
	TAKE_FIRST,  /* state */
	TAKE_SECOND, /* reader */
	RING_HEAD,
	RING_TAIL,
	RING_COPY,
	RING_COMMIT,
	DONE,
	ENTER_FIND,
	ENTER_PROBE,
	ENTER_MAKE,
	ENTER_COUNT,
	ENTER_WAIT,
	ENTER_ABORT,
	ENTER_GIVE_UP, /* the reader's place */
	KERNEL_LOCK,   /* and load head and tail */
	KERNEL_COPY,
	KERNEL_STORE, /* and unlock */
	KERNEL_DECIDE,
	KERNEL_ASLEEP,
	LEAVE,
	CLOSE_CLEAR,
	CLOSE_ABORT,
	DESTROY,
	SETUP,
	OPEN_MAKE,
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
	uint8_t preemptions; /* of a thread in a sequence */
	uint8_t unborn;	     /* 1: there is no context, and no gate, yet */
	uint8_t jumps; /* how often a handler may leave a call by longjmp */
	uint8_t forks; /* of a handler of thread 0; the child is the last one */
};

/* One function on one thread's stack: the main program, or its handler. */
struct frame {
	uint8_t step, call;
	uint8_t head, tail, take; /* of the reader or of the kernel */
	uint8_t got;		  /* in the kernel, by this call */
	uint8_t over;		  /* `take' has answered */
	uint8_t seen;		  /* the reader that is waited for */
	uint8_t uncounted;	  /* in the kernel */
	uint8_t copy[SLOTS - 1];
};

struct gate {
	uint8_t exists, open, kernel, reader; /* reader: a frame's name */
};

/* All bytes, so that equal states have equal bytes. */
struct state {
	struct gate gate[2]; /* the process's, and the child's */
	uint8_t alive, lock, head, tail, completed;
	uint8_t slot[SLOTS];
	enum {
		PENDING,
		IN_RING,
		TAKEN,
		GONE
	} event[EVENTS] __attribute__((packed));
	uint8_t depth[THREADS], signals[THREADS], jumps, forks, preemptions;
	uint8_t child; /* 1: the last thread is a child of thread 0 */
	struct frame frame[THREADS][2];
	uint8_t unused[1]; /* as hash() takes eight bytes at a time */
};
_Static_assert(sizeof(struct state) % 8 == 0, "");

static const struct scenario *scenario;
static enum mutation mutation;
static const char *violation; /* the first one, or NULL */

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

static int is_child(const struct state *s, unsigned t)
{
	return s->child && t == THREADS - 1;
}

static const struct call *call_of(const struct state *s, unsigned t)
{
	unsigned program = is_child(s, t) ? 0 : t;

	return s->depth[t] ? &scenario->handler[t]
			   : &scenario->calls[program][s->frame[t][0].call];
}

static struct gate *gate_of(struct state *s, unsigned t)
{
	return &s->gate[is_child(s, t)];
}

/* The address of a frame: the next call of that thread has it again. */
static uint8_t name_of(const struct state *s, unsigned t)
{
	return (uint8_t)((is_child(s, t) ? 0 : t * 2) + s->depth[t] + 1);
}

static int reads(const struct frame *f)
{
	return f->step > RING_HEAD && f->step <= RING_COMMIT;
}

/* Is another reader between its load and its store of head? */
static int other_reads(const struct state *s, const struct frame *mine)
{
	for (unsigned t = 0; t < THREADS; t++)
		for (unsigned d = 0; d <= s->depth[t]; d++)
			if (&s->frame[t][d] != mine && reads(&s->frame[t][d]))
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

/* What a frame knows, but for its call; equal states have equal bytes. */
static void forget(struct frame *f)
{
	memset(&f->head, 0, sizeof(*f) - offsetof(struct frame, head));
}

/* A restartable sequence ends here, with nothing done. */
static void abort_frame(struct frame *f)
{
	if (f->step >= LOOK_STATE && f->step <= LOOK_TAIL)
		f->step = READ_LOOK;
	else if (f->step >= TAKE_FIRST && f->step <= RING_COMMIT)
		f->step = DONE;
	else
		return;
	forget(f);
}

static int in_sequence(const struct frame *f)
{
	struct frame g = *f;

	abort_frame(&g);
	return g.step != f->step;
}

/* What a handler has interrupted was aborted then. */
static void abort_all(struct state *s)
{
	for (unsigned t = 0; t < THREADS; t++)
		abort_frame(&s->frame[t][s->depth[t]]);
}

/* --- the steps: each returns the next one, or its own number to wait --- */

typedef enum step step_function(struct state *s, unsigned t, struct frame *f,
				const struct call *c);

static enum step next_call(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	static const enum step first[] = {FINISHED, READ_LOOK, CLOSE_CLEAR,
					  SETUP, CLOSE_CLEAR};

	if (f->call == CALLS || c->what != GET)
		return f->call == CALLS ? FINISHED : first[c->what];
	if (!gate_of(s, t)->exists)
		return ENTER_FIND;
	return c->zero ? LOOK_STATE : READ_LOOK;
}

/* Every end of a call; what the frame knows is forgotten. */
static enum step call_over(struct frame *f)
{
	forget(f);
	f->call++;
	return NEXT_CALL;
}

static enum step look_state(struct state *s, unsigned t, struct frame *f,
			    const struct call *c)
{
	(void)f, (void)c;
	return gate_of(s, t)->open || mutation == LOOK_IN_ANY_STATE ? LOOK_HEAD
								    : READ_LOOK;
}

static enum step look_head(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	(void)t, (void)c;
	must_be_mapped(s);
	f->head = s->head;
	return LOOK_TAIL;
}

static enum step look_tail(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	(void)t, (void)c;
	must_be_mapped(s);
	if (f->head == s->tail)
		return call_over(f);
	forget(f);
	return READ_LOOK;
}

static int may_take(const struct gate *gate)
{
	return (gate->open && !gate->kernel) || mutation == TAKE_IN_ANY_STATE;
}

static int has_place(struct state *s, unsigned t)
{
	return gate_of(s, t)->reader == name_of(s, t) ||
	       mutation == TAKE_WITHOUT_A_PLACE;
}

static enum step read_look(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	(void)f, (void)c;
	return may_take(gate_of(s, t)) ? READ_SWAP : ENTER_FIND;
}

static enum step read_swap(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	struct gate *gate = gate_of(s, t);

	(void)f, (void)c;
	if (gate->reader)
		return ENTER_FIND;
	gate->reader = name_of(s, t);
	return TAKE_BEGIN;
}

/* From here to the commit the thread may be aborted. */
static enum step take_begin(struct state *s, unsigned t, struct frame *f,
			    const struct call *c)
{
	(void)s, (void)t, (void)f, (void)c;
	return TAKE_FIRST;
}

static enum step take_first(struct state *s, unsigned t, struct frame *f,
			    const struct call *c)
{
	(void)f, (void)c;
	if (mutation == PLACE_BEFORE_STATE)
		return has_place(s, t) ? TAKE_SECOND : DONE;
	return may_take(gate_of(s, t)) ? TAKE_SECOND : DONE;
}

static enum step take_second(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)f, (void)c;
	if (mutation == PLACE_BEFORE_STATE)
		return may_take(gate_of(s, t)) ? RING_HEAD : DONE;
	return has_place(s, t) ? RING_HEAD : DONE;
}

static enum step ring_head(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	(void)t, (void)c;
	if (s->lock || other_reads(s, f))
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
	f->take = (uint8_t)(take < c->nr ? take : c->nr);
	if (f->take && (take >= c->min_nr || c->zero))
		return RING_COPY;
	forget(f);
	f->over = take >= c->min_nr || c->zero;
	return DONE;
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
	(void)c;
	must_be_mapped(s);
	if (is_child(s, t))
		violated("a child took its parent's events");
	s->head = after(f->head, f->take);
	deliver(s, f);
	forget(f);
	f->over = 1;
	return DONE;
}

static enum step done(struct state *s, unsigned t, struct frame *f,
		      const struct call *c)
{
	struct gate *gate = gate_of(s, t);

	(void)c;
	if (gate->reader == name_of(s, t) || mutation == DONE_BY_A_STORE)
		gate->reader = 0;
	return f->over ? call_over(f) : ENTER_FIND;
}

static enum step enter_find(struct state *s, unsigned t, struct frame *f,
			    const struct call *c)
{
	(void)c;
	if (gate_of(s, t)->exists)
		return mutation == COUNT_LATE ? ENTER_WAIT : ENTER_COUNT;
	f->uncounted = mutation == ENTER_WITHOUT_GATE;
	return f->uncounted ? KERNEL_LOCK : ENTER_PROBE;
}

static enum step enter_probe(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)c;
	if (s->alive && !is_child(s, t))
		return ENTER_MAKE;
	f->uncounted = mutation == DEAD_TAKES;
	return f->uncounted ? KERNEL_LOCK : call_over(f); /* -EINVAL */
}

static enum step enter_make(struct state *s, unsigned t, struct frame *f,
			    const struct call *c)
{
	(void)f, (void)c;
	gate_of(s, t)->exists = 1;
	return mutation == COUNT_LATE ? ENTER_WAIT : ENTER_COUNT;
}

static enum step enter_count(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)f, (void)c;
	if (mutation != NO_COUNT)
		gate_of(s, t)->kernel++;
	return mutation == NO_WAIT || mutation == COUNT_LATE ? KERNEL_LOCK
							     : ENTER_WAIT;
}

/* For a while; see move_impatience(). */
static enum step enter_wait(struct state *s, unsigned t, struct frame *f,
			    const struct call *c)
{
	(void)c;
	f->seen = gate_of(s, t)->reader;
	if (f->seen)
		return ENTER_WAIT;
	return mutation == COUNT_LATE ? ENTER_COUNT : KERNEL_LOCK;
}

static enum step enter_abort(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)t, (void)f, (void)c;
	if (mutation != NO_ABORT)
		abort_all(s);
	return ENTER_GIVE_UP;
}

static enum step enter_give_up(struct state *s, unsigned t, struct frame *f,
			       const struct call *c)
{
	struct gate *gate = gate_of(s, t);

	(void)c;
	if (gate->reader == f->seen)
		gate->reader = 0;
	forget(f);
	return mutation == COUNT_LATE ? ENTER_COUNT : KERNEL_LOCK;
}

static enum step kernel_lock(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)c;
	if (!s->alive || is_child(s, t))
		return LEAVE; /* -EINVAL */
	if (s->lock)
		return KERNEL_LOCK;
	if (other_reads(s, f))
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
	f->head = f->tail = f->take = 0;
	memset(f->copy, 0, sizeof(f->copy));
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
	(void)c;
	if (mutation != NO_COUNT && !f->uncounted)
		gate_of(s, t)->kernel--;
	return call_over(f);
}

static enum step close_clear(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)f, (void)c;
	gate_of(s, t)->open = 0;
	return CLOSE_ABORT;
}

static enum step close_abort(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)t;
	if (mutation != CLOSE_DOES_NOT_ABORT)
		abort_all(s);
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

/* The first one, or the kernel gives the new context the old one's address. */
static enum step setup(struct state *s, unsigned t, struct frame *f,
		       const struct call *c)
{
	(void)t, (void)f, (void)c;
	s->alive = 1;
	s->head = s->tail = 0;
	return OPEN_MAKE;
}

static enum step open_make(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	(void)f, (void)c;
	gate_of(s, t)->exists = 1;
	return OPEN_SET;
}

static enum step open_set(struct state *s, unsigned t, struct frame *f,
			  const struct call *c)
{
	(void)c;
	gate_of(s, t)->open = 1;
	return call_over(f);
}

static enum step finished(struct state *s, unsigned t, struct frame *f,
			  const struct call *c)
{
	(void)s, (void)t, (void)f, (void)c;
	return FINISHED;
}

static step_function *const functions[STEPS] = {
	next_call,     look_state,  look_head,	 look_tail,    read_look,
	read_swap,     take_begin,  take_first,	 take_second,  ring_head,
	ring_tail,     ring_copy,   ring_commit, done,	       enter_find,
	enter_probe,   enter_make,  enter_count, enter_wait,   enter_abort,
	enter_give_up, kernel_lock, kernel_copy, kernel_store, kernel_decide,
	kernel_asleep, leave,	    close_clear, close_abort,  destroy,
	setup,	       open_make,   open_set,	 finished};

/* --- who can move --- */

/* 1: the thread did a step. */
static int move_thread(struct state *s, unsigned t)
{
	struct frame *f = &s->frame[t][s->depth[t]], was = *f;

	f->step = (uint8_t)functions[was.step](s, t, f, call_of(s, t));
	if (s->depth[t] && f->call) { /* the handler returns */
		memset(f, 0, sizeof(*f));
		s->depth[t] = 0;
		return 1;
	}
	return memcmp(f, &was, sizeof(was)) != 0;
}

/* The kernel wakes whoever has enough now. */
static int move_completion(struct state *s, unsigned t)
{
	unsigned more = waiting(s->head, s->tail) + 1;

	if (t || !s->alive || s->completed == scenario->events || more == SLOTS)
		return 0;
	s->slot[s->tail] = s->completed;
	s->event[s->completed++] = IN_RING;
	s->tail = after(s->tail, 1);
	for (t = 0; t < THREADS; t++) {
		struct frame *f = &s->frame[t][s->depth[t]];

		if (f->step == KERNEL_ASLEEP && mutation != KERNEL_SLEEPS_ON &&
		    f->got + more >= call_of(s, t)->min_nr)
			f->step = KERNEL_LOCK;
	}
	return 1;
}

/* Who waits for a reader has waited for long enough. */
static int move_impatience(struct state *s, unsigned t)
{
	struct frame *f = &s->frame[t][s->depth[t]];

	if (f->step != ENTER_WAIT || !f->seen)
		return 0;
	f->step = ENTER_ABORT;
	return 1;
}

/* The thread loses its processor. */
static int move_preemption(struct state *s, unsigned t)
{
	struct frame *f = &s->frame[t][s->depth[t]];

	if (!s->preemptions || !in_sequence(f))
		return 0;
	s->preemptions--;
	abort_frame(f);
	return 1;
}

/* Signals come to user space, or to a thread that sleeps in the kernel. */
static int interruptible(const struct frame *f)
{
	return f->step != FINISHED &&
	       (f->step < KERNEL_COPY || f->step > KERNEL_DECIDE);
}

/* A handler begins. */
static int move_signal(struct state *s, unsigned t)
{
	struct frame *f = &s->frame[t][0];

	if (!s->signals[t] || s->depth[t] || !interruptible(f))
		return 0;
	if (f->step == KERNEL_ASLEEP)
		f->step = LEAVE; /* -EINTR */
	if (mutation != SIGNAL_DOES_NOT_ABORT)
		abort_frame(f);
	s->signals[t]--;
	s->depth[t] = 1;
	return 1;
}

/*
 * A handler leaves the call, and its own, by longjmp; or, if it was the last
 * one, the thread is cancelled.
 */
static int move_jump(struct state *s, unsigned t)
{
	struct frame *f = &s->frame[t][0];

	if (!s->jumps || f->step == NEXT_CALL || !interruptible(f) ||
	    !interruptible(&s->frame[t][s->depth[t]]))
		return 0;
	s->jumps--;
	memset(&s->frame[t][1], 0, sizeof(s->frame[t][1]));
	s->depth[t] = 0;
	f->step = (uint8_t)call_over(f);
	return 1;
}

/* A handler forks; both processes return from it. */
static int move_fork(struct state *s, unsigned t)
{
	struct frame *f = &s->frame[t][0];

	if (!s->forks || t || f->step == KERNEL_ASLEEP || !interruptible(f))
		return 0;
	s->forks--;
	s->child = 1;
	if (mutation != SIGNAL_DOES_NOT_ABORT)
		abort_frame(f);
	s->frame[THREADS - 1][0] = *f;
	if (mutation == FORK_KEEPS_GATE)
		s->gate[1] = s->gate[0];
	return 1;
}

/* --- the explorer --- */

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

/* What may happen; the first so many must, as long as they can. */
typedef int move_function(struct state *s, unsigned t);

static move_function *const moves[] = {
	move_thread, move_completion, move_impatience, move_preemption,
	move_signal, move_jump,	      move_fork};
#define MOVES (sizeof(moves) / sizeof(*moves))
#define PROGRESS 3

static int explore_move(const struct state *s, move_function *move, unsigned t)
{
	struct state next = *s;
	int moved = move(&next, t);

	if (moved && !violation && remember(&next, sizeof(next)))
		explore(&next);
	return moved;
}

static void explore(const struct state *s)
{
	int moved = 0;

	for (unsigned i = 0; i < MOVES; i++) {
		for (unsigned t = 0; t < THREADS && !violation; t++)
			moved |= explore_move(s, moves[i], t);
		if (i == PROGRESS - 1 && !moved && !violation)
			check_end(s);
	}
}

/* The first violation, or NULL. */
static const char *run(const struct scenario *which, enum mutation how)
{
	struct state s;

	memset(&s, 0, sizeof(s));
	scenario = which;
	mutation = how;
	violation = NULL;
	forget_all();
	if (!which->unborn)
		s.gate[0].exists = s.gate[0].open = s.alive = 1;
	s.jumps = which->jumps;
	s.preemptions = which->preemptions;
	s.forks = which->forks;
	memcpy(s.signals, which->signals, sizeof(s.signals));
	explore(&s);
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
	 {{POLL, TAKE(1)}, {TAKE(1), POLL}, {TAKE(2)}},
	 .events = 5},
	{"consumers that are preempted",
	 {{POLL, TAKE(1)}, {TAKE(1), POLL}},
	 .events = 4,
	 .preemptions = 2},
	{"poller",
	 {{POLL, POLL}, {POLL, TAKE(2)}, {{GET, 0, 1, 0}}},
	 .events = 4},
	{"handler",
	 {{POLL, TAKE(2)}, {TAKE(1), POLL}},
	 {POLL},
	 {1},
	 .events = 5},
	{"handlers", {{TAKE(1)}, {TAKE(1)}}, {POLL, POLL}, {1, 1}, .events = 4},
	{"handlers that empty a whole ring",
	 {{POLL, POLL}, {POLL}},
	 {POLL},
	 {2},
	 .events = 5},
	{"handlers that sleep",
	 {{POLL}, {POLL, TAKE(1)}},
	 {TAKE(1), TAKE(1)},
	 {1, 1},
	 .events = 3},
	{"destroy",
	 {{POLL, POLL}, {TAKE(1)}, {DO(RELEASE), DO(CREATE)}},
	 .events = 4},
	{"a handler that destroys",
	 {{POLL, POLL}, {POLL, TAKE(1)}},
	 {DO(RELEASE)},
	 {1},
	 .events = 3},
	{"disable",
	 {{POLL, POLL}, {TAKE(1), POLL}, {DO(DISABLE)}},
	 .events = 4},
	{"readers that never come back",
	 {{POLL, POLL}, {TAKE(1), POLL}},
	 .events = 3,
	 .jumps = 2},
	{"a handler that forks",
	 {{POLL, TAKE(1)}, {TAKE(1), POLL}},
	 .events = 4,
	 .forks = 1},
	{"use before setup returns",
	 {{TAKE(2), POLL}, {TAKE(1)}, {DO(CREATE), POLL}},
	 .events = 4,
	 .unborn = 1},
	{"use of a guessed handle, and destroy",
	 {{POLL, TAKE(1)}, {POLL, POLL}, {DO(CREATE), DO(RELEASE)}},
	 .events = 3,
	 .unborn = 1},
};

#define SCENARIOS (sizeof(scenarios) / sizeof(*scenarios))

static void test_protocol(void **state)
{
	(void)state;
	for (size_t i = 0; i < SCENARIOS; i++) {
		const char *found = run(&scenarios[i], NONE);

		print_message("%s: %ld states\n", scenarios[i].name, states);
		assert_string_equal(found ? found : "", "");
		assert_true(states > 1000);
	}
}

static const struct {
	const char *scenario, *what;
} expected[MUTATIONS] = {
	[TAKE_IN_ANY_STATE] = {"consumers", "two readers at once"},
	[TAKE_WITHOUT_A_PLACE] = {"consumers", "two readers at once"},
	[PLACE_BEFORE_STATE] = {"consumers", "two readers at once"},
	[LOOK_IN_ANY_STATE] = {"destroy", "a ring is gone under its reader"},
	[DONE_BY_A_STORE] = {"consumers", "two readers at once"},
	[NO_WAIT] = {"consumers", "two readers at once"},
	[NO_COUNT] = {"consumers", "two readers at once"},
	[COUNT_LATE] = {"consumers", "two readers at once"},
	[NO_ABORT] = {"consumers", "two readers at once"},
	[CLOSE_DOES_NOT_ABORT] = {"destroy", "a ring is gone under its reader"},
	[SIGNAL_DOES_NOT_ABORT] = {"handler", "two readers at once"},
	[KERNEL_SLEEPS_ON] = {"consumers", "a wake-up was lost"},
	[FORK_KEEPS_GATE] = {"a handler that forks", "two readers at once"},
	[ENTER_WITHOUT_GATE] = {"use before setup returns",
				"two readers at once"},
	[DEAD_TAKES] = {"use before setup returns", "two readers at once"},
};

static const struct scenario *scenario_of(enum mutation how)
{
	size_t i = 0;

	while (strcmp(scenarios[i].name, expected[how].scenario))
		i++;
	return &scenarios[i];
}

static void test_mutations(void **state)
{
	(void)state;
	for (enum mutation how = NONE + 1; how < MUTATIONS; how++) {
		const char *what = run(scenario_of(how), how);

		print_message("mutation %u: %s: %s\n", how, scenario->name,
			      what ? what : "nothing found");
		assert_string_equal(what ? what : "", expected[how].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_protocol),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests_name("gate_model", tests, NULL, NULL);
}
