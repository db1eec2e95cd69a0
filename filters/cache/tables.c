/* tables.c - what can be set of a cache, and what can be read of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cache.h"

#include <string.h>

static const char *const modes[] = { [MODE_READ] = "read",
                                     [MODE_WRITE_THROUGH] = "write-through",
                                     [MODE_WRITE_BACK] = "write-back",
                                     NULL };
static const char *const orders[] = { [ORDER_FAST] = "fast", [ORDER_ORDERED] = "ordered", NULL };
static const struct weir_word automatic[] = { { "auto", -1 }, { 0 } };
static const struct weir_word none[] = { { "none", 0 }, { 0 } };

#define SECOND 1000000000ll

/* clang-format off */
const struct weir_option cache_options[] = {
    WEIR_OPTION_STRING(struct cache_config, pool, .flags = WEIR_REQUIRED | WEIR_NAMES_POOL,
        .help = "The pool that the disk's blocks are kept in: an entry of `pools`."),
    WEIR_OPTION_CHOICE(struct cache_config, mode, .flags = WEIR_LIVE, .fallback = "write-through", .choices = modes,
        .help = "Where a write goes first: past the pool, to the store and into the pool, or to the pool, and later to the store."),
    WEIR_OPTION_CHOICE(struct cache_config, order, .flags = WEIR_LIVE, .fallback = "fast", .choices = orders,
        .help = "How blocks of write-back reach the store: as long writes, or so that the store alone is an older state of the disk at each moment."),
    WEIR_OPTION_RATIO(struct cache_config, min, .flags = WEIR_LIVE, .fallback = "0%", .max = 1,
        .help = "Part of the pool that other disks do not take from this one."),
    WEIR_OPTION_RATIO(struct cache_config, max, .flags = WEIR_LIVE, .fallback = "100%", .max = 1,
        .help = "Part of the pool that this disk takes at most."),
    WEIR_OPTION_SIZE(struct cache_config, sequential, .flags = WEIR_LIVE, .fallback = "1M", .words = none,
        .min = 64 << 10, .max = 1ll << 40, .help = "A run of reads or written-through writes that is longer is not kept from there on."),
    WEIR_OPTION_SIZE(struct cache_config, grid, .fallback = "auto", .words = automatic, .max = BLOCK - SECTOR,
        .help = "Where the guest's blocks begin within 4 KiB of the disk; auto looks at the partition table, or at what most requests do."),
    WEIR_OPTION_TIME(struct cache_config, destage_delay, .flags = WEIR_LIVE, .fallback = "1s", .max = 3600 * SECOND,
        .help = "How long a block stays dirty at least, unless there are many: what is written again meanwhile is destaged once."),
    WEIR_OPTION_RATIO(struct cache_config, dirty_limit, .flags = WEIR_LIVE, .fallback = "75%", .max = 1,
        .help = "Part of the pool's log that may be dirty before writes wait for the store; of disks that differ, the last applied counts."),
    WEIR_OPTION_BOOL(struct cache_config, autotune, .flags = WEIR_LIVE, .fallback = "false",
        .help = "Small simulations find how much of the pool new blocks should have, and it is so; of disks that share a pool, one that asks is enough."),
    { 0 },
};
/* clang-format on */

/* ---- statistics ----------------------------------------------------------------- */

struct look {
    struct policy_counts counts;
    uint64_t blocks, dirty, places, oldest;
    double small;
    int error;
};

/* False: there is no pool. */
static bool look(void *self, struct look *l)
{
    struct disk *d = self;
    struct pool *p = atomic_load(&d->ready);

    *l = (struct look){ .places = 1 };
    if (!p)
        return false;
    pthread_mutex_lock(&p->lock);
    policy_counts(p->policy, &l->counts);
    l->blocks = policy_disk_blocks(p->policy, d->number);
    l->dirty = d->dirty;
    l->oldest = d->oldest;
    l->error = d->store_error;
    l->small = p->small;
    pthread_mutex_unlock(&p->lock);
    l->places = (uint64_t)p->super.log_pages + p->super.slots;
    if (l->small == POLICY_LOG)
        l->small = (double)p->super.log_pages / (double)l->places;
    return true;
}

static int64_t dirty_bytes(void *self)
{
    struct look l;

    return look(self, &l) ? (int64_t)l.dirty * BLOCK : 0;
}

static int64_t clean_bytes(void *self)
{
    struct look l;

    return look(self, &l) && l.blocks > l.dirty ? (int64_t)(l.blocks - l.dirty) * BLOCK : 0;
}

static int64_t occupancy_percent(void *self)
{
    struct look l;

    look(self, &l);
    return (int64_t)((l.counts.in_log + l.counts.in_slots) * 100 / l.places);
}

static int64_t destage_backlog(void *self)
{
    struct look l;

    return look(self, &l) && l.dirty ? (int64_t)((now_ns() - l.oldest) / 1000000) : 0;
}

static int64_t evictions(void *self)
{
    struct look l;

    look(self, &l);
    return (int64_t)l.counts.evictions;
}

static int64_t promotions(void *self)
{
    struct look l;

    look(self, &l);
    return (int64_t)l.counts.promotions;
}

static int64_t small_percent(void *self)
{
    struct look l;

    look(self, &l);
    return (int64_t)(100 * l.small + 0.5);
}

#define OF_POOL(name, expression)                                                                  \
    static int64_t name(void *self)                                                                \
    {                                                                                              \
        struct pool *p = atomic_load(&((struct disk *)self)->ready);                               \
        return p ? (int64_t)(expression) : 0;                                                      \
    }
static int64_t lost_blocks(void *self)
{
    return (int64_t)atomic_load(&((struct disk *)self)->losses);
}

