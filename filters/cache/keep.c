/* keep.c - who remembers that a pool holds part of a disk?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A disk with dirty blocks is not whole without its pool.  The core remembers it (weir_keep), so
 * that no policy leaves the filter out; the state folder remembers which pool it is, so that
 * another one in its place is noticed; both before the first block becomes dirty, and until the
 * last has reached the store, durably. */
#include "disk.h"

#include "note.h"

#include <errno.h>
#include <string.h>

static int remember(struct disk *d, bool dirty)
{
    struct note note;
    int r = note_load(d->below, &note);

    if (r)
        return r;
    note.dirty = dirty;
    return note_save(d->below, &note);
}

/* keeping is held for writing. */
static int start_keeping(struct disk *d)
{
    int r = weir_keep(d->below, true);

    if (!r)
        r = remember(d, true);
    d->kept = !r;
    return r;
}

int disk_kept_begin(struct disk *d)
{
    int r = 0;

    pthread_rwlock_rdlock(&d->keeping);
    while (!r && !d->kept) {
        pthread_rwlock_unlock(&d->keeping);
        pthread_rwlock_wrlock(&d->keeping);
        if (!d->kept)
            r = start_keeping(d);
        pthread_rwlock_unlock(&d->keeping);
        pthread_rwlock_rdlock(&d->keeping);
    }
    if (r)
        pthread_rwlock_unlock(&d->keeping);
    return r;
}

void disk_kept_end(struct disk *d)
{
    pthread_rwlock_unlock(&d->keeping);
}

void disk_release(struct disk *d)
{
    struct pool *p = d->pool;

    if (pthread_rwlock_trywrlock(&d->keeping)) /* somebody makes blocks dirty */
        return;
    pthread_mutex_lock(&p->lock);
    bool whole = d->kept && !d->dirty;
    pthread_mutex_unlock(&p->lock);
    if (whole && !p->error) {
        bool loose = atomic_exchange(&d->marks_loose, false); /* before: others may set it again */
        whole = tell_rest(p) == 0 && log_sync(p->log) == 0;
        if (!whole && loose)
            atomic_store(&d->marks_loose, true);
    }
    if (whole && remember(d, false) == 0) {
        weir_keep(d->below, false);
        d->kept = false;
    }
    pthread_rwlock_unlock(&d->keeping);
}

void disk_elect(struct disk *d, uint32_t grid)
{
    const struct cache_config *config = weir_own_config(d->below);
    struct note note;

    if (config->grid != GRID_AUTO || (BLOCK - d->shift) % BLOCK == grid)
        return;
    pthread_rwlock_wrlock(&d->keeping);
    int r = note_load(d->below, &note);
    note.grid = grid;
    if (!r)
        r = note_save(d->below, &note);
    pthread_rwlock_unlock(&d->keeping);
    if (!r)
        weir_report(d->below, WEIR_INFO,
                    "most requests begin at byte %u of 4 KiB: the grid will be that when the disk "
                    "is attached next and has no dirty blocks (what the pool has of it is void "
                    "then)",
                    grid);
}

/* keeping is held for writing. */
static int remember_void(struct disk *d)
{
    struct note note;
    int r = note_load(d->below, &note);

    if (!r) {
        memset(note.disk, 0, sizeof(note.disk)); /* what the pool calls so is not this disk */
        note.dirty = false;
        r = note_save(d->below, &note);
    }
    if (!r && d->kept) {
        weir_keep(d->below, false);
        d->kept = false;
    }
    atomic_store(&d->voided, !r);
    return r ? -EIO : 0;
}

int disk_void(struct disk *d)
{
    int r = 0;

    while (!r && !atomic_load(&d->voided)) {
        /* all of it: what is void is not there after a crash, of whichever range it is */
        struct pool *p = atomic_load(&d->ready);
        if (p)
            r = destage_all(d);
        if (r)
            break;
        pthread_rwlock_wrlock(&d->keeping);
        p = atomic_load(&d->ready);
        bool come = p && !p->error; /* meanwhile */
        bool dirty = p && disk_has_dirty(d);
        if (!come && !dirty && !atomic_load(&d->voided))
            r = remember_void(d);
        pthread_rwlock_unlock(&d->keeping);
        if (come)
            break;
    }
    return r;
}

void disk_pool_broke(struct disk *d, int error)
{
    weir_report(d->below, WEIR_ERROR,
                "the pool %s (%s) failed: %s; what it holds of this disk is destaged as far as it "
                "can be read, then the disk is served without it",
                d->pool->name, d->pool->path, strerror(error));
    disk_say(d, "the pool %s failed: %s", d->pool->name, strerror(error));
}
