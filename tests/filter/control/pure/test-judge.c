/* test-judge.c - which gateways count, and after how many rounds no more?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SLOTS = 8 };
#define SECOND UINT64_C(1000000000)

static struct {
    uint8_t file[(SLOTS + 1) * BLOCK_SIZE];
    size_t size;
    struct judge judge;
    struct peer_list list;
} world;

static int start(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.size = sizeof world.file;
    return 0;
}

static void say(unsigned slot, uint8_t id, uint64_t seq, uint64_t period)
{
    struct gateway_block b = { .id = { id }, .slot = slot, .seq = seq };

    b.report = (struct gateway_report){ .shares = id, .window = 256, .period = period };
    block_put(world.file + slot * (size_t)BLOCK_SIZE, &b);
}

static unsigned look(void)
{
    static const uint8_t own[BLOCK_ID] = { 99 };

    judge_round(&world.judge, world.file, world.size, own, SECOND, &world.list);
    return world.list.count;
}

static void what_was_there_before_counts_when_it_moves(void **state)
{
    (void)state;
    say(1, 1, 5, SECOND);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(look(), 0);
        assert_int_equal(world.list.stale, 1);
    }
    say(1, 1, 6, SECOND);
    assert_int_equal(look(), 1);
    assert_int_equal(world.list.peer[0].block.report.shares, 1);
    assert_int_equal(world.list.stale, 0);
}

static void who_comes_counts_at_once(void **state)
{
    (void)state;
    world.size = 2 * BLOCK_SIZE;
    look();
    world.size = sizeof world.file; /* the file has grown */
    say(3, 1, 1, SECOND);
    assert_int_equal(look(), 1);
    say(3, 2, 1, SECOND); /* another in its place */
    assert_int_equal(look(), 1);
    assert_int_equal(world.list.peer[0].block.id[0], 2);
    assert_int_equal(world.list.peer[0].still, 0);
}

static void who_stands_still_is_dropped_in_the_third_round(void **state)
{
    (void)state;
    look();
    say(1, 1, 1, SECOND);
    assert_int_equal(look(), 1);
    assert_int_equal(look(), 1);
    assert_int_equal(look(), 1);
    assert_int_equal(look(), 0);
    assert_int_equal(world.list.stale, 1);
    say(1, 1, 2, SECOND);
    assert_int_equal(look(), 1);
}

static void who_leaves_is_dropped_at_once(void **state)
{
    (void)state;
    look();
    say(1, 1, 1, SECOND);
    assert_int_equal(look(), 1);
    memset(world.file + BLOCK_SIZE, 0, BLOCK_SIZE);
    assert_int_equal(look(), 0);
    assert_int_equal(world.list.stale, 0);
}

static void who_is_slower_by_its_own_word_is_waited_for(void **state)
{
    (void)state;
    look();
    say(1, 1, 1, 5 * SECOND / 2); /* two and a half of ours: counts as three */
    for (int i = 0; i < 9; i++)
        assert_int_equal(look(), 1);
    assert_int_equal(look(), 0);
}

static void own_block_is_no_peer(void **state)
{
    (void)state;
    look();
    say(1, 99, 1, SECOND);
    assert_int_equal(look(), 0);
    assert_int_equal(world.list.stale, 0);
}

/* A torn block says nothing; it neither keeps its gateway alive nor makes it another. */
static void garbage_is_counted_and_nothing_else(void **state)
{
    struct peer_list *clean = malloc(sizeof *clean);

    (void)state;
    look();
    say(1, 1, 1, SECOND);
    say(2, 2, 1, SECOND);
    look();
    assert_non_null(clean);
    memcpy(clean, &world.list, sizeof *clean);

    start(state);
    look();
    say(1, 1, 1, SECOND);
    say(2, 2, 1, SECOND);
    say(3, 3, 1, SECOND);
    world.file[3 * BLOCK_SIZE + 60] ^= 1;
    memset(world.file + 4 * BLOCK_SIZE, 0xff, BLOCK_SIZE);
    look();
    assert_int_equal(world.list.garbage, 2);
    assert_int_equal(world.list.count, 2);
    assert_memory_equal(world.list.peer, clean->peer, 2 * sizeof clean->peer[0]);
    free(clean);
}

static void a_gateway_outlives_one_torn_block(void **state)
{
    (void)state;
    look();
    say(1, 1, 1, SECOND);
    assert_int_equal(look(), 1);
    world.file[BLOCK_SIZE + 60] ^= 1;
    assert_int_equal(look(), 0); /* unbelievable for this round */
    world.file[BLOCK_SIZE + 60] ^= 1;
    assert_int_equal(look(), 1); /* the same seq: two rounds old now */
    assert_int_equal(world.list.peer[0].still, 2);
    assert_int_equal(look(), 0);
}

static void garbage_at_first_sight_proves_nothing_later(void **state)
{
    (void)state;
    memset(world.file + BLOCK_SIZE, 0xff, BLOCK_SIZE);
    assert_int_equal(look(), 0);
    say(1, 1, 1, SECOND); /* restored from a backup? */
    assert_int_equal(look(), 0);
    say(1, 1, 2, SECOND);
    assert_int_equal(look(), 1);
}

static void a_part_of_a_block_at_the_end_is_garbage(void **state)
{
    (void)state;
    look();
    say(1, 1, 1, SECOND);
    say(2, 2, 1, SECOND);
    world.size = 2 * BLOCK_SIZE + 1000;
    assert_int_equal(look(), 1);
    assert_int_equal(world.list.garbage, 1);
}

static void a_slot_is_abandoned_after_thirty_rounds(void **state)
{
    (void)state;
    look();
    say(1, 1, 1, SECOND);
    memset(world.file + 2 * BLOCK_SIZE, 0xff, BLOCK_SIZE);
    for (int i = 0; i < JUDGE_ABANDONED; i++) {
        look();
        assert_false(judge_abandoned(&world.judge, 1));
    }
    look();
    assert_true(judge_abandoned(&world.judge, 1));
    assert_true(judge_abandoned(&world.judge, 2));
    assert_false(judge_abandoned(&world.judge, 3));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup(f, start)
    const struct CMUnitTest tests[] = {
        CASE(what_was_there_before_counts_when_it_moves),
        CASE(who_comes_counts_at_once),
        CASE(who_stands_still_is_dropped_in_the_third_round),
        CASE(who_leaves_is_dropped_at_once),
        CASE(who_is_slower_by_its_own_word_is_waited_for),
        CASE(own_block_is_no_peer),
        CASE(garbage_is_counted_and_nothing_else),
        CASE(a_gateway_outlives_one_torn_block),
        CASE(garbage_at_first_sight_proves_nothing_later),
        CASE(a_part_of_a_block_at_the_end_is_garbage),
        CASE(a_slot_is_abandoned_after_thirty_rounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
