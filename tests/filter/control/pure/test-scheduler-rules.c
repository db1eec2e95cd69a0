/* test-scheduler-rules.c - does each disk get what its limits and reservation say?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * All under a simulated clock: the figures are exact, and the same on every machine. */
#include "scheduler-case.h"

/* ---- limits ------------------------------------------------------------------ */

static void limited(uint64_t limit, double parts)
{
    forget(NULL);
    sim = sim_create(64, S / 100000, 64);
    struct sim_client *c =
        sim_add(sim, &(struct sim_client){ .set = { .shares = 1000, .ios = limit }, .depth = 64 });
    sim_run(sim, 50 * MS); /* what it may do at once is done */
    sim_forget(sim);
    sim_run(sim, limit > 100000 ? 300000 * S / limit : 10 * S);
    double rate = (double)(c->done - 1) * S / (double)(c->last_done - c->first_done);
    double error = rate / (double)limit - 1;
    if (error > parts / 100000 || error < -parts / 100000) {
        print_error("%.3f instead of %lu per second\n", rate, (unsigned long)limit);
        fail();
    }
}

static void test_limits(void **state)
{
    (void)state;
    limited(10, 200);
    limited(1000, 200);
    limited(100000, 200);
    limited(1000000, 200);
    limited(3000000, 200);
}

/* Every second the scheduler is not asked for 50 ms. */
static void test_a_limit_is_made_good_after_a_stall(void **state)
{
    struct scheduler s;
    struct disk d = { .shares = 1 };
    static struct item item[64];
    uint64_t done = 0;

    (void)state;
    scheduler_init(&s);
    assert_true(scheduler_add(&s, &d));
    scheduler_set(&s, &d, &(struct disk_settings){ .shares = 1, .ios = 1000 }, S);
    s.window = 64 * LOAD_ONE;
    for (unsigned i = 0; i < 64; i++) {
        item[i] = (struct item){ .disk = &d, .units = 1, .load = LOAD_ONE };
        while (scheduler_submit(&s, &item[i], S))
            scheduler_complete(&s, &item[i], S); /* until its limits are reached */
    }
    for (uint64_t now = S; now < 11 * S; now += MS / 4) {
        if (now % S < 50 * MS)
            continue;
        for (struct item *i; (i = scheduler_next(&s, now)); done++) {
            scheduler_complete(&s, i, now);
            scheduler_submit(&s, i, now);
        }
    }
    assert_near(done, 10000, 200);
    scheduler_finish(&s);
}

static void test_limit_of_bytes(void **state)
{
    (void)state;
    sim = sim_create(64, MS / 10, 64);
    struct sim_client *c = sim_add(
        sim, &(struct sim_client){
                 .set = { .shares = 1000, .bytes = 50000000 }, .depth = 64, .size = 65536 });
    sim_run(sim, 10 * S);
    assert_near(c->bytes / 4096, 500000000.0 / 4096, 500);
}

/* 5000 per second for 2 s, then 1000: to the request. */
static void test_a_burst_is_max_times_length(void **state)
{
    (void)state;
    sim = sim_create(64, MS, 64);
    struct sim_client *c = sim_add(
        sim, &(struct sim_client){
                 .set = { .shares = 1000, .ios = 1000, .ios_max = 5000, .ios_length = 2 * S },
                 .depth = 64 });
    sim_run(sim, 2 * S);
    assert_in_range(c->done, 10000 - 5, 10000 + 5); /* some are still on their way */
    sim_forget(sim);
    sim_run(sim, 10 * S);
    assert_in_range(c->done, 10000 - 5, 10000 + 5);
}

static void test_a_limited_disk_leaves_the_rest_to_others(void **state)
{
    (void)state;
    sim = sim_create(8, MS, 9);
    sim_add(sim, &(struct sim_client){ .set = { .shares = 100000, .ios = 500 }, .depth = 32 });
    add(1, 32);
    sim_run(sim, S);
    sim_forget(sim);
    sim_run(sim, 10 * S);
    assert_near(sim->client[0].done, 5000, 500);
    assert_near(sim->client[1].done, 75000, 500);
}

static void test_lifting_a_limit_lets_go_at_once(void **state)
{
    (void)state;
    sim = sim_create(8, MS, 9);
    struct sim_client *c =
        sim_add(sim, &(struct sim_client){ .set = { .shares = 1, .ios = 10 }, .depth = 32 });
    sim_run(sim, S);
    c->set.ios = 0;
    scheduler_set(&sim->scheduler, &c->disk, &c->set, sim->now);
    sim_forget(sim);
    sim_run(sim, S);
    assert_near(c->done, 8000, 1000);
}

/* ---- reservations ------------------------------------------------------------ */

