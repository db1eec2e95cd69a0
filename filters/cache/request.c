/* request.c - what becomes of a request to a disk with a cache?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *                 read                 write-through            write-back
 *   READ     pool, else store and kept
 *   WRITE    store; void in the pool   store; kept              log of the pool
 *   ZERO     the same                  the same                 log up to 1 MiB, else store
 *   TRIM     store; void in the pool                            the same, but ignored if ordered
 *   FLUSH    store                     store                    log, and store if it had anything
 *
 * Everything is done by the request's own thread: what it waits for is I/O. */
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ZEROES = 1 << 20 }; /* bytes: more are the store's business */

static enum weir_verdict answer(struct weir_request *req, int r)
{
    return r ? weir_fail(req, -r) : WEIR_COMPLETE;
}

/* Where do the guest's blocks begin?  The first requests say it. */
static void vote(struct disk *d, const struct weir_request *req)
{
    uint32_t grid;

    if (atomic_load(&d->voted))
        return;
    pthread_mutex_lock(&d->pool->lock);
    bool elected = grid_vote(&d->votes, req->offset, req->length, &grid);
    atomic_store(&d->voted, d->votes.count >= GRID_VOTES);
    pthread_mutex_unlock(&d->pool->lock);
    if (elected)
        disk_elect(d, grid);
}

/* ---- reads --------------------------------------------------------------------------- */

/* Part of a sequential run that is longer than the pool cares for? */
static bool is_sequential(struct disk *d, uint64_t length, uint64_t offset)
{
    const uint64_t most = atomic_load(&d->sequential);

    pthread_mutex_lock(&d->pool->lock);
    uint64_t run = streams_note(&d->streams, offset, length);
    pthread_mutex_unlock(&d->pool->lock);
    return most && run > most;
}

static enum weir_verdict read_down(struct disk *d, struct weir_request *req)
{
    struct cache_stats *counts = weir_stats(req);
    const bool sequential = is_sequential(d, req->length, req->offset);
    bool hit;

    if (sequential && disk_lacks(d, req->length, req->offset)) {
        weir_add(&counts->bypassed, (req->length + BLOCK - 1) / BLOCK);
        return WEIR_PASS;
    }
    int r = disk_read(d, req->data, req->length, req->offset, !sequential && atomic_load(&d->fills),
                      counts, &hit);
    weir_record(hit ? &counts->hit_latency : &counts->miss_latency, weir_now(NULL) - weir_now(req));
    return answer(req, r);
}

/* ---- writes -------------------------------------------------------------------------- */

/* What this request, and those that come while it runs, do. */
static bool is_write_back(const struct disk *d)
{
    return atomic_load(&d->mode) == MODE_WRITE_BACK && !atomic_load(&d->pool->error);
}

static enum weir_verdict past_down(struct disk *d, struct weir_request *req)
{
    struct cache_use *use = weir_scratch(req);
    int r = past_begin(d, req->offset, req->length, &use->past);

    if (r)
        return weir_fail(req, -r);
    use->fills = atomic_load(&d->fills) && atomic_load(&d->mode) != MODE_READ &&
                 !is_sequential(d, req->length, req->offset);
    return WEIR_PASS;
}

static enum weir_verdict write_down(struct disk *d, struct weir_request *req)
{
    const bool fua = req->flags & WEIR_FUA;
    int r = -EBUSY;

    if (is_write_back(d))
        r = disk_write_back(d, req->data, req->length, req->offset, fua);
    /* the pool has no room for it, through no fault of this disk's; or it fails just now */
    return r == -EBUSY || (r && d->pool->error) ? past_down(d, req) : answer(req, r);
}

static int zero_back(struct disk *d, const struct weir_request *req)
{
    uint8_t *zeroes = calloc(1, ZEROES);
    int r = zeroes ? 0 : -ENOMEM;

    for (uint64_t at = 0; !r && at < req->length;) {
        uint64_t some = req->length - at < ZEROES ? req->length - at : ZEROES;
        r = disk_write_back(d, zeroes, some, req->offset + at, false);
        at += some;
    }
    free(zeroes);
    return !r && req->flags & WEIR_FUA ? disk_flush_log(d) : r;
}

