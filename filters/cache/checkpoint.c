/* checkpoint.c - how does the pool come to know what RAM knows?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The order is what a crash between any two steps relies on; the names are those that
 * tests/filter/cache/test-crash.c leaves out one at a time, to see that it notices:
 *
 *   BARRIER   every record under way is installed, so that what it found stale is among the drops
 *   DROPS     what is void is said to be, before the intents that protect it go
 *   KEEP      the intents that stay are said again, before the tail passes where they were said
 *   TABLE     what slots hold now, before the log segments go that say so otherwise
 *   SYNC      all that is durable
 *   TAIL      the super block says where the log begins now; durable, and only then
 *   FREE      segments before it are written over
 *   VOID      the other intents end.  Last: what the tail has passed might be older than the store,
 *             and until the super block is there a crash would read it */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>

#ifndef CHECKPOINT_WITHOUT /* a test builds this file without one of the steps */
#define CHECKPOINT_WITHOUT NOTHING
#endif
enum step { NOTHING, BARRIER, DROPS, KEEP, TABLE, SYNC, TAIL, VOID };

static bool does(enum step s)
{
    return s != CHECKPOINT_WITHOUT;
}

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
static uint64_t *take_drops(struct pool *p, size_t *count, bool *lost)
{
    uint64_t *drop = p->drop;

    *count = p->drops;
    *lost = p->drops_lost;
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

static int keep_intents(struct pool *p)
{
    uint64_t *kept = NULL;
    size_t count = 0;

    pthread_mutex_lock(&p->lock);
    int r = intents_keep(&p->intents, &kept, &count);
    pthread_mutex_unlock(&p->lock);
    if (!r && does(KEEP))
        r = append_keys(p, ENTRY_INTENT, kept, count);
    free(kept);
    return r;
}

static int write_slots(struct pool *p)
{
    uint64_t written;
    int r = does(TABLE) ? table_write(p->table, p->media, lock_pool, look_at_slot, p, &written) : 0;

    return !r && does(SYNC) ? log_sync(p->log) : r;
}

/* Everything before `tail` is nobody's. */
static int move_tail(struct pool *p, uint64_t tail)
{
    struct log_place log;
    int r = 0;

    log_where(p->log, &log);
    p->super.tail = tail;
    p->super.durable_epoch = log.durable_epoch;
    if (does(TAIL)) {
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
    struct log_place log;
    size_t count;
    bool lost;
    int r = does(BARRIER) ? log_sync(p->log) : 0;

    if (r)
        return r;
    log_where(p->log, &log);
    pthread_mutex_lock(&p->lock);
    uint64_t *drop = take_drops(p, &count, &lost);
    const uint64_t tail = p->scanned / SEGMENT_PAGES * SEGMENT_PAGES;
    intents_turn(&p->intents);
    pthread_mutex_unlock(&p->lock);

    r = does(DROPS) ? append_keys(p, ENTRY_DROP, drop, count) : 0;
    if (r)
        give_drops_back(p, drop, count);
    else
        free(drop);
    if (!r && !lost)
        r = keep_intents(p);
    const bool told = !r && !lost;
    if (!r || r == -EAGAIN)
        r = write_slots(p);
    if (r)
        return r;
    /* Without room in the log for what protects stale blocks, none is believed after a crash: the
     * tail has to move all the same, or there never is room. */
    p->super.void_clean = !told;
    r = move_tail(p, tail);
    if (r || !told)
        return r;
    r = append_keys(p, ENTRY_INTENTS, &(uint64_t){ does(VOID) ? log.head : 0 }, 1);
    return r == -EAGAIN ? 0 : r; /* they stay in force until the next time */
}

int checkpoint(struct pool *p)
{
    pthread_mutex_lock(&p->saving);
    int r = save(p);
    pthread_mutex_unlock(&p->saving);
    return r;
}
