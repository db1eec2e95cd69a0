/* disk.c - which blocks does a request touch, and with which of their sectors?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "disk.h"

static uint8_t sectors(uint32_t from, uint32_t to)
{
    return (uint8_t)(EVERY_SECTOR >> (SECTORS - to / SECTOR) & EVERY_SECTOR << from / SECTOR);
}

uint8_t disk_mask(const struct disk *d, uint64_t block)
{
    const uint64_t begin = block * BLOCK, end = begin + BLOCK;
    const uint64_t first = d->shift, last = atomic_load(&d->size) + d->shift;

    return sectors(first > begin ? (uint32_t)(first - begin) : 0,
                   last < end ? (uint32_t)(last - begin) : BLOCK);
}

struct part disk_part(const struct disk *d, uint64_t offset, uint64_t length, uint64_t at)
{
    const uint64_t from = offset + at + d->shift;
    const uint32_t skip = (uint32_t)(from % BLOCK);
    struct part part = { .key = disk_key(d, from / BLOCK), .offset = at, .skip = skip };

    part.length = BLOCK - skip;
    if (part.length > length - at)
        part.length = (uint32_t)(length - at);
    return part;
}

uint8_t part_mask(const struct part *part)
{
    return sectors(part->skip, part->skip + part->length);
}

bool part_covers(const struct disk *d, const struct part *part)
{
    return part_mask(part) == disk_mask(d, key_block(part->key));
}

bool disk_is_loose(struct disk *d)
{
    return atomic_load(&d->store_flushed) < atomic_load(&d->store_writes);
}

void disk_store_keeps(struct disk *d, uint64_t number)
{
    uint64_t flushed = atomic_load(&d->store_flushed);

    while (flushed < number && !atomic_compare_exchange_weak(&d->store_flushed, &flushed, number))
        ;
}

int disk_flush_store(struct disk *d)
{
    const uint64_t number = atomic_load(&d->store_writes);
    int r = disk_is_loose(d) ? weir_flush(d->below, WEIR_BACKGROUND) : 0;

    if (!r)
        disk_store_keeps(d, number);
    return r;
}
