/* destage.c - how does what is dirty get to the store?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One thread for each disk, a batch at a time: dirty blocks from the log's tail on, in the order of
 * the disk, as long writes, several under way; then the store is flushed; then the log is told
 * (CLEANED, not synced: to destage a block twice is no harm); then RAM knows.  In this order a
 * crash anywhere leaves a block dirty that need not be, and never the other way round. */
#include "disk.h"

#include "batch.h"
#include "step.h"
#include "thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- a batch --------------------------------------------------------------------- */

static int tell_log(struct disk *d, const struct batch *b)
{
    struct log_entry *entry = malloc((b->count + 1) * sizeof(*entry));
    size_t n = 0;

    if (!entry)
        return -ENOMEM;
    for (size_t i = 0; i < b->count; i++)
        if (b->block[i].stored)
            entry[n++] = (struct log_entry){ .type = ENTRY_CLEANED,
                                             .key = b->block[i].key,
                                             .place = b->block[i].place,
                                             .crc = b->block[i].crc };
    int r = tell_cleaned(d->pool, entry, n);
    free(entry);
    return r;
}

static void tell_ram(struct disk *d, const struct batch *b)
{
    struct pool *p = d->pool;

    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < b->count; i++) {
        const struct dirty_block *k = &b->block[i];
        /* else somebody has written it meanwhile, and this version is dirty no longer */
        if (k->stored && policy_key(p->policy, k->place) == k->key &&
            policy_crc(p->policy, k->place) == k->crc &&
            (policy_state(p->policy, k->place) & PLACE_DIRTY))
            pool_clean_piece(p, k->key, k->place);
        if (k->stored && !atomic_load(&d->fills)) /* the verb detach: nothing stays */
            pool_forget(p, k->key);
    }
    atomic_store(&d->marks_loose, true);
    if (!d->dirty) {
        d->hurry = false; /* what becomes dirty from now on is nobody's hurry */
        d->clean_since = now_ns();
    }
    pthread_cond_broadcast(&p->moved);
    pthread_mutex_unlock(&p->lock);
}

static int finish(struct disk *d, const struct batch *b)
{
    struct pool *p = d->pool;
    int r;

    atomic_fetch_add(&d->batches, 1);
    r = does(DESTAGE_FLUSH) ? weir_flush(d->below, WEIR_BACKGROUND) : 0;

    if (r)
        return r;
    if (does(DESTAGE_TELL) && !p->error) {
        r = tell_log(d, b);
        if (r == -ENOMEM)
            return r;
        if (r)
            pool_broke(p, -r);
    }
    tell_ram(d, b);
    weir_add(&disk_stats(d)->destaged_bytes, batch_bytes(b));
    return 0;
}

static void note_error(struct disk *d, int r)
{
    struct pool *p = d->pool;

    pthread_mutex_lock(&p->lock);
    int before = d->store_error;
    uint32_t dirty = d->dirty;
    d->store_error = r;
    d->tries++;
    pthread_cond_broadcast(&p->moved);
    pthread_mutex_unlock(&p->lock);
    if (r && r != before)
        weir_report(d->below, WEIR_ERROR,
                    "destage failed: %s; %u blocks of 4 KiB stay in the pool %s, and are tried "
                    "again each second",
                    strerror(-r), dirty, p->name);
    else if (!r && before)
        weir_report(d->below, WEIR_INFO, "destage goes on, after: %s", strerror(-before));
}

int destage_step(struct disk *d, bool *left)
{
    const uint64_t began = now_ns();
    struct batch b = { 0 };
    int r =
        atomic_load(&d->order) == ORDER_ORDERED ? batch_gather_epoch(d, &b) : batch_gather(d, &b);

    if (!r && b.count && !d->pool->error && does(DESTAGE_SYNC))
        r = log_sync(d->pool->log);
    if (r && r != -ENOMEM) /* the pool's: the store has done nothing */
        pool_broke(d->pool, -r);
    else if (!r && b.count)
        r = batch_store(d, &b);
    if (!r && b.count)
        r = finish(d, &b);
    batch_finish(&b);
    if (r != -ENOMEM)
        note_error(d, r);
    pthread_mutex_lock(&d->pool->lock);
    *left = d->dirty > 0;
    if (!r && !b.left)
        d->oldest = began; /* what is dirty now has been written since */
    pthread_mutex_unlock(&d->pool->lock);
    return r;
}

/* ---- the thread -------------------------------------------------------------------- */

/* Under the lock. */
static bool is_due(const struct disk *d)
{
    const struct pool *p = d->pool;

    if (p->error && !d->told_broken)
        return true;
    if (!d->dirty || (d->hold && !d->writers))
        return false;
    return d->hurry || p->dirty > p->dirty_most / 2 || p->error ||
           now_ns() - d->oldest >= atomic_load(&d->destage_delay);
}

