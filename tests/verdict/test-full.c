/* test-full.c - is a disk served as if all were well, when the state folder cannot be written?
 * SPDX-License-Identifier: BSD-3-Clause */
#include "stage.h"

#include "gateway.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static uint8_t buffer[4096];

/* No file can grow, as on a file system without room; the error is another one. */
static void make_full(bool full)
{
    static struct rlimit before;
    struct rlimit none;

    if (full) {
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        none = (struct rlimit){ 0, before.rlim_max };
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, full ? &none : &before), 0);
}

static void of_exports(char path[256], const char *name)
{
    snprintf(path, 256, "%s/exports/stage/%s", places()->state, name);
}

static int setup(void **state)
{
    char path[256];

    int r = stage_setup(state);
    of_exports(path, "kept");
    remove(path);
    of_exports(path, "transformed");
    remove(path);
    return r;
}
#define FULL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, stage_teardown)

static void assert_why(const char *expected)
{
    if (!strstr(stage_why, expected))
        fail_msg("\"%s\" is not \"…%s…\"", stage_why, expected);
}

static const char not_remembered[] =
    "that the disk is stored by the filter probe0 cannot be remembered in ";

/* Without the note, a start without the filter would serve what it stored as the disk. */
static void test_a_filter_that_transforms_is_not_used_without_its_note(void **state)
{
    (void)state;
    probes[0].library.filter.flags = WEIR_TRANSFORMS;
    make_full(true);
    int r = stage_open(1);
    make_full(false);
    assert_int_equal(r, -EFBIG);
    assert_why(not_remembered);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), EIO);
    stage_close();
    assert_int_equal(stage_open(1), 0);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
}

static void test_nor_does_it_come_live(void **state)
{
    (void)state;
    probes[0].library.filter.flags = WEIR_TRANSFORMS;
    assert_int_equal(stage_open(0), 0);
    make_full(true);
    int r = stage_apply((const int[]){ 0, -1 });
    make_full(false);
    assert_int_equal(r, -EFBIG);
    assert_why(not_remembered);
    assert_int_equal(ask(WEIR_READ, 0, 512, 0, buffer), 0);
    assert_string_equal(told(), "s=r");
    assert_int_equal(stage_apply((const int[]){ 0, -1 }), 0);
}

static int lock_it(struct probe *p, struct weir_text *why)
{
    (void)why;
    weir_lock_export(p->below, "the key is missing");
    return 0;
}

static void test_nor_is_it_unlocked(void **state)
{
    (void)state;
    probes[0].library.filter.flags = WEIR_TRANSFORMS;
    probes[0].attach = lock_it;
    assert_int_equal(stage_open(1), 0);
    make_full(true);
    weir_unlock_export(probes[0].below);
    make_full(false);
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    assert_true(event_says("probe0", "what it stores cannot be remembered in the state folder"));
    assert_int_equal(ask(WEIR_WRITE, 0, 512, 0, buffer), EIO);
    weir_unlock_export(probes[0].below);
    assert_int_equal(stage_state(), EXPORT_ACTIVE);
}

static void test_a_filter_is_told_that_what_it_keeps_is_not_remembered(void **state)
{
    (void)state;
    assert_int_equal(stage_open(1), 0);
    make_full(true);
    int r = weir_keep(probes[0].below, true);
    make_full(false);
    assert_int_equal(r, -EFBIG);
    assert_int_equal(weir_keep(probes[0].below, true), 0);
}

/* Somebody tidied up, or a backup was put back in another way. */
static void test_what_should_be_a_file_is_none(void **state)
{
    char path[256];

    (void)state;
    assert_int_equal(stage_open(1), 0);
    assert_int_equal(weir_keep(probes[0].below, true), 0);
    assert_int_equal(weir_keep(probes[0].below, false), 0);
    of_exports(path, "kept");
    assert_int_equal(mkdir(path, 0700), 0);
    stage_close();
    assert_int_equal(stage_open(1), -EISDIR);
    assert_why("/exports/stage/kept, which says which filters hold a part of the disk: Is a "
               "directory");
    assert_int_equal(stage_state(), EXPORT_LOCKED);
    stage_close();
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(stage_open(1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FULL_TEST(test_a_filter_that_transforms_is_not_used_without_its_note),
        FULL_TEST(test_nor_does_it_come_live),
        FULL_TEST(test_nor_is_it_unlocked),
        FULL_TEST(test_a_filter_is_told_that_what_it_keeps_is_not_remembered),
        FULL_TEST(test_what_should_be_a_file_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
