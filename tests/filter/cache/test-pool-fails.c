/* test-pool-fails.c - what is left of a disk whose pool fails?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "faults-rig.h"

#include <errno.h>
#include <string.h>

bool does(enum step step)
{
    (void)step;
    return true;
}

/* The nth call fails, and all later ones: reads give what was written or an error. */
static void the_pool_may_fail_at_any_call(void **state)
{
    static const int errors[] = { EIO, ENOSPC };

    (void)state;
    for (unsigned i = 0; i < 3 * 40; i++) {
        const enum memory_call call = (enum memory_call)(i % MEMORY_CALLS);
        struct world w;
        uint32_t last = 0, version[BLOCKS];
        uint64_t chance = i;

        world_create(&w, true, 100, sizes, grids);
        attach(&w, 0);
        memory_fail(memory_of(w.pool_media), call, i / 3, -1, errors[i & 1]);
        for (uint32_t n = 1; n < 60; n++) {
            bool flag;
            if (n % 20 == 0)
                set_mode(&w, (enum cache_mode)(memory_chance(&chance) % 3));
            if (write_sectors(&w, 8, 8, n) == 0)
                last = n;
            else
                last = 0; /* old or new */
            if (n % 7 == 0)
                flush(&w);
            if (n % 11 == 0 && w.pool && !w.pool->error)
                keeper_step(w.pool, &flag);
            if (n % 5 == 0)
                destage_step(w.below[0].disk, &flag);
            if (read_sectors(&w, 8, 8, version))
                continue;
            for (uint32_t s = 0; last && s < 8; s++)
                if (version[s] != last)
                    fail_msg("call %u of kind %d: version %u of sector %u, not %u", i / 3,
                             (int)call, version[s], s, last);
        }
        world_destroy(&w);
    }
}

/* A write goes past a pool that has failed, while the store does not take all that the pool has:
 * then the pool is not to be void, for after a crash it is where the rest is. */
static void a_write_past_a_broken_pool_comes_after_all_that_is_dirty(void **state)
{
    struct world *w = *state, cut;
    uint32_t version[SECTORS];
    char why[512];

    assert_int_equal(write_sectors(w, 0, BLOCKS * SECTORS, 1), 0);
    assert_int_equal(flush(w), 0);
    memory_fail(memory_of(w->pool_media), MEMORY_CALL_WRITE, 0, -1, EIO);
    w->sulks = true;
    assert_int_equal(write_sectors(w, 20 * SECTORS, SECTORS, 2), -EIO);
    assert_true(w->pool->error);
    assert_version(w, 0, BLOCKS * SECTORS, 1);
    memory_fail(memory_of(w->pool_media), MEMORY_CALL_WRITE, 0, 0, 0);
    world_record(w);
    world_cut(&cut, w, 0, 1);
    assert_int_equal(world_attach(&cut, 0, why), 0);
    assert_version(&cut, 0, BLOCKS * SECTORS, 1);
    world_destroy(&cut);
    /* the store is well again */
    w->sulks = false;
    assert_int_equal(write_sectors(w, 20 * SECTORS, SECTORS, 2), 0);
    assert_int_equal(flush(w), 0);
    world_cut(&cut, w, world_moments(w), 1);
    assert_int_equal(world_attach(&cut, 0, why), 0);
    assert_version(&cut, 0, BLOCKS * SECTORS, 1);
    assert_int_equal(read_sectors(&cut, 20 * SECTORS, SECTORS, version), 0);
    assert_int_equal(version[0], 2);
    world_destroy(&cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pool_may_fail_at_any_call),
        cmocka_unit_test_setup_teardown(a_write_past_a_broken_pool_comes_after_all_that_is_dirty,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
