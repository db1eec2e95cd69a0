/* batch.c - how do many dirty blocks become few writes?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "batch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    RUN = 256,   /* blocks of one write: 1 MiB */
    LOOK = 8192, /* places that are looked at while the lock is held */
    ASIDE = 64,  /* writes under way: as many threads as the core has for it */
};

/* ---- which -------------------------------------------------------------------------- */

static uint8_t piece_of(struct pool *p, uint64_t key, uint32_t place)
{
    const struct pieces *all = partials_of(&p->partials, key, false);

    for (unsigned i = 0; all && i < all->count; i++)
        if (all->piece[i].place == place)
            return all->piece[i].mask;
    return 0;
}

/* Under the lock.  What of a dirty place goes to the store. */
static uint8_t mask_of(struct disk *d, uint32_t place, uint64_t key)
{
    struct pool *p = d->pool;
    unsigned state = policy_state(p->policy, place);
    uint8_t exists = disk_mask(d, key_block(key));

    if (partials_of(&p->partials, key, false))
        return piece_of(p, key, place) & exists;
    return state & PLACE_CURRENT ? exists : 0;
}

/* Under the lock. */
static void take(struct disk *d, struct batch *b, uint32_t place)
{
    struct pool *p = d->pool;
    const uint64_t key = policy_key(p->policy, place);

    if (!(policy_state(p->policy, place) & PLACE_DIRTY) || key_disk(key) != d->number)
        return;
    b->block[b->count++] = (struct dirty_block){ .key = key,
                                                 .place = place,
                                                 .crc = policy_crc(p->policy, place),
                                                 .mask = mask_of(d, place, key) };
}

static int by_key(const void *a, const void *b)
{
    const struct dirty_block *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return 0;
}

int batch_gather(struct disk *d, struct batch *b)
{
    struct pool *p = d->pool;
    struct log_place log;

    b->block = malloc(BATCH * sizeof(*b->block));
    if (!b->block)
        return -ENOMEM;
    log_where(p->log, &log);
    pthread_mutex_lock(&p->lock);
    uint64_t at = d->destage_from > log.tail ? d->destage_from : log.tail;
    pthread_mutex_unlock(&p->lock);
    while (at < log.head && b->count < BATCH) {
        pthread_mutex_lock(&p->lock);
        for (unsigned n = 0; n < LOOK && at < log.head && b->count < BATCH; n++, at++)
            take(d, b, (uint32_t)(at % p->super.log_pages));
        if (!b->count)
            d->destage_from = at; /* nothing before it was dirty, nor will it be */
        pthread_mutex_unlock(&p->lock);
    }
    b->left = at < log.head;
    qsort(b->block, b->count, sizeof(*b->block), by_key);
    return 0;
}

/* ---- read -------------------------------------------------------------------------- */

/* Blocks that are one write: neighbours on the disk. */
struct write_run {
    size_t first, count;
    uint8_t *data;
};

/* Is it, under the lock, still what it was? */
static bool still_dirty(struct disk *d, const struct dirty_block *k)
{
    struct pool *p = d->pool;

    pthread_mutex_lock(&p->lock);
    bool same = policy_key(p->policy, k->place) == k->key &&
                policy_crc(p->policy, k->place) == k->crc &&
                (policy_state(p->policy, k->place) & PLACE_DIRTY);
    pthread_mutex_unlock(&p->lock);
    return same;
}

/* The store never gets it: that is remembered, and then the log need not keep it. */
static void lose(struct disk *d, struct dirty_block *k, const char *what)
{
    struct pool *p = d->pool;
    const uint64_t block = key_block(k->key), begin = block * BLOCK;
    int r = lost_add(d, block);

    atomic_fetch_add(&p->crc_errors, 1);
    weir_report(d->below, WEIR_ERROR,
                "the pool %s %s the 4 KiB at byte %" PRIu64 ", which the store does not have: %s",
                p->name, what, begin > d->shift ? begin - d->shift : 0,
                r ? "and this cannot be remembered in the state folder; it is tried again"
                  : "reads of them fail until they are written again");
    if (!r)
        k->mask = 0;
    k->stored = !r;
}

static bool load(struct disk *d, struct dirty_block *k, uint8_t *page)
{
    struct pool *p = d->pool;
    int r = media_read(p->media, page, BLOCK, place_offset(p, k->place));

    if (!r && block_crc(k->key, page) == k->crc)
        return true;
    if (still_dirty(d, k))
        lose(d, k, r ? "cannot read" : "has other bytes than were written for");
    return false;
}

/* ---- write -------------------------------------------------------------------------- */

struct aside {
    pthread_mutex_t lock; /* guards the two; a leaf */
    pthread_cond_t done;
    unsigned under_way;
    int error; /* positive errno of the first that failed */
};

static void on_done(void *arg, int error)
{
    struct aside *a = arg;

    pthread_mutex_lock(&a->lock);
    if (error && !a->error)
        a->error = error;
    a->under_way--;
    pthread_cond_signal(&a->done);
    pthread_mutex_unlock(&a->lock);
}

