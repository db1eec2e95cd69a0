/* test-defer.c - what happens to a request that a filter holds?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

static uint8_t buffer[4096];
static const uint64_t second = 1000000000;

/* Holds the request and tells the test by the probe's semaphore. */
static enum weir_verdict hold(struct probe *p, struct weir_request *req)
{
    p->held = req;
    sem_post(&p->sem);
    return WEIR_DEFER;
}

/* ---- both ways, from another thread ------------------------------------------ */

static void hold_and_resume(bool up, enum weir_verdict verdict, int error, const char *expected)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* resume with a lock held */
    struct client c;

    *(up ? &probes[1].up : &probes[1].down) = hold;
    forget();
    client_start(&c, WEIR_WRITE, 0, 512, buffer);
    take(&probes[1].sem);
    assert_false(atomic_load(&c.done));
    pthread_mutex_lock(&lock);
    if (error)
        weir_resume_error(probes[1].held, error);
    else
        weir_resume(probes[1].held, verdict);
    pthread_mutex_unlock(&lock);
    assert_int_equal(client_wait(&c), error);
    assert_string_equal(told(), expected);
    probes[1].up = probes[1].down = NULL;
}

static void test_held_on_the_way_down(void **state)
{
    (void)state;
    assert_int_equal(stage_open(3), 0);
    hold_and_resume(false, WEIR_PASS, 0, "0>w 1>w 2>w s=w 2<w 1<w 0<w");
    hold_and_resume(false, WEIR_COMPLETE, 0, "0>w 1>w 0<w");
    hold_and_resume(false, WEIR_FAIL, ENOSPC, "0>w 1>w 0<w!ENOSPC");
}

static void test_held_on_the_way_up(void **state)
{
    (void)state;
    assert_int_equal(stage_open(3), 0);
    hold_and_resume(true, WEIR_PASS, 0, "0>w 1>w 2>w s=w 2<w 1<w 0<w");
    hold_and_resume(true, WEIR_COMPLETE, 0, "0>w 1>w 2>w s=w 2<w 1<w 0<w");
    hold_and_resume(true, WEIR_FAIL, ENOMEM, "0>w 1>w 2>w s=w 2<w 1<w 0<w!ENOMEM");
}

static void test_others_go_on_while_one_is_held(void **state)
{
    struct client c;

    (void)state;
    probes[1].down = hold;
    assert_int_equal(stage_open(2), 0);
    client_start(&c, WEIR_READ, 0, 512, buffer);
    take(&probes[1].sem);
    probes[1].down = NULL;
    for (int i = 0; i < 100; i++)
        assert_int_equal(ask(WEIR_READ, 4096, 512, 0, buffer), 0);
    assert_false(atomic_load(&c.done));
    weir_resume(probes[1].held, WEIR_PASS);
    assert_int_equal(client_wait(&c), 0);
}

/* Another thread resumes while down() has not returned yet: it waits for that. */
static void *resume_now(void *argument)
{
    weir_resume(argument, WEIR_PASS);
    return NULL;
}

static enum weir_verdict resumed_elsewhere_before_return(struct probe *p, struct weir_request *req)
{
    pthread_t thread;

    (void)p;
    must(pthread_create(&thread, NULL, resume_now, req) == 0);
    pthread_join(thread, NULL);
    return WEIR_DEFER;
}

static void test_resumed_by_another_thread_before_return(void **state)
{
    (void)state;
    probes[1].down = probes[1].up = resumed_elsewhere_before_return;
    assert_int_equal(stage_open(3), 0);
    for (int i = 0; i < 20; i++) {
        forget();
        assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
        assert_string_equal(told(), "0>r 1>r 2>r s=r 2<r 1<r 0<r");
    }
}

/* ---- misuse ------------------------------------------------------------------ */

static enum weir_verdict resume_twice(struct probe *p, struct weir_request *req)
{
    (void)p;
    weir_resume(req, WEIR_PASS);
    weir_resume_error(req, ENOSPC);
    return WEIR_DEFER;
}

