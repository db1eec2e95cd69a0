/* datastores.c - where may disks live, and is each store told what it needs?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../scope.h"
#include "../text.h"
#include "configuration.h"

#include <errno.h>
#include <string.h>

const struct datastore *datastore_find(const struct configuration *c, const char *name)
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

/* Every other key is an option of the store. */
static bool read_options(const struct reader *r, const struct config_setting_t *group,
                         const struct store_type *type, struct settings *settings)
{
    bool good = true;

    for (int i = 0; i < config_setting_length(group); i++) {
        const struct config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const char *key = config_setting_name(setting);
        cleanup_free char *word = NULL;
        cleanup_text struct weir_text why = { 0 };
        if (!strcmp(key, "name") || !strcmp(key, "type"))
            continue;
        const struct weir_option *row = option_find(type->options, key);
        if (row && !key_word(r, setting, row, &word)) {
            good = false;
            continue;
        }
        if (!settings_set(settings, key, row ? word : "", &why))
            continue;
        good = false;
        if (row)
            report_value(r->report, r->source, setting, "%s", text_string(&why));
        else
            report_name(r->report, r->source, setting, "a datastore of type \"%s\": %s", type->name,
                        text_string(&why));
    }
    return good;
}

static bool judge(const struct reader *r, const struct datastore *d)
{
    cleanup_text struct weir_text why = { 0 };
    const struct weir_option *missing = settings_missing(d->settings);

    if (missing) {
        report_value(r->report, r->source, d->group,
                     "\"%s\" is missing: a datastore of type \"%s\" "
                     "needs it",
                     missing->name, d->type->name);
        return false;
    }
    if (!d->type->check || !d->type->check(settings_config(d->settings), &why))
        return true;
    report_value(r->report, r->source, d->group, "datastore \"%s\": %s", d->name,
                 text_string(&why));
    return false;
}

static bool is_new(const struct configuration *c, const struct reader *r, const char *name,
                   const struct config_setting_t *group)
{
    const struct datastore *first = datastore_find(c, name);

    if (!first)
        return true;
    report_value(r->report, r->source, key_find(group, "name"),
                 "datastore \"%s\" is defined a second time: the first is in %s, line %u", name,
                 first->source->name, spot_of(first->group)->value.line);
    return false;
}

static void datastore_read(struct configuration *c, const struct reader *r,
                           const struct config_setting_t *group)
{
    const struct config_setting_t *type = key_find(group, "type");
    struct datastore d = { .source = r->source, .group = group };
    cleanup_text struct weir_text why = { 0 };
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
    int err = settings_create(d.type->options, d.type->config_size, &d.settings, &why);
    if (err) {
        report_value(r->report, r->source, type, "%s", text_string(&why));
        return;
    }
    d.name = name;
    good = read_options(r, group, d.type, d.settings) && good && judge(r, &d);
    struct datastore *more =
        good ? realloc(c->datastores, (c->datastore_count + 1) * sizeof *more) : NULL;
    if (!more) {
        if (good)
            report_memory(r->report);
        settings_destroy(d.settings);
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
