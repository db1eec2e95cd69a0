/* pool-check.h - is a pool, which nobody has open, whole, and what is in it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads all of it and changes nothing.  Needs nothing of weir: `weirctl cache check` links it. */
#ifndef CACHE_POOL_CHECK_H
#define CACHE_POOL_CHECK_H

#include "format.h"

struct pool_found {
    struct super super;
    unsigned supers; /* copies that are whole: 2, or 1 after a crash */

    unsigned disks, lost_disks; /* entries that are in use; of which both pages are bad */
    unsigned damaged_disks;     /* CATALOG_DAMAGED */
    struct pool_found_disk {
        struct catalog_disk disk;
        bool used;
        uint64_t clean, dirty; /* places: blocks that the store has (a recovery takes those for void
                                  whose region has an intent), and pieces that it does not */
        uint64_t dirty_bytes;
    } disk[DISKS_MAX];
    uint64_t strange, strange_dirty; /* blocks of numbers that no disk has */

    uint64_t table_pages,
        table_bad; /* pages; that say neither what slots have nor nothing at all */
    uint64_t slots_taken, slots_bad; /* of these, the block is another: a crash may leave that */

    uint64_t log_tail, log_head; /* positions; the head is the end of what was found */
    uint64_t log_records, log_entries;
    uint64_t first_epoch, last_epoch; /* of the records */
    uint64_t log_blocks, log_bad; /* blocks in force; their CRC is wrong: a clean one is a miss … */
    uint64_t dirty_bad;           /* … of a dirty one, bytes are lost */
    uint64_t damage;              /* places where durable records are missing */
};

struct pool_check_report {
    /* NULL is fine.  `done` of `all` bytes have been read; anything but 0 ends the check with it.
     */
    int (*progress)(void *arg, uint64_t done, uint64_t all);
    /* A sentence about what is wrong; `lost`: data may be lost. */
    void (*problem)(void *arg, bool lost, const char *sentence);
    void *arg;
};

/* 0: it could be read, whatever *found says; else as super_load(), -EIO, -ENOMEM, what progress()
 * said. */
int pool_check(struct media *, const struct pool_check_report *, struct pool_found *,
               char why[WHY]);
/* Has a byte been lost that a guest had written? */
bool pool_check_lost(const struct pool_found *);

#endif
