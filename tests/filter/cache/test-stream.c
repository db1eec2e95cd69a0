/* test-stream.c - is a sequential run seen, and nothing else taken for one?
 * SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "stream.h"

enum { KIB = 1 << 10, MIB = 1 << 20 };

static uint64_t state;

static uint64_t random_below(uint64_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 20) % limit;
}

static void begin(struct streams *streams)
{
    const char *seed = getenv("WEIR_SEED");

    *streams = (struct streams){ 0 };
    state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    print_message("WEIR_SEED=%llu\n", (unsigned long long)state);
}

static void a_run_grows(void **unused)
{
    struct streams streams = { 0 };

    (void)unused;
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(streams_note(&streams, 5 * MIB + i * 64 * KIB, 64 * KIB),
                         (i + 1) * 64 * KIB);
    assert_int_equal(streams_note(&streams, 900 * MIB, 4 * KIB), 4 * KIB);
    assert_int_equal(streams_note(&streams, 5 * MIB + 100 * 64 * KIB, 4 * KIB), 6404 * KIB);
}

static void requests_of_other_lengths_go_on_with_it(void **unused)
{
    struct streams streams = { 0 };

    (void)unused;
    streams_note(&streams, 0, 512);
    assert_int_equal(streams_note(&streams, 512, MIB), MIB + 512);
    assert_int_equal(streams_note(&streams, MIB + 512, 1), MIB + 513);
    /* a part of it once more, and what follows */
    assert_int_equal(streams_note(&streams, MIB, 4 * KIB), MIB + 4 * KIB);
}

static void as_many_as_there_are_places_run_side_by_side(void **unused)
{
    struct streams streams = { 0 };

    (void)unused;
    for (uint64_t i = 0; i < 64; i++)
        for (uint64_t run = 0; run < STREAMS; run++)
            assert_int_equal(streams_note(&streams, run * 100 * MIB + i * 16 * KIB, 16 * KIB),
                             (i + 1) * 16 * KIB);
}

/* Random requests in between must not end it, though each takes a place. */
static void the_one_not_continued_for_longest_is_given_up(void **unused)
{
    struct streams streams;

    (void)unused;
    begin(&streams);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(streams_note(&streams, i * 4 * KIB, 4 * KIB), (i + 1) * 4 * KIB);
        for (unsigned other = 0; other < STREAMS - 1; other++)
            streams_note(&streams, (1 + random_below(1 << 20)) * 64 * MIB, 4 * KIB);
    }
    for (unsigned other = 0; other < STREAMS; other++)
        streams_note(&streams, (1 + random_below(1 << 20)) * 64 * MIB, 4 * KIB);
    assert_int_equal(streams_note(&streams, 4000 * KIB, 4 * KIB), 4 * KIB);
}

/* Each window of `depth` requests comes in any order. */
static uint64_t shuffled(struct streams *streams, unsigned depth, unsigned windows)
{
    uint64_t order[64], least = UINT64_MAX;

    for (uint64_t window = 0; window < windows; window++) {
        for (unsigned i = 0; i < depth; i++) {
            unsigned from = (unsigned)random_below(i + 1);
            order[i] = order[from];
            order[from] = window * depth + i;
        }
        for (unsigned i = 0; i < depth; i++) {
            uint64_t run = streams_note(streams, order[i] * 32 * KIB, 32 * KIB);
            if (window >= windows / 2 && run < least)
                least = run;
        }
    }
    return least;
}

static void requests_that_overtake_each_other_are_one_run(void **unused)
{
    struct streams streams;

    (void)unused;
    begin(&streams);
    for (unsigned depth = 2; depth <= 8; depth++) {
        streams = (struct streams){ 0 };
        /* each in the second half knows of all of the first but a few places */
        assert_true(shuffled(&streams, depth, 64) >= (uint64_t)(32 - 2) * depth * 32 * KIB);
    }
}

