/* test-fold.c - are all states right before, while and after the horizon moves on?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fold.h"
#include "world.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* ---- a long life ------------------------------------------------------------------- */

struct held {
    struct view *view;
    unsigned disk;
    uint64_t lsn;
};
enum { HELD = 3 };

struct life {
    struct world w;
    struct held held[HELD];
    bool looking;
    unsigned looks;
};

/* Before each write of a base, and each trim, all that is open still reads right. */
static void look_while_folding(void *arg, enum memory_call call, const char *name, uint64_t offset)
{
    struct life *l = arg;

    (void)offset;
    if (l->looking || !strstr(name, ".base") || call == MEMORY_CALL_READ)
        return;
    l->looking = true;
    for (unsigned i = 0; i < HELD; i++)
        if (l->held[i].view) {
            assert_true(
                world_view_is(&l->w, l->held[i].view, l->held[i].disk, l->held[i].lsn, 0, UNITS));
            l->looks++;
        }
    l->looking = false;
}

static uint64_t random_lsn(struct world *w)
{
    const uint64_t first = w->group.record.horizon.last_lsn;

    return first + world_chance(w, w->lsn - first + 1);
}

static void hold_another(struct life *l)
{
    struct held *h = &l->held[world_chance(&l->w, HELD)];

    if (h->view) {
        assert_true(world_view_is(&l->w, h->view, h->disk, h->lsn, 0, UNITS));
        view_close(h->view);
    }
    h->disk = (unsigned)world_chance(&l->w, WORLD_DISKS);
    h->lsn = random_lsn(&l->w);
    h->view = world_open(&l->w, h->disk, h->lsn, false);
    assert_non_null(h->view);
}

static void let_all_go(struct life *l)
{
    for (unsigned i = 0; i < HELD; i++) {
        view_close(l->held[i].view);
        l->held[i].view = NULL;
    }
}

/* The furthest that the pins allow. */
static uint64_t furthest(struct world *w)
{
    uint64_t limit = segment_floor(w->group.record.applied.position), lsn;

    for (const struct pinned *p = w->group.pinned; p; p = p->next)
        if (segment_floor(p->position) < limit)
            limit = segment_floor(p->position);
    return fold_state_before(&w->group, limit, &lsn);
}

static void fold_some(struct life *l)
{
    struct world *w = &l->w;
    const uint64_t horizon = w->group.record.horizon.position, most = furthest(w);

    if (most > horizon) {
        const uint64_t segments = (most - horizon) / SEGMENT;
        const uint64_t to = horizon + (1 + world_chance(w, segments)) * SEGMENT;
        assert_int_equal(fold_to(&w->group, to), 0);
        assert_int_equal(w->group.record.horizon.position, to);
        assert_int_equal(fake_log_trimmed(w->group.log), to);
    }
    /* one more than the pins allow is refused */
    if (w->group.pinned)
        assert_int_not_equal(fold_to(&w->group, segment_floor(w->group.pinned->position) + SEGMENT),
                             0);
}

static void test_a_long_life(void **state)
{
    struct life l = { 0 };

    (void)state;
    world_set_up(&l.w, 1);
    memory_gate(l.w.memory, look_while_folding, &l);
    for (unsigned i = 0; i < 150; i++) {
        world_add_segment(&l.w);
        for (uint64_t n = world_chance(&l.w, 4); n > 0; n--)
            index_work(l.w.group.index);
        if (i % 2 == 0)
            hold_another(&l);
        if (i % 5 == 4)
            fold_some(&l);
        assert_true(world_lsn_is_right(&l.w, random_lsn(&l.w)));
        if (i % 40 == 39) {
            let_all_go(&l);
            world_restart(&l.w);
            assert_true(world_lsn_is_right(&l.w, l.w.group.record.horizon.last_lsn));
        }
    }
    let_all_go(&l);
    memory_gate(l.w.memory, NULL, NULL);
    assert_true(l.looks > 100);
    for (uint64_t lsn = l.w.group.record.horizon.last_lsn; lsn <= l.w.lsn; lsn += 7)
        assert_true(world_lsn_is_right(&l.w, lsn));
    world_tear_down(&l.w);
}

struct race {
    struct world *w;
    uint64_t to;
    unsigned reads;
};

static void fold_before_read(void *arg)
{
    struct race *race = arg;

    race->reads++;
    if (race->to) {
        const uint64_t to = race->to;
        race->to = 0;
        assert_int_equal(fold_to(&race->w->group, to), 0);
    }
}

