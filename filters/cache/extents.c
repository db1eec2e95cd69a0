/* extents.c - where has the disk data that its store does not have yet?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What the store calls a hole may be dirty in the pool: then it is data. */
#include "cache.h"

#include <errno.h>

bool disk_has_dirty(struct disk *d)
{
    pthread_mutex_lock(&d->pool->lock);
    bool dirty = d->dirty > 0;
    pthread_mutex_unlock(&d->pool->lock);
    return dirty;
}

static bool is_dirty(struct disk *d, uint64_t block)
{
    const struct policy *policy = d->pool->policy;
    uint32_t place = policy_find(policy, disk_key(d, block));

    return place != NOWHERE && (policy_state(policy, place) & (PLACE_DIRTY | PLACE_PARTIAL));
}

/* From `at` to the end of what is, or is not, dirty in [at, end). */
static uint64_t same_until(struct disk *d, uint64_t at, uint64_t end, bool *dirty)
{
    enum { LOOK = 4096 }; /* blocks that are looked up while the lock is held */
    uint64_t b = disk_block(d, at);

    pthread_mutex_lock(&d->pool->lock);
    *dirty = is_dirty(d, b);
    for (unsigned n = 0; n < LOOK && (b + 1) * BLOCK - d->shift < end; n++) {
        if (is_dirty(d, b + 1) != *dirty)
            break;
        b++;
    }
    pthread_mutex_unlock(&d->pool->lock);
    uint64_t until = (b + 1) * BLOCK - d->shift;
    return until < end ? until : end;
}

/* What was said, with the dirty parts of holes taken out.  `to` is empty. */
static int amend(struct disk *d, const struct weir_extents *from, struct weir_extents *to)
{
    uint64_t offset, length;
    uint32_t type;
    int r = 0;

    for (size_t i = 0; !r && weir_get_extent(from, i, &offset, &length, &type) == 0; i++) {
        if (!type) {
            r = weir_add_extent(to, offset, length, 0);
            continue;
        }
        for (uint64_t at = offset, until; !r && at < offset + length; at = until) {
            bool dirty;
            until = same_until(d, at, offset + length, &dirty);
            r = weir_add_extent(to, at, until - at, dirty ? 0 : type);
        }
    }
    return r;
}

enum weir_verdict extents_up(struct disk *d, struct weir_request *req)
{
    const struct cache_use *use = weir_scratch(req);
    struct weir_extents *told = req->data, *amended;
    uint64_t offset, length;
    uint32_t type;

    if (atomic_load(&d->batches) != use->number) { /* holes may have been filled since */
        weir_clear_extents(told);
        return WEIR_PASS;
    }
    if (!disk_has_dirty(d))
        return WEIR_PASS;
    amended = weir_extents_create();
    int r = amended ? amend(d, told, amended) : -ENOMEM;
    weir_clear_extents(told); /* what is not said is data: always true */
    for (size_t i = 0; !r && weir_get_extent(amended, i, &offset, &length, &type) == 0; i++)
        r = weir_add_extent(told, offset, length, type);
    weir_extents_destroy(amended);
    return WEIR_PASS;
}
