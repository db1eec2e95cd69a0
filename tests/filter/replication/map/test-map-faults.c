/* test-map-faults.c - what does a map do whose files fail, are damaged, or are another's?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "map-rig.h"

static void scribble(struct rig *r, const char *name, uint64_t offset, size_t length)
{
    struct medium_file *f;
    uint8_t *bytes = malloc(length);

    assert_int_equal(r->medium->open(r->medium, name, 0, &f), 0);
    assert_int_equal(file_read(f, bytes, length, offset), 0);
    for (size_t i = 0; i < length; i++)
        bytes[i] ^= 0x5a;
    assert_int_equal(file_write(f, bytes, length, offset), 0);
    f->close(f);
    free(bytes);
}

/* ---- intents -----------------------------------------------------------------------------------
 */

static void test_a_write_whose_intent_finds_no_room_fails_and_may_come_again(void **state)
{
    struct rig *r = *state;
    struct rig_write w, again;

    assert_int_equal(rig_open(r, GIB), 0);
    rig_write(r, 0, 1, 1);
    memory_fail(r->memory, MEMORY_CALL_WRITE, "map.intent", 0, 1, ENOSPC);
    assert_int_equal(rig_enter(r, &w, EXTENT, 1), 1);
    assert_true(map_work(r->map, r->now));
    assert_int_equal(w.called, 1);
    assert_int_equal(w.error, -ENOSPC);
    assert_int_equal(map_intents(r->map), 1); /* none for what was not written */
    assert_int_equal(rig_enter(r, &again, EXTENT, 1), 1);
    map_work(r->map, r->now);
    assert_int_equal(again.called, 1);
    assert_int_equal(again.error, 0);
    map_leave(r->map, EXTENT, 1, 2);
    map_durable(r->map, 2);
    rig_idle(r, 2 * COLD);
    assert_int_equal(map_intents(r->map), 0); /* nobody is counted who failed */
}

static void test_an_intent_that_cannot_be_synced_fails_all_that_are_cold(void **state)
{
    struct rig *r = *state;
    struct rig_write w, other;

    assert_int_equal(rig_open(r, GIB), 0);
    rig_write(r, 0, 1, 1);
    memory_fail(r->memory, MEMORY_CALL_SYNC, "map.intent", 0, 1, EIO);
    assert_int_equal(rig_enter(r, &w, EXTENT - 1, 2), 1);
    assert_int_equal(rig_enter(r, &other, 2 * EXTENT, 1), 1);
    map_work(r->map, r->now);
    assert_int_equal(w.error, -EIO);
    assert_int_equal(other.error, -EIO);
    assert_int_equal(rig_enter(r, &w, EXTENT, 1), -EIO); /* at once */
    assert_int_equal(rig_enter(r, &w, 0, 1), 0);         /* what has one goes on */
    map_leave(r->map, 0, 1, 2);
    map_durable(r->map, 2);
    assert_int_equal(map_close(r->map), -EIO);
    assert_int_equal(rig_open(r, GIB), 0);
    assert_true(r->found.unclean);
}

/* A write that is told to end while it waits: before its intent is being written, and meanwhile. */
static struct map *forgets;
static struct rig_write forgotten;

static void forget_meanwhile(void *arg, enum memory_call call, const char *name, uint64_t offset)
{
    (void)arg, (void)name, (void)offset;
    if (!forgets || call != MEMORY_CALL_SYNC)
        return;
    assert_true(map_forget(forgets, &forgotten.wait));
    forgets = NULL;
}

static void test_a_write_that_waits_can_be_forgotten(void **state)
{
    struct rig *r = *state;
    struct rig_write first, last;

    assert_int_equal(rig_open(r, GIB), 0);
    for (int meanwhile = 0; meanwhile < 2; meanwhile++) {
        const uint64_t at = (uint64_t)meanwhile * 8 * EXTENT;
        assert_int_equal(rig_enter(r, &first, at, 1), 1);
        assert_int_equal(rig_enter(r, &forgotten, at + EXTENT, 1), 1);
        if (meanwhile) {
            forgets = r->map;
            memory_gate(r->memory, forget_meanwhile, NULL);
        } else {
            assert_true(map_forget(r->map, &forgotten.wait));
        }
        assert_int_equal(rig_enter(r, &last, at + 2 * EXTENT, 1), 1);
        assert_true(map_work(r->map, r->now));
        assert_null(forgets);
        assert_false(map_forget(r->map, &forgotten.wait));
        assert_int_equal(first.called + last.called, 2);
        assert_int_equal(forgotten.called, 0);
        map_leave(r->map, at, 1, 1);
        map_leave(r->map, at + 2 * EXTENT, 1, 1);
        rig_write(r, at + EXTENT, 1, 1); /* as if it had never been */
    }
    map_durable(r->map, 1);
    rig_idle(r, 2 * COLD);
    assert_int_equal(map_intents(r->map), 0); /* nobody is counted who was forgotten */
}

