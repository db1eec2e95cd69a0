/* test-map.c - does a map say what is dirty and what has changed, and which writes wait?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "map-rig.h"

/* ---- dirty and unsure --------------------------------------------------------------------------
 */

static void test_a_new_map_is_all_dirty(void **state)
{
    struct rig *r = *state;

    assert_int_equal(rig_open(r, 10 * MIB + 1), 0);
    assert_true(r->found.fresh);
    assert_false(r->found.unclean);
    assert_null(r->found.problem);
    assert_int_equal(r->found.dirty, 161);
    assert_int_equal(map_dirty(r->map), 161);
    assert_int_equal(map_unsure(r->map), 161);
    assert_int_equal(map_size(r->map), 10 * MIB + 1);
    assert_int_equal(map_intents(r->map), 0);
}

static void test_what_was_sent_is_unsure_until_it_arrived(void **state)
{
    struct rig *r = *state;
    uint64_t g;

    assert_int_equal(rig_open(r, 64 * MIB), 0);
    rig_clean(r);
    assert_int_equal(map_next_dirty(r->map, 0, &g), -ENOENT);
    map_mark(r->map, 5 * GRANULE + 1, GRANULE); /* of two */
    map_mark(r->map, 40 * MIB, 1);
    assert_int_equal(map_dirty(r->map), 3);
    assert_int_equal(map_next_dirty(r->map, 0, &g), 0);
    assert_int_equal(g, 5);
    map_taken(r->map, 5);
    map_taken(r->map, 5);
    assert_int_equal(map_dirty(r->map), 2);
    assert_int_equal(map_unsure(r->map), 3);
    assert_int_equal(map_next_dirty(r->map, 5, &g), 0);
    assert_int_equal(g, 6);
    assert_int_equal(map_next_dirty(r->map, 7, &g), 0);
    assert_int_equal(g, 640);
    assert_int_equal(map_next_dirty(r->map, 641, &g), -ENOENT);
    assert_int_equal(map_next_dirty(r->map, 1 << 30, &g), -ENOENT);
    map_sure(r->map); /* what is dirty stays unsure */
    assert_int_equal(map_unsure(r->map), 2);
    assert_true(map_any_dirty(r->map, 0, 64 * MIB));
    assert_true(map_any_dirty(r->map, 7 * GRANULE - 1, 1));
    assert_false(map_any_dirty(r->map, 5 * GRANULE, GRANULE));
    assert_false(map_any_dirty(r->map, 7 * GRANULE, 40 * MIB - 7 * GRANULE));
    assert_false(map_any_dirty(r->map, 40 * MIB, 0));
}

static void test_what_is_unsure_is_dirty_after_any_end(void **state)
{
    struct rig *r = *state;

    for (int in_order = 0; in_order < 2; in_order++) {
        assert_int_equal(rig_open(r, 64 * MIB), 0);
        rig_clean(r);
        map_mark(r->map, 0, 3 * GRANULE);
        map_taken(r->map, 1);
        assert_int_equal(map_sync(r->map), 0);
        rig_again(r, 64 * MIB, in_order);
        assert_int_equal(r->found.unclean, !in_order);
        assert_int_equal(r->found.dirty, 3);
        map_abandon(r->map);
    }
    r->map = NULL;
}

static void test_bitmaps_are_the_dirty_bits(void **state)
{
    struct rig *r = *state;
    uint8_t bits[40];

    assert_int_equal(rig_open(r, 10 * MIB), 0); /* 160 granules */
    rig_clean(r);
    map_mark(r->map, 3 * GRANULE, 1);
    map_mark(r->map, 64 * GRANULE, 9 * GRANULE);
    map_bitmap(r->map, bits, sizeof(bits), 0);
    assert_int_equal(bits[0], 1 << 3);
    assert_int_equal(bits[8], 0xff);
    assert_int_equal(bits[9], 1);
    map_bitmap(r->map, bits, 2, 8);
    assert_int_equal(bits[0], 0xff);
    assert_int_equal(bits[1], 1);
    memset(bits, 0xff, sizeof(bits)); /* more than there is */
    map_mark_bitmap(r->map, bits, sizeof(bits) - 19, 19);
    assert_int_equal(map_dirty(r->map), 10 + 8);
    assert_true(map_any_dirty(r->map, 152 * GRANULE, 1));
    map_mark_all(r->map);
    map_bitmap(r->map, bits, sizeof(bits), 0);
    for (int i = 0; i < 40; i++)
        assert_int_equal(bits[i], i < 20 ? 0xff : 0);
}

