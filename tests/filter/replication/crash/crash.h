/* crash.h - what do the parts of the crash test know of each other?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   test-crash.c   which lives, how many states
 *   life.c         a life of both sites at random
 *   lives-*.c      short ones by script (script.h), each for a step of the source (step.h)
 *   guests.c       who writes, and the history of what they were told
 *   trouble.c      what befalls the sites meanwhile
 *   judge.c        is what is left of them legal? */
#ifndef TESTS_CRASH_H
#define TESTS_CRASH_H

#include "source-site.h"
#include "step.h"

#include "cut.h"
#include "ledger-block.h"

enum {
    BLOCKS = SITE_SIZE / LEDGER_BLOCK,
    GUESTS = 4,
    LONGEST = 24, /* blocks of one write */
    EVENTS = 1 << 17,
    MOMENTS = 12, /* that are noted in one life */
    /* a frame that asks to be durable waits 10 s for one that was lost, each time */
    PATIENCE_S = 120,
};

/* Between them a crash comes. */
struct moment {
    struct target *target;
    size_t source_ops, target_ops;
    uint32_t events, ids;
    bool degraded;
    bool thin; /* the target has lost what it was sent, but for what was hardened, in this life */
};

enum { SENT, ACKED, REFUSED };
struct event {
    uint32_t id;
    uint8_t kind;
};

struct world {
    uint64_t seed;
    /* Who changes anything has it shared, for a moment; who notes a moment has it alone. */
    pthread_rwlock_t still;
    pthread_mutex_t lock; /* guards the history */
    struct operation op[EVENTS / 2];
    struct event event[EVENTS];
    uint32_t ids, events;
    struct source *source;
    struct target *target, *targets[MOMENTS + 1]; /* the present one, and all of this life */
    unsigned lives;                               /* of the target */
    struct network network;
    /* Guests that ask now, and whether they are to wait; with the lock of the history. */
    pthread_cond_t asked;
    unsigned asking;
    bool halted;
    int mode;
    bool thin;
    bool degrades;
    atomic_int spared;        /* no guest writes to that disk now; -1: none is spared */
    atomic_bool holds_record; /* the source's small files wait before they are saved */
    atomic_bool stop;
    struct moment moment[MOMENTS];
    enum source_step left_out;
    char about[96]; /* what is judged */
};
extern struct world world;

/* Ends the program: it has found what it must not find, or, without a step, what it must. */
void fail(const char *what, const char *why, uint64_t seed) __attribute__((noreturn));

/* ---- life.c ------------------------------------------------------------------------------ */

/* Both sites, in step.  `ring`, `spill`: bytes of the source. */
void life_begin(int mode, bool degrades, uint64_t ring, uint64_t spill);
void life_go_on(void); /* both are to come into step, and are alike then; the source is stopped */
void life_end(void);
void note_moment(struct moment *);
void live(void); /* a life at random, which notes all moments */

/* ---- script.c --------------------------------------------------------------------------- */

unsigned live_by_script(uint64_t *chance); /* each script once; how many states were judged */

/* ---- guests.c ------------------------------------------------------------------------- */

int guest_ask(const struct operation *); /* notes it, and what it was told */
void guest_begin(pthread_t guests[GUESTS]);
void guest_end(pthread_t guests[GUESTS]);
void guests_halt(bool halt); /* nobody asks meanwhile */

/* ---- trouble.c ------------------------------------------------------------------------- */

void pass_still(void *unused); /* before anything changes */
void trouble(uint64_t *chance);
void trouble_end(void);

/* ---- judge.c --------------------------------------------------------------------------- */

/* With what the source says of itself. */
void fail_with_status(const char *what, struct source *, uint64_t seed) __attribute__((noreturn));
void wait_in_step(struct source *, uint64_t seed);
bool source_says(struct source *, const char *word);
/* The target becomes the primary, and has what is in the source's memory. */
void judge_alike(struct memory *source, struct target *, uint64_t seed);
/* The target alone is promoted after a crash at that moment: a legal cut over all disks, with all
 * that was promised. */
void judge_failover(const struct moment *, enum memory_loss, uint64_t seed);
/* Both sites start again after it, come into step, and are alike then. */
void judge_return(const struct moment *, enum memory_loss here, enum memory_loss there,
                  uint64_t seed);

#endif
