/* ghost.c - has this block been forgotten a short while ago?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ghost.h"
#include "places.h"

#include <errno.h>
#include <stdlib.h>

enum { WAYS = 32 };

int ghost_init(struct ghost *ghost, uint64_t names, uint64_t seed)
{
    *ghost = (struct ghost){ .sets = (uint32_t)((names + WAYS / 2) / WAYS), .seed = seed };
    if (!ghost->sets && names)
        ghost->sets = 1;
    if (!ghost->sets)
        return 0;
    ghost->set = table_alloc(ghost_memory(ghost));
    return ghost->set ? 0 : -ENOMEM;
}

void ghost_finish(struct ghost *ghost)
{
    free(ghost->set);
}

size_t ghost_memory(const struct ghost *ghost)
{
    return (size_t)ghost->sets * WAYS * sizeof *ghost->set;
}

/* Its set, and what it is called there; 0 is nobody. */
static uint16_t *set_of(const struct ghost *ghost, uint64_t key, uint16_t *mark)
{
    uint64_t hash = key_hash(key, ghost->seed);

    *mark = (uint16_t)hash ? (uint16_t)hash : 1;
    return ghost->set + (size_t)hash_below((uint32_t)(hash >> 32), ghost->sets) * WAYS;
}

void ghost_put(struct ghost *ghost, uint64_t key)
{
    uint16_t mark;

    if (!ghost->sets)
        return;
    uint16_t *set = set_of(ghost, key, &mark);
    memmove(set + 1, set, (WAYS - 1) * sizeof *set);
    set[0] = mark;
}

bool ghost_take(struct ghost *ghost, uint64_t key)
{
    uint16_t mark;

    if (!ghost->sets)
        return false;
    uint16_t *set = set_of(ghost, key, &mark);
    for (int way = 0; way < WAYS; way++)
        if (set[way] == mark) {
            memmove(set + way, set + way + 1, (size_t)(WAYS - 1 - way) * sizeof *set);
            set[WAYS - 1] = 0;
            return true;
        }
    return false;
}
