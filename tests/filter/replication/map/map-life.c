/* map-life.c - what happens to a map, and what must it say after a crash at each moment?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "map-life.h"

#include "memory-image.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLD_MS = 40, GRANULES = 64 };

static uint32_t chance(struct life *l, uint32_t n)
{
    return (uint32_t)((memory_chance(&l->chance) >> 32) * n >> 32);
}

static bool fails(struct life *l, const char *what, int error)
{
    snprintf(l->why, sizeof(l->why), "%s: %s", what, strerror(-error));
    return false;
}

/* ---- how it was -------------------------------------------------------------------------------
 */

/* Between two operations all that was true must hold: the medium is the same. */
static void note(struct life *l)
{
    const size_t ops = memory_ops(l->memory);

    if (ops >= l->thens_size) {
        l->thens_size = 2 * ops + 64;
        l->then = memory_must(realloc(l->then, l->thens_size * sizeof(*l->then)));
    }
    for (; l->thens <= ops; l->thens++) /* as it was left, until what happens now */
        l->then[l->thens] = l->thens ? l->last : l->now;
    struct truth *t = &l->then[ops];
    for (unsigned x = 0; x < LIFE_EXTENTS; x++) {
        t->need[x] |= l->now.need[x];
        for (unsigned g = 0; g < GRANULES; g++)
            if (t->changed[x][g] < l->now.changed[x][g])
                t->changed[x][g] = l->now.changed[x][g];
    }
    t->size = l->now.size;
    t->points = l->now.points;
    l->last = l->now;
}

const struct truth *life_then(struct life *l, size_t ops)
{
    note(l);
    return &l->then[ops];
}

/* ---- granules ---------------------------------------------------------------------------------
 */

/* Those of the x-th extent that a range touches. */
static uint64_t touched(const struct life *l, unsigned x, uint64_t offset, uint64_t length)
{
    uint64_t granules = 0;

    for (unsigned g = 0; g < GRANULES; g++) {
        const uint64_t at = l->extent[x] * EXTENT + g * (uint64_t)GRANULE;
        if (at < offset + length && offset < at + GRANULE)
            granules |= 1ull << g;
    }
    return granules;
}

/* Everything that `need` follows from. */
static void renew(struct life *l)
{
    for (unsigned x = 0; x < LIFE_EXTENTS; x++) {
        uint64_t need = l->marked[x];
        for (unsigned g = 0; g < GRANULES; g++)
            need |= (uint64_t)(l->sent[x][g] > l->durable) << g;
        for (unsigned w = 0; w < LIFE_WRITES; w++)
            if (l->write[w].state == GRANTED)
                need |= touched(l, x, l->write[w].offset, l->write[w].length);
        l->now.need[x] = need;
    }
    note(l);
}

static void change(struct life *l, uint64_t offset, uint64_t length)
{
    for (unsigned x = 0; x < LIFE_EXTENTS; x++)
        for (unsigned g = 0; g < GRANULES; g++)
            if (touched(l, x, offset, length) >> g & 1)
                l->now.changed[x][g] = (uint8_t)l->now.points;
}

static void owe(struct life *l, uint64_t offset, uint64_t length)
{
    for (unsigned x = 0; x < LIFE_EXTENTS; x++) {
        const uint64_t granules = touched(l, x, offset, length);
        l->marked[x] |= granules;
        l->dirty[x] |= granules;
        l->unsure[x] |= granules;
    }
}

/* ---- what happens without I/O -----------------------------------------------------------------
 */

static void granted(struct life *l, struct life_write *w)
{
    w->state = GRANTED;
    change(l, w->offset, w->length);
    renew(l);
}

static void ready(struct map_wait *wait, int error)
{
    struct life_write *w = (struct life_write *)wait;

    if (error)
        w->state = NO_WRITE;
    else
        granted(w->life, w);
}

