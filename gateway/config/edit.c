/* edit.c - what do all edits of a running configuration have in common?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * An edit is a new text for one source.  The configuration is made again from all
 * sources as they are in memory, so a file that somebody is editing on disk is not
 * applied by the way, and everything is checked together. */
#include "edit.h"
#include "../gateway.h"
#include "../scope.h"

#include <errno.h>
#include <string.h>

bool edit_begin(struct edit *e, struct report *report)
{
    *e = (struct edit){ .report = report, .old = running_get() };
    if (!e->old)
        report_file(report, -ESHUTDOWN, "", "no configuration is running");
    return e->old != NULL;
}

void edit_no_export(struct edit *e, const char *name)
{
    struct export *there = gateway_find(name);

    if (there && export_config(there)->base)
        report_file(e->report, -EPERM, "exports",
                    "export \"%s\" is there because a client asked for it, and has no policy of "
                    "its own: edit that of \"%s\"",
                    name, export_name(export_config(there)->base));
    else
        report_file(e->report, -ENOENT, "exports", "there is no export \"%s\"", name);
    export_unref(there);
}

int edit_replace(struct edit *e, enum source_kind kind, struct source *was, const char *shown,
                 const char *path, const char *text)
{
    struct source *is = NULL;
    int err = source_parse(kind, shown, path, text, strlen(text), &is, e->report);

    if (err)
        return err;
    e->source[e->count].was = was;
    e->source[e->count++].is = is;
    return 0;
}

void edit_remove(struct edit *e, struct source *was)
{
    e->source[e->count].was = was;
    e->source[e->count++].is = NULL;
}

int edit_check(struct edit *e)
{
    size_t count = 0;
    cleanup_free struct source **all = calloc(e->old->source_count + EDITS_MAX, sizeof *all);

    if (!all) {
        report_memory(e->report);
        return -ENOMEM;
    }
    for (size_t i = 0; i < e->old->source_count; i++) {
        struct source *s = e->old->sources[i];
        for (size_t k = 0; s && k < e->count; k++) {
            if (e->source[k].was == s)
                s = e->source[k].is;
        }
        if (s)
            all[count++] = s;
    }
    for (size_t k = 0; k < e->count; k++) {
        if (!e->source[k].was)
            all[count++] = e->source[k].is;
    }
    return configuration_make(all, count, &e->old->layout, STRICT, e->old, &e->new, e->report);
}

int edit_apply(struct edit *e, const char *const *names)
{
    struct file_edit files[EDITS_MAX];

    for (size_t i = 0; i < e->count; i++) {
        struct source *was = e->source[i].was, *is = e->source[i].is;
        const struct source *any = is ? is : was;
        char *name = is ? strdup(names[i]) : NULL;
        if (is && !name) {
            report_memory(e->report);
            return -ENOMEM;
        }
        if (is) { /* nobody else knows it yet */
            free(is->name);
            is->name = name;
        }
        files[i] = (struct file_edit){
            .path = any->path,
            .name = names[i],
            .header = source_header(any->kind),
            .text = is ? is->text : NULL,
            .before = was ? was->text : NULL,
        };
    }
    int err = change_to(e->new, files, e->count, e->report);
    if (err)
        return err;
    e->new = NULL; /* it runs now */
    return 0;
}

void edit_end(struct edit *e)
{
    for (size_t i = 0; i < e->count; i++)
        source_unref(e->source[i].is);
    configuration_unref(e->new);
    configuration_unref(e->old);
}

bool value_edit_begin(struct value_edit *v)
{
    *v = (struct value_edit){ 0 };
    v->report.mistakes = &v->mistakes;
    running_begin();
    return edit_begin(&v->edit, &v->report);
}

void value_edit_end(struct value_edit *v, struct weir_text *why)
{
    edit_end(&v->edit);
    running_end();
    for (size_t i = 0; i < v->mistakes.count; i++)
        weir_print(why, "%s%s", i ? "; " : "", v->mistakes.list[i].sentence);
    mistakes_finish(&v->mistakes);
}
