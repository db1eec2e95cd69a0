/* attach.c - how do a disk and a pool find each other again?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The export's state folder names the pool and the disk's name there (note.h); the pool's catalog
 * says which store the disk was on, and how it was when it was last detached in order.  What fits
 * is used.  What does not is void where it is clean; where it is dirty the export is locked, for
 * then neither the pool nor the store alone is the disk. */
#include "disk.h"

#include "note.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define LEFT_OUT "left-out" /* the core's: weir-filter.h */

static const uint8_t nobody[UUID];

void disk_say(struct disk *d, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    pthread_mutex_lock(&d->why_lock);
    vsnprintf(d->why, sizeof(d->why), format, list);
    pthread_mutex_unlock(&d->why_lock);
    va_end(list);
}

/* ---- the catalog ------------------------------------------------------------------- */

static int find(const struct pool *p, const uint8_t uuid[UUID])
{
    for (unsigned i = 0; memcmp(uuid, nobody, UUID) && i < p->super.disks; i++)
        if (memcmp(catalog_disk(p->catalog, i)->uuid, uuid, UUID) == 0)
            return (int)i;
    return -1;
}

static int find_free(const struct pool *p)
{
    for (unsigned i = 0; i < p->super.disks; i++)
        if (memcmp(catalog_disk(p->catalog, i)->uuid, nobody, UUID) == 0 && !p->disk[i])
            return (int)i;
    return -1;
}

/* Nothing of the disk `number` is left, durably, and its number is free. */
static int erase(struct pool *p, unsigned number)
{
    const struct catalog_disk free_entry = { 0 };

    for (uint32_t place = 0; place < p->super.log_pages + p->super.slots; place++) {
        pthread_mutex_lock(&p->lock);
        unsigned state = policy_state(p->policy, place);
        if (state && key_disk(policy_key(p->policy, place)) == number) {
            partials_remove(&p->partials, policy_key(p->policy, place));
            if (state & PLACE_DIRTY)
                pool_clean(p, place);
            if (policy_state(p->policy, place) & PLACE_CURRENT)
                policy_drop(p->policy, place);
        }
        pthread_mutex_unlock(&p->lock);
    }
    /* The slots' table no longer has it after this; what the log has is older than the next disk
     * of this number (catalog_disk.since). */
    int r = checkpoint(p);
    return r ? r : catalog_save(p->catalog, p->media, number, &free_entry);
}

/* ---- the store ------------------------------------------------------------------------ */

static void identify(struct disk *d, struct catalog_disk *now)
{
    struct weir_identity id;

    if (weir_identity(d->below, &id) == 0) {
        snprintf(now->identity, sizeof(now->identity), "%s", id.name);
        now->changed = id.changed;
    }
    now->size = atomic_load(&d->size);
    snprintf(now->name, sizeof(now->name), "%s", weir_export_name(d->below));
}

struct meeting {
    struct note note;
    struct catalog_disk then, now;
    int number;    /* -1: the pool does not know the disk */
    bool left_out; /* others may have written the disk since it was last here */
};

/* NULL: it is the store that the pool knows, as it was left. */
static const char *misfit(const struct meeting *m)
{
    const struct catalog_disk *then = &m->then, *now = &m->now;

    if (m->left_out)
        return "it has been served without the cache since";
    if (strcmp(then->identity, now->identity))
        return "it is another image than the one that the pool knows";
    if (then->size > now->size)
        return "it is smaller than the pool knows it";
    /* an older one is what a loss of power leaves */
    if (!(then->flags & CATALOG_OPEN) && then->changed && then->changed < now->changed)
        return "it has been changed since it was last served";
    return NULL;
}

/* The store may have lost what was not flushed; of that the pool has dirty blocks, which go there
 * again, and clean ones, which are newer than the store. */
static bool went_back(const struct catalog_disk *then, const struct catalog_disk *now)
{
    return !(then->flags & CATALOG_OPEN) && then->changed && then->changed > now->changed;
}

static uint32_t choose_grid(struct disk *d, const struct meeting *m,
                            const struct cache_config *config)
{
    enum { HEAD = 64 * SECTOR };
    struct weir_geometry g;
    uint32_t grid = 0;

    weir_geometry(d->below, &g);
    if (g.block_min > SECTOR) /* the store wants its own blocks */
        return 0;
    if (config->grid != GRID_AUTO)
        return (uint32_t)config->grid;
    uint8_t *head = g.size >= HEAD ? malloc(HEAD) : NULL;
    if (!head || weir_read(d->below, head, HEAD, 0, 0) ||
        !grid_of_partitions(head, HEAD, g.size, &grid))
        grid = m->note.grid; /* as the requests have voted, or 0 */
    free(head);
    return grid;
}

