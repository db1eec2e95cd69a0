/* keeper.c - who connects to the target, and sees to what is due by time?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One thread per group.  It alone opens and closes the link, meets the target, gives a peer up
 * (degrade) and hands the group over.  It may wait for the target; nobody else does. */
#include "fetch.h"
#include "link.h"
#include "step.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

void group_rest(struct group *g, uint64_t ns)
{
    cond_wait_until(&g->attention, &g->lock, now_ns() + ns);
}

/* ---- the link ---------------------------------------------------------------------------------
 */

/* Sender and copier let go of everything; with the lock. */
static void take_stream(struct group *g)
{
    g->holding = true;
    while (g->busy || g->copying)
        pthread_cond_wait(&g->changed, &g->lock);
}

static void give_stream(struct group *g)
{
    g->holding = false;
    group_wake(g);
}

/* The target may know the generation in which writes were acknowledged alone: another one is due
 * before the next, and until then they wait. */
static void wait_for_another(struct group *g)
{
    g->alone_again = (g->degraded || g->mend_lsn) && !g->record.untold;
    if (!g->alone_again)
        return;
    g->degraded = false;
    g->mend_lsn = 0;
}

static void disconnect(struct group *g)
{
    struct link *link = g->link;

    if (g->connected) {
        if (!g->lost_at)
            g->lost_at = now_ns();
        group_say(g, WEIR_WARNING, "the target is lost%s%s", g->error[0] ? ": " : "", g->error);
    }
    wait_for_another(g);
    g->connected = false;
    for (unsigned i = 0; i < DISKS; i++) /* who drains them waits for no target */
        if (g->disks[i] && atomic_load(&g->disks[i]->drained))
            group_release(g->disks[i], ESHUTDOWN);
    g->link = NULL;
    pthread_mutex_unlock(&g->lock);
    link_close(link);
    pthread_mutex_lock(&g->lock);
    g->flushing = false;
    g->lost = false;
}

static void found_different(void *arg, unsigned disk, uint64_t offset, uint64_t length)
{
    struct group *g = arg;

    pthread_mutex_lock(&g->lock);
    if (disk < DISKS && g->disks[disk])
        map_mark(g->disks[disk]->map, offset, length);
    g->peer.mismatches++;
    pthread_cond_signal(&g->copy);
    pthread_mutex_unlock(&g->lock);
}

static void note(struct group *g, const char *text)
{
    if (*text)
        snprintf(g->error, sizeof g->error, "%s", text);
}

/* ---- sync without a peer
 * -------------------------------------------------------------------------- */

static bool may_degrade(const struct group *g)
{
    for (unsigned i = 0; i < DISKS; i++)
        if (g->disks[i] && atomic_load(&g->disks[i]->mode) != MODE_ASYNC &&
            atomic_load(&g->disks[i]->without_peer) == DEGRADE)
            return true;
    return false;
}

static bool wants_degrade(const struct group *g)
{
    /* one that is fenced serves nothing: a generation of its own would make a fork of that */
    if (g->degraded || g->initial || g->connected || g->stop == STOP_FENCED || !may_degrade(g))
        return false;
    return g->lost_at && now_ns() >= g->lost_at + atomic_load(&g->peer_timeout);
}

/* It is durable before the first write is acknowledged without the peer: or a target that is
 * promoted meanwhile would be taken for one that has everything. */
static int begin_generation(struct group *g)
{
    const struct lineage before = g->record.lineage;
    uint64_t id = 0;

    while (!id)
        getrandom(&id, sizeof id, 0);
    lineage_begin(&g->record.lineage, id, g->lsn);
    g->record.untold = true;
    pthread_mutex_unlock(&g->lock);
    int r = source_does(GENERATION_BEFORE_ACK) ? record_save(g) : 0;
    pthread_mutex_lock(&g->lock);
    if (!r)
        return 0;
    g->record.lineage = before;
    g->record.untold = false;
    snprintf(g->error, sizeof g->error, "the new generation cannot be saved: %s", strerror(-r));
    return r;
}

/* One that no target was told of will do, from before a restart, say. */
static void degrade(struct group *g)
{
    if (!g->record.untold && begin_generation(g))
        return;
    g->alone_lsn = g->lsn;
    g->degraded_since = g->alone_again ? g->degraded_since : now_ns();
    g->degraded = true;
    g->alone_again = false;
    group_say(g, WEIR_ERROR,
              "degraded: writes are acknowledged without the target since LSN %" PRIu64, g->lsn);
    ack_release(g, 0);
}

static void go_on_alone(struct group *g)
{
    if (g->alone_again && g->stop != STOP_DETACHED)
        degrade(g);
}

/* ---- meeting it
 * ------------------------------------------------------------------------------------ */

