/* map.c - how is a map opened, believed or not, and closed?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "instant.h"
#include "map-private.h"
#include "thread.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

uint64_t map_size(const struct map *m)
{
    return atomic_load_explicit(&m->size, memory_order_acquire);
}

uint64_t map_intents(const struct map *m)
{
    return atomic_load(&m->intents);
}

/* ---- memory ---------------------------------------------------------------------------------- */

int table_grow(struct map *m, uint64_t size)
{
    struct table *old = atomic_load(&m->table);
    const uint64_t have = old ? old->chunks : 0, need = (extents_of(size) + CHUNK - 1) / CHUNK;

    if (old && need <= have)
        return 0;
    struct table *new = calloc(1, sizeof(*new) + need * sizeof(struct chunk *));
    if (!new)
        return -ENOMEM;
    for (; new->chunks < need; new->chunks++) {
        struct chunk *c =
            new->chunks < have ? old->chunk[new->chunks] : calloc(1, sizeof(struct chunk));
        if (!c) {
            while (new->chunks > have)
                free(new->chunk[--new->chunks]);
            free(new);
            return -ENOMEM;
        }
        new->chunk[new->chunks] = c;
    }
    new->older = old;
    atomic_store(&m->table, new);
    return 0;
}

static void table_free(struct table *t)
{
    for (uint64_t i = 0; t && i < t->chunks; i++)
        free(t->chunk[i]);
    for (struct table *older; t; t = older) {
        older = t->older;
        free(t);
    }
}