/* Between the index and the log all is folded that the view allows: the base has it then. */
static void test_a_fold_between_looking_and_reading(void **state)
{
    (void)state;
    for (uint64_t seed = 20; seed < 30; seed++) {
        struct world w;
        world_set_up(&w, seed);
        for (unsigned i = 0; i < 8; i++)
            world_add_segment(&w);
        struct view *v = world_open(&w, 0, w.lsn, false);
        struct race race = { .w = &w, .to = furthest(&w) };
        assert_true(race.to >= 6ull * SEGMENT);
        fake_log_on_read(w.group.log, fold_before_read, &race);
        assert_true(world_view_is(&w, v, 0, w.lsn, 0, UNITS));
        assert_true(race.reads > 1 && !race.to);
        view_close(v);
        world_tear_down(&w);
    }
}

struct intruder {
    struct world *w;
    struct view *view;
};

static void open_while_announcing(void *arg, enum memory_call call, const char *name,
                                  uint64_t offset)
{
    struct intruder *i = arg;

    (void)offset;
    if (i->view || call != MEMORY_CALL_WRITE || strncmp(name, "group", 5) != 0)
        return;
    i->view = world_open(i->w, 0, 2, false);
    assert_non_null(i->view);
}

/* Somebody opens a point while the fold is being announced: it waits, and nothing was changed. */
static void test_a_point_that_comes_between(void **state)
{
    struct world w;
    struct intruder intruder = { .w = &w };

    (void)state;
    world_set_up(&w, 30);
    for (unsigned i = 0; i < 6; i++)
        world_add_segment(&w);
    memory_gate(w.memory, open_while_announcing, &intruder);
    assert_int_equal(fold_to(&w.group, 4ull * SEGMENT), -EBUSY);
    assert_int_equal(w.group.record.folding_to, 0);
    assert_true(world_view_is(&w, intruder.view, 0, 2, 0, UNITS));
    memory_gate(w.memory, NULL, NULL);
    view_close(intruder.view);
    assert_int_equal(fold_to(&w.group, 4ull * SEGMENT), 0);
    world_tear_down(&w);
}

/* ---- how far ----------------------------------------------------------------------- */

static const uint64_t second = 1000000000, hour = 3600ull * 1000000000;

/* `frames` frames, each with a segment and an hour of its own. */
static void add_hours(struct world *w, unsigned frames)
{
    for (unsigned i = 0; i < frames; i++) {
        const uint64_t end = fake_log_end(w->group.log);
        w->time += hour - second;
        world_add_frame_at(w, segment_floor(end + SEGMENT - 1), 0, "");
    }
}

static uint64_t real_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * second + (uint64_t)t.tv_nsec;
}

static void test_by_age(void **state)
{
    struct world w;

    (void)state;
    world_set_up(&w, 2);
    fake_log_set_free(w.group.log, 1ull << 40);
    w.group.config.history = 4 * hour;
    add_hours(&w, 4);
    const uint64_t now = real_now(); /* when all has arrived */
    assert_int_equal(fold_target(&w.group, now + 100 * hour), 0);
    add_hours(&w, 6);
    /* by the source's clock it is old, by ours it has just come: that clock has leapt */
    assert_int_equal(fold_target(&w.group, now + hour), 0);
    const uint64_t target = fold_target(&w.group, real_now() + 5 * hour);
    assert_true(target > 0);
    struct index_segment s;
    assert_int_equal(index_segment(w.group.index, target - SEGMENT, &s), 0);
    assert_true(w.group.complete_time - s.time > 4 * hour);
    assert_int_equal(index_segment(w.group.index, target, &s), 0);
    assert_true(w.group.complete_time - s.time <= 4 * hour);
    /* a primary's history stays */
    w.group.record.role = ROLE_PRIMARY;
    assert_int_equal(fold_target(&w.group, real_now() + 5 * hour), 0);
    world_tear_down(&w);
}