/* With the lock, which it gives up; the stream is held. */
static int connect_and_meet(struct group *g)
{
    struct link_setup setup = {
        .config = &g->config,
        .peer_timeout = &g->peer_timeout,
        .uri = g->uri,
        .arg = g,
        .done = sender_done,
        .differs = found_different,
    };
    char why[WHY] = "";
    struct link *link = NULL;
    const bool fetching = g->record.fetch != FETCH_NONE;

    if (fetching)
        stream_drop(g);
    pthread_mutex_unlock(&g->lock);
    int r = fetching ? fetch_run(g, &setup, why) : 0;
    if (!r)
        r = link_open(&setup, &link, why);
    if (!r)
        r = handshake(g, link, why);
    if (r)
        link_close(link);
    pthread_mutex_lock(&g->lock);
    if (r) {
        if (!g->stop || fetching)
            note(g, why);
    } else {
        g->link = link;
        g->connected = true;
    }
    return r;
}

/* A new disk, or one of a new size. */
static void declare(struct group *g)
{
    for (unsigned i = 0; i < DISKS; i++) {
        struct disk *d = g->disks[i];
        if (!d || !d->declare)
            continue;
        struct record r = {
            .op = RECORD_DISK,
            .length = (uint32_t)strlen(d->name),
            .offset = atomic_load(&d->size),
        };
        bool sent;
        pthread_mutex_unlock(&g->lock);
        stream_record(d, &r, d->name, false, &sent);
        pthread_mutex_lock(&g->lock);
        d->declare = !sent || atomic_load(&d->size) != r.offset;
    }
}

/* What goes on once the target is there. */
static void begin(struct group *g)
{
    bool again = g->met;

    g->met = true;
    group_say(g, WEIR_INFO, "%s%s", again ? "the target is back" : "the target is there",
              group_dirty(g) ? ", and lacks something: catching up" : "");
    g->last_fua = now_ns();
    g->mark_now = true; /* who waits for what was written before gets a state(k) that has it */
    if (!again)
        return;
    for (unsigned i = 0; i < DISKS; i++)
        if (g->disks[i]) {
            struct replication_stats *stats = weir_own_stats(g->disks[i]->below);
            weir_add(&stats->reconnects, 1);
            break;
        }
}

/* Ends what is left of a link. */
static void part(struct group *g)
{
    take_stream(g);
    disconnect(g);
    go_on_alone(g);
    if (g->unreadable) {
        g->unreadable = false;
        stream_drop(g);
        g->marked_all = true;
    }
    give_stream(g);
}

static void connect(struct group *g)
{
    take_stream(g);
    if (g->alone_again)
        degrade(g);
    int r = g->stopping ? -ESHUTDOWN : connect_and_meet(g);
    if (!r) {
        begin(g);
        declare(g);
    } else if (g->degraded) { /* it may have been told before this meeting failed */
        wait_for_another(g);
        go_on_alone(g);
    }
    give_stream(g);
    bool fenced = g->stop == STOP_FENCED || g->record.fetch != FETCH_NONE,
         changed = fenced != g->record.fenced;
    if (r && r != -EPERM) /* nothing is known anew */
        changed = false;
    if (changed)
        g->record.fenced = fenced;
    pthread_mutex_unlock(&g->lock);
    if (changed && source_does(FENCE_IS_REMEMBERED))
        record_save(g);
    if (changed || !r)
        group_fence(g);
    pthread_mutex_lock(&g->lock);
}

/* ---- in step again
 * -------------------------------------------------------------------------------- */

/* Once the target lacks nothing but what is under way, writes wait for it again; in step is who has
 * seen it receive all that was acknowledged before. */
static void mend(struct group *g)
{
    if (g->degraded && g->connected && !group_dirty(g) && g->in_memory <= g->config.ring / 4 &&
        g->complete_lsn >= g->alone_lsn) {
        g->degraded = false;
        g->mend_lsn = g->lsn;
    }
    if (!g->mend_lsn || g->complete_lsn < g->mend_lsn)
        return;
    g->mend_lsn = 0;
    g->degraded_ns += now_ns() - g->degraded_since;
    group_say(g, WEIR_INFO, "in step again: writes wait for the target as before");
}

/* ---- what the target says meanwhile
 * ------------------------------------------------------------------ */

/* What a verify found is copied; only once all that was copied before is in place there. */
static bool asks_for_more(const struct group *g, const struct status *st)
{
    return st->needs && g->kinship != KIN_NEW && !group_dirty((struct group *)(uintptr_t)g) &&
           st->applied_lsn >= g->copied_lsn && st->applied_lsn >= g->verify_lsn &&
           g->verify_done >= g->verify_total;
}

static void look(struct group *g)
{
    struct link *link = g->link;
    struct status st;

    pthread_mutex_unlock(&g->lock);
    int r = link_status(link, &st, NULL);
    pthread_mutex_lock(&g->lock);
    if (r == -ENOTSUP)
        return;
    if (r) {
        snprintf(g->error, sizeof g->error, "the target does not answer: %s", strerror(-r));
        g->lost = true;
        return;
    }
    status_heard(g, &st);
    if (st.token != g->token || st.role != ROLE_TARGET)
        g->lost = true; /* the next meeting says what that means */
    else if (asks_for_more(g, &st))
        g->lost = true; /* and takes what it needs */
}

/* ---- planned failover
 * ---------------------------------------------------------------------------------- */

/* All that was written has its place in the order and is there; what is still below this filter
 * would be acknowledged and not be there. */
