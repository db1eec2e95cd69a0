/* give-back.c - how does a primary give its disks back to the source that it replaced?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The source fetches what it lacks, in rounds, while the disks are served here: COMMAND_FETCH says
 * which granules a round has.  When an administrator has had the exports of the disks closed
 * (group_leave), one more round has all that there is, and COMMAND_RETURN makes this site a target
 * again.  From the first FETCH on the source's disks are neither its own state nor ours until it
 * has all: so nobody but the source itself can end it. */
#include "give-back.h"

#include "instant.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEAVE_SECONDS = 60 };

/* ---- what the source lacks ------------------------------------------------------------------- */

static void set(uint8_t *bits, uint64_t size, uint64_t offset, uint64_t length)
{
    const uint64_t end = offset + length < size ? offset + length : size;

    for (uint64_t n = offset / MAP_GRANULE; n * MAP_GRANULE < end; n++)
        bits[n / 8] |= (uint8_t)(1u << n % 8);
}

static uint64_t count(const struct given *given)
{
    uint64_t granules = 0;

    for (unsigned i = 0; i < DISKS; i++)
        granules += bitmap_count(given->bits[i], given->bytes[i]);
    return granules;
}

struct finding {
    struct group *g;
    struct given *found;
};

static int found(void *arg, unsigned disk, uint64_t offset, uint64_t length)
{
    struct finding *f = arg;

    if (length && disk < DISKS && f->found->bits[disk])
        set(f->found->bits[disk], f->g->disks[disk].size, offset, length);
    return 0;
}

static int entry(void *arg, const struct index_entry *e)
{
    return found(arg, e->disk, e->offset, e->length);
}

/* What the log has behind the point that this site was promoted at. */
static int find_given_up(struct finding *f)
{
    struct group *g = f->g;
    struct index_view *view;

    if (!g->index || g->applied.position >= g->complete.position)
        return 0;
    int r = index_view_open(g->index, g->complete.last_lsn, &view);
    if (r)
        return r;
    r = index_changes(view, g->record.promoted_lsn, entry, f);
    index_view_close(view);
    return r;
}

static int make_room(struct group *g, struct given *given)
{
    for (unsigned i = 0; i < g->record.disks; i++) {
        if (!*g->disks[i].name)
            continue;
        given->bytes[i] = bitmap_bytes(bitmap_granules(g->disks[i].size));
        given->bits[i] = calloc(1, given->bytes[i]);
        if (!given->bits[i])
            return -ENOMEM;
    }
    return 0;
}

/* The point comes before the question: what is written meanwhile is in both rounds. */
static int find_since(struct finding *f, unsigned disk, const struct map_point *since)
{
    struct group_disk *d = &f->g->disks[disk];
    struct writing w = { found, f, disk };

    f->found->since[disk] = map_checkpoint(d->map);
    int r = map_changed(d->map, since, one_written, &w);
    return r == -ESTALE ? found(f, disk, 0, d->size) : r;
}

/* With the turn. */
static int find(struct group *g, bool all, struct given *next)
{
    struct finding f = { g, next };
    int r = make_room(g, next);

    for (unsigned i = 0; !r && i < g->record.disks; i++) {
        if (!next->bits[i])
            continue;
        if (!g->disks[i].map)
            return -EIO;
        if (all)
            needs_bitmap(g, i, next->bits[i], next->bytes[i], 0);
        r = find_since(&f, i, all ? &g->record.disk[i].since : &g->given.since[i]);
    }
    return r || !all ? r : find_given_up(&f);
}

void given_forget(struct given *given)
{
    for (unsigned i = 0; i < DISKS; i++)
        free(given->bits[i]);
    *given = (struct given){ 0 };
}

bool given_bitmap(struct group *g, unsigned disk, void *bitmap, size_t length, uint64_t from)
{
    hold_lock(&g->lock);
    const struct given *given = &g->given;

    if (g->record.role != ROLE_PRIMARY)
        return false;
    memset(bitmap, 0, length);
    if (from < given->bytes[disk])
        memcpy(bitmap, given->bits[disk] + from,
               length < given->bytes[disk] - from ? length : given->bytes[disk] - from);
    return true;
}

/* ---- the commands ---------------------------------------------------------------------------- */

static int may_fetch(struct group *g, const struct command *c, struct weir_text *why)
{
    struct log_end received, durable;
    struct fork fork;
    const struct group_record *r = &g->record;

    log_ends(g->log, &received, &durable);
    const enum kinship kin =
        lineage_compare(&c->lineage, c->lsn, &r->lineage, received.last_lsn, &fork);
    if (r->role == ROLE_PRIMARY && memcmp(r->uuid, c->group, sizeof(r->uuid)) == 0 &&
        kin != KIN_UNRELATED && kin != KIN_NEW)
        return 0;
    weir_print(why, "group \"%s\" is %s, and gives nothing to this source", g->name,
               r->role == ROLE_PRIMARY ? "another one" : "a target");
    return -EPERM;
}

