/* group-command.c - what may a source ask of a group, and when is it refused?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A source that is answered has the token, durably: one that had it before is refused from then on,
 * and none of its frames comes after the reply. */
#include "give-back.h"

#include "scope.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool is_zero(const uint8_t uuid[16])
{
    static const uint8_t zero[16];

    return memcmp(uuid, zero, sizeof(zero)) == 0;
}

/* ---- who may ------------------------------------------------------------------------------------
 */

static enum kinship kinship(struct group *g, const struct command *c, struct fork *fork)
{
    struct log_end received, durable;
    const struct lineage mine = group_lineage(g);

    log_ends(g->log, &received, &durable);
    return lineage_compare(&c->lineage, c->lsn, &mine, received.last_lsn, fork);
}

static void say_kin(struct group *g, enum kinship kin, const struct fork *fork,
                    struct weir_text *why)
{
    if (kin == KIN_UNRELATED)
        weir_print(why,
                   "the source has nothing in common with what group \"%s\" holds: to give that up "
                   "and begin anew, say \"accept\" here",
                   g->name);
    else
        weir_print(why,
                   "source and target of group \"%s\" have gone on alone since LSN %" PRIu64
                   " (%s): the source has %" PRIu64 " LSNs since then, the target %" PRIu64
                   "; choose which of them survives",
                   g->name, fork->lsn, kinship_name(kin), fork->source_lost, fork->target_lost);
}

/* With the turn.  0: its frames may come; 1: only after BEGIN.  What the source has judged, and has
 * remembered of the token it will have, is about the state that it saw: while it was on its way
 * the group may have been promoted and demoted, or an ACQUIRE from before come late. */
static int may_acquire(struct group *g, const struct command *c, struct weir_text *why)
{
    const struct group_record *r = &g->record;
    struct fork fork = { 0 };

    if (r->role == ROLE_PRIMARY) {
        weir_print(why, "group \"%s\" was promoted: it is no target", g->name);
        return -EPERM;
    }
    if (c->token != r->token) {
        weir_print(why,
                   "group \"%s\" has changed since the source looked at it (token %" PRIu64
                   ", the source saw %" PRIu64 "): it has to look again",
                   g->name, r->token, c->token);
        return -EBUSY;
    }
    if (!is_zero(r->uuid) && memcmp(r->uuid, c->group, sizeof(r->uuid)) != 0) {
        weir_print(why, "the source is of another group than \"%s\"%s", g->name,
                   r->accepting ? "" : ": to give up what it holds, say \"accept\" here");
        return r->accepting ? 1 : -EPERM;
    }
    const enum kinship kin = kinship(g, c, &fork);
    if (kinship_flows(kin))
        return 0;
    say_kin(g, kin, &fork, why);
    return r->accepting ? 1 : -EPERM;
}

/* Of a target, all but ACQUIRE: whoever asks has the token. */
static int has_token(struct group *g, const struct command *c, struct weir_text *why)
{
    const struct group_record *r = &g->record;

    if (r->role == ROLE_TARGET && c->token == r->token &&
        memcmp(c->source, r->source, sizeof(r->source)) == 0)
        return 0;
    weir_print(why, "the source has not the present token of group \"%s\"", g->name);
    return -EPERM;
}

/* ---- what is done
 * -------------------------------------------------------------------------------- */

static int save(struct group *g, const struct group_record *next, struct weir_text *why)
{
    int r = 0;

    if (does(COMMAND_SAVE)) {
        r = group_save(g, next);
    } else {
        hold_lock(&g->lock);
        g->record = *next;
    }
    if (r)
        weir_print(why, "the record of group \"%s\" cannot be saved: %s", g->name, strerror(-r));
    return r;
}

static int acquire(struct group *g, const struct command *c, struct group_record *next,
                   struct weir_text *why)
{
    struct weir_text reason = { 0 };
    int r = may_acquire(g, c, &reason);

    if (r == -EPERM)
        group_set_error(g, "%s", text_string(&reason)); /* until a source may */
    if (r < 0)
        weir_print(why, "%s", text_string(&reason));
    text_finish(&reason);
    if (r < 0)
        return r;
    next->begin = r == 1;
    next->token++;
    memcpy(next->source, c->source, sizeof(next->source));
    if (!next->begin) { /* else with BEGIN */
        memcpy(next->uuid, c->group, sizeof(next->uuid));
        next->lineage = c->lineage;
        next->accepting = false; /* there was no need of it */
    }
    r = save(g, next, why);
    hold_lock(&g->lock);
    if (!r && !g->refused)
        *g->error = 0;
    return r;
}

static int generation(struct group *g, const struct command *c, struct group_record *next,
                      struct weir_text *why)
{
    struct fork fork = { 0 };
    const enum kinship kin = kinship(g, c, &fork);

