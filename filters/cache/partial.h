/* partial.h - which sectors of a block are where, when it is in pieces?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A write that does not cover its block is not completed from the store: that would be a read
 * before every such write.  It has a page of its own in the log, whose other sectors mean nothing.
 * So a block may be a few versions, the newest first, each with the sectors that count and that no
 * newer one has; together they may still not be all of it.  All are dirty: once they are clean they
 * are dropped, for a block that is asked for again is better read whole.
 *
 * Rare, so a small open hash that grows; the only memory that the pool's lock sees allocated. */
#ifndef CACHE_PARTIAL_H
#define CACHE_PARTIAL_H

#include "block.h"

#include <stddef.h>

struct pieces {
    uint64_t key;
    unsigned count; /* 0: an empty entry of the table */
    struct piece {
        uint32_t place;
        uint8_t mask;
    } piece[SECTORS]; /* the newest first */
};

struct partials {
    struct pieces *table; /* a power of two entries; NULL: none yet */
    size_t size, used;
};

void partials_finish(struct partials *);
/* Room for `more` blocks, so that partials_of(…, true) cannot fail.  0, -ENOMEM. */
int partials_reserve(struct partials *, size_t more);
/* NULL: the block is not in pieces; `make`: then an entry without pieces.  Valid until the next
 * reserve or remove. */
struct pieces *partials_of(struct partials *, uint64_t key, bool make);
void partials_remove(struct partials *, uint64_t key);

/* `place` has the sectors `mask` now: those that older ones lose.  Those that have none left are
 * taken out and given to `gone`, SECTORS at most; their number. */
unsigned pieces_add(struct pieces *, uint32_t place, uint8_t mask, uint32_t gone[SECTORS]);
/* One version is no more. */
void pieces_remove(struct pieces *, uint32_t place);

#endif
