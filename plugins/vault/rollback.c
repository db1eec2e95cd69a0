/* rollback.c - how do heads become an older state?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Every place that was written after the LSN gets what the base and the index up to there say of
 * it.  Nothing is read from the heads: so it can be done again from the start, as often as it was
 * interrupted. */
#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct rollback {
    struct group *group;
    struct index_view *then;
    struct copier copier;
    uint64_t done, all;
    void (*progress)(void *arg, uint64_t done, uint64_t all);
    void *arg;
};

static int put_part(void *arg, const struct piece *piece)
{
    struct rollback *b = arg;

    return copier_put(&b->copier, piece);
}

static int put_piece(void *arg, const struct piece *piece)
{
    struct rollback *b = arg;

    return piece->kind == PIECE_BASE ? base_parts(b->group, piece, put_part, b)
                                     : put_part(b, piece);
}

static int count_change(void *arg, const struct index_entry *e)
{
    struct rollback *b = arg;

    b->all += e->length;
    return 0;
}

static int undo_change(void *arg, const struct index_entry *e)
{
    struct rollback *b = arg;
    struct group_disk *disk = &b->group->disks[e->disk];

    if (!disk->head)
        return 0;
    disk->unsynced = true;
    int r = state_pieces(b->then, e->disk, e->offset, e->length, put_piece, b);
    b->done += e->length;
    if (b->progress)
        b->progress(b->arg, b->done, b->all);
    return r;
}

int group_roll_back(struct group *g, uint64_t lsn,
                    void (*progress)(void *arg, uint64_t done, uint64_t all), void *arg,
                    struct weir_text *why)
{
    struct rollback b = { .group = g, .progress = progress, .arg = arg };
    struct index_view *now = NULL;
    int r = copier_init(&b.copier, g, false);

    /* whatever heads may hold, applied durably or not, is in the index */
    if (!r)
        r = index_view_open(g->index, UINT64_MAX, &now);
    if (!r)
        r = index_view_open(g->index, lsn, &b.then);
    if (!r)
        r = index_changes(now, lsn, count_change, &b);
    if (!r)
        r = index_changes(now, lsn, undo_change, &b);
    if (!r)
        r = copier_flush(&b.copier);
    copier_finish(&b.copier);
    index_view_close(now);
    index_view_close(b.then);
    if (r)
        weir_print(why,
                   "the disks of group %s cannot be set back to lsn:%" PRIu64 ": %s; it goes on "
                   "when it is tried again",
                   g->name, lsn, strerror(-r));
    return r;
}

/* ---- granules that the index knows nothing of ------------------------------------------------ */

static int restore_granule(struct rollback *b, unsigned disk, uint64_t granule)
{
    const uint64_t offset = granule * MAP_GRANULE, size = b->group->disks[disk].size;

    if (offset >= size)
        return 0;
    b->group->disks[disk].unsynced = true;
    return state_pieces(b->then, disk, offset,
                        size - offset < MAP_GRANULE ? size - offset : MAP_GRANULE, put_piece, b);
}

static int restore_disk(struct rollback *b, unsigned disk)
{
    const uint64_t granules = (b->group->disks[disk].size + MAP_GRANULE - 1) / MAP_GRANULE;
    uint8_t bits[512];
    int r = 0;

    for (uint64_t i = 0; !r && i < granules; i++) {
        const uint64_t in_chunk = i % (8 * sizeof(bits));
        if (!in_chunk)
            needs_bitmap(b->group, disk, bits, sizeof(bits), i / 8);
        if (bits[in_chunk / 8] >> in_chunk % 8 & 1)
            r = restore_granule(b, disk, i);
    }
    return r;
}

int group_restore_needs(struct group *g, uint64_t lsn, struct weir_text *why)
{
    struct rollback b = { .group = g };
    int r = copier_init(&b.copier, g, false);

    if (!r)
        r = index_view_open(g->index, lsn, &b.then);
    for (unsigned disk = 0; !r && disk < DISKS; disk++)
        if (g->disks[disk].head)
            r = restore_disk(&b, disk);
    if (!r)
        r = copier_flush(&b.copier);
    copier_finish(&b.copier);
    index_view_close(b.then);
    if (r)
        weir_print(why, "what was written to group %s before it was demoted cannot be undone: %s",
                   g->name, strerror(-r));
    return r;
}
