/* disks.c - in which files do the disks of a group lie?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A head for each, and a base where history is kept.  Heads may lie in a folder of their own, under
 * names that people know; what they find there already is not taken for empty. */
#include "group.h"

#include "export.h"
#include "gateway.h"
#include "scope.h"
#include "step.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "NAMEsuffix", for a file; to be freed; NULL: no memory. */
static char *file_of(const char *disk, const char *suffix)
{
    cleanup_free char *name = export_file_name(disk);
    char *path;

    return name && asprintf(&path, "%s%s", name, suffix) >= 0 ? path : NULL;
}

static bool elsewhere(const struct group *g)
{
    return g->heads != g->medium;
}

static int open_image(struct medium *m, const char *disk, const char *suffix, unsigned flags,
                      struct medium_file **ret, struct weir_text *why)
{
    cleanup_free char *name = file_of(disk, suffix);
    int r = name ? m->open(m, name, flags | MEDIUM_EXCLUSIVE, ret) : -ENOMEM;

    if (r == -EBUSY)
        weir_print(why, "the image %s is in use: close the export that serves it", name);
    else if (r)
        weir_print(why, "the image %s of disk \"%s\" cannot be opened: %s", name ? name : "", disk,
                   strerror(-r));
    return r;
}

static const char *head_suffix(const struct group *g)
{
    return elsewhere(g) ? ".raw" : ".head";
}

static int grow_file(struct medium_file *file, uint64_t size)
{
    uint64_t now;
    int r = file->size(file, &now);

    return r || now >= size ? r : file->truncate(file, size);
}

/* Both files, which are there or, with CREATE, made. */
static int open_both(struct group *g, struct group_disk *d, unsigned flags, struct weir_text *why)
{
    int r = open_image(g->heads, d->name, head_suffix(g), flags, &d->head, why);

    if (r)
        return r;
    if (!g->config.history)
        d->base = d->head;
    else
        r = open_image(g->medium, d->name, ".base", flags, &d->base, why);
    return r;
}

int images_open(struct group *g, unsigned disk, struct weir_text *why)
{
    struct group_disk *d = &g->disks[disk];

    if (!*g->record.disk[disk].name)
        return 0;
    memcpy(d->name, g->record.disk[disk].name, sizeof(d->name));
    d->size = g->record.disk[disk].size;
    int r = open_both(g, d, 0, why);
    if (!r)
        r = grow_file(d->head, d->size);
    if (!r)
        r = grow_file(d->base, d->size);
    return r;
}

void images_close(struct group *g, unsigned disk)
{
    pthread_mutex_lock(&g->lock);
    const struct group_disk d = g->disks[disk];
    g->disks[disk] = (struct group_disk){ 0 };
    pthread_mutex_unlock(&g->lock);
    if (d.base && d.base != d.head)
        d.base->close(d.base);
    if (d.head)
        d.head->close(d.head);
}

/* ---- a new one --------------------------------------------------------------------------------
 */

/* Of this group's own folder: what lies there is of a disk that was forgotten. */
static int empty(struct medium_file *file, uint64_t size)
{
    int r = file->truncate(file, 0);

    return r ? r : file->truncate(file, size);
}

/* Somebody's image, in a folder of images: its bytes stay until others are sent for them, and all
 * are asked for. */
static int adopt(struct group *g, unsigned disk, const char *name, uint64_t size)
{
    struct medium_file *head = g->disks[disk].head;
    uint64_t now;
    int r = head->size(head, &now);

    if (!r && now > size) {
        group_set_error(g,
                        "%s.raw in the folder of heads has %" PRIu64
                        " bytes, and disk \"%s\" of the "
                        "source %" PRIu64 ": move the file away",
                        name, now, name, size);
        return -EBADMSG;
    }
    if (!r && now)
        needs_mark(g, disk, 0, size);
    return r ? r : grow_file(head, size);
}

static int make_files(struct group *g, unsigned disk, const char *name, uint64_t size)
{
    struct group_disk *d = &g->disks[disk];
    struct weir_text why = { 0 };
    int r = open_both(g, d, MEDIUM_CREATE, &why);

    if (r)
        group_set_error(g, "%s", text_string(&why));
    text_finish(&why);
    if (!r)
        r = elsewhere(g) ? adopt(g, disk, name, size) : empty(d->head, size);
    if (!r && d->base != d->head)
        r = empty(d->base, size);
    if (!r)
        r = file_sync(d->head);
    if (!r)
        r = file_sync(d->base);
    /* the record names it next: a crash must not leave a record of a disk that is not there */
    if (!r && does(APPLY_NAMES))
        r = g->medium->sync(g->medium);
    if (!r && elsewhere(g) && does(APPLY_NAMES))
        r = g->heads->sync(g->heads);
    return r;
}

