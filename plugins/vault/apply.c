/* apply.c - how do frames reach the heads?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * In order, when they are durable in the log; those of a set as a whole, read back from the log
 * when its last frame is there.  Until the first state(k) all is applied as it comes, to the bases,
 * too. A crash comes anywhere: what the record says is durable in the images, and the log from
 * there on is applied again, which gives the same. */
#include "group.h"

#include "events.h"
#include "instant.h"
#include "scope.h"
#include "step.h"
#include "thread.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SYNC_S = 1, SYNC_BYTES = 64 << 20, ZEROES = 65536 };

struct applying {
    struct group *g;
    /* The last run of neighbouring records that say what a place holds: granules of `needs` may
     * come in pieces. */
    unsigned disk;
    uint64_t from, to;
};

/* ---- records ----------------------------------------------------------------------------------
 */

static int refuse(struct group *g, const struct frame *f, const struct record *r, const char *what)
{
    group_set_error(g,
                    "the frame at log address %" PRIu64 " %s %u (LSN %" PRIu64
                    "), which is a fault of the source's: to have all sent anew, move the group's "
                    "folder away",
                    f->position, what, r->disk, r->lsn);
    return -EBADMSG;
}

/* A place of a head (and base) is what the source has; granules that are so as a whole are needed
 * no more. */
static void covered(struct applying *a, const struct record *r)
{
    if (r->disk != a->disk || r->offset != a->to) {
        a->disk = r->disk;
        a->from = r->offset;
    }
    a->to = r->offset + r->length;
    needs_clear(a->g, a->disk, a->from, a->to - a->from);
}

static int change(struct medium_file *file, const struct record *r, const void *data)
{
    return r->op == RECORD_WRITE ? file_write(file, data, r->length, r->offset)
                                 : file->zero(file, r->length, r->offset);
}

static int change_disk(struct applying *a, const struct record *r, const void *data)
{
    struct group_disk *d = &a->g->disks[r->disk];

    d->unsynced = true;
    int error = change(d->head, r, data);
    if (!error && a->g->record.initial && d->base && d->base != d->head)
        error = change(d->base, r, data);
    if (!error)
        covered(a, r);
    return error;
}

/* A head that is ahead of this LSN (it may be, when frames are applied again) says nothing. */
static int verify(struct group *g, const struct frame *f, const struct record *r, const void *data)
{
    uint64_t expected;

    if (f->position < g->verify_from)
        return 0;
    cleanup_free void *room = malloc(r->length);
    if (!room)
        return -ENOMEM;
    int error = file_read(g->disks[r->disk].head, room, r->length, r->offset);
    if (error)
        return error;
    memcpy(&expected, data, sizeof(expected));
    const bool differs = digest_of(room, r->length) != le64toh(expected);
    if (differs)
        needs_mark(g, r->disk, r->offset, r->length);
    const uint64_t granules =
        (r->offset + r->length - 1) / MAP_GRANULE - r->offset / MAP_GRANULE + 1;
    hold_lock(&g->lock);
    g->record.verified += granules;
    g->record.mismatches += differs ? granules : 0;
    g->unsaved = true;
    return 0;
}

static int declare(struct group *g, const struct record *r, const void *data)
{
    char name[NAME_LENGTH] = "";

    memcpy(name, data, r->length < NAME_LENGTH ? r->length : NAME_LENGTH - 1);
    return images_declare(g, r, name);
}

static int apply_record(struct applying *a, const struct frame *f, const struct record *r,
                        const void *data)
{
    struct group *g = a->g;

    if (r->op == RECORD_MARK)
        return 0;
    if (r->op == RECORD_DISK)
        return declare(g, r, data);
    if (!g->disks[r->disk].head)
        return refuse(g, f, r, "writes to a disk that was never declared,");
    if (r->offset + r->length > g->disks[r->disk].size)
        return refuse(g, f, r, "writes beyond the end of disk");
    return r->op == RECORD_VERIFY ? verify(g, f, r, data) : change_disk(a, r, data);
}

static int apply_records(void *arg, const struct frame *f, const void *payload)
{
    struct applying *a = arg;
    struct frame_walk at = { 0 };
    struct record r;
    const void *data;
    int error = 0;

    while (!error && frame_next(f, payload, &at, &r, &data))
        error = apply_record(a, f, &r, data);
    return error;
}

