/* test-generation.c - what follows from two lineages, and do they survive being written?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether that is right is for test-two-sites.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "encode.h"
#include "generation.h"

#include <stdlib.h>

/* Generations as they were begun: id, end of the one before, … */
static struct lineage lineage(unsigned count, const uint64_t (*began)[2])
{
    struct lineage l = { 0 };

    for (unsigned i = 0; i < count; i++)
        lineage_begin(&l, began[i][0], began[i][1]);
    return l;
}
#define LINEAGE(...)                                                                               \
    lineage(sizeof((uint64_t[][2]){ __VA_ARGS__ }) / 16, (const uint64_t[][2]){ __VA_ARGS__ })

static void assert_lineage(const struct lineage *l, unsigned count, const uint64_t (*want)[2])
{
    assert_int_equal(l->count, count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(l->list[i].id, want[i][0]);
        if (i)
            assert_int_equal(l->list[i].end, want[i][1]);
    }
}
#define ASSERT_LINEAGE(l, ...)                                                                     \
    assert_lineage((l), sizeof((uint64_t[][2]){ __VA_ARGS__ }) / 16,                               \
                   (const uint64_t[][2]){ __VA_ARGS__ })

/* ---- beginning --------------------------------------------------------------- */

static void test_the_newest_is_first(void **state)
{
    struct lineage l = LINEAGE({ 1, 99 }, { 2, 10 }, { 3, 30 }, { 4, 30 });

    (void)state;
    ASSERT_LINEAGE(&l, { 4, 0 }, { 3, 30 }, { 2, 30 }, { 1, 10 });
}

static void test_the_oldest_is_forgotten(void **state)
{
    struct lineage l = { 0 };

    (void)state;
    for (uint64_t id = 1; id <= GENERATIONS + 3; id++)
        lineage_begin(&l, id, id * 10);
    assert_int_equal(l.count, GENERATIONS);
    assert_int_equal(l.list[0].id, GENERATIONS + 3);
    assert_int_equal(l.list[1].end, (GENERATIONS + 3) * 10);
    assert_int_equal(l.list[GENERATIONS - 1].id, 4);
    assert_int_equal(l.list[GENERATIONS - 1].end, 50);
}

/* A target that is promoted at an older point, or before it had caught up. */
static void test_what_began_behind_the_end_is_taken_back(void **state)
{
    struct lineage l = LINEAGE({ 1, 0 }, { 2, 10 }, { 3, 30 });

    (void)state;
    lineage_begin(&l, 4, 29); /* within 2: so 3 never was */
    ASSERT_LINEAGE(&l, { 4, 0 }, { 2, 29 }, { 1, 10 });
    lineage_begin(&l, 5, 5);
    ASSERT_LINEAGE(&l, { 5, 0 }, { 1, 5 });
    lineage_begin(&l, 6, 5); /* 5 began there, and has no write */
    ASSERT_LINEAGE(&l, { 6, 0 }, { 5, 5 }, { 1, 5 });
    lineage_begin(&l, 7, 0);
    ASSERT_LINEAGE(&l, { 7, 0 }, { 1, 0 });
}

/* A target that comes and goes, and takes nothing. */
static void test_generations_that_the_target_has_nothing_of_are_merged(void **state)
{
    struct lineage l = LINEAGE({ 1, 0 }, { 2, 10 }, { 3, 30 }, { 4, 40 }, { 5, 50 });
    struct lineage few = LINEAGE({ 1, 0 }, { 2, 10 });

    (void)state;
    lineage_merge(&l, 41); /* 4 has begun there */
    ASSERT_LINEAGE(&l, { 5, 0 }, { 4, 50 }, { 3, 40 }, { 2, 30 }, { 1, 10 });
    lineage_merge(&l, 40); /* not yet: 5 begins where 3 ended */
    ASSERT_LINEAGE(&l, { 5, 0 }, { 3, 40 }, { 2, 30 }, { 1, 10 });
    lineage_merge(&l, 11);
    ASSERT_LINEAGE(&l, { 5, 0 }, { 2, 30 }, { 1, 10 });
    lineage_merge(&l, 1);
    lineage_merge(&few, 1); /* nothing is between them */
    ASSERT_LINEAGE(&l, { 5, 0 }, { 1, 10 });
    ASSERT_LINEAGE(&few, { 2, 0 }, { 1, 10 });
}

