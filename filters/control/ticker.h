/* ticker.h - who looks at what was measured, and lets limited requests go in time?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A thread for each datastore: every 10 ms it moves the window, every second it works out
 * what each disk was entitled to and what it got (accounts.h) and tells the other gateways
 * (sharing.h); in between it wakes when a limit lets somebody go.  While there is no I/O it
 * sleeps. */
#ifndef CONTROL_TICKER_H
#define CONTROL_TICKER_H

#include "datastore.h"

struct ticker;

/* `below` tells which datastore; it need not outlive the call. */
int ticker_create(const struct weir_below *below, struct ticker **ret);
void ticker_destroy(struct ticker *);  /* NULL is fine; its thread has ended */
void ticker_begin(struct datastore *); /* before its thread runs */
void *ticker_run(void *datastore);     /* the thread */

/* What it found last, for statistics. */
struct ticker_view {
    uint64_t latency, threshold; /* ns */
    uint64_t window, in_flight;  /* load */
    uint64_t peak, external;     /* units per second; percent */
    unsigned gateways;           /* that share the datastore, this one too */
};
void ticker_view(struct datastore *, struct ticker_view *);
/* How the datastore is shared with other gateways, in words. */
void ticker_exchange(struct datastore *, char *text, size_t size);

#endif
