/* handshake.c - what is so between source and target when they meet, and what follows from it?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Only the keeper meets the target, while sender and copier rest and nothing is in flight.  The
 * generations decide (generation.h): what cannot be decided by them is left to the operator, and
 * nothing is sent.  A source that finds its target promoted serves nothing from then on. */
#include "link.h"
#include "step.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- who is it? ------------------------------------------------------------------------------ */

static bool is_zero(const uint8_t id[16])
{
    static const uint8_t none[16];

    return !memcmp(id, none, sizeof none);
}

static bool is_ours(const struct group *g, const struct status *st)
{
    return !memcmp(st->source, g->record.source, sizeof st->source);
}

/* Up to where this site may have what the target has not.  LSNs are reserved ahead, so after a
 * crash the last one says little; but where no granule is unsure and the ring is empty, all is
 * there. */
static uint64_t lsn_beyond(struct group *g, const struct status *st)
{
    uint64_t unsure = 0;

    for (unsigned i = 0; i < DISKS && source_does(UNSURE_IS_BEYOND); i++)
        unsure += g->disks[i] ? map_unsure(g->disks[i]->map) : 0;
    return unsure || g->first || g->lsn < st->received_lsn ? g->lsn : st->received_lsn;
}

/* Is one of the two an older state of itself, as a backup brings it back?  What it forgot the other
 * one takes for known. */
static int judge_age(struct group *g, const struct status *st)
{
    if (!st->lineage.count || !is_ours(g, st) || st->token <= g->record.token || g->trusted)
        return 0;
    group_stop_for(
        g, STOP_FORK,
        "this site is an older state of itself: the target has had a later one of it (token "
        "%" PRIu64 ", here %" PRIu64 "); if this one is to count, say \"resync all\"",
        st->token, g->record.token);
    return -EPERM;
}

/* 0: it may flow.  Else the group is stopped, and why. */
static int judge(struct group *g, const struct status *st)
{
    struct fork fork = { 0 };

    if (!is_zero(st->group) && memcmp(st->group, g->record.uuid, sizeof st->group) != 0 &&
        st->lineage.count) {
        group_stop_for(g, STOP_REFUSED,
                       "the target holds another group of this name: give this one another name by "
                       "\"group\", or say \"accept\" there to have it replaced");
        return -EPERM;
    }
    if (g->token && g->token != st->token && !is_ours(g, st) && !is_zero(st->source) &&
        st->role == ROLE_TARGET) {
        group_stop_for(g, STOP_FENCED,
                       "another source has taken over this group (token %" PRIu64
                       ", ours was %" PRIu64 ")",
                       st->token, g->token);
        return -EPERM;
    }
    enum kinship k = lineage_compare(&g->record.lineage, lsn_beyond(g, st), &st->lineage,
                                     st->received_lsn, &fork);
    g->kinship = k;
    g->fork = fork;
    if (st->role == ROLE_PRIMARY) {
        group_stop_for(g, STOP_FENCED,
                       "the target was promoted%s: this disk serves nothing, so that no two sites "
                       "are written; see weir-failover(7)",
                       k == KIN_FORK ? ", and both sites have writes that the other lacks" : "");
        return -EPERM;
    }
    if (kinship_flows(k))
        return judge_age(g, st);
    if (st->error[0])
        snprintf(g->error, sizeof g->error, "%.200s", st->error);
    group_stop_for(
        g, STOP_FORK,
        "the histories of both sites are %s: nothing is sent until an operator chooses a "
        "side (weirctl replica status shows what each would lose)",
        kinship_name(k));
    return -EPERM;
}

/* ---- what does it lack?
 * -------------------------------------------------------------------------- */

/* What is marked outside of a write is in a crash's way until the maps are synced. */
static int sync_maps(struct group *g)
{
    struct disk *list[DISKS];
    int r = 0;

    for (unsigned i = group_disks(g, list); i-- > 0 && !r;)
        r = map_sync(list[i]->map);
    return r;
}

