/* test-keep.c - is a disk ever served without a filter that keeps a part of it?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

#include "chain.h"
#include "gateway.h"
#include "scope.h"

#include <sys/stat.h>

static uint8_t buffer[4096];

static char path[256]; /* of the file that remembers */

/* What the export remembers, "" where it is nothing. */
static void read_kept(char *text, size_t room)
{
    FILE *file = fopen(path, "re");
    size_t size = file ? fread(text, 1, room - 1, file) : 0;

    text[size] = '\0';
    if (file)
        fclose(file);
}

static const char *kept(void)
{
    static char text[256];

    read_kept(text, sizeof(text));
    return text;
}

static int setup(void **state)
{
    int r = stage_setup(state);

    snprintf(path, sizeof(path), "%s/exports/stage/kept", places()->state);
    remove(path);
    return r;
}
#define KEEP_TEST(f) cmocka_unit_test_setup_teardown(f, setup, stage_teardown)

/* ---- who may leave it out ------------------------------------------------------- */

static void assert_refused(int r)
{
    char expected[512];

    snprintf(expected, sizeof(expected),
             "the filter probe1 holds what was written to this disk and has not reached its store, "
             "and its policy does not have it: put it back, and empty it first (ctl verb drain); "
             "or, to lose what it holds, remove the line \"probe1\" from %s",
             path);
    assert_int_equal(r, -EPERM);
    assert_string_equal(stage_why, expected);
}

static void test_a_policy_without_the_keeper_is_refused(void **state)
{
    (void)state;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(weir_keep(probes[1].below, true), 0);
    assert_string_equal(kept(), "probe1\n");
    assert_refused(stage_apply((const int[]){ 0, -1 }));
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "0>w 1>w s=w 1<w 0<w");
    assert_int_equal(stage_apply((const int[]){ 1, -1 }), 0);

    assert_int_equal(weir_keep(probes[1].below, false), 0);
    assert_string_equal(kept(), "");
    assert_int_equal(stage_apply((const int[]){ 0, -1 }), 0);
}

static void test_a_start_without_the_keeper_locks(void **state)
{
    (void)state;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(weir_keep(probes[1].below, true), 0);
    stage_close();
    assert_refused(stage_open(1));
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), EIO);
    stage_close();

    /* it is known from before, so that the end of it is no call without effect */
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(weir_keep(probes[1].below, true), 0);
    assert_int_equal(weir_keep(probes[1].below, false), 0);
    stage_close();
    assert_int_equal(stage_open(1), 0);
}

static void test_what_was_kept_before_is_forgotten_by_the_first_call(void **state)
{
    (void)state;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(weir_keep(probes[1].below, true), 0);
    stage_close();
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(weir_keep(probes[1].below, false), 0);
    assert_string_equal(kept(), "");
}

/* Another object of the same name, as after an upgrade: the place is made anew. */
static void test_a_keeper_may_be_exchanged_for_itself(void **state)
{
    (void)state;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(weir_keep(probes[1].below, true), 0);
    probes[2].library.filter.name = "probe1";
    assert_int_equal(stage_apply((const int[]){ 0, 2, -1 }), 0);
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "0>w 2>w s=w 2<w 0<w");
    assert_refused(stage_apply((const int[]){ 0, -1 }));
    assert_int_equal(weir_keep(probes[2].below, false), 0);
    assert_int_equal(stage_apply((const int[]){ 0, -1 }), 0);
}

/* By the name of the filter where a class has one place only, whatever it is called there. */
static void test_a_keeper_with_a_class_is_known_by_its_name(void **state)
{
    (void)state;
    probes[1].library.filter.klass = WEIR_CLASS_CACHE;
    assert_int_equal(stage_open(2), 0);
    free(probes[1].below->label);
    probes[1].below->label = strdup("fast");
    assert_int_equal(weir_keep(probes[1].below, true), 0);
    assert_string_equal(kept(), "probe1\n");
    assert_refused(stage_apply((const int[]){ 0, -1 }));
    assert_int_equal(weir_keep(probes[1].below, false), 0);
}

/* ---- while others are at work ----------------------------------------------------- */

static sem_t draining;

static void tell_of_drain(struct probe *p, bool begin)
{
    (void)p;
    if (begin)
        sem_post(&draining);
}

static enum weir_verdict keep_when_drained(struct probe *p, struct weir_request *req)
{
    (void)req;
    sem_post(&p->sem);
    take(&draining);
    must(weir_keep(p->below, true) == 0);
    return WEIR_PASS;
}

/* The change was right when it was asked for, and is not when the last request is through. */
static void test_a_request_keeps_while_a_change_waits_for_it(void **state)
{
    struct client c;

    (void)state;
    sem_init(&draining, 0, 0);
    probes[1].down = keep_when_drained;
    probes[1].drain = tell_of_drain;
    assert_int_equal(stage_open(2), 0);
    client_start(&c, WEIR_WRITE, 0, 512, buffer);
    take(&probes[1].sem);
    assert_refused(stage_apply((const int[]){ 0, -1 }));
    assert_int_equal(client_wait(&c), 0);
    probes[1].down = NULL;
    probes[1].drain = NULL;
    forget();
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "0>r 1>r s=r 1<r 0<r");
    sem_destroy(&draining);
}

/* Nobody else changes this one's line. */
static void *change_often(void *arg)
{
    struct probe *p = arg;

    for (int i = 0; i < 61; i++) {
        char text[256];
        bool keep = i % 2 == 0;
        must(weir_keep(p->below, keep) == 0);
        read_kept(text, sizeof(text));
        must(!strstr(text, p->library.filter.name) == !keep);
    }
    return NULL;
}

