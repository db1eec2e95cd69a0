/* miniature.c - how would the policy do in a pool of so many blocks?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "miniature.h"

int miniature_init(struct miniature *m, uint32_t blocks, double log, double ghost, uint64_t seed)
{
    struct policy_shape shape = { .ghost = ghost, .seed = seed };

    *m = (struct miniature){ .pages = (uint32_t)(log * blocks + 0.5) };
    if (!m->pages)
        m->pages = 1;
    shape.log_pages = m->pages;
    shape.slots = blocks - m->pages;
    return policy_create(&shape, &m->policy);
}

void miniature_finish(struct miniature *m)
{
    policy_destroy(m->policy);
}

static void leave(struct miniature *m)
{
    uint32_t place = (uint32_t)(m->tail++ % m->pages), slot;
    enum policy_fate fate = policy_tail(m->policy, place, &slot);

    if (fate == FATE_DIRTY) {
        policy_set_state(m->policy, place, 0, PLACE_DIRTY);
        fate = policy_tail(m->policy, place, &slot);
    }
    if (fate == FATE_MOVE)
        m->moves += policy_move(m->policy, place, slot);
}

static uint32_t append(struct miniature *m)
{
    while (m->head - m->tail >= m->pages - m->free)
        leave(m);
    return (uint32_t)(m->head++ % m->pages);
}

static void come(struct miniature *m, uint64_t key, enum reference reference)
{
    uint32_t place, before;

    m->fills++;
    if (reference == REFERENCE_DIRTY) {
        bool known = policy_recall(m->policy, key);
        policy_put(m->policy, append(m), key, 0, PLACE_DIRTY, &before);
        place = policy_find(m->policy, key);
        for (int hits = 0; known && hits < 2; hits++)
            policy_touch(m->policy, place);
        return;
    }
    place = policy_admit(m->policy, key);
    policy_put(m->policy, place == NOWHERE ? append(m) : place, key, 0, 0, &before);
}

static void again(struct miniature *m, uint64_t key, uint32_t place, enum reference reference)
{
    uint32_t before;

    if (reference == REFERENCE_AROUND) {
        policy_drop(m->policy, place);
        return;
    }
    policy_touch(m->policy, place);
    m->rewrites += reference != REFERENCE_READ;
    if (reference == REFERENCE_DIRTY)
        policy_put(m->policy, append(m), key, 0, PLACE_DIRTY, &before);
}

bool miniature_refer(struct miniature *m, uint64_t key, enum reference reference)
{
    uint32_t place = policy_find(m->policy, key);

    if (place != NOWHERE)
        again(m, key, place, reference);
    else if (reference != REFERENCE_AROUND)
        come(m, key, reference);
    return place != NOWHERE;
}