/* ---- together ----------------------------------------------------------------------------- */

/* Without the disk's dirty blocks nobody may have it. */
static int lock(struct disk *d, const char *format, ...) WEIR_PRINTF(2, 3);
static int lock(struct disk *d, const char *format, ...)
{
    char why[400];
    va_list list;

    va_start(list, format);
    vsnprintf(why, sizeof(why), format, list);
    va_end(list);
    if (d->refusal) {
        weir_print(d->refusal, "%s", why);
        return -ESTALE;
    }
    disk_say(d, "locked: %s", why);
    weir_lock_export(d->below, "%s", why);
    d->locked = true;
    return -EUCLEAN;
}

static int no_pool(struct disk *d, const struct note *note, const char *name, const char *why)
{
    if (note->dirty)
        return lock(d,
                    "the pool %s, which holds blocks that have not reached the disk's store, is "
                    "not there: %s.  Bring it back and give the verb fill, or give them up for "
                    "good with the verb discard",
                    name, why);
    disk_say(d, "no pool: %s", why);
    weir_report(d->below, WEIR_WARNING, "served without the pool %s: %s", name, why);
    return -ENODEV;
}

/* The disk under a new number, with nothing in the pool. */
static int introduce(struct disk *d, struct pool *p, struct meeting *m,
                     const struct cache_config *config)
{
    struct log_place log;
    int r;

    m->number = find_free(p);
    if (m->number < 0)
        return -ENOSPC;
    if (getrandom(m->now.uuid, UUID, 0) != UUID)
        return -EIO;
    log_where(p->log, &log);
    m->now.since = log.head;
    m->now.grid = choose_grid(d, m, config);
    m->now.flags = CATALOG_OPEN;
    r = catalog_save(p->catalog, p->media, (unsigned)m->number, &m->now);
    if (r)
        return r;
    memcpy(m->note.pool, p->super.uuid, UUID);
    memcpy(m->note.disk, m->now.uuid, UUID);
    m->note.dirty = false;
    return note_save(d->below, &m->note);
}

static int open_entry(struct pool *p, struct meeting *m)
{
    memcpy(m->now.uuid, m->then.uuid, UUID);
    m->now.grid = m->then.grid;
    m->now.since = m->then.since;
    m->now.flags = CATALOG_OPEN;
    return catalog_save(p->catalog, p->media, (unsigned)m->number, &m->now);
}

/* With dirty blocks: may the disk be served?  `misfits`: why its store is not the pool's. */
static int judge_dirty(struct disk *d, const struct pool *p, const struct meeting *m,
                       const char *misfits)
{
    if (m->number < 0)
        return lock(d,
                    "the pool %s (%s) is not the one that holds blocks of this disk which have "
                    "not reached its store.  Bring that one back and give the verb fill, or give "
                    "them up for good with the verb discard",
                    p->name, p->path);
    if (misfits)
        return lock(d,
                    "the pool %s holds blocks that have not reached the disk's store, and the "
                    "store does not fit them: %s.  Bring the right one back and give the verb "
                    "fill, or give the blocks up for good with the verb discard",
                    p->name, misfits);
    if (m->then.flags & CATALOG_DAMAGED && !d->accepts)
        return lock(d,
                    "the log of the pool %s is damaged: blocks that have not reached the disk's "
                    "store may be lost, and which is not known.  Take what is left with the verb "
                    "accept, and check the guest's file systems then; or give all of them up with "
                    "the verb discard",
                    p->name);
    return 0;
}

/* Nothing of the disk is left in the pool that its store could not have. */
static int forget_clean(struct pool *p, const struct meeting *m)
{
    return pool_forget_clean(p, (unsigned)m->number) ? checkpoint(p) : 0;
}

