/* model.h - what would the disks of a group hold at every LSN, where a test has chosen the writes?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes are of whole blocks, and what a block holds follows from its place and from the LSN of the
 * write: so a block says who wrote it, and one of another place, disk or moment is never taken for
 * it. */
#ifndef TEST_VAULT_MODEL_H
#define TEST_VAULT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_BLOCK = 4096 };

struct model_op {
    uint64_t lsn;
    unsigned disk, first, count; /* blocks */
    bool zero;
};
struct model { /* zeroed: nothing was written */
    struct model_op *op;
    size_t ops, room;
};
void model_add(struct model *, const struct model_op *); /* LSNs ascend */
void model_finish(struct model *);
/* Who wrote each of the first `count` blocks of a disk last, at an LSN; 0: it is zeroes. */
void model_writers(const struct model *, unsigned disk, uint64_t lsn, uint64_t *writer,
                   unsigned count);
/* What such a block holds. */
void model_fill(void *bytes, unsigned disk, unsigned block, uint64_t writer);
bool model_is(const void *bytes, unsigned disk, unsigned block, uint64_t writer);

uint64_t model_chance(uint64_t *seed, uint64_t n); /* a random number below n */

#endif
