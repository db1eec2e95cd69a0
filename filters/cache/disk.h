/* disk.h - what is known of one disk of a pool?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Offsets are the disk's, in bytes.  A block begins where the grid says: `shift` bytes are added to
 * an offset to count in whole blocks, so the first block may have sectors that are not of the disk,
 * and the last, too. */
#ifndef CACHE_DISK_H
#define CACHE_DISK_H

#include "grid.h"
#include "lost.h"
#include "mrc.h"
#include "pool.h"
#include "stream.h"
#include "weir-filter.h"

enum cache_mode { MODE_READ, MODE_WRITE_THROUGH, MODE_WRITE_BACK };
enum cache_order { ORDER_FAST, ORDER_ORDERED };

#define GRID_AUTO UINT64_MAX

struct cache_config {
    const char *pool;
    int mode, order;
    double min, max;        /* of the pool's blocks */
    uint64_t sequential;    /* bytes; 0: none is bypassed */
    uint64_t grid;          /* bytes; GRID_AUTO */
    uint64_t destage_delay; /* ns */
    double dirty_limit;     /* of the log */
    bool autotune;
};

struct cache_stats {
    weir_counter hits, misses, partial_hits, bypassed, fills; /* blocks */
    weir_counter destaged_bytes, flushes, trims_ignored;
    struct weir_histogram hit_latency, miss_latency; /* ns, of requests */
};

/* What an administrator has asked for, beyond the policy. */
enum disk_wish { WISH_NONE, WISH_DRAIN, WISH_DETACH };

struct disk {
    struct weir_below *below;
    /* NULL: the disk is served without a pool, or locked; `why` says why.  Set once, when the disk
     * is ready, by attach() or the verb fill; requests look each time. */
    _Atomic(struct pool *) ready;
    struct pool *pool; /* the same, once it is ready, and for who makes it so */
    unsigned number;
    _Atomic uint64_t size; /* bytes */
    uint32_t shift;        /* bytes: (BLOCK - grid) % BLOCK */
    atomic_int mode;       /* enum cache_mode: of what comes now */
    atomic_int order;      /* enum cache_order */
    atomic_bool fills;     /* what is read or written through is kept */
    _Atomic uint64_t sequential, destage_delay;
    /* How many writes have gone to the store past the pool, and how many of them it was told to
     * keep: in write-back a FLUSH is passed on where there are others. */
    _Atomic uint64_t store_writes, store_flushed;
    /* How many batches have been destaged: what the store has said of holes may be old then. */
    _Atomic uint64_t batches;
    /* CLEANED entries that may not be durable yet: the store is not to be written past the pool
     * before they are. */
    atomic_bool marks_loose;

    /* Held for reading by whoever makes blocks dirty, across I/O; for writing to change `kept`, so
     * that it cannot become false while somebody does.  Outermost of all. */
    pthread_rwlock_t keeping;
    atomic_bool kept;   /* the core and the state folder remember that the pool holds part of it */
    atomic_bool voided; /* the state folder remembers that what a broken pool has is void */

    /* under pool->lock */
    uint32_t dirty;       /* blocks */
    unsigned writers;     /* that wait for clean blocks */
    unsigned visitors;    /* that use the store on the pool's behalf */
    bool autotunes;       /* the disk asks for it */
    uint64_t oldest;      /* ns: none of the dirty blocks is older */
    uint64_t clean_since; /* ns: dirty is 0 since then, if it is */
    bool told_broken;     /* the destager alone: people have been told that the pool failed */
    bool destaging;       /* a batch is under way */
    bool hurry;           /* destage now, whatever the delay */
    bool hold, stop;      /* the destager shall rest; end */
    int store_error;      /* why the last batch failed: -errno, 0 */
    uint64_t tries;       /* batches that have ended, well or not */
    struct streams streams;
    struct grid_votes votes;
    uint64_t destage_from; /* position: nothing before it is dirty here */
    struct mrc *mrc;       /* NULL: no memory */

    uint64_t walked; /* the destager alone: position of a record; the same, for epoch.c */

    struct lost lost;
    atomic_bool voted;      /* votes are complete */
    atomic_size_t losses;   /* lost.count, for who looks without the lock */
    pthread_mutex_t losing; /* one change of `lost` and its file at a time; held across that I/O,
                               outside of pool->lock */

    pthread_cond_t work; /* the destager has something to do; with pool->lock */
    pthread_t destager;
    bool destager_runs;

    /* control path alone */
    enum disk_wish wish;
    bool locked;
    bool accepts; /* what a damaged pool still has shall do */
    /* While a disk attaches that was here before: who is told why it cannot, and keeps the chain
     * that it has.  NULL: its export is locked instead. */
    struct weir_text *refusal;

