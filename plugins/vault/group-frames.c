/* group-frames.c - which frames does a group take, and what does it say of them?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "give-back.h"

#include "events.h"
#include "instant.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- the gate -----------------------------------------------------------------------------------
 */

void frames_open(struct group *g)
{
    hold_lock(&g->lock);
    g->closed = false;
    pthread_cond_broadcast(&g->changed);
}

static bool is_empty(struct group *g)
{
    const uint64_t until = now_ns() + SECOND_NS / 50;

    hold_lock(&g->lock);
    if (g->receiving)
        cond_wait_until(&g->changed, &g->lock, until);
    return g->receiving == 0;
}

static void say_failed(struct group *g, struct weir_text *why)
{
    log_failed(g->log, why);
    hold_lock(&g->lock);
    if (g->refused)
        weir_print(why, " (%s)", g->error);
}

int frames_close(struct group *g, bool applied, struct weir_text *why)
{
    int r;

    pthread_mutex_lock(&g->lock);
    while (g->closed)
        pthread_cond_wait(&g->changed, &g->lock);
    g->closed = true;
    pthread_mutex_unlock(&g->lock);
    do /* again: one may have been on its way to wait for what does not come any more */
        log_settle(g->log);
    while (!is_empty(g));
    r = log_settle(g->log);
    if (!r || (!applied && log_is_refused(g->log)))
        return 0;
    say_failed(g, why);
    frames_open(g);
    return r;
}

/* ---- frames -------------------------------------------------------------------------------------
 */

static bool knows(const struct lineage *l, uint64_t generation)
{
    for (unsigned i = 0; i < l->count; i++)
        if (l->list[i].id == generation)
            return true;
    return false;
}

/* With the lock.  A source that may not write here any more must learn that before all else. */
static int judge(const struct group *g, const struct frame *f, struct weir_text *why)
{
    const struct group_record *r = &g->record;
    const char *wrong = NULL;

    if (r->role == ROLE_PRIMARY)
        wrong = "this site was promoted";
    else if (memcmp(f->group, r->uuid, sizeof(f->group)) != 0)
        wrong = "it is of another group";
    else if (f->token != r->token)
        wrong = "its token is not the present one";
    else if (r->begin)
        wrong = "the source must begin anew first";
    else if (!knows(&r->lineage, f->generation))
        wrong = "its generation is not known";
    if (wrong)
        weir_print(why, "the frame at log address %" PRIu64 " is refused: %s", f->position, wrong);
    return wrong ? -EPERM : 0;
}

static int enter(struct group *g, const struct frame *f, struct weir_text *why)
{
    hold_lock(&g->lock);
    while (g->closed)
        pthread_cond_wait(&g->changed, &g->lock);
    int r = judge(g, f, why);
    if (!r)
        g->receiving++;
    return r;
}

void group_note_stranger(struct group *g, bool strange, const char *why)
{
    pthread_mutex_lock(&g->lock);
    const bool news = strange && !g->strange;
    g->strange = strange;
    pthread_mutex_unlock(&g->lock);
    if (news)
        event_post(WEIR_WARNING, NULL, NULL, "group \"%s\": %s", g->name, why);
}

/* What is refused for good is an alarm, unless it came from who has not the key and may send what
 * he likes; a full log is over when it takes a frame again. */
static void leave(struct group *g, int answer, const struct weir_text *why)
{
    hold_lock(&g->lock);
    g->receiving--;
    pthread_cond_broadcast(&g->changed);
    if (answer == -EKEYREJECTED)
        return;
    if (answer) {
        g->full = answer == -ENOSPC;
        snprintf(g->error, sizeof(g->error), "%s", text_string(why));
    } else if (g->full) {
        g->full = false;
        if (!g->refused)
            *g->error = 0;
    }
}

