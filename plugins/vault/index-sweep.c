/* index-sweep.c - what is the newest that several runs say of a place?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "index-run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry entry_clip(const struct entry *e, uint64_t from, uint64_t to)
{
    struct entry clipped = *e;
    const uint64_t start = from > e->place ? from : e->place;
    const uint64_t end = to < entry_end(e) ? to : entry_end(e);

    clipped.place = start;
    clipped.length = (uint32_t)(end - start);
    if (e->at != ENTRY_ZERO)
        clipped.at += (uint32_t)(start - e->place);
    return clipped;
}

/* ---- the sweep --------------------------------------------------------------------- */

int sweep_init(struct sweep *s, unsigned count, uint64_t place, uint64_t end)
{
    *s = (struct sweep){ .count = count, .place = place, .end = end };
    s->cursor = calloc(count ? count : 1, sizeof *s->cursor);
    return s->cursor ? 0 : -ENOMEM;
}

void sweep_finish(struct sweep *s)
{
    for (unsigned i = 0; s->cursor && i < s->count; i++)
        cursor_finish(&s->cursor[i]);
    free(s->cursor);
    s->cursor = NULL;
}

/* An older source is not asked for what a newer one covers: where all is covered by the first few
 * the others are not read at all. */
int sweep_next(struct sweep *s, struct entry *ret)
{
    while (s->place < s->end) {
        uint64_t limit = s->end; /* where the next entry of a newer source begins */
        for (unsigned i = 0; i < s->count; i++) {
            struct cursor *c = &s->cursor[i];
            int r = cursor_reach(c, s->place);
            if (r) {
                s->failed = i;
                return r;
            }
            if (c->ended)
                continue;
            if (c->now.place <= s->place) {
                *ret = entry_clip(&c->now, s->place, limit);
                s->place = entry_end(ret);
                return 1;
            }
            if (c->now.place < limit)
                limit = c->now.place;
        }
        s->place = limit;
    }
    return 0;
}

/* ---- entries in the order of their LSN --------------------------------------------- */

int entries_add(struct entries *list, const struct entry *e)
{
    if (list->count == list->room) {
        const size_t room = list->room ? list->room * 2 : 256;
        struct entry *grown = realloc(list->entry, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        list->entry = grown;
        list->room = room;
    }
    list->entry[list->count++] = *e;
    return 0;
}

void entries_finish(struct entries *list)
{
    free(list->entry);
    *list = (struct entries){ 0 };
}

int entries_add_frame(struct entries *list, const struct frame *frame, const void *payload)
{
    struct frame_walk walk = { 0 };
    struct record r;
    const void *data;
    int error = 0;

    while (!error && frame_next(frame, payload, &walk, &r, &data)) {
        const bool write = r.op == RECORD_WRITE;
        if ((!write && r.op != RECORD_ZERO && r.op != RECORD_TRIM) || !r.length)
            continue;
        const size_t at = (size_t)((const uint8_t *)data - (const uint8_t *)payload);
        error = entries_add(list, &(struct entry){ .place = place_of(r.disk, r.offset),
                                                   .lsn = r.lsn,
                                                   .position = frame->position,
                                                   .length = r.length,
                                                   .at = write ? (uint32_t)at : ENTRY_ZERO });
    }
    return error;
}

static bool in_order(const struct entry *e, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (e[i].place < entry_end(&e[i - 1]))
            return false;
    return true;
}

/* Sweeps over up to FAN sorted parts, of which later ones are newer. */
static int overlay(struct run *const *part, unsigned parts, struct entries *ret)
{
    struct source source[FAN];
    struct sweep sweep;
    struct entry e;
    int r = sweep_init(&sweep, parts, 0, UINT64_MAX);

    for (unsigned i = 0; !r && i < parts; i++) {
        source[i] = (struct source){ .run = part[parts - 1 - i] };
        sweep.cursor[i].source = &source[i];
    }
    while (!r && (r = sweep_next(&sweep, &e)) > 0)
        r = entries_add(ret, &e);
    sweep_finish(&sweep);
    return r;
}

/* Parts that are resolved one by one are laid over each other: log16(n) rounds over all. */
static int resolve(const struct entry *entry, size_t count, struct entries *ret)
{
    struct entries done[FAN] = { 0 };
    struct run part[FAN] = { 0 }, *parts[FAN];
    unsigned n = 0;
    int r = 0;

    for (size_t from = 0; from < count && !r; n++) {
        const size_t left = FAN - n, length = (count - from + left - 1) / left;
        const struct entry *first = entry + from;
        const bool plain = in_order(first, length);
        if (!plain)
            r = resolve(first, length, &done[n]);
        part[n].entries = plain ? (struct entry *)first : done[n].entry; /* it is only read */
        part[n].count = plain ? length : done[n].count;
        parts[n] = &part[n];
        from += length;
    }
    if (!r)
        r = overlay(parts, n, ret);
    for (unsigned i = 0; i < FAN; i++)
        entries_finish(&done[i]);
    return r;
}

int entries_resolve(const struct entry *entry, size_t count, struct entry **ret, size_t *ret_count)
{
    struct entries list = { 0 };
    int r = resolve(entry, count, &list);

    if (r) {
        entries_finish(&list);
        return r;
    }
    *ret = list.entry;
    *ret_count = list.count;
    return 0;
}