OF_POOL(pool_errors, atomic_load(&p->pool_errors))
OF_POOL(crc_errors, atomic_load(&p->crc_errors))
OF_POOL(recovered_blocks, atomic_load(&p->recovered))
OF_POOL(pool_size_bytes, p->media->size)
OF_POOL(pool_written_bytes,
        log_bytes_written(p->log) + atomic_load(&p->slot_writes) * (uint64_t)BLOCK)

static void state(void *self, struct weir_text *text)
{
    struct disk *d = self;
    char why[sizeof(d->why)];
    struct look l;

    pthread_mutex_lock(&d->why_lock);
    memcpy(why, d->why, sizeof(why));
    pthread_mutex_unlock(&d->why_lock);
    const bool ready = look(d, &l);
    const int mode = atomic_load(&d->mode);
    const bool kept = atomic_load(&d->kept); /* it may not be taken out of the chain yet */
    if (*why)
        weir_print(text, "%s", why);
    else if (!ready)
        weir_print(text, "no pool");
    else if (l.error)
        weir_print(text, "%s, destage fails: %s", modes[mode], strerror(-l.error));
    else if (!atomic_load(&d->fills))
        weir_print(text, l.dirty || kept ? "detaching" : "detached");
    else if (mode != MODE_WRITE_BACK && (l.dirty || kept))
        weir_print(text, "%s, draining", modes[mode]);
    else
        weir_print(text, "%s", modes[mode]);
}

static void mode(void *self, struct weir_text *text)
{
    weir_print(text, "%s", modes[atomic_load(&((struct disk *)self)->mode)]);
}

static void pool(void *self, struct weir_text *text)
{
    struct pool *p = atomic_load(&((struct disk *)self)->ready);

    weir_print(text, "%s", p ? p->name : "none");
}

static void mrc(void *self, struct weir_text *text)
{
    struct disk *d = self;
    struct pool *p = atomic_load(&d->ready);
    struct mrc_point point[MRC_POINTS];
    size_t n = 0;

    if (!p || !d->mrc)
        return;
    pthread_mutex_lock(&p->lock);
    n = mrc_curve(d->mrc, point);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < n; i++)
        weir_print(text, "%s%llu %.4f", i ? "\n" : "", (unsigned long long)point[i].blocks * BLOCK,
                   point[i].misses);
}

/* clang-format off */
#define COUNT(f, u, h) WEIR_STAT_COUNTER(struct cache_stats, f, u, h)
const struct weir_stat cache_stats[] = {
    WEIR_STAT_TEXT(state, state, "What the disk's writes do now, or why it has no pool."),
    WEIR_STAT_TEXT(mode, mode, "What writes that come now do: read, write-through or write-back."),
    WEIR_STAT_TEXT(pool, pool, "The pool in use, or none."),
    COUNT(hits, "blocks", "Blocks of 4 KiB that were read from the pool."),
    COUNT(misses, "blocks", "Blocks that were read from the store because the pool lacked them."),
    COUNT(partial_hits, "requests", "Reads that found some of their blocks in the pool."),
    COUNT(bypassed, "blocks", "Blocks of long sequential runs that were not kept."),
    COUNT(fills, "blocks", "Blocks from the store, or on their way to it, that were put into the pool."),
    WEIR_STAT_VALUE(evictions, evictions, "blocks", "Blocks of all disks that left the pool for others."),
    WEIR_STAT_VALUE(promotions, promotions, "blocks", "Blocks of all disks that went from the log to a slot, being in use."),
    WEIR_STAT_VALUE(small_percent, small_percent, "percent", "Of the pool: what new blocks have of it; that is the log, unless autotune says otherwise."),
    WEIR_STAT_VALUE(dirty_bytes, dirty_bytes, "bytes", "What the pool has of this disk and its store has not."),
    WEIR_STAT_VALUE(clean_bytes, clean_bytes, "bytes", "What both have."),
    WEIR_STAT_VALUE(occupancy_percent, occupancy_percent, "percent", "Of the pool, by all disks."),
    COUNT(destaged_bytes, "bytes", "What has been written from the pool to the store."),
    WEIR_STAT_VALUE(destage_backlog, destage_backlog, "ms", "How long the oldest dirty block has been so, at most."),
    COUNT(flushes, "requests", "FLUSH of the guest."),
    COUNT(trims_ignored, "requests", "Trims that the order of destage did not let through."),
    WEIR_STAT_VALUE(pool_size_bytes, pool_size_bytes, "bytes", "Of the pool's file or device."),
    WEIR_STAT_VALUE(pool_written_bytes, pool_written_bytes, "bytes", "What has been written to log and slots since the pool was opened."),
    WEIR_STAT_VALUE(pool_errors, pool_errors, "errors", "Reads, writes and syncs of the pool that failed."),
    WEIR_STAT_VALUE(crc_errors, crc_errors, "blocks", "Blocks of the pool whose bytes were not what had been written."),
    WEIR_STAT_VALUE(lost_blocks, lost_blocks, "blocks", "Dirty blocks of this disk that the pool has lost: reads fail until they are written."),
    WEIR_STAT_VALUE(recovered_blocks, recovered_blocks, "blocks", "Blocks of all disks that the pool still had when it was opened."),
    WEIR_STAT_HISTOGRAM(struct cache_stats, hit_latency, "ns", "Time of reads that the pool alone has answered."),
    WEIR_STAT_HISTOGRAM(struct cache_stats, miss_latency, "ns", "Time of reads for which the store was asked."),
    WEIR_STAT_TEXT(mrc, mrc, "The miss ratio of other sizes: bytes and ratio, a line each."),
    { 0 },
};
/* clang-format on */
