/* test-log.c - is what was appended read back, in order, and what was synced after every crash?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "log-rig.h"
#include "memory-media.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_appends_are_read_back(void **state)
{
    struct log_rig rig;
    struct log_story read;

    (void)state;
    rig_create(&rig, 8);
    rig_open(&rig);
    for (unsigned i = 0; i < 150; i++)
        rig_append(&rig, ENTRY_DIRTY, i % 9 + 1);
    rig_append(&rig, ENTRY_DROP, RECORD_ENTRIES);
    rig_append(&rig, ENTRY_CLEAN, RECORD_ENTRIES);
    assert_int_equal(log_sync(rig.log), 0);
    rig_append(&rig, ENTRY_INTENTS, 1);
    story_read(&read, rig.media, &rig.super);
    story_survives(&read, &rig.story, 0, rig.story.count);
    assert_int_equal(read.damages, 0);
    story_finish(&read);
    rig_destroy(&rig);
}

static void test_bad_appends_are_refused(void **state)
{
    struct log_entry entry = { .type = ENTRY_DROP, .key = 1ull << 48 };
    struct log_append a = { .entry = &entry, .count = 1 };
    struct log_rig rig;

    (void)state;
    rig_create(&rig, 8);
    rig_open(&rig);
    assert_int_equal(log_append(rig.log, &a), -EINVAL);
    a.count = 0;
    assert_int_equal(log_append(rig.log, &a), -EINVAL);
    a.count = RECORD_ENTRIES + 1;
    assert_int_equal(log_append(rig.log, &a), -EINVAL);
    rig_destroy(&rig);
}

/* The ring: room ends, the last reserve goes further, and log_free() gives it back. */
static void test_room_ends_and_comes_back(void **state)
{
    struct log_rig rig;
    struct log_place where;
    struct log_story read;
    unsigned turns = 0;
    int r;

    (void)state;
    rig_create(&rig, 8);
    rig_open(&rig);
    while ((r = rig_try(&rig, ENTRY_DIRTY, 30, false)) == 0)
        ;
    assert_int_equal(r, -EAGAIN);
    log_where(rig.log, &where);
    assert_true(where.head <= 5 * SEGMENT_PAGES && where.head > 4 * SEGMENT_PAGES);
    assert_true(log_room(rig.log) <= 30);
    while ((r = rig_try(&rig, ENTRY_DROP, 200, true)) == 0)
        turns++;
    assert_int_equal(r, -EAGAIN);
    assert_true(turns > 2 * SEGMENT_PAGES);
    assert_int_equal(rig_try(&rig, ENTRY_CLEAN, 1, false), -EAGAIN);
    assert_int_equal(log_room(rig.log), 0);
    /* what is in force is all read, with the whole ring full */
    story_read(&read, rig.media, &rig.super);
    story_survives(&read, &rig.story, 0, rig.story.count);
    story_finish(&read);
    for (turns = 0; turns < 40; turns++) {
        log_where(rig.log, &where);
        rig_free(&rig, where.head / SEGMENT_PAGES * SEGMENT_PAGES);
        assert_true(log_room(rig.log) > 0);
        while (rig_try(&rig, ENTRY_DIRTY, turns + 1, false) == 0)
            ;
        story_read(&read, rig.media, &rig.super);
        story_survives(&read, &rig.story, rig.super.tail, rig.story.count);
        story_finish(&read);
    }
    log_where(rig.log, &where);
    assert_true(where.head > 100 * SEGMENT_PAGES);
    rig_destroy(&rig);
}

/* Who waits until it says so is not refused: he would ask again at once, and again. */
static void test_has_room_knows_of_segments(void **state)
{
    (void)state;
    for (unsigned pages = 1; pages < RECORD_ENTRIES; pages += 7) {
        struct log_rig rig;
        unsigned taken = 0;
        rig_create(&rig, 8);
        rig_open(&rig);
        for (; log_has_room(rig.log, pages + 1); taken++)
            assert_int_equal(rig_try(&rig, ENTRY_DIRTY, pages, false), 0);
        assert_true(taken >= 5); /* segments that are nobody's reserve, each with one at least */
        rig_destroy(&rig);
    }
}

static void test_places_and_positions_agree(void **state)
{
    struct log_rig rig;
    struct log_place where;

    (void)state;
    rig_create(&rig, 8);
    rig_open(&rig);
    for (unsigned i = 0; i < 3000; i++) {
        struct log_place before;
        log_where(rig.log, &before);
        if (rig_try(&rig, ENTRY_CLEAN, 1, false)) {
            rig_free(&rig, before.head / SEGMENT_PAGES * SEGMENT_PAGES);
            continue;
        }
        log_where(rig.log, &where);
        assert_int_equal(rig.last_place, (where.head - 1) % rig.super.log_pages);
    }
    rig_destroy(&rig);
}

