/* core.h - what do a host, its disks and its power do to the filter?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Plays the gateway's core for the filter cache: one pool and a few disks, each with a store, a
 * state folder and the filter.  Pool and stores are media in memory.  Everything that lasts (writes
 * and syncs of all media, what the state folders are told) is remembered in one order, so that
 * world_cut() can say what a loss of power at any moment leaves.
 *
 * With `by_hand` nothing happens by itself: a test calls keeper_step(), destage_step(),
 * checkpoint() and has the same run each time. */
#ifndef TESTS_CACHE_CORE_H
#define TESTS_CACHE_CORE_H

#include "cache.h"
#include "memory-media.h"

enum { WORLD_DISKS = 2, FILES = 4 /* of a state folder */ };

struct world;

/* What the core has for one disk.  The filter has a pointer to it. */
struct weir_below {
    struct world *world;
    unsigned number;
    uint64_t size; /* bytes */
    struct media *store;
    uint64_t changes; /* of the store, before it was recorded */
    bool attached;
    struct disk *disk; /* the filter's */
    struct cache_config config;
    struct cache_stats stats;
    char why_locked[512]; /* "": it is not */
    char last_report[512];
    unsigned warnings, errors;         /* that were reported */
    void (*read)(struct weir_below *); /* called when the store has been read; NULL: nobody is */
    pthread_mutex_t report_lock;       /* guards what reports say; a leaf */

    /* What the state folder and the core remember, each time that it changed. */
    struct kept {
        struct {
            char name[16]; /* "": there is none */
            char text[2048];
        } file[FILES];
        bool keep;
    } * kept;
    size_t kepts;
};

/* How much had lasted before a write, a sync or a word to a state folder. */
struct moment {
    size_t pool, store[WORLD_DISKS], kept[WORLD_DISKS];
};

struct world {
    bool by_hand, records;
    bool sulks;       /* stores fail to flush in the background */
    bool dawdles;     /* media take their time now and then: threads meet in more ways */
    atomic_bool dead; /* the power is off: nothing reaches any medium */
    struct media *pool_media;
    struct pool *pool; /* while a disk uses it */
    unsigned users;
    unsigned disks;
    struct weir_below below[WORLD_DISKS];
    pthread_mutex_t lock; /* guards the next, and makes them and the media one order */
    struct moment *moment;
    size_t moments, moments_size;
};

/* Media and disks, with nothing in them: a pool whose log has 8 segments, of so many slots. */
void world_create(struct world *, bool by_hand, unsigned slots, const uint64_t size[WORLD_DISKS],
                  const uint64_t grid[WORLD_DISKS]);
void world_destroy(struct world *);
/* From now on, all that lasts is remembered. */
void world_record(struct world *);
/* As after a loss of power at `moment` of a world that records. */
void world_cut(struct world *, struct world *from, size_t moment, uint64_t seed);
size_t world_moments(struct world *);

/* 0, or -errno and why.  A disk that is attached may have no pool, or be locked. */
int world_attach(struct world *, unsigned disk, char why[512]);
void world_detach(struct world *, unsigned disk);
/* The power is off: disks are detached, and nothing of it reaches a medium. */
void world_die(struct world *);

/* A request of a guest, down and up.  0 or -errno. */
int world_ask(struct world *, unsigned disk, enum weir_op, void *data, uint64_t length,
              uint64_t offset, uint32_t flags);
/* After a change of below->config. */
void world_apply(struct world *, unsigned disk);
/* A word to the filter's ctl. */
int world_verb(struct world *, unsigned disk, const char *verb, const char *arguments);
/* The store's own bytes. */
void world_look(struct world *, unsigned disk, void *data, uint64_t length, uint64_t offset);

#endif
