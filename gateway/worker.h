/* worker.h - which thread is a request at home on?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Every thread that serves a request has one worker.  Workers are never freed, only
 * used again by later threads, so that whoever still holds a pointer to a request
 * after its end (a filter that resumes twice) finds a request, not freed memory. */
#ifndef WEIR_WORKER_H
#define WEIR_WORKER_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct export;
struct request;
struct weir_below;

struct worker {
    /* The export whose gate this thread has passed with a client's request.  Drain
     * waits until no worker names the export. */
    _Atomic(struct export *) inside;
    /* And the one whose store serves that request from another, which is `inside` meanwhile: set
     * from the first time until it leaves the outer one, so that a drain that looks at the two,
     * one after the other, finds it in either.  Only an export without filters is an outer one. */
    _Atomic(struct export *) outside;
    /* How often it has passed a gate: the same number later means the same visit.  Only
     * this thread writes it. */
    _Atomic uint64_t visits;
    /* Who holds the request that this thread waits for, and since when (clock_ns). */
    _Atomic(struct weir_below *) holder;
    _Atomic uint64_t held_since;

    bool of_pool;                /* it runs what weir_submit() was given */
    sem_t baton;                 /* posted by whoever lets this thread go on */
    struct request *ring;        /* finished and running requests, used in turn */
    struct worker *_Atomic next; /* in the list of all */
    atomic_bool taken;           /* by a living thread */
};

struct worker *worker_self(void);  /* NULL: no memory */
struct worker *worker_first(void); /* all there ever were, by ->next */

static inline bool worker_is_in(const struct worker *w, const struct export *e)
{
    return atomic_load(&w->inside) == e || atomic_load(&w->outside) == e;
}

#endif
