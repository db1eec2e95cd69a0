/* check-ranges.c - does each option take the ends of its range, and say why it takes no more?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * On settings of their own, which no disk runs with: all options of the table, live or not,
 * and strings, too. */
#include "check.h"

#include "option-values.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { STRING_MAX = 4096 /* bytes of a string, what the core takes at most */ };

static const char nonsense[] = "certainly not what it takes";

/* Sets one option of what the command line says, and lets the filter judge it. */
static int try(struct kit *k, const struct weir_option *o, const char *value, struct weir_text *why)
{
    const struct weir_filter *f = &k->library->filter;
    struct settings *s = NULL;
    int r = rig_settings(k, &s, NULL);

    if (r)
        fail(k, "its options are refused");
    r = settings_set(s, o->name, value, why);
    if (!r && f->check)
        r = f->check(settings_config(s), why);
    settings_destroy(s);
    return r;
}

/* Who is refused is told why, in one line, which is kept in logs: no secret is in it. */
static void judge_sentence(struct kit *k, const struct weir_option *o, const char *value, int r,
                           const struct weir_text *why)
{
    const char *said = why->length ? text_string(why) : "";

    if (r > 0)
        fail(k, "%s=%s is refused with %d, which is no -errno", o->name, value, r);
    if (!*said)
        fail(k, "%s=%s is refused with %s and no sentence", o->name, value, errno_word(-r));
    if (strchr(said, '\n'))
        fail(k, "%s=%s is refused with more than a line: %s", o->name, value, said);
    if (o->flags & WEIR_SECRET && strcmp(value, nonsense) == 0 && strstr(said, value))
        fail(k, "the sentence that refuses the option %s quotes it, and it is a secret", o->name);
}

/* In its range: a filter may have its reasons, but says them. */
static void takes(struct kit *k, const struct weir_option *o, const char *value)
{
    cleanup_text struct weir_text why = { 0 };
    int r = try(k, o, value, &why);

    if (r == -ERANGE)
        fail(k, "%s=%s is refused, and is in its range: %s", o->name, value, text_string(&why));
    if (r)
        judge_sentence(k, o, value, r, &why);
}

static void refuses(struct kit *k, const struct weir_option *o, const char *value)
{
    cleanup_text struct weir_text why = { 0 };
    int r = try(k, o, value, &why);

    if (!r)
        fail(k, "%s=%s is taken, and is not in its range", o->name, value);
    judge_sentence(k, o, value, r, &why);
    if (!strstr(text_string(&why), o->name))
        fail(k, "%s=%s is refused by a sentence that does not name the option: %s", o->name, value,
             text_string(&why));
}

/* ---- numbers ---------------------------------------------------------------------- */

/* As a user would write it, to the last digit. */
static const char *number(const struct weir_option *o, int64_t n, char text[64])
{
    const char *unit = o->type == WEIR_TIME ? "ns" : "";

    if (o->type == WEIR_INT)
        snprintf(text, 64, "%" PRId64, n);
    else
        snprintf(text, 64, "%" PRIu64 "%s", (uint64_t)n, unit);
    return text;
}

static bool has_top(const struct weir_option *o)
{
    return (o->min || o->max) && o->max >= o->min;
}

/* A number below the range that can be written; 0 of a rate is none. */
static bool has_less(const struct weir_option *o)
{
    if (!o->min && !o->max)
        return false;
    return o->type == WEIR_INT ? o->min > INT64_MIN : o->min > (o->type == WEIR_RATE);
}

/* A word may stand for a number outside of the range. */
static void whole_numbers(struct kit *k, const struct weir_option *o)
{
    const bool has_range = o->min || o->max;
    char text[64];

    if (has_range && !(o->type == WEIR_RATE && !o->min))
        takes(k, o, number(o, o->min, text));
    if (has_less(o))
        refuses(k, o, number(o, o->min - 1, text));
    if (has_top(o))
        takes(k, o, number(o, o->max, text));
    if (has_top(o) && o->max < INT64_MAX)
        refuses(k, o, number(o, o->max + 1, text));
    refuses(k, o, "99999999999999999999999999");
    if (o->type != WEIR_INT)
        refuses(k, o, "-1");
    for (const struct weir_word *w = o->words; w && w->word; w++)
        takes(k, o, w->word);
}

static void ratios(struct kit *k, const struct weir_option *o)
{
    const double beyond = 0.001;
    char text[64];

    if (!o->min && !o->max)
        return;
    snprintf(text, sizeof(text), "%" PRId64, o->min);
    takes(k, o, text);
    snprintf(text, sizeof(text), "%.3f", (double)o->min - beyond);
    refuses(k, o, text);
    if (!has_top(o))
        return;
    snprintf(text, sizeof(text), "%" PRId64, o->max);
    takes(k, o, text);
    snprintf(text, sizeof(text), "%.3f", (double)o->max + beyond);
    refuses(k, o, text);
}

/* ---- words ------------------------------------------------------------------------ */

/* What a word means is the filter's to know: any may be wrong, and then it says so. */
static void strings(struct kit *k, const struct weir_option *o)
{
    char text[STRING_MAX + 2];

    takes(k, o, "");
    takes(k, o, nonsense);
    takes(k, o, "%s%n/../\"");
    memset(text, 'x', sizeof(text));
    text[STRING_MAX] = '\0';
    takes(k, o, text);
    text[STRING_MAX] = 'x';
    text[STRING_MAX + 1] = '\0';
    refuses(k, o, text);
    refuses(k, o, "two\nlines");
}

static void one_option(struct kit *k, const struct weir_option *o)
{
    switch (o->type) {
    case WEIR_BOOL:
        takes(k, o, "true");
        takes(k, o, "false");
        break;
    case WEIR_CHOICE:
        for (const char *const *c = o->choices; *c; c++)
            takes(k, o, *c);
        break;
    case WEIR_STRING:
        strings(k, o);
        return;
    case WEIR_RATIO:
        ratios(k, o);
        break;
    case WEIR_INT:
    case WEIR_SIZE:
    case WEIR_TIME:
    case WEIR_RATE:
        whole_numbers(k, o);
    }
    refuses(k, o, nonsense);
    refuses(k, o, "");
}

void check_ranges(struct kit *k)
{
    unsigned count = 0;

    rig_begin(k);
    for (const struct weir_option *o = k->library->filter.options; o && o->name; o++, count++)
        one_option(k, o);
    if (!count)
        not_applicable(k, "it has no options");
    figure(k, "options", count, "");
}
