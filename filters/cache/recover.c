/* recover.c - what of a pool is believed after a crash?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The slots first, as their table tells: a page of it that was written, but whose slots were
 * written over since, names a CRC that the slot's bytes do not have, and such a block is a miss
 * when it is read.  Then the log, from the tail that the super block names, in its order:
 *
 *   CLEAN     the block is here, unless a dirty version is
 *   DIRTY     the block is here, and the store does not have it
 *   CLEANED   now the store has it
 *   DROP      clean versions of the log so far are void
 *   INTENT    the store may have become newer in this region
 *
 * and at the end every clean block of a region with an intent in force is dropped.  Each step may
 * be done twice: a crash in here changes nothing on the medium. */
#include "disk.h"
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct recovery {
    struct pool *pool;
    struct mark {
        uint64_t region, position;
    } * mark; /* intents in force */
    size_t marks, size;
    uint64_t damaged;
    const char *where;
    int error;
};

static bool is_known(const struct pool *p, uint64_t key)
{
    static const uint8_t nobody[UUID];
    unsigned number = key_disk(key);

    return number < p->super.disks &&
           memcmp(catalog_disk(p->catalog, number)->uuid, nobody, UUID) != 0;
}

static void slot_taken(void *arg, uint32_t slot, const struct table_slot *s)
{
    struct pool *p = arg;
    uint32_t before;

    if (!is_known(p, s->key))
        return;
    policy_put(p->policy, p->super.log_pages + slot, s->key, s->crc, 0, &before);
    if (before != NOWHERE) /* a page of the table is older than another: both say they have it */
        table_mark(p->table, before - p->super.log_pages);
}

static bool is_dirty(const struct pool *p, uint32_t place)
{
    return place != NOWHERE && (policy_state(p->policy, place) & PLACE_DIRTY);
}

static void take_clean(struct pool *p, const struct log_entry *e)
{
    uint32_t before = policy_find(p->policy, e->key);

    if (!is_dirty(p, before))
        policy_put(p->policy, e->place, e->key, e->crc, 0, &before);
}

static void take_cleaned(struct pool *p, const struct log_entry *e)
{
    if (in_log(p, e->place) && is_dirty(p, e->place) && policy_key(p->policy, e->place) == e->key)
        pool_clean_piece(p, e->key, e->place);
}

static void take_drop(struct pool *p, const struct log_entry *e)
{
    uint32_t place = policy_find(p->policy, e->key);

    /* What is in a slot may have come there after the drop.  What was there before it is void by
     * the table, which was written before the intents that told of the same ended. */
    if (place != NOWHERE && in_log(p, place) && !is_dirty(p, place))
        policy_drop(p->policy, place);
}

static int take_intent(struct recovery *r, uint64_t region, uint64_t position)
{
    if (r->marks == r->size) {
        size_t size = r->size ? 2 * r->size : 256;
        struct mark *more = realloc(r->mark, size * sizeof(*more));
        if (!more)
            return -ENOMEM;
        r->mark = more;
        r->size = size;
    }
    r->mark[r->marks++] = (struct mark){ region, position };
    return 0;
}

static void void_intents(struct recovery *r, uint64_t before)
{
    size_t n = 0;

    for (size_t i = 0; i < r->marks; i++)
        if (r->mark[i].position >= before)
            r->mark[n++] = r->mark[i];
    r->marks = n;
}

static int take_dirty(struct pool *p, const struct log_entry *e)
{
    int r = e->mask == EVERY_SECTOR ? 0 : partials_reserve(&p->partials, 1);

    if (!r)
        install_dirty(p, e);
    return r;
}

static int take(void *arg, const struct log_entry *e, uint64_t position, uint64_t epoch)
{
    struct recovery *r = arg;
    struct pool *p = r->pool;

    (void)epoch;
    if (e->type == ENTRY_INTENTS) {
        void_intents(r, e->key);
        return 0;
    }
    /* an earlier disk may have had the number */
    if (!is_known(p, e->key) || position < catalog_disk(p->catalog, key_disk(e->key))->since)
        return 0;
    switch (e->type) {
    case ENTRY_CLEAN:
        take_clean(p, e);
        return 0;
    case ENTRY_DIRTY:
    case ENTRY_OVER:
        return take_dirty(p, e);
    case ENTRY_CLEANED:
        take_cleaned(p, e);
        return 0;
    case ENTRY_DROP:
        take_drop(p, e);
        return 0;
    case ENTRY_INTENT:
        return take_intent(r, e->key, position);
    default: /* STALE, and what a later weir may add that older ones may ignore */
        return 0;
    }
}

static int damage(void *arg, uint64_t position, const char *why)
{
    struct recovery *r = arg;

    (void)position;
    r->damaged++;
    r->where = why;
    return 0;
}

static int by_region(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;

    return x->region < y->region ? -1 : x->region > y->region;
}

static bool has_mark(const struct recovery *r, uint64_t key)
{
    const struct mark wanted = { .region = region_of(key) };
    const struct mark all = { .region = block_key(key_disk(key), REGION_OF_ALL) };

    return bsearch(&wanted, r->mark, r->marks, sizeof(wanted), by_region) ||
           bsearch(&all, r->mark, r->marks, sizeof(all), by_region);
}

/* Every clean block of a marked region, and counts what stays. */
static void drop_marked(struct recovery *r)
{
    struct pool *p = r->pool;
    uint64_t n = 0;

    /* what was lost with records of the log may have been that a block is void */
    const bool void_clean = p->super.void_clean || r->damaged;

    p->marked = r->marks || void_clean;
    if (r->marks) /* NULL is nothing that qsort() sorts */
        qsort(r->mark, r->marks, sizeof(*r->mark), by_region);
    for (uint32_t place = 0; place < p->super.log_pages + p->super.slots; place++) {
        unsigned state = policy_state(p->policy, place);
        if (!(state & PLACE_CURRENT))
            continue;
        if (!(state & PLACE_DIRTY) &&
            (void_clean || (r->marks && has_mark(r, policy_key(p->policy, place)))))
            pool_forget(p, policy_key(p->policy, place));
        else
            n++;
    }
    atomic_store(&p->recovered, n);
}

int recover(struct pool *p, struct log_place *end, char why[WHY])
{
    struct recovery r = { .pool = p };
    const struct log_reader reader = { take, damage, &r };

    p->loading = true; /* what the table says need not be written to it */
    int error = table_load(p->table, p->media, slot_taken, p);
    p->loading = false;
    if (!error)
        error = log_read(p->media, &p->super, &reader, end);
    if (error)
        why_print(why, "the pool %s cannot be read back: %s", p->path, strerror(-error));
    else
        drop_marked(&r);
    atomic_store(&p->damaged, r.damaged);
    free(r.mark);
    return error;
}