/* ---- the disk itself ---------------------------------------------------------------------------
 */

static int settle(void *error)
{
    return *(int *)error;
}

static void test_intents_stay_until_the_disk_is_durable(void **state)
{
    struct rig *r = *state;
    int error = -EIO;
    struct map_setup setup = { r->medium, "map", GIB, COLD, true, settle, &error };

    assert_int_equal(map_open(&setup, &r->map, &r->found, &r->why), 0);
    rig_clean(r);
    rig_write(r, 0, 1, 1);
    map_durable(r->map, 1);
    rig_idle(r, 4 * COLD);
    assert_int_equal(map_intents(r->map), 1);
    error = 0;
    rig_idle(r, 2 * COLD);
    assert_int_equal(map_intents(r->map), 0);
    rig_write(r, EXTENT, 1, 2);
    map_durable(r->map, 2);
    error = -EAGAIN;
    assert_int_equal(map_close(r->map), -EAGAIN);
    assert_int_equal(rig_open(r, GIB), 0);
    assert_true(r->found.unclean);
    assert_true(map_any_dirty(r->map, EXTENT, 1));
    assert_false(map_any_dirty(r->map, 0, 1));
}

/* ---- pages -------------------------------------------------------------------------------------
 */

static void test_intents_stay_while_pages_cannot_be_written(void **state)
{
    struct rig *r = *state;

    assert_int_equal(rig_open(r, GIB), 0);
    rig_clean(r);
    map_checkpoint(r->map); /* so that a write changes a stamp */
    rig_write(r, 0, 1, 1);
    map_durable(r->map, 1);
    memory_fail(r->memory, MEMORY_CALL_WRITE, "map", 0, -1, ENOSPC);
    rig_idle(r, 3 * COLD);
    assert_int_equal(map_intents(r->map), 1);
    assert_int_equal(map_sync(r->map), -ENOSPC);
    memory_fail(r->memory, MEMORY_CALL_WRITE, "map", 0, 0, 0);
    rig_idle(r, 3 * COLD);
    assert_int_equal(map_intents(r->map), 0);
    assert_int_equal(map_sync(r->map), 0);
}

static void test_intents_stay_for_ever_once_pages_could_not_be_synced(void **state)
{
    struct rig *r = *state;
    struct rig_write w;

    assert_int_equal(rig_open(r, GIB), 0);
    rig_clean(r);
    map_checkpoint(r->map);
    rig_write(r, 0, 1, 1);
    map_durable(r->map, 1);
    memory_fail(r->memory, MEMORY_CALL_SYNC, "map", 0, 1, EIO);
    rig_idle(r, 5 * COLD);
    assert_int_equal(map_intents(r->map), 1);
    assert_int_equal(map_sync(r->map), -EIO);
    assert_int_equal(map_grow(r->map, 2 * GIB), -EIO);
    assert_int_equal(rig_enter(r, &w, 0, 1), 0); /* writes go on */
    map_leave(r->map, 0, 1, 2);
    rig_write(r, EXTENT, 1, 2);
    assert_int_equal(map_close(r->map), -EIO);
    r->map = NULL;
    assert_int_equal(rig_open(r, GIB), 0);
    assert_true(r->found.unclean);
    assert_true(map_any_dirty(r->map, 0, 1));
    assert_true(map_any_dirty(r->map, EXTENT, 1));
}

static void test_a_damaged_page_is_dirty_and_changed_and_no_other(void **state)
{
    struct rig *r = *state;

    assert_int_equal(rig_open(r, GIB), 0);
    rig_clean(r);
    const struct map_point p = map_checkpoint(r->map);
    assert_int_equal(map_close(r->map), 0);
    r->map = NULL;
    scribble(r, "map", 8192 + 2 * 4096 + 3000, 1); /* of extents 30 to 44 */
    assert_int_equal(rig_open(r, GIB), 0);
    assert_null(r->found.problem);
    assert_int_equal(map_dirty(r->map), 15 * 64);
    assert_true(map_any_dirty(r->map, 30 * EXTENT, 1));
    assert_false(map_any_dirty(r->map, 0, 30 * EXTENT));
    assert_int_equal(rig_changed(r, p), 15 * EXTENT);
}

