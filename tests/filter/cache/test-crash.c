/* test-crash.c - is anything lost that was promised, wherever the power goes?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Guests of two disks of one small pool do at random what guests do; checkpoints, destage and
 * restarts happen in between.  All that lasts is recorded (core.h), and then the power is lost at
 * every moment, with a random part of what was not synced: the disks are attached again, and what
 * is found there is judged (crash-model.h).  Some of these go on, lose power a second time, and at
 * last destage everything: then the store alone must be the disk.
 *
 *   test-crash       CRASH_STATES (10000, or 2500) states, by CRASH_JOBS (2) processes
 *   test-crash STEP  without a step of step.h: fails if no illegal state is found
 *   CRASH_SEED=n     the first seed; each run prints its own
 *   CRASH_MINUTES=n  for so long, instead of CRASH_STATES
 *
 * BARRIER and SYNC of a checkpoint need worse luck: test-faults.c has a script for each. */
#include "core.h"
#include "crash-life.h"
#include "crash-model.h"
#include "step.h"

#include <errno.h>
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

/* Of a pool: few, so that others take them at once, or more than there are blocks. */
static const unsigned slots[] = { 60, 150, 1000 };

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
        good = life_look(l, i, false, version[i]) &&
               model_allows(l->model, moment, i, version[i], l->why);
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
            good = life_fails(l, "destage failed", r ? r : -ENOMEM);
        good = good && life_look(l, i, true, version) && model_is_now(l->model, i, version, l->why);
        if (!good) {
            memcpy(why, l->why, sizeof(why));
            snprintf(l->why, sizeof(l->why), "the store alone: %.480s", why);
        }
        good = good && life_is_now(l, i);
        free(version);
    }
    return good;
}

/* The pool is lost, too: what is on the stores? */
static bool is_older_state(struct life *l, size_t moment)
{
    bool good = true;

    for (unsigned i = 0; good && i < WORLD_DISKS; i++) {
        uint32_t *version = malloc(l->model->sectors[i] * sizeof(*version));
        good = version && life_look(l, i, true, version) &&
               model_allows_older(l->model, moment, i, version, l->why);
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
    size_t moment = life_chance(l, (uint32_t)l->world->moments + 1);

    if (life_chance(l, 2))
        while (moment < l->world->moments && ways(l->world, moment) < 8)
            moment++;
    return moment;
}

static uint64_t states;

/* The power is lost at `moment`; `depth` more times after it comes back. */
static bool crash(struct world *from, const struct model *model, size_t moment, uint64_t seed,
                  int depth, char why[512])
{
    static bool second; /* a life after the first crash, which is not all in order */
    const bool first = !second;
    struct world w;
    struct model m;
    struct life l = { .world = &w, .model = &m, .chance = seed, .depth = 2 - depth };
    bool good;

    world_cut(&w, from, moment, memory_chance(&l.chance));
    copy_model(&m, model);
    if (depth)
        world_record(&w);
    for (unsigned i = 0; i < WORLD_DISKS && depth; i++)
        w.below[i].config.mode = (int)life_chance(&l, 3);
    states++;
    if (life_ordered && first && !is_older_state(&l, moment)) {
        snprintf(why, sizeof(l.why), "the pool is lost, too: %.440s", l.why);
        world_destroy(&w);
        model_destroy(&m);
        return false;
    }
    good = life_attach(&l) && find_all(&l, moment);
    if (good && depth) {
        good = life_go(&l, 10 + life_chance(&l, 60));
        world_die(&w);
        second = true;
        for (int i = 0; good && i < 4; i++)
            good = crash(&w, &m, some_moment(&l), memory_chance(&l.chance), depth - 1, l.why);
        second = false;
    } else if (good && life_chance(&l, 2)) {
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

    world_create(&w, true, slots[life_chance(&l, 3)], life_sizes, life_grids);
    life_ordered = life_chance(&l, 5) == 0;
    for (unsigned i = 0; i < WORLD_DISKS; i++) {
        w.below[i].config.mode = life_ordered ? MODE_WRITE_BACK : (int)life_chance(&l, 3);
        w.below[i].config.order = life_ordered || !life_chance(&l, 4) ? ORDER_ORDERED : ORDER_FAST;
    }
    model_create(&m, life_sizes);
    good = life_attach(&l) && life_go(&l, life_chance(&l, 1500));
    good = good && life_attach(&l);
    for (unsigned i = 0; good && life_ordered && i < WORLD_DISKS; i++)
        good = destage_all(w.below[i].disk) == 0;
    if (good)
        good = life_is_now(&l, 0) && life_is_now(&l, 1);
    for (unsigned i = 0; good && i < WORLD_DISKS; i++) {
        uint32_t *version = malloc(m.sectors[i] * sizeof(*version));
        good = version && life_look(&l, i, false, version);
        model_settle(&m, i, version);
        free(version);
    }
    model_renew(&m);
    world_record(&w);
    good = good && life_go(&l, 400);
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
    const uint64_t usual = get("WEIR_SHORT", 0) ? 2500 : 10000;
    const uint64_t most = get("CRASH_STATES", usual), minutes = get("CRASH_MINUTES", 0);
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
    life_tracing = getenv("CRASH_TRACE") != NULL;
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
