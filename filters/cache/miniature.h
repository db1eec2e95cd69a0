/* miniature.h - how would the policy do in a pool of so many blocks?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The policy, and a log that is a ring of places, without the pages that say what is in it.  What
 * is dirty is destaged when the log's tail comes to it.  Pure. */
#ifndef CACHE_MINIATURE_H
#define CACHE_MINIATURE_H

#include "policy.h"

struct miniature {
    struct policy *policy;
    uint32_t pages, free; /* of the log; those that are kept free */
    uint64_t head, tail;  /* positions */
    uint64_t fills;       /* blocks that came new into the pool */
    uint64_t moves;       /* that were copied from the log to a slot */
    uint64_t rewrites;    /* writes of blocks that the pool had */
};

/* What a guest asks for. */
enum reference {
    REFERENCE_READ,
    REFERENCE_WRITE,  /* the block is replaced where it is; a miss is filled like a read's */
    REFERENCE_DIRTY,  /* it is written to the log */
    REFERENCE_AROUND, /* it is void */
};

/* `log`: the part of `blocks` that is log, of one page at least.  0, -ENOMEM, -EINVAL. */
int miniature_init(struct miniature *, uint32_t blocks, double log, double ghost, uint64_t seed);
void miniature_finish(struct miniature *);
/* True: the pool had the block. */
bool miniature_refer(struct miniature *, uint64_t key, enum reference);

#endif
