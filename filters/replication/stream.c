/* stream.c - how do records get their place in the order, and room in memory?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The last batch is open and takes records; it is closed when it is full, or when the sender wants
 * it. Room in it is given out under the lock, bytes are copied without it.  Where there is no room
 * in ring and spill file, a write makes its granules dirty instead: the guest never waits for the
 * target. */
#include "replication.h"
#include "step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- batches --------------------------------------------------------------------- */

/* Large buffers are used again: to fault new memory in costs more than to copy a write into it. */
uint8_t *stream_take_bytes(struct group *g, size_t room)
{
    if (room == g->config.frame && g->spares)
        return g->spare[--g->spares];
    return malloc(FRAME_HEADER + BATCH_TABLE + room + BATCH_TAIL);
}

void stream_give_bytes(struct group *g, uint8_t *bytes, size_t allocated)
{
    if (allocated == FRAME_HEADER + BATCH_TABLE + g->config.frame + BATCH_TAIL &&
        g->spares < SPARES)
        g->spare[g->spares++] = bytes;
    else
        free(bytes);
}

static struct batch *batch_create(struct group *g, size_t room)
{
    struct batch *b = calloc(1, sizeof *b);

    if (!b)
        return NULL;
    b->room = room;
    b->allocated = FRAME_HEADER + BATCH_TABLE + room + BATCH_TAIL;
    b->records = malloc(BATCH_TABLE);
    b->bytes = b->records ? stream_take_bytes(g, room) : NULL;
    if (b->bytes)
        return b;
    free(b->records);
    free(b);
    return NULL;
}

void stream_free(struct group *g, struct batch *b)
{
    if (b->bytes) {
        g->in_memory -= b->allocated;
        stream_give_bytes(g, b->bytes, b->allocated);
    }
    if (b->on_spill)
        spill_forget(g, b);
    free(b->records);
    free(b);
}

void stream_close_open(struct group *g)
{
    struct batch *b = g->open;

    if (!b)
        return;
    g->open = NULL;
    b->state = BATCH_CLOSED;
    b->frame.time = wall_ns();
    b->closed = now_ns();
    /* what it ends with is a state(k) only if the target lacks nothing else */
    if ((group_dirty(g) || !group_whole(g)) && source_does(PART_WHILE_DIRTY))
        b->frame.flags |= FRAME_PART;
    pthread_cond_signal(&g->work);
}

/* More than the ring is allowed while the sender takes batches out to the spill file. */
static bool is_room(const struct group *g, size_t bytes)
{
    if (g->in_memory + bytes <= g->config.ring)
        return true;
    return spill_has_room(g, bytes) && g->in_memory + bytes <= g->config.ring + g->config.ring / 4;
}

/* Ahead ends when the ring is nearly empty, not when a frame has left it: else it would begin again
 * with the next write (LINBIT/drbd issue 46). */
void stream_look_for_room(struct group *g)
{
    if (g->in_memory <= g->config.ring / 4 && g->spill_head == g->spill_tail)
        g->ahead = g->spill_failed = false;
}

/* Where a record with so many bytes goes; NULL: nowhere. */
static struct batch *batch_for(struct group *g, size_t data)
{
    struct batch *b = g->open;

    if (b && b->frame.records < BATCH_RECORDS && b->used + data <= b->room)
        return b;
    stream_close_open(g);
    size_t room = data > g->config.frame ? data : g->config.frame;
    if (!is_room(g, FRAME_HEADER + BATCH_TABLE + room + BATCH_TAIL))
        return NULL;
    b = batch_create(g, room);
    if (!b)
        return NULL;
    b->state = BATCH_OPEN;
    b->opened = now_ns();
    g->in_memory += b->allocated;
    if (g->last)
        g->last->next = b;
    else
        g->first = b;
    g->last = g->open = b;
    return b;
}

uint8_t *stream_frame(struct batch *b)
{
    uint8_t *data = b->bytes + FRAME_HEADER + BATCH_TABLE;
    size_t table = (size_t)b->frame.records * FRAME_RECORD;

    if (b->packed)
        return b->bytes;
    memcpy(data - table, b->records, table);
    b->frame.raw = b->frame.stored = (uint32_t)(table + b->used);
    return data - table - FRAME_HEADER;
}

/* ---- records ----------------------------------------------------------------------- */

/* Under the lock.  Gives where the data goes; the batch counts a writer until it is there. */
static void batch_add(struct batch *b, const struct record *r, uint8_t **at)
{
    if (!b->frame.records)
        b->frame.first_lsn = r->lsn;
    b->frame.last_lsn = r->lsn;
    record_write(r, b->records + (size_t)b->frame.records * FRAME_RECORD);
    b->frame.records++;
    b->copies |= r->flags & RECORD_COPY;
    *at = b->bytes + FRAME_HEADER + BATCH_TABLE + b->used;
    b->used += record_data(r);
    atomic_fetch_add(&b->copying, 1);
}

