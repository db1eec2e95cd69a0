/* map.h - which parts of a disk changed since when, and which may differ from the far site?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Per granule of 64 KiB: the epoch of its last write (u32), and whether it is dirty (the far site
 * does not have what is here) or unsure (it was sent, and is not known to be durable there).  Per
 * extent of 4 MiB: an intent, durable before the first write to a cold extent goes on, taken back
 * lazily: the only synchronous I/O here.  After a crash all granules of extents with an intent are
 * dirty, and changed in the new epoch: the map may say too much, never too little.
 *
 * Stamps, bits and extents lie in memory (64, 4 and 4 MiB per TiB) and are written behind, page by
 * page; it is the intents that a crash is survived by.  An intent is taken back when its extent is
 * cold for some seconds, all its writes are durable at the far site or marked dirty, those on this
 * site's disk are durable, too (or the far site would have what a loss of power takes from here),
 * and the pages that say what changed are synced.
 *
 * Every call may come from any thread and none does I/O, but open, grow, sync and close. */
#ifndef REPLICATION_MAP_H
#define REPLICATION_MAP_H

#include "medium.h"

enum { GRANULE = 65536, EXTENT = 4 << 20 };

struct map;

struct map_setup {
    struct medium *medium; /* stays the caller's */
    const char *name;      /* of the file; its intents are in NAME.intent */
    uint64_t size;         /* bytes of the disk */
    unsigned cold_ms;      /* how long an extent is not written before its intent goes; 0: 5000 */
    bool manual;           /* no thread: whoever tests it calls map_work() */
    /* Makes durable on this site's disk what was written under intents that are to go.  On the
     * map's thread, and in map_close(); not 0: they stay.  NULL: it is durable. */
    int (*settle)(void *arg);
    void *arg;
};

struct map_found {
    bool fresh;     /* there was none: all is dirty */
    bool unclean;   /* it was not closed: intents made granules dirty */
    uint64_t dirty; /* granules */
    char *problem;  /* malloc'ed, or NULL: what was wrong with the one that was there (damaged, of
                       another disk size …), so that all is dirty and changed */
};

/* A map that cannot be believed is replaced by a fresh one: all dirty, with another id.  One of a
 * smaller disk grows: what is new is dirty. */
int map_open(const struct map_setup *, struct map **ret, struct map_found *, struct weir_text *why);
int map_grow(struct map *, uint64_t size); /* what is new is dirty */
int map_close(struct map *);               /* in order: the next open is clean.  NULL is fine */
void map_abandon(struct map *);            /* as a crash would: nothing is written any more */

/* ---- around each write, zero and trim ---------------------------------------------------------
 */

struct map_wait {
    void (*ready)(struct map_wait *,
                  int error); /* called once, on the map's thread, no lock held */
    struct map_wait *next;    /* this and the rest: the map's */
    uint64_t offset, length;
};
/* Before the write may change the disk.  0: go on; 1: ready() will say so, when the intent is
 * durable, or with the -errno of why that failed (the write must fail); -errno: it must fail now.
 * A sync of intents that failed once fails all that wait for one from then on; extents that have
 * one go on.  Marks the granules as changed in the present epoch.  Each enter() that succeeded has
 * one leave(), which may come whatever became of the write. */
int map_enter(struct map *, uint64_t offset, uint64_t length, struct map_wait *);
/* Who waits will not go on: there is no ready() then, and nothing to leave.  False: ready() comes,
 * or has come, or it does not wait. */
bool map_forget(struct map *, struct map_wait *);
/* The same as map_enter() for who can wait: 0 or -errno. */
int map_enter_waiting(struct map *, uint64_t offset, uint64_t length);
/* The disk has changed.  `lsn`: the far site has it once map_durable() says so; 0: whoever calls
 * has marked it dirty.  Marks the granules again if another epoch began meanwhile. */
void map_leave(struct map *, uint64_t offset, uint64_t length, uint64_t lsn);
void map_durable(struct map *, uint64_t lsn);

/* ---- dirty and unsure --------------------------------------------------------------------------
 */

/* Dirty, and so unsure.  A crash leaves it if it was called between enter() and leave() of its
 * range, or after map_sync(). */
void map_mark(struct map *, uint64_t offset, uint64_t length);
void map_mark_all(struct map *);
uint64_t map_dirty(const struct map *); /* granules */
uint64_t map_unsure(const struct map *);
void map_doubt(struct map *); /* what is unsure is dirty */
/* Is any granule of the range dirty? */
bool map_any_dirty(const struct map *, uint64_t offset, uint64_t length);
/* The first dirty granule at or after number `from`; -ENOENT. */
int map_next_dirty(const struct map *, uint64_t from, uint64_t *granule);
/* It is in a frame now: not dirty any more, unsure still. */
void map_taken(struct map *, uint64_t granule);
/* All that is not dirty is durable at the far site: nothing else is unsure any more.  Not while
 * another thread calls map_taken(). */
void map_sure(struct map *);
/* A bitmap as page.h has it, of `length` bytes from byte `from` of the whole on. */
void map_bitmap(const struct map *, void *bitmap, size_t length, uint64_t from);
/* Marks what a bitmap says, of the whole from byte `from` on. */
void map_mark_bitmap(struct map *, const void *bitmap, size_t length, uint64_t from);

/* ---- what changed since ------------------------------------------------------------------------
 */

struct map_point { /* "ID" for people: 32 hex digits of the map, ':', the epoch */
    uint8_t map[16];
    uint32_t epoch;
};
/* Ends the epoch: all that has left until now changed up to it, whatever leaves later after it.
 * (More than 4096 at once: the answer may be one that ended before: then what is said to have
 * changed since is too much.) */
struct map_point map_checkpoint(struct map *);
/* Without ending it: the epoch that ended last, for who wants to know whose map it is, and when. */
struct map_point map_now(const struct map *);
/* Ranges that changed after `since`, ascending, not touching; stops at what is not 0 and returns
 * that.  -ESTALE: `since` is of another map, or not yet: all may have changed. */
int map_changed(const struct map *, const struct map_point *since,
                int (*each)(void *arg, uint64_t offset, uint64_t length), void *arg);

/* ---- durability ------------------------------------------------------------------------------ */

/* Everything that is marked now is what a crash leaves.  Blocks. */
int map_sync(struct map *);
/* manual: does what the thread would do now; true: there was something. */
bool map_work(struct map *, uint64_t now_ms);
uint64_t map_intents(const struct map *); /* extents that have one */
uint64_t map_size(const struct map *);

#endif
