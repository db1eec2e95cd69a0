/* test-policy-model.c - does the policy do what a slow, plain one does?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "ghost.h"
#include "policy.h"
#include "random.h"

#include <string.h>

/* ---- S3-FIFO as its authors write it --------------------------------------------------- */

/* Two arrays, the oldest first, and the ghost, which has a test of its own. */
struct plain {
    uint32_t small_most, main_most;
    uint32_t small, main; /* how many there are */
    struct plain_block {
        uint64_t key;
        unsigned hits;
    } * in_small, *in_main;
    struct ghost ghost;
};

static struct plain_block *plain_find(struct plain *plain, uint64_t key)
{
    for (uint32_t i = 0; i < plain->small; i++)
        if (plain->in_small[i].key == key)
            return &plain->in_small[i];
    for (uint32_t i = 0; i < plain->main; i++)
        if (plain->in_main[i].key == key)
            return &plain->in_main[i];
    return NULL;
}

static struct plain_block take_first(struct plain_block *queue, uint32_t *count)
{
    struct plain_block first = queue[0];

    memmove(queue, queue + 1, --*count * sizeof *queue);
    return first;
}

static void plain_to_main(struct plain *plain, uint64_t key, unsigned hits)
{
    while (plain->main == plain->main_most) {
        struct plain_block oldest = take_first(plain->in_main, &plain->main);
        if (!oldest.hits--)
            break;
        plain->in_main[plain->main++] = oldest;
    }
    plain->in_main[plain->main++] = (struct plain_block){ key, hits };
}

static bool plain_reference(struct plain *plain, uint64_t key)
{
    struct plain_block *block = plain_find(plain, key);

    if (block) {
        block->hits += block->hits < 3;
        return true;
    }
    if (ghost_take(&plain->ghost, key)) {
        plain_to_main(plain, key, 0);
        return false;
    }
    if (plain->small == plain->small_most) {
        struct plain_block oldest = take_first(plain->in_small, &plain->small);
        if (oldest.hits >= 2)
            plain_to_main(plain, oldest.key, 1);
        else
            ghost_put(&plain->ghost, oldest.key);
    }
    plain->in_small[plain->small++] = (struct plain_block){ key, 0 };
    return false;
}

/* ---- the policy, by a caller that only reads --------------------------------------------- */

static bool reference(struct policy *policy, uint32_t pages, uint64_t *head, uint64_t key)
{
    uint32_t place = policy_find(policy, key), slot, before;

    if (place != NOWHERE) {
        policy_touch(policy, place);
        return true;
    }
    place = policy_admit(policy, key);
    if (place == NOWHERE) {
        place = (uint32_t)((*head)++ % pages);
        if (policy_tail(policy, place, &slot) == FATE_MOVE)
            assert_true(policy_move(policy, place, slot));
    }
    policy_put(policy, place, key, 0, 0, &before);
    return false;
}

/* Few are asked for often, and runs that come back. */
static uint64_t next_key(uint32_t blocks)
{
    static uint64_t run, left;

    if (left) {
        left--;
        return run++ % blocks;
    }
    if (!random_below(50)) {
        run = random_below(blocks);
        left = random_below(blocks / 4);
    }
    uint64_t part = random_below(1000);
    return part * part * part / 1000 * blocks / 1000000 % blocks;
}

/* The slots are all taken at the beginning, as after a start: there are no guests. */
static void compare(uint32_t pages, uint32_t slots, uint32_t blocks, uint64_t seed)
{
    const struct policy_shape shape = {
        .log_pages = pages, .slots = slots, .ghost = 0.9, .seed = seed
    };
    struct plain plain = { .small_most = pages, .main_most = slots };
    struct policy *policy;
    uint64_t head = 0;
    uint32_t before;

    assert_int_equal(policy_create(&shape, &policy), 0);
    assert_int_equal(ghost_init(&plain.ghost, (uint64_t)((pages + slots) * 0.9), ~seed), 0);
    plain.in_small = calloc(pages + 1, sizeof *plain.in_small);
    plain.in_main = calloc(slots + 1, sizeof *plain.in_main);
    assert_non_null(plain.in_small);
    assert_non_null(plain.in_main);
    for (uint32_t i = 0; i < slots; i++) {
        policy_put(policy, pages + i, 1000000 + i, 0, 0, &before);
        plain_to_main(&plain, 1000000 + i, 0);
    }
    for (int i = 0; i < 60000; i++) {
        uint64_t key = next_key(blocks);
        assert_int_equal(reference(policy, pages, &head, key), plain_reference(&plain, key));
    }
    for (uint32_t i = 0; i < plain.small; i++)
        assert_true(policy_find(policy, plain.in_small[i].key) < pages);
    for (uint32_t i = 0; i < plain.main; i++) {
        uint32_t place = policy_find(policy, plain.in_main[i].key);
        assert_true(place != NOWHERE && place >= pages);
        assert_int_equal(policy_hits(policy, place), plain.in_main[i].hits);
    }
    free(plain.in_small);
    free(plain.in_main);
    ghost_finish(&plain.ghost);
    policy_destroy(policy);
}