static void test_second_resume_is_refused_and_reported(void **state)
{
    (void)state;
    probes[1].down = resume_twice;
    assert_int_equal(stage_open(3), 0);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "0>r 1>r 2>r s=r 2<r 1<r 0<r");
    assert_true(event_says("probe1", "resumed"));
}

static void test_second_resume_after_the_end_is_reported(void **state)
{
    struct client c;

    (void)state;
    probes[1].down = hold;
    assert_int_equal(stage_open(2), 0);
    client_start(&c, WEIR_READ, 0, 512, buffer);
    take(&probes[1].sem);
    weir_resume(probes[1].held, WEIR_PASS);
    assert_int_equal(client_wait(&c), 0);
    weir_resume(probes[1].held, WEIR_PASS);
    assert_true(event_says("probe1", "resumed"));
    probes[1].down = NULL;
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
}

static enum weir_verdict resume_and_pass(struct probe *p, struct weir_request *req)
{
    (void)p;
    weir_resume(req, WEIR_FAIL);
    return WEIR_PASS;
}

static void test_resume_without_defer_is_reported(void **state)
{
    (void)state;
    probes[1].down = resume_and_pass;
    assert_int_equal(stage_open(3), 0);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "0>r 1>r 2>r s=r 2<r 1<r 0<r");
    assert_true(event_says("probe1", "did not defer"));
    forget();
    probes[1].down = NULL;
    probes[1].up = hold;
    struct client c; /* nothing is left over that would end the next hold too early */
    client_start(&c, WEIR_READ, 0, 512, buffer);
    take(&probes[1].sem);
    assert_false(atomic_load(&c.done));
    weir_resume(probes[1].held, WEIR_PASS);
    assert_int_equal(client_wait(&c), 0);
}

static enum weir_verdict resume_with_defer(struct probe *p, struct weir_request *req)
{
    (void)p;
    weir_resume(req, WEIR_DEFER);
    return WEIR_DEFER;
}

static void test_resume_with_defer_fails_the_request(void **state)
{
    (void)state;
    probes[1].down = resume_with_defer;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), EIO);
    assert_true(event_says("probe1", "DEFER"));
}

/* ---- the hold limit ---------------------------------------------------------- */

static void let_go(struct probe *p, struct weir_request *req)
{
    must(p->held == req);
    p->error++; /* how often it was asked */
    weir_resume_error(req, ENOSPC);
}

static void test_abort_lets_go(void **state)
{
    (void)state;
    stage_hold_limit = second / 50;
    probes[1].down = hold;
    probes[1].abort = let_go;
    assert_int_equal(stage_open(3), 0);
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), ENOSPC);
    assert_string_equal(told(), "0>w 1>w 0<w!ENOSPC");
    assert_int_equal(probes[1].error, 1);
    assert_int_equal(stage_state(), EXPORT_ACTIVE);
    assert_true(event_says("probe1", "held"));
}

static void ignore(struct probe *p, struct weir_request *req)
{
    (void)req;
    p->error++;
}

static void test_lost_resume_locks_the_export(void **state)
{
    (void)state;
    stage_hold_limit = second / 50;
    probes[1].down = hold;
    probes[1].abort = ignore;
    assert_int_equal(stage_open(3), 0);
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), EIO);
    assert_string_equal(told(), "0>w 1>w 0<w!EIO");
    assert_int_equal(probes[1].error, 1);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    assert_true(event_says("probe1", "locked"));
    forget();
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), EIO); /* nobody is asked any more */
    assert_string_equal(told(), "");
}

static void test_lost_resume_bypasses_the_filter(void **state)
{
    (void)state;
    stage_hold_limit = second / 50;
    stage_on_failure = ON_FAILURE_BYPASS;
    probes[1].down = hold;
    assert_int_equal(stage_open(3), 0);
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "0>w 1>w 2>w s=w 2<w 0<w");
    assert_int_equal(stage_state(), EXPORT_ACTIVE);
    assert_true(event_says("probe1", "bypassed"));
    forget();
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "0>r 2>r s=r 2<r 0<r");
}

