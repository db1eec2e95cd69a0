/* option-values.c - what value does a word have for an option, and how is it written?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "option-values.h"
#include "text.h"
#include "units.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { STRING_MAX = 4096 }; /* bytes of a WEIR_STRING */

/* ---- words that stand for numbers --------------------------------------------- */

static bool find_word(const struct weir_option *row, const char *text, struct option_value *ret)
{
    for (const struct weir_word *w = row->words; w && w->word; w++)
        if (!strcmp(text, w->word)) {
            ret->i = w->value;
            ret->u = (uint64_t)w->value;
            return true;
        }
    return false;
}

static const char *word_for(const struct weir_option *row, const struct option_value *value)
{
    for (const struct weir_word *w = row->words; w && w->word; w++)
        if (row->type == WEIR_INT ? value->i == w->value : value->u == (uint64_t)w->value)
            return w->word;
    return NULL;
}

/* ", or low, normal, high" */
static void print_words(const struct weir_option *row, struct weir_text *text)
{
    for (const struct weir_word *w = row->words; w && w->word; w++)
        weir_print(text, "%s%s", w == row->words ? ", or " : ", ", w->word);
}

static bool has_range(const struct weir_option *row)
{
    return row->min || row->max;
}

/* A table that says only .min has no upper end. */
static bool has_top(const struct weir_option *row)
{
    return row->max >= row->min && has_range(row);
}

/* ---- what a wrong word is answered with -------------------------------------- */

/* Quotes the word, but never a secret. */
static void quote(const struct weir_option *row, const char *text, struct weir_text *why)
{
    if (row->flags & WEIR_SECRET)
        weir_print(why, "the value");
    else
        weir_print(why, "\"%s\"", text);
}

static int not_a(const struct weir_option *row, const char *text, const char *kind,
                 const char *remedy, struct weir_text *why)
{
    quote(row, text, why);
    weir_print(why, " is not %s: option \"%s\" takes %s", kind, row->name, remedy);
    print_words(row, why);
    return -EINVAL;
}

static int out_of_range(const struct weir_option *row, const char *text, bool large,
                        struct weir_text *why)
{
    quote(row, text, why);
    weir_print(why, " is too %s", large ? "large" : "small");
    if (has_range(row)) {
        weir_print(why, ": option \"%s\" takes ", row->name);
        range_print(row, why);
    } else {
        weir_print(why, " for option \"%s\"", row->name);
    }
    return -ERANGE;
}

bool range_print(const struct weir_option *row, struct weir_text *text)
{
    struct weir_option number = *row; /* of the ends themselves, not of words for them */
    number.words = NULL;
    struct option_value low = { .i = row->min, .u = (uint64_t)row->min, .d = (double)row->min };
    struct option_value high = { .i = row->max, .u = (uint64_t)row->max, .d = (double)row->max };

    if (!has_range(row))
        return false;
    if (!has_top(row))
        weir_print(text, "at least ");
    /* 0 in the range of a rate is nothing, not "max" */
    if (row->type == WEIR_RATE && !low.u)
        weir_print(text, "0");
    else
        value_print(&number, &low, text);
    if (has_top(row)) {
        weir_print(text, " to ");
        value_print(&number, &high, text);
    }
    if (row->type == WEIR_RATE)
        weir_print(text, ", or max");
    print_words(row, text);
    return true;
}

/* ---- one function per kind of value ------------------------------------------ */

static int parse_bool(const struct weir_option *row, const char *text, struct option_value *ret,
                      struct weir_text *why)
{
    static const char *const words[] = { "false", "off", "no", "0", "true", "on", "yes", "1" };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!strcasecmp(text, words[i])) {
            ret->i = i >= 4;
            return 0;
        }
    }
    return not_a(row, text, "a truth value", "true or false (on, off, yes and no are the same)",
                 why);
}

static int parse_int(const struct weir_option *row, const char *text, struct option_value *ret,
                     struct weir_text *why)
{
    const char *digits = text + (*text == '-' || *text == '+');
    char *end;

    if (!*digits || strspn(digits, "0123456789") != strlen(digits))
        return not_a(row, text, "a whole number", "digits only, such as 16", why);
    errno = 0;
    ret->i = strtoll(text, &end, 10);
    if (errno == ERANGE)
        return out_of_range(row, text, ret->i > 0, why);
    if (has_range(row) && ret->i < row->min)
        return out_of_range(row, text, false, why);
    if (has_top(row) && ret->i > row->max)
        return out_of_range(row, text, true, why);
    return 0;
}

/* Sizes, times and rates: the same but for the units. */
static int parse_amount(const struct weir_option *row, const char *text, struct option_value *ret,
                        struct weir_text *why)
{
    int err;