static void test_a_page_of_another_place_is_not_believed(void **state)
{
    struct rig *r = *state;
    struct medium_file *f;
    uint8_t page[4096];

    assert_int_equal(rig_open(r, GIB), 0);
    rig_clean(r);
    assert_int_equal(map_close(r->map), 0);
    r->map = NULL;
    assert_int_equal(r->medium->open(r->medium, "map", 0, &f), 0);
    assert_int_equal(file_read(f, page, 4096, 8192), 0);
    assert_int_equal(file_write(f, page, 4096, 8192 + 4096), 0);
    f->close(f);
    assert_int_equal(rig_open(r, GIB), 0);
    assert_int_equal(map_dirty(r->map), 15 * 64);
}

/* What a fresh map finds behind its end may be of the one before. */
static void test_a_page_of_another_map_is_not_believed(void **state)
{
    struct rig *r = *state;
    struct medium_file *f;
    uint8_t page[4096];

    assert_int_equal(rig_open(r, GIB), 0);
    rig_clean(r);
    assert_int_equal(map_close(r->map), 0);
    r->map = NULL;
    assert_int_equal(r->medium->open(r->medium, "map", 0, &f), 0);
    assert_int_equal(file_read(f, page, 4096, 8192), 0);
    f->close(f);
    assert_int_equal(r->medium->remove(r->medium, "map"), 0);
    assert_int_equal(rig_open(r, GIB), 0);
    assert_int_equal(map_close(r->map), 0);
    r->map = NULL;
    assert_int_equal(r->medium->open(r->medium, "map", 0, &f), 0);
    assert_int_equal(file_write(f, page, 4096, 8192), 0);
    f->close(f);
    assert_int_equal(rig_open(r, GIB), 0);
    assert_int_equal(map_dirty(r->map), GIB / GRANULE);
}

static void test_a_page_that_cannot_be_read_is_as_good_as_damaged(void **state)
{
    struct rig *r = *state;

    assert_int_equal(rig_open(r, 5 * GIB), 0); /* 86 pages: two reads */
    rig_clean(r);
    assert_int_equal(map_close(r->map), 0);
    r->map = NULL;
    /* two headers, all the pages of the first read, then its first one alone */
    memory_fail(r->memory, MEMORY_CALL_READ, "map", 2, 2, EIO);
    assert_int_equal(rig_open(r, 5 * GIB), 0);
    assert_int_equal(map_dirty(r->map), 15 * 64);
}

/* ---- maps that are not believed ----------------------------------------------------------------
 */

static void expect_problem(struct rig *r, uint64_t size, const char *words)
{
    assert_int_equal(rig_open(r, size), 0);
    assert_false(r->found.fresh);
    assert_non_null(r->found.problem);
    assert_non_null(strstr(r->found.problem, words));
    assert_int_equal(map_dirty(r->map), size / GRANULE);
}

static void test_a_map_of_a_larger_disk_is_not_believed(void **state)
{
    struct rig *r = *state;

    assert_int_equal(rig_open(r, GIB), 0);
    assert_int_equal(map_close(r->map), 0);
    r->map = NULL;
    expect_problem(r, 512 * MIB, "1073741824");
    rig_again(r, 512 * MIB, true); /* the new one is */
    assert_null(r->found.problem);
}

static void test_intents_of_another_map_are_not_believed(void **state)
{
    struct rig *r = *state;

    assert_int_equal(rig_open(r, GIB), 0);
    rig_clean(r);
    assert_int_equal(map_close(r->map), 0);
    assert_int_equal(r->medium->rename(r->medium, "map", "old"), 0);
    assert_int_equal(rig_open(r, GIB), 0);
    rig_clean(r);
    assert_int_equal(map_close(r->map), 0);
    r->map = NULL;
    assert_int_equal(r->medium->rename(r->medium, "old", "map"), 0);
    expect_problem(r, GIB, "intents");
    assert_int_equal(map_close(r->map), 0);
    r->map = NULL;
    assert_int_equal(r->medium->remove(r->medium, "map.intent"), 0);
    expect_problem(r, GIB, "intents");
}

