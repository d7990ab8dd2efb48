// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate of aio/gate.c as a model: every interleaving of its steps, of the
 * kernel's reader, of completions and of signal handlers is explored, with
 * sequential consistency.  Each mutation of the protocol must be found out.
 *
 * Reader's side and kernel's side each touch the ring from their load of head
 * until their store of it; the two must never overlap, but for a handler and
 * the reader that it interrupted, and for a reader that was given up, which
 * must not store.  The kernel itself is taken to be right.
 *
 * There is no time here: whoever waits for a reader may give it up at once.
 * But nobody does, and no handler forks, while a reader is in the gap between
 * its last look and the commit.  That gap gate.c cannot close: test_limits()
 * shows what would happen there.
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
	PLAIN_COMMIT,	   /* the reader stores head in any case */
	HANDLER_WAITS,	   /* for the reader that it interrupted */
	KERNEL_SLEEPS_ON,  /* a completion wakes nobody */
	NO_GIVING_UP,	   /* `enter' waits for ever */
	NO_LOST_MARK,	   /* the reader is not told that it was given up */
	NO_LAST_LOOK,	   /* ... or does not ask */
	READ_THOUGH_LOST,  /* `read' does not mind the mark */
	LAST_LOOK_AT_LOST, /* only, not at OPEN */
	FORK_KEEPS_GATE,   /* the child's is not wiped */
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
	RING_LOOK,
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
	uint8_t stuck; /* 1: a reader may be given up */
	uint8_t jumps; /* how often a handler may leave a call by longjmp */
	uint8_t forks; /* of a handler of thread 0; the child is the last one */
	uint8_t gap;   /* 1: even between a last look and its commit */
};

/* One function on one thread's stack: the main program, or its handler. */
struct frame {
	uint8_t step, call;
	uint8_t head, tail, take; /* of the reader or of the kernel */
	uint8_t got;		  /* in the kernel, by this call */
	uint8_t given_up;	  /* as the reader, or never was this ring's */
	uint8_t copy[SLOTS - 1];
};

struct gate {
	uint8_t open, lost, kernel, reader; /* reader: thread + 1 */
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
	uint8_t depth[THREADS], signals[THREADS], jumps, forks;
	uint8_t child; /* 1: the last thread is a child of thread 0 */
	struct frame frame[THREADS][2];
	uint8_t unused[6]; /* as hash() takes eight bytes at a time */
};
_Static_assert(sizeof(struct state) % 8 == 0, "");

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

/* Is another thread's reader between its load and its store of head? */
static int other_reads(const struct state *s, unsigned t)
{
	for (unsigned i = 0; i < THREADS; i++)
		for (unsigned d = 0; d <= s->depth[i]; d++) {
			const struct frame *f = &s->frame[i][d];

			if (i != t && f->step > RING_HEAD &&
			    f->step <= RING_COMMIT && !f->given_up)
				return 1;
		}
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

static int may_read(const struct gate *gate)
{
	return gate->open && !gate->kernel &&
	       (!gate->lost || mutation == READ_THOUGH_LOST);
}

static enum step read_look(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	(void)f, (void)c;
	return may_read(gate_of(s, t)) ? READ_SWAP : ENTER_COUNT;
}

static enum step read_swap(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	struct gate *gate = gate_of(s, t);

	(void)f, (void)c;
	if (gate->reader)
		return ENTER_COUNT;
	gate->reader = (uint8_t)(t + 1);
	return mutation == NO_SECOND_LOOK ? RING_HEAD : READ_LOOK_AGAIN;
}

static enum step read_look_again(struct state *s, unsigned t, struct frame *f,
				 const struct call *c)
{
	(void)f, (void)c;
	return may_read(gate_of(s, t)) ? RING_HEAD : SHORT_COUNT;
}

static enum step ring_head(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	(void)c;
	if (!f->given_up && (s->lock || other_reads(s, t)))
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
	return mutation == NO_LAST_LOOK ? RING_COMMIT : RING_LOOK;
}

static enum step ring_look(struct state *s, unsigned t, struct frame *f,
			   const struct call *c)
{
	const struct gate *gate = gate_of(s, t);

	(void)f, (void)c;
	return !gate->lost && (gate->open || mutation == LAST_LOOK_AT_LOST)
		       ? RING_COMMIT
		       : SHORT_COUNT;
}

static enum step ring_commit(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)c;
	must_be_mapped(s);
	if (s->head != f->head && mutation != PLAIN_COMMIT)
		return SHORT_COUNT;
	if (is_child(s, t))
		violated("a child took its parent's events");
	else if (s->lock)
		violated("two readers at once");
	s->head = after(f->head, f->take);
	deliver(s, f);
	return DONE;
}

