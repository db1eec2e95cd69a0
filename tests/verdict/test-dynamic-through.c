/* test-dynamic-through.c - does an export that serves from another go by both gates?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "pointed.h"

#include "dynamic.h"
#include "gateway.h"

#include <sched.h>

/* ---- a store that serves from BASE --------------------------------------------------- */

struct through_store {
    struct export *base;
    atomic_uint inside;
};

static atomic_uint closed_under_request;

static int through_open(void *self, const struct store_image *image, const void *config,
                        struct weir_text *why)
{
    (void)config;
    (void)why;
    must(strcmp(image->image, "7") == 0);
    must(image->read_only);
    ((struct through_store *)self)->base = image->base;
    return 0;
}

static void through_close(void *self)
{
    if (atomic_load(&((struct through_store *)self)->inside))
        atomic_fetch_add(&closed_under_request, 1);
}

static void through_geometry(void *self, struct weir_geometry *geometry)
{
    export_geometry(((struct through_store *)self)->base, geometry);
}

/* Twice, for a request may need several of BASE's. */
static int through_serve(void *self, struct weir_request *req)
{
    struct through_store *t = self;
    struct weir_request io = { .op = req->op, .length = req->length, .data = req->data };

    if (req->op != WEIR_READ)
        return 0;
    atomic_fetch_add(&t->inside, 1);
    int r = export_serve(t->base, &io);
    if (!r)
        r = export_serve(t->base, &io);
    sched_yield();
    atomic_fetch_sub(&t->inside, 1);
    return -r;
}

static const struct weir_option no_options[] = { { 0 } };
static const struct store_type through_type = {
    .name = "through",
    .summary = "It reads another export.",
    .self_size = sizeof(struct through_store),
    .options = no_options,
    .open = through_open,
    .geometry = through_geometry,
    .serve = through_serve,
    .close = through_close,
};

static void add_replicated(void)
{
    probes[0].library.filter.klass = WEIR_CLASS_REPLICATION;
    struct plan plan = plan_of(1);
    add_base("vm8", pointed, &plan);
    dynamic_changes(&through_type);
}

static void test_changes_are_read_through_the_disk(void **state)
{
    (void)state;
    add_replicated();
    struct export *e = must_come("vm8@changes:7");
    assert_true(export_config(e)->read_only);
    assert_string_equal(export_config(e)->datastore->name, "told");
    assert_int_equal(dynamic_clients("vm8", false), 1);
    forget();
    reads(e, "disk");
    assert_string_equal(told(), "0>r 0<r 0>r 0<r");
    struct export *base = gateway_find("vm8");
    assert_int_equal(export_close(base), 0);
    char bytes[4];
    struct weir_request req = { .op = WEIR_READ, .length = 4, .data = bytes };
    assert_int_equal(export_serve(e, &req), ESHUTDOWN);
    assert_int_equal(export_open(base, NULL), 0);
    reads(e, "disk");
    export_unref(base);
    go(e);
    e = must_come("vm1@changes:7"); /* no such filter: what its store takes for a point */
    assert_string_equal(export_config(e)->image, "disk@changes:7");
    go(e);
    gateway_remove("vm8");
}

static enum weir_verdict wait_in_base(struct probe *p, struct weir_request *req)
{
    (void)p;
    (void)req;
    sem_post(&opening);
    take(&open_on);
    return WEIR_PASS;
}

static void *read_one(void *e)
{
    char bytes[8] = "";
    struct weir_request req = { .op = WEIR_READ, .length = sizeof(bytes), .data = bytes };

    return (void *)(intptr_t)export_serve(e, &req);
}

static void *close_one(void *e)
{
    must(dynamic_close(e) == 0);
    return NULL;
}

static unsigned waiting_at(struct export *e)
{
    struct export_view v;

    assert_int_equal(export_view(e, &v), 0);
    unsigned waiting = v.waiting;
    export_view_finish(&v);
    return waiting;
}

static void test_a_drain_finds_who_is_in_the_disk_below(void **state)
{
    pthread_t reader, closer, late;
    void *error;

    (void)state;
    add_replicated();
    atomic_store(&closed_under_request, 0);
    struct export *e = must_come("vm8@changes:7");
    probes[0].down = wait_in_base;
    assert_int_equal(pthread_create(&reader, NULL, read_one, e), 0);
    take(&opening);
    assert_int_equal(pthread_create(&closer, NULL, close_one, e), 0);
    while (gateway_find("vm8@changes:7")) /* the closer takes it out first */
        export_unref(e);
    assert_int_equal(pthread_create(&late, NULL, read_one, e), 0);
    wait_for(waiting_at(e) == 1); /* so the gate is closed, and a drain under way */
    usleep(50000);                /* one that finds nobody would be over */
    assert_int_equal(atomic_load(&closed_under_request), 0);
    sem_post(&open_on);
    take(&opening); /* the second of the two */
    usleep(10000);
    sem_post(&open_on);
    pthread_join(reader, &error);
    assert_null(error);
    pthread_join(closer, NULL);
    pthread_join(late, &error);
    assert_int_equal((intptr_t)error, ESHUTDOWN);
    assert_int_equal(atomic_load(&closed_under_request), 0);
    probes[0].down = NULL;
    go(e);
    gateway_remove("vm8");
}

static atomic_bool read_enough;
static atomic_uint read_through;

static void *read_changes(void *unused)
{
    (void)unused;
    while (!atomic_load(&read_enough)) {
        struct export *e;
        if (come("vm8@changes:7", &e, NULL))
            continue;
        for (int i = 0; i < 20; i++) {
            char bytes[8] = "";
            struct weir_request req = { .op = WEIR_READ, .length = sizeof(bytes), .data = bytes };
            int r = export_serve(e, &req);
            must(r == ESHUTDOWN || (r == 0 && strcmp(bytes, "disk") == 0));
            atomic_fetch_add(&read_through, r == 0);
        }
        go(e);
    }
    return NULL;
}

/* Both drains must find who is in the one export by way of the other. */
static void test_the_two_gates_do_not_lose_a_request(void **state)
{
    enum { THREADS = 4, READS = 20000, LEAST = 100 };
    pthread_t thread[THREADS];
    int closed = 0;

    (void)state;
    add_replicated();
    struct export *base = gateway_find("vm8");
    atomic_store(&read_enough, false);
    atomic_store(&read_through, 0);
    atomic_store(&closed_under_request, 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, read_changes, NULL), 0);
    while (atomic_load(&read_through) < READS || closed < LEAST) {
        struct export *e = gateway_find("vm8@changes:7");
        if (e && closed++ % 2)
            dynamic_close(e);
        else if (e)
            export_close(e);
        export_unref(e);
        if (closed % 8 == 0 && export_close(base) == 0)
            assert_int_equal(export_open(base, NULL), 0);
        usleep(200);
    }
    atomic_store(&read_enough, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(atomic_load(&closed_under_request), 0);
    export_unref(base);
    dynamic_stop();
    gateway_remove("vm8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POINTED_TEST(test_changes_are_read_through_the_disk),
        POINTED_TEST(test_a_drain_finds_who_is_in_the_disk_below),
        POINTED_TEST(test_the_two_gates_do_not_lose_a_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
