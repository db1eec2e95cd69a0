/* member.c - how do disks come to a group and leave it, and when does it run?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A group runs while all disks that its record names are here: one that is missing may have writes
 * that the target lacks, and a state(k) would not be one without them. */
#include "replication.h"
#include "step.h"
#include "thread.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* ---- start and stop, with `running` ------------------------------------------------------------
 */

static void end_threads(struct group *g, unsigned started)
{
    pthread_t *const threads[] = { &g->sender, &g->copier, &g->keeper };

    pthread_mutex_lock(&g->lock);
    g->stopping = true;
    group_wake(g);
    pthread_mutex_unlock(&g->lock);
    for (unsigned i = started; i-- > 0;)
        pthread_join(*threads[i], NULL);
}

static int start_threads(struct group *g, struct weir_text *why)
{
    void *(*const mains[])(void *) = { sender_main, copier_main, keeper_main };
    pthread_t *const threads[] = { &g->sender, &g->copier, &g->keeper };

    for (unsigned i = 0; i < 3; i++) {
        int r = thread_start(threads[i], mains[i], g);
        if (!r)
            continue;
        weir_print(why, "group %s: no thread to replicate with: %s", g->name, strerror(-r));
        end_threads(g, i);
        return r;
    }
    return 0;
}

/* What the target has it will say; what waits, waits until then.  With the lock: of a group of
 * several disks some are served already. */
static void begin_anew(struct group *g)
{
    g->received_lsn = g->durable_lsn = g->complete_lsn = 0;
    g->complete_durable = g->flushed_lsn = g->copied_lsn = g->marked_lsn = 0;
    g->initial = !g->record.synced;
    g->stop = g->record.detached ? STOP_DETACHED : g->record.fenced ? STOP_FENCED : STOP_NONE;
    g->lost_at = g->complete_time = now_ns();
    g->connected = g->met = g->degraded = g->ahead = false;
    g->alone_again = g->trusted = g->marked_all = false;
    g->stopping = g->holding = g->lost = false;
    g->mend_lsn = g->token = 0;
    g->started = true;
}

static int group_start(struct group *g, struct weir_text *why)
{
    pthread_mutex_lock(&g->lock);
    if (g->lsn < g->record.ceiling)
        g->lsn = g->record.ceiling;
    const uint64_t next = g->lsn + LSN_AHEAD;
    g->record.ceiling = source_does(CEILING_BEFORE_USE) ? next : g->lsn;
    pthread_mutex_unlock(&g->lock);
    int r = record_save(g);
    if (r)
        weir_print(why, "group %s: its record cannot be saved: %s", g->name, strerror(-r));
    if (!r)
        r = spill_open(g, why);
    if (r) {
        spill_close(g);
        return r;
    }
    pthread_mutex_lock(&g->lock);
    begin_anew(g);
    g->reserved = next;
    pthread_mutex_unlock(&g->lock);
    r = start_threads(g, why);
    if (!r)
        return 0;
    pthread_mutex_lock(&g->lock);
    g->started = false;
    stream_drop(g);
    pthread_mutex_unlock(&g->lock);
    spill_close(g);
    return r;
}

/* What is under way gets a moment to arrive; what does not is dirty. */
static void group_stop(struct group *g)
{
    const uint64_t limit = now_ns() + 2 * SECOND_NS;

    pthread_mutex_lock(&g->lock);
    while (g->connected && !g->lost && g->first && now_ns() < limit) {
        g->wanted_durable = g->lsn;
        pthread_cond_broadcast(&g->work);
        cond_wait_until(&g->changed, &g->lock, limit);
    }
    pthread_mutex_unlock(&g->lock);
    end_threads(g, 3);
    pthread_mutex_lock(&g->lock);
    g->started = false;
    pthread_cond_broadcast(&g->changed); /* nobody hands over any more */
    stream_drop(g);
    g->record.ceiling = g->lsn;
    g->record.durable = g->durable_lsn;
    pthread_mutex_unlock(&g->lock);
    record_save(g); /* else the next start finds a higher one, which is as good */
    spill_close(g);
}

/* ---- join and leave -----------------------------------------------------------------------------
 */

static int number_of(const struct group *g, const char *name)
{
    for (unsigned i = 0; i < g->record.count; i++)
        if (!strcmp(g->record.name[i], name))
            return (int)i;
    return -1;
}

/* A record of its own counts if it is newer than what the others brought. */
static void adopt(struct group *g, const struct group_record *own)
{
    if (g->started || own->sequence <= g->record.sequence)
        return;
    g->record = *own;
    /* the others were told numbers by an older one: each has its own name in both */
    struct disk *disks[DISKS];
    memcpy(disks, g->disks, sizeof disks);
    memset(g->disks, 0, sizeof g->disks);
    for (unsigned i = 0; i < DISKS; i++) {
        int n = disks[i] ? number_of(g, disks[i]->name) : -1;
        if (n < 0)
            continue;
        disks[i]->number = (unsigned)n;
        g->disks[n] = disks[i];
    }
}

