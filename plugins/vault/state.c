/* state.c - what did a disk hold at an LSN?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scope.h"

/* ---- pieces ------------------------------------------------------------------------ */

struct piece piece_of(const struct index_entry *e)
{
    return (struct piece){ .kind = e->zero ? PIECE_ZERO : PIECE_LOG,
                           .disk = e->disk,
                           .offset = e->offset,
                           .length = e->length,
                           .lsn = e->lsn,
                           .position = e->position,
                           .at = e->at };
}

struct pieces {
    unsigned disk;
    uint64_t next; /* offset */
    int (*each)(void *arg, const struct piece *);
    void *arg;
};

static int base_until(struct pieces *p, uint64_t offset)
{
    const struct piece base = {
        .kind = PIECE_BASE, .disk = p->disk, .offset = p->next, .length = offset - p->next
    };

    p->next = offset;
    return base.length ? p->each(p->arg, &base) : 0;
}

static int each_entry(void *arg, const struct index_entry *e)
{
    struct pieces *p = arg;
    const struct piece piece = piece_of(e);
    int r = base_until(p, e->offset);

    p->next = e->offset + e->length;
    return r ? r : p->each(p->arg, &piece);
}

int state_pieces(struct index_view *v, unsigned disk, uint64_t offset, uint64_t length,
                 int (*each)(void *arg, const struct piece *), void *arg)
{
    struct pieces p = { .disk = disk, .next = offset, .each = each, .arg = arg };
    int r = index_look(v, disk, offset, length, each_entry, &p);

    return r ? r : base_until(&p, offset + length);
}

/* ---- reading ----------------------------------------------------------------------- */

static bool was_folded(struct group *g, uint64_t position)
{
    hold_lock(&g->lock);
    return position < g->record.horizon.position;
}

int piece_read(struct group *g, const struct piece *piece, uint64_t skip, void *data, size_t length)
{
    struct medium_file *base = g->disks[piece->disk].base;

    if (piece->kind == PIECE_ZERO) {
        memset(data, 0, length);
        return 0;
    }
    if (piece->kind == PIECE_LOG) {
        const int r = log_read_data(g->log, piece->position, piece->at + skip, data, length);
        /* it was folded into the base since the index was asked */
        if (!r || !was_folded(g, piece->position))
            return r == -ENODATA ? -EIO : r;
    }
    return file_read(base, data, length, piece->offset + skip);
}

struct reading {
    struct group *group;
    uint64_t offset;
    uint8_t *data;
};

static int read_piece(void *arg, const struct piece *piece)
{
    struct reading *r = arg;

    return piece_read(r->group, piece, 0, r->data + (piece->offset - r->offset), piece->length);
}

int state_read(struct group *g, struct index_view *v, unsigned disk, uint64_t offset, void *data,
               size_t length)
{
    struct reading r = { .group = g, .offset = offset, .data = data };

    return state_pieces(v, disk, offset, length, read_piece, &r);
}

int base_parts(struct group *g, const struct piece *piece,
               int (*each)(void *arg, const struct piece *), void *arg)
{
    struct medium_file *base = g->disks[piece->disk].base;
    const uint64_t end = piece->offset + piece->length;
    struct piece part = *piece;
    int r = 0;

    while (!r && part.offset < end) {
        uint64_t start, length;
        if ((r = base->data(base, part.offset, &start, &length)))
            break;
        const bool hole = !length || start > part.offset;
        uint64_t until = !length || start >= end ? end : hole ? start : start + length;
        if (until > end)
            until = end;
        part.kind = hole ? PIECE_ZERO : PIECE_BASE;
        part.length = until - part.offset;
        r = each(arg, &part);
        part.offset = until;
    }
    return r;
}

/* ---- copying ----------------------------------------------------------------------- */

enum { COPIED = 1 << 20 };

int copier_init(struct copier *c, struct group *g, bool to_base)
{
    *c = (struct copier){ .group = g, .to_base = to_base, .buffer = malloc(COPIED) };
    return c->buffer ? 0 : -ENOMEM;
}

void copier_finish(struct copier *c)
{
    free(c->buffer);
    c->buffer = NULL;
}

static struct medium_file *image_of(const struct copier *c, unsigned disk)
{
    const struct group_disk *d = &c->group->disks[disk];

    return c->to_base ? d->base : d->head;
}

int copier_flush(struct copier *c)
{
    const size_t length = c->filled;
    struct medium_file *image = image_of(c, c->disk);

    c->filled = 0;
    c->written += length;
    if (!length)
        return 0;
    return image ? file_write(image, c->buffer, length, c->offset) : -ECANCELED;
}

static int copy_data(struct copier *c, const struct piece *piece)
{
    int r = 0;

    if (c->filled && (piece->disk != c->disk || piece->offset != c->offset + c->filled))
        r = copier_flush(c);
    for (uint64_t done = 0; !r && done < piece->length;) {
        if (!c->filled) {
            c->disk = piece->disk;
            c->offset = piece->offset + done;
        }
        const uint64_t left = piece->length - done;
        const size_t room = COPIED - c->filled, n = left < room ? (size_t)left : room;
        r = piece_read(c->group, piece, done, c->buffer + c->filled, n);
        done += n;
        if (!r && (c->filled += n) == COPIED)
            r = copier_flush(c);
    }
    return r;
}

int copier_put(struct copier *c, const struct piece *piece)
{
    struct medium_file *image = image_of(c, piece->disk);

    if (!image)
        return 0; /* the disk is no more */
    if (piece->kind != PIECE_ZERO)
        return copy_data(c, piece);
    int r = copier_flush(c);
    return r ? r : image->zero(image, piece->length, piece->offset);
}
