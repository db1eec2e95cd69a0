/* test-log-damage.c - what is said of a log that was durable and is bad?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "log-rig.h"
#include "memory-media.h"
#include "record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void spoil(struct log_rig *rig, uint64_t position)
{
    const uint8_t bad[64] = { 0xbb };

    assert_int_equal(
        media_write(rig->media, bad, sizeof(bad), page_offset(&rig->super, position) + 40), 0);
}

/* A log of several segments, all synced, and an append after that: it says so. */
static void fill(struct log_rig *rig, unsigned appends)
{
    rig_create(rig, 16);
    rig_open(rig);
    for (unsigned i = 0; i < appends; i++)
        rig_append(rig, ENTRY_DIRTY, 9);
    rig_sync(rig);
    rig_append(rig, ENTRY_DROP, 1);
}

/* What is read is the story without `missing` entries that begin at `first`. */
static void assert_without(const struct log_rig *rig, const struct log_story *read, size_t first,
                           size_t missing)
{
    assert_int_equal(read->count, rig->story.count - missing);
    for (size_t i = 0; i < read->count; i++)
        assert_int_equal(read->told[i].entry.key,
                         rig->story.told[i < first ? i : i + missing].entry.key);
}

static void test_heads_of_a_sealed_segment_are_not_needed(void **state)
{
    struct log_rig rig;
    struct log_story read;

    (void)state;
    fill(&rig, 60);
    const uint64_t before = memory_reads(memory_of(rig.media));
    story_read(&read, rig.media, &rig.super);
    const uint64_t reads = memory_reads(memory_of(rig.media)) - before - 60 * 9;
    assert_true(reads < 16 + 3 * 3 + 4); /* one look, one summary; the last are read whole */
    story_finish(&read);
    for (unsigned record = 0; record < 25; record++)
        spoil(&rig, record * 10); /* heads alone: the blocks are still there */
    story_read(&read, rig.media, &rig.super);
    assert_int_equal(read.damages, 0);
    story_survives(&read, &rig.story, 0, rig.story.count);
    story_finish(&read);
    rig_destroy(&rig);
}

static void test_a_bad_summary_is_not_needed(void **state)
{
    struct log_rig rig;
    struct log_story read;

    (void)state;
    fill(&rig, 60);
    spoil(&rig, SEGMENT_PAGES - 1);
    story_read(&read, rig.media, &rig.super);
    assert_int_equal(read.damages, 0);
    story_survives(&read, &rig.story, 0, rig.story.count);
    story_finish(&read);
    rig_destroy(&rig);
}

/* Of what was durable when the super block was last written, the super block knows the end. */
static void test_a_log_that_is_gone_is_damage(void **state)
{
    struct log_rig rig;
    struct log_story read;
    struct log_place place;
    uint8_t *nothing = calloc(16 * SEGMENT_PAGES, BLOCK);

    (void)state;
    assert_non_null(nothing);
    fill(&rig, 3);
    log_where(rig.log, &place);
    assert_true(place.durable_head > rig.super.begin && place.durable_head < place.head);
    rig.super.durable_head = place.durable_head;
    story_read(&read, rig.media, &rig.super);
    assert_int_equal(read.damages, 0);
    story_finish(&read);
    assert_int_equal(media_write(rig.media, nothing, (size_t)16 * SEGMENT_PAGES * BLOCK,
                                 page_offset(&rig.super, 0)),
                     0);
    story_read(&read, rig.media, &rig.super);
    assert_int_equal(read.count, 0);
    assert_int_equal(read.damages, 1);
    story_finish(&read);
    free(nothing);
    rig_destroy(&rig);
}

static void test_a_bad_head_is_damage_and_the_rest_is_read(void **state)
{
    static const unsigned bad[] = { 0, 3, 24 }; /* of the first segment: its records of ten pages */

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct log_rig rig;
        struct log_story read;
        fill(&rig, 60);
        spoil(&rig, SEGMENT_PAGES - 1);
        spoil(&rig, bad[i] * 10);
        story_read(&read, rig.media, &rig.super);
        assert_int_equal(read.damages, 1);
        assert_non_null(strstr(read.why, "durable"));
        assert_without(&rig, &read, bad[i] * 9, 9);
        story_finish(&read);
        rig_destroy(&rig);
    }
}