    if (row->type == WEIR_SIZE) {
        err = parse_size(text, &ret->u);
        if (err == -EINVAL)
            return not_a(row, text, "a size", "a number with a unit, such as 64K, 20G or 1T", why);
    } else if (row->type == WEIR_TIME) {
        err = parse_time(text, &ret->u);
        if (err == -EINVAL)
            return not_a(row, text, "a time", "a number with a unit, such as 500us, 5ms, 30s or 1h",
                         why);
    } else {
        err = parse_rate(text, &ret->u);
        if (err == -EINVAL)
            return not_a(row, text, "a rate",
                         "a number per second, such as 500, 10k or 64MiB, or max", why);
        if (!err && ret->u == 0) /* "max" is beyond any range */
            return 0;
    }
    if (err)
        return out_of_range(row, text, true, why);
    if (has_range(row) && row->min > 0 && ret->u < (uint64_t)row->min)
        return out_of_range(row, text, false, why);
    if (has_top(row) && ret->u > (uint64_t)row->max)
        return out_of_range(row, text, true, why);
    return 0;
}

static int parse_ratio(const struct weir_option *row, const char *text, struct option_value *ret,
                       struct weir_text *why)
{
    size_t length = strlen(text), digits = strspn(text, "+-0123456789.eE");
    bool percent = length > 1 && text[length - 1] == '%';
    char *end = NULL;

    /* by the C locale, whatever the program's; what libc calls a number is too much:
     * no hexadecimals, no infinity */
    locale_t plain = newlocale(LC_ALL_MASK, "C", NULL);
    if (plain) {
        ret->d = strtod_l(text, &end, plain);
        freelocale(plain);
    }
    if (!end || end == text || end != text + digits || digits + percent != length ||
        !strpbrk(text, "0123456789"))
        return not_a(row, text, "a ratio", "a number such as 0.5 or 50%", why);
    if (percent)
        ret->d /= 100;
    if (!isfinite(ret->d) || (has_top(row) && ret->d > (double)row->max))
        return out_of_range(row, text, ret->d > 0, why);
    if (has_range(row) && ret->d < (double)row->min)
        return out_of_range(row, text, false, why);
    return 0;
}

static int parse_string(const struct weir_option *row, const char *text, struct option_value *ret,
                        struct weir_text *why)
{
    size_t length = strlen(text);

    if (length > STRING_MAX) {
        weir_print(why, "the value of option \"%s\" has %zu bytes: it takes at most %d", row->name,
                   length, STRING_MAX);
        return -ERANGE;
    }
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            weir_print(why,
                       "the value of option \"%s\" contains the control character 0x%02x: it "
                       "takes one line of text",
                       row->name, (unsigned)(unsigned char)*c);
            return -EINVAL;
        }
    }
    ret->s = text;
    return 0;
}

static int parse_choice(const struct weir_option *row, const char *text, struct option_value *ret,
                        struct weir_text *why)
{
    for (int i = 0; row->choices[i]; i++) {
        if (!strcmp(text, row->choices[i])) {
            ret->i = i;
            return 0;
        }
    }
    const char *near = nearest_word(text, row->choices);
    not_a(row, text, "a choice", option_type_name(row), why);
    if (near && !(row->flags & WEIR_SECRET))
        weir_print(why, "; did you mean \"%s\"?", near);
    return -EINVAL;
}

int value_parse(const struct weir_option *row, const char *text, struct option_value *ret,
                struct weir_text *why)
{
    *ret = (struct option_value){ 0 };
    if (find_word(row, text, ret))
        return 0;
    switch (row->type) {
    case WEIR_BOOL:
        return parse_bool(row, text, ret, why);
    case WEIR_INT:
        return parse_int(row, text, ret, why);
    case WEIR_SIZE:
    case WEIR_TIME:
    case WEIR_RATE:
        return parse_amount(row, text, ret, why);
    case WEIR_RATIO:
        return parse_ratio(row, text, ret, why);
    case WEIR_STRING:
        return parse_string(row, text, ret, why);
    case WEIR_CHOICE:
        return parse_choice(row, text, ret, why);
    }
    return -EINVAL;
}

/* The shortest decimal that reads back as the same number. */
static void print_ratio(double value, struct weir_text *text)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", NULL);
    locale_t before = plain ? uselocale(plain) : (locale_t)0;
    char word[40];

    for (int digits = 6; digits <= 17; digits++) {
        snprintf(word, sizeof word, "%.*g", digits, value);
        if (strtod(word, NULL) == value)
            break;
    }
    if (plain) {
        uselocale(before);
        freelocale(plain);
    }
    weir_print(text, "%s", word);
}

void value_print(const struct weir_option *row, const struct option_value *value,
                 struct weir_text *text)
{
    const char *word = word_for(row, value);

    if (word) {
        weir_print(text, "%s", word);
        return;
    }
    switch (row->type) {
    case WEIR_BOOL:
        weir_print(text, "%s", value->i ? "true" : "false");
        break;
    case WEIR_INT:
        weir_print(text, "%lld", (long long)value->i);
        break;
    case WEIR_SIZE:
        print_size(value->u, text);
        break;
    case WEIR_TIME:
        print_time(value->u, text);
        break;
    case WEIR_RATE:
        print_rate(value->u, text);
        break;
    case WEIR_RATIO:
        print_ratio(value->d, text);
        break;
    case WEIR_STRING:
        weir_print(text, "%s", value->s);
        break;
    case WEIR_CHOICE:
        weir_print(text, "%s", row->choices[value->i]);
        break;
    }
}