static void test_damaged_intents_are_all_set(void **state)
{
    struct rig *r = *state;

    assert_int_equal(rig_open(r, 20 * GIB), 0); /* two sectors */
    rig_clean(r);
    assert_int_equal(map_close(r->map), 0);
    r->map = NULL;
    scribble(r, "map.intent", 4096 + 512 + 100, 1);
    assert_int_equal(rig_open(r, 20 * GIB), 0);
    assert_true(r->found.unclean);
    assert_int_equal(map_dirty(r->map), (5120 - 4032) * 64);
    assert_int_equal(map_intents(r->map), 5120 - 4032);
    rig_idle(r, 3 * COLD);
    assert_int_equal(map_intents(r->map), 0);
}

static void test_one_header_may_be_damaged_and_epochs_still_rise(void **state)
{
    struct rig *r = *state;

    for (int slot = 0; slot < 2; slot++) {
        assert_int_equal(rig_open(r, GIB), 0);
        rig_clean(r);
        rig_write(r, 0, 1, 1);
        const struct map_point p = map_checkpoint(r->map);
        map_durable(r->map, 1);
        assert_int_equal(map_close(r->map), 0);
        scribble(r, "map", (uint64_t)slot * 4096 + 20, 1);
        assert_int_equal(rig_open(r, GIB), 0);
        assert_null(r->found.problem);
        assert_true(r->found.unclean); /* as far as it knows */
        rig_write(r, EXTENT, 1, 1);
        assert_int_equal(rig_changed(r, p), GRANULE);
        assert_int_equal(map_close(r->map), -0);
        r->map = NULL;
    }
    scribble(r, "map", 20, 1);
    scribble(r, "map", 4096 + 20, 1);
    expect_problem(r, GIB, "header");
}

/* The older header knows less of what may have been given out. */
static void test_epochs_of_a_lost_header_are_not_given_again(void **state)
{
    struct rig *r = *state;
    struct map_point p = { 0 };

    assert_int_equal(rig_open(r, GIB), 0); /* the second header, in the first place */
    for (int i = 0; i < 3000; i++)
        map_checkpoint(r->map);
    while (map_work(r->map, r->now)) { /* the third, in the second */
    }
    for (int i = 0; i < 3500; i++)
        p = map_checkpoint(r->map);
    assert_true(p.epoch > 4200);
    map_abandon(r->map);
    r->map = NULL;
    scribble(r, "map", 4096 + 20, 1);
    assert_int_equal(rig_open(r, GIB), 0);
    assert_null(r->found.problem);
    assert_true(map_checkpoint(r->map).epoch > p.epoch);
}

/* ---- sentences ---------------------------------------------------------------------------------
 */

static void test_a_map_belongs_to_one(void **state)
{
    struct rig *r = *state, other = { .memory = r->memory, .medium = r->medium };

    assert_int_equal(rig_open(r, GIB), 0);
    assert_int_equal(rig_open(&other, GIB), -EBUSY);
    assert_non_null(strstr(text_string(&other.why), "in use"));
    text_finish(&other.why);
}

static void test_a_full_file_system_is_noticed_at_once(void **state)
{
    struct rig *r = *state;

    memory_room(r->memory, MIB);
    assert_int_equal(rig_open(r, 1024 * GIB), -ENOSPC);
    assert_non_null(strstr(text_string(&r->why), "needs 69 MiB"));
    memory_room(r->memory, UINT64_MAX);
    memory_fail(r->memory, MEMORY_CALL_SYNC_NAMES, NULL, 0, 1, EIO);
    assert_int_equal(rig_open(r, GIB), -EIO);
    assert_non_null(strstr(text_string(&r->why), "cannot be made"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG(test_a_write_whose_intent_finds_no_room_fails_and_may_come_again),
        RIG(test_an_intent_that_cannot_be_synced_fails_all_that_are_cold),
        RIG(test_a_write_that_waits_can_be_forgotten),
        RIG(test_intents_stay_until_the_disk_is_durable),
        RIG(test_intents_stay_while_pages_cannot_be_written),
        RIG(test_intents_stay_for_ever_once_pages_could_not_be_synced),
        RIG(test_a_damaged_page_is_dirty_and_changed_and_no_other),
        RIG(test_a_page_of_another_place_is_not_believed),
        RIG(test_a_page_of_another_map_is_not_believed),
        RIG(test_a_page_that_cannot_be_read_is_as_good_as_damaged),
        RIG(test_a_map_of_a_larger_disk_is_not_believed),
        RIG(test_intents_of_another_map_are_not_believed),
        RIG(test_damaged_intents_are_all_set),
        RIG(test_one_header_may_be_damaged_and_epochs_still_rise),
        RIG(test_epochs_of_a_lost_header_are_not_given_again),
        RIG(test_a_map_belongs_to_one),
        RIG(test_a_full_file_system_is_noticed_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
