/* test-change.c - do filters come and go while the disk works, and is a change all or nothing?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

#include <malloc.h>

static uint8_t buffer[4096];

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

static int refuse_attach(struct probe *p, struct weir_text *why)
{
    weir_print(why, "probe%d is not in the mood", p->index);
    return -ENOSPC;
}

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
        STAGE_TEST(test_a_thousand_changes_under_load),
        STAGE_TEST(test_live_options_under_load),
        STAGE_TEST(test_replaced_options_are_forgotten_without_a_drain),
        STAGE_TEST(test_nobody_reads_a_filter_that_is_detached),
        STAGE_TEST(test_a_refused_change_leaves_the_old_chain),
        STAGE_TEST(test_a_change_of_size_is_refused_while_clients_are_there),
        STAGE_TEST(test_filters_that_stay_keep_their_state),
    };
    return cmocka_run_group_tests_name("change", tests, NULL, NULL);
}