    if (next->begin || !kinship_flows(kin)) {
        say_kin(g, kin, &fork, why);
        return -EPERM;
    }
    next->lineage = c->lineage;
    return save(g, next, why);
}

/* The record first: a crash behind it finds images, runs and segments that nothing names, and they
 * are made anew when they are named once more. */
static int begin(struct group *g, const struct command *c, struct group_record *next,
                 struct weir_text *why)
{
    struct log_end received, durable;
    const uint64_t token = next->token;

    log_ends(g->log, &received, &durable);
    const uint64_t at = (received.position + SEGMENT - 1) / SEGMENT * SEGMENT;
    *next = (struct group_record){ .lineage = c->lineage,
                                   .token = token,
                                   .initial = true,
                                   .applied.position = at,
                                   .horizon.position = at,
                                   .trimmed = at };
    memcpy(next->uuid, c->group, sizeof(next->uuid));
    memcpy(next->source, c->source, sizeof(next->source));
    int r = save(g, next, why);
    if (r)
        return r;
    needs_forget(g); /* not before: what is given up is still here if that could not be saved */
    r = log_restart(g->log, at);
    if (g->index)
        index_trim(g->index, at);
    if (g->points)
        points_trim(g->points, at, 0);
    for (unsigned i = 0; i < DISKS; i++)
        images_close(g, i);
    hold_lock(&g->lock);
    g->applied = g->record.applied;
    g->complete = (struct log_end){ 0 };
    g->complete_time = 0;
    *g->error = 0;
    return r;
}

/* Pinned by views?  Then images are in use. */
static int may_begin(struct group *g, struct weir_text *why)
{
    hold_lock(&g->lock);
    if (!g->pinned)
        return 0;
    weir_print(why, "a restore point of group \"%s\" is open: close it first", g->name);
    return -EBUSY;
}

/* A source that an operator has let begin anew has read that there is nothing here
 * (group_accepts()), and sends everything: so it begins with the token. */
static int take_source(struct group *g, const struct command *c, struct group_record *next,
                       struct weir_text *why)
{
    int r = next->accepting ? may_begin(g, why) : 0;

    if (!r)
        r = acquire(g, c, next, why);
    return r || !next->begin ? r : begin(g, c, next, why);
}

/* With the gate closed and the turn. */
static int obey(struct group *g, const struct command *c, struct weir_text *why)
{
    cleanup_free struct group_record *next = malloc(sizeof(*next));
    int r = next ? 0 : -ENOMEM;

    if (r)
        return r;
    *next = g->record;
    if (c->op == COMMAND_ACQUIRE)
        return take_source(g, c, next, why);
    if (c->op == COMMAND_FETCH)
        return give_back_fetch(g, c, why);
    if (c->op == COMMAND_RETURN)
        return give_back_return(g, c, why);
    r = has_token(g, c, why);
    if (r)
        return r;
    if (c->op == COMMAND_GENERATION)
        return generation(g, c, next, why);
    r = may_begin(g, why);
    return r ? r : begin(g, c, next, why);
}

int group_command(struct group *g, const struct command *c, struct weir_text *why)
{
    int r;

    if (c->op == COMMAND_HANDOVER) {
        pthread_mutex_lock(&g->turn);
        r = has_token(g, c, why);
        pthread_mutex_unlock(&g->turn);
        return r ? r : promote_handover(g, c, why);
    }
    if (c->op < COMMAND_ACQUIRE || c->op > COMMAND_RETURN) {
        weir_print(why, "command %u is not known here", c->op);
        return -EINVAL;
    }
    /* a source may go on though a head has no room: the log has */
    r = frames_close(g, c->op == COMMAND_BEGIN, why);
    if (r)
        return -EIO;
    pthread_mutex_lock(&g->turn);
    r = obey(g, c, why);
    pthread_mutex_unlock(&g->turn);
    frames_open(g);
    return r == -EPERM || r == -EINVAL || r == 0 ? r : -EIO; /* EBUSY, too: it is said again */
}

bool group_accepts(struct group *g)
{
    hold_lock(&g->lock);
    return g->record.accepting;
}

int group_accept(struct group *g, struct weir_text *answer, struct weir_text *why)
{
    cleanup_free struct group_record *next = malloc(sizeof(*next));

    if (!next)
        return -ENOMEM;
    hold_lock(&g->turn);
    if (g->record.role == ROLE_PRIMARY) {
        weir_print(why,
                   "group \"%s\" was promoted, and its disks are what guests use: demote it first",
                   g->name);
        return -EPERM;
    }
    *next = g->record;
    next->accepting = true;
    int r = save(g, next, why);
    if (!r)
        weir_print(answer,
                   "group \"%s\" accepts that a source begins anew: then its disks and restore "
                   "points, up to LSN %" PRIu64 ", are given up",
                   g->name, g->complete.last_lsn);
    return r;
}
