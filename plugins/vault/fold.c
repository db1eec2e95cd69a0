/* fold.c - how does the horizon move on?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   1. the record says that a fold up to F is under way: from now on no point before F is opened
 *   2. the base becomes state(F): one write for each place that was written before F
 *   3. the base is synced
 *   4. the record says that F is the horizon
 *   5. index and log before F are given back
 *
 * A crash in between: the record names F, and all is done again.  A point behind F is right at any
 * moment, see state.h.  The turn is taken for one batch after the other. */
#include "fold.h"
#include "instant.h"
#include "point.h"
#include "state.h"
#include "thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "events.h"
#include "scope.h"

enum { BATCH = 32 << 20, BATCHES = 10 /* a second */, LOOK_S = 1, THIN_S = 60, RETRY_S = 10 };

struct folder {
    pthread_t thread;
    bool started;
    bool stopping;          /* group.lock guards it */
    pthread_cond_t changed; /* with group.lock */
};

struct fold {
    struct group *group;
    uint64_t position, lsn;
    struct copier copier;
    uint64_t copied; /* when the batch began: of copier.written */
    uint64_t began;  /* of now_ns() */
    bool dirty[DISKS];
};

/* ---- batches ----------------------------------------------------------------------- */

/* Is the fold still to be done?  With the turn. */
static int still_wanted(struct fold *f)
{
    struct group *g = f->group;
    hold_lock(&g->lock);

    if (g->record.folding_to != f->position)
        return -ECANCELED; /* all was begun anew */
    return g->folder && g->folder->stopping ? -EINTR : 0;
}

static int sync_bases(struct fold *f)
{
    int r = copier_flush(&f->copier);

    for (unsigned disk = 0; disk < DISKS; disk++) {
        struct medium_file *base = f->group->disks[disk].base;
        if (!f->dirty[disk] || !base)
            continue;
        if (!r)
            r = file_sync(base);
        f->dirty[disk] = false;
    }
    return r;
}

static bool batch_is_over(const struct fold *f)
{
    return f->copier.written - f->copied > BATCH || now_ns() - f->began > SECOND_NS / BATCHES;
}

static int fold_entry(void *arg, const struct index_entry *e)
{
    struct fold *f = arg;
    const struct piece piece = piece_of(e);
    int r;

    if (batch_is_over(f)) {
        r = sync_bases(f);
        pthread_mutex_unlock(&f->group->turn);
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL); /* who waits for it gets it */
        pthread_mutex_lock(&f->group->turn);
        f->began = now_ns();
        f->copied = f->copier.written;
        if (r || (r = still_wanted(f)))
            return r;
    }
    f->dirty[e->disk] = true;
    return copier_put(&f->copier, &piece);
}

/* With the turn, which others may have had in between. */
static int fold_base(struct fold *f, uint64_t horizon_lsn)
{
    struct index_view *view;
    int r = index_view_open(f->group->index, f->lsn, &view);

    if (r)
        return r;
    f->began = now_ns();
    r = index_changes(view, horizon_lsn, fold_entry, f);
    if (!r)
        r = sync_bases(f);
    index_view_close(view);
    return r;
}

/* ---- the record -------------------------------------------------------------------- */

/* With the turn.  Says that a fold is under way, unless somebody opened a point before it while
 * that was being said. */
static int announce(struct group *g, uint64_t position)
{
    struct group_record record;
    bool wanted = true;
    int r;

    pthread_mutex_lock(&g->lock);
    record = g->record;
    pthread_mutex_unlock(&g->lock);
    if (record.folding_to == position)
        return 0;
    record.folding_to = position;
    if ((r = group_save(g, &record)))
        return r;
    pthread_mutex_lock(&g->lock);
    for (const struct pinned *p = g->pinned; p; p = p->next)
        if (p->position < position)
            wanted = false;
    pthread_mutex_unlock(&g->lock);
    if (wanted)
        return 0;
    record.folding_to = 0; /* nothing was changed yet */
    r = group_save(g, &record);
    return r ? r : -EBUSY;
}

/* The end of the log as it was at `position`. */
static struct log_end end_at(struct group *g, uint64_t position, uint64_t lsn)
{
    struct log_end end = { .position = position, .last_lsn = lsn };
    void *payload = NULL;
    struct frame frame;

    if (log_read_frame(g->log, position, &frame, &payload) == 0) {
        end.last_position = frame.previous;
        end.last_digest = frame.previous_digest;
        free(payload);
        return end;
    }
    hold_lock(&g->lock);
    return g->record.applied.position == position ? g->record.applied : end;
}

/* With the turn. */
static int move_horizon(struct fold *f)
{
    struct group *g = f->group;
    struct group_record record;

    pthread_mutex_lock(&g->lock);
    record = g->record;
    pthread_mutex_unlock(&g->lock);
    record.horizon = end_at(g, f->position, f->lsn);
    record.folding_to = 0;
    record.trimmed = f->position;
    return group_save(g, &record);
}

/* ---- a fold ------------------------------------------------------------------------ */

