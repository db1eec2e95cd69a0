/* option-tables.c - is this option table one that a parser can work with, and how is it described?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "option-tables.h"
#include "option-values.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static size_t field_size(enum weir_type type)
{
    switch (type) {
    case WEIR_BOOL:
        return sizeof(bool);
    case WEIR_CHOICE:
        return sizeof(int);
    case WEIR_STRING:
        return sizeof(char *);
    case WEIR_RATIO:
        return sizeof(double);
    case WEIR_INT:
    case WEIR_SIZE:
    case WEIR_TIME:
    case WEIR_RATE:
        return sizeof(uint64_t);
    }
    return 0;
}

static bool is_amount(enum weir_type type)
{
    return type == WEIR_SIZE || type == WEIR_TIME || type == WEIR_RATE;
}

/* ---- checking ---------------------------------------------------------------- */

static int wrong(const struct weir_option *row, struct weir_text *why, const char *sentence)
{
    weir_print(why, "option \"%s\" of the table %s", row->name, sentence);
    return -EINVAL;
}

/* A key of libconfig, a file name and part of a metric's name at once.  Tables of the core
 * may have dots, for keys in groups; the loader allows a filter none. */
static bool good_name(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

    return *name && strchr(letters, *name) &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.") == strlen(name) &&
           strlen(name) <= 64;
}

static int check_choices(const struct weir_option *row, struct weir_text *why)
{
    if (row->type != WEIR_CHOICE)
        return row->choices ? wrong(row, why, "has choices but is no WEIR_CHOICE") : 0;
    if (!row->choices || !row->choices[0])
        return wrong(row, why, "is a choice without choices");
    for (const char *const *a = row->choices; *a; a++) {
        for (const char *const *b = row->choices; b < a; b++) {
            if (!strcmp(*a, *b))
                return wrong(row, why, "has the same choice twice");
        }
    }
    return 0;
}

static int check_fallback(const struct weir_option *row, struct weir_text *why)
{
    struct weir_text reason = { 0 };
    struct option_value value;

    if (row->flags & WEIR_REQUIRED)
        return row->fallback ? wrong(row, why, "is required and has a default") : 0;
    if (!row->fallback) {
        /* nothing said is zero, which must be a value that the option could have */
        if (row->type == WEIR_RATE || (row->min <= 0 && (row->max >= 0 || row->max < row->min)))
            return 0;
        return wrong(row, why, "has no default and 0 is out of its range");
    }
    if (!value_parse(row, row->fallback, &value, &reason))
        return 0;
    weir_print(why, "the default of option \"%s\" of the table is wrong: %s", row->name,
               text_string(&reason));
    text_finish(&reason);
    return -EINVAL;
}

static int check_row(const struct weir_option *row, size_t config_size, struct weir_text *why)
{
    size_t size = field_size(row->type);

    if (!size)
        return wrong(row, why, "has a type that this gateway does not know");
    if (!good_name(row->name))
        return wrong(row, why, "has a bad name: it takes a-z, 0-9, _ and -, a letter first");
    if (row->at > config_size || size > config_size - row->at)
        return wrong(row, why, "lies outside of the config struct");
    if (row->at % size)
        return wrong(row, why, "lies at an unaligned place of the config struct");
    if (row->flags & ~(unsigned)(WEIR_LIVE | WEIR_REQUIRED | WEIR_SECRET | WEIR_NAMES_POOL))
        return wrong(row, why, "has flags that this gateway does not know");
    if ((row->flags & WEIR_NAMES_POOL) && row->type != WEIR_STRING)
        return wrong(row, why, "names a pool but is no WEIR_STRING");
    if ((row->flags & WEIR_NAMES_POOL) && row->fallback && *row->fallback)
        return wrong(row, why, "names a pool that nobody may have");
    if (row->max < row->min && row->max != 0)
        return wrong(row, why, "has a maximum below its minimum");
    if (is_amount(row->type) && (row->min < 0 || row->max < 0))
        return wrong(row, why, "has a negative range");
    int err = check_choices(row, why);
    return err ? err : check_fallback(row, why);
}

int option_table_check(const struct weir_option *rows, size_t config_size, struct weir_text *why)
{
    for (const struct weir_option *row = rows; row && row->name; row++) {
        int err = check_row(row, config_size, why);
        if (err)
            return err;
        if (option_find(rows, row->name) != row)
            return wrong(row, why, "is there twice");
    }
    return 0;
}

/* ---- describing -------------------------------------------------------------- */

const char *option_type_name(const struct weir_option *row)
{
    /* only choices need room: good until the thread's next call */
    static _Thread_local char words[512];
    size_t used = 0;

    switch (row->type) {
    case WEIR_BOOL:
        return "true or false";
    case WEIR_INT:
        return "integer";
    case WEIR_SIZE:
        return "size";
    case WEIR_TIME:
        return "time";
    case WEIR_RATE:
        return "rate";
    case WEIR_RATIO:
        return "ratio";
    case WEIR_STRING:
        return row->flags & WEIR_NAMES_POOL ? "name of a pool" : "string";
    case WEIR_CHOICE:
        break;
    }
    for (const char *const *c = row->choices; c && *c && used < sizeof words; c++)
        used += (size_t)snprintf(words + used, sizeof words - used, "%s%s", used ? ", " : "one of ",
                                 *c);
    return words;
}

void option_describe(const struct weir_option *row, struct weir_text *text)
{
    struct weir_text range = { 0 };

    weir_print(text, "%s", option_type_name(row));
    if (row->type != WEIR_STRING && row->type != WEIR_CHOICE && row->type != WEIR_BOOL &&
        range_print(row, &range))
        weir_print(text, ", %s", text_string(&range));
    text_finish(&range);
    struct option_value value = { .s = "" };
    if (row->flags & WEIR_REQUIRED) {
        weir_print(text, "; required");
    } else if (!(row->flags & WEIR_SECRET) &&
               (row->type != WEIR_STRING || (row->fallback && *row->fallback))) {
        weir_print(text, "; default ");
        if (row->fallback)
            value_parse(row, row->fallback, &value, NULL);
        value_print(row, &value, text);
    }
    if (row->flags & WEIR_LIVE)
        weir_print(text, "; live");
}
