/* log-receive.c - which frames may stand in a log, and where?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Everything may be said twice, and in any order.  Behind the contiguous end nothing changes any
 * more: another frame there is a fork.  Ahead of it a source that begins anew replaces what it has
 * sent; what is next must follow by position, digest and LSN. */
#include "log.h"

#include "instant.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WAITS_S = 10, WAITING_BYTES = 64 << 20 };

static unsigned long long number(uint64_t n)
{
    return n;
}

/* ---- is it one? --------------------------------------------------------------------------- */

static int judge(struct log *log, uint64_t position, const void *bytes, size_t length,
                 struct arrival *a, struct weir_text *why)
{
    int r = length < FRAME_HEADER ? -ENODATA : frame_read(bytes, &a->frame, why);

    if (r == -ENODATA || (r == 0 && frame_span(&a->frame) != length)) {
        weir_print(why, "what came for log address %llu is not one whole frame", number(position));
        return -EINVAL;
    }
    if (r)
        return -EIO;
    if (a->frame.position != position) {
        weir_print(why, "a frame of log address %llu came for %llu", number(a->frame.position),
                   number(position));
        return -EINVAL;
    }
    r = frame_unpack(&a->frame, bytes, (const char *)bytes + FRAME_HEADER, length - FRAME_HEADER,
                     log->setup.key, &a->payload, why);
    if (r)
        return r == -EKEYREJECTED || r == -ENOMEM ? r : -EIO;
    a->digest = frame_digest(bytes);
    a->end = position + length;
    a->bytes = a->frame.raw;
    return 0;
}

/* ---- what follows from what ----------------------------------------------------------------- */

/* Nothing can come before it any more.  What begins the next segment may have to wait for what
 * still fits into this one: only the chain says so. */
static bool is_due(const struct log *log, const struct arrival *a)
{
    return a->frame.position == log->received.position;
}

static bool follows(const struct log *log, const struct arrival *a)
{
    return a->frame.position == frame_place(log->received.position, a->end - a->frame.position) &&
           a->frame.previous == log->received.last_position &&
           a->frame.previous_digest == log->received.last_digest &&
           a->frame.first_lsn > log->received.last_lsn;
}

static int refuse_chain(const struct log *log, const struct arrival *a, struct weir_text *why)
{
    weir_print(why,
               "the frame at log address %llu does not follow from the one at %llu that is here "
               "(LSN %llu): the source must read the status and begin there",
               number(a->frame.position), number(log->received.last_position),
               number(log->received.last_lsn));
    return -EIO;
}

static void forget(struct log *log, struct arrival *a)
{
    struct arrival **at = &log->ahead;

    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    arrival_free(a);
}

void drop_ahead(struct log *log)
{
    if (log->ahead)
        log->dropped++;
    while (log->ahead)
        forget(log, log->ahead);
}

static void insert_ahead(struct log *log, struct arrival *a)
{
    struct arrival **at = &log->ahead;

    while (*at && (*at)->frame.position < a->frame.position)
        at = &(*at)->next;
    a->next = *at;
    *at = a;
}

/* The first of `ahead` is received. */
static void receive_first(struct log *log)
{
    struct arrival *a = log->ahead;
    struct segment *before = segment_find(log, log->received.position);
    const uint64_t end = log->received.position;

    log->ahead = a->next;
    a->next = NULL;
    if (before && segment_floor(a->frame.position) != before->start &&
        before->start + before->size > end) {
        /* what was forgotten there would follow from the frame before as this one does */
        before->cut = before->unsynced = true;
        before->cut_at = end - before->start;
        before->size = before->cut_at;
    }
    log->received = end_of(a);
    if (log->waiting_bytes + a->bytes > WAITING_BYTES) {
        free(a->payload); /* it is read back when its turn comes */
        a->payload = NULL;
        a->bytes = 0;
    }
    log->waiting_bytes += a->bytes;
    if (log->waiting_last)
        log->waiting_last->next = a;
    else
        log->waiting = a;
    log->waiting_last = a;
    log_wake(log);
}

/* All before `a`, and it, too, where it does not follow. */
static void forget_until(struct log *log, struct arrival *a, bool it_too)
{
    while (log->ahead != a) {
        forget(log, log->ahead);
        log->dropped++;
    }
    if (it_too) {
        forget(log, a);
        log->dropped++;
    }
}

/* Takes what follows by now.  A frame that is being written stands before all behind it: it may be
 * the one that is next. */
static void advance(struct log *log)
{
    struct arrival *a = log->ahead;

    while (a && a->written) {
        const bool next = follows(log, a);
        if (!next && !is_due(log, a)) {
            a = a->next;
            continue;
        }
        forget_until(log, a, !next);
        if (next)
            receive_first(log);
        a = log->ahead;
    }
}

/* ---- places ---------------------------------------------------------------------------------- */

/* Is the same frame here already?  With the lock, which it lets go of. */
static int compare(struct log *log, const struct arrival *a, struct weir_text *why)
{
    struct frame frame;
    uint64_t digest = 0;

    pthread_mutex_unlock(&log->lock);
    int r = read_header(log, a->frame.position, &frame, &digest);
    pthread_mutex_lock(&log->lock);
    if (a->end <= log->trimmed || (r == 0 && digest == a->digest))
        return 0;
    if (r && r != -ENODATA && r != -EBADMSG) {
        weir_print(why, "the log cannot be read: %s", strerror(-r));
        return -EIO;
    }
    weir_print(why,
               "another frame is at log address %llu already: the histories of source and target "
               "have forked",
               number(a->frame.position));
    return -EIO;
}

