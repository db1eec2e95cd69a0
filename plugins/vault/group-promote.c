/* group-promote.c - how does a target become the primary?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 *   1  no frame is taken any more; what was received in order is durable and applied
 *   2  a set that is not complete is dropped from the log
 *   3  the heads are brought to the state that is wanted, durably
 *   4  a new generation, another token and the role, saved as one
 *   5  heads may be served
 *
 * A crash before 4 leaves a target, which is at its last state(k) again; after it a primary of the
 * new generation.  A source that comes back has the old token, and is refused. */
#include "group-private.h"

#include "instant.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct promotion {
    struct group *g;
    enum promote_how how;
    const char *word; /* of the point */
    struct point point;
    bool exactly; /* at `lsn`, or not at all */
    uint64_t lsn;
};

/* ---- may it, and what is lost?
 * ------------------------------------------------------------------- */

/* With the lock. */
static int may_promote(struct promotion *p, struct weir_text *why)
{
    const struct group *g = p->g;

    if (g->record.role == ROLE_PRIMARY) {
        weir_print(why, "group \"%s\" is the primary already", g->name);
        return -EALREADY;
    }
    if (g->record.initial || !g->complete.last_lsn) {
        weir_print(why,
                   "group \"%s\" has never had all of its disks: let the source finish the first "
                   "copy",
                   g->name);
        return -EPERM;
    }
    if (p->exactly && g->complete.last_lsn != p->lsn) {
        weir_print(why,
                   "group \"%s\" is at LSN %" PRIu64 ", not at %" PRIu64 ": the source must send "
                   "the rest first",
                   g->name, g->complete.last_lsn, p->lsn);
        return -EBUSY;
    }
    if (g->record.unsettled && !g->points) {
        weir_print(why,
                   "group \"%s\" was demoted, and %" PRIu64 " granules of 64 KiB of what was "
                   "written here have not been sent again: let a source finish that",
                   g->name, needs_count(p->g));
        return -EPERM;
    }
    return 0;
}

static int find_point(struct promotion *p, struct weir_text *why)
{
    p->lsn = p->exactly ? p->lsn : p->g->complete.last_lsn;
    if (p->how == PROMOTE_LATEST)
        return 0;
    if (!p->g->points) {
        weir_print(
            why,
            "group \"%s\" keeps no history: there is no point \"%s\"; promote latest, or give "
            "its datastore a history",
            p->g->name, p->word);
        return -ENOENT;
    }
    int r = points_find(p->g->points, p->word, &p->point, why);
    p->lsn = r ? p->lsn : p->point.lsn;
    return r;
}

static void say_loss(struct promotion *p, bool done, struct weir_text *answer)
{
    struct group *g = p->g;
    struct log_end received, durable;
    const uint64_t at = p->how == PROMOTE_POINT ? p->point.time : g->complete_time;
    const uint64_t now = wall_ns();

    log_ends(g->log, &received, &durable);
    weir_print(answer, "group \"%s\" %s the primary at LSN %" PRIu64, g->name,
               done ? "is" : "would become", p->lsn);
    if (at && at < now)
        weir_print(answer, ", the state of %" PRIu64 " s ago", (now - at) / 1000000000u);
    if (received.last_lsn > p->lsn)
        weir_print(answer,
                   "; of what was received %" PRIu64 " LSNs behind it (%" PRIu64
                   " bytes of log) %s lost",
                   received.last_lsn - p->lsn,
                   received.position -
                       (p->how == PROMOTE_POINT ? p->point.position : g->complete.position),
                   done ? "are" : "would be");
    else if (!done)
        weir_print(answer, "; nothing that was received would be lost");
    if (needs_count(g))
        weir_print(answer, "; %" PRIu64 " granules of 64 KiB are known to differ from the source",
                   needs_count(g));
    weir_print(answer, "; what the source wrote later and did not send is not here");
}

/* ---- doing it
 * ------------------------------------------------------------------------------------ */

/* Where frames are to be applied from if this site is demoted: what has the point's LSN and comes
 * behind it is applied once more, which gives the same. */
static int end_before(struct group *g, uint64_t position, struct log_end *ret)
{
    struct frame f;
    void *payload;
    int r = log_read_frame(g->log, position, &f, &payload);

    if (r)
        return r;
    free(payload);
    *ret = (struct log_end){ .position = position,
                             .last_position = f.previous,
                             .last_digest = f.previous_digest,
                             .last_lsn = f.first_lsn - 1 };
    return 0;
}

/* Heads become state(lsn); until the role is saved the record says that they are on their way. */
static int roll(struct group *g, uint64_t lsn, struct weir_text *why)
{
    cleanup_free struct group_record *next = malloc(sizeof(*next));

    if (!next)
        return -ENOMEM;
    *next = g->record;
    next->rolling_to = lsn;
    int r = group_save(g, next);
    if (!r && g->record.unsettled)
        r = group_restore_needs(g, lsn, why);
    return r ? r : group_roll_back(g, lsn, NULL, NULL, why);
}

