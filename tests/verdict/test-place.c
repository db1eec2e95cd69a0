/* test-place.c - what does the core keep, count and say for a filter?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

#include <fcntl.h>
#include <sys/stat.h>

static uint8_t buffer[4096];

/* ---- one folder -------------------------------------------------------------- */

enum { ASKERS = 8 };

static pthread_barrier_t together;

static void *ask_for_folder(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&together);
    return (void *)(intptr_t)weir_state_folder(probes[0].below);
}

/* Each of a filter's threads may be the first to ask. */
static void test_all_threads_get_the_same_folder(void **state)
{
    pthread_t asker[ASKERS];
    void *folder[ASKERS];

    (void)state;
    pthread_barrier_init(&together, NULL, ASKERS);
    for (int round = 0; round < 50; round++) {
        assert_int_equal(stage_open(1), 0);
        for (int i = 0; i < ASKERS; i++)
            assert_int_equal(pthread_create(&asker[i], NULL, ask_for_folder, NULL), 0);
        for (int i = 0; i < ASKERS; i++)
            pthread_join(asker[i], &folder[i]);
        for (int i = 0; i < ASKERS; i++)
            assert_ptr_equal(folder[i], folder[0]);
        assert_true((intptr_t)folder[0] >= 0);
        stage_close();
    }
    pthread_barrier_destroy(&together);
}

/* ---- figures ----------------------------------------------------------------- */

static enum weir_verdict as_told(struct probe *p, struct weir_request *req)
{
    if (p->verdict == WEIR_DEFER) {
        weir_resume_at(req, 0, WEIR_PASS);
        return WEIR_DEFER;
    }
    return p->verdict == WEIR_FAIL ? weir_fail(req, ENOSPC) : p->verdict;
}

static void test_each_verdict_is_counted_where_it_was_given(void **state)
{
    static const int times[] = {
        [WEIR_PASS] = 5, [WEIR_COMPLETE] = 3, [WEIR_FAIL] = 2, [WEIR_DEFER] = 4
    };
    const struct figures *f;

    (void)state;
    assert_int_equal(stage_open(3), 0);
    probes[1].down = as_told;
    for (enum weir_verdict v = WEIR_PASS; v <= WEIR_DEFER; v++) {
        probes[1].verdict = v;
        for (int i = 0; i < times[v]; i++)
            ask(WEIR_WRITE, 0, 4096, 0, buffer);
    }
    f = figures_of("probe1", WEIR_WRITE);
    assert_int_equal(f->requests, 14);
    assert_int_equal(f->bytes, 14 * 4096);
    assert_int_equal(f->completed, 3);
    assert_int_equal(f->failed, 2);
    assert_int_equal(f->deferred, 4);
    assert_int_equal(f->passed, 9);
    assert_int_equal(histogram_count(&f->below), 9);
    assert_int_equal(figures_of("probe0", WEIR_WRITE)->requests, 14);
    assert_int_equal(figures_of("probe2", WEIR_WRITE)->requests, 9);
    assert_int_equal(figures_of("store", WEIR_WRITE)->requests, 9);
    assert_int_equal(figures_of("export", WEIR_WRITE)->requests, 14);
    assert_int_equal(figures_of("export", WEIR_WRITE)->failed, 2);
    assert_int_equal(figures_of("probe1", WEIR_READ)->requests, 0);
    struct figures none;
    assert_int_equal(export_figures(stage, PLACE_FILTER, "probe3", WEIR_WRITE, &none), -ENOENT);
}

/* Another chain gives its index to another filter; what it has counted stays its own. */
static void test_figures_are_of_the_filter_that_is_asked_for(void **state)
{
    struct figures none;

    (void)state;
    assert_int_equal(stage_open(3), 0);
    probes[1].down = as_told;
    probes[1].verdict = WEIR_COMPLETE;
    for (int i = 0; i < 3; i++)
        ask(WEIR_WRITE, 0, 4096, 0, buffer);
    probes[1].verdict = WEIR_PASS;
    ask(WEIR_WRITE, 0, 4096, 0, buffer);
    assert_int_equal(figures_of("probe2", WEIR_WRITE)->requests, 1);
    assert_int_equal(stage_apply((const int[]){ 1, 2, -1 }), 0);
    assert_int_equal(figures_of("probe1", WEIR_WRITE)->requests, 4);
    assert_int_equal(figures_of("probe2", WEIR_WRITE)->requests, 1);
    assert_int_equal(export_figures(stage, PLACE_FILTER, "probe0", WEIR_WRITE, &none), -ENOENT);
}

