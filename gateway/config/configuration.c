/* configuration.c - what do all files together ask for?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "configuration.h"
#include "../gateway.h"
#include "../scope.h"

#include <errno.h>
#include <string.h>

/* ---- the main file ----------------------------------------------------------- */

static void read_elsewhere(struct configuration *c, const struct reader *r,
                           const struct config_setting_t *setting)
{
    (void)c;
    (void)r;
    (void)setting;
}

/* What may stand at the top of the main file. */
static const struct top_key {
    const char *name;
    void (*read)(struct configuration *, const struct reader *, const struct config_setting_t *);
} top_keys[] = {
    { "datastores", datastores_read },
    { "pools", pools_read },
    { "exports", exports_read },
    { "include_exports", read_elsewhere }, /* sources.c */
    { "include_policies", read_elsewhere },
    { "require_signed", read_elsewhere }, /* trusted.c */
    { "trusted_keys", read_elsewhere },
};
enum { TOP_KEYS = sizeof top_keys / sizeof *top_keys };

static void main_read(struct configuration *c, const struct reader *r)
{
    const struct config_setting_t *root = source_root(r->source);
    const char *known[TOP_KEYS + 1] = { 0 };

    for (size_t i = 0; i < TOP_KEYS; i++) {
        const struct config_setting_t *setting = key_find(root, top_keys[i].name);
        known[i] = top_keys[i].name;
        if (setting)
            top_keys[i].read(c, r, setting);
    }
    keys_check(r, root, known, "the main file");
}

bool source_is_main(const struct source *s)
{
    for (size_t i = 0; i < TOP_KEYS; i++) {
        if (key_find(source_root(s), top_keys[i].name))
            return true;
    }
    return false;
}

enum strictness strictness_for(const struct configuration *c, const struct source *s)
{
    for (size_t i = 0; c->before && i < c->before->source_count; i++) {
        if (c->before->sources[i] == s)
            return MISSING_LOCKS;
    }
    return c->strictness;
}

/* ---- the others -------------------------------------------------------------- */

static void exports_file_read(struct configuration *c, const struct reader *r)
{
    static const char *const known[] = { "exports", NULL };
    const struct config_setting_t *root = source_root(r->source);
    const struct config_setting_t *list = key_find(root, "exports");

    if (!list) {
        export_read(c, r, root);
        return;
    }
    keys_check(r, root, known, "a file with \"exports\"");
    exports_read(c, r, list);
}

static void policy_file_read(struct configuration *c, const struct reader *r)
{
    struct policy *more = realloc(c->policies, (c->policy_count + 1) * sizeof *more);

    if (!more) {
        report_memory(r->report);
        return;
    }
    c->policies = more;
    struct policy *p = &c->policies[c->policy_count];
    policy_parse(p, r, strictness_for(c, r->source), NULL);
    const struct policy *first = policy_find(c, p->name);
    c->policy_count++;
    if (!first)
        return;
    const struct config_setting_t *setting = key_find(source_root(r->source), "name");
    if (setting)
        report_value(r->report, r->source, setting,
                     "policy \"%s\" is defined a second time: the first is in %s", p->name,
                     first->source->name);
    else
        report_file(r->report, -EINVAL, r->source->name,
                    "policy \"%s\" is defined a second time: the first is in %s", p->name,
                    first->source->name);
}

static void find_override(const struct configuration *c, struct export_entry *e,
                          struct report *report)
{
    cleanup_free char *stem = export_file_name(e->name);

    if (!stem)
        report_memory(report);
    for (size_t i = 0; stem && i < c->source_count; i++) {
        if (c->sources[i]->kind == SOURCE_OVERRIDE && !strcmp(c->sources[i]->stem, stem))
            e->override = c->sources[i];
    }
}

/* ---- the whole --------------------------------------------------------------- */

/* Without a main file, as when one policy is checked, nobody knows which names are good. */
static const struct configuration *if_whole(const struct configuration *c)
{
    for (size_t i = 0; i < c->source_count; i++) {
        if (c->sources[i]->kind == SOURCE_MAIN)
            return c;
    }
    return NULL;
}

static void read_sources(struct configuration *c, struct report *report)
{
    const struct configuration *whole = if_whole(c);

    for (size_t i = 0; i < c->source_count; i++) {
        const struct reader r = { c->sources[i], report, whole };
        if (c->sources[i]->kind == SOURCE_MAIN)
            trusted_read(c, &r);
    }
    trust_try(whole ? &c->trust : NULL);
    for (size_t i = 0; i < c->source_count; i++) {
        const struct reader r = { c->sources[i], report, whole };
        switch (c->sources[i]->kind) {
        case SOURCE_MAIN:
            main_read(c, &r);
            break;
        case SOURCE_EXPORTS:
            exports_file_read(c, &r);
            break;
        case SOURCE_POLICY:
            policy_file_read(c, &r);
            break;
        case SOURCE_OVERRIDE:
        case SOURCE_DATASTORE:
            break;
        }
    }
    for (size_t i = 0; i < c->datastore_count; i++)
        datastore_override(&c->datastores[i], c, report);
    for (size_t i = 0; i < c->export_count; i++)
        find_override(c, &c->exports[i], report);
    plans_make(c, report);
    trust_try(NULL);
}

static struct configuration *configuration_new(struct source *const *sources, size_t count,
                                               const struct layout *layout)
{
    struct configuration *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->references = 1;
    c->sources = calloc(count + 1, sizeof *c->sources);
    if (!c->sources || layout_copy(layout, &c->layout)) {
        configuration_unref(c);
        return NULL;
    }
    for (; c->source_count < count; c->source_count++)
        c->sources[c->source_count] = source_ref(sources[c->source_count]);
    return c;
}

int configuration_make(struct source *const *sources, size_t count, const struct layout *layout,
                       enum strictness strictness, const struct configuration *before,
                       struct configuration **ret, struct report *report)
{
    struct configuration *c = configuration_new(sources, count, layout);

    if (!c) {
        report_memory(report);
        return -ENOMEM;
    }
    c->strictness = strictness;
    c->before = before;
    read_sources(c, report);
    c->before = NULL;
    if (report->err) {
        configuration_unref(c);
        return report->err;
    }
    *ret = c;
    return 0;
}

struct configuration *configuration_ref(struct configuration *c)
{
    atomic_fetch_add(&c->references, 1);
    return c;
}

void configuration_unref(struct configuration *c)
{
    if (!c || atomic_fetch_sub(&c->references, 1) != 1)
        return;
    for (size_t i = 0; i < c->datastore_count; i++)
        datastore_entry_finish(&c->datastores[i]);
    for (size_t i = 0; i < c->policy_count; i++)
        policy_finish(&c->policies[i]);
    for (size_t i = 0; i < c->export_count; i++)
        export_entry_finish(&c->exports[i]);
    for (size_t i = 0; i < c->pool_count; i++)
        pool_entry_finish(&c->pool_entries[i]);
    pools_unref(c->pools);
    for (size_t i = 0; i < c->source_count; i++)
        source_unref(c->sources[i]);
    free(c->datastores);
    free(c->policies);
    free(c->exports);
    free(c->pool_entries);
    free(c->trust.keys);
    free(c->sources);
    layout_finish(&c->layout);
    free(c);
}