static void test_the_newest_is_told_last(void **state)
{
    struct lineage l = LINEAGE({ 1, 0 }, { 2, 10 }, { 3, 30 });

    (void)state;
    lineage_untell(&l, false);
    ASSERT_LINEAGE(&l, { 3, 0 }, { 2, 30 }, { 1, 10 });
    lineage_untell(&l, true);
    ASSERT_LINEAGE(&l, { 2, 0 }, { 1, 10 });
    assert_int_equal(l.list[0].end, 0);
    lineage_untell(&l, true);
    lineage_untell(&l, true); /* one it must have */
    ASSERT_LINEAGE(&l, { 1, 0 });
}

/* ---- comparing --------------------------------------------------------------- */

static void assert_kin(struct lineage source, uint64_t source_lsn, struct lineage target,
                       uint64_t target_lsn, enum kinship want, struct fork fork)
{
    struct fork got = { .common = 4711 };
    const enum kinship k = lineage_compare(&source, source_lsn, &target, target_lsn, &got);

    assert_string_equal(kinship_name(k), kinship_name(want));
    assert_int_equal(got.common, fork.common);
    assert_int_equal(got.lsn, fork.lsn);
    assert_int_equal(got.source_lost, fork.source_lost);
    assert_int_equal(got.target_lost, fork.target_lost);
    assert_int_equal(lineage_compare(&source, source_lsn, &target, target_lsn, NULL), k);
}

static void test_who_is_what_to_whom(void **state)
{
    const struct lineage none = { 0 };
    const struct lineage a = LINEAGE({ 1, 0 });
    const struct lineage a10_b = LINEAGE({ 1, 0 }, { 2, 10 });
    const struct lineage a10_c = LINEAGE({ 1, 0 }, { 3, 10 });
    const struct lineage a8_c = LINEAGE({ 1, 0 }, { 3, 8 });
    const struct lineage a8_c20_d = LINEAGE({ 1, 0 }, { 3, 8 }, { 4, 20 });
    const struct lineage other = LINEAGE({ 9, 0 });
    const struct fork nothing = { 0 };

    (void)state;
    assert_kin(a, 10, none, 0, KIN_NEW, nothing);
    assert_kin(none, 0, none, 0, KIN_NEW, nothing);
    assert_kin(none, 0, a, 10, KIN_UNRELATED, nothing);
    assert_kin(a, 10, none, 5, KIN_UNRELATED, nothing); /* it holds something, of nobody */
    assert_kin(a, 10, other, 10, KIN_UNRELATED, nothing);

    assert_kin(a, 10, a, 10, KIN_SAME, (struct fork){ 1, 10, 0, 0 });
    assert_kin(a, 10, a, 7, KIN_SAME, (struct fork){ 1, 7, 3, 0 });
    assert_kin(a, 10, a, 11, KIN_FORK, (struct fork){ 1, 10, 0, 1 }); /* the source was set back */
    assert_kin(a10_b, 12, a10_b, 4, KIN_SAME, (struct fork){ 2, 4, 8, 0 });

    assert_kin(a10_b, 12, a, 10, KIN_BEHIND, (struct fork){ 1, 10, 2, 0 });
    assert_kin(a10_b, 12, a, 3, KIN_BEHIND, (struct fork){ 1, 3, 9, 0 });
    assert_kin(a10_b, 12, a, 11, KIN_FORK, (struct fork){ 1, 10, 2, 1 });

    assert_kin(a, 10, a10_c, 15, KIN_PROMOTED, (struct fork){ 1, 10, 0, 5 });
    assert_kin(a, 9, a10_c, 10, KIN_PROMOTED, (struct fork){ 1, 9, 0, 1 });
    assert_kin(a, 11, a10_c, 15, KIN_FORK, (struct fork){ 1, 10, 1, 5 });
    assert_kin(a, 11, a10_c, 10, KIN_FORK, (struct fork){ 1, 10, 1, 0 });
    assert_kin(a, 8, a8_c20_d, 25, KIN_PROMOTED, (struct fork){ 1, 8, 0, 17 });

    assert_kin(a10_b, 12, a8_c, 9, KIN_FORK, (struct fork){ 1, 8, 4, 1 });
    assert_kin(a10_b, 12, a10_c, 10, KIN_FORK, (struct fork){ 1, 10, 2, 0 });
    assert_kin(a10_b, 10, a10_c, 15, KIN_FORK, (struct fork){ 1, 10, 0, 5 });
    assert_kin(a8_c, 12, a8_c20_d, 22, KIN_PROMOTED, (struct fork){ 3, 12, 0, 10 });
}

/* Its end there says what the generation was, not what this site holds of it. */
static void test_a_promoted_target_that_lags_does_not_have_it_all(void **state)
{
    const struct lineage source = LINEAGE({ 1, 0 }, { 2, 10 });
    const struct lineage target = LINEAGE({ 1, 0 }, { 2, 10 }, { 3, 20 });

    (void)state;
    assert_kin(source, 18, target, 15, KIN_FORK, (struct fork){ 2, 15, 3, 0 });
    assert_kin(source, 18, target, 20, KIN_PROMOTED, (struct fork){ 2, 18, 0, 2 });
}