static void test_reservations_are_kept(void **state)
{
    (void)state;
    sim = sim_create(8, MS, 9);
    sim_add(sim, &(struct sim_client){ .set = { .shares = 1, .reservation = 3000 }, .depth = 32 });
    sim_add(sim, &(struct sim_client){ .set = { .shares = 1, .reservation = 4200 }, .depth = 32 });
    add(100000, 32);
    sim->scheduler.capacity = 8000;
    sim->scheduler.promised = 7200;
    sim_run(sim, S);
    for (int second = 0; second < 10; second++) {
        sim_forget(sim);
        sim_run(sim, S);
        assert_true(sim->client[0].done >= 2970);
        assert_true(sim->client[1].done >= 4158);
        assert_true(sim->client[2].done >= 750);
    }
}

/* A reservation is a floor, not something on top of the shares. */
static void test_a_reservation_below_the_share_changes_nothing(void **state)
{
    (void)state;
    sim = sim_create(8, MS, 9);
    sim_add(sim,
            &(struct sim_client){ .set = { .shares = 1000, .reservation = 1000 }, .depth = 32 });
    add(1000, 32);
    sim_run(sim, S);
    sim_forget(sim);
    sim_run(sim, 10 * S);
    assert_near(sim->client[0].done, 40000, 500);
    assert_near(sim->client[1].done, 40000, 500);
}

static void test_too_many_promises_shrink_in_proportion(void **state)
{
    (void)state;
    sim = sim_create(8, MS, 9);
    sim_add(sim, &(struct sim_client){ .set = { .shares = 1, .reservation = 8000 }, .depth = 32 });
    sim_add(sim, &(struct sim_client){ .set = { .shares = 1, .reservation = 4000 }, .depth = 32 });
    add(100000, 32);
    sim->scheduler.capacity = 8000;
    sim->scheduler.promised = 12000;
    sim_run(sim, S);
    sim_forget(sim);
    sim_run(sim, 10 * S);
    assert_near(sim->client[0].done, 48000, 2000);
    assert_near(sim->client[1].done, 24000, 2000);
    assert_near(sim->client[2].done, 8000, 2000);
}

/* One request at a time, 4 ms each: 250 per second are all that it could do. */
static void test_a_reservation_of_one_at_a_time(void **state)
{
    (void)state;
    sim = sim_create(8, 4 * MS, 8);
    sim_add(sim, &(struct sim_client){ .set = { .shares = 1, .reservation = 150 }, .depth = 1 });
    add(100000, 256);
    sim->scheduler.capacity = 2000;
    sim->scheduler.promised = 150;
    sim_run(sim, S);
    sim_forget(sim);
    sim_run(sim, 10 * S);
    assert_true(sim->client[0].done >= 1485);
}

/* One large request took the reservation of half a minute, by the old rule. */
static void test_a_new_reservation_counts_at_once(void **state)
{
    (void)state;
    sim = sim_create(8, MS, 9);
    struct sim_client *c =
        sim_add(sim, &(struct sim_client){
                         .set = { .shares = 1, .reservation = 1 }, .depth = 1, .size = 1 << 20 });
    add(100000, 32);
    sim_run(sim, 2 * S);
    assert_true(c->disk.went_reserved >= 32);
    c->size = 4096;
    c->set.reservation = 500;
    scheduler_set(&sim->scheduler, &c->disk, &c->set, sim->now);
    sim_run(sim, S);
    sim_forget(sim);
    sim_run(sim, S);
    assert_true(c->done >= 495);
}

/* ---- leaving ----------------------------------------------------------------- */

static void test_observed_disks_never_wait(void **state)
{
    (void)state;
    sim = sim_create(8, MS, 9);
    sim_add(sim, &(struct sim_client){ .set = { .shares = 1, .ios = 10, .observed = true },
                                       .depth = 32 });
    sim_run(sim, S);
    assert_near(sim->client[0].done, 8000, 1000);
    assert_true(sim->client[0].disk.waits > 7000);
    assert_true(sim->client[0].disk.limit_hits > 7000);
}

static void test_forced_requests_leave_from_anywhere(void **state)
{
    struct item item[8] = { 0 };
    struct scheduler s;
    struct disk d = { .shares = 1 };

    (void)state;
    scheduler_init(&s);
    assert_true(scheduler_add(&s, &d));
    for (int i = 0; i < 8; i++) {
        item[i] = (struct item){ .disk = &d, .units = 1, .load = LOAD_ONE };
        assert_int_equal(scheduler_submit(&s, &item[i], 1), i == 0);
    }
    scheduler_force(&s, &item[7], 2); /* the last, one within, the first */
    scheduler_force(&s, &item[4], 2);
    scheduler_force(&s, &item[1], 2);
    assert_null(scheduler_next(&s, 2));
    assert_int_equal(s.in_flight, 4 * LOAD_ONE);
    assert_int_equal(s.queued, 4);
    static const int order[] = { 2, 3, 5, 6 };
    const int ends[] = { 0, 7, 4, 1 };
    for (int i = 0; i < 4; i++)
        scheduler_complete(&s, &item[ends[i]], 3);
    for (int i = 0; i < 4; i++) {
        assert_ptr_equal(scheduler_next(&s, 3), &item[order[i]]);
        scheduler_complete(&s, &item[order[i]], 3);
    }
    assert_null(scheduler_next(&s, 3));
    assert_int_equal(s.in_flight + s.queued + s.running, 0);
    scheduler_remove(&s, &d);
    scheduler_finish(&s);
}

