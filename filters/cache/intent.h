/* intent.h - where may the pool be older than the store?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What is written past the pool (modes read and write-through, trim, large zeroes) makes blocks of
 * it old.  In RAM they are put right at once, on the pool later; a crash in between would serve old
 * bytes.  So before the store is written in a region of 1 MiB, the log says so, durably, and after
 * a crash no clean block of such a region is believed.  A checkpoint, which brings the pool up to
 * date, takes the marks back of regions that nobody has written in meanwhile.
 *
 * A set of regions in RAM, under the pool's lock. */
#ifndef CACHE_INTENT_H
#define CACHE_INTENT_H

#include "block.h"

#include <stddef.h>

/* Blocks of one region: 1 MiB. */
enum { REGION_BLOCKS = 256 };

/* No disk has as many regions: a mark of all of them. */
#define REGION_OF_ALL (BLOCKS_MAX - 1)

static inline uint64_t region_of(uint64_t key)
{
    return block_key(key_disk(key), key_block(key) / REGION_BLOCKS);
}

struct intents {
    struct intent {
        uint64_t region;   /* block_key() of disk and number */
        uint32_t writing;  /* requests under way */
        bool used, marked; /* an entry; the log says so (or is about to) */
        bool fresh;        /* marked or written in since the last intents_turn() */
        bool goes;         /* intents_keep() alone */
    } * table;
    size_t size, count;
};

void intents_finish(struct intents *);
/* Room for `more` regions.  0, -ENOMEM. */
int intents_reserve(struct intents *, size_t more);
/* A write in the region begins.  True: the log is to be told, and log_sync() to be done, before. */
bool intents_begin(struct intents *, uint64_t region);
/* The log has been told, durably. */
void intents_marked(struct intents *, uint64_t region);
void intents_end(struct intents *, uint64_t region);

/* A checkpoint begins: from now on what is written in is fresh. */
void intents_turn(struct intents *);
/* … and ends: regions that are neither fresh nor written in, of disks that are not loose (by their
 * numbers; NULL: all are), are forgotten.  The rest is put in *ret, which the caller frees.
 * -ENOMEM: nothing has been done. */
int intents_keep(struct intents *, const bool *loose, uint64_t **ret, size_t *count);

#endif
