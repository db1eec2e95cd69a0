/* image.h - which operation wrote each block of this disk?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_IMAGE_H
#define TESTS_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/* A file, a block device or an NBD URI. */
struct image {
    int fd;
    struct nbd_handle *nbd;
    uint64_t size;
};
/* 0 or -1 with a sentence. */
int image_open(const char *name, struct image *ret, char why[512]);
int image_read(struct image *, void *data, size_t length, uint64_t offset, char why[512]);
void image_close(struct image *);

/* Fills `seen` (cut.h) for `size` bytes of the disk with that number.  `initial` may be NULL: all
 * was zeroes.  What is SEEN_WRONG first is in `wrong`, in words. */
int image_scan(struct image *, struct image *initial, uint64_t run, uint32_t disk, uint64_t size,
               uint32_t *seen, char wrong[512], char why[512]);

#endif
