/* test-faults.c - what do guests see when a pool or a store fails, or threads meet badly?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * By hand, on media in memory: never a wrong byte, and what is wrong is said. */
#include "core.h"
#include "crash-model.h"
#include "step.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

bool does(enum step step)
{
    (void)step;
    return true;
}

static const uint64_t sizes[WORLD_DISKS] = { 1 << 20, 1 << 20 };
static const uint64_t grids[WORLD_DISKS];

enum { BLOCKS = 16 };
static uint8_t buffer[BLOCKS * BLOCK] __attribute__((aligned(4096)));

static void attach(struct world *w, unsigned disk)
{
    char why[512];

    assert_int_equal(world_attach(w, disk, why), 0);
    assert_non_null(atomic_load(&w->below[disk].disk->ready));
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    world_create(w, true, 100, sizes, grids);
    attach(w, 0);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world_destroy(*state);
    free(*state);
    return 0;
}

static int write_sectors(struct world *w, uint32_t first, uint32_t count, uint32_t version)
{
    stamp(buffer, 0, first, count, version);
    return world_ask(w, 0, WEIR_WRITE, buffer, (uint64_t)count * SECTOR, (uint64_t)first * SECTOR,
                     0);
}

static int read_sectors(struct world *w, uint32_t first, uint32_t count, uint32_t *version)
{
    char why[512];
    int r =
        world_ask(w, 0, WEIR_READ, buffer, (uint64_t)count * SECTOR, (uint64_t)first * SECTOR, 0);

    if (!r && !read_stamps(buffer, 0, first, count, version, why))
        fail_msg("%s", why);
    return r;
}

static void assert_version(struct world *w, uint32_t first, uint32_t count, uint32_t wanted)
{
    uint32_t version[BLOCKS * SECTORS];

    assert_int_equal(read_sectors(w, first, count, version), 0);
    for (uint32_t s = 0; s < count; s++)
        if (version[s] != wanted)
            fail_msg("sector %u is of version %u, not %u", first + s, version[s], wanted);
}

static int flush(struct world *w)
{
    return world_ask(w, 0, WEIR_FLUSH, NULL, 0, 0, 0);
}

static void set_mode(struct world *w, enum cache_mode mode)
{
    w->below[0].config.mode = mode;
    world_apply(w, 0);
}

/* ---- races ------------------------------------------------------------------------------- */

static void destage_now(struct weir_below *b)
{
    b->read = NULL;
    assert_int_equal(destage_all(b->disk), 0);
}

/* The reader asks the store for a block and its neighbour, a few sectors of which are dirty; before
 * he keeps what the store has said these are destaged. */
static void what_is_destaged_while_the_store_is_read_is_not_kept_old(void **state)
{
    struct world *w = *state;
    uint32_t version[3 * SECTORS];

    assert_int_equal(write_sectors(w, SECTORS + 2, 3, 7), 0);
    w->below[0].read = destage_now;
    assert_int_equal(read_sectors(w, 0, 3 * SECTORS, version), 0);
    assert_null(w->below[0].read);
    assert_version(w, SECTORS + 2, 3, 7);
}

/* ---- the store fails ------------------------------------------------------------------------ */

static void a_store_that_is_full_keeps_nothing_from_being_read(void **state)
{
    struct world *w = *state;
    struct weir_below *b = &w->below[0];
    bool left;

    assert_int_equal(write_sectors(w, 0, 20, 1), 0);
    memory_fail(memory_of(b->store), MEMORY_CALL_WRITE, 0, -1, ENOSPC);
    assert_int_equal(destage_step(b->disk, &left), -ENOSPC);
    assert_true(left);
    assert_non_null(strstr(b->last_report, strerror(ENOSPC)));
    assert_version(w, 0, 20, 1);
    assert_int_equal(flush(w), 0);
    assert_int_equal(write_sectors(w, 4, 20, 2), 0);
    assert_version(w, 4, 20, 2);
    /* what needs the store is told */
    set_mode(w, MODE_WRITE_THROUGH);
    assert_int_not_equal(write_sectors(w, 0, 8, 3), 0);
    memory_fail(memory_of(b->store), MEMORY_CALL_WRITE, 0, 0, 0);
    assert_int_equal(destage_all(b->disk), 0);
    assert_version(w, 4, 20, 2);
    assert_int_equal(write_sectors(w, 0, 8, 3), 0);
    assert_version(w, 0, 8, 3);
}

/* Its log fills up with what the store does not take: writers are told, and nobody waits for ever.
 */
static void a_writer_does_not_wait_for_a_store_that_fails(void **state)
{
    struct world *w = *state;
    int r = 0;

    memory_fail(memory_of(w->below[0].store), MEMORY_CALL_WRITE, 0, -1, EIO);
    for (int i = 0; !r && i < 2000; i++)
        r = write_sectors(w, (uint32_t)i * 8 % 2000, 8, 1);
    for (int i = 0; !r && i < 200; i++)
        r = write_sectors(w, (uint32_t)i * 8 % 2000 + 4, 8, 2);
    assert_true(r == 0 || r == -EIO || r == -ENOSPC);
    memory_fail(memory_of(w->below[0].store), MEMORY_CALL_WRITE, 0, 0, 0);
    assert_int_equal(destage_all(w->below[0].disk), 0);
    assert_int_equal(write_sectors(w, 0, 8, 9), 0);
    assert_version(w, 0, 8, 9);
}

/* ---- the pool fails -------------------------------------------------------------------------- */

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

/* A page of the pool has other bytes than were written: clean blocks come from the store, dirty
 * ones are an error, and said. */
static void a_page_that_has_changed_is_not_believed(void **state)
{
    struct world *w = *state;
    struct weir_below *b = &w->below[0];
    uint32_t version[SECTORS];

    assert_int_equal(write_sectors(w, 0, 8, 1), 0);
    assert_int_equal(write_sectors(w, 8, 8, 2), 0);
    assert_int_equal(destage_all(b->disk), 0);
    assert_int_equal(write_sectors(w, 8, 8, 3), 0);
    const struct pool *p = w->pool;
    for (unsigned block = 0; block < 2; block++) {
        uint8_t page[BLOCK];
        const uint64_t at = place_offset(p, policy_find(p->policy, disk_key(b->disk, block)));
        assert_int_equal(media_read(w->pool_media, page, BLOCK, at), 0);
        page[1000] ^= 4;
        assert_int_equal(media_write(w->pool_media, page, BLOCK, at), 0);
    }
    assert_version(w, 0, 8, 1);
    assert_int_equal(read_sectors(w, 8, 8, version), -EIO);
    destage_all(b->disk);
    assert_int_equal(read_sectors(w, 8, 8, version), -EIO);
    assert_true(b->errors > 0);
    assert_int_equal(write_sectors(w, 8, 8, 4), 0);
    assert_version(w, 8, 8, 4);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_destaged_while_the_store_is_read_is_not_kept_old,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_that_is_full_keeps_nothing_from_being_read, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_writer_does_not_wait_for_a_store_that_fails, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_page_that_has_changed_is_not_believed, set_up, tear_down),
        cmocka_unit_test(the_pool_may_fail_at_any_call),
    };

    return cmocka_run_group_tests_name("filter-cache-faults", tests, NULL, NULL);
}
