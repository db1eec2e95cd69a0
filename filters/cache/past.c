/* past.c - what happens around a write that goes to the store past the pool?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The modes read and write-through, trim, and zeroes that are too many to be written one by one.
 * Before the store is asked:
 *
 *   CLEAN   no block of the range may be dirty: an older version in the log would come back after
 *           a crash, over what the store has by then.  They are destaged first.
 *   MARK    the log says, durably, which regions are written in (intent.h), and with it that
 *           blocks destaged so far are clean.
 *
 * Afterwards what the pool had of the range is void, or is made what was written. */
#include "disk.h"
#include "step.h"

#include <errno.h>
#include <stdlib.h>

/* A longer range marks the whole disk. */
enum { REGIONS_MOST = 64 };

struct regions {
    uint64_t first, count;
};

static struct regions regions_of(const struct disk *d, const struct past *past)
{
    const uint64_t first = disk_block(d, past->offset) / REGION_BLOCKS;
    const uint64_t last = disk_block(d, past->offset + past->length - 1) / REGION_BLOCKS;
    const struct regions all = { REGION_OF_ALL, 1 }, some = { first, last - first + 1 };

    return some.count > REGIONS_MOST ? all : some;
}

/* Fills of these blocks that are under way are stale from here on. */
static void raise_changes(struct disk *d, const struct past *past)
{
    const uint64_t first = disk_block(d, past->offset);
    const uint64_t last = disk_block(d, past->offset + past->length - 1);

    if (last - first >= CHANGES)
        for (unsigned i = 0; i < CHANGES; i++)
            d->pool->changes[i]++;
    else
        for (uint64_t b = first; b <= last; b++)
            ++*changes_of(d->pool, disk_key(d, b));
}

/* Under the lock.  Fills `a` with marks that the log does not have. */
static int begin(struct disk *d, const struct past *past, struct log_entry *entry, unsigned *marks)
{
    const struct regions all = regions_of(d, past);
    int r = intents_reserve(&d->pool->intents, all.count);

    for (uint64_t i = 0; !r && i < all.count; i++) {
        uint64_t region = disk_key(d, all.first + i);
        if (intents_begin(&d->pool->intents, region))
            entry[(*marks)++] = (struct log_entry){ .type = ENTRY_INTENT, .key = region };
    }
    if (!r)
        raise_changes(d, past);
    return r;
}

static void end(struct disk *d, const struct past *past)
{
    const struct regions all = regions_of(d, past);

    for (uint64_t i = 0; i < all.count; i++)
        intents_end(&d->pool->intents, disk_key(d, all.first + i));
    raise_changes(d, past);
}

static int mark(struct disk *d, struct log_entry *entry, unsigned marks)
{
    struct pool *p = d->pool;
    struct log_append a = { .entry = entry, .count = marks, .last_reserve = true };
    bool loose = atomic_load(&d->marks_loose);
    int r = 0;

    if (!does(PAST_MARK))
        return 0;
    if (loose)
        r = tell_rest(p);
    if (!r && marks)
        r = log_append(p->log, &a);
    if (!r && (marks || loose || atomic_load(&d->mode) == MODE_WRITE_BACK)) {
        /* in write-back, too: what was acknowledged before is not to be lost while this is not */
        atomic_store(&d->marks_loose, false);
        r = log_sync(p->log);
        if (r && loose)
            atomic_store(&d->marks_loose, true);
    }
    if (r && r != -EAGAIN && r != -ENOMEM) /* the medium's: the rest goes by without it */
        pool_broke(p, -r);
    if (!r && marks) {
        pthread_mutex_lock(&p->lock);
        for (unsigned i = 0; i < marks; i++)
            intents_marked(&p->intents, entry[i].key);
        pthread_mutex_unlock(&p->lock);
    }
    return r;
}

/* The log may be full, of other disks' blocks, too.  Without room for marks no clean block of the
 * pool is believed after a crash: the guest need not wait for it. */
static int mark_with_room(struct disk *d, struct log_entry *entry, unsigned marks)
{
    int r = mark(d, entry, marks);

    return r == -EAGAIN ? pool_distrust(d->pool) : r;
}

int past_begin(struct disk *d, uint64_t offset, uint64_t length, struct past *past)
{
    struct log_entry entry[REGIONS_MOST];
    struct pool *p = d->pool;
    unsigned marks = 0;

    *past = (struct past){ offset, length };
    int r = does(PAST_CLEAN) ? destage_range(d, offset, length) : 0;
    if (!r && p->error)
        r = disk_void(d);
    if (!r) {
        pthread_mutex_lock(&p->lock);
        r = begin(d, past, entry, &marks);
        pthread_mutex_unlock(&p->lock);
        if (r)
            past->length = 0;
    } else {
        past->length = 0;
    }
    if (r || p->error) /* of a broken pool nothing will be believed */
        return r;
    r = mark_with_room(d, entry, marks);
    if (r && p->error)
        r = disk_void(d);
    if (!r)
        return 0;
    past_end(d, past, NULL, false, NULL);
    past->length = 0;
    return r;
}

