/* view.c - how is a disk served as it was?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "scratch.h"
#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "scope.h"

struct view {
    struct group *group;
    unsigned disk;
    uint64_t size, lsn;
    bool changes;   /* extents: what did not change after `since` is a hole */
    uint64_t since; /* LSN */
    struct index_view *index;
    struct scratch *scratch; /* NULL: read only */
    struct pinned pin;
    bool pinned;
};

/* ---- opening ----------------------------------------------------------------------- */

static int find_point(struct group *g, const char *word, struct point *ret, struct weir_text *why)
{
    uint64_t segment;
    int r;

    if (!g->points) {
        weir_print(why,
                   "the vault keeps no history (history = 0), and so there is no \"%s\": only the "
                   "latest state is kept, which promote makes usable",
                   word);
        return -ENOTSUP;
    }
    if ((r = points_find(g->points, word, ret, why)))
        return r;
    /* what is before the segment of its last write is not needed of the log */
    if (index_find(g->index, ret->lsn, &segment) == 0 && segment > ret->position)
        ret->position = segment;
    return 0;
}

/* From here on no fold passes the position, and no source begins anew.  -ESTALE: one has, or is
 * about to. */
static int pin(struct view *v, uint64_t lsn, uint64_t position)
{
    struct group *g = v->group;
    hold_lock(&g->lock);

    while (g->closed) /* it may be a source that begins anew: what was found is given up then */
        pthread_cond_wait(&g->changed, &g->lock);
    if (g->record.initial || position < g->record.folding_to || lsn < g->record.horizon.last_lsn)
        return -ESTALE;
    v->pin = (struct pinned){ .position = position, .next = g->pinned };
    g->pinned = &v->pin;
    v->pinned = true;
    return 0;
}

static void unpin(struct view *v)
{
    struct group *g = v->group;
    hold_lock(&g->lock);
    struct pinned **at = &g->pinned;

    if (!v->pinned)
        return;
    while (*at != &v->pin)
        at = &(*at)->next;
    *at = v->pin.next;
    v->pinned = false;
}

/* Finds both points and holds them. */
static int choose(struct view *v, const char *word, const char *since, struct weir_text *why)
{
    struct point point, from = { 0 };
    int r;

    pthread_mutex_lock(&v->group->lock);
    const bool initial = v->group->record.initial;
    pthread_mutex_unlock(&v->group->lock);
    if (initial) {
        weir_print(why,
                   "group %s has not received its first complete state yet: wait until the "
                   "source has sent all of its disks",
                   v->group->name);
        return -ENOENT;
    }
    if ((r = find_point(v->group, word, &point, why)))
        return r;
    if (since && (r = find_point(v->group, since, &from, why)))
        return r;
    if (since && from.lsn > point.lsn) {
        weir_print(why, "changes:%s is later than %s: name the older point behind changes:", since,
                   word);
        return -EINVAL;
    }
    v->lsn = point.lsn;
    v->changes = since != NULL;
    v->since = from.lsn;
    if (!since)
        from = point;
    r = pin(v, from.lsn, from.position < point.position ? from.position : point.position);
    if (r)
        weir_print(why,
                   "\"%s\" is being folded into the oldest state that is kept, or given up with "
                   "all others: "
                   "choose a later point",
                   since ? since : word);
    return r ? -ENOENT : 0;
}

static int read_below(void *arg, void *data, size_t length, uint64_t offset)
{
    struct view *v = arg;

    return state_read(v->group, v->index, v->disk, offset, data, length);
}

int view_open(struct group *g, unsigned disk, const char *word, const char *since, bool writable,
              struct view **ret, struct weir_text *why)
{
    struct view *v = calloc(1, sizeof *v);
    int r;

    if (!v)
        return -ENOMEM;
    /* what a source was told is there is there; if the log takes no more, points are as they were
     */
    log_catch_up(g->log);
    v->group = g;
    v->disk = disk;
    pthread_mutex_lock(&g->lock);
    v->size = g->disks[disk].size;
    pthread_mutex_unlock(&g->lock);
    if ((r = choose(v, word, since, why))) {
        view_close(v);
        return r;
    }
    r = index_view_open(g->index, v->lsn, &v->index);
    if (r) {
        weir_print(why, "the index of group %s cannot be read: %s", g->name, strerror(-r));
    } else if (writable) {
        const struct scratch_setup setup = {
            .medium = g->scratch, .size = v->size, .read = read_below, .arg = v
        };
        if ((r = scratch_open(&setup, &v->scratch)))
            weir_print(why, "no file for what is written to \"%s\" can be made: %s", word,
                       strerror(-r));
    }
    if (r) {
        view_close(v);
        return r;
    }
    *ret = v;
    return 0;
}

