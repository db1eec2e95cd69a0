/* format.h - what is on a pool, and where?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   super A │ super B │ catalog │ table of the slots │ log: a ring of segments │ slots
 *
 * Pages of 4 KiB.  Numbers are little-endian.  Each page of super, catalog, table and log header
 * begins as page.h says: a page whose CRC is wrong is not there.
 *
 * super    Two, of which the younger valid one counts; written in turn.  Says where everything is,
 *          and from where on the log is to be read.
 * catalog  Two pages for each disk, written in turn, the younger valid one counts.
 * table    For each slot whose block it has and its CRC; written late, never waited for.
 * log      Records: a page of head, which says what follows, and the blocks.  A record does not
 *          cross segments.  Positions count pages from the beginning of time: the page in the ring
 *          is position % log_pages, so a position says which of two pages is older.
 * slots    Blocks.
 *
 * What may be believed after a crash is in recover.h. */
#ifndef CACHE_FORMAT_H
#define CACHE_FORMAT_H

#include "block.h"
#include "media.h"

#include <stddef.h>

enum {
    POOL_VERSION = 1,
    SEGMENT_PAGES = 256, /* 1 MiB; the last pages of a full segment are its summary */
    RECORD_ENTRIES = 250,
    TABLE_ENTRIES = 254, /* slots that one page of the table tells of */
    UUID = 16,
};
#define POOL_MIN (64ull << 20) /* bytes */

/* ---- super.c ------------------------------------------------------------------------ */

struct super {
    uint8_t uuid[UUID];
    uint64_t generation;  /* of this super block: the younger has more */
    uint32_t incarnation; /* how often the pool has been opened to be written */
    uint32_t disks;       /* entries of the catalog */
    uint32_t log_pages, slots;
    uint64_t catalog, table, log, slot; /* bytes, where each begins */
    uint64_t tail;                      /* position in the log: what is before it is void */
    uint64_t durable_epoch;             /* all of this epoch and earlier was durable */
    uint64_t durable_head;              /* position: the log was durable up to here */
    bool void_clean;                    /* no clean block is to be believed: the log had no room
                                           to say which are void */

    /* log.c sets, log-read.c looks: where, with which number and in which incarnation the log was
     * last begun anew.  What an earlier incarnation has left from there on is void. */
    uint64_t begin, begin_sequence;
    uint32_t began;
};

/* Lays a pool out on `size` bytes; `log`: which part of it is the log.  -EINVAL: too small. */
int super_plan(uint64_t size, double log, struct super *);
/* 0; -ENOENT: there is no pool (all zero); -EINVAL: something else is there; -EPROTO: a pool of
 * another version; -EIO.  `why` says it. */
int super_load(struct media *, struct super *, char why[WHY]);
/* How many of the two are whole. */
unsigned super_copies(struct media *);
/* Raises the generation, writes the older of the two.  Not synced, and has to be before it is
 * saved again.  -EINVAL: the tail is not the beginning of a segment. */
int super_save(struct media *, struct super *);
/* A new pool: a new uuid, which makes strangers of what an older one has left; writes both, syncs.
 */
int super_format(struct media *, struct super *);

/* ---- catalog.c ------------------------------------------------------------------------ */

/* A disk of the pool.  Its number in the catalog is what keys have. */
struct catalog_disk {
    uint8_t uuid[UUID]; /* given at its first attach; the export's state folder knows it, too;
                           all zero: this number is free */
    char name[128];     /* the export's, for people */
    char identity[192]; /* of the store: struct weir_identity */
    uint64_t changed;   /* when the store was last changed, by the store's word, when the disk was
                           last detached in order; 0: it was not, or the store cannot say */
    uint64_t size;      /* bytes */
    uint64_t since; /* position: what the log has before it is of an earlier disk of this number */
    uint32_t grid;  /* bytes: where blocks begin, less than BLOCK */
    uint32_t flags; /* enum catalog_flags */
};
enum catalog_flags {
    CATALOG_OPEN = 1 << 0, /* attached, or was when the gateway died */
    CATALOG_DAMAGED =
        1 << 2,            /* records of the log were lost that may have had dirty blocks of it */
    CATALOG_LOST = 1 << 1, /* in memory alone: both pages are bad.  The number is not free, as
                              blocks have it; nor any disk's: its uuid is all ones */
};

struct catalog; /* the copy in memory */
int catalog_load(struct media *, const struct super *, struct catalog **ret);
void catalog_destroy(struct catalog *);
const struct catalog_disk *catalog_disk(const struct catalog *, unsigned number);
/* Writes one entry.  Durable when it returns 0; else it is as before.  One call at a time; others
 * of catalog_disk() may read other numbers meanwhile. */
int catalog_save(struct catalog *, struct media *, unsigned number, const struct catalog_disk *);

/* ---- table.c ------------------------------------------------------------------------ */

struct table;
int table_create(const struct super *, struct table **ret);
void table_destroy(struct table *);
/* Slot `slot` has changed and is to be written.  Under the pool's lock. */
void table_mark(struct table *, uint32_t slot);
struct table_slot {
    uint64_t key;
    uint32_t crc;
    bool taken;
};
/* Writes the pages that were marked when it began; not synced.  `look` is called under `lock`,
 * for a page's slots at a time, and says what they hold now.  *written: pages. */
int table_write(struct table *, struct media *, void (*lock)(void *, bool hold),
                void (*look)(void *, uint32_t slot, struct table_slot *), void *arg,
                uint64_t *written);
/* Reads all; calls `taken` for each slot that a valid page tells of. */
int table_load(struct table *, struct media *,
               void (*taken)(void *, uint32_t slot, const struct table_slot *), void *arg);

#endif
