/* store-file-device.c - what does a block device say of itself?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "store-file.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "scope.h"

int device_size(int fd, uint64_t *size)
{
    return ioctl(fd, BLKGETSIZE64, size) < 0 ? -errno : 0;
}

int device_discard(int fd, uint64_t offset, uint64_t length)
{
    uint64_t range[2] = { offset, length };

    return ioctl(fd, BLKDISCARD, range) < 0 ? -errno : 0;
}

void device_blocks(int fd, uint32_t *logical, uint32_t *preferred)
{
    int sector = 0;
    unsigned int physical = 0, optimal = 0;

    *logical = ioctl(fd, BLKSSZGET, &sector) == 0 && sector > 0 ? (uint32_t)sector : 512;
    *preferred = ioctl(fd, BLKPBSZGET, &physical) == 0 ? physical : 0;
    if (ioctl(fd, BLKIOOPT, &optimal) == 0 && optimal > *preferred)
        *preferred = optimal;
}

bool device_rotational(unsigned major, unsigned minor)
{
    /* a partition has its queue in the folder above */
    static const char *const places[] = { "queue", "../queue" };

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char path[80];
        snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%s/rotational", major, minor, places[i]);
        FILE *file = fopen(path, "re");
        if (!file)
            continue;
        int word = fgetc(file);
        fclose(file);
        return word == '1';
    }
    return false;
}
