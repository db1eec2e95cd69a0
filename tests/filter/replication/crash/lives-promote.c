/* lives-promote.c - what does a source do that meets a target which was promoted?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Each function is a short life of both sites that makes just such a sequence of events happen, at
 * random places, as would show that a step of step.h is left out. */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- GENERATION_BEFORE_ACK, UNSURE_IS_BEYOND ---------------------------------------------------
 *
 * The source writes alone and dies; the target is promoted.  When they meet again the source must
 * know that it has what the target has not, and serve nothing.  A generation that was begun and
 * shown is the one that is found. */

static void note_generation(char text[48])
{
    char *status = source_status(world.source);
    const char *at = strstr(status, "\"generation\":");

    snprintf(text, 48, "%.*s", (int)strcspn(at, ","), at);
    free(status);
}

static void expect_fork(const struct moment *m, enum memory_loss loss, const char *generation,
                        uint64_t seed)
{
    struct target *t = target_crash(m->target, m->target_ops, MEMORY_ALL, seed);
    struct network network = { .target = t };
    struct source *s = source_crash(world.source, &network, m->source_ops, loss, seed);
    char why[SITE_WHY];

    if (target_start(t, why) || target_promote(t, why))
        fail("the target cannot be promoted", why, seed);
    if (source_start(s, why))
        fail("the source does not start", why, seed);
    if (!within_ms(PATIENCE_S * 1000, is_locked, s))
        fail("the target is the primary, and so is the source", "", seed);
    char *status = source_status(s);
    if (!strstr(status, "\"source_lost\":") || strstr(status, "\"source_lost\":0,"))
        fail("a fork is taken for none", status, seed);
    if (!strstr(status, generation))
        fail("a generation is forgotten in which writes were acknowledged", status, seed);
    free(status);
    source_destroy(s);
    target_destroy(t);
}

unsigned live_alone(uint64_t *chance, int mode)
{
    struct moment *m = &world.moment[0];
    struct operation op;

    life_begin(mode, true, 16 << 20, 0);
    atomic_store(&world.network.cut, true);
    for (uint64_t n = 1 + memory_chance(chance) % 3; n; n--) {
        op = write_anywhere(chance);
        guest_ask(&op);
    }
    char generation[48];
    note_generation(generation);
    note_moment(m);
    life_go_on();
    for (int loss = MEMORY_ALL; loss <= MEMORY_TORN; loss++)
        expect_fork(m, loss, generation, memory_chance(chance));
    life_end();
    return 4;
}

/* ---- FENCE_IS_REMEMBERED -----------------------------------------------------------------------
 *
 * The target is promoted, and the source hears of it; it dies, starts again where nobody answers,
 * and must serve nothing.  Then the target is demoted, and the source goes on.  Meanwhile it goes
 * on alone in no generation of its own, whatever it may do without its peer. */

static void expect_fence(const struct moment *m, enum memory_loss loss, uint64_t seed)
{
    struct network nobody = { .target = NULL };
    struct source *s = source_crash(world.source, &nobody, m->source_ops, loss, seed);
    uint8_t data[LEDGER_BLOCK] = { 0 };
    char why[SITE_WHY];

    if (source_start(s, why))
        fail("the source does not start", why, seed);
    for (unsigned i = 0; i < SITE_DISKS; i++)
        if (!source_request(s, i, WEIR_WRITE, data, sizeof data, 0, false))
            fail("a fenced source serves its disks again", "", seed);
    source_destroy(s);
}

unsigned live_fenced(uint64_t *chance)
{
    struct operation op = write_anywhere(chance);
    struct moment *m = &world.moment[0];
    uint8_t data[LEDGER_BLOCK] = { 1 };
    char why[SITE_WHY], generation[48];

    life_begin((int)(memory_chance(chance) % 2), true, 16 << 20, 0);
    guest_ask(&op);
    /* it writes alone; or it is told when it writes next */
    atomic_store(&world.network.cut, memory_chance(chance) % 2);
    if (target_promote(world.target, why))
        fail("the target cannot be promoted", why, 0);
    op = write_anywhere(chance);
    guest_ask(&op);
    if (target_write(world.target, op.disk ? "disk0" : "disk1", data, sizeof data, op.offset))
        fail("a promoted disk cannot be written", "", 0);
    atomic_store(&world.network.cut, false);
    if (!within_ms(PATIENCE_S * 1000, is_locked, world.source))
        fail("the source does not hear that the target was promoted", "", 0);
    note_moment(m);
    note_generation(generation);
    usleep(250000); /* it gives its peer up after 20 ms, and looks every 100 */
    if (!source_says(world.source, generation))
        fail("a fenced source begins a generation", "", 0);
    if (target_demote(world.target, why))
        fail("the target cannot be demoted", why, 0);
    life_go_on();
    for (int loss = MEMORY_ALL; loss <= MEMORY_TORN; loss++)
        expect_fence(m, loss, memory_chance(chance));
    life_end();
    return 4;
}
