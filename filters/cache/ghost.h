/* ghost.h - has this block been forgotten a short while ago?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Two bytes of the hash for each name, in sets of 32: a line of the CPU's cache.  A set is a queue,
 * newest first.  One name in 2000 that was never here is taken for one that was; then a block
 * enters the main queue without having deserved it. */
#ifndef CACHE_GHOST_H
#define CACHE_GHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ghost {
    uint16_t *set;
    uint32_t sets;
    uint64_t seed;
};

int ghost_init(struct ghost *, uint64_t names,
               uint64_t seed); /* -ENOMEM; 0 names: it forgets all */
void ghost_finish(struct ghost *);
size_t ghost_memory(const struct ghost *);

void ghost_put(struct ghost *, uint64_t key);
bool ghost_take(struct ghost *, uint64_t key); /* it was there, and no longer is */

#endif