static enum step done(struct state *s, unsigned t, struct frame *f,
		      const struct call *c)
{
	(void)c;
	gate_of(s, t)->reader = 0;
	return call_over(f);
}

static enum step short_count(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)f, (void)c;
	if (mutation == SHORT_RELEASES_FIRST)
		gate_of(s, t)->reader = 0;
	else
		gate_of(s, t)->kernel++;
	return SHORT_RELEASE;
}

static enum step short_release(struct state *s, unsigned t, struct frame *f,
			       const struct call *c)
{
	(void)f, (void)c;
	if (mutation == SHORT_RELEASES_FIRST)
		gate_of(s, t)->kernel++;
	else
		gate_of(s, t)->reader = 0;
	return KERNEL_LOCK;
}

static enum step enter_count(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)f, (void)c;
	if (mutation != NO_COUNT)
		gate_of(s, t)->kernel++;
	return mutation == NO_WAIT ? KERNEL_LOCK : ENTER_WAIT;
}

static int must_wait(struct state *s, unsigned t)
{
	const struct gate *gate = gate_of(s, t);

	return gate->reader && !gate->lost &&
	       (gate->reader != t + 1 || mutation == HANDLER_WAITS);
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
	if (!s->alive || is_child(s, t))
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
	(void)c;
	if (mutation != NO_COUNT)
		gate_of(s, t)->kernel--;
	return call_over(f);
}

