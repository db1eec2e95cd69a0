/* checkpoint.c - how does the pool come to know what RAM knows?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The order is what a crash between any two steps relies on; the names are those that
 * tests/filter/cache/test-crash.c leaves out one at a time, to see that it notices:
 *
 *   BARRIER   every record under way is installed, so that what it found stale is among the drops
 *   STORES    what was written past the pool is durable on the stores: else the pool, which may
 * have it, too, is newer than they are after a crash DROPS     what is void is said to be, before
 * the intents that protect it go TABLE     what slots hold now, before the log segments go that say
 * so otherwise KEEP      the intents that stay are said again, before the tail passes where they
 * were said SYNC      all that is durable TAIL      the super block says where the log begins now;
 * durable, and only then FREE      segments before it are written over VOID      the other intents
 * end.  Last: what the tail has passed might be older than the store, and until the super block is
 * there a crash would read it */
#include "disk.h"
#include "pool.h"
#include "step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Entries without pages, as many records as they need. */
static int append_keys(struct pool *p, uint8_t type, const uint64_t *key, size_t count)
{
    struct log_entry entry[RECORD_ENTRIES];

    for (size_t done = 0; done < count;) {
        struct log_append a = { .entry = entry, .last_reserve = true };
        while (a.count < RECORD_ENTRIES && done < count)
            entry[a.count++] = (struct log_entry){ .type = type, .key = key[done++] };
        int r = log_append(p->log, &a);
        if (r)
            return r;
    }
    return 0;
}

static void lock_pool(void *arg, bool hold)
{
    struct pool *p = arg;

    if (hold)
        pthread_mutex_lock(&p->lock);
    else
        pthread_mutex_unlock(&p->lock);
}

static void look_at_slot(void *arg, uint32_t slot, struct table_slot *s)
{
    struct pool *p = arg;
    uint32_t place = p->super.log_pages + slot;

    s->taken = policy_state(p->policy, place) & PLACE_CURRENT;
    s->key = policy_key(p->policy, place);
    s->crc = policy_crc(p->policy, place);
}

/* Takes the list of drops away, and begins a new one. */
static uint64_t *take_drops(struct pool *p, size_t *count)
{
    uint64_t *drop = p->drop;

    *count = p->drops;
    p->drop = NULL;
    p->drops = p->drops_size = 0;
    return drop;
}

/* After an error the drops are still to be told. */
static void give_drops_back(struct pool *p, uint64_t *drop, size_t count)
{
    pthread_mutex_lock(&p->lock);
    if (!p->drop && drop) {
        p->drop = drop;
        p->drops = p->drops_size = count;
        drop = NULL;
    } else if (count) {
        p->drops_lost = true;
    }
    pthread_mutex_unlock(&p->lock);
    free(drop);
}

/* ---- the stores ---------------------------------------------------------------------- */

/* Under the lock.  NULL: it is not attached, or must not be used now. */
static struct disk *visit(struct pool *p, unsigned number)
{
    struct disk *d = p->disk[number];

    if (!d || d->hold)
        return NULL;
    d->visitors++;
    return d;
}

/* What was written past the pool becomes durable; false: it may not be. */
static bool flush_store(struct pool *p, struct disk *d)
{
    const bool whole = !does(CHECKPOINT_STORES) || disk_flush_store(d) == 0;

    pthread_mutex_lock(&p->lock);
    d->visitors--;
    pthread_cond_broadcast(&p->moved);
    pthread_mutex_unlock(&p->lock);
    return whole;
}

/* loose[i]: of disk i the pool may have what the store loses. */
static void flush_stores(struct pool *p, bool loose[DISKS_MAX])
{
    for (unsigned i = 0; i < DISKS_MAX; i++) {
        pthread_mutex_lock(&p->lock);
        struct disk *d = visit(p, i);
        loose[i] = !d && (p->disk[i] ? disk_is_loose(p->disk[i]) : p->loose[i]);
        pthread_mutex_unlock(&p->lock);
        if (d)
            loose[i] = !flush_store(p, d);
    }
}

/* ---- all -------------------------------------------------------------------------------- */

/* What is taken from RAM when a checkpoint begins. */
struct news {
    uint64_t *drop;
    size_t drops;
    uint64_t tail, head;
    bool loose[DISKS_MAX];
};

