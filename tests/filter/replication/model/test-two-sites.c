/* test-two-sites.c - is nothing lost in any history of two sites, and is every rule needed for
 * that?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Walks all histories from some beginnings, DEPTH of the environment long (8), then leaves out one
 * rule after the other: each must be missed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "two-sites-walk.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- where histories begin --------------------------------------------------- */

#define SYNC_BOTH                                                                                  \
    { MEET, 0, 0 }, { COPY, 0, 0 }, { COPY, 0, 0 }, { DELIVER, 0, 0 },                             \
    {                                                                                              \
        DELIVER, 0, 0                                                                              \
    }
#define IN_STEP                                                                                    \
    SYNC_BOTH, { ACK, 1, 0 }, { WRITE, 0, 0 }, { DELIVER, 0, 0 },                                  \
    {                                                                                              \
        ACK, 1, 0                                                                                  \
    }

static const struct beginning {
    const char *name;
    struct action script[24];
    unsigned count, longer; /* histories, as less can happen */
} beginnings[] = {
#define BEGINNING(n, ...)                                                                          \
    {                                                                                              \
        n, { __VA_ARGS__ }, sizeof((struct action[]){ __VA_ARGS__ }) / sizeof(struct action), 0    \
    }
    { "a new target", { { 0 } }, 0, 1 },
    BEGINNING("in step", IN_STEP),
    /* Quorum was lost with writes under way, nobody went on alone, and bits are set: when the two
     * meet again DRBD took them for equal "by rule" and cleared 16 bits that were not empty. */
    BEGINNING("DRBD issue 145", IN_STEP, { WRITE, 0, 0 }, { CUT, 0, 0 }, { WRITE, 0, 1 }),
    BEGINNING("the source went on alone", IN_STEP, { CUT, 0, 0 }, { DEGRADE, 0, 0 },
              { WRITE, 0, 0 }),
    BEGINNING("half of a set arrived", IN_STEP, { CUT, 0, 0 }, { DEGRADE, 0, 0 }, { WRITE, 0, 0 },
              { WRITE, 0, 1 }, { HEAL, 0, 0 }, { MEET, 0, 0 }, { COPY, 0, 0 }, { DELIVER, 0, 0 },
              { ACK, 1, 0 }),
    BEGINNING("the target refuses", IN_STEP, { REFUSE, 0, 0 }, { DEGRADE, 0, 0 }, { WRITE, 0, 0 },
              { MEET, 0, 0 }, { REFUSE, 0, 0 }, { DEGRADE, 0, 0 }, { MEET, 0, 0 }, { REFUSE, 0, 0 },
              { DEGRADE, 0, 0 }),
    BEGINNING("failed over", IN_STEP, { WRITE, 0, 1 }, { CRASH, 0, 0 }, { PROMOTE, 1, 0 },
              { RESTART, 0, 0 }),
    BEGINNING("handed over", IN_STEP, { HANDOVER, 0, 0 }, { MEET, 1, 0 }),
#undef BEGINNING
};
enum { BEGINNINGS = sizeof(beginnings) / sizeof(*beginnings) };

static void start(const struct beginning *b, struct rules *rules, struct world *w)
{
    struct rules all = *rules;

    all.omit = NOTHING;
    all.writes = VERSIONS;
    world_new(w);
    for (unsigned i = 0; i < b->count; i++)
        if (!all.async || b->script[i].deed != DEGRADE) /* async is alone at any time */
            world_script(w, &all, &b->script[i], 1);
    rules->writes = w->versions + 1u; /* two more */
}

static unsigned depth(void)
{
    const char *said = getenv("DEPTH");

    return said ? (unsigned)strtoul(said, NULL, 0) : 8;
}

/* ---- all of them ------------------------------------------------------------- */

