/* mrc.h - what would the miss ratio be with a pool of another size?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * SHARDS (Waldspurger et al., FAST 2015), fixed size: blocks whose hashed name is below a threshold
 * are watched, at most MRC_SAMPLES of them; when there are more the threshold falls.  The reuse
 * distance of a watched block, divided by the rate, is the size of an LRU cache that would have
 * held it.  Distances are counted by a Fenwick tree over the last references.  The counts at the
 * smallest size are put right by what the rate should have watched (SHARDS-adj).  Pure; the caller
 * has a lock, and asks mrc_watches() before it takes it. */
#ifndef CACHE_MRC_H
#define CACHE_MRC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MRC_SAMPLES = 8192, MRC_POINTS = 64 };

struct mrc;
int mrc_create(struct mrc **ret); /* 0, -ENOMEM; about 1 MiB */
void mrc_destroy(struct mrc *);
/* A few ns, without the lock: is `key` one of the sample? */
bool mrc_watches(const struct mrc *, uint64_t key);
void mrc_note(struct mrc *, uint64_t key);

struct mrc_point {
    uint64_t blocks; /* size of the cache */
    double misses;   /* of all references: 0 to 1 */
};
/* Up to MRC_POINTS, ascending, spaced by powers of sqrt(2), up to where nothing changes; their
 * number. */
size_t mrc_curve(const struct mrc *, struct mrc_point point[MRC_POINTS]);
/* The references seen halve in weight, so that the curve follows what the guest does now. */
void mrc_fade(struct mrc *);
uint64_t mrc_references(const struct mrc *); /* of all, estimated */

#endif
