/* plans.c - which chain should each export run with, all said and overridden?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The filters of the policy, then the export's own `options`, then its overrides.d
 * file: single options on top, or a whole text instead. */
#include "../scope.h"
#include "../text.h"
#include "configuration.h"

#include <errno.h>
#include <string.h>

/* ---- plans ------------------------------------------------------------------- */

int plan_copy(const struct plan *from, struct plan *ret)
{
    struct plan copy = *from;

    copy.count = 0;
    pools_ref(copy.pools);
    for (size_t i = 0; i < from->count; i++) {
        const struct plan_filter *f = &from->filter[i];
        struct plan_filter *to = &copy.filter[i];
        *to = (struct plan_filter){ 0 };
        to->label = strdup(f->label);
        if (!to->label || settings_copy(f->settings, &to->settings)) {
            free(to->label);
            plan_finish(&copy);
            return -ENOMEM;
        }
        to->library = loader_ref(f->library);
        copy.count++;
    }
    *ret = copy;
    return 0;
}

/* Of two plans with the same option: is it also the same pool that it names? */
static bool same_pool(const struct plan *a, const struct plan *b, const struct weir_option *o,
                      const struct settings *settings)
{
    const char *config = settings_config(settings);

    return !(o->flags & WEIR_NAMES_POOL) ||
           pools_agree(a->pools, b->pools, *(const char *const *)(config + o->at));
}

static bool filter_equal(const struct plan *x, const struct plan *y, size_t i)
{
    const struct plan_filter *a = &x->filter[i], *b = &y->filter[i];

    if (a->library != b->library || strcmp(a->label, b->label))
        return false;
    for (const struct weir_option *o = a->library->filter.options; o && o->name; o++) {
        if (!settings_equal(a->settings, b->settings, o->name) || !same_pool(x, y, o, a->settings))
            return false;
    }
    return true;
}

bool plan_equal(const struct plan *a, const struct plan *b)
{
    if (a->count != b->count || a->plaintext_filters != b->plaintext_filters ||
        a->hold_limit != b->hold_limit || a->on_filter_failure != b->on_filter_failure)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!filter_equal(a, b, i))
            return false;
    }
    return true;
}

bool plan_is_lame(const struct plan *p)
{
    for (size_t i = 0; i < p->count; i++) {
        if (standin_is(p->filter[i].library))
            return true;
    }
    return false;
}

/* From a policy, in the policy's order: that of the classes comes last. */
static int plan_from(const struct policy *p, struct plan *ret)
{
    struct plan plan = { .plaintext_filters = p->plaintext_filters,
                         .hold_limit = p->hold_limit,
                         .on_filter_failure = (enum on_failure)p->on_filter_failure };

    for (size_t i = 0; i < p->count; i++) {
        struct plan_filter *to = &plan.filter[i];
        to->label = strdup(p->filter[i].label);
        if (!to->label || settings_copy(p->filter[i].settings, &to->settings)) {
            free(to->label);
            plan_finish(&plan);
            return -ENOMEM;
        }
        to->library = loader_ref(p->filter[i].library);
        plan.count++;
    }
    *ret = plan;
    return 0;
}

/* ---- options on top ---------------------------------------------------------- */

/* By label; by the filter's name where only one has it. */
static struct plan_filter *find_filter(struct plan *plan, const char *word)
{
    struct plan_filter *found = NULL;

    for (size_t i = 0; i < plan->count; i++) {
        if (!strcmp(plan->filter[i].label, word))
            return &plan->filter[i];
    }
    for (size_t i = 0; i < plan->count; i++) {
        if (strcmp(plan->filter[i].library->filter.name, word))
            continue;
        if (found)
            return NULL;
        found = &plan->filter[i];
    }
    return found;
}

const struct config_setting_t *group_of_filter(const struct config_setting_t *list,
                                               const struct plan_filter *f)
{
    const struct config_setting_t *by_name = NULL;

    for (int i = 0; list && i < config_setting_length(list); i++) {
        const struct config_setting_t *group = config_setting_get_elem(list, (unsigned)i);
        const struct config_setting_t *label = key_find(group, "label");
        const struct config_setting_t *filter = key_find(group, "filter");
        const struct config_setting_t *says = label ? label : filter;
        const char *said = says ? config_setting_get_string(says) : NULL;
        if (said && !strcmp(said, f->label))
            return group;
        if (!label && said && !strcmp(said, f->library->filter.name))
            by_name = group;
    }
    return by_name;
}

