/* upgrade.c - how does a filter become another version of itself while disks use it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The files say the same as before, and are read again with the new library in the old one's
 * place: what does not fit its tables is a mistake, at its line, before anything is touched.  Then
 * the exports go over like after any other change: all of them, or all of them back. */
#include "../events.h"
#include "../gateway.h"
#include "../options.h"
#include "../scope.h"
#include "../text.h"
#include "installed.h"
#include "running.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- who uses it ------------------------------------------------------------- */

static bool plan_uses(const struct plan *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->filter[i].library->filter.name, name) == 0)
            return true;
    return false;
}

static bool policy_uses(const struct policy *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->filter[i].library->filter.name, name) == 0)
            return true;
    return false;
}

/* "exports a, b; policies c": whoever names it, and what runs with it though no file does. */
static void print_uses(const struct configuration *c, const char *name, struct weir_text *text)
{
    struct export **all = gateway_list();
    size_t count = 0;

    for (size_t i = 0; all && all[i]; i++) {
        const struct export_entry *entry = c ? export_entry_find(c, export_name(all[i])) : NULL;
        struct export_view view;
        bool uses = entry && plan_uses(&entry->plan, name);
        if (!uses && !export_view(all[i], &view)) {
            uses = plan_uses(&view.plan, name);
            export_view_finish(&view);
        }
        if (uses)
            weir_print(text, "%s%s", count++ ? ", " : "exports ", export_name(all[i]));
    }
    gateway_put_list(all);
    const char *before = count ? "; policies " : "policies ";
    for (size_t i = 0; c && i < c->policy_count; i++)
        if (policy_uses(&c->policies[i], name)) {
            weir_print(text, "%s%s", before, c->policies[i].name);
            before = ", ";
        }
}

int config_filter_release(const char *name, bool check_only, struct weir_text *why)
{
    cleanup_text struct weir_text uses = { 0 };

    running_begin();
    struct configuration *c = running_get();
    print_uses(c, name, &uses);
    if (!uses.length && !check_only)
        loader_forget(name);
    configuration_unref(c);
    running_end();
    if (!uses.length)
        return 0;
    weir_print(why, "filter \"%s\" is in use by gateway %s: %s", name, places()->name,
               text_string(&uses));
    return -EBUSY;
}

/* ---- would it do? ------------------------------------------------------------ */

/* What a chain was built on. */
static int judge_kin(const struct weir_filter *was, const struct weir_filter *will,
                     struct weir_text *why)
{
    if (was->klass != will->klass)
        weir_print(why,
                   "filter %s is of class %s and would be of class %s while it is in use: take it "
                   "out of all policies first",
                   was->name, class_name(was->klass), class_name(will->klass));
    else if ((was->flags ^ will->flags) & WEIR_TRANSFORMS)
        weir_print(why,
                   "filter %s %s what is stored, and its other version %s: they cannot replace "
                   "each other while it is in use",
                   was->name, was->flags & WEIR_TRANSFORMS ? "changes" : "does not change",
                   will->flags & WEIR_TRANSFORMS ? "does" : "does not");
    else
        return 0;
    return -EBUSY;
}

static int judge_uses(const struct configuration *c, const struct library *will,
                      struct weir_text *why)
{
    int r = 0;

    for (size_t i = 0; !r && i < c->export_count; i++) {
        const struct plan *p = &c->exports[i].plan;
        for (size_t k = 0; !r && k < p->count; k++) {
            const struct library *was = p->filter[k].library;
            if (!standin_is(was) && strcmp(was->filter.name, will->filter.name) == 0)
                r = judge_kin(&was->filter, &will->filter, why);
        }
    }
    return r;
}

/* What the same files ask for with `l`. */
static int make_with(const struct configuration *c, struct library *l, struct configuration **ret,
                     struct report *report)
{
    loader_try(l);
    int r = configuration_make(c->sources, c->source_count, &c->layout, MISSING_LOCKS, NULL, ret,
                               report);
    loader_try(NULL);
    return r;
}

static int judge(struct library *l, struct mistakes *mistakes, struct weir_text *why)
{
    struct configuration *c = running_get(), *would = NULL;
    struct report report = { .mistakes = mistakes };

    int r = c ? judge_uses(c, l, why) : 0;
    if (c && !r)
        r = make_with(c, l, &would, &report);
    configuration_unref(would);
    configuration_unref(c);
    return r;
}

/* In which of our folders is it?  Never elsewhere: who may talk to a gateway may not have it run
 * any file. */
