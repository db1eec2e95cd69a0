/* disk.h - what is known of one disk of a pool?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Offsets are the disk's, in bytes.  A block begins where the grid says: `shift` bytes are added to
 * an offset to count in whole blocks, so the first block may have sectors that are not of the disk,
 * and the last, too. */
#ifndef CACHE_DISK_H
#define CACHE_DISK_H

#include "grid.h"
#include "mrc.h"
#include "pool.h"
#include "stream.h"
#include "tune.h"
#include "weir-filter.h"

#include <time.h>

enum cache_mode { MODE_READ, MODE_WRITE_THROUGH, MODE_WRITE_BACK };
enum cache_order { ORDER_FAST, ORDER_ORDERED };

struct cache_config {
    const char *pool;
    int mode, order;
    double min, max;     /* of the pool's blocks */
    uint64_t sequential; /* bytes; 0: none is bypassed */
    int64_t grid;        /* bytes; -1: auto */
    bool autotune;
    uint64_t destage_delay; /* ns */
    double dirty_limit;     /* of the log */
};

struct cache_stats {
    weir_counter hits, misses, partial_hits, bypassed, fills; /* blocks */
    weir_counter destaged_bytes, flushes, pool_errors, crc_errors, trims_ignored;
    struct weir_histogram hit_latency, miss_latency; /* ns, of requests */
};

/* What an administrator has asked for, beyond the policy. */
enum disk_wish { WISH_NONE, WISH_DRAIN, WISH_DETACH };

struct disk {
    struct weir_below *below;
    struct pool *pool;
    unsigned number;
    _Atomic uint64_t size; /* bytes */
    uint32_t shift;        /* bytes: (BLOCK - grid) % BLOCK */
    atomic_int mode;       /* enum cache_mode: of what comes now */
    atomic_int order;      /* enum cache_order */
    _Atomic uint64_t sequential, destage_delay;
    /* The store has writes of ours that it was not told to keep: FLUSH is passed on. */
    atomic_bool store_dirty;
    /* CLEANED entries that may not be durable yet: the store is not to be written past the pool
     * before they are. */
    atomic_bool marks_loose;

    /* under pool->lock */
    uint32_t dirty;   /* blocks */
    unsigned writers; /* that wait for clean blocks */
    uint64_t oldest;  /* ns: when the disk last began to have dirty blocks */
    bool destaging;   /* a batch is under way */
    bool hurry;       /* destage now, whatever the delay */
    bool hold, stop;  /* the destager shall rest; end */
    int store_error;  /* why the last batch failed; 0 */
    struct streams streams;
    struct grid_votes votes;
    bool voted;
    uint64_t destage_from; /* position: nothing before it is dirty here */
    struct mrc *mrc;       /* NULL: no memory */
    struct tune *tune;     /* NULL: autotune is off */
    enum disk_wish wish;

    pthread_cond_t work; /* the destager has something to do */
    pthread_t destager;
    bool destager_runs;
};

static inline uint64_t disk_block(const struct disk *d, uint64_t offset)
{
    return (offset + d->shift) / BLOCK;
}

static inline uint64_t disk_key(const struct disk *d, uint64_t block)
{
    return block_key(d->number, block);
}

static inline uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The sectors of a block that are of the disk. */
uint8_t disk_mask(const struct disk *, uint64_t block);

/* A part of a request that is in one block. */
struct part {
    uint64_t key;
    uint64_t offset; /* bytes from the request's beginning */
    uint32_t skip;   /* bytes, from the block's beginning */
    uint32_t length; /* bytes */
};
/* The part of [offset, offset + length) that begins `at` bytes after offset. */
struct part disk_part(const struct disk *, uint64_t offset, uint64_t length, uint64_t at);
uint8_t part_mask(const struct part *);

/* The next functions answer 0 or -errno (one that NBD carries). */

/* ---- read.c ------------------------------------------------------------------------- */

/* What a read finds in the pool. */
enum read_found { FOUND_ALL, FOUND_SOME, FOUND_NONE };
struct read_use {         /* from down() to up() */
    uint32_t seen_of_all; /* unused but by FOUND_NONE */
    bool fill;            /* what comes from the store is to be kept */
    uint32_t *seen;       /* of malloc(); for each block: pool.changes when it was missed */
};
int disk_read(struct disk *, void *data, uint64_t length, uint64_t offset, struct cache_stats *);
int disk_prefetch(struct disk *, uint64_t length, uint64_t offset, struct cache_stats *);

/* ---- write.c: write-back -------------------------------------------------------------- */

int disk_write_back(struct disk *, const void *data, uint64_t length, uint64_t offset, bool fua);
int disk_flush_log(struct disk *);

/* ---- past.c: what the store is written past the pool ----------------------------------- */

struct past {
    uint64_t offset, length; /* length 0: nothing has begun */
};
int past_begin(struct disk *, uint64_t offset, uint64_t length, struct past *);
/* `data`: what was written, to be kept; NULL: the blocks are void. */
void past_end(struct disk *, struct past *, const void *data);

/* ---- fill.c ------------------------------------------------------------------------------ */

/* Keeps the whole blocks of [offset, offset + length) that are not in the pool; `seen` as the
 * blocks' numbers were before the store was asked. */
void disk_fill(struct disk *, const void *data, uint64_t length, uint64_t offset,
               const uint32_t *seen, struct cache_stats *);

/* ---- destage.c ------------------------------------------------------------------------------ */

int destage_start(struct disk *);
void destage_stop(struct disk *);
/* One batch.  *left: there is more. */
int destage_step(struct disk *, bool *left);
/* Everything that is dirty now.  Blocks. */
int destage_all(struct disk *);
/* Until no block of the range is dirty. */
int destage_range(struct disk *, uint64_t offset, uint64_t length);
void destage_hold(struct disk *, bool hold);

#endif
