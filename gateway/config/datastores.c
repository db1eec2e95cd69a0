/* datastores.c - where may disks live, and is each store told what it needs?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../scope.h"
#include "../text.h"
#include "configuration.h"

#include <stdio.h>
#include <string.h>

enum { DATASTORE_ROWS = 16, OPTIONS_MAX = 64 }; /* as many as are named in a sentence */

const struct datastore_entry *datastore_entry_find(const struct configuration *c, const char *name)
{
    for (size_t i = 0; i < c->datastore_count; i++) {
        if (!strcmp(c->datastores[i].name, name))
            return &c->datastores[i];
    }
    return NULL;
}

static const struct store_type *read_type(const struct reader *r,
                                          const struct config_setting_t *setting)
{
    const char *word, *known[32];
    size_t count = 0;

    if (!key_string(r, setting, &word))
        return NULL;
    const struct store_type *type = store_find(word);
    if (type)
        return type;
    cleanup_text struct weir_text all = { 0 };
    for (const struct store_type *const *t = store_types(); *t && count < 31; t++) {
        weir_print(&all, "%s%s", count ? ", " : "", (*t)->name);
        known[count++] = (*t)->name;
    }
    known[count] = NULL;
    const char *near = nearest_word(word, known);
    report_value(r->report, r->source, setting, "there is no store type \"%s\": there are %s%s%s%s",
                 word, text_string(&all), near ? "; did you mean \"" : "", near ? near : "",
                 near ? "\"?" : "");
    return NULL;
}

/* ---- keys -------------------------------------------------------------------- */

static bool read_word(const struct reader *r, const struct config_setting_t *setting,
                      const struct weir_option *row, struct settings *settings)
{
    cleanup_free char *word = NULL;
    cleanup_text struct weir_text why = { 0 };

    if (!key_word(r, setting, row, &word))
        return false;
    if (!settings_set(settings, row->name, word, &why))
        return true;
    report_value(r->report, r->source, setting, "%s", text_string(&why));
    return false;
}

/* Is the row "GROUP.MEMBER"?  The member, or NULL. */
static const char *member_of(const struct weir_option *row, const char *group)
{
    size_t length = strlen(group);

    return !strncmp(row->name, group, length) && row->name[length] == '.' ? row->name + length + 1
                                                                          : NULL;
}

/* The rows "NAME.MEMBER" are the members of a group NAME. */
static bool read_group(const struct reader *r, const struct config_setting_t *group,
                       struct settings *keys)
{
    const char *name = config_setting_name(group), *known[DATASTORE_ROWS + 1], *member;
    cleanup_text struct weir_text title = { 0 };
    bool good = true;
    size_t n = 0;

    if (!key_group(r, group))
        return false;
    for (const struct weir_option *row = datastore_rows; row->name; row++) {
        if (!(member = member_of(row, name)))
            continue;
        const struct config_setting_t *setting = key_find(group, member);
        known[n++] = member;
        good = (!setting || read_word(r, setting, row, keys)) && good;
    }
    known[n] = NULL;
    weir_print(&title, "\"%s\"", name);
    return keys_check(r, group, known, text_string(&title)) && good;
}

static bool is_group(const char *name)
{
    for (const struct weir_option *row = datastore_rows; row->name; row++) {
        if (member_of(row, name))
            return true;
    }
    return false;
}

/* What stands in a file for the row: its own name, or that of its group. */
static void key_of(const struct weir_option *row, char buffer[64])
{
    snprintf(buffer, 64, "%.*s", (int)strcspn(row->name, "."), row->name);
}

static bool unknown_key(const struct reader *r, const struct config_setting_t *setting,
                        const struct store_type *type)
{
    const char *known[OPTIONS_MAX + DATASTORE_ROWS + 1], *name = config_setting_name(setting);
    char keys[DATASTORE_ROWS][64];
    cleanup_text struct weir_text all = { 0 };
    size_t n = 0, k = 0;

    for (const struct weir_option *row = type->options; row && row->name && n < OPTIONS_MAX; row++)
        known[n++] = row->name;
    for (const struct weir_option *row = datastore_rows; row->name && k < DATASTORE_ROWS; row++) {
        key_of(row, keys[k]);
        if (!k || strcmp(keys[k - 1], keys[k]) != 0)
            known[n++] = keys[k++];
    }
    known[n] = NULL;
    const char *near = nearest_word(name, known);
    for (size_t i = 0; i < n && !near; i++)
        weir_print(&all, "%s%s", i ? ", " : ": the options are ", known[i]);
    if (near)
        weir_print(&all, "; did you mean \"%s\"?", near);
    report_name(r->report, r->source, setting,
                "a datastore of type \"%s\": there is no option \"%s\"%s", type->name, name,
                text_string(&all));
    return false;
}

static bool read_key(const struct reader *r, const struct config_setting_t *setting,
                     const struct datastore_entry *d)
{
    const char *key = config_setting_name(setting);
    const struct weir_option *row = option_find(datastore_rows, key);

    if (row)
        return read_word(r, setting, row, d->said);
    if (is_group(key))
        return read_group(r, setting, d->said);
    row = option_find(d->type->options, key);
    return row ? read_word(r, setting, row, d->options) : unknown_key(r, setting, d->type);
}

