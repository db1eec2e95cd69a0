/* map-private.h - of what is a map made, and which order makes it survive a crash?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   NAME          header | header | page | page …   map-file.c
 *   NAME.intent   header | bits | bits …            map-intent.c
 *
 * Two threads have all the I/O, one file each, so that a write to a cold extent never waits for
 * pages: the committer (map-intent.c) makes intents durable, many at once; the keeper (map-keep.c)
 * writes pages behind and takes intents back.  Writes to hot extents take no lock: all that they
 * touch is atomic.
 *
 * The orders, by name (map-step.h):
 *
 *   INTENT-BEFORE-WRITE   ready() is called when the intent was synced.
 *   PAGES-BEFORE-CLEAR    An intent is cleared when the pages of its extent were synced.
 *   MARK-BEFORE-CLEAR     … and when what was written there is durable at the far site, or dirty;
 *                         and durable here (settle(): DISK_BEFORE_INTENT of the source's step.h).
 *   CLOSE-BEFORE-COPY     An extent that is to become cold is CLOSING before its page is copied;
 * who enters it takes that away, and it stays hot.  So no page that lacks a stamp lets an intent
 * go. PENDING-BEFORE-COPY   What changed is PENDING; that is taken away before the page is copied,
 * so that what changes meanwhile is PENDING again. STAMP-AGAIN           leave() stamps with the
 * epoch of its own moment: one that ended since enter() may be what a backup goes by that read the
 * disk before the write. RESERVE-BEFORE-POINT  A point is given out when a synced header says that
 * its epoch may have been: after a crash the present epoch is later than all of those
 *                         (SKIP-RESERVED).  A checkpoint that finds none reserved does not end its
 *                         epoch and answers with the last that ended: that says too much.
 *   UNSURE-IS-DIRTY       A page has what is dirty or unsure as one bit.
 *   FOUND-STAYS           An intent that is found at open stays until its extent, dirty and changed
 *                         (FOUND-IS-CHANGED), was written.
 *   DAMAGED-IS-DIRTY      A page that is torn, missing or another's: all of it is dirty and
 * changed. TAIL-BEFORE-SIZE      The granule in which the disk ended is dirty on the medium before
 * the header says that the disk is larger; pages beyond are missing until then, and what a page has
 * beyond the end is dirty.
 *
 * A sector of 512 bytes is old or new after a crash, nothing larger is. */
#ifndef REPLICATION_MAP_PRIVATE_H
#define REPLICATION_MAP_PRIVATE_H

#include "map.h"

#include "map-step.h"

#include <pthread.h>

#ifndef MAP_RESERVE
#define MAP_RESERVE 4096 /* a test has fewer */
#endif
#define NEVER UINT32_MAX /* no epoch: a stamp of what is beyond the end of the disk */

enum {
    EXTENT_GRANULES = EXTENT / GRANULE, /* a word of bits */
    CHUNK = 1024,                       /* extents */
    SECTOR_BYTES = 512,
    PAGE_SIZE = 4096,
    PAGE_EXTENTS = 15,
    PAGES_AT = 2 * PAGE_SIZE,
    BATCH = 64, /* pages, or sectors: of one write */
    INTENTS_AT = 4096,
    INTENT_BYTES = SECTOR_BYTES - 8,
    INTENT_BITS = INTENT_BYTES * 8, /* of one sector */
    RESERVE = MAP_RESERVE,          /* epochs */
    TICKS = 4,                      /* of cold_ms */
};

/* The state of an extent: one word, so that who clears an intent and who enters agree. */
#define HOT       (1u << 31) /* its intent is durable */
#define CLOSING   (1u << 30) /* hot, and to become cold: since then nobody has entered */
#define PENDING   (1u << 29) /* its page lacks something */
#define IN_FLIGHT (PENDING - 1)

/* Half a cache line: a write to a hot extent touches this, and a stamp. */
struct extent {
    _Atomic uint32_t state;
    _Atomic uint32_t touched; /* tick of the last leave() */
    _Atomic uint64_t lsn;     /* the highest of what left */
    _Atomic uint64_t dirty, unsure;
};

/* Extents do not move: who looks at one need not know that the map grows. */
struct chunk {
    struct extent extent[CHUNK];
    _Atomic uint32_t stamp[CHUNK][EXTENT_GRANULES];
};

struct table {
    struct table *older; /* somebody may look at it still: freed with the map */
    uint64_t chunks;
    struct chunk *chunk[];
};

struct sector { /* as it lies on the medium */
    uint8_t digest[8];
    uint8_t bits[INTENT_BYTES];
};

struct job {       /* what map_sync() and map_grow() ask of the keeper */
    uint64_t grow; /* the new size; 0: sync */
    bool done;
    int error;
    struct job *next;
};

struct map {
    struct medium_file *pages, *marks; /* NAME and NAME.intent */
    uint8_t id[16];
    unsigned period; /* ms, of a tick */
    int (*settle)(void *arg);
    void *settle_arg;
    bool manual;
    _Atomic(struct table *) table;
    _Atomic uint64_t size;
    _Atomic uint32_t epoch, reserved, tick;
    _Atomic uint64_t durable; /* LSN */
    _Atomic uint64_t dirty, unsure, intents;

