/* keeper.c - who keeps room in the log?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * One thread for each pool.  It goes over the log's tail while there is little room, and brings the
 * pool up to date every few seconds, so that a crash loses little of what is clean. */
#include "disk.h"
#include "pool.h"
#include "thread.h"

#include <errno.h>

enum { REST = 5 };     /* seconds between checkpoints, if there is anything to say */
enum { PATIENCE = 1 }; /* seconds until a waiting writer looks again */

/* Pages below which the keeper works.  What is kept free holds no blocks, so it is little: as much
 * as a burst of writes fills while a checkpoint is under way. */
static uint64_t room_least(const struct pool *p)
{
    enum { LEAST = 2 * SEGMENT_PAGES, MOST = 32 * SEGMENT_PAGES };
    const uint64_t part = p->super.log_pages / 32;

    return part < LEAST ? LEAST : part > MOST ? MOST : part;
}

/* … until there are as many. */
static uint64_t room_goal(const struct pool *p)
{
    return room_least(p) * 3 / 2;
}

/* Pages that will be free with the next checkpoint. */
static uint64_t room_soon(struct pool *p, const struct log_place *log)
{
    return log_room(p->log) + p->scanned - log->tail;
}

/* Gives *waits: a dirty block is in the way of the room that is wanted. */
static int reclaim(struct pool *p, bool *gained, bool *waits)
{
    struct log_place log;
    bool more = true;
    int r = 0;

    *waits = *gained = false;
    log_where(p->log, &log);
    while (!r && more && room_soon(p, &log) < room_goal(p)) {
        r = reclaim_segment(p, &more);
        *gained |= more;
    }
    *waits = !more;
    return r;
}

static void hurry_disks(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    for (unsigned i = 0; i < DISKS_MAX; i++)
        if (p->disk[i] && p->disk[i]->dirty) {
            p->disk[i]->hurry = true;
            pthread_cond_signal(&p->disk[i]->work);
        }
    pthread_mutex_unlock(&p->lock);
}

int keeper_step(struct pool *p, bool *waits)
{
    bool gained;
    int r = reclaim(p, &gained, waits);

    if (!r && gained)
        r = checkpoint(p);
    if (r && r != -ENOMEM)
        pool_broke(p, -r);
    if (*waits)
        hurry_disks(p);
    if (!gained && !r)
        return 0; /* whoever waits would look in vain, and ask again at once */
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->moved);
    pthread_mutex_unlock(&p->lock);
    return r;
}

/* ---- the thread -------------------------------------------------------------------- */

static bool has_many_marks(const struct pool *p)
{
    return p->intents.count >= p->marks_kept + MARKS_MOST;
}

static bool has_news(const struct pool *p)
{
    return p->drops || p->drops_lost || p->intents.count || p->untolds || p->slot_writes != p->told;
}

/* Waits until there is something to do; false: it is time to end. */
static bool wait_for_work(struct pool *p, bool *rested)
{
    const uint64_t until = now_ns() + REST * SECOND_NS;

    *rested = false;
    pthread_mutex_lock(&p->lock);
    while (!p->stop && !p->room_wanted && !has_many_marks(p) && !*rested)
        *rested = cond_wait_until(&p->work, &p->lock, until) == ETIMEDOUT;
    bool stop = p->stop;
    p->room_wanted = false;
    pthread_mutex_unlock(&p->lock);
    return !stop;
}

/* Under the lock.  The curve is of what guests do now, and for a while back. */
static void fade_curves(struct pool *p)
{
    const uint64_t most = 1ull << 24; /* blocks that were asked for: 64 GiB */

    for (unsigned i = 0; i < DISKS_MAX; i++)
        if (p->disk[i] && p->disk[i]->mrc && mrc_references(p->disk[i]->mrc) > most)
            mrc_fade(p->disk[i]->mrc);
}

static void *run(void *arg)
{
    struct pool *p = arg;
    bool rested, waits;

    while (wait_for_work(p, &rested)) {
        if (p->error)
            continue;
        keeper_step(p, &waits);
        pool_autotune(p);
        pthread_mutex_lock(&p->lock);
        bool news = has_news(p) && (rested || has_many_marks(p));
        p->told = p->slot_writes;
        if (rested)
            fade_curves(p);
        pthread_mutex_unlock(&p->lock);
        int r = news && !p->error ? tell_rest(p) : 0;
        if (news && !p->error && (!r || r == -EAGAIN))
            r = checkpoint(p);
        if (r && r != -ENOMEM)
            pool_broke(p, -r);
    }
    return NULL;
}

int keeper_start(struct pool *p)
{
    int r = thread_start(&p->keeper, run, p);

    p->keeper_runs = !r;
    return r;
}

void keeper_stop(struct pool *p)
{
    if (!p->keeper_runs)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->keeper, NULL);
    p->keeper_runs = false;
}

/* ---- who waits for it --------------------------------------------------------------- */

void pool_nudge(struct pool *p)
{
    if (log_room(p->log) >= room_least(p))
        return;
    pthread_mutex_lock(&p->lock);
    p->room_wanted = true;
    pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
}

/* Under the lock: blocks of a disk whose store does not take them. */
static bool others_fail(const struct pool *p, const struct disk *d)
{
    for (unsigned i = 0; i < DISKS_MAX; i++)
        if (p->disk[i] && p->disk[i] != d && p->disk[i]->store_error)
            return true;
    return false;
}

/* Why there will be no room, or 0. */
static int why_none(const struct pool *p, const struct disk *d)
{
    if (p->error)
        return -p->error;
    if (d->store_error)
        return d->store_error;
    return !d->dirty && others_fail(p, d) ? -EBUSY : 0;
}

static bool has_room(struct pool *p, unsigned pages)
{
    return p->dirty < p->dirty_most && log_has_room(p->log, pages);
}

static int make_room_by_hand(struct pool *p, unsigned pages)
{
    bool waits, left;
    int r = 0;

    for (int i = 0; !r && i < 64 && !has_room(p, pages); i++) {
        r = keeper_step(p, &waits);
        for (unsigned n = 0; !r && n < DISKS_MAX && !has_room(p, pages); n++)
            if (p->disk[n])
                r = destage_step(p->disk[n], &left);
    }
    return r || has_room(p, pages) ? r : -ENOSPC;
}

int pool_wait_for_room(struct pool *p, struct disk *d, unsigned pages)
{
    int r = 0;

    if (p->by_hand)
        return make_room_by_hand(p, pages);
    pthread_mutex_lock(&p->lock);
    d->writers++;
    /* a store that fails is nobody's concern as long as there is room */
    while (!(r = -p->error) && !has_room(p, pages) && !(r = why_none(p, d))) {
        p->room_wanted = true; /* where dirty blocks are in its way, the keeper says hurry */
        pthread_cond_signal(&p->work);
        if (p->dirty >= p->dirty_most) {
            d->hurry = true;
            pthread_cond_signal(&d->work);
        }
        cond_wait_until(&p->moved, &p->lock, now_ns() + PATIENCE * SECOND_NS);
    }
    d->writers--;
    pthread_mutex_unlock(&p->lock);
    return r;
}
