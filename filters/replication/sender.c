/* sender.c - which frame goes next, and when?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * While a frame is under way the next one fills: so what is in flight is few large frames when
 * there is much to send, and one small one when there is little (rbd's journal is fastest with a
 * single append in flight, ceph PR 22983).  A sync disk does not wait for that: up to EAGER frames
 * go at once. */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 16, EAGER = 4 };
static const uint64_t linger = 2000000, durable_every = 100000000; /* ns */
static const uint64_t durable_bytes = 16 << 20;

/* ---- what is due -------------------------------------------------------------------------- */

static bool has_sync(const struct group *g)
{
    for (unsigned i = 0; i < DISKS; i++)
        if (g->disks[i] && atomic_load(&g->disks[i]->mode) != MODE_ASYNC)
            return true;
    return false;
}

/* Is the open batch to go as it is?  Nobody waits for an async one: it gathers what comes within
 * two milliseconds, for a frame costs both sites more than the writes in it. */
static bool is_ripe(const struct group *g, const struct batch *b, uint64_t now)
{
    if (now >= b->opened + linger || b->used >= b->room / 4 ||
        g->wanted_durable > g->complete_durable)
        return true;
    return has_sync(g) && g->in_flight < EAGER;
}

/* Is it whole?  If not, the last one who fills it wakes us. */
static bool is_filled(struct group *g, struct batch *b)
{
    if (!atomic_load(&b->copying))
        return true;
    atomic_store(&g->filling, true);
    return !atomic_load(&b->copying);
}

/* The next batch that is to be sent; NULL: none is due before *when. */
static struct batch *next_due(struct group *g, uint64_t *when)
{
    const uint64_t now = now_ns();
    struct batch *b = g->first;

    while (b && (b->state == BATCH_SENT || b->state == BATCH_RECEIVED))
        b = b->next;
    if (!b || !g->connected || g->lost || g->in_flight >= WINDOW)
        return NULL;
    if (now < g->throttle_at) {
        *when = g->throttle_at;
        return NULL;
    }
    if (b == g->open && !is_ripe(g, b, now)) {
        *when = b->opened + linger;
        return NULL;
    }
    if (b == g->open)
        stream_close_open(g);
    return is_filled(g, b) ? b : NULL;
}

/* What is to go to the spill file while the ring has too much: the oldest that is whole, not about
 * to be sent, and newer than all that is there, for the file is given back in LSN order. */
static struct batch *next_spilled(struct group *g)
{
    unsigned keep = g->connected && !g->lost ? 2 : 0;
    struct batch *found = NULL;

    if (g->in_memory <= g->config.ring / 2 || !g->spill)
        return NULL;
    for (struct batch *b = g->first; b; b = b->next) {
        if (b->on_spill)
            found = NULL;
        else if (b->state == BATCH_CLOSED && keep)
            keep--;
        else if (b->state == BATCH_CLOSED && !b->packed && !found)
            found = b;
    }
    return found && is_filled(g, found) && spill_has_room(g, found->used) ? found : NULL;
}

/* Is a flush to be sent, because nothing that is still to go will carry FUA? */
static bool flush_is_due(struct group *g, uint64_t *when)
{
    const uint64_t now = now_ns();

    if (!g->connected || g->lost || g->flushing || g->in_flight ||
        g->received_lsn <= g->durable_lsn)
        return false;
    if (g->wanted_durable > g->durable_lsn && g->wanted_durable <= g->received_lsn)
        return true;
    if (now >= g->last_fua + durable_every)
        return true;
    *when = g->last_fua + durable_every;
    return false;
}

static bool wants_fua(const struct group *g, const struct batch *b)
{
    return (g->wanted_durable > g->complete_durable && g->wanted_durable <= b->frame.last_lsn) ||
           g->unsynced >= durable_bytes ||
           (g->in_memory > g->config.ring / 2 && g->unsynced >= g->config.ring / 16) ||
           now_ns() >= g->last_fua + durable_every;
}

/* ---- one frame ------------------------------------------------------------------------------ */

/* Compression, once: what is sent again is sent as it is.  And a batch that was sent long before it
 * was full gives its large buffer back: the ring counts what is there, not what there was room for.
 */