    pthread_mutex_t why_lock; /* guards the next, for the time of a copy; a leaf */
    char why[512];
};

static inline uint64_t disk_block(const struct disk *d, uint64_t offset)
{
    return (offset + d->shift) / BLOCK;
}

static inline uint64_t disk_key(const struct disk *d, uint64_t block)
{
    return block_key(d->number, block);
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
/* All sectors of its block that are of the disk. */
bool part_covers(const struct disk *, const struct part *);

static inline struct cache_stats *disk_stats(struct disk *d)
{
    return weir_own_stats(d->below);
}

/* Under the lock: the block has been asked for. */
static inline void disk_refer(struct disk *d, uint64_t key, enum reference reference)
{
    pool_note(d->pool, key, reference);
    if (!d->mrc)
        return;
    mrc_total(d->mrc, 1);
    if (mrc_watches(d->mrc, key))
        mrc_note(d->mrc, key);
}

/* The next functions answer 0 or -errno (one that NBD carries). */

/* ---- read.c ------------------------------------------------------------------------- */

/* `fills`: what comes from the store is kept. */
int disk_read(struct disk *, void *data, uint64_t length, uint64_t offset, bool fills,
              struct cache_stats *, bool *hit);
/* Nothing of the range is in the pool. */
bool disk_lacks(struct disk *, uint64_t length, uint64_t offset);
int disk_prefetch(struct disk *, uint64_t length, uint64_t offset, struct cache_stats *);

/* ---- write.c: write-back -------------------------------------------------------------- */

int disk_write_back(struct disk *, const void *data, uint64_t length, uint64_t offset, bool fua);
int disk_flush_log(struct disk *);

/* ---- past.c: what the store is written past the pool ----------------------------------- */

struct past {
    uint64_t offset, length; /* length 0: nothing has begun */
};
int past_begin(struct disk *, uint64_t offset, uint64_t length, struct past *);
/* `data`: what was written, to be kept where the pool has the block already, and, with `fills`,
 * where it has not; NULL: the blocks are void. */
/* A change that has passed by while the disk had no pool, and has one now: the range is void. */
void past_outside(struct disk *, uint64_t offset, uint64_t length);
void past_end(struct disk *, struct past *, const void *data, bool fills, struct cache_stats *);

/* ---- fill.c ------------------------------------------------------------------------------ */

/* Keeps the whole blocks of [offset, offset + length) that are not in the pool; `seen` as the
 * blocks' numbers were before the store was asked.  `again`: of which of them the log has an older
 * version, which only the log can replace; NULL: of none. */
void disk_fill(struct disk *, const void *data, uint64_t length, uint64_t offset,
               const uint32_t *seen, const bool *again, struct cache_stats *);

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
/* All of it while it is held, by the caller: in a drained disk that is the thread whose I/O goes
 * on. */
int destage_held(struct disk *);

bool disk_has_dirty(struct disk *);

/* ---- disk.c: the store, where it was written past the pool ---------------------------------- */

/* It may lose what it was written. */
bool disk_is_loose(struct disk *);
/* It keeps what it was written so far. */
int disk_flush_store(struct disk *);
/* … it does, of the first `number` writes (store_writes). */
void disk_store_keeps(struct disk *, uint64_t number);

/* ---- attach.c: how do a disk and a pool find each other again? -------------------------- */

/* The disk is ready, or served without a pool, or its export is locked: `why` of it says so. */
int disk_attach(struct disk *, const struct cache_config *, struct weir_text *why);
/* What is dirty stays in the pool. */
void disk_detach(struct disk *);
/* Gives up what is dirty, of this disk and for good. */
int disk_discard(struct disk *, const struct cache_config *, struct weir_text *answer);
void disk_set_shares(struct disk *, const struct cache_config *);
void disk_say(struct disk *, const char *format, ...) WEIR_PRINTF(2, 3);

/* ---- autotune.c ----------------------------------------------------------------------------- */

/* The disk asks for the small queue to be tuned, or no longer does. */
void disk_autotune(struct disk *, bool wanted);

/* ---- keep.c: who remembers that a pool holds part of a disk? -------------------------------- */

/* Before a block becomes dirty: 0, and disk_kept_end() is to be called when it is. */
int disk_kept_begin(struct disk *);
void disk_kept_end(struct disk *);
/* No block is dirty any more, and that is durable: nobody needs to remember.  Does nothing if one
 * is. */
void disk_release(struct disk *);
/* The requests have voted for another grid: it is remembered for the next attach. */
void disk_elect(struct disk *, uint32_t grid);
/* The pool is broken, or not there: what it has of this disk must not be believed once the store is
 * written past it.  All that is dirty is destaged first.  Durable when it returns 0. */
int disk_void(struct disk *);
void disk_pool_broke(struct disk *, int error);

#endif
