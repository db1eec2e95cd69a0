/* test-drain.c - does the disk come to rest, whoever holds its requests?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

static uint8_t buffer[4096];

/* ---- a filter that holds requests and lets them go when it is told to be quiet ---- */

static pthread_mutex_t pile_lock = PTHREAD_MUTEX_INITIALIZER; /* guards what is below */
static struct weir_request *pile[64];
static unsigned pile_count;
static bool quiet;

static enum weir_verdict pile_up(struct probe *p, struct weir_request *req)
{
    (void)p;
    pthread_mutex_lock(&pile_lock);
    bool hold = !quiet;
    if (hold)
        pile[pile_count++] = req;
    pthread_mutex_unlock(&pile_lock);
    if (hold)
        sem_post(&p->sem);
    return hold ? WEIR_DEFER : WEIR_PASS;
}

static void clear_pile(struct probe *p, bool begin)
{
    (void)p;
    pthread_mutex_lock(&pile_lock);
    quiet = begin;
    while (begin && pile_count)
        weir_resume(pile[--pile_count], WEIR_PASS); /* with the lock held */
    pthread_mutex_unlock(&pile_lock);
}

static void test_held_requests_are_let_go(void **state)
{
    struct client c[8];

    (void)state;
    quiet = false;
    probes[1].down = pile_up;
    probes[1].drain = clear_pile;
    assert_int_equal(stage_open(3), 0);
    for (int i = 0; i < 8; i++) {
        client_start(&c[i], WEIR_WRITE, (uint64_t)i * 4096, 4096, buffer);
        take(&probes[1].sem);
    }
    stage_apply((const int[]){ 1, 2, -1 }); /* probe 0 goes */
    for (int i = 0; i < 8; i++)
        assert_int_equal(client_wait(&c[i]), 0);
    forget();
    client_start(&c[0], WEIR_READ, 0, 512, buffer);
    take(&probes[1].sem);
    clear_pile(&probes[1], true);
    assert_int_equal(client_wait(&c[0]), 0);
    assert_string_equal(told(), "1>r 2>r s=r 2<r 1<r");
}

/* Held above, it still needs derived I/O below when it is let go. */
static enum weir_verdict read_below(struct probe *p, struct weir_request *req)
{
    uint8_t block[512];

    (void)req;
    must(weir_read(p->below, block, sizeof(block), 0, 0) == 0);
    return WEIR_PASS;
}

static void test_requests_inside_may_derive_during_a_drain(void **state)
{
    struct client c;
    struct export_view view;

    (void)state;
    quiet = false;
    probes[0].down = probes[0].up = pile_up;
    probes[0].drain = clear_pile;
    probes[1].down = probes[1].up = read_below;
    assert_int_equal(stage_open(2), 0);
    client_start(&c, WEIR_WRITE, 0, 4096, buffer);
    take(&probes[0].sem);
    assert_int_equal(export_event(stage, WEIR_EVENT_CLONE, "c", 0, NULL), 0);
    assert_int_equal(client_wait(&c), 0);
    assert_int_equal(export_view(stage, &view), 0);
    assert_true(view.longest_pause_ns < 20000000000u); /* it did not run into a time limit */
    export_view_finish(&view);
}

/* ---- one that does not let go ------------------------------------------------ */

static enum weir_verdict keep(struct probe *p, struct weir_request *req)
{
    p->held = req;
    sem_post(&p->sem);
    return WEIR_DEFER;
}

static pthread_t straggler;
static atomic_bool drained;

/* A filter's thread that does not heed drain(true). */
static void *derive_late(void *arg)
{
    const struct probe *p = arg;
    static uint8_t data[512];

    while (!atomic_load(&drained))
        usleep(100);
    return (void *)(intptr_t)weir_read(p->below, data, sizeof data, 0, 0);
}

static void now_drained(struct probe *p, bool begin)
{
    (void)p;
    if (begin)
        atomic_store(&drained, true);
}

static void join_it(struct probe *p)
{
    void *error;

    (void)p;
    pthread_join(straggler, &error);
    must(error == NULL || (intptr_t)error == -ESHUTDOWN);
}

static void test_detach_may_wait_for_a_thread_that_derives_late(void **state)
{
    (void)state;
    atomic_store(&drained, false);
    probes[1].drain = now_drained;
    probes[1].detach = join_it;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(pthread_create(&straggler, NULL, derive_late, &probes[1]), 0);
    assert_int_equal(stage_apply((const int[]){ 0, -1 }), 0);
}

/* ---- a request that waits for a filter's thread ----------------------------------------- */

static sem_t wanted, given;

/* A thread of a filter's, that works for requests. */
static void *give(void *arg)
{
    const struct probe *p = arg;
    static uint8_t data[512];

    sem_wait(&wanted);
    while (!atomic_load(&drained))
        usleep(100);
    usleep(20000); /* drain(true) has returned by now: it is only then that it matters */
    const int error = weir_read(p->below, data, sizeof data, 0, 0);
    sem_post(&given);
    return (void *)(intptr_t)error;
}

static enum weir_verdict wait_for_it(struct probe *p, struct weir_request *req)
{
    (void)req;
    sem_post(&p->sem);
    sem_post(&wanted);
    sem_wait(&given);
    return WEIR_PASS;
}