static void pack(struct group *g, struct batch *b, bool compress)
{
    uint8_t *payload = stream_frame(b) + FRAME_HEADER;
    uint8_t *bytes, *records;
    size_t size = 0;

    if (b->packed || (!compress && b->used > b->room / 2))
        return;
    bytes = malloc(FRAME_HEADER + b->frame.raw + BATCH_TAIL);
    if (bytes && compress)
        size = frame_pack(payload, b->frame.raw, bytes + FRAME_HEADER, b->frame.raw);
    if (!bytes || (!size && b->used > b->room / 2)) {
        free(bytes);
        return;
    }
    if (size)
        b->frame.flags |= FRAME_ZSTD;
    else
        memcpy(bytes + FRAME_HEADER, payload, size = b->frame.raw);
    uint8_t *exact = realloc(bytes, FRAME_HEADER + size + BATCH_TAIL);
    pthread_mutex_lock(&g->lock);
    g->in_memory -= b->allocated;
    stream_give_bytes(g, b->bytes, b->allocated);
    b->allocated = FRAME_HEADER + size + BATCH_TAIL;
    g->in_memory += b->allocated;
    b->bytes = exact ? exact : bytes;
    b->frame.stored = (uint32_t)size;
    b->packed = true;
    pthread_mutex_unlock(&g->lock);
    records = realloc(b->records, (size_t)b->frame.records * FRAME_RECORD);
    if (records)
        b->records = records;
}

/* Its place in the log, and all that its header says of it. */
static uint8_t *seal(struct group *g, struct batch *b)
{
    uint8_t *out = stream_frame(b);
    struct frame *f = &b->frame;

    memcpy(f->group, g->record.uuid, sizeof f->group);
    f->flags = g->key ? f->flags | FRAME_AUTH : f->flags & ~(unsigned)FRAME_AUTH;
    f->generation = g->record.lineage.list[0].id;
    f->token = g->token;
    f->previous = g->last_position;
    f->previous_digest = g->last_digest;
    f->position = frame_place(g->end, frame_span(f));
    if (frame_write(f, out + FRAME_HEADER, g->key, out))
        return NULL;
    g->last_position = f->position;
    g->last_digest = frame_digest(out);
    g->end = f->position + frame_span(f);
    return out;
}

static struct replication_stats *stats_of(struct group *g)
{
    for (unsigned i = 0; i < DISKS; i++)
        if (g->disks[i])
            return weir_own_stats(g->disks[i]->below);
    return NULL;
}

/* With the lock; gives it up meanwhile.  `busy` keeps the batch where it is. */
static void send(struct group *g, struct batch *b)
{
    struct link *link = g->link;
    int r = 0;

    g->busy = b;
    bool fua = wants_fua(g, b), compress = g->config.compression;
    pthread_mutex_unlock(&g->lock);
    if (b->state == BATCH_SPILLED)
        r = spill_in(g, b);
    const bool unreadable = r;
    if (!r)
        pack(g, b, compress);
    uint8_t *frame = r ? NULL : seal(g, b);
    r = frame || r ? r : -ENOMEM;
    uint64_t span = frame_span(&b->frame);
    pthread_mutex_lock(&g->lock);
    b->state = r ? b->state : BATCH_SENT;
    b->fua = fua;
    b->sent = now_ns();
    if (!r) {
        g->in_flight++;
        g->unsynced = fua ? 0 : g->unsynced + span;
        if (fua)
            g->last_fua = b->sent;
        if (g->config.bandwidth)
            g->throttle_at = (g->throttle_at > b->sent ? g->throttle_at : b->sent) +
                             span * SECOND_NS / g->config.bandwidth;
        struct replication_stats *stats = stats_of(g);
        weir_add(&stats->frames, 1);
        weir_add(&stats->sent_bytes, span);
        weir_add(&stats->raw_bytes, b->frame.raw);
        g->sent_total += b->frame.stored;
        g->raw_total += b->frame.raw;
    }
    pthread_mutex_unlock(&g->lock);
    if (!r && link_send(link, (uint64_t)(uintptr_t)b, frame, span, b->frame.position, fua))
        sender_done(g, (uint64_t)(uintptr_t)b, ENOTCONN);
    pthread_mutex_lock(&g->lock);
    g->busy = NULL;
    if (r) {
        snprintf(g->error, sizeof g->error,
                 "a frame cannot be made, or read from the spill file: %s", strerror(-r));
        g->lost = true;
        g->unreadable |= unreadable;
        pthread_cond_signal(&g->attention);
    }
    pthread_cond_broadcast(&g->changed);
}