/* The heads are neither what they were nor state(rolling_to): from that point on all is applied
 * again, which gives the last state(k). */
static int undo(struct group *g, struct weir_text *why)
{
    cleanup_free struct group_record *next = malloc(sizeof(*next));
    struct point point;
    char word[32];

    if (!next)
        return -ENOMEM;
    snprintf(word, sizeof(word), "lsn:%" PRIu64, g->record.rolling_to);
    int r = points_find(g->points, word, &point, why);
    if (!r)
        r = apply_again(g, point.position);
    if (!r)
        r = apply_sync(g);
    if (r)
        return r;
    *next = g->record;
    next->rolling_to = 0;
    return group_save(g, next);
}

static int bring_heads(struct promotion *p, struct log_end *applied, struct weir_text *why)
{
    struct group *g = p->g;
    int r = 0;

    if (g->record.rolling_to) /* an attempt that failed */
        r = undo(g, why);
    *applied = g->applied;
    if (!r && p->how == PROMOTE_POINT)
        r = end_before(g, p->point.position, applied);
    if (!r && (p->how == PROMOTE_POINT || g->record.unsettled))
        r = roll(g, p->lsn, why);
    if (!r)
        r = apply_sync(g);
    return r;
}

static int new_role(struct promotion *p, const struct log_end *applied, struct weir_text *why)
{
    struct group *g = p->g;
    cleanup_free struct group_record *next = malloc(sizeof(*next));
    uint64_t id = 0;

    if (!next)
        return -ENOMEM;
    *next = g->record;
    while (!id)
        if (getrandom(&id, sizeof(id), 0) < 0)
            return -errno;
    next->before = next->lineage;
    lineage_begin(&next->lineage, id, p->lsn);
    next->token++;
    memset(next->source, 0, sizeof(next->source)); /* it is no source's: this site has it */
    next->role = ROLE_PRIMARY;
    next->applied = *applied;
    next->promoted_lsn = p->lsn;
    next->rolling_to = 0;
    next->unsettled = next->fetched = false;
    maps_close(g, true); /* what an attempt that failed has left */
    int r = maps_begin(g, next, why);
    if (!r && does(PROMOTE_SAVE)) {
        r = group_save(g, next);
    } else if (!r) {
        hold_lock(&g->lock);
        g->record = *next;
    }
    if (r)
        maps_close(g, true);
    return r;
}

/* With the gate closed and the turn. */
static int promote(struct promotion *p, struct weir_text *answer, struct weir_text *why)
{
    struct group *g = p->g;
    struct log_end applied;

    pthread_mutex_lock(&g->lock);
    int r = may_promote(p, why);
    pthread_mutex_unlock(&g->lock);
    if (!r)
        r = find_point(p, why);
    if (r)
        return r;
    cleanup_text struct weir_text loss = { 0 };
    say_loss(p, true, &loss);
    if (does(PROMOTE_CUT))
        r = log_cut(g->log, &g->complete);
    if (!r)
        r = bring_heads(p, &applied, why);
    if (!r)
        r = new_role(p, &applied, why);
    if (r) {
        weir_print(why, "%sgroup \"%s\" could not be promoted: %s", why && why->length ? "; " : "",
                   g->name, strerror(-r));
        return r;
    }
    hold_lock(&g->lock);
    g->applied = applied;
    weir_print(answer, "%s", text_string(&loss));
    return 0;
}

static int run(struct promotion *p, struct weir_text *answer, struct weir_text *why)
{
    int r = frames_close(p->g, true, why);

    if (r)
        return r;
    pthread_mutex_lock(&p->g->turn);
    r = promote(p, answer, why);
    pthread_mutex_unlock(&p->g->turn);
    frames_open(p->g);
    return r;
}

int group_promote(struct group *g, enum promote_how how, const char *point, bool dry_run,
                  struct weir_text *answer, struct weir_text *why)
{
    struct promotion p = { .g = g, .how = how, .word = point };

    if (!dry_run)
        return run(&p, answer, why);
    hold_lock(&g->turn);
    pthread_mutex_lock(&g->lock);
    int r = may_promote(&p, why);
    pthread_mutex_unlock(&g->lock);
    if (!r)
        r = find_point(&p, why);
    if (!r)
        say_loss(&p, false, answer);
    return r;
}

int promote_handover(struct group *g, const struct command *c, struct weir_text *why)
{
    struct promotion p = { .g = g, .how = PROMOTE_LATEST, .exactly = true, .lsn = c->lsn };

    int r = run(&p, NULL, why);
    return r == -EPERM || r == 0 ? r : -EIO; /* EBUSY, too: it is said again */
}

int promote_undo(struct group *g, struct weir_text *why)
{
    hold_lock(&g->turn);
    return undo(g, why);
}