static void begin_write(struct life *l)
{
    struct life_write *w = &l->write[chance(l, LIFE_WRITES)];

    if (w->state != NO_WRITE)
        return;
    const uint64_t extent = l->extent[chance(l, chance(l, 2) ? 4 : LIFE_EXTENTS)];
    w->offset = extent * EXTENT + chance(l, (chance(l, 2) ? GRANULE : EXTENT) / 512) * 512ull;
    w->length = chance(l, 8) ? 512 + chance(l, chance(l, 2) ? GRANULE : 100000) : EXTENT;
    if (w->offset >= map_size(l->map)) /* which may be growing */
        return;
    if (w->length > map_size(l->map) - w->offset)
        w->length = map_size(l->map) - w->offset;
    w->state = WAITS;
    if (map_enter(l->map, w->offset, w->length, &w->wait) == 0)
        granted(l, w);
}

static bool all_dirty(const struct life *l, const struct life_write *w)
{
    bool all = true;

    for (uint64_t at = w->offset / GRANULE * GRANULE; at < w->offset + w->length; at += GRANULE)
        all &= map_any_dirty(l->map, at, 1);
    return all;
}

/* It is in the stream; or the granules are marked, or were, and are not sent. */
static void end_write(struct life *l, struct life_write *w)
{
    uint64_t lsn = 0;

    if (w->state != GRANTED)
        return;
    change(l, w->offset, w->length);
    if (all_dirty(l, w) || chance(l, 3) == 0) {
        if (!all_dirty(l, w))
            map_mark(l->map, w->offset, w->length);
        owe(l, w->offset, w->length);
    } else {
        lsn = ++l->lsn;
        for (unsigned x = 0; x < LIFE_EXTENTS; x++)
            for (unsigned g = 0; g < GRANULES; g++)
                if (touched(l, x, w->offset, w->length) >> g & 1)
                    l->sent[x][g] = lsn;
    }
    renew(l);
    map_leave(l->map, w->offset, w->length, lsn);
    w->state = NO_WRITE;
    renew(l);
}

static void acknowledge(struct life *l, uint64_t lsn)
{
    l->durable = lsn;
    map_durable(l->map, lsn);
    renew(l);
}

/* A map that has no epochs in reserve gives the last point again. */
static void checkpoint(struct life *l)
{
    if (l->now.points == LIFE_POINTS)
        return;
    const struct map_point p = map_checkpoint(l->map);
    if (!p.epoch || (l->now.points && l->point[l->now.points - 1].epoch == p.epoch &&
                     memcmp(l->point[l->now.points - 1].map, p.map, 16) == 0))
        return;
    l->point[l->now.points++] = p;
    for (unsigned w = 0; w < LIFE_WRITES; w++) /* they may change the disk from now on */
        if (l->write[w].state == GRANTED)
            change(l, l->write[w].offset, l->write[w].length);
    renew(l);
}

static void mark(struct life *l)
{
    const unsigned x = chance(l, LIFE_EXTENTS), g = chance(l, GRANULES);
    const uint64_t at = l->extent[x] * EXTENT + g * (uint64_t)GRANULE;

    if (at >= map_size(l->map))
        return;
    map_mark(l->map, at, 1);
    l->dirty[x] |= 1ull << g; /* and must be after a sync only */
    l->unsure[x] |= 1ull << g;
}

static void take(struct life *l)
{
    const unsigned x = chance(l, LIFE_EXTENTS), some = chance(l, 3);

    for (unsigned g = 0; g < GRANULES; g++)
        if (l->extent[x] * EXTENT + g * (uint64_t)GRANULE < map_size(l->map) &&
            l->dirty[x] >> g & 1 && (some == 0 || chance(l, 2))) {
            map_taken(l->map, l->extent[x] * GRANULES + g);
            l->dirty[x] &= ~(1ull << g);
        }
}

static void sure(struct life *l)
{
    acknowledge(l, l->lsn);
    for (unsigned x = 0; x < LIFE_EXTENTS; x++) {
        l->unsure[x] &= l->dirty[x];
        l->marked[x] &= l->dirty[x];
        l->syncing[x] &= l->dirty[x];
    }
    renew(l);
    map_sure(l->map);
}

