/* image.c - which operation wrote each block of this disk?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libnbd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cut.h"
#include "ledger-block.h"
#include "scope.h"

enum { CHUNK = 1 << 20 };

static int open_nbd(const char *uri, struct image *image, char why[512])
{
    image->nbd = nbd_create();
    if (image->nbd && nbd_set_uri_allow_local_file(image->nbd, true) == 0 &&
        nbd_connect_uri(image->nbd, uri) == 0) {
        int64_t size = nbd_get_size(image->nbd);
        image->size = size < 0 ? 0 : (uint64_t)size;
        if (size >= 0)
            return 0;
    }
    snprintf(why, 512, "%s: %s", uri, nbd_get_error());
    image_close(image);
    return -1;
}

int image_open(const char *name, struct image *image, char why[512])
{
    *image = (struct image){ .fd = -1 };
    if (strstr(name, "://"))
        return open_nbd(name, image, why);
    image->fd = open(name, O_RDONLY | O_CLOEXEC);
    off_t size = image->fd < 0 ? -1 : lseek(image->fd, 0, SEEK_END);
    if (size < 0) {
        snprintf(why, 512, "%s: %s", name, strerror(errno));
        image_close(image);
        return -1;
    }
    image->size = (uint64_t)size;
    return 0;
}

void image_close(struct image *image)
{
    if (image->fd >= 0)
        close(image->fd);
    nbd_close(image->nbd);
    *image = (struct image){ .fd = -1 };
}

int image_read(struct image *image, void *data, size_t length, uint64_t offset, char why[512])
{
    if (image->nbd) {
        if (nbd_pread(image->nbd, data, length, offset, 0) == 0)
            return 0;
        snprintf(why, 512, "reading at %" PRIu64 ": %s", offset, nbd_get_error());
        return -1;
    }
    for (size_t done = 0; done < length;) {
        ssize_t n = pread(image->fd, (char *)data + done, length - done, (off_t)(offset + done));
        if (n <= 0) {
            snprintf(why, 512, "reading at %" PRIu64 ": %s", offset + done,
                     n ? strerror(errno) : "the file ends");
            return -1;
        }
        done += (size_t)n;
    }
    return 0;
}

/* What a block is; `initial`: what it was in the beginning, NULL: zeroes. */
static uint32_t judge(const void *block, const void *initial, const struct ledger_name *place,
                      char wrong[512])
{
    struct ledger_name name;
    bool torn;

    if (ledger_block_is_zero(block))
        return initial && !ledger_block_is_zero(initial) ? SEEN_CLEARED : SEEN_ZERO;
    bool read = ledger_block_read(block, &name, &torn);
    if (read && name.run == place->run && name.disk == place->disk && name.block == place->block)
        return name.id;
    if (initial && memcmp(block, initial, LEDGER_BLOCK) == 0)
        return SEEN_INITIAL;
    if (read)
        snprintf(wrong, 512,
                 "block %" PRIu64 " of disk %" PRIu32 " holds operation %" PRIu32
                 " of block %" PRIu64 " of disk %" PRIu32 "%s",
                 place->block, place->disk, name.id, name.block, name.disk,
                 name.run == place->run ? "" : " of another ledger");
    else
        snprintf(wrong, 512, "block %" PRIu64 " of disk %" PRIu32 " %s", place->block, place->disk,
                 torn ? "is torn: it begins as a write, and does not go on so"
                      : "holds what nobody wrote");
    return SEEN_WRONG;
}

int image_scan(struct image *image, struct image *initial, uint64_t run, uint32_t disk,
               uint64_t size, uint32_t *seen, char wrong[512], char why[512])
{
    cleanup_free uint8_t *data = malloc(CHUNK), *before = malloc(CHUNK);
    char other[512];

    wrong[0] = 0;
    if (!data || !before) {
        snprintf(why, 512, "no memory");
        return -1;
    }
    for (uint64_t at = 0; at < size; at += CHUNK) {
        size_t length = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        if (image_read(image, data, length, at, why) < 0 ||
            (initial && image_read(initial, before, length, at, why) < 0))
            return -1;
        for (size_t i = 0; i < length; i += LEDGER_BLOCK) {
            uint64_t block = (at + i) / LEDGER_BLOCK;
            seen[block] = judge(data + i, initial ? before + i : NULL,
                                &(struct ledger_name){ .run = run, .disk = disk, .block = block },
                                wrong[0] ? other : wrong);
        }
    }
    return 0;
}