/* The disk is in the pool's catalog as m->number, or is not (-1). */
static int meet(struct disk *d, struct pool *p, struct meeting *m,
                const struct cache_config *config)
{
    const bool known = m->number >= 0, back = known && went_back(&m->then, &m->now);
    const bool grid_changed = known && choose_grid(d, m, config) != m->then.grid;
    const char *why = known ? misfit(m) : NULL;
    int r = m->note.dirty ? judge_dirty(d, p, m, why) : 0;

    if (r)
        return r;
    if (known && m->then.flags & CATALOG_DAMAGED)
        weir_report(d->below, WEIR_WARNING,
                    "the log of the pool %s is damaged: what it had that the disk's store has, "
                    "too, is void%s",
                    p->name, m->note.dirty ? ", and what is left of the rest was accepted" : "");
    if (!why && back)
        why = "it is older than when it was last served";
    if (why)
        weir_report(d->below, WEIR_WARNING,
                    "what the pool %s has that the disk's store should have, too, is void, for the "
                    "store is not as it was: %s",
                    p->name, why);
    if (!m->note.dirty && (why || grid_changed)) {
        r = erase(p, (unsigned)m->number);
        m->number = -1;
    } else if (back) {
        r = forget_clean(p, m);
    }
    if (r)
        return r;
    return m->number < 0 ? introduce(d, p, m, config) : open_entry(p, m);
}

/* Its blocks that are dirty, after a crash or a restart. */
static void count_dirty(struct disk *d)
{
    struct pool *p = d->pool;

    for (uint32_t place = 0; place < p->super.log_pages; place++)
        if ((policy_state(p->policy, place) & PLACE_DIRTY) &&
            key_disk(policy_key(p->policy, place)) == d->number)
            d->dirty++;
    d->oldest = now_ns();
}

void disk_set_shares(struct disk *d, const struct cache_config *config)
{
    struct pool *p = d->pool;
    const uint64_t all = (uint64_t)p->super.log_pages + p->super.slots;

    pthread_mutex_lock(&p->lock);
    policy_share(p->policy, d->number, (uint32_t)(config->min * (double)all),
                 config->max >= 1 ? UINT32_MAX : (uint32_t)(config->max * (double)all));
    pthread_mutex_unlock(&p->lock);
}

static int make_ready(struct disk *d, struct pool *p, const struct meeting *m,
                      const struct cache_config *config)
{
    d->pool = p;
    d->number = (unsigned)m->number;
    d->shift = (BLOCK - m->now.grid) % BLOCK;
    d->kept = m->note.dirty;
    atomic_store(&d->voided, false);
    d->destage_from = 0;
    /* an earlier life, of which the pool may know something, need not have flushed the store */
    atomic_store(&d->store_writes, 1);
    disk_flush_store(d);
    int r = lost_load(d);
    if (r) {
        lost_finish(d);
        return r;
    }
    if (mrc_create(&d->mrc))
        d->mrc = NULL;
    pthread_mutex_lock(&p->lock);
    count_dirty(d);
    p->disk[d->number] = d;
    pthread_mutex_unlock(&p->lock);
    disk_set_shares(d, config);
    r = destage_start(d);
    if (r) {
        pthread_mutex_lock(&p->lock);
        p->disk[d->number] = NULL;
        pthread_mutex_unlock(&p->lock);
        d->pool = NULL;
        return r;
    }
    if (!d->kept) /* a crash may have come between the note and the core's */
        weir_keep(d->below, false);
    atomic_store(&d->ready, p);
    return 0;
}

/* Finds the disk in the pool, or enters it, and makes it ready.  Two disks that come at once do not
 * get one number, and no number has two disks. */
static int enter(struct disk *d, struct pool *p, struct meeting *m,
                 const struct cache_config *config)
{
    int r;

    identify(d, &m->now);
    pthread_mutex_lock(&p->meeting);
    if (memcmp(m->note.pool, p->super.uuid, UUID) == 0)
        m->number = find(p, m->note.disk);
    if (m->number >= 0)
        m->then = *catalog_disk(p->catalog, (unsigned)m->number);
    if (m->number >= 0 && p->disk[m->number])
        r = -EBUSY; /* two state folders are copies of one */
    else
        r = meet(d, p, m, config);
    if (!r)
        r = make_ready(d, p, m, config);
    pthread_mutex_unlock(&p->meeting);
    return r;
}

/* *ret: a pool, held, that the disk is to be used with. */
static int find_pool(struct disk *d, const struct cache_config *config, struct pool **ret,
                     const struct note *note)
{
    char why[WHY] = "";
    struct weir_pool about;
    int r = weir_pool(d->below, config->pool, &about);

    if (r)
        return no_pool(d, note, config->pool, "the configuration names no such pool");
    r = pool_get(about.name, about.path, about.size, ret, why);
    return r ? no_pool(d, note, about.name, why) : 0;
}

