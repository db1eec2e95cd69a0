/* ack.c - what follows when the target has received something, or has it for good?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A write of a sync disk waits until the target has received a state(k) that contains it: not only
 * the frame, for of a set that is not whole the target keeps nothing if it is promoted.  All under
 * the lock of the group. */
#include "replication.h"
#include "step.h"

#include <errno.h>
#include <stdlib.h>

/* ---- who waits ------------------------------------------------------------------------ */

static bool is_there(const struct group *g, const struct use *use, bool flush)
{
    if (!source_does(WAIT_FOR_COMPLETE))
        return use->lsn <= (flush ? g->durable_lsn : g->received_lsn);
    return use->lsn <= (flush ? g->complete_durable : g->complete_lsn);
}

/* Sync is in effect unless it cannot be: the target never had a state, the peer is given up, or an
 * operator has said that it is not wanted. */
static bool must_wait(const struct group *g, const struct use *use)
{
    return atomic_load(&use->disk->mode) != MODE_ASYNC && !g->initial && !g->degraded &&
           g->stop != STOP_DETACHED;
}

/* What was below when the disk was drained comes up afterwards.  A change of the chain is to cost
 * it nothing, so it waits as it would have: the core's drain waits for it. */
static bool lets_wait(const struct group *g, const struct use *use)
{
    const struct disk *d = use->disk;

    return !atomic_load(&d->drained) ||
           (use->early && g->connected && !g->lost && now_ns() < d->patience);
}

bool ack_queue(struct group *g, struct use *use, bool flush)
{
    struct use ***last = flush ? &g->flushes_last : &g->waiting_last;

    if (!must_wait(g, use) || is_there(g, use, flush) || !lets_wait(g, use))
        return false;
    use->next = NULL;
    use->back = *last;
    **last = use;
    *last = &use->next;
    if (flush && g->wanted_durable < use->lsn) {
        g->wanted_durable = use->lsn;
        pthread_cond_signal(&g->work);
    }
    return true;
}

/* It may not wait any more, and what it asks for is not so. */
bool ack_is_refused(const struct group *g, const struct use *use, bool flush)
{
    return atomic_load(&use->disk->drained) && must_wait(g, use) && !is_there(g, use, flush);
}

void ack_unqueue(struct group *g, struct use *use)
{
    if (!use->back)
        return;
    *use->back = use->next;
    if (use->next)
        use->next->back = use->back;
    else if (g->waiting_last == &use->next)
        g->waiting_last = use->back;
    else
        g->flushes_last = use->back;
    use->back = NULL;
}

void ack_resume(struct group *g, struct use *use, int error)
{
    ack_unqueue(g, use);
    if (error)
        weir_resume_error(use->req, error);
    else
        weir_resume(use->req, WEIR_PASS);
}

/* Both lists are in LSN order but for what came at the same moment: a few at the head are looked
 * at. */
static void release(struct group *g, struct use *first, bool flush)
{
    while (first && is_there(g, first, flush)) {
        struct use *next = first->next;
        ack_resume(g, first, 0);
        first = next;
    }
}

void ack_release(struct group *g, int error)
{
    while (g->waiting)
        ack_resume(g, g->waiting, error);
    while (g->flushes)
        ack_resume(g, g->flushes, error);
}

/* ---- what is there ---------------------------------------------------------------------- */

static void note_received(struct group *g)
{
    for (const struct batch *b = g->first; b && b->state == BATCH_RECEIVED; b = b->next) {
        if (b->frame.last_lsn > g->received_lsn)
            g->received_lsn = b->frame.last_lsn;
        if (b->frame.flags & FRAME_PART || b->frame.last_lsn <= g->complete_lsn)
            continue;
        g->complete_lsn = b->frame.last_lsn;
        g->complete_time = b->closed;
    }
}

/* FUA of a frame, or a flush, is about all before it. */
static void note_durable(struct group *g)
{
    uint64_t upto = g->flushed_lsn;

    for (const struct batch *b = g->first; b && b->state == BATCH_RECEIVED; b = b->next)
        if (b->durable || !source_does(KEEP_UNTIL_DURABLE))
            upto = b->frame.last_lsn;
    while (g->first && g->first->state == BATCH_RECEIVED && g->first->frame.last_lsn <= upto) {
        struct batch *b = g->first;
        g->durable_lsn = b->frame.last_lsn;
        if (!(b->frame.flags & FRAME_PART))
            g->complete_durable = b->frame.last_lsn;
        g->first = b->next;
        if (!g->first)
            g->last = NULL;
        stream_free(g, b);
    }
}

/* What of the map is settled by that: only what is in a state(k) that the target has for good. */
static void settle_maps(struct group *g, uint64_t before)
{
    if (g->complete_durable == before)
        return;
    for (unsigned i = 0; i < DISKS; i++) {
        if (!g->disks[i])
            continue;
        map_durable(g->disks[i]->map,
                    source_does(DIRTY_UNTIL_COMPLETE) ? g->complete_durable : g->durable_lsn);
        if (g->copied_lsn <= g->complete_durable || !source_does(DIRTY_UNTIL_COMPLETE))
            map_sure(g->disks[i]->map);
    }
}

void ack_settle(struct group *g)
{
    uint64_t before = g->complete_durable;

    note_received(g);
    note_durable(g);
    settle_maps(g, before);
    release(g, g->waiting, false);
    release(g, g->flushes, true);
    stream_look_for_room(g);
    pthread_cond_signal(&g->work);
    if (g->hungry)
        pthread_cond_signal(&g->copy);
    if (g->lost || (g->initial && g->complete_durable) || g->degraded || g->mend_lsn ||
        g->handover == HANDOVER_WANTED)
        pthread_cond_signal(&g->attention);
    pthread_cond_broadcast(&g->changed);
}
