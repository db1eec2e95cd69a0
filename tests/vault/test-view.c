/* test-view.c - does a disk as it was read, say where its holes are, and take writes?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "text.h"
#include "world.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = UNITS * UNIT };

static int serve(struct view *v, enum weir_op op, void *data, uint64_t offset, uint64_t length)
{
    struct weir_request req = { .op = op, .offset = offset, .length = length, .data = data };

    return view_serve(v, &req);
}

/* ---- words ------------------------------------------------------------------------- */

static int refused(struct world *w, const char *word, const char *since, const char *sentence)
{
    cleanup_text struct weir_text why = { 0 };
    struct view *v;
    int r = view_open(&w->group, 0, word, since, false, &v, &why);

    assert_int_not_equal(r, 0);
    assert_null(w->group.pinned);
    if (!strstr(text_string(&why), sentence))
        fail_msg("\"%s\" is not in \"%s\"", sentence, text_string(&why));
    return r;
}

static void test_words(void **state)
{
    struct world w;
    struct view *v;

    (void)state;
    world_set_up(&w, 1);
    for (unsigned i = 0; i < 6; i++)
        world_add_segment(&w);
    assert_int_equal(view_open(&w.group, 1, "latest", NULL, false, &v, NULL), 0);
    assert_int_equal(view_size(v), SIZE);
    assert_true(world_view_is(&w, v, 1, w.lsn, 0, UNITS));
    view_close(v);
    assert_int_equal(refused(&w, "rp:none", NULL, "no restore point named \"none\""), -ENOENT);
    assert_int_equal(refused(&w, "lately", NULL, "is no restore point"), -EINVAL);
    assert_int_equal(refused(&w, "lsn:3", "latest", "changes:latest is later than lsn:3"), -EINVAL);
    assert_int_equal(refused(&w, "latest", "rp:none", "no restore point named \"none\""), -ENOENT);
    w.group.record.folding_to = 4ull * SEGMENT;
    assert_int_equal(refused(&w, "lsn:3", NULL, "\"lsn:3\" is being folded"), -ENOENT);
    assert_int_equal(refused(&w, "latest", "lsn:3", "\"lsn:3\" is being folded"), -ENOENT);
    w.group.record.folding_to = 0;
    w.group.record.initial = true;
    assert_int_equal(refused(&w, "latest", NULL, "first complete state"), -ENOENT);
    w.group.record.initial = false;
    struct points *points = w.group.points;
    w.group.points = NULL;
    assert_int_equal(refused(&w, "latest", NULL, "keeps no history"), -ENOTSUP);
    w.group.points = points;
    world_tear_down(&w);
}

/* ---- scratch ----------------------------------------------------------------------- */

static int no_names(void *arg, const char *name)
{
    (void)arg;
    assert_null(strstr(name, "scratch"));
    return 0;
}

/* Bytes of any place and length, against a copy in memory; the point itself does not change. */
static void test_writes(void **state)
{
    struct world w;
    static uint8_t copy[SIZE], bytes[SIZE];

    (void)state;
    world_set_up(&w, 2);
    for (unsigned i = 0; i < 6; i++)
        world_add_segment(&w);
    assert_int_equal(fold_to(&w.group, 2ull * SEGMENT), 0);
    const uint64_t lsn = w.lsn - 3;
    struct view *v = world_open(&w, 0, lsn, true), *other = world_open(&w, 0, lsn, true);
    assert_int_equal(serve(v, WEIR_READ, copy, 0, SIZE), 0);
    for (unsigned i = 0; i < 400; i++) {
        const uint64_t offset = world_chance(&w, SIZE);
        uint64_t length = 1 + world_chance(&w, world_chance(&w, 3) ? 300 : 20000);
        if (offset + length > SIZE)
            length = SIZE - offset;
        if (world_chance(&w, 3)) {
            memset(bytes, (int)i, length);
            assert_int_equal(serve(v, WEIR_WRITE, bytes, offset, length), 0);
            memset(copy + offset, (int)i, length);
        } else {
            assert_int_equal(serve(v, i % 2 ? WEIR_ZERO : WEIR_TRIM, NULL, offset, length), 0);
            memset(copy + offset, 0, length);
        }
        const uint64_t from = world_chance(&w, SIZE), n = world_chance(&w, SIZE - from) + 1;
        assert_int_equal(serve(v, WEIR_READ, bytes, from, n), 0);
        assert_memory_equal(bytes, copy + from, n);
    }
    assert_int_equal(serve(v, WEIR_FLUSH, NULL, 0, 0), 0);
    assert_true(world_view_is(&w, other, 0, lsn, 0, UNITS));
    assert_int_equal(w.group.medium->list(w.group.medium, no_names, NULL), 0);
    view_close(v);
    view_close(other);
    assert_true(world_lsn_is_right(&w, lsn));
    v = world_open(&w, 0, lsn, false);
    assert_int_equal(serve(v, WEIR_WRITE, bytes, 0, 512), -EPERM);
    assert_int_equal(serve(v, WEIR_ZERO, NULL, 0, 512), -EPERM);
    view_close(v);
    world_tear_down(&w);
}