/* Who fetches is remembered before the first byte is given: no demotion but its own may come now.
 */
static int remember(struct group *g, const struct command *c, struct weir_text *why)
{
    cleanup_free struct group_record *next = NULL;

    if (g->record.fetched && memcmp(g->record.source, c->source, sizeof(c->source)) == 0)
        return 0;
    next = malloc(sizeof(*next));
    if (!next)
        return -ENOMEM;
    *next = g->record;
    next->fetched = true;
    memcpy(next->source, c->source, sizeof(next->source));
    int r = group_save(g, next);
    if (r)
        weir_print(why, "the record of group \"%s\" cannot be saved: %s", g->name, strerror(-r));
    return r;
}

int give_back_fetch(struct group *g, const struct command *c, struct weir_text *why)
{
    cleanup_free struct given *next = calloc(1, sizeof(*next));
    int r = next ? may_fetch(g, c, why) : -ENOMEM;

    if (!r)
        r = remember(g, c, why);
    if (r)
        return r;
    pthread_mutex_lock(&g->lock);
    next->leaving = next->left = g->given.leaving;
    pthread_mutex_unlock(&g->lock);
    r = find(g, !c->lsn || !g->given.known, next);
    if (r) {
        given_forget(next);
        return r;
    }
    next->known = true;
    next->number = g->given.number + 1;
    next->granules = count(next);
    hold_lock(&g->lock);
    next->leaving = g->given.leaving; /* an administrator may have given up waiting meanwhile */
    next->left = next->left && next->leaving;
    given_forget(&g->given);
    g->given = *next;
    return 0;
}

int give_back_return(struct group *g, const struct command *c, struct weir_text *why)
{
    pthread_mutex_lock(&g->lock);
    const bool its = g->record.role == ROLE_PRIMARY && g->record.fetched &&
                     memcmp(g->record.source, c->source, sizeof(c->source)) == 0;
    const bool left = g->given.left && c->lsn == g->given.number;
    pthread_mutex_unlock(&g->lock);
    if (!its) {
        weir_print(why, "group \"%s\" gives nothing back to this source", g->name);
        return -EPERM;
    }
    if (!left) {
        weir_print(why, "the disks of group \"%s\" are used here", g->name);
        return -EBUSY;
    }
    return group_become_target(g, why);
}

/* As a frame does, so that no image is closed meanwhile. */
static struct medium_file *enter(struct group *g, unsigned disk)
{
    hold_lock(&g->lock);
    while (g->closed)
        pthread_cond_wait(&g->changed, &g->lock);
    if (g->record.role != ROLE_PRIMARY || !g->record.fetched)
        return NULL;
    g->receiving += g->disks[disk].head != NULL;
    return g->disks[disk].head;
}

static void leave(struct group *g)
{
    hold_lock(&g->lock);
    g->receiving--;
    pthread_cond_broadcast(&g->changed);
}

int group_read_head(struct group *g, unsigned disk, void *data, size_t length, uint64_t offset)
{
    struct medium_file *head = enter(g, disk);

    if (!head)
        return -EPERM;
    int r = file_read(head, data, length, offset);
    leave(g);
    return r;
}

/* ---- an administrator ------------------------------------------------------------------------ */

/* With the lock. */
static int wait_for_source(struct group *g)
{
    const uint64_t until = now_ns() + LEAVE_SECONDS * SECOND_NS;

    g->given.leaving = true;
    while (g->record.role == ROLE_PRIMARY && !g->stopping)
        if (cond_wait_until(&g->changed, &g->lock, until) == ETIMEDOUT)
            break;
    if (g->record.role == ROLE_TARGET)
        return 0;
    g->given.leaving = g->given.left = false;
    return -EAGAIN;
}

int group_leave(struct group *g, struct weir_text *answer, struct weir_text *why)
{
    hold_lock(&g->lock);
    int r = group_nobody_served(g, why);

    if (!r && (r = wait_for_source(g)))
        weir_print(why,
                   "the source has not fetched the rest of group \"%s\" in %d s: is it connected?  "
                   "The disks are here as they were",
                   g->name, LEAVE_SECONDS);
    if (!r)
        weir_print(answer,
                   "the source has all that was written to group \"%s\", which is its target from "
                   "now on",
                   g->name);
    return r;
}