static void one_that_is_very_late_does_not_end_it(void **unused)
{
    struct streams streams = { 0 };

    (void)unused;
    for (uint64_t i = 0; i < 100; i++)
        streams_note(&streams, i * 64 * KIB, 64 * KIB);
    for (uint64_t i = 101; i < 140; i++)
        assert_int_equal(streams_note(&streams, i * 64 * KIB, 64 * KIB), i * 64 * KIB);
    assert_int_equal(streams_note(&streams, 100 * 64 * KIB, 64 * KIB), 101 * 64 * KIB);
    assert_int_equal(streams_note(&streams, 140 * 64 * KIB, 64 * KIB), 141 * 64 * KIB);
}

static void another_pass_is_another_run(void **unused)
{
    struct streams streams = { 0 };

    (void)unused;
    for (unsigned pass = 0; pass < 4; pass++)
        for (uint64_t i = 0; i < 400; i++) {
            uint64_t run = streams_note(&streams, i * 64 * KIB, 64 * KIB);
            assert_true(run >= (i + 1) * 64 * KIB);
        }
}

/* A pass that comes to where another run once began goes on as itself, not from that one's end. */
static void a_pass_over_an_older_run_stays_itself(void **unused)
{
    struct streams streams = { 0 };

    (void)unused;
    for (uint64_t i = 100; i < 300; i++)
        streams_note(&streams, i * 64 * KIB, 64 * KIB);
    for (uint64_t i = 0; i < 250; i++)
        assert_true(streams_note(&streams, i * 64 * KIB, 64 * KIB) >= (i + 1) * 64 * KIB);
}

static void the_same_place_again_and_again_is_no_run(void **unused)
{
    struct streams streams = { 0 };

    (void)unused;
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(streams_note(&streams, 12 * KIB, 4 * KIB), 4 * KIB);
    /* nor does it take the places of the others */
    for (unsigned i = 1; i < STREAMS; i++)
        assert_int_equal(streams.stream[i].length, 0);
}

/* In a hot region of a few hundred places or more, with requests of any usual length. */
static void random_requests_are_no_run(void **unused)
{
    struct streams streams;
    unsigned wrong = 0, all = 0;

    (void)unused;
    begin(&streams);
    for (uint64_t length = 4 * KIB; length <= 64 * KIB; length *= 2)
        for (uint64_t region = 16 * MIB; region <= 1024 * MIB; region *= 4) {
            streams = (struct streams){ 0 };
            for (unsigned i = 0; i < 20000; i++, all++)
                if (streams_note(&streams, random_below(region / length) * length, length) > MIB)
                    wrong++;
        }
    print_message("%u of %u random requests looked sequential\n", wrong, all);
    assert_true(wrong < all / 1000);
}

static void nothing_and_the_end_of_all_numbers_do_no_harm(void **unused)
{
    struct streams streams = { 0 };

    (void)unused;
    assert_int_equal(streams_note(&streams, 5, 0), 0);
    assert_int_equal(streams_note(&streams, UINT64_MAX - 1, 4), 0);
    assert_int_equal(streams_note(&streams, UINT64_MAX - 8, 8), 8);
    assert_int_equal(streams_note(&streams, 0, 8), 8);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_grows),
        cmocka_unit_test(requests_of_other_lengths_go_on_with_it),
        cmocka_unit_test(as_many_as_there_are_places_run_side_by_side),
        cmocka_unit_test(the_one_not_continued_for_longest_is_given_up),
        cmocka_unit_test(requests_that_overtake_each_other_are_one_run),
        cmocka_unit_test(one_that_is_very_late_does_not_end_it),
        cmocka_unit_test(another_pass_is_another_run),
        cmocka_unit_test(a_pass_over_an_older_run_stays_itself),
        cmocka_unit_test(the_same_place_again_and_again_is_no_run),
        cmocka_unit_test(random_requests_are_no_run),
        cmocka_unit_test(nothing_and_the_end_of_all_numbers_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