static void test_a_transforming_filter_is_never_bypassed(void **state)
{
    (void)state;
    stage_hold_limit = second / 50;
    stage_on_failure = ON_FAILURE_BYPASS;
    probes[1].library.filter.flags = WEIR_TRANSFORMS;
    probes[1].down = hold;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), EIO);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
}

/* The filter wakes up when the request is long gone: refused, reported, nothing breaks, and
 * above all nothing that another filter holds is let go by it. */
static void test_resume_after_the_core_gave_up(void **state)
{
    struct client c;

    (void)state;
    stage_hold_limit = second / 50;
    stage_on_failure = ON_FAILURE_BYPASS;
    probes[1].down = hold;
    assert_int_equal(stage_open(3), 0);
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), 0);
    weir_resume_error(probes[1].held, ENOSPC);
    assert_true(event_says("probe1", "resumed"));
    probes[1].down = NULL;
    stage_hold_limit = 0; /* what the next one holds is for the test to resume, not for the core */
    assert_int_equal(stage_apply((const int[]){ 0, 1, 2, -1 }), 0);
    for (int i = 0; i < 20; i++) { /* any later request of this thread or another */
        probes[2].down = hold;
        client_start(&c, WEIR_WRITE, 0, 512, buffer);
        take(&probes[2].sem);
        weir_resume(probes[2].held, WEIR_PASS);
        assert_int_equal(client_wait(&c), 0);
        probes[2].down = NULL;
        assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    }
}

static enum weir_verdict hold_for_a_moment(struct probe *p, struct weir_request *req)
{
    (void)p;
    weir_resume_at(req, stage_now() + second / 100, WEIR_PASS);
    return WEIR_DEFER;
}

static void test_a_hold_limit_beyond_all_time(void **state)
{
    (void)state;
    stage_hold_limit = UINT64_MAX;
    probes[1].down = hold_for_a_moment;
    probes[1].abort = ignore;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), 0);
    assert_int_equal(probes[1].error, 0);
    assert_int_equal(stage_state(), EXPORT_ACTIVE);
}

static void *take_probe_0_away(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)stage_apply((const int[]){ 1, -1 });
}

static void test_a_drain_waits_as_long_as_the_hold_limit(void **state)
{
    struct client c;
    pthread_t changer;
    void *result;

    (void)state;
    unsigned before = export_drain_ms;
    export_drain_ms = 1;
    stage_hold_limit = UINT64_MAX;
    probes[1].down = hold;
    assert_int_equal(stage_open(2), 0);
    client_start(&c, WEIR_WRITE, 0, 512, buffer);
    take(&probes[1].sem);
    assert_int_equal(pthread_create(&changer, NULL, take_probe_0_away, NULL), 0);
    usleep(1500000); /* no drain gives up before a second has passed */
    weir_resume(probes[1].held, WEIR_PASS);
    pthread_join(changer, &result);
    export_drain_ms = before;
    assert_null(result);
    assert_int_equal(client_wait(&c), 0);
}

/* ---- weir_resume_at ---------------------------------------------------------- */

static uint64_t due;

static enum weir_verdict at_due(struct probe *p, struct weir_request *req)
{
    p->held = req;
    weir_resume_at(req, due, WEIR_PASS);
    sem_post(&p->sem);
    return WEIR_DEFER;
}

static void test_resume_at_waits_until_then(void **state)
{
    (void)state;
    probes[1].down = at_due;
    assert_int_equal(stage_open(2), 0);
    due = stage_now() + second / 20;
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_true(stage_now() >= due);
}

static void test_resume_at_a_time_that_has_passed(void **state)
{
    (void)state;
    probes[1].down = at_due;
    assert_int_equal(stage_open(2), 0);
    for (due = 0; due < 2; due++)
        assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
}

