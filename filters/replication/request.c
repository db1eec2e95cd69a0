/* request.c - what happens to a guest's request on its way down and up?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   down: gate (the copier is not at this place) → map (the intent is durable, the epoch is
 * stamped) up:   LSN and place in the stream → map → gate → in sync modes: wait for the target */
#include "replication.h"
#include "step.h"

#include <errno.h>

static bool changes_disk(const struct weir_request *req)
{
    return WEIR_OP(req->op) & WEIR_CHANGES;
}

/* ---- down ---------------------------------------------------------------------------- */

/* On the map's thread, when the intent is durable. */
static void intent_ready(struct map_wait *wait, int error)
{
    struct use *use = (struct use *)wait; /* its first member */
    struct disk *d = use->disk;

    if (!error) {
        weir_resume(use->req, WEIR_PASS);
        return;
    }
    use->entered = false;
    gate_leave(&d->gate, use->req->offset, use->req->length);
    weir_resume_error(use->req, -error == ENOSPC ? ENOSPC : EIO);
}

/* WEIR_PASS, WEIR_FAIL with req->error, or WEIR_DEFER: somebody resumes it. */
static enum weir_verdict enter(struct disk *d, struct weir_request *req, struct use *use)
{
    if (!gate_enter(&d->gate, &use->gate, req->offset, req->length))
        return WEIR_DEFER;
    use->entered = true;
    use->intent.ready = intent_ready;
    int r = map_enter(d->map, req->offset, req->length, &use->intent);
    if (r == 0)
        return WEIR_PASS;
    if (r > 0)
        return WEIR_DEFER;
    use->entered = false;
    gate_leave(&d->gate, req->offset, req->length);
    return weir_fail(req, -r == ENOSPC ? ENOSPC : EIO);
}

void request_retry(struct gate_wait *list)
{
    while (list) {
        struct gate_wait *next = list->next; /* gone once it is resumed */
        struct use *use = (struct use *)((char *)list - offsetof(struct use, gate));
        enum weir_verdict v = enter(use->disk, use->req, use);
        if (v == WEIR_FAIL)
            weir_resume_error(use->req, use->req->error);
        else if (v == WEIR_PASS)
            weir_resume(use->req, WEIR_PASS);
        list = next;
    }
}

enum weir_verdict replication_down(void *self, struct weir_request *req)
{
    struct disk *d = self;
    struct use *use = weir_scratch(req);

    if (!changes_disk(req) && req->op != WEIR_FLUSH)
        return WEIR_PASS;
    use->req = req;
    use->disk = d;
    use->early = changes_disk(req) || !atomic_load(&d->drained);
    if (changes_disk(req))
        return req->length ? enter(d, req, use) : WEIR_PASS;
    /* all that was answered before it came has its LSN */
    pthread_mutex_lock(&d->group->lock);
    use->lsn = d->group->lsn;
    if (atomic_load(&d->mode) != MODE_ASYNC && d->group->wanted_durable < use->lsn) {
        d->group->wanted_durable = use->lsn;
        pthread_cond_signal(&d->group->work);
    }
    pthread_mutex_unlock(&d->group->lock);
    return WEIR_PASS;
}

/* ---- up ---------------------------------------------------------------------------------- */

/* What the store holds there now nobody knows. */
static enum weir_verdict failed(struct disk *d, const struct weir_request *req, struct use *use)
{
    pthread_mutex_lock(&d->group->lock);
    if (source_does(FAILED_IS_DIRTY))
        map_mark(d->map, req->offset, req->length);
    pthread_cond_signal(&d->group->copy);
    pthread_mutex_unlock(&d->group->lock);
    map_leave(d->map, req->offset, req->length, 0);
    gate_leave(&d->gate, req->offset, req->length);
    use->entered = false;
    return WEIR_PASS;
}

/* What comes to its end after the other site may have taken over, and is not there. */
static bool is_too_late(struct group *g)
{
    pthread_mutex_lock(&g->lock);
    bool late = g->stop == STOP_FENCED || g->record.fenced;
    pthread_mutex_unlock(&g->lock);
    return late;
}