static void test_reads_hit_and_miss_as_in_a_plain_s3_fifo(void **state)
{
    uint64_t seed = random_begin();

    (void)state;
    compare(1, 1, 10, seed);
    compare(10, 90, 400, seed + 1);
    compare(37, 163, 600, seed + 2);
    compare(100, 100, 1000, seed + 3);
}

/* ---- everything at random, against a table of what is where ------------------------------- */

enum { PAGES = 64, SLOTS = 200, PLACES = PAGES + SLOTS, DISKS = 3, BLOCKS = 400, PROMISES = 8 };

static struct {
    struct policy *policy;
    uint64_t key[PLACES];
    unsigned state[PLACES];
    uint32_t crc[PLACES];
    bool told[SLOTS];
    uint64_t head, tail;
    struct promise {
        uint32_t slot, from; /* from NOWHERE: of policy_admit() */
        uint64_t key, position;
    } promise[PROMISES];
    unsigned promises;
} world;

static void slot_changed(void *arg, uint32_t slot)
{
    (void)arg;
    world.told[slot] = true;
}

static uint64_t any_key(void)
{
    return block_key(random_below(DISKS), random_below(random_below(3) ? BLOCKS / 8 : BLOCKS));
}

/* What the policy has given up by itself is given up here: only clean blocks of slots may go so. */
static void follow(uint32_t place)
{
    unsigned state = policy_state(world.policy, place);

    if (state == world.state[place])
        return;
    assert_int_equal(state, 0);
    assert_true(place >= PAGES);
    assert_int_equal(world.state[place], PLACE_CURRENT);
    world.state[place] = 0;
}

static void check_world(void)
{
    struct policy_counts counts;
    uint32_t in_log = 0, in_slots = 0, dirty = 0, of_disk[DISKS] = { 0 };

    for (uint32_t place = 0; place < PLACES; place++) {
        bool was = world.state[place];
        follow(place);
        if (was && !world.state[place])
            assert_true(world.told[place - PAGES]);
        unsigned state = world.state[place];
        if (!state)
            continue;
        *(place < PAGES ? &in_log : &in_slots) += 1;
        dirty += !!(state & PLACE_DIRTY);
        of_disk[key_disk(world.key[place])] += state & PLACE_CURRENT;
        assert_true(policy_key(world.policy, place) == world.key[place]);
        assert_int_equal(policy_crc(world.policy, place), world.crc[place]);
        if (state & PLACE_CURRENT)
            assert_int_equal(policy_find(world.policy, world.key[place]), place);
    }
    policy_counts(world.policy, &counts);
    assert_int_equal(counts.in_log, in_log);
    assert_int_equal(counts.in_slots, in_slots);
    assert_int_equal(counts.dirty, dirty);
    for (unsigned disk = 0; disk < DISKS; disk++)
        assert_int_equal(policy_disk_blocks(world.policy, disk), of_disk[disk]);
    for (unsigned i = 0; i < world.promises; i++)
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(world.promise[i].slot, world.promise[j].slot);
    memset(world.told, 0, sizeof world.told);
}

static void world_put(uint32_t place, uint64_t key, unsigned state)
{
    uint32_t before, expected = NOWHERE;

    for (uint32_t other = 0; other < PLACES; other++) {
        follow(other);
        if (world.state[other] & PLACE_CURRENT && world.key[other] == key)
            expected = other;
    }
    world.key[place] = key;
    world.crc[place] = (uint32_t)random_next();
    policy_put(world.policy, place, key, world.crc[place], state, &before);
    world.state[place] = state | PLACE_CURRENT;
    assert_int_equal(before, expected);
    assert_true(place < PAGES || world.told[place - PAGES]);
    if (before != NOWHERE)
        world.state[before] &= ~(unsigned)PLACE_CURRENT;
}

static void promise_add(uint32_t slot, uint32_t from, uint64_t key)
{
    world.promise[world.promises++] = (struct promise){ slot, from, key, world.tail };
}