static void test_by_size(void **state)
{
    struct world w;

    (void)state;
    world_set_up(&w, 3);
    w.group.config.history = 1000 * hour;
    for (unsigned i = 0; i < 64; i++)
        world_add_segment(&w);
    fake_log_set_free(w.group.log, 5ull * SEGMENT);
    assert_int_equal(fold_target(&w.group, real_now()), 0);
    fake_log_set_free(w.group.log, 3ull * SEGMENT);
    const uint64_t target = fold_target(&w.group, real_now());
    assert_int_equal(target, 6ull * SEGMENT); /* an eighth of 67, less the 3 that are free */
    struct view *v = world_open(&w, 0, 1, false);
    assert_non_null(v);
    assert_int_equal(fold_target(&w.group, real_now()), 0); /* what somebody looks at stays */
    view_close(v);
    assert_int_equal(fold_once(&w.group), 0);
    assert_int_equal(w.group.record.horizon.position, target);
    assert_true(w.group.shortened); /* that was within the span */
    world_tear_down(&w);
}

/* Inside of a set there is no state that a base could be. */
static void test_not_into_a_set(void **state)
{
    struct world w;
    uint64_t lsn;

    (void)state;
    world_set_up(&w, 4);
    w.group.config.history = 1000 * hour;
    fake_log_set_free(w.group.log, 0);
    for (unsigned i = 0; i < 12; i++) { /* a segment each */
        world_add_frame_at(&w, i * (uint64_t)SEGMENT, i >= 2 && i < 9 ? FRAME_PART : 0, "");
    }
    for (unsigned i = 2; i <= 9; i++)
        assert_int_equal(fold_state_before(&w.group, i * (uint64_t)SEGMENT, &lsn), 2ull * SEGMENT);
    assert_int_equal(fold_to(&w.group, 5ull * SEGMENT), -EINVAL);
    assert_int_equal(fold_to(&w.group, 2ull * SEGMENT), 0);
    /* room is needed: on to the set's end */
    assert_int_equal(fold_target(&w.group, real_now()), 10ull * SEGMENT);
    assert_int_equal(fold_once(&w.group), 0);
    assert_true(world_lsn_is_right(&w, w.group.record.horizon.last_lsn));
    world_tear_down(&w);
}

/* ---- crashes ----------------------------------------------------------------------- */

/* Is everything right that can be opened, and can what must be? */
static bool all_is_right(struct world *w)
{
    const struct group_record *r = &w->group.record;
    uint64_t first = r->horizon.last_lsn;
    struct index_segment s;

    if (r->folding_to) {
        if (index_segment(w->group.index, r->folding_to - 1, &s))
            return false;
        first = s.last_lsn + 1; /* before it nothing is opened */
    }
    for (uint64_t lsn = first; lsn <= w->lsn; lsn += 5)
        if (!world_lsn_is_right(w, lsn))
            return false;
    return world_lsn_is_right(w, w->lsn);
}

static void note_trim(struct world *w)
{
    w->trim[w->trims].ops = memory_ops(w->memory);
    w->trim[w->trims++].position = fake_log_trimmed(w->group.log);
}

/* How many states after a crash during two folds are wrong, or do not become right; of a broken
 * order the first is enough. */
static unsigned wrong_states(enum broken broken, unsigned *states)
{
    struct world w, after;
    unsigned wrong = 0;

    world_set_up(&w, 5);
    for (unsigned i = 0; i < 8; i++)
        world_add_segment(&w);
    while (index_work(w.group.index))
        ;
    assert_int_equal(group_save(&w.group, &w.group.record), 0);
    w.broken = broken;
    world_restart(&w);
    memory_record(w.memory);
    for (unsigned to = 3; to <= 6; to += 3) {
        assert_int_equal(fold_to(&w.group, to * (uint64_t)SEGMENT), 0);
        note_trim(&w);
    }
    *states = 0;
    for (size_t n = 0; n <= memory_ops(w.memory) && !(broken && wrong); n++)
        for (unsigned loss = MEMORY_ALL; loss <= MEMORY_TORN; loss++)
            for (uint64_t seed = 0; seed < (loss >= MEMORY_SOME ? 4 : 1); seed++) {
                world_crash(&after, &w, n, loss, n * 64 + seed);
                bool right = all_is_right(&after);
                /* what was interrupted is done again; and then there is nothing left */
                right = right && (!after.group.record.folding_to || !fold_once(&after.group)) &&
                        all_is_right(&after) && !after.group.record.folding_to;
                wrong += !right;
                ++*states;
                world_tear_down(&after);
            }
    world_tear_down(&w);
    return wrong;
}