/* ---- intents -----------------------------------------------------------------------------------
 */

static void test_the_first_write_to_an_extent_waits_for_its_intent(void **state)
{
    struct rig *r = *state;
    static struct rig_write w[20]; /* the end tells who waits still */

    assert_int_equal(rig_open(r, GIB), 0);
    rig_idle(r, COLD);
    const uint64_t syncs = memory_calls(r->memory, MEMORY_CALL_SYNC);
    const uint64_t writes = memory_calls(r->memory, MEMORY_CALL_WRITE);
    for (int i = 0; i < 20; i++)
        assert_int_equal(rig_enter(r, &w[i], (uint64_t)i / 2 * EXTENT, 4096), 1);
    assert_int_equal(w[0].called, 0);
    assert_true(map_work(r->map, r->now));
    for (int i = 0; i < 20; i++) {
        assert_int_equal(w[i].called, 1);
        assert_int_equal(w[i].error, 0);
    }
    assert_int_equal(memory_calls(r->memory, MEMORY_CALL_SYNC), syncs + 1);
    assert_int_equal(memory_calls(r->memory, MEMORY_CALL_WRITE), writes + 1);
    assert_int_equal(map_intents(r->map), 10);
    assert_int_equal(rig_enter(r, &w[0], 5 * EXTENT, EXTENT), 0);
    assert_int_equal(rig_enter(r, &w[1], 9 * EXTENT + 1, EXTENT), 1); /* and the next */
    assert_int_equal(rig_enter(r, &w[2], 0, 0), 0);
}

static void test_an_intent_goes_when_all_has_arrived_and_time_has_passed(void **state)
{
    struct rig *r = *state;
    static struct rig_write w; /* the end tells who waits still */

    assert_int_equal(rig_open(r, GIB), 0);
    rig_write(r, 0, 4096, 7);
    rig_write(r, EXTENT, 4096, 8);
    map_durable(r->map, 7);
    map_work(r->map, r->now += COLD - 1);
    assert_int_equal(map_intents(r->map), 2); /* it is too early */
    rig_idle(r, 2 * COLD);
    assert_int_equal(map_intents(r->map), 1); /* 8 is on its way */
    map_durable(r->map, 8);
    assert_int_equal(rig_enter(r, &w, EXTENT, 1), 0);
    rig_idle(r, 2 * COLD);
    assert_int_equal(map_intents(r->map), 1); /* somebody is in it */
    map_mark(r->map, EXTENT, 1);
    map_leave(r->map, EXTENT, 1, 0);
    rig_idle(r, 2 * COLD);
    assert_int_equal(map_intents(r->map), 0);
    assert_int_equal(rig_enter(r, &w, 0, 4096), 1);
}

/* What a crash makes dirty is what has an intent, and nothing else. */
static void test_a_crash_makes_extents_with_an_intent_dirty_and_changed(void **state)
{
    struct rig *r = *state;

    assert_int_equal(rig_open(r, GIB), 0);
    rig_clean(r);
    const struct map_point p = map_checkpoint(r->map);
    rig_write(r, 0, 4096, 1);
    rig_write(r, 100 * EXTENT + GRANULE, 4096, 2);
    map_durable(r->map, 2);
    rig_idle(r, 2 * COLD);
    rig_write(r, 200 * EXTENT, 4096, 3); /* the only one that is hot */
    assert_int_equal(map_dirty(r->map), 0);
    rig_again(r, GIB, false);
    assert_true(r->found.unclean);
    assert_int_equal(map_dirty(r->map), EXTENT / GRANULE);
    assert_true(map_any_dirty(r->map, 200 * EXTENT, 1));
    assert_int_equal(rig_changed(r, p), EXTENT + 2 * GRANULE);
    /* and it is so after another, until its pages are written */
    rig_again(r, GIB, false);
    assert_int_equal(map_dirty(r->map), EXTENT / GRANULE);
    assert_int_equal(map_intents(r->map), 1);
    rig_idle(r, 2 * COLD);
    assert_int_equal(map_intents(r->map), 0);
    rig_again(r, GIB, false);
    assert_int_equal(map_dirty(r->map), EXTENT / GRANULE);
}

