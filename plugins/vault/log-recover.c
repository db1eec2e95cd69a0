/* log-recover.c - where does a log end that a crash has left?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * At the first place at which there is no whole frame that follows from the one before.  Frames
 * that arrived ahead of a gap, and what was torn, lie behind it: they go, durably, before anybody
 * is told of the end, or a later crash could find them where they follow once more. */
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a killed process has written is in the page cache only: a head must not be given what a loss
 * of power takes from the log. */
static int sync_found(struct log *log)
{
    int r = 0;

    if (!does(LOG_SYNC_FOUND))
        return 0;
    for (struct segment *s = log->segments; s && !r; s = s->next)
        if (s->start + SEGMENT > log->setup.start.position)
            r = s->file->sync(s->file);
    return r ? r : log->setup.medium->sync(log->setup.medium);
}

/* What cannot be given to frame() now waits as if it had just come: so a head without room does not
 * keep its restore points from being served. */
static int keep(struct log *log, const struct frame *frame, const struct log_end *end, int refused)
{
    struct arrival *a = calloc(1, sizeof(*a));

    if (!a)
        return -ENOMEM;
    *a = (struct arrival){
        .frame = *frame, .end = end->position, .digest = end->last_digest, .written = true
    };
    if (log->waiting_last) {
        log->waiting_last->next = a;
    } else {
        log->waiting = a;
        log->refused = refused;
        log->problem = "a frame cannot be applied to a head";
    }
    log->waiting_last = a;
    return 0;
}

static int walk(struct log *log)
{
    struct log_end end = log->received;
    struct frame frame;
    void *payload;
    int r;

    while ((r = read_next(log, &end, &frame, &payload)) == 0) {
        if (log->waiting)
            free(payload);
        else
            r = log->setup.frame(log->setup.arg, &frame, payload, &end);
        log->received = log->durable = end;
        if (!r && !log->waiting)
            log->handed = end;
        else if ((r = keep(log, &frame, &end, r)))
            return r;
    }
    return r == -ENODATA ? 0 : r;
}

int log_recover(struct log *log, struct weir_text *why)
{
    const uint64_t start = log->setup.start.position;
    int r;

    log->received = log->durable = log->handed = log->setup.start;
    log->trimmed = log->setup.trimmed;
    r = segments_open(log, why);
    if (r)
        return r;
    if (start % SEGMENT) {
        const struct segment *s = segment_find(log, start);
        if (!s || s->start + s->size < start) {
            weir_print(why,
                       "the log ends before address %llu, up to which its frames were applied: "
                       "segments of it were removed or cut",
                       (unsigned long long)start);
            return -EIO;
        }
    }
    r = sync_found(log);
    if (!r)
        r = walk(log);
    if (!r && does(LOG_CUT)) {
        pthread_mutex_lock(&log->lock);
        r = segments_cut(log, log->received.position);
        pthread_mutex_unlock(&log->lock);
    }
    if (r)
        weir_print(why, "the log cannot be read: %s", strerror(-r));
    return r;
}
