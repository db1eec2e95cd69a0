/* link-plain.c - how do frames become the writes of an ordinary NBD disk?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One frame after the other; within it, records that do not overlap go side by side, and the frame
 * is answered when all are.  So the target is a state(k) only between two frames, and durably so
 * after one with FUA: a weaker promise than a vault's, and the manual says so. */
#include "link.h"
#include "thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct plain_job {
    struct plain_job *next;
    uint64_t ticket;
    const uint8_t *frame; /* NULL: a flush */
    size_t length;
    bool fua;
};

struct plain {
    struct link link;
    pthread_t thread;
    /* Guards all below; a leaf. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct plain_job *first, **last;
    bool closing;
    unsigned running; /* writes under way */
    int error;        /* of one of them: ends the link */
};

/* ---- the writes of one frame ------------------------------------------------------------------
 */

static void written(void *arg, int error)
{
    struct plain *p = arg;

    pthread_mutex_lock(&p->lock);
    p->running--;
    if (error && !p->error)
        p->error = error;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static int wait_for_all(struct plain *p)
{
    pthread_mutex_lock(&p->lock);
    while (p->running)
        pthread_cond_wait(&p->changed, &p->lock);
    int error = p->error;
    pthread_mutex_unlock(&p->lock);
    return error;
}

static int start(struct plain *p, enum wire_op op, const void *data, const struct record *r)
{
    pthread_mutex_lock(&p->lock);
    p->running++;
    pthread_mutex_unlock(&p->lock);
    int e = wire_start(p->link.wire, op, (void *)(uintptr_t)data, r->length, r->offset, false,
                       written, p);
    if (e)
        written(p, -e);
    return -e;
}

static int compare(struct plain *p, const struct record *r, const void *digest)
{
    uint64_t expected;
    int error = wait_for_all(p);
    void *data = error ? NULL : malloc(r->length);

    if (!data)
        return error ? error : ENOMEM;
    int e = wire_run(p->link.wire, WIRE_READ, data, r->length, r->offset, false);
    memcpy(&expected, digest, sizeof expected);
    if (!e && digest_of(data, r->length) != expected)
        p->link.setup.differs(p->link.setup.arg, r->disk, r->offset, r->length);
    free(data);
    return -e;
}

static int play_record(struct plain *p, const struct record *r, const void *data)
{
    switch (r->op) {
    case RECORD_WRITE:
        return start(p, WIRE_WRITE, data, r);
    case RECORD_ZERO:
    case RECORD_TRIM: /* as zeroes, which is what it reads as in a vault */
        return start(p, WIRE_ZERO, NULL, r);
    case RECORD_VERIFY:
        return compare(p, r, data);
    case RECORD_DISK:
        return r->offset <= wire_size(p->link.wire) ? 0 : ENOSPC;
    default:
        return 0;
    }
}

static bool overlaps(const struct record *a, uint64_t from, uint64_t to)
{
    return a->offset < to && a->offset + a->length > from;
}

/* What is under way is remembered as one range: enough to keep runs of neighbours together. */
static int play(struct plain *p, const struct frame *f, const void *payload)
{
    struct frame_walk walk = { 0 };
    uint64_t from = UINT64_MAX, to = 0;
    struct record r;
    const void *data;
    int error = 0;

    while (!error && frame_next(f, payload, &walk, &r, &data)) {
        if (r.op == RECORD_MARK)
            continue;
        if (overlaps(&r, from, to)) {
            error = wait_for_all(p);
            from = UINT64_MAX;
            to = 0;
        }
        if (!error)
            error = play_record(p, &r, data);
        if (r.op == RECORD_DISK || r.op == RECORD_VERIFY)
            continue;
        from = r.offset < from ? r.offset : from;
        to = r.offset + r.length > to ? r.offset + r.length : to;
    }
    int late = wait_for_all(p);
    return error ? error : late;
}

static int play_job(struct plain *p, const struct plain_job *job)
{
    struct frame f;
    void *payload = NULL;
    int error = 0;

    if (job->frame) {
        int r = frame_read(job->frame, &f, NULL);
        if (!r)
            r = frame_unpack(&f, job->frame, job->frame + FRAME_HEADER, job->length - FRAME_HEADER,
                             NULL, &payload, NULL);
        error = r ? -r : play(p, &f, payload);
        free(payload);
    }
    if (!error && (job->fua || !job->frame))
        error = -wire_run(p->link.wire, WIRE_FLUSH, NULL, 0, 0, false);
    return error;
}

static void *plain_main(void *arg)
{
    struct plain *p = arg;

    pthread_mutex_lock(&p->lock);
    while (!p->closing || p->first) {
        struct plain_job *job = p->first;
        if (!job) {
            pthread_cond_wait(&p->changed, &p->lock);
            continue;
        }
        p->first = job->next;
        if (!p->first)
            p->last = &p->first;
        int error = p->closing ? ENOTCONN : p->error;
        pthread_mutex_unlock(&p->lock);
        /* after an error nothing more: what comes later may not overtake what failed */
        if (!error)
            error = play_job(p, job);
        p->link.setup.done(p->link.setup.arg, job->ticket, error);
        free(job);
        pthread_mutex_lock(&p->lock);
        if (error && !p->error)
            p->error = error;
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- the link
 * ------------------------------------------------------------------------------------ */

static int put(struct link *l, uint64_t ticket, const void *frame, size_t length, bool fua)
{
    struct plain *p = (struct plain *)l;
    struct plain_job *job = malloc(sizeof *job);

    if (!job)
        return -ENOMEM;
    *job = (struct plain_job){ .ticket = ticket, .frame = frame, .length = length, .fua = fua };
    pthread_mutex_lock(&p->lock);
    *p->last = job;
    p->last = &job->next;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return 0;
}

static int plain_send(struct link *l, uint64_t ticket, const void *frame, size_t length,
                      uint64_t position, bool fua)
{
    (void)position;
    return put(l, ticket, frame, length, fua);
}

static int plain_flush(struct link *l, uint64_t ticket)
{
    return put(l, ticket, NULL, 0, false);
}

static void plain_close(struct link *l)
{
    struct plain *p = (struct plain *)l;

    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    wire_close(l->wire);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static int plain_open(const struct link_setup *setup, struct link **ret, char why[WHY])
{
    struct plain *p = calloc(1, sizeof *p);

    if (!p)
        return -ENOMEM;
    p->link = (struct link){ .type = &link_plain, .setup = *setup };
    p->last = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    int r = wire_open(&p->link.setup, &p->link.wire, why);
    if (!r) {
        r = thread_start(&p->thread, plain_main, p);
        if (!r) {
            *ret = &p->link;
            return 0;
        }
        wire_close(p->link.wire);
    }
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
    return r;
}

const struct link_type link_plain = {
    .open = plain_open,
    .close = plain_close,
    .send = plain_send,
    .flush = plain_flush,
};
