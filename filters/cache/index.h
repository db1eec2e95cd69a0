/* index.h - at which place is a block?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A hash table of places, four bytes each.  A key has two buckets of 16 entries, a line of the
 * CPU's cache each, and is in one of them: a miss looks at two lines.  Bits that a place's number
 * does not need hold a tag, so that few names are read in vain; the name decides.
 *
 * When both buckets are full one of their entries moves to its other bucket, and so on (cuckoo
 * hashing); with 16 entries 96 of 100 may be taken.  Should no room be found all the same, the
 * table is filled anew with another seed: no put fails. */
#ifndef CACHE_INDEX_H
#define CACHE_INDEX_H

#include "places.h"

#include <stddef.h>

enum { INDEX_WAYS = 16 };

struct index {
    const struct places *places;
    uint32_t count; /* of places */
    uint32_t *entry;
    uint32_t buckets;
    unsigned place_bits;
    uint64_t seed;
    uint32_t kicks; /* which entry moves next: any is as good */
    uint32_t refills;
};

int index_init(struct index *, const struct places *, uint32_t count, uint64_t seed); /* -ENOMEM */
void index_finish(struct index *);
size_t index_memory(const struct index *);

uint32_t index_find(const struct index *, uint64_t key); /* NOWHERE */
/* `place` has its name, with NAME_CURRENT; its key is not in the index. */
void index_add(struct index *, uint32_t place);
void index_remove(struct index *, uint32_t place, uint64_t key);
/* What is at `from` is at `to` from now on. */
void index_move(struct index *, uint32_t from, uint32_t to, uint64_t key);

#endif