static void test_a_medium_that_failed_once_fails_for_ever(void **state)
{
    (void)state;
    for (int sync = 0; sync < 2; sync++) {
        struct log_rig rig;
        rig_create(&rig, 8);
        rig_open(&rig);
        rig_append(&rig, ENTRY_DIRTY, 3);
        memory_fail(memory_of(rig.media), sync ? MEMORY_CALL_SYNC : MEMORY_CALL_WRITE, 0, 1,
                    ENOSPC);
        if (sync)
            assert_int_equal(log_sync(rig.log), -ENOSPC);
        else
            assert_int_equal(rig_try(&rig, ENTRY_DIRTY, 1, false), -ENOSPC);
        assert_int_equal(rig_try(&rig, ENTRY_DIRTY, 1, true), -ENOSPC);
        assert_int_equal(log_sync(rig.log), -ENOSPC);
        rig_destroy(&rig);
    }
}

static void turn_stale(void *arg, struct log_append *a)
{
    (void)arg;
    for (unsigned i = 0; i < a->count; i++)
        if (a->entry[i].type == ENTRY_CLEAN)
            a->entry[i].type = ENTRY_STALE;
}

static void test_what_turns_stale_is_written_so(void **state)
{
    struct log_rig rig;
    struct log_story read;

    (void)state;
    rig_create(&rig, 8);
    rig.seal = turn_stale;
    rig_open(&rig);
    rig_append(&rig, ENTRY_CLEAN, 2);
    story_read(&read, rig.media, &rig.super);
    assert_int_equal(read.count, 2);
    assert_int_equal(read.told[1].entry.type, ENTRY_STALE);
    story_finish(&read);
    rig_destroy(&rig);
}

/* ---- crashes ------------------------------------------------------------------------------------
 */

static const enum memory_loss losses[] = { MEMORY_ALL, MEMORY_SYNCED, MEMORY_SOME };

static struct media *crash(struct memory *m, size_t ops, unsigned kind, uint64_t seed)
{
    return memory_cut(m, ops, kind < 3 ? losses[kind] : MEMORY_TORN, seed + kind);
}

/* One life: appends, syncs and moves of the tail, by chance.  After every prefix of what the medium
 * saw: what was synced is there, in order, and what follows is a beginning of the rest. */
static void live(struct log_rig *rig, uint64_t *seed, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        const uint64_t chance = memory_chance(seed) % 100;
        if (chance < 15) {
            rig_sync(rig);
        } else if (chance < 18) {
            rig_move_tail(rig);
        } else {
            static const uint8_t type[] = { ENTRY_DIRTY, ENTRY_CLEAN, ENTRY_DROP, ENTRY_OVER };
            unsigned count = (unsigned)(memory_chance(seed) % 20) + 1;
            if (chance > 95)
                count = RECORD_ENTRIES;
            if (rig_try(rig, type[memory_chance(seed) % 4], count, false) == -EAGAIN)
                rig_move_tail(rig);
        }
    }
}

static void judge_crash(const struct log_rig *rig, struct media *cut, size_t ops)
{
    struct log_story read;
    struct super s;

    assert_int_equal(super_load(cut, &s, NULL), 0);
    story_read(&read, cut, &s);
    assert_int_equal(read.damages, 0);
    story_survives(&read, &rig->story, s.tail, rig_durable_after(rig, ops));
    story_finish(&read);
}

static void test_every_prefix_of_a_life(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct log_rig rig;
        uint64_t chance = seed;
        rig_create(&rig, 8);
        rig_open(&rig);
        live(&rig, &chance, 250);
        const size_t ops = memory_ops(memory_of(rig.media));
        for (size_t n = 0; n <= ops; n++)
            for (unsigned kind = 0; kind < 6; kind++) {
                struct media *cut = crash(memory_of(rig.media), n, kind, seed * 1000 + n);
                judge_crash(&rig, cut, n);
                cut->close(cut);
            }
        rig_destroy(&rig);
    }
}

/* A recovery, a life, a crash, a recovery …: what a recovery has not read never comes back, and
 * what it has read stays.  The story of a life is what was read when it began and what was
 * appended. */
static void test_recovery_after_recovery(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct log_rig rig;
        uint64_t chance = seed;
        rig_create(&rig, 8);
        for (unsigned lives = 0; lives < 12; lives++) {
            rig_open(&rig);
            live(&rig, &chance, (unsigned)(memory_chance(&chance) % 60));
            const size_t ops = memory_ops(memory_of(rig.media));
            const size_t n = ops - memory_chance(&chance) % (ops < 5 ? ops + 1 : 5);
            const unsigned kind = (unsigned)(memory_chance(&chance) % 8);
            struct media *cut = crash(memory_of(rig.media), n, kind, memory_chance(&chance));
            judge_crash(&rig, cut, n);
            rig_crash(&rig, cut);
        }
        rig_destroy(&rig);
    }
}

/* An earlier life left records behind a hole, and the tail comes to stand on one of them before
 * anything is written there. */
