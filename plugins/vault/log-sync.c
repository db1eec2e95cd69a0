/* log-sync.c - how does what was received become durable, and get handed over?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Whoever needs something to be durable syncs for all who wait by then, the log's thread too. */
#include "log.h"

#include <errno.h>
#include <stdlib.h>

void log_fail(struct log *log, int error, const char *problem)
{
    if (log->error)
        return;
    log->error = error;
    log->problem = problem;
    log_wake(log);
    pthread_cond_broadcast(&log->changed);
}

void arrival_free(struct arrival *a)
{
    if (a)
        free(a->payload);
    free(a);
}

/* ---- one sync for all ---------------------------------------------------------------------- */

/* With the lock, which it lets go of; what was written to it until now is durable. */
static int sync_segment(struct log *log, struct segment *s)
{
    const bool cut = s->cut;
    const uint64_t cut_at = s->cut_at;
    int r = 0;

    s->users++;
    s->unsynced = s->cut = false;
    pthread_mutex_unlock(&log->lock);
    if (cut)
        r = s->file->truncate(s->file, cut_at);
    if (!r && does(LOG_SYNC_DATA))
        r = s->file->sync(s->file);
    pthread_mutex_lock(&log->lock);
    s->users--;
    pthread_cond_broadcast(&log->changed);
    return r;
}

static int sync_names(struct log *log)
{
    int r;

    if (!log->unsynced_names || !does(LOG_SYNC_NAME))
        return 0;
    log->unsynced_names = false;
    pthread_mutex_unlock(&log->lock);
    r = log->setup.medium->sync(log->setup.medium);
    pthread_mutex_lock(&log->lock);
    return r;
}

/* The segments up to `end` that are not synced, each once: what is written meanwhile waits for the
 * next one. */
static int sync_segments(struct log *log, uint64_t end)
{
    uint64_t from = 0;
    int r = 0;

    for (;;) {
        struct segment *s = log->segments;
        while (s && (s->start < from || !s->unsynced))
            s = s->next;
        if (r || !s || s->start >= end)
            return r;
        from = s->start + 1;
        r = sync_segment(log, s);
    }
}

int sync_to(struct log *log, uint64_t position)
{
    while (log->durable.position < position && !log->error) {
        if (log->syncing) {
            pthread_cond_wait(&log->changed, &log->lock);
            continue;
        }
        const struct log_end end = log->received;
        log->syncing = true;
        int r = sync_segments(log, end.position);
        if (!r)
            r = sync_names(log);
        log->syncing = false;
        if (r) /* what the kernel could not write it does not try again */
            log_fail(log, r, "the log could not be made durable");
        else
            log->durable = end;
        log_wake(log);
        pthread_cond_broadcast(&log->changed);
    }
    return log->error;
}

int log_sync_all(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    int r = sync_to(log, log->received.position);
    pthread_mutex_unlock(&log->lock);
    return r;
}

/* ---- handing over -------------------------------------------------------------------------- */

struct log_end end_of(const struct arrival *a)
{
    return (struct log_end){ .position = a->end,
                             .last_position = a->frame.position,
                             .last_digest = a->digest,
                             .last_lsn = a->frame.last_lsn };
}

/* The lock is free: `payload` is the callee's. */
static int give(struct log *log, const struct arrival *a, void *payload, const char **problem)
{
    const struct log_end after = end_of(a);
    struct frame frame;

    if (!payload) {
        int r = log_read_frame(log, a->frame.position, &frame, &payload);
        if (r) {
            *problem = "a frame cannot be read back";
            return r;
        }
    }
    *problem = "a frame cannot be applied to a head";
    return log->setup.frame(log->setup.arg, &a->frame, payload, &after);
}

bool hand_over(struct log *log)
{
    const struct log_end *end = does(LOG_HAND_OVER) ? &log->durable : &log->received;
    struct arrival *a = log->waiting;
    int r = 0;

    if (!a || log->handing || log->error || log->handed.position >= end->position)
        return false;
    void *payload = a->payload;
    const char *problem = NULL;
    log->waiting_bytes -= a->bytes;
    a->payload = NULL;
    a->bytes = 0;
    log->handing = true;
    pthread_mutex_unlock(&log->lock);
    r = give(log, a, payload, &problem);
    pthread_mutex_lock(&log->lock);
    log->handing = false;
    log->refused = r;
    log->tries++;
    if (!r) {
        log->handed = end_of(a);
        log->waiting = a->next;
        if (!log->waiting)
            log->waiting_last = NULL;
        arrival_free(a);
    } else if (!log->error) {
        log->problem = problem;
    }
    pthread_cond_broadcast(&log->changed);
    return r == 0;
}