static enum step close_clear(struct state *s, unsigned t, struct frame *f,
			     const struct call *c)
{
	(void)f, (void)c;
	gate_of(s, t)->open = 0;
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
	next_call,   read_look,	    read_swap,	   read_look_again, ring_head,
	ring_tail,   ring_copy,	    ring_look,	   ring_commit,	    done,
	short_count, short_release, enter_count,   enter_wait,	    kernel_lock,
	kernel_copy, kernel_store,  kernel_decide, kernel_asleep,   leave,
	close_clear, close_wait,    destroy,	   setup,	    open_set,
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

/* The readers, as somebody gives up waiting for them; 0: he must not yet. */
static int give_up_readers(struct state *s)
{
	for (unsigned t = 0; t < THREADS; t++)
		for (unsigned d = 0; d <= s->depth[t]; d++) {
			struct frame *f = &s->frame[t][d];

			if (f->step == RING_COMMIT && !scenario->gap)
				return 0;
			if (f->step >= RING_HEAD && f->step <= RING_COMMIT)
				f->given_up = 1;
		}
	return 1;
}

/* Who waits for a reader has waited for long enough. */
static int move_give_up(struct state *s, unsigned t)
{
	struct frame *f = &s->frame[t][s->depth[t]];

	if (!scenario->stuck || mutation == NO_GIVING_UP ||
	    (f->step != ENTER_WAIT && f->step != CLOSE_WAIT) ||
	    !must_wait(s, t) || !give_up_readers(s))
		return 0;
	gate_of(s, t)->lost = mutation != NO_LOST_MARK;
	f->step = f->step == ENTER_WAIT ? KERNEL_LOCK : DESTROY;
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

	if (!s->forks || t || f->step == KERNEL_ASLEEP || !interruptible(f) ||
	    (f->step == RING_COMMIT && !scenario->gap))
		return 0;
	s->forks--;
	s->child = 1;
	s->frame[THREADS - 1][0] = *f;
	s->frame[THREADS - 1][0].given_up = 1;
	if (mutation == FORK_KEEPS_GATE)
		s->gate[1] = s->gate[0];
	return 1;
}

/* --- the explorer --- */

static uint64_t *known; /* hashes; 0: free */
static size_t known_size;

static uint64_t hash(const struct state *s)
{
	const unsigned char *byte = (const unsigned char *)s;
	uint64_t word, h = 0x9e3779b97f4a7c15;

	for (size_t i = 0; i < sizeof(*s); i += sizeof(word)) {
		memcpy(&word, byte + i, sizeof(word));
		h = (h ^ word) * 0xff51afd7ed558ccd;
		h ^= h >> 32;
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

/* What may happen; the first so many must, as long as they can. */
typedef int move_function(struct state *s, unsigned t);

static move_function *const moves[] = {move_thread,  move_completion,
				       move_give_up, move_signal,
				       move_jump,    move_fork};
#define MOVES (sizeof(moves) / sizeof(*moves))
#define PROGRESS 3

static int explore_move(const struct state *s, move_function *move, unsigned t)
{
	struct state next = *s;
	int moved = move(&next, t);

	if (moved && !violation && remember(&next))
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
	states = 0;
	s.gate[0].open = s.alive = 1;
	s.jumps = which->jumps;
	s.forks = which->forks;
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
	{"a stuck reader",
	 {{POLL, POLL}, {TAKE(1)}, {POLL}},
	 .events = 3,
	 .stuck = 1},
	{"a handler that sleeps",
	 {{POLL}, {POLL, TAKE(1)}},
	 {TAKE(1)},
	 {1},
	 .events = 3,
	 .stuck = 1},
	{"a reader that never comes back",
	 {{POLL, POLL}, {TAKE(1), POLL}},
	 .events = 3,
	 .stuck = 1,
	 .jumps = 1},
	{"a handler that forks",
	 {{POLL, TAKE(1)}, {TAKE(1), POLL}},
	 .events = 4,
	 .forks = 1},
};

/* What gate.c does not promise: the model must know that it goes wrong. */
static const struct scenario whole_ring = {
	"handlers that empty a whole ring", {{POLL}}, {POLL}, {2}, .events = 5};
static const struct scenario stopped_reader = {
	"a reader stopped after its last look, and given up",
	{{POLL}, {POLL}},
	.events = 2,
	.stuck = 1,
	.gap = 1};
static const struct scenario late_fork = {
	"a handler that forks after its reader's last look",
	{{POLL}},
	.events = 1,
	.forks = 1,
	.gap = 1};
static const struct scenario lost_ring = {
	"a stuck reader, and io_destroy() that gives it up",
	{{POLL}, {DO(RELEASE)}},
	.events = 1,
	.stuck = 1};

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

static const struct {
	const char *scenario, *what;
} expected[MUTATIONS] = {
	[NO_SECOND_LOOK] = {"consumers", "two readers at once"},
	[NO_WAIT] = {"consumers", "two readers at once"},
	[NO_COUNT] = {"consumers", "two readers at once"},
	[SHORT_RELEASES_FIRST] = {"consumers", "two readers at once"},
	[CLOSE_DOES_NOT_WAIT] = {"destroy", "a ring is gone under its reader"},
	[PLAIN_COMMIT] = {"handler", "an event came twice"},
	[HANDLER_WAITS] = {"handler", "a thread is stuck"},
	[KERNEL_SLEEPS_ON] = {"consumers", "a wake-up was lost"},
	[NO_GIVING_UP] = {"a handler that sleeps", "a thread is stuck"},
	[NO_LOST_MARK] = {"a stuck reader", "two readers at once"},
	[NO_LAST_LOOK] = {"a stuck reader", "two readers at once"},
	[READ_THOUGH_LOST] = {"a stuck reader", "two readers at once"},
	[LAST_LOOK_AT_LOST] = {"a handler that forks",
			       "a child took its parent's events"},
	[FORK_KEEPS_GATE] = {"a handler that forks",
			     "a child took its parent's events"},
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

static void test_limits(void **state)
{
	(void)state;
	assert_string_equal(run(&whole_ring, NONE), "an event came twice");
	assert_string_equal(run(&stopped_reader, NONE), "two readers at once");
	assert_string_equal(run(&late_fork, NONE),
			    "a child took its parent's events");
	assert_string_equal(run(&lost_ring, NONE),
			    "a ring is gone under its reader");
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