static void test_crashes(void **state)
{
    unsigned states;

    (void)state;
    assert_int_equal(wrong_states(NOTHING_BROKEN, &states), 0);
    print_message("%u states\n", states);
    assert_true(states > 300);
}

static void test_each_rule_of_order_is_needed(void **state)
{
    (void)state;
    for (unsigned broken = NOTHING_BROKEN + 1; broken < NO_RULE; broken++) {
        unsigned states, wrong = wrong_states(broken, &states);
        print_message("without rule %u: wrong after %u states\n", broken, states);
        assert_true(wrong > 0);
    }
}

/* A fold that fails goes on when it can. */
static void test_a_base_without_room(void **state)
{
    struct world w;

    (void)state;
    world_set_up(&w, 6);
    for (unsigned i = 0; i < 6; i++)
        world_add_segment(&w);
    memory_fail(w.memory, MEMORY_CALL_WRITE, "vm0.base", 2, 1, ENOSPC);
    assert_int_equal(fold_to(&w.group, 4ull * SEGMENT), -ENOSPC);
    assert_int_equal(w.group.record.folding_to, 4ull * SEGMENT);
    memory_fail(w.memory, MEMORY_CALL_WRITE, "vm0.base", 2, 1, ENOSPC);
    assert_int_equal(fold_once(&w.group), -ENOSPC); /* and it says so until it can */
    assert_non_null(strstr(w.group.fold_error, "No space left"));
    assert_int_equal(w.group.fold_failures, 1);
    assert_null(world_open(&w, 0, 1, false));
    assert_true(all_is_right(&w));
    assert_int_equal(fold_once(&w.group), 0);
    assert_string_equal(w.group.fold_error, "");
    assert_int_equal(w.group.fold_failures, 1);
    assert_int_equal(w.group.record.horizon.position, 4ull * SEGMENT);
    assert_true(all_is_right(&w));
    world_tear_down(&w);
}

/* ---- going back -------------------------------------------------------------------- */

static void test_heads_go_back(void **state)
{
    struct world w;

    (void)state;
    world_set_up(&w, 7);
    for (unsigned i = 0; i < 20; i++)
        world_add_segment(&w);
    assert_int_equal(fold_to(&w.group, 8ull * SEGMENT), 0);
    assert_true(world_heads_are(&w, w.lsn));
    while (w.lsn > w.group.record.horizon.last_lsn) {
        const uint64_t lsn = random_lsn(&w);
        assert_int_equal(group_roll_back(&w.group, lsn, NULL, NULL, NULL), 0);
        assert_true(world_heads_are(&w, lsn));
        w.lsn = lsn < w.lsn ? lsn : lsn - 1; /* ever further, from heads that went back already */
    }
    world_tear_down(&w);
}

static void test_going_back_after_a_crash(void **state)
{
    struct world w, after;
    unsigned states = 0;

    (void)state;
    world_set_up(&w, 8);
    for (unsigned i = 0; i < 12; i++)
        world_add_segment(&w);
    assert_int_equal(fold_to(&w.group, 3ull * SEGMENT), 0);
    note_trim(&w);
    for (unsigned disk = 0; disk < WORLD_DISKS; disk++)
        assert_int_equal(file_sync(w.group.disks[disk].head), 0);
    const uint64_t lsn = w.group.record.horizon.last_lsn + 4;
    memory_record(w.memory);
    assert_int_equal(group_roll_back(&w.group, lsn, NULL, NULL, NULL), 0);
    for (size_t n = 0; n <= memory_ops(w.memory); n++)
        for (uint64_t seed = 0; seed < 4; seed++, states++) {
            world_crash(&after, &w, n, MEMORY_TORN, n * 4 + seed);
            assert_int_equal(group_roll_back(&after.group, lsn, NULL, NULL, NULL), 0);
            assert_true(world_heads_are(&after, lsn));
            world_tear_down(&after);
        }
    print_message("%u states\n", states);
    world_tear_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_long_life),
        cmocka_unit_test(test_a_fold_between_looking_and_reading),
        cmocka_unit_test(test_a_point_that_comes_between),
        cmocka_unit_test(test_by_age),
        cmocka_unit_test(test_by_size),
        cmocka_unit_test(test_not_into_a_set),
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_each_rule_of_order_is_needed),
        cmocka_unit_test(test_a_base_without_room),
        cmocka_unit_test(test_heads_go_back),
        cmocka_unit_test(test_going_back_after_a_crash),
    };
    return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}
