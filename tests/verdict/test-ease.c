/* test-ease.c - does all that is in flight end when the gateway is about to stop?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

static uint8_t buffer[4096];
static const uint64_t hour = 3600000000000u;

/* ---- a filter that holds requests until it is told to be quiet ---------------- */

enum { CLIENTS = 8 };
static pthread_mutex_t held_lock = PTHREAD_MUTEX_INITIALIZER; /* guards what is below */
static struct weir_request *held[2 * CLIENTS];
static unsigned held_count, told_true, told_false;
static bool quiet;

static enum weir_verdict hold_one(struct probe *p, struct weir_request *req)
{
    pthread_mutex_lock(&held_lock);
    bool hold = !quiet;
    if (hold)
        held[held_count++] = req;
    pthread_mutex_unlock(&held_lock);
    if (hold)
        sem_post(&p->sem);
    return hold ? WEIR_DEFER : WEIR_PASS;
}

static void let_all_go(struct probe *p, bool begin)
{
    (void)p;
    pthread_mutex_lock(&held_lock);
    quiet = begin;
    (*(begin ? &told_true : &told_false))++;
    while (begin && held_count)
        weir_resume(held[--held_count], WEIR_PASS);
    pthread_mutex_unlock(&held_lock);
}

static void holds(struct probe *p)
{
    quiet = false;
    held_count = told_true = told_false = 0;
    p->down = hold_one;
    p->drain = let_all_go;
}

static void start_clients(struct client *c)
{
    for (int i = 0; i < CLIENTS; i++)
        client_start(&c[i], WEIR_WRITE, (uint64_t)i * 4096, 4096, buffer);
}

static void clients_succeed(struct client *c)
{
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(client_wait(&c[i]), 0);
}

static void test_held_requests_end_and_later_ones_pass(void **state)
{
    struct client c[CLIENTS];

    (void)state;
    holds(&probes[1]);
    assert_int_equal(stage_open(3), 0);
    start_clients(c);
    for (int i = 0; i < CLIENTS; i++)
        take(&probes[1].sem);
    export_ease(stage);
    clients_succeed(c);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    export_ease(stage); /* a second signal */
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_int_equal(told_true, 1);
    assert_int_equal(told_false, 0);
}

/* One that refuses to be drained is not asked a second time for the rest of its life. */
static void test_a_filter_cannot_refuse(void **state)
{
    struct client c[CLIENTS];

    (void)state;
    holds(&probes[1]);
    probes[1].stays_busy = true;
    assert_int_equal(stage_open(3), 0);
    start_clients(c);
    for (int i = 0; i < CLIENTS; i++)
        take(&probes[1].sem);
    export_ease(stage);
    clients_succeed(c);
}

/* ---- timers ------------------------------------------------------------------ */

static enum weir_verdict in_an_hour(struct probe *p, struct weir_request *req)
{
    weir_resume_at(req, stage_now() + hour, WEIR_PASS);
    sem_post(&p->sem);
    return WEIR_DEFER;
}

static void test_timers_are_cut(void **state)
{
    struct client c[CLIENTS];

    (void)state;
    probes[1].down = in_an_hour;
    assert_int_equal(stage_open(2), 0);
    start_clients(c);
    for (int i = 0; i < CLIENTS; i++)
        take(&probes[1].sem);
    export_ease(stage);
    clients_succeed(c);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0); /* it sets its timer all the same */
}

static void submitted(void *arg, int error)
{
    *(int *)arg = error;
    sem_post(&probes[0].sem);
}

static void test_timers_of_submitted_io_are_cut(void **state)
{
    const struct weir_request io = { .op = WEIR_READ, .length = 512, .data = buffer };
    struct export_view view;
    int error = -1;
    unsigned parked = 0;

    (void)state;
    probes[1].down = in_an_hour;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(weir_submit(probes[0].below, &io, submitted, &error), 0);
    take(&probes[1].sem);
    wait_for((export_view(stage, &view) == 0 &&
              (parked = view.filter[1].held, export_view_finish(&view), parked == 1)));
    export_ease(stage);
    take(&probes[0].sem);
    assert_int_equal(error, 0);
}

/* ---- while something else is done to the disk -------------------------------- */

static void test_a_stun_ends_and_none_begins(void **state)
{
    struct client c[CLIENTS];
    struct export_view view;
    cleanup_text struct weir_text why = { 0 };
    unsigned waiting = 0;

    (void)state;
    holds(&probes[1]);
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(export_stun(stage, NULL), 0);
    start_clients(c);
    wait_for((export_view(stage, &view) == 0 &&
              (waiting = view.waiting, export_view_finish(&view), waiting == CLIENTS)));
    export_ease(stage);
    clients_succeed(c);
    assert_int_equal(export_stun(stage, &why), -ESHUTDOWN);
    assert_non_null(strstr(text_string(&why), "the gateway stops"));
    export_unstun(stage); /* of whoever stunned it */
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
}

static sem_t may_attach;

static int attach_slowly(struct probe *p, struct weir_text *why)
{
    (void)why;
    sem_post(&p->sem);
    take(&may_attach);
    return 0;
}

static void *add_the_slow_one(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)stage_apply((const int[]){ 0, 1, 2, -1 });
}

/* The chain is in pieces when the signal comes: nobody waits for its turn, and the filter
 * that comes last holds nothing either. */
static void test_a_change_that_is_under_way_ends_eased(void **state)
{
    struct client c[CLIENTS];
    pthread_t changer;
    void *result;

    (void)state;
    sem_init(&may_attach, 0, 0);
    holds(&probes[2]);
    probes[2].attach = attach_slowly;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(pthread_create(&changer, NULL, add_the_slow_one, NULL), 0);
    take(&probes[2].sem);
    start_clients(c); /* they wait at the gate */
    export_ease(stage);
    assert_int_equal(told_true, 0);
    sem_post(&may_attach);
    pthread_join(changer, &result);
    assert_null(result);
    clients_succeed(c);
    assert_int_equal(told_true, 1);
    sem_destroy(&may_attach);
}

static void test_filters_are_never_told_to_go_on(void **state)
{
    (void)state;
    holds(&probes[1]);
    assert_int_equal(stage_open(3), 0);
    export_ease(stage);
    assert_int_equal(export_event(stage, WEIR_EVENT_CLONE, "c", 0, NULL), 0);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_int_equal(stage_apply((const int[]){ 1, -1 }), 0);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_true(quiet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_held_requests_end_and_later_ones_pass),
        STAGE_TEST(test_a_filter_cannot_refuse),
        STAGE_TEST(test_timers_are_cut),
        STAGE_TEST(test_timers_of_submitted_io_are_cut),
        STAGE_TEST(test_a_stun_ends_and_none_begins),
        STAGE_TEST(test_a_change_that_is_under_way_ends_eased),
        STAGE_TEST(test_filters_are_never_told_to_go_on),
    };
    return cmocka_run_group_tests_name("ease", tests, NULL, NULL);
}
