/* log.c - how does a block get into the log, and in which order?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Who appends stands in a queue; the first leads: takes with him whoever fits in his record, writes
 * it, installs it and hands the lead on.  So one record is under way at a time. */
#include "log.h"

#include "media.h"
#include "record.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* Segments that are kept for appends of the last reserve: what the pool says to make room. */
enum { RESERVE_SEGMENTS = 3 };

struct log {
    struct media *media;
    struct super super; /* as it was at the beginning: where the log is */
    struct log_user user;

    /* Guards all that follows but what the leader alone touches.  Under the pool's lock
     * (log_where() and its like may be called with that), above none; not held across I/O. */
    pthread_mutex_t lock;
    struct log_append *first, *last; /* who waits, and at the front, who leads */
    bool led;
    unsigned waiting, crowd; /* in the queue; in it and in the last record, when that was done */
    struct log_place place;  /* head, sequence: behind the last record that is installed */
    uint64_t under_way;      /* sequence of the record that is being written; 0: none */
    uint64_t epoch_begin;    /* sequence of the first record of the epoch */
    uint64_t durable_sequence;
    uint64_t written; /* bytes */
    int failed;

    pthread_cond_t changed; /* a record is installed, a sync is done */
    bool syncing;
    uint64_t syncs_begun, syncs_done;

    /* of the leader */
    struct summary summary; /* of the segment that is being filled */
    uint8_t *head;          /* a page */
    uint8_t *tail;          /* pages of a summary */
    struct log_entry entry[RECORD_ENTRIES];
    struct iovec iov[RECORD_ENTRIES + 1];
};

/* ---- where ---------------------------------------------------------------------------------- */

/* Appends may fill the log up to this position. */
static uint64_t limit(const struct log *log, bool last_reserve)
{
    uint64_t segments = log->super.log_pages / SEGMENT_PAGES;

    if (!last_reserve)
        segments -= segments > RESERVE_SEGMENTS ? RESERVE_SEGMENTS : segments;
    return log->place.tail + segments * SEGMENT_PAGES;
}

/* Does a record that has `pages` and takes `bytes` of the summary go into the segment at hand,
 * which is filled up to `head`? */
static bool fits(const struct log *log, uint64_t head, unsigned pages, unsigned bytes)
{
    const uint64_t used = head - log->summary.segment;

    return used + pages + summary_pages(log->summary.length + bytes) <= SEGMENT_PAGES;
}

void log_where(struct log *log, struct log_place *ret)
{
    pthread_mutex_lock(&log->lock);
    *ret = log->place;
    pthread_mutex_unlock(&log->lock);
}

uint64_t log_room(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    const uint64_t end = limit(log, false), head = log->place.head;
    pthread_mutex_unlock(&log->lock);
    return end > head ? end - head : 0;
}

bool log_has_room(struct log *log, unsigned pages)
{
    pthread_mutex_lock(&log->lock);
    const uint64_t end = limit(log, false), head = log->place.head;
    pthread_mutex_unlock(&log->lock);
    const uint64_t next = segment_of(head + SEGMENT_PAGES - 1);
    return end >= next + SEGMENT_PAGES || (end >= next && next - head >= pages + SUMMARY_PAGES);
}

void log_free(struct log *log, uint64_t tail)
{
    pthread_mutex_lock(&log->lock);
    if (segment_of(tail) > log->place.tail)
        log->place.tail = segment_of(tail);
    pthread_mutex_unlock(&log->lock);
}

uint64_t log_bytes_written(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    const uint64_t written = log->written;
    pthread_mutex_unlock(&log->lock);
    return written;
}

/* ---- a record -------------------------------------------------------------------------------- */

struct group {
    struct log_append *first, *last; /* the leader's, and who goes with it */
    struct record record;
    unsigned pages, appends;
    bool seals; /* the segment before is full */
};

static void take_first(struct log *log, struct group *g)
{
    struct log_append *a = log->first;

    log->first = a->next;
    log->waiting--;
    if (!log->first)
        log->last = NULL;
    a->next = NULL;
    if (g->last)
        g->last->next = a;
    else
        g->first = a;
    g->last = a;
    g->record.count += a->count;
    g->pages += a->pages;
    g->appends++;
}

