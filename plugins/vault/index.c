/* index.c - how does the index grow, shrink, and come back after a restart?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "index-list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "instant.h"
#include "scope.h"

enum { CACHED = 4096 }; /* blocks: 16 MiB */

/* ---- lists of runs ----------------------------------------------------------------- */

size_t run_list_behind(const struct run_list *list, uint64_t position)
{
    size_t low = 0, high = list->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (list->run[middle]->to <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct run *run_list_find(const struct run_list *list, uint64_t position)
{
    const size_t i = run_list_behind(list, position);

    return i < list->count && list->run[i]->from <= position ? list->run[i] : NULL;
}

int run_list_add(struct run_list *list, struct run *run)
{
    const size_t i = run_list_behind(list, run->from);

    if (list->count == list->room) {
        const size_t room = list->room ? list->room * 2 : 64;
        struct run **grown = realloc(list->run, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        list->run = grown;
        list->room = room;
    }
    memmove(list->run + i + 1, list->run + i, (list->count - i) * sizeof *list->run);
    list->run[i] = run;
    list->count++;
    return 0;
}

void run_list_remove(struct run_list *list, size_t i)
{
    memmove(list->run + i, list->run + i + 1, (list->count - i - 1) * sizeof *list->run);
    list->count--;
}

/* Takes [first, last) off and hands them over to `gone`, which has room. */
static size_t run_list_take(struct run_list *list, size_t first, size_t last, struct run **gone)
{
    const size_t n = last - first;

    if (!n)
        return 0;
    memcpy(gone, list->run + first, n * sizeof *gone);
    memmove(list->run + first, list->run + last, (list->count - last) * sizeof *list->run);
    list->count -= n;
    return n;
}

static int cover_add(struct cover *c, struct run *run)
{
    if (c->count == c->room) {
        const size_t room = c->room ? c->room * 2 : 64;
        struct run **grown = realloc(c->run, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        c->run = grown;
        c->room = room;
    }
    c->run[c->count++] = run_hold(run);
    return 0;
}

void cover_finish(struct cover *c)
{
    for (size_t i = 0; i < c->count; i++)
        run_put(c->run[i]);
    free(c->run);
    *c = (struct cover){ 0 };
}

int index_cover(struct index *index, uint64_t from, uint64_t to, unsigned most, struct cover *c)
{
    uint64_t position = segment_floor(from);
    int r = 0;

    while (!r && position < to) {
        struct run *run = NULL;
        for (unsigned level = most + 1; level-- > 0 && !run;) {
            run = run_list_find(&index->level[level], position);
            if (run && run->to > to)
                run = NULL;
        }
        if (run) {
            r = cover_add(c, run);
            position = run->to;
        } else { /* nothing was ever written there */
            const struct run_list *list = &index->level[0];
            const size_t next = run_list_behind(list, position);
            position = next < list->count ? list->run[next]->from : to;
        }
    }
    return r;
}

/* ---- frames ------------------------------------------------------------------------ */

/* With the lock. */
static void forget_active(struct index *index)
{
    index->active.count = 0;
    index->frames = 0;
    index->facts = (struct run_facts){ 0 };
}

/* What is active becomes a run in memory.  Only who adds frames calls this. */
static int seal(struct index *index)
{
    struct run *run;
    int r;

    if (!index->frames)
        return 0;
    run = run_create(0, index->active_from, index->active_from + SEGMENT);
    if (!run)
        return -ENOMEM;
    run->in_memory = true;
    run->facts = index->facts;
    atomic_store(&run->known, 2);
    /* nobody else changes what is active */
    r = entries_resolve(index->active.entry, index->active.count, &run->entries, &run->count);
    if (!r) {
        hold_lock(&index->lock);
        r = run_list_add(&index->level[0], run);
        if (!r) {
            forget_active(index);
            pthread_cond_broadcast(&index->changed);
        }
    }
    if (r)
        run_put(run);
    return r;
}

int index_add(struct index *index, const struct frame *frame, const void *payload)
{
    const uint64_t from = segment_floor(frame->position);
    int r = 0;

    if (frame->position < index->next)
        return 0;
    if (from != index->active_from && (r = seal(index)))
        return r;
    hold_lock(&index->lock);
    const size_t before = index->active.count;
    index->active_from = from;
    if ((r = entries_add_frame(&index->active, frame, payload))) {
        index->active.count = before;
        return r;
    }
    index->frames++;
    run_facts_add(&index->facts, frame);
    index->next = frame->position + frame_span(frame);
    return 0;
}

/* ---- what is missing is made again from the log ------------------------------------ */

static int add_again(void *arg, const struct frame *frame, const void *payload)
{
    return index_add(arg, frame, payload);
}

static void begin_at(struct index *index, uint64_t segment, uint64_t position)
{
    hold_lock(&index->lock);
    index->active_from = segment;
    index->next = position;
}

int index_refill(struct index *index, uint64_t from, uint64_t to)
{
    const uint64_t last = segment_floor(to);
    int r = 0;

    for (uint64_t s = segment_floor(from); !r && s < last; s += SEGMENT) {
        const uint64_t start = s < from ? from : s;
        if (run_list_find(&index->level[0], s))
            continue;
        begin_at(index, s, start);
        r = log_scan(index->log, start, s + SEGMENT, add_again, index);
        if (!r)
            r = seal(index);
        if (!r)
            r = index_write_all(index);
    }
    if (r)
        return r;
    const uint64_t start = last < from ? from : last;
    begin_at(index, last, start);
    return start < to ? log_scan(index->log, start, to, add_again, index) : 0;
}

struct listing {
    struct index *index;
    uint64_t trimmed, end;
    bool removed;
};

static int each_name(void *arg, const char *name)
{
    struct listing *l = arg;
    uint64_t from, to;
    unsigned level;
    const int is = run_parse(name, &level, &from, &to);

    if (!is)
        return 0;
    if (is < 0 || to <= l->trimmed || to > segment_floor(l->end)) {
        l->removed = true;
        return l->index->medium->remove(l->index->medium, name);
    }
    struct run *run = run_create(level, from, to);
    if (!run)
        return -ENOMEM;
    int r = run_list_add(&l->index->level[level], run);
    if (r)
        run_put(run);
    return r;
}

int index_open(const struct index_setup *setup, struct index **ret, struct weir_text *why)
{
    struct index *index = calloc(1, sizeof *index);
    struct listing listing = { .index = index, .trimmed = setup->trimmed, .end = setup->end };
    int r;

    if (!index)
        return -ENOMEM;
    index->medium = setup->medium;
    index->log = setup->log;
    atomic_init(&index->trimmed, setup->trimmed);
    pthread_mutex_init(&index->lock, NULL);
    pthread_cond_init(&index->changed, NULL);
    index->cache = cache_create(CACHED);
    r = index->cache ? index->medium->list(index->medium, each_name, &listing) : -ENOMEM;
    /* other frames may come to be where those were that a crash took of the log: a run of them must
     * not come back */
    if (!r && listing.removed)
        r = index->medium->sync(index->medium);
    if (!r)
        r = index_refill(index, setup->trimmed, setup->end);
    if (!r && !setup->manual)
        r = index_work_start(index);
    if (r) {
        weir_print(why, "the index of the log cannot be read or made again: %s", strerror(-r));
        index_close(index);
        return r;
    }
    *ret = index;
    return 0;
}

void index_close(struct index *index)
{
    if (!index)
        return;
    index_stop(index);
    for (unsigned level = 0; level < LEVELS; level++) {
        for (size_t i = 0; i < index->level[level].count; i++)
            run_put(index->level[level].run[i]);
        free(index->level[level].run);
    }
    entries_finish(&index->active);
    cache_destroy(index->cache);
    pthread_cond_destroy(&index->changed);
    pthread_mutex_destroy(&index->lock);
    free(index);
}

/* ---- trimming and cutting ---------------------------------------------------------- */

/* Removes the runs' files and lets them go.  Who has one open reads on. */
static void forget(struct index *index, struct run **gone, size_t count)
{
    char name[RUN_NAME];

    for (size_t i = 0; i < count; i++) {
        run_name(gone[i], name);
        if (!gone[i]->in_memory)
            index->medium->remove(index->medium, name);
        run_put(gone[i]);
    }
}

/* Takes runs off that lie wholly before `before` or reach behind `behind`; *ret is to be freed. */
static int take_runs(struct index *index, uint64_t before, uint64_t behind, struct run ***ret,
                     size_t *count)
{
    hold_lock(&index->lock);
    size_t room = 1;

    for (unsigned level = 0; level < LEVELS; level++)
        room += index->level[level].count;
    if (!(*ret = malloc(room * sizeof **ret)))
        return -ENOMEM;
    *count = 0;
    for (unsigned level = 0; level < LEVELS; level++) {
        struct run_list *list = &index->level[level];
        size_t end = list->count;
        while (end > 0 && list->run[end - 1]->to > behind)
            end--;
        *count += run_list_take(list, end, list->count, *ret + *count);
        *count += run_list_take(list, 0, run_list_behind(list, before), *ret + *count);
        if (index->merged[level] > behind)
            index->merged[level] = 0;
    }
    return 0;
}

void index_trim(struct index *index, uint64_t position)
{
    struct run **gone = NULL;
    size_t count;

    if (position <= atomic_load(&index->trimmed))
        return;
    atomic_store(&index->trimmed, position);
    /* without memory for that they stay until the next time */
    if (take_runs(index, position, UINT64_MAX, &gone, &count) == 0)
        forget(index, gone, count);
    free(gone);
    hold_lock(&index->lock);
    if (index->next < position) /* all is gone: the next frame begins elsewhere */
        forget_active(index);
}

int index_cut(struct index *index, uint64_t position)
{
    struct run **gone = NULL;
    size_t count = 0;
    int r;

    index_work_pause(index, true);
    r = take_runs(index, 0, segment_floor(position), &gone, &count);
    if (!r) {
        forget(index, gone, count);
        r = index->medium->sync(index->medium);
    }
    free(gone);
    if (!r) {
        pthread_mutex_lock(&index->lock);
        forget_active(index);
        pthread_mutex_unlock(&index->lock);
        r = index_refill(index, atomic_load(&index->trimmed), position);
    }
    index_work_pause(index, false);
    return r;
}

int index_segment(struct index *index, uint64_t position, struct index_segment *ret)
{
    const uint64_t from = segment_floor(position);
    struct run_facts facts = { 0 };
    struct run *run = NULL;
    bool sealed = true;
    int r = -ENOENT;

    pthread_mutex_lock(&index->lock);
    if (index->active_from == from && index->frames) {
        facts = index->facts;
        sealed = false;
        r = 0;
    } else if ((run = run_list_find(&index->level[0], from))) {
        run_hold(run);
    }
    pthread_mutex_unlock(&index->lock);
    if (run)
        r = index_facts(index, run, &facts);
    run_put(run);
    *ret = (struct index_segment){ .from = from,
                                   .to = from + SEGMENT,
                                   .first_lsn = facts.first_lsn,
                                   .last_lsn = facts.last_lsn,
                                   .time = facts.time,
                                   .arrived = facts.arrived,
                                   .sealed = sealed };
    return r;
}
