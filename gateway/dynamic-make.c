/* dynamic-make.c - what is an export that a client asked for made from?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A point of a disk holds what BASE's store held, so it needs the filters of BASE's policy that
 * WEIR_TRANSFORMS: encryption, so that it is readable as the disk was, and by those alone who have
 * its key.  No other filter belongs in front of the past.  What those remember in BASE's state
 * folder (that an administrator locked the disk, say) holds for its points as well: each starts
 * with a copy of that. */
#include "dynamic-make.h"

#include "export-private.h"
#include "gateway.h"
#include "scope.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CHANGES "changes:"

/* ---- what kind --------------------------------------------------------------- */

static bool has_replication(struct export *base)
{
    struct export_view v;
    bool has = false;

    if (export_view(base, &v))
        return false;
    for (size_t i = 0; i < v.count; i++)
        has |= v.filter[i].filter->klass == WEIR_CLASS_REPLICATION;
    export_view_finish(&v);
    return has;
}

enum dynamic_kind dynamic_kind(struct export *base, const char *point,
                               const struct store_type *changes)
{
    const struct export_config *c = export_config(base);

    if (c->base || !*point)
        return DYNAMIC_NONE;
    if (changes && !strncmp(point, CHANGES, strlen(CHANGES)) && point[strlen(CHANGES)] &&
        has_replication(base))
        return DYNAMIC_CHANGES;
    return c->datastore->type->point ? DYNAMIC_POINT : DYNAMIC_NONE;
}

/* ---- its configuration ------------------------------------------------------- */

static int describe(struct export_config *c, const struct export *base, const char *point)
{
    if (asprintf(&c->description, "%s at %s", export_name(base), point) < 0)
        c->description = NULL;
    return c->description ? 0 : -ENOMEM;
}

/* `point` is what comes behind BASE@. */
static int config_of_point(struct export *base, const char *point, struct export_config *c,
                           struct weir_text *why)
{
    const struct export_config *b = export_config(base);
    bool written = false;

    c->datastore = datastore_ref(b->datastore);
    if (asprintf(&c->image, "%s@%s", b->image, point) < 0)
        c->image = NULL;
    int r = c->image ? b->datastore->type->point(c->image, &written, why) : -ENOMEM;
    c->read_only = !written;
    return r ? r : describe(c, base, point);
}

static int config_of_changes(struct export *base, const char *point,
                             const struct store_type *changes, struct export_config *c)
{
    const struct datastore_setup setup = { .name = export_config(base)->datastore->name,
                                           .type = changes };

    c->read_only = true;
    c->image = strdup(point + strlen(CHANGES));
    int r = datastore_create(&setup, &c->datastore);
    if (!r && !c->image)
        r = -ENOMEM;
    return r ? r : describe(c, base, point);
}

static int config_make(struct export *base, const char *name, const struct store_type *changes,
                       struct export_config *c, struct weir_text *why)
{
    const char *point = name + strlen(export_name(base)) + 1;
    char *const *allow = export_config(base)->allow;
    int r = 0;

    *c = (struct export_config){ .name = strdup(name), .base = export_ref(base) };
    if (allow)
        c->allow = copy_rules(allow);
    if (!c->name || !c->allow != !allow)
        r = -ENOMEM;
    else if (dynamic_kind(base, point, changes) == DYNAMIC_CHANGES)
        r = config_of_changes(base, point, changes, c);
    else
        r = config_of_point(base, point, c, why);
    if (r)
        export_config_finish(c);
    return r;
}

/* ---- its filters ------------------------------------------------------------- */

/* What stands for a filter that cannot be loaded, and locks who has it, has no file: it might. */
static bool transforms(const struct library *l)
{
    return l->filter.flags & WEIR_TRANSFORMS || !*l->path;
}

static void take_transforming(struct plan *from, struct plan *to)
{
    *to = (struct plan){ .plaintext_filters = from->plaintext_filters,
                         .hold_limit = from->hold_limit,
                         .on_filter_failure = ON_FAILURE_LOCK,
                         .pools = from->pools };
    pools_ref(to->pools);
    for (size_t i = 0; i < from->count; i++) {
        struct plan_filter *f = &from->filter[i];
        if (!transforms(f->library))
            continue;
        to->filter[to->count++] = *f;
        *f = (struct plan_filter){ 0 };
    }
}