    /* Guards what follows.  A leaf; no I/O happens under it, and no ready(). */
    pthread_mutex_t lock;
    pthread_cond_t commit, keep, done; /* there is something for the committer, the keeper, a job */
    struct map_wait *first, **last;    /* who waits for an intent */
    struct map_wait *committed;        /* … of those whose intents are being written */
    struct sector *sector;             /* the intents, as they are to be */
    bool *unwritten;                   /* by sector */
    uint64_t sectors;
    struct job *jobs;
    bool clears; /* there are sectors to be written that nobody waits for */
    bool stop;
    int failed; /* the intents cannot be synced: no extent becomes hot any more */

    /* the keeper's own, and close()'s */
    uint64_t sequence; /* of the header */
    int pages_failed;  /* NAME cannot be synced: no intent goes any more */

    pthread_t committer, keeper;
    uint8_t sectors_out[BATCH * SECTOR_BYTES]; /* the committer's */
    uint8_t pages_out[BATCH * PAGE_SIZE];      /* the keeper's */
};

/* ---- extents -------------------------------------------------------------------------------- */

static inline uint64_t extents_of(uint64_t size)
{
    return (size + EXTENT - 1) / EXTENT;
}

static inline struct chunk *chunk_of(const struct map *m, uint64_t extent)
{
    return atomic_load_explicit(&m->table, memory_order_acquire)->chunk[extent / CHUNK];
}

static inline struct extent *extent_of(const struct map *m, uint64_t number)
{
    return &chunk_of(m, number)->extent[number % CHUNK];
}

static inline _Atomic uint32_t *state_of(const struct map *m, uint64_t extent)
{
    return &extent_of(m, extent)->state;
}

/* The granules of an extent that [offset, offset + length) touches. */
static inline uint64_t granules_in(uint64_t extent, uint64_t offset, uint64_t length)
{
    const uint64_t first = extent * EXTENT_GRANULES, last = first + EXTENT_GRANULES - 1;
    uint64_t from = offset / GRANULE, to = (offset + length - 1) / GRANULE;

    from = from > first ? from - first : 0;
    to = to < last ? to - first : EXTENT_GRANULES - 1;
    return ~0ull >> (EXTENT_GRANULES - 1 - to) & ~0ull << from;
}

/* Those of an extent that a disk of `size` bytes has. */
static inline uint64_t granules_of(uint64_t extent, uint64_t size)
{
    return granules_in(extent, extent * EXTENT, size - extent * EXTENT);
}

/* ---- map-bits.c, map-enter.c ----------------------------------------------------------------- */

void bits_set(struct map *, uint64_t extent, uint64_t granules);
void stamps_raise(struct map *, uint64_t extent, uint64_t granules, uint32_t epoch);
void range_stamp(struct map *, uint64_t offset, uint64_t length);
/* Gives all extents of a range back, as leave() does. */
void range_leave(struct map *, uint64_t offset, uint64_t length, uint64_t lsn);
bool range_is_hot(const struct map *, uint64_t offset, uint64_t length);

/* ---- map-intent.c -----------------------------------------------------------------------------
 */

/* New ones: none has an intent. */
int intents_make(struct map *, uint64_t extents);
/* Those of a map with our id: else *problem is what is wrong, and malloc'ed, as everywhere here. */
int intents_load(struct map *, uint64_t extents, char **problem);
bool intents_has(const struct map *, uint64_t extent);
void intents_put(struct map *, uint64_t extent, bool has); /* under the lock */
int intents_grow(struct map *, uint64_t extents);
int intents_write(struct map *); /* all that is unwritten; does not sync */
/* Does what the committer would do now: true if there was something. */
bool intents_commit(struct map *);
void *intents_thread(void *);

/* ---- map-file.c -------------------------------------------------------------------------------
 */

struct map_header {
    uint8_t id[16];
    uint64_t size, sequence;
    uint32_t epoch, reserved; /* points up to `reserved` may have been given out */
    bool clean;
};
/* -ENODATA: there is none.  *behind: the other one is damaged, so that this may be the one before.
 */
int header_read(struct medium_file *, struct map_header *, bool *behind, char **problem);
int header_write(struct map *, bool clean, uint32_t reserved, uint64_t size);
void pages_load(struct map *);
/* The page as it is to be on the medium. */
void page_copy(struct map *, uint64_t page, void *out);
/* A sentence for people about a map that is not believed: -EBADMSG. */
int map_problem(char **problem, const char *format, ...) WEIR_PRINTF(2, 3);
static inline uint64_t pages_of(uint64_t size)
{
    return (extents_of(size) + PAGE_EXTENTS - 1) / PAGE_EXTENTS;
}

/* ---- map-keep.c -------------------------------------------------------------------------------
 */

/* Writes pages and takes intents back; all: every page that lacks something.  *did: there was
 * something to do. */
int keep_round(struct map *, bool all, bool *did);
int keep_grow(struct map *, uint64_t size);
bool keep_reserve(struct map *); /* epochs, where they run short: true if it did */
void *keep_thread(void *);

/* ---- map.c ------------------------------------------------------------------------------------
 */

int table_grow(struct map *, uint64_t size);

#endif