static void map_free(struct map *m)
{
    table_free(atomic_load(&m->table));
    free(m->sector);
    free(m->unwritten);
    if (m->pages)
        m->pages->close(m->pages);
    if (m->marks)
        m->marks->close(m->marks);
    pthread_cond_destroy(&m->commit);
    pthread_cond_destroy(&m->keep);
    pthread_cond_destroy(&m->done);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static struct map *map_new(const struct map_setup *setup)
{
    struct map *m = calloc(1, sizeof(*m));

    if (!m)
        return NULL;
    m->period = (setup->cold_ms ? setup->cold_ms : 5000) / TICKS;
    if (!m->period)
        m->period = 1;
    m->manual = setup->manual;
    m->settle = setup->settle;
    m->settle_arg = setup->arg;
    m->last = &m->first;
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->commit, NULL);
    pthread_cond_init(&m->keep, NULL);
    pthread_cond_init(&m->done, NULL);
    return m;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int refuse(struct weir_text *why, const char *name, const char *what, int error)
{
    weir_print(why, "the map %s %s: %s", name, what, strerror(-error));
    return error;
}

static int open_files(struct map *m, const struct map_setup *setup, struct weir_text *why)
{
    const unsigned flags = MEDIUM_CREATE | MEDIUM_EXCLUSIVE;
    char *intents;

    if (asprintf(&intents, "%s.intent", setup->name) < 0)
        return -ENOMEM;
    int r = setup->medium->open(setup->medium, setup->name, flags, &m->pages);
    if (!r)
        r = setup->medium->open(setup->medium, intents, flags, &m->marks);
    free(intents);
    if (r == -EBUSY)
        weir_print(why,
                   "the map %s is in use by another gateway or program: a disk's map belongs to "
                   "one",
                   setup->name);
    else if (r)
        refuse(why, setup->name, "cannot be opened", r);
    return r;
}

/* What it will take at most, so that a full file system is noticed now. */
static int need_room(const struct map_setup *setup, struct weir_text *why)
{
    const uint64_t need = pages_of(setup->size) * PAGE_SIZE + (1 << 20);
    uint64_t room;

    int r = setup->medium->free_bytes(setup->medium, &room);
    if (r)
        return refuse(why, setup->name, "lies where the room cannot be seen", r);
    if (room >= need)
        return 0;
    weir_print(why,
               "the map %s needs %" PRIu64 " MiB, and its file system has %" PRIu64
               " MiB: make room there, or give the map another folder",
               setup->name, need >> 20, room >> 20);
    return -ENOSPC;
}

/* ---- believed or not ------------------------------------------------------------------------- */

/* Another id first, in the intents: until the header has it, too, what is there is not believed. */
static int start_fresh(struct map *m, const struct map_setup *setup, struct weir_text *why)
{
    int r = need_room(setup, why);

    if (r)
        return r;
    if (getrandom(m->id, sizeof(m->id), 0) != sizeof(m->id))
        return -EIO;
    atomic_store(&m->epoch, 1);
    atomic_store(&m->reserved, 0);
    atomic_store(&m->size, setup->size);
    atomic_store(&m->intents, 0);
    m->sectors = m->sequence = 0;
    r = table_grow(m, setup->size);
    if (!r)
        r = intents_make(m, extents_of(setup->size));
    if (!r)
        r = m->pages->truncate(m->pages, 0);
    if (!r)
        r = header_write(m, false, 0, setup->size);
    if (!r)
        r = setup->medium->sync(setup->medium);
    if (r)
        return refuse(why, setup->name, "cannot be made", r);
    map_mark_all(m);
    for (uint64_t e = 0; e < extents_of(setup->size); e++)
        stamps_raise(m, e, granules_of(e, setup->size), 1);
    return 0;
}

static int judge(const struct map_header *h, const struct map_setup *setup, char **problem)
{
    if (h->size > setup->size)
        return map_problem(problem,
                           "it is of a disk of %" PRIu64 " bytes, and this one has %" PRIu64,
                           h->size, setup->size);
    if (h->epoch >= NEVER - 3 * RESERVE || h->reserved >= NEVER - 3 * RESERVE)
        return map_problem(problem, "it has no numbers for epochs left");
    return 0;
}

/* All that was written under an intent may differ, and may have changed. */
static void believe_intents(struct map *m)
{
    const uint64_t size = atomic_load(&m->size);

    for (uint64_t e = 0; e < extents_of(size); e++) {
        if (!intents_has(m, e))
            continue;
        bits_set(m, e, granules_of(e, size));
        if (does(FOUND_IS_CHANGED))
            stamps_raise(m, e, granules_of(e, size), atomic_load(&m->epoch));
        if (does(FOUND_STAYS))
            atomic_fetch_or(state_of(m, e), HOT);
        else
            intents_put(m, e, false);
    }
}

/* -ENODATA: there is none; *problem: there is one that is not to be believed. */
static int load(struct map *m, const struct map_setup *setup, bool *unclean, char **problem)
{
    struct map_header h;
    bool behind = false;

    int r = header_read(m->pages, &h, &behind, problem);
    if (!r)
        r = judge(&h, setup, problem);
    if (r)
        return r;
    memcpy(m->id, h.id, sizeof(m->id));
    m->sequence = h.sequence;
    *unclean = !h.clean || behind;
    uint32_t epoch = h.clean || !does(SKIP_RESERVED) ? h.epoch : h.reserved + 1;
    if (behind) /* the header that is lost may have reserved so many more */
        epoch = (h.reserved > epoch ? h.reserved : epoch) + RESERVE + 2;
    atomic_store(&m->epoch, epoch);
    atomic_store(&m->reserved, h.reserved);
    atomic_store(&m->size, h.size);
    r = table_grow(m, h.size);
    if (!r)
        r = intents_load(m, extents_of(h.size), problem);
    if (r)
        return r;
    pages_load(m);
    *unclean |= atomic_load(&m->intents) > 0;
    believe_intents(m);
    return 0;
}

static int open_map(struct map *m, const struct map_setup *setup, struct map_found *found,
                    struct weir_text *why)
{
    int r = open_files(m, setup, why);

    if (r)
        return r;
    r = load(m, setup, &found->unclean, &found->problem);
    if (r == -ENODATA || found->problem) {
        found->fresh = !found->problem;
        found->unclean = false;
        r = start_fresh(m, setup, why);
    } else if (r) {
        return refuse(why, setup->name, "cannot be read", r);
    }
    if (r)
        return r;
    /* a point that is given out has its epoch reserved, and the header is not that of a clean map
     * any more, before anybody writes */
    const uint32_t reserved = atomic_load(&m->epoch) + RESERVE;
    r = header_write(m, false, reserved, atomic_load(&m->size));
    if (!r) {
        atomic_store(&m->reserved, reserved);
        r = keep_grow(m, setup->size);
    }
    return r ? refuse(why, setup->name, "cannot be written", r) : 0;
}

static int start_threads(struct map *m)
{
    if (m->manual)
        return 0;
    int r = thread_start(&m->committer, intents_thread, m);
    if (r)
        return r;
    r = thread_start(&m->keeper, keep_thread, m);
    if (!r)
        return 0;
    pthread_mutex_lock(&m->lock);
    m->stop = true;
    pthread_cond_signal(&m->commit);
    pthread_mutex_unlock(&m->lock);
    pthread_join(m->committer, NULL);
    return r;
}

int map_open(const struct map_setup *setup, struct map **ret, struct map_found *found,
             struct weir_text *why)
{
    struct map *m = map_new(setup);

    *found = (struct map_found){ 0 };
    if (!m)
        return refuse(why, setup->name, "cannot be opened", -ENOMEM);
    int r = open_map(m, setup, found, why);
    if (!r && (r = start_threads(m)))
        refuse(why, setup->name, "cannot have threads", r);
    if (r) {
        free(found->problem);
        found->problem = NULL;
        map_free(m);
        return r;
    }
    found->dirty = map_dirty(m);
    *ret = m;
    return 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void stop_threads(struct map *m, int error)
{
    pthread_mutex_lock(&m->lock);
    m->stop = true;
    if (error)
        m->failed = error;
    pthread_cond_signal(&m->commit);
    pthread_cond_signal(&m->keep);
    pthread_mutex_unlock(&m->lock);
    if (m->manual) {
        intents_commit(m);
        return;
    }
    pthread_join(m->committer, NULL);
    pthread_join(m->keeper, NULL);
}

/* What is not durable at the far site is dirty from now on.  False: somebody has not left. */
static bool settle(struct map *m)
{
    const uint64_t size = atomic_load(&m->size), durable = atomic_load(&m->durable);
    bool all = true;

    for (uint64_t e = 0; e < extents_of(size); e++) {
        const uint32_t s = atomic_load(state_of(m, e));
        all &= !(s & IN_FLIGHT);
        if (s & HOT && atomic_load(&extent_of(m, e)->lsn) > durable)
            bits_set(m, e, granules_of(e, size));
    }
    return all;
}

/* Nobody else is there any more: what the pages say is all, and the intents go. */
static int take_back_all(struct map *m)
{
    for (uint64_t e = 0; e < extents_of(atomic_load(&m->size)); e++)
        intents_put(m, e, false);
    int r = intents_write(m);
    return r ? r : file_sync(m->marks);
}

int map_close(struct map *m)
{
    bool did = false;

    if (!m)
        return 0;
    stop_threads(m, 0);
    const bool all = settle(m);
    int r = keep_round(m, true, &did);
    if (!r && !all)
        r = -EBUSY; /* their intents stay, as after a crash */
    if (!r)
        r = m->failed;
    if (!r && m->settle)
        r = m->settle(m->settle_arg);
    if (!r)
        r = take_back_all(m);
    if (!r)
        r = header_write(m, true, atomic_load(&m->reserved), atomic_load(&m->size));
    map_free(m);
    return r;
}

void map_abandon(struct map *m)
{
    if (!m)
        return;
    stop_threads(m, -EIO);
    map_free(m);
}