static int submit(struct disk *d, struct aside *a, void *data, uint64_t length, uint64_t offset)
{
    const struct weir_request io = {
        .op = WEIR_WRITE, .flags = WEIR_BACKGROUND, .data = data, .length = length, .offset = offset
    };
    int r;

    pthread_mutex_lock(&a->lock);
    while (a->under_way >= ASIDE)
        pthread_cond_wait(&a->done, &a->lock);
    a->under_way++;
    r = -a->error;
    pthread_mutex_unlock(&a->lock);
    if (!r)
        r = weir_submit(d->below, &io, on_done, a);
    if (r == -EAGAIN || r == -ENOMEM) { /* nobody to do it: then here */
        r = weir_write(d->below, data, length, offset, WEIR_BACKGROUND);
        on_done(a, -r);
        return r;
    }
    if (r)
        on_done(a, -r);
    return r;
}

/* The sectors of one block that count, as few writes as they are runs. */
static int store_pieces(struct disk *d, struct aside *a, const struct dirty_block *k, uint8_t *page)
{
    const uint64_t begin = key_block(k->key) * BLOCK - d->shift;
    int r = 0;

    for (unsigned s = 0; !r && s < SECTORS;) {
        unsigned from = s;
        while (s < SECTORS && k->mask & 1 << s)
            s++;
        if (s > from)
            r = submit(d, a, page + from * SECTOR, (s - from) * SECTOR, begin + from * SECTOR);
        else
            s++;
    }
    return r;
}

/* How many blocks from `first` on are neighbours and whole. */
static size_t run_length(const struct batch *b, size_t first)
{
    size_t n = 1;

    if (b->block[first].mask != EVERY_SECTOR)
        return 1;
    while (n < RUN && first + n < b->count && b->block[first + n].mask == EVERY_SECTOR &&
           b->block[first + n].key == b->block[first].key + n)
        n++;
    return n;
}

/* Blocks that lie one after the other in the pool, too, at one go. */
static bool load_together(struct disk *d, const struct dirty_block *k, size_t count, uint8_t *data)
{
    struct pool *p = d->pool;
    size_t n = 1;

    while (n < count && k[n].place == k[0].place + n)
        n++;
    if (n < count || media_read(p->media, data, n * BLOCK, place_offset(p, k->place)))
        return false;
    for (n = 0; n < count; n++)
        if (block_crc(k[n].key, data + n * BLOCK) != k[n].crc)
            return false;
    return true;
}

/* Reads a run; what cannot be read ends it.  Blocks that were read. */
static size_t load_run(struct disk *d, struct batch *b, size_t first, size_t count, uint8_t *data)
{
    const bool together = load_together(d, &b->block[first], count, data);
    size_t n = 0;

    while (n < count && (together || load(d, &b->block[first + n], data + n * BLOCK)))
        b->block[first + n++].stored = true;
    return n;
}

static int store_run(struct disk *d, struct batch *b, struct aside *a, size_t first, size_t count,
                     size_t *done)
{
    struct write_run *run = &b->run[b->runs];

    *done = count;
    if (!b->block[first].mask) { /* all of it is in newer versions */
        b->block[first].stored = true;
        return 0;
    }
    run->data = aligned_alloc(BLOCK, count * BLOCK);
    if (!run->data)
        return -ENOMEM;
    b->runs++;
    size_t n = load_run(d, b, first, count, run->data);
    *done = n < count ? n + 1 : n; /* the one that could not be read is left out */
    if (!n)
        return 0;
    if (b->block[first].mask != EVERY_SECTOR)
        return store_pieces(d, a, &b->block[first], run->data);
    return submit(d, a, run->data, n * BLOCK, key_block(b->block[first].key) * BLOCK - d->shift);
}

int batch_store(struct disk *d, struct batch *b)
{
    struct aside a = { .lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER };
    int r = 0;

    b->run = calloc(b->count, sizeof(*b->run));
    if (!b->run)
        return -ENOMEM;
    for (size_t i = 0, done; !r && i < b->count; i += done)
        r = store_run(d, b, &a, i, run_length(b, i), &done);
    pthread_mutex_lock(&a.lock);
    while (a.under_way)
        pthread_cond_wait(&a.done, &a.lock);
    if (!r)
        r = -a.error;
    pthread_mutex_unlock(&a.lock);
    return r;
}

uint64_t batch_bytes(const struct batch *b)
{
    uint64_t n = 0;

    for (size_t i = 0; i < b->count; i++)
        if (b->block[i].stored)
            n += (uint64_t)__builtin_popcount(b->block[i].mask) * SECTOR;
    return n;
}

void batch_finish(struct batch *b)
{
    for (size_t i = 0; i < b->runs; i++)
        free(b->run[i].data);
    free(b->run);
    free(b->block);
}