static void mark_everything(struct group *g)
{
    g->marked_all = true;
    stream_drop(g);
    for (unsigned i = 0; i < DISKS; i++)
        if (g->disks[i]) {
            map_mark_all(g->disks[i]->map);
            g->disks[i]->declare = true;
        }
}

static uint64_t known_durable(const struct group *g)
{
    return g->durable_lsn > g->record.durable ? g->durable_lsn : g->record.durable;
}

/* What the ring holds and the target has is done with; what it has not is to be sent again.  True:
 * the two fit together. */
static bool resume_ring(struct group *g, const struct status *st)
{
    struct batch *b = g->first;

    if (st->lineage.count && st->received_lsn < known_durable(g))
        return false;
    for (; b && b != g->open; b = b->next) {
        if (b->frame.first_lsn <= st->received_lsn && b->frame.last_lsn > st->received_lsn)
            return false; /* a half of a frame cannot be there */
        b->state = b->frame.last_lsn <= st->received_lsn || !source_does(RESEND_WHAT_IS_MISSING)
                       ? BATCH_RECEIVED
                   : b->bytes ? BATCH_CLOSED
                              : BATCH_SPILLED;
        b->durable = b->frame.last_lsn <= st->durable_lsn;
    }
    return true;
}

static void rebase(struct group *g, const struct status *st)
{
    g->end = st->end;
    g->last_position = st->last_position;
    g->last_digest = st->last_digest;
    if (!resume_ring(g, st)) {
        group_say(g, WEIR_ERROR,
                  "the target has lost what it had said was durable (up to LSN %" PRIu64
                  ", it has %" PRIu64 "): everything is sent again",
                  known_durable(g), st->received_lsn);
        mark_everything(g);
    }
    g->received_lsn = st->received_lsn;
    g->durable_lsn = g->flushed_lsn = st->durable_lsn;
    g->complete_durable = st->complete_lsn;
    g->complete_lsn = st->complete_lsn;
    g->initial = !g->record.synced; /* acquire() has saved it; what came since, the keeper saves */
    ack_settle(g);
}

/* What the target itself asks for: what was written there while it was promoted, or differs. */
static int take_needs(struct group *g, struct link *link, char why[WHY])
{
    struct disk *list[DISKS];
    int r = 0;

    for (unsigned i = group_disks(g, list); i-- > 0 && !r;) {
        uint8_t *bits = NULL;
        size_t bytes = 0;
        r = link_needs(link, list[i]->number, atomic_load(&list[i]->size), &bits, &bytes);
        if (!r)
            map_mark_bitmap(list[i]->map, bits, bytes, 0);
        free(bits);
    }
    if (r)
        why_print(why, "what the target needs cannot be learnt: %s", strerror(-r));
    return r;
}

/* ---- the meeting
 * ------------------------------------------------------------------------------------ */

static uint64_t fresh_id(void)
{
    uint64_t id = 0;

    while (!id)
        getrandom(&id, sizeof id, 0);
    return id;
}

/* A target that has no status is only written: there is nothing to judge. */
static int meet_plain(struct group *g)
{
    pthread_mutex_lock(&g->lock);
    bool first = !g->record.synced;
    if (first) /* and so it is after a crash, until it was in step once */
        mark_everything(g);
    g->marked_all = false;
    g->record.untold = false; /* it cannot be told, and goes on with all of them */
    for (struct batch *b = g->first; b && b != g->open; b = b->next)
        if (b->state != BATCH_SPILLED)
            b->state = BATCH_CLOSED;
    /* a target that crashed has lost the rest: none of it counts until it is sent again, or a flush
     * would be taken to be about it */
    g->received_lsn = g->flushed_lsn = g->durable_lsn;
    g->complete_lsn = g->complete_durable;
    g->initial = first;
    pthread_mutex_unlock(&g->lock);
    return 0;
}

static int refused(int r, const char *reason, char why[WHY])
{
    why_print(why, "the target does not take this source: %.180s",
              reason && *reason ? reason : strerror(-r));
    return r;
}

