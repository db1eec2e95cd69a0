/* datastore.h - what do the disks of one datastore share, and who wakes whom?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One object for each datastore in this process, found by its name: I/O control is about
 * what disks do to each other, and they meet nowhere else.
 *
 * While nobody has to wait a request touches the counters of its CPU and takes no lock.
 * As soon as the window is full `crowded` is set, and every request goes through the
 * scheduler, under the lock.  A thread looks every 10 ms at what was measured, moves the
 * window, and lets those go whose limit allows it. */
#ifndef CONTROL_DATASTORE_H
#define CONTROL_DATASTORE_H

#include "scheduler.h"
#include "tally.h"
#include "weir-filter.h"

#include <pthread.h>

#define DATASTORE_TICK 10000000u /* ns */

/* What one CPU counts.  `in_flight` is exact; the others are written without an atomic
 * addition, and may lose one when a thread is moved to another CPU at the wrong moment. */
struct shard {
    _Alignas(64) _Atomic int64_t in_flight; /* load that went without the scheduler */
    _Atomic uint64_t count[COST_OPS], bytes[COST_OPS], units, load, latency,
        held;                           /* struct tally */
    weir_counter sampled[WEIR_BUCKETS]; /* the latency, in ns, of each 16th */
};

struct control; /* one disk: control.h */

struct datastore {
    char *name;
    unsigned users;         /* under the registry's lock */
    struct datastore *next; /* the same */

    _Atomic bool crowded;       /* somebody waits for the window: everybody takes the lock */
    _Atomic bool asleep;        /* the thread waits to be woken */
    _Atomic int64_t room;       /* load that may be in flight without the scheduler … */
    _Atomic int64_t slice;      /* … and on one CPU, without looking at the others */
    _Atomic uint64_t threshold; /* ns: so long an urgent write stands behind shares */
    struct cost cost;           /* learnt by the thread */
    unsigned cpus;              /* shards; a power of two */
    struct shard *shard;

    /* Guards what follows and the scheduling of every disk; held for a decision, never
     * while somebody is resumed or waited for.  Taken under nothing; the lock of peers.h is taken
     * under it. */
    pthread_mutex_t lock;
    pthread_cond_t wake;   /* of the thread */
    pthread_cond_t spoken; /* `speaker` is NULL again */
    struct scheduler scheduler;
    bool all_inside; /* everybody sees `crowded`: nothing is in flight without the scheduler */
    struct control *disks;
    uint64_t generation;     /* another one whenever a disk comes or goes */
    struct ticker *ticker;   /* ticker.h: what the thread knows */
    uint64_t waits_since;    /* weir_now(): since when somebody waits for the window; 0: nobody */
    uint64_t waited;         /* ns: for how long somebody did, since the thread looked last */
    uint64_t next_look;      /* weir_now(): when the thread wakes by itself */
    struct control *speaker; /* the thread reports by this disk: it must not go; NULL: by none */
    bool stopping;
    pthread_t thread;
};

/* One more user.  0 or -errno. */
int datastore_get(const struct weir_below *, struct datastore **ret);
void datastore_put(struct datastore *); /* NULL is fine */

/* What all CPUs have counted. */
void datastore_tally(const struct datastore *, struct tally *ret);
/* Load in flight that went without the scheduler. */
int64_t datastore_outside(const struct datastore *);

/* Under the lock: the scheduler learns of what went without it. */
void datastore_look_outside(struct datastore *);
/* Under the lock, after any change of what waits or is in flight: takes out all that may go
 * now, in a list for datastore_resume(), and tells those without the lock and the thread. */
struct item *datastore_gather(struct datastore *, uint64_t now);
void datastore_resume(struct item *);     /* without the lock */
void datastore_rouse(struct datastore *); /* it was asleep */

#endif
