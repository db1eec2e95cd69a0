/* tune.h - how long should the small queue be?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Miniature simulation (Waldspurger et al., USENIX ATC 2017): five pools of TUNE_BLOCKS blocks at
 * most run the policy (miniature.h) on the references to blocks whose hashed name is below a fixed
 * threshold, as many of all as their size is of the pool's.  Each has another policy_tune().
 *
 * The watched blocks are of 32 groups, by their hash.  A window is as many watched references as
 * half of a miniature's blocks.  At its end the misses of all windows, in which each counts 0.9 of
 * the next, are compared group by group.  Another length becomes the verdict when it has been
 * better than the verdict in eight windows more than it was worse, saves 1 % of its misses at
 * least, of the last windows, too, and the groups agree: Student's t of their differences is 4 or
 * more, so that another sample of blocks would hardly say the opposite.  The way back to the
 * default is easier: nothing need be saved, and a t of 1 is enough; and where it would save 1 % of
 * the misses of the last windows, that is enough.  Pure; the caller has a lock. */
#ifndef CACHE_TUNE_H
#define CACHE_TUNE_H

#include "miniature.h"

enum { TUNE_BLOCKS = 4096 };

struct tune;
/* `blocks` of the pool, of which `log`, a part, is log.  0, -EINVAL, -ENOMEM. */
int tune_create(uint32_t blocks, double log, uint64_t seed, struct tune **ret);
void tune_destroy(struct tune *);
size_t tune_memory(const struct tune *); /* bytes: 420 KB at most */
/* A few ns, without the lock: is `key` one of the sample? */
bool tune_watches(const struct tune *, uint64_t key);
/* REFERENCE_AROUND is none, but the miniatures forget the block. */
void tune_note(struct tune *, uint64_t key, enum reference);
/* For policy_tune(): POLICY_LOG until something else has proved better. */
double tune_verdict(const struct tune *);

#endif
