/* cut.h - do these bytes equal the disks at one moment of this history?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A legal cut is a set of operations, with an order of them, such that
 *   - if one is in it, all that were acknowledged before that one was sent are in it and come
 * first;
 *   - done in that order, whole each, they leave exactly these bytes.
 * Nothing is known of the order that the server chose, so all orders that clients cannot tell from
 * it are legal.  The answer is exact: cut.c says why. */
#ifndef TESTS_CUT_H
#define TESTS_CUT_H

#include "history.h"

/* What a block of an image holds: the id of the operation that wrote it, or one of these. */
enum {
    SEEN_ZERO = 0,             /* zeroes, which it also was in the beginning */
    SEEN_CLEARED = 0xfffffffd, /* zeroes, which it was not in the beginning */
    SEEN_INITIAL = 0xfffffffe, /* what it was in the beginning, not zeroes */
    SEEN_WRONG = 0xffffffff,   /* something else: no cut is legal */
};

enum demand { DEMAND_NONE, DEMAND_HARDENED, DEMAND_ACKED };

struct cut_question {
    const struct history *history;
    const uint32_t *seen[HISTORY_DISKS]; /* for each block of each disk */
    enum demand demand;                  /* which operations must be in it … */
    uint64_t by; /* … of those that are so at that moment; NEVER: in the end */
    bool torn;   /* whatever was never acknowledged may be there in part, block by block */
};

struct cut {
    bool legal;
    bool *in;       /* for each operation; of the legal cut that has the most */
    size_t count;   /* of them that are in */
    char why[1024]; /* why none is legal */
};

/* 0 or -ENOMEM.  `in` is to be freed. */
int cut_judge(const struct cut_question *, struct cut *);

#endif
