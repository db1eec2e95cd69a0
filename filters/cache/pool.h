/* pool.h - what do all disks of one pool share?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One object for each pool of the configuration that a disk of this gateway uses.  What is in RAM
 * changes under one lock, which is held for a few hundred ns and never across I/O: what was looked
 * up may have changed by the time it has been read, so a reader looks again (read.c).
 *
 * Locks, outermost first: the list of pools (pools.c), pool.meeting, pool.saving, pool.lock,
 * log.c's own.  The keeper is one thread for each pool: it makes room at the log's tail and writes
 * checkpoints.  With `by_hand` (a test that wants the same order each time) there is none, and who
 * needs room makes it. */
#ifndef CACHE_POOL_H
#define CACHE_POOL_H

#include "format.h"
#include "instant.h"
#include "intent.h"
#include "log.h"
#include "media.h"
#include "partial.h"
#include "policy.h"
#include "tune.h"

#include <pthread.h>
#include <stdatomic.h>

struct disk;

enum { CHANGES = 4096 };
/* Regions with intents: more ask for a checkpoint. */
enum { MARKS_MOST = 4096 };
/* Blocks of one append: four full ones, their heads and the summary fill a segment. */
enum { APPEND_BLOCKS = 62 };

struct pool {
    struct pool *next; /* pools.c */
    unsigned users;    /* pools.c */
    char *name, *path;
    bool by_hand;
    bool loading; /* recover.c alone */
    bool marked;  /* recover.c has found intents in force */

    struct media *media;
    /* One disk comes or goes at a time: guards the catalog, and who has which number.  Held across
     * I/O; no request takes it. */
    pthread_mutex_t meeting;
    struct catalog *catalog;
    /* Held by whoever goes over the log's tail, or writes a checkpoint: the keeper, or who makes a
     * disk come or go.  What one of them has begun the other must not find half done.  Guards
     * `super` but for what never changes, and what table_write() does.  Held across I/O; no request
     * takes it. */
    pthread_mutex_t saving;
    struct super super;
    struct table *table;
    struct log *log;

    /* guards all that follows, down to the next comment */
    pthread_mutex_t lock;
    struct policy *policy;
    struct tune *tune; /* NULL: no disk asks for it */
    double small;      /* what the policy has been told */
    struct partials partials;
    struct intents intents;
    uint64_t *drop; /* keys of blocks that the log must be told are void, before intents go */
    size_t drops, drops_size;
    bool drops_lost;          /* no memory for one: from now on all intents stay */
    struct log_entry *untold; /* tell.c: CLEANED entries that the log has no room for */
    size_t untolds;
    size_t marks_kept; /* intents that the last checkpoint could not take back */
    /* For each block, by a hash of its key: how often it was written, destaged, dropped or is about
     * to be.  A fill that was begun at another number is stale. */
    uint32_t changes[CHANGES];
    struct disk *disk[DISKS_MAX];
    size_t promised;       /* pieces that appends under way may add to `partials` */
    uint32_t dirty;        /* blocks, of all disks */
    uint32_t dirty_most;   /* blocks that may be dirty: the rest of the log is for what is clean */
    uint64_t scanned;      /* position: everything before it may go, at the next checkpoint; a
                              segment's beginning; changes with `saving`, too */
    bool loose[DISKS_MAX]; /* disks that were detached, and whose store may yet lose something */
    bool room_wanted;      /* somebody waits for it */
    bool carries;          /* dirty blocks are on their way from the log's tail to its head */
    bool stop;             /* the keeper shall end */
    uint64_t told;         /* slot_writes when the keeper's last checkpoint began */
    pthread_cond_t work;   /* the keeper has something to do */
    pthread_cond_t moved;  /* room has been made, blocks have become clean, the keeper has rested */

    pthread_t keeper;
    bool keeper_runs;

    atomic_int error;                        /* of the medium, for good: 0, or a positive errno */
    atomic_uint_fast64_t recovered, damaged; /* blocks at the last open; lost ones */
    atomic_uint_fast64_t pool_errors, crc_errors, slot_writes;
};

/* ---- pools.c: which pools are open? ----------------------------------------------- */

/* Opens or finds it; a file that is not there, or is all zero, becomes a pool of `size`. */
int pool_get(const char *name, const char *path, uint64_t size, struct pool **ret, char why[WHY]);
void pool_put(struct pool *);
/* The disk `uuid` has left a pool of this process: with dirty blocks, or without. */
void pools_left(const uint8_t uuid[UUID], bool dirty);
/* Has it, with dirty blocks?  And forgets that. */
bool pools_recall(const uint8_t uuid[UUID]);

