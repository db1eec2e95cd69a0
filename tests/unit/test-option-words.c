/* test-option-words.c - do words stand for numbers, in and out?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"
#include "text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct config {
    int64_t weight;
    uint64_t limit;
};

static const struct weir_word weights[] = { { "low", 500 }, { "high", 2000 }, { 0 } };
static const struct weir_word automatic[] = { { "auto", 0 }, { 0 } };
static const struct weir_option table[] = {
    WEIR_OPTION_INT(struct config, weight, .fallback = "low", .min = 1, .max = 9999,
                    .words = weights, .help = "How much."),
    WEIR_OPTION_TIME(struct config, limit, .fallback = "auto", .min = 1000000, .max = 100000000,
                     .words = automatic, .help = "How long."),
    { 0 },
};

static struct weir_text text;

static const char *shown(const struct settings *s, const char *name)
{
    text_clear(&text);
    settings_print(s, name, &text);
    return text_string(&text);
}

static void words_are_values(void **state)
{
    struct settings *s = NULL;

    (void)state;
    assert_int_equal(settings_create(table, sizeof(struct config), &s, NULL), 0);
    const struct config *c = settings_config(s);
    assert_int_equal(c->weight, 500);
    assert_int_equal(c->limit, 0); /* though 0 is out of range as a number */
    assert_int_equal(settings_set(s, "weight", "high", NULL), 0);
    assert_int_equal(c->weight, 2000);
    assert_string_equal(shown(s, "weight"), "high");
    assert_int_equal(settings_set(s, "weight", "1999", NULL), 0);
    assert_string_equal(shown(s, "weight"), "1999");
    assert_int_equal(settings_set(s, "limit", "5ms", NULL), 0);
    assert_string_equal(shown(s, "limit"), "5ms");
    assert_int_equal(settings_set(s, "limit", "auto", NULL), 0);
    assert_string_equal(shown(s, "limit"), "auto");
    settings_destroy(s);
}

static void sentences_name_the_words(void **state)
{
    static const struct {
        const char *option, *value, *sentence;
        int error;
    } rows[] = {
        { "weight", "medium",
          "\"medium\" is not a whole number: option \"weight\" takes digits only, such as 16, or "
          "low, high",
          -EINVAL },
        { "weight", "0", "\"0\" is too small: option \"weight\" takes 1 to 9999, or low, high",
          -ERANGE },
        { "limit", "0ms", "\"0ms\" is too small: option \"limit\" takes 1ms to 100ms, or auto",
          -ERANGE },
    };
    struct settings *s = NULL;

    (void)state;
    assert_int_equal(settings_create(table, sizeof(struct config), &s, NULL), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        text_clear(&text);
        assert_int_equal(settings_set(s, rows[i].option, rows[i].value, &text), rows[i].error);
        assert_string_equal(text_string(&text), rows[i].sentence);
    }
    settings_destroy(s);
}

static int finish(void **state)
{
    (void)state;
    text_finish(&text);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_values),
        cmocka_unit_test(sentences_name_the_words),
    };
    return cmocka_run_group_tests_name("option-words", tests, NULL, finish);
}
