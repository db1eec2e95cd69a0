/* export-private.h - what do the files that make up an export know of it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * export.c (what it is, and the data path), gate.c (drain), lifecycle.c (open, close, events),
 * export-store.c (what holds its bytes), change.c (another chain while it runs), form.c (filters it
 * cannot be without), view.c (what can be read).  Nobody else. */
#ifndef WEIR_EXPORT_PRIVATE_H
#define WEIR_EXPORT_PRIVATE_H

#include "chain.h"
#include "request.h"

enum stage { STAGE_CLOSED, STAGE_OPENING, STAGE_OPEN };

struct export
{
    struct export_config config;
    atomic_uint refs;

    /* Guards what is marked (L) and the places' readers; held for moments only, never
     * while filter or store code runs.  Nothing of weir's is taken under it. */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a turn was given back, the gate opened, a reader left */
    bool turn_taken;        /* (L) a control operation is under way */
    bool stunned;           /* (L) the disk stands still until export_unstun() */
    bool writing_form;      /* (L) somebody writes what form.c remembers */
    bool store_readable;    /* (L) its statistics may be looked at, … */
    unsigned store_readers; /* (L) … and who does */
    enum stage stage;       /* (L) */
    char *locked;           /* (L) why the administrator locked it; NULL: did not */
    char *broken;           /* (L) why it could not be opened, or be put back; NULL */
    struct plan plan;       /* (L) what the chain was made from */
    struct chain *chain;    /* (L), and changed only while drained: requests read it without */
    struct weir_geometry geometry;                  /* (L) as clients see it */
    uint64_t generation, last_pause, longest_pause; /* (L) */

    atomic_int state; /* enum export_state */
    atomic_bool gate_closed;
    atomic_bool easing;  /* set under the lock, for good: filters hold nothing any more */
    atomic_uint waiting; /* clients at the gate */
    atomic_uint derived; /* derived I/O in flight */
    atomic_uint connections;

    /* written by the holder of the turn */
    _Atomic(pthread_t) controller;  /* set under the lock; may_derive() looks without */
    const struct store_type *store; /* the datastore's, or one in front of it */
    void *store_self;
    void *store_own;         /* self of the datastore's own type, whatever stands in front of it */
    uint64_t gate_closed_at; /* clock_ns */

    struct counting *total, *store_counting;
    struct order blocks; /* whole blocks against each other, where a block is not a byte */
};

/* Where its filters and form.c remember what they must not forget: an export's own folder, and
 * for one that a client asked for another that goes with it.  The caller frees; NULL: no memory. */
char *export_state_folder(const struct export *);

/* One walk through the chain, on whole blocks.  0 or a positive errno. */
int serve_blocks(struct export *, const struct weir_request *, uint64_t now);
/* The same for any range, in as many walks as it takes (align.c). */
int serve_in_pieces(struct export *, const struct weir_request *, uint64_t now);

/* export-store.c, by the holder of the turn. */
int open_store(struct export *, struct weir_text *why);
/* Waits until nobody looks at its statistics; one that is not open is fine. */
void close_store(struct export *);
int grow_store(struct export *, uint64_t size, struct weir_text *why);

/* One control operation at a time: blocks until it is this thread's turn. */
void take_turn(struct export *);
void give_turn(struct export *); /* and lets go first, when the gateway stops */

/* On a client's thread: waits at the gate while it is closed; afterwards `w` is inside.
 * True: it was open. */
bool pass_gate(struct export *, struct worker *w);

/* Closes the gate, tells the filters to let go and waits until nothing is in flight.
 * -ETIMEDOUT: something does not end, or another -errno: a filter refuses; the gate is open
 * again and the sentence says who. */
int stand_still(struct export *, struct weir_text *why);
int stand_still_for_good(struct export *); /* to close it: no filter is asked */
/* All of `list`, whose requests may wait for each other's filters, or none; *failed: which not. */
int stand_still_all(struct export *const *list, size_t count, size_t *failed,
                    struct weir_text *why);
void go_on(struct export *);
/* With the turn: what export_ease() promises. */
void let_go(struct export *);
void end_stun(struct export *); /* lifecycle.c; it is stunned */

/* state.c.  `broken`: why not, or NULL. */
void export_set_stage(struct export *, enum stage, const char *broken);
void export_settle(struct export *); /* works the state out anew; lock held */
void reason_free(char *); /* why an export or a place is locked or broken; NULL is fine */
const char *state_reason(const struct export *); /* "" when it is not locked; lock held */
/* A filter's own lock, and the core's because of a filter; both go with the place. */
void place_lock(struct weir_below *, const char *why);
void place_unlock(struct weir_below *);
void place_stuck(struct weir_below *, const char *why);
/* Detaches and frees a chain whose disk stands still, and closes the store. */
void tear_down(struct export *);

/* form.c: filters that WEIR_TRANSFORMS or weir_keep() a part of the disk.  judge: -EPERM with a
 * sentence where `plan` lacks one by which the disk has been served.  note: durably, before the
 * disk is served by it. */
#define FORM_TRANSFORMED "transformed" /* the file of the former */
int form_judge(const struct export *, const struct plan *, struct weir_text *why);
int form_note(struct export *, const char *filter);
int form_note_all(struct export *, const struct chain *, struct weir_text *why);

/* ---- left-out.c ------------------------------------------------------------------ */

#define LEFT_OUT "left-out"
/* Before the chain is served: filters that are not in it, and have a state folder, are to know. */
int left_out_note(const struct export *, const struct chain *, struct weir_text *why);
/* Before it is attached: whether it kept a part of the disk when it was here last. */
void form_recall(struct weir_below *);
/* False: the disk is nothing without it.  True: and from now on it cannot keep anything. */
bool form_may_bypass(struct weir_below *);

/* Attaches what is not attached of `places`, from the bottom up, and works out the
 * geometry of all; *top is what clients see.  On failure what it attached is detached. */
int attach_places(struct export *, struct chain *, struct weir_geometry *top,
                  struct weir_text *why);
/* Waits until nobody looks at the place's statistics, then detaches. */
void detach_place(struct export *, struct weir_below *);
/* New places for the whole plan; copies what they need. */
int create_places(struct export *, const struct plan *, struct weir_below **places);

#endif
