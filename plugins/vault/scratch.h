/* scratch.h - where do writes to a point go?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Into a file without a name, which is gone when it is closed, by whatever.  A bitmap says which
 * blocks of 4 KiB are there; a block of which a part is written is filled up from below first. */
#ifndef WEIR_VAULT_SCRATCH_H
#define WEIR_VAULT_SCRATCH_H

#include "medium.h"

struct scratch;
struct scratch_setup {
    struct medium *medium; /* the caller's */
    uint64_t size;         /* of the disk */
    /* What lies below it. */
    int (*read)(void *arg, void *data, size_t length, uint64_t offset);
    void *arg;
};
int scratch_open(const struct scratch_setup *, struct scratch **ret);
void scratch_close(struct scratch *); /* NULL is fine */
/* `data` NULL: zeroes.  -ENOSPC: nothing was written, and all before it is there still. */
int scratch_write(struct scratch *, const void *data, uint64_t length, uint64_t offset);
/* How far from `offset` on, at most `length`, all is there, or nothing is. */
uint64_t scratch_span(struct scratch *, uint64_t offset, uint64_t length, bool *there);
/* Of a span that is there. */
int scratch_read(struct scratch *, void *data, uint64_t length, uint64_t offset);

#endif
