/* install.c - what does an append do to what is known in RAM?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Appends come here in the order of the log, so RAM goes through the states that a reader of the
 * log goes through after a crash (recover.c): the same functions serve both. */
#include "pool.h"

#include "disk.h"

static bool is_stale(struct pool *p, const struct fill *f, const struct log_append *a, unsigned i)
{
    return *changes_of(p, a->entry[i].key) != f->seen[i];
}

/* While a block was destaged, and that was told late, another may have come to its place: that one
 * is not clean. */
static bool is_other(const struct pool *p, const struct log_entry *e)
{
    return (policy_state(p->policy, e->place) & PLACE_DIRTY) &&
           (policy_key(p->policy, e->place) != e->key || policy_crc(p->policy, e->place) != e->crc);
}

void install_seal(void *arg, struct log_append *a)
{
    struct pool *p = arg;
    const struct fill *f = a->owner;

    pthread_mutex_lock(&p->lock);
    for (unsigned i = 0; i < a->count; i++) {
        struct log_entry *e = &a->entry[i];
        if (f && is_stale(p, f, a, i))
            e->type = ENTRY_STALE;
        else if (e->type == ENTRY_CLEANED && is_other(p, e))
            e->place = NOWHERE;
    }
    pthread_mutex_unlock(&p->lock);
}

static void install_clean(struct pool *p, const struct log_entry *e)
{
    uint32_t before;

    policy_put(p->policy, e->place, e->key, e->crc, 0, &before);
}

/* What was dirty under a new version that says it replaces it needs not reach the store. */
static void supersede(struct pool *p, const struct log_entry *e, uint32_t place)
{
    if (e->type == ENTRY_DIRTY && place != NOWHERE &&
        (policy_state(p->policy, place) & PLACE_DIRTY))
        pool_clean(p, place);
}

static void install_whole(struct pool *p, const struct log_entry *e)
{
    struct pieces *old = partials_of(&p->partials, e->key, false);
    uint32_t before;

    policy_put(p->policy, e->place, e->key, e->crc, PLACE_DIRTY, &before);
    if (!old) {
        supersede(p, e, before);
        return;
    }
    for (unsigned i = 0; i < old->count; i++)
        supersede(p, e, old->piece[i].place);
    partials_remove(&p->partials, e->key);
}

/* Room in `partials` has been reserved. */
static void install_piece(struct pool *p, const struct log_entry *e)
{
    struct pieces *all = partials_of(&p->partials, e->key, true);
    uint32_t before = policy_find(p->policy, e->key), gone[SECTORS];

    if (!all->count && before != NOWHERE && (policy_state(p->policy, before) & PLACE_DIRTY))
        pieces_add(all, before, EVERY_SECTOR, gone);
    unsigned n = pieces_add(all, e->place, e->mask, gone);
    /* a clean version that was there is given up: see partial.h */
    policy_put(p->policy, e->place, e->key, e->crc, PLACE_DIRTY | PLACE_PARTIAL, &before);
    for (unsigned i = 0; i < n; i++)
        supersede(p, e, gone[i]);
}

void install_dirty(struct pool *p, const struct log_entry *e)
{
    struct disk *d = p->disk[key_disk(e->key)];

    ++*changes_of(p, e->key);
    p->dirty++;
    if (d && d->dirty++ == 0)
        d->oldest = now_ns();
    if (e->mask == EVERY_SECTOR)
        install_whole(p, e);
    else
        install_piece(p, e);
}

void install_done(void *arg, struct log_append *a)
{
    struct pool *p = arg;
    const struct fill *f = a->owner;

    pthread_mutex_lock(&p->lock);
    for (unsigned i = 0; i < a->count; i++) {
        const struct log_entry *e = &a->entry[i];
        switch (e->type) {
        case ENTRY_CLEAN:
            if (f && is_stale(p, f, a, i))
                pool_forget(p, e->key); /* it is in the log, so the log must be told */
            else
                install_clean(p, e);
            break;
        case ENTRY_DIRTY:
        case ENTRY_OVER:
            install_dirty(p, e);
            break;
        default: /* of these RAM has known before */
            break;
        }
    }
    pthread_mutex_unlock(&p->lock);
}
