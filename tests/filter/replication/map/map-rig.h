/* map-rig.h - what does each test of a map begin with?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MAP_RIG_H
#define TESTS_MAP_RIG_H

#include "map.h"
#include "medium-memory.h"
#include "text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB (1ull << 20)
#define GIB (1ull << 30)
enum { COLD = 40 };

/* One map in one folder, worked by hand. */
struct rig {
    struct memory *memory;
    struct medium *medium;
    struct map *map;
    struct map_found found;
    struct weir_text why;
    uint64_t now;
};

/* A write that counts what became of it. */
struct rig_write {
    struct map_wait wait;
    int called, error;
};

static inline void rig_ready(struct map_wait *wait, int error)
{
    struct rig_write *w = (struct rig_write *)wait;

    w->called++;
    w->error = error;
}

static inline int rig_open(struct rig *r, uint64_t size)
{
    const struct map_setup setup = { r->medium, "map", size, COLD, true };

    free(r->found.problem);
    text_clear(&r->why);
    return map_open(&setup, &r->map, &r->found, &r->why);
}

static inline int rig_enter(struct rig *r, struct rig_write *w, uint64_t offset, uint64_t length)
{
    *w = (struct rig_write){ .wait.ready = rig_ready };
    return map_enter(r->map, offset, length, &w->wait);
}

/* A whole write, which waits for its intent where it must. */
static inline void rig_write(struct rig *r, uint64_t offset, uint64_t length, uint64_t lsn)
{
    struct rig_write w;

    if (rig_enter(r, &w, offset, length)) {
        while (map_work(r->map, r->now) && !w.called) {
        }
        assert_int_equal(w.called, 1);
        assert_int_equal(w.error, 0);
    }
    map_leave(r->map, offset, length, lsn);
}

/* Nobody writes for so long. */
static inline void rig_idle(struct rig *r, unsigned ms)
{
    for (unsigned t = 0; t < ms; t += 5)
        map_work(r->map, r->now += 5);
}

/* Sent, and arrived. */
static inline void rig_clean(struct rig *r)
{
    uint64_t g = 0;

    while (!map_next_dirty(r->map, g, &g))
        map_taken(r->map, g);
    map_sure(r->map);
    assert_int_equal(map_sync(r->map), 0);
}

static inline int rig_sum(void *arg, uint64_t offset, uint64_t length)
{
    (void)offset;
    *(uint64_t *)arg += length;
    return 0;
}

/* Bytes that changed since. */
static inline uint64_t rig_changed(struct rig *r, struct map_point since)
{
    uint64_t sum = 0;

    assert_int_equal(map_changed(r->map, &since, rig_sum, &sum), 0);
    return sum;
}

static inline void rig_again(struct rig *r, uint64_t size, bool in_order)
{
    if (in_order)
        assert_int_equal(map_close(r->map), 0);
    else
        map_abandon(r->map);
    r->map = NULL;
    assert_int_equal(rig_open(r, size), 0);
}

static inline int rig_set_up(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));

    r->memory = memory_create();
    r->medium = memory_medium(r->memory, "maps");
    *state = r;
    return 0;
}

static inline int rig_tear_down(void **state)
{
    struct rig *r = *state;

    map_abandon(r->map);
    free(r->found.problem);
    text_finish(&r->why);
    r->medium->close(r->medium);
    memory_destroy(r->memory);
    free(r);
    return 0;
}

#define RIG(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

#endif
