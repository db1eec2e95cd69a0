/* grid.c - can what stands in a partition table break what looks where a guest's blocks begin?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An input is eight bytes of size and the beginning of a disk. */
#include "grid.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t disk_size;
    uint32_t grid = UINT32_MAX;

    if (size < sizeof(disk_size))
        return 0;
    memcpy(&disk_size, data, sizeof(disk_size));
    size -= sizeof(disk_size);
    /* exactly as long, so that a sanitizer sees a read past its end */
    uint8_t *disk = malloc(size ? size : 1);
    if (!disk)
        return 0;
    memcpy(disk, data + sizeof(disk_size), size);
    bool found = grid_of_partitions(disk, size, le64toh(disk_size), &grid);
    if (found ? grid >= 4096 || grid % 512 || disk_size == 0 : grid != UINT32_MAX)
        abort();
    free(disk);
    return 0;
}
