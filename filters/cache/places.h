/* places.h - what is known of a place, in ten bytes?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Six bytes of name and state, four of CRC, in two arrays: the first is what searches go over.  An
 * empty slot has its neighbours in the list of empty slots where others have name and CRC. */
#ifndef CACHE_PLACES_H
#define CACHE_PLACES_H

#include "block.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Five bits over the key; the first three are enum place_state. */
enum {
    NAME_BYTES = 6,
    NAME_CURRENT = 1 << 0,
    NAME_DIRTY = 1 << 1, /* of the log */
    NAME_GUEST = 1 << 1, /* of a slot: a guest; without CURRENT: promised to somebody */
    NAME_PARTIAL = 1 << 2,
    NAME_HITS = 3, /* from this bit on */
    HITS_MAX = 3,
};
#define NAME_KEY ((1ull << KEY_BITS) - 1)

struct places {
    uint8_t *name; /* NAME_BYTES each, and two more at the end: eight are read */
    uint32_t *crc;
};

/* Zeroed, for free().  Searches go anywhere in it: where the kernel has large pages, fewer
 * translations are missed. */
static inline void *table_alloc(size_t bytes)
{
    const size_t large = 2 << 20, align = bytes < large ? 64 : large;
    void *table = aligned_alloc(align, (bytes + align - 1) / align * align);

    if (!table)
        return NULL;
    if (align == large)
        madvise(table, bytes, MADV_HUGEPAGE); /* or not: it is only slower */
    memset(table, 0, bytes);
    return table;
}

static inline uint64_t place_name(const struct places *places, uint32_t place)
{
    uint64_t name;

    memcpy(&name, places->name + (size_t)place * NAME_BYTES, sizeof name);
    return name & ((1ull << 8 * NAME_BYTES) - 1);
}

static inline void place_set_name(struct places *places, uint32_t place, uint64_t name)
{
    memcpy(places->name + (size_t)place * NAME_BYTES, &name, NAME_BYTES);
}

static inline uint64_t name_make(uint64_t key, unsigned state, unsigned hits)
{
    return key | (uint64_t)(state | hits << NAME_HITS) << KEY_BITS;
}

static inline uint64_t name_key(uint64_t name)
{
    return name & NAME_KEY;
}

/* Without the hits. */
static inline unsigned name_state(uint64_t name)
{
    return (unsigned)(name >> KEY_BITS) & 7;
}

static inline unsigned name_hits(uint64_t name)
{
    return (unsigned)(name >> KEY_BITS >> NAME_HITS);
}

/* Bits of a key that an adversary cannot aim without the seed (the finalizer of MurmurHash3). */
static inline uint64_t key_hash(uint64_t key, uint64_t seed)
{
    uint64_t h = key ^ seed;

    h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 33;
}

/* `bits` as a number below `below`. */
static inline uint32_t hash_below(uint32_t bits, uint32_t below)
{
    return (uint32_t)((uint64_t)bits * below >> 32);
}

#endif
