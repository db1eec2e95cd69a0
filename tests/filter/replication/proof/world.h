/* world.h - which histories can a server make, and which bytes may it leave?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A made-up server does made-up operations, many at once; what it did and when is known here, and
 * only what its clients saw goes into the history. */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "cut.h"

uint64_t world_random(uint64_t below); /* the one sequence of a test; world_seed() begins it */
void world_seed(uint64_t seed);

struct world_form {
    unsigned ops, disks, blocks /* of each disk */, depth, longest /* blocks of an operation */;
    double clear, flush, fua, refused, unknown; /* chances; unknown: it never has an answer */
    double initial;                             /* that a block was not zeroes in the beginning */
    unsigned items; /* at most so many parts of torn operations and whole ones; 0: any */
};

/* What the server did at one moment: blocks of one operation, all but for torn ones. */
struct step {
    uint32_t op; /* index */
    uint64_t first, count;
};

struct world {
    struct history history;
    struct world_form form;
    uint64_t by;   /* until when what was acknowledged is demanded (cut.h) */
    bool *initial; /* for each block of all disks */
    struct step *step;
    size_t steps;
};

void world_make(struct world *, const struct world_form *);
void world_free(struct world *);
uint64_t world_blocks(const struct world *);
/* What the first `count` steps leave, without those of operation `without` (index; UINT32_MAX:
 * with all): for each block of all disks what cut.h calls seen. */
void world_image(const struct world *, size_t count, uint32_t without, uint32_t *seen);
/* Does what the step does. */
void world_step(const struct world *, const struct step *, uint32_t *seen);
/* Asks cut_judge(). */
bool world_judge(const struct world *, const uint32_t *seen, enum demand, struct cut *);

/* ---- world-oracle.c: all that is legal, by trying everything; for small worlds ----------------
 */

/* Images are one number: 4 bits for each block. */
struct oracle;
struct oracle *oracle_make(const struct world *);
void oracle_free(struct oracle *);
/* `lost` (of DEMAND_NONE; may be NULL): the fewest acknowledged operations that a legal cut with
 * these bytes is without. */
bool oracle_allows(const struct oracle *, const uint32_t *seen, enum demand, unsigned *lost);

#endif