static void world_leave(void)
{
    uint32_t place = (uint32_t)(world.tail % PAGES), slot;
    unsigned state = world.state[place];
    enum policy_fate fate = policy_tail(world.policy, place, &slot);

    if (state & PLACE_DIRTY) {
        assert_int_equal(fate, FATE_DIRTY);
        policy_set_state(world.policy, place, 0, PLACE_DIRTY | PLACE_PARTIAL);
        world.state[place] &= PLACE_CURRENT;
        if (state & PLACE_PARTIAL && state & PLACE_CURRENT) { /* it is not all of the block */
            policy_drop(world.policy, place);
            world.state[place] = 0;
        }
        return;
    }
    assert_int_equal(fate == FATE_EMPTY, !(state & PLACE_CURRENT));
    if (fate == FATE_MOVE)
        promise_add(slot, place, world.key[place]);
    else
        world.state[place] = 0;
    world.tail++;
}

/* The engine does not reuse a page that is being copied: the oldest copy holds the tail. */
static bool tail_is_held(void)
{
    for (unsigned i = 0; i < world.promises; i++)
        if (world.promise[i].from != NOWHERE)
            return true;
    return false;
}

static void world_append(uint64_t key, unsigned state)
{
    while (world.head - world.tail >= PAGES - PROMISES && world.promises < PROMISES)
        world_leave();
    if (world.head - world.tail < PAGES - PROMISES && !tail_is_held())
        world_put((uint32_t)(world.head++ % PAGES), key, state);
}

/* A copy, or a fill, has ended well or badly. */
static void world_settle(void)
{
    struct promise promise = world.promise[0];

    memmove(world.promise, world.promise + 1, --world.promises * sizeof promise);
    bool fails = !random_below(4);
    if (promise.from == NOWHERE && fails) {
        policy_drop(world.policy, promise.slot);
    } else if (promise.from == NOWHERE) {
        world_put(promise.slot, promise.key, 0);
    } else if (fails) {
        policy_drop(world.policy, promise.from);
        policy_drop(world.policy, promise.slot);
        world.state[promise.from] = 0;
    } else {
        bool stays = world.state[promise.from] & PLACE_CURRENT;
        assert_int_equal(policy_move(world.policy, promise.from, promise.slot), stays);
        if (stays) {
            world.key[promise.slot] = promise.key;
            world.crc[promise.slot] = world.crc[promise.from];
            world.state[promise.slot] = world.state[promise.from];
            assert_true(world.told[promise.slot - PAGES]);
        }
        world.state[promise.from] = 0;
    }
}

static void world_step(void)
{
    uint64_t key = any_key();
    uint32_t place = policy_find(world.policy, key), slot;

    switch (random_below(10)) {
    case 0: /* a write; of a part of the block, sometimes */
        world_append(key, PLACE_DIRTY | (random_below(8) ? 0 : PLACE_PARTIAL));
        break;
    case 1: /* it is dropped */
        if (place != NOWHERE && !random_below(10)) {
            policy_drop(world.policy, place);
            world.state[place] &= ~(unsigned)PLACE_CURRENT;
        }
        break;
    case 2:
        if (world.promises)
            world_settle();
        break;
    case 3:
        if (!random_below(200))
            policy_share(world.policy, random_below(DISKS), random_below(SLOTS / DISKS),
                         random_below(4) ? UINT32_MAX : SLOTS / DISKS + random_below(SLOTS));
        else if (!random_below(200))
            policy_tune(world.policy, random_below(4) ? 0.01 * (1 + random_below(50)) : POLICY_LOG);
        break;
    default: /* a read */
        if (place != NOWHERE) {
            policy_touch(world.policy, place);
        } else if (world.promises < PROMISES) {
            slot = policy_admit(world.policy, key);
            if (slot == NOWHERE)
                world_append(key, 0);
            else
                promise_add(slot, NOWHERE, key);
        }
    }
}

static void test_whatever_happens_every_block_is_where_it_was_put(void **state)
{
    const struct policy_shape shape = {
        .log_pages = PAGES,
        .slots = SLOTS,
        .ghost = 0.9,
        .slot_changed = slot_changed,
    };

    (void)state;
    random_begin();
    assert_int_equal(policy_create(&shape, &world.policy), 0);
    for (int i = 0; i < 200000; i++) {
        world_step();
        check_world();
    }
    policy_destroy(world.policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_hit_and_miss_as_in_a_plain_s3_fifo),
        cmocka_unit_test(test_whatever_happens_every_block_is_where_it_was_put),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