static int declare_new(struct group *g, unsigned disk, const char *name, uint64_t size)
{
    struct group_disk *d = &g->disks[disk];
    cleanup_free struct group_record *next = malloc(sizeof(*next));

    if (!next)
        return -ENOMEM;
    pthread_mutex_lock(&g->lock);
    snprintf(d->name, sizeof(d->name), "%s", name);
    pthread_mutex_unlock(&g->lock);
    int r = needs_size(g, disk, size);
    if (!r)
        r = make_files(g, disk, name, size);
    if (!r)
        r = needs_save(g);
    if (!r) {
        *next = g->record;
        snprintf(next->disk[disk].name, NAME_LENGTH, "%s", name);
        next->disk[disk].size = size;
        if (next->disks <= disk)
            next->disks = disk + 1;
        r = group_save(g, next);
    }
    if (r) {
        images_close(g, disk);
        return r;
    }
    hold_lock(&g->lock);
    d->size = size;
    return 0;
}

static int declare_grown(struct group *g, unsigned disk, uint64_t size)
{
    struct group_disk *d = &g->disks[disk];

    if (size <= d->size) /* an earlier size, applied again */
        return 0;
    int r = needs_size(g, disk, size);
    if (!r)
        r = grow_file(d->head, size);
    if (!r)
        r = grow_file(d->base, size);
    if (r)
        return r;
    hold_lock(&g->lock);
    d->unsynced = true;
    d->size = g->record.disk[disk].size = size;
    g->unsaved = true;
    return 0;
}

int images_declare(struct group *g, const struct record *r, const char *name)
{
    const char *is = g->disks[r->disk].name;

    if (*is && strcmp(is, name) != 0) {
        group_set_error(g, "disk %u is \"%s\" here, and \"%s\" at the source", r->disk, is, name);
        return -EBADMSG;
    }
    if (*is)
        return declare_grown(g, r->disk, r->offset);
    for (unsigned i = 0; i < DISKS; i++)
        if (strcmp(g->disks[i].name, name) == 0) {
            group_set_error(g, "disk \"%s\" is number %u here, and %u at the source", name, i,
                            r->disk);
            return -EBADMSG;
        }
    return declare_new(g, r->disk, name, r->offset);
}

/* ---- what was written here since this site was promoted ----------------------------------------
 */

static int open_map(struct group *g, unsigned disk, struct weir_text *why)
{
    cleanup_free char *name = file_of(g->disks[disk].name, ".map");
    struct map_found found = { 0 };

    if (!name)
        return -ENOMEM;
    const struct map_setup setup = {
        .medium = g->medium, .name = name, .size = g->disks[disk].size, .manual = g->manual
    };
    int r = map_open(&setup, &g->disks[disk].map, &found, why);
    free(found.problem); /* a map that is made anew has another id: all was written, then */
    return r;
}

int maps_open(struct group *g, struct weir_text *why)
{
    int r = 0;

    for (unsigned i = 0; !r && i < g->record.disks; i++)
        if (*g->disks[i].name)
            r = open_map(g, i, why);
    return r;
}

int maps_begin(struct group *g, struct group_record *record, struct weir_text *why)
{
    int r = maps_open(g, why);

    for (unsigned i = 0; !r && i < record->disks; i++)
        if (g->disks[i].map) {
            record->disk[i].since = map_checkpoint(g->disks[i].map);
            r = map_sync(g->disks[i].map); /* the point that the record will name */
        }
    return r;
}

void maps_close(struct group *g, bool remove)
{
    for (unsigned i = 0; i < DISKS; i++) {
        struct group_disk *d = &g->disks[i];
        if (!d->map)
            continue;
        if (remove)
            map_abandon(d->map);
        else
            map_close(d->map);
        d->map = NULL;
        cleanup_free char *name = file_of(d->name, ".map"),
                          *intent = file_of(d->name, ".map.intent");
        if (remove && name && intent) {
            g->medium->remove(g->medium, name);
            g->medium->remove(g->medium, intent);
        }
    }
}

int one_written(void *arg, uint64_t offset, uint64_t length)
{
    struct writing *w = arg;

    return w->each(w->arg, w->disk, offset, length);
}

int maps_written(struct group *g,
                 int (*each)(void *arg, unsigned disk, uint64_t offset, uint64_t length), void *arg)
{
    int r = 0;

    for (unsigned i = 0; !r && i < g->record.disks; i++) {
        struct writing w = { each, arg, i };
        if (!g->disks[i].map)
            continue;
        r = map_changed(g->disks[i].map, &g->record.disk[i].since, one_written, &w);
        if (r == -ESTALE) /* of another map: all may have been */
            r = each(arg, i, 0, g->disks[i].size);
    }
    return r;
}
