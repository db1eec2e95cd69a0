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

/* One block that is to be moved; its page is in the segment that was read. */
struct move {
    uint64_t key;
    uint32_t place, slot, crc; /* slot NOWHERE: to the head */
    uint32_t seen;             /* its number of changes then */
    uint8_t mask;
};

/* The segment at the tail. */
struct segment {
    uint64_t first; /* position */
    struct move move[SEGMENT_PAGES];
    unsigned moves;
    uint8_t *data; /* NULL: it could not be read */
};

/* Under the lock.  Nobody is there to destage it, or its store does not take it: that is not to be
 * in the way of other disks.  But what is carried to the head comes after what was written later,
 * so a disk that asks for its order keeps its place, and the others write past the pool. */
static bool is_orphan(const struct pool *p, uint32_t place)
{
    const struct disk *d = p->disk[key_disk(policy_key(p->policy, place))];

    return !d || (d->store_error && atomic_load(&d->order) == ORDER_FAST);
}

static uint8_t mask_of(struct pool *p, uint32_t place)
{
    const struct pieces *all = partials_of(&p->partials, policy_key(p->policy, place), false);

    for (unsigned i = 0; all && i < all->count; i++)
        if (all->piece[i].place == place)
            return all->piece[i].mask;
    return !all && (policy_state(p->policy, place) & PLACE_CURRENT) ? EVERY_SECTOR : 0;
}

static void add_move(struct pool *p, struct segment *s, uint32_t place, uint32_t slot)
{
    s->move[s->moves++] = (struct move){ policy_key(p->policy, place),
                                         place,
                                         slot,
                                         policy_crc(p->policy, place),
                                         *changes_of(p, policy_key(p->policy, place)),
                                         mask_of(p, place) };
}

static int load(struct pool *p, struct segment *s)
{
    s->data = s->data ? s->data : aligned_alloc(BLOCK, (size_t)SEGMENT_PAGES * BLOCK);
    if (!s->data)
        return -ENOMEM;
    int r = media_read(p->media, s->data, (size_t)SEGMENT_PAGES * BLOCK,
                       place_offset(p, (uint32_t)(s->first % p->super.log_pages)));
    if (r) {
        atomic_fetch_add(&p->pool_errors, 1);
        free(s->data);
        s->data = NULL;
    }
    return r;
}

static const uint8_t *page_of(const struct pool *p, const struct segment *s, const struct move *m)
{
    return s->data + (m->place - s->first % p->super.log_pages) * BLOCK;
}

/* ---- what nobody destages goes to the head --------------------------------------------- */

/* Under the lock.  False: a dirty block is in the way.  Orphans are put among the
 * moves. */
static bool find_orphans(struct pool *p, struct segment *s)
{
    for (unsigned i = 0; i < SEGMENT_PAGES; i++) {
        const uint32_t place = (uint32_t)((s->first + i) % p->super.log_pages);
        if (!(policy_state(p->policy, place) & PLACE_DIRTY))
            continue;
        if (!is_orphan(p, place))
            return false;
        if (mask_of(p, place))
            add_move(p, s, place, NOWHERE);
        else
            pool_clean(p, place); /* newer versions have all of it */
    }
    return true;
}

/* Somebody may write a block on its way: then what is carried would come after what is newer, and
 * be taken for it.  Such a one is void (install_seal()), and its segment is gone over again. */
static int carry(struct pool *p, const struct segment *s)
{
    struct log_entry entry[SEGMENT_PAGES];
    const void *page[SEGMENT_PAGES];
    uint32_t seen[SEGMENT_PAGES];
    struct fill owner = { seen };
    int r = 0;

    pthread_mutex_lock(&p->lock);
    r = partials_reserve(&p->partials, p->promised + s->moves);
    p->promised += r ? 0 : s->moves;
    pthread_mutex_unlock(&p->lock);
    if (r)
        return r;
    for (unsigned done = 0; !r && done < s->moves;) {
        struct log_append a = {
            .entry = entry, .page = page, .last_reserve = true, .begins = true, .owner = &owner
        };
        for (; a.count < RECORD_ENTRIES && done < s->moves; a.count++, done++) {
            const struct move *m = &s->move[done];
            page[a.count] = page_of(p, s, m);
            seen[a.count] = m->seen;
            entry[a.count] = (struct log_entry){
                .key = m->key, .type = ENTRY_DIRTY, .mask = m->mask, .crc = m->crc
            };
        }
        r = log_append(p->log, &a);
    }
    pthread_mutex_lock(&p->lock);
    p->promised -= s->moves;
    pthread_mutex_unlock(&p->lock);
    return r;
}

