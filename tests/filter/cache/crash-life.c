/* crash-life.c - what do guests and host do to two disks of one pool, at random?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "crash-life.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint64_t life_sizes[WORLD_DISKS] = { (3 << 19) + 3 * SECTOR, (1 << 20) + 5 * SECTOR };
const uint64_t life_grids[WORLD_DISKS] = { 0, 7 * SECTOR };

/* Set once: the first by main(), the other when a run begins. */
bool life_tracing, life_ordered;

enum { LONGEST = 2200 /* sectors */ };

static uint8_t buffer[LONGEST * SECTOR] __attribute__((aligned(4096)));
static uint8_t image[LONGEST * 2 * SECTOR] __attribute__((aligned(4096)));

/* ---- guests ------------------------------------------------------------------------------- */

uint32_t life_chance(struct life *l, uint32_t n)
{
    return (uint32_t)(memory_chance(&l->chance) % n);
}

bool life_fails(struct life *l, const char *what, int error)
{
    snprintf(l->why, sizeof(l->why), "%s: %s", what, strerror(-error));
    return false;
}

/* CRASH_TRACE=1: what happens in the run, and when. */
static void trace(struct life *l, const char *format, ...) WEIR_PRINTF(2, 3);
static void trace(struct life *l, const char *format, ...)
{
    va_list list;

    if (!life_tracing)
        return;
    printf("%*s%6zu ", l->depth, "", l->world->moments);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    putchar('\n');
}

/* Most requests are of whole blocks of the guest, near each other. */
static void choose_range(struct life *l, unsigned disk, uint32_t *first, uint32_t *count)
{
    const uint32_t sectors = l->model->sectors[disk], grid = (uint32_t)(life_grids[disk] / SECTOR);
    const uint32_t kind = life_chance(l, 100);

    if (kind < 25) { /* a few sectors anywhere */
        *first = life_chance(l, sectors);
        *count = 1 + life_chance(l, 12);
    } else if (kind < 97) {
        const uint32_t blocks = (sectors - grid) / SECTORS;
        const uint32_t hot = life_chance(l, 3) ? blocks / 4 : blocks;
        *first = grid + SECTORS * life_chance(l, hot);
        *count = SECTORS * (kind < 75 ? 1 + life_chance(l, 3) : 1 + life_chance(l, 24));
    } else {
        *first = life_chance(l, 64);
        *count = 256 + life_chance(l, LONGEST - 256);
    }
    if (*count > sectors - *first)
        *count = sectors - *first;
}

static bool is_write_back(const struct weir_below *b)
{
    return b->config.mode == MODE_WRITE_BACK && b->disk->wish == WISH_NONE;
}

static bool goes_to_log(const struct weir_below *b, enum weir_op op, uint32_t count)
{
    const bool any = b->config.order == ORDER_ORDERED; /* length */

    if (!is_write_back(b))
        return false;
    return op == WEIR_WRITE || (op == WEIR_ZERO && (any || count <= (1 << 20) / SECTOR));
}

/* A trim that would overtake what is still to be destaged in order. */
static bool is_ignored(const struct weir_below *b, enum weir_op op)
{
    return op == WEIR_TRIM && is_write_back(b) && b->config.order == ORDER_ORDERED;
}

static bool change(struct life *l, unsigned disk, enum weir_op op)
{
    struct guest_op g = { .what = op == WEIR_WRITE ? GUEST_WRITE : GUEST_ZERO, .disk = disk };

    if (is_ignored(&l->world->below[disk], op))
        op = WEIR_ZERO;
    choose_range(l, disk, &g.first, &g.count);
    g.fua = life_chance(l, 8) == 0;
    g.log = goes_to_log(&l->world->below[disk], op, g.count);
    g.begin = l->world->moments;
    uint32_t version = model_begin(l->model, &g);
    stamp(buffer, disk, g.first, g.count, version);
    int r = world_ask(l->world, disk, op, op == WEIR_WRITE ? buffer : NULL,
                      (uint64_t)g.count * SECTOR, (uint64_t)g.first * SECTOR, g.fua ? WEIR_FUA : 0);
    model_end(l->model, version, l->world->moments, r);
    trace(l, "disk %u %s %u+%u version %u%s%s", disk, op == WEIR_WRITE ? "write" : "zero", g.first,
          g.count, version, g.log ? " log" : "", g.fua ? " fua" : "");
    return r ? life_fails(l, "a write failed", r) : true;
}

static bool flush(struct life *l, unsigned disk)
{
    struct guest_op g = { .what = GUEST_FLUSH, .disk = disk, .begin = l->world->moments };

    const uint32_t number = model_begin(l->model, &g);
    int r = world_ask(l->world, disk, WEIR_FLUSH, NULL, 0, 0, 0);
    model_end(l->model, number, l->world->moments, r);
    trace(l, "disk %u flush", disk);
    return r ? life_fails(l, "a flush failed", r) : true;
}

