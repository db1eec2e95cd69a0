/* options.c - how does a word that a user wrote become a field of a struct?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"
#include "option-tables.h"
#include "option-values.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <string.h>

struct settings {
    const struct weir_option *rows;
    size_t count, config_size;
    char *config;   /* the struct that filters see */
    char **strings; /* per row: what a WEIR_STRING of `config` points to, owned */
    bool *was_set;  /* per row: by somebody, not by default */
};

static const struct weir_option no_rows[] = { { 0 } };

const struct weir_option *option_find(const struct weir_option *rows, const char *name)
{
    for (; rows && rows->name; rows++) {
        if (!strcmp(rows->name, name))
            return rows;
    }
    return NULL;
}

/* ---- fields ------------------------------------------------------------------ */

static int field_store(struct settings *s, const struct weir_option *row,
                       const struct option_value *value)
{
    void *field = s->config + row->at;

    switch (row->type) {
    case WEIR_BOOL:
        *(bool *)field = value->i;
        break;
    case WEIR_INT:
        *(int64_t *)field = value->i;
        break;
    case WEIR_SIZE:
    case WEIR_TIME:
    case WEIR_RATE:
        *(uint64_t *)field = value->u;
        break;
    case WEIR_RATIO:
        *(double *)field = value->d;
        break;
    case WEIR_CHOICE:
        *(int *)field = (int)value->i;
        break;
    case WEIR_STRING: {
        char *copy = strdup(value->s);
        if (!copy)
            return -ENOMEM;
        free(s->strings[row - s->rows]);
        s->strings[row - s->rows] = copy;
        *(const char **)field = copy;
        break;
    }
    }
    return 0;
}

static void field_load(const struct settings *s, const struct weir_option *row,
                       struct option_value *ret)
{
    const void *field = s->config + row->at;

    *ret = (struct option_value){ 0 };
    switch (row->type) {
    case WEIR_BOOL:
        ret->i = *(const bool *)field;
        break;
    case WEIR_INT:
        ret->i = *(const int64_t *)field;
        break;
    case WEIR_SIZE:
    case WEIR_TIME:
    case WEIR_RATE:
        ret->u = *(const uint64_t *)field;
        break;
    case WEIR_RATIO:
        ret->d = *(const double *)field;
        break;
    case WEIR_CHOICE:
        ret->i = *(const int *)field;
        break;
    case WEIR_STRING:
        ret->s = *(const char *const *)field;
        break;
    }
}

/* ---- life -------------------------------------------------------------------- */

void settings_destroy(struct settings *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->strings && i < s->count; i++)
        free(s->strings[i]);
    free(s->strings);
    free(s->was_set);
    free(s->config);
    free(s);
}

static struct settings *settings_empty(const struct weir_option *rows, size_t config_size)
{
    struct settings *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->rows = rows ? rows : no_rows;
    while (s->rows[s->count].name)
        s->count++;
    s->config_size = config_size;
    s->config = calloc(1, config_size + 1);
    s->strings = calloc(s->count + 1, sizeof *s->strings);
    s->was_set = calloc(s->count + 1, sizeof *s->was_set);
    if (!s->config || !s->strings || !s->was_set) {
        settings_destroy(s);
        return NULL;
    }
    return s;
}

static int fall_back(struct settings *s, const struct weir_option *row)
{
    struct option_value value = { .s = "" };

    if (row->fallback) {
        int err = value_parse(row, row->fallback, &value, NULL);
        if (err)
            return err;
    }
    return field_store(s, row, &value);
}

int settings_create(const struct weir_option *rows, size_t config_size, struct settings **ret,
                    struct weir_text *why)
{
    int err = option_table_check(rows, config_size, why);

    if (err)
        return err;
    struct settings *s = settings_empty(rows, config_size);
    if (!s)
        return -ENOMEM;
    for (const struct weir_option *row = s->rows; row->name; row++) {
        err = fall_back(s, row);
        if (err) {
            settings_destroy(s);
            return err;
        }
    }
    *ret = s;
    return 0;
}

int settings_copy(const struct settings *from, struct settings **ret)
{
    struct settings *s = settings_empty(from->rows, from->config_size);

    if (!s)
        return -ENOMEM;
    for (const struct weir_option *row = s->rows; row->name; row++) {
        struct option_value value;
        field_load(from, row, &value);
        if (field_store(s, row, &value)) {
            settings_destroy(s);
            return -ENOMEM;
        }
        s->was_set[row - s->rows] = from->was_set[row - s->rows];
    }
    *ret = s;
    return 0;
}

/* ---- use --------------------------------------------------------------------- */

const void *settings_config(const struct settings *s)
{
    return s->config;
}

static int unknown_option(const struct settings *s, const char *name, struct weir_text *why)
{
    cleanup_free const char **names = calloc(s->count + 1, sizeof *names);
    const char *near = NULL;

    if (names) {
        for (size_t i = 0; i < s->count; i++)
            names[i] = s->rows[i].name;
        near = nearest_word(name, names);
    }
    weir_print(why, "there is no option \"%s\"", name);
    if (near)
        weir_print(why, "; did you mean \"%s\"?", near);
    else if (!s->count)
        weir_print(why, ": it has no options");
    else if (names)
        for (size_t i = 0; i < s->count; i++)
            weir_print(why, "%s%s", i ? ", " : ": the options are ", names[i]);
    return -ENOENT;
}

int settings_set(struct settings *s, const char *name, const char *value, struct weir_text *why)
{
    const struct weir_option *row = option_find(s->rows, name);
    struct option_value parsed;

    if (!row)
        return unknown_option(s, name, why);
    int err = value_parse(row, value, &parsed, why);
    if (!err)
        err = field_store(s, row, &parsed);
    if (!err)
        s->was_set[row - s->rows] = true;
    return err;
}

const struct weir_option *settings_missing(const struct settings *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if ((s->rows[i].flags & WEIR_REQUIRED) && !s->was_set[i])
            return &s->rows[i];
    }
    return NULL;
}

bool settings_was_set(const struct settings *s, const char *name)
{
    const struct weir_option *row = option_find(s->rows, name);

    return row && s->was_set[row - s->rows];
}

bool settings_equal(const struct settings *a, const struct settings *b, const char *name)
{
    const struct weir_option *row_a = option_find(a->rows, name);
    const struct weir_option *row_b = option_find(b->rows, name);
    struct option_value x, y;

    if (!row_a || !row_b || row_a->type != row_b->type)
        return row_a == row_b;
    field_load(a, row_a, &x);
    field_load(b, row_b, &y);
    switch (row_a->type) {
    case WEIR_STRING:
        return !strcmp(x.s, y.s);
    case WEIR_RATIO:
        return x.d == y.d;
    case WEIR_CHOICE: /* an upgraded filter may count its choices otherwise */
        return !strcmp(row_a->choices[x.i], row_b->choices[y.i]);
    default:
        return x.i == y.i && x.u == y.u;
    }
}

void settings_print(const struct settings *s, const char *name, struct weir_text *text)
{
    const struct weir_option *row = option_find(s->rows, name);
    struct option_value value;

    if (!row)
        return;
    field_load(s, row, &value);
    if (row->flags & WEIR_SECRET)
        weir_print(text, "(secret)");
    else
        value_print(row, &value, text);
}