/* Without room one write fails; what was written is there, what was not reads as before. */
static void test_scratch_without_room(void **state)
{
    struct world w;
    static uint8_t copy[SIZE], bytes[SIZE];
    unsigned failed = 0;

    (void)state;
    world_set_up(&w, 3);
    for (unsigned i = 0; i < 4; i++)
        world_add_segment(&w);
    struct view *v = world_open(&w, 1, w.lsn, true);
    assert_int_equal(serve(v, WEIR_READ, copy, 0, SIZE), 0);
    for (unsigned i = 0; i < 60; i++) {
        const uint64_t offset = world_chance(&w, SIZE - 5000), length = 1 + world_chance(&w, 5000);
        memset(bytes, (int)(i + 1), length);
        if (i % 3 == 0)
            memory_fail(w.memory, MEMORY_CALL_WRITE, NULL, (unsigned)world_chance(&w, 3), 1,
                        ENOSPC);
        const int r = serve(v, WEIR_WRITE, bytes, offset, length);
        assert_true(r == 0 || r == -ENOSPC);
        if (!r)
            memset(copy + offset, (int)(i + 1), length);
        failed += r != 0;
        assert_int_equal(serve(v, WEIR_READ, bytes, 0, SIZE), 0);
        /* bytes that the failed write was for may be either; the rest is as it was */
        if (r)
            memcpy(copy + offset, bytes + offset, length);
        assert_memory_equal(bytes, copy, SIZE);
    }
    assert_in_range(failed, 5, 20);
    view_close(v);
    world_tear_down(&w);
}

/* While one fills up a block that it writes a part of, another writes another part: it waits, or
 * else what it wrote is overwritten by what was below. */
struct neighbour {
    struct view *view;
    pthread_t thread;
    bool started;
    atomic_bool done;
};

static void *write_second(void *arg)
{
    struct neighbour *n = arg;

    if (serve(n->view, WEIR_WRITE, (char[16]){ 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2 }, 16,
              16))
        abort();
    atomic_store(&n->done, true);
    return NULL;
}

/* It has all the time to overtake; it never does, so that this much is waited. */
static void let_overtake(void *arg, enum memory_call call, const char *name, uint64_t offset)
{
    struct neighbour *n = arg;

    (void)offset;
    if (n->started || call != MEMORY_CALL_WRITE || strncmp(name, "scratch", 7) != 0)
        return;
    n->started = true;
    assert_int_equal(pthread_create(&n->thread, NULL, write_second, n), 0);
    for (unsigned i = 0; i < 100 && !atomic_load(&n->done); i++)
        usleep(1000);
}

static void test_neighbours_in_a_block(void **state)
{
    struct world w;
    uint8_t bytes[48];

    (void)state;
    world_set_up(&w, 4);
    for (unsigned i = 0; i < 4; i++)
        world_add_segment(&w);
    struct neighbour n = { .view = world_open(&w, 0, w.lsn, true) };
    memory_gate(w.memory, let_overtake, &n);
    memset(bytes, 1, 16);
    assert_int_equal(serve(n.view, WEIR_WRITE, bytes, 0, 16), 0);
    assert_true(n.started);
    pthread_join(n.thread, NULL);
    memory_gate(w.memory, NULL, NULL);
    assert_int_equal(serve(n.view, WEIR_READ, bytes, 0, 48), 0);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(bytes[i], i / 16 + 1);
    view_close(n.view);
    world_tear_down(&w);
}

/* ---- extents ----------------------------------------------------------------------- */

/* The type of each unit; all of an extent must be of it. */
static void types_of(struct view *v, uint64_t offset, uint64_t length, uint32_t type[UNITS])
{
    struct weir_extents *list = weir_extents_create();
    uint64_t start, n, next = offset;
    uint32_t kind;

    assert_non_null(list);
    assert_int_equal(serve(v, WEIR_EXTENTS, list, offset, length), 0);
    for (size_t i = 0; weir_get_extent(list, i, &start, &n, &kind) == 0; i++) {
        assert_int_equal(start, next);
        assert_int_equal(start % UNIT + n % UNIT, 0);
        for (; next < start + n; next += UNIT)
            type[next / UNIT] = kind;
    }
    assert_int_equal(next, offset + length);
    weir_extents_destroy(list);
}

