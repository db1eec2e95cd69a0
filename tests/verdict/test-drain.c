/* test-drain.c - does the disk come to rest, and do filters come and go while it works?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

#include <malloc.h>

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

/* ---- change of chain under load ---------------------------------------------- */

static atomic_bool stop_load;
static _Atomic uint64_t served;

/* Writes blocks of its own stretch and reads them back. */
static void *load(void *argument)
{
    uintptr_t n = (uintptr_t)argument;
    uint8_t data[512], back[512];
    intptr_t wrong = 0;

    for (unsigned i = 0; !atomic_load(&stop_load); i++) {
        uint64_t offset = n * 65536 + i % 128 * 512;
        memset(data, (int)(i * 7 + n), sizeof(data));
        wrong += ask(WEIR_WRITE, offset, sizeof(data), 0, data) != 0;
        wrong += ask(WEIR_READ, offset, sizeof(back), 0, back) != 0;
        wrong += memcmp(data, back, sizeof(data)) != 0;
        atomic_fetch_add(&served, 2);
    }
    return (void *)wrong;
}

enum { LOADERS = 4 };
static pthread_t loaders[LOADERS];

static void start_load(void)
{
    atomic_store(&stop_load, false);
    atomic_store(&served, 0);
    for (uintptr_t i = 0; i < LOADERS; i++)
        assert_int_equal(pthread_create(&loaders[i], NULL, load, (void *)i), 0);
}

static void stop_and_check_load(void)
{
    void *wrong;

    atomic_store(&stop_load, true);
    for (int i = 0; i < LOADERS; i++) {
        pthread_join(loaders[i], &wrong);
        assert_null(wrong);
    }
}

static void test_a_thousand_changes_under_load(void **state)
{
    static const int chains[][PROBES + 1] = {
        { 0, 1, 2, -1 }, { 1, -1 }, { 2, 1, 0, -1 }, { -1 }, { 3, 0, 4, -1 }, { 0, 1, 2, 3, 4, -1 },
    };
    struct export_view view;

    (void)state;
    for (int i = 0; i < PROBES; i++)
        if (i % 2)
            probes[i].library.filter.flags = WEIR_NEEDS_ORDER;
    assert_int_equal(stage_open(1), 0);
    start_load();
    for (int i = 0; i < 1000; i++) {
        uint64_t before = atomic_load(&served);
        assert_int_equal(stage_apply(chains[(unsigned)i % 6]), 0);
        wait_for(atomic_load(&served) > before); /* clients go on between two changes */
    }
    stop_and_check_load();
    assert_int_equal(export_view(stage, &view), 0);
    assert_int_equal(view.generation, 1000);
    print_message("%llu requests, longest pause %llu us\n",
                  (unsigned long long)atomic_load(&served),
                  (unsigned long long)view.longest_pause_ns / 1000);
    export_view_finish(&view);
}

static void test_live_options_under_load(void **state)
{
    char level[16];

    (void)state;
    assert_int_equal(stage_open(2), 0);
    start_load();
    for (int i = 0; i < 1000; i++) {
        snprintf(level, sizeof(level), "%d", i);
        assert_int_equal(export_set_option(stage, "probe1", "level", level, NULL), 0);
    }
    stop_and_check_load();
    assert_int_equal(export_set_option(stage, "probe1", "slot", "0", NULL), -EPERM);
    assert_int_equal(export_set_option(stage, "probe9", "level", "0", NULL), -ENOENT);
    assert_int_equal(export_set_option(stage, "probe1", "levle", "0", NULL), -ENOENT);
    assert_int_equal(export_set_option(stage, "probe1", "level", "1000001", NULL), -ERANGE);
    assert_int_equal(export_set_option(stage, "probe1", "level", "many", NULL), -EINVAL);
}

static void *read_statistics(void *argument)
{
    struct figures *figures = malloc(sizeof *figures);
    uintptr_t wrong = 0;

    (void)argument;
    while (figures && !atomic_load(&stop_load)) {
        cleanup_text struct weir_text text = { 0 };
        int r = export_print_stat(stage, "probe1", "index", &text);
        wrong += r ? r != -ENOENT : strcmp(text_string(&text), "1") != 0;
        r = export_figures(stage, PLACE_FILTER, "probe0", WEIR_READ, figures);
        wrong += r && r != -ENOENT;
    }
    free(figures);
    return (void *)wrong;
}

static void linger(struct probe *p)
{
    (void)p;
    usleep(1000); /* long enough for a reader to come, were it let in */
}

