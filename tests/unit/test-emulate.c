/* test-emulate.c - is a datastore with an emulated device as slow as it, and else the same?
 * SPDX-License-Identifier: BSD-3-Clause
 *
 * Times are compared with the least that the schedule allows, which no disturbance of the
 * machine undercuts. */
#include "clock.h"
#include "emulate.h"
#include "events.h"
#include "gateway.h"
#include "scope.h"
#include "text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include <cmocka.h>

enum { SIZE = 1 << 20, MS = 1000000 };

/* ---- a store that is there at once --------------------------------------------- */

static uint8_t disk[SIZE];
static _Atomic unsigned opened, closed;

static int disk_open(void *self, const struct store_image *image, const void *config,
                     struct weir_text *why)
{
    (void)self, (void)image, (void)config, (void)why;
    opened++;
    return 0;
}

static void disk_geometry(void *self, struct weir_geometry *g)
{
    (void)self;
    *g = (struct weir_geometry){ .size = SIZE,
                                 .block_min = 1,
                                 .block_preferred = 4096,
                                 .block_max = 32 << 20,
                                 .ops = WEIR_ALL_OPS };
}

static int disk_serve(void *self, struct weir_request *req)
{
    (void)self;
    if (req->op == WEIR_TRIM)
        return -ENOSPC;
    if (req->op == WEIR_READ)
        memcpy(req->data, disk + req->offset, req->length);
    if (req->op == WEIR_EXTENTS)
        return weir_add_extent(req->data, req->offset, req->length, WEIR_HOLE);
    return 0;
}

static uint64_t grown_to;
static char snapped[32];

static int disk_grow(void *self, uint64_t size, struct weir_text *why)
{
    (void)self, (void)why;
    grown_to = size;
    return 0;
}

static int disk_snapshot(void *self, const char *name, struct weir_text *why)
{
    (void)self, (void)why;
    snprintf(snapped, sizeof snapped, "%s", name);
    return strcmp(name, "bad") == 0 ? -ENOSPC : 0;
}

static void disk_close(void *self)
{
    (void)self;
    closed++;
}

static const struct store_type instant = {
    .name = "instant",
    .self_size = 8,
    .open = disk_open,
    .geometry = disk_geometry,
    .serve = disk_serve,
    .close = disk_close,
};

/* ---- a datastore --------------------------------------------------------------- */

static const struct store_type *real_type = &instant;

static struct datastore *make_datastore(const char *servers, const char *service_time)
{
    struct settings *keys = NULL;
    struct datastore *d = NULL;

    assert_int_equal(settings_create(datastore_rows, sizeof(struct datastore_keys), &keys, NULL),
                     0);
    assert_int_equal(settings_set(keys, "emulate.servers", servers, NULL), 0);
    assert_int_equal(settings_set(keys, "emulate.service_time", service_time, NULL), 0);
    const struct datastore_setup setup = { .name = "slow", .type = real_type, .keys = keys };
    assert_int_equal(datastore_create(&setup, &d), 0);
    settings_destroy(keys);
    return d;
}

static struct export *make_export(struct datastore *d)
{
    struct export_config config = { .name = strdup("disk"), .datastore = datastore_ref(d) };
    struct plan plan = { 0 };
    struct export *e;

    assert_int_equal(export_create(&config, &plan, &e), 0);
    assert_int_equal(export_open(e, NULL), 0);
    return e;
}

static int ask(struct export *e, enum weir_op op, uint64_t length, void *data)
{
    struct weir_request req = { .op = op, .length = length, .data = data };

    return export_serve(e, &req);
}

/* ---- many clients ---------------------------------------------------------------- */

struct client {
    pthread_t thread;
    struct export *export;
    unsigned requests, failed;
};

static void *run_client(void *arg)
{
    struct client *c = arg;
    uint8_t data[4096];

    for (unsigned i = 0; i < c->requests; i++)
        c->failed += ask(c->export, WEIR_READ, sizeof data, data) != 0;
    return NULL;
}

/* How long `count` clients take for `requests` each, on the exports in turn. */
static uint64_t run_clients(struct export *const *exports, size_t export_count, size_t count,
                            unsigned requests)
{
    struct client clients[32];
    uint64_t began = clock_ns();

    assert_true(count <= 32);
    for (size_t i = 0; i < count; i++) {
        clients[i] = (struct client){ .export = exports[i % export_count], .requests = requests };
        assert_int_equal(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(clients[i].thread, NULL);
        assert_int_equal(clients[i].failed, 0);
    }
    return clock_ns() - began;
}

static void many_clients_get_what_the_device_can(void **state)
{
    struct datastore *d = make_datastore("4", "1ms");
    struct export *e = make_export(d);

    (void)state;
    uint64_t took = run_clients(&e, 1, 16, 25);
    assert_true(took >= 16 * 25 / 4 * 1ull * MS);
    print_message("400 requests took %.1f ms, 100 is the least\n", (double)took / MS);
    export_unref(e);
    datastore_unref(d);
}

static void exports_of_a_datastore_share_its_device(void **state)
{
    struct datastore *d = make_datastore("1", "2ms");
    struct export *exports[] = { make_export(d), make_export(d) };

    (void)state;
    assert_true(run_clients(exports, 2, 2, 25) >= 2 * 25 * 2ull * MS);
    export_unref(exports[0]);
    export_unref(exports[1]);
    datastore_unref(d);
}

static void a_large_read_takes_a_service_for_each_32_kib(void **state)
{
    static uint8_t data[SIZE];
    struct datastore *d = make_datastore("8", "1ms");
    struct export *e = make_export(d);
    uint64_t began = clock_ns();

    (void)state;
    memset(disk, 0x5a, sizeof disk);
    assert_int_equal(ask(e, WEIR_READ, SIZE, data), 0);
    assert_true(clock_ns() - began >= 32ull * MS);
    assert_memory_equal(data, disk, SIZE);
    export_unref(e);
    datastore_unref(d);
}

/* Each that took its turn would add 10 s. */
static void what_a_device_just_knows_is_free(void **state)
{
    struct datastore *d = make_datastore("1", "10s");
    struct export *e = make_export(d);
    struct weir_extents *extents = weir_extents_create();
    uint64_t began = clock_ns();

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ask(e, WEIR_EXTENTS, SIZE, extents), 0);
        assert_int_equal(ask(e, WEIR_PREFETCH, SIZE, NULL), 0);
        weir_clear_extents(extents);
    }
    assert_true(clock_ns() - began < 10000ull * MS);
    weir_extents_destroy(extents);
    export_lock(e, "no last flush: it takes a service");
    export_unref(e);
    datastore_unref(d);
}