static int plan_make(struct export *base, struct plan *plan)
{
    struct export_view v;
    int r = export_view(base, &v);

    if (r)
        return r;
    take_transforming(&v.plan, plan);
    export_view_finish(&v);
    return 0;
}

/* ---- what its filters remember ------------------------------------------------- */

static int open_folder(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static int copy_file(int from, int to, const char *name)
{
    cleanup_free void *data = NULL;
    size_t size;
    int r = load_file_at(from, name, &data, &size);

    return r ? r : save_file_at(to, name, data, size, 0600);
}

static bool is_file(int folder, const char *name)
{
    struct stat s;

    return !fstatat(folder, name, &s, AT_SYMLINK_NOFOLLOW) && S_ISREG(s.st_mode);
}

/* The small files of one filter. */
static int copy_files(int from, int to)
{
    DIR *list = fdopendir(dup(from));
    int r = 0;

    if (!list)
        return -errno;
    for (struct dirent *d; !r && (d = readdir(list));)
        if (d->d_name[0] != '.' && is_file(from, d->d_name))
            r = copy_file(from, to, d->d_name);
    closedir(list);
    return r;
}

static int copy_filter(int from, int to, const char *label)
{
    cleanup_fd int source = open_folder(from, label);

    if (source < 0)
        return source == -ENOENT ? 0 : source;
    if (mkdirat(to, label, 0700))
        return -errno;
    cleanup_fd int target = open_folder(to, label);
    return target < 0 ? target : copy_files(source, target);
}

/* By which filters the disk was stored, and what those of `plan` know. */
static int copy_state(int from, int to, const struct plan *plan)
{
    int r = is_file(from, FORM_TRANSFORMED) ? copy_file(from, to, FORM_TRANSFORMED) : 0;

    for (size_t i = 0; !r && i < plan->count; i++)
        r = copy_filter(from, to, plan->filter[i].label);
    return r;
}

/* What is left of a filter's folder, or of a point's: two levels and no more. */
static void remove_tree(int at, const char *name, int levels)
{
    cleanup_fd int fd = open_folder(at, name);
    DIR *list = fd < 0 ? NULL : fdopendir(dup(fd));

    for (struct dirent *d; list && (d = readdir(list));) {
        if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
            continue;
        if (unlinkat(fd, d->d_name, 0) && levels > 1)
            remove_tree(fd, d->d_name, levels - 1);
    }
    if (list)
        closedir(list);
    unlinkat(at, name, AT_REMOVEDIR);
}

void dynamic_clear(const struct export *e)
{
    cleanup_free char *path = export_state_folder(e);

    if (path)
        remove_tree(AT_FDCWD, path, 2);
}

/* What a crash left of one of this name goes first. */
static int seed_state(const struct export *e, const struct plan *plan)
{
    cleanup_free char *source = export_state_folder(e->config.base);
    cleanup_free char *target = export_state_folder(e);

    if (!source || !target)
        return -ENOMEM;
    dynamic_clear(e);
    cleanup_fd int from = open_folder(AT_FDCWD, source);
    if (from < 0)
        return from == -ENOENT ? 0 : from;
    int r = make_folders(target, 0700);
    if (r)
        return r;
    cleanup_fd int to = open_folder(AT_FDCWD, target);
    return to < 0 ? to : copy_state(from, to, plan);
}

/* ---- together ---------------------------------------------------------------- */

int dynamic_make(struct export *base, const char *name, const struct store_type *changes,
                 struct export **ret, struct weir_text *why)
{
    struct export_config config;
    struct plan plan = { 0 };
    int r = config_make(base, name, changes, &config, why);

    if (r)
        return r;
    bool point = config.datastore->type->point;
    if (point)
        r = plan_make(base, &plan);
    if (!r)
        r = export_create(&config, &plan, ret);
    if (r) {
        plan_finish(&plan);
        export_config_finish(&config);
        return r;
    }
    if (point)
        r = seed_state(*ret, &(*ret)->plan);
    if (r) {
        weir_print(why, "what the filters of %s remember in %s cannot be copied: %s",
                   export_name(base), places()->state, strerror(-r));
        dynamic_clear(*ret);
        export_unref(*ret);
    }
    return r;
}
