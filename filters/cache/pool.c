/* pool.c - what is a pool while it is open?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "pool.h"

#include "disk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Of the log, what may be dirty: the rest is room to write while the tail is made free. */
#define DIRTY_MOST 0.75

uint64_t place_offset(const struct pool *p, uint32_t place)
{
    return in_log(p, place) ? p->super.log + (uint64_t)place * BLOCK
                            : p->super.slot + (uint64_t)(place - p->super.log_pages) * BLOCK;
}

int write_slot(struct pool *p, uint32_t slot, const void *page)
{
    atomic_fetch_add(&p->slot_writes, 1);
    return media_write(p->media, page, BLOCK, place_offset(p, slot));
}

/* ---- what becomes of blocks ------------------------------------------------------ */

static void remember_drop(struct pool *p, uint64_t key)
{
    if (p->drops == p->drops_size) {
        size_t size = p->drops_size ? 2 * p->drops_size : 1024;
        uint64_t *more = realloc(p->drop, size * sizeof(*more));
        if (!more) {
            p->drops_lost = true;
            return;
        }
        p->drop = more;
        p->drops_size = size;
    }
    p->drop[p->drops++] = key;
}

/* A drop is told to the log where the block is in a slot, too: the log may still have the version
 * that was copied there. */
void pool_forget(struct pool *p, uint64_t key)
{
    uint32_t place = policy_find(p->policy, key);

    ++*changes_of(p, key);
    remember_drop(p, key);
    pool_note(p, key, REFERENCE_AROUND);
    if (place != NOWHERE && !(policy_state(p->policy, place) & PLACE_DIRTY))
        policy_drop(p->policy, place);
}

uint64_t pool_forget_clean(struct pool *p, unsigned number)
{
    enum { LOOK = 4096 }; /* places, while the lock is held */
    const uint32_t places = p->super.log_pages + p->super.slots;
    uint64_t n = 0;

    for (uint32_t place = 0; place < places;) {
        pthread_mutex_lock(&p->lock);
        for (unsigned i = 0; i < LOOK && place < places; i++, place++)
            if (policy_state(p->policy, place) == PLACE_CURRENT &&
                key_disk(policy_key(p->policy, place)) == number) {
                pool_forget(p, policy_key(p->policy, place));
                n++;
            }
        pthread_mutex_unlock(&p->lock);
    }
    return n;
}

void pool_clean(struct pool *p, uint32_t place)
{
    const uint64_t key = policy_key(p->policy, place);
    struct disk *d = p->disk[key_disk(key)];

    ++*changes_of(p, key); /* who has read the store before may have what it was before */
    p->dirty--;
    if (d)
        d->dirty--;
    policy_set_state(p->policy, place, 0, PLACE_DIRTY);
}

static bool has_piece(const struct pieces *all, uint32_t place)
{
    for (unsigned i = 0; i < all->count; i++)
        if (all->piece[i].place == place)
            return true;
    return false;
}

void pool_clean_piece(struct pool *p, uint64_t key, uint32_t place)
{
    struct pieces *all = partials_of(&p->partials, key, false);
    uint32_t current = policy_find(p->policy, key);

    pool_clean(p, place);
    if (!all || !has_piece(all, place)) /* the block is not in pieces, or they are newer */
        return;
    if (all->count > 1) {
        pieces_remove(all, place);
        return;
    }
    partials_remove(&p->partials, key);
    if (current != NOWHERE) /* only sectors of it are there, and the store has them */
        policy_drop(p->policy, current);
}

/* ---- open and close ---------------------------------------------------------------- */

static void slot_changed(void *arg, uint32_t slot)
{
    struct pool *p = arg;

    if (!p->loading)
        table_mark(p->table, slot);
}

/* Frees what pool_open() has made so far, but not the medium. */
static void dispose(struct pool *p)
{
    log_destroy(p->log);
    tune_destroy(p->tune);
    policy_destroy(p->policy);
    table_destroy(p->table);
    catalog_destroy(p->catalog);
    partials_finish(&p->partials);
    intents_finish(&p->intents);
    pthread_cond_destroy(&p->moved);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->saving);
    pthread_mutex_destroy(&p->meeting);
    free(p->drop);
    free(p->untold);
    free(p->name);
    free(p->path);
    free(p);
}

