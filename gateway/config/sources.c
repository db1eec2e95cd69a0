/* sources.c - which files belong to a configuration?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The main file, every *.conf of the folders that it includes, and the overrides.d
 * folder beside it, which is ours. */
#include "../gateway.h"
#include "../scope.h"
#include "configuration.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- paths ------------------------------------------------------------------- */

char *path_join(const char *folder, const char *name)
{
    char *path = NULL;

    if (!*folder || *name == '/')
        return strdup(name);
    if (asprintf(&path, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name) < 0)
        return NULL;
    return path;
}

int layout_copy(const struct layout *from, struct layout *ret)
{
    struct layout copy = {
        .file = strdup(from->file),
        .name = strdup(from->name),
        .path = strdup(from->path),
        .exports = from->exports ? strdup(from->exports) : NULL,
        .policies = from->policies ? strdup(from->policies) : NULL,
        .policies_name = from->policies_name ? strdup(from->policies_name) : NULL,
    };

    if (!copy.file || !copy.name || !copy.path || !copy.exports != !from->exports ||
        !copy.policies != !from->policies || !copy.policies_name != !from->policies_name) {
        layout_finish(&copy);
        return -ENOMEM;
    }
    *ret = copy;
    return 0;
}

void layout_finish(struct layout *l)
{
    free(l->file);
    free(l->name);
    free(l->path);
    free(l->exports);
    free(l->policies);
    free(l->policies_name);
    *l = (struct layout){ 0 };
}

char *datastore_file(const char *folder, const char *datastore)
{
    cleanup_free char *name = NULL;

    if (asprintf(&name, DATASTORE_FOLDER "/%s.conf", datastore) < 0) {
        name = NULL;
        return NULL;
    }
    return path_join(folder, name);
}

static char *override_in(const char *folder, const char *export)
{
    cleanup_free char *escaped = export_file_name(export);
    cleanup_free char *name = NULL;

    if (!escaped || asprintf(&name, "overrides.d/%s.conf", escaped) < 0) {
        name = NULL;
        return NULL;
    }
    return path_join(folder, name);
}

char *override_path(const struct layout *l, const char *export)
{
    return override_in(l->path, export);
}

char *override_name(const struct layout *l, const char *export)
{
    return override_in(l->name, export);
}

/* ---- lists ------------------------------------------------------------------- */

int source_list_add(struct source_list *l, struct source *s)
{
    struct source **more = realloc(l->list, (l->count + 1) * sizeof *more);

    if (!more) {
        source_unref(s);
        return -ENOMEM;
    }
    l->list = more;
    l->list[l->count++] = s;
    return 0;
}

void source_list_finish(struct source_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        source_unref(l->list[i]);
    free(l->list);
    *l = (struct source_list){ 0 };
}

static void load(struct source_list *l, enum source_kind kind, const char *name, const char *path,
                 struct report *report)
{
    struct source *s = NULL;

    if (!source_load(kind, name, path, &s, report) && source_list_add(l, s))
        report_memory(report);
}

/* ---- folders ----------------------------------------------------------------- */

static int is_configuration(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return *entry->d_name != '.' && length > 5 && !strcmp(entry->d_name + length - 5, ".conf");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Every *.conf, in name order.  0 or -errno of the folder. */
static int load_folder(struct source_list *l, enum source_kind kind, const char *name,
                       const char *path, struct report *report)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_configuration, by_name);

    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        cleanup_free char *file_name = path_join(name, entries[i]->d_name);
        cleanup_free char *file_path = path_join(path, entries[i]->d_name);
        if (file_name && file_path)
            load(l, kind, file_name, file_path, report);
        else
            report_memory(report);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

