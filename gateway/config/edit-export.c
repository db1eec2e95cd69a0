/* edit-export.c - how does one export get a policy, or an option, of its own?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "../scope.h"
#include "../text.h"
#include "edit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- a whole text ------------------------------------------------------------ */

static const struct export_entry *find_export(struct edit *e, const char *export)
{
    const struct export_entry *entry = export_entry_find(e->old, export);

    if (!entry)
        edit_no_export(e, export);
    return entry;
}

/* Puts `text` into the place of the export's file under overrides.d. */
static int replace_override(struct edit *e, const struct export_entry *entry, const char *text)
{
    cleanup_free char *path = override_path(&e->old->layout, entry->name);
    cleanup_free char *shown = NULL;

    if (!path || asprintf(&shown, "exports/%s/policy.conf", entry->name) < 0) {
        shown = NULL;
        report_memory(e->report);
        return -ENOMEM;
    }
    return edit_replace(e, SOURCE_OVERRIDE, entry->override, shown, path, text);
}

/* An options file is ours to write; what people edit is a policy. */
static void check_is_policy(struct edit *e)
{
    const struct source *s = e->source[0].is;

    if (!source_is_policy(s))
        report_end(e->report, s->name, (struct place){ 0 }, "",
                   "\"filters\" is missing: a policy needs it; filters = ( ); is one without any");
}

static bool is_same(struct edit *e, const struct export_entry *entry, const char *text)
{
    cleanup_text struct weir_text now = { 0 };

    return !effective_text(e->old, entry, &now) && !strcmp(text_string(&now), text);
}

/* 1: nothing to do. */
static int prepare_text(struct edit *e, const char *export, const char *text)
{
    const struct export_entry *entry = find_export(e, export);

    if (!entry)
        return e->report->err;
    if (!entry->override && is_same(e, entry, text))
        return 1; /* saved unchanged: no edit, so no text of its own */
    int err = replace_override(e, entry, text);
    if (err)
        return err;
    check_is_policy(e);
    return e->report->err ? e->report->err : edit_check(e);
}

static int apply_override(struct edit *e, const char *export)
{
    cleanup_free char *name = override_name(&e->old->layout, export);

    if (name)
        return edit_apply(e, (const char *const[]){ name });
    report_memory(e->report);
    return -ENOMEM;
}

int config_export_policy_check(const char *export, const char *text, struct mistakes *mistakes)
{
    struct report report = { .mistakes = mistakes };
    struct edit e;

    if (edit_begin(&e, &report))
        prepare_text(&e, export, text);
    edit_end(&e);
    return report.err;
}

int config_export_policy_set(const char *export, const char *text, struct mistakes *mistakes)
{
    struct report report = { .mistakes = mistakes };
    struct edit e;

    running_begin();
    if (edit_begin(&e, &report) && !prepare_text(&e, export, text))
        apply_override(&e, export);
    edit_end(&e);
    running_end();
    return report.err;
}

/* ---- one option -------------------------------------------------------------- */

static const struct plan_filter *find_label(const struct plan *plan, const char *label)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (!strcmp(plan->filter[i].label, label))
            return &plan->filter[i];
    }
    return NULL;
}

/* Everything that can be wrong with the one word, with its own errno. */
static int judge_option(const struct plan_filter *f, const char *option, const char *value,
                        struct weir_text *why)
{
    const struct weir_filter *filter = &f->library->filter;
    const struct weir_option *row = option_find(filter->options, option);
    struct settings *copy = NULL;

    if (row && !(row->flags & WEIR_LIVE)) {
        weir_print(why,
                   "option \"%s\" of filter \"%s\" cannot change while requests run: edit the "
                   "policy instead",
                   option, f->label);
        return -EPERM;
    }
    int err = settings_copy(f->settings, &copy);
    if (!err)
        err = settings_set(copy, option, value, why);
    if (!err && filter->check)
        err = filter->check(settings_config(copy), why);
    settings_destroy(copy);
    return err;
}

/* The text of the override with the option in it. */
static void write_option(const struct export_entry *entry, const struct plan_filter *f,
                         const char *option, const char *value, struct weir_text *text)
{
    const struct weir_option *row = option_find(f->library->filter.options, option);
    const struct source *s = entry->override;
    const char *key = s && source_is_policy(s) ? "filters" : "options";
    const struct config_setting_t *list = s ? key_find(source_root(s), key) : NULL;
    const struct config_setting_t *group = group_of_filter(list, f);
    cleanup_text struct weir_text literal = { 0 }, line = { 0 };

    print_literal(row, value, &literal);
    if (group) {
        splice_key(s, group, option, text_string(&literal), "filter", text);
        return;
    }
    weir_print(&line, "{ filter = \"%s\"; %s = %s; }", f->label, option, text_string(&literal));
    if (list)
        splice_entry(s, list, text_string(&line), text);
    else
        weir_print(text, "options = (\n    %s\n);\n", text_string(&line));
}

static int set_option(struct edit *e, const char *export, const char *label, const char *option,
                      const char *value, struct weir_text *why)
{
    const struct export_entry *entry = find_export(e, export);
    const struct plan_filter *f = entry ? find_label(&entry->plan, label) : NULL;
    cleanup_text struct weir_text text = { 0 };

    if (!entry)
        return e->report->err;
    if (!f) {
        weir_print(why, "export \"%s\" has no filter \"%s\"", export, label);
        return -ENOENT;
    }
    int err = judge_option(f, option, value, why);
    if (err)
        return err;
    write_option(entry, f, option, value, &text);
    err = text.cut ? -ENOMEM : replace_override(e, entry, text_string(&text));
    if (!err)
        err = edit_check(e);
    return err ? err : apply_override(e, export);
}

int config_set_option(const char *export, const char *label, const char *option, const char *value,
                      struct weir_text *why)
{
    struct value_edit v;
    int err = -ESHUTDOWN;

    if (value_edit_begin(&v))
        err = set_option(&v.edit, export, label, option, value, why);
    value_edit_end(&v, why);
    return err;
}
