/* read.c - where are the bytes that a guest asks for?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Looked up under the lock, read without it: by then a place may hold another block.  So what was
 * read is believed only if its CRC is the one that was looked up (which is a CRC of the block's
 * name, too); else it is looked up again.
 *
 * What is missing is read from the store in one piece, from the first block that is missing to the
 * last.  Blocks in between that are clean are the same there; dirty ones are put over it from the
 * pool afterwards: one that has become clean meanwhile is asked for anew. */
#include "disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 }; /* blocks that are looked up at once */
enum { TRIES = 8 };   /* for a block that moves each time */

struct found {
    uint32_t place; /* NOWHERE: the store has it */
    uint32_t crc, seen;
    uint8_t state;
};

/* ---- one block, whatever happens to it ------------------------------------------------ */

struct version {
    uint32_t place, crc;
    uint8_t mask;
};

/* The versions that make up a block, the newest first; their number. */
static unsigned look_closely(struct disk *d, uint64_t key, struct version v[SECTORS])
{
    struct pool *p = d->pool;
    unsigned n = 0;

    pthread_mutex_lock(&p->lock);
    const uint32_t place = policy_find(p->policy, key);
    const struct pieces *all = partials_of(&p->partials, key, false);
    for (unsigned i = 0; all && i < all->count; i++)
        v[n++] = (struct version){ all->piece[i].place, policy_crc(p->policy, all->piece[i].place),
                                   all->piece[i].mask };
    if (!all && place != NOWHERE)
        v[n++] = (struct version){ place, policy_crc(p->policy, place), EVERY_SECTOR };
    pthread_mutex_unlock(&p->lock);
    return n;
}

static void put_sectors(uint8_t *to, const uint8_t *page, const struct part *part, uint8_t mask)
{
    for (uint32_t at = part->skip; at < part->skip + part->length; at += SECTOR)
        if (mask & 1 << at / SECTOR)
            memcpy(to + (at - part->skip), page + at, SECTOR);
}

/* Is it there unchanged, and its bytes are not what they should be? */
static bool is_lost(struct disk *d, uint64_t key, const struct version *v)
{
    struct pool *p = d->pool;

    pthread_mutex_lock(&p->lock);
    bool same = policy_key(p->policy, v->place) == key && policy_crc(p->policy, v->place) == v->crc;
    bool dirty = policy_state(p->policy, v->place) & PLACE_DIRTY;
    if (same && !dirty && policy_find(p->policy, key) == v->place)
        pool_forget(p, key); /* the store has it */
    pthread_mutex_unlock(&p->lock);
    if (same)
        atomic_fetch_add(&p->crc_errors, 1);
    return same && dirty;
}

static int read_version(struct disk *d, uint64_t key, const struct version *v, uint8_t *page)
{
    struct pool *p = d->pool;
    int r = media_read(p->media, page, BLOCK, place_offset(p, v->place));

    if (!r && block_crc(key, page) == v->crc)
        return 0;
    if (r)
        atomic_fetch_add(&p->pool_errors, 1);
    return is_lost(d, key, v) ? -EIO : -EAGAIN;
}

/* Once: -EAGAIN says that the block has moved. */
static int read_once(struct disk *d, uint8_t *to, const struct part *part, uint64_t offset,
                     uint8_t *page)
{
    struct version v[SECTORS];
    const unsigned n = look_closely(d, part->key, v);
    uint8_t have = 0;
    int r = 0;

    for (unsigned i = 0; i < n; i++)
        have |= v[i].mask;
    if (part_mask(part) & ~have && lost_any(d, offset + part->offset, part->length))
        r = -EIO;
    else if (part_mask(part) & ~have)
        r = weir_read(d->below, to, part->length, offset + part->offset, 0);
    for (unsigned i = 0; !r && i < n; i++) {
        r = read_version(d, part->key, &v[i], page);
        if (!r)
            put_sectors(to, page, part, v[i].mask);
    }
    return r;
}

