/* index-work.c - who writes runs, and makes larger ones of them?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "index-list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "instant.h"
#include "scope.h"
#include "thread.h"

enum { RETRY_S = 10 };

/* ---- level 0 ----------------------------------------------------------------------- */

/* A run in memory is exchanged for the file that says the same; where it was cut or trimmed
 * meanwhile the file goes. */
static void exchange(struct index *index, struct run *memory, struct run *file)
{
    char name[RUN_NAME];
    bool found = false;

    pthread_mutex_lock(&index->lock);
    struct run_list *list = &index->level[0];
    for (size_t i = 0; i < list->count && !found; i++)
        if (list->run[i] == memory) {
            list->run[i] = file;
            found = true;
        }
    pthread_mutex_unlock(&index->lock);
    if (found) {
        run_put(memory); /* the list's */
        return;
    }
    run_name(file, name);
    index->medium->remove(index->medium, name);
    run_put(file);
}

/* The log need not be durable up to there: what a crash takes of it, index_open() takes of the
 * runs. */
static int write_segment(struct index *index, struct run *memory)
{
    struct source source = { .run = memory };
    struct sweep sweep;
    struct run *file = run_create(0, memory->from, memory->to);
    int r = file ? sweep_init(&sweep, 1, 0, UINT64_MAX) : -ENOMEM;

    if (r) {
        run_put(file);
        return r;
    }
    sweep.cursor->source = &source;
    file->facts = memory->facts;
    atomic_store(&file->known, 2);
    r = run_write(file, index->medium, &sweep, 0);
    sweep_finish(&sweep);
    if (r)
        run_put(file);
    else
        exchange(index, memory, file);
    return r;
}

static struct run *next_in_memory(struct index *index)
{
    hold_lock(&index->lock);
    const struct run_list *list = &index->level[0];

    /* the newest are at the end; one that was mended is anywhere */
    for (size_t i = list->count; i-- > 0;)
        if (list->run[i]->in_memory)
            return run_hold(list->run[i]);
    return NULL;
}

int index_write_all(struct index *index)
{
    struct run *run;
    int r = 0;

    while (!r && (run = next_in_memory(index))) {
        r = write_segment(index, run);
        run_put(run);
    }
    return r;
}

/* ---- merging ----------------------------------------------------------------------- */

struct merge {
    unsigned level;    /* of the result */
    uint64_t from, to; /* from 0 to 0: nothing is to be merged */
    struct cover part;
};

/* The next span of a level that the log has left, and that has no run yet. */
static int next_merge(struct index *index, struct merge *m)
{
    hold_lock(&index->lock);
    const uint64_t trimmed = atomic_load(&index->trimmed);

    for (unsigned level = 1; level < LEVELS; level++) {
        const uint64_t span = level_span(level);
        uint64_t *from = &index->merged[level];
        if (*from < trimmed - trimmed % span)
            *from = trimmed - trimmed % span;
        for (; *from + span <= index->active_from; *from += span) {
            if (run_list_find(&index->level[level], *from))
                continue;
            int r = index_cover(index, *from, *from + span, level - 1, &m->part);
            if (r || m->part.count) {
                m->level = level;
                m->from = *from;
                m->to = *from + span;
                return r;
            }
        }
    }
    return 0;
}

static void facts_of(const struct source *source, size_t count, struct run_facts *ret)
{
    *ret = source[0].facts; /* the newest */
    ret->first = source[count - 1].facts.first;
    ret->first_lsn = source[count - 1].facts.first_lsn;
}

/* -EBADMSG: *damaged is which of the sources is. */
static int write_merged(struct index *index, const struct merge *m, struct source *source,
                        struct run **damaged)
{
    const size_t n = m->part.count;
    struct run *run = run_create(m->level, m->from, m->to);
    struct sweep sweep;
    int r = run ? sweep_init(&sweep, (unsigned)n, 0, UINT64_MAX) : -ENOMEM;

    if (r) {
        run_put(run);
        return r;
    }
    facts_of(source, n, &run->facts);
    atomic_store(&run->known, 2);
    for (size_t i = 0; i < n; i++)
        sweep.cursor[i].source = &source[i];
    r = run_write(run, index->medium, &sweep, atomic_load(&index->trimmed));
    *damaged = r == -EBADMSG ? source[sweep.failed].run : NULL;
    sweep_finish(&sweep);
    if (!r) {
        hold_lock(&index->lock);
        r = run_list_add(&index->level[m->level], run);
    }
    if (r)
        run_put(run);
    return r;
}

/* A part that is damaged or gone is mended, and the next time it is merged. */
static int merge(struct index *index, const struct merge *m)
{
    const size_t n = m->part.count;
    struct source *source = calloc(n, sizeof *source);
    struct run *damaged = NULL;
    size_t open = 0;
    int r = source ? 0 : -ENOMEM;

    for (; !r && open < n; open++) {
        struct run *part = m->part.run[n - 1 - open];
        r = source_open(&source[open], index->medium, part);
        if (r == -EBADMSG || r == -ENOENT)
            damaged = part;
        if (r)
            break;
    }
    if (!r)
        r = write_merged(index, m, source, &damaged);
    if (damaged)
        r = index_mend(index, damaged);
    while (open > 0)
        source_close(&source[--open]);
    free(source);
    return r;
}

/* ---- the thread -------------------------------------------------------------------- */

/* 1: something was done; 0: there was nothing to do. */
static int work_once(struct index *index)
{
    struct run *memory = next_in_memory(index);
    struct merge m = { 0 };
    int r;

    if (memory) {
        r = write_segment(index, memory);
        run_put(memory);
        return r ? r : 1;
    }
    r = next_merge(index, &m);
    if (!r && m.to)
        r = merge(index, &m);
    cover_finish(&m.part);
    return r ? r : m.to != 0;
}

bool index_work(struct index *index)
{
    return work_once(index) > 0;
}

static void *worker(void *arg)
{
    struct index *index = arg;

    pthread_mutex_lock(&index->lock);
    while (!index->stopping) {
        int r = 0;
        if (!index->paused) {
            index->working = true;
            pthread_mutex_unlock(&index->lock);
            r = work_once(index);
            pthread_mutex_lock(&index->lock);
            index->working = false;
            pthread_cond_broadcast(&index->changed);
        }
        if (index->stopping || r > 0)
            continue;
        if (!r || index->paused) {
            pthread_cond_wait(&index->changed, &index->lock);
            continue;
        }
        /* the medium is full or broken: what is in memory stays there */
        cond_wait_until(&index->changed, &index->lock, now_ns() + RETRY_S * SECOND_NS);
    }
    pthread_mutex_unlock(&index->lock);
    return NULL;
}

int index_work_start(struct index *index)
{
    const int r = thread_start(&index->worker, worker, index);

    index->threaded = r == 0;
    return r;
}

void index_stop(struct index *index)
{
    if (!index || !index->threaded)
        return;
    pthread_mutex_lock(&index->lock);
    index->stopping = true;
    pthread_cond_broadcast(&index->changed);
    pthread_mutex_unlock(&index->lock);
    pthread_join(index->worker, NULL);
    index->threaded = false;
}

void index_work_pause(struct index *index, bool pause)
{
    hold_lock(&index->lock);
    index->paused += pause ? 1 : -1u;
    while (pause && index->working)
        pthread_cond_wait(&index->changed, &index->lock);
    pthread_cond_broadcast(&index->changed);
}