/* And who else is to know of the frame, once. */
static int apply_whole(void *arg, const struct frame *f, const void *payload)
{
    struct applying *a = arg;
    int error = apply_records(a, f, payload);

    if (!error && a->g->index)
        error = index_add(a->g->index, f, payload);
    if (!error && a->g->points)
        error = points_frame(a->g->points, f, payload);
    return error;
}

/* ---- frames -----------------------------------------------------------------------------------
 */

static void applied(struct group *g, const struct frame *f, const struct log_end *after)
{
    hold_lock(&g->lock);
    g->applied = *after;
    g->unsaved = true;
    if (!(f->flags & FRAME_PART)) {
        g->complete = *after;
        g->complete_time = f->time;
        if (g->record.unsettled && needs_count(g) == 0)
            g->record.unsettled = false;
    }
    pthread_cond_broadcast(&g->changed);
}

/* The set that ends with frame `f`: what of it lies in the log already, and `f`. */
static int apply_set(struct applying *a, const struct frame *f, const void *payload)
{
    int r = 0;

    if (a->g->applied.position < f->position)
        r = log_scan(a->g->log, a->g->applied.position, f->position, apply_whole, a);
    return r ? r : apply_whole(a, f, payload);
}

/* With the turn. */
static int apply_one(struct group *g, const struct frame *f, const void *payload,
                     const struct log_end *after)
{
    struct applying a = { .g = g, .disk = DISKS };
    const bool part = f->flags & FRAME_PART;

    if (g->record.role == ROLE_PRIMARY) { /* the heads are this site's own */
        hold_lock(&g->lock);
        if (!part)
            g->complete = *after;
        return 0;
    }
    if (part && !g->record.initial && does(APPLY_SET))
        return 0;
    int r = apply_set(&a, f, payload);
    if (r)
        return r;
    applied(g, f, after);
    /* There is a state(k) now, in heads and bases: from here on there is a history, and the bases
     * stay behind.  It must be durable before the next frame changes the heads alone. */
    return g->record.initial && !part ? apply_sync(g) : 0;
}

/* Whoever sees to the reason need not do anything else: it is tried again and again. */
static void say_refused(struct group *g, const struct frame *f, int error)
{
    char said[sizeof(g->error)];

    pthread_mutex_lock(&g->lock);
    const bool first = !g->refused;
    g->refused = -error;
    if (error != -EBADMSG && !g->broken) /* which have their own sentence */
        snprintf(g->error, sizeof(g->error),
                 "the frame at log address %" PRIu64
                 " cannot be applied: %s; it is tried again, and "
                 "restore points can be opened meanwhile",
                 f->position, strerror(-error));
    memcpy(said, g->error, sizeof(said));
    pthread_mutex_unlock(&g->lock);
    if (first)
        event_post(WEIR_ERROR, NULL, NULL, "group \"%s\": %s", g->name, said);
}

static void say_taken(struct group *g)
{
    pthread_mutex_lock(&g->lock);
    const bool was = g->refused;
    if (was)
        *g->error = 0;
    g->refused = 0;
    pthread_mutex_unlock(&g->lock);
    if (was)
        event_post(WEIR_INFO, NULL, NULL, "group \"%s\": frames are applied again", g->name);
}

int apply_frame(void *arg, const struct frame *f, void *payload, const struct log_end *after)
{
    struct group *g = arg;

    pthread_mutex_lock(&g->turn);
    int r = g->broken ? g->broken : apply_one(g, f, payload, after);
    if (r && g->verify_from < after->position) /* a part of it may be in the heads */
        g->verify_from = after->position;
    pthread_mutex_unlock(&g->turn);
    free(payload);
    if (r)
        say_refused(g, f, r);
    else
        say_taken(g);
    return r;
}

int apply_again(struct group *g, uint64_t from)
{
    struct applying a = { .g = g, .disk = DISKS };

    const uint64_t verify_from = g->verify_from;
    g->verify_from = UINT64_MAX;
    int r = log_scan(g->log, from, g->complete.position, apply_records, &a);
    g->verify_from = verify_from;
    if (r)
        return r;
    hold_lock(&g->lock);
    g->applied = g->complete;
    g->unsaved = true;
    return 0;
}

/* ---- durability -------------------------------------------------------------------------------
 */

