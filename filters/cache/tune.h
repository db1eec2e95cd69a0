/* tune.h - would other queues miss less?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Miniature simulation (Waldspurger et al., ATC 2017): caches of a few thousand blocks, scaled down
 * as the sample is, run the real policy (policy.h) on a sample of the references, each with another
 * small queue.  The one that has missed least over a window, by more than chance, is what the
 * filter is told to do.  Pure; the caller has a lock. */
#ifndef CACHE_TUNE_H
#define CACHE_TUNE_H

#include <stdbool.h>
#include <stdint.h>

struct tune;
/* For a pool of `blocks`, of which `small` (a part of them) may be in the small queue now. */
int tune_create(uint64_t blocks, double small, struct tune **ret); /* 0, -ENOMEM */
void tune_destroy(struct tune *);
bool tune_watches(const struct tune *, uint64_t key); /* without the lock */
void tune_note(struct tune *, uint64_t key);
/* True: a window has ended, and *small is better than what it was. */
bool tune_verdict(struct tune *, double *small);

#endif