static int find_staged(const char *name, const char *id, char **ret, struct weir_text *why)
{
    cleanup_free char *folders = strdup(places()->filters);
    char object[OBJECT_NAME];

    if (!is_plain_word(name, MANIFEST_NAME_MOST) || !package_id_is_plain(id)) {
        weir_print(why, "\"%s\" of filter \"%s\" cannot be the name of a package", id, name);
        return -EINVAL;
    }
    object_name(name, object);
    for (char *rest = folders, *folder; rest && (folder = strsep(&rest, ":"));) {
        char *path = *folder ? installed_path(folder, name, id, object) : NULL;
        if (path && access(path, R_OK) == 0) {
            *ret = path;
            return 0;
        }
        free(path);
    }
    weir_print(why, "there is no package %s of filter \"%s\" in %s that gateway %s can read", id,
               name, places()->filters, places()->name);
    return -ENOENT;
}

int config_filter_prepare(const char *name, const char *id, struct mistakes *mistakes,
                          struct weir_text *why)
{
    cleanup_free char *path = NULL;
    struct library *l = NULL;

    int r = find_staged(name, id, &path, why);
    if (!r)
        r = loader_candidate(name, path, &l, why);
    if (r)
        return r;
    running_begin();
    r = judge(l, mistakes, why);
    running_end();
    loader_put(l);
    return r;
}

/* ---- going over -------------------------------------------------------------- */

/* The exports that were served before, and are to be afterwards. */
struct served {
    size_t count;
    struct was {
        const char *name;
        char version[64];
        bool active;
    } list[];
};

static bool view_of(const char *name, struct export_view *view)
{
    struct export *e = gateway_find(name);
    bool good = e && !export_view(e, view);

    export_unref(e);
    return good;
}

static void note_served(const struct configuration *c, const char *name, struct served *s)
{
    for (size_t i = 0; i < c->export_count; i++) {
        struct was *w = &s->list[s->count];
        struct export_view view;
        if (!plan_uses(&c->exports[i].plan, name) || !view_of(c->exports[i].name, &view))
            continue;
        *w = (struct was){ .name = c->exports[i].name, .active = view.state == EXPORT_ACTIVE };
        for (size_t k = 0; k < view.count; k++)
            if (strcmp(view.filter[k].filter->name, name) == 0)
                snprintf(w->version, sizeof w->version, "%s", view.filter[k].filter->version);
        s->count++;
        export_view_finish(&view);
    }
}

/* One that attached and then locked the disk has not gone over. */
static int judge_served(const struct served *s, struct weir_text *why)
{
    for (size_t i = 0; i < s->count; i++) {
        struct export_view view;
        if (!s->list[i].active || !view_of(s->list[i].name, &view))
            continue;
        bool locked = view.state == EXPORT_LOCKED;
        if (locked)
            weir_print(why, "export \"%s\" did not take the upgrade: %s", s->list[i].name,
                       view.reason);
        export_view_finish(&view);
        if (locked)
            return -EIO;
    }
    return 0;
}

/* A line for programs: export, from, to, nanoseconds. */
static void print_served(const struct served *s, const struct library *l, struct weir_text *text)
{
    for (size_t i = 0; i < s->count; i++) {
        struct export_view view;
        if (!view_of(s->list[i].name, &view))
            continue;
        weir_print(text, "%s\t%s\t%s\t%" PRIu64 "\n", s->list[i].name, s->list[i].version,
                   l->filter.version, s->list[i].active ? view.last_pause_ns : 0);
        export_view_finish(&view);
    }
}

static int go_over(struct library *l, struct report *report)
{
    struct configuration *c = running_get(), *new = NULL;
    int r = make_with(c, l, &new, report);

    if (!r)
        r = change_to(new, NULL, 0, report);
    if (r)
        configuration_unref(new);
    configuration_unref(c);
    return r;
}

static int go_over_or_back(const struct configuration *c, struct library *was, struct library *will,
                           struct weir_text *done, struct mistakes *mistakes, struct weir_text *why)
{
    cleanup_free struct served *served =
        calloc(1, sizeof *served + c->export_count * sizeof served->list[0]);
    struct report report = { .mistakes = mistakes }, back = { 0 };

    if (!served)
        return -ENOMEM;
    note_served(c, will->filter.name, served);
    int r = judge_uses(c, will, why);
    if (!r)
        r = go_over(will, &report);
    if (r)
        return r;
    r = judge_served(served, why);
    if (r && was && go_over(was, &back))
        weir_print(why, "; and the former version could not be put back everywhere");
    if (!r)
        print_served(served, will, done);
    return r;
}

int config_filter_upgrade(const char *name, struct weir_text *done, struct mistakes *mistakes,
                          struct weir_text *why)
{
    struct library *was = NULL, *will = NULL;

    running_begin();
    struct configuration *c = running_get();
    int r = loader_candidate(name, NULL, &will, why);
    if (!r)
        loader_get(name, &was, NULL); /* which may be the same */
    if (!r && c)
        r = go_over_or_back(c, was, will, done, mistakes, why);
    if (!r)
        loader_prefer(will);
    configuration_unref(c);
    running_end();
    loader_put(was);
    loader_put(will);
    return r;
}