/* Under the lock: the first in the queue, and those behind it that the record can take. */
static int gather(struct log *log, struct group *g)
{
    const struct log_append *a = log->first;
    uint64_t head = log->place.head;

    if (log->failed)
        return log->failed;
    *g = (struct group){ .pages = 1 };
    if (head == log->summary.segment + SEGMENT_PAGES ||
        !fits(log, head, 1 + a->pages, summary_bytes(a->count))) {
        g->seals = true;
        head = log->summary.segment + SEGMENT_PAGES;
    }
    const uint64_t segment = segment_of(head), end = segment + SEGMENT_PAGES;
    if (end > limit(log, a->last_reserve))
        return -EAGAIN;
    const uint64_t length = g->seals ? 0 : log->summary.length;
    do
        take_first(log, g);
    while ((a = log->first) != NULL && !a->begins && g->record.count + a->count <= RECORD_ENTRIES &&
           end <= limit(log, a->last_reserve) &&
           head - segment + g->pages + a->pages +
                   summary_pages((unsigned)length + summary_bytes(g->record.count + a->count)) <=
               SEGMENT_PAGES);
    g->record.position = head;
    g->record.sequence = log->under_way = log->place.sequence;
    g->record.epoch = log->place.epoch;
    g->record.durable_epoch = log->place.durable_epoch;
    g->record.durable_sequence = log->durable_sequence;
    g->record.incarnation = log->super.incarnation;
    return 0;
}

static int seal_segment(struct log *log)
{
    struct summary *s = &log->summary;
    const unsigned pages = summary_pages(s->length);
    const uint64_t next = s->segment + SEGMENT_PAGES;
    int r = 0;

    if (pages) {
        summary_seal(s, &log->super, log->tail);
        r = media_write(log->media, log->tail, (size_t)pages * BLOCK,
                        page_offset(&log->super, next - pages));
    }
    summary_begin(s, next);
    return r;
}

/* Gives each entry its place, asks the users what became of them meanwhile, lays all out. */
static int lay_out(struct log *log, const struct group *g)
{
    uint64_t next = g->record.position + 1;
    unsigned n = 0;
    int pieces = 1;

    log->iov[0] = (struct iovec){ log->head, BLOCK };
    for (struct log_append *a = g->first; a; a = a->next) {
        unsigned page = 0;
        for (unsigned i = 0; i < a->count; i++) {
            if (!entry_has_page(a->entry[i].type))
                continue;
            a->entry[i].place = (uint32_t)(next++ % log->super.log_pages);
            log->iov[pieces++] = (struct iovec){ (void *)a->page[page++], BLOCK };
        }
        if (log->user.seal)
            log->user.seal(log->user.arg, a);
        for (unsigned i = 0; i < a->count; i++, n++) {
            log->entry[n] = a->entry[i];
            record_put_entry(log->head, n, &a->entry[i]);
        }
    }
    record_seal(log->head, &log->super, &g->record);
    return pieces;
}

/* Without the lock. */
static int write_group(struct log *log, struct group *g)
{
    int r = g->seals ? seal_segment(log) : 0;

    if (r)
        return r;
    const int pieces = lay_out(log, g);
    summary_add(&log->summary, &g->record, log->entry);
    r = log->media->write(log->media, log->iov, pieces,
                          page_offset(&log->super, g->record.position));
    for (struct log_append *a = g->first; !r && a; a = a->next)
        if (log->user.install)
            log->user.install(log->user.arg, a);
    return r;
}

static void finish(struct log_append *a, int error)
{
    a->error = error;
    a->state = APPEND_DONE;
    if (a->wake)
        pthread_cond_signal(a->wake);
}

/* Under the lock, which it lets go of meanwhile. */
static void lead(struct log *log)
{
    struct group g = { 0 };

    if (log->crowd > 1) { /* those of the last record are about to be back: they share this one */
        pthread_mutex_unlock(&log->lock);
        sched_yield();
        pthread_mutex_lock(&log->lock);
    }
    int r = gather(log, &g);

    if (r) { /* the leader alone is refused: who is behind may fit, or is told the same */
        take_first(log, &g);
        finish(g.first, r);
        return;
    }
    pthread_mutex_unlock(&log->lock);
    r = write_group(log, &g);
    pthread_mutex_lock(&log->lock);
    log->under_way = 0;
    log->crowd = g.appends + log->waiting;
    if (r) {
        log->failed = r;
    } else {
        log->place.head = g.record.position + g.pages;
        log->place.sequence++;
        log->written += (uint64_t)g.pages * BLOCK;
    }
    for (struct log_append *a = g.first, *next; a; a = next) {
        next = a->next; /* a is its owner's again once it is finished */
        finish(a, r);
    }
    pthread_cond_broadcast(&log->changed);
}