static void unknown_filter(const struct reader *r, const struct config_setting_t *setting,
                           const struct plan *plan, const char *word)
{
    const char *labels[CHAIN_MAX + 1] = { 0 };

    for (size_t i = 0; i < plan->count; i++)
        labels[i] = plan->filter[i].label;
    const char *near = nearest_word(word, labels);
    report_value(r->report, r->source, setting,
                 "the policy of this export has no filter \"%s\"%s%s%s", word,
                 near ? "; did you mean \"" : ": options are for a filter that is there",
                 near ? near : "", near ? "\"?" : "");
}

/* What was set through the mount for a filter that the policy has no more sleeps. */
static void overlay(const struct reader *r, const struct config_setting_t *list, struct plan *plan)
{
    bool may_sleep = r->source->kind == SOURCE_OVERRIDE;

    for (int i = 0; i < config_setting_length(list); i++) {
        const struct config_setting_t *group = config_setting_get_elem(list, (unsigned)i);
        const struct config_setting_t *setting = key_find(group, "filter");
        const char *word;
        if (!key_required(r, group, "filter", "an entry of \"options\"", &word))
            continue;
        struct plan_filter *f = find_filter(plan, word);
        if (!f && !may_sleep)
            unknown_filter(r, setting, plan, word);
        else if (f && !standin_is(f->library))
            options_read(r, group, f->label, f->library->filter.options, f->settings, f->settings);
    }
}

/* ---- judging ----------------------------------------------------------------- */

/* Where a filter's options are said last: there the mistake is. */
static void place_of(const struct policy *p, const struct export_entry *e,
                     const struct plan_filter *f, struct reader *r,
                     const struct config_setting_t **group)
{
    const struct config_setting_t *own = NULL;

    *group = NULL;
    r->source = p->source;
    for (size_t i = 0; i < p->count; i++) {
        if (!strcmp(p->filter[i].label, f->label))
            *group = p->filter[i].group;
    }
    if (e && p->source == e->override)
        return;
    if (e && e->override)
        own = group_of_filter(key_find(source_root(e->override), "options"), f);
    if (own)
        r->source = e->override;
    else if (e && (own = group_of_filter(e->options, f)))
        r->source = e->source;
    if (own)
        *group = own;
}

/* `e` may be NULL. */
static void judge_filter(const struct policy *p, const struct export_entry *e,
                         const struct plan_filter *f, struct report *report)
{
    const struct weir_option *missing = settings_missing(f->settings);
    cleanup_text struct weir_text why = { 0 };
    struct reader r = { .report = report };
    const struct config_setting_t *group;

    place_of(p, e, f, &r, &group);
    if (missing && !key_find(group, missing->name)) /* else it is there, and wrong */
        report_value(report, r.source, group,
                     "filter \"%s\" needs the option \"%s\" (%s): set it here, or in the options "
                     "of each export",
                     f->label, missing->name, missing->help ? missing->help : "");
    /* what has mistakes already is not worth the filter's own judgement */
    else if (!report->err && f->library->filter.check &&
             f->library->filter.check(settings_config(f->settings), &why))
        report_value(report, r.source, group, "filter \"%s\": %s", f->label, text_string(&why));
}

/* A policy that no export names yet should be right by itself, as far as that can be. */
static void judge_unused(const struct configuration *c, const struct policy *p,
                         struct report *report)
{
    for (size_t i = 0; i < c->export_count; i++) {
        if (!strcmp(c->exports[i].policy, p->name))
            return;
    }
    for (size_t i = 0; i < p->count && !p->flawed; i++) {
        const struct plan_filter f = { p->filter[i].library, p->filter[i].label,
                                       p->filter[i].settings };
        if (!settings_missing(f.settings))
            judge_filter(p, NULL, &f, report);
    }
}

/* ---- one export -------------------------------------------------------------- */

static const struct policy no_policy = { .hold_limit = POLICY_HOLD_LIMIT };

static bool base_plan(const struct configuration *c, struct export_entry *e, const struct reader *r,
                      const struct policy **ret)
{
    const struct config_setting_t *setting = key_find(e->group, "policy");
    const char *names[1024];
    size_t n = 0;

    *ret = *e->policy ? policy_find(c, e->policy) : &no_policy;
    if (*ret) {
        if (plan_from(*ret, &e->plan))
            report_memory(r->report);
        return r->report->err != -ENOMEM;
    }
    for (; n < c->policy_count && n < 1023; n++)
        names[n] = c->policies[n].name;
    names[n] = NULL;
    const char *near = nearest_word(e->policy, names);
    if (near)
        report_value(r->report, r->source, setting,
                     "there is no policy \"%s\"; did you mean \"%s\"?", e->policy, near);
    else
        report_value(r->report, r->source, setting, "there is no policy \"%s\": %s", e->policy,
                     c->layout.policies ? "no file of the include_policies folder has that name"
                                        : "no folder of policies is named by include_policies");
    return false;
}

