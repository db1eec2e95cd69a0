/* test-lost.c - what becomes of a request that a filter did not let go of?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * The core takes it away and goes on without that filter, which may wake up at any time
 * later and resume what is not its own any more. */
#include "stage.h"

static uint8_t buffer[4096];

static enum weir_verdict sleep_on(struct probe *p, struct weir_request *req)
{
    p->held = req;
    return WEIR_DEFER;
}

/* Probe 1 wakes up just when the next filter is about to hold the same request. */
static enum weir_verdict meet_the_late_one(struct probe *p, struct weir_request *req)
{
    must(probes[1].held != NULL);
    weir_resume_error(probes[1].held, ENOSPC);
    weir_resume_at(probes[1].held, 0, WEIR_FAIL);
    p->held = req;
    weir_resume(req, WEIR_PASS);
    return WEIR_DEFER;
}

static void open_where_probe_1_sleeps(unsigned count)
{
    stage_hold_limit = 20000000;
    stage_on_failure = ON_FAILURE_BYPASS;
    assert_int_equal(stage_open(count), 0);
}

static void the_late_one_was_reported(void)
{
    assert_true(event_says("probe1", "resumed a request that it does not hold"));
    assert_false(event_says("probe2", "resumed"));
    assert_false(event_says("probe0", "resumed"));
}

static void test_late_resume_meets_the_hold_of_the_filter_below(void **state)
{
    (void)state;
    probes[1].down = sleep_on;
    probes[2].down = meet_the_late_one;
    open_where_probe_1_sleeps(3);
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "0>w 1>w 2>w s=w 2<w 0<w");
    the_late_one_was_reported();
}

static void test_late_resume_meets_the_hold_of_the_filter_above(void **state)
{
    (void)state;
    probes[1].up = sleep_on;
    probes[0].up = meet_the_late_one;
    open_where_probe_1_sleeps(3);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "0>r 1>r 2>r s=r 2<r 1<r 0<r");
    the_late_one_was_reported();
}

static void test_two_filters_lose_the_same_request(void **state)
{
    (void)state;
    probes[1].down = probes[2].down = sleep_on;
    probes[3].down = meet_the_late_one;
    open_where_probe_1_sleeps(4);
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "0>w 1>w 2>w 3>w s=w 3<w 0<w");
    weir_resume(probes[2].held, WEIR_PASS);
    assert_true(event_says("probe2", "resumed a request that it does not hold"));
}

/* ---- what the others have of it ---------------------------------------------- */

static enum weir_verdict remember_scratch(struct probe *p, struct weir_request *req)
{
    p->arg = weir_scratch(req);
    memset(p->arg, 0x5a, 64);
    must(weir_bounce(req) != NULL);
    return WEIR_PASS;
}

static enum weir_verdict find_scratch(struct probe *p, struct weir_request *req)
{
    const uint8_t *scratch = weir_scratch(req);

    must(scratch == p->arg);
    for (int i = 0; i < 64; i++)
        must(scratch[i] == 0x5a);
    must(req->offset == 4096 && req->length == 512 && req->data == buffer);
    must(weir_bounce(req) != NULL && weir_bounce(req) != buffer);
    return WEIR_PASS;
}

static void test_scratch_stays_where_it_is(void **state)
{
    (void)state;
    probes[0].down = probes[2].down = remember_scratch;
    probes[0].up = find_scratch;
    probes[1].down = sleep_on;
    open_where_probe_1_sleeps(3);
    assert_int_equal(ask(WEIR_WRITE, 4096, 512, 0, buffer), 0);
}

static enum weir_verdict note_scratch(struct probe *p, struct weir_request *req)
{
    p->arg = weir_scratch(req);
    return WEIR_PASS;
}

/* It may be on a list of the filter that was given up on. */
static void test_scratch_of_a_lost_request_is_nobody_elses(void **state)
{
    void *lost;

    (void)state;
    probes[0].down = note_scratch;
    probes[1].down = sleep_on;
    open_where_probe_1_sleeps(2);
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), 0);
    lost = probes[0].arg;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), 0);
        assert_ptr_not_equal(probes[0].arg, lost);
    }
}

/* Probe 0 has the write order, which is kept by the request on both sides of its loss. */
static void test_its_turn_among_writes_goes_with_it(void **state)
{
    struct client c[3];

    (void)state;
    probes[0].library.filter.flags = WEIR_NEEDS_ORDER;
    probes[1].down = sleep_on;
    open_where_probe_1_sleeps(2);
    for (int i = 0; i < 3; i++)
        client_start(&c[i], WEIR_WRITE, 0, 512, buffer);
    for (int i = 0; i < 3; i++)
        assert_int_equal(client_wait(&c[i]), 0);
    assert_int_equal(ask(WEIR_WRITE, 0, 4096, 0, buffer), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_late_resume_meets_the_hold_of_the_filter_below),
        STAGE_TEST(test_late_resume_meets_the_hold_of_the_filter_above),
        STAGE_TEST(test_two_filters_lose_the_same_request),
        STAGE_TEST(test_scratch_stays_where_it_is),
        STAGE_TEST(test_scratch_of_a_lost_request_is_nobody_elses),
        STAGE_TEST(test_its_turn_among_writes_goes_with_it),
    };
    return cmocka_run_group_tests_name("lost", tests, NULL, NULL);
}