/* What a guest sees, in requests of some length; by way of the filter, or of the store alone. */
bool life_look(struct life *l, unsigned disk, bool store, uint32_t *version)
{
    const uint32_t sectors = l->model->sectors[disk];

    for (uint32_t s = 0, n; s < sectors; s += n) {
        n = 1 + life_chance(l, 300);
        if (n > sectors - s)
            n = sectors - s;
        uint8_t *to = image + (size_t)s * SECTOR;
        if (store) {
            world_look(l->world, disk, to, (uint64_t)n * SECTOR, (uint64_t)s * SECTOR);
            continue;
        }
        int r =
            world_ask(l->world, disk, WEIR_READ, to, (uint64_t)n * SECTOR, (uint64_t)s * SECTOR, 0);
        if (r)
            return life_fails(l, "a read failed", r);
    }
    return read_stamps(image, disk, 0, sectors, version, l->why);
}

bool life_is_now(struct life *l, unsigned disk)
{
    uint32_t *version = malloc(l->model->sectors[disk] * sizeof(*version));
    bool good = version && life_look(l, disk, false, version) &&
                model_is_now(l->model, disk, version, l->why);

    free(version);
    return good;
}

static bool read_some(struct life *l, unsigned disk)
{
    uint32_t first, count;

    choose_range(l, disk, &first, &count);
    int r = world_ask(l->world, disk, WEIR_READ, buffer, (uint64_t)count * SECTOR,
                      (uint64_t)first * SECTOR, 0);
    return r ? life_fails(l, "a read failed", r) : true;
}

/* ---- the host ----------------------------------------------------------------------------- */

static bool attach(struct life *l, unsigned disk)
{
    char why[512];
    int r = world_attach(l->world, disk, why);
    const struct weir_below *b = &l->world->below[disk];

    if (!r && *b->why_locked)
        snprintf(l->why, sizeof(l->why), "disk %u is locked: %.400s", disk, b->why_locked);
    else if (r || !atomic_load(&b->disk->ready))
        snprintf(l->why, sizeof(l->why), "disk %u has no pool: %.400s (%d)", disk, why, r);
    else
        return true;
    return false;
}

bool life_attach(struct life *l)
{
    bool good = true;

    for (unsigned i = 0; good && i < l->world->disks; i++)
        good = l->world->below[i].attached || attach(l, i);
    return good;
}

static bool keep_pool(struct life *l, unsigned disk)
{
    struct world *w = l->world;
    const uint32_t kind = life_chance(l, 8);
    bool flag;
    int r;

    w->sulks = kind < 3 && life_chance(l, 2);
    switch (kind) {
    case 0:
    case 1:
        r = keeper_step(w->pool, &flag);
        break;
    case 2:
        r = checkpoint(w->pool);
        break;
    case 3:
        disk_release(w->below[disk].disk);
        r = 0;
        break;
    default:
        r = destage_step(w->below[disk].disk, &flag);
        break;
    }
    w->sulks = false;
    trace(l, "disk %u upkeep %u", disk, kind);
    return r ? life_fails(l, "the pool's upkeep failed", r) : true;
}

static bool administer(struct life *l, unsigned disk)
{
    static const char *const verbs[] = { "invalidate", "drain", "fill", "detach", "fill", "flush" };
    struct weir_below *b = &l->world->below[disk];
    const uint32_t kind = life_chance(l, 6), verb = life_chance(l, 6);

    if (life_ordered && kind)
        return true;
    trace(l, "disk %u administered %u %s", disk, kind, verbs[verb]);
    switch (kind) {
    case 0:
        world_detach(l->world, disk);
        /* what is carried on for a disk that is away loses its order: weir-cache(1) */
        return life_chance(l, 2) || life_ordered ? attach(l, disk) : true;
    case 1: {
        int r = world_verb(l->world, disk, verbs[verb], "");
        return r ? life_fails(l, "a verb failed", r) : true;
    }
    default:
        b->config.mode = (int)life_chance(l, 3);
        if (life_chance(l, 4) == 0)
            b->config.order = ORDER_FAST + ORDER_ORDERED - b->config.order;
        world_apply(l->world, disk);
        trace(l, "disk %u mode %d", disk, b->config.mode);
        return true;
    }
}

static bool act(struct life *l)
{
    const unsigned disk = life_chance(l, WORLD_DISKS);
    const uint32_t kind = life_chance(l, 200);

    if (!l->world->below[disk].attached)
        return life_chance(l, 40) ? true : attach(l, disk);
    if (kind < 90)
        return change(l, disk, WEIR_WRITE);
    if (kind < 98)
        return change(l, disk, kind & 1 ? WEIR_TRIM : WEIR_ZERO);
    if (kind < 140)
        return read_some(l, disk);
    if (kind < 155)
        return flush(l, disk);
    if (kind < 197)
        return keep_pool(l, disk);
    return administer(l, disk);
}

bool life_go(struct life *l, uint32_t n)
{
    bool good = true;

    while (good && n--)
        good = act(l);
    return good;
}
