/* lost.h - what if the pool has lost a block that the store never got?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A page of the pool whose bytes are not what was written is no harm where the store has the block,
 * too.  Of a dirty block nothing is left: what the store has is older.  Serving that would be a
 * lie, and keeping the page in the log would stop the log for ever.  So the block is remembered as
 * lost, in the export's state folder: reads of it fail with EIO until all of it is written again.
 */
#ifndef CACHE_LOST_H
#define CACHE_LOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk;

struct lost {
    uint64_t *block; /* numbers, in no order: there are few */
    size_t count;
};

/* At attach. */
int lost_load(struct disk *);
void lost_finish(struct disk *);
/* Durable when it returns 0. */
int lost_add(struct disk *, uint64_t block);
/* Whole blocks of the range have been written: they are lost no longer.  Durable when it returns 0.
 */
int lost_written(struct disk *, uint64_t offset, uint64_t length);
/* Is one of the blocks of the range lost?  Cheap where none is. */
bool lost_any(struct disk *, uint64_t offset, uint64_t length);

#endif