static void test_intents_of_a_large_disk_have_several_sectors(void **state)
{
    const uint64_t size = 40 * GIB;
    struct rig *r = *state;

    assert_int_equal(rig_open(r, size), 0);
    rig_clean(r);
    rig_write(r, 4031ull * EXTENT, 2 * EXTENT, 1); /* over the end of the first */
    rig_write(r, size - 1, 1, 2);
    assert_int_equal(map_intents(r->map), 3);
    rig_again(r, size, false);
    assert_int_equal(map_dirty(r->map), 3 * EXTENT / GRANULE);
    assert_true(map_any_dirty(r->map, 4031ull * EXTENT, 1));
    assert_true(map_any_dirty(r->map, 4032ull * EXTENT, 1));
    assert_true(map_any_dirty(r->map, size - 1, 1));
}

static void test_a_clean_map_is_as_it_was(void **state)
{
    struct rig *r = *state;
    struct map_point p, q;

    assert_int_equal(rig_open(r, GIB), 0);
    rig_clean(r);
    p = map_checkpoint(r->map);
    rig_write(r, 0, 4096, 1);
    q = map_checkpoint(r->map);
    rig_write(r, 8 * EXTENT, 4096, 2);
    map_mark(r->map, MIB, 1);
    map_durable(r->map, 2);
    rig_again(r, GIB, true);
    assert_false(r->found.unclean || r->found.fresh || r->found.problem);
    assert_int_equal(map_dirty(r->map), 1);
    assert_int_equal(map_intents(r->map), 0);
    assert_int_equal(rig_changed(r, p), 2 * GRANULE);
    assert_int_equal(rig_changed(r, q), GRANULE);
    rig_write(r, 0, 1, 1); /* of the same epoch as before */
    assert_int_equal(rig_changed(r, q), 2 * GRANULE);
    assert_true(map_checkpoint(r->map).epoch > q.epoch);
}

/* Its last writes are on their way when it ends. */
static void test_what_has_not_arrived_at_the_end_is_dirty(void **state)
{
    struct rig *r = *state;

    assert_int_equal(rig_open(r, GIB), 0);
    rig_clean(r);
    const struct map_point p = map_checkpoint(r->map);
    rig_write(r, 0, 4096, 1);
    rig_write(r, EXTENT, 4096, 2);
    map_durable(r->map, 1);
    rig_again(r, GIB, true);
    assert_false(map_any_dirty(r->map, 0, EXTENT));
    assert_true(map_any_dirty(r->map, EXTENT, 4096));
    assert_int_equal(rig_changed(r, p), 2 * GRANULE); /* and that is exact */
}

/* ---- what changed since ------------------------------------------------------------------------
 */

struct ranges {
    int count;
    uint64_t offset[8], length[8];
};

static int gather(void *arg, uint64_t offset, uint64_t length)
{
    struct ranges *g = arg;

    g->offset[g->count] = offset;
    g->length[g->count] = length;
    return ++g->count == 8 ? -ECANCELED : 0;
}

static void test_ranges_are_whole_and_end_with_the_disk(void **state)
{
    const uint64_t size = 20 * MIB + 100;
    struct rig *r = *state;
    struct ranges g = { 0 };

    assert_int_equal(rig_open(r, size), 0);
    const struct map_point p = map_checkpoint(r->map);
    rig_write(r, 4 * MIB - 1, 2, 1); /* over the end of an extent */
    rig_write(r, 4 * MIB + GRANULE, GRANULE, 2);
    rig_write(r, 10 * MIB, 1, 3);
    rig_write(r, size - 1, 1, 4);
    assert_int_equal(map_changed(r->map, &p, gather, &g), 0);
    assert_int_equal(g.count, 3);
    assert_int_equal(g.offset[0], 4 * MIB - GRANULE);
    assert_int_equal(g.length[0], 3 * GRANULE);
    assert_int_equal(g.offset[1], 10 * MIB);
    assert_int_equal(g.length[1], GRANULE);
    assert_int_equal(g.offset[2], 20 * MIB);
    assert_int_equal(g.length[2], 100);
    for (int i = 0; i < 10; i++)
        rig_write(r, (uint64_t)i * 2 * GRANULE, 1, 4);
    g.count = 0;
    assert_int_equal(map_changed(r->map, &p, gather, &g), -ECANCELED);
}

/* A backup may have read the disk before the write changed it. */
static void test_a_write_that_leaves_in_another_epoch_changes_that(void **state)
{
    struct rig *r = *state;
    struct rig_write w;

    assert_int_equal(rig_open(r, GIB), 0);
    const struct map_point p = map_checkpoint(r->map);
    rig_write(r, 0, 1, 1);
    assert_int_equal(rig_enter(r, &w, GRANULE, 1), 0);
    const struct map_point q = map_checkpoint(r->map);
    assert_int_equal(rig_changed(r, p), 2 * GRANULE);
    assert_int_equal(rig_changed(r, q), 0);
    map_leave(r->map, GRANULE, 1, 2);
    assert_int_equal(rig_changed(r, q), GRANULE);
    assert_int_equal(map_now(r->map).epoch, q.epoch);
    assert_int_equal(rig_changed(r, map_now(r->map)), GRANULE);
}

