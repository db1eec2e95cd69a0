/* head.c - how is the latest state of a disk served, after this site was promoted?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Every write is in the disk's map before it changes the image, and so it is known after a demotion
 * what the source is to send again. */
#include "group.h"

#include "scope.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct head {
    struct group *group;
    unsigned disk;
    struct medium_file *file;
    struct map *map;
};

/* ---- open and close ---------------------------------------------------------------------------
 */

static int may_serve(struct group *g, unsigned disk, struct weir_text *why)
{
    const struct group_disk *d = &g->disks[disk];

    if (g->record.role != ROLE_PRIMARY) {
        weir_print(why,
                   "disk \"%s\" of group \"%s\" is the target of a replication: promote the group "
                   "first, or open a restore point (\"%s@latest\")",
                   d->name, g->name, d->name);
        return -EROFS;
    }
    if (g->given.leaving) {
        weir_print(why, "disk \"%s\" of group \"%s\" is being given back to its source", d->name,
                   g->name);
        return -EROFS;
    }
    if (d->served) {
        weir_print(why, "disk \"%s\" of group \"%s\" is served by another export already", d->name,
                   g->name);
        return -EBUSY;
    }
    return d->head && d->map ? 0 : -EIO;
}

int head_open(struct group *g, unsigned disk, struct head **ret, struct weir_text *why)
{
    cleanup_free struct head *h = calloc(1, sizeof(*h));

    if (!h)
        return -ENOMEM;
    hold_lock(&g->lock);
    while (g->closed) /* a command is being obeyed: a promotion, or what a stale source asks */
        pthread_cond_wait(&g->changed, &g->lock);
    struct group_disk *d = &g->disks[disk];
    int r = may_serve(g, disk, why);
    if (r)
        return r;
    *h = (struct head){ g, disk, d->head, d->map };
    d->served = h;
    *ret = steal(h);
    return 0;
}

void head_close(struct head *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->group->lock);
    h->group->disks[h->disk].served = NULL;
    pthread_cond_broadcast(&h->group->changed);
    pthread_mutex_unlock(&h->group->lock);
    free(h);
}

uint64_t head_size(const struct head *h)
{
    hold_lock(&h->group->lock);
    return h->group->disks[h->disk].size;
}

/* ---- requests ---------------------------------------------------------------------------------
 */

static int change(struct head *h, const struct weir_request *req)
{
    int r = map_enter_waiting(h->map, req->offset, req->length);

    if (r)
        return r;
    r = req->op == WEIR_WRITE ? file_write(h->file, req->data, req->length, req->offset)
                              : h->file->zero(h->file, req->length, req->offset);
    map_mark(h->map, req->offset, req->length);
    map_leave(h->map, req->offset, req->length, 0);
    if (!r && req->flags & WEIR_FUA)
        r = file_sync(h->file);
    return r;
}

static int extents(struct head *h, const struct weir_request *req)
{
    const uint64_t end = req->offset + req->length;
    uint64_t at = req->offset, start, length;
    int r = 0;

    while (!r && at < end) {
        r = h->file->data(h->file, at, &start, &length);
        if (r)
            break;
        if (!length || start > end)
            start = end;
        if (start > at) {
            r = weir_add_extent(req->data, at, start - at, WEIR_HOLE | WEIR_READS_ZERO);
        } else {
            start = length < end - at ? at + length : end;
            r = weir_add_extent(req->data, at, start - at, 0);
        }
        at = start;
        if (req->flags & WEIR_ONE_EXTENT)
            break;
    }
    return r;
}

int head_serve(struct head *h, struct weir_request *req)
{
    switch (req->op) {
    case WEIR_READ:
        return file_read(h->file, req->data, req->length, req->offset);
    case WEIR_WRITE:
    case WEIR_TRIM:
    case WEIR_ZERO:
        return change(h, req);
    case WEIR_FLUSH:
        return file_sync(h->file);
    case WEIR_EXTENTS:
        return extents(h, req);
    case WEIR_PREFETCH:
        return 0;
    case WEIR_OP_COUNT:
        break;
    }
    return -EINVAL;
}

static int grow(struct group *g, unsigned disk, uint64_t size, struct group_record *next)
{
    struct group_disk *d = &g->disks[disk];
    int r = needs_size(g, disk, size);

    if (!r)
        r = d->head->truncate(d->head, size);
    if (!r && d->base != d->head)
        r = d->base->truncate(d->base, size);
    if (!r)
        r = file_sync(d->head);
    if (!r)
        r = map_grow(d->map, size);
    if (r)
        return r;
    *next = g->record;
    next->disk[disk].size = size;
    return group_save(g, next);
}

int head_grow(struct head *h, uint64_t size, struct weir_text *why)
{
    struct group *g = h->group;
    cleanup_free struct group_record *next = malloc(sizeof(*next));
    int r = next ? 0 : -ENOMEM;

    if (r)
        return r;
    hold_lock(&g->turn);
    if (size < g->disks[h->disk].size) {
        weir_print(why, "disk \"%s\" has %llu bytes: the new size must be larger",
                   g->disks[h->disk].name, (unsigned long long)g->disks[h->disk].size);
        return -EINVAL;
    }
    r = grow(g, h->disk, size, next);
    if (r) {
        weir_print(why, "disk \"%s\" cannot be grown: %s", g->disks[h->disk].name, strerror(-r));
        return r;
    }
    pthread_mutex_lock(&g->lock);
    g->disks[h->disk].size = size;
    pthread_mutex_unlock(&g->lock);
    return 0;
}
