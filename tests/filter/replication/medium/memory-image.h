/* memory-image.h - how does a test have many versions of the same files at once?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The bytes of one file.  Images share what is the same in them, so that one more costs little,
 * however large the file is; who changes one gets a copy of what it changes. */
#ifndef TESTS_MEMORY_IMAGE_H
#define TESTS_MEMORY_IMAGE_H

#include <stddef.h>
#include <stdint.h>

struct image;

struct image *image_create(void);
struct image *image_share(struct image *);
void image_release(struct image *); /* NULL is fine */

uint64_t image_size(const struct image *);
uint64_t image_pages(const struct image *); /* of 4 KiB, that are not holes */
void image_read(const struct image *, void *data, size_t length, uint64_t offset);
void image_data(const struct image *, uint64_t offset, uint64_t *start, uint64_t *length);

/* *image is another afterwards where somebody else has it, too. */
void image_write(struct image **, const void *data, size_t length, uint64_t offset);
void image_zero(struct image **, uint64_t length, uint64_t offset); /* never longer */
void image_truncate(struct image **, uint64_t size);

void *memory_must(void *allocated); /* a test has no use for a way out */

#endif
