/* reclaim.c - how does the log get room?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The log is the small queue, so its tail is where blocks leave it: those that were hit are copied
 * to slots, the others are forgotten, and a dirty one stops the tail until it has been destaged;
 * but one of a disk that is not attached, or whose store fails, goes to the log's head again.
 * A segment that has been gone through is free when the next checkpoint says so durably: until then
 * a crash would read it again, and find what it finds. */
#include "pool.h"

#include "disk.h"

#include <errno.h>
#include <stdlib.h>

/* One block that is to be copied; its page is in the segment that was read. */
struct move {
    uint64_t key;
    uint32_t place, slot, crc; /* slot NOWHERE: to the head */
    uint8_t mask;
};

/* Under the lock.  Dirty, and nobody is there to destage it, or its store does not take it: that
 * is not to be in the way of other disks. */
static bool is_orphan(const struct pool *p, uint32_t place)
{
    const struct disk *d = p->disk[key_disk(policy_key(p->policy, place))];

    return !d || d->store_error;
}

static uint8_t mask_of(struct pool *p, uint32_t place)
{
    const struct pieces *all = partials_of(&p->partials, policy_key(p->policy, place), false);

    for (unsigned i = 0; all && i < all->count; i++)
        if (all->piece[i].place == place)
            return all->piece[i].mask;
    return !all && (policy_state(p->policy, place) & PLACE_CURRENT) ? EVERY_SECTOR : 0;
}

static struct move move_of(struct pool *p, uint32_t place, uint32_t slot)
{
    return (struct move){ policy_key(p->policy, place), place, slot, policy_crc(p->policy, place),
                          mask_of(p, place) };
}

/* Under the lock.  False: a dirty block is in the way.  Else `carry` has those that are to go to
 * the head first. */
static bool look(struct pool *p, uint64_t first, struct move *carry, unsigned *carries)
{
    for (uint64_t at = first; at < first + SEGMENT_PAGES; at++) {
        uint32_t place = (uint32_t)(at % p->super.log_pages);
        if (!(policy_state(p->policy, place) & PLACE_DIRTY))
            continue;
        if (!is_orphan(p, place))
            return false;
        if (!mask_of(p, place))
            pool_clean(p, place); /* newer versions have all of it */
        else
            carry[(*carries)++] = move_of(p, place, NOWHERE);
    }
    return true;
}

/* Under the lock.  What is to be moved to slots; the rest is forgotten. */
static void judge(struct pool *p, uint64_t first, struct move *move, unsigned *moves)
{
    for (uint64_t at = first; at < first + SEGMENT_PAGES; at++) {
        uint32_t place = (uint32_t)(at % p->super.log_pages), slot;
        if (policy_tail(p->policy, place, &slot) == FATE_MOVE)
            move[(*moves)++] = move_of(p, place, slot);
    }
}

/* The page of a block that is to be moved goes to its slot, if it is what it should be. */
static int copy(struct pool *p, const struct move *m, const uint8_t *segment, uint64_t first)
{
    const uint64_t at = m->place - first % p->super.log_pages;
    const uint8_t *page = segment + at * BLOCK;

    if (block_crc(m->key, page) != m->crc) {
        atomic_fetch_add(&p->crc_errors, 1);
        return -EILSEQ;
    }
    return write_slot(p, m->slot, page);
}

/* A dirty block, to the head: the same bytes as a new version. */
static int carry(struct pool *p, const struct move *m, const uint8_t *page)
{
    struct log_entry entry = { .key = m->key, .type = ENTRY_DIRTY, .mask = m->mask, .crc = m->crc };
    const void *pages = page;
    struct log_append a = { .entry = &entry, .count = 1, .page = &pages, .last_reserve = true };

    pthread_mutex_lock(&p->lock);
    int r = partials_reserve(&p->partials, p->promised + 1);
    p->promised += !r;
    pthread_mutex_unlock(&p->lock);
    if (r)
        return r;
    r = log_append(p->log, &a);
    pthread_mutex_lock(&p->lock);
    p->promised--;
    pthread_mutex_unlock(&p->lock);
    return r;
}

/* A clean block that cannot be copied: the store has it. */
static void give_up(struct pool *p, const struct move *m)
{
    policy_drop(p->policy, m->slot); /* it was promised */
    if (policy_key(p->policy, m->place) == m->key &&
        policy_state(p->policy, m->place) == PLACE_CURRENT)
        policy_drop(p->policy, m->place);
}

static void move_one(struct pool *p, const struct move *m, const uint8_t *segment, uint64_t first,
                     int error)
{
    if (!error)
        error = copy(p, m, segment, first);
    pthread_mutex_lock(&p->lock);
    if (error)
        give_up(p, m);
    else
        policy_move(p->policy, m->place, m->slot);
    pthread_mutex_unlock(&p->lock);
}

static int read_segment(struct pool *p, uint64_t first, uint8_t *segment)
{
    int r = media_read(p->media, segment, (size_t)SEGMENT_PAGES * BLOCK,
                       place_offset(p, (uint32_t)(first % p->super.log_pages)));

    if (r)
        atomic_fetch_add(&p->pool_errors, 1);
    return r;
}

/* All of a segment or nothing: a block that was forgotten, in a segment that a crash would still
 * read, is one that nobody tells the log of when it is written past the pool. */
static int reclaim(struct pool *p, uint64_t first, struct move *move, uint8_t *segment, bool *done)
{
    unsigned moves = 0;
    int r = 0;

    pthread_mutex_lock(&p->lock);
    *done = look(p, first, move, &moves);
    pthread_mutex_unlock(&p->lock);
    if (!*done)
        return 0;
    int error = moves ? read_segment(p, first, segment) : 0;
    *done = !error;
    for (unsigned i = 0; *done && !r && i < moves; i++)
        r = carry(p, &move[i], segment + (move[i].place - first % p->super.log_pages) * BLOCK);
    *done &= !r;
    if (!*done)
        return r == -EAGAIN ? 0 : r;
    moves = 0;
    pthread_mutex_lock(&p->lock);
    judge(p, first, move, &moves);
    pthread_mutex_unlock(&p->lock);
    error = moves ? read_segment(p, first, segment) : 0;
    for (unsigned i = 0; i < moves; i++)
        move_one(p, &move[i], segment, first, error);
    pthread_mutex_lock(&p->lock);
    p->scanned = first + SEGMENT_PAGES;
    pthread_mutex_unlock(&p->lock);
    return 0;
}

int reclaim_segment(struct pool *p, bool *done)
{
    struct move *move = malloc(SEGMENT_PAGES * sizeof(*move));
    uint8_t *segment = aligned_alloc(BLOCK, (size_t)SEGMENT_PAGES * BLOCK);
    struct log_place log;
    int r = move && segment ? 0 : -ENOMEM;

    log_where(p->log, &log);
    const uint64_t first = p->scanned; /* the keeper alone moves it */
    *done = first + SEGMENT_PAGES <= log.head / SEGMENT_PAGES * SEGMENT_PAGES;
    if (!r && *done)
        r = reclaim(p, first, move, segment, done);
    *done &= !r;
    free(segment);
    free(move);
    return r;
}