/* What lies where `a` is to go: 0: nothing any more; 1: the same, whole; -EAGAIN: the lock was let
 * go, look again. */
static int clear_place(struct log *log, const struct arrival *a)
{
    for (struct arrival *b = log->ahead, *next; b; b = next) {
        next = b->next;
        if (b->end <= a->frame.position || b->frame.position >= a->end)
            continue;
        if (!b->written) {
            pthread_cond_wait(&log->changed, &log->lock);
            return -EAGAIN;
        }
        if (b->frame.position == a->frame.position && b->digest == a->digest)
            return 1;
        forget(log, b);
        log->dropped++;
        pthread_cond_broadcast(&log->changed);
    }
    return 0;
}

/* Room for it, by the limit; where that is the file system's, `room` was asked of it before. */
static bool has_room(const struct log *log, const struct arrival *a, uint64_t room)
{
    const uint64_t span = a->end - a->frame.position;

    if (log->setup.limit)
        room = log_limit_room(log);
    return span <= room;
}

/* With the lock, which it lets go of.  0: `a` may be written, and is in `ahead`; 1: it is here
 * already. */
static int take_place(struct log *log, struct arrival *a, uint64_t room, struct segment **ret,
                      struct weir_text *why)
{
    for (;;) {
        int r = 0;
        if (log->error) {
            weir_print(why, "the log takes no more frames: %s", log->problem);
            return -EIO;
        }
        if (a->end <= log->trimmed)
            return 1;
        if (a->frame.position < log->received.position)
            return (r = compare(log, a, why)) ? r : 1;
        if (a->end > log->received.position + LOG_AHEAD) {
            weir_print(why,
                       "the frame at log address %llu is more than %d MiB ahead of the end, %llu",
                       number(a->frame.position), LOG_AHEAD >> 20, number(log->received.position));
            return -EINVAL;
        }
        if (is_due(log, a) && !follows(log, a))
            return refuse_chain(log, a, why);
        r = clear_place(log, a);
        if (r == 1)
            return 1;
        if (r)
            continue;
        if (!has_room(log, a, room)) {
            weir_print(why, "the log is full");
            return -ENOSPC;
        }
        *ret = segment_find(log, a->frame.position);
        if (*ret)
            break;
        r = segment_make(log, a->frame.position, ret);
        if (r) {
            weir_print(why, "a segment of the log cannot be made: %s", strerror(-r));
            return r == -ENOSPC ? -ENOSPC : -EIO;
        }
    }
    insert_ahead(log, a);
    return 0;
}

/* With the lock, which it lets go of; `a` is in `ahead`, and may be gone afterwards. */
static int write_frame(struct log *log, struct arrival *a, struct segment *s, const void *bytes,
                       struct weir_text *why)
{
    const uint64_t at = a->frame.position - s->start, end = a->end - s->start;

    s->users++;
    log->writing++;
    if (s->size < end) /* so that others see that this room is taken */
        s->size = end;
    pthread_mutex_unlock(&log->lock);
    int r = file_write(s->file, bytes, end - at, at);
    pthread_mutex_lock(&log->lock);
    log->writing--;
    s->users--;
    if (r) {
        weir_print(why, "the log cannot be written: %s", strerror(-r));
        r = r == -ENOSPC ? -ENOSPC : -EIO;
        log->dropped++;
        forget(log, a);
    } else {
        s->unsynced = true;
        a->written = true;
        advance(log);
    }
    pthread_cond_broadcast(&log->changed);
    return r;
}

/* With the lock, which it lets go of: all up to `end` is durable.  `dropped` as it was when the
 * frame was there. */
static int wait_durable(struct log *log, uint64_t end, uint64_t dropped, struct weir_text *why)
{
    const uint64_t until = now_ns() + WAITS_S * SECOND_NS;

    while (log->received.position < end && !log->error) {
        if (log->dropped != dropped ||
            cond_wait_until(&log->changed, &log->lock, until) == ETIMEDOUT) {
            weir_print(why, "frames before log address %llu did not come", number(end));
            return -EIO;
        }
    }
    int r = sync_to(log, end);
    if (r)
        weir_print(why, "%s", log->problem);
    return r ? -EIO : 0;
}

int log_receive(struct log *log, uint64_t position, const void *frame, size_t length, bool fua,
                struct weir_text *why)
{
    struct arrival *a = calloc(1, sizeof(*a));
    const uint64_t end = position + length;
    uint64_t room = log->setup.limit ? 0 : log_free_bytes(log);
    struct segment *s;

    if (!a)
        return -ENOMEM;
    int r = judge(log, position, frame, length, a, why);
    if (r) {
        arrival_free(a);
        return r;
    }
    pthread_mutex_lock(&log->lock);
    r = take_place(log, a, room, &s, why);
    const uint64_t dropped = log->dropped;
    if (r)
        arrival_free(a);
    else
        r = write_frame(log, a, s, frame, why);
    if (r >= 0 && fua)
        r = wait_durable(log, end, dropped, why);
    pthread_mutex_unlock(&log->lock);
    return r < 0 ? r : 0;
}