void view_close(struct view *v)
{
    if (!v)
        return;
    scratch_close(v->scratch);
    index_view_close(v->index);
    unpin(v);
    free(v);
}

uint64_t view_size(const struct view *v)
{
    return v->size;
}

uint64_t view_lsn(const struct view *v)
{
    return v->lsn;
}

/* ---- reading ----------------------------------------------------------------------- */

static int view_read(struct view *v, uint8_t *data, uint64_t length, uint64_t offset)
{
    int r = 0;

    while (!r && length) {
        bool there = false;
        const uint64_t n = v->scratch ? scratch_span(v->scratch, offset, length, &there) : length;
        r = there ? scratch_read(v->scratch, data, n, offset) : read_below(v, data, n, offset);
        data += n;
        offset += n;
        length -= n;
    }
    return r;
}

/* ---- extents ----------------------------------------------------------------------- */

/* Neighbours of one kind become one. */
struct extents {
    struct view *view;
    struct weir_extents *list;
    bool one;
    uint64_t offset, length;
    uint32_t type;
};

enum { ENOUGH = 1 };

static int add_extent(struct extents *x, uint64_t offset, uint64_t length, uint32_t type)
{
    int r = 0;

    if (x->length && x->type == type) {
        x->length += length;
        return 0;
    }
    if (x->length) {
        r = weir_add_extent(x->list, x->offset, x->length, x->type);
        if (!r && x->one)
            r = ENOUGH;
    }
    x->offset = offset;
    x->length = length;
    x->type = type;
    return r;
}

static int part_extent(void *arg, const struct piece *piece)
{
    const uint32_t type = piece->kind == PIECE_ZERO ? WEIR_HOLE | WEIR_READS_ZERO : 0;

    return add_extent(arg, piece->offset, piece->length, type);
}

/* Where changes are asked for, a hole is what did not change: zeroes that were written are none. */
static int piece_extent(void *arg, const struct piece *piece)
{
    struct extents *x = arg;
    const struct view *v = x->view;

    if (v->changes) {
        const bool changed = piece->kind != PIECE_BASE && piece->lsn > v->since;
        const uint32_t type = !changed                    ? WEIR_HOLE
                              : piece->kind == PIECE_ZERO ? WEIR_READS_ZERO
                                                          : 0;
        return add_extent(x, piece->offset, piece->length, type);
    }
    return piece->kind == PIECE_BASE ? base_parts(v->group, piece, part_extent, x)
                                     : part_extent(x, piece);
}

static int view_extents(struct view *v, struct weir_request *req)
{
    struct extents x = { .view = v, .list = req->data, .one = req->flags & WEIR_ONE_EXTENT };
    uint64_t offset = req->offset, length = req->length;
    int r = 0;

    while (!r && length) {
        bool there = false;
        const uint64_t n = v->scratch ? scratch_span(v->scratch, offset, length, &there) : length;
        r = there ? add_extent(&x, offset, n, 0)
                  : state_pieces(v->index, v->disk, offset, n, piece_extent, &x);
        offset += n;
        length -= n;
    }
    if (!r && x.length)
        r = weir_add_extent(x.list, x.offset, x.length, x.type);
    return r == ENOUGH ? 0 : r;
}

/* ---- requests ---------------------------------------------------------------------- */

int view_serve(struct view *v, struct weir_request *req)
{
    switch (req->op) {
    case WEIR_READ:
        return view_read(v, req->data, req->length, req->offset);
    case WEIR_EXTENTS:
        return view_extents(v, req);
    case WEIR_WRITE:
        return v->scratch ? scratch_write(v->scratch, req->data, req->length, req->offset) : -EPERM;
    case WEIR_TRIM:
    case WEIR_ZERO:
        return v->scratch ? scratch_write(v->scratch, NULL, req->length, req->offset) : -EPERM;
    default: /* FLUSH, PREFETCH: what is written here is not to last */
        return 0;
    }
}
