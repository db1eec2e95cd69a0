/* index-view.c - what did the index say at an LSN?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The segment that holds the LSN is found by halving; what lies before it is taken from the largest
 * runs that end there, and of the segment itself a run in memory of the view's own is made, from
 * its frames up to the LSN. */
#include "index-list.h"

#include <errno.h>
#include <stdlib.h>

#include "scope.h"

enum { TRIES = 16 };

struct index_view {
    struct index *index;
    uint64_t lsn;
    size_t count;
    struct source *source; /* newest first */
};

/* ---- which segment holds an LSN? --------------------------------------------------- */

/* The run of level 0 in the middle of those in [low, high); NULL: there is none. */
static struct run *middle_run(struct index *index, uint64_t low, uint64_t high)
{
    hold_lock(&index->lock);
    const struct run_list *list = &index->level[0];
    const size_t first = run_list_behind(list, low), last = run_list_behind(list, high);

    return first < last ? run_hold(list->run[first + (last - first) / 2]) : NULL;
}

static bool in_active(struct index *index, uint64_t lsn, uint64_t *segment)
{
    hold_lock(&index->lock);
    *segment = index->active_from;
    return index->frames && index->facts.first_lsn <= lsn;
}

int index_find(struct index *index, uint64_t lsn, uint64_t *ret)
{
    uint64_t low = 0, high = INT64_MAX; /* what begins before low is not behind; high: it is */
    struct run_facts facts;
    struct run *run;
    int r = -ENOENT;

    if (in_active(index, lsn, ret))
        return 0;
    while ((run = middle_run(index, low, high))) {
        const int error = index_facts(index, run, &facts);
        if (!error && facts.first_lsn <= lsn) {
            *ret = run->from;
            low = run->to;
            r = 0;
        } else if (!error) {
            high = run->from;
        }
        run_put(run);
        if (error)
            return error;
    }
    return r;
}

/* ---- the part of a segment up to an LSN -------------------------------------------- */

struct partial {
    uint64_t lsn;
    struct entries entries;
};

static int each_frame(void *arg, const struct frame *frame, const void *payload)
{
    struct partial *p = arg;

    if (frame->first_lsn > p->lsn)
        return 1; /* enough */
    int r = entries_add_frame(&p->entries, frame, payload);
    while (p->entries.count && p->entries.entry[p->entries.count - 1].lsn > p->lsn)
        p->entries.count--;
    return r;
}

/* Of the active segment: what is in memory of it. */
static int copy_active(struct index *index, uint64_t segment, struct partial *p)
{
    hold_lock(&index->lock);

    if (index->active_from != segment || !index->frames)
        return -EAGAIN; /* it was sealed just now */
    for (size_t i = 0; i < index->active.count && index->active.entry[i].lsn <= p->lsn; i++) {
        int r = entries_add(&p->entries, &index->active.entry[i]);
        if (r)
            return r;
    }
    return 0;
}

static int scan_segment(struct index *index, struct run *run, struct partial *p)
{
    struct run_facts facts;
    int r = index_facts(index, run, &facts);

    if (!r)
        r = log_scan(index->log, facts.first, run->to, each_frame, p);
    return r == 1 ? 0 : r;
}

/* The newest source of a view: `whole` is NULL where it is the active segment. */
static int make_partial(struct index *index, uint64_t segment, struct run *whole, uint64_t lsn,
                        struct source *ret)
{
    struct partial p = { .lsn = lsn };
    struct run *run = run_create(0, segment, segment + SEGMENT);
    int r = run ? 0 : -ENOMEM;

    if (!r)
        r = whole ? scan_segment(index, whole, &p) : copy_active(index, segment, &p);
    if (!r) {
        run->in_memory = true;
        run->facts.last_lsn = lsn;
        r = entries_resolve(p.entries.entry, p.entries.count, &run->entries, &run->count);
    }
    if (!r)
        r = source_open(ret, index->medium, run); /* holds it */
    entries_finish(&p.entries);
    run_put(run);
    return r;
}

/* ---- views ------------------------------------------------------------------------- */

/* The runs before `segment`, and its own where it has one. */
static int take_cover(struct index *index, uint64_t segment, struct cover *before,
                      struct run **whole)
{
    hold_lock(&index->lock);
    *whole = run_list_find(&index->level[0], segment);
    if (*whole)
        run_hold(*whole);
    return index_cover(index, atomic_load(&index->trimmed), segment, LEVELS - 1, before);
}

/* What cannot be opened is mended, and then all is looked up again. */
static int open_source(struct index_view *v, struct source *s, struct run *run)
{
    int r = source_open(s, v->index->medium, run);

    if (r != -EBADMSG && r != -ENOENT)
        return r;
    r = index_mend(v->index, run);
    return r ? r : -EAGAIN;
}

