/* life.c - how does a life of both sites go, at random?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "crash.h"

#include <string.h>
#include <unistd.h>

static void pass_medium(void *unused, enum memory_call call, const char *name, uint64_t offset)
{
    (void)offset;
    while (atomic_load(&world.holds_record) && call != MEMORY_CALL_READ &&
           !strncmp(name, "group", 5))
        usleep(200);
    pass_still(unused);
}

static void dawdle(void *unused)
{
    static _Thread_local uint64_t chance = 1;

    (void)unused;
    if (memory_chance(&chance) % 4 == 0)
        usleep((useconds_t)(memory_chance(&chance) % 1000));
}

/* ---- beginning and end --------------------------------------------------------------------- */

void life_begin(int mode, bool degrades, uint64_t ring, uint64_t spill)
{
    char why[SITE_WHY];

    world.ids = world.events = 0;
    *world.about = '\0';
    world.mode = mode;
    world.degrades = degrades;
    world.thin = false;
    atomic_store(&world.spared, -1);
    world.target = world.targets[0] = target_create();
    world.lives = 1;
    target_gate(world.target, pass_still, NULL);
    world.network = (struct network){ .target = world.target, .gate = pass_still };
    world.source = source_create(&world.network);
    memory_gate(world.source->memory, pass_medium, NULL);
    world.source->mode = mode;
    world.source->without_peer = degrades;
    world.source->ring = ring;
    world.source->spill = spill;
    world.source->on_read = dawdle;
    if (target_start(world.target, why) || source_start(world.source, why))
        fail("the sites cannot be started", why, 0);
    wait_in_step(world.source, 0);
}

void life_go_on(void)
{
    trouble_end();
    wait_in_step(world.source, 0);
    source_stop(world.source);
    judge_alike(world.source->memory, world.target, 0);
}

void life_end(void)
{
    source_destroy(world.source);
    while (world.lives)
        target_destroy(world.targets[--world.lives]);
}

void note_moment(struct moment *m)
{
    pthread_rwlock_wrlock(&world.still);
    m->source_ops = memory_ops(world.source->memory);
    m->target = world.target;
    m->target_ops = target_ops(world.target);
    pthread_mutex_lock(&world.lock);
    m->events = world.events;
    m->ids = world.ids;
    pthread_mutex_unlock(&world.lock);
    pthread_rwlock_unlock(&world.still);
    m->thin = world.thin;
    m->degraded = world.degrades; /* it may have gone on alone: then nothing is promised */
}

/* ---- at random ------------------------------------------------------------------------------ */

void live(void)
{
    pthread_t guests[GUESTS];
    uint64_t chance = world.seed;
    const int mode = (int)(memory_chance(&chance) % 3);
    const bool degrades = memory_chance(&chance) % 4 == 0;
    const uint64_t ring = memory_chance(&chance) % 2 ? 1 << 20 : 16 << 20;
    const unsigned lies = memory_chance(&chance) % 3 ? 0 : 50;

    life_begin(mode, degrades, ring, memory_chance(&chance) % 2 ? 2 << 20 : 0);
    atomic_store(&world.source->lies, lies);
    guest_begin(guests);
    for (unsigned i = 0; i < MOMENTS; i++) {
        trouble(&chance);
        usleep((useconds_t)(memory_chance(&chance) % 30000));
        note_moment(&world.moment[i]);
    }
    trouble_end();
    guest_end(guests);
    life_go_on();
}