static const char *const override_keys[] = { "options", NULL };

/* The export's own file: true when it was a whole text, which `own` then holds. */
static bool override_read(const struct configuration *c, struct export_entry *e,
                          struct report *report, struct policy *own)
{
    const struct reader r = { e->override, report, c };

    if (source_is_policy(e->override)) {
        policy_parse(own, &r, strictness_for(c, e->override), &e->plan);
        plan_finish(&e->plan);
        if (plan_from(own, &e->plan)) {
            e->plan = (struct plan){ 0 };
            report_memory(report);
        }
        return true;
    }
    const struct config_setting_t *root = source_root(e->override);
    const struct config_setting_t *options = key_find(root, "options");
    keys_check(&r, root, override_keys, "an export's own file");
    if (options && key_groups(&r, options))
        overlay(&r, options, &e->plan);
    return false;
}

static void plan_make(const struct configuration *c, struct export_entry *e, struct report *report)
{
    const struct reader r = { e->source, report, c };
    const struct policy *policy;
    struct policy own = { 0 };
    cleanup_text struct weir_text why = { 0 };

    if (!base_plan(c, e, &r, &policy))
        return;
    if (policy->flawed)
        return;
    if (e->options)
        overlay(&r, e->options, &e->plan);
    if (e->override && override_read(c, e, report, &own))
        policy = &own;
    for (size_t i = 0; i < e->plan.count && report->err != -ENOMEM && !policy->flawed; i++)
        judge_filter(policy, e, &e->plan.filter[i], report);
    e->plan.pools = pools_ref(c->pools);
    if (plan_sort(&e->plan, &why))
        report_value(report, e->source, e->group, "%s", text_string(&why));
    policy_finish(&own);
}

static void check_datastore(const struct configuration *c, const struct export_entry *e,
                            struct report *report)
{
    const struct config_setting_t *setting = key_find(e->group, "datastore");
    const char *names[1024];
    size_t n = 0;

    if (!setting || !*e->datastore || datastore_entry_find(c, e->datastore))
        return;
    for (; n < c->datastore_count && n < 1023; n++)
        names[n] = c->datastores[n].name;
    names[n] = NULL;
    const char *near = nearest_word(e->datastore, names);
    report_value(report, e->source, setting, "there is no datastore \"%s\"%s%s%s", e->datastore,
                 near ? "; did you mean \""
                 : n  ? ""
                      : ": no datastore is defined",
                 near ? near : "", near ? "\"?" : "");
}

void plans_make(struct configuration *c, struct report *report)
{
    for (size_t i = 0; i < c->export_count && report->err != -ENOMEM; i++) {
        check_datastore(c, &c->exports[i], report);
        plan_make(c, &c->exports[i], report);
    }
    for (size_t i = 0; i < c->policy_count && report->err != -ENOMEM; i++)
        judge_unused(c, &c->policies[i], report);
}

/* ---- without an export -------------------------------------------------------- */

static int plan_alone(const struct reader *r, struct plan *ret)
{
    cleanup_text struct weir_text why = { 0 };
    struct report *report = r->report;
    struct policy p = { 0 };
    struct plan plan = { 0 };

    policy_parse(&p, r, STRICT, NULL);
    for (size_t i = 0; i < p.count && !p.flawed; i++) {
        const struct plan_filter f = { p.filter[i].library, p.filter[i].label,
                                       p.filter[i].settings };
        judge_filter(&p, NULL, &f, report);
    }
    if (!report->err && plan_from(&p, &plan))
        report_memory(report);
    if (!report->err && plan_sort(&plan, &why))
        report_file(report, -EINVAL, r->source->name, "%s", text_string(&why));
    policy_finish(&p);
    if (report->err)
        plan_finish(&plan);
    else
        *ret = plan;
    return report->err;
}

int config_policy_plan(const char *file, struct plan *ret, struct mistakes *mistakes)
{
    struct report report = { .mistakes = mistakes };
    struct source *s = NULL;

    if (source_load(SOURCE_POLICY, file, file, &s, &report))
        return report.err;
    const struct reader r = { s, &report, NULL };
    int err = plan_alone(&r, ret);
    source_unref(s);
    return err;
}
