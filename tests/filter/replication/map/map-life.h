/* map-life.h - what happens to a map, and what must it say after a crash at each moment?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A source at random: writes that are streamed or only marked, acknowledgements, a copier,
 * checkpoints, growth, restarts.  Some of it happens while the map is in the middle of its I/O.
 * The truth is kept beside it: which granules the far site may lack, and when each changed last;
 * and how that was when so many operations had been recorded (medium-memory.h). */
#ifndef TESTS_MAP_LIFE_H
#define TESTS_MAP_LIFE_H

#include "map.h"
#include "medium-memory.h"

enum { LIFE_EXTENTS = 20, LIFE_WRITES = 6, LIFE_POINTS = 40 };

/* Of the extents that are looked at; bit by granule. */
struct truth {
    uint64_t size;
    uint64_t need[LIFE_EXTENTS];       /* the far site may lack it: it must be dirty */
    uint8_t changed[LIFE_EXTENTS][64]; /* it changed after so many points were given out */
    unsigned points;                   /* so many were */
};

struct life_write {
    struct map_wait wait; /* first */
    struct life *life;
    uint64_t offset, length;
    enum { NO_WRITE, WAITS, GRANTED } state;
};

struct life {
    struct memory *memory;
    struct medium *medium;
    struct map *map; /* NULL: none is open */
    uint64_t chance, now_ms, lsn, durable;
    uint64_t extent[LIFE_EXTENTS]; /* which they are */
    struct truth now;
    uint64_t dirty[LIFE_EXTENTS], unsure[LIFE_EXTENTS]; /* as the map is to have it */
    uint64_t marked[LIFE_EXTENTS];                      /* that must outlive a crash */
    uint64_t syncing[LIFE_EXTENTS];                     /* map_sync() is to make them so */
    uint64_t sent[LIFE_EXTENTS][64];                    /* the LSN that it waits for */
    struct life_write write[LIFE_WRITES];
    struct map_point point[LIFE_POINTS];
    struct truth last;  /* that was noted */
    struct truth *then; /* by recorded operations */
    size_t thens, thens_size;
    bool busy; /* something happens in the middle of something */
    char why[200];
};

/* On a medium that is recorded from its first moment; or, with what another had, on what a crash
 * has left of it.  False: why[] says what is wrong. */
bool life_begin(struct life *, struct memory *, uint64_t seed, const struct life *before,
                const struct truth *truth);
bool life_go(struct life *, unsigned steps);
void life_end(struct life *); /* abandons the map; the memory stays the caller's */

/* Does an opened map say what it must?  `stale`: it may be another. */
bool life_allows(struct life *, const struct truth *, bool stale);
/* How it was when so many operations were recorded. */
const struct truth *life_then(struct life *, size_t ops);

#endif
