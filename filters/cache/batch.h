/* batch.h - which dirty blocks go to the store together?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef CACHE_BATCH_H
#define CACHE_BATCH_H

#include "disk.h"

enum { BATCH = 2048 }; /* blocks: 8 MiB */

struct dirty_block {
    uint64_t key;
    uint32_t place, crc;
    uint32_t at;  /* epoch.c alone */
    uint8_t mask; /* the sectors that go to the store; 0: a newer version is dirty, too */
    bool stored;  /* the store has it (or it needs not) */
};

struct batch {
    struct dirty_block *block;
    size_t count;
    bool left;             /* there may be more that was dirty by then */
    struct write_run *run; /* batch.c */
    size_t runs;
};

/* Dirty blocks of the disk from the log's tail on, in the order of the disk. */
int batch_gather(struct disk *, struct batch *);
/* The same of one epoch of the log, the oldest that has any (epoch.c). */
int batch_gather_epoch(struct disk *, struct batch *);
/* Reads them, checks them, writes them.  A block whose bytes are not what they should be is left
 * dirty, and said. */
int batch_store(struct disk *, struct batch *);
uint64_t batch_bytes(const struct batch *); /* that were stored */
void batch_finish(struct batch *);

#endif