static enum weir_verdict written(struct disk *d, struct weir_request *req, struct use *use)
{
    struct replication_stats *stats = weir_stats(req);
    const bool asks = atomic_load(&d->mode) != MODE_ASYNC;
    struct record r = {
        .op = req->op == WEIR_WRITE  ? RECORD_WRITE
              : req->op == WEIR_ZERO ? RECORD_ZERO
                                     : RECORD_TRIM,
        .length = (uint32_t)req->length,
        .offset = req->offset,
    };
    bool sent, durable = req->flags & WEIR_FUA || atomic_load(&d->mode) == MODE_SYNC_DURABLE;

    /* the offset may not be looked at once it waits in a list: it may be answered */
    uint64_t offset = req->offset, length = req->length;
    use->since = asks ? weir_now(NULL) : 0;
    uint64_t lsn = stream_record(d, &r, req->data, asks && durable, &sent);
    weir_add(sent ? &stats->replicated : &stats->mapped, length);
    map_leave(d->map, offset, length, sent ? lsn : 0);
    gate_leave(&d->gate, offset, length);
    use->entered = false;
    if (!sent && is_too_late(d->group))
        return weir_fail(req, EIO);
    if (!asks)
        return WEIR_PASS;
    use->lsn = lsn;
    pthread_mutex_lock(&d->group->lock);
    /* nobody lets go of who comes when it was fenced and the export is about to be locked */
    bool fenced = d->group->stop == STOP_FENCED && d->group->complete_lsn < lsn;
    bool waits = !fenced && ack_queue(d->group, use, durable);
    bool refused = !waits && ack_is_refused(d->group, use, durable);
    pthread_mutex_unlock(&d->group->lock);
    if (waits)
        weir_add(&stats->waited, 1);
    return waits     ? WEIR_DEFER
           : fenced  ? weir_fail(req, EIO)
           : refused ? weir_fail(req, ESHUTDOWN)
                     : WEIR_PASS;
}

static enum weir_verdict flushed(struct disk *d, struct weir_request *req, struct use *use)
{
    if (req->error || atomic_load(&d->mode) == MODE_ASYNC)
        return WEIR_PASS;
    pthread_mutex_lock(&d->group->lock);
    bool fenced = d->group->stop == STOP_FENCED && d->group->complete_durable < use->lsn;
    bool waits = !fenced && ack_queue(d->group, use, true);
    /* a last flush, of a disk that is drained, is about the store here */
    bool refused = !waits && use->early && ack_is_refused(d->group, use, true);
    pthread_mutex_unlock(&d->group->lock);
    return waits     ? WEIR_DEFER
           : fenced  ? weir_fail(req, EIO)
           : refused ? weir_fail(req, ESHUTDOWN)
                     : WEIR_PASS;
}

enum weir_verdict replication_up(void *self, struct weir_request *req)
{
    struct use *use = weir_scratch(req);

    if (req->op == WEIR_FLUSH)
        return flushed(self, req, use);
    if (!changes_disk(req) || !use->entered)
        return WEIR_PASS;
    use->req = req; /* it may be at another address */
    return req->error ? failed(self, req, use) : written(self, req, use);
}

/* The hold limit is over.  A write that has not gone down yet, as a store that hangs holds up the
 * copier or the intents, never will; of one that has, an error is all that a client can be told:
 * it is here and may be there. */
void replication_abort(void *self, struct weir_request *req)
{
    struct disk *d = self;
    struct use *use = weir_scratch(req);

    if (changes_disk(req)) {
        bool entered = map_forget(d->map, &use->intent);
        if (entered)
            gate_leave(&d->gate, req->offset, req->length);
        if (entered || gate_forget(&d->gate, &use->gate)) {
            use->entered = false;
            weir_resume_error(req, EIO);
            return;
        }
    }
    pthread_mutex_lock(&d->group->lock);
    bool waits = use->back;
    ack_unqueue(d->group, use);
    pthread_mutex_unlock(&d->group->lock);
    if (waits)
        weir_resume_error(req, EIO);
}
