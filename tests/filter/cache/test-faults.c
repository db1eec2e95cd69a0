/* test-faults.c - what do guests see when a pool or a store fails, or threads meet badly?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * By hand, on media in memory: never a wrong byte, and what is wrong is said. */
#include "faults-rig.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static enum step left_out; /* changed by a test while nothing else runs */

bool does(enum step step)
{
    return step != left_out;
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

/* What happens while the keeper reads a segment whose blocks it is about to carry to the head. */
static struct {
    struct world *w; /* NULL: it has happened */
    void (*happens)(struct world *);
} meanwhile;

static void while_it_is_read(void *arg, enum memory_call call, uint64_t offset)
{
    struct world *w = meanwhile.w;

    (void)arg;
    (void)offset;
    if (!w || call != MEMORY_CALL_READ)
        return;
    meanwhile.w = NULL;
    meanwhile.happens(w);
}

static void is_written(struct world *w)
{
    assert_int_equal(write_sectors(w, 8, 8, 2), 0);
}

/* The store has come back: the block is destaged, then written past the pool. */
static void is_written_past(struct world *w)
{
    w->sulks = false;
    assert_int_equal(destage_all(w->below[0].disk), 0);
    set_mode(w, MODE_READ);
    is_written(w);
}

static void carry_meanwhile(struct world *w, void (*happens)(struct world *))
{
    struct weir_below *b = &w->below[0];
    uint8_t seen[BLOCK];
    char why[512];
    uint32_t version[SECTORS];
    struct world cut;
    bool flag;

    for (uint32_t first = 0; first < 256 * SECTORS; first += BLOCKS * SECTORS)
        assert_int_equal(write_sectors(w, first, BLOCKS * SECTORS, 1), 0);
    w->sulks = true;
    assert_int_equal(destage_step(b->disk, &flag), -EIO);
    meanwhile.w = w;
    meanwhile.happens = happens;
    memory_gate(memory_of(w->pool_media), while_it_is_read, NULL);
    assert_int_equal(reclaim_segment(w->pool, &flag), 0);
    memory_gate(memory_of(w->pool_media), NULL, NULL);
    assert_null(meanwhile.w);
    assert_version(w, 8, 8, 2);
    assert_int_equal(flush(w), 0);
    world_record(w);
    world_cut(&cut, w, 0, 1); /* whoever reads the log after a crash finds the same */
    assert_int_equal(world_attach(&cut, 0, why), 0);
    assert_int_equal(read_sectors(&cut, 8, 8, version), 0);
    assert_int_equal(version[0], 2);
    world_destroy(&cut);
    w->sulks = false;
    assert_int_equal(destage_all(b->disk), 0);
    world_look(w, 0, seen, BLOCK, BLOCK);
    assert_true(read_stamps(seen, 0, 8, 8, version, why));
    assert_int_equal(version[0], 2);
}

static void what_is_written_while_it_is_carried_is_not_old_again(void **state)
{
    carry_meanwhile(*state, is_written);
}

static void what_is_written_past_while_it_is_carried_is_not_old_again(void **state)
{
    carry_meanwhile(*state, is_written_past);
}

/* A gate that holds the next write of the pool. */
static struct {
    pthread_mutex_t lock; /* guards the rest; a leaf */
    pthread_cond_t changed;
    bool armed, held;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void pass(void *arg, enum memory_call call, uint64_t offset)
{
    (void)arg;
    (void)offset;
    pthread_mutex_lock(&gate.lock);
    if (gate.armed && call == MEMORY_CALL_WRITE) {
        gate.armed = false;
        gate.held = true;
        pthread_cond_broadcast(&gate.changed);
        while (gate.held)
            pthread_cond_wait(&gate.changed, &gate.lock);
    }
    pthread_mutex_unlock(&gate.lock);
}

static void *read_one(void *arg)
{
    uint32_t version[SECTORS];

    read_sectors(arg, 8, 8, version);
    return NULL;
}

static void *write_checkpoint(void *arg)
{
    assert_int_equal(checkpoint(((struct world *)arg)->pool), 0);
    return NULL;
}

/* The checkpoint has begun to look at RAM, or waits: for 0.2 s it has not. */
static void wait_for_turn(struct pool *p)
{
    for (unsigned i = 0; i < 200; i++) {
        bool turned = true;
        pthread_mutex_lock(&p->lock);
        for (size_t n = 0; n < p->intents.size; n++)
            turned &= !p->intents.table[n].fresh;
        pthread_mutex_unlock(&p->lock);
        if (turned)
            return;
        usleep(1000);
    }
}

/* A fill is on its way to the log while its block is written past the pool, and a checkpoint
 * begins. What a crash after that leaves. */
static uint32_t fill_write_checkpoint_crash(void)
{
    struct world w, cut;
    pthread_t reader, keeper;
    uint32_t version[SECTORS];
    char why[512];

    world_create(&w, true, 0, sizes, grids); /* no slots: a fill goes to the log */
    attach(&w, 0);
    set_mode(&w, MODE_READ);
    /* in one order, but not under the world's lock, which the gate would keep */
    memory_gate(memory_of(w.pool_media), pass, NULL);
    assert_int_equal(write_sectors(&w, 8, 8, 1), 0);
    gate.armed = true;
    assert_int_equal(pthread_create(&reader, NULL, read_one, &w), 0);
    pthread_mutex_lock(&gate.lock);
    while (!gate.held)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    assert_int_equal(write_sectors(&w, 8, 8, 2), 0);
    assert_int_equal(pthread_create(&keeper, NULL, write_checkpoint, &w), 0);
    wait_for_turn(w.pool);
    pthread_mutex_lock(&gate.lock);
    gate.held = false;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    pthread_join(reader, NULL);
    pthread_join(keeper, NULL);
    world_record(&w);
    world_cut(&cut, &w, 0, 1);
    assert_int_equal(world_attach(&cut, 0, why), 0);
    assert_int_equal(read_sectors(&cut, 8, 8, version), 0);
    world_destroy(&cut);
    world_destroy(&w);
    return version[0];
}

static void a_checkpoint_waits_for_the_fills_under_way(void **state)
{
    (void)state;
    assert_int_equal(fill_write_checkpoint_crash(), 2);
    left_out = CHECKPOINT_BARRIER;
    uint32_t version = fill_write_checkpoint_crash();
    left_out = STEP_NONE;
    assert_int_equal(version, 1); /* or the test is worth nothing */
}

/* ---- one sync that chance hardly ever finds ------------------------------------------------- */

/* A loss of power at `moment`: does the pool have something that the store has not? */
static bool differs(struct world *from, size_t moment, uint64_t seed)
{
    struct world cut;
    uint32_t version[SECTORS], store[SECTORS];
    char why[512];

    world_cut(&cut, from, moment, seed);
    assert_int_equal(world_attach(&cut, 0, why), 0);
    assert_int_equal(read_sectors(&cut, 8, 8, version), 0);
    world_look(&cut, 0, buffer, BLOCK, BLOCK);
    assert_true(read_stamps(buffer, 0, 8, 8, store, why));
    world_destroy(&cut);
    return memcmp(version, store, sizeof(store)) != 0;
}

/* A block in a slot is written through; its store does not flush, so its region stays marked, also
 * when the tail passes where the log says so. */
static unsigned crash_while_the_tail_passes_a_mark(void)
{
    struct world w;
    unsigned bad = 0;
    bool waits;

    world_create(&w, true, 100, sizes, grids);
    world_record(&w);
    attach(&w, 0);
    attach(&w, 1);
    set_mode(&w, MODE_WRITE_THROUGH);
    w.below[1].config.mode = MODE_WRITE_THROUGH;
    world_apply(&w, 1);
    assert_version(&w, 8, 8, 0); /* it goes to a slot */
    assert_int_equal(checkpoint(w.pool), 0);
    w.sulks = true;
    assert_int_equal(write_sectors(&w, 8, 8, 1), 0);
    assert_int_equal(checkpoint(w.pool), 0);
    for (unsigned i = 0; i < 120; i++) { /* the log fills up */
        memset(buffer, 0, sizeof(buffer));
        assert_int_equal(
            world_ask(&w, 1, WEIR_WRITE, buffer, sizeof(buffer), i % 16 * sizeof(buffer), 0), 0);
    }
    const uint64_t tail = w.pool->super.tail;
    const size_t first = w.moments;
    assert_int_equal(keeper_step(w.pool, &waits), 0);
    assert_true(w.pool->super.tail > tail);
    for (size_t moment = first; moment <= w.moments; moment++)
        for (uint64_t seed = 0; seed < 24; seed++)
            bad += differs(&w, moment, seed);
    world_destroy(&w);
    return bad;
}

static void marks_that_stay_are_durable_before_the_tail_passes_them(void **state)
{
    (void)state;
    assert_int_equal(crash_while_the_tail_passes_a_mark(), 0);
    left_out = CHECKPOINT_SYNC;
    unsigned bad = crash_while_the_tail_passes_a_mark();
    left_out = STEP_NONE;
    assert_int_not_equal(bad, 0); /* or the test is worth nothing */
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

/* ---- the pool has other bytes
 * -------------------------------------------------------------------- */

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
        cmocka_unit_test_setup_teardown(what_is_written_while_it_is_carried_is_not_old_again,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_written_past_while_it_is_carried_is_not_old_again,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_that_is_full_keeps_nothing_from_being_read, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_writer_does_not_wait_for_a_store_that_fails, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_page_that_has_changed_is_not_believed, set_up, tear_down),
        cmocka_unit_test(a_checkpoint_waits_for_the_fills_under_way),
        cmocka_unit_test(marks_that_stay_are_durable_before_the_tail_passes_them),
    };

    return cmocka_run_group_tests_name("filter-cache-faults", tests, NULL, NULL);
}
