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
/* There were so many references since the last call, watched or not: without it nobody knows what
 * the rate should have watched, and nothing is put right.  Before mrc_curve() and mrc_fade(). */
void mrc_total(struct mrc *, uint64_t references);

struct mrc_point {
    uint64_t blocks; /* size of the cache */
    double misses;   /* of all references: 0 to 1 */
};
/* Up to MRC_POINTS, ascending, spaced by powers of sqrt(2), up to where nothing changes; their
 * number. A size that holds less than some 64 of the watched blocks, 1/128 of all that are asked
 * for, is a guess; the others are within 0.01 on average. */
size_t mrc_curve(const struct mrc *, struct mrc_point point[MRC_POINTS]);
/* The references seen halve in weight, so that the curve follows what the guest does now. */
void mrc_fade(struct mrc *);
uint64_t mrc_references(const struct mrc *); /* of all; estimated if mrc_total() never said it */

#endif