static void light_step(struct life *l)
{
    switch (chance(l, 11)) {
    case 0:
    case 1:
    case 2:
        begin_write(l);
        break;
    case 3:
    case 4:
    case 5:
        end_write(l, &l->write[chance(l, LIFE_WRITES)]);
        break;
    case 6:
        acknowledge(l, l->durable + chance(l, (uint32_t)(l->lsn - l->durable) + 1));
        break;
    case 7:
        if (chance(l, 2))
            checkpoint(l);
        else
            mark(l);
        break;
    case 8:
        take(l);
        break;
    case 9:
        sure(l);
        break;
    case 10: /* as quick as a disk may be */
        begin_write(l);
        for (unsigned w = 0; w < LIFE_WRITES; w++)
            end_write(l, &l->write[w]);
        break;
    }
}

/* In the middle of the map's I/O. */
static void meanwhile(void *arg, enum memory_call call, const char *name, uint64_t offset)
{
    struct life *l = arg;

    (void)name;
    (void)offset;
    if (!l->map || l->busy || call == MEMORY_CALL_READ)
        return;
    l->busy = true;
    for (unsigned n = chance(l, 3) ? chance(l, 6) : 0; n; n--)
        light_step(l);
    l->busy = false;
}

/* ---- what happens with I/O --------------------------------------------------------------------
 */

static bool sync_map(struct life *l)
{
    for (unsigned x = 0; x < LIFE_EXTENTS; x++)
        l->syncing[x] = l->dirty[x] | l->unsure[x];
    int r = map_sync(l->map);
    for (unsigned x = 0; x < LIFE_EXTENTS; x++)
        l->marked[x] |= l->syncing[x];
    renew(l);
    return !r || fails(l, "map_sync", r);
}

static bool grow(struct life *l)
{
    const uint64_t old = l->now.size, size = old + chance(l, 3 * EXTENT / 512) * 512ull + 512;

    /* the disk is larger already; what is new is not there at the far site */
    l->now.size = size;
    owe(l, old, size - old);
    change(l, old, size - old);
    renew(l);
    int r = map_grow(l->map, size);
    return !r || fails(l, "map_grow", r);
}

static bool open_map(struct life *l, bool clean)
{
    const struct map_setup setup = {
        .medium = l->medium, .name = "map", .size = l->now.size, .cold_ms = COLD_MS, .manual = true
    };
    struct weir_text why = { 0 };
    struct map_found found;
    struct map *m;

    int r = map_open(&setup, &m, &found, &why);
    if (r)
        fails(l, text_string(&why), r);
    text_finish(&why);
    if (r)
        return false;
    if (clean && (found.unclean || found.fresh || found.problem))
        return fails(l, "a clean map is not found clean", -EINVAL);
    free(found.problem);
    l->map = m;
    map_work(m, l->now_ms);
    for (unsigned x = 0; x < LIFE_EXTENTS; x++)
        for (unsigned g = 0; g < GRANULES; g++) {
            const uint64_t at = l->extent[x] * EXTENT + g * (uint64_t)GRANULE;
            l->sent[x][g] = 0;
            if (at < l->now.size && map_any_dirty(m, at, 1)) {
                l->dirty[x] |= 1ull << g;
                l->unsure[x] |= 1ull << g;
            } else if (l->now.need[x] >> g & 1) {
                return fails(l, "a granule is clean that must be dirty", -EINVAL);
            }
            l->marked[x] |= l->now.need[x] & 1ull << g;
        }
    l->lsn = l->durable = 0;
    renew(l);
    return true;
}

static bool restart(struct life *l)
{
    while (map_work(l->map, l->now_ms)) {
    }
    for (unsigned w = 0; w < LIFE_WRITES; w++)
        end_write(l, &l->write[w]);
    struct map *m = l->map;
    l->map = NULL;
    int r = map_close(m);
    for (unsigned x = 0; x < LIFE_EXTENTS; x++)
        l->dirty[x] = l->unsure[x] = 0;
    return r ? fails(l, "map_close", r) : open_map(l, true);
}

