/* test-stress.c - is a disk what was written to it while many threads use its pool?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Guests read, write, zero and flush two disks of one small pool, while its keeper and destagers
 * work, modes change and clean blocks are forgotten.  As a gateway does, no two changes of one
 * range are under way at once; reads come at any time, and give each sector as it was at some
 * moment between their beginning and their end.  Then the power is lost at moments of that run, as
 * in test-crash.c; and at last the store alone must be the disk.  STRESS_SECONDS (2), STRESS_SEED.
 */
#include "core.h"
#include "crash-model.h"
#include "step.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool does(enum step step)
{
    (void)step;
    return true;
}

static const uint64_t sizes[WORLD_DISKS] = { (3 << 19) + 3 * SECTOR, (1 << 20) + 5 * SECTOR };
static const uint64_t grids[WORLD_DISKS] = { 0, 7 * SECTOR };

enum { GUESTS = 4, LONGEST = 300, SECTORS_MOST = 3100, CUTS = 100 };

static struct world world;
static struct model model;
static pthread_mutex_t model_lock = PTHREAD_MUTEX_INITIALIZER; /* guards `model`; a leaf */
static atomic_bool stop, bad;

/* Of each sector: the last write that was begun, was answered; of zeroes. */
static _Atomic uint32_t begun[WORLD_DISKS][SECTORS_MOST], done[WORLD_DISKS][SECTORS_MOST],
    zeroed[WORLD_DISKS][SECTORS_MOST];
/* Held, in ascending order, for 4 KiB that are being changed. */
static pthread_mutex_t order[WORLD_DISKS][SECTORS_MOST / SECTORS + 1];

struct guest {
    pthread_t thread;
    uint64_t chance;
    uint8_t buffer[LONGEST * SECTOR];
    uint32_t version[LONGEST], least[LONGEST];
};

static uint32_t below(uint64_t *chance, uint32_t n)
{
    return (uint32_t)(memory_chance(chance) % n);
}

static void complain(const char *what)
{
    printf("%s\n", what);
    fflush(stdout);
    atomic_store(&bad, true);
    atomic_store(&stop, true);
}

/* ---- guests ---------------------------------------------------------------------------------- */

static void hold(unsigned disk, uint32_t first, uint32_t count, bool take)
{
    for (uint32_t u = first / SECTORS; u <= (first + count - 1) / SECTORS; u++)
        if (take)
            pthread_mutex_lock(&order[disk][u]);
        else
            pthread_mutex_unlock(&order[disk][u]);
}

/* The mode may change just now: then nobody can say by which way it goes. */
static void change(struct guest *g, unsigned disk, uint32_t first, uint32_t count, bool zero)
{
    struct guest_op op = { .what = zero ? GUEST_ZERO : GUEST_WRITE,
                           .disk = disk,
                           .first = first,
                           .count = count,
                           .fua = below(&g->chance, 8) == 0 };

    hold(disk, first, count, true);
    pthread_mutex_lock(&model_lock);
    op.begin = world_moments(&world);
    const uint32_t version = model_begin(&model, &op);
    pthread_mutex_unlock(&model_lock);
    for (uint32_t s = first; s < first + count; s++) {
        if (zero)
            atomic_store(&zeroed[disk][s], version);
        atomic_store(&begun[disk][s], version);
    }
    stamp(g->buffer, disk, first, count, version);
    int r = world_ask(&world, disk, zero ? WEIR_ZERO : WEIR_WRITE, zero ? NULL : g->buffer,
                      (uint64_t)count * SECTOR, (uint64_t)first * SECTOR, op.fua ? WEIR_FUA : 0);
    if (r)
        complain("a write failed");
    for (uint32_t s = first; s < first + count; s++)
        atomic_store(&done[disk][s], version);
    const size_t moment = world_moments(&world);
    pthread_mutex_lock(&model_lock);
    model_end(&model, version, moment, r);
    pthread_mutex_unlock(&model_lock);
    hold(disk, first, count, false);
}

static void look(struct guest *g, unsigned disk, uint32_t first, uint32_t count)
{
    char why[512];

    for (uint32_t s = 0; s < count; s++)
        g->least[s] = atomic_load(&done[disk][first + s]);
    int r = world_ask(&world, disk, WEIR_READ, g->buffer, (uint64_t)count * SECTOR,
                      (uint64_t)first * SECTOR, 0);
    if (r) {
        complain("a read failed");
        return;
    }
    if (!read_stamps(g->buffer, disk, first, count, g->version, why)) {
        complain(why);
        return;
    }
    for (uint32_t s = 0; s < count; s++) {
        const uint32_t version =
            g->version[s] ? g->version[s] : atomic_load(&zeroed[disk][first + s]);
        if (version >= g->least[s] && version <= atomic_load(&begun[disk][first + s]))
            continue;
        snprintf(why, sizeof(why), "disk %u sector %u is of version %u, and was of %u before", disk,
                 first + s, g->version[s], g->least[s]);
        complain(why);
        return;
    }
}

static void flush(unsigned disk)
{
    struct guest_op op = { .what = GUEST_FLUSH, .disk = disk };

    pthread_mutex_lock(&model_lock);
    op.begin = world_moments(&world);
    const uint32_t number = model_begin(&model, &op);
    pthread_mutex_unlock(&model_lock);
    int r = world_ask(&world, disk, WEIR_FLUSH, NULL, 0, 0, 0);
    const size_t moment = world_moments(&world);
    pthread_mutex_lock(&model_lock);
    model_end(&model, number, moment, r);
    pthread_mutex_unlock(&model_lock);
    if (r)
        complain("a flush failed");
}

