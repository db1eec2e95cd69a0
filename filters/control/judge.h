/* judge.h - which gateways of a datastore are alive?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Pure: it sees the bytes of the file, round after round, and reads no clock.  A block
 * counts when it is whole and makes sense (block.h) and its seq has moved within the last
 * three rounds of *this* gateway: a clock that jumps or a host that stood still makes
 * nobody dead or alive.  Where the other's rounds are slower by its own word, three of its
 * own.  What this gateway has never seen move, it does not believe yet.  All else is
 * counted and changes nothing. */
#ifndef CONTROL_JUDGE_H
#define CONTROL_JUDGE_H

#include "block.h"

enum {
    JUDGE_STALE = 3,      /* rounds without a move, and a gateway counts no more */
    JUDGE_ABANDONED = 30, /* rounds, and its slot may be given to another */
};

struct peer {
    struct gateway_block block;
    unsigned still; /* rounds since its seq moved */
};

struct peer_list {
    unsigned count;   /* gateways that count, without this one */
    unsigned stale;   /* whole blocks that have not moved */
    unsigned garbage; /* blocks that are torn, misplaced or nonsense */
    struct peer peer[BLOCK_SLOTS];
};

struct judge_slot {
    uint8_t id[BLOCK_ID]; /* of the last whole block here; zero: it was free */
    uint64_t seq;
    uint32_t still;   /* rounds for which it did not move, or was garbage */
    uint32_t slower;  /* its period is this many of ours, rounded up */
    bool seen, moved; /* once known what stood here; and something new came after that */
};

struct judge {
    struct judge_slot slot[BLOCK_SLOTS + 1]; /* zero at first; 0 is the header's place */
};

/* One round: `size` bytes of the file, from its start.  `own` is the id of this gateway,
 * `period` its period. */
void judge_round(struct judge *, const void *file, size_t size, const uint8_t own[BLOCK_ID],
                 uint64_t period, struct peer_list *ret);

/* After that round: has nobody used the slot for long? */
bool judge_abandoned(const struct judge *, unsigned slot);

#endif
