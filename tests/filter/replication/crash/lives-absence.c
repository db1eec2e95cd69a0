/* lives-absence.c - does a target that was away often, or refused for long, come into step by
 * itself?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Each time that the source goes on alone a generation may begin, and a lineage has room for few:
 * the last one that the target has received anything of must stay in it. */
#include "script.h"

#include "generation.h"

#include <string.h>
#include <unistd.h>

enum { ABSENCES = GENERATIONS + 8, LIMIT_MS = 20000 };

static bool is_degraded(void *unused)
{
    (void)unused;
    return source_says(world.source, "\"state\":\"degraded\"");
}

static bool has_come_again(void *before)
{
    return atomic_load(&world.network.opened) > *(unsigned *)before;
}

static void end(const char *what)
{
    atomic_store(&world.network.refuse_from, 0);
    atomic_store(&world.network.cut, false);
    if (source_look(world.source).stopped)
        fail_with_status(what, world.source, 0);
    life_go_on();
    life_end();
}

/* Its disk is full, say: it takes the source, and none of its frames. */
static void live_refused(uint64_t *chance)
{
    life_begin(1, true, 16 << 20, 0);
    atomic_store(&world.network.refuse_from, atomic_load(&world.network.farthest) + 1);
    for (unsigned i = 0; i < ABSENCES; i++) {
        const struct operation op = write_anywhere(chance);
        unsigned before = atomic_load(&world.network.opened);
        if (guest_ask(&op))
            fail_with_status("a guest is told of a target that refuses", world.source, 0);
        if (!within_ms(LIMIT_MS, has_come_again, &before))
            fail_with_status("a target that refuses is not met again", world.source, 0);
    }
    end("a target that refused frames is a stranger now");
}

/* Nobody answers, and the source is started again and again. */
static void live_restarted(uint64_t *chance)
{
    char why[SITE_WHY];

    life_begin(2, true, 16 << 20, 0);
    atomic_store(&world.network.cut, true);
    for (unsigned i = 0; i < ABSENCES; i++) {
        const struct operation op = write_anywhere(chance);
        if (guest_ask(&op))
            fail_with_status("a guest is told of a target that is away", world.source, 0);
        if (!within_ms(LIMIT_MS, is_degraded, NULL))
            fail_with_status("a disk does not go on alone", world.source, 0);
        source_stop(world.source);
        if (source_start(world.source, why))
            fail("the source does not start", why, 0);
    }
    end("a target that was away is a stranger now");
}

void live_absences(uint64_t *chance)
{
    live_refused(chance);
    live_restarted(chance);
}
