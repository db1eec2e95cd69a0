/* splice.c - how does one value of a user's text change, and nothing else of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../text.h"
#include "running.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

void print_quoted(const char *value, struct weir_text *text)
{
    weir_print(text, "\"");
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            weir_print(text, "\\");
        text_append(text, value, 1);
    }
    weir_print(text, "\"");
}

void print_literal(const struct weir_option *row, const char *value, struct weir_text *text)
{
    char *end;
    long n = strtol(value, &end, 10);
    bool fits = *value && !*end && n >= INT_MIN && n <= INT_MAX;

    if ((row->type == WEIR_BOOL && (!strcmp(value, "true") || !strcmp(value, "false"))) ||
        (row->type == WEIR_INT && fits && strspn(value, "-0123456789") == strlen(value)))
        weir_print(text, "%s", value);
    else
        print_quoted(value, text);
}

static void replace(const struct source *s, size_t from, size_t to, const char *with,
                    struct weir_text *text)
{
    text_append(text, s->text, from);
    weir_print(text, "%s", with);
    text_append(text, s->text + to, s->size - to);
}

int splice_key(const struct source *s, const struct config_setting_t *group, const char *key,
               const char *literal, const char *behind, struct weir_text *text)
{
    const struct config_setting_t *setting = key_find(group, key), *other = key_find(group, behind);
    struct weir_text with = { 0 };

    if (setting) {
        replace(s, spot_of(setting)->value_start, spot_of(setting)->end, literal, text);
        return 0;
    }
    if (!other)
        return -ENOENT;
    weir_print(&with, "; %s = %s", key, literal);
    size_t end = spot_of(other)->end;
    /* where nothing separates the neighbours, something must now */
    const char *next = s->text + end + strspn(s->text + end, " \t\r\n");
    if (*next != ';' && *next != ',' && *next != '}')
        weir_print(&with, ";");
    replace(s, end, end, text_string(&with), text);
    text_finish(&with);
    return 0;
}

void splice_entry(const struct source *s, const struct config_setting_t *list, const char *entry,
                  struct weir_text *text)
{
    int count = config_setting_length(list);
    struct weir_text with = { 0 };
    size_t at = spot_of(list)->value_start + 1;

    if (count)
        at = spot_of(config_setting_get_elem(list, (unsigned)count - 1))->end;
    weir_print(&with, "%s\n    %s%s", count ? "," : "", entry, count ? "" : "\n");
    replace(s, at, at, text_string(&with), text);
    text_finish(&with);
}
