/* map-bits.c - which granules are dirty or unsure?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "map-private.h"

#include <errno.h>
#include <string.h>

/* What is dirty is unsure, too.  PENDING comes after what changed: or the keeper might take it away
 * and copy the page before that. */
void bits_set(struct map *m, uint64_t extent, uint64_t granules)
{
    struct extent *x = extent_of(m, extent);
    const uint64_t dirty = granules & ~atomic_fetch_or(&x->dirty, granules);
    const uint64_t unsure = granules & ~atomic_fetch_or(&x->unsure, granules);

    if (!(dirty | unsure))
        return;
    atomic_fetch_add(&m->dirty, (uint64_t)__builtin_popcountll(dirty));
    atomic_fetch_add(&m->unsure, (uint64_t)__builtin_popcountll(unsure));
    atomic_fetch_or(&x->state, PENDING);
}

void map_mark(struct map *m, uint64_t offset, uint64_t length)
{
    if (length)
        for (uint64_t e = offset / EXTENT; e <= (offset + length - 1) / EXTENT; e++)
            bits_set(m, e, granules_in(e, offset, length));
}

void map_mark_all(struct map *m)
{
    map_mark(m, 0, map_size(m));
}

void map_doubt(struct map *m)
{
    const uint64_t extents = extents_of(map_size(m));

    for (uint64_t e = 0; e < extents; e++)
        bits_set(m, e, atomic_load(&extent_of(m, e)->unsure));
}

uint64_t map_dirty(const struct map *m)
{
    return atomic_load(&m->dirty);
}

uint64_t map_unsure(const struct map *m)
{
    return atomic_load(&m->unsure);
}

bool map_any_dirty(const struct map *m, uint64_t offset, uint64_t length)
{
    if (length && atomic_load_explicit(&m->dirty, memory_order_acquire))
        for (uint64_t e = offset / EXTENT; e <= (offset + length - 1) / EXTENT; e++)
            if (atomic_load(&extent_of(m, e)->dirty) & granules_in(e, offset, length))
                return true;
    return false;
}

int map_next_dirty(const struct map *m, uint64_t from, uint64_t *granule)
{
    const uint64_t extents = extents_of(map_size(m));
    uint64_t mask = ~0ull << from % EXTENT_GRANULES;

    for (uint64_t e = from / EXTENT_GRANULES; e < extents; e++, mask = ~0ull) {
        const uint64_t dirty = atomic_load(&extent_of(m, e)->dirty) & mask;
        if (!dirty)
            continue;
        *granule = e * EXTENT_GRANULES + (uint64_t)__builtin_ctzll(dirty);
        return 0;
    }
    return -ENOENT;
}

void map_taken(struct map *m, uint64_t granule)
{
    struct extent *x = extent_of(m, granule / EXTENT_GRANULES);
    const uint64_t bit = 1ull << granule % EXTENT_GRANULES;

    /* unsure before it is not dirty any more: who copies the page sees one of the two */
    if (!(atomic_fetch_or(&x->unsure, bit) & bit))
        atomic_fetch_add(&m->unsure, 1);
    if (atomic_fetch_and(&x->dirty, ~bit) & bit)
        atomic_fetch_sub(&m->dirty, 1);
}

void map_sure(struct map *m)
{
    const uint64_t extents = extents_of(map_size(m));

    for (uint64_t e = 0; e < extents; e++) {
        struct extent *x = extent_of(m, e);
        if (!atomic_load(&x->unsure))
            continue;
        const uint64_t dirty = atomic_load(&x->dirty);
        const uint64_t sure = atomic_fetch_and(&x->unsure, dirty) & ~dirty;
        if (!sure)
            continue;
        atomic_fetch_sub(&m->unsure, (uint64_t)__builtin_popcountll(sure));
        atomic_fetch_or(&x->state, PENDING);
    }
}

/* ---- as bitmaps ------------------------------------------------------------------------------ */

void map_bitmap(const struct map *m, void *bitmap, size_t length, uint64_t from)
{
    const uint64_t extents = extents_of(map_size(m));
    uint8_t *out = bitmap;

    for (size_t i = 0; i < length; i++) {
        const uint64_t byte = from + i, e = byte / 8;
        out[i] = e < extents ? (uint8_t)(atomic_load(&extent_of(m, e)->dirty) >> byte % 8 * 8) : 0;
    }
}

void map_mark_bitmap(struct map *m, const void *bitmap, size_t length, uint64_t from)
{
    const uint64_t size = map_size(m), extents = extents_of(size);
    const uint8_t *in = bitmap;

    for (size_t i = 0; i < length; i++) {
        const uint64_t byte = from + i, e = byte / 8;
        if (in[i] && e < extents)
            bits_set(m, e, (uint64_t)in[i] << byte % 8 * 8 & granules_of(e, size));
    }
}