static void test_several_keepers_do_not_lose_each_others_lines(void **state)
{
    pthread_t threads[3];

    (void)state;
    assert_int_equal(stage_open(3), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, change_often, &probes[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 3; i++)
        assert_non_null(strstr(kept(), probes[i].library.filter.name));
    assert_int_equal(strlen(kept()), strlen("probe0\nprobe1\nprobe2\n"));
}

static void test_to_say_it_again_writes_nothing(void **state)
{
    struct stat before, after;

    (void)state;
    assert_int_equal(stage_open(1), 0);
    assert_int_equal(weir_keep(probes[0].below, true), 0);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(weir_keep(probes[0].below, true), 0);
    assert_int_equal(stat(path, &after), 0);
    assert_true(before.st_ino == after.st_ino);
}

static void test_what_cannot_be_remembered_is_not_promised(void **state)
{
    (void)state;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(weir_keep(probes[1].below, true) < 0);
    assert_int_equal(rmdir(path), 0);
    assert_string_equal(kept(), "");
    assert_int_equal(weir_keep(probes[1].below, true), 0);
    assert_string_equal(kept(), "probe1\n");
}

/* ---- a filter that does not let go -------------------------------------------------- */

static enum weir_verdict hold(struct probe *p, struct weir_request *req)
{
    p->held = req;
    return WEIR_DEFER;
}

static void open_where_probe_1_holds(void)
{
    stage_hold_limit = 20000000;
    stage_on_failure = ON_FAILURE_BYPASS;
    assert_int_equal(stage_open(2), 0);
    probes[1].down = hold;
}

static void test_a_keeper_is_never_bypassed(void **state)
{
    (void)state;
    open_where_probe_1_holds();
    assert_int_equal(weir_keep(probes[1].below, true), 0);
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), EIO);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
}

/* It has not said so itself since it was attached. */
static void test_a_keeper_of_before_is_not_bypassed(void **state)
{
    (void)state;
    assert_int_equal(stage_open(2), 0);
    assert_int_equal(weir_keep(probes[1].below, true), 0);
    stage_close();
    open_where_probe_1_holds();
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), EIO);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
}

static void test_a_filter_that_kept_may_be_bypassed(void **state)
{
    (void)state;
    open_where_probe_1_holds();
    assert_int_equal(weir_keep(probes[1].below, true), 0);
    assert_int_equal(weir_keep(probes[1].below, false), 0);
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), 0);
    assert_int_equal(stage_state(), EXPORT_ACTIVE);
}

static void test_a_bypassed_filter_may_not_keep(void **state)
{
    (void)state;
    open_where_probe_1_holds();
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), 0);
    assert_int_equal(weir_keep(probes[1].below, true), -ESHUTDOWN);
    assert_int_equal(weir_keep(probes[1].below, false), 0);
    assert_string_equal(kept(), "");
    probes[1].down = NULL; /* and one that comes back fresh may */
    assert_int_equal(stage_apply((const int[]){ 0, 1, -1 }), 0);
    assert_int_equal(weir_keep(probes[1].below, true), 0);
}

/* ---- what else it may ask for --------------------------------------------------------- */

static void test_a_filter_learns_which_disk_it_is(void **state)
{
    struct weir_identity is;

    (void)state;
    assert_int_equal(stage_open(1), 0);
    memset(&is, 0xff, sizeof(is));
    assert_int_equal(weir_identity(probes[0].below, &is), -ENOTSUP);
    assert_string_equal(is.name, "");
    store_name = "array 5";
    memset(&is, 0xff, sizeof(is));
    assert_int_equal(weir_identity(probes[0].below, &is), 0);
    assert_string_equal(is.name, "array 5");
    assert_int_equal(is.changed, 17);
    for (size_t i = 0; i < sizeof(is.reserved) / sizeof(is.reserved[0]); i++)
        assert_int_equal(is.reserved[i], 0);
}

static void test_a_pool_that_is_not_there(void **state)
{
    struct weir_pool pool;

    (void)state;
    assert_int_equal(stage_open(1), 0);
    assert_int_equal(weir_pool(probes[0].below, "ssd", &pool), -ENOENT);
    assert_null(pool.path);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        KEEP_TEST(test_a_policy_without_the_keeper_is_refused),
        KEEP_TEST(test_a_start_without_the_keeper_locks),
        KEEP_TEST(test_what_was_kept_before_is_forgotten_by_the_first_call),
        KEEP_TEST(test_a_keeper_may_be_exchanged_for_itself),
        KEEP_TEST(test_a_keeper_with_a_class_is_known_by_its_name),
        KEEP_TEST(test_a_request_keeps_while_a_change_waits_for_it),
        KEEP_TEST(test_several_keepers_do_not_lose_each_others_lines),
        KEEP_TEST(test_to_say_it_again_writes_nothing),
        KEEP_TEST(test_what_cannot_be_remembered_is_not_promised),
        KEEP_TEST(test_a_keeper_is_never_bypassed),
        KEEP_TEST(test_a_keeper_of_before_is_not_bypassed),
        KEEP_TEST(test_a_filter_that_kept_may_be_bypassed),
        KEEP_TEST(test_a_bypassed_filter_may_not_keep),
        KEEP_TEST(test_a_filter_learns_which_disk_it_is),
        KEEP_TEST(test_a_pool_that_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