static void walk_all(bool async)
{
    for (unsigned i = 0; i < BEGINNINGS; i++) {
        struct rules rules = { .async = async };
        struct history history;
        struct world w;
        start(&beginnings[i], &rules, &w);
        history_walk(&w, &rules, depth() + beginnings[i].longer, NULL, &history);
        printf("%s: %zu states in histories of %u\n", beginnings[i].name, history.states,
               history.depth);
        if (history.broken)
            history_print(&w, &rules, &history);
        assert_null(history.broken);
    }
}

static void test_nothing_is_lost_in_sync_mode(void **state)
{
    (void)state;
    walk_all(false);
}

static void test_nothing_is_lost_in_async_mode(void **state)
{
    (void)state;
    walk_all(true);
}

/* ---- what is left out -------------------------------------------------------- */

static bool missed(unsigned omit, bool async, unsigned at_most)
{
    struct history history;
    struct world w;

    for (unsigned d = 2; d <= at_most; d++)
        for (unsigned i = 0; i < BEGINNINGS; i++) {
            struct rules rules = { .omit = omit, .async = async };
            start(&beginnings[i], &rules, &w);
            history_walk(&w, &rules, d, NULL, &history);
            if (!history.broken)
                continue;
            printf("found after %u steps from \"%s\": %s\n", history.count, beginnings[i].name,
                   history.broken);
            return true;
        }
    return false;
}