static int open_newest(struct index_view *v, uint64_t segment, struct run *whole)
{
    struct source *s = &v->source[0];
    struct run_facts facts;
    int r = whole ? index_facts(v->index, whole, &facts) : 0;

    if (r)
        return r;
    if (whole && facts.last_lsn <= v->lsn)
        r = open_source(v, s, whole);
    else
        r = make_partial(v->index, segment, whole, v->lsn, s);
    if (!r)
        v->count = 1;
    return r;
}

static int try_open(struct index_view *v)
{
    struct index *index = v->index;
    struct cover before = { 0 };
    struct run *whole = NULL;
    uint64_t segment;
    int r = index_find(index, v->lsn, &segment);

    if (r)
        return r == -ENOENT ? 0 : r; /* nothing was written up to it */
    r = take_cover(index, segment, &before, &whole);
    if (!r && !(v->source = calloc(before.count + 1, sizeof *v->source)))
        r = -ENOMEM;
    if (!r)
        r = open_newest(v, segment, whole);
    for (size_t i = before.count; !r && i-- > 0;) {
        r = open_source(v, &v->source[v->count], before.run[i]);
        if (!r)
            v->count++;
    }
    run_put(whole);
    cover_finish(&before);
    return r;
}

static void close_sources(struct index_view *v)
{
    for (size_t i = 0; i < v->count; i++)
        source_close(&v->source[i]);
    free(v->source);
    v->source = NULL;
    v->count = 0;
}

int index_view_open(struct index *index, uint64_t lsn, struct index_view **ret)
{
    struct index_view *v = calloc(1, sizeof *v);
    int r = 0;

    if (!v)
        return -ENOMEM;
    v->index = index;
    v->lsn = lsn;
    /* what is trimmed, sealed or mended between two steps is looked up again */
    for (unsigned i = 0; i < TRIES && (!i || r == -EAGAIN); i++) {
        close_sources(v);
        r = try_open(v);
    }
    if (r) {
        index_view_close(v);
        return r == -EAGAIN ? -EIO : r;
    }
    *ret = v;
    return 0;
}

void index_view_close(struct index_view *v)
{
    if (!v)
        return;
    close_sources(v);
    free(v);
}

/* ---- looking up -------------------------------------------------------------------- */

static int tell(const struct entry *e, int (*each)(void *, const struct index_entry *), void *arg)
{
    const bool zero = e->at == ENTRY_ZERO;
    const struct index_entry entry = { .disk = (uint16_t)(e->place >> PLACE_DISK_SHIFT),
                                       .zero = zero,
                                       .length = e->length,
                                       .offset = e->place & ((1ull << PLACE_DISK_SHIFT) - 1),
                                       .lsn = e->lsn,
                                       .position = e->position,
                                       .at = zero ? 0 : e->at };

    return each(arg, &entry);
}

/* Of `sources` newest ones; what was trimmed is not told. */
static int sweep_view(struct index_view *v, size_t sources, struct cache *cache, uint64_t place,
                      uint64_t end, uint64_t since,
                      int (*each)(void *arg, const struct index_entry *), void *arg)
{
    struct sweep sweep;
    struct entry e;
    int r = sweep_init(&sweep, (unsigned)sources, place, end);

    for (size_t i = 0; !r && i < sources; i++) {
        sweep.cursor[i].source = &v->source[i];
        sweep.cursor[i].cache = cache;
    }
    while (!r && (r = sweep_next(&sweep, &e)) > 0) {
        const bool told = e.lsn > since && e.position >= atomic_load(&v->index->trimmed);
        r = told ? tell(&e, each, arg) : 0;
    }
    if (r == -EBADMSG) /* the next view has it anew */
        index_mend(v->index, v->source[sweep.failed].run);
    sweep_finish(&sweep);
    return r == -EBADMSG ? -EIO : r;
}

int index_look(struct index_view *v, unsigned disk, uint64_t offset, uint64_t length,
               int (*each)(void *arg, const struct index_entry *), void *arg)
{
    const uint64_t place = place_of(disk, offset);

    return sweep_view(v, v->count, v->index->cache, place, place + length, 0, each, arg);
}

int index_changes(struct index_view *v, uint64_t since,
                  int (*each)(void *arg, const struct index_entry *), void *arg)
{
    size_t sources = v->count;

    while (sources > 0 && v->source[sources - 1].facts.last_lsn <= since)
        sources--;
    return sweep_view(v, sources, NULL, 0, UINT64_MAX, since, each, arg);
}