static bool is_at_rest(struct group *g)
{
    if (!g->connected || g->lost || group_dirty(g) || g->complete_durable < g->lsn || g->first)
        return false;
    for (unsigned i = 0; i < DISKS; i++)
        if (g->disks[i] && !gate_is_empty(&g->disks[i]->gate))
            return false;
    return true;
}

/* The guest waits no longer for a target that is gone. */
static void give_up_handover(struct group *g)
{
    if (g->handover != HANDOVER_WANTED || g->connected || !g->lost_at ||
        now_ns() < g->lost_at + atomic_load(&g->peer_timeout))
        return;
    g->handover = HANDOVER_REFUSED;
    pthread_cond_broadcast(&g->changed);
}

/* Whoever has asked a target to take over and does not hear of it, or dies, cannot know which of
 * both sites is the primary: so this one is fenced, durably, before it asks, until a meeting has
 * shown that it counts. */
static void hand_over(struct group *g)
{
    struct link *link = g->link;

    if (g->handover != HANDOVER_WANTED || !is_at_rest(g))
        return;
    struct command c = command_of(g, COMMAND_HANDOVER);
    c.lsn = g->lsn;
    c.token = g->token;
    g->stop = STOP_FENCED;
    g->record.fenced = true;
    pthread_mutex_unlock(&g->lock);
    int saved = record_save(g);
    int r = saved ? saved : link_command(link, &c, g->key);
    pthread_mutex_lock(&g->lock);
    g->handover = r ? HANDOVER_REFUSED : HANDOVER_DONE;
    g->stop = STOP_NONE; /* what stops it has a sentence */
    if (!r) {
        group_stop_for(g, STOP_FENCED, "handed over to the target at LSN %" PRIu64, c.lsn);
    } else if (saved || r == -ENOTSUP) { /* nobody was asked */
        g->record.fenced = false;
        snprintf(g->error, sizeof g->error, "%s: %s",
                 saved ? "this cannot be remembered" : "the target cannot take over", strerror(-r));
    } else {
        group_stop_for(g, STOP_FENCED,
                       "the target has not said that it took over (%s): the disks stay locked "
                       "until it is met again, and did not",
                       strerror(-r));
        g->lost = true; /* at once */
    }
    pthread_cond_broadcast(&g->changed);
}

/* ---- the thread
 * ------------------------------------------------------------------------------------------ */

/* While it cannot be saved what is beyond the last one is left to the map: an LSN that was sent is
 * never given again. */
static void keep_ceiling(struct group *g)
{
    const uint64_t before = g->record.ceiling, next = g->lsn + LSN_AHEAD;

    if (g->lsn + LSN_AHEAD / 2 < g->record.ceiling)
        return;
    g->record.ceiling = source_does(CEILING_BEFORE_USE) ? next : g->lsn;
    pthread_mutex_unlock(&g->lock);
    int r = record_save(g);
    pthread_mutex_lock(&g->lock);
    if (!r) {
        g->reserved = next;
        return;
    }
    g->record.ceiling = before;
    snprintf(g->error, sizeof g->error, "the group's record cannot be saved: %s", strerror(-r));
}

/* Once a group was in step, and only then do writes wait for the target: or after a crash they
 * would be acknowledged without it, as if it had never had anything.  And now and then how far the
 * target was. */
static void keep_record(struct group *g)
{
    const bool first = g->initial && g->complete_durable;

    if (!first &&
        (now_ns() < g->recorded_at + 60 * SECOND_NS || g->durable_lsn <= g->record.durable))
        return;
    g->record.synced |= first;
    g->record.durable = g->durable_lsn;
    g->recorded_at = now_ns();
    pthread_mutex_unlock(&g->lock);
    int r = record_save(g);
    pthread_mutex_lock(&g->lock);
    if (first && !r)
        g->initial = false;
}

static void tend(struct group *g, uint64_t *looked)
{
    declare(g);
    keep_ceiling(g);
    keep_record(g);
    mend(g);
    give_up_handover(g);
    hand_over(g);
    if (g->connected && !g->lost && now_ns() >= *looked + SECOND_NS) {
        *looked = now_ns();
        look(g);
    }
}

void *keeper_main(void *arg)
{
    struct group *g = arg;
    uint64_t looked = 0, tried = 0;

    pthread_mutex_lock(&g->lock);
    while (!g->stopping) {
        if (g->link && (g->lost || g->stop == STOP_DETACHED))
            part(g);
        if (wants_degrade(g)) /* before it is met again: it may come and go without taking any */
            degrade(g);
        bool due = !g->link && g->stop != STOP_DETACHED && group_whole(g);
        if (due && (!tried || now_ns() >= tried + g->config.reconnect_delay)) {
            connect(g);
            tried = now_ns();
        }
        tend(g, &looked);
        if (!(g->link && g->lost) && !g->stopping)
            group_rest(g, g->connected ? SECOND_NS / 4 : SECOND_NS / 10);
    }
    take_stream(g);
    if (g->link)
        disconnect(g);
    pthread_mutex_unlock(&g->lock);
    return NULL;
}