static void test_a_filter_knows_its_datastore(void **state)
{
    struct weir_datastore d;
    struct settings *keys = NULL;

    (void)state;
    assert_int_equal(stage_open(1), 0);
    memset(&d, 0xff, sizeof(d));
    weir_datastore(probes[0].below, &d);
    assert_string_equal(d.name, "stage");
    assert_null(d.folder); /* an array lies nowhere */
    assert_null(d.exchange);
    assert_int_equal(d.latency_threshold, 0);
    for (size_t i = 0; i < sizeof(d.reserved) / sizeof(d.reserved[0]); i++)
        assert_int_equal(d.reserved[i], 0);

    assert_int_equal(settings_create(datastore_rows, sizeof(struct datastore_keys), &keys, NULL),
                     0);
    assert_int_equal(settings_set(keys, "latency_threshold", "5ms", NULL), 0);
    datastore_apply(export_config(stage)->datastore, keys);
    settings_destroy(keys);
    weir_datastore(probes[0].below, &d);
    assert_int_equal(d.latency_threshold, 5000000);
}

static enum weir_verdict hold(struct probe *p, struct weir_request *req)
{
    p->held = req;
    sem_post(&p->sem);
    return WEIR_DEFER;
}

static unsigned held_by(int place)
{
    struct export_view view;

    assert_int_equal(export_view(stage, &view), 0);
    unsigned held = view.filter[place].held;
    export_view_finish(&view);
    return held;
}

static void test_who_holds_how_many_can_be_read(void **state)
{
    struct client c[3];
    struct weir_request *held[3];

    (void)state;
    probes[1].down = hold;
    assert_int_equal(stage_open(2), 0);
    for (int i = 0; i < 3; i++) {
        client_start(&c[i], WEIR_READ, 0, 512, buffer);
        take(&probes[1].sem);
        held[i] = probes[1].held;
    }
    wait_for(held_by(1) == 3);
    assert_int_equal(held_by(0), 0);
    for (int i = 0; i < 3; i++) {
        weir_resume(held[i], WEIR_PASS);
        assert_int_equal(client_wait(&c[i]), 0);
        assert_int_equal(held_by(1), 2 - i);
    }
}

/* ---- geometry ---------------------------------------------------------------- */

static int half(struct probe *p, struct weir_geometry *geometry, struct weir_text *why)
{
    (void)p;
    (void)why;
    geometry->size /= 2;
    geometry->ops &= ~WEIR_OP(WEIR_TRIM);
    return 0;
}

static void test_each_filter_stands_on_what_is_below(void **state)
{
    struct weir_geometry geometry;

    (void)state;
    probes[0].geometry = probes[2].geometry = half;
    assert_int_equal(stage_open(3), 0);
    weir_geometry(probes[2].below, &geometry);
    assert_int_equal(geometry.size, DISK);
    weir_geometry(probes[1].below, &geometry);
    assert_int_equal(geometry.size, DISK / 2);
    weir_geometry(probes[0].below, &geometry);
    assert_int_equal(geometry.size, DISK / 2);
    export_geometry(stage, &geometry);
    assert_int_equal(geometry.size, DISK / 4);
    assert_int_equal(geometry.ops & WEIR_OP(WEIR_TRIM), 0);
    assert_int_equal(ask(WEIR_READ, DISK / 4, 512, 0, buffer), EINVAL);
    assert_int_equal(ask(WEIR_READ, DISK / 4 - 512, 512, 0, buffer), 0);
}

/* ---- lock, report ------------------------------------------------------------ */

static void test_a_filter_can_lock_the_export(void **state)
{
    struct export_view view;

    (void)state;
    assert_int_equal(stage_open(2), 0);
    weir_lock_export(probes[1].below, "the key %s is gone", "\"k1\"");
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), EIO);
    assert_string_equal(told(), "");
    assert_int_equal(export_view(stage, &view), 0);
    assert_int_equal(view.state, EXPORT_LOCKED);
    assert_string_equal(view.reason, "the key \"k1\" is gone");
    export_view_finish(&view);
    assert_true(event_says("filter=probe1", "the key"));
    weir_unlock_export(probes[1].below);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_int_equal(stage_state(), EXPORT_ACTIVE);
}