/* What is said to be a hole reads as zeroes; what was written with zeroes is a hole. */
static void test_holes(void **state)
{
    struct world w;
    uint32_t type[UNITS];

    (void)state;
    world_set_up(&w, 5);
    for (unsigned i = 0; i < 12; i++) {
        world_add_segment(&w);
        if (i == 6)
            assert_int_equal(fold_to(&w.group, 3ull * SEGMENT), 0);
        struct view *v = world_open(&w, 0, w.lsn, false);
        types_of(v, 0, SIZE, type);
        for (unsigned unit = 0; unit < UNITS; unit++) {
            const bool zero = world_unit(&w, 0, unit, w.lsn) == 0;
            if (type[unit] & WEIR_HOLE)
                assert_true(zero && type[unit] & WEIR_READS_ZERO);
            else if (w.group.record.horizon.position == 0) /* nothing has lost its shape yet */
                assert_false(zero);
        }
        view_close(v);
    }
    world_tear_down(&w);
}

static void test_one_extent_is_enough(void **state)
{
    struct world w;
    uint64_t start, length;
    uint32_t type;

    (void)state;
    world_set_up(&w, 6);
    for (unsigned i = 0; i < 4; i++)
        world_add_segment(&w);
    struct view *v = world_open(&w, 0, w.lsn, false);
    struct weir_extents *list = weir_extents_create();
    struct weir_request req = {
        .op = WEIR_EXTENTS, .flags = WEIR_ONE_EXTENT, .length = SIZE, .data = list
    };
    assert_int_equal(view_serve(v, &req), 0);
    assert_int_equal(weir_get_extent(list, 0, &start, &length, &type), 0);
    assert_int_equal(start, 0);
    assert_true(length > 0 && length < SIZE);
    assert_int_equal(weir_get_extent(list, 1, &start, &length, &type), -ENOENT);
    weir_extents_destroy(list);
    view_close(v);
    world_tear_down(&w);
}

static bool changed(const struct world *w, unsigned unit, uint64_t since, uint64_t lsn)
{
    for (size_t i = 0; i < w->writes; i++) {
        const struct written *x = &w->written[i];
        if (x->disk == 0 && x->lsn > since && x->lsn <= lsn && unit >= x->first &&
            unit < x->first + x->count)
            return true;
    }
    return false;
}

/* With changes: a hole is what did not change, and nothing else; also while a fold waits. */
static void test_changes(void **state)
{
    struct world w;
    uint32_t type[UNITS];
    char word[32], since_word[32];

    (void)state;
    world_set_up(&w, 7);
    for (unsigned i = 0; i < 20; i++)
        world_add_segment(&w);
    for (unsigned i = 0; i < 40; i++) {
        if (i == 20)
            assert_int_equal(fold_to(&w.group, 9ull * SEGMENT), 0);
        const uint64_t first = w.group.record.horizon.last_lsn;
        const uint64_t since = first + world_chance(&w, w.lsn - first);
        const uint64_t lsn = since + world_chance(&w, w.lsn - since + 1);
        struct view *v;
        snprintf(word, sizeof word, "lsn:%" PRIu64, lsn);
        snprintf(since_word, sizeof since_word, "lsn:%" PRIu64, since);
        assert_int_equal(view_open(&w.group, 0, word, since_word, false, &v, NULL), 0);
        types_of(v, 0, SIZE, type);
        for (unsigned unit = 0; unit < UNITS; unit++) {
            assert_int_equal(!(type[unit] & WEIR_HOLE), changed(&w, unit, since, lsn));
            if (changed(&w, unit, since, lsn) && world_unit(&w, 0, unit, lsn) == 0)
                assert_int_equal(type[unit], WEIR_READS_ZERO);
        }
        assert_true(world_view_is(&w, v, 0, lsn, 0, UNITS));
        /* the older of the two is held */
        assert_int_not_equal(fold_to(&w.group, 20ull * SEGMENT), 0);
        view_close(v);
    }
    world_tear_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_scratch_without_room),
        cmocka_unit_test(test_neighbours_in_a_block),
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_one_extent_is_enough),
        cmocka_unit_test(test_changes),
    };
    return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