static void test_nobody_reads_a_filter_that_is_detached(void **state)
{
    pthread_t reader[2];
    void *wrong;

    (void)state;
    probes[1].detach = linger;
    assert_int_equal(stage_open(1), 0);
    atomic_store(&stop_load, false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&reader[i], NULL, read_statistics, NULL), 0);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(stage_apply((const int[]){ 0, 1, -1 }), 0);
        assert_int_equal(stage_apply((const int[]){ 0, -1 }), 0);
    }
    atomic_store(&stop_load, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(reader[i], &wrong);
        assert_null(wrong);
    }
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

static void test_replaced_options_are_forgotten_without_a_drain(void **state)
{
    char level[16];

    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* their allocators do not tell mallinfo2() what is in use */
#endif
    assert_int_equal(stage_open(1), 0);
    start_load();
    size_t before = 0;
    for (int i = 0; i < 20000; i++) {
        if (i == 1000)
            before = mallinfo2().uordblks;
        snprintf(level, sizeof(level), "%d", i);
        assert_int_equal(export_set_option(stage, "probe0", "level", level, NULL), 0);
    }
    /* 19,000 of them would be megabytes.  A client that the kernel lets sleep inside keeps
     * all that came after it, until it has left and somebody changes an option again. */
    for (int i = 0; mallinfo2().uordblks > before + (512 << 10); i++) {
        assert_in_range(i, 0, 60000);
        usleep(1000);
        snprintf(level, sizeof(level), "%d", i);
        assert_int_equal(export_set_option(stage, "probe0", "level", level, NULL), 0);
    }
    stop_and_check_load();
}

/* ---- a change that is refused ------------------------------------------------ */

static void test_a_refused_change_leaves_the_old_chain(void **state)
{
    (void)state;
    probes[3].attach = refuse_attach;
    assert_int_equal(stage_open(3), 0);
    start_load();
    for (int i = 0; i < 50; i++) {
        assert_int_equal(stage_apply((const int[]){ 1, 3, 4, -1 }), -ENOSPC);
        assert_string_equal(stage_why, "probe3 is not in the mood");
    }
    stop_and_check_load();
    forget();
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "0>r 1>r 2>r s=r 2<r 1<r 0<r");
}

static int grow_by_a_block(struct probe *p, struct weir_geometry *geometry, struct weir_text *why)
{
    (void)p;
    (void)why;
    geometry->size -= 4096;
    return 0;
}

static void test_a_change_of_size_is_refused_while_clients_are_there(void **state)
{
    struct weir_geometry geometry;

    (void)state;
    probes[3].geometry = grow_by_a_block;
    assert_int_equal(stage_open(1), 0);
    export_connected(stage);
    assert_int_equal(stage_apply((const int[]){ 0, 3, -1 }), -EBUSY);
    export_disconnected(stage);
    assert_int_equal(stage_apply((const int[]){ 0, 3, -1 }), 0);
    export_geometry(stage, &geometry);
    assert_int_equal(geometry.size, DISK - 4096);
    assert_int_equal(ask(WEIR_READ, DISK - 4096, 512, 0, buffer), EINVAL);
}

/* A filter that stays is not attached again. */
static void count_detach(struct probe *p)
{
    p->error++;
}

static int count_attach(struct probe *p, struct weir_text *why)
{
    (void)why;
    p->error += 100;
    return 0;
}

static void test_filters_that_stay_keep_their_state(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        probes[i].attach = count_attach;
        probes[i].detach = count_detach;
    }
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(stage_apply((const int[]){ 2, 1, -1 }), 0);
    assert_int_equal(probes[0].error, 101);
    assert_int_equal(probes[1].error, 100);
    assert_int_equal(probes[2].error, 100);
    stage_close();
    assert_int_equal(probes[1].error, 101);
    assert_int_equal(probes[2].error, 101);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_held_requests_are_let_go),
        STAGE_TEST(test_requests_inside_may_derive_during_a_drain),
        STAGE_TEST(test_a_filter_may_refuse_to_be_drained),
        STAGE_TEST(test_replaced_options_are_forgotten_without_a_drain),
        STAGE_TEST(test_nobody_reads_a_filter_that_is_detached),
        STAGE_TEST(test_a_filter_that_comes_is_not_told_to_end_a_drain),
        STAGE_TEST(test_detach_may_wait_for_a_thread_that_derives_late),
        STAGE_TEST(test_a_drain_waits_for_a_request_that_waits_for_a_thread),
        STAGE_TEST(test_a_leaked_request_is_reported_at_drain),
        STAGE_TEST(test_a_store_that_hangs_is_named_at_drain),
        STAGE_TEST(test_a_thousand_changes_under_load),
        STAGE_TEST(test_live_options_under_load),
        STAGE_TEST(test_a_refused_change_leaves_the_old_chain),
        STAGE_TEST(test_a_change_of_size_is_refused_while_clients_are_there),
        STAGE_TEST(test_filters_that_stay_keep_their_state),
    };
    return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
