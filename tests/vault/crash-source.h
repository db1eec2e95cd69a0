/* crash-source.h - what would the disks of a source be at any LSN, and what does it send?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A model of a source: writes, zeroes and trims of two disks in one order; some it does not send,
 * and copies their granules later, in sets. It remembers all of its past. */
#ifndef TEST_VAULT_CRASH_SOURCE_H
#define TEST_VAULT_CRASH_SOURCE_H

#include "source.h"

#include "group.h"

enum { MODEL_DISKS = 2, MODEL_SIZE = 5 * MAP_GRANULE + 4096, MODEL_GRANULES = 6, MODEL_OPS = 4096 };

struct model_op {
    uint64_t lsn;
    unsigned disk;
    uint32_t offset, length;
    bool copy, zero; /* a copy changes nothing */
};

struct model {
    uint64_t chance;
    struct source source;
    struct lineage lineage;
    struct model_op op[MODEL_OPS];
    unsigned ops;
    uint8_t *disk[MODEL_DISKS]; /* now */
    bool dirty[MODEL_DISKS][MODEL_GRANULES];
    bool anew;           /* the target has nothing: disks are declared, all is sent */
    unsigned mark;       /* of the last one: "mN" */
    uint64_t marked[64]; /* LSN of mark N */
    /* state() is made from here on */
    uint8_t *then[MODEL_DISKS];
    unsigned then_ops;
    uint64_t then_lsn;
};

void model_create(struct model *, uint64_t seed);
void model_copy(struct model *, const struct model *from); /* instead of create() */
void model_destroy(struct model *);
uint32_t model_chance(struct model *, uint32_t below);
/* The disk as it was at an LSN; valid until the next call. */
const uint8_t *model_state(struct model *, unsigned disk, uint64_t lsn);
/* Writes that it does not send. */
void model_run_ahead(struct model *);
/* One frame: of what guests write, of granules that are dirty, of marks. */
struct sent model_frame(struct model *);
bool model_is_dirty(const struct model *);
/* It has the token, and knows where the target is: all behind that is to be sent again, and what
 * the target needs. */
void model_resume(struct model *, struct group *);

#endif
