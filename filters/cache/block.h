/* block.h - how is a piece of a disk named in a pool?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A pool keeps blocks of 4 KiB.  Where they begin on a disk is that disk's grid: a guest whose
 * partition starts at sector 63 writes blocks that begin at sector 7 of each eight.  A sector of
 * 512 bytes is the smallest piece of which a pool knows whether it has it. */
#ifndef CACHE_BLOCK_H
#define CACHE_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum { SECTOR = 512, BLOCK = 4096, SECTORS = BLOCK / SECTOR, EVERY_SECTOR = 0xff };

/* A block of a disk of the pool: 9 bits say the disk, 34 bits the block (64 TiB). */
enum {
    BLOCK_BITS = 34,
    DISK_BITS = 9,
    KEY_BITS = BLOCK_BITS + DISK_BITS,
    DISKS_MAX = 1 << DISK_BITS
};
#define BLOCKS_MAX (1ull << BLOCK_BITS)

static inline uint64_t block_key(unsigned disk, uint64_t block)
{
    return (uint64_t)disk << BLOCK_BITS | block;
}

static inline unsigned key_disk(uint64_t key)
{
    return (unsigned)(key >> BLOCK_BITS);
}

static inline uint64_t key_block(uint64_t key)
{
    return key & (BLOCKS_MAX - 1);
}

/* Spreads neighbours: Fibonacci hashing (Knuth, TAOCP 3, 6.4). */
static inline uint32_t key_spread(uint64_t key)
{
    return (uint32_t)(key * 0x9e3779b97f4a7c15u >> 32);
}

/* Where a block lies in the pool: a page of the log, or, from log_pages on, a slot. */
#define NOWHERE UINT32_MAX

/* CRC32C of a block's content.  The key is in it: a block read for another is never taken for it.
 */
uint32_t block_crc(uint64_t key, const void *page);

#endif
