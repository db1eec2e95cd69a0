/* edit-policy.c - how does a policy change, for every export that names it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../scope.h"
#include "../text.h"
#include "edit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- where a policy lives ---------------------------------------------------- */

struct home {
    struct source *was; /* NULL: a new one */
    char *path, *name;  /* of its file */
    char *shown;        /* what messages about the edited text say */
};

static void home_finish(struct home *h)
{
    free(h->path);
    free(h->name);
    free(h->shown);
}

static int home_of(struct edit *e, const char *policy, struct home *h)
{
    const struct layout *l = &e->old->layout;
    const struct policy *p = policy_find(e->old, policy);
    const char *fault = name_fault(policy, NAME_PLAIN);

    *h = (struct home){ .was = p ? p->source : NULL };
    if (fault) {
        report_file(e->report, -EINVAL, "policies", "the name \"%s\" %s", policy, fault);
        return -EINVAL;
    }
    if (!p && !l->policies) {
        report_file(e->report, -EROFS, *l->file ? l->file : "built-in",
                    "there is no folder to keep policy \"%s\" in: add include_policies = "
                    "\"policies.d\"",
                    policy);
        return -EROFS;
    }
    cleanup_free char *file = NULL;
    if (asprintf(&h->shown, "policies/%s", policy) < 0)
        h->shown = NULL;
    if (asprintf(&file, "%s.conf", policy) < 0)
        file = NULL;
    if (p) {
        h->path = strdup(p->source->path);
        h->name = strdup(p->source->name);
    } else if (file) {
        h->path = path_join(l->policies, file);
        h->name = path_join(l->policies_name, file);
    }
    if (h->shown && h->path && h->name)
        return 0;
    report_memory(e->report);
    return -ENOMEM;
}

/* A policy does not change its name by an edit: exports name it. */
static void check_name(struct edit *e, const char *policy)
{
    const struct source *s = e->source[0].is;
    const struct config_setting_t *setting = key_find(source_root(s), "name");
    const char *said = setting && config_setting_type(setting) == CONFIG_TYPE_STRING
                           ? config_setting_get_string(setting)
                           : NULL;

    if (setting && said && strcmp(said, policy))
        report_value(e->report, s, setting,
                     "this is policy \"%s\", so its text cannot say name = \"%s\": change or drop "
                     "the line",
                     policy, said);
    else if (!setting && strcmp(s->stem, policy))
        report_file(e->report, -EINVAL, s->name,
                    "\"name\" is missing, and the file %s.conf has another one: add name = \"%s\"",
                    s->stem, policy);
}

static int prepare(struct edit *e, const char *policy, const char *text, struct home *h)
{
    int err = home_of(e, policy, h);

    if (!err)
        err = edit_replace(e, SOURCE_POLICY, h->was, h->shown, h->path, text);
    if (!err)
        check_name(e, policy);
    if (!err)
        err = e->report->err;
    return err ? err : edit_check(e);
}

/* ---- the interface ----------------------------------------------------------- */

int config_policy_check(const char *name, const char *text, struct mistakes *mistakes)
{
    struct report report = { .mistakes = mistakes };
    struct home h = { 0 };
    struct edit e;

    if (edit_begin(&e, &report))
        prepare(&e, name, text, &h);
    edit_end(&e);
    home_finish(&h);
    return report.err;
}

int config_policy_set(const char *name, const char *text, struct mistakes *mistakes)
{
    struct report report = { .mistakes = mistakes };
    struct home h = { 0 };
    struct edit e;

    running_begin();
    if (edit_begin(&e, &report) && !prepare(&e, name, text, &h))
        edit_apply(&e, (const char *const[]){ h.name });
    edit_end(&e);
    running_end();
    home_finish(&h);
    return report.err;
}

static void report_users(struct edit *e, const struct policy *p)
{
    cleanup_text struct weir_text users = { 0 };

    for (size_t i = 0; i < e->old->export_count; i++) {
        if (!strcmp(e->old->exports[i].policy, p->name))
            weir_print(&users, "%s\"%s\"", users.length ? ", " : "", e->old->exports[i].name);
    }
    if (users.length)
        report_file(e->report, -EBUSY, p->source->name,
                    "policy \"%s\" is in use by %s: assign another one first", p->name,
                    text_string(&users));
}

static void remove_policy(struct edit *e, const char *name)
{
    const struct policy *p = policy_find(e->old, name);

    if (!p) {
        report_file(e->report, -ENOENT, "policies", "there is no policy \"%s\"", name);
        return;
    }
    report_users(e, p);
    if (e->report->err)
        return;
    edit_remove(e, p->source);
    if (!edit_check(e))
        edit_apply(e, (const char *const[]){ p->source->name });
}

int config_policy_remove(const char *name, struct mistakes *mistakes)
{
    struct report report = { .mistakes = mistakes };
    struct edit e;

    running_begin();
    if (edit_begin(&e, &report))
        remove_policy(&e, name);
    edit_end(&e);
    running_end();
    return report.err;
}

/* ---- assigning --------------------------------------------------------------- */

/* The one word changes in the file where the user wrote it.  What was set for the
 * export alone was set on top of another policy, and goes. */
static void assign(struct edit *e, const char *export, const char *policy)
{
    const struct export_entry *entry = export_entry_find(e->old, export);
    cleanup_text struct weir_text text = { 0 }, literal = { 0 };

    if (!entry) {
        edit_no_export(e, export);
        return;
    }
    if (*policy && !policy_find(e->old, policy)) {
        report_file(e->report, -ENOENT, "policies", "there is no policy \"%s\"", policy);
        return;
    }
    struct source *s = entry->source;
    if (!*s->path) {
        report_file(e->report, -EROFS, s->name,
                    "the built-in configuration cannot be changed: start with conf=FILE");
        return;
    }
    print_quoted(policy, &literal);
    splice_key(s, entry->group, "policy", text_string(&literal), "name", &text);
    if (text.cut || edit_replace(e, s->kind, s, s->name, s->path, text_string(&text)))
        return;
    const char *names[EDITS_MAX] = { s->name };
    cleanup_free char *override = override_name(&e->old->layout, export);
    if (entry->override) {
        edit_remove(e, entry->override);
        names[1] = override ? override : entry->override->name;
    }
    if (!edit_check(e))
        edit_apply(e, names);
}

int config_policy_assign(const char *export, const char *policy, struct mistakes *mistakes)
{
    struct report report = { .mistakes = mistakes };
    struct edit e;

    running_begin();
    if (edit_begin(&e, &report))
        assign(&e, export, policy);
    edit_end(&e);
    running_end();
    return report.err;
}