static int read_block(struct disk *d, uint8_t *to, const struct part *part, uint64_t offset)
{
    uint8_t *page = aligned_alloc(BLOCK, BLOCK);
    int r = page ? -EAGAIN : -ENOMEM;

    for (int i = 0; i < TRIES && r == -EAGAIN; i++)
        r = read_once(d, to, part, offset, page);
    free(page);
    return r == -EAGAIN ? -EIO : r;
}

/* ---- many blocks ---------------------------------------------------------------------- */

static bool is_whole(const struct part *part, const struct found *f)
{
    return f->place != NOWHERE && part->length == BLOCK && !(f->state & PLACE_PARTIAL);
}

/* Blocks from `first` on that lie one after the other in the pool. */
static unsigned row(const struct pool *p, const struct part *part, const struct found *f,
                    unsigned first, unsigned end)
{
    unsigned n = 1;

    while (first + n < end && is_whole(&part[first + n], &f[first + n]) &&
           f[first + n].place == f[first].place + n &&
           in_log(p, f[first].place) == in_log(p, f[first + n].place))
        n++;
    return n;
}

static int read_row(struct disk *d, uint8_t *data, uint64_t offset, const struct part *part,
                    const struct found *f, unsigned n)
{
    struct pool *p = d->pool;
    int failed =
        media_read(p->media, data + part->offset, (size_t)n * BLOCK, place_offset(p, f->place));
    int r = 0;

    for (unsigned i = 0; !r && i < n; i++)
        if (failed || block_crc(part[i].key, data + part[i].offset) != f[i].crc)
            r = read_block(d, data + part[i].offset, &part[i], offset);
    return r;
}

/* What is in the pool; of [from, to), which has been read from the store, only what is dirty. */
static int read_pool(struct disk *d, uint8_t *data, uint64_t offset, const struct part *part,
                     const struct found *f, unsigned n, unsigned from, unsigned to)
{
    int r = 0;

    for (unsigned i = 0, more; !r && i < n; i += more) {
        more = 1;
        if (f[i].place == NOWHERE ||
            (i >= from && i < to && !(f[i].state & (PLACE_DIRTY | PLACE_PARTIAL))))
            continue;
        if (is_whole(&part[i], &f[i])) {
            more = row(d->pool, &part[i], &f[i], 0, (i < from ? from : n) - i);
            r = read_row(d, data, offset, &part[i], &f[i], more);
        } else {
            r = read_block(d, data + part[i].offset, &part[i], offset);
        }
    }
    return r;
}

/* Under one lock: up to CHUNK blocks of the request from `at` on.  Their number. */
static unsigned look_up(struct disk *d, uint64_t length, uint64_t offset, uint64_t at,
                        struct part part[CHUNK], struct found f[CHUNK])
{
    struct pool *p = d->pool;
    unsigned n = 0;

    for (; n < CHUNK && at < length; at += part[n++].length)
        part[n] = disk_part(d, offset, length, at);
    pthread_mutex_lock(&p->lock);
    for (unsigned i = 0; i < n; i++) {
        f[i].place = policy_find(p->policy, part[i].key);
        f[i].seen = *changes_of(p, part[i].key);
        disk_refer(d, part[i].key, REFERENCE_READ);
        if (f[i].place == NOWHERE)
            continue;
        f[i].crc = policy_crc(p->policy, f[i].place);
        f[i].state = (uint8_t)policy_state(p->policy, f[i].place);
        policy_touch(p->policy, f[i].place);
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}

/* Is one of the blocks that only the store could have lost (lost.h)? */
static bool lost_missing(struct disk *d, uint64_t offset, const struct part *part,
                         const struct found *f, unsigned from, unsigned to)
{
    for (unsigned i = from; atomic_load(&d->losses) && i < to; i++)
        if (f[i].place == NOWHERE && lost_any(d, offset + part[i].offset, part[i].length))
            return true;
    return false;
}

/* The store's part of a chunk, whole blocks where that helps to keep them. */
static int read_store(struct disk *d, uint8_t *data, uint64_t offset, const struct part *part,
                      const struct found *f, unsigned from, unsigned to, bool fills,
                      struct cache_stats *counts)
{
    const struct part *last = &part[to - 1];
    const uint64_t begin = offset + part[from].offset, end = offset + last->offset + last->length;
    uint64_t wide = begin, wide_end = end;
    uint8_t *bounce = NULL, *into = data + part[from].offset;
    uint32_t seen[CHUNK];

