/* point.c - which states can be gone back to?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "point.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scope.h"

enum { MINUTE_S = 60, HOUR_S = 3600 };
static const uint64_t second = 1000000000;

/* ---- the lists --------------------------------------------------------------------- */

static int grow(void **array, size_t *room, size_t count, size_t size)
{
    if (count < *room)
        return 0;
    const size_t more = *room ? *room * 2 : 64;
    void *grown = realloc(*array, more * size);
    if (!grown)
        return -ENOMEM;
    *array = grown;
    *room = more;
    return 0;
}

int mark_add(struct points *p, const struct mark *mark)
{
    struct mark copy = *mark;

    if (grow((void **)&p->mark, &p->marks_room, p->marks, sizeof *p->mark))
        return -ENOMEM;
    if (mark->name && !(copy.name = strdup(mark->name)))
        return -ENOMEM;
    p->mark[p->marks++] = copy;
    return 0;
}

int set_add(struct points *p, const struct set *set)
{
    if (grow((void **)&p->set, &p->sets_room, p->sets, sizeof *p->set))
        return -ENOMEM;
    p->set[p->sets++] = *set;
    return 0;
}

const struct set *set_around(const struct points *p, uint64_t lsn)
{
    for (size_t i = p->sets; i-- > 0 && p->set[i].last > lsn;)
        if (lsn >= p->set[i].first)
            return &p->set[i];
    return NULL;
}

void points_drop_behind(struct points *p, uint64_t position)
{
    while (p->marks && p->mark[p->marks - 1].position >= position)
        free(p->mark[--p->marks].name);
    while (p->sets && p->set[p->sets - 1].ended >= position)
        p->sets--;
}

bool mark_is_kept(const struct points *p, const struct mark *m)
{
    return m->lsn == p->trimmed_lsn || (m->lsn > p->trimmed_lsn && m->position >= p->trimmed);
}

bool set_is_kept(const struct points *p, const struct set *s)
{
    return s->last > p->trimmed_lsn && s->ended >= p->trimmed;
}

static void drop_trimmed(struct points *p)
{
    size_t kept = 0;

    for (size_t i = 0; i < p->marks; i++)
        if (mark_is_kept(p, &p->mark[i]))
            p->mark[kept++] = p->mark[i];
        else
            free(p->mark[i].name);
    p->marks = kept;
    kept = 0;
    for (size_t i = 0; i < p->sets; i++)
        if (set_is_kept(p, &p->set[i]))
            p->set[kept++] = p->set[i];
    p->sets = kept;
}

static void set_state(struct points *p)
{
    p->state = (struct point){ .lsn = p->at.lsn, .position = p->at.position, .time = p->at.time };
}

void points_trim(struct points *p, uint64_t position, uint64_t lsn)
{
    hold_lock(&p->lock);
    if (position < p->trimmed || (position == p->trimmed && lsn <= p->trimmed_lsn))
        return;
    p->trimmed = position;
    p->trimmed_lsn = lsn;
    drop_trimmed(p);
    if (p->at.position < position)
        p->at = (struct reached){ .lsn = lsn, .position = position, .time = p->at.time };
    if (p->state.position < position)
        set_state(p);
}

/* The first of each minute or hour stays, whatever is thinned when. */
void points_thin(struct points *p, uint64_t now, uint64_t after)
{
    uint64_t last[2] = { UINT64_MAX, UINT64_MAX }; /* the minute, the hour of the mark before */
    size_t kept = 0;

    hold_lock(&p->lock);
    for (size_t i = 0; after && i < p->marks; i++) {
        struct mark m = p->mark[i];
        const uint64_t age = now > m.time ? now - m.time : 0;
        const uint64_t in[2] = { m.time / (MINUTE_S * second), m.time / (HOUR_S * second) };
        const bool hours = age / 10 > after;
        const bool thin = !m.name && age > after && in[hours] == last[hours];
        if (!m.name) {
            last[0] = in[0];
            last[1] = in[1];
        }
        if (!thin)
            p->mark[kept++] = m;
    }
    if (after)
        p->marks = kept;
}

/* ---- frames ------------------------------------------------------------------------ */

/* The state of sets behind a frame; *ended is a set that it ends. */
static bool step(struct points *p, const struct frame *frame, struct set *ended)
{
    const bool part = frame->flags & FRAME_PART;
    bool ends = false;

    if (part && !p->at.in_set) {
        p->at.in_set = true;
        p->at.set = frame->first_lsn;
        p->at.set_position = frame->position;
    }
    if (!part && p->at.in_set) {
        *ended = (struct set){ .first = p->at.set,
                               .last = frame->last_lsn,
                               .position = p->at.set_position,
                               .ended = frame->position };
        p->at.in_set = false;
        ends = true;
    }
    p->at.lsn = frame->last_lsn;
    p->at.time = frame->time;
    p->at.position = frame->position + frame_span(frame);
    if (!part)
        set_state(p);
    return ends;
}

/* Marks of a frame that is a state in itself, or the last of a set's last frame. */
static int add_marks(struct points *p, const struct frame *frame, const void *payload,
                     bool ends_set)
{
    struct frame_walk walk = { 0 };
    struct record r;
    const void *data;
    int error = 0;

    while (!error && frame_next(frame, payload, &walk, &r, &data)) {
        char name[NAME_LENGTH] = "";
        if (r.op != RECORD_MARK || r.length >= NAME_LENGTH || r.lsn < p->trimmed_lsn ||
            (ends_set && r.lsn < frame->last_lsn))
            continue;
        memcpy(name, data, r.length);
        const struct mark mark = { .lsn = r.lsn,
                                   .position = frame->position,
                                   .time = frame->time,
                                   .name = *name ? name : NULL,
                                   .quiesced = r.flags & RECORD_APP };
        points_append_mark(p, &mark);
        hold_lock(&p->lock);
        error = mark_add(p, &mark);
    }
    return error;
}