/* ---- afterwards ---------------------------------------------------------------------- */

static void forget(struct disk *d, const struct past *past)
{
    const uint64_t first = disk_block(d, past->offset);
    const uint64_t last = disk_block(d, past->offset + past->length - 1);
    struct pool *p = d->pool;

    for (uint64_t b = first; b <= last;) {
        pthread_mutex_lock(&p->lock);
        for (unsigned i = 0; i < REGION_BLOCKS && b <= last; i++, b++)
            if (policy_find(p->policy, disk_key(d, b)) != NOWHERE)
                pool_forget(p, disk_key(d, b));
        pthread_mutex_unlock(&p->lock);
    }
}

/* What a write has made of the block that is in `slot`: the slot is written over.  Whoever reads
 * it meanwhile finds neither CRC, and asks the store. */
static bool renew_slot(struct disk *d, uint64_t key, uint32_t slot, const void *page)
{
    struct pool *p = d->pool;
    const uint32_t crc = block_crc(key, page);
    int r = write_slot(p, slot, page);

    pthread_mutex_lock(&p->lock);
    bool same = policy_find(p->policy, key) == slot;
    if (!r && same)
        policy_set_crc(p->policy, slot, crc);
    else if (same)
        pool_forget(p, key);
    pthread_mutex_unlock(&p->lock);
    if (r)
        pool_broke(p, -r);
    return !r;
}

/* One block that was written.  *was: the log has a version that is void now. */
static void renew(struct disk *d, const struct part *part, const void *page, bool *was,
                  uint32_t *seen)
{
    struct pool *p = d->pool;

    pthread_mutex_lock(&p->lock);
    uint32_t place = policy_find(p->policy, part->key);
    bool in_slot = place != NOWHERE && !in_log(p, place);
    *was = place != NOWHERE && !in_slot;
    if (place != NOWHERE && part->length < BLOCK)
        pool_forget(p, part->key);
    else if (place != NOWHERE)
        policy_touch(p->policy, place);
    if (*was && part->length == BLOCK)
        policy_drop(p->policy, place); /* what is filled in replaces it on the pool, too */
    disk_refer(d, part->key, REFERENCE_WRITE);
    *seen = *changes_of(p, part->key);
    pthread_mutex_unlock(&p->lock);
    if (in_slot && part->length == BLOCK)
        renew_slot(d, part->key, place, page);
}

/* What was dropped and has not been filled in. */
static void forget_rest(struct disk *d, const struct past *past, const bool *was)
{
    const uint64_t first = disk_block(d, past->offset);
    const uint64_t last = disk_block(d, past->offset + past->length - 1);
    struct pool *p = d->pool;

    pthread_mutex_lock(&p->lock);
    for (uint64_t b = first; b <= last; b++)
        if (was[b - first] && policy_find(p->policy, disk_key(d, b)) == NOWHERE)
            pool_forget(p, disk_key(d, b));
    pthread_mutex_unlock(&p->lock);
}

static void keep(struct disk *d, const struct past *past, const uint8_t *data, bool fills,
                 struct cache_stats *counts)
{
    const size_t blocks = (size_t)(past->length / BLOCK + 2);
    bool *was = calloc(blocks, sizeof(*was));
    uint32_t *seen = malloc(blocks * sizeof(*seen));

    if (was && seen) {
        unsigned i = 0;
        for (uint64_t at = 0; at < past->length; i++) {
            const struct part part = disk_part(d, past->offset, past->length, at);
            renew(d, &part, data + at, &was[i], &seen[i]);
            at += part.length;
        }
        if (fills)
            disk_fill(d, data, past->length, past->offset, seen, was, counts);
        forget_rest(d, past, was);
    } else {
        forget(d, past);
    }
    free(was);
    free(seen);
}

void past_outside(struct disk *d, uint64_t offset, uint64_t length)
{
    const struct past past = { offset, length };

    pthread_mutex_lock(&d->pool->lock);
    raise_changes(d, &past);
    pthread_mutex_unlock(&d->pool->lock);
    forget(d, &past);
}

void past_end(struct disk *d, struct past *past, const void *data, bool fills,
              struct cache_stats *counts)
{
    struct pool *p = d->pool;

    if (!past->length)
        return;
    pthread_mutex_lock(&p->lock);
    raise_changes(d, past); /* fills that began while the store was being written */
    pthread_mutex_unlock(&p->lock);
    if (data && !p->error)
        keep(d, past, data, fills, counts);
    else
        forget(d, past);
    pthread_mutex_lock(&p->lock);
    end(d, past);
    bool many = p->intents.count >= MARKS_MOST;
    if (many)
        pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
    past->length = 0;
}
