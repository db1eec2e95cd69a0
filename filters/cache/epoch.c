/* epoch.c - which dirty blocks may reach the store next, if the order of writes is kept there?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What a guest writes between two flushes may reach a disk in any order, what it writes after a
 * flush may not come before.  So with order = ordered the store gets one epoch of the log after
 * the other, and is flushed in between: at each moment it is a state in which a power failure might
 * have left the disk, and stays that if the pool is lost.  Versions that newer ones have replaced
 * stay in the log until their epoch is down (ENTRY_OVER).
 *
 * RAM does not know epochs: the heads of the log's records say them. */
#include "batch.h"

#include "record.h"

#include <errno.h>
#include <stdlib.h>

struct walk {
    struct disk *disk;
    struct batch *batch;
    uint64_t epoch; /* of the batch; 0: not known yet */
    uint8_t *page;
    struct log_entry entry[RECORD_ENTRIES];
};

/* Under the lock: the version is still to reach the store. */
static bool is_due(const struct disk *d, const struct log_entry *e)
{
    const struct policy *policy = d->pool->policy;

    return (e->type == ENTRY_DIRTY || e->type == ENTRY_OVER) && key_disk(e->key) == d->number &&
           policy_key(policy, e->place) == e->key && policy_crc(policy, e->place) == e->crc &&
           (policy_state(policy, e->place) & PLACE_DIRTY);
}

/* False: the batch ends before this record. */
static bool take(struct walk *w, const struct record *r)
{
    struct disk *d = w->disk;
    struct batch *b = w->batch;
    const size_t before = b->count;

    if ((w->epoch && r->epoch != w->epoch) || b->count + r->count > BATCH)
        return false;
    pthread_mutex_lock(&d->pool->lock);
    for (unsigned i = 0; i < r->count; i++) {
        const struct log_entry *e = &w->entry[i];
        if (is_due(d, e))
            b->block[b->count++] = (struct dirty_block){
                .key = e->key,
                .place = e->place,
                .crc = e->crc,
                .mask = e->mask & disk_mask(d, key_block(e->key)),
            };
    }
    pthread_mutex_unlock(&d->pool->lock);
    if (b->count > before)
        w->epoch = r->epoch;
    return true;
}

/* In the order of the log, the same key again: what a later version has, the earlier ones need not
 * bring.  `at`: where each was in the log's order. */
static int by_key_and_age(const void *a, const void *b)
{
    const struct dirty_block *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void settle(struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        b->block[i].at = (uint32_t)i;
    qsort(b->block, b->count, sizeof(*b->block), by_key_and_age);
    uint8_t later = 0;
    for (size_t i = b->count; i-- > 0;) {
        if (i + 1 == b->count || b->block[i].key != b->block[i + 1].key)
            later = 0;
        uint8_t mine = b->block[i].mask;
        b->block[i].mask &= (uint8_t)~later;
        later |= mine;
    }
}

int batch_gather_epoch(struct disk *d, struct batch *b)
{
    struct pool *p = d->pool;
    struct log_place log;
    struct walk *w = calloc(1, sizeof(*w));
    int r = 0;

    b->block = malloc(BATCH * sizeof(*b->block));
    if (w)
        w->page = aligned_alloc(BLOCK, BLOCK);
    if (!b->block || !w || !w->page)
        r = -ENOMEM;
    if (!r) {
        w->disk = d;
        w->batch = b;
        log_where(p->log, &log);
        if (d->walked < log.tail)
            d->walked = log.tail;
    }
    for (uint64_t at = r ? 0 : d->walked; !r && at < log.head;) {
        struct record record;
        r = media_read(p->media, w->page, BLOCK, page_offset(&p->super, at));
        if (r)
            break;
        if (!record_get(w->page, &p->super, at, &record)) { /* behind a segment's last record */
            at = segment_of(at) + SEGMENT_PAGES;
            continue;
        }
        record_get_entries(w->page, &p->super, &record, w->entry);
        b->left = !take(w, &record);
        if (b->left)
            break;
        at += record_pages(w->page, &record);
        if (!b->count)
            d->walked = at; /* nothing before it is dirty, nor will it be */
    }
    if (!r)
        settle(b);
    if (w)
        free(w->page);
    free(w);
    return r;
}