static int acquire(struct group *g, struct link *link, struct status *st, char why[WHY])
{
    pthread_mutex_lock(&g->lock);
    struct command c = command_of(g, COMMAND_ACQUIRE);
    c.lsn = g->lsn;
    c.token = st->token; /* what was judged is what is acquired, or nothing is */
    g->record.untold &= c.lineage.count > 1;
    lineage_untell(&c.lineage, g->record.untold);
    /* known here before it is there: see judge_age() */
    g->record.token = st->token + 1;
    /* writes wait for it from now on, after a restart, too */
    g->record.synced = st->complete_lsn != 0;
    pthread_mutex_unlock(&g->lock);
    int r = record_save(g);
    if (r)
        return refused(r, NULL, why);
    r = link_command(link, &c, g->key);
    /* a refused source is told why in the status, but for one that is not known by the key */
    if (!r || r == -EPERM) {
        int read = link_status(link, st, why);
        r = r ? r : read;
    }
    if (!r && !is_ours(g, st))
        return refused(-EPERM, "another source was quicker", why);
    if (r == -EPERM && !st->error[0])
        return refused(r, "do both sites have the same key file?", why);
    return r ? refused(r, st->error, why) : 0;
}

/* Of the generation in which this site went on alone.  No frame can be late any more, so what the
 * target has received is final: the generations that were begun since, for each of its absences,
 * it will never have, and 32 of them would push the last that it has out of the lineage.  Saved
 * before it is told: a target may not know of more than the source. */
static int tell(struct group *g, struct link *link, const struct status *st, char why[WHY])
{
    pthread_mutex_lock(&g->lock);
    const struct lineage before = g->record.lineage;
    const bool untold = g->record.untold;
    if (untold && st->received_lsn)
        lineage_merge(&g->record.lineage, st->received_lsn);
    g->record.untold = false;
    struct command c = command_of(g, COMMAND_GENERATION);
    c.lsn = g->lsn;
    c.token = st->token;
    pthread_mutex_unlock(&g->lock);
    int r = untold ? record_save(g) : 0;
    if (r) {
        pthread_mutex_lock(&g->lock);
        g->record.lineage = before;
        g->record.untold = true;
        pthread_mutex_unlock(&g->lock);
        why_print(why, "the group's record cannot be saved: %s", strerror(-r));
        return r;
    }
    r = untold ? link_command(link, &c, g->key) : 0;
    if (r)
        why_print(why, "the target does not take this source's generation: %s", strerror(-r));
    return r;
}

int handshake(struct group *g, struct link *link, char why[WHY])
{
    struct status st = { 0 };
    int r = 0;

    pthread_mutex_lock(&g->lock);
    bool first = !g->record.lineage.count;
    if (first)
        lineage_begin(&g->record.lineage, fresh_id(), 0);
    pthread_mutex_unlock(&g->lock);
    if (first)
        r = record_save(g);
    if (r) {
        why_print(why, "the group's record cannot be saved: %s", strerror(-r));
        return r;
    }
    r = link_status(link, &st, why);
    if (r == -ENOTSUP)
        return meet_plain(g);
    if (r)
        return r;
    pthread_mutex_lock(&g->lock);
    status_heard(g, &st);
    r = judge(g, &st);
    pthread_mutex_unlock(&g->lock);
    if (!r)
        r = acquire(g, link, &st, why);
    if (!r)
        r = tell(g, link, &st, why);
    if (!r && st.needs)
        r = take_needs(g, link, why);
    if (r)
        return r;
    pthread_mutex_lock(&g->lock);
    status_heard(g, &st);
    g->token = st.token;
    if (g->kinship == KIN_NEW)
        mark_everything(g);
    rebase(g, &st);
    if (g->stop != STOP_DETACHED)
        g->stop = STOP_NONE;
    g->error[0] = '\0';
    bool marked = g->marked_all;
    g->marked_all = false;
    pthread_mutex_unlock(&g->lock);
    r = marked ? sync_maps(g) : 0;
    if (r) {
        why_print(why, "the change map cannot be written: %s", strerror(-r));
        return r;
    }
    pthread_mutex_lock(&g->lock);
    g->record.durable = st.durable_lsn; /* what that lacks is in the maps by now */
    pthread_mutex_unlock(&g->lock);
    return 0;
}
