/* cache.h - what do the filter's files share beyond a disk?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include "disk.h"

/* A request on its way down and up: weir_scratch(). */
struct cache_use {
    struct past past; /* it went to the store past the pool */
    bool fills;
    bool outside;    /* it changes the disk, which had no pool when it came */
    uint64_t number; /* FLUSH: disk.store_writes, EXTENTS: disk.batches when it came */
};

enum weir_verdict cache_down(void *self, struct weir_request *);
enum weir_verdict cache_up(void *self, struct weir_request *);

enum weir_verdict extents_up(struct disk *, struct weir_request *);

/* Options and what was asked for by a verb, together: what the disk does from now on. */
void cache_settle(struct disk *, const struct cache_config *);

extern const struct weir_option cache_options[];
extern const struct weir_stat cache_stats[];
extern const struct weir_verb cache_verbs[];

#endif
