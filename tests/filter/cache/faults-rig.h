/* faults-rig.h - one disk with a cache whose media a test lets fail: how is it asked?
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef FAULTS_RIG_H
#define FAULTS_RIG_H

#include "core.h"
#include "crash-model.h"
#include "step.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint64_t sizes[WORLD_DISKS] = { 1 << 20, 1 << 20 };
static const uint64_t grids[WORLD_DISKS];

enum { BLOCKS = 16 };
static _Thread_local uint8_t buffer[BLOCKS * BLOCK];

static inline void attach(struct world *w, unsigned disk)
{
    char why[512];

    assert_int_equal(world_attach(w, disk, why), 0);
    assert_non_null(atomic_load(&w->below[disk].disk->ready));
}

static inline int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    world_create(w, true, 100, sizes, grids);
    attach(w, 0);
    *state = w;
    return 0;
}

static inline int tear_down(void **state)
{
    world_destroy(*state);
    free(*state);
    return 0;
}

static inline int write_sectors(struct world *w, uint32_t first, uint32_t count, uint32_t version)
{
    stamp(buffer, 0, first, count, version);
    return world_ask(w, 0, WEIR_WRITE, buffer, (uint64_t)count * SECTOR, (uint64_t)first * SECTOR,
                     0);
}

static inline int read_sectors(struct world *w, uint32_t first, uint32_t count, uint32_t *version)
{
    char why[512];
    int r =
        world_ask(w, 0, WEIR_READ, buffer, (uint64_t)count * SECTOR, (uint64_t)first * SECTOR, 0);

    if (!r && !read_stamps(buffer, 0, first, count, version, why))
        fail_msg("%s", why);
    return r;
}

static inline void assert_version(struct world *w, uint32_t first, uint32_t count, uint32_t wanted)
{
    uint32_t version[BLOCKS * SECTORS];

    assert_int_equal(read_sectors(w, first, count, version), 0);
    for (uint32_t s = 0; s < count; s++)
        if (version[s] != wanted)
            fail_msg("sector %u is of version %u, not %u", first + s, version[s], wanted);
}

static inline int flush(struct world *w)
{
    return world_ask(w, 0, WEIR_FLUSH, NULL, 0, 0, 0);
}

static inline void set_mode(struct world *w, enum cache_mode mode)
{
    w->below[0].config.mode = mode;
    world_apply(w, 0);
}

#endif