static void *be_guest(void *arg)
{
    struct guest *g = arg;

    while (!atomic_load(&stop)) {
        const unsigned disk = below(&g->chance, WORLD_DISKS);
        const uint32_t sectors = model.sectors[disk], kind = below(&g->chance, 20);
        uint32_t first = below(&g->chance, below(&g->chance, 3) ? sectors / 8 : sectors);
        uint32_t count = 1 + below(&g->chance, kind ? 32 : LONGEST - 1);
        if (below(&g->chance, 2)) {
            first = first / SECTORS * SECTORS + (disk ? 7 : 0);
            count = (count + SECTORS - 1) / SECTORS * SECTORS;
        }
        if (first >= sectors)
            continue;
        if (count > sectors - first)
            count = sectors - first;
        if (count > LONGEST)
            count = LONGEST;
        if (kind < 9)
            change(g, disk, first, count, kind == 1);
        else if (kind < 19)
            look(g, disk, first, count);
        else
            flush(disk);
    }
    return NULL;
}

/* ---- the host
 * ------------------------------------------------------------------------------------ */

static void administer(uint64_t *chance)
{
    const unsigned disk = below(chance, WORLD_DISKS);

    usleep(2000);
    switch (below(chance, 4)) {
    case 0:
        if (world_verb(&world, disk, "invalidate", ""))
            complain("invalidate failed");
        break;
    case 1:
        if (checkpoint(world.pool))
            complain("a checkpoint failed");
        break;
    default:
        world.below[disk].config.mode = (int)below(chance, 3);
        world_apply(&world, disk);
        break;
    }
}

static bool attach_all(struct world *w)
{
    char why[512] = "";

    for (unsigned i = 0; i < WORLD_DISKS; i++)
        if (world_attach(w, i, why) || *w->below[i].why_locked ||
            !atomic_load(&w->below[i].disk->ready)) {
            printf("disk %u: %s%s\n", i, why, w->below[i].why_locked);
            return false;
        }
    return true;
}

/* After a loss of power; by_hand, so nothing else happens. */
static bool is_legal(size_t moment, uint64_t chance)
{
    static uint8_t data[SECTORS_MOST * SECTOR];
    static uint32_t version[SECTORS_MOST];
    struct world cut;
    char why[512] = "it cannot be attached";

    world_cut(&cut, &world, moment, chance);
    bool good = attach_all(&cut);
    for (unsigned i = 0; good && i < WORLD_DISKS; i++) {
        int r = world_ask(&cut, i, WEIR_READ, data, sizes[i], 0, 0);
        good = !r && read_stamps(data, i, 0, model.sectors[i], version, why) &&
               model_allows(&model, moment, i, version, why);
    }
    if (!good)
        printf("after moment %zu of %zu: %s\n", moment, world.moments, why);
    world_destroy(&cut);
    return good;
}

static bool ends_well(void)
{
    static uint8_t data[SECTORS_MOST * SECTOR];
    static uint32_t version[SECTORS_MOST];
    char why[512] = "destage failed";
    bool good = true;

    for (unsigned i = 0; good && i < WORLD_DISKS; i++) {
        good = destage_all(world.below[i].disk) == 0;
        if (good) {
            world_look(&world, i, data, sizes[i], 0);
            good = read_stamps(data, i, 0, model.sectors[i], version, why) &&
                   model_is_now(&model, i, version, why);
        }
    }
    if (!good)
        printf("the store alone: %s\n", why);
    return good;
}

static uint64_t get(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

int main(void)
{
    static struct guest guest[GUESTS];
    uint64_t chance = get("STRESS_SEED", (uint64_t)time(NULL));
    const time_t until = time(NULL) + (time_t)get("STRESS_SECONDS", 2) + 1;

    printf("STRESS_SEED=%llu\n", (unsigned long long)chance);
    for (unsigned i = 0; i < WORLD_DISKS; i++)
        for (unsigned u = 0; u < sizeof(order[0]) / sizeof(*order[0]); u++)
            pthread_mutex_init(&order[i][u], NULL);
    world_create(&world, false, 150, sizes, grids);
    world.dawdles = true;
    model_create(&model, sizes);
    world_record(&world);
    bool good = attach_all(&world);
    for (unsigned i = 0; good && i < GUESTS; i++) {
        guest[i].chance = memory_chance(&chance);
        if (pthread_create(&guest[i].thread, NULL, be_guest, &guest[i]))
            abort();
    }
    while (good && !atomic_load(&stop)) {
        administer(&chance);
        if (time(NULL) >= until)
            atomic_store(&stop, true);
    }
    for (unsigned i = 0; good && i < GUESTS; i++)
        pthread_join(guest[i].thread, NULL);
    good = good && !atomic_load(&bad) && ends_well();
    world_die(&world);
    printf("%zu requests, %zu moments\n", model.ops, world.moments);
    const size_t cuts = get("STRESS_CUTS", CUTS);
    for (size_t i = 0; good && i < cuts; i++) /* ascending: that is quick */
        good = is_legal((i * world.moments + below(&chance, (uint32_t)world.moments + 1)) / cuts,
                        memory_chance(&chance));
    world_destroy(&world);
    model_destroy(&model);
    return !good;
}
