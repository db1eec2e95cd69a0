/* ticker.h - who looks at what was measured, and lets limited requests go in time?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_TICKER_H
#define CONTROL_TICKER_H

#include "datastore.h"

struct ticker;

/* `below` tells which datastore; it need not outlive the call. */
int ticker_create(const struct weir_below *below, struct ticker **ret);
void ticker_destroy(struct ticker *);  /* NULL is fine */
void ticker_begin(struct datastore *); /* before its thread runs */
void *ticker_run(void *datastore);     /* the thread */

/* What it found last, for statistics. */
struct ticker_view {
    uint64_t latency, threshold; /* ns */
    uint64_t window, in_flight;  /* load */
    uint64_t peak, external;     /* units per second; percent */
    unsigned gateways;           /* that share the datastore */
};
void ticker_view(struct datastore *, struct ticker_view *);

#endif
