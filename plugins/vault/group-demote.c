/* group-demote.c - how does a primary become a target again?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * What was written here since it was promoted is in the maps of the disks.  The source is to send
 * these granules, whatever its own map says: that is durable before the role changes.  The
 * generation that began here is forgotten: the group is at the last LSN that it received, but for
 * what it needs. */
#include "give-back.h"

#include "scope.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int add_bytes(void *arg, unsigned disk, uint64_t offset, uint64_t length)
{
    (void)disk;
    (void)offset;
    *(uint64_t *)arg += length;
    return 0;
}

static int mark(void *arg, unsigned disk, uint64_t offset, uint64_t length)
{
    needs_mark(arg, disk, offset, length);
    return 0;
}

int group_nobody_served(const struct group *g, struct weir_text *why)
{
    for (unsigned i = 0; i < g->record.disks; i++)
        if (g->disks[i].served) {
            weir_print(why, "disk \"%s\" of group \"%s\" is served: close its export first",
                       g->disks[i].name, g->name);
            return -EBUSY;
        }
    return 0;
}

/* With the turn.  `dry_run`: what would be lost is said while the disks are served, too. */
static int may_demote(struct group *g, bool discard, bool dry_run, uint64_t *bytes,
                      struct weir_text *why)
{
    hold_lock(&g->lock);
    if (g->record.role == ROLE_TARGET) {
        weir_print(why, "group \"%s\" is a target already", g->name);
        return -EALREADY;
    }
    *bytes = 0;
    int r = dry_run ? 0 : group_nobody_served(g, why);
    if (!r)
        r = maps_written(g, add_bytes, bytes);
    if (!r && g->record.fetched) {
        weir_print(why,
                   "the source of group \"%s\" fetches what was written here, and its disks are "
                   "no state of their own until it has all: end it with demote alone",
                   g->name);
        return -EPERM;
    }
    if (r || !*bytes || discard || dry_run)
        return r;
    weir_print(why,
               "up to %" PRIu64 " bytes were written to group \"%s\" since it was promoted at LSN "
               "%" PRIu64 ", and would be lost unless the source has them: say \"demote discard\" "
               "if they may go",
               *bytes, g->name, g->record.promoted_lsn);
    return -EPERM;
}

static int need_written(struct group *g)
{
    if (!does(DEMOTE_NEEDS))
        return 0;
    int r = maps_written(g, mark, g);
    return r ? r : needs_save(g);
}

int group_become_target(struct group *g, struct weir_text *why)
{
    cleanup_free struct group_record *next = malloc(sizeof(*next));
    int r = next ? need_written(g) : -ENOMEM;

    if (r) {
        weir_print(why, "what was written to group \"%s\" cannot be noted: %s", g->name,
                   strerror(-r));
        return r;
    }
    *next = g->record;
    next->role = ROLE_TARGET;
    next->unsettled = next->unsettled || needs_count(g);
    next->lineage = next->before;
    if (next->fetched) /* until it acquires: it is no source's */
        memset(next->source, 0, sizeof(next->source));
    next->fetched = false;
    r = group_save(g, next);
    if (r) {
        weir_print(why, "the record of group \"%s\" cannot be saved: %s", g->name, strerror(-r));
        return r;
    }
    maps_close(g, true);
    pthread_mutex_lock(&g->lock);
    given_forget(&g->given);
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
    /* promoted at an older point: what the log has behind it is this group's past again */
    if (g->applied.position < g->complete.position)
        r = apply_again(g, g->applied.position);
    if (r)
        weir_print(why, "the log of group \"%s\" cannot be applied: %s", g->name, strerror(-r));
    else
        r = apply_sync(g);
    return r;
}

int group_demote(struct group *g, bool discard, bool dry_run, struct weir_text *answer,
                 struct weir_text *why)
{
    uint64_t bytes;

    pthread_mutex_lock(&g->lock);
    const bool fetched = g->record.role == ROLE_PRIMARY && g->record.fetched;
    pthread_mutex_unlock(&g->lock);
    if (fetched && !discard && !dry_run)
        return group_leave(g, answer, why);
    int r = frames_close(g, true, why);
    if (r)
        return r;
    pthread_mutex_lock(&g->turn);
    r = may_demote(g, discard, dry_run, &bytes, why);
    if (!r && !dry_run)
        r = group_become_target(g, why);
    if (!r)
        weir_print(answer,
                   "group \"%s\" %s a target at LSN %" PRIu64 "; of what was written here %" PRIu64
                   " bytes %s sent again by the source",
                   g->name, dry_run ? "would be" : "is", g->complete.last_lsn, bytes,
                   dry_run ? "would be" : "are to be");
    pthread_mutex_unlock(&g->turn);
    frames_open(g);
    return r;
}