static void test_what_was_forgotten_is_not_guessed(void **state)
{
    const struct lineage old = LINEAGE({ 1, 0 });
    struct lineage l = LINEAGE({ 1, 0 });

    (void)state;
    for (uint64_t id = 2; id <= GENERATIONS; id++)
        lineage_begin(&l, id, id);
    assert_kin(l, 99, old, 2, KIN_BEHIND, (struct fork){ 1, 2, 97, 0 });
    lineage_begin(&l, 50, 50);
    assert_kin(l, 99, old, 2, KIN_UNRELATED, (struct fork){ 0 });
}

static void test_what_flows(void **state)
{
    const enum kinship flows[] = { KIN_NEW, KIN_SAME, KIN_BEHIND };
    const enum kinship waits[] = { KIN_PROMOTED, KIN_FORK, KIN_UNRELATED };

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_true(kinship_flows(flows[i]));
        assert_false(kinship_flows(waits[i]));
    }
    assert_string_equal(kinship_name(KIN_NEW), "new");
    assert_string_equal(kinship_name(KIN_SAME), "same");
    assert_string_equal(kinship_name(KIN_BEHIND), "behind");
    assert_string_equal(kinship_name(KIN_PROMOTED), "promoted");
    assert_string_equal(kinship_name(KIN_FORK), "fork");
    assert_string_equal(kinship_name(KIN_UNRELATED), "unrelated");
}

/* ---- as bytes ---------------------------------------------------------------- */

static void test_a_lineage_comes_back(void **state)
{
    struct lineage l = { 0 }, back;
    uint8_t bytes[LINEAGE_BYTES];

    (void)state;
    for (uint64_t id = 1; id <= GENERATIONS + 1; id++) {
        memset(bytes, 0xff, sizeof(bytes));
        lineage_write(&l, bytes);
        assert_true(lineage_read(bytes, &back));
        assert_int_equal(back.count, l.count);
        for (unsigned i = 0; i < l.count; i++) {
            assert_int_equal(back.list[i].id, l.list[i].id);
            assert_int_equal(back.list[i].end, i ? l.list[i].end : 0);
        }
        lineage_begin(&l, id << 40, id * 3);
    }
    l.list[0].end = 12345; /* of the present one: nobody's business */
    lineage_write(&l, bytes);
    assert_int_equal(get32(bytes), GENERATIONS);
    assert_int_equal(get64(bytes + 8), (uint64_t)(GENERATIONS + 1) << 40);
    assert_int_equal(get64(bytes + 16), 0);
    assert_int_equal(get64(bytes + 32), (GENERATIONS + 1) * 3);
}

static void bend(size_t at, uint64_t value, size_t size)
{
    const struct lineage l = LINEAGE({ 1, 0 }, { 2, 10 }, { 3, 30 });
    struct lineage back;
    uint8_t bytes[LINEAGE_BYTES];

    lineage_write(&l, bytes);
    assert_true(lineage_read(bytes, &back));
    for (size_t i = 0; i < size; i++)
        bytes[at + i] = (uint8_t)(value >> 8 * i);
    assert_false(lineage_read(bytes, &back));
}

static void test_lineages_that_cannot_be(void **state)
{
    (void)state;
    bend(0, GENERATIONS + 1, 4);
    bend(0, UINT32_MAX, 4);
    bend(0, 2, 4); /* something behind the end */
    bend(0, 4, 4); /* a generation without an id */
    bend(4, 1, 4);
    bend(8, 0, 8);  /* id */
    bend(8, 1, 8);  /* one that is there already */
    bend(16, 1, 8); /* the present one has no end */
    bend(32, 9, 8); /* ended before the one before it did */
    bend(LINEAGE_BYTES - 1, 1, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_newest_is_first),
        cmocka_unit_test(test_the_oldest_is_forgotten),
        cmocka_unit_test(test_what_began_behind_the_end_is_taken_back),
        cmocka_unit_test(test_generations_that_the_target_has_nothing_of_are_merged),
        cmocka_unit_test(test_the_newest_is_told_last),
        cmocka_unit_test(test_who_is_what_to_whom),
        cmocka_unit_test(test_a_promoted_target_that_lags_does_not_have_it_all),
        cmocka_unit_test(test_what_was_forgotten_is_not_guessed),
        cmocka_unit_test(test_what_flows),
        cmocka_unit_test(test_a_lineage_comes_back),
        cmocka_unit_test(test_lineages_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
