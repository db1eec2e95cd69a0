/* grid.h - where do the blocks of a guest begin?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A block of the guest's file system that crosses two of the pool's costs two, and a write of it
 * leaves two halves.  First the partition table is asked (MBR, GPT): most partitions of one disk
 * begin alike.  Where there is none that can be read (an encrypted disk), the requests themselves
 * vote. Pure. */
#ifndef CACHE_GRID_H
#define CACHE_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `data`: the disk's first `length` bytes (34 sectors are enough).  True: *grid, in bytes, a
 * multiple of 512 less than 4096, is where blocks of most of the partitioned space begin. */
bool grid_of_partitions(const void *data, size_t length, uint64_t disk_size, uint32_t *grid);

enum { GRID_VOTES = 512 };
struct grid_votes {
    uint32_t votes[8]; /* by sector within 4 KiB */
    uint32_t count;
};
/* Requests of a multiple of 4 KiB vote.  True, once: GRID_VOTES have voted, and at least three of
 * four for *grid. */
bool grid_vote(struct grid_votes *, uint64_t offset, uint64_t length, uint32_t *grid);

#endif
