/* check-options.c - can each live option have each value that its table says?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"

#include "option-values.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void set(struct kit *k, const struct weir_option *o, const char *value, bool fits)
{
    cleanup_text struct weir_text why = { 0 };
    int r = export_set_option(k->export, k->label, o->name, value, &why);

    if (r && !why.length)
        fail(k, "%s=%s is refused with %s and no sentence", o->name, value, errno_word(-r));
    if (!r && !fits)
        fail(k, "%s=%s is taken, and is not in its range", o->name, value);
    /* a filter's check() may have reasons to refuse what is in range; those of the type do not */
    if (r && fits && (r == -ERANGE || r == -ENOENT || r == -EPERM))
        fail(k, "%s=%s is refused, and is in its range: %s", o->name, value, text_string(&why));
    usleep(1000); /* requests with it */
}

static void set_value(struct kit *k, const struct weir_option *o, struct option_value v)
{
    cleanup_text struct weir_text text = { 0 };

    value_print(o, &v, &text);
    set(k, o, text_string(&text), true);
}

static void set_number(struct kit *k, const struct weir_option *o, int64_t n)
{
    set_value(k, o, (struct option_value){ .i = n, .u = (uint64_t)n, .d = (double)n });
}

/* The ends, what lies between them, and one more than there is. */
static void numbers(struct kit *k, const struct weir_option *o)
{
    const bool has_range = o->min || o->max, has_top = has_range && o->max >= o->min;
    struct weir_option plain = *o;
    char text[64];

    plain.words = NULL; /* a word may stand for a number outside of the range */
    if (o->type == WEIR_RATIO) {
        set_value(k, o, (struct option_value){ .d = (double)o->min });
        set_value(k, o, (struct option_value){ .d = has_top ? (double)o->max : 1.0 });
        set_value(k, o, (struct option_value){ .d = ((double)o->min + 1.0) / 2 });
    } else {
        if (has_range && !(o->type == WEIR_RATE && !o->min))
            set_number(k, &plain, o->min);
        if (has_top) {
            set_number(k, &plain, o->max);
            set_number(k, &plain, o->min + (o->max - o->min) / 2);
        }
        if (!has_range) {
            set_number(k, &plain, 1);
            set_number(k, &plain, 1 << 20);
        }
    }
    if (has_top && o->type == WEIR_INT && o->max < INT64_MAX) {
        snprintf(text, sizeof(text), "%" PRId64, o->max + 1);
        set(k, o, text, false);
    }
    for (const struct weir_word *w = o->words; w && w->word; w++)
        set(k, o, w->word, true);
    if (o->type == WEIR_RATE)
        set(k, o, "max", true);
    set(k, o, "certainly not a number", false);
}

static void all_values(struct kit *k, const struct weir_option *o)
{
    switch (o->type) {
    case WEIR_BOOL:
        set(k, o, "true", true);
        set(k, o, "false", true);
        set(k, o, "perhaps", false);
        return;
    case WEIR_CHOICE:
        for (const char *const *c = o->choices; *c; c++)
            set(k, o, *c, true);
        set(k, o, "certainly not a choice", false);
        return;
    case WEIR_STRING: /* its words are the filter's to know; what it says of wrong ones is judged */
        return;
    case WEIR_INT:
    case WEIR_SIZE:
    case WEIR_TIME:
    case WEIR_RATE:
    case WEIR_RATIO:
        numbers(k, o);
    }
}

static void put_back(struct kit *k, const struct weir_option *o, const struct settings *first)
{
    cleanup_text struct weir_text value = { 0 };

    settings_print(first, o->name, &value);
    if (!(o->flags & WEIR_SECRET) && o->type != WEIR_STRING)
        set(k, o, text_string(&value), true);
}

void check_options(struct kit *k)
{
    struct load load = { .errors_are_fine = true };
    struct settings *first = NULL;
    struct area area;
    unsigned count = 0;

    rig_begin(k);
    for (const struct weir_option *o = k->library->filter.options; o && o->name; o++)
        count += o->flags & WEIR_LIVE && o->type != WEIR_STRING;
    if (!count)
        not_applicable(k, "no option with a range is live");
    rig_open(k, true);
    if (rig_settings(k, &first, NULL))
        fail(k, "its options are refused");
    area_create(&area, k, 0, 1 << 20);
    load_start(&load, k, 4 << 20, 4 << 20, 3);
    for (const struct weir_option *o = k->library->filter.options; o->name; o++)
        if (o->flags & WEIR_LIVE) {
            all_values(k, o);
            put_back(k, o, first);
        }
    load_end(&load);
    area.count = 50;
    area_work(&area); /* the disk still works */
    area_compare(&area);
    area_finish(&area);
    settings_destroy(first);
    rig_close(k);
    figure(k, "live options", count, "");
}
