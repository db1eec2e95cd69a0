/* scheduler.h - whose I/O goes to the datastore next, and when?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Pure code under whatever clock the caller has: no lock, no thread, no memory but the
 * wheel and two heaps.  Times are ns of one clock that never goes back.
 *
 *  - What is in flight is bounded by a window.  While it is not full nobody waits.
 *  - Shares: start-time fair queueing with a window, SFQ(D) (Jin, Chase, Kaur,
 *    SIGMETRICS'04).  A disk's request starts at S = max(V, F) in virtual time and ends at
 *    F = S + units / shares; V is the S of the last that went.  Virtual time has no relation
 *    to the clock, so shares hold however much or little the datastore does per second.
 *  - Reservations: the constraint phase of mClock (Gulati, Merchant, Varman, OSDI'10): what
 *    a disk was promised by now goes first.  When the promises exceed 90 % of what the
 *    datastore does they shrink in proportion, so that shares still mean something.
 *  - Limits: see limit.h.  A limited disk waits in a heap for its moment. */
#ifndef CONTROL_SCHEDULER_H
#define CONTROL_SCHEDULER_H

#include "heap.h"
#include "limit.h"
#include "wheel.h"

enum { LOAD_ONE = 256 }; /* the load of a small read */

struct disk;

/* A request, as the scheduler sees it; the memory is the caller's. */
struct item {
    struct disk *disk;
    struct item *next, *previous; /* in its disk's queue */
    uint64_t when;                /* ns: it was queued; then: it went */
    uint64_t bytes;               /* what a limit of bytes counts */
    uint32_t units;               /* what shares, reservations and limits count */
    uint32_t load;                /* what the window counts, in 1/LOAD_ONE */
    bool queued;
};

struct disk {
    uint64_t shares, reservation; /* units per second; 0: none */
    struct limit ios, bytes;
    bool observed;             /* never waits; `waits` counts what would have */
    struct item *first, *last; /* in the order of arrival */
    size_t queued, running;
    uint64_t finish;              /* F: virtual time */
    uint64_t promised;            /* ns: when the next reserved I/O is due */
    uint64_t last_busy;           /* ns: when it last had something queued or in flight */
    struct wheel_node turn;       /* it is ready, and queued by shares … */
    struct heap_node guarantee;   /* … and by its reservation; or … */
    struct heap_node moment;      /* … it waits for its limits */
    uint64_t allowed;             /* ns: since when its limits let its first request go, if it
                                     has waited for them; 0: it has not */
    uint64_t went, went_reserved; /* units, ever */
    uint64_t waits, limit_hits;   /* requests that were queued; because of a limit */
};

struct scheduler {
    uint32_t window;   /* load that may be in flight */
    uint32_t spare;    /* … and above it, for disks that have nothing in flight */
    uint64_t outside;  /* load in flight that the scheduler did not let through itself */
    uint64_t capacity; /* units per second that the datastore can do; 0: not known … */
    uint64_t promised; /* … and that are promised to disks that are at work */

    uint64_t light; /* ns: when a disk with nothing in flight last came to a window nearly full */
    uint64_t in_flight; /* load */
    size_t running, queued;
    uint64_t now;    /* V: virtual time */
    uint64_t shares; /* of all disks */
    struct wheel turns;
    struct heap guarantees, moments;
    size_t disks;
};

void scheduler_init(struct scheduler *);
void scheduler_finish(struct scheduler *);
/* `d` is zero but for its settings.  False: no memory. */
bool scheduler_add(struct scheduler *, struct disk *);
void scheduler_remove(struct scheduler *, struct disk *); /* it has nothing queued or running */
/* The settings of a disk that may have requests; limits of 0 are none. */
struct disk_settings {
    uint64_t shares, reservation;
    uint64_t ios, ios_max, ios_length;
    uint64_t bytes, bytes_max, bytes_length;
    bool observed;
};
void scheduler_set(struct scheduler *, struct disk *, const struct disk_settings *, uint64_t now);

/* True: the item goes now.  False: it is queued, and scheduler_next() will give it. */
bool scheduler_submit(struct scheduler *, struct item *, uint64_t now);
/* It goes whatever the rules say, and is charged up to a bound: a flush, or the end of
 * somebody's patience. */
void scheduler_force(struct scheduler *, struct item *, uint64_t now);
void scheduler_complete(struct scheduler *, struct item *, uint64_t now);
/* The next one that goes now; NULL: none. */
struct item *scheduler_next(struct scheduler *, uint64_t now);
/* When scheduler_next() may have one though nothing completes; UINT64_MAX: never. */
uint64_t scheduler_when(const struct scheduler *);

#endif
