/* map-epoch.c - what changed since when?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "map-private.h"

#include <errno.h>
#include <string.h>

static struct map_point point_of(const struct map *m, uint32_t epoch)
{
    struct map_point p = { .epoch = epoch };

    memcpy(p.map, m->id, sizeof(p.map));
    return p;
}

struct map_point map_checkpoint(struct map *m)
{
    uint32_t e = atomic_load(&m->epoch);

    do
        if (e > atomic_load(&m->reserved) && does(RESERVE_BEFORE_POINT))
            return point_of(m, e - 1);
    while (!atomic_compare_exchange_weak(&m->epoch, &e, e + 1));
    if (e + RESERVE / 2 > atomic_load(&m->reserved)) {
        pthread_mutex_lock(&m->lock);
        pthread_cond_signal(&m->keep);
        pthread_mutex_unlock(&m->lock);
    }
    return point_of(m, e);
}

struct map_point map_now(const struct map *m)
{
    return point_of(m, atomic_load(&m->epoch) - 1);
}

/* Those of an extent that changed after an epoch. */
static uint64_t changed_in(const struct map *m, uint64_t extent, uint32_t since)
{
    const struct chunk *c = chunk_of(m, extent);
    uint64_t granules = 0;

    for (unsigned g = 0; g < EXTENT_GRANULES; g++)
        if (atomic_load_explicit(&c->stamp[extent % CHUNK][g], memory_order_acquire) > since)
            granules |= 1ull << g;
    return granules;
}

struct run {
    uint64_t from, to; /* granules */
    uint64_t size;
    int (*each)(void *arg, uint64_t offset, uint64_t length);
    void *arg;
};

static int run_end(struct run *r)
{
    const uint64_t from = r->from * GRANULE;
    const uint64_t to = r->to * GRANULE < r->size ? r->to * GRANULE : r->size;

    return from < to ? r->each(r->arg, from, to - from) : 0;
}

static int run_add(struct run *r, uint64_t granule)
{
    int result = 0;

    if (granule != r->to) {
        result = run_end(r);
        r->from = granule;
    }
    r->to = granule + 1;
    return result;
}

int map_changed(const struct map *m, const struct map_point *since,
                int (*each)(void *arg, uint64_t offset, uint64_t length), void *arg)
{
    struct run run = { .size = map_size(m), .each = each, .arg = arg };
    const uint64_t extents = extents_of(run.size);

    /* a point that was not given out yet: the map is older than whoever has it */
    if (memcmp(since->map, m->id, sizeof(m->id)) != 0 || since->epoch >= atomic_load(&m->epoch))
        return -ESTALE;
    for (uint64_t e = 0; e < extents; e++) {
        uint64_t granules = changed_in(m, e, since->epoch);
        for (; granules; granules &= granules - 1) {
            int r = run_add(&run, e * EXTENT_GRANULES + (uint64_t)__builtin_ctzll(granules));
            if (r)
                return r;
        }
    }
    return run_end(&run);
}