/* ---- debts ------------------------------------------------------------------- */

/* A disk that flushes a thousand times as often as its limit allows: an hour of that is no
 * month of silence. */
static void test_what_is_forced_owes_a_limit_a_second_at_most(void **state)
{
    struct item flush, read;
    struct scheduler s;
    struct disk d = { 0 };

    (void)state;
    for (int bytes = 0; bytes < 2; bytes++) {
        const struct disk_settings set = { .shares = 1000,
                                           .ios = bytes ? 0 : 10,
                                           .ios_max = bytes ? 0 : 20,
                                           .ios_length = S,
                                           .bytes = bytes ? 40960 : 0 };
        d = (struct disk){ 0 };
        scheduler_init(&s);
        assert_true(scheduler_add(&s, &d));
        scheduler_set(&s, &d, &set, S);
        for (uint64_t i = 0; i < 10000; i++) {
            flush = (struct item){ .disk = &d, .units = 1, .bytes = 4096, .load = LOAD_ONE };
            scheduler_force(&s, &flush, S);
            scheduler_complete(&s, &flush, S);
        }
        read = (struct item){ .disk = &d, .units = 1, .bytes = 4096, .load = LOAD_ONE };
        assert_false(scheduler_submit(&s, &read, S)); /* it owes */
        assert_null(scheduler_next(&s, 2 * S - 100 * MS));
        assert_ptr_equal(scheduler_next(&s, 2 * S), &read);
        scheduler_complete(&s, &read, 2 * S);
        scheduler_remove(&s, &d);
        scheduler_finish(&s);
    }
}

/* What is forced takes nothing off a debt that was made by the rules. */
static void test_what_is_forced_pays_no_debt(void **state)
{
    struct item large, flush, read;
    struct scheduler s;
    struct disk d = { 0 };

    (void)state;
    scheduler_init(&s);
    assert_true(scheduler_add(&s, &d));
    scheduler_set(&s, &d, &(struct disk_settings){ .shares = 1, .ios = 10 }, S);
    large = (struct item){ .disk = &d, .units = 1000, .load = LOAD_ONE };
    flush = read = (struct item){ .disk = &d, .units = 1, .load = LOAD_ONE };
    assert_true(scheduler_submit(&s, &large, S));
    scheduler_complete(&s, &large, S);
    scheduler_force(&s, &flush, S);
    scheduler_complete(&s, &flush, S);
    assert_false(scheduler_submit(&s, &read, S));
    assert_null(scheduler_next(&s, 100 * S));
    assert_ptr_equal(scheduler_next(&s, 101 * S), &read);
    scheduler_complete(&s, &read, 101 * S);
    scheduler_remove(&s, &d);
    scheduler_finish(&s);
}

/* A million flushes, and then reads as others do: the disk has its half again soon. */
static void test_what_is_forced_is_soon_forgiven_among_shares(void **state)
{
    struct item flush;

    (void)state;
    sim = sim_create(8, MS, 9);
    struct sim_client *c = add(1, 32);
    add(1, 32);
    sim_run(sim, S);
    for (int i = 0; i < 1000000; i++) {
        flush = (struct item){ .disk = &c->disk, .units = 1, .load = LOAD_ONE };
        scheduler_force(&sim->scheduler, &flush, sim->now);
        scheduler_complete(&sim->scheduler, &flush, sim->now);
    }
    sim_forget(sim);
    sim_run(sim, S / 10);
    assert_true(c->done < 100); /* it owes */
    sim_run(sim, S);
    sim_forget(sim);
    sim_run(sim, S);
    assert_near(c->done, 4000, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_limits, forget),
        cmocka_unit_test_teardown(test_limit_of_bytes, forget),
        cmocka_unit_test_teardown(test_a_burst_is_max_times_length, forget),
        cmocka_unit_test_teardown(test_a_limited_disk_leaves_the_rest_to_others, forget),
        cmocka_unit_test_teardown(test_lifting_a_limit_lets_go_at_once, forget),
        cmocka_unit_test_teardown(test_reservations_are_kept, forget),
        cmocka_unit_test_teardown(test_a_reservation_below_the_share_changes_nothing, forget),
        cmocka_unit_test_teardown(test_too_many_promises_shrink_in_proportion, forget),
        cmocka_unit_test_teardown(test_a_reservation_of_one_at_a_time, forget),
        cmocka_unit_test_teardown(test_a_new_reservation_counts_at_once, forget),
        cmocka_unit_test_teardown(test_observed_disks_never_wait, forget),
        cmocka_unit_test_teardown(test_what_is_forced_is_soon_forgiven_among_shares, forget),
        cmocka_unit_test(test_a_limit_is_made_good_after_a_stall),
        cmocka_unit_test(test_forced_requests_leave_from_anywhere),
        cmocka_unit_test(test_what_is_forced_owes_a_limit_a_second_at_most),
        cmocka_unit_test(test_what_is_forced_pays_no_debt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
