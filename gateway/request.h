/* request.h - how does one request go down a chain and come back up?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One loop on the request's home thread: down() of each filter, the store, up() in
 * reverse.  A filter that defers parks this thread; whoever resumes only records the
 * verdict and posts the baton.  So filters run on the home thread alone, nothing
 * recurses, and no filter code runs under a stranger's lock. */
#ifndef WEIR_REQUEST_H
#define WEIR_REQUEST_H

#include "chain.h"
#include "worker.h"

/* What the core remembers of one filter while the request is below it. */
struct frame {
    uint64_t offset, length; /* as its down() found them */
    void *data;
    uint32_t flags;
    bool has_bounce;
    uint64_t spent; /* ticks in its down() */
    uint64_t left;  /* ticks: when down() was done */
    void *bounce;
    const struct settings *settings; /* the options as they were at down() */
    struct order_range *ordered;     /* the one below, or that of the request which this one
                                        replaced; NULL: it took no turn */
    struct order_range range;        /* last: it cannot move while it is in the order's list */
};

enum { ANSWER_CLOSED = -2, ANSWER_OPEN = -1 }; /* else a verdict | errno << 8 */

struct request {
    struct weir_request pub; /* first: filters hold a pointer to it */
    const struct chain *chain;
    struct worker *home;
    int first, at; /* stops above `first`; who has it: `at`, or the store */
    bool going_down;
    bool busy;            /* between request_begin() and request_end() */
    bool lost;            /* a filter that was given up on may still resume it */
    bool borrowed;        /* its scratch belongs to the lost one that it replaced */
    unsigned cpu;         /* which shard of the statistics it counts in */
    uint64_t now;         /* ticks, when the last callback returned */
    atomic_int answer;    /* open only while a filter may resume */
    _Atomic uint64_t due; /* clock_ns at which it resumes by itself; 0: never */
    atomic_int due_verdict;
    const char *_Atomic last_holder; /* for the report of a stray resume */
    struct request *next;            /* in its worker's ring */
    void *scratch;
    size_t scratch_capacity;
    struct frame frame[CHAIN_MAX];
};

/* Takes a request of this thread's, to walk `chain` from link `first` on; `now` is in
 * ticks.  NULL: no memory.  The caller fills pub, calls request_run(), reads what it
 * wants and calls request_end(). */
struct request *request_begin(const struct chain *, int first, uint64_t now);
/* 0 or a positive errno, one that NBD carries.  *r is another one afterwards where a filter
 * did not let go of the first. */
int request_run(struct request **r);
void request_end(struct request *);

/* hold.c: asks a filter, and waits where it defers. */
enum weir_verdict request_ask(struct request *, const struct link *,
                              enum weir_verdict (*)(void *, struct weir_request *));

/* derived.c: what the operations that a filter does not understand become. */
int lower(const struct chain *, int at, struct weir_request *);
void derived_stop(void); /* ends the pool of weir_submit(); nothing is in flight */

/* A thread of the pool waits for a filter, or for its turn among writes, or goes on: others
 * take its place meanwhile. */
void derived_parked(bool begin);

/* The errno that NBD carries for `error` (either sign): EPERM EIO ENOMEM ENOSPC
 * ESHUTDOWN EINVAL ENOTSUP; 0 stays. */
int nbd_errno(int error);

#endif
