/* compliance.c - does an export do what its policy's file asks for?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../gateway.h"
#include "../scope.h"
#include "../text.h"
#include "running.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

const char *compliance_name(enum compliance c)
{
    static const char *const names[] = { "compliant", "out-of-date", "non-compliant", "unknown" };

    return names[c];
}

/* ---- the chain --------------------------------------------------------------- */

static bool has_label(const struct export_view *view, const char *label)
{
    for (size_t i = 0; i < view->count; i++) {
        if (!strcmp(view->filter[i].label, label))
            return true;
    }
    return false;
}

static enum compliance judge_chain(const struct export_view *view, const struct plan *plan,
                                   struct weir_text *reason)
{
    for (size_t i = 0; i < view->count; i++) {
        if (view->filter[i].bypassed) {
            weir_print(reason, "filter \"%s\" failed and is bypassed", view->filter[i].label);
            return NON_COMPLIANT;
        }
    }
    for (size_t i = 0; i < plan->count; i++) {
        if (!has_label(view, plan->filter[i].label)) {
            weir_print(reason, "filter \"%s\" is not in the chain", plan->filter[i].label);
            return NON_COMPLIANT;
        }
    }
    for (size_t i = 0; i < view->plan.count; i++) {
        if (loader_drift(view->plan.filter[i].library, reason))
            return NON_COMPLIANT;
    }
    return COMPLIANT;
}

static enum compliance judge_state(struct export *e, const struct plan *plan,
                                   struct weir_text *reason)
{
    enum compliance result = COMPLIANCE_UNKNOWN;
    struct export_view view;

    if (export_view(e, &view)) {
        weir_print(reason, "no memory to look at it");
        return COMPLIANCE_UNKNOWN;
    }
    switch (view.state) {
    case EXPORT_CLOSED:
    case EXPORT_OPENING:
        weir_print(reason, "the export is %s", export_state_name(view.state));
        break;
    case EXPORT_LOCKED:
        weir_print(reason, "locked: %s", view.reason);
        result = NON_COMPLIANT;
        break;
    case EXPORT_ACTIVE:
        result = judge_chain(&view, plan ? plan : &view.plan, reason);
        break;
    }
    export_view_finish(&view);
    return result;
}

/* By its entry; one that is there because a client asked for it has none, and is what it was made
 * to be. */
static enum compliance judge_export(const char *name, const struct export_entry *entry,
                                    struct weir_text *reason)
{
    struct export *e = gateway_find(name);
    enum compliance result = COMPLIANCE_UNKNOWN;

    if (e && (entry || export_config(e)->base))
        result = judge_state(e, entry ? &entry->plan : NULL, reason);
    else if (entry)
        weir_print(reason, "the export is not there");
    else
        weir_print(reason, "there is no export \"%s\"", name);
    export_unref(e);
    return result;
}

/* ---- the files --------------------------------------------------------------- */

/* The bytes of an export's entry, which is all of a file that belongs to it alone. */
static void entry_range(const struct source *s, const struct config_setting_t *group, size_t *start,
                        size_t *end)
{
    const struct spot *spot = spot_of(group);

    *start = spot ? spot->value_start : 0;
    *end = spot ? spot->end : s->size;
}

static const struct config_setting_t *find_entry(const struct source *s, const char *export)
{
    const struct config_setting_t *list = key_find(source_root(s), "exports");

    if (!list)
        return s->kind == SOURCE_EXPORTS ? source_root(s) : NULL;
    if (!config_setting_is_list(list))
        return NULL;
    for (int i = 0; i < config_setting_length(list); i++) {
        const struct config_setting_t *group = config_setting_get_elem(list, (unsigned)i);
        const struct config_setting_t *name =
            config_setting_is_group(group) ? key_find(group, "name") : NULL;
        const char *said = name && config_setting_type(name) == CONFIG_TYPE_STRING
                               ? config_setting_get_string(name)
                               : NULL;
        if (said && !strcmp(said, export))
            return group;
    }
    return NULL;
}

/* Is this export's part of the file as it was?  Others may live in the same file. */
static bool entry_is_same(const struct source *was, const char *text, size_t size,
                          const struct export_entry *e)
{
    struct report report = { 0 };
    struct source *is = NULL;
    size_t start, end, new_start, new_end;

    if (source_parse(was->kind, was->name, was->path, text, size, &is, &report))
        return false;
    const struct config_setting_t *group = find_entry(is, e->name);
    bool same = false;
    if (group) {
        entry_range(was, e->group, &start, &end);
        entry_range(is, group, &new_start, &new_end);
        same = end - start == new_end - new_start &&
               !memcmp(was->text + start, is->text + new_start, end - start);
    }
    source_unref(is);
    return same;
}

static bool file_is_same(const struct source *s, const struct export_entry *entry,
                         struct weir_text *reason)
{
    cleanup_free char *now = NULL;
    const char *text;
    size_t size;

    if (!*s->path)
        return true;
    int err = load_text(s->path, TEXT_MAX, &now, &size);
    if (err) {
        weir_print(reason, "%s cannot be read any more: %s", s->name, strerror(-err));
        return false;
    }
    size_t header = source_header_length(s->kind, now);
    text = now + header;
    size -= header;
    if (size == s->size && !memcmp(text, s->text, size))
        return true;
    if (entry && entry_is_same(s, text, size, entry))
        return true;
    weir_print(reason, "%s was edited and not applied yet: reload", s->name);
    return false;
}

static bool files_are_same(const struct configuration *c, const struct export_entry *e,
                           struct weir_text *reason)
{
    const struct policy *policy = policy_find(c, e->policy);
    cleanup_free char *path = override_path(&c->layout, e->name);
    struct stat st;

    if (policy && !file_is_same(policy->source, NULL, reason))
        return false;
    if (!file_is_same(e->source, e, reason))
        return false;
    if (e->override)
        return file_is_same(e->override, NULL, reason);
    if (path && !stat(path, &st)) {
        weir_print(reason, "%s is there and not applied yet: reload", path);
        return false;
    }
    return true;
}

enum compliance config_compliance(const char *name, struct weir_text *reason)
{
    struct configuration *c = running_get();
    const struct export_entry *e = c ? export_entry_find(c, name) : NULL;
    enum compliance result = judge_export(name, e, reason);

    if (e && result == COMPLIANT && !files_are_same(c, e, reason))
        result = OUT_OF_DATE;
    configuration_unref(c);
    return result;
}
