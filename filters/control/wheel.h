/* wheel.h - which of many disks comes next in virtual time, for a few ns?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A calendar queue (Brown, CACM 31(10), 1988) with one turn: a slot is a span of virtual
 * time, a disk lies in the slot of its tag, and within a slot first come is first
 * served.  So two disks may pass each other by one slot and no more.  What lies beyond
 * the turn waits in its last slot and is looked at again there. */
#ifndef CONTROL_WHEEL_H
#define CONTROL_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WHEEL_SLOTS = 4096, WHEEL_WORDS = WHEEL_SLOTS / 64 };

struct wheel_node {
    struct wheel_node *next, *previous; /* in its slot, a ring; NULL: not in the wheel */
    uint64_t tag;
    uint32_t at; /* the index of its slot */
};

struct wheel {
    uint64_t first; /* number of the first slot: nothing lies before it */
    unsigned shift; /* a slot is 2^shift of virtual time */
    size_t count;
    uint64_t summary, used[WHEEL_WORDS]; /* which slots have somebody */
    struct wheel_node *slot[WHEEL_SLOTS];
};

/* Tags are compared by their difference, so virtual time may wrap. */
static inline bool tag_before(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

void wheel_init(struct wheel *, uint64_t now, unsigned shift);
/* A tag before the first slot counts as of that slot. */
void wheel_put(struct wheel *, struct wheel_node *, uint64_t tag);
void wheel_remove(struct wheel *, struct wheel_node *);
/* The next one, which stays where it is; NULL: nobody. */
struct wheel_node *wheel_first(struct wheel *);
/* Other spans, for another number of disks or other weights; O(n). */
void wheel_resize(struct wheel *, uint64_t now, unsigned shift);

#endif