static void test_every_rule_is_needed(void **state)
{
    static const struct {
        enum omission omit;
        const char *name;
        bool async_too;
    } rules[] = {
        { NO_BUMP, "a generation before the first acknowledgement alone", false },
        { NO_BUMP_AGAIN, "another one if the target knows that", false },
        { NO_MERGE, "generations that the target has nothing of are forgotten", false },
        { EARLY_MERGE, "… once no frame can be late", false },
        { NO_TOLD, "to go on in the newest generation no target may know it", false },
        { NO_BUMP_UNHEARD, "… whether or not it has acknowledged anything", false },
        { NO_TOKEN, "frames of a stale token are refused", true },
        { NO_CHAIN, "a frame follows from the one before", true },
        { NO_LSN, "lineages are compared with their LSNs", true },
        { NO_DURABLE, "an acknowledgement says that it is durable", true },
        { EARLY_CLEAR, "a granule is sure when it is durable at the target", true },
        { RULE_CLEAR, "no bit is cleared but by an acknowledgement", true },
        { NO_NEEDS, "the source sends what the target wants", true },
        { NO_CUT, "what a promoted target drops is in its map", true },
        { NO_SET, "a set is applied as a whole", true },
        { NO_INTENT, "what was under way is dirty after a crash", true },
        { NO_LAG, "generations that a target only knows of are taken back", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
        for (int async = 0; async <= rules[i].async_too; async++) {
            printf("without \"%s\"%s: ", rules[i].name, async ? ", async" : "");
            fflush(stdout);
            assert_true(missed(rules[i].omit, async, 9));
        }
}

/* ---- what must be possible --------------------------------------------------- */

static const struct rules no_rules = { .writes = VERSIONS };

#define SCRIPT(w, ...)                                                                             \
    world_script((w), &no_rules, (struct action[]){ __VA_ARGS__ },                                 \
                 sizeof((struct action[]){ __VA_ARGS__ }) / sizeof(struct action))

static void assert_in_step(const struct world *w, unsigned source)
{
    const struct site *s = &w->site[source], *t = &w->site[!source];

    assert_int_equal(w->session, source + 1);
    assert_int_equal(s->dirty | s->unsure | t->dirty | t->unsure, 0);
    assert_true(s->primary && !t->primary && t->durable_whole);
    assert_int_equal(t->durable_version, s->version);
}

static void assert_kin(const struct world *w, unsigned source, enum kinship want)
{
    const enum kinship k = world_compare(w, &no_rules, source, !source, NULL);

    assert_string_equal(kinship_name(k), kinship_name(want));
}

/* ceph issue 14963: failover and failback of an image that nobody wrote was a split brain. */
static void test_a_promotion_that_loses_nothing_is_no_fork(void **state)
{
    struct world w;

    (void)state;
    world_new(&w);
    SCRIPT(&w, IN_STEP, { CUT, 0, 0 }, { PROMOTE, 1, 0 }, { HEAL, 0, 0 });
    assert_kin(&w, 0, KIN_PROMOTED);
    SCRIPT(&w, { WRITE, 1, 1 });
    assert_kin(&w, 0, KIN_PROMOTED);
    SCRIPT(&w, { FOLLOW, 0, 0 }, { MEET, 1, 0 }, { COPY, 0, 0 }, { DELIVER, 0, 0 }, { ACK, 0, 0 });
    assert_in_step(&w, 1);
    /* and back, as planned */
    SCRIPT(&w, { HANDOVER, 0, 0 }, { MEET, 0, 0 });
    assert_in_step(&w, 0);
}

/* Each write alone is a fork; an operator chooses, and the union of both maps is sent. */
static void test_a_fork_is_resolved_either_way(void **state)
{
    (void)state;
    for (uint8_t loser = 0; loser < 2; loser++) {
        const uint8_t winner = !loser;
        struct world w;
        world_new(&w);
        SCRIPT(&w, IN_STEP, { CUT, 0, 0 }, { DEGRADE, 0, 0 }, { WRITE, 0, 0 }, { PROMOTE, 1, 0 },
               { WRITE, 1, 1 }, { HEAL, 0, 0 });
        assert_kin(&w, 0, KIN_FORK);
        assert_kin(&w, 1, KIN_FORK);
        SCRIPT(&w, { DISCARD, loser, 0 }, { MEET, winner, 0 });
        assert_int_equal(w.site[winner].dirty, ALL);
        SCRIPT(&w, { COPY, 0, 0 }, { COPY, 0, 0 }, { DELIVER, 0, 0 }, { DELIVER, 0, 0 },
               { ACK, loser, 0 });
        assert_in_step(&w, winner);
    }
}

/* A write that only the source knows is a fork, though the target has written nothing. */
static void test_a_promotion_that_loses_a_write_is_a_fork(void **state)
{
    struct fork fork;
    struct world w;

    (void)state;
    world_new(&w);
    SCRIPT(&w, IN_STEP, { CUT, 0, 0 }, { DEGRADE, 0, 0 }, { WRITE, 0, 0 }, { PROMOTE, 1, 0 },
           { HEAL, 0, 0 });
    assert_int_equal(world_compare(&w, &no_rules, 0, 1, &fork), KIN_FORK);
    assert_int_equal(fork.common, 1);
    assert_int_equal(fork.source_lost, 1);
    assert_int_equal(fork.target_lost, 0);
}

static void test_a_target_that_lags_catches_up(void **state)
{
    struct world w;

    (void)state;
    world_new(&w);
    SCRIPT(&w, IN_STEP, { CUT, 0, 0 }, { DEGRADE, 0, 0 }, { WRITE, 0, 1 }, { HEAL, 0, 0 });
    assert_kin(&w, 0, KIN_BEHIND);
    SCRIPT(&w, { MEET, 0, 0 }, { COPY, 0, 0 }, { DELIVER, 0, 0 }, { ACK, 1, 0 });
    assert_in_step(&w, 0);
    assert_false(w.site[0].degraded);
    assert_kin(&w, 0, KIN_SAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_lost_in_sync_mode),
        cmocka_unit_test(test_nothing_is_lost_in_async_mode),
        cmocka_unit_test(test_every_rule_is_needed),
        cmocka_unit_test(test_a_promotion_that_loses_nothing_is_no_fork),
        cmocka_unit_test(test_a_fork_is_resolved_either_way),
        cmocka_unit_test(test_a_promotion_that_loses_a_write_is_a_fork),
        cmocka_unit_test(test_a_target_that_lags_catches_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
