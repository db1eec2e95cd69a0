/* test-index.c - does the index say what was put into it, and nothing else?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "index.h"
#include "random.h"

enum { PLACES = 10007, KEYS = 3 * PLACES, OPERATIONS = 1000000, PAIR = 3 * INDEX_WAYS };

static struct places places;
static uint32_t where[KEYS];    /* NOWHERE: the key is not in */
static uint32_t key_at[PLACES]; /* KEYS: the place is empty */

static uint64_t key_of(uint32_t k)
{
    return k * 0x9e3779b97f4a7c15u & NAME_KEY;
}

static void make(struct index *index, uint32_t count, uint64_t seed)
{
    places.name = calloc((size_t)count * NAME_BYTES + sizeof(uint64_t), 1);
    places.crc = NULL;
    assert_non_null(places.name);
    assert_int_equal(index_init(index, &places, count, seed), 0);
}

static void unmake(struct index *index)
{
    index_finish(index);
    free(places.name);
}

static void take(struct index *index, uint32_t place, uint64_t key)
{
    place_set_name(&places, place, name_make(key, NAME_CURRENT, 0));
    index_add(index, place);
}

static void check_one(const struct index *index, uint32_t k)
{
    assert_int_equal(index_find(index, key_of(k)), where[k]);
}

/* One random change; the share of places that are taken goes up and down between none and all. */
static void change(struct index *index, bool filling)
{
    uint32_t k = random_below(KEYS), place = random_below(PLACES);

    check_one(index, k);
    if (where[k] == NOWHERE && key_at[place] == KEYS && filling) {
        take(index, place, key_of(k));
        where[k] = place, key_at[place] = k;
    } else if (where[k] != NOWHERE && key_at[place] == KEYS) {
        uint32_t from = where[k];
        place_set_name(&places, place, place_name(&places, from));
        index_move(index, from, place, key_of(k));
        place_set_name(&places, from, 0);
        key_at[from] = KEYS, where[k] = place, key_at[place] = k;
    } else if (where[k] != NOWHERE && !filling) {
        index_remove(index, where[k], key_of(k));
        place_set_name(&places, where[k], 0);
        key_at[where[k]] = KEYS, where[k] = NOWHERE;
    }
    check_one(index, k);
}

static void test_a_million_changes_against_a_table(void **state)
{
    struct index index;

    (void)state;
    make(&index, PLACES, random_begin());
    for (uint32_t k = 0; k < KEYS; k++)
        where[k] = NOWHERE;
    for (uint32_t place = 0; place < PLACES; place++)
        key_at[place] = KEYS;
    for (int i = 0; i < OPERATIONS; i++) {
        change(&index, i / (OPERATIONS / 10) % 2 == 0);
        if (i % (OPERATIONS / 20) == 0)
            for (uint32_t k = 0; k < KEYS; k++)
                check_one(&index, k);
    }
    unmake(&index);
}

static void test_every_place_can_be_taken(void **state)
{
    static const uint32_t counts[] = { 1, 2, 15, 16, 17, 31, 32, 33, 255, 256, 4095, 4096, 100000 };

    (void)state;
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct index index;
        make(&index, counts[c], c);
        for (uint32_t k = 0; k < counts[c]; k++)
            take(&index, k, key_of(k));
        for (uint32_t k = 0; k < counts[c]; k++)
            assert_int_equal(index_find(&index, key_of(k)), k);
        for (uint32_t k = counts[c]; k < 2 * counts[c]; k++)
            assert_int_equal(index_find(&index, key_of(k)), NOWHERE);
        assert_true(counts[c] < 100000 || index_memory(&index) <= 4.2 * counts[c]);
        unmake(&index);
    }
}

/* More keys than two buckets hold, all of which belong into just these: who knows the seed can do
 * that. */
static void test_keys_that_collide_are_found_with_another_seed(void **state)
{
    static uint64_t keys[PAIR];
    struct index index;
    int found = 0;

    (void)state;
    make(&index, 1000, 1);
    for (uint64_t key = 0; found < PAIR; key++) {
        uint64_t hash = key_hash(key, 1);
        uint32_t one = hash_below((uint32_t)(hash >> 32), index.buckets);
        uint32_t other = hash_below((uint32_t)hash, index.buckets);
        if (one + other == 5 && (one == 2 || one == 3))
            keys[found++] = key;
    }
    for (uint32_t i = 0; i < PAIR; i++)
        take(&index, i, keys[i]);
    assert_true(index.refills > 0);
    for (uint32_t i = 0; i < PAIR; i++)
        assert_int_equal(index_find(&index, keys[i]), i);
    unmake(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_million_changes_against_a_table),
        cmocka_unit_test(test_every_place_can_be_taken),
        cmocka_unit_test(test_keys_that_collide_are_found_with_another_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