/* ---- what is clean goes to slots, or is forgotten ---------------------------------------- */

/* Under the lock.  All of the segment or, for a dirty block, nothing: what RAM forgets of a segment
 * that stays would come back from there after a crash. */
static bool judge(struct pool *p, struct segment *s)
{
    uint32_t slot;

    for (unsigned i = 0; i < SEGMENT_PAGES; i++)
        if (policy_state(p->policy, (uint32_t)((s->first + i) % p->super.log_pages)) & PLACE_DIRTY)
            return false;
    for (unsigned i = 0; i < SEGMENT_PAGES; i++) {
        const uint32_t place = (uint32_t)((s->first + i) % p->super.log_pages);
        if (policy_tail(p->policy, place, &slot) == FATE_MOVE)
            add_move(p, s, place, slot);
    }
    p->scanned = s->first + SEGMENT_PAGES;
    return true;
}

/* The page goes to its slot, if it is what it should be. */
static int copy(struct pool *p, const struct segment *s, const struct move *m)
{
    if (block_crc(m->key, page_of(p, s, m)) != m->crc) {
        atomic_fetch_add(&p->crc_errors, 1);
        return -EILSEQ;
    }
    return write_slot(p, m->slot, page_of(p, s, m));
}

/* A clean block that cannot be copied: the store has it. */
static void give_up(struct pool *p, const struct move *m)
{
    policy_drop(p->policy, m->slot); /* it was promised */
    if (policy_key(p->policy, m->place) == m->key &&
        policy_state(p->policy, m->place) == PLACE_CURRENT)
        policy_drop(p->policy, m->place);
}

static void move_all(struct pool *p, const struct segment *s)
{
    for (unsigned i = 0; i < s->moves; i++) {
        const struct move *m = &s->move[i];
        int error = s->data ? copy(p, s, m) : -EIO;
        pthread_mutex_lock(&p->lock);
        if (error)
            give_up(p, m);
        else
            policy_move(p->policy, m->place, m->slot);
        pthread_mutex_unlock(&p->lock);
    }
}

/* ---- a segment ------------------------------------------------------------------------------ */

static int reclaim_one(struct pool *p, struct segment *s, bool *done)
{
    int r = 0;

    pthread_mutex_lock(&p->lock);
    *done = find_orphans(p, s);
    p->carries = *done && s->moves;
    pthread_mutex_unlock(&p->lock);
    if (!*done)
        return 0;
    if (s->moves) {
        const int error = load(p, s);
        r = error ? 0 : carry(p, s);
        pthread_mutex_lock(&p->lock);
        p->carries = false;
        pthread_cond_broadcast(&p->moved);
        pthread_mutex_unlock(&p->lock);
        *done = !error && !r;
        if (!*done)
            return r == -EAGAIN ? 0 : r;
        s->moves = 0;
    }
    pthread_mutex_lock(&p->lock);
    *done = judge(p, s); /* false: the disk of an orphan has come */
    pthread_mutex_unlock(&p->lock);
    if (*done && s->moves && !s->data)
        load(p, s); /* else they are given up */
    if (*done)
        move_all(p, s);
    return 0;
}

int reclaim_segment(struct pool *p, bool *done)
{
    struct segment *s = malloc(sizeof(*s));
    struct log_place log;
    int r = 0;

    if (!s)
        return -ENOMEM;
    pthread_mutex_lock(&p->saving);
    log_where(p->log, &log);
    s->first = p->scanned;
    s->moves = 0;
    s->data = NULL;
    *done = s->first + SEGMENT_PAGES <= log.head / SEGMENT_PAGES * SEGMENT_PAGES;
    if (*done)
        r = reclaim_one(p, s, done);
    pthread_mutex_unlock(&p->saving);
    free(s->data);
    free(s);
    return r;
}
