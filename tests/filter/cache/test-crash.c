/* test-crash.c - is anything lost that was promised, wherever the power goes?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Guests of two disks of one small pool do at random what guests do; checkpoints, destage and
 * restarts happen in between.  All that lasts is recorded (core.h), and then the power is lost at
 * every moment, with a random part of what was not synced: the disks are attached again, and what
 * is found there is judged (crash-model.h).  Some of these go on, lose power a second time, and at
 * last destage everything: then the store alone must be the disk.
 *
 *   test-crash       CRASH_STATES (10000) states, by CRASH_JOBS (2) processes
 *   test-crash STEP  without a step of step.h: fails if no illegal state is found
 *   CRASH_SEED=n     the first seed; each run prints its own
 *   CRASH_MINUTES=n  for so long, instead of CRASH_STATES
 *
 * BARRIER and SYNC of a checkpoint need worse luck: test-faults.c has a script for each. */
#include "core.h"
#include "crash-model.h"
#include "step.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static enum step left_out; /* set once, by main() */

/* The table is left out often, not always: one that was never written says nothing wrong. */
bool does(enum step step)
{
    static unsigned tables; /* that would have been written */

    return step != left_out || (step == CHECKPOINT_TABLE && ++tables % 4 == 0);
}

static const struct {
    const char *name;
    enum step step;
} steps[] = {
    { "checkpoint-barrier", CHECKPOINT_BARRIER },
    { "checkpoint-stores", CHECKPOINT_STORES },
    { "checkpoint-drops", CHECKPOINT_DROPS },
    { "checkpoint-table", CHECKPOINT_TABLE },
    { "checkpoint-keep", CHECKPOINT_KEEP },
    { "checkpoint-sync", CHECKPOINT_SYNC },
    { "checkpoint-tail", CHECKPOINT_TAIL },
    { "checkpoint-void", CHECKPOINT_VOID },
    { "past-clean", PAST_CLEAN },
    { "past-mark", PAST_MARK },
    { "destage-sync", DESTAGE_SYNC },
    { "destage-flush", DESTAGE_FLUSH },
    { "destage-tell", DESTAGE_TELL },
};

/* Sizes that no block divides; a guest whose first partition begins at sector 63. */
static const uint64_t sizes[WORLD_DISKS] = { (3 << 19) + 3 * SECTOR, (1 << 20) + 5 * SECTOR };
static const uint64_t grids[WORLD_DISKS] = { 0, 7 * SECTOR };

/* Of a pool: few, so that others take them at once, or more than there are blocks. */
static const unsigned slots[] = { 60, 150, 1000 };

enum { LONGEST = 2200 /* sectors */ };

static uint8_t buffer[LONGEST * SECTOR] __attribute__((aligned(4096)));
static uint8_t image[LONGEST * 2 * SECTOR] __attribute__((aligned(4096)));

/* ---- guests ------------------------------------------------------------------------------- */

struct life {
    struct world *world;
    struct model *model;
    uint64_t chance;
    char why[512];
    int depth; /* crashes so far */
};
static bool tracing; /* set once, by main() */

static uint32_t below(struct life *l, uint32_t n)
{
    return (uint32_t)(memory_chance(&l->chance) % n);
}

static bool fails(struct life *l, const char *what, int error)
{
    snprintf(l->why, sizeof(l->why), "%s: %s", what, strerror(-error));
    return false;
}

