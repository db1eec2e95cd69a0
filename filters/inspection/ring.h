/* ring.h - which were the last N requests?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One ring per CPU, so that tracing shares no cache line; a reader merges them by time.
 * A ring holds all N, because a client may stay on one CPU; its memory is touched only
 * when it is used.  Nothing is locked: a slot has a sequence number that is odd while it
 * is written, and a reader skips a slot that changed under its eyes. */
#ifndef RING_H
#define RING_H

#include "weir-filter.h"

struct trace_entry {
    uint64_t time; /* ns, CLOCK_MONOTONIC, of the arrival */
    uint64_t offset, length, latency;
    uint32_t flags;
    uint16_t op, error;
};

struct ring;

/* `entries` for each CPU.  0 or -ENOMEM. */
int ring_create(unsigned entries, struct ring **ret);
void ring_destroy(struct ring *); /* NULL is fine */
void ring_put(struct ring *, const struct trace_entry *);
/* The newest entries, at most `entries`, by time.  The caller frees. */
int ring_read(const struct ring *, struct trace_entry **ret, size_t *count);

#endif