/* Records are missing: each disk is to hear of it when it comes, be it after another opening, to
 * which the log looks whole. */
static int note_damage(struct pool *p)
{
    static const uint8_t nobody[UUID];
    int r = 0;

    for (unsigned i = 0; !r && i < p->super.disks; i++) {
        struct catalog_disk disk = *catalog_disk(p->catalog, i);
        if (!memcmp(disk.uuid, nobody, UUID) || disk.flags & CATALOG_LOST)
            continue;
        disk.flags |= CATALOG_DAMAGED;
        r = catalog_save(p->catalog, p->media, i, &disk);
    }
    return r;
}

static int load(struct pool *p, char why[WHY])
{
    const struct log_user user = { install_seal, install_done, p };
    struct policy_shape shape = { .slot_changed = slot_changed, .arg = p, .ghost = POLICY_GHOST };
    struct log_place end;
    char what[WHY] = "";
    int r = super_load(p->media, &p->super, what);

    if (r == -ENOENT) {
        r = super_plan(p->media->size, POLICY_LOG, &p->super);
        if (r)
            why_print(why, "%s has %" PRIu64 " bytes: a pool has at least %llu", p->path,
                      p->media->size, POOL_MIN);
        if (!r)
            r = super_format(p->media, &p->super);
    } else if (r) {
        why_print(why, "%s: %s", p->path, what);
    }
    if (r)
        return r;
    /* from here on, what an earlier opening has written behind a hole is not believed */
    p->super.incarnation++;
    if (!p->by_hand && getrandom(&shape.seed, sizeof(shape.seed), 0) != sizeof(shape.seed))
        return -EIO;
    shape.log_pages = p->super.log_pages;
    shape.slots = p->super.slots;
    r = super_save(p->media, &p->super);
    if (!r)
        r = media_sync(p->media);
    if (!r)
        r = catalog_load(p->media, &p->super, &p->catalog);
    if (!r)
        r = table_create(&p->super, &p->table);
    if (!r)
        r = policy_create(&shape, &p->policy);
    p->small = POLICY_LOG;
    if (!r)
        r = recover(p, &end, why);
    if (!r && p->damaged)
        r = note_damage(p);
    if (!r)
        r = log_create(p->media, &p->super, &end, &user, &p->log);
    if (r)
        return r;
    p->scanned = p->super.tail;
    p->dirty_most = (uint32_t)(p->super.log_pages * DIRTY_MOST);
    /* What recovery has found void is void on the pool, too, before anything is served.  Otherwise
     * nothing is appended: a gateway that dies at once, again and again, must not fill the log. */
    if (p->drops || p->drops_lost || p->marked)
        r = checkpoint(p);
    return r ? r : p->by_hand ? 0 : keeper_start(p);
}

int pool_open(struct media *m, const char *name, const char *path, bool by_hand, struct pool **ret,
              char why[WHY])
{
    struct pool *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    pthread_mutex_init(&p->meeting, NULL);
    pthread_mutex_init(&p->saving, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->moved, NULL);
    p->media = m;
    p->by_hand = by_hand;
    p->name = strdup(name);
    p->path = strdup(path);
    int r = p->name && p->path ? load(p, why) : -ENOMEM;
    if (r) {
        dispose(p);
        return r;
    }
    *ret = p;
    return 0;
}

void pool_close(struct pool *p)
{
    keeper_stop(p);
    if (!p->error)
        checkpoint(p); /* what it cannot write, a crash would not have written either */
    p->media->close(p->media);
    dispose(p);
}

void pool_broke(struct pool *p, int error)
{
    int none = 0;

    atomic_fetch_add(&p->pool_errors, 1);
    if (!atomic_compare_exchange_strong(&p->error, &none, error))
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->moved);
    for (unsigned i = 0; i < DISKS_MAX; i++)
        if (p->disk[i]) /* its destager says it */
            pthread_cond_signal(&p->disk[i]->work);
    pthread_mutex_unlock(&p->lock);
}