static void test_a_drain_waits_for_a_request_that_waits_for_a_thread(void **state)
{
    struct client c;
    void *error;

    (void)state;
    atomic_store(&drained, false);
    sem_init(&wanted, 0, 0);
    sem_init(&given, 0, 0);
    probes[1].drain = now_drained;
    probes[1].down = wait_for_it;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(pthread_create(&straggler, NULL, give, &probes[1]), 0);
    client_start(&c, WEIR_WRITE, 0, 4096, buffer);
    take(&probes[1].sem);
    assert_int_equal(stage_apply((const int[]){ 0, 1, 2, -1 }), 0);
    pthread_join(straggler, &error);
    assert_null(error);
    assert_int_equal(client_wait(&c), 0);
}

static void test_a_leaked_request_is_reported_at_drain(void **state)
{
    struct client c;

    (void)state;
    export_drain_ms = 200;
    probes[1].down = keep;
    assert_int_equal(stage_open(3), 0);
    client_start(&c, WEIR_WRITE, 0, 4096, buffer);
    take(&probes[1].sem);
    assert_int_equal(stage_apply((const int[]){ 0, 1, -1 }), -ETIMEDOUT);
    assert_non_null(strstr(stage_why, "probe1 holds 1"));
    assert_true(event_says("probe1", "did not let go of 1"));
    assert_false(atomic_load(&c.done));
    probes[1].down = NULL; /* the old chain goes on */
    forget();
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "0>r 1>r 2>r s=r 2<r 1<r 0<r");
    weir_resume(probes[1].held, WEIR_PASS);
    assert_int_equal(client_wait(&c), 0);
    assert_int_equal(stage_apply((const int[]){ 0, 1, -1 }), 0);
    export_drain_ms = 30000;
}

static sem_t in_store, out_of_store;

static int hang(struct weir_request *req)
{
    sem_post(&in_store);
    take(&out_of_store);
    return store_like_a_disk(req);
}

/* Nobody looks for a defect in a filter when the disk below does not answer. */
static void test_a_store_that_hangs_is_named_at_drain(void **state)
{
    struct client c;

    (void)state;
    sem_init(&in_store, 0, 0);
    sem_init(&out_of_store, 0, 0);
    export_drain_ms = 200;
    store_answer = hang;
    assert_int_equal(stage_open(2), 0);
    client_start(&c, WEIR_WRITE, 0, 4096, buffer);
    take(&in_store);
    assert_int_equal(stage_apply((const int[]){ 0, -1 }), -ETIMEDOUT);
    assert_non_null(strstr(stage_why, "; no filter holds one, so the datastore \""));
    assert_false(event_says("probe1", "did not let go"));
    sem_post(&out_of_store);
    assert_int_equal(client_wait(&c), 0);
    store_answer = NULL;
    assert_int_equal(stage_apply((const int[]){ 0, -1 }), 0);
    export_drain_ms = 30000;
}

static int refuse_attach(struct probe *p, struct weir_text *why)
{
    weir_print(why, "probe%d is not in the mood", p->index);
    return -ENOSPC;
}

static int not_draining(struct probe *p, struct weir_text *why)
{
    (void)why;
    p->error = 0;
    return 0;
}

static void in_pairs(struct probe *p, bool begin)
{
    must(begin == (p->error == 0)); /* p->error: told to drain */
    p->error = begin;
}

static void test_a_filter_that_comes_is_not_told_to_end_a_drain(void **state)
{
    (void)state;
    for (int i = 0; i < PROBES; i++) {
        probes[i].drain = in_pairs;
        probes[i].attach = not_draining;
    }
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(stage_apply((const int[]){ 0, 2, 1, -1 }), 0);
    assert_int_equal(stage_apply((const int[]){ 2, 3, -1 }), 0);
    probes[4].attach = refuse_attach;
    assert_int_equal(stage_apply((const int[]){ 1, 4, 2, -1 }), -ENOSPC);
    assert_int_equal(export_event(stage, WEIR_EVENT_MIGRATE, "there", 0, NULL), 0);
    for (int i = 0; i < PROBES; i++)
        assert_int_equal(probes[i].error && (i == 2 || i == 3), 0);
}

static void test_a_filter_may_refuse_to_be_drained(void **state)
{
    struct weir_text why = { 0 };

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        probes[i].drain = in_pairs;
        probes[i].error = 0;
    }
    assert_int_equal(stage_open(3), 0);
    probes[1].stays_busy = true;
    assert_int_equal(export_event(stage, WEIR_EVENT_SNAPSHOT, "s", 0, &why), -EBUSY);
    assert_string_equal(text_string(&why), "probe1 is busy");
    text_finish(&why);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(probes[i].error, 0); /* those that were told were told the end */
    probes[1].stays_busy = false;
    assert_int_equal(export_event(stage, WEIR_EVENT_SNAPSHOT, "s", 0, NULL), 0);
    probes[1].stays_busy = true; /* which keeps nobody from closing the disk */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_held_requests_are_let_go),
        STAGE_TEST(test_requests_inside_may_derive_during_a_drain),
        STAGE_TEST(test_a_filter_may_refuse_to_be_drained),
        STAGE_TEST(test_a_filter_that_comes_is_not_told_to_end_a_drain),
        STAGE_TEST(test_detach_may_wait_for_a_thread_that_derives_late),
        STAGE_TEST(test_a_drain_waits_for_a_request_that_waits_for_a_thread),
        STAGE_TEST(test_a_leaked_request_is_reported_at_drain),
        STAGE_TEST(test_a_store_that_hangs_is_named_at_drain),
    };
    return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