static void test_a_report_names_export_and_filter(void **state)
{
    (void)state;
    assert_int_equal(stage_open(2), 0);
    weir_report(probes[1].below, WEIR_WARNING, "%d of %d \"gone\"\nnow", 1, 2);
    assert_true(event_says("severity=warning export=stage filter=probe1",
                           "text=\"1 of 2 \\\"gone\\\"\\nnow\""));
    assert_string_equal(weir_export_name(probes[0].below), "stage");
}

/* ---- state that lasts -------------------------------------------------------- */

static void test_state_survives_and_is_ones_own(void **state)
{
    void *data;
    size_t size;

    (void)state;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(weir_state_load(probes[0].below, "map", &data, &size), -ENOENT);
    assert_int_equal(weir_state_save(probes[0].below, "map", "first", 5), 0);
    assert_int_equal(weir_state_save(probes[0].below, "map", "second!", 7), 0);
    assert_int_equal(weir_state_load(probes[1].below, "map", &data, &size), -ENOENT);
    stage_close();
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(weir_state_load(probes[0].below, "map", &data, &size), 0);
    assert_int_equal(size, 7);
    assert_memory_equal(data, "second!", 7);
    free(data);
    struct stat s;
    assert_int_equal(fstatat(weir_state_folder(probes[0].below), "map", &s, 0), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    assert_int_equal(weir_state_remove(probes[0].below, "map"), 0);
    assert_int_equal(weir_state_remove(probes[0].below, "map"), -ENOENT);
    assert_int_equal(weir_state_save(probes[0].below, "empty", NULL, 0), 0);
    assert_int_equal(weir_state_load(probes[0].below, "empty", &data, &size), 0);
    assert_int_equal(size, 0);
    free(data);
}

static void test_state_names_are_single_components(void **state)
{
    static const char *const bad[] = { "", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden" };
    void *data;
    size_t size;

    (void)state;
    assert_int_equal(stage_open(1), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(weir_state_save(probes[0].below, bad[i], "x", 1), -EINVAL);
        assert_int_equal(weir_state_load(probes[0].below, bad[i], &data, &size), -EINVAL);
        assert_int_equal(weir_state_remove(probes[0].below, bad[i]), -EINVAL);
    }
}

/* ---- requests that never begin ----------------------------------------------- */

static void test_requests_off_the_disk_are_refused(void **state)
{
    (void)state;
    assert_int_equal(stage_open(1), 0);
    assert_int_equal(ask(WEIR_READ, DISK - 511, 512, 0, buffer), EINVAL);
    assert_int_equal(ask(WEIR_WRITE, UINT64_MAX - 100, 512, 0, buffer), EINVAL);
    assert_int_equal(ask(WEIR_ZERO, 1, UINT64_MAX, 0, NULL), EINVAL);
    assert_string_equal(told(), "");
    assert_int_equal(ask(WEIR_READ, DISK - 512, 512, 0, buffer), 0);
}

static void test_a_closed_export_says_so(void **state)
{
    (void)state;
    assert_int_equal(stage_open(1), 0);
    assert_int_equal(export_close(stage), 0);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), ESHUTDOWN);
    assert_int_equal(export_open(stage, NULL), 0);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGE_TEST(test_all_threads_get_the_same_folder),
        STAGE_TEST(test_a_filter_knows_its_datastore),
        STAGE_TEST(test_each_verdict_is_counted_where_it_was_given),
        STAGE_TEST(test_figures_are_of_the_filter_that_is_asked_for),
        STAGE_TEST(test_who_holds_how_many_can_be_read),
        STAGE_TEST(test_each_filter_stands_on_what_is_below),
        STAGE_TEST(test_a_filter_can_lock_the_export),
        STAGE_TEST(test_a_report_names_export_and_filter),
        STAGE_TEST(test_state_survives_and_is_ones_own),
        STAGE_TEST(test_state_names_are_single_components),
        STAGE_TEST(test_requests_off_the_disk_are_refused),
        STAGE_TEST(test_a_closed_export_says_so),
    };
    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
