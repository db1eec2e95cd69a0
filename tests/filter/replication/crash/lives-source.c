/* lives-source.c - does the source remember what it must when it stops or dies?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Each function is a short life of both sites that makes just such a sequence of events happen, at
 * random places, as would show that a step of step.h is left out. */
#include "script.h"

#include <unistd.h>

/* ---- DROPPED_IS_DIRTY --------------------------------------------------------------------------
 *
 * One disk leaves the group and comes back while the target is away.  The group stops and drops
 * what it could not send; the map of the other disk stays open, and is not read anew, as it is
 * after a restart, when all that is unsure is dirty. */

unsigned live_one_leaves(uint64_t *chance)
{
    struct moment *m = &world.moment[0];
    struct operation op;
    char why[SITE_WHY];

    life_begin(0, false, 16 << 20, 0);
    atomic_store(&world.network.cut, true);
    for (uint64_t n = 4 + memory_chance(chance) % 8; n; n--) {
        op = write_anywhere(chance);
        guest_ask(&op);
    }
    if (source_restart_disk(world.source, (unsigned)(memory_chance(chance) % SITE_DISKS), why))
        fail("the disk does not come back", why, 0);
    note_moment(m);
    life_go_on();
    judge_return(m, MEMORY_SYNCED + (int)(memory_chance(chance) % 3), MEMORY_ALL,
                 memory_chance(chance));
    life_end();
    return 1;
}

/* ---- CEILING_BEFORE_USE ------------------------------------------------------------------------
 *
 * The source dies when the target has LSNs that it has given out since its record was saved last:
 * it must not give them out again, nor be taken for one that was set back. */

unsigned live_since_record(uint64_t *chance)
{
    struct moment *m = &world.moment[0];
    struct operation op;

    life_begin((int)(1 + memory_chance(chance) % 2), false, 16 << 20, 0);
    atomic_store(&world.holds_record, true);
    for (uint64_t n = 1 + memory_chance(chance) % 8; n; n--) {
        op = write_anywhere(chance);
        guest_ask(&op);
    }
    note_moment(m);
    atomic_store(&world.holds_record, false);
    life_go_on();
    judge_return(m, MEMORY_ALL, MEMORY_ALL, memory_chance(chance));
    judge_return(m, MEMORY_SYNCED + (int)(memory_chance(chance) % 3), MEMORY_ALL,
                 memory_chance(chance));
    life_end();
    return 2;
}

/* ---- DISK_BEFORE_INTENT ------------------------------------------------------------------------
 *
 * The target has what a guest wrote, for good, and never did the guest flush.  When nobody has
 * written there for a while the source dies, and loses what its own disk had not made durable. */

unsigned live_cold(uint64_t *chance)
{
    struct moment *m = &world.moment[0];
    struct operation op;

    life_begin(0, false, 16 << 20, 0);
    for (uint64_t n = 1 + memory_chance(chance) % 4; n; n--) {
        op = write_anywhere(chance);
        guest_ask(&op);
    }
    within_ms(1000, is_in_step, NULL);
    within_ms(200, has_no_intents, NULL);
    usleep(40000); /* the committer writes that, and a mark goes */
    within_ms(1000, is_in_step, NULL);
    note_moment(m);
    life_go_on();
    for (int loss = MEMORY_SYNCED; loss <= MEMORY_TORN; loss++)
        judge_return(m, loss, MEMORY_ALL, memory_chance(chance));
    m->source_ops = memory_ops(world.source->memory); /* it was stopped in order */
    judge_return(m, MEMORY_SYNCED, MEMORY_ALL, memory_chance(chance));
    life_end();
    return 4;
}