static int fold_with_turn(struct fold *f)
{
    struct group *g = f->group;
    const uint64_t horizon_lsn = g->record.horizon.last_lsn;
    int r = announce(g, f->position);

    if (r)
        return r;
    points_trim(g->points, f->position, f->lsn);
    r = fold_base(f, horizon_lsn);
    return r ? r : move_horizon(f);
}

int fold_to(struct group *g, uint64_t position)
{
    struct fold f = { .group = g };
    struct index_segment last;
    int r;

    pthread_mutex_lock(&g->turn);
    if (position != g->record.folding_to && fold_state_before(g, position, &f.lsn) != position) {
        r = -EINVAL;
    } else if (!(r = index_segment(g->index, position - 1, &last)) &&
               !(r = copier_init(&f.copier, g, true))) {
        f.position = position;
        f.lsn = last.last_lsn;
        r = fold_with_turn(&f);
    }
    pthread_mutex_unlock(&g->turn);
    copier_finish(&f.copier);
    if (r)
        return r;
    index_trim(g->index, position);
    return log_trim(g->log, position);
}

/* ---- the thread -------------------------------------------------------------------- */

/* Somebody opened a point, all stops or was begun anew: then nothing is wrong. */
static bool is_failure(int error)
{
    return error && error != -EBUSY && error != -EINTR && error != -ECANCELED;
}

/* Said when it begins and when it ends: until then the log grows. */
static void say_failed(struct group *g, int error)
{
    char said[sizeof g->fold_error] = "";

    if (is_failure(error))
        snprintf(said, sizeof said,
                 "history cannot be folded into the base images (%s): the log keeps more than is "
                 "wanted, and it is tried again",
                 strerror(-error));
    pthread_mutex_lock(&g->lock);
    const bool was = *g->fold_error;
    g->fold_failures += *said != 0;
    memcpy(g->fold_error, said, sizeof said);
    pthread_mutex_unlock(&g->lock);
    if (*said && !was)
        event_post(WEIR_WARNING, NULL, NULL, "group \"%s\": %s", g->name, said);
    else if (was && !*said)
        event_post(WEIR_INFO, NULL, NULL, "group \"%s\": history is folded again", g->name);
}

/* Does a fold give up what is within the span, since there is no room for it? */
static bool is_early(struct group *g, uint64_t position)
{
    struct index_segment s;

    if (index_segment(g->index, position - 1, &s))
        return false;
    hold_lock(&g->lock);
    return g->complete_time - s.time < g->config.history;
}

static void say_early(struct group *g, bool early)
{
    char oldest[TIME_TEXT] = "now";
    const uint64_t time = points_oldest(g->points);

    if (time)
        time_write(time, oldest);
    pthread_mutex_lock(&g->lock);
    const bool was = g->shortened;
    g->shortened = early;
    pthread_mutex_unlock(&g->lock);
    if (early && !was)
        event_post(WEIR_WARNING, NULL, NULL,
                   "group \"%s\": its log has no room for as much history as is wanted, which "
                   "begins at %s now",
                   g->name, oldest);
}

/* One that was interrupted comes first. */
int fold_once(struct group *g)
{
    pthread_mutex_lock(&g->lock);
    uint64_t position = g->record.folding_to;
    pthread_mutex_unlock(&g->lock);

    if (!position)
        position = fold_target(g, wall_ns());
    const bool early = position && is_early(g, position);
    const int r = position ? fold_to(g, position) : 0;
    say_failed(g, r);
    if (!r && position)
        say_early(g, early);
    return r;
}

static void thin(struct group *g)
{
    pthread_mutex_lock(&g->lock);
    const uint64_t latest = g->complete_time;
    pthread_mutex_unlock(&g->lock);

    points_thin(g->points, latest, g->config.thin_after);
}

static void *fold_on(void *arg)
{
    struct group *g = arg;
    struct folder *folder = g->folder;
    unsigned seconds = 0;

    pthread_mutex_lock(&g->lock);
    while (!folder->stopping) {
        pthread_mutex_unlock(&g->lock);
        const int r = fold_once(g);
        if (seconds++ % THIN_S == 0)
            thin(g);
        const uint64_t until = now_ns() + (r ? RETRY_S : LOOK_S) * SECOND_NS;
        pthread_mutex_lock(&g->lock);
        while (!folder->stopping && cond_wait_until(&folder->changed, &g->lock, until) != ETIMEDOUT)
            ;
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

int fold_start(struct group *g)
{
    struct folder *folder = calloc(1, sizeof *folder);
    int r;

    if (!folder)
        return -ENOMEM;
    pthread_cond_init(&folder->changed, NULL);
    g->folder = folder;
    r = g->manual ? 0 : thread_start(&folder->thread, fold_on, g);
    folder->started = !g->manual && !r;
    if (r)
        fold_stop(g);
    return r;
}

void fold_stop(struct group *g)
{
    struct folder *folder = g->folder;

    if (!folder)
        return;
    pthread_mutex_lock(&g->lock);
    folder->stopping = true;
    pthread_cond_broadcast(&folder->changed);
    pthread_mutex_unlock(&g->lock);
    if (folder->started)
        pthread_join(folder->thread, NULL);
    g->folder = NULL;
    pthread_cond_destroy(&folder->changed);
    free(folder);
}
