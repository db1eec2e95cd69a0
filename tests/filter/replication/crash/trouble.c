/* trouble.c - what befalls both sites and the network between them while guests write?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "crash.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void pass_still(void *unused)
{
    (void)unused;
    pthread_rwlock_rdlock(&world.still);
    pthread_rwlock_unlock(&world.still);
}

/* ---- the network ------------------------------------------------------------------------- */

static void disturb(uint64_t *chance)
{
    uint64_t luck = memory_chance(chance) % 12;

    atomic_store(&world.network.delay_us, (unsigned)(memory_chance(chance) % 1500));
    atomic_store(&world.network.lose, luck < 3 ? 30 : 0);
    atomic_store(&world.network.cut, luck >= 8 && luck < 10);
    /* what is behind now arrives, and nothing after it: the target gets on, but not in step */
    atomic_store(&world.network.hold_from,
                 luck >= 10 ? atomic_load(&world.network.farthest) + 1 : 0);
}

static void calm(void)
{
    atomic_store(&world.network.hold_from, 0);
    atomic_store(&world.network.cut, false);
}

/* ---- the sites ---------------------------------------------------------------------------- */

/* The target dies, and comes back with what a kill or a loss of power leaves of it. */
static void restart_target(uint64_t *chance)
{
    const int loss = (int)(memory_chance(chance) % 4);
    struct target *old = world.target;
    char why[SITE_WHY];

    atomic_store(&world.network.cut, true);
    struct target *new = target_crash(old, target_ops(old), loss, memory_chance(chance));
    /* who waits there for a frame that will not come is told so: what it is from now on nobody sees
     */
    target_promote(old, why);
    while (atomic_load(&world.network.busy))
        usleep(100);
    target_stop(old);
    target_gate(new, pass_still, NULL);
    if (target_start(new, why))
        fail("the target does not start", why, 0);
    world.target = world.targets[world.lives++] = new;
    world.network.target = new;
    world.thin |= loss != MEMORY_ALL;
    calm();
}

/* In order, with whatever it could not send; or one disk alone, and the other stays. */
static void restart_source(uint64_t *chance)
{
    const bool one = memory_chance(chance) % 2;
    const unsigned disk = (unsigned)(memory_chance(chance) % SITE_DISKS);
    char why[SITE_WHY];
    int r;

    calm();
    atomic_store(&world.network.cut, world.mode == 0);
    guests_halt(true);
    if (one) {
        r = source_restart_disk(world.source, disk, why);
    } else {
        source_stop(world.source);
        r = source_start(world.source, why);
    }
    if (r)
        fail("the source does not start", why, 0);
    guests_halt(false);
    calm();
}

/* The target is promoted and written; the source hears of it, or does not; then what was written
 * there goes, and the source goes on. */
static void fail_over_and_back(uint64_t *chance)
{
    uint8_t data[LEDGER_BLOCK];
    char why[SITE_WHY], name[16];

    calm();
    atomic_store(&world.network.cut, memory_chance(chance) % 2);
    if (target_promote(world.target, why))
        fail("the target cannot be promoted", why, 0);
    memset(data, 0x5a, sizeof data);
    for (uint64_t n = memory_chance(chance) % 4; n; n--) {
        snprintf(name, sizeof name, "disk%u", (unsigned)(memory_chance(chance) % SITE_DISKS));
        const int r = target_write(world.target, name, data, sizeof data,
                                   memory_chance(chance) % BLOCKS * LEDGER_BLOCK);
        if (r && r != -ENOENT)
            fail("a promoted disk cannot be written", strerror(-r), 0);
    }
    usleep((useconds_t)(memory_chance(chance) % 20000));
    if (target_demote(world.target, why))
        fail("the target cannot be demoted", why, 0);
    calm();
}

void trouble(uint64_t *chance)
{
    uint64_t luck = memory_chance(chance) % 10;

    /* what nobody writes to becomes cold, and what the map says of it is all there is */
    atomic_store(&world.spared, (int)(memory_chance(chance) % (SITE_DISKS + 2)) - 2);
    if (luck == 0)
        restart_target(chance);
    else if (luck == 1)
        restart_source(chance);
    else if (luck == 2)
        fail_over_and_back(chance);
    else if (luck < 6)
        disturb(chance);
}

void trouble_end(void)
{
    calm();
    atomic_store(&world.network.lose, 0);
    atomic_store(&world.network.delay_us, 0);
}