void sender_done(void *arg, uint64_t ticket, int error)
{
    struct group *g = arg;
    struct batch *b = (struct batch *)(uintptr_t)ticket;

    pthread_mutex_lock(&g->lock);
    if (!b) {
        g->flushing = false;
        if (!error && g->flush_lsn > g->flushed_lsn)
            g->flushed_lsn = g->flush_lsn;
    } else {
        g->in_flight--;
        b->state = error ? BATCH_CLOSED : BATCH_RECEIVED;
        b->durable = !error && b->fua;
        struct replication_stats *stats = stats_of(g);
        if (!error && stats)
            weir_record(&stats->ack, now_ns() - b->sent);
    }
    if (!error) {
        g->lost_at = 0;
    } else {
        if (error != ENOTCONN)
            snprintf(g->error, sizeof g->error, "the target answered: %s", strerror(error));
        g->lost = true;
    }
    ack_settle(g);
    pthread_mutex_unlock(&g->lock);
}

/* ---- restore points ------------------------------------------------------------------------- */

/* A mark is of the group; its record needs some disk that the target knows. */
static struct disk *declared_disk(const struct group *g)
{
    for (unsigned i = 0; i < DISKS; i++)
        if (g->disks[i] && !g->disks[i]->declare)
            return g->disks[i];
    return NULL;
}

static bool mark_is_due(struct group *g, uint64_t *when)
{
    const uint64_t next = g->marked_at + g->config.mark_every;

    if (g->stop || !g->record.lineage.count || !declared_disk(g))
        return false;
    if (g->mark_now)
        return true;
    if (!g->config.mark_every || g->lsn <= g->marked_lsn)
        return false;
    if (now_ns() < next) {
        *when = next < *when ? next : *when;
        return false;
    }
    return true;
}

/* What was written until now is a restore point: no writer has to stand still for it. */
static void mark(struct group *g)
{
    struct record r = { .op = RECORD_MARK };
    struct disk *d = declared_disk(g);
    bool sent;

    g->marked_at = now_ns();
    g->mark_now = false;
    pthread_mutex_unlock(&g->lock);
    uint64_t lsn = stream_record(d, &r, NULL, false, &sent);
    pthread_mutex_lock(&g->lock);
    if (sent)
        g->marked_lsn = lsn;
}

/* ---- the thread --------------------------------------------------------------------------------
 */

static void spill(struct group *g, struct batch *b)
{
    g->busy = b;
    pthread_mutex_unlock(&g->lock);
    int r = spill_out(g, b);
    pthread_mutex_lock(&g->lock);
    g->busy = NULL;
    if (r)
        snprintf(g->error, sizeof g->error, "the spill file cannot be written: %s", strerror(-r));
    pthread_cond_broadcast(&g->changed);
}

static void flush(struct group *g)
{
    struct link *link = g->link;

    g->flushing = true;
    g->flush_lsn = g->received_lsn;
    g->last_fua = now_ns();
    g->unsynced = 0;
    pthread_mutex_unlock(&g->lock);
    if (link_flush(link, 0))
        sender_done(g, 0, ENOTCONN);
    pthread_mutex_lock(&g->lock);
}

void *sender_main(void *arg)
{
    struct group *g = arg;

    pthread_mutex_lock(&g->lock);
    while (!g->stopping) {
        uint64_t when = now_ns() + SECOND_NS;
        struct batch *b;
        if (g->holding)
            ; /* the keeper has the stream to itself */
        else if ((b = next_spilled(g))) {
            spill(g, b);
            continue;
        } else if ((b = next_due(g, &when))) {
            send(g, b);
            continue;
        } else if (flush_is_due(g, &when)) {
            flush(g);
            continue;
        } else if (mark_is_due(g, &when)) {
            mark(g);
            continue;
        }
        cond_wait_until(&g->work, &g->lock, when);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}