static int sync_images(struct group *g)
{
    int r = 0;

    for (unsigned i = 0; !r && i < g->record.disks; i++) {
        struct group_disk *d = &g->disks[i];
        if (!d->unsynced || !d->head)
            continue;
        if (does(APPLY_HEADS))
            r = file_sync(d->head);
        if (!r && d->base && d->base != d->head && does(APPLY_HEADS))
            r = file_sync(d->base);
        d->unsynced = r != 0;
    }
    if (!r)
        return 0;
    /* what an image could not write it may have dropped: nothing is applied any more */
    hold_lock(&g->lock);
    g->broken = r;
    return r;
}

/* Where nothing but the present state is kept, the log is needed from there on only. */
static int trim(struct group *g, uint64_t position, uint64_t lsn)
{
    int r = log_trim(g->log, position);

    if (g->index)
        index_trim(g->index, position);
    if (g->points)
        points_trim(g->points, position, lsn);
    return r;
}

/* With the lock: what is so now, and may be said when the images are durable. */
static void what_is(struct group *g, struct group_record *next)
{
    *next = g->record;
    next->applied = g->applied;
    next->applied_time = g->complete_time;
    /* nothing was a state(k), and the last frame ended one */
    const bool ends = next->initial && g->complete.last_lsn;
    const uint64_t segment = segment_floor(next->applied.position);
    if (next->role == ROLE_TARGET && (next->initial || !g->config.history) &&
        segment > next->trimmed)
        next->trimmed = segment;
    if (ends || (!next->initial && !g->config.history))
        next->horizon = next->applied;
    if (ends)
        next->initial = false;
    g->unsaved = false;
}

int apply_sync(struct group *g)
{
    cleanup_free struct group_record *next = malloc(sizeof(*next));
    const uint64_t trimmed = g->record.trimmed, horizon = g->record.horizon.last_lsn;

    if (!next)
        return -ENOMEM;
    int r = sync_images(g);
    if (!r)
        r = needs_save(g);
    pthread_mutex_lock(&g->lock);
    const bool unsaved = g->unsaved;
    if (!r && unsaved)
        what_is(g, next);
    pthread_mutex_unlock(&g->lock);
    if (r || !unsaved)
        return r;
    if (next->trimmed != trimmed && !does(APPLY_RECORD))
        r = trim(g, next->trimmed, next->horizon.last_lsn);
    if (!r)
        r = group_save(g, next);
    if (r) {
        hold_lock(&g->lock);
        g->unsaved = true;
        return r;
    }
    if (g->points && next->horizon.last_lsn != horizon) /* there is no going back behind it */
        points_trim(g->points, next->trimmed, next->horizon.last_lsn);
    return next->trimmed == trimmed ? 0 : trim(g, next->trimmed, next->horizon.last_lsn);
}

/* ---- the thread --------------------------------------------------------------------------------
 */

struct applier {
    pthread_t thread;
};

/* With the lock: enough has come, or time has passed, which who `failed` waits for in any case. */
static void wait_some(struct group *g, bool failed)
{
    const uint64_t until = now_ns() + SYNC_S * SECOND_NS;

    while (!g->stopping &&
           (failed || g->applied.position - g->record.applied.position < SYNC_BYTES))
        if (cond_wait_until(&g->changed, &g->lock, until) == ETIMEDOUT)
            return;
}

static void say_synced(struct group *g)
{
    hold_lock(&g->lock);

    if (!g->refused && !g->full)
        *g->error = 0;
}

static void *sync_on(void *arg)
{
    struct group *g = arg;
    bool failed = false; /* and the group's error says why */

    pthread_mutex_lock(&g->lock);
    while (!g->stopping) {
        wait_some(g, failed);
        pthread_mutex_unlock(&g->lock);
        pthread_mutex_lock(&g->turn);
        int r = g->broken ? 0 : apply_sync(g);
        if (failed && !r && !g->broken)
            say_synced(g);
        failed = r != 0;
        const bool broken = g->broken;
        pthread_mutex_unlock(&g->turn);
        if (r)
            group_set_error(g, "what was applied cannot be made durable: %s%s", strerror(-r),
                            broken ? "; restart the gateway when the device can be relied on" : "");
        pthread_mutex_lock(&g->lock);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

int apply_start(struct group *g)
{
    g->applier = calloc(1, sizeof(*g->applier));
    if (!g->applier)
        return -ENOMEM;
    int r = thread_start(&g->applier->thread, sync_on, g);
    if (r) {
        free(g->applier);
        g->applier = NULL;
    }
    return r;
}

void apply_stop(struct group *g)
{
    if (!g->applier)
        return;
    pthread_join(g->applier->thread, NULL);
    free(g->applier);
    g->applier = NULL;
}
