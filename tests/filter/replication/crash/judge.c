/* judge.c - is what a crash has left of both sites legal?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * A state is what one moment of a life and one loss leave on a medium of each site that is judged:
 * it is opened by the code under test, and has to keep what was promised by that moment. */
#include "crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool source_says(struct source *s, const char *word)
{
    char *status = source_status(s);
    bool found = strstr(status, word);

    free(status);
    return found;
}

void fail_with_status(const char *what, struct source *s, uint64_t seed)
{
    char *status = source_status(s);

    fail(what, status, seed);
}

void wait_in_step(struct source *s, uint64_t seed)
{
    const time_t limit = time(NULL) + PATIENCE_S;

    for (;;) {
        const struct sight at = source_look(s);
        if (at.in_step)
            return;
        if (at.stopped)
            fail_with_status("nothing flows until somebody has chosen a side", s, seed);
        if (time(NULL) > limit)
            fail_with_status("the sites do not come into step", s, seed);
        usleep(500);
    }
}

void judge_alike(struct memory *source, struct target *t, uint64_t seed)
{
    static uint8_t mine[SITE_SIZE], theirs[SITE_SIZE];
    struct source reader = { .memory = source };
    struct medium *folder = memory_medium(source, "disks");
    char why[SITE_WHY], name[16];

    if (target_promote(t, why))
        fail("the target cannot be promoted", why, seed);
    for (uint32_t i = 0; i < SITE_DISKS; i++) {
        snprintf(name, sizeof name, "disk%u", i);
        if (folder->open(folder, name, 0, &reader.disk[i].file) ||
            source_read(&reader, i, mine, sizeof mine, 0) ||
            target_read(t, name, theirs, sizeof theirs, 0))
            fail("the disks cannot be read", name, seed);
        reader.disk[i].file->close(reader.disk[i].file);
        for (size_t at = 0; at < SITE_SIZE; at++)
            if (mine[at] != theirs[at]) {
                snprintf(why, sizeof why, "%s differs at byte %zu", name, at);
                fail("in step, but not alike", why, seed);
            }
    }
    folder->close(folder);
}

/* ---- the target alone -------------------------------------------------------------------------
 */

static void history_until(const struct moment *m, struct history *h)
{
    *h = (struct history){ .disks = SITE_DISKS, .moments = m->events };
    for (uint32_t i = 0; i < SITE_DISKS; i++)
        h->disk[i].size = SITE_SIZE;
    for (uint32_t i = 0; i < m->ids; i++) {
        world.op[i].acked = world.op[i].ended = world.op[i].hardened = NEVER;
        world.op[i].torn = false; /* a record is applied whole or not at all */
    }
    for (uint32_t i = 0; i < m->events; i++) {
        struct operation *op = &world.op[world.event[i].id - 1];
        if (world.event[i].kind == SENT)
            op->sent = i;
        else
            op->ended = i;
        if (world.event[i].kind == ACKED)
            op->acked = i;
    }
    for (uint32_t i = 0; i < m->ids; i++)
        history_add(h, &world.op[i]);
    history_harden(h);
}

static void look_at(struct target *t, uint32_t disk, uint32_t *seen, uint64_t seed)
{
    static uint8_t data[SITE_SIZE];
    char name[16];

    snprintf(name, sizeof name, "disk%u", disk);
    if (target_read(t, name, data, sizeof data, 0))
        fail("a promoted disk cannot be read", name, seed);
    for (uint64_t i = 0; i < BLOCKS; i++) {
        const uint8_t *block = data + i * LEDGER_BLOCK;
        struct ledger_name found;
        bool torn;
        if (ledger_block_is_zero(block))
            seen[i] = SEEN_ZERO;
        else if (ledger_block_read(block, &found, &torn) && found.disk == disk && found.block == i)
            seen[i] = found.id;
        else
            seen[i] = SEEN_WRONG;
    }
}

static enum demand promised(const struct moment *m, enum memory_loss loss)
{
    if (world.mode == 0 || m->degraded)
        return DEMAND_NONE;
    return (loss == MEMORY_ALL && !m->thin) || world.mode == 2 ? DEMAND_ACKED : DEMAND_HARDENED;
}

void judge_failover(const struct moment *m, enum memory_loss loss, uint64_t seed)
{
    static uint32_t seen[SITE_DISKS][BLOCKS];
    struct target *t = target_crash(m->target, m->target_ops, loss, seed);
    struct history history;
    struct cut cut;
    char why[SITE_WHY];

    snprintf(world.about, sizeof world.about, "failover %d after moment %d, op %zu", loss,
             (int)(m - world.moment), m->target_ops);
    if (target_start(t, why))
        fail("the target does not start", why, seed);
    if (target_promote(t, why))
        fail("the target cannot be promoted", why, seed);
    for (uint32_t i = 0; i < SITE_DISKS; i++)
        look_at(t, i, seen[i], seed);
    history_until(m, &history);
    struct cut_question question = { .history = &history,
                                     .demand = promised(m, loss),
                                     .by = m->events };
    for (uint32_t i = 0; i < SITE_DISKS; i++)
        question.seen[i] = seen[i];
    if (cut_judge(&question, &cut))
        abort();
    if (!cut.legal)
        fail(question.demand == DEMAND_NONE ? "a failover gets what never was"
                                            : "a failover lacks what was promised",
             cut.why, seed);
    free(cut.in);
    history_free(&history);
    target_destroy(t);
}

/* ---- both again --------------------------------------------------------------------------------
 */

void judge_return(const struct moment *m, enum memory_loss here, enum memory_loss there,
                  uint64_t seed)
{
    struct target *t = target_crash(m->target, m->target_ops, there, seed);
    struct network network = { .target = t };
    struct source *s = source_crash(world.source, &network, m->source_ops, here, seed + 1);
    char why[SITE_WHY];

    snprintf(world.about, sizeof world.about, "return %d %d after moment %d, op %zu and %zu", here,
             there, (int)(m - world.moment), m->source_ops, m->target_ops);
    if (target_start(t, why))
        fail("the target does not start", why, seed);
    if (source_start(s, why))
        fail("the source does not start", why, seed);
    wait_in_step(s, seed);
    if (source_says(s, "\"fenced\"") || source_says(s, "\"fork\":{"))
        fail("the source was fenced by nobody", "", seed);
    struct memory *after = memory_copy(s->memory);
    source_stop(s);
    judge_alike(after, t, seed);
    memory_destroy(after);
    source_destroy(s);
    target_destroy(t);
}