static enum weir_verdict fail_at_due(struct probe *p, struct weir_request *req)
{
    (void)p;
    req->error = ENOSPC;
    weir_resume_at(req, due, WEIR_FAIL);
    return WEIR_DEFER;
}

static void test_resume_at_with_an_error(void **state)
{
    (void)state;
    probes[1].down = fail_at_due;
    assert_int_equal(stage_open(2), 0);
    due = stage_now();
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), ENOSPC);
    assert_string_equal(told(), "0>r 1>r 0<r!ENOSPC");
}

static void test_resume_at_moved_earlier_by_another_thread(void **state)
{
    struct client c;

    (void)state;
    probes[1].down = at_due;
    assert_int_equal(stage_open(2), 0);
    due = stage_now() + 3600 * second;
    client_start(&c, WEIR_READ, 0, 512, buffer);
    take(&probes[1].sem);
    weir_resume_at(probes[1].held, stage_now() + second / 50, WEIR_PASS);
    assert_int_equal(client_wait(&c), 0);
}

static void test_resume_at_moved_later(void **state)
{
    struct client c;
    uint64_t later;

    (void)state;
    probes[1].down = at_due;
    assert_int_equal(stage_open(2), 0);
    due = stage_now() + 3600 * second; /* not before we have moved it */
    client_start(&c, WEIR_READ, 0, 512, buffer);
    take(&probes[1].sem);
    later = stage_now() + second / 20;
    weir_resume_at(probes[1].held, later - second / 50, WEIR_PASS);
    weir_resume_at(probes[1].held, later, WEIR_PASS);
    assert_int_equal(client_wait(&c), 0);
    assert_true(stage_now() >= later - second / 50);
}

static void test_resume_comes_before_the_time(void **state)
{
    struct client c;

    (void)state;
    probes[1].down = at_due;
    assert_int_equal(stage_open(2), 0);
    due = stage_now() + 3600 * second;
    client_start(&c, WEIR_READ, 0, 512, buffer);
    take(&probes[1].sem);
    weir_resume_error(probes[1].held, ENOMEM);
    assert_int_equal(client_wait(&c), ENOMEM);
    due = 0; /* and the time of that one does not wake the next */
    probes[1].down = hold;
    client_start(&c, WEIR_READ, 0, 512, buffer);
    take(&probes[1].sem);
    assert_false(atomic_load(&c.done));
    weir_resume(probes[1].held, WEIR_PASS);
    assert_int_equal(client_wait(&c), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_held_on_the_way_down),
        STAGE_TEST(test_held_on_the_way_up),
        STAGE_TEST(test_others_go_on_while_one_is_held),
        STAGE_TEST(test_resumed_by_another_thread_before_return),
        STAGE_TEST(test_second_resume_is_refused_and_reported),
        STAGE_TEST(test_second_resume_after_the_end_is_reported),
        STAGE_TEST(test_resume_without_defer_is_reported),
        STAGE_TEST(test_resume_with_defer_fails_the_request),
        STAGE_TEST(test_abort_lets_go),
        STAGE_TEST(test_lost_resume_locks_the_export),
        STAGE_TEST(test_lost_resume_bypasses_the_filter),
        STAGE_TEST(test_a_transforming_filter_is_never_bypassed),
        STAGE_TEST(test_resume_after_the_core_gave_up),
        STAGE_TEST(test_a_hold_limit_beyond_all_time),
        STAGE_TEST(test_a_drain_waits_as_long_as_the_hold_limit),
        STAGE_TEST(test_resume_at_waits_until_then),
        STAGE_TEST(test_resume_at_a_time_that_has_passed),
        STAGE_TEST(test_resume_at_with_an_error),
        STAGE_TEST(test_resume_at_moved_earlier_by_another_thread),
        STAGE_TEST(test_resume_at_moved_later),
        STAGE_TEST(test_resume_comes_before_the_time),
    };
    return cmocka_run_group_tests_name("defer", tests, NULL, NULL);
}
