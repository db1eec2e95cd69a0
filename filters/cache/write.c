/* write.c - how does a write get into the pool before it gets to the store?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Each block becomes an entry of a record of the log; the guest has its answer when the record is
 * written and RAM knows of it.  Whether that survives a loss of power is the guest's to ask: FLUSH
 * and FUA are one log_sync().  The store hears of it later (destage.c). */
#include "disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A record on its way: as many blocks of a write as fit. */
struct write_use {
    struct log_entry entry[APPEND_BLOCKS];
    const void *page[APPEND_BLOCKS];
    bool known[APPEND_BLOCKS]; /* the ghost has remembered it */
    unsigned count, pieces;
    uint8_t *edge; /* two pages: for a first and a last block that the write does not fill */
    unsigned edges;
};

/* A page with the part's bytes in place; the other sectors are zero and do not count. */
static int take_edge(struct write_use *u, const struct part *part, const uint8_t *data)
{
    if (!u->edge && !(u->edge = aligned_alloc(BLOCK, 2 * BLOCK)))
        return -ENOMEM;
    uint8_t *page = u->edge + (size_t)u->edges++ * BLOCK;
    memset(page, 0, BLOCK);
    memcpy(page + part->skip, data, part->length);
    u->page[u->count] = page;
    return 0;
}

/* Fills the record from `at` on; *at: where the next one begins. */
static int gather(struct disk *d, struct write_use *u, const uint8_t *data, uint64_t length,
                  uint64_t offset, uint64_t *at)
{
    const uint8_t type = atomic_load(&d->order) == ORDER_ORDERED ? ENTRY_OVER : ENTRY_DIRTY;

    u->count = u->pieces = u->edges = 0;
    for (; *at < length && u->count < APPEND_BLOCKS && u->edges < 2; u->count++) {
        const struct part part = disk_part(d, offset, length, *at);
        struct log_entry *e = &u->entry[u->count];
        int r = 0;
        if (part.length == BLOCK)
            u->page[u->count] = data + *at;
        else
            r = take_edge(u, &part, data + *at);
        if (r)
            return r;
        *e = (struct log_entry){ .key = part.key, .type = type };
        e->mask = part_covers(d, &part) ? EVERY_SECTOR : part_mask(&part);
        e->crc = block_crc(part.key, u->page[u->count]);
        u->pieces += e->mask != EVERY_SECTOR;
        *at += part.length;
    }
    return 0;
}

/* Under the lock: a write is a reference, too. */
static void refer(struct disk *d, struct write_use *u)
{
    for (unsigned i = 0; i < u->count; i++) {
        const uint64_t key = u->entry[i].key;
        uint32_t place = policy_find(d->pool->policy, key);
        u->known[i] = place == NOWHERE && policy_recall(d->pool->policy, key);
        if (place != NOWHERE)
            policy_touch(d->pool->policy, place);
        disk_refer(d, key, REFERENCE_DIRTY);
    }
}

/* What the ghost remembers would have gone to the main queue; by way of the log it will. */
static void promote(struct disk *d, const struct write_use *u)
{
    struct pool *p = d->pool;

    pthread_mutex_lock(&p->lock);
    for (unsigned i = 0; i < u->count; i++)
        if (u->known[i] && policy_find(p->policy, u->entry[i].key) == u->entry[i].place) {
            policy_touch(p->policy, u->entry[i].place);
            policy_touch(p->policy, u->entry[i].place);
        }
    pthread_mutex_unlock(&p->lock);
}

static int append(struct disk *d, struct write_use *u)
{
    struct pool *p = d->pool;
    struct log_append a = { .entry = u->entry, .count = u->count, .page = u->page };
    int r, broken = 0;

    pthread_mutex_lock(&p->lock);
    r = partials_reserve(&p->partials, p->promised + u->pieces);
    if (!r) {
        p->promised += u->pieces;
        refer(d, u);
    }
    pthread_mutex_unlock(&p->lock);
    if (r)
        return r;
    do {
        r = pool_wait_for_room(p, d, u->count + 1);
        if (!r)
            r = broken = log_append(p->log, &a);
    } while (r == -EAGAIN);
    pthread_mutex_lock(&p->lock);
    p->promised -= u->pieces;
    pthread_mutex_unlock(&p->lock);
    if (!r)
        promote(d, u);
    else if (broken && broken != -EAGAIN && broken != -ENOSPC && broken != -ENOMEM)
        pool_broke(p, -r);
    return r;
}

static int append_all(struct disk *d, const void *data, uint64_t length, uint64_t offset)
{
    struct write_use *u = malloc(sizeof(*u));
    int r = 0;

    if (!u)
        return -ENOMEM;
    u->edge = NULL;
    for (uint64_t at = 0; !r && at < length;) {
        r = gather(d, u, data, length, offset, &at);
        if (!r)
            r = append(d, u);
    }
    free(u->edge);
    free(u);
    return r;
}

int disk_write_back(struct disk *d, const void *data, uint64_t length, uint64_t offset, bool fua)
{
    int r = disk_kept_begin(d);

    if (r)
        return r;
    /* from here on disk_void() waits for this one, so of a broken pool it has taken all */
    r = d->pool->error ? -EIO : append_all(d, data, length, offset);
    if (!r)
        r = lost_written(d, offset, length);
    disk_kept_end(d);
    pool_nudge(d->pool);
    return r || !fua ? r : disk_flush_log(d);
}

int disk_flush_log(struct disk *d)
{
    int r = log_sync(d->pool->log);

    if (r)
        pool_broke(d->pool, -r);
    return r ? -EIO : 0;
}