int group_receive(struct group *g, uint64_t position, const void *frame, size_t length, bool fua)
{
    cleanup_text struct weir_text why = { 0 };
    struct frame f;

    int r = length < FRAME_HEADER ? -EINVAL : frame_read(frame, &f, NULL);
    if (r)
        return r == -EBADMSG ? -EIO : -EINVAL;
    r = enter(g, &f, &why);
    if (r)
        return r;
    r = log_receive(g->log, position, frame, length, fua, &why);
    leave(g, r, &why);
    if (r != -EKEYREJECTED)
        return r;
    group_note_stranger(g, true, text_string(&why));
    return -EPERM;
}

int group_flush(struct group *g)
{
    return log_sync_all(g->log) ? -EIO : 0;
}

/* ---- what can be asked --------------------------------------------------------------------------
 */

static void say_ends(struct group *g, struct status *s)
{
    struct log_end received, durable;

    log_ends(g->log, &received, &durable);
    s->end = received.position;
    s->last_position = received.last_position;
    s->last_digest = received.last_digest;
    s->received_lsn = received.last_lsn;
    s->durable_lsn = durable.last_lsn;
    s->lineage = g->record.lineage;
    if (g->record.role == ROLE_TARGET) /* as it was where `received_lsn` is */
        s->lineage =
            received.last_lsn ? lineage_at(&s->lineage, received.last_lsn) : (struct lineage){ 0 };
}

int group_status(struct group *g, struct status *ret)
{
    cleanup_text struct weir_text why = { 0 };
    const int failed = log_failed(g->log, &why);

    *ret = (struct status){ .free = log_free_bytes(g->log),
                            .limit = g->config.limit,
                            .needs = needs_count(g),
                            .points = g->points ? points_count(g->points) : 0,
                            .oldest_time = g->points ? points_oldest(g->points) : 0,
                            .time = wall_ns() };
    hold_lock(&g->lock);
    const struct group_record *r = &g->record;
    ret->role = r->role;
    memcpy(ret->group, r->uuid, sizeof(ret->group));
    memcpy(ret->source, r->source, sizeof(ret->source));
    ret->token = r->token;
    if (r->role == ROLE_PRIMARY && g->given.known)
        ret->needs = g->given.granules;
    ret->left = r->role == ROLE_PRIMARY && g->given.left ? g->given.number : 0;
    for (unsigned i = 0; i < r->disks; i++)
        ret->disk_bytes += g->disks[i].size;
    say_ends(g, ret);
    ret->complete_lsn = g->complete.last_lsn;
    ret->complete_time = g->complete_time;
    ret->applied_lsn = g->applied.last_lsn;
    ret->trimmed = r->trimmed;
    ret->mismatches = r->mismatches;
    ret->verified = r->verified;
    ret->refused = (uint64_t)g->refused;
    snprintf(ret->error, sizeof(ret->error), "%s",
             failed && !*g->error ? text_string(&why) : g->error);
    return 0;
}

int group_needs(struct group *g, unsigned disk, void *bitmap, size_t length, uint64_t from)
{
    if (disk >= DISKS)
        memset(bitmap, 0, length);
    else if (!given_bitmap(g, disk, bitmap, length, from))
        needs_bitmap(g, disk, bitmap, length, from);
    return 0;
}

int group_disk(struct group *g, const char *name, unsigned *disk, uint64_t *size,
               struct weir_text *why)
{
    unsigned count = 0, last = 0;

    hold_lock(&g->lock);
    for (unsigned i = 0; i < g->record.disks; i++) {
        if (!*g->disks[i].name || (name && strcmp(g->disks[i].name, name) != 0))
            continue;
        count++;
        last = i;
    }
    if (count == 1) {
        *disk = last;
        *size = g->disks[last].size;
        return 0;
    }
    if (name)
        weir_print(why, "group \"%s\" has no disk \"%s\"", g->name, name);
    else if (count)
        weir_print(why, "group \"%s\" has %u disks: say which, as \"%s/DISK\"", g->name, count,
                   g->name);
    else
        weir_print(why, "group \"%s\" has no disk yet: its source has sent nothing", g->name);
    return name || !count ? -ENOENT : -EINVAL;
}
