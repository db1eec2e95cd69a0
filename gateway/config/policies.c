/* policies.c - which filters does a policy ask for, with which options?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../scope.h"
#include "../text.h"
#include "configuration.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *const policy_keys[] = { "name",       "description",       "plaintext_filters",
                                    "hold_limit", "on_filter_failure", "filters",
                                    NULL };
const char *const failure_words[] = {
    [ON_FAILURE_LOCK] = "lock", [ON_FAILURE_BYPASS] = "bypass", NULL
};

const struct policy *policy_find(const struct configuration *c, const char *name)
{
    for (size_t i = 0; i < c->policy_count; i++) {
        if (!strcmp(c->policies[i].name, name))
            return &c->policies[i];
    }
    return NULL;
}

bool source_is_policy(const struct source *s)
{
    for (const char *const *key = policy_keys; *key; key++) {
        if (key_find(source_root(s), *key))
            return true;
    }
    return false;
}

void policy_finish(struct policy *p)
{
    for (size_t i = 0; i < p->count; i++) {
        settings_destroy(p->filter[i].settings); /* which look at the library's rows */
        loader_put(p->filter[i].library);
        free(p->filter[i].label);
    }
    p->count = 0;
}

/* ---- options ----------------------------------------------------------------- */

/* What an edited text shows as "(secret)" stays what it was. */
static const char *kept_secret(const struct weir_option *row, const char *word,
                               const struct settings *base)
{
    if (!base || !(row->flags & WEIR_SECRET) || row->type != WEIR_STRING ||
        strcmp(word, "(secret)"))
        return word;
    const char *config = settings_config(base);
    return *(const char *const *)(config + row->at);
}

static void option_read(const struct reader *r, const struct config_setting_t *setting,
                        const char *label, const struct weir_option *rows, struct settings *s,
                        const struct settings *base)
{
    const char *key = config_setting_name(setting);
    const struct weir_option *row = option_find(rows, key);
    cleanup_free char *word = NULL;
    cleanup_text struct weir_text why = { 0 };

    if (row && !key_word(r, setting, row, &word))
        return;
    int err = settings_set(s, key, row ? kept_secret(row, word, base) : "", &why);
    if (err == -ENOMEM)
        report_memory(r->report);
    else if (err && row)
        report_value(r->report, r->source, setting, "filter \"%s\": %s", label, text_string(&why));
    else if (err)
        report_name(r->report, r->source, setting, "filter \"%s\": %s", label, text_string(&why));
    else if (row->flags & WEIR_NAMES_POOL)
        pool_name_check(r, setting, label, word);
}

void options_read(const struct reader *r, const struct config_setting_t *group, const char *label,
                  const struct weir_option *rows, struct settings *s, const struct settings *base)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        const struct config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const char *key = config_setting_name(setting);
        if (strcmp(key, "filter") && strcmp(key, "label"))
            option_read(r, setting, label, rows, s, base);
    }
}

/* ---- one filter -------------------------------------------------------------- */

/* `reason` is filled for a stand-in. */
static struct library *find_library(const struct reader *r, const struct config_setting_t *setting,
                                    enum strictness strictness, struct weir_text *reason)
{
    struct library *library = NULL;
    const char *name;

    if (!key_name(r, setting, NAME_PLAIN, &name))
        return NULL;
    int err = loader_get(name, &library, reason);
    if (err == -ENOMEM) {
        report_memory(r->report);
    } else if (err && strictness == MISSING_LOCKS) {
        library = standin_get(name);
        if (!library)
            report_memory(r->report);
    } else if (err) {
        report_value(r->report, r->source, setting, "%s", text_string(reason));
    }
    return library;
}

/* A label of its own, or the filter's name, or name-2, name-3 … */
static char *make_label(const struct policy *p, const char *name)
{
    char *label = strdup(name);

    for (unsigned n = 2; label; n++) {
        size_t i = 0;
        while (i < p->count && strcmp(p->filter[i].label, label))
            i++;
        if (i == p->count)
            return label;
        free(label);
        if (asprintf(&label, "%s-%u", name, n) < 0)
            return NULL;
    }
    return NULL;
}

static bool read_label(const struct policy *p, const struct reader *r,
                       const struct config_setting_t *group, const char *name, char **ret)
{
    const struct config_setting_t *setting = key_find(group, "label");
    const char *label;

    if (!setting) {
        *ret = make_label(p, name);
    } else {
        if (!key_name(r, setting, NAME_PLAIN, &label))
            return false;
        for (size_t i = 0; i < p->count; i++) {
            if (!strcmp(p->filter[i].label, label)) {
                report_value(r->report, r->source, setting,
                             "the label \"%s\" is taken by the filter in line %u: choose another",
                             label, spot_of(p->filter[i].group)->value.line);
                return false;
            }
        }
        *ret = strdup(label);
    }
    if (!*ret)
        report_memory(r->report);
    return *ret != NULL;
}

