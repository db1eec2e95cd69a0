/* form.c - which filters is a disk never to be served without?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What lies below a filter that WEIR_TRANSFORMS is not the disk: without the filter clients would
 * get, and overwrite, what it stored.  So the export remembers by whom it has been served, in a
 * file of its state folder, before it is, and neither an edited policy nor a restart goes on
 * without them until somebody removes the file. */
#include "export-private.h"
#include "gateway.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME "transformed"

/* NULL: no memory. */
static char *folder_of(const struct export *e)
{
    cleanup_free char *name = export_file_name(e->config.name);
    char *path = NULL;

    if (!name || asprintf(&path, "%s/exports/%s", places()->state, name) < 0)
        return NULL;
    return path;
}

/* *ret: a filter's name on each line; "" where there is no file. */
static int load(const char *folder, char **ret)
{
    cleanup_fd int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    void *data = NULL;
    size_t size = 0;
    int r = fd < 0 ? -errno : load_file_at(fd, FILE_NAME, &data, &size);

    if (r && r != -ENOENT)
        return r;
    *ret = r ? strdup("") : data;
    return *ret ? 0 : -ENOMEM;
}

static bool plan_has(const struct plan *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->filter[i].library->filter.name, name) == 0)
            return true;
    return false;
}

static bool has_line(const char *lines, const char *name)
{
    size_t length = strlen(name);

    for (const char *l = lines; *l; l += strcspn(l, "\n"), l += *l == '\n')
        if (strcspn(l, "\n") == length && memcmp(l, name, length) == 0)
            return true;
    return false;
}

int form_judge(const struct export *e, const struct plan *p, struct weir_text *why)
{
    cleanup_free char *folder = folder_of(e);
    cleanup_free char *lines = NULL;
    int r = folder ? load(folder, &lines) : -ENOMEM;

    if (r) {
        weir_print(why, "%s/%s, which says by which filters the disk was stored: %s",
                   folder ? folder : places()->state, FILE_NAME, strerror(-r));
        return r;
    }
    for (char *rest = lines, *name; (name = strsep(&rest, "\n"));)
        if (*name && !plan_has(p, name)) {
            weir_print(why,
                       "what this disk holds was stored by the filter %s, which its policy does "
                       "not have: without it clients would read and overwrite what is no disk; "
                       "put the filter back, or, to give the disk up as it was, remove the line "
                       "\"%s\" from %s/%s",
                       name, name, folder, FILE_NAME);
            return -EPERM;
        }
    return 0;
}

int form_note(const struct export *e, const char *filter)
{
    cleanup_text struct weir_text text = { 0 };
    cleanup_free char *folder = folder_of(e);
    cleanup_free char *lines = NULL;
    int r = folder ? make_folders(folder, 0700) : -ENOMEM;

    if (!r)
        r = load(folder, &lines);
    if (r || has_line(lines, filter))
        return r;
    weir_print(&text, "%s%s\n", lines, filter);
    if (text.cut)
        return -ENOMEM;
    cleanup_fd int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : save_file_at(fd, FILE_NAME, text_string(&text), text.length, 0600);
}

int form_note_all(const struct export *e, const struct chain *c, struct weir_text *why)
{
    for (int i = 0; i < c->count; i++) {
        const struct weir_below *b = c->link[i].place;
        const struct weir_filter *f = &b->library->filter;
        if (!(f->flags & WEIR_TRANSFORMS) || b->locked)
            continue;
        int r = form_note(e, f->name);
        if (r) {
            weir_print(why,
                       "that the disk is stored by the filter %s cannot be remembered in %s: %s",
                       f->name, places()->state, strerror(-r));
            return r;
        }
    }
    return 0;
}