/* Under the lock.  Nobody need remember that the pool holds part of the disk: nothing has been
 * dirty for a while, or nothing is to become so. */
static bool is_whole(const struct disk *d)
{
    const uint64_t rest = 5000000000u; /* ns: to remember and to forget costs syncs */

    return !d->dirty && atomic_load(&d->kept) && !d->pool->error &&
           (atomic_load(&d->mode) != MODE_WRITE_BACK || now_ns() - d->clean_since >= rest);
}

/* False: the thread shall end. */
static bool wait_for_work(struct disk *d)
{
    struct pool *p = d->pool;

    pthread_mutex_lock(&p->lock);
    d->destaging = false;
    if (!d->dirty)
        d->hurry = false;
    pthread_cond_broadcast(&p->moved);
    if (d->store_error && !d->stop) /* not at once again */
        cond_wait_until(&d->work, &p->lock, now_ns() + SECOND_NS);
    while (!d->stop && !is_due(d)) {
        if (is_whole(d)) {
            pthread_mutex_unlock(&p->lock);
            disk_release(d);
            pthread_mutex_lock(&p->lock);
            if (d->stop || is_due(d))
                break;
        }
        cond_wait_until(&d->work, &p->lock, now_ns() + SECOND_NS);
    }
    d->destaging = !d->stop;
    pthread_mutex_unlock(&p->lock);
    return !d->stop;
}

static void *run(void *arg)
{
    struct disk *d = arg;
    bool left;

    while (wait_for_work(d)) {
        if (d->pool->error && !d->told_broken) {
            d->told_broken = true;
            disk_pool_broke(d, d->pool->error);
        }
        destage_step(d, &left);
        pool_nudge(d->pool);
    }
    return NULL;
}

int destage_start(struct disk *d)
{
    int r = d->pool->by_hand ? 0 : thread_start(&d->destager, run, d);

    d->destager_runs = !r && !d->pool->by_hand;
    return r;
}

void destage_stop(struct disk *d)
{
    if (!d->destager_runs)
        return;
    pthread_mutex_lock(&d->pool->lock);
    d->stop = true;
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&d->pool->lock);
    pthread_join(d->destager, NULL);
    d->destager_runs = false;
}

void destage_hold(struct disk *d, bool hold)
{
    struct pool *p = d->pool;

    pthread_mutex_lock(&p->lock);
    d->hold = hold;
    pthread_cond_signal(&d->work);
    while (hold && (d->destaging || d->visitors))
        pthread_cond_wait(&p->moved, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

/* ---- who waits for it --------------------------------------------------------------- */

static bool has_dirty(const struct disk *d, uint64_t offset, uint64_t length)
{
    const struct policy *policy = d->pool->policy;
    const uint64_t first = disk_block(d, offset), last = disk_block(d, offset + length - 1);

    if (d->pool->carries) /* what is clean by now may be about to be dirty again */
        return true;
    if (!d->dirty)
        return false;
    /* ordered: what is older than the range has to be there before it, too */
    if (atomic_load(&d->order) == ORDER_ORDERED || last - first >= 4 * (uint64_t)d->dirty)
        return true;
    for (uint64_t b = first; b <= last; b++) {
        uint32_t place = policy_find(policy, disk_key(d, b));
        if (place != NOWHERE && (policy_state(policy, place) & (PLACE_DIRTY | PLACE_PARTIAL)))
            return true; /* of a block in pieces an older one may be */
    }
    return false;
}

static int by_hand(struct disk *d, uint64_t offset, uint64_t length)
{
    bool left = true;
    int r = 0;

    while (!r && left && has_dirty(d, offset, length))
        r = destage_step(d, &left);
    return r;
}

int destage_range(struct disk *d, uint64_t offset, uint64_t length)
{
    struct pool *p = d->pool;
    int r = 0;

    if (p->by_hand)
        return by_hand(d, offset, length);
    pthread_mutex_lock(&p->lock);
    d->writers++;
    const uint64_t came = d->tries;
    while (has_dirty(d, offset, length)) {
        if (d->store_error && d->tries != came) { /* not what was wrong a while ago */
            r = d->store_error;
            break;
        }
        d->hurry = true;
        pthread_cond_signal(&d->work);
        pthread_cond_wait(&p->moved, &p->lock);
    }
    d->writers--;
    pthread_mutex_unlock(&p->lock);
    return r;
}

int destage_all(struct disk *d)
{
    return destage_range(d, 0, atomic_load(&d->size));
}

int destage_held(struct disk *d)
{
    bool left = true;
    int r = 0;

    while (!r && left)
        r = destage_step(d, &left);
    return r;
}