static bool read_keys(const struct reader *r, const struct datastore_entry *d)
{
    bool good = true;

    for (int i = 0; i < config_setting_length(d->group); i++) {
        const struct config_setting_t *setting = config_setting_get_elem(d->group, (unsigned)i);
        const char *key = config_setting_name(setting);
        if (strcmp(key, "name") != 0 && strcmp(key, "type") != 0)
            good = read_key(r, setting, d) && good;
    }
    return good;
}

static bool judge(const struct reader *r, const struct datastore_entry *d)
{
    const struct weir_option *missing = settings_missing(d->options);
    cleanup_text struct weir_text why = { 0 };

    if (missing) {
        report_value(r->report, r->source, d->group,
                     "\"%s\" is missing: a datastore of type \"%s\" "
                     "needs it",
                     missing->name, d->type->name);
        return false;
    }
    if (datastore_keys_check(d->said, &why)) {
        report_value(r->report, r->source, key_find(d->group, "emulate"), "%s", text_string(&why));
        return false;
    }
    if (!d->type->check || !d->type->check(settings_config(d->options), &why))
        return true;
    report_value(r->report, r->source, d->group, "datastore \"%s\": %s", d->name,
                 text_string(&why));
    return false;
}

/* ---- what was set while it ran ------------------------------------------------ */

static void read_override(const struct reader *r, struct settings *keys)
{
    const struct config_setting_t *root = source_root(r->source);
    const char *known[DATASTORE_ROWS + 1];
    size_t n = 0;

    for (const struct weir_option *row = datastore_rows; row->name; row++) {
        const struct config_setting_t *setting = key_find(root, row->name);
        if (!(row->flags & WEIR_LIVE))
            continue;
        known[n++] = row->name;
        if (setting)
            read_word(r, setting, row, keys);
    }
    known[n] = NULL;
    keys_check(r, root, known, "a datastore's own file");
}

void datastore_override(struct datastore_entry *d, const struct configuration *c,
                        struct report *report)
{
    if (settings_copy(d->said, &d->keys)) {
        report_memory(report);
        return;
    }
    for (size_t i = 0; i < c->source_count; i++) {
        if (c->sources[i]->kind == SOURCE_DATASTORE && !strcmp(c->sources[i]->stem, d->name))
            d->override = c->sources[i];
    }
    if (d->override)
        read_override(&(struct reader){ d->override, report }, d->keys);
}

/* ---- one of them --------------------------------------------------------------- */

static bool is_new(const struct configuration *c, const struct reader *r, const char *name,
                   const struct config_setting_t *group)
{
    const struct datastore_entry *first = datastore_entry_find(c, name);

    if (!first)
        return true;
    report_value(r->report, r->source, key_find(group, "name"),
                 "datastore \"%s\" is defined a second time: the first is in %s, line %u", name,
                 first->source->name, spot_of(first->group)->value.line);
    return false;
}

void datastore_entry_finish(struct datastore_entry *d)
{
    settings_destroy(d->options);
    settings_destroy(d->said);
    settings_destroy(d->keys);
    datastore_unref(d->object);
}

/* Its options and keys, all at their defaults. */
static bool make_settings(const struct reader *r, struct datastore_entry *d)
{
    cleanup_text struct weir_text why = { 0 };
    int err = settings_create(d->type->options, d->type->config_size, &d->options, &why);

    if (!err)
        err = settings_create(datastore_rows, sizeof(struct datastore_keys), &d->said, &why);
    if (err)
        report_value(r->report, r->source, key_find(d->group, "type"), "%s",
                     why.length ? text_string(&why) : strerror(-err));
    return !err;
}

static void datastore_read(struct configuration *c, const struct reader *r,
                           const struct config_setting_t *group)
{
    const struct config_setting_t *type = key_find(group, "type");
    struct datastore_entry d = { .source = r->source, .group = group };
    const char *name = NULL;

    bool good = key_required(r, group, "name", "a datastore", &name) &&
                key_name(r, key_find(group, "name"), NAME_PLAIN, &name) &&
                is_new(c, r, name, group);
    if (type)
        d.type = read_type(r, type);
    else
        key_required(r, group, "type", "a datastore", &name);
    if (!d.type)
        return;
    d.name = name;
    good = make_settings(r, &d) && read_keys(r, &d) && good && judge(r, &d);
    struct datastore_entry *more =
        good ? realloc(c->datastores, (c->datastore_count + 1) * sizeof *more) : NULL;
    if (!more) {
        if (good)
            report_memory(r->report);
        datastore_entry_finish(&d);
        return;
    }
    c->datastores = more;
    c->datastores[c->datastore_count++] = d;
}

void datastores_read(struct configuration *c, const struct reader *r,
                     const struct config_setting_t *list)
{
    if (!key_groups(r, list))
        return;
    for (int i = 0; i < config_setting_length(list); i++)
        datastore_read(c, r, config_setting_get_elem(list, (unsigned)i));
}