static int find_place(struct group *g, struct disk *d, bool known, struct weir_text *why)
{
    int n = number_of(g, d->name);

    if (n >= 0 && g->disks[n]) {
        weir_print(why, "group %s has a disk \"%s\" already", g->name, d->name);
        return -EEXIST;
    }
    if (n < 0 && g->record.count >= DISKS) {
        weir_print(why, "group %s has %u disks: more do not fit", g->name, g->record.count);
        return -ENOSPC;
    }
    if (strlen(d->name) >= NAME_LENGTH) {
        weir_print(why, "the export's name is longer than %d bytes", NAME_LENGTH - 1);
        return -ENAMETOOLONG;
    }
    if (n < 0 && g->record.count && g->config.target_type == TARGET_PLAIN) {
        weir_print(why, "a plain target takes one disk: give each its own target");
        return -EINVAL;
    }
    if (n < 0) {
        n = (int)g->record.count++;
        strcpy(g->record.name[n], d->name);
    }
    if (!known) /* whatever its map says was about another group */
        map_mark_all(d->map);
    d->number = (unsigned)n;
    d->declare = true;
    g->disks[n] = d;
    return 0;
}

static int join(struct group *g, struct disk *d, const struct group_record *own,
                struct weir_text *why)
{
    pthread_mutex_lock(&g->lock);
    if (own)
        adopt(g, own);
    if (!g->record.count && !g->record.sequence) {
        getrandom(g->record.uuid, sizeof g->record.uuid, 0); /* so few bytes never fail to come */
        getrandom(g->record.source, sizeof g->record.source, 0);
    }
    const unsigned before = g->record.count;
    bool known = own && !memcmp(own->uuid, g->record.uuid, sizeof own->uuid);
    int r = find_place(g, d, known, why);
    if (!r && g->lsn < g->record.ceiling)
        g->lsn = g->record.ceiling;
    bool start = !r && !g->started && group_whole(g);
    const bool fenced = g->record.fenced;
    pthread_mutex_unlock(&g->lock);
    if (r)
        return r;
    if (!known) /* all is dirty, durably, before the record says that it belongs here */
        r = map_sync(d->map);
    if (!r && fenced)
        group_fence(g); /* before the first request */
    if (!r)
        r = start ? group_start(g, why) : record_save(g);
    if (!r)
        return 0;
    pthread_mutex_lock(&g->lock);
    g->disks[d->number] = NULL;
    g->record.count = before; /* or the group would wait for a disk that it never had */
    pthread_mutex_unlock(&g->lock);
    return r;
}

int group_join(struct disk *d, const struct replication_config *c, struct weir_text *why)
{
    struct group_record own;
    struct group *g;
    int found = record_load(d->medium, &own);

    if (found && found != -ENOENT) {
        weir_print(why,
                   "the record of the group (\"group\" in the state folder) cannot be read: %s",
                   strerror(-found));
        return found;
    }
    int r = group_find(d, c, &g, why);
    if (r)
        return r;
    pthread_mutex_lock(&g->running);
    d->group = g;
    r = join(g, d, found ? NULL : &own, why);
    pthread_mutex_unlock(&g->running);
    if (r)
        group_forget(g);
    return r;
}

void group_leave(struct disk *d)
{
    struct group *g = d->group;

    pthread_mutex_lock(&g->running);
    if (g->started)
        group_stop(g);
    pthread_mutex_lock(&g->saving);
    pthread_mutex_lock(&g->lock);
    g->disks[d->number] = NULL;
    pthread_mutex_unlock(&g->lock);
    pthread_mutex_unlock(&g->saving);
    pthread_mutex_unlock(&g->running);
    group_forget(g);
}

/* ---- standing still
 * ------------------------------------------------------------------------------- */

static bool waits_for(const struct use *list, const struct disk *d)
{
    for (; list; list = list->next)
        if (list->disk == d)
            return true;
    return false;
}

static void release_of(struct use *list, struct disk *d, int error)
{
    while (list) {
        struct use *next = list->next;
        if (list->disk == d)
            ack_resume(d->group, list, error);
        list = next;
    }
}

void group_release(struct disk *d, int error)
{
    release_of(d->group->waiting, d, error);
    release_of(d->group->flushes, d, error);
}

void group_pause(struct disk *d, bool pause)
{
    struct group *g = d->group;
    const uint64_t limit = now_ns() + atomic_load(&g->peer_timeout);

    pthread_mutex_lock(&g->lock);
    while (pause && g->connected && !g->lost && now_ns() < limit &&
           (waits_for(g->waiting, d) || waits_for(g->flushes, d)))
        cond_wait_until(&g->changed, &g->lock, limit);
    d->patience = limit;
    atomic_store(&d->drained, pause);
    while (pause && g->copying)
        pthread_cond_wait(&g->changed, &g->lock);
    if (pause)
        group_release(d, ESHUTDOWN);
    group_wake(g);
    pthread_mutex_unlock(&g->lock);
}
