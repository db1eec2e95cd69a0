/* test-units.c - what do sizes and times mean, and which word was meant?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"
#include "text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- units ------------------------------------------------------------------- */

static void sizes_are_binary(void **state)
{
    static const struct {
        const char *word;
        int err;
        uint64_t bytes;
    } cases[] = {
        { "0", 0, 0 },
        { "512", 0, 512 },
        { "512B", 0, 512 },
        { "4k", 0, 4096 },
        { "4K", 0, 4096 },
        { "4KB", 0, 4096 },
        { "4KiB", 0, 4096 },
        { "20G", 0, 20ull << 30 },
        { "20 GiB", 0, 20ull << 30 },
        { "1.5T", 0, 3ull << 39 },
        { "2P", 0, 2ull << 50 },
        { "8191P", 0, 8191ull << 50 },
        { "9223372036854775807", 0, INT64_MAX },
        { "8192P", -ERANGE, 0 },
        { "9223372036854775808", -ERANGE, 0 },
        { "99999999999999999999999", -ERANGE, 0 },
        { "0.3K", -EINVAL, 0 },
        { "1.", -EINVAL, 0 },
        { ".", -EINVAL, 0 },
        { "", -EINVAL, 0 },
        { "K", -EINVAL, 0 },
        { "-1", -EINVAL, 0 },
        { "+1", -EINVAL, 0 },
        { "1e3", -EINVAL, 0 },
        { "0x10", -EINVAL, 0 },
        { "10X", -EINVAL, 0 },
        { "10KK", -EINVAL, 0 },
        { "10iB", -EINVAL, 0 },
        { "10BB", -EINVAL, 0 },
        { " 10", -EINVAL, 0 },
        { "10 ", 0, 10 },
        { "1.2.3", -EINVAL, 0 },
        { "10K ", -EINVAL, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t bytes = 0;
        int err = parse_size(cases[i].word, &bytes);
        if (err != cases[i].err || bytes != cases[i].bytes)
            fail_msg("\"%s\" gives %d and %llu", cases[i].word, err, (unsigned long long)bytes);
    }
}

static void times_carry_their_unit(void **state)
{
    static const struct {
        const char *word;
        int err;
        uint64_t ns;
    } cases[] = {
        { "0", 0, 0 },
        { "7ns", 0, 7 },
        { "500us", 0, 500000 },
        { "5ms", 0, 5000000 },
        { "1.5s", 0, 1500000000 },
        { "30s", 0, 30000000000 },
        { "2m", 0, 120000000000 },
        { "1h", 0, 3600000000000 },
        { "1 h", 0, 3600000000000 },
        { "5", -EINVAL, 0 },
        { "0.5ns", -EINVAL, 0 },
        { "-5ms", -EINVAL, 0 },
        { "5d", -EINVAL, 0 },
        { "ms", -EINVAL, 0 },
        { "99999999h", -ERANGE, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t ns = 0;
        int err = parse_time(cases[i].word, &ns);
        if (err != cases[i].err || ns != cases[i].ns)
            fail_msg("\"%s\" gives %d and %llu", cases[i].word, err, (unsigned long long)ns);
    }
}

static void sizes_and_times_print_what_they_read(void **state)
{
    static const char *const sizes[] = { "0", "512", "4K", "20G", "1536G", "7P", "1025", NULL };
    static const char *const spans[] = { "0s", "1ns", "15us", "5ms", "90s", "2m", "3h", NULL };
    struct weir_text text = { 0 };
    uint64_t value;

    (void)state;
    for (const char *const *w = sizes; *w; w++) {
        assert_int_equal(parse_size(*w, &value), 0);
        text_clear(&text);
        print_size(value, &text);
        assert_string_equal(text_string(&text), *w);
    }
    for (const char *const *w = spans; *w; w++) {
        assert_int_equal(parse_time(*w, &value), 0);
        text_clear(&text);
        print_time(value, &text);
        assert_string_equal(text_string(&text), *w);
    }
    text_finish(&text);
}

/* ---- words ------------------------------------------------------------------- */

static void the_nearest_word_is_found(void **state)
{
    static const char *const words[] = { "gold", "silver", "bronze", "vm", NULL };

    (void)state;
    assert_string_equal(nearest_word("glod", words), "gold");
    assert_string_equal(nearest_word("Gold", words), "gold");
    assert_string_equal(nearest_word("sliver", words), "silver");
    assert_string_equal(nearest_word("brnz", words), "bronze");
    assert_null(nearest_word("xx", words));
    assert_null(nearest_word("vn", words)); /* a third of two letters is none */
    assert_null(nearest_word("iron", words));
    assert_null(nearest_word("", words));
    assert_null(nearest_word("gold", NULL));
    char *longest = calloc(1, 4001);
    memset(longest, 'g', 4000);
    assert_null(nearest_word(longest, words));
    free(longest);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_binary),
        cmocka_unit_test(times_carry_their_unit),
        cmocka_unit_test(sizes_and_times_print_what_they_read),
        cmocka_unit_test(the_nearest_word_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