static void batch_fill(struct group *g, struct batch *b, uint8_t *at, const void *data,
                       size_t length)
{
    if (length)
        memcpy(at, data, length);
    /* whoever sends it looks at the count, and waits for the last to come to zero; then it may be
     * gone before we look again */
    if (atomic_fetch_sub(&b->copying, 1) != 1 || !atomic_load(&g->filling))
        return;
    pthread_mutex_lock(&g->lock);
    atomic_store(&g->filling, false);
    pthread_cond_broadcast(&g->work);
    pthread_mutex_unlock(&g->lock);
}

/* Did it become large enough to be sent by the last record? */
static bool batch_is_large(const struct batch *b, size_t last)
{
    return b->used >= b->room / 4 && b->used - last < b->room / 4;
}

/* Not sent: it is copied when there is room. */
static void mark(struct disk *d, const struct record *r)
{
    struct group *g = d->group;

    map_mark(d->map, r->offset, r->length);
    if (!g->hungry)
        pthread_cond_signal(&g->copy);
    g->hungry = true;
}

uint64_t stream_record(struct disk *d, struct record *r, const void *data, bool durable, bool *sent)
{
    struct group *g = d->group;
    const bool changes = r->op == RECORD_WRITE || r->op == RECORD_ZERO || r->op == RECORD_TRIM;
    size_t length = record_data(r);
    struct batch *b = NULL;
    uint8_t *at = NULL;

    pthread_mutex_lock(&g->lock);
    r->lsn = g->lsn + 1;
    r->disk = (uint16_t)d->number;
    /* what is dirty will be copied, so this need not be sent; and a disk is declared before
     * anything else of it is */
    bool mapped = g->stop || !g->started || r->lsn >= g->reserved ||
                  (d->declare && r->op != RECORD_DISK) ||
                  (changes && map_any_dirty(d->map, r->offset, r->length));
    if (!mapped) {
        b = batch_for(g, length);
        g->ahead |= !b;
    }
    if (b)
        batch_add(b, r, &at);
    else if (changes)
        mark(d, r);
    *sent = b != NULL;
    if (*sent || changes) /* else nothing has it, and a flush would wait for it */
        g->lsn = r->lsn;
    if (durable) /* before the sender can take it: else it would need a flush of its own */
        g->wanted_durable = r->lsn;
    if (b && (durable || b->frame.records == 1 || batch_is_large(b, length)))
        pthread_cond_signal(&g->work);
    pthread_mutex_unlock(&g->lock);
    if (b)
        batch_fill(g, b, at, data, length);
    return r->lsn;
}

int stream_copy(struct disk *d, struct record *r, const void *data)
{
    struct group *g = d->group;
    size_t length = record_data(r);
    uint8_t *at;

    pthread_mutex_lock(&g->lock);
    const bool may = !g->stop && !d->declare && g->lsn + 1 < g->reserved;
    struct batch *b = may ? batch_for(g, length) : NULL;
    if (!b) {
        g->ahead = true;
        pthread_mutex_unlock(&g->lock);
        return -EAGAIN;
    }
    for (uint64_t n = r->offset / GRANULE; n * GRANULE < r->offset + r->length; n++)
        map_taken(d->map, n);
    r->lsn = g->copied_lsn = ++g->lsn;
    r->disk = (uint16_t)d->number;
    r->flags |= RECORD_COPY;
    batch_add(b, r, &at);
    if (b->frame.records == 1 || batch_is_large(b, length))
        pthread_cond_signal(&g->work);
    pthread_mutex_unlock(&g->lock);
    batch_fill(g, b, at, data, length);
    return 0;
}

/* ---- giving up ----------------------------------------------------------------------- */

/* What a batch was to bring is dirty. */
static void mark_batch(struct group *g, const struct batch *b)
{
    struct record r;

    for (uint32_t i = 0; i < b->frame.records; i++) {
        frame_record(&b->frame, b->records, i, &r);
        struct disk *d = r.disk < DISKS ? g->disks[r.disk] : NULL;
        if (!d)
            continue;
        if (source_does(DROPPED_IS_DIRTY) &&
            (r.op == RECORD_WRITE || r.op == RECORD_ZERO || r.op == RECORD_TRIM))
            map_mark(d->map, r.offset, r.length);
        d->declare |= r.op == RECORD_DISK;
    }
}

void stream_drop(struct group *g)
{
    while (g->busy)
        pthread_cond_wait(&g->changed, &g->lock);
    for (struct batch *b = g->first; b; b = b->next)
        while (atomic_load(&b->copying)) { /* a writer is at its memcpy() */
            atomic_store(&g->filling, true);
            if (atomic_load(&b->copying))
                pthread_cond_wait(&g->work, &g->lock);
        }
    g->open = NULL; /* only now: who came while the lock was free has opened one */
    while (g->first) {
        struct batch *b = g->first;
        g->first = b->next;
        mark_batch(g, b);
        stream_free(g, b);
    }
    g->last = NULL;
    g->in_flight = 0;
    g->ahead = false;
}