static void test_points_of_others_are_stale(void **state)
{
    struct rig *r = *state;
    uint64_t sum = 0;

    assert_int_equal(rig_open(r, GIB), 0);
    struct map_point p = map_checkpoint(r->map), later = p, other = p;
    later.epoch++; /* was not given out */
    other.map[3] ^= 1;
    assert_int_equal(map_changed(r->map, &later, rig_sum, &sum), -ESTALE);
    assert_int_equal(map_changed(r->map, &other, rig_sum, &sum), -ESTALE);
    map_close(r->map);
    r->map = NULL;
    assert_int_equal(r->medium->remove(r->medium, "map"), 0);
    assert_int_equal(rig_open(r, GIB), 0);
    assert_true(r->found.fresh);
    assert_int_equal(map_changed(r->map, &p, rig_sum, &sum), -ESTALE);
}

/* A crash after more checkpoints than are reserved would give their numbers again. */
static void test_checkpoints_wait_for_epochs_to_be_reserved(void **state)
{
    struct rig *r = *state;
    struct map_point p = { 0 }, last = { 0 };

    assert_int_equal(rig_open(r, GIB), 0);
    rig_write(r, 0, 1, 1);
    for (int i = 0; i < 6000; i++) {
        last = p;
        p = map_checkpoint(r->map);
    }
    assert_int_equal(p.epoch, last.epoch);
    rig_write(r, GRANULE, 1, 1);
    assert_int_equal(rig_changed(r, p), GRANULE);
    while (map_work(r->map, r->now)) {
    }
    assert_true(map_checkpoint(r->map).epoch > p.epoch);
    rig_again(r, GIB, false);
    rig_write(r, 2 * GRANULE, 1, 1);
    assert_true(rig_changed(r, p) >= 3 * GRANULE); /* the extent had an intent */
}

/* ---- growing -----------------------------------------------------------------------------------
 */

static void test_what_is_new_is_dirty_and_changed(void **state)
{
    const uint64_t size = 6 * MIB + 100, larger = 33 * GIB + 5;
    struct rig *r = *state;

    assert_int_equal(rig_open(r, size), 0);
    rig_clean(r);
    const struct map_point p = map_checkpoint(r->map);
    assert_int_equal(map_grow(r->map, size - 1), -EINVAL);
    assert_int_equal(map_grow(r->map, size), 0);
    assert_int_equal(map_dirty(r->map), 0);
    assert_int_equal(map_grow(r->map, larger), 0);
    assert_int_equal(map_size(r->map), larger);
    assert_int_equal(map_dirty(r->map), (larger - 6 * MIB + GRANULE - 1) / GRANULE);
    assert_int_equal(rig_changed(r, p), larger - 6 * MIB);
    rig_write(r, larger - 1, 1, 1);
    rig_again(r, larger, false);
    assert_int_equal(rig_changed(r, p), larger - 6 * MIB);
    assert_null(r->found.problem);
    rig_again(r, larger + 1, true); /* grown while it was not open */
    assert_null(r->found.problem);
    assert_int_equal(map_size(r->map), larger + 1);
    assert_int_equal(rig_changed(r, p), larger + 1 - 6 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(test_a_new_map_is_all_dirty),
        RIG(test_what_was_sent_is_unsure_until_it_arrived),
        RIG(test_what_is_unsure_is_dirty_after_any_end),
        RIG(test_bitmaps_are_the_dirty_bits),
        RIG(test_the_first_write_to_an_extent_waits_for_its_intent),
        RIG(test_an_intent_goes_when_all_has_arrived_and_time_has_passed),
        RIG(test_a_crash_makes_extents_with_an_intent_dirty_and_changed),
        RIG(test_intents_of_a_large_disk_have_several_sectors),
        RIG(test_a_clean_map_is_as_it_was),
        RIG(test_what_has_not_arrived_at_the_end_is_dirty),
        RIG(test_ranges_are_whole_and_end_with_the_disk),
        RIG(test_a_write_that_leaves_in_another_epoch_changes_that),
        RIG(test_points_of_others_are_stale),
        RIG(test_checkpoints_wait_for_epochs_to_be_reserved),
        RIG(test_what_is_new_is_dirty_and_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
