/* grid.c - where do the blocks of a guest begin?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What a table says is the guest's word: it is believed only so far as it lies within the bytes
 * that were read and within the disk.  Its checksums are not looked at: a table that is damaged
 * still says where the partitions were, and a wrong grid costs speed alone. */
#include "grid.h"

#include <endian.h>
#include <string.h>

#include "block.h"

/* A table of either kind, and what its partitions have by where they begin in 4 KiB. */
struct table {
    const uint8_t *data;
    size_t length;
    uint64_t disk_size;
    uint64_t space[SECTORS];
};

enum { MBR_ENTRIES = 446, MBR_ENTRY = 16, MBR_SIGNATURE = 510, MBR_GPT = 0xee };
enum { GPT_HEADER = 92, GPT_ENTRY = 128 };

static uint64_t number_at(const uint8_t *data, size_t bytes)
{
    uint64_t ret = 0;

    memcpy(&ret, data, bytes);
    return le64toh(ret);
}

/* Partitions that overlap count twice: the sum stays far below 2^64. */
static void add(struct table *table, uint64_t first, uint64_t sectors, uint64_t sector)
{
    uint64_t disk = table->disk_size / sector;

    if (first >= disk)
        return;
    if (sectors > disk - first)
        sectors = disk - first;
    table->space[first * sector / SECTOR % SECTORS] += sectors * (sector / SECTOR);
}

/* ---- MBR --------------------------------------------------------------------- */

/* A file system's boot sector has the same signature, and code where the entries would be. */
static bool has_mbr(const struct table *table)
{
    const uint8_t *data = table->data;

    if (table->length < SECTOR || data[MBR_SIGNATURE] != 0x55 || data[MBR_SIGNATURE + 1] != 0xaa)
        return false;
    for (size_t i = 0; i < 4; i++)
        if (data[MBR_ENTRIES + i * MBR_ENTRY] & 0x7f)
            return false;
    return true;
}

/* An extended partition begins with a table; its blocks begin elsewhere. */
static bool holds_blocks(uint8_t type)
{
    return type != 0 && type != 0x05 && type != 0x0f && type != 0x85 && type != MBR_GPT;
}

/* True: there is a GPT to be read instead. */
static bool read_mbr(struct table *table)
{
    bool ret = false;

    for (size_t i = 0; i < 4; i++) {
        const uint8_t *entry = table->data + MBR_ENTRIES + i * MBR_ENTRY;
        if (entry[4] == MBR_GPT)
            ret = true;
        if (holds_blocks(entry[4]))
            add(table, number_at(entry + 8, 4), number_at(entry + 12, 4), SECTOR);
    }
    return ret;
}

/* ---- GPT --------------------------------------------------------------------- */

static void add_entry(struct table *table, const uint8_t *entry, size_t sector)
{
    static const uint8_t unused[16];
    uint64_t first = number_at(entry + 32, 8), last = number_at(entry + 40, 8);

    if (memcmp(entry, unused, sizeof(unused)) != 0 && first <= last && last < UINT64_MAX)
        add(table, first, last - first + 1, sector);
}

/* `sector`: of the guest; the header is in the second one. */
static bool read_gpt(struct table *table, size_t sector)
{
    const uint8_t *header = table->data + sector;

    if (table->length < sector + GPT_HEADER || memcmp(header, "EFI PART", 8) != 0)
        return false;
    uint64_t at = number_at(header + 72, 8);
    uint64_t count = number_at(header + 80, 4), size = number_at(header + 84, 4);
    if (size < GPT_ENTRY || size % 8 || at < 2 || at > table->length / sector)
        return false;
    memset(table->space, 0, sizeof(table->space)); /* a hybrid MBR repeats some of it */
    for (at *= sector; count && at + size <= table->length; at += size, count--)
        add_entry(table, table->data + at, sector);
    return true;
}

/* ---- both -------------------------------------------------------------------- */

bool grid_of_partitions(const void *data, size_t length, uint64_t disk_size, uint32_t *grid)
{
    struct table table = { .data = data, .length = length, .disk_size = disk_size };
    unsigned most = 0;

    if (!has_mbr(&table))
        return false;
    if (read_mbr(&table) && !read_gpt(&table, SECTOR))
        read_gpt(&table, BLOCK);
    for (unsigned i = 1; i < SECTORS; i++)
        if (table.space[i] > table.space[most])
            most = i;
    if (!table.space[most])
        return false;
    *grid = most * SECTOR;
    return true;
}

bool grid_vote(struct grid_votes *votes, uint64_t offset, uint64_t length, uint32_t *grid)
{
    if (votes->count >= GRID_VOTES || !length || length % BLOCK || offset % SECTOR)
        return false;
    votes->votes[offset / SECTOR % SECTORS]++;
    if (++votes->count < GRID_VOTES)
        return false;
    for (unsigned i = 0; i < SECTORS; i++) {
        if (votes->votes[i] < GRID_VOTES / 4 * 3)
            continue;
        *grid = i * SECTOR;
        return true;
    }
    return false;
}
