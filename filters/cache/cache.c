/* cache.c - how does a disk come to have a cache, and what becomes of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cache.h"

#include <errno.h>
#include <string.h>

static int cache_check(const void *settings, struct weir_text *why)
{
    const struct cache_config *config = settings;

    if (config->grid != GRID_AUTO && config->grid % SECTOR) {
        weir_print(why, "grid = %llu is no multiple of 512: it says where blocks of 4096 begin",
                   (unsigned long long)config->grid);
        return -EINVAL;
    }
    if (config->min > config->max) {
        weir_print(why, "min = %g%% is more than max = %g%%", 100 * config->min, 100 * config->max);
        return -EINVAL;
    }
    return 0;
}

void cache_settle(struct disk *d, const struct cache_config *config)
{
    struct pool *p = atomic_load(&d->ready);
    int mode = config->mode;

    if (d->wish == WISH_DRAIN && mode == MODE_WRITE_BACK)
        mode = MODE_WRITE_THROUGH;
    if (d->wish == WISH_DETACH)
        mode = MODE_READ;
    atomic_store(&d->sequential, config->sequential);
    atomic_store(&d->destage_delay, config->destage_delay);
    atomic_store(&d->order, config->order);
    atomic_store(&d->fills, d->wish != WISH_DETACH);
    atomic_store(&d->mode, mode);
    if (!p)
        return;
    disk_set_shares(d, config);
    disk_autotune(d, config->autotune);
    pthread_mutex_lock(&p->lock);
    p->dirty_most = (uint32_t)(config->dirty_limit * p->super.log_pages);
    if (mode != MODE_WRITE_BACK && d->dirty)
        d->hurry = true;
    pthread_cond_signal(&d->work);
    pthread_mutex_unlock(&p->lock);
}

static int cache_attach(void *self, struct weir_below *below, const void *settings,
                        struct weir_text *why)
{
    struct disk *d = self;
    struct weir_geometry g;

    d->below = below;
    weir_geometry(below, &g);
    atomic_store(&d->size, g.size);
    pthread_cond_init(&d->work, NULL);
    pthread_rwlock_init(&d->keeping, NULL);
    pthread_mutex_init(&d->why_lock, NULL);
    pthread_mutex_init(&d->losing, NULL);
    cache_settle(d, settings);
    int r = disk_attach(d, settings, why);
    if (!r) {
        cache_settle(d, settings);
        return 0;
    }
    pthread_mutex_destroy(&d->losing);
    pthread_mutex_destroy(&d->why_lock);
    pthread_rwlock_destroy(&d->keeping);
    pthread_cond_destroy(&d->work);
    return r;
}

static void cache_detach(void *self)
{
    struct disk *d = self;

    disk_detach(d);
    pthread_mutex_destroy(&d->losing);
    pthread_mutex_destroy(&d->why_lock);
    pthread_rwlock_destroy(&d->keeping);
    pthread_cond_destroy(&d->work);
}

static int cache_geometry(void *self, struct weir_geometry *g, struct weir_text *why)
{
    struct disk *d = self;

    if (g->size / BLOCK + 1 >= BLOCKS_MAX) {
        weir_print(why, "the disk has %llu bytes, and a pool keeps disks of up to 64 TiB",
                   (unsigned long long)g->size);
        return -EFBIG;
    }
    atomic_store(&d->size, g->size);
    if (g->block_min < SECTOR)
        g->block_min = SECTOR;
    if (g->block_preferred < BLOCK)
        g->block_preferred = BLOCK;
    g->ops |= WEIR_OP(WEIR_PREFETCH);
    g->fast_zero = false; /* some zeroes are written here */
    return 0;
}

static void cache_apply(void *self, const void *settings)
{
    cache_settle(self, settings);
}

/* Whoever waits for clean blocks is still to be served: the destager rests when nobody does. */
static int cache_drain(void *self, bool begin, struct weir_text *why)
{
    struct disk *d = self;

    (void)why;
    if (!atomic_load(&d->ready))
        return 0;
    if (begin)
        disk_flush_store(d); /* else the pool does not believe what it has of these regions */
    destage_hold(d, begin);
    return 0;
}

/* A copy of the store is a copy of the disk only if nothing is missing there. */
static int cache_event(void *self, const struct weir_event *event, struct weir_text *why)
{
    struct disk *d = self;

    if (!atomic_load(&d->ready) || event->phase != WEIR_PREPARE)
        return 0;
    if (event->type != WEIR_EVENT_SNAPSHOT && event->type != WEIR_EVENT_CLONE &&
        event->type != WEIR_EVENT_MIGRATE)
        return 0;
    int r = destage_held(d);
    if (r)
        weir_print(why, "what the pool %s holds of the disk does not reach its store: %s",
                   d->pool->name, strerror(-r));
    return r;
}

const struct weir_filter weir_filter = {
    WEIR_FILTER_HEADER,
    .name = "cache",
    .version = "1",
    .summary = "A block cache on a fast device or file, which survives crashes.",
    .klass = WEIR_CLASS_CACHE,
    .flags = WEIR_NEEDS_ORDER,
    .ops = WEIR_ALL_OPS,
    .order_align = BLOCK,
    .self_size = sizeof(struct disk),
    .request_size = sizeof(struct cache_use),
    .config_size = sizeof(struct cache_config),
    .stats_size = sizeof(struct cache_stats),
    .options = cache_options,
    .stats = cache_stats,
    .verbs = cache_verbs,
    .check = cache_check,
    .attach = cache_attach,
    .geometry = cache_geometry,
    .apply = cache_apply,
    .drain = cache_drain,
    .event = cache_event,
    .detach = cache_detach,
    .down = cache_down,
    .up = cache_up,
};