static void include(struct source_list *l, const struct layout *layout, enum source_kind kind,
                    const struct reader *r, const char *key, char **folder, char **name)
{
    const struct config_setting_t *setting = key_find(source_root(r->source), key);
    const char *word;

    if (!setting || !key_string(r, setting, &word))
        return;
    if (!*word) {
        report_value(r->report, r->source, setting, "\"%s\" is empty: it takes a folder", key);
        return;
    }
    *name = path_join(layout->name, word);
    *folder = path_join(layout->path, word);
    if (!*name || !*folder) {
        report_memory(r->report);
        return;
    }
    int err = load_folder(l, kind, *name, *folder, r->report);
    if (err == -ENOENT)
        report_value(r->report, r->source, setting,
                     "there is no folder \"%s\": make it, or leave \"%s\" out", *name, key);
    else if (err)
        report_value(r->report, r->source, setting, "the folder \"%s\" cannot be read: %s", *name,
                     strerror(-err));
}

/* A folder of ours: until something is kept in it, it is not there. */
static void load_own(struct source_list *l, const struct layout *layout, enum source_kind kind,
                     const char *folder, struct report *report)
{
    cleanup_free char *name = path_join(layout->name, folder);
    cleanup_free char *path = path_join(layout->path, folder);

    if (!name || !path) {
        report_memory(report);
        return;
    }
    int err = load_folder(l, kind, name, path, report);
    if (err && err != -ENOENT)
        report_file(report, -EINVAL, name, "the folder cannot be read: %s", strerror(-err));
}

/* ---- the whole --------------------------------------------------------------- */

static int load_rest(struct layout *layout, struct source_list *l, struct report *report)
{
    const struct reader r = { l->list[0], report };

    cleanup_free char *exports_name = NULL;

    include(l, layout, SOURCE_EXPORTS, &r, "include_exports", &layout->exports, &exports_name);
    include(l, layout, SOURCE_POLICY, &r, "include_policies", &layout->policies,
            &layout->policies_name);
    load_own(l, layout, SOURCE_OVERRIDE, "overrides.d", report);
    load_own(l, layout, SOURCE_DATASTORE, DATASTORE_FOLDER, report);
    return report->err;
}

static int layout_of(const char *file, struct layout *layout)
{
    const char *slash = strrchr(file, '/');

    *layout = (struct layout){
        .file = strdup(file),
        .name = slash ? strndup(file, slash == file ? 1 : (size_t)(slash - file)) : strdup(""),
    };
    if (!layout->file || !layout->name)
        return -ENOMEM;
    layout->path = realpath(*layout->name ? layout->name : ".", NULL);
    return layout->path ? 0 : -errno;
}

static int load_all(struct layout *layout, struct source_list *l, struct report *report)
{
    const char *slash = strrchr(layout->file, '/');
    cleanup_free char *path = path_join(layout->path, slash ? slash + 1 : layout->file);

    if (!path) {
        report_memory(report);
        return report->err;
    }
    load(l, SOURCE_MAIN, layout->file, path, report);
    return l->count ? load_rest(layout, l, report) : report->err;
}

int sources_load(const char *file, struct layout *layout, struct source_list *l,
                 struct report *report)
{
    int err = layout_of(file, layout);

    if (!err)
        return load_all(layout, l, report);
    if (err == -ENOMEM)
        report_memory(report);
    else
        report_file(report, -EINVAL, file, "cannot be read: %s", strerror(-err));
    return report->err;
}

/* The working folder may be another one by now: nbdkit goes to "/". */
int sources_reload(const struct layout *before, struct layout *layout, struct source_list *l,
                   struct report *report)
{
    *layout = (struct layout){ .file = strdup(before->file),
                               .name = strdup(before->name),
                               .path = strdup(before->path) };
    if (layout->file && layout->name && layout->path)
        return load_all(layout, l, report);
    report_memory(report);
    return report->err;
}

int sources_load_text(const char *text, const char *folder, struct layout *layout,
                      struct source_list *l, struct report *report)
{
    struct source *s = NULL;

    *layout = (struct layout){ .file = strdup(""), .name = strdup(folder), .path = strdup(folder) };
    if (!layout->file || !layout->name || !layout->path) {
        report_memory(report);
        return report->err;
    }
    if (source_parse(SOURCE_MAIN, "built-in", "", text, strlen(text), &s, report))
        return report->err;
    if (source_list_add(l, s)) {
        report_memory(report);
        return report->err;
    }
    return load_rest(layout, l, report);
}