/* ---- pool.c: one pool, open ------------------------------------------------------- */

/* Takes the medium, also where it fails.  What was in force is read back (recover.c). */
int pool_open(struct media *, const char *name, const char *path, bool by_hand, struct pool **ret,
              char why[WHY]);
/* A last checkpoint. */
void pool_close(struct pool *);

/* The medium has failed: nothing is appended any more.  Reported once. */
void pool_broke(struct pool *, int error);

static inline uint32_t *changes_of(struct pool *p, uint64_t key)
{
    return &p->changes[key_spread(key) % CHANGES];
}

static inline bool in_log(const struct pool *p, uint32_t place)
{
    return place < p->super.log_pages;
}

/* Under the lock: what the tuner is to know. */
static inline void pool_note(struct pool *p, uint64_t key, enum reference reference)
{
    if (p->tune && tune_watches(p->tune, key))
        tune_note(p->tune, key, reference);
}

uint64_t place_offset(const struct pool *, uint32_t place); /* bytes, on the medium */
/* The page of a slot, as a place. */
int write_slot(struct pool *, uint32_t slot, const void *page);

/* Under the lock.  The block is void, in RAM now and on the pool with the next checkpoint.  Not a
 * dirty one. */
void pool_forget(struct pool *, uint64_t key);
/* Every clean block of a disk, not under the lock; how many. */
uint64_t pool_forget_clean(struct pool *, unsigned number);
/* Under the lock.  A dirty place has become clean (the store has it, durably), or is superseded. */
void pool_clean(struct pool *, uint32_t place);
/* Under the lock.  The same when the pieces of a block go one by one. */
void pool_clean_piece(struct pool *, uint64_t key, uint32_t place);

/* ---- install.c: what an append does to what is known in RAM ------------------------- */

/* Of a fill, or of what is carried: entry i is void when the block's number is not seen[i] any
 * more.  NULL: neither. */
struct fill {
    const uint32_t *seen;
};
void install_seal(void *pool, struct log_append *);
void install_done(void *pool, struct log_append *);
/* Under the lock: an ENTRY_DIRTY or ENTRY_OVER, now or after a crash. */
void install_dirty(struct pool *, const struct log_entry *);

/* ---- recover.c ----------------------------------------------------------------------- */

/* Fills policy, partials and intents from the medium; *end: where the log goes on.  What is found
 * damaged is counted and said. */
int recover(struct pool *, struct log_place *end, char why[WHY]);

/* ---- reclaim.c: how does the log get room? -------------------------------------------- */

/* One segment at the log's tail is gone through.  *done: a position further on has been reached;
 * not where a dirty block is in the way (then destage is asked for). */
int reclaim_segment(struct pool *, bool *done);

/* ---- checkpoint.c ----------------------------------------------------------------------- */

/* What RAM knows is on the pool, durably, and what has been reclaimed is free. */
int checkpoint(struct pool *);
/* The log has no room to say which clean blocks are about to become old: after a crash none is
 * believed, until a checkpoint has told of all.  Durable when it returns 0. */
int pool_distrust(struct pool *);

/* ---- tell.c -------------------------------------------------------------------------------- */

/* CLEANED entries, to the log now or as soon as it has room.  0; -ENOMEM; what log_append() says of
 * a broken medium. */
int tell_cleaned(struct pool *, const struct log_entry *, size_t count);
/* Those that wait.  -EAGAIN: there still is no room for all. */
int tell_rest(struct pool *);

/* ---- autotune.c -------------------------------------------------------------------------- */

/* For the keeper, not under the lock: what the tuner has found is so from now on, and said. */
void pool_autotune(struct pool *);

/* ---- keeper.c ----------------------------------------------------------------------------- */

int keeper_start(struct pool *);
void keeper_stop(struct pool *);
/* The log may have become short of room: the keeper is told. */
void pool_nudge(struct pool *);
/* As long as the log has too little room: reclaims, then writes a checkpoint.  *waits: dirty blocks
 * are in the way. */
int keeper_step(struct pool *, bool *waits);
/* Waits until there is room for `pages` more and fewer blocks than allowed are dirty.  0; -EBUSY:
 * there is none because another disk's store fails, and this disk has nothing dirty; another
 * -errno: there will be none, for that is what the disk's store, or the pool, says. */
int pool_wait_for_room(struct pool *, struct disk *, unsigned pages);

#endif
