/* ledger-load.h - what does the ledger ask for next?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_LEDGER_LOAD_H
#define TESTS_LEDGER_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "history.h"

enum load_pattern {
    LOAD_RANDOM,  /* every place alike */
    LOAD_ZIPF,    /* few places often: the chance of a place falls with its rank */
    LOAD_OVERLAP, /* one of a few spots: most of what is in flight overlaps */
    LOAD_SEQUENTIAL,
};
/* -1: there is none of that name. */
int load_pattern_find(const char *name);

struct load {
    enum load_pattern pattern;
    uint64_t span;                 /* bytes of each disk that are used */
    uint64_t smallest, largest;    /* bytes of a request, multiples of LEDGER_BLOCK */
    double flush, trim, zero, fua; /* chances */
    uint64_t state;                /* of the random numbers; not 0 */
    uint64_t next[HISTORY_DISKS];  /* SEQUENTIAL: block */
};

/* The first `kinds` of the disk: which of "ztf" and "u" (FUA) its server can do. */
void load_next(struct load *, uint32_t disk, const char *kinds, struct operation *ret);
uint64_t load_random(struct load *, uint64_t below);

#endif
