/* policy-rig.h - a small policy for the tests of its rules, and what they do to it.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_CACHE_POLICY_RIG_H
#define TEST_CACHE_POLICY_RIG_H

#include "policy.h"
#include "random.h"

enum { LOG = 8, SLOTS = 32 };

static struct policy *p;
static unsigned changed[SLOTS];
static uint32_t before;

static inline void note_change(void *arg, uint32_t slot)
{
    assert_ptr_equal(arg, changed);
    changed[slot]++;
}

static inline int setup_ghost(double ghost)
{
    const struct policy_shape shape = {
        .log_pages = LOG,
        .slots = SLOTS,
        .ghost = ghost,
        .slot_changed = note_change,
        .arg = changed,
    };

    for (int slot = 0; slot < SLOTS; slot++)
        changed[slot] = 0;
    return policy_create(&shape, &p);
}

static inline int setup(void **state)
{
    (void)state;
    return setup_ghost(0.9);
}

static inline int teardown(void **state)
{
    (void)state;
    policy_destroy(p);
    return 0;
}

static inline void put(uint32_t place, uint64_t key, unsigned state)
{
    policy_put(p, place, key, (uint32_t)key + 1, state, &before);
}

static inline void put_hit(uint32_t place, uint64_t key, int hits)
{
    put(place, key, 0);
    while (hits--)
        policy_touch(p, place);
}

/* Slots of the main queue, as after a start; keys from 1000 on. */
static inline void fill_slots(void)
{
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        put(LOG + slot, 1000 + slot, 0);
}

static inline struct policy_counts counts(void)
{
    struct policy_counts c;

    policy_counts(p, &c);
    return c;
}

/* Fills as a caller does; the log's tail is at the page that is taken next. */
static inline uint32_t fill(uint64_t key)
{
    static uint32_t head;
    uint32_t place = policy_admit(p, key), slot;

    if (place == NOWHERE) {
        place = head++ % LOG;
        if (policy_tail(p, place, &slot) == FATE_MOVE)
            assert_true(policy_move(p, place, slot));
    }
    put(place, key, 0);
    return place;
}

#define RULE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