/* When in doubt it was. */
static bool was_left_out(struct disk *d)
{
    void *data;
    size_t size;
    int r = weir_state_load(d->below, LEFT_OUT, &data, &size);

    if (!r)
        free(data);
    return r != -ENOENT;
}

/* keeping is held for writing. */
static int attach(struct disk *d, const struct cache_config *config, struct weir_text *why)
{
    struct meeting m = { .number = -1 };
    struct pool *p;
    int r = note_load(d->below, &m.note);

    if (r) {
        weir_print(why, "what the state folder says of the pool cannot be read: %s", strerror(-r));
        return r;
    }
    m.left_out = was_left_out(d);
    d->refusal = m.note.dirty && pools_recall(m.note.disk) ? why : NULL;
    r = find_pool(d, config, &p, &m.note);
    if (r)
        return r == -ESTALE ? r : 0; /* it has been said: the disk is served without, or locked */
    r = enter(d, p, &m, config);
    if (!r && m.left_out) /* if it stays the pool is not believed once more, that is all */
        weir_state_remove(d->below, LEFT_OUT);
    if (!r) {
        disk_say(d, "%s", "");
        return 0;
    }
    pool_put(p);
    if (r == -EUCLEAN || r == -ESTALE)
        return r == -ESTALE ? r : 0;
    weir_print(why, "the disk cannot be entered in the pool %s: %s", config->pool, strerror(-r));
    return r;
}

int disk_attach(struct disk *d, const struct cache_config *config, struct weir_text *why)
{
    /* the note in the state folder is not to be changed meanwhile: disk_void() */
    pthread_rwlock_wrlock(&d->keeping);
    int r = attach(d, config, why);
    pthread_rwlock_unlock(&d->keeping);
    return r;
}

void disk_detach(struct disk *d)
{
    struct pool *p = d->pool;
    struct weir_identity id;

    if (!p)
        return;
    destage_stop(d);
    disk_autotune(d, false);
    disk_release(d);
    int r = p->error ? -EIO : checkpoint(p);
    pthread_mutex_lock(&p->meeting);
    pools_left(catalog_disk(p->catalog, d->number)->uuid, d->kept);
    if (!r && weir_identity(d->below, &id) == 0) {
        struct catalog_disk entry = *catalog_disk(p->catalog, d->number);
        entry.flags &= ~(uint32_t)CATALOG_OPEN;
        entry.changed = id.changed;
        entry.size = atomic_load(&d->size);
        catalog_save(p->catalog, p->media, d->number, &entry); /* else it counts as a crash */
    }
    pthread_mutex_lock(&p->lock);
    p->disk[d->number] = NULL;
    p->loose[d->number] = disk_is_loose(d);
    while (d->visitors)
        pthread_cond_wait(&p->moved, &p->lock);
    pthread_mutex_unlock(&p->lock);
    pthread_mutex_unlock(&p->meeting);
    atomic_store(&d->ready, NULL);
    d->pool = NULL;
    lost_finish(d);
    mrc_destroy(d->mrc);
    d->mrc = NULL;
    pool_put(p);
}

int disk_discard(struct disk *d, const struct cache_config *config, struct weir_text *answer)
{
    const struct note none = { 0 };
    struct note note;
    struct pool *p;
    int r = note_load(d->below, &note);

    if (r)
        return r;
    note.dirty = false;
    if (find_pool(d, config, &p, &note) == 0) { /* it may have them: then they go */
        pthread_mutex_lock(&p->meeting);
        int number = find(p, note.disk);
        if (number >= 0 && memcmp(note.pool, p->super.uuid, UUID) == 0)
            r = erase(p, (unsigned)number);
        pthread_mutex_unlock(&p->meeting);
        pool_put(p);
    }
    if (!r)
        r = note_save(d->below, &none);
    if (!r)
        r = weir_keep(d->below, false);
    if (!r)
        r = disk_attach(d, config, answer);
    if (r)
        return r;
    d->locked = false;
    weir_unlock_export(d->below);
    weir_report(d->below, WEIR_WARNING,
                "blocks that had not reached the store were given up: the verb discard");
    weir_print(answer, "given up; the disk is as its store has it");
    return 0;
}