static void take_news(struct pool *p, struct news *n)
{
    struct log_place log;

    log_where(p->log, &log);
    n->head = log.head;
    pthread_mutex_lock(&p->lock);
    n->drop = take_drops(p, &n->drops);
    n->tail = p->scanned;
    intents_turn(&p->intents);
    pthread_mutex_unlock(&p->lock);
}

static int keep_intents(struct pool *p, const struct news *n)
{
    uint64_t *kept = NULL;
    size_t count = 0;

    pthread_mutex_lock(&p->lock);
    int r = intents_keep(&p->intents, p->drops_lost ? NULL : n->loose, &kept, &count);
    if (!r)
        p->marks_kept = count;
    pthread_mutex_unlock(&p->lock);
    if (!r && does(CHECKPOINT_KEEP))
        r = append_keys(p, ENTRY_INTENT, kept, count);
    free(kept);
    return r;
}

static int void_intents(struct pool *p, const struct news *n)
{
    return append_keys(p, ENTRY_INTENTS, &n->head, 1);
}

static int write_slots(struct pool *p)
{
    uint64_t written;

    return does(CHECKPOINT_TABLE)
               ? table_write(p->table, p->media, lock_pool, look_at_slot, p, &written)
               : 0;
}

/* *told: the log had room for all. */
static int write_state(struct pool *p, struct news *n, bool *told)
{
    int r = 0;

    if (!does(CHECKPOINT_VOID)) /* but too early */
        r = void_intents(p, n);
    if (!r && does(CHECKPOINT_DROPS))
        r = append_keys(p, ENTRY_DROP, n->drop, n->drops);
    *told = !r;
    if (r)
        give_drops_back(p, n->drop, n->drops);
    else
        free(n->drop);
    if (!r || r == -EAGAIN)
        r = write_slots(p);
    if (!r) {
        r = keep_intents(p, n);
        *told &= !r;
    }
    if ((!r || r == -EAGAIN) && does(CHECKPOINT_SYNC))
        r = log_sync(p->log);
    return r == -EAGAIN ? 0 : r;
}

/* Everything before `tail` is nobody's. */
static int move_tail(struct pool *p, uint64_t tail)
{
    struct log_place log;
    int r = 0;

    log_where(p->log, &log);
    p->super.tail = tail;
    p->super.durable_epoch = log.durable_epoch;
    p->super.durable_head = log.durable_head;
    if (does(CHECKPOINT_TAIL)) {
        r = super_save(p->media, &p->super);
        if (!r)
            r = media_sync(p->media);
    }
    if (!r)
        log_free(p->log, tail);
    return r;
}

/* Alone. */
static int save(struct pool *p)
{
    struct news n;
    bool told;
    int r = does(CHECKPOINT_BARRIER) ? log_sync(p->log) : 0;

    if (r)
        return r;
    take_news(p, &n);
    flush_stores(p, n.loose);
    r = write_state(p, &n, &told);
    if (r)
        return r;
    /* Without room in the log for what protects stale blocks, none is believed after a crash: the
     * tail has to move all the same, or there never is room. */
    p->super.void_clean = !told;
    r = move_tail(p, n.tail);
    if (!r && told && does(CHECKPOINT_VOID))
        r = void_intents(p, &n);
    return r == -EAGAIN ? 0 : r; /* they stay in force until the next time */
}

int checkpoint(struct pool *p)
{
    pthread_mutex_lock(&p->saving);
    int r = save(p);
    pthread_mutex_unlock(&p->saving);
    return r;
}

int pool_distrust(struct pool *p)
{
    pthread_mutex_lock(&p->saving);
    /* What was destaged and not told is destaged again after a crash, over what is written now: so
     * it has to be told, and there is no room.  Then nobody writes past the pool. */
    int r = tell_rest(p);
    if (!r)
        r = log_sync(p->log);
    if (!r && !p->super.void_clean) {
        p->super.void_clean = true;
        r = super_save(p->media, &p->super);
        if (!r)
            r = media_sync(p->media);
        p->super.void_clean = !r;
    }
    pthread_mutex_unlock(&p->saving);
    if (r && r != -EAGAIN && r != -ENOMEM)
        pool_broke(p, -r);
    return r == -EAGAIN ? -ENOSPC : r;
}