static enum weir_verdict zero_down(struct disk *d, struct weir_request *req)
{
    const bool ordered = atomic_load(&d->order) == ORDER_ORDERED;

    if (is_write_back(d) && (ordered || req->length <= ZEROES)) {
        if (req->flags & WEIR_FAST_ZERO)
            return weir_fail(req, ENOTSUP);
        return answer(req, zero_back(d, req));
    }
    return past_down(d, req);
}

static enum weir_verdict trim_down(struct disk *d, struct weir_request *req)
{
    struct cache_stats *counts = weir_stats(req);

    if (!is_write_back(d) || atomic_load(&d->order) != ORDER_ORDERED)
        return past_down(d, req);
    /* a trim now would reach the store before writes that came earlier */
    weir_add(&counts->trims_ignored, 1);
    return WEIR_COMPLETE;
}

static enum weir_verdict flush_down(struct disk *d, struct weir_request *req)
{
    struct cache_stats *counts = weir_stats(req);
    struct cache_use *use = weir_scratch(req);
    const bool back = is_write_back(d);
    int r = 0;

    weir_add(&counts->flushes, 1);
    if (back || disk_has_dirty(d))
        r = d->pool->error ? destage_all(d) : disk_flush_log(d);
    if (r)
        return weir_fail(req, -r);
    use->number = atomic_load(&d->store_writes);
    return back && use->number == atomic_load(&d->store_flushed) ? WEIR_COMPLETE : WEIR_PASS;
}

static void flush_up(struct disk *d, struct weir_request *req)
{
    const struct cache_use *use = weir_scratch(req);

    if (!req->error)
        disk_store_keeps(d, use->number);
}

/* ---- what it all comes to ---------------------------------------------------------------- */

/* The disk has no pool.  Should one come that knows the disk, it must not believe what it has. */
static enum weir_verdict outside_down(struct disk *d, struct weir_request *req)
{
    struct cache_use *use = weir_scratch(req);

    if (!(WEIR_CHANGES & WEIR_OP(req->op)) || !req->length)
        return WEIR_PASS;
    use->outside = true;
    int r = disk_void(d);
    return r ? weir_fail(req, -r) : WEIR_PASS;
}

enum weir_verdict cache_down(void *self, struct weir_request *req)
{
    struct disk *d = self;

    if (!atomic_load(&d->ready))
        return outside_down(d, req);
    if (req->op != WEIR_FLUSH && !req->length)
        return WEIR_PASS;
    switch (req->op) {
    case WEIR_READ:
        vote(d, req);
        return read_down(d, req);
    case WEIR_WRITE:
        vote(d, req);
        return write_down(d, req);
    case WEIR_ZERO:
        return zero_down(d, req);
    case WEIR_TRIM:
        return trim_down(d, req);
    case WEIR_FLUSH:
        return flush_down(d, req);
    case WEIR_PREFETCH:
        return answer(req, disk_prefetch(d, req->length, req->offset, weir_stats(req)));
    case WEIR_EXTENTS:
        ((struct cache_use *)weir_scratch(req))->number = atomic_load(&d->batches);
        return WEIR_PASS;
    default:
        return WEIR_PASS;
    }
}

static void past_up(struct disk *d, struct weir_request *req)
{
    struct cache_use *use = weir_scratch(req);

    if (!use->past.length)
        return;
    if (!req->error)
        req->error = -lost_written(d, req->offset, req->length);
    atomic_fetch_add(&d->store_writes, 1);
    const bool wrote = !req->error && req->op == WEIR_WRITE;
    past_end(d, &use->past, wrote && atomic_load(&d->mode) != MODE_READ ? req->data : NULL,
             use->fills, weir_stats(req));
}

enum weir_verdict cache_up(void *self, struct weir_request *req)
{
    struct disk *d = self;

    if (!atomic_load(&d->ready))
        return WEIR_PASS;
    if (req->op == WEIR_FLUSH)
        flush_up(d, req);
    if (((struct cache_use *)weir_scratch(req))->outside)
        past_outside(d, req->offset, req->length);
    else if (WEIR_CHANGES & WEIR_OP(req->op))
        past_up(d, req);
    if (req->op == WEIR_EXTENTS && !req->error)
        return extents_up(d, req);
    return WEIR_PASS;
}