    if (fills && part[from].length < BLOCK && begin >= part[from].skip)
        wide -= part[from].skip;
    if (fills && last->length < BLOCK &&
        end + (BLOCK - last->skip - last->length) <= atomic_load(&d->size))
        wide_end += BLOCK - last->skip - last->length;
    if (wide != begin || wide_end != end) {
        into = bounce = aligned_alloc(BLOCK, (wide_end - wide + BLOCK - 1) / BLOCK * BLOCK);
        if (!bounce)
            return -ENOMEM;
    }
    int r = lost_missing(d, offset, part, f, from, to)
                ? -EIO
                : weir_read(d->below, into, wide_end - wide, wide, 0);
    if (!r && bounce)
        memcpy(data + part[from].offset, bounce + (begin - wide), end - begin);
    for (unsigned i = from; i < to; i++)
        seen[i - from] = f[i].seen;
    if (!r && fills)
        disk_fill(d, into, wide_end - wide, wide, seen, NULL, counts);
    free(bounce);
    return r;
}

static int read_chunk(struct disk *d, uint8_t *data, uint64_t offset, const struct part *part,
                      const struct found *f, unsigned n, bool fills, struct cache_stats *counts,
                      bool *hit)
{
    unsigned from = n, to = n, misses = 0;
    int r = 0;

    for (unsigned i = 0; i < n; i++)
        if (f[i].place == NOWHERE) {
            from = misses++ ? from : i;
            to = i + 1;
        }
    weir_add(&counts->misses, misses);
    weir_add(&counts->hits, n - misses);
    *hit &= !misses;
    if (misses && misses < n)
        weir_add(&counts->partial_hits, 1);
    if (misses)
        r = read_store(d, data, offset, part, f, from, to, fills, counts);
    return r ? r : read_pool(d, data, offset, part, f, n, from, to);
}

int disk_read(struct disk *d, void *data, uint64_t length, uint64_t offset, bool fills,
              struct cache_stats *counts, bool *hit)
{
    struct part part[CHUNK];
    struct found f[CHUNK];
    int r = 0;

    *hit = true;
    for (uint64_t at = 0; !r && at < length;) {
        unsigned n = look_up(d, length, offset, at, part, f);
        r = read_chunk(d, data, offset, part, f, n, fills, counts, hit);
        at = part[n - 1].offset + part[n - 1].length;
    }
    return r;
}

bool disk_lacks(struct disk *d, uint64_t length, uint64_t offset)
{
    const uint64_t last = disk_block(d, offset + length - 1);
    struct pool *p = d->pool;
    bool lacks = !lost_any(d, offset, length); /* of a lost one disk_read() has something to say */

    pthread_mutex_lock(&p->lock);
    for (uint64_t b = disk_block(d, offset); lacks && b <= last; b++)
        lacks = policy_find(p->policy, disk_key(d, b)) == NOWHERE;
    pthread_mutex_unlock(&p->lock);
    return lacks;
}

int disk_prefetch(struct disk *d, uint64_t length, uint64_t offset, struct cache_stats *counts)
{
    enum { AHEAD = 1 << 20 };
    uint8_t *buffer = aligned_alloc(BLOCK, AHEAD);
    int r = buffer ? 0 : -ENOMEM;
    bool hit;

    for (uint64_t at = 0; !r && at < length;) {
        uint64_t some = length - at < AHEAD ? length - at : AHEAD;
        r = disk_read(d, buffer, some, offset + at, true, counts, &hit);
        at += some;
    }
    free(buffer);
    return r;
}