static bool step(struct life *l)
{
    switch (chance(l, 40)) {
    case 0:
        return sync_map(l);
    case 1:
        return chance(l, 2) || grow(l);
    case 2:
        return chance(l, 3) || restart(l);
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
        l->now_ms += chance(l, COLD_MS);
        map_work(l->map, l->now_ms);
        return true;
    default:
        light_step(l);
        return true;
    }
}

bool life_go(struct life *l, unsigned steps)
{
    bool good = true;

    for (; good && steps; steps--)
        good = step(l);
    return good && life_allows(l, &l->now, false);
}

/* ---- the beginning, and the end ----------------------------------------------------------------
 */

bool life_begin(struct life *l, struct memory *memory, uint64_t seed, const struct life *before,
                const struct truth *truth)
{
    *l = (struct life){ .memory = memory, .medium = memory_medium(memory, "maps"), .chance = seed };
    for (unsigned x = 0; x < LIFE_EXTENTS; x++) /* some side by side; some beyond the first end */
        l->extent[x] = before ? before->extent[x] : x < 12 ? x : 14 + 2 * (x - 12);
    for (unsigned w = 0; w < LIFE_WRITES; w++) {
        l->write[w].life = l;
        l->write[w].wait.ready = ready;
    }
    if (before) {
        l->now = *truth;
        memcpy(l->marked, truth->need, sizeof(l->marked));
        memcpy(l->point, before->point, sizeof(l->point));
    } else {
        l->now.size = (17ull + chance(l, 4)) * EXTENT + chance(l, EXTENT / 512) * 512;
        owe(l, 0, l->now.size);
    }
    memory_record(memory);
    renew(l);
    memory_gate(memory, meanwhile, l);
    return open_map(l, false);
}

void life_end(struct life *l)
{
    map_abandon(l->map);
    memory_gate(l->memory, NULL, NULL);
    l->medium->close(l->medium);
    free(l->then);
}

/* ---- judging -----------------------------------------------------------------------------------
 */

struct seen {
    struct life *life;
    uint64_t changed[LIFE_EXTENTS];
};

static int see(void *arg, uint64_t offset, uint64_t length)
{
    struct seen *s = arg;

    for (unsigned x = 0; x < LIFE_EXTENTS; x++) {
        const uint64_t at = s->life->extent[x] * EXTENT;
        if (offset < at + EXTENT && at < offset + length)
            s->changed[x] |= touched(s->life, x, offset, length);
    }
    return 0;
}

/* They are stamped again when they leave; a crash is not so kind as to wait for that. */
static uint64_t in_flight(const struct life *l, unsigned x)
{
    uint64_t granules = 0;

    for (unsigned w = 0; w < LIFE_WRITES; w++)
        if (l->write[w].state == GRANTED)
            granules |= touched(l, x, l->write[w].offset, l->write[w].length);
    return granules;
}

static bool point_is_true(struct life *l, const struct truth *t, unsigned p, bool stale)
{
    struct seen s = { .life = l };

    int r = map_changed(l->map, &l->point[p], see, &s);
    if (r == -ESTALE && stale)
        return true;
    if (r)
        return fails(l, "a point is not known any more", r);
    for (unsigned x = 0; x < LIFE_EXTENTS; x++)
        for (unsigned g = 0; g < GRANULES; g++)
            if (t->changed[x][g] > p && !((s.changed[x] | in_flight(l, x)) >> g & 1)) {
                snprintf(l->why, sizeof(l->why),
                         "granule %u of extent %llu changed after point %u (epoch %u), and the map "
                         "does not know",
                         g, (unsigned long long)l->extent[x], p, l->point[p].epoch);
                return false;
            }
    return true;
}

bool life_allows(struct life *l, const struct truth *t, bool stale)
{
    for (unsigned p = 0; p < t->points; p++)
        if (!point_is_true(l, t, p, stale))
            return false;
    return true;
}
