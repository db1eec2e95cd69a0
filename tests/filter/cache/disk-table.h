/* disk-table.h - how does a test write a partition table?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef DISK_TABLE_H
#define DISK_TABLE_H

#include "encode.h"

static inline void mbr_entry(uint8_t *disk, unsigned index, uint8_t type, uint32_t first,
                             uint32_t sectors)
{
    uint8_t *entry = disk + 446 + 16 * index;

    disk[510] = 0x55;
    disk[511] = 0xaa;
    entry[4] = type;
    put32(entry + 8, first);
    put32(entry + 12, sectors);
}

/* The protective MBR, too. */
static inline void gpt_header(uint8_t *disk, unsigned sector, uint32_t count, uint32_t size)
{
    uint8_t *header = disk + sector;

    mbr_entry(disk, 0, 0xee, 1, UINT32_MAX);
    memcpy(header, "EFI PART", 8);
    put64(header + 72, 2);
    put32(header + 80, count);
    put32(header + 84, size);
}

static inline void gpt_entry(uint8_t *disk, unsigned sector, unsigned at, uint64_t first,
                             uint64_t last)
{
    uint8_t *entry = disk + 2 * sector + at;

    memset(entry, 0x5a, 16);
    put64(entry + 32, first);
    put64(entry + 40, last);
}

#endif