/* CRASH_TRACE=1: what happens in the run, and when. */
static void trace(struct life *l, const char *format, ...) WEIR_PRINTF(2, 3);
static void trace(struct life *l, const char *format, ...)
{
    va_list list;

    if (!tracing)
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
    const uint32_t sectors = l->model->sectors[disk], grid = (uint32_t)(grids[disk] / SECTOR);
    const uint32_t kind = below(l, 100);

    if (kind < 25) { /* a few sectors anywhere */
        *first = below(l, sectors);
        *count = 1 + below(l, 12);
    } else if (kind < 97) {
        const uint32_t blocks = (sectors - grid) / SECTORS;
        const uint32_t hot = below(l, 3) ? blocks / 4 : blocks;
        *first = grid + SECTORS * below(l, hot);
        *count = SECTORS * (kind < 75 ? 1 + below(l, 3) : 1 + below(l, 24));
    } else {
        *first = below(l, 64);
        *count = 256 + below(l, LONGEST - 256);
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
    const bool ordered = b->config.order == ORDER_ORDERED;

    if (!is_write_back(b))
        return false;
    return op == WEIR_WRITE || (op == WEIR_ZERO && (ordered || count <= (1 << 20) / SECTOR));
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
    g.fua = below(l, 8) == 0;
    g.log = goes_to_log(&l->world->below[disk], op, g.count);
    g.begin = l->world->moments;
    uint32_t version = model_begin(l->model, &g);
    stamp(buffer, disk, g.first, g.count, version);
    int r = world_ask(l->world, disk, op, op == WEIR_WRITE ? buffer : NULL,
                      (uint64_t)g.count * SECTOR, (uint64_t)g.first * SECTOR, g.fua ? WEIR_FUA : 0);
    model_end(l->model, version, l->world->moments, r);
    trace(l, "disk %u %s %u+%u version %u%s%s", disk, op == WEIR_WRITE ? "write" : "zero", g.first,
          g.count, version, g.log ? " log" : "", g.fua ? " fua" : "");
    return r ? fails(l, "a write failed", r) : true;
}

static bool flush(struct life *l, unsigned disk)
{
    struct guest_op g = { .what = GUEST_FLUSH, .disk = disk, .begin = l->world->moments };

    const uint32_t number = model_begin(l->model, &g);
    int r = world_ask(l->world, disk, WEIR_FLUSH, NULL, 0, 0, 0);
    model_end(l->model, number, l->world->moments, r);
    trace(l, "disk %u flush", disk);
    return r ? fails(l, "a flush failed", r) : true;
}

/* What a guest sees, in requests of some length; by way of the filter, or of the store alone. */
static bool look(struct life *l, unsigned disk, bool store, uint32_t *version)
{
    const uint32_t sectors = l->model->sectors[disk];

    for (uint32_t s = 0, n; s < sectors; s += n) {
        n = 1 + below(l, 300);
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
            return fails(l, "a read failed", r);
    }
    return read_stamps(image, disk, 0, sectors, version, l->why);
}

static bool is_now(struct life *l, unsigned disk)
{
    uint32_t *version = malloc(l->model->sectors[disk] * sizeof(*version));
    bool good =
        version && look(l, disk, false, version) && model_is_now(l->model, disk, version, l->why);

    free(version);
    return good;
}

static bool read_some(struct life *l, unsigned disk)
{
    uint32_t first, count;

    choose_range(l, disk, &first, &count);
    int r = world_ask(l->world, disk, WEIR_READ, buffer, (uint64_t)count * SECTOR,
                      (uint64_t)first * SECTOR, 0);
    return r ? fails(l, "a read failed", r) : true;
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

static bool attach_all(struct life *l)
{
    bool good = true;

    for (unsigned i = 0; good && i < l->world->disks; i++)
        good = l->world->below[i].attached || attach(l, i);
    return good;
}

static bool keep_pool(struct life *l, unsigned disk)
{
    struct world *w = l->world;
    const uint32_t kind = below(l, 8);
    bool flag;
    int r;

    w->sulks = kind < 3 && below(l, 2);
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
    return r ? fails(l, "the pool's upkeep failed", r) : true;
}

static bool administer(struct life *l, unsigned disk)
{
    static const char *const verbs[] = { "invalidate", "drain", "fill", "detach", "fill", "flush" };
    struct weir_below *b = &l->world->below[disk];
    const uint32_t kind = below(l, 6), verb = below(l, 6);

    trace(l, "disk %u administered %u %s", disk, kind, verbs[verb]);
    switch (kind) {
    case 0:
        world_detach(l->world, disk);
        return below(l, 2) ? attach(l, disk) : true;
    case 1: {
        int r = world_verb(l->world, disk, verbs[verb], "");
        return r ? fails(l, "a verb failed", r) : true;
    }
    default:
        b->config.mode = (int)below(l, 3);
        if (below(l, 4) == 0)
            b->config.order = ORDER_FAST + ORDER_ORDERED - b->config.order;
        world_apply(l->world, disk);
        trace(l, "disk %u mode %d", disk, b->config.mode);
        return true;
    }
}

static bool act(struct life *l)
{
    const unsigned disk = below(l, WORLD_DISKS);
    const uint32_t kind = below(l, 200);

    if (!l->world->below[disk].attached)
        return below(l, 40) ? true : attach(l, disk);
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

static bool live(struct life *l, uint32_t n)
{
    bool good = true;

    while (good && n--)
        good = act(l);
    return good;
}

/* ---- crashes -------------------------------------------------------------------------------- */

/* What the guests find is what the model allows; from now on it is what is. */
static bool find_all(struct life *l, size_t moment)
{
    struct model next = *l->model;
    uint32_t *version[WORLD_DISKS];
    bool good = true;

    for (unsigned i = 0; i < WORLD_DISKS; i++)
        if (!(version[i] = malloc(next.sectors[i] * sizeof(**version))))
            abort();
    for (unsigned i = 0; good && i < WORLD_DISKS; i++)
        good =
            look(l, i, false, version[i]) && model_allows(l->model, moment, i, version[i], l->why);
    for (unsigned i = 0; good && i < WORLD_DISKS; i++)
        model_settle(l->model, i, version[i]);
    if (good)
        model_renew(l->model);
    for (unsigned i = 0; i < WORLD_DISKS; i++)
        free(version[i]);
    return good;
}

/* Everything has been destaged: pool and store say the same. */
static bool end_well(struct life *l)
{
    char why[512];
    bool good = true;

    for (unsigned i = 0; good && i < WORLD_DISKS; i++) {
        uint32_t *version = malloc(l->model->sectors[i] * sizeof(*version));
        int r = destage_all(l->world->below[i].disk);
        if (!version || r)
            good = fails(l, "destage failed", r ? r : -ENOMEM);
        good = good && look(l, i, true, version) && model_is_now(l->model, i, version, l->why);
        if (!good) {
            memcpy(why, l->why, sizeof(why));
            snprintf(l->why, sizeof(l->why), "the store alone: %.480s", why);
        }
        good = good && is_now(l, i);
        free(version);
    }
    return good;
}

static void copy_model(struct model *to, const struct model *from)
{
    *to = *from;
    to->op = malloc((from->ops + 1) * sizeof(*to->op));
    if (!to->op)
        abort();
    memcpy(to->op, from->op, from->ops * sizeof(*to->op));
    to->size = from->ops + 1;
    for (unsigned i = 0; i < WORLD_DISKS; i++) {
        to->base[i] = malloc(from->sectors[i] * sizeof(uint32_t));
        if (!to->base[i])
            abort();
        memcpy(to->base[i], from->base[i], from->sectors[i] * sizeof(uint32_t));
    }
}

/* What is about to be synced can be lost in many ways, a super block above all. */
static unsigned ways(const struct world *w, size_t moment)
{
    struct memory *pool = memory_of(w->pool_media);
    const size_t at = moment < w->moments ? w->moment[moment].pool : SIZE_MAX;

    if (at >= memory_ops(pool) || memory_op(pool, at)->kind != MEMORY_SYNC)
        return 1;
    return at && memory_op(pool, at - 1)->offset <= (64 << 10) ? 8 : 2;
}

/* A moment at random, often one of those. */
static size_t some_moment(struct life *l)
{
    size_t moment = below(l, (uint32_t)l->world->moments + 1);

    if (below(l, 2))
        while (moment < l->world->moments && ways(l->world, moment) < 8)
            moment++;
    return moment;
}

static uint64_t states;

/* The power is lost at `moment`; `depth` more times after it comes back. */
static bool crash(struct world *from, const struct model *model, size_t moment, uint64_t seed,
                  int depth, char why[512])
{
    struct world w;
    struct model m;
    struct life l = { .world = &w, .model = &m, .chance = seed, .depth = 2 - depth };
    bool good;

    world_cut(&w, from, moment, memory_chance(&l.chance));
    copy_model(&m, model);
    if (depth)
        world_record(&w);
    for (unsigned i = 0; i < WORLD_DISKS && depth; i++)
        w.below[i].config.mode = (int)below(&l, 3);
    states++;
    good = attach_all(&l) && find_all(&l, moment);
    if (good && depth) {
        good = live(&l, 10 + below(&l, 60));
        world_die(&w);
        for (int i = 0; good && i < 4; i++)
            good = crash(&w, &m, some_moment(&l), memory_chance(&l.chance), depth - 1, l.why);
    } else if (good && below(&l, 2)) {
        good = end_well(&l);
    }
    if (!good)
        snprintf(why, sizeof(l.why), "after moment %zu of %zu, %.440s", moment, from->moments,
                 l.why);
    world_destroy(&w);
    model_destroy(&m);
    return good;
}

/* ---- a run: one life, and all its deaths ------------------------------------------------------
 */

static uint64_t get(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static bool is_over(uint64_t most, time_t until)
{
    return until ? time(NULL) >= until : states >= most;
}

static bool run(uint64_t seed, uint64_t most, time_t until)
{
    struct world w;
    struct model m;
    struct life l = { .world = &w, .model = &m, .chance = seed };
    const size_t wanted = get("CRASH_MOMENT", SIZE_MAX);
    size_t moment = 0;
    bool good;

    world_create(&w, true, slots[below(&l, 3)], sizes, grids);
    for (unsigned i = 0; i < WORLD_DISKS; i++) {
        w.below[i].config.mode = (int)below(&l, 3);
        w.below[i].config.order = below(&l, 4) ? ORDER_FAST : ORDER_ORDERED;
    }
    model_create(&m, sizes);
    good = attach_all(&l) && live(&l, below(&l, 1500));
    good = good && attach_all(&l);
    if (good)
        good = is_now(&l, 0) && is_now(&l, 1);
    for (unsigned i = 0; good && i < WORLD_DISKS; i++) {
        uint32_t *version = malloc(m.sectors[i] * sizeof(*version));
        good = version && look(&l, i, false, version);
        model_settle(&m, i, version);
        free(version);
    }
    model_renew(&m);
    world_record(&w);
    good = good && live(&l, 400);
    world_die(&w);
    for (; good && moment <= w.moments && !is_over(most, until); moment++) {
        uint64_t chance = memory_chance(&l.chance);
        if (wanted != SIZE_MAX && moment != wanted)
            continue;
        for (unsigned i = ways(&w, moment); good && i; i--)
            good = crash(&w, &m, moment, memory_chance(&chance), moment % 8 == 0 && i == 1, l.why);
    }
    if (!good)
        printf("CRASH_SEED=%llu CRASH_MOMENT=%zu: %s\n", (unsigned long long)seed,
               moment ? moment - 1 : 0, l.why);
    world_destroy(&w);
    model_destroy(&m);
    return good;
}

/* ---- all ----------------------------------------------------------------------------------------
 */

static bool work(uint64_t seed, uint64_t most, time_t until)
{
    const time_t begin = time(NULL);
    bool good = true;

    while (good && !is_over(most, until))
        good = run(seed++, most, until);
    printf("%llu states, %llu a second\n", (unsigned long long)states,
           (unsigned long long)(states / (uint64_t)(time(NULL) - begin + 1)));
    fflush(stdout);
    return good;
}

static bool all(unsigned jobs)
{
    const uint64_t seed = get("CRASH_SEED", (uint64_t)time(NULL) * 1000);
    const uint64_t most = get("CRASH_STATES", 10000), minutes = get("CRASH_MINUTES", 0);
    const time_t until = minutes ? time(NULL) + (time_t)(60 * minutes) : 0;
    bool good = true;

    printf("CRASH_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    for (unsigned i = 1; i < jobs; i++)
        if (fork() == 0)
            exit(!work(seed + 1000000 * i, most / jobs + 1, until));
    good = work(seed, most / jobs + 1, until);
    for (int status; wait(&status) > 0;)
        good &= status == 0;
    return good;
}

int main(int argc, char **argv)
{
    tracing = getenv("CRASH_TRACE") != NULL;
    if (argc < 2)
        return !all((unsigned)get("CRASH_JOBS", 2));
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
        if (strcmp(argv[1], steps[i].name) == 0)
            left_out = steps[i].step;
    if (left_out == STEP_NONE) {
        fprintf(stderr, "%s is no step\n", argv[1]);
        return 2;
    }
    if (!all(1)) {
        printf("as it should be: without %s that is found\n", argv[1]);
        return 0;
    }
    printf("without %s nothing illegal was found\n", argv[1]);
    return 1;
}