static bool class_is_free(const struct policy *p, const struct reader *r,
                          const struct config_setting_t *setting, const struct weir_filter *f)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct weir_filter *other = &p->filter[i].library->filter;
        if (f->klass == WEIR_CLASS_NONE || other->klass != f->klass)
            continue;
        report_value(r->report, r->source, setting,
                     "filters \"%s\" and \"%s\" are both of class \"%s\": an export has one of a "
                     "class",
                     other->name, f->name, class_name(f->klass));
        return false;
    }
    return true;
}

static const struct settings *settings_of(const struct plan *plan, const char *label,
                                          const struct library *library)
{
    for (size_t i = 0; plan && i < plan->count; i++) {
        if (!strcmp(plan->filter[i].label, label) && plan->filter[i].library == library)
            return plan->filter[i].settings;
    }
    return NULL;
}

static bool fill(struct policy_filter *f, const struct reader *r,
                 const struct config_setting_t *setting, const struct plan *base,
                 const char *reason)
{
    const struct weir_filter *filter = &f->library->filter;
    cleanup_text struct weir_text why = { 0 };
    int err = settings_create(filter->options, filter->config_size, &f->settings, &why);

    if (!err && standin_is(f->library)) {
        err = settings_set(f->settings, "reason", reason, &why);
    } else if (!err) {
        options_read(r, f->group, f->label, filter->options, f->settings,
                     settings_of(base, f->label, f->library));
    }
    if (err)
        report_value(r->report, r->source, setting, "filter \"%s\": %s", filter->name,
                     text_string(&why));
    return !err;
}

static void filter_read(struct policy *p, const struct reader *r,
                        const struct config_setting_t *group, enum strictness strictness,
                        const struct plan *base)
{
    const struct config_setting_t *setting = key_find(group, "filter");
    cleanup_text struct weir_text reason = { 0 };
    struct policy_filter f = { .group = group };
    const char *name;

    if (!setting) {
        key_required(r, group, "filter", "an entry of \"filters\"", &name);
        return;
    }
    if (p->count == CHAIN_MAX) {
        report_value(r->report, r->source, group, "an export has at most %d filters", CHAIN_MAX);
        return;
    }
    f.library = find_library(r, setting, strictness, &reason);
    if (!f.library)
        return;
    const struct weir_filter *filter = &f.library->filter;
    if (class_is_free(p, r, setting, filter) && read_label(p, r, group, filter->name, &f.label) &&
        fill(&f, r, setting, base, text_string(&reason))) {
        p->filter[p->count++] = f;
        return;
    }
    loader_put(f.library);
    settings_destroy(f.settings);
    free(f.label);
}

/* ---- the policy -------------------------------------------------------------- */

static void read_flags(struct policy *p, const struct reader *r,
                       const struct config_setting_t *root)
{
    const struct config_setting_t *plaintext = key_find(root, "plaintext_filters"),
                                  *limit = key_find(root, "hold_limit"),
                                  *failure = key_find(root, "on_filter_failure"),
                                  *description = key_find(root, "description");

    p->hold_limit = POLICY_HOLD_LIMIT;
    p->description = "";
    if (plaintext)
        key_bool(r, plaintext, &p->plaintext_filters);
    if (limit)
        key_time(r, limit, &p->hold_limit);
    if (failure)
        key_choice(r, failure, failure_words, &p->on_filter_failure);
    if (description)
        key_string(r, description, &p->description);
}

/* A policy's name is that of its file, unless it says another. */
static void read_name(struct policy *p, const struct reader *r, const struct config_setting_t *root)
{
    const struct config_setting_t *setting = key_find(root, "name");
    const char *fault;

    p->name = r->source->stem;
    if (setting) {
        if (!key_name(r, setting, NAME_PLAIN, &p->name))
            p->name = r->source->stem;
    } else if (r->source->kind == SOURCE_POLICY && (fault = name_fault(p->name, NAME_PLAIN))) {
        report_file(r->report, -EINVAL, r->source->name,
                    "the policy has the name of its file, and the name \"%s\" %s: add name = "
                    "\"NAME\"",
                    p->name, fault);
    }
}

static void parse(struct policy *p, const struct reader *r, enum strictness strictness,
                  const struct plan *base)
{
    const struct config_setting_t *root = source_root(r->source),
                                  *filters = key_find(root, "filters");

    keys_check(r, root, policy_keys, "a policy");
    read_name(p, r, root);
    read_flags(p, r, root);
    if (!filters) {
        report_end(r->report, r->source->name, (struct place){ 0 }, "",
                   "\"filters\" is missing: a policy needs it; filters = ( ); is one without any");
        return;
    }
    if (!key_groups(r, filters))
        return;
    for (int i = 0; i < config_setting_length(filters); i++)
        filter_read(p, r, config_setting_get_elem(filters, (unsigned)i), strictness, base);
    conflicts_check(p, r);
}

void policy_parse(struct policy *p, const struct reader *r, enum strictness strictness,
                  const struct plan *base)
{
    struct report own = { .mistakes = r->report->mistakes };
    const struct reader reader = { r->source, &own, r->whole };

    *p = (struct policy){ .source = r->source };
    parse(p, &reader, strictness, base);
    p->flawed = own.err != 0;
    if (own.err && r->report->err != -ENOMEM)
        r->report->err = own.err;
}
