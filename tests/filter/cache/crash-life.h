/* crash-life.h - what do guests and host do to two disks of one pool, at random?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_CACHE_CRASH_LIFE_H
#define TESTS_CACHE_CRASH_LIFE_H

#include "core.h"
#include "crash-model.h"

/* Sizes that no block divides; a guest whose first partition begins at sector 63. */
extern const uint64_t life_sizes[WORLD_DISKS], life_grids[WORLD_DISKS];

/* CRASH_TRACE=1: what happens in the run, and when. */
extern bool life_tracing;
/* Nothing but write-back with order = ordered, so that the store alone is an older state. */
extern bool life_ordered;

struct life {
    struct world *world;
    struct model *model;
    uint64_t chance;
    char why[512];
    int depth; /* crashes so far */
};

uint32_t life_chance(struct life *, uint32_t n); /* less than n */
/* False; why[] says it. */
bool life_fails(struct life *, const char *what, int error);

/* The next answer false where something is not as it should be, and why[] says what. */

bool life_attach(struct life *); /* all disks that are not attached */
bool life_go(struct life *, uint32_t steps);
/* What a guest sees of a disk, in requests of some length; or what the store alone has. */
bool life_look(struct life *, unsigned disk, bool store, uint32_t *version);
bool life_is_now(struct life *, unsigned disk);

#endif