static void test_a_whole_segment_is_lost(void **state)
{
    struct log_rig rig;
    struct log_story read;

    (void)state;
    fill(&rig, 100);
    for (unsigned page = 0; page < SEGMENT_PAGES; page++)
        spoil(&rig, SEGMENT_PAGES + page);
    story_read(&read, rig.media, &rig.super);
    assert_int_equal(read.damages, 1);
    assert_without(&rig, &read, 25 * 9, 25 * 9);
    story_finish(&read);
    rig_destroy(&rig);
}

static void test_the_last_that_was_durable_is_lost(void **state)
{
    struct log_rig rig;
    struct log_story read;

    (void)state;
    fill(&rig, 5);
    rig_sync(&rig);
    rig_append(&rig, ENTRY_DROP, 1); /* says that all before it was durable, and is bad itself */
    spoil(&rig, 51);
    story_read(&read, rig.media, &rig.super);
    assert_int_equal(read.damages, 0); /* nobody knows of it */
    story_finish(&read);
    spoil(&rig, 40);
    story_read(&read, rig.media, &rig.super);
    assert_int_equal(read.damages, 1); /* the first DROP, at 50, knows of the five before it */
    rig.story.count--;
    assert_without(&rig, &read, 4 * 9, 9);
    story_finish(&read);
    rig_destroy(&rig);
}

static void test_a_page_that_cannot_be_read_is_said(void **state)
{
    struct log_rig rig;
    struct log_story read;

    (void)state;
    fill(&rig, 5);
    memory_bad_page(memory_of(rig.media), rig.super.log / BLOCK + 50, true);
    story_read(&read, rig.media, &rig.super);
    assert_int_equal(read.damages, 1);
    assert_non_null(strstr(read.why, "cannot be read"));
    assert_int_equal(read.count, 45);
    story_finish(&read);
    rig_destroy(&rig);
}

static int hear(void *arg, const struct log_entry *e, uint64_t position, uint64_t epoch)
{
    (void)e;
    (void)position;
    (void)epoch;
    ++*(size_t *)arg;
    return 0;
}

/* The log goes on behind a block that was durable and is bad: who reads the block will see it. */
static void test_a_bad_block_that_was_durable_does_not_end_the_log(void **state)
{
    struct log_rig rig;
    struct log_place end;
    size_t heard = 0;
    const struct log_reader reader = { hear, NULL, &heard };

    (void)state;
    fill(&rig, 5);
    spoil(&rig, 12);
    assert_int_equal(log_read(rig.media, &rig.super, &reader, &end), 0);
    assert_int_equal(heard, rig.story.count);
    rig_destroy(&rig);
}

/* A second life that begins behind damage: it is told once more, and never of what came later. */
static void test_a_life_goes_on_behind_damage(void **state)
{
    struct log_rig rig;

    (void)state;
    fill(&rig, 60);
    spoil(&rig, SEGMENT_PAGES - 1);
    spoil(&rig, 30);
    rig_crash(&rig, memory_copy(memory_of(rig.media)));
    rig_open(&rig);
    assert_int_equal(rig.story.damages, 1);
    rig_append(&rig, ENTRY_DIRTY, 20);
    rig_sync(&rig);
    rig_crash(&rig, memory_copy(memory_of(rig.media)));
    const size_t count = rig.story.count;
    rig_open(&rig);
    assert_int_equal(rig.story.damages, 1);
    assert_int_equal(rig.story.count, count);
    rig_destroy(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads_of_a_sealed_segment_are_not_needed),
        cmocka_unit_test(test_a_bad_summary_is_not_needed),
        cmocka_unit_test(test_a_log_that_is_gone_is_damage),
        cmocka_unit_test(test_a_bad_head_is_damage_and_the_rest_is_read),
        cmocka_unit_test(test_a_whole_segment_is_lost),
        cmocka_unit_test(test_the_last_that_was_durable_is_lost),
        cmocka_unit_test(test_a_page_that_cannot_be_read_is_said),
        cmocka_unit_test(test_a_bad_block_that_was_durable_does_not_end_the_log),
        cmocka_unit_test(test_a_life_goes_on_behind_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