static void test_what_an_earlier_life_left_at_the_tail_is_void(void **state)
{
    static uint8_t left[2 * SEGMENT_PAGES * BLOCK];
    const uint64_t segment = (uint64_t)SEGMENT_PAGES * BLOCK;
    struct log_rig rig;

    (void)state;
    rig_create(&rig, 8);
    rig_open(&rig);
    rig_append(&rig, ENTRY_DIRTY, 3);
    rig_sync(&rig);
    const size_t durable = memory_ops(memory_of(rig.media));
    for (int i = 0; i < 70; i++)
        rig_append(&rig, ENTRY_DIRTY, 9);
    struct media *cut = memory_cut(memory_of(rig.media), durable, MEMORY_SYNCED, 1);
    assert_int_equal(media_read(rig.media, left, sizeof(left), rig.super.log + segment), 0);
    assert_int_equal(media_write(cut, left, sizeof(left), rig.super.log + segment), 0);
    rig_crash(&rig, cut);

    rig_open(&rig);
    assert_int_equal(rig.story.count, 3);
    rig_append(&rig, ENTRY_DIRTY, 5); /* in the second segment */
    rig.super.tail = 2 * SEGMENT_PAGES;
    assert_int_equal(super_save(rig.media, &rig.super), 0);
    rig_crash(&rig, memory_copy(memory_of(rig.media)));
    rig_open(&rig);
    assert_int_equal(rig.story.count, 0);
    assert_int_equal(rig.story.damages, 0);
    rig_destroy(&rig);
}

/* The same number at the same place, of two lives: the older is not what follows the younger. */
static void test_what_an_earlier_life_left_in_the_segment_is_void(void **state)
{
    static uint8_t left[SEGMENT_PAGES * BLOCK];
    struct log_rig rig;

    (void)state;
    rig_create(&rig, 8);
    rig_open(&rig);
    rig_append(&rig, ENTRY_DIRTY, 2);
    rig_sync(&rig);
    const size_t durable = memory_ops(memory_of(rig.media));
    rig_append(&rig, ENTRY_CLEAN, RECORD_ENTRIES); /* the second is the hole */
    for (int i = 0; i < 5; i++)                    /* 3 at page 0 of the next segment, 4 at 2 … */
        rig_append(&rig, ENTRY_DIRTY, 1);
    struct media *cut = memory_cut(memory_of(rig.media), durable, MEMORY_SYNCED, 1);
    const uint64_t at = rig.super.log + sizeof(left);
    assert_int_equal(media_read(rig.media, left, sizeof(left), at), 0);
    assert_int_equal(media_write(cut, left, sizeof(left), at), 0);
    rig_crash(&rig, cut);

    rig_open(&rig);
    rig_append(&rig, ENTRY_DROP, 1); /* 2 at page 0 */
    rig_append(&rig, ENTRY_DROP, 1); /* 3 at page 1 */
    rig_crash(&rig, memory_copy(memory_of(rig.media)));
    rig_open(&rig);
    assert_int_equal(rig.story.count, 4);
    rig_destroy(&rig);
}

/* The first record of the second life is lost, a later one is not: it says up to where all was
 * durable, but of the epoch in which the first life ended a part was not. */
static void test_an_epoch_that_a_recovery_has_cut_is_not_durable(void **state)
{
    struct log_rig rig;

    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        const uint8_t zero[BLOCK] = { 0 };
        rig_create(&rig, 8);
        rig_open(&rig);
        rig_append(&rig, ENTRY_DIRTY, 3);
        rig_append(&rig, ENTRY_DIRTY, 3);
        /* of the second a block is torn */
        assert_int_equal(media_write(rig.media, zero, BLOCK, rig.super.log + 6 * BLOCK), 0);
        rig_crash(&rig, memory_copy(memory_of(rig.media)));
        rig_open(&rig);
        assert_int_equal(rig.story.count, 3);
        rig_append(&rig, ENTRY_DIRTY, 1);
        rig_append(&rig, ENTRY_DIRTY, 1);
        if (lost)
            assert_int_equal(media_write(rig.media, zero, BLOCK,
                                         rig.super.log + (uint64_t)SEGMENT_PAGES * BLOCK),
                             0);
        rig_crash(&rig, memory_copy(memory_of(rig.media)));
        rig_open(&rig);
        assert_int_equal(rig.story.count, lost ? 3 : 5);
        assert_int_equal(rig.story.damages, 0);
        rig_destroy(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_are_read_back),
        cmocka_unit_test(test_bad_appends_are_refused),
        cmocka_unit_test(test_room_ends_and_comes_back),
        cmocka_unit_test(test_has_room_knows_of_segments),
        cmocka_unit_test(test_places_and_positions_agree),
        cmocka_unit_test(test_a_medium_that_failed_once_fails_for_ever),
        cmocka_unit_test(test_what_turns_stale_is_written_so),
        cmocka_unit_test(test_what_an_earlier_life_left_at_the_tail_is_void),
        cmocka_unit_test(test_what_an_earlier_life_left_in_the_segment_is_void),
        cmocka_unit_test(test_an_epoch_that_a_recovery_has_cut_is_not_durable),
        cmocka_unit_test(test_every_prefix_of_a_life),
        cmocka_unit_test(test_recovery_after_recovery),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
