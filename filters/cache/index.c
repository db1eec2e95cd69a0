/* index.c - at which place is a block?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "index.h"

#include <errno.h>
#include <stdlib.h>

/* Entries that are not taken: 4 of 100. */
#define LOAD 0.96
enum { KICKS_MAX = 2000 }; /* about three are usual */

struct spot {
    uint32_t bucket[2];
    uint32_t tag; /* shifted, as it is in an entry */
};

static struct spot spot_of(const struct index *index, uint64_t key)
{
    uint64_t hash = key_hash(key, index->seed);

    return (struct spot){
        .bucket = { hash_below((uint32_t)(hash >> 32), index->buckets),
                    hash_below((uint32_t)hash, index->buckets) },
        .tag = (uint32_t)(hash * 0x9e3779b97f4a7c15u >> 32) << index->place_bits,
    };
}

static uint32_t *bucket_of(const struct index *index, uint32_t bucket)
{
    return index->entry + (size_t)bucket * INDEX_WAYS;
}

/* An entry is never 0: it has the place's number, and one. */
static uint32_t entry_of(const struct spot *spot, uint32_t place)
{
    return spot->tag | (place + 1);
}

static uint32_t place_of(const struct index *index, uint32_t entry)
{
    return (entry & ((1u << index->place_bits) - 1)) - 1;
}

int index_init(struct index *index, const struct places *places, uint32_t count, uint64_t seed)
{
    /* one more: a few keys in a few buckets are spread less evenly */
    double buckets = count / LOAD / INDEX_WAYS + 2;

    *index = (struct index){
        .places = places, .count = count, .buckets = (uint32_t)buckets, .seed = seed
    };
    while (count >> index->place_bits)
        index->place_bits++;
    size_t bytes = (size_t)index->buckets * INDEX_WAYS * sizeof *index->entry;
    index->entry = table_alloc(bytes);
    return index->entry ? 0 : -ENOMEM;
}

void index_finish(struct index *index)
{
    free(index->entry);
}

size_t index_memory(const struct index *index)
{
    return (size_t)index->buckets * INDEX_WAYS * sizeof *index->entry;
}

/* ---- look --------------------------------------------------------------------- */

uint32_t index_find(const struct index *index, uint64_t key)
{
    struct spot spot = spot_of(index, key);
    const uint32_t *bucket[2] = { bucket_of(index, spot.bucket[0]),
                                  bucket_of(index, spot.bucket[1]) };
    uint32_t mask = ~((1u << index->place_bits) - 1);

    __builtin_prefetch(bucket[1]);
    for (int b = 0; b < 2; b++)
        for (int way = 0; way < INDEX_WAYS; way++) {
            uint32_t entry = bucket[b][way];
            if ((entry & mask) != spot.tag || !entry)
                continue;
            uint32_t place = place_of(index, entry);
            if (name_key(place_name(index->places, place)) == key)
                return place;
        }
    return NOWHERE;
}

/* Where the index has `place`; it does. */
static uint32_t *entry_at(const struct index *index, const struct spot *spot, uint32_t place)
{
    uint32_t want = entry_of(spot, place);

    for (int b = 0; b < 2; b++)
        for (int way = 0; way < INDEX_WAYS; way++) {
            uint32_t *entry = bucket_of(index, spot->bucket[b]) + way;
            if (*entry == want)
                return entry;
        }
    abort(); /* the index and the names contradict each other: whatever follows would be wrong data
              */
}

/* ---- change ------------------------------------------------------------------- */

static uint32_t *room_in(const struct index *index, uint32_t bucket)
{
    uint32_t *entry = bucket_of(index, bucket);

    for (int way = 0; way < INDEX_WAYS; way++)
        if (!entry[way])
            return entry + way;
    return NULL;
}

/* False: there was no room, and some entry has been lost. */
static bool insert(struct index *index, uint32_t place)
{
    uint32_t from = UINT32_MAX; /* the bucket it has just been put out of */

    for (int kick = 0; kick < KICKS_MAX; kick++) {
        struct spot spot = spot_of(index, name_key(place_name(index->places, place)));
        uint32_t *entry = NULL;
        for (int b = 0; b < 2 && !entry; b++)
            entry = room_in(index, spot.bucket[b]);
        if (entry) {
            *entry = entry_of(&spot, place);
            return true;
        }
        uint32_t to = spot.bucket[spot.bucket[0] == from];
        entry = bucket_of(index, to) + index->kicks++ % INDEX_WAYS;
        uint32_t out = place_of(index, *entry);
        *entry = entry_of(&spot, place);
        place = out;
        from = to;
    }
    return false;
}

static bool fill(struct index *index)
{
    memset(index->entry, 0, index_memory(index));
    for (uint32_t place = 0; place < index->count; place++)
        if (name_state(place_name(index->places, place)) & NAME_CURRENT && !insert(index, place))
            return false;
    return true;
}

void index_add(struct index *index, uint32_t place)
{
    if (insert(index, place))
        return;
    do {
        index->refills++;
        index->seed = key_hash(index->seed, 0x2545f4914f6cdd1du);
    } while (!fill(index));
}

void index_remove(struct index *index, uint32_t place, uint64_t key)
{
    struct spot spot = spot_of(index, key);

    *entry_at(index, &spot, place) = 0;
}

void index_move(struct index *index, uint32_t from, uint32_t to, uint64_t key)
{
    struct spot spot = spot_of(index, key);

    *entry_at(index, &spot, from) = entry_of(&spot, to);
}