static void an_error_of_the_real_store_comes_after_its_time(void **state)
{
    struct datastore *d = make_datastore("1", "5ms");
    struct export *e = make_export(d);
    uint64_t began = clock_ns();

    (void)state;
    assert_int_equal(ask(e, WEIR_TRIM, SIZE, NULL), ENOSPC);
    assert_true(clock_ns() - began >= 5ull * MS);
    export_unref(e);
    datastore_unref(d);
}

static void the_store_keeps_its_name_and_abilities(void **state)
{
    struct datastore *d = make_datastore("1", "1us");
    struct export *e = make_export(d);
    cleanup_text struct weir_text why = { 0 };
    unsigned before = closed;

    (void)state;
    assert_int_equal(export_event(e, WEIR_EVENT_GROW, "", 2 * SIZE, &why), -EOPNOTSUPP);
    assert_string_equal(text_string(&why), "a store of type \"instant\" cannot grow");
    assert_int_equal(export_close(e), 0);
    assert_int_equal(closed, before + 1);
    assert_int_equal(export_open(e, NULL), 0);
    export_unref(e);
    assert_int_equal(opened, closed);
    datastore_unref(d);
}

static int disk_identity(void *self, struct weir_identity *ret)
{
    (void)self;
    strcpy(ret->name, "the real one");
    return 0;
}

static void the_store_stays_the_disk_that_it_is(void **state)
{
    struct datastore *d = make_datastore("1", "1us");
    struct store_type known = instant;
    const struct store_type *type = &known;
    void *self = calloc(1, known.self_size);
    struct weir_identity is = { 0 };

    (void)state;
    known.identity = disk_identity;
    assert_int_equal(emulate_store(d->emulation, &type, &self), 0);
    assert_int_equal(type->identity(self, &is), 0);
    assert_string_equal(is.name, "the real one");
    type->close(self);
    free(self);
    type = &instant;
    self = calloc(1, instant.self_size);
    assert_int_equal(emulate_store(d->emulation, &type, &self), 0);
    assert_null(type->identity);
    type->close(self);
    free(self);
    datastore_unref(d);
}

static void the_real_store_grows_and_is_copied(void **state)
{
    struct store_type able = instant;

    able.grow = disk_grow;
    able.snapshot = disk_snapshot;
    real_type = &able;
    struct datastore *d = make_datastore("1", "1ms");
    struct export *e = make_export(d);

    (void)state;
    assert_int_equal(export_event(e, WEIR_EVENT_SNAPSHOT, "monday", 0, NULL), 0);
    assert_string_equal(snapped, "monday");
    assert_int_equal(export_event(e, WEIR_EVENT_SNAPSHOT, "bad", 0, NULL), -ENOSPC);
    export_event(e, WEIR_EVENT_GROW, "", 2 * SIZE, NULL);
    assert_int_equal(grown_to, 2 * SIZE);
    export_unref(e);
    datastore_unref(d);
    real_type = &instant;
}

static void a_clients_thread_gets_its_timer_slack_back(void **state)
{
    struct datastore *d = make_datastore("1", "1ms");
    struct export *e = make_export(d);
    uint8_t data[512];

    (void)state;
    assert_int_equal(prctl(PR_SET_TIMERSLACK, 43210ul), 0);
    assert_int_equal(ask(e, WEIR_READ, sizeof data, data), 0);
    assert_int_equal(prctl(PR_GET_TIMERSLACK), 43210);
    export_unref(e);
    datastore_unref(d);
}

static void no_servers_is_no_device(void **state)
{
    struct datastore *d = make_datastore("0", "10s");

    (void)state;
    assert_null(d->emulation);
    datastore_unref(d);
}

static void say_nothing(enum weir_severity severity, const char *line)
{
    (void)severity, (void)line;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_clients_get_what_the_device_can),
        cmocka_unit_test(exports_of_a_datastore_share_its_device),
        cmocka_unit_test(a_large_read_takes_a_service_for_each_32_kib),
        cmocka_unit_test(what_a_device_just_knows_is_free),
        cmocka_unit_test(an_error_of_the_real_store_comes_after_its_time),
        cmocka_unit_test(the_store_keeps_its_name_and_abilities),
        cmocka_unit_test(the_store_stays_the_disk_that_it_is),
        cmocka_unit_test(the_real_store_grows_and_is_copied),
        cmocka_unit_test(a_clients_thread_gets_its_timer_slack_back),
        cmocka_unit_test(no_servers_is_no_device),
    };

    events_log_to(say_nothing);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