int points_frame(struct points *p, const struct frame *frame, const void *payload)
{
    struct set set;
    int r = 0;

    if (frame->position < p->at.position)
        return 0;
    if (segment_floor(frame->position) != segment_floor(p->at.position))
        points_append_reached(p);
    pthread_mutex_lock(&p->lock);
    const struct reached before = p->at;
    const struct point state = p->state;
    const bool ends = step(p, frame, &set);
    if (ends)
        r = set_add(p, &set);
    pthread_mutex_unlock(&p->lock);
    if (!r && ends)
        points_append_set(p, &set);
    if (!r && !(frame->flags & FRAME_PART))
        r = add_marks(p, frame, payload, ends);
    if (r) { /* as if it had never been said */
        hold_lock(&p->lock);
        points_drop_behind(p, frame->position);
        p->at = before;
        p->state = state;
        p->stale = true;
    }
    return r;
}

static int frame_again(void *arg, const struct frame *frame, const void *payload)
{
    return points_frame(arg, frame, payload);
}

/* ---- open, cut, close -------------------------------------------------------------- */

int points_open(const struct points_setup *setup, struct points **ret, struct weir_text *why)
{
    struct points *p = calloc(1, sizeof *p);
    int r;

    if (!p)
        return -ENOMEM;
    p->medium = setup->medium;
    p->log = setup->log;
    p->trimmed = setup->trimmed;
    p->trimmed_lsn = setup->lsn;
    pthread_mutex_init(&p->lock, NULL);
    r = points_load(p, setup->end);
    if (r == -ENOENT || (!r && p->at.position < setup->trimmed)) {
        p->at = (struct reached){ .lsn = setup->lsn, .position = setup->trimmed };
        r = 0;
    }
    set_state(p); /* if that is inside of a set: until its end was read again */
    /* what was behind the end of the log must not come back when the log has grown past it */
    if (!r)
        r = log_scan(p->log, p->at.position, setup->end, frame_again, p);
    p->loaded = true;
    if (!r)
        r = points_rewrite(p);
    if (r) {
        weir_print(why, "the restore points cannot be read or written: %s", strerror(-r));
        points_close(p);
        return r;
    }
    *ret = p;
    return 0;
}

void points_close(struct points *p)
{
    if (!p)
        return;
    if (p->file)
        p->file->close(p->file);
    for (size_t i = 0; i < p->marks; i++)
        free(p->mark[i].name);
    free(p->mark);
    free(p->set);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* From the start of the segment that the last frame lies in, all is said again. */
static uint64_t go_back(struct points *p, uint64_t position)
{
    uint64_t from = position ? segment_floor(position - 1) : 0;

    hold_lock(&p->lock);
    if (from < p->trimmed)
        from = p->trimmed;
    p->at = (struct reached){ .lsn = p->trimmed_lsn, .position = from };
    for (size_t i = 0; i < p->sets; i++) /* one that began before, and goes on there */
        if (p->set[i].position < from && p->set[i].ended >= from) {
            p->at.in_set = true;
            p->at.set = p->set[i].first;
            p->at.set_position = p->set[i].position;
        }
    points_drop_behind(p, from);
    set_state(p);
    return from;
}

int points_cut(struct points *p, uint64_t position)
{
    int r;

    if (position >= p->at.position)
        return 0;
    p->loaded = false;
    r = log_scan(p->log, go_back(p, position), position, frame_again, p);
    p->loaded = true;
    return r ? r : points_rewrite(p);
}

/* ---- what there is ----------------------------------------------------------------- */

size_t points_count(struct points *p)
{
    hold_lock(&p->lock);
    return p->marks;
}

uint64_t points_oldest(struct points *p)
{
    hold_lock(&p->lock);
    return p->marks ? p->mark[0].time : 0;
}

bool points_is_state(struct points *p, uint64_t lsn)
{
    hold_lock(&p->lock);
    return lsn >= p->trimmed_lsn && lsn <= p->state.lsn && !set_around(p, lsn);
}

void mark_point(const struct mark *m, struct point *ret)
{
    *ret = (struct point){ .lsn = m->lsn,
                           .position = m->position,
                           .time = m->time,
                           .named = m->name != NULL,
                           .quiesced = m->quiesced };
    snprintf(ret->name, sizeof ret->name, "%s", m->name ? m->name : "");
}

size_t mark_from(const struct points *p, uint64_t lsn)
{
    size_t low = 0, high = p->marks;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (p->mark[middle].lsn < lsn)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* One at a time, so that the lock is free in between; several may have one LSN. */
int points_each(struct points *p, int (*each)(void *arg, const struct point *), void *arg)
{
    uint64_t lsn = 0;
    size_t told = 0; /* of that LSN */
    int r = 0;

    while (!r) {
        struct point point;
        pthread_mutex_lock(&p->lock);
        const size_t i = mark_from(p, lsn) + told;
        const bool more = i < p->marks;
        if (more)
            mark_point(&p->mark[i], &point);
        pthread_mutex_unlock(&p->lock);
        if (!more)
            break;
        told = point.lsn == lsn ? told + 1 : 1;
        lsn = point.lsn;
        r = each(arg, &point);
    }
    return r;
}