static int measure(struct log_append *a)
{
    if (!a->count || a->count > RECORD_ENTRIES)
        return -EINVAL;
    a->pages = 0;
    for (unsigned i = 0; i < a->count; i++) {
        if (a->entry[i].key > ENTRY_KEY_MAX)
            return -EINVAL;
        a->pages += entry_has_page(a->entry[i].type);
    }
    return 0;
}

static void enqueue(struct log *log, struct log_append *a)
{
    a->next = NULL;
    if (log->last)
        log->last->next = a;
    else
        log->first = a;
    log->last = a;
    log->waiting++;
}

int log_append(struct log *log, struct log_append *a)
{
    pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
    int r = measure(a);

    if (r)
        return r;
    pthread_mutex_lock(&log->lock);
    enqueue(log, a);
    a->state = log->led ? APPEND_WAITS : APPEND_LEADS;
    a->wake = log->led ? &wake : NULL;
    log->led = true;
    while (a->state == APPEND_WAITS)
        pthread_cond_wait(&wake, &log->lock);
    if (a->state == APPEND_LEADS) {
        lead(log);
        log->led = log->first != NULL;
        if (log->first) {
            log->first->state = APPEND_LEADS;
            pthread_cond_signal(log->first->wake);
        }
    }
    r = a->error;
    pthread_mutex_unlock(&log->lock);
    pthread_cond_destroy(&wake);
    return r;
}

/* ---- durable --------------------------------------------------------------------------------- */

/* Under the lock, which it lets go of meanwhile.  The epoch ends before what follows can be
 * appended to it; the record that is under way is still of it, and so has to be there. */
static int sync_now(struct log *log)
{
    const uint64_t last = log->under_way ? log->under_way : log->place.sequence - 1;
    const uint64_t number = ++log->syncs_begun;

    log->syncing = true;
    if (last >= log->epoch_begin) { /* an epoch without records is none */
        log->place.epoch++;
        log->epoch_begin = last + 1;
    }
    const uint64_t epoch = log->place.epoch - 1;
    while (!log->failed && log->under_way && log->under_way <= last)
        pthread_cond_wait(&log->changed, &log->lock);
    int r = log->failed;
    const uint64_t head = log->place.head; /* behind `last` by now */
    if (!r) {
        pthread_mutex_unlock(&log->lock);
        r = media_sync(log->media);
        pthread_mutex_lock(&log->lock);
        if (r)
            log->failed = r;
    }
    if (!r) {
        log->place.durable_epoch = epoch;
        log->place.durable_head = head;
        log->durable_sequence = last;
    }
    log->syncs_done = number;
    log->syncing = false;
    pthread_cond_broadcast(&log->changed);
    return r;
}

int log_sync(struct log *log)
{
    int r = 0;

    pthread_mutex_lock(&log->lock);
    const uint64_t mine = log->syncs_begun + 1; /* one that is under way may have come too early */
    while (!log->failed && log->syncs_done < mine)
        if (log->syncing)
            pthread_cond_wait(&log->changed, &log->lock);
        else
            sync_now(log);
    r = log->failed;
    pthread_mutex_unlock(&log->lock);
    return r;
}

/* ---- life ------------------------------------------------------------------------------------ */

int log_create(struct media *m, struct super *s, const struct log_place *place,
               const struct log_user *user, struct log **ret)
{
    if (place->head % SEGMENT_PAGES || place->tail % SEGMENT_PAGES)
        return -EINVAL;
    struct log *log = calloc(1, sizeof(*log));
    if (!log)
        return -ENOMEM;
    log->head = aligned_alloc(BLOCK, BLOCK);
    log->tail = aligned_alloc(BLOCK, SUMMARY_PAGES * BLOCK);
    int r = log->head && log->tail ? media_sync(m) : -ENOMEM;
    if (r) {
        free(log->head);
        free(log->tail);
        free(log);
        return r;
    }
    s->begin = place->head;
    s->begin_sequence = place->sequence;
    s->began = s->incarnation;
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->changed, NULL);
    log->media = m;
    log->super = *s;
    log->user = *user;
    log->place = *place;
    log->place.durable_epoch = place->epoch - 1; /* what was read, by that sync */
    log->place.durable_head = place->head;
    log->durable_sequence = place->sequence - 1;
    log->epoch_begin = place->sequence;
    summary_begin(&log->summary, place->head);
    *ret = log;
    return 0;
}

void log_destroy(struct log *log)
{
    if (!log)
        return;
    pthread_cond_destroy(&log->changed);
    pthread_mutex_destroy(&log->lock);
    free(log->head);
    free(log->tail);
    free(log);
}
