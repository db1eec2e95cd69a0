/* fill.c - how does what the store has said get into the pool?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * To where the policy says: the log, or a slot.  In between somebody may write the block.  Then
 * what the store has said is old: each block has a number that every change raises (pool.changes),
 * and a fill counts only if the number is what it was before the store was asked. */
#include "disk.h"

#include <errno.h>

struct fill_use {
    struct log_entry entry[APPEND_BLOCKS];
    const void *page[APPEND_BLOCKS];
    uint32_t seen[APPEND_BLOCKS];
    unsigned count;
};

static bool is_wanted(const struct disk *d, uint64_t key, uint32_t seen)
{
    return policy_find(d->pool->policy, key) == NOWHERE && *changes_of(d->pool, key) == seen;
}

/* The slot is promised to this block. */
static void fill_slot(struct disk *d, uint64_t key, uint32_t slot, const void *page, uint32_t seen)
{
    struct pool *p = d->pool;
    const uint32_t crc = block_crc(key, page);
    uint32_t before;
    int r = write_slot(p, slot, page);

    pthread_mutex_lock(&p->lock);
    if (!r && is_wanted(d, key, seen))
        policy_put(p->policy, slot, key, crc, 0, &before);
    else
        policy_drop(p->policy, slot);
    pthread_mutex_unlock(&p->lock);
    if (r)
        pool_broke(p, -r);
}

static void fill_log(struct disk *d, struct fill_use *u)
{
    struct fill owner = { u->seen };
    struct log_append a = {
        .entry = u->entry, .count = u->count, .page = u->page, .owner = &owner
    };

    if (!u->count)
        return;
    for (unsigned i = 0; i < u->count; i++)
        u->entry[i].crc = block_crc(u->entry[i].key, u->page[i]);
    int r = log_append(d->pool->log, &a);
    if (r && r != -EAGAIN) /* without room a block is not kept, that is all */
        pool_broke(d->pool, -r);
    u->count = 0;
}

void disk_fill(struct disk *d, const void *data, uint64_t length, uint64_t offset,
               const uint32_t *seen, const bool *again, struct cache_stats *counts)
{
    struct fill_use u;
    struct pool *p = d->pool;
    unsigned i = 0;

    u.count = 0;
    for (uint64_t at = 0; at < length && !p->error; i++) {
        const struct part part = disk_part(d, offset, length, at);
        const uint8_t *page = (const uint8_t *)data + at;
        at += part.length;
        if (part.length != BLOCK) /* its other sectors were not asked for */
            continue;
        pthread_mutex_lock(&p->lock);
        bool wanted = is_wanted(d, part.key, seen[i]);
        const bool anywhere = wanted && !(again && again[i]);
        uint32_t slot = anywhere ? policy_admit(p->policy, part.key) : NOWHERE;
        pthread_mutex_unlock(&p->lock);
        if (!wanted)
            continue;
        weir_add(&counts->fills, 1);
        if (slot != NOWHERE) {
            fill_slot(d, part.key, slot, page, seen[i]);
            continue;
        }
        u.entry[u.count] =
            (struct log_entry){ .key = part.key, .type = ENTRY_CLEAN, .mask = EVERY_SECTOR };
        u.page[u.count] = page;
        u.seen[u.count] = seen[i];
        if (++u.count == APPEND_BLOCKS)
            fill_log(d, &u);
    }
    fill_log(d, &u);
    pool_nudge(p);
}
